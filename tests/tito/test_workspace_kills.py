"""Kill -9 at a random moment: the notebook is never lost or half-written, and tito goes on.

A command runs in a fresh process that is killed after a random part of the time that it takes.
Afterwards the learner's notebook must be byte for byte one of those that the command may leave,
and the next command must work.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from conftest import ACTIVATIONS, TENSOR, Desk

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # both end a process at once on Windows


def killed(desk, argv, after, cwd=None):
    """Start a command, kill it after some seconds; True if it was still at work."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tito", *map(str, argv)],
        cwd=cwd or desk.root,
        env=desk.env(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after)
    process.send_signal(KILL)
    return process.wait() != 0


def seconds(desk, *argv):
    """How long a command takes."""
    began = time.monotonic()
    done = desk.command(*argv)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def whole(path):
    """The notebook is one: JSON with cells."""
    return bool(json.loads(path.read_text(encoding="utf-8"))["cells"])


def healthy(desk, *notebooks):
    """One of these notebooks is there, whole, and the next commands work."""
    now = desk.notebook().read_bytes()
    assert now in notebooks, "the notebook is neither as it was nor as it should become"
    assert whole(desk.notebook())
    for argv in (["status"], ["export", "--all"], ["undo", "--list"]):
        code, _, err = desk.tito(*argv)
        assert code == 0 or "nothing to undo" in err, f"{argv}: {err}"
    compile(desk.exported().read_bytes(), "tensor.py", "exec")


def export(desk, chance):
    desk.solve()
    whole_run = seconds(desk, "export", "01")
    for _ in range(5):  # each time there is something new to write
        desk.edit("double", "LIMIT = ", f"LIMIT = {chance.randrange(1, 9)}")
        saved = desk.notebook().read_bytes()
        killed(desk, ["export", "01"], chance.uniform(0, whole_run))
        healthy(desk, saved)
        assert "return 2 * x" in desk.exported().read_text(encoding="utf-8")


def reset(desk, chance):
    blank = desk.notebook().read_bytes()
    desk.solve()
    solved = desk.notebook().read_bytes()
    whole_run = seconds(desk, "reset", "01")
    for _ in range(5):
        desk.notebook().write_bytes(solved)
        killed(desk, ["reset", "01"], chance.uniform(0, whole_run))
        now = desk.notebook().read_bytes()
        healthy(desk, blank, solved)
        if now == blank:
            assert desk.tito("undo")[0] == 0
            assert desk.notebook().read_bytes() == solved, "undo brings the solutions back"


def update(desk, chance):
    desk.answer("tensor.double")
    mine, toy = desk.notebook().read_bytes(), desk.course
    notebooks = {p: p.read_bytes() for p in desk.root.rglob("*") if p.is_file()}
    new = TENSOR | {"extra": "# a new cell", "total": TENSOR["total"].replace("The sum", "Sum")}
    toy.write_notebook("01_tensor", new)
    toy.write_notebook("02_activations", ACTIVATIONS | {"extra": "# a new cell"})
    toy.write("milestones/05_2017_toy/00_toy_proof.py", '"""Another proof."""\n')
    whole_run = seconds(desk, "update")
    updated = desk.files()
    for _ in range(5):
        for path, content in notebooks.items():
            path.write_bytes(content)
        killed(desk, ["update"], chance.uniform(0, whole_run))
        now = desk.notebook().read_bytes()
        assert now in (mine, updated["modules/01_tensor/tensor.ipynb"])
        assert desk.tito("update")[0] == 0, "the next update goes on"
        for name in ("01_tensor/tensor", "02_activations/activations"):
            assert desk.files()[f"modules/{name}.ipynb"] == updated[f"modules/{name}.ipynb"]
        healthy(desk, updated["modules/01_tensor/tensor.ipynb"])


