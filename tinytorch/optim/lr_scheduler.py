"""Learning rates that change with the number of the step, as PyTorch's little classes.

Each sets the learning rate of every group, at once and after each `step()`. One function of the
step does as well: `optimizer.param_groups[0]["lr"] = warmup_cosine(step, 100, 1000, lr=0.1)`.
"""

import math

from ..optimizers import plain

__all__ = ["CosineAnnealingLR", "LRScheduler", "LambdaLR", "StepLR"]


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

    def __init__(self, optimizer, lr_lambda):
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

    def __init__(self, optimizer, step_size, gamma=0.1):
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

    def __init__(self, optimizer, T_max, eta_min=0.0):
        if not T_max > 0:
            raise ValueError(f"T_max is a number of steps above 0, not {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def get_lr(self):
        """The height of the wave, between eta_min and the first learning rates."""
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]
