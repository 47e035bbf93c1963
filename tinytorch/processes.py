"""Parts of a batch in processes of their own, where threads would wait for one another.

Python lets one thread at a time work on its objects, so threads help only while NumPy computes for
long. A process has a Python of its own. It begins as a copy of this one (fork), is told its part of
each batch through a pipe, and finds the parameters, and leaves its gradients, in memory that both
see. Only Linux can do that: NumPy's libraries do not survive a fork on macOS, and Windows has none.
"""

import functools
import mmap
import multiprocessing
import operator
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import types
import warnings

import numpy as np

from . import autograd
from .autograd import backward as walk
from .layers import Module
from .machine import get_num_threads
from .profiler import profile
from .tensor import RULES, Generator, Parameter, Tensor, _switch, wrap

ALIGNED = 64  # bytes: where an array begins in shared memory
REST = 100  # batches that are computed here once the processes come too late
GONE = (EOFError, OSError)  # what the other end of a pipe says when its process has ended


class _Here(threading.local):
    """The `processes` that last in a thread."""

    team = None


here = _Here()


class processes:
    """While a `with` lasts, the parts of `mean_loss` are computed in processes, not in threads.

    The results are those of threads, to the bit, where they depend on nothing but the batch, the
    model's parameters and attributes, and random numbers of `manual_seed`. For each batch a
    process gets the parameters' numbers anew; all else it knows from when it began, so it begins
    anew when an attribute of a module, a rule, or what requires a gradient, has changed. It does
    not see what else changes meanwhile: an annealed setting in a closure, a teacher outside of the
    model, NumPy's own generators. What `mean_loss` writes elsewhere, into a list of yours, stays
    in the process, and it must not wait for a lock that another thread may hold.

    Threads do the work as before where there is no fork; before `set_num_threads(2)` or more;
    under `no_grad` and `profile`; and for a model that has buffers, hooks, or attributes that can
    be written into (a list, an array), sets attributes as it computes, or uses other leaves than
    its parameters. While another program needs the cores, and processes come late, the parts are
    computed here, one after the other.

    Args:
        model: a Module, to which all parameters belong that `mean_loss` depends on.
        mean_loss: the function that `parallel.backward` or `side_by_side` will get.

    Attributes:
        helps: False once it is known that threads have to do it.

    >>> from tinytorch import parallel
    >>> from tinytorch.layers import Linear
    >>> from tinytorch.tensor import Tensor
    >>> layer, x = Linear(1, 1), Tensor([[1.0], [2.0], [6.0]])
    >>> def mean_loss(part):
    ...     return layer(part).mean()
    >>> with processes(layer, mean_loss):
    ...     loss = parallel.backward(mean_loss, x, parts=3)
    >>> layer.weight.grad
    tensor([[3.]])
    """

    def __init__(self, model, mean_loss):
        self.model, self.mean_loss, self.members, self.seen = model, mean_loss, [], None
        self.program, self.late, self.resting = os.getpid(), 0.5, 0
        self.helps = sys.platform == "linux" and not multiprocessing.current_process().daemon

    def __enter__(self):
        self.before, here.team = here.team, self
        return self

    def __exit__(self, *error):
        here.team = self.before
        self.stop()

    def stop(self):
        """End all processes; the next batch begins them anew."""
        if os.getpid() == self.program:  # and not in a copy of it
            for member in self.members:
                member.end()
        self.members, self.seen = [], None

    def compute(self, mean_loss, pieces, shares, seeds):
        """What `walked` gives for each part, in order; the first one is computed here.

        Args:
            mean_loss, pieces, shares: as `parallel` has cut the batch.
            seeds: a number for each part, with which its random numbers begin.

        Returns:
            A list; or None where threads have to do it.

        Raises:
            What `mean_loss` raises, after all have ended; of several errors that of the first part.
        """
        if mean_loss != self.mean_loss or not self._ready(pieces):
            return None
        parts = [(mean_loss, *part) for part in zip(pieces, shares, seeds)]
        if self.resting:
            self.resting -= 1
            return [walk_apart(*part) for part in parts]
        try:
            answers = self._side_by_side(parts)
        except GONE:
            warnings.warn("a process that computed a part was killed: threads go on", stacklevel=4)
            return self._give_up()
        except BaseException:  # Ctrl-C: what they have not said yet is no answer to the next batch
            self.stop()
            raise
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return self._give_up() if None in answers else answers

    def _side_by_side(self, parts):
        """The answers of all parts; and a rest, if one after the other would have been quicker."""
        begin, used = time.perf_counter(), time.thread_time()
        for p, numbers in zip(self.params, self.numbers):
            numbers[...] = p.array
        for member, part in zip(self.members, parts[1:]):
            member.ask(*part[1:])
        answers = [self.attempt(*parts[0])]
        used = time.thread_time() - used
        answers += [member.answer(self.params) for member in self.members[: len(parts) - 1]]
        lateness = (time.perf_counter() - begin) / (used * len(parts))
        self.late += 0.2 * (lateness - self.late)
        if self.late > 1:  # another program needs the cores
            self.late, self.resting = 0.8, REST
        return answers

    def attempt(self, mean_loss, piece, share, seed):
        """What `walked` gives, or its error, or None if processes cannot help with this model."""
        try:
            loss, found = walk_apart(mean_loss, piece, share, seed)
        except Exception as error:
            return error
        if found.keys() - self.places.keys():  # other leaves
            return None
        if self._changed():  # by computing: as if nothing had been
            for module, attributes in zip(self.modules, self.attributes):
                vars(module).clear()
                vars(module).update(attributes)
            return None
        return loss, found

    def _ready(self, pieces):
        """Whether there are processes for all parts but the first, and they know the model."""
        if not self.helps or os.getpid() != self.program:  # a copy of it shares the pipes
            return False
        if get_num_threads() < 2:  # BLAS may have threads then, and a fork wait for them for ever
            return False
        if profile.on or _switch.watched:  # they are to see all parts
            return False
        if not all(isinstance(tensor, Tensor) and can_be_sent(tensor) for tensor in pieces[0]):
            return False
        if self.seen is not None and self._changed():
            self.stop()
        if self.seen is None:
            self._begin()
        try:
            while self.helps and len(self.members) < len(pieces) - 1:
                self.members.append(Member(self))
        except OSError:  # the system has no room for another process
            self._give_up()
        return self.helps

    def _begin(self):
        """Note what the processes will know of the model."""
        self.modules, self.params = list(self.model.modules()), list(self.model.parameters())
        self.places = {p: n for n, p in enumerate(self.params)}
        self.attributes = [dict(vars(module)) for module in self.modules]
        self.numbers, self.seen = shared_like(self.params), self._look()
        if not all(is_plain(v) for attributes in self.attributes for v in attributes.values()):
            self._give_up()  # such as hooks, buffers and lists

    def _look(self):
        """All that decides what the model computes, but the numbers of its parameters."""
        seen = [value for module in self.modules for value in vars(module).values()]
        seen += [*RULES.values(), autograd.answers_of, *(p.requires_grad for p in self.params)]
        return seen, [(p.array.shape, p.array.dtype, p.array.strides) for p in self.params]

    def _changed(self):
        (seen, kinds), (before, kinds_before) = self._look(), self.seen
        same = len(seen) == len(before) and all(map(operator.is_, seen, before))
        return not same or kinds != kinds_before

    def _give_up(self):
        self.stop()
        self.helps = False


