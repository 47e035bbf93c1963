"""tito start: the notebook of a module, open in JupyterLab."""

import importlib.util
import os
import sys
from pathlib import Path
from urllib.parse import quote

from tito import TitoError, UsageError, course, learner, report, runner, workspace
from tito.commands.status import next_module
from tito.files import write
from tito.progress import Progress

FLAGS = {
    "--no-browser": "JupyterLab prints its address and opens no browser (over SSH, in a container)",
    "--allow-root": "let JupyterLab run as root, as in a container",
}
NO_NEWS = course.HOME / "jupyter"  # no question about Jupyter's news over the first lesson
QUIET = (
    "--log-level=ERROR",  # its address is printed all the same
    "--ServerApp.answer_yes=True",  # Ctrl-C ends it; everything that was saved is on the disk
)


def add_arguments(parser):
    parser.add_argument("module", nargs="?", metavar="NN", help="default: where you left off")
    parser.add_argument("--no-open", action="store_true", help="only print the notebook's path")
    for flag, words in FLAGS.items():
        parser.add_argument(flag, action="store_true", help=words)
    parser.add_argument("--port", type=int, metavar="N", help="default: 8888, or the next free one")


def run(args):
    found = workspace.required()
    if args.port is not None and not 0 < args.port < 2**16:
        raise UsageError(f"--port {args.port} is no port: take one from 1024 to 65535")
    module = found.module(args.module) if args.module else next_module(found)
    if not module.notebook.is_file():
        write(module.notebook, learner.reference_book(module).blanked())
        write(found.base(module.notebook), module.notebook.read_bytes())
        report.say(f"{found.relative(module.notebook)} was gone: it is back, with all blanks")
    try:
        Progress(found).works_on(module)
    except TitoError as error:  # the notebook opens all the same
        report.complain(error)
    if args.no_open:
        report.say(str(module.notebook))
        return 0
    if importlib.util.find_spec("jupyterlab") is None:
        raise TitoError(
            f"JupyterLab is not installed: pip install jupyterlab, or open "
            f"{module.notebook} in VS Code"
        )
    address = f"lab/tree/{quote(module.notebook.relative_to(found.root).as_posix())}"
    if running := _running(found):
        return _open(f"{running['url']}{address}?token={running['token']}", args)
    report.say(f"opening {module.notebook}; Ctrl-C here ends JupyterLab")
    paths = [str(NO_NEWS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    more = {"JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}
    return runner.follow(_command(found, address, args), found, found.root, more)


def _running(found):
    """What Jupyter knows of its server on this workspace; None if none runs."""
    try:
        from jupyter_server.serverapp import list_running_servers
    except ImportError:
        return None
    servers = [server for server in list_running_servers() if server.get("root_dir")]
    return next((s for s in servers if Path(s["root_dir"]) == found.root), None)


def _open(address, args):
    """Open the notebook in the JupyterLab that runs: two of them would overwrite each other."""
    report.say(f"JupyterLab runs on this workspace already:\n    {address}")
    if not args.no_browser:
        import webbrowser

        webbrowser.open(address)
    return 0


def _command(found, address, args):
    """JupyterLab on a notebook; the address that it prints leads to the notebook as well.

    Under -P a file of the workspace is not imported in place of a module that JupyterLab needs.
    """
    flags = [flag for flag in FLAGS if vars(args)[flag[2:].replace("-", "_")]]
    return [
        *(sys.executable, "-P", "-m", "tito.inside.lab", *QUIET, *flags),
        *([f"--port={args.port}"] if args.port else []),
        f"--ServerApp.root_dir={found.root}",
        f"--LabApp.default_url=/{address}",
    ]
