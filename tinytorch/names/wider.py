"""Functions of the lessons with PyTorch's further arguments: dtype=, correction=, alpha=, out=.

Without these arguments a call goes straight on to the lesson's own function.
"""

import gc
import operator
import sys

import numpy as np

from ..tensor import Tensor, _switch, recording

core = sys.modules[Tensor.__module__]  # `tinytorch.tensor` is a function
HALF = np.dtype("float16")


def functions():
    """The module `functions`, which needs this one's neighbours."""
    from .. import functions as module

    return module


def written(result, out):
    """The result; or `out`, over which it was written; of a pair both.

    Raises:
        ValueError: `out` has another shape. TypeError: the result does not fit its dtype.
    """
    if out is None:
        return result
    if isinstance(result, tuple):
        return type(result)(*map(written, result, out))
    if out.shape != result.shape:
        raise ValueError(f"out= has the shape {out.shape}, and the result has {result.shape}")
    return functions().write_result(out, result, "out=", "the result")


def reducing(name, own):
    """`sum` or `mean`, which know dtype= and out=."""

    def function(input, *args, dtype=None, out=None, **named):
        if dtype is None and name == "mean" and getattr(input, "dtype", None) is HALF:
            mean = functions().to(function(input.float(), *args, **named), HALF)
            return written(mean, out)  # the sum may be larger than any number of float16
        x = input if dtype is None else converted(name, input, dtype)
        result = getattr(core, own)(x, *args, **named)
        result = result if dtype is None else functions().to(result, dtype)  # int32, not int64
        return result if out is None else written(result, out)

    return called(function, name)


def converted(name, x, dtype):
    """x in the dtype to compute in.

    Raises:
        TypeError: a mean in whole numbers, or a gradient that whole numbers have not.
    """
    result = functions().to(x, dtype)
    if result.dtype.kind != "f" and (name == "mean" or (x.requires_grad and recording())):
        raise TypeError(f"{name}: dtype={dtype} is no dtype of real numbers: use float32")
    return result


def called(function, name, module=core):
    """The function under its name, with a docstring that says where the lesson's is."""
    function.__name__ = function.__qualname__ = name
    place = f"tinytorch.{module.__name__.removeprefix('tinytorch.')}"
    function.__doc__ = f"`{name}` of {place}, with PyTorch's further arguments -> a Tensor."
    return function


total, average = reducing("sum", "tensor_sum"), reducing("mean", "mean")


def add(input, other, *, alpha=1, out=None):
    """input + alpha * other, element by element; the shapes broadcast.

    Args:
        input, other: Tensors or numbers. alpha: a number. out: where to write the result.
    """
    result = core.add(input, other if alpha == 1 else core.mul(other, alpha))
    return result if out is None else written(result, out)


def sub(input, other, *, alpha=1, out=None):
    """input - alpha * other, element by element; the shapes broadcast. Args: as for `add`."""
    result = core.sub(input, other if alpha == 1 else core.mul(other, alpha))
    return result if out is None else written(result, out)


def rsub(input, other, *, alpha=1):
    """other - alpha * input: the other way round. Args: as for `add`."""
    return sub(other, input, alpha=alpha)


def with_out(name):
    """A function of two tensors that knows out=."""

    def function(input, other, *, out=None):
        result = getattr(core, name)(input, other)
        return result if out is None else written(result, out)

    return called(function, name)


mul, matmul, maximum, minimum = map(with_out, ("mul", "matmul", "maximum", "minimum"))


def converting(name):
    """`softmax` or `log_softmax`, which know dtype=."""

    def function(input, *args, dtype=None, **named):
        if dtype is not None:
            input = converted(name, input, dtype)
        return core.later("activations", name)(input, *args, **named)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`activations.{name}`, which knows dtype= as well -> a Tensor."
    return function


softmax_of, log_softmax_of = converting("softmax"), converting("log_softmax")


def masked_fill(input, mask, value):
    """Where the mask is True `value`, else input; the dtype stays, so 1.5 in whole numbers is 1.

    Args:
        input: any shape. mask: booleans, which broadcast. value: a number.

    Raises:
        ValueError: the value does not fit, as -inf in whole numbers. TypeError: it requires grad.
    """
    return core.masked_fill(input, mask, filling("masked_fill", input, value))