class Member:
    """A process, seen from outside.

    Args:
        owner: the `processes` that it belongs to.
    """

    def __init__(self, owner):
        self.gradients = shared_like(owner.params)
        self.pipe, far_end = multiprocessing.Pipe()
        words = self.pipe, far_end, owner, self.gradients
        self.process = multiprocessing.get_context("fork").Process(
            target=serve, args=words, daemon=True
        )
        with warnings.catch_warnings():  # from 3.12 on: of threads, which the copy does not have
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        far_end.close()

    def ask(self, piece, share, seed):
        """Let it compute a part."""
        job = [tensor.array for tensor in piece], share, seed
        self.pipe.send_bytes(pickle.dumps(job))  # its own send() takes longer

    def answer(self, params):
        """What `attempt` gives there."""
        told = pickle.loads(self.pipe.recv_bytes())
        if told is None or isinstance(told, BaseException):
            return told
        loss, places = told
        return loss, {params[n]: self.gradients[n] for n in places}

    def end(self):
        """Whatever it is doing: it holds nothing of its own."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


# -- in the process
def serve(near_end, pipe, owner, gradients):
    """Answer each part that comes, until nobody is there to ask."""
    near_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for p, numbers in zip(owner.params, owner.numbers):
        p.array = numbers
    try:
        while True:
            arrays, share, seed = pickle.loads(pipe.recv_bytes())
            try:
                part = owner.attempt(owner.mean_loss, tuple(map(wrap, arrays)), share, seed)
            except BaseException as error:  # sys.exit()
                part = error
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()  # nobody does it at the end
            pipe.send_bytes(pickle.dumps(told(part, owner.places, gradients)))
    except GONE:
        pass  # the program has ended


def told(part, places, gradients):
    """What a process says of its part; the gradients themselves stand in shared memory."""
    if part is None or isinstance(part, BaseException):
        return part and sendable(part)
    loss, found = part
    for leaf, g in found.items():
        gradients[places[leaf]][...] = g
    return loss, [places[leaf] for leaf in found]


def sendable(error):
    """An error as it can be sent, with a note on the place where it was raised."""
    place = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # its class takes more than a message
        copy = None
    if not isinstance(copy, BaseException):
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    error = copy
    error.add_note(f"raised where a process computed its part:\n{place}")
    return error


# -- both
def walk_apart(mean_loss, piece, share, seed):
    """What `walked` gives, with random numbers of its own; what is cut again is for threads."""
    before, here.team = here.team, None
    try:
        return with_dice(lambda: walked(mean_loss, piece, share), seed, on=True)
    finally:
        here.team = before


PLAIN = (int, float, str, type(None), np.dtype, types.FunctionType, types.BuiltinFunctionType)


def is_plain(value):
    """True for what can be replaced but not written into: numbers, words, functions, modules."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    return isinstance(value, (*PLAIN, Parameter, Module))


