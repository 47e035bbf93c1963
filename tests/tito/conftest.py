"""A toy course for the tests of tito: two small modules, their tests, two milestones."""

import json
import shutil
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
    for name in ("course.py", "overlay.py"):
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
