"""tito start and tito watch: the notebook open in an editor, and judged on every save."""

import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from conftest import ROOT, TENSOR

from tito import workspace

FAKE = """import json, os, pathlib, sys
told = {"argv": sys.argv[1:], "cwd": os.getcwd(), "config": os.environ["JUPYTER_CONFIG_PATH"]}
pathlib.Path(os.environ["FAKE_LAB"]).write_text(json.dumps(told), encoding="utf-8")
sys.exit(5)
"""
ENDS_IN_ORDER = """import os, signal, sys, time

def end(number, frame):
    os.write(1, b"kernels ended\\n")  # print takes no second one while it is at work
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
os.write(1, b"on\\n")
time.sleep(60)
"""


@pytest.fixture
def lesson(toy, tmp_path, monkeypatch):
    """A workspace of the toy course, in which one stands."""
    root = tmp_path / "my tiny torch ü"
    assert toy.tito("export", "--all")[0] == 0
    code, _, err = toy.tito("init", root)
    assert code == 0, err
    monkeypatch.chdir(root)
    monkeypatch.delenv("TINYTORCH_WORKSPACE", raising=False)
    return workspace.at(root)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A stand-in for JupyterLab that writes down how it was called: lab() gives it."""
    package, told = tmp_path / "fake" / "jupyterlab", tmp_path / "told.json"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE, encoding="utf-8")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delitem(sys.modules, "jupyterlab", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("FAKE_LAB", str(told))
    return lambda: json.loads(told.read_text(encoding="utf-8"))


def test_start_opens_jupyterlab_on_the_notebook(toy, lesson, lab, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    code, out, err = toy.tito("start", "2", "--no-browser", "--port", "9999")
    assert (code, err) == (5, ""), "the exit code is JupyterLab's"
    assert str(lesson.module("02").notebook) in out
    told = lab()
    address = "--LabApp.default_url=/lab/tree/modules/02_activations/activations.ipynb"
    assert {address, "--no-browser", "--port=9999"} <= set(told["argv"])
    assert f"--ServerApp.root_dir={lesson.root}" in told["argv"]
    assert "--allow-root" not in told["argv"]
    assert Path(told["cwd"]) == lesson.root
    ours, theirs = told["config"].split(os.pathsep)
    assert theirs == "mine"
    page = json.loads(Path(ours, "labconfig", "page_config.json").read_text(encoding="utf-8"))
    assert page["disabledExtensions"] == {"@jupyterlab/apputils-extension:announcements": True}


def test_a_file_of_the_workspace_does_not_stand_in_for_what_jupyterlab_needs(toy, lesson, lab):
    (lesson.root / "json.py").write_text("raise ValueError('mine')\n", encoding="utf-8")
    assert toy.tito("start", "01")[::2] == (5, "")
    assert Path(lab()["cwd"]) == lesson.root


@pytest.mark.parametrize("flags", [[], ["--no-browser"]])
def test_start_opens_a_jupyterlab_that_runs_already(toy, lesson, lab, monkeypatch, flags):
    """Two servers on one workspace would overwrite each other's notebooks."""
    here = {"root_dir": str(lesson.root), "url": "http://localhost:8888/", "token": "abc"}
    other = here | {"root_dir": str(lesson.root.parent), "url": "http://localhost:7777/"}
    server = types.ModuleType("jupyter_server.serverapp")
    server.list_running_servers = lambda: iter([{}, other, here])
    monkeypatch.setitem(sys.modules, "jupyter_server", types.ModuleType("jupyter_server"))
    monkeypatch.setitem(sys.modules, "jupyter_server.serverapp", server)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    code, out, err = toy.tito("start", "01", *flags)
    address = "http://localhost:8888/lab/tree/modules/01_tensor/tensor.ipynb?token=abc"
    assert (code, err) == (0, "")
    assert address in out
    assert opened == ([] if flags else [address])
    with pytest.raises(FileNotFoundError):
        lab()


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_ctrl_c_while_jupyterlab_starts_is_no_traceback(toy, lesson, lab, tmp_path):
    fake = tmp_path / "fake" / "jupyterlab" / "__main__.py"
    fake.write_text("print('on', flush=True)\nimport time\ntime.sleep(30)\n", encoding="utf-8")
    paths = [os.environ["PYTHONPATH"], str(ROOT)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", "start", "01"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert "Ctrl-C" in process.stdout.readline()
    assert process.stdout.readline() == "on\n"
    os.killpg(process.pid, signal.SIGINT)  # the terminal sends it to both
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_what_ends_start_ends_jupyterlab_in_order(toy, lesson, lab, tmp_path, name):
    number = getattr(signal, name)
    fake = tmp_path / "fake" / "jupyterlab" / "__main__.py"
    fake.write_text(ENDS_IN_ORDER, encoding="utf-8")
    paths = [os.environ["PYTHONPATH"], str(ROOT)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", "start", "01"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert "Ctrl-C" in process.stdout.readline()
    assert process.stdout.readline() == "on\n"
    process.send_signal(number)  # to tito alone
    out, err = process.communicate(timeout=20)  # until nobody holds its output any more
    assert (process.returncode, out, err) == (128 + number, "kernels ended\n", "")


def test_start_goes_on_where_you_left_off_and_from_any_folder_inside(toy, lesson, monkeypatch):
    monkeypatch.chdir(lesson.root / "milestones")
    code, out, err = toy.tito("start", "--no-open")
    assert (code, out, err) == (0, f"{lesson.module('01').notebook}\n", "")


def test_what_was_opened_last_is_where_you_left_off(toy, lesson):
    assert toy.tito("start", "02", "--no-open")[0] == 0
    assert toy.tito("start", "--no-open")[1] == f"{lesson.module('02').notebook}\n"
    assert toy.tito("hint")[1].startswith("activations.relu\n")
    assert "next: activations.relu" in toy.tito("status")[1]
    lesson.state.joinpath("progress.json").write_text("{", encoding="utf-8")
    code, out, err = toy.tito("start", "01", "--no-open")
    assert (code, out) == (0, f"{lesson.module('01').notebook}\n")
    assert "progress.json is damaged" in err


def test_start_brings_a_lost_notebook_back(toy, lesson):
    notebook = lesson.module("01").notebook
    before = notebook.read_bytes()
    notebook.unlink()
    code, out, _ = toy.tito("start", "01", "--no-open")
    assert code == 0
    assert "modules/01_tensor/tensor.ipynb was gone: it is back, with all blanks" in out
    assert notebook.read_bytes() == before


def test_start_without_jupyterlab_names_the_ways(toy, lesson, monkeypatch):
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    code, out, err = toy.tito("start", "01")
    assert (code, out) == (1, "")
    assert "JupyterLab is not installed: pip install" in err
    assert "in VS Code" in err


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["start", "99"], 1, "there is no module '99'"),
        (["start", "01", "--port", "many"], 2, "invalid int value"),
        (["start", "01", "--port", "70000"], 2, "--port 70000 is no port"),
        (["start", "01", "--port", "-1"], 2, "--port -1 is no port"),
        (["status", "tensr", "--json"], 1, "did you mean tensor?"),
        (["watch", "tensr"], 1, "did you mean tensor?"),
    ],
)
def test_a_wrong_word_opens_nothing(toy, lesson, argv, code, words):
    got, out, err = toy.tito(*argv)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err


