"""What a model is made of: each part's output, parameters, FLOPs and bytes, in one table.

    print(summary(model, ids))

The model runs once, in evaluation and unrecorded, and everything in the table but the parameters
is measured while it runs. If it fails, the table ends at the part that failed, and says why.
"""

import functools
import math
from collections import namedtuple
from contextlib import contextmanager

import numpy as np

from .. import overlay
from ..tensor import PRIMITIVES, Tensor, _switch

Row = namedtuple("Row", "path kind home output parameters frozen flops weights activations")
Row.__doc__ = """A part of a model; all counts are those of the part and of the parts inside it.

path: full name, "" for the model. kind: name of its class. home: the course module it is from.
output: shape of its last result, or several; None if it did not run. parameters, of which frozen:
how many numbers; tied ones count at their first name. flops: of matrix products. weights,
activations: bytes of parameters and buffers, and of new arrays that the forward pass made.
"""


def summary(model, *inputs, **named):
    """The parts of a model with their shapes, parameters, FLOPs (a multiply-add is 2) and bytes.

    Args:
        model: any Module. It is left as it was: mode, gradients, hooks, random numbers.
        inputs, named: what the model is called with, model(*inputs, **named); a single tuple or
            list holds all arguments, a single dictionary the named ones. None leaves all out that
            has to be measured.

    Returns:
        A `Summary`: print it, or read its `rows` and totals. If the model fails, `error` is what
        it raised, and the rows end with the part that failed.

    Raises:
        TypeError: the model is no Module, or the input is only a shape.

    >>> from tinytorch.layers import Linear, ReLU, Sequential
    >>> from tinytorch.tensor import ones
    >>> told = summary(Sequential(Linear(64, 32), ReLU(), Linear(32, 10)), ones(8, 64))
    >>> told.parameters, told.flops
    (2410, 37888)
    """
    if not hasattr(model, "named_modules") or isinstance(model, type):
        kind = getattr(model, "__name__", type(model).__name__)
        raise TypeError(f"summary takes a module first, and then its input: {kind} is none")
    sizes = named.get("input_size", inputs[0] if len(inputs) == 1 else None)
    if isinstance(sizes, (tuple, list)) and sizes and all(type(n) is int for n in sizes):
        sizes = ", ".join(map(str, sizes))
        raise TypeError(f"summary takes an input and not its shape: summary(model, randn({sizes}))")
    if len(inputs) == 1 and not named and isinstance(inputs[0], dict):
        inputs, named = (), inputs[0]
    elif len(inputs) == 1 and isinstance(inputs[0], (tuple, list)):
        inputs = tuple(inputs[0])
    run = _Run(model)
    if named or any(value is not None for value in inputs):
        run.measure(inputs, named)
    return Summary(run)


# -- FLOPs of a primitive, from its arguments (arrays) and its result: a multiply-add is two
def _linear(result, x, weight, *others):
    return 2 * x.size * weight.shape[0]


def _matmul(result, x, y):
    return 2 * result.size * x.shape[-1]


