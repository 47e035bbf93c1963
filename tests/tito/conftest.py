"""A toy course for the tests of tito: two small modules, their tests, two milestones.

`toy` is the course as its authors have it; `desk` is a learner's workspace that was made from it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tito import cli

ROOT = Path(__file__).resolve().parents[2]

TENSOR = {
    "target": "#| default_exp tensor",
    "imports": "#| export\nimport numpy as np",
    "helpers": "from tinytorch.course import Blank, check, close",
    "double": '''#| export
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    return x + x
    ### END SOLUTION


LIMIT = 3''',
    "check-double": '''with check("tensor.double"):
    assert double(4) == 8, "twice 4 is 8: did you add x to itself?"''',
    "total": '''#| export
def total(values):
    """The sum of the values."""
    result = np.float64(0)
    for value in values:
        ### BEGIN SOLUTION
        result = result + value
        ### END SOLUTION
    return result''',
    "check-total": 'with check("tensor.total"):\n    assert close(total([1, 2]), 3.0), "1 + 2"',
    "box": '''#| export
class Box:
    """It keeps a value."""

    def __init__(self, value):
        self.value = None
        ### BEGIN SOLUTION
        self.value = value
        ### END SOLUTION

    def peek(self):
        ### BEGIN SOLUTION
        def look():
            return self.value

        return look()
        ### END SOLUTION''',
    "check-box": """with check("tensor.Box.__init__"):
    assert Box(3).value == 3, "a box keeps what was put into it"
with check("tensor.Box.peek"):
    assert Box(3).peek() == 3, "peek shows what is inside"
Box(3).peek()""",
}
ACTIVATIONS = {
    "target": "#| default_exp activations",
    "imports": "#| export\nfrom tinytorch.tensor import (\n    double,\n    total,\n)",
    "helpers": "from tinytorch.course import Blank, check",
    "relu": '''#| export
def relu(x):
    """max(x, 0), and a detour through module 01."""
    ### BEGIN SOLUTION
    return total([max(double(x), 0)]) / 2
    ### END SOLUTION''',
    "check-relu": 'with check("activations.relu"):\n    assert relu(-1) == 0, "relu(-1) is 0"',
}
TENSOR_TESTS = '''"""Tests of toy module 01."""

import pytest

from tinytorch.tensor import Box, double, total


@pytest.mark.exercise("tensor.double")
@pytest.mark.parametrize("x", [0, 1, -3])
def test_double(x):
    assert double(x) == 2 * x, f"double({x}) is {2 * x}"


@pytest.mark.exercise("tensor.total")
def test_total():
    assert total([1, 2, 3]) == 6


class TestBox:
    @pytest.mark.exercise("tensor.Box.__init__")
    def test_init(self):
        assert Box(1).value == 1

    @pytest.mark.exercise("tensor.Box.peek")
    def test_peek(self):
        assert Box(1).peek() == 1


def test_of_no_exercise():
    assert double("a") == "aa"
'''
ACTIVATIONS_TESTS = '''"""Tests of toy module 02: one marker for the whole file."""

import pytest

from tinytorch.activations import relu

pytestmark = pytest.mark.exercise("activations.relu")


def test_relu():
    assert relu(2) == 2
'''
MILESTONE = '''"""Toy proof (2017): it proves the flags.

Run: tito milestone run proof
"""

import sys

import tinytorch.course

print("flags:", *sys.argv[1:])
sys.exit(int(sys.argv[1]) if sys.argv[1:] else 0)
'''


class Toy:
    """A toy course in a folder, and tito pointed at it."""

    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys

    def path(self, name):
        return self.root / name

    def read(self, name):
        return self.path(name).read_bytes()

    def write(self, name, text):
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")

    def write_notebook(self, label, cells, title="# Toy\n\n> It is small.\n\nMore words."):
        """Write a module's notebook: a cell of prose, then code cells from {id: source}."""
        code = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        raw = [{"cell_type": "markdown", "id": "title", "metadata": {}, "source": title}]
        raw += [{**code, "id": i, "source": s.splitlines(True)} for i, s in cells.items()]
        self.write_json(label, {"cells": raw, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})

    def notebook_path(self, label):
        return self.path(f"modules/{label}/{label[3:]}.ipynb")

    def write_json(self, label, data):
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        self.write(self.notebook_path(label), text)

    def write_words(self, label, *names):
        entry = "points = 5\nstars = 1\nhints = ['a', 'b', 'c']\n"
        text = f"title = 'Toy {label}'\npromise = 'You can.'\nminutes = 10\n\n"
        text += "\n".join(f'[exercises."{name}"]\n{entry}' for name in names)
        self.write(f"modules/{label}/module.toml", text)

    def tito(self, *argv):
        """Run tito in this process: (exit code, stdout, stderr)."""
        self.capsys.readouterr()
        try:
            code = cli.main([str(word) for word in argv])
        except SystemExit as stop:  # argparse on bad usage
            code = stop.code
        return code, *self.capsys.readouterr()


