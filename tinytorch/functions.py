"""PyTorch's further names: whoever knows them finds them here, and no lesson needs them.

What has a gradient of its own is a primitive, with its rule right below it; all else is made of
the operations of module 01. Most of it is reached as `tinytorch.name` or as a method of Tensor.
"""

import collections
import contextlib
import math
import sys

import numpy as np

from .tensor import (
    RULES,
    SLOTS,
    Tensor,
    _switch,
    add,
    amax,
    argmax,
    bool_,
    cast,
    clone,
    dims_of,
    div,
    float64,
    getitem,
    int32,
    int64,
    logical_not,
    masked_fill,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    on_cpu,
    one_tuple,
    primitive,
    rand,
    randn,
    recording,
    require_kind,
    reshape,
    squeeze,
    sub,
    tensor_abs,
    tensor_sum,
    var,
    wrap,
    write_result,
)

_yours = dict(RULES), dict(SLOTS)  # what notebook 06 has defined stays when this is imported
from .autograd import backward, compact, no_grad, retain_grad, rule  # noqa: E402

RULES.update(_yours[0])
SLOTS.update(_yours[1])

# ---------------------------------------------------------------- primitives, each with its rule


@primitive(promote=True)
def clamp(x, min=None, max=None):
    """x, but not below `min` and not above `max`, element by element; both broadcast.

    Args:
        x: any shape.
        min, max: numbers or Tensors, or None for no bound.

    Raises:
        ValueError: there is no bound at all, or the shapes do not broadcast.
    """
    if min is None and max is None:
        raise ValueError("one of min= and max= is needed")
    return np.clip(x, min, max)


@rule
def clamp_rule(g, x, min, max):
    """The gradient goes to the one of the three that was taken; at a bound, to x."""
    lower = -np.inf if min is None else min
    upper = np.inf if max is None else max
    inside = (x >= lower) & (x <= upper)
    below = (x < lower) & (lower < upper)
    above = (x > upper) | (upper < lower)  # bounds the wrong way round: `max` wins
    return tuple(np.where(part, g, 0) for part in (inside, below, above))


