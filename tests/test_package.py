"""The package as a whole: light to import, documented, readable, in step with its notebooks."""

import ast
import doctest
import importlib
import io
import json
import re
import subprocess
import sys
import time
import tokenize
from pathlib import Path

import pytest

import tinytorch

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tinytorch"
FILES = sorted(PACKAGE.rglob("*.py"))
EXPORTED = [f for f in FILES if f.read_text("utf-8").startswith("# Written by tito export")]
CORE = "tensor activations layers losses dataloader autograd optimizers tokenization embeddings"
CORE += " attention transformers"


def python(code, *flags):
    done = subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_needs_numpy_alone():
    """Neither the package nor any of its rooms imports more than NumPy and the standard library."""
    names = [*CORE.split(), "training", "kv_caching", "nn", "optim", "io", "console", "runs"]
    names += ["names.inplace", "names.storage", "utils.data", "testing", "linalg", "cuda.amp"]
    loaded = python(
        "import tinytorch, sys; "
        f"[__import__('tinytorch.' + n) for n in {names}]; "
        "print(*{m.partition('.')[0] for m in sys.modules})"
    ).split()
    others = {m for m in loaded if m not in sys.stdlib_module_names and not m.startswith("_")}
    allowed = {"tinytorch", "numpy", "cython_runtime", "sitecustomize", "usercustomize"}
    assert others <= allowed


