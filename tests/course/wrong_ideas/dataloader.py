"""Usual wrong ideas of module 05: each is the whole body of an exercise."""


@wrong("dataloader.TensorDataset.__getitem__", "counts the tensors instead of the samples")
def __getitem__(self, index):
    return self.tensors[index]


@wrong("dataloader.TensorDataset.__getitem__", "asks only the first tensor")
def __getitem__(self, index):
    return self.tensors[0][index]


@wrong("dataloader.TensorDataset.__getitem__", "takes only single numbers")
def __getitem__(self, index):
    return tuple(tensor[int(index)] for tensor in self.tensors)


@wrong("dataloader.TensorDataset.__getitem__", "gives a list")
def __getitem__(self, index):
    return [tensor[index] for tensor in self.tensors]


@wrong("dataloader.batch_indices", "draws every batch anew")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    rng = numpy_generator(generator)
    end = count - count % batch_size if drop_last else count
    starts = range(0, end, batch_size)
    if shuffle:
        return [rng.integers(0, count, min(batch_size, count - start)) for start in starts]
    return [np.arange(count)[start : start + batch_size] for start in starts]


@wrong("dataloader.batch_indices", "makes an empty batch of no samples")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = numpy_generator(generator).permutation(count) if shuffle else np.arange(count)
    batches = np.split(order, range(batch_size, count, batch_size))
    return batches[: count // batch_size] if drop_last else batches


@wrong("dataloader.batch_indices", "shuffles in the same way in each epoch")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = np.random.default_rng(0).permutation(count) if shuffle else np.arange(count)
    end = count - count % batch_size if drop_last else count
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


@wrong("dataloader.batch_indices", "asks the Generator itself to shuffle")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = generator.permutation(count) if shuffle else np.arange(count)
    end = count - count % batch_size if drop_last else count
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


@wrong("dataloader.batch_indices", "makes a list of the shuffled order")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = list(numpy_generator(generator).permutation(count)) if shuffle else np.arange(count)
    end = count - count % batch_size if drop_last else count
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


@wrong("dataloader.batch_indices", "draws from a generator that no seed reaches")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = np.random.default_rng().permutation(count) if shuffle else np.arange(count)
    end = count - count % batch_size if drop_last else count
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


@wrong("dataloader.batch_indices", "always leaves out the last batch")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = numpy_generator(generator).permutation(count) if shuffle else np.arange(count)
    end = count - count % batch_size
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


@wrong("dataloader.batch_indices", "never leaves out the last batch")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = numpy_generator(generator).permutation(count) if shuffle else np.arange(count)
    return [order[start : start + batch_size] for start in range(0, count, batch_size)]


@wrong("dataloader.batch_indices", "drops a batch that is full")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = numpy_generator(generator).permutation(count) if shuffle else np.arange(count)
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    return batches[:-1] if drop_last else batches


@wrong("dataloader.batch_indices", "cuts first and shuffles inside the batches")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    rng = numpy_generator(generator)
    end = count - count % batch_size if drop_last else count
    batches = [np.arange(count)[start : start + batch_size] for start in range(0, end, batch_size)]
    return [rng.permutation(batch) for batch in batches] if shuffle else batches


@wrong("dataloader.collate", "does not turn the list round")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, tuple | list):
        return tuple(samples)
    return stack(samples) if isinstance(first, Tensor) else Tensor(np.stack(samples))


@wrong("dataloader.collate", "collates sample by sample instead of place by place")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in samples)
    return stack(samples) if isinstance(first, Tensor) else Tensor(np.stack(samples))


@wrong("dataloader.collate", "forgets the star of zip")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(samples))
    return stack(samples) if isinstance(first, Tensor) else Tensor(np.stack(samples))


@wrong("dataloader.collate", "takes a list for an array")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, Tensor):
        return stack(samples)
    if isinstance(first, dict):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple):
        return tuple(collate(members) for members in zip(*samples))
    return Tensor(np.stack(samples))


@wrong("dataloader.collate", "gives plain numbers to stack")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(*samples))
    return stack(samples)


@wrong("dataloader.collate", "joins the rows end to end")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(*samples))
    if isinstance(first, Tensor):
        return Tensor(np.concatenate([sample.array for sample in samples]))
    return Tensor(np.stack(samples))


@wrong("dataloader.collate", "makes real numbers of the labels")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(*samples))
    if isinstance(first, Tensor):
        return stack(samples)
    return Tensor(np.stack(samples).astype(np.float32))


@wrong("dataloader.collate", "takes the Tensors apart")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(*samples))
    if isinstance(first, Tensor):
        samples = [sample.array for sample in samples]
    return Tensor(np.stack(samples))


@wrong("dataloader.collate", "forgets the keys of a dict")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, Tensor):
        return stack(samples)
    if isinstance(first, dict):
        return collate([tuple(sample.values()) for sample in samples])
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(*samples))
    return Tensor(np.stack(samples))


@wrong("dataloader.pad_sequences", "takes the mask from the ids")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, length)
    ids = np.full((len(rows), length), value)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    return from_numpy(ids), from_numpy(ids != value)


