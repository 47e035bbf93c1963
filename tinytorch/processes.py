"""Parts of a batch in processes of their own, where threads would wait for one another.

Python lets one thread at a time work on its objects, so threads help only while NumPy computes for
long. A process has a Python of its own. It begins as a copy of this one (fork), is told its part of
each batch through a pipe, and finds the parameters, and leaves its gradients, in memory that both
see. Only Linux can do that: NumPy's libraries do not survive a fork on macOS, and Windows has none.
"""

import contextlib
import functools
import io
import itertools
import mmap
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import types
import typing
import warnings
import weakref

import numpy as np

from . import autograd
from .autograd import backward as walk
from .layers import Module
from .machine import blas_was_told, get_num_threads
from .profiler import profile
from .tensor import RULES, Generator, Parameter, Tensor, _switch, recording, wrap

ALIGNED = 64  # bytes: where an array begins in shared memory
REST = 100  # batches that are computed here once the processes come too late
MOST = 32  # parts: for more, threads
GONE = EOFError, BrokenPipeError, ConnectionResetError  # the process at the other end has ended

_one_begins = threading.Lock()  # else a process might inherit both ends of another one's pipe


class _Here(threading.local):
    """The `processes` that last in a thread, the innermost last."""

    def __init__(self):
        self.teams, self.computing = [], False

    def team_for(self, mean_loss):
        """Those for this function, or None; while a batch is computed, others are for threads."""
        found = [team for team in self.teams if team.mean_loss == mean_loss]
        return found[-1] if found and not self.computing else None


here = _Here()


