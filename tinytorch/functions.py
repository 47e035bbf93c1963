"""What a PyTorch user looks for and no lesson needs: gradients on request, and more switches."""

import numpy as np

from .autograd import backward, compact, no_grad, retain_grad, rule
from .tensor import Tensor, _switch, recording, wrap

__all__ = ["grad", "inference_mode", "is_grad_enabled", "set_grad_enabled"]


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=False,
    create_graph=False,
    allow_unused=False,
):
    """The gradients of `outputs` with respect to `inputs`, as a tuple; no .grad changes.

    PyTorch's `autograd.grad`: good for several workers that share weights.

    Args:
        outputs: a Tensor, as for `backward`.
        inputs: a Tensor or a list of them: leaves, or results on the way.
        grad_outputs, retain_graph, create_graph: as for `backward`.
        allow_unused: None for an input that `outputs` does not depend on, instead of an error.

    Raises:
        RuntimeError: an input was not used to compute the output, or what `backward` refuses.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> grad(x * x, x)
    (tensor(6.),)
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    calls = [t.made_by for t in inputs if t.made_by is not None]
    before, found = [call.result for call in calls], {}
    try:
        for t in inputs:
            retain_grad(t)
        backward(outputs, grad_outputs, retain_graph, create_graph, into=found.update)
    finally:
        for call, result in zip(calls, before):
            call.result = result
    for i, t in enumerate(inputs):
        if t not in found and not allow_unused:
            raise RuntimeError(
                f"grad: input {i} was not used to compute the output: pass allow_unused=True to "
                "get None for it"
            )
    return tuple(wrap(compact(found[t])) if t in found else None for t in inputs)


# ---------------------------------------------------------------- remember, or not
class set_grad_enabled(no_grad):
    """`set_grad_enabled(False)` switches at once; `with set_grad_enabled(False):` until its end.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> with set_grad_enabled(False):
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    def __new__(cls, mode):
        return object.__new__(cls)

    def __init__(self, mode):
        self.on, self.outside = bool(mode), _switch.on
        _switch.on = self.on

    def __enter__(self):
        if self.outside is not None:  # undo the switch at once, so that the end comes back to it
            _switch.on, self.outside = self.outside, None
        return super().__enter__()

    def __call__(self, function):
        _switch.on, self.outside = self.outside, None
        return super().__call__(function)


inference_mode = no_grad
is_grad_enabled = recording


# ---------------------------------------------------------------- rules
@rule
def cumsum_rule(g, dim):
    """z_i = x_0 + ... + x_i: x_i is in z_i and in all that follow."""
    return np.flip(np.flip(g, dim).cumsum(axis=dim), dim)


@rule
def triu_rule(g, diagonal):
    """Zeros below the diagonal."""
    return np.triu(g, diagonal)


@rule
def tril_rule(g, diagonal):
    """Zeros above the diagonal."""
    return np.tril(g, diagonal)
