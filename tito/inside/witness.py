"""Find the smallest input on which a learner's function and the course's disagree.

A failed check runs once more, and every call of the exercise in it is answered twice: by the
learner's function, whose answer counts, and by the course's, on a copy of the input. Of the calls
where they differ, the one with the smallest input is told, with both answers.
"""

import ast
import copy
import functools
import importlib.machinery
import sys
import textwrap
from pathlib import Path

from tinytorch.course import function_source
from tito.inside import checks, tell

MOST = 3000  # calls that are compared
SMALL = 24  # numbers that are all shown
LARGE = 200_000  # elements: a call with more is not compared


class Watcher:
    """Answers every call of one exercise twice, and keeps the smallest disagreement."""

    def __init__(self, module, qualname, reference):
        self.module, self.qualname, self.reference = module, qualname, reference
        self.calls, self.found, self.busy = 0, None, False

    def __call__(self, function):
        """The decorator that stands closest to the learner's function."""

        @functools.wraps(function)
        def watched(*args, **kwargs):
            self.calls += 1
            size = sum(map(elements, [*args, *kwargs.values()]))
            smaller = self.found is None or size < self.found[0]
            if self.busy or self.calls > MOST or size > LARGE or not smaller:
                return function(*args, **kwargs)
            return self.compare(function, args, kwargs, size)

        return watched

    def compare(self, function, args, kwargs, size):
        """Call the learner's function, and the course's on copies; the learner's answer counts."""
        try:
            before, state = copy.deepcopy((args, kwargs)), copy.deepcopy(self.generator())
            asked = call(self.qualname, function, *before)
        except Exception:  # what cannot be copied cannot be compared
            return function(*args, **kwargs)
        mine, error = answer(function, args, kwargs)
        after, self.busy = copy.deepcopy(self.generator()), True
        try:
            self.set_generator(state)
            theirs, wrong = answer(self.course_function(function), *before)
        finally:
            self.set_generator(after)
            self.busy = False
        if mine is None and theirs is None and error is None and wrong is None:
            mine, theirs = changed(args), changed(before[0])
        if not agree(error, wrong) if error or wrong else not agree(mine, theirs):
            got, want = show(mine, error), show(theirs, wrong)
            if error is None and wrong is None:
                got, want = (show(a, at=first_difference(mine, theirs)) for a in (mine, theirs))
            self.found = size, {"call": asked, "expected": want, "received": got}
        if error is not None:
            raise error
        return mine

    def course_function(self, function):
        """The course's function, without its decorators, among the same neighbours."""
        source = function_source(self.reference, self.qualname)
        node = ast.parse(source).body[0]
        node.decorator_list = []
        names, local = function.__globals__, {}
        owner = self.qualname.rpartition(".")[0]
        body = textwrap.indent(ast.unparse(node), "    ")
        code = f"def build(__class__):\n{body}\n    return {node.name}\n"
        exec(compile(code, "<course>", "exec"), names, local)
        return local["build"](names.get(owner))

    def generator(self):
        return vars(sys.modules["tinytorch.tensor"].default_generator) if _has_tensor() else {}

    def set_generator(self, state):
        if _has_tensor():
            vars(sys.modules["tinytorch.tensor"].default_generator).update(state)


def _has_tensor():
    return hasattr(sys.modules.get("tinytorch.tensor"), "default_generator")


def answer(function, args, kwargs):
    """What a call gives: (result, None) or (None, the error it raised)."""
    try:
        return function(*args, **kwargs), None
    except Exception as error:
        return None, error


def elements(value):
    """How many numbers a value holds."""
    if hasattr(value, "array") or hasattr(value, "size"):
        size = getattr(getattr(value, "array", value), "size", 1)
        return size if isinstance(size, int) else 1
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple | dict | set):
        return 1 + sum(map(elements, value.values() if isinstance(value, dict) else value))
    return abs(value) if isinstance(value, int) and abs(value) < 100 else 1


def changed(args):
    """What a function that returns nothing may have changed: its object, or its first array."""
    return getattr(args[0], "__dict__", args[0]) if args else None


def agree(mine, theirs, depth=0):
    """True if two answers are the same, numbers up to rounding; what is unknown agrees."""
    if isinstance(theirs, BaseException) or isinstance(mine, BaseException):
        return type(mine) is type(theirs)
    if hasattr(theirs, "array") or hasattr(theirs, "dtype"):
        return _same_arrays(mine, theirs)
    if isinstance(theirs, dict) and isinstance(mine, dict):
        same = mine.keys() == theirs.keys()
        return same and all(agree(mine[k], theirs[k], depth) for k in theirs)
    if isinstance(theirs, list | tuple) and isinstance(mine, list | tuple):
        same = len(mine) == len(theirs)
        return same and all(agree(m, t, depth) for m, t in zip(mine, theirs))
    if theirs is None or mine is None:
        return mine is theirs
    if isinstance(theirs, bool | int | float | str | bytes | set):
        return mine == theirs or _close(mine, theirs)
    if type(mine) is not type(theirs) or depth > 3 or not hasattr(theirs, "__dict__"):
        return type(mine) is type(theirs)
    return agree(vars(mine), vars(theirs), depth + 1)


