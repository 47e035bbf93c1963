# Written by tito export from modules/01_tensor/tensor.ipynb. Edit the notebook, not this file.

"""A tensor is an array that remembers how it was made."""

__all__ = [
    "PRIMITIVES",
    "RULES",
    "SLOTS",
    "float32",
    "float64",
    "bool_",
    "int64",
    "int32",
    "uint8",
    "ERRORS",
    "AS_IT_IS",
    "SPELLINGS",
    "elementwise",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
    "OPERATORS",
    "default_generator",
    "no_broadcast",
    "broadcast_shape",
    "recording",
    "later",
    "to_array",
    "calls",
    "methods",
    "both_ways",
    "in_place",
    "Tensor",
    "wrap",
    "Parameter",
    "Call",
    "remember",
    "parts_of",
    "tensors_in",
    "wants_gradient",
    "primitive",
    "complete",
    "plain",
    "promoted",
    "in_one_dtype",
    "common_dtype",
    "checked",
    "narrowed",
    "shared_version",
    "clash",
    "write_result",
    "require_kind",
    "from_numpy_call",
    "real",
    "add",
    "sub",
    "mul",
    "div",
    "divisor",
    "floor_divide",
    "remainder",
    "tensor_pow",
    "maximum",
    "minimum",
    "neg",
    "exp",
    "log",
    "sqrt",
    "tensor_abs",
    "clone",
    "cast",
    "matmul",
    "dims_of",
    "tensor_sum",
    "mean",
    "var",
    "amax",
    "argmax",
    "tensor_any",
    "tensor_all",
    "one_tuple",
    "reshape",
    "transpose",
    "flatten",
    "permute",
    "squeeze",
    "unsqueeze",
    "cat",
    "stack",
    "masked_fill",
    "where",
    "getitem",
    "on_cpu",
    "tensor",
    "from_numpy",
    "created",
    "zeros",
    "ones",
    "Generator",
    "manual_seed",
    "numpy_generator",
    "rand",
    "randn",
    "multinomial",
]


# %% imports
import functools
import importlib
import inspect
import math
import operator
import threading

import numpy as np

from . import messages


# %% broadcast_shape
def no_broadcast(first, second, back):
    """The error for two shapes whose sizes at -back do not fit."""
    sizes = f"{first[-back]} in one and {second[-back]} in the other"
    return ValueError(f"shapes {first} and {second} do not broadcast: dimension -{back} is {sizes}")


def broadcast_shape(first, second):
    """The shape that two shapes broadcast to.

    Aligned at the right, two sizes fit if they are equal or one of them is 1; the other one is
    the size of the result. A missing size counts as 1.

    Args:
        first, second: shapes, tuples of sizes.

    Returns:
        The shape of the result, a tuple.

    Raises:
        ValueError: two sizes differ and neither is 1; names both shapes and the dimension.

    >>> broadcast_shape((4, 1, 3), (2, 1))
    (4, 2, 3)
    """
    result = []
    for back in range(1, max(len(first), len(second)) + 1):
        a = first[-back] if back <= len(first) else 1
        b = second[-back] if back <= len(second) else 1
        if a != b and a != 1 and b != 1:
            raise no_broadcast(first, second, back)
        result.append(b if a == 1 else a)
    return tuple(reversed(result))


# %% tables
class _Switch(threading.local):
    """Recording on or off, for each thread on its own; its generator; and if `explain` watches."""

    on, generator, watched = True, None, False


_switch = _Switch()


def recording():
    """True while calls of primitives are remembered (see `no_grad` in module 06).

    Returns:
        A bool, of this thread.
    """
    return _switch.on


PRIMITIVES = {}  # name of a primitive -> the function on Tensors
RULES = {}  # name of a primitive -> its rule of differentiation; module 06 fills it
SLOTS = {}  # "backward" -> the walk over the graph; module 06 puts it here


def later(module, name):
    """A function of a later module: what a notebook defined last, else what the package exports.

    Raises:
        NotImplementedError: the later module is not there, as in notebook 01 itself.
    """
    found = PRIMITIVES.get(name) or SLOTS.get(name)
    if found is None and __name__ != "tinytorch.tensor":
        raise NotImplementedError(f"{name} belongs to {module!r}, which comes later: not here yet")
    return found or getattr(importlib.import_module(f"tinytorch.{module}"), name)


# %% dtypes
float32, float64, bool_ = np.dtype("float32"), np.dtype("float64"), np.dtype("bool")
int64, int32, uint8 = np.dtype("int64"), np.dtype("int32"), np.dtype("uint8")


def to_array(data, dtype=None):
    """A new array with the numbers of `data`.

    Args:
        data: a number, nested lists, an array, or a Tensor.
        dtype: what to convert to. None makes real numbers float32 (a Tensor's stay as they are)
            and Python's whole numbers int64, or uint64 if all are from 2**63 on; arrays of whole
            numbers keep their dtype.

    Raises:
        ValueError: the lists are not all of the same length.
        TypeError: these are not numbers.
        RuntimeError: a Tensor takes part in a gradient, which a copy would lose.
    """
    if isinstance(data, Tensor):
        if data.requires_grad and recording():
            raise RuntimeError("a copy would lose the gradient: use clone(), stack() or detach()")
        return data.array.astype(dtype or data.dtype)
    if isinstance(data, (list, tuple)):
        data = [to_array(x) if isinstance(x, Tensor) else x for x in data]
    try:
        array = np.array(data)
    except ValueError:
        raise ValueError("the lists are not all of the same length: pad the short ones") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers, and this is {type(data).__name__}: {data!r:.40}")
    if dtype is None and array.dtype.kind == "f":
        dtype = float32
    elif dtype is None and array.dtype.kind in "iu" and not hasattr(data, "dtype"):
        dtype = None if array.dtype == np.uint64 else int64  # uint64: 2**63 and above
    return array.astype(dtype or array.dtype, copy=False)


# %% methods
class calls:
    """A method that calls a function: after `exp = calls("exp")` in a class, x.exp() is exp(x).

    Args:
        name: of the function, which is looked up each time.
        module: the later module where it stands; None for a function of this one.
    """

    def __init__(self, name, module=None):
        self.name, self.module = name, module

    def __get__(self, tensor, owner=None):  # Python calls this for `tensor.exp`
        function = later(self.module, self.name) if self.module else globals()[self.name]
        return function.__get__(tensor, owner)  # the function, with its first argument filled in


