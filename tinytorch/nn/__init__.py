"""Layers and losses under the names that PyTorch gives them."""

from ..attention import MultiHeadAttention
from ..embeddings import Embedding
from ..layers import (
    GELU,
    Dropout,
    Linear,
    Module,
    ModuleList,
    ReLU,
    Sequential,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from ..losses import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from ..tensor import Parameter
from ..transformers import LayerNorm
from . import functional, init

__all__ = [name for name in dir() if not name.startswith("_")]
