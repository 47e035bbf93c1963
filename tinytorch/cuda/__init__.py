"""PyTorch's `cuda`, honest: there is no GPU, and what would use one says so."""

from ..names.devices import absent, answers, unknown_in
from . import amp

__all__ = ["amp", "device_count", "empty_cache", "is_available", "manual_seed", "manual_seed_all"]

is_available = is_bf16_supported = is_initialized = answers(False)
device_count = memory_allocated = max_memory_allocated = memory_reserved = answers(0)
manual_seed = manual_seed_all = empty_cache = synchronize = answers(None)
reset_peak_memory_stats = answers(None)
set_device = get_device_name = get_device_properties = current_device = absent("a GPU")
Event = Stream = absent("a GPU")

__getattr__ = unknown_in(__name__)
