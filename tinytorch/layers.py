# Written by tito export from modules/03_layers/layers.ipynb. Edit the notebook, not this file.

"""A model is a tree of named arrays."""

__all__ = [
    "RELU_GAIN",
    "IncompatibleKeys",
    "require_features",
    "linear",
    "kaiming_uniform",
    "dotted",
    "Tree",
    "located",
    "overlooked",
    "Module",
    "HookHandle",
    "Linear",
    "ReLU",
    "Tanh",
    "GELU",
    "ModuleList",
    "Sequential",
    "Dropout",
]


# %% imports
import math
import warnings
from collections import namedtuple

import numpy as np

from . import messages
from .activations import gelu, gelu_exact, relu, tanh
from .messages import misfit
from .tensor import Parameter, Tensor, float32, float64, later, primitive, rand


# %% linear-refusals-given
def require_features(x, weight):
    """Refuse an input that a linear map with this weight cannot take.

    Args:
        x: should be real numbers (..., in). weight: (out, in).

    Raises:
        TypeError: x holds whole numbers or truth values.
        ValueError: the last size of x is not the weight's.
    """
    if x.dtype.kind != "f":
        raise TypeError(f"the input is {x.dtype}: use x.float(), or an Embedding for token ids")
    if x.shape[-1:] != weight.shape[1:]:
        raise ValueError(messages.features(x.shape, weight.shape))


# %% linear
@primitive
def linear(x, weight, bias=None):
    """y = x @ weight.T + bias, for samples of any leading shape.

    Args:
        x: (..., in), real numbers.
        weight: (out, in), a row per output.
        bias: (out,), or None for none.

    Returns:
        (..., out), with the dtype of x.

    Raises:
        TypeError: x holds whole numbers.
        ValueError: the last size of x is not `in`.

    >>> weight = Tensor([[1.0, 0.0], [3.0, -1.0], [0.5, 0.5]])
    >>> linear(Tensor([1.0, 2.0]), weight, Tensor([0.0, 10.0, 0.0]))
    tensor([ 1. , 11. ,  1.5])
    """
    require_features(x, weight)
    y = x.reshape(-1, weight.shape[1]) @ weight.T  # (..., in) -> (N, in) -> (N, out)
    if bias is not None:
        y += bias
    return y.reshape(*x.shape[:-1], weight.shape[0])  # (N, out) -> (..., out)


# %% kaiming
RELU_GAIN = math.sqrt(2)  # makes up for the half that a ReLU cuts away


def kaiming_uniform(shape, fan_in, gain=RELU_GAIN, generator=None):
    """Random weights, uniform within +-bound: bound = gain * sqrt(3 / fan_in).

    Args:
        shape: of the result, such as (out, in).
        fan_in: how many numbers flow into one unit; not always a size of `shape`.
        gain: sqrt(2) if a ReLU follows, 1 if nothing does.
        generator: where the random numbers come from; None is the one of `manual_seed`.

    Returns:
        A float32 Tensor of mean 0 and std gain / sqrt(fan_in).

    Raises:
        ValueError: fan_in is not positive.

    Source: He et al. 2015.

    >>> weight = kaiming_uniform((100, 24), fan_in=24)
    >>> weight.shape, bool(weight.abs().max() <= 0.5)
    ((100, 24), True)
    """
    if fan_in < 1:
        raise ValueError(f"kaiming_uniform: fan_in is a count of at least 1, not {fan_in}")
    bound = gain * math.sqrt(3 / fan_in)
    return (rand(shape, generator=generator) * 2 - 1) * bound


# %% tree
def dotted(prefix, name):
    """The full name of `name` inside `prefix`: "encoder" and "weight" make "encoder.weight".

    >>> dotted("encoder", "weight"), dotted("", "weight")
    ('encoder.weight', 'weight')
    """
    return f"{prefix}.{name}" if prefix else name


class Tree:
    """Something with named parts: those of its attributes that are Trees as well."""

    def named_children(self):
        """The direct parts with their names, in the order in which they were set."""
        # __class__ is the Tree of this method; the name Tree is a new class if this cell runs again
        return [(name, part) for name, part in vars(self).items() if isinstance(part, __class__)]

    def children(self):
        """The direct parts."""
        return [child for _, child in self.named_children()]

    def named_modules(self, prefix=""):
        """This one and all parts of parts with their full names; a shared one once."""
        found, waiting = {}, [(prefix, self)]
        while waiting:
            path, module = waiting.pop()
            if module not in found:
                found[module] = path
                parts = reversed(module.named_children())
                waiting += [(dotted(path, name), part) for name, part in parts]
        return [(path, module) for module, path in found.items()]

    def modules(self):
        """This one and all parts of parts, each once."""
        return [module for _, module in self.named_modules()]

    def add_module(self, name, module):
        """The same as `self.name = module`, for a name that is computed.

        Raises:
            TypeError: `module` is no Module.
            ValueError: the name is empty, has a dot in it, or is one of a method.
        """
        if not isinstance(module, __class__):
            raise TypeError(messages.no_module(type(self).__name__, module))
        if not name or "." in name or hasattr(type(self), name):
            told = f"a part of {type(self).__name__} cannot be called {name!r}"
            raise ValueError(f"{told}: not empty, no dot, and no method's name")
        setattr(self, name, module)

    def apply(self, function):
        """Call `function` on every module of the tree, parts before the whole."""
        for child in dict.fromkeys(self.children()):
            child.apply(function)
        function(self)
        return self

    def extra_repr(self):
        """What stands in the brackets when a module without parts is printed."""
        return ""

    __repr__ = messages.tree


