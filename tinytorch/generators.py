"""Every generator that something may draw from, found by looking into all that it holds.

A run that goes on to the bit has to save them all: not only that of the loader, but that of its
sampler, of the data set behind a `Subset`, of the object whose method makes the batches.
"""

import collections
import functools
import itertools
import types

import numpy as np

from .tensor import Generator, Tensor

__all__ = ["generators_in", "is_data", "parts_of"]

ROWS = (list, tuple, dict)
DATA = (int, float, complex, str, bytes, np.ndarray, np.generic, Tensor)
LEAVES = (*DATA, types.NoneType, type, types.ModuleType)  # what holds no generator


def generators_in(owner, path, others=()):
    """Every Generator in an object, in what it holds, in what that holds: name -> Generator.

    A name is the way there, the shortest one: it is the same whenever the object is built alike.
    Not searched is what the code of a function uses from outside.

    Args:
        owner: any object, such as a DataLoader.
        path: what the owner is called.
        others: objects that are not looked into.

    >>> list(generators_in({"samplers": [None, Generator(0)]}, "loader"))
    ['loader.samplers.1']
    """
    found, seen = {}, {id(owner), *map(id, others)}
    waiting = collections.deque(parts_of(owner, path))
    while waiting:
        path, value = waiting.popleft()
        if isinstance(value, Generator):
            found[path] = value
        elif id(value) not in seen:
            seen.add(id(value))
            waiting += parts_of(value, path)
    return found


def parts_of(owner, path):
    """What an object holds and may hold a generator itself: pairs (its path, the part).

    >>> parts_of({"mean": 0.5, "rows": [1, 2], "kept": [Generator]}, "d")[0][0]
    'd.rows'
    """
    if isinstance(owner, dict):
        parts = owner.items()
    elif isinstance(owner, (list, tuple)):
        parts = () if is_data(owner) else enumerate(owner)
    elif isinstance(owner, functools.partial):
        parts = [("func", owner.func), *enumerate(owner.args), *owner.keywords.items()]
    elif isinstance(owner, types.MethodType):
        parts = [("self", owner.__self__)]
    else:
        parts = getattr(owner, "__dict__", {}).items()
    return [(f"{path}.{name}", part) for name, part in parts if not isinstance(part, LEAVES)]


def is_data(rows, depth=3):
    """True if a list holds numbers, texts and arrays alone, in lists of lists at most.

    A million samples are told so much faster than by looking at each.

    Args:
        rows: a list or tuple.
        depth: how many lists deep it is looked.

    >>> is_data([(1, "a"), (2, "b")]), is_data([(1, Generator(0))])
    (True, False)
    """
    kinds = set(map(type, rows))
    lists = {kind for kind in kinds if issubclass(kind, ROWS)}  # also named tuples
    if not all(issubclass(kind, LEAVES) for kind in kinds - lists):
        return False
    inner = [row.values() if isinstance(row, dict) else row for row in rows if type(row) in lists]
    return not inner or depth > 0 and is_data(list(itertools.chain(*inner)), depth - 1)
