"""What gradcheck says of a wrong gradient: which element, and which rule or cut is the cause."""

import numpy as np

from ..tensor import PRIMITIVES, Tensor, later, wrap
from .gradients import Reach, described, where
from .tracing import Trace, carriers


def fault(f, inputs, i, weighted, g, allowed, step=1e-6):
    """The end of gradcheck's message: which element, and which rule or cut is the cause.

    Args:
        f, inputs: as for gradcheck; i is the number of the input that failed.
        weighted: takes a float64 array, returns a number: f's results, weighted and summed.
        g: the gradient that backward() found for the input.
        allowed: (noise, tolerance): how far gradient and nudge may be apart.

    Returns:
        The end of a sentence.
    """
    x = inputs[i].array
    first, again = weighted(x), weighted(x)
    if np.isnan(first) and np.isnan(again):
        return "but f itself is nan for this input: check at a place where f has a value"
    if first != again:
        return (
            "but f gives another result for the same input each time: is a dropout or a random "
            "number in it? Use eval(), or seed it inside f"
        )
    element, corner = wrong_element(weighted, x, g, *allowed, step)
    return element if corner else f"{element}. {wrong_part(f, inputs)}"


def wrong_dtype(name, given, wanted):
    """Why a gradient is refused that a rule gave for an input of another dtype."""
    if wanted.kind != "f":
        return f"only real numbers have gradients, and a tensor of {wanted} requires grad"
    return f"{name}_rule gave {given} for {wanted}: is a NumPy scalar inside?"


def wrong_element(f, x, g, noise, tolerance, step):
    """(where gradient and nudge part, in words; whether f has a corner there)."""

    def parts(mask):
        d = np.where(mask, np.sign(np.cos(np.arange(x.size).reshape(x.shape))), 0.0)
        walked, nudged = (g * d).sum(), (f(x + step * d) - f(x - step * d)) / (2 * step)
        apart = abs(walked - nudged)
        return not apart <= noise + tolerance * max(abs(walked), abs(nudged)), apart

    count = None
    if x.size <= 256:
        singles = [np.arange(x.size).reshape(x.shape) == n for n in range(x.size)]
        tried = [(*parts(mask), -n) for n, mask in enumerate(singles)]
        count = sum(wrong for wrong, *_ in tried)
        places = [-n for wrong, _, n in [max(tried)] if wrong] if tried else []
    else:
        places = halved(parts, x)
    if not places:
        return "no single element is to blame, all of them a little", False
    return told(f, x, g, places[0], count, step)


def wrong_part(f, inputs):
    """Which rule is wrong by itself; or that none is, or that the graph is cut."""
    trace = Trace(digests=False)
    results = trace.run(lambda: f(*inputs))
    seen, wrong = set(), []
    for node in [n for n in trace.nodes if n.kind == "op" and n.recorded]:
        kind = node.name, tuple(n.shape for n in node.inputs)
        if kind not in seen and len(seen) < 40:
            seen.add(kind)
            if not right_alone(node):
                wrong.append(f"{node.name}_rule is wrong by itself ({where(node.place)})")
    if wrong:
        return " and ".join(wrong[:3])
    results = results if isinstance(results, (list, tuple)) else [results]
    for result in [r for r in results if isinstance(r, Tensor)]:
        cuts = Reach(trace, trace.node_of(result)).all_cuts()
        if cuts:
            why, place, _ = described(cuts[0])
            return f"{why} ({where(place)})"
    return (
        "Every rule that takes part is right by itself: the fault is in the walk (its order, "
        "adding up what arrives twice, unbroadcast)"
    )


def right_alone(node):
    """True if the rule of one call agrees with the nudge, for the very inputs of that call."""
    leaves = [
        Tensor(value.array, True, np.float64)
        for value in carriers(node.args)
        if isinstance(value, Tensor) and value.dtype.kind == "f"
    ]
    made = called(node, leaves)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal(t.shape) for t in made]
    directions = [rng.standard_normal(t.shape) for t in leaves]
    walked = 0.0
    for result, weight in zip(made, weights):
        found = {}
        try:
            later("autograd", "backward")(result, weight, len(made) > 1, into=found.update)
        except (ValueError, TypeError, IndexError, RuntimeError, NotImplementedError):
            return False
        walked += sum((found[t] * d).sum() for t, d in zip(leaves, directions) if t in found)

    def weighed(step):
        moved = called(node, [wrap(t.array + step * d) for t, d in zip(leaves, directions)])
        return sum((t.array * w).sum() for t, w in zip(moved, weights))

    nudged = (weighed(1e-6) - weighed(-1e-6)) / 2e-6
    noise = 1e-7 * sum(np.abs(t.array * w).sum() for t, w in zip(made, weights))
    return bool(abs(walked - nudged) <= noise + 1e-5 * max(abs(walked), abs(nudged)))


def called(node, tensors):
    """The primitive of a node on other tensors, in the order of its own: a list of results."""
    rest = iter(tensors)

    def instead(arg):
        if isinstance(arg, (tuple, list)):
            return type(arg)([instead(part) for part in arg])
        return next(rest) if isinstance(arg, Tensor) and arg.dtype.kind == "f" else arg

    made = PRIMITIVES[node.name](*[instead(arg) for arg in node.args])
    return made if isinstance(made, list) else [made]


def halved(parts, x):
    """One wrong element of a large array: always the half that is wrong."""
    numbers, low, high = np.arange(x.size).reshape(x.shape), 0, x.size
    while high - low > 1:
        middle = (low + high) // 2
        for a, b in ((low, middle), (middle, high)):
            if parts((numbers >= a) & (numbers < b))[0]:
                low, high = a, b
                break
        else:
            return []
    return [low]


def told(f, x, g, number, count, step):
    """The sentence about one element, and whether f has a corner there."""
    place = np.unravel_index(number, x.shape) if x.ndim else ()
    d = np.zeros(x.shape)
    d[place] = step
    ahead, here, behind = f(x + d), f(x), f(x - d)
    right, left = (ahead - here) / step, (here - behind) / step
    name = f"element {list(map(int, place))}" if x.ndim else "the number"
    many = f" ({count} of {x.size} are wrong)" if count and count > 1 else ""
    slope = (ahead - behind) / (2 * step)
    received, expected = g[place] + 0.0, slope + 0.0  # never -0
    text = f"at {name}, {x[place]:.6g}: received {received:.8g}, expected {expected:.8g}{many}"
    if abs(right - left) <= 1e-3 * max(abs(right), abs(left), 1e-3):
        return text, False
    what = "a jump" if max(abs(right), abs(left)) > 1e4 * (1 + abs(g[place])) else "a corner"
    text += (
        f". But f has {what} there: its slope is {left:.4g} on the left and {right:.4g} on the "
        "right, and no number is right for both: check at another place"
    )
    return text, True
