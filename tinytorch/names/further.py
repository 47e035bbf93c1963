"""More of what PyTorch computes: bits, special functions, and what is rarely asked for."""

import collections
import itertools
import math

import numpy as np

from ..curves import erf as erf_of
from ..functions import gather, norm, rule, to
from ..tensor import (
    Tensor,
    add,
    bool_,
    cat,
    clone,
    dims_of,
    int64,
    log,
    matmul,
    mul,
    permute,
    primitive,
    real,
    recording,
    reshape,
    squeeze,
    sub,
    tensor_abs,
    tensor_sum,
    unsqueeze,
    where,
    wrap,
)
from .maths import Pair, bell, curve, mv, sign, sized
from .places import flip, spoken

# ---------------------------------------------------------------- bits


def on_bits(name, formula, operation):
    """A function of two tensors of whole numbers or booleans, without a gradient."""

    def function(x, other):
        first, second = (getattr(v, "array", v) for v in (x, other))
        if any(np.asarray(v).dtype.kind == "f" for v in (first, second)):
            raise TypeError(f"{name} works on whole numbers and booleans: use x.long()")
        if isinstance(second, int) and getattr(first, "dtype", bool_) != bool_:
            second = np.asarray(second).astype(first.dtype)  # its upper bits are lost
        return wrap(np.asarray(operation(first, second)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, element by element, of whole numbers; they broadcast ->"
    return function


bitwise_and = on_bits("bitwise_and", "x & y, bit by bit", np.bitwise_and)
bitwise_or = on_bits("bitwise_or", "x | y, bit by bit", np.bitwise_or)
bitwise_xor = on_bits("bitwise_xor", "x ^ y, bit by bit", np.bitwise_xor)
bitwise_left_shift = on_bits("bitwise_left_shift", "x * 2^y", np.left_shift)
bitwise_right_shift = on_bits("bitwise_right_shift", "x // 2^y", np.right_shift)


def shifted_left(x, number):
    """number << x, where the number is no Tensor -> the shape of x."""
    return bitwise_left_shift(number, x)


def shifted_right(x, number):
    """number >> x, where the number is no Tensor -> the shape of x."""
    return bitwise_right_shift(number, x)


def bitwise_not(x):
    """All bits turned over, of whole numbers or booleans -> the same shape."""
    return ~x


# ---------------------------------------------------------------- curves


def lanczos(x):
    """log(gamma(x)), number by number; inf at 0, -1, -2, ..."""

    def one(z):
        return math.inf if math.isinf(z) or (z <= 0 and z == math.floor(z)) else math.lgamma(z)

    return np.vectorize(one, otypes=[x.dtype])(x)


def psi(x, y=None):
    """The slope of lgamma: by its recurrence up to 6, then by its series; mirrored below 0."""
    x = np.array(x, np.float64)
    if (x < 0).any():
        mirrored = psi(1 - np.minimum(x, 0)) - math.pi / np.tan(math.pi * x)
        poles = (x < 0) & (x == np.floor(x))
        return np.where(x < 0, np.where(poles, math.nan, mirrored), psi(np.where(x < 0, 1, x)))
    total = np.zeros_like(x)
    for _ in range(6):
        small = x < 6
        total -= np.where(small, 1 / np.where(small, x, 1), 0)
        x = np.where(small, x + 1, x)
    r = 1 / (x * x)
    series = r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r / 132))))
    return total + np.log(x) - 0.5 / x - series


def psi_slope(x, y):
    """The slope of digamma, by its recurrence up to 6 and its series; mirrored below 0."""
    x = np.array(x, np.float64)
    if (x < 0).any():
        mirrored = (math.pi / np.sin(math.pi * x)) ** 2 - psi_slope(1 - np.minimum(x, 0), y)
        return np.where(x < 0, mirrored, psi_slope(np.where(x < 0, 1, x), y))
    total = np.zeros_like(x)
    for _ in range(6):
        small = x < 6
        total += np.where(small, 1 / np.where(small, x, 1) ** 2, 0)
        x = np.where(small, x + 1, x)
    r = 1 / (x * x)
    series = r * (1 / 6 - r * (1 / 30 - r * (1 / 42 - r * (1 / 30 - r * 5 / 66))))
    return total + 1 / x + r / 2 + series / x


