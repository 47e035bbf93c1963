"""Data parallelism: the parts of a batch are computed side by side, and their gradients added.

NumPy lets go of Python's lock while it computes, so threads really run at the same time. Each one
walks its own graph, from its own part of the batch to its own dictionary of gradients; nothing is
shared but the parameters, which nobody changes meanwhile. The sum is taken in the order of the
parts, so the same number of parts always gives the same result, wherever they are computed: in
threads, in `processes` that wait for no lock, or one after the other. Over several machines it is
the same idea: there the gradients travel (Dean et al. 2012; Goyal et al. 2017).
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .autograd import hand_over, rule
from .machine import get_num_threads
from .processes import here, processes, walked, with_dice  # noqa: F401 - processes is for all
from .tensor import SLOTS, Parameter, _switch, numpy_generator, primitive, recording, wrap

# numbers in one layer, batch * tokens * width: below, a second one costs time
WORTH_A_THREAD, WORTH_A_PROCESS = 50_000, 30_000

_pools = {}  # process -> its threads; a forked process has none of its parent's


class _Worker(threading.local):
    """Whether a thread is one of a pool, and so computes a part."""

    busy = False


_worker = _Worker()


def parts_for(numbers):
    """How many parts a batch is worth: as many as `set_num_threads` said, or 1 if it is small.

    Smaller ones are worth it while `processes` last that can compute the model on some system, if
    not on this one: a run has the same results on every system.

    Args:
        numbers: how many numbers the output of one layer has, such as batch * tokens * width.
    """
    fits = here.teams and here.teams[-1].fits and recording()
    least = WORTH_A_PROCESS if fits else WORTH_A_THREAD
    return get_num_threads() if numbers >= least else 1


def can_be_cut(model, loss):
    """True if parts of a batch give the loss of the whole, and do not disturb one another.

    Not so where the loss is no plain mean, and where a module in training writes into a buffer, as
    a BatchNorm does. Buffers that are not saved are tables, and nobody writes there.

    Args:
        model: a Module.
        loss: as in `is_plain_mean`.
    """
    training = (module for module in model.modules() if module.training)
    return is_plain_mean(loss) and not any(True in m.buffer_names.values() for m in training)


def is_plain_mean(loss):
    """False for a loss that says that it has weights for its classes, or is a sum.

    Args:
        loss: a module such as CrossEntropyLoss, a `functools.partial`, or any other function.

    >>> from functools import partial
    >>> from tinytorch.losses import MSELoss, cross_entropy
    >>> losses = cross_entropy, MSELoss(), MSELoss("sum"), partial(cross_entropy, reduction="sum")
    >>> [is_plain_mean(loss) for loss in losses]
    [True, True, False, False]
    """
    said = getattr(loss, "keywords", None) or getattr(loss, "__dict__", {})
    trained = isinstance(said.get("weight"), Parameter)  # a module of one's own
    return said.get("reduction", "mean") == "mean" and (said.get("weight") is None or trained)


def in_threads(work, parts, seeds=None):
    """[work(part) for part in parts], side by side; the first part in the thread that asks.

    In every thread recording is on or off as it is here, and random numbers come from a generator
    of the part's own, drawn from the one of `manual_seed`: the same seed gives the same numbers.

    Args:
        work: a function of a part.
        parts: anything to loop over.
        seeds: with which numbers the generators begin, if they are drawn already.

    Raises:
        What `work` raises, after all parts have ended; of several errors that of the first part.
    """
    parts, on = list(parts), _switch.on
    if len(parts) < 2:
        return [work(part) for part in parts]
    seeds = drawn_seeds(len(parts)) if seeds is None else seeds

    def inside(part, seed):
        return with_dice(lambda: work(part), seed, on)

    if _worker.busy:  # parts of a part: all threads may wait for theirs
        return [inside(*each) for each in zip(parts, seeds)]
    pool = _pools.get(os.getpid()) or _pools.setdefault(os.getpid(), new_pool())
    waiting = [pool.submit(inside, *each) for each in zip(parts[1:], seeds[1:])]
    try:
        first = inside(parts[0], seeds[0])
    finally:
        errors = [future.exception() for future in waiting]  # this waits for all of them
    if found := [error for error in errors if error is not None]:
        raise found[0]
    return [first, *(future.result() for future in waiting)]


def new_pool():
    """Threads that know what they are."""
    return ThreadPoolExecutor(32, initializer=setattr, initargs=(_worker, "busy", True))


def drawn_seeds(count):
    """A number for each part, from the generator of `manual_seed`."""
    return numpy_generator().integers(2**63, size=count).tolist()


def backward(mean_loss, *batch, parts=None, count=None):
    """`mean_loss(*batch).backward()`, the batch cut into parts that are computed side by side.

    The gradient is that of L = sum over the parts of (count / total) * mean loss, added to .grad.
    A part in which no target counts is left out. That is the batch's own loss only where it is a
    mean in which all targets weigh the same, and nothing is written meanwhile that another part
    reads: not with class weights, and not with a BatchNorm in training.

    Args:
        mean_loss: function of the tensors of a part -> its mean loss, a Tensor of one number.
        batch: Tensors; their first dimension is cut into parts of nearly one size.
        parts: how many; as many as `set_num_threads` said if None.
        count: function of the tensors of a part -> over how many targets its mean is taken; how
            many samples it has if None.

    Returns:
        L, a Python number.

    Raises:
        ValueError: the tensors differ in their first size, or no target counts.
    """
    pieces, shares = _cut(batch, parts, count)
    if len(pieces) == 1:
        loss = mean_loss(*pieces[0])
        loss.backward()
        return loss.item()
    loss, gradients = _added(mean_loss, pieces, shares)
    if hasattr(SLOTS["backward"], "run_leaf_hooks"):  # see register_hook
        with_slopes(list(gradients), loss, list(gradients.values())).backward()
    else:
        hand_over(gradients)
    return loss


def side_by_side(mean_loss, *batch, parts=None, count=None):
    """`mean_loss(*batch)`, the batch cut into parts that are computed side by side.

    The gradient is computed at once, in the same threads, and handed out when `backward()` asks.
    So whatever works on a loss works on this one, too: sums of several, gradient accumulation.

    Args:
        mean_loss, batch, parts, count: as in `backward`.

    Returns:
        L, a Tensor of one number.

    Raises:
        ValueError: as in `backward`.

    >>> from tinytorch.tensor import Tensor
    >>> x = Tensor([1.0, 2.0, 6.0])
    >>> weight = Tensor([1.0], requires_grad=True)
    >>> side_by_side(lambda part: (weight * part).mean(), x, parts=3).backward()
    >>> weight.grad
    tensor([3.])
    """
    if parts == 1:
        return mean_loss(*batch)
    pieces, shares = _cut(batch, parts, count)
    if len(pieces) == 1:
        return mean_loss(*pieces[0])
    if not recording():
        losses = in_threads(lambda n: mean_loss(*pieces[n]).array, range(len(pieces)))
        total = sum(loss.item() * share for loss, share in zip(losses, shares))
        return wrap(np.asarray(total, losses[0].dtype))
    loss, gradients = _added(mean_loss, pieces, shares)
    return with_slopes(list(gradients), loss, list(gradients.values()))


@primitive
def with_slopes(leaves, value, slopes):
    """A number whose gradient with respect to some leaves is known already.

    Args:
        leaves: list of Tensors.
        value: the number.
        slopes: an array for each leaf.
    """
    return np.asarray(value, np.result_type(*leaves)), slopes


@rule
def with_slopes_rule(g, note):
    """g times each slope."""
    return [g * slope for slope in note]


def _cut(batch, parts, count):
    """The parts of a batch that have targets, and the share of each in the mean over all."""
    sizes = {len(tensor) for tensor in batch}
    if len(sizes) != 1:
        raise ValueError(f"the tensors of a batch have one first size, and these have {sizes}")
    (size,) = sizes
    parts = max(1, min(size, get_num_threads() if parts is None else parts))
    ends = [size * (n + 1) // parts for n in range(parts)]
    cuts = zip([0, *ends], ends)
    pieces = [tuple(t[a:b] for t in batch) for a, b in cuts] if parts > 1 else [batch]
    counts = [int(count(*piece)) if count else len(piece[0]) for piece in pieces]
    if not sum(counts):
        raise ValueError("nothing to learn from: the batch has no target that counts")
    pieces = [piece for piece, number in zip(pieces, counts) if number]  # else 0 * nan
    return pieces, [number / sum(counts) for number in counts if number]


def _added(mean_loss, pieces, shares):
    """(loss, {leaf: gradient}) of all parts together, added in the order of the parts."""
    seeds, team = drawn_seeds(len(pieces)), here.team_for(mean_loss)
    found = team and team.compute(mean_loss, pieces, shares, seeds)
    if not found:
        walks = [(mean_loss, *part) for part in zip(pieces, shares)]
        found = in_threads(lambda part: walked(*part), walks, seeds)
    (loss, gradients), *others = found
    for other_loss, other in others:
        loss += other_loss
        for leaf, gradient in other.items():
            if leaf in gradients:
                gradients[leaf] += gradient
            else:
                gradients[leaf] = gradient.copy()  # a process will write there again
    return loss, gradients
