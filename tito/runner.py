"""Fresh processes: a check is honest only where nothing was imported before it."""

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tinytorch import overlay
from tito import TitoError
from tito.course import HOME
from tito.inside import CLOCK, EVENTS, SELECTION, TOKEN

START_UP = 60  # seconds until the first cell or test begins; imports on a busy machine are slow
# A second BLAS thread is no help to small matrices, and a busy machine makes both wait.
THREADS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# What changes how Python runs or warns, or what pytest loads: -O would take every assert away.
MEDDLING = ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT", "PYTEST_PLUGINS")
PATIENCE = 20  # seconds that a program has to end in order
LINGER = 2  # seconds that a run has to end when it has told all
FINISHED = b'"finished": '  # in a string the quotes would be escaped
PRINTED = 16 * 2**20  # bytes that a run may print
ROOM = 2**22  # bytes; the files of a module's runs need less


@dataclass(frozen=True)
class Run:
    """What a fresh process told, how it ended (a sentence if not well), and what it printed."""

    events: list[dict]
    ending: str | None
    log: str

    def all(self, kind):
        """The events of one kind, such as "check", in order."""
        return [event for event in self.events if kind in event]

    @property
    def loaded(self):
        """The files that the modules of tinytorch were loaded from: {"tinytorch.tensor": path}."""
        return {n: path for event in self.all("loaded") for n, path in event["loaded"].items()}


def refuse_a_full_disk():
    """Say that temporary files find no room; in a run Python would just end, or lose an event.

    Raises:
        TitoError: they do not.
    """
    try:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(ROOM))
    except OSError as error:
        where = f" in {tempfile.tempdir}" if tempfile.tempdir else ""
        told = f"temporary files cannot be written{where} ({error.strerror}), so nothing is judged"
        raise TitoError(f"{told}: make room there, or let TMPDIR name another folder") from None


def cells(module, limit):
    """Run the code cells of a module's notebook, for `limit` seconds at most."""
    arguments = ["-m", "tito.inside.cells", str(module.notebook)]
    label = module.course.relative(module.notebook)
    return _run(module, [*arguments, label], limit, each=False, folder=module.folder)


def tests(module, limit):
    """Run a module's pytest file, for `limit` seconds per test at most."""
    arguments = ["-m", "pytest", *PYTEST, str(module.tests)]
    return _run(module, arguments, limit, each=True, folder=module.course.root)


PYTEST = ("-p", "tito.inside.plugin", "-p", "no:cacheprovider", "--tb=short", "--color=no")
ALL = {  # what `tito.inside.plugin` keeps of the tests that pytest has collected
    "only": None,  # tests that are about one of these exercises; None for all
    "tests": None,  # these tests; None for all
    "skip": [],  # not these tests
    "without": [],  # no test that is only about these exercises; UNMARKED: that is about none
}
PYTEST_INI = """[pytest]
addopts = -q -m "not slow"
filterwarnings = error
markers =
    slow: a training or a whole notebook
"""


def checks(module, limit, exercises):
    """Run the course's quick checks of some exercises on the exported file of a workspace."""
    reference = module.course.source.module(module.name)
    label = module.course.source.relative(reference.notebook)
    arguments = ["-m", "tito.inside.checks", str(reference.notebook), label, *exercises]
    return _run(module, arguments, limit, each=True, more={CLOCK: f"{limit - 10:g}"})


def selected_tests(module, limit, selection, sentences=True, prints=False):
    """Run the tests of a module that are selected, on the exported file of a workspace.

    Neither the learner's pytest settings nor their plugins take part. `selection` is a dictionary
    with some of the keys of ALL. Without `sentences` a failed assert does not say what it
    compared: then pytest need not rewrite the file, which can take it as long as its own start.
    With `prints` the log has what the code printed in tests that passed, too.
    """
    scratch, more = _selected(selection)
    asserts = "rewrite" if sentences else "plain"
    arguments = ["-m", "pytest", f"--assert={asserts}", *_selecting(module)]
    arguments += ["-rP"] if prints else []
    return _run(module, arguments, limit, each=True, files=scratch, more=more)


def witness(module, limit, result):
    """The smallest input of a failed check on which own and given function differ, or None.

    A dictionary with "call", "expected" and "received", all of them text.
    """
    course = module.course.source
    reference = course.package / f"{module.name}.py"
    arguments = ["-m", "tito.inside.witness", result.exercise, str(reference)]
    if result.check == "quick check":
        notebook = course.module(module.name).notebook
        run = _run(module, [*arguments, str(notebook), notebook.name], limit, each=False)
    else:
        scratch, more = _selected({"tests": [result.check]})
        arguments += _selecting(module)
        run = _run(module, arguments, limit, each=False, files=scratch, more=more)
    return next((event["witness"] for event in run.all("witness")), None)


def _selecting(module):
    """pytest's arguments for tests that a file selects."""
    arguments = [*PYTEST, "-c", "pytest.ini", f"--rootdir={module.tests.parent}"]
    if importlib.util.find_spec("_hypothesis_pytestplugin"):
        arguments += ["-p", "hypothesispytest"]  # it tells the runs of a parametrized test apart
    return [*arguments, str(module.tests)]


