"""PyTorch's `nn.parallel`: nothing is wrapped here; `tinytorch.parallel` cuts batches in parts."""

from ..names.devices import absent

__all__ = ["DataParallel", "DistributedDataParallel"]

DataParallel = DistributedDataParallel = absent("a second device")
