"""Fresh processes: a check is honest only where nothing was imported before it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tito.course import HOME
from tito.inside import EVENTS

START_UP = 60  # seconds until the first cell or test begins; imports on a busy machine are slow


@dataclass(frozen=True)
class Run:
    """What a fresh process told, how it ended (a sentence if not well), and what it printed."""

    events: list[dict]
    ending: str | None
    log: str

    def all(self, kind):
        """The events of one kind, such as "check", in order."""
        return [event for event in self.events if kind in event]


def cells(module, limit):
    """Run the code cells of a module's notebook, for `limit` seconds at most."""
    arguments = ["-m", "tito.inside.cells", str(module.notebook)]
    label = module.course.relative(module.notebook)
    return _run(module, [*arguments, label], module.folder, limit, each=False)


def tests(module, limit):
    """Run a module's pytest file, for `limit` seconds per test at most."""
    arguments = ["-m", "pytest", "-p", "tito.inside.plugin", "-p", "no:cacheprovider"]
    arguments += ["--tb=short", "--color=no", str(module.tests)]
    return _run(module, arguments, module.course.root, limit, each=True)


def environment(course):
    """The environment of a fresh process: this course comes first, and text is UTF-8."""
    paths = [str(course.package.parent), str(HOME.parent)] if course.writable else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8",
    }


def _run(module, arguments, folder, limit, each):
    """Run Python on something of a module, and collect what it tells and prints."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        events, log = Path(scratch, "events"), Path(scratch, "log")
        events.touch()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder,
                env=environment(module.course) | {EVENTS: str(events), "MPLBACKEND": "Agg"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                in_time = _wait(process, events, limit, each)
            finally:
                _end(process)
        told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
        printed = log.read_text(encoding="utf-8", errors="replace")
        ending = _ending(told, printed, process.returncode if in_time else None, limit)
        return Run(told, ending, printed)


def _wait(process, events, limit, each):
    """Wait for the end; False if it took too long.

    The clock starts with the first event, and again with every other if `each`.
    """
    begin, size, allowed = time.monotonic(), 0, START_UP
    while time.monotonic() - begin < allowed:
        try:
            process.wait(timeout=0.05)
            return True
        except subprocess.TimeoutExpired:
            grown = events.stat().st_size
            if grown != size and (each or not size):
                begin, size, allowed = time.monotonic(), grown, limit
    return False


def _end(process):
    """Kill the process, if it still runs, and whatever it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _ending(told, printed, code, limit):
    """Why a run did not come to its end, in words; None if it did."""
    last = next((event["start"] for event in reversed(told) if "start" in event), None)
    where = f" in {last}" if last else " before anything ran"
    if code is None:
        return f"stopped after {limit if last else START_UP:g} seconds{where}: an endless loop?"
    if not any("finished" in event for event in told):
        words = printed.strip().rpartition("\n")[2] or "it printed nothing"
        return f"Python ended{where}, exit code {code}: {words}"
    return None
