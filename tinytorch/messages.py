"""What an error says: the operation, its arguments with their shapes, the place, and what to try.

No lesson: the modules ask here only when something went wrong already. NumPy's own sentences are
told again in the words of this library, with the names of the arguments.
"""

import difflib
import math
import re
import warnings

import numpy as np

KINDS = (IndexError, ValueError, TypeError, OverflowError)  # what NumPy raises
STRANGE = ("ufunc", "operand type", "has no attribute", "not supported between", "indices must be")
FROM_0 = ("gather", "placed", "added")  # they know no negative places; the last two scatter
NO_TENSOR = ("dim", "dims", "dim0", "dim1", "shape", "index", "dtype", "exponent", "num_heads")


def explained(error, name, names, values, clash=None):
    """An error of an operation, told with the operation's name and its arguments.

    Args:
        error: what NumPy or the operation raised.
        name: of the operation. names: of its parameters, in order. values: its arguments.
        clash: from (name, shapes) to a sentence on shapes that do not broadcast, or None.

    Returns:
        An error of the same kind, or a TypeError that names the argument that is no tensor; the
        error itself if its reason lies elsewhere.

    >>> x = np.zeros((2, 3))
    >>> explained(ValueError("no room"), "pack", ("x",), [x])
    ValueError('pack: no room (x (2, 3))')
    """
    text = str(error).removeprefix(f"{name}: ")
    strange = next((s for s in STRANGE if s in text), None) and misplaced(name, names, values)
    strange = strange or number_for_tensor(error, names, values)
    if isinstance(error, AttributeError) and not strange:
        return error
    named = dict(named_shapes(names, values))
    if strange:
        text = strange
    elif "could not be broadcast" in text and name != "summed_product":
        text = (inside_of(text, values) or clash and clash(name, list(named.values()))) or text
    else:
        text = retold(text, name, values)
    if any(str(shape).replace(" ", "") not in text.replace(" ", "") for shape in named.values()):
        told = [f"{n} {shape}" for n, shape in named.items()]
        more = f", and {len(told) - 4} more" if len(told) > 4 else ""
        text += f" ({', '.join(told[:4])}{more})"
    kind = next((kind for kind in KINDS if isinstance(error, kind)), TypeError)
    return kind(f"{name}: {text}").with_traceback(error.__traceback__)


def inside_of(text, values):
    """What clashes, if NumPy names other shapes than those of the arguments; else ""."""
    if not (found := re.search(r"together with shapes ((\([\d,]*\) ?)+)$", text)):
        return ""
    parts = [part for v in values for part in (v if isinstance(v, (list, tuple)) else [v])]
    own = {str(part.shape).replace(" ", "") for part in parts if isinstance(part, np.ndarray)}
    shapes = [shape for shape in found[1].split() if shape != "()"]
    if own.issuperset(shapes):
        return ""
    return f"inside of it, shapes {' and '.join(shapes)} do not broadcast"


def named_shapes(names, values):
    """Pairs (name of an argument, its shape) of all arrays; those in a list are numbered."""
    for name, value in zip(names, values):
        if isinstance(value, np.ndarray) and name != "bias":
            yield name, value.shape
        elif isinstance(value, (list, tuple)) and name == "tensors":
            arrays = [(f"{name}[{n}]", v) for n, v in enumerate(value)]
            yield from ((n, v.shape) for n, v in arrays if isinstance(v, np.ndarray))


# -- arguments that are no tensors
def number_for_tensor(error, names, values):
    """A sentence on an argument that is a number and was used as a tensor; None if none was."""
    culprit = getattr(error, "obj", None)
    if isinstance(error, AttributeError) and isinstance(culprit, (int, float)):
        found = (name for name, value in zip(names, values) if value is culprit)
        return next((f"{name} is {what_it_is(culprit)}" for name in found), None)
    return None


