"""Functions under the names, and with the arguments, that PyTorch gives them.

The work is done by the functions of the course; what is written out here only bridges a
difference. Everything else is the function of the course itself.
"""

import math

import numpy as np

from .. import activations, attention, embeddings, losses, transformers
from ..activations import sigmoid, tanh
from ..attention import boolean, scores_shape
from ..autograd import no_grad
from ..functions import gather, is_shared, norm, rule, to
from ..layers import Dropout, linear
from ..losses import checked_targets, need_same_shape, reduced
from ..names import unknown
from ..names.maths import cosine_similarity, expm1, log1p, rsqrt
from ..names.places import repeat_interleave
from ..names.wider import onlookers, only_detached, renewed
from ..tensor import (
    Tensor,
    cat,
    getitem,
    numpy_generator,
    ones,
    primitive,
    where,
    wrap,
    write_result,
    zeros,
)

__all__ = [
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hinge_embedding_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "margin_ranking_loss",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "triplet_margin_loss",
]


def __getattr__(name):
    raise unknown(name, __name__, __all__)


def gelu(input, approximate="none"):
    """input * P(Z < input): exact, or the form of GPT-2 with approximate="tanh".

    The function of module 02, `tinytorch.activations.gelu`, is the form of GPT-2.

    Raises:
        ValueError: `approximate` is neither "none" nor "tanh".

    >>> from tinytorch.tensor import Tensor
    >>> gelu(Tensor([1.0])), gelu(Tensor([1.0]), approximate="tanh")
    (tensor([0.8413]), tensor([0.8412]))
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate is 'none' or 'tanh', not {approximate!r}")
    return activations.gelu(input) if approximate == "tanh" else activations.gelu_exact(input)


def dropout(input, p=0.5, training=True, inplace=False):
    """input with each number dropped with probability p and the others scaled by 1 / (1 - p).

    Args:
        input: any shape.
        p: a probability, 0 to 1.
        training: False gives input itself.
        inplace: write the result over input.

    >>> from tinytorch.tensor import Tensor
    >>> dropout(Tensor([3.0, 3.0]), training=False)
    tensor([3., 3.])
    """
    return over(input, Dropout(p).train(training)(input), inplace)


def over(x, result, inplace):
    """The result; with inplace=True x itself, over which it is written.

    Raises:
        RuntimeError: that is recorded, and a view of x, or what x is a view of, would not change.
    """
    if not inplace or result is x:
        return result
    if result.requires_grad and not x.is_leaf:
        others = onlookers(x) if is_shared(x, result) else []
        if not only_detached(x, others):
            told = "another tensor looks into these numbers, and would not change with them"
            raise RuntimeError(f"inplace=True: {told}: use inplace=False")
        return renewed(x, to(result, dtype=x.dtype), others)
    return write_result(x, result, "inplace=True", "inplace=False")


def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """For every id its row of the weight: the ids come first, as in PyTorch.

    Args:
        input: any shape, whole numbers from 0 to V - 1.
        weight: (V, D), a row for every id.
        padding_idx: the row that gets no gradient; a negative one counts from the end.
        max_norm, scale_grad_by_freq: None and False. norm_type, sparse: change nothing here.

    >>> from tinytorch.tensor import Tensor
    >>> embedding(Tensor([1]), Tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.]])
    """
    if max_norm is not None or scale_grad_by_freq:
        raise ValueError("embedding knows no max_norm and no scale_grad_by_freq: leave them out")
    if padding_idx is not None and not -len(weight) <= padding_idx < len(weight):
        raise ValueError(f"embedding: {padding_idx=} is no row of a table of {len(weight)}")
    return embeddings.embedding(weight, input, padding_idx)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(input - mean) / sqrt(variance + eps) * weight + bias, over the last dimensions.

    Args:
        input: ends with the sizes `normalized_shape`.
        normalized_shape: a size or several, over all of which mean and variance are taken.
        weight, bias: of the shape `normalized_shape`; ones and zeros unless given.
        eps: keeps the root away from 0.

    Raises:
        ValueError: input, weight or bias does not have these sizes.

    >>> from tinytorch.tensor import Tensor
    >>> layer_norm(Tensor([[9.0, 1.0, 3.0, 3.0]]), 4)
    tensor([[ 1.6667, -1.    , -0.3333, -0.3333]])
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise ValueError("normalized_shape needs at least one size")
    weight = ones(shape, dtype=input.dtype) if weight is None else weight
    bias = zeros(shape, dtype=input.dtype) if bias is None else bias
    if not input.shape[-len(shape) :] == weight.shape == bias.shape == shape:
        found = f"input is {input.shape}, weight {weight.shape}, bias {bias.shape}"
        raise ValueError(f"layer_norm over the last sizes {shape}: {found}")
    rows = input.reshape(*input.shape[: -len(shape)], math.prod(shape))  # (..., *shape) -> (..., D)
    y = transformers.layer_norm(rows, weight.reshape(-1), bias.reshape(-1), eps)
    return y.reshape(input.shape)


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    scale=None,
    enable_gqa=False,
):
    """softmax(query @ key^T * scale) @ value, where the mask allows; draws the dropout itself.

    Args:
        query, key, value: (..., T, d), (..., S, d), (..., S, dv).
        attn_mask: broadcasts to (..., T, S): boolean, True = may attend; or real numbers, which
            are added to the scores.
        dropout_p: the share of weights to drop, always: pass 0.0 outside training.
        is_causal: query t sees the keys 0 to t, also where T and S differ (as in PyTorch; in
            `tinytorch.attention` the last query stands at the last key).
        scale: instead of 1 / sqrt(d).
        enable_gqa: let several heads of queries share one of keys and values (dimension -3).

    >>> from tinytorch.tensor import Tensor
    >>> x = Tensor([[1.0], [2.0]])
    >>> scaled_dot_product_attention(x, x, x, is_causal=True)[0]
    tensor([1.])
    """
    if enable_gqa:
        if query.shape[-3] % key.shape[-3]:
            told = f"{query.shape[-3]} heads of queries do not share {key.shape[-3]} of keys"
            raise ValueError(f"enable_gqa: {told}: one number must divide the other")
        times = query.shape[-3] // key.shape[-3]
        key, value = (repeat_interleave(t, times, -3) for t in (key, value))
    shape = scores_shape(query, key, value, scale)
    if attn_mask is not None and attn_mask.dtype.kind == "f":
        return with_added(query, key, value, attn_mask, dropout_p, is_causal, scale)
    if is_causal:
        causal = wrap(np.tri(*shape[-2:], dtype=bool))
        attn_mask = causal if attn_mask is None else boolean(attn_mask) & causal
    kept = dropout(ones(shape, dtype=query.dtype), dropout_p) if dropout_p else None
    return attention.scaled_dot_product_attention(query, key, value, attn_mask, False, kept, scale)


def with_added(query, key, value, added, dropout_p, is_causal, scale):
    """Attention with a mask of real numbers, which are added to the scores."""
    if is_causal:
        raise ValueError("scaled_dot_product_attention: give a mask or is_causal=True, not both")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    blind = wrap((added.array == -np.inf).all(-1, keepdims=True))  # these rows become 0, not nan
    scores = query @ key.transpose(-1, -2) * scale + where(blind, 0.0, added)
    weights = where(blind, 0.0, activations.softmax(scores, -1))
    return dropout(weights, dropout_p) @ value


# ---------------------------------------------------------------- curves


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x_i) / sum_j exp(x_j) along `dim`, as `tinytorch.softmax`.

    Args:
        input: scores, any shape.
        dim: the dimension that shall sum to 1; None is the last one of at most two.
        dtype: convert first.

    Raises:
        ValueError: dim is None, and input has three dimensions or more.
    """
    return activations.softmax(to(input, dtype=dtype), implied(dim, input))


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """The logarithm of `softmax`, never -inf. Args: as there."""
    return activations.log_softmax(to(input, dtype=dtype), implied(dim, input))


