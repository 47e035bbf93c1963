"""Functions under the names that PyTorch gives them."""

from ..activations import log_softmax, relu, sigmoid, silu, softmax, tanh
from ..attention import sdpa as scaled_dot_product_attention
from ..layers import linear
from ..losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
)

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "l1_loss",
    "linear",
    "log_softmax",
    "mse_loss",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "tanh",
]
