"""Which files `import tinytorch` loads: the learner's inside their workspace, else the course's.

The workspaces here are written by hand: two files and a list of them, as `tito export` leaves them.
"""

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tinytorch import overlay

ROOT = Path(__file__).parents[1]
MINE = '"""Mine."""\nWHOSE = {whose!r}\n'
SAY = "import tinytorch.losses as m; print(getattr(m, 'WHOSE', 'the course'))"
ENTRY = {"yours": ["mse_loss"], "given": ["cross_entropy"], "edited": []}


class Folder:
    """A workspace with an own `losses`, and Python in it."""

    def __init__(self, root, whose="mine"):
        self.root = root
        self.write("tito.toml", 'course = "0.1.0"\n')
        self.write("src/tinytorch/losses.py", MINE.format(whose=whose))
        self.list({"losses": ENTRY})

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def list(self, manifest):
        self.write(".tito/manifest.json", json.dumps(manifest))

    def python(self, *argv, cwd=None, say=None, program=sys.executable, **options):
        """What Python prints there."""
        words = [str(program), *map(str, argv)]
        env = {k: v for k, v in os.environ.items() if k != overlay.VARIABLE}
        env |= {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | options.pop("env", {})
        done = subprocess.run(
            words, cwd=cwd or self.root, env=env, input=say, capture_output=True, encoding="utf-8"
        )
        assert "Traceback" not in done.stderr or done.returncode, done.stderr
        return done if options.get("whole") else (done.stdout + done.stderr).strip()


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "my wörk space")


@pytest.fixture
def outside(tmp_path):
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


# -- ways to start Python
def test_a_command(folder):
    assert folder.python("-c", SAY) == "mine"


def test_a_script(folder):
    assert folder.python(folder.write("say.py", SAY)) == "mine"


def test_a_script_in_a_folder_below(folder):
    assert folder.python(folder.write("milestones/05/say.py", SAY)) == "mine"


def test_a_script_in_a_package(folder):
    folder.write("pack/say.py", SAY)
    assert folder.python("-m", "pack.say") == "mine"


def test_a_command_in_a_folder_below(folder):
    (folder.root / "modules" / "01").mkdir(parents=True)
    assert folder.python("-c", SAY, cwd=folder.root / "modules" / "01") == "mine"


def test_a_script_inside_started_from_outside(folder, outside):
    assert folder.python(folder.write("say.py", SAY), cwd=outside) == "mine"


def test_a_script_outside_started_from_inside(folder, outside):
    script = outside / "say.py"
    script.write_text(SAY, encoding="utf-8")
    assert folder.python(script) == "mine"


def test_a_script_outside_started_from_outside(folder, outside):
    script = outside / "say.py"
    script.write_text(SAY, encoding="utf-8")
    assert folder.python(script, cwd=outside) == "the course"


def test_the_script_counts_before_the_folder(folder, tmp_path):
    other = Folder(tmp_path / "other", "theirs")
    assert folder.python(folder.write("say.py", SAY), cwd=other.root) == "mine"
    assert other.python("-c", SAY) == "theirs"


def test_the_prompt(folder):
    assert folder.python("-i", say=SAY, whole=True).stdout.strip() == "mine"
    assert folder.python("-", say=SAY) == "mine"


TEST = f"def test_it(capsys):\n    {SAY}\n    assert capsys.readouterr().out == 'mine\\n'\n"


@pytest.mark.parametrize("start", [("-m", "pytest"), ("script",)], ids=["module", "script"])
def test_pytest(folder, start):
    folder.write("test_mine.py", TEST)
    program = sys.executable
    if start == ("script",):
        name = "pytest.exe" if os.name == "nt" else "pytest"
        program, start = Path(sys.executable).with_name(name), ()
        if not program.is_file():
            pytest.skip("no pytest beside Python")
    done = folder.python(*start, "-q", "-p", "no:cacheprovider", program=program, whole=True)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_processes_that_are_started(folder):
    script = f"""import multiprocessing, subprocess, sys

def say():
    {SAY}
    sys.stdout.flush()

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=say)
    process.start()
    process.join()
    subprocess.run([sys.executable, "-c", {SAY!r}])
"""
    path = folder.write("many.py", script)
    assert folder.python(path).split() == ["mine", "mine"]


def test_a_process_that_is_spawned_from_outside(folder, outside):
    """It belongs to its script, wherever it works."""
    script = f"import multiprocessing\n\ndef say():\n    {SAY}\n\nif __name__ == '__main__':\n"
    script += "    p = multiprocessing.get_context('spawn').Process(target=say)\n"
    path = folder.write("many.py", script + "    p.start()\n    p.join()\n")
    assert folder.python(path, cwd=outside) == "mine"


