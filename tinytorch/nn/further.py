"""Modules under PyTorch's names that no lesson needs: each is a few lines on top of `Module`."""

import math
from collections.abc import MutableMapping

import numpy as np

from ..activations import sigmoid
from ..layers import Module
from ..names.maths import einsum
from ..names.wider import flatten
from ..tensor import Tensor, ones, rand, randn, stack, wrap, zeros
from . import functional as F
from .course import Parameter, made


class Sigmoid(Module):
    """sigmoid(x) = 1 / (1 + exp(-x)), as a module.

    Any shape -> the same shape, between 0 and 1.

    >>> from tinytorch.tensor import Tensor
    >>> Sigmoid()(Tensor([0.0]))
    tensor([0.5])
    """

    def forward(self, x):
        return sigmoid(x)


class Softmax(Module):
    """softmax along `dim`, as a module.

    Args:
        dim: the dimension whose numbers shall sum to 1; None is the last one of at most two.

    Any shape -> the same shape; IndexError at the first use if there is no such dimension.
    """

    function = staticmethod(F.softmax)

    def __init__(self, dim=None):
        self.dim = dim

    def forward(self, x):
        return self.function(x, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class LogSoftmax(Softmax):
    """log_softmax along `dim`, as a module: any shape -> the same shape. Args: as `Softmax`."""

    function = staticmethod(F.log_softmax)


class Identity(Module):
    """Hands its input on; takes any arguments, so it can stand in for any layer.

    Args:
        args, kwargs: whatever the other layer would take; nothing is done with it.
    """

    def __init__(self, *args, **kwargs):
        pass

    def forward(self, x):
        return x


class Flatten(Module):
    """Join the dimensions from start_dim to end_dim: (N, 8, 8) -> (N, 64).

    Args:
        start_dim, end_dim: the first and the last dimension to join; the batch stays as it is.

    Raises:
        ValueError: start_dim comes after end_dim.
    """

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x):
        return flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class ModuleDict(Module):
    """Modules by name, as a part of the tree.

    >>> from tinytorch.layers import Linear
    >>> heads = ModuleDict({"letters": Linear(8, 26), "digits": Linear(8, 10)})
    >>> heads["digits"]
    Linear(in_features=8, out_features=10, bias=True)
    """

    def __init__(self, modules=None):
        self.update(modules or {})

    def __getitem__(self, name):
        return dict(self.named_children())[name]

    def __setitem__(self, name, module):
        self.update({name: module})

    def __contains__(self, name):
        return name in self.keys()

    def __len__(self):
        return len(self.named_children())

    def __iter__(self):
        return iter(self.keys())

    def __delitem__(self, name):
        if name not in self:
            raise KeyError(name)
        delattr(self, name)

    def update(self, modules):
        """Take in more modules by name: a dictionary, or pairs."""
        for name, module in dict(modules).items():
            if name in vars(self):
                setattr(self, name, module)
            else:
                self.add_module(name, module)

    def pop(self, name):
        """Take a module out, and return it; KeyError if there is none of that name."""
        module = self[name]
        delattr(self, name)
        return module

    def clear(self):
        """Take all modules out."""
        for name in list(self.keys()):
            delattr(self, name)

    def keys(self):
        """The names."""
        return [name for name, _ in self.named_children()]

    def values(self):
        """The modules."""
        return [module for _, module in self.named_children()]

    def items(self):
        """Pairs (name, module)."""
        return self.named_children()


class Unflatten(Module):
    """Cut a dimension into several: (N, 64) -> (N, 8, 8). Args: dim, unflattened_size."""

    def __init__(self, dim, unflattened_size):
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, x):
        return x.unflatten(self.dim, self.unflattened_size)


# ---------------------------------------------------------------- functions as modules


