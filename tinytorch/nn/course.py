"""The modules of the course with PyTorch's arguments in PyTorch's order.

Each is a subclass that differs in its constructor alone, and `isinstance(layer, nn.Dropout)` is
true of the course's own Dropout as well.
"""

import sys

import numpy as np

from .. import embeddings, layers, losses, transformers
from ..names.devices import device as as_device
from ..names.twin import Twin
from ..tensor import Tensor, on_cpu, ones, zeros
from . import functional as F

core = sys.modules[Tensor.__module__]  # `tinytorch.tensor` is a function


class Parameter(core.Parameter, metaclass=Twin):
    """A Tensor that a Module owns and an optimizer changes; it requires grad.

    Args:
        data: a Tensor, with which it shares its numbers, outside the graph; or an array or lists,
            which are copied.
        requires_grad: False for one that is frozen.

    >>> Parameter(ones(2) * 3)
    tensor([3., 3.], requires_grad=True)
    """

    __slots__ = ()
    twin = core.Parameter

    def __init__(self, data, requires_grad=True):
        data = data.detach() if isinstance(data, Tensor) else data
        super().__init__(data, requires_grad)
        if isinstance(data, Tensor) and data.array.flags.writeable:
            self.array, self.version = data.array, data.version


def made(module, device, dtype):
    """A new module on its device and in its dtype."""
    on_cpu(module, device and as_device(device))
    return module if dtype is None else module.to(dtype)


def renewed(module, drawn):
    """Write another module's parameters into those of this one."""
    for name, fresh in vars(drawn).items():
        own = vars(module).get(name)
        if isinstance(fresh, Tensor) and own is not None:
            own.data.copy_(fresh.detach().to(own.dtype))


class Linear(layers.Linear, metaclass=Twin):
    """y = x @ weight.T + bias: (..., in_features) -> (..., out_features).

    Args:
        in_features, out_features, bias: as in module 03.
        device, dtype: "cpu", and a dtype of real numbers.
    """

    twin = layers.Linear

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        if in_features == 0 or out_features == 0:
            self.in_features, self.out_features = in_features, out_features
            self.weight = Parameter(zeros(out_features, in_features))
            self.bias = Parameter(zeros(out_features)) if bias else None
            self.forward = self.of_nothing
        else:
            super().__init__(in_features, out_features, bias)
        made(self, device, dtype)

    def of_nothing(self, x):
        """y, where one of the sizes is 0: the bias, or nothing."""
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def reset_parameters(self):
        """Draw weight and bias anew."""
        drawn = Linear(self.in_features, self.out_features, self.bias is not None)
        renewed(self, drawn)


class Sequential(layers.Sequential, metaclass=Twin):
    """Modules one after the other: `net[1:]` keeps the names of its parts, as in PyTorch.

    Args:
        modules: the modules in order; or one dictionary name -> module.
    """

    twin = layers.Sequential

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return super().__getitem__(index)
        return type(self)(dict(list(self.named_children())[index]))


class Embedding(embeddings.Embedding, metaclass=Twin):
    """A table with a row of numbers for every id: (...) -> (..., embedding_dim).

    Args:
        num_embeddings, embedding_dim, padding_idx: as in module 11.
        max_norm, scale_grad_by_freq: None and False. norm_type, sparse: change nothing here.
        device, dtype: "cpu", and a dtype of real numbers.
    """

    twin = embeddings.Embedding

    max_norm, norm_type, scale_grad_by_freq, sparse = None, 2.0, False, False

    def __init__(
        self,
        num_embeddings,
        embedding_dim,
        padding_idx=None,
        max_norm=None,
        norm_type=2.0,
        scale_grad_by_freq=False,
        sparse=False,
        *,
        device=None,
        dtype=None,
    ):
        if max_norm is not None or scale_grad_by_freq:
            raise ValueError(
                "Embedding knows no max_norm and no scale_grad_by_freq: leave them out"
            )
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        made(self, device, dtype)

    def reset_parameters(self):
        """Draw the table anew."""
        renewed(self, Embedding(self.num_embeddings, self.embedding_dim, self.padding_idx))

    @classmethod
    def from_pretrained(cls, embeddings, freeze=True, padding_idx=None):
        """A table with the given rows (V, D), frozen unless told otherwise."""
        table = cls(*embeddings.shape, padding_idx)
        table.weight = Parameter(embeddings, not freeze)
        return table


