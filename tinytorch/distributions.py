"""PyTorch's `distributions`, as far as tutorials use it: draws, log-probabilities, entropies."""

import math
import sys

import numpy as np

from .activations import log_softmax, softmax
from .autograd import no_grad
from .functions import gather
from .names import unknown
from .names.creation import multinomial
from .names.further import erfinv
from .names.maths import erf
from .nn.functional import binary_cross_entropy_with_logits, softplus
from .tensor import Tensor, numpy_generator, wrap

__all__ = ["Bernoulli", "Categorical", "Distribution", "Exponential", "Independent"]
__all__ += ["MultivariateNormal", "Normal", "Uniform", "kl_divergence"]
FILES = "bernoulli categorical distribution exponential independent kl multivariate_normal normal"

for _file in (FILES + " uniform").split():  # PyTorch's `from torch.distributions.normal import ...`
    sys.modules[f"{__name__}.{_file}"] = sys.modules[__name__]


def __getattr__(name):
    raise unknown(name, __name__, __all__)


def spread(*values):
    """Numbers and Tensors as real Tensors of one shape; numbers get the type of the first."""
    values = [v.float() if isinstance(v, Tensor) and v.dtype.kind != "f" else v for v in values]
    kind = next((v.dtype for v in values if isinstance(v, Tensor)), "f4")
    values = [v if isinstance(v, Tensor) else wrap(np.array(v, kind)) for v in values]
    try:
        shape = np.broadcast_shapes(*(v.shape for v in values))
    except ValueError:
        told = " and ".join(str(v.shape) for v in values)
        raise ValueError(f"the shapes {told} of a distribution do not broadcast") from None
    return [v.expand(shape) if v.shape != shape else v for v in values]


class Distribution:
    """The base: `sample`, `log_prob`, `entropy`, of a batch of distributions.

    Attributes:
        batch_shape: how many distributions. event_shape: the shape of one draw.
    """

    has_rsample = False
    validate_args = True
    batch_shape = event_shape = ()

    def demand(self, good, told, validate_args=None):
        """Refuse parameters, or values, that make no sense; validate_args=False lets them pass."""
        if validate_args is not None:
            self.validate_args = validate_args
        if self.validate_args and not np.all(getattr(good, "array", good)):
            raise ValueError(f"{type(self).__name__}: {told}")

    def shape_of(self, sample_shape):
        """The shape of so many draws."""
        sizes = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        return (*sizes, *self.batch_shape, *self.event_shape)

    @no_grad()
    def sample(self, sample_shape=()):
        """Draws, without a gradient -> sample_shape + batch_shape + event_shape."""
        return self.rsample(sample_shape).detach()

    def rsample(self, sample_shape=()):
        """Draws through which the gradient flows, where there are such."""
        raise NotImplementedError(f"{type(self).__name__} has no draws with a gradient: sample()")

    @property
    def stddev(self):
        """The root of the variance."""
        return self.variance.sqrt()


class Normal(Distribution):
    """Normal distributions. Args: loc and scale, means and standard deviations that broadcast.

    >>> Normal(0.0, 1.0).log_prob(Tensor([0.0]))
    tensor([-0.9189])
    """

    has_rsample = True

    def __init__(self, loc, scale, validate_args=None):
        self.loc, self.scale = spread(loc, scale)
        self.demand(~np.isnan(self.loc.array), "a loc is nan", validate_args)
        self.demand(self.scale > 0, "every scale is above 0")
        self.batch_shape = self.loc.shape

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)
    stddev = property(lambda self: self.scale)
    variance = property(lambda self: self.scale**2)

    def rsample(self, sample_shape=()):
        noise = numpy_generator().standard_normal(self.shape_of(sample_shape))
        return self.loc + wrap(np.asarray(noise.astype(self.loc.dtype))) * self.scale

    def log_prob(self, value):
        """The logarithm of the density at value."""
        away = (value - self.loc) / self.scale
        return -0.5 * away**2 - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def entropy(self):
        """log(scale) + log(2 pi e) / 2."""
        return self.scale.log() + 0.5 * math.log(2 * math.pi * math.e)

    def cdf(self, value):
        """The probability below value."""
        return 0.5 * (1 + erf((value - self.loc) / (self.scale * math.sqrt(2))))

    def icdf(self, value):
        """Below which number the probability is value."""
        return self.loc + self.scale * erfinv(2 * value - 1) * math.sqrt(2)


