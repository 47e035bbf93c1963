"""Every command of a workspace: its words, its exit code, its JSON, and what it leaves behind."""

import importlib.util
import json
import re
import subprocess
import sys

import pytest
from conftest import one_sentence

from tito import assembly, runner, workspace
from tito.blame import Blame
from tito.commands import watch

IDS = ["tensor.double", "tensor.total", "tensor.Box.__init__", "tensor.Box.peek"]
RESULT = {"exercise", "outcome", "sentence", "check", "place", "checks", "blame"}


def as_json(desk, *argv):
    code, out, err = desk.tito(*argv, "--json")
    assert err == ""
    return code, json.loads(out)


# -- test
def test_exit_codes_of_test(desk):
    """0 passed, 1 failed, 2 misused, 3 nothing failed and some blank."""
    assert desk.tito("test")[0] == 2, "which module? None was worked on yet"
    assert desk.tito("test", "01")[0] == 3
    assert desk.tito("test")[0] == 3, "the last one"
    desk.answer("tensor.double", "return x * x")
    assert desk.tito("test", "01")[0] == 1
    desk.edit("double", "return x * x", "return 2 * x")
    assert desk.tito("test", "01")[0] == 3
    assert desk.tito("test", "01", "double")[0] == 0
    assert desk.tito("test", "double", "total")[0] == 3
    for exercise in IDS[1:]:
        desk.answer(exercise)
    assert desk.tito("test", "01")[0] == 0
    assert desk.tito("test", "--all")[0] == 3


@pytest.mark.parametrize(
    ("argv", "counts"),
    [
        (["relu", "01"], [1, 4]),
        (["total", "01"], [4]),
        (["01", "total", "1"], [4]),
        (["01", "tensor", "total"], [4]),
        (["02", "01", "total"], [1, 1]),
        (["01", "total", "total", "tensor.total", "double"], [2]),
    ],
)
def test_each_exercise_that_is_asked_for_is_judged_once(desk, argv, counts):
    """A module with no exercise behind it is meant as a whole, wherever it stands."""
    code, told = as_json(desk, "test", *argv)
    names = [[result["exercise"] for result in results] for results in told.values()]
    assert (code, [len(several) for several in names]) == (3, counts)
    assert all(len({*several}) == len(several) for several in names)


def test_json_of_test(desk):
    desk.answer("tensor.double", "return 2 * x")
    desk.answer("tensor.total", "result -= value")
    code, told = as_json(desk, "test", "01")
    assert code == 1
    assert list(told) == ["01_tensor"]
    results = {result["exercise"]: result for result in told["01_tensor"]}
    assert [results[name]["outcome"] for name in IDS] == ["passed", "failed", "blank", "blank"]
    assert all(set(result) >= RESULT for result in results.values())
    assert results["tensor.double"]["checks"] == 4
    failed = results["tensor.total"]
    assert (failed["check"], failed["sentence"]) == ("quick check", "1 + 2")
    assert "the mistake is here" in failed["blame"]


def test_words_of_test(desk):
    desk.answer("tensor.double", "return 2 * x")
    desk.answer("tensor.total", "result -= value")
    out = desk.tito("test", "01")[1]
    assert re.search(r"tensor\.double +passed +4 checks\n", out)
    assert re.search(r"tensor\.total +failed\n", out)
    assert re.search(r"tensor\.Box\.peek +blank +given\n", out)
    assert "\ntensor.total: 1 + 2\n" in out
    assert "1 passed, 1 failed, 2 blank" in out
    assert "next: tensor.total" in out


def test_verbose_shows_what_the_code_printed(desk):
    """In its quick check, which calls it with 4, and in tests that pass as well."""
    desk.answer("tensor.double", "print('heré', x)\nreturn 2 * x")
    assert "heré" not in desk.tito("test", "01", "double")[1]
    code, out, _ = desk.tito("test", "01", "double", "-v")
    assert code == 0 and "heré 4\npassed: tensor.double\n" in out and "heré -3\n" in out, out
    desk.edit("double", "return 2 * x", "return 2 * x if x >= 0 else 1 / 0")
    out = desk.tito("test", "01", "double", "-v", "--no-blame")[1]
    assert "heré -3\n" in out and f"{desk.exported()}:" in out, "no line of a copy is named"


def test_a_blank_is_never_called_passed(desk):
    """The given code passes every check, and still nothing of it is the learner's."""
    _, told = as_json(desk, "test", "01")
    assert {result["outcome"] for result in told["01_tensor"]} == {"blank"}
    assert as_json(desk, "status")[1]["modules"]["01_tensor"]["passed"] == 0


def test_a_comment_is_no_answer_and_a_pass_is_one(desk):
    """The stub counts by what it does."""
    desk.edit("double", "# Your code here.", "# I will come back to this!")
    assert desk.tito("test", "01", "double")[0] == 3
    desk.edit("double", 'raise Blank("tensor.double")', "pass")
    code, out, _ = desk.tito("test", "01", "double")
    assert (code, "tensor.double: " in out) == (1, True)


def test_progress_belongs_to_the_text_that_passed(desk):
    desk.answer("tensor.double", "return 2 * x")
    desk.tito("test", "01")
    state = as_json(desk, "status")[1]["modules"]["01_tensor"]
    assert (state["passed"], state["points"]) == (1, 5)
    desk.edit("double", "return 2 * x", "return 3 * x")
    desk.tito("export", "01")
    state = as_json(desk, "status")[1]["modules"]["01_tensor"]
    assert (state["passed"], state["yours"], state["points"]) == (0, 1, 0)
    desk.edit("double", "return 3 * x", "return 2 * x")
    desk.tito("export", "01")
    assert as_json(desk, "status")[1]["modules"]["01_tensor"]["passed"] == 1


