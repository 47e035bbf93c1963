"""What PyTorch keeps in `torch.nn.utils`."""

from ..optimizers import clip_grad_norm_

__all__ = ["clip_grad_norm_"]
