"""Mutants made round a solution: it is called, and what goes in or comes out is spoilt.

The spoilt solutions import this module, wherever they run.
"""

import ast
import copy
import textwrap

import numpy as np
import variants

from tinytorch.tensor import Tensor


# ---------------------------------------------------------------- what comes out
def _transposed(a):
    return np.ascontiguousarray(np.swapaxes(a, -1, -2)) if a.ndim > 1 else a


def _rounded(a):
    return a.astype(np.float16).astype(a.dtype) if a.dtype.kind == "f" else a


def _wide(a):
    return a.astype(np.float64) if a.dtype == np.float32 else a


def _whole(a):
    return np.nan_to_num(a).astype(int) if a.dtype.kind in "fb" else a


def _negative(a):
    return ~a if a.dtype == bool else -a


def _scaled(a):
    return a if a.dtype == bool else (a * 2 if a.dtype.kind in "iu" else a * a.dtype.type(1.01))


def _raised(a):
    return a if a.dtype == bool else a + (1 if a.dtype.kind in "iu" else a.dtype.type(0.01))


def _first_repeated(a):
    return np.broadcast_to(a[:1], a.shape).copy()


def _one_wrong(a, at):
    row = a.reshape(-1).copy()
    if row.size:
        row[at] = (~row if a.dtype == bool else _raised(row))[at]
    return row.reshape(a.shape)


RESULTS = {  # what comes out -> (kind, function of an array of at least one dimension)
    "gives zeros": ("zeros or ones", np.zeros_like),
    "gives ones": ("zeros or ones", np.ones_like),
    "gives the negative": ("negated", _negative),
    "gives the last first": ("wrong values", lambda a: a[..., ::-1].copy()),
    "gives the rows shifted by one": ("wrong values", lambda a: np.roll(a, 1, axis=0)),
    "gives a little more": ("wrong values", _raised),
    "gives a multiple": ("wrong values", _scaled),
    "gives the first row again and again": ("wrong values", _first_repeated),
    "gives one wrong number, the first": ("wrong values", lambda a: _one_wrong(a, 0)),
    "gives one wrong number, the last": ("wrong values", lambda a: _one_wrong(a, -1)),
    "gives three digits": ("wrong values", _rounded),
    "gives the values sorted": ("wrong values", lambda a: np.sort(a, axis=-1)),
    "gives float64": ("wrong dtype", _wide),
    "gives whole numbers": ("wrong dtype", _whole),
    "gives the transpose": ("wrong shape", _transposed),
    "gives one more dimension": ("wrong shape", lambda a: a[None]),
    "gives one long row": ("wrong shape", lambda a: a.reshape(-1)),
}
ARRAY_ONLY = {"gives one more dimension", "gives one long row", "gives float64"}


def spoilt(how, value):
    """A result with every array in it changed as `RESULTS` says; the graph stays behind it."""
    if isinstance(value, Tensor):
        fresh = copy.copy(value)
        fresh.array = _on_array(how, value.array)
        return fresh
    if isinstance(value, np.ndarray):
        return _on_array(how, value)
    if isinstance(value, np.generic):
        return value if how in ARRAY_ONLY else _on_array(how, np.asarray(value))[()]
    if isinstance(value, dict):
        return {key: spoilt(how, item) for key, item in value.items()}
    if isinstance(value, str):
        return _spoilt_text(how, value)
    if isinstance(value, tuple | list) and value and all(isinstance(v, int) for v in value):
        return value if how in ARRAY_ONLY else type(value)(spoilt(how, np.array(value)).tolist())
    if isinstance(value, tuple | list):
        items = [spoilt(how, item) for item in value]
        if how == "gives the last first":
            items = items[::-1]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if isinstance(value, bool | int | float):
        return value if how in ARRAY_ONLY else _on_array(how, np.array(value)).item()
    return value


def _on_array(how, array):
    """A number is changed as a row of one, and stays a number."""
    change = RESULTS[how][1]
    with np.errstate(all="ignore"):
        if array.ndim or how == "gives one more dimension":
            return change(array)
        return change(array[None]).reshape(())


def _spoilt_text(how, text):
    changes = {"gives zeros": "", "gives the last first": text[::-1], "gives a multiple": 2 * text}
    return changes.get(how, text)


def part_spoilt(at, how, value):
    """A tuple with one of its members zero, or None."""
    items = list(value)
    items[at] = None if how == "None" else variants.zeroed(items[at])
    return value._make(items) if hasattr(value, "_make") else tuple(items)


answers: list = []  # of the one mutant that is judged in this process


def first_answer(value):
    """What was answered when the function was called for the first time."""
    if not answers:
        answers.append(value)
    return answers[0]


def copied(*values):
    """The same again: arrays, lists and dictionaries that may be changed without being noticed."""
    return [v.copy() if hasattr(v, "copy") and not isinstance(v, Tensor) else v for v in values]


def damage(value):
    """Change what the caller passed, as a solution does that forgets to copy."""
    array = getattr(value, "array", value)
    if isinstance(array, np.ndarray):
        array[...] = ~array if array.dtype == bool else array + 1
    elif isinstance(value, list | dict):
        value.clear()


