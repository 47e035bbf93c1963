"""Short parameters travel together: one long array is moved in one go.

For a few thousand numbers calling NumPy takes longer than the arithmetic, and a model has many such
parameters. The optimizers of module 07 hand them to a `Pack` where an update treats each number by
itself.
"""

import numpy as np

__all__ = ["SHORT", "Pack", "fit_together"]

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
        param = np.concatenate([p.array for p in self.params], axis=None)
        grad = np.concatenate([p.grad.array for p in self.params], axis=None)
        names = set(self.state)
        update(param, grad, self.state, **settings)
        if names != set(self.state):
            self.share()
        for p, moved in zip(self.params, self.cut(param)):
            p.array[...] = moved
        numbers = {n: v for n, v in self.state.items() if not isinstance(v, np.ndarray)}
        for part in self.parts:
            part.update(numbers)


def fit_together(params, states):
    """True if parameters can travel in a pack: one dtype, and states of the same age."""
    ages = [{n: v for n, v in s.items() if not isinstance(v, np.ndarray)} for s in states]
    alike = all(s.keys() == states[0].keys() for s in states) and all(a == ages[0] for a in ages)
    kinds = {array.dtype for p in params for array in (p.array, p.grad.array)}
    return alike and len(kinds) == 1 and all(p.shape == p.grad.shape for p in params)