def init(desk, chance):
    fresh = {n: b for n, b in desk.files().items() if not n.startswith(".tito/manifest")}
    root = desk.root.parent / "another one"
    whole_run = 0.3
    for at in range(5):
        other = Desk(desk.course, root.with_name(f"{root.name} {at}"))
        began = time.monotonic()
        killed(desk, ["init", other.root], chance.uniform(0, whole_run), cwd=desk.root.parent)
        if (other.root / "tito.toml").is_file():  # it was done, but for the last step
            (other.root / ".tito" / "unfinished").unlink(missing_ok=True)
        else:
            assert desk.command("init", other.root, cwd=desk.root.parent).returncode == 0
        whole_run = max(whole_run, time.monotonic() - began)
        files = {n: b for n, b in other.files().items() if not n.endswith(".tmp")}
        assert files == fresh


@pytest.mark.skipif(sys.platform == "win32", reason="a file in use cannot be replaced there")
@pytest.mark.parametrize("what", [export, reset, update, init], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]
)
def test_nothing_is_lost_by_a_kill(desk, what, seed):
    """Twenty times in the ordinary run, a hundred times with the slow ones."""
    what(desk, random.Random(seed))


@pytest.mark.parametrize("command", [["export", "01"], ["reset", "01"], ["reset", "01", "double"]])
def test_a_full_disk_loses_nothing(desk, monkeypatch, command):
    """Every write fails half-way, as on a disk without room."""
    desk.solve()
    assert desk.tito("export", "01")[0] == 0
    desk.edit("double", "LIMIT = 3", "LIMIT = 4")
    saved, exported = desk.notebook().read_bytes(), desk.exported().read_bytes()

    def full(number):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        code, _, err = desk.tito(*command)
    assert code == 1 and "No space left on device" in err and "Traceback" not in err
    assert desk.notebook().read_bytes() == saved
    assert desk.exported().read_bytes() == exported
    assert desk.tito(*command)[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="folders are protected differently there")
def test_a_read_only_folder_loses_nothing(desk):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    desk.solve()
    folders = [desk.root, desk.notebook().parent, desk.root / ".tito"]
    for folder in folders:
        folder.chmod(0o555)
    try:
        for argv in (["export", "01"], ["reset", "01"], ["test", "01"]):
            code, _, err = desk.tito(*argv)
            assert code == 1 and "could not be written" in err and "Traceback" not in err
        assert desk.tito("doctor")[0] == 1
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert desk.tito("test", "01")[0] == 0


def test_a_file_where_a_folder_should_be(desk):
    desk.solve()
    (desk.root / "src").write_text("in the way", encoding="utf-8")
    for argv in (["export", "01"], ["test", "01"]):
        code, _, err = desk.tito(*argv)
        assert code == 1 and "could not be written" in err and "Traceback" not in err
    assert (desk.root / "src").read_text(encoding="utf-8") == "in the way"
    (desk.root / "src").unlink()
    assert desk.tito("test", "01")[0] == 0


DIE = """import os, signal, sys
left = int(sys.argv.pop(1))

def deadly(function):
    def wrapped(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args, **kwargs)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapped

os.fsync, os.replace, os.unlink = map(deadly, (os.fsync, os.replace, os.unlink))
from tito.cli import main
sys.exit(main())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize(
    "argv",
    [
        ["reset", "01"],
        pytest.param(["export", "01"], marks=pytest.mark.slow),
        pytest.param(["undo", "1"], marks=pytest.mark.slow),
    ],
    ids=lambda argv: argv[0],
)
def test_killed_before_and_after_every_step_on_a_file(desk, argv):
    """Every moment in turn at which a file is written, replaced or removed."""
    blank = desk.notebook().read_bytes()
    desk.solve()
    solved = desk.notebook().read_bytes()
    assert desk.tito("export", "01")[0] == 0
    assert desk.tito("reset", "01")[0] == 0
    for moment in range(1, 99):
        desk.notebook().write_bytes(solved)
        if argv[0] == "export":  # there must be something to write
            desk.edit("double", "LIMIT = ", f"LIMIT = {moment}")
        before = desk.notebook().read_bytes()
        done = desk.python("-c", DIE, moment, *argv)
        healthy(desk, before, blank, solved)
        if done.returncode == 0:
            break
        assert done.returncode == -KILL
    assert 4 < moment < 90, "it was killed at some moments, and then it came to its end"