@primitive
def cumsum(x, dim, dtype=None):
    """y_i = x_0 + ... + x_i along `dim`; of whole numbers an int64, unless dtype says more.

    >>> cumsum(Tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    dtype = dtype or (None if x.dtype.kind == "f" else int64)
    return x.cumsum(axis=dim, dtype=dtype).reshape(x.shape)


@rule
def cumsum_rule(g, dim):
    """x_i is in y_i and in all that follow."""
    return g if not g.ndim else np.flip(np.flip(g, dim).cumsum(axis=dim), dim)


def matrices(x):
    """x, if it is at least one matrix."""
    if x.ndim < 2:
        raise ValueError(f"a matrix has two dimensions, and the shape is {x.shape}")
    return x


@primitive
def triu(x, diagonal=0):
    """The part on and above a diagonal, zeros elsewhere.

    Args:
        x: (..., N, M).
        diagonal: 0 is the main one, 1 the one above it.

    Raises:
        ValueError: x has fewer than two dimensions.
    """
    return np.triu(matrices(x), diagonal)


@rule
def triu_rule(g, diagonal):
    """Where there are zeros, nothing comes back."""
    return np.triu(g, diagonal)


@primitive
def tril(x, diagonal=0):
    """The part on and below a diagonal, zeros elsewhere.

    Args:
        x: (..., N, M).
        diagonal: 0 is the main one, -1 the one below it.

    Raises:
        ValueError: x has fewer than two dimensions.
    """
    return np.tril(matrices(x), diagonal)


@rule
def tril_rule(g, diagonal):
    """Where there are zeros, nothing comes back."""
    return np.tril(g, diagonal)


@primitive
def gather(x, dim, index):
    """y[i][j] = x[i][index[i][j]] along dim 1, and likewise for others and for more dimensions.

    >>> gather(Tensor([[1, 2], [3, 4]]), 1, Tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    need_dims(x, index)
    if index.size and index.min() < 0:
        raise IndexError(f"the index {index.min()} is below 0: mask such places, then clamp(min=0)")
    return np.asarray(np.atleast_1d(x)[places_of(dim, index)])


@rule
def gather_rule(g, x_shape, dim, index):
    """Back to where it was picked; what was picked twice adds up."""
    back = np.zeros(x_shape, g.dtype)
    np.add.at(np.atleast_1d(back), places_of(dim, index), g)
    return back


def need_dims(x, index, name=""):
    """Refuse an index with another number of dimensions than x; none counts as one."""
    if max(index.ndim, 1) != max(x.ndim, 1):
        told = f"{index.ndim} dimension{'s' * (index.ndim != 1)}"
        raise ValueError(f"{name}the index has {told} and x has {x.ndim}")


def places_of(dim, index):
    """The full index of every place that `gather` picks: its own, but `index` along `dim`.

    A single number is one place in one dimension.
    """
    places = list(np.indices(index.shape, sparse=True)) or [index]
    places[dims_of(dim, len(places))[0]] = index
    return tuple(places)


@primitive(name="expand")
def stretched(x, shape):
    """Sizes of 1 stretched to `shape`, as a view that cannot be written; -1 leaves a size."""
    old = (1,) * (len(shape) - x.ndim) + x.shape
    new = tuple(o if s == -1 else s for s, o in zip(shape, old))
    if (
        len(shape) < x.ndim
        or -1 in shape[: len(shape) - x.ndim]
        or any(o not in (1, n) for o, n in zip(old, new))
    ):
        raise ValueError(f"only a size of 1 can be stretched, and {x.shape} does not fit {shape}")
    return np.broadcast_to(x, new)


@rule
def expand_rule(g):
    """The walk undoes the stretching, as it undoes all broadcasting."""
    return g


def expanded(x, *shape):
    """`x.expand(2, 3)`: sizes of 1 stretched without copying; -1 leaves a size as it is."""
    return stretched(x, one_tuple(shape))


# ---------------------------------------------------------------- reductions

Extremes = collections.namedtuple("Extremes", "values indices")


def tensor_max(x, dim=None, keepdim=False, axis=None, keepdims=False, out=None):
    """The largest element, or with `dim` the pair (values, indices) along it.

    >>> tensor_max(Tensor([[1.0, 3.0], [4.0, 2.0]]), dim=1)
    Extremes(values=tensor([3., 4.]), indices=tensor([1, 0]))
    """
    if out is not None:
        from .names.wider import written

        return written(tensor_max(x, dim, keepdim, axis, keepdims), out)
    if isinstance(dim, Tensor):
        return maximum(x, dim)
    dim, keepdim = axis if dim is None else dim, keepdim or keepdims
    if dim is None:
        return amax(x, None, keepdim)
    dims_of(dim, x.ndim)  # refuses what x has not
    return picked(x, argmax(x, dim, True), dim, keepdim)


def tensor_min(x, dim=None, keepdim=False, axis=None, keepdims=False, out=None):
    """The smallest element, or with `dim` the pair (values, indices) along it."""
    if out is not None:
        from .names.wider import written

        return written(tensor_min(x, dim, keepdim, axis, keepdims), out)
    if isinstance(dim, Tensor):
        return minimum(x, dim)
    dim, keepdim = axis if dim is None else dim, keepdim or keepdims
    if dim is None:
        return turned(amax(turned(x), None, keepdim))
    dims_of(dim, x.ndim)
    return picked(x, argmin(x, dim, True), dim, keepdim)


tensor_max.__qualname__, tensor_min.__qualname__ = "max", "min"  # as Python's errors name them


def picked(x, indices, dim, keepdim):
    """The elements at `indices` along `dim`, and the indices."""
    values = gather(x, dim, indices)
    if not keepdim:
        values, indices = squeeze(values, dim), squeeze(indices, dim)
    return Extremes(values, indices)


def turned(x):
    """x in the reverse order: -x, or for whole numbers and booleans ~x, which never overflows."""
    return neg(x) if x.dtype.kind == "f" else logical_not(x)


def argmin(x, dim=None, keepdim=False, axis=None, keepdims=False):
    """Where the smallest element is, the first if there are several; int64.

    Args:
        x: any shape, not empty.
        dim: a dimension; None counts through all elements, row by row.
        keepdim: leave it in the shape, with size 1.

    Raises:
        ValueError: there is no element. IndexError: x has no such dimension.
    """
    dim = axis if dim is None else dim
    if 0 in [x.shape[d] for d in dims_of(dim, x.ndim)]:
        raise ValueError(f"argmin: no element is there to be the smallest (x {x.shape}, {dim=})")
    return argmax(turned(x), dim, keepdim or keepdims)


def topk(x, k, dim=-1, largest=True, sorted=True):
    """The k largest (or smallest) elements along `dim`, in order, as the pair (values, indices).

    >>> topk(Tensor([1.0, 5.0, 3.0]), 2).indices
    tensor([1, 2])
    """
    if not x.ndim:  # a single number: it is the largest and the smallest
        row = topk(reshape(x, (1,)), k or 1, dim)
        return Extremes(*(reshape(found, ()) for found in row))
    axis = dims_of(dim, x.ndim)[0]
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"topk: k={k} is not between 0 and the size {x.shape[axis]} of dim {dim}")
    keys = (turned(x) if largest else x).array
    if largest and keys.dtype.kind == "f":
        keys = np.where(np.isnan(keys), -np.inf, keys)  # nan counts as the largest
    order = np.argsort(keys, axis=axis, kind="stable")
    indices = wrap(np.take(order, np.arange(k), axis=axis))
    return Extremes(gather(x, axis, indices), indices)