def methods(*names, module=None):
    """A `calls` for each name."""
    return [calls(name, module) for name in names]


def both_ways(name):
    """The methods for `self + other`, and for `other + self` if `other` is not a Tensor."""

    def method(self, other):
        return globals()[name](self, other)

    def swapped(self, other):
        return globals()[name](other, self)

    return method, swapped


def in_place(name, sign):
    """The method for `self += other`: in place, or a new tensor where the step is recorded."""

    def method(self, other):
        result = globals()[name](self, other)
        if result.requires_grad and not (self.requires_grad and self.is_leaf):
            return result
        return write_result(self, result, sign, "a new name for the result")

    return method


# %% tensor-class
class Tensor:
    """An array that remembers how it was made.

    Args:
        data: a number, nested lists, or an array; it is copied.
        requires_grad: whether `backward()` shall compute the gradient with respect to this tensor.
        dtype: unless given, float32 for real numbers and int64 for Python's whole numbers; an array
            of whole numbers keeps its dtype.

    Attributes:
        array: the numbers, a NumPy array.
        grad: the gradient as a Tensor, once `backward()` has computed it.
        made_by: the `Call` that made this tensor, None for a leaf.
        device: where it is computed, always "cpu".

    Raises:
        TypeError: `data` is not numbers, or a gradient is asked for whole numbers.

    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> x * 2 + 1
    tensor([3., 5., 7.])
    """

    __slots__ = ("array", "requires_grad", "grad", "made_by", "version", "__weakref__")
    device = "cpu"

    def __init__(self, data, requires_grad=False, dtype=None):
        self.array = to_array(data, dtype)
        self.grad = None
        self.made_by = None
        self.version = [0]  # a list, so that a view can share it with its base
        self.requires_grad_(requires_grad)

    # -- arithmetic: for `x + y` Python calls x.__add__(y), and for `2 + y` y.__radd__(2)
    __add__, __radd__ = both_ways("add")
    __sub__, __rsub__ = both_ways("sub")
    __mul__, __rmul__ = both_ways("mul")
    __truediv__, __rtruediv__ = both_ways("div")
    __floordiv__, __rfloordiv__ = both_ways("floor_divide")
    __mod__, __rmod__ = both_ways("remainder")
    __pow__, __rpow__ = both_ways("tensor_pow")
    __matmul__, __rmatmul__ = both_ways("matmul")
    __iadd__, __isub__ = in_place("add", "+="), in_place("sub", "-=")
    __imul__, __itruediv__ = in_place("mul", "*="), in_place("div", "/=")

    __neg__, __abs__ = methods("neg", "tensor_abs")

    add, sub, mul, div = methods("add", "sub", "mul", "div")
    pow, matmul, neg, abs = methods("tensor_pow", "matmul", "neg", "tensor_abs")
    exp, log, sqrt, maximum, minimum = methods("exp", "log", "sqrt", "maximum", "minimum")
    relu, tanh, sigmoid = methods("relu", "tanh", "sigmoid", module="activations")
    softmax, log_softmax = methods("softmax", "log_softmax", module="activations")

    # -- comparison and logic
    __eq__, __ne__ = methods("eq", "ne")
    __lt__, __le__, __gt__, __ge__ = methods("lt", "le", "gt", "ge")
    __and__, __rand__ = both_ways("logical_and")
    __or__, __ror__ = both_ways("logical_or")
    __xor__, __rxor__ = both_ways("logical_xor")
    __invert__, __getitem__ = methods("logical_not", "getitem")
    __hash__ = object.__hash__

    # -- reductions: over all elements, or over `dim`; NumPy's axis and keepdims are understood
    sum, mean, var, amax = methods("tensor_sum", "mean", "var", "amax")
    argmax, any, all = methods("argmax", "tensor_any", "tensor_all")

    # -- shape, and picking
    def reshape(self, *shape):
        """The same elements in the same order under another shape; one size may be -1."""
        return reshape(self, one_tuple(shape))

    def permute(self, *dims):
        """Put the dimensions into another order."""
        return permute(self, one_tuple(dims))

    flatten, transpose, squeeze = methods("flatten", "transpose", "squeeze")
    unsqueeze, masked_fill, clone = methods("unsqueeze", "masked_fill", "clone")

    # -- PyTorch's further methods, written in functions.py
    max, min, argmin = methods("tensor_max", "tensor_min", "argmin", module="functions")
    std, norm, cumsum, topk = methods("std", "norm", "cumsum", "topk", module="functions")
    triu, tril, gather, clamp = methods("triu", "tril", "gather", "clamp", module="functions")
    view, expand, split, chunk = methods("view", "expanded", "split", "chunk", module="functions")
    dim, size, contiguous, cpu = methods("dim", "size", "contiguous", "cpu", module="functions")
    double, long, int, bool = methods("double", "long", "to_int32", "to_bool", module="functions")
    add_, sub_, mul_, div_ = methods("add_", "sub_", "mul_", "div_", module="functions")
    normal_, uniform_, zero_ = methods("normal_", "uniform_", "zero_", module="functions")
    masked_fill_, type_as, to = methods("masked_fill_", "type_as", "to", module="functions")

    # -- what it is
    shape = property(operator.attrgetter("array.shape"), doc="The size of each dimension, a tuple.")
    dtype = property(operator.attrgetter("array.dtype"), doc="The kind of number.")
    ndim = property(operator.attrgetter("array.ndim"), doc="How many dimensions.")

    @property
    def is_leaf(self):
        """True if no recorded operation made it."""
        return self.made_by is None

    @property
    def T(self):
        """All dimensions in reverse order; for a matrix, its transpose."""
        return permute(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self):
        """The last two dimensions swapped."""
        return transpose(self, -1, -2)

    def float(self):
        """As float32."""
        return self if self.dtype == float32 else cast(self, float32)

    def numel(self):
        """How many elements."""
        return self.array.size

    def __len__(self):
        if not self.shape:
            raise TypeError("a tensor with no dimensions has no length")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        text = np.array2string(self.array, separator=", ", prefix="tensor(", precision=4)
        plain_to_see = 0 < self.array.size <= 1000 or self.ndim < 2  # NumPy cuts larger ones
        more = "" if plain_to_see else f", shape={self.shape}"
        if self.dtype not in (float32, int64, bool_):
            more += f", dtype={self.dtype}"
        if self.made_by is not None:
            more += f", made_by={self.made_by.primitive}"
        elif self.requires_grad:
            more += ", requires_grad=True"
        return f"tensor({text}{more})"

    def __format__(self, spec):
        return format(repr(self) if self.shape else self.item(), spec)

    # -- out to Python and NumPy
    def item(self):
        """The one number of a tensor with one element, as a Python number."""
        if self.array.size != 1:
            raise ValueError(f"item() needs one number, not {self.shape}: .mean(), or .tolist()?")
        return self.array.item()

    def tolist(self):
        """Nested lists of Python numbers."""
        return self.array.tolist()

    def numpy(self):
        """The array itself; refused where a gradient could be lost through it."""
        if self.requires_grad:
            raise RuntimeError("this tensor takes part in a gradient: use t.detach().numpy()")
        return self.array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return from_numpy_call(ufunc, method, inputs, kwargs)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if self.array.size != 1 or self.dtype.kind not in "iu":
            raise TypeError(f"only one whole number can be an index, not {self!r:.60}")
        return int(self.array.item())

    def __bool__(self):
        if self.array.size != 1:
            told = f"shape {self.shape} is neither true nor false: use .any() or .all()"
            raise ValueError(f"{told}, and & | for `and` `or`")
        return bool(self.array.item())

    # -- gradients
    backward, retain_grad = methods("backward", "retain_grad", module="autograd")

    def requires_grad_(self, requires_grad=True):
        """Ask for gradients with respect to this tensor (or, with False, no longer)."""
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(f"only real numbers have gradients, not {self.dtype}: write 3.0, not 3")
        if not requires_grad and self.made_by is not None:
            raise RuntimeError("this tensor was made by a recorded operation: use detach()")
        self.requires_grad = requires_grad
        return self

    def detach(self):
        """The same numbers in the same memory, outside the graph."""
        return wrap(self.array, self.version)

    @property
    def data(self):
        """The same as `detach()`: writing there changes this tensor, unrecorded."""
        return self.detach()

    @data.setter
    def data(self, value):
        self.array = to_array(value.detach() if isinstance(value, Tensor) else value, self.dtype)

    # -- writing into the numbers: not recorded here (the package records t[i] = v on results),
    # so refused where a gradient would be lost
    def __setitem__(self, index, value):
        self._write("t[index] = value", "where(mask, value, t)", plain(index), value)

    def copy_(self, source):
        """Take over the numbers of `source`, which broadcasts."""
        return self._write("copy_", "the source itself", ..., source)

    def fill_(self, value):
        """Make every element `value`."""
        return self._write("fill_", "full_like(t, value)", ..., value)

    def _write(self, what, instead, index, value):
        """The only place where the numbers of a tensor are changed."""
        if recording() and (self.requires_grad or getattr(value, "requires_grad", False)):
            why = f"{what} is not recorded, and a gradient would be lost"
            raise RuntimeError(f"{why}: use {instead}, or write under `with tinytorch.no_grad():`")
        if not self.array.flags.writeable:
            raise ValueError(f"{what}: expand() made this read-only view: write into a clone()")
        try:
            self.array[index] = plain(value)
        except ERRORS as error:
            values = [self.array, plain(value)]
            raise messages.explained(error, what, ("t", "value"), values, clash) from None
        self.version[0] += 1
        return self


