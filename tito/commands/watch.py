"""tito watch: judge a module again whenever its notebook is saved."""

import time

from tito import TitoError, report, workspace
from tito.commands import judged


def add_arguments(parser):
    parser.add_argument("module", metavar="NN", help="a module, such as 01 or tensor")
    parser.add_argument("--once", action="store_true", help="stop after the first save")


def run(args):
    found = workspace.required()
    label, seen, rounds = found.module(args.module).label, None, 0
    report.say(f"watching {found.relative(found.module(label).notebook)}; Ctrl-C ends it")
    while not (args.once and rounds > 1):
        now = _settled(found.module(label).notebook)
        if now == seen:
            time.sleep(PAUSE)
            continue
        seen, rounds = now, rounds + 1
        found = workspace.at(found.root)  # what other commands wrote meanwhile counts
        try:
            judged.test(found, found.module(label))
        except TitoError as error:
            report.say(f"\n{error}", style="red")
        report.say(f"\n-- {time.strftime('%H:%M:%S')}, waiting for the next save")
    return 0


def _settled(path):
    """How the file looks once it is whole: JupyterLab writes it in several steps."""
    now = _look(path)
    while (before := now) != (now := _after_a_pause(path)):
        pass
    return before


def _look(path):
    try:
        stat = path.stat()
    except OSError:  # an editor is replacing it
        return None
    return stat.st_mtime_ns, stat.st_size
