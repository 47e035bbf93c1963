"""tito hint: the next of an exercise's three hints; each says more than the one before."""

from tito import report, workspace
from tito.commands.status import next_exercise
from tito.progress import Progress


def add_arguments(parser):
    parser.add_argument(
        "exercise", nargs="?", metavar="EXERCISE", help="such as matmul; default: the next one"
    )


def run(args):
    found = workspace.required()
    module, name = asked(found, args.exercise)
    hints = module.words()["exercises"][name.partition(".")[2]]["hints"]
    progress = Progress(found)
    level = min(progress.hints(name) + 1, len(hints))
    progress.took_hint(name, level)
    report.say(name)
    for number, hint in enumerate(hints[:level], 1):
        report.say(f"  {number} of {len(hints)}: {hint}")
    if level == len(hints):
        flag = "" if name in progress.passed(module) else " --give-up"
        report.say(f"that was the last; `tito solution {name}{flag}` shows how the course wrote it")
    return 0


def asked(found, token):
    """(module, id) of the exercise that is meant: without a name, or with a module's, the next.

    Without a name it is of the module in whose folder one stands, if something is left to do in it.
    """
    if token and not workspace.is_module(token):
        return found.exercise(token)
    if module := found.module(token) if token else found.here():
        passed, exercises = Progress(found).passed(module), found.exercises(module)
        left = [name for name in exercises if name not in passed]
        if left or token:
            return module, (left or exercises)[0]
    return found.exercise(next_exercise(found))
