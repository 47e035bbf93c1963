"""What export refuses: each with the notebook, the cell, the line and a reason, writing nothing."""

import json
import tracemalloc

import pytest
from conftest import ACTIVATIONS, TENSOR

from tito import notebook

BEGIN, END = "    ### BEGIN SOLUTION\n", "    ### END SOLUTION\n"
OUTSIDE = "### BEGIN SOLUTION\nLIMIT = 3\n### END SOLUTION"
INDENTED = f"{BEGIN}    limit = 3\n{END}"
HEAD = '#| export\ndef double(x):\n    """Twice x."""\n'
WHOLE = HEAD.replace("def", "### BEGIN SOLUTION\ndef")
OVER = "#| export\ndef total(): pass\nwith"
CUT_IF = f"    if x:\n{END}        return x + x\n"

# fmt: off
# what, cell, old text, new text, the place that is named, words of the reason
SOURCES = [
    ("no target", "target", "#| default_exp tensor", "x = 1", "", "no cell says"),
    ("other target", "target", "tensor", "tenser", "target, line 1", "the target is 'tenser'"),
    ("empty target", "target", " tensor", "", "target, line 1", "the target is None"),
    ("target again", "imports", "#| export", "#| default_exp x\n#| export", "line 1", "one target"),
    ("two targets", "target", "r", "r\n#| default_exp tensor", "target, line 2", "one target"),
    ("syntax error", "double", "return x + x", "return x +", "double, line 5", "not Python"),
    ("too deep", "double", "LIMIT = 3", f"LIMIT = {'-' * 9999}3", "double: ", "not Python"),
    ("a NUL", "double", "LIMIT = 3", "LIMIT = '\0'", "double: ", "not Python"),
    ("magic", "double", "LIMIT = 3", "%time double(3)", "double, line 9", "Jupyter only"),
    ("shell", "double", "LIMIT = 3", "!ls", "double, line 9", "Jupyter only"),
    ("shell, kept", "double", "LIMIT = 3", "a, b = !ls", "double, line 9", "Jupyter only"),
    ("magic, kept", "double", "LIMIT = 3", "LIMIT=%time 3", "double, line 9", "Jupyter only"),
    ("a question", "double", "LIMIT = 3", "double?", "double, line 9", "`double?` works in"),
    ("a question first", "double", "LIMIT = 3", "?np.sin", "double, line 9", "Jupyter only"),
    ("a doubt", "double", "LIMIT = 3", "LIMIT = 3?", "double, line 9", "not Python"),
    ("cell magic", "double", "#| export", "%%time\n#| export", "double, line 2", "at the top"),
    ("magic first", "double", "#| export", "#| export\n%time", "double, line 2", "Jupyter only"),
    ("bad escape", "double", "LIMIT = 3", "LIMIT = '\\d'", "double, line 9", "Python warns of"),
    ("return outside", "double", "LIMIT = 3", "return 3", "double, line 9", "outside function"),
    ("misspelt", "double", "#| export", "#| exprot", "double, line 1", "unknown directive"),
    ("glued bar", "double", "#| export", "#|export", "double, line 1", "unknown directive"),
    ("no bar", "double", "#| export", "# export", "double, line 1", "misspelt directive"),
    ("target, no bar", "target", "#|", "#", "target, line 1", "misspelt directive"),
    ("eval", "check-double", "with", "#| eval: false\nwith", "line 1", "unknown directive"),
    ("hide", "check-double", "with", "#| hide\nwith", "check-double, line 1", "unknown directive"),
    ("exporti", "double", "#| export", "#| exporti", "double, line 1", "unknown directive"),
    ("append", "double", "#| export", "#| export nn.core", "double, line 1", "own notebook"),
    ("late", "double", "#| export\n", "y = 0\n#| export\n", "double, line 2", "at the top"),
    ("after words", "double", "#| export", "# twice\n#| export", "double, line 2", "at the top"),
    ("late in check", "check-total", '"1 + 2"', '""\n#| export', "total, line 3", "at the top"),
    ("no code", "imports", "import numpy as np", "", "imports, line 1", "without a line"),
    ("relative", "imports", "import numpy", "from .x import y\nimport numpy", "line 2", "relative"),
    ("star", "imports", "import numpy as np", "from numpy import *", "line 2", "hides where"),
    ("itself", "imports", "as np", "as np\nfrom tinytorch.tensor import x", "line 3", "smaller"),
    ("later module", "imports", "as np", "as np\nimport tinytorch.layers", "line 3", "smaller"),
    ("later, from", "imports", "as np", "as np\nfrom tinytorch import layers", "line 3", "smaller"),
    ("later, class", "box", "    def", "    import tinytorch.losses\n    def", "line 5", "smaller"),
    ("from the top", "imports", "as np", "as np\nfrom tinytorch import relu", "3", "may load"),
    ("a room", "imports", "as np", "as np\nfrom tinytorch import nn, optim", "3", "nn may"),
    ("in a room", "imports", "as np", "as np\nimport tinytorch.nn.functional", "3", "nn may load"),
    ("from a room", "imports", "as np", "as np\nfrom tinytorch.nn import ReLU", "3", "nn may load"),
    ("functions", "imports", "as np", "as np\nfrom tinytorch.functions import topk", "3", "may"),
    ("nested", "double", BEGIN, BEGIN + BEGIN, "double, line 5", "do not nest"),
    ("no end", "double", END, "", "double, line 4", "without `### END"),
    ("no begin", "double", BEGIN, "", "double, line 5", "without `### BEGIN"),
    ("not alone", "double", "+ x\n" + END, "+ x  " + END.lstrip(), "double, line 5", "alone"),
    ("wrong case", "double", BEGIN, BEGIN.lower(), "double, line 4", "misspelt marker"),
    ("no third #", "double", BEGIN, BEGIN.replace("###", "##"), "double, line 4", "misspelt"),
    ("in the module", "double", "LIMIT = 3", OUTSIDE, "double, line 9", "inside one function"),
    ("in the class", "box", '    """It keeps a value."""', INDENTED, "line 3", "inside one"),
    ("whole function", "double", HEAD + BEGIN, WHOLE, "double, line 2", "inside one"),
    ("two functions", "double", "x\n" + END, "x\n\ndef f():\n    y\n" + END, "4", "inside one"),
    ("empty", "double", "    return x + x\n", "", "double, line 4", "no statement"),
    ("two regions", "double", END, f"{END}{BEGIN}    x = 1\n{END}", "line 7", "second region"),
    ("cut if", "double", "    return x + x\n" + END, CUT_IF, "line 4", "not Python any more"),
    ("dedented", "double", BEGIN, BEGIN.strip() + "\n", "double, line 4", "not Python any more"),
    ("not exported", "double", "#| export\n", "", "double, line 3", "not exported"),
    ("setter", "box", "def peek(self)", "@v.setter\n    def v(self)", "line 13", "is a setter"),
    ("twice", "total", "def total", "def double", "total, line 2", "double is defined twice"),
    ("over it", "check-box", "with", OVER, "check-box, line 2", "total is defined twice"),
    ("carriage return", "double", "LIMIT = 3", "LIMIT = 3\r\n", "double", "carriage return"),
]
# fmt: on


