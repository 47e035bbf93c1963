# Written by tito export from modules/06_autograd/autograd.ipynb. Edit the notebook, not this file.

"""Walk the memory backwards."""

__all__ = [
    "FREED",
    "directional_derivative",
    "rule",
    "add_rule",
    "sub_rule",
    "neg_rule",
    "mul_rule",
    "inputs_of",
    "topological_order",
    "local_gradients",
    "Parts",
    "answers_of",
    "told",
    "fitted",
    "owned",
    "slot",
    "start",
    "hand_over",
    "compact",
    "backward",
    "no_grad",
    "enable_grad",
    "gradcheck",
    "real_results",
    "along",
    "retain_grad",
    "unbroadcast",
    "sum_rule",
    "matmul_rule",
    "vector_product_rule",
    "linear_rule",
    "sum_rows",
    "some_ones",
    "may_repeat",
    "getitem_rule",
    "wanted_probabilities",
    "cross_entropy_rule",
    "div_rule",
    "remainder_rule",
    "pow_rule",
    "maximum_rule",
    "exp_rule",
    "log_rule",
    "sqrt_rule",
    "abs_rule",
    "clone_rule",
    "where_rule",
    "masked_fill_rule",
    "mean_rule",
    "var_rule",
    "amax_rule",
    "reshape_rule",
    "transpose_rule",
    "permute_rule",
    "cat_rule",
    "relu_rule",
    "tanh_rule",
    "sigmoid_rule",
    "silu_rule",
    "gelu_rule",
    "gelu_exact_rule",
    "softmax_rule",
    "log_softmax_rule",
    "binary_cross_entropy_with_logits_rule",
]


# %% imports
import functools
import inspect
import math
import weakref
from sys import getrefcount

import numpy as np

from .activations import sigmoid
from .blocks import fits
from .explain.checking import fault, wrong_dtype
from .explain.gradients import explain_grad, pairs_everything  # noqa: F401
from .explain.tracing import memory_of
from .tensor import PRIMITIVES, RULES, SLOTS, Call, Tensor, _switch, dims_of, wrap


# %% directional_derivative
def directional_derivative(f, x, direction, step=1e-6):
    """slope = (f(x + h d) - f(x - h d)) / 2h: how fast f changes when x moves along d.

    Args:
        f: takes a float64 array of the shape of x, returns a number.
        x: where to measure; an array of any shape, float32 or float64. It is not changed.
        direction: d, an array of the shape of x.
        step: h.

    Returns:
        A number, in float64: about nine right digits for a smooth f and the usual step.

    >>> square = lambda x: float((x * x).sum())
    >>> round(directional_derivative(square, np.array([3.0, 1.0]), np.array([1.0, 0.0])), 4)
    6.0
    """
    x = np.asarray(x, dtype=np.float64)
    direction = np.asarray(direction, dtype=np.float64)
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


# %% rule
def rule(function):
    """Enter a function called `name_rule` into the table, as the rule of the primitive `name`.

    A rule takes g, the gradient of the result, and answers with the gradient of each tensor
    argument in order. Its other parameters say what it wants to know: arguments of the primitive,
    by the names they have there, and any of

        out      the result
        note     what the primitive noted beside its result
        x_shape  the shape of the first argument, if its gradient is wanted
        shapes   the shapes of all arguments
        needs    for each argument, whether its gradient is wanted

    Raises:
        ValueError: the name does not end in `_rule`, or the rule asks for what does not exist.
    """
    name = function.__name__.removesuffix("_rule")
    if name == function.__name__:
        raise ValueError(f"a rule is named after its primitive: {name}_rule, not {name}")
    function.asks = tuple(inspect.signature(function).parameters)[1:]
    if name in PRIMITIVES:
        known = (*PRIMITIVES[name].parameters, "out", "note", "x_shape", "shapes", "needs")
        for asked in function.asks:
            if asked not in known:
                raise ValueError(f"{name}_rule asks for {asked!r}, not one of {', '.join(known)}")
    RULES[name] = function
    return function


@rule
def add_rule(g):
    """z = x + y."""
    return g, g


@rule
def sub_rule(g):
    """z = x - y."""
    return g, -g


@rule
def neg_rule(g):
    """z = -x."""
    return -g


