"""The optimizers of the course with PyTorch's further arguments, and two that no lesson needs.

`isinstance(optimizer, optim.Adam)` is true of the course's own Adam as well.
"""

import copy
import difflib
import math

import numpy as np

from .. import optimizers
from ..autograd import enable_grad
from ..bookkeeping import plain
from ..names.twin import Twin


def refuse(**settings):
    """Refuse what is not here; PyTorch's settings that only change the speed are let pass."""
    for name, value in settings.items():
        if value:
            raise ValueError(f"{name}={value!r} is not supported: leave it out")


def uphill(further):
    """{"maximize": whether}, from further settings; what no optimizer has is refused."""
    known = {"maximize", "foreach", "fused", "capturable", "differentiable"}
    if strange := sorted(set(further) - known):
        raise TypeError(f"an optimizer has no setting {strange[0]!r}: is it misspelt?")
    refuse(differentiable=further.get("differentiable"))
    return {"maximize": bool(further.get("maximize"))}


ONE_FOR_ALL = ("amsgrad", "centered")  # settings that decide what is remembered
NOT_BELOW_0 = ("alpha", "rho", "lr_decay", "momentum_decay", "initial_accumulator_value")


class States(dict):
    """parameter -> dictionary of what is remembered about it; an empty one for a new parameter.

    Attributes:
        shown: whether somebody has seen one of the dictionaries, who may write into it any time.
    """

    shown = False

    def __missing__(self, parameter):
        self[parameter] = {}
        return self[parameter]

    def __getitem__(self, parameter):
        self.shown = True
        return super().__getitem__(parameter)

    def get(self, parameter, default=None):
        """What is remembered about a parameter, or the default."""
        self.shown = True
        return super().get(parameter, default)

    def values(self):
        """All the dictionaries."""
        self.shown = True
        return super().values()

    def items(self):
        """Pairs (parameter, dictionary)."""
        self.shown = True
        return super().items()


def as_shared(pack):
    """True if the dictionaries of the parameters still say what their Pack knows."""
    for part in pack.parts:
        if part.keys() != pack.state.keys():
            return False
        for name, value in part.items():
            common = pack.state[name]
            array = isinstance(value, np.ndarray) and isinstance(common, np.ndarray)
            if not (value.base is common if array else value == common):
                return False
    return True


