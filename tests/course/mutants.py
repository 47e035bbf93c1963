"""Wrong solutions of an exercise, by the dozen: changed reference, changed results, wrong ideas.

Every mutant is a function that parses. Those of a kind of the syntax tree change one place of
the solution region; those round the solution call it and spoil what goes in or comes out; the
wrong ideas are the declared ones. Nothing here is drawn by chance.
"""

import ast
import copy
import textwrap
from dataclasses import dataclass

import numpy as np
import variants

from tinytorch.tensor import Tensor

TREE, ROUND, IDEA = "tree", "round", "idea"  # where a mutant comes from
OPERATORS = []  # (kind, function from a node to its replacements)


@dataclass(frozen=True)
class Mutant:
    """One wrong solution: what is wrong, of which kind and source, and the function's tree."""

    exercise: str
    what: str
    kind: str
    source: str
    function: ast.FunctionDef

    @property
    def name(self):
        return f"{self.exercise}: {self.what}"

    @property
    def label(self):
        """What a report says of it."""
        return {"name": self.name, "kind": self.kind, "source": self.source}

    @property
    def variant(self):
        """For `variants.outcome`."""
        return variants.wrong(self.function)


def mutants_of(notebook, exercise):
    """All mutants of an exercise: none twice, and none that is the reference."""
    function = _folded(variants.find(exercise.cell.tree, exercise.qualname))
    calls = seen_in_check(notebook, exercise)
    found = [
        *tree_mutants(function, exercise),
        *another_input(function, exercise, calls),
        *round_mutants(function, calls),
        *idea_mutants(notebook, exercise),
    ]
    known, names, kept = {_key(function)}, {}, []
    for what, kind, source, node in found:
        key = _key(node)
        if key not in known and _compiles(node):
            known.add(key)
            names[what] = names.get(what, 0) + 1
            what = what if names[what] == 1 else f"{what} #{names[what]}"
            kept.append(Mutant(exercise.id, what, kind, source, node))
    return kept


def _key(function):
    """What the function does, as text: two mutants of one key are one mutant."""
    return "\n".join(ast.unparse(node) for node in variants.body_and_doc(_folded(function))[0])


def _compiles(function):
    try:
        alone = ast.Module([ast.parse(ast.unparse(function)).body[0]], [])
        alone.body[0].decorator_list = []
        compile(ast.fix_missing_locations(alone), "mutant", "exec")
    except SyntaxError:
        return False
    return True


class _Fold(ast.NodeTransformer):
    """-1 is a number, not the negative of 1."""

    def visit_UnaryOp(self, node):
        self.generic_visit(node)
        if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
            return ast.copy_location(ast.Constant(-node.operand.value), node)
        return node


def _folded(function):
    return _Fold().visit(copy.deepcopy(function))


# ---------------------------------------------------------------- kinds of the syntax tree
def operator(kind):
    """Enter a function from (node, whole function) to replacements: nodes, or (node, words)."""

    def enter(function):
        OPERATORS.append((kind, function))
        return function

    return enter


def tree_mutants(function, exercise):
    """One change at one place of the region, for each place and operator that fit."""
    first, last = exercise.region.first, exercise.region.last
    inside = [n for n in ast.walk(function) if first < getattr(n, "lineno", first) < last]
    for kind, mutate in OPERATORS:
        for node in inside:
            for new in mutate(node, function):
                new, words = new if isinstance(new, tuple) else (new, "")
                words = words or f"{_short(node)} becomes {_short(new)}"
                where = f"{words} (line {node.lineno - first})"
                whole = copy.deepcopy(function, {id(node): new})
                yield where, kind, TREE, ast.fix_missing_locations(whole)


def another_input(function, exercise, calls):
    """An input in the place of another of its kind: g for x, T for S."""
    names, region = _inputs(function), exercise.region
    for node in ast.walk(function):
        if getattr(node, "id", "") in names and region.first < node.lineno < region.last:
            alike = [n for n in names if n != node.id and _are_alike(n, node.id, calls)]
            for new in alike if isinstance(node.ctx, ast.Load) else []:
                where = f"{new} for {node.id} (line {node.lineno - region.first})"
                whole = copy.deepcopy(function, {id(node): ast.Name(new, node.ctx)})
                yield where, "another input", TREE, ast.fix_missing_locations(whole)