def test_start_outside_of_a_workspace_says_how_to_make_one(toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = toy.tito("start", "01")
    assert (code, out) == (2, "")
    assert "`tito init DIR` makes one" in err


# -- what an editor saves
def save(notebook, change):
    data = json.loads(notebook.read_text(encoding="utf-8"))
    change({cell["id"]: cell for cell in data["cells"]}, data)
    notebook.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def run_all(cells, data):
    """What JupyterLab changes when all cells run."""
    data["metadata"] = {"language_info": {"name": "python", "version": "3.13.1"}}
    for count, cell in enumerate(cells.values(), start=1):
        if cell["cell_type"] == "code":
            cell["execution_count"] = count
            cell["metadata"] = {"execution": {"iopub.status.busy": "now"}}
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["8\n"]}]


def test_running_a_notebook_is_not_writing_in_it(toy, lesson):
    def state():
        told = json.loads(toy.tito("status", "--json")[1])
        return told["modules"]["01_tensor"]["export"]

    notebook = lesson.module("01").notebook
    save(notebook, run_all)
    assert state() == "untouched"
    toy.tito("export", "01")
    save(notebook, lambda cells, data: cells["double"].update(execution_count=99))
    assert state() == "in step"
    save(notebook, lambda cells, data: cells["double"].update(source=TENSOR["double"]))
    assert state() == "stale"


def test_an_export_keeps_what_another_command_exported_meanwhile(toy, lesson):
    """`tito watch 01` lives for hours; `tito export 02` in another terminal must not be lost."""
    from tito import learner

    assert lesson.manifest == {}  # this one is old from now on
    toy.tito("export", "02")
    learner.run(lesson.module("01"))
    assert set(workspace.at(lesson.root).manifest) == {"tensor", "activations"}