def implied(dim, x):
    """The dimension of a softmax; None is the last one, unless PyTorch would take another."""
    if dim is None and x.ndim > 2:
        told = f"where PyTorch takes {0 if x.ndim == 3 else 1}"
        raise ValueError(f"softmax of {x.shape} without dim, {told}: say which, such as dim=-1")
    return -1 if dim is None else dim


def relu(input, inplace=False):
    """max(input, 0): any shape -> the same shape; inplace=True writes it over input."""
    return over(input, activations.relu(input), inplace)


def silu(input, inplace=False):
    """input * sigmoid(input): any shape -> the same shape; inplace=True writes it over input."""
    return over(input, activations.silu(input), inplace)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """input where input > 0, else negative_slope * input: any shape -> the same shape."""
    return over(input, where(input > 0, input, input * negative_slope), inplace)


def elu(input, alpha=1.0, inplace=False):
    """input where input > 0, else alpha * (exp(input) - 1): any shape -> the same shape."""
    return over(input, where(input > 0, input, expm1(input.clamp(max=0.0)) * alpha), inplace)


def selu(input, inplace=False):
    """1.0507 * elu(input, 1.6733): any shape -> the same shape. Source: Klambauer et al. 2017."""
    return over(input, elu(input, 1.6732632423543772) * 1.0507009873554805, inplace)