class Uniform(Distribution):
    """Even distributions. Args: low and high, the ends, which broadcast."""

    has_rsample = True

    def __init__(self, low, high, validate_args=None):
        self.low, self.high = spread(low, high)
        self.demand(self.low < self.high, "every low is below its high", validate_args)
        self.batch_shape = self.low.shape

    mean = property(lambda self: (self.low + self.high) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape=()):
        share = numpy_generator().random(self.shape_of(sample_shape)).astype(self.low.dtype)
        return self.low + wrap(np.asarray(share)) * (self.high - self.low)

    def log_prob(self, value):
        """-log(high - low) inside, -inf outside."""
        self.demand((value >= self.low) & (value <= self.high), "a value is not within low to high")
        inside = (value >= self.low) & (value < self.high)
        return self.entropy().neg().expand(inside.shape).masked_fill(~inside, -math.inf)

    def entropy(self):
        """log(high - low)."""
        return (self.high - self.low).log()


class Exponential(Distribution):
    """rate * exp(-rate * x). Args: rate."""

    has_rsample = True

    def __init__(self, rate, validate_args=None):
        (self.rate,) = spread(rate)
        self.demand(self.rate > 0, "every rate is above 0", validate_args)
        self.batch_shape = self.rate.shape

    mean = property(lambda self: 1 / self.rate)
    variance = property(lambda self: self.rate**-2)

    def rsample(self, sample_shape=()):
        noise = numpy_generator().exponential(size=self.shape_of(sample_shape))
        return wrap(np.asarray(noise.astype(self.rate.dtype))) / self.rate

    def log_prob(self, value):
        """log(rate) - rate * value."""
        self.demand(wrap(np.asarray(getattr(value, "array", value))) >= 0, "a value is below 0")
        return self.rate.log() - self.rate * value

    def entropy(self):
        """1 - log(rate)."""
        return 1 - self.rate.log()


class Categorical(Distribution):
    """Draws of a class. Args: probs (..., C), which need not sum to 1; or logits (..., C).

    >>> Categorical(Tensor([0.25, 0.75])).log_prob(Tensor(1)).exp()
    tensor(0.75)
    """

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Categorical takes either probs or logits")
        given = probs if logits is None else logits
        if given.ndim == 0:
            raise ValueError("Categorical: probs and logits have a dimension for the classes")
        if logits is None:
            good = (probs >= 0).array & (probs.sum(-1, True) > 0).array
            self.demand(good, "probs are at least 0, and not all 0", validate_args)
            self.probs = probs / probs.sum(-1, True)
            tiny = float(np.finfo(self.probs.dtype).eps)
            self.logits = self.probs.clamp(tiny, 1 - tiny).log()
        else:
            self.demand(~np.isnan(logits.array), "a logit is nan", validate_args)
            self.logits = log_softmax(logits, -1)
            self.probs = softmax(logits, -1)
        self.batch_shape = self.logits.shape[:-1]

    mode = property(lambda self: self.probs.argmax(-1))

    @no_grad()
    def sample(self, sample_shape=()):
        """Class numbers -> sample_shape + batch_shape, int64."""
        shape = self.shape_of(sample_shape)
        count = math.prod(shape) // max(1, math.prod(self.batch_shape))
        rows = self.probs.detach().reshape(-1, self.probs.shape[-1])
        return multinomial(rows, count, True).T.reshape(shape)

    def log_prob(self, value):
        """The logarithm of the probability of a class."""
        whole, count = value.long(), self.logits.shape[-1]
        good = (whole == value).array & (value >= 0).array & (value < count).array
        self.demand(good, f"a value is no class from 0 to {count - 1}")
        value = whole.unsqueeze(-1)
        shape = np.broadcast_shapes(value.shape[:-1], self.logits.shape[:-1])
        value = value.expand((*shape, 1))
        return gather(self.logits.expand((*shape, self.logits.shape[-1])), -1, value).squeeze(-1)

    def entropy(self):
        """-sum p log(p)."""
        lowest = float(np.finfo(self.logits.dtype).min)  # 0 * -inf would be nan
        return -(self.probs * self.logits.clamp(min=lowest)).sum(-1)


