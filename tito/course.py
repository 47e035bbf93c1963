"""Where the course is, and what is in it: its modules, their words, its milestones.

The course is the checkout that holds this package, else `tito/_course`, which an installed wheel
carries. The environment variable TITO_COURSE names another folder that looks like a checkout
(`modules/`, `tinytorch/`, `tests/`, `milestones/`): tests use it to point tito at a toy course.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tinytorch.overlay import NAMES
from tito import TitoError, UsageError, guess

HOME = Path(__file__).resolve().parent


def number_of(name):
    """The place of a module in the course: 1 for "tensor"."""
    return NAMES.index(name) + 1


@dataclass(frozen=True)
class Module:
    """One of the twenty modules; its notebook may not be written yet."""

    name: str
    course: "Course"

    @property
    def number(self):
        return number_of(self.name)

    @property
    def label(self):
        return f"{self.number:02d}_{self.name}"

    @property
    def folder(self):
        return self.course.root / "modules" / self.label

    @property
    def notebook(self):
        return self.folder / f"{self.name}.ipynb"

    @property
    def tests(self):
        return self.course.source.root / "tests" / f"test_{self.label}.py"

    @property
    def exported(self):
        return self.course.package / f"{self.name}.py"

    def words(self):
        """What module.toml says, whole and checked.

        Raises:
            TitoError: the file is missing, is not TOML, or lacks something.
        """
        import tomllib

        path = self.course.source.root / "modules" / self.label / "module.toml"
        where = self.course.relative(path)
        try:
            words = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise TitoError(f"{where} is missing: it holds title, promise and minutes") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise TitoError(f"{where} is not TOML: {error}") from None
        words.setdefault("exercises", {})
        if lacking := _lacking(words):
            raise TitoError(f"{where}: {'; '.join(lacking)}")
        return words


def _lacking(words):
    """What is missing or ill-formed in a module.toml, in words."""
    wanted = {"title": str, "promise": str, "minutes": int, "exercises": dict}
    lacking = [
        f"`{key}` must be of type {t.__name__}"
        for key, t in wanted.items()
        if type(words.get(key)) is not t
    ]
    entries = {} if lacking else words["exercises"]
    return lacking + [f'[exercises."{n}"] {why}' for n, e in entries.items() for why in _faults(e)]


def _faults(entry):
    if not isinstance(entry, dict):
        return ["must be a table"]
    hints = entry.get("hints")
    told = isinstance(hints, list) and len(hints) == 3 and all(isinstance(h, str) for h in hints)
    return [
        *([] if type(entry.get("points")) is int else ["needs `points`, a whole number"]),
        *([] if entry.get("stars") in (1, 2, 3) else ["needs `stars`, 1 to 3"]),
        *([] if told else ["needs `hints`, a list of exactly three strings"]),
    ]


@dataclass(frozen=True)
class Course:
    """A folder with modules, tests and milestones, and the package that belongs to it."""

    root: Path
    package: Path
    writable: bool

    @property
    def source(self):
        """The course itself, where a workspace is only a learner's view of it."""
        return self

    @cached_property
    def modules(self):
        return tuple(Module(name, self) for name in NAMES)

    @property
    def written(self):
        """The modules that have a notebook."""
        return [module for module in self.modules if module.notebook.is_file()]

    def relative(self, path):
        """`path` as it is shown: from the course's root, with forward slashes."""
        path = Path(path)
        for base in (self.root, self.package.parent):
            if path.is_relative_to(base):
                return path.relative_to(base).as_posix()
        return path.as_posix()

    def module(self, token):
        """The module meant by `1`, `01`, `tensor`, `01_tensor` or a path of its folder.

        Raises:
            TitoError: there is no such module, or its notebook is not written yet.
        """
        word = Path(token).stem
        number = int(word) if word.isdecimal() else None
        for module in self.modules:
            if word in (module.name, module.label) or number == module.number:
                if module.notebook.is_file():
                    return module
                missing = self.relative(module.notebook)
                raise TitoError(f"module {module.label} is not built yet: there is no {missing}")
        meant = guess(word, NAMES)
        raise TitoError(f"there is no module {token!r}{meant}: `tito modules` lists them")

    def module_around(self, folder):
        """The module in whose folder, or below, `folder` lies; None if there is none."""
        try:
            inside = Path(folder).resolve().relative_to(self.root / "modules").parts
        except ValueError:
            return None
        return next((m for m in self.modules if inside and inside[0] == m.label), None)

    def milestones(self):
        """Every milestone script, in order."""
        scripts = (self.root / "milestones").glob("[0-9]*/*.py")
        return sorted(s for s in scripts if not s.name.startswith("_"))


def find():
    """The course that tito works on.

    Raises:
        TitoError: TITO_COURSE names no course, or neither a checkout nor an installed one is there.
    """
    if named := os.environ.get("TITO_COURSE"):
        root = Path(named).resolve()
        if not (root / "modules").is_dir():
            raise TitoError(f"TITO_COURSE is {named!r}, which has no folder `modules`")
        return Course(root, root / "tinytorch", writable=True)
    checkout, installed = HOME.parent, HOME / "_course"
    if (checkout / "modules").is_dir() and (checkout / "pyproject.toml").is_file():
        return Course(checkout, checkout / "tinytorch", writable=True)
    if installed.is_dir():
        return Course(installed, checkout / "tinytorch", writable=False)
    raise TitoError(f"no course was found beside {HOME}: install tinytorch again")


def authors():
    """The course, for commands that write or judge the course itself: only in its own checkout.

    Raises:
        UsageError: the working directory is not in it; a learner is in the wrong folder.
    """
    found = find()
    here = "TITO_COURSE" in os.environ or Path.cwd().resolve().is_relative_to(found.root)
    if not here or not found.writable:
        raise UsageError("this is no workspace: cd into yours, or `tito init DIR` makes one")
    return found


def version():
    """The version of the checkout, else of the installed package."""
    import tomllib
    from importlib import metadata

    project = HOME.parent / "pyproject.toml"
    if project.is_file():
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]
    return metadata.version("tinytorch")