# %% module-helpers
IncompatibleKeys = namedtuple("IncompatibleKeys", "missing_keys unexpected_keys")


def located(error, module):
    """The same error, saying where it happened: every module on the way out rewrites the path."""
    if len(error.args) == 1 and isinstance(error.args[0], str):
        inner, message = getattr(error, "origin", (module, error.args[0]))
        error.origin = inner, message
        error.args = (f"{message}, in {messages.place(inner, module)}",)
    return error


def overlooked(model):
    """Names of plain lists and dictionaries whose modules or parameters the tree does not reach."""
    known, held = {model}, {}  # parts of the tree; name of a list -> what it holds
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, (Tree, Parameter)):
                known.add(value)
            elif isinstance(value, (list, tuple, dict)):
                parts = value.values() if isinstance(value, dict) else value
                held[dotted(path, name)] = {p for p in parts if isinstance(p, (Tree, Parameter))}
    return [name for name, parts in held.items() if parts - known]


# %% module
class Module(Tree):
    """A part of a model: its attributes that are Parameters or Modules make up a tree.

    A subclass sets them in `__init__` and computes in `forward`. Calling `super().__init__()` is
    allowed and not needed.

    Attributes:
        training: True in training, False in evaluation; see `train` and `eval`.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.weight = Parameter([2.0])
    ...
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> Scale().state_dict()
    {'weight': tensor([2.])}
    """

    training = True
    buffer_names = {}  # name -> whether it is saved; a module that has buffers has its own
    forward_hooks = ()

    def __call__(self, *args, **kwargs):
        try:
            result = self.forward(*args, **kwargs)
        except (NotImplementedError, RecursionError):
            raise
        except (ValueError, TypeError, IndexError, RuntimeError) as error:
            raise located(error, self) from None
        except AttributeError as error:
            raise located(messages.foreign(error, self, args), self) from None
        for handle in self.forward_hooks:
            changed = handle.hook(self, args, result)
            result = result if changed is None else changed
        return result

    def forward(self, *args, **kwargs):
        """What the module computes; every kind of module writes its own."""
        raise NotImplementedError(messages.no_forward(self))

    # -- exercise 1 of 3: names and arrays
    def named_parameters(self, prefix=""):
        """Every parameter of the tree with its full name.

        Args:
            prefix: the full name of this module; "" for the whole model.

        Returns:
            A list of pairs (name, parameter): first all its own, then those of its parts, each in
            the order in which they were set. A parameter that is used in several places stands
            there once, under its first name.

        >>> net = Module()
        >>> net.head = Module()
        >>> net.head.weight = Parameter([3.0])
        >>> net.named_parameters()
        [('head.weight', tensor([3.], requires_grad=True))]
        """
        found = {}  # parameter -> its first full name
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                found.setdefault(value, dotted(prefix, name))
        for name, child in self.named_children():
            for path, parameter in child.named_parameters(dotted(prefix, name)):
                found.setdefault(parameter, path)
        return [(path, parameter) for parameter, path in found.items()]

    def parameters(self):
        """An iterator over every parameter of the tree, each once; warns of plain lists."""
        if lost := overlooked(self):
            advice = "a plain list hides what is in it, use ModuleList or nn.ModuleDict"
            warnings.warn(f"{', '.join(lost)} is no part of the model: {advice}", stacklevel=2)
        return (parameter for _, parameter in self.named_parameters())

    def register_buffer(self, name, tensor, persistent=True):
        """Keep a tensor that belongs to the model and is not trained; saved if `persistent`."""
        if not isinstance(tensor, Tensor):
            raise TypeError(f"a buffer is a Tensor, and {name} is a {type(tensor).__name__}")
        setattr(self, name, tensor)
        self.buffer_names = {**self.buffer_names, name: persistent}

    def named_buffers(self, prefix=""):
        """Every buffer of the tree with its full name."""
        modules = self.named_modules(prefix)
        return [(dotted(path, n), getattr(m, n)) for path, m in modules for n in m.buffer_names]

    def buffers(self):
        """Every buffer of the tree."""
        return [buffer for _, buffer in self.named_buffers()]

    # -- saving and loading; exercise 2 of 3 is load_state_dict
    def state_dict(self, prefix=""):
        """All parameters and saved buffers, full name -> Tensor; they share the model's memory.

        An array that is used in several places stands there under each of its names.
        """
        own = [name for name, value in vars(self).items() if isinstance(value, Parameter)]
        own += [name for name, persistent in self.buffer_names.items() if persistent]
        state = {prefix + name: getattr(self, name).detach() for name in own}
        for name, child in self.named_children():
            state.update(child.state_dict(f"{prefix}{name}."))
        return state

    def load_state_dict(self, state, strict=True):
        """Copy the numbers of `state` into the model by name; all of them, or none.

        Args:
            state: name -> Tensor or array, such as another model's `state_dict()`.
            strict: refuse missing and unexpected names; with False they are left alone. A wrong
                shape is refused in any case.

        Returns:
            IncompatibleKeys: the lists `missing_keys` and `unexpected_keys`.

        Raises:
            ValueError: the state does not fit; the model is as it was.

        >>> net = Module()
        >>> net.weight = Parameter([0.0, 0.0])
        >>> net.load_state_dict({"weight": np.array([1.0, 2.0])})
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        >>> net.weight
        tensor([1., 2.], requires_grad=True)
        """
        own = self.state_dict()  # name -> Tensor that shares the model's memory
        given = messages.pairs(state)
        arrays = {n: np.asarray(getattr(value, "array", value)) for n, value in given}
        missing = [name for name in own if name not in arrays]
        unexpected = [name for name in arrays if name not in own]
        common = [name for name in own if name in arrays]
        misshaped = [name for name in common if arrays[name].shape != own[name].shape]
        if misshaped or (strict and (missing or unexpected)):
            raise ValueError(misfit(self, arrays, missing, unexpected, misshaped))
        for name in common:
            own[name].copy_(arrays[name])
        return IncompatibleKeys(missing, unexpected)

    # -- exercise 3 of 3: modes
    def train(self, mode=True):
        """Set `training` to `mode` in the whole tree.

        Args:
            mode: True for training, False for evaluation.

        Returns:
            The module itself, so that `model = Net().train()` works.

        Raises:
            ValueError: mode is neither True nor False.

        >>> net = Module()
        >>> net.part = Module()
        >>> net.train(False).part.training
        False
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train() takes True or False, not {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self):
        """Switch the whole tree to evaluation."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Let every parameter take part in training, or none."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    # -- types
    def to(self, *wanted, **named):
        """Convert all real numbers of the tree, as `Tensor.to` does: `to(float64)`, `to("cpu")`."""
        tensors = [Tensor([0.0]), *self.parameters(), *self.buffers()]  # never none: "cuda" fails
        gradients = [tensor.grad for tensor in tensors if tensor.grad is not None]
        for tensor in [*tensors, *gradients]:
            if tensor.dtype.kind == "f":
                converted = tensor.detach().to(*wanted, **named)
                if converted.dtype.kind != "f":
                    raise TypeError(f"a model holds real numbers, not {converted.dtype}")
                tensor.array = converted.array
        return self

    def float(self):
        """The whole tree in float32."""
        return self.to(float32)

    def double(self):
        """The whole tree in float64."""
        return self.to(float64)

    def cpu(self):
        """The module itself: there is no other device."""
        return self

    # -- looking in from outside
    def summary(self, *inputs, **named):
        """A table of all parts, with what they make of these inputs: see `tinytorch.summary`."""
        return later("explain.summary", "summary")(self, *inputs, **named)

    def register_forward_hook(self, hook):
        """Call hook(module, inputs, result) after each forward.

        What the hook returns replaces the result, unless it is None.

        Returns:
            A handle whose `remove()` takes the hook away.
        """
        handle = HookHandle(self, hook)
        self.forward_hooks = (*self.forward_hooks, handle)
        return handle


