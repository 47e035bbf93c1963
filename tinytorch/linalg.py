"""PyTorch's `linalg`, as far as tutorials use it; the decompositions have no gradient."""

import collections

import numpy as np

from . import messages as _messages
from . import names as _names
from .functions import matrices as _matrices
from .functions import norm as length
from .names.further import cross as _cross
from .names.further import lower_root
from .names.maths import det, log_det, solve
from .names.maths import inverse as inv
from .tensor import dims_of, matmul, real, where, wrap

__all__ = ["cholesky", "cross", "det", "eigh", "eigvalsh", "inv", "logdet", "lstsq", "matmul"]
__all__ += ["matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv"]
__all__ += ["qr", "slogdet", "solve", "svd", "svdvals", "vector_norm"]


def __getattr__(name):
    raise _names.unknown(name, __name__, __all__)


def norm(A, ord=None, dim=None, keepdim=False):
    """A vector norm along one dimension, a matrix norm over two; without ord the root of squares.

    Raises:
        ValueError: ord is given, and there are neither one nor two dimensions.
    """
    if ord is None:
        return length(A, 2, dim, keepdim)
    dims = dims_of(dim, A.ndim)
    if len(dims) not in (1, 2):
        raise ValueError(f"norm: {ord=} is for one dimension or two, not for {A.shape}, {dim=}")
    return (vector_norm if len(dims) == 1 else matrix_norm)(A, ord, dims, keepdim)


def vector_norm(x, ord=2, dim=None, keepdim=False):
    """The length of a vector: Args: as `tinytorch.norm`, but ord is a number."""
    if isinstance(ord, str):
        raise ValueError(f"vector_norm: ord is a number, not {ord!r}: see matrix_norm")
    return length(x, ord, dim, keepdim)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False):
    """A norm of matrices, (..., n, m) -> (...).

    Args:
        ord: "fro", the root of all squares; 1 or inf, the largest sum of a column or row; 2, the
            largest singular value, "nuc", their sum; -1, -inf and -2 the smallest instead.
        dim: the dimensions of rows and columns. keepdim: leave them in the shape, with size 1.

    Raises:
        ValueError: another norm, or these are not two dimensions.
    """
    dims = dims_of(dim, A.ndim)
    if len(dims) != 2 or dims[0] == dims[1]:
        raise ValueError(f"matrix_norm: {dim=} are not two dimensions of {A.shape}")
    if ord == "fro":
        return length(A, 2, dims, keepdim)
    if ord not in (1, -1, 2, -2, np.inf, -np.inf, "nuc"):
        raise ValueError(f"matrix_norm knows 'fro', 'nuc', 1, 2, inf, -1, -2, -inf, not {ord!r}")
    rest = [d for d in range(A.ndim) if d not in dims]
    A = A.permute(*rest, *dims)
    singular = ord in (2, -2, "nuc")
    sizes = svdvals(A) if singular else A.abs().sum(-2 if abs(ord) == 1 else -1)
    found = sizes.sum(-1) if ord == "nuc" else sizes.amax(-1) if ord > 0 else sizes.amin(-1)
    for d in sorted(dims) if keepdim else ():
        found = found.unsqueeze(d)
    return found


def _decomposed(name, x, form, *args):
    if x.requires_grad:
        raise RuntimeError(f"{name} has no gradient here: use x.detach()")
    try:
        found = getattr(np.linalg, name)(x.array, *args)
    except np.linalg.LinAlgError as error:
        raise _messages.explained(error, name, ("x",), [x.array]) from None
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
    if not compute_uv:
        raise ValueError("svd: compute_uv=False leaves only S: use linalg.svdvals(A)")
    U, S, Vh = _decomposed("svd", A, SVD, not some)
    return OldSVD(U, S, Vh.mT)


def svdvals(A):
    """The singular values of matrices, (..., n, m) -> (..., min(n, m))."""
    return svd(A, False).S


def qr(A, mode="reduced"):
    """The pair (Q, R) with A = Q R, (..., n, m) -> two Tensors. Args: mode, or "complete"."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode is 'reduced' or 'complete', not {mode!r}")
    return _decomposed("qr", A, QR, mode)


def eigh(A, UPLO="L"):
    """The pair (values, vectors) of symmetric matrices, (..., n, n) -> two Tensors."""
    return _decomposed("eigh", A, Eigen, UPLO)


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


def pinv(A, rcond=None):
    """The Moore-Penrose inverse of matrices, (..., n, m) -> (..., m, n); without a gradient.

    Args:
        rcond: singular values below that share of the largest count as 0; None means what
            rounding explains, max(n, m) times the dtype's eps.
    """
    if A.requires_grad:
        raise RuntimeError("pinv has no gradient here: use A.detach()")
    x = real(A.array)
    rcond = max(x.shape[-2:]) * np.finfo(x.dtype).eps if rcond is None else rcond
    return wrap(np.linalg.pinv(x, rcond).astype(x.dtype))


def matrix_rank(A, tol=None):
    """How many rows are independent, (..., n, m) -> (...), int64. Args: tol, of singular values."""
    _matrices(A)
    return wrap(np.asarray(np.linalg.matrix_rank(A.array, tol)))


def matrix_power(A, n):
    """A @ A @ ..., n times; a negative n takes the inverse, (..., m, m) -> the same shape."""
    if A.shape[-2:-1] != A.shape[-1:] or A.ndim < 2:
        raise ValueError(f"matrix_power: {A.shape} are no square matrices")
    base = inv(A) if n < 0 else A.clone()
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
    size = log_det(A)  # first, as it refuses what has no determinant
    return SignLog(wrap(np.asarray(np.linalg.slogdet(real(A.array))[0])), size)


def logdet(A):
    """log(det) of square matrices, (..., n, n) -> (...); nan where det is negative."""
    sign, size = slogdet(A)
    return where(sign < 0, np.nan, size)


def lstsq(A, B, rcond=None, *, driver=None):
    """The X for which |A X - B| is smallest: (n, m) and (n, k) -> a tuple with the solution.

    Raises:
        RuntimeError: A or B asks for a gradient. ValueError: the dimensions do not fit.
    """
    if A.requires_grad or B.requires_grad:
        raise RuntimeError("lstsq has no gradient here: use detach()")
    if A.ndim > 2:
        if B.ndim != A.ndim:
            raise ValueError(f"lstsq: {A.shape} and {B.shape} differ in their dimensions")
        return LeastSquares(matmul(pinv(A.detach()), B), *(wrap(np.zeros(0, A.dtype)),) * 3)
    found = np.linalg.lstsq(A.array, B.array, rcond)
    parts = [wrap(np.asarray(part)) for part in found]
    parts[0], parts[1] = (wrap(part.array.astype(A.dtype)) for part in parts[:2])
    parts[2] = parts[2].long()
    return LeastSquares(*parts)


def multi_dot(tensors, *more):
    """All matrices multiplied, one after the other: a list of Tensors -> a Tensor."""
    first, *others = tensors if isinstance(tensors, (list, tuple)) else (tensors, *more)
    for other in others:
        first = matmul(first, other)
    return first


def cross(input, other, dim=-1):
    """The vector at right angles to both: see `tinytorch.cross` -> the same shape."""
    return _cross(input, other, dim)
