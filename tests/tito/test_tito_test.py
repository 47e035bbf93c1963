"""tito test: every way to pass, to fail, and to look as if something had run."""

import re
import subprocess
import sys

import pytest
from conftest import ACTIVATIONS, ACTIVATIONS_TESTS, ROOT, TENSOR, TENSOR_TESTS

from tito import TitoError, course, runner

IDS = ("tensor.double", "tensor.total", "tensor.Box.__init__", "tensor.Box.peek")
RELU = ("activations.relu", "passed", "1 test passed", "quick check passed")


def edited(cells, cell, old, new):
    assert old in cells[cell]
    return cells | {cell: cells[cell].replace(old, new)}


@pytest.fixture
def fine_tests(monkeypatch):
    """The tests of module 01 pass, without the second that it takes."""
    told = [{"test": f"t::{i}", "exercises": [i], "outcome": "passed"} for i in IDS]

    def tests(module, limit):
        end = {"finished": 0, "loaded": {"tinytorch.tensor": str(module.exported)}}
        return runner.Run([*told, end], None, "")

    monkeypatch.setattr(runner, "tests", tests)


@pytest.fixture
def fine_cells(monkeypatch):
    """The quick checks of module 01 pass, without running its notebook."""
    fine = runner.Run([{"check": i, "outcome": "passed"} for i in IDS], None, "")
    monkeypatch.setattr(runner, "cells", lambda module, limit: fine)


def judged(toy, *argv):
    """Run tito test: (exit code, {exercise: its words}, the rest of the lines, the last line)."""
    code, out, err = toy.tito("test", *argv)
    assert err == "" or code == 1
    assert "Traceback" not in out + err
    rows = [line.split("  ") for line in out.splitlines() if line[:1].isalpha() and "  " in line]
    words = {row[0]: tuple(word.strip() for word in row if word.strip()) for row in rows}
    return code, words, out, out.rstrip().rpartition("\n")[2]


def test_all_pass(toy):
    code, rows, out, last = judged(toy, "--all")
    assert (code, last) == (0, "13 passed, 0 failed")
    assert rows["tensor.double"][1:] == ("passed", "3 tests passed", "quick check passed")
    assert rows["tensor.Box.peek"][1:] == ("passed", "1 test passed", "quick check passed")
    assert rows["other tests"][1:] == ("passed", "1 test passed")
    assert rows["activations.relu"] == RELU
    assert out.startswith("tinytorch/tensor.py written\n")


def test_a_wrong_solution(toy):
    toy.write_notebook("01_tensor", edited(TENSOR, "double", "return x + x", "return x * x"))
    code, rows, out, last = judged(toy, "01")
    assert (code, last) == (1, "7 passed, 4 failed")
    double = ("failed", "2 of 3 tests failed", "quick check failed")
    assert rows["tensor.double"][1:] == double
    assert rows["tensor.total"][1] == "passed", "a failed quick check does not end the notebook"
    why = "tensor.double: twice 4 is 8: did you add x to itself? (cell check-double, line 1)"
    assert f"\n  {why}\n" in out
    assert "test_of_no_exercise: TypeError: can't multiply" in out


def test_a_test_that_fails_says_why_and_where(toy):
    toy.write_notebook(
        "01_tensor", edited(TENSOR, "double", "return x + x", "return max(8, 2 * x)")
    )
    code, rows, out, _ = judged(toy, "01")
    assert code == 1
    assert rows["tensor.double"][1:] == ("failed", "3 of 3 tests failed", "quick check passed")
    assert "  test_double[0]: double(0) is 0 (tests/test_01_tensor.py, line 11)\n" in out
    assert "short test summary" not in out


def test_verbose_shows_what_pytest_printed(toy, fine_cells):
    toy.write("tests/test_01_tensor.py", TENSOR_TESTS.replace("== 6", "== 7"))
    out = toy.tito("test", "01", "--verbose")[1]
    assert "E   assert np.float64(6.0) == 7" in out
    assert "short test summary" in out