def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta * input)) / beta, or input itself where that is large -> the same shape."""
    bent = log1p((input * beta).clamp(max=threshold).exp()) / beta
    return where(input * beta > threshold, input, bent)


def logsigmoid(input):
    """log(sigmoid(input)), never -inf by underflow: any shape -> the same shape."""
    lower = input.minimum(wrap(np.zeros((), input.dtype)))  # unlike clamp, its slope at 0 is 1/2
    return lower - log1p((-input.abs()).exp())


def softsign(input):
    """input / (1 + |input|): any shape -> the same shape."""
    return input / (input.abs() + 1)


def mish(input, inplace=False):
    """input * tanh(softplus(input)): any shape -> the same shape. Source: Misra 2019."""
    return over(input, input * softplus(input).tanh(), inplace)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """input, but not below min_val and not above max_val: any shape -> the same shape."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val={min_val} is above max_val={max_val}")
    inside = (input > min_val) & (input < max_val)  # at a bound PyTorch's slope is 0
    return over(input, where(inside, input, input.detach().clamp(min_val, max_val)), inplace)


def relu6(input, inplace=False):
    """min(max(input, 0), 6): any shape -> the same shape."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardsigmoid(input, inplace=False):
    """relu6(input + 3) / 6: any shape -> the same shape."""
    return over(input, relu6(input + 3) / 6, inplace)


def hardswish(input, inplace=False):
    """input * hardsigmoid(input): any shape -> the same shape."""
    return over(input, input * hardsigmoid(input), inplace)


def glu(input, dim=-1):
    """a * sigmoid(b), where a and b are the halves of input along `dim`: (..., 2n) -> (..., n)."""
    if input.size(dim) % 2:
        raise ValueError(f"glu: dimension {dim} of {input.shape} has no two equal halves")
    a, b = input.chunk(2, dim)
    return a * activations.sigmoid(b)


def celu(input, alpha=1.0, inplace=False):
    """input where input > 0, else alpha * (exp(input / alpha) - 1): any shape -> the same shape."""
    below = expm1(input.clamp(max=0.0) / alpha) * alpha
    return over(input, where(input > 0, input, below), inplace)


def prelu(input, weight):
    """input where input > 0, else weight * input: one weight, or one each channel -> its shape."""
    if weight.numel() > 1 and input.ndim > 1:
        weight = weight.reshape((1, -1) + (1,) * (input.ndim - 2))
    return where(input > 0, input, input * weight)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(-input) along `dim`. Args: as `softmax`."""
    return softmax(-input, dim, dtype=dtype)


def threshold(input, threshold, value, inplace=False):
    """input where input > threshold, else value: any shape -> the same shape."""
    return over(input, where(input <= threshold, float(value), input), inplace)  # nan stays nan


def hardshrink(input, lambd=0.5):
    """input where |input| > lambd, else 0: any shape -> the same shape."""
    return where(input.abs() <= lambd, 0.0, input)  # nan stays nan


def softshrink(input, lambd=0.5):
    """input moved by lambd towards 0, and 0 between: any shape -> the same shape."""
    if lambd < 0:
        raise ValueError(f"softshrink: lambd is at least 0, not {lambd}")
    return where(input.abs() <= lambd, 0.0, where(input > 0, input - lambd, input + lambd))


def tanhshrink(input):
    """input - tanh(input): any shape -> the same shape."""
    return input - tanh(input)


def relu_(x):
    """`relu`, written over x -> x itself."""
    return x.relu_()


# ---------------------------------------------------------------- norms and other helpers


