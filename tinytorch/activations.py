# Written by tito export from modules/02_activations/activations.ipynb.
# Edit the notebook, not this file.

"""A bend makes depth worth something."""

__all__ = [
    "relu",
    "sigmoid",
    "tanh",
    "silu",
    "slope_of_gelu",
    "gelu",
    "gelu_exact",
    "softmax",
    "log_softmax",
]


# %% imports
import math

import numpy as np

from .curves import erf
from .tensor import primitive, real, recording


# %% relu
@primitive
def relu(x):
    """relu(x) = max(x, 0), element by element.

    Args:
        x: any shape.

    Returns:
        The same shape and dtype; the input is not changed.

    Source: Fukushima 1969; Nair & Hinton 2010 for deep networks.

    >>> from tinytorch.tensor import Tensor
    >>> relu(Tensor([-2.0, 0.0, 3.0]))
    tensor([0., 0., 3.])
    """
    return np.maximum(x, 0)


# %% sigmoid
@primitive
def sigmoid(x):
    """sigmoid(x) = 1 / (1 + exp(-x)), element by element, without overflow for any x.

    Args:
        x: any shape.

    Returns:
        The same shape, between 0 and 1.

    >>> from tinytorch.tensor import Tensor
    >>> sigmoid(Tensor([-1000.0, 0.0, 1000.0]))
    tensor([0. , 0.5, 1. ])
    """
    x = real(x)  # whole numbers become float32
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, small) / (1 + small)


# %% tanh
@primitive
def tanh(x):
    """tanh(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)), element by element, between -1 and 1.

    Args:
        x: any shape.
    """
    return np.tanh(real(x))


# %% silu
@primitive
def silu(x):
    """silu(x) = x * sigmoid(x), element by element; also called Swish.

    Args:
        x: any shape.

    Source: Hendrycks & Gimpel 2016 (name), Elfwing et al. 2017, Ramachandran et al. 2017.

    >>> from tinytorch.tensor import Tensor
    >>> silu(Tensor([0.0, 1.0]))
    tensor([0.    , 0.7311])
    """
    x = real(x)  # whole numbers become float32
    return x * sigmoid.on_arrays(x)


# %% gelu
def slope_of_gelu(x, y, gate, c):
    """How steep gelu is at x: gate + y * (1 - gate) * 2 c (1 + 3 * 0.044715 x^2), y = x * gate.

    It writes into one array again and again: a new one for every step would take longer.
    """
    slope = x * x
    slope *= 6 * 0.044715 * c
    slope += 2 * c
    slope *= y
    slope *= 1 - gate
    slope += gate
    return slope


@primitive
def gelu(x):
    """gelu(x) = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))), the form that GPT-2 uses.

    Args:
        x: any shape. What grows like x^3 has to fit into a float32: beyond about 10^13 in size
            NumPy warns of an overflow; of -inf it gives nan, as PyTorch does.

    Returns:
        The same shape. Differs from `gelu_exact` by less than 0.0005.

    Source: Hendrycks & Gimpel 2016.

    >>> from tinytorch.tensor import Tensor
    >>> gelu(Tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1588,  0.    ,  0.8412])
    """
    x = real(x)  # whole numbers become float32
    c = math.sqrt(2 / math.pi)
    gate = x * x  # in place, c (x + 0.044715 x^3) as x (c + c 0.044715 x^2), then the tanh of it
    gate *= c * 0.044715
    gate += c
    gate *= x
    gate = np.tanh(gate)
    gate *= 0.5
    gate += 0.5
    y = x * gate
    return (y, slope_of_gelu(x, y, gate, c)) if recording() else y


# %% gelu-exact
@primitive
def gelu_exact(x):
    """gelu(x) = x * P(Z < x) = x/2 * (1 + erf(x / sqrt(2))), the definition.

    Args:
        x: any shape.

    Source: Hendrycks & Gimpel 2016.
    """
    x = real(x)
    share = 0.5 * (1 + erf(x * math.sqrt(0.5)))  # P(Z < x)
    if not recording():
        return x * share
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return x * share, share + x * density  # the curve, and how steep it is


# %% softmax
@primitive
def softmax(x, dim=-1):
    """softmax(x)_i = exp(x_i) / sum_j exp(x_j), with the sum along `dim`.

    Args:
        x: scores, any shape with at least one dimension.
        dim: the dimension whose elements shall sum to 1.

    Returns:
        The same shape; not negative, and 1 when summed along `dim`. Large scores do not overflow.

    Source: Bridle 1990 for the name; the distribution is Boltzmann's, 1868.

    >>> from tinytorch.tensor import Tensor
    >>> softmax(Tensor([[0.0, 0.0], [1000.0, 0.0]]))
    tensor([[0.5, 0.5],
            [1. , 0. ]])
    """
    x = real(x)  # whole numbers become float32
    exponentials = np.exp(x - x.max(axis=dim, keepdims=True))
    return exponentials / exponentials.sum(axis=dim, keepdims=True)


# %% log_softmax
@primitive
def log_softmax(x, dim=-1):
    """log_softmax(x)_i = x_i - log(sum_j exp(x_j)), with the sum along `dim`.

    Args:
        x: scores, any shape with at least one dimension.
        dim: the dimension of the classes.

    Returns:
        The same shape, at most 0 everywhere; finite where log(softmax(x)) is -inf.

    >>> from tinytorch.tensor import Tensor
    >>> log_softmax(Tensor([[0.0, 200.0]]))
    tensor([[-200.,    0.]])
    """
    x = real(x)  # whole numbers become float32
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