def test_a_blank(toy):
    cells = edited(ACTIVATIONS, "imports", "from", "from tinytorch.course import Blank\nfrom")
    blank = 'raise Blank("activations.relu")\n    return'
    toy.write_notebook("02_activations", edited(cells, "relu", "return", blank))
    toy.tito("export", "01")
    code, rows, out, last = judged(toy, "02")
    assert (code, last) == (1, "0 passed, 2 failed")
    assert rows["activations.relu"][1:] == ("blank", "1 of 1 test failed", "still blank")
    assert "test_relu: activations.relu is still blank. Write it in its cell" in out


def test_an_exercise_that_needs_a_blank_one(toy):
    blank = "from tinytorch.course import Blank\n        raise Blank('tensor.Box.__init__')\n"
    toy.write_notebook("01_tensor", edited(TENSOR, "box", "self.value = value", blank))
    code, rows, _, _ = judged(toy, "01")
    assert code == 1
    assert rows["tensor.Box.__init__"][1:] == ("blank", "1 of 1 test failed", "still blank")
    waiting = ("failed", "1 of 1 test failed", "quick check met a blank")
    assert rows["tensor.Box.peek"][1:] == waiting


def test_an_endless_loop_in_a_solution(toy):
    toy.write_notebook(
        "01_tensor", edited(TENSOR, "total", "result = result + value", "while 1: 2")
    )
    code, rows, out, last = judged(toy, "01", "--limit", "2")
    assert (code, last) == (1, "4 passed, 4 failed")
    assert rows["tensor.double"][1] == "passed"
    assert rows["tensor.total"][1:] == ("failed", "1 of 1 test failed", "quick check not reached")
    assert "test_total: stopped after 2 seconds in tests/test_01_tensor.py::test_total" in out
    assert "tensor.ipynb: stopped after 2 seconds in cell check-total: an endless loop?" in out


@pytest.mark.parametrize("way", ["sys.exit(0)", "exit(0)", "raise KeyboardInterrupt"])
def test_leaving_early_is_no_success(toy, way):
    """Neither the tests nor the notebook may seem to have passed."""
    leave = f"import sys\n    {way}\n    return"
    toy.write_notebook("02_activations", edited(ACTIVATIONS, "relu", "return", leave))
    toy.tito("export", "01")
    code, rows, out, last = judged(toy, "02")
    assert code == 1
    assert last.startswith("0 passed")
    assert rows["activations.relu"][1] == "failed"
    assert "None" not in out


def test_leaving_python_altogether_is_no_success(toy):
    leave = "import os; os._exit(0)\n    return"
    toy.write_notebook("01_tensor", edited(TENSOR, "total", "return result", leave))
    code, rows, out, _ = judged(toy, "01")
    assert code == 1
    assert rows["tensor.total"][1:] == ("failed", "1 of 1 test failed", "quick check not reached")
    assert "Python ended in tests/test_01_tensor.py::test_total, exit code 0" in out
    assert "tensor.ipynb: Python ended in cell check-total, exit code 0" in out


def test_a_cell_that_raises_ends_the_notebook(toy, fine_tests):
    cells = edited(TENSOR, "check-double", "with", "[][1]\nwith")
    toy.write_notebook("01_tensor", cells)
    code, rows, out, last = judged(toy, "01")
    assert (code, last) == (1, "4 passed, 1 failed")
    assert rows["tensor.Box.peek"][1:] == ("failed", "1 test passed", "quick check not reached")
    place = "modules/01_tensor/tensor.ipynb, cell check-double, line 1"
    assert f"{place}: IndexError: list index out of range" in out


def test_a_cell_that_is_not_python(toy, fine_tests):
    toy.write_notebook("01_tensor", edited(TENSOR, "helpers", "from", "%pylab\nfrom"))
    code, _, out, _ = judged(toy, "01")
    assert code == 1
    assert "cell helpers, line 1: SyntaxError: invalid syntax" in out


def test_a_missing_test_file(toy, fine_cells):
    toy.path("tests/test_01_tensor.py").unlink()
    code, rows, out, last = judged(toy, "01")
    assert (code, last) == (1, "4 passed, 1 failed")
    assert rows["tensor.double"][1:] == ("failed", "no test ran", "quick check passed")
    assert "tests/test_01_tensor.py is missing" in out


