"""PyTorch's `utils.data`: the loader of module 05, with PyTorch's further arguments."""

import itertools
import math
import types

import numpy as np

from ...dataloader import DataLoader as Loader
from ...dataloader import (
    Dataset,
    Subset,
    TensorDataset,
    are_fractions,
    collate,
    fetch,
    need_batch_size,
)
from ...dataloader import random_split as split_at_random
from ...tensor import from_numpy, numpy_generator

__all__ = [
    "BatchSampler",
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "IterableDataset",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "Subset",
    "SubsetRandomSampler",
    "TensorDataset",
    "WeightedRandomSampler",
    "default_collate",
    "get_worker_info",
    "random_split",
]

default_collate = collate


def default_convert(data):
    """A sample without a batch: its arrays become Tensors, at any depth -> the sample."""
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.asarray(data)
        return from_numpy(array) if array.dtype.kind in "fiub" else data
    if isinstance(data, dict):
        return {key: default_convert(part) for key, part in data.items()}
    if hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    return type(data)(map(default_convert, data)) if type(data) in (list, tuple) else data


class IterableDataset:
    """Samples that only come one after the other: a class with `__iter__` -> samples."""


class ConcatDataset(Dataset):
    """Several data sets, one behind the other: sample i -> that of the one it falls into.

    >>> ConcatDataset(["ab", "cd"])[2]
    'c'
    """

    def __init__(self, datasets):
        self.datasets = list(datasets)
        self.ends = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self):
        return self.ends[-1] if self.ends else 0

    def __getitem__(self, index):
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(f"there is no sample {index}: there are {len(self)}")
        n = next(n for n, end in enumerate(self.ends) if index < end)
        return self.datasets[n][index - (self.ends[n - 1] if n else 0)]


Dataset.__add__ = lambda self, other: ConcatDataset([self, other])


def random_split(dataset, lengths, generator=None):
    """`random_split` of module 05; of fractions every part is rounded down here, as in PyTorch.

    What is left goes to the first parts, one sample each.

    >>> [len(part) for part in random_split(range(10), [1 / 3, 1 / 3, 1 / 3])]
    [4, 3, 3]
    """
    count = len(dataset)
    if are_fractions(lengths, count):
        lengths = [math.floor(count * share) for share in lengths]
        for part in range(count - sum(lengths)):
            lengths[part % len(lengths)] += 1
    return split_at_random(dataset, lengths, generator)


def get_worker_info():
    """None: samples are read in the process that asks -> None."""


class Sampler:
    """The base of what says the order: `__iter__` -> numbers of samples, and `__len__`."""

    def __init__(self, data_source=None):
        self.data_source = data_source


class SequentialSampler(Sampler):
    """0, 1, 2, ... -> the numbers in order."""

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)


