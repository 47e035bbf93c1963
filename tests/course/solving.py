"""Write solutions into a workspace's notebooks, as a learner would: function by function."""

import ast
import copy
import json
import textwrap

import variants

from tito.assembly import Source


def write(notebook, bodies):
    """Give functions of a notebook new bodies: {qualname: function node}; their heads stay."""
    data = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in data["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] != "code" or not text.startswith("#| export"):
            continue
        for qualname, node in bodies.items():
            if qualname in (source := Source(text)).pieces:
                text = _with_body(source, source.pieces[qualname], node)
        cell["source"] = text.splitlines(keepends=True)
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    notebook.write_text(text, encoding="utf-8", newline="\n")


def _with_body(source, piece, node):
    """The cell's text with the body of `node` in the function, after its docstring."""
    function = copy.deepcopy(piece.node)
    function.body = variants.body_and_doc(function)[1] + variants.body_and_doc(node)[0]
    indent = " " * piece.node.col_offset
    lines = textwrap.indent(ast.unparse(ast.fix_missing_locations(function)), indent).split("\n")
    return "\n".join([*source.lines[: piece.first - 1], *lines, *source.lines[piece.last :]])


def solve(workspace, module, exercises=None):
    """Write the independent solutions of a module, or of some exercises, into its notebook."""
    found = variants.independent_solutions(module)
    write(
        workspace.module(module).notebook,
        {e.partition(".")[2]: node for e, node in found.items() if not exercises or e in exercises},
    )
