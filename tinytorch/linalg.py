"""PyTorch's `linalg`, as far as tutorials use it; the decompositions have no gradient."""

import numpy as np

from .functions import norm as length
from .names.maths import det, solve
from .names.maths import inverse as inv
from .names.maths import sized as _sized
from .tensor import matmul, wrap

__all__ = ["det", "eigh", "inv", "matmul", "matrix_norm", "norm", "qr", "solve", "svd"]
__all__ += ["vector_norm"]


def norm(A, ord=None, dim=None, keepdim=False):
    """The length of all numbers or along `dim`: Args: as `tinytorch.norm`; ord=None means 2."""
    return length(A, 2 if ord is None else ord, dim, keepdim)


def vector_norm(x, ord=2, dim=None, keepdim=False):
    """The length of a vector: Args: as `tinytorch.norm`."""
    return length(x, ord, dim, keepdim)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False):
    """The Frobenius norm of matrices, (..., n, m) -> (...).

    Raises:
        ValueError: another norm.
    """
    if ord != "fro":
        raise ValueError(f"matrix_norm knows 'fro', not {ord!r}")
    return length(A, 2, dim, keepdim)


def _decomposed(name, x, *args):
    if x.requires_grad:
        raise RuntimeError(f"{name} has no gradient here: use x.detach()")
    found = getattr(np.linalg, name)(x.array, *args)
    return tuple(wrap(np.asarray(part)) for part in found)


def svd(A, full_matrices=True):
    """The triple (U, S, Vh) with A = U diag(S) Vh, (..., n, m) -> three Tensors."""
    return _decomposed("svd", A, full_matrices)


def qr(A, mode="reduced"):
    """The pair (Q, R) with A = Q R, (..., n, m) -> two Tensors."""
    return _decomposed("qr", A, mode)


def eigh(A):
    """The pair (values, vectors) of symmetric matrices, (..., n, n) -> two Tensors."""
    return _decomposed("eigh", _sized("eigh", A, A.ndim))
