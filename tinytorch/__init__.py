"""TinyTorch: a deep-learning library that you write yourself, on NumPy alone.

Names are loaded when they are first used, so `import tinytorch` costs next to nothing, and a
notebook can import it while the module that the notebook writes does not exist yet.
"""

import builtins
import importlib
import sys
import types

from . import machine, overlay

__version__ = "0.1.0"

_NAMES = {  # module -> the public names that `tinytorch.name` finds there
    "tensor": """
        Tensor Generator float32 float64 int64 int32 uint8 float double long int bool abs add all
        amax any argmax cat div exp flatten from_numpy log manual_seed masked_fill matmul maximum
        mean minimum mul multinomial neg ones permute pow rand randn reshape sqrt squeeze stack sub
        sum tensor transpose unsqueeze var where zeros""",
    "activations": "relu sigmoid silu softmax log_softmax tanh",
    "autograd": "no_grad enable_grad gradcheck",
    "functions": """
        arange argmin chunk clamp cumsum eye full full_like gather grad inference_mode
        is_grad_enabled linspace max min norm ones_like randint randperm set_grad_enabled split
        std topk tril triu zeros_like""",
    "course": "give data_file",
    "machine": "get_num_threads set_num_threads",
    "profiler": "profile",
    "summary": "summary",
    "overlay": "show_mix",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}
_SPELT = {  # our name where the plain one would hide a builtin of Python
    "abs": "tensor_abs",
    "all": "tensor_all",
    "any": "tensor_any",
    "max": "tensor_max",
    "min": "tensor_min",
    "pow": "tensor_pow",
    "sum": "tensor_sum",
    "float": "float32",
    "double": "float64",
    "long": "int64",
    "int": "int32",
    "bool": "bool_",
}
_ROOMS = ("nn", "optim", "autograd", "io")
_REFUSED = {  # what PyTorch has and this library has not, on purpose
    "save": "a pickle can run any code; use io.save_safetensors(model.state_dict(), path)",
    "load": "a pickle can run any code; use model.load_state_dict(io.load_safetensors(path))",
}

__all__ = sorted({*_HOME, *_ROOMS} - {*dir(builtins), "io"})  # `import *` hides nothing of Python's


class _Package(types.ModuleType):
    """`tinytorch.tensor(...)` makes a Tensor, although there is a module of that name too."""

    def __setattr__(self, name, value):
        if name in ("tensor", "summary") and isinstance(value, types.ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
machine.keep_memory()
overlay.install()  # in a workspace, the learner's files come first


def __getattr__(name):
    if name in _HOME:
        module = importlib.import_module(f"tinytorch.{_HOME[name]}")
        return getattr(module, _SPELT.get(name, name))
    if name in _ROOMS:
        return importlib.import_module(f"tinytorch.{name}")
    why = f": {_REFUSED[name]}" if name in _REFUSED else ""
    raise AttributeError(f"module 'tinytorch' has no attribute {name!r}{why}")


def __dir__():
    return sorted({*_HOME, *_ROOMS})
