"""Orders, places and shapes: what PyTorch sorts, picks, scatters, turns and repeats."""

import collections
import contextlib
import math

import numpy as np

from ..functions import expanded, gather, need_dims, places_of, rule, split, to
from ..tensor import (
    Tensor,
    bool_,
    cat,
    clone,
    dims_of,
    eq,
    float32,
    getitem,
    int32,
    int64,
    mul,
    ne,
    one_tuple,
    permute,
    plain,
    primitive,
    reshape,
    stack,
    sub,
    transpose,
    unsqueeze,
    where,
    wrap,
)
from . import REASONS

# ---------------------------------------------------------------- orders

Sorted = collections.namedtuple("Sorted", "values indices")


def argsort(x, dim=-1, descending=False, stable=False):
    """The indices that put x in order along `dim`; equal ones stay in their order. int64.

    >>> argsort(Tensor([3, 1, 2]), descending=True)
    tensor([0, 2, 1])
    """
    keys = x.array.astype("int8") if x.dtype == bool_ else x.array
    if not x.shape:
        return wrap(np.zeros((), int64))
    dim = dims_of(dim, x.ndim)[0]
    if not descending:
        return wrap(np.asarray(np.argsort(keys, axis=dim, kind="stable")))
    keys = np.flip(keys, dim)  # backwards twice, so that equal ones stay in their order
    order = np.flip(np.argsort(keys, axis=dim, kind="stable"), dim)
    return wrap(keys.shape[dim] - 1 - order)


def sort(x, dim=-1, descending=False, stable=False):
    """The elements in order along `dim`, as the pair (values, indices).

    >>> sort(Tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    if not x.shape:
        return Sorted(clone(x), argsort(x))
    order = argsort(x, dim, descending, stable)
    return Sorted(gather(x, dim, order), order)


def unique(x, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements in order; of whole slices with `dim`. It has no gradient.

    Every nan counts for itself, as nan is equal to nothing.

    Returns:
        A Tensor; or a tuple: the elements, for each place in x which one, and how often each is.
    """
    wanted = {"return_inverse": return_inverse, "return_counts": return_counts}
    axis = None if dim is None else dims_of(dim, x.ndim)[0]
    found = np.unique(x.array, **wanted, axis=axis, equal_nan=False)
    if not isinstance(found, tuple):
        return wrap(found)
    return tuple(wrap(part) for part in found)


def bincount(x, weights=None, minlength=0):
    """How often 0, 1, 2, ... occur in x, (n,) -> (max + 1,); or the sums of their weights."""
    if x.ndim != 1 or x.dtype.kind not in "iu" or (x.array < 0).any():
        raise ValueError("bincount counts whole numbers from 0 on, in one dimension")
    if weights is None:
        return wrap(np.bincount(x.array, minlength=minlength))
    found = np.bincount(x.array, weights.array, minlength)  # float64
    return wrap(found.astype(weights.dtype if weights.dtype == float32 else found.dtype))


def histc(x, bins=100, min=0, max=0):
    """How many elements lie in each of `bins` equal parts from min to max -> (bins,)."""
    low, high = (x.array.min(), x.array.max()) if min == max else (min, max)
    return wrap(np.histogram(x.array, bins, (float(low), float(high)))[0].astype(x.dtype))


def searchsorted(sorted_sequence, values, *, right=False, side=None):
    """Where the values would stand in a sorted row, (n,) and any shape -> that shape, int64."""
    if sorted_sequence.ndim != 1:
        raise ValueError(f"searchsorted takes one sorted row, not {sorted_sequence.shape}")
    if right and side == "left":
        raise ValueError("searchsorted: right=True and side='left' contradict each other")
    side = side or ("right" if right else "left")
    found = np.searchsorted(sorted_sequence.array, plain(values), side)
    return wrap(np.asarray(found, int64))


def bucketize(x, boundaries, *, right=False):
    """In which part between the boundaries each element lies, any shape -> the same, int64."""
    return searchsorted(boundaries, x, right=right)


# ---------------------------------------------------------------- picking


def nonzero(x, *, as_tuple=False):
    """The places that are not 0: (n, dimensions), a row for each; or a tuple of columns.

    >>> nonzero(Tensor([0, 7, 0, 8]))
    tensor([[1],
            [3]])
    """
    if as_tuple:
        return tuple(wrap(part) for part in np.nonzero(x.array))
    return wrap(np.argwhere(x.array))


