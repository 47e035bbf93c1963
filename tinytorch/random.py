"""PyTorch's `random`: see `tinytorch.names.creation`."""

from .names.creation import Chance, get_rng_state, initial_seed, seed, set_rng_state
from .tensor import manual_seed

__all__ = ["fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]

fork_rng = Chance.fork_rng