# %% mul_rule
@rule
def mul_rule(g, x, y):
    """z = x * y: a gradient for each factor.

    Args:
        g: the gradient of the product, with its shape.
        x, y: the factors.

    Returns:
        Two gradients, for x and for y, in this order.

    >>> mul_rule(10.0, 3.0, 4.0)
    (40.0, 30.0)
    """
    return g * y, g * x


# %% inputs-of
# stands where a call kept its arrays, once backward() has walked past it
FREED = "was freed by backward(): call it once on the sum of the losses, or pass retain_graph=True"


def inputs_of(node):
    """The calls and leaves that a node of the graph was made from; an empty list for a leaf.

    Raises:
        RuntimeError: what the node kept is gone, or was written into since.
    """
    if isinstance(node, Tensor):
        return []
    if node.kept is FREED:
        raise RuntimeError(f"the graph behind this {node.primitive} {FREED}")
    for counter, value in node.versions:
        if counter[0] != value:
            needed = f"what {node.primitive} needs for its gradient"
            advice = "write into a clone(), or use an operation that returns a new tensor"
            raise RuntimeError(f"{needed} was written into after it was used: {advice}")
    return [source for source in node.inputs if source is not None]


# %% topological_order
def topological_order(root):
    """The nodes of the graph behind `root`, each once, and each after all of its own inputs.

    Takes a time proportional to the size of the graph, and any depth.

    Args:
        root: a `Call`, or a leaf Tensor.

    Returns:
        A list of nodes (`Call`s and leaf Tensors), `root` last.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> [getattr(node, "primitive", "leaf") for node in topological_order((x * x + x).made_by)]
    ['leaf', 'mul', 'add']
    """
    order, seen, todo = [], set(), [(root, False)]
    while todo:
        node, inputs_listed = todo.pop()
        if inputs_listed:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            todo += [(node, True), *[(source, False) for source in inputs_of(node)]]
    return order


# %% local-gradients
def local_gradients(call, g, retain_graph=False):
    """Ask the rule of a call for the gradients of its inputs, and forget what the call kept.

    Args:
        call: a `Call` of the graph.
        g: the gradient of its result.
        retain_graph: keep what the call kept, for another walk.

    Returns:
        Pairs (source, gradient), one for each input that wants a gradient. Each gradient has the
        shape and dtype of its source, and memory that nobody else looks into.
    """
    if call.primitive == "part":  # of a call with several results, which wants a list
        pairs = [(call.inputs[0], Parts.with_one(call, g))]
    else:
        pairs, g = [], g.complete(call) if isinstance(g, Parts) else np.asarray(g)
        answers = answers_of(call, g)
        for i, source in enumerate(call.inputs):
            if source is not None:
                pairs.append((source, owned(answers, i, g, pairs)))
    result = call.result and call.result()
    if result is not None:  # it asked with retain_grad()
        pairs.append((result, np.array(g)))
    if not retain_graph:
        call.kept, call.inputs, call.versions = FREED, (), ()
    return pairs


class Parts(list):
    """The gradients of a call that has several results; None where none has arrived yet."""

    @classmethod
    def with_one(cls, part, g):
        """The gradient g of one of them, in its place."""
        parts = cls([None] * len(part.inputs[0].shape))
        parts[part.kept["number"]] = np.asarray(g)
        return parts

    def __add__(self, others):
        pairs = zip(self, others or [None] * len(self))  # sum() begins with 0
        return Parts([b if a is None else a if b is None else a + b for a, b in pairs])

    __iadd__ = __radd__ = __add__  # a list's own += would append

    def complete(self, call):
        """All of them: zeros for a result that nobody used."""
        return [np.zeros(s, call.dtype) if g is None else g for g, s in zip(self, call.shape)]


def answers_of(call, g):
    """A new list of what the rule of a call answers: for every input its gradient, or None."""
    name, function = call.primitive, RULES.get(call.primitive)
    if function is None:
        raise NotImplementedError(f"{name} has no slope, or nobody has written {name}_rule yet")
    kept, count = call.kept, len(call.inputs)
    answers = function(g, *[kept[n] if n in kept else told(call, n) for n in function.asks])
    answers = answers if isinstance(answers, (tuple, list)) else (answers,)
    if len(answers) > count:
        raise ValueError(f"{name}_rule gave {len(answers)} gradients for {count} inputs")
    pairs = zip((*answers, *[None] * (count - len(answers))), call.inputs)
    return [None if source is None else fitted(answer, source, call) for answer, source in pairs]


