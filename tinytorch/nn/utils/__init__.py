"""What PyTorch keeps in `torch.nn.utils`."""

from ...names import unknown
from ..lengths import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
    parameters_to_vector,
    vector_to_parameters,
)
from . import clip_grad, convert_parameters, rnn

__all__ = ["clip_grad", "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_"]
__all__ += ["convert_parameters", "get_total_norm", "parameters_to_vector", "rnn"]
__all__ += ["vector_to_parameters"]


def __getattr__(name):
    raise unknown(name, __name__, __all__)
