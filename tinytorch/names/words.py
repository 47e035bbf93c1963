"""PyTorch's words for arguments: `argsort(input=x)`, where the function here says `x`.

What stands first is called `input` in PyTorch, and what stands second mostly `other`. A function
that calls them otherwise gets them here; without such words it is called as it is.
"""

import functools
import importlib
import inspect
import sys

from . import PUBLIC, homes

MORE = {  # function -> PyTorch's word -> the word here; a number is the place
    "searchsorted": {"input": 1},
    "split": {"tensor": 0, "split_size_or_sections": 1},
    "swapaxes": {"input": 0, "dim0": "axis0", "dim1": "axis1"},
    "swapdims": {"input": 0, "dim0": "axis0", "dim1": "axis1"},
    "tensordot": {"a": 0, "b": 1},
    "where": {"input": "x", "other": "y"},
    "broadcast_to": {"input": 0, "size": 1},
    "tile": {"input": 0, "dims": 1},
}


def placed(name, known, args, named):
    """Arguments and named arguments, with PyTorch's words put where the function wants them.

    >>> placed("max", ("x", "dim"), (), {"input": 1, "other": 2})
    ([1, 2], {})
    """
    args, named = list(args), dict(named)
    for word, here in MORE.get(name, {"input": 0, "other": 1}).items():
        if word not in named or word in known:
            continue
        if isinstance(here, str):
            named[here] = named.pop(word)
        elif len(args) == here:
            args.append(named.pop(word))
    return args, named


def __getattr__(name):
    spaces = {module: names for module, names in PUBLIC.items() if module != "names.words"}
    table = homes(sys.modules[__package__.partition(".")[0]]._NAMES) | homes(spaces)
    if name not in table:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    home, spelt = table[name]
    importlib.import_module(f"tinytorch.{home}")
    module = sys.modules[f"tinytorch.{home}"]  # `tinytorch.tensor` is a function
    known = inspect.signature(getattr(module, spelt)).parameters.values()
    known = [p.name for p in known if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]

    @functools.wraps(getattr(module, spelt))
    def function(*args, **named):
        if named:
            args, named = placed(name, known, args, named)
        return getattr(module, spelt)(*args, **named)

    globals()[name] = function
    return function
