# Written by tito export from modules/01_tensor/tensor.ipynb. Edit the notebook, not this file.

"""A tensor is an array that remembers how it was made."""

__all__ = [
    "PRIMITIVES",
    "RULES",
    "SLOTS",
    "float32",
    "float64",
    "int64",
    "int32",
    "uint8",
    "bool_",
    "SPELLINGS",
    "OPERATORS",
    "default_generator",
    "recording",
    "later",
    "to_array",
    "Tensor",
    "wrap",
    "Parameter",
    "Call",
    "remember",
    "origin",
    "tensors_in",
    "wanting_gradient",
    "primitive",
    "complete",
    "plain",
    "promoted",
    "in_one_dtype",
    "common_dtype",
    "checked",
    "narrowed",
    "shared_version",
    "explained",
    "clash",
    "write_result",
    "in_place",
    "from_numpy_call",
    "elementwise",
    "real",
    "add",
    "sub",
    "mul",
    "div",
    "floor_divide",
    "remainder",
    "tensor_pow",
    "maximum",
    "minimum",
    "clamp",
    "neg",
    "exp",
    "log",
    "sqrt",
    "tensor_abs",
    "clone",
    "cast",
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
    "no_broadcast",
    "broadcast_shape",
    "matmul",
    "dims_of",
    "tensor_sum",
    "mean",
    "var",
    "std",
    "norm",
    "amax",
    "argmax",
    "cumsum",
    "tensor_any",
    "tensor_all",
    "Extremes",
    "tensor_max",
    "tensor_min",
    "argmin",
    "turned",
    "extremes",
    "topk",
    "one_tuple",
    "reshape",
    "transpose",
    "view",
    "flatten",
    "permute",
    "squeeze",
    "unsqueeze",
    "expand",
    "triu",
    "tril",
    "cat",
    "stack",
    "split",
    "chunk",
    "masked_fill",
    "where",
    "gather",
    "getitem",
    "on_cpu",
    "tensor",
    "from_numpy",
    "created",
    "full",
    "zeros",
    "ones",
    "zeros_like",
    "ones_like",
    "full_like",
    "arange",
    "linspace",
    "eye",
    "Generator",
    "manual_seed",
    "numpy_generator",
    "rand",
    "randn",
    "randint",
    "randperm",
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


# %% tables
class _Switch(threading.local):
    """Recording on or off, for each thread on its own."""

    on = True


_switch = _Switch()


def recording():
    """True while calls of primitives are remembered (see `no_grad` in module 06)."""
    return _switch.on


PRIMITIVES = {}  # name of a primitive -> the function on Tensors
RULES = {}  # name of a primitive -> its rule of differentiation; module 06 fills it
SLOTS = {}  # "backward" -> the walk over the graph; module 06 puts it here


def later(module, name, table=PRIMITIVES):
    """A function of a later module: what a notebook defined last, else what the package exports.

    Raises:
        NotImplementedError: the later module is not there, as in notebook 01 itself.
    """
    if name not in table and __name__ == "tinytorch.tensor":
        importlib.import_module(f"tinytorch.{module}")
    if name not in table:
        raise NotImplementedError(
            f"{name} belongs to module {module!r}, which comes later: inside this notebook it "
            "does not exist yet"
        )
    return table[name]


# %% dtypes
float32, float64 = np.dtype("float32"), np.dtype("float64")
int64, int32, uint8 = np.dtype("int64"), np.dtype("int32"), np.dtype("uint8")
bool_ = np.dtype("bool")


def to_array(data, dtype=None):
    """A new array with the numbers of `data`.

    Args:
        data: a number, nested lists, an array, or a Tensor.
        dtype: what to convert to. None makes real numbers float32 (a Tensor's stay as they are)
            and Python's whole numbers int64; arrays of whole numbers keep their dtype.

    Raises:
        ValueError: the lists are not all of the same length.
        TypeError: these are not numbers.
        RuntimeError: a Tensor takes part in a gradient, which a copy would lose.
    """
    if isinstance(data, Tensor):
        if data.requires_grad and recording():
            raise RuntimeError(
                "a copy of the numbers would forget how they were made: use clone() or stack() to "
                "keep the gradient, or detach() to leave it behind"
            )
        return data.array.astype(data.dtype if dtype is None else dtype)
    if isinstance(data, (list, tuple)) and any(isinstance(x, Tensor) for x in data):
        data = [to_array(x) for x in data]
    try:
        array = np.array(data)
    except ValueError:
        raise ValueError("the lists are not all of the same length: pad the short ones") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds numbers, and this is {type(data).__name__}: {data!r:.40}")
    if dtype is None and array.dtype.kind == "f":
        dtype = float32
    if dtype is None and array.dtype.kind in "iu" and not hasattr(data, "dtype"):
        dtype = int64
    return array if dtype is None else array.astype(dtype, copy=False)


# %% tensor-class
class Tensor:
    """An array that remembers how it was made.

    Args:
        data: a number, nested lists, or an array; it is copied.
        requires_grad: whether `backward()` shall compute the gradient with respect to this tensor.
        dtype: float32 for real numbers and int64 for whole numbers, unless given.

    Attributes:
        array: the numbers, a NumPy array.
        grad: the gradient as a Tensor, once `backward()` has computed it.
        made_by: the `Call` that made this tensor, None for a leaf.

    Raises:
        TypeError: `data` is not numbers, or a gradient is asked for whole numbers.

    >>> x = Tensor([1.0, 2.0, 3.0])
    >>> x * 2 + 1
    tensor([3., 5., 7.])
    """

    __slots__ = ("array", "requires_grad", "grad", "made_by", "version", "__weakref__")

    def __init__(self, data, requires_grad=False, dtype=None):
        self.array = to_array(data, dtype)
        self.requires_grad = False
        self.grad = None
        self.made_by = None
        self.version = [0]  # a list, so that a view can share it with its base
        if requires_grad:
            self.requires_grad_()

    # -- arithmetic
    def __add__(self, other):  # Python calls this for `self + other`
        return add(self, other)

    def __radd__(self, other):  # ... and this for `other + self`, if other is not a Tensor
        return add(other, self)

    def __sub__(self, other):
        return sub(self, other)

    def __rsub__(self, other):
        return sub(other, self)

    def __mul__(self, other):
        return mul(self, other)

    def __rmul__(self, other):
        return mul(other, self)

    def __truediv__(self, other):
        return div(self, other)

    def __rtruediv__(self, other):
        return div(other, self)

    def __floordiv__(self, other):
        return floor_divide(self, other)

    def __rfloordiv__(self, other):
        return floor_divide(other, self)

    def __mod__(self, other):
        return remainder(self, other)

    def __rmod__(self, other):
        return remainder(other, self)

    def __pow__(self, exponent):
        return tensor_pow(self, exponent)

    def __rpow__(self, base):
        return tensor_pow(base, self)

    def __matmul__(self, other):
        return matmul(self, other)

    def __rmatmul__(self, other):
        return matmul(other, self)

    def __neg__(self):
        return neg(self)

    def __abs__(self):
        return tensor_abs(self)

    # -- comparison and logic
    def __eq__(self, other):
        return eq(self, other)

    def __ne__(self, other):
        return ne(self, other)

    def __lt__(self, other):
        return lt(self, other)

    def __le__(self, other):
        return le(self, other)

    def __gt__(self, other):
        return gt(self, other)

    def __ge__(self, other):
        return ge(self, other)

    def __and__(self, other):
        return logical_and(self, other)

    def __or__(self, other):
        return logical_or(self, other)

    def __xor__(self, other):
        return logical_xor(self, other)

    def __invert__(self):
        return logical_not(self)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__
    __hash__ = object.__hash__

    # -- the same as methods
    add, sub, mul, div, matmul, pow = __add__, __sub__, __mul__, __truediv__, __matmul__, __pow__
    neg, abs = __neg__, __abs__

    def exp(self):
        """e to the power of each element."""
        return exp(self)

    def log(self):
        """The natural logarithm of each element."""
        return log(self)

    def sqrt(self):
        """The square root of each element."""
        return sqrt(self)

    def clamp(self, min=None, max=None):
        """Each element, but not below `min` and not above `max`."""
        return clamp(self, min, max)

    def maximum(self, other):
        """The larger one, element by element."""
        return maximum(self, other)

    def minimum(self, other):
        """The smaller one, element by element."""
        return minimum(self, other)

    def relu(self):
        """See module 02."""
        return later("activations", "relu")(self)

    def sigmoid(self):
        """See module 02."""
        return later("activations", "sigmoid")(self)

    def tanh(self):
        """See module 02."""
        return later("activations", "tanh")(self)

    def softmax(self, dim=-1):
        """See module 02."""
        return later("activations", "softmax")(self, dim)

    def log_softmax(self, dim=-1):
        """See module 02."""
        return later("activations", "log_softmax")(self, dim)

    # -- reductions: over all elements, or over `dim`; NumPy's axis and keepdims are understood
    def sum(self, dim=None, keepdim=False, **numpy_names):
        """The sum."""
        return tensor_sum(self, dim, keepdim, **numpy_names)

    def mean(self, dim=None, keepdim=False, **numpy_names):
        """The average."""
        return mean(self, dim, keepdim, **numpy_names)

    def var(self, dim=None, unbiased=True, keepdim=False, **numpy_names):
        """The variance; divided by n - 1, or by n if not `unbiased`."""
        return var(self, dim, unbiased, keepdim, **numpy_names)

    def std(self, dim=None, unbiased=True, keepdim=False, **numpy_names):
        """The standard deviation, the root of the variance."""
        return sqrt(var(self, dim, unbiased, keepdim, **numpy_names))

    def norm(self, p=2, dim=None, keepdim=False, **numpy_names):
        """The length of a vector: the root of the sum of squares, or for p=1 the sum of sizes."""
        return norm(self, p, dim, keepdim, **numpy_names)

    def max(self, dim=None, keepdim=False, **numpy_names):
        """The largest element; with `dim` the pair (values, indices)."""
        return tensor_max(self, dim, keepdim, **numpy_names)

    def min(self, dim=None, keepdim=False, **numpy_names):
        """The smallest element; with `dim` the pair (values, indices)."""
        return tensor_min(self, dim, keepdim, **numpy_names)

    def argmax(self, dim=None, keepdim=False, **numpy_names):
        """Where the largest element is; the first, if there are several."""
        return argmax(self, dim, keepdim, **numpy_names)

    def argmin(self, dim=None, keepdim=False, **numpy_names):
        """Where the smallest element is; the first, if there are several."""
        return argmin(self, dim, keepdim, **numpy_names)

    def any(self, dim=None, keepdim=False, **numpy_names):
        """True if one element is."""
        return tensor_any(self, dim, keepdim, **numpy_names)

    def all(self, dim=None, keepdim=False, **numpy_names):
        """True if all elements are."""
        return tensor_all(self, dim, keepdim, **numpy_names)

    def cumsum(self, dim):
        """The sums up to each element, along `dim`."""
        return cumsum(self, dim)

    def topk(self, k, dim=-1, largest=True):
        """The k largest (or smallest) elements along `dim`, as the pair (values, indices)."""
        return topk(self, k, dim, largest)

    # -- shape
    def reshape(self, *shape):
        """The same elements in the same order under another shape; one size may be -1."""
        return reshape(self, one_tuple(shape))

    def view(self, *shape):
        """`reshape` that refuses to copy."""
        return view(self, one_tuple(shape))

    def flatten(self, start_dim=0, end_dim=-1):
        """Join the dimensions from `start_dim` to `end_dim` into one."""
        return flatten(self, start_dim, end_dim)

    def transpose(self, dim0, dim1):
        """Swap two dimensions."""
        return transpose(self, dim0, dim1)

    def permute(self, *dims):
        """Put the dimensions into another order."""
        return permute(self, one_tuple(dims))

    def squeeze(self, dim=None):
        """Drop the dimensions of size 1, or only `dim` if its size is 1."""
        return squeeze(self, dim)

    def unsqueeze(self, dim):
        """Insert a dimension of size 1."""
        return unsqueeze(self, dim)

    def expand(self, *shape):
        """Stretch dimensions of size 1 without copying; -1 leaves a size as it is."""
        return expand(self, one_tuple(shape))

    def contiguous(self):
        """This tensor if its numbers lie in memory in reading order, else a copy whose do."""
        return self if self.array.flags.c_contiguous else clone(self)

    def split(self, split_size, dim=0):
        """Cut along `dim` into views of a size, or of the sizes in a list."""
        return split(self, split_size, dim)

    def chunk(self, chunks, dim=0):
        """Cut along `dim` into so many views of about the same size."""
        return chunk(self, chunks, dim)

    def masked_fill(self, mask, value):
        """A copy with `value` wherever the mask is True."""
        return masked_fill(self, mask, value)

    def gather(self, dim, index):
        """Pick elements along `dim` by their index."""
        return gather(self, dim, index)

    def triu(self, diagonal=0):
        """The part on and above a diagonal, zeros elsewhere."""
        return triu(self, diagonal)

    def tril(self, diagonal=0):
        """The part on and below a diagonal, zeros elsewhere."""
        return tril(self, diagonal)

    def __getitem__(self, index):
        return getitem(self, index)

    def clone(self):
        """A copy of the numbers that stays in the graph."""
        return clone(self)

    # -- what it is
    @property
    def shape(self):
        """The size of each dimension, a tuple."""
        return self.array.shape

    @property
    def dtype(self):
        """The kind of number."""
        return self.array.dtype

    @property
    def ndim(self):
        """How many dimensions."""
        return self.array.ndim

    @property
    def device(self):
        """Where it is computed: always "cpu"."""
        return "cpu"

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

    def dim(self):
        """How many dimensions."""
        return self.array.ndim

    def numel(self):
        """How many elements."""
        return self.array.size

    def size(self, dim=None):
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dims_of(dim, self.ndim)[0]]

    def __len__(self):
        if not self.shape:
            raise TypeError("a tensor with no dimensions has no length")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        text = np.array2string(self.array, separator=", ", prefix="tensor(", precision=4)
        more = "" if self.array.size or self.ndim < 2 else f", shape={self.shape}"
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
            raise ValueError(f"item() needs one number, and the shape is {self.shape}")
        return self.array.item()

    def tolist(self):
        """Nested lists of Python numbers."""
        return self.array.tolist()

    def numpy(self):
        """The array itself; refused where a gradient could be lost through it."""
        if self.requires_grad:
            raise RuntimeError(
                "this tensor takes part in a gradient: use t.detach().numpy() to get its numbers"
            )
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
            raise ValueError(
                f"a tensor of shape {self.shape} is neither true nor false: use .any() or .all()"
            )
        return bool(self.array.item())

    # -- gradients
    def requires_grad_(self, requires_grad=True):
        """Ask for gradients with respect to this tensor (or, with False, no longer)."""
        if requires_grad and self.dtype.kind != "f":
            raise TypeError(f"only real numbers have gradients, not {self.dtype}: write 3.0, not 3")
        if not requires_grad and self.made_by is not None:
            raise RuntimeError("this tensor was made by a recorded operation: use detach()")
        self.requires_grad = requires_grad
        return self

    def backward(self, gradient=None, retain_graph=False, create_graph=False):
        """Compute the gradient with respect to every leaf: see module 06."""
        later("autograd", "backward", SLOTS)(self, gradient, retain_graph, create_graph)

    def retain_grad(self):
        """Let `backward()` fill in `.grad` here, although this is no leaf."""
        later("autograd", "retain_grad", SLOTS)(self)

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

    # -- types
    def to(self, *wanted, dtype=None, device=None):
        """The same numbers in another dtype; of devices there is only "cpu"."""
        for want in (*wanted, dtype, device):
            if isinstance(want, Tensor):
                dtype = want.dtype
            elif str(want).split(":")[0] in ("cpu", "cuda", "mps"):
                on_cpu(self, want)
            elif want is not None:
                dtype = np.dtype(want)
        return self if dtype is None or dtype == self.dtype else cast(self, dtype)

    def cpu(self):
        """This tensor."""
        return self

    def float(self):
        """As float32."""
        return self.to(float32)

    def double(self):
        """As float64."""
        return self.to(float64)

    def long(self):
        """As int64."""
        return self.to(int64)

    def int(self):
        """As int32."""
        return self.to(int32)

    def bool(self):
        """As bool."""
        return self.to(bool_)

    def type_as(self, other):
        """In the dtype of another tensor."""
        return self.to(other.dtype)

    # -- writing into the numbers: never recorded, so refused where a gradient would be lost
    def __setitem__(self, index, value):
        self._write("t[index] = value", "where(mask, value, t)", plain(index), value)

    def copy_(self, source):
        """Take over the numbers of `source`, which broadcasts."""
        self._write("copy_", "the source itself", ..., source)
        return self

    def fill_(self, value):
        """Make every element `value`."""
        self._write("fill_", "full_like(t, value)", ..., value)
        return self

    def zero_(self):
        """Make every element 0."""
        self._write("zero_", "zeros_like(t)", ..., 0)
        return self

    def masked_fill_(self, mask, value):
        """Write `value` wherever the mask, which broadcasts, is True."""
        mask = np.broadcast_to(plain(mask), self.shape)
        self._write("masked_fill_", "masked_fill(mask, value)", mask, value)
        return self

    def normal_(self, mean=0.0, std=1.0, generator=None):
        """Draw every element anew from a normal distribution."""
        fresh = randn(self.shape, generator=generator, dtype=self.dtype)
        self._write("normal_", "randn(shape)", ..., fresh * std + mean)
        return self

    def uniform_(self, low=0.0, high=1.0, generator=None):
        """Draw every element anew, evenly between `low` and `high`."""
        fresh = rand(self.shape, generator=generator, dtype=self.dtype)
        self._write("uniform_", "rand(shape)", ..., fresh * (high - low) + low)
        return self

    def add_(self, other):
        """Add to the numbers in place."""
        return write_result(self, add(self, other), "add_", "t + other")

    def sub_(self, other):
        """Subtract from the numbers in place."""
        return write_result(self, sub(self, other), "sub_", "t - other")

    def mul_(self, other):
        """Multiply the numbers in place."""
        return write_result(self, mul(self, other), "mul_", "t * other")

    def div_(self, other):
        """Divide the numbers in place."""
        return write_result(self, div(self, other), "div_", "t / other")

    # `x += y` writes in place where nothing is recorded; else x becomes a new, recorded tensor
    def __iadd__(self, other):
        return in_place(self, add(self, other), "+=")

    def __isub__(self, other):
        return in_place(self, sub(self, other), "-=")

    def __imul__(self, other):
        return in_place(self, mul(self, other), "*=")

    def __itruediv__(self, other):
        return in_place(self, div(self, other), "/=")

    def _write(self, what, instead, index, value):
        """The only place where the numbers of a tensor are changed."""
        if recording() and (self.requires_grad or getattr(value, "requires_grad", False)):
            raise RuntimeError(
                f"{what} is not recorded, and a gradient would be lost: use {instead}, or write "
                "under `with tinytorch.no_grad():`"
            )
        if not self.array.flags.writeable:
            raise ValueError(f"{what}: expand() made this read-only view: write into a clone()")
        try:
            self.array[index] = plain(value)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise explained(error, what, [self.array, plain(value)]) from None
        self.version[0] += 1


