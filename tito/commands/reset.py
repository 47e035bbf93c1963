"""tito reset: a notebook, or one exercise of it, as it was at the beginning."""

from tito import TitoError, learner, report, workspace
from tito.assembly import Source
from tito.files import dumps, write


def add_arguments(parser):
    parser.add_argument("module", metavar="NN", help="a module, such as 01 or tensor")
    parser.add_argument("exercise", nargs="?", metavar="EXERCISE", help="only this one")


def run(args):
    found = workspace.required()
    module = found.module(args.module)
    name = found.exercise(args.exercise, module)[1] if args.exercise else None
    fresh = learner.reference_book(module).blanked()
    text = _one_blank(module, name.partition(".")[2]) if name else fresh
    base = found.base(module.notebook)
    files = [module.notebook] if name else [module.notebook, base]
    kept = workspace.snapshot(found, f"reset {name or module.label}", files)
    write(module.notebook, text)
    if not name:
        write(base, fresh)
    report.say(f"{name or module.label} is blank again; `tito undo` brings {kept.name} back")
    return 0


def _one_blank(module, qualname):
    """The learner's notebook with one exercise blank; every other byte of its text stays.

    Raises:
        TitoError: the notebook does not hold the exercise, or its cell is not Python.
    """
    book = learner.book(module)
    exercise = next(e for e in learner.reference_book(module).exercises if e.qualname == qualname)
    blanked = Source(exercise.cell.blanked([exercise]))
    stub = blanked.lines_of(blanked.pieces[qualname])
    for at, cell in enumerate(book.cells):
        if qualname in dict(cell.functions):
            own = Source(cell.source)
            piece = own.pieces[qualname]
            lines = [*own.lines[: piece.first - 1], *stub, *own.lines[piece.last :]]
            return _with_source(book, at, "\n".join(lines))
    label = module.course.relative(module.notebook)
    raise TitoError(
        f"{label} has no cell that defines {qualname} and is Python: "
        f"`tito reset {module.number:02d}` resets all of it"
    )


def _with_source(book, at, source):
    """The notebook's JSON text with another source in one cell."""
    cells = list(book.data["cells"])
    at -= len(book.cells) - len(cells)  # a target cell that was added in reading
    cells[at] = {**cells[at], "source": source.splitlines(keepends=True)}
    return dumps({**book.data, "cells": cells})
