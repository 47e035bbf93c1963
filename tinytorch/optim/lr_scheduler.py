"""Learning rates that change with the number of the step, as PyTorch's little classes.

Each sets the learning rate of every group, at once and after each `step()`. One function of the
step does as well: `optimizer.param_groups[0]["lr"] = warmup_cosine(step, 100, 1000, lr=0.1)`.
"""

import math

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

    Attributes:
        last_epoch: how often `step()` was called.
        base_lrs: the groups' first learning rates; each group keeps its own as "initial_lr".
    """

    def __init__(self, optimizer, last_epoch=-1, verbose=False):
        if not hasattr(optimizer, "param_groups"):
            kind = type(optimizer).__name__
            raise TypeError(f"a schedule sets the lr of an optimizer: pass it first, not a {kind}")
        self.optimizer, self.last_epoch = optimizer, last_epoch + 1
        groups = optimizer.param_groups
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        self.set_lr()

    def get_lr(self):
        """The learning rate of each group; every kind of schedule says its own."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr(): what are the rates?")

    def step(self, epoch=None):
        """Go on to the next learning rate, or to that of a step; after the optimizer's step."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.set_lr()

    def set_lr(self):
        """Set the learning rate of every group."""
        if len(self.optimizer.param_groups) != len(self.base_lrs):
            raise ValueError("the optimizer got a group after this schedule was made: make it anew")
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = plain(lr)

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
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.05]
    """

    def __init__(self, optimizer, lr_lambda, last_epoch=-1, verbose=False):
        groups = optimizer.param_groups
        factors = lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * len(groups)
        if len(factors) != len(groups):
            raise ValueError(f"{len(factors)} functions for {len(groups)} groups: one for each")
        self.factors = factors
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The first learning rates, times the factors."""
        pairs = zip(self.base_lrs, self.factors, strict=True)
        return [base * factor(self.last_epoch) for base, factor in pairs]


class StepLR(LRScheduler):
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
    ...     schedule.step()
    [0.5]
    [0.5]
    [0.25]
    """

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1, verbose=False):
        if not (isinstance(step_size, int) and step_size > 0):
            raise ValueError(f"step_size is a count of at least 1, not {step_size!r}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The first learning rates, times gamma to the number of rounds."""
        factor = self.gamma ** (self.last_epoch // self.step_size)
        return [base * factor for base in self.base_lrs]


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
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1, verbose=False):
        if not T_max > 0:
            raise ValueError(f"T_max is a number of steps above 0, not {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The height of the wave, between eta_min and the first learning rates."""
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class MultiStepLR(LRScheduler):
    """lr = first lr * gamma^k, where k counts the milestones that are passed.

    Args:
        optimizer: whose groups' lr is set.
        milestones: numbers of steps.
        gamma: the factor.

    >>> from tinytorch import optim, tensor
    >>> optimizer = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.5)
    >>> schedule = MultiStepLR(optimizer, milestones=[1], gamma=0.5)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1, verbose=False):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The first learning rates, times gamma to the number of milestones passed."""
        passed = sum(milestone <= self.last_epoch for milestone in self.milestones)
        return [base * self.gamma**passed for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr = first lr * gamma^n after n steps. Args: optimizer, gamma."""

    def __init__(self, optimizer, gamma, last_epoch=-1, verbose=False):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The first learning rates, times gamma to the number of steps."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


class LinearLR(LRScheduler):
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

    def get_lr(self):
        """The first learning rates, times the factor of this step."""
        share = min(self.last_epoch, self.total_iters) / self.total_iters
        return [base * (self.start + (self.end - self.start) * share) for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """lr = first lr * factor for total_iters steps, then first lr. Args: as `LinearLR`."""

    def __init__(self, optimizer, factor=1 / 3, total_iters=5, last_epoch=-1, verbose=False):
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The first learning rates, smaller at the beginning."""
        factor = self.factor if self.last_epoch < self.total_iters else 1.0
        return [base * factor for base in self.base_lrs]


class PolynomialLR(LRScheduler):
    """lr = first lr * (1 - n / total_iters)^power, and 0 from total_iters on.

    Args:
        optimizer: whose groups' lr is set.
        total_iters: how many steps the fall takes. power: 1 is a line.
    """

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1, verbose=False):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The first learning rates, times what is left of the way, to the power."""
        left = max(0.0, 1 - self.last_epoch / self.total_iters)
        return [base * left**self.power for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """`CosineAnnealingLR` that begins again after T_0 steps, then after T_0 * T_mult, and so on.

    Args:
        optimizer: whose groups' lr is set.
        T_0: steps of the first fall. T_mult: how much longer each next one is.
        eta_min: the bottom.

    Source: Loshchilov & Hutter 2016.
    """

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1, verbose=False):
        if not (T_0 > 0 and T_mult >= 1):
            raise ValueError(f"T_0 is above 0 and T_mult at least 1: {T_0=}, {T_mult=}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The height of this wave, between eta_min and the first learning rates."""
        done, length = self.last_epoch, self.T_0
        while done >= length:
            done, length = done - length, length * self.T_mult
        share = (1 + math.cos(math.pi * done / length)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


def between(start, end, share, strategy="cos"):
    """From start to end, along half a wave of a cosine or a line."""
    if strategy == "cos":
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
    return (end - start) * share + start


def set_momentum(group, value):
    """Set the momentum of a group, which is the first of the betas in Adam."""
    if "momentum" in group:
        group["momentum"] = value
    else:
        group["betas"] = (value, *group["betas"][1:])


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
        groups, steps = optimizer.param_groups, total_steps or epochs * steps_per_epoch
        if cycle_momentum and not {"momentum", "betas"} & set(groups[0]):
            raise ValueError("OneCycleLR: this optimizer has no momentum: cycle_momentum=False")
        self.total_steps, self.strategy = steps, anneal_strategy
        self.momenta = (max_momentum, base_momentum) if cycle_momentum else None
        self.tops = max_lr if isinstance(max_lr, (list, tuple)) else [max_lr] * len(groups)
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
            high, low = self.momenta
            pair = [(high, low), (low, high), (high, high)][phase]
            for group in self.optimizer.param_groups:
                set_momentum(group, between(*pair, share, self.strategy))
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
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.param_groups[0]):
            raise ValueError("CyclicLR: this optimizer has no momentum: cycle_momentum=False")
        usual = {"triangular": lambda n: 1.0, "triangular2": lambda n: 1 / 2.0 ** (n - 1)}
        usual["exp_range"] = lambda n: gamma**n
        self.scale = scale_fn or usual[mode]
        self.by_cycle = scale_mode == "cycle" if scale_fn else mode != "exp_range"
        down = step_size_up if step_size_down is None else step_size_down
        self.length, self.up = step_size_up + down, step_size_up / (step_size_up + down)
        self.momenta = (max_momentum, base_momentum) if cycle_momentum else None
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = base_lr
        self.max_lr = max_lr
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The height of the triangle at this step."""
        cycle = math.floor(1 + self.last_epoch / self.length)
        x = 1 + self.last_epoch / self.length - cycle
        height = x / self.up if x <= self.up else (x - 1) / (self.up - 1)
        height *= self.scale(cycle if self.by_cycle else self.last_epoch)
        if self.momenta:
            for group in self.optimizer.param_groups:
                set_momentum(group, self.momenta[0] - (self.momenta[0] - self.momenta[1]) * height)
        return [base + (self.max_lr - base) * height for base in self.base_lrs]


class MultiplicativeLR(LRScheduler):
    """lr is multiplied with factor(n) at step n. Args: optimizer, lr_lambda: as `LambdaLR`."""

    def __init__(self, optimizer, lr_lambda, last_epoch=-1, verbose=False):
        groups = optimizer.param_groups
        factors = lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * len(groups)
        self.factors = factors
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """The learning rates of now, times the factors."""
        rates = self.get_last_lr()
        if self.last_epoch == 0:
            return rates
        return [lr * factor(self.last_epoch) for lr, factor in zip(rates, self.factors)]


class ChainedScheduler(LRScheduler):
    """Several schedules at once: their factors are multiplied.

    Args:
        schedulers: schedules of one optimizer, whose get_lr() starts from the first lr.
        optimizer: that optimizer, or None.
    """

    def __init__(self, schedulers, optimizer=None):
        self.schedulers = list(schedulers)
        super().__init__(optimizer or self.schedulers[0].optimizer)

    def get_lr(self):
        """The first learning rates, times what each schedule makes of them."""
        found = list(self.base_lrs)
        for schedule in self.schedulers:
            schedule.last_epoch = self.last_epoch
            pairs = zip(found, schedule.get_lr(), self.base_lrs)
            found = [lr * part / base if base else 0.0 for lr, part, base in pairs]
        return found


class ReduceLROnPlateau:
    """lr falls by a factor when a figure has not become better for a while.

    Args:
        optimizer: whose groups' lr is set.
        mode: "min", lower is better, or "max".
        factor: what lr is multiplied with. patience: after how many steps without a better one.
        threshold: how much better counts: relative to the best, or absolute.
        threshold_mode: "rel" or "abs".
        cooldown: how many steps to wait after a fall.
        min_lr: never below. eps: smaller changes of lr are left out.

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
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.min_lr, self.eps = min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def is_better(self, figure):
        """True if the figure is better than the best one by the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            edge = self.best * (1 + sign * self.threshold)
        else:
            edge = self.best + sign * self.threshold
        return figure < edge if self.mode == "min" else figure > edge

    def step(self, metrics):
        """Look at a figure, a number or a Tensor, and set the learning rates."""
        self.last_epoch += 1
        if self.is_better(float(metrics)):
            self.best, self.num_bad_epochs = float(metrics), 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            for group in self.optimizer.param_groups:
                lr = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - lr > self.eps:
                    group["lr"] = lr

    def get_last_lr(self):
        """The learning rates that are set now, one for each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self):
        """What is needed to go on later."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, saved):
        """Go on where `saved` left off."""
        vars(self).update(saved)


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
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"{len(schedulers)} schedules need {len(schedulers) - 1} milestones")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """What the schedule says whose turn it is."""
        turn = sum(milestone <= self.last_epoch for milestone in self.milestones)
        schedule = self.schedulers[turn]
        schedule.last_epoch = self.last_epoch - (self.milestones[turn - 1] if turn else 0)
        return schedule.get_lr()