# %% wrap
def wrap(array, version=None):
    """A Tensor around `array` itself: no copy, no conversion."""
    tensor = Tensor.__new__(Tensor)
    tensor.array = array
    tensor.requires_grad = False
    tensor.grad = tensor.made_by = None
    tensor.version = [0] if version is None else version
    return tensor


class Parameter(Tensor):
    """A Tensor that a Module owns and an optimizer changes; it requires grad."""

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
            "out", the result, and "note", what the primitive left for its rule.
        shape, dtype: of the result.
        versions: (counter, value) of every kept tensor, to notice a later write.
        result: None, or a weak reference to the result, for `retain_grad()`.
    """

    __slots__ = (
        *("primitive", "inputs", "kept", "shape", "dtype", "versions", "result"),
        "__weakref__",
    )

    def __repr__(self):
        inputs = ", ".join(self._name(source) for source in self.inputs)
        return f"{self.primitive}({inputs}) -> {self.shape}"

    @staticmethod
    def _name(source):
        if source is None:
            return "constant"
        kind = "leaf" if isinstance(source, Tensor) else source.primitive
        return f"{kind} {source.shape}"


def remember(result, lifted, args, arrays, note):
    """Let `result` remember the call of the primitive `lifted` that made it."""
    rule = RULES.get(lifted.name)
    asks = (*lifted.parameters, "out", "note") if rule is None else rule.asks
    kept, looked_at = {}, []
    for name, argument, array in zip(lifted.parameters, args, arrays):
        if name in asks:
            kept[name] = array
            many = isinstance(argument, tuple) and argument is not args[0]  # x[rows, columns]
            looked_at += argument if many else (argument,)
    if "out" in asks:
        kept["out"] = result.array
        looked_at.append(result)
    if "note" in asks:
        kept["note"] = note
    call = Call()
    call.primitive, call.shape, call.dtype = lifted.name, result.array.shape, result.array.dtype
    call.inputs = tuple([origin(argument) for argument in tensors_in(args)])
    call.kept, call.result = kept, None
    call.versions = tuple([(t.version, t.version[0]) for t in looked_at if isinstance(t, Tensor)])
    result.made_by, result.requires_grad = call, True


def origin(argument):
    """What an argument was: a leaf, the call that made it, or None where no gradient is wanted."""
    if not (isinstance(argument, Tensor) and argument.requires_grad):
        return None
    return argument if argument.made_by is None else argument.made_by


def tensors_in(arguments):
    """The arguments that can carry gradients: those in the list for `cat(list)`, else all."""
    return arguments[0] if isinstance(arguments[0], (list, tuple)) else arguments


def wanting_gradient(arguments):
    """The arguments whose gradient will be asked for."""
    return [t for t in tensors_in(arguments) if isinstance(t, Tensor) and t.requires_grad]


# %% primitive
def primitive(function=None, *, name=None, promote=False):
    """Lift a function on arrays to a function on Tensors that remembers its calls.

    Args:
        function: from arrays and parameters to an array, or to (array, note): the note is what
            its rule will want to know again. It stays within reach as `.on_arrays`.
        name: how rules and messages call it; the function's own name unless given.
        promote: bring the arrays to one dtype first, as PyTorch does.
    """
    if function is None:  # written as @primitive(name=...)
        return functools.partial(primitive, name=name, promote=promote)

    @functools.wraps(function)
    def lifted(*args, **kwargs):
        if kwargs or len(args) != len(lifted.parameters):
            args = complete(lifted, args, kwargs)
        arrays = [a.array if isinstance(a, Tensor) else plain(a) for a in args]
        if promote:
            arrays = promoted(lifted, args, arrays)
        try:
            array = function(*arrays)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise explained(error, lifted.name, arrays) from None
        array, note = array if type(array) is tuple else (array, None)
        array = checked(lifted.name, args, array)
        result = wrap(array)
        if array.base is not None or array is arrays[0]:
            result.version = shared_version(array, args)
        if _switch.on and wanting_gradient(args) and array.dtype.kind == "f":
            remember(result, lifted, args, arrays, note)
        return result

    parameters = inspect.signature(function).parameters
    lifted.name = name or function.__name__
    lifted.parameters = tuple(parameters)
    lifted.defaults = tuple(p.default for p in parameters.values() if p.default is not p.empty)
    lifted.on_arrays = function
    PRIMITIVES[lifted.name] = lifted
    return lifted


# %% lift-helpers
SPELLINGS = {"axis": "dim", "keepdims": "keepdim"}  # NumPy's word -> PyTorch's


def complete(lifted, args, kwargs):
    """All arguments in order: named ones put in place, defaults filled in."""
    names, defaults = lifted.parameters, lifted.defaults
    missing = len(names) - len(args)
    if not kwargs and 0 < missing <= len(defaults):
        return args + defaults[-missing:]
    values = dict(zip(names, args))
    usual = dict(zip(names[::-1], defaults[::-1]))
    for word, value in kwargs.items():
        name = SPELLINGS.get(word, word)
        if name not in names or (name in values and values[name] is not usual.get(name)):
            raise TypeError(f"{lifted.name}({', '.join(names)}) does not take {word!r} here")
        values[name] = value
    values = {**usual, **values}
    if missing < 0 or len(values) < len(names):
        raise TypeError(f"{lifted.name}({', '.join(names)}) was called with {len(args)} of these")
    return tuple(values[name] for name in names)


def plain(argument):
    """An argument as NumPy takes it: arrays for Tensors, Python numbers for NumPy's scalars."""
    if isinstance(argument, Tensor):
        return argument.array
    if isinstance(argument, np.generic):
        return argument.item()
    if isinstance(argument, (list, tuple)) and any(isinstance(a, Tensor) for a in argument):
        return type(argument)([plain(a) for a in argument])
    return argument


