"""Module 01 against PyTorch: values, dtypes and gradients of every primitive.

Shapes are random: up to four dimensions, with 1s and 0s, single numbers, and views with negative
strides and holes. Values and gradients agree to 1e-10 in float64 and to 1e-5 of the largest
magnitude in float32.
"""

import pytest

torch = pytest.importorskip("torch")

import math  # noqa: E402
import warnings  # noqa: E402

import numpy as np  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as hnp  # noqa: E402

import tinytorch  # noqa: E402
from tinytorch import tensor as make_tensor  # noqa: E402
from tinytorch.functions import chunk, norm, split, std, topk  # noqa: E402
from tinytorch.tensor import (  # noqa: E402
    PRIMITIVES,
    Tensor,
    broadcast_shape,
    cat,
    flatten,
    from_numpy,
    stack,
    wrap,
)

DTYPES = {np.float64: 1e-10, np.float32: 1e-5}
both_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)
some = settings(max_examples=30)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
full_shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


def pairs(max_dims=4, min_side=0):
    return hnp.mutually_broadcastable_shapes(
        num_shapes=2, max_dims=max_dims, min_side=min_side, max_side=3
    )


def numbers(shape, seed=0, low=0.3, high=1.7):
    """Distinct numbers away from 0, of both signs, in random order."""
    rng = np.random.default_rng(seed)
    values = np.linspace(low, high, math.prod(shape)) * rng.choice([-1.0, 1.0], math.prod(shape))
    return rng.permutation(values).reshape(shape)


def laid_out(array, how):
    """The same numbers with other strides: reversed, with holes, or with dimensions swapped."""
    back = (slice(None, None, -1),) * array.ndim
    if array.ndim == 0:
        return array
    if how == "reversed":
        return array[back].copy()[back]
    if how == "holes":
        wide = np.zeros([2 * size for size in array.shape], array.dtype)
        view = wide[(slice(None, None, 2),) * array.ndim]
        view[...] = array
        return view
    return array.T.copy().T if how == "swapped" else array


layouts = st.sampled_from(["plain", "reversed", "holes", "swapped"])


def close(ours, theirs, tol, what):
    ours, theirs = np.asarray(ours), theirs.detach().numpy()
    assert ours.shape == theirs.shape, f"{what}: shape {ours.shape}, PyTorch has {theirs.shape}"
    assert ours.dtype == theirs.dtype, f"{what}: {ours.dtype}, PyTorch has {theirs.dtype}"
    finite = np.abs(theirs[np.isfinite(theirs)])
    scale = max(0.05, float(finite.max(initial=0)))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tol * scale, err_msg=what)


def agree(f, arrays, torch_f=None, layout="plain", dtype=np.float64):
    """Values and all gradients of f are PyTorch's, for a random weight on each element."""
    arrays = [np.asarray(a, dtype) for a in arrays]
    ours = [wrap(laid_out(a, layout)).requires_grad_() for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy says so where an empty mean divides 0 by 0
        got, want = f(*ours), (torch_f or f)(*theirs)
        weights = np.random.default_rng(1).uniform(0.5, 1.5, want.shape).astype(dtype)
        got.backward(wrap(weights))
        want.backward(torch.tensor(weights))
    close(got.array, want, DTYPES[dtype], "value")
    for i, (a, b) in enumerate(zip(ours, theirs)):
        want_grad = torch.zeros_like(b) if b.grad is None else b.grad
        close(a.grad.array, want_grad, DTYPES[dtype], f"gradient of input {i}")


# ---------------------------------------------------------------- element by element

BINARY = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}


@both_dtypes
@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=50)
@given(pair=pairs(), layout=layouts)
def test_elementwise_over_all_broadcasting_patterns(name, dtype, pair, layout):
    x, y = (numbers(shape, i) for i, shape in enumerate(pair.input_shapes))
    agree(PRIMITIVES[name], (x, y + 0.011), BINARY[name], layout, dtype)


