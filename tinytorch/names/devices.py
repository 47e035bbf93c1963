"""Devices and other switches of PyTorch: honest about what is here, the CPU and float32.

What would change nothing is accepted and does nothing; what cannot be had is refused.
"""

import contextlib
import functools
import sys
import types
import warnings

from ..tensor import on_cpu
from .device import device


def no_gpu(x, *args, **named):
    """`x.cuda()`: refused, there is only the CPU.

    Raises:
        ValueError: always.
    """
    raise ValueError("TinyTorch computes on the CPU only: leave .cuda() out, or use .to('cpu')")


def no_bfloat16(x):
    """`x.bfloat16()`: refused, NumPy has no such numbers.

    Raises:
        TypeError: always.
    """
    raise TypeError("NumPy has no bfloat16: use float32")


def itself(x, *args):
    """x itself: there is one process, and one kind of memory."""
    return x


def get_default_device():
    """device("cpu"): there is no other -> a device."""
    return device("cpu")


def set_default_device(device):
    """ "cpu" is accepted; there is no other.

    Raises:
        ValueError: another device.
    """
    on_cpu(None, device)


def get_device(x):
    """-1: the CPU, in PyTorch's words."""
    return -1


def compile(
    model=None,
    *,
    fullgraph=False,
    dynamic=None,
    backend="inductor",
    mode=None,
    options=None,
    disable=False,
):
    """The model itself: there is nothing to compile. Also as a decorator.

    Args:
        model: a Module or a function.
        fullgraph, dynamic, backend, mode, options, disable: accepted and change nothing.

    >>> compile(len) is len
    True
    """
    return (lambda function: function) if model is None else model


def set_float32_matmul_precision(precision):
    """ "highest", "high" or "medium" are accepted and change nothing: products are in float32.

    Raises:
        ValueError: another word.
    """
    if precision not in ("highest", "high", "medium"):
        raise ValueError(f"the precision is 'highest', 'high' or 'medium', not {precision!r}")


def get_float32_matmul_precision():
    """-> "highest"."""
    return "highest"


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accepted and changes nothing: the same seed gives the same bits anyway. Any mode -> None."""


class autocast(contextlib.ContextDecorator):
    """`with autocast(device_type="cpu", dtype=...)`: accepted, and everything stays float32.

    Args:
        device_type: "cpu"; for another one a warning says that it is not there, as in PyTorch.
        dtype, enabled, cache_enabled: accepted and without effect.
    """

    def __init__(self, device_type="cuda", dtype=None, enabled=True, cache_enabled=None):
        kind = device(device_type).type
        if enabled and kind != "cpu":
            told = f"autocast: there is no {kind} device, so everything stays float32"
            warnings.warn(told, stacklevel=2)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None


class GradScaler:
    """Scaling of losses for float16: there is none here, so the scale is 1 and steps are plain.

    Args:
        device: its name, without effect.
        enabled: with True a warning says that nothing is scaled. The others are without effect.
    """

    def __init__(
        self,
        device="cuda",
        init_scale=2.0**16,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2000,
        enabled=True,
    ):
        if enabled:
            told = "GradScaler: gradients are float32 here, so nothing is scaled"
            warnings.warn(told, stacklevel=2)

    def scale(self, outputs):
        """The loss as it is."""
        return outputs

    def unscale_(self, optimizer):
        """Nothing is to be undone."""

    def step(self, optimizer, *args, **named):
        """One step of the optimizer."""
        return optimizer.step(*args, **named)

    def update(self, new_scale=None):
        """The scale stays 1."""

    def get_scale(self):
        """-> 1.0."""
        return 1.0

    def is_enabled(self):
        """-> False."""
        return False

    def state_dict(self):
        """-> {}."""
        return {}

    def load_state_dict(self, state):
        """Nothing is kept."""


def absent(what):
    """A function that refuses: `what` is not there."""

    def refuse(*args, **named):
        raise RuntimeError(f"{what} is not here: TinyTorch computes on one CPU, in one process")

    return refuse


class Room(types.ModuleType):
    """A namespace of PyTorch of which only what is said here exists."""

    def __init__(self, name, **named):
        super().__init__(name)
        vars(self).update(named)

    def __getattr__(self, name):
        told = ", ".join(n for n in vars(self) if n[0] != "_") or "nothing"
        raise AttributeError(f"{self.__name__} has no {name!r} here; it has {told}")


def answers(value):
    """A function that always answers the same."""

    def answer(*args, **named):
        return value

    return answer


def unknown_in(space):
    """The `__getattr__` of a module: the nearest name that it has, or the reason."""

    def look(name):
        from . import unknown

        raise unknown(name, space, list(vars(sys.modules[space])))

    return look


no, nothing = answers(False), answers(None)
missing = functools.partial(Room, is_available=no, device_count=answers(0))
backends = Room(
    "backends",
    mps=Room("backends.mps", is_available=no, is_built=no),
    cudnn=Room(
        "backends.cudnn", is_available=no, version=nothing, enabled=False, allow_tf32=False,
        benchmark=False, deterministic=True,
    ),
    cuda=Room("backends.cuda", is_built=no, matmul=Room("matmul", allow_tf32=False)),
    mkldnn=Room("backends.mkldnn", is_available=no),
)  # fmt: skip
mps = missing("mps", manual_seed=nothing, empty_cache=nothing, synchronize=nothing)
xpu = missing("xpu")
accelerator = missing("accelerator", current_accelerator=nothing)
version = Room("version", cuda=None, hip=None)
jit = Room("jit", script=compile, ignore=compile)
