"""Activations beside PyTorch: values and gradients over random shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from tinytorch import activations as ours  # noqa: E402
from tinytorch.tensor import Tensor, wrap  # noqa: E402

SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
FULL_SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)
SEEDS = st.integers(0, 10_000)
DTYPES = st.sampled_from(["float64", "float32"])

PAIRS = {
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "silu": F.silu,
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_exact": F.gelu,
}
ALONG = {"softmax": F.softmax, "log_softmax": F.log_softmax}
EDGES = [0.0, -0.0, 1e-30, -1e-30, 1.0, -1.0, 5.5, -5.5, 30.0, -30.0, 100.0, -100.0, 1e5, -1e5]


def same(got, want, dtype, terms=1.0):
    """Both have one shape, and differ by less than the dtype allows, of the largest magnitude.

    Where that is nearly 0 a few last places of `terms` count, the numbers that went in: for
    x = -5 a gelu is a small difference of such numbers.
    """
    got, want = np.asarray(getattr(got, "array", got)), want.detach().numpy()
    assert got.shape == want.shape
    assert str(got.dtype) == str(want.dtype) == dtype
    finite = np.isfinite(want)
    assert np.array_equal(got[~finite], want[~finite])
    largest = np.abs(want[finite]).max(initial=0)
    tolerance = {"float64": 1e-10, "float32": 1e-5}[dtype] * max(0.05 * terms, largest)
    assert np.abs(got[finite] - want[finite]).max(initial=0) <= tolerance


def compare(mine, theirs, array, seed=0):
    """Values, then the gradient of x from the same random gradient of the result."""
    x = wrap(array.copy()).requires_grad_()
    x_torch = torch.tensor(array, requires_grad=True)
    got, want = mine(x), theirs(x_torch)
    dtype = str(array.dtype)
    terms = max(1.0, float(np.abs(array[np.abs(array) < 50]).max(initial=0)))
    same(got, want, dtype, terms)
    g = np.random.default_rng(seed).standard_normal(array.shape).astype(dtype)
    got.backward(g)
    want.backward(torch.tensor(g))
    same(x.grad, x_torch.grad, dtype, terms)


def scores(shape, seed, dtype, spread=3):
    return np.random.default_rng(seed).normal(scale=spread, size=shape).astype(dtype)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=40)
@given(SHAPES, SEEDS, DTYPES)
def test_element_by_element(name, shape, seed, dtype):
    compare(getattr(ours, name), PAIRS[name], scores(shape, seed, dtype), seed)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", PAIRS)
def test_corners_and_far_out(name, dtype):
    compare(getattr(ours, name), PAIRS[name], np.array(EDGES, dtype=dtype))


@pytest.mark.parametrize("name", PAIRS)
def test_a_transposed_input(name):
    array = scores((4, 3), 0, "float64")
    x = wrap(array).requires_grad_()
    x_torch = torch.tensor(array, requires_grad=True)
    got, want = getattr(ours, name)(x.T), PAIRS[name](x_torch.T)
    same(got, want, "float64")
    (got * got).sum().backward()
    (want * want).sum().backward()
    same(x.grad, x_torch.grad, "float64")


@pytest.mark.parametrize("name", ALONG)
@settings(max_examples=80)
@given(FULL_SHAPES, SEEDS, DTYPES, st.data())
def test_along_a_dimension(name, shape, seed, dtype, data):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    spread = data.draw(st.sampled_from([1, 10, 300]))
    mine, theirs = getattr(ours, name), ALONG[name]
    array = scores(shape, seed, dtype, spread)
    compare(lambda x: mine(x, dim), lambda x: theirs(x, dim), array, seed)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ALONG)
def test_equal_large_and_far_apart_scores(name, dtype):
    rows = [[7.0, 7.0, 7.0], [1e4, 1e4, -1e4], [0.0, 200.0, -200.0], [-1e4, -1e4, -1e4]]
    mine, theirs = getattr(ours, name), ALONG[name]
    compare(lambda x: mine(x, -1), lambda x: theirs(x, -1), np.array(rows, dtype=dtype))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ALONG)
def test_scores_of_minus_infinity(name, dtype):
    rows = np.array([[-np.inf, 0.0, 1.0], [2.0, -np.inf, -np.inf]], dtype=dtype)
    got = getattr(ours, name)(Tensor(rows, dtype=dtype), -1)
    same(got, ALONG[name](torch.tensor(rows), -1), dtype)


def test_softmax_hides_minus_infinity_from_its_gradient():
    rows = np.array([[-np.inf, 0.0, 1.0], [2.0, -np.inf, -np.inf]])
    compare(lambda x: ours.softmax(x, -1), lambda x: F.softmax(x, -1), rows)


@settings(max_examples=30)
@given(st.integers(1, 5), st.integers(1, 5), SEEDS, DTYPES)
def test_a_chain_of_them(rows, columns, seed, dtype):
    def mine(x):
        return ours.log_softmax(ours.gelu(ours.silu(x) + ours.tanh(ours.relu(x))), 0)

    def theirs(x):
        inner = F.silu(x) + torch.tanh(F.relu(x))
        return F.log_softmax(F.gelu(inner, approximate="tanh"), 0)

    compare(mine, theirs, scores((rows, columns), seed, dtype), seed)
