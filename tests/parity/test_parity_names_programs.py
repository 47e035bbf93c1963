"""Whole programs, written for PyTorch: with only their import lines changed they compute the same.

Each file in `programs/` is run twice, as it stands and with `torch` replaced by `tinytorch` in its
import lines. `same_weights(model)` gives both the same weights; random draws come from one NumPy
generator in both. A program leaves its numbers in `losses`.
"""

import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402

PROGRAMS = sorted(Path(__file__).with_name("programs").glob("*.py"))
DRAWS = ["rand", "randn", "randint", "randn_like"]


def translated(source):
    """The program with other import lines; all else stays."""
    source = re.sub(r"(?m)^import torch$", "import tinytorch as torch", source)
    return re.sub(r"(?m)^(from|import) torch\b", r"\1 tinytorch", source)


def draws(library, rng):
    """The random functions of a library, all from one NumPy generator."""
    from_numpy = library.from_numpy

    def shaped(sizes, named):
        sizes = named.get("size", sizes)
        return tuple(sizes[0]) if sizes and not isinstance(sizes[0], int) else tuple(sizes)

    def finished(array, named):
        return from_numpy(array).requires_grad_(named.get("requires_grad", False))

    def rand(*sizes, **named):
        return finished(np.asarray(rng.random(shaped(sizes, named), "f4")), named)

    def randn(*sizes, **named):
        numbers = rng.standard_normal(shaped(sizes, named), "f4")
        return finished(np.asarray(numbers, "f4"), named)

    def randint(low=0, high=None, size=None, **named):
        low, high, size = (0, low, high) if size is None else (low, high, size)
        return from_numpy(rng.integers(low, high, tuple(size)))

    def randn_like(x):
        return randn(*x.shape)

    return {"rand": rand, "randn": randn, "randint": randint, "randn_like": randn_like}


def same_weights(library):
    """A function that fills a model with numbers that depend on names and shapes alone."""

    def fill(model):
        for number, (_, p) in enumerate(model.named_parameters()):
            rng = np.random.default_rng(number)
            values = rng.standard_normal(tuple(p.shape)).astype("f4") * 0.3
            if p.ndim == 1:
                values = values * 0.3 + 1
            p.data.copy_(library.from_numpy(np.asarray(values)))

    return fill


def run(path, library, source, monkeypatch):
    for name, function in draws(library, np.random.default_rng(0)).items():
        monkeypatch.setattr(library, name, function, raising=False)
    space = {"__name__": path.stem, "same_weights": same_weights(library)}
    exec(compile(source, str(path), "exec"), space)
    return space["losses"]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:Full backward hook:UserWarning")
# of `scores / sqrt(d)` with -inf among the scores: a gradient that nobody asks for, thrown away
@pytest.mark.filterwarnings("ignore:invalid value encountered in multiply:RuntimeWarning")
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_only_the_import_lines_are_changed(path, monkeypatch):
    source = path.read_text(encoding="utf-8")
    ours = run(path, tinytorch, translated(source), monkeypatch)
    theirs = run(path, torch, source, monkeypatch)
    assert len(ours) == len(theirs) > 5
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_other_weights_are_noticed(monkeypatch):
    path = PROGRAMS[0]
    source = path.read_text(encoding="utf-8")
    ours = run(path, tinytorch, translated(source).replace("lr=", "lr=1.01 * "), monkeypatch)
    theirs = run(path, torch, source, monkeypatch)
    assert not np.allclose(ours, theirs, rtol=1e-5, atol=1e-5)