def _are_alike(first, second, calls):
    """True if two inputs were once of one type and one number of dimensions."""
    pairs = [(inputs[first], inputs[second]) for _, inputs in calls]
    return any(type(a) is type(b) and np.ndim(a) == np.ndim(b) for a, b in pairs)


def _short(node):
    lines = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).splitlines()
    return lines[0] + (" ..." if len(lines) > 1 else "")


SWAPS = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}


@operator("comparison")
def comparison(node, _):
    """< becomes <= or >, == becomes !=, in becomes not in, ..."""
    if isinstance(node, ast.Compare):
        for op in SWAPS[type(node.ops[0])]:
            yield ast.Compare(node.left, [op(), *node.ops[1:]], node.comparators)


@operator("arithmetic")
def arithmetic(node, _):
    """+ becomes -, * becomes / or +, & becomes |, and so on, also in place."""
    if isinstance(node, ast.BinOp):
        for op in SWAPS.get(type(node.op), ()):
            yield ast.BinOp(node.left, op(), node.right)
    if isinstance(node, ast.AugAssign):
        for op in SWAPS.get(type(node.op), ()):
            yield ast.AugAssign(node.target, op(), node.value)
    if isinstance(node, ast.BoolOp):
        yield ast.BoolOp(SWAPS[type(node.op)][0](), node.values)
    if isinstance(node, ast.UnaryOp):
        yield node.operand


@operator("constant")
def constant(node, _):
    """A whole number one more or less, a real number ten times as large or 0, True for False."""
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield ast.Constant(node.value + 1)
        yield ast.Constant(node.value - 1)
    elif isinstance(node.value, float):
        yield ast.Constant(10 * node.value)
        yield ast.Constant(0.0)


@operator("constant")
def nothing(node, _):
    """Zero for None, where it is assigned."""
    if isinstance(node, ast.Assign) and getattr(node.value, "value", 0) is None:
        yield ast.Assign(node.targets, ast.Constant(0))


ALONG_THE_LAST = ("sort", "argsort", "take_along_axis")  # axis=-1 is what they do anyway


@operator("keyword dropped")
def keyword(node, _):
    """A call without one of its keywords."""
    if isinstance(node, ast.Call):
        for at, one in enumerate(node.keywords):
            if one.arg == "axis" and _called(node) in ALONG_THE_LAST and _short(one) == "axis=-1":
                continue
            rest = [*node.keywords[:at], *node.keywords[at + 1 :]]
            yield ast.Call(node.func, node.args, rest), f"{_short(one)} is dropped"


@operator("statement dropped")
def statement(node, function):
    """A statement less, unless a name would be missing later."""
    if isinstance(node, ast.stmt) and not _is_needed(node, function):
        yield ast.Pass(), f"{_short(node)} is dropped"
    if isinstance(node, ast.AugAssign):
        target = copy.deepcopy(node.target)
        yield ast.Assign([target], node.value)


def _is_needed(node, function):
    """True of the last return, the first value of a name, and all that an `if` holds."""
    if node is function.body[-1] and isinstance(node, ast.Return):
        return True
    before = {a.arg for a in function.args.args + function.args.kwonlyargs}
    for other in ast.walk(function):
        if isinstance(other, ast.Name) and isinstance(other.ctx, ast.Store):
            before |= {other.id} if other.lineno < node.lineno else set()
        if isinstance(other, ast.If) and other.body == [node] and not other.orelse:
            return True
    return any(
        isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) and part.id not in before
        for part in ast.walk(node)
    )


@operator("statement dropped")
def on_a_copy(node, function):
    """`x -= y` becomes `x = x - y`, which leaves the caller's array as it was."""
    made = _made_here(function)
    if isinstance(node, ast.AugAssign) and getattr(node.target, "id", "") not in made:
        value = copy.deepcopy(node.target)
        value.ctx = ast.Load()
        yield ast.Assign([node.target], ast.BinOp(value, node.op, node.value))


def _made_here(function):
    """The names that the function itself gives a value: nobody else would notice a change."""
    assigned = [node for node in ast.walk(function) if isinstance(node, ast.Assign)]
    parts = [part for node in assigned for target in node.targets for part in ast.walk(target)]
    return {part.id for part in parts if isinstance(part, ast.Name)}


