"""A printed traceback ends at the reader's own line, and the library's lines are left out.

tito, the milestones and the course's notebooks print errors this way. To see every line: `%tb`
in a notebook, or the environment variable TINYTORCH_TRACEBACK=full anywhere.
"""

import os
import sys
import types
from pathlib import Path

VARIABLE = "TINYTORCH_TRACEBACK"  # "full" shows every line
LIBRARY, PYTHON = Path(__file__).parent, Path(os.__file__).parent


def is_ours(filename):
    """True for a file of the library itself; a learner's own export is none, nor is a script."""
    path = Path(filename)
    return LIBRARY in path.parents and path != _script()


def is_foreign(filename):
    """True for what neither the reader nor this library wrote: Python's files and packages."""
    path = Path(filename)
    if path == _script():
        return False
    inside = PYTHON in path.parents or "site-packages" in path.parts
    return filename.startswith("<frozen") or (inside and LIBRARY not in path.parents)


def _script():
    name = sys.argv[0] if getattr(sys, "argv", None) else ""
    return Path(name).resolve() if name else None


def cut(trace):
    """A traceback that ends at the last line of the reader's own, without the library's lines.

    Args:
        trace: of an error, `error.__traceback__`; it stays as it is.

    Returns:
        A traceback; the same one where nothing is to be left out: TINYTORCH_TRACEBACK=full, no
        line of a reader, or an error in their own line.
    """
    entries = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    files = [_file_of(entry.tb_frame) for entry in entries]
    own = [n for n, name in enumerate(files) if not is_ours(name) and not is_foreign(name)]
    whole = os.environ.get(VARIABLE) == "full"
    if whole or not own or not any(map(is_ours, files[own[-1] + 1 :])):
        return entries[0] if entries else None
    kept = None
    for entry in reversed([entries[n] for n in range(own[-1] + 1) if not is_ours(files[n])]):
        kept = types.TracebackType(kept, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return kept


def _file_of(frame):
    """The file of a frame; of made code, such as a dataclass's `__init__`, that of its module."""
    name = frame.f_code.co_filename
    made = name.startswith("<") and not name.startswith("<frozen")
    return (made and frame.f_globals.get("__file__")) or name


def lines_left_out(trace):
    """How many lines `cut` leaves out."""
    return _length(trace) - _length(cut(trace))


def _length(trace):
    count = 0
    while trace is not None:
        count, trace = count + 1, trace.tb_next
    return count


def hint(trace):
    """How to see what `cut` leaves out, as a line of its own; "" if that is nothing."""
    return f"\n({VARIABLE}=full shows the library's lines)" if lines_left_out(trace) else ""


# -- Jupyter
def install():
    """Let the notebook that this runs in cut its tracebacks; nothing happens anywhere else.

    A handler that the reader has set (`set_custom_exc`) stays.
    """
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None and not getattr(shell, "custom_exceptions", True):
        shell.set_custom_exc((Exception,), _shown)


def _shown(shell, kind, error, trace, tb_offset=None):
    """What IPython calls for an error of a cell; `%tb` shows the whole of it afterwards."""
    sys.last_type, sys.last_value, sys.last_traceback, sys.last_exc = kind, error, trace, error
    left_out = lines_left_out(trace)
    if hasattr(error, "_render_traceback_") or not left_out or issubclass(kind, SyntaxError):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    lines = shell.InteractiveTB.structured_traceback(kind, error, cut(trace), tb_offset=tb_offset)
    note = f"({left_out} lines of the library are left out: %tb shows them)"
    shell._showtraceback(kind, error, [*lines, note])
