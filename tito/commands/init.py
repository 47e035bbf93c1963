"""tito init: a folder to learn in, made from the course."""

import os
import shutil
import sys
from pathlib import Path

from tinytorch import overlay
from tito import TitoError, course, report, workspace
from tito.files import write
from tito.learner import reference_book

UNFINISHED = "unfinished"  # in .tito while init works: if it was killed, init may go on
TEMPLATES = course.HOME / "templates"


def add_arguments(parser):
    parser.add_argument("folder", metavar="DIR", help="a new folder, or an empty one")


def run(args):
    root = Path(args.folder).expanduser().resolve()
    refuse(root)
    made = workspace.at(root)
    try:
        write(made.state / UNFINISHED, "tito init was at work here\n")
        for path, text in contents(made).items():
            write(made.base(path), text)
            if not path.exists():
                write(path, text)
        write(root / overlay.MARK, settings())
        (made.state / UNFINISHED).unlink()
    except OSError as error:
        raise TitoError(f"{root} cannot be written: {error.strerror or error}") from None
    written = [module.label for module in made.written]
    report.say(f"workspace {root}: {len(written)} notebooks, {written[0]} to {written[-1]}; next:")
    for line in next_steps(args.folder):
        report.say(f"  {line}")
    return 0


def next_steps(folder):
    """What to type next; with the way to `tito` if this shell does not know it."""
    if shutil.which("tito") is None:
        scripts = Path(sys.executable).parent  # not resolved: the environment's own folder
        windows = f'"{scripts / "activate"}"'
        yield windows if os.name == "nt" else f'source "{scripts / "activate"}"'
    yield f'cd "{folder}"' if " " in folder else f"cd {folder}"
    yield "tito start 01      (or any other number: what you skip is given)"


def refuse(root):
    """Say why no workspace may be made in a folder.

    Raises:
        TitoError: it holds something, is a file, or lies in the course or in a workspace.
    """
    found = course.find()
    if any(root.is_relative_to(own) for own in (found.root, found.package, course.HOME)):
        where = f", such as {found.root.parent / 'my-tinytorch'}" if found.writable else ""
        place = "the course's own checkout" if found.writable else "the installed course"
        raise TitoError(f"{root} lies in {place}: choose a folder outside of it{where}")
    if outer := overlay.above(root):
        where = "it is one already" if outer == root else f"{outer} is one"
        raise TitoError(f"no workspace inside a workspace: {where}; `tito status` shows it")
    if root.exists() and not root.is_dir():
        raise TitoError(f"{root} is a file: choose another name for the folder")
    state = root / workspace.STATE
    if (state / UNFINISHED).is_file():
        return
    try:
        held = sorted(p.name for p in root.iterdir() if p.name[0] != ".") if root.is_dir() else []
        state_holds = [p for p in state.glob("*") if not p.name.startswith(f".{UNFINISHED}")]
    except OSError as error:
        raise TitoError(f"{root} cannot be read: {error.strerror}") from None
    if held or state_holds:
        holds = ", ".join(held[:3]) or workspace.STATE
        raise TitoError(f"{root} is not empty ({holds}): nothing was touched; choose a new folder")


def contents(made):
    """Every file of a fresh workspace but tito.toml: {path: text}."""
    files = {module.notebook: reference_book(module).blanked() for module in made.written}
    source = made.reference.root / "milestones"
    for path in sorted(source.rglob("*")):
        if path.suffix in (".py", ".md") and "__pycache__" not in path.parts:
            files[made.root / "milestones" / path.relative_to(source)] = path.read_text("utf-8")
    for path in sorted(TEMPLATES.iterdir()):
        name = ".gitignore" if path.name == "gitignore" else path.name
        files[made.root / name] = path.read_text("utf-8")
    return files


def settings():
    """The text of tito.toml."""
    return (
        "# A TinyTorch workspace: in this folder `import tinytorch` takes your modules first.\n"
        f'course = "{course.version()}"\n'
    )