# -- export
def test_export(desk):
    desk.answer("tensor.double", "return 2 * x")
    code, out, _ = desk.tito("export", "01")
    assert (code, out) == (
        0,
        "src/tinytorch/tensor.py written: 1 of 4 exercises yours, 3 given\n",
    )
    assert "unchanged" in desk.tito("export", "01")[1]
    code, told = as_json(desk, "export", "01")
    assert set(told["01_tensor"]) >= {"yours", "given", "edited", "restored", "unknown", "changed"}
    assert told["01_tensor"]["yours"] == ["double"]
    assert told["01_tensor"]["given"] == ["total", "Box.__init__", "Box.peek"]
    assert told["01_tensor"]["changed"] is False


def test_export_check_writes_nothing(desk):
    desk.answer("tensor.double", "return 2 * x")
    before = desk.files()
    code, out, _ = desk.tito("export", "--check", "--all")
    assert (code, out.splitlines()[0]) == (1, "modules/01_tensor/tensor.ipynb: not exported")
    assert desk.files() == before
    desk.tito("export", "--all")
    assert desk.tito("export", "--check", "--all")[0] == 0


def test_export_names_what_is_odd(desk):
    desk.edit("double", "LIMIT = 3", "LIMIT = 4\n\n\ndef more():\n    return torch.ones(3)")
    desk.edit("box", "class Box:", "class Box(object):")
    out = desk.tito("export", "01")[1]
    assert "given code that you changed: LIMIT, Box" in out
    assert "used, but defined in no cell that begins with `#| export`: torch" in out
    status = desk.tito("status")[1]
    assert "01_tensor: given code that you changed: LIMIT, Box" in status
    data = desk.data()
    desk.save(data | {"cells": [c for c in data["cells"] if c["id"] != "double"]})
    assert "given code that was deleted, and came back: LIMIT" in desk.tito("export", "01")[1]


def test_a_last_line_that_shows_a_function_is_no_second_definition(desk):
    desk.edit("double", "LIMIT = 3", "LIMIT = 3\ndouble")
    code, out, _ = desk.tito("export", "01")
    assert code == 0 and "given code that you changed" not in out


def test_an_exercise_that_an_export_loses_is_kept(desk):
    """Its cell was deleted; `src` still had it, so the file is kept before it is replaced."""
    desk.answer("tensor.double", "return 2 * x")
    desk.tito("export", "01")
    before, data = desk.exported().read_bytes(), desk.data()
    desk.save(data | {"cells": [c for c in data["cells"] if c["id"] != "double"]})
    out = desk.tito("export", "01")[1]
    number = re.search(r"double: yours in the export before this one.*`tito undo (\d+)`", out)
    assert number and b"2 * x" not in desk.exported().read_bytes(), out
    assert desk.tito("undo", number[1])[0] == 0
    assert desk.exported().read_bytes() == before


@pytest.mark.parametrize("notebook_too", [False, True])
def test_a_file_that_was_changed_by_hand_is_kept(desk, notebook_too):
    desk.answer("tensor.double", "return 2 * x")
    desk.tito("export", "01")
    edited = desk.exported().read_bytes() + b"MINE = 1\n"
    desk.exported().write_bytes(edited)
    if notebook_too:
        desk.edit("double", "return 2 * x", "return x + x")
    out = desk.tito("test", "01")[1]
    number = re.search(r"changed by hand, not in the notebook.*`tito undo (\d+)`", out)
    assert number and b"MINE" not in desk.exported().read_bytes(), out
    assert "changed by hand" not in desk.tito("export", "01")[1]
    assert "changed by hand" not in desk.tito("status")[1]
    assert desk.tito("undo", number[1])[0] == 0
    assert desk.exported().read_bytes() == edited


def test_a_file_that_no_manifest_knows_is_kept(desk):
    desk.answer("tensor.double", "return 2 * x")
    desk.tito("export", "01")
    edited = desk.exported().read_bytes() + b"MINE = 1\n"
    desk.exported().write_bytes(edited)
    (desk.root / ".tito" / "manifest.json").unlink()
    code, out, err = desk.tito("export", "01")
    number = re.search(r"changed by hand, not in the notebook.*`tito undo (\d+)`", out)
    assert (code, err) == (0, "") and number, out
    assert desk.tito("undo", number[1])[0] == 0
    assert desk.exported().read_bytes() == edited


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("def double(x):", "double: the line `@np.vectorize` above it is gone"),
        ("@np.vectorize\ndef double(y):", "double takes (y), and should take (x)"),
    ],
)
def test_a_head_that_was_changed_is_said(head, words):
    course = "@np.vectorize\ndef double(x):\n    return x + x\n"
    mix = assembly.assemble(f"{head}\n    return 2 * 2\n", course, {"double": set()})
    assert (mix.yours, mix.notes) == (["double"], [words])


# -- test
def test_the_other_notebooks_that_were_saved_are_exported_too(desk):
    """`relu` is judged on `double` as it stands in the notebook, not as it was exported once."""
    desk.solve()
    desk.answer("activations.relu", "return total([max(double(x), 0)]) / 2")
    desk.tito("export", "--all")
    desk.edit("double", "return 2 * x", "return 3 * x")
    code, out, _ = desk.tito("test", "02")
    assert (code, "src/tinytorch/tensor.py written" in out) == (1, True), out
    assert "return 3 * x" in desk.exported().read_text(encoding="utf-8")
    desk.edit("double", "return 3 * x", "return 2 *")
    code, out, _ = desk.tito("test", "02")
    assert code == 1 and "01_tensor stays as it was exported last: " in out
    assert "return 3 * x" in desk.exported().read_text(encoding="utf-8")


def test_an_export_meanwhile_does_not_change_what_is_judged(desk, monkeypatch):
    """Another command writes the files while `tito test` runs: a watch, a second terminal."""
    desk.solve()
    desk.answer("activations.relu", "return total([max(double(x), 0)]) / 2")
    desk.tito("export", "--all")
    real = runner.checks

    def checks(module, limit, exercises):
        text = desk.exported().read_text(encoding="utf-8")
        desk.exported().write_text(text.replace("return 2 * x", "return 9 * x"), encoding="utf-8")
        return real(module, limit, exercises)

    monkeypatch.setattr(runner, "checks", checks)
    assert desk.tito("test", "02")[0] == 0
    assert "return 9 * x" in desk.exported().read_text(encoding="utf-8")