@operator("operand dropped")
def operand(node, _):
    """One side only of a sum, a product, `and`, `or`."""
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right
    if isinstance(node, ast.BoolOp):
        for at in range(len(node.values)):
            rest = [*node.values[:at], *node.values[at + 1 :]]
            yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


@operator("negated")
def negated(node, _):
    """The result, one of several results, or what is added or assigned, with the wrong sign."""
    if isinstance(node, ast.Return | ast.Assign | ast.AugAssign) and _may_be_numbers(node.value):
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for value in values:
            minus = ast.UnaryOp(ast.USub(), value)
            yield copy.deepcopy(node, {id(value): minus}), f"{_short(value)} gets a minus"


NOT_NEGATED = ("tuple", "list", "set", "join", "decode", "zeros", "permutation")


def _may_be_numbers(value):
    texts_and_lists = (ast.List, ast.ListComp, ast.Dict, ast.DictComp, ast.Compare, ast.BoolOp)
    if isinstance(value, ast.Call) and _called(value) in NOT_NEGATED:
        return False
    others = (ast.Constant, ast.UnaryOp)
    return value is not None and not isinstance(value, (*texts_and_lists, *others))


@operator("condition")
def condition(node, _):
    """A condition turned round, taken as always true, or never asked."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        new = copy.copy(node)
        new.test = ast.UnaryOp(ast.Not(), node.test)
        yield new, f"{_short(node.test)} is negated"
    if isinstance(node, ast.If):
        yield ast.If(ast.Constant(1), node.body, []), f"{_short(node.test)} is not asked"
        if node.orelse:
            yield ast.If(ast.Constant(1), node.orelse, []), f"{_short(node.test)} is never so"
    if isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.SetComp):
        for part in node.generators:
            for test in part.ifs:
                others = [one for one in part.ifs if one is not test]
                new = ast.comprehension(part.target, part.iter, others, 0)
                yield copy.deepcopy(node, {id(part): new}), f"`if {_short(test)}` is dropped"


SYMMETRIC = ("swapaxes", "transpose", "vdot", "vecdot", "maximum", "minimum", "max", "min")
WITH_A_TYPE = ("isinstance", "getattr", "hasattr")


@operator("arguments swapped")
def swapped(node, _):
    """b @ a for a @ b, b / a for a / b, f(b, a) for f(a, b), (b, a) for (a, b)."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult | ast.Sub | ast.Div):
        yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node, ast.Call) and _called(node) not in SYMMETRIC + WITH_A_TYPE:
        for args in _neighbours(node.args):
            yield ast.Call(node.func, args, node.keywords)
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
        for elements in _neighbours(node.elts):
            yield ast.Tuple(elements, node.ctx)


def _called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def _neighbours(items):
    for at in range(len(items) - 1):
        yield [*items[:at], items[at + 1], items[at], *items[at + 2 :]]


KEPT = ("range", "isinstance", "len", "enumerate", "items", "values", "get", "index", "zeros")


