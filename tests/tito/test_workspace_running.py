"""Code that hangs, crashes, shouts or lies: it costs its own exercise, and never looks green."""

import json
import sys
import time

import pytest


def cases(table, *fast):
    """The cases of a table as parameters; all but the named ones only in the slow run."""
    return [
        pytest.param(*case, id=name, marks=[] if name in fast else pytest.mark.slow)
        for name, case in table.items()
    ]


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps memory limits")
HOSTILE = {  # what `total` does -> what is said of it
    "an endless loop": ("while True:\n    pass", "an endless loop?"),
    "a loop that swallows all": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "stopped after 2 seconds in quick check of tensor.total: an endless loop?",
    ),
    "sleep": ("import time; time.sleep(60)", "an endless loop?"),
    "exit": ("exit()", "it asked Python to exit"),
    "sys.exit(0)": ("import sys; sys.exit(0)", "it asked Python to exit"),
    "os._exit(0)": ("import os; os._exit(0)", "Python ended in quick check of tensor.total"),
    "os.abort": ("import os; os.abort()", "Python "),
    "a signal": (
        "import os, signal; os.kill(os.getpid(), 9 if os.name != 'nt' else 15)",
        "Python ",
    ),
    "Ctrl-C": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "a broken exception": (
        "class Odd(Exception):\n    def __str__(self): return 1/0\nraise Odd",
        "ZeroDivisionError",
    ),
    "GeneratorExit": ("raise GeneratorExit", "GeneratorExit"),
    "recursion": ("return total(values)", "calls itself on the same thing again and again"),
    "None": ("return None", "None came out"),
    "breakpoint()": ("breakpoint()", "a breakpoint() or pdb.set_trace() stands in it: take"),
    "input()": ("input('?')", "it asks for input(): take that out, for nobody can type here"),
}


def judged(desk, *argv, limit=2):
    """tito test --json: (exit code, {exercise: result})."""
    code, out, err = desk.tito("test", *argv, "--json", "--no-blame", "--limit", limit)
    assert err == "", err
    assert "Traceback" not in out
    told = json.loads(out)
    return code, {r["exercise"]: r for results in told.values() for r in results}


FAST = ("an endless loop", "sys.exit(0)", "os._exit(0)", "os.abort", "Ctrl-C", "recursion")


@pytest.mark.parametrize(("body", "words"), cases(HOSTILE, *FAST))
def test_hostile_code_costs_one_exercise(desk, body, words):
    desk.solve()
    desk.edit("total", "result += value", body)
    code, results = judged(desk, "01")
    assert code == 1
    outcomes = {name: result["outcome"] for name, result in results.items()}
    assert outcomes.pop("tensor.total") == "failed"
    assert set(outcomes.values()) == {"passed"}, outcomes
    assert words in results["tensor.total"]["sentence"]
    assert "\n" not in results["tensor.total"]["sentence"]