def can_be_sent(tensor):
    """True if a copy computes the same to the bit, and no gradient goes through it."""
    return tensor.array.flags.c_contiguous and not tensor.requires_grad


def shared_like(tensors):
    """An array of the shape and dtype of each tensor, in memory that is shared with later forks."""
    sizes = [-(-tensor.array.nbytes // ALIGNED) * ALIGNED for tensor in tensors]
    memory = mmap.mmap(-1, max(1, sum(sizes)))
    ends = np.cumsum(sizes).tolist()
    return [
        np.ndarray(tensor.shape, tensor.dtype, memory, end - size)
        for tensor, size, end in zip(tensors, sizes, ends)
    ]


class Dice(Generator):
    """A generator that begins when it is asked for the first time: many parts draw nothing."""

    def __init__(self, seed):
        self.seed = seed

    @functools.cached_property
    def numpy(self):
        """NumPy's own."""
        return np.random.default_rng(self.seed)


def with_dice(work, seed, on):
    """work(), with recording on or off, and random numbers from a generator of its own."""
    before = _switch.on, _switch.generator
    _switch.on, _switch.generator = on, Dice(seed)
    try:
        return work()
    finally:
        _switch.on, _switch.generator = before


def walked(mean_loss, piece, share):
    """(share of the loss, {leaf: its gradient}) of one part; nothing is written into .grad."""
    gradients, part = {}, mean_loss(*piece)
    walk(part, np.full_like(part.array, share), into=gradients.update)
    leaves = {leaf: g for leaf, g in gradients.items() if isinstance(leaf, Tensor)}
    return part.item() * share, leaves
