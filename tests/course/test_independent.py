"""Solutions written without the reference pass every quick check and every full test."""

import ast
import os
import shutil
import subprocess
import sys

import pytest
import variants

NOTEBOOKS = pytest.mark.parametrize("notebook", variants.course_notebooks(), ids=lambda n: n.name)


@NOTEBOOKS
def test_every_exercise_was_solved(notebook):
    known = {exercise.id for exercise in notebook.exercises}
    assert set(variants.independent_solutions(notebook.name)) == known


@NOTEBOOKS
def test_quick_checks_pass(notebook):
    found = variants.independent_solutions(notebook.name)
    for exercise in notebook.exercises:
        said = variants.outcome(notebook, exercise, variants.wrong(found[exercise.id]))
        assert said == ("passed", f"passed: {exercise.id}\n")


@pytest.mark.slow
@NOTEBOOKS
def test_full_tests_pass(notebook, tmp_path):
    """All exercises of the module at once, in a copy of the package, in a fresh process."""
    for name in ("tinytorch", "datasets"):
        shutil.copytree(variants.ROOT / name, tmp_path / name)
    (test_file,) = (variants.ROOT / "tests").glob(f"test_[0-9][0-9]_{notebook.name}.py")
    for path in (variants.ROOT / "tests" / "conftest.py", test_file):
        (tmp_path / "tests").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "tests")
    shutil.copy(variants.ROOT / "pyproject.toml", tmp_path)

    module = tmp_path / "tinytorch" / f"{notebook.name}.py"
    tree = ast.parse(module.read_text(encoding="utf-8"))
    found = variants.independent_solutions(notebook.name)
    for exercise in notebook.exercises:
        tree = variants.wrong(found[exercise.id])(tree, exercise)
    module.write_text(ast.unparse(tree), encoding="utf-8")

    command = [sys.executable, "-m", "pytest", "tests", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