def promoted(lifted, args, arrays):
    """The arguments with all their arrays in one dtype."""
    dtypes = set()
    for a in arrays:
        if isinstance(a, np.ndarray):
            dtypes.add(a.dtype)
        elif isinstance(a, (list, tuple)):
            if lifted.parameters[0] != "tensors":
                raise TypeError(f"{lifted.name}: a list is no tensor: write tensor(...) around it")
            return [in_one_dtype(args[0], a), *arrays[1:]]  # cat(tensors, dim)
    return arrays if len(dtypes) < 2 else in_one_dtype(args, arrays)


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
        leading = [t for t in floats if t.ndim] or floats
        return max((t.dtype for t in leading), default=float32)
    leading = [a for a in numbers if a.ndim] or numbers
    return np.result_type(*(a.dtype for a in leading)) if leading else None


def checked(name, args, array):
    """The result of a primitive as an array that is no wider than what went in."""
    if type(array) is np.ndarray and array.dtype is float32:
        return array
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} returned no numbers but {array!r:.40}: is its `return` missing?")
    return narrowed(name, args, array) if array.dtype == float64 else array


def narrowed(name, args, array):
    """A float64 result: right if float64 went in or was asked for, else made float32."""
    dtypes = [a.dtype for a in tensors_in(args) if isinstance(a, Tensor)]
    if float64 in dtypes or any(isinstance(a, np.dtype) and a == float64 for a in args):
        return array
    if set(dtypes) == {float32} and not any(isinstance(a, np.ndarray) for a in tensors_in(args)):
        raise TypeError(
            f"{name}: float32 went in and float64 came out: is there a NumPy scalar or a float64 "
            "array inside? Use Python numbers, or dtype=x.dtype"
        )
    return array.astype(float32)


