"""What judges a learner's code must be as it was: their file may define anything, replace nothing.

The names of the modules that checks and tests lean on are noted before the first line of the
learner's runs, and compared after the import and after each check. What was replaced is told, and
put back, so that it costs one exercise and no other.

This stops the accident (`np.sum = my_sum`) and the short cut (`pytest.skip()`, a `check` that says
yes), not a liar: code that digs in tito's own modules, hides behind objects that equal everything,
or puts back what it replaced runs in the same process and can say whatever it likes.
"""

import importlib.util
import inspect
import sys

from tinytorch import course

TRUSTED = ("builtins", "math", "operator", "numpy", "numpy.testing", "numpy.linalg")
TRUSTED += ("tinytorch.course", "tito.inside", "tito.notebook", "ast", "json")
OF_PYTEST = ("pytest", "_pytest.runner", "_pytest.python", "_pytest.outcomes")
MISSING = object()


GIVE = (
    "`tinytorch.give` puts in the course's own function, which earns nothing here: "
    "take that line out of the exported cell, and write the function or leave it blank"
)


def refuse_to_give():
    """From now on nobody gets the course's functions in this process; a guard comes after it."""
    course.give = course.function_source = _refused


def _refused(*args):
    raise AssertionError(GIVE)


class Guard:
    """The names of the trusted modules, and of the classes that they define, as they are now."""

    def __init__(self, *more):
        names = [n for n in (*TRUSTED, *more) if n in sys.modules or importlib.util.find_spec(n)]
        modules = [importlib.import_module(name) for name in names]
        ours = [m for m in modules if m.__name__.startswith(("tinytorch.", "tito."))]
        classes = [c for m in ours for c in vars(m).values() if inspect.isclass(c)]
        own = [c for c in classes if c.__module__ in {m.__name__ for m in ours}]
        self.kept = [(thing, dict(vars(thing))) for thing in (*modules, *own)]

    def mended(self):
        """Put back what was replaced; give the names, such as "numpy.sum"."""
        found = []
        for thing, names in self.kept:
            now = thing.__dict__
            found += [
                (thing, name, value)
                for name, value in names.items()
                if now.get(name, MISSING) is not value and name not in _MOVING
            ]
        for thing, name, value in found:
            setattr(thing, name, value)
        return [f"{_called(thing)}.{name}" for thing, name, _ in found]

    def complaint(self):
        """One sentence if something was replaced, else None; it is put back."""
        if names := self.mended():
            return f"your code replaced {', '.join(names[:3])}: give your own things other names"
        return None


_MOVING = {"_", "__warningregistry__", "__annotations__", "__doc__", "__abstractmethods__"}


def _called(thing):
    return f"{thing.__module__}.{thing.__qualname__}" if inspect.isclass(thing) else thing.__name__