def test_what_other_commands_wrote_meanwhile_stays(desk, monkeypatch):
    """In a second terminal, while `tito test` searches for whose bug it is."""
    desk.solve()
    desk.answer("activations.relu", "return abs(x)")
    real = Blame.explain

    def explain(self, result):
        others = (["hint", "relu"], ["solution", "total", "--give-up"], ["test", "01", "double"])
        assert [desk.tito(*argv)[0] for argv in others] == [0, 0, 0]
        return real(self, result)

    monkeypatch.setattr(Blame, "explain", explain)
    assert desk.tito("test", "02")[0] == 1
    told = as_json(desk, "status")[1]
    assert (told["hints"], told["gave_up"]) == (1, ["tensor.total"])
    exercises = told["modules"]["01_tensor"]["exercises"]
    assert exercises["tensor.double"]["state"] == "passed"
    assert told["next"] == "tensor", "the module that was begun last"


# -- hint and solution
def test_hints_come_one_by_one_and_are_remembered(desk):
    toml = desk.course.read("modules/01_tensor/module.toml").decode()
    desk.course.write("modules/01_tensor/module.toml", toml.replace("['a'", "['think'"))
    assert desk.tito("hint", "double")[1] == "tensor.double\n  1 of 3: think\n"
    assert desk.tito("hint", "tensor.double")[1].endswith("  2 of 3: b\n")
    out = desk.tito("hint", "double")[1]
    assert "  3 of 3: c\n" in out and "tito solution tensor.double --give-up" in out
    assert desk.tito("hint", "double")[1] == out, "there are no more than three"
    told = as_json(desk, "status")[1]
    assert told["modules"]["01_tensor"]["exercises"]["tensor.double"]["hints"] == 3
    assert told["hints"] == 3
    assert "3 hints taken" in desk.tito("status", "01")[1]


def test_a_solution_is_shown_after_a_pass(desk):
    code, out, err = desk.tito("solution", "double")
    assert (code, out) == (1, "") and one_sentence(err)
    assert "has not passed yet" in err and "--give-up" in err
    desk.answer("tensor.double", "return 2 * x")
    assert desk.tito("solution", "double")[0] == 1, "it was written, and not judged yet"
    desk.tito("test", "01")
    code, out, _ = desk.tito("solution", "double")
    assert (code, "return x + x" in out) == (0, True)
    desk.edit("double", "return 2 * x", "return 3 * x")
    desk.tito("test", "01")
    assert desk.tito("solution", "double")[0] == 0, "it passed once, and is being tried anew"
    assert as_json(desk, "status")[1]["gave_up"] == []


def test_giving_up_is_recorded_and_earns_no_points(desk):
    code, out, _ = desk.tito("solution", "total", "--give-up")
    assert (code, "result = result + value" in out) == (0, True)
    desk.solve()
    desk.tito("test", "01")
    desk.tito("solution", "total")
    told = as_json(desk, "status")[1]
    assert told["gave_up"] == ["tensor.total"]
    assert told["modules"]["01_tensor"]["points"] == 15
    assert "solutions shown before you passed (no points): tensor.total" in desk.tito("status")[1]


# -- reset and undo
def test_reset_and_undo_are_a_round_trip(desk):
    desk.solve()
    data = desk.data()
    data["cells"][3]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "é\n"}]
    desk.notebook().write_text(json.dumps(data, indent=4), encoding="utf-8")
    mine = desk.notebook().read_bytes()
    for argv in (["reset", "01"], ["reset", "01", "double"], ["reset", "tensor", "Box.peek"]):
        code, out, _ = desk.tito(*argv)
        assert code == 0 and "`tito undo` takes that back" in out
        blank = desk.notebook().read_bytes()
        assert blank != mine
        code, out, _ = desk.tito("undo")
        assert code == 0
        assert desk.notebook().read_bytes() == mine, "undo brings every byte back"
        number = re.search(r"`tito undo (\d+)` takes this back", out)[1]
        assert desk.tito("undo", number)[0] == 0
        assert desk.notebook().read_bytes() == blank, "undo can be undone"
        desk.notebook().write_bytes(mine)


def test_reset_of_one_exercise_leaves_the_others(desk):
    before = desk.cells()
    desk.solve()
    solved = desk.cells()
    desk.tito("reset", "01", "total")
    after = desk.cells()
    assert after["total"] == before["total"]
    assert {k: v for k, v in after.items() if k != "total"} == {
        k: v for k, v in solved.items() if k != "total"
    }
    desk.tito("reset", "01", "Box.peek")
    assert 'raise Blank("tensor.Box.peek")' in desk.cells()["box"]
    assert "vars(self)['value'] = value" in desk.cells()["box"]


def test_undo_takes_back_the_step_and_nothing_that_was_written_since(desk):
    desk.answer("tensor.total")
    desk.answer("tensor.double")
    mine = desk.cells()
    assert desk.tito("reset", "double")[0] == 0
    desk.answer("tensor.Box.peek", "return vars(self)['value']  # two hours")
    code, out, _ = desk.tito("undo")
    assert code == 0 and "tensor.ipynb; what you wrote there since stays" in out
    assert "two hours" in desk.cells()["box"]
    assert {**desk.cells(), "box": ""} == {**mine, "box": ""}
    assert "all steps are undone" in desk.tito("undo")[2]


@pytest.mark.parametrize("step", [["reset", "double"], ["reset", "01"]])
def test_undo_that_would_take_later_work_away_is_refused(desk, step):
    desk.answer("tensor.double")
    mine = desk.notebook().read_bytes()
    assert desk.tito(*step)[0] == 0
    desk.answer("tensor.double", "return x * 2  # two hours")
    before = desk.files()
    code, _, err = desk.tito("undo")
    assert code == 1 and one_sentence(err), err
    assert "you changed modules/01_tensor/tensor.ipynb since" in err and "`tito undo 0001`" in err
    assert desk.files() == before
    assert desk.tito("undo", "1")[0] == 0 and desk.notebook().read_bytes() == mine
    assert desk.tito("undo", "2")[0] == 0 and "two hours" in desk.cells()["double"]