def test_a_test_file_that_cannot_be_imported(toy, fine_cells):
    toy.write("tests/test_01_tensor.py", "from tinytorch.tensor import triple\n")
    code, _, out, _ = judged(toy, "01")
    assert code == 1
    assert "tests/test_01_tensor.py: ImportError: cannot import name 'triple'" in out


# fmt: off
TESTS = [
    ("no marker", '@pytest.mark.exercise("tensor.total")\n', "",
     "tensor.total has no test: mark one with @pytest.mark.exercise(\"tensor.total\")"),
    ("misspelt marker", '"tensor.total"', '"tensor.totl"',
     "tests/test_01_tensor.py: 'tensor.totl' is no exercise of 01_tensor"),
    ("skipped", "def test_total():", "@pytest.mark.skip\ndef test_total():",
     "tensor.total: every test of it was skipped"),
    ("xfail", "def test_total():\n", "@pytest.mark.xfail\ndef test_total():\n    0/0\n",
     "tensor.total: every test of it was skipped"),
    ("empty", TENSOR_TESTS, "", "tensor.double has no test"),
]
CELLS = [
    ("no check", "check-total", 'check("tensor.total")', "open('module.toml')",
     "no quick check of tensor.total ran"),
    ("misspelt check", "check-total", '"tensor.total"', '"tensor.totl"',
     "modules/01_tensor/tensor.ipynb: 'tensor.totl' is no exercise of 01_tensor"),
    ("the file", "helpers", "from", "import tinytorch.tensor\nfrom",
     "cell helpers, line 1: ImportError: while notebook tensor runs, nothing may import the"),
    ("in secret", "helpers", "from", "try: import tinytorch.tensor\nexcept ImportError: 0\nfrom",
     "cell helpers: while notebook tensor runs, nothing may import the exported tinytorch.tensor"),
]
# fmt: on


@pytest.mark.parametrize(("old", "new", "words"), [pytest.param(*t[1:], id=t[0]) for t in TESTS])
def test_what_is_wrong_with_the_tests(toy, fine_cells, old, new, words):
    assert old in TENSOR_TESTS
    toy.write("tests/test_01_tensor.py", TENSOR_TESTS.replace(old, new))
    code, rows, out, last = judged(toy, "01")
    assert code == 1
    assert words in out
    assert rows["tensor.total"][1] == "failed"
    assert "0 failed" not in last


@pytest.mark.parametrize(
    ("cell", "old", "new", "words"), [pytest.param(*c[1:], id=c[0]) for c in CELLS]
)
def test_what_is_wrong_with_the_checks(toy, fine_tests, cell, old, new, words):
    toy.write_notebook("01_tensor", edited(TENSOR, cell, old, new))
    code, rows, out, last = judged(toy, "01")
    assert code == 1
    assert words in out
    assert rows["tensor.total"][1] == "failed"
    assert "0 failed" not in last


def test_tests_that_never_touch_the_module(toy, fine_cells):
    own = "def double(x):\n    return 2 * x\ntotal = sum\nclass Box:\n    __init__ = peek = None\n"
    text = TENSOR_TESTS.replace("from tinytorch.tensor import Box, double, total\n", own)
    toy.write("tests/test_01_tensor.py", text)
    code, rows, out, _ = judged(toy, "01")
    assert code == 1
    assert "tests/test_01_tensor.py: it never imported tinytorch/tensor.py" in out


def test_a_cell_that_hides_its_failed_check(toy, fine_tests):
    hidden = (
        "try:\n    with check('tensor.total'):\n        assert 0\nexcept AssertionError:\n    pass"
    )
    toy.write_notebook("01_tensor", TENSOR | {"check-total": hidden})
    code, rows, out, _ = judged(toy, "01")
    assert code == 1
    assert rows["tensor.total"][1:] == ("failed", "1 test passed", "quick check failed")
    assert "its quick check failed, and its cell hid it" in out