@pytest.mark.slow
@pytest.mark.parametrize(("body", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_code_that_only_the_tests_meet(desk, body, words):
    """The quick check adds up two values, the test three."""
    desk.solve()
    lines = body.replace("\n", "\n    ")
    desk.edit("total", "result += value", f"if len(values) == 3:\n    {lines}\nresult += value")
    code, results = judged(desk, "01")
    assert code == 1
    outcomes = {name: result["outcome"] for name, result in results.items()}
    assert outcomes.pop("tensor.total") == "failed"
    assert set(outcomes.values()) == {"passed"}, outcomes
    assert "test_total" in results["tensor.total"]["check"]
    assert "reinstall" not in results["tensor.total"]["sentence"]


def test_a_thread_that_goes_on_for_ever_costs_nothing(desk):
    """It was started at the import, and by one exercise; all outcomes are told before the end."""
    desk.solve()
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=[99]).start()"
    desk.edit("double", "LIMIT = 3", f"LIMIT = 3\n{thread}")
    desk.edit("total", "result += value", f"{thread}\nresult += value")
    code, results = judged(desk, "01", limit=20)
    assert code == 0, results


def test_code_that_asks_for_input_in_a_test_of_given_code(desk):
    desk.solve()
    desk.edit("double", "return 2 * x", "input() if x == 'a' else 0\nreturn 2 * x")
    code, results = judged(desk, "01", limit=20)
    assert code == 1
    sentence = "it asks for input(): take that out, for nobody can type here"
    assert results["given code"]["sentence"] == sentence


@LINUX
@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("np.zeros(2**27)\nresult += value", "passed"),
        ("np.ones(2**40)", "failed"),
        ("bytearray(2**40)", "failed"),
    ],
    ids=["1 GB is allowed", "8 TB in NumPy", "1 TB"],
)
def test_memory(desk, body, outcome):
    desk.solve()
    desk.edit("total", "result += value", body)
    _, results = judged(desk, "01", limit=20)
    assert results["tensor.total"]["outcome"] == outcome
    assert results["tensor.double"]["outcome"] == "passed"
    assert outcome == "passed" or "MemoryError" in results["tensor.total"]["sentence"]


@LINUX
def test_recursion_without_a_limit(desk):
    desk.solve()
    body = "import sys; sys.setrecursionlimit(10**9)\nreturn max(values, key=total)"
    desk.edit("total", "result += value", body)
    code, results = judged(desk, "01", limit=10)
    assert code == 1
    assert results["tensor.total"]["outcome"] == "failed"
    assert results["tensor.double"]["outcome"] == "passed"


SHOUTS = {
    "in the quick check": "for i in range(3_000_000): print('shout', i)\nresult += value",
    "in the test": "if len(values) == 3:\n    while True: print('x' * 1000000)\nresult += value",
}


@pytest.mark.slow
@pytest.mark.parametrize("body", SHOUTS.values(), ids=SHOUTS)
def test_prints_by_the_million(desk, body):
    desk.solve()
    desk.edit("total", "result += value", body)
    began = time.monotonic()
    code, results = judged(desk, "01", limit=15)
    assert code == 1
    assert results["tensor.total"]["outcome"] == "failed"
    assert results["tensor.double"]["outcome"] == "passed"
    assert time.monotonic() - began < 60


def test_prints_by_the_thousand_are_fine(desk):
    desk.solve()
    desk.edit("total", "result += value", "for i in range(9999): print(i)\nresult += value")
    assert judged(desk, "01")[0] == 0


IMPORTS = {
    "an endless loop": ("while True: pass", "it cannot be imported: not done after"),
    "an endless decorator": (
        "def wait(f):\n    while True: pass\n\n\n@wait\ndef g(): pass",
        "it cannot be imported: not done after",
    ),
    "exit": ("exit()", "it cannot be imported: it asked Python to exit"),
    "an error": ("1 / 0", "it cannot be imported: ZeroDivisionError: division by zero"),
    "os._exit(0)": ("import os; os._exit(0)", "Python ended"),
    "a missing module": ("import torchh", "it cannot be imported: ModuleNotFoundError"),
}


@pytest.mark.parametrize(("line", "words"), cases(IMPORTS, "exit", "an error", "os._exit(0)"))
def test_a_file_that_cannot_be_imported(desk, monkeypatch, line, words):
    desk.solve()
    desk.edit("double", "LIMIT = 3", f"LIMIT = 3\n{line}")
    began = time.monotonic()
    code, results = judged(desk, "01")
    assert code == 1
    assert {result["outcome"] for result in results.values()} == {"failed"}
    for result in results.values():
        assert words in result["sentence"]
    assert time.monotonic() - began < 25
    for command in (["status"], ["doctor"], ["status", "01"], []):
        assert desk.tito(*command)[0] == 0, "these never import a learner's code"


