"""YOUR is true: a bug in an exercise changes what the milestone scripts print (`pytest -m slow`).

Each exercise of modules 02 to 07 and 10 to 13 is spoilt in a copy of the package by one of its
usual wrong ideas; then a short proof runs, and if that prints what it always prints, short Q&A.
"""

import ast
import os
import re
import shutil
import subprocess
import sys

import pytest
import variants

FOLDER = variants.ROOT / "milestones" / "05_2017_transformer"
RUNS = [
    ["00_vaswani_attention_proof.py", "--epochs=1", "--plot=proof.png"],
    ["01_vaswani_generation.py", "--epochs=1", "--levels=1", "--num-layers=1"],
]
MODULES = [n for n in variants.course_notebooks() if n.name != "tensor"]
OFF_PATH = {}


def printed(package, run, folder):
    """What a script prints with a package, without what depends on the machine."""
    script, *flags = run
    done = subprocess.run(
        [sys.executable, FOLDER / script, *flags],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(package), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return re.sub(r"tokens per s \S+|trained for \S+ s", "", done.stdout) + done.stderr


def spoil(package, exercise, idea):
    """Write the exercise's module with the body of a wrong idea; returns the file."""
    module = exercise.id.partition(".")[0]
    source = (variants.ROOT / "tinytorch" / f"{module}.py").read_text(encoding="utf-8")
    tree = variants.wrong(idea)(ast.parse(source), exercise)
    (package / "tinytorch" / f"{module}.py").write_text(ast.unparse(tree), encoding="utf-8")


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """What the scripts print with the package as it is."""
    folder = tmp_path_factory.mktemp("usual")
    return [printed(variants.ROOT, run, folder) for run in RUNS]


def changes_a_result(exercise, usual, folder):
    """True if one of the exercise's wrong ideas shows in what a script prints."""
    shutil.copytree(variants.ROOT / "tinytorch", folder / "tinytorch")
    shutil.copytree(variants.ROOT / "datasets", folder / "datasets")
    for owner, _, idea in variants.wrong_ideas(exercise.id.partition(".")[0]):
        if owner == exercise.id:
            spoil(folder, exercise, idea)
            if any(printed(folder, run, folder) != was for run, was in zip(RUNS, usual)):
                return True
    return False


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("notebook", MODULES, ids=lambda n: n.name)
def test_most_exercises_are_on_the_path(notebook, usual, tmp_path):
    off = {e.id for e in notebook.exercises if not changes_a_result(e, usual, tmp_path / e.id)}
    assert off == {name for name in OFF_PATH if name.startswith(f"{notebook.name}.")}
    assert len(off) <= len(notebook.exercises) / 2
