"""tito milestone: the scripts that prove the library on historic results."""

import argparse
import ast
import signal
import subprocess
import sys

from tito import TitoError, course, report, runner


def add_arguments(parser):
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="every milestone in one line")
    info = actions.add_parser("info", help="what a milestone proves, and how to run it")
    run_it = actions.add_parser("run", help="run a milestone; flags after its name go to it")
    for action in (info, run_it):
        action.add_argument("name", metavar="NAME", help='a part of its name, such as "proof"')
    run_it.add_argument("flags", nargs=argparse.REMAINDER, metavar="...", help="flags of its own")


def run(args):
    found = course.find()
    if args.action == "list":
        return _list(found)
    script = _script(found, args.name)
    if args.action == "info":
        report.say(_docstring(script) or f"{found.relative(script)} has no docstring")
        return 0
    flags = args.flags[1:] if args.flags[:1] == ["--"] else args.flags
    return _run(found, [sys.executable, str(script), *flags])


def _list(found):
    scripts = found.milestones()
    if not scripts:
        raise TitoError(f"there is no milestone yet in {found.root / 'milestones'}")
    report.table([(s.parent.name, s.stem, _docstring(s).partition("\n")[0]) for s in scripts])
    return 0


def _script(found, name):
    """The one milestone whose name is, or else contains, `name`."""
    word = name.removesuffix(".py")
    scripts = found.milestones()
    matches = [s for s in scripts if s.stem == word] or [s for s in scripts if word in s.stem]
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise TitoError(f"no milestone is called {name!r}: `tito milestone list` shows all")
    raise TitoError(f"{name!r} could be {' or '.join(s.stem for s in matches)}: say more of it")


def _docstring(script):
    try:
        return ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    except SyntaxError as error:
        raise TitoError(f"{script} is not Python: line {error.lineno}: {error.msg}") from None


def _run(found, command):
    """Run a script to its end. Ctrl-C is for the script: it stops in its own way, tito waits."""
    before = signal.signal(signal.SIGINT, _leave_it_to_the_script)
    try:
        code = subprocess.run(command, env=runner.environment(found)).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _leave_it_to_the_script(number, frame):
    """Unlike SIG_IGN, a handler is not inherited by the script."""
