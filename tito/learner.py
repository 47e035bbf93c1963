"""From a learner's notebook to `src/tinytorch/name.py`: their code, the course's in the gaps."""

import ast
import contextlib
import difflib
import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field, replace

from tito import TitoError, assembly, export, files, notebook, refusals, unforeseen
from tito.assembly import shape
from tito.notebook import FUNCTIONS, Problem, Refused
from tito.workspace import snapshot


@dataclass(frozen=True)
class Export:
    """A module as its notebook has it: its manifest entry, and the text of its file."""

    entry: dict
    changed: bool  # whether the file was another one before
    text: str
    broken: dict = field(default_factory=dict)  # exercise in a cell that is no Python -> why not


def reference_text(module):
    """The course's own file of a module."""
    return (module.course.source.package / f"{module.name}.py").read_text(encoding="utf-8")


def reference_book(module):
    """The course's own notebook of a module, with solutions."""
    own = module.course.source.module(module.name)
    return export.read(own)


def book(module):
    """The learner's notebook."""
    return notebook.read_learners(module.notebook, module.course.relative(module.notebook))


def run(module):
    """Export a learner's notebook as it is now, whatever the manifest says of the last export.

    Raises:
        Refused: the notebook cannot be exported; the last good file stays.
        TitoError: it is not there, or the file cannot be written.
    """
    workspace, old = module.course, module.course.manifest.get(module.name)
    sources = _sources(module)  # before it is read: a save from now on makes the export stale
    mix = mixed(module)
    changed, once = not export.in_step(module, mix.text), unread(module)  # said now, not kept
    if changed:
        lost = sorted(set(old["yours"] if old else ()) - set(mix.yours))
        why = f"{', '.join(lost)}: yours in the export before this one, which is kept:"
        if by_hand := _by_hand(module, old):
            name = module.exported.relative_to(workspace.root).as_posix()
            why = f"{name} was changed by hand, not in the notebook; that file is kept:"
        if by_hand or (lost and module.exported.is_file()):
            folder = snapshot(workspace, f"export {module.label}", [module.exported])
            once.append(f"{why} `tito undo {folder.name}` writes that file again")
        files.write(module.exported, mix.text)
    told = _entry(module, mix) | sources
    if told != old:
        workspace.record(module.name, told)
    return Export(told | {"notes": [*told["notes"], *once]}, changed, mix.text)


def in_parts(module):
    """The Export of those cells of a notebook that are Python; nothing is written.

    Raises:
        Refused: those cells cannot be exported either, or all of them are Python.
    """
    own = book(module)
    broken = [cell for cell in own.exported if not cell.is_python]
    rest = replace(own, cells=tuple(cell for cell in own.cells if cell not in broken))
    mix = mixed(module, rest if broken else own)
    there = {name for cell in rest.exported for name, _ in cell.functions}
    why = {problem.cell: str(problem) for problem in reversed(refusals.problems(own, True))}
    held = {
        f"{own.name}.{e.qualname}": why[cell.id]
        for e in reference_book(module).exercises
        for cell in broken
        if e.qualname not in there and (cell.id == e.cell.id or cell.mentions(e.qualname))
    }
    mix.missing |= {
        name: f"it is in cell {cell.id}, which is not Python"
        for name in mix.unknown
        for cell in broken
        if cell.mentions(name)
    }
    return Export(_entry(module, mix) | _sources(module), False, mix.text, held)


def unread(module):
    """Sentences on further notebooks in a module's folder: a browser's or an editor's copies."""
    own = module.notebook.name
    others = (path.name for path in module.folder.glob("*.ipynb") if path.name[0] != ".")
    words = f"is not read: tito reads {own}; give it that name if it is the one you wrote in"
    return [f"{name} {words}" for name in sorted(others) if name != own]


def _entry(module, mix):
    """What the manifest says of a Mix."""
    told = asdict(mix) | {"file": files.digest(mix.text)}
    footing = assembly.footing(mix, reference_text(module))
    del told["text"]
    return told | {"pieces": {name: files.digest(text) for name, text in footing.items()}}


def _by_hand(module, entry):
    """Whether the exported file is there, and is not what the last export wrote."""
    if not module.exported.is_file():
        return False
    return entry is None or files.digest(module.exported.read_bytes()) != entry["file"]


def refresh(module):
    """Export a module again that was exported before, if that is possible."""
    vars(module.course).pop("manifest", None)
    if module.name in module.course.manifest:
        with contextlib.suppress(TitoError), unforeseen(module):
            run(module)  # where it fails, the next command that needs it says why