def test_undo_of_a_number(desk):
    desk.solve()
    first = desk.notebook().read_bytes()
    desk.tito("reset", "01", "double")
    second = desk.notebook().read_bytes()
    desk.tito("reset", "01", "total")
    rows = desk.tito("undo", "--list")[1].splitlines()
    assert [row.split()[0] for row in rows] == ["0001", "0002"]
    assert "before tito reset tensor.double" in rows[0]
    assert desk.tito("undo", "1")[0] == 0
    assert desk.notebook().read_bytes() == first
    assert desk.tito("undo", "0002")[0] == 0
    assert desk.notebook().read_bytes() == second


def test_the_oldest_snapshot_can_still_be_undone(desk, monkeypatch):
    """Undoing takes a snapshot itself; with as many as are kept, it must not push out its own."""
    monkeypatch.setattr(workspace, "KEPT", 5)
    assert "The last 5 such steps are kept." in desk.tito("undo", "--help")[1]
    desk.solve()
    mine = desk.notebook().read_bytes()
    for number in range(5):
        assert desk.tito("reset", "01")[0] == 0
        desk.edit("double", "LIMIT = 3", f"LIMIT = 3  # {number}")
    kept = [row.split()[0] for row in desk.tito("undo", "--list")[1].splitlines()]
    assert (len(kept), kept[0]) == (5, "0001")
    assert desk.tito("undo", "1")[0] == 0
    assert desk.notebook().read_bytes() == mine


def test_what_was_done_again_can_be_undone_again(desk):
    """A number of an undo does the step again; then it is the last one, and not undone."""
    desk.answer("tensor.double")
    mine = desk.notebook().read_bytes()
    desk.tito("reset", "double")
    blank = desk.notebook().read_bytes()
    for argv, then in [([], mine), (["2"], blank), ([], mine), (["4"], blank), (["5"], mine)]:
        code, _, err = desk.tito("undo", *argv)
        assert (code, err, desk.notebook().read_bytes()) == (0, "", then), argv
    assert "all steps are undone" in desk.tito("undo")[2]
    rows = desk.tito("undo", "--list")[1].splitlines()
    assert [row.split()[0] for row in rows if row.endswith("undone")] == ["0001", "0002", "0005"]


def test_exports_do_not_push_a_reset_out(desk, monkeypatch):
    monkeypatch.setattr(workspace, "KEPT", 2)
    desk.answer("tensor.double")
    mine = desk.notebook().read_bytes()
    assert desk.tito("export", "01")[0] == desk.tito("reset", "double")[0] == 0
    for number in range(3):
        desk.exported().write_text(f"# by hand, {number}", encoding="utf-8")
        assert desk.tito("export", "01")[0] == 0
    assert len(desk.tito("undo", "--list")[1].splitlines()) == 3, "the step, and two exports"
    assert desk.tito("undo")[0] == 0
    assert desk.notebook().read_bytes() == mine


UNDOS = [
    (["undo"], "there is nothing to undo"),
    (["undo", "--list"], "there is nothing to undo"),
    (["undo", "7"], "there is nothing to undo"),
]


@pytest.mark.parametrize(("argv", "words"), UNDOS)
def test_nothing_to_undo(desk, argv, words):
    code, _, err = desk.tito(*argv)
    assert code == 1 and words in err


def test_a_snapshot_that_is_not_there(desk):
    desk.solve()
    desk.tito("reset", "01")
    for number in ("7", "x", "-", "00001"):
        code, _, err = desk.tito("undo", number)
        assert code == 1 and f"there is no snapshot {number}" in err


def test_a_damaged_snapshot_is_said(desk):
    desk.solve()
    desk.tito("reset", "01")
    (desk.root / ".tito" / "snapshots" / "0001" / "snapshot.json").write_bytes(b"{")
    for argv in (["undo"], ["undo", "--list"]):
        code, _, err = desk.tito(*argv)
        assert code == 1 and "is damaged" in err and one_sentence(err)


def test_reset_of_what_cannot_be_parsed(desk):
    desk.edit("double", "def double", "def double(")
    code, _, err = desk.tito("reset", "01", "double")
    assert code == 1 and "does not define double, or is not Python" in err
    desk.answer("tensor.total")
    assert desk.tito("reset", "01", "total")[0] == 0, "the other cells can be read"


def rewrite(desk, cell, change):
    data = desk.data()
    (raw,) = [raw for raw in data["cells"] if raw["id"] == cell]
    raw["source"] = change("".join(raw["source"]))
    desk.save(data)


@pytest.mark.parametrize("indent", ["\t", "  "], ids=["tabs", "two blanks"])
def test_reset_of_a_method_that_is_indented_otherwise(desk, indent):
    blank = desk.cells()["box"].replace("    ", indent)
    desk.solve()
    rewrite(desk, "box", lambda text: text.replace("    ", indent))
    code, out, err = desk.tito("reset", "01", "Box.__init__", "Box.peek")
    assert (code, err) == (0, "") and "Box.peek: blank again; `tito undo` takes that back" in out
    assert desk.cells()["box"] == blank


TWICE = {
    "twice": ("double", "LIMIT = 3", "def double(x):\n    return 3\n\n\nLIMIT = 3"),
    "and set": ("double", "LIMIT = 3", "LIMIT = 3\ndouble = np.sin"),
    "a class": ("double", "#| export", "#| export\nclass double:\n    pass"),
    "a class alone": (
        "double",
        'def double(x):\n    """Twice x."""\n    return 2 * x',
        "class double:\n    pass",
    ),
    "bare carriage returns": ("double", "\n", "\r"),
    "in a scratch cell, too": ("check-box", "\nBox(3).peek()", "\ndef double(x):\n    return 3"),
}


