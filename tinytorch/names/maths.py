"""Curves, reductions and products that PyTorch has and no lesson needs, each with its rule."""

import collections
import math

import numpy as np

from ..curves import erf as erf_of
from ..functions import Extremes, norm, picked, rule, std, stretched, to, variance
from ..tensor import (
    Tensor,
    add,
    amax,
    bool_,
    broadcast_shape,
    clone,
    common_dtype,
    dims_of,
    div,
    divisor,
    elementwise,
    eq,
    int64,
    matmul,
    mul,
    ne,
    neg,
    permute,
    primitive,
    real,
    reshape,
    squeeze,
    stack,
    sub,
    tensor_sum,
    transpose,
    unsqueeze,
    where,
    wrap,
)
from .places import spoken


def quiet():
    """As in PyTorch: inf and nan come without a warning."""
    return np.errstate(all="ignore")


# ---------------------------------------------------------------- curves: one number in, one out


def curve(name, formula, forward, slope):
    """A primitive that works number by number, and its rule: g times the slope."""

    def function(x):
        with quiet():
            return forward(real(x))

    def slope_rule(g, x, out):
        with quiet():
            return (g * slope(x, out)).astype(g.dtype, copy=False)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, element by element; any shape -> the same shape, real numbers."
    slope_rule.__name__ = f"{name}_rule"
    lifted = primitive(function)
    rule(slope_rule)
    return lifted


sin = curve("sin", "sin(x)", np.sin, lambda x, y: np.cos(x))
cos = curve("cos", "cos(x)", np.cos, lambda x, y: -np.sin(x))
tan = curve("tan", "tan(x)", np.tan, lambda x, y: 1 + y * y)
asin = curve("asin", "the angle whose sine is x", np.arcsin, lambda x, y: 1 / np.sqrt(1 - x * x))
acos = curve("acos", "the angle whose cosine is x", np.arccos, lambda x, y: -1 / np.sqrt(1 - x * x))
atan = curve("atan", "the angle whose tangent is x", np.arctan, lambda x, y: 1 / (1 + x * x))
sinh = curve("sinh", "(exp(x) - exp(-x)) / 2", np.sinh, lambda x, y: np.cosh(x))
cosh = curve("cosh", "(exp(x) + exp(-x)) / 2", np.cosh, lambda x, y: np.sinh(x))
asinh = curve("asinh", "the inverse of sinh", np.arcsinh, lambda x, y: 1 / np.sqrt(x * x + 1))
acosh = curve("acosh", "the inverse of cosh", np.arccosh, lambda x, y: 1 / np.sqrt(x * x - 1))
atanh = curve("atanh", "the inverse of tanh", np.arctanh, lambda x, y: 1 / (1 - x * x))
exp2 = curve("exp2", "2 to the power of x", np.exp2, lambda x, y: y * math.log(2))
expm1 = curve("expm1", "exp(x) - 1, exact near 0", np.expm1, lambda x, y: y + 1)
log2 = curve("log2", "the logarithm to base 2", np.log2, lambda x, y: 1 / (x * math.log(2)))
log10 = curve("log10", "the logarithm to base 10", np.log10, lambda x, y: 1 / (x * math.log(10)))
log1p = curve("log1p", "log(1 + x), exact near 0", np.log1p, lambda x, y: 1 / (1 + x))
rsqrt = curve("rsqrt", "1 / sqrt(x)", lambda x: 1 / np.sqrt(x), lambda x, y: -0.5 * y**3)
reciprocal = curve("reciprocal", "1 / x", lambda x: 1 / x, lambda x, y: -y * y)
deg2rad = curve("deg2rad", "degrees as radians", np.deg2rad, lambda x, y: math.pi / 180)
rad2deg = curve("rad2deg", "radians as degrees", np.rad2deg, lambda x, y: 180 / math.pi)


def through_math(function):
    """A function of Python's `math` on arrays, number by number: exact, and slow."""

    def on_array(x):
        return np.vectorize(function, otypes=[x.dtype])(x)

    return on_array


def bell(x, y):
    """The slope of erf."""
    return 2 / math.sqrt(math.pi) * np.exp(-x * x)


erf = curve("erf", "2/sqrt(pi) * the integral of exp(-t^2), 0 to x", erf_of, bell)
erfc = curve("erfc", "1 - erf(x)", through_math(math.erfc), lambda x, y: -bell(x, y))


