"""TinyTorch: a deep-learning library that you write yourself, on NumPy alone.

Names are loaded when they are first used, so `import tinytorch` costs next to nothing, and a
notebook can import it while the module that the notebook writes does not exist yet.
"""

import builtins
import importlib
import sys
import types

from . import machine, names, overlay

__version__ = "0.1.0"

_NAMES = {  # module -> the public names that `tinytorch.name` finds there
    "tensor": """
        Tensor float32 float64 int64 int32 uint8 float=float32 double=float64 long=int64 int=int32
        bool=bool_ abs=tensor_abs add all=tensor_all amax any=tensor_any argmax cat exp flatten
        from_numpy log manual_seed masked_fill matmul maximum mean minimum mul neg permute
        pow=tensor_pow reshape sqrt squeeze stack sub sum=tensor_sum tensor transpose unsqueeze""",
    "activations": "relu sigmoid silu softmax log_softmax tanh",
    "autograd": "no_grad enable_grad gradcheck",
    "functions": """
        argmin chunk clamp cumsum gather grad inference_mode is_grad_enabled max=tensor_max
        min=tensor_min norm set_grad_enabled split std topk tril triu""",
    "tokenization": "show_tokens",
    "course": "give data_file",
    "machine": "get_num_threads set_num_threads",
    "profiler": "profile",
    "explain.summary": "summary",
    "explain.gradients": "explain_grad",
    "explain.graph": "draw_graph",
    "overlay": "show_mix",
}
_HOME = names.homes(_NAMES) | names.homes(names.PUBLIC)
_ROOMS = [
    "amp",
    "autograd",
    "cuda",
    "distributed",
    "distributions",
    "io",
    "linalg",
    "names",
    "nn",
    "optim",
    "random",
    "special",
    "testing",
    "utils",
]

__all__ = sorted({*_HOME, *_ROOMS} - {*dir(builtins), "io"})  # `import *` hides nothing of Python's


class _Package(types.ModuleType):
    """`tinytorch.tensor(...)` makes a Tensor, although there is a module of that name too.

    Python sets a module here when it was loaded: the moment to give it PyTorch's further names.
    """

    def __setattr__(self, name, value):
        if isinstance(value, types.ModuleType):
            names.furnish(name, value)
            value = value.tensor if name == "tensor" else value
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
if machine.keep_memory():
    machine.use_huge_pages()
overlay.install()  # in a workspace, the learner's files come first


def __getattr__(name):
    if name in _HOME:
        module, spelt = _HOME[name]
        return getattr(importlib.import_module(f"tinytorch.{module}"), spelt)
    if name in _ROOMS:
        return importlib.import_module(f"tinytorch.{name}")
    raise names.unknown(name, "tinytorch", [*_HOME, *_ROOMS])


def __dir__():
    return sorted({*_HOME, *_ROOMS})
