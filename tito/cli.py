"""tito's front door: it reads the command line, calls one command, and keeps mistakes short."""

import argparse
import importlib
import os
import sys

from tito import TitoError, course, report

COMMANDS = {
    "init": "make a workspace: a folder to learn in",
    "export": "write notebooks into the package",
    "test": "export modules, then judge every exercise in fresh processes",
    "modules": "list the modules: exercises, minutes, what is exported",
    "milestone": "list, explain or run the milestone scripts",
    "setup": "make an environment, install the course, and run a program in it",
    "nbdev": "`tito nbdev build` rebuilds the whole package",
}
EXAMPLES = """examples:
  tito export 01            tensor.ipynb -> tinytorch/tensor.py
  tito test 01              the tests and the quick checks of module 01
  tito milestone run proof  train the transformer of the proof
  tito COMMAND --help       what a command can do"""


def main(argv=None):
    """Run tito and give its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console that cannot print an arrow
    try:
        code = _run(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
        return code
    except TitoError as error:
        report.complain(error)
        return error.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `tito modules | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(argv):
    chosen = next((word for word in argv if not word.startswith("-")), None)
    command = importlib.import_module(f"tito.commands.{chosen}") if chosen in COMMANDS else None
    parser = _parser(chosen, command)
    args = parser.parse_args(argv)
    if args.version:
        print(f"tito {course.version()}")
    elif command is None:
        parser.print_help()
    else:
        return command.run(args)
    return 0


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