def as_module(name, function, **usual):
    """A module that calls a function of one tensor with its settings.

    Args:
        name: of the module. function: what it computes. usual: the settings and their defaults.
    """

    class Curve(Module):
        def __init__(self, *args, **settings):
            unknown = set(settings) - set(usual)
            if unknown or len(args) > len(usual):
                told = ", ".join(usual) or "nothing"
                raise TypeError(f"{name}() takes {told}, not {args or sorted(unknown)}")
            for word, value in {**usual, **dict(zip(usual, args)), **settings}.items():
                if isinstance(value, Tensor):
                    self.register_buffer(word, value)
                else:
                    setattr(self, word, value)

        def forward(self, x, *others):
            return function(x, *others, **{word: getattr(self, word) for word in usual})

        def extra_repr(self):
            told = [word for word in usual if word != "inplace"]
            return ", ".join(f"{word}={getattr(self, word)}" for word in told)

    Curve.__name__ = Curve.__qualname__ = name
    Curve.__doc__ = f"`F.{function.__name__}` as a module: any shape -> the same shape."
    return Curve


SiLU = as_module("SiLU", F.silu, inplace=False)
LeakyReLU = as_module("LeakyReLU", F.leaky_relu, negative_slope=0.01, inplace=False)
ELU = as_module("ELU", F.elu, alpha=1.0, inplace=False)
SELU = as_module("SELU", F.selu, inplace=False)
Softplus = as_module("Softplus", F.softplus, beta=1.0, threshold=20.0)
LogSigmoid = as_module("LogSigmoid", F.logsigmoid)
Softsign = as_module("Softsign", F.softsign)
Mish = as_module("Mish", F.mish, inplace=False)
Hardtanh = as_module("Hardtanh", F.hardtanh, min_val=-1.0, max_val=1.0, inplace=False)
ReLU6 = as_module("ReLU6", F.relu6, inplace=False)
Hardsigmoid = as_module("Hardsigmoid", F.hardsigmoid, inplace=False)
Hardswish = as_module("Hardswish", F.hardswish, inplace=False)
GLU = as_module("GLU", F.glu, dim=-1)
CELU = as_module("CELU", F.celu, alpha=1.0, inplace=False)
Softmin = as_module("Softmin", F.softmin, dim=None)
Softshrink = as_module("Softshrink", F.softshrink, lambd=0.5)
Hardshrink = as_module("Hardshrink", F.hardshrink, lambd=0.5)
Tanhshrink = as_module("Tanhshrink", F.tanhshrink)
Threshold = as_module("Threshold", F.threshold, threshold=0.0, value=0.0, inplace=False)


class PReLU(Module):
    """x where x > 0, else weight * x, where the weight is learnt: any shape -> the same shape.

    Args:
        num_parameters: 1, or one for each channel, dimension 1. init: the first weight.

    Source: He et al. 2015.
    """

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        self.num_parameters = num_parameters
        self.weight = Parameter(ones(num_parameters) * init)
        made(self, device, dtype)

    def forward(self, x):
        return F.prelu(x, self.weight)


class Bilinear(Module):
    """y_k = x1^T W_k x2 + b_k: (..., in1) and (..., in2) -> (..., out).

    Args:
        in1_features, in2_features, out_features: the sizes. bias: whether there is one.
    """

    def __init__(
        self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None
    ):
        bound = 1 / math.sqrt(in1_features)
        shape = out_features, in1_features, in2_features
        self.weight = Parameter((rand(shape) * 2 - 1) * bound)
        self.bias = Parameter((rand(out_features) * 2 - 1) * bound) if bias else None
        made(self, device, dtype)

    def forward(self, x1, x2):
        y = einsum("...i,kij,...j->...k", x1, self.weight, x2)
        return y if self.bias is None else y + self.bias


def as_loss(name, function, **usual):
    """A module that calls a loss with its settings: see `as_module`."""
    Loss = as_module(name, function, **usual)
    Loss.__doc__ = f"`F.{function.__name__}` as a module: (input, target) -> the loss."
    return Loss


