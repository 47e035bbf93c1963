"""tito grade: points from notebooks alone, whatever else was handed in."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings
import zipfile

import pytest
from conftest import one_sentence

from tito import submissions
from tito.commands import grade


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


# -- what was handed in
BOOK, OTHER = (
    json.dumps({"cells": [{"cell_type": "code", "source": [first, "\n", word]}]})
    for first, word in (("#| default_exp tensor", "mine"), ("#|default_exp  tensor", "course's"))
)
COURSES = BOOK.replace("mine", "### BEGIN SOLUTION")
MODULE = "modules/01_tensor/tensor.ipynb"
# what is handed in, the name of what counts, the beginnings of what is remarked
HANDED_IN = {
    "an environment": (
        {MODULE: BOOK, f".venv/lib/tito/_course/{MODULE}": COURSES, f"_course/{MODULE}": COURSES},
        MODULE,
        [],
    ),
    "the course beside a workspace": (
        {f"TinyTorch/{MODULE}": OTHER, f"ws/{MODULE}": BOOK, "ws/tito.toml": ""},
        f"ws/{MODULE}",
        ["several notebooks of tensor, "],
    ),
    "the course beside a notebook": (
        {f"TinyTorch/{MODULE}": COURSES, "my-tensor.ipynb": BOOK},
        "my-tensor.ipynb",
        ["several notebooks of tensor, "],
    ),
    "saved twice": (
        {"tensor.ipynb": BOOK, "tensor (1).ipynb": OTHER},
        "tensor.ipynb",
        ["several notebooks of tensor, "],
    ),
    "the same twice": ({"tensor.ipynb": BOOK, "tensor (1).ipynb": BOOK}, "tensor.ipynb", []),
    "copies of Jupyter's": ({"a.ipynb": OTHER, ".ipynb_checkpoints/a.ipynb": BOOK}, "a.ipynb", []),
    "by its name": ({"Tensor.ipynb": '{"cells": []}'}, "Tensor.ipynb", []),
    "solved": ({"tensor.ipynb": COURSES}, "tensor.ipynb", ["x has lines `### BEGIN SOLUTION`"]),
    "another kind": (
        {"tensor.ipynb.txt": BOOK, "tensor.tar.gz": ""},
        None,
        ["x is not looked into", "x is not looked into", "no notebook of the course"],
    ),
}


@pytest.mark.parametrize("how", ["folder", "zip", "zip of Windows"])
@pytest.mark.parametrize(("files", "counts", "remarked"), [*HANDED_IN.values()], ids=[*HANDED_IN])
def test_which_notebook_counts(tmp_path, how, files, counts, remarked):
    path = tmp_path / ("bo" if how == "folder" else "bo.zip")
    if how == "folder":
        for name, text in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text, encoding="utf-8")
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name.replace("/", "\\") if "Windows" in how else name, text)
    said = []
    books = submissions.notebooks(path, said)
    found = submissions.chosen(books, ["tensor"], said)
    assert found == ({"tensor": files[counts].encode()} if counts else {})
    for name in files:
        said = [text.replace(f"{path.name}/{name} ", "x ") for text in said]
    assert len(said) == len(remarked)
    assert all(text.startswith(begin) for text, begin in zip(said, remarked)), said
    assert not counts or all(f"{path.name}/{counts}" in text for text in said if "several" in text)


def odd_zips():
    """The bytes of zips that no notebook comes out of."""
    texts = {"damaged": "tensor.ipynb", "misnamed": "tënsor.ipynb", "nested": "a.zip"}
    for what, name in texts.items():
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
            archive.writestr(name, BOOK * 20)
        content = file.getvalue().replace("ë".encode(), b"\xeb\xff")
        if what == "damaged":
            content = content[:60] + bytes(60) + content[120:]
        yield pytest.param(content, id=what)


@pytest.mark.parametrize("content", [*odd_zips()])
def test_an_odd_zip_is_remarked(tmp_path, content):
    (tmp_path / "bo.zip").write_bytes(content)
    said = []
    assert submissions.notebooks(tmp_path / "bo.zip", said) == []
    (remark,) = said
    assert remark.startswith(("bo.zip cannot be read: ", "bo.zip/a.zip is not looked into: "))


def test_of_one_name_in_a_zip_the_last_counts(tmp_path):
    """As where the zip is unpacked; a teacher hears of it if the contents differ."""
    said = []
    with zipfile.ZipFile(tmp_path / "bo.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for place, text in [("a/t", BOOK), ("./a\\t", OTHER), ("same", BOOK), ("same", BOOK)]:
            archive.writestr(f"{place}.ipynb", text)
    books = submissions.notebooks(tmp_path / "bo.zip", said)
    assert [book.content.decode() for book in books] == [OTHER, BOOK]
    assert said == ["bo.zip/a/t.ipynb is in the zip more than once: the last one counts"]


def test_a_zip_of_more_than_memory_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "LARGEST", 2 * len(BOOK))
    said = []
    for count in (2, 3):
        with zipfile.ZipFile(tmp_path / "bo.zip", "w") as archive:
            for number in range(count):
                archive.writestr(f"{number}.ipynb", BOOK)
        assert len(submissions.notebooks(tmp_path / "bo.zip", said)) == (2 if count == 2 else 0)
    assert said == ["bo.zip cannot be read: its notebooks have more than 0 MB"]


def test_whatever_was_handed_in_gets_a_row(desk, folder):
    for name in ("anna.7z", "bo.tar.gz", "carl_tensor.ipynb.json", ".DS_Store"):
        (folder / name).write_bytes(b"")
    (folder / "__MACOSX").mkdir()
    for _ in range(2):  # the table itself lies there too
        code = desk.tito("grade", folder, "01", "--csv", folder / "points.csv", "--resume")[0]
        assert code == 1
    rows = {row[0]: row[1:] for row in rows_of(folder / "points.csv")[1:]}
    assert [*rows] == ["anna.7z", "bo.tar.gz", "carl_tensor.ipynb.json"]
    why = "anna.7z is neither folder, .zip nor notebook; no notebook of the course"
    assert rows["anna.7z"] == ["0", "0", "20", why]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes among its files")
def test_what_is_no_file_costs_nobody_else_a_grade(desk, folder, tmp_path):
    hand_in(desk, folder, "bo", "01_tensor")
    (folder / "bo" / "activations.ipynb").symlink_to("gone.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
    (folder / "pïpes").mkdir()
    os.mkfifo(folder / "pïpes" / "tensor.ipynb")
    (folder / "loop").symlink_to("loop")
    table = tmp_path / "points.csv"
    assert desk.tito("grade", folder, "01", "--csv", table)[::2] == (1, "")
    why, none = "cannot be read: it is no file, or a link to none", "no notebook of the course"
    assert {row[0]: row[-1] for row in rows_of(table)[1:]} == {
        "bo": f"bo/activations.ipynb {why}",
        "loop": f"loop is neither folder, .zip nor notebook; {none}",
        "pipe.ipynb": f"pipe.ipynb {why}; {none}",
        "pïpes": f"pïpes/tensor.ipynb {why}; {none}",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 there")
def test_a_name_that_is_not_utf_8(desk, folder, tmp_path):
    os.mkdir(os.fsencode(folder) + b"/M\xfcller")
    command = ("grade", folder, "01", "--csv", tmp_path / "points.csv", "--resume")
    told = "M\\xfcller: 0 of 20 points; no notebook of the course\n"
    assert desk.tito(*command) == (1, told, "")
    assert desk.tito(*command) == (1, "", "")


# -- what is told, and when again
def test_a_killed_process_is_said_and_judged_anew(desk, folder, tmp_path, monkeypatch):
    hand_in(desk, folder, "bo", "01_tensor")
    (folder / "x").mkdir()
    real = grade.Judges.tito

    def killed(*words, inside):
        return (-9, b"", b"")

    command = ("grade", folder, "01", "--csv", tmp_path / "points.csv", "--resume")
    monkeypatch.setattr(grade.Judges, "tito", killed)
    told = "nothing could be judged: it ended without a word, does the machine lack memory?"
    assert f"bo: 0 of 20 points; {told} (exit code -9)\n" in desk.tito(*command)[1]
    monkeypatch.setattr(grade.Judges, "tito", real)
    assert desk.tito(*command)[:2] == (1, "bo: 0 of 20 points\n"), "it is blank"


def test_one_error_is_one_remark(desk, folder, monkeypatch):
    for name in ("a", "b"):
        hand_in(desk, folder, name, "01_tensor")
    real = grade.judged

    def judged(judges, books, *more):
        if not seen.append(books) and len(seen) == 1:
            raise OSError("the disk is full")
        return real(judges, books, *more)

    seen = []
    monkeypatch.setattr(grade, "judged", judged)
    _, told = graded(desk, folder, "01", "--jobs", "1")
    remarks = [["nothing could be judged: OSError: the disk is full"], []]
    assert [entry["remarks"] for entry in told.values()] == remarks


LATE = {"sentence": "stopped after 20 seconds in x", "finding": {"right": False}}
DOUBTED = {"sentence": "it is 3", "finding": {"right": None, "unclear": "it passed then"}}


@pytest.mark.parametrize("first", [LATE, DOUBTED], ids=["late", "doubted"])
@pytest.mark.parametrize("then", ["passed", "failed"])
def test_what_is_in_doubt_is_judged_once_more(desk, folder, monkeypatch, first, then):
    for name in ("a", "b"):
        hand_in(desk, folder, name, "01_tensor")
    asked = []

    def judged(judges, books, wanted, *more):
        asked.append(wanted)
        blank = {"exercise": "tensor.total", "outcome": "blank", "sentence": "", "check": ""}
        one = {"exercise": "tensor.double", "check": "quick check", **first}
        one |= {"outcome": "failed" if len(asked) != 3 else then}
        return {"01_tensor": [one, *[blank | {"finding": None}] * (len(asked) < 3)]}

    def the_last_one_first(judges, work, items):
        return [(item, work(item)) for item in reversed(items)]

    monkeypatch.setattr(grade.Judges, "each", the_last_one_first)
    monkeypatch.setattr(grade, "judged", judged)
    _, told = graded(desk, folder, "01", "--jobs", "2")
    assert asked == [["01_tensor"]] * 2 + [["tensor.double"]] * 2, "the last ones alone"
    points = [entry["points"] for entry in told.values()]
    assert points == [5 if then == "passed" else 0, 0]
    said = ["tensor.double is unclear: it passed then: grade it again"] * (first == DOUBTED)
    assert told["b"]["remarks"] == said
    assert len(told["a"]["results"]["01_tensor"]) == 2


def test_what_a_teacher_should_look_at(desk, folder):
    """A cell that is not exported, a line that is wrong, and one that is not Python."""
    desk.solve()
    desk.edit("total", "#| export\n", "")
    desk.edit("imports", "import numpy as np", "import numpy as np\nprint(undefned)")
    hand_in(desk, folder, "bo", "01_tensor")
    desk.edit("imports", "print(undefned)", "%matplotlib inline")
    hand_in(desk, folder, "carl", "01_tensor")
    code, told = graded(desk, folder, "01")
    assert [code, *(entry["points"] for entry in told.values())] == [1, 15, 15]
    away = "tensor.total counts as blank: its cell total does not begin with `#| export`"
    lost = "01_tensor: it cannot be imported: NameError: name 'undefned' is not defined"
    assert told["bo"]["remarks"] == [lost, away]
    first, second = told["carl"]["remarks"]
    assert (first, "cell imports, line 3: `%matplotlib" in second) == (away, True)
    assert second.startswith("modules/01_tensor/tensor.ipynb, cell imports")


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
    with table.open("a") as file:
        file.write("\n")  # as a spreadsheet leaves one
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
@pytest.mark.parametrize(
    ("name", "send"), [("SIGINT", "kill"), ("SIGINT", "killpg"), ("SIGTERM", "kill")]
)
def test_what_ends_it_ends_the_checks_and_keeps_what_is_done(desk, folder, tmp_path, name, send):
    """A terminal sends Ctrl-C to all that runs in it."""
    mark, table, scratch = tmp_path / "alive", tmp_path / "points.csv", tmp_path / "scratch"
    loop = f"import time\nwhile True:\n    time.sleep(0.1)\n    open({str(mark)!r}, 'a').close()"
    desk.answer("tensor.double", loop)
    for handed_in in ("endless", "other"):
        hand_in(desk, folder, handed_in, "01_tensor")
    (folder / "blank").mkdir()
    scratch.mkdir()
    words = [sys.executable, "-m", "tito", "grade", folder, "01", "--csv", table]
    words += ["--jobs", "2", "--limit", "60"]
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it would be ignored, and stay so
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    more["start_new_session"] = True
    process = subprocess.Popen(words, env=desk.env({"TMPDIR": str(scratch)}), **more)
    signal.signal(number, before)
    try:
        assert process.stdout.readline() == "blank: 0 of 20 points; no notebook of the course\n"
        for _ in range(300):
            time.sleep(0.1)
            if mark.exists():
                break
        assert mark.exists()
        getattr(os, send)(process.pid, number)
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
