"""What PyTorch keeps in `torch.nn.utils`."""

import numpy as np

from .. import optimizers

__all__ = ["clip_grad_norm_"]


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
