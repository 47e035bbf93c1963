"""What the system refuses: a full disk, missing rights, damaged notes; a sentence, nothing lost."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import ROOT, one_sentence

from tito import workspace

posix = pytest.mark.skipif(sys.platform == "win32", reason="there is no such thing there")
FULL = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
MAIN = "from tito.__main__ import main; sys.exit(main())"


def snapshots(desk):
    return sorted(p.name for p in (desk.root / ".tito" / "snapshots").glob("*"))


# -- writing
@posix
@pytest.mark.parametrize("argv", [["reset", "01"], ["reset", "double"], ["export", "01"]])
def test_a_full_disk(desk, argv):
    """No file may grow beyond 1,000 bytes, which Python is told as a full disk is."""
    desk.solve()
    before = desk.files()
    done = desk.python("-c", FULL + MAIN, *argv)
    assert done.returncode == 1 and one_sentence(done.stderr), done.stderr
    assert desk.files() == before


@posix
def test_no_room_for_temporary_files(desk):
    desk.solve()
    done = desk.python("-c", FULL + MAIN, "test", "01")
    assert done.returncode == 1 and one_sentence(done.stderr), done.stderr
    assert f"temporary files cannot be written in {tempfile.gettempdir()} (" in done.stderr


@posix
def test_doctor_finds_a_full_disk(desk):
    done = desk.python("-c", FULL + MAIN, "doctor")
    assert done.returncode == 1 and "writing " in done.stdout and "make room" in done.stdout
    assert not list((desk.root / ".tito").glob(".probe*"))


def test_no_copy_for_undo_no_reset(desk):
    desk.solve()
    (desk.root / ".tito" / "snapshots").write_bytes(b"in the way")
    before = desk.files()
    code, _, err = desk.tito("reset", "01")
    assert code == 1 and one_sentence(err) and "nothing was done" in err
    assert desk.files() == before


def test_a_notebook_that_may_not_be_read(desk, monkeypatch):
    desk.solve()
    read = Path.read_bytes

    def refuse(path):
        if path == desk.notebook():
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    for argv in (["reset", "01"], ["reset", "double"], ["export", "01"]):
        code, _, err = desk.tito(*argv)
        assert code == 1 and one_sentence(err) and "Permission denied" in err, err
        assert "tensor.ipynb" in err
    code, out, _ = desk.tito("doctor")
    assert code == 1 and "tensor.ipynb" in out and "Permission denied" in out
    assert "tito reset" not in out, "it could not read the notebook either"


@pytest.mark.parametrize("argv", [["reset", "01"], ["reset", "double"]])
def test_a_read_only_notebook_stays(desk, argv):
    desk.solve()
    desk.notebook().chmod(0o444)
    before = desk.files()
    code, _, err = desk.tito(*argv)
    assert code == 1 and one_sentence(err) and "is read-only" in err
    assert desk.files() == before
    code, out, _ = desk.tito("doctor")
    assert code == 1 and "is read-only" in out
    desk.notebook().chmod(0o600)
    assert desk.tito(*argv)[0] == 0
    if sys.platform != "win32":
        assert desk.notebook().stat().st_mode & 0o777 == 0o600


@posix
def test_a_link_stays_a_link(desk, tmp_path):
    blank, kept = desk.notebook().read_bytes(), tmp_path / "elsewhere.ipynb"
    desk.solve()
    desk.notebook().rename(kept)
    desk.notebook().symlink_to(kept)
    mine = kept.read_bytes()
    assert desk.tito("reset", "01")[0] == 0
    assert desk.notebook().is_symlink() and kept.read_bytes() == blank
    assert desk.tito("undo")[0] == 0
    assert desk.notebook().is_symlink() and kept.read_bytes() == mine


def test_two_resets_at_the_same_moment(desk, monkeypatch):
    """Neither sees the other's snapshot when it looks for a number."""
    desk.solve()
    monkeypatch.setattr(workspace, "snapshots", lambda found: [])
    assert desk.tito("reset", "double")[0] == desk.tito("reset", "total")[0] == 0
    assert snapshots(desk) == ["0001", "0002"]


