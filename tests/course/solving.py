"""Write solutions into a workspace's notebooks, as a learner would: function by function."""

import ast
import copy
import functools
import json
import textwrap

import variants

from tito.assembly import Source

INDEPENDENT = variants.ROOT / "tests" / "course" / "independent"


@functools.cache
def independent(module):
    """The independent solution of each exercise of a module: {exercise: function node}."""
    tree = ast.parse((INDEPENDENT / f"{module}.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {ast.literal_eval(f.decorator_list[0].args[0]): f for f in functions}


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
    function.body = variants.body(function)[1] + variants.body(node)[0]
    indent = " " * piece.node.col_offset
    lines = textwrap.indent(ast.unparse(ast.fix_missing_locations(function)), indent).split("\n")
    return "\n".join([*source.lines[: piece.first - 1], *lines, *source.lines[piece.last :]])


def solve(workspace, module, exercises=None):
    """Write the independent solutions of a module, or of some exercises, into its notebook."""
    found = independent(module)
    write(
        workspace.module(module).notebook,
        {e.partition(".")[2]: node for e, node in found.items() if not exercises or e in exercises},
    )
