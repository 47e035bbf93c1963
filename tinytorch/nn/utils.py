"""What PyTorch keeps in `torch.nn.utils`."""

import numpy as np

from .. import optimizers
from ..tensor import cat

__all__ = ["clip_grad_norm_", "clip_grad_value_", "parameters_to_vector", "vector_to_parameters"]


def clip_grad_norm_(parameters, max_norm, *, error_if_nonfinite=False):
    """`optimizers.clip_grad_norm_`, which can refuse gradients that hold inf or nan.

    Args:
        parameters: a list or generator of Tensors, or one; those without a gradient do not count.
        max_norm: how long all gradients together may be.
        error_if_nonfinite: refuse inf and nan, before anything is written.

    Returns:
        The norm as it was before, a 0-d Tensor.

    Raises:
        RuntimeError: a gradient holds inf or nan, and error_if_nonfinite is set.
    """
    parameters = optimizers.listed(parameters)
    gradients = [p.grad.array for p in parameters if p.grad is not None]
    if error_if_nonfinite and not all(np.isfinite(g).all() for g in gradients):
        raise RuntimeError("a gradient holds inf or nan, so its norm does too: nothing was clipped")
    return optimizers.clip_grad_norm_(parameters, max_norm)


def clip_grad_value_(parameters, clip_value):
    """Cut every number of every gradient to -clip_value ... clip_value, in place.

    Args:
        parameters: a list or generator of Tensors, or one.
        clip_value: at least 0.
    """
    for p in optimizers.listed(parameters):
        if p.grad is not None:
            p.grad.clamp_(-clip_value, clip_value)


def parameters_to_vector(parameters):
    """All parameters, one behind the other: -> (n,), recorded."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Write a vector (n,) into the parameters, one behind the other.

    Raises:
        ValueError: the vector has another length.
    """
    parameters = list(parameters)
    if vec.shape != (sum(p.numel() for p in parameters),):
        raise ValueError(f"the vector {vec.shape} has not one number for each parameter")
    done = 0
    for p in parameters:
        p.detach().copy_(vec.detach()[done : done + p.numel()].reshape(p.shape))
        done += p.numel()
