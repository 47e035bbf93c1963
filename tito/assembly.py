"""A learner's file on a working reference: untouched blanks are given, the rest is theirs.

Both the learner's export and the course's own file are cut into pieces: functions, classes with
their members, assignments. A piece that is still the stub becomes the course's whole function; a
changed one is never filled in; what was deleted comes back; what was added stays.
"""

import ast
import builtins
import json
import re
import symtable
from collections import Counter
from dataclasses import dataclass, field

from tito.notebook import FUNCTIONS, is_text

WIDTH = 100
IMPORTS = (ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class Piece:
    """A statement of a module or of a class, and its lines, decorators included."""

    key: str
    owner: str  # the class that holds it; "" for the module
    node: ast.stmt

    @property
    def first(self):
        return _first(self.node)

    @property
    def last(self):
        return self.node.end_lineno

    @property
    def head(self):
        """The last line of a class before its body."""
        return _first(self.node.body[0]) - 1

    @property
    def is_class(self):
        return isinstance(self.node, ast.ClassDef)


def _first(node):
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


@dataclass
class Mix:
    """A module in which own and given pieces stand together; names are exercises' qualnames."""

    text: str
    yours: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)  # given code that was changed: its keys
    restored: list[str] = field(default_factory=list)  # what was deleted and came back
    unknown: list[str] = field(default_factory=list)  # names used that no exported cell defines
    missing: dict[str, str] = field(default_factory=dict)  # those that are elsewhere: what to do
    added: list[str] = field(default_factory=list)  # what the course does not have
    notes: list[str] = field(default_factory=list)  # what looks odd, in sentences


class Source:
    """A Python text and its pieces by key, in order; `class A: pass` is put on two lines."""

    def __init__(self, text):
        tree = ast.parse(text)
        self.text = _unfolded(text, tree)
        self.lines = self.text.split("\n")
        self.tree = tree if self.text == text else ast.parse(self.text)
        self.pieces = {}
        self._take("", self.tree.body)

    def _take(self, owner, body):
        classes = {node.name: at for at, node in enumerate(body) if isinstance(node, ast.ClassDef)}
        for at, node in enumerate(body):
            name = _name(node)
            if name is None:
                continue
            if at < classes.get(name, 0) and not isinstance(node, ast.ClassDef):
                name = f"({name})"  # the class below takes the name: this hides nothing
            key = stem = f"{owner}.{name}" if owner else name
            count = 1
            while key in self.pieces:
                count += 1
                key = f"{stem}#{count}"
            self.pieces[key] = Piece(key, owner, node)
            if isinstance(node, ast.ClassDef) and not owner:
                self._take(key, node.body)

    def lines_of(self, piece):
        return self.lines[piece.first - 1 : piece.last]

    def code(self, key):
        """The text of a piece."""
        return "\n".join(self.lines_of(self.pieces[key]))

    def bound(self):
        """Every name that the module defines or imports."""
        table = symtable.symtable(self.text, "module", "exec")
        return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def _unfolded(text, tree):
    """The text with a line of its own for the body of a class that stands behind the colon."""
    lines = text.split("\n")
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            body = node.body[0]
            line = lines[body.lineno - 1].encode()  # columns are counted in bytes
            if head := line[: body.col_offset].strip():
                lines[body.lineno - 1] = (head + b"\n    " + line[body.col_offset :]).decode()
    return "\n".join(lines)


