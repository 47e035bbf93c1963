"""Module 07: optimizers, clipping and the learning rate."""

import copy
import functools
import json
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch import optimizers
from tinytorch.bookkeeping import SHORT
from tinytorch.course import close
from tinytorch.layers import Linear, Sequential, Tanh
from tinytorch.losses import mse_loss
from tinytorch.optimizers import (
    SGD,
    Adam,
    AdamW,
    Optimizer,
    adam_update,
    adamw_decay,
    clip_grad_norm_,
    momentum_update,
    sgd_update,
    warmup_cosine,
)
from tinytorch.tensor import Parameter, Tensor, manual_seed, wrap

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=4)
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 1000)
KINDS = {
    "plain": functools.partial(SGD, lr=0.05),
    "momentum": functools.partial(SGD, lr=0.05, momentum=0.9),
    "nesterov": functools.partial(SGD, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": functools.partial(Adam, lr=0.05, weight_decay=0.1),
    "adamw": functools.partial(AdamW, lr=0.05, betas=(0.8, 0.95)),
}


def numbers(shape, dtype=np.float64, seed=0):
    """Standard normal numbers as an array, also where the shape is ()."""
    return np.array(np.random.default_rng(seed).standard_normal(shape), dtype=dtype)


def leaf(values, grad=None, dtype=None):
    """A parameter with a gradient."""
    tensor = Tensor(values, requires_grad=True, dtype=dtype)
    if grad is not None:
        tensor.grad = Tensor(grad, dtype=dtype)
    return tensor


def small_network(seed=0):
    manual_seed(seed)
    return Sequential(Linear(3, 4), Tanh(), Linear(4, 2))


def steps(network, optimizer, count, first=0):
    """A few steps on data that depend on the number of the step alone; all weights in one row."""
    for n in range(first, first + count):
        x, y = (Tensor(numbers((5, k), np.float32, seed=10 * n + k)) for k in (3, 2))
        optimizer.zero_grad()
        mse_loss(network(x), y).backward()
        optimizer.step()
    return np.concatenate([p.array.ravel() for p in network.parameters()])


# ---------------------------------------------------------------- the updates on arrays
@pytest.mark.exercise("optimizers.sgd_update")
class TestSgdUpdate:
    def test_the_example_by_hand(self):
        param = np.array([1.0, 2.0])
        assert sgd_update(param, np.array([10.0, -10.0]), 0.1) is None
        assert close(param, [0, 3])

    @given(SHAPES, DTYPES, SEEDS, st.floats(0, 2))
    def test_any_shape_in_place(self, shape, dtype, seed, lr):
        param, grad = numbers(shape, dtype, seed), numbers(shape, dtype, seed + 1)
        before, kept = param.copy(), grad.copy()
        sgd_update(param, grad, lr)
        exact = 1e-12 if dtype == np.float64 else 1e-6
        assert param.dtype == dtype and close(param, before - lr * kept, exact)
        assert np.array_equal(grad, kept)

    def test_two_steps_are_not_one(self):
        param = np.array([1.0])
        for _ in range(2):
            sgd_update(param, param.copy(), 0.5)
        assert close(param, [0.25])

    def test_lr_zero_moves_nothing(self):
        param = np.array([1.0, -2.0])
        sgd_update(param, np.array([5.0, 5.0]), 0.0)
        assert param.tolist() == [1, -2]

    @pytest.mark.parametrize("slope", [1e6, 1e-12, math.inf, math.nan])
    def test_every_gradient_counts_as_it_is(self, slope):
        param = np.zeros(1)
        sgd_update(param, np.array([slope]), 0.5)
        assert np.allclose(param, [-0.5 * slope], rtol=1e-12, atol=0, equal_nan=True)

    def test_through_a_transposed_array(self):
        param = np.ones((2, 3)).T
        sgd_update(param, np.full((3, 2), 2.0), 0.5)
        assert param.tolist() == [[0, 0]] * 3

    def test_through_a_view(self):
        table = np.ones((3, 4))
        sgd_update(table[:, 1], np.full(3, 2.0), 0.5)
        assert table.tolist() == [[1, 0, 1, 1]] * 3


@pytest.mark.exercise("optimizers.momentum_update")
class TestMomentumUpdate:
    def test_the_example_by_hand(self):
        param, velocity = np.array([10.0]), np.array([0.0])
        assert momentum_update(param, np.array([2.0]), velocity, 0.5) is None
        assert close(velocity, [2]) and close(param, [9])
        momentum_update(param, np.array([1.0]), velocity, 0.5)
        assert close(velocity, [2.8]) and close(param, [7.6])

    @given(SHAPES, DTYPES, SEEDS, st.floats(0, 0.99), st.booleans())
    def test_the_velocity_is_a_sum_with_friction(self, shape, dtype, seed, momentum, nesterov):
        param, velocity = numbers(shape, dtype, seed), np.zeros(shape, dtype)
        want, gradients = param.copy(), [numbers(shape, dtype, seed + n) for n in range(1, 5)]
        exact = 1e-12 if dtype == np.float64 else 1e-5
        for t, grad in enumerate(gradients):
            kept = grad.copy()
            momentum_update(param, grad, velocity, 0.1, momentum, nesterov)
            assert np.array_equal(grad, kept)
            total = sum(momentum ** (t - n) * gradients[n] for n in range(t + 1))
            assert close(velocity, total, exact)
            want = want - 0.1 * (momentum * total + grad if nesterov else total)
        assert param.dtype == velocity.dtype == dtype and close(param, want, exact)

    def test_through_transposed_arrays(self):
        param, velocity = np.ones((2, 3)).T, np.ones((2, 3)).T
        momentum_update(param, np.full((3, 2), 2.0), velocity, 0.5, 0.5)
        assert velocity.tolist() == [[2.5] * 2] * 3 and param.tolist() == [[-0.25] * 2] * 3

    def test_steady_slope_gets_ten_times_faster(self):
        param, velocity = np.zeros(1), np.zeros(1)
        for _ in range(200):
            momentum_update(param, np.ones(1), velocity, 0.0, 0.9)
        assert close(velocity, [10]) and close(param, [0])

    def test_lr_may_change_without_touching_the_velocity(self):
        param, velocity = np.zeros(1), np.zeros(1)
        momentum_update(param, np.ones(1), velocity, 1.0, 0.5)
        momentum_update(param, np.ones(1), velocity, 0.1, 0.5)
        assert close(velocity, [1.5]) and close(param, [-1.15])

    def test_no_momentum_is_the_plain_step(self):
        param, velocity = np.array([1.0, 2.0]), np.array([7.0, 7.0])
        momentum_update(param, np.array([10.0, -10.0]), velocity, 0.1, momentum=0.0)
        assert close(param, [0, 3]) and close(velocity, [10, -10])

    def test_the_velocity_does_not_become_the_gradient_itself(self):
        param, velocity, grad = np.zeros(2), np.zeros(2), np.ones(2)
        momentum_update(param, grad, velocity, 0.1)
        grad[...] = 100.0
        assert close(velocity, [1, 1])


def averages(gradients, beta):
    """The weighted average of all gradients so far."""
    weights = [beta**age for age in range(len(gradients))]
    return sum(w * g for w, g in zip(weights, reversed(gradients), strict=True)) / sum(weights)


@pytest.mark.exercise("optimizers.adam_update")
class TestAdamUpdate:
    @pytest.mark.parametrize("size", [1e6, 1.0, 1e-3])
    def test_the_first_step_has_the_length_lr_whatever_the_gradient(self, size):
        param, m, v = np.array([1.0, 1.0]), np.zeros(2), np.zeros(2)
        adam_update(param, np.array([size, -size]), m, v, 1, 0.25)
        assert close(param, [0.75, 1.25], 1e-5)
        assert close(m, [0.1 * size, -0.1 * size]) and close(v, [0.001 * size**2] * 2)

    def test_golden(self):
        x, m, v = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.zeros(3)
        for t in (1, 2, 3):
            adam_update(x, 2 * x, m, v, t, 0.1, 0.9, 0.98, 1e-9)
        assert close(x, [0.70139704, -1.70053193, 2.70032130], 1e-8)

    @settings(max_examples=60)
    @given(SHAPES, DTYPES, SEEDS, st.floats(0, 0.99), st.floats(0.1, 0.999), st.floats(1e-8, 1.0))
    def test_against_averages_of_all_gradients(self, shape, dtype, seed, beta1, beta2, eps):
        param = numbers(shape, dtype, seed)
        m, v, want = np.zeros(shape, dtype), np.zeros(shape, dtype), param.astype(np.float64)
        gradients = [numbers(shape, dtype, seed + n) for n in range(1, 5)]
        for t, grad in enumerate(gradients, start=1):
            kept = grad.copy()
            assert adam_update(param, grad, m, v, t, 0.1, beta1, beta2, eps) is None
            assert np.array_equal(grad, kept)
            mean = averages(gradients[:t], beta1)
            square = averages([g.astype(np.float64) ** 2 for g in gradients[:t]], beta2)
            want = want - 0.1 * mean / (np.sqrt(square) + eps)
        assert param.dtype == m.dtype == v.dtype == dtype
        assert close(param, want, 1e-9 if dtype == np.float64 else 1e-4)

    def test_eps_is_outside_of_the_root_and_after_the_correction(self):
        param, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
        adam_update(param, np.array([3.0]), m, v, 1, 0.1, eps=1.0)
        assert close(param, [1 - 0.1 * 3 / 4])

    def test_no_gradient_ever_moves_nothing_and_divides_by_nothing(self):
        param, m, v = np.array([1.0]), np.zeros(1), np.zeros(1)
        adam_update(param, np.zeros(1), m, v, 1, 0.1)
        assert param.tolist() == [1.0]

    @pytest.mark.parametrize("step", [1, 10, 200, 2000])
    def test_the_step_number_counts(self, step):
        param, m, v = np.array([0.0]), np.array([0.5]), np.array([0.5])
        adam_update(param, np.ones(1), m, v, step, 0.1)
        mean, square = 0.55 / (1 - 0.9**step), 0.5005 / (1 - 0.999**step)
        assert close(param / 0.1, [-mean / math.sqrt(square)])

    def test_through_transposed_arrays(self):
        param, m, v = (np.zeros((2, 3)).T for _ in range(3))
        adam_update(param, np.full((3, 2), 2.0), m, v, 1, 0.25)
        assert close(param, np.full((3, 2), -0.25))
        assert close(m, np.full((3, 2), 0.2)) and close(v, np.full((3, 2), 0.004))


@pytest.mark.exercise("optimizers.adamw_decay")
class TestAdamwDecay:
    def test_the_example_by_hand(self):
        param = np.array([1.0, -5.0])
        assert adamw_decay(param, 0.1, 0.01) is None
        assert close(param, [0.999, -4.995])

    @given(SHAPES, DTYPES, SEEDS, st.floats(0, 1), st.floats(0, 1))
    def test_every_number_keeps_the_same_share(self, shape, dtype, seed, lr, weight_decay):
        param = numbers(shape, dtype, seed)
        before = param.copy()
        adamw_decay(param, lr, weight_decay)
        assert param.dtype == dtype and close(param, before * (1 - lr * weight_decay))

    def test_lr_matters(self):
        param = np.array([1.0])
        adamw_decay(param, 0.0, 0.5)
        assert param.tolist() == [1.0]

    def test_through_a_transposed_array(self):
        param = np.ones((2, 3)).T
        adamw_decay(param, 0.5, 0.5)
        assert param.tolist() == [[0.75] * 2] * 3

    def test_zero_stays_zero(self):
        param = np.zeros(3)
        adamw_decay(param, 0.5, 0.5)
        assert param.tolist() == [0, 0, 0]


# ---------------------------------------------------------------- zero_grad
@pytest.mark.exercise("optimizers.Optimizer.zero_grad")
class TestZeroGrad:
    def test_every_parameter_of_every_group(self):
        params = [leaf([1.0], grad=[2.0]) for _ in range(5)]
        groups = [{"params": params[:2]}, {"params": params[2:4]}, {"params": params[4:]}]
        assert SGD(groups).zero_grad() is None
        assert [p.grad for p in params] == [None] * 5
        assert [p.item() for p in params] == [1.0] * 5

    def test_a_group_that_came_later(self):
        first, second = (leaf([1.0], grad=[2.0]) for _ in range(2))
        optimizer = SGD([first])
        optimizer.zero_grad()
        optimizer.add_param_group({"params": [second]})
        optimizer.zero_grad()
        assert first.grad is None and second.grad is None

    def test_some_have_no_gradient(self):
        params = [leaf([1.0]), leaf([1.0], grad=[2.0])]
        Adam(params).zero_grad()
        assert [p.grad for p in params] == [None, None]

    def test_the_gradient_of_before_is_let_go_and_not_written_into(self):
        weight = leaf([3.0], grad=[5.0])
        kept = weight.grad
        SGD([weight]).zero_grad()
        assert kept.tolist() == [5.0]

    def test_afterwards_a_step_moves_nothing(self):
        weight = leaf([3.0], grad=[5.0])
        optimizer = SGD([weight], lr=0.1, momentum=0.9)
        optimizer.step()
        before = weight.item()
        optimizer.zero_grad()
        optimizer.step()
        assert weight.item() == before

    def test_a_frozen_parameter_forgets_too(self):
        frozen = leaf([3.0], grad=[5.0])
        frozen.requires_grad = False
        SGD([frozen]).zero_grad()
        assert frozen.grad is None and not frozen.requires_grad

    def test_only_the_gradients_are_forgotten(self):
        weight = leaf([3.0], grad=[5.0])
        optimizer = SGD([weight], lr=0.1, momentum=0.9)
        optimizer.step()
        before = optimizer.state_dict()
        optimizer.zero_grad()
        after = optimizer.state_dict()
        assert after["param_groups"] == before["param_groups"]
        assert after["state"][0]["velocity"].tolist() == [5.0]

    def test_a_new_walk_begins_from_nothing(self):
        weight = leaf([3.0])
        optimizer = SGD([weight])
        for _ in range(2):
            optimizer.zero_grad()
            (weight * weight).sum().backward()
        assert weight.grad.tolist() == [6.0]


@pytest.mark.exercise("optimizers")
def test_zeros_instead_of_none_are_refused():
    weight = leaf([3.0], grad=[5.0])
    with pytest.raises(ValueError, match="zeros would still move by momentum"):
        SGD([weight]).zero_grad(set_to_none=False)
    assert weight.grad.tolist() == [5.0]


# ---------------------------------------------------------------- the classes, given
@pytest.mark.exercise("optimizers")
class TestStep:
    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_writes_into_the_array_that_others_see(self, kind):
        weight = Parameter([1.0, -2.0])
        array, before = weight.array, weight.array.copy()
        weight.grad = Tensor([3.0, 4.0])
        kind([weight]).step()
        assert weight.array is array and not np.array_equal(array, before)
        assert weight.made_by is None and weight.grad.tolist() == [3, 4]

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_without_a_gradient_nothing_moves_and_nothing_is_remembered(self, kind):
        still, moved = leaf([1.0]), leaf([1.0], grad=[1.0])
        optimizer = kind([still, moved])
        optimizer.step()
        assert still.item() == 1.0 and still.version == [0] and moved.item() != 1.0
        assert still not in optimizer.state

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_a_graph_that_kept_the_old_numbers_notices(self, kind):
        weight = leaf([1.0, 2.0])
        loss = (weight * weight).sum()
        loss.backward(retain_graph=True)
        kind([weight]).step()
        with pytest.raises(RuntimeError, match="was written into after it was used"):
            loss.backward()

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("shape", [(), (1,), (2, 0), (2, 3)])
    def test_shapes_and_dtypes_stay(self, kind, dtype, shape):
        weight = leaf(numbers(shape, dtype), grad=numbers(shape, dtype, 1), dtype=dtype)
        optimizer = kind([weight])
        for _ in range(2):
            optimizer.step()
        arrays = [v for v in optimizer.state[weight].values() if isinstance(v, np.ndarray)]
        for array in (weight.array, *arrays):
            assert isinstance(array, np.ndarray) and array.dtype == dtype and array.shape == shape

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_numpy_settings_compute_in_float32_too(self, kind):
        """A float64 learning rate gives the same bits as a Python number."""
        weights, rate = [], np.float64(0.1) / 3
        for lr in (rate, float(rate), Tensor(rate, dtype=np.float64)):
            weight = leaf(numbers((50,), np.float32), dtype=np.float32)
            optimizer = kind([weight])
            optimizer.param_groups[0]["lr"] = lr
            if "betas" in optimizer.defaults and not isinstance(lr, float):
                optimizer.param_groups[0]["betas"] = [np.float64(0.9), np.float64(0.999)]
            elif "betas" in optimizer.defaults:
                optimizer.param_groups[0]["betas"] = (0.9, 0.999)
            for n in range(5):
                weight.grad = Tensor(numbers((50,), np.float32, seed=n))
                optimizer.step()
            weights.append(weight.array)
        assert np.array_equal(weights[0], weights[1]) and np.array_equal(weights[1], weights[2])

    def test_lr_can_be_changed_between_steps(self):
        weight = leaf([1.0], grad=[1.0])
        optimizer = SGD([weight], lr=0.5)
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.25
        optimizer.step()
        assert weight.item() == 0.25

    def test_groups_have_settings_of_their_own(self):
        first, second = leaf([1.0], grad=[1.0]), leaf([1.0], grad=[1.0])
        SGD([{"params": [first]}, {"params": second, "lr": 0.25}], lr=0.5).step()
        assert first.item() == 0.5 and second.item() == 0.75

    def test_momentum_off_and_on_again(self):
        weight = leaf([0.0], grad=[1.0])
        optimizer = SGD([weight], lr=1.0)
        optimizer.step()
        optimizer.param_groups[0]["momentum"] = 0.5
        optimizer.step()
        optimizer.step()
        assert weight.item() == -(1 + 1 + 1.5)

    def test_l2_goes_into_the_gradient_and_leaves_it_alone(self):
        weight = leaf([10.0], grad=[1.0])
        SGD([weight], lr=0.1, weight_decay=0.5).step()
        assert close(weight, [10 - 0.1 * 6]) and weight.grad.tolist() == [1.0]

    def test_l2_in_adam_is_divided_away_and_adamw_is_not(self):
        coupled, decoupled = leaf([1.0], grad=[0.0]), leaf([1.0], grad=[0.0])
        Adam([coupled], lr=0.1, weight_decay=0.01).step()
        AdamW([decoupled], lr=0.1, weight_decay=0.01).step()
        assert close(coupled, [0.9], 1e-5) and close(decoupled, [0.999])

    def test_golden_adamw(self):
        x = leaf([1.0, -2.0, 3.0], dtype=np.float64)
        optimizer = AdamW([x], lr=0.1, betas=(0.9, 0.95), weight_decay=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            (x * x).sum().backward()
            optimizer.step()
        assert close(x, [0.69840926, -1.69469989, 2.69154107], 1e-8)

    def test_golden_adam(self):
        x = leaf([1.0, -2.0, 3.0], dtype=np.float64)
        optimizer = Adam([x], lr=0.1, betas=(0.9, 0.98), eps=1e-9)
        for _ in range(3):
            optimizer.zero_grad()
            (x * x).sum().backward()
            optimizer.step()
        assert close(x, [0.70139704, -1.70053193, 2.70032130], 1e-8)

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_a_network_learns(self, kind):
        network = small_network()
        x, y = Tensor(numbers((20, 3), np.float32)), Tensor(numbers((20, 2), np.float32, 1) * 0.1)
        optimizer, losses = kind(network.parameters()), []
        for _ in range(60):
            loss = mse_loss(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.4 * losses[0]

    def test_defaults_are_those_of_pytorch(self):
        weight = leaf([1.0])
        sgd = {"lr": 1e-3, "momentum": 0.0, "weight_decay": 0.0, "nesterov": False}
        assert SGD([weight]).defaults == sgd
        adam = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8}
        assert Adam([weight]).defaults == {**adam, "weight_decay": 0.0}
        assert AdamW([weight]).defaults == {**adam, "weight_decay": 0.01}

    def test_a_kind_of_your_own(self):
        class Sign(Optimizer):
            def __init__(self, params, lr):
                super().__init__(params, {"lr": lr})

            def update(self, param, grad, state, lr):
                param -= lr * np.sign(grad)

        weight = leaf([1.0, 1.0], grad=[5.0, -0.1])
        Sign([weight], 0.5).step()
        assert weight.tolist() == [0.5, 1.5]

    def test_a_kind_that_does_not_say_how(self):
        with pytest.raises(NotImplementedError, match="Optimizer does not say how to update"):
            Optimizer([leaf([1.0], grad=[1.0])], {}).step()


@pytest.mark.exercise("optimizers")
class TestPacks:
    """Short parameters that travel together arrive where each would have gone by itself."""

    SIZES = ((3, 4), (4,), (), (1, 7), (6000,))  # the last one is not short

    def run(self, make, alone, monkeypatch, disturb=lambda n, optimizer, params: None):
        """Eight steps; every array after each of them, and the state at the end."""
        monkeypatch.setattr(optimizers, "SHORT", 0 if alone else SHORT)
        params = [leaf(numbers(size, seed=n), dtype="float32") for n, size in enumerate(self.SIZES)]
        optimizer, seen = make(params), []
        for n in range(8):
            for k, p in enumerate(params):
                p.grad = Tensor(numbers(p.shape, seed=100 * n + k), dtype=p.dtype)
            disturb(n, optimizer, params)
            optimizer.step()
            seen += [p.array.copy() for p in params]
        state = optimizer.state_dict()["state"]
        return seen + [np.asarray(value) for p in state.values() for value in p.values()]

    def same(self, make, monkeypatch, disturb=lambda n, optimizer, params: None):
        """Whether both ways agree bit for bit."""
        pairs = [self.run(make, alone, monkeypatch, disturb) for alone in (False, True)]
        return all(np.array_equal(*two) for two in zip(*pairs, strict=True))

    @pytest.mark.parametrize("kind", KINDS)
    def test_every_kind_agrees_bit_for_bit(self, kind, monkeypatch):
        assert self.same(KINDS[kind], monkeypatch)

    def test_groups_keep_their_own_settings(self, monkeypatch):
        def make(params):
            groups = [
                {"params": params[:2], "lr": 0.5},
                {"params": params[2:], "weight_decay": 0.3},
            ]
            return AdamW(groups, lr=0.01)

        assert self.same(make, monkeypatch)

    def test_a_gradient_that_is_missing_now_and_then(self, monkeypatch):
        def disturb(n, optimizer, params):
            if n in (0, 3, 4):
                params[n % 3].grad = None

        for kind in ("momentum", "adam"):
            assert self.same(KINDS[kind], monkeypatch, disturb)

    def test_settings_that_change_and_parameters_that_freeze(self, monkeypatch):
        def disturb(n, optimizer, params):
            optimizer.param_groups[0]["lr"] = 0.1 / (n + 1)
            params[1].requires_grad = n != 5

        assert self.same(KINDS["adamw"], monkeypatch, disturb)

    def test_a_state_that_is_loaded_between_two_steps(self, monkeypatch):
        def disturb(n, optimizer, params):
            if n == 2:
                self.saved = optimizer.state_dict()
            if n == 5:
                optimizer.load_state_dict(self.saved)

        assert self.same(KINDS["adam"], monkeypatch, disturb)

    def test_weights_that_are_written_between_two_steps(self, monkeypatch):
        def disturb(n, optimizer, params):
            if n == 4:
                params[0].data = params[0].detach() * 0
                params[1].array[...] = 7

        assert self.same(KINDS["momentum"], monkeypatch, disturb)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
    def test_a_copy_goes_on_as_the_original_does(self, kind, copied):
        network = small_network()
        optimizer = KINDS[kind](network.parameters())
        steps(network, optimizer, 3)
        twin, its_optimizer = copied((network, optimizer))
        want, got = steps(network, optimizer, 4, 3), steps(twin, its_optimizer, 4, 3)
        assert np.array_equal(got, want)
        states = [o.state_dict()["state"] for o in (optimizer, its_optimizer)]
        for entries, others in zip(*(state.values() for state in states), strict=True):
            assert all(np.array_equal(entries[name], others[name]) for name in entries | others)

    def test_they_do_travel_together(self, monkeypatch):
        lengths = []
        usual = SGD.update

        def update(self, param, grad, state, **settings):
            lengths.append(param.size)
            usual(self, param, grad, state, **settings)

        monkeypatch.setattr(SGD, "update", update)
        self.run(KINDS["plain"], False, monkeypatch)
        assert lengths[:2] == [3 * 4 + 4 + 1 + 7, 6000]

    def test_an_update_that_looks_at_a_whole_array_gets_each_by_itself(self, monkeypatch):
        class Normed(Optimizer):
            def update(self, param, grad, state, lr):
                param -= lr * grad / (np.abs(grad).max() + 1e-6)

        assert self.same(lambda params: Normed(params, {"lr": 0.1}), monkeypatch)


@pytest.mark.exercise("optimizers")
class TestGroups:
    def test_a_generator_of_parameters(self):
        network = small_network()
        optimizer = SGD(p for p in network.parameters())
        assert optimizer.param_groups[0]["params"] == list(network.parameters())

    def test_one_tensor_is_a_list_of_one(self):
        weight = leaf([1.0])
        assert SGD(weight).param_groups[0]["params"] == [weight]

    @pytest.mark.parametrize(
        "empty", [[], iter(()), [{"params": []}], [{"params": iter(())}], Tanh().parameters()]
    )
    def test_no_parameters_are_refused(self, empty):
        with pytest.raises(
            ValueError, match="no parameters: is the model empty .*, or the iterator used up"
        ):
            SGD(empty, lr=0.1)

    def test_an_empty_group_beside_a_full_one_is_fine(self):
        assert len(SGD([{"params": []}, {"params": [leaf([1.0])]}]).param_groups) == 2

    def test_the_same_parameter_twice_is_refused(self):
        a, b = leaf([1.0]), leaf([1.0])
        with pytest.raises(ValueError, match=r"parameter 2, of shape \(1,\), would be moved twice"):
            Adam([a, b, a])
        with pytest.raises(
            ValueError, match=r"parameter 1, of shape \(1,\), would be moved twice a step"
        ):
            Adam([{"params": [a]}, {"params": [b, a]}])
        optimizer = Adam([a])
        with pytest.raises(ValueError, match="twice"):
            optimizer.add_param_group({"params": [a]})
        assert len(optimizer.param_groups) == 1

    def test_equal_numbers_are_not_the_same_parameter(self):
        assert len(SGD([leaf([1.0]), leaf([1.0])]).param_groups[0]["params"]) == 2

    def test_a_result_is_refused(self):
        with pytest.raises(ValueError, match="parameter 0 is computed by mul: pass its leaves"):
            SGD([leaf([1.0]) * 2])

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_frozen_parameters_are_taken_and_left_alone(self, kind):
        moved, frozen = leaf([1.0], grad=[1.0]), leaf([1.0])
        frozen.requires_grad_(False)
        optimizer = kind([moved, frozen])
        optimizer.step()
        assert moved.item() != 1.0 and frozen.item() == 1.0
        assert frozen.version == [0] and frozen not in optimizer.state

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_whatever_has_a_gradient_moves(self, kind):
        """Also without requires_grad, as where gradients are estimated and not walked for."""
        usual, by_hand = leaf([1.0], grad=[1.0]), Tensor([1.0])
        by_hand.grad = Tensor([1.0])
        kind([usual]).step()
        kind([by_hand]).step()
        assert by_hand.item() == usual.item() != 1.0 and not by_hand.requires_grad

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    @pytest.mark.parametrize("shape", [(1,), (3,), (1, 2), ()])
    def test_a_gradient_of_another_shape_is_refused(self, kind, shape):
        params = [leaf([1.0, 1.0], grad=[1.0, 1.0]), leaf([1.0, 1.0])]
        params[1].grad = Tensor(np.ones(shape))
        told = f"the shape of its parameter, (2,), and here .grad has {shape}"
        with pytest.raises(ValueError, match=re.escape(told)):
            kind(params).step()
        assert all(close(p, [1, 1]) for p in params)  # refused before anything moved

    @pytest.mark.parametrize("grad, what", [(np.ones(2), "ndarray"), (1.0, "float")])
    def test_a_gradient_that_is_no_tensor_is_refused(self, grad, what):
        param = leaf([1.0, 1.0])
        param.grad = grad
        with pytest.raises(TypeError, match=rf"of shape \(2,\) is a {what}: make it a tensor"):
            Adam([param]).step()

    def test_a_model_is_not_a_list_of_parameters(self):
        for model in (small_network(), Linear(2, 2)):
            with pytest.raises(
                TypeError, match=r"pass model\.parameters\(\) or a list, not a (Sequential|Linear)"
            ):
                SGD(model)

    def test_a_set_has_no_order(self):
        with pytest.raises(TypeError, match="or a list, not a set"):
            SGD({leaf([1.0]), leaf([2.0])})

    @pytest.mark.parametrize("what, kind", [(("w", 1), "tuple"), (np.ones(2), "ndarray")])
    def test_something_else_in_the_list(self, what, kind):
        with pytest.raises(
            TypeError, match=f"an optimizer moves tensors, and number 1 is a {kind}"
        ):
            SGD([leaf([1.0]), what])

    @pytest.mark.parametrize("lr", [-0.1, math.nan, math.inf, "0.1", None])
    def test_a_bad_lr_is_refused(self, lr):
        with pytest.raises(ValueError, match="lr is a number and at least 0, not"):
            SGD([leaf([1.0])], lr=lr)

    @pytest.mark.parametrize("name", ["weight_decay", "eps", "lr"])
    def test_negative_settings_are_refused_by_name(self, name):
        with pytest.raises(ValueError, match=f"{name} is a number and at least 0, not -1"):
            AdamW([leaf([1.0])], **{name: -1})
        with pytest.raises(ValueError, match=name):
            AdamW([{"params": [leaf([1.0])], name: -1}])

    def test_bad_momentum(self):
        with pytest.raises(ValueError, match="momentum is a number and at least 0"):
            SGD([leaf([1.0])], momentum=-0.9)
        with pytest.raises(ValueError, match="nesterov=True looks ahead .*: give a momentum"):
            SGD([leaf([1.0])], nesterov=True)

    @pytest.mark.parametrize("betas", [(0.9, 1.0), (-0.1, 0.9), (0.9,), (0.9, 0.99, 0.999)])
    def test_bad_betas(self, betas):
        with pytest.raises(ValueError, match="betas are two numbers, at least 0 and below 1, not"):
            Adam([leaf([1.0])], betas=betas)

    def test_a_misspelt_setting_is_refused(self):
        with pytest.raises(ValueError, match="no setting 'weight_deacy': there are lr, betas, eps"):
            AdamW([{"params": [leaf([1.0])], "weight_deacy": 0.0}])

    @pytest.mark.parametrize("group", [[1], {"lr": 0.1}])
    def test_a_group_is_a_dictionary_with_params(self, group):
        with pytest.raises(TypeError, match='a group is a dictionary that names its "params", not'):
            SGD([leaf([1.0])]).add_param_group(group)

    def test_add_param_group(self):
        first, second = leaf([1.0], grad=[1.0]), leaf([1.0], grad=[1.0])
        optimizer, given_group = SGD([first], lr=0.5), {"params": second, "lr": 0.25}
        optimizer.add_param_group(given_group)
        optimizer.step()
        assert (first.item(), second.item()) == (0.5, 0.75)
        assert given_group == {"params": second, "lr": 0.25}  # the caller's dictionary is his own
        optimizer.zero_grad()
        assert second.grad is None

    def test_position_is_no_trap_for_those_who_know_pytorch(self):
        with pytest.raises(TypeError, match="positional"):
            SGD([leaf([1.0])], 0.1, 0.9, 0.0)  # the fourth is dampening there


@pytest.mark.exercise("optimizers")
class TestSaving:
    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_to_stop_and_go_on_is_not_to_stop_bit_for_bit(self, kind):
        network = small_network()
        optimizer = kind(network.parameters())
        steps(network, optimizer, 5)
        optimizer.param_groups[0]["lr"] = 0.01
        weights = {name: t.array.copy() for name, t in network.state_dict().items()}
        state = optimizer.state_dict()
        through = steps(network, optimizer, 5, first=5)

        again = small_network(seed=1)
        again.load_state_dict(weights)
        optimizer = kind(again.parameters(), lr=0.9)
        optimizer.load_state_dict(state)
        assert np.array_equal(steps(again, optimizer, 5, first=5), through)

    @pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
    def test_plain_arrays_numbers_and_positions(self, kind):
        network = small_network()
        optimizer = kind([{"params": network[0].parameters()}, {"params": network[2].parameters()}])
        steps(network, optimizer, 2)
        state = optimizer.state_dict()
        assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2, 3]]
        for entries in state["state"].values():
            assert all(type(value) in (int, np.ndarray) for value in entries.values())
        assert set(state["state"]) <= {0, 1, 2, 3}
        json.dumps(state["param_groups"])

    def test_through_json_and_tensors(self):
        """As a file would bring it back: text for keys, lists for tuples, Tensors or 0-d arrays."""
        network = small_network()
        optimizer = Adam(network.parameters())
        before = steps(network, optimizer, 3)
        state = optimizer.state_dict()
        state["param_groups"] = json.loads(json.dumps(state["param_groups"]))
        state["state"] = {
            str(position): {
                "step": np.array(entries["step"]),
                "m": Tensor(entries["m"]),
                "v": entries["v"],
            }
            for position, entries in state["state"].items()
        }
        again = small_network()
        loaded = Adam(again.parameters())
        loaded.load_state_dict(state)
        for own, other in zip(network.parameters(), again.parameters(), strict=True):
            other.data.copy_(own.detach())
        assert np.array_equal(before, np.concatenate([p.array.ravel() for p in again.parameters()]))
        assert np.array_equal(
            steps(network, optimizer, 3, first=3), steps(again, loaded, 3, first=3)
        )
        assert type(loaded.state[next(again.parameters())]["step"]) is int

    def test_the_state_is_a_copy_both_ways(self):
        network = small_network()
        optimizer = Adam(network.parameters())
        steps(network, optimizer, 2)
        state = optimizer.state_dict()
        kept = copy.deepcopy(state)
        loaded = Adam(network.parameters())
        loaded.load_state_dict(state)
        steps(network, optimizer, 2)
        steps(network, loaded, 2)
        loaded.param_groups[0]["lr"] = 5.0
        assert state["param_groups"] == kept["param_groups"]
        for position, entries in kept["state"].items():
            for name, value in entries.items():
                assert np.array_equal(state["state"][position][name], value)

    def test_parameters_without_a_state_come_back_without_one(self):
        a, b = leaf([1.0], grad=[1.0]), leaf([1.0])
        optimizer = Adam([a, b])
        optimizer.step()
        state = optimizer.state_dict()
        assert list(state["state"]) == [0]
        loaded = Adam([a, b])
        loaded.load_state_dict(state)
        assert set(loaded.state) == {a}

    def test_settings_are_saved_as_python_numbers(self):
        optimizer = Adam([leaf([1.0])], betas=[np.float64(0.5), 0.9])
        optimizer.param_groups[0]["lr"] = Tensor(0.25)
        group = optimizer.state_dict()["param_groups"][0]
        assert type(group["lr"]) is type(group["betas"][0]) is float
        assert (group["lr"], tuple(group["betas"])) == (0.25, (0.5, 0.9))

    def test_0_d_parameters(self):
        weight = leaf(2.0, grad=1.0)
        optimizer = Adam([weight])
        optimizer.step()
        loaded = Adam([weight])
        loaded.load_state_dict(optimizer.state_dict())
        assert loaded.state[weight]["m"].shape == () and loaded.state[weight]["step"] == 1

    def misfit(self, change, match, kind=Adam):
        """A changed state is refused, and the optimizer is as it was."""
        network = small_network()
        optimizer = Adam(network.parameters(), lr=0.3)
        steps(network, optimizer, 2)
        state = optimizer.state_dict()
        change(state)
        other = kind(small_network().parameters(), lr=0.7)
        with pytest.raises(ValueError, match=match):
            other.load_state_dict(state)
        assert other.param_groups[0]["lr"] == 0.7 and not other.state

    def test_other_groups_are_refused(self):
        def change(state):
            state["param_groups"][0]["params"].pop()

        self.misfit(change, r"the state is of groups of \[3\] parameters, and here are \[4\]")

    def test_another_kind_is_refused(self):
        self.misfit(
            lambda state: None, "no setting 'betas': there are lr, momentum, weight_decay", kind=SGD
        )

    def test_other_shapes_are_refused(self):
        def change(state):
            state["state"][3]["v"] = np.zeros(7)

        self.misfit(change, r"'v': \(7,\)} and should have .*'v': \(2,\)}")

    def test_other_names_are_refused(self):
        def change(state):
            state["state"][2]["velocity"] = state["state"][2].pop("m")

        self.misfit(change, "a parameter has {.*velocity.*} and should have {.*'m'")

    def test_unknown_positions_are_refused(self):
        def change(state):
            state["state"][9] = state["state"].pop(3)

        self.misfit(change, "remembers a parameter 9 that no group has")

    def test_bad_settings_are_refused(self):
        def change(state):
            state["param_groups"][0]["lr"] = -1

        self.misfit(change, "lr is a number and at least 0")


