"""What `check` and `close` say: one sentence, whatever the exercise does."""

import numpy as np
import pytest

from tinytorch import course
from tinytorch.course import CheckFailed, check, close
from tinytorch.tensor import PRIMITIVES


def failing(test):
    """The sentence of a check around `test()`."""
    with pytest.raises(CheckFailed) as failure, check("demo.f"):
        test()
    return str(failure.value)


def test_an_assertion_speaks_for_itself():
    def test():
        raise AssertionError("one is not two: did you count?")

    assert failing(test) == "demo.f: one is not two: did you count?"


def test_an_error_says_where_it_stood():
    def test():
        return np.zeros(2) @ np.zeros(3)

    assert failing(test).startswith("demo.f: ValueError at `return np.zeros(2) @ np.zeros(3)`: ")


@pytest.mark.parametrize("use", [lambda x: close(x, 1.0), lambda x: x[0], lambda x: x + 1])
def test_a_forgotten_return_is_named(use):
    assert "does your function end with `return`" in failing(lambda: use(None))


def test_pythons_max_of_arrays_is_explained():
    assert "np.maximum" in failing(lambda: max(np.zeros(2), 0))


def test_a_recursion_without_end_is_named():
    def test():
        return test()

    assert failing(test) == (
        "demo.f: your function calls itself on the same thing again and again, and never ends"
    )


def test_a_loop_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(course, "PATIENCE", 0.2)

    def test():
        while True:
            pass

    assert "not done after 0.2 s: does each round of a loop get ahead?" in failing(test)


def test_the_line_is_the_learners_own():
    def test():
        return np.split(np.zeros(3), [1.5, 2.5])

    assert "TypeError at `return np.split(np.zeros(3), [1.5, 2.5])`" in failing(test)


def test_ctrl_c_is_no_failure():
    with pytest.raises(KeyboardInterrupt), check("demo.f"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (np.zeros(3), np.zeros((1, 3))),  # broadcasting would hide it
        ([1.0, float("nan")], [1.0, 2.0]),
        ([1.0, float("inf")], [1.0, -float("inf")]),
        ([1, 2], [1, 3]),
        (1.00001, 1.0),
    ],
)
def test_close_is_strict(got, want):
    assert close(want, want)
    assert not close(got, want)


def test_none_as_an_index_is_no_forgotten_return():
    names = {}
    exec(compile("def mean(x, dim):\n    return x.shape[dim]", "a cell", "exec"), names)
    sentence = failing(lambda: names["mean"](np.zeros(2), None))
    assert "NoneType" in sentence and "does your function end" not in sentence


@pytest.mark.parametrize(("name", "skipped"), [("__main__", True), ("tinytorch.demo", False)])
def test_a_cell_that_was_skipped_is_no_fault_of_the_exercise(name, skipped):
    names = {"__name__": name, "check": check, "call": lambda: no_such_name}  # noqa: F821
    for body, own in (("no_tensor(3)", True), ("call()", False)):
        with pytest.raises(CheckFailed) as failure:
            exec(f"with check('demo.f'):\n    {body}", names)
        told = "a cell above has not run in this kernel ('no_tensor' is not there)"
        assert (told in str(failure.value)) == (skipped and own)


def test_a_lost_primitive_line_is_named():
    assert "put it back" in failing(lambda: failing.on_arrays)


NOTEBOOK = """
from tinytorch.tensor import *
from tinytorch.tensor import primitive, ERRORS
import tinytorch
from tinytorch.course import check
"""


@pytest.mark.parametrize("exercise", ["tensor.matmul", "matmul"])
def test_what_was_given_is_said(exercise, capsys):
    names, own = {}, PRIMITIVES["matmul"]
    exec(NOTEBOOK, names)
    try:
        exec(f"tinytorch.give({exercise!r})\nwith check('tensor.matmul'):\n    pass", names)
    finally:
        PRIMITIVES["matmul"] = own
    assert capsys.readouterr().out == "given: tensor.matmul\npassed: tensor.matmul (given)\n"
    assert course.outcomes[-1] == ("tensor.matmul", "passed")
    exec("matmul = print\nwith check('tensor.matmul'):\n    pass", names)
    assert capsys.readouterr().out == "passed: tensor.matmul\n"


def test_a_given_method_is_said(capsys):
    names = {}
    exec("import tinytorch\nfrom tinytorch.course import check\nclass Module: pass", names)
    exec(
        "tinytorch.give('Module.parameters')\nwith check('layers.Module.parameters'):\n    pass",
        names,
    )
    assert capsys.readouterr().out.endswith("passed: layers.Module.parameters (given)\n")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("matmull", "did you mean 'tensor.matmul'?"),
        ("tensor.brodcast_shape", "did you mean 'tensor.broadcast_shape'?"),
        ("tensr.matmul", "did you mean 'tensor.matmul'?"),
        ("qqqq", "there is no 'qqqq' in the course"),
    ],
)
def test_a_misspelt_exercise_gets_the_right_spelling(asked, words):
    with pytest.raises(ValueError) as refused:
        course.give(asked)
    assert words in str(refused.value)
