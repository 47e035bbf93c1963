"""What really happened in a step: every operation, recorded or not, and the line where it stands.

A graph remembers only what was recorded. Whoever looks for a gradient that got lost has to see the
rest as well: numbers that left through `.data`, `.item()` or NumPy, and tensors made of numbers.
A `Trace` watches the calls of the library through Python's profiling hook while a function runs.
Without one nothing is watched, and nothing costs anything.
"""

import copy
import linecache
import sys
import zlib
from collections import namedtuple
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..tensor import PRIMITIVES, Tensor, _switch, wrap

HERE = Path(__file__).resolve().parents[1]
ENGINE = {f"tinytorch.{name}" for name in ("tensor", "autograd", "functions", "losses")}
LEAVING = ("item", "tolist", "numpy", "__array__")  # ways out of the graph, methods of Tensor


class Place(namedtuple("Place", "file line function source module", defaults=[""])):
    """A line of the user's code, and the path of the module in which it ran."""

    def __str__(self):
        path = Path(self.file)
        notebook = "ipykernel" in self.file or self.file.startswith("<ipython")
        name = "the notebook" if notebook else path.name
        inside = "" if self.function.startswith("<") else f", in {self.function}"
        module = f" (module {self.module})" if self.module else ""
        return f"{name}, line {self.line}{inside}{module}"


NOWHERE = Place("?", 0, "<unknown>", "")


def is_ours(frame):
    """True for the code of the library; a learner's own modules are the user's code."""
    name, file = frame.f_globals.get("__name__", ""), frame.f_code.co_filename
    if not name.startswith("tinytorch"):
        return file.startswith("<given ")  # what `tinytorch.give` put into a notebook
    return name in ENGINE or HERE in Path(file).resolve().parents


def place_of(frame):
    """The innermost line of the user's code that a frame was called from.

    Whoever calls `fault` is gradcheck, the course's also where its notebook defines it.
    """
    while frame is not None:
        if not is_ours(frame):
            file, code = frame.f_code.co_filename, frame.f_code
            source = linecache.getline(file, frame.f_lineno, frame.f_globals).strip()
            return Place(file, frame.f_lineno, code.co_qualname, source)
        asked = frame.f_code.co_name == "fault" and frame.f_back is not None
        frame = frame.f_back.f_back if asked else frame.f_back
    return NOWHERE


@dataclass(eq=False)
class Node:
    """One tensor, array or number that an operation made or used.

    Attributes:
        number: its place in the order of time.
        kind: "op" for a primitive, "out" for a way out of the graph, "write", or "entry" for
            what came from outside.
        name: of the primitive or of the way, such as "mul" or "detach()".
        inputs: the nodes that it was made from, as far as they are known.
        wanted: for each input, whether it wanted a gradient.
        recorded: whether a gradient can arrive here.
        off: where recording was switched off, if it was.
        place, module: the line of the user's code, and the path of the module that ran.
        digest: of its numbers, to compare two runs.
        saved: digests of the arrays that its call kept for the walk.
        args: what the primitive was called with.
    """

    number: int
    kind: str
    name: str
    inputs: list
    value: object
    shape: tuple
    dtype: object
    recorded: bool
    off: Place | None
    place: Place
    module: str | None
    digest: int
    wanted: list = field(default_factory=list)
    saved: dict = field(default_factory=dict)
    args: tuple = ()

    def carries(self):
        """The inputs to which a gradient that arrives here is passed on."""
        if self.kind == "op" and self.recorded:
            return [node for node, wanted in zip(self.inputs, self.wanted) if wanted]
        return []


@dataclass
class Walked:
    """One step of a walk: what came to a call, and what its rule answered.

    Attributes:
        call, node: of the graph, and of the trace (None if it was made before).
        arrived: (is any number other than 0, are all finite) of the gradient that came.
        norm: its length.
        answers: (source, any, finite) for every answer; None if the rule failed.
    """

    call: object
    node: Node | None
    arrived: tuple
    answers: list | None
    norm: float


def sorts_of(g):
    """(is any number other than 0, are all finite) of a gradient, or of a list of them."""
    arrays = [a for a in (g if isinstance(g, list) else [g]) if a is not None]
    return any(np.any(a) for a in arrays), all(np.isfinite(a).all() for a in arrays)


def digest_of(value):
    """A number that changes when the values do."""
    array = np.ascontiguousarray(value)
    return zlib.crc32(array.tobytes(), hash(array.shape) & 0xFFFFFFFF)


