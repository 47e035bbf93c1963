# Written by tito export from modules/05_dataloader/dataloader.ipynb.
# Edit the notebook, not this file.

"""The model sees batches."""

__all__ = [
    "load_digits",
    "Dataset",
    "TensorDataset",
    "need_batch_size",
    "batch_indices",
    "form_of",
    "need_one_form",
    "collate",
    "Subset",
    "fetch",
    "DataLoader",
    "are_fractions",
    "random_split",
    "Talk",
    "load_tinytalks",
    "rows_and_length",
    "pad_sequences",
]


# %% imports
import re
from collections import namedtuple

import numpy as np

from . import messages
from .course import data_file
from .tensor import Tensor, from_numpy, numpy_generator, stack


# %% load-digits
def load_digits(part="train"):
    """The handwritten digits: images (N, 64), float32 from 0 to 1, and labels (N,), int64.

    Args:
        part: "train", 1437 images, or "test", 360.

    Raises:
        ValueError: there is no such part.

    Source: Alpaydin & Kaynak 1998, UCI Machine Learning Repository, CC BY 4.0.

    >>> images, labels = load_digits("test")
    >>> images.shape, labels.shape
    ((360, 64), (360,))
    """
    if part not in ("train", "test"):
        raise ValueError(f"the digits have two parts, 'train' and 'test', and no {part!r}")
    with np.load(data_file("tinydigits/digits.npz")) as digits:
        images, labels = digits[f"{part}_images"], digits[f"{part}_labels"]
    pixels = images.reshape(-1, 64) / np.float32(16)  # (N, 8, 8) of 0..16 -> (N, 64) of 0..1
    return from_numpy(pixels), from_numpy(labels.astype(np.int64))


# %% datasets
class Dataset:
    """What a loader asks of data: how many samples there are, and which is number i.

    Any object that has these two methods is a dataset; to inherit from this class is a courtesy
    to the reader, and lets you loop over the samples.
    """

    __repr__ = messages.dataset

    def __iter__(self):
        return (self[i] for i in range(len(self)))


class TensorDataset(Dataset):
    """Samples that stand side by side in tensors: sample i takes number i of each.

    Args:
        tensors: one or more Tensors; the first dimension of all of them counts the samples.

    Raises:
        TypeError: something else than a Tensor.
        ValueError: no tensor, or tensors of different lengths.

    >>> len(TensorDataset(Tensor([[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]]), Tensor([7, 8, 9])))
    3
    """

    def __init__(self, *tensors):
        if not all(isinstance(tensor, Tensor) for tensor in tensors):
            raise TypeError("a TensorDataset holds Tensors: wrap lists and arrays with tensor(...)")
        lengths = [len(tensor) for tensor in tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"a TensorDataset needs tensors of one length, and not of {lengths}")
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, index):
        """Sample `index`: (tensors[0][index], tensors[1][index], ...).

        Args:
            index: a whole number; or an array of numbers or a slice, for several samples at once.

        Returns:
            A tuple with one Tensor from each of the tensors, in their order.

        Raises:
            IndexError: there is no sample of that number.

        >>> pairs = TensorDataset(Tensor([[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]]), Tensor([7, 8, 9]))
        >>> pairs[1]
        (tensor([1. , 1.1]), tensor(8))
        """
        return tuple(tensor[index] for tensor in self.tensors)


# %% batch-size-given
def need_batch_size(batch_size):
    """Refuse a batch size that is not a whole number from 1 on, with a ValueError."""
    whole = isinstance(batch_size, int | np.integer) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ValueError(f"batch_size is a whole number, 1, 2, 3, ..., and not {batch_size!r}")


# %% batch_indices
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    """Which samples form which batch, for one epoch: every sample in exactly one.

    Args:
        count: how many samples there are.
        batch_size: samples in a batch; the last batch holds what is left.
        shuffle: in random order instead of 0, 1, 2, ...
        drop_last: leave out the last batch if it is not full.
        generator: a Generator to draw the order from; the default one for None.

    Returns:
        A list of arrays of sample numbers, none of them empty.

    Raises:
        ValueError: the batch size is not a whole number from 1 on.

    Source: Fisher & Yates 1938 for the shuffle.

    >>> [indices.tolist() for indices in batch_indices(7, 3)]
    [[0, 1, 2], [3, 4, 5], [6]]
    """
    need_batch_size(batch_size)
    order = numpy_generator(generator).permutation(count) if shuffle else np.arange(count)
    end = count - count % batch_size if drop_last else count
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


# %% collate-given
def form_of(sample):
    """What kind of thing a sample is, and its size, in words: alike for all samples of a batch."""
    kind = "number" if isinstance(sample, int | float | np.generic) else type(sample).__name__
    if isinstance(sample, dict):
        return f"{kind} with the keys {sorted(map(str, sample))}"
    if isinstance(sample, tuple | list):
        return f"{kind} of length {len(sample)}"
    shape = np.shape(sample)
    return f"{kind} of shape {shape}" if shape else kind