def inverse_erf(x):
    """The number whose erf is x, by Newton's steps from an approximation (Giles 2010)."""
    x64 = np.array(x, np.float64)
    w = np.log((1 - x64) * (1 + x64)) / 2 + 2 / (math.pi * 0.147)
    y = np.sign(x64) * np.sqrt(np.sqrt(w * w - np.log((1 - x64) * (1 + x64)) / 0.147) - w)
    for _ in range(3):
        y -= (erf_of(y) - x64) / (2 / math.sqrt(math.pi) * np.exp(-y * y))
    return np.where(np.abs(x64) == 1, x64 * math.inf, y).astype(x.dtype)


lgamma = curve("lgamma", "log(gamma(x))", lanczos, psi)
digamma = curve("digamma", "the slope of lgamma", lambda x: psi(x).astype(x.dtype), psi_slope)
erfinv = curve("erfinv", "the number whose erf is x", inverse_erf, lambda x, y: 1 / bell(y, None))
sinc = curve(
    "sinc", "sin(pi x) / (pi x)", np.sinc,
    lambda x, y: np.where(x == 0, 0, (np.cos(math.pi * x) - y) / np.where(x == 0, 1, x)),
)  # fmt: skip


def logit(x, eps=None):
    """log(x / (1 - x)): any shape -> the same. Args: eps, which keeps x from 0 and 1."""
    x = x if x.dtype.kind == "f" else x.float()
    x = x if eps is None else x.clamp(eps, 1 - eps)
    return log(x / (1 - x))


def signbit(x):
    """True where the sign is -, also of -0.0 -> booleans."""
    return wrap(np.signbit(x.array))


def copysign(x, other):
    """|x| with the sign of other; they broadcast -> real numbers."""
    real = isinstance(other, Tensor) and other.dtype.kind == "f"
    x = x if real or x.dtype.kind == "f" else x.float()
    kind = other.dtype if real else x.dtype
    signs = np.copysign(np.float32(1), getattr(other, "array", other)).astype(kind)
    return mul(tensor_abs(x), wrap(np.asarray(signs)))


def heaviside(x, values):
    """0 where x < 0 or nan, values where it is 0, 1 above -> the dtype of x."""
    return wrap(np.where(x.array == 0, values.array, x.array > 0).astype(x.dtype))


def float_power(x, exponent):
    """x^exponent in float64; they broadcast -> float64."""
    exponent = to(exponent, np.float64) if isinstance(exponent, Tensor) else exponent
    return to(x, np.float64) ** exponent


def positive(x):
    """x itself -> x."""
    return x


def nextafter(x, other):
    """The next number that the dtype can say, from x towards other -> the same dtype."""
    return wrap(np.nextafter(x.array, other.array))


# ---------------------------------------------------------------- reductions


def extremes_so_far(x, dim, largest):
    """The pair (values, indices) of the largest or smallest number so far."""
    if x.ndim == 0:
        values, indices = extremes_so_far(unsqueeze(x, 0), dim, largest)
        return Pair(squeeze(values, 0), squeeze(indices, 0))
    x.size(dim)  # refuses what x has not
    moved = np.moveaxis(x.array, dim, 0)
    indices = np.zeros(moved.shape, int64)
    best, places = moved[:1], indices[:1]
    for i, row in enumerate(moved):
        better = (row >= best if largest else row <= best) | (row != row)  # a nan stays
        best, places = np.where(better, row, best), np.where(better, i, places)
        indices[i : i + 1] = places
    indices = wrap(np.ascontiguousarray(np.moveaxis(indices, 0, dim)))
    return Pair(gather(x, dim, indices), indices)


def cummax(x, dim):
    """The largest so far along `dim` -> the pair (values, indices).

    >>> cummax(Tensor([1.0, 3.0, 2.0]), 0).values
    tensor([1., 3., 3.])
    """
    return extremes_so_far(x, dim, True)


def cummin(x, dim):
    """The smallest so far along `dim` -> the pair (values, indices)."""
    return extremes_so_far(x, dim, False)


@primitive
def logcumsumexp(x, dim):
    """log(exp(x_0) + ... + exp(x_i)) along `dim` -> the same shape."""
    return np.logaddexp.accumulate(real(x), dim) if x.ndim else real(x).copy()


@rule
def logcumsumexp_rule(g, x, dim, out):
    """x_j is in every y_i from j on, with the share exp(x_j - y_i); the y never fall."""
    if not x.ndim:
        return g
    g, y = (np.moveaxis(t, dim, 0) for t in (g, out))
    total = np.array(g)
    for i in range(len(y) - 2, -1, -1):
        total[i] += total[i + 1] * np.exp(np.where(y[i] == y[i + 1], 0, y[i] - y[i + 1]))
    share = np.exp(np.where(x == out, 0, x - out))
    return (np.moveaxis(total, 0, dim) * share).astype(out.dtype, copy=False)


