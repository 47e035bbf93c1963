"""From notebooks to the package: nbdev does the work, and nothing half-done is ever left.

Every notebook is checked and every text is made before the first file is written; each file is
then replaced whole, so whatever goes wrong, the old one stays.
"""

import ast
import json
import re
import tempfile
import textwrap
import warnings
from pathlib import Path

from tito import TitoError, files, notebook, refusals
from tito.assembly import WIDTH, all_line
from tito.notebook import Problem, Refused

HEADER = "# Written by tito export from "


def texts(course, modules, whole=False):
    """What the file of each module must hold: a dictionary module -> text.

    With `whole`, things that belong to no module count as problems too.

    Raises:
        Refused: there are problems; those of all the notebooks are listed.
    """
    problems, notebooks = _strays(course, modules, whole), {}
    for module in modules:
        try:
            notebooks[module] = read(module)
            problems += refusals.problems(notebooks[module])
        except Refused as refused:
            problems += refused.problems
    if problems:
        raise Refused(problems)
    return {module: text(book) for module, book in notebooks.items()}


def read(module):
    """The notebook of a module."""
    return notebook.read(module.notebook, module.course.relative(module.notebook))


def _strays(course, modules, whole):
    """Notebooks that are no module's, and exported files whose notebook is gone."""
    folders = [course.root / "modules"] if whole else [module.folder for module in modules]
    found = sorted(path for folder in folders for path in folder.rglob("*.ipynb"))
    wanted = {module.notebook for module in course.modules}
    reason = "it is no module's notebook: modules/NN_name holds name.ipynb and no other"
    strays = [p for p in found if p not in wanted and ".ipynb_checkpoints" not in p.parts]
    gone = orphans(course) if whole else []
    return [Problem(course.relative(path), reason) for path in strays] + [
        Problem(course.relative(path), "its notebook is gone: delete this file") for path in gone
    ]


def orphans(course):
    """The exported files of the package that have no notebook any more."""
    sources = {module.exported for module in course.written}
    files = [path for path in sorted(course.package.glob("*.py")) if path not in sources]
    return [p for p in files if p.read_bytes().startswith(HEADER.encode())]


def text(book, future=()):
    """The Python file that a notebook without problems gives.

    Args:
        future: the `from __future__` lines that it has to begin with.
    """
    result = f"{_header(book.label)}\n{_body(book, future)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(result, book.label, "exec", dont_inherit=True)
    except SyntaxError as error:
        lines = result.split("\n")[: error.lineno]
        cell = [line[5:] for line in lines if line.startswith("# %% ")][-1:]
        reason = f"its cells are Python, but not together: {error.msg}, at `{lines[-1].strip()}`"
        raise Refused([Problem(book.label, reason, *cell)]) from None
    return result


def _header(label):
    """Where the file comes from, on one line if it fits."""
    origin, advice = f"{HEADER}{label}.", "Edit the notebook, not this file."
    short = len(origin) + len(advice) < WIDTH
    return f"{origin} {advice}" if short else f"{origin}\n# {advice}"


def _body(book, future):
    """Run nbdev on the checked cells, and make sure that it took each of them."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch, f"{book.name}.ipynb")
        copy.write_text(json.dumps(_for_nbdev(book)), encoding="utf-8")
        taken, body = _nbdev(copy, future)
    if taken != [cell.id for cell in book.exported]:
        raise Refused([Problem(book.label, f"nbdev exported the cells {taken} only")])
    return body


def _for_nbdev(book):
    """The notebook's cells without metadata and solution markers."""
    cells = [
        {"cell_type": cell.kind, "id": cell.id, "metadata": {}, "source": cell.given()}
        for cell in book.cells
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _nbdev(path, future):
    """The ids of the cells that nbdev exports from a notebook, and the text they make."""
    try:
        from nbdev.export import nb_export
        from nbdev.maker import ModuleMaker
    except ImportError as error:
        raise TitoError(f"nbdev cannot be imported ({error}): pip install nbdev==3.3.26") from None
    made = [([], "")]

    class Maker(ModuleMaker):
        """nbdev finds the cells and their names; the layout and the header are ours."""

        def make(self, cells, all_cells=None, lib_path=None):
            code = [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]
            first = [*future, all_line(list(self.make_all(all_cells)))]
            parts = [_docstring(cells), *(f"\n{line}\n" for line in first)]
            parts += [_cell_text(cell.id, cell.source) for cell in code]
            made.append(([cell.id for cell in code], "".join(parts)))

    nb_export(str(path), lib_path=str(path.parent / "tinytorch"), mod_maker=Maker)
    return made[-1]


def _docstring(cells):
    """The thesis under the notebook's title: a line `> ...`, as nbdev has it, or one in bold."""
    titles = [c.source for c in cells if c.cell_type == "markdown" and c.source.startswith("# ")]
    first = (
        re.match(r"# .*\n+(?:\*\*(.+)\*\*|((?:> .*\n?)+))(?:\n|$)", titles[0]) if titles else None
    )
    if not first:
        return ""
    thesis = first[1] or first[2].replace("\n> ", " ").removeprefix("> ").strip()
    raw = "r" if "\\" in thesis else ""
    return "\n".join(["", *textwrap.wrap(f'{raw}"""{thesis}"""', WIDTH), ""])


def _cell_text(name, source):
    """An exported cell under its name, its imports from the package made relative."""
    lines = source.strip("\n").rstrip().split("\n")
    for node in ast.parse("\n".join(lines)).body:
        # nbdev does this too, but leaves imports alone that go over several lines.
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "tinytorch":
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = re.sub(r"from\s+tinytorch\b\.?", "from .", line, count=1)
    return "\n".join(["", "", f"# %% {name}", *lines, ""])


def in_step(module, wanted):
    """True if the exported file of a module holds the wanted text (line ends apart)."""
    if not module.exported.is_file():
        return False
    return module.exported.read_bytes().replace(b"\r\n", b"\n") == wanted.encode()


def write(module, wanted):
    """Replace the exported file of a module in one step; False if it was right already.

    Raises:
        TitoError: it could not be written; the old file is as it was.
    """
    if in_step(module, wanted):
        return False
    files.write(module.exported, wanted)
    return True
