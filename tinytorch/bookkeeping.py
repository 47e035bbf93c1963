"""What an optimizer does around its update: refuse, remember, and move short parameters together.

For a few thousand numbers calling NumPy takes longer than the arithmetic, and a model has many such
parameters. The optimizers of module 07 hand them to a `Pack` where an update treats each number by
itself.
"""

import inspect
import math

import numpy as np

from .tensor import Tensor

__all__ = ["SHORT", "Pack", "fitted", "listed", "pack_for", "plain"]
__all__ += ["need_plain_step", "refuse_parameters", "refuse_settings", "with_gradient"]


# -- refusals
def plain(setting):
    """A setting as Python numbers: a NumPy float64 would make float64 of a whole float32 array.

    >>> plain(np.float32(0.5)), plain((np.float64(0.5), 0.25)), plain("a name")
    (0.5, [0.5, 0.25], 'a name')
    """
    return np.asarray(setting).tolist()


def refuse_settings(settings):
    """Refuse settings of a group that no optimizer can work with.

    Raises:
        ValueError: names the setting.
    """
    for name in ("lr", "momentum", "weight_decay", "eps"):
        value = plain(settings.get(name, 0))
        if not (isinstance(value, (int, float)) and 0 <= value < math.inf):
            raise ValueError(f"{name} is a number and at least 0, not {value!r}")
    betas = plain(settings.get("betas", (0, 0)))
    two = isinstance(betas, (list, tuple)) and len(betas) == 2
    if not (two and all(isinstance(b, (int, float)) and 0 <= b < 1 for b in betas)):
        raise ValueError(f"betas are two numbers, at least 0 and below 1, not {betas}")
    if settings.get("nesterov") and not settings.get("momentum"):
        raise ValueError("nesterov=True looks ahead along the momentum: give a momentum above 0")


def listed(params):
    """The parameters as a list; a single Tensor makes a list of one.

    Raises:
        TypeError: a model, or a set, which has no order that would be the same next time.
    """
    if isinstance(params, set) or hasattr(params, "parameters"):
        raise TypeError(f"pass model.parameters() or a list, not a {type(params).__name__}")
    if callable(params):
        raise TypeError(f"{params.__name__} is a function: call it, as in model.parameters()")
    return [params] if isinstance(params, Tensor) else list(params)


def refuse_parameters(params, taken):
    """Refuse what cannot be trained, and what is trained already.

    Args:
        params: what should be a list of Tensors.
        taken: a set of the parameters that other groups hold; these ones are added to it.

    Raises:
        TypeError: something is not a Tensor.
        ValueError: a Tensor is no leaf, or is there twice.
    """
    for n, p in enumerate(params):
        if not isinstance(p, Tensor):
            told = f"an optimizer moves tensors, and number {n} is a {type(p).__name__}"
            raise TypeError(f"{told}: pass model.parameters()")
        if not p.is_leaf:
            raise ValueError(f"parameter {n} is computed by {p.made_by.primitive}: pass its leaves")
        if p in taken:
            raise ValueError(f"parameter {n}, of shape {p.shape}, would be moved twice a step")
        taken.add(p)


def need_plain_step(owner, advice):
    """Refuse an optimizer or a schedule whose `step` cannot be called without an argument.

    Args:
        owner: the optimizer or schedule; what has no `step` may pass.
        advice: what to do instead, for the error.

    Raises:
        TypeError: names the class.
    """
    try:
        inspect.signature(owner.step).bind()
    except TypeError:
        told = f"{type(owner).__name__}.step asks for something, and a Trainer has nothing to give"
        raise TypeError(f"{told}: {advice}") from None
    except (AttributeError, ValueError):  # no step, or one that does not tell its arguments
        pass


