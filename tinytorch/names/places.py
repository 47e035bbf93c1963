"""Orders, places and shapes: what PyTorch sorts, picks, scatters, turns and repeats."""

import collections
import math

import numpy as np

from ..functions import expanded, gather, places_of, rule, split, to
from ..tensor import (
    Tensor,
    bool_,
    cat,
    dims_of,
    eq,
    getitem,
    int64,
    mul,
    one_tuple,
    permute,
    plain,
    primitive,
    reshape,
    stack,
    transpose,
    unsqueeze,
    where,
    wrap,
)

# ---------------------------------------------------------------- orders

Sorted = collections.namedtuple("Sorted", "values indices")


def argsort(x, dim=-1, descending=False, stable=False):
    """The indices that put x in order along `dim`; equal ones stay in their order. int64.

    >>> argsort(Tensor([3, 1, 2]), descending=True)
    tensor([0, 2, 1])
    """
    keys = x.array.astype("int8") if x.dtype == bool_ else x.array
    if not descending:
        return wrap(np.asarray(np.argsort(keys, axis=dim, kind="stable")))
    keys = np.flip(keys, dim)  # backwards twice, so that equal ones stay in their order
    order = np.flip(np.argsort(keys, axis=dim, kind="stable"), dim)
    return wrap(keys.shape[dim] - 1 - order if keys.ndim else np.zeros((), int64))


def sort(x, dim=-1, descending=False, stable=False):
    """The elements in order along `dim`, as the pair (values, indices).

    >>> sort(Tensor([3.0, 1.0, 2.0])).indices
    tensor([1, 2, 0])
    """
    if not x.shape:
        return Sorted(x, argsort(x[None], 0)[0])
    order = argsort(x, dim, descending, stable)
    return Sorted(gather(x, dim, order), order)


