"""`save` and `load` with PyTorch's names: files of safetensors, which hold nothing that runs.

A `state_dict()` becomes a plain safetensors file, which every tool for that format opens. A
checkpoint, dictionaries and lists around tensors and plain values, becomes one too: its tensors are
called by their place, and its outline stands as JSON in the metadata.
"""

import json
from pathlib import Path

import numpy as np

from ..io import MORE_CODES, mixed_pieces
from ..layers import Module
from ..tensor import Parameter, Tensor, from_numpy, on_cpu
from ..training import (
    CODES,
    WIDENED,
    cut_arrays,
    read_header,
    safetensors_pieces,
    widen,
    write_whole,
)

OUTLINE = "tinytorch.outline"
SMALL = {name: code for name, code in MORE_CODES.items() if code in WIDENED}
PLAIN = (bool, int, float, str, type(None))


def save(
    obj,
    f,
    pickle_module=None,
    pickle_protocol=2,
    _use_new_zipfile_serialization=True,
):
    """Write tensors to a file: `save(model.state_dict(), "model.pt")`.

    Args:
        obj: a Tensor, or dictionaries, lists and tuples of Tensors, arrays, numbers and texts.
        f: a path, or a file that is open for writing bytes. Any ending will do.
        pickle_module, pickle_protocol: accepted; nothing is pickled.

    Raises:
        TypeError: something else than these, such as a whole model: save its `state_dict()`.
    """
    arrays = {}
    flat = isinstance(obj, dict) and obj and all(type(n) is str for n in obj)
    flat = flat and all(isinstance(v, Tensor) and not v.requires_grad for v in obj.values())
    flat = flat and all(v.dtype.name not in SMALL for v in obj.values())
    if flat:
        arrays, metadata = {name: value.array for name, value in obj.items()}, None
    else:
        metadata = {OUTLINE: json.dumps(outline(obj, "", arrays))}
    if any(array.dtype.name in SMALL for array in arrays.values()):
        pieces = list(mixed_pieces(arrays, metadata, CODES | SMALL))
    else:
        pieces = list(safetensors_pieces(arrays, metadata))
    if hasattr(f, "write"):
        f.write(b"".join(pieces))
    else:
        write_whole(f, pieces)


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


def load(f, map_location=None, pickle_module=None, *, weights_only=True, mmap=None):
    """Read what `save` wrote, or any safetensors file.

    Args:
        f: a path, or a file that is open for reading bytes.
        map_location: where to put the tensors: "cpu", or None.
        weights_only, pickle_module, mmap: accepted; nothing but tensors is ever read.

    Returns:
        What was saved, with Tensors; of a foreign safetensors file a dictionary name -> Tensor.

    Raises:
        ValueError: it is a pickle, as PyTorch writes it, or damaged; one sentence says which.
    """
    if isinstance(map_location, str):
        on_cpu(None, map_location)
    data = f.read() if hasattr(f, "read") else Path(f).read_bytes()
    name = Path(str(getattr(f, "name", "this file") if hasattr(f, "read") else f)).name
    if data[8:9] != b"{" and data[:2] in (b"PK", b"\x80\x02"):
        told = "PyTorch's save, whose pickle can run any code"
        advice = "there, write safetensors.torch.save_file(model.state_dict(), path)"
        raise ValueError(f"{name} was written by {told}, so it is not read: {advice}")
    entries, metadata, body = read_header(memoryview(data), str(name))
    arrays = cut_arrays(entries, body)
    if OUTLINE not in metadata:
        widen(arrays, entries)
        return {key: from_numpy(array) for key, array in arrays.items()}
    try:
        return filled(json.loads(metadata[OUTLINE]), arrays)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{name} is damaged: its outline does not fit its tensors") from None


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
