"""tito doctor: what stands in the way of learning here, and how to mend it.

It looks at Python, the packages, Jupyter's kernel, the console, the folder and the threads, and
asks a fresh Python which files it would load. It never runs a learner's code.
"""

import contextlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from tinytorch import overlay
from tito import TitoError, learner, report, runner, workspace
from tito import course as courses
from tito.commands.status import changed, exported
from tito.files import refuse_read_only
from tito.notebook import Refused
from tito.progress import FILE, Progress

NEEDED = {  # package -> (what needs it, how to get it)
    "numpy": ("everything", "pip install 'numpy>=2'"),
    "nbdev": ("tito export", "pip install nbdev==3.3.26"),
    "pytest": ("tito test", "pip install pytest"),
    "hypothesis": ("tito test", "pip install hypothesis"),
}
WANTED = {
    "rich": ("colours and tables", "pip install rich"),
    "jupyterlab": ("tito start; VS Code does as well", "pip install jupyterlab"),
    "ipykernel": ("notebooks in any editor", "pip install ipykernel"),
    "matplotlib": ("plots; there is a text form", "pip install matplotlib"),
}
GOOD, NOTE, BAD = "ok", "note", "problem"


def add_arguments(parser):
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args):
    found = workspace.find()
    rows = [*_python(), *_packages(), *_kernel(), *_console(), *_threads(), *_surroundings()]
    rows += _workspace(found) if found else [_no_workspace()]
    report.quiet(args.json)
    report.table(rows)
    if args.json:
        report.json([dict(zip(("what", "state", "words"), row)) for row in rows])
    bad = sum(row[1] == BAD for row in rows)
    report.say(
        f"\n{bad} problem{'s' * (bad != 1)}: mend the first one first" if bad else "\nall well"
    )
    return 1 if bad else 0


def _python():
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] <= (3, 13):
        yield "Python", GOOD, f"{version}, {sys.executable}"
    else:
        yield "Python", NOTE, f"{version}: the course is tested on 3.11 to 3.13"


def _packages():
    for table, missing in ((NEEDED, BAD), (WANTED, NOTE)):
        for name, (purpose, fix) in table.items():
            version = _version(name)
            state, words = (
                (GOOD, version) if version else (missing, f"missing, for {purpose}: {fix}")
            )
            if name == "nbdev" and version and version != "3.3.26":
                state, words = BAD, f"{version}, but 3.3.26 is needed: pip install nbdev==3.3.26"
            if name == "numpy" and version and int(version.partition(".")[0]) < 2:
                state, words = BAD, f"{version} is too old: pip install 'numpy>=2'"
            yield name, state, words


def _version(name):
    """The installed version; None if it is not there."""
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "without a version"


def _kernel():
    """Jupyter's kernel python3 should be the Python that runs here."""
    file = Path(sys.prefix, "share", "jupyter", "kernels", "python3", "kernel.json")
    if not file.is_file():
        if importlib.util.find_spec("ipykernel"):
            yield (
                "Jupyter kernel",
                NOTE,
                f"none in {file.parent}: python -m ipykernel install --sys-prefix",
            )
        return
    try:
        program = json.loads(file.read_text(encoding="utf-8"))["argv"][0]
    except (ValueError, KeyError, IndexError):
        yield "Jupyter kernel", BAD, f"{file} is damaged: pip install --force-reinstall ipykernel"
        return
    same = "python" in program and (not os.path.isabs(program) or _same(program))
    fix = f"{program} is another Python: python -m ipykernel install --sys-prefix"
    yield "Jupyter kernel", GOOD if same else BAD, program if same else fix


def _same(program):
    return Path(program).exists() and Path(program).parent == Path(sys.executable).parent


def _console():
    encoding = getattr(sys.stdout, "encoding", None) or "unknown"
    fine = encoding.lower().replace("-", "") == "utf8"
    hint = f"{encoding}: some signs print as `?`; PYTHONUTF8=1 shows them"
    yield "console", GOOD if fine else NOTE, encoding if fine else hint


def _threads():
    """How many threads NumPy's matrix products use."""
    try:
        import numpy

        name = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    except (ImportError, KeyError, TypeError):
        name = "unknown BLAS"
    told = [f"{n}={os.environ[n]}" for n in runner.THREADS if n in os.environ]
    yield (
        "BLAS threads",
        GOOD,
        f"{name}, {', '.join(told) or f'up to {os.cpu_count()}, its own choice'}",
    )