def refused(toy, *argv):
    """Run export, which must refuse; give what it said and check that it left everything alone."""
    before = {path: path.read_bytes() for path in toy.path("tinytorch").iterdir()}
    code, out, err = toy.tito("export", *(argv or ["01"]))
    after = {path: path.read_bytes() for path in toy.path("tinytorch").iterdir()}
    assert (code, out) == (1, "")
    assert err.startswith("tito: ")
    assert "Traceback" not in err
    assert after == before
    return err


@pytest.fixture
def exported(toy):
    """The toy course with a good export of module 01, which a refusal must not touch."""
    assert toy.tito("export", "01")[0] == 0
    return toy


@pytest.mark.parametrize(
    ("cell", "old", "new", "place", "reason"),
    [pytest.param(*row, id=name) for name, *row in SOURCES],
)
def test_sources(exported, cell, old, new, place, reason):
    assert old in TENSOR[cell], "the table's old text is not in the toy course"
    source = TENSOR[cell].replace(old, new, 1)
    exported.write_notebook("01_tensor", TENSOR | {cell: source})
    said = refused(exported)
    assert "modules/01_tensor/tensor.ipynb" in said
    assert place in said
    assert reason in said


def metadata(data):
    data["cells"][3]["metadata"] = {"nbdev": {"export": "true"}}


def no_id(data):
    del data["cells"][3]["id"]


def same_id(data):
    data["cells"][3]["id"] = "box"


def blank_in_id(data):
    data["cells"][3]["id"] = "my cell"


def format_3(data):
    data["nbformat"] = 3


def format_4_4(data):
    data["nbformat_minor"] = 4


def no_cells(data):
    del data["cells"]


def no_source(data):
    data["cells"][3]["source"] = None


def no_kind(data):
    data["cells"][3]["cell_type"] = "heading"


def notebook_metadata(data):
    data["metadata"]["nbdev"] = {"export": "true"}


def directive_in_prose(data):
    data["cells"][0]["source"] = "#| export\n# Toy"