@pytest.mark.parametrize(("cell", "old", "new"), TWICE.values(), ids=TWICE)
def test_what_is_blank_again_is_blank(desk, cell, old, new):
    desk.solve()
    rewrite(desk, cell, lambda text: text.replace(old, new))
    code, out, err = desk.tito("reset", "01", "double")
    assert (code, err) == (0, "") and "double: blank again" in out
    assert "return 2 * x" not in desk.cells()["double"]
    code, out, err = desk.tito("test", "01")
    assert (code, err) == (3, ""), out
    assert "tensor.double        blank" in out and "3 passed, 1 blank" in out


@pytest.mark.parametrize(
    "source",
    [
        "class Box:\n    def __init__(self, value):\n        self.value = value",
        "class Box: x = 3",
        "Box = None",
    ],
)
def test_reset_brings_a_method_back_into_its_class(desk, source):
    rewrite(desk, "box", lambda _: f"#| export\n{source}\n")
    assert desk.tito("reset", "01", "Box.peek")[0] == 0
    assert "def peek(self):\n        # Your code here." in desk.cells()["box"]
    assert desk.tito("test", "01", "Box.peek")[0] == 3


@pytest.mark.parametrize("where", ["box and mine", "box twice"])
def test_reset_of_what_is_defined_in_two_places(desk, where):
    """Which of them is to go is not for tito to say."""
    box = "class Box:\n    def peek(self):\n        return 7"
    if where == "box twice":
        rewrite(desk, "box", lambda text: f"{text}\n\n\n{box}")
    else:
        data = desk.data()
        mine = data["cells"][-1] | {"id": "mine", "source": f"#| export\n{box}"}
        desk.save(data | {"cells": [*data["cells"], mine]})
    before = desk.files()
    code, _, err = desk.tito("reset", "01", "Box.peek")
    assert code == 1 and one_sentence(err) and f"tensor.Box.peek is defined in {where}" in err
    assert desk.files() == before


def without(desk, *ids):
    data = desk.data()
    desk.save(data | {"cells": [cell for cell in data["cells"] if cell["id"] not in ids]})


def test_reset_brings_deleted_cells_back_beside_others(desk):
    """Two exercises of a deleted cell, and one whose cell is still there, in one command."""
    before = desk.cells()
    desk.solve()
    without(desk, "double", "box")
    code, _, err = desk.tito("reset", "total", "Box.peek", "Box.__init__", "double")
    assert (code, err) == (0, "")
    assert desk.cells() == before
    assert list(desk.cells()) == list(before)


def test_reset_of_a_deleted_cell_where_no_cell_has_an_id(desk):
    desk.solve()
    without(desk, "double")
    data = desk.data()
    cells = [{k: v for k, v in cell.items() if k != "id"} for cell in data["cells"]]
    desk.save(data | {"cells": cells, "nbformat_minor": 4})
    assert desk.tito("reset", "double")[0] == 0
    assert "return 2 * x" not in desk.notebook().read_text(encoding="utf-8")
    assert desk.tito("test", "01")[0] == 3


def test_reset_of_all_of_a_notebook_that_is_no_python(desk):
    desk.edit("double", "def double", "def double(")
    assert desk.tito("reset", "01")[0] == 0


# -- start, status, doctor, and tito alone
def test_start_prints_the_path(desk):
    code, out, _ = desk.tito("start", "01", "--no-open")
    assert (code, out) == (0, f"{desk.notebook()}\n")
    desk.solve()
    desk.tito("test", "01")
    assert desk.tito("start", "--no-open")[1] == f"{desk.notebook('02_activations')}\n"


def test_a_notebook_that_is_gone_comes_back_blank(desk):
    blank = desk.notebook().read_bytes()
    desk.solve()
    desk.tito("export", "01")
    desk.notebook().unlink()
    assert as_json(desk, "status")[1]["modules"]["01_tensor"]["export"] == "gone"
    for argv in (["export", "01"], ["test", "01"]):
        code, _, err = desk.tito(*argv)
        assert code == 1 and one_sentence(err) and "modules/01_tensor/tensor.ipynb" in err
    out = desk.tito("start", "01", "--no-open")[1]
    assert "modules/01_tensor/tensor.ipynb was gone: it is back, with all blanks" in out
    assert desk.notebook().read_bytes() == blank


def test_states_of_an_export(desk):
    def state():
        return as_json(desk, "status")[1]["modules"]["01_tensor"]["export"]

    assert state() == "untouched"
    desk.answer("tensor.double")
    assert state() == "not exported"
    desk.tito("export", "01")
    assert state() == "in step"
    desk.edit("double", "LIMIT = 3", "LIMIT = 4")
    assert state() == "stale"
    assert "newer than what was exported: 01_tensor (tito test 01)" in desk.tito("status")[1]
    desk.tito("export", "01")
    desk.exported().write_text("x = 1\n", encoding="utf-8")
    assert state() == "changed by hand"
    desk.tito("export", "01")
    assert state() == "in step"
    desk.exported().unlink()
    assert state() == "stale"


def test_json_of_status(desk):
    told = as_json(desk, "status")[1]
    assert set(told) == {"workspace", "modules", "milestones", "hints", "gave_up", "next"}
    module = told["modules"]["01_tensor"]
    assert set(module) == {
        *("name", "title", "total", "passed", "yours", "blank", "points", "of_points"),
        *("edited", "export", "exercises"),
    }
    assert set(module["exercises"]["tensor.double"]) == {"state", "stars", "points", "hints"}
    assert (module["total"], module["blank"], module["of_points"]) == (4, 4, 20)
    assert told["next"] == "tensor"


def test_tito_alone_says_where_you_are(desk):
    code, out, _ = desk.tito()
    assert code == 0
    assert f"workspace {desk.root}: 0 of 5 exercises passed" in out
    assert "next: tensor.double" in out