def _surroundings():
    """Things around the folder that break the tools."""
    if "IN_TEST" in os.environ:
        yield "IN_TEST", BAD, "this environment variable makes nbdev export nothing: unset it"
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / "settings.ini").is_file():
            yield "settings.ini", BAD, f"nbdev stumbles over {folder / 'settings.ini'}: rename it"


def _no_workspace():
    here = courses.find()
    where = f"the course's checkout {here.root}" if here.writable else "no workspace"
    return "workspace", NOTE, f"{where}: `tito init DIR` makes a folder to learn in"


def _workspace(found):
    rows = [("workspace", GOOD, str(found.root)), *_writing(found), *_progress(found)]
    try:
        listed = found.manifest
    except TitoError as error:  # without it, nothing is known of the exports
        return [*rows, (overlay.MANIFEST.as_posix(), BAD, str(error))]
    return [*rows, *_folder(found, listed), *_notebooks(found, listed), *_imports(found)]


def _writing(found):
    """Whether tito can write here: a full disk takes an empty file, but nothing more."""
    probe = found.state / f".probe-{os.getpid()}"
    try:
        found.state.mkdir(exist_ok=True)
        probe.write_bytes(bytes(2**16))
    except OSError as error:
        yield "writing", BAD, f"{found.root}: {error.strerror}; make room, or own the folder"
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def _progress(found):
    try:
        Progress(found)
    except TitoError as error:
        yield f"{workspace.STATE}/{FILE}", BAD, str(error)


def _folder(found, listed):
    """Files that Python never loads, and files that it loads by mistake."""
    files = found.root / overlay.FILES
    known = {*(f"{name}.py" for name in listed), "__pycache__"}
    strays = sorted(p.name for p in files.glob("*") if p.name not in known)
    if strays:
        words = f"{', '.join(strays)}: never loaded, for no export wrote it"
        yield f"{overlay.FILES.as_posix()}/", NOTE, words
    for folder in (found.root, *found.root.glob("modules/*/"), *found.root.glob("milestones/*/")):
        packages = (path.parent for path in folder.glob("*/__init__.py"))
        for path in sorted([*folder.glob("*.py"), *packages]):
            if _hides(path.stem):
                words = "Python imports this instead of the real one in this folder: rename it"
                yield found.relative(path), BAD, words


def _hides(name):
    """True if a file of this name is imported in place of a module that others need."""
    built_in = (importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter)
    known = {*sys.stdlib_module_names, *NEEDED, *WANTED, "tinytorch", "tito"}
    return name in known and not any(finder.find_spec(name) for finder in built_in)


def _notebooks(found, listed):
    """Notebooks that are new, that cannot be read or written, and given code that was changed."""
    for module in found.written:
        label, fix = found.relative(module.notebook), f"`tito reset {module.number:02d}`"
        yield from ((module.label, NOTE, words) for words in learner.unread(module))
        if learner.state(module) == "new":
            yield label, NOTE, "new in the course: `tito update` brings it"
            continue
        try:
            learner.book(module)
            refuse_read_only(module.notebook)
        except Refused as error:
            words = str(error).rpartition("\n")[2].strip().removeprefix(f"{label}: ")
            yield label, BAD, f"{words}; {fix} writes a blank one{exported(found, module)}"
        except TitoError as error:
            yield label, BAD, str(error).removeprefix(f"{label} ")
    for name, entry in listed.items():
        if entry["edited"]:
            yield name, NOTE, changed(name, entry["edited"])


def _imports(found):
    """Which files a fresh Python in this folder would load; it imports none of them."""
    code = (
        "import importlib.util as u, tinytorch.overlay as o; print(o.__file__); "
        "[print(n, u.find_spec('tinytorch.' + n).origin) for n in o.NAMES "
        "if u.find_spec('tinytorch.' + n)]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=found.root,
        env=runner.environment(found),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield "files found", BAD, f"{last}"
        return
    own = [line for line in done.stdout.splitlines()[1:] if str(found.root) in line]
    words = f"{len(own)} of your modules, the others are the course's own; none of them was run"
    yield "files found", GOOD, words
