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
    """(module, id) of the exercise that is meant: without a name, or with a module's, the next."""
    if token is None:
        return found.exercise(next_exercise(found))
    if not workspace.is_module(token):
        return found.exercise(token)
    module = found.module(token)
    passed = Progress(found).passed(module)
    exercises = found.exercises(module)
    return module, next((name for name in exercises if name not in passed), exercises[0])