NAMES = sorted(file.stem for file in Path(tinytorch.names.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("first", NAMES)
def test_whichever_room_is_first_every_name_is_there(first):
    """Tensor and backward get PyTorch's further ways also where an inner module begins."""
    python(
        f"import tinytorch.names.{first}\n"
        "x = tinytorch.tensor([1.0, 2.0], requires_grad=True)\n"
        "total = x.sum(dtype=tinytorch.float32)\n"
        "assert total.grad_fn.name() == 'sum' and total.nbytes == 4\n"
        "tinytorch.autograd.backward([total, x[0]])\n"
        "assert x.grad.tolist() == [2, 1]\n",
        "-W",
        "error",
    )


def test_a_module_has_all_methods_before_nn_is_imported():
    python(
        "import sys\n"
        "from tinytorch.layers import Linear, ModuleList, ReLU\n"
        "assert 'tinytorch.nn' not in sys.modules\n"
        "layers = ModuleList([Linear(2, 3)])\n"
        "layers.insert(0, ReLU())\n"
        "assert len(layers) == 2 and layers.get_submodule('1').half().weight.dtype == 'float16'\n"
        "layers[1].register_forward_pre_hook(print)\n"
    )


def test_import_is_quick():
    """`import tinytorch` takes less than 0.15 s more than Python alone (the best of five)."""

    def best(code):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            python(code)
            times.append(time.perf_counter() - start)
        return min(times)

    assert best("import tinytorch") - best("pass") < 0.15


def test_public_names_exist():
    for name in tinytorch.__all__:
        assert getattr(tinytorch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'tensr'"):
        tinytorch.tensr  # noqa: B018


def test_the_nearest_name_or_the_reason_is_said():
    """A name that is missing is answered by one sentence, in every room."""
    for room, name, told in (
        (tinytorch, "arrange", "did you mean 'arange'"),
        (tinytorch, "vmap", "write the batch as a dimension"),
        (tinytorch.nn, "LayerNrm", "did you mean 'LayerNorm'"),
        (tinytorch.nn, "LSTM", "no lesson has recurrent layers"),
        (tinytorch.nn.functional, "softmx", "did you mean 'softmax'"),
        (tinytorch.optim, "Adm", "did you mean 'Adam'"),
        (tinytorch.nn, "CTCLoss", "nothing aligns sequences here"),
        (tinytorch.nn.functional, "bilinear", "use nn.Bilinear, or einsum"),
        (tinytorch.nn.functional, "instance_norm", "use nn.InstanceNorm1d"),
        (tinytorch.nn, "DataParallel", "call the model itself"),
        (tinytorch.nn, "ZeroPad2d", r"pad\(x, \(left, right\), .*\(left, right, top, bottom\)"),
        (tinytorch.nn.utils, "weight_norm", r"g \* v / v\.norm\(dim=1, keepdim=True\)"),
        (tinytorch.nn.utils, "parametrize", "compute the weight in forward"),
        (tinytorch.nn.utils.rnn, "pack_padded_sequence", "pad_sequence makes one tensor"),
        (tinytorch.linalg, "solve_triangular", r"use linalg\.solve"),
        (tinytorch.distributions, "LogNormal", r"draw Normal\(loc, scale\)\.sample\(\)\.exp\(\)"),
        (tinytorch.distributions, "OneHotCategorical", r", probs\.shape\[-1\]\)\.float\(\)"),
        (tinytorch.distributions, "Beta", r"draw rng\.beta\(a, b, shape\) by NumPy"),
        (tinytorch, "detach", r"it is a method: x\.detach\(\)"),
        (tinytorch, "gradient", r"use np\.gradient"),
        (tinytorch.cuda, "is_availabel", "did you mean 'is_available'"),
        (tinytorch.autograd, "gradchek", "did you mean 'gradcheck'"),
    ):
        with pytest.raises(AttributeError, match=told):
            getattr(room, name)


def test_io_is_a_room_and_hides_none_of_pythons():
    assert tinytorch.io.load_safetensors.__module__ in ("tinytorch.io", "tinytorch.training")
    assert "io" in dir(tinytorch) and "io" not in tinytorch.__all__


def test_tensor_is_a_function_whatever_was_imported_before():
    assert python("import tinytorch.tensor as m; import tinytorch; print(tinytorch.tensor([1]))")


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_doctests(path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert not failures


def public_functions(tree, prefix=""):
    """Every public function, class and method of a file: (dotted name, node)."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public_functions(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", EXPORTED, ids=lambda p: p.stem)
def test_every_public_name_has_a_docstring(path):
    """Functions and classes, always; methods too, but for one-line calls and Module protocol."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    missing = []
    for name, node in public_functions(tree):
        short = "." in name and len(node.body) == 1
        protocol = name.rpartition(".")[2] in ("forward", "extra_repr")
        if ast.get_docstring(node) is None and not short and not protocol:
            missing.append(name)
    assert not missing


ROOMS = ["", ".nn", ".nn.functional", ".optim", ".io", ".linalg", ".testing", ".amp"]


@pytest.mark.parametrize("room", ROOMS)
def test_names_for_users_are_explained(room):
    """Shapes, errors or an example: one sentence is not enough for what a user calls."""
    space = importlib.import_module(f"tinytorch{room}")
    sections = ("Args:", "Returns:", "Raises:", ">>>", "->")
    for name in getattr(space, "__all__", dir(space)):
        thing = getattr(space, name)
        if name in ("absolute", "clone", "floor_divide", "remainder"):
            continue  # primitives of module 01, whose one sentence says all
        if callable(thing) and (getattr(thing, "__module__", "") or "").startswith("tinytorch"):
            assert any(word in (thing.__doc__ or "") for word in sections), name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_functions_are_short(path):
    """No function has more than 40 lines of code; docstrings and comments are free."""
    source = path.read_text(encoding="utf-8")
    code = lines_of_code(source)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            size = len(code & set(range(node.lineno, node.end_lineno + 1)))
            assert size <= 40, f"{node.name} has {size} lines"


def lines_of_code(source):
    """The numbers of the lines of code: no docstring, comment, blank line or `__all__`."""
    skip = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skip and token.type != tokenize.ENDMARKER:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if _is_docstring(node) or _is_all(node):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return lines


def _is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_all(node):
    """The export's header: `__all__ = [...]`."""
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"


def test_the_core_is_small():
    """The eleven modules of the main job hold less than 2,500 lines of code."""
    sizes = {n: len(lines_of_code((PACKAGE / f"{n}.py").read_text("utf-8"))) for n in CORE.split()}
    assert sum(sizes.values()) < 2500, sizes


def test_exported_files_carry_no_markers():
    for path in EXPORTED:
        text = path.read_text(encoding="utf-8")
        assert "SOLUTION" not in text and "Blank" not in text, path.name
        assert max(map(len, text.splitlines())) <= 100, path.name


def test_notebooks_are_clean():
    """No outputs, no execution counts, readable ids."""
    for path in ROOT.glob("modules/*/*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert re.fullmatch(r"[a-z0-9][a-z0-9_-]+", cell["id"]), (path.name, cell["id"])
            assert not cell.get("outputs") and cell.get("execution_count") is None, path.name


def test_package_is_in_step_with_the_notebooks():
    from tito.cli import main

    assert main(["export", "--all", "--check"]) == 0
