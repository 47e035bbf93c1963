"""Tensors from nothing, from other tensors, from NumPy and from PyTorch, and back."""

import contextlib
import functools
import math
import sys

import numpy as np

from ..functions import Size, to  # noqa: F401
from ..tensor import (
    Tensor,
    bool_,
    created,
    float32,
    float64,
    from_numpy,
    int32,
    int64,
    numpy_generator,
    on_cpu,
    one_tuple,
    plain,
    to_array,
    uint8,
    wrap,
)
from .twin import Twin

_core = sys.modules[Tensor.__module__]  # `tinytorch.tensor` is a function

# ---------------------------------------------------------------- of a size


def of_size(name):
    """A function of module 01 that also understands `size=` and what has no meaning here."""
    function = getattr(_core, name)

    def make(*sizes, size=None, layout=None, pin_memory=False, memory_format=None, **named):
        return function(*(sizes if size is None else one_tuple((size,))), **named)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = function.__doc__
    return make


zeros, ones, rand, randn = map(of_size, ("zeros", "ones", "rand", "randn"))
empty = of_size("zeros")  # room for numbers holds 0, so that nothing depends on chance
empty.__name__ = empty.__qualname__ = "empty"


def empty_like(input, dtype=None, requires_grad=False, device=None):
    """Room for numbers with the shape and dtype of input; it holds 0. See `zeros_like` for Args:"""
    return full_like(input, 0, dtype, requires_grad, device)


def rand_like(input, dtype=None, generator=None, requires_grad=False, device=None):
    """`rand` with the shape and dtype of input -> a new Tensor."""
    return rand(
        input.shape,
        dtype=dtype or input.dtype,
        generator=generator,
        requires_grad=requires_grad,
        device=device,
    )


def randn_like(input, dtype=None, generator=None, requires_grad=False, device=None):
    """`randn` with the shape and dtype of input -> a new Tensor."""
    return randn(
        input.shape,
        dtype=dtype or input.dtype,
        generator=generator,
        requires_grad=requires_grad,
        device=device,
    )


def randint_like(input, low, high=None, dtype=None, generator=None, device=None):
    """`randint` with the shape and dtype of input -> a new Tensor."""
    low, high = (0, low) if high is None else (low, high)
    made = randint(low, high, input.shape, generator=generator, device=device)
    return to(made, dtype or input.dtype)


def normal(mean, std=1.0, size=None, *, generator=None, dtype=None, device=None):
    """Normal numbers; mean and std are numbers with a size, or Tensors that broadcast.

    Args:
        mean, std: numbers or Tensors; the draw has no gradient with respect to them.
        size: the sizes, if both are numbers.

    Raises:
        ValueError: std is negative.
    """
    like = mean if isinstance(mean, Tensor) else std
    if size is None and not isinstance(like, Tensor):
        raise ValueError("normal: with two numbers, give a size=(...)")
    if size is None:
        shapes = (getattr(v, "shape", ()) for v in (mean, std))
        size, dtype = np.broadcast_shapes(*shapes), dtype or like.dtype
    mean, std = (v.detach() if isinstance(v, Tensor) else v for v in (mean, std))
    if np.any(np.less(plain(std), 0)):
        raise ValueError("normal: std is at least 0, and a negative one is among them")
    return randn(size, generator=generator, dtype=dtype, device=device) * std + mean


def bernoulli(input, p=None, *, generator=None):
    """1 with the probability that input says (or p), else 0; the shape and dtype of input.

    >>> bernoulli(Tensor([0.0, 1.0])).tolist()
    [0.0, 1.0]
    """
    chance = probability("bernoulli", input if p is None else p)
    return wrap((numpy_generator(generator).random(input.shape) < chance).astype(input.dtype))


def probability(name, p):
    """p as NumPy takes it, if it lies from 0 to 1."""
    p = plain(p)
    if not np.all(np.greater_equal(p, 0) & np.less_equal(p, 1)):
        raise ValueError(f"{name}: a probability is a number from 0 to 1: pass x.sigmoid()?")
    return p


