"""PyTorch's `testing.assert_close`."""

import functools

import numpy as np

from .tensor import Tensor

__all__ = ["assert_close"]

TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


def assert_close(
    actual,
    expected,
    *,
    rtol=None,
    atol=None,
    equal_nan=False,
    check_dtype=True,
    check_device=True,
    check_layout=True,
    check_stride=False,
    allow_subclasses=True,
    msg=None,
):
    """Refuse two tensors that differ: |actual - expected| <= atol + rtol * |expected|.

    Args:
        actual, expected: Tensors, arrays or numbers; or lists, tuples and dictionaries of them.
        rtol, atol: both or none; none means PyTorch's, which depend on the dtype.
        equal_nan: let nan be equal to nan.
        check_dtype: the dtypes must agree as well.
        check_stride: the steps in memory must agree as well.
        msg: the message instead of ours, or a function that makes it of ours.

    Raises:
        AssertionError: shapes, dtypes or numbers differ; the message says where most.

    >>> assert_close(Tensor([1.0]), Tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give both rtol and atol, or none of them")
    settings = (rtol, atol, equal_nan, check_dtype, check_stride, msg)
    _compare(actual, expected, "", *settings)


def _compare(actual, expected, where, *settings):
    """`assert_close` of what may be nested."""
    fails = functools.partial(_fail, settings[-1])
    if isinstance(expected, dict) and isinstance(actual, dict):
        if actual.keys() != expected.keys():
            fails(f"the keys differ{where}: {list(actual)} and {list(expected)}")
        for key in expected:
            _compare(actual[key], expected[key], f"{where} at {key!r}", *settings)
    elif isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        if len(actual) != len(expected):
            fails(f"the lengths differ{where}: {len(actual)} and {len(expected)}")
        for n, (a, b) in enumerate(zip(actual, expected)):
            _compare(a, b, f"{where} at [{n}]", *settings)
    elif expected is not None or actual is not None:
        _pair(actual, expected, where, *settings)


def _fail(msg, told):
    """Refuse, with the message of the caller: a text, or a function of ours."""
    raise AssertionError(msg(told) if callable(msg) else msg or told)


def _pair(actual, expected, where, rtol, atol, equal_nan, check_dtype, check_stride, msg):
    fails = functools.partial(_fail, msg)
    a, b = (np.asarray(t.array if isinstance(t, Tensor) else t) for t in (actual, expected))
    if a.shape != b.shape:
        fails(f"the shapes differ{where}: {a.shape} and {b.shape}")
    if check_dtype and a.dtype != b.dtype:
        fails(f"the dtypes differ{where}: {a.dtype} and {b.dtype}")
    if check_stride and a.strides != b.strides:
        fails(f"the strides differ{where}: {a.strides} and {b.strides}, in bytes")
    if rtol is None:
        pairs = [TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (a, b)]
        rtol, atol = (max(pair) for pair in zip(*pairs))
    exact = rtol == atol == 0 and "f" not in (a.dtype.kind, b.dtype.kind)  # beyond 2^53, too
    wrong = a != b if exact else ~np.isclose(a, b, rtol, atol, equal_nan)
    if wrong.any():
        away = np.abs(a.astype(float) - b.astype(float))
        place = np.unravel_index(np.argmax(np.where(wrong, away, -1)), a.shape)
        told = (
            f"{wrong.sum()} of {wrong.size} numbers differ{where}, most at {list(map(int, place))}"
        )
        fails(f"{told}: {a[place]} and {b[place]} ({rtol=}, {atol=})")