def normalize(input, p=2.0, dim=1, eps=1e-12):
    """input divided by its length along `dim`, at least eps: any shape -> the same shape."""
    return input / norm(input, p, dim, True).clamp(min=eps)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """input / sqrt(mean(input^2) + eps) * weight, over the last dimensions.

    Args:
        input: ends with the sizes `normalized_shape`.
        weight: of that shape, or None.
        eps: the smallest step of the dtype unless given.

    Source: Zhang & Sennrich 2019.
    """
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if input.shape[-len(shape) :] != shape:
        raise ValueError(f"rms_norm over the last sizes {shape}: input is {input.shape}")
    if weight is not None and weight.shape != shape:
        raise ValueError(f"rms_norm over the last sizes {shape}: weight is {weight.shape}")
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    y = input * rsqrt((input * input).mean(tuple(range(-len(shape), 0)), True) + eps)
    return y if weight is None else y * weight


def batch_norm(
    input,
    running_mean,
    running_var,
    weight=None,
    bias=None,
    training=False,
    momentum=0.1,
    eps=1e-5,
):
    """(input - mean) / sqrt(variance + eps) * weight + bias for every channel, dimension 1.

    Args:
        input: (N, C) or (N, C, ...).
        running_mean, running_var: (C,), used outside training and updated in it; or None.
        training: take mean and variance of this batch.

    Raises:
        ValueError: one number a channel in training, or no averages outside it.

    Source: Ioffe & Szegedy 2015.
    """
    need_channels("batch_norm", input, running_mean, running_var, weight, bias)
    others = tuple(d for d in range(input.ndim) if d != 1)
    column = (1, -1) + (1,) * (input.ndim - 2)
    if training:
        count = input.numel() // max(input.shape[1], 1)
        if count == 1:
            raise ValueError(f"one number for each channel has no variance: {input.shape}")
        mean, variance = input.mean(others, True), input.var(others, False, True)
        if running_mean is not None and count:
            with no_grad():
                fresh = variance.reshape(-1) * (count / (count - 1))
                running_mean.mul_(1 - momentum).add_(mean.reshape(-1), alpha=momentum)
                running_var.mul_(1 - momentum).add_(fresh, alpha=momentum)
    elif running_mean is None:
        raise ValueError("batch_norm needs running_mean and running_var outside training")
    else:
        mean, variance = running_mean.reshape(column), running_var.reshape(column)
    y = (input - mean) / (variance + eps).sqrt()
    y = y if weight is None else y * weight.reshape(column)
    return y if bias is None else y + bias.reshape(column)


def need_channels(name, x, *tensors):
    """Refuse tensors that have not one number for each channel of x, dimension 1."""
    for tensor in tensors:
        if tensor is not None and (x.ndim < 2 or tensor.shape != x.shape[1:2]):
            raise ValueError(f"{name}: {tensor.shape} is not one for each channel of {x.shape}")


def one_hot(input, num_classes=-1):
    """A 1 at the place that each number names, 0 elsewhere: (...) -> (..., C), int64.

    Args:
        input: whole numbers from 0 on.
        num_classes: C; the largest number + 1 for -1.

    Raises:
        ValueError: a number is negative, or not below C. TypeError: no whole numbers.
    """
    if input.dtype.kind not in "iu":
        raise TypeError(f"one_hot takes whole numbers, not {input.dtype}: use input.long()")
    classes = int(input.array.max(initial=-1)) + 1 if num_classes == -1 else num_classes
    if input.numel() and not 0 <= input.array.min() <= input.array.max() < classes:
        low, high = input.array.min(), input.array.max()
        found = low if low < 0 else high
        raise ValueError(f"one_hot: classes are 0 to {max(classes, 1) - 1}, and here is {found}")
    return wrap((input.array[..., None] == np.arange(classes)).astype("int64"))


