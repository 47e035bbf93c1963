"""A notebook of the course: its cells, and the exercises that they hold."""

import ast
import contextlib
import io
import json
import re
import tokenize
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tito import TitoError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
DIRECTIVE = re.compile(r"#\| (default_exp|export)(?: +(\S+))?")
LIKE_DIRECTIVE = re.compile(r"#\s*\|")  # what nbdev takes for a directive at the top of a cell
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
WARNED = "Python warns of this, and the tests take it for a mistake:"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_text(node):
    """True for a docstring, or any other constant that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@dataclass(frozen=True)
class Problem:
    """One reason not to export a notebook, and where it stands."""

    notebook: str
    reason: str
    cell: str | None = None
    line: int | None = None

    def __str__(self):
        places = [self.notebook]
        places += [f"cell {self.cell}"] if self.cell else []
        places += [f"line {self.line}"] if self.line else []
        return f"{', '.join(places)}: {self.reason}"


class Refused(TitoError):
    """Notebooks with problems; the message lists every one."""

    def __init__(self, problems):
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n  ".join([f"{count}, so nothing was written:", *map(str, problems)]))


@dataclass(frozen=True)
class Region:
    """A solution in a cell: the lines of its two markers, counted from 1."""

    first: int
    last: int


@dataclass(frozen=True)
class Exercise:
    """A function or method whose body, or a part of it, is for the learner to write."""

    id: str
    qualname: str
    cell: "Cell"
    region: Region


@dataclass(frozen=True)
class Cell:
    """One cell of a notebook, as it stands in the file."""

    id: str
    kind: str
    source: str
    metadata: dict

    @cached_property
    def lines(self):
        return self.source.split("\n")

    @cached_property
    def top(self):
        """How many leading lines hold only directives and blanks: nbdev looks no further."""
        for index, line in enumerate(self.lines):
            if line.strip() and not LIKE_DIRECTIVE.match(line.strip()):
                return index
        return len(self.lines)

    @cached_property
    def directives(self):
        """The well-formed directives at the top: (line, name, value or None)."""
        found = [DIRECTIVE.fullmatch(line.rstrip()) for line in self.lines[: self.top]]
        return [(at, match[1], match[2]) for at, match in enumerate(found, start=1) if match]

    @property
    def exported(self):
        return self.kind == "code" and any(name == "export" for _, name, _ in self.directives)

    @cached_property
    def tree(self):
        """The cell's syntax tree. Raises SyntaxError, also for what Python only warns of.

        The tests of a module take a warning for a failure, so it is told where it stands.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                compile(self.source, self.id, "exec", dont_inherit=True)
                return ast.parse(self.source)
        except SyntaxError as error:
            with contextlib.suppress(SyntaxError), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(self.source, self.id, "exec", dont_inherit=True)
                error.msg = f"{WARNED} {error.msg}"
            raise
        except (ValueError, RecursionError, MemoryError) as error:  # a NUL, a thousand brackets
            why = str(error) or "an expression is too long or too deep"
            raise SyntaxError(why, (self.id, 0, 0, self.source)) from None  # no line is named

    @property
    def is_python(self):
        with contextlib.suppress(SyntaxError):
            return bool(self.tree)
        return False

    def mentions(self, qualname):
        """True if its text seems to define a name, be it Python or not."""
        *owners, name = map(re.escape, qualname.split("."))
        signs = [rf"\bclass\s+{owner}\b" for owner in owners]
        signs += [rf"\b(def|class)\s+{name}\b|^{name}\s*=|\bimport\b.*\b{name}\b"]
        return all(re.search(sign, self.source, re.MULTILINE) for sign in signs)

    @cached_property
    def functions(self):
        """(qualname, node) of its functions and its classes' methods; none if it is broken."""
        try:
            body = self.tree.body
        except SyntaxError:
            return []
        nodes = [("", node) for node in body]
        nodes += [(f"{c.name}.", n) for c in body if isinstance(c, ast.ClassDef) for n in c.body]
        return [(at + node.name, node) for at, node in nodes if isinstance(node, FUNCTIONS)]

    @cached_property
    def comments(self):
        """Every comment: (line, text, whether it stands alone on its line)."""
        source = self.source.encode("utf-8", "replace").decode()  # half an emoji becomes "?",
        source = source.replace("\0", "?")  # and so does a NUL: newer tokenizers stumble over both
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        try:  # not a list of all tokens: each holds a copy of its line
            return [
                (token.start[0], token.string.rstrip(), not token.line[: token.start[1]].strip())
                for token in tokens
                if token.type == tokenize.COMMENT
            ]
        except (tokenize.TokenError, SyntaxError):  # not Python: go by the lines
            lines = [(at, line.strip(), True) for at, line in enumerate(self.lines, start=1)]
            return [line for line in lines if line[1].startswith("#")]

    @cached_property
    def regions(self):
        """The solution regions that are opened and closed."""
        found, begin = [], None
        for at, text, _ in self.comments:
            if text == BEGIN:
                begin = at
            elif text == END and begin:
                found.append(Region(begin, at))
                begin = None
        return found

    def statements(self, region):
        """The statements that begin in a region."""
        nodes = [node for node in ast.walk(self.tree) if isinstance(node, ast.stmt)]
        return [node for node in nodes if region.first < node.lineno < region.last]

    def holder(self, region):
        """(qualname, node) of the function that holds a region; None if none holds all of it."""
        for qualname, function in self.functions:
            inside = self.statements(region)
            if inside and set(inside) <= set(ast.walk(function)) - {function}:
                return qualname, function
        return None

    def given(self):
        """The source without solution markers."""
        markers = {at for region in self.regions for at in (region.first, region.last)}
        return "\n".join(line for at, line in enumerate(self.lines, 1) if at not in markers)

    def blanked(self, exercises):
        """The source with these exercises of the cell left to be written."""
        lines = list(self.lines)
        for exercise in sorted(exercises, key=lambda e: e.region.first, reverse=True):
            first, last = exercise.region.first, exercise.region.last
            indent = re.match(r"\s*", lines[first - 1])[0]
            blank = [f"{indent}# Your code here.", f'{indent}raise Blank("{exercise.id}")']
            lines[first - 1 : last] = blank
        return "\n".join(lines)