def filling(name, x, value):
    """What fills places of x: of whole numbers and booleans, a single number in the same dtype.

    As PyTorch cuts it: 1.5 to the whole number 1, and a number that is not 0 to the boolean True.
    """
    if getattr(getattr(x, "dtype", None), "kind", "f") not in "biu":
        return value
    number = core.plain(value)
    if isinstance(number, np.ndarray) and not number.ndim:
        number = number.item()
    if not isinstance(number, int | float):
        return value
    if recording() and getattr(value, "requires_grad", False):
        told = f"{x.dtype} has no gradient, and the value requires one"
        raise TypeError(f"{name}: {told}: use x.float()")
    if x.dtype.kind != "b":
        low, high = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
        low = low or (isinstance(number, int) and -high)  # -1 in bytes is 255
        if not low <= number <= high:
            told = "use a number that does, or x.float()"
            raise ValueError(f"{name}: {number} does not fit into {x.dtype}: {told}")
        number = int(number)
    return core.wrap(np.asarray(number).astype(x.dtype))


def cat(tensors, dim=0, *, axis=None, out=None):
    """`cat` of module 01, where an empty vector, as `tensor([])` is, joins tensors of any shape.

    Args:
        tensors: a list of Tensors. dim: where the sizes add up. out: where to write the result.
    """
    dim = dim if axis is None else axis
    if isinstance(tensors, list | tuple):
        shapes = [getattr(t, "shape", ()) for t in tensors]
        whole = max(shapes, key=len, default=())
        if (0,) in shapes and len(whole) > 1 and dim in range(-len(whole), len(whole)):
            place = range(len(whole))[dim]
            empty = (*whole[:place], 0, *whole[place + 1 :])
            tensors = [core.reshape(t, empty) if s == (0,) else t for t, s in zip(tensors, shapes)]
    result = core.cat(tensors, dim)
    return result if out is None else written(result, out)


def flatten(input, start_dim=0, end_dim=-1):
    """`flatten` of module 01; the tensor itself where there is nothing to join.

    Args:
        start_dim, end_dim: the first and the last dimension to join.
    """
    result = core.flatten(input, start_dim, end_dim)
    return input if result.ndim == input.ndim else result


def prod(input, dim=None, keepdim=False, *, dtype=None):
    """The product of all elements, or along `dim`. Args: dtype, to convert first."""
    from . import maths

    if dtype is None:
        return maths.prod(input, dim, keepdim)
    return functions().to(maths.prod(converted("prod", input, dtype), dim, keepdim), dtype)


def comparing(name, function):
    """`x == other` or `x != other`; what holds no numbers, such as None, is never equal."""

    def method(x, other):
        if other is None or isinstance(other, str | list | tuple | dict):
            return NotImplemented
        return getattr(core, function)(x, other)

    method.__name__, method.__doc__ = name, comparing.__doc__
    return method


def take_over(self, value):
    """`x.data = value`: x has the numbers and the dtype of a Tensor from now on, in its memory.

    An array or lists are copied, in the dtype of x.

    Raises:
        TypeError: x requires grad, and these are no real numbers.
    """
    if not isinstance(value, Tensor):
        value = Tensor(value, dtype=self.dtype)
    if self.requires_grad and value.dtype.kind != "f":
        raise TypeError(f".data = value: this tensor requires grad, and the value is {value.dtype}")
    self.array, self.version = value.array, value.version


# ---------------------------------------------------------------- reading and writing a part


def is_number(item):
    """Whether it is one whole number: Python's, NumPy's, or a Tensor without dimensions."""
    if isinstance(item, Tensor | np.generic | np.ndarray):
        return item.ndim == 0 and item.dtype.kind in "iu"
    return isinstance(item, int) and not isinstance(item, bool)


def is_single(item):
    """Whether it is a Tensor or an array that holds one whole number, without dimensions."""
    return getattr(item, "shape", None) == () and item.dtype.kind in "iu"


def is_list(item):
    """Whether it picks several places: a list, an array or a Tensor of numbers, or a mask."""
    return isinstance(item, list) or getattr(item, "ndim", 0) > 0


PLAIN = {int, slice, type(None), type(Ellipsis)}  # what means the same everywhere


