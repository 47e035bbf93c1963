"""What `tito test` and `tito status` say is true whatever a learner does."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import TENSOR, one_sentence

from tito import cli, learner, workspace
from tito.commands import modules


def judged(desk, *argv):
    """tito test --json: (exit code, {exercise: result}, what stands on stderr)."""
    code, out, err = desk.tito("test", *argv, "--json")
    told = json.loads(out)
    return code, {r["exercise"]: r for results in told.values() for r in results}, err


def outcomes(results):
    return {name.partition(".")[2] or name: r["outcome"] for name, r in results.items()}


def passed(desk):
    """The exercises that have passed, as `tito status` has it."""
    modules = json.loads(desk.tito("status", "--json")[1])["modules"].values()
    told = {name: e["state"] for module in modules for name, e in module["exercises"].items()}
    return [name for name, state in told.items() if state == "passed"]


# -- the course's own function in the place of the learner's
@pytest.mark.parametrize("line", ['course.give("tensor.double")', 'give("double")'])
def test_what_a_line_in_an_exported_cell_gives_is_given(desk, line):
    desk.answer("tensor.double", "return 7")
    importing = "from tinytorch import course\nfrom tinytorch.course import give\n"
    desk.edit("double", "LIMIT = 3", f"LIMIT = 3\n{importing}{line}")
    code, out, _ = desk.tito("test", "01", "double")
    assert (code, "tensor.double  blank  given" in out) == (3, True), out
    why = f"tensor.double counts as blank: take `{line}` out of the cell double to have yours"
    assert why in out
    text = desk.exported().read_text(encoding="utf-8")
    assert "return x + x" in text and line not in text
    desk.edit("double", line, "")
    assert judged(desk, "01", "double")[0] == 1, "now it is 7 that is judged"


def test_a_line_that_gives_another_modules_function_is_left_out_and_said(desk):
    desk.answer("activations.relu", "return x if x > 0 else 0")
    line = 'give("tensor.double")'
    more = f"from tinytorch.course import give\n{line}\n\n\ndef relu"
    desk.edit("relu", "def relu", more, "02_activations")
    code, out, _ = desk.tito("test", "02")
    assert code == 0, out
    assert f"cell relu: `{line}` is for the notebook, and is not exported" in out


def test_a_call_of_give_that_stands_in_a_statement_is_refused(desk):
    desk.answer("tensor.double", "return 7")
    line = "from tinytorch.course import give\nmine = give('double')"
    desk.edit("double", "LIMIT = 3", line)
    code, results, _ = judged(desk, "01", "double")
    assert code == 1
    assert "puts in the course's own function" in results["tensor.double"]["sentence"]


GIFTS = {
    "give": "from tinytorch.course import give\ngive('tensor.double')\nreturn double(x)",
    "as another name": "from tinytorch import course as c\nc.give('double')\nreturn double(x)",
    "function_source": "from tinytorch import course\nfrom pathlib import Path\n"
    "names = {}\npath = Path(course.__file__).with_name('tensor.py')\n"
    "exec(course.function_source(path, 'double'), names)\nreturn names['double'](x)",
}


@pytest.mark.parametrize("body", GIFTS.values(), ids=GIFTS)
def test_a_function_that_gets_the_courses_own_does_not_pass(desk, body):
    desk.answer("tensor.double", body)
    code, results, _ = judged(desk, "01", "double")
    assert code == 1
    assert "puts in the course's own function" in results["tensor.double"]["sentence"]


# -- the notebook as it is now
def test_a_forged_manifest_is_not_believed(desk):
    """The notebook is blank, and src and the manifest say that it is solved, and in step."""
    blank = desk.notebook().read_bytes()
    desk.solve()
    desk.tito("export", "01")
    desk.notebook().write_bytes(blank)
    manifest = desk.root / ".tito" / "manifest.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    told["tensor"] |= learner._sources(workspace.find().module("01"))
    manifest.write_text(json.dumps(told), encoding="utf-8")
    assert desk.tito("export", "--check", "01")[0] == 1
    code, results, _ = judged(desk, "01")
    assert (code, set(outcomes(results).values())) == (3, {"blank"})
    assert b"2 * x" not in desk.exported().read_bytes()


def test_a_file_that_was_changed_by_hand_is_named_itself(desk):
    desk.solve()
    desk.tito("export", "01")
    with desk.exported().open("a", encoding="utf-8") as file:
        file.write("# mine\n")
    code, out, _ = desk.tito("export", "--check", "01")
    assert (code, out) == (1, "src/tinytorch/tensor.py: changed by hand, not in the notebook\n")


# -- credit
HELPED = "return twice(x)"
HELPERS = {  # what is changed outside of the exercise -> whether it has still passed
    "its helper": ("return x * TWO", "return x * 3", False),
    "a helper's constant": ("TWO = 2", "TWO = 3", False),
    "a helper's import": ("from math import floor", "from math import ceil as floor", False),
    "a statement": ("LIMIT = 3", "LIMIT = 3\ntwice = abs", False),
    "a function that it does not use": ("return 'other'", "return 'another'", True),
    "a comment": ("# on", "# off", True),
}


@pytest.mark.parametrize(("old", "new", "kept"), HELPERS.values(), ids=HELPERS)
def test_credit_belongs_to_all_that_an_exercise_runs_on(desk, old, new, kept):
    desk.answer("tensor.double", HELPED)
    more = "LIMIT = 3\nfrom math import floor\nTWO = 2\n\n\ndef twice(x):\n    return x * TWO"
    more += " if isinstance(x, str) or floor(1.5) == 1 else 0\n\n\n"
    more += "def other():\n    return 'other'\n\n\n# on"
    desk.edit("double", "LIMIT = 3", more)
    assert judged(desk, "01", "double")[0] == 0
    assert passed(desk) == ["tensor.double"]
    desk.edit("double", old, new)
    desk.tito("export", "01")
    assert passed(desk) == ["tensor.double"] * kept


def test_a_method_of_ones_own_counts_where_it_is_named(desk):
    desk.solve()
    desk.edit("box", "return self.value", "return self.inside()")
    method = "    def inside(self):\n        return self.value\n\n    def peek(self):"
    desk.edit("box", "    def peek(self):", method)
    assert judged(desk, "01")[0] == 0
    desk.edit("box", "return self.value\n", "return 5\n")
    desk.tito("export", "01")
    assert passed(desk) == ["tensor.double", "tensor.total", "tensor.Box.__init__"]


@pytest.mark.parametrize("more", [[], ["--no-blame"]])
def test_a_run_that_could_not_judge_takes_no_credit(desk, more):
    desk.solve()
    assert judged(desk, "01")[0] == 0
    code, results, _ = judged(desk, "01", "--limit", "0.000001", *more)
    assert (code, set(outcomes(results).values())) == (1, {"failed"})
    assert len(passed(desk)) == 4
    desk.edit("double", "return 2 * x", "return 3 * x")
    assert judged(desk, "01")[0] == 1
    assert len(passed(desk)) == 3


def test_a_failure_of_the_courses_own_code_takes_no_credit(desk):
    desk.solve()
    assert judged(desk, "01")[0] == 0
    tests = desk.course.read("tests/test_01_tensor.py").decode()
    desk.course.write("tests/test_01_tensor.py", tests.replace("== 2 * x,", "== 3 * x,"))
    code, results, _ = judged(desk, "01", "double")
    assert code == 1
    assert "it fails on the course's own code too" in results["tensor.double"]["blame"]
    assert len(passed(desk)) == 4


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "soon"])
def test_a_limit_that_is_none_is_refused(desk, limit):
    code, out, err = desk.tito("test", "01", f"--limit={limit}")
    assert (code, out) == (2, "")
    assert f"'{limit}' is no time: give seconds, more than 0" in err


MEDDLING = {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTEST_PLUGINS": "x"}


@pytest.mark.parametrize(("name", "value"), MEDDLING.items())
def test_the_environment_changes_no_verdict(desk, monkeypatch, name, value):
    desk.solve()
    desk.edit("total", "result += value", "result -= value")
    monkeypatch.setenv(name, value)
    code, results, _ = judged(desk, "01")
    assert code == 1
    assert {name for name, o in outcomes(results).items() if o == "failed"} == {"total"}
    assert results["tensor.total"]["check"] == "quick check"


# -- a notebook, or a cell, that cannot be exported
@pytest.mark.parametrize("argv", [["--all"], ["01", "02"]])
def test_the_others_are_judged_where_one_is_refused(desk, argv):
    desk.answer("activations.relu")
    desk.notebook().write_bytes(b"{")
    code, results, err = judged(desk, *argv)
    assert code == 1 and one_sentence(err) and "modules/01_tensor/tensor.ipynb" in err
    assert outcomes(results).pop("relu") == "passed"
    assert outcomes(results)["double"] == "failed"
    assert "is not JSON" in results["tensor.double"]["sentence"]
    code, out, err = desk.tito("export", *argv, "--json")
    told = json.loads(out)
    assert code == 1 and one_sentence(err)
    assert "is not JSON" in told["01_tensor"]["error"]
    assert told["02_activations"]["yours"] == ["relu"]


@pytest.mark.parametrize("argv", [["--all"], ["02"]])
def test_what_nobody_foresaw_costs_its_own_module_alone(desk, monkeypatch, argv):
    desk.solve()
    desk.answer("activations.relu")
    exported = learner.run

    def broken(module):
        return exported(module) if module.name == "activations" else {}["a\nkey"]

    monkeypatch.setattr(learner, "run", broken)
    code, out, err = desk.tito("test", *argv)
    assert "activations.relu  passed" in out and "Traceback" not in out + err
    told = "01_tensor: tito itself fails here, which is the course's own fault, not yours: "
    if argv == ["02"]:
        assert code == 0 and told in out, "it was only to be exported"
        return
    assert code == 1 and one_sentence(err) and told in err
    assert r"`KeyError: 'a\nkey'`, at test_workspace_verdicts.py, line " in err
    results = judged(desk, *argv)[1]
    assert outcomes(results)["double"] == "failed" and told in results["tensor.double"]["sentence"]
    code, _, err = desk.tito("export", "--all")
    assert code == 1 and one_sentence(err) and told in err


def test_a_cell_that_is_no_python_costs_its_own_exercises(desk):
    desk.solve()
    assert judged(desk, "01")[0] == 0
    exported = desk.exported().read_bytes()
    desk.edit("double", "return 2 * x", "return 2 *")
    code, results, err = judged(desk, "01")
    assert code == 1 and one_sentence(err) and "cell double" in err
    wanted = {"double": "failed", "total": "passed", "Box.__init__": "passed", "Box.peek": "passed"}
    assert outcomes(results) == wanted
    sentence = results["tensor.double"]["sentence"]
    assert "cell double, line " in sentence and "this is not Python" in sentence
    assert desk.exported().read_bytes() == exported, "nothing was written"
    assert len(passed(desk)) == 4, "the export of before has passed, and is still there"
    out = desk.tito("test", "01")[1]
    assert "3 passed, 1 failed" in out and "counts as blank" not in out
    code, results, err = judged(desk, "01", "total")
    assert (code, outcomes(results)) == (1, {"total": "passed", "notebook": "failed"})


def test_a_broken_cell_is_known_by_its_id_too(desk):
    desk.solve()
    desk.edit("box", "class Box:", "clas Box:")
    results = judged(desk, "01")[1]
    wanted = {"double": "passed", "total": "passed", "Box.__init__": "failed", "Box.peek": "failed"}
    assert outcomes(results) == wanted


def test_a_helper_in_a_broken_cell_is_named(desk):
    """`double` needs it: its own failure is told with where the helper is."""
    desk.solve()
    data = desk.data()
    cell = next(cell for cell in data["cells"] if cell["id"] == "double")
    helper = {**cell, "id": "mine", "source": "#| export\ndef twice(x):\n    return 2 *"}
    desk.save(data | {"cells": [*data["cells"], helper]})
    desk.edit("double", "return 2 * x", "return twice(x)")
    code, results, _ = judged(desk, "01")
    assert code == 1
    assert results["tensor.double"]["sentence"].endswith(
        "name 'twice' is not defined (it is in cell mine, which is not Python)"
    )
    assert outcomes(results)["total"] == "passed"


MISSING = {
    "from fractions import Fraction": "write `from fractions import Fraction` in a cell that",
    "import fractions as f, math as Fraction": "write `import math as Fraction` in a cell that",
    "def Fraction(x):\n    return x": "defines it: let that cell begin with `#| export`",
}


@pytest.mark.parametrize(("source", "advice"), MISSING.items())
def test_a_name_that_only_other_cells_have_is_told(desk, source, advice):
    desk.answer("tensor.total", "result += Fraction(value)")
    desk.edit("helpers", "from", f"{source}\nfrom")
    code, out, _ = desk.tito("test", "01", "total")
    assert code == 1
    found = re.search(r"tensor.total: NameError.*'Fraction' is not defined \((.*)\)", out)
    assert found and found[1].startswith("cell helpers") and advice in found[1], out


def test_a_name_of_an_earlier_module_is_told(desk):
    desk.answer("activations.relu", "return Box(max(x, 0)).peek()")
    results = judged(desk, "02")[1]
    sentence = results["activations.relu"]["sentence"]
    assert "(write `from tinytorch.tensor import Box` in a cell that begins with" in sentence


# -- where it failed
def test_a_place_is_one_in_the_workspace(desk):
    """What is judged is a copy, which is gone by then."""
    desk.answer("tensor.double", "return 2 * x if x >= 0 else 1 / 0")
    file, line = judged(desk, "01", "double")[1]["tensor.double"]["place"]
    assert file == str(desk.exported())
    assert "1 / 0" in desk.exported().read_text(encoding="utf-8").splitlines()[line - 1]
    desk.edit("total", "def total", "def total(")
    place = judged(desk, "01", "double")[1]["tensor.double"]["place"]
    assert place is None, "nothing was written: that file has other lines"


@pytest.mark.parametrize("line", ["raise SyntaxError('odd')", "exec('1 +')"])
def test_a_syntax_error_of_no_file_has_the_line_that_raised_it(desk, line):
    desk.answer("tensor.double")
    desk.edit("double", "LIMIT = 3", line)
    code, out, err = desk.tito("test", "01", "--no-blame")
    assert (code, err) == (1, "") and f"  at cell double, `{line}`\n" in out, out


def test_a_sentence_names_no_file_of_a_copy(desk):
    desk.answer("tensor.double", "from tinytorch.tensor import nothing\nreturn 2 * x")
    sentence = judged(desk, "01", "double")[1]["tensor.double"]["sentence"]
    file = str(Path("src", "tinytorch", "tensor.py"))
    assert sentence.endswith(f"cannot import name 'nothing' from 'tinytorch.tensor' ({file})")


# -- what failed, in words
def test_what_is_half_done_is_no_blank(desk):
    desk.answer("tensor.double", 'y = x + x\nraise Blank("tensor.double")')
    desk.answer("activations.relu", "return total([max(double(x), 0)]) / 2")
    results = judged(desk, "01", "double")[1]
    sentence = results["tensor.double"]["sentence"]
    assert sentence.startswith("still blank: delete `raise Blank(...)` when the lines that you")
    result = judged(desk, "02")[1]["activations.relu"]
    assert "calls an exercise of yours in which" in result["sentence"]
    assert "your tensor.double is wrong: still blank: delete" in result["blame"]


def test_a_return_that_should_not_be_there_is_named(desk):
    tests = desk.course.read("tests/test_01_tensor.py").decode()
    more = '\n\n@pytest.mark.exercise("tensor.double")\ndef test_in_place():\n'
    more += "    assert double([3]) is None\n"
    desk.course.write("tests/test_01_tensor.py", tests + more)
    desk.answer("tensor.double", "return 2 * x")
    results = judged(desk, "01", "double")[1]
    wanted = "it works in place and should give nothing back: take its `return` out"
    assert results["tensor.double"]["sentence"] == wanted


@pytest.mark.parametrize("length", [2, 3], ids=["in the quick check", "in the test"])
def test_a_warning_of_numpy_is_told_with_its_line(desk, length):
    line = "result = result + np.log(np.float64(0))"
    desk.answer("tensor.total", f"if len(values) == {length}:\n    {line}\nresult += value")
    results = judged(desk, "01", "total")[1]
    sentence = results["tensor.total"]["sentence"]
    assert f"NumPy warned at `{line}`: divide by zero encountered in log" in sentence
    assert sentence.startswith("1 + 2; " if length == 2 else "NumPy")


# -- names
CHECKED = """result = [total([1, 2]), total([1])]
with check("tensor.total"):
    assert close(max(result), 3.0), "1 + 2"
    assert close(total([5]), 5.0), "5"