class processes:
    """While a `with` lasts, the parts of `mean_loss` are computed in processes, not in threads.

    The results are those of threads, to the bit, where they depend on nothing but the batch, the
    model's parameters and attributes, and random numbers of `manual_seed`. For each batch a
    process gets the parameters' numbers anew; all else it knows from when it began, so it begins
    anew when an attribute of a module, a rule, or what requires a gradient, has changed. It does
    not see what else changes meanwhile: an annealed setting in a closure, a teacher outside of the
    model, NumPy's own generators, attributes of classes. What `mean_loss` writes elsewhere, into a
    list of yours, its batch, or a `.grad`, stays in the process, and it must not wait for a lock
    that another thread may hold. What it prints appears when its part is done.

    Threads do the work as before where there is no fork; before `set_num_threads(2)` or more;
    under `no_grad` and `profile`; for models with a module of a class of your own, whose code may
    do anything; and for a model that has buffers, hooks, or attributes that can be written into (a
    list, an array), that changes itself as it computes, or uses other leaves than its parameters.
    While another program needs the cores, and processes come late, the parts are computed here,
    one after the other.

    Args:
        model: a Module, to which all parameters belong that `mean_loss` depends on.
        mean_loss: the function that `parallel.backward` or `side_by_side` will get.

    Attributes:
        fits: whether processes can compute such a model; the same on every system.
        helps: False once it is known that threads have to do it.

    Raises:
        TypeError: the model is no Module, or the function none.

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
        if not isinstance(model, Module) or not callable(mean_loss):
            given = f"{type(model).__name__} and {type(mean_loss).__name__}"
            raise TypeError(
                f"processes(model, mean_loss) takes a module and a function, not {given}"
            )
        self.model, self.mean_loss, self.members, self.seen = model, mean_loss, [], None
        self.program, self.late, self.resting = os.getpid(), 0.5, 0
        self.batches, self.hasty = 0, 0  # since they began; how often that was for a few only
        self.fits, self.lists = all(map(is_known, model.modules())), []
        self.helps = self.fits and sys.platform == "linux"

    def __enter__(self):
        self.lists.append(here.teams)
        here.teams.append(self)
        return self

    def __exit__(self, *error):
        self.lists.pop().remove(self)  # of the thread that entered
        self.stop()

    def stop(self):
        """End all processes; the next batch begins them anew."""
        if self.members:
            with signals_wait():
                for member in self.members:
                    member.end()
                self.members = []
        self.seen, self.numbers = None, []

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
        parts = [(mean_loss, *part) for part in zip(pieces, shares, seeds)]
        try:
            here.computing = True
            if not self._ready(pieces):
                return None
            if self.resting:
                self.resting -= 1
                answers = [self.attempt(*part) for part in parts]
            else:
                answers = self._side_by_side(parts)
        except GONE:
            self._give_up()
            warnings.warn("a process that computed a part was killed: threads go on", stacklevel=4)
            return None
        except BaseException:  # Ctrl-C: what they have not said yet is no answer to the next batch
            self.stop()
            raise
        finally:
            here.computing = False
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
        self.batches += 1
        self.late += 0.2 * (lateness - self.late)
        if self.late > 1:  # another program needs the cores
            self.late, self.resting = 0.8, REST
        return answers

    def attempt(self, mean_loss, piece, share, seed):
        """What `walked` gives, or its error, or None if processes cannot help with this model."""
        before = [(p.array, p.version[0]) for p in self.params]
        try:
            loss, found = walk_apart(mean_loss, piece, share, seed)
        except Exception as error:
            return error
        if self._changed():  # by computing: as if nothing had been
            for module, attributes in zip(self.modules, self.attributes):
                for name in vars(module).keys() - attributes.keys():
                    del vars(module)[name]
                vars(module).update(attributes)
            return None
        after = [(p.array, p.version[0]) for p in self.params]
        written = any(a is not b or m != n for (a, m), (b, n) in zip(after, before))
        foreign = found.keys() - self.places.keys()  # other leaves
        return None if written or foreign else (loss, found)

    def _ready(self, pieces):
        """Whether there are processes for all parts but the first, and they know the model."""
        if not self.helps or os.getpid() != self.program:  # a copy of it shares the pipes
            return False
        if get_num_threads() < 2 or not blas_was_told():  # a fork might wait for BLAS's threads
            return False
        if not recording() or profile.on or _switch.watched:  # these are to see all parts
            return False
        if len(pieces) > MOST or not all(map(can_be_sent, pieces)):
            return False
        if self.seen is not None and self._changed():
            self.hasty += self.batches < 10
            self.stop()
        try:
            if self.seen is None:
                self._begin()
            while self.helps and not self.resting and len(self.members) < len(pieces) - 1:
                with signals_wait():  # until somebody is there who ends it
                    self.members.append(Member(self))
        except OSError:  # the system has no room for another process
            self._give_up()
        return self.helps

    def _begin(self):
        """Note what the processes will know of the model."""
        self.modules, self.params = list(self.model.modules()), list(self.model.parameters())
        if self.hasty > 2 or not all(map(is_known, self.modules)):
            self._give_up()
            return
        self.places = {p: n for n, p in enumerate(self.params)}
        self.attributes = [dict(vars(module)) for module in self.modules]
        self.numbers, self.batches = shared_like(self.params), 0
        self.seen = self._look()

    def _look(self):
        """All that decides what the model computes, but the numbers of its parameters."""
        names = [tuple(vars(module)) for module in self.modules]
        seen = [value for module in self.modules for value in vars(module).values()]
        seen += [type(module).forward for module in self.modules]
        seen += [*RULES.values(), autograd.answers_of, *(p.requires_grad for p in self.params)]
        arrays = [p.array for p in self.params]
        return seen, names, [(a.shape, a.dtype, a.strides, a.flags.aligned) for a in arrays]

    def _changed(self):
        (seen, *others), (seen_before, *others_before) = self._look(), self.seen
        return others != others_before or not all(map(is_same, seen, seen_before))

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
        with _one_begins, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # from 3.12 on: of threads, which the copy has not
            self.pipe, far_end = multiprocessing.Pipe()
            self.number = os.fork()
            (far_end if self.number else self.pipe).close()
        if not self.number:
            try:
                serve(far_end, owner, self.gradients)
            finally:
                os._exit(0)
        self.end = weakref.finalize(self, end, os.getpid(), self.number, self.pipe)
        self.end.atexit = False  # it sees itself that the program has ended

    def ask(self, piece, share, seed):
        """Let it compute a part."""
        job = [tensor.array for tensor in piece], share, seed
        self.pipe.send_bytes(pickle.dumps(job))  # its own send() takes longer

    def answer(self, params):
        """What `attempt` gives there."""
        told, printed = pickle.loads(self.pipe.recv_bytes())
        for stream, text in zip((sys.stdout, sys.stderr), printed):
            if text and stream:
                stream.write(text)
        if told is None:
            return None
        if isinstance(told, Raised):
            return revived(told)
        loss, places = told
        return loss, {params[n]: self.gradients[n] for n in places}


def end(program, number, pipe):
    """End a process, whatever it is doing: it holds nothing of its own."""
    pipe.close()
    if os.getpid() == program:  # and not a copy of it, whose process it is not
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # where nobody waits for children
            os.waitpid(number, 0)


@contextlib.contextmanager
def signals_wait():
    """Signals come when the `with` has ended, Ctrl-C too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- in the process
