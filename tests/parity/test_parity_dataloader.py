"""The loader against PyTorch's: batches, collating, padding, splits, and gradients through them."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np  # noqa: E402
import torch.utils.data as reference  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn.utils.rnn import pad_sequence  # noqa: E402

from tinytorch import dataloader  # noqa: E402
from tinytorch.tensor import Generator, Tensor, from_numpy  # noqa: E402
from tinytorch.utils import data  # noqa: E402

SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
COUNTS, SIZES, SEEDS = st.integers(0, 20), st.integers(1, 8), st.integers(0, 1000)
KINDS = st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_])
EXAMPLES = settings(max_examples=60)


def equal(ours, theirs):
    """The same structure, values and dtypes; tuples here may be lists there."""
    if isinstance(theirs, dict):
        assert type(ours) is dict and ours.keys() == theirs.keys()
        for key in theirs:
            equal(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert isinstance(ours, list | tuple) and len(ours) == len(theirs)
        for one, other in zip(ours, theirs):
            equal(one, other)
    elif isinstance(theirs, torch.Tensor):
        want = theirs.detach().numpy()
        assert ours.shape == want.shape and ours.dtype == want.dtype
        assert np.array_equal(ours.detach().numpy(), want)
    else:
        assert ours == theirs


def numbers(shape, seed, kind=np.float32):
    return (np.random.default_rng(seed).standard_normal(shape) * 9 % 128).astype(kind)


@EXAMPLES
@given(COUNTS, SIZES, st.booleans(), SHAPES, KINDS, SEEDS)
def test_loader_over_tensors(count, size, drop_last, shape, kind, seed):
    x, y = numbers((count, *shape), seed, kind), np.arange(count)
    ours = dataloader.TensorDataset(from_numpy(x), from_numpy(y))
    theirs = reference.TensorDataset(torch.tensor(x), torch.tensor(y))
    own = dataloader.DataLoader(ours, size, drop_last=drop_last)
    other = reference.DataLoader(theirs, size, drop_last=drop_last)
    assert len(own) == len(other)
    equal(tuple(own), tuple(other))


@EXAMPLES
@given(st.integers(1, 20), SIZES, st.booleans(), SEEDS)
def test_shuffled_loaders_serve_the_same_samples_once(count, size, drop_last, seed):
    own = dataloader.DataLoader(list(range(count)), size, True, drop_last, None, Generator(seed))
    other = reference.DataLoader(
        list(range(count)),
        size,
        shuffle=True,
        drop_last=drop_last,
        generator=torch.Generator().manual_seed(seed),
    )
    served = [batch.tolist() for batch in own], [batch.tolist() for batch in other]
    assert [len(batch) for batch in served[0]] == [len(batch) for batch in served[1]]
    for batches in served:
        flat = sum(batches, [])
        assert len(flat) == len(set(flat)) and set(flat) <= set(range(count))
        assert drop_last or len(flat) == count


def sample_pairs(count, seed):
    """The same nested samples for both: (ours, theirs)."""
    made = []
    for wrap in (from_numpy, torch.tensor):
        rng, samples = np.random.default_rng(seed), []
        for k in range(count):
            image = rng.standard_normal((2, 3)).astype(np.float32)
            deep = {"wide": wrap(rng.standard_normal(2)), "yes": k % 2 == 0, "name": f"n{k}"}
            samples.append((wrap(image), k, (deep, [k, k * k])))
        made.append(samples)
    return made


@EXAMPLES
@given(st.integers(1, 6), SEEDS)
def test_collate_of_nested_samples(count, seed):
    ours, theirs = sample_pairs(count, seed)
    equal(dataloader.collate(ours), reference.default_collate(theirs))


@EXAMPLES
@given(st.integers(1, 5), SHAPES, KINDS, SEEDS)
def test_collate_of_tensors(count, shape, kind, seed):
    arrays = [numbers(shape, seed + k, kind) for k in range(count)]
    arrays = [np.asarray(array, kind) for array in arrays]
    ours = dataloader.collate([from_numpy(array) for array in arrays])
    equal(ours, reference.default_collate([torch.tensor(array) for array in arrays]))


def test_collate_of_named_tuples_and_text():
    talks = dataloader.load_tinytalks()[:3]
    ours, theirs = dataloader.collate(talks), reference.default_collate(talks)
    assert type(ours) is type(theirs) is dataloader.Talk
    equal(ours, theirs)


@EXAMPLES
@given(
    st.lists(st.lists(st.integers(-9, 9), max_size=7), min_size=1, max_size=6),
    st.integers(-100, 9),
)
def test_padding(rows, value):
    ids, mask = dataloader.pad_sequences(rows, value)
    theirs = [torch.tensor(row, dtype=torch.int64) for row in rows]
    equal(ids, pad_sequence(theirs, batch_first=True, padding_value=value))
    real = [torch.ones(len(row), dtype=torch.bool) for row in rows]
    equal(mask, pad_sequence(real, batch_first=True, padding_value=False))


@EXAMPLES
@given(st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(lambda s: sum(s) > 1), SEEDS)
def test_split_by_sizes(sizes, seed):
    dataset = list(range(sum(sizes)))
    ours = dataloader.random_split(dataset, sizes, Generator(seed))
    theirs = reference.random_split(dataset, sizes, torch.Generator().manual_seed(seed))
    assert [len(part) for part in ours] == [len(part) for part in theirs]
    for parts in (ours, theirs):
        assert sorted(sum((list(part) for part in parts), [])) == dataset


@EXAMPLES
@given(st.integers(10, 300), st.sampled_from([[0.5, 0.5], [0.8, 0.2], [0.7, 0.2, 0.1], [0.1] * 10]))
def test_split_by_fractions_differs_by_one_at_most(count, fractions):
    ours = dataloader.random_split(range(count), fractions)
    theirs = reference.random_split(range(count), fractions)
    for one, other in zip(ours, theirs):
        assert abs(len(one) - len(other)) <= 1
    named = data.random_split(range(count), fractions)
    assert [len(part) for part in named] == [len(part) for part in theirs]
    assert sorted(sample for part in named for sample in part) == list(range(count))


@EXAMPLES
@given(st.integers(1, 9), SIZES, st.sampled_from([np.float32, np.float64]), SEEDS)
def test_gradients_flow_back_through_a_batch(count, size, kind, seed):
    values, factors = numbers((count, 3), seed, kind), numbers((count, 3), seed + 1, kind)
    results = []
    for lead in (True, False):
        if lead:
            leaf = Tensor(values, requires_grad=True, dtype=kind)
            data, other, load = dataloader.TensorDataset, from_numpy(factors), dataloader.DataLoader
        else:
            leaf = torch.tensor(values, requires_grad=True)
            data, other, load = reference.TensorDataset, torch.tensor(factors), reference.DataLoader
        for x, y in load(data(leaf, other), size):
            (x * x * y).sum().backward()
        results.append(leaf.grad.numpy())
    ours, theirs = results
    assert ours.dtype == theirs.dtype == kind
    tolerance = (1e-10 if kind == np.float64 else 1e-5) * max(0.05, np.abs(theirs).max())
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


@EXAMPLES
@given(st.integers(1, 6), st.sampled_from([np.float32, np.float64]), SEEDS)
def test_gradients_flow_back_through_collate(count, kind, seed):
    values, g = numbers((count, 2), seed, kind), numbers((count, 2), seed + 1, kind)
    ours = Tensor(values, requires_grad=True, dtype=kind)
    theirs = torch.tensor(values, requires_grad=True)
    order = np.random.default_rng(seed).integers(0, count, count).tolist()
    batch = dataloader.collate([(ours[i], i) for i in order])[0]
    wanted = reference.default_collate([(theirs[i], i) for i in order])[0]
    equal(batch, wanted)
    batch.backward(Tensor(g, dtype=kind))
    wanted.backward(torch.tensor(g))
    tolerance = (1e-10 if kind == np.float64 else 1e-5) * max(0.05, theirs.grad.abs().max().item())
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=0, atol=tolerance)


def test_where_we_differ_types():
    assert type(next(iter(dataloader.DataLoader([(1, 2)])))) is tuple
    assert type(next(iter(reference.DataLoader([(1, 2)])))) is list
    assert dataloader.collate([0.5]).dtype == np.float32
    assert reference.default_collate([0.5]).dtype == torch.float64


def test_where_we_differ_nothing_to_shuffle():
    assert list(dataloader.DataLoader([], shuffle=True)) == []
    with pytest.raises(ValueError, match="num_samples should be a positive integer"):
        reference.DataLoader([], shuffle=True)


def test_where_we_differ_thirds():
    thirds = [1 / 3, 1 / 3, 1 / 3]
    assert [len(part) for part in dataloader.random_split(range(10), thirds)] == [3, 4, 3]
    assert [len(part) for part in reference.random_split(range(10), thirds)] == [4, 3, 3]