class Base(optimizers.Optimizer, metaclass=Twin):
    """Parameters in groups, settings and states: what an optimizer of one's own inherits from.

    A subclass writes its own `step`, or `update` for one array as in module 07.

    Args:
        params: Tensors, or groups of them, dictionaries; a group may have further entries.
        defaults: dictionary of the settings, for groups that do not name their own.
    """

    twin = optimizers.Optimizer
    further = {}  # settings beside those that the constructor of module 07 knows, with defaults

    def __init__(self, params, *args, **settings):
        super().__init__(params, *args, **settings)
        self.state = States(self.state)

    def add_param_group(self, param_group):
        """Take in one more group; entries that are no settings are kept in it."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            super().add_param_group(param_group)  # refuses it
        self.defaults.update(self.further)
        group, more = self.parted(param_group)
        super().add_param_group(group)
        self.param_groups[-1].update(more)

    def parted(self, group):
        """A group without the entries that are no settings, and these."""
        for name in ONE_FOR_ALL:
            if (own := self.defaults.get(name)) is not None and group.get(name, own) != own:
                told = f"{name} is {own} in this optimizer, and {group[name]} in a group"
                raise ValueError(f"{told}: it is one for all, given to the constructor")
        for name in NOT_BELOW_0:
            value = {**self.defaults, **group}.get(name, 0)
            if not 0 <= value <= (1 if name == "rho" else math.inf):
                raise ValueError(f"{name} is at least 0, and a share at most 1, not {value}")
        known = {"params", "name", "initial_lr", *self.defaults}
        more = {n: v for n, v in group.items() if n not in known and not typo(n, known)}
        return {n: v for n, v in group.items() if n not in more}, more

    def pack(self, number, params):
        """The Pack of these parameters of a group, made anew if somebody wrote into its states."""
        before = self.packs.get(number)
        if before and getattr(self.state, "shown", True) and not as_shared(before):
            del self.packs[number]
        return super().pack(number, params)

    def zero_grad(self, set_to_none=True):
        """Forget the gradients of all parameters; with set_to_none=False make them zeros."""
        if set_to_none:
            super().zero_grad()
        for p in self.in_order():
            if p.grad is not None:
                p.grad.zero_()

    def state_dict(self):
        """All that is needed to go on later: see `Optimizer` of module 07."""
        if self.keeps or is_usual(self):
            shown = getattr(self.state, "shown", True)
            saved = super().state_dict()  # copies, so that nobody else has seen a state
            if isinstance(self.state, States):
                self.state.shown = shown
            return saved
        places = {p: n for n, p in enumerate(self.in_order())}
        groups = [{**g, "params": [places[p] for p in g["params"]]} for g in self.param_groups]
        return {"state": {places[p]: dict(s) for p, s in self.state.items()},
                "param_groups": groups}  # fmt: skip

    def load_state_dict(self, state_dict):
        """Go on where `state_dict` left off; ValueError if it does not fit."""
        if self.keeps or is_usual(self):
            parts = [self.parted(group) for group in state_dict["param_groups"]]
            groups = [without_sign(group) for group, _ in parts]
            super().load_state_dict({**state_dict, "param_groups": groups})
            for group, (own, more) in zip(self.param_groups, parts):
                group.update(copy.deepcopy(more))
                if below_0(own):
                    group["lr"] = -group["lr"]
        else:
            groups, saved = self.param_groups, copy.deepcopy(state_dict)
            if [len(g["params"]) for g in groups] != [
                len(g["params"]) for g in saved["param_groups"]
            ]:
                raise ValueError("the state is of other groups of parameters")
            for group, old in zip(groups, saved["param_groups"]):
                group.update({n: v for n, v in old.items() if n != "params"})
            order = self.in_order()
            self.state = {order[int(n)]: state for n, state in saved["state"].items()}
        self.state = States(self.state)


def below_0(group):
    """True if the lr is negative: schedules that multiply may end at -1e-17, and train on."""
    rate = plain(group.get("lr", 0))
    return isinstance(rate, float) and rate < 0


def without_sign(group):
    """The same group, with the size of its lr."""
    return {**group, "lr": -plain(group["lr"])} if below_0(group) else group


def is_usual(optimizer):
    """True if the step is that of module 07, whose states have known names."""
    return type(optimizer).step in (Base.step, Closing.step)


def typo(name, known):
    """True if a word looks like a setting that was misspelt."""
    return bool(difflib.get_close_matches(name, known, 1, 0.8))


class Closing(Base):
    """`step(closure)`, as PyTorch has it: the closure computes the loss, which is returned.

    With `maximize` an optimizer walks uphill.
    """

    stepped = False  # a schedule looks here whether it came too early

    def step(self, closure=None):
        """One step; -> what the closure returned, or None."""
        loss, self.stepped = None, True
        if closure is not None:
            with enable_grad():
                loss = closure()
        super().step()
        return loss

    def update(self, param, grad, state, maximize=False, **settings):
        """One step for one array."""
        self.downhill(param, -grad if maximize else grad, state, **settings)

    def downhill(self, param, grad, state, **settings):
        """The step along -grad: the course's own, unless a subclass has another."""
        super().update(param, grad, state, **settings)


