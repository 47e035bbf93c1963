"""Ways to fill a parameter, under the names that PyTorch gives them.

Each writes into the tensor that it gets, outside the graph, and returns it.
"""

import math

import numpy as np

from ..layers import RELU_GAIN, kaiming_uniform
from ..tensor import numpy_generator, wrap

__all__ = [
    "calculate_gain",
    "constant_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "eye_",
    "ones_",
    "orthogonal_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Overwrite with normal random numbers."""
    tensor.detach().normal_(mean, std, generator)  # detach: the writing belongs to no graph
    return tensor


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Overwrite with numbers spread evenly over [a, b)."""
    tensor.detach().uniform_(a, b, generator)
    return tensor


def constant_(tensor, val):
    """Overwrite with one value."""
    tensor.detach().fill_(val)
    return tensor


def zeros_(tensor):
    """Overwrite with zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor):
    """Overwrite with ones."""
    return constant_(tensor, 1.0)


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Overwrite with normal random numbers; those outside [a, b] are drawn again."""
    rng, shape = numpy_generator(generator), tensor.shape
    if not (a < b and a - 4 * std < mean < b + 4 * std):
        raise ValueError(f"trunc_normal_: hardly a number of {mean=}, {std=} is within [{a}, {b}]")
    numbers = rng.normal(mean, std, shape)
    while (outside := (numbers < a) | (numbers > b)).any():
        numbers[outside] = rng.normal(mean, std, int(outside.sum()))
    tensor.detach().copy_(wrap(numbers))
    return tensor


def eye_(tensor):
    """Overwrite a matrix with 1 on the diagonal, 0 elsewhere."""
    tensor.detach().copy_(wrap(np.eye(*tensor.shape)))
    return tensor


def orthogonal_(tensor, gain=1.0, generator=None):
    """Overwrite with rows (or columns, if there are more rows) at right angles, of length `gain`.

    Source: Saxe et al. 2013.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_ needs two dimensions or more, not {tensor.shape}")
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    flat = numpy_generator(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(flat)
    q = q * np.sign(np.diag(r))
    q = q if rows >= columns else q.T
    tensor.detach().copy_(wrap(gain * q.reshape(tensor.shape)))
    return tensor


def fans(tensor):
    """(fan_in, fan_out) of a weight (out, in, ...); further sizes are those of a kernel."""
    if tensor.ndim < 2:
        raise ValueError(f"fan-in and fan-out need a weight (out, in, ...), not {tensor.shape}")
    outputs, inputs, *kernel = tensor.shape
    return inputs * math.prod(kernel), outputs * math.prod(kernel)


def calculate_gain(nonlinearity, param=None):
    """The factor that makes up for what a nonlinearity takes away."""
    slope = 0.01 if param is None else param
    gains = {"linear": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": RELU_GAIN, "selu": 0.75}
    gains["leaky_relu"] = math.sqrt(2 / (1 + slope * slope))
    if nonlinearity not in gains:
        raise ValueError(f"no gain is known for {nonlinearity!r}: choose from {', '.join(gains)}")
    return gains[nonlinearity]


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Overwrite, uniform within +-bound: bound = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010.
    """
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Overwrite with normal numbers of std gain * sqrt(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010.
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Overwrite, uniform within +-bound: bound = gain * sqrt(3 / fan).

    Args:
        a: the slope of leaky_relu for negative numbers; 0 is a ReLU.
        mode: "fan_in" keeps the size of activations, "fan_out" that of gradients.

    Source: He et al. 2015.
    """
    fan, gain = fan_of(tensor, mode), calculate_gain(nonlinearity, a)
    tensor.detach().copy_(kaiming_uniform(tensor.shape, fan, gain, generator))
    return tensor


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Overwrite with normal numbers of std gain / sqrt(fan); see `kaiming_uniform_`.

    Source: He et al. 2015.
    """
    std = calculate_gain(nonlinearity, a) / math.sqrt(fan_of(tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def fan_of(tensor, mode):
    """The fan-in or the fan-out of a weight."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode is 'fan_in' or 'fan_out', not {mode!r}")
    return fans(tensor)[mode == "fan_out"]


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Normal numbers, of which in each column the share `sparsity` is 0, (n, m) -> the tensor."""
    normal_(tensor, 0.0, std, generator)
    rows, rng = tensor.shape[0], numpy_generator(generator)
    for column in range(tensor.shape[1]):
        zeros = rng.permutation(rows)[: math.ceil(sparsity * rows)]
        tensor.data[zeros, column] = 0
    return tensor


_calculate_fan_in_and_fan_out = fans
_calculate_correct_fan = fan_of
