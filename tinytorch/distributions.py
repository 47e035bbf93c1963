"""PyTorch's `distributions`, as far as tutorials use it: draws, log-probabilities, entropies."""

import math

import numpy as np

from .activations import log_softmax, softmax
from .autograd import no_grad
from .functions import gather
from .names import unknown
from .names.creation import multinomial
from .names.further import erfinv
from .names.maths import erf
from .nn.functional import binary_cross_entropy_with_logits
from .tensor import Tensor, numpy_generator, wrap

__all__ = ["Bernoulli", "Categorical", "Distribution", "Exponential", "Independent"]
__all__ += ["MultivariateNormal", "Normal", "Uniform", "kl_divergence"]


def __getattr__(name):
    raise unknown(name, __name__, __all__)


def spread(*values):
    """Numbers and Tensors as Tensors of one shape."""
    values = [v if isinstance(v, Tensor) else wrap(np.array(v, "f4")) for v in values]
    shape = np.broadcast_shapes(*(v.shape for v in values))
    return [v.expand(shape) if v.shape != shape else v for v in values]


class Distribution:
    """The base: `sample`, `log_prob`, `entropy`, of a batch of distributions.

    Attributes:
        batch_shape: how many distributions. event_shape: the shape of one draw.
    """

    has_rsample = False
    batch_shape = event_shape = ()

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
        if not (self.scale.array > 0).all():
            raise ValueError("Normal: every scale is above 0")
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
        self.batch_shape = self.low.shape

    mean = property(lambda self: (self.low + self.high) / 2)
    variance = property(lambda self: (self.high - self.low) ** 2 / 12)

    def rsample(self, sample_shape=()):
        share = numpy_generator().random(self.shape_of(sample_shape)).astype(self.low.dtype)
        return self.low + wrap(np.asarray(share)) * (self.high - self.low)

    def log_prob(self, value):
        """-log(high - low) inside, -inf outside."""
        inside = (value >= self.low) & (value < self.high)
        return (-(self.high - self.low).log() + value * 0).masked_fill(~inside, -math.inf)

    def entropy(self):
        """log(high - low)."""
        return (self.high - self.low).log()


class Exponential(Distribution):
    """rate * exp(-rate * x). Args: rate."""

    has_rsample = True

    def __init__(self, rate, validate_args=None):
        (self.rate,) = spread(rate)
        self.batch_shape = self.rate.shape

    mean = property(lambda self: 1 / self.rate)
    variance = property(lambda self: self.rate**-2)

    def rsample(self, sample_shape=()):
        noise = numpy_generator().exponential(size=self.shape_of(sample_shape))
        return wrap(np.asarray(noise.astype(self.rate.dtype))) / self.rate

    def log_prob(self, value):
        """log(rate) - rate * value."""
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
        if logits is None:
            self.probs = probs / probs.sum(-1, True)
            tiny = float(np.finfo(self.probs.dtype).eps)
            self.logits = self.probs.clamp(tiny, 1 - tiny).log()
        else:
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
        value = value.long().unsqueeze(-1)
        shape = np.broadcast_shapes(value.shape[:-1], self.logits.shape[:-1])
        value = value.expand((*shape, 1))
        return gather(self.logits.expand((*shape, self.logits.shape[-1])), -1, value).squeeze(-1)

    def entropy(self):
        """-sum p log(p)."""
        return -(self.probs * self.logits).sum(-1)


class Bernoulli(Distribution):
    """Draws of 0 and 1. Args: probs, how likely a 1 is; or logits."""

    def __init__(self, probs=None, logits=None, validate_args=None):
        if (probs is None) == (logits is None):
            raise ValueError("Bernoulli takes either probs or logits")
        if logits is None:
            (self.probs,) = spread(probs)
            tiny = float(np.finfo(self.probs.dtype).eps)
            safe = self.probs.clamp(tiny, 1 - tiny)
            self.logits = safe.log() - (1 - safe).log()
        else:
            (self.logits,) = spread(logits)
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
        return -binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self):
        """-p log(p) - (1 - p) log(1 - p)."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class MultivariateNormal(Distribution):
    """Normal vectors. Args: loc (..., n); covariance_matrix or scale_tril, (..., n, n)."""

    has_rsample = True

    def __init__(self, loc, covariance_matrix=None, scale_tril=None, validate_args=None):
        from .linalg import cholesky

        self.loc = loc
        self.scale_tril = cholesky(covariance_matrix) if scale_tril is None else scale_tril
        self.batch_shape, self.event_shape = loc.shape[:-1], loc.shape[-1:]

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
        self.base_dist, self.count = base_distribution, reinterpreted_batch_ndims

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        """The sum over the last dimensions."""
        return self.base_dist.log_prob(value).sum(tuple(range(-self.count, 0)))

    def entropy(self):
        """The sum over the last dimensions."""
        return self.base_dist.entropy().sum(tuple(range(-self.count, 0)))


def kl_divergence(p, q):
    """sum p (log p - log q), of two distributions of one kind -> of the batch shape.

    Raises:
        NotImplementedError: the formula for these two is not here.
    """
    if isinstance(p, Independent) and isinstance(q, Independent):
        return kl_divergence(p.base_dist, q.base_dist).sum(tuple(range(-p.count, 0)))
    if isinstance(p, Normal) and isinstance(q, Normal):
        share, away = (p.scale / q.scale) ** 2, ((p.loc - q.loc) / q.scale) ** 2
        return 0.5 * (share + away - 1 - share.log())
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return (p.probs * (p.logits - q.logits)).sum(-1)
    if isinstance(p, Bernoulli) and isinstance(q, Bernoulli):
        both = zip((p.probs, 1 - p.probs), (q.probs, 1 - q.probs))
        first, second = (a * (a.log() - b.log()) for a, b in both)
        return first + second
    kinds = f"{type(p).__name__} and {type(q).__name__}"
    raise NotImplementedError(f"kl_divergence knows Normal, Categorical, Bernoulli, not {kinds}")
