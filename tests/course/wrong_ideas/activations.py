"""Usual wrong ideas of module 02: each is the whole body of an exercise."""


@wrong("activations.relu", "takes the absolute value")
def relu(x):
    return np.abs(x)


@wrong("activations.relu", "writes into its input")
def relu(x):
    x[x < 0] = 0
    return x


@wrong("activations.relu", "takes the one largest element")
def relu(x):
    return np.max(x)


@wrong("activations.relu", "takes Python's max")
def relu(x):
    return max(x, 0)


@wrong("activations.sigmoid", "types the textbook formula, which overflows")
def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@wrong("activations.sigmoid", "has the sign of the exponent wrong")
def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x < 0, 1, small) / (1 + small)


@wrong("activations.sigmoid", "mistakes tanh for it")
def sigmoid(x):
    return np.tanh(x)


@wrong("activations.sigmoid", "takes 1 minus the other side, which loses all digits")
def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), 1 - 1 / (1 + small))


@wrong("activations.silu", "returns the gate alone")
def silu(x):
    return sigmoid.on_arrays(x)


@wrong("activations.silu", "cuts off the negative part")
def silu(x):
    return np.maximum(x, 0) * sigmoid.on_arrays(x)


@wrong("activations.gelu", "forgets the root in c")
def gelu(x):
    c = 2 / math.pi
    t = np.tanh(c * (x + 0.044715 * (x * x * x)))
    return 0.5 * x * (1 + t)


@wrong("activations.gelu", "multiplies only x by c")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * x + 0.044715 * (x * x * x))
    return 0.5 * x * (1 + t)


@wrong("activations.gelu", "returns the gate alone")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    return 0.5 * (1 + np.tanh(c * (x + 0.044715 * (x * x * x))))


@wrong("activations.gelu", "takes c from NumPy, which makes float64")
def gelu(x):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (x + 0.044715 * (x * x * x)))
    return 0.5 * x * (1 + t)


@wrong("activations.gelu", "returns before the given lines")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    return 0.5 * x * (1 + np.tanh(c * (x + 0.044715 * (x * x * x))))


@wrong("activations.gelu", "takes the primitive tanh, which gives a Tensor")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    gate = 0.5 * (1 + tanh(c * (x + 0.044715 * (x * x * x))))
    y = x * gate
    return (y, slope_of_gelu(x, y, gate, c)) if recording() else y


@wrong("activations.gelu", "calls the gate by another name than the given lines do")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    share = 0.5 * (1 + np.tanh(c * (x + 0.044715 * (x * x * x))))
    y = x * share
    return (y, slope_of_gelu(x, y, gate, c)) if recording() else y


@wrong("activations.gelu", "gives the name gate to the tanh alone")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    gate = np.tanh(c * (x + 0.044715 * (x * x * x)))
    y = 0.5 * x * (1 + gate)
    return (y, slope_of_gelu(x, y, gate, c)) if recording() else y


@wrong("activations.softmax", "sums over everything")
def softmax(x, dim=-1):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum()


@wrong("activations.softmax", "works along the first dimension")
def softmax(x, dim=-1):
    exponentials = np.exp(x - x.max(axis=0, keepdims=True))
    return exponentials / exponentials.sum(axis=0, keepdims=True)


@wrong("activations.softmax", "overflows for large scores")
def softmax(x, dim=-1):
    exponentials = np.exp(x)
    return exponentials / exponentials.sum(axis=dim, keepdims=True)


@wrong("activations.softmax", "subtracts the largest score of the whole array")
def softmax(x, dim=-1):
    exponentials = np.exp(x - x.max())
    return exponentials / exponentials.sum(axis=dim, keepdims=True)


@wrong("activations.softmax", "does not divide")
def softmax(x, dim=-1):
    return np.exp(x)


@wrong("activations.log_softmax", "subtracts the largest score of the whole array")
def log_softmax(x, dim=-1):
    shifted = x - x.max()
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


@wrong("activations.log_softmax", "forgets the maximum in front of the logarithm")
def log_softmax(x, dim=-1):
    largest = x.max(axis=dim, keepdims=True)
    return x - np.log(np.exp(x - largest).sum(axis=dim, keepdims=True))


@wrong("activations.log_softmax", "takes the logarithm of a softmax")
def log_softmax(x, dim=-1):
    exponentials = np.exp(x - x.max(axis=dim, keepdims=True))
    return np.log(exponentials / exponentials.sum(axis=dim, keepdims=True))


@wrong("activations.log_softmax", "overflows for large scores")
def log_softmax(x, dim=-1):
    return x - np.log(np.exp(x).sum(axis=dim, keepdims=True))