# %% wrap
def wrap(array, version=None):
    """A Tensor around `array` itself: no copy, no conversion."""
    tensor = Tensor.__new__(Tensor)
    tensor.array, tensor.requires_grad = array, False
    tensor.grad = tensor.made_by = None
    tensor.version = [0] if version is None else version
    return tensor


class Parameter(Tensor):
    """A Tensor that a Module owns and an optimizer changes; it requires grad.

    Args:
        data: a Tensor, array, nested lists or a number, of any shape.
        requires_grad: False for one that is frozen.

    Raises:
        TypeError: whole numbers, which have no gradient.
    """

    __slots__ = ()

    def __init__(self, data, requires_grad=True):
        super().__init__(data, requires_grad)


# %% call
class Call:
    """One call of a primitive, remembered: which one, on what, and what its rule will ask for.

    Attributes:
        primitive: its name, such as "mul".
        inputs: for each tensor argument the leaf Tensor, or the Call that made it, or None where
            no gradient is wanted.
        kept: name of an argument -> array or parameter, as far as the rule asks for it; also
            "out", the result, "note", what the primitive left for its rule, and "shapes", those
            of all inputs.
        shape, dtype: of the result.
        versions: (counter, value) of every kept tensor, to notice a later write.
        result: None, or a weak reference to the result, for `retain_grad()`.
    """

    __slots__ = ("primitive", "inputs", "kept", "shape", "dtype", "versions", "result")
    __slots__ += ("__weakref__",)

    def __repr__(self):
        named = [
            "constant" if s is None else f"{getattr(s, 'primitive', 'leaf')} {s.shape}"
            for s in self.inputs
        ]
        return f"{self.primitive}({', '.join(named)}) -> {self.shape}"


def remember(result, lifted, args, arrays, note):
    """Let `result` remember the call of the primitive `lifted` that made it."""
    rule, places, array, call = RULES.get(lifted.name), lifted.places, result.array, Call()
    kept, versions, values = {}, [], (*arrays, array, note)
    for name in places if rule is None else rule.asks:
        place = places.get(name)
        if place is not None:
            kept[name], source = values[place], args[place] if place < len(args) else None
            if isinstance(source, Tensor):
                versions.append((source.version, source.version[0]))
            elif isinstance(source, tuple):  # x[rows, columns]
                versions += [(t.version, t.version[0]) for t in source if isinstance(t, Tensor)]
            elif name == "out":
                versions.append((result.version, result.version[0]))
        elif name == "shapes":
            kept[name] = [np.shape(array) for array in tensors_in(arrays)]
    call.inputs = tuple(
        [
            (t.made_by or t) if isinstance(t, Tensor) and t.requires_grad else None
            for t in tensors_in(args)
        ]
    )
    call.primitive, call.shape, call.dtype = lifted.name, array.shape, array.dtype
    call.kept, call.versions, call.result = kept, tuple(versions), None
    result.made_by, result.requires_grad = call, True


