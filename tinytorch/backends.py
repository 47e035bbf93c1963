"""PyTorch's `backends`, for programs that import it: see `names.devices`."""

import sys

from .names.devices import backends

for _name, _room in vars(backends).items():  # `import tinytorch.backends.cudnn as cudnn`
    if not _name.startswith("_"):
        sys.modules[f"{__name__}.{_name}"] = _room
sys.modules[__name__] = backends
