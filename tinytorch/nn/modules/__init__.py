"""PyTorch's `nn.modules`, with all its inner places: every layer of `nn` is found in each."""

import sys
import types

from .. import *  # noqa: F403
from .. import __all__ as _all

__all__ = list(_all)

_PLACES = "activation adaptive batchnorm container distance dropout flatten linear loss module"
_PLACES += " normalization sparse transformer"

for _place in _PLACES.split():
    _room = types.ModuleType(f"{__name__}.{_place}", __doc__)
    vars(_room).update({name: globals()[name] for name in _all})
    _room._Loss = _room._WeightedLoss = globals()["Module"]
    sys.modules[_room.__name__] = globals()[_place] = _room
