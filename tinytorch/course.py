"""What a notebook needs from the course: blanks, quick checks, and given functions.

A blank exercise raises `Blank`. A cell of quick checks runs inside `with check("module.name"):`
and turns a failed `assert` into one sentence. `give("module.name")` puts the course's own
function into the running notebook, so that a blank never stops the lesson.
"""

import ast
import ctypes
import difflib
import inspect
import os
import sys
import textwrap
import threading
import traceback
from pathlib import Path

import numpy as np

from . import overlay, tracebacks

__all__ = ["Blank", "CheckFailed", "check", "close", "data_file", "give"]

REFERENCE = Path(__file__).parent
PYTHON = Path(os.__file__).parent
PATIENCE = 10  # seconds for the checks of one exercise; they need a fraction of one
NO_RETURN = "None came out: does your function end with `return`, and the result behind it?"
USUAL = {  # what Python and NumPy say -> what it usually means in an exercise
    "'function' object has no attribute 'on_arrays'": "the line `@primitive` or "
    "`@elementwise` above its `def` is gone: put it back",
    "truth value of an array": "Python's max, min, `if`, `and` want one number; "
    "np.maximum, np.minimum, np.where and & work place by place",
}
tracebacks.install()  # in a notebook an error ends at the reader's own line
outcomes: list[tuple[str, str]] = []  # (exercise, "passed" | "blank" | "failed"), in running order


class _OneSentence:
    """Mix-in: Jupyter shows the message alone, without a traceback."""

    outcome = "blank"

    def _render_traceback_(self):
        return [f"{self.outcome}: {self}"]


class Blank(_OneSentence, NotImplementedError):
    """The exercise that was just called has not been written yet."""

    def __init__(self, exercise):
        self.exercise = exercise
        super().__init__(
            f"{exercise} is still blank. Write it in its cell, or go on with the course's own: "
            f'tinytorch.give("{exercise}")'
        )


class CheckFailed(_OneSentence, AssertionError):
    """A quick check did not hold; the message says what was expected and what came."""

    outcome = "failed"


class _Endless(BaseException):
    """Raised inside a loop that takes too long, from outside."""


class check:
    """Run the quick checks of one exercise and say the outcome in one line.

    A blank is reported and lets the notebook go on. A failed assertion, or any error that the
    exercise raises, becomes `CheckFailed` with one sentence; so does a loop that never ends.

    >>> with check("demo.double"):
    ...     assert 2 * 2 == 4, "doubling 2 gives 4"
    passed: demo.double
    """

    def __init__(self, exercise):
        self.exercise = exercise
        self.thread = ctypes.c_ulong(threading.get_ident())
        self.clock = threading.Timer(PATIENCE, self._stop)

    def __enter__(self):
        self.clock.daemon = True
        self.clock.start()
        return self

    def _stop(self):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(self.thread, ctypes.py_object(_Endless))

    def __exit__(self, kind, error, trace):
        self.clock.cancel()
        if isinstance(error, _Endless):
            error = TimeoutError(
                f"not done after {PATIENCE:g} s: does each round of a loop get ahead?"
            )
        if error is None:
            given = " (given)" if _is_given(self.exercise, sys._getframe(1).f_globals) else ""
            self._say("passed", f"passed: {self.exercise}{given}")
        elif isinstance(error, Blank):
            self._say("blank", self._blank_line(error.exercise))
        elif isinstance(error, CheckFailed) or not isinstance(error, Exception):
            return False
        else:
            outcomes.append((self.exercise, "failed"))
            _say_stale()
            raise CheckFailed(f"{self.exercise}: {_sentence(error, trace)}") from None
        return True

    def _say(self, outcome, line):
        outcomes.append((self.exercise, outcome))
        print(line)
        _say_stale()

    def _blank_line(self, blank):
        if blank == self.exercise:
            return f"still blank: {self.exercise}"
        return f"not checked: {self.exercise} needs {blank}, which is still blank"


def _say_stale():
    """Say which modules this kernel holds as they were before an export."""
    if old := overlay.stale():
        names = ", ".join(f"tinytorch.{name}" for name in old)
        print(f"note: {names} was exported again since: restart the kernel to use it")


def _sentence(error, trace):
    """Say what went wrong: an assertion's own message, or the error and the line it came from."""
    if words := waits(error):
        return words
    told = str(error)
    usual = "".join(f" ({meaning})" for words, meaning in USUAL.items() if words in told)
    if isinstance(error, AssertionError) and told:
        return told + usual
    if isinstance(error, RecursionError):
        return "your function calls itself on the same thing again and again, and never ends"
    if isinstance(error, NameError) and _is_cells_own(trace):
        above = f"a cell above has not run in this kernel ({error.name!r} is not there)"
        return f"{above}: choose Run > Run All Above Selected Cell"
    frames = traceback.extract_tb(trace)
    own = [f for f in frames if not _is_library(Path(f.filename))]
    if "NoneType" in told and own and own[-1].filename == frames[0].filename:
        usual += f" ({NO_RETURN})"  # the check stumbled over the exercise's own result
    lines = [f.line for f in own if f.line]
    where = f" at `{lines[-1]}`" if lines else ""
    return f"{type(error).__name__}{where}: {told}{usual}"