def need_one_form(samples):
    """Refuse samples that do not make one batch; returns the first of them.

    Raises:
        ValueError: there is no sample, or two are not of the same form.
    """
    forms = sorted({form_of(sample) for sample in samples})
    if len(forms) != 1:
        told = f"samples of one form make a batch, not {' and '.join(forms) or 'none'}"
        advice = "rows of unequal length need pad_sequences, in a collate_fn of your own"
        raise ValueError(f"{told}: {advice}")
    return samples[0]


# %% collate
def collate(samples):
    """A list of samples becomes a sample of batches.

    Args:
        samples: all of one form: Tensors or arrays of one shape, numbers, text, or tuples, lists
            and dicts of these, nested as you like.

    Returns:
        For Tensors, a Tensor with a new first dimension, the dtype kept; for numbers and arrays a
        Tensor too (int64 for Python's whole numbers, float32 for real ones); for dicts a dict, for
        tuples and lists a tuple of batches; for text a list.

    Raises:
        ValueError: there is no sample, or two are not of the same form.
        TypeError: a sample is something that no Tensor can hold (`Tensor` says so).

    >>> collate([(Tensor([1.0, 2.0]), 7), (Tensor([3.0, 4.0]), 8)])
    (tensor([[1., 2.],
            [3., 4.]]), tensor([7, 8]))
    """
    first = need_one_form(samples)
    if isinstance(first, str):
        return list(samples)
    if hasattr(first, "_fields"):  # a named tuple keeps its names
        return type(first)(*collate([tuple(sample) for sample in samples]))
    if isinstance(first, Tensor):
        return stack(samples)
    if isinstance(first, dict):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(*samples))
    return Tensor(np.stack(samples))


# %% loader
class Subset(Dataset):
    """Some samples of a dataset, under new numbers: sample i is dataset[indices[i]].

    Args:
        dataset: any dataset.
        indices: the numbers that the samples have there.

    Raises:
        TypeError: the indices are not whole numbers.

    >>> letters = Subset("abcdef", [4, 0])
    >>> letters[0], len(letters)
    ('e', 2)
    """

    def __init__(self, dataset, indices):
        indices = np.asarray(indices)
        if indices.size and indices.dtype.kind not in "iu":
            raise TypeError(f"indices are integers, not {indices.dtype}: try np.flatnonzero(mask)")
        self.dataset, self.indices = dataset, indices.astype(np.int64)

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        found = self.indices[index]
        return self.dataset[found if np.ndim(found) else int(found)]


def fetch(dataset, indices, collate_fn=None):
    """One batch: by a single indexing where that is possible, else sample by sample.

    A class that has a `__getitem__` of its own is always asked sample by sample, also if it
    inherits from TensorDataset.

    Args:
        dataset: any dataset.
        indices: array of sample numbers.
        collate_fn: makes the batch from a list of samples; None means `collate`.
    """
    lookup = type(dataset).__getitem__
    if lookup is Subset.__getitem__:
        return fetch(dataset.dataset, dataset.indices[indices], collate_fn)
    if lookup is TensorDataset.__getitem__ and collate_fn in (None, collate):
        return dataset[indices]
    return (collate_fn or collate)([dataset[i] for i in indices.tolist()])


class DataLoader:
    """Batches of a dataset: `for batch in loader` is one epoch, in a fresh order if shuffled.

    Args:
        dataset: any object with `__len__` and `__getitem__`.
        batch_size: samples in a batch; the last batch holds what is left.
        shuffle: draw a new random order for each epoch.
        drop_last: leave out the last batch if it is not full.
        collate_fn: makes a batch from a list of samples; None means `collate`.
        generator: a Generator to draw the orders from; the default one for None.

    Raises:
        TypeError: the dataset lacks one of the two methods.
        ValueError: the batch size is not a whole number from 1 on.

    >>> loader = DataLoader([10, 20, 30, 40, 50], batch_size=2)
    >>> len(loader), list(loader)
    (3, [tensor([10, 20]), tensor([30, 40]), tensor([50])])
    """

    def __init__(
        self, dataset, batch_size=1, shuffle=False, drop_last=False, collate_fn=None, generator=None
    ):
        if not all(hasattr(type(dataset), name) for name in ("__len__", "__getitem__")):
            raise TypeError(f"{type(dataset).__name__} lacks __len__ or __getitem__: try list(...)")
        need_batch_size(batch_size)
        self.dataset, self.batch_size, self.shuffle = dataset, batch_size, shuffle
        self.drop_last, self.collate_fn, self.generator = drop_last, collate_fn, generator

    __repr__ = messages.loader

    def __len__(self):
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self):
        """Begin an epoch: draw its order now, and make each batch when it is asked for."""
        epoch = batch_indices(
            len(self.dataset), self.batch_size, self.shuffle, self.drop_last, self.generator
        )
        return (fetch(self.dataset, indices, self.collate_fn) for indices in epoch)


