"""The checkout that holds these tests is the one they test."""

import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "tinytorch").is_dir():  # not so in an installed wheel
    sys.path.insert(0, str(ROOT))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: Ctrl-C is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)

slow = [HealthCheck.too_slow]  # a busy machine is no finding
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=slow)
settings.load_profile("house")
