"""Losses against PyTorch: values and gradients over random shapes."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from hypothesis import assume, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from tinytorch import losses  # noqa: E402
from tinytorch.tensor import Tensor  # noqa: E402

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)
SEEDS = st.integers(0, 10_000)
DTYPES = st.sampled_from([np.float32, np.float64])
REDUCTIONS = st.sampled_from(["mean", "sum", "none"])
EXAMPLES = settings(max_examples=60)


def same(got, want, dtype):
    """Equal to 1e-10 in float64, to 1e-5 in float32, of the largest magnitude.

    Differences such as p - 1 lose digits: what is below a last digit of 1 is not compared.
    """
    got, want = got.detach().numpy(), want.detach().numpy()
    assert got.shape == want.shape and got.dtype == want.dtype == dtype
    tolerance = (1e-10 if dtype == np.float64 else 1e-5) * np.abs(want).max()
    tolerance += np.finfo(dtype).eps
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


def compare(ours, theirs, arrays, dtype, seed):
    """Run both on the same arrays, and backward from the same random gradient of the result."""
    own = [Tensor(a, requires_grad=True, dtype=dtype) for a in arrays]
    other = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    got, want = ours(*own), theirs(*other)
    same(got, want, dtype)
    g = np.random.default_rng(seed).standard_normal(want.shape).astype(dtype)
    got.backward(Tensor(g, dtype=dtype))
    want.backward(torch.tensor(g))
    for mine, reference in zip(own, other, strict=True):
        same(mine.grad, reference.grad, dtype)


@EXAMPLES
@given(SHAPES, DTYPES, REDUCTIONS, SEEDS)
def test_mse_loss(shape, dtype, reduction, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) * 3, rng.standard_normal(shape)]

    def ours(p, t):
        return losses.mse_loss(p, t, reduction)

    def theirs(p, t):
        return F.mse_loss(p, t, reduction=reduction)

    compare(ours, theirs, arrays, dtype, seed)


@EXAMPLES
@given(SHAPES, DTYPES, REDUCTIONS, SEEDS)
def test_l1_loss(shape, dtype, reduction, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) * 3, rng.standard_normal(shape)]

    def ours(p, t):
        return losses.l1_loss(p, t, reduction)

    def theirs(p, t):
        return F.l1_loss(p, t, reduction=reduction)

    compare(ours, theirs, arrays, dtype, seed)


@settings(max_examples=150)
@given(
    SHAPES,
    DTYPES,
    REDUCTIONS,
    SEEDS,
    st.sampled_from([0.0, 0.1, 0.6, 1.0]),
    st.sampled_from([-100, 0, -1]),
    st.sampled_from([1.0, 10.0, 1000.0]),
)
def test_cross_entropy(shape, dtype, reduction, seed, smoothing, ignore_index, size):
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal(shape) * size
    targets = rng.integers(0, shape[-1], shape[:-1])
    targets = np.where(rng.random(shape[:-1]) < 0.3, ignore_index, targets)
    # Nothing kept has a test of its own: 0.0 here, nan in PyTorch.
    assume(reduction != "mean" or (targets != ignore_index).any())

    def ours(x):
        return losses.cross_entropy(x, Tensor(targets), ignore_index, smoothing, reduction)

    def theirs(x):
        flat = F.cross_entropy(
            x.reshape(-1, shape[-1]),
            torch.tensor(targets).reshape(-1),
            ignore_index=ignore_index,
            label_smoothing=smoothing,
            reduction=reduction,
        )
        return flat.reshape(shape[:-1]) if reduction == "none" else flat

    compare(ours, theirs, [logits], dtype, seed)


@EXAMPLES
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4).map(tuple), DTYPES, SEEDS)
def test_cross_entropy_with_the_dimension_moved(shape, dtype, seed):
    """PyTorch's layout (N, C, d1, ...) is ours with the second dimension moved to the end."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal(shape)
    targets = rng.integers(0, shape[1], (shape[0], *shape[2:]))

    def ours(x):
        return losses.cross_entropy(x.permute(0, *range(2, len(shape)), 1), Tensor(targets))

    def theirs(x):
        return F.cross_entropy(x, torch.tensor(targets))

    compare(ours, theirs, [logits], dtype, seed)


@EXAMPLES
@given(SHAPES, DTYPES, REDUCTIONS, SEEDS, st.sampled_from([1.0, 10.0, 1000.0]))
def test_binary_cross_entropy_with_logits(shape, dtype, reduction, seed, size):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(shape) * size, rng.random(shape)]

    def ours(x, y):
        return losses.binary_cross_entropy_with_logits(x, y, reduction)

    def theirs(x, y):
        return F.binary_cross_entropy_with_logits(x, y, reduction=reduction)

    compare(ours, theirs, arrays, dtype, seed)


def test_the_modules_have_the_same_settings():
    x = np.random.default_rng(0).standard_normal((6, 4))
    targets = np.array([0, 3, 1, 2, 2, 0])
    ours = losses.CrossEntropyLoss(ignore_index=2, label_smoothing=0.1)
    theirs = torch.nn.CrossEntropyLoss(ignore_index=2, label_smoothing=0.1)
    same(
        ours(Tensor(x, dtype=np.float64), Tensor(targets)),
        theirs(torch.tensor(x), torch.tensor(targets)),
        np.float64,
    )


def test_where_we_differ_nothing_kept():
    x, y = np.zeros((2, 3), np.float32), np.full(2, -100)
    assert torch.isnan(F.cross_entropy(torch.tensor(x), torch.tensor(y)))
    leaf = Tensor(x, requires_grad=True)
    loss = losses.cross_entropy(leaf, Tensor(y))
    loss.backward()
    assert loss.item() == 0.0 and not leaf.grad.array.any()


def test_where_we_differ_broadcasting():
    p, t = np.ones(3, np.float32), np.ones((3, 1), np.float32)
    with pytest.warns(UserWarning, match="different to the input size"):
        assert F.mse_loss(torch.tensor(p), torch.tensor(t)).item() == 0.0
    with pytest.raises(ValueError, match="differ"):
        losses.mse_loss(Tensor(p), Tensor(t))
