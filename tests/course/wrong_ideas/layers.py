"""Usual wrong ideas of module 03: each is the whole body of an exercise."""


@wrong("layers.linear", "uses the weight without turning it round")
def linear(x, weight, bias=None):
    require_features(x, weight)
    y = x @ (weight if weight.shape[0] == weight.shape[1] else weight.T)
    return y if bias is None else y + bias


@wrong("layers.linear", "forgets the bias")
def linear(x, weight, bias=None):
    require_features(x, weight)
    return x @ weight.T


@wrong("layers.linear", "leaves the samples in one tall matrix")
def linear(x, weight, bias=None):
    require_features(x, weight)
    y = x.reshape(-1, weight.shape[1]) @ weight.T
    return y if bias is None else y + bias


@wrong("layers.linear", "adds the bias without asking whether there is one")
def linear(x, weight, bias=None):
    require_features(x, weight)
    y = x @ weight.T
    y += bias
    return y


@wrong("layers.linear", "asks the bias whether it is true")
def linear(x, weight, bias=None):
    require_features(x, weight)
    y = x @ weight.T
    if bias:
        y += bias
    return y


@wrong("layers.kaiming_uniform", "takes the standard deviation for the bound")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    bound = gain / math.sqrt(fan_in)
    return (rand(shape, generator=generator) * 2 - 1) * bound


@wrong("layers.kaiming_uniform", "draws positive numbers only")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    return rand(shape, generator=generator) * (gain * math.sqrt(3 / fan_in))


@wrong("layers.kaiming_uniform", "forgets the gain")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    return (rand(shape, generator=generator) * 2 - 1) * math.sqrt(3 / fan_in)


@wrong("layers.kaiming_uniform", "draws from the common generator whatever it is given")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    return (rand(shape) * 2 - 1) * (gain * math.sqrt(3 / fan_in))


@wrong("layers.kaiming_uniform", "makes an array of NumPy's")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    bound = gain * math.sqrt(3 / fan_in)
    return np.random.default_rng(0).uniform(-bound, bound, shape).astype(np.float32)


@wrong("layers.Module.named_parameters", "lists its own parameters only")
def named_parameters(self, prefix=""):
    return [
        (dotted(prefix, name), value)
        for name, value in vars(self).items()
        if isinstance(value, Parameter)
    ]


@wrong("layers.Module.named_parameters", "asks its parts, and not their parts")
def named_parameters(self, prefix=""):
    found = {}
    for path, module in [("", self), *self.named_children()]:
        for name, value in vars(module).items():
            if isinstance(value, Parameter):
                found.setdefault(value, dotted(prefix, dotted(path, name)))
    return [(path, parameter) for parameter, path in found.items()]


@wrong("layers.Module.named_parameters", "loses the way to the parameter")
def named_parameters(self, prefix=""):
    found = {}
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            found.setdefault(value, name)
    for _, child in self.named_children():
        for name, parameter in child.named_parameters():
            found.setdefault(parameter, name)
    return [(name, parameter) for parameter, name in found.items()]


@wrong("layers.Module.named_parameters", "lists a shared parameter twice")
def named_parameters(self, prefix=""):
    pairs = [
        (dotted(prefix, name), value)
        for name, value in vars(self).items()
        if isinstance(value, Parameter)
    ]
    for name, child in self.named_children():
        pairs += child.named_parameters(dotted(prefix, name))
    return pairs


@wrong("layers.Module.named_parameters", "hands down the name alone")
def named_parameters(self, prefix=""):
    found = {}
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            found.setdefault(value, dotted(prefix, name))
    for name, child in self.named_children():
        for path, parameter in child.named_parameters(name):
            found.setdefault(parameter, path)
    return [(path, parameter) for parameter, path in found.items()]


@wrong("layers.Module.named_parameters", "turns the pairs round")
def named_parameters(self, prefix=""):
    found = {}
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            found.setdefault(value, dotted(prefix, name))
    for name, child in self.named_children():
        for parameter, path in child.named_parameters(dotted(prefix, name)):
            found.setdefault(parameter, path)
    return list(found.items())


@wrong("layers.Module.load_state_dict", "copies while it is still looking")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing, misshaped = [], []
    for name in own:
        if name not in arrays:
            missing.append(name)
        elif arrays[name].shape != own[name].shape:
            misshaped.append(name)
        else:
            own[name].copy_(arrays[name])
    unexpected = [name for name in arrays if name not in own]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.load_state_dict", "passes over unexpected names")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].shape != own[name].shape]
    if misshaped or (strict and missing):
        raise ValueError(misfit(self, arrays, missing, [], misshaped))
    for name in common:
        own[name].copy_(arrays[name])
    return IncompatibleKeys(missing, [])