def _attention(result, query, key, value, *others):
    return 2 * (result.size // value.shape[-1]) * key.shape[-2] * (key.shape[-1] + value.shape[-1])


def _in_heads(result, tensors, *others):
    weights = [array for array in tensors[1:] if array.ndim == 2]
    return sum(2 * tensors[0].size * len(weight) for weight in weights)


def _einsum(result, tensors, letters):
    inputs, output = letters.split("->")
    groups = inputs.split(",")
    if len(groups) < 2 or set(output) == set("".join(groups)):
        return 0  # nothing is multiplied and then summed
    sizes = {w: n for group, x in zip(groups, tensors) for w, n in zip(group, x.shape)}
    return len(groups) * math.prod(sizes.values())


def _convolution(result, x, weight, *others):
    return 2 * result.size * math.prod(weight.shape[1:])


FLOPS = {  # name of a primitive -> how many; those that are not here cost next to nothing
    "linear": _linear,
    "matmul": _matmul,
    "scaled_dot_product_attention": _attention,
    "in_heads": _in_heads,
    "summed_product": _einsum,
    "conv1d": _convolution,
    "conv2d": _convolution,
}


# -- one run of the model
class _Run:
    """What is noted while a model runs once."""

    def __init__(self, model):
        self.model, self.paths = model, {m: path for path, m in model.named_modules()}
        self.inside, self.busy = [], False  # the modules that run now; whether a primitive does
        self.outputs, self.inputs, self.flops, self.bytes = {}, {}, {}, {}
        self.error, self.failed, self.measured = None, None, False

    def measure(self, inputs, named):
        """Call the model, and leave it as it was."""
        modes = [(module, module.training) for module in self.paths]
        for module in self.paths:
            module.training = False
        self.measured = True
        try:
            with _unrecorded(), self._watched():
                self.model(*inputs, **named)
        except Exception as error:
            self.error = error
        finally:
            for module, mode in modes:
                module.training = mode

    @contextmanager
    def _watched(self):
        """Forward of all modules, and all primitives, tell what they do."""
        hidden = {m: vars(m).get("forward") for m in self.paths}
        functions = {lifted: lifted.on_arrays for lifted in PRIMITIVES.values()}
        handles = [m.register_forward_hook(_nothing) for m in self.paths]  # no part is skipped
        for module in self.paths:
            module.forward = self._noting(module, module.forward)
        for lifted, function in functions.items():
            lifted.on_arrays = self._counting(lifted.name, function)
        try:
            yield
        finally:
            for lifted, function in functions.items():
                lifted.on_arrays = function
            for handle in handles:
                handle.remove()
            for module, own in hidden.items():
                del module.forward
                if own is not None:
                    module.forward = own
                if not module.forward_hooks:
                    vars(module).pop("forward_hooks", None)

    def _noting(self, module, forward):
        @functools.wraps(forward)
        def noting(*args, **kwargs):
            self.inside.append(module)
            self.inputs[module] = shapes_of([*args, *kwargs.values()])
            try:
                result = forward(*args, **kwargs)
            except Exception:
                self.failed = self.failed or module
                raise
            finally:
                self.inside.pop()
            self.outputs[module] = shapes_of(result)
            return result

        return noting

    def _counting(self, name, function):
        @functools.wraps(function)
        def counting(*args, **kwargs):
            if self.busy:  # a part of another primitive, which counts it
                return function(*args, **kwargs)
            self.busy = name in FLOPS
            try:
                result = function(*args, **kwargs)
            finally:
                self.busy = False
            array = result[0] if isinstance(result, tuple) else result
            flops = FLOPS[name](array, *args) if name in FLOPS else 0
            module = self.inside[-1] if self.inside else self.model
            self.flops[module] = self.flops.get(module, 0) + flops
            self.bytes[module] = self.bytes.get(module, 0) + made(result, args)
            return result

        return counting


def _nothing(module, inputs, result):
    """A hook: with it a module calls its parts one by one, see MultiHeadAttention.heads."""


@contextmanager
def _unrecorded():
    before, _switch.on = _switch.on, False
    try:
        yield
    finally:
        _switch.on = before


def made(result, args):
    """Bytes of what a primitive returned and noted, as far as it is no view of its arguments."""
    known = {id(root_of(array)) for array in arrays_in(args)}
    new = {id(array): array for array in arrays_in(result) if id(root_of(array)) not in known}
    return sum(array.nbytes for array in new.values())


def arrays_in(value):
    """All arrays in tuples and lists of whatever depth."""
    if isinstance(value, (tuple, list)):
        return [array for inside in value for array in arrays_in(inside)]
    return [value] if isinstance(value, np.ndarray) else []


def root_of(array):
    """The array that owns the memory that `array` looks into."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def shapes_of(value):
    """The shape of a tensor; of a tuple, list or dictionary the shapes of those inside."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        inside = [shape for shape in map(shapes_of, value) if shape is not None]
        return inside[0] if len(inside) == 1 else inside or None
    return tuple(value.shape) if hasattr(value, "shape") else None


# -- the table
class Summary:
    """The table that `summary` makes.

    Attributes:
        rows: a `Row` for the model and for every part, in the order of the tree.
        parameters, frozen, flops, weights, activations: those of the whole model.
        error: what the model raised, or None. failed: the path of the part that raised it.
        tied: pairs (name, first name) of parameters that stand in several places; shared: of
            parts.
    """

    def __init__(self, run):
        self.error, self.failed = run.error, run.paths.get(run.failed)
        self.got = run.inputs.get(run.failed)
        self.shared = [
            (f"{path}.{name}".lstrip("."), run.paths[part])
            for module, path in run.paths.items()
            for name, part in module.named_children()
            if run.paths[part] != f"{path}.{name}".lstrip(".")
        ]
        self.names, self.tied = {}, []  # array that the model owns -> its first full name
        for module, path in run.paths.items():
            for name, value in vars(module).items():
                if isinstance(value, Tensor) and _owned(module, name):
                    full = f"{path}.{name}".lstrip(".")
                    if self.names.setdefault(value, full) is not full:
                        self.tied.append((full, self.names[value]))
        ran = [run.paths[m] for m in run.inputs if m in run.paths]
        kept = run.paths
        if self.error is not None:
            kept = [m for m, path in run.paths.items() if any(map(_inside(path), ran))]
        self.measured = run.measured
        self.rows, self.behind = [self._row(run, m) for m in kept], len(run.paths) - len(kept)

    def _row(self, run, module):
        path = run.paths[module]
        inside = _inside(path)
        own = [tensor for tensor, name in self.names.items() if inside(name)]
        parts = [part for part, name in run.paths.items() if inside(name)]
        parameters = [t for t in own if type(t) is not Tensor]
        frozen = [t for t in parameters if not t.requires_grad]
        return Row(
            path,
            type(module).__name__,
            home_of(type(module)),
            run.outputs.get(module),
            sum(t.numel() for t in parameters),
            sum(t.numel() for t in frozen),
            sum(run.flops.get(part, 0) for part in parts),
            sum(t.array.nbytes for t in own),
            sum(run.bytes.get(part, 0) for part in parts),
        )

    def __getattr__(self, name):
        if name in Row._fields[4:]:
            return getattr(self.rows[0], name) if self.rows else 0
        raise AttributeError(f"Summary has no attribute {name!r}")

    def __repr__(self):
        lines = [
            ("part", "kind", "from", "output", "parameters", "FLOPs", "weights", "activations")
        ]
        lines += [self._line(row) for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*lines)]
        table = ["  ".join(_padded(line, widths)).rstrip() for line in lines]
        rule = "-" * max(map(len, table))
        return "\n".join([table[0], rule, *table[1:], rule, *self._totals()])

    def _line(self, row):
        name = "  " * (row.path.count(".") + 1) + row.path.rpartition(".")[2]
        output = "-" if row.output is None else _shapes(row.output)
        if row.path == self.failed:
            output = "FAILED"
        star = "*" if row.frozen else ""
        flops, made = short(row.flops), f"{short(row.activations)}B"
        flops, made = (flops, made) if self.measured else ("-", "-")
        counts = f"{row.parameters:,}{star}", flops, f"{short(row.weights)}B", made
        return name if row.path else row.kind, row.kind, row.home[:2], output, *counts

    def _totals(self):
        if self.error is not None:
            yield from self._failure()
            return
        trained = self.parameters - self.frozen
        frozen = f", {self.frozen:,} frozen (*)" if self.frozen else ""
        yield f"parameters: {self.parameters:,} ({trained:,} trained{frozen})"
        for name, first in self.shared:
            yield f"shared: {name} is {first}, one row for both"
        for name, first in self.tied:
            yield f"tied: {name} is {first}, counted once"
        yield f"weights: {short(self.weights)}B"
        if self.measured:
            yield f"activations of a forward pass: {short(self.activations)}B"
            yield f"FLOPs of a forward pass: {short(self.flops).strip()} (a multiply-add is 2)"

    def _failure(self):
        message = getattr(self.error, "origin", (None, str(self.error)))[1]
        where = f"in {self.failed}" if self.failed else f"in {self.rows[0].kind}" * bool(self.rows)
        got = f", which got {_shapes(self.got)}" if self.got else ""
        yield f"FAILED {where}{got}: {type(self.error).__name__}: {message}"
        if self.behind:
            yield f"{self.behind} further parts did not run"


