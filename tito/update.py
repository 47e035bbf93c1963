"""A newer course comes into a workspace: its changes and the learner's, side by side.

Three versions of every notebook are known: as it was written (base), as the learner has it
(mine), and as the course has it now (new). Cells are told apart by their ids, lines inside a cell
by comparing. What both changed is a conflict: the learner's cell stays, and the new one is shown
below it as text.
"""

import difflib
import json
import re
from dataclasses import dataclass, field

from tito.assembly import Source
from tito.files import dumps
from tito.notebook import is_text


@dataclass
class Merge:
    """The merged notebook, and what happened to it."""

    text: str
    conflicts: list[str] = field(default_factory=list)  # ids of cells that both sides changed


def merge(base, mine, new):
    """The learner's notebook with what the course changed; all three are JSON texts."""
    old = _by_id(json.loads(base)["cells"])
    theirs, ours = (_by_id(json.loads(text)["cells"], old) for text in (new, mine))
    result, conflicts = {}, []
    for name, cell in ours.items():
        if name not in theirs:
            if name not in old or source(cell) != source(old[name]):
                result.setdefault(name, cell)  # the learner's, or changed by them and dropped since
            continue
        before = source(old[name]) if name in old else source(cell)
        merged = merged_cell(before, source(cell), source(theirs[name]))
        result[name] = _named(cell if merged is None else _with(cell, merged), theirs[name])
        if merged is None:
            conflicts.append(name)
            result[f"{name}-new"] = _shown(theirs[name])
    for at, name in enumerate(theirs):
        if name not in ours and name not in old:
            before = [other for other in list(theirs)[:at] if other in result]
            result = _inserted(result, before[-1] if before else None, name, theirs[name])
    return Merge(dumps({**json.loads(mine), "cells": list(result.values())}), conflicts)


def _by_id(cells, old=None):
    """{name: cell}: its id; without one of the old, that of the old cell it was; or a number."""
    old = old or {}
    texts = {source(cell): name for name, cell in old.items()}
    heads = {_functions(cell): name for name, cell in old.items() if _functions(cell)}
    ids = {cell.get("id") for cell in cells}
    found = {}
    for number, cell in enumerate(cells, 1):
        was = texts.get(source(cell)) or heads.get(_functions(cell))
        known = cell.get("id") in old or was in ids or was in found
        name = (None if known else was) or cell.get("id") or f"cell-{number}"
        while name in found:  # two cells with one id
            name = f"{name}-{number}"
        found[name] = cell
    return found


def _functions(cell):
    """The names that a cell defines, as far as its first columns tell."""
    return tuple(re.findall(r"^(?:def|class) +(\w+)", source(cell), re.MULTILINE))


def _inserted(cells, before, name, cell):
    """The cells with one more, after the cell `before`, or at the top."""
    result = {} if before else {name: cell}
    for other, found in cells.items():
        result[other] = found
        if other == before:
            result[name] = cell
    return result


def source(cell):
    """The text of a cell, however the editor stored it."""
    text = cell["source"]
    return (text if isinstance(text, str) else "".join(text)).replace("\r\n", "\n")


def _named(cell, theirs):
    """The learner's cell with the id that the course gives it now; one without any stays so."""
    return {**cell, "id": theirs["id"]} if cell.get("id") and theirs.get("id") else cell


def _with(cell, text):
    return cell if text == source(cell) else {**cell, "source": text.splitlines(keepends=True)}


def _shown(cell):
    """A cell of the new course as text, below the learner's own."""
    told = "**The course changed this cell, and so did you.** Yours stays above; theirs is:\n\n"
    text = f"{told}```python\n{source(cell)}\n```"
    lines = text.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": f"{cell['id']}-new", "metadata": {}, "source": lines}


def merged_cell(base, mine, new):
    """A cell's text after both sides' changes; None if they touch, or would change a solution."""
    if new in (base, mine):
        return mine
    if mine == base:
        return new
    lines = merged_lines(*(text.splitlines(keepends=True) for text in (base, mine, new)))
    text = None if lines is None else "".join(lines)
    return text if text is None or _keeps_bodies(base, mine, text) else None


def merged_lines(base, mine, new):
    """The lines with both sides' changes of `base`; None if two changes touch."""
    changes = []
    for side in (mine, new):
        codes = difflib.SequenceMatcher(None, base, side, autojunk=False).get_opcodes()
        changes += [(i, j, side[a:b]) for tag, i, j, a, b in codes if tag != "equal"]
    changes.sort(key=lambda change: change[:2])
    changes = [c for k, c in enumerate(changes) if k == 0 or c != changes[k - 1]]
    for (_, end, _), (begin, _, _) in zip(changes, changes[1:]):
        if begin <= end:
            return None
    result, at = [], 0
    for begin, end, lines in changes:
        result += [*base[at:begin], *lines]
        at = end
    return result + base[at:]


def _keeps_bodies(base, mine, merged):
    """True if every function that the learner changed has their body still, byte for byte."""
    try:
        before, own, after = Source(base), Source(mine), Source(merged)
    except SyntaxError:
        return False
    changed = [k for k in own.pieces if body(own, k) != body(before, k)]
    return all(body(own, key) == body(after, key) for key in changed)


def body(source, key):
    """The lines of a function below its docstring; None if there is no such function."""
    piece = source.pieces.get(key)
    if piece is None or not hasattr(piece.node, "body"):
        return None
    first, *rest = piece.node.body
    start = first.end_lineno if rest and is_text(first) else first.lineno - 1
    return source.lines[start : piece.last]