def misplaced(name, names, values):
    """A sentence on the first argument that should be a tensor and is none; None if all are."""
    for argument, value in zip(names, values):
        if argument in ("dim", "dims") and isinstance(value, (str, float)):
            return f"{argument} is a whole number, not {value!r}"
        if argument == "exponent" and isinstance(value, (str, list, tuple, dict, type(None))):
            return f"{argument} is {what_it_is(value)}"
        if argument in NO_TENSOR or isinstance(value, (np.ndarray, bool)):
            continue
        if argument == "tensors" and isinstance(value, (list, tuple)):
            if odd := odd_one(value, missing=name != "cat"):
                return odd
            continue  # as it should be: the reason lies elsewhere
        if isinstance(value, (int, float)):
            if name == "matmul":
                return f"{argument} is the number {value}: write * to multiply by a number"
            continue
        if value is not None or argument in ("x", "y"):
            return f"{argument} is {what_it_is(value)}"
    return None


def odd_one(tensors, missing=False):
    """A sentence on the first in a list of tensors that is no tensor; None if all are.

    Args:
        missing: whether a None may stand in the list.

    >>> odd_one([np.zeros(2), 3.0])
    'tensors[1] is the number 3.0: write tensor(3.0)'
    """
    for number, value in enumerate(tensors):
        if not hasattr(value, "shape") and not (missing and value is None):
            return f"tensors[{number}] is {what_it_is(value)}"
    return None


def shapes_of(name, tensors):
    """The shapes of the tensors in a list; TypeError if one of them is no tensor."""
    if any(not hasattr(t, "shape") for t in tensors):
        raise TypeError(f"{name}: {odd_one(tensors)}")
    return [tuple(t.shape) for t in tensors]


def what_it_is(value):
    """In words, what stands where a tensor should, and what usually leads there.

    >>> what_it_is(None)
    'None: does the function that made it end with `return`?'
    """
    if value is None:
        return "None: does the function that made it end with `return`?"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__}: write tensor(...) around it"
    if isinstance(value, str):
        return f"the text {value[:20]!r}, no tensor: encode it first"
    if isinstance(value, (int, float)):
        return f"the number {value}: write tensor({value})"
    kind = type(value).__name__
    if hasattr(value, "named_modules") and not isinstance(value, type):
        return f"a module, {kind}: call it, as in layer(x), and pass on what it returns"
    if isinstance(value, type) or kind in ("function", "method", "builtin_function_or_method"):
        called = getattr(value, "__name__", kind)
        return f"{called} itself, not its result: call it, {called}(...)"
    return f"no tensor but {kind} {value!r:.20}"


def foreign(error, module, args):
    """An AttributeError of a module's forward: told anew if an argument was no tensor."""
    culprit = getattr(error, "obj", error)
    for number, value in enumerate(args):
        no_tensor = isinstance(value, (list, tuple, str, np.ndarray, type(None), int, float))
        if value is culprit and no_tensor:
            words = "a NumPy array: from_numpy(...) makes it a tensor"
            words = words if isinstance(value, np.ndarray) else what_it_is(value)
            which = f"argument {number + 1}" if len(args) > 1 else "the input"
            return TypeError(f"{type(module).__name__}: {which} is {words}")
    if culprit is module and type(error) is AttributeError:
        name, kind = error.name, type(module).__name__
        near = difflib.get_close_matches(name, [*vars(module), *dir(type(module))], 1)
        advice = f"did you mean {near[0]!r}?" if near else "is it set in __init__?"
        return AttributeError(f"{kind} has no attribute {name!r}: {advice}")
    return error


# -- NumPy's sentences, told again
def retold(text, name, values):
    """NumPy's sentence in the words of this library; any other sentence as it is."""
    for pattern, tell in RETOLD.items():
        if found := re.search(pattern, text):
            return tell(found, name, values)
    return text


def _no_dim(found, name, values):
    dims = "dimension" + "s" * (found[2] != "1")
    of = f"a result of {found[2]} {dims}" if name == "unsqueeze" else f"{found[2]} {dims}"
    return f"dim {found[1]} is out of range for {of}"