def index_of(x, index):
    """An index as NumPy has to be told it, so that it means what it means in PyTorch.

    A list with more than numbers in it stands for a tuple. Bytes are a mask. A Tensor without
    dimensions is a number, so `x[t]` is a view. Beside lists and masks, whole numbers are taken
    first: `x[0, :, [1, 2]]` is `x[0][:, [1, 2]]`.
    """
    if isinstance(index, Tensor) and index.dtype.kind in "ib":  # the usual ids and masks
        return int(index.array) if is_single(index.array) else index
    if isinstance(index, np.signedinteger):
        return int(index)
    if isinstance(index, tuple) and PLAIN.issuperset(map(type, index)):
        return index
    if isinstance(index, list) and not all(isinstance(i, int | float | np.generic) for i in index):
        index = tuple(index)
    items = index if isinstance(index, tuple) else (index,)
    if any(is_bytes(i) for i in items):
        items = index = tuple(core.plain(i).astype(bool) if is_bytes(i) else i for i in items)
    if any(map(is_single, items)):
        items = tuple(int(i) if is_single(i) else i for i in items)
        index = items if isinstance(index, tuple) else items[0]
    mixed = any(is_number(i) for i in items) and any(is_list(i) for i in items)
    if len(items) < 3 or not mixed or any(isinstance(i, bool) for i in items):
        return index
    numbers, rest = [], []
    for item in items:
        if is_number(item):
            numbers.append(int(item))
            continue
        rest.append(core.plain(item))
        if item is Ellipsis:
            numbers.append(item)
        elif item is not None:  # a mask stands for as many dimensions as it has
            mask = is_list(item) and np.asarray(rest[-1]).dtype == bool
            numbers += [slice(None)] * (np.ndim(rest[-1]) if mask else 1)
    places = np.arange(x.array.size).reshape(x.shape)[tuple(numbers)][tuple(rest)]
    return np.unravel_index(places, x.shape)


def is_bytes(item):
    """Whether it is a tensor of bytes, even of one: these are truth values to PyTorch."""
    return getattr(item, "dtype", None) == np.uint8 and not isinstance(item, np.generic)


def part(x, index):
    """`x[index]`, see `index_of`: a view for numbers and slices, a copy for lists and masks.

    NumPy may leave such a copy in another order in memory; here it is the usual one.
    """
    if isinstance(index, int | slice):
        return core.getitem(x, index)
    found = core.getitem(x, index := index_of(x, index))
    items = index if isinstance(index, tuple) else (index,)
    if not found.array.flags.c_contiguous and any(map(is_list, items)):
        found.array = np.ascontiguousarray(found.array)
    return found


def set_part(x, index, value):
    """`x[index] = value`: recorded where x is the result of recorded steps, or value is.

    Raises:
        RuntimeError: x is a leaf that requires grad, or another tensor looks into its numbers.
    """
    index = index_of(x, index)
    if getattr(value, "ndim", 0) and value.shape[0] == 1:  # sizes of 1 in front are left out
        ndim = x.array[core.plain(index)].ndim
        while value.ndim > ndim and value.shape[0] == 1:
            value = value[0]
    wants = recording() and (x.requires_grad or getattr(value, "requires_grad", False))
    if wants and x.requires_grad and x.is_leaf:
        raise RuntimeError(
            "t[index] = value is not recorded for a leaf that requires grad: use "
            "where(mask, value, t), or write under `with tinytorch.no_grad():`"
        )
    if not wants:
        x._write("t[index] = value", "where(mask, value, t)", core.plain(index), value)
        return
    from .places import put_part, spoken

    value = value if isinstance(value, Tensor) else core.wrap(core.to_array(value, x.dtype))
    with spoken("put_part", "t[index] = value"):
        result = put_part(x, functions().to(value, x.dtype), index)
    if onlookers(x):
        told = "a view looks into these numbers: use a clone(), or write under no_grad()"
        if is_part(x):
            told = f"{PART}: use one step there, as A[i, j] = value, or write under no_grad()"
        raise RuntimeError(
            f"t[index] = value is not recorded, and a gradient would be lost: {told}"
        )
    renewed(x, result)


def changing(name, sign):
    """`x += other`: x itself changes; if that is recorded, it becomes the result of one more step.

    The shape and the dtype of x stay. A part of another tensor is changed where it has no name,
    as in y[2] += 1, which Python ends with y.__setitem__; a view that has one is refused.
    """
    own = vars(core.Tensor).get(name) or plainly(name, sign)

    def method(x, other):
        nameless = sys.getrefcount(x) <= 3  # the caller's, `x` here, and the question
        result = own(x, other)
        if result.shape != x.shape:
            raise ValueError(f"{name}: the result is {result.shape} and does not fit {x.shape}")
        if result is x:  # written already: nothing is recorded
            return x
        core.require_kind(x, result, sign, "a new name for the result")
        if result.dtype != x.dtype:
            result = functions().to(result, x.dtype)
        others = onlookers(x) if functions().is_shared(x, result) else []
        if only_detached(x, others):
            return renewed(x, result, others)
        inner = (nameless or sys.gettrace()) and x.array.base is not None  # debuggers hold x, too
        if inner and any(t.array.size >= x.array.size for t in others):
            return result  # y.__setitem__ comes next
        told = "looks into these numbers, and would not change with them"
        raise RuntimeError(f"{sign}: another tensor {told}: use t = t {sign[:-1]} value")

    method.__name__, method.__doc__ = name, changing.__doc__
    return method


