"""The old place of `nn.Parameter`."""

from .course import Parameter

__all__ = ["Parameter"]