@operator("call dropped")
def call(node, function):
    """x for f(x) and for x.f(), and x for x.T."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield node.value
    if not isinstance(node, ast.Call) or _called(node) in KEPT:
        return
    owner = getattr(node.func, "value", None)  # x of x.f(), None of f(x)
    if owner and not (isinstance(owner, ast.Name) and owner.id not in _local(function)):
        yield owner
    elif node.args and not isinstance(node.args[0], ast.Starred | ast.GeneratorExp):
        yield node.args[0]


def _local(function):
    """The names that belong to the function: its inputs and what it makes."""
    return {*_inputs(function), *_made_here(function)}


@operator("slice")
def shifted(node, _):
    """a[i + 1:] for a[i:], a[:j - 1] for a[:j], a[i + 1] for a[i], and a for a[...]."""
    if isinstance(node, ast.Slice):
        for name, sign in (("lower", ast.Add()), ("upper", ast.Sub())):
            end = getattr(node, name)
            if end is not None:
                new = copy.copy(node)
                setattr(new, name, ast.BinOp(end, sign, ast.Constant(1)))
                yield new
        for name in ("lower", "upper", "step"):
            if getattr(node, name) is not None:
                new = copy.copy(node)
                setattr(new, name, None)
                yield new
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        if getattr(node.value, "attr", "") != "shape":
            yield node.value
        if isinstance(node.slice, ast.Name):
            further = ast.BinOp(node.slice, ast.Sub(), ast.Constant(1))
            yield ast.Subscript(node.value, further, node.ctx)


@operator("loop")
def cut(node, _):
    """A loop that leaves out its first or its last round."""
    if isinstance(node, ast.For):
        for slice_, words in _ends():
            yield copy.deepcopy(node, {id(node.iter): _part(node.iter, slice_)}), words
    if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp | ast.SetComp):
        for part in node.generators:
            for slice_, words in _ends():
                new = {id(part.iter): _part(part.iter, slice_)}
                yield copy.deepcopy(node, new), f"{words} of {_short(part.iter)}"


def _ends():
    yield ast.Slice(ast.Constant(1), None), "leaves out the first"
    yield ast.Slice(None, ast.Constant(-1)), "leaves out the last"


def _part(iterable, slice_):
    items = ast.Call(ast.Name("list", ast.Load()), [iterable], [])
    return ast.Subscript(items, slice_, ast.Load())


# ---------------------------------------------------------------- kinds round the solution
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
        names = ", ".join(f"{a}={a}" for a in _inputs(function))
        text = f"import mutants\nreturn mutants.see({{call}}, dict({names}))"
        function.body = variants.around(function, text).body
        return tree

    seen.clear()
    variants.outcome(notebook, exercise, probe)
    return list(seen)


def _inputs(function):
    arguments = function.args
    names = [a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]
    return [name for name in names if name != "self"]


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


def round_mutants(function, calls):
    """What can be spoilt without a look at how the solution works."""
    makers = (_result_mutants, _memory_mutants, _part_mutants, _input_mutants)
    makers += (_default_mutants, _effect_mutants)
    for maker in makers:
        for what, kind, text in maker(function, calls):
            yield what, kind, ROUND, variants.around(function, textwrap.dedent(text))


def _result_mutants(function, calls):
    """The result in the right form with the wrong numbers, or the right numbers in a wrong form."""
    for how, (kind, _) in RESULTS.items():
        if any(differs(result, spoilt(how, result)) for result, _ in calls):
            yield how, kind, f"import mutants\nreturn mutants.spoilt({how!r}, {{call}})"


def _memory_mutants(function, calls):
    """The first answer once and for all."""
    results = [result for result, _ in calls if result is not None]
    if any(differs(result, results[0]) for result in results):
        text = "import mutants\nreturn mutants.first_answer({call})"
        yield "gives its first answer again", "wrong values", text


def _part_mutants(function, calls):
    """One of several results zero or None: a rule that forgets the gradient of one input."""
    sizes = {len(result) for result, _ in calls if isinstance(result, tuple)}
    if len(sizes) == 1 and any("g" in inputs for _, inputs in calls):
        for at in range(*sizes):
            for how in ("zeros", "None"):
                text = f"import mutants\nreturn mutants.part_spoilt({at}, {how!r}, {{call}})"
                yield f"gives {how} for gradient {at + 1}", "forgets a gradient", text


def _input_mutants(function, calls):
    """The first input given back, and each input changed behind the caller's back."""
    names = _inputs(function)
    if names and any(differs(inputs[names[0]], result) for result, inputs in calls):
        yield f"gives back {names[0]}", "gives its input", f"return {names[0]}"
    for name in names:
        values = [inputs[name] for _, inputs in calls]
        if any(isinstance(v, np.ndarray | Tensor | list | dict) for v in values):
            text = f"import mutants\nresult = {{call}}\nmutants.damage({name})\nreturn result"
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
        names = _inputs(function)
        yield "does it twice", "wrong values", "{call}\nreturn {call}"
        copies = f"import mutants\n{', '.join(names)}, = mutants.copied({', '.join(names)})"
        yield "works on copies", "no effect", f"{copies}\nreturn {{call}}"


def _gives_self(function):
    last = function.body[-1]
    return isinstance(last, ast.Return) and getattr(last.value, "id", "") == "self"


# ---------------------------------------------------------------- declared wrong ideas
def idea_mutants(notebook, exercise):
    """The usual wrong ideas, as declared for the quick checks."""
    for owner, what, node in variants.wrong_ideas(notebook.name):
        if owner == exercise.id:
            function = copy.deepcopy(variants.find(exercise.cell.tree, exercise.qualname))
            function.body = node.body
            yield what, "wrong idea", IDEA, function