class SGD(Closing, optimizers.SGD, metaclass=Twin):
    """Stochastic gradient descent, with PyTorch's arguments.

    Args:
        params, lr, momentum, weight_decay, nesterov: as in module 07.
        dampening: the share of a gradient that does not enter the velocity.
        maximize: walk uphill.
        foreach, fused: accepted; they change nothing here.
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
        refuse(differentiable=differentiable)
        if nesterov and dampening:
            raise ValueError("nesterov=True looks ahead with all of the gradient: dampening=0")
        self.further = {"dampening": dampening, "maximize": maximize}
        super().__init__(params, lr, momentum, weight_decay=weight_decay, nesterov=nesterov)

    def downhill(self, param, grad, state, dampening=0.0, **settings):
        """One step for one array."""
        if not (dampening and settings["momentum"]):
            super().downhill(param, grad, state, **settings)
            return
        grad = decayed(param, grad, settings["weight_decay"])
        if not state:
            state["velocity"] = grad.copy()
        else:
            state["velocity"] *= settings["momentum"]
            state["velocity"] += (1 - dampening) * grad
        if settings["nesterov"]:
            param -= settings["lr"] * (grad + settings["momentum"] * state["velocity"])
        else:
            param -= settings["lr"] * state["velocity"]


def decayed(param, grad, weight_decay, lr=None):
    """The gradient, and weight_decay times the parameter; with lr the parameter shrinks instead."""
    if lr is not None:
        param *= 1 - lr * weight_decay
        return grad
    return grad + weight_decay * param if weight_decay else grad


def amsgrad_update(param, grad, state, lr, beta1, beta2, eps):
    """Adam's step, with the largest v so far."""
    if not state:
        state.update({name: np.zeros_like(param) for name in ("m", "v", "v_max")}, step=0)
    state["step"] += 1
    state["m"] += (1 - beta1) * (grad - state["m"])
    state["v"] += (1 - beta2) * (grad * grad - state["v"])
    np.maximum(state["v_max"], state["v"], out=state["v_max"])
    root = np.sqrt(state["v_max"] / (1 - beta2 ** state["step"])) + eps
    param -= lr / (1 - beta1 ** state["step"]) * state["m"] / root


class Adam(Closing, optimizers.Adam, metaclass=Twin):
    """Adam, with PyTorch's arguments.

    Args:
        params, lr, betas, eps, weight_decay: as in module 07.
        amsgrad: divide by the largest average of squares so far (Reddi et al. 2018).
        maximize: walk uphill. decoupled_weight_decay: as in AdamW.
        foreach, capturable, fused: accepted; they change nothing here.
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
        decoupled_weight_decay=False,
    ):
        refuse(differentiable=differentiable)
        self.further = {"amsgrad": amsgrad, "maximize": maximize}
        self.further["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, lr, betas, eps, weight_decay)
        self.keeps = (*self.keeps, "v_max") if amsgrad else self.keeps

    def downhill(self, param, grad, state, amsgrad, decoupled_weight_decay, **settings):
        """One step for one array."""
        if decoupled_weight_decay:
            param *= 1 - settings["lr"] * settings["weight_decay"]
            settings["weight_decay"] = 0.0
        if not amsgrad:
            super().downhill(param, grad, state, **settings)
            return
        decay, lr = settings["weight_decay"], settings["lr"]
        grad = decayed(param, grad, decay)
        amsgrad_update(param, grad, state, lr, *settings["betas"], settings["eps"])


class AdamW(Closing, optimizers.AdamW, metaclass=Twin):
    """Adam with decoupled weight decay, with PyTorch's arguments.

    Args:
        params, lr, betas, eps, weight_decay: as in module 07.
        amsgrad: divide by the largest average of squares so far (Reddi et al. 2018).
        maximize: walk uphill.
        foreach, capturable, fused: accepted; they change nothing here.
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
        refuse(differentiable=differentiable)
        self.further = {"amsgrad": amsgrad, "maximize": maximize}
        super().__init__(params, lr, betas, eps, weight_decay)
        self.keeps = (*self.keeps, "v_max") if amsgrad else self.keeps

    def downhill(self, param, grad, state, amsgrad=False, **settings):
        """One step for one array."""
        if not amsgrad:
            super().downhill(param, grad, state, **settings)
            return
        decay, lr = settings["weight_decay"], settings["lr"]
        param *= 1 - lr * decay
        amsgrad_update(param, grad, state, lr, *settings["betas"], settings["eps"])


