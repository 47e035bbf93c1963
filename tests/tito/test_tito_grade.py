"""tito grade: points from notebooks alone, whatever else was handed in."""

import csv
import json
import signal
import subprocess
import sys
import time
import zipfile

import pytest
from conftest import one_sentence


@pytest.fixture
def folder(desk, tmp_path):
    """A folder of submissions, outside of the workspace."""
    folder = tmp_path / "hand ïns"
    folder.mkdir()
    return folder


def hand_in(desk, folder, name, *labels):
    """Put notebooks of the workspace into a submission, as a learner's folder has them."""
    for label in labels:
        place = folder / name / "modules" / label / f"{label[3:]}.ipynb"
        place.parent.mkdir(parents=True)
        place.write_bytes(desk.notebook(label).read_bytes())


def graded(desk, folder, *argv):
    """(exit code, what `tito grade --json` prints)."""
    code, out, err = desk.tito("grade", folder, *argv, "--json")
    assert (bool(out), err) == (True, "")
    return code, json.loads(out)


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [*csv.reader(file)]


def test_points_in_a_table(desk, folder, tmp_path):
    desk.solve()
    hand_in(desk, folder, "Änne", "01_tensor")
    desk.answer("activations.relu", "return 7")
    hand_in(desk, folder, "bo", "02_activations")
    code, out, err = desk.tito(
        "grade", folder, "1", "02", "tensor", "--csv", tmp_path / "points.csv"
    )
    assert (code, err) == (0, "")
    assert sorted(out.splitlines()) == ["bo: 0 of 25 points", "Änne: 20 of 25 points"]
    assert rows_of(tmp_path / "points.csv") == [
        ["submission", "01_tensor", "02_activations", "points", "of", "remarks"],
        ["bo", "0", "0", "0", "25", ""],
        ["Änne", "20", "0", "20", "25", ""],
    ]


def test_what_is_asked_counts_alone(desk, folder):
    desk.solve()
    hand_in(desk, folder, "bo", "01_tensor", "02_activations")
    code, told = graded(desk, folder, "02", "activations")
    assert (code, told["bo"]["points"], told["bo"]["of"]) == (0, 0, 5)


def test_a_bug_of_another_exercise_costs_its_own_points_alone(desk, folder):
    desk.solve()
    desk.edit("total", "result += value", "result += 3 * value")
    desk.answer("activations.relu", "return total([double(x)]) / 2 if x > 0 else 0")
    hand_in(desk, folder, "bo", "01_tensor", "02_activations")
    _, told = graded(desk, folder)
    [relu] = told["bo"]["results"]["02_activations"]
    assert relu["outcome"] == "failed" and [*relu["finding"]["culprits"]] == ["tensor.total"]
    assert told["bo"]["modules"] == {"01_tensor": 15, "02_activations": 5}


def test_a_workspace_cannot_vouch_for_itself(desk, folder):
    """Exported files, progress and copies of notebooks came along; the notebook is blank."""
    desk.solve()
    assert desk.tito("test", "01")[0] == 0
    (folder / "bo").mkdir()
    for name, content in desk.files().items():
        path = folder / "bo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    blank = desk.root / ".tito" / "base" / "modules" / "01_tensor" / "tensor.ipynb"
    (folder / "bo" / "modules" / "01_tensor" / "tensor.ipynb").write_bytes(blank.read_bytes())
    code, told = graded(desk, folder)
    assert (code, told["bo"]["points"], told["bo"]["remarks"]) == (0, 0, [])


def test_zips_and_notebooks_by_their_first_cell(desk, folder):
    desk.solve()
    book = desk.notebook().read_bytes()
    (folder / "smith_12_tensor (1).ipynb").write_bytes(book)
    for name, place in {"a.zip": "./modules/01_tensor/tensor.ipynb", "b.ZIP": "x.ipynb"}.items():
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(place, book)
            archive.writestr(".tito/base/modules/01_tensor/tensor.ipynb", "{}")
            archive.writestr("__MACOSX/._tensor.ipynb", "{}")
    code, told = graded(desk, folder, "01")
    assert (code, [grade["points"] for grade in told.values()]) == (0, [20, 20, 20])


def test_what_cannot_be_judged_is_remarked(desk, folder):
    desk.solve()
    hand_in(desk, folder, "good", "01_tensor", "02_activations")
    hand_in(desk, folder, "half", "01_tensor")
    (folder / "half" / "tensor-Copy1.ipynb").write_text("{}", encoding="utf-8")
    (folder / "half" / "activations.ipynb").write_text('{"cells": [', encoding="utf-8")
    (folder / "half" / "notes.ipynb").write_text("{}", encoding="utf-8")
    (folder / "empty").mkdir()
    (folder / "broken.zip").write_text("no zip", encoding="utf-8")
    code, told = graded(desk, folder)
    assert code == 1
    assert {name: grade["points"] for name, grade in told.items()} == {
        "broken.zip": 0,
        "empty": 0,
        "good": 20,
        "half": 20,
    }
    assert told["good"]["remarks"] == []
    assert told["empty"]["remarks"] == ["no notebook of the course"]
    assert told["broken.zip"]["remarks"][0].startswith("broken.zip cannot be read: ")
    half = told["half"]["remarks"]
    assert "half/notes.ipynb is no notebook of the course" in half
    assert any("activations.ipynb" in remark for remark in half)


