"""tito milestone: the scripts that prove the library on historic results."""

import argparse
import ast
import sys

from tito import TitoError, course, guess, report, runner, workspace
from tito.commands import status
from tito.progress import Progress

ACTIONS = {
    "list": "every milestone in one line",
    "info": "what a milestone proves, and how to run it",
    "run": "run a milestone; flags after its name go to it",
}
CONTROL = "--shuffle-turns"  # the flag of a run that shows what the milestone would be without
MOST = 6  # exercises that a note names


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, line in ACTIONS.items():
        action = actions.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name != "list":
            action.add_argument("name", metavar="NAME", help='a part of its name, such as "proof"')
        if name == "run":
            whatever = {"nargs": argparse.REMAINDER, "metavar": "..."}
            action.add_argument("flags", help="flags of its own", **whatever)


def run(args):
    found = workspace.find() or course.find()
    if args.action == "list":
        return _list(found)
    script = _script(found, args.name)
    if args.action == "info":
        report.say(_docstring(script) or f"{found.relative(script)} has no docstring")
        return 0
    flags = args.flags[1:] if args.flags[:1] == ["--"] else args.flags
    if not isinstance(found, workspace.Workspace):
        return runner.follow([sys.executable, str(script), *flags], found)
    open_ones = Progress(found).open()
    _say_open(found, open_ones)
    code, ended = runner.script(script, flags, found)
    _say_open(found, open_ones)
    if code or {"-h", "--help"} & set(flags):
        return code
    if not ended:
        report.say("not recorded: it ended before its verdict; does your code call exit()?")
        return 1
    _record(found, script, flags)
    return 0


def _say_open(found, open_ones):
    """Say what the milestone does not run on, and what of it has not passed its own tests."""
    for label in status.stale(found):
        report.say(f"note: {label} is newer than its export: tito test {label[:2]}", "yellow")
    if open_ones:
        ids = [name for names in open_ones.values() for name in names]
        names = ", ".join(ids[:MOST]) + f" and {len(ids) - MOST} more" * (len(ids) > MOST)
        numbers = " ".join(f"{module.number:02d}" for module in open_ones)
        report.say(f"note: not passed as they stand: {names} (tito test {numbers})", "yellow")


def _record(found, script, flags):
    """Remember a verdict that passed, if it was the course's own script that gave it."""
    if CONTROL in flags:
        report.say(f"not recorded: with {CONTROL} it is the control, not the milestone")
        return
    own = found.reference.root / script.relative_to(found.root)
    if not own.is_file() or own.read_text("utf-8") != script.read_text("utf-8", "replace"):
        report.say(f"not recorded: {found.relative(script)} is not the course's own script")
        return
    yours = {name: entry["yours"] for name, entry in found.manifest.items() if entry["yours"]}
    Progress(found).reached(script.stem, {"yours": yours, "flags": flags})
    report.say(f"recorded: {script.stem}")


def _list(found):
    scripts = found.milestones()
    if not scripts:
        raise TitoError(f"there is no milestone yet in {found.root / 'milestones'}")
    rows = [(s.stem.rpartition("_")[2], s.stem, _docstring(s).partition("\n")[0]) for s in scripts]
    report.table(rows)
    return 0


def _script(found, name):
    """The one milestone whose name is, or else contains, `name`."""
    word = name.removesuffix(".py")
    scripts = found.milestones()
    matches = [s for s in scripts if s.stem == word] or [s for s in scripts if word in s.stem]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        meant = guess(word, [part for s in scripts for part in (s.stem, *s.stem.split("_"))])
        raise TitoError(f"no milestone is called {name!r}{meant}: `tito milestone list` shows all")
    raise TitoError(f"{name!r} could be {' or '.join(s.stem for s in matches)}: say more of it")


def _docstring(script):
    try:
        return ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    except SyntaxError as error:
        raise TitoError(f"{script} is not Python: line {error.lineno}: {error.msg}") from None
