"""What export writes, when, and what it leaves alone."""

import ast
import importlib.util
import os
import subprocess
import sys

import pytest
from conftest import ACTIVATIONS, ROOT, TENSOR

from tito import course, export

HEADER = "# Written by tito export from modules/01_tensor/tensor.ipynb. Edit the notebook, not this"
FILES = ("tinytorch/tensor.py", "tinytorch/activations.py")


def test_the_whole_file(toy):
    assert toy.tito("export", "01") == (0, "tinytorch/tensor.py written\n", "")
    text = toy.read("tinytorch/tensor.py").decode()
    first, rest = text.split("\n", 1)
    assert first == f"{HEADER} file."
    assert rest.startswith(
        '\n"""It is small."""\n\n__all__ = ["LIMIT", "double", "total", "Box"]\n\n\n'
    )
    cells = [line for line in text.split("\n") if line.startswith("# %%")]
    assert cells == ["# %% imports", "# %% double", "# %% total", "# %% box"]
    assert (
        '\n\n\n# %% double\ndef double(x):\n    """Twice x."""\n    return x + x\n\n\nLIMIT' in text
    )
    assert "SOLUTION" not in text
    assert "\r" not in text
    assert text.endswith("return look()\n")


def test_imports_from_the_package_become_relative(toy):
    toy.tito("export", "02")
    assert "\nfrom .tensor import (\n    double,\n" in toy.read("tinytorch/activations.py").decode()


@pytest.mark.parametrize(
    "thesis", ["> It is small.\n\nMore.", "**It is small.**", "> It is\n> small."]
)
def test_the_thesis_becomes_the_docstring(toy, thesis):
    toy.write_notebook("01_tensor", TENSOR, title=f"# Toy\n\n{thesis}")
    toy.tito("export", "01")
    assert ast.get_docstring(ast.parse(toy.read("tinytorch/tensor.py"))) == "It is small."


def test_other_words_are_no_docstring(toy):
    toy.write_notebook("01_tensor", TENSOR, title="# Toy\n\n**It** is small.\n\n> Somebody")
    toy.tito("export", "01")
    assert ast.get_docstring(ast.parse(toy.read("tinytorch/tensor.py"))) is None


def test_future_imports_are_refused_because_all_comes_first(toy):
    future = TENSOR["imports"].replace("import", "from __future__ import annotations\nimport", 1)
    toy.write_notebook("01_tensor", TENSOR | {"imports": future})
    code, _, err = toy.tito("export", "01")
    assert code == 1
    assert "not together: from __future__ imports must occur at the beginning" in err


def test_a_long_list_of_names_is_broken(toy):
    names = [f"a_rather_long_name_{i}" for i in range(9)]
    cell = "#| export\nimport numpy as np\n" + "\n".join(f"{name} = 1" for name in names)
    toy.write_notebook("01_tensor", TENSOR | {"imports": cell})
    toy.tito("export", "01")
    text = toy.read("tinytorch/tensor.py").decode()
    assert max(map(len, text.split("\n"))) <= 100
    listed = ast.literal_eval(text.partition("__all__ = ")[2].partition("\n\n")[0])
    assert listed == [*names, "LIMIT", "double", "total", "Box"]


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="ruff is not installed")
def test_ruff_has_nothing_to_say(toy):
    toy.tito("export", "--all")
    paths = [str(toy.path(name)) for name in FILES]
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    for action in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *action, *config, *paths]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["1", "01", "tensor", "01_tensor", "modules/01_tensor/"])
def test_names_of_a_module(toy, name):
    assert toy.tito("export", name)[:2] == (0, "tinytorch/tensor.py written\n")


def test_a_module_is_exported_once_however_often_it_is_named(toy):
    assert toy.tito("export", "1", "tensor")[1] == "tinytorch/tensor.py written\n"


@pytest.mark.parametrize("below", ["modules/01_tensor", "modules/01_tensor/pictures"])
def test_inside_a_modules_folder(toy, monkeypatch, below):
    toy.path(below).mkdir(exist_ok=True)
    monkeypatch.chdir(toy.path(below))
    assert toy.tito("export")[:2] == (0, "tinytorch/tensor.py written\n")


def test_build_is_idempotent(toy):
    assert toy.tito("nbdev", "build")[1].count("written") == 2
    before = [(toy.read(name), toy.path(name).stat().st_mtime_ns) for name in FILES]
    assert toy.tito("nbdev", "build")[1].count("unchanged") == 2
    assert [(toy.read(name), toy.path(name).stat().st_mtime_ns) for name in FILES] == before


def test_the_same_bytes_whatever_the_hash_seed_and_the_environment(toy, tmp_path):
    toy.tito("export", "--all")
    before = [toy.read(name) for name in FILES]
    for seed in ("1", "2"):
        for name in FILES:
            toy.path(name).unlink()
        env = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "IN_TEST": "1"}
        (tmp_path / "settings.ini").write_text("[x", encoding="utf-8")  # nbdev would crash on it
        command = [sys.executable, "-m", "tito", "export", "--all"]
        subprocess.run(command, env=env, cwd=tmp_path, check=True, capture_output=True)
        assert [toy.read(name) for name in FILES] == before