def target_late(data):
    data["cells"].append(data["cells"].pop(1))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (metadata, "cell helpers: its metadata holds nbdev directives"),
        (no_id, "cell number 4 has no id"),
        (same_id, "cell box: 2 cells have this id"),
        (blank_in_id, "cell number 4 has the id 'my cell'"),
        (format_3, "not a notebook of format 4.5"),
        (format_4_4, "not a notebook of format 4.5"),
        (no_cells, "no list of cells"),
        (no_source, "cell number 4 has no source"),
        (no_kind, "cell number 4 is neither code nor markdown"),
        (notebook_metadata, "its metadata holds nbdev directives"),
        (directive_in_prose, "cell title, line 1: a directive does nothing"),
        (target_late, "cell target, line 1: `#| default_exp` must stand in the first code cell"),
    ],
)
def test_structure(exported, change, words):
    data = json.loads(exported.notebook_path("01_tensor").read_text(encoding="utf-8"))
    change(data)
    exported.write_json("01_tensor", data)
    assert words in refused(exported)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbf{}", "byte-order mark"),
        (b'{"cells": "\xff"}', "not UTF-8"),
        (b'{"cells": [', "not JSON"),
        (b"[]", "not a notebook"),
        (b"", "not JSON"),
    ],
)
def test_bytes(exported, content, words):
    exported.notebook_path("01_tensor").write_bytes(content)
    assert words in refused(exported)


def test_every_problem_of_every_notebook_is_listed(exported):
    broken = {"double": "#| exprot\ny = 1\n#| export", "total": "#| export\nx = ("}
    exported.write_notebook("01_tensor", TENSOR | broken)
    exported.write_notebook("02_activations", ACTIVATIONS | {"relu": "#| export\n!ls"})
    said = refused(exported, "--all")
    assert said.startswith("tito: 4 problems, so nothing was written:")
    assert said.count("tensor.ipynb, cell double") == 2
    assert said.count("tensor.ipynb, cell total") == 1
    assert said.count("activations.ipynb, cell relu, line 2") == 1


def test_all_are_checked_before_one_is_written(toy):
    toy.write_notebook("02_activations", ACTIVATIONS | {"relu": "#| export\n!ls"})
    refused(toy, "01", "02")
    assert not toy.path("tinytorch/tensor.py").exists()


def test_a_second_notebook_in_a_module(exported):
    exported.write_notebook("01_tensor", TENSOR | {"double": "#| export\nmine = 1"})
    exported.notebook_path("01_tensor").rename(exported.path("modules/01_tensor/other.ipynb"))
    exported.write_notebook("01_tensor", TENSOR)
    assert "modules/01_tensor/other.ipynb: it is no module's notebook" in refused(exported)


def test_a_notebook_without_a_module(exported):
    exported.write("modules/02_tensor/tensor.ipynb", "{}")
    assert "modules/02_tensor/tensor.ipynb: it is no module's" in refused(exported, "--all")


def test_what_a_later_module_may_import_inside_a_function_is_no_problem(toy):
    late = "def total(values):\n    from tinytorch.activations import relu"
    source = TENSOR["total"].replace("def total(values):", late)
    toy.write_notebook("01_tensor", TENSOR | {"total": source})
    assert toy.tito("export", "01")[0] == 0


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("from tinytorch import Tensor", "write `from tinytorch.tensor import Tensor`"),
        ("from tinytorch import zeros as empty", "write `from tinytorch.tensor import zeros`"),
        ("from tinytorch import no_grad", "import it inside a function"),
    ],
)
def test_an_import_from_tinytorch_itself_is_told_the_module(toy, line, advice):
    source = f"{ACTIVATIONS['imports']}\n{line}"
    toy.write_notebook("02_activations", ACTIVATIONS | {"imports": source})
    assert f"may load every module, this one too: {advice}" in toy.tito("export", "02")[2]


def test_what_loads_no_module_may_be_imported_from_tinytorch(toy):
    lines = "#| export\nimport tinytorch\nfrom tinytorch import course, give, messages"
    toy.write_notebook("01_tensor", TENSOR | {"imports": f"{lines}\nimport numpy as np"})
    assert toy.tito("export", "01")[0] == 0


def test_markers_and_directives_inside_strings_are_text(toy):
    text = 'TEXT = """\n#| export\n### BEGIN SOLUTION\n"""\nTABLE = 1  # | a | b |'
    toy.write_notebook("01_tensor", TENSOR | {"imports": f"#| export\nimport numpy as np\n{text}"})
    assert toy.tito("export", "01")[0] == 0
    assert text in toy.read("tinytorch/tensor.py").decode()


def test_a_long_line_is_not_kept_for_each_of_its_tokens():
    """16,000 tokens in a line of 47 kB: a copy of it for each (Python 3.12) would be 0.75 GB."""
    source = f"LIMIT = {list(range(8000))}  # pasted"
    tracemalloc.start()
    try:
        assert notebook.Cell("long", "code", source, {}).comments == [(1, "# pasted", False)]
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_nbdev_that_leaves_a_cell_out(exported, monkeypatch):
    monkeypatch.setattr("nbdev.export.nb_export", lambda *args, **options: None)
    exported.write_notebook("01_tensor", TENSOR | {"double": "#| export\ndouble = abs"})
    assert "nbdev exported the cells [] only" in refused(exported)


def test_without_nbdev(exported, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nbdev.export", None)
    assert "pip install nbdev==3.3.26" in refused(exported)
