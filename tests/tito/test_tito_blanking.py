"""Blanking: the solution goes, everything else stays as it is, byte for byte."""

import json
from difflib import unified_diff

import pytest
from conftest import TENSOR

from tito import TitoError, course, export


@pytest.fixture
def book(toy):
    return export.read(course.find().module("01"))


def sources(text):
    return {cell["id"]: "".join(cell["source"]) for cell in json.loads(text)["cells"]}


def test_one_exercise(book):
    blanked = sources(book.blanked("tensor.Box.peek"))
    before, _, rest = TENSOR["box"].partition("    def peek(self):\n")
    stub = '    def peek(self):\n        # Your code here.\n        raise Blank("tensor.Box.peek")'
    assert rest
    assert blanked.pop("box") == before + stub
    title = blanked.pop("title")
    assert title.startswith("# Toy")
    assert blanked == {name: source for name, source in TENSOR.items() if name != "box"}


def test_every_exercise(book):
    blanked = sources(book.blanked())
    assert "SOLUTION" not in "".join(blanked.values())
    assert blanked["double"] == (
        '#| export\ndef double(x):\n    """Twice x."""\n    # Your code here.\n'
        '    raise Blank("tensor.double")\n\n\nLIMIT = 3'
    )
    deep = "    for value in values:\n        # Your code here.\n        raise Blank"
    assert f'{deep}("tensor.total")\n    return result' in blanked["total"]
    assert blanked["box"].count("raise Blank") == 2
    for source in blanked.values():
        if source.startswith("#| export"):
            compile(source, "cell", "exec")


def test_nothing_else_changes_in_the_file(toy, book):
    """Only the lines of the region differ between the two files."""
    old = toy.notebook_path("01_tensor").read_text(encoding="utf-8").splitlines()
    new = book.blanked("tensor.double").splitlines()
    changed = [line for line in list(unified_diff(old, new))[3:] if line[0] in "-+"]
    assert changed == [
        '-    "    ### BEGIN SOLUTION\\n",',
        '-    "    return x + x\\n",',
        '-    "    ### END SOLUTION\\n",',
        '+    "    # Your code here.\\n",',
        '+    "    raise Blank(\\"tensor.double\\")\\n",',
    ]


def test_a_notebook_without_blanks_is_written_as_it_was(toy):
    toy.write_notebook("01_tensor", {**TENSOR, "double": "x = '€'", "total": "", "box": ""})
    path = toy.notebook_path("01_tensor")
    book = export.read(course.find().module("01"))
    assert book.blanked().encode() == path.read_bytes()


def test_an_unknown_exercise(book):
    with pytest.raises(TitoError, match=r"tensor.ipynb has no exercise tensor.triple"):
        book.blanked("tensor.double", "tensor.triple")
