"""PyTorch's `utils.checkpoint`: here everything is kept, and computed once."""

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(function, *args, use_reentrant=None, **named):
    """function(*args): computed at once, and kept for backward() as always -> its result."""
    ignored = {"context_fn", "determinism_check", "debug", "preserve_rng_state", "early_stop"}
    return function(*args, **{name: v for name, v in named.items() if name not in ignored})


def checkpoint_sequential(
    functions, segments, input, use_reentrant=None, *, preserve_rng_state=True
):
    """The functions one after the other -> the result of the last one."""
    for function in functions:
        input = function(input)
    return input
