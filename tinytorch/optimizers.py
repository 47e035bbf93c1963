# Written by tito export from modules/07_optimizers/optimizers.ipynb.
# Edit the notebook, not this file.

"""Walk downhill without stumbling."""

__all__ = [
    "sgd_update",
    "plain",
    "refuse_settings",
    "refuse_parameters",
    "listed",
    "Optimizer",
    "momentum_update",
    "SGD",
    "adam_update",
    "adamw_decay",
    "Adam",
    "AdamW",
    "gradients_to_write",
    "clip_grad_norm_",
    "warmup_cosine",
    "LambdaLR",
    "copied",
    "fitted",
]


# %% imports
import math
from collections import defaultdict

import numpy as np

from .tensor import Tensor, float32, wrap


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


# %% refusals
def plain(setting):
    """A setting as Python numbers: a NumPy float64 would make float64 of a whole float32 array.

    >>> plain((np.float64(0.5), 1))
    (0.5, 1)
    """
    if isinstance(setting, (tuple, list)):
        return tuple(plain(part) for part in setting)
    return setting.item() if hasattr(setting, "item") else setting


def refuse_settings(settings):
    """Refuse settings of a group that no optimizer can work with.

    Raises:
        ValueError: names the setting.
    """
    for name in ("lr", "momentum", "weight_decay", "eps"):
        value = plain(settings.get(name, 0))
        if not (isinstance(value, (int, float)) and 0 <= value < math.inf):
            raise ValueError(f"{name} is a number and at least 0, not {value!r}")
    betas = plain(settings.get("betas", (0, 0)))
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas are two numbers, at least 0 and below 1, not {betas}")
    if settings.get("nesterov") and not settings.get("momentum"):
        raise ValueError("nesterov=True looks ahead along the momentum: give a momentum above 0")


def refuse_parameters(params, taken):
    """Refuse what cannot be trained, and what is trained already.

    Args:
        params: what should be a list of Tensors.
        taken: the parameters that other groups hold.

    Raises:
        TypeError: something is not a Tensor.
        ValueError: a Tensor is no leaf, wants no gradient, or is there twice.
    """
    seen = set(taken)
    for number, p in enumerate(params):
        if not isinstance(p, Tensor):
            raise TypeError(
                f"an optimizer moves tensors, and number {number} of the list is a "
                f"{type(p).__name__}: pass model.parameters()"
            )
        which = f"parameter number {number}, of shape {p.shape},"
        if not p.is_leaf:
            raise ValueError(
                f"{which} was computed by {p.made_by.primitive}, and a step would change only the "
                "result: pass the leaf that it was computed from"
            )
        if not p.requires_grad:
            raise ValueError(
                f"{which} does not require grad and would never move: leave it out, or call "
                "requires_grad_() on it"
            )
        if p in seen:
            raise ValueError(f"{which} is in the optimizer twice, and would be moved twice a step")
        seen.add(p)


def listed(params):
    """The parameters as a list; a single Tensor makes a list of one.

    Raises:
        TypeError: a model, or a set, which has no order that would be the same next time.
    """
    if isinstance(params, Tensor):
        return [params]
    if isinstance(params, set) or hasattr(params, "parameters"):
        raise TypeError(
            f"an optimizer takes a list of tensors, not a {type(params).__name__}: pass "
            "model.parameters()"
        )
    return list(params)