# %% split-given
def are_fractions(sizes, count):
    """True if the sizes are fractions that add up to 1, False if whole numbers, up to `count`.

    Raises:
        ValueError: a size is negative, or they do not add up.

    >>> are_fractions([0.8, 0.2], 10), are_fractions([8, 2], 10)
    (True, False)
    """
    whole = all(isinstance(size, int | np.integer) for size in sizes)
    if min(sizes, default=0) < 0 or abs(sum(sizes) - (count if whole else 1)) > 1e-6:
        told = f"the sizes {list(sizes)} should add up to the {count} samples"
        raise ValueError(f"{told}, or as fractions to 1, and none is negative")
    return not whole


# %% random_split
def random_split(dataset, sizes, generator=None):
    """Cut a dataset at random into parts that share no sample and together hold all.

    Args:
        dataset: any dataset.
        sizes: how many samples each part gets, or fractions that add up to 1 (the ends of the
            parts are rounded).
        generator: a Generator to draw from; the default one for None.

    Returns:
        A list of Subsets, in the order of `sizes`.

    Raises:
        ValueError: a size is negative, or they do not add up.

    >>> parts = random_split("abcdefghij", [0.7, 0.3])
    >>> [len(part) for part in parts]
    [7, 3]
    """
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count).astype(int)
    order = numpy_generator(generator).permutation(count)
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]


# %% load-tinytalks
class Talk(namedtuple("Talk", "level topic pronoun question answer")):
    """A question of TinyTalks and its answer; level, topic and pronoun as in its README."""


def load_tinytalks(part="train", levels=5):
    """The questions and answers of TinyTalks, a list of Talks in the order of the file.

    Args:
        part: "train"; or "validation" or "test", which ask some of the questions in other words.
        levels: 1 to 5: the levels from 1 up to this one are read.

    Raises:
        ValueError: there is no such part or level.

    >>> talks = load_tinytalks()
    >>> len(talks), talks[0].question, talks[0].answer
    (230, 'What is a cow?', 'A cow is a farm animal.')
    """
    ready = {"train": "A:", "validation": "V:", "test": "T:"}  # the line that completes a Talk
    if part not in ready or levels not in range(1, 6):
        raise ValueError(f"parts: {', '.join(ready)}; levels: 1 to 5; but {part=}, {levels=}")
    talks = []
    for line in data_file("tinytalks/tinytalks.txt").read_text(encoding="ascii").splitlines():
        key, _, text = line.partition(" ")
        if key == "##":
            level, topic, pronoun = re.fullmatch(r"(\d) (.+) = (\w+)", text).groups()
        elif key == "A:":
            answer = text
        else:
            question = text
        if key == ready[part] and int(level) <= levels:
            talks.append(Talk(int(level), topic, pronoun, question, answer))
    return talks


# %% pad-given
def rows_and_length(rows, value, length):
    """The rows as arrays, and the number of columns that they will have.

    Raises:
        ValueError: a row is longer than `length`.
        TypeError: a row is not one row of whole numbers, or the value is not one.
    """
    rows = [np.asarray(getattr(row, "array", row)) for row in rows]
    length = max((row.size for row in rows), default=0) if length is None else length
    for i, row in enumerate(rows):
        if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
            raise TypeError(f"row {i} is not one row of whole numbers, but {row.dtype} {row.shape}")
        if len(row) > length:
            raise ValueError(f"row {i} has {len(row)} ids, more than length={length}: cut it first")
    if not isinstance(value, int | np.int64):
        raise TypeError(f"the value that fills up is an id, an int of Python and not {value!r}")
    return rows, length


# %% pad_sequences
def pad_sequences(rows, value=0, length=None):
    """Rows of unequal length become a rectangle, and a mask that says what is real.

    Args:
        rows: lists, arrays or Tensors of ids, whole numbers.
        value: the id that fills up.
        length: the number of columns; that of the longest row for None.

    Returns:
        ids: Tensor (B, T), int64: each row from the left, then the filling.
        mask: Tensor (B, T), bool: True = real.

    Raises:
        ValueError: a row is longer than `length`.
        TypeError: a row is not one row of whole numbers, or the value is not one.

    >>> ids, mask = pad_sequences([[5, 0, 7], [8]])
    >>> ids.tolist(), mask.tolist()
    ([[5, 0, 7], [8, 0, 0]], [[True, True, True], [True, False, False]])
    """
    rows, length = rows_and_length(rows, value, length)
    ids = np.full((len(rows), length), value)
    mask = np.zeros((len(rows), length), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = True
    return from_numpy(ids), from_numpy(mask)