class LayerNorm(transformers.LayerNorm, metaclass=Twin):
    """(x - mean) / sqrt(variance + eps) * weight + bias, over the last dimensions.

    Args:
        normalized_shape: a size or several, over all of which mean and variance are taken.
        eps: keeps the root away from 0.
        elementwise_affine: whether there are a weight and a bias.
        bias: whether there is a bias beside the weight.

    Source: Ba, Kiros & Hinton 2016.

    >>> LayerNorm((2, 3)).weight.shape
    (2, 3)
    """

    twin = transformers.LayerNorm

    def __init__(
        self,
        normalized_shape,
        eps=1e-5,
        elementwise_affine=True,
        bias=True,
        device=None,
        dtype=None,
    ):
        shape = normalized_shape
        self.normalized_shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.weight = Parameter(ones(shape)) if elementwise_affine else None
        self.bias = Parameter(zeros(shape)) if elementwise_affine and bias else None
        made(self, device, dtype)

    def reset_parameters(self):
        """Weight 1 and bias 0 again."""
        renewed(self, LayerNorm(self.normalized_shape, self.eps, self.elementwise_affine))

    def forward(self, x):
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.normalized_shape}, eps={self.eps}"


class Dropout(layers.Dropout, metaclass=Twin):
    """Drops numbers in training: any shape -> the same shape.

    Args:
        p: the probability of being dropped.
        inplace: write the result over the input.
        generator: where the random numbers come from; None is the one of `manual_seed`.
    """

    twin = layers.Dropout

    def __init__(self, p=0.5, inplace=False, *, generator=None):
        super().__init__(p, generator)
        self.inplace = inplace

    def forward(self, x):
        return F.over(x, super().forward(x), self.inplace)


class ReLU(layers.ReLU, metaclass=Twin):
    """max(x, 0), as a module: any shape -> the same shape.

    Args:
        inplace: write the result over the input.
    """

    twin = layers.ReLU

    def __init__(self, inplace=False):
        self.inplace = inplace

    def forward(self, x):
        return F.relu(x, self.inplace)


class CrossEntropyLoss(losses.CrossEntropyLoss, metaclass=Twin):
    """`F.cross_entropy` as a module: CrossEntropyLoss(...)(logits, targets).

    Args:
        weight: (C,), how much each class counts; None for all alike.
        ignore_index: the target that does not count.
        reduction: "mean", "sum" or "none".
        label_smoothing: how much of each wanted probability is shared among all classes.
        size_average, reduce: PyTorch's old words for the reduction.
    """

    twin = losses.CrossEntropyLoss

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index=-100,
        reduce=None,
        reduction="mean",
        label_smoothing=0.0,
    ):
        reduction = F.old_words(size_average, reduce, reduction)
        super().__init__(ignore_index, label_smoothing, reduction)
        self.register_buffer("weight", weight)

    def forward(self, logits, targets):
        settings = {"ignore_index": self.ignore_index, "reduction": self.reduction}
        return F.cross_entropy(
            logits, targets, self.weight, label_smoothing=self.label_smoothing, **settings
        )


class MSELoss(losses.MSELoss, metaclass=Twin):
    """`F.mse_loss` as a module. Args: size_average, reduce (old words), reduction."""

    twin = losses.MSELoss

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        if isinstance(size_average, str):  # as in module 04: MSELoss("sum")
            size_average, reduction = None, size_average
        super().__init__(F.old_words(size_average, reduce, reduction))


class L1Loss(losses.L1Loss, metaclass=Twin):
    """`F.l1_loss` as a module. Args: size_average, reduce (old words), reduction."""

    twin = losses.L1Loss

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        if isinstance(size_average, str):
            size_average, reduction = None, size_average
        super().__init__(F.old_words(size_average, reduce, reduction))


class BCEWithLogitsLoss(losses.BCEWithLogitsLoss, metaclass=Twin):
    """`F.binary_cross_entropy_with_logits` as a module.

    Args:
        weight: how much each element counts, or None.
        size_average, reduce: PyTorch's old words for the reduction.
        reduction: "mean", "sum" or "none".
        pos_weight: how much a "yes" counts, (C,), or None.
    """

    twin = losses.BCEWithLogitsLoss

    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
    ):
        if isinstance(weight, str):
            weight, reduction = None, weight
        super().__init__(F.old_words(size_average, reduce, reduction))
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, logits, targets):
        return F.binary_cross_entropy_with_logits(
            logits, targets, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