def memory_of(array):
    """A number for the memory an array looks into: the same for an array and all its views."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)


def arrays_in(values):
    """All arrays among the values, and in lists and tuples among them."""
    found = []
    for value in values:
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, (tuple, list)):
            found += arrays_in(value)
    return found


class Trace:
    """Everything that happened while `run` ran a function.

    Args:
        model: the Module whose parts give the paths; None for none.

    Attributes:
        nodes: all Nodes in the order of time.
        calls: `Call` of the graph -> its Node.
        left: (node, way, place): numbers that left the graph through item(), numpy() and so on.
        walked: the steps of all walks, as `Walked`.
        optimizers: those whose step() ran, each with its state from before.
        handed: leaf -> gradient, as the walks found them.
        events: (what, object, place) for zero_grad() and step() in the order of time.
    """

    def __init__(self, model=None, digests=True):
        modules = model.named_modules() if hasattr(model, "named_modules") else []
        self.paths = {id(module): path for path, module in modules}
        self.nodes, self.calls, self.left, self.walked = [], {}, [], []
        self.events, self.optimizers, self.handed, self.digests = [], {}, {}, digests
        self._of, self._memory, self._numbers = {}, {}, {}
        self._alive, self._modules, self._switches = [], [], []
        self._returns = self._handlers()
        self._before = {"forward": self._enter, "__enter__": self._switch_set}
        self._before |= {"step": self._optimizer, "zero_grad": self._cleared}
        self._after = {"forward": self._leave, "__exit__": self._switch_back}
        self._after |= {"local_gradients": self._walk_step, "backward": self._walk_end}

    def _handlers(self):
        table = {f.__code__: self._primitive for f in PRIMITIVES.values()}
        table[wrap.__code__] = self._wrapped
        table[Tensor.__init__.__code__] = self._made
        table[Tensor.detach.__code__] = self._detached
        table[Tensor.data.fset.__code__] = self._data_set
        table[Tensor._write.__code__] = self._written
        table |= {getattr(Tensor, name).__code__: self._left_by for name in LEAVING}
        return table

    def run(self, function):
        """Call the function, and watch."""
        before = sys.getprofile()
        sys.setprofile(self._saw)
        outer, _switch.watched = _switch.watched, True
        try:
            return function()
        finally:
            _switch.watched = outer
            if before is None or callable(before):
                sys.setprofile(before)
            else:  # Python's own cProfile
                sys.setprofile(None)
                before.enable()

    def node_of(self, value, frame=None):
        """The node of a Tensor, array or number; a new one if it comes from outside."""
        node = self._of.get(id(value))
        if node is None and isinstance(value, np.ndarray):
            node = self._memory.get(memory_of(value))
        if node is None and isinstance(value, float):
            node = self._numbers.get(id(value))
        return node or self._add("entry", "", [], value, frame)

    # -- what Python tells
    def _saw(self, frame, event, result):
        code = frame.f_code
        if event == "return":
            handler = self._returns.get(code) or self._after.get(code.co_name)
            if handler is not None:
                handler(frame, result)
        elif event == "call":
            handler = self._before.get(code.co_name)
            if handler is not None:
                handler(frame)

    def _add(self, kind, name, inputs, value, frame, node=None):
        array = value.array if isinstance(value, Tensor) else np.asarray(value)
        wants = isinstance(value, Tensor) and value.requires_grad
        off = None if _switch.on else (self._switches or [NOWHERE])[-1]
        module = self._modules[-1] if self._modules else None
        place = NOWHERE if frame is None else place_of(frame)._replace(module=module)
        digest = digest_of(array) if self.digests else 0
        rest = (inputs, value, array.shape, array.dtype, wants, off, place, module, digest)
        if node is None:
            node = Node(len(self.nodes), kind, name, *rest)
            self.nodes.append(node)
        else:
            node.__init__(node.number, kind, name, *rest)
        node.wanted = [n.recorded for n in inputs]
        self._of[id(value)] = node
        self._memory.setdefault(memory_of(array), node)
        self._alive.append((value, array))  # so that no id is used again
        return node

    # -- operations
    def _primitive(self, frame, result):
        if result is None:  # it failed
            return
        local = frame.f_locals
        inputs = [self.node_of(v, frame.f_back) for v in carriers(local["args"])]
        made = result if isinstance(result, list) else [result]
        for tensor in made:
            known = self._of.get(id(tensor))
            node = self._add("op", local["lifted"].name, inputs, tensor, frame.f_back, known)
            call, node.args = tensor.made_by, local["args"]
            if call is not None:
                self.calls[call] = node
                if call.primitive == "part":
                    call = call.inputs[0]
                    self.calls[call] = node
                if self.digests:
                    arrays = [*arrays_in(call.kept.values())]
                    node.saved = {id(a): (a, digest_of(a)) for a in arrays}

    def _wrapped(self, frame, result):
        if result is not None:
            source = self._memory.get(memory_of(result.array))
            self._add("entry", "", [source] if source else [], result, frame.f_back)

    def _made(self, frame, _):
        tensor, data = frame.f_locals["self"], frame.f_locals["data"]
        if getattr(tensor, "array", None) is not None and hasattr(tensor, "version"):
            self._add("entry", "Tensor(...)", self._sources(data), tensor, frame.f_back)

    def _sources(self, data):
        """The nodes that the argument of Tensor(...) is known to come from."""
        if isinstance(data, (list, tuple)):
            return [node for part in data for node in self._sources(part)]
        if isinstance(data, Tensor):
            return [self.node_of(data)]
        if isinstance(data, np.ndarray):
            found = self._memory.get(memory_of(data))
        else:
            found = self._numbers.get(id(data))
        return [found] if found else []

    def _detached(self, frame, result):
        back = frame.f_back
        by_data = back.f_code is Tensor.data.fget.__code__
        if back.f_code is Tensor.data.fset.__code__ or result is None:
            return
        name = ".data" if by_data else "detach()"
        source = self.node_of(frame.f_locals["self"])
        self._add("out", name, [source], result, back, self._of.get(id(result)))

    def _left_by(self, frame, result):
        tensor, way = frame.f_locals["self"], frame.f_code.co_name
        if frame.f_back and frame.f_back.f_code in self._returns or result is None:
            return
        name = "np.asarray(t)" if way == "__array__" else f"{way}()"
        node = self.node_of(tensor)
        self.left.append((node, name, place_of(frame)))
        if isinstance(result, np.ndarray):
            self._memory.setdefault(memory_of(result), node)
        elif isinstance(result, float):
            self._numbers[id(result)] = node
        self._alive.append(result)

    # -- writing
    def _data_set(self, frame, _):
        tensor, value = frame.f_locals["self"], frame.f_locals["value"]
        self._add("write", ".data =", self._sources(value), tensor, frame.f_back)

    def _written(self, frame, result):
        if result is not None:
            local = frame.f_locals
            inputs = [self.node_of(local["self"]), *self._sources(local["value"])]
            self._add("write", local["what"], inputs, local["self"], frame.f_back)

    # -- modules, switches, optimizers, walks
    def _enter(self, frame):
        path = self.paths.get(id(frame.f_locals.get("self")))
        if path is not None:
            self._modules.append(path)

    def _leave(self, frame, _):
        if self._modules and id(frame.f_locals.get("self")) in self.paths:
            self._modules.pop()

    def _switch_set(self, frame):
        if hasattr(frame.f_locals.get("self"), "each_step"):  # no_grad and its like
            self._switches.append(place_of(frame.f_back))

    def _switch_back(self, frame, _):
        if self._switches and hasattr(frame.f_locals.get("self"), "each_step"):
            self._switches.pop()

    def _optimizer(self, frame):
        optimizer = frame.f_locals.get("self")
        if hasattr(optimizer, "param_groups"):
            if id(optimizer) not in self.optimizers:
                self.optimizers[id(optimizer)] = optimizer, state_of(optimizer)
            by_closure = frame.f_locals.get("closure") is not None  # backward() is inside of it
            what = "step by closure" if by_closure else "step"
            self.events.append((what, optimizer, place_of(frame.f_back)))

    def _cleared(self, frame):
        self.events.append(("zero_grad", frame.f_locals.get("self"), place_of(frame.f_back)))

    def _walk_step(self, frame, pairs):
        local = frame.f_locals
        if "call" in local and "g" in local:
            call, answers = local["call"], None
            if pairs is not None:
                answers = [(source, *sorts_of(g)) for source, g in pairs]
            g = local["g"]
            parts = [a for a in (g if isinstance(g, list) else [g]) if a is not None]
            norm = sum(float(np.square(a, dtype=np.float64).sum()) for a in parts) ** 0.5
            self.walked.append(Walked(call, self.calls.get(call), sorts_of(g), answers, norm))

    def _walk_end(self, frame, _):
        gradients = frame.f_locals.get("gradients")
        if isinstance(gradients, dict):
            found = {t: np.array(g) for t, g in gradients.items() if isinstance(t, Tensor)}
            self.handed |= {t: self.handed.get(t, 0) + g for t, g in found.items()}


def state_of(optimizer):
    """A copy of what an optimizer remembers, and its settings."""
    state = {p: copy.deepcopy(own) for p, own in optimizer.state.items()}
    return state, [dict(group) for group in optimizer.param_groups]


def carriers(args):
    """The tensors, arrays and real numbers among the arguments, and in lists among them."""
    found = []
    for arg in args:
        if isinstance(arg, (Tensor, np.ndarray)) or type(arg) is float:
            found.append(arg)
        elif isinstance(arg, (list, tuple)):
            found += carriers(arg)
    return found
