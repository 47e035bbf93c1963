"""Every reason not to export a notebook.

nbdev accepts in silence much that loses code: a misspelt directive, a magic, a second target. So
whatever it would swallow is refused here first, with the cell, the line and the reason.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import tinytorch
from tito.course import NAMES, number_of
from tito.notebook import BEGIN, DIRECTIVE, END, FUNCTIONS, WARNED, Cell, Exercise, Problem

KNOWN = "this course knows `#| default_exp NAME` and `#| export`"
_STRAY = re.compile(r"#\|\s*\w|#\s*\|\s*(export|default_exp|eval)\b")
# A magic, a shell line, `files = !ls`, `relu?`: a line that Jupyter alone understands.
_JUPYTER = re.compile(r"[%!?]|[\w, ]+=\s*[%!]|[\w.*]+\?\??$")
_FORGOTTEN_BAR = re.compile(r"#+\s*!?\s*(export\w*|default_exp( \w+)?)")
# Where `tinytorch.name` leads without loading any module of the course's.
_HARMLESS = ("course", "machine", "overlay")
_LIKE_MARKER = re.compile(r"#+\s*(BEGIN|END)\s*SOLUTIONS?\W*", re.IGNORECASE)


def problems(notebook, learners=False):
    """Every problem of a notebook: of its target, of each cell, of cells together.

    In a learner's notebook a cell of theirs may stand before the one that names the target.
    """
    found = [*_target(notebook, learners), *_twice(notebook)]
    for cell in notebook.cells:
        found += [(why, cell, at) for at, why in sorted(set(_of_cell(notebook, cell)))]
    return [Problem(notebook.label, why, cell and cell.id, at or None) for why, cell, at in found]


def _target(notebook, anywhere=False):
    """One `#| default_exp`, in the first code cell, that names this notebook."""
    told = [(cell, *d) for cell in notebook.code for d in cell.directives]
    targets = [(cell, at, value) for cell, at, name, value in told if name == "default_exp"]
    wanted = f"`#| default_exp {notebook.name}`"
    if not targets:
        yield f"no cell says {wanted}: the first code cell must", None, None
    for cell, at, _ in targets[1:]:
        yield "a second `#| default_exp`: a notebook has one target", cell, at
    for cell, at, value in targets[:1]:
        if value != notebook.name:
            yield f"the target is {value!r}: write {wanted}, the notebook's own name", cell, at
        if cell is not notebook.code[0] and not anywhere:
            yield "`#| default_exp` must stand in the first code cell", cell, at


def _twice(notebook):
    """No cell id and no exercise is there twice."""
    ids = Counter(cell.id for cell in notebook.cells)
    for cell in {cell.id: cell for cell in notebook.cells if ids[cell.id] > 1}.values():
        yield f"{ids[cell.id]} cells have this id: every cell needs its own", cell, None
    seen, wanted = set(), {exercise.qualname for exercise in notebook.exercises}
    for cell in notebook.exported:
        for qualname, node in cell.functions:
            if qualname in seen & wanted and not _is_setter(node):
                yield f"exercise {notebook.name}.{qualname} is defined twice", cell, node.lineno
            seen.add(qualname)


def _of_cell(notebook, cell):
    """The faults of one cell: (line, or 0 for all of it, and reason)."""
    if "nbdev" in cell.metadata:
        yield 0, "its metadata holds nbdev directives: write them in its first lines"
    if "\r" in cell.source:
        yield 0, "it holds carriage returns: save it with plain line ends"
    if cell.kind != "code":
        if cell.directives:
            yield 1, "a directive does nothing in a cell that is not code"
        return
    yield from _directive_faults(cell)
    yield from _marker_faults(cell)
    if cell.exported:
        yield from _code_faults(notebook, cell)
    elif cell.regions:
        yield cell.regions[0].first, "a solution in a cell that is not exported: add `#| export`"


def _directive_faults(cell):
    for at, line in enumerate(cell.lines[: cell.top], start=1):
        if line.strip() and not DIRECTIVE.fullmatch(line.rstrip()):
            yield at, f"unknown directive `{line.strip()}`: {KNOWN}"
    for at, name, value in cell.directives:
        if name == "export" and value:
            yield at, f"`#| export {value}`: an exported cell goes to its own notebook's file"
    for at, text, alone in cell.comments:
        if at > cell.top and alone and _STRAY.match(text):
            yield at, f"the directive `{text}` must stand at the top of its cell"
        elif at == cell.top + 1 and _FORGOTTEN_BAR.fullmatch(text):
            yield at, f"`{text}` is a misspelt directive: {KNOWN}"


def _marker_faults(cell):
    """Solution markers are spelt right, stand alone on their lines, and come in pairs."""
    begin = None
    for at, text, alone in cell.comments:
        if text not in (BEGIN, END):
            if _LIKE_MARKER.fullmatch(text):
                yield at, f"`{text}` is a misspelt marker: write `{BEGIN}` or `{END}`"
            continue
        if not alone:
            yield at, f"`{text}` must stand alone on its line"
        if text == BEGIN and begin:
            yield at, f"`{BEGIN}` inside the region that line {begin} began: regions do not nest"
        elif text == END and not begin:
            yield at, f"`{END}` without `{BEGIN}`"
        begin = at if text == BEGIN else None
    if begin:
        yield begin, f"`{BEGIN}` without `{END}`"


def _code_faults(notebook, cell):
    """What is wrong with the Python code of an exported cell."""
    try:
        tree = cell.tree
    except SyntaxError as error:
        at = error.lineno or 0  # 0: Python does not say where
        code = cell.lines[at - 1].strip() if at else ""
        jupyter = f"`{code}` works in Jupyter only and cannot be exported"
        told = error.msg if error.msg.startswith(WARNED) else f"this is not Python: {error.msg}"
        return [(at, jupyter if _JUPYTER.match(code) else told)]
    if not "".join(cell.lines[cell.top :]).strip():
        return [(1, "an exported cell without a line of code")]
    return [*_import_faults(notebook, tree), *_region_faults(notebook, cell)]


def _import_faults(notebook, tree):
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    late = {node for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "a relative import: write `from tinytorch.name import ...`"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if "*" in names:
                yield node.lineno, f"`from {node.module} import *` hides where names come from"
            if node not in late:
                yield from _order_faults(notebook.name, node, names)


def _order_faults(own, node, names):
    """An import that runs with the module reaches only modules with a smaller number."""
    before = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    for package, _, rest in (f"{before}{name}".partition(".") for name in names):
        wanted = rest.partition(".")[0]
        ours = package == "tinytorch" and {own, wanted} <= set(NAMES)
        if ours and number_of(wanted) >= number_of(own):
            rule = "a module imports only those with a smaller number, unless inside a function"
            yield node.lineno, f"it imports tinytorch.{wanted}: {rule}"
        elif package == "tinytorch" and wanted not in NAMES and _loads_all(wanted):
            line = f"from tinytorch.{_home(own, wanted)} import {wanted}"
            write = f"write `{line}`" if _home(own, wanted) else "import it inside a function"
            yield node.lineno, f"tinytorch.{wanted} may load every module, this one too: {write}"


def _loads_all(name):
    """True if what `tinytorch.name` is comes from code that runs on the numbered modules."""
    home = getattr(tinytorch, "_HOME", {}).get(name, (name,))[0]
    known = {*getattr(tinytorch, "_HOME", ()), *getattr(tinytorch, "_ROOMS", ()), "functions"}
    return name in known and home not in _HARMLESS


def _home(own, name):
    """The module with a smaller number than `own` that defines a name; None if none does."""
    folder, defined = Path(tinytorch.__file__).parent, rf"^((def|class) {name}\b|{name} = )"
    for module in NAMES[: number_of(own) - 1]:
        path = folder / f"{module}.py"
        if path.is_file() and re.search(defined, path.read_text("utf-8"), re.MULTILINE):
            return module
    return None


def _region_faults(notebook, cell):
    """Every region is one proper exercise, and what remains without it is Python."""
    held = Counter()
    for region in cell.regions:
        holder = cell.holder(region)
        if not cell.statements(region):
            yield region.first, "the solution region holds no statement"
        elif holder is None:
            yield region.first, "a solution must lie inside one function, or one method of a class"
        elif _is_setter(holder[1]):
            yield region.first, f"{holder[0]} is a setter: it cannot be an exercise"
        elif held[holder[1]]:
            yield region.first, f"a second region in {holder[0]}: an exercise has one"
        elif not _stub_stands(Exercise(f"{notebook.name}.{holder[0]}", holder[0], cell, region)):
            yield region.first, f"without its solution {holder[0]} is not Python any more"
        held[holder and holder[1]] += 1


def _is_setter(function):
    decorators = [d for d in function.decorator_list if isinstance(d, ast.Attribute)]
    return any(d.attr in ("setter", "deleter") for d in decorators)


def _stub_stands(exercise):
    """True if the blanked cell parses, and raises its blank inside the exercise's function."""
    cell, blank = exercise.cell, exercise.region.first + 1
    stub = Cell(cell.id, cell.kind, cell.blanked([exercise]), cell.metadata)
    nodes = [node for qualname, node in stub.functions if qualname == exercise.qualname]
    return any(node.lineno < blank <= node.end_lineno for node in nodes)