def multinomial(input, num_samples, replacement=False, *, generator=None):
    """Draw indices with the given weights: `num_samples` for each row; the order of PyTorch.

    Args:
        input: (..., C) weights, not negative, each row with a positive sum.
        num_samples: how many.
        replacement: whether an index may be drawn twice.
        generator: a Generator to draw from; the one of `manual_seed` for None.

    Returns:
        (..., num_samples), int64.
    """
    if not isinstance(replacement, bool):
        told = f"not {type(replacement).__name__}: a generator is passed as generator="
        raise TypeError(f"multinomial: replacement is True or False, {told}")
    if num_samples < 1:
        raise ValueError(f"multinomial draws at least 1 sample, not {num_samples}")
    return _core.multinomial(input, num_samples, generator, replacement)


def logspace(start, end, steps, base=10.0, dtype=None, requires_grad=False, device=None):
    """base^start ... base^end: `steps` numbers with one factor between neighbours -> (steps,)."""
    array = np.logspace(plain(start), plain(end), steps, base=base)
    return created(array, dtype or float32, requires_grad, device)


def scalar_tensor(value, dtype=None, device=None):
    """A Tensor of no dimensions; float32 unless given -> shape ()."""
    return on_cpu(Tensor(value, dtype=dtype or float32), device)


def full(size, fill_value, dtype=None, requires_grad=False, device=None):
    """`fill_value` everywhere.

    Args:
        size: the sizes, a tuple.
        fill_value: a number, whose kind the result has unless dtype says more.

    Raises:
        ValueError: a size is negative, or `device` is not the CPU.
    """
    array = np.full(one_tuple((size,)), to_array(fill_value))
    return created(array, dtype, requires_grad, device)


def zeros_like(input, dtype=None, requires_grad=False, device=None):
    """0 everywhere, with the shape and dtype of input.

    Args:
        input: a Tensor, whose shape and dtype the result has.
        dtype: another dtype, if given.
    """
    return full_like(input, 0, dtype, requires_grad, device)


def ones_like(input, dtype=None, requires_grad=False, device=None):
    """1 everywhere, with the shape and dtype of input.

    Args:
        input: a Tensor, whose shape and dtype the result has.
        dtype: another dtype, if given.
    """
    return full_like(input, 1, dtype, requires_grad, device)


def full_like(input, fill_value, dtype=None, requires_grad=False, device=None):
    """`fill_value` everywhere, with the shape and dtype of input.

    Args:
        input: a Tensor, whose shape and dtype the result has.
        fill_value: a number.
        dtype: another dtype, if given.
    """
    array = np.full(input.shape, to_array(fill_value), dtype or input.dtype)
    return created(array, None, requires_grad, device)


def arange(start, end=None, step=1, dtype=None, requires_grad=False, device=None):
    """start, start + step, ... without `end`; `arange(n)` is 0 to n - 1.

    Args:
        start, end, step: numbers; the result is int64 if all are whole, else float32.

    Raises:
        ValueError: the step is 0, or leads away from the end.
    """
    start, end = (0, start) if end is None else (start, end)
    first, last, width = plain(start), plain(end), plain(step)
    if width == 0 or (last - first) * width < 0:
        raise ValueError(f"arange: with step {step} it never gets from {start} to {end}")
    array = to_array(np.arange(first, last, width))
    return created(array, dtype, requires_grad, device)


def linspace(start, end, steps, dtype=None, requires_grad=False, device=None):
    """`steps` numbers from `start` to `end`, both included.

    Args:
        start, end: the first and the last number.
        steps: how many, at least 0.
        dtype: float32 unless given.

    Raises:
        ValueError: steps is negative.
    """
    start, end = plain(start), plain(end)
    if dtype is not None and np.dtype(dtype).kind in "iu":  # whole numbers have whole ends
        start, end = int(start), int(end)
    array = np.linspace(start, end, steps)
    return created(array, dtype or float32, requires_grad, device)


def eye(n, m=None, dtype=None, requires_grad=False, device=None):
    """1 on the diagonal, 0 elsewhere.

    Args:
        n, m: rows and columns, as many as rows unless given.
        dtype: float32 unless given.
    """
    return created(np.eye(n, m), dtype or float32, requires_grad, device)


