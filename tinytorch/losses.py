# Written by tito export from modules/04_losses/losses.ipynb. Edit the notebook, not this file.

"""How wrong, in one number."""

__all__ = [
    "reduced",
    "need_same_shape",
    "mse_loss",
    "l1_loss",
    "nll_of_targets",
    "average_over_kept",
    "checked_targets",
    "smoothed",
    "cross_entropy",
    "binary_cross_entropy_with_logits",
    "accuracy",
    "MSELoss",
    "L1Loss",
    "CrossEntropyLoss",
    "BCEWithLogitsLoss",
]


# %% imports
import math

import numpy as np

from . import messages
from .activations import log_softmax
from .layers import Module
from .tensor import primitive


# %% helpers
def reduced(values, reduction):
    """The switch of all losses: the mean of the values, their sum, or the values themselves.

    Args:
        values: a Tensor or an array, one value per element.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: there is no such reduction.

    >>> float(reduced(np.array([1.0, 2.0, 6.0]), "mean"))
    3.0
    """
    if reduction == "mean":
        return values.mean()
    if reduction == "sum":
        return values.sum()
    if reduction == "none":
        return values
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


def need_same_shape(loss, prediction, target):
    """Refuse two shapes that differ, also where they would broadcast.

    Args:
        loss: the name of the loss, for the message.
        prediction, target: Tensors or arrays.

    Raises:
        ValueError: names both shapes, and says what to do if the elements are the same.
    """
    mine, other = np.shape(prediction), np.shape(target)
    if mine != other:
        same_size = math.prod(mine) == math.prod(other)
        advice = f": target.reshape({mine}) would fit" if same_size else ""
        raise ValueError(f"{loss}: shapes {mine} and {other} differ, and none is broadcast{advice}")


# %% mse_loss
def mse_loss(prediction, target, reduction="mean"):
    """mse_loss = mean((prediction - target)^2).

    Args:
        prediction, target: Tensors of one shape, any.
        reduction: "mean", "sum", or "none" for a value per element.

    Returns:
        A Tensor: one number, or the shape of the input for "none".

    Raises:
        ValueError: the shapes differ, or there is no such reduction.

    Source: Legendre 1805.

    >>> from tinytorch.tensor import Tensor
    >>> mse_loss(Tensor([2.0, 0.0, -1.0]), Tensor([1.0, 0.0, 1.0]), "sum").item()
    5.0
    """
    need_same_shape("mse_loss", prediction, target)
    difference = prediction - target
    return reduced(difference * difference, reduction)


# %% l1_loss
def l1_loss(prediction, target, reduction="mean"):
    """l1_loss = mean(abs(prediction - target)); arguments and errors as in `mse_loss`.

    >>> from tinytorch.tensor import Tensor
    >>> l1_loss(Tensor([2.0, 0.0, -1.0]), Tensor([1.0, 0.0, 1.0])).item()
    1.0
    """
    need_same_shape("l1_loss", prediction, target)
    return reduced(abs(prediction - target), reduction)


# %% nll_of_targets
def nll_of_targets(log_probs, targets):
    """nll = -log_probs[..., target]: the surprise at each target.

    Args:
        log_probs: array (..., C), logarithms of probabilities; the classes are the last dimension.
        targets: array (...), whole numbers from 0 to C - 1.

    Returns:
        An array (...): one number per target, the dtype that of log_probs.

    >>> log_probs = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    >>> nll_of_targets(log_probs, np.array([1, 2])).round(3)
    array([1.609, 0.223])
    """
    picked = np.take_along_axis(log_probs, targets[..., None], axis=-1)  # (..., 1)
    return -picked[..., 0]  # (..., 1) -> (...,)


# %% average_over_kept
def average_over_kept(values, kept):
    """average = sum of the kept values / how many are kept; 0.0 if none is.

    Args:
        values: array of any shape; what stands where `kept` is False does not matter, nan included.
        kept: boolean array of the same shape, True where the value counts.

    Returns:
        One number, of the values' dtype if they are floats.

    >>> values = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
    >>> kept = np.array([[True, True, True], [True, False, False]])
    >>> float(average_over_kept(values, kept))
    2.5
    """
    counted = values[kept]
    return counted.sum() / max(len(counted), 1)