def std(x, dim=None, unbiased=True, keepdim=False, *, correction=None, axis=None, keepdims=False):
    """The standard deviation: the root of the variance.

    Args:
        x: any shape.
        dim: a dimension or a tuple of them; None means all.
        unbiased: divide by n - 1, else by n.
        keepdim: leave the dimensions in the shape, with size 1.
        correction: instead of `unbiased`: divide by n - correction.
    """
    from .names.maths import root

    return root(variance(x, dim, unbiased, keepdim, correction, axis, keepdims))


def variance(x, dim=None, unbiased=True, keepdim=False, correction=None, axis=None, keepdims=False):
    """`var`, with every spelling of PyTorch: var(False), correction=0.

    >>> variance(Tensor([1.0, 3.0]), None, True, False, correction=0)
    tensor(1.)
    """
    dim, keepdim = axis if dim is None else dim, keepdim or keepdims
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    dim = None if isinstance(dim, list) and not dim else dim
    whole = math.prod(x.shape[d] for d in dims_of(dim, x.ndim))
    if correction in (None, 0, 1):
        unbiased = unbiased if correction is None else correction == 1
        return var(x, dim, unbiased and whole > 0, keepdim)  # of no numbers it is nan
    share = whole / (whole - correction) if whole > correction else math.inf
    return mul(var(x, dim, False, keepdim), share)


def norm(x, p=2, dim=None, keepdim=False, axis=None, keepdims=False, dtype=None):
    """The length of a vector: (sum_i |x_i|^p)^(1/p).

    Args:
        x: any shape.
        p: 2 or "fro", 1, any positive number, inf (the largest), -inf, 0 (how many are not 0).
        dim: a dimension or a tuple of them; None means all.
        keepdim: leave the dimensions in the shape, with size 1.
        dtype: convert first.

    Raises:
        ValueError: p has no meaning.

    >>> norm(Tensor([3.0, 4.0]))
    tensor(5.)
    """
    x = to(x, dtype=dtype)
    x = x if x.dtype.kind == "f" else x.float()  # squares of uint8 would overflow
    dim, keepdim = axis if dim is None else dim, keepdim or keepdims
    if isinstance(p, (tuple, list)) or (isinstance(p, str) and p != "fro") or p is None:
        raise ValueError(f"norm: p is a number or 'fro', not {p!r}; a dimension is given as dim=")
    from .names.maths import length, root

    if p in (2, "fro"):
        return root(tensor_sum(mul(x, x), dim, keepdim))
    size = tensor_abs(x)
    if p in (math.inf, -math.inf):
        return amax(size, dim, keepdim) if p > 0 else neg(amax(neg(size), dim, keepdim))
    if p == 1:
        return tensor_sum(size, dim, keepdim)
    if p == 0:
        return tensor_sum(to(ne(x, 0), x.dtype), dim, keepdim)
    if not p > 0:
        raise ValueError(f"norm: p is a positive number, 0, inf or -inf, not {p!r}")
    return length(tensor_sum(size**p, dim, keepdim), p)