def _no_index(found, name, values):
    index, dim, size = map(int, found.groups())
    if size == 0:
        return f"dim {dim} is empty: there is nothing at {index}"
    last = "" if name in FROM_0 else ", or -1 for the last"
    return f"there is no {index} in dim {dim}, of size {size}: 0 to {size - 1}{last}"


def _no_kind_of_index(found, name, values):
    index = values[1] if len(values) > 1 else None
    parts = index if isinstance(index, tuple) else (index,)
    odd = next((p for p in parts if isinstance(p, (float, str, dict, set))), None)
    which = "" if odd is None else f", not {odd!r}"
    return f"an index is a whole number, a slice, None, or a tensor of whole numbers{which}"


def _float_indices(found, name, values):
    return "a tensor of indices holds whole numbers or booleans: index.long() makes them whole"


def _mask_of_other_size(found, name, values):
    dim, size, own = found.groups()
    return f"a mask has the sizes of what it picks from: {own} places in dim {dim}, not {size}"


def _not_all_dims(found, name, values):
    return f"name each of the {values[0].ndim} dimensions once, and not {values[1]}"


def _no_place(found, name, values):
    value, place = found.groups()
    return f"a value of shape {value} does not fit the place of shape {place}"


def _no_list(found, name, values):
    return "the value has more numbers than its place: t[index].shape is the place's shape"


def _no_power(found, name, values):
    return "whole numbers have no negative powers: write x.float() ** y"


def _batches(found, name, values):
    first, second = found.groups()
    if {first, second} <= {str(getattr(value, "shape", "")) for value in values}:  # whole shapes
        return f"shapes {first} and {second} do not broadcast"
    return f"the batch sizes in front, {first} and {second}, must agree or be 1"


def _letters(found, name, values):
    return "a letter of einsum has one size, and two tensors give it different ones"


def _not_a_list(found, name, values):
    if name not in ("cat", "stack"):
        return found.string
    return f"the tensors come in one list: {name}([x, y], dim=0)"


def _single_numbers(found, name, values):
    if name != "cat" or not any(getattr(v, "ndim", 1) == 0 for v in values[0]):
        return found.string
    return "single numbers have no dimension to join along: stack([x, y]), or x.reshape(1)"


def _too_many(found, name, values):
    return f"{found[2]} indices, and x has only {found[1]} dimensions"


def _no_element(found, name, values):
    return "no element is there to be the largest or smallest: what made this tensor empty?"


def _no_bits(found, name, values):
    return "~ & | ^ << >> work on booleans and whole numbers: write x > 0, or x.long()"


def _no_room(found, name, values):
    number, dtype = found.groups()
    ends = np.iinfo(dtype)
    return f"{number} does not fit into {dtype}, {ends.min} to {ends.max}: use x.long()"


def _not_square(found, name, values):
    return "this takes square matrices: the last two dimensions have one size"


def _no_matrix(found, name, values):
    return "this takes matrices, two dimensions or more"


RETOLD = {
    r"axis (-?\d+) is out of bounds for array of dimension (\d+)": _no_dim,
    r"index (-?\d+) is out of bounds for axis (\d+) with size (\d+)": _no_index,
    r"array is (\d+)-dimensional, but (\d+) were indexed": _too_many,
    r"only integers, slices": _no_kind_of_index,
    r"used as indices must be of integer": _float_indices,
    r"boolean index did not match.* axis (\d+); size of axis is (\d+) but .* axis is (\d+)": (
        _mask_of_other_size
    ),
    r"tuple index out of range|zero-dimensional|same number of dimensions": _single_numbers,
    r"axes don't match array|repeated axis in transpose": _not_all_dims,
    r"could not broadcast input array from shape (\(.*?\)) into shape (\(.*?\))": _no_place,
    r"cannot be broadcast to a single shape.*with shape (\(.*?\)) and .*shape (\(.*?\))": _batches,
    r"with remapped shapes": _letters,
    r"setting an array element with a sequence": _no_list,
    r"Integers to negative integer powers": _no_power,
    r"truth value of an array with more than one": _not_a_list,
    r"zero-size array to reduction|arg(max|min) of an empty sequence": _no_element,
    r"ufunc '(invert|bitwise_\w+)' not supported": _no_bits,
    r"Python integer (-?\d+) out of bounds for (u?int\d+)": _no_room,
    r"Last 2 dimensions of the array must be square": _not_square,
    r"1-dimensional array given|0-dimensional array given": _no_matrix,
}


