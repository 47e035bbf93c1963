"""Tensors in files: safetensors, a format that holds numbers and names, and nothing that runs.

Module 08 teaches the format; its functions work here too. Around them stands what
files from elsewhere need: types that no Tensor has, and reading one tensor without the others.
"""

import contextlib
import itertools
import json
import math
import mmap
from pathlib import Path

import numpy as np

from . import messages
from .tensor import from_numpy
from .training import (
    CODES,
    STORED,
    WIDENED,
    array_of,
    cut_arrays,
    is_text_by_name,
    safetensors_pieces,
    write_whole,
)

__all__ = ["SafetensorsFile", "load_safetensors", "open_safetensors", "save_safetensors"]

MORE_CODES = {  # NumPy's types that no Tensor has -> their codes; they are written as they are
    "float16": "F16",
    "bfloat16": "BF16",
    "int16": "I16",
    "int8": "I8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "complex64": "C64",
}
SIZES = {code: np.dtype(kind).itemsize for code, kind in STORED.items()}
SIZES |= {"U64": 8, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1}
OTHER_FILES = {  # how a file begins that is something else
    b"PK": "but a zip, as torch.save makes it",
    b"\x80": "but a pickle",
    b"version https://git-lfs": "but a pointer of Git LFS to one: run `git lfs pull`",
    b"GGUF": "but GGUF, the format of llama.cpp",
    b"\x89HDF": "but HDF5, as Keras writes it",
    b"<": "but a web page: was the download an error message?",
}


# -- reading
class SafetensorsFile:
    """An open safetensors file: a tensor is read when it is asked for, and no other bytes are.

    The file is mapped into memory. Close it when you are done, or use it in a `with`; what was
    read before stays.

    Args:
        path: of the file.

    Attributes:
        name: of the file.
        metadata: dictionary, text -> text.
        entries: dictionary, name -> {"dtype": code, "shape": list, "data_offsets": [begin, end]}.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, or no safetensors file; one sentence says which.

    Source: safetensors, Hugging Face 2022.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.safetensors"
    >>> save_safetensors({"weight": np.ones((2, 3), np.float32), "bias": np.zeros(2)}, path)
    >>> with open_safetensors(path) as file:
    ...     print(sorted(file), file.shape("weight"), file["bias"])
    ['bias', 'weight'] (2, 3) tensor([0., 0.], dtype=float64)
    """

    def __init__(self, path):
        path = Path(path)
        if path.is_dir():
            raise ValueError(f"{path} is a folder, and not a safetensors file: name the file in it")
        self.name = path.name
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            self.entries, self.metadata, start = _header(file, size, self.name)
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._body = memoryview(self._map)[start:]

    def __iter__(self):
        return iter(self.entries)

    def __len__(self):
        return len(self.entries)

    def __contains__(self, name):
        return name in self.entries

    def keys(self):
        """The names of the tensors."""
        return self.entries.keys()

    def shape(self, name):
        """The shape of a tensor, which is not read for that."""
        return tuple(self.entries[name]["shape"])

    def __getitem__(self, name):
        """A tensor; numbers of a type that no Tensor has come as one that holds them."""
        return from_numpy(self.array(name))

    def array(self, name):
        """The same as an array that may be written into.

        Raises:
            KeyError: there is no such tensor.
            ValueError: its numbers fit into no Tensor; names it.
        """
        code, (begin, end) = self.entries[name]["dtype"], self.entries[name]["data_offsets"]
        if code in STORED:
            array = cut_arrays({name: self.entries[name]}, self._body)[name]
        else:
            array = np.frombuffer(bytes(self._body[begin:end]), np.uint8)
        array = _widened(array, code, f"{name} in {self.name}").reshape(self.shape(name))
        array = np.require(array, requirements=["O", "W"])  # of its own, whatever the lesson gave
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)  # the pages just read need not stay in memory
        return array

    def close(self):
        """Let go of the file."""
        with contextlib.suppress(BufferError):  # a traceback still looks into it: it goes with that
            self._body.release()
            self._map.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __repr__(self):
        return f"SafetensorsFile({self.name!r}, {len(self)} tensors)"


