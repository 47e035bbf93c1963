"""The pytest plugin that ties tests to exercises and tells every outcome."""

import io
import json
import os
import re
import sys
import traceback
from pathlib import Path

import pytest

from tito.inside import (
    SELECTION,
    UNMARKED,
    alone,
    is_learners,
    last_own,
    loaded,
    sentence,
    set_limits,
    tell,
)
from tito.inside.guard import OF_PYTEST, Guard, refuse_to_give

GUARD = pytest.StashKey()
ASKED = pytest.StashKey()  # what SELECTION_FILE says, read before a learner's code can hide it
SELECTION_FILE = os.environ.get(SELECTION)  # set when a learner's code is judged
NOTHING_BACK = "it works in place and should give nothing back: take its `return` out"
RAW = {  # how pytest and NumPy begin what they say -> what a learner can use
    "assert ": "it does not give what it should",
    "Not equal to tolerance": "its numbers are not those it should give",
    "Arrays are not equal": "its numbers are not those it should give",
}


def pytest_configure(config):
    config.addinivalue_line("markers", "exercise(id): the exercise that this test judges")
    if SELECTION_FILE:
        config.stash[ASKED] = json.loads(Path(SELECTION_FILE).read_text(encoding="utf-8"))
        set_limits()
        refuse_to_give()
    config.stash[GUARD] = Guard(*OF_PYTEST)


@pytest.hookimpl(tryfirst=True)  # for tests of its own among them Hypothesis reads all modules
def pytest_collection_modifyitems(config, items):
    """Keep the tests that the file SELECTION asks for; `runner.ALL` says how."""
    if not SELECTION_FILE:
        return
    asked = config.stash[ASKED]
    kept = [item for item in items if _selected(item, asked)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_collection_finish(session):
    if complaint := session.config.stash[GUARD].complaint():
        tell(error=complaint)
    tell(collected=[item.nodeid for item in session.items])


def _selected(item, asked):
    about = set(_exercises(item)) or {UNMARKED}
    return (
        item.nodeid not in asked["skip"]
        and (asked["tests"] is None or item.nodeid in asked["tests"])
        and (asked["only"] is None or about & set(asked["only"]))
        and not about <= set(asked["without"])
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    tell(start=item.nodeid, exercises=_exercises(item))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    """Who reads in a test finds no keyboard, as in a quick check; pytest would speak of itself."""
    if SELECTION_FILE:
        sys.stdin = io.StringIO()


def _exercises(item):
    return [str(name) for mark in item.iter_markers("exercise") for name in mark.args]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if complaint := _foul(item, call, report):
        report.outcome, report.longrepr = "failed", complaint
    if report.when == "call" or not report.passed:
        why = _why(report, call.excinfo) if report.failed else {}
        why |= {"sentence": complaint} if complaint else {}
        tell(test=item.nodeid, exercises=_exercises(item), outcome=report.outcome, **why)
    return report


def _foul(item, call, report):
    """What the learner's code did that no code under test may do, in a sentence; else None."""
    complaint = item.config.stash[GUARD].complaint()
    skipped = call.excinfo.traceback if report.skipped and report.when == "call" else ()
    if not complaint and any(is_learners(entry.path) for entry in skipped):
        return "your code told pytest to skip the test"
    return complaint


def _why(report, excinfo):
    """Why a test failed, where, and whether a blank was the reason."""
    if excinfo is None:  # a strict xfail that passed
        return {"sentence": str(report.longrepr)}
    crash = getattr(report.longrepr, "reprcrash", None)
    own = last_own(traceback.extract_tb(alone(excinfo.value).__traceback__))
    told = sentence(excinfo.value)
    why = {"sentence": plain(told, str(excinfo.value)) if SELECTION_FILE else told}
    if own or crash:
        why["place"] = [own.filename, own.lineno] if own else [crash.path, crash.lineno]
    if type(excinfo.value).__name__ == "Blank":
        why["blank"] = getattr(excinfo.value, "exercise", None)
    return why


def plain(words, whole=""):
    """The sentence of a test; what only a programmer of pytest can read is put into words.

    Args:
        whole: all lines of what pytest says.
    """
    if re.match(r"assert .* is None\n +\+  where .* = \w+\(", whole, re.DOTALL):
        return NOTHING_BACK
    refused = re.match(r"Failed: DID NOT RAISE.*?(\w+Error)", words)
    if refused:
        return f"bad input went through: it should raise a {refused[1]}"
    return next((told for begin, told in RAW.items() if words.startswith(begin)), words)


def pytest_collectreport(report):
    if report.failed:
        lines = [line for line in str(report.longrepr).splitlines() if line.startswith("E  ")]
        tell(error=lines[-1][1:].strip() if lines else "it cannot be imported")


def pytest_sessionfinish(session, exitstatus):
    tell(finished=int(exitstatus), loaded=loaded())