TROUBLE = {
    "a stray file": (
        lambda desk: desk.root / "src/tinytorch/console.py",
        0,
        "console.py: never loaded, for no export wrote it",
    ),
    "a folder named tinytorch": (
        lambda desk: desk.root / "tinytorch" / "__init__.py",
        1,
        "Python imports this instead of the real one",
    ),
    "a file named numpy.py": (lambda desk: desk.root / "numpy.py", 1, "rename it"),
    "a file named random.py": (lambda desk: desk.root / "random.py", 1, "rename it"),
    "a file beside a notebook": (
        lambda desk: desk.notebook().with_name("statistics.py"),
        1,
        "modules/01_tensor/statistics.py",
    ),
    "a file beside a script": (
        lambda desk: desk.root / "milestones/05_2017_toy/json/__init__.py",
        1,
        "milestones/05_2017_toy/json ",
    ),
    "a file that hides nothing": (lambda desk: desk.root / "os.py", 0, "all well"),
    "settings.ini": (lambda desk: desk.root / "settings.ini", 1, "nbdev stumbles over"),
}


@pytest.mark.parametrize(("place", "code", "words"), TROUBLE.values(), ids=TROUBLE)
def test_doctor_finds_files_in_the_way(desk, place, code, words):
    desk.tito("export", "01")
    assert desk.tito("doctor")[0] == 0
    path = place(desk)
    path.parent.mkdir(exist_ok=True)
    path.write_text("", encoding="utf-8")
    got, out, err = desk.tito("doctor")
    assert (got, err) == (code, "")
    assert words in out
    if code:
        assert "mend the first one first" in out


def test_doctor_finds_a_file_that_is_gone(desk):
    desk.tito("export", "01")
    desk.exported().unlink()
    code, out, _ = desk.tito("doctor")
    assert code == 1
    assert "tensor.py is gone: run `tito export tensor` again" in out


def test_doctor_finds_the_environment(desk, monkeypatch):
    monkeypatch.setenv("IN_TEST", "1")
    code, out, _ = desk.tito("doctor")
    assert code == 1 and "makes nbdev export nothing: unset it" in out


def test_doctor_finds_what_is_missing(desk, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "hypothesis" else find(name)
    )
    code, told = as_json(desk, "doctor")
    assert code == 1
    row = next(row for row in told if row["what"] == "hypothesis")
    assert row["state"] == "problem" and "pip install" in row["words"]


def test_json_of_doctor(desk):
    code, told = as_json(desk, "doctor")
    assert code == 0
    assert all(set(row) == {"what", "state", "words"} for row in told)
    assert {row["state"] for row in told} <= {"ok", "note"}
    assert {"Python", "numpy", "workspace", "files found"} <= {row["what"] for row in told}


def test_doctor_outside_of_a_workspace(desk, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, out, _ = desk.tito("doctor")
    assert code == 0 and "`tito init DIR` makes a folder to learn in" in out


@pytest.mark.parametrize("command", ["status", "doctor", "export", "test", "hint", "undo"])
def test_a_damaged_list_of_exports_is_one_sentence(desk, command):
    desk.tito("export", "01")
    (desk.root / ".tito" / "manifest.json").write_bytes(b"{")
    words = {"export": ["01"], "test": ["01"], "hint": ["double"]}.get(command, [])
    code, out, err = desk.tito(command, *words)
    assert "Traceback" not in out + err
    if command not in ("hint", "undo"):
        assert code == 1 and "manifest.json is damaged" in out + err


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"passed": 3}', b"\xff", b"null"])
def test_damaged_progress_is_one_sentence(desk, content):
    desk.tito("hint", "double")
    (desk.root / ".tito" / "progress.json").write_bytes(content)
    for command in (["status"], ["hint", "double"], ["test", "01"], []):
        code, _, err = desk.tito(*command)
        assert code == 1 and "progress.json is damaged" in err and one_sentence(err)
    assert desk.tito("export", "01")[0] == 0


@pytest.mark.parametrize("content", [b"course = ", b"\xff\xfe", b"[[["])
def test_damaged_settings_are_one_sentence(desk, content):
    (desk.root / "tito.toml").write_bytes(content)
    for command in (["status"], ["test", "01"], [], ["doctor"]):
        code, _, err = desk.tito(*command)
        assert code == 1 and "tito.toml cannot be read" in err and one_sentence(err)


def test_a_variable_that_names_no_workspace(desk, monkeypatch, tmp_path):
    monkeypatch.setenv("TINYTORCH_WORKSPACE", str(tmp_path))
    for command in (["status"], ["test", "01"], ["doctor"], []):
        code, _, err = desk.tito(*command)
        assert code == 1 and "where there is no tito.toml" in err and one_sentence(err)


MISTAKES = [
    (["test", "99"], 1, "there is no module '99'"),
    (["test", "tensr"], 1, "there is no exercise 'tensr'"),
    (["test", "01", "dubble"], 1, "did you mean tensor.double?"),
    (["test", "02", "double"], 1, "there is no exercise 'double' in 02_activations"),
    (["test", "--all", "01"], 2, "name modules or say --all, not both"),
    (["test", "12"], 1, "12_attention"),
    (["hint", "relou"], 1, "did you mean activations.relu?"),
    (["reset"], 2, "NAME"),
    (["reset", "01", "nothing"], 1, "there is no exercise 'nothing' in 01_tensor"),
    (["watch"], 2, "NN"),
    (["start", "77"], 1, "there is no module '77'"),
    (["status", "nowhere"], 1, "there is no module 'nowhere'"),
    (["milestone", "run", "moon"], 1, "no milestone is called 'moon'"),
]


@pytest.mark.parametrize(("argv", "code", "words"), MISTAKES)
def test_a_mistake_is_one_sentence(desk, argv, code, words):
    before = desk.files()
    got, out, err = desk.tito(*argv)
    assert got == code, out + err
    assert words in err and "Traceback" not in err
    assert desk.files() == before