def test_files_that_the_code_writes_do_no_harm(desk):
    before = desk.files()
    desk.solve()
    body = "\n".join(
        f"import pathlib; pathlib.Path({name!r}).write_text('[]')"
        for name in ("events", "log", "pytest.ini", "selection.json", "conftest.py", "numpy.py")
    )
    desk.edit("total", "result += value", f"{body}\nresult += value")
    code, results = judged(desk, "01")
    assert code == 0, results
    new = {name for name in desk.files() if name not in before and ".tito" not in name}
    assert new == {"src/tinytorch/tensor.py"}


def test_a_file_that_changes_the_folder_is_judged_all_the_same(desk):
    desk.solve()
    desk.edit("double", "LIMIT = 3", "LIMIT = 3\nimport os\nos.chdir('/')")
    code, results = judged(desk, "01", "double", limit=20)
    assert code == 0, results


# -- no false green
FORGED = """import glob, json, os, sys
names = ["tensor.double", "tensor.total", "tensor.Box.__init__", "tensor.Box.peek"]
told = [{"check": n, "outcome": "passed"} for n in names]
told += [{"test": "t::" + n, "exercises": [n], "outcome": "passed"} for n in names]
told += [{"loaded": {}}, {"finished": 0, "loaded": {}}]
files = [os.environ.get("TITO_EVENTS"), "events", "../events"]
for file in filter(os.path.exists, filter(None, files)):
    with open(file, "a") as events:
        for event in told:
            events.write(json.dumps(event) + "\\n")
            events.write(json.dumps(event | {"token": os.environ.get("TITO_TOKEN")}) + "\\n")
"""
LIES = {
    "forged events, then an end": ("LIMIT = 3", FORGED + "os._exit(0)"),
    "forged events": ("LIMIT = 3", FORGED),
    "a check that says yes": (
        "LIMIT = 3",
        "import contextlib, tinytorch.course\n"
        "tinytorch.course.check = lambda name: contextlib.nullcontext()",
    ),
    "a check that never fails": (
        "LIMIT = 3",
        "from tinytorch import course\n"
        "def yes(self, *error):\n    course.outcomes.append((self.exercise, 'passed'))\n"
        "    return True\n"
        "course.check.__exit__ = yes",
    ),
    "everything is close": (
        "LIMIT = 3",
        "import tinytorch.course\ntinytorch.course.close = lambda *a, **k: True",
    ),
    "NumPy's allclose": ("LIMIT = 3", "np.allclose = lambda *a, **k: True"),
    "NumPy's testing": ("LIMIT = 3", "np.testing.assert_allclose = lambda *a, **k: None"),
    "a builtin": ("LIMIT = 3", "import builtins\nbuiltins.abs = lambda x: 0"),
    "at the first call": (
        "result = np.float64(0)",
        "np.sum = np.allclose = lambda *a, **k: True\nresult = np.float64(0)",
    ),
    "a skip": ("result = np.float64(0)", "import pytest; pytest.skip('no')"),
    "a skip in the test": (
        "result = np.float64(0)",
        "if len(values) == 3:\n    import pytest; pytest.skip('no')\nresult = np.float64(0)",
    ),
    "an xfail in the test": (
        "result = np.float64(0)",
        "if len(values) == 3:\n    import pytest; pytest.xfail()\nresult = np.float64(0)",
    ),
    "pytest.exit": (
        "result = np.float64(0)",
        "if len(values) == 3:\n    import pytest; pytest.exit('all well', 0)\n"
        "result = np.float64(0)",
    ),
    "pytest's raises": (
        "LIMIT = 3",
        "import pytest, contextlib\npytest.raises = lambda *a, **k: contextlib.nullcontext()",
    ),
    "a thread that ends Python": (
        "LIMIT = 3",
        "import os, threading\nthreading.Timer(0.3, os._exit, [0]).start()\n"
        "import time; time.sleep(1)",
    ),
    "an end when all is said": ("LIMIT = 3", "import atexit, os\natexit.register(os._exit, 0)"),
}