def with_gradient(params):
    """The parameters that have a gradient, which a step moves.

    Raises:
        TypeError: a gradient is not a Tensor. ValueError: it has another shape than its parameter.
    """
    moving = [p for p in params if p.grad is not None]
    for p in moving:
        if not isinstance(p.grad, Tensor):
            told = f"the .grad of the parameter of shape {p.shape} is a {type(p.grad).__name__}"
            raise TypeError(f"{told}: make it a tensor, tensor(...)")
        if p.grad.array.shape != p.array.shape:
            told = f"a gradient has the shape of its parameter, {p.shape}, and here .grad has"
            raise ValueError(f"{told} {p.grad.shape}")
    return moving


# -- short parameters
SHORT = 5000  # elements: a parameter with fewer travels in a pack


class Pack:
    """Short parameters that are moved as one long array, and their state, long arrays too.

    Args:
        params: Tensors of one dtype.
        states: of each one a dictionary; arrays of the parameter's shape, and equal numbers.

    Attributes:
        state: name -> long array, or number.
        parts: of each parameter its own dictionary again, with views into the long arrays.
    """

    def __init__(self, params, states):
        self.params, self.ends = params, np.cumsum([p.array.size for p in params]).tolist()
        self.state = {
            name: np.concatenate([state[name] for state in states], axis=None)
            if isinstance(value, np.ndarray)
            else value
            for name, value in states[0].items()
        }
        self.parts = states
        self.share()
        self.arrays = [p.array for p in params]
        self.param = np.concatenate(self.arrays, axis=None)  # where they meet for a step
        self.moved = self.cut(self.param)

    def __reduce__(self):
        """A copy, or one from a file, gathers its own arrays: copied views would look elsewhere."""
        return Pack, (self.params, self.parts)

    def cut(self, long):
        """Views into a long array, one for each parameter, in its shape."""
        begins = [0, *self.ends]
        return [
            long[begin:end].reshape(p.array.shape)
            for p, begin, end in zip(self.params, begins, self.ends)
        ]

    def share(self):
        """Put what the state is now into the dictionaries of the parameters."""
        for name, value in self.state.items():
            long = isinstance(value, np.ndarray)
            for part, own in zip(self.parts, self.cut(value) if long else [value] * len(self.ends)):
                part[name] = own

    def move(self, update, settings):
        """One step for all of them."""
        np.concatenate(self.arrays, axis=None, out=self.param)
        grad = np.concatenate([p.grad.array for p in self.params], axis=None)
        names = set(self.state)
        update(self.param, grad, self.state, **settings)
        if names != set(self.state):
            self.share()
        for array, moved in zip(self.arrays, self.moved):
            array[...] = moved
        numbers = {n: v for n, v in self.state.items() if not isinstance(v, np.ndarray)}
        for part in self.parts:
            part.update(numbers)


def pack_for(found, params, states):
    """A Pack for parameters with these states; None if they cannot travel together.

    Args:
        found: the Pack of the step before, or None; it goes on if the states are those that it
            shares, and the parameters still have the arrays that they had.
    """
    if found is not None:
        same = [id(part) for part in found.parts] == [id(state) for state in states]
        if same and all(p.array is array for p, array in zip(params, found.arrays)):
            return found
    return Pack(params, states) if fit_together(params, states) else None


def fit_together(params, states):
    """True if parameters can travel in a pack: one dtype, and states of the same age."""
    ages = [{n: v for n, v in s.items() if not isinstance(v, np.ndarray)} for s in states]
    alike = all(s.keys() == states[0].keys() for s in states) and all(a == ages[0] for a in ages)
    kinds = {array.dtype for p in params for array in (p.array, p.grad.array)}
    return alike and len(kinds) == 1


# -- saving
def fitted(entries, param, names):
    """A copy of saved entries as they fit a parameter: arrays of its shape and dtype, and "step".

    Raises:
        ValueError: other names than the optimizer keeps, or an array of another shape.
    """
    arrays = {name: np.asarray(getattr(value, "array", value)) for name, value in entries.items()}
    found = {name: array.shape for name, array in arrays.items()}
    wanted = {name: () if name == "step" else param.shape for name in names}
    if found != wanted:
        raise ValueError(f"the state of a parameter has {found} and should have {wanted}")
    return {n: a.item() if n == "step" else a.astype(param.dtype) for n, a in arrays.items()}