def picked_where(condition, x=None, y=None):
    """`where(condition, x, y)`, and `where(condition)`: the places where it holds, a tuple.

    >>> picked_where(Tensor([False, True]))
    (tensor([1]),)
    """
    if x is None and y is None:
        return nonzero(condition, as_tuple=True)
    if x is None or y is None:
        raise TypeError("where takes a condition and both values, where(condition, x, y), or none")
    return where(condition, x, y)


def where_method(x, condition, other):
    """x where the condition is True, else `other`: `x.where(condition, other)`."""
    return where(condition, x, other)


def booleans(name, mask):
    """The mask, if it holds True and False: whole numbers would pick by number."""
    if mask.dtype != bool_:
        raise TypeError(f"{name}: a mask holds True and False, not {mask.dtype}: use mask.bool()")
    return mask


def masked_select(x, mask):
    """The elements where the mask is True, in reading order -> (n,); x and mask broadcast."""
    booleans("masked_select", mask)
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return getitem(expanded(x, shape), wrap(np.broadcast_to(mask.array, shape)))


def along(dim, ndim, index):
    """The index that applies `index` to one dimension."""
    return (*[slice(None)] * dims_of(dim, ndim)[0], index)


def numbered(name, x, dim, index):
    """The index as a vector, if it holds numbers of slices of x along `dim`.

    Raises:
        TypeError: it holds no whole numbers. ValueError: it is no vector.
        IndexError: a slice is not there; also for negative numbers, as in PyTorch.
    """
    n = x.shape[dims_of(dim, x.ndim)[0]] if x.ndim else 1
    if index.dtype not in (int64, int32):
        raise TypeError(f"{name}: the index holds whole numbers, not {index.dtype}: use .long()")
    if index.ndim > 1:
        raise ValueError(f"{name}: the index is a vector, and its shape is {index.shape}")
    wrong = index.array[(index.array < 0) | (index.array >= n)]
    if wrong.size:
        raise IndexError(f"{name}: there is no {wrong.flat[0]} in dim {dim}: 0 to {n - 1}")
    return reshape(index, (-1,))


def index_select(x, dim, index):
    """The slices of the numbers in `index`, a vector of whole numbers, along `dim`.

    >>> index_select(Tensor([[1, 2, 3]]), 1, Tensor([2, 0]))
    tensor([[3, 1]])
    """
    index = numbered("index_select", x, dim, index)
    return getitem(x, along(dim, x.ndim, index)) if x.ndim else clone(x)


def take(x, index):
    """The elements of the numbers in `index`, counted row by row; the shape of `index`.

    >>> take(Tensor([[1, 2], [3, 4]]), Tensor([3, 0]))
    tensor([4, 1])
    """
    return getitem(reshape(x, (-1,)), index)


def take_along_dim(x, indices, dim=None):
    """`gather`, where all sizes but that at `dim` broadcast; None takes from the flat tensor.

    >>> take_along_dim(Tensor([[1, 2], [3, 4]]), Tensor([[1], [0]]), 1).tolist()
    [[2], [3]]
    """
    if dim is None:
        return take(x, reshape(indices, (-1,)))
    dim, shapes = dims_of(dim, x.ndim)[0], (x.shape, indices.shape)
    one = [(*shape[:dim], 1, *shape[dim + 1 :]) for shape in shapes]
    both = np.broadcast_shapes(*one)
    x, indices = (expanded(v, (*both[:dim], v.shape[dim], *both[dim + 1 :])) for v in (x, indices))
    return gather(x, dim, indices)


def select(x, dim, index):
    """One slice, without the dimension: select(x, 1, 0) is x[:, 0], a view.

    >>> select(Tensor([[1, 2], [3, 4]]), 1, 0)
    tensor([1, 3])
    """
    return getitem(x, along(dim, x.ndim, index))


def narrow(x, dim, start, length):
    """`length` slices from `start` on along `dim`, as a view; IndexError beyond the end.

    >>> narrow(Tensor([1, 2, 3]), 0, 1, 2)
    tensor([2, 3])
    """
    start, n = int(start), x.size(dim)
    start += n if start < 0 else 0
    if not 0 <= start <= start + length <= n:
        raise IndexError(f"narrow: {start} to {start + length} is not within 0 to {n}")
    return getitem(x, along(dim, x.ndim, slice(start, start + length)))


