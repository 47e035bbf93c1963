"""`tito setup`: from a bare Python to a running command, in an environment beside the checkout."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

from tito import TitoError
from tito.__main__ import NEEDED
from tito.course import HOME

EXTRAS = {"pytest": "test", "jupyterlab": "lab"}  # what a program needs beyond the course itself


def add_arguments(parser):
    parser.add_argument("program", nargs="?", default="tito", help="tito, pytest or jupyterlab")
    parser.add_argument("arguments", nargs="...", help="and what to tell it")


def run(args):
    """Make `.venv` if need be, install the course into it, and run the program there."""
    root = HOME.parent
    if not (root / "pyproject.toml").is_file():
        raise TitoError("setup works in a checkout of the course: this one is installed already")
    python = environment(root / ".venv")
    learns = args.arguments[:1] == ["init"]
    install(python, root, "lab" if learns else EXTRAS.get(args.program))
    return subprocess.run([python, "-m", args.program, *args.arguments], check=False).returncode


def environment(folder):
    """The Python of the environment, which is made if it is not there, or is too old."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    version = _version(python) if python.is_file() else None
    if version is None or version < NEEDED:
        was = f" anew: that of Python {'.'.join(map(str, version))} is too old" if version else ""
        print(f"making an environment in {folder.name}{was} ...", file=sys.stderr, flush=True)
        venv.create(folder, clear=folder.is_dir())
    return python


def _version(python):
    """The version of a Python, (major, minor); None if it does not run."""
    code = "import sys; print(*sys.version_info[:2])"
    try:
        told = subprocess.run([python, "-Ic", code], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return tuple(map(int, told.stdout.split())) or None


def install(python, root, extra):
    """Install the course, editable, unless just this was installed before."""
    wanted = (root / "pyproject.toml").read_bytes() + (extra or "").encode()
    stamp = python.parent.parent / f"installed-{extra or 'course'}"
    digest = hashlib.sha256(wanted).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
        return
    print("installing what the course needs ...", file=sys.stderr, flush=True)
    if subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode:
        with_pip = [python, "-Im", "ensurepip", "--default-pip"]
        done = subprocess.run(with_pip, capture_output=True, text=True, check=False)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or ["no message"])[-1]
            fix = "on Debian or Ubuntu `apt install python3-venv` brings what it lacks"
            raise TitoError(f"no pip can be put into {python.parent.parent} ({why}): {fix}")
    target = f"{Path(root)}[{extra}]" if extra else str(root)
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-e", target]
    if subprocess.run(pip, check=False).returncode:
        raise TitoError("pip could not install the course, see above: is there a network?")
    stamp.write_text(digest, encoding="ascii")