def pad(input, pad, mode="constant", value=None):
    """input with more elements at the ends of its last dimensions.

    Args:
        input: any shape.
        pad: (before, after) of the last dimension, then of the one before it, ...; a negative
            number cuts off.
        mode: "constant"; or "reflect", "replicate" and "circular", which repeat what is there.
        value: what "constant" puts there, 0 unless given.
    """
    if mode not in ("constant", "reflect", "replicate", "circular"):
        known = "'constant', 'reflect', 'replicate' or 'circular'"
        raise ValueError(f"pad: mode is {known}, not {mode!r}")
    if value and mode != "constant":
        raise ValueError(f"pad: value is for mode='constant', and {mode!r} takes none")
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        told = f"for at most {input.ndim} dimensions, not {pad}"
        raise ValueError(f"pad: pairs (before, after) {told}")
    for n, (before, after) in enumerate(zip(pad[::2], pad[1::2])):
        dim = input.ndim - 1 - n
        if mode == "constant":
            input = with_ends(input, dim, before, after, value or 0)
        else:
            places, size = np.arange(-before, input.shape[dim] + after), input.shape[dim]
            if mode != "replicate" and max(before, after) > size - (mode == "reflect"):
                raise ValueError(f"pad: {(before, after)} is more than {mode!r} has of {size}")
            if mode == "circular":
                ends = max(-before, 0), max(-after, 0)  # what is cut off does not come back
                places = ends[0] + (places - ends[0]) % (size - sum(ends))
            elif mode == "replicate":
                places = places.clip(0, size - 1)
            else:
                places = (size - 1) - np.abs((size - 1) - np.abs(places))
            input = input.index_select(dim, wrap(places))
    return input


def constant_pad_nd(input, pad, value=0):
    """`pad` with one value -> a new Tensor. Args: as there."""
    return globals()["pad"](input, pad, "constant", value)


def with_ends(x, dim, before, after, value):
    """x with so many elements of one value at both ends of a dimension."""
    x = x.narrow(dim, max(-before, 0), x.shape[dim] + min(before, 0) + min(after, 0))
    parts = []
    for size in (before, after):
        shape = (*x.shape[:dim], max(size, 0), *x.shape[dim + 1 :])
        parts.append(wrap(np.full(shape, value, x.dtype)))
    return cat([parts[0], x, parts[1]], dim)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """(input - mean) / sqrt(variance + eps) * weight + bias, over groups of channels, dimension 1.

    Args:
        input: (N, C, ...). num_groups: divides C. weight, bias: (C,), or None.

    Source: Wu & He 2018.
    """
    if input.ndim < 2 or input.shape[1] % num_groups:
        told = f"dimension 1 of {input.shape} into {num_groups} groups"
        raise ValueError(f"group_norm cannot cut {told} of one size")
    need_channels("group_norm", input, weight, bias)
    size = math.prod(input.shape[1:]) // num_groups
    if input.shape[0] * size == 1:
        raise ValueError(f"one number for each group has no variance: {input.shape}")
    rows = input.reshape(input.shape[0], num_groups, size)
    y = (rows - rows.mean(-1, True)) * rsqrt(rows.var(-1, False, True) + eps)
    y, column = y.reshape(input.shape), (1, -1) + (1,) * (input.ndim - 2)
    y = y if weight is None else y * weight.reshape(column)
    return y if bias is None else y + bias.reshape(column)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The length of x1 - x2 + eps over the last dimension: (..., D) -> (...)."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """softmax((logits + noise) / tau): nearly a draw, and it has a gradient.

    Args:
        logits: any shape. tau: the smaller, the nearer to a draw.
        hard: a true draw, 0 and 1, with the gradient of the soft one. dim: the classes.

    Source: Jang et al. 2016; Maddison et al. 2016.
    """
    noise = numpy_generator().gumbel(size=logits.shape).astype(logits.dtype)
    soft = activations.softmax((logits + wrap(noise)) / tau, dim)
    if not hard:
        return soft
    top = soft.argmax(dim, keepdim=True)
    drawn = wrap(np.zeros(soft.shape, soft.dtype)).scatter(dim, top, 1.0)
    return drawn - soft.detach() + soft


# ---------------------------------------------------------------- losses


def old_words(size_average, reduce, reduction):
    """The reduction that PyTorch's old words size_average and reduce ask for."""
    if any(isinstance(word, Tensor) for word in (size_average, reduce, reduction)):
        raise TypeError("a loss is made first, with its settings, and then called: Loss()(x, y)")
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def weighed(values, weight, reduction):
    """A value per element, times a weight, reduced."""
    return reduced(values if weight is None else values * weight, reduction)


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """-log(softmax(input)[target]), averaged: the classes are dimension 1, as in PyTorch.

    `tinytorch.losses.cross_entropy` has them last; (N, T, C) is understood here as well, where it
    cannot be mistaken for (N, C, T).

    Args:
        input: scores (N, C), (N, C, ...) or (C,).
        target: class numbers (N), (N, ...) or (); or probabilities of the shape of `input`.
        weight: (C,), how much each class counts.
        ignore_index: the target that does not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: the share of the target's probability that goes to all classes alike.
        size_average, reduce: PyTorch's old words for the reduction.

    Raises:
        ValueError: shapes that do not fit, or that fit in both ways.

    >>> from tinytorch.tensor import Tensor
    >>> cross_entropy(Tensor([[0.0, 0.0], [500.0, 0.0]]), Tensor([1, 1]), reduction="none")
    tensor([  0.6931, 500.    ])
    """
    reduction = old_words(size_average, reduce, reduction)
    if isinstance(target, Tensor) and target.dtype.kind == "f":
        if ignore_index >= 0:
            raise ValueError("cross_entropy: ignore_index is for class numbers, not probabilities")
        return of_probabilities(input, target, weight, reduction, label_smoothing)
    logits = classes_last(input, target)
    if weight is None:
        loss = losses.cross_entropy(logits, target, ignore_index, label_smoothing, reduction)
        none = reduction == "mean" and not (target.array != ignore_index).any()
        return loss * math.nan if none else loss  # in PyTorch the mean of nothing is nan
    checked_targets(logits.array, target.array, ignore_index)
    need_weight(weight, logits)
    kept = target != ignore_index
    ids = where(kept, target, 0).long()
    shares = getitem(weight, ids) * kept  # (...): how much each target counts
    log_probs = activations.log_softmax(logits, -1)
    values = -gather(log_probs, -1, ids.unsqueeze(-1)).squeeze(-1) * shares
    if label_smoothing:
        even = -(log_probs * weight).sum(-1) * kept / logits.shape[-1]
        values = values * (1 - label_smoothing) + even * label_smoothing
    return shared_out(values, shares, reduction)