def _close(mine, theirs):
    numbers = isinstance(mine, int | float) and isinstance(theirs, int | float)
    return numbers and (mine != mine) == (theirs != theirs) and not abs(mine - theirs) > 1e-5


def _same_arrays(mine, theirs):
    import numpy as np

    mine, theirs = (getattr(a, "array", a) for a in (mine, theirs))
    if getattr(mine, "shape", None) != theirs.shape or mine.dtype != theirs.dtype:
        return False
    if theirs.dtype.kind not in "fc":
        return bool((mine == theirs).all())
    return bool(np.allclose(mine, theirs, rtol=1e-4, atol=1e-5, equal_nan=True))


def call(qualname, function, args, kwargs):
    """A call as it would be typed: `mean([[1. 2.]], 1)`; of `self` only the class is named."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    told = [show(a) for n, a in zip([*names, *[""] * len(args)], args) if n != "self"]
    told += [f"{name}={show(value)}" for name, value in kwargs.items()]
    return f"{qualname}({', '.join(told)})"


def first_difference(mine, theirs):
    """The place where two large arrays of one shape differ first; None for anything else."""
    import numpy as np

    mine, theirs = (getattr(a, "array", a) for a in (mine, theirs))
    if not (isinstance(mine, np.ndarray) and isinstance(theirs, np.ndarray)):
        return None
    if mine.shape != theirs.shape or mine.size <= SMALL:
        return None
    return tuple(int(i[0]) for i in np.nonzero(~np.isclose(mine, theirs, rtol=1e-4, atol=1e-5)))


def show(value, error=None, at=None):
    """A value in a few characters; a large array by its shape and its first numbers."""
    if error is not None:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {show(v)}" for k, v in list(value.items())[:6]) + "}"
    if isinstance(value, list | tuple):
        items = ", ".join(map(show, value[:6])) + ", ..." * (len(value) > 6)
        if isinstance(value, tuple):
            return f"({items}{',' * (len(value) == 1)})"
        return f"[{items}]"
    array = getattr(value, "array", value)
    if not hasattr(array, "dtype") or not hasattr(array, "shape"):
        text = repr(value)
        if " object at 0x" in text:
            inside = vars(value) if hasattr(value, "__dict__") else {}
            text = f"{type(value).__name__}{show(inside)}"
        return text if len(text) < 120 else f"{text[:117]}..."
    kind = "" if str(array.dtype) in ("float32", "int64", "bool") else f" {array.dtype}"
    if at:
        return f"{array[at]:.5g} at {list(at)} of shape {array.shape}{kind}"
    if array.size > SMALL:
        first = ", ".join(f"{x:.4g}" for x in array.ravel()[:4])
        return f"array of shape {array.shape}{kind}: {first}, ..."
    return f"{_rounded(array.tolist())}{kind}{f' of shape {array.shape}' * (array.size == 0)}"


def _rounded(value):
    if isinstance(value, list):
        return f"[{', '.join(map(_rounded, value))}]"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


class Loader(importlib.machinery.SourceFileLoader):
    """Loads the learner's file with the watcher as the innermost decorator of one function."""

    watcher = None

    def get_code(self, fullname):
        tree = ast.parse(self.get_data(self.path))
        *owners, name = self.watcher.qualname.split(".")
        node = tree
        for part in (*owners, name):
            node = [n for n in node.body if getattr(n, "name", None) == part][-1]
        node.decorator_list.append(ast.Name("__watcher__", ast.Load()))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)

    def exec_module(self, module):
        module.__watcher__ = self.watcher
        super().exec_module(module)


class Finder:
    """Stands before the overlay's finder and swaps the loader of one module."""

    def __init__(self, watcher):
        self.watcher = watcher

    def find_spec(self, name, path=None, target=None):
        if name != f"tinytorch.{self.watcher.module}":
            return None
        for finder in sys.meta_path:
            if finder is self:  # pytest's own stands before it
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                spec.loader = Loader(name, spec.origin)
                spec.loader.watcher = self.watcher
                return spec
        return None


def run(exercise, reference, *check):
    """Run a check again and tell the smallest disagreement, if there is one.

    `check` is (notebook, label) for a quick check, else pytest's arguments.
    """
    module, _, qualname = exercise.partition(".")
    watcher = Watcher(module, qualname, Path(reference))
    sys.meta_path.insert(0, Finder(watcher))
    if check[0].endswith(".ipynb"):
        checks.run(*check, {exercise})
    else:
        import pytest

        pytest.main(list(check))
    if watcher.found:
        tell(witness=watcher.found[1])


if __name__ == "__main__":
    run(*sys.argv[1:])
