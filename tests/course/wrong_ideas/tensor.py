"""Usual wrong ideas of module 01: each is the whole body of an exercise."""


@wrong("tensor.broadcast_shape", "aligns the shapes at the left")
def broadcast_shape(first, second):
    result = []
    for i in range(max(len(first), len(second))):
        a = first[i] if i < len(first) else 1
        b = second[i] if i < len(second) else 1
        if a != b and a != 1 and b != 1:
            raise ValueError(f"shapes {first} and {second} do not fit: {a} and {b}")
        result.append(b if a == 1 else a)
    return tuple(result)


@wrong("tensor.broadcast_shape", "stops at the end of the shorter shape")
def broadcast_shape(first, second):
    result = []
    for back in range(1, min(len(first), len(second)) + 1):
        a, b = first[-back], second[-back]
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


@wrong("tensor.broadcast_shape", "never refuses: the larger size wins")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        result.append(max(a, b))
    return tuple(reversed(result))


@wrong("tensor.broadcast_shape", "takes the larger size also against 0")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(max(a, b))
    return tuple(reversed(result))


@wrong("tensor.broadcast_shape", "forgets to turn the sizes round")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return tuple(result)


@wrong("tensor.broadcast_shape", "returns a list")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return result[::-1]


@wrong("tensor.broadcast_shape", "asks the shorter shape for sizes that it does not have")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a, b = first[-back], second[-back]
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


@wrong("tensor.broadcast_shape", "forgets its return")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        result.append(b if a == 1 else a)


@wrong("tensor.matmul", "multiplies element by element")
def matmul(x, y):
    return x * y


@wrong("tensor.matmul", "uses np.dot, which pairs every batch with every other")
def matmul(x, y):
    if x.shape[-1] != (y.shape[-2] if y.ndim > 1 else y.shape[0]):
        raise ValueError(f"the inner sizes differ, {x.shape[-1]} and {y.shape[-2]}")
    return np.dot(x, y)


@wrong("tensor.matmul", "leaves the refusal to NumPy")
def matmul(x, y):
    return x @ y


@wrong("tensor.matmul", "forgets that a vector has one size only")
def matmul(x, y):
    if x.shape[-1] != y.shape[-2]:
        raise ValueError(f"the inner sizes differ, {x.shape[-1]} and {y.shape[-2]}")
    return x @ y


@wrong("tensor.matmul", "compares the last sizes of both sides")
def matmul(x, y):
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"the inner sizes differ, {x.shape[-1]} and {y.shape[-1]}")
    return x @ y


@wrong("tensor.matmul", "compares with the first size of the right side")
def matmul(x, y):
    if x.shape[-1] != y.shape[0]:
        raise ValueError(f"the inner sizes differ, {x.shape[-1]} and {y.shape[0]}")
    return x @ y


@wrong("tensor.mean", "divides by the number of all elements")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    return x.sum(axis=dims, keepdims=keepdim) / x.size


@wrong("tensor.mean", "divides by the first size")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    return x.sum(axis=dims, keepdims=keepdim) / x.shape[0]


@wrong("tensor.mean", "forgets keepdim")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    return x.sum(axis=dims) / count


@wrong("tensor.mean", "does not divide at all")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    return x.sum(axis=dims, keepdims=keepdim)


@wrong("tensor.mean", "uses dim, which may be None, instead of dims")
def mean(x, dim=None, keepdim=False):
    return x.sum(axis=dim, keepdims=keepdim) / x.shape[dim]


@wrong("tensor.var", "always divides by n")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, True)
    return (distance * distance).sum(axis=dims, keepdims=keepdim) / count


@wrong("tensor.var", "ignores unbiased=False")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, True)
    return (distance * distance).sum(axis=dims, keepdims=keepdim) / (count - 1)


@wrong("tensor.var", "takes the root as well")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, True)
    total = (distance * distance).sum(axis=dims, keepdims=keepdim)
    return np.sqrt(total / (count - 1 if unbiased else count))


@wrong("tensor.var", "goes over the data once: mean of the squares minus square of the mean")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    average = x.sum(axis=dims, keepdims=keepdim) / count
    result = (x * x).sum(axis=dims, keepdims=keepdim) / count - average * average
    return result * (count / (count - 1 if unbiased else count))