# ---------------------------------------------------------------- clipping
@pytest.mark.exercise("optimizers.clip_grad_norm_")
class TestClip:
    def test_the_example_by_hand(self):
        x = leaf([0.0] * 3, grad=[3.0, 4.0, 0.0])
        norm = clip_grad_norm_([x], 1.0)
        assert isinstance(norm, Tensor) and norm.shape == () and close(norm, 5)
        assert close(x.grad, [0.6, 0.8, 0])

    @settings(max_examples=60)
    @given(
        st.lists(SHAPES, min_size=1, max_size=4),
        DTYPES,
        SEEDS,
        st.one_of(st.just(0.0), st.floats(1e-3, 20)),
    )
    def test_one_length_over_all(self, shapes, dtype, seed, max_norm):
        params = [
            leaf(numbers(s, dtype), numbers(s, dtype, seed + i), dtype)
            for i, s in enumerate(shapes)
        ]
        before = np.concatenate([p.grad.array.ravel() for p in params]).astype(np.float64)
        length = math.sqrt((before * before).sum())
        norm = clip_grad_norm_(params, max_norm)
        after = np.concatenate([p.grad.array.ravel() for p in params])
        assert norm.dtype == dtype and after.dtype == dtype
        assert close(norm, length, 1e-5)
        assert close(after, before * min(1, max_norm / (length + 1e-6)), 1e-5)

    def test_many_short_gradients_count_beside_a_long_one(self):
        long, short = leaf([0.0], grad=[4096.0]), [leaf([0.0], grad=[1.0]) for _ in range(2000)]
        norm = clip_grad_norm_([long, *short], 1e9)
        assert close(norm.item() - 4096, 0.2441, 1e-3)  # 4096² + 1 is 4096² in float32

    def test_the_direction_stays(self):
        a, b = leaf([0.0] * 2, grad=[30.0, 40.0]), leaf([0.0] * 2, grad=[0.3, 0.4])
        clip_grad_norm_([a, b], 1.0)
        assert close(a.grad.array / b.grad.array, [100, 100], 1e-4)

    def test_short_gradients_keep_every_bit(self):
        x = leaf([0.0] * 2, grad=[0.3, 0.4])
        kept = x.grad.array.copy()
        assert close(clip_grad_norm_([x], 1.0), 0.5)
        assert np.array_equal(x.grad.array, kept)

    def test_the_memory_of_the_gradient_is_written_into(self):
        x = leaf([0.0], grad=[8.0])
        array = x.grad.array
        clip_grad_norm_([x], 2.0)
        assert x.grad.array is array and close(array, [2])
        assert x.tolist() == [0.0]

    def test_a_transposed_gradient(self):
        x = leaf(np.zeros((2, 2)))
        x.grad = wrap(np.array([[1.0, 3.0], [1.0, 5.0]]).T)
        assert close(clip_grad_norm_([x], 3.0), 6)
        assert close(x.grad, [[0.5, 0.5], [1.5, 2.5]])

    def test_pytorchs_small_number(self):
        x = leaf([0.0], grad=[1e-6], dtype=np.float64)
        clip_grad_norm_([x], 1e-6)
        assert close(x.grad.array * 1e6, [0.5])

    def test_parameters_without_a_gradient_do_not_count(self):
        a, b = leaf([100.0]), leaf([0.0], grad=[2.0])
        assert close(clip_grad_norm_([a, b], 1.0), 2)
        assert a.grad is None and close(b.grad, [1], 1e-5)

    def test_a_generator_and_one_tensor(self):
        a, b = leaf([0.0], grad=[3.0]), leaf([0.0], grad=[4.0])
        assert close(clip_grad_norm_((p for p in (a, b)), 5.0), 5)
        assert close(clip_grad_norm_(a, 1.0), 3)
        assert close(a.grad, [1], 1e-5) and close(b.grad, [4], 1e-5)

    def test_zeros_stay_zeros(self):
        x = leaf([0.0], grad=[0.0])
        assert clip_grad_norm_([x], 1.0).item() == 0
        assert x.grad.tolist() == [0.0]

    def test_no_gradients_at_all(self):
        assert clip_grad_norm_([leaf([0.0])], 1.0).item() == 0.0

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_what_is_not_finite_shows_in_the_norm(self, bad):
        x, y = leaf([0.0], grad=[1.0]), leaf([0.0, 0.0], grad=[1.0, bad])
        with np.errstate(invalid="ignore"):
            norm = clip_grad_norm_([x, y], 1.0).item()
        assert not math.isfinite(norm)