def open_safetensors(path):
    """A `SafetensorsFile`: for large files, of which a tensor at a time is wanted.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, or no safetensors file; one sentence says which.
    """
    return SafetensorsFile(path)


def load_safetensors(path, prefix=""):
    """Read a safetensors file, for `model.load_state_dict(load_safetensors(path))`.

    Args:
        path: of the file.
        prefix: take only the tensors whose names begin so, and call them without it; "model."
            takes the weights out of a checkpoint of `Trainer`. The others are not read.

    Returns:
        Dictionary, name -> Tensor. Real numbers of less than 32 bits come as float32, small whole
        numbers as larger ones.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, or no safetensors file, or has no such names, or a tensor's
            numbers fit into no Tensor.
    """
    with open_safetensors(path) as file:
        found = [name for name in file if name.startswith(prefix)]
        if len(file) and not found:
            raise ValueError(f"no tensor of {file.name} has a name that begins with {prefix!r}")
        return {name.removeprefix(prefix): file[name] for name in found}


def _header(file, size, name):
    """(entries, metadata, where the body begins) of an open file, all checked."""
    file.seek(0)
    start = file.read(32)
    if start[8:9] not in (b"{", b""):
        told = [f" {what}" for sign, what in OTHER_FILES.items() if start.startswith(sign)]
        raise ValueError(f"{name} is no safetensors file{told[0] if told else ''}")
    length = int.from_bytes(start[:8], "little")
    if size < 10 or 8 + length > size:
        raise ValueError(f"{name} is cut short: its header does not fit into {size} bytes")
    file.seek(8)
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_each_once)
    except (ValueError, RecursionError) as error:
        twice = isinstance(error, _Twice)
        told = f"{error} stands in its header twice" if twice else "its header is not JSON"
        raise ValueError(f"{name} is damaged: {told}") from None
    metadata = header.pop("__metadata__", {})
    if not is_text_by_name(metadata):
        raise ValueError(f"{name} is damaged: its metadata are not texts")
    _check_places(header, size - 8 - length, name)
    return header, metadata, 8 + length


class _Twice(ValueError):
    """A name that stands twice in one JSON object."""