@wrong("tensor.var", "does not square the distances")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, True)
    return distance.sum(axis=dims, keepdims=keepdim) / (count - 1 if unbiased else count)


@wrong("tensor.var", "loses the dimension of the mean")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, keepdim)
    total = (distance * distance).sum(axis=dims, keepdims=keepdim)
    return total / (count - 1 if unbiased else count)


@wrong("tensor.reshape", "copies")
def reshape(x, shape):
    sizes = list(one_tuple((shape,)))
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        sizes[sizes.index(-1)] = x.size // known
    if math.prod(sizes) != x.size:
        raise ValueError(f"{x.size} elements do not fit into {shape}")
    return x.copy().reshape(sizes)


@wrong("tensor.reshape", "reads down the columns")
def reshape(x, shape):
    sizes = list(one_tuple((shape,)))
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        sizes[sizes.index(-1)] = x.size // known
    if math.prod(sizes) != x.size:
        raise ValueError(f"{x.size} elements do not fit into {shape}")
    return x.reshape(sizes, order="F")


@wrong("tensor.reshape", "changes the shape of its input")
def reshape(x, shape):
    sizes = list(one_tuple((shape,)))
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        sizes[sizes.index(-1)] = x.size // known
    if math.prod(sizes) != x.size:
        raise ValueError(f"{x.size} elements do not fit into {shape}")
    x.shape = tuple(sizes)
    return x


@wrong("tensor.reshape", "swaps rows and columns")
def reshape(x, shape):
    return x.T


@wrong("tensor.reshape", "leaves the refusal to NumPy")
def reshape(x, shape):
    return x.reshape(one_tuple((shape,)))


@wrong("tensor.reshape", "repeats or drops elements until they fit")
def reshape(x, shape):
    sizes = list(one_tuple((shape,)))
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        sizes[sizes.index(-1)] = x.size // known
    flat = x.reshape(-1)
    return (
        flat[: math.prod(sizes)].reshape(sizes)
        if math.prod(sizes) <= x.size
        else np.resize(x, sizes)
    )


@wrong("tensor.transpose", "reshapes")
def transpose(x, dim0, dim1):
    sizes = list(x.shape)
    sizes[dim0], sizes[dim1] = sizes[dim1], sizes[dim0]
    return x.reshape(sizes)


@wrong("tensor.transpose", "reverses all dimensions")
def transpose(x, dim0, dim1):
    return x.T


@wrong("tensor.transpose", "always swaps the last two")
def transpose(x, dim0, dim1):
    return np.swapaxes(x, -1, -2)


@wrong("tensor.transpose", "copies")
def transpose(x, dim0, dim1):
    return np.swapaxes(x, dim0, dim1).copy()


@wrong("tensor.cat", "makes a new dimension, as stack does")
def cat(tensors, dim=0):
    return np.stack(tensors, axis=dim)


@wrong("tensor.cat", "always joins along the first dimension")
def cat(tensors, dim=0):
    return np.concatenate(tensors)


@wrong("tensor.cat", "wants all shapes to be the same")
def cat(tensors, dim=0):
    shapes = [t.shape for t in tensors]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"the shapes differ: {shapes}")
    return np.concatenate(tensors, axis=dim)


@wrong("tensor.cat", "leaves the refusal to NumPy")
def cat(tensors, dim=0):
    return np.concatenate(tensors, axis=dim)


@wrong("tensor.cat", "gives a single tensor back as it is")
def cat(tensors, dim=0):
    dim = dims_of(dim, tensors[0].ndim)[0]
    rest = [t.shape[:dim] + t.shape[dim + 1 :] for t in tensors]
    if any(r != rest[0] for r in rest):
        raise ValueError(f"these shapes do not agree: {[t.shape for t in tensors]}")
    return tensors[0] if len(tensors) == 1 else np.concatenate(tensors, axis=dim)


@wrong("tensor.masked_fill", "writes into its input")
def masked_fill(x, mask, value):
    x[np.broadcast_to(mask, x.shape)] = value
    return x