@both_dtypes
@some
@given(pair=pairs())
def test_pow_of_tensors(dtype, pair):
    x, y = (np.abs(numbers(shape, i)) for i, shape in enumerate(pair.input_shapes))
    agree(PRIMITIVES["pow"], (x, y), torch.pow, dtype=dtype)


@pytest.mark.parametrize("exponent", [-2, -1, 0, 0.5, 1, 2, 3, 2.5])
@both_dtypes
def test_pow_of_numbers(dtype, exponent):
    x = numbers((3, 4))
    agree(lambda t: t**exponent, [np.abs(x) if exponent % 1 else x], dtype=dtype)
    agree(lambda t: 2.5**t, [x], dtype=dtype)


UNARY = {
    "neg": torch.neg,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "clone": torch.clone,
}


@both_dtypes
@pytest.mark.parametrize("name", UNARY)
@some
@given(shape=shapes, layout=layouts)
def test_one_argument(name, dtype, shape, layout):
    x = numbers(shape)
    agree(
        PRIMITIVES[name],
        [np.abs(x) if name in ("log", "sqrt") else x],
        UNARY[name],
        layout,
        dtype,
    )


@both_dtypes
@pytest.mark.parametrize("bounds", [(-0.5, 0.5), (None, 0.7), (0.1, None), (-0.5, 2)])
def test_clamp(dtype, bounds):
    agree(lambda t: t.clamp(*bounds), [numbers((3, 4))], dtype=dtype)


@both_dtypes
@some
@given(pair=pairs())
def test_clamp_by_tensors(dtype, pair):
    """The bounds have gradients too; equal and crossed bounds are among them."""
    x, low = (numbers(shape, i) for i, shape in enumerate(pair.input_shapes))
    high = np.round(low + numbers(low.shape, 2), 1)
    agree(lambda t, a: t.clamp(min=a), [x, low], dtype=dtype)
    agree(lambda t, a: t.clamp(max=a), [x, low], dtype=dtype)
    agree(lambda t, a, b: t.clamp(a, b), [x, low, high], dtype=dtype)
    agree(lambda t, a, b: t.clamp(a, b), [x, x + 0.0, x + 0.0], dtype=dtype)


COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge"]


@pytest.mark.parametrize("name", COMPARISONS)
@some
@given(pair=pairs())
def test_comparisons(name, pair):
    x, y = (np.round(numbers(shape, i)) for i, shape in enumerate(pair.input_shapes))
    close(
        PRIMITIVES[name](wrap(x), wrap(y)).array,
        getattr(torch, name)(torch.tensor(x), torch.tensor(y)),
        0,
        name,
    )


@pytest.mark.parametrize("name", ["and", "or", "xor"])
@some
@given(pair=pairs())
def test_logic(name, pair):
    rng = np.random.default_rng(0)
    for make in (lambda s: rng.random(s) < 0.5, lambda s: rng.integers(0, 9, s)):
        x, y = (np.asarray(make(shape)) for shape in pair.input_shapes)
        close(
            getattr(wrap(x), f"__{name}__")(wrap(y)).array,
            getattr(torch.tensor(x), f"__{name}__")(torch.tensor(y)),
            0,
            name,
        )
        close((~wrap(x)).array, ~torch.tensor(x), 0, "not")