def told(call, name):
    """What a rule asks for and no call keeps: the graph itself can tell it."""
    if name == "x_shape":
        return getattr(call.inputs[0], "shape", None)
    if name == "needs":
        return tuple([source is not None for source in call.inputs])
    raise RuntimeError(f"{call.primitive}_rule asks for {name!r}, not kept: build the result again")


def fitted(answer, source, call):
    """A gradient in the shape and dtype of its source; a wrong one is refused by its name."""
    shape, dtype = source.shape, source.dtype
    if type(answer) is np.ndarray and answer.dtype is dtype and answer.shape == shape:
        return answer  # the usual case; all that follows is for the others
    g, name = np.asarray(answer), call.primitive
    if answer is None:
        raise ValueError(f"{name}_rule gave no gradient for an input of shape {shape}")
    if g.shape != shape and fits(shape, g.shape):
        g, name = np.asarray(unbroadcast(g, shape)), f"unbroadcast after {name}"
    if g.shape != shape:
        raise ValueError(f"{name}_rule gave a gradient of {g.shape} for an input of {shape}")
    if g.dtype not in (dtype, call.dtype) or dtype.kind != "f":
        raise TypeError(wrong_dtype(name, g.dtype, dtype))
    return g.astype(dtype, copy=False)


def owned(answers, i, g, pairs):
    """Answer i, if nobody else looks into its memory or it is the first to pass g on; else a copy.

    Python counts who holds an array: `answers`, `array` and the question make 3. A part of g is
    copied too, since it would keep all of g alive.
    """
    array = answers[i]
    alone = getrefcount(answers[i]) == 3 and (array.base is None or getrefcount(array.base) == 2)
    if not alone and isinstance(g, np.ndarray) and memory_of(array) == memory_of(g):
        alone = array.size == g.size and all(memory_of(a) != memory_of(g) for _, a in pairs)
    return array if alone and array.flags.writeable else array.copy()


# %% start
def slot(function):
    """Put a function where `Tensor` looks for it; a cell that is run again replaces it."""
    SLOTS[function.__name__] = function
    return function


def start(loss, gradient, create_graph):
    """Where a walk begins, and the gradient there: (node, array).

    Raises:
        NotImplementedError: gradients of gradients were asked for.
        RuntimeError: there is no graph, or no gradient to begin with.
        ValueError: the gradient has another shape than the tensor.
    """
    if create_graph:
        raise NotImplementedError("create_graph=True is not supported: gradients are plain numbers")
    if not loss.requires_grad:
        raise RuntimeError("nothing requires grad here, or detach() or no_grad() has cut the graph")
    if gradient is None and loss.array.size != 1:
        raise RuntimeError(f"backward() needs one number, not {loss.shape}: take .sum() or .mean()")
    seed = np.ones_like(loss.array) if gradient is None else np.array(gradient, loss.dtype)
    if seed.shape != loss.shape:
        raise ValueError(f"the gradient has the shape {seed.shape}, and the tensor {loss.shape}")
    return loss.made_by or loss, seed


def hand_over(gradients):
    """Add each leaf's gradient to its .grad, now that all are known."""
    for leaf, g in gradients.items():
        if isinstance(leaf, Tensor) and leaf.requires_grad:  # not frozen since
            if leaf.grad is None:
                leaf.grad = wrap(compact(g))
            else:
                leaf.grad.array += g
                leaf.grad.version[0] += 1


def compact(g):
    """A gradient as an array that is no view into a larger one."""
    g = np.asarray(g)
    return g if g.base is None else g.copy()