def shared_version(array, args):
    """The counter of the Tensor whose memory `array` looks into; a new one if there is none."""
    owner = array if array.base is None else array.base
    for a in args:
        if isinstance(a, Tensor) and (owner is a.array or owner is a.array.base):
            return a.version
    return [0]


def explained(error, name, arrays):
    """The error with the operation's name and the shapes, each said once."""
    text, first = str(error), arrays[0] if arrays else None
    arrays = first if isinstance(first, list) else arrays
    shapes = [a.shape for a in arrays if isinstance(a, np.ndarray)]
    if "could not be broadcast" in text:
        text = clash(name, shapes) or text
    if any(str(shape).replace(" ", "") not in text.replace(" ", "") for shape in shapes):
        text += f" (shapes {', '.join(map(str, shapes))})"
    kinds = (IndexError, ValueError, TypeError, OverflowError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    return kind(f"{name}: {text}").with_traceback(error.__traceback__)


def clash(name, shapes):
    """What `broadcast_shape` says of shapes that do not fit; None if it finds nothing."""
    if name == "matmul":  # its last two dimensions do not broadcast
        shapes = [shape[:-2] for shape in shapes]
    try:
        functools.reduce(broadcast_shape, shapes)
    except ValueError as error:
        return f"{error}. Sizes are compared from the right; unsqueeze(dim) inserts a 1"
    except NotImplementedError:  # still blank
        pass
    return None


def write_result(tensor, result, what, instead):
    """Write `result` over the numbers of `tensor`, unless its kind of number would be lost."""
    if not np.can_cast(result.dtype, tensor.dtype, "same_kind"):
        raise TypeError(f"{what}: the result is {result.dtype} and does not fit {tensor.dtype}")
    tensor._write(what, instead, ..., result)
    return tensor


def in_place(tensor, result, what):
    """`x += y`: into x's own memory, or a new tensor where the step is recorded."""
    if result.requires_grad and not (tensor.requires_grad and tensor.is_leaf):
        return result
    return write_result(tensor, result, what, "a new name for the result")


def from_numpy_call(ufunc, method, inputs, kwargs):
    """What NumPy does with `array + t`: the operator of that name, or an error that helps."""
    operation = OPERATORS.get(ufunc.__name__)
    if operation is not None and method == "__call__" and not kwargs:
        return PRIMITIVES[operation](*inputs)
    if operation is not None and "out" in kwargs:
        raise TypeError(
            "an array cannot take in a tensor: write `a = a + t` in place of `a += t`, or use "
            "t.detach().numpy()"
        )
    word = {"absolute": "abs", "negative": "neg"}.get(ufunc.__name__, ufunc.__name__)
    instead = f"use t.{word}(), or " if method == "__call__" and hasattr(Tensor, word) else ""
    raise TypeError(
        f"np.{ufunc.__name__} does not know tensors: {instead}leave the graph with "
        "t.detach().numpy()"
    )


# %% arithmetic
def elementwise(function=None, *, name=None):
    """A primitive that works element by element: dtypes are matched and shapes broadcast."""
    if function is None:
        return functools.partial(elementwise, name=name)
    return primitive(function, name=name, promote=True)


def real(x):
    """An array of floats as it is; whole numbers and booleans as float32."""
    x = np.asarray(x)
    return x if x.dtype.kind == "f" else x.astype(float32)


@elementwise
def add(x, y):
    """x + y, element by element."""
    return x + y


@elementwise
def sub(x, y):
    """x - y, element by element."""
    return x - y


@elementwise
def mul(x, y):
    """x * y, element by element."""
    return x * y


@elementwise
def div(x, y):
    """x / y, element by element; always a float."""
    return x / y


@elementwise
def floor_divide(x, y):
    """x / y rounded down, element by element."""
    return x // y


@elementwise
def remainder(x, y):
    """What floor division leaves; it has the sign of y."""
    return x % y


@elementwise(name="pow")
def tensor_pow(x, exponent):
    """x to the power of the exponent, element by element."""
    return x**exponent


@elementwise
def maximum(x, y):
    """The larger of x and y, element by element."""
    return np.maximum(x, y)


@elementwise
def minimum(x, y):
    """The smaller of x and y, element by element."""
    return np.minimum(x, y)


@elementwise
def clamp(x, min=None, max=None):
    """x, but not below `min` and not above `max`, element by element."""
    return np.clip(x, min, max)


@primitive
def neg(x):
    """-x, element by element."""
    return -x


@primitive
def exp(x):
    """e to the power of x, element by element."""
    return np.exp(real(x))


@primitive
def log(x):
    """The natural logarithm of x, element by element."""
    return np.log(real(x))


@primitive
def sqrt(x):
    """The square root of x, element by element."""
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
@elementwise
def eq(x, y):
    """x == y, element by element."""
    return x == y


@elementwise
def ne(x, y):
    """x != y, element by element."""
    return x != y


@elementwise
def lt(x, y):
    """x < y, element by element."""
    return x < y


@elementwise
def le(x, y):
    """x <= y, element by element."""
    return x <= y


@elementwise
def gt(x, y):
    """x > y, element by element."""
    return x > y


@elementwise
def ge(x, y):
    """x >= y, element by element."""
    return x >= y


@elementwise
def logical_and(x, y):
    """x & y, element by element: for booleans, both are True."""
    return x & y


@elementwise
def logical_or(x, y):
    """x | y, element by element: for booleans, at least one is True."""
    return x | y


@elementwise
def logical_xor(x, y):
    """x ^ y, element by element: for booleans, exactly one is True."""
    return x ^ y


@primitive
def logical_not(x):
    """~x, element by element: for booleans, the other one."""
    return ~x


OPERATORS = {  # NumPy's name of an operator -> ours, for `array + t` and `np.float64(2) * t`
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "floor_divide": "floor_divide",
    "remainder": "remainder",
    "power": "pow",
    "matmul": "matmul",
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
    "maximum": "maximum",
    "minimum": "minimum",
}


# %% broadcast_shape
def no_broadcast(first, second, back):
    """The error for two shapes whose sizes at -back do not fit."""
    a, b = first[-back], second[-back]
    return ValueError(
        f"shapes {tuple(first)} and {tuple(second)} do not broadcast: dimension -{back} is {a} in "
        f"one and {b} in the other, and neither is 1"
    )


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
        raise ValueError(
            f"the inner sizes differ, {x.shape[-1]} and {inner}: the last dimension of the left "
            "must be as long as the last but one of the right"
        )
    return x @ y


# %% sum
def dims_of(dim, ndim):
    """The dimensions to reduce over, a tuple: None means all, negative ones count from the end.

    >>> dims_of(-1, 3), dims_of(None, 2), dims_of((0, -1), 3)
    ((2,), (0, 1), (0, 2))
    """
    if dim is None or dim == ():
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
def std(x, dim=None, unbiased=True, keepdim=False, **numpy_names):
    """The standard deviation: the root of the variance."""
    return sqrt(var(x, dim, unbiased, keepdim, **numpy_names))


def norm(x, p=2, dim=None, keepdim=False, **numpy_names):
    """The length of a vector: (sum_i x_i^2)^(1/2) for p=2, sum_i |x_i| for p=1."""
    if p not in (1, 2):
        raise ValueError(f"norm: p is 1 or 2, not {p!r}; a dimension is given as dim={p!r}")
    if p == 1:
        return tensor_sum(tensor_abs(x), dim, keepdim, **numpy_names)
    return sqrt(tensor_sum(mul(x, x), dim, keepdim, **numpy_names))


@primitive
def amax(x, dim=None, keepdim=False):
    """The largest element, over all or over `dim`; of several largest each has its share."""
    return x.max(axis=dims_of(dim, x.ndim), keepdims=keepdim)


@primitive
def argmax(x, dim=None, keepdim=False):
    """Where the largest element is, the first if there are several; int64."""
    return x.argmax(axis=dim, keepdims=keepdim)


@primitive
def cumsum(x, dim):
    """y_i = x_0 + ... + x_i along `dim`; of whole numbers an int64."""
    return x.cumsum(axis=dim, dtype=None if x.dtype.kind == "f" else int64)


@primitive(name="any")
def tensor_any(x, dim=None, keepdim=False):
    """True if one element is, over all or over `dim`."""
    return x.any(axis=dims_of(dim, x.ndim), keepdims=keepdim)


@primitive(name="all")
def tensor_all(x, dim=None, keepdim=False):
    """True if all elements are, over all or over `dim`."""
    return x.all(axis=dims_of(dim, x.ndim), keepdims=keepdim)


class Extremes(tuple):
    """The result of `max(dim)`, `min(dim)` and `topk`: a pair (values, indices)."""

    __slots__ = ()

    @property
    def values(self):
        """The elements."""
        return self[0]

    @property
    def indices(self):
        """Where they were."""
        return self[1]


def tensor_max(x, dim=None, keepdim=False, axis=None, keepdims=False):
    """The largest element, or with `dim` the pair (values, indices) along it."""
    if isinstance(dim, Tensor):
        return maximum(x, dim)
    dim = axis if dim is None else dim
    if dim is None:
        return amax(x, None, keepdim or keepdims)
    return extremes(x, argmax(x, dim, True), dim, keepdim or keepdims)


def tensor_min(x, dim=None, keepdim=False, axis=None, keepdims=False):
    """The smallest element, or with `dim` the pair (values, indices) along it."""
    if isinstance(dim, Tensor):
        return minimum(x, dim)
    dim = axis if dim is None else dim
    if dim is None:
        return turned(amax(turned(x), None, keepdim or keepdims))
    return extremes(x, argmin(x, dim, True), dim, keepdim or keepdims)


def argmin(x, dim=None, keepdim=False, **numpy_names):
    """Where the smallest element is, the first if there are several; int64."""
    return argmax(turned(x), dim, keepdim, **numpy_names)


def turned(x):
    """x in the reverse order: -x, or for whole numbers and booleans ~x, which never overflows."""
    return neg(x) if x.dtype.kind == "f" else logical_not(x)


def extremes(x, indices, dim, keepdim):
    """The elements at `indices` along `dim`, and the indices."""
    values = gather(x, dim, indices)
    return Extremes((values, indices) if keepdim else (squeeze(values, dim), squeeze(indices, dim)))


def topk(x, k, dim=-1, largest=True):
    """The k largest (or smallest) elements along `dim`, in order, as the pair (values, indices)."""
    axis = dims_of(dim, x.ndim)[0]
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"topk: k={k} is not between 0 and the size {x.shape[axis]} of dim {dim}")
    order = np.argsort((turned(x) if largest else x).array, axis=axis, kind="stable")
    indices = wrap(np.take(order, np.arange(k), axis=axis))
    return Extremes((gather(x, axis, indices), indices))


