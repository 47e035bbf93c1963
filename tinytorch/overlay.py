"""In a learner's workspace their own modules come before the course's; everywhere else, nothing.

A workspace is a folder with a `tito.toml`. Which one counts is decided once, when `tinytorch` is
imported: the environment variable TINYTORCH_WORKSPACE (a path, or `off`); else the folder at or
above the running script; else the one at or above the working directory. The course's own
checkout never is one. Of a workspace only those files are loaded that `tito export` listed.
"""

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

NAMES = (
    *("tensor", "activations", "layers", "losses", "dataloader", "autograd", "optimizers"),
    *("training", "convolutions", "tokenization", "embeddings", "attention", "transformers"),
    *("kv_caching", "profiling", "acceleration", "quantization", "compression"),
    *("benchmarking", "capstone"),
)
VARIABLE, MARK = "TINYTORCH_WORKSPACE", "tito.toml"
MANIFEST = Path(".tito", "manifest.json")
LISTS = ("yours", "given", "edited")  # what every entry of it says
FILES = Path("src", "tinytorch")  # not `tinytorch`: Python would import that folder by accident


def find():
    """The workspace that counts here; None outside of every workspace."""
    named = os.environ.get(VARIABLE)
    if named:
        return None if named == "off" else Path(named).absolute()
    script = _script()
    return (above(script.parent) if script else None) or above(_folder())


def above(folder):
    """The workspace at or above a folder; the course's checkout ends the search."""
    for place in (folder, *folder.parents):
        if place == _checkout():
            return None
        if (place / MARK).is_file():
            return place
    return None


def _script():
    """The running script; None in a REPL, for `python -c`, and for programs of the environment."""
    main = getattr(sys.modules.get("__main__"), "__file__", None) or (sys.argv or [""])[0]
    path = Path(main).resolve() if main and main not in ("-c", "-m") else None
    inside = path and Path(sys.prefix).resolve() in path.parents
    return path if path and path.is_file() and not inside else None


def _folder():
    try:
        return Path.cwd()
    except OSError:  # it was deleted
        return Path(sys.prefix)


def _checkout():
    """The checkout that holds this file; None for an installed package."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "modules").is_dir() and (root / "pyproject.toml").is_file() else None


class Finder:
    """Finds `tinytorch.NAME` in the workspace, for the names that its manifest lists."""

    def __init__(self, root):
        self.root = root
        self.loaded = {}  # file -> what it looked like when it was found

    def find_spec(self, name, path=None, target=None):
        """Where the workspace has a module; None if it is not on its list."""
        package, _, module = name.partition(".")
        if package != "tinytorch" or module not in NAMES or module not in manifest(self.root):
            return None
        file = self.root / FILES / f"{module}.py"
        if not file.is_file():
            raise ImportError(f"{file} is gone: run `tito export {module}` again", name=name)
        self.loaded[file] = _look(file)
        return importlib.util.spec_from_file_location(name, file)


def _look(file):
    """What changes when a file is written anew."""
    try:
        stat = file.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def manifest(root):
    """What `tito export` wrote: {module: {"yours": [...], "given": [...], ...}}.

    Raises:
        ImportError: TINYTORCH_WORKSPACE names no workspace, or the manifest is damaged.
    """
    import json

    if not (root / MARK).is_file():
        raise ImportError(f"{VARIABLE} is {str(root)!r}, where there is no {MARK}")
    try:
        listed = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        found = {name: listed[name] for name in NAMES if name in listed}
        if not all(isinstance(entry[key], list) for entry in found.values() for key in LISTS):
            raise TypeError("it is not what tito writes")
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        hint = "delete it and run `tito export --all`"
        raise ImportError(f"{root / MANIFEST} is damaged ({error}): {hint}") from None


def install():
    """Let Python look into the workspace first, if there is one."""
    if root := find():
        _active.append(Finder(root))
        sys.meta_path.insert(0, _active[0])


_active: list[Finder] = []  # the one finder of this process, if it runs in a workspace


def stale():
    """The modules that were exported after this process had loaded them, or the course's own."""
    if not _active:
        return []
    finder = _active[0]
    try:
        listed = manifest(finder.root)
    except ImportError:  # damaged: the next import says so
        listed = {}
    files = {name: finder.root / FILES / f"{name}.py" for name in listed}
    unseen = [n for n, f in files.items() if f not in finder.loaded and _loaded(n)]
    return [f.stem for f, look in finder.loaded.items() if _look(f) != look] + unseen


def _loaded(name):
    return f"tinytorch.{name}" in sys.modules


def mix():
    """Which exercises are the learner's own, in one phrase; imports nothing of theirs."""
    listed = manifest(_active[0].root) if _active else {}
    own = [
        f"{name} ({len(entry['yours'])} of {len(entry['yours']) + len(entry['given'])} exercises)"
        for name, entry in listed.items()
        if entry["yours"]
    ]
    changed = sum(len(entry["edited"]) for entry in listed.values())
    own += [f"{changed} given pieces changed"] if changed else []
    return f"yours: {', '.join(own)}; the rest is given" if own else NONE


NONE = "all modules are the course's own"


def show_mix():
    """Print which exercises are your own in this workspace, and which are given.

    >>> show_mix()  # outside of a workspace
    no workspace here: all modules are the course's own
    """
    if not _active:
        print(f"no workspace here: {NONE}")
        return
    root = _active[0].root
    print(f"workspace {root}")
    for name, entry in manifest(root).items():
        print(f"  {name}: {FILES.as_posix()}/{name}.py")
        for word in ("yours", "edited", "given"):
            if entry[word]:
                print(f"    {word}: {', '.join(entry[word])}")
    print("  every other module is the course's own")