@some
@given(pair=pairs())
def test_whole_division_and_remainder(pair):
    x, y = (numbers(shape, i) * 7 for i, shape in enumerate(pair.input_shapes))
    for a, b in ((x, y), (x.astype(int), np.where(y > 0, 3, -2))):
        close(
            (wrap(np.asarray(a)) // wrap(np.asarray(b))).array,
            torch.tensor(a) // torch.tensor(b),
            1e-10,
            "//",
        )
        close(
            (wrap(np.asarray(a)) % wrap(np.asarray(b))).array,
            torch.tensor(a) % torch.tensor(b),
            1e-10,
            "%",
        )


@both_dtypes
@some
@given(pair=pairs())
def test_where_and_masked_fill(dtype, pair):
    x, y = (numbers(shape, i) for i, shape in enumerate(pair.input_shapes))
    mask = np.asarray(np.random.default_rng(2).random(pair.input_shapes[1]) < 0.5)
    agree(
        lambda a, b: PRIMITIVES["where"](wrap(mask), a, b),
        (x, y),
        lambda a, b: torch.where(torch.tensor(mask), a, b),
        dtype=dtype,
    )
    agree(
        lambda a: a.masked_fill(wrap(mask), -3.5),
        [x],
        lambda a: a.masked_fill(torch.tensor(mask), -3.5),
        dtype=dtype,
    )


# ---------------------------------------------------------------- matmul


@st.composite
def matmul_shapes(draw):
    n, k, m = (draw(st.integers(0, 4)) for _ in range(3))
    batches = draw(
        hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3, min_side=0)
    )
    left, right = batches.input_shapes
    kind = draw(st.sampled_from(["matrices", "left vector", "right vector", "vectors"]))
    if kind == "vectors":
        return (k,), (k,)
    if kind == "left vector":
        return (k,), (*right, k, m)
    if kind == "right vector":
        return (*left, n, k), (k,)
    return (*left, n, k), (*right, k, m)


@both_dtypes
@settings(max_examples=80)
@given(pair=matmul_shapes(), layout=layouts)
def test_matmul(dtype, pair, layout):
    x, y = (numbers(shape, i) for i, shape in enumerate(pair))
    agree(lambda a, b: a @ b, (x, y), layout=layout, dtype=dtype)


# ---------------------------------------------------------------- reductions


def dims_for(draw, shape):
    """None, one dimension, or several, negative ones among them."""
    if not shape or draw(st.booleans()):
        return None
    dims = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    dims = tuple(d - len(shape) if draw(st.booleans()) else d for d in dims)
    return dims[0] if len(dims) == 1 else dims


@both_dtypes
@pytest.mark.parametrize("name", ["sum", "mean", "var", "std", "norm", "amax"])
@some
@given(data=st.data())
def test_reductions(name, dtype, data):
    least = 2 if name in ("var", "std") else 1 if name == "amax" else 0
    shape = data.draw(
        hnp.array_shapes(min_dims=least and 1, max_dims=4, min_side=least, max_side=4)
    )
    dim, keepdim = dims_for(data.draw, shape), data.draw(st.booleans())
    unbiased = data.draw(st.booleans())
    ours = {
        "var": lambda t: t.var(dim, unbiased, keepdim),
        "std": lambda t: std(t, dim, unbiased, keepdim),
        "norm": lambda t: norm(t, 2, dim, keepdim),
        "amax": lambda t: PRIMITIVES["amax"](t, dim, keepdim),
    }.get(name, lambda t: getattr(t, name)(dim, keepdim))
    every = tuple(range(len(shape))) if dim is None else dim
    theirs = {
        "var": lambda t: torch.var(t, every, correction=int(unbiased), keepdim=keepdim),
        "std": lambda t: torch.std(t, every, correction=int(unbiased), keepdim=keepdim),
        "norm": lambda t: torch.linalg.vector_norm(t, 2, every, keepdim),
        "amax": lambda t: torch.amax(t, every, keepdim),
    }.get(name, lambda t: getattr(torch, name)(t, every, keepdim))
    if name == "norm" and 0 in shape:
        return  # the slope of the root at 0
    agree(ours, [numbers(shape)], theirs, data.draw(layouts), dtype)


@both_dtypes
@pytest.mark.parametrize("name", ["max", "min"])
@some
@given(shape=full_shapes, data=st.data())
def test_extremes(name, dtype, shape, data):
    x = numbers(shape)
    agree(lambda t: getattr(t, name)(), [x], dtype=dtype)
    dim, keepdim = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.booleans())
    agree(lambda t: getattr(t, name)(dim, keepdim).values, [x], dtype=dtype)
    ours, theirs = wrap(x), torch.tensor(x)
    for method in (name, f"arg{name}"):
        got = getattr(ours, method)(dim, keepdim)
        want = getattr(theirs, method)(dim, keepdim)
        pair = (got, want) if method.startswith("arg") else (got.indices, want.indices)
        close(pair[0].array, pair[1], 0, method)
    close(getattr(ours, f"arg{name}")().array, getattr(theirs, f"arg{name}")(), 0, "over all")