# %% optimizer
class Optimizer:
    """Parameters in groups, the settings of each group, and a state for each parameter.

    Args:
        params: Tensors that require grad: a list or a generator, such as `model.parameters()`; or
            a list of groups, dictionaries {"params": Tensors, "lr": 0.1, ...}.
        defaults: dictionary of the settings, for groups that do not name their own.

    Attributes:
        param_groups: list of dictionaries, the groups; settings may be changed between steps.
        state: parameter -> dictionary of what a kind of optimizer remembers about it.
        keeps: the names in those dictionaries; each kind of optimizer says its own.

    Raises:
        ValueError, TypeError: no parameters at all, or such that cannot be trained.
    """

    keeps = ()

    def __init__(self, params, defaults):
        self.defaults, self.param_groups, self.state = dict(defaults), [], defaultdict(dict)
        params = listed(params)
        are_groups = bool(params) and isinstance(params[0], dict)
        for group in params if are_groups else [{"params": params}]:
            self.add_param_group(group)
        if not self.in_order():
            raise ValueError(
                "the optimizer got no parameters: is the model empty, or was a generator used up?"
            )

    def add_param_group(self, group):
        """Take in one more group: {"params": Tensors, and settings of its own}."""
        if not isinstance(group, dict) or "params" not in group:
            raise TypeError(f'a group is a dictionary that names its "params", not {group!r:.60}')
        unknown = set(group) - {"params", "name", "initial_lr", *self.defaults}
        if unknown:
            raise ValueError(
                f"{type(self).__name__} has no setting {min(unknown)!r}: it knows "
                f"{', '.join(self.defaults)}"
            )
        params = listed(group["params"])
        group = {**self.defaults, **group, "params": params}
        refuse_settings(group)
        refuse_parameters(params, self.in_order())
        self.param_groups.append(group)

    def in_order(self):
        """All parameters, group after group."""
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters: each .grad becomes None.

        Args:
            set_to_none: True; PyTorch's old way, zeros, is refused.

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
        for group in self.param_groups:
            settings = {name: plain(group[name]) for name in self.defaults}
            for p in group["params"]:
                if p.grad is not None:
                    self.update(p.array, p.grad.array, self.state[p], **settings)
                    p.version[0] += 1  # a graph that kept the old numbers will notice

    def update(self, param, grad, state, **settings):
        """Change one array in place; each kind of optimizer says how."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to update")

    def state_dict(self):
        """All that is needed to go on later, as a copy: plain arrays, numbers and positions.

        Returns:
            {"state": {position: {name: array or number}}, "param_groups": [settings]}, where a
            position counts the parameters group after group, and "params" lists positions.
        """
        order = self.in_order()
        positions = {p: position for position, p in enumerate(order)}
        groups = []
        for group in self.param_groups:
            settings = {name: plain(v) for name, v in group.items() if name != "params"}
            groups.append({**settings, "params": [positions[p] for p in group["params"]]})
        remembered = [(position, self.state.get(p)) for p, position in positions.items()]
        state = {position: copied(entries) for position, entries in remembered if entries}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, saved):
        """Go on where `saved` left off, settings included; bit for bit if the model does too.

        Args:
            saved: what `state_dict()` of the same kind of optimizer gave, over parameters of the
                same shapes in the same groups. It is copied; Tensors in it are welcome too.

        Raises:
            ValueError: it does not fit; the optimizer is as it was.
        """
        groups = saved["param_groups"]
        sizes, own = ([len(g["params"]) for g in gs] for gs in (groups, self.param_groups))
        if sizes != own:
            raise ValueError(f"the state is of groups of {sizes} parameters, and here are {own}")
        settings = [{k: v for k, v in group.items() if k != "params"} for group in groups]
        for group in settings:
            if missing := [name for name in self.defaults if name not in group]:
                raise ValueError(
                    f"the state knows no {missing[0]!r}: it was saved by another kind of "
                    f"optimizer than {type(self).__name__}"
                )
            refuse_settings(group)
        numbers = [number for group in groups for number in group["params"]]
        owners = dict(zip(numbers, self.in_order(), strict=True))
        states = {int(number): entries for number, entries in saved["state"].items()}
        if unknown := set(states) - set(owners):
            raise ValueError(f"the state remembers a parameter {min(unknown)} that no group has")
        new = {owners[n]: fitted(entries, owners[n], self.keeps) for n, entries in states.items()}
        for group, loaded in zip(self.param_groups, settings, strict=True):
            group.update(loaded)
        self.state = defaultdict(dict, new)


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

    >>> weight = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = SGD([weight], lr=0.1)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.8, 1.6], requires_grad=True)
    """

    keeps = ("velocity",)

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

    >>> weight = Tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = Adam([weight], lr=0.1)
    >>> (weight * weight).sum().backward()
    >>> optimizer.step()
    >>> weight
    tensor([0.9, 1.9], requires_grad=True)
    """

    keeps = ("step", "m", "v")

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings)

    def update(self, param, grad, state, lr, betas, eps, weight_decay):
        """One step for one array."""
        if not state:
            state.update(step=0, m=np.zeros_like(param), v=np.zeros_like(param))
        state["step"] += 1
        if weight_decay:
            grad = self.decay(param, grad, lr, weight_decay)
        adam_update(param, grad, state["m"], state["v"], state["step"], lr, *betas, eps)

    def decay(self, param, grad, lr, weight_decay):
        """The gradient with the weight decay in it."""
        return grad + weight_decay * param


class AdamW(Adam):
    """Adam with decoupled weight decay: param * (1 - lr * weight_decay) before each step.

    Args:
        params, lr, betas, eps: as in `Adam`.
        weight_decay: the share that goes in each step, times lr.

    Source: Loshchilov & Hutter 2017.
    """

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
        super().__init__(params, lr, betas, eps, weight_decay)

    def decay(self, param, grad, lr, weight_decay):
        """Shrink the parameter; the gradient stays as it is."""
        adamw_decay(param, lr, weight_decay)
        return grad


# %% clip_grad_norm_
def gradients_to_write(parameters):
    """The gradients' arrays, of those parameters that have one; noted as written into."""
    tensors = [p.grad for p in listed(parameters) if p.grad is not None]
    for tensor in tensors:
        tensor.version[0] += 1
    return [tensor.array for tensor in tensors]


