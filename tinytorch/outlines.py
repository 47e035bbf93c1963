"""Dictionaries and lists around tensors, as JSON beside their arrays: what a file can hold."""

import copy

import numpy as np

from .layers import Module
from .tensor import Parameter, Tensor, from_numpy

__all__ = ["PLAIN", "extra_state", "filled", "outline"]

PLAIN = (bool, int, float, str, type(None))


def outline(thing, path, arrays):
    """What JSON can say of a thing; its arrays go into the dictionary, under their place."""
    if isinstance(thing, Module):
        raise TypeError("save writes no code, so no whole model: save model.state_dict()")
    if isinstance(thing, (Tensor, np.ndarray)):
        name, kind = path or "tensor", "array" if isinstance(thing, np.ndarray) else "tensor"
        if getattr(thing, "requires_grad", False):
            kind = "parameter" if isinstance(thing, Parameter) else "leaf"
        while name in arrays:
            name += "_"
        arrays[name] = np.asarray(getattr(thing, "array", thing))
        return {kind: name}
    if isinstance(thing, np.generic):
        thing = thing.item()
    if type(thing) in PLAIN:
        return {"value": thing}
    inner = f"{path}." if path else ""
    if isinstance(thing, (list, tuple)):
        parts = [outline(part, f"{inner}{n}", arrays) for n, part in enumerate(thing)]
        return {"list" if isinstance(thing, list) else "tuple": parts}
    if isinstance(thing, dict) and all(type(key) in (str, int) for key in thing):
        pairs = [[key, outline(part, f"{inner}{key}", arrays)] for key, part in thing.items()]
        return {"dict": pairs}
    kind = f"{type(thing).__name__} at {path or 'the top'}"
    raise TypeError(f"save writes tensors, numbers, texts, lists and dictionaries, no {kind}")


def filled(node, arrays):
    """The thing of which `outline` told, with its arrays."""
    ((kind, part),) = node.items()
    if kind in ("tensor", "leaf", "parameter"):
        found = from_numpy(arrays[part])
        return Parameter(found) if kind == "parameter" else found.requires_grad_(kind == "leaf")
    if kind == "array":
        return arrays[part]
    if kind == "value":
        return part
    if kind == "dict":
        return {key: filled(inner, arrays) for key, inner in part}
    return {"list": list, "tuple": tuple}[kind](filled(inner, arrays) for inner in part)


def extra_state(model):
    """What `get_extra_state` of the modules said, copied: {"extra": name -> thing}, or {}."""
    found = {n: v for n, v in model.state_dict().items() if n.endswith("_extra_state")}
    return {"extra": copy.deepcopy(found)} if found else {}