class RMSprop(Closing):
    """param <- param - lr * grad / (sqrt(v) + eps), v <- alpha * v + (1 - alpha) * grad^2.

    Args:
        params: as in `Optimizer`.
        lr: the learning rate. alpha: how much of the average of squares survives a step.
        eps: keeps from dividing by 0.
        weight_decay: this times the parameter is added to its gradient.
        momentum: the share of the last step that is walked again.
        centered: take the squared average of the gradients off v.
        further: maximize, which walks uphill; PyTorch's settings for speed change nothing.

    Source: Tieleman & Hinton 2012.
    """

    keeps, elementwise = ("v", "velocity"), True

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0.0,
        momentum=0.0,
        centered=False,
        **further,
    ):
        self.keeps = (*self.keeps, "mean") if centered else self.keeps
        settings = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        settings |= {"momentum": momentum, "centered": centered, **uphill(further)}
        super().__init__(params, settings)

    def downhill(self, param, grad, state, lr, alpha, eps, weight_decay, momentum, centered):
        """One step for one array."""
        if not state:
            state.update({name: np.zeros_like(param) for name in self.keeps})
        grad = decayed(param, grad, weight_decay)
        state["v"] *= alpha
        state["v"] += (1 - alpha) * (grad * grad)
        squares = state["v"]
        if centered:
            state["mean"] += (1 - alpha) * (grad - state["mean"])
            squares = squares - state["mean"] ** 2
        state["velocity"] *= momentum
        state["velocity"] += grad / (np.sqrt(squares) + eps)
        param -= lr * state["velocity"]


class Adagrad(Closing):
    """param <- param - lr * grad / (sqrt(v) + eps), v <- v + grad^2.

    Args:
        params: as in `Optimizer`.
        lr: the learning rate.
        lr_decay: lr is divided by 1 + lr_decay * n at step n.
        weight_decay: this times the parameter is added to its gradient.
        initial_accumulator_value: v at the start.
        eps: keeps from dividing by 0.
        further: maximize, which walks uphill; PyTorch's settings for speed change nothing.

    Source: Duchi, Hazan & Singer 2011.
    """

    keeps, elementwise = ("v", "step"), True

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0.0,
        weight_decay=0.0,
        initial_accumulator_value=0.0,
        eps=1e-10,
        **further,
    ):
        settings = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        settings |= {"initial_accumulator_value": initial_accumulator_value, **uphill(further)}
        super().__init__(params, settings)

    def downhill(self, param, grad, state, lr, lr_decay, weight_decay, eps, **further):
        """One step for one array."""
        if not state:
            start = self.defaults["initial_accumulator_value"]
            state.update(v=np.full_like(param, start), step=0)
        lr, state["step"] = lr / (1 + state["step"] * lr_decay), state["step"] + 1
        grad = decayed(param, grad, weight_decay)
        state["v"] += grad * grad
        param -= lr * grad / (np.sqrt(state["v"]) + eps)


class Adadelta(Closing):
    """A step as long as the last ones were, divided by the size of the gradients.

    Args:
        params: as in `Optimizer`. lr: a factor.
        rho: how much of the averages survives a step. eps: keeps from dividing by 0.
        weight_decay: this times the parameter is added to its gradient.

    Source: Zeiler 2012.
    """

    keeps, elementwise = ("v", "walked"), True

    def __init__(self, params, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, **further):
        settings = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings | uphill(further))

    def downhill(self, param, grad, state, lr, rho, eps, weight_decay):
        """One step for one array."""
        if not state:
            state.update({name: np.zeros_like(param) for name in self.keeps})
        grad = decayed(param, grad, weight_decay)
        state["v"] += (1 - rho) * (grad * grad - state["v"])
        change = np.sqrt(state["walked"] + eps) / np.sqrt(state["v"] + eps) * grad
        state["walked"] += (1 - rho) * (change * change - state["walked"])
        param -= lr * change


