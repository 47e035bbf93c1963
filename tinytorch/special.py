"""PyTorch's `special`, as far as tutorials use it."""

from .activations import log_softmax, sigmoid, softmax
from .names.further import digamma, erfinv, logit, sinc
from .names.further import lgamma as gammaln
from .names.maths import erf, erfc, exp2, expm1, log1p, logsumexp, round, xlogy

__all__ = ["digamma", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p"]
__all__ += ["log_softmax", "logit", "logsumexp", "psi", "round", "sinc", "softmax", "xlogy"]

expit, psi = sigmoid, digamma