class Watch:
    """`tito watch ARGV` in a process of its own."""

    def __init__(self, root, log, *argv):
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tito", "watch", *argv],
                cwd=root,
                env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def rounds(self):
        return self.log.read_text(encoding="utf-8").count("waiting for the next save")

    def wait(self, rounds):
        end = time.monotonic() + 60
        while self.rounds() < rounds and time.monotonic() < end:
            time.sleep(0.1)
        assert self.rounds() == rounds, self.log.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_watch_judges_once_per_save_however_slowly_it_is_written(toy, lesson, tmp_path):
    notebook = lesson.module("02").notebook
    watch = Watch(lesson.root, tmp_path / "watch.log", "02")
    try:
        watch.wait(1)
        content = notebook.read_bytes()
        with notebook.open("wb") as file:  # as JupyterLab does: the file itself, in pieces
            for at in range(0, len(content), len(content) // 8):
                file.write(content[at : at + len(content) // 8])
                file.flush()
                time.sleep(0.05)
        watch.wait(2)
        checkpoints = notebook.parent / ".ipynb_checkpoints"
        checkpoints.mkdir()
        (checkpoints / "activations-checkpoint.ipynb").write_bytes(content)
        time.sleep(1.5)
        watch.wait(2)
    finally:
        watch.process.send_signal(signal.SIGINT)
        code = watch.process.wait(timeout=20)
    said = watch.log.read_text(encoding="utf-8")
    assert code == 130
    assert "it is not JSON" not in said, "it read a half-written notebook"
    assert "Traceback" not in said


def test_a_silent_command_does_not_silence_the_next_one(toy, lesson):
    assert toy.tito("status", "--json")[1].startswith("{")
    assert "next: tensor.double" in toy.tito("status")[1]
    toy.tito("status", "--json")
    assert "0 of 5 exercises passed" in toy.tito()[1]


def test_watch_of_a_lost_notebook_does_not_wait_for_ever(toy, lesson):
    lesson.module("01").notebook.unlink()
    code, out, err = toy.tito("watch", "01")
    assert (code, out) == (1, "")
    assert "`tito start 01` brings it back" in err


# -- an old kernel
OLD = """
import tinytorch.tensor, subprocess, sys
from tinytorch import course, overlay
print("before:", overlay.stale())
subprocess.run([sys.executable, "-m", "tito", "export", "01"], check=True, capture_output=True)
print("after:", overlay.stale())
try:
    with course.check("tensor.double"):
        assert False, "twice 4 is 8"
except course.CheckFailed as failed:
    print(failed)
"""


@pytest.mark.parametrize("exported", [False, True])
def test_a_process_knows_that_what_it_loaded_is_old(toy, lesson, exported):
    """The first export counts as well: until then the course's own module was loaded."""
    if exported:
        toy.tito("export", "01")
        solved = TENSOR["double"].replace("### BEGIN SOLUTION\n    ", "").replace("x + x", "2 * x")
        solved = solved.replace("    ### END SOLUTION\n", "")
        save(
            lesson.module("01").notebook, lambda cells, data: cells["double"].update(source=solved)
        )
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(toy.root), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", OLD], env=env, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.splitlines() == [
        "before: []",
        "after: ['tensor']",
        "note: tinytorch.tensor was exported again since: restart the kernel to use it",
        "tensor.double: twice 4 is 8",
    ], done.stderr


@pytest.mark.slow
def test_a_bare_kernel_in_the_notebooks_folder_finds_the_workspace(toy, lesson, monkeypatch):
    """VS Code's way: ipykernel alone, started in the notebook's folder, without tito."""
    pytest.importorskip("ipykernel")
    manager = pytest.importorskip("jupyter_client.manager")
    toy.tito("export", "01")
    paths = os.pathsep.join([str(toy.root), str(ROOT)])
    monkeypatch.setenv("PYTHONPATH", paths)
    kernel, client = manager.start_new_kernel(cwd=str(lesson.module("01").folder))
    told = []
    try:
        client.execute_interactive(
            "import tinytorch.tensor, tinytorch.activations\n"
            "print(tinytorch.tensor.__file__, tinytorch.activations.__file__, sep='|')",
            output_hook=lambda message: told.append(message["content"].get("text", "")),
            timeout=60,
        )
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)
    own, given = "".join(told).strip().split("|")
    assert Path(own) == lesson.module("01").exported
    assert Path(given) == toy.root / "tinytorch" / "activations.py"
