"""The old place of `tinytorch.amp`."""

from ..names import devices
from ..names.devices import GradScaler

__all__ = ["GradScaler", "autocast"]


def autocast(enabled=True, dtype=None, cache_enabled=True):
    """`autocast("cuda")`, with the arguments of the old place -> a context manager."""
    return devices.autocast("cuda", dtype, enabled, cache_enabled)
