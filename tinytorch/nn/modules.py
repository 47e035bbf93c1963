"""Modules under PyTorch's names that no lesson needs: each is a few lines on top of `Module`."""

from ..activations import log_softmax, sigmoid, silu, softmax
from ..layers import Module
from ..tensor import flatten

__all__ = [
    "Flatten",
    "Identity",
    "LogSoftmax",
    "ModuleDict",
    "SiLU",
    "Sigmoid",
    "Softmax",
]


class Sigmoid(Module):
    """sigmoid(x) = 1 / (1 + exp(-x)), as a module.

    Any shape -> the same shape, between 0 and 1.

    >>> from tinytorch.tensor import Tensor
    >>> Sigmoid()(Tensor([0.0]))
    tensor([0.5])
    """

    def forward(self, x):
        return sigmoid(x)


class SiLU(Module):
    """silu(x) = x * sigmoid(x), as a module.

    Any shape -> the same shape and dtype.

    >>> from tinytorch.tensor import Tensor
    >>> SiLU()(Tensor([0.0]))
    tensor([0.])

    Source: Elfwing, Uchibe and Doya 2017.
    """

    def forward(self, x):
        return silu(x)


class Softmax(Module):
    """softmax along `dim`, as a module.

    Args:
        dim: the dimension whose numbers shall sum to 1.

    Any shape -> the same shape; IndexError at the first use if there is no such dimension.
    """

    def __init__(self, dim=-1):
        self.dim = dim

    def forward(self, x):
        return softmax(x, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """log_softmax along `dim`, as a module.

    Args:
        dim: the dimension whose exponentials shall sum to 1.

    Any shape -> the same shape; IndexError at the first use if there is no such dimension.
    """

    def __init__(self, dim=-1):
        self.dim = dim

    def forward(self, x):
        return log_softmax(x, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


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
        for name, module in (modules or {}).items():
            self[name] = module

    def __getitem__(self, name):
        return dict(self.named_children())[name]

    def __setitem__(self, name, module):
        self.add_module(name, module)

    def __contains__(self, name):
        return name in self.keys()

    def __len__(self):
        return len(self.children())

    def __iter__(self):
        return iter(self.keys())

    def keys(self):
        """The names."""
        return [name for name, _ in self.named_children()]

    def values(self):
        """The modules."""
        return self.children()

    def items(self):
        """Pairs (name, module)."""
        return self.named_children()
