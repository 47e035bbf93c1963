"""tito's front door: it reads the command line, calls one command, and keeps mistakes short."""

import argparse
import contextlib
import importlib
import os
import signal
import sys

from tito import TitoError, UsageError, course, guess, report

LEARN = {
    "init": "make a workspace: a folder to learn in",
    "start": "open a notebook in JupyterLab",
    "test": "export modules, then judge every exercise in fresh processes",
    "hint": "the next of three hints of an exercise",
    "solution": "how the course wrote an exercise, once yours has passed",
    "watch": "judge a module again whenever its notebook is saved",
    "status": "the map: what is yours, what is given, what comes next",
    "export": "write notebooks into the package",
    "milestone": "list, run, or tell about (info) the milestone scripts",
    "reset": "make an exercise, or a notebook, blank again; give changed code back",
    "undo": "bring back what the last reset or update took away",
    "update": "bring a newer course into the workspace; what you wrote stays",
    "doctor": "look for what stands in the way, and say the fix",
    "grade": "count the points of a folder of submissions, for teachers",
}
AUTHOR = {
    "modules": "list the modules: exercises, minutes, what is exported",
    "setup": "make an environment, install the course, and run a program in it",
    "nbdev": "`tito nbdev build` rebuilds the whole package",
}
COMMANDS = LEARN | AUTHOR
EXAMPLES = """examples:
  tito init my-tinytorch    a folder to learn in; the rest is typed inside of it
  tito start 01             open tensor.ipynb
  tito test 01              what passed, what failed and why, what is still blank
  tito milestone run proof  train the transformer of the proof
  tito COMMAND --help       what a command can do"""


def main(argv=None):
    """Run tito and give its exit code."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before tito began
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that cannot print an arrow
    report.quiet(False)  # where several commands run in one process, each speaks for itself
    try:
        try:
            with ended_in_order():
                code = _run(sys.argv[1:] if argv is None else argv)
        except SystemExit as stop:  # argparse has said why, or a signal ended it
            code = stop.code
        sys.stdout.flush()
        return code
    except TitoError as error:
        report.complain(error)
        return error.code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return _refused(error)


@contextlib.contextmanager
def ended_in_order():
    """A signal that ends tito ends what it runs as well: it goes through every `finally`."""
    numbers = {getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")} - {None}
    numbers = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _leave(number, frame):
    sys.exit(128 + number)


def _refused(error):
    """Say what the operating system refused, in one sentence; give the exit code."""
    try:
        print(flush=True)
    except OSError:  # it is the printing that does not work
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # `tito modules | head -1`
            report.complain(f"what it prints cannot be written ({error.strerror})")
        return 1
    where = f"{error.filename}: " if error.filename else ""
    report.complain(f"{where}{error.strerror or error}; `tito doctor` looks for what is in the way")
    return 1


def _run(argv):
    try:
        os.getcwd()
    except OSError:
        raise TitoError("this folder was deleted: cd into one that is there") from None
    chosen = next((word for word in argv if not word.startswith("-")), None)
    command = importlib.import_module(f"tito.commands.{chosen}") if chosen in COMMANDS else None
    if chosen and command is None:
        meant = guess(chosen, list(COMMANDS))
        raise UsageError(f"there is no command {chosen!r}{meant}: `tito --help` lists them")
    parser = _parser(chosen, command)
    args = parser.parse_args(argv)
    if args.version:
        print(f"tito {course.version()}")
    elif command is None:
        _where_you_are(parser)
    else:
        return command.run(args)
    return 0


def _where_you_are(parser):
    """`tito` alone: in a workspace where you are and what comes next, else what there is."""
    from tito import workspace
    from tito.commands import status

    if found := workspace.find():
        told = status.summary(found)
        passed = sum(module["passed"] for module in told["modules"].values())
        total = sum(module["total"] for module in told["modules"].values())
        report.say(f"workspace {found.root}: {passed} of {total} exercises passed")
        report.say(f"next: {status.advice(found, told)}")
        report.say("`tito status` shows the map, `tito --help` every command")
        return
    here = course.find()
    if here.writable:
        report.say(f"the course's checkout {here.root}: tito is its authors' tool here\n")
    parser.print_help()


def _parser(chosen, command):
    """The parser of the command line; of the commands, only the chosen one is imported."""
    parser = argparse.ArgumentParser(
        prog="tito",
        description="The command of TinyTorch: from notebooks to a library that works.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, line in COMMANDS.items():
        below = commands.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name == chosen:
            command.add_arguments(below)
    return parser