def _selected(selection):
    """The files in the scratch folder and the environment for tests that a file selects."""
    scratch = {"pytest.ini": PYTEST_INI, "selection.json": json.dumps(ALL | selection)}
    more = {SELECTION: "selection.json", "PYTEST_ADDOPTS": ""}
    return scratch, more | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def environment(course):
    """The environment of a fresh process: this course comes first, and text is UTF-8.

    A workspace's own exports come before the course; a course by itself has no overlay.
    """
    source = course.source
    paths = [str(source.package.parent), str(HOME.parent)] if source.writable else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    kept = {name: value for name, value in os.environ.items() if name not in MEDDLING}
    return kept | {
        overlay.VARIABLE: "off" if course is source else str(course.root),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8",
        **{name: os.environ.get(name, "1") for name in THREADS},
    }


def script(path, flags, course):
    """Run a script in a workspace; give its exit code, and whether it came to its own end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        events, token = Path(scratch, "events"), secrets.token_hex()
        events.touch()
        command = [sys.executable, str(HOME / "inside" / "script.py"), str(path), *flags]
        code = follow(command, course, more={EVENTS: str(events), TOKEN: token})
        told = _true_lines(events.read_bytes(), token)
    return code, any(event.get("finished") == code for event in told)


def follow(command, course, folder=None, more=()):
    """Run a program to its end; give its exit code. Ctrl-C is for the program: tito waits.

    Another signal that ends tito is handed on, so that JupyterLab can end its kernels.
    """
    before = signal.signal(signal.SIGINT, _leave_it_to_the_program)
    try:
        env = environment(course) | dict(more)
        with subprocess.Popen(command, env=env, cwd=folder) as process:
            try:
                code = process.wait()
            except SystemExit:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=PATIENCE)
                process.kill()
                raise
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code


def _leave_it_to_the_program(number, frame):
    """Unlike SIG_IGN, a handler is not inherited by the program."""


def _run(module, arguments, limit, each, folder=None, files=(), more=()):
    """Run Python on something of a module, and collect what it tells and prints.

    Without a folder it runs in a scratch folder, where code that writes files does no harm.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        events, log, desk = Path(scratch, "events"), Path(scratch, "log"), Path(scratch, "desk")
        events.touch()
        desk.mkdir()
        for name, text in dict(files).items():
            Path(desk, name).write_text(text, encoding="utf-8")
        token = secrets.token_hex()
        own = {EVENTS: str(events), TOKEN: token, "MPLBACKEND": "Agg"} | dict(more)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=folder or desk,
                env=environment(module.course) | own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                stopped = _wait(process, events, log, limit, each)
            finally:
                _end(process)
        told = _true_lines(events.read_bytes(), token)
        with log.open("rb") as printed:
            text = printed.read(PRINTED).decode("utf-8", errors="replace")
        return Run(told, _ending(told, text, process.returncode, stopped), text)


def _true_lines(content, token):
    """The events that carry the token: nobody else's lines, and no half ones."""
    found = []
    for line in content.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and event.pop("token", None) == token:
                found.append(event)
    return found


def _wait(process, events, log, limit, each):
    """Wait for the end; the reason why the process must be stopped, None if it ended by itself.

    The clock starts with the first event, and again with every other if `each`. When all is told
    the process need not end by itself: a thread of the learner's may go on for ever.
    """
    begin, size, allowed, over = time.monotonic(), 0, max(START_UP, limit), False
    while time.monotonic() - begin < allowed:
        try:
            process.wait(timeout=0.02)
            return None
        except subprocess.TimeoutExpired:
            grown = events.stat().st_size
            if grown != size and (each or not size):
                begin, allowed = time.monotonic(), limit
            if grown != size and limit > LINGER and FINISHED in events.read_bytes():
                begin, allowed, over = time.monotonic(), LINGER, True
            size = grown
        if log.stat().st_size > PRINTED:
            return f"it printed more than {PRINTED >> 20} MB"
    return None if over else f"stopped after {allowed:g} seconds"


def _end(process):
    """Kill the process, if it still runs, and whatever it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _ending(told, printed, code, stopped):
    """Why a run did not come to its end, in words; None if it did."""
    last = next((event["start"] for event in reversed(told) if "start" in event), None)
    where = f" in {last}" if last else " before anything ran"
    if stopped:
        return f"{stopped}{where}: an endless loop?"
    if not any("finished" in event for event in told):
        if code < 0:
            return (
                f"Python crashed{where} ({_signal(-code)}): endless recursion, or no memory left?"
            )
        words = printed.strip().rpartition("\n")[2] or "it printed nothing"
        return f"Python ended{where}, exit code {code}: {words[:400]}"
    asked = {test for event in told for test in event.get("collected", ())}
    if asked - {event.get("test") for event in told} and not any("error" in e for e in told):
        return f"the tests were stopped{where}: by pytest.exit, or a KeyboardInterrupt?"
    return None


def _signal(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