def state(module):
    """How the exported file stands to the notebook, from their digests alone.

    "in step", "stale" (the notebook or the course is newer), "changed by hand" (the file),
    "untouched" (nothing was written in the notebook yet), "not exported", "gone" (the notebook), or
    "new" (the course has the module since an update of its own).
    """
    if not module.notebook.is_file():
        return "gone" if module.course.base(module.notebook).is_file() else "new"
    entry = module.course.manifest.get(module.name)
    if entry is None:
        base = module.course.base(module.notebook)
        same = base.is_file() and _said(base) == _said(module.notebook)
        return "untouched" if same else "not exported"
    if not module.exported.is_file() or {k: entry.get(k) for k in KEYS} != _sources(module):
        return "stale"
    if files.digest(module.exported.read_bytes()) != entry["file"]:
        return "changed by hand"
    return "in step"


KEYS = ("notebook", "course")


def _sources(module):
    """The digests of what an export is made from."""
    return {
        "notebook": _said(module.notebook),
        "course": files.digest(reference_text(module)),
    }


def _said(path):
    """The digest of a notebook's cells: outputs, counts and metadata change with every run."""
    try:
        content = path.read_bytes()
    except OSError:
        return "unreadable"  # whoever exports it says why
    try:
        cells = json.loads(content.decode("utf-8-sig"))["cells"]
        told = [[c.get("id"), c["cell_type"], "".join(c["source"])] for c in cells]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return files.digest(content)  # no notebook, by now
    return files.digest(json.dumps(told))


def mixed(module, own=None):
    """The Mix of a learner's notebook with the course; nothing is written.

    Args:
        own: the notebook, where it is not to be read again.

    Raises:
        Refused: the notebook cannot be exported.
    """
    own = own or book(module)
    shapes = stubs(module)
    if problems := [*refusals.problems(own, learners=True), *_twice(own, shapes)]:
        raise Refused(problems)
    own, gifts = _without_gifts(own, shapes)
    own, future = _without_future(own)
    try:
        mix = assembly.assemble(export.text(own, future), reference_text(module), shapes)
        compile(mix.text, own.label, "exec", dont_inherit=True)
    except SyntaxError as error:
        reason = f"with the given pieces it is not Python: {error.msg}, line {error.lineno}"
        raise Refused([Problem(own.label, reason)]) from None
    mix.notes += [*_absent(own, mix), *gifts]
    mix.missing |= _elsewhere(module, own, mix.unknown)
    return mix


def _without_gifts(own, shapes):
    """The notebook without its `tinytorch.give("...")` lines, and what to say of them.

    What one of them gives is given in `shapes` as well, whatever the learner wrote above it.
    """
    cells, notes = list(own.cells), []
    for at, cell in enumerate(own.cells):
        for line, name in _gifts(cell) if cell.exported else ():
            cells[at] = replace(cells[at], source=cells[at].source.replace(line, "pass"))
            name = name.removeprefix(f"{own.name}.")
            mine = {shape(node) for c in own.exported for n, node in c.functions if n == name}
            if name not in shapes:
                notes.append(f"cell {cell.id}: `{line}` is for the notebook, and is not exported")
            elif not mine <= shapes[name]:
                why = f"take `{line}` out of the cell {cell.id} to have yours judged"
                notes.append(f"{own.name}.{name} counts as blank: {why}")
            shapes.get(name, set()).update(mine)
    return replace(own, cells=tuple(cells)), notes