def mode(x, dim=-1, keepdim=False):
    """The most frequent value along `dim`, of several the smallest -> (values, indices)."""
    if not x.ndim:
        return Pair(clone(x), wrap(np.zeros((), int64)))
    x.size(dim)  # refuses what x has not

    def place(row):
        values, counts = np.unique(row, return_counts=True)
        return np.flatnonzero(row == values[counts.argmax()])[-1]

    indices = np.expand_dims(np.apply_along_axis(place, dim, x.array), dim)
    values, indices = gather(x, dim, wrap(indices)), wrap(indices)
    return Pair(values, indices) if keepdim else Pair(values.squeeze(dim), indices.squeeze(dim))


def dist(x, other, p=2):
    """The length of x - other -> one number. Args: p, which length."""
    return norm(sub(x, other), p)


Histogram = collections.namedtuple("Histogram", "hist bin_edges")


def histogram(x, bins=100, *, range=None, weight=None, density=False):
    """How many elements lie in each part, and the edges -> the pair (hist, bin_edges).

    Args:
        bins: how many parts, or a Tensor of edges. range: (low, high).
        weight: how much each element counts. density: divide by total and width.
    """
    bins, weight = (getattr(v, "array", v) for v in (bins, weight))
    found = np.histogram(x.array, bins, range, density, weight)
    return Histogram(*(wrap(part.astype(x.dtype)) for part in found))


def trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """The area under a line through the points -> without that dimension. Args: x, or dx."""

    def ends(t):
        n = t.size(dim)
        return t.narrow(dim, 1, n - 1), t.narrow(dim, 0, n - 1)

    if x is not None and x.ndim == 1:  # it says where the points of `dim` are
        x = reshape(x, tuple(-1 if d == dim % y.ndim else 1 for d in range(y.ndim)))
    return tensor_sum(mul(add(*ends(y)), dx if x is None else sub(*ends(x))), dim) / 2


def renorm(x, p, dim, maxnorm):
    """The slices along `dim`, scaled to a length of at most maxnorm -> the shape of x."""
    [own] = dims_of(dim, x.ndim)
    others = tuple(d for d in range(x.ndim) if d != own)
    lengths = norm(x, p, others, True)
    return mul(x, where(lengths > maxnorm, maxnorm / (lengths + 1e-7), 1.0))


def cov(x, *, correction=1):
    """The covariances of the rows: (n, m) -> (n, n). Args: correction, off the number m."""
    x = x if x.ndim == 2 else reshape(x, (1, -1))
    centred = sub(x, x.mean(1, True))
    found = matmul(centred, centred.mT) / wrap(np.array(max(x.shape[1] - correction, 0), x.dtype))
    return found.squeeze() if found.shape == (1, 1) else found


def corrcoef(x):
    """The correlations of the rows: (n, m) -> (n, n)."""
    found = cov(x)
    if not found.ndim:  # of one row: nothing to compare it with
        return found / found
    spread = found.diagonal().sqrt()
    return found / (spread.unsqueeze(0) * spread.unsqueeze(1))


# ---------------------------------------------------------------- products and shapes


def cross(x, other, dim=None):
    """The vector at right angles to both, of three numbers along `dim` -> the same shape."""
    if dim is None:
        dim = next((d for d in range(x.ndim) if x.shape[d] == 3), 0)
    if x.ndim != other.ndim or not x.size(dim) == other.size(dim) == 3:
        raise ValueError(f"cross: dim {dim} has 3 sizes in both, not {x.shape} and {other.shape}")
    order = ((1, 2, 0), (2, 0, 1))
    a, b = ([t.index_select(dim, Tensor(list(o))) for o in order] for t in (x, other))
    return sub(mul(a[0], b[1]), mul(a[1], b[0]))


def addmv(x, mat, vec, *, beta=1, alpha=1):
    """beta * x + alpha * (mat @ vec): (n,), (n, k), (k,) -> (n,)."""
    return add(mul(x, beta), mul(mv(mat, vec), alpha))


def addr(x, vec1, vec2, *, beta=1, alpha=1):
    """beta * x + alpha * vec1_i vec2_j: (n, m), (n,), (m,) -> (n, m)."""
    return add(mul(x, beta), mul(ger(vec1, vec2), alpha))


