"""Module 03, solved by a reader who had only the blanked notebook."""


@solution("layers.linear")
def linear(x, weight, bias=None):
    require_features(x, weight)
    rows = x.reshape(-1, weight.shape[1])
    y = rows @ weight.T
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[0])


@solution("layers.kaiming_uniform")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    if fan_in < 1:
        raise ValueError(f"kaiming_uniform: fan_in is a count of at least 1, not {fan_in}")
    bound = gain * math.sqrt(3 / fan_in)
    return (2 * rand(shape, generator=generator) - 1) * bound


@solution("layers.Module.named_parameters")
def named_parameters(self, prefix=""):
    found = {}  # parameter -> its first full name
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            found.setdefault(value, dotted(prefix, name))
    for name, child in self.named_children():
        for full_name, parameter in child.named_parameters(dotted(prefix, name)):
            found.setdefault(parameter, full_name)
    return [(name, parameter) for parameter, name in found.items()]


@solution("layers.Module.load_state_dict")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()  # name -> Tensor that shares the model's memory
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    misshaped = [n for n in own if n in arrays and own[n].shape != arrays[n].shape]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    for name in own:
        if name in arrays:
            own[name].copy_(arrays[name])
    return IncompatibleKeys(missing, unexpected)


@solution("layers.Module.train")
def train(self, mode=True):
    if not isinstance(mode, bool):
        raise ValueError(f"train() takes True or False, not {mode!r}")
    self.training = mode
    for child in self.children():
        child.train(mode)
    return self


@solution("layers.Linear.__init__")
def __init__(self, in_features, out_features, bias=True):
    sizes = (in_features, out_features)
    if not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
        raise ValueError(f"Linear needs two whole sizes of at least 1, not {sizes}")
    self.in_features, self.out_features = sizes
    gain = math.sqrt(1 / 3)
    self.weight = Parameter(kaiming_uniform((out_features, in_features), in_features, gain))
    self.bias = None
    if bias:
        self.bias = Parameter(kaiming_uniform((out_features,), in_features, gain))


@solution("layers.Dropout.forward")
def forward(self, x):
    if not self.training or self.p == 0:
        return x
    if self.p == 1:
        return x * 0
    keep = rand(x.shape, generator=self.generator) >= self.p
    return x * keep / (1 - self.p)