# -- tito's own notes
DAMAGED = {
    "half": b'{"passed": {',
    "a list": b"[]",
    "hints in words": b'{"hints": {"tensor.double": "two"}}',
    "milestones that are none": b'{"milestones": {"proof": 3}}',
    "deep brackets": b'{"passed": ' + b"[" * 200_000,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_damaged_progress(desk, content):
    desk.solve()
    path = desk.root / ".tito" / "progress.json"
    path.write_bytes(content)
    commands = (["status"], ["hint"], ["test", "01"], ["milestone", "run", "proof"], [])
    for argv in commands:
        code, _, err = desk.tito(*argv)
        assert code == 1 and one_sentence(err) and "progress.json is damaged" in err, err
    code, out, err = desk.tito("doctor")
    assert (code, err) == (1, "") and "progress.json is damaged" in out
    assert path.read_bytes() == content
    path.unlink()
    assert desk.tito("test", "--all")[0] == 3, "what the message advises"
    assert desk.tito("doctor")[0] == 0


def test_progress_that_may_not_be_read(desk):
    (desk.root / ".tito" / "progress.json").mkdir()
    code, _, err = desk.tito("status")
    assert code == 1 and one_sentence(err) and "progress.json cannot be read" in err
    assert "cannot be read" in desk.tito("doctor")[1]


def test_doctor_goes_on_with_a_damaged_manifest(desk):
    (desk.root / ".tito" / "manifest.json").write_bytes(b"{")
    code, out, err = desk.tito("doctor")
    assert (code, err) == (1, "")
    assert "manifest.json is damaged" in out and "1 problem:" in out


def test_an_export_is_promised_only_where_there_is_one(desk):
    desk.notebook().write_bytes(b"{")
    words = "what you exported last is in src/tinytorch/tensor.py"
    assert words not in desk.tito("doctor")[1]
    desk.notebook().unlink()
    assert "gone: 01_tensor" in desk.tito("status")[1]
    assert words not in desk.tito("status")[1]
    desk.tito("start", "01", "--no-open")
    desk.tito("export", "01")
    desk.notebook().write_bytes(b"{")
    assert words in desk.tito("doctor")[1]
    desk.notebook().unlink()
    assert words in desk.tito("status")[1]


# -- given code
def test_changed_given_code_comes_back_alone(desk):
    desk.solve()
    solved = desk.cells()
    desk.edit("double", "LIMIT = 3", "LIMIT = 4")
    desk.tito("export", "01")
    edited = desk.cells()
    told = "given code that you changed: LIMIT (tito reset tensor.LIMIT gives it back)"
    for argv in (["status"], ["status", "01"], ["doctor"]):
        assert told in desk.tito(*argv)[1]
    for argv in (["hint", "LIMIT"], ["test", "tensor.LIMIT"]):
        code, _, err = desk.tito(*argv)
        assert code == 1 and one_sentence(err) and "`tito reset" in err
    code, out, _ = desk.tito("reset", "LIMIT")
    assert code == 0 and "tensor.LIMIT: as the course wrote it again" in out
    assert desk.cells() == solved
    assert "that you changed" not in desk.tito("status")[1]
    desk.tito("undo")
    assert desk.cells() == edited
    assert desk.tito("reset", "01", "LIMIT", "double")[0] == 0
    assert "LIMIT = 3" in desk.cells()["double"]
    assert 'raise Blank("tensor.double")' in desk.cells()["double"]


def test_given_code_that_is_defined_twice_is_said(desk):
    desk.edit("double", "LIMIT = 3", "LIMIT = 3\nLIMIT = 4")
    _, out, _ = desk.tito("export", "01")
    assert "LIMIT" in out and "#" not in out + desk.tito("status")[1], "what is named can be typed"
    before = desk.files()
    code, _, err = desk.tito("reset", "tensor.LIMIT")
    assert code == 1 and one_sentence(err) and "LIMIT is defined twice, in double" in err
    assert desk.files() == before


# -- where a command makes no sense
def test_an_authors_commands_in_a_workspace(desk):
    code, _, err = desk.tito("nbdev", "build")
    assert code == 2 and one_sentence(err) and "`tito export --all`" in err
    code, out, _ = desk.tito("modules")
    assert code == 0 and "01_tensor" in out
    assert "package" not in out and "not built yet" not in out


# -- streams and signals
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("argv", [[], ["--help"], ["status"], ["status", "--json"], ["doctor"]])
def test_output_that_cannot_be_written(desk, argv):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tito", *argv],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=desk.root,
            env=desk.env({"PYTHONUNBUFFERED": ""}),  # else argparse hides it
        )
    words = "tito: what it prints cannot be written (No space left on device)\n"
    assert (done.returncode, done.stderr) == (1, words)


@posix
@pytest.mark.parametrize(("argv", "code"), [(["status"], 0), (["nosuch"], 2)])
def test_streams_that_were_closed(desk, argv, code):
    program = ["sh", "-c", '"$@" >&- 2>&-', "sh", sys.executable, "-m", "tito", *argv]
    done = subprocess.run(program, cwd=desk.root, env=desk.env(), capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"", b"")


@posix
def test_a_folder_that_is_gone(desk, tmp_path):
    code = f"import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); {MAIN}"
    for argv in ([], ["status"], ["export", "01"]):
        done = desk.python("-c", code, *argv, cwd=tmp_path)
        assert done.returncode == 1 and one_sentence(done.stderr), done.stderr
        assert "cd into one that is there" in done.stderr


EARLY = """
import runpy, sys

class Stop:
    def find_spec(name, path=None, target=None):
        if name == "tito.report":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Stop)
runpy.run_module("tito", run_name="__main__")
"""


def test_ctrl_c_before_tito_has_begun():
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", EARLY]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