def waits(error):
    """What an error of code that waits for a keyboard means; None for any other error.

    >>> waits(EOFError("EOF when reading a line"))
    'it asks for input(): take that out, for nobody can type here'
    """
    if type(error).__name__ == "BdbQuit":
        found = "a breakpoint() or pdb.set_trace() stands in it"
    elif isinstance(error, EOFError) and "reading a line" in str(error):
        found = "it asks for input()"
    else:
        return None
    return f"{found}: take that out, for nobody can type here"


def _is_cells_own(trace):
    """True for an error of a notebook's cell itself, in no function that it calls."""
    return trace.tb_next is None and trace.tb_frame.f_globals.get("__name__") == "__main__"


def _is_library(path):
    """True for a file that no learner wrote: of the course, of a package, or of Python."""
    return not {REFERENCE, PYTHON}.isdisjoint(path.parents) or "site-packages" in path.parts


def close(got, want, tol=1e-6):
    """True if both have the same shape and the same values within `tol` (relative to the largest).

    Unlike `numpy.allclose` it never broadcasts: (3,) is not close to (1, 3). NaN is close to
    nothing but NaN.

    Raises:
        AssertionError: `got` is None, which no exercise returns on purpose.
    """
    if got is None:
        raise AssertionError(NO_RETURN)
    got, want = (np.asarray(getattr(a, "array", a)) for a in (got, want))
    if got.shape != want.shape:
        return False
    if got.dtype.kind in "biu" and want.dtype.kind in "biu":
        return bool((got == want).all())
    finite = np.abs(want[np.isfinite(want)])
    scale = max(1.0, float(finite.max())) if finite.size else 1.0
    return bool(np.allclose(got, want, rtol=0, atol=tol * scale, equal_nan=True))


def give(exercise):
    """Put the course's own function for `exercise`, such as "tensor.matmul", into the notebook.

    A method is put into its class, which must have been defined (run its cell first). The module
    may be left out where only one module has the function: "matmul".

    Raises:
        ValueError: there is no such exercise, or its class is not defined yet.
    """
    exercise = _whole_name(exercise)
    module, _, qualname = exercise.partition(".")
    source = function_source(REFERENCE / f"{module}.py", qualname)
    names = sys._getframe(1).f_globals
    owner, _, name = qualname.rpartition(".")
    if not owner:
        exec(compile(source, f"<given {exercise}>", "exec"), names)
    elif owner not in names:
        raise ValueError(f"{exercise} belongs to the class {owner}: run the cell of {owner} first")
    else:
        setattr(names[owner], name, _method(source, exercise, names[owner], names))
    print(f"given: {exercise}")


def _whole_name(exercise):
    """The exercise with its module in front; an unknown one is refused, with the most similar."""
    known = _functions()
    if exercise in known:
        return exercise
    found = [name for name in known if name.partition(".")[2] == exercise]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{exercise!r} is in several modules: write {' or '.join(found)}")
    short = {name.partition(".")[2]: name for name in known}
    similar = difflib.get_close_matches(exercise, [*known, *short], 1)
    hint = f": did you mean {short.get(similar[0], similar[0])!r}?" if similar else ""
    raise ValueError(f"there is no {exercise!r} in the course{hint}")


def _functions():
    """All functions and methods of the course's modules, as "module.name", in order."""
    names = []
    for module in overlay.NAMES:
        path = REFERENCE / f"{module}.py"
        for node in ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else ():
            owner = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            nodes = node.body if owner else [node]
            functions = [n for n in nodes if isinstance(n, ast.FunctionDef)]
            names += [f"{module}.{owner}{f.name}" for f in functions]
    return names


def _is_given(exercise, names):
    """True if the function that stands for the exercise among `names` came from `give`."""
    first, *rest = exercise.split(".")[1:]
    found = names.get(first)
    for part in rest:
        found = getattr(found, part, None)
    code = getattr(inspect.unwrap(found), "__code__", None) if callable(found) else None
    return code is not None and code.co_filename == f"<given {exercise}>"


def _method(source, exercise, owner, names):
    """Compile a method as if it stood in the class body, so that `super()` works."""
    name = exercise.rpartition(".")[2]
    inside = f"def build(__class__):\n{textwrap.indent(source, '    ')}\n    return {name}\n"
    local = {}
    exec(compile(inside, f"<given {exercise}>", "exec"), names, local)
    return local["build"](owner)


def function_source(path, qualname):
    """The source of one function or method of a Python file, decorators included, not indented.

    Raises:
        ValueError: there is no such file or no such function in it.
    """
    if not path.is_file():
        raise ValueError(f"there is no module {path.stem!r} in the course")
    text = path.read_text(encoding="utf-8")
    body = ast.parse(text).body
    for part in qualname.split("."):
        found = [n for n in body if getattr(n, "name", None) == part]
        if not found:
            raise ValueError(f"there is no {qualname!r} in {path.stem}: check the spelling")
        node, body = found[-1], getattr(found[-1], "body", [])
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    return textwrap.dedent("\n".join(lines)) + "\n"


def data_file(name):
    """The path of a data file that ships with the course, such as "tinydigits/digits.npz".

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    for folder in (REFERENCE / "_datasets", REFERENCE.parent / "datasets"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"the data file {name} is missing: install tinytorch again")
