"""The old place of `tinytorch.amp`."""

from ..names.devices import GradScaler, autocast

__all__ = ["GradScaler", "autocast"]
