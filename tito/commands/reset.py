"""tito reset: notebooks, or single exercises, as they were at the beginning."""

import re

from tito import TitoError, learner, report, workspace
from tito.assembly import Source, give
from tito.files import dumps, write
from tito.notebook import plain


def add_arguments(parser):
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a module (01, tensor), exercises (matmul, tensor.mean), given code that you changed",
    )


def run(args):
    found = workspace.required()
    for module, names in found.asked(args.names, given=True).items():
        before = module.notebook.read_bytes() if module.notebook.is_file() else None
        files, what, state = {}, " ".join(names or [module.label]), "blank"
        if names:
            given = [name for name in names if name not in found.exercises(module)]
            state = "as the course wrote it" if given == names else "blank"
            files[module.notebook] = _reset(module, [n.partition(".")[2] for n in names])
        else:
            fresh = learner.reference_book(module).blanked()
            files = {module.notebook: fresh, found.base(module.notebook): fresh}
        if files[module.notebook].encode() == before:
            report.say(f"{what} is {state} already")
            continue
        kept = workspace.snapshot(found, f"reset {what}", files)
        for path, text in files.items():
            write(path, text)
        learner.refresh(module)
        report.say(f"{what}: {state} again; `tito undo` takes that back (snapshot {kept.name})")
    return 0


def _reset(module, names):
    """The learner's notebook with exercises blank, and given code as the course wrote it.

    Every other byte of its text stays, but for odd line ends in the same cells.

    Raises:
        TitoError: a name's cell is not Python, or it is defined twice.
    """
    book, course = learner.book(module), learner.reference_book(module)
    cells = list(book.data["cells"])
    added = len(book.cells) - len(cells)  # a target cell that was added in reading
    asked = [e for e in course.exercises if e.qualname in names]
    for name in set(names) - {exercise.qualname for exercise in asked}:
        at = book.cells.index(_holder(book, name)) - added
        cell = next(cell for cell in course.exported if name in _pieces(cell))
        theirs = cell.blanked([e for e in course.exercises if e.cell is cell])
        cells[at] = _with(cells[at], give(_source(cells[at]), theirs, [name]))
    return _blanked(book, course, cells, asked)


def _holder(book, name):
    """The learner's cell that has a piece of given code."""
    holders = [cell for cell in book.exported if name in _pieces(cell)]
    if not holders:
        raise TitoError(f"no cell defines {name} as Python: mend that cell, or delete it")
    if len(holders) > 1 or f"{name}#2" in _pieces(holders[0]):
        where = " and ".join(dict.fromkeys(cell.id for cell in holders))
        raise TitoError(f"{name} is defined twice, in {where}: delete the definition of yours")
    return holders[0]


def _pieces(cell):
    try:
        return Source(cell.source).pieces
    except SyntaxError:
        return {}


def _blanked(book, course, cells, asked):
    """The notebook's JSON text with some exercises blank in its cells."""
    added = len(book.cells) - len(cells)
    held = [(e, _of_exercise(book, e)) for e in asked]
    back = set()  # the cells that were deleted and come back: last, for they shift the others
    for exercise, holder in sorted(held, key=lambda pair: not pair[1]):
        blank = exercise.cell.blanked([e for e in course.exercises if e.cell is exercise.cell])
        if exercise.cell.id in back:
            continue
        if holder:
            at = book.cells.index(holder) - added
            cells[at] = _with(cells[at], _with_stub(_source(cells[at]), exercise, blank))
        elif any(cell.get("id") == exercise.cell.id for cell in cells):
            raise TitoError(
                f"the cell {exercise.cell.id} does not define {exercise.qualname}, or is not "
                f"Python: mend it, or delete that cell and reset {exercise.qualname} again"
            )
        else:
            cells.insert(_place(course, cells, exercise.cell.id), _cell(exercise.cell.id, blank))
            back.add(exercise.cell.id)
    return dumps({**book.data, "cells": cells})


def _of_exercise(book, exercise):
    """The learner's cell that has an exercise, or else its class; None if there is none.

    A cell that is not exported is meant only if it is the exercise's own.
    """
    cells = [c for c in book.code if c.exported or c.id == exercise.cell.id]
    owner = exercise.qualname.rpartition(".")[0]
    holders = [c for c in cells if exercise.qualname in _pieces(c)]
    if len(holders) > 1:
        where = " and ".join(cell.id for cell in holders)
        raise TitoError(f"{exercise.id} is defined in {where}: delete the one, and reset the other")
    holders += [c for c in cells if owner in _pieces(c)]
    return holders[0] if holders else None


def _with_stub(source, exercise, blank):
    """A cell with the stub of one exercise in place of all that stands there for it."""
    own, theirs, name = Source(source).pieces, Source(blank).pieces, exercise.qualname
    owner = own.get(name.rpartition(".")[0])
    again = [key for key in own if key.startswith(f"{name}#") and key not in theirs]
    whole = owner and not owner.is_class
    result = give(source, blank, [owner.key] if whole else [name, *again])
    left = [key for key in Source(result).pieces if re.sub(r"#\d+", "", key) == name]
    if set(left) - set(theirs):
        where = exercise.cell.id
        raise TitoError(f"{exercise.id} is defined in {where} twice: delete the one definition")
    return result


def _source(cell):
    return plain("".join(cell["source"]))


def _with(cell, source):
    return {**cell, "source": source.splitlines(keepends=True)}


def _place(course, cells, name):
    """Where a deleted cell belongs: behind the nearest one before it that is still there."""
    order = [cell.id for cell in course.cells]
    before = set(order[: order.index(name)])
    return max((i for i, cell in enumerate(cells, 1) if cell.get("id") in before), default=0)


def _cell(name, source):
    empty = {"cell_type": "code", "execution_count": None, "id": name, "metadata": {}}
    return {**empty, "outputs": [], "source": source.splitlines(keepends=True)}