def kernel(cwd, *cells):
    """What a Jupyter kernel prints for each cell."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
    client = nbclient.NotebookClient(
        book, resources={"metadata": {"path": str(cwd)}}, coalesce_streams=True, timeout=120
    )
    client.execute(env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"})
    return ["".join(output.get("text", "") for output in cell["outputs"]) for cell in book.cells]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_jupyter_and_a_stale_kernel(folder):
    place = folder.root / "modules" / "05_dataloader"
    place.mkdir(parents=True)
    check = "from tinytorch.course import check\nwith check('x.y'):\n    pass"
    again = f"import pathlib\npathlib.Path({str(folder.root)!r}, 'src/tinytorch/losses.py')"
    again += ".write_text('WHOSE = 7')"
    told = kernel(place, SAY, check, again, check)
    assert told[0] == "mine\n"
    assert told[1] == "passed: x.y\n"
    note = "note: tinytorch.losses was exported again since: restart the kernel to use it\n"
    assert told[3] == "passed: x.y\n" + note


def test_a_stale_process_is_told_by_the_quick_check(folder):
    script = f"""import pathlib
from tinytorch.course import check
{SAY}
with check("x.y"):
    pass
pathlib.Path("src/tinytorch/losses.py").write_text("WHOSE = 'another'")
with check("x.y"):
    pass