# ---------------------------------------------------------------- what the reference gives
seen: list[tuple] = []  # (results, inputs by name) of the reference in its quick check


def see(result, inputs):
    """Note what the reference gave, and to what."""
    seen.append((copy.deepcopy(_plain(result)), {n: _plain(v) for n, v in inputs.items()}))
    return result


def _plain(value):
    """A Tensor without its graph."""
    if isinstance(value, Tensor):
        return value.detach()
    if type(value) in (tuple, list):
        return type(value)(_plain(item) for item in value)
    return value


def seen_in_check(notebook, exercise):
    """What the reference gets and gives in its quick check; a mutant must change some of it."""

    def probe(tree, exercise):
        function = variants.find(tree, exercise.qualname)
        names = ", ".join(f"{a}={a}" for a in variants.inputs_of(function))
        text = f"import spoil\nreturn spoil.see({{call}}, dict({names}))"
        function.body = variants.around(function, text).body
        return tree

    seen.clear()
    variants.outcome(notebook, exercise, probe)
    return list(seen)


def differs(first, second):
    """True if two results are not the same in type, shape, dtype and value."""
    if type(first) is not type(second):
        return True
    if isinstance(first, tuple | list):
        return len(first) != len(second) or any(differs(a, b) for a, b in zip(first, second))
    if isinstance(first, dict):
        return list(first) != list(second) or any(differs(first[k], second[k]) for k in first)
    first, second = (np.asarray(getattr(v, "array", v)) for v in (first, second))
    if (first.dtype, first.shape) != (second.dtype, second.shape):
        return True
    return not np.array_equal(first, second, equal_nan=first.dtype.kind == "f")


# ---------------------------------------------------------------- the kinds
def round_mutants(function, calls):
    """What can be spoilt without a look at how the solution works."""
    makers = (_result_mutants, _memory_mutants, _part_mutants, _input_mutants)
    makers += (_default_mutants, _effect_mutants)
    for maker in makers:
        for what, kind, text in maker(function, calls):
            yield what, kind, variants.around(function, textwrap.dedent(text))


def _result_mutants(function, calls):
    """The result in the right form with the wrong numbers, or the right numbers in a wrong form."""
    for how, (kind, _) in RESULTS.items():
        if any(differs(result, spoilt(how, result)) for result, _ in calls):
            yield how, kind, f"import spoil\nreturn spoil.spoilt({how!r}, {{call}})"


def _memory_mutants(function, calls):
    """The first answer once and for all."""
    results = [result for result, _ in calls if result is not None]
    if any(differs(result, results[0]) for result in results):
        text = "import spoil\nreturn spoil.first_answer({call})"
        yield "gives its first answer again", "wrong values", text


def _part_mutants(function, calls):
    """One of several results zero or None: a rule that forgets the gradient of one input."""
    sizes = {len(result) for result, _ in calls if isinstance(result, tuple)}
    if len(sizes) == 1 and any("g" in inputs for _, inputs in calls):
        for at in range(*sizes):
            for how in ("zeros", "None"):
                text = f"import spoil\nreturn spoil.part_spoilt({at}, {how!r}, {{call}})"
                yield f"gives {how} for gradient {at + 1}", "forgets a gradient", text


def _input_mutants(function, calls):
    """The first input given back, and each input changed behind the caller's back."""
    names = variants.inputs_of(function)
    if names and any(differs(inputs[names[0]], result) for result, inputs in calls):
        yield f"gives back {names[0]}", "gives its input", f"return {names[0]}"
    for name in names:
        values = [inputs[name] for _, inputs in calls]
        if any(isinstance(v, np.ndarray | Tensor | list | dict) for v in values):
            text = f"import spoil\nresult = {{call}}\nspoil.damage({name})\nreturn result"
            yield f"changes {name} in place", "damages its input", text


def _default_mutants(function, calls):
    """An optional input that is not looked at."""
    arguments = function.args
    usual = list(zip(arguments.args[::-1], arguments.defaults[::-1]))
    usual += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults) if d]
    for argument, default in usual:
        text = f"{argument.arg} = {ast.unparse(default)}\nreturn {{call}}"
        yield f"ignores {argument.arg}", "ignores an input", text


def _effect_mutants(function, calls):
    """Where the work is an effect: not done, done twice, or done on a copy."""
    if not all(result is None or hasattr(result, "__dict__") for result, _ in calls):
        return
    yield "does nothing", "no effect", "return self" if _gives_self(function) else "return None"
    if any(isinstance(value, np.ndarray) for _, inputs in calls for value in inputs.values()):
        names = variants.inputs_of(function)
        yield "does it twice", "wrong values", "{call}\nreturn {call}"
        copies = f"import spoil\n{', '.join(names)}, = spoil.copied({', '.join(names)})"
        yield "works on copies", "no effect", f"{copies}\nreturn {{call}}"


def _gives_self(function):
    last = function.body[-1]
    return isinstance(last, ast.Return) and getattr(last.value, "id", "") == "self"