def need_weight(weight, rows):
    """Refuse weights that are not one for each class."""
    if weight is not None and weight.shape != rows.shape[-1:]:
        raise ValueError(f"one weight for each of {rows.shape[-1]} classes, not {weight.shape}")


def shared_out(values, shares, reduction):
    """Values times their shares, reduced: the mean is over the shares, nan where there are none."""
    if reduction != "mean":
        return reduced(values, reduction)
    total = shares.sum()
    return values.sum() / total if total.array else values.sum() + math.nan


def classes_last(logits, target):
    """The scores with their classes in the last dimension, where module 04 has them."""
    if logits.ndim < 3 or not isinstance(target, Tensor):
        return logits
    second, last = (*logits.shape[:1], *logits.shape[2:]), logits.shape[:-1]
    if target.shape == second and second == last:
        told = f"classes may be dimension 1 or the last one of {logits.shape}"
        raise ValueError(f"cross_entropy: {told}: use reshape(-1, C) and target.reshape(-1)")
    if target.shape == second:
        return logits.permute(0, *range(2, logits.ndim), 1)  # (N, C, ...) -> (N, ..., C)
    return logits


def of_probabilities(logits, target, weight, reduction, label_smoothing):
    """Cross-entropy where the target is a probability for each class."""
    if target.ndim < logits.ndim:
        told = f"neither class numbers nor probabilities {logits.shape}: use target.long()"
        raise TypeError(f"cross_entropy: targets {target.dtype} {target.shape} are {told}")
    need_same_shape("cross_entropy", logits, target)
    dim = 0 if logits.ndim == 1 else 1
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / logits.shape[dim]
    if weight is not None:
        target = target * weight.reshape((-1,) + (1,) * (logits.ndim - 1 - dim))
    values = -(activations.log_softmax(logits, dim) * target).sum(dim)
    return reduced(values, reduction)