class Adamax(Closing):
    """Adam with the largest gradient instead of the average of squares.

    Args:
        params, lr, betas, eps, weight_decay: as for Adam.

    Source: Kingma & Ba 2014.
    """

    keeps, elementwise = ("m", "largest", "step"), True

    def __init__(self, params, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, **further):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings | uphill(further))

    def downhill(self, param, grad, state, lr, betas, eps, weight_decay):
        """One step for one array."""
        if not state:
            state.update(m=np.zeros_like(param), largest=np.zeros_like(param), step=0)
        state["step"] += 1
        grad = decayed(param, grad, weight_decay)
        state["m"] += (1 - betas[0]) * (grad - state["m"])
        np.maximum(betas[1] * state["largest"], np.abs(grad) + eps, out=state["largest"])
        param -= lr / (1 - betas[0] ** state["step"]) * state["m"] / state["largest"]


class NAdam(Closing):
    """Adam with Nesterov's momentum.

    Args:
        params, lr, betas, eps, weight_decay: as for Adam.
        momentum_decay: how fast the momentum grows. decoupled_weight_decay: as in AdamW.

    Source: Dozat 2016.
    """

    keeps, elementwise = ("m", "v", "product", "step"), False

    def __init__(
        self,
        params,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        momentum_decay=4e-3,
        decoupled_weight_decay=False,
        **further,
    ):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        settings |= {"momentum_decay": momentum_decay, **uphill(further)}
        super().__init__(params, {**settings, "decoupled_weight_decay": decoupled_weight_decay})

    def downhill(self, param, grad, state, lr, betas, eps, weight_decay, momentum_decay, **how):
        """One step for one array."""
        if not state:
            state.update(m=np.zeros_like(param), v=np.zeros_like(param), step=0)
            state["product"] = np.ones_like(param)
        state["step"] += 1
        step = state["step"]
        grad = decayed(param, grad, weight_decay, lr if how["decoupled_weight_decay"] else None)
        now, later = (betas[0] * (1 - 0.5 * 0.96 ** (n * momentum_decay)) for n in (step, step + 1))
        state["product"] *= now
        state["m"] += (1 - betas[0]) * (grad - state["m"])
        state["v"] += (1 - betas[1]) * (grad * grad - state["v"])
        root = np.sqrt(state["v"] / (1 - betas[1] ** step)) + eps
        param -= lr * (1 - now) / (1 - state["product"]) * grad / root
        param -= lr * later / (1 - state["product"] * later) * state["m"] / root


class RAdam(Closing):
    """Adam that divides by the squares only once enough of them are known.

    Args:
        params, lr, betas, eps, weight_decay: as for Adam. decoupled_weight_decay: as in AdamW.

    Source: Liu et al. 2019.
    """

    keeps, elementwise = ("m", "v", "step"), True

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        decoupled_weight_decay=False,
        **further,
    ):
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        settings |= {"decoupled_weight_decay": decoupled_weight_decay, **uphill(further)}
        super().__init__(params, settings)

    def downhill(self, param, grad, state, lr, betas, eps, weight_decay, **how):
        """One step for one array."""
        if not state:
            state.update(m=np.zeros_like(param), v=np.zeros_like(param), step=0)
        state["step"] += 1
        step, b = state["step"], betas[1]
        grad = decayed(param, grad, weight_decay, lr if how["decoupled_weight_decay"] else None)
        state["m"] += (1 - betas[0]) * (grad - state["m"])
        state["v"] += (1 - b) * (grad * grad - state["v"])
        change, most = state["m"] / (1 - betas[0] ** step), 2 / (1 - b) - 1
        known = most - 2 * step * b**step / (1 - b**step)
        if known > 5:
            share = (known - 4) * (known - 2) * most / ((most - 4) * (most - 2) * known)
            root = np.sqrt(state["v"]) + eps
            change = change * (math.sqrt(share) * math.sqrt(1 - b**step)) / root
        param -= lr * change


