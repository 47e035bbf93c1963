"""tito test in a workspace: whose bug it is, and that the learner's own file was judged."""

import json
from functools import cache

import pytest
from conftest import ACTIVATIONS, TENSOR

from tito import judge, runner, workspace
from tito.blame import Blame

SOLVED = {
    "tensor.double": "return x * 2",
    "tensor.total": "result += value",
    "tensor.Box.__init__": "self.value = value",
    "tensor.Box.peek": "return self.value",
    "activations.relu": "return total([double(x)]) / 2 if x > 0 else total([])",
}
SLOW = pytest.mark.slow


class Learner:
    """Someone in a workspace of the toy course, who writes what a test says."""

    def __init__(self, toy, root):
        self.toy, self.root = toy, root

    def solve(self, other=(), only=SOLVED):
        """Write exercises that were blank, some of them otherwise: {id: a body of one line}."""
        for name in only:
            line = dict(other).get(name, SOLVED[name])
            self.change(f'raise Blank("{name}")', line, name.partition(".")[0])
        return self

    def change(self, old, new, module="tensor"):
        """Replace a text in a notebook."""
        number = {"tensor": "01_tensor", "activations": "02_activations"}[module]
        path = self.root / "modules" / number / f"{module}.ipynb"
        old, new = (json.dumps(text, ensure_ascii=False)[1:-1] for text in (old, new))
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old} stands {text.count(old)} times in {path}"
        path.write_text(text.replace(old, new), encoding="utf-8", newline="\n")

    def export(self):
        assert self.toy.tito("export", "--all")[0] == 0
        return self

    def judged(self, *argv):
        """(exit code, {exercise: its result as data}) of `tito test --json`."""
        code, out, err = self.toy.tito("test", *argv, "--json")
        assert out, err
        return code, {r["exercise"]: r for results in json.loads(out).values() for r in results}


@pytest.fixture
def learner(toy, tmp_path, monkeypatch):
    assert toy.tito("export", "--all")[0] == 0, "the course's own package"
    assert toy.tito("init", tmp_path / "ws")[0] == 0
    monkeypatch.chdir(tmp_path / "ws")
    return Learner(toy, tmp_path / "ws")


def test_a_bug_of_an_earlier_module_is_named(learner):
    learner.solve({"tensor.total": "result -= value"}).export()
    code, out, err = learner.toy.tito("test", "02")
    assert code == 1, err
    told = "activations.relu is right; your tensor.total is wrong: 1 + 2 (smallest input total("
    assert told in out
    assert "\nnext: tensor.total      (help: tito hint tensor.total)" in out
    assert "  smallest input:" not in out, "relu is right: its input is no help"


def test_a_bug_where_it_fails(learner):
    learner.solve({"activations.relu": "return abs(x)"}).export()
    code, told = learner.judged("02")
    relu = told["activations.relu"]
    assert relu["finding"] == {"right": False, "culprits": {}, "together": [], "unclear": ""}
    assert relu["blame"] == "everything else was given, and it still fails: the mistake is here"
    assert relu["witness"] == {"call": "relu(-1)", "expected": "0 float64", "received": "1"}


def test_the_smallest_input_of_a_test_is_found(learner):
    """Its quick check passes; pytest, whose own finder of modules comes first, does not."""
    learner.solve({"activations.relu": "return 0 if x < 0 else 3"}).export()
    relu = learner.judged("02")[1]["activations.relu"]
    assert relu["witness"] == {"call": "relu(2)", "expected": "2 float64", "received": "3"}


def test_the_smallest_input_is_found_beside_given_code(learner):
    """The learner's `double` is wrong as well: what the course's `relu` gives must not be."""
    mine = {"tensor.double": "return x * 3", "activations.relu": "return total([double(x)]) * 2"}
    _, told = learner.solve(mine).export().judged("02")
    witness = told["activations.relu"]["witness"]
    assert witness == {"call": "relu(-1)", "expected": "0 float64", "received": "-4 float64"}


@pytest.mark.slow
def test_two_bugs_are_both_named(learner):
    wrong = {"tensor.double": "return x * 3", "tensor.total": "result = value - 1"}
    learner.solve(wrong).export()
    _, told = learner.judged("02")
    assert set(told["activations.relu"]["finding"]["culprits"]) == {"tensor.double", "tensor.total"}


def test_a_culprit_that_is_known_does_not_explain_another_bug(learner):
    wrong = {"tensor.double": "return x * 3", "tensor.total": "result = value - 1"}
    learner.solve(wrong).export()
    module = workspace.find().module("activations")
    (result,) = judge.judge(module, ["activations.relu"]).values()
    finder = Blame(module, [result])
    finder.known["tensor.total"] = "as an earlier search found"
    assert set(finder.explain(result).culprits) == {"tensor.double", "tensor.total"}


