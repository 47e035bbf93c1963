"""What PyTorch keeps in `torch.nn.utils`."""

import math

import numpy as np

from .. import optimizers
from ..functions import norm
from ..tensor import cat, stack, zeros

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]
__all__ += ["parameters_to_vector", "vector_to_parameters"]


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """`optimizers.clip_grad_norm_`, which can refuse gradients that hold inf or nan.

    Args:
        parameters: a list or generator of Tensors, or one; those without a gradient do not count.
        max_norm: how long all gradients together may be.
        norm_type: which length: 2, another number, or inf for the largest element.
        error_if_nonfinite: refuse inf and nan, before anything is written.

    Returns:
        The norm as it was before, a 0-d Tensor.

    Raises:
        RuntimeError: a gradient holds inf or nan, and error_if_nonfinite is set.
    """
    parameters = optimizers.listed(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    if error_if_nonfinite and not all(np.isfinite(g.array).all() for g in gradients):
        raise RuntimeError("a gradient holds inf or nan, so its norm does too: nothing was clipped")
    if float(norm_type) == 2:
        total = optimizers.clip_grad_norm_(parameters, max_norm)
        for g in gradients if math.isnan(total.item()) else ():
            g.mul_(math.nan)  # as in PyTorch: one nan, and all are nan
        return total
    total = get_total_norm(gradients, norm_type)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The length of all tensors together -> a 0-d Tensor. Args: as `clip_grad_norm_`."""
    norms = [norm(t.detach(), norm_type) for t in optimizers.listed(tensors)]
    total = norm(stack(norms), norm_type) if norms else zeros(())
    if error_if_nonfinite and not np.isfinite(total.array):
        raise RuntimeError(f"the norm of all tensors together is {total.item()}, not finite")
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scale all gradients by max_norm / total_norm, if that is below 1, in place."""
    share = max_norm / (float(total_norm) + 1e-6)
    share = 1.0 if share > 1 else share  # nan stays nan
    for p in optimizers.listed(parameters):
        if p.grad is not None:
            p.grad.mul_(share)


def clip_grad_value_(parameters, clip_value, foreach=None):
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