class LBFGS(Base):
    """Newton's step, with the curvature that the last steps have shown; `step(closure)`.

    Args:
        params: as in `Optimizer`, in one group. lr: how far to walk.
        max_iter: how many steps in one call. max_eval: calls of the closure at most.
        tolerance_grad, tolerance_change: when to stop.
        history_size: how many steps are remembered.
        line_search_fn: None; PyTorch's "strong_wolfe" is not here.

    Source: Liu & Nocedal 1989.
    """

    keeps, stepped = (), False

    def __init__(
        self,
        params,
        lr=1,
        max_iter=20,
        max_eval=None,
        tolerance_grad=1e-7,
        tolerance_change=1e-9,
        history_size=100,
        line_search_fn=None,
    ):
        refuse(line_search_fn=line_search_fn)
        settings = {"lr": lr, "max_iter": max_iter, "history_size": history_size}
        settings["max_eval"] = max_iter * 5 // 4 if max_eval is None else max_eval
        settings |= {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        super().__init__(params, settings)
        if len(self.param_groups) > 1:
            raise ValueError("LBFGS moves all parameters alike: give them in one group")

    @property
    def memory(self):
        """What is remembered: the steps, the turns of the gradient, and what was last."""
        kept = self.state[self.in_order()[0]]
        return kept or (kept.update(steps=[], turns=[], count=0, last=None) or kept)

    def gradient(self):
        """All gradients, one behind the other."""
        parts = [0 * p.array if p.grad is None else p.grad.array for p in self.in_order()]
        return np.concatenate([part.reshape(-1) for part in parts])

    def direction(self, g):
        """Where to walk: the gradient times what is known of the inverse curvature."""
        q, shares, (steps, turns) = -g, [], (self.memory[n] for n in ("steps", "turns"))
        if not steps:
            return q
        for s, y in reversed(list(zip(steps, turns))):
            shares.append((s @ q) / (y @ s))
            q = q - shares[-1] * y
        s, y = steps[-1], turns[-1]
        q = q * ((y @ s) / (y @ y))
        for (s, y), share in zip(zip(steps, turns), reversed(shares)):
            q = q + s * (share - (y @ q) / (y @ s))
        return q

    def remember(self, g):
        """Keep the last step and how the gradient turned over it, if it did."""
        memory, most = self.memory, self.param_groups[0]["history_size"]
        memory["count"] += 1
        if memory["last"] is not None:
            s, y = memory["last"][1], g - memory["last"][0]
            if y @ s > 1e-10:
                memory["steps"] = [*memory["steps"], s][-most:]
                memory["turns"] = [*memory["turns"], y][-most:]

    def step(self, closure):
        """Up to max_iter steps; -> the loss before the first one."""
        group, self.stepped = self.param_groups[0], True
        with enable_grad():
            first = loss = closure()
        g, evaluations = self.gradient(), 1
        for n in range(group["max_iter"]):
            if np.abs(g).max() <= group["tolerance_grad"]:
                break
            self.remember(g)
            d, lr = self.direction(g), plain(group["lr"])
            lr = lr * min(1.0, 1.0 / np.abs(g).sum()) if self.memory["count"] == 1 else lr
            self.memory["last"] = g, lr * d
            if g @ d > -group["tolerance_change"]:
                break
            self.walk(lr * d)
            if n + 1 == group["max_iter"]:
                break
            before = float(loss)
            with enable_grad():
                loss = closure()
            g, evaluations = self.gradient(), evaluations + 1
            enough = evaluations >= group["max_eval"]
            small = np.abs(lr * d).max() <= group["tolerance_change"]
            if enough or small or abs(float(loss) - before) < group["tolerance_change"]:
                break
        return first

    def walk(self, change):
        """Move all parameters."""
        done = 0
        for p in self.in_order():
            p.array += change[done : done + p.array.size].reshape(p.shape)
            done, p.version[0] = done + p.array.size, p.version[0] + 1