@wrong("tensor.masked_fill", "fills where the mask is False")
def masked_fill(x, mask, value):
    return np.where(mask, x, value)


@wrong("tensor.masked_fill", "takes the mask for an index, which does not broadcast")
def masked_fill(x, mask, value):
    result = x.copy()
    result[mask] = value
    return result


@wrong("tensor.masked_fill", "multiplies by the mask, so that -inf becomes nan")
def masked_fill(x, mask, value):
    with np.errstate(invalid="ignore"):
        return x * (1 - mask.astype(x.dtype)) + value * mask.astype(x.dtype)


@wrong("tensor.broadcast_shape", "goes only as far as the first shape")
def broadcast_shape(first, second):
    result = []
    for back in range(1, len(first) + 1):
        a = first[-back]
        b = second[-back] if back <= len(second) else 1
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


@wrong("tensor.var", "takes the mean away from the caller's array")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    x -= mean.on_arrays(x, dim, True)
    total = (x * x).sum(axis=dims, keepdims=keepdim)
    return total / (count - 1 if unbiased else count)


@wrong("tensor.cat", "compares only the sizes before dim")
def cat(tensors, dim=0):
    if not tensors:
        raise ValueError("there is nothing to join: the list is empty")
    dim = dims_of(dim, tensors[0].ndim)[0]
    if any(t.shape[:dim] != tensors[0].shape[:dim] for t in tensors):
        shapes = [t.shape for t in tensors]
        raise ValueError(f"all sizes but that of dim {dim} must agree, and the shapes are {shapes}")
    return np.concatenate(tensors, axis=dim)


@wrong("tensor.broadcast_shape", "returns the error instead of raising it")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        if a != b and a != 1 and b != 1:
            return no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


@wrong("tensor.matmul", "makes float32 of everything")
def matmul(x, y):
    if x.shape[-1] != (y.shape[-2] if y.ndim > 1 else y.shape[0]):
        raise ValueError(f"the inner sizes differ, {x.shape[-1]} and {y.shape}")
    return (x @ y).astype(np.float32)


@wrong("tensor.matmul", "returns the error instead of raising it")
def matmul(x, y):
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] != inner:
        return ValueError(f"the inner sizes differ, {x.shape[-1]} and {inner}")
    return x @ y


@wrong("tensor.mean", "uses the lifted sum, which gives a Tensor")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    return tensor_sum(x, dims, keepdim) / math.prod(x.shape[d] for d in dims)


@wrong("tensor.mean", "sums along dim, which may be ()")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    axis = dim if isinstance(dim, tuple) else dims
    return x.sum(axis=axis, keepdims=keepdim) / math.prod(x.shape[d] for d in dims)


@wrong("tensor.var", "sums along dim, which may be ()")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, True)
    total = (distance * distance).sum(axis=dim, keepdims=keepdim)
    return total / (count - 1 if unbiased else count)


@wrong("tensor.var", "never divides by 0")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, True)
    total = (distance * distance).sum(axis=dims, keepdims=keepdim)
    return total / (max(count - 1, 1) if unbiased else count)


@wrong("tensor.var", "forgets .on_arrays")
def var(x, dim=None, unbiased=True, keepdim=False):
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean(x, dim, True)
    total = (distance * distance).sum(dims, keepdim)
    return total / (count - 1 if unbiased else count)


@wrong("tensor.reshape", "makes negative sizes positive")
def reshape(x, shape):
    sizes = list(one_tuple((shape,)))
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        sizes[sizes.index(-1)] = x.size // known
    if math.prod(sizes) != x.size:
        raise ValueError(f"{x.size} elements do not fit into {shape}")
    return x.reshape([abs(s) for s in sizes])