# %% reshape
def one_tuple(sizes):
    """`f(2, 3)` and `f((2, 3))` mean the same: the sizes as a tuple.

    >>> one_tuple((2, 3)), one_tuple(((2, 3),))
    ((2, 3), (2, 3))
    """
    one_list = len(sizes) == 1 and isinstance(sizes[0], (tuple, list))
    return tuple(map(operator.index, sizes[0] if one_list else sizes))


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
        sizes[sizes.index(-1)] = x.size // max(known, 1)
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
def view(x, shape):
    """`reshape` that refuses to copy."""
    result = reshape(x, shape)
    if x.array.size and not np.may_share_memory(result.array, x.array):
        raise ValueError(f"view: {x.shape} cannot become {shape} without a copy: use reshape")
    return result


def flatten(x, start_dim=0, end_dim=-1):
    """Join the dimensions from `start_dim` to `end_dim` into one."""
    if not x.shape:
        return reshape(x, (1,))
    start, end = dims_of((start_dim, end_dim), x.ndim)
    if start > end:
        raise ValueError(f"flatten: dimension {start_dim} comes after dimension {end_dim}")
    joined = math.prod(x.shape[start : end + 1])
    return reshape(x, (*x.shape[:start], joined, *x.shape[end + 1 :]))


@primitive
def permute(x, dims):
    """The dimensions in the order `dims`, as a view."""
    return x.transpose(dims)