def serve(pipe, owner, gradients):
    """Answer each part that comes, until nobody is there to ask."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):  # Ctrl-C too is for the program itself
            signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    for p, numbers in zip(owner.params, owner.numbers):
        p.array = numbers
    with contextlib.suppress(*GONE):  # the program has ended
        while True:
            arrays, share, seed = pickle.loads(pipe.recv_bytes())
            sys.stdout, sys.stderr = io.StringIO(), io.StringIO()  # others' may be locked for ever
            try:
                part = owner.attempt(owner.mean_loss, tuple(map(wrap, arrays)), share, seed)
            except BaseException as error:  # sys.exit()
                part = error
            printed = sys.stdout.getvalue(), sys.stderr.getvalue()
            pipe.send_bytes(pickle.dumps((told(part, owner.places, gradients), printed)))


def told(part, places, gradients):
    """What a process says of its part; the gradients themselves stand in shared memory."""
    if part is None or isinstance(part, BaseException):
        return part and raised(part)
    loss, found = part
    for leaf, g in found.items():
        gradients[places[leaf]][...] = g
    return loss, [places[leaf] for leaf in found]


class Raised(typing.NamedTuple):
    """An error on its way: what can be sent of it, and the place where it was raised."""

    kind: type
    arguments: tuple
    attributes: dict
    place: str


def raised(error):
    """An error as it can be sent; one whose class is unknown elsewhere becomes a RuntimeError."""
    kind, place = type(error), "".join(traceback.format_exception(error))
    if not can_be_pickled((kind, error.args)):
        return Raised(RuntimeError, (f"{kind.__name__}: {error}",), {}, place)
    sent = [n for n, v in vars(error).items() if n != "origin" and can_be_pickled(v)]
    attributes = {name: vars(error)[name] for name in sent}  # without the module that it came from
    return Raised(kind, error.args, attributes, place)


def can_be_pickled(value):
    """True if what comes out of a pickle is as it went in, as far as Python can say."""
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:  # pickles run code of the value's class
        return False
    return True


# -- both
def revived(sent):
    """The error again; its __init__ may take more than a message, so it is not called."""
    error = sent.kind.__new__(sent.kind, *sent.arguments)
    error.args = sent.arguments
    vars(error).update(sent.attributes)
    error.add_note(f"raised where a process computed its part:\n{sent.place}")
    return error


def walk_apart(mean_loss, piece, share, seed):
    """What `walked` gives, with random numbers of its own."""
    return with_dice(lambda: walked(mean_loss, piece, share), seed, on=True)


VALUES = int, float, str, bytes, tuple, np.generic  # with these, equal is as good as the same
PLAIN = *VALUES, type(None), np.dtype, types.FunctionType


def is_known(module):
    """True for a module of this library with attributes that can only be replaced."""
    return is_own(module) and all(map(is_plain, vars(module).values()))


def is_own(value):
    """True if its class belongs to this library."""
    return type(value).__module__.partition(".")[0] == __package__


def is_plain(value):
    """True for what can be replaced but not written into: numbers, words, functions, modules."""
    if isinstance(value, tuple):
        return all(is_plain(v) and not isinstance(v, Parameter | Module) for v in value)
    if isinstance(value, types.BuiltinFunctionType):  # not a method such as list.append
        return isinstance(value.__self__, types.ModuleType | types.NoneType)
    return isinstance(value, PLAIN) or isinstance(value, Parameter | Module) and is_own(value)


def is_same(value, before):
    """True if nobody could tell them apart, in an attribute of a module."""
    if value is before:
        return True
    alike = isinstance(value, VALUES) and type(value) is type(before)
    return alike and repr(value) == repr(before)  # 0.0 == -0.0, and (1,) == (True,)


def can_be_sent(piece):
    """True if copies of these tensors compute the same to the bit, and none needs a gradient."""
    if not all(isinstance(tensor, Tensor) and not tensor.requires_grad for tensor in piece):
        return False
    arrays = [tensor.array for tensor in piece]
    apart = not any(np.may_share_memory(a, b) for a, b in itertools.combinations(arrays, 2))
    return apart and all(a.flags.c_contiguous and a.flags.aligned for a in arrays)


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
