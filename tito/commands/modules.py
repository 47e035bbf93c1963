"""tito modules: the twenty modules at a glance."""

from tito import TitoError, course, export, report, workspace
from tito.notebook import Refused


def add_arguments(parser):
    told = "`tito export NN` explains `refused`, `tito test NN` explains `?`"
    parser.epilog = f"In the course's checkout {told}."


def run(args):
    header = ("module", "title", "exercises", "points", "minutes")
    if learners := workspace.find():  # `tito status` tells how these stand
        report.table([(m.label, *_words(m)) for m in learners.written], header)
        return 0
    report.table([_row(module) for module in course.find().modules], (*header, "package"))
    return 0


def _row(module):
    if not module.notebook.is_file():
        return (module.label, "", "", "", "", "not built yet")
    return (module.label, *_words(module), _state(module))


def _words(module):
    try:
        words = module.words()
    except TitoError:
        return ("?",) * 4
    exercises = words["exercises"].values()
    points = sum(exercise["points"] for exercise in exercises)
    return (words["title"], str(len(exercises)), str(points), str(words["minutes"]))


def _state(module):
    """Whether the exported file is what the notebook gives."""
    try:
        wanted = export.texts(module.course, [module])[module]
    except Refused:
        return "refused"
    if not module.exported.is_file():
        return "not exported"
    return "in step" if export.in_step(module, wanted) else "differs"