NLLLoss = as_loss(
    "NLLLoss", F.nll_loss, weight=None, size_average=None, ignore_index=-100, reduce=None,
    reduction="mean",
)  # fmt: skip
BCELoss = as_loss(
    "BCELoss", F.binary_cross_entropy, weight=None, size_average=None, reduce=None, reduction="mean"
)
HuberLoss = as_loss("HuberLoss", F.huber_loss, reduction="mean", delta=1.0)
SmoothL1Loss = as_loss(
    "SmoothL1Loss", F.smooth_l1_loss, size_average=None, reduce=None, reduction="mean", beta=1.0
)
KLDivLoss = as_loss(
    "KLDivLoss", F.kl_div, size_average=None, reduce=None, reduction="mean", log_target=False
)
OLD = {"size_average": None, "reduce": None, "reduction": "mean"}
CosineEmbeddingLoss = as_loss("CosineEmbeddingLoss", F.cosine_embedding_loss, margin=0.0, **OLD)
HingeEmbeddingLoss = as_loss("HingeEmbeddingLoss", F.hinge_embedding_loss, margin=1.0, **OLD)
MarginRankingLoss = as_loss("MarginRankingLoss", F.margin_ranking_loss, margin=0.0, **OLD)
SoftMarginLoss = as_loss("SoftMarginLoss", F.soft_margin_loss, **OLD)
MultiLabelSoftMarginLoss = as_loss(
    "MultiLabelSoftMarginLoss", F.multilabel_soft_margin_loss, weight=None, **OLD
)
MultiMarginLoss = as_loss(
    "MultiMarginLoss", F.multi_margin_loss, p=1, margin=1.0, weight=None, **OLD
)
TripletMarginLoss = as_loss(
    "TripletMarginLoss", F.triplet_margin_loss, margin=1.0, p=2.0, eps=1e-6, swap=False, **OLD
)
PoissonNLLLoss = as_loss(
    "PoissonNLLLoss", F.poisson_nll_loss, log_input=True, full=False, size_average=None, eps=1e-8,
    reduce=None, reduction="mean",
)  # fmt: skip
GaussianNLLLoss = as_loss(
    "GaussianNLLLoss", F.gaussian_nll_loss, full=False, eps=1e-6, reduction="mean"
)
PairwiseDistance = as_loss("PairwiseDistance", F.pairwise_distance, p=2.0, eps=1e-6, keepdim=False)
CosineSimilarity = as_loss("CosineSimilarity", F.cosine_similarity, dim=1, eps=1e-8)


# ---------------------------------------------------------------- norms


class RMSNorm(Module):
    """x / sqrt(mean(x^2) + eps) * weight, over the last dimensions.

    Args:
        normalized_shape: a size or several.
        eps: the smallest step of the dtype unless given.
        elementwise_affine: whether there is a weight.

    Source: Zhang & Sennrich 2019.
    """

    def __init__(
        self, normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None
    ):
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape, self.eps = tuple(shape), eps
        self.weight = Parameter(ones(self.normalized_shape)) if elementwise_affine else None
        made(self, device, dtype)

    def reset_parameters(self):
        """Weight 1 again."""
        if self.weight is not None:
            self.weight.data.fill_(1)

    def forward(self, x):
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}"