QUICK = ("forged events, then an end", "a check that never fails", "a skip in the test")


@pytest.mark.parametrize(("old", "lie"), cases(LIES, *QUICK, "at the first call", "pytest.exit"))
def test_a_lie_is_not_believed(desk, old, lie):
    """`total` is wrong, and something in the file tries to hide it."""
    desk.solve()
    cell = "total" if old.startswith("result") else "double"
    desk.edit(cell, old, lie)
    desk.edit("total", "result += value", "result -= value")
    code, results = judged(desk, "01")
    assert code == 1
    assert results["tensor.total"]["outcome"] == "failed", results["tensor.total"]


def test_the_truth_is_believed(desk):
    """Without a lie the same file fails for `total` alone: the lies above were told for something.

    Names that come on top of a trusted module are no offence.
    """
    desk.solve()
    desk.edit("double", "LIMIT = 3", "np.mine = 3\nnp.seterr(all='warn')")
    assert judged(desk, "01")[0] == 0
    desk.edit("total", "result += value", "result -= value")
    code, results = judged(desk, "01")
    assert [r["exercise"] for r in results.values() if r["outcome"] == "failed"] == ["tensor.total"]


@pytest.mark.parametrize(
    "lie",
    [
        "import tinytorch.course\ntinytorch.course.close = lambda *a, **k: True",
        "np.allclose = lambda *a, **k: True",
    ],
    ids=["close", "NumPy"],
)
def test_a_lie_about_what_all_checks_lean_on(desk, lie):
    """Neither the quick check nor the test of `total` could tell; that it was replaced, tells."""
    toy = desk.course
    tests = toy.read("tests/test_01_tensor.py").decode()
    wanted = tests.replace("assert total([1, 2, 3]) == 6", "assert close(total([1, 2, 3]), 6.0)")
    assert wanted != tests
    toy.write("tests/test_01_tensor.py", wanted.replace("import pytest", TWO_IMPORTS, 1))
    desk.solve()
    assert judged(desk, "01")[0] == 0
    desk.edit("double", "LIMIT = 3", lie)
    desk.edit("total", "result += value", "result -= value")
    code, results = judged(desk, "01")
    assert code == 1
    assert results["tensor.total"]["outcome"] == "failed"
    assert "your code replaced" in results["tensor.total"]["sentence"]


TWO_IMPORTS = "import pytest\n\nfrom tinytorch.course import close"


def test_what_was_replaced_is_named(desk):
    desk.solve()
    desk.edit("double", "LIMIT = 3", "np.sum = sum")
    code, results = judged(desk, "01")
    assert code == 1
    sentence = "your code replaced numpy.sum: give your own things other names"
    assert {result["sentence"] for result in results.values()} == {sentence}


def test_a_skip_of_some_tests_is_no_pass(desk):
    """Two of the three runs of test_double pass, the third is skipped by the learner's code."""
    desk.solve()
    body = "if x == -3:\n    import pytest; pytest.skip('too hard')\nreturn 2 * x"
    desk.edit("double", "return 2 * x", body)
    code, results = judged(desk, "01")
    assert code == 1
    assert results["tensor.double"]["sentence"] == "your code told pytest to skip the test"


def test_what_follows_an_early_end_is_judged(desk):
    """pytest.exit in one exercise: the tests of the others run all the same."""
    desk.solve()
    body = "if x == 1:\n    import pytest; pytest.exit('done', 0)\nreturn 2 * x"
    desk.edit("double", "return 2 * x", body)
    code, results = judged(desk, "01")
    assert code == 1
    outcomes = {name: result["outcome"] for name, result in results.items()}
    assert outcomes == {
        "tensor.double": "failed",
        "tensor.total": "passed",
        "tensor.Box.__init__": "passed",
        "tensor.Box.peek": "passed",
    }
