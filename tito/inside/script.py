"""Run a script as Python itself would, and tell whether it came to an end of its own.

`python script.py PATH FLAGS...`: an exit code says nothing if a learner's function called `exit()`
half-way, so the end is told only if none of their code asked for it, and the script gave a verdict.
"""

import runpy
import sys
import traceback
from pathlib import Path

from tinytorch import tracebacks
from tito.inside import is_learners, tell


def run(path, flags):
    """Run the script to its end, and tell its exit code if that end is its own."""
    sys.argv, sys.path[0] = [path, *flags], str(Path(path).parent)
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as stop:
        if not _learners(stop):
            _tell_end(stop.code or 0)
        raise
    except Exception as error:
        trace = error.__traceback__
        while trace.tb_next and trace.tb_frame.f_code.co_filename != path:
            trace = trace.tb_next  # not our frames, nor runpy's
        whole, trace = trace, tracebacks.cut(trace)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        print(tracebacks.hint(whole).lstrip(), file=sys.stderr, end="")
        sys.exit(1)
    _tell_end(0)


def _tell_end(code):
    """Tell the exit code; not of a script that could have printed a verdict, and has not."""
    console = sys.modules.get("tinytorch.console")
    if console is None or console.VERDICTS:
        tell(finished=code)


def _learners(stop):
    """True if it was the learner's code that asked Python to exit."""
    return any(is_learners(frame.filename) for frame in traceback.extract_tb(stop.__traceback__))


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
