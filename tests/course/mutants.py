"""Wrong solutions of an exercise, by the dozen: changed reference, changed results, wrong ideas.

Every mutant is a function that parses. Those of a kind of the syntax tree change one place of
the solution region; those round the solution (`spoil`) call it and spoil what goes in or comes out;
the wrong ideas are the declared ones. Nothing here is drawn by chance.
"""

import ast
import copy
from dataclasses import dataclass

import numpy as np
import spoil
import variants

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
    calls = spoil.seen_in_check(notebook, exercise)
    changed = [*tree_mutants(function, exercise), *another_input(function, exercise, calls)]
    found = [(TREE, *one) for one in changed]
    found += [(ROUND, *one) for one in spoil.round_mutants(function, calls)]
    found += [(IDEA, *one) for one in idea_mutants(notebook, exercise)]
    known, names, kept = {_key(function)}, {}, []
    for source, what, kind, node in found:
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
                yield where, kind, ast.fix_missing_locations(whole)


def another_input(function, exercise, calls):
    """An input in the place of another of its kind: g for x, T for S."""
    names, region = variants.inputs_of(function), exercise.region
    for node in ast.walk(function):
        if getattr(node, "id", "") in names and region.first < node.lineno < region.last:
            alike = [n for n in names if n != node.id and _are_alike(n, node.id, calls)]
            for new in alike if isinstance(node.ctx, ast.Load) else []:
                where = f"{new} for {node.id} (line {node.lineno - region.first})"
                whole = copy.deepcopy(function, {id(node): ast.Name(new, node.ctx)})
                yield where, "another input", ast.fix_missing_locations(whole)


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


@operator("arithmetic")
def doubled(node, _):
    """The result twice as large, or one of several results."""
    if isinstance(node, ast.Return) and _may_be_numbers(node.value):
        values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        for value in values:
            twice = ast.BinOp(ast.Constant(2), ast.Mult(), value)
            yield copy.deepcopy(node, {id(value): twice}), f"{_short(value)} is doubled"


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
    return {*variants.inputs_of(function), *_made_here(function)}


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


# ---------------------------------------------------------------- declared wrong ideas
def idea_mutants(notebook, exercise):
    """The usual wrong ideas, as declared for the quick checks."""
    for owner, what, node in variants.wrong_ideas(notebook.name):
        if owner == exercise.id:
            function = copy.deepcopy(variants.find(exercise.cell.tree, exercise.qualname))
            function.body = node.body
            yield what, "wrong idea", function