@pytest.mark.slow
def test_what_passes_its_own_checks_is_shown_and_not_accused(learner):
    """What double does to 2 is no matter of its own checks."""
    learner.solve({"tensor.double": "return x + x if x != 2 else 4.5"}).export()
    _, told = learner.judged("02")
    finding = told["activations.relu"]["finding"]
    assert (finding["right"], finding["culprits"]) == (True, {})
    assert finding["together"] == ["tensor.double"]
    assert "which passes its own checks: look there" in told["activations.relu"]["blame"]


@pytest.mark.slow
def test_given_code_that_was_changed_takes_part(toy, request):
    given = {"double": TENSOR["double"].replace("x + x", "twice(x)")}
    given["twice"] = "#| export\ndef twice(x):\n    return x + x"
    toy.write_notebook("01_tensor", TENSOR | given)
    learner = request.getfixturevalue("learner")
    learner.change("return x + x", "return x + x\n\n\ntwice = abs")
    learner.solve(only=["activations.relu"]).export()
    code, told = learner.judged("02")
    assert (code, told["activations.relu"]["outcome"]) == (1, "failed")
    assert list(told["activations.relu"]["finding"]["culprits"]) == ["tensor.twice#2"]
    code, told = learner.judged("01")
    assert code == 1, "its exercises are blank, but tests of given code fail"
    assert list(told["given code"]["finding"]["culprits"]) == ["tensor.twice#2"]


@pytest.mark.slow
def test_what_never_passed_is_asked_first(learner):
    """The search takes fewer runs after `tito test 01` than before."""

    def runs():
        module = workspace.find().module("activations")
        results = list(judge.judge(module, ["activations.relu"]).values())
        asked, finder = [], Blame(module, results)
        real = finder._failing
        finder.failing = cache(lambda *args: asked.append(args) or real(*args))
        assert list(finder.explain(results[0]).culprits) == ["tensor.total"]
        return len(asked)

    learner.solve({"tensor.total": "result -= value"}).export()
    before = runs()
    assert learner.judged("01")[1]["tensor.double"]["outcome"] == "passed"
    assert runs() < before <= 8


@pytest.mark.parametrize("known", [{}, {"tensor.total": "as an earlier search found"}])
def test_a_check_that_fails_now_and_then_accuses_nobody(learner, known):
    """A check that failed, and passes when it is run once more."""
    learner.solve().export()
    result = judge.Result("activations.relu", "failed", "it was so", "quick check")
    finder = Blame(workspace.find().module("activations"), [result])
    finder.known |= known
    finding = finder.explain(result)
    assert (finding.right, finding.culprits, finding.together) == (None, {}, ())
    assert "passed when it was run once more" in finding.words("activations.relu")


@pytest.mark.slow
def test_a_course_that_fails_by_itself_is_said(learner):
    learner.solve().export()
    path = "tests/test_02_activations.py"
    learner.toy.write(path, learner.toy.read(path).decode().replace("== 2", "== 3"))
    _, told = learner.judged("02")
    assert told["activations.relu"]["finding"]["right"] is None
    assert "fails on the course's own code too" in told["activations.relu"]["blame"]


@pytest.mark.slow
def test_an_endless_loop_elsewhere_is_found(learner):
    """Every step of the search that meets the loop waits for a few seconds, not for the limit."""
    learner.solve({"tensor.total": "while True: result = 1"}).export()
    _, told = learner.judged("02", "--limit", "4")
    assert list(told["activations.relu"]["finding"]["culprits"]) == ["tensor.total"]


@pytest.mark.slow
def test_the_limit_counts_for_quick_checks_and_imports_too(learner, tmp_path):
    """The first import takes longer than the usual ten seconds, and so does the first call."""

    def slow(name):
        path = tmp_path / name
        first = f"not __import__('os').path.exists({str(path)!r}) and open({str(path)!r}, 'w')"
        return f"{first} and __import__('time').sleep(10.5)"

    learner.change("LIMIT = 3", f"LIMIT = 3\n{slow('imported')}")
    learner.solve({"tensor.double": f"{slow('called')}; return x * 2"})
    assert learner.judged("tensor.double", "--limit", "30")[0] == 0
    assert (tmp_path / "imported").exists() and (tmp_path / "called").exists()