class HookHandle:
    """A hook of a module, to be taken away with `remove()`."""

    def __init__(self, module, hook):
        self.module, self.hook = module, hook

    def remove(self):
        """Take the hook away."""
        self.module.forward_hooks = tuple(h for h in self.module.forward_hooks if h is not self)


# %% linear-layer
class Linear(Module):
    """y = x @ weight.T + bias.

    Args:
        in_features, out_features: the sizes of the last dimension, before and after.
        bias: whether there is one.

    Attributes:
        weight: Parameter (out_features, in_features).
        bias: Parameter (out_features,), or None.

    >>> Linear(64, 10)
    Linear(in_features=64, out_features=10, bias=True)
    """

    def __init__(self, in_features, out_features, bias=True):
        """Draw weight and bias, both uniform within 1 / sqrt(in_features).

        Raises:
            ValueError: a size is not a whole number of at least 1.

        >>> layer = Linear(4, 3)
        >>> layer.weight.shape, layer.bias.shape, Linear(4, 3, bias=False).bias
        ((3, 4), (3,), None)
        """
        sizes = (in_features, out_features)
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in sizes):
            raise ValueError(f"Linear needs two whole sizes of at least 1, not {sizes}")
        self.in_features, self.out_features = sizes
        gain = math.sqrt(1 / 3)
        self.weight = Parameter(kaiming_uniform((out_features, in_features), in_features, gain))
        self.bias = Parameter(kaiming_uniform((out_features,), in_features, gain)) if bias else None

    def forward(self, x):
        """(..., in_features) -> (..., out_features)."""
        return linear(x, self.weight, self.bias)

    def extra_repr(self):
        has = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={has}"