class Bernoulli(Distribution):
    """Draws of 0 and 1. Args: probs, how likely a 1 is; or logits."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Bernoulli takes either probs or logits")
        if logits is None:
            (self.probs,) = spread(probs)
            good = (self.probs >= 0).array & (self.probs <= 1).array
            self.demand(good, "every probability is from 0 to 1", validate_args)
            tiny = float(np.finfo(self.probs.dtype).eps)
            safe = self.probs.clamp(tiny, 1 - tiny)
            self.logits = safe.log() - (1 - safe).log()
        else:
            (self.logits,) = spread(logits)
            self.demand(~np.isnan(self.logits.array), "a logit is nan", validate_args)
            self.probs = self.logits.sigmoid()
        self.batch_shape = self.probs.shape

    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    @no_grad()
    def sample(self, sample_shape=()):
        """0 and 1 -> sample_shape + batch_shape."""
        chance = numpy_generator().random(self.shape_of(sample_shape))
        return wrap(np.asarray((chance < self.probs.array).astype(self.probs.dtype)))

    def log_prob(self, value):
        """log(p) where value is 1, log(1 - p) where it is 0."""
        logits, value = spread(self.logits, value)
        self.demand((value == 0).array | (value == 1).array, "a value is neither 0 nor 1")
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        """-p log(p) - (1 - p) log(1 - p)."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class MultivariateNormal(Distribution):
    """Normal vectors.

    Args:
        loc: the means, (..., n).
        covariance_matrix, precision_matrix, scale_tril: one of them, (..., n, n); precision is the
            inverse of covariance, and covariance = scale_tril @ scale_tril.mT.
    """

    has_rsample = True

    def __init__(
        self,
        loc,
        covariance_matrix=None,
        precision_matrix=None,
        scale_tril=None,
        validate_args=None,
    ):
        from .linalg import cholesky
        from .names.maths import inverse

        given = [m for m in (covariance_matrix, precision_matrix, scale_tril) if m is not None]
        if len(given) != 1 or loc.ndim == 0 or given[0].shape[-2:] != loc.shape[-1:] * 2:
            told = "loc is (..., n), and one of covariance_matrix, precision_matrix and scale_tril"
            raise ValueError(f"MultivariateNormal: {told} is (..., n, n)")
        if scale_tril is None:
            symmetric = np.isclose(given[0].array, given[0].mT.array, atol=1e-6)
            self.demand(symmetric, "the matrix is not symmetric", validate_args)
            covariance = inverse(given[0]) if covariance_matrix is None else covariance_matrix
            scale_tril = cholesky(covariance)
        lower = np.tril(scale_tril.array) == scale_tril.array
        self.demand(lower, "scale_tril has numbers above its diagonal", validate_args)
        diagonal = np.diagonal(scale_tril.array, 0, -2, -1)
        self.demand(diagonal > 0, "the diagonal of scale_tril is above 0")
        self.batch_shape = np.broadcast_shapes(loc.shape[:-1], scale_tril.shape[:-2])
        self.event_shape = loc.shape[-1:]
        self.loc = loc.expand(self.batch_shape + self.event_shape)
        self.scale_tril = scale_tril.tril().expand(self.batch_shape + self.event_shape * 2)

    variance = property(lambda self: (self.scale_tril**2).sum(-1))
    mean = property(lambda self: self.loc)
    covariance_matrix = property(lambda self: self.scale_tril @ self.scale_tril.mT)

    def rsample(self, sample_shape=()):
        noise = numpy_generator().standard_normal(self.shape_of(sample_shape))
        noise = wrap(np.asarray(noise.astype(self.loc.dtype)))
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def half_logdet(self):
        """The sum of the logarithms of the diagonal."""
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value):
        """The logarithm of the density at value (..., n)."""
        from .names.maths import inverse

        if value.shape[-1:] != self.event_shape:
            raise ValueError(f"the value {value.shape} should be (..., {self.event_shape[0]})")
        away = (inverse(self.scale_tril) @ (value - self.loc).unsqueeze(-1)).squeeze(-1)
        n = self.loc.shape[-1]
        return -0.5 * ((away**2).sum(-1) + n * math.log(2 * math.pi)) - self.half_logdet()

    def entropy(self):
        """n log(2 pi e) / 2 + log(det) / 2."""
        n = self.loc.shape[-1]
        return 0.5 * n * (1 + math.log(2 * math.pi)) + self.half_logdet()


