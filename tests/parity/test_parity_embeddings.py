"""Embeddings beside PyTorch: lookups, their gradients, padding, and whole training steps."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402
from tinytorch.embeddings import (  # noqa: E402
    Embedding,
    PositionalEmbedding,
    TokenAndPosition,
    embedding,
    sinusoidal_positions,
)
from tinytorch.tensor import Tensor, wrap  # noqa: E402

SHAPES = st.lists(st.integers(0, 5), max_size=3).map(tuple)
SIZE = st.integers(1, 7)
DTYPE = st.sampled_from(["float64", "float32"])


def numbers(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def same(got, want, dtype="float64"):
    """Both have one shape, and differ by less than the dtype allows, of the largest magnitude."""
    got, want = np.asarray(getattr(got, "array", got)), want.detach().numpy()
    assert got.shape == want.shape
    assert str(got.dtype) == str(want.dtype) == dtype
    tolerance = {"float64": 1e-10, "float32": 1e-5}[dtype] * max(0.05, np.abs(want).max(initial=0))
    assert np.abs(got - want).max(initial=0) <= tolerance


def both(array):
    """A leaf of ours and one of theirs."""
    return wrap(array.copy()).requires_grad_(), torch.tensor(array, requires_grad=True)


@settings(max_examples=100)
@given(SHAPES, SIZE, SIZE, st.integers(0, 9), st.booleans(), DTYPE)
def test_embedding(shape, rows, width, seed, padded, dtype):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, rows, shape)
    padding_idx = int(rng.integers(-rows, rows)) if padded else None
    mine, theirs = both(numbers(rows, width, dtype=dtype))
    got = embedding(mine, Tensor(ids), padding_idx)
    want = torch.nn.functional.embedding(torch.tensor(ids), theirs, padding_idx)
    same(got, want, dtype)
    g = numbers(*shape, width, dtype=dtype, seed=1)
    got.backward(g)
    want.backward(torch.tensor(g))
    same(mine.grad, theirs.grad, dtype)


@pytest.mark.parametrize(("tokens", "rows", "width"), [(4096, 80, 16), (1024, 20000, 8)])
def test_many_repeated_ids(tokens, rows, width):
    """Ids distributed as words are, in float32: the frequent ones add up hundreds of times."""
    frequency = 1 / np.arange(1, rows + 1)
    ids = np.random.default_rng(0).choice(rows, tokens, p=frequency / frequency.sum())
    mine, theirs = both(numbers(rows, width, dtype="float32"))
    g = numbers(tokens, width, dtype="float32", seed=1)
    embedding(mine, Tensor(ids)).backward(g)
    torch.nn.functional.embedding(torch.tensor(ids), theirs).backward(torch.tensor(g))
    same(mine.grad, theirs.grad, "float32")


@pytest.mark.parametrize("padding_idx", [None, 0, 3, -1, -6])
def test_module_and_its_padding_row(padding_idx):
    mine, theirs = Embedding(6, 4, padding_idx), torch.nn.Embedding(6, 4, padding_idx)
    assert mine.padding_idx == theirs.padding_idx
    assert mine.state_dict().keys() == theirs.state_dict().keys()
    zero = [(w == 0).all(axis=1) for w in (mine.weight.array, theirs.weight.detach().numpy())]
    assert np.array_equal(*zero)
    mine.load_state_dict({"weight": theirs.weight.detach().numpy()})
    ids = [[5, 0, 3], [3, 3, 0]]
    got, want = mine(Tensor(ids)), theirs(torch.tensor(ids))
    same(got, want, "float32")
    (got * got).sum().backward()
    (want * want).sum().backward()
    same(mine.weight.grad, theirs.weight.grad, "float32")


def test_both_start_with_the_same_spread():
    tinytorch.manual_seed(0), torch.manual_seed(0)
    mine, theirs = Embedding(300, 60).weight.array, torch.nn.Embedding(300, 60).weight
    assert abs(mine.std() - float(theirs.detach().std())) < 0.03
    assert abs(mine.mean() - float(theirs.detach().mean())) < 0.03


@settings(max_examples=40)
@given(st.integers(1, 4), st.integers(0, 5), st.integers(0, 3), SIZE, st.booleans(), DTYPE)
def test_tokens_and_positions(batch, length, offset, width, scale, dtype):
    """Against two tables of torch, added by hand: values and both gradients."""
    ids = np.random.default_rng(0).integers(0, 6, (batch, length))
    layer = TokenAndPosition(6, width, 8, scale=scale).to(dtype=np.dtype(dtype))
    tables = [numbers(6, width, dtype=dtype), numbers(8, width, dtype=dtype, seed=1)]
    layer.load_state_dict(dict(zip(("tokens.weight", "positions.weight"), tables, strict=True)))
    tokens, positions = (torch.tensor(table, requires_grad=True) for table in tables)
    want = torch.nn.functional.embedding(torch.tensor(ids), tokens)
    want = want * math.sqrt(width) if scale else want
    want = want + positions[torch.arange(offset, offset + length)]
    got = layer(Tensor(ids), offset)
    same(got, want, dtype)
    g = numbers(batch, length, width, dtype=dtype, seed=2)
    got.backward(g)
    want.backward(torch.tensor(g))
    same(layer.tokens.weight.grad, tokens.grad, dtype)
    same(layer.positions.weight.grad, positions.grad, dtype)


@settings(max_examples=40)
@given(st.integers(1, 9), st.integers(0, 8), SIZE)
def test_positions_are_a_slice(length, offset, width):
    table = PositionalEmbedding(17, width)
    theirs = torch.tensor(table.weight.array, requires_grad=True)
    got, want = table(length, offset), theirs[offset : offset + length]
    same(got, want, "float32")
    g = numbers(length, width, dtype="float32")
    got.backward(g)
    want.backward(torch.tensor(g))
    same(table.weight.grad, theirs.grad, "float32")


@settings(max_examples=40)
@given(st.integers(1, 300), st.integers(1, 20))
def test_sinusoids_as_torch_computes_them(length, half):
    """The usual recipe in PyTorch, with exp and log, for an even width."""
    dim = 2 * half
    speed = torch.exp(torch.arange(0, dim, 2, dtype=torch.float64) * (-math.log(10000.0) / dim))
    angle = torch.arange(length, dtype=torch.float64)[:, None] * speed
    want = torch.zeros(length, dim, dtype=torch.float64)
    want[:, 0::2], want[:, 1::2] = torch.sin(angle), torch.cos(angle)
    same(sinusoidal_positions(length, dim, dtype=np.dtype("float64")), want)


def test_a_few_steps_of_training_stay_together():
    """Look up, predict the next id, step: five times, with repeated ids in every batch."""
    rng = np.random.default_rng(0)
    table, head = numbers(7, 5), numbers(5, 7, seed=1)
    mine, theirs = both(table)
    for _ in range(5):
        ids = rng.integers(0, 7, (3, 8))
        g = numbers(3, 8, 7, seed=2)
        (embedding(mine, Tensor(ids)) @ wrap(head)).tanh().backward(g)
        want = torch.nn.functional.embedding(torch.tensor(ids), theirs) @ torch.tensor(head)
        want.tanh().backward(torch.tensor(g))
        same(mine.grad, theirs.grad)
        mine.array -= 0.1 * mine.grad.array
        theirs.data -= 0.1 * theirs.grad
        mine.grad = theirs.grad = None
    same(mine, theirs)
