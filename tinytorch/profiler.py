"""Where the time goes: how long each primitive takes, forward and backward, and what it makes.

    with tinytorch.profile() as told:
        loss = cross_entropy(model(x), y)
        loss.backward()
    print(told)

While it is on, every primitive and every rule is timed; when it is off it costs nothing. A
primitive that calls another one's function on arrays is charged only with what is left.
"""

import functools
import threading
import time
from collections import namedtuple

import numpy as np

from .tensor import PRIMITIVES, RULES

Row = namedtuple("Row", "primitive calls forward backward bytes")
Row.__doc__ = "A primitive: how often it was called, seconds forward and backward, bytes it made."


class profile:
    """Time all primitives for as long as a `with` lasts; from all threads.

    Attributes:
        seconds: how long the block took, from its first line to its last.

    Raises:
        RuntimeError: another `profile()` is on.

    >>> from tinytorch.tensor import Tensor
    >>> with profile() as told:
    ...     y = (Tensor([1.0, 2.0]) * 3).sum()
    >>> sorted((row.primitive, row.calls, row.bytes) for row in told.rows)
    [('mul', 1, 8), ('sum', 1, 4)]
    """

    on = False

    def __enter__(self):
        if profile.on:
            raise RuntimeError("profile() is on already: one at a time")
        profile.on, self.events, self.inside = True, [], threading.local()
        self.threads = set()
        self.functions = {lifted: lifted.on_arrays for lifted in PRIMITIVES.values()}
        self.rules = dict(RULES)
        for lifted, function in self.functions.items():
            lifted.on_arrays = self._timed(function, lifted.name, "forward")
        for name, rule in self.rules.items():
            RULES[name] = self._timed(rule, name, "backward")
        self.begin = time.perf_counter()
        return self

    def __exit__(self, *error):
        self.seconds = time.perf_counter() - self.begin
        for lifted, function in self.functions.items():
            lifted.on_arrays = function
        RULES.update(self.rules)
        profile.on = False

    def _timed(self, function, name, way):
        """The function, which notes how long each call takes without the timed calls inside it."""

        @functools.wraps(function)
        def timed(*args, **kwargs):
            self.threads.add(threading.get_ident())
            here = self.inside.__dict__  # of this thread: what the calls inside this one took
            outer, here["seconds"] = here.get("seconds", 0.0), 0.0
            before, here["made"] = here.get("made"), {}
            begin = time.perf_counter()
            try:
                result = function(*args, **kwargs)
            finally:
                whole = time.perf_counter() - begin
                own, here["seconds"] = whole - here["seconds"], outer + whole
                inner, here["made"] = here["made"], before
            new = made(result, args) if way == "forward" else {}
            self.events.append((name, way, own, sum(new[key].nbytes for key in new.keys() - inner)))
            if before is not None:  # it is called by another, which may pass the same arrays on
                before.update(new)
            return result

        return timed

    @property
    def rows(self):
        """A `Row` for each primitive that was called, the one that took longest first."""
        found = {}
        for name, way, seconds, size in self.events:
            row = found.get(name, Row(name, 0, 0.0, 0.0, 0))
            row = row._replace(**{way: getattr(row, way) + seconds}, bytes=row.bytes + size)
            found[name] = row._replace(calls=row.calls + (way == "forward"))
        return sorted(found.values(), key=lambda row: -(row.forward + row.backward))

    def __str__(self):
        rows = self.rows
        width = max([len("everything else"), *(len(row.primitive) for row in rows)])
        lines = [f"{'primitive':{width}}  calls  forward ms  backward ms   share       MB"]
        timed = sum(row.forward + row.backward for row in rows)
        whole = timed if len(self.threads) > 1 else self.seconds
        for row in rows:
            both = row.forward + row.backward
            lines.append(
                f"{row.primitive:{width}}  {row.calls:5d}  {row.forward * 1e3:10.3f}  "
                f"{row.backward * 1e3:11.3f}  {both / whole:6.1%}  {row.bytes / 1e6:7.2f}"
            )
        if len(self.threads) > 1:
            told = f"({len(self.threads)} threads at once: shares of all that they computed)"
            return "\n".join([*lines, told])
        rest = self.seconds - timed
        share = f"{rest / whole:6.1%}"
        lines.append(f"{'everything else':{width}}  {'':5}  {'':10}  {rest * 1e3:11.3f}  {share}")
        return "\n".join(lines)


def made(result, args):
    """id -> array, of the arrays that a primitive made for its result and for what it noted.

    A view of an argument is none; a view of a new array counts as that array.
    """
    known = owners(args)
    return {key: array for key, array in owners(result).items() if key not in known}


def owners(values):
    """id -> array, of all arrays that hold the numbers of these values, each once."""
    if isinstance(values, (tuple, list)):
        return {key: array for value in values for key, array in owners(value).items()}
    while isinstance(getattr(values, "base", None), np.ndarray):
        values = values.base
    return {id(values): values} if isinstance(values, (np.ndarray, np.generic)) else {}