def randint(low=0, high=None, size=None, generator=None, dtype=None, device=None):
    """Whole numbers from low to high - 1; `randint(high, size)` begins at 0.

    Args:
        size: the sizes, a tuple.
        generator: where the numbers come from; the one of `manual_seed` for None.
        dtype: int64 unless given.

    Raises:
        ValueError: there is no number from low to high - 1, or the dtype does not hold them.
        TypeError: the sizes are no tuple.
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"randint: the sizes are a tuple, randint(low, high, (3,)), not {size!r}")
    if not plain(low) < plain(high):
        raise ValueError(f"randint: there is no whole number from {low} to below {high}")
    holds("randint", low, high, dtype or int64)
    array = numpy_generator(generator).integers(plain(low), plain(high), one_tuple((size,)))
    return created(array, dtype, False, device)


def holds(name, low, high, dtype):
    """Refuse numbers from low to high - 1 that a dtype of whole numbers would wrap around."""
    if np.dtype(dtype).kind in "iu" and not (
        np.iinfo(dtype).min <= plain(low) and plain(high) - 1 <= np.iinfo(dtype).max
    ):
        raise ValueError(f"{name}: {np.dtype(dtype)} does not hold all from {low} to {high}")


def randperm(n, generator=None, dtype=None, device=None):
    """The numbers 0 to n - 1 in random order.

    Args:
        n: how many.
        generator: where the numbers come from; the one of `manual_seed` for None.

    Returns:
        (n,), int64.
    """
    if n < 0:
        raise ValueError(f"randperm: there are no {n} numbers")
    order = numpy_generator(generator).permutation(*one_tuple((n,)))
    return created(order, dtype, False, device)


def hinted(function):
    """The function, which also takes hints about memory; they change no number."""

    @functools.wraps(function)
    def make(*args, layout=None, pin_memory=False, memory_format=None, **named):
        return function(*args, **named)

    return make


empty_like, rand_like, randn_like = map(hinted, (empty_like, rand_like, randn_like))
zeros_like, ones_like, full_like = map(hinted, (zeros_like, ones_like, full_like))
full, arange, linspace, logspace, eye = map(hinted, (full, arange, linspace, logspace, eye))
randint, randint_like, randperm = map(hinted, (randint, randint_like, randperm))


# ---------------------------------------------------------------- of the kind of another


def new_zeros(x, *sizes, size=None, dtype=None, requires_grad=False, device=None):
    """0 everywhere, of any size, with the dtype of x."""
    named = {"size": size, "requires_grad": requires_grad, "device": device}
    return zeros(*sizes, dtype=dtype or x.dtype, **named)


def new(x, *sizes):
    """Zeros of any size, or a copy of lists, with the dtype of x: the old way."""
    data = numbers_of("new", sizes)
    return new_zeros(x, *(sizes or (0,))) if data is None else new_tensor(x, data)


def new_ones(x, *sizes, size=None, dtype=None, requires_grad=False, device=None):
    """1 everywhere, of any size, with the dtype of x."""
    named = {"size": size, "requires_grad": requires_grad, "device": device}
    return ones(*sizes, dtype=dtype or x.dtype, **named)


def new_full(x, size, fill_value, dtype=None, requires_grad=False, device=None):
    """`fill_value` everywhere, of any size, with the dtype of x."""
    array = np.full(one_tuple((size,)), to_array(fill_value))
    return created(array, dtype or x.dtype, requires_grad, device)


def new_tensor(x, data, dtype=None, requires_grad=False, device=None):
    """A new Tensor with a copy of `data`, and the dtype of x."""
    return on_cpu(Tensor(data, requires_grad, dtype or x.dtype), device)


# ---------------------------------------------------------------- from and to elsewhere


def as_tensor(data, dtype=None, device=None):
    """`data` as a Tensor: itself if it is one, sharing memory if it is an array, else a copy.

    Args:
        data: a Tensor, an array, nested lists or a number.
        dtype: convert to it.
    """
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    if isinstance(data, Tensor):
        return to(on_cpu(data, device), dtype=dtype)
    return on_cpu(Tensor(data, dtype=dtype), device)


def from_dlpack(data):
    """A Tensor that shares memory with a tensor of any library that knows DLPack.

    Raises:
        TypeError: it does not know DLPack, or holds no numbers.
    """
    if not hasattr(data, "__dlpack__"):
        raise TypeError(f"from_dlpack takes a tensor that knows DLPack, not {type(data).__name__}")
    return from_numpy(np.from_dlpack(data))


def to_dlpack(x, **named):
    """What `torch.from_dlpack(t)` asks for: the numbers, shared; refused if t requires grad."""
    return x.numpy().__dlpack__(**named)


def dlpack_device(x):
    """(1, 0): the CPU, in the words of DLPack."""
    return x.array.__dlpack_device__()


def from_torch(tensor):
    """A Tensor with the numbers of a PyTorch tensor, sharing memory where both can.

    A tensor on another device, or one that requires grad, is copied; so are bfloat16 numbers, as
    float32. The result requires grad if the original does.

    Raises:
        TypeError: it is no tensor of PyTorch.
    """
    if type(tensor).__module__.partition(".")[0] != "torch":
        raise TypeError(f"from_torch takes a tensor of PyTorch, not {type(tensor).__name__}")
    plain = tensor.detach().cpu()
    plain = plain.float() if str(plain.dtype) == "torch.bfloat16" else plain
    return from_numpy(plain.numpy()).requires_grad_(tensor.requires_grad)


def to_torch(x):
    """A PyTorch tensor with the numbers of a Tensor, sharing memory; only here torch is imported.

    The gradient of one library does not flow through the other: the result is a leaf, which
    requires grad if x does.

    Raises:
        ImportError: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise ImportError("to_torch needs PyTorch, which is not installed") from None
    array = x.detach().numpy()
    copied = array if array.flags.writeable and min(array.strides, default=0) >= 0 else array.copy()
    return torch.from_numpy(copied).requires_grad_(x.requires_grad)


