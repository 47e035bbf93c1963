"""`tinytorch.profile()`: what took how long."""

import time

import numpy as np
import pytest

import tinytorch
from tinytorch import parallel
from tinytorch.attention import in_heads
from tinytorch.layers import linear
from tinytorch.losses import cross_entropy
from tinytorch.tensor import PRIMITIVES, RULES, Tensor
from tinytorch.transformers import GPT


def step(model, parts=1):
    ids = Tensor(np.arange(24).reshape(4, 6) % 9)
    parallel.backward(lambda x: cross_entropy(model(x), x), ids, parts=parts)


@pytest.fixture
def model():
    tinytorch.manual_seed(0)
    return GPT(9, embed_dim=8, num_heads=2, num_layers=2, max_length=6)


@pytest.mark.parametrize("parts", [1, 2])
def test_every_call_of_every_thread_is_counted(model, parts):
    with tinytorch.profile() as told:
        step(model, parts)
    calls = {row.primitive: row.calls for row in told.rows}
    assert calls["in_heads"] == parts * 2 and calls["layer_norm"] == parts * 5
    assert calls["linear"] == parts * (2 * 4 + 1)  # one for query, key and value together
    assert calls["scaled_dot_product_attention"] == parts * 2 and calls["cross_entropy"] == parts
    assert all(row.forward > 0 for row in told.rows)
    called_inside = {"log_softmax", "split_heads"}  # by cross_entropy and in_heads
    assert {row.primitive for row in told.rows if row.backward} == set(calls) - called_inside


def test_the_parts_are_no_more_than_the_whole(model):
    with tinytorch.profile() as told:
        step(model)
    assert 0 < sum(row.forward + row.backward for row in told.rows) < told.seconds


def test_time_inside_another_primitive_is_counted_once(monkeypatch):
    """cross_entropy calls log_softmax's function on arrays."""
    log_softmax = PRIMITIVES["log_softmax"]
    function = log_softmax.on_arrays

    def slow(x, dim=-1):
        time.sleep(0.05)
        return function(x, dim)

    monkeypatch.setattr(log_softmax, "on_arrays", slow)
    with tinytorch.profile() as told:
        cross_entropy(Tensor([[1.0, 2.0]]), Tensor([1]))
    seconds = {row.primitive: row.forward for row in told.rows}
    assert seconds["log_softmax"] > 0.04 and seconds["cross_entropy"] < 0.04


def test_bytes_are_those_of_new_arrays():
    x = Tensor(np.ones((10, 10)))
    with tinytorch.profile() as told:
        (x.reshape(100) + 1).sum()
    assert {row.primitive: row.bytes for row in told.rows} == {"reshape": 0, "add": 400, "sum": 4}


def test_a_view_of_a_new_array_counts_as_that_array_and_once():
    x, weight = Tensor(np.ones((2, 3, 4))), Tensor(np.ones((4, 4)))
    with tinytorch.profile() as told:
        linear(x, weight)
        in_heads((x, weight, weight, weight), 2)
    rows = {row.primitive: row for row in told.rows}
    assert rows["linear"].calls == 2  # in_heads asks it for one product
    assert rows["linear"].bytes + rows["in_heads"].bytes == 4 * (24 + 3 * 24)


def test_the_figures_are_put_back_after_an_error_inside(model):
    with tinytorch.profile() as told:
        with pytest.raises(ValueError, match="features"):
            linear(Tensor(np.ones((2, 3))), Tensor(np.ones((4, 4))))
        Tensor([1.0]) + 1
    assert [row.primitive for row in told.rows] == ["add"]


def test_all_is_as_before_also_after_an_error(model):
    functions = {name: lifted.on_arrays for name, lifted in PRIMITIVES.items()}
    rules = dict(RULES)
    with pytest.raises(ValueError, match="inner sizes"), tinytorch.profile():
        Tensor(np.ones((2, 3))) @ Tensor(np.ones((2, 3)))
    assert {name: lifted.on_arrays for name, lifted in PRIMITIVES.items()} == functions
    assert rules == RULES
    with tinytorch.profile(), pytest.raises(RuntimeError, match="one at a time"):
        tinytorch.profile().__enter__()


def test_the_table(model):
    with tinytorch.profile() as told:
        step(model)
    first, *lines = str(told).splitlines()
    assert first.split()[:2] == ["primitive", "calls"]
    assert [line.split()[0] for line in lines] == [r.primitive for r in told.rows] + ["everything"]
    shares = [float(line.split("%")[0].split()[-1]) for line in lines]
    assert sum(shares) == pytest.approx(100, abs=len(shares) * 0.05)


def test_results_are_the_same_to_the_bit(model):
    step(model)
    plain = {name: p.grad.array for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = None
    with tinytorch.profile():
        step(model)
    assert all((p.grad.array == plain[name]).all() for name, p in model.named_parameters())


def test_the_table_of_several_threads(model):
    """They run side by side, so their seconds are no parts of those on the clock."""
    with tinytorch.profile() as told:
        step(model, 2)
    *lines, last = str(told).splitlines()[1:]
    assert last == "(2 threads at once: shares of all that they computed)"
    shares = [float(line.split("%")[0].split()[-1]) for line in lines]
    assert sum(shares) == pytest.approx(100, abs=len(shares) * 0.05)