@primitive
def square(x):
    """x * x, element by element; any shape -> the same shape and dtype; int64 of booleans."""
    return x * x if x.dtype != bool_ else x.astype(int64)


@rule
def square_rule(g, x):
    """2 x."""
    return 2 * g * x


# ---------------------------------------------------------------- steps: the slope is 0


def step(name, formula, forward):
    """A primitive that is flat nearly everywhere: nothing comes back through it."""

    def function(x):
        whole = x.dtype.kind == "b" or (x.dtype.kind != "f" and name != "sign")
        return x.copy() if whole else forward(x)

    def flat_rule(g):
        return np.zeros_like(g)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{formula}, element by element; any shape -> the same; its gradient is 0."
    flat_rule.__name__ = f"{name}_rule"
    lifted = primitive(function)
    rule(flat_rule)
    return lifted


floor = step("floor", "the next whole number below", np.floor)
ceil = step("ceil", "the next whole number above", np.ceil)
trunc = step("trunc", "without what is behind the point", np.trunc)
sign = step("sign", "-1, 0 or 1", lambda x: (x > 0).astype(x.dtype) - (x < 0))
rounded = step("rounded", "the nearest whole number, of two the even one", np.round)


def round(x, *, decimals=0):  # noqa: A001
    """The nearest number with so many decimals, of two the even one; its gradient is 0.

    >>> round(Tensor([0.5, 1.5, 2.4])).tolist()
    [0.0, 2.0, 2.0]
    """
    return rounded(x) if decimals == 0 else div(rounded(mul(x, 10.0**decimals)), 10.0**decimals)


def frac(x):
    """x - trunc(x): what is behind the point; any shape -> the same."""
    return sub(x, trunc(x))


# ---------------------------------------------------------------- questions: booleans


def isnan(x):
    """True where x is not a number; any shape -> the same, booleans."""
    return wrap(np.isnan(x.array))


def isinf(x):
    """True where x is inf or -inf; any shape -> the same, booleans."""
    return wrap(np.isinf(x.array))


def isfinite(x):
    """True where x is neither inf nor nan; any shape -> the same, booleans."""
    return wrap(np.isfinite(x.array))


def isclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """|x - other| <= atol + rtol * |other|, element by element; shapes broadcast -> booleans."""
    return wrap(np.asarray(np.isclose(x.array, other.array, rtol, atol, equal_nan)))


def allclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """True if `isclose` everywhere: a Python bool.

    >>> allclose(Tensor([1.0]), Tensor([1.0 + 1e-6]))
    True
    """
    return bool(isclose(x, other, rtol, atol, equal_nan).array.all())


def equal(x, other):
    """True if both have the same shape and the same numbers: a Python bool.

    >>> equal(Tensor([1, 2]), Tensor([1, 2])), equal(Tensor([1, 2]), Tensor([1]))
    (True, False)
    """
    if not isinstance(other, Tensor):
        raise TypeError(f"equal compares two tensors, not one with {other!r:.40}: use ==")
    return x.shape == other.shape and bool(np.array_equal(x.array, other.array))


# ---------------------------------------------------------------- two numbers in


@primitive(promote=real)
def atan2(y, x):
    """The angle of the point (x, y); both broadcast -> real numbers."""
    return np.arctan2(real(y), real(x))


@rule
def atan2_rule(g, y, x):
    """x / (x^2 + y^2) and -y / (x^2 + y^2); 0 at the origin, as in PyTorch."""
    length = x * x + y * y
    length = np.where(length == 0, 1, length)
    return g * x / length, -g * y / length


@elementwise
def fmod(x, y):
    """What division leaves, with the sign of x (`remainder` has that of y); both broadcast.

    >>> fmod(Tensor([-3.0]), 2)
    tensor([-1.])
    """
    with quiet():
        return np.fmod(x, divisor("fmod", x, y))


@rule
def fmod_rule(g, x, y):
    """z = x - y * trunc(x / y)."""
    with quiet():
        return g, -g * np.trunc(x / y)


@primitive(promote=real)
def logaddexp(x, y):
    """log(exp(x) + exp(y)) without overflow; both broadcast.

    >>> logaddexp(Tensor([1000.0]), Tensor([0.0]))
    tensor([1000.])
    """
    return np.logaddexp(real(x), real(y))