# ---------------------------------------------------------------- names of kinds

float16, int8, int16 = np.dtype("float16"), np.dtype("int8"), np.dtype("int16")
dtype = np.dtype
inf, nan, pi, e, newaxis = math.inf, math.nan, math.pi, math.e, None
finfo, iinfo = np.finfo, np.iinfo


class NoDtype:
    """A name for a kind of number that NumPy has not: it may be mentioned, and not used."""

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"tinytorch.{self.name}"

    @property
    def dtype(self):  # NumPy asks for it when the kind is used
        raise TypeError(f"NumPy has no {self.name}: use float32")


bfloat16 = NoDtype("bfloat16")


def numbers_of(name, data):
    """The numbers that `FloatTensor(...)` was given; None if these are sizes.

    Raises:
        TypeError: a tuple of whole numbers, which can be meant as sizes, such as x.shape.
    """
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in data)
    if whole or (len(data) == 1 and isinstance(data[0], Size)):
        return None
    first = data[0]
    if type(first) is tuple and first and all(type(n) is int for n in first):
        told = f"the list {list(first)} for numbers, or the sizes one by one, {name}(*sizes)"
        raise TypeError(f"{name}({first}) could mean sizes or numbers: pass {told}")
    if isinstance(first, (float, bool)):
        raise TypeError(f"{name} takes a list of numbers, or sizes, not {first!r}: write [{first}]")
    return first


class Kind(type):
    """Makes the old names of kinds of Tensors, such as `FloatTensor`."""

    def __instancecheck__(cls, thing):
        return isinstance(thing, Tensor) and thing.dtype == cls.kind

    def __call__(cls, *data, device=None):
        numbers = numbers_of(cls.__name__, data)
        if numbers is None:
            return zeros(*(data or (0,)), dtype=cls.kind, device=device)
        if isinstance(numbers, Tensor) and numbers.dtype != cls.kind:
            raise TypeError(f"{cls.__name__} of a {numbers.dtype} tensor: use x.to({cls.kind})")
        return as_tensor(numbers, cls.kind, device)

    def __repr__(cls):
        return f"torch.{cls.__name__}"