def _name(node):
    """What a statement defines; None for imports, docstrings, and `__all__`."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return node.name
    if isinstance(node, IMPORTS) or is_text(node):
        return None
    if isinstance(node, ast.Assign):
        name = " = ".join(ast.unparse(target) for target in node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        name = ast.unparse(node.target)
    elif isinstance(node, ast.Expr):
        name = f"({ast.unparse(node)})"  # a lone `relu` is no second definition of relu
    else:
        name = ast.unparse(node)
    return None if name == "__all__" else name


def shape(node):
    """What a statement does, as text: without its place, and without docstrings.

    Of a class only its head counts: its members are pieces of their own.
    """
    if isinstance(node, ast.ClassDef):
        return ast.dump(ast.ClassDef(node.name, node.bases, node.keywords, [], node.decorator_list))
    if isinstance(node, FUNCTIONS) and is_text(node.body[0]):
        bare = {**vars(node), "body": node.body[1:]}
        node = type(node)(**{name: bare[name] for name in node._fields if name in bare})
    return ast.dump(node)


def assemble(own, reference, stubs):
    """The learner's text on the reference's.

    Args:
        own: what the learner's notebook exports to.
        reference: the course's file of the same module.
        stubs: {exercise's qualname: the shapes that count as untouched}.

    Returns:
        The Mix.
    """
    mine, theirs = Source(own), Source(reference)
    mix, edits = Mix(own), [*_missing_imports(mine, theirs)]
    for key, piece in theirs.pieces.items():
        here = mine.pieces.get(key)
        if here is None:
            owner = mine.pieces.get(piece.owner)
            no_class = owner and not owner.is_class
            if not no_class and (owner or not piece.owner):
                edits.append(_insertion(mine, theirs, piece))
            if key in stubs:
                mix.given.append(key)
            elif not no_class:
                mix.restored.append(key)
        elif key in stubs and shape(here.node) in stubs[key]:
            edits.append((here.first, here.last, fitted(theirs, piece, mine, here)))
            mix.given.append(key)
        elif key in stubs:
            mix.yours.append(key)
            mix.notes += _other_head(key, here.node, piece.node)
        elif shape(here.node) != shape(piece.node):
            mix.edited.append(key)
    mix.edited += _redefined(mine, theirs)
    mix.added = [key for key in mine.pieces if key not in theirs.pieces]
    mix.text = _public(_edited(mine.lines, edits), theirs)
    mix.text, mix.unknown = _with_names(mix.text)
    return mix


def footing(mix, reference):
    """What each exercise runs on, as far as a learner wrote it: {its qualname: a text}.

    That is its own text, and what of theirs is named in it, and in that again. Statements that run
    with the module, and methods that Python calls by itself (`__eq__`), count for every exercise.
    """
    source, own, found = Source(mix.text), list(_own_code(mix, reference)), {}
    for key in (*mix.yours, *mix.given):
        if key not in source.pieces:
            continue  # its class is no class any more
        texts, left, named = [source.code(key)], own, True
        while named:
            words = set(re.findall(r"\w+", "\n".join(texts)))
            named = [(text, names) for text, names in left if not names or words & names]
            left = [other for other in left if other not in named]
            texts += [text for text, _ in named]
        found[key] = "\n".join(texts)
    return found


def _own_code(mix, reference):
    """The learner's code outside of exercises: (text, the names that it is for; none for all)."""
    source, theirs = Source(mix.text), Source(reference)
    known = {ast.unparse(node) for node in theirs.tree.body if isinstance(node, IMPORTS)}
    for node in source.tree.body:
        if isinstance(node, IMPORTS) and ast.unparse(node) not in known:
            yield ast.unparse(node), _bound(node)
    for key in dict.fromkeys([*mix.added, *mix.edited]):
        piece = source.pieces.get(key)
        if piece is None or piece.owner in mix.added:
            continue  # it is in the text of its class
        name = getattr(piece.node, "name", "__")
        head = piece.is_class and key in mix.edited  # its members are pieces of their own
        last = piece.head if head else piece.last
        text = "\n".join(source.lines[piece.first - 1 : last])
        yield text, set() if name.startswith("__") else {name}


def _bound(node):
    """The names that an import makes."""
    return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}


def _other_head(key, here, piece):
    """What was changed in the lines above a solution: its decorators, its parameters."""
    if not isinstance(here, FUNCTIONS):
        yield f"{key} is no function any more, and should be one"
        return
    mine, theirs = ({ast.unparse(d) for d in n.decorator_list} for n in (here, piece))
    if gone := theirs - mine:
        yield f"{key}: the line `@{min(gone)}` above it is gone"
    mine, theirs = (
        [a.arg for a in ast.walk(n.args) if isinstance(a, ast.arg)] for n in (here, piece)
    )
    if mine != theirs:
        yield f"{key} takes ({', '.join(mine)}), and should take ({', '.join(theirs)})"


def give(text, reference, keys):
    """The text with these pieces taken from the reference; what a class of it lacks comes back."""
    mine, theirs = Source(text), Source(reference)
    edits = []
    for key in keys:
        here, piece = mine.pieces.get(key), theirs.pieces.get(key)
        if here and piece and here.is_class and piece.is_class:  # the members are pieces too
            edits.append((here.first, here.head, theirs.lines[piece.first - 1 : piece.head]))
        elif here and piece:
            edits.append((here.first, here.last, fitted(theirs, piece, mine, here)))
        elif here and "#" in key:  # a second definition that hides the given one
            edits.append((here.first, here.last, []))
        elif piece and (owner := mine.pieces.get(piece.owner)) and owner.is_class:
            edits.append(_insertion(mine, theirs, piece))
    return _edited(mine.lines, edits)


def additions(text, reference):
    """What a learner added to a module: imports, and statements that hide nothing given."""
    mine, theirs = Source(text), Source(reference)
    new = {id(p.node) for k, p in mine.pieces.items() if k.partition("#")[0] not in theirs.pieces}
    imports = [node for node in theirs.tree.body if isinstance(node, IMPORTS)]
    known = {_BLANK, *map(ast.unparse, imports)}
    told = [(node, ast.unparse(node)) for node in mine.tree.body]
    added = [x for n, x in told if id(n) in new or (isinstance(n, IMPORTS) and x not in known)]
    return list(dict.fromkeys(added))


