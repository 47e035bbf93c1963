"""Training a small GPT takes about as long as in PyTorch: what makes it slow again is noticed.

One thread against one, in fresh processes that take turns, so that a busy machine slows both; and
both with AVX2, so that the ratio does not depend on which of them makes use of a newer processor.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gpt.py"
AT_MOST = 1.1  # times PyTorch's time; the README has what it really is
AVX2 = {"OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}
AVX2 |= {"ATEN_CPU_CAPABILITY": "avx2"}  # all three mean nothing on other kinds of processors
SPOILED = {  # what somebody may write again, and it still computes the right thing
    "x**3": """
from tinytorch.activations import gelu
function = gelu.on_arrays
gelu.on_arrays = lambda x: (x**3, function(x))[1]
""",
    "float64": """
from tinytorch.transformers import GPT
init = GPT.__init__
def wide(self, *sizes, **more):
    init(self, *sizes, **more)
    for parameter in self.parameters():
        parameter.array = parameter.array.astype("float64")
GPT.__init__ = wide
""",
    "a leak": """
from tinytorch.optimizers import Adam
step, kept = Adam.step, []
def remembering(self):
    step(self)
    kept.append([parameter.grad for parameter in self.in_order()])
Adam.step = remembering
""",
}


def measured(*flags):
    flags = ("--workloads", "W1", "--threads", "1", "--rounds", "3", "--block", "0.5", *flags)
    words = [sys.executable, str(BENCHMARK), "--vs", "torch", "--at-most", str(AT_MOST), *flags]
    own = {"env": os.environ | AVX2, "capture_output": True, "text": True, "encoding": "utf-8"}
    return subprocess.run([*words, "--as-set"], **own)


def test_training_is_not_much_slower():
    done = measured()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SPOILED)
def test_what_makes_it_slow_again_is_noticed(name, tmp_path):
    spoiled = tmp_path / "spoiled.py"
    spoiled.write_text(SPOILED[name], encoding="utf-8")
    done = measured("--prepare", str(spoiled))
    assert done.returncode == 1 and "too slow, or wrong: W1: " in done.stdout, done.stderr