class Sized(Twin):
    """The metaclass of `torch.Tensor`, which can be called with sizes."""

    def __call__(cls, *data, requires_grad=False, dtype=None, device=None):
        on_cpu(None, device)
        if numbers_of("Tensor", data) is None:
            return zeros(*(data or (0,)), dtype=dtype, requires_grad=requires_grad)
        data, *more = data
        requires_grad = more[0] if more else requires_grad
        if isinstance(data, _core.Tensor):
            return to(data.detach(), dtype or float32).requires_grad_(requires_grad)
        return _core.Tensor(data, requires_grad, dtype or float32)


class FloatsTensor(_core.Tensor, metaclass=Sized):
    """`torch.Tensor`: real numbers, float32, of lists or an array; or zeros of some sizes.

    Every Tensor is an instance of it. `tensor(...)`, and the Tensor of module 01, leave whole
    numbers as they are.

    >>> FloatsTensor([[0, 1], [2, 3]]).dtype, FloatsTensor(2, 3).shape
    (dtype('float32'), (2, 3))
    """

    __slots__ = ()
    twin = _core.Tensor


def _maker(name, kind):
    told = f"A new {kind} Tensor: of lists or an array; or of sizes, and then it holds 0. ->"
    return Kind(name, (), {"kind": kind, "__doc__": told, "__module__": __name__})


FloatTensor, DoubleTensor = _maker("FloatTensor", float32), _maker("DoubleTensor", float64)
LongTensor, IntTensor = _maker("LongTensor", int64), _maker("IntTensor", int32)
BoolTensor, ByteTensor = _maker("BoolTensor", bool_), _maker("ByteTensor", uint8)
HalfTensor, ShortTensor = _maker("HalfTensor", float16), _maker("ShortTensor", int16)
CharTensor = _maker("CharTensor", int8)
KINDS = (FloatTensor, DoubleTensor, LongTensor, IntTensor, BoolTensor, ByteTensor)
KINDS = {made.__name__: made for made in (*KINDS, HalfTensor, ShortTensor, CharTensor)}


def type_of(x, dtype=None):
    """`x.type(torch.float)`: x in another dtype; `x.type()`: the name of its type."""
    if dtype is None:
        name = next(n for n, made in KINDS.items() if made.kind == x.dtype)
        return f"torch.{name}"
    if isinstance(dtype, str):
        dtype = KINDS.get(dtype.removeprefix("torch."), dtype)
    return to(x, getattr(dtype, "kind", dtype) if isinstance(dtype, Kind) else dtype)


def to_half(x):
    """As float16."""
    return to(x, float16)


def to_int16(x):
    """As int16."""
    return to(x, int16)


def char(x):
    """As int8."""
    return to(x, int8)


def byte(x):
    """As uint8."""
    return to(x, uint8)


def get_default_dtype():
    """float32 -> the dtype of real numbers unless asked otherwise."""
    return float32


def set_default_dtype(dtype):
    """float32 is the default, and stays it.

    Raises:
        ValueError: another dtype: pass dtype= where a tensor is made, or call model.double().
    """
    if dtype != float32:
        advice = "pass dtype= where a tensor is made, or call model.double()"
        raise ValueError(f"the default is float32 and stays it, not {dtype}: {advice}")


class Generator(_core.Generator):
    """A source of random numbers, as PyTorch makes it: Generator(), Generator(device="cpu").

    >>> Generator().manual_seed(7).initial_seed()
    7
    """

    def __init__(self, seed=None, device=None):
        if isinstance(seed, str):
            seed, device = None, seed
        on_cpu(self, device)
        self.device = "cpu"
        super().__init__(67280421310721 if seed is None else seed)  # PyTorch's first seed

    def manual_seed(self, seed):
        """Begin again at `seed`."""
        self.first = seed
        return super().manual_seed(seed)

    def seed(self):
        """Begin again at a seed drawn by chance, and return it."""
        self.manual_seed(int(np.random.default_rng().integers(2**63)))
        return self.first

    def initial_seed(self):
        """The seed that was set last."""
        return self.first

    def get_state(self):
        """What is needed to go on from here, for `set_state`."""
        return self.numpy.bit_generator.state

    def set_state(self, state):
        """Go on where `get_state` was called."""
        self.numpy.bit_generator.state = state
        return self


