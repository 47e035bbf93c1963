"""Curves that NumPy does not have, on arrays."""

import math

import numpy as np

# erf(x) = tanh(x p(x^2)) on [-4, 4], to 1e-8; p was fitted to math.erf, by weighted least squares
POLYNOMIAL = (
    *(1.12837924, 0.102771444, -0.000204514643, -0.000597964481, 7.09742571e-05),
    *(7.65428737e-07, -1.18183986e-06, 1.44823742e-07, -7.85749011e-09, 1.65807096e-10),
)


def erf(x):
    """erf(x) = 2/sqrt(pi) * the integral of exp(-t^2) from 0 to x.

    Args:
        x: array of any shape.

    Returns:
        The same shape and dtype. In float32 it is the tanh of x times a polynomial of x^2, right
        to 1e-7; in any other dtype Python's `math.erf`, exact, and many times slower.

    >>> erf(np.array([0.0, 0.5, -9.0], np.float32)).round(4)
    array([ 0.    ,  0.5205, -1.    ], dtype=float32)
    """
    if x.dtype != np.float32:
        return np.vectorize(math.erf, otypes=[x.dtype])(x)
    x = np.clip(x, -4.2, 4.2)  # beyond, erf is 1 in float32
    square = x * x
    curve = np.full_like(x, POLYNOMIAL[-1])
    for coefficient in POLYNOMIAL[-2::-1]:
        curve *= square
        curve += coefficient
    curve *= x
    return np.tanh(curve)
