"""Methods that end in `_`: they write their result over the numbers they were called on.

A leaf that requires grad is never written; a result of recorded operations becomes the result of
one more, unless a view looks into its numbers: see `functions.rewritten`. Random writes, and those
of module 01, are not recorded at all. Under `no_grad` they write, and the version counter notices.
"""

import sys

import numpy as np

from .. import activations, functions
from ..tensor import Tensor, numpy_generator, wrap
from . import further, maths, places
from .creation import holds, probability

core = sys.modules[Tensor.__module__]  # `tinytorch.tensor` is a function

PLAIN = {  # x.name_() writes name(x, ...): the module where `name` stands -> the names
    maths: """acos asin atan ceil cos cosh erf exp2 expm1 floor frac log10 log1p log2 reciprocal
        round rsqrt sign sin sinh square tan trunc addcdiv addcmul addmm fmod lerp nan_to_num
        clamp_max clamp_min""",
    places: "index_add index_copy index_fill index_put scatter scatter_add",
    further: "copysign digamma erfinv lgamma logit renorm scatter_reduce sgn",
    functions: "clamp cumsum tril triu",
    activations: "relu sigmoid tanh",
    core: "exp floor_divide log neg remainder sqrt",
}
OTHER = {"abs": core.tensor_abs, "pow": core.tensor_pow, "clip": functions.clamp}


def writing(name, function):
    """The method `name_` for a function."""

    def method(x, *args, **kwargs):
        result = function(x, *args, **kwargs)
        return functions.rewritten(x, result, f"{name}_", f"t.{name}(...)")

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"`{name}`, written over the numbers; any shape -> the tensor itself."
    return method


METHODS = {
    f"{name}_": writing(name, getattr(module, name))
    for module, names in PLAIN.items()
    for name in names.split()
}
METHODS |= {f"{name}_": writing(name, function) for name, function in OTHER.items()}


def real_only(name, x, width):
    """Refuse whole numbers, which would be cut, and a width of the density that is not positive."""
    if x.dtype.kind != "f" or not width > 0:
        told = f"and this is {x.dtype} with {width}"
        raise ValueError(f"{name} draws real numbers of a positive width, {told}")


def bernoulli_(x, p=0.5, *, generator=None):
    """Make every element 1 with probability p, else 0."""
    fresh = numpy_generator(generator).random(x.shape) < probability("bernoulli_", p)
    return x._write("bernoulli_", "bernoulli(p)", ..., wrap(fresh))


def exponential_(x, lambd=1.0, *, generator=None):
    """Draw every element anew from the density lambd * exp(-lambd * x)."""
    real_only("exponential_", x, lambd)
    fresh = numpy_generator(generator).exponential(1 / lambd, x.shape)
    return x._write("exponential_", "rand(shape)", ..., wrap(fresh))


def geometric_(x, p, *, generator=None):
    """Draw every element anew: how many tries until the first success of probability p."""
    probability("geometric_", p)
    fresh = numpy_generator(generator).geometric(p, x.shape)
    return x._write("geometric_", "rand(shape)", ..., wrap(fresh))


def log_normal_(x, mean=1.0, std=2.0, *, generator=None):
    """Draw every element anew: exp of a normal number."""
    real_only("log_normal_", x, std)
    fresh = numpy_generator(generator).lognormal(mean, std, x.shape)
    return x._write("log_normal_", "randn(shape).exp()", ..., wrap(fresh))


def cauchy_(x, median=0.0, sigma=1.0, *, generator=None):
    """Draw every element anew from a Cauchy distribution."""
    real_only("cauchy_", x, sigma)
    fresh = numpy_generator(generator).standard_cauchy(x.shape) * sigma + median
    return x._write("cauchy_", "rand(shape)", ..., wrap(fresh))


def random_(x, low=None, high=None, *, generator=None):
    """Draw every element anew: whole numbers from `low` (0) to high - 1; `random_(high)` too.

    Without `high`: all that the dtype can hold one by one, 2^24 for float32.
    """
    low, high = (0, low) if high is None else (low, high)
    if high is None:
        most = {"f": 2 ** (np.finfo(x.dtype).nmant + 1)} if x.dtype.kind == "f" else {"b": 1}
        high = 1 + (most.get(x.dtype.kind) or np.iinfo(x.dtype).max)
    holds("random_", low, high, x.dtype)
    fresh = numpy_generator(generator).integers(low, high, x.shape)
    return x._write("random_", "randint(low, high, shape)", ..., wrap(np.asarray(fresh)))


def fill_diagonal_(x, fill_value, wrap=False):
    """Make every element of the main diagonal `fill_value`; of more than 2 sizes, all are equal.

    Raises:
        ValueError: x has no such diagonal. NotImplementedError: wrap=True for a tall matrix.
    """
    if x.ndim < 2 or (x.ndim > 2 and len(set(x.shape)) > 1):
        raise ValueError(f"fill_diagonal_: shape {x.shape} has no main diagonal")
    if wrap and x.shape[0] > x.shape[1]:
        raise NotImplementedError("fill_diagonal_: the diagonal of a tall matrix ends: wrap=False")
    place = np.diag_indices(min(x.shape), x.ndim)
    return x._write("fill_diagonal_", "where(mask, value, t)", place, fill_value)


def masked_scatter_(x, mask, source):
    """Write the first elements of `source` where the mask is True, in reading order."""
    result = places.masked_scatter(x, mask, source)
    return functions.rewritten(x, result, "masked_scatter_", "t.masked_scatter(mask, source)")


def detach_(x):
    """Take x itself out of the graph: it becomes a leaf without a gradient."""
    x.made_by, x.requires_grad = None, False
    return x


def no_reshape(name, arguments):
    """The method `name_`, which would change the shape in place: a tensor keeps its shape."""

    def method(x, *args, **named):
        told = f"write t = t.{name}({arguments}), without the _"
        raise NotImplementedError(
            f"a tensor keeps its shape, so nothing reshapes it in place: {told}"
        )

    method.__name__ = method.__qualname__ = f"{name}_"
    method.__doc__ = f"`t.{name}_({arguments})`: refused. Raises: NotImplementedError: always."
    return method


RESHAPES = {"squeeze": "dim", "unsqueeze": "dim", "transpose": "dim0, dim1", "t": ""}
METHODS |= {f"{name}_": no_reshape(name, arguments) for name, arguments in RESHAPES.items()}
METHODS |= {
    function.__name__: function
    for function in (
        bernoulli_,
        cauchy_,
        exponential_,
        geometric_,
        log_normal_,
        random_,
        fill_diagonal_,
        masked_scatter_,
        detach_,
    )
}
globals().update(METHODS)