def test_the_largest_twice_shares_its_gradient():
    agree(lambda t: t.max(), [np.array([[2.0, 1.0], [2.0, 2.0]])])
    agree(lambda t: t.min(), [np.array([[2.0, 1.0], [1.0, 2.0]])])
    agree(PRIMITIVES["maximum"], ([1.0, 2.0], [1.0, 1.0]), torch.maximum)


@both_dtypes
@some
@given(shape=full_shapes, data=st.data())
def test_topk_and_cumsum(dtype, shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    k, largest = data.draw(st.integers(0, shape[dim])), data.draw(st.booleans())
    x = np.linspace(-1, 1, math.prod(shape))
    x = np.random.default_rng(0).permutation(x).reshape(shape)
    agree(
        lambda t: topk(t, k, dim, largest).values,
        [x],
        lambda t: torch.topk(t, k, dim, largest).values,
        dtype=dtype,
    )
    got, want = wrap(x).topk(k, dim, largest), torch.tensor(x).topk(k, dim, largest)
    close(got.indices.array, want.indices, 0, "indices")
    agree(lambda t: t.cumsum(dim), [x], dtype=dtype)


@some
@given(shape=shapes)
def test_reductions_of_whole_numbers_and_booleans(shape):
    rng = np.random.default_rng(0)
    for array in (
        rng.integers(0, 255, shape),
        rng.integers(0, 255, shape).astype(np.uint8),
        rng.random(shape) < 0.7,
    ):
        array = np.asarray(array)
        ours, theirs = wrap(array), torch.tensor(array)
        for name in ("sum", "any", "all"):
            want = getattr(theirs, name)()
            if array.dtype == np.uint8 and name != "sum":
                want = want.bool()  # PyTorch answers in uint8 here
            close(getattr(ours, name)().array, want, 0, name)


# ---------------------------------------------------------------- shapes


@both_dtypes
@some
@given(shape=full_shapes, layout=layouts, data=st.data())
def test_shape_operations(dtype, shape, layout, data):
    x, n = numbers(shape), len(shape)
    i, j = (data.draw(st.integers(-n, n - 1)) for _ in range(2))
    order = data.draw(st.permutations(range(n)))
    target = [*data.draw(st.permutations(shape)), 1]
    target[data.draw(st.integers(0, n))] = -1
    new = data.draw(st.integers(-n - 1, n))
    triangle = data.draw(st.integers(-2, 2))
    operations = [
        lambda t: t.reshape(*target),
        lambda t: t.transpose(i, j),
        lambda t: t.permute(*order),
        lambda t: t.permute(*(d - n for d in order)),
        lambda t: t.unsqueeze(new),
        lambda t: t.unsqueeze(new).squeeze(new),
        lambda t: t.squeeze(i),
        lambda t: t.squeeze(),
        lambda t: t.flatten(min(i % n, j % n), max(i % n, j % n)),
        lambda t: t[None].expand(3, *t.shape),
        lambda t: t.contiguous(),
    ]
    if n >= 2:
        operations += [lambda t: t.triu(triangle), lambda t: t.tril(triangle), lambda t: t.mT]
    if n == 2:
        operations.append(lambda t: t.T)
    for operation in operations:
        agree(operation, [x], layout=layout, dtype=dtype)


@both_dtypes
@some
@given(shape=full_shapes, data=st.data())
def test_joining_and_cutting(dtype, shape, data):
    n = len(shape)
    dim = data.draw(st.integers(-n, n - 1))
    arrays = []
    for i, size in enumerate(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))):
        part = list(shape)
        part[dim] = size
        arrays.append(numbers(tuple(part), i))
    agree(lambda *t: cat(t, dim), arrays, lambda *t: torch.cat(t, dim), dtype=dtype)
    same = [numbers(shape, i) for i in range(3)]
    new = data.draw(st.integers(-n - 1, n))
    agree(lambda *t: stack(t, new), same, lambda *t: torch.stack(t, new), dtype=dtype)
    size, part = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 9))
    for ours, theirs in ((split, torch.split), (chunk, torch.chunk)):
        pieces = len(theirs(torch.zeros(shape), size, dim))
        assert len(ours(wrap(same[0]), size, dim)) == pieces
        agree(
            lambda t, f=ours, k=part % pieces: f(t, size, dim)[k],
            same[:1],
            lambda t, f=theirs, k=part % pieces: f(t, size, dim)[k],
            dtype=dtype,
        )


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0, 3), (2, 1, 0)])
def test_without_elements(shape):
    x = np.zeros(shape)
    for operation in (
        lambda t: t.reshape(-1),
        lambda t: t.transpose(0, -1),
        lambda t: t.flatten(),
        lambda t: t.squeeze(),
        lambda t: t.sum(0),
        lambda t: t.unsqueeze(1),
        lambda t: t + t[None],
        lambda t: t.exp() * 2,
    ):
        agree(operation, [x])
    agree(lambda t: cat([t, t], -1), [x], lambda t: torch.cat([t, t], -1))
    agree(lambda t: flatten(t, 0), [x], lambda t: torch.flatten(t, 0))