def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
):
    """-input[target], averaged: for logarithms of probabilities.

    Args:
        input: (N, C), (N, C, ...) or (C,), as `log_softmax` gives them.
        target, weight, ignore_index, reduction, size_average, reduce: as for `cross_entropy`.
    """
    reduction, rows = old_words(size_average, reduce, reduction), classes_last(input, target)
    checked_targets(rows.array, target.array, ignore_index)
    need_weight(weight, rows)
    kept = target != ignore_index
    ids = where(kept, target, 0).long()
    shares = kept.to(rows.dtype) if weight is None else getitem(weight, ids) * kept
    values = -gather(rows, -1, ids.unsqueeze(-1)).squeeze(-1) * shares
    return shared_out(values, shares, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)^2, averaged; ValueError where the shapes differ: none is broadcast.

    >>> from tinytorch.tensor import Tensor
    >>> mse_loss(Tensor([2.0, 0.0]), Tensor([1.0, 1.0]), reduction="sum")
    tensor(2.)
    """
    if isinstance(size_average, str):  # as in module 04: mse_loss(x, y, "sum")
        size_average, reduction = None, size_average
    reduction = old_words(size_average, reduce, reduction)
    if weight is None:
        return losses.mse_loss(input, target, reduction)
    need_same_shape("weight of mse_loss", weight, input)
    values = losses.mse_loss(input, target, "none") * weight
    return values.sum() / weight.sum() if reduction == "mean" else reduced(values, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """|input - target|, averaged; ValueError where the shapes differ: none is broadcast.

    >>> from tinytorch.tensor import Tensor
    >>> l1_loss(Tensor([2.0, 0.0]), Tensor([1.0, 3.0]))
    tensor(2.)
    """
    if isinstance(size_average, str):
        size_average, reduction = None, size_average
    return losses.l1_loss(input, target, old_words(size_average, reduce, reduction))


def huber_loss(input, target, reduction="mean", delta=1.0):
    """d^2 / 2 where |d| < delta, else delta (|d| - delta / 2); d = input - target -> averaged."""
    need_same_shape("huber_loss", input, target)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta is above 0, not {delta}")
    away = (input - target).abs()
    return reduced(where(away < delta, away * away * 0.5, (away - 0.5 * delta) * delta), reduction)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """`huber_loss` divided by its delta, beta; `l1_loss` for beta=0 -> averaged."""
    reduction = old_words(size_average, reduce, reduction)
    if beta == 0:
        return losses.l1_loss(input, target, reduction)
    return huber_loss(input, target, reduction, beta) / beta


def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(y log(p) + (1 - y) log(1 - p)), averaged; each logarithm is at least -100.

    Args:
        input: probabilities, any shape. target: the same shape.
        weight: how much each element counts.
        reduction: "mean", "sum" or "none".
    """
    need_same_shape("binary_cross_entropy", input, target)
    if input.numel() and not (input.array.min() >= 0 and input.array.max() <= 1):
        raise ValueError("binary_cross_entropy takes probabilities from 0 to 1: use sigmoid first")
    if target.numel() and not (target.array.min() >= 0 and target.array.max() <= 1):
        raise ValueError("binary_cross_entropy takes targets from 0 to 1")
    values = uncertainty(input, target)
    return weighed(values, weight, old_words(size_average, reduce, reduction))


@primitive(name="binary_cross_entropy", promote=True)
def uncertainty(p, y):
    """-(y log(p) + (1 - y) log(1 - p)), element by element; each logarithm is at least -100."""
    y = y.astype(p.dtype)
    with np.errstate(divide="ignore"):
        yes, no = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
    return (y - 1) * no - y * yes


