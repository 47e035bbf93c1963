"""tito start: the notebook of a module, open in JupyterLab."""

import importlib.util
import sys

from tito import TitoError, learner, report, runner, workspace
from tito.commands.status import next_module
from tito.files import write


def add_arguments(parser):
    parser.add_argument("module", nargs="?", metavar="NN", help="default: where you left off")
    parser.add_argument("--no-open", action="store_true", help="only print the notebook's path")


def run(args):
    found = workspace.required()
    module = found.module(args.module) if args.module else next_module(found)
    if not module.notebook.is_file():
        write(module.notebook, learner.reference_book(module).blanked())
        write(found.base(module.notebook), module.notebook.read_bytes())
        report.say(f"{found.relative(module.notebook)} was gone: it is back, with all blanks")
    if args.no_open:
        report.say(str(module.notebook))
        return 0
    if importlib.util.find_spec("jupyterlab") is None:
        raise TitoError(
            f"JupyterLab is not installed: pip install jupyterlab, or open "
            f"{module.notebook} in VS Code"
        )
    report.say(f"opening {module.notebook}; Ctrl-C here ends JupyterLab")
    command = [sys.executable, "-m", "jupyterlab", str(module.notebook)]
    return runner.follow([*command, f"--ServerApp.root_dir={found.root}"], found, found.root)