# %% parts
class ReLU(Module):
    """relu(x) = max(x, 0), as a module.

    Any shape -> the same shape and dtype.

    >>> ReLU()(Tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, x):
        return relu(x)


class Tanh(Module):
    """tanh(x), as a module.

    Any shape -> the same shape, between -1 and 1.

    >>> Tanh()(Tensor([0.0]))
    tensor([0.])
    """

    def forward(self, x):
        return tanh(x)


class GELU(Module):
    """gelu(x) as a module: exact, or the form of GPT-2 with approximate="tanh".

    Any shape -> the same shape and dtype.

    Raises:
        ValueError: `approximate` is neither "none" nor "tanh".

    Source: Hendrycks and Gimpel 2016.
    """

    def __init__(self, approximate="none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate is 'none' or 'tanh', not {approximate!r}")
        self.approximate = approximate

    def forward(self, x):
        return gelu(x) if self.approximate == "tanh" else gelu_exact(x)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


# %% containers
class ModuleList(Module):
    """A list of modules that belongs to the tree; its parts are called 0, 1, 2, ...

    >>> blocks = ModuleList([Linear(4, 4), Linear(4, 2)])
    >>> [name for name, _ in blocks.named_parameters()]
    ['0.weight', '0.bias', '1.weight', '1.bias']
    """

    def __init__(self, modules=()):
        self.extend(modules)

    def append(self, module):
        """Put a module at the end."""
        return self.extend([module])

    def extend(self, modules):
        """Put several modules at the end."""
        for module in modules:
            self.add_module(str(len(self)), module)
        return self

    def __len__(self):
        return len(self.children())

    def __iter__(self):
        return iter(self.children())

    def __getitem__(self, index):
        found = self.children()[index]
        return type(self)().extend(found) if isinstance(index, slice) else found

    def __setitem__(self, index, module):
        self.add_module(self.named_children()[index][0], module)


class Sequential(ModuleList):
    """Modules one after the other: the result of each is the input of the next.

    Args:
        modules: the modules in order; or one dictionary name -> module.

    Raises:
        TypeError: one of them is a function, a class or a list, and no module.

    >>> Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    Sequential(
      (0): Linear(in_features=64, out_features=32, bias=True)
      (1): ReLU()
      (2): Linear(in_features=32, out_features=10, bias=True)
    )
    """

    def __init__(self, *modules):
        if len(modules) == 1 and isinstance(modules[0], dict):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def forward(self, x):
        for module in self:
            x = module(x)
        return x


# %% dropout
class Dropout(Module):
    """y = x * m / (1 - p) in training, with m = 0 with probability p, else 1; y = x in evaluation.

    Args:
        p: the probability of being dropped.
        generator: where the random numbers come from; None is the one of `manual_seed`.

    Raises:
        ValueError: p is not between 0 and 1.

    Source: Hinton et al. 2012; Srivastava et al. 2014.
    """

    def __init__(self, p=0.5, generator=None):
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout needs a probability between 0 and 1, not {p}")
        self.p, self.generator = p, generator

    def forward(self, x):
        """Drop each number of x with probability p and scale the others, if in training.

        Args:
            x: any shape, real numbers.

        Returns:
            The same shape and dtype; x itself in evaluation and for p = 0.

        >>> layer = Dropout(0.5)
        >>> sorted(set(layer(Tensor([3.0] * 100)).tolist()))
        [0.0, 6.0]
        >>> layer.eval()(Tensor([3.0, 3.0]))
        tensor([3., 3.])
        """
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return x * 0
        keep = rand(x.shape, generator=self.generator) >= self.p
        return x * keep / (1 - self.p)

    def extra_repr(self):
        return f"p={self.p}"
