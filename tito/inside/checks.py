"""Run the course's quick checks on the exported file of a module, and tell every outcome.

`python -m tito.inside.checks NOTEBOOK LABEL EXERCISE...`: the checks of the course's own notebook
run with the names of `tinytorch.NAME` as it is imported here, so in a workspace on the learner's
file. Cells of the notebook that only define something run too; its exported cells and its
experiments do not.
"""

import ast
import builtins
import contextlib
import importlib
import linecache
import os
import sys
import threading
import traceback
import warnings

from tinytorch import course
from tito import notebook
from tito.inside import CLOCK, is_learners, last_own, loaded, sentence, set_limits, tell, warned
from tito.inside.guard import Guard, refuse_to_give

DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
# Seconds that the import of a module may take, and the checks of one exercise: both need a
# fraction of one. Whoever allows more than the usual limit allows more here.
PATIENCE = max(10, float(os.environ.pop(CLOCK, 0)))
CONSTANTS = (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp, ast.USub, ast.Load)


def run(path, label, wanted):
    """Judge the wanted exercises in the notebook's order."""
    set_limits()
    refuse_to_give()
    course.PATIENCE = PATIENCE
    book, guard = notebook.read(path, label), Guard()
    module = _import(f"tinytorch.{book.name}", guard)
    if module is None:
        return
    tell(loaded=loaded())
    names = _names(module)
    for cell in book.code:
        exercises = checked_in(cell.tree)
        if not cell.exported and not exercises and only_defines(cell.tree):
            with without_plots():
                _execute(cell, names)
        for exercise in exercises:
            if exercise in wanted:
                _check(cell, exercise, names, guard)
    tell(finished=True, loaded=loaded())


def _names(module):
    """The names of a module, for the checks: what these set changes nothing in the module.

    A helper that is called like a function of Python, `max`, is for the learner's own code.
    """
    own = vars(module).items()
    return {n: value for n, value in own if n.startswith("__") or not hasattr(builtins, n)}


@contextlib.contextmanager
def without_plots():
    """Cells that would import matplotlib find none: that takes longer than all the checks."""
    missing = "matplotlib" not in sys.modules
    if missing:
        sys.modules["matplotlib"] = None
    yield
    if missing:
        del sys.modules["matplotlib"]


def _import(name, guard):
    """The learner's module; None if it cannot be imported, and then the reason is told."""
    clock = threading.Timer(PATIENCE, _too_long, [threading.get_ident()])
    clock.daemon = True
    clock.start()
    try:
        module = importlib.import_module(name)
    except BaseException as error:  # a learner's module may do anything while it is imported
        words = "it asked Python to exit" if isinstance(error, SystemExit) else sentence(error)
        tell(error=f"it cannot be imported: {words}", place=_place(error))
        return None
    finally:
        clock.cancel()
    if complaint := guard.complaint():
        tell(error=complaint, place=None)
        return None
    return module


def _too_long(thread):
    """The import goes on and on: say where it is, and end the process."""
    frames = traceback.extract_stack(sys._current_frames()[thread])
    words = f"it cannot be imported: not done after {PATIENCE:g} s, an endless loop?"
    tell(error=words, place=_last(frames))
    os._exit(1)


def _check(cell, exercise, names, guard):
    """Run the checks of one exercise; its outcome is told whatever happens."""
    tell(start=f"quick check of {exercise}", exercises=[exercise])
    course.outcomes.clear()
    error = None
    try:
        with _warnings() as heard:
            _execute(cell, names, exercise)
    except BaseException as raised:  # not even KeyboardInterrupt is tito's: it is theirs
        error = raised
    said, complaint = dict(course.outcomes).get(exercise), guard.complaint()
    if complaint:
        tell(check=exercise, outcome="failed", sentence=complaint, place=None)
    elif error is None and said:
        tell(check=exercise, outcome=said)
    else:
        words = "it asked Python to exit" if isinstance(error, SystemExit) else sentence(error)
        words = "; ".join([words.removeprefix(f"{exercise}: "), *heard[:1]])
        tell(check=exercise, outcome="failed", sentence=words, place=_place(error))


@contextlib.contextmanager
def _warnings():
    """A list that grows by a sentence for each warning of NumPy in the learner's code."""
    heard = []

    def hear(message, category, *place, **more):
        frames = traceback.extract_stack()
        if category is RuntimeWarning and last_own(frames):
            heard.append(warned(message, frames))

    with warnings.catch_warnings():
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = hear
        yield heard


def _execute(cell, names, exercise=None):
    """Run a cell; of a cell with several checks, only those of one exercise."""
    file = f"cell {cell.id}"
    linecache.cache[file] = (len(cell.source), None, cell.source.splitlines(True), file)
    tree = cell.tree
    if exercise:
        body = [n for n in tree.body if checked_in(n) in ([], [exercise])]
        tree = ast.Module(body, [])
    exec(compile(tree, file, "exec", dont_inherit=True), names)


def checked_in(tree):
    """The exercises that a cell checks with `with check("...")`."""
    return [
        item.context_expr.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if isinstance(item.context_expr, ast.Call)
        and getattr(item.context_expr.func, "id", "") == "check"
    ]


def only_defines(tree):
    """True if a cell holds only imports, definitions and constants: quick, and without output."""
    return all(_defines(node) for node in tree.body)


def _defines(node):
    if isinstance(node, ast.Try):
        handlers = [statement for handler in node.handlers for statement in handler.body]
        return all(_defines(statement) for statement in [*node.body, *handlers])
    if isinstance(node, ast.Assign):
        return all(isinstance(part, CONSTANTS) for part in ast.walk(node.value))
    return notebook.is_text(node) or isinstance(node, DEFINITIONS)


def _place(error):
    """The last line of the learner's files that an error came through: [file, line]."""
    if isinstance(error, SyntaxError) and is_learners(error.filename or ""):
        return [error.filename, error.lineno]
    return _last(traceback.extract_tb(error.__traceback__) if error else [])


def _last(frames):
    own = last_own(frames)
    return own and [own.filename, own.lineno]


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], set(sys.argv[3:]))
