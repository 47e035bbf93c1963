"""Workspaces made from the real course, and tito in them, as a learner runs it.

With the environment variable TINYTORCH_REPORT=DIR the proofs run whole, for an hour, and write
what they found to DIR; without it `pytest -m slow` runs a cut of them.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import solving
import variants

from tinytorch import overlay
from tito import course, workspace

REPORT = os.environ.get("TINYTORCH_REPORT")
PROOF = "00_vaswani_attention_proof"


def cut(cases, count):
    """All cases for the report, else `count` of them, evenly spread."""
    cases = list(cases)
    if REPORT or len(cases) <= count:
        return cases
    return [cases[i * (len(cases) - 1) // (count - 1)] for i in range(count)]


def names():
    """The modules that the course has, in order."""
    return [notebook.name for notebook in variants.course_notebooks()]


def exercises():
    """The ids of all exercises, in the order of the course."""
    return [e.id for notebook in variants.course_notebooks() for e in notebook.exercises]


def used():
    """Seconds of a processor that finished child processes took; on Windows, the time of day."""
    return sum(os.times()[2:4]) if os.name == "posix" else time.monotonic()


@dataclass(frozen=True)
class Said:
    """What a command of tito said."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def json(self):
        return json.loads(self.out)


def tito(root, *argv):
    """Run tito in a workspace, as a fresh process."""
    away = {"TITO_COURSE", overlay.VARIABLE, "PYTEST_ADDOPTS"}
    env = {name: text for name, text in os.environ.items() if name not in away}
    env |= {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(variants.ROOT), "PYTHONUTF8": "1"}
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "tito", *map(str, argv)],
        cwd=root,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    return Said(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)


def make(root, solved=()):
    """A fresh workspace in which these exercises hold their independent solutions, exported."""
    said = tito(root.parent, "init", root.name)
    assert said.code == 0, said.err
    solve(root, solved)
    return root


def solve(root, solved):
    """Write independent solutions into a workspace, and export what they are in."""
    here = workspace.Workspace(root, root / overlay.FILES, True, course.find())
    touched = [name for name in names() if any(e.startswith(f"{name}.") for e in solved)]
    for name in touched:
        solving.solve(here, name, solved)
    if touched:
        said = tito(root, "export", *touched)
        assert said.code == 0, said.err


def plant(root, exercise, node):
    """Give an exercise of a workspace another body, and export its module."""
    name, _, qualname = exercise.partition(".")
    here = workspace.Workspace(root, root / overlay.FILES, True, course.find())
    solving.write(here.module(name).notebook, {qualname: node})
    said = tito(root, "export", name)
    assert said.code == 0, said.err


def copy(root, target):
    """A copy of a workspace, in place of what was there."""
    if Path(target).exists():
        shutil.rmtree(target)
    return Path(shutil.copytree(root, target))


def judged(root, *argv):
    """(the exit code, {module: [result, ...]}, seconds) of `tito test --json`."""
    said = tito(root, "test", *argv, "--json")
    assert said.out, said.err
    return said.code, {label[3:]: results for label, results in said.json.items()}, said.seconds


class Kept:
    """Rows of JSON in the report's folder, kept as they come; without a folder in memory."""

    def __init__(self, name):
        self.path = Path(REPORT, f"{name}.jsonl") if REPORT else None
        self.rows = []
        if self.path and self.path.is_file():
            text = self.path.read_text(encoding="utf-8")
            self.rows = [json.loads(line) for line in text.splitlines()]

    def add(self, row):
        self.rows.append(row)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