class RandomSampler(Sampler):
    """The numbers in random order; or, with replacement, any number of draws.

    Args:
        data_source: the data set.
        replacement: whether a sample may come again.
        num_samples: how many; all unless given. They are drawn as they are asked for, so that
            10 billion of them cost nothing.
        generator: a Generator to draw from; the one of `manual_seed` for None.
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        if num_samples is not None and not num_samples > 0:
            raise ValueError(f"num_samples is a count of at least 1, not {num_samples!r}")
        self.data_source, self.replacement = data_source, replacement
        self.count, self.generator = num_samples, generator

    def __len__(self):
        return len(self.data_source) if self.count is None else int(self.count)

    def __iter__(self):
        rng, left, size = numpy_generator(self.generator), len(self), len(self.data_source)
        if left and not size:
            raise ValueError(f"RandomSampler: there is no sample to draw {left} from")
        while left > 0:
            some = min(left, 4096 if self.replacement else size)
            order = rng.integers(size, size=some) if self.replacement else rng.permutation(size)
            yield from order[:some].tolist()
            left -= some


class SubsetRandomSampler(Sampler):
    """The given numbers in random order. Args: indices, generator."""

    def __init__(self, indices, generator=None):
        self.indices, self.generator = list(indices), generator

    def __iter__(self):
        order = numpy_generator(self.generator).permutation(len(self.indices))
        return iter([self.indices[i] for i in order])

    def __len__(self):
        return len(self.indices)


class WeightedRandomSampler(Sampler):
    """Numbers drawn with weights. Args: weights, num_samples, replacement, generator."""

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        if not num_samples > 0:
            raise ValueError(f"num_samples is a count of at least 1, not {num_samples!r}")
        weights = np.asarray(getattr(weights, "array", weights), np.float64)
        self.shares, self.count = weights / weights.sum(), num_samples
        self.replacement, self.generator = replacement, generator

    def __iter__(self):
        rng = numpy_generator(self.generator)
        drawn = rng.choice(len(self.shares), self.count, self.replacement, self.shares)
        return iter(drawn.tolist())

    def __len__(self):
        return self.count


class BatchSampler(Sampler):
    """Numbers of another sampler in lists. Args: sampler, batch_size, drop_last."""

    def __init__(self, sampler, batch_size, drop_last=False):
        need_batch_size(batch_size)
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self):
        numbers = iter(self.sampler)
        while batch := list(itertools.islice(numbers, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self):
        size = len(self.sampler) / self.batch_size
        return math.floor(size) if self.drop_last else math.ceil(size)


class DataLoader(Loader):
    """Batches of a data set: the loader of module 05, with PyTorch's further arguments.

    Args:
        dataset: any object with `__len__` and `__getitem__`, or with `__iter__` alone.
        batch_size: samples in a batch; None hands out the samples themselves, each through
            collate_fn, or with its arrays as Tensors.
        shuffle: draw a new random order for each epoch.
        sampler: says the order instead: an iterable of numbers.
        batch_sampler: an iterable of lists of numbers, instead of all of these.
        collate_fn, drop_last, generator: as in module 05.
        num_workers, pin_memory, timeout, worker_init_fn, ...: accepted; the process itself loads.

    Raises:
        ValueError: settings that contradict each other, and what module 05 refuses.
    """

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout=0,
        worker_init_fn=None,
        *,
        generator=None,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        multiprocessing_context=None,
        in_order=True,
    ):
        if shuffle and (sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: a sampler says the order, so leave shuffle out")
        if batch_sampler is not None and (batch_size != 1 or sampler is not None or drop_last):
            told = "leave batch_size, sampler and drop_last out"
            raise ValueError(f"DataLoader: batch_sampler says the batches: {told}")
        if batch_size is None and drop_last:
            raise ValueError("DataLoader: without batches (batch_size=None) drop_last has no sense")
        self.own_order, self.own_batches, self.num_workers = sampler, batch_sampler, num_workers
        streamed = not hasattr(type(dataset), "__getitem__") and hasattr(dataset, "__iter__")
        if streamed and (shuffle or sampler is not None or batch_sampler is not None):
            told = "shuffle in its __iter__"
            raise ValueError(f"DataLoader: the data set streams in its own order: {told}")
        if streamed or batch_size is None:
            self.dataset, self.batch_size, self.shuffle = dataset, batch_size, bool(shuffle)
            self.drop_last, self.collate_fn, self.generator = drop_last, collate_fn, generator
        else:
            super().__init__(dataset, batch_size, bool(shuffle), drop_last, collate_fn, generator)
        self.streamed = streamed

    def order(self):
        """The numbers of the samples, or the samples themselves where they only stream."""
        if self.streamed:
            return self.dataset
        if self.own_order is not None:
            return self.own_order
        kind = RandomSampler(self.dataset, generator=self.generator) if self.shuffle else None
        return kind or SequentialSampler(self.dataset)

    @property
    def sampler(self):
        """What says the order; None where the samples only stream."""
        return None if self.streamed else self.order()

    @property
    def batch_sampler(self):
        """What says the batches; None where there are none."""
        if self.own_batches is not None or self.batch_size is None:
            return self.own_batches
        return BatchSampler(self.order(), self.batch_size, self.drop_last)

    def __len__(self):
        if self.own_batches is not None:
            return len(self.own_batches)
        if self.batch_size is None:
            return len(self.order())
        return len(BatchSampler(self.order(), self.batch_size, self.drop_last))

    def __iter__(self):
        if self.own_batches is None and self.batch_size is None:
            items, make = self.order(), self.collate_fn or default_convert
            return map(make, items if self.streamed else (self.dataset[i] for i in items))
        if self.own_order is None and self.own_batches is None and not self.streamed:
            return super().__iter__()
        batches = self.batch_sampler
        if self.streamed:
            return ((self.collate_fn or collate)(samples) for samples in batches)
        return (fetch(self.dataset, np.asarray(b), self.collate_fn) for b in batches)


for kind in (Dataset, IterableDataset, Sampler, Loader):  # annotations such as Dataset[int]
    kind.__class_getitem__ = classmethod(types.GenericAlias)