@pytest.mark.parametrize(
    "argv",
    [["start"], ["status"], ["hint", "x"], ["solution", "x"], ["reset", "1"], ["undo"], ["update"]],
)
def test_outside_of_a_workspace_the_way_in_is_said(desk, monkeypatch, tmp_path, argv):
    monkeypatch.chdir(tmp_path)
    code, out, err = desk.tito(*argv)
    assert (code, out) == (2, "") and "`tito init DIR` makes one" in err


def test_the_module_is_known_by_its_folder(desk, monkeypatch):
    monkeypatch.chdir(desk.notebook().parent)
    assert "tensor.double" in desk.tito("test")[1]
    assert desk.tito("export")[0] == 0


# -- milestones
def test_a_milestone_is_recorded_when_it_passed(desk):
    code, out, _ = desk.tito("milestone", "run", "proof")
    assert (code, out) == (0, "recorded: 00_toy_proof\n")
    told = as_json(desk, "status")[1]["milestones"]
    assert told["00_toy_proof"]["mix"] == {"yours": {}, "flags": []}


def test_a_control_is_not_recorded(desk):
    code, out, _ = desk.tito("milestone", "run", "proof", "0", "--shuffle-turns")
    assert (code, out.startswith("not recorded: ")) == (0, True) and "it is the control" in out
    assert "00_toy_proof" not in as_json(desk, "status")[1]["milestones"]


def test_a_milestone_on_given_code_takes_no_record_away(desk):
    desk.answer("tensor.double")
    desk.tito("export", "01")
    desk.tito("milestone", "run", "proof", "0")
    desk.tito("reset", "01", "double")
    desk.tito("export", "01")
    assert desk.tito("milestone", "run", "proof")[0] == 0
    told = as_json(desk, "status")[1]["milestones"]["00_toy_proof"]
    assert told["mix"] == {"yours": {"tensor": ["double"]}, "flags": ["0"]}


@pytest.mark.parametrize("flags", [["1"], ["7"]])
def test_a_milestone_that_failed_is_not(desk, flags):
    assert desk.tito("milestone", "run", "proof", *flags)[0] == int(flags[0])
    assert as_json(desk, "status")[1]["milestones"] == {}


def test_a_milestone_of_ones_own_is_not(desk):
    script = desk.root / "milestones/05_2017_toy/00_toy_proof.py"
    script.write_text('"""Easy."""\n', encoding="utf-8")
    code, out, _ = desk.tito("milestone", "run", "proof")
    assert code == 0 and "is not the course's own script" in out
    assert as_json(desk, "status")[1]["milestones"] == {}


@pytest.mark.parametrize("leave", ["exit(0)", "import os; os._exit(0)", "raise SystemExit"])
def test_a_milestone_that_the_learners_code_ended_is_not(desk, leave):
    """`exit()` in a function of theirs gives exit code 0, and proves nothing."""
    script = '"""Proof."""\n\nimport sys\n\nfrom tinytorch.tensor import double\n\n'
    script += 'print("loss", double(2))\nsys.exit(1 if double(2) != 4 else 0)\n'
    for root in (desk.root, desk.course.root):
        (root / "milestones/05_2017_toy/00_toy_proof.py").write_text(script, encoding="utf-8")
    desk.answer("tensor.double", "return 2 * x")
    desk.tito("export", "01")
    assert desk.tito("milestone", "run", "proof")[0] == 0
    assert list(as_json(desk, "status")[1]["milestones"]) == ["00_toy_proof"]
    (desk.root / ".tito" / "progress.json").unlink()
    desk.edit("double", "return 2 * x", leave)
    assert "stale" in desk.tito("status")[1]
    desk.tito("export", "01")
    code, out, _ = desk.tito("milestone", "run", "proof")
    assert code == 1 and "not recorded: it ended before its verdict" in out
    assert as_json(desk, "status")[1]["milestones"] == {}


def test_a_milestone_without_a_verdict_is_not(desk):
    """It ended well, as with a flag that shows its help, and judged nothing."""
    desk.course.write("tinytorch/console.py", "VERDICTS = []\n")
    script = '"""Proof."""\n\nimport sys\n\nfrom tinytorch import console\n\n'
    for root in (desk.root, desk.course.root):
        path = root / "milestones/05_2017_toy/00_toy_proof.py"
        path.write_text(f"{script}console.VERDICTS += sys.argv[1:]\n", encoding="utf-8")
    code, out, _ = desk.tito("milestone", "run", "proof")
    assert code == 1 and "not recorded: it ended before its verdict" in out
    assert desk.tito("milestone", "run", "proof", "--help")[:2] == (0, "")
    assert as_json(desk, "status")[1]["milestones"] == {}
    assert desk.tito("milestone", "run", "proof", "0")[1] == "recorded: 00_toy_proof\n"


def test_a_milestone_says_what_is_stale(desk):
    desk.answer("tensor.double", "return 2 * x")
    out = desk.tito("milestone", "run", "proof")[1]
    assert "note: 01_tensor is newer than its export: tito test 01" in out


def test_an_error_in_a_milestone_is_shown_from_the_script_on(desk):
    script = '"""Proof."""\n\nfrom tinytorch.tensor import double\n\ndouble([])[3]\n'
    for root in (desk.root, desk.course.root):
        (root / "milestones/05_2017_toy/00_toy_proof.py").write_text(script, encoding="utf-8")
    done = desk.command("milestone", "run", "proof")
    assert done.returncode == 1
    assert "IndexError" in done.stderr and "00_toy_proof.py" in done.stderr
    assert "runpy" not in done.stderr and "inside" not in done.stderr


