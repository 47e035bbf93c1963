"""Module 06 against PyTorch: gradients of every shape and index, corners, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

torch = pytest.importorskip("torch")

from tinytorch import autograd, functions  # noqa: E402
from tinytorch.tensor import PRIMITIVES, Tensor, recording, wrap  # noqa: E402

F = torch.nn.functional
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
seeds = st.integers(0, 999)


def pairs(arrays):
    """The same numbers as leaves of both libraries."""
    mine = [wrap(np.array(a)).requires_grad_() for a in arrays]
    return mine, [torch.tensor(a, requires_grad=True) for a in arrays]


def agree(got, want):
    """Within 1e-10 in float64; in float32 within 1e-5 of the largest magnitude, or of 0.05."""
    assert (got is None) == (want is None)
    if got is None:
        return
    got, want = got.array, want.detach().numpy()
    assert got.shape == want.shape and got.dtype == want.dtype
    largest = max(0.05, float(np.abs(want).max(initial=0)))
    tolerance = 1e-5 * largest if got.dtype == np.float32 else 1e-10 * largest
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


def compare(f, arrays, torch_f=None, seed=0):
    """Values and gradients of f in both libraries, from a random gradient at the end."""
    mine, theirs = pairs(arrays)
    a, b = f(*mine), (torch_f or f)(*theirs)
    agree(a, b)
    g = np.asarray(np.random.default_rng(seed).standard_normal(a.shape), a.dtype)
    a.backward(g)
    b.backward(torch.tensor(g))
    for m, t in zip(mine, theirs, strict=True):
        agree(m.grad, t.grad)


def numbers(rng, shape, dtype):
    return np.asarray(rng.standard_normal(shape), dtype)


@DTYPES
@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "div", "maximum", "minimum", "pow", "remainder"]
)
@settings(max_examples=12)
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3), seeds)
def test_broadcasting(dtype, name, shapes, seed):
    rng = np.random.default_rng(seed)
    x, y = (numbers(rng, shape, dtype) for shape in shapes.input_shapes)
    if name in ("div", "pow", "remainder"):
        x, y = np.abs(x) + dtype(0.3), np.abs(y) + dtype(0.3)
    compare(PRIMITIVES[name], [x, y], getattr(torch, name))


def forward(index):
    """PyTorch knows no negative steps."""
    parts = index if isinstance(index, tuple) else (index,)
    return all((part.step or 1) > 0 for part in parts if isinstance(part, slice))


@DTYPES
@settings(max_examples=40)
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=4, max_side=4), seeds)
def test_slices_numbers_and_new_dimensions(dtype, data, shape, seed):
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True, max_dims=6).filter(forward))
    compare(lambda t: t[index], [numbers(np.random.default_rng(seed), shape, dtype)])


@DTYPES
@settings(max_examples=40)
@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), seeds)
def test_index_arrays_with_repeats(dtype, data, shape, seed):
    index = data.draw(
        hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=5))
    )
    x = numbers(np.random.default_rng(seed), shape, dtype)
    mine, theirs = pairs([x])
    a = mine[0][tuple(wrap(i) for i in index)]
    b = theirs[0][tuple(torch.from_numpy(np.ascontiguousarray(i)) for i in index)]
    agree(a, b)
    g = numbers(np.random.default_rng(1), a.shape, dtype)
    a.backward(g)
    b.backward(torch.tensor(g))
    agree(mine[0].grad, theirs[0].grad)


@DTYPES
@settings(max_examples=25)
@given(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), seeds)
def test_masks(dtype, shape, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < 0.5
    compare(
        lambda t: t[wrap(mask)], [numbers(rng, shape, dtype)], lambda t: t[torch.from_numpy(mask)]
    )


@st.composite
def matmul_shapes(draw):
    n, k, m = (draw(st.integers(0, 3)) for _ in range(3))
    batch = draw(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=3))
    left, right = batch.input_shapes
    x = (k,) if draw(st.booleans()) and not left else (*left, n, k)
    y = (k,) if draw(st.booleans()) and not right else (*right, k, m)
    return x, y


@DTYPES
@settings(max_examples=60)
@given(matmul_shapes(), seeds)
def test_matmul(dtype, shapes, seed):
    rng = np.random.default_rng(seed)
    compare(lambda x, y: x @ y, [numbers(rng, shape, dtype) for shape in shapes])


@DTYPES
@settings(max_examples=30)
@given(hnp.array_shapes(min_dims=1, max_dims=4, max_side=3), st.data(), seeds)
def test_sums_and_means(dtype, shape, data, seed):
    one = st.integers(-len(shape), len(shape) - 1)
    dims = data.draw(st.lists(one, min_size=1, unique_by=lambda d: d % len(shape)))
    keep, name = data.draw(st.booleans()), data.draw(st.sampled_from(["sum", "mean"]))
    compare(
        lambda t: getattr(t, name)(tuple(dims), keep),
        [numbers(np.random.default_rng(seed), shape, dtype)],
    )


@DTYPES
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@settings(max_examples=12)
@given(
    hnp.array_shapes(min_dims=1, max_dims=2, max_side=4), st.sampled_from([0.0, 0.1, 1.0]), seeds
)
def test_cross_entropy(dtype, reduction, shape, smoothing, seed):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 5, shape)
    targets.reshape(-1)[1::2] = -100

    def in_torch(logits):
        flat = logits.reshape(-1, 5), torch.from_numpy(targets.reshape(-1))
        loss = F.cross_entropy(*flat, label_smoothing=smoothing, reduction=reduction)
        return loss.reshape(shape) if reduction == "none" else loss

    compare(
        lambda logits: PRIMITIVES["cross_entropy"](
            logits, wrap(targets), -100, smoothing, reduction
        ),
        [numbers(rng, (*shape, 5), dtype)],
        in_torch,
    )


@pytest.mark.parametrize(
    ("f", "values"),
    [
        pytest.param(lambda t: t.relu(), [[0.0, -1, 1]], id="relu at 0"),
        pytest.param(abs, [[0.0, -1, 1]], id="abs at 0"),
        pytest.param(
            lambda x, y: (x.max() + y) * y, [[1.0, 1, 0], [2.0, 1, 0]], id="maximum at a tie"
        ),
        pytest.param(lambda t: t.max(), [[3.0, 1, 3]], id="amax at a tie"),
        pytest.param(lambda t: t.clamp(0, 1), [[-1.0, 0, 0.5, 1, 2]], id="clamp at its bounds"),
        pytest.param(lambda t: t**0 + t**1 + t**2, [[0.0, 2]], id="0 to the power of 0, 1, 2"),
        pytest.param(lambda x, e: x**e, [[0.0, 0], [2.0, 1]], id="0 to the power of a tensor"),
        pytest.param(lambda t: t.softmax(-1), [[0.0, -np.inf, 1]], id="softmax over -inf"),
        pytest.param(lambda t: t.sigmoid(), [[-200.0, 200]], id="sigmoid far out"),
        pytest.param(lambda t: t.tanh(), [[-200.0, 200]], id="tanh far out"),
        pytest.param(lambda t: t * t, [[np.nan, 1]], id="nan"),
        pytest.param(lambda t: t * 2, [[np.inf, 1]], id="inf"),
    ],
)
def test_corners(f, values):
    with np.errstate(invalid="ignore"):
        compare(f, [np.array(v) for v in values])


# ---------------------------------------------------------------- what the engines do and refuse
def second_backward(make, grad):
    x = make(3.0)
    y = x * x
    y.backward()
    y.backward()


def second_backward_retained(make, grad):
    x = make(3.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    return [x]


def two_losses_on_a_trunk(make, grad):
    x = make(3.0)
    trunk = x * x
    (trunk * 2).backward()
    (trunk * 5).backward()


def two_losses_added(make, grad):
    x = make(3.0)
    trunk = x * x
    (trunk * 2 + trunk * 5).backward()
    return [x]


def trunk_that_keeps_nothing(make, grad):
    x, y = make(3.0), make(4.0)
    (x + y).backward()
    (x + y).backward()
    return [x, y]


def leaf_backward(make, grad):
    x = make(3.0)
    x.backward()
    x.backward()
    return [x]


def not_one_number(make, grad):
    (make([1.0, 2.0]) * 2).backward()


def no_graph(make, grad):
    (make(3.0).detach() * 2).backward()


def detached_factor(make, grad):
    x = make(3.0)
    (x.detach() * x).backward()
    return [x]


def retained_on_the_way(make, grad):
    x = make(3.0)
    y = x * 2
    y.retain_grad()
    (y * y).backward()
    return [x, y]


def no_grad_on_the_way(make, grad):
    x = make(3.0)
    y = x * 2
    (y * y).backward()
    assert x.grad is not None
    return [x]


def grad_of_several(make, grad):
    x, w = make(3.0), make(2.0)
    y = x * w
    found = grad(y * y + x, [x, w, y])
    assert x.grad is None and w.grad is None
    for t, g in zip((x, w), found, strict=False):
        t.grad = g
    return [x, w]


def grad_of_unused(make, grad):
    grad(make(3.0) * 2, [make(1.0)])


def grad_of_unused_allowed(make, grad):
    x = make(3.0)
    found = grad(x * 2, [x, make(1.0)], allow_unused=True)
    assert found[1] is None
    x.grad = found[0]
    return [x]


def written_input(make, grad):
    x, w = make([1.0, 2.0]), make([3.0, 4.0])
    y = (x * w).sum()
    w.detach().copy_(x.detach())
    y.backward()


def written_result(make, grad):
    x = make([1.0, 2.0])
    y = x.exp()
    z = y.sum()
    y.detach().zero_()
    z.backward()


def written_where_nobody_looks(make, grad):
    x, w = make([1.0, 2.0]), make([3.0, 4.0])
    y = (x + w).sum()
    w.detach().zero_()
    y.backward()
    return [x, w]


def written_where_only_the_shape_counts(make, grad):
    w = make([[1.0, 2.0]])
    y = w.sum() + w.mean() + w.reshape(2)[0] + w.expand(3, 2).sum()
    w.detach().zero_()
    y.backward()
    return [w]


def gradient_of_another_shape(make, grad):
    (make([1.0, 2.0]) * 2).backward(make([1.0, 2.0, 3.0]).detach())


SITUATIONS = [
    f
    for f in list(globals().values())
    if getattr(f, "__code__", None) and f.__code__.co_varnames[:2] == ("make", "grad")
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda f: f.__name__)
def test_same_gradients_or_both_refuse(situation):
    def outcome(make, grad):
        try:
            return [t.grad.tolist() for t in situation(make, grad) or []]
        except (RuntimeError, ValueError):
            return "refused"

    mine = outcome(lambda v: Tensor(v, requires_grad=True), functions.grad)
    theirs = outcome(lambda v: torch.tensor(v, requires_grad=True), torch.autograd.grad)
    assert mine == theirs


KINDS = ["no_grad", "enable_grad", "set False", "set True"]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), max_size=8))
def test_switches(steps):
    """Contexts inside each other, some left early: both libraries agree at every step."""

    def walk(no_grad, enable_grad, set_grad_enabled, enabled):
        make = {
            "no_grad": no_grad,
            "enable_grad": enable_grad,
            "set False": lambda: set_grad_enabled(False),
            "set True": lambda: set_grad_enabled(True),
        }
        seen, opened = [enabled()], []
        for kind, close in steps:
            context = make[kind]()
            seen.append(enabled())
            context.__enter__()
            seen.append(enabled())
            opened.append(context)
            if close:
                opened.pop().__exit__(None, None, None)
                seen.append(enabled())
        while opened:
            opened.pop().__exit__(None, None, None)
            seen.append(enabled())
        return seen

    mine = walk(
        autograd.no_grad,
        autograd.enable_grad,
        functions.set_grad_enabled,
        functions.is_grad_enabled,
    )
    assert mine == walk(
        torch.no_grad, torch.enable_grad, torch.set_grad_enabled, torch.is_grad_enabled
    )
    assert recording()