@wrong("tensor.transpose", "uses a lifted function, which gives a Tensor")
def transpose(x, dim0, dim1):
    order = list(range(x.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return clone(np.transpose(x, order))


@wrong("tensor.cat", "compares only the first two")
def cat(tensors, dim=0):
    if not tensors:
        raise ValueError("there is nothing to join: the list is empty")
    dim = dims_of(dim, tensors[0].ndim)[0]
    rest = [t.shape[:dim] + t.shape[dim + 1 :] for t in tensors]
    if len(rest) > 1 and rest[0] != rest[1]:
        raise ValueError(f"these shapes do not agree: {[t.shape for t in tensors]}")
    return np.concatenate(tensors, axis=dim)


@wrong("tensor.cat", "asserts instead of raising a ValueError")
def cat(tensors, dim=0):
    dim = dims_of(dim, tensors[0].ndim)[0]
    rest = [t.shape[:dim] + t.shape[dim + 1 :] for t in tensors]
    assert all(r == rest[0] for r in rest), [t.shape for t in tensors]
    return np.concatenate(tensors, axis=dim)


@wrong("tensor.masked_fill", "stretches the mask to the shape of x, which may be the smaller one")
def masked_fill(x, mask, value):
    result = x.copy()
    np.copyto(result, value, where=mask)
    return result


@wrong("tensor.masked_fill", "multiplies by the booleans, and makes float64")
def masked_fill(x, mask, value):
    return x * ~mask + value * mask


@wrong("tensor.mean", "takes NumPy's own, which warns where there is nothing")
def mean(x, dim=None, keepdim=False):
    return np.asarray(x.mean(axis=dims_of(dim, x.ndim), keepdims=keepdim))


@wrong("tensor.mean", "divides the caller's numbers")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    x /= math.prod(x.shape[d] for d in dims)
    return x.sum(axis=dims, keepdims=keepdim)


@wrong("tensor.mean", "divides by a number of NumPy, which makes float64")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    return x.sum(axis=dims, keepdims=keepdim) / np.prod([x.shape[d] for d in dims])


@wrong("tensor.mean", "rounds down")
def mean(x, dim=None, keepdim=False):
    dims = dims_of(dim, x.ndim)
    return x.sum(axis=dims, keepdims=keepdim) // math.prod(x.shape[d] for d in dims)


@wrong("tensor.var", "takes NumPy's own, which warns of a single number")
def var(x, dim=None, unbiased=True, keepdim=False):
    return np.var(x, axis=dims_of(dim, x.ndim), ddof=int(unbiased), keepdims=keepdim)


@wrong("tensor.transpose", "takes a negative dimension for a positive one")
def transpose(x, dim0, dim1):
    order = list(range(x.ndim))
    order[abs(dim0)], order[abs(dim1)] = order[abs(dim1)], order[abs(dim0)]
    return x.transpose(order)


@wrong("tensor.transpose", "moves one dimension to the place of the other")
def transpose(x, dim0, dim1):
    return np.moveaxis(x, dim0, dim1)


@wrong("tensor.cat", "joins in the order of the last to the first")
def cat(tensors, dim=0):
    rest = [t.shape[:dim] + t.shape[dim + 1 :] for t in tensors]
    if any(r != rest[0] for r in rest):
        raise ValueError(f"the shapes are {[t.shape for t in tensors]}")
    return np.concatenate(tensors[::-1], axis=dim)


@wrong("tensor.masked_fill", "writes a half into whole numbers")
def masked_fill(x, mask, value):
    x, mask = np.broadcast_arrays(x, mask)
    result = x.copy()
    result[mask] = value
    return result


@wrong("tensor.broadcast_shape", "counts a 1 in the place of the first size of all")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back < len(first) else 1
        b = second[-back] if back < len(second) else 1
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


@wrong("tensor.broadcast_shape", "ends in a comma, which makes a tuple of the tuple")
def broadcast_shape(first, second):
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return (tuple(reversed(result)),)


@wrong("tensor.matmul", "compares the sizes by their numbers from the left")
def matmul(x, y):
    if x.shape[1] != y.shape[0]:
        raise ValueError(f"the inner sizes differ, {x.shape[1]} and {y.shape[0]}")
    return x @ y


@wrong("tensor.matmul", "makes lists")
def matmul(x, y):
    return (x @ y).tolist()


@wrong("tensor.transpose", "hands both numbers to NumPy's transpose as they are")
def transpose(x, dim0, dim1):
    return x.transpose(dim1, dim0)
