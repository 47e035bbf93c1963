"""tito watch: judge a module again whenever its notebook is saved."""

import time

from tito import TitoError, report, runner, unforeseen, workspace
from tito.commands import judged

PAUSE = 0.2  # seconds


def add_arguments(parser):
    parser.add_argument("module", metavar="NN", help="a module, such as 01 or tensor")
    parser.add_argument("--once", action="store_true", help="stop after the first save")


def run(args):
    found = workspace.required()
    module, seen, rounds = found.module(args.module), None, 0
    name, number = found.relative(module.notebook), f"{module.number:02d}"
    if not module.notebook.is_file():
        raise TitoError(f"{name} is gone: `tito start {number}` brings it back, with all blanks")
    report.say(f"watching {name}; Ctrl-C ends it")
    while not (args.once and rounds > 1):
        seen, rounds = _saved(module.notebook, seen), rounds + 1
        found = workspace.at(found.root)  # what other commands wrote in the meantime counts
        module = found.module(number)
        try:
            runner.refuse_a_full_disk()
            judged.bring_up_to_date(found, [module])
            with unforeseen(module):
                judged.test(found, module)
        except TitoError as error:
            report.say(f"\n{error}", style="red")
        report.say(f"\n-- {time.strftime('%H:%M:%S')}, waiting for the next save")
    return 0


def _saved(path, seen):
    """Wait until a file looks other than `seen` and is whole; JupyterLab writes it in steps."""
    while True:
        now = _look(path)
        time.sleep(PAUSE)
        if now not in (None, seen) and now == _look(path):
            return now


def _look(path):
    try:
        stat = path.stat()
    except OSError:  # an editor is replacing it
        return None
    return stat.st_mtime_ns, stat.st_size