INDICES = [
    0,
    -1,
    (1, 2),
    (1, -2, 0),
    slice(1, 3),
    (slice(None), slice(None, None, 2)),
    (..., 1),
    (None, 2, slice(0, 0)),
    [0, 2, 2],
    ([0, 1, 1], [4, 4, 4]),
    (slice(1, None), [0, 0, 3]),
    ([[0, 1], [2, 2]], slice(None), 2),
]


@both_dtypes
@pytest.mark.parametrize("index", INDICES, ids=str)
def test_getitem(dtype, index):
    agree(lambda t: t[index], [numbers((4, 5, 3))], dtype=dtype)


@both_dtypes
def test_getitem_by_tensors(dtype):
    x, rows = numbers((4, 5)), np.array([3, 0, 3])
    mask = x > 0
    agree(lambda t: t[wrap(rows)], [x], lambda t: t[torch.tensor(rows)], dtype=dtype)
    agree(lambda t: t[:, wrap(rows)], [x], lambda t: t[:, torch.tensor(rows)], dtype=dtype)
    agree(lambda t: t[wrap(mask)], [x], lambda t: t[torch.tensor(mask)], dtype=dtype)
    agree(lambda t: t[0][1], [x], dtype=dtype)


@both_dtypes
@some
@given(shape=full_shapes, data=st.data())
def test_gather(dtype, shape, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = [data.draw(st.integers(1, size)) for size in shape]
    sizes[dim] = data.draw(st.integers(0, 5))
    index = np.random.default_rng(0).integers(0, shape[dim], sizes)
    agree(
        lambda t: t.gather(dim, wrap(index)),
        [numbers(shape)],
        lambda t: t.gather(dim, torch.tensor(index)),
        dtype=dtype,
    )


# ---------------------------------------------------------------- dtypes and the rest

KINDS = [np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64]


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_promotion_of_tensors(first, second):
    """With and without dimensions, PyTorch's dtype comes out, and its values."""
    for left in ([2, 1], 1):
        for right in ([1, 3], 1):
            x, y = np.array(left, first), np.array(right, second)
            for name in ("add", "mul", "maximum", "div", "eq"):
                got = PRIMITIVES[name](wrap(x), wrap(y)).array
                want = getattr(torch, name)(torch.tensor(x), torch.tensor(y))
                close(got, want, 1e-6, f"{name} of {x!r} and {y!r}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("number", [2, 2.5, True])
def test_promotion_of_python_numbers(kind, number):
    for data in ([1, 3], 3):
        x = np.array(data, kind)
        ours, theirs = wrap(x), torch.tensor(x)
        for operation in (
            lambda t: t + number,
            lambda t: number * t,
            lambda t: t / number,
            lambda t: t > number,
            lambda t: t if kind is np.bool_ or number is True else number - t,
        ):
            if kind is np.bool_ and number is True:
                continue
            close(operation(ours).array, operation(theirs), 1e-6, f"{x!r} and {number!r}")


@pytest.mark.parametrize("name", ["div", "atan2", "xlogy"])
@pytest.mark.parametrize("number", [256, -2, 2**33])
def test_whole_numbers_become_reals_before_they_are_narrowed(name, number):
    """A single number that the other's dtype cannot hold."""
    for kind in (np.uint8, np.int32):
        x, y = np.array([1, 2, 200], kind), np.array(number)
        for pair in ((x, y), (y, x)):
            got = getattr(tinytorch, name)(*map(wrap, pair)).array
            close(got, getattr(torch, name)(*map(torch.tensor, pair)), 1e-6, f"{name} of {pair}")


@some
@given(first=shapes, second=shapes)
def test_broadcast_shape(first, second):
    try:
        want = tuple(torch.broadcast_shapes(first, second))
    except RuntimeError:
        with pytest.raises(ValueError, match="do not broadcast"):
            broadcast_shape(first, second)
    else:
        assert broadcast_shape(first, second) == want


@pytest.mark.parametrize("data", [1, 1.0, True, [1, 2], [[1.5, 2]], [True, False], []])
def test_dtype_of_python_data(data):
    close(make_tensor(data).array, torch.tensor(data), 0, "data")


@pytest.mark.parametrize("to", [np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_])
def test_casts(to):
    x = np.array([0.0, 1.7, 2.2])
    ours = from_numpy(x).to(to)
    close(ours.array, torch.tensor(x).to(torch.tensor(np.zeros(1, to)).dtype), 0, "cast")


def test_cast_lets_the_gradient_through():
    agree(lambda t: t.double() * 3, [numbers((2, 3))], dtype=np.float64)
    x = Tensor([1.5, 2.5], requires_grad=True)
    y = torch.tensor([1.5, 2.5], requires_grad=True)
    for t in (x, y):
        (t.double() * t).sum().backward()
    close(x.grad.array, y.grad, 1e-6, "gradient through a cast")


def test_writes_are_pytorchs():
    x, y = from_numpy(numbers((3, 4))), torch.tensor(numbers((3, 4)))
    for t, make in ((x, wrap), (y, torch.tensor)):
        t[0, 1] = 5.0
        t[:, 2] = make(np.arange(3.0))
        t[t < 0] = 0.0
        t.masked_fill_(make(np.array([True, False, False, False])), 9.0)
        t += 1
        t[1].mul_(2)
        t[2, 3].fill_(-1.0)
        t.transpose(0, 1)[0].copy_(make(np.array([7.0, 8.0, 9.0])))
    close(x.array, y, 1e-12, "after writing")


def test_every_primitive_of_module_01_is_compared():
    """Nothing can be added to module 01, or beside it, without a place in this file."""
    homes = ("tinytorch.tensor", "tinytorch.functions", "_operator")
    own = {n for n, f in PRIMITIVES.items() if f.__module__ in homes}
    here = {*BINARY, *UNARY, *COMPARISONS}
    here |= {"pow", "clamp", "floor_divide", "remainder", "where", "masked_fill", "matmul", "cast"}
    here |= {"logical_and", "logical_or", "logical_xor", "logical_not"}
    here |= {"sum", "mean", "var", "amax", "argmax", "cumsum", "any", "all"}
    here |= {"reshape", "transpose", "permute", "squeeze", "unsqueeze", "expand", "cat"}
    here |= {"triu", "tril", "getitem", "gather"}
    assert own == here, f"compare {own - here or here - own} too"
