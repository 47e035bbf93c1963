"""PyTorch's `utils`, as far as tutorials use it."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
