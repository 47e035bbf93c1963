"""Module 01, solved by a reader who had only the blanked notebook."""


@solution("tensor.broadcast_shape")
def broadcast_shape(first, second):
    length = max(len(first), len(second))
    padded_first = (1,) * (length - len(first)) + tuple(first)
    padded_second = (1,) * (length - len(second)) + tuple(second)
    result = []
    for back in range(1, length + 1):
        a, b = padded_first[-back], padded_second[-back]
        if a == 1:
            result.append(b)
        elif b == 1 or a == b:
            result.append(a)
        else:
            raise no_broadcast(first, second, back)
    return tuple(reversed(result))


@solution("tensor.matmul")
def matmul(x, y):
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError("both sides need a dimension: for a single number write *")
    if y.ndim == 1:
        inner = y.shape[0]
    else:
        inner = y.shape[-2]
    if x.shape[-1] != inner:
        raise ValueError(
            f"the rows of the left have {x.shape[-1]} numbers, the columns of the right {inner}"
        )
    return x @ y


@solution("tensor.mean")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    n = 1
    for d in dims:
        n = n * x.shape[d]
    return x.sum(axis=dims, keepdims=keepdim) / n


@solution("tensor.var")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    d = x - mean.on_arrays(x, dim, True)
    total = (d * d).sum(axis=dims, keepdims=keepdim)
    if unbiased:
        return total / (count - 1)
    return total / count


@solution("tensor.reshape")
def reshape(x, shape):
    sizes = list(one_tuple((shape,)))
    if sizes.count(-1) > 1 or (-1 in sizes and 0 in sizes):
        raise ValueError(f"-1 has no meaning in {shape}: write it once, and without a 0 beside it")
    if -1 in sizes:
        known = -math.prod(sizes)
        sizes[sizes.index(-1)] = x.size // known
    if math.prod(sizes) != x.size:
        raise ValueError(f"{x.size} elements do not fit into the shape {shape}")
    return x.reshape(sizes)


@solution("tensor.transpose")
def transpose(x, dim0, dim1):
    order = list(range(x.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return x.transpose(order)


@solution("tensor.cat")
def cat(tensors, dim=0):
    if not tensors:
        raise ValueError("there is nothing to join: the list is empty")
    dim = dims_of(dim, tensors[0].ndim)[0]
    first = tensors[0].shape
    for t in tensors:
        fits = len(t.shape) == len(first)
        for d in range(len(first)):
            if fits and d != dim and t.shape[d] != first[d]:
                fits = False
        if not fits:
            raise ValueError(
                f"only the sizes at dimension {dim} may differ: {[t.shape for t in tensors]}"
            )
    return np.concatenate(tensors, axis=dim)


@solution("tensor.masked_fill")
def masked_fill(x, mask, value):
    if getattr(mask, "dtype", None) != bool_:
        raise TypeError("a mask holds True and False: compare first, for example x < 0")
    return np.where(mask, value, x)
