"""The old place of `optim.Optimizer`."""

from .variants import Base as Optimizer

__all__ = ["Optimizer"]
