"""tito nbdev build: the whole package from its notebooks, as `tito export --all` does."""

from tito import UsageError, course, workspace
from tito.commands import export


def add_arguments(parser):
    parser.add_argument("action", choices=["build"], help="rebuild the whole package")


def run(args):
    if workspace.find():
        raise UsageError("that builds the course's own package; yours: `tito export --all`")
    found = course.authors()
    return export.build(found, export.chosen(found, [], whole=True), whole=True)