@rule
def logaddexp_rule(g, x, y, out):
    """Each has its share of the sum."""
    return g * np.exp(x - out), g * np.exp(y - out)


def lerp(x, end, weight):
    """x + weight * (end - x): the way from x to `end`; all broadcast.

    >>> lerp(Tensor([0.0]), Tensor([10.0]), 0.25)
    tensor([2.5])
    """
    return add(x, mul(weight, sub(end, x)))


def addcmul(x, tensor1, tensor2, *, value=1):
    """x + value * tensor1 * tensor2; all broadcast -> a new Tensor."""
    return add(x, mul(mul(tensor1, tensor2), value))


def addcdiv(x, tensor1, tensor2, *, value=1):
    """x + value * tensor1 / tensor2; all broadcast -> a new Tensor."""
    return add(x, mul(div(tensor1, tensor2), value))


def clamp_min(x, min):
    """x, but not below `min`.

    >>> clamp_min(Tensor([1.0, 3.0]), 2)
    tensor([2., 3.])
    """
    return x.clamp(min=min)


def clamp_max(x, max):
    """x, but not above `max`.

    >>> clamp_max(Tensor([1.0, 3.0]), 2)
    tensor([1., 2.])
    """
    return x.clamp(max=max)


@primitive(promote=real)
def hypot(x, y):
    """sqrt(x^2 + y^2) without overflow; both broadcast.

    >>> hypot(Tensor([3.0]), Tensor([4.0]))
    tensor([5.])
    """
    return np.hypot(real(x), real(y))


@rule
def hypot_rule(g, x, y, out):
    """x / z and y / z."""
    with quiet():
        return g * (x / out), g * (y / out)


@primitive(promote=real)
def xlogy(x, y):
    """x * log(y), and 0 where x is 0; both broadcast -> real numbers.

    >>> xlogy(Tensor([0.0, 2.0]), Tensor([0.0, 1.0]))
    tensor([0., 0.])
    """
    x, y = (real(v) if isinstance(v, np.ndarray) else v for v in (x, y))
    x, y = (np.asarray(v, np.result_type(x, y)) for v in (x, y))
    with quiet():
        return np.where((x == 0) & ~np.isnan(y), 0, x * np.log(y))


@rule
def xlogy_rule(g, x, y):
    """log(y), but 0 where it is not needed; and x / y."""
    with quiet():
        slope = np.where(np.equal(x, 0) & np.less_equal(y, 0), 0, np.log(y))
        return (g * slope).astype(g.dtype), (g * x / y).astype(g.dtype)


# ---------------------------------------------------------------- reductions


@primitive
def root(x):
    """sqrt(x), with the slope 0 at 0: so PyTorch treats lengths and standard deviations."""
    with quiet():
        return np.sqrt(real(x))


@rule
def root_rule(g, out):
    """1 / (2 sqrt(x)), but 0 at 0."""
    with quiet():
        return np.where(out == 0, 0, g / (2 * out)).astype(g.dtype, copy=False)


@primitive
def length(x, p):
    """x^(1/p), with the slope 0 at 0."""
    return x ** (1 / p)


@rule
def length_rule(g, x, p):
    """x^(1/p - 1) / p, but 0 at 0."""
    with quiet():
        return np.where(x == 0, 0, g * x ** (1 / p - 1) / p).astype(g.dtype, copy=False)


@primitive(promote=True)
def whole_quotient(x, other, rounding_mode):
    """x / other without what is behind the point: rounded down, or towards 0."""
    other, dtype = divisor("div", x, other), np.result_type(x, other)
    with quiet():
        if rounding_mode == "floor":
            return x // other
        if dtype.kind == "f":
            return np.trunc(x / other).astype(dtype, copy=False)
    return (x - np.fmod(x, other)) // other  # exact, also where a float is not


@rule
def whole_quotient_rule(g):
    """Flat nearly everywhere, like all steps."""
    return np.zeros_like(g), np.zeros_like(g)


def std_mean(x, dim=None, unbiased=True, keepdim=False, *, correction=None):
    """The pair (standard deviation, mean); arguments as for `std`.

    >>> std_mean(Tensor([1.0, 3.0]), unbiased=False)
    (tensor(1.), tensor(2.))
    """
    spread = std(x, dim, unbiased, keepdim, correction=correction)
    return spread, x.mean(None if isinstance(dim, bool) else dim, keepdim)