"""


@pytest.mark.parametrize("name", ["result", "close", "max"])
def test_a_helper_may_have_a_name_that_the_checks_use(desk, name):
    """As a variable, as a helper of theirs, as a function of Python."""
    desk.course.write_notebook("01_tensor", TENSOR | {"check-total": CHECKED})
    desk.answer("tensor.total", f"return {name}(values)")
    helper = f"def {name}(numbers):\n    return np.float64(sum(numbers))\n\n\ndef total"
    desk.edit("total", "def total", helper)
    desk.edit("total", "    result = np.float64(0)\n", "")
    code, results, _ = judged(desk, "01", "total")
    assert code == 0, results


# -- an end
def test_an_endless_loop_is_not_waited_for_in_every_test_of_given_code(desk):
    """The tests that name no exercise all call `double`: after the first, no other is tried."""
    tests = desk.course.read("tests/test_01_tensor.py").decode()
    more = "".join(f"\n\ndef test_more_{n}():\n    assert double('a')\n" for n in range(20))
    desk.course.write("tests/test_01_tensor.py", tests + more)
    desk.solve()
    desk.edit("double", "return 2 * x", "while x == 'a':\n    pass\nreturn 2 * x")
    began = time.monotonic()
    code, results, _ = judged(desk, "01", "--no-blame", "--limit", "1")
    assert (code, results["given code"]["outcome"]) == (1, "failed")
    assert time.monotonic() - began < 15


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_ends_tito_ends_the_checks_as_well(desk, name):
    mark = desk.root / "alive"
    body = f"import time\nwhile True:\n    time.sleep(0.1)\n    open({str(mark)!r}, 'a').close()"
    desk.answer("tensor.double", body)
    words = [sys.executable, "-m", "tito", "test", "01", "double"]
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it would be ignored, and stay so
    process = subprocess.Popen(words, cwd=desk.root, env=desk.env(), stdout=subprocess.DEVNULL)
    signal.signal(number, before)
    try:
        for _ in range(300):
            time.sleep(0.1)
            if mark.exists():
                break
        assert mark.exists()
        process.send_signal(number)
        assert process.wait(10) == (130 if number == signal.SIGINT else 128 + number)
    finally:
        process.kill()
        process.wait()
    mark.unlink()
    time.sleep(0.5)
    assert not mark.exists(), "a check is still running"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_signal_ends_every_command_in_order(monkeypatch):
    """Not only while a process is waited for: what is in a scratch folder is cleared away."""
    cleared = []

    def run(args):
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            cleared.append(True)

    monkeypatch.setattr(modules, "run", run)
    assert (cli.main(["modules"]), cleared) == (143, [True])
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_that_was_ignored_stays_so():
    """`nohup tito test` survives the end of its terminal."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with cli.ended_in_order():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
