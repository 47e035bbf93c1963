"""Optimizers under the names, and with the arguments, that PyTorch gives them."""

import importlib

from ..names import unknown
from . import lr_scheduler
from .variants import (
    LBFGS,
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
)
from .variants import Base as Optimizer

__all__ = ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "LBFGS", "NAdam", "Optimizer"]
__all__ += ["RAdam", "RMSprop", "SGD", "lr_scheduler"]


def __getattr__(name):
    if name == "swa_utils":
        return importlib.import_module(f"{__name__}.swa_utils")
    raise unknown(name, __name__, __all__)