def without(text, statements):
    """The text without these statements of the module, which `additions` has told."""
    source = Source(text)
    gone = [node for node in source.tree.body if ast.unparse(node) in statements]
    first = {id(piece.node): piece.first for piece in source.pieces.values()}
    return _edited(source.lines, [(first.get(id(n), n.lineno), n.end_lineno, []) for n in gone])


def fitted(theirs, piece, mine, here):
    """The reference's lines, indented as the learner indents `here`: with two blanks, or tabs."""
    lines = theirs.lines_of(piece)
    was, now = (_indent(source.lines[p.first - 1]) for source, p in ((theirs, piece), (mine, here)))
    if was and now:
        return [re.sub(f"^({was})+", lambda m: now * (len(m[0]) // len(was)), x) for x in lines]
    return [now + line.removeprefix(was) if line.strip() else line for line in lines]


def _indent(line):
    return line[: len(line) - len(line.lstrip())]


def _insertion(mine, theirs, piece):
    """Where a deleted piece comes back: after the nearest piece before it that is still there."""
    space = [""] if piece.owner else ["", ""]
    before = None
    for other in theirs.pieces.values():
        if other.key == piece.key:
            break
        here = mine.pieces.get(other.key)
        if here and here.owner == other.owner == piece.owner:
            before = here
    lines, owner = theirs.lines_of(piece), mine.pieces.get(piece.owner)
    if owner:
        first = Piece("", owner.key, owner.node.body[0])
        lines = fitted(theirs, piece, mine, first)
    if before:
        return before.last + 1, before.last, [*space, *lines]
    if owner:
        at = first.last if is_text(first.node) else owner.head
        return at + 1, at, [*lines, *space]
    at = _top(mine)
    return at + 1, at, [*space, *lines, ""]


def _top(source):
    """The last line of the docstring, of `__all__` and of the imports at the top of a module."""
    at = 0
    for node in source.tree.body:
        if not (isinstance(node, IMPORTS) or _name(node) is None):
            break
        at = node.end_lineno
    return at


def _missing_imports(mine, theirs):
    """The reference's imports of names that the learner's text does not have any more."""
    bound = mine.bound()
    for node in theirs.tree.body:
        if isinstance(node, IMPORTS) and _bound(node) - bound:
            at = _top(mine)
            yield at + 1, at, theirs.lines[node.lineno - 1 : node.end_lineno]


def _redefined(mine, theirs):
    """Given functions that a later definition of the learner's hides."""
    later = [key for key in mine.pieces if "#" in key and key not in theirs.pieces]
    return [key for key in later if key.partition("#")[0] in theirs.pieces]


def _edited(lines, edits):
    """The text after replacing each (first, last, new lines); last < first only inserts."""
    result = list(lines)
    for index in sorted(range(len(edits)), key=lambda i: (edits[i][0], i), reverse=True):
        first, last, new = edits[index]
        result[first - 1 : last] = new
    return "\n".join(result)


def _public(text, theirs):
    """The text with an `__all__` that has the reference's names, and then the learner's."""
    mine = Source(text)
    nodes = [n for n in mine.tree.body if isinstance(n, ast.Assign)]
    named = [n for n in nodes if ast.unparse(n.targets[0]) == "__all__"]
    if not named:
        return text
    wanted = next(
        (ast.literal_eval(n.value) for n in theirs.tree.body if _assigns_all(n)),
        [],
    )
    names = dict.fromkeys([*wanted, *ast.literal_eval(named[0].value)])
    lines = all_line(list(names)).split("\n")
    return _edited(mine.lines, [(named[0].lineno, named[0].end_lineno, lines)])


def all_line(names):
    """The assignment of `__all__`, on one line if it fits."""
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    line = f"__all__ = [{', '.join(quoted)}]"
    if len(line) > WIDTH:
        line = "\n".join(["__all__ = [", *(f"    {name}," for name in quoted), "]"])
    return line


def _assigns_all(node):
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _with_names(text):
    """The text with `Blank` imported if it is used, and the names that nothing defines."""
    unknown = undefined(text)
    if "Blank" in unknown:
        source = Source(text)
        text = _edited(source.lines, [(_top(source) + 1, _top(source), [_BLANK])])
        unknown.remove("Blank")
    return text, unknown


_BLANK = "from .course import Blank"


def undefined(text):
    """The global names that a module uses and nowhere defines, imports or takes from Python."""
    table = symtable.symtable(text, "module", "exec")
    defined = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    used, tables = Counter(), [table]
    while tables:
        here = tables.pop()
        tables += here.get_children()
        top = here is table
        used.update(
            s.get_name()
            for s in here.get_symbols()
            if s.is_referenced() and (s.is_global() or (top and not s.is_assigned()))
        )
    known = {*defined, *dir(builtins), "__file__", "__name__"}
    return sorted(name for name in used if name not in known)