def test_a_course_of_nothing(toy):
    toy.write_notebook("02_activations", {"target": "#| default_exp activations"})
    toy.write_words("02_activations")
    toy.path("tests/test_02_activations.py").write_text("", encoding="utf-8")
    toy.notebook_path("02_activations")
    toy.write_notebook(
        "02_activations", {"t": "#| default_exp activations", "x": "#| export\nx = 1"}
    )
    code, _, out, last = judged(toy, "02")
    assert (code, last) == (1, "0 passed, 1 failed")
    assert "nothing ran: 02_activations has no exercise and no test" in out


def test_a_refused_export_ends_it(toy):
    toy.write_notebook("01_tensor", edited(TENSOR, "double", "#| export", "#| exprot"))
    code, out, err = toy.tito("test", "01")
    assert (code, out) == (1, "")
    assert "unknown directive" in err


def test_words_that_disagree_with_the_notebook(toy, fine_tests, fine_cells):
    toy.write_words("01_tensor", "double", "total", "Box.__init__", "triple")
    code, _, out, last = judged(toy, "01")
    assert (code, last) == (1, "8 passed, 2 failed")
    assert 'modules/01_tensor/module.toml has no [exercises."Box.peek"]' in out
    assert "modules/01_tensor/module.toml: the notebook has no exercise 'triple'" in out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("minutes = 10", "", "`minutes` must be of type int"),
        ("stars = 1", "stars = 4", '[exercises."relu"] needs `stars`, 1 to 3'),
        ("points = 5", "points = '5'", '[exercises."relu"] needs `points`, a whole number'),
        ("'c'", "3", '[exercises."relu"] needs `hints`, a list of exactly three strings'),
        ("title =", "title", "is not TOML"),
    ],
)
def test_ill_formed_words(toy, old, new, words):
    path = "modules/02_activations/module.toml"
    text = toy.read(path).decode()
    assert old in text
    toy.write(path, text.replace(old, new))
    with pytest.raises(TitoError, match=re.escape(words)) as caught:
        course.find().module("02").words()
    assert str(caught.value).startswith(path)


def test_skipped_tests_are_told(toy):
    more = "\n\n@pytest.mark.skip\ndef test_another():\n    pass\n"
    toy.write("tests/test_02_activations.py", ACTIVATIONS_TESTS + more)
    toy.tito("export", "01")
    code, rows, _, last = judged(toy, "02")
    assert (code, last) == (0, "2 passed, 0 failed, 1 skipped")
    assert rows["activations.relu"] == RELU


def test_prints_cannot_pass_for_a_verdict(toy):
    shout = 'print("9 passed, 0 failed", flush=True)\n    return 7 #'
    toy.write_notebook("02_activations", edited(ACTIVATIONS, "relu", "return", shout))
    toy.tito("export", "01")
    code, _, out, last = judged(toy, "02")
    assert (code, last) == (1, "0 passed, 2 failed")
    assert "9 passed" not in out


def test_cells_run_as_main_and_plots_need_no_window(toy, fine_tests):
    probe = (
        "import os, sys\n"
        "assert __name__ == '__main__' and sys.modules['__main__'].double is double\n"
        "assert os.environ['MPLBACKEND'] == 'Agg'\n"
        "import tinytorch\n"
        "from tinytorch.course import give\n"
        "give('tensor.double')\n"
        "assert double(2) == 4 and os.path.exists('module.toml')"
    )
    toy.write_notebook("01_tensor", TENSOR | {"probe": probe})
    assert judged(toy, "01")[0] == 0


def test_nothing_is_left_running(toy, tmp_path):
    """What a notebook started ends with it."""
    mark = tmp_path / "alive"
    later = f"import time; time.sleep(2); open({str(mark)!r}, 'w')"
    start = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {later!r}])"
    toy.write_notebook("02_activations", ACTIVATIONS | {"start": start})
    toy.tito("export", "01")
    assert judged(toy, "02")[0] == 0
    done = subprocess.run([sys.executable, "-c", "import time; time.sleep(2.5)"])
    assert (done.returncode, mark.exists()) == (0, sys.platform == "win32")


def test_without_pytest(toy, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = toy.tito("test", "01")
    assert (code, err) == (1, "tito: pytest is not installed: pip install pytest hypothesis\n")
    assert not (ROOT / "tito" / "_course").exists()
