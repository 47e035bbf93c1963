"""From a wheel, in a fresh environment whose path has a blank: learning works on own code alone.

Opt out of nothing: a wheel is built from this checkout, installed with pip (from the network), and
then only the `tito` of that environment is used, in folders outside of the checkout.
"""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import ROOT

from tito import course

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
OWN = {
    "tensor": ["tensor.matmul"],
    "attention": ["attention.scaled_dot_product_attention"],
    "transformers": ["transformers.MLP.forward"],
}
RIGHT, WRONG = "weights = softmax_rows(scores)", "weights = softmax_rows(scores * 0)"


class Installed:
    """An environment with the wheel, and its tito."""

    def __init__(self, root):
        self.root = root
        venv.create(root, with_pip=True)
        self.bin = root / ("Scripts" if os.name == "nt" else "bin")

    def run(self, program, *argv, cwd):
        unwanted = ("PYTHONPATH", "TITO_COURSE", "TINYTORCH_WORKSPACE", "PYTEST_ADDOPTS")
        env = {k: v for k, v in os.environ.items() if k not in unwanted}
        path = self.bin / (f"{program}.exe" if os.name == "nt" else program)
        words = [path, *map(str, argv)]
        options = {"cwd": cwd, "env": env, "capture_output": True, "encoding": "utf-8"}
        return subprocess.run(words, check=False, **options)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    made = Installed(folder / "an environment")
    packages = [wheel, "pytest", "hypothesis"]
    done = made.run("python", "-m", "pip", "install", "-q", *packages, cwd=folder)
    assert done.returncode == 0, done.stderr
    return made


def digests(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".pyc"}


def solve(root, monkeypatch):
    """Write independent solutions of three exercises into the notebooks."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "course"))
    import solving
    import variants

    for name, exercises in OWN.items():
        label = course.find().module(name).label
        bodies = {e.partition(".")[2]: variants.independent_solutions(name)[e] for e in exercises}
        solving.write(root / "modules" / label / f"{name}.ipynb", bodies)


def change(root, old, new):
    """Replace a line of the learner's attention."""
    path = root / "modules" / "12_attention" / "attention.ipynb"
    data, seen = json.loads(path.read_text(encoding="utf-8")), 0
    for cell in data["cells"]:
        text = "".join(cell["source"])
        if text.startswith("#| export") and old in text:
            cell["source"], seen = text.replace(old, new).splitlines(True), seen + 1
    assert seen == 1
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")


def test_learning_from_a_wheel(installed, tmp_path, monkeypatch):
    def tito(*argv):
        return installed.run("tito", *argv, cwd=root)

    done = installed.run("tito", "init", "my work", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    root = tmp_path / "my work"
    site = next(installed.root.rglob("site-packages"))
    before = digests(site / "tito") | digests(site / "tinytorch")
    assert tito("test", "01").returncode == 3, "all is blank, so nothing has passed or failed"

    solve(root, monkeypatch)
    done = tito("export", "01", "12", "13")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(": 1 of ") == 3, done.stdout
    for exercises in OWN.values():
        done = tito("test", *exercises)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    done = tito("milestone", "run", "proof")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "recorded: 00_vaswani_attention_proof" in done.stdout
    assert "attention (1 of" in done.stdout, "the milestone says what is the learner's"

    change(root, RIGHT, WRONG)
    assert tito("test", "attention.scaled_dot_product_attention").returncode == 1
    done = tito("milestone", "run", "proof")
    assert done.returncode == 1, "a planted bug changes the outcome: " + done.stdout
    assert "recorded" not in done.stdout
    change(root, WRONG, RIGHT)
    tito("export", "12")
    assert tito("milestone", "run", "proof").returncode == 0

    assert digests(site / "tito") | digests(site / "tinytorch") == before
    doctor = tito("doctor")
    assert doctor.returncode == 0 and "3 of your modules" in doctor.stdout, doctor.stdout


def test_an_installed_course_is_no_place_for_a_workspace(installed, tmp_path):
    site = next(installed.root.rglob("site-packages"))
    done = installed.run("tito", "init", site / "tito" / "_course" / "new", cwd=tmp_path)
    assert done.returncode == 1 and "lies in the installed course" in done.stderr
    outside = installed.run("tito", "export", "--all", cwd=tmp_path)
    assert outside.returncode == 2 and "this is no workspace" in outside.stderr
    shown = "import tinytorch; tinytorch.show_mix()"
    done = installed.run("python", "-c", shown, cwd=tmp_path)
    assert done.stdout == "no workspace here: all modules are the course's own\n"


def test_what_is_in_the_wheel(installed):
    """Data, lessons, tests and milestones; and no checkout beside it is needed."""
    site = next(installed.root.rglob("site-packages"))
    course_folder = site / "tito" / "_course"
    for module in course.find().written:
        assert (course_folder / "modules" / module.label / f"{module.name}.ipynb").is_file()
        assert (course_folder / "tests" / module.tests.name).is_file()
    assert Path(site / "tinytorch" / "_datasets").is_dir()
    assert (site / "tito" / "templates" / "AGENTS.md").is_file()
