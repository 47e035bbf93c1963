"""What the documents say is so: commands, examples and folders."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tito.cli import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("milestones/*/README.md"))]
README = PAGES[0].read_text(encoding="utf-8")
pages = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def blocks(text, language):
    """The fenced blocks of a language; "" for those that name none."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S)
    return [block for name, block in found if name == language]


def test_the_example_learns():
    code, _ = blocks(README, "python")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 0 < float(re.search(r"tensor\((.*?)[,)]", done.stdout)[1]) < 0.2


def test_the_missing_gradient_is_explained_as_it_stands_there(tmp_path):
    """To the letter, but for the numbers of the loss and the gradients, which are drawn."""
    _, code = blocks(README, "python")
    (shown,) = [block for block in blocks(README, "") if block.startswith("loss ")]
    assert code.startswith("import tinytorch\n")
    seeded = code.replace("\n", "; tinytorch.manual_seed(0)\n", 1)  # which is largest is drawn, too
    (tmp_path / "net.py").write_text(seeded, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "net.py")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said, told = (re.sub(r"\d+\.\d+", "#", text).strip() for text in (done.stdout, shown))
    assert said == told


def test_the_check_runs_the_commands_of_a_fresh_machine():
    """The proof, the tests, and a folder to learn in, which the check puts elsewhere."""
    setup = [line for block in blocks(README, "") for line in block.splitlines() if "setup" in line]
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    ran = {re.sub(r"  +#.*|(?<=init ).*", "", line).strip() for line in run}
    assert len(setup) == 3
    assert {line.partition(" ../")[0] for line in setup} <= ran


@pages
def test_every_command_of_tito_exists(page):
    for name in re.findall(r"(?:^|`|-m )tito ([a-z]+)", page.read_text(encoding="utf-8"), re.M):
        assert name in COMMANDS, f"tito {name}"


@pages
def test_every_folder_and_script_exists(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`([\w/.]+/)`", text):
        assert (ROOT / name).is_dir(), name
    for name in re.findall(r"python (\w+\.py)", text):
        assert (page.parent / name).is_file(), name


def test_the_rooms_are_all_on_the_map():
    rooms = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))}
    listed = set(re.findall(r"^\| `(\w+)/`", README, re.M))
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    tracked = {line.partition("/")[0] for line in tracked.splitlines() if "/" in line}
    assert listed == rooms & (tracked or rooms)
