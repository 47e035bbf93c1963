"""PyTorch's `utils`: the data sets and loaders of module 05 under their names there."""

from . import data

__all__ = ["data"]