def _inside(path):
    """A function that tells whether a name is `path` or stands inside of it."""
    return lambda name: not path or name == path or name.startswith(f"{path}.")


def _owned(module, name):
    return type(vars(module)[name]) is not Tensor or name in module.buffer_names


def _padded(line, widths):
    texts, numbers = line[:4], line[4:]
    left = [text.ljust(width) for text, width in zip(texts, widths)]
    return left + [text.rjust(width) for text, width in zip(numbers, widths[4:])]


def _shapes(shapes):
    return ", ".join(map(str, shapes)) if isinstance(shapes, list) else str(shapes)


def home_of(kind):
    """The number and name of the course module that a class is from; "" if from none."""
    if not kind.__module__.startswith("tinytorch."):
        return ""
    for parent in kind.__mro__:  # nn.Linear is layers.Linear, drawn as PyTorch draws it
        name = parent.__module__.rpartition(".")[2]
        ours = parent.__module__ == f"tinytorch.{name}" and name in overlay.NAMES
        if ours and parent.__name__ == kind.__name__:
            return f"{list(overlay.NAMES).index(name) + 1:02} {name}"
    return ""


def short(number):
    """A count in few digits.

    >>> short(0), short(999), short(37888), short(2_410_000)
    ('0 ', '999 ', '37.9 k', '2.41 M')
    """
    for unit in ("", "k", "M", "G", "T"):
        if number < 1000 or unit == "T":
            return f"{number:.3g} {unit}" if unit else f"{number} "
        number /= 1000
    return None
