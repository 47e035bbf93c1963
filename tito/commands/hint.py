"""tito hint: the next of an exercise's three hints; each says more than the one before."""

from tito import report, workspace
from tito.progress import Progress


def add_arguments(parser):
    parser.add_argument("exercise", metavar="EXERCISE", help="such as tensor.matmul, or matmul")


def run(args):
    found = workspace.required()
    module, name = found.exercise(args.exercise)
    hints = module.words()["exercises"][name.partition(".")[2]]["hints"]
    progress = Progress(found)
    level = min(progress.hints(name) + 1, len(hints))
    progress.took_hint(name, level)
    report.say(name)
    for number, hint in enumerate(hints[:level], 1):
        report.say(f"  {number} of {len(hints)}: {hint}")
    if level == len(hints):
        report.say(f"that was the last; `tito solution {name} --give-up` shows how we wrote it")
    return 0