def var_mean(x, dim=None, unbiased=True, keepdim=False, *, correction=None):
    """The pair (variance, mean); arguments as for `var`.

    >>> var_mean(Tensor([1.0, 3.0]), unbiased=False)
    (tensor(1.), tensor(2.))
    """
    spread = variance(x, dim, unbiased, keepdim, correction)
    return spread, x.mean(None if isinstance(dim, bool) else dim, keepdim)


@primitive
def prod(x, dim=None, keepdim=False):
    """The product of all elements, or along `dim`; of whole numbers an int64.

    Args:
        x: any shape.
        dim: a dimension; None means all.
        keepdim: leave it in the shape, with size 1.

    >>> prod(Tensor([2.0, 3.0, 4.0]))
    tensor(24.)
    """
    return x.prod(axis=dim, keepdims=keepdim, dtype=None if x.dtype.kind == "f" else int64)


@rule
def prod_rule(g, x, dim, keepdim):
    """The product of all the others, which is right beside a 0 too."""
    if dim is None:
        return g * products_of_others(x.reshape(-1), 0).reshape(x.shape)
    return (g if keepdim else np.expand_dims(g, dim)) * products_of_others(x, dim)


def products_of_others(x, dim):
    """For each element the product of all others along `dim`: those before times those after."""
    ones = np.ones_like(np.take(x, [0], dim)) if x.shape[dim] else x
    first = np.delete(np.concatenate([ones, x], dim), -1, dim)
    before = np.cumprod(first, dim)
    last = np.flip(np.delete(np.concatenate([x, ones], dim), 0, dim), dim)
    return before * np.flip(np.cumprod(last, dim), dim)


@primitive
def cumprod(x, dim):
    """y_i = x_0 * ... * x_i along `dim`; any shape -> the same, of whole numbers an int64.

    >>> cumprod(Tensor([1, 2, 3]), 0)
    tensor([1, 2, 6])
    """
    return x.cumprod(axis=dim, dtype=None if x.dtype.kind == "f" else int64).reshape(x.shape)


@rule
def cumprod_rule(g, x, dim):
    """For each i the sum over j >= i of g_j and the product up to j without x_i."""
    if not x.ndim:
        return g
    x, g = np.moveaxis(x, dim, 0), np.moveaxis(g, dim, 0)
    back = np.zeros_like(g)
    for i in range(len(x)):
        without = x.copy()
        without[i] = 1
        back[i] = (g * without.cumprod(axis=0))[i:].sum(axis=0)
    return np.moveaxis(back, 0, dim)


