"""tito update: a newer course comes into the workspace, and what was written in it stays."""

import json

from tinytorch import overlay
from tito import TitoError, course, notebook, report, workspace
from tito.commands.init import contents, settings
from tito.files import write
from tito.update import merge


def add_arguments(parser):
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")


def run(args):
    found = workspace.required()
    steps = [step for path, new in contents(found).items() if (step := _step(found, path, new))]
    if not steps:
        report.say(f"nothing to bring: this is the course {course.version()} already")
        return 0
    files = {path: text for path, text, *_ in steps}
    files |= {found.base(path): new for path, _, new, _ in steps}
    if not args.dry_run:
        kept = workspace.snapshot(found, "update", files)
    for path, text, new, words in steps:
        report.say(f"{found.relative(path)}: {words}")
        if not args.dry_run:
            if text is not None:
                write(path, text)
            write(found.base(path), new)
    if args.dry_run:
        return 0
    write(found.root / overlay.MARK, settings())
    report.say(f"now the course {course.version()}; `tito undo` brings {kept.name} back")
    return 0


def _step(found, path, new):
    """What to do with a file: (path, its new text or None, the course's text, words), or None.

    Raises:
        TitoError: a notebook of the workspace is no notebook any more.
    """
    base = found.base(path)
    old = base.read_text("utf-8") if base.is_file() else None
    if old == new:
        return None
    mine = path.read_text("utf-8", "replace") if path.is_file() else None  # CRLF is no change
    if mine in (old, new):  # untouched, or not there and new
        return path, new, new, "new in the course" if old is None else "updated"
    if mine is None:
        return path, None, new, "you deleted it: it stays away"
    if path.suffix != ".ipynb":
        write_beside = path.with_name(f"{path.name}.new")
        return write_beside, new, new, f"you changed {path.name}: kept; the new one is this"
    notebook.read_learners(path, found.relative(path))  # refuses what is no notebook
    try:
        done = merge(old or new, mine.removeprefix("\ufeff"), new)
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise TitoError(f"{found.relative(path)} cannot be merged ({error})") from None
    both = f"; both changed {', '.join(done.conflicts)}: yours stays" if done.conflicts else ""
    return path, done.text, new, f"merged with what you wrote{both}"
