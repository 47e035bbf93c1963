"""Optimizers under the names, and with the arguments, that PyTorch gives them."""

from ..names import unknown
from ..optimizers import Optimizer
from . import lr_scheduler
from .variants import SGD, Adagrad, Adam, AdamW, RMSprop

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler"]


def __getattr__(name):
    raise unknown(name, __name__, __all__)