def parts_of(lifted, args, arrays, results, note):
    """A Tensor for each result of a primitive that has several; each remembers which one it is."""
    tensors = [wrap(checked(lifted.name, args, array)) for array in results]
    for tensor in tensors:
        tensor.version = shared_version(tensor.array, args)
    if _switch.on and wants_gradient(args) and tensors[0].dtype.kind == "f":
        whole = wrap(tensors[0].array)
        remember(whole, lifted, args, arrays, note)
        whole.made_by.shape = [tensor.shape for tensor in tensors]
        for number, tensor in enumerate(tensors):
            part = Call()
            part.primitive, part.inputs, part.kept = "part", (whole.made_by,), {"number": number}
            part.shape, part.dtype = tensor.shape, tensor.dtype
            part.versions, part.result = (), None
            tensor.made_by, tensor.requires_grad = part, True
    return tensors


def tensors_in(arguments):
    """The arguments that can carry gradients: those in the list for `cat(list)`, else all."""
    return arguments[0] if isinstance(arguments[0], (list, tuple)) else arguments


def wants_gradient(arguments):
    """True if the gradient of an argument will be asked for."""
    for argument in tensors_in(arguments):
        if isinstance(argument, Tensor) and argument.requires_grad:
            return True
    return False


# %% primitive
ERRORS = (IndexError, ValueError, TypeError, OverflowError, AttributeError)  # NumPy's
AS_IT_IS = {int, float, bool, str, type(None), np.ndarray}  # kinds that NumPy takes unchanged


def primitive(function=None, *, name=None, promote=False, several=False):
    """Lift a function on arrays to a function on Tensors that remembers its calls.

    Args:
        function: from arrays and parameters to an array, or to (array, note): the note is what
            its rule will want to know again. It stays within reach as `.on_arrays`.
        name: how rules and messages call it; the function's own name unless given.
        promote: bring the arrays to one dtype first, as PyTorch does; `real` leaves whole numbers
            alone among themselves, for a function that makes floats of them.
        several: the result is a list of arrays, and a list of Tensors comes out.
    """
    if function is None:  # written as @primitive(name=...)
        return functools.partial(primitive, name=name, promote=promote, several=several)

    @functools.wraps(function)
    def lifted(*args, **kwargs):
        if kwargs or len(args) != count:
            args = complete(lifted, args, kwargs)
        arrays = [
            a.array if isinstance(a, Tensor) else a if type(a) in AS_IT_IS else plain(a)
            for a in args
        ]
        if promote:
            arrays = promoted(lifted, args, arrays, promote)
        try:
            array = lifted.on_arrays(*arrays)
        except ERRORS as error:
            names = lifted.parameters
            raise messages.explained(error, lifted.name, names, arrays, clash) from None
        array, note = array if type(array) is tuple else (array, None)
        if several:
            return parts_of(lifted, args, arrays, array, note)
        if type(array) is not np.ndarray or array.dtype is not float32:
            array = checked(lifted.name, args, array)
        result = wrap(array)
        if array.base is not None or array is arrays[0]:
            result.version = shared_version(array, args)
        if _switch.on and wants_gradient(args) and array.dtype.kind == "f":
            remember(result, lifted, args, arrays, note)
        return result

    lifted.name = name or function.__name__
    parameters = inspect.signature(function).parameters
    count = len(parameters)
    lifted.parameters = tuple(parameters)
    lifted.usual = tuple(p.default for p in parameters.values())
    lifted.needed = lifted.usual.count(inspect.Parameter.empty)
    lifted.places = {name: i for i, name in enumerate((*parameters, "out", "note"))}
    lifted.on_arrays = function
    PRIMITIVES[lifted.name] = lifted
    return lifted


# %% lift-helpers
SPELLINGS = {"axis": "dim", "keepdims": "keepdim"}  # NumPy's word -> PyTorch's


def complete(lifted, args, kwargs):
    """All arguments in order: named ones put in place, defaults filled in."""
    names = lifted.parameters
    values = [*args, *lifted.usual[len(args) :]]
    if not kwargs and len(args) >= lifted.needed and len(values) == len(names):
        return values
    for word, value in kwargs.items():
        name = SPELLINGS.get(word, word)
        if name not in names[len(args) :]:
            raise TypeError(f"{lifted.name}({', '.join(names)}) does not take {word!r} here")
        values[lifted.places[name]] = value
    if len(values) > len(names) or [v for v in values if v is inspect.Parameter.empty]:
        raise TypeError(f"{lifted.name}({', '.join(names)}) was called with {len(args)} of these")
    return tuple(values)


def plain(argument):
    """An argument as NumPy takes it: arrays for Tensors, Python numbers for NumPy's scalars."""
    if isinstance(argument, Tensor):
        return argument.array
    if isinstance(argument, np.generic):
        return argument.item()
    if isinstance(argument, (list, tuple)):
        return type(argument)([plain(a) for a in argument])
    return argument


def promoted(lifted, args, arrays, promote):
    """The arguments with all their arrays in one dtype; see `primitive`."""
    dtypes = set()
    for a in arrays:
        if isinstance(a, np.ndarray):
            dtypes.add(a.dtype)
        elif isinstance(a, (list, tuple)):
            if lifted.parameters[0] != "tensors":
                raise TypeError(f"{lifted.name}: a list is no tensor: write tensor(...) around it")
            return [in_one_dtype(args[0], a), *arrays[1:]]  # cat(tensors, dim)
    alike = len(dtypes) < 2 or (promote is real and all(d.kind != "f" for d in dtypes))
    return arrays if alike else in_one_dtype(args, arrays)


def in_one_dtype(args, arrays):
    """The arrays, converted to their common dtype; booleans and all else as they are."""
    common = common_dtype(args, arrays)
    return [
        a.astype(common, copy=False) if isinstance(a, np.ndarray) and a.dtype.kind != "b" else a
        for a in arrays
    ]


