# Written by tito export from modules/07_optimizers/optimizers.ipynb.
# Edit the notebook, not this file.

"""Walk downhill without stumbling."""

__all__ = [
    "sgd_update",
    "Optimizer",
    "momentum_update",
    "SGD",
    "adam_update",
    "adamw_decay",
    "Adam",
    "AdamW",
    "clip_grad_norm_",
    "warmup_cosine",
]


# %% imports
import math

import numpy as np

from . import bookkeeping, messages
from .bookkeeping import (
    SHORT,
    fitted,
    listed,
    pack_for,
    plain,
    refuse_parameters,
    refuse_settings,
)
from .tensor import float32, wrap


# %% sgd_update
def sgd_update(param, grad, lr):
    """param <- param - lr * grad, in place.

    Args:
        param: array, any shape; it is written into.
        grad: array of the same shape; it is only read.
        lr: the learning rate, a Python number.

    Source: Cauchy 1847; Robbins & Monro 1951 with noisy gradients.

    >>> param = np.array([1.0, 2.0])
    >>> sgd_update(param, np.array([10.0, -10.0]), lr=0.1)
    >>> param
    array([0., 3.])
    """
    param -= lr * grad


# %% optimizer
class Optimizer:
    """Parameters in groups, the settings of each group, and a state for each parameter.

    Args:
        params: Tensors: a list or a generator, such as `model.parameters()`; or a list of groups,
            dictionaries {"params": Tensors, "lr": 0.1, ...}.
        defaults: dictionary of the settings, for groups that do not name their own.

    Attributes:
        param_groups: list of dictionaries, the groups; settings may be changed between steps.
        state: parameter -> dictionary of what a kind of optimizer remembers about it.
        keeps: the names in those dictionaries; each kind of optimizer says its own.
        elementwise: whether `update` treats every number by itself, so that short parameters may
            be moved together.

    Raises:
        ValueError, TypeError: no parameters at all, or such that cannot be trained.
    """

    keeps, elementwise = (), False

    def __init__(self, params, defaults):
        self.defaults, self.param_groups, self.state = dict(defaults), [], {}
        self.packs = {}  # number of a group -> its Pack
        params = listed(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        for group in groups:
            self.add_param_group(group)
        if not self.in_order():
            advice = "is the model empty (a Tensor is no Parameter), or the iterator used up?"
            raise ValueError(f"no parameters: {advice}")

    def add_param_group(self, group):
        """Take in one more group: {"params": Tensors, and settings of its own}.

        It may have a "name", too, and a schedule keeps the "initial_lr" in it.
        """
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f'a group is a dictionary that names its "params", not {group!r:.60}')
        if unknown := set(group) - {"params", "name", "initial_lr", *self.defaults}:
            raise ValueError(f"no setting {min(unknown)!r}: there are {', '.join(self.defaults)}")
        group = {**self.defaults, **group, "params": listed(group["params"])}
        refuse_settings(group)
        refuse_parameters(group["params"], set(self.in_order()))
        self.param_groups.append(group)

    __repr__ = messages.optimizer

    def in_order(self):
        """All parameters, group after group."""
        return [p for group in self.param_groups for p in group["params"]]

    # -- the exercise
    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters: each .grad becomes None.

        Args:
            set_to_none: True; PyTorch's old way, zeros, is refused.

        >>> from tinytorch.tensor import Tensor
        >>> weight = Tensor([3.0], requires_grad=True)
        >>> optimizer = Optimizer([weight], {})
        >>> (weight * weight).backward()
        >>> weight.grad
        tensor([6.])
        >>> optimizer.zero_grad()
        >>> print(weight.grad)
        None
        """
        if not set_to_none:
            raise ValueError("zero_grad makes gradients None: zeros would still move by momentum")
        for group in self.param_groups:
            for p in group["params"]:
                p.grad = None

    def step(self):
        """Change every parameter that has a gradient, in place; the graph learns nothing of it."""
        for number, group in enumerate(self.param_groups):
            settings = {name: plain(group[name]) for name in self.defaults}
            moving = bookkeeping.with_gradient(group["params"])
            pack = self.pack(number, [p for p in moving if p.array.size < SHORT])
            if pack:
                pack.move(self.update, settings)
            for p in moving:
                if not (pack and p.array.size < SHORT):
                    self.update(p.array, p.grad.array, self.state.setdefault(p, {}), **settings)
                p.version[0] += 1  # a graph that kept the old numbers will notice

    def pack(self, number, params):
        """The Pack of these parameters of a group; None if each has to move by itself."""
        before = self.packs.pop(number, None)  # gone for good if parameters move alone now, and age
        if not self.elementwise or len(params) < 2:
            return None
        states = [self.state.setdefault(p, {}) for p in params]
        return self.packs.setdefault(number, pack_for(before, params, states))

    def update(self, param, grad, state, **settings):
        """Change one array in place; each kind of optimizer says how."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to update")

    # -- saving, for later
    def state_dict(self):
        """All that is needed to go on later, as a copy: plain arrays, numbers and positions.

        Returns:
            {"state": {position: {name: array or number}}, "param_groups": [settings]}, where a
            position counts the parameters group after group, and "params" lists positions.
        """
        positions = {p: n for n, p in enumerate(self.in_order())}
        groups = [{**g, "params": [positions[p] for p in g["params"]]} for g in self.param_groups]
        groups = [{name: plain(value) for name, value in group.items()} for group in groups]
        remembered = [p for p in positions if self.state.get(p)]
        state = {positions[p]: fitted(self.state[p], p, self.keeps) for p in remembered}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved):
        """Go on where `saved` left off, settings included; bit for bit if the model does too.

        Args:
            saved: what `state_dict()` of the same kind of optimizer gave, over parameters of the
                same shapes in the same groups. It is copied; Tensors in it are welcome too.

        Raises:
            ValueError: it does not fit; the optimizer is as it was.
        """
        loaded, own = saved["param_groups"], self.param_groups
        sizes, fits = ([len(group["params"]) for group in groups] for groups in (loaded, own))
        if sizes != fits:
            raise ValueError(f"the state is of groups of {sizes} parameters, and here are {fits}")
        groups = [{**new, "params": old["params"]} for new, old in zip(loaded, own)]
        groups = Optimizer(groups, self.defaults).param_groups  # refuses settings that do not fit
        states = {int(n): entries for n, entries in saved["state"].items()}
        order = dict(enumerate(self.in_order()))
        if unknown := set(states) - set(order):
            raise ValueError(f"the state remembers a parameter {min(unknown)} that no group has")
        self.state = {order[n]: fitted(states[n], order[n], self.keeps) for n in states}
        self.param_groups = groups