class BatchNorm1d(Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias for every channel of (N, C) or (N, C, L).

    In training mean and variance are those of the batch, in evaluation running averages.

    Args:
        num_features: C.
        eps: keeps the root away from 0.
        momentum: the share of the new batch in the running averages; None for the plain average
            of all batches.
        affine: whether there are a weight and a bias.
        track_running_stats: whether there are running averages.

    Source: Ioffe & Szegedy 2015.
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=True,
        track_running_stats=True,
        device=None,
        dtype=None,
    ):
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine else None
        kept = track_running_stats
        self.register_buffer("running_mean", zeros(num_features) if kept else None)
        self.register_buffer("running_var", ones(num_features) if kept else None)
        self.register_buffer("num_batches_tracked", wrap(np.array(0)) if kept else None)
        made(self, device, dtype)

    def reset_parameters(self):
        """Weight 1 and bias 0 again, and averages as at the start."""
        fresh = {"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1}
        fresh["num_batches_tracked"] = 0
        for name, value in fresh.items():
            if getattr(self, name) is not None:
                getattr(self, name).data.fill_(value)

    def forward(self, x):
        if x.ndim not in (2, 3) or x.shape[1] != self.num_features:
            raise ValueError(f"the input {x.shape} should be (N, {self.num_features}) or (N, C, L)")
        averages, momentum = (self.running_mean, self.running_var), self.momentum
        training = self.training or self.running_mean is None
        if self.training and self.running_mean is not None:
            self.num_batches_tracked.array += 1
            momentum = 1 / self.num_batches_tracked.item() if momentum is None else momentum
        return F.batch_norm(x, *averages, self.weight, self.bias, training, momentum, self.eps)

    def extra_repr(self):
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class GroupNorm(Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias for every group of channels of (N, C, ...).

    Args:
        num_groups: into how many groups the channels, dimension 1, are cut.
        num_channels: C. eps: keeps the root away from 0.
        affine: whether there are a weight and a bias, (C,).

    Source: Wu & He 2018.
    """

    def __init__(self, num_groups, num_channels, eps=1e-5, affine=True, device=None, dtype=None):
        if num_channels % num_groups:
            raise ValueError(f"{num_channels} channels do not make {num_groups} equal groups")
        self.num_groups, self.num_channels, self.eps = num_groups, num_channels, eps
        self.weight = Parameter(ones(num_channels)) if affine else None
        self.bias = Parameter(zeros(num_channels)) if affine else None
        made(self, device, dtype)

    def forward(self, x):
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


class InstanceNorm1d(Module):
    """(x - mean) / sqrt(variance + eps) for every channel of every sample, (N, C, L) or (C, L).

    Args:
        num_features: C. eps: keeps the root away from 0. momentum: without effect.
        affine: whether there are a weight and a bias, (C,). track_running_stats: False.
    """

    def __init__(
        self,
        num_features,
        eps=1e-5,
        momentum=0.1,
        affine=False,
        track_running_stats=False,
        device=None,
        dtype=None,
    ):
        if track_running_stats:
            raise ValueError("InstanceNorm1d knows no track_running_stats: leave it out")
        self.num_features, self.eps = num_features, eps
        self.weight = Parameter(ones(num_features)) if affine else None
        self.bias = Parameter(zeros(num_features)) if affine else None
        made(self, device, dtype)

    def forward(self, x):
        rows = x.unsqueeze(0) if x.ndim == 2 else x
        if rows.ndim != 3 or rows.shape[1] != self.num_features or rows.shape[2] == 1:
            sizes = f"(N, {self.num_features}, L) or ({self.num_features}, L), L above 1"
            raise ValueError(f"the input {x.shape} should be {sizes}")
        y = F.group_norm(rows, self.num_features, self.weight, self.bias, self.eps)
        return y.reshape(x.shape)


class EmbeddingBag(Module):
    """The mean (or sum, or max) of rows of a table: (B, N) ids, or (N,) with offsets -> (B, D).

    Args:
        num_embeddings, embedding_dim: V and D. mode: "mean", "sum" or "max".
        max_norm, scale_grad_by_freq, include_last_offset, padding_idx: not known: leave them out.
    """

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        mode="mean",
        sparse=False,
        _weight=None,
        include_last_offset=False,
        padding_idx=None,
        device=None,
        dtype=None,
    ):
        unknown = max_norm, scale_grad_by_freq or None, include_last_offset or None, padding_idx
        if mode not in ("mean", "sum", "max") or any(value is not None for value in unknown):
            told = "no max_norm, scale_grad_by_freq, include_last_offset or padding_idx"
            raise ValueError(f"EmbeddingBag knows mode='mean', 'sum' or 'max', and {told}")
        self.num_embeddings, self.embedding_dim, self.mode = num_embeddings, embedding_dim, mode
        drawn = randn(num_embeddings, embedding_dim) if _weight is None else _weight
        self.weight = Parameter(drawn)
        made(self, device, dtype)

    def forward(self, input, offsets=None, per_sample_weights=None):
        if (input.ndim == 1) == (offsets is None):
            raise ValueError("EmbeddingBag takes ids (B, N), or ids (N,) and where each bag starts")
        rows = self.weight[input]
        if per_sample_weights is not None:
            if self.mode != "sum" or per_sample_weights.shape != input.shape:
                raise ValueError("per_sample_weights are for mode='sum', one for each id")
            rows = rows * per_sample_weights.unsqueeze(-1)
        if offsets is None:
            return self.bag(rows, 1)
        starts = offsets.tolist()
        if starts[:1] != [0] or starts != sorted(starts) or starts[-1] > len(input):
            raise ValueError(f"offsets rise from 0 to at most {len(input)}, and are {starts}")
        parts = [rows[a:b] for a, b in zip(starts, [*starts[1:], len(input)])]
        empty = zeros(self.embedding_dim, dtype=rows.dtype)
        return stack([self.bag(part, 0) if len(part) else empty for part in parts])

    def bag(self, rows, dim):
        """Rows into one."""
        return rows.amax(dim) if self.mode == "max" else getattr(rows, self.mode)(dim)


# ---------------------------------------------------------------- lists of parameters


class ParameterList(Module):
    """A list of Parameters that belongs to the tree; they are called 0, 1, 2, ...

    >>> len(ParameterList([Parameter([1.0]), Parameter([2.0])]))
    2
    """

    def __init__(self, values=()):
        self.extend(values)

    def append(self, value):
        """Put a Parameter at the end; a Tensor becomes one."""
        setattr(self, str(len(self)), value if isinstance(value, Parameter) else Parameter(value))
        return self

    def extend(self, values):
        """Put several at the end."""
        for value in values:
            self.append(value)
        return self

    __iadd__ = extend

    def __len__(self):
        return sum(name.isdigit() for name in vars(self))

    def __getitem__(self, index):
        if isinstance(index, slice):
            return type(self)(self[i] for i in range(len(self))[index])
        return getattr(self, str(range(len(self))[index]))

    def __setitem__(self, index, value):
        place = str(range(len(self))[index])
        setattr(self, place, value if isinstance(value, Parameter) else Parameter(value))

    def __iter__(self):
        return (self[i] for i in range(len(self)))


class ParameterDict(Module):
    """Parameters by name, as a part of the tree.

    >>> ParameterDict({"scale": Parameter([2.0])})["scale"]
    tensor([2.], requires_grad=True)
    """

    clear, get, pop = MutableMapping.clear, MutableMapping.get, MutableMapping.pop
    popitem, setdefault = MutableMapping.popitem, MutableMapping.setdefault
    update = MutableMapping.update

    def __init__(self, parameters=None):
        self.update(parameters or {})

    def __delitem__(self, name):
        if name not in self:
            raise KeyError(name)
        delattr(self, name)

    def __setitem__(self, name, value):
        setattr(self, name, value if isinstance(value, Parameter) else Parameter(value))

    def __getitem__(self, name):
        if name not in self:
            raise KeyError(name)
        return vars(self)[name]

    def __contains__(self, name):
        return name in self.keys()

    def __len__(self):
        return len(self.keys())

    def __iter__(self):
        return iter(self.keys())

    def keys(self):
        """The names."""
        return [name for name, value in vars(self).items() if isinstance(value, Parameter)]

    def values(self):
        """The Parameters."""
        return [self[name] for name in self.keys()]

    def items(self):
        """Pairs (name, Parameter)."""
        return [(name, self[name]) for name in self.keys()]
