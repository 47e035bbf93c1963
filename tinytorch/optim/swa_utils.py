"""Averages of weights over the steps: PyTorch's `optim.swa_utils`."""

import copy

from ..autograd import no_grad
from ..layers import Module
from ..tensor import Tensor, wrap
from .lr_scheduler import LRScheduler

__all__ = ["AveragedModel", "SWALR", "get_ema_multi_avg_fn", "get_swa_multi_avg_fn", "update_bn"]


def get_ema_multi_avg_fn(decay=0.999):
    """A function that moves averages: average <- decay * average + (1 - decay) * parameter.

    Args:
        decay: a share from 0 to 1.
    """

    def averaged(averages, parameters, count):
        for average, p in zip(averages, parameters):
            average.copy_(average * decay + p * (1 - decay))

    return averaged


get_ema_avg_fn = get_ema_multi_avg_fn


def get_swa_multi_avg_fn():
    """A function that keeps plain averages of all that was seen -> a function."""

    def averaged(averages, parameters, count):
        for average, p in zip(averages, parameters):
            average.copy_(average + (p - average) / (int(count) + 1))

    return averaged


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
        self.module, self.use_buffers = copy.deepcopy(model), use_buffers
        self.register_buffer("n_averaged", Tensor(0))
        self.one, self.many = avg_fn, multi_avg_fn or get_swa_multi_avg_fn()

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
        elif self.one is not None:
            for average, p in zip(own, theirs):
                average.copy_(self.one(average, p, self.n_averaged))
        else:
            self.many(own, theirs, self.n_averaged)
        if not self.use_buffers:
            for average, b in zip(self.module.buffers(), model.buffers()):
                average.copy_(b.detach())
        self.n_averaged += wrap(self.n_averaged.array * 0 + 1)


class SWALR(LRScheduler):
    """lr goes from where it is to swa_lr in anneal_epochs steps, then stays.

    Args:
        optimizer: whose groups' lr is set. swa_lr: the last learning rate.
        anneal_epochs: how many steps it takes. anneal_strategy: "cos" or "linear".
    """

    def __init__(self, optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1):
        self.swa_lr, self.epochs, self.strategy = swa_lr, anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        """Between the first learning rates and swa_lr."""
        import math

        share = min(1.0, self.last_epoch / max(1, self.epochs))
        share = (1 - math.cos(math.pi * share)) / 2 if self.strategy == "cos" else share
        return [base + (self.swa_lr - base) * share for base in self.base_lrs]


@no_grad()
def update_bn(loader, model, device=None):
    """Run the batches through a model in training mode, so that its BatchNorm layers count anew.

    Args:
        loader: batches, of which the first part is the input. model: a Module.
    """
    before = model.training
    for module in model.modules():
        if hasattr(module, "running_mean") and module.running_mean is not None:
            module.running_mean.zero_()
            module.running_var.fill_(1)
    model.train()
    for batch in loader:
        model(batch[0] if isinstance(batch, (list, tuple)) else batch)
    model.train(before)