@primitive
def squeeze(x, dim=None):
    """Without the dimensions of size 1, or without `dim` if its size is 1, as a view."""
    return np.squeeze(x, tuple(d for d in dims_of(dim, x.ndim) if x.shape[d] == 1))


@primitive
def unsqueeze(x, dim):
    """With a dimension of size 1 inserted before `dim`, as a view."""
    return np.expand_dims(x, dim)


@primitive
def expand(x, shape):
    """Sizes of 1 stretched to `shape`, as a view that cannot be written; -1 leaves a size."""
    old = (1,) * (len(shape) - x.ndim) + x.shape
    new = tuple(o if s == -1 else s for s, o in zip(shape, old))
    if len(shape) < x.ndim or any(o not in (1, n) for o, n in zip(old, new)):
        raise ValueError(f"only a size of 1 can be stretched, and {x.shape} does not fit {shape}")
    return np.broadcast_to(x, new)


@primitive
def triu(x, diagonal=0):
    """The part on and above a diagonal, zeros elsewhere."""
    return np.triu(x, diagonal)


@primitive
def tril(x, diagonal=0):
    """The part on and below a diagonal, zeros elsewhere."""
    return np.tril(x, diagonal)


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
    shapes = [tuple(t.shape) for t in tensors]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"stack: all shapes must be the same, and they are {shapes}")
    dim = dim if axis is None else axis
    return cat([unsqueeze(t, dim) for t in tensors], dim)


