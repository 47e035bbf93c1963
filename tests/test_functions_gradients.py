"""Gradients on request, further switches, and the rules of further operations."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tinytorch
from tinytorch.autograd import no_grad
from tinytorch.functions import grad, inference_mode, is_grad_enabled, set_grad_enabled
from tinytorch.tensor import Tensor, recording


def leaf(values, dtype=None):
    """A leaf that wants a gradient."""
    return Tensor(values, requires_grad=True, dtype=dtype)


def random_leaf(*shape, seed=0):
    return leaf(np.random.default_rng(seed).standard_normal(shape), dtype="float64")


# ---------------------------------------------------------------- grad
def test_grad_touches_no_grad():
    x, w = leaf(3.0), leaf(2.0)
    x.grad = Tensor(1.0)
    g_x, g_w = grad(x * w * w, [x, w])
    assert (g_x.item(), g_w.item()) == (4, 12)
    assert x.grad.item() == 1 and w.grad is None


def test_grad_on_the_way_and_at_the_end():
    x = leaf(3.0)
    y = 2 * x
    z = y * y
    assert [g.item() for g in grad(z, [y, z, x], retain_graph=True)] == [12, 1, 24]
    assert y.grad is None and z.grad is None
    z.backward()
    assert y.grad is None and x.grad.item() == 24


def test_grad_of_what_was_not_used():
    x, w = leaf(3.0), leaf(2.0)
    with pytest.raises(RuntimeError, match="input 1 was not used"):
        grad(x * x, [x, w])
    assert grad(x * x, [x, w], allow_unused=True)[1] is None
    with pytest.raises(RuntimeError, match="does not require grad"):
        grad(x * x, [Tensor(1.0)])


def test_grad_of_one_tensor_with_a_start():
    x = leaf([1.0, 2.0])
    (g,) = grad(x * 3, x, grad_outputs=Tensor([1.0, 10.0]))
    assert g.tolist() == [3, 30] and g.array.base is None


def test_grad_from_several_threads_on_shared_weights():
    w = random_leaf(20, 20)
    shards = [
        Tensor(np.random.default_rng(i).standard_normal((5, 20)), dtype="float64") for i in range(8)
    ]

    def work(shard):
        return grad((shard @ w).tanh().sum(), w)[0].array

    alone = [work(shard) for shard in shards]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(work, shards * 5))
    assert all(np.array_equal(a, b) for a, b in zip(alone * 5, together, strict=True))
    assert w.grad is None


# ---------------------------------------------------------------- remember, or not
def test_set_grad_enabled():
    with set_grad_enabled(False):
        assert not recording()
        with set_grad_enabled(True):
            assert recording()
        assert not recording()
    assert recording()
    set_grad_enabled(False)
    assert not recording()
    set_grad_enabled(True)
    with no_grad():
        set_grad_enabled(True)
        assert recording()
    assert recording()

    @set_grad_enabled(False)
    def quiet():
        return recording()

    assert recording() and quiet() is False and recording()


def test_other_names():
    with inference_mode():
        assert not is_grad_enabled()
    assert is_grad_enabled()


GATES = {  # behind each the root, whose slope at 0 is infinite
    "relu": lambda x: x.relu(),
    "clamp": lambda x: x.clamp(min=0.0),
    "clamp at both ends": lambda x: (x - 0.0).clamp(0.0, 100.0),
    "maximum": lambda x: tinytorch.maximum(x, tinytorch.zeros(3)),
    "minimum": lambda x: -tinytorch.minimum(-x, tinytorch.zeros(3)),
}


@pytest.mark.parametrize("gate", GATES)
def test_infinity_does_not_come_through_a_closed_gate(gate):
    x = tinytorch.tensor([-1.0, -2.0, 4.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        GATES[gate](x).sqrt().sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.25]


def test_infinity_goes_to_the_largest_alone():
    x = tinytorch.tensor([-1.0, 0.0], requires_grad=True)
    with np.errstate(divide="ignore"):
        x.amax().sqrt().backward()
    assert x.grad.tolist() == [0.0, math.inf]


def test_a_leaf_that_was_frozen_after_its_use_gets_no_gradient():
    frozen, moving = (tinytorch.ones(2, requires_grad=True) for _ in range(2))
    loss = (frozen * moving).sum()
    frozen.requires_grad_(False)
    loss.backward()
    assert frozen.grad is None and moving.grad.tolist() == [1.0, 1.0]