def clip_grad_norm_(parameters, max_norm, *, error_if_nonfinite=False):
    """g <- g * min(1, max_norm / (norm + 1e-6)) for all gradients g, in place, where
    norm = sqrt(sum over all gradients of sum(g^2)).

    Args:
        parameters: a list or generator of Tensors, or one; those without a gradient do not count.
        max_norm: how long all gradients together may be.
        error_if_nonfinite: refuse inf and nan. Otherwise they come back as the norm, and what is
            in the gradients then is of no use: look at the norm before you step.

    Returns:
        The norm as it was before, a 0-d Tensor.

    Raises:
        ValueError: max_norm is negative.
        RuntimeError: a gradient holds inf or nan, and error_if_nonfinite is set; none has changed.

    Source: Pascanu, Mikolov & Bengio 2012.

    >>> a, b = (Tensor(numbers, requires_grad=True) for numbers in ([1.0], [1.0, 1.0]))
    >>> a.grad, b.grad = Tensor([3.0]), Tensor([4.0, 0.0])
    >>> clip_grad_norm_([a, b], max_norm=1.0)
    tensor(5.)
    >>> a.grad, b.grad
    (tensor([0.6]), tensor([0.8, 0. ]))
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm is a length, at least 0, not {max_norm}")
    gradients = gradients_to_write(parameters)
    if error_if_nonfinite and not all(np.isfinite(g).all() for g in gradients):
        raise RuntimeError("a gradient holds inf or nan, so its norm does too: nothing was clipped")
    norm = math.sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    scale = max_norm / (norm + 1e-6)
    if scale < 1:
        for g in gradients:
            g *= scale
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
        raise ValueError(
            f"steps are counted from 0, so none of step={step}, warmup_steps={warmup_steps}, "
            f"total_steps={total_steps} can be negative"
        )
    falling_steps = max(1, total_steps - warmup_steps)
    if step < warmup_steps:
        return lr * step / warmup_steps
    done = min(1.0, (step - warmup_steps) / falling_steps)
    return min_lr + (lr - min_lr) * (1 + math.cos(math.pi * done)) / 2


# %% lambda_lr
class LambdaLR:
    """lr of a group = its first lr * factor(n), where n counts the calls of `step()`.

    Args:
        optimizer: whose groups' lr is set, at once and after each `step()`.
        lr_lambda: a function n -> factor, or a list of functions, one for each group.

    Attributes:
        last_epoch: n.
        base_lrs: the groups' first learning rates; each group keeps its own as "initial_lr".

    Raises:
        ValueError: there are more or fewer functions than groups.

    >>> weight = Tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([weight], lr=0.5)
    >>> schedule = LambdaLR(optimizer, lambda n: 0.1**n)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """

    def __init__(self, optimizer, lr_lambda):
        groups = optimizer.param_groups
        factors = lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * len(groups)
        if len(factors) != len(groups):
            raise ValueError(f"{len(factors)} functions for {len(groups)} groups: one for each")
        self.optimizer, self.factors, self.last_epoch = optimizer, factors, 0
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        self.set_lr()

    def step(self):
        """Go on to the next learning rate; after the optimizer's step."""
        self.last_epoch += 1
        self.set_lr()

    def set_lr(self):
        """Set the learning rate of every group."""
        if len(self.optimizer.param_groups) != len(self.base_lrs):
            raise ValueError("the optimizer got a group after this schedule was made: make it anew")
        triples = zip(self.optimizer.param_groups, self.base_lrs, self.factors, strict=True)
        for group, base, factor in triples:
            group["lr"] = plain(base * factor(self.last_epoch))

    def get_last_lr(self):
        """The learning rates that are set now, one for each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        """What is needed to go on later."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, saved):
        """Go on where `saved` left off."""
        base_lrs = list(saved["base_lrs"])
        if len(base_lrs) != len(self.base_lrs):
            raise ValueError(f"{len(base_lrs)} groups saved, and here {len(self.base_lrs)}")
        self.last_epoch, self.base_lrs = int(saved["last_epoch"]), base_lrs
        self.set_lr()


# %% saving
def copied(entries):
    """What an optimizer remembers of one parameter, with arrays of its own."""
    return {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in entries.items()
    }


def fitted(entries, param, names):
    """Saved entries as they fit a parameter: arrays of its shape and dtype, and whole numbers.

    Raises:
        ValueError: other names than the optimizer keeps, or an array of another shape.
    """
    if set(entries) != set(names):
        raise ValueError(
            f"the state of a parameter holds {', '.join(sorted(entries))}, and this optimizer "
            f"keeps {', '.join(sorted(names)) or 'nothing'}"
        )
    arrays = {name: np.asarray(getattr(v, "array", v)) for name, v in entries.items()}
    for name, array in arrays.items():
        if array.dtype.kind == "f" and array.shape != param.shape:
            raise ValueError(
                f"the state holds {name!r} of shape {array.shape} for a parameter of shape "
                f"{param.shape}"
            )
    return {
        name: np.array(array, dtype=param.dtype) if array.dtype.kind == "f" else array.item()
        for name, array in arrays.items()
    }