@wrong("dataloader.pad_sequences", "marks the padding with True")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, length)
    ids = np.full((len(rows), length), value)
    mask = np.ones((len(rows), length), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = False
    return from_numpy(ids), from_numpy(mask)


@wrong("dataloader.pad_sequences", "pads on the left")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, length)
    ids = np.full((len(rows), length), value)
    mask = np.zeros((len(rows), length), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, length - len(row) :] = row
        mask[i, length - len(row) :] = True
    return from_numpy(ids), from_numpy(mask)


@wrong("dataloader.pad_sequences", "always fills up with 0")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, length)
    ids = np.zeros((len(rows), length), dtype=np.int64)
    mask = np.zeros((len(rows), length), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = True
    return from_numpy(ids), from_numpy(mask)


@wrong("dataloader.pad_sequences", "always takes the longest row's length")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, None)
    ids = np.full((len(rows), length), value)
    mask = np.zeros((len(rows), length), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = True
    return from_numpy(ids), from_numpy(mask)


@wrong("dataloader.random_split", "cuts without shuffling")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count).astype(int)
    return [Subset(dataset, part) for part in np.split(np.arange(count), ends[:-1])]


@wrong("dataloader.random_split", "shuffles anew for every part")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count).astype(int)
    rng, starts = numpy_generator(generator), [0, *ends[:-1]]
    cuts = zip(starts, ends)
    return [Subset(dataset, rng.permutation(count)[start:end]) for start, end in cuts]


@wrong("dataloader.random_split", "rounds every size by itself")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    if fractions:
        sizes = [round(size * count) for size in sizes]
    ends = np.cumsum(sizes)
    order = numpy_generator(generator).permutation(count)
    starts = [0, *ends[:-1]]
    return [Subset(dataset, order[start:end]) for start, end in zip(starts, ends)]


@wrong("dataloader.random_split", "rounds every size, and cuts where their sums end")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    if fractions:
        sizes = np.rint(np.array(sizes) * count).astype(int)
    order = numpy_generator(generator).permutation(count)
    return [Subset(dataset, part) for part in np.split(order, np.cumsum(sizes)[:-1])]


@wrong("dataloader.random_split", "cuts the fractions of the ends off")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = (ends * count).astype(int)
    order = numpy_generator(generator).permutation(count)
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]


@wrong("dataloader.random_split", "ignores the generator")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count).astype(int)
    order = np.random.default_rng(0).permutation(count)
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]


@wrong("dataloader.batch_indices", "takes the number of batches for what is left over")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    order = numpy_generator(generator).permutation(count) if shuffle else np.arange(count)
    end = count - count // batch_size if drop_last else count
    return [order[start : start + batch_size] for start in range(0, end, batch_size)]


@wrong("dataloader.TensorDataset.__getitem__", "takes whole numbers only")
def __getitem__(self, index):
    return tuple(tensor[index % len(tensor)] for tensor in self.tensors)


@wrong("dataloader.TensorDataset.__getitem__", "makes new Tensors of the arrays")
def __getitem__(self, index):
    return tuple(Tensor(tensor.array[index]) for tensor in self.tensors)


@wrong("dataloader.collate", "knows no dictionary")
def collate(samples):
    first = need_one_form(samples)
    if isinstance(first, Tensor):
        return stack(samples)
    if isinstance(first, tuple | list):
        return tuple(collate(members) for members in zip(*samples))
    return Tensor(np.stack(samples))


@wrong("dataloader.pad_sequences", "returns before the given line")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, length)
    ids = np.array([[*row, *[value] * (length - len(row))] for row in rows])
    mask = np.array([[True] * len(row) + [False] * (length - len(row)) for row in rows])
    return ids, mask


@wrong("dataloader.TensorDataset.__getitem__", "knows of two tensors only")
def __getitem__(self, index):
    return self.tensors[0][index], self.tensors[1][index]


@wrong("dataloader.batch_indices", "leaves the last samples out before the shuffle")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    count -= count % batch_size if drop_last else 0
    order = numpy_generator(generator).permutation(count) if shuffle else np.arange(count)
    return [order[start : start + batch_size] for start in range(0, count, batch_size)]


@wrong("dataloader.random_split", "shuffles the caller's dataset")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count).astype(int)
    numpy_generator(generator).shuffle(dataset)
    return [Subset(dataset, part) for part in np.split(np.arange(count), ends[:-1])]


@wrong("dataloader.random_split", "gives Subsets of a copy in another order")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count).astype(int)
    copied = [dataset[i] for i in numpy_generator(generator).permutation(count)]
    return [Subset(copied, part) for part in np.split(np.arange(count), ends[:-1])]


@wrong("dataloader.random_split", "leaves the rounded ends real numbers")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count)
    order = numpy_generator(generator).permutation(count)
    return [Subset(dataset, part) for part in np.split(order, ends[:-1])]


@wrong("dataloader.pad_sequences", "takes the length of the first row")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, length)
    ids = np.full((len(rows), len(rows[0])), value)
    mask = np.zeros(ids.shape, dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = True
    return from_numpy(ids), from_numpy(mask)