def common_dtype(args, arrays):
    """The dtype for arrays of several, by PyTorch's rule.

    Floats win over whole numbers, and those over booleans. Among floats Tensors with dimensions
    decide, then Tensors without; a NumPy array follows, and is float32 if there is nothing else.
    """
    numbers = [a for a in arrays if isinstance(a, np.ndarray) and a.dtype.kind != "b"]
    if any(a.dtype.kind == "f" for a in numbers):
        floats = [t for t in args if isinstance(t, Tensor) and t.dtype.kind == "f"]
        numbers = floats or [np.float32()]
    leading = [a for a in numbers if a.ndim] or numbers
    return np.result_type(bool_, *(a.dtype for a in leading))


def checked(name, args, array):
    """The result of a primitive as an array that is no wider than what went in."""
    if isinstance(array, Tensor) or np.asarray(array).dtype.kind not in "fiub":
        lost = "is a `return`, `raise` or `.on_arrays` missing?"
        raise TypeError(f"{name} returned {array!r:.40}, which is no array of numbers: {lost}")
    array = np.asarray(array)
    return narrowed(name, args, array) if array.dtype == float64 else array


def narrowed(name, args, array):
    """A float64 result: right if float64 went in or was asked for, else made float32."""
    dtypes = [a.dtype for a in tensors_in(args) if isinstance(a, Tensor)]
    if float64 in dtypes or any(isinstance(a, np.dtype) and a == float64 for a in args):
        return array
    if set(dtypes) == {float32} and not any(isinstance(a, np.ndarray) for a in tensors_in(args)):
        raise TypeError(f"{name} made float64 of float32: use Python numbers, not NumPy's scalars")
    return array.astype(float32)


def shared_version(array, args):
    """The counter of the Tensor whose memory `array` looks into; a new one if there is none."""
    owner = array if array.base is None else array.base
    for a in args:
        if isinstance(a, Tensor) and (owner is a.array or owner is a.array.base):
            return a.version
    return [0]


def clash(name, shapes):
    """What `broadcast_shape` says of shapes that do not fit; None if it finds nothing."""
    cut, of = (-2, "batch ") if name == "matmul" else (None, "")  # the matrices do not broadcast
    try:
        functools.reduce(broadcast_shape, [shape[:cut] for shape in shapes])
    except NotImplementedError:  # still blank
        return None
    except ValueError as error:
        return f"{of}{error}. Sizes are compared from the right; unsqueeze(dim) inserts a 1"


def write_result(tensor, result, what, instead):
    """Write `result` over the numbers of `tensor`, unless its kind of number would be lost."""
    require_kind(tensor, result, what, instead)
    return tensor._write(what, instead, ..., result)


def require_kind(tensor, result, what, instead):
    """Refuse a result whose kind of number `tensor` cannot hold, with a TypeError."""
    if not np.can_cast(result.dtype, tensor.dtype, "same_kind"):
        told = f"the result is {result.dtype} and does not fit {tensor.dtype}"
        raise TypeError(f"{what}: {told}: use {instead}")


def from_numpy_call(ufunc, method, inputs, kwargs):
    """What NumPy does with `array + t`: the operator of that name, or an error that helps."""
    name = ufunc.__name__
    if name in OPERATORS and method == "__call__" and not kwargs:
        return PRIMITIVES[OPERATORS[name]](*inputs)
    if "out" in kwargs:
        raise TypeError("an array cannot take in a tensor: write `a = a + t`, not `a += t`")
    word = {"absolute": "abs", "negative": "neg"}.get(name, name)
    instead = f"use t.{word}() or " if method == "__call__" and word in vars(Tensor) else "use "
    raise TypeError(f"np.{name} does not know tensors: {instead}t.detach().numpy()")


# %% arithmetic
elementwise = primitive(promote=True)  # element by element: dtypes match, shapes broadcast


def real(x):
    """An array of floats as it is; whole numbers and booleans as float32."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float32)


@elementwise
def add(x, y):
    """x + y, element by element.

    Args:
        x, y: Tensors, arrays or numbers whose shapes broadcast.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    return x + y


@elementwise
def sub(x, y):
    """x - y, element by element.

    Args:
        x, y: Tensors, arrays or numbers whose shapes broadcast.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    return x - y


@elementwise
def mul(x, y):
    """x * y, element by element.

    Args:
        x, y: Tensors, arrays or numbers whose shapes broadcast.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    return x * y


@primitive(promote=real)
def div(x, y):
    """x / y, element by element; always a float.

    Args:
        x, y: Tensors, arrays or numbers whose shapes broadcast.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    return x / y


def divisor(name, x, y):
    """y, unless it is 0 somewhere and the quotient would be a whole number, which has no inf."""
    if np.result_type(x, y).kind != "f" and not np.all(y):
        raise ZeroDivisionError(f"{name}: whole numbers divided by 0: use x.float(), or y.clamp(1)")
    return y


@elementwise
def floor_divide(x, y):
    """x / y rounded down, element by element; ZeroDivisionError for a whole number by 0."""
    return x // divisor("floor_divide", x, y)


@elementwise
def remainder(x, y):
    """What floor division leaves; it has the sign of y. ZeroDivisionError as in `floor_divide`."""
    return x % divisor("remainder", x, y)


@elementwise(name="pow")
def tensor_pow(x, exponent):
    """x to the power of the exponent, element by element; of booleans whole numbers."""
    return (x.astype(int64) if getattr(x, "dtype", None) == bool_ else x) ** exponent


@elementwise
def maximum(x, y):
    """The larger of x and y, element by element.

    Args:
        x, y: Tensors, arrays or numbers whose shapes broadcast.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    return np.maximum(x, y)


