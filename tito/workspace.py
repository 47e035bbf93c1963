"""The learner's folder: notebooks to write in, what was exported from them, and their progress.

Everything that a learner wrote is replaced whole and in one step, and before a command takes
anything away it keeps a snapshot: `tito undo` brings it back.
"""

import contextlib
import json
import os
import shutil
import tempfile
import time
import tomllib
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from tinytorch import overlay
from tito import TitoError, UsageError, guess
from tito.course import Course, Module
from tito.course import find as find_course
from tito.files import dumps, refuse_read_only, write

STATE = ".tito"
BASE = "base"  # what init and update wrote: the notebooks as they were before anybody typed
SNAPSHOTS = "snapshots"
AFTER = "after"  # in a snapshot: the files as its step left them
KEPT = 100  # snapshots of steps that `tito undo` takes back, and as many of other ones


@dataclass(frozen=True)
class Workspace(Course):
    """A learner's view of the course: own notebooks and exports, the course's words and tests."""

    reference: Course

    @property
    def source(self):
        return self.reference

    @property
    def state(self):
        return self.root / STATE

    def base(self, path):
        """The file as init or update wrote it."""
        return self.state / BASE / Path(path).relative_to(self.root)

    @property
    def written(self):
        """The modules that the course has; a learner's notebook may be gone."""
        return [self.module(module.name) for module in self.reference.written]

    def module(self, token):
        """The module meant by `1`, `01`, `tensor`, `01_tensor` or a path of its folder."""
        return Module(self.reference.module(token).name, self)

    @cached_property
    def manifest(self):
        """What was exported so far, as tinytorch itself reads it."""
        try:
            return overlay.manifest(self.root)
        except ImportError as error:
            raise TitoError(str(error)) from None

    def here(self):
        """The module in whose folder the working directory lies; None if in none."""
        found = self.module_around(Path.cwd())
        return found and self.module(found.name)

    def last(self):
        """The module that was opened or judged last; None if none was yet."""
        from tito.progress import Progress

        name = Progress(self).data.get("last")
        return next((module for module in self.written if module.name == name), None)

    def exercises(self, module):
        """The ids of a module's exercises, in the order of its lesson."""
        return [f"{module.name}.{name}" for name in module.words()["exercises"]]

    def exercise(self, token, module=None, given=False):
        """(module, id) of the exercise meant by `tensor.matmul`, or `matmul` where that is clear.

        With `given` it may be given code that was changed, too.

        Raises:
            TitoError: there is none, or there are several.
        """
        modules = [module] if module else self.written
        known = {name: m for m in modules for name in self.exercises(m)}
        changed = {name: m for m in modules for name in self.changed(m)}
        known |= changed if given else {}
        ends = [n for n in known if n == token] or [n for n in known if n.endswith(f".{token}")]
        if len(ends) > 1 and (last := self.last()):  # what was worked on is meant
            ends = [name for name in ends if known[name] == last] or ends
        if len(ends) == 1:
            return known[ends[0]], ends[0]
        if ends:
            raise TitoError(f"{token!r} could be {' or '.join(ends)}: write it out")
        if any(name == token or name.endswith(f".{token}") for name in changed):
            back = f"`tito reset {token}` gives it back as the course wrote it"
            raise TitoError(f"{token} is no exercise, but given code that you changed: {back}")
        meant = {word: name for name in known for word in (name, name.partition(".")[2])}
        where = f" in {module.label}{guess(token, meant)}" if module else guess(token, meant)
        raise TitoError(f"there is no exercise {token!r}{where}: `tito status NN` lists them")

    def changed(self, module):
        """The names of given code of a module that was changed, as of the last export."""
        entry = self.manifest.get(module.name, {"edited": []})
        names = dict.fromkeys(name.partition("#")[0] for name in entry["edited"])
        return [f"{module.name}.{name}" for name in names]

    def asked(self, tokens, everything=False, given=False):
        """What a command line means: {module: ids of its exercises, or None for all of them}.

        Each token is a module, or an exercise, of the module named before it if one was. A module
        with no exercise behind it is meant as a whole. With `given` an exercise may be given code
        that was changed, too.

        Raises:
            UsageError: nothing is named, the working directory is in no module's folder, and no
                module was worked on before.
            TitoError: a token means nothing, or two things.
        """
        if everything and tokens:
            raise UsageError("name modules or say --all, not both")
        if everything:
            return dict.fromkeys(self.written)
        meant, module = {}, self.here()
        if not tokens and module:
            return {module: None}
        if not tokens and (last := self.last()):
            return {last: None}
        if not tokens:
            raise UsageError("which module? Name one (01, tensor), or stand in its folder")
        module = None
        for token, following in zip_longest(tokens, tokens[1:]):
            if not is_module(token):
                owner, name = self.exercise(token, module, given)
                names = meant.setdefault(owner, [])
                if names is not None and name not in names:
                    names.append(name)
                continue
            module = self.module(token)
            if following is None or is_module(following):
                meant[module] = None
        return meant

    def record(self, name, entry):
        """Enter an exported module into the manifest, as it is on the disk by now."""
        vars(self).pop("manifest", None)  # a `tito watch` is old, and others export meanwhile
        self.manifest[name] = entry
        write(self.root / overlay.MANIFEST, dumps(self.manifest))