# %% backward
@slot
def backward(loss, gradient=None, retain_graph=False, create_graph=False, into=hand_over):
    """Add the gradient of `loss`, with respect to every leaf behind it, to the leaf's .grad.

    This is what `loss.backward()` runs.

    Args:
        loss: a Tensor that remembers how it was made; a single number, unless a gradient is given.
        gradient: where to start from: an array or Tensor of the shape of `loss`; 1 if None.
        retain_graph: do not free the graph, so that it can be walked again.
        create_graph: gradients of gradients; refused.
        into: takes the dictionary leaf -> gradient at the end.

    Raises:
        RuntimeError: no graph, a freed one, or one whose saved numbers were written into. No
            gradient has changed then.
        ValueError: the gradient has another shape than the loss.
        NotImplementedError: gradients of gradients were asked for.

    Source: Linnainmaa 1970; Rumelhart, Hinton & Williams 1986.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> (4 * x * x + 2 * x).backward()
    >>> x.grad
    tensor(26.)
    """
    root, seed = start(loss, gradient, create_graph)
    gradients = {root: seed}
    for node in reversed(topological_order(root)):
        if isinstance(node, Call):
            g = gradients.pop(node)
            for source, part in local_gradients(node, g, retain_graph):
                if source in gradients:
                    gradients[source] += part
                else:
                    gradients[source] = part
    into(gradients)


# %% no_grad
class no_grad:
    """Remember nothing: `with no_grad():`, or `@no_grad()` above a function.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> with no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    """

    on = False

    def __new__(cls, function=None):
        """Also as `@no_grad`, without brackets."""
        quiet = super().__new__(cls)
        return quiet if function is None else quiet(function)

    def __enter__(self):
        _switch.__dict__.setdefault("before", []).append(_switch.on)
        _switch.on = self.on

    def __exit__(self, *exception):
        _switch.on = _switch.before.pop()

    def __call__(self, function):
        @functools.wraps(function)
        def inside(*args, **kwargs):
            with self:
                result = function(*args, **kwargs)
            return self.each_step(result) if inspect.isgenerator(result) else result

        return inside

    def each_step(self, steps):
        """A generator works in pieces: the switch is set for each of them, and not in between."""
        step, given = steps.send, None
        while True:
            try:
                value = self(step)(given)
            except StopIteration as end:
                return end.value
            try:
                step, given = steps.send, (yield value)
            except BaseException as error:  # it is the generator's own business, close() too
                step, given = steps.throw, error


class enable_grad(no_grad):
    """Remember again, inside a `no_grad`.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     y = x * x
    >>> y.requires_grad
    True
    """

    on = True


# %% gradcheck
def gradcheck(f, inputs, tolerance=1e-6, generator=None):
    """Compare backward() with the nudge, in float64, along a random direction for each input.

    Args:
        f: takes Tensors, returns one or several; the same result for the same inputs.
        inputs: a Tensor or a list. Real numbers are nudged, anything else is passed as it is.
        tolerance: how far the two may be apart, relative to their size.
        generator: a `Generator` for the random directions; the same ones each time if None.

    Returns:
        True.

    Raises:
        AssertionError: the two differ; the message names the input and the element, and shows
            both. Or f has a corner there, or is not the same twice.
        TypeError: there is nothing to nudge, or f leaves float64.

    >>> gradcheck(lambda x: 4 * x * x + 2 * x, Tensor(3.0))
    True
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    real = [i for i, t in enumerate(inputs) if isinstance(t, Tensor) and t.dtype.kind == "f"]
    if not real:
        raise TypeError("gradcheck nudges real numbers, and no input has any: write 3.0, not 3")
    for i in real:
        inputs[i] = Tensor(inputs[i].array, requires_grad=True, dtype=np.float64)
    results = real_results(f(*inputs))
    rng = np.random.default_rng(0) if generator is None else generator.numpy
    weights = [rng.standard_normal(r.shape) if r.shape else np.array(1.0) for r in results]
    for result, weight in zip(results, weights):
        if result.requires_grad or len(results) == 1:
            result.backward(weight, retain_graph=len(results) > 1)
    # rounding changes f by some 1e-16 of its size, and that is divided by the step: allow for it
    noise = 1e-8 * sum(np.abs(w * r.array).sum() for w, r in zip(weights, results))
    for i in real:
        x, grad = inputs[i].array, inputs[i].grad
        g, direction = 0 * x if grad is None else grad.array, rng.standard_normal(x.shape)
        weighted = along(f, inputs, i, weights)
        walked, nudged = (g * direction).sum(), directional_derivative(weighted, x, direction)
        if not abs(walked - nudged) <= noise + tolerance * max(abs(walked), abs(nudged)):
            found = fault(f, inputs, i, weighted, g, (noise, tolerance))
            told = f"backward() says {walked:.8g}, the nudge says {nudged:.8g}; {found}"
            raise AssertionError(f"input {i}, {x.shape}: {told}")
    return True


def real_results(made):
    """The results of f that have a slope, as a list; they must have stayed in float64."""
    made = list(made) if isinstance(made, (tuple, list)) else [made]
    results = [t for t in made if isinstance(t, Tensor) and t.dtype.kind == "f"] or made[:1]
    for result in results:
        dtype = getattr(result, "dtype", type(result).__name__)
        if dtype != np.float64:
            raise TypeError(f"gradcheck needs float64 up to the end, and f returned {dtype}")
    return results


def along(f, inputs, i, weights):
    """The weighted sum of f's results as a function of the array of input i alone."""

    @no_grad()
    def weighted(array):
        results = real_results(f(*inputs[:i], wrap(np.asarray(array)), *inputs[i + 1 :]))
        return float(sum((r.array * w).sum() for r, w in zip(results, weights)))

    return weighted


