"""PyTorch's `nn.parallel`: one process has nothing to wrap; threads are in `tinytorch.parallel`."""

from ..names.devices import absent

__all__ = ["DataParallel", "DistributedDataParallel"]

DataParallel = DistributedDataParallel = absent("a second device")
