"""A newer course comes into a workspace: its changes and the learner's, side by side.

Three versions of every notebook are known: as it was written (base), as the learner has it
(mine), and as the course has it now (new). Cells are told apart by their ids, lines inside a cell
by comparing. What both changed is a conflict: the learner's cell stays, and the new one is shown
below it as text.
"""

import ast
import difflib
import json
from dataclasses import dataclass, field

from tito.assembly import Source
from tito.files import dumps


@dataclass
class Merge:
    """The merged notebook, and what happened to it."""

    text: str
    conflicts: list[str] = field(default_factory=list)  # ids of cells that both sides changed


def merge(base, mine, new):
    """The learner's notebook with what the course changed; all three are JSON texts."""
    old, ours, theirs = (_by_id(json.loads(text)) for text in (base, mine, new))
    result, conflicts = [], []
    for name, cell in ours.items():
        if name not in theirs:
            if name not in old or source(cell) != source(old[name]):
                result.append(cell)  # the learner's own, or changed by them before it was dropped
            continue
        before = source(old[name]) if name in old else source(cell)
        merged = merged_cell(before, source(cell), source(theirs[name]))
        result.append(cell if merged is None else _with(cell, merged))
        if merged is None:
            conflicts.append(name)
            result += [_shown(theirs[name])] if f"{name}-new" not in ours else []
    for before, name in zip([None, *theirs], theirs):
        if name not in ours and name not in old:
            at = next((i for i, c in enumerate(result, 1) if c.get("id") == before), 0)
            result.insert(at, theirs[name])
    return Merge(dumps({**json.loads(mine), "cells": result}), conflicts)


def _by_id(data):
    return {cell.get("id", f"cell-{i}"): cell for i, cell in enumerate(data["cells"], 1)}


def source(cell):
    """The text of a cell, however the editor stored it."""
    text = cell["source"]
    return text if isinstance(text, str) else "".join(text)


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
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and rest
    start = first.end_lineno if told else first.lineno - 1
    return source.lines[start : piece.last]
