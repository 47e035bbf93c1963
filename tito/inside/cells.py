"""Run a notebook's code cells in order, as Jupyter would, and tell what the quick checks say.

`python -m tito.inside.cells PATH LABEL`: one namespace, which is `__main__`. While notebook NN
runs, the exported module NN must not stand in for it, so importing it is refused.
"""

import ast
import linecache
import sys
import traceback
import types

from tito import notebook
from tito.inside import sentence, tell

FILE = "cell "  # the file name of a cell's code, in tracebacks: "cell check-matmul"


class Guard:
    """A finder that refuses the exported file of the notebook that is running."""

    def __init__(self, name):
        self.forbidden = f"tinytorch.{name}"
        self.message = (
            f"while notebook {name} runs, nothing may import the exported {self.forbidden}: "
            "use what the notebook itself defines"
        )
        self.asked = False

    def find_spec(self, name, path=None, target=None):
        if name == self.forbidden:
            self.asked = True
            raise ImportError(self.message, name=name)


def run(path, label):
    """Run every cell; an error ends the run, a failed quick check does not."""
    book = notebook.read(path, label)
    guard = Guard(book.name)
    sys.meta_path.insert(0, guard)
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    for cell in book.code:
        tell(start=f"{FILE}{cell.id}")
        error = execute(cell, vars(main))
        _tell_checks(cell, error)
        if error is not None and not _is_check(error):
            tell(error=_words(error), place=place(cell, error))
            break
        if guard.asked:
            tell(error=guard.message, place=f"{FILE}{cell.id}")
            break
    tell(finished=True)


def execute(cell, names):
    """Run one cell, show the value of its last line, and give the error that stopped it."""
    file = f"{FILE}{cell.id}"
    linecache.cache[file] = (len(cell.source), None, cell.source.splitlines(True), file)
    try:
        tree = ast.parse(cell.source, file)
        last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
        exec(compile(tree, file, "exec", dont_inherit=True), names)
        exec(compile(ast.Interactive(last), file, "single", dont_inherit=True), names)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit in a cell must not pass for an end
        return error
    return None


def _tell_checks(cell, error):
    """Tell the outcomes that the cell's quick checks recorded."""
    outcomes = getattr(sys.modules.get("tinytorch.course"), "outcomes", [])
    why = {"sentence": str(error), "place": place(cell, error)} if _is_check(error) else {}
    for exercise, outcome in outcomes:
        tell(check=exercise, outcome=outcome, **(why if outcome == "failed" else {}))
    if why and "failed" not in dict(outcomes).values():
        tell(error=why["sentence"], place=why["place"])
    outcomes.clear()


def _is_check(error):
    kind = getattr(sys.modules.get("tinytorch.course"), "CheckFailed", ())
    return isinstance(error, kind)


def _words(error):
    return "the cell asked Python to exit" if isinstance(error, SystemExit) else sentence(error)


def place(cell, error):
    """The cell and line where an error came up, as deep as the notebook's own code goes."""
    if isinstance(error, SyntaxError) and error.filename == f"{FILE}{cell.id}":
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(FILE)]
    return f"{own[-1].filename}, line {own[-1].lineno}" if own else f"{FILE}{cell.id}"


if __name__ == "__main__":
    from tito.inside.cells import run as run_anew  # `__main__` will belong to the notebook

    run_anew(*sys.argv[1:])