def unique(x, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements in order; of whole slices with `dim`. It has no gradient.

    Returns:
        A Tensor; or a tuple: the elements, for each place in x which one, and how often each is.
    """
    found = np.unique(x.array, return_inverse=return_inverse, return_counts=return_counts, axis=dim)
    if not isinstance(found, tuple):
        return wrap(found)
    return tuple(wrap(part) for part in found)


def bincount(x, weights=None, minlength=0):
    """How often 0, 1, 2, ... occur in x, (n,) -> (max + 1,); or the sums of their weights."""
    if x.ndim != 1 or x.dtype.kind not in "iu" or (x.array < 0).any():
        raise ValueError("bincount counts whole numbers from 0 on, in one dimension")
    if weights is None:
        return wrap(np.bincount(x.array, minlength=minlength))
    return wrap(np.bincount(x.array, weights.array, minlength).astype(weights.dtype))


def histc(x, bins=100, min=0, max=0):
    """How many elements lie in each of `bins` equal parts from min to max -> (bins,)."""
    low, high = (x.array.min(), x.array.max()) if min == max == 0 else (min, max)
    return wrap(np.histogram(x.array, bins, (float(low), float(high)))[0].astype(x.dtype))


def searchsorted(sorted_sequence, values, *, right=False, side=None):
    """Where the values would stand in a sorted row, (n,) and any shape -> that shape, int64."""
    if sorted_sequence.ndim != 1:
        raise ValueError(f"searchsorted takes one sorted row, not {sorted_sequence.shape}")
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


def masked_select(x, mask):
    """The elements where the mask is True, in reading order -> (n,); x and mask broadcast."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return getitem(expanded(x, shape), wrap(np.broadcast_to(mask.array, shape)))


def along(dim, ndim, index):
    """The index that applies `index` to one dimension."""
    return (*[slice(None)] * dims_of(dim, ndim)[0], index)


def index_select(x, dim, index):
    """The slices of the numbers in `index`, a vector of whole numbers, along `dim`.

    >>> index_select(Tensor([[1, 2, 3]]), 1, Tensor([2, 0]))
    tensor([[3, 1]])
    """
    return getitem(x, along(dim, x.ndim, reshape(index, (-1,))))


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
    start, n = int(start), x.shape[dim]
    start += n if start < 0 else 0
    if not 0 <= start <= start + length <= n:
        raise IndexError(f"narrow: {start} to {start + length} is not within 0 to {n}")
    return getitem(x, along(dim, x.ndim, slice(start, start + length)))


def unbind(x, dim=0):
    """All slices along `dim`, a tuple of views without that dimension.

    >>> unbind(Tensor([1, 2]))
    (tensor(1), tensor(2))
    """
    return tuple(select(x, dim, i) for i in range(x.shape[dim]))


def diagonal(x, offset=0, dim1=0, dim2=1):
    """The diagonal of the two dimensions, which becomes the last one.

    >>> diagonal(Tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    d1, d2 = dims_of((dim1, dim2), x.ndim)
    rest = [d for d in range(x.ndim) if d not in (d1, d2)]
    x, n, m = permute(x, (*rest, d1, d2)), x.shape[d1], x.shape[d2]
    count = max(0, min(n, m - offset) if offset >= 0 else min(n + offset, m))
    steps = np.arange(count)
    return getitem(x, (..., wrap(steps + max(-offset, 0)), wrap(steps + max(offset, 0))))


def diag(x, diagonal=0):
    """Of a vector the matrix with it on a diagonal; of a matrix, that diagonal.

    Raises:
        ValueError: x has neither one nor two dimensions.
    """
    if x.ndim == 2:
        return globals()["diagonal"](x, diagonal)
    if x.ndim != 1:
        raise ValueError(f"diag takes a vector or a matrix, and the shape is {x.shape}")
    n = len(x) + abs(diagonal)
    rows = np.arange(len(x)) + max(-diagonal, 0)
    index = wrap(rows * n + np.arange(len(x)) + max(diagonal, 0))
    return reshape(scatter(wrap(np.zeros(n * n, x.dtype)), 0, index, x), (n, n))


def diag_embed(x, offset=0):
    """Matrices with the last dimension on a diagonal: (..., n) -> (..., n, n); offset 0 only."""
    if offset:
        raise ValueError("diag_embed knows the main diagonal only: offset=0")
    return mul(unsqueeze(x, -1), wrap(np.eye(x.shape[-1], dtype=x.dtype)))


# ---------------------------------------------------------------- scattering


def sources(index, src, x):
    """What is scattered, with the shape of the index."""
    if isinstance(src, Tensor):
        if any(n > m for n, m in zip(index.shape, src.shape)) or index.ndim != src.ndim:
            raise ValueError(f"scatter: the index {index.shape} is larger than src {src.shape}")
        return getitem(src, tuple(slice(n) for n in index.shape))
    return wrap(np.full(index.shape, src, x.dtype))


@primitive
def placed(x, src, dim, index):
    """x, but src[i][j] at index[i][j] along `dim`."""
    y = x.copy()
    y[places_of(dim, index)] = src
    return y


@rule
def placed_rule(g, dim, index):
    """To x where nothing was written, and to src what was picked there."""
    back = g.copy()
    back[places_of(dim, index)] = 0
    return back, g[places_of(dim, index)]


@primitive
def added(x, src, dim, index):
    """x, and src[i][j] added at index[i][j] along `dim`; repeats add up."""
    y = x.copy()
    np.add.at(y, places_of(dim, index), src)
    return y


@rule
def added_rule(g, dim, index):
    """To x all of it, and to src what stands at its place."""
    return g, g[places_of(dim, index)]


def scatter(x, dim, index, src=None, *, value=None, reduce=None):
    """x, but `src` at the places that `index` names along `dim`: the reverse of `gather`.

    Args:
        x: any shape; it is not changed.
        dim: a dimension.
        index: whole numbers, as many dimensions as x.
        src: a Tensor at least as large as the index, or a number (also as `value`).
        reduce: None or "add".

    Raises:
        ValueError: src is too small. Of several written to one place, one wins.

    >>> scatter(Tensor([0.0, 0.0, 0.0]), 0, Tensor([2]), Tensor([5.0]))
    tensor([0., 0., 5.])
    """
    if reduce not in (None, "add"):
        raise ValueError(f"scatter: reduce is None or 'add', not {reduce!r}")
    src = sources(index, value if src is None else src, x)
    return (placed if reduce is None else added)(x, src, dim, index)


def scatter_add(x, dim, index, src):
    """x with `src` added at the places that `index` names along `dim`; repeats add up.

    >>> scatter_add(Tensor([0.0, 0.0]), 0, Tensor([1, 1]), Tensor([5.0, 6.0]))
    tensor([ 0., 11.])
    """
    return added(x, sources(index, src, x), dim, index)


def whole_slices(x, dim, index, source):
    """An index for `placed` that names whole slices, and the source stretched to it."""
    dim = dims_of(dim, x.ndim)[0]
    shape = (*x.shape[:dim], index.numel(), *x.shape[dim + 1 :])
    column = index.array.reshape([-1 if d == dim else 1 for d in range(x.ndim)])
    source = source if isinstance(source, Tensor) else wrap(np.full((), source, x.dtype))
    return wrap(np.broadcast_to(column, shape)), expanded(source, shape)


def index_add(x, dim, index, source, *, alpha=1):
    """x with the slices of `source` added to those of the numbers in `index`; repeats add up.

    >>> index_add(Tensor([0, 0]), 0, Tensor([1, 1]), Tensor([5, 6]))
    tensor([ 0, 11])
    """
    index, source = whole_slices(x, dim, index, source)
    return added(x, mul(source, alpha), dim, index)


def index_copy(x, dim, index, source):
    """x with the slices of the numbers in `index` taken from `source`.

    >>> index_copy(Tensor([0, 0]), 0, Tensor([1]), Tensor([5]))
    tensor([0, 5])
    """
    index, source = whole_slices(x, dim, index, source)
    return placed(x, source, dim, index)


def index_fill(x, dim, index, value):
    """x with one value in the slices of the numbers in `index`.

    >>> index_fill(Tensor([0, 0]), 0, Tensor([1]), 5)
    tensor([0, 5])
    """
    return index_copy(x, dim, index, value)


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

    >>> roll(Tensor([1, 2, 3]), 1)
    tensor([3, 1, 2])
    """
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
    return reshape(expanded(reshape(x, tuple(one)), tuple(many)), tuple(result))


def tile(x, *dims):
    """`repeat`, where missing numbers in front are 1.

    >>> tile(Tensor([[1, 2]]), 2)
    tensor([[1, 2, 1, 2]])
    """
    dims = one_tuple(dims)
    return repeated(x, (1,) * (x.ndim - len(dims)) + dims)


def repeat_interleave(x, repeats, dim=None):
    """Each element repeated on the spot: a number, or for each slice its own.

    >>> repeat_interleave(Tensor([1, 2]), 2)
    tensor([1, 1, 2, 2])
    """
    x, dim = (reshape(x, (-1,)), 0) if dim is None else (x, dim)
    numbers = np.repeat(np.arange(x.shape[dim]), plain(repeats))
    return index_select(x, dim, wrap(numbers))


def movedim(x, source, destination):
    """Dimensions moved to other places, the others in their order, as a view.

    >>> movedim(Tensor([[[1, 2]]]), 0, -1).shape
    (1, 2, 1)
    """
    order = np.moveaxis(np.empty((1,) * x.ndim + (0,)), source, destination).ndim - 1
    places = np.arange(order)
    source, destination = (
        [d % order for d in (v if isinstance(v, (tuple, list)) else (v,))]
        for v in (source, destination)
    )
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
    if -1 in sizes:
        sizes[sizes.index(-1)] = n // max(1, -math.prod(sizes))
    return reshape(x, (*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def unfold(x, dimension, size, step):
    """Windows of a size along a dimension, `step` apart; the window is the last dimension."""
    dim = dims_of(dimension, x.ndim)[0]
    count = (x.shape[dim] - size) // step + 1
    index = np.arange(count)[:, None] * step + np.arange(size)  # (windows, size)
    return movedim(getitem(x, along(dim, x.ndim, wrap(index))), dim + 1, -1)


def expand_as(x, other):
    """Stretched to the shape of another tensor, as a view that cannot be written."""
    return expanded(x, other.shape)


def view_as(x, other):
    """Under the shape of another tensor, as a view."""
    return x.view(other.shape)


def reshape_as(x, other):
    """Under the shape of another tensor."""
    return reshape(x, other.shape)


def broadcast_to(x, size):
    """Sizes of 1 stretched to `size`, as a view that cannot be written.

    >>> broadcast_to(Tensor([1, 2]), (2, 2)).tolist()
    [[1, 2], [1, 2]]
    """
    return expanded(x, size)


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
    n = x.shape[dim]
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
    return steps if dim is None else steps[dim]


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
    """The differences of neighbours along `dim`, n times.

    >>> diff(Tensor([1, 4, 9]))
    tensor([3, 5])
    """
    for _ in range(n):
        size = x.shape[dim]
        x = narrow(x, dim, 1, size - 1) - narrow(x, dim, 0, size - 1)
    return x


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
    return put(x, values, tuple(indices), accumulate)


def masked_scatter(x, mask, source):
    """x with the first elements of `source` where the mask is True, in reading order.

    >>> masked_scatter(Tensor([0, 0, 0]), Tensor([True, False, True]), Tensor([7, 8]))
    tensor([7, 0, 8])
    """
    mask = np.broadcast_to(mask.array, x.shape)
    return put(x, getitem(ravel(source), slice(int(mask.sum()))), (wrap(mask),), False)
