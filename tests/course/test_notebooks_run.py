"""Every notebook runs top to bottom in a fresh kernel, solved and blanked: `pytest -m slow`."""

import ast
import symtable

import nbformat
import pytest
import variants
import workspaces
from nbclient import NotebookClient

LIMIT = 20  # seconds of a processor that a notebook may take


@pytest.mark.slow
@pytest.mark.filterwarnings("default::DeprecationWarning")  # Jupyter's own
@pytest.mark.parametrize("blanked", [False, True], ids=["solved", "blanked"])
@pytest.mark.parametrize("notebook", variants.course_notebooks(), ids=lambda n: n.name)
def test_notebook_runs(notebook, blanked, monkeypatch):
    """Solved, every quick check passes; blanked, every one says so; neither stops the notebook."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(variants.ROOT))
    path = variants.ROOT / notebook.label
    text = notebook.blanked() if blanked else path.read_text(encoding="utf-8")
    document = nbformat.reads(text, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    start = workspaces.used()
    NotebookClient(
        document, timeout=10 * LIMIT, kernel_name="python3", resources=resources
    ).execute()
    seconds = workspaces.used() - start
    assert seconds > 0.5, "the kernel is no child of this process: nothing was measured"

    printed = "".join(
        output.get("text", "")
        for cell in document.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    word = "still blank" if blanked else "passed"
    unsaid = [e.id for e in notebook.exercises if f"{word}: {e.id}\n" not in printed]
    assert not unsaid
    assert seconds < LIMIT


@pytest.mark.parametrize("notebook", variants.course_notebooks(), ids=lambda n: n.name)
def test_no_cell_hides_what_another_one_exports(notebook):
    """An experiment may be run again at the end, and the lesson stands as it did."""
    kinds = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    home = {}
    for cell in notebook.exported:
        for node in (node for node in cell.tree.body if isinstance(node, kinds)):
            names = [getattr(a, "asname", None) or a.name for a in getattr(node, "names", [node])]
            home |= dict.fromkeys(names, cell.id)
    for cell in notebook.code:
        for name in symtable.symtable(cell.source, cell.id, "exec").get_symbols():
            own = home.get(name.get_name(), cell.id) == cell.id
            assert own or not name.is_assigned(), f"{cell.id} hides {name.get_name()} of the lesson"
