"""The checkout that holds these tests is the one they test."""

import sys
from pathlib import Path

from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "tinytorch").is_dir():  # not so in an installed wheel
    sys.path.insert(0, str(ROOT))

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")