@dataclass(frozen=True)
class Notebook:
    """A notebook that could be read; tito.refusals says whether it can be exported."""

    name: str
    label: str
    cells: tuple[Cell, ...]
    data: dict

    @property
    def code(self):
        return [cell for cell in self.cells if cell.kind == "code"]

    @property
    def exported(self):
        return [cell for cell in self.cells if cell.exported]

    @cached_property
    def exercises(self):
        """The exercises in reading order."""
        held = [(cell, r, cell.holder(r)) for cell in self.exported for r in cell.regions]
        return [
            Exercise(f"{self.name}.{holder[0]}", holder[0], cell, region)
            for cell, region, holder in held
            if holder
        ]

    def blanked(self, *ids):
        """The notebook's JSON text with the named exercises blank, or all if none is named.

        Raises:
            TitoError: the notebook has no exercise of that id.
        """
        if unknown := set(ids) - {exercise.id for exercise in self.exercises}:
            raise TitoError(f"{self.label} has no exercise {', '.join(sorted(unknown))}")
        cells = []
        for cell, raw in zip(self.cells, self.data["cells"], strict=True):
            here = [e for e in self.exercises if e.cell is cell and (not ids or e.id in ids)]
            text = cell.blanked(here)
            source = re.findall(r".*\n|.+", text) if isinstance(raw["source"], list) else text
            cells.append({**raw, "source": source} if here else raw)
        return json.dumps({**self.data, "cells": cells}, indent=1, ensure_ascii=False) + "\n"


def read(path, label):
    """Read a notebook that will be called `label` in every message.

    Raises:
        Refused: it is no notebook of format 4.5 whose cells have an id each.
    """
    return _read(path, label, _json)


def read_learners(path, label):
    """Read a notebook that a learner's editor wrote; what every editor may do is put right.

    A byte-order mark and carriage returns go, cells without an id of their own are numbered, and
    a notebook whose first cell is gone gets its target back. The data stay as they were.

    Raises:
        Refused: it is no notebook.
    """
    book = _read(path, label, _learners_json)
    if any(name == "default_exp" for cell in book.code for _, name, _ in cell.directives):
        return book
    target = Cell("target", "code", f"#| default_exp {book.name}", {})
    return Notebook(book.name, label, (target, *book.cells), book.data)


def _read(path, label, load):
    path = Path(path)
    try:
        data, raws = load(path.read_bytes())
        cells = tuple(_cell(raw, number) for number, raw in enumerate(raws, start=1))
    except OSError as error:
        raise TitoError(f"{label} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Refused([Problem(label, str(error))]) from None
    return Notebook(path.stem, label, cells, data)


def _learners_json(content):
    data = _parsed(content.removeprefix(b"\xef\xbb\xbf"))
    cells = data.get("cells") if isinstance(data, dict) else None
    if not isinstance(cells, list):
        raise ValueError("it is no notebook: it has no list of cells")
    taken = set()
    return data, [_mended(raw, number, taken) for number, raw in enumerate(cells, 1)]


def _mended(raw, number, taken):
    """A cell with plain line ends and an id of its own, if it is a cell at all."""
    if not isinstance(raw, dict):
        return raw
    source, name = raw.get("source"), raw.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name) or name in taken:
        name = f"cell-{number}"
    taken.add(name)
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if isinstance(source, str):
        source = plain(source)
    return {**raw, "id": name, "source": source}


def plain(source):
    """A text with the line ends that Python counts by."""
    return source.replace("\r\n", "\n").replace("\r", "\n")


def _json(content):
    """The notebook as JSON says it, its outer form checked."""
    if content.startswith(b"\xef\xbb\xbf"):
        raise ValueError("it begins with a byte-order mark: save it as plain UTF-8")
    data = _parsed(content)
    if not isinstance(data, dict) or data.get("nbformat") != 4 or _minor(data) < 5:
        raise ValueError("it is not a notebook of format 4.5: open it in JupyterLab and save it")
    if not isinstance(data.get("cells"), list):
        raise ValueError("it has no list of cells")
    if "nbdev" in (data.get("metadata") or {}):
        raise ValueError("its metadata holds nbdev directives: write them in the cells")
    return data, data["cells"]


def _parsed(content):
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8: {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg}, line {error.lineno}") from None
    except RecursionError:
        raise ValueError("it is not JSON: its brackets go too deep") from None
    except ValueError as error:
        raise ValueError(f"it is not JSON that Python reads: {error}") from None


def _minor(data):
    minor = data.get("nbformat_minor")
    return minor if isinstance(minor, int) else 0


def _cell(raw, number):
    """One cell as JSON says it, its form checked."""
    if not isinstance(raw, dict) or raw.get("cell_type") not in ("code", "markdown", "raw"):
        raise ValueError(f"cell number {number} is neither code nor markdown nor raw")
    source, name = raw.get("source"), raw.get("id")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        raise ValueError(f"cell number {number} has no source")
    if name is None:
        raise ValueError(f"cell number {number} has no id: give it a readable one")
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise ValueError(f"cell number {number} has the id {name!r}: use A-Z, a-z, 0-9, - and _")
    return Cell(name, raw["cell_type"], source, raw.get("metadata") or {})
