"""Run a notebook's quick check against another version of an exercise: blank, zeros, or wrong.

The cells that define things (exported ones, and unexported ones of imports and definitions only)
run up to the check; the exercise's function is replaced on the way; then its check cell runs.
"""

import ast
import contextlib
import copy
import functools
import importlib
import io
from pathlib import Path

import numpy as np

import tinytorch
from tinytorch import course
from tito import notebook as notebooks
from tito.inside.checks import checked_in, only_defines
from tito.notebook import is_text

ROOT = Path(__file__).parents[2]
WRONG_IDEAS = Path(__file__).parent / "wrong_ideas"
INDEPENDENT = Path(__file__).parent / "independent"


@functools.cache
def course_notebooks():
    """The notebooks of the course, in order."""
    return [
        notebooks.read(path, str(path.relative_to(ROOT)))
        for path in sorted((ROOT / "modules").glob("[0-9][0-9]_*/*.ipynb"))
    ]


def wrong_ideas(module):
    """The declared wrong ideas of a module: (exercise, what is wrong, function node)."""
    path = WRONG_IDEAS / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8")) if path.is_file() else ast.Module([], [])
    return [
        (*(ast.literal_eval(argument) for argument in node.decorator_list[0].args), node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    ]


def independent_solutions(module):
    """The independent solution of each exercise of a module: {exercise: function node}."""
    tree = ast.parse((INDEPENDENT / f"{module}.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {ast.literal_eval(f.decorator_list[0].args[0]): f for f in functions}


def outcome(notebook, exercise, variant=None):
    """What the quick check of `exercise` says of a variant: ("passed" | "blank" | "failed", text).

    Args:
        variant: a function that changes the cell's tree, given the tree and the exercise; None
            runs the solution.
    """
    tables = engine_tables()
    before = [dict(table) for table in tables]
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            del course.outcomes[:]
            _run(notebook, exercise, variant)
    except course.CheckFailed as failure:
        return "failed", str(failure).partition(": ")[2]
    finally:
        for table, entries in zip(tables, before, strict=True):
            table.clear()
            table.update(entries)
    said = [kind for name, kind in course.outcomes if name == exercise.id]
    return (said[-1] if said else "no check ran"), printed.getvalue()


def engine_tables():
    """The tables in which primitives and rules are entered, filled by the whole package."""
    for module in course_notebooks():
        importlib.import_module(f"tinytorch.{module.name}")
    importlib.import_module("tinytorch.functions")
    tensor = importlib.import_module("tinytorch.tensor")
    return [tensor.PRIMITIVES, tensor.RULES, tensor.SLOTS]


def _run(notebook, exercise, variant):
    """Run the defining cells up to the check of `exercise`, then the check."""
    names = {"__name__": "__main__", "tinytorch": tinytorch, "_zeroed": zeroed}
    for cell in notebook.code:
        checks, runs, code = _prepared(cell.source, cell.id, cell.exported)
        if exercise.id in checks:
            exec(code, names)
            return
        if not runs:
            continue
        if cell is exercise.cell and variant is not None:
            tree = variant(copy.deepcopy(cell.tree), exercise)
            code = compile(ast.fix_missing_locations(tree), cell.id, "exec")
        exec(code, names)


@functools.cache
def _prepared(source, name, exported):
    """Of a cell: the exercises that it checks, whether it runs before a check, and its code."""
    tree = ast.parse(source)
    checks = checked_in(tree)
    runs = not checks and (exported or only_defines(tree))
    return checks, runs, compile(tree, name, "exec") if checks or runs else None


def find(tree, qualname):
    """The node of a function or method in a cell."""
    node = tree
    for part in qualname.split("."):
        node = next(n for n in node.body if getattr(n, "name", None) == part)
    return node


def body_and_doc(node):
    """A function's statements without its docstring, and the docstring."""
    first = node.body[0]
    return (node.body[1:], node.body[:1]) if is_text(first) else (node.body, [])


def blank(tree, exercise):
    """The cell as a learner finds it: the region replaced by `raise Blank(...)`."""
    return ast.parse(exercise.cell.blanked([exercise]))


def wrong(node):
    """A variant whose function has the body of `node`, a declared wrong idea."""

    def change(tree, exercise):
        function = find(tree, exercise.qualname)
        function.body = body_and_doc(function)[1] + body_and_doc(node)[0]
        return tree

    return change


def zeros(tree, exercise):
    """The solution's result with every number zero; nothing at all where it returns nothing."""
    function = find(tree, exercise.qualname)
    values = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value]
    returns = any(getattr(value, "id", "") != "self" for value in values)  # no result
    function.body = around(function, "return _zeroed({call})" if returns else "pass").body
    return tree


def inputs_of(function):
    """The names of a function's inputs, without self."""
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    return [name for name in names if name != "self"]


def around(function, text):
    """The function with the statements `text` for a body, and the old body inside.

    Args:
        function: the node of a function.
        text: Python in which `{call}` stands for a call of the old function with its inputs.
    """
    body, doc = body_and_doc(function)
    inner = ast.FunctionDef("solution", copy.deepcopy(function.args), body, [], None)
    inner.type_params = []
    given = function.args
    passed = [a.arg for a in [*given.posonlyargs, *given.args]]
    passed += [f"*{given.vararg.arg}"] if given.vararg else []
    passed += [f"{a.arg}={a.arg}" for a in given.kwonlyargs]
    passed += [f"**{given.kwarg.arg}"] if given.kwarg else []
    statements = ast.parse(text.replace("{call}", f"solution({', '.join(passed)})")).body
    whole = copy.copy(function)
    whole.body = [*doc, inner, *statements]
    return ast.fix_missing_locations(whole)


def zeroed(value):
    """The same kind of thing with every number zero."""
    if hasattr(value, "array"):
        return tinytorch.zeros_like(value)
    if isinstance(value, np.ndarray | np.generic):
        return np.zeros_like(value)
    if isinstance(value, dict):
        return {key: zeroed(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = [zeroed(item) for item in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if isinstance(value, bool | int | float | str | bytes):
        return type(value)()
    if not hasattr(value, "__dict__") or isinstance(value, type):
        return value
    fresh = copy.copy(value)
    vars(fresh).update({name: zeroed(item) for name, item in vars(value).items()})
    return fresh
