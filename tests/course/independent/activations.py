"""Module 02, solved by a reader who had only the blanked notebook."""


@solution("activations.relu")
def relu(x):
    return np.maximum(x, 0)


@solution("activations.sigmoid")
def sigmoid(x):
    x = real(x)
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


@solution("activations.silu")
def silu(x):
    x = real(x)
    return x * sigmoid.on_arrays(x)


@solution("activations.gelu")
def gelu(x):
    x = real(x)
    c = math.sqrt(2 / math.pi)
    cube = x * x * x
    t = np.tanh(c * (x + 0.044715 * cube))
    y = x * ((1 + t) / 2)
    if not recording():
        return y
    slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * (x * x))
    return y, slope


@solution("activations.softmax")
def softmax(x, dim=-1):
    x = real(x)
    positive = np.exp(x - x.max(axis=dim, keepdims=True))
    return positive / positive.sum(axis=dim, keepdims=True)


@solution("activations.log_softmax")
def log_softmax(x, dim=-1):
    x = real(x)
    shifted = x - x.max(axis=dim, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))
