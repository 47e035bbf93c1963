"""What runs in a fresh process: it tells tito what happens, one line of JSON per event.

The lines go to a file of their own, so that no print of a learner's code can pass for a verdict.
Which file, and the word that marks a true line, leave the environment before their code runs.
"""

import contextlib
import json
import os
import sys
import traceback
from pathlib import Path

from tinytorch import overlay

EVENTS, TOKEN = "TITO_EVENTS", "TITO_TOKEN"  # names of environment variables
SELECTION = "TITO_SELECTION"
CLOCK = "TITO_CLOCK"  # seconds, shorter than the limit, after which quick checks stop themselves
UNMARKED = ""  # stands for the exercise of a test that names none
MEMORY = 8 * 2**30  # bytes that one process of checks may ask for
FILE = 2**28  # bytes that it may write into one file


def _teller(path, token):
    def tell(**event):
        """Append one event for tito to read; nothing is kept back in a buffer."""
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"token": token, **event}) + "\n")

    return tell


tell = _teller(os.environ.pop(EVENTS, os.devnull), os.environ.pop(TOKEN, ""))


def loaded():
    """The files of the modules of tinytorch that this process has loaded: {name: path}."""
    found = {n: m for n, m in sys.modules.items() if n.startswith("tinytorch.")}
    return {n: getattr(module, "__file__", None) or "" for n, module in found.items()}


def is_learners(file):
    """True for a file that an export of the workspace wrote."""
    root = os.environ.get(overlay.VARIABLE, "off")
    return root != "off" and Path(file).is_relative_to(Path(root, overlay.FILES))


def last_own(frames):
    """The last of some frames that is a line of the learner's; None if none is."""
    return next((frame for frame in reversed(frames) if is_learners(frame.filename)), None)


def warned(warning, frames):
    """What NumPy warned of, and in which line of the learner's."""
    own = last_own(frames)
    return f"NumPy warned{f' at `{own.line}`' if own else ''}: {warning}"


def alone(error):
    """The first of several errors that hypothesis has found; else the error itself."""
    return alone(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def sentence(error):
    """An error in one line: what an assertion or a blank says, else its type and message."""
    error = alone(error)
    if isinstance(error, RuntimeWarning):  # tests take it for an error
        return warned(error, traceback.extract_tb(error.__traceback__))
    from tinytorch.course import waits  # not before it is needed: it takes NumPy

    if words := waits(error):
        return words
    try:
        told = str(error).replace(f"{os.environ.get(overlay.VARIABLE)}{os.sep}", "")
        lines = [line.strip() for line in told.splitlines() if line.strip()]
    except Exception:  # a learner's exception may be broken itself
        lines = ["its message cannot be shown"]
    words = lines[0] if lines else "no message"
    speaks = isinstance(error, AssertionError | NotImplementedError) and lines
    return words[:400] if speaks else f"{type(error).__name__}: {words[:400]}"


def set_limits():
    """Let a check fail before it takes all memory or the whole disk, where that works."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, FILE)):
        soft, hard = resource.getrlimit(what)
        if soft == resource.RLIM_INFINITY or soft > most:
            with contextlib.suppress(ValueError, OSError):  # macOS has more in use already
                resource.setrlimit(what, (most, hard))
