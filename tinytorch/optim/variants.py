"""The optimizers of the course with PyTorch's further arguments, and two that no lesson needs.

`isinstance(optimizer, optim.Adam)` is true of the course's own Adam as well.
"""

import numpy as np

from .. import optimizers
from ..autograd import enable_grad
from ..names.twin import Twin
from ..optimizers import Optimizer


def refuse(**settings):
    """Refuse what is not here; PyTorch's settings that only change the speed are let pass."""
    for name, value in settings.items():
        if value:
            raise ValueError(f"{name}={value!r} is not supported: leave it out")


class Closing:
    """`step(closure)`, as PyTorch has it: the closure computes the loss, which is returned."""

    def step(self, closure=None):
        """One step; -> what the closure returned, or None."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        super().step()
        return loss


class SGD(Closing, optimizers.SGD, metaclass=Twin):
    """Stochastic gradient descent, with PyTorch's arguments.

    Args:
        params, lr, momentum, weight_decay, nesterov: as in module 07.
        dampening: 0.
        maximize: walk uphill.
        foreach, fused, differentiable: accepted; they change nothing here.
    """

    twin = optimizers.SGD

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0.0,
        dampening=0.0,
        weight_decay=0.0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        refuse(dampening=dampening, differentiable=differentiable)
        self.maximize = maximize
        super().__init__(params, lr, momentum, weight_decay=weight_decay, nesterov=nesterov)

    def update(self, param, grad, state, **settings):
        super().update(param, -grad if self.maximize else grad, state, **settings)


class Adam(Closing, optimizers.Adam, metaclass=Twin):
    """Adam, with PyTorch's arguments.

    Args:
        params, lr, betas, eps, weight_decay: as in module 07.
        amsgrad: False.
        maximize: walk uphill.
        foreach, capturable, differentiable, fused: accepted; they change nothing here.
    """

    twin = optimizers.Adam

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
    ):
        refuse(amsgrad=amsgrad, differentiable=differentiable)
        self.maximize = maximize
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, param, grad, state, **settings):
        super().update(param, -grad if self.maximize else grad, state, **settings)


class AdamW(Closing, optimizers.AdamW, metaclass=Twin):
    """Adam with decoupled weight decay, with PyTorch's arguments.

    Args:
        params, lr, betas, eps, weight_decay: as in module 07.
        amsgrad: False.
        maximize: walk uphill.
        foreach, capturable, differentiable, fused: accepted; they change nothing here.
    """

    twin = optimizers.AdamW

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        amsgrad=False,
        *,
        maximize=False,
        foreach=None,
        capturable=False,
        differentiable=False,
        fused=None,
    ):
        refuse(amsgrad=amsgrad, differentiable=differentiable)
        self.maximize = maximize
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, param, grad, state, **settings):
        super().update(param, -grad if self.maximize else grad, state, **settings)


class RMSprop(Closing, Optimizer):
    """param <- param - lr * grad / (sqrt(v) + eps), v <- alpha * v + (1 - alpha) * grad^2.

    Args:
        params: as in `Optimizer`.
        lr: the learning rate. alpha: how much of the average of squares survives a step.
        eps: keeps from dividing by 0.
        weight_decay: this times the parameter is added to its gradient.
        momentum: the share of the last step that is walked again.

    Source: Tieleman & Hinton 2012.
    """

    keeps, elementwise = ("v", "velocity"), True

    def __init__(self, params, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "momentum": momentum})

    def update(self, param, grad, state, lr, alpha, eps, weight_decay, momentum):
        """One step for one array."""
        if not state:
            state.update(v=np.zeros_like(param), velocity=np.zeros_like(param))
        if weight_decay:
            grad = grad + weight_decay * param
        state["v"] *= alpha
        state["v"] += (1 - alpha) * (grad * grad)
        state["velocity"] *= momentum
        state["velocity"] += grad / (np.sqrt(state["v"]) + eps)
        param -= lr * state["velocity"]


class Adagrad(Closing, Optimizer):
    """param <- param - lr * grad / (sqrt(v) + eps), v <- v + grad^2.

    Args:
        params: as in `Optimizer`.
        lr: the learning rate.
        weight_decay: this times the parameter is added to its gradient.
        eps: keeps from dividing by 0.

    Source: Duchi, Hazan & Singer 2011.
    """

    keeps, elementwise = ("v",), True

    def __init__(self, params, lr=1e-2, weight_decay=0.0, eps=1e-10):
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "eps": eps})

    def update(self, param, grad, state, lr, weight_decay, eps):
        """One step for one array."""
        if not state:
            state.update(v=np.zeros_like(param))
        if weight_decay:
            grad = grad + weight_decay * param
        state["v"] += grad * grad
        param -= lr * grad / (np.sqrt(state["v"]) + eps)