@primitive
def logsumexp(x, dim, keepdim=False):
    """log(sum_i exp(x_i)) along `dim`, without overflow.

    Args:
        x: any shape.
        dim: a dimension or a tuple of them.
        keepdim: leave them in the shape, with size 1.

    >>> logsumexp(Tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    dim = tuple(dim) if isinstance(dim, list) else dim
    x = real(x)
    top = x.max(axis=dim, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
    with quiet():
        total = np.log(np.exp(x - top).sum(axis=dim, keepdims=True)) + top
    return total if keepdim else total.squeeze(dim)


@rule
def logsumexp_rule(g, x, dim, keepdim, out):
    """Each has its share of the sum."""
    dim = tuple(dim) if isinstance(dim, list) else dim
    if not keepdim:
        g, out = np.expand_dims(g, dim), np.expand_dims(out, dim)
    with quiet():
        return g * np.exp(x - out)


Pair = Extremes
Bounds = collections.namedtuple("Bounds", "min max")


def amin(x, dim=None, keepdim=False, axis=None, keepdims=False):
    """The smallest element, over all or over `dim`; of several smallest each has its share.

    Args:
        x: any shape, not empty.
        dim: a dimension or a tuple of them; None means all.
        keepdim: leave them in the shape, with size 1.
    """
    dim, keepdim = axis if dim is None else dim, keepdim or keepdims
    if x.dtype.kind == "f":
        return neg(amax(neg(x), dim, keepdim))
    return wrap(np.asarray(x.array.min(axis=dims_of(dim, x.ndim), keepdims=keepdim)))


def aminmax(x, *, dim=None, keepdim=False):
    """The smallest and the largest, as the pair (min, max); over all or along `dim`.

    >>> aminmax(Tensor([2.0, 1.0]))
    Bounds(min=tensor(1.), max=tensor(2.))
    """
    return Bounds(amin(x, dim, keepdim), amax(x, dim, keepdim))


def median(x, dim=None, keepdim=False):
    """The middle element, of an even number the lower one; with `dim` the pair (values, indices).

    Where there is a nan, that is what comes out.

    >>> median(Tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    if dim is None:  # of several in the middle each has its share of the gradient
        flat = reshape(x, (-1,))
        if not flat.shape[0] and x.dtype.kind != "f":
            raise ValueError(f"median: there is no element in {x.shape}, and {x.dtype} has no nan")
        found = median(flat, 0).values if flat.shape[0] else wrap(np.array(math.nan, x.dtype))
        same = flat.array == found.array
        return amax(flat[wrap(same)]) if same.any() else found
    middle = ranked("median", x, (x.size(dim) + 1) // 2, dim)
    lost = np.isnan(x.array)
    first = np.argmax(lost, axis=dim, keepdims=True)
    return picked(x, where(lost.any(axis=dim, keepdims=True), first, middle), dim, keepdim)


def kthvalue(x, k, dim=-1, keepdim=False):
    """The k-th smallest along `dim` (k counts from 1), as the pair (values, indices).

    Raises:
        ValueError: k is not between 1 and the size.
    """
    return picked(x, ranked("kthvalue", x, k, dim), dim, keepdim)


def ranked(name, x, k, dim):
    """Where the k-th smallest is; nan counts as the largest."""
    if not x.size(dim):
        raise ValueError(f"{name}: there is no element along {dim=} of {x.shape}")
    if not 1 <= k <= x.size(dim):
        raise ValueError(f"{name}: k={k} is not between 1 and the size {x.size(dim)} of {dim=}")
    return wrap(np.argsort(x.array, axis=dim, kind="stable").take([k - 1], axis=dim))


def quantile(x, q, dim=None, keepdim=False):
    """The number below which the share q lies, between two elements on the line through them.

    Args:
        x: any shape.
        q: a share from 0 to 1, or a 1-D Tensor of them, which comes first in the shape.
        dim: a dimension; None means all. keepdim: leave it in the shape, with size 1.

    Where there is a nan, that is what comes out.
    """
    if isinstance(q, Tensor) and q.ndim:
        return stack([quantile(x, float(v), dim, keepdim) for v in q.array])
    if not 0 <= float(q) <= 1:
        raise ValueError(f"quantile: q is a share from 0 to 1, not {q!r}")
    flat, along = (reshape(x, (-1,)), 0) if dim is None else (x, dim)
    if not flat.size(along):
        raise ValueError(f"quantile: there is no element in {x.shape}")
    place = float(q) * (flat.size(along) - 1)
    ends = (math.floor(place) + 1, math.ceil(place) + 1)
    low, high = (kthvalue(flat, k, along, keepdim).values for k in ends)
    lost = np.isnan(flat.array).any(axis=along, keepdims=keepdim)
    result = where(wrap(np.asarray(lost)), math.nan, lerp(low, high, place - int(place)))
    return reshape(result, (1,) * x.ndim) if keepdim and dim is None else result


def count_nonzero(x, dim=None):
    """How many elements are not 0, over all or over `dim`; int64.

    >>> count_nonzero(Tensor([0, 5, 0]))
    tensor(1)
    """
    return tensor_sum(ne(x, 0), dim)


def nansum(x, dim=None, keepdim=False):
    """The sum of all but nan; arguments as for `sum`.

    >>> nansum(Tensor([1.0, math.nan]))
    tensor(1.)
    """
    return tensor_sum(where(isnan(x), 0, x), dim, keepdim)


def nanmean(x, dim=None, keepdim=False):
    """The mean of all but nan; arguments as for `mean`.

    >>> nanmean(Tensor([1.0, math.nan, 3.0]))
    tensor(2.)
    """
    count = tensor_sum(to(~isnan(x), x.dtype), dim, keepdim)
    return div(nansum(x, dim, keepdim), count)


def nan_to_num(x, nan=0.0, posinf=None, neginf=None):
    """x with numbers for nan, inf and -inf; any shape -> the same.

    Args:
        nan, posinf, neginf: what stands there instead; 0, the largest and the smallest number.
    """
    if x.dtype.kind != "f":
        return clone(x)
    info = np.finfo(x.dtype)
    high = float(info.max) if posinf is None else posinf
    low = float(info.min) if neginf is None else neginf
    x = where(isnan(x), nan, x)
    return where(eq(x, math.inf), high, where(eq(x, -math.inf), low, x))


# ---------------------------------------------------------------- products


@primitive
def summed_product(tensors, letters):
    """np.einsum, with the letters written out: "ij,jk->ik"."""
    return np.asarray(np.einsum(letters, *tensors))


@rule
def summed_product_rule(g, tensors, letters, needs):
    """Of each factor: the gradient times all other factors, summed over what it has not."""
    inputs, output = letters.split("->")
    inputs, answers = inputs.split(","), []
    for i, own in enumerate(inputs):
        if not needs[i]:
            answers.append(None)
            continue
        others = [(w, t) for j, (w, t) in enumerate(zip(inputs, tensors)) if j != i]
        known = set(output).union(*(w for w, _ in others))
        reached = "".join(letter for letter in own if letter in known)
        call = ",".join([output, *(w for w, _ in others)]) + "->" + reached
        part = np.einsum(call, g, *(t for _, t in others))
        lost = [d for d, letter in enumerate(own) if letter not in known]
        answers.append(np.broadcast_to(np.expand_dims(part, lost), tensors[i].shape))
    return answers


def einsum(equation, *tensors):
    """Products, summed over the letters that the result has not: "bik,bkj->bij" is `bmm`.

    Args:
        equation: a letter for each dimension; "..." for any dimensions in front. Without "->" the
            result has the letters that stand once, in the order of the alphabet.
        tensors: as many as there are groups of letters; or one list of them.

    Raises:
        ValueError: letters and shapes do not fit; a letter twice in one group has no gradient here.

    >>> einsum("i,i->", Tensor([1.0, 2.0]), Tensor([3.0, 4.0]))
    tensor(11.)
    """
    if not isinstance(equation, str):
        raise TypeError("einsum: the letters come first, as text: einsum('ij,jk->ik', x, y)")
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    groups, output = _written_out(equation.replace(" ", ""), [t.ndim for t in tensors])
    for group, t in zip(groups, tensors):
        if len(set(group)) < len(group) and t.requires_grad:
            raise ValueError(f"einsum: {group!r} names a dimension twice: take diagonal() first")
    kinds = {t.dtype for t in tensors}
    if len(kinds) > 1:
        common = common_dtype(tensors, [t.array for t in tensors])
        tensors = tuple(to(t, common) for t in tensors)
    if strange := set(output) - set("".join(groups)):
        raise ValueError(f"einsum: {min(strange)!r} of the result is in no tensor's letters")
    with spoken("summed_product", "einsum"):
        return summed_product(tensors, ",".join(groups) + "->" + output)


def _written_out(equation, dims):
    """The letters of every factor and of the result, with letters for "..."."""
    left, arrow, output = equation.partition("->")
    groups = left.split(",")
    if len(groups) != len(dims):
        raise ValueError(f"einsum: {equation!r} is for {len(groups)} tensors, not {len(dims)}")
    spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in equation]
    named = [len(group.replace("...", "")) for group in groups]
    for group, size, ndim in zip(groups, named, dims):
        if size > ndim or (size < ndim and "..." not in group):
            raise ValueError(f"einsum: {group!r} has {size} letters for {ndim} dimensions")
    widest = max([n - s for g, s, n in zip(groups, named, dims) if "..." in g], default=0)
    front = "".join(spare[:widest])
    if not arrow:
        once = sorted(c for c in set(left) - set(",.") if left.count(c) == 1)
        output = ("..." if "..." in left else "") + "".join(once)
    groups = [g.replace("...", front[widest - (n - s) :]) for g, s, n in zip(groups, named, dims)]
    return groups, output.replace("...", front)


def sized(name, x, ndim):
    """x, if it has that many dimensions."""
    if x.ndim != ndim:
        raise ValueError(f"{name} takes {ndim}-dimensional tensors, and the shape is {x.shape}")
    return x


def mm(x, mat2):
    """The product of two matrices, (n, k) @ (k, m) -> (n, m); ValueError for other shapes."""
    return matmul(sized("mm", x, 2), sized("mm", mat2, 2))


def bmm(x, mat2):
    """The products of two batches of matrices, (B, n, k) @ (B, k, m) -> (B, n, m)."""
    if sized("bmm", x, 3).shape[0] != sized("bmm", mat2, 3).shape[0]:
        raise ValueError(f"bmm: the batches differ, {x.shape} and {mat2.shape}: matmul broadcasts")
    return matmul(x, mat2)


def mv(x, vec):
    """A matrix times a vector, (n, k) @ (k,) -> (n,); ValueError for other shapes."""
    return matmul(sized("mv", x, 2), sized("mv", vec, 1))


def dot(x, tensor):
    """sum_i x_i y_i of two vectors (n,) -> one number; ValueError for other shapes."""
    return matmul(sized("dot", x, 1), sized("dot", tensor, 1))


def inner(x, other):
    """The product over the last dimension of both: (..., k) and (... 2, k) -> (..., ... 2).

    >>> inner(Tensor([1.0, 2.0]), Tensor([3.0, 4.0]))
    tensor(11.)
    """
    if not x.ndim or not other.ndim:
        return mul(x, other)
    return tensordot(x, other, ([-1], [-1]))


def outer(x, vec2):
    """z_ij = x_i y_j: (n,) and (m,) -> (n, m); ValueError for other shapes."""
    return mul(unsqueeze(sized("outer", x, 1), 1), sized("outer", vec2, 1))


def addmm(x, mat1, mat2, *, beta=1, alpha=1):
    """beta * x + alpha * (mat1 @ mat2): (n, k) @ (k, m), and x broadcasts -> (n, m).

    With beta=0 what is in x does not matter, be it nan.
    """
    return added("addmm", x, mm(mat1, mat2), beta, alpha)


def added(name, x, product, beta, alpha):
    """beta * x + alpha * product, where x broadcasts to the shape of the product."""
    if broadcast_shape(x.shape, product.shape) != product.shape:
        raise ValueError(f"{name}: {x.shape} does not broadcast to the product's {product.shape}")
    product = mul(product, alpha)
    return add(mul(x, beta), product) if beta else product


def baddbmm(x, batch1, batch2, *, beta=1, alpha=1):
    """beta * x + alpha * (batch1 @ batch2): (B, n, k) @ (B, k, m) -> (B, n, m)."""
    return added("baddbmm", x, bmm(batch1, batch2), beta, alpha)


def tensordot(x, other, dims=2):
    """The product summed over the last `dims` dimensions of x and the first of `other`.

    Args:
        dims: how many; or a pair of lists, the dimensions of x and those of `other`.

    Raises:
        ValueError: the sizes of the dimensions differ, or there are not so many.
    """
    if isinstance(dims, int):
        if not 0 <= dims <= min(x.ndim, other.ndim):
            raise ValueError(f"tensordot: {dims=} of the shapes {x.shape} and {other.shape}")
        mine, theirs = list(range(x.ndim - dims, x.ndim)), list(range(dims))
    else:
        mine, theirs = ([*dims_of(ds, t.ndim)] if ds else [] for ds, t in zip(dims, (x, other)))
    if [x.shape[d] for d in mine] != [other.shape[d] for d in theirs]:
        told = f"dimensions {mine} of {x.shape} and {theirs} of {other.shape}"
        raise ValueError(f"tensordot: the sizes that are summed over differ: {told}")
    rest = [d for d in range(x.ndim) if d not in mine]
    others = [d for d in range(other.ndim) if d not in theirs]
    inner = math.prod(x.shape[d] for d in mine)
    left = reshape(permute(x, (*rest, *mine)), (math.prod(x.shape[d] for d in rest), inner))
    width = math.prod(other.shape[d] for d in others)
    right = reshape(permute(other, (*theirs, *others)), (inner, width))
    shape = [x.shape[d] for d in rest] + [other.shape[d] for d in others]
    return reshape(matmul(left, right), tuple(shape))


def kron(x, other):
    """Every element of x times all of `other`: (n, m) and (p, q) -> (n p, m q), and so for others.

    >>> kron(Tensor([1, 10]), Tensor([2, 3]))
    tensor([ 2,  3, 20, 30])
    """
    ndim = max(x.ndim, other.ndim)
    sizes = [(*(1,) * (ndim - t.ndim), *t.shape) for t in (x, other)]
    left = reshape(x, tuple(n for size in sizes[0] for n in (size, 1)))
    right = reshape(other, tuple(n for size in sizes[1] for n in (1, size)))
    return reshape(mul(left, right), tuple(n * m for n, m in zip(*sizes)))


def cdist(x1, x2, p=2.0):
    """The distances of all pairs of rows: (..., n, d) and (..., m, d) -> (..., n, m)."""
    if x1.shape[-1:] != x2.shape[-1:]:
        raise ValueError(f"cdist: the rows have different lengths in {x1.shape} and {x2.shape}")
    return norm(sub(unsqueeze(x1, -2), unsqueeze(x2, -3)), p, -1)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 . x2 / (|x1| |x2|) along `dim`; each length counts at least as `eps`.

    >>> cosine_similarity(Tensor([[3.0, 4.0]]), Tensor([[6.0, 8.0]]))
    tensor([1.])
    """
    shape = broadcast_shape(x1.shape, x2.shape)
    x1, x2 = stretched(x1, shape), stretched(x2, shape)
    lengths = (norm(x, 2, dim, True).clamp(min=eps) for x in (x1, x2))
    return tensor_sum(mul(*(div(x, n) for x, n in zip((x1, x2), lengths))), dim)


# ---------------------------------------------------------------- linear algebra


@primitive
def inverse(x):
    """The inverse of square matrices, (..., n, n) -> the same; ValueError if there is none."""
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"these matrices have no inverse: {error}") from None


@rule
def inverse_rule(g, out):
    """-Y^T G Y^T, where Y is the inverse."""
    turned = out.swapaxes(-1, -2)
    return -turned @ g @ turned


@primitive
def det(x):
    """The determinant of square matrices, (..., n, n) -> (...)."""
    return np.asarray(np.linalg.det(x))


@rule
def det_rule(g, x, out):
    """The cofactors, from the singular values, so that a matrix without an inverse has them too."""
    left, sizes, right = np.linalg.svd(x)
    turn = (g * np.linalg.det(left) * np.linalg.det(right))[..., None, None]
    return turn * ((left * products_of_others(sizes, -1)[..., None, :]) @ right)


@primitive
def log_det(x):
    """log|det| of square matrices, (..., n, n) -> (...), where det itself would overflow, too."""
    return np.asarray(np.linalg.slogdet(real(x))[1])


@rule
def log_det_rule(g, x):
    """(X^-1)^T."""
    return g[..., None, None] * inverse.on_arrays(x).swapaxes(-1, -2)


@primitive(promote=True)
def solution(x, other):
    """Y with X Y = B of matrices, without the inverse; ValueError if there is none."""
    try:
        return np.linalg.solve(x, other)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"no single solution: {error}") from None


@rule
def solution_rule(g, x, out):
    """B gets X^-T g, and X gets -X^-T g Y^T."""
    back = np.linalg.solve(x.swapaxes(-1, -2), g)
    return -back @ out.swapaxes(-1, -2), back


def solve(A, B):
    """y with A @ y = B: (..., n, n) and (..., n) or (..., n, m) -> the shape of `B`.

    As in PyTorch `B` holds vectors if it has one dimension or the shape of A without the last.
    """
    with spoken("solution", "solve"):
        if B.ndim == 1 or B.shape == A.shape[:-1]:
            return squeeze(solution(A, unsqueeze(B, -1)), -1)
        return solution(A, B)


def trace(x):
    """The sum of the diagonal of a matrix -> one number."""
    return tensor_sum(sized("trace", x, 2).diagonal())


def t(x):
    """The transpose of a matrix, as a view; a vector is itself; ValueError beyond.

    >>> t(Tensor([[1, 2]]))
    tensor([[1],
            [2]])
    """
    if x.ndim > 2:
        raise ValueError(f"t() is for matrices, and the shape is {x.shape}: use transpose(i, j)")
    return transpose(x, 0, 1) if x.ndim == 2 else x


def adjoint(x):
    """Every matrix turned, (..., n, m) -> (..., m, n), as a view: for real numbers it is x.mT."""
    return x.mT