# -- shapes of layers
def features(shape, weight):
    """Why an input of this shape does not fit a weight (out, in), and what may help.

    >>> features((32, 28, 28), (10, 784))
    'x (32, 28, 28) should end in 784 features: x.flatten(1) makes it (32, 784)'
    """
    wanted, told = weight[1], f"x {shape} should end in {weight[1]} features"
    if not shape:
        return f"{told}, and is one number: x.reshape(1, 1) is a sample of one feature"
    if len(shape) > 2 and math.prod(shape[1:]) == wanted:
        return f"{told}: x.flatten(1) makes it ({shape[0]}, {wanted})"
    if math.prod(shape) == wanted:
        return f"{told}: x.reshape(1, {wanted}) makes a batch of one"
    if len(shape) == 2 and shape[0] == wanted:
        return f"{told}, and begins with them: x.T is {shape[::-1]}"
    return f"{told}, as weight is (out, in) = {weight}: Linear({shape[-1]}, {weight[0]}) would fit"


def shape_instead(name, found, wanted):
    """A parameter that has another shape in a file than in the model.

    >>> shape_instead("head.weight", (3, 4), (4, 3))
    'head.weight is (3, 4) and should be (4, 3), transposed'
    """
    turned = ", transposed" if found == wanted[::-1] != wanted else ""
    return f"{name} is {found} and should be {wanted}{turned}"


def wrong_targets(logits, targets):
    """Why targets of this shape do not fit logits of that shape, and what may help."""
    wanted, advice = logits[:-1], ""
    if len(logits) == 1 and targets == (1,):
        advice = ": logits.unsqueeze(0) makes a batch of one"
    elif targets == logits:
        advice = ": if these are one-hot rows, write targets.argmax(-1)"
        if len(logits) == 1:
            advice += "; if logits are classes already, by argmax, pass the scores instead"
    elif targets == (*logits[:1], *logits[2:]):
        last = (0, *range(2, len(logits)), 1)
        advice = f": PyTorch has the classes second; move them with logits.permute{last}"
    elif len(wanted) == 2 and targets == wanted[::-1]:
        advice = ": are batch and time swapped? targets.T would fit"
    elif math.prod(targets) == math.prod(wanted):
        advice = f": targets.reshape({wanted}) would fit"
    needs = f"logits {logits} need targets {wanted}, not {targets}"
    return f"the classes are the last dimension, so {needs}{advice}"


def pairs(state):
    """The pairs of a state dictionary; what is none is refused."""
    if hasattr(state, "items"):
        return state.items()
    advice = "write load_state_dict(load_safetensors(path))"
    if hasattr(state, "state_dict"):
        advice = "write load_state_dict(other.state_dict())"
    told = f"a state is a dictionary name -> array, not a {type(state).__name__}"
    raise TypeError(f"{told}: {advice}")


def named(tensors):
    """The pairs of a dictionary name -> tensor that shall be saved; what is none is refused."""
    if hasattr(tensors, "items"):
        return tensors.items()
    advice = "write model.state_dict()" if hasattr(tensors, "state_dict") else "give each a name"
    told = f"what is saved is a dictionary name -> tensor, not a {type(tensors).__name__}"
    raise TypeError(f"{told}: {advice}")


def no_ids(ids):
    """What stands where token ids should, and what to do about it."""
    if not isinstance(ids, np.ndarray):
        return f"ids are {what_it_is(ids)}"
    advice = "ids.long() makes them whole; or are weight and ids swapped?"
    return f"ids are whole numbers, not {ids.dtype}: {advice}"


