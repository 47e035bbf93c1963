"""Notebooks that nobody would write on purpose: a sentence each, and nothing is lost."""

import json

import pytest
from conftest import one_sentence

GOOD = "return 2 * x"


def broken_json(text):
    return text[: len(text) // 2].encode()


def newer(minor, major=4):
    def rewrite(text):
        data = json.loads(text) | {"nbformat": major, "nbformat_minor": minor, "new": {"a": 1}}
        return json.dumps(data).encode()

    return rewrite


def without_ids(text):
    data = json.loads(text) | {"nbformat_minor": 4}
    for cell in data["cells"]:
        del cell["id"]
    return json.dumps(data).encode()


READABLE = {
    "a newer minor format": newer(9),
    "a newer major format": newer(0, 5),
    "format 4.4, without ids": without_ids,
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "CRLF inside the cells": lambda text: text.replace("\\n", "\\r\\n").encode(),
    "a byte-order mark": lambda text: text.encode("utf-8-sig"),
    "ASCII only": lambda text: json.dumps(json.loads(text)).encode(),
    "sources as one string": lambda text: json.dumps(
        json.loads(text)
        | {"cells": [c | {"source": "".join(c["source"])} for c in json.loads(text)["cells"]]}
    ).encode(),
    "ids that nbformat forbids": lambda text: text.replace('"double"', '"a b/c é"').encode(),
    "the same id twice": lambda text: text.replace('"check-total"', '"check-double"').encode(),
    "outputs and counts": lambda text: text.replace(
        '"execution_count": null', '"execution_count": 7'
    ).encode(),
    "half of an emoji in an output": lambda text: text.replace(
        "More words.", "More words \\ud83d."
    ).encode(),
}
UNREADABLE = {
    "UTF-16": (lambda text: text.encode("utf-16"), "is not UTF-8"),
    "Latin-1": (lambda text: text.replace("Toy", "Töy").encode("latin-1"), "is not UTF-8"),
    "an empty file": (lambda text: b"", "is not JSON"),
    "truncated JSON": (broken_json, "is not JSON"),
    "zeros after a crash": (lambda text: bytes(4096), "is not JSON"),
    "a list": (lambda text: b"[]", "it is no notebook"),
    "no cells": (lambda text: b'{"nbformat": 4}', "it is no notebook"),
    "cells that are no cells": (lambda text: b'{"cells": [3]}', "cell number 1"),
    "deep brackets": (lambda text: b"[" * 200_000, "is not JSON"),
    "a number of 5000 digits": (lambda text: b'{"cells": ' + b"9" * 5000 + b"}", "JSON"),
    "a merge conflict": (lambda text: text.replace("{", "<<<<<<< HEAD\n{", 1).encode(), "JSON"),
}


def works(desk):
    """The next good export and test succeed."""
    assert desk.tito("export", "01")[0] == 0
    code, out, _ = desk.tito("test", "01", "double")
    assert (code, "1 passed" in out) == (0, True), out


@pytest.mark.parametrize("rewrite", READABLE.values(), ids=READABLE)
def test_what_other_editors_write_is_read(desk, rewrite):
    desk.solve()
    text = desk.notebook().read_text(encoding="utf-8")
    saved = rewrite(text)
    assert saved != text.encode()
    desk.notebook().write_bytes(saved)
    code, out, err = desk.tito("test", "01")
    assert (code, err) == (0, ""), out
    assert "4 passed" in out
    assert desk.notebook().read_bytes() == saved, "judging never writes the notebook"
    code, _, err = desk.tito("reset", "01", "total")
    assert (code, err) == (0, "")
    assert "3 of 4 exercises yours" in desk.tito("export", "01")[1]
    assert desk.tito("undo")[0] == 0
    assert desk.notebook().read_bytes() == saved


@pytest.mark.slow
@pytest.mark.parametrize(("rewrite", "words"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_notebook_is_refused_in_a_sentence(desk, rewrite, words):
    desk.answer("tensor.double", GOOD)
    works(desk)
    good = desk.notebook().read_bytes()
    exported = desk.exported().read_bytes()
    bad = rewrite(good.decode())
    desk.notebook().write_bytes(bad)
    for command in (["export", "01"], ["test", "01"], ["reset", "01", "double"]):
        code, _, err = desk.tito(*command)
        assert code == 1 and one_sentence(err), f"{command}: {err}"
        assert words in err and "modules/01_tensor/tensor.ipynb" in err
    for command in (["status"], ["update"], ["hint", "double"], ["start", "--no-open"]):
        code, _, err = desk.tito(*command)
        assert (code, err) == (0, ""), f"{command}: {err}"
    code, out, _ = desk.tito("doctor")
    assert code == 1 and "tensor.ipynb" in out and words in out
    assert desk.notebook().read_bytes() == bad
    assert desk.exported().read_bytes() == exported, "the last good export stays"
    assert desk.tito("reset", "01")[0] == 0, "a whole reset gets one out of it"
    assert desk.tito("undo")[0] == 0
    assert desk.notebook().read_bytes() == bad, "and loses nothing"
    desk.notebook().write_bytes(good)
    works(desk)


def test_a_notebook_that_is_a_folder(desk):
    path = desk.notebook()
    path.unlink()
    path.mkdir()
    for command in (["export", "01"], ["test", "01"], ["start", "01"], ["reset", "01"]):
        code, _, err = desk.tito(*command)
        assert code == 1 and one_sentence(err), f"{command}: {err}"
        assert "tensor.ipynb" in err
    assert desk.tito("status")[0] == 0
    assert path.is_dir()


def test_scratch_copies_are_left_alone(desk):
    desk.solve()
    copy = desk.notebook().with_name("tensor-Copy1.ipynb")
    copy.write_bytes(b"anything")
    checkpoint = desk.notebook().parent / ".ipynb_checkpoints" / "tensor-checkpoint.ipynb"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"")
    for command in (["test", "01"], ["status"], ["update"], ["reset", "01"], ["undo"]):
        assert desk.tito(*command)[0] == 0
    assert copy.read_bytes() == b"anything"
    for command in (["test", "01"], ["export", "01"], ["status", "01"], ["doctor"]):
        out = desk.tito(*command)[1]
        assert "tensor-Copy1.ipynb is not read: tito reads tensor.ipynb" in out, command
        assert "checkpoint" not in out


# -- cells
EXPORTS = {  # (cell, what is done to it) -> what the refusal says
    "a magic": ("double", "LIMIT = 3", "%timeit 3", "works in Jupyter only"),
    "a shell line": ("double", "LIMIT = 3", "!pip install torch", "works in Jupyter only"),
    "a cell magic": ("double", "#| export\n", "#| export\n%%time\n", "works in Jupyter only"),
    "not Python": ("double", "LIMIT = 3", "LIMIT = = 3", "not Python"),
    "an open bracket": ("double", "LIMIT = 3", "LIMIT = (3", "not Python"),
    "an open string": ("double", "LIMIT = 3", "LIMIT = '''3", "not Python"),
    "an empty block": ("double", "LIMIT = 3", "if LIMIT:", "not Python"),
    "tabs and blanks": ("total", "result = np", "\tresult = np", "not Python"),
    "a NUL": ("double", "LIMIT = 3", "LIMIT = '\0'", "not Python"),
    "half of an emoji": ("double", "LIMIT = 3", "LIMIT = '\ud83d'", "not Python"),
    "a hundred brackets": ("double", "LIMIT = 3", "LIMIT = " + "(" * 300, "not Python"),
    "a deep expression": ("double", "LIMIT = 3", "LIMIT = " + "-" * 99_999 + "3", "not Python"),
    "return outside": ("double", "LIMIT = 3", "return 3", "not Python"),
    "a star import": ("double", "LIMIT = 3", "from math import *", "hides where names come from"),
    "a misspelt directive": ("double", "#| export\n", "#| exprot\n", "unknown directive"),
    "merged with the cell below": (
        "double",
        "LIMIT = 3",
        "LIMIT = 3\n#| export\ndef more(): pass",
        "must stand at the top of its cell",
    ),
    "defined twice": (
        "double",
        "LIMIT = 3",
        "def double(x):\n    return 3",
        "tensor.double is defined in double twice",
    ),
    "set again": ("total", "def total", "double = abs\n\n\ndef total", "tensor.double is set here"),
    "a method": ("total", "def total", "Box.peek = abs\n\n\ndef total", "tensor.Box.peek is set"),
    "in a class": ("box", "    def peek", "    peek = 3\n\n    def peek", "tensor.Box.peek is set"),
    "for its def": ("double", "def double", "double = abs\n\n\ndef two", "double is set here"),
    "an import from later": (
        "double",
        "LIMIT = 3",
        "from tinytorch.attention import Attention",
        "imports only those with a smaller number",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "old", "new", "words"), EXPORTS.values(), ids=EXPORTS)
def test_a_cell_that_cannot_be_exported(desk, cell, old, new, words):
    desk.answer("tensor.double", GOOD)
    works(desk)
    exported, good = desk.exported().read_bytes(), desk.notebook().read_bytes()
    data = json.loads(good)
    (raw,) = [raw for raw in data["cells"] if raw["id"] == cell]
    text = "".join(raw["source"])
    assert old in text
    raw["source"] = text.replace(old, new)
    desk.notebook().write_text(json.dumps(data), encoding="utf-8")  # ASCII
    for command in (["export", "01"], ["test", "01"]):
        code, _, err = desk.tito(*command)
        assert code == 1 and one_sentence(err), err
        assert words in err and f"cell {cell}" in err
    for command in (["status"], ["update"], ["doctor"]):
        assert desk.tito(*command)[0] == 0
    assert desk.exported().read_bytes() == exported
    desk.notebook().write_bytes(good)
    works(desk)


def test_a_magic_in_a_cell_of_ones_own_is_fine(desk):
    desk.solve()
    desk.edit("helpers", "from", "%matplotlib inline\n!ls\n?print\nfrom")
    assert desk.tito("test", "01")[0] == 0


@pytest.mark.parametrize(
    "source",
    [
        "from __future__ import annotations",
        "from __future__ import annotations; import math",
        "'Words.'\nfrom __future__ import (  # é\n    annotations,\n)  # done\nimport math",
        "'é'; from __future__ import annotations; from __future__ import division",
    ],
)
def test_a_future_import_holds_for_the_whole_file(desk, source):
    desk.solve()
    data = desk.data()
    mine = data["cells"][-1] | {"id": "mine", "source": f"#| export\n{source}"}
    desk.save(data | {"cells": [*data["cells"][:-2], mine, *data["cells"][-2:]]})
    desk.edit("box", "def peek(self)", "def peek(self) -> list[Nothing]")
    code, out, err = desk.tito("test", "01")
    assert (code, err) == (0, ""), out
    assert "4 passed" in out
    text = desk.exported().read_text(encoding="utf-8")
    assert ("import math" in source) == ("import math" in text)
    assert desk.tito("reset", "01", "double")[0] == 0
    assert desk.tito("test", "01")[0] == 3


def test_cells_that_are_no_python_together(desk):
    rewrite(desk, "box", lambda lines: "".join(lines) + "\nglobal LIMIT")
    code, _, err = desk.tito("export", "01")
    assert code == 1 and one_sentence(err) and "cell box: its cells are Python, but not" in err
    assert "name 'LIMIT' is assigned to before global declaration, at `global LIMIT`" in err


def reordered(cells):
    return cells[::-1]


def doubled(cells):
    return [c for cell in cells for c in (cell, cell | {"id": cell["id"] + "-copy"})]


def without(*ids):
    return lambda cells: [cell for cell in cells if cell["id"] not in ids]


def merged(cells):
    """Every code cell in one, as a learner who merges them all and keeps the first directive."""
    code = [c for c in cells if c["cell_type"] == "code" and c["id"] not in ("target", "helpers")]
    texts = ["".join(cell["source"]).removeprefix("#| export\n") for cell in code]
    source = "#| export\nfrom tinytorch.course import check, close\n" + "\n\n\n".join(texts)
    return [code[0] | {"source": source}]


CELLS = {
    "reordered": (reordered, 0, "4 passed"),
    "doubled": (doubled, 1, "tensor.double is defined in double and double-copy: keep one"),
    "without their target": (without("target"), 0, "4 passed"),
    "without imports": (without("imports"), 0, "4 passed"),
    "without an exercise": (without("double"), 3, "3 passed, 1 blank"),
    "without checks": (without("check-double", "check-total", "check-box"), 0, "4 passed"),
    "only their prose": (without("imports", "double", "total", "box"), 3, "4 blank"),
    "none": (lambda cells: [], 3, "4 blank"),
    "merged": (merged, 0, "4 passed"),
}


@pytest.mark.parametrize(("change", "code", "words"), CELLS.values(), ids=CELLS)
def test_cells_that_were_moved_about(desk, change, code, words):
    desk.solve()
    assert desk.tito("export", "01")[0] == 0
    data = desk.data()
    desk.save(data | {"cells": change(data["cells"])})
    got, out, err = desk.tito("test", "01")
    assert got == code, out + err
    assert words in out + err
    assert "Traceback" not in out + err


def rewrite(desk, cell, source):
    data = desk.data()
    (raw,) = [raw for raw in data["cells"] if raw["id"] == cell]
    raw["source"] = (source(raw["source"]) if callable(source) else source).splitlines(True)
    desk.save(data)


NO_CLASS = (
    "tensor.Box.peek counts as blank: tensor.Box is no class any more: `tito reset tensor.Box`"
)
REBOUND = {
    "a class for a function": (
        "double",
        "#| export\nclass double:\n    def __call__(self, x):\n        return 2 * x",
        1,
        "double is no function any more",
    ),
    "a lambda for a class": ("box", "#| export\nBox = lambda value: value", 1, NO_CLASS),
    "a function for a class": ("box", "#| export\ndef Box(value):\n    pass", 1, NO_CLASS),
    "a class on one line": ("box", "#| export\nclass Box: pass", 3, "2 passed, 2 blank"),
    "and more on it": ("box", "#| export\nclass Box(\n): 'é'; a = 1", 3, "2 passed, 2 blank"),
    "set before": (
        "double",
        "#| export\nBox = None\ndef double(x):\n    return 2 * x",
        0,
        "4 passed",
    ),
}


@pytest.mark.parametrize(("cell", "source", "code", "words"), REBOUND.values(), ids=REBOUND)
def test_a_name_that_is_bound_otherwise(desk, cell, source, code, words):
    desk.solve()
    rewrite(desk, cell, source)
    got, out, err = desk.tito("test", "01", "--no-blame")
    assert (got, err) == (code, ""), out
    assert words in out


def test_a_class_that_is_none_any_more_comes_back_blank(desk):
    before = desk.cells()
    rewrite(desk, "box", "#| export\nBox = lambda value: value")
    desk.tito("export", "01")
    code, out, err = desk.tito("reset", "tensor.Box")
    assert (code, err) == (0, ""), out
    assert desk.cells() == before


@pytest.mark.parametrize("indent", ["\t", "  "], ids=["tabs", "two blanks"])
def test_a_class_that_is_indented_otherwise(desk, indent):
    """A blank is filled in, and a method that was deleted comes back, on each level."""
    desk.answer("tensor.Box.__init__")
    rewrite(desk, "box", lambda lines: "".join(lines).replace("    ", indent))
    blank = desk.cells()["box"]
    for source in (blank, blank[: blank.index(f"{indent}def peek")]):
        rewrite(desk, "box", source)
        code, out, err = desk.tito("test", "01")
        assert (code, err) == (3, ""), out
        assert "Box.__init__  passed" in out and "1 passed, 3 blank" in out
        text = desk.exported().read_text(encoding="utf-8")
        assert f"\n{indent}def peek(self):\n{indent * 2}def look():\n{indent * 3}return" in text


def test_a_renamed_function_is_the_learners_and_the_given_one_comes_back(desk):
    desk.answer("tensor.double", GOOD)
    desk.edit("double", "def double", "def twice")
    code, out, err = desk.tito("test", "01")
    assert (code, err) == (3, ""), out
    assert "tensor.double        blank" in out
    text = desk.exported().read_text(encoding="utf-8")
    assert "def twice(x):" in text and "return 2 * x" in text
    assert "def double(x):" in text and "return x + x" in text