# %% targets
def checked_targets(logits, targets, ignore_index=-100):
    """Which targets count; targets that cannot be meant are refused.

    Args:
        logits: array (..., C). targets: array (...), class numbers, or `ignore_index`.

    Returns:
        A boolean array (...): True where the target is not `ignore_index`.

    Raises:
        ValueError: the shapes do not fit, or a target is not the number of a class.
        TypeError: the targets are not an array of whole numbers.

    >>> checked_targets(np.zeros((3, 10)), np.array([7, -100, 0]))
    array([ True, False,  True])
    """
    if not isinstance(targets, np.ndarray):
        raise TypeError(f"targets are class numbers, Tensor([...]), not a {type(targets).__name__}")
    if targets.shape != logits.shape[:-1]:
        raise ValueError(messages.wrong_targets(logits.shape, targets.shape))
    if targets.dtype.kind not in "iu":
        raise TypeError(f"targets are class numbers, integers, not {targets.dtype}: targets.long()")
    kept, last = targets != ignore_index, logits.shape[-1] - 1
    wrong = kept & ((targets < 0) | (targets > last))
    if wrong.any():
        bad = targets[wrong][0]
        advice = f"ignore_index={bad} skips it" if bad < 0 else "too few outputs in the last layer?"
        raise ValueError(f"target {bad} is not a class, 0 to {last}: {advice}")
    return kept


