"""Every bug of the museum is found, and by its name; of programs that are right nothing is said."""

import warnings
from pathlib import Path

import correct
import numpy as np
import pytest
from correct import PROGRAMS, ROOT
from exhibits import EXHIBITS

import tinytorch
from tinytorch.autograd import explain_grad
from tinytorch.tensor import default_generator


@pytest.mark.parametrize(
    ("function", "source", "words"), EXHIBITS, ids=[function.__name__ for function, *_ in EXHIBITS]
)
def test_is_found(function, source, words):
    said = function()
    for word in words:
        assert word in said, f"{source}: {word!r} is not in: {said}"


def test_the_museum_is_large_enough():
    assert len({source for _, source, _ in EXHIBITS}) >= 25
    assert len(PROGRAMS) >= 20


def test_every_milestone_is_among_the_programs():
    homes = [p / "05_2017_transformer" for p in (ROOT / "milestones", ROOT.parent / "milestones")]
    scripts = {file.stem for home in homes for file in home.glob("*.py")}
    source = Path(correct.__file__).read_text(encoding="utf-8")
    assert scripts and all(f'script("{name}")' in source for name in scripts), scripts


def state(model, optimizer):
    """Everything that explain_grad promises to leave alone."""
    optimizers = optimizer if isinstance(optimizer, list) else [optimizer] if optimizer else []
    tensors = [(n, p.array.copy(), p.grad, p.requires_grad) for n, p in model.named_parameters()]
    random = default_generator.numpy.bit_generator.state["state"]["state"]
    return tensors, random, [o.state_dict() for o in optimizers]


def equal(a, b):
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    return a is b or bool(a == b)


@pytest.mark.parametrize("program", PROGRAMS, ids=[p.__name__ for p in PROGRAMS])
def test_no_alarm(program):
    step, model, optimizer = program()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = state(model, optimizer)
        report = explain_grad(step, model, optimizer)
        assert report.ok, str(report)
        assert equal(state(model, optimizer), before), "the model is not as it was"
        for _ in range(3):  # and again after some steps, if the program takes any
            step()
        report = explain_grad(step, model, optimizer)
    assert report.ok, str(report)
    assert {row.status for row in report.rows} <= {"ok", "zero", "frozen"}
    tinytorch.manual_seed(0)