# %% more-ways
@slot
def retain_grad(tensor):
    """Let backward() store the gradient of a tensor that is no leaf as well.

    Raises:
        RuntimeError: the tensor takes no part in a gradient.
    """
    if not tensor.requires_grad:
        raise RuntimeError("retain_grad() on a tensor that does not require grad: nothing arrives")
    if tensor.made_by is not None:
        tensor.made_by.result = weakref.ref(tensor)


# %% unbroadcast
def unbroadcast(g, shape):
    """Undo broadcasting: sum g over the places to which an array of `shape` was copied.

    Args:
        g: an array to whose shape `shape` broadcasts.
        shape: a tuple of sizes.

    Returns:
        An array of exactly `shape`, with the dtype of g.

    >>> unbroadcast(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), (2, 1))
    array([[ 6.],
           [15.]])
    """
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for dim, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=dim, keepdims=True)
    return g


# %% pairs
PRIMITIVES["sub"].on_arrays = pairs_everything(PRIMITIVES["sub"].on_arrays)


# %% sum_rule
@rule
def sum_rule(g, x_shape, dim, keepdim):
    """sum over `dim`: every summand gets the gradient of its sum.

    Args:
        g: the gradient of the sum, with its shape.
        x_shape: the shape of what was summed.
        dim: over which dimensions: a number, a tuple, or None for all.
        keepdim: whether the summed dimensions stayed, with size 1.

    Returns:
        An array of shape `x_shape`.

    >>> sum_rule(np.array([10.0, 20.0]), (2, 3), 1, False)
    array([[10., 10., 10.],
           [20., 20., 20.]])
    """
    if not keepdim:
        g = np.expand_dims(g, dims_of(dim, len(x_shape)))
    return np.broadcast_to(g, x_shape)


# %% matmul_rule
@rule
def matmul_rule(g, x, y):
    """Z = X Y: a gradient for each factor, found by matching shapes.

    Args:
        g: (..., n, m), the gradient of the product.
        x: (..., n, k). y: (..., k, m). Or one of them a vector, (k,).

    Returns:
        Two gradients, of shape (..., n, k) and (..., k, m).

    >>> matmul_rule(np.array([[10.0]]), np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    (array([[30., 40.]]), array([[10.],
           [20.]]))
    """
    if x.ndim == 1 or y.ndim == 1:
        return vector_product_rule(g, x, y)
    return g @ y.swapaxes(-1, -2), x.swapaxes(-1, -2) @ g


def vector_product_rule(g, x, y):
    """The same where a factor is a vector: a row on the left, a column on the right."""
    if y.ndim == 1:
        g_x, g_y = matmul_rule(g[..., None], x, y[:, None])
        return g_x, g_y[..., 0]
    return matmul_rule(g[..., None, :], x[None, :], y)  # unbroadcast drops the 1 in front


# %% linear-rule
@rule
def linear_rule(g, x, weight, needs):
    """y = x W^T + b: three gradients; all rows of x, whatever its leading shape, as one matrix."""
    rows, x_rows = g.reshape(-1, weight.shape[0]), x.reshape(-1, weight.shape[1])
    g_x = (rows @ weight).reshape(x.shape) if needs[0] else None  # (N, out) (out, in) -> (N, in)
    g_weight = rows.T @ x_rows if needs[1] else None  # (out, N) (N, in) -> (out, in)
    g_bias = sum_rows(rows) if needs[2] else None  # (N, out) -> (out,)
    return g_x, g_weight, g_bias


