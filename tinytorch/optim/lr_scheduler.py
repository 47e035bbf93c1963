"""Learning rates that change with the number of the step, as PyTorch's little classes.

Each sets the learning rate of every group, at once and after each `step()`. One function of the
step does as well: `optimizer.param_groups[0]["lr"] = warmup_cosine(step, 100, 1000, lr=0.1)`.
"""

import math

from ..optimizers import plain

__all__ = [
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
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

    def __init__(self, optimizer):
        self.optimizer, self.last_epoch = optimizer, 0
        groups = optimizer.param_groups
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        self.set_lr()

    def get_lr(self):
        """The learning rate of each group; every kind of schedule says its own."""
        raise NotImplementedError(f"{type(self).__name__} has no get_lr(): what are the rates?")

    def step(self):
        """Go on to the next learning rate; after the optimizer's step."""
        self.last_epoch += 1
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


def from_the_start(last_epoch):
    """PyTorch's last_epoch: only -1, the beginning, is known; load_state_dict goes on later."""
    if last_epoch != -1:
        raise ValueError(f"last_epoch is -1, not {last_epoch}: use load_state_dict to go on")


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

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        from_the_start(last_epoch)
        groups = optimizer.param_groups
        factors = lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda] * len(groups)
        if len(factors) != len(groups):
            raise ValueError(f"{len(factors)} functions for {len(groups)} groups: one for each")
        self.factors = factors
        super().__init__(optimizer)

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

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        from_the_start(last_epoch)
        if not (isinstance(step_size, int) and step_size > 0):
            raise ValueError(f"step_size is a count of at least 1, not {step_size!r}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

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

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):
        from_the_start(last_epoch)
        if not T_max > 0:
            raise ValueError(f"T_max is a number of steps above 0, not {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

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

    def __init__(self, optimizer, milestones, gamma=0.1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def get_lr(self):
        """The first learning rates, times gamma to the number of milestones passed."""
        passed = sum(milestone <= self.last_epoch for milestone in self.milestones)
        return [base * self.gamma**passed for base in self.base_lrs]


class ExponentialLR(LRScheduler):
    """lr = first lr * gamma^n after n steps. Args: optimizer, gamma."""

    def __init__(self, optimizer, gamma):
        self.gamma = gamma
        super().__init__(optimizer)

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

    def __init__(self, optimizer, start_factor=1 / 3, end_factor=1.0, total_iters=5):
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1):
            raise ValueError(f"factors are above 0 and up to 1: {start_factor=}, {end_factor=}")
        self.start, self.end, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def get_lr(self):
        """The first learning rates, times the factor of this step."""
        share = min(self.last_epoch, self.total_iters) / self.total_iters
        return [base * (self.start + (self.end - self.start) * share) for base in self.base_lrs]


class ConstantLR(LRScheduler):
    """lr = first lr * factor for total_iters steps, then first lr. Args: as `LinearLR`."""

    def __init__(self, optimizer, factor=1 / 3, total_iters=5):
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer)

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

    def __init__(self, optimizer, total_iters=5, power=1.0):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

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

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0):
        if not (T_0 > 0 and T_mult >= 1):
            raise ValueError(f"T_0 is above 0 and T_mult at least 1: {T_0=}, {T_mult=}")
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer)

    def get_lr(self):
        """The height of this wave, between eta_min and the first learning rates."""
        done, length = self.last_epoch, self.T_0
        while done >= length:
            done, length = done - length, length * self.T_mult
        share = (1 + math.cos(math.pi * done / length)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class OneCycleLR(LRScheduler):
    """lr rises from max_lr / div_factor to max_lr, then falls to that / final_div_factor.

    Both ways are half waves of a cosine; momentum and betas stay as they are (PyTorch moves them
    unless cycle_momentum=False).

    Args:
        optimizer: whose groups' lr is set.
        max_lr: the top, a number, or one for each group.
        total_steps: how many steps; or epochs and steps_per_epoch.
        pct_start: the share of the steps in which it rises.
        div_factor, final_div_factor: how much lower both ends are.

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
        cycle_momentum=False,
        div_factor=25.0,
        final_div_factor=1e4,
    ):
        if total_steps is None and (epochs is None or steps_per_epoch is None):
            raise ValueError("OneCycleLR needs total_steps, or epochs and steps_per_epoch")
        if cycle_momentum or anneal_strategy != "cos":
            raise ValueError("OneCycleLR knows cycle_momentum=False and anneal_strategy='cos'")
        self.total_steps = total_steps or epochs * steps_per_epoch
        self.rise = pct_start * self.total_steps - 1
        groups = optimizer.param_groups
        self.tops = max_lr if isinstance(max_lr, (list, tuple)) else [max_lr] * len(groups)
        self.factors = div_factor, final_div_factor
        super().__init__(optimizer)

    def get_lr(self):
        """The height of the wave at this step."""
        if self.last_epoch >= self.total_steps:
            raise ValueError(f"OneCycleLR: all {self.total_steps} steps are used up")
        first, last = self.factors
        rising = self.last_epoch <= self.rise
        begin, end = (0, self.rise) if rising else (self.rise, self.total_steps - 1)
        share = (1 + math.cos(math.pi * (self.last_epoch - begin) / (end - begin))) / 2
        pairs = [(t / first, t) if rising else (t, t / first / last) for t in self.tops]
        return [to + (of - to) * share for of, to in pairs]


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

    def __init__(self, optimizer, schedulers, milestones):
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(f"{len(schedulers)} schedules need {len(schedulers) - 1} milestones")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer)

    def get_lr(self):
        """What the schedule says whose turn it is."""
        turn = sum(milestone <= self.last_epoch for milestone in self.milestones)
        schedule = self.schedulers[turn]
        schedule.last_epoch = self.last_epoch - (self.milestones[turn - 1] if turn else 0)
        return schedule.get_lr()
