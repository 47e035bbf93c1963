"""What runs in a fresh process: it tells tito what happens, one line of JSON per event.

The lines go to a file of their own, so that no print of a learner's code can pass for a verdict.
"""

import json
import os
import sys

EVENTS, SELECTION = "TITO_EVENTS", "TITO_SELECTION"  # names of environment variables
MEMORY = 8 * 2**30  # bytes that one process of checks may ask for


def tell(**event):
    """Append one event for tito to read; nothing is kept back in a buffer."""
    with open(os.environ[EVENTS], "a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


def loaded():
    """The files of the modules of tinytorch that this process has loaded: {name: path}."""
    found = {n: m for n, m in sys.modules.items() if n.startswith("tinytorch.")}
    return {n: getattr(module, "__file__", None) or "" for n, module in found.items()}


def sentence(error):
    """An error in one line: what an assertion or a blank says, else its type and message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    words = lines[0] if lines else "no message"
    speaks = isinstance(error, AssertionError | NotImplementedError) and lines
    return words[:400] if speaks else f"{type(error).__name__}: {words[:400]}"


def limit_memory():
    """Let a check fail with a MemoryError before it takes the whole machine, where that works."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY or soft > MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))
