"""The benchmarks begin and end as the milestones do: no traceback for what a user can do."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "benchmarks"
NO_TORCH = "import sys\nsys.modules['torch'] = None\n"
KERNELS = "OPENBLAS_", "NPY_", "MKL_", "ONEDNN_", "ATEN_"
NO_NUMPY = "raise ModuleNotFoundError('no', name='numpy')\n"


def words(script, *flags):
    return [sys.executable, FOLDER / script, *flags]


def environment(*folders):
    """That of a user who picked no kernels; of what ties one of them, the benchmarks tell first."""
    free = {name: value for name, value in os.environ.items() if not name.startswith(KERNELS)}
    paths = os.pathsep.join([*map(str, folders), str(ROOT)])
    return free | {"PYTHONPATH": paths, "PYTHONUTF8": "1"}


def refused(script, *flags, folder=ROOT):
    """(exit code, the one line on stderr) of a benchmark that does not begin."""
    command = words(script, *flags)
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True)
    assert done.stdout == ""
    assert done.stderr.startswith(f"{script}: ") and done.stderr.count("\n") == 1, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("script", "flags", "sentence"),
    [
        ("gpt.py", "--rounds 0", "--rounds 0: it must be above 0"),
        ("gpt.py", "--threads 0", "--threads 0: it must be above 0"),
        ("gpt.py", "--block 0", "--block 0.0: it must be above 0"),
        ("gpt.py", "--block nan", "--block nan: it must be above 0"),
        ("gpt.py", "--block inf", "--block inf: it must be above 0, and have an end"),
        ("gpt.py", "--prepare nofile", "--prepare: there is no file nofile"),
        ("milestones.py", "--tables --short 0", "--short 0: it must be above 0"),
        ("milestones.py", "--turn -1", "--turn -1: it must be above 0"),
        ("bpe.py", "--rounds 0", "--rounds 0: it must be above 0"),
    ],
)
def test_a_bad_flag_is_refused_before_any_work(script, flags, sentence):
    code, told = refused(script, *flags.split())
    assert code == 2 and sentence in told


@pytest.mark.parametrize(
    ("script", "flags"),
    [("gpt.py", "--vs torch"), ("gpt.py", "--readme"), ("milestones.py", "--vs torch")],
)
def test_without_pytorch_it_says_how_to_install_it(script, flags, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(NO_TORCH, encoding="utf-8")
    code, told = refused(script, *flags.split(), folder=tmp_path)
    assert code == 2 and f"{flags} measures PyTorch" in told
    assert "pip install torch==2.13.0" in told


@pytest.mark.parametrize("script", ["gpt.py", "milestones.py", "bpe.py"])
def test_without_numpy_it_says_where_it_is(script, tmp_path):
    (tmp_path / "numpy.py").write_text(NO_NUMPY, encoding="utf-8")
    code, told = refused(script, folder=tmp_path)
    assert code == 1 and "NumPy is not installed in this Python" in told


QUICK = ("gpt.py", "--workloads", "W4a", "--rounds", "2", "--block", "0.1")
pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_nobody_reads_on():
    with subprocess.Popen(words(*QUICK), env=environment(), **pipes) as process:
        assert "2 turns of 0.1 s each" in process.stdout.readline()
        process.stdout.close()
        told = process.stderr.read()
    assert process.returncode == 1 and "Traceback" not in told and "Error" not in told


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_ctrl_c_ends_it_and_its_workers():
    more = {"env": environment(), "start_new_session": True, **pipes}
    with subprocess.Popen(words(*QUICK[:-1], "60"), **more) as process:
        process.stdout.readline()
        process.stdout.readline()
        assert process.stdout.readline().startswith("| workload")
        os.killpg(process.pid, signal.SIGINT)  # the terminal sends it to all of them
        _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert told.endswith("stopped: nothing is saved, and there is no verdict\n")
    assert "Traceback" not in told


def test_what_ties_the_kernels_is_left_out_and_told():
    tied = environment() | {"OPENBLAS_CORETYPE": "Haswell"}
    command = words(*QUICK[:-1], "0.01")
    done = subprocess.run(command, env=tied, capture_output=True, text=True)
    assert done.stderr.startswith("left out: OPENBLAS_CORETYPE=Haswell (--as-set keeps it)\n")
    kept = subprocess.run([*command, "--as-set"], env=tied, capture_output=True, text=True)
    assert done.returncode == kept.returncode == 0 and "left out" not in kept.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_ctrl_c_ends_the_table_after_the_script_that_runs():
    command = words("milestones.py", "--only", "step1")
    more = {"env": environment(), "start_new_session": True, **pipes}
    with subprocess.Popen(command, **more) as process:
        assert process.stderr.readline().startswith("training")
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 130 and told.endswith("\nthe table ends here\n")
    assert "Traceback" not in told and "Broken pipe" not in told