def set_default_tensor_type(t):
    """`FloatTensor` is the default, and stays it: see `set_default_dtype`.

    Raises:
        ValueError: another kind.
    """
    name = t.removeprefix("torch.") if isinstance(t, str) else t.__name__
    set_default_dtype(KINDS[name].kind)


def set_printoptions(
    precision=None,
    threshold=None,
    edgeitems=None,
    linewidth=None,
    profile=None,
    sci_mode=None,
):
    """How tensors are printed: handed to NumPy, which prints them.

    Args:
        precision: accepted; tensors are printed with 4 digits.
        threshold, edgeitems, linewidth: as NumPy's.
        profile: "full" prints all elements. sci_mode: False means no 1e-05.
    """
    wanted = {"threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    if profile == "full" and threshold is None:
        wanted["threshold"] = sys.maxsize
    wanted["suppress"] = None if sci_mode is None else not sci_mode
    np.set_printoptions(**{name: value for name, value in wanted.items() if value is not None})


# ---------------------------------------------------------------- rules of kinds and of chance


def promote_types(type1, type2):
    """The dtype for both, by PyTorch's rule: floats win over whole numbers.

    >>> promote_types(int64, float32)
    dtype('float32')
    """
    first, second = np.dtype(type1), np.dtype(type2)
    if (first.kind == "f") != (second.kind == "f"):
        return first if first.kind == "f" else second
    return np.result_type(first, second)


def result_type(x, other):
    """The dtype of x + other.

    >>> result_type(Tensor([1]), 1.0)
    dtype('float32')
    """
    return (x + other).dtype


def can_cast(from_, to):
    """True if the kind of number is not lost: floats do not fit whole numbers.

    >>> can_cast(float32, int64), can_cast(int64, float32)
    (False, True)
    """
    first, second = ("biuf".index(np.dtype(kind).kind) for kind in (from_, to))
    return first <= max(second, 2 if second else 0)


def broadcast_shapes(*shapes):
    """The shape that shapes broadcast to; ValueError if they do not.

    >>> broadcast_shapes((2, 1), (3,))
    (2, 3)
    """
    return tuple(np.broadcast_shapes(*shapes))


def get_rng_state():
    """What `set_rng_state` needs to go on from here -> a dictionary."""
    return numpy_generator().bit_generator.state


def set_rng_state(new_state):
    """Go on where `get_rng_state` was called. Args: new_state, what it returned."""
    numpy_generator().bit_generator.state = new_state


def seed():
    """Begin again at a seed drawn by chance -> the seed."""
    fresh = int(np.random.default_rng().integers(2**63))
    _core.manual_seed(fresh)
    return fresh


def initial_seed():
    """The number that was given to `manual_seed` last, as far as the generator knows it -> int."""
    found = getattr(numpy_generator().bit_generator.seed_seq, "entropy", 0)
    return int(found) if isinstance(found, int) else 0


def poisson(input, generator=None):
    """Draws from Poisson distributions with the rates of input -> the same shape and dtype."""
    return wrap(np.asarray(numpy_generator(generator).poisson(input.array), input.dtype))


class Chance:
    """PyTorch's `random`: `manual_seed`, and `fork_rng`, which leaves the numbers as they were."""

    manual_seed, seed, initial_seed = map(staticmethod, (_core.manual_seed, seed, initial_seed))
    get_rng_state, set_rng_state = map(staticmethod, (get_rng_state, set_rng_state))

    @staticmethod
    @contextlib.contextmanager
    def fork_rng(
        devices=None,
        enabled=True,
        _caller="fork_rng",
        _devices_kw="devices",
        device_type="cuda",
    ):
        """`with fork_rng():` what is drawn inside does not count outside."""
        before = get_rng_state()
        try:
            yield
        finally:
            if enabled:
                set_rng_state(before)


random = Chance
preserve_format, contiguous_format, channels_last, strided = (
    "preserve_format", "contiguous_format", "channels_last", "strided",
)  # fmt: skip