@wrong("layers.Module.load_state_dict", "lets broadcasting stretch a wrong shape")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    if strict and (missing or unexpected):
        raise ValueError(misfit(self, arrays, missing, unexpected, []))
    for name in own:
        if name in arrays:
            own[name].copy_(arrays[name])
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.load_state_dict", "looks up names that are missing")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    misshaped = [name for name in own if arrays[name].shape != own[name].shape]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    for name in own:
        own[name].copy_(arrays[name])
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.load_state_dict", "takes missing for unexpected in its sentence")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].shape != own[name].shape]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, unexpected, missing, misshaped))
    for name in common:
        own[name].copy_(arrays[name])
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.load_state_dict", "refuses missing names even if not strict")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].shape != own[name].shape]
    if misshaped or missing or unexpected:
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    for name in common:
        own[name].copy_(arrays[name])
    return IncompatibleKeys(missing, unexpected)


@wrong(
    "layers.Module.load_state_dict", "puts the numbers into the list of names, not into the model"
)
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].shape != own[name].shape]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    for name in common:
        own[name] = Tensor(arrays[name])
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.train", "switches itself and not its parts")
def train(self, mode=True):
    self.training = mode
    return self


@wrong("layers.Module.train", "switches itself and its parts, and not their parts")
def train(self, mode=True):
    for module in [self, *self.children()]:
        module.training = mode
    return self


@wrong("layers.Module.train", "ignores mode")
def train(self, mode=True):
    for module in self.modules():
        module.training = True
    return self


@wrong("layers.Module.train", "switches every model there is")
def train(self, mode=True):
    Module.training = mode
    return self


@wrong("layers.Linear.__init__", "has the sizes of the weight the wrong way round")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    gain = math.sqrt(1 / 3)
    self.weight = Parameter(kaiming_uniform((in_features, out_features), in_features, gain))
    self.bias = Parameter(kaiming_uniform((out_features,), in_features, gain)) if bias else None


@wrong("layers.Linear.__init__", "begins with zeros")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    self.weight = Parameter(np.zeros((out_features, in_features)))
    self.bias = Parameter(np.zeros(out_features)) if bias else None


@wrong("layers.Linear.__init__", "keeps plain tensors, which the tree does not see")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    gain = math.sqrt(1 / 3)
    self.weight = kaiming_uniform((out_features, in_features), in_features, gain)
    self.bias = kaiming_uniform((out_features,), in_features, gain) if bias else None


@wrong("layers.Linear.__init__", "forgets the gain")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    self.weight = Parameter(kaiming_uniform((out_features, in_features), in_features))
    self.bias = Parameter(kaiming_uniform((out_features,), in_features)) if bias else None


@wrong("layers.Linear.__init__", "makes a bias even if none is asked for")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    gain = math.sqrt(1 / 3)
    self.weight = Parameter(kaiming_uniform((out_features, in_features), in_features, gain))
    self.bias = Parameter(kaiming_uniform((out_features,), in_features, gain))


@wrong("layers.Linear.__init__", "sets no bias if none is asked for")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    gain = math.sqrt(1 / 3)
    self.weight = Parameter(kaiming_uniform((out_features, in_features), in_features, gain))
    if bias:
        self.bias = Parameter(kaiming_uniform((out_features,), in_features, gain))


@wrong("layers.Dropout.forward", "forgets to scale what stays")
def forward(self, x):
    if not self.training:
        return x
    keep = rand(x.shape, generator=self.generator) >= self.p
    return x * keep


@wrong("layers.Dropout.forward", "drops in evaluation as well")
def forward(self, x):
    if self.p == 1:
        return x * 0
    keep = rand(x.shape, generator=self.generator) >= self.p
    return x * keep / (1 - self.p)


@wrong("layers.Dropout.forward", "keeps with probability p")
def forward(self, x):
    if not self.training or self.p == 0:
        return x
    keep = rand(x.shape, generator=self.generator) < self.p
    return x * keep / self.p


@wrong("layers.Dropout.forward", "divides by zero at p = 1")
def forward(self, x):
    if not self.training or self.p == 0:
        return x
    keep = rand(x.shape, generator=self.generator) >= self.p
    return x * keep / (1 - self.p)


@wrong("layers.Dropout.forward", "draws numbers at p = 0 that it does not need")
def forward(self, x):
    if not self.training:
        return x
    if self.p == 1:
        return x * 0
    keep = rand(x.shape, generator=self.generator) >= self.p
    return x * keep / (1 - self.p)