@wrong("activations.log_softmax", "works along the first dimension")
def log_softmax(x, dim=-1):
    shifted = x - x.max(axis=0, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=0, keepdims=True))


@wrong("activations.sigmoid", "changes the form at 1 and not at 0")
def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x >= 1, 1, small) / (1 + small)


@wrong("activations.softmax", "subtracts in the caller's array")
def softmax(x, dim=-1):
    x -= x.max(axis=dim, keepdims=True)
    exponentials = np.exp(x)
    return exponentials / exponentials.sum(axis=dim, keepdims=True)


@wrong("activations.log_softmax", "subtracts in the caller's array")
def log_softmax(x, dim=-1):
    x -= x.max(axis=dim, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=dim, keepdims=True))


@wrong("activations.relu", "multiplies by a mask, so that 0 meets inf")
def relu(x):
    return x * (x > 0)


@wrong("activations.silu", "calls the lifted sigmoid, which gives a Tensor")
def silu(x):
    return x * sigmoid(x)


@wrong("activations.softmax", "loses the dimension of the largest score")
def softmax(x, dim=-1):
    exponentials = np.exp(x - x.max(axis=dim))
    return exponentials / exponentials.sum(axis=dim)


@wrong("activations.log_softmax", "loses the dimension of the largest score")
def log_softmax(x, dim=-1):
    shifted = x - x.max(axis=dim)
    return shifted - np.log(np.exp(shifted).sum(axis=dim))


@wrong("activations.relu", "takes nan for not positive")
def relu(x):
    return np.where(x > 0, x, np.zeros_like(x))


@wrong("activations.relu", "cuts off at 100")
def relu(x):
    return np.clip(x, 0, 100)


@wrong("activations.sigmoid", "limits x, so that small values are lost")
def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


@wrong("activations.silu", "writes the gate out, which overflows")
def silu(x):
    return x / (1 + np.exp(-x))


@wrong("activations.gelu", "mistypes a digit")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    gate = 0.5 * (1 + np.tanh(c * (x + 0.044175 * x * x * x)))
    y = x * gate
    return (y, slope_of_gelu(x, y, gate, c)) if recording() else y


@wrong("activations.gelu", "writes into its input")
def gelu(x):
    c = math.sqrt(2 / math.pi)
    gate = 0.5 * (1 + np.tanh(c * (x + 0.044715 * x * x * x)))
    x *= gate
    y = x
    return (y, slope_of_gelu(x, y, gate, c)) if recording() else y


@wrong("activations.softmax", "limits the scores instead of shifting them")
def softmax(x, dim=-1):
    exponentials = np.exp(np.clip(x, -50, 50))
    return exponentials / exponentials.sum(axis=dim, keepdims=True)


@wrong("activations.log_softmax", "adds the maximum to the logarithm, and loses digits")
def log_softmax(x, dim=-1):
    m = x.max(axis=dim, keepdims=True)
    return x - (m + np.log(np.exp(x - m).sum(axis=dim, keepdims=True)))


@wrong("activations.log_softmax", "always works along the last dimension")
def log_softmax(x, dim=-1):
    shifted = x - x.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@wrong("activations.relu", "hands np.max a list of an array and a number")
def relu(x):
    return np.max([x, 0])


@wrong("activations.sigmoid", "takes math.exp of an array")
def sigmoid(x):
    x = real(x)
    return 1 / (1 + math.exp(-x))


@wrong("activations.gelu", "takes math.tanh of an array")
def gelu(x):
    x = real(x)
    c = math.sqrt(2 / math.pi)
    gate = 0.5 * (1 + math.tanh(c * (x + 0.044715 * x * x * x)))
    y = x * gate
    return (y, slope_of_gelu(x, y, gate, c)) if recording() else y


@wrong("activations.softmax", "says keepdim to an array")
def softmax(x, dim=-1):
    x = real(x)
    exponentials = np.exp(x - x.max(axis=dim, keepdim=True))
    return exponentials / exponentials.sum(axis=dim, keepdim=True)


@wrong("activations.softmax", "makes a list of lists")
def softmax(x, dim=-1):
    rows = [[math.exp(value - max(row)) for value in row] for row in real(x).tolist()]
    return [[value / sum(row) for value in row] for row in rows]


@wrong("activations.log_softmax", "takes the logarithm of a lifted softmax")
def log_softmax(x, dim=-1):
    return np.log(softmax(real(x), dim))


@wrong("activations.silu", "asks an array for a Tensor's method")
def silu(x):
    x = real(x)
    return x * x.sigmoid()
