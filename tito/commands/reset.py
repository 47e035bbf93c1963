"""tito reset: notebooks, or single exercises, as they were at the beginning."""

from tito import TitoError, learner, report, workspace
from tito.assembly import Source
from tito.files import dumps, write


def add_arguments(parser):
    parser.add_argument(
        "names",
        nargs="+",
        metavar="NAME",
        help="a module (01, tensor), or exercises (matmul, tensor.mean)",
    )


def run(args):
    found = workspace.required()
    for module, names in found.asked(args.names).items():
        before = module.notebook.read_bytes() if module.notebook.is_file() else None
        files, what = {}, " ".join(names or [module.label])
        if names:
            files[module.notebook] = _blanked(module, [n.partition(".")[2] for n in names])
        else:
            fresh = learner.reference_book(module).blanked()
            files = {module.notebook: fresh, found.base(module.notebook): fresh}
        if files[module.notebook].encode() == before:
            report.say(f"{what} is blank already")
            continue
        kept = workspace.snapshot(found, f"reset {what}", list(files))
        for path, text in files.items():
            write(path, text)
        learner.refresh(module)
        report.say(f"{what}: blank again; `tito undo` takes that back (snapshot {kept.name})")
    return 0


def _blanked(module, qualnames):
    """The learner's notebook with some exercises blank; every other byte of its text stays.

    Raises:
        TitoError: the cell of an exercise is there, but does not define it as Python.
    """
    book, course = learner.book(module), learner.reference_book(module)
    cells = list(book.data["cells"])
    added = len(book.cells) - len(cells)  # a target cell that was added in reading
    asked = [e for e in course.exercises if e.qualname in qualnames]
    held = [(e, [c for c in book.cells if e.qualname in dict(c.functions)]) for e in asked]
    back = set()  # the cells that were deleted and come back: last, for they shift the others
    for exercise, holders in sorted(held, key=lambda pair: not pair[1]):
        blank = exercise.cell.blanked([e for e in course.exercises if e.cell is exercise.cell])
        if exercise.cell.id in back:
            continue
        if holders:
            at = book.cells.index(holders[-1]) - added
            source = _with_stub("".join(cells[at]["source"]), exercise.qualname, blank)
            cells[at] = {**cells[at], "source": source.splitlines(keepends=True)}
        elif any(cell.get("id") == exercise.cell.id for cell in cells):
            raise TitoError(
                f"the cell {exercise.cell.id} does not define {exercise.qualname}, or is not "
                f"Python: mend it, or delete that cell and reset {exercise.qualname} again"
            )
        else:
            cells.insert(_place(course, cells, exercise.cell.id), _cell(exercise.cell.id, blank))
            back.add(exercise.cell.id)
    return dumps({**book.data, "cells": cells})


def _with_stub(source, qualname, blank):
    """A cell with the stub of one exercise in place of what stands there."""
    own, theirs = Source(source), Source(blank)
    piece = own.pieces[qualname]
    stub = theirs.lines_of(theirs.pieces[qualname])
    return "\n".join([*own.lines[: piece.first - 1], *stub, *own.lines[piece.last :]])


def _place(course, cells, name):
    """Where a deleted cell belongs: behind the nearest one before it that is still there."""
    order = [cell.id for cell in course.cells]
    before = set(order[: order.index(name)])
    return max((i for i, cell in enumerate(cells, 1) if cell.get("id") in before), default=0)


def _cell(name, source):
    empty = {"cell_type": "code", "execution_count": None, "id": name, "metadata": {}}
    return {**empty, "outputs": [], "source": source.splitlines(keepends=True)}