@rule
def binary_cross_entropy_rule(g, p, y, needs):
    """To p: (p - y) / (p (1 - p)), which is finite and 0 for p = y; to y: log(1 - p) - log(p)."""
    to_p = g * (p - y) / np.maximum(p * (1 - p), 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        return to_p, g * (np.log1p(-p) - np.log(p)) if needs[1] else None


def binary_cross_entropy_with_logits(
    input,
    target,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
    pos_weight=None,
):
    """`binary_cross_entropy` of sigmoid(input), without overflow.

    Args:
        input: scores, any shape. target: the same shape, 0 to 1.
        weight: how much each element counts. pos_weight: how much a "yes" counts.
        reduction: "mean", "sum" or "none".
    """
    if isinstance(weight, str):  # as in module 04
        weight, reduction = None, weight
    reduction = old_words(size_average, reduce, reduction)
    if pos_weight is None:
        if weight is None:
            return losses.binary_cross_entropy_with_logits(input, target, reduction)
        values = losses.binary_cross_entropy_with_logits(input, target, "none")
        return weighed(values, weight, reduction)
    need_same_shape("binary_cross_entropy_with_logits", input, target)
    values = (1 - target) * input - (1 + (pos_weight - 1) * target) * logsigmoid(input)
    return weighed(values, weight, reduction)


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """target * (log(target) - input), for logarithms of probabilities -> averaged.

    Args:
        input: log-probabilities. target: probabilities, or their logarithms with log_target.
        reduction: "mean" over all elements, "batchmean" over the first dimension, "sum", "none".
    """
    if log_target:
        values = target.exp() * (target - input)
    else:
        safe = where(target == 0, 1.0, target)  # a negative one gives nan
        values = target * (safe.log() - input)
    reduction = old_words(size_average, reduce, reduction)
    if reduction == "batchmean":
        return values.sum() / (input.shape[0] if input.ndim else 1)
    return reduced(values, reduction)


def cosine_embedding_loss(
    input1, input2, target, margin=0.0, size_average=None, reduce=None, reduction="mean"
):
    """1 - cos where the target is 1, max(0, cos - margin) where it is -1 -> averaged."""
    cos = cosine_similarity(input1, input2, -1)
    far = (cos - margin).clamp(min=0.0)
    values = where(target == 1, 1 - cos, where(target == -1, far, 0.0))
    return reduced_as(values, size_average, reduce, reduction)


def reduced_as(values, size_average, reduce, reduction):
    """A value per element, reduced as the words say, old ones or new."""
    return reduced(values, old_words(size_average, reduce, reduction))


def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """x where the target is 1, max(0, margin - x) where it is -1, else both -> averaged."""
    far = (margin - input).clamp(min=0.0)
    values = where(target == -1, 0.0, input) + where(target == 1, 0.0, far)
    return reduced_as(values, size_average, reduce, reduction)


def margin_ranking_loss(
    input1, input2, target, margin=0.0, size_average=None, reduce=None, reduction="mean"
):
    """max(0, -target * (x1 - x2) + margin), for targets 1 and -1 -> averaged."""
    values = (-target * (input1 - input2) + margin).clamp(min=0.0)
    return reduced_as(values, size_average, reduce, reduction)


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target * x)), for targets 1 and -1 -> averaged."""
    return reduced_as(-logsigmoid(target * input), size_average, reduce, reduction)


def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """Binary cross-entropy, averaged over the labels: (N, C) and (N, C) -> averaged."""
    values = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    values = values if weight is None else values * weight
    return reduced_as(values.mean(-1), size_average, reduce, reduction)


def multi_margin_loss(
    input,
    target,
    p=1,
    margin=1.0,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """sum_i max(0, margin - x[target] + x[i])^p / C over the other classes -> averaged.

    Args:
        input: (N, C). target: (N,). p: 1 or 2. weight: (C,), or None.
    """
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is 1 or 2, not {p}")
    own = gather(input, 1, target.unsqueeze(1))
    values = (input - own + margin).clamp(min=0.0) ** p
    values = values * (1 - one_hot(target, input.shape[1]).to(input.dtype))
    values = values if weight is None else values * getitem(weight, target).unsqueeze(1)
    return reduced_as(values.sum(1) / input.shape[1], size_average, reduce, reduction)


def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2.0,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) -> averaged.

    Args:
        anchor, positive, negative: (N, D). p: which distance.
        swap: take d(positive, negative), if that is smaller.
    """
    near, far = (pairwise_distance(anchor, x, p, eps) for x in (positive, negative))
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return reduced_as((near - far + margin).clamp(min=0.0), size_average, reduce, reduction)


def poisson_nll_loss(
    input,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    """exp(x) - target * x for logarithms of rates x (or x - target * log(x)) -> averaged.

    Args:
        log_input: whether x is a logarithm. full: add Stirling's term for targets above 1.
    """
    values = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        safe = target.clamp(min=1.0)
        extra = safe * safe.log() - safe + 0.5 * (2 * math.pi * safe).log()
        values = values + where(target > 1, extra, 0.0)
    return reduced_as(values, size_average, reduce, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log(var) + (x - target)^2 / var) / 2 -> averaged.

    Args:
        input, target: means and what was seen. var: the variances, at least eps.
        full: add log(2 pi) / 2.
    """
    var = var if isinstance(var, Tensor) else wrap(np.array(var, input.dtype))
    if var.array.min(initial=0) < 0:
        raise ValueError("gaussian_nll_loss: a variance is negative")
    var = var + (var.clamp(min=eps) - var).detach()  # raised outside the graph
    values = 0.5 * ((input - target) ** 2 / var + var.log())
    return reduced(values + 0.5 * math.log(2 * math.pi) if full else values, reduction)
