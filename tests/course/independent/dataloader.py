"""Module 05, solved by a reader who had only the blanked notebook."""


@solution("dataloader.TensorDataset.__getitem__")
def __getitem__(self, index):
    return tuple(tensor[index] for tensor in self.tensors)


@solution("dataloader.batch_indices")
def batch_indices(count, batch_size, shuffle=False, drop_last=False, generator=None):
    need_batch_size(batch_size)
    rng = numpy_generator(generator)
    order = rng.permutation(count) if shuffle else np.arange(count)
    end = count - count % batch_size if drop_last else count
    return [order[start : min(start + batch_size, end)] for start in range(0, end, batch_size)]


@solution("dataloader.collate")
def collate(samples):
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


@solution("dataloader.random_split")
def random_split(dataset, sizes, generator=None):
    count = len(dataset)
    fractions = are_fractions(sizes, count)
    ends = np.cumsum(sizes)
    if fractions:
        ends = np.rint(ends * count).astype(int)
    order = numpy_generator(generator).permutation(count)
    return [Subset(dataset, piece) for piece in np.split(order, ends[:-1])]


@solution("dataloader.pad_sequences")
def pad_sequences(rows, value=0, length=None):
    rows, length = rows_and_length(rows, value, length)
    ids = np.full((len(rows), length), value)
    mask = np.zeros((len(rows), length), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = True
    return from_numpy(ids), from_numpy(mask)