def tokens(name, shape, width):
    """Why an input of this shape is no batch of tokens for an attention of this width."""
    told = f"{name} {shape} is not (batch, tokens, {width})"
    if len(shape) == 2 and shape[1] == width:
        return f"{told}: {name}.unsqueeze(0) makes a batch of one"
    if len(shape) == 3 and shape[1] == width:
        return f"{told}: {name}.transpose(1, 2) is, if its tokens come last"
    return f"{told}: its last size should be embed_dim={width}"


def doubt(mask):
    """Warn of a mask that lets every token see just what comes after it: it is upside down."""
    array = mask.array if hasattr(mask, "array") else mask
    if array.ndim != 2 or array.size < 2 or array[0, 0]:
        return
    if np.array_equal(array, ~np.tri(*array.shape, dtype=bool)):
        told = "this mask lets every token see only what follows it: True = may attend here"
        warnings.warn(f"{told}, as in scaled_dot_product_attention; try ~mask", stacklevel=5)


def misfit(model, arrays, missing, unexpected, misshaped):
    """One sentence that says why a state does not fit a model.

    Args:
        arrays: the state, name -> array.
        missing, unexpected, misshaped: lists of names.
    """
    own = model.state_dict()
    told = [shape_instead(n, arrays[n].shape, own[n].shape) for n in misshaped]
    groups = {"missing": missing, "unexpected": unexpected, "wrong shape": told}
    parts = [f"{kind}: {_some(names)}" for kind, names in groups.items() if names]
    before = {u.removesuffix(f".{m}") for u in unexpected for m in missing if u.endswith(f".{m}")}
    advice = f" (do the names need .removeprefix('{min(before)}.')?)" if before else ""
    return f"this state does not fit {type(model).__name__}: {'; '.join(parts)}{advice}"


def _some(names, most=6):
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


# -- modules
def no_module(owner, thing):
    """Why a thing is no part of a model, and how it becomes one."""
    name = getattr(thing, "__name__", None)
    if isinstance(thing, (list, tuple)):
        advice = f": write {owner}(*layers) with a star" if owner == "Sequential" else ""
        return f"{owner} takes modules, and this is a {type(thing).__name__}{advice}"
    if isinstance(thing, type):
        return f"{owner} takes modules, and {name} is a class: write {name}(...)"
    if callable(thing) and name:
        advice = "use its module, as ReLU() for relu, or call it in forward"
        return f"{owner} takes modules, and {name} is a function: {advice}"
    return f"{owner} takes modules, and {thing!r:.40} is a {type(thing).__name__}"


def no_forward(module):
    """What to say of a module that was called and computes nothing."""
    kind = type(module).__name__
    if kind in ("ModuleList", "ModuleDict"):
        return f"{kind} only holds modules: call them, as in `for layer in layers: x = layer(x)`"
    return f"{kind} has no forward(): say what it computes, `def forward(self, x): ...`"


# -- where in a model
STAND_INS = {"LastToken": "block", "Looking": "attention"}


def place(inner, outer):
    """Where in the module `outer` the module `inner` is, in words.

    >>> from tinytorch.layers import Linear, Sequential
    >>> model = Sequential(Linear(2, 3), Sequential(Linear(3, 1)))
    >>> place(model[1][0], model)
    '1.0 (Linear) of Sequential'
    """
    paths = {part: path for path, part in outer.named_modules()}
    path = _without_stand_ins(paths.get(inner, ""), outer)
    kind, whole = type(inner).__name__, type(outer).__name__
    if inner is outer or not path:
        return kind
    return f"{path} ({kind}) of {type(_real(outer)).__name__ or whole}"


def _real(module):
    """The module itself, or the one that it stands in for while a model writes."""
    part = STAND_INS.get(type(module).__name__)
    ours = type(module).__module__.startswith("tinytorch.")
    return _real(getattr(module, part)) if part and ours else module