def plainly(name, sign):
    """The method of an operator that no lesson has in place, such as `x **= other`."""
    operation = getattr(operator, name.replace("__i", "__"))

    def method(x, other):
        result = operation(x, other)
        if result.requires_grad and not (x.requires_grad and x.is_leaf):
            return result
        return core.write_result(x, result, sign, "a new name for the result")

    return method


def only_detached(x, others):
    """True if all others, who share the numbers of x, are what x.detach() made."""
    return all(t.array is x.array and not t.requires_grad for t in others)


def renewed(x, result, others=()):
    """x itself, with the numbers of `result` and its place in the graph; others get the numbers."""
    if x.made_by is not None and x.made_by.result is not None and result.made_by is not None:
        result.made_by.result, x.made_by.result = x.made_by.result, None  # of retain_grad()
    x.array, x.version, x.made_by = result.array, result.version, result.made_by
    x.requires_grad = result.requires_grad
    for t in others:
        t.array, t.version = x.array, x.version
    return x


PART = "this is a part of another tensor"


def is_part(x):
    """Whether x shows numbers of another Tensor, as A[0] and A.T do."""
    part = x.array.base is not None
    return part and any(t.array.size >= x.array.size for t in onlookers(x))


def onlookers(x):
    """The other Tensors that share the numbers of x.

    Views share the counter of writes; Python's collector knows who holds it.
    """
    if _switch.watched or sys.getrefcount(x.version) <= 2:  # a Trace holds every view
        return []
    return [t for t in gc.get_referrers(x.version) if isinstance(t, Tensor) and t is not x]


# ---------------------------------------------------------------- the graph


def backward(x, *args, inputs=None, **named):
    """`x.backward()` of module 06; with `inputs` these tensors alone get a gradient.

    Args:
        args, named: gradient, retain_graph, create_graph, as in module 06.
        inputs: a Tensor or several.
    """
    if inputs is None:
        core.later("autograd", "backward")(x, *args, **named)
        return
    named |= zip(("grad_outputs", "retain_graph", "create_graph"), args)
    if "gradient" in named:
        named["grad_outputs"] = named.pop("gradient")
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    found = functions().grad(x, inputs, allow_unused=True, **named)
    for t, g in zip(inputs, found):
        if g is not None:
            t.grad = g if t.grad is None else t.grad.add_(g)


class Accumulate:
    """The end of the graph: what adds up the gradient of a leaf, its `variable`."""

    def __init__(self, leaf):
        self.variable = leaf

    next_functions = ()

    def name(self):
        """As PyTorch calls it."""
        return "AccumulateGrad"

    def __repr__(self):
        return "<AccumulateGrad>"


def no_deepcopy(call, memo):
    """A copy of the graph would send its gradients to copies of the leaves, where nobody looks."""
    raise RuntimeError(
        f"deepcopy would lose the gradient of what {call.primitive} made: use t.clone(), which "
        "keeps it, or copy t.detach()"
    )


def next_functions(call):
    """The pairs (where a gradient goes on, 0) of a Call; (None, 0) where none is wanted."""
    ends = (s if s is None or hasattr(s, "kept") else Accumulate(s) for s in call.inputs)
    return tuple((end, 0) for end in ends)


METHODS = {
    "backward": backward,
    "sum": total, "mean": average, "add": add, "sub": sub, "subtract": sub,
    "prod": prod, "masked_fill": masked_fill, "__getitem__": part, "__setitem__": set_part,
    "var": core.calls("variance", "functions"),
    "flatten": flatten, "softmax": softmax_of,
    "log_softmax": log_softmax_of, "div": core.calls("divided", "functions"),
    "divide": core.calls("divided", "functions"),
}  # fmt: skip
SIGNS = {
    "__iadd__": "+=", "__isub__": "-=", "__imul__": "*=", "__itruediv__": "/=", "__ipow__": "**=",
    "__ifloordiv__": "//=", "__imod__": "%=", "__iand__": "&=", "__ior__": "|=", "__ixor__": "^=",
    "__ilshift__": "<<=", "__irshift__": ">>=",
}  # fmt: skip
METHODS |= {name: changing(name, sign) for name, sign in SIGNS.items()}
METHODS["data"] = property(core.Tensor.data.fget, take_over)
METHODS |= {"__eq__": comparing("__eq__", "eq"), "__ne__": comparing("__ne__", "ne")}

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
core.Call.next_functions = property(next_functions)
core.Call.name = lambda call: call.primitive
core.Call.__deepcopy__ = no_deepcopy