# ---------------------------------------------------------------- shapes


def dim(x):
    """How many dimensions."""
    return x.ndim


def size(x, dim=None):
    """The shape, or the size of one dimension."""
    if dim is None:
        return Size(x.shape)
    if not x.ndim:
        raise IndexError("a single number has no dimension, and so no size of one")
    return x.shape[dims_of(dim, x.ndim)[0]]


class Size(tuple):
    """The size of each dimension: a tuple that can count the elements.

    >>> Size((2, 3)).numel()
    6
    """

    __slots__ = ()

    def numel(self):
        """How many elements a tensor of this shape has."""
        return math.prod(self)


def view(x, *shape):
    """`x.view(2, 3)`: `reshape` that refuses to copy."""
    if shape and isinstance(shape[0], np.dtype):
        raise TypeError(f"view(dtype) looks at the bits, which is not here: use to({shape[0]})")
    shape = one_tuple(shape)
    result = reshape(x, shape)
    if x.array.size and not np.may_share_memory(result.array, x.array):
        raise ValueError(f"view: {x.shape} cannot become {shape} without a copy: use reshape")
    return result


def contiguous(x, memory_format=None):
    """x itself if its numbers lie in memory in reading order, else a copy whose do."""
    return x if x.array.flags.c_contiguous else clone(x)