def sum_rows(rows):
    """The sum of all rows, (N, D) -> (D,): a product with ones is a sum, and the fastest one."""
    return some_ones(len(rows), rows.dtype) @ rows


@functools.lru_cache(maxsize=64)  # made once for every length
def some_ones(count, dtype):
    """An array of ones, which nobody may write into."""
    ones = np.ones(count, dtype)
    ones.flags.writeable = False
    return ones


# %% getitem_rule
def may_repeat(index):
    """True if the index has a list or array of numbers; slices and masks pick nothing twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(hasattr(part, "__len__") and np.asarray(part).dtype != bool for part in parts)


@rule
def getitem_rule(g, x_shape, index):
    """x[index]: the gradient of each picked element goes back to its place; repeats add up.

    Args:
        g: the gradient of what was picked, with its shape.
        x_shape: the shape of x.
        index: whatever was between the brackets.

    Returns:
        An array of shape `x_shape` with the dtype of g; 0 where nothing was picked.

    >>> getitem_rule(np.array([10.0, 20.0, 30.0]), (5,), np.array([0, 2, 2]))
    array([10.,  0., 50.,  0.,  0.])
    """
    back = np.zeros(x_shape, dtype=g.dtype)
    if may_repeat(index):
        np.add.at(back, index, g)
    else:
        back[index] = g
    return back


# %% cross_entropy_rule
def wanted_probabilities(targets, note, label_smoothing):
    """The one-hot rows of the targets; with smoothing, mixed with equal shares for all classes."""
    share = label_smoothing / note.shape[-1]
    wanted = np.full(note.shape, share, note.dtype)
    rows = wanted.reshape(-1, note.shape[-1])  # a view: one row for each target
    rows[np.arange(len(rows)), targets.reshape(-1)] = share + 1 - label_smoothing
    return wanted


@rule
def cross_entropy_rule(g, targets, ignore_index, label_smoothing, reduction, note):
    """The gradient of the logits: (softmax - wanted) * g / n, and 0 for ignored targets.

    Args:
        g: the gradient of the loss: one number, or one for each target if not reduced.
        targets: (...), whole numbers.
        ignore_index: the target that does not count.
        label_smoothing: how much of each wanted probability is shared among all classes.
        reduction: "mean", "sum" or "none".
        note: (..., C), the logarithms of the probabilities.

    Returns:
        (..., C), with the dtype of the note.

    >>> note = np.log(np.array([[0.125, 0.25, 0.625]]))
    >>> cross_entropy_rule(1.0, np.array([2]), -100, 0.0, "mean", note).round(3)
    array([[ 0.125,  0.25 , -0.375]])
    """
    kept = targets != ignore_index
    wanted = wanted_probabilities(np.where(kept, targets, 0), note, label_smoothing)
    count = max(int(kept.sum()), 1) if reduction == "mean" else 1
    weight = np.where(kept, g / count, 0)
    return (np.exp(note) - wanted) * weight[..., None]


# %% rules-arithmetic
@rule
def div_rule(g, y, out, needs):
    """z = x / y."""
    g_x = g / y
    return g_x, -g_x * out if needs[1] else None


@rule
def remainder_rule(g, x, y):
    """z = x - y * floor(x / y)."""
    return g, -g * (x // y)


@rule
def pow_rule(g, x, exponent, out, needs):
    """z = x ** exponent, for a number or an array as exponent."""
    slope = exponent * x ** (exponent - 1 + (exponent == 0))  # never 0 ** -1
    if not needs[1]:
        return g * slope
    with np.errstate(invalid="ignore"):  # a negative number has no real logarithm: nan
        return g * slope, g * out * np.log(np.where(x == 0, 1, x), dtype=out.dtype)


@rule
def maximum_rule(g, x, y, out):
    """The larger of the two; a tie shares."""
    tie, half, first = x == y, 0.5 * g, x == out
    return np.where(tie, half, np.where(first, g, 0)), np.where(tie, half, np.where(first, 0, g))


RULES["minimum"] = maximum_rule  # here too the gradient goes to the one that became the result


@rule
def exp_rule(g, out):
    """z = exp(x), its own slope."""
    return g * out


@rule
def log_rule(g, x):
    """z = log(x)."""
    return g / x


@rule
def sqrt_rule(g, out):
    """z = sqrt(x)."""
    return g / (2 * out)


@rule
def abs_rule(g, x):
    """z = abs(x); 0 at the corner."""
    return g * np.sign(x)


@rule
def clone_rule(g):
    """z = x."""
    return g


RULES["cast"] = clone_rule  # the walk sees to the dtype


@rule
def where_rule(g, condition):
    """z = x where the condition holds, else y."""
    return None, np.where(condition, g, 0), np.where(condition, 0, g)


@rule
def masked_fill_rule(g, mask, needs):
    """z = x, but the value where the mask is True."""
    return np.where(mask, 0, g), None, np.where(mask, g, 0) if needs[2] else None


# %% rules-reductions
@rule
def mean_rule(g, x_shape, dim, keepdim):
    """The mean over `dim`: a sum, divided by how many."""
    count = math.prod(x_shape[d] for d in dims_of(dim, len(x_shape)))
    return sum_rule(g / max(count, 1), x_shape, dim, keepdim)


@rule
def var_rule(g, x, dim, unbiased, keepdim):
    """sum((x - mean)**2) / (n - 1), or / n; the mean's own slope adds up to 0."""
    count = x.size // max(g.size, 1)  # how many went into each
    centered = x - x.mean(axis=dims_of(dim, x.ndim), keepdims=True)
    return sum_rule(g, x.shape, dim, keepdim) * (2 * centered) / (count - bool(unbiased))