def _without_stand_ins(path, outer):
    """The path with the names left out that lead from a stand-in to what it stands for."""
    kept, module = [], outer
    for name in path.split(".") if path else ():
        inside = vars(module).get(name)
        if _real(module) is module or STAND_INS[type(module).__name__] != name:
            kept.append(name)
        module = inside
    return ".".join(kept)


# -- what a thing is, in a line (a model: in a tree)
def tree(module):
    """A module and its parts, as a module prints itself; equal parts of a list stand once.

    >>> from tinytorch.layers import ModuleList, ReLU
    >>> ModuleList([ReLU(), ReLU()])
    ModuleList(
      (0-1): 2 x ReLU()
    )
    """
    kind, groups = type(module).__name__, []  # [first name, last name, how many, text]
    for name, part in module.named_children():
        text = repr(part)
        if kind == "ModuleList" and groups and groups[-1][3] == text:
            groups[-1][1:3] = name, groups[-1][2] + 1
        else:
            groups.append([name, name, 1, text])
    lines = []
    for first, last, count, text in groups:
        begin = f"({first}): " if count == 1 else f"({first}-{last}): {count} x "
        lines.append("  " + begin + text.replace("\n", "\n  "))
    inside = "\n" + "\n".join(lines) + "\n" if lines else module.extra_repr()
    return f"{kind}({inside})"


def many(count, word):
    """A count and its word.

    >>> many(1, "batch"), many(2000, "batch"), many(2, "text")
    ('1 batch', '2,000 batches', '2 texts')
    """
    return f"{count:,} {word}{'' if count == 1 else 'es' if word.endswith('ch') else 's'}"


def dataset(data):
    """A dataset: its kind, how many samples, and of which shapes where it holds tensors."""
    try:
        told = many(len(data), "sample")
    except (TypeError, AttributeError):  # a learner's own, half written
        return f"{type(data).__name__}()"
    if tensors := getattr(data, "tensors", None):
        told += f" of {', '.join(str(t.shape[1:]) for t in tensors)}"
    whole = getattr(data, "dataset", None)
    return f"{type(data).__name__}({told}{'' if whole is None else f' of {len(whole):,}'})"


def loader(batches):
    """A DataLoader: how much there is, and how it is cut."""
    samples, count = many(len(batches.dataset), "sample"), many(len(batches), "batch")
    told = f"{samples} in {count} of {batches.batch_size}"
    words = [name for name in ("shuffle", "drop_last") if getattr(batches, name)]
    return f"{type(batches).__name__}({', '.join([told, *(f'{word}=True' for word in words)])})"


def optimizer(rule):
    """An optimizer: for each group how many numbers it moves, and with which settings."""
    groups = []
    for group in rule.param_groups:
        count = sum(p.numel() for p in group["params"])
        settings = [f"{n}={v}" for n, v in group.items() if n not in ("params", "initial_lr")]
        told = f"{many(count, 'number')} in {many(len(group['params']), 'tensor')}"
        groups.append(", ".join([told, *settings]))
    inside = groups[0] if len(groups) == 1 else "\n  " + "\n  ".join(groups) + "\n"
    return f"{type(rule).__name__}({inside})"


def cache(kept):
    """A KVCache: how full it is, for how many texts and heads, and what it weighs."""
    layers, batch, heads, places, width = kept.keys.shape
    sizes = f"{many(layers, 'layer')}, {many(batch, 'text')}, {many(heads, 'head')} of {width}"
    return f"{type(kept).__name__}({kept.length} of {places} places; {sizes}; {kept.bytes:,} bytes)"


def trainer(training):
    """A Trainer: what it trains, with what, and how far it is."""
    model = type(training.model).__name__
    count = sum(p.numel() for p in training.model.parameters())
    how = type(training.optimizer).__name__
    return f"{type(training).__name__}({model} of {count:,} numbers, {how}, step {training.step})"
