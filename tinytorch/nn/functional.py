"""Functions under the names, and with the arguments, that PyTorch gives them.

The work is done by the functions of the course; what is written out here only bridges a
difference. Everything else is the function of the course itself.
"""

import math

import numpy as np

from .. import activations, attention, embeddings, transformers
from ..activations import log_softmax, relu, sigmoid, silu, softmax, tanh
from ..attention import boolean, scores_shape
from ..layers import Dropout, linear
from ..losses import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
)
from ..tensor import ones, wrap, zeros

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "embedding",
    "gelu",
    "l1_loss",
    "layer_norm",
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


def gelu(x, approximate="none"):
    """x * P(Z < x): exact, or the form of GPT-2 with approximate="tanh".

    The function of module 02, `tinytorch.activations.gelu`, is the form of GPT-2.

    Raises:
        ValueError: `approximate` is neither "none" nor "tanh".

    >>> from tinytorch.tensor import Tensor
    >>> gelu(Tensor([1.0])), gelu(Tensor([1.0]), approximate="tanh")
    (tensor([0.8413]), tensor([0.8412]))
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate is 'none' or 'tanh', not {approximate!r}")
    return activations.gelu(x) if approximate == "tanh" else activations.gelu_exact(x)


def dropout(x, p=0.5, training=True):
    """x with each number dropped with probability p and the others scaled by 1 / (1 - p).

    Args:
        x: any shape.
        p: a probability, 0 to 1.
        training: False gives x itself.

    >>> from tinytorch.tensor import Tensor
    >>> dropout(Tensor([3.0, 3.0]), training=False)
    tensor([3., 3.])
    """
    return Dropout(p).train(training)(x)


def embedding(ids, weight, padding_idx=None):
    """For every id its row of the weight: the ids come first, as in PyTorch.

    Args:
        ids: any shape, whole numbers from 0 to V - 1.
        weight: (V, D), a row for every id.
        padding_idx: the row that gets no gradient; a negative one counts from the end.

    >>> from tinytorch.tensor import Tensor
    >>> embedding(Tensor([1]), Tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.]])
    """
    return embeddings.embedding(weight, ids, padding_idx)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last dimensions.

    Args:
        x: ends with the sizes `normalized_shape`.
        normalized_shape: a size or several, over all of which mean and variance are taken.
        weight, bias: of the shape `normalized_shape`; ones and zeros unless given.
        eps: keeps the root away from 0.

    Raises:
        ValueError: x, weight or bias does not have these sizes.

    >>> from tinytorch.tensor import Tensor
    >>> layer_norm(Tensor([[9.0, 1.0, 3.0, 3.0]]), 4)
    tensor([[ 1.6667, -1.    , -0.3333, -0.3333]])
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise ValueError("normalized_shape needs at least one size")
    weight = ones(shape, dtype=x.dtype) if weight is None else weight
    bias = zeros(shape, dtype=x.dtype) if bias is None else bias
    if not x.shape[-len(shape) :] == weight.shape == bias.shape == shape:
        found = f"x is {x.shape}, weight {weight.shape}, bias {bias.shape}"
        raise ValueError(f"layer_norm over the last sizes {shape}: {found}")
    rows = x.reshape(*x.shape[: -len(shape)], math.prod(shape))  # (..., *shape) -> (..., D)
    y = transformers.layer_norm(rows, weight.reshape(-1), bias.reshape(-1), eps)
    return y.reshape(x.shape)


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None
):
    """softmax(query @ key^T * scale) @ value, where the mask allows; draws the dropout itself.

    Args:
        query, key, value: (..., T, d), (..., S, d), (..., S, dv).
        attn_mask: boolean, broadcasts to (..., T, S), True = may attend.
        dropout_p: the share of weights to drop, always: pass 0.0 outside training.
        is_causal: query t sees the keys 0 to t, also where T and S differ (as in PyTorch; in
            `tinytorch.attention` the last query stands at the last key).
        scale: instead of 1 / sqrt(d).

    >>> from tinytorch.tensor import Tensor
    >>> x = Tensor([[1.0], [2.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0]
    tensor([1.])
    """
    shape = scores_shape(query, key, value, scale)
    if is_causal:
        causal = wrap(np.tri(*shape[-2:], dtype=bool))
        attn_mask = causal if attn_mask is None else boolean(attn_mask) & causal
    kept = dropout(ones(shape, dtype=query.dtype), dropout_p) if dropout_p else None
    return attention.scaled_dot_product_attention(query, key, value, attn_mask, False, kept, scale)