def split(x, split_size, dim=0):
    """Cut along `dim` into views of a size (the last may be smaller), or of the sizes in a list.

    >>> [part.tolist() for part in split(Tensor([1, 2, 3]), 2)]
    [[1, 2], [3]]
    """
    dim = dims_of(dim, x.ndim)[0]
    total, sizes = x.shape[dim], split_size
    if not isinstance(sizes, (list, tuple)):
        if split_size < 1:
            raise ValueError(f"split: a part has at least one element, not {split_size}")
        sizes = [split_size] * max(1, -(-total // split_size))
    elif sum(sizes) != total or min(sizes, default=0) < 0:
        raise ValueError(f"split: the sizes {sizes} do not add up to the {total} of dim {dim}")
    starts = np.cumsum([0, *sizes]).tolist()
    before = (slice(None),) * dim
    return tuple(
        getitem(x, (*before, slice(start, min(start + size, total))))
        for start, size in zip(starts, sizes)
    )


def chunk(x, chunks, dim=0):
    """Cut along `dim` into `chunks` views of about the same size.

    Returns:
        A tuple of views; (5, 3) in 2 chunks gives (3, 3) and (2, 3).

    Raises:
        IndexError: x has no such dimension.
    """
    if chunks < 1:
        raise ValueError(f"chunk: into at least 1 part, not {chunks}")
    if not size(x, dim):
        return split(x, [0] * chunks, dim)
    return split(x, -(-size(x, dim) // chunks), dim)


# ---------------------------------------------------------------- methods: other dtypes


def to(x, *wanted, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None):
    """The same numbers in another dtype; of devices there is only "cpu".

    Args:
        wanted: a dtype, a device, a Tensor that has both; True and False (non_blocking) are
            understood and change nothing.
        copy: a copy also where nothing changes.
    """
    for want in (*wanted, dtype, device):
        if isinstance(want, Tensor):
            dtype = want.dtype
        elif str(want).split(":")[0] in ("cpu", "cuda", "mps", "xpu", "meta"):
            on_cpu(x, want)
        elif want is not None and not isinstance(want, bool):
            try:
                dtype = np.dtype(want)
            except TypeError:
                if not isinstance(want, str | int):
                    raise
                told = f"to: {want!r} is no dtype, such as tinytorch.float32"
                raise TypeError(f"{told}, and no device: there is only 'cpu'") from None
    if dtype is None or dtype == x.dtype:
        return clone(x) if copy else x
    return cast(x, dtype)


def double(x):
    """As float64."""
    return to(x, float64)


def long(x):
    """As int64."""
    return to(x, int64)


def to_int32(x):
    """As int32: `x.int()`."""
    return to(x, int32)


def to_bool(x):
    """As booleans: `x.bool()`."""
    return to(x, bool_)


def type_as(x, other):
    """In the dtype of another tensor."""
    return to(x, other.dtype)


def cpu(x, memory_format=None):
    """x itself: there is no other device."""
    return x


# ---------------------------------------------------------------- methods: writing in place
# A leaf that requires grad is never written (see `Tensor._write`). A result of recorded operations
# becomes the result of one more, unless somebody else looks into its numbers.


def rewritten(x, result, what, instead):
    """Write `result` over x; where that step is recorded, x becomes the result.

    Raises:
        RuntimeError: x is a leaf that requires grad, or its numbers are shared.
        ValueError, TypeError: the result has another shape, or does not fit the dtype.
    """
    leaf = x.requires_grad and x.is_leaf
    if leaf or not (recording() and (x.requires_grad or result.requires_grad)):
        return write_result(x, result, what, instead)
    if result.shape != x.shape:
        raise ValueError(f"{what}: the result is {result.shape} and does not fit {x.shape}")
    from .names.wider import PART, is_part, renewed

    if is_shared(x, result):
        if is_part(x):
            step = {"add_": "+= w", "sub_": "-= w", "mul_": "*= w", "div_": "/= w"}.get(what)
            told = PART
            instead = f"A[i] {step or f'= A[i].{what[:-1]}(...)'} there"
        else:
            told = "a view or a saved gradient looks into these numbers"
        raise RuntimeError(
            f"{what} is not recorded, {told}: use {instead}, or write under no_grad()"
        )
    require_kind(x, result, what, instead)
    if result.dtype != x.dtype:
        result = cast(result, x.dtype)
    return renewed(x, result)


def is_shared(x, result):
    """True if the memory of x is looked into by more than x and the two calls at hand.

    Python counts who holds an array: a view holds it as its base, a `Call` that kept it, too. A
    `Trace` holds all that it sees; what it watches has run before without it, so nothing is asked.
    """
    if _switch.watched:
        return False
    made = [t.made_by for t in (x, result) if t.made_by is not None]
    own = sum(kept is x.array for call in made for kept in call.kept.values())
    if sys.getrefcount(x.array) > 2 + own:  # x itself, and the question
        return True
    base = x.array.base
    return base is not None and not (isinstance(base, np.ndarray) and sys.getrefcount(base) <= 3)


def zero_(x):
    """Make every element 0."""
    return x._write("zero_", "zeros_like(t)", ..., 0)


def masked_fill_(x, mask, value):
    """Write `value` wherever the mask, which broadcasts, is True.

    >>> Tensor([1, 2]).masked_fill_(Tensor([True, False]), 0.0)
    tensor([0, 2])
    """
    from .names.wider import filling

    value = filling("masked_fill_", x, value)
    return rewritten(x, masked_fill(x, mask, value), "masked_fill_", "masked_fill(mask, value)")


def normal_(x, mean=0.0, std=1.0, generator=None):
    """Draw every element anew from a normal distribution; ValueError for a negative std."""
    if std < 0:
        raise ValueError(f"normal_: std is a length, not {std}")
    fresh = randn(x.shape, generator=generator, dtype=x.dtype)
    return x._write("normal_", "randn(shape)", ..., fresh * std + mean)


def uniform_(x, low=0.0, high=1.0, generator=None):
    """Draw every element anew, evenly between `low` and `high`; ValueError if low > high."""
    if low > high:
        raise ValueError(f"uniform_: {low} is above {high}")
    fresh = rand(x.shape, generator=generator, dtype=x.dtype)
    return x._write("uniform_", "rand(shape)", ..., fresh * (high - low) + low)


def add_(x, other, *, alpha=1):
    """Add to the numbers in place: x <- x + alpha * other."""
    return rewritten(x, add(x, scaled(other, alpha)), "add_", "t + other")


def sub_(x, other, *, alpha=1):
    """Subtract from the numbers in place: x <- x - alpha * other."""
    return rewritten(x, sub(x, scaled(other, alpha)), "sub_", "t - other")


def scaled(other, alpha):
    """alpha * other, which is `other` itself for 1."""
    return other if alpha == 1 else mul(other, alpha)


def mul_(x, other):
    """Multiply the numbers in place."""
    return rewritten(x, mul(x, other), "mul_", "t * other")


def div_(x, other, *, rounding_mode=None):
    """Divide the numbers in place."""
    return rewritten(x, divided(x, other, rounding_mode), "div_", "t / other")


def divided(x, other, rounding_mode=None):
    """x / other; rounded down for "floor", towards 0 for "trunc"; shapes broadcast.

    Raises:
        ValueError: another word.
    """
    if rounding_mode not in (None, "floor", "trunc"):
        raise ValueError(f"rounding_mode is None, 'floor' or 'trunc', not {rounding_mode!r}")
    if rounding_mode is None:
        return div(x, other)
    from .names.maths import whole_quotient

    return whole_quotient(x, other, rounding_mode)


# ---------------------------------------------------------------- gradients on request


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=False,
    create_graph=False,
    allow_unused=False,
):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; no .grad changes.

    PyTorch's `autograd.grad`: good for several workers that share weights.

    Args:
        outputs: a Tensor, as for `backward`, or a list of one.
        inputs: a Tensor or a list of them: leaves, or results on the way.
        grad_outputs, retain_graph, create_graph: as for `backward`.
        allow_unused: None for an input that `outputs` does not depend on, instead of an error.

    Raises:
        RuntimeError: an input was not used to compute the output, or what `backward` refuses.
        TypeError: several outputs.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> grad(x * x, x)
    (tensor(6.),)
    """
    if not isinstance(outputs, Tensor) and len(outputs) != 1:
        raise TypeError(f"grad: one output, not {len(outputs)}: add them up, sum(outputs)")
    outputs = outputs if isinstance(outputs, Tensor) else outputs[0]
    one = isinstance(grad_outputs, (list, tuple)) and len(grad_outputs) == 1
    grad_outputs = grad_outputs[0] if one else grad_outputs
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    calls = [t.made_by for t in inputs if t.made_by is not None]
    before, found = [call.result for call in calls], {}
    try:
        for t in inputs:
            retain_grad(t)
        backward(outputs, grad_outputs, retain_graph, create_graph, into=found.update)
    finally:
        for call, result in zip(calls, before):
            call.result = result
    for i, t in enumerate(inputs):
        if t not in found and not allow_unused:
            raise RuntimeError(
                f"grad: input {i} was not used to compute the output: pass allow_unused=True to "
                "get None for it"
            )
    found = {t: found[t] for t in inputs if t in found}
    if hasattr(SLOTS["backward"], "run_leaf_hooks"):  # see register_hook
        SLOTS["backward"].run_leaf_hooks(found)
    return tuple(wrap(compact(found[t])) if t in found else None for t in inputs)


# ---------------------------------------------------------------- remember, or not
class set_grad_enabled(no_grad):
    """`set_grad_enabled(False)` switches at once; `with set_grad_enabled(False):` until its end.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> with set_grad_enabled(False):
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __new__(cls, mode):
        return object.__new__(cls)

    def __init__(self, mode):
        self.on, self.outside = bool(mode), _switch.on
        _switch.on = self.on

    def __enter__(self):
        if self.outside is not None:  # undo the switch at once, so that the end comes back to it
            _switch.on, self.outside = self.outside, None
        return super().__enter__()

    def __call__(self, function):
        _switch.on, self.outside = self.outside, None
        return super().__call__(function)


def inference_mode(mode=True):
    """`no_grad` under PyTorch's other name.

    Args:
        mode: False for a block that changes nothing.
    """
    if callable(mode):
        return no_grad(mode)
    return no_grad() if mode else contextlib.nullcontext()


is_grad_enabled = recording