@pytest.mark.exercise("optimizers")
class TestClipRefusals:
    @pytest.mark.parametrize("max_norm", [-1.0, math.nan])
    def test_a_negative_length_is_refused(self, max_norm):
        x = leaf([0.0], grad=[5.0])
        with pytest.raises(ValueError, match="max_norm is a length, at least 0, not"):
            clip_grad_norm_([x], max_norm)
        assert x.grad.tolist() == [5.0]

    def test_the_write_is_counted(self):
        x = leaf([1.0], grad=[5.0])
        product = (x * x.grad).sum()
        clip_grad_norm_([x], 1.0)
        with pytest.raises(RuntimeError, match="was written into after it was used"):
            product.backward()


# ---------------------------------------------------------------- the learning rate
@pytest.mark.exercise("optimizers.warmup_cosine")
class TestWarmupCosine:
    def test_golden(self):
        want = [0, 0.25, 0.5, 0.75, 1, 0.9619, 0.8536, 0.6913, 0.5, 0.3087, 0.1464, 0.0381, 0]
        assert close([warmup_cosine(step, 4, 12) for step in range(13)], want, 5e-5)

    def test_golden_without_warm_up(self):
        want = [0.9755, 0.9045, 0.7939, 0.6545, 0.5, 0.3455, 0.2061, 0.0955, 0.0245, 0]
        assert close([warmup_cosine(step, 0, 10, 1.0) for step in range(1, 11)], want, 5e-5)
        assert warmup_cosine(0, 0, 10, 3.0) == 3.0

    @given(st.integers(0, 50), st.integers(1, 50), st.floats(1e-5, 10), st.floats(0, 1))
    def test_up_to_the_top_and_down_to_the_end(self, warmup, falling, lr, share):
        total, min_lr = warmup + falling, share * lr
        rates = [warmup_cosine(step, warmup, total, lr, min_lr) for step in range(total + 5)]
        assert all(a < b for a, b in zip(rates[:warmup], rates[1 : warmup + 1], strict=True))
        assert close(rates[warmup], lr) and max(rates) <= lr * (1 + 1e-12)
        fall = rates[warmup : total + 1]
        assert all(a >= b for a, b in zip(fall, fall[1:], strict=False))
        assert close(rates[total:], [min_lr] * 5)
        if warmup:
            assert rates[0] == 0

    @given(st.integers(0, 20), st.integers(1, 20), st.floats(0, 1))
    def test_the_fall_is_the_same_seen_from_both_ends(self, warmup, half, min_lr):
        total = warmup + 2 * half
        for n in range(half + 1):
            early, late = (
                warmup_cosine(s, warmup, total, 1, min_lr) for s in (warmup + n, total - n)
            )
            assert close(early + late, 1 + min_lr)

    def test_it_is_no_straight_line(self):
        assert close(warmup_cosine(25, 0, 100), (1 + math.sqrt(0.5)) / 2)

    def test_min_lr(self):
        assert close(warmup_cosine(12, 4, 12, lr=3.0, min_lr=1.0), 1)
        assert close(warmup_cosine(8, 4, 12, lr=3.0, min_lr=1.0), 2)
        assert close(warmup_cosine(1, 4, 12, lr=3.0, min_lr=1.0), 0.75)

    def test_training_shorter_than_the_warm_up(self):
        assert close([warmup_cosine(n, 10, 5, 2.0) for n in (0, 4, 9)], [0, 0.8, 1.8])
        assert math.isfinite(warmup_cosine(10, 10, 10, 2.0))
        assert close(warmup_cosine(11, 10, 10, 2.0), 0, 1e-12)

    def test_a_python_number(self):
        assert type(warmup_cosine(3, 4, 12, 0.1)) is float
        assert type(warmup_cosine(7, 4, 12, 0.1)) is float


@pytest.mark.exercise("optimizers")
@pytest.mark.parametrize("numbers_given", [(-1, 4, 12), (0, -4, 12), (0, 4, -12)])
def test_negative_steps_are_refused(numbers_given):
    with pytest.raises(
        ValueError, match="steps count from 0: step=.*, warmup_steps=.*, total_steps="
    ):
        warmup_cosine(*numbers_given)