"""
    assert folder.python("-c", script).splitlines() == [
        "mine",
        "passed: x.y",
        "passed: x.y",
        "note: tinytorch.losses was exported again since: restart the kernel to use it",
    ]


# -- which workspace
def test_an_environment_inside_the_workspace(folder, tmp_path):
    """A program of that environment, used elsewhere, belongs to elsewhere."""
    bare = folder.root / ".venv"
    venv.create(bare, with_pip=False, symlinks=os.name != "nt")
    python = bare / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    program = python.with_name("say.py")
    program.write_text(SAY, encoding="utf-8")
    other = Folder(tmp_path / "other", "theirs")
    import numpy

    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(Path(numpy.__file__).parents[1])])}
    assert other.python(program, program=python, env=env) == "theirs"
    assert folder.python(program, program=python, env=env) == "mine"
    (tmp_path / "nowhere").mkdir()
    nowhere = tmp_path / "nowhere"
    assert folder.python(program, program=python, env=env, cwd=nowhere) == "the course"


def test_the_variable(folder, outside, tmp_path):
    named = {overlay.VARIABLE: str(folder.root)}
    other = Folder(tmp_path / "other", "theirs")
    assert folder.python("-c", SAY, cwd=outside, env=named) == "mine"
    assert other.python("-c", SAY, env=named) == "mine"
    assert folder.python("-c", SAY, env={overlay.VARIABLE: "off"}) == "the course"
    assert folder.python("-c", SAY, env={overlay.VARIABLE: ""}) == "mine"
    relative = {overlay.VARIABLE: os.path.relpath(folder.root, outside)}
    assert folder.python("-c", SAY, cwd=outside, env=relative) == "mine"


def test_a_variable_that_names_no_workspace(folder, outside):
    done = folder.python("-c", SAY, env={overlay.VARIABLE: str(outside)}, whole=True)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert (
        last == f"ImportError: {overlay.VARIABLE} is {str(outside)!r}, where there is no tito.toml"
    )


def test_the_checkout_never_overlays(tmp_path):
    """Even a tito.toml in it, or above it, changes nothing."""
    course = tmp_path / "checkout"
    (course / "modules").mkdir(parents=True)
    (course / "pyproject.toml").touch()
    shutil.copytree(ROOT / "tinytorch", course / "tinytorch", ignore=lambda *a: ["__pycache__"])
    above, inside = Folder(tmp_path, "above"), Folder(course, "inside")
    env = {"PYTHONPATH": str(course)}
    assert inside.python("-c", SAY, env=env) == "the course"
    assert inside.python("-c", SAY, env=env, cwd=course / "modules") == "the course"
    assert above.python("-c", SAY, env=env) == "above", "beside the checkout it is a workspace"
    (course / "script.py").write_text(SAY, encoding="utf-8")
    assert above.python(course / "script.py", env=env) == "the course", "wherever it was started"


def test_this_checkout_is_the_course():
    assert overlay.above(ROOT) is None and overlay.above(ROOT / "tests") is None


def test_a_folder_that_was_deleted(folder):
    gone = folder.root / "gone"
    gone.mkdir()
    code = f"import os, numpy; os.rmdir({str(gone)!r}); {SAY}"  # not there, NumPy fails in 3.13.0
    if os.name == "nt":
        pytest.skip("a working directory cannot be deleted there")
    assert folder.python("-c", code, cwd=gone) == "the course"


# -- which files
def test_only_the_listed_names_are_loaded(folder):
    for name in ("activations", "console", "optim", "overlay", "course", "extra", "__init__"):
        folder.write(f"src/tinytorch/{name}.py", "raise SystemExit('a stray file was loaded')")
    folder.list(
        {"losses": ENTRY, "console": ENTRY, "optim": ENTRY, "extra": ENTRY, "__init__": ENTRY}
    )
    code = f"import tinytorch.activations, tinytorch.console, tinytorch.optim; {SAY}"
    assert folder.python("-c", code) == "mine"
    assert "ModuleNotFoundError" in folder.python("-c", "import tinytorch.extra")


def test_the_working_directory_does_not_hide_the_package(folder):
    """`src/tinytorch` is no package beside the notebooks."""
    assert folder.python("-c", "import tinytorch; print(tinytorch.__file__)").startswith(str(ROOT))


def test_a_file_that_is_gone_is_said(folder):
    (folder.root / "src/tinytorch/losses.py").unlink()
    told = folder.python("-c", SAY).splitlines()[-1]
    path = folder.root / "src" / "tinytorch" / "losses.py"
    assert told == f"ImportError: {path} is gone: run `tito export losses` again"


def test_a_file_that_raises_names_itself(folder):
    folder.write("src/tinytorch/losses.py", "x = 1\nraise ValueError('my own mistake')\n")
    told = folder.python("-c", SAY)
    assert str(folder.root / "src" / "tinytorch" / "losses.py") in told
    assert told.endswith("ValueError: my own mistake")
    shown = folder.python("-c", "import tinytorch; tinytorch.show_mix()", whole=True)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "yours: mse_loss" in shown.stdout


DAMAGED = {
    "no JSON": b"{",
    "zeros": bytes(99),
    "not UTF-8": "{}ä".encode("latin-1"),
    "a number": b"3",
    "an entry that is no table": b'{"losses": 3}',
    "an entry without lists": b'{"losses": {"yours": 1, "given": [], "edited": []}}',
    "an entry that lacks something": b'{"losses": {}}',
    "deep brackets": b"[" * 99_999,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_list_is_said(folder, content):
    path = folder.root / ".tito" / "manifest.json"
    path.write_bytes(content)
    for code in (SAY, "import tinytorch; tinytorch.show_mix()"):
        done = folder.python("-c", code, whole=True)
        last = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 1
        assert last.startswith(f"ImportError: {path} is damaged")
        assert last.endswith("delete it and run `tito export --all`")
    path.unlink()
    assert folder.python("-c", SAY) == "the course", "without a list nothing of theirs is loaded"


def test_a_list_that_is_a_folder(folder):
    path = folder.root / ".tito" / "manifest.json"
    path.unlink()
    path.mkdir()
    assert "is damaged" in folder.python("-c", SAY).splitlines()[-1]


# -- what is said
def test_show_mix(folder):
    code = "import tinytorch; tinytorch.show_mix()"
    assert folder.python("-c", code).splitlines() == [
        f"workspace {folder.root}",
        "  losses: src/tinytorch/losses.py",
        "    yours: mse_loss",
        "    given: cross_entropy",
        "  every other module is the course's own",
    ]
    off = folder.python("-c", code, env={overlay.VARIABLE: "off"})
    assert off == "no workspace here: all modules are the course's own"


def test_show_mix_runs_nothing_of_the_learners(folder):
    folder.write("src/tinytorch/losses.py", "raise SystemExit('it ran')")
    done = folder.python("-c", "import tinytorch; tinytorch.show_mix()", whole=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_mix_in_one_phrase(folder):
    code = "from tinytorch import overlay; print(overlay.mix())"
    assert folder.python("-c", code) == "yours: losses (1 of 2 exercises); the rest is given"
    folder.list({"losses": ENTRY | {"yours": [], "edited": ["Loss"]}})
    assert folder.python("-c", code) == "yours: 1 given pieces changed; the rest is given"
    folder.list({"losses": ENTRY | {"yours": []}})
    assert folder.python("-c", code) == overlay.NONE


# -- as it is installed
@pytest.mark.slow
@pytest.mark.parametrize("editable", [[], ["-e"]], ids=["a wheel", "editable"])
def test_as_it_is_installed(tmp_path, editable):
    """In an environment of its own, in a path with a blank, no PYTHONPATH helps."""
    environment = tmp_path / "an environment"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", overlay.VARIABLE)}
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    source = ROOT
    if not editable:  # pip builds beside the sources: not in the checkout
        source = tmp_path / "sources"
        unwanted = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".hypothesis")
        shutil.copytree(ROOT, source, ignore=unwanted)
    done = subprocess.run([*install, "numpy>=2", "hatchling", "editables"], env=env)
    words = [*install, "--no-deps", "--no-build-isolation", *editable, source]
    done = subprocess.run(words, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    folder = Folder(tmp_path / "work")
    folder.write("test_mine.py", TEST)
    script = folder.write("deep/er/say.py", SAY)
    env["PYTHONPATH"] = ""
    for argv in (["-c", SAY], [script], ["-m", "deep.er.say"]):
        assert folder.python(*argv, program=python, env=env) == "mine"
    assert folder.python(script, program=python, env=env, cwd=tmp_path) == "mine"
    assert folder.python("-c", SAY, program=python, env=env, cwd=tmp_path) == "the course"
    where = "import tinytorch; print(tinytorch.__file__)"
    place = Path(folder.python("-c", where, program=python, env=env))
    assert place.is_relative_to(ROOT if editable else environment)