@elementwise
def minimum(x, y):
    """The smaller of x and y, element by element.

    Args:
        x, y: Tensors, arrays or numbers whose shapes broadcast.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    return np.minimum(x, y)


@primitive
def neg(x):
    """-x, element by element.

    Args:
        x: any shape.

    Returns:
        A new Tensor of the same shape and dtype.
    """
    return -x


@primitive
def exp(x):
    """e to the power of x, element by element.

    Args:
        x: any shape.

    Returns:
        A new Tensor of the same shape; whole numbers become float32.
    """
    return np.exp(real(x))


@primitive
def log(x):
    """The natural logarithm of x, element by element.

    Args:
        x: any shape.

    Returns:
        A new Tensor of the same shape; whole numbers become float32. Of 0 it is -inf, of less nan.
    """
    return np.log(real(x))


@primitive
def sqrt(x):
    """The square root of x, element by element.

    Args:
        x: any shape.

    Returns:
        A new Tensor of the same shape; whole numbers become float32. Of less than 0 it is nan.
    """
    return np.sqrt(real(x))


@primitive(name="abs")
def tensor_abs(x):
    """x without its sign, element by element."""
    return np.abs(x)


@primitive
def clone(x):
    """A copy of x."""
    return x.copy()


@primitive
def cast(x, dtype):
    """x in another dtype (a `np.dtype`)."""
    return x.astype(dtype)


# %% comparisons
eq, ne = elementwise(operator.eq), elementwise(operator.ne)
lt, le = elementwise(operator.lt), elementwise(operator.le)
gt, ge = elementwise(operator.gt), elementwise(operator.ge)
logical_and = elementwise(operator.and_, name="logical_and")
logical_or = elementwise(operator.or_, name="logical_or")
logical_xor = elementwise(operator.xor, name="logical_xor")
logical_not = primitive(operator.invert, name="logical_not")

# NumPy's name of an operator -> ours, for `array + t` and `np.float64(2) * t`
OPERATORS = {"add": "add", "subtract": "sub", "multiply": "mul", "divide": "div", "power": "pow"}
OPERATORS |= {"equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le"}
OPERATORS |= {"greater": "gt", "greater_equal": "ge", "bitwise_and": "logical_and"}
OPERATORS |= {"bitwise_or": "logical_or", "bitwise_xor": "logical_xor"}
OPERATORS |= {name: name for name in ("floor_divide", "remainder", "matmul", "maximum", "minimum")}


# %% matmul
@primitive(promote=True)
def matmul(x, y):
    """(x y)_ij = sum_k x_ik y_kj: the product over the last two dimensions.

    Args:
        x: (..., n, k), or (k,).
        y: (..., k, m), or (k,).

    Returns:
        (..., n, m); the dimensions before broadcast. A vector's own dimension is dropped.

    Raises:
        ValueError: the inner sizes differ; the message names both.

    >>> matmul(Tensor([[1, 2], [3, 4]]), Tensor([[5], [6]]))
    tensor([[17],
            [39]])
    """
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError("both sides need a dimension: for a single number write *")
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ValueError(f"the inner sizes differ, {x.shape[-1]} and {inner}: transpose one side?")
    return x @ y


# %% sum
def dims_of(dim, ndim):
    """The dimensions to reduce over, a tuple: None means all, negative ones count from the end.

    >>> dims_of(-1, 3), dims_of(None, 2), dims_of((0, -1), 3)
    ((2,), (0, 1), (0, 2))
    """
    if dim is None or dim in ((), []):
        return tuple(range(ndim))
    dims = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    for d in dims:
        if not -max(ndim, 1) <= d < max(ndim, 1):
            raise IndexError(f"dim {d} is out of range for {ndim} dimensions")
    return tuple(d % ndim for d in dims) if ndim else ()


@primitive(name="sum")
def tensor_sum(x, dim=None, keepdim=False):
    """sum_i x_i over all elements, or over `dim`; of whole numbers an int64."""
    dtype = None if x.dtype.kind == "f" else int64
    return x.sum(axis=dims_of(dim, x.ndim), keepdims=keepdim, dtype=dtype)


# %% mean
@primitive
@np.errstate(invalid="ignore")  # the mean of no numbers is nan, without a warning
def mean(x, dim=None, keepdim=False):
    """mean(x) = (sum_i x_i) / n over all elements, or over `dim`.

    Args:
        x: any shape.
        dim: a dimension, a tuple of them, or None for all.
        keepdim: whether the dimensions stay, with size 1.

    Returns:
        The averages; float also of whole numbers.

    >>> mean(Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), dim=1)
    tensor([2., 5.])
    """
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    return x.sum(axis=dims, keepdims=keepdim) / count


# %% var
@primitive
@np.errstate(invalid="ignore")  # the variance of one number is nan, without a warning
def var(x, dim=None, unbiased=True, keepdim=False):
    """var(x) = sum_i (x_i - mean)^2 / (n - 1) over all elements, or over `dim`, in two passes.

    Args:
        x: any shape.
        dim: a dimension, a tuple of them, or None for all.
        unbiased: divide by n - 1; if False, by n.
        keepdim: whether the dimensions stay, with size 1.

    Returns:
        The variances. Not a number where n - 1 is 0.

    >>> var(Tensor([10000.0, 10001.0, 10002.0]))
    tensor(1.)
    """
    dims = dims_of(dim, x.ndim)
    count = math.prod(x.shape[d] for d in dims)
    distance = x - mean.on_arrays(x, dim, True)
    total = (distance * distance).sum(axis=dims, keepdims=keepdim)
    return total / (count - 1 if unbiased else count)


# %% more-reductions
@primitive
def amax(x, dim=None, keepdim=False):
    """The largest element, over all or over `dim`; of several largest each has its share.

    Args:
        x: any shape, not empty.
        dim: a dimension or a tuple of them; None means all.
        keepdim: leave them in the shape, with size 1.

    Raises:
        ValueError: there is no element. IndexError: x has no such dimension.
    """
    return x.max(axis=dims_of(dim, x.ndim), keepdims=keepdim)


@primitive
def argmax(x, dim=None, keepdim=False):
    """Where the largest element is, the first if there are several; int64.

    Args:
        x: any shape, not empty.
        dim: a dimension; None counts through all elements, row by row.
        keepdim: leave it in the shape, with size 1.

    Raises:
        ValueError: there is no element. IndexError: x has no such dimension.
    """
    return x.argmax(axis=dim, keepdims=keepdim)


@primitive(name="any")
def tensor_any(x, dim=None, keepdim=False):
    """True if one element is, over all or over `dim`."""
    return x.any(axis=dims_of(dim, x.ndim), keepdims=keepdim)


@primitive(name="all")
def tensor_all(x, dim=None, keepdim=False):
    """True if all elements are, over all or over `dim`."""
    return x.all(axis=dims_of(dim, x.ndim), keepdims=keepdim)


# %% reshape
def one_tuple(sizes):
    """`f(2, 3)` and `f((2, 3))` mean the same: the sizes as a tuple.

    >>> one_tuple((2, 3)), one_tuple(((2, 3),))
    ((2, 3), (2, 3))
    """
    one_list = len(sizes) == 1 and isinstance(sizes[0], (tuple, list))
    try:
        return tuple(map(operator.index, sizes[0] if one_list else sizes))
    except TypeError:
        sizes = sizes[0] if one_list else sizes
        raise TypeError(f"sizes are whole numbers, not {sizes}: divide with //") from None


@primitive
def reshape(x, shape):
    """The same elements in the same order under another shape.

    Args:
        x: any shape.
        shape: the new sizes; one of them may be -1, which stands for what is left.

    Returns:
        A view wherever possible: no number moves.

    Raises:
        ValueError: the number of elements does not fit, or -1 stands twice or beside a 0.

    >>> reshape(Tensor([1, 2, 3, 4, 5, 6]), (2, -1))
    tensor([[1, 2, 3],
            [4, 5, 6]])
    """
    sizes = list(one_tuple((shape,)))
    if sizes.count(-1) > 1 or (-1 in sizes and 0 in sizes):
        raise ValueError(f"-1 has no meaning in {shape}: write it once, and without a 0 beside it")
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        sizes[sizes.index(-1)] = x.size // known
    if math.prod(sizes) != x.size:
        raise ValueError(f"{x.size} elements do not fit into {shape}")
    return x.reshape(sizes)


# %% transpose
@primitive
def transpose(x, dim0, dim1):
    """y_..j..i.. = x_..i..j..: two dimensions swapped, as a view.

    Args:
        x: any shape that has both dimensions.
        dim0, dim1: the dimensions; negative ones count from the end.

    >>> transpose(Tensor([[1, 2, 3], [4, 5, 6]]), 0, 1)
    tensor([[1, 4],
            [2, 5],
            [3, 6]])
    """
    return np.swapaxes(x, dim0, dim1)


# %% more-shapes
def flatten(x, start_dim=0, end_dim=-1):
    """Join the dimensions from `start_dim` to `end_dim` into one.

    Returns:
        A view wherever possible: (2, 3, 4) flattened from 1 on is (2, 12).

    Raises:
        ValueError: `start_dim` comes after `end_dim`. IndexError: x has no such dimension.
    """
    if not x.shape:
        return reshape(x, (1,))
    start, end = dims_of((start_dim, end_dim), x.ndim)
    if start > end:
        raise ValueError(f"flatten: dimension {start_dim} comes after dimension {end_dim}")
    return reshape(x, (*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


@primitive
def permute(x, dims):
    """The dimensions in the order `dims`, as a view.

    Args:
        x: any shape.
        dims: every dimension once; (2, 3, 4) in the order (2, 0, 1) is (4, 2, 3).

    Raises:
        ValueError: these are not all the dimensions, each once.
        IndexError: x has no such dimension.
    """
    return x.transpose(dims)


@primitive
def squeeze(x, dim=None):
    """Without the dimensions of size 1, or without `dim` if its size is 1, as a view.

    Args:
        x: any shape; (2, 1, 3) becomes (2, 3).
        dim: the only dimension to look at, or None for all.

    Raises:
        IndexError: x has no such dimension.
    """
    return np.squeeze(x, tuple(d for d in dims_of(dim, x.ndim) if x.shape[d] == 1))


@primitive
def unsqueeze(x, dim):
    """With a dimension of size 1 inserted before `dim`, as a view.

    Args:
        x: any shape; (2, 3) becomes (2, 1, 3) with dim=1.
        dim: where the new dimension stands; -1 is the end.

    Raises:
        IndexError: x has no such dimension.
    """
    return np.expand_dims(x, dim)


# %% cat
@primitive(promote=True)
def cat(tensors, dim=0):
    """Join tensors along an existing dimension.

    Args:
        tensors: a list; all sizes but the one at `dim` must agree.
        dim: where the sizes add up; negative ones count from the end.

    Returns:
        A new tensor, never a view.

    Raises:
        ValueError: the other sizes do not agree; the message holds all the shapes.

    >>> cat([Tensor([[1, 2]]), Tensor([[3, 4], [5, 6]])], dim=0)
    tensor([[1, 2],
            [3, 4],
            [5, 6]])
    """
    if not tensors:
        raise ValueError("there is nothing to join: the list is empty")
    dim = dims_of(dim, tensors[0].ndim)[0]
    rest = [t.shape[:dim] + t.shape[dim + 1 :] for t in tensors]
    if any(r != rest[0] for r in rest):
        shapes = [t.shape for t in tensors]
        raise ValueError(f"all sizes but that of dim {dim} must agree, and the shapes are {shapes}")
    return np.concatenate(tensors, axis=dim)


# %% stack
def stack(tensors, dim=0, axis=None):
    """Join tensors of one shape along a new dimension.

    >>> stack([Tensor([1, 2]), Tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    shapes = messages.shapes_of("stack", tensors)
    if len(set(shapes)) > 1:
        raise ValueError(f"stack: all shapes must be the same, and they are {shapes}")
    dim = dim if axis is None else axis
    return cat([unsqueeze(t, dim) for t in tensors], dim)


# %% masked_fill
@elementwise
def masked_fill(x, mask, value):
    """y = value where the mask is True, else x; the mask broadcasts.

    Args:
        x: any shape; it is not changed.
        mask: booleans of a shape that broadcasts with x.
        value: a number.

    Returns:
        A new tensor.

    >>> masked_fill(Tensor([1.0, 2.0, 3.0]), Tensor([False, True, False]), 0.0)
    tensor([1., 0., 3.])
    """
    if getattr(mask, "dtype", None) != bool_:
        raise TypeError("a mask holds True and False: compare first, for example x < 0")
    return np.where(mask, value, x)


# %% pick
@elementwise
def where(condition, x, y):
    """x where the condition is True, else y; all three broadcast.

    Args:
        condition: booleans.
        x, y: Tensors, arrays or numbers.

    Raises:
        TypeError: the condition holds no booleans. ValueError: the shapes do not broadcast.
    """
    if getattr(condition, "dtype", None) != bool_:
        raise TypeError("a condition holds True and False: compare first, for example x < 0")
    return np.where(condition, x, y)


@primitive
def getitem(x, index):
    """x[index]: a view for whole numbers and slices, a copy for index arrays and masks."""
    part = x[index]
    if isinstance(part, np.ndarray):
        return part
    return x[(*index, ...) if isinstance(index, tuple) else (index, ...)]  # 0-d, and still a view


# %% creation
def on_cpu(value, device):
    """`value`, if the device is the CPU; there is no other."""
    if device is not None and not str(device).startswith("cpu"):
        raise ValueError(f"TinyTorch computes on the CPU only: {device=} does not exist")
    return value


def tensor(data, dtype=None, requires_grad=False, device=None):
    """A new Tensor with a copy of `data`; see `Tensor`.

    Args:
        data: a number, nested lists, an array, or a Tensor.
        dtype: unless given, float32 for real numbers and int64 for Python's whole numbers; an array
            of whole numbers keeps its dtype.

    Raises:
        TypeError, ValueError: these are no numbers, rows differ in length, or the device is no CPU.
    """
    return on_cpu(Tensor(data, requires_grad, dtype), device)


def from_numpy(array):
    """A Tensor that shares memory and dtype with a NumPy array.

    Args:
        array: numbers or booleans, any shape.

    Raises:
        TypeError: it is no array, or not of numbers.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise TypeError(f"from_numpy takes an array of numbers, not {type(array).__name__}")
    return wrap(array)


def created(array, dtype=None, requires_grad=False, device=None):
    """What all creation functions do at the end."""
    array = array.astype(dtype or array.dtype, copy=False)
    return on_cpu(wrap(array).requires_grad_(requires_grad), device)


def zeros(*size, dtype=None, requires_grad=False, device=None):
    """0 everywhere; float32 unless given.

    Args:
        size: the sizes, as f(2, 3) or f((2, 3)).
        dtype: float32 unless given.
        requires_grad: whether `backward()` shall compute its gradient.

    Raises:
        ValueError: a size is negative, or `device` is not the CPU.
    """
    return created(np.zeros(one_tuple(size), float32), dtype, requires_grad, device)


def ones(*size, dtype=None, requires_grad=False, device=None):
    """1 everywhere; float32 unless given.

    Args:
        size: the sizes, as f(2, 3) or f((2, 3)).
        dtype: float32 unless given.
        requires_grad: whether `backward()` shall compute its gradient.

    Raises:
        ValueError: a size is negative, or `device` is not the CPU.
    """
    return created(np.ones(one_tuple(size), float32), dtype, requires_grad, device)


# %% random
class Generator:
    """A source of random numbers: the same seed gives the same numbers.

    >>> Generator(7).numpy.random() == Generator(7).numpy.random()
    True
    """

    def __init__(self, seed=None):
        self.manual_seed(seed)

    def manual_seed(self, seed):
        """Begin again at `seed`."""
        try:
            self.numpy = np.random.default_rng(seed)
        except (ValueError, TypeError):
            raise ValueError(f"a seed is a whole number of at least 0, not {seed!r}") from None
        return self

    def spawn(self, count):
        """Independent generators for `count` workers."""
        return [Generator(child) for child in self.numpy.spawn(count)]


default_generator = Generator()


def manual_seed(seed):
    """Make all random numbers that follow repeatable.

    Args:
        seed: a whole number from 0; the same seed gives the same numbers, bit by bit.
    """
    return default_generator.manual_seed(seed)


def numpy_generator(generator=None):
    """The NumPy generator behind a Generator; the thread's own or the default one for None."""
    return (generator or _switch.generator or default_generator).numpy


def rand(*size, generator=None, dtype=None, requires_grad=False, device=None):
    """Uniform on [0, 1).

    Args:
        size: the sizes, as f(2, 3) or f((2, 3)).
        generator: where the numbers come from; the one of `manual_seed` for None.
        dtype: float32 (unless given) or float64.

    Raises:
        ValueError: a size is negative, or `device` is not the CPU.
        TypeError: another dtype.
    """
    array = numpy_generator(generator).random(one_tuple(size), dtype or float32)
    return created(array, None, requires_grad, device)


def randn(*size, generator=None, dtype=None, requires_grad=False, device=None):
    """Standard normal: mean 0, variance 1.

    Args:
        size: the sizes, as f(2, 3) or f((2, 3)).
        generator: where the numbers come from; the one of `manual_seed` for None.
        dtype: float32 (unless given) or float64.

    Raises:
        ValueError: a size is negative, or `device` is not the CPU.
        TypeError: another dtype.
    """
    array = numpy_generator(generator).standard_normal(one_tuple(size), dtype or float32)
    return created(array, None, requires_grad, device)


def multinomial(probabilities, num_samples=1, generator=None, replacement=False):
    """Draw indices with the given weights: `num_samples` for each row.

    Args:
        probabilities: (..., C) weights, not negative, each row with a positive sum.
        num_samples: how many; without replacement no more than a row has positive weights.
        replacement: whether an index may be drawn twice.

    Returns:
        (..., num_samples), int64.
    """
    p = plain(probabilities).astype(float64)
    steps = p.cumsum(axis=-1)  # (..., C)
    totals = steps[..., -1:]
    drawable = all(0 < total < math.inf for total in totals.ravel().tolist())  # no nan, either
    if not (p.shape[-1] > 0 and p.min(initial=0) >= 0 and drawable):
        raise ValueError("multinomial: weights must be finite, not negative, and not all 0")
    rng = numpy_generator(generator)
    if replacement or num_samples == 1:
        draws = rng.random((*p.shape[:-1], num_samples, 1))
        return wrap((draws < (steps / totals)[..., None, :]).argmax(axis=-1))  # first step above
    if ((p > 0).sum(axis=-1) < num_samples).any():
        raise ValueError(f"multinomial: {num_samples} draws need as many positive weights in a row")
    waiting = rng.exponential(size=p.shape) / np.maximum(p, 1e-300)  # with weight 0, for ever
    return wrap(waiting.argsort(axis=-1)[..., :num_samples])
