"""PyTorch's `distributed`, honest: there is one process, with the rank 0 of 1."""

from .names.devices import absent, answers, unknown_in

__all__ = ["barrier", "destroy_process_group", "get_rank", "get_world_size", "init_process_group"]
__all__ += ["is_available", "is_initialized"]

is_available = is_initialized = is_nccl_available = is_mpi_available = answers(False)
get_rank, get_world_size = answers(0), answers(1)
destroy_process_group = barrier = answers(None)
init_process_group = absent("a process group")

__getattr__ = unknown_in(__name__)