def test_line_ends_of_a_windows_checkout_are_no_difference(toy):
    toy.tito("export", "01")
    path = toy.path("tinytorch/tensor.py")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert toy.tito("export", "01", "--check")[0] == 0


def test_a_failing_replacement_leaves_the_old_file(toy, monkeypatch):
    toy.tito("export", "01")
    before = toy.read("tinytorch/tensor.py")
    toy.write_notebook("01_tensor", TENSOR | {"double": "#| export\ndouble = abs"})

    def replace(source, target):
        raise PermissionError(13, "in use by another program")

    monkeypatch.setattr(os, "replace", replace)
    code, out, err = toy.tito("export", "01")
    assert (code, out) == (1, "")
    assert "tinytorch/tensor.py could not be written (in use by another program)" in err
    assert toy.read("tinytorch/tensor.py") == before
    files = ["__init__.py", "course.py", "overlay.py", "tensor.py", "tracebacks.py"]
    assert sorted(os.listdir(toy.path("tinytorch"))) == files


def test_a_kill_in_the_middle_leaves_the_old_file(toy):
    toy.tito("export", "01")
    before = toy.read("tinytorch/tensor.py")
    toy.write_notebook("01_tensor", TENSOR | {"double": "#| export\ndouble = abs"})
    killed = "import os; os.fsync = lambda n: os._exit(9); from tito.cli import main; main()"
    command = [sys.executable, "-c", killed, "export", "01"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 9
    assert toy.read("tinytorch/tensor.py") == before


def test_check_names_what_is_missing_different_or_left_over(toy):
    toy.tito("export", "--all")
    assert toy.tito("export", "--check") == (0, "2 of 2 files in step with their notebooks\n", "")
    toy.path(FILES[1]).unlink()
    toy.write(FILES[0], toy.read(FILES[0]).decode() + "x = 1\n")
    code, out, err = toy.tito("export", "--check")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "tinytorch/tensor.py differs from modules/01_tensor/tensor.ipynb: run `tito export 01`",
        "tinytorch/activations.py is missing, unlike modules/02_activations/activations.ipynb: "
        "run `tito export 02`",
    ]
    assert not toy.path(FILES[1]).exists()
    assert toy.tito("export", "02", "--check")[0] == 1


def test_a_file_whose_notebook_is_gone(toy):
    toy.tito("export", "--all")
    toy.notebook_path("02_activations").unlink()
    for command in (["export", "--check"], ["export", "--all"], ["nbdev", "build"]):
        code, _, err = toy.tito(*command)
        assert code == 1
        assert "tinytorch/activations.py: its notebook is gone: delete this file" in err
    assert toy.path("tinytorch/activations.py").exists()


def test_a_quick_second_export_is_not_hidden_by_bytecode(toy):
    command = [sys.executable, "-c", "import tinytorch.tensor as t; print(t.LIMIT)"]
    env = {**os.environ, "PYTHONPATH": str(toy.root)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    for limit in "345":
        cell = TENSOR["double"].replace("LIMIT = 3", f"LIMIT = {limit}")
        toy.write_notebook("01_tensor", TENSOR | {"double": cell})
        toy.tito("export", "01")
        os.utime(toy.path("tinytorch/tensor.py"), (1, 1))  # the same second, the same size
        done = subprocess.run(command, env=env, cwd=toy.root, capture_output=True, text=True)
        assert done.stdout.strip() == limit, done.stderr


def test_an_installed_course_is_not_exported_or_judged(toy, monkeypatch):
    whole = course.find()
    installed = course.Course(whole.root, whole.package, writable=False)
    monkeypatch.setattr(course, "find", lambda: installed)
    for command in (["export", "01"], ["nbdev", "build"], ["test", "01"]):
        code, out, err = toy.tito(*command)
        assert (code, out) == (2, "")
        assert err.startswith("tito: this is no workspace")


def test_where_an_installed_course_is_found(toy, monkeypatch, tmp_path):
    monkeypatch.delenv("TITO_COURSE")
    site = tmp_path / "site-packages"
    (site / "tito" / "_course" / "modules").mkdir(parents=True)
    monkeypatch.setattr(course, "HOME", site / "tito")
    found = course.find()
    assert found == course.Course(site / "tito" / "_course", site / "tinytorch", writable=False)


def test_private_names_are_not_listed(toy):
    toy.write_notebook("02_activations", ACTIVATIONS | {"relu": "#| export\n_hidden = shown = 1"})
    toy.tito("export", "02")
    assert '__all__ = ["shown"]' in toy.read("tinytorch/activations.py").decode()


def test_reading_gives_the_exercises(toy):
    exercises = export.read(course.find().module("1")).exercises
    assert [exercise.id for exercise in exercises] == [
        "tensor.double",
        "tensor.total",
        "tensor.Box.__init__",
        "tensor.Box.peek",
    ]


def test_outside_of_the_checkout_a_learner_is_in_the_wrong_folder(toy, monkeypatch, tmp_path):
    monkeypatch.delenv("TITO_COURSE")
    monkeypatch.chdir(tmp_path)
    for command in (["export", "01"], ["nbdev", "build"], ["test", "01"]):
        code, out, err = toy.tito(*command)
        assert (code, out) == (2, "")
        assert err.startswith("tito: this is no workspace")