def find():
    """The workspace at or above the working directory; None outside of every workspace.

    Raises:
        TitoError: TINYTORCH_WORKSPACE names none, its tito.toml is damaged, or no course is there.
    """
    named = os.environ.get(overlay.VARIABLE)
    if named == "off":
        return None
    root = Path(named).resolve() if named else overlay.above(Path.cwd())
    if root is None:
        return None
    if not (root / overlay.MARK).is_file():
        raise TitoError(f"{overlay.VARIABLE} is {named!r}, where there is no {overlay.MARK}")
    _settings(root)
    return at(root)


def at(root):
    """The workspace in a folder."""
    return Workspace(root, root / overlay.FILES, writable=True, reference=find_course())


def required():
    """The workspace, for a command that makes sense nowhere else.

    Raises:
        UsageError: the working directory is in no workspace.
    """
    if found := find():
        return found
    raise UsageError("this is no workspace: `tito init DIR` makes one, then `cd DIR`")


def _settings(root):
    """What tito.toml says."""
    path = root / overlay.MARK
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TitoError(f"{path} cannot be read ({error}): mend or empty it") from None


def is_module(token):
    """True for what names a module: a number, its name, its folder."""
    word = Path(token).stem if "/" in token or "\\" in token else token
    return word.isdecimal() or word in overlay.NAMES or word[:2].isdecimal()


@contextlib.contextmanager
def frozen(workspace, name, entry, text):
    """A copy of what is exported, which stays as it is while other commands export anew.

    Of the module `name` it has the manifest's entry and the text that are told.
    """
    manifest = workspace.manifest | {name: entry}
    exported = [workspace.root / overlay.FILES / f"{other}.py" for other in manifest]
    files = {path.stem: path.read_bytes() for path in exported if path.is_file()}
    with scratch(workspace, manifest, files | {name: text}) as copy:
        for path in workspace.state.glob("progress.json"):
            write(copy.state / path.name, path.read_bytes())
        yield copy


@contextlib.contextmanager
def scratch(workspace, manifest, files):
    """A workspace of the same course that lasts for a `with`, and these exported files in it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve()
        (root / overlay.MARK).touch()
        write(root / overlay.MANIFEST, dumps(manifest))
        for name, content in files.items():
            write(root / overlay.FILES / f"{name}.py", content)
        yield replace(at(root), reference=workspace.reference)


# -- snapshots
def snapshot(workspace, what, paths, keep=None):
    """Keep copies of files that a step is about to change or remove; give the snapshot's folder.

    A file that is not there yet is listed, so that undoing removes it again. Only the last KEPT
    snapshots of its kind stay, and the one in `keep`. `paths` may be {path: its text after the
    step, or None}: by these texts undoing tells what was written since.
    """
    texts = paths if isinstance(paths, dict) else {}
    files = {path.relative_to(workspace.root).as_posix(): path.is_file() for path in paths}
    for path in paths:
        refuse_read_only(path)
    unfinished = workspace.state / SNAPSHOTS / f".{os.getpid()}.tmp"
    try:
        for name in (name for name, there in files.items() if there):
            (unfinished / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(workspace.root / name, unfinished / name)
        for path in (path for path in paths if texts.get(path) is not None):
            write(unfinished / AFTER / path.relative_to(workspace.root), texts[path])
        step = {"what": what, "when": time.strftime("%Y-%m-%d %H:%M:%S"), "files": files}
        write(unfinished / "snapshot.json", dumps(step))
        folder = _numbered(workspace, unfinished)  # only now does it exist
    except OSError as error:
        why = f"{error.strerror}: {error.filename}"
        raise TitoError(f"no copy can be kept for `tito undo` ({why}): nothing was done") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    alike = [old for old in snapshots(workspace) if is_step(old) == is_step(folder)]
    for old in {*alike[:-KEPT]} - {keep}:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _numbered(workspace, unfinished):
    """Give a snapshot the next number that no command of the same moment has taken."""
    number = max([int(p.name) for p in snapshots(workspace)], default=0)
    while True:
        number += 1
        folder = unfinished.with_name(f"{number:04d}")
        try:
            return unfinished.rename(folder)
        except OSError:
            if not folder.exists():
                raise


def snapshots(workspace):
    """The finished snapshots, the oldest first."""
    found = (workspace.state / SNAPSHOTS).glob("[0-9][0-9][0-9][0-9]*")
    kept = [path for path in found if path.name.isdecimal() and path.is_dir()]
    return sorted(kept, key=lambda path: int(path.name))


def told(folder):
    """What a snapshot says of itself.

    Raises:
        TitoError: it is damaged.
    """
    try:
        return json.loads((folder / "snapshot.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TitoError(f"the snapshot {folder} is damaged ({error}): delete it") from None


def is_step(folder):
    """True if a snapshot is of a reset or an update: of what `tito undo` takes back by itself."""
    with contextlib.suppress(TitoError):
        return not told(folder)["what"].startswith(("undo ", "export "))
    return False


def restore(workspace, folder, instead):
    """Bring the files of a snapshot back; give what it was taken for, when, and the names.

    Those in `instead`, {name: text}, get that text.
    """
    step = told(folder)
    for name, existed in step["files"].items():
        path = workspace.root / name
        if existed:
            write(path, instead.get(name) or (folder / name).read_bytes())
        else:
            path.unlink(missing_ok=True)
    return step