def _without_future(own):
    """The notebook without its `from __future__` lines, and these: a file has to begin with them.

    In a notebook they stand in any cell, and hold for all that comes after.
    """
    cells, found = list(own.cells), {}
    for at, cell in enumerate(own.cells):
        nodes = cell.tree.body if cell.exported else ()
        named = [n for n in nodes if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
        if not named:
            continue
        lines = [line.encode() for line in cell.lines]  # columns are counted in bytes
        for node in reversed(named):
            found[ast.unparse(node)] = None
            moved = f"# moved to the top: {ast.unparse(node)}".encode()
            rest = lines[node.end_lineno - 1][node.end_col_offset :].lstrip(b" \t;")
            before = lines[node.lineno - 1][: node.col_offset]
            lines[node.lineno - 1 : node.end_lineno] = [before + rest or moved]
        cells[at] = replace(cell, source=b"\n".join(lines).decode())
    return replace(own, cells=tuple(cells)), [*found]


def _gifts(cell):
    """The lines `give("...")` and `tinytorch.give("...")` of a cell, and the names they give."""
    for node in cell.tree.body:
        call = getattr(node, "value", None)
        alone = isinstance(node, ast.Expr) and isinstance(call, ast.Call)
        if alone and ast.unparse(call.func).rpartition(".")[2] == "give":
            given = call.args[0] if call.args else None
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                yield ast.get_source_segment(cell.source, call), given.value


def _elsewhere(module, own, unknown):
    """{unknown name: where it is, and what to do}, of names that other cells or modules have."""
    found = {}
    written = [m for m in module.course.written if m.number < module.number]
    for earlier in written if unknown else ():
        there = set(unknown) & set(assembly.Source(reference_text(earlier)).pieces)
        found |= {n: _write_line(f"from tinytorch.{earlier.name} import {n}") for n in there}
    for cell in own.code:
        if not cell.exported and cell.is_python:
            found |= {
                name: f"cell {cell.id} {why}" for name in unknown if (why := _has(cell, name))
            }
    return found


def _has(cell, name):
    """How a cell that is not exported comes by a name, and what to do; "" if it does not."""
    for node in ast.walk(cell.tree):
        for alias in node.names if isinstance(node, assembly.IMPORTS) else ():
            if name == (alias.asname or alias.name).partition(".")[0]:
                alone = type(node)(**{**vars(node), "names": [alias]})
                return f"has it: {_write_line(ast.unparse(alone))}"
    there = name in assembly.Source(cell.source).pieces
    return "defines it: let that cell begin with `#| export`" * there


def _write_line(line):
    return f"write `{line}` in a cell that begins with `#| export`"


def _absent(own, mix):
    """Why exercises count as blank although something of them may have been written."""
    exported = {name for cell in own.exported for name, _ in cell.functions}
    elsewhere = {name: cell for cell in own.code if not cell.exported for name, _ in cell.functions}
    there = assembly.Source(mix.text).pieces
    for name in mix.given:
        exercise, owner = f"{own.name}.{name}", f"{own.name}.{name.rpartition('.')[0]}"
        if name not in there:
            why = f"{owner} is no class any more: `tito reset {owner}` puts it back"
            yield f"{exercise} counts as blank: {why}"
        elif name in elsewhere and name in exported:
            yield f"{exercise}: you wrote it in the cell {elsewhere[name].id}, but its own is blank"
        elif name in elsewhere:
            cell = elsewhere[name].id
            yield f"{exercise} counts as blank: its cell {cell} does not begin with `#| export`"
        elif name not in exported:
            close = difflib.get_close_matches(name, exported & set(mix.added), 1, 0.5)
            renamed = f"did you rename it {close[0]}?" if close else "it is not there any more:"
            yield f"{exercise} counts as blank: {renamed} `tito reset {name}` puts it back"


def stubs(module):
    """The shapes that count as untouched, of every exercise: {qualname: {shape}}.

    They are those of the installed course, and those of the notebook as init or update wrote it.
    """
    found = defaultdict(set)
    for exercise in reference_book(module).exercises:
        blanked = ast.parse(exercise.cell.blanked([exercise]))
        found[exercise.qualname].add(shape(node_of(blanked, exercise.qualname)))
    base = module.course.base(module.notebook)
    if base.is_file():
        for cell in notebook.read_learners(base, "the notebook as it was").exported:
            for qualname, node in cell.functions:
                if qualname in found:
                    found[qualname].add(shape(node))
    return dict(found)


def node_of(tree, qualname):
    """The function or method of a name, the last one if there are several."""
    body = tree.body
    for part in qualname.split("."):
        node = [n for n in body if getattr(n, "name", None) == part][-1]
        body = getattr(node, "body", [])
    return node


def _twice(own, exercises):
    """Exercises that are defined in two places: which one counts? Or set by an assignment."""
    places = defaultdict(list)
    for cell in own.exported:
        for qualname, node in cell.functions:
            if qualname in exercises and isinstance(node, FUNCTIONS):
                places[qualname].append(cell)
    for qualname, cells in places.items():
        if len(cells) > 1:
            where = " and ".join(dict.fromkeys(cell.id for cell in cells))
            told = Counter(cell.id for cell in cells)
            where = where if len(told) > 1 else f"{where} twice"
            reason = (
                f"{own.name}.{qualname} is defined in {where}: keep one, or take "
                "`#| export` off the other's cell"
            )
            yield Problem(own.label, reason, cells[-1].id)
    for cell in own.exported:
        for name in dict.fromkeys(_assigned(cell)):
            if name in exercises:
                reason = f"{own.name}.{name} is set here: write it in its own cell, below its `def`"
                yield Problem(own.label, reason, cell.id)


def _assigned(cell):
    """What the assignments of a cell and of its classes set: `relu`, `Module.parameters`."""
    body = cell.tree.body if cell.is_python else []
    nodes = [("", node) for node in body]
    nodes += [(f"{c.name}.", n) for c in body if isinstance(c, ast.ClassDef) for n in c.body]
    for owner, node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (owner + ast.unparse(target) for target in targets)
