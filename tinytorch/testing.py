"""PyTorch's `testing.assert_close`."""

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
        msg: the message instead of ours.

    Raises:
        AssertionError: shapes, dtypes or numbers differ; the message says where most.

    >>> assert_close(Tensor([1.0]), Tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError("assert_close: give both rtol and atol, or none of them")
    settings = (rtol, atol, equal_nan, check_dtype, msg)
    if isinstance(expected, dict) and isinstance(actual, dict):
        if actual.keys() != expected.keys():
            raise AssertionError(msg or f"the keys differ: {list(actual)} and {list(expected)}")
        for key in expected:
            _pair(actual[key], expected[key], f" at {key!r}", *settings)
    elif isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        if len(actual) != len(expected):
            raise AssertionError(msg or f"the lengths differ: {len(actual)} and {len(expected)}")
        for n, (a, b) in enumerate(zip(actual, expected)):
            _pair(a, b, f" at [{n}]", *settings)
    else:
        _pair(actual, expected, "", *settings)


def _pair(actual, expected, where, rtol, atol, equal_nan, check_dtype, msg):
    a, b = (np.asarray(t.array if isinstance(t, Tensor) else t) for t in (actual, expected))
    if a.shape != b.shape:
        raise AssertionError(msg or f"the shapes differ{where}: {a.shape} and {b.shape}")
    if check_dtype and a.dtype != b.dtype:
        raise AssertionError(msg or f"the dtypes differ{where}: {a.dtype} and {b.dtype}")
    if rtol is None:
        pairs = [TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (a, b)]
        rtol, atol = (max(pair) for pair in zip(*pairs))
    wrong = ~np.isclose(a, b, rtol, atol, equal_nan)
    if wrong.any():
        away = np.abs(a.astype(float) - b.astype(float))
        place = np.unravel_index(np.argmax(np.where(wrong, away, -1)), a.shape)
        told = (
            f"{wrong.sum()} of {wrong.size} numbers differ{where}, most at {list(map(int, place))}"
        )
        raise AssertionError(msg or f"{told}: {a[place]} and {b[place]} ({rtol=}, {atol=})")