class Independent(Distribution):
    """The last dimensions of a batch as one draw: their log-probabilities are summed.

    Args:
        base_distribution: a distribution. reinterpreted_batch_ndims: how many dimensions.
    """

    def __init__(self, base_distribution, reinterpreted_batch_ndims, validate_args=None):
        base, count = base_distribution, reinterpreted_batch_ndims
        if not 0 <= count <= len(base.batch_shape):
            raise ValueError(f"Independent: {count} dimensions of a batch {base.batch_shape}")
        self.base_dist, self.count = base, count
        self.batch_shape = base.batch_shape[: len(base.batch_shape) - count]
        self.event_shape = base.batch_shape[len(self.batch_shape) :] + base.event_shape

    has_rsample = property(lambda self: self.base_dist.has_rsample)
    mean = property(lambda self: self.base_dist.mean)
    variance = property(lambda self: self.base_dist.variance)

    def summed(self, values):
        """The sum over the last dimensions."""
        return values.sum(tuple(range(-self.count, 0))) if self.count else values

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        """The sum over the last dimensions."""
        return self.summed(self.base_dist.log_prob(value))

    def entropy(self):
        """The sum over the last dimensions."""
        return self.summed(self.base_dist.entropy())


def divergence(p, log_p, q, log_q):
    """p (log p - log q); 0 where p is 0, else infinite where q is 0."""
    some = (p * (log_p - log_q)).masked_fill((q == 0).expand((p + q).shape), math.inf)
    return some.masked_fill((p == 0).expand(some.shape), 0.0)


def kl_divergence(p, q):
    """sum p (log p - log q), of two distributions of one kind -> of the batch shape.

    Raises:
        NotImplementedError: the formula for these two is not here.
    """
    if isinstance(p, Independent) and isinstance(q, Independent) and p.count == q.count:
        return p.summed(kl_divergence(p.base_dist, q.base_dist))
    if isinstance(p, Normal) and isinstance(q, Normal):
        share, away = (p.scale / q.scale) ** 2, ((p.loc - q.loc) / q.scale) ** 2
        return 0.5 * (share + away - 1 - share.log())
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return divergence(p.probs, p.logits, q.probs, q.logits).sum(-1)
    if isinstance(p, Bernoulli) and isinstance(q, Bernoulli):
        (a, b), (c, d) = ((-softplus(-x.logits), -softplus(x.logits)) for x in (p, q))
        ones = divergence(p.probs, a, q.probs, c)
        return ones + divergence(1 - p.probs, b, 1 - q.probs, d)
    kinds = f"{type(p).__name__} and {type(q).__name__}"
    raise NotImplementedError(f"kl_divergence knows Normal, Categorical, Bernoulli, not {kinds}")