def split(x, split_size, dim=0):
    """Cut along `dim` into views of a size (the last may be smaller), or of the sizes in a list."""
    dim = dims_of(dim, x.ndim)[0]
    total, sizes = x.shape[dim], split_size
    if not isinstance(sizes, (list, tuple)):
        sizes = [split_size] * -(-total // split_size)
    elif sum(sizes) != total:
        raise ValueError(f"split: the sizes {sizes} do not add up to the {total} of dim {dim}")
    starts = np.cumsum([0, *sizes]).tolist()
    before = (slice(None),) * dim
    return tuple(
        getitem(x, (*before, slice(start, min(start + size, total))))
        for start, size in zip(starts, sizes)
    )


def chunk(x, chunks, dim=0):
    """Cut along `dim` into `chunks` views of about the same size."""
    return split(x, max(1, -(-x.shape[dim] // chunks)), dim)


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
    """x where the condition is True, else y; all three broadcast."""
    if getattr(condition, "dtype", None) != bool_:
        raise TypeError("a condition holds True and False: compare first, for example x < 0")
    return np.where(condition, x, y)


@primitive
def gather(x, dim, index):
    """y[i][j] = x[i][index[i][j]] along dim 1, and likewise for others and for more dimensions."""
    if index.ndim != x.ndim:
        raise ValueError(f"the index has {index.ndim} dimensions and x has {x.ndim}")
    places = list(np.indices(index.shape, sparse=True))
    places[dim] = index
    return x[tuple(places)]


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
    device = "cpu" if device is None else str(device)
    if not device.startswith("cpu"):
        raise ValueError(f"TinyTorch computes on the CPU only: {device=} does not exist")
    return value


def tensor(data, dtype=None, requires_grad=False, device=None):
    """A new Tensor with a copy of `data`; see `Tensor`."""
    return on_cpu(Tensor(data, requires_grad, dtype), device)


def from_numpy(array):
    """A Tensor that shares memory and dtype with a NumPy array."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise TypeError(f"from_numpy takes an array of numbers, not {type(array).__name__}")
    return wrap(array)


def created(array, dtype=None, requires_grad=False, device=None):
    """What all creation functions do at the end."""
    result = wrap(array if dtype is None else array.astype(dtype, copy=False))
    return on_cpu(result.requires_grad_() if requires_grad else result, device)


def full(size, fill_value, dtype=None, requires_grad=False, device=None):
    """`fill_value` everywhere."""
    array = np.full(one_tuple((size,)), to_array(fill_value))
    return created(array, dtype, requires_grad, device)


def zeros(*size, dtype=None, requires_grad=False, device=None):
    """0 everywhere; float32 unless given."""
    return created(np.zeros(one_tuple(size), float32), dtype, requires_grad, device)


def ones(*size, dtype=None, requires_grad=False, device=None):
    """1 everywhere; float32 unless given."""
    return created(np.ones(one_tuple(size), float32), dtype, requires_grad, device)


def zeros_like(x, dtype=None):
    """0 everywhere, with the shape and dtype of x."""
    return wrap(np.zeros(x.shape, x.dtype if dtype is None else dtype))


def ones_like(x, dtype=None):
    """1 everywhere, with the shape and dtype of x."""
    return wrap(np.ones(x.shape, x.dtype if dtype is None else dtype))


def full_like(x, fill_value, dtype=None):
    """`fill_value` everywhere, with the shape and dtype of x."""
    return wrap(np.full(x.shape, plain(fill_value), x.dtype if dtype is None else dtype))


def arange(start, end=None, step=1, dtype=None, requires_grad=False, device=None):
    """start, start + step, ... without `end`; `arange(n)` is 0 to n - 1."""
    start, end = (0, start) if end is None else (start, end)
    array = to_array(np.arange(plain(start), plain(end), plain(step)))
    return created(array, dtype, requires_grad, device)


def linspace(start, end, steps, dtype=None):
    """`steps` numbers from `start` to `end`, both included."""
    return wrap(np.linspace(start, end, steps).astype(float32 if dtype is None else dtype))


def eye(n, m=None, dtype=None):
    """1 on the diagonal, 0 elsewhere."""
    return wrap(np.eye(n, m, dtype=float32 if dtype is None else dtype))


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
        self.numpy = np.random.default_rng(seed)
        return self

    def spawn(self, count):
        """Independent generators for `count` workers."""
        children = [Generator() for _ in range(count)]
        for child, numpy_child in zip(children, self.numpy.spawn(count)):
            child.numpy = numpy_child
        return children


default_generator = Generator()


def manual_seed(seed):
    """Make all random numbers that follow repeatable."""
    return default_generator.manual_seed(seed)


def numpy_generator(generator=None):
    """The NumPy generator behind a Generator; the default one for None."""
    return (default_generator if generator is None else generator).numpy


def rand(*size, generator=None, dtype=None, requires_grad=False, device=None):
    """Uniform on [0, 1)."""
    dtype = float32 if dtype is None else dtype
    array = numpy_generator(generator).random(one_tuple(size), dtype=dtype)
    return created(array, None, requires_grad, device)


def randn(*size, generator=None, dtype=None, requires_grad=False, device=None):
    """Standard normal: mean 0, variance 1."""
    dtype = float32 if dtype is None else dtype
    array = numpy_generator(generator).standard_normal(one_tuple(size), dtype=dtype)
    return created(array, None, requires_grad, device)


def randint(low, high, size=None, generator=None, device=None):
    """Whole numbers from low to high - 1; `randint(high, size)` begins at 0."""
    low, high, size = (0, low, high) if size is None else (low, high, size)
    array = numpy_generator(generator).integers(low, high, one_tuple((size,)))
    return on_cpu(wrap(array), device)


def randperm(n, generator=None):
    """The numbers 0 to n - 1 in random order."""
    return wrap(numpy_generator(generator).permutation(n))


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
    if not np.isfinite(p).all() or (p < 0).any() or not (p.sum(axis=-1) > 0).all():
        raise ValueError("multinomial: weights must be finite, not negative, and not all 0")
    rng = numpy_generator(generator)
    if replacement or num_samples == 1:
        steps = p.cumsum(axis=-1)[..., None, :]  # (..., 1, C)
        draws = rng.random((*p.shape[:-1], num_samples, 1))  # (..., num_samples, 1)
        return wrap((draws >= steps / steps[..., -1:]).sum(axis=-1))
    if ((p > 0).sum(axis=-1) < num_samples).any():
        raise ValueError(f"multinomial: {num_samples} draws need as many positive weights in a row")
    with np.errstate(divide="ignore"):  # a weight of 0 waits for ever
        waiting = rng.exponential(size=p.shape) / p
    return wrap(waiting.argsort(axis=-1)[..., :num_samples])