# -- watch
def test_watch_sees_every_save(desk):
    desk.answer("tensor.double", "return x * x")
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", "watch", "01"],
        cwd=desk.root,
        env=desk.env({"PYTHONUNBUFFERED": "1"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )

    def until_it_waits():
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "waiting for the next save" in line:
                return "".join(lines)
        raise AssertionError("it ended: " + "".join(lines))

    try:
        assert "1 failed, 3 blank" in until_it_waits()
        desk.edit("double", "return x * x", "return 2 * x")
        assert "1 passed, 3 blank" in until_it_waits()
        desk.edit("double", "return 2 * x", "return 2 *")
        assert "this is not Python" in until_it_waits()
        desk.edit("double", "return 2 *", "return x + x + 0")
        assert "1 passed, 3 blank" in until_it_waits()
        desk.answer("tensor.total")
        assert "2 passed, 2 blank" in until_it_waits()
    finally:
        process.kill()
        process.communicate()


def test_watch_sees_what_was_saved_in_other_notebooks(desk, monkeypatch):
    """`relu` is judged on `double` as it was mended since, though only `relu` is watched."""
    desk.answer("tensor.double", "return 3 * x")
    desk.answer("activations.relu", "return total([max(double(x), 0)]) / 2")
    desk.tito("export", "01")

    def saved(path, seen):
        if seen:
            desk.edit("double", "return 3 * x", "return 2 * x")
        return path

    monkeypatch.setattr(watch, "_saved", saved)
    code, out, _ = desk.tito("watch", "02", "--once")
    before, after = out.split("waiting for the next save", 1)
    assert (code, "your tensor.double is wrong" in before) == (0, True), out
    assert "src/tinytorch/tensor.py written" in after and "\n1 passed\n" in after, out


# -- consoles and paths
SLOW = [pytest.param(coding, marks=pytest.mark.slow) for coding in ("ascii", "cp437")]


@pytest.mark.parametrize("coding", ["cp1252", *SLOW])
def test_a_console_of_windows_shows_every_command(desk, coding):
    """Nothing is lost but the signs that the console does not have."""
    toml = desk.course.read("modules/01_tensor/module.toml").decode()
    arrows = toml.replace("'a'", "'loss \N{RIGHTWARDS ARROW} 0'").replace("Toy", "\N{SNOWMAN} toy")
    desk.course.write("modules/01_tensor/module.toml", arrows)
    desk.answer("tensor.double", "assert 0, '\N{SNOWMAN}'")
    env = {"PYTHONIOENCODING": coding, "PYTHONUTF8": "0"}
    commands = (
        *(["test", "01"], ["status"], ["status", "01"], ["hint", "double"], ["doctor"], []),
        *(["reset", "01"], ["undo"], ["update"], ["export", "--all"], ["start", "--no-open"]),
        *(["solution", "double", "--give-up"], ["milestone", "list"], ["status", "--json"]),
        *(["test", "01", "--json"], ["milestone", "run", "proof"], ["undo", "--list"]),
    )
    for argv in commands:
        done = desk.command(*argv, env=env, encoding=None)
        assert b"Traceback" not in done.stdout + done.stderr, argv
        assert done.returncode == (1 if argv and argv[0] == "test" else 0), (argv, done.stderr)
        assert done.stdout
    out = desk.command("hint", "double", env=env, encoding=None).stdout
    assert b"loss ? 0" in out or b"loss \x1a 0" in out


def test_crlf_everywhere(desk):
    """A workspace that git checked out on Windows."""
    desk.solve()
    for path in desk.root.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert desk.tito("test", "01")[0] == 0
    assert desk.tito("status")[0] == 0
    assert desk.tito("milestone", "run", "proof")[1].endswith("recorded: 00_toy_proof\n")
    assert desk.tito("reset", "01", "double")[0] == 0
    assert desk.tito("undo")[0] == 0


def test_json_is_alone_on_stdout(desk):
    desk.solve()
    for argv in (["test", "01"], ["export", "01"], ["status"], ["doctor"]):
        done = desk.command(*argv, "--json")
        json.loads(done.stdout)
        assert done.stderr == ""


def test_a_module_that_is_new_in_the_course(desk):
    notebook = desk.notebook("02_activations")
    base = desk.root / ".tito" / "base" / notebook.relative_to(desk.root)
    fresh = notebook.read_bytes()
    notebook.unlink()
    assert "gone: 02_activations" in desk.tito("status")[1]
    base.unlink()
    assert "new in the course: 02_activations (tito update brings it)" in desk.tito("status")[1]
    assert re.search("activations.ipynb +note +new in the course", desk.tito("doctor")[1])
    assert desk.tito("update")[0] == 0
    assert notebook.read_bytes() == base.read_bytes() == fresh


def test_what_another_exercise_holds_up_is_not_counted_as_failed(desk):
    desk.answer("tensor.double", "return x")
    desk.answer("activations.relu", "return total([max(double(x), 0)]) / 2")
    assert desk.tito("export", "01")[0] == 0
    code, out, _ = desk.tito("test", "02")
    assert (code, "\n1 held up\n" in out) == (1, True), out
    assert "next: tensor.double" in out


def test_given_code_that_is_to_blame_has_no_hints(desk):
    desk.answer("tensor.double")
    desk.edit("double", "LIMIT = 3", "LIMIT = 3 / 0")
    out = desk.tito("test", "01", "double")[1]
    assert "your tensor.LIMIT is wrong: " in out
    assert out.endswith("\nnext: tensor.LIMIT      (the course's own: tito reset tensor.LIMIT)\n")
    assert desk.tito("reset", "tensor.LIMIT")[0] == 0
    assert desk.tito("test", "01", "double")[0] == 0


def test_a_hint_for_a_module_is_one_for_its_next_exercise(desk):
    assert desk.tito("hint", "01")[1].startswith("tensor.double\n")
    assert desk.tito("hint", "02")[1].startswith("activations.relu\n")


def test_a_hint_is_one_for_the_module_in_whose_folder_one_stands(desk, monkeypatch):
    monkeypatch.chdir(desk.notebook("02_activations").parent)
    assert desk.tito("hint")[1].startswith("activations.relu\n")
    assert desk.tito("hint", "double")[1].startswith("tensor.double\n")
    desk.answer("activations.relu")
    assert desk.tito("test", "02")[0] == 0
    assert desk.tito("hint")[1].startswith("tensor.double\n"), "nothing is left to do here"