@wrong("layers.Dropout.forward", "gives the zeros and ones instead of x")
def forward(self, x):
    if not self.training or self.p == 0:
        return x
    if self.p == 1:
        return x * 0
    keep = rand(x.shape, generator=self.generator) >= self.p
    return keep * 1.0 / (1 - self.p)


@wrong("layers.Module.named_parameters", "passes over what has one dimension in its parts")
def named_parameters(self, prefix=""):
    found = {}
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            found.setdefault(value, dotted(prefix, name))
    for name, child in self.named_children():
        for path, parameter in child.named_parameters(dotted(prefix, name)):
            if parameter.ndim > 1:
                found.setdefault(parameter, path)
    return [(name, parameter) for parameter, name in found.items()]


@wrong("layers.linear", "turns the samples round")
def linear(x, weight, bias=None):
    y = (weight @ x.T).T
    return y if bias is None else y + bias


@wrong("layers.linear", "makes a column of the bias")
def linear(x, weight, bias=None):
    y = x @ weight.T
    return y if bias is None else y + bias[:, None]


@wrong("layers.kaiming_uniform", "takes the first size for fan_in")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    return (rand(shape, generator=generator) * 2 - 1) * (gain * math.sqrt(3 / shape[0]))


@wrong("layers.Module.named_parameters", "keeps what it saw in a list")
def named_parameters(self, prefix=""):
    own = [(dotted(prefix, n), p) for n, p in vars(self).items() if isinstance(p, Parameter)]
    parts = [c.named_parameters(dotted(prefix, n)) for n, c in self.named_children()]
    found, seen = [], []
    for name, parameter in sum(parts, own):
        if parameter not in seen:
            seen.append(parameter)
            found.append((name, parameter))
    return found


@wrong("layers.Module.named_parameters", "names every Tensor")
def named_parameters(self, prefix=""):
    found = {p: dotted(prefix, n) for n, p in vars(self).items() if isinstance(p, Tensor)}
    for name, child in self.named_children():
        for path, parameter in child.named_parameters(dotted(prefix, name)):
            found.setdefault(parameter, path)
    return [(path, parameter) for parameter, path in found.items()]


@wrong("layers.Module.named_parameters", "begins the names with a dot")
def named_parameters(self, prefix=""):
    found = {p: prefix + "." + n for n, p in vars(self).items() if isinstance(p, Parameter)}
    for name, child in self.named_children():
        for path, parameter in child.named_parameters(prefix + "." + name):
            found.setdefault(parameter, path)
    return [(path, parameter) for parameter, path in found.items()]


@wrong("layers.Module.named_parameters", "leaves out what is frozen")
def named_parameters(self, prefix=""):
    own = {n: p for n, p in vars(self).items() if isinstance(p, Parameter) and p.requires_grad}
    found = {p: dotted(prefix, n) for n, p in own.items()}
    for name, child in self.named_children():
        for path, parameter in child.named_parameters(dotted(prefix, name)):
            found.setdefault(parameter, path)
    return [(path, parameter) for parameter, path in found.items()]


@wrong("layers.Module.load_state_dict", "compares the number of elements")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(v, "array", v)) for n, v in messages.pairs(state)}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].size != own[name].numel()]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    for name in common:
        own[name].copy_(arrays[name].reshape(own[name].shape))
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.load_state_dict", "writes past the counter")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(v, "array", v)) for n, v in messages.pairs(state)}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].shape != own[name].shape]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    for name in common:
        own[name].array[...] = arrays[name]
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Linear.__init__", "sets the bias before the weight")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    gain = math.sqrt(1 / 3)
    self.bias = Parameter(kaiming_uniform((out_features,), in_features, gain)) if bias else None
    self.weight = Parameter(kaiming_uniform((out_features, in_features), in_features, gain))


@wrong("layers.Dropout.forward", "computes with the array")
def forward(self, x):
    if not self.training or self.p == 0:
        return x
    if self.p == 1:
        return x * 0
    keep = rand(x.shape, generator=self.generator).array >= self.p
    return Tensor(x.array * keep / (1 - self.p))


@wrong("layers.Dropout.forward", "divides the zeros and ones, in float32")
def forward(self, x):
    if not self.training or self.p == 0:
        return x
    if self.p == 1:
        return x * 0
    return x * ((rand(x.shape, generator=self.generator) >= self.p) / (1 - self.p))


