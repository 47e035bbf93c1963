"""tito solution: how the course wrote an exercise, for those who have solved it or given up."""

from tinytorch.course import function_source
from tito import TitoError, report, workspace
from tito.progress import Progress


def add_arguments(parser):
    parser.add_argument("exercise", metavar="EXERCISE", help="such as tensor.matmul, or matmul")
    parser.add_argument(
        "--give-up", action="store_true", help="show it now; this is recorded, and earns no points"
    )


def run(args):
    found = workspace.required()
    module, name = found.exercise(args.exercise)
    progress = Progress(found)
    passed = name in progress.passed(module)
    if not passed and not args.give_up:
        raise TitoError(
            f"{name} has not passed yet: `tito test {module.number:02d} {name}` judges it, "
            f"`tito hint {name}` helps, and --give-up shows the solution and is recorded"
        )
    progress.saw_solution(name, "passed" if passed else "gave up")
    source = found.reference.package / f"{module.name}.py"
    report.say(function_source(source, name.partition(".")[2]).rstrip())
    return 0