# %% momentum_update
def momentum_update(param, grad, velocity, lr, momentum=0.9, nesterov=False):
    """velocity <- momentum * velocity + grad; param <- param - lr * velocity; both in place.

    Args:
        param: array, any shape; it is written into.
        grad: array of the same shape; it is only read.
        velocity: array of the same shape, zeros before the first step; it is written into.
        lr: the learning rate, a Python number.
        momentum: the share of the velocity that survives a step, 0 to 1.
        nesterov: step along momentum * velocity + grad instead, the velocity to come.

    Source: Polyak 1964; Nesterov 1983; both for networks: Sutskever et al. 2013.

    >>> param, velocity = np.array([10.0]), np.array([0.0])
    >>> momentum_update(param, np.array([2.0]), velocity, lr=0.5)
    >>> momentum_update(param, np.array([1.0]), velocity, lr=0.5)
    >>> velocity, param
    (array([2.8]), array([7.6]))
    """
    velocity *= momentum
    velocity += grad
    direction = momentum * velocity + grad if nesterov else velocity
    param -= lr * direction


# %% sgd
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay if wanted.

    Args:
        params: as in `Optimizer`.
        lr: the learning rate.
        momentum: the share of the velocity that survives a step; 0 for plain steps.
        weight_decay: this times the parameter is added to its gradient.
        nesterov: look ahead along the momentum.

    Source: Robbins & Monro 1951; Polyak 1964; Nesterov 1983.

    >>> from tinytorch.tensor import Tensor
    >>> weight = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([weight], lr=0.1)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.8, 1.6], requires_grad=True)
    """

    keeps, elementwise = ("velocity",), True

    def __init__(self, params, lr=1e-3, momentum=0.0, *, weight_decay=0.0, nesterov=False):
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, {**settings, "nesterov": nesterov})

    def update(self, param, grad, state, lr, momentum, weight_decay, nesterov):
        """One step for one array."""
        if weight_decay:
            grad = grad + weight_decay * param
        if not momentum:
            return sgd_update(param, grad, lr)
        if not state:
            state["velocity"] = np.zeros_like(param)
        return momentum_update(param, grad, state["velocity"], lr, momentum, nesterov)


# %% adam_update
def adam_update(param, grad, m, v, step, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """param <- param - lr * m_hat / (sqrt(v_hat) + eps), in place, where

    m <- beta1 * m + (1 - beta1) * grad,       m_hat = m / (1 - beta1^step),
    v <- beta2 * v + (1 - beta2) * grad^2,     v_hat = v / (1 - beta2^step).

    Args:
        param: array, any shape; it is written into.
        grad: array of the same shape; it is only read.
        m, v: arrays of the same shape, zeros before the first step; they are written into.
        step: the number of this step, 1 for the first.
        lr, beta1, beta2, eps: Python numbers.

    Source: Kingma & Ba 2014.

    >>> param, m, v = np.array([1.0, 1.0]), np.zeros(2), np.zeros(2)
    >>> adam_update(param, np.array([1000.0, -0.001]), m, v, step=1, lr=0.25)
    >>> param.round(4)
    array([0.75, 1.25])
    """
    m *= beta1
    m += (1 - beta1) * grad
    v *= beta2
    v += (1 - beta2) * (grad * grad)
    change = m / (np.sqrt(v / (1 - beta2**step)) + eps)
    change *= lr / (1 - beta1**step)
    param -= change


# %% adamw_decay
def adamw_decay(param, lr, weight_decay):
    """param <- param * (1 - lr * weight_decay), in place.

    Args:
        param: array, any shape; it is written into.
        lr, weight_decay: Python numbers.

    Source: Loshchilov & Hutter 2017.

    >>> param = np.array([1.0, -5.0])
    >>> adamw_decay(param, lr=0.1, weight_decay=0.01)
    >>> param
    array([ 0.999, -4.995])
    """
    param *= 1 - lr * weight_decay


# %% adam
class Adam(Optimizer):
    """Adam: every number gets its own step, by its average gradient and its average square.

    Args:
        params: as in `Optimizer`.
        lr: the learning rate, about how far each number moves in a step.
        betas: how much of the two averages survives a step.
        eps: keeps from dividing by 0.
        weight_decay: this times the parameter is added to its gradient; see `AdamW`.

    Source: Kingma & Ba 2014.

    >>> from tinytorch.tensor import Tensor
    >>> weight = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([weight], lr=0.1)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.9, 1.9], requires_grad=True)
    """

    keeps, elementwise = ("step", "m", "v"), True

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings)

    def update(self, param, grad, state, lr, betas, eps, weight_decay):
        """One step for one array."""
        if not state:
            state.update(step=0, m=np.zeros_like(param), v=np.zeros_like(param))
        state["step"] += 1
        if weight_decay:
            grad = grad + weight_decay * param
        adam_update(param, grad, state["m"], state["v"], state["step"], lr, *betas, eps)


class AdamW(Adam):
    """Adam with decoupled weight decay: param * (1 - lr * weight_decay) before each step.

    Args:
        params, lr, betas, eps: as in `Adam`.
        weight_decay: the share that goes in each step, times lr.

    Source: Loshchilov & Hutter 2017.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, lr, betas, eps, weight_decay)

    def update(self, param, grad, state, lr, betas, eps, weight_decay):
        """Shrink the array, then one step of Adam without weight decay."""
        adamw_decay(param, lr, weight_decay)
        super().update(param, grad, state, lr, betas, eps, weight_decay=0.0)


