"""PyTorch's `amp`: everything here is float32, so nothing is cast and nothing is scaled."""

from .names.devices import GradScaler, autocast

__all__ = ["GradScaler", "autocast"]
