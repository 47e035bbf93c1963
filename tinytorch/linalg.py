"""PyTorch's `linalg`, as far as tutorials use it; the decompositions have no gradient."""

import collections

import numpy as np

from .functions import norm as length
from .names.further import cross as _cross
from .names.further import lower_root
from .names.maths import det, solve
from .names.maths import inverse as inv
from .names.maths import sized as _sized
from .tensor import matmul, wrap

__all__ = ["cholesky", "cross", "det", "eigh", "eigvalsh", "inv", "logdet", "lstsq", "matmul"]
__all__ += ["matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv"]
__all__ += ["qr", "slogdet", "solve", "svd", "svdvals", "vector_norm"]


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


def _decomposed(name, x, form, *args):
    if x.requires_grad:
        raise RuntimeError(f"{name} has no gradient here: use x.detach()")
    found = getattr(np.linalg, name)(x.array, *args)
    return form(*(wrap(np.asarray(part)) for part in found))


SVD = collections.namedtuple("SVD", "U S Vh")
OldSVD = collections.namedtuple("OldSVD", "U S V")
QR = collections.namedtuple("QR", "Q R")
Eigen = collections.namedtuple("Eigen", "eigenvalues eigenvectors")
SignLog = collections.namedtuple("SignLog", "sign logabsdet")
LeastSquares = collections.namedtuple("LeastSquares", "solution residuals rank singular_values")


def svd(A, full_matrices=True):
    """The triple (U, S, Vh) with A = U diag(S) Vh, (..., n, m) -> three Tensors."""
    return _decomposed("svd", A, SVD, full_matrices)


def old_svd(A, some=True, compute_uv=True):
    """The triple (U, S, V) with A = U diag(S) V^T: `torch.svd`, (..., n, m) -> three Tensors."""
    U, S, Vh = _decomposed("svd", A, SVD, not some)
    return OldSVD(U, S, Vh.mT)


def svdvals(A):
    """The singular values of matrices, (..., n, m) -> (..., min(n, m))."""
    return svd(A, False).S


def qr(A, mode="reduced"):
    """The pair (Q, R) with A = Q R, (..., n, m) -> two Tensors."""
    return _decomposed("qr", A, QR, mode)


def eigh(A, UPLO="L"):
    """The pair (values, vectors) of symmetric matrices, (..., n, n) -> two Tensors."""
    return _decomposed("eigh", _sized("eigh", A, A.ndim), Eigen, UPLO)


def eigvalsh(A, UPLO="L"):
    """The eigenvalues of symmetric matrices, (..., n, n) -> (..., n)."""
    return eigh(A, UPLO).eigenvalues


def cholesky(A, upper=False):
    """L, lower triangular, with L L^T = A, positive definite, (..., n, n) -> the same shape.

    Raises:
        ValueError: A is not positive definite.
    """
    L = lower_root(A)
    return L.mT if upper else L


def pinv(A, rcond=1e-15):
    """The Moore-Penrose inverse of matrices, (..., n, m) -> (..., m, n); without a gradient."""
    if A.requires_grad:
        raise RuntimeError("pinv has no gradient here: use A.detach()")
    return wrap(np.linalg.pinv(A.array).astype(A.dtype))


def matrix_rank(A, tol=None):
    """How many rows are independent, (..., n, m) -> (...), int64."""
    return wrap(np.asarray(np.linalg.matrix_rank(A.array, tol)))


def matrix_power(A, n):
    """A @ A @ ..., n times; a negative n takes the inverse, (..., m, m) -> the same shape."""
    base = inv(A) if n < 0 else A
    if n == 0:
        return wrap(np.broadcast_to(np.eye(A.shape[-1], dtype=A.dtype), A.shape).copy())
    result = base
    for _ in range(abs(n) - 1):
        result = matmul(result, base)
    return result


def matrix_exp(A):
    """1 + A + A^2 / 2 + ..., by scaling and squaring, (..., n, n) -> the same shape."""
    size = float(np.abs(A.array).sum(-1).max(initial=0))
    times = max(0, int(np.ceil(np.log2(size))) + 4) if size > 0 else 0
    small, term = A / 2**times, matrix_power(A, 0)
    total = term
    for n in range(1, 12):
        term = matmul(term, small) / n
        total = total + term
    for _ in range(times):
        total = matmul(total, total)
    return total


def slogdet(A):
    """The pair (sign, log|det|) of square matrices, (..., n, n) -> two Tensors."""
    value = det(A)
    return SignLog(value.detach().sign(), value.abs().log())


def logdet(A):
    """log(det) of square matrices, (..., n, n) -> (...)."""
    return det(A).log()


def lstsq(A, B, rcond=None, *, driver=None):
    """The X for which |A X - B| is smallest: (n, m) and (n, k) -> a tuple with the solution."""
    if A.ndim > 2:
        return LeastSquares(matmul(pinv(A.detach()), B), *(wrap(np.zeros(0, A.dtype)),) * 3)
    found = np.linalg.lstsq(A.array, B.array, rcond)
    parts = [wrap(np.asarray(part)) for part in found]
    parts[0], parts[1] = (wrap(part.array.astype(A.dtype)) for part in parts[:2])
    return LeastSquares(*parts)


def multi_dot(tensors, *more):
    """All matrices multiplied, one after the other: a list of Tensors -> a Tensor."""
    first, *others = (tensors, *more) if more else tensors
    for other in others:
        first = matmul(first, other)
    return first


def cross(input, other, dim=-1):
    """The vector at right angles to both: see `tinytorch.cross` -> the same shape."""
    return _cross(input, other, dim)