def smoothed(values, log_probs, share):
    """(1 - share) * values + share * mean(-log_probs): label smoothing.

    Args:
        values: array (...), the surprise at each target. log_probs: array (..., C).
        share: how much of the target's probability goes to all classes alike, 0 to 1.

    Raises:
        ValueError: the share is not between 0 and 1.

    Source: Szegedy et al. 2015.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"label_smoothing is a share between 0 and 1, not {share}")
    if share == 0:
        return values
    return (1 - share) * values - share * log_probs.mean(axis=-1)


# %% cross_entropy
@primitive
def cross_entropy(logits, targets, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
    """cross_entropy = mean over the kept targets of -log(softmax(logits)[target]).

    Args:
        logits: scores (..., C), any finite numbers; the classes are the last dimension.
        targets: class numbers (...), whole numbers from 0 to C - 1, or `ignore_index`.
        ignore_index: the target that says "leave this position out".
        label_smoothing: the share of the target's probability that goes to all classes alike.
        reduction: "mean" over the kept positions, "sum", or "none" for a value per position.

    Returns:
        One number, or (...) for "none", with 0 where the target is ignored. The mean of no kept
        position is 0.0 (in PyTorch nan).

    Raises:
        ValueError: shapes that do not fit, a target that is no class, a share outside 0 to 1.
        TypeError: targets that are not whole numbers.

    Source: Good 1952 for the score; Bridle 1990 with softmax; Szegedy et al. 2015 for smoothing.

    >>> from tinytorch.tensor import Tensor
    >>> cross_entropy(Tensor([[0.0, 0.0], [500.0, 0.0]]), Tensor([1, 1]), reduction="none")
    tensor([  0.6931, 500.    ])
    """
    kept = checked_targets(logits, targets, ignore_index)
    log_probs = log_softmax.on_arrays(logits, -1)  # (..., C)
    values = nll_of_targets(log_probs, np.where(kept, targets, 0))  # (...,)
    values = np.where(kept, smoothed(values, log_probs, label_smoothing), 0)
    loss = average_over_kept(values, kept) if reduction == "mean" else reduced(values, reduction)
    return loss, log_probs


# %% binary_cross_entropy_with_logits
@primitive(promote=True)
def binary_cross_entropy_with_logits(logits, targets, reduction="mean"):
    """bce = mean of max(x, 0) - x y + log(1 + exp(-abs(x))), x the logits and y the targets.

    That is -(y log(sigmoid(x)) + (1 - y) log(1 - sigmoid(x))), without overflow for any x, and
    without losing a tiny loss: for x = 20 and y = 1 it is 2e-9, in float32 too.

    Args:
        logits: scores for "yes", any shape, any finite numbers.
        targets: the same shape; 1 for yes, 0 for no, or a probability between them.
        reduction: "mean", "sum", or "none" for a value per element.

    Returns:
        One number, or the shape of the input for "none".

    Raises:
        ValueError: the shapes differ, or a target is not between 0 and 1.

    >>> from tinytorch.tensor import Tensor
    >>> binary_cross_entropy_with_logits(Tensor([0.0, 2.0]), Tensor([1.0, 0.0]), reduction="none")
    tensor([0.6931, 2.1269])
    """
    need_same_shape("binary_cross_entropy_with_logits", logits, targets)
    outside = targets[(targets < 0) | (targets > 1)]
    if outside.size:
        raise ValueError(f"targets are 0 for no, 1 for yes, or between: not {outside[0]}")
    values = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
    return reduced(values, reduction)


# %% accuracy
def accuracy(logits, targets, ignore_index=-100):
    """accuracy = the share of the kept targets where argmax(logits) is the target.

    Args:
        logits: scores (..., C), a Tensor or an array.
        targets: class numbers (...), or `ignore_index`.

    Returns:
        A Python number between 0 and 1; 0.0 if no target is kept.

    Raises:
        ValueError, TypeError: for targets that do not fit, as in `cross_entropy`.

    >>> from tinytorch.tensor import Tensor
    >>> accuracy(Tensor([[1.0, 5.0], [3.0, 2.0], [0.0, 4.0]]), Tensor([1, 1, -100]))
    0.5
    """
    scores, targets = (getattr(t, "array", t) for t in (logits, targets))
    kept = checked_targets(scores, targets, ignore_index)
    right = scores.argmax(axis=-1) == targets  # (..., C) -> (...,)
    return float(average_over_kept(right, kept))


# %% modules
class MSELoss(Module):
    """`mse_loss` as a module: MSELoss(reduction)(prediction, target).

    Two Tensors of one shape -> one number, or with reduction="none" that shape.

    Raises:
        ValueError: the shapes differ, or the reduction is unknown.
    """

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, prediction, target):
        return mse_loss(prediction, target, self.reduction)


class L1Loss(Module):
    """`l1_loss` as a module: L1Loss(reduction)(prediction, target).

    Two Tensors of one shape -> one number, or with reduction="none" that shape.

    Raises:
        ValueError: the shapes differ, or the reduction is unknown.
    """

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, prediction, target):
        return l1_loss(prediction, target, self.reduction)


class CrossEntropyLoss(Module):
    """`cross_entropy` as a module: CrossEntropyLoss(...)(logits, targets).

    >>> from tinytorch.tensor import Tensor
    >>> loss = CrossEntropyLoss(label_smoothing=0.1)
    >>> round(loss(Tensor([[2.0, 1.0, 0.1]]), Tensor([0])).item(), 4)
    0.5137
    """

    def __init__(self, ignore_index=-100, label_smoothing=0.0, reduction="mean"):
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing
        self.reduction = reduction

    def forward(self, logits, targets):
        settings = (self.ignore_index, self.label_smoothing, self.reduction)
        return cross_entropy(logits, targets, *settings)


class BCEWithLogitsLoss(Module):
    """`binary_cross_entropy_with_logits` as a module: BCEWithLogitsLoss()(logits, targets).

    Two Tensors of one shape, targets from 0 to 1 -> one number.

    Raises:
        ValueError: the shapes differ, or the reduction is unknown.
    """

    def __init__(self, reduction="mean"):
        self.reduction = reduction

    def forward(self, logits, targets):
        return binary_cross_entropy_with_logits(logits, targets, self.reduction)