def block_diag(*tensors):
    """Matrices along the diagonal of a larger one, zeros elsewhere -> a matrix."""
    tensors = [reshape(t, (1, -1)) if t.ndim < 2 else t for t in tensors]
    wide, rows, done = sum(t.shape[1] for t in tensors), [], 0
    for t in tensors:
        ends = [(t.shape[0], done), (t.shape[0], wide - done - t.shape[1])]
        zeros = [wrap(np.zeros(shape, t.dtype)) for shape in ends]
        rows.append(cat([zeros[0], t, zeros[1]], 1))
        done += t.shape[1]
    return cat(rows, 0)


def combinations(x, r=2, with_replacement=False):
    """All choices of r elements of a vector, a row each -> (n, r)."""
    kind = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(kind(range(len(x)), r)), int64).reshape(-1, r)
    return sized("combinations", x, 1)[wrap(places)]


def hsplit(x, indices_or_sections):
    """Cut along dim 1, vectors along dim 0 -> a tuple of views."""
    return evenly("hsplit", x, indices_or_sections, 0 if x.ndim == 1 else 1)


def vsplit(x, indices_or_sections):
    """Cut along dim 0 -> a tuple of views."""
    return evenly("vsplit", x, indices_or_sections, 0)


def evenly(name, x, parts, dim):
    """`tensor_split` into parts of one size."""
    if isinstance(parts, int) and (parts < 1 or x.shape[dim] % parts):
        raise ValueError(f"{name}: the size {x.shape[dim]} cannot be cut into {parts} equal parts")
    return x.tensor_split(parts, dim)


def rot90(x, k=1, dims=(0, 1)):
    """Turned by k quarters of a circle in the plane of two dimensions -> a Tensor."""
    first, second = dims
    for _ in range(k % 4):
        order = list(range(x.ndim))
        order[first], order[second] = order[second], order[first]
        x = flip(permute(x, tuple(order)), (first,))
    return x if k % 4 else clone(x)


def ger(x, vec2):
    """The old name of `outer`: (n,) and (m,) -> (n, m)."""
    return mul(sized("ger", x, 1).unsqueeze(1), vec2)


REDUCED = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def scatter_reduce(x, dim, index, src, reduce, *, include_self=True):
    """`scatter`, where what meets at one place is reduced; a gradient for "sum" and "mean" alone.

    Args:
        reduce: "sum", "mean", "prod", "amax" or "amin". include_self: what is there counts, too.

    Raises:
        ValueError: another word. NotImplementedError: a gradient that is not here.
    """
    from .places import places_of, scatter, scatter_add, sources

    parts = sources("scatter_reduce", index, src, x).array
    if reduce != "mean" and reduce not in REDUCED:
        raise ValueError(f"scatter_reduce: no {reduce!r}, but mean, {', '.join(REDUCED)}")
    if reduce not in ("sum", "mean") and recording() and (x.requires_grad or src.requires_grad):
        told = "use detach(), or amax() over a dimension of its own"
        raise NotImplementedError(f"scatter_reduce has no gradient for {reduce!r} here: {told}")
    if not include_self:
        info = np.iinfo(x.dtype) if x.dtype.kind in "iu" else None
        low, high = (info.min, info.max) if info else (-math.inf, math.inf)
        start = {"sum": 0, "mean": 0, "prod": 1, "amax": low, "amin": high}
        x = scatter(x, dim, index, start[reduce])
    if reduce in ("sum", "mean"):
        total = scatter_add(x, dim, index, src)
        if reduce == "sum":
            return total
        ones = wrap(np.ones(src.shape, x.dtype))
        counts = scatter_add(wrap(np.full(x.shape, float(include_self), x.dtype)), dim, index, ones)
        counts = counts.clamp(min=1)
        return total / counts if x.dtype.kind == "f" else total // counts
    result = x.array.copy()
    REDUCED[reduce].at(np.atleast_1d(result), places_of(dim, index.array), parts)
    return wrap(result)


def lower_root(x):
    """The lower triangular matrix L with L L^T = x, (..., n, n) -> the same."""
    with spoken("cholesky_root", "cholesky"):
        return cholesky_root(x)


@primitive
def cholesky_root(x):
    """The same, with errors in its own name."""
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"only a square matrix has a root, not {x.shape}")
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        raise ValueError("the matrix is not positive definite") from None


@rule
def cholesky_root_rule(g, out):
    """By the rule of Murray 2016: L^-T phi(L^T g) L^-1, made symmetric."""
    inverse = np.linalg.inv(out)
    inner = np.tril(out.swapaxes(-1, -2) @ g)
    half = np.eye(out.shape[-1], dtype=bool)
    inner = np.where(half, inner / 2, inner)
    found = inverse.swapaxes(-1, -2) @ inner @ inverse
    return (found + found.swapaxes(-1, -2)) / 2


sgn = sign