@pytest.fixture
def toy(tmp_path, monkeypatch, capsys):
    """A toy course whose path has blanks and an umlaut."""
    toy = Toy(tmp_path / "a toy cöurse", capsys)
    toy.write("tinytorch/__init__.py", '"""Toy."""\nfrom . import overlay\n\noverlay.install()\n')
    for name in ("course.py", "overlay.py", "tracebacks.py"):
        shutil.copy(ROOT / "tinytorch" / name, toy.root / "tinytorch")
    toy.write_notebook("01_tensor", TENSOR)
    toy.write_words("01_tensor", "double", "total", "Box.__init__", "Box.peek")
    toy.write_notebook("02_activations", ACTIVATIONS)
    toy.write_words("02_activations", "relu")
    toy.write("tests/test_01_tensor.py", TENSOR_TESTS)
    toy.write("tests/test_02_activations.py", ACTIVATIONS_TESTS)
    toy.write("milestones/05_2017_toy/00_toy_proof.py", MILESTONE)
    toy.write("milestones/05_2017_toy/01_toy_answers.py", '"""Toy answers."""\n')
    monkeypatch.setenv("TITO_COURSE", str(toy.root))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # the toy's tests need no plugins
    return toy


# -- the learner's side
ANSWERS = {  # right, and written differently from the course
    "tensor.double": "return 2 * x",
    "tensor.total": "result += value",
    "tensor.Box.__init__": "vars(self)['value'] = value",
    "tensor.Box.peek": "return self.value",
    "activations.relu": "return x if x > 0 else 0",
}


class Desk:
    """A workspace made from a course, and a learner who works in it."""

    def __init__(self, course, root, environment=()):
        self.course, self.root = course, root
        self.environment = dict(environment)

    def tito(self, *argv):
        """Run tito in this process, in the workspace: (exit code, stdout, stderr)."""
        return self.course.tito(*argv)

    def command(self, *argv, **options):
        """Run tito in a fresh process, in the workspace."""
        return self.python("-m", "tito", *argv, **options)

    def python(self, *argv, **options):
        """Run Python in the workspace, as a learner does."""
        started = {"cwd": self.root, "capture_output": True, "encoding": "utf-8"} | options
        words = [sys.executable, *map(str, argv)]
        return subprocess.run(words, **started | {"env": self.env(options.get("env"))})

    def env(self, more=None):
        paths = [str(self.course.root), str(ROOT)]
        settled = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONUTF8": "1"}
        return settled | self.environment | (more or {})

    # -- notebooks
    def notebook(self, label="01_tensor"):
        return self.root / "modules" / label / f"{label[3:]}.ipynb"

    def exported(self, name="tensor"):
        return self.root / "src" / "tinytorch" / f"{name}.py"

    def data(self, label="01_tensor"):
        return json.loads(self.notebook(label).read_text(encoding="utf-8"))

    def save(self, data, label="01_tensor"):
        """Write a notebook as JupyterLab does."""
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        self.notebook(label).write_text(text, encoding="utf-8", newline="\n")

    def cells(self, label="01_tensor"):
        """{id: source} of a notebook."""
        return {cell["id"]: "".join(cell["source"]) for cell in self.data(label)["cells"]}

    def edit(self, cell, old, new, label="01_tensor"):
        """Replace words in a cell of a notebook; new lines are indented as the old one."""
        data = self.data(label)
        (found,) = [raw for raw in data["cells"] if raw["id"] == cell]
        text = "".join(found["source"])
        assert old in text, f"{old!r} is not in {text!r}"
        indent = re.search(r"( *)[^\n]*\Z", text[: text.index(old)])[1]
        found["source"] = text.replace(old, new.replace("\n", f"\n{indent}")).splitlines(True)
        self.save(data, label)

    def answer(self, exercise, body=None):
        """Write the body of an exercise in the place of its blank; without one, a right one."""
        label = {"tensor": "01_tensor", "activations": "02_activations"}[exercise.split(".")[0]]
        blank = re.compile(rf'( *)# Your code here\.\n *raise Blank\("{re.escape(exercise)}"\)')
        data, seen = self.data(label), 0
        for raw in data["cells"]:
            text = "".join(raw["source"])
            if found := blank.search(text):
                lines = textwrap.indent(body or ANSWERS[exercise], found[1])
                raw["source"] = (text[: found.start()] + lines + text[found.end() :]).splitlines(1)
                seen += 1
        assert seen == 1, f"{exercise} has {seen} blanks in {label}"
        self.save(data, label)

    def solve(self, label="01_tensor"):
        """Answer every exercise of a module."""
        for exercise in ANSWERS:
            if exercise.startswith(f"{label[3:]}."):
                self.answer(exercise)

    def files(self):
        """{name: bytes} of everything in the workspace."""
        found = sorted(p for p in self.root.rglob("*") if p.is_file())
        return {
            p.relative_to(self.root).as_posix(): p.read_bytes()
            for p in found
            if "__pycache__" not in p.parts
        }


@pytest.fixture
def built_toy(toy):
    """The toy course with its package exported."""
    code, _, err = toy.tito("export", "--all")
    assert (code, err) == (0, "")
    return toy


@pytest.fixture
def desk(built_toy, tmp_path, monkeypatch):
    """A fresh workspace of the toy course, in a path with blanks; the working directory is it."""
    root = tmp_path / "my wörk space"
    monkeypatch.delenv("TINYTORCH_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    code, _, err = built_toy.tito("init", root)
    assert (code, err) == (0, "")
    monkeypatch.chdir(root)
    return Desk(built_toy, root)


def one_sentence(err):
    """True if a mistake is told without a traceback, in a few lines at most."""
    return err.startswith("tito: ") and "Traceback" not in err and len(err.splitlines()) <= 4
