"""TinyCoder with completions of four tokens, for tests that look at something else."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "milestones" / "05_2017_transformer"))

import step2_tinycoder  # noqa: E402

from tinytorch import console  # noqa: E402

step2_tinycoder.WRITTEN = 4

if __name__ == "__main__":
    console.run(step2_tinycoder.main)