@rule
def amax_rule(g, x, dim, keepdim, out):
    """The largest over `dim`; equal ones share."""
    largest = (x == sum_rule(out, x.shape, dim, keepdim)) | (x != x)  # nan counts as the largest
    ties = largest.sum(axis=dims_of(dim, x.ndim), keepdims=True)  # they share the gradient
    return np.where(largest, sum_rule(g, x.shape, dim, keepdim) / ties.astype(g.dtype), 0)


# %% rules-shape
@rule
def reshape_rule(g, x_shape):
    """The same elements under another shape."""
    return g.reshape(x_shape)


RULES["squeeze"] = RULES["unsqueeze"] = reshape_rule


@rule
def transpose_rule(g, dim0, dim1):
    """Two dimensions swapped."""
    return g.swapaxes(dim0, dim1)


@rule
def permute_rule(g, dims):
    """The dimensions in another order."""
    return g.transpose(np.argsort([dim % g.ndim for dim in dims]))


@rule
def cat_rule(g, shapes, dim):
    """Tensors joined along `dim`: cut g at the seams."""
    return np.split(g, np.cumsum([shape[dim] for shape in shapes])[:-1], axis=dim)


# %% rules-activations
@rule
def relu_rule(g, out):
    """z = max(x, 0); 0 at the corner."""
    return np.where(out > 0, g, 0)  # and not g * (out > 0): infinity * 0 is nan


@rule
def tanh_rule(g, out):
    """z = tanh(x)."""
    return g * (1 - out * out)


@rule
def sigmoid_rule(g, out):
    """z = 1 / (1 + exp(-x))."""
    return g * out * (1 - out)


@rule
def silu_rule(g, x):
    """z = x * sigmoid(x)."""
    s = sigmoid.on_arrays(x)
    return g * s * (1 + x * (1 - s))


@rule
def gelu_rule(g, note):
    """The primitive noted the slope of its curve."""
    return g * note


@rule
def gelu_exact_rule(g, note):
    """Here too."""
    return g * note


@rule
def softmax_rule(g, out, dim):
    """z_i = exp(x_i) / sum_j exp(x_j)."""
    return out * (g - (g * out).sum(axis=dim, keepdims=True))


@rule
def log_softmax_rule(g, out, dim):
    """z_i = x_i - log(sum_j exp(x_j))."""
    return g - np.exp(out) * g.sum(axis=dim, keepdims=True)


@rule
def binary_cross_entropy_with_logits_rule(g, logits, targets, reduction):
    """What it says minus what it should say, as for cross_entropy."""
    g = g / logits.size if reduction == "mean" else g
    return g * (sigmoid.on_arrays(logits) - targets), -g * logits