def test_of_several_notebooks_the_one_in_its_place(desk, folder):
    hand_in(desk, folder, "bo", "01_tensor")
    desk.solve()
    (folder / "bo" / "my tensor.ipynb").write_bytes(desk.notebook().read_bytes())
    assert graded(desk, folder)[1]["bo"]["points"] == 0
    (folder / "bo" / "tensor.ipynb").write_bytes(desk.notebook().read_bytes())
    code, told = graded(desk, folder)
    (remark,) = told["bo"]["remarks"]
    assert code == 1
    assert "several notebooks of tensor" in remark


def test_so_many_at_a_time(desk, folder):
    desk.solve()
    hand_in(desk, folder, "a", "01_tensor")
    desk.edit("total", "result += value", "result += 3 * value")
    hand_in(desk, folder, "b", "01_tensor")
    (folder / "c").mkdir()
    alone = graded(desk, folder, "--jobs", "1")
    assert alone == graded(desk, folder, "--jobs", "3")
    assert [(name, grade["points"]) for name, grade in alone[1].items()] == [
        ("a", 20),
        ("b", 15),
        ("c", 0),
    ]


def test_resumed_it_leaves_out_whom_the_table_has(desk, folder, tmp_path):
    desk.solve()
    table = tmp_path / "points.csv"
    hand_in(desk, folder, "bo", "01_tensor")
    (folder / "empty").mkdir()
    command = ("grade", folder, "01", "--csv", table, "--resume")
    assert desk.tito(*command)[0] == 1, "the first time there is no table"
    hand_in(desk, folder, "Änne", "01_tensor")
    (folder / "bo" / "modules" / "01_tensor" / "tensor.ipynb").unlink()  # nobody looks any more
    code, out, err = desk.tito(*command)
    assert (code, out, err) == (1, "Änne: 20 of 20 points\n", "")
    assert rows_of(table)[1:] == [
        ["bo", "20", "20", "20", ""],
        ["empty", "0", "0", "20", "no notebook of the course"],
        ["Änne", "20", "20", "20", ""],
    ]
    assert desk.tito(*command)[:2] == (1, "")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"mine",
        b"submission;01_tensor;points;of;remarks\n",
        b"submission,02_activations,points,of,remarks\n",
        b"submission,01_tensor,points,of,remarks\nbo,20\n",
        b"submission,01_tensor,points,of,remarks\nbo,x,20,20,\n",
        b"\xff\xfe\x00",
    ],
)
def test_another_table_is_not_resumed(desk, folder, tmp_path, content):
    (folder / "bo").mkdir()
    (tmp_path / "points.csv").write_bytes(content)
    command = ("grade", folder, "01", "--csv", tmp_path / "points.csv", "--resume")
    code, out, err = desk.tito(*command)
    assert (code, out, one_sentence(err)) == (1, "", True)
    assert "name the modules as before, or another file" in err
    assert (tmp_path / "points.csv").read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_what_ends_it_ends_the_checks_and_keeps_what_is_done(desk, folder, tmp_path, name):
    mark, table, scratch = tmp_path / "alive", tmp_path / "points.csv", tmp_path / "scratch"
    loop = f"import time\nwhile True:\n    time.sleep(0.1)\n    open({str(mark)!r}, 'a').close()"
    desk.answer("tensor.double", loop)
    hand_in(desk, folder, "endless", "01_tensor")
    (folder / "blank").mkdir()
    scratch.mkdir()
    words = [sys.executable, "-m", "tito", "grade", folder, "01", "--csv", table]
    words += ["--jobs", "2", "--limit", "60"]
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it would be ignored, and stay so
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, env=desk.env({"TMPDIR": str(scratch)}), **more)
    signal.signal(number, before)
    try:
        assert process.stdout.readline() == "blank: 0 of 20 points; no notebook of the course\n"
        for _ in range(300):
            time.sleep(0.1)
            if mark.exists():
                break
        assert mark.exists()
        process.send_signal(number)
        _, complaint = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
    assert complaint == ""
    mark.unlink()
    time.sleep(0.5)
    assert not mark.exists(), "a check is still running"
    assert [row[:2] for row in rows_of(table)] == [["submission", "01_tensor"], ["blank", "0"]]
    assert [*scratch.iterdir()] == []


def test_refusals(desk, folder, tmp_path):
    (tmp_path / "old.csv").write_text("mine", encoding="utf-8")
    assert desk.tito("grade", folder)[0] == 1, "an empty folder"
    (folder / "x").mkdir()
    for argv in (
        ["grade", tmp_path / "nowhere"],
        ["grade", desk.root],
        ["grade", folder, "77"],
        ["grade", folder, "--csv", tmp_path / "old.csv"],
        ["grade", folder, "--csv", tmp_path / "old.csv" / "below.csv"],
        ["grade", folder, "--resume"],
        ["grade", folder, "--csv", tmp_path / "new.csv", "--resume", "--json"],
    ):
        code, out, err = desk.tito(*argv)
        assert code == 1
        assert one_sentence(err)
        assert out == ""
    assert (tmp_path / "old.csv").read_text(encoding="utf-8") == "mine"
    for flag, sentence in {"--limit": "more than 0", "--jobs": "1 or more"}.items():
        code, out, err = desk.tito("grade", folder, flag, "0")
        assert (code, out) == (2, "")
        assert sentence in err
