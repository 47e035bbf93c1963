"""Wrong solutions do not get through: the mutation matrix (`pytest -m slow`), and its parts.

With `TINYTORCH_REPORT=FOLDER` the report is written there as `mutants.md`.
"""

import ast
import importlib.util
import os
import sys
import textwrap
from pathlib import Path

import judge
import matrix
import mutants
import numpy as np
import pytest
import spoil
import variants

from tinytorch.tensor import Tensor
from tito import notebook as notebooks

NOTEBOOKS = variants.course_notebooks()


# ---------------------------------------------------------------- the matrix
@pytest.fixture(scope="module")
def modules():
    """{module: results}, as far as they were judged in this run."""
    return {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the report goes."""
    path = Path(os.environ.get("TINYTORCH_REPORT") or tmp_path_factory.mktemp("report"))
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda n: n.name)
def test_mutants_are_killed(notebook, modules, folder, tmp_path):
    """By the quick check, the exercise's tests or the module's, but for the equivalent ones."""
    modules[notebook.name] = matrix.judged(notebook, tmp_path)
    (folder / "mutants.md").write_text(matrix.report(modules), encoding="utf-8")
    faults = list(matrix.faults(modules[notebook.name]))
    assert not faults, "\n".join(faults)


@pytest.mark.slow
def test_few_mutants_crash_at_once(modules):
    """Over all modules, if all were judged."""
    if set(modules) != {notebook.name for notebook in NOTEBOOKS}:
        pytest.skip("only some modules were judged")
    share = matrix.crashing([result for results in modules.values() for result in results])
    assert share < matrix.CRASHING, f"{share:.1%} of the mutants crash at once: too easy to find"


# ---------------------------------------------------------------- the list of equivalents
def test_equivalents_are_of_exercises_and_argued():
    known = {exercise.id for notebook in NOTEBOOKS for exercise in notebook.exercises}
    assert {name.partition(":")[0] for name in matrix.equivalents()} <= known
    assert all(len(why.split()) >= 4 for why in matrix.equivalents().values())


# ---------------------------------------------------------------- the kinds
def exercise_of(body, head="f(x, y, dim=-1)"):
    """An exercise of a notebook that is not there, its solution being `body`."""
    inside = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    begin, end = f"    {notebooks.BEGIN}", f"    {notebooks.END}"
    source = f'def {head}:\n    """Doc."""\n{begin}\n{inside}\n{end}'
    cell = notebooks.Cell("f", "code", f"#| export\n{source}", {})
    return notebooks.Notebook("toy", "toy.ipynb", (cell,), {}).exercises[0]


def changes(kind, body, head="f(x, y, dim=-1)"):
    """What the mutants of a kind do in the place of `body`."""
    exercise = exercise_of(body, head)
    function = variants.find(exercise.cell.tree, exercise.qualname)
    found = mutants.tree_mutants(function, exercise)
    return [
        "; ".join(ast.unparse(node) for node in new.body[1:])
        for _, its_kind, new in found
        if its_kind == kind
    ]


@pytest.mark.parametrize(
    ("kind", "body", "wanted"),
    [
        ("comparison", "return x <= y", ["return x < y", "return x >= y"]),
        ("comparison", "return x in y", ["return x not in y"]),
        ("arithmetic", "return x - y", ["return x + y"]),
        ("arithmetic", "x *= y", ["x /= y", "x += y"]),
        ("arithmetic", "return x, y", ["return (2 * x, y)", "return (x, 2 * y)"]),
        ("constant", "return x.sum(3)", ["return x.sum(4)", "return x.sum(2)"]),
        ("constant", "return x * 0.5", ["return x * 5.0", "return x * 0.0"]),
        ("constant", "x.grad = None", ["x.grad = 0"]),
        ("keyword dropped", "return x.sum(dim, keepdims=True)", ["return x.sum(dim)"]),
        ("statement dropped", "x -= y", ["pass", "x = y", "x = x - y"]),
        ("statement dropped", "y = 2 * y\nreturn x * y", ["pass; return x * y"]),
        ("statement dropped", "z = 2 * y\nreturn x * z", []),
        ("operand dropped", "return x * y", ["return x", "return y"]),
        ("negated", "return x * y, x", ["return (-(x * y), x)", "return (x * y, -x)"]),
        ("condition", "return x if y else 0", ["return x if not y else 0", "return x", "return 0"]),
        ("condition", "return [z for z in x if z]", ["return [z for z in x]"]),
        ("arguments swapped", "return x @ y", ["return y @ x"]),
        ("arguments swapped", "return f(x, y)", ["return f(y, x)"]),
        ("arguments swapped", "return np.maximum(x, y)", []),
        ("call dropped", "return x.T", ["return x"]),
        ("call dropped", "return np.exp(x)", ["return x"]),
        ("call dropped", "return x.swapaxes(0, 1)", ["return x"]),
        ("slice", "return x[:y]", ["return x", "return x[:y - 1]", "return x[:]"]),
        ("slice", "return x[y]", ["return x", "return x[y - 1]"]),
        ("loop", "return [z for z in x]", ["return [z for z in list(x)[1:]]"]),
    ],
)
def test_a_kind_of_the_tree(kind, body, wanted):
    assert set(wanted) <= set(changes(kind, body))
    assert wanted or not changes(kind, body)


def test_another_input_only_if_it_is_alike():
    exercise = exercise_of("return x + dim", "f(x, y, dim=-1)")
    function = variants.find(exercise.cell.tree, exercise.qualname)
    calls = [(None, {"x": np.ones(2), "y": np.ones(3), "dim": 1})]
    found = [new for *_, new in mutants.another_input(function, exercise, calls)]
    assert [ast.unparse(new.body[-1]) for new in found] == ["return y + dim"]


@pytest.mark.parametrize("how", spoil.RESULTS)
@pytest.mark.parametrize("value", [np.array([[1.5, -2], [3, 7]], np.float32), 2.5, [1, 2, 3], True])
def test_a_spoilt_result_leaves_the_right_one_alone(how, value):
    before = np.array(value)
    spoilt = spoil.spoilt(how, value)
    assert type(spoilt) is type(value) or how == "gives whole numbers"
    assert np.array_equal(before, value)


def test_a_spoilt_tensor_keeps_its_graph():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    spoilt = spoil.spoilt("gives the last first", y)
    assert spoilt.tolist() == [6, 3] and y.tolist() == [3, 6]
    spoilt.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_every_result_is_spoilt_in_some_way():
    rows = np.array([[1.5, 0.1], [3, 7]], np.float32)
    same = [how for how in spoil.RESULTS if not spoil.differs(rows, spoil.spoilt(how, rows))]
    assert not same


def test_names_are_unique_readable_and_the_same_every_time():
    notebook = min(NOTEBOOKS, key=lambda n: len(n.exercises))
    for exercise in notebook.exercises:
        first, second = (mutants.mutants_of(notebook, exercise) for _ in range(2))
        names = [mutant.name for mutant in first]
        assert names == [mutant.name for mutant in second]
        assert len(set(names)) == len(names)
        assert all(name.startswith(f"{exercise.id}: ") and "\n" not in name for name in names)


def test_no_mutant_is_the_reference_or_another_mutant():
    notebook = NOTEBOOKS[0]
    exercise = notebook.exercises[0]
    found = [mutant.function for mutant in mutants.mutants_of(notebook, exercise)]
    found.append(variants.find(exercise.cell.tree, exercise.qualname))
    assert len({ast.unparse(function) for function in found}) == len(found)


# ---------------------------------------------------------------- the judge
TOY = """
class Base:
    def size(self):
        return 2


class Double(Base):
    def size(self):
        ### BEGIN SOLUTION
        return 2 * super().size()
        ### END SOLUTION
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A module of the package that is not there, and its only exercise."""
    path = tmp_path / "toy.py"
    path.write_text(TOY, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("tinytorch.toy", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "tinytorch.toy", module)
    spec.loader.exec_module(module)
    cell = notebooks.Cell("toy", "code", f"#| export{TOY}", {})
    return module, notebooks.Notebook("toy", "toy.ipynb", (cell,), {})


def test_the_code_of_a_method_is_exchanged_whoever_holds_it(toy):
    module, notebook = toy
    (exercise,) = notebook.exercises
    held, work = module.Double().size, judge.Work(notebook, exercise)
    function = variants.find(exercise.cell.tree, exercise.qualname)
    for solution, wanted in (("return 7", 7), ("return super().size()", 2)):
        work.exchange(variants.around(function, solution))
        assert held() == module.Double().size() == wanted
    work.exchange(function)
    assert held() == 4


@pytest.mark.parametrize(
    ("example", "raises"), [("1 / 0", True), ("1 + 1", False), ("size", True), ("1\n2", False)]
)
def test_a_crash_is_an_example_that_raises_not_one_that_is_wrong(toy, example, raises):
    module, notebook = toy
    work = judge.Work(notebook, *notebook.exercises)
    module.Double.size.__doc__ = f">>> {example}"
    assert work.crashes("passed") is raises


def test_without_an_example_the_quick_check_tells_a_crash(toy):
    work = judge.Work(toy[1], *toy[1].exercises)
    assert work.crashes("TypeError at `x.f()`: no f") and work.crashes("ValueError: no")
    assert not work.crashes("your rows sum to 2: divide")


# ---------------------------------------------------------------- the counting
def result(name, kind="constant", killer="quick check", **more):
    usual = {"name": name, "kind": kind, "source": "tree", "crashes": False, "killer": killer}
    return {**usual, **more}


def control(name, killer, passes):
    return result(name, matrix.CONTROL, killer, source=matrix.CONTROL, **{"own tests": passes})


def few(number=10, **more):
    return [result(f"tensor.f: {at}", **more) for at in range(number)]


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (few(7), "tensor.f has 7 mutants"),
        (few(9, source="round"), "0 of its tree"),
        (few(9, crashes=True), "tensor.f has 0 mutants"),
        ([*few(18), *few(1, killer=None)], "94.7% of the mutants are killed"),
        ([*few(90), *few(3, kind="loop", killer=None)], "0.0% of the kind loop are killed"),
        ([*few(), control("tensor.f: blank", "passed", False)], "the quick check says passed"),
        ([*few(), control("tensor.f: blank", "blank", True)], "its tests pass: True"),
        ([*few(), control("tensor.f: reference", "passed", False)], "its tests pass: False"),
        ([*few(), control("tensor.f: independent", "failed", True)], "the quick check says failed"),
        ([*few(), result("tensor.g: same")], "listed as equivalent, and killed by the quick check"),
        (few(), "listed as equivalent, and there is no such mutant"),
    ],
)
def test_a_fault_is_said(results, words, monkeypatch):
    monkeypatch.setattr(matrix, "equivalents", lambda: {"tensor.g: same": "it is the same"})
    assert any(words in fault for fault in matrix.faults(results))


def test_no_fault_where_all_is_well(monkeypatch):
    monkeypatch.setattr(matrix, "equivalents", lambda: {"tensor.f: same": "it is the same"})
    good = [*few(30), result("tensor.f: same", killer=None), result("tensor.f: 30", killer=None)]
    assert not list(matrix.faults([*good, control("tensor.f: blank", "blank", False)]))
    text = matrix.report({"tensor": good})
    assert "31 mutants, 96.8% killed" in text
    assert "* tensor.f: 30\n" in text and "* tensor.f: same: it is the same\n" in text
