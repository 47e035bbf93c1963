"""Random graphs over all primitives, against PyTorch: values and every gradient, in float64.

Each graph starts from a few leaves, applies random operations to random earlier results (so results
are used twice, paths meet again, slices overlap, shapes are stretched), and ends in one weighted
sum. The same calls run in both libraries. Leaves may be empty, turned round, transposed or parts of
larger arrays. A failure names its graph; `pytest -m slow` compares 10,000 of them.
"""

import functools
import itertools
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

import tinytorch  # noqa: E402
from tinytorch import (  # noqa: E402, F401
    attention,
    autograd,
    embeddings,
    functions,
    losses,
    transformers,
)
from tinytorch.tensor import PRIMITIVES, RULES, Tensor, wrap  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:sub")  # (3,) - (3, 1) is meant here
GRAPHS, STEPS, LARGEST = 300, 14, 50.0
p = PRIMITIVES


class Skip(Exception):
    """This operation does not fit these tensors: choose another."""


class Pair:
    """The same tensor in both libraries."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs

    @property
    def shape(self):
        return self.ours.shape

    @property
    def ndim(self):
        return self.ours.ndim

    @property
    def values(self):
        return self.ours.array


def both(f, *pairs, torch_f=None):
    """f of the tensors of both libraries."""
    theirs = (torch_f or f)(*(pair.theirs for pair in pairs))
    return Pair(f(*(pair.ours for pair in pairs)), theirs)


def pick(rng, items):
    return items[rng.integers(len(items))]


def need(condition):
    if not condition:
        raise Skip


def clear_of(values, corner):
    """Refuse values next to a corner, where rounding decides the side; on it is well defined."""
    distance = np.abs(values - corner)
    need(not ((distance > 0) & (distance < 1e-9)).any())


def distinct(values, axis):
    """Refuse ties and near ties along an axis."""
    need(values.shape[axis] == 1 or np.diff(np.sort(values, axis=axis), axis=axis).min() > 1e-9)


def no_near_ties(values):
    gaps = np.diff(np.sort(values.reshape(-1)))
    need(not ((gaps > 0) & (gaps < 1e-9)).any())


# ---------------------------------------------------------------- operations on one tensor
def unary(rng, x):
    name = pick(
        rng, ["neg", "exp", "tanh", "sigmoid", "silu", "gelu", "gelu_exact", "clone", "log", "sqrt"]
    )
    if name in ("log", "sqrt"):
        return both(
            lambda t: p[name](t * t + 0.5), x, torch_f=lambda t: getattr(torch, name)(t * t + 0.5)
        )
    if name == "exp":
        return both(lambda t: p["exp"](t * 0.1), x, torch_f=lambda t: torch.exp(t * 0.1))
    torch_f = {
        "silu": F.silu,
        "gelu": lambda t: F.gelu(t, approximate="tanh"),
        "gelu_exact": F.gelu,
    }
    return both(p[name], x, torch_f=torch_f.get(name, getattr(torch, name, None)))


def corners(rng, x):
    name = pick(rng, ["relu", "abs", "clamp"])
    for corner in (0.0,) if name != "clamp" else (-0.3, 0.4):
        clear_of(x.values, corner)
    if name == "clamp":
        return both(lambda t: t.clamp(-0.3, 0.4), x)
    return both(p[name], x, torch_f=getattr(torch, name))


def normalise(rng, x):
    need(x.ndim > 0)
    name, dim = pick(rng, ["softmax", "log_softmax"]), int(rng.integers(-x.ndim, x.ndim))
    return both(lambda t: p[name](t, dim), x, torch_f=lambda t: getattr(torch, name)(t, dim))


def reduce(rng, x):
    name = pick(rng, ["sum", "mean", "var", "std", "norm", "amax"])
    need(x.ndim > 0)
    count = int(rng.integers(1, x.ndim + 1))
    dims = tuple(int(d) for d in rng.permutation(x.ndim)[:count])
    dims = tuple(d - x.ndim if rng.random() < 0.3 else d for d in dims)
    keep = bool(rng.random() < 0.5)
    n = math.prod(x.shape[d] for d in dims)
    if name in ("var", "std"):
        unbiased = bool(rng.random() < 0.5) and n > 1
        need(name == "var" or (n > 1 and x.values.var(axis=dims).min() > 1e-6))
        return both(
            lambda t: getattr(t, name)(dims, unbiased, keep),
            x,
            torch_f=lambda t: getattr(t, name)(dims, correction=int(unbiased), keepdim=keep),
        )
    if name == "norm":
        need((np.abs(x.values).sum(axis=dims) > 1e-3).all())
        theirs = torch.linalg.vector_norm(x.theirs, dim=dims, keepdim=keep)
        return Pair(x.ours.norm(dim=dims, keepdim=keep), theirs)
    if name == "amax":
        no_near_ties(x.values)
        return both(lambda t: p["amax"](t, dims, keep), x, torch_f=lambda t: t.amax(dims, keep))
    return both(lambda t: getattr(t, name)(dims, keep), x)


def extremes(rng, x):
    name, keep = pick(rng, ["max", "min", "topk", "max of all"]), bool(rng.random() < 0.5)
    need(x.ndim > 0)
    if name == "max of all":
        no_near_ties(x.values)
        return both(lambda t: t.max(), x)
    dim = int(rng.integers(x.ndim))
    distinct(x.values, dim)
    if name == "topk":
        k = int(rng.integers(1, x.shape[dim] + 1))
        return both(lambda t: t.topk(k, dim)[0], x)
    return both(lambda t: getattr(t, name)(dim, keep)[0], x)


def rearrange(rng, x):
    name = pick(
        rng,
        [
            "reshape",
            "flatten",
            "transpose",
            "permute",
            "squeeze",
            "unsqueeze",
            "expand",
            "cumsum",
            "tri",
        ],
    )
    if name == "reshape":
        sizes = [s for s in (1, 2, 3, 4, 6) if x.values.size % s == 0]
        first = pick(rng, sizes)
        return both(lambda t: t.reshape(first, -1) if x.values.size else t, x)
    if name == "unsqueeze":
        need(x.ndim < 4)
        dim = int(rng.integers(-x.ndim - 1, x.ndim + 1))
        return both(lambda t: t.unsqueeze(dim), x)
    if name == "expand":
        need(x.ndim < 4)
        to = tuple(3 if s == 1 and rng.random() < 0.7 else s for s in x.shape)
        to = (2, *to) if rng.random() < 0.5 else to
        return both(lambda t: t.expand(to), x)
    need(x.ndim > 0)
    if name == "flatten":
        return both(lambda t: t.flatten(), x)
    if name == "squeeze":
        return both(lambda t: t.squeeze(), x)
    if name == "permute":
        dims = tuple(int(d) for d in rng.permutation(x.ndim))
        return both(lambda t: t.permute(dims), x)
    dim = int(rng.integers(-x.ndim, x.ndim))
    if name == "cumsum":
        return both(lambda t: t.cumsum(dim), x)
    other = int(rng.integers(x.ndim))
    if name == "transpose":
        return both(lambda t: t.transpose(dim, other), x)
    need(x.ndim >= 2)
    which, k = pick(rng, ["triu", "tril"]), int(rng.integers(-1, 2))
    return both(lambda t: getattr(t, which)(k), x)


def some_slice(rng, size):
    start = int(rng.integers(0, size))
    return slice(start, int(rng.integers(start + 1, size + 1)), int(rng.integers(1, 3)))


def index(rng, x):
    need(x.ndim > 0)
    kind, size = (
        pick(rng, ["number", "slices", "array", "pairs", "mask", "none", "last"]),
        x.shape[0],
    )
    if kind == "number":
        i = int(rng.integers(-size, size))
        return both(lambda t: t[i], x)
    if kind == "slices":
        slices = tuple(some_slice(rng, s) for s in x.shape)
        return both(lambda t: t[slices], x)
    if kind == "none":
        return both(lambda t: t[None, ..., 0:1], x) if x.ndim < 4 else both(lambda t: t[..., 0], x)
    if kind == "last":
        return both(lambda t: t[..., -1:], x)
    if kind == "mask":
        mask = rng.random(x.shape) < 0.6
        need(mask.any())
        return Pair(x.ours[wrap(mask)], x.theirs[torch.from_numpy(mask)])
    rows = rng.integers(-size, size, 4)
    if kind == "array":
        return Pair(x.ours[wrap(rows)], x.theirs[torch.from_numpy(rows)])
    need(x.ndim > 1)
    columns = rng.integers(0, x.shape[1], 4)
    return Pair(
        x.ours[wrap(rows), wrap(columns)],
        x.theirs[torch.from_numpy(rows), torch.from_numpy(columns)],
    )


def overlap(rng, x):
    """Neighbours: two slices of the same memory."""
    need(x.ndim > 0 and x.shape[0] > 1)
    return both(lambda t: t[1:] * t[:-1] - t[1:], x)


def pieces(rng, x):
    need(x.ndim > 0)
    dim, size = int(rng.integers(x.ndim)), int(rng.integers(1, 3))
    a, b = tinytorch.split(x.ours, size, dim), torch.split(x.theirs, size, dim)
    i, j = (int(k) for k in rng.integers(0, len(a), 2))
    return Pair(p["cat"]([a[i], a[j], a[i]], dim), torch.cat([b[i], b[j], b[i]], dim))


def gather(rng, x):
    need(x.ndim > 0)
    dim = int(rng.integers(x.ndim))
    shape = list(x.shape)
    shape[dim] = 3
    i = rng.integers(0, x.shape[dim], shape)
    return Pair(x.ours.gather(dim, wrap(i)), x.theirs.gather(dim, torch.from_numpy(i)))


def fill(rng, x):
    mask = np.asarray(rng.random(x.shape) < 0.4)
    return Pair(
        x.ours.masked_fill(wrap(mask), 0.25), x.theirs.masked_fill(torch.from_numpy(mask), 0.25)
    )


def powers(rng, x):
    e = pick(rng, [0, 1, 2, 3, 0.5, -1])
    return (
        both(lambda t: (t * t + 0.5) ** e, x)
        if isinstance(e, float) or e < 0
        else both(lambda t: t**e, x)
    )


def constants(rng, x):
    return both(lambda t: 2 * t - t / 4 + 1 - (3 - t) * 0.5, x)


def cast(rng, x):
    return Pair(p["cast"](x.ours, np.dtype("float64")), x.theirs.double().clone())


# ---------------------------------------------------------------- operations on two and more
def binary(rng, x, y):
    name = pick(
        rng, ["add", "sub", "mul", "mul", "add", "div", "maximum", "minimum", "pow", "remainder"]
    )
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise Skip from None
    need(math.prod(shape) <= 200)
    if name in ("maximum", "minimum"):
        clear_of(np.asarray(x.values - y.values), 0.0)
    if name == "div":
        return both(lambda a, b: a / (b * b + 0.5), x, y)
    if name == "pow":
        return both(lambda a, b: (a * a + 0.5) ** b.tanh(), x, y)
    if name == "remainder":
        ratio = x.values / (y.values * y.values + 0.5)
        need((np.abs(ratio - np.round(ratio)) > 1e-9).all())
        return both(lambda a, b: a % (b * b + 0.5), x, y)
    return both(p[name], x, y, torch_f=getattr(torch, name))


def choose(rng, x, y):
    try:
        shape = np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise Skip from None
    mask = np.asarray(rng.random(shape) < 0.5)
    return Pair(
        p["where"](wrap(mask), x.ours, y.ours),
        torch.where(torch.from_numpy(mask), x.theirs, y.theirs),
    )


def join(rng, x, y):
    need(x.shape == y.shape and x.ndim < 4)
    dim = int(rng.integers(x.ndim + 1))
    return Pair(tinytorch.stack([x.ours, y.ours], dim), torch.stack([x.theirs, y.theirs], dim))


def weights_for(rng, *shape):
    array = rng.standard_normal(shape)
    return leaf_pair(array)


def multiply(rng, x, y):
    if x.ndim and y.ndim and rng.random() < 0.5:
        inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
        need(x.shape[-1] == inner)
        try:
            np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        except ValueError:
            raise Skip from None
        return both(lambda a, b: a @ b, x, y)
    need(x.ndim > 0)
    other = weights_for(rng, *pick(rng, [(), (1,), (2,)] if x.ndim < 3 else [()]), x.shape[-1], 2)
    return Pair(x.ours @ other.ours, x.theirs @ other.theirs), [other]


def layer(rng, x):
    need(x.ndim > 0)
    weight, bias = weights_for(rng, 3, x.shape[-1]), weights_for(rng, 3)
    return both(p["linear"], x, weight, bias, torch_f=F.linear), [weight, bias]


def text(rng, x):
    """What module 11 to 13 add: a table, a norm, attention."""
    need(x.ndim >= 2)
    kind = pick(rng, ["embedding", "layer_norm", "attention"])
    if kind == "attention":
        return both(
            lambda t: p["scaled_dot_product_attention"](t, t * 0.5, t),
            x,
            torch_f=lambda t: F.scaled_dot_product_attention(t, t * 0.5, t),
        )
    if kind == "layer_norm":
        need(x.values.var(axis=-1).min() > 1e-3)
        weight, bias = weights_for(rng, x.shape[-1]), weights_for(rng, x.shape[-1])
        made = both(
            p[kind], x, weight, bias, torch_f=lambda t, w, b: F.layer_norm(t, w.shape, w, b)
        )
        return made, [weight, bias]
    need(x.ndim == 2)
    ids = rng.integers(0, len(x.ours), (2, 3))
    return Pair(p[kind](x.ours, wrap(ids)), F.embedding(torch.from_numpy(ids), x.theirs))


def loss(rng, x):
    kind = pick(rng, ["cross_entropy", "binary_cross_entropy_with_logits", "mse"])
    how = pick(rng, ["mean", "sum", "none"])
    if kind == "mse":
        return both(
            lambda t: losses.mse_loss(t, t.detach() * 0.5, how),
            x,
            torch_f=lambda t: F.mse_loss(t, t.detach() * 0.5, reduction=how),
        )
    if kind == "binary_cross_entropy_with_logits":
        y = rng.random(x.shape)
        ours = p[kind](x.ours, wrap(np.asarray(y)), how)
        theirs = F.binary_cross_entropy_with_logits(x.theirs, torch.tensor(y), reduction=how)
        return Pair(ours, theirs)
    need(x.ndim > 1)
    y = np.asarray(rng.integers(0, x.shape[-1], x.shape[:-1]))
    y.reshape(-1)[1:2] = -100
    smoothing = pick(rng, [0.0, 0.1])
    ours = p[kind](x.ours, wrap(y), -100, smoothing, how)
    flat = x.theirs.reshape(-1, x.shape[-1]), torch.from_numpy(y.reshape(-1))
    theirs = F.cross_entropy(*flat, ignore_index=-100, label_smoothing=smoothing, reduction=how)
    return Pair(ours, theirs.reshape(y.shape) if how == "none" else theirs)


ONE = [
    *(unary, corners, normalise, reduce, extremes, rearrange, rearrange, index, index, overlap),
    *(pieces, gather, fill, powers, constants, cast, layer, text, loss),
]
TWO = [binary, binary, binary, choose, join, multiply]


FOR_EMPTY = {unary, corners, fill, powers, constants, cast, binary, join, choose, multiply}


def turned(x):
    """The last dimension backwards, by a negative step."""
    return Pair(x.ours[..., ::-1], x.theirs.flip(-1))


def flip(rng, x):
    need(x.ndim > 0)
    return turned(x)


ONE.append(flip)


def leaf_pair(array):
    array = np.asarray(array)
    ours = Tensor(array, requires_grad=True, dtype="float64")
    return Pair(ours, torch.tensor(array, requires_grad=True))


def odd_leaf(rng, shape):
    """A leaf that looks into the memory of another array, in an odd order."""
    kind = pick(rng, ["plain", "plain", "turned", "transposed", "every second", "one column"])
    if kind == "plain" or not shape:
        return leaf_pair(rng.standard_normal(shape))
    if kind == "turned":
        array = rng.standard_normal(shape)[::-1]
    elif kind == "transposed":
        array = rng.standard_normal(shape[::-1]).T
    elif kind == "every second":
        array = rng.standard_normal((*shape[:-1], 2 * shape[-1]))[..., ::2]
    else:
        array = rng.standard_normal((*shape, 3))[..., 1]
    theirs = torch.tensor(array.copy(), requires_grad=True)
    return Pair(wrap(array).requires_grad_(), theirs)


def grow(rng, used):
    """A random graph: (the pool of results, the leaves)."""
    shapes = [(), (3,), (2, 3), (1, 3), (3, 3), (2, 1, 3), (2, 2, 1, 3), (1,), (4, 1), (3, 2, 2)]
    shapes = [*shapes, (0,), (2, 0), (0, 3)] if rng.random() < 0.2 else shapes
    leaves = [odd_leaf(rng, pick(rng, shapes)) for _ in range(rng.integers(1, 4))]
    pool = list(leaves)
    while len(pool) < STEPS:
        two = rng.random() < 0.5
        chosen = [pool[int(rng.integers(len(pool)))] for _ in range(1 + two)]
        operation = pick(rng, TWO if two else ONE)
        if any(0 in pair.shape for pair in chosen) and operation not in FOR_EMPTY:
            continue
        try:
            made = operation(rng, *chosen)
        except Skip:
            continue
        made, new_leaves = made if isinstance(made, tuple) else (made, [])
        assert made.shape == tuple(made.theirs.shape), f"{operation.__name__}: {made.shape}"
        if made.values.size and np.abs(made.values).max() > LARGEST:
            made = both(lambda t: t.tanh(), made)
        if made.values.size <= 200:
            leaves += new_leaves
            pool.append(made)
            used.add(operation.__name__)
    return pool, leaves


def end(rng, pool):
    """One number at the end, in which several results take part."""
    ours = theirs = 0.0
    for i in {len(pool) - 1, *(int(i) for i in rng.integers(0, len(pool), 3))}:
        w = np.asarray(rng.standard_normal(pool[i].shape))
        ours = ours + (pool[i].ours * wrap(w)).sum()
        theirs = theirs + (pool[i].theirs * torch.tensor(w)).sum()
    return ours, theirs


def names_in(root):
    return {n.primitive for n in autograd.topological_order(root) if not isinstance(n, Tensor)}


@functools.cache
def check_one(seed):
    """Compare one graph in both libraries; the names of the rules that were walked through."""
    rng = np.random.default_rng(seed)
    pool, leaves = grow(rng, set())
    ours, theirs = end(rng, pool)
    assert math.isclose(ours.item(), theirs.item(), rel_tol=1e-9, abs_tol=1e-9)
    walked = names_in(ours.made_by)
    ours.backward()
    theirs.backward()
    for t in leaves:
        want = np.zeros(t.shape) if t.theirs.grad is None else t.theirs.grad.numpy()
        got = np.zeros(t.shape) if t.ours.grad is None else t.ours.grad.array
        assert (t.ours.grad is None) == (t.theirs.grad is None)
        assert got.shape == want.shape and got.dtype == np.float64
        scale = max(0.05, np.abs(want).max(initial=0))
        worst = np.abs(got - want).max(initial=0)
        assert worst <= 1e-8 * scale, f"graph {seed}: off by {worst} of {scale}"
    return walked


def check_all(seeds):
    for seed in seeds:
        try:
            check_one(seed)
        except Exception as error:
            raise AssertionError(f"graph {seed}: run check_one({seed}): {error}") from error


@pytest.mark.parametrize("first", range(0, GRAPHS, 50))
def test_random_graphs(first):
    check_all(range(first, first + 50))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(GRAPHS, 10_000, 485))
def test_ten_thousand_random_graphs(first):
    check_all(range(first, min(first + 485, 10_000)))


def test_the_graphs_walk_through_every_rule():
    """What the random graphs never use, they cannot judge."""
    walked = set().union(*(check_one(seed) for seed in range(GRAPHS)))
    homes = {f"tinytorch.{m}" for m in ("tensor", "functions", "activations", "layers", "losses")}
    own = {name for name in RULES if name in p and p[name].on_arrays.__module__ in homes}
    missing = own - walked
    assert not missing, f"no random graph walks through {sorted(missing)}"


# ---------------------------------------------------------------- patterns, one by one


def stretches(full=(2, 3, 2, 3)):
    """All shapes up to 4-D that broadcast to `full`: each size whole or 1, in front left out."""
    for ndim in range(len(full) + 1):
        tail = full[len(full) - ndim :]
        for ones in itertools.product((False, True), repeat=ndim):
            yield tuple(1 if one else size for one, size in zip(ones, tail))


def compare(f, *arrays, torch_f=None, tolerance=1e-8):
    """Value and all gradients of f, weighted with random numbers."""
    pairs = [leaf_pair(array) for array in arrays]
    made = both(f, *pairs, torch_f=torch_f)
    weights = np.asarray(np.random.default_rng(1).standard_normal(made.shape))
    made.ours.backward(weights)
    made.theirs.backward(torch.tensor(weights))
    assert np.allclose(made.values, made.theirs.detach().numpy(), tolerance, tolerance)
    for pair in pairs:
        assert pair.ours.grad.shape == pair.shape and pair.ours.grad.dtype == np.float64
        want = pair.theirs.grad.numpy()
        assert np.allclose(pair.ours.grad.array, want, tolerance, tolerance), pair.shape


OPERATIONS = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
    "pow": lambda a, b: (a * a + 1) ** b,
    "maximum": lambda a, b: p["maximum"](a, b) if isinstance(a, Tensor) else torch.maximum(a, b),
    "where": lambda a, b: p["where"](a > 0, a, b) if isinstance(a, Tensor) else a.where(a > 0, b),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_all_patterns_of_broadcasting(name):
    rng = np.random.default_rng(0)
    for first, second in itertools.product(stretches(), repeat=2):
        compare(OPERATIONS[name], rng.standard_normal(first), rng.standard_normal(second))


@pytest.mark.parametrize("first", [(3, 4), (1, 3, 4), (2, 3, 4), (5, 2, 3, 4), (5, 1, 3, 4), (4,)])
@pytest.mark.parametrize("second", [(4, 2), (1, 4, 2), (2, 4, 2), (5, 2, 4, 2), (1, 2, 4, 2), (4,)])
def test_all_patterns_of_matmul(first, second):
    rng = np.random.default_rng(0)
    compare(lambda a, b: a @ b, rng.standard_normal(first), rng.standard_normal(second))


def test_fan_out_of_a_thousand():
    def f(x):
        middle = x.exp()
        total = middle * 0.0
        for n in range(1000):
            total = total + middle * (n % 7) - x[n % 3]
        return total

    compare(f, np.array([0.1, -0.4, 0.3]))


def test_a_chain_of_diamonds():
    def f(x):
        for _ in range(40):
            x = (x * 0.6 + x.tanh()) * 0.5 + x * 0.1
        return x

    compare(f, np.array([[0.1, -0.4, 0.3]]))


def test_overlapping_slices_and_repeated_indices():
    def f(x):
        return x[1:] * x[:-1] + x[[0, 0, 2, 1]] * x[2] + x[::2][[1, 1, 0, 2]]

    compare(f, np.random.default_rng(0).standard_normal((5, 3)))


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3), (2, 0, 3)])
def test_empty_arrays(shape):
    x = np.zeros(shape)
    compare(lambda t: t.exp() * t + 1, x)
    compare(lambda t: t.sum(), x)
    compare(lambda t: t.sum(-1), x)
    compare(lambda t: t.transpose(0, -1) * 2, x)
    compare(lambda t: t.reshape(-1) if isinstance(t, Tensor) and 0 not in t.shape else t * 3, x)
    compare(lambda t: t + t[:0].sum(), x)
    if len(shape) == 2:
        full = np.ones((shape[1], 4))
        compare(lambda a, b: a @ b, x, full)  # (2, 0) @ (0, 4) is zeros, and its gradients too


def test_single_numbers():
    one = np.array(0.7)
    for f in (lambda t: t * t, lambda t: t.sum(), lambda t: t.reshape(1, 1), lambda t: t[None] * t):
        compare(f, one)
    compare(lambda a, b: a * b + a, one, np.ones((1, 1, 1)))