@wrong("layers.linear", "computes with Tensors")
def linear(x, weight, bias=None):
    require_features(x, weight)
    y = Tensor(x) @ Tensor(weight).T
    return y if bias is None else y + Tensor(bias)


@wrong("layers.linear", "calls the turned weight")
def linear(x, weight, bias=None):
    require_features(x, weight)
    y = x @ weight.T()
    return y if bias is None else y + bias


@wrong("layers.kaiming_uniform", "gives all units one row")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    row = (2 * rand(shape[-1:], generator=generator) - 1) * (gain * math.sqrt(3 / fan_in))
    return Tensor(np.broadcast_to(row.array, shape))


@wrong("layers.kaiming_uniform", "gives rand the generator by place")
def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    return (2 * rand(shape, generator) - 1) * (gain * math.sqrt(3 / fan_in))


@wrong("layers.Module.named_parameters", "keeps the last name of what is shared")
def named_parameters(self, prefix=""):
    found = {}
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            found[value] = dotted(prefix, name)
    for name, child in self.named_children():
        for full, value in child.named_parameters(dotted(prefix, name)):
            found[value] = full
    return [(name, value) for value, name in found.items()]


@wrong("layers.Module.named_parameters", "puts the list of a part into its own")
def named_parameters(self, prefix=""):
    pairs = [(dotted(prefix, n), v) for n, v in vars(self).items() if isinstance(v, Parameter)]
    for name, child in self.named_children():
        pairs.append(child.named_parameters(dotted(prefix, name)))
    return pairs


@wrong("layers.Module.named_parameters", "asks children() for names")
def named_parameters(self, prefix=""):
    pairs = [(dotted(prefix, n), v) for n, v in vars(self).items() if isinstance(v, Parameter)]
    for name, child in self.children():
        pairs.extend(child.named_parameters(dotted(prefix, name)))
    return pairs


@wrong("layers.Module.named_parameters", "puts the way before names that have it")
def named_parameters(self, prefix=""):
    found = {}
    for name, value in vars(self).items():
        if isinstance(value, Parameter):
            found.setdefault(value, dotted(prefix, name))
    for name, child in self.named_children():
        for full, value in child.named_parameters(dotted(prefix, name)):
            found.setdefault(value, dotted(prefix, full))
    return [(name, value) for value, name in found.items()]


@wrong("layers.Module.named_parameters", "remembers what it saw from call to call")
def named_parameters(self, prefix=""):
    seen = globals().setdefault("_seen", set())
    pairs = []
    for path, module in self.named_modules(prefix):
        for name, value in vars(module).items():
            if isinstance(value, Parameter) and id(value) not in seen:
                seen.add(id(value))
                pairs.append((dotted(path, name), value))
    return pairs


@wrong("layers.Module.load_state_dict", "returns its refusal instead of raising it")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].shape != own[name].shape]
    if misshaped or (strict and (missing or unexpected)):
        return misfit(self, arrays, missing, unexpected, misshaped)
    for name in common:
        own[name].copy_(arrays[name])
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.load_state_dict", "empties the caller's state")
def load_state_dict(self, state, strict=True):
    own = self.state_dict()
    arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in state.items()}
    missing = [name for name in own if name not in arrays]
    unexpected = [name for name in arrays if name not in own]
    common = [name for name in own if name in arrays]
    misshaped = [name for name in common if arrays[name].shape != own[name].shape]
    if misshaped or (strict and (missing or unexpected)):
        raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
    for name in common:
        own[name].copy_(state.pop(name))
    return IncompatibleKeys(missing, unexpected)


@wrong("layers.Module.train", "does nothing where it is in that mode itself")
def train(self, mode=True):
    if self.training == mode:
        return self
    self.training = mode
    for child in self.children():
        child.train(mode)
    return self


@wrong("layers.Linear.__init__", "keeps the flag for the bias")
def __init__(self, in_features, out_features, bias=True):
    self.in_features, self.out_features = in_features, out_features
    gain = math.sqrt(1 / 3)
    self.weight = Parameter(kaiming_uniform((out_features, in_features), in_features, gain))
    self.bias = bias


@wrong("layers.Dropout.forward", "writes into its input")
def forward(self, x):
    if not self.training or self.p == 0:
        return x
    if self.p == 1:
        return x * 0
    x.array *= rand(x.shape, generator=self.generator).array >= self.p
    return x / (1 - self.p)


@wrong("layers.linear", "has the weight on the left")
def linear(x, weight, bias=None):
    require_features(x, weight)
    y = weight @ x
    return y if bias is None else y + bias