def unbind(x, dim=0):
    """All slices along `dim`, a tuple of views without that dimension.

    >>> unbind(Tensor([1, 2]))
    (tensor(1), tensor(2))
    """
    return tuple(select(x, dim, i) for i in range(x.size(dim)))


@primitive
def diagonal(x, offset=0, dim1=0, dim2=1):
    """The diagonal of the two dimensions, which becomes the last one, as a view.

    >>> diagonal(Tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    found = np.diagonal(x, offset, dim1, dim2)
    if x.flags.writeable:
        found.flags.writeable = True  # what is written there stands in x
    return found


@rule
def diagonal_rule(g, x_shape, offset, dim1, dim2):
    """Back to the diagonal of a matrix of zeros."""
    back = np.zeros(x_shape, g.dtype)
    diagonal.on_arrays(back, offset, dim1, dim2)[...] = g
    return back


def diag(x, diagonal=0):
    """Of a vector the matrix with it on a diagonal; of a matrix, a copy of that diagonal.

    Raises:
        ValueError: x has neither one nor two dimensions.
    """
    if x.ndim not in (1, 2):
        raise ValueError(f"diag takes a vector or a matrix, and the shape is {x.shape}")
    return diag_embed(x, diagonal) if x.ndim == 1 else clone(globals()["diagonal"](x, diagonal))


@primitive
def diag_embed(x, offset=0):
    """Matrices with the last dimension on a diagonal: (..., n) -> (..., m, m), m = n + |offset|."""
    n = x.shape[-1] + abs(offset)
    y = np.zeros((*x.shape[:-1], n, n), x.dtype)
    diagonal.on_arrays(y, offset, -2, -1)[...] = x
    return y


@rule
def diag_embed_rule(g, offset):
    """What stands on the diagonal."""
    return np.diagonal(g, offset, -2, -1)


def as_strided(x, *args, **named):
    """`x.as_strided(...)`: refused. Raises: NotImplementedError: always."""
    raise NotImplementedError(f"as_strided: strides are not yours here: {REASONS['as_strided']}")


# ---------------------------------------------------------------- scattering


def fitting(name, x, src):
    """What is written into x, if x can hold such numbers."""
    if not np.can_cast(src.dtype, x.dtype, "same_kind"):
        raise TypeError(f"{name}: {src.dtype} does not fit into {x.dtype}: use src.to(x.dtype)")
    return src


def sources(name, index, src, x):
    """What is scattered, with the shape of the index; a single number is one place."""
    if index.dtype not in (int64, int32):
        raise TypeError(f"{name}: the index holds whole numbers, not {index.dtype}: use .long()")
    need_dims(x, index, f"{name}: ")
    if index.array.size and index.array.min() < 0:
        raise IndexError(f"{name}: there is no place {index.array.min()}: numbers begin at 0")
    if not isinstance(src, Tensor):
        return wrap(np.full(index.shape, src, x.dtype))
    fitting(name, x, src)
    if src.shape == index.shape:
        return src
    wanted, has = index.shape or (1,), src.shape or (1,)
    if len(wanted) != len(has) or any(n > m for n, m in zip(wanted, has)):
        raise ValueError(f"{name}: the index {index.shape} is larger than src {src.shape}")
    return reshape(getitem(reshape(src, has), tuple(map(slice, wanted))), index.shape)


@contextlib.contextmanager
def spoken(inner, name):
    """Errors of a primitive are told with the name of the function that was called."""
    try:
        yield
    except (IndexError, ValueError, TypeError) as error:
        error.args = (str(error).replace(f"{inner}: ", f"{name}: ", 1),)
        raise


@primitive
def placed(x, src, dim, index):
    """x, but src[i][j] at index[i][j] along `dim`."""
    y = x.copy()
    np.atleast_1d(y)[places_of(dim, index)] = src
    return y


@rule
def placed_rule(g, dim, index):
    """To x where nothing was written, and to src what was picked there."""
    back = g.copy()
    np.atleast_1d(back)[places_of(dim, index)] = 0
    return back, np.atleast_1d(g)[places_of(dim, index)]


@primitive
def added(x, src, dim, index):
    """x, and src[i][j] added at index[i][j] along `dim`; repeats add up."""
    y = x.copy()
    np.add.at(np.atleast_1d(y), places_of(dim, index), src)
    return y


@rule
def added_rule(g, dim, index):
    """To x all of it, and to src what stands at its place."""
    return g, np.atleast_1d(g)[places_of(dim, index)]


def scatter(x, dim, index, src=None, *, value=None, reduce=None):
    """x, but `src` at the places that `index` names along `dim`: the reverse of `gather`.

    Args:
        x: any shape; it is not changed.
        dim: a dimension.
        index: whole numbers, as many dimensions as x, or one number for a vector.
        src: a Tensor at least as large as the index, or a number (also as `value`).
        reduce: None or "add".

    Raises:
        ValueError: src is too small. Of several written to one place, one wins.

    >>> scatter(Tensor([0.0, 0.0, 0.0]), 0, Tensor([2]), Tensor([5.0]))
    tensor([0., 0., 5.])
    """
    if reduce not in (None, "add"):
        raise ValueError(f"scatter: reduce is None or 'add', not {reduce!r}")
    if (src is None) == (value is None):
        raise TypeError("scatter takes one of src and value")
    src = sources("scatter", index, value if src is None else src, x)
    with spoken("added" if reduce else "placed", "scatter"):
        return (added if reduce else placed)(x, src, dim, index)


def scatter_add(x, dim, index, src):
    """x with `src` added at the places that `index` names along `dim`; repeats add up.

    >>> scatter_add(Tensor([0.0, 0.0]), 0, Tensor([1, 1]), Tensor([5.0, 6.0]))
    tensor([ 0., 11.])
    """
    with spoken("added", "scatter_add"):
        return added(x, sources("scatter_add", index, src, x), dim, index)


def whole_slices(name, x, dim, index, source):
    """An index for `placed` that names whole slices, and the source, which has their shape."""
    index, dim = numbered(name, x, dim, index), dims_of(dim, x.ndim)[0] if x.ndim else 0
    shape = (*x.shape[:dim], index.numel(), *x.shape[dim + 1 :]) if x.ndim else ()
    column = index.array.reshape([-1 if d == dim else 1 for d in range(x.ndim)])
    if source.shape != shape and not (source.shape in ((), (1,)) and math.prod(shape) == 1):
        raise ValueError(f"{name}: the slices are {shape} together, and source is {source.shape}")
    source = fitting(name, x, source)
    return wrap(np.broadcast_to(column, shape)), reshape(source, shape)


def index_add(x, dim, index, source, *, alpha=1):
    """x with the slices of `source` added to those of the numbers in `index`; repeats add up.

    >>> index_add(Tensor([0, 0]), 0, Tensor([1, 1]), Tensor([5, 6]))
    tensor([ 0, 11])
    """
    index, source = whole_slices("index_add", x, dim, index, source)
    source = source if alpha == 1 else fitting("index_add", x, mul(source, alpha))
    return added(x, source, dim, index)


def index_copy(x, dim, index, source):
    """x with the slices of the numbers in `index` taken from `source`.

    >>> index_copy(Tensor([0, 0]), 0, Tensor([1]), Tensor([5]))
    tensor([0, 5])
    """
    index, source = whole_slices("index_copy", x, dim, index, source)
    return placed(x, source, dim, index)


def index_fill(x, dim, index, value):
    """x with one value in the slices of the numbers in `index`.

    >>> index_fill(Tensor([0, 0]), 0, Tensor([1]), 5)
    tensor([0, 5])
    """
    n = x.shape[dims_of(dim, x.ndim)[0]] if x.ndim else 1
    value = value if isinstance(value, Tensor) else wrap(np.full((), value, x.dtype))
    if value.ndim:
        raise ValueError(f"index_fill: the value is one number, and its shape is {value.shape}")
    if index.dtype in (int64, int32):  # here PyTorch counts from the end, too
        index = where(index < 0, index + n, index)
    shape = index_select(x, dim, index).shape
    return index_copy(x, dim, index, expanded(to(value, x.dtype), shape))


# ---------------------------------------------------------------- turning and repeating


@primitive
def flip(x, dims):
    """The elements in reverse order along the dimensions, a copy.

    >>> flip(Tensor([1, 2, 3]), 0)
    tensor([3, 2, 1])
    """
    return np.flip(x, dims).copy()


@rule
def flip_rule(g, dims):
    """Back again."""
    return np.flip(g, dims)


def flipped(x, *places, dims=None):
    """`x.flip(0, 1)` or `x.flip((0, 1))`: in reverse order along the dimensions, a copy.

    >>> flipped(Tensor([[1, 2], [3, 4]]), 0, 1).tolist()
    [[4, 3], [2, 1]]
    """
    return flip(x, one_tuple(places if dims is None else (dims,)))


@primitive
def roll(x, shifts, dims=None):
    """The elements moved on, those beyond the end to the front; without dims in reading order.

    Raises:
        ValueError: there are not as many shifts as dims.

    >>> roll(Tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
    if np.size(shifts) != (1 if dims is None or dims == () else np.size(dims)):
        raise ValueError(f"there are as many shifts as dims, not {shifts} and {dims}")
    return np.roll(x, shifts, dims)


@rule
def roll_rule(g, shifts, dims):
    """Moved back."""
    back = [-s for s in shifts] if isinstance(shifts, (tuple, list)) else -shifts
    return np.roll(g, back, dims)


def repeated(x, *sizes):
    """`x.repeat(2, 3)`: copies side by side, so many along each dimension, new ones in front.

    >>> repeated(Tensor([1, 2]), 2).tolist()
    [1, 2, 1, 2]
    """
    sizes = one_tuple(sizes)
    if len(sizes) < x.ndim:
        raise ValueError(f"repeat: {len(sizes)} numbers for the {x.ndim} dimensions of {x.shape}")
    shape = (1,) * (len(sizes) - x.ndim) + x.shape
    one = [n for size in shape for n in (1, size)]
    many = [n for pair in zip(sizes, shape) for n in pair]
    result = [count * size for count, size in zip(sizes, shape)]
    if min(sizes, default=1) < 0:
        raise ValueError(f"repeat: so many copies are not possible: {sizes}")
    y = reshape(expanded(reshape(x, tuple(one)), tuple(many)), tuple(result))
    return clone(y) if np.may_share_memory(y.array, x.array) else y  # also of one copy


def tile(x, *dims):
    """`repeat`, where missing numbers in front are 1.

    >>> tile(Tensor([[1, 2]]), 2)
    tensor([[1, 2, 1, 2]])
    """
    dims = one_tuple(dims)
    return repeated(x, (1,) * (x.ndim - len(dims)) + dims)


def repeat_interleave(x, repeats=None, dim=None):
    """Each element repeated on the spot: a number, or for each slice its own.

    Without `repeats` x says how often each of 0, 1, 2, ... stands there.

    >>> repeat_interleave(Tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        x, repeats = wrap(np.arange(len(x))), x
    x, dim = (reshape(x, (-1,)), 0) if dim is None else (x, dim)
    if np.asarray(plain(repeats)).dtype.kind not in "iu":
        raise TypeError(f"repeat_interleave: repeats are whole numbers, not {repeats!r:.60}")
    numbers = np.repeat(np.arange(x.size(dim)), plain(repeats))
    return index_select(x, dim, wrap(numbers))


def movedim(x, source, destination):
    """Dimensions moved to other places, the others in their order, as a view.

    >>> movedim(Tensor([[[1, 2]]]), 0, -1).shape
    (1, 2, 1)
    """
    source, destination = dims_of(source, x.ndim), dims_of(destination, x.ndim)
    if not len(set(source)) == len(source) == len(set(destination)) == len(destination):
        raise ValueError(f"movedim: {source} to {destination} moves a dimension twice, or nowhere")
    places = range(x.ndim)
    rest = iter(p for p in places if p not in source)
    wanted = dict(zip(destination, source))
    return permute(x, tuple(int(wanted[p] if p in wanted else next(rest)) for p in places))


def swapaxes(x, axis0, axis1):
    """Two dimensions swapped, as a view: another name of `transpose`, as PyTorch has it.

    >>> swapaxes(Tensor([[1, 2]]), 0, 1).shape
    (2, 1)
    """
    return transpose(x, axis0, axis1)


def unflatten(x, dim, sizes):
    """One dimension cut into several: (6,) with sizes (2, -1) -> (2, 3)."""
    dim = dims_of(dim, x.ndim)[0]
    sizes, n = list(one_tuple((sizes,))), x.shape[dim]
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = n // max(1, -math.prod(sizes))
    if min(sizes, default=0) < 0 or math.prod(sizes) != n:
        raise ValueError(f"unflatten: {n} is not the product of {tuple(sizes)}")
    return reshape(x, (*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def unfold(x, dimension, size, step):
    """Windows of a size along a dimension, `step` apart, as a view that cannot be written.

    The window is the last dimension.

    Raises:
        ValueError: no window of that size is there, or the step is not positive.

    >>> unfold(Tensor([1, 2, 3, 4]), 0, 2, 1).tolist()
    [[1, 2], [2, 3], [3, 4]]
    """
    dim = dims_of(dimension, x.ndim)[0]
    if not (0 <= size <= x.shape[dim] and step > 0):
        told = f"size {size} and step {step}"
        raise ValueError(f"unfold: no windows of {told} in dim {dimension} of {x.shape}")
    found = windows(x, dim, size, step)
    found.version = x.version  # a write into x is seen in the view
    return found


@primitive
def windows(x, dim, size, step):
    """`unfold` for sizes that fit."""
    every = (*[slice(None)] * dim, slice(None, None, step))
    return np.lib.stride_tricks.sliding_window_view(x, size, dim)[every]


@rule
def windows_rule(g, x_shape, dim, size, step):
    """Each number of a window back to its place; what was in several windows adds up."""
    back = np.zeros(x_shape, g.dtype)
    for k in range(size):  # the number k of every window
        every = slice(k, k + step * (g.shape[dim] - 1) + 1, step)
        back[(*[slice(None)] * dim, every)] += g[..., k]
    return back


def expand_as(x, other):
    """Stretched to the shape of another tensor, as a view that cannot be written."""
    return expanded(x, other.shape)


def view_as(x, other):
    """Under the shape of another tensor, as a view."""
    return x.view(other.shape)


def reshape_as(x, other):
    """Under the shape of another tensor."""
    return reshape(x, other.shape)


def broadcast_to(x, *sizes, size=None):
    """Sizes of 1 stretched to other ones, as a view that cannot be written.

    >>> broadcast_to(Tensor([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return expanded(x, *(sizes if size is None else (size,)))


def broadcast_tensors(*tensors):
    """All stretched to the shape that they broadcast to, a tuple of views.

    >>> [t.shape for t in broadcast_tensors(Tensor([1, 2]), Tensor([[1], [2]]))]
    [(2, 2), (2, 2)]
    """
    shape = np.broadcast_shapes(*(t.shape for t in tensors))
    return tuple(expanded(t, shape) for t in tensors)


def tensor_split(x, indices_or_sections, dim=0):
    """Cut into so many parts of about one size, or before the given places; a tuple of views.

    >>> [t.tolist() for t in tensor_split(Tensor([1, 2, 3]), 2)]
    [[1, 2], [3]]
    """
    n = x.size(dim)
    if isinstance(indices_or_sections, int):
        return split(x, [len(p) for p in np.array_split(np.arange(n), indices_or_sections)], dim)
    ends = [0, *indices_or_sections, n]
    return split(x, [b - a for a, b in zip(ends, ends[1:])], dim)


def hstack(tensors):
    """Joined along dim 1, vectors along dim 0.

    >>> hstack([Tensor([1]), Tensor([2, 3])])
    tensor([1, 2, 3])
    """
    tensors = [reshape(t, (1,)) if t.ndim == 0 else t for t in tensors]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors):
    """Joined along dim 0, vectors as rows.

    >>> vstack([Tensor([1, 2]), Tensor([3, 4])]).tolist()
    [[1, 2], [3, 4]]
    """
    return cat([reshape(t, (1, -1)) if t.ndim < 2 else t for t in tensors], 0)


def meshgrid(*tensors, indexing="ij"):
    """A grid from vectors: of each the coordinates of all points, a tuple of Tensors.

    Args:
        tensors: vectors, or one list of them.
        indexing: "ij", the first vector goes down; "xy", it goes to the right.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing is 'ij' or 'xy', not {indexing!r}")
    if any(t.ndim > 1 for t in tensors):
        raise ValueError(f"meshgrid takes vectors, not shapes {[t.shape for t in tensors]}")
    count = len(tensors)
    places = list(range(count))
    if indexing == "xy" and count > 1:
        places[:2] = 1, 0
    shaped = [
        reshape(t, tuple(-1 if d == place else 1 for d in range(count)))
        for t, place in zip(tensors, places)
    ]
    return broadcast_tensors(*shaped)


def cartesian_prod(*tensors):
    """All combinations of one element of each vector, a row each.

    >>> cartesian_prod(Tensor([1, 2]), Tensor([5, 6])).tolist()
    [[1, 5], [1, 6], [2, 5], [2, 6]]
    """
    grid = [reshape(g, (-1,)) for g in meshgrid(*tensors)]
    return grid[0] if len(grid) == 1 else stack(grid, -1)


def tril_indices(row, col, offset=0):
    """The places on and below a diagonal, (2, n), int64: rows, then columns.

    >>> tril_indices(2, 2).tolist()
    [[0, 1, 1], [0, 0, 1]]
    """
    return wrap(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row, col, offset=0):
    """The places on and above a diagonal, (2, n), int64: rows, then columns.

    >>> triu_indices(2, 2).tolist()
    [[0, 0, 1], [0, 1, 1]]
    """
    return wrap(np.stack(np.triu_indices(row, offset, col)))


def ravel(x):
    """All elements in one dimension, a view wherever possible.

    >>> ravel(Tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return reshape(x, (-1,))


# ---------------------------------------------------------------- logic as functions


def logical_not_of(x):
    """True where x is 0 or False; any shape -> the same, booleans."""
    return eq(x, 0)


def logical_and_of(x, other):
    """True where both are not 0; they broadcast -> booleans."""
    return to(x, bool_) & to(other, bool_)


def logical_or_of(x, other):
    """True where one is not 0; they broadcast -> booleans."""
    return to(x, bool_) | to(other, bool_)


def logical_xor_of(x, other):
    """True where exactly one is not 0; they broadcast -> booleans."""
    return to(x, bool_) ^ to(other, bool_)


def isin(elements, test_elements):
    """True where an element is one of the others; the shape of `elements`, booleans.

    >>> isin(Tensor([1, 2, 3]), Tensor([3, 1]))
    tensor([ True, False,  True])
    """
    return wrap(np.isin(plain(elements), plain(test_elements)))


# ---------------------------------------------------------------- what a tensor is


def stride(x, dim=None):
    """How many elements lie between neighbours of each dimension, a tuple; or of one."""
    steps = tuple(n // x.array.itemsize for n in x.array.strides)
    return steps if dim is None else steps[dims_of(dim, x.ndim)[0]]


def is_contiguous(x):
    """True if the numbers lie in memory in reading order."""
    return x.array.flags.c_contiguous


def element_size(x):
    """Bytes of one element."""
    return x.array.itemsize


def is_floating_point(x):
    """True for real numbers, False for whole ones and booleans.

    >>> is_floating_point(Tensor([1.0])), is_floating_point(Tensor([1]))
    (True, False)
    """
    return x.dtype.kind == "f"


def data_ptr(x):
    """The address of the first number in memory."""
    return x.array.ctypes.data


def numel(x):
    """How many elements.

    >>> numel(Tensor([[1, 2, 3]]))
    3
    """
    return x.array.size


def is_tensor(x):
    """True for a Tensor.

    >>> is_tensor(Tensor([1.0])), is_tensor([1.0])
    (True, False)
    """
    return isinstance(x, Tensor)


def storage_offset(x):
    """How many elements lie in memory before the first one of this view.

    >>> storage_offset(Tensor([1, 2, 3])[1:])
    1
    """
    base = x.array
    while isinstance(base.base, np.ndarray):
        base = base.base
    return (x.array.ctypes.data - base.ctypes.data) // x.array.itemsize


# ---------------------------------------------------------------- more of the same


def fliplr(x):
    """The columns in reverse order.

    >>> fliplr(Tensor([[1, 2]]))
    tensor([[2, 1]])
    """
    return flip(x, (1,))


def flipud(x):
    """The rows in reverse order.

    >>> flipud(Tensor([1, 2]))
    tensor([2, 1])
    """
    return flip(x, (0,))


def msort(x):
    """In order along dim 0, the values alone.

    >>> msort(Tensor([2, 1]))
    tensor([1, 2])
    """
    return sort(x, 0).values


def unique_consecutive(x, return_inverse=False, return_counts=False):
    """Of equal neighbours only the first, in reading order; it has no gradient.

    >>> unique_consecutive(Tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    flat = x.array.reshape(-1)
    new = np.append(True, flat[1:] != flat[:-1])[: flat.size]
    found = [wrap(flat[new])]
    if return_inverse:
        found.append(wrap(new.cumsum().reshape(x.shape) - 1))
    if return_counts:
        found.append(wrap(np.diff(np.append(np.flatnonzero(new), flat.size))))
    return found[0] if len(found) == 1 else tuple(found)


def diff(x, n=1, dim=-1):
    """The differences of neighbours along `dim`, n times; of booleans, where they differ.

    >>> diff(Tensor([1, 4, 9]))
    tensor([3, 5])
    """
    for _ in range(n):
        size = x.size(dim)
        ends = narrow(x, dim, 1, size - 1), narrow(x, dim, 0, size - 1)
        x = ne(*ends) if x.dtype == bool_ else sub(*ends)
    return x if n else clone(x)


def atleast_1d(x):
    """x, with one dimension if it has none.

    >>> atleast_1d(Tensor(3))
    tensor([3])
    """
    return reshape(x, (1,)) if x.ndim == 0 else x


def atleast_2d(x):
    """x, as a row if it has fewer than two dimensions.

    >>> atleast_2d(Tensor([1, 2]))
    tensor([[1, 2]])
    """
    return reshape(x, (1, -1)) if x.ndim < 2 else x


def column_stack(tensors):
    """Joined along dim 1, vectors as columns.

    >>> column_stack([Tensor([1, 2]), Tensor([3, 4])]).tolist()
    [[1, 3], [2, 4]]
    """
    return cat([reshape(t, (-1, 1)) if t.ndim < 2 else t for t in tensors], 1)


def dstack(tensors):
    """Joined along dim 2, where a vector is (1, n, 1).

    >>> dstack([Tensor([1, 2]), Tensor([3, 4])]).tolist()
    [[[1, 3], [2, 4]]]
    """
    return cat([t if t.ndim > 2 else unsqueeze(atleast_2d(t), 2) for t in tensors], 2)


@primitive
def put(x, values, index, accumulate):
    """x, but the values at the index; added to what is there if they accumulate."""
    y = x.copy()
    if accumulate:
        np.add.at(y, index, values)
    else:
        y[index] = values
    return y


@rule
def put_rule(g, index, accumulate):
    """To x where nothing was written, and to the values what was picked there."""
    back = g if accumulate else g.copy()
    if not accumulate:
        back[index] = 0
    return back, g[index]


@primitive
def put_part(x, value, index):
    """x, but the value, which broadcasts, at the index: the recorded form of x[index] = value."""
    y = x.copy()
    y[index] = value
    return y


@rule
def put_part_rule(g, index, needs):
    """To x where nothing was written, and to the value what arrived there."""
    back = g.copy()
    back[index] = 0
    return back, g[index] if needs[1] else None


def index_put(x, indices, values, accumulate=False):
    """x with `x[indices] = values`, or `+=` where they accumulate: the recorded form of both.

    >>> index_put(Tensor([1, 2, 3]), (Tensor([0, 2]),), Tensor([7, 8]))
    tensor([7, 2, 8])
    """
    if isinstance(indices, Tensor):
        raise TypeError("index_put: the indices are a tuple of tensors: write (index,)")
    values = values if isinstance(values, Tensor) else wrap(np.full((), values, x.dtype))
    with spoken("put", "index_put"):
        return put(x, fitting("index_put", x, values), tuple(indices), accumulate)


def masked_scatter(x, mask, source):
    """x with the first elements of `source` where the mask is True, in reading order.

    >>> masked_scatter(Tensor([0, 0, 0]), Tensor([True, False, True]), Tensor([7, 8]))
    tensor([7, 0, 8])
    """
    mask = np.broadcast_to(booleans("masked_scatter", mask).array, x.shape)
    count, has = int(mask.sum()), source.array.size
    if has < count:
        raise ValueError(f"masked_scatter: source has {has} elements for {count} places")
    picked = getitem(ravel(fitting("masked_scatter", x, source)), slice(count))
    return put(x, picked, (wrap(mask),), False)
