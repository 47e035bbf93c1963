"""Layers and losses under the names that PyTorch gives them."""

from ..attention import MultiHeadAttention
from ..embeddings import Embedding
from ..layers import GELU, Dropout, Linear, Module, ModuleList, ReLU, Sequential, Tanh
from ..losses import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss
from ..tensor import Parameter
from ..transformers import LayerNorm
from . import functional, init, utils
from .modules import Flatten, Identity, LogSoftmax, ModuleDict, Sigmoid, SiLU, Softmax

__all__ = [
    "GELU",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiHeadAttention",
    "Parameter",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "functional",
    "init",
    "utils",
]