@pytest.mark.slow
def test_a_module_that_cannot_be_imported_accuses_what_breaks_it(learner):
    learner.change("LIMIT = 3", "LIMIT = 3 / 0")
    code, told = learner.solve().judged("01")
    assert (code, {result["check"] for result in told.values()}) == (1, {"import"})
    found = [result["finding"] for result in told.values()]
    assert {(f["right"], *f["culprits"]) for f in found} == {(True, "tensor.LIMIT")}
    assert told["tensor.total"]["blame"] == "the same as tensor.double"


def test_where_nothing_can_be_imported_each_is_judged_by_itself(learner):
    """The first one is wrong, and so is the one that breaks the import: the others are right."""
    learner.solve({"tensor.double": "return x * 3"})
    learner.change("def total(values):", "@undefned\ndef total(values):")
    told = learner.judged("01")[1]
    assert {result["check"] for result in told.values()} == {"import"}
    findings = [(r["finding"]["right"], *r["finding"]["culprits"]) for r in told.values()]
    wrong = [(False, "tensor.total", "tensor.double"), (False, "tensor.total")]
    assert findings == [*wrong, (True, "tensor.total"), (True, "tensor.total")]


def test_nobody_is_right_whose_other_checks_fail(learner):
    """What fails first in relu is the bug of double; with the course's own, relu fails as well."""
    mine = "return total([max(double(x), 0)]) / 2 if x < 2 else 7"
    learner.solve({"tensor.double": "return x + 3", "activations.relu": mine}).export()
    relu = learner.judged("02")[1]["activations.relu"]
    assert relu["check"] == "quick check"
    assert (relu["finding"]["right"], *relu["finding"]["culprits"]) == (
        False,
        "tensor.double",
        "activations.relu",
    )
    assert relu["blame"].startswith("your tensor.double is wrong: twice 4 is 8")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("print(undefned)", "line `print(undefned)` of tensor"),
        pytest.param("import undefned", "line `import undefned` of tensor", marks=SLOW),
        pytest.param("def f():\n    g\n\n\nf()", "line `f()` of tensor", marks=SLOW),
    ],
)
def test_a_line_that_was_added_is_accused_and_no_exercise(learner, line, name):
    learner.change("LIMIT = 3", f"LIMIT = 3\n{line}")
    learner.solve({"tensor.total": "result -= value"})
    told = learner.judged("01")[1]
    findings = {n: (r["finding"]["right"], *r["finding"]["culprits"]) for n, r in told.items()}
    assert findings.pop("tensor.total") == (False, name, "tensor.total")
    assert {*findings.values()} == {(True, name)}
    assert learner.toy.tito("test", "01")[1].endswith(f"\nnext: take the {name} out, or mend it\n")


# -- which files are judged
def test_the_judged_files_are_said(learner):
    learner.solve().export()
    code, out, _ = learner.toy.tito("test", "02")
    assert code == 0
    files = ["src/tinytorch/tensor.py", "src/tinytorch/activations.py"]
    assert f"checked on {', '.join(files)}; what is not there is given" in out
    _, told = learner.judged("02")
    assert told["activations.relu"]["files"] == files


def test_another_file_than_the_export_is_not_judged(learner, monkeypatch):
    """The finder looks away: the checks would run on the course's own solutions, and pass."""
    learner.solve({"activations.relu": "return 7"}).export()
    real = runner.environment
    away = {"TINYTORCH_WORKSPACE": "off"}
    monkeypatch.setattr(runner, "environment", lambda course: real(course) | away)
    code, out, err = learner.toy.tito("test", "02")
    assert code == 1
    assert "passed" not in out
    assert "nothing is judged: the checks ran on " in err and "and not on your " in err


def test_tests_of_another_file_than_the_export_are_not_judged(learner):
    """Code that passes another module off as the export."""
    away = "import sys, types\nsys.modules[__name__].__file__ = 'elsewhere.py'\nLIMIT = 3"
    learner.solve()
    learner.change("LIMIT = 3", away)
    code, _, err = learner.toy.tito("test", "01")
    assert code == 1
    assert "the checks ran on elsewhere.py and not on your " in err


def test_quick_checks_do_not_wait_for_plots(learner, tmp_path, monkeypatch):
    """Notebooks import matplotlib if it is there; here it leaves a mark when it is imported."""
    mark = tmp_path / "imported"
    package = tmp_path / "fake" / "matplotlib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"open({str(mark)!r}, 'w')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    plots = "try:\n    import matplotlib\nexcept ImportError:\n    matplotlib = None"
    learner.toy.write_notebook("02_activations", {"plots": plots, **ACTIVATIONS})
    learner.solve(only=["activations.relu"])
    code, told = learner.judged("02")
    assert (code, told["activations.relu"]["outcome"]) == (0, "passed"), told
    assert not mark.exists()