# %% clip_grad_norm_
def clip_grad_norm_(parameters, max_norm):
    """g <- g * min(1, max_norm / (norm + 1e-6)) for all gradients g, in place, where
    norm = sqrt(sum over all gradients of sum(g^2)).

    Args:
        parameters: a list or generator of Tensors, or one; those without a gradient do not count.
        max_norm: how long all gradients together may be.

    Returns:
        The norm as it was before, a 0-d Tensor. If it is inf or nan, what is in the gradients then
        is of no use: look at the norm before you step.

    Raises:
        ValueError: max_norm is negative.

    Source: Pascanu, Mikolov & Bengio 2012.

    >>> from tinytorch.tensor import Tensor
    >>> a, b = (Tensor(numbers, requires_grad=True) for numbers in ([1.0], [1.0, 1.0]))
    >>> a.grad, b.grad = Tensor([3.0]), Tensor([4.0, 0.0])
    >>> clip_grad_norm_([a, b], max_norm=1.0)
    tensor(5.)
    >>> a.grad, b.grad
    (tensor([0.6]), tensor([0.8, 0. ]))
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm is a length, at least 0, not {max_norm}")
    tensors = [p.grad for p in listed(parameters) if p.grad is not None]
    gradients = [tensor.array for tensor in tensors]
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    scale = max_norm / (norm + 1e-6)
    if scale < 1:
        for g in gradients:
            g *= scale
    for tensor in tensors:
        tensor.version[0] += 1  # as in step(): it was written into
    return wrap(np.array(norm, dtype=gradients[0].dtype if gradients else float32))


# %% warmup_cosine
def warmup_cosine(step, warmup_steps, total_steps, lr=1.0, min_lr=0.0):
    """lr * step / warmup_steps while warming up, then
    min_lr + (lr - min_lr) * (1 + cos(pi * done)) / 2, where done goes from 0 to 1.

    Args:
        step: the number of the step, 0 for the first.
        warmup_steps: how many steps the rise takes; 0 for none.
        total_steps: after how many steps min_lr is reached; it stays there.
        lr: the top. min_lr: the end.

    Returns:
        The learning rate of that step, a number.

    Raises:
        ValueError: a negative number of steps.

    Source: Loshchilov & Hutter 2016 (cosine); Goyal et al. 2017 (linear warm-up).

    >>> [round(warmup_cosine(step, 2, 6), 4) for step in range(8)]
    [0.0, 0.5, 1.0, 0.8536, 0.5, 0.1464, 0.0, 0.0]
    """
    if min(step, warmup_steps, total_steps) < 0:
        raise ValueError(f"steps count from 0: {step=}, {warmup_steps=}, {total_steps=}")
    falling_steps = max(1, total_steps - warmup_steps)
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = min(1.0, (step - warmup_steps) / falling_steps)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2
