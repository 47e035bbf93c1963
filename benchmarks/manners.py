"""The manners of the benchmarks: how they begin and end, and refuse what cannot be measured.

Each of them imports this file first, so that whatever goes wrong from then on is told in short.
"""

import argparse
import importlib
import importlib.util
import math
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

if "--worker" in sys.argv:  # some change Python before they import `tinytorch`: not here, then
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it; who has started it says so
else:
    from tinytorch import console


def begin(main):
    """Run a benchmark as the milestones run: no traceback for Ctrl-C or a pipe."""
    if "--worker" in sys.argv:
        sys.exit(main())
    importlib.import_module("numpy")  # where it is missing there is nothing to measure
    console.run(main)


class Parser(argparse.ArgumentParser):
    """It shows the docstring as it stands, and refuses in one sentence."""

    def __init__(self, description):
        formatter = argparse.RawDescriptionHelpFormatter
        super().__init__(description=description, formatter_class=formatter)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message} (--help shows all flags)\n")

    def need_positive(self, found, *names):
        """Refuse flags that are not above 0, or have no end."""
        for name in names:
            if not 0 < (value := getattr(found, name)) < math.inf:
                self.error(f"--{name} {value}: it must be above 0, and have an end")

    def need_torch(self, flag):
        """Refuse a flag where PyTorch, which it needs, is not installed."""
        if importlib.util.find_spec("torch") is None:
            told = "which is not installed: python -m pip install torch==2.13.0"
            self.error(f"{flag} measures PyTorch, {told}")
