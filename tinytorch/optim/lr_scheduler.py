"""Learning rates that change with the number of the step, as PyTorch's little classes.

Each sets the learning rate of every group, at once and after each `step()`. One function of the
step does as well: `optimizer.param_groups[0]["lr"] = warmup_cosine(step, 100, 1000, lr=0.1)`.
"""

import bisect
import copy
import math
import types
import warnings

import numpy as np

from ..optimizers import plain

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


class LRScheduler:
    """The base: it counts the steps and sets what `get_lr()` says.

    Most schedules change the rate that is set now by a factor, as PyTorch's do: so several on one
    optimizer multiply, and a rate that was set by hand is the one they go on from.

    Args:
        optimizer: whose groups' lr is set.
        last_epoch: -1, or the number of the step to go on behind; then every group needs its
            "initial_lr".

    Attributes:
        last_epoch: how often `step()` was called.
        base_lrs: the groups' first learning rates; each group keeps its own as "initial_lr".
    """

    unsaved = ("optimizer", "factors", "scale_fn", "schedulers")

    def __init__(self, optimizer, last_epoch=-1, verbose=False):
        groups = groups_of(optimizer)
        self.optimizer, self.last_epoch = optimizer, last_epoch
        for n, group in enumerate(groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", plain(group["lr"]))
            elif "initial_lr" not in group:
                told = f"last_epoch={last_epoch} goes on with a training, and group {n} has no"
                raise KeyError(f"{told} 'initial_lr': load the state of the optimizer first")
        self.base_lrs = [group["initial_lr"] for group in groups]
        self._initial_step()

    def _initial_step(self):
        self._step_count, self.begins = 0, True
        self.step()
        self.begins = False

    def get_lr(self):
        """The learning rate of each group; every kind of schedule says its own."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr(): what are the rates?")

    def times(self, factor):
        """The learning rates of now, times a factor."""
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def step(self, epoch=None):
        """Go on to the next learning rate, or to that of a step; after the optimizer's step."""
        if self._step_count == 1 and not getattr(self.optimizer, "stepped", True):
            told = "schedule.step() before optimizer.step(): the first learning rate is left out"
            warnings.warn(f"{told}; call them the other way round", stacklevel=2)
        self._step_count += 1
        self._update_lr(epoch)

    def _update_lr(self, epoch=None):
        """Set the learning rates of the next step, or of one that is named."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        self.set_lr((closed or self.get_lr)())

    def set_lr(self, rates):
        """Set the learning rate of every group."""
        groups = self.optimizer.param_groups
        if len(groups) != len(rates):
            raise ValueError("the optimizer got a group after this schedule was made: make it anew")
        for group, lr in zip(groups, rates):
            group["lr"] = plain(lr)
        self._last_lr = [group["lr"] for group in groups]

    def get_last_lr(self):
        """The learning rates that this schedule set last, one for each group."""
        return self._last_lr

    def state_dict(self):
        """What is needed to go on later; the learning rates are in the optimizer's state.

        Of callable objects that were passed as functions, their attributes are in it, too.
        """
        state = {n: copy.copy(v) for n, v in vars(self).items() if n not in self.unsaved}
        if any(memory := [memory_of(function) for function in self.functions()]):
            state["lr_lambdas"] = memory
        if hasattr(self, "schedulers"):
            state["_schedulers"] = [schedule.state_dict() for schedule in self.schedulers]
        return state

    def load_state_dict(self, saved):
        """Go on where `saved` left off, with the learning rates that the optimizer has."""
        memory, functions = saved.get("lr_lambdas", ()), self.functions()
        saved = copy.deepcopy({n: v for n, v in saved.items() if n != "lr_lambdas"})
        parts, groups = saved.pop("_schedulers", []), self.optimizer.param_groups
        if len(rates := saved.get("base_lrs", groups)) != len(groups):
            raise ValueError(f"{len(rates)} groups saved, and here {len(groups)}")
        if len(parts) != len(own := getattr(self, "schedulers", [])):
            raise ValueError(f"{len(parts)} schedules saved, and here {len(own)}")
        if memory and len(memory) != len(functions):
            raise ValueError(f"{len(memory)} functions saved, and here {len(functions)}")
        for function, attributes in zip(functions, memory):
            if attributes:
                vars(function).update(copied(attributes))
        for schedule, part in zip(own, parts):
            schedule.load_state_dict(part)
        vars(self).update(saved)

    def functions(self):
        """The functions that were passed to this schedule."""
        scale = getattr(self, "scale_fn", None)
        return getattr(self, "factors", [scale] if scale else [])


def memory_of(function):
    """The attributes of a callable object, copied; None for a plain function."""
    plain_ones = (types.FunctionType, types.MethodType, type)
    return None if isinstance(function, plain_ones) else copied(getattr(function, "__dict__", {}))


def copied(attributes):
    """A copy of a dictionary and of the lists, dictionaries, sets and arrays in it."""
    kinds = (list, dict, set, np.ndarray)
    return {n: copy.copy(v) if isinstance(v, kinds) else v for n, v in attributes.items()}


def groups_of(optimizer):
    """The groups of an optimizer; TypeError if it is none."""
    if not hasattr(optimizer, "param_groups"):
        kind = type(optimizer).__name__
        raise TypeError(f"a schedule sets the lr of an optimizer: pass it first, not a {kind}")
    return optimizer.param_groups


def for_groups(optimizer, name, value):
    """A setting for each group: one for all of them, or a list.

    Raises:
        ValueError: the list is too short or too long.
    """
    count = len(groups_of(optimizer))
    values = list(value) if isinstance(value, (list, tuple)) else [value] * count
    if len(values) != count:
        raise ValueError(f"{len(values)} {name} for {count} groups: one for each")
    return values


class Factored(LRScheduler):
    """lr of a group = its first lr * factor(n); a step multiplies by the change of the factor."""

    def get_lr(self):
        """The learning rates of now, times how the factor changes."""
        return self.times(self.change(self.last_epoch))

    def change(self, n):
        """The factor of step n, divided by that of the step before."""
        ends = self.begins or n > self.total_iters
        return 1 if ends else self.factor_of(n) / self.factor_of(n - 1)

    def _get_closed_form_lr(self):
        return [base * self.factor_of(self.last_epoch) for base in self.base_lrs]


_LRScheduler = LRScheduler  # its name before 2023


class LambdaLR(LRScheduler):
    """lr of a group = its first lr * factor(n), where n counts the calls of `step()`.

    Args:
        optimizer: whose groups' lr is set, at once and after each `step()`.
        lr_lambda: a function n -> factor, or a list of functions, one for each group.

    Raises:
        ValueError: there are more or fewer functions than groups.

    >>> from tinytorch import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = LambdaLR(optimizer, lambda n: 0.1**n)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1, verbose=False):
        self.factors = for_groups(optimizer, "functions", lr_lambda)
        if not all(map(callable, self.factors)):
            raise TypeError(f"lr_lambda is a function of the number of the step, not {lr_lambda!r}")
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The first learning rates, times the factors."""
        pairs = zip(self.base_lrs, self.factors, strict=True)
        return [base * factor(self.last_epoch) for base, factor in pairs]


class StepLR(Factored):
    """lr = first lr * gamma^k, where k counts the full rounds of `step_size` steps.

    Args:
        optimizer: whose groups' lr is set.
        step_size: after how many steps the learning rate falls.
        gamma: the factor.

    Raises:
        ValueError: step_size is not a whole number of at least 1.

    >>> from tinytorch import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(3):
    ...     print(schedule.get_last_lr())
    ...     optimizer.step()
    ...     schedule.step()
    [0.5]
    [0.5]
    [0.25]
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1, verbose=False):
        if not (isinstance(step_size, int | float) and step_size > 0 and step_size % 1 == 0):
            raise ValueError(f"step_size is a count of at least 1, not {step_size!r}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def change(self, n):
        return self.gamma if n and n % self.step_size == 0 else 1

    def factor_of(self, n):
        """Gamma to the number of rounds."""
        return self.gamma ** (n // self.step_size)


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (first lr - eta_min) * (1 + cos(pi * n / T_max)) / 2 after n steps.

    After T_max steps it rises again, as in PyTorch; `optimizers.warmup_cosine` stays at the bottom.

    Args:
        optimizer: whose groups' lr is set.
        T_max: how many steps the fall takes.
        eta_min: the bottom.

    Raises:
        ValueError: T_max is not positive.

    Source: Loshchilov & Hutter 2016.

    >>> from tinytorch import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = CosineAnnealingLR(optimizer, T_max=2)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1, verbose=False):
        if not T_max > 0:
            raise ValueError(f"T_max is a number of steps above 0, not {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def height(self, n):
        """Of the wave at step n, from 1 to 0."""
        return (1 + math.cos(math.pi * n / self.T_max)) / 2

    def get_lr(self):
        """What is above eta_min, times how the wave changes; from the bottom it rises anew."""
        n, low = self.last_epoch, self.eta_min
        if self.begins:
            return self.times(1)
        if (n - 1 - self.T_max) % (2 * self.T_max) == 0:
            rise = 1 - self.height(1)
            pairs = zip(self.times(1), self.base_lrs, strict=True)
            return [lr + (base - low) * rise for lr, base in pairs]
        change = self.height(n) / self.height(n - 1)
        return [low + (lr - low) * change for lr in self.times(1)]

    def _get_closed_form_lr(self):
        low, height = self.eta_min, self.height(self.last_epoch)
        return [low + (base - low) * height for base in self.base_lrs]


class MultiStepLR(Factored):
    """lr = first lr * gamma^k, where k counts the milestones that are passed.

    Args:
        optimizer: whose groups' lr is set.
        milestones: numbers of steps.
        gamma: the factor.

    >>> from tinytorch import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = MultiStepLR(optimizer, milestones=[1], gamma=0.5)
    >>> optimizer.step()
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1, verbose=False):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def change(self, n):
        return self.gamma ** self.milestones.count(n)

    def factor_of(self, n):
        """Gamma to the number of milestones passed."""
        return self.gamma ** bisect.bisect_right(self.milestones, n)


class ExponentialLR(Factored):
    """lr = first lr * gamma^n after n steps. Args: optimizer, gamma."""

    def __init__(self, optimizer, gamma, last_epoch=-1, verbose=False):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def change(self, n):
        return 1 if self.begins else self.gamma

    def factor_of(self, n):
        """Gamma to the number of steps."""
        return self.gamma**n


class LinearLR(Factored):
    """lr = first lr * factor, which goes from start_factor to end_factor in total_iters steps.

    Args:
        optimizer: whose groups' lr is set.
        start_factor, end_factor: the factors at both ends, above 0.
        total_iters: how many steps it takes; then it stays.

    Raises:
        ValueError: a factor is not between 0 and 1, or is 0 at the start.
    """

    def __init__(
        self,
        optimizer,
        start_factor=1 / 3,
        end_factor=1.0,
        total_iters=5,
        last_epoch=-1,
        verbose=False,
    ):
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1):
            raise ValueError(f"factors are above 0 and up to 1: {start_factor=}, {end_factor=}")
        self.start, self.end, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def change(self, n):
        return super().change(n) if n else self.start

    def factor_of(self, n):
        """Between both ends, then the last."""
        share = min(n, self.total_iters) / self.total_iters
        return self.start + (self.end - self.start) * share


class ConstantLR(Factored):
    """lr = first lr * factor for total_iters steps, then first lr. Args: as `LinearLR`."""

    def __init__(self, optimizer, factor=1 / 3, total_iters=5, last_epoch=-1, verbose=False):
        if not 0 < factor <= 1:
            raise ValueError(f"factor is above 0 and up to 1, not {factor}")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def change(self, n):
        if n == 0:
            return self.factor
        return 1 / self.factor if n == self.total_iters else 1

    def factor_of(self, n):
        """Smaller at the beginning."""
        return self.factor if n < self.total_iters else 1.0


class PolynomialLR(Factored):
    """lr = first lr * (1 - n / total_iters)^power, and 0 from total_iters on.

    Args:
        optimizer: whose groups' lr is set.
        total_iters: how many steps the fall takes. power: 1 is a line.
    """

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1, verbose=False):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor_of(self, n):
        """What is left of the way, to the power."""
        return max(0.0, 1 - n / self.total_iters) ** self.power


class CosineAnnealingWarmRestarts(LRScheduler):
    """`CosineAnnealingLR` that begins again after T_0 steps, then after T_0 * T_mult, and so on.

    Args:
        optimizer: whose groups' lr is set.
        T_0: steps of the first fall. T_mult: how much longer each next one is.
        eta_min: the bottom.

    Source: Loshchilov & Hutter 2016.
    """

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1, verbose=False):
        if not (T_0 > 0 and T_mult >= 1 and isinstance(T_0, int) and isinstance(T_mult, int)):
            told = "T_0 is a whole number above 0 and T_mult one of at least 1"
            raise ValueError(f"{told}: {T_0=}, {T_mult=}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self.T_cur, self.T_i = last_epoch, T_0
        super().__init__(optimizer, last_epoch)

    def step(self, epoch=None):
        """Go on to the next learning rate, or to that of a step, which may be a broken number."""
        if epoch is None and self.last_epoch >= 0:
            epoch, self.T_cur = self.last_epoch + 1, self.T_cur + 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        else:
            epoch = epoch or 0
            if epoch < 0:
                raise ValueError(f"steps count from 0, not from {epoch}")
            self.T_cur, self.T_i = epoch, self.T_0
            while self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur - self.T_i, self.T_i * self.T_mult
        self._update_lr(math.floor(epoch))

    def get_lr(self):
        """The height of this wave, between eta_min and the first learning rates."""
        share = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


def between(start, end, share, strategy="cos"):
    """From start to end, along half a wave of a cosine or a line."""
    if strategy == "cos":
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
    return (end - start) * share + start


def momenta(schedule, optimizer, base_momentum, max_momentum):
    """Pairs (highest, lowest momentum), one for each group.

    Raises:
        ValueError: the optimizer has no momentum.
    """
    if not {"momentum", "betas"} & set(groups_of(optimizer)[0]):
        told = f"{type(schedule).__name__}: this optimizer has no momentum"
        raise ValueError(f"{told}: cycle_momentum=False")
    high = for_groups(optimizer, "max_momentum", max_momentum)
    return list(zip(high, for_groups(optimizer, "base_momentum", base_momentum)))


def set_momenta(optimizer, values):
    """Set the momentum of each group, which is the first of the betas in Adam."""
    for group, value in zip(optimizer.param_groups, values):
        if "betas" in group:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class OneCycleLR(LRScheduler):
    """lr rises from max_lr / div_factor to max_lr, then falls to that / final_div_factor.

    Args:
        optimizer: whose groups' lr is set.
        max_lr: the top, a number, or one for each group.
        total_steps: how many steps; or epochs and steps_per_epoch.
        pct_start: the share of the steps in which it rises.
        anneal_strategy: "cos", half waves of a cosine, or "linear".
        cycle_momentum: move the momentum (the first beta) the other way.
        base_momentum, max_momentum: between which numbers.
        div_factor, final_div_factor: how much lower both ends are.
        three_phase: fall to where it began as fast as it rose, and only then further.

    Raises:
        ValueError: the number of steps is not given, or is used up.

    Source: Smith & Topin 2017.
    """

    def __init__(
        self,
        optimizer,
        max_lr,
        total_steps=None,
        epochs=None,
        steps_per_epoch=None,
        pct_start=0.3,
        anneal_strategy="cos",
        cycle_momentum=True,
        base_momentum=0.85,
        max_momentum=0.95,
        div_factor=25.0,
        final_div_factor=1e4,
        three_phase=False,
        last_epoch=-1,
        verbose=False,
    ):
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        steps = epochs * steps_per_epoch if total_steps is None else total_steps
        if not (isinstance(steps, int) and steps > 0 and 0 <= pct_start <= 1):
            told = "OneCycleLR: the number of steps is whole and above 0, pct_start from 0 to 1"
            raise ValueError(f"{told}: {steps}, {pct_start=}")
        self.total_steps, self.strategy = steps, anneal_strategy
        self.tops = for_groups(optimizer, "max_lr", max_lr)
        self.momenta = None
        if cycle_momentum:
            self.momenta = momenta(self, optimizer, base_momentum, max_momentum)
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, self.tops):
                group["initial_lr"] = top / div_factor
        rise = pct_start * steps - 1
        self.ends = [rise, 2 * pct_start * steps - 2] if three_phase else [rise]
        self.ends += [steps - 1]
        self.heights = [1 / div_factor, 1, 1 / div_factor] if three_phase else [1 / div_factor, 1]
        self.heights += [1 / div_factor / final_div_factor]
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The height of the wave at this step."""
        step = self.last_epoch
        if step > self.total_steps:  # PyTorch allows the one after the last batch
            raise ValueError(f"OneCycleLR: all {self.total_steps} steps are used up")
        phase = next(n for n, end in enumerate(self.ends) if step <= end or n + 1 == len(self.ends))
        begin = self.ends[phase - 1] if phase else 0
        share = (step - begin) / (self.ends[phase] - begin)
        if self.momenta:
            ends = [(0, 1), (1, 0), (0, 0)][phase]
            pairs = [[pair[end] for end in ends] for pair in self.momenta]
            values = [between(*pair, share, self.strategy) for pair in pairs]
            set_momenta(self.optimizer, values)
        ends = self.heights[phase : phase + 2]
        return [between(top * ends[0], top * ends[1], share, self.strategy) for top in self.tops]


class CyclicLR(LRScheduler):
    """lr rises from base_lr to max_lr and falls back, again and again.

    Args:
        optimizer: whose groups' lr is set.
        base_lr, max_lr: the bottom and the top.
        step_size_up, step_size_down: steps of both ways.
        mode: "triangular"; "triangular2" halves the height each time; "exp_range" takes gamma^n.
        gamma: that factor. scale_fn, scale_mode: a function of the "cycle" or of "iterations".
        cycle_momentum: move the momentum the other way, between base_momentum and max_momentum.

    Source: Smith 2015.
    """

    def __init__(
        self,
        optimizer,
        base_lr,
        max_lr,
        step_size_up=2000,
        step_size_down=None,
        mode="triangular",
        gamma=1.0,
        scale_fn=None,
        scale_mode="cycle",
        cycle_momentum=True,
        base_momentum=0.8,
        max_momentum=0.9,
        last_epoch=-1,
        verbose=False,
    ):
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"mode is triangular, triangular2 or exp_range, not {mode!r}")
        self.mode, self.gamma, self.scale_fn = mode, gamma, scale_fn
        self.by_cycle = scale_mode == "cycle" if scale_fn else mode != "exp_range"
        down = step_size_up if step_size_down is None else step_size_down
        self.length, self.up = step_size_up + down, step_size_up / (step_size_up + down)
        self.momenta = None
        if cycle_momentum:
            self.momenta = momenta(self, optimizer, base_momentum, max_momentum)
        self.max_lrs = for_groups(optimizer, "max_lr", max_lr)
        base_lrs = for_groups(optimizer, "base_lr", base_lr)
        if last_epoch == -1:
            for group, base in zip(optimizer.param_groups, base_lrs):
                group["lr"] = base
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale(self, n):
        """The height of a triangle, from the number of the cycle or of the step."""
        if self.scale_fn:
            return self.scale_fn(n)
        if self.mode == "exp_range":
            return self.gamma**n
        return 0.5 ** (n - 1) if self.mode == "triangular2" else 1.0

    def get_lr(self):
        """The height of the triangle at this step."""
        cycle = math.floor(1 + self.last_epoch / self.length)
        x = 1 + self.last_epoch / self.length - cycle
        height = x / self.up if x <= self.up else (x - 1) / (self.up - 1)
        height *= self.scale(cycle if self.by_cycle else self.last_epoch)
        if self.momenta:
            values = [high - (high - low) * height for high, low in self.momenta]
            set_momenta(self.optimizer, values)
        return [base + (top - base) * height for base, top in zip(self.base_lrs, self.max_lrs)]


class MultiplicativeLR(LambdaLR):
    """lr is multiplied with factor(n) at step n. Args: optimizer, lr_lambda: as `LambdaLR`."""

    def get_lr(self):
        """The learning rates of now, times the factors."""
        rates = self.times(1)
        if self.begins:
            return rates
        pairs = zip(rates, self.factors, strict=True)
        return [lr * factor(self.last_epoch) for lr, factor in pairs]


def of_one_optimizer(schedulers, optimizer=None):
    """The schedules as a list, and their optimizer.

    Raises:
        ValueError, TypeError: there are none, or of several optimizers, or one that needs figures.
    """
    schedulers = list(schedulers)
    if not schedulers:
        raise ValueError("no schedules: give at least one")
    for schedule in schedulers:
        if not isinstance(schedule, LRScheduler):
            raise TypeError(f"a list of schedules has a {type(schedule).__name__} in it")
        if isinstance(schedule, ReduceLROnPlateau):
            raise ValueError("ReduceLROnPlateau needs a figure in each step: step it by itself")
        optimizer = optimizer or schedule.optimizer
        if schedule.optimizer is not optimizer:
            raise ValueError("the schedules belong to several optimizers: make them of one")
    return schedulers, optimizer


class ChainedScheduler(LRScheduler):
    """Several schedules at once, stepped one after the other: their factors are multiplied.

    Args:
        schedulers: schedules of one optimizer.
        optimizer: that optimizer, or None.
    """

    def __init__(self, schedulers, optimizer=None):
        self.schedulers, self.optimizer = of_one_optimizer(schedulers, optimizer)
        self._last_lr = self.times(1)

    def step(self):
        """One step of every schedule."""
        for schedule in self.schedulers:
            schedule.step()
        self._last_lr = self.times(1)


class ReduceLROnPlateau(LRScheduler):
    """lr falls by a factor when a figure has not become better for a while.

    Args:
        optimizer: whose groups' lr is set.
        mode: "min", lower is better, or "max".
        factor: what lr is multiplied with. patience: after how many steps without a better one.
        threshold: how much better counts: relative to the best, or absolute.
        threshold_mode: "rel" or "abs".
        cooldown: how many steps to wait after a fall.
        min_lr: never below; a list has one for each group. eps: smaller changes are left out.

    >>> from tinytorch import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    >>> for loss in (3.0, 3.0):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(
        self,
        optimizer,
        mode="min",
        factor=0.1,
        patience=10,
        threshold=1e-4,
        threshold_mode="rel",
        cooldown=0,
        min_lr=0.0,
        eps=1e-8,
    ):
        if mode not in ("min", "max") or not factor < 1:
            raise ValueError(f"mode is 'min' or 'max' and factor below 1: {mode=}, {factor=}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode is 'rel' or 'abs', not {threshold_mode!r}")
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lrs, self.eps = for_groups(optimizer, "min_lr", min_lr), eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = self.times(1)

    def is_better(self, figure):
        """True if the figure is better than the best one by the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            edge = self.best * (1 + sign * self.threshold)
        else:
            edge = self.best + sign * self.threshold
        return figure < edge if self.mode == "min" else figure > edge

    def step(self, metrics, epoch=None):
        """Look at a figure, a number or a Tensor, and set the learning rates."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self.is_better(float(metrics)):
            self.best, self.num_bad_epochs = float(metrics), 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            rates = [plain(lr) for lr in self.times(1)]
            lower = [max(lr * self.factor, low) for lr, low in zip(rates, self.min_lrs)]
            self.set_lr([new if lr - new > self.eps else lr for lr, new in zip(rates, lower)])
        self._last_lr = self.times(1)


class SequentialLR(LRScheduler):
    """One schedule after the other: the next one begins at a milestone, and counts from 0.

    Args:
        optimizer: whose groups' lr is set.
        schedulers: schedules of that optimizer.
        milestones: at which steps the second, the third, ... begins.

    Raises:
        ValueError: there is not one milestone fewer than schedules.
    """

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1, verbose=False):
        self.schedulers, self.optimizer = of_one_optimizer(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"{len(schedulers)} schedules need {len(schedulers) - 1} milestones")
        self.milestones, self.last_epoch = list(milestones), last_epoch + 1
        self.set_lr([group["initial_lr"] for group in optimizer.param_groups])
        undo(self)
        schedule = self.schedulers[bisect.bisect_right(self.milestones, 0)]
        schedule._initial_step()
        self._last_lr = schedule.get_last_lr()

    def step(self):
        """One step of the schedule whose turn it is."""
        self.last_epoch += 1
        turn = bisect.bisect_right(self.milestones, self.last_epoch)
        schedule = self.schedulers[turn]
        if turn and self.milestones[turn - 1] == self.last_epoch:
            schedule._update_lr(0)
        else:
            schedule.step()
        self._last_lr = schedule.get_last_lr()


def undo(schedule):
    """Take back the step that each of the schedules inside has made at once."""
    for part in getattr(schedule, "schedulers", ()):
        undo(part)
        if not hasattr(part, "schedulers"):
            part.last_epoch -= 1
