"""Averages of weights over the steps: PyTorch's `optim.swa_utils`."""

import copy
import math

from ..autograd import no_grad
from ..layers import Module
from ..tensor import Tensor, wrap
from .lr_scheduler import LRScheduler, for_groups

__all__ = ["AveragedModel", "SWALR", "get_ema_avg_fn", "get_ema_multi_avg_fn"]
__all__ += ["get_swa_avg_fn", "get_swa_multi_avg_fn", "update_bn"]


def get_ema_avg_fn(decay=0.999):
    """A function (average, parameter, count) -> decay * average + (1 - decay) * parameter.

    Args:
        decay: a share from 0 to 1.
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"decay is a share from 0 to 1, not {decay}")
    return lambda average, p, count: average * decay + p * (1 - decay)


def get_swa_avg_fn():
    """A function (average, parameter, count) -> the plain average of all that was seen."""
    return lambda average, p, count: average + (p - average) / (int(count) + 1)


def written(rule):
    """A function that does for lists, in place, what a function does for one pair."""

    def averaged(averages, parameters, count):
        for average, p in zip(averages, parameters):
            average.copy_(rule(average, p, count))

    return averaged


def get_ema_multi_avg_fn(decay=0.999):
    """`get_ema_avg_fn` for lists, which writes into the averages."""
    return written(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn():
    """`get_swa_avg_fn` for lists, which writes into the averages."""
    return written(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose weights are the averages of the model's, step by step.

    Args:
        model: is copied.
        device: None or "cpu".
        avg_fn: (average, parameter, count) -> the new average, for one pair.
        multi_avg_fn: (averages, parameters, count), which writes; plain averages unless given.
        use_buffers: average the buffers as well.

    Source: Izmailov et al. 2018.
    """

    def __init__(self, model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False):
        if avg_fn is not None and multi_avg_fn is not None:
            raise ValueError("give avg_fn or multi_avg_fn, not both")
        self.module, self.use_buffers = copy.deepcopy(model), use_buffers
        self.register_buffer("n_averaged", Tensor(0))
        self.average = multi_avg_fn or written(avg_fn or get_swa_avg_fn())

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model):
        """Take in the weights as they are now."""
        own, theirs = (
            [t.detach() for t in (*m.parameters(), *(m.buffers() if self.use_buffers else ()))]
            for m in (self.module, model)
        )
        if int(self.n_averaged) == 0:
            for average, p in zip(own, theirs):
                average.copy_(p)
        else:
            self.average(own, theirs, self.n_averaged)
        if not self.use_buffers:
            for average, b in zip(self.module.buffers(), model.buffers()):
                average.copy_(b.detach())
        self.n_averaged += wrap(self.n_averaged.array * 0 + 1)


class SWALR(LRScheduler):
    """lr goes from where it is to swa_lr in anneal_epochs steps, then stays.

    Args:
        optimizer: whose groups' lr is set. swa_lr: the last learning rate, or one for each group.
        anneal_epochs: how many steps it takes. anneal_strategy: "cos" or "linear".
    """

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy is 'cos' or 'linear', not {anneal_strategy!r}")
        if not (isinstance(anneal_epochs, int) and anneal_epochs >= 0):
            raise ValueError(f"anneal_epochs is a count of at least 0, not {anneal_epochs!r}")
        self.swa_lrs, self.epochs = for_groups(optimizer, "swa_lr", swa_lr), anneal_epochs
        self.strategy = anneal_strategy
        super().__init__(optimizer, last_epoch)

    def share(self, step):
        """How much of the way lies behind at a step."""
        share = max(0.0, min(1.0, step / max(1, self.epochs)))
        return (1 - math.cos(math.pi * share)) / 2 if self.strategy == "cos" else share

    def get_lr(self):
        """From the learning rates of now, as far as this step goes, to swa_lr."""
        step = max(self._step_count - 1, 1 if self.epochs == 0 else 0)
        before, now = self.share(step - 1), self.share(step)
        left = 0.0 if before == 1 else (1 - now) / (1 - before)
        return [swa + (lr - swa) * left for lr, swa in zip(self.times(1), self.swa_lrs)]


@no_grad()
def update_bn(loader, model, device=None):
    """Run the batches through a model in training mode, so that its BatchNorm layers count anew.

    Args:
        loader: batches, of which the first part is the input. model: a Module.
    """
    norms = [m for m in model.modules() if getattr(m, "running_mean", None) is not None]
    if not norms:
        return
    before, momenta = model.training, [norm.momentum for norm in norms]
    for norm in norms:
        norm.running_mean.zero_()
        norm.running_var.fill_(1)
        norm.num_batches_tracked.zero_()
    model.train()
    for n, batch in enumerate(loader):
        for norm in norms:
            norm.momentum = 1 / (n + 1)  # the plain average of all batches
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    model.train(before)