def _each_once(pairs):
    """The pairs as a dictionary, if each name is there once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(repr(next(name for name in names if names.count(name) > 1)))
    return found


def _check_places(entries, body_size, name):
    """Refuse entries that contradict themselves, or do not fill the body without gaps."""
    end = 0
    places = {tensor: _place(entry) for tensor, entry in entries.items()}
    for tensor, found in sorted(places.items(), key=lambda item: item[1] or (-1, -1)):
        if found is None or found[0] != end:
            raise ValueError(f"{name} is damaged: the place of tensor {tensor!r} is impossible")
        end = found[1]
    if end > body_size:
        raise ValueError(f"{name} is cut short: {end - body_size:,} bytes of numbers are missing")
    if end < body_size:
        raise ValueError(f"{name} is damaged: {body_size - end:,} bytes at its end are nobody's")


def _place(entry):
    """Where a tensor begins and ends; None if its entry contradicts itself."""
    try:
        (begin, end), shape, code = entry["data_offsets"], entry["shape"], entry["dtype"]
        if not all(type(n) is int and n >= 0 for n in (begin, end, *shape)):
            return None
        size = math.prod(shape) * SIZES[code] if code in SIZES else end - begin  # unknown: any
        return (begin, end) if isinstance(code, str) and size == end - begin >= 0 else None
    except (KeyError, TypeError, ValueError):
        return None


def _widened(array, code, where):
    """The numbers of a tensor in a type that Tensors have.

    Args:
        array: as it stands in the file; bytes for a code that is not in STORED.
        code: of its type.
        where: what it is called in the errors.
    """
    if code == "BF16":  # the upper half of a float32
        wide = array.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if code == "F8_E5M2":  # the upper half of a float16
        return (array.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    if code in ("F8_E4M3", "F8_E8M0"):
        return _small_floats(code)[array]
    if code == "U64":
        array = array.view("<u8")
        if array.size and array.max() >= 2**63:
            raise ValueError(f"{where} holds {array.max()}: a Tensor's numbers end at 2^63 - 1")
        return array.astype(np.int64)
    if code not in STORED:
        raise ValueError(f"{where} is of the type {code}, for which there is no Tensor")
    return array.astype(WIDENED.get(code, array.dtype.newbyteorder("=")), copy=False)


def _small_floats(code):
    """The 256 numbers of a type of 8 bits, float32.

    E8M0 is 2^(b - 127), and 255 is nan. E4M3 has a sign, 4 bits of exponent with bias 7 and 3 of
    mantissa; there is no infinity, and 127 and 255 are nan.

    Source: OCP Microscaling Formats 2023; Micikevicius et al. 2022.

    >>> _small_floats("F8_E4M3")[[0, 48, 56, 126]].tolist()
    [0.0, 0.5, 1.0, 448.0]
    """
    byte = np.arange(256)
    if code == "F8_E8M0":
        values = np.ldexp(1.0, byte - 127)
        values[255] = np.nan
        return values.astype(np.float32)
    exponent, mantissa = (byte >> 3) & 15, byte & 7
    values = np.ldexp(np.where(exponent > 0, 8 + mantissa, mantissa), np.maximum(exponent, 1) - 10)
    values[127] = values[255] = np.nan
    return np.where(byte >= 128, -values, values).astype(np.float32)


# -- writing
def save_safetensors(tensors, path, metadata=None):
    """Write tensors into one file that every tool for safetensors can read; whole or not at all.

    Those with the longest numbers come first, so that each begins at a multiple of their size.

    Args:
        tensors: dictionary, name -> Tensor or array, such as `model.state_dict()`. Arrays may be
            of further types, such as float16.
        path: of the file; one that is there is replaced.
        metadata: dictionary, text -> text.

    Raises:
        TypeError: a tensor that the format has no code for, or metadata that are no texts.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "small.safetensors"
    >>> save_safetensors({"bias": np.array([1, 2], np.float16)}, path)
    >>> load_safetensors(path)
    {'bias': tensor([1., 2.])}
    """
    arrays = {name: np.asarray(array_of(value)) for name, value in messages.named(tensors)}
    arrays = dict(sorted(arrays.items(), key=lambda item: -item[1].dtype.itemsize))
    if all(array.dtype.name in CODES for array in arrays.values()):
        pieces = safetensors_pieces(arrays, metadata)
    else:
        pieces = mixed_pieces(arrays, metadata, CODES | MORE_CODES)
    first = next(pieces)  # refuses before a file is touched
    write_whole(path, itertools.chain([first], pieces))


def mixed_pieces(arrays, metadata, codes):
    """The bytes of a file with types that no Tensor has, piece by piece; codes: name -> code."""
    for name, array in arrays.items():
        if array.dtype.name not in codes:
            raise TypeError(f"{name} is {array.dtype}: the file holds {', '.join(codes)}")
    data = {name: np.frombuffer(_little(array), np.uint8) for name, array in arrays.items()}
    header = json.loads(next(safetensors_pieces(data, metadata))[8:])  # refuses names and metadata
    for name, array in arrays.items():
        header[name] |= {"dtype": codes[array.dtype.name], "shape": list(array.shape)}
    text = json.dumps(header).encode("utf-8")
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    yield from data.values()


def _little(array):
    """The bytes of an array, the lowest byte of each number first."""
    order = array.dtype.newbyteorder("<") if array.dtype.kind in "iufc" else array.dtype
    return array.astype(order, copy=False).tobytes()
