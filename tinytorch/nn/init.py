"""Ways to fill a parameter, under the names that PyTorch gives them."""

from ..layers import (
    constant_,
    kaiming_uniform_,
    normal_,
    ones_,
    uniform_,
    xavier_uniform_,
    zeros_,
)

__all__ = [
    "constant_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "uniform_",
    "xavier_uniform_",
    "zeros_",
]
