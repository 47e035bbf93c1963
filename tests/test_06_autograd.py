"""Module 06: the nudge, the rules, the order, the walk, and every gradient of modules 01 to 05."""

import functools
import gc
import math
import sys
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch import autograd, layers, losses  # noqa: F401  (their primitives enter the table)
from tinytorch.autograd import (
    Parts,
    backward,
    cross_entropy_rule,
    directional_derivative,
    enable_grad,
    getitem_rule,
    gradcheck,
    inputs_of,
    local_gradients,
    matmul_rule,
    mul_rule,
    no_grad,
    rule,
    sum_rule,
    topological_order,
    unbroadcast,
)
from tinytorch.tensor import (
    PRIMITIVES,
    RULES,
    Call,
    Generator,
    Tensor,
    primitive,
    recording,
    wrap,
)

# The time that this process works, however busy the machine is; Windows counts it too coarsely.
clock = time.perf_counter if sys.platform == "win32" else time.thread_time
small_shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)


def leaf(values, dtype=None):
    """A leaf that wants a gradient."""
    return Tensor(values, requires_grad=True, dtype=dtype)


def random_leaf(*shape, seed=0):
    return leaf(np.random.default_rng(seed).standard_normal(shape), dtype="float64")


def slope_of_each(f, array, step=1e-6):
    """The slope of f for each element of the array, one nudge at a time: slow, and independent."""
    slopes = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        nudge = np.zeros(array.shape)
        nudge[place] = step
        slopes[place] = (f(array + nudge) - f(array - nudge)) / (2 * step)
    return slopes


@pytest.fixture
def toy_table():
    """A test may enter primitives and rules; they are gone afterwards."""
    before = [dict(table) for table in (PRIMITIVES, RULES)]
    yield
    for table, entries in zip((PRIMITIVES, RULES), before, strict=True):
        table.clear()
        table.update(entries)


# ---------------------------------------------------------------- directional_derivative
@pytest.mark.exercise("autograd.directional_derivative")
class TestDirectionalDerivative:
    def test_error_of_a_cubic_is_the_square_of_the_step(self):
        def cube(x):
            return float(x**3)

        assert math.isclose(
            directional_derivative(cube, np.array(3.0), np.array(1.0), step=0.1), 27.01
        )
        assert math.isclose(
            directional_derivative(cube, np.array(3.0), np.array(1.0), step=0.01), 27.0001
        )

    def test_no_error_for_a_square_however_large_the_step(self):
        assert math.isclose(
            directional_derivative(lambda x: float(x * x), np.array(3.0), np.array(1.0), step=2.0),
            6,
        )

    def test_adds_the_slopes_weighted_by_the_direction(self):
        rng = np.random.default_rng(0)
        x, d, w = (rng.standard_normal((2, 3)) for _ in range(3))
        slope = directional_derivative(lambda x: float((w * np.sin(x)).sum()), x, d)
        assert math.isclose(slope, (w * np.cos(x) * d).sum(), rel_tol=1e-8)

    def test_turning_the_direction_over_turns_the_sign(self):
        x = np.array([0.5, 2.0])
        there = directional_derivative(lambda x: float(np.exp(x).sum()), x, np.array([1.0, -3.0]))
        back = directional_derivative(lambda x: float(np.exp(x).sum()), x, np.array([-1.0, 3.0]))
        assert there == -back

    def test_asks_f_twice_with_float64_arrays_of_the_shape_of_x(self):
        asked = []

        def f(x):
            asked.append(x)
            return float(x.sum())

        directional_derivative(f, np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))
        assert [(x.shape, x.dtype) for x in asked] == [((2, 3), np.float64)] * 2

    def test_f_never_sees_the_callers_array_nor_one_array_twice(self):
        """f may keep what it was given, and a number that was nudged there and back is another."""
        x, seen = np.array([3.0, 0.1]), []

        def f(point):
            assert not np.shares_memory(point, x) and x.tolist() == [3, 0.1]
            seen.append(point)
            return float(point.sum())

        directional_derivative(f, x, np.array([1.0, 0.0]), step=0.5)
        assert sorted(point.tolist() for point in seen) == [[2.5, 0.1], [3.5, 0.1]]

    def test_float32_input_is_measured_with_float64_precision(self):
        x = np.array([3.0, 1.0], np.float32)
        slope = directional_derivative(lambda x: float((x**3).sum()), x, np.float32([1, 2]))
        assert math.isclose(slope, 27 + 6, rel_tol=1e-8)

    def test_a_float32_direction_gives_nine_right_digits_too(self):
        d = np.float32([0.1, 1 / 3])
        slope = directional_derivative(lambda x: float(x.sum()), np.zeros(2), d)
        assert math.isclose(slope, d.astype(np.float64).sum(), rel_tol=1e-9)

    def test_leaves_its_arguments_alone(self):
        x, d = np.array([3.0, 1.0]), np.array([1.0, -2.0])
        directional_derivative(lambda x: float(x.sum()), x, d, step=0.5)
        assert x.tolist() == [3, 1] and d.tolist() == [1, -2]


# ---------------------------------------------------------------- rules of arithmetic
@pytest.mark.exercise("autograd.mul_rule")
class TestMulRule:
    def test_each_factor_gets_the_other_times_g(self):
        assert [float(a) for a in mul_rule(10.0, 3.0, 4.0)] == [40, 30]

    def test_element_by_element(self):
        rng = np.random.default_rng(0)
        g, x, y = (rng.standard_normal((2, 3)) for _ in range(3))
        g_x, g_y = mul_rule(g, x, y)
        assert np.array_equal(g_x, g * y) and np.array_equal(g_y, g * x)

    def test_float32_stays_float32(self):
        g, x, y = np.ones((3, 2), np.float32)
        assert [a.dtype for a in mul_rule(g, x, y)] == [np.float32] * 2

    def test_a_square_gets_both_parts(self):
        x = leaf(3.0)
        (x * x).backward()
        assert x.grad.item() == 6

    def test_leaves_its_arguments_alone(self):
        g, x, y = np.array([2.0]), np.array([3.0]), np.array([4.0])
        mul_rule(g, x, y)
        assert (g.item(), x.item(), y.item()) == (2, 3, 4)

    def test_what_was_entered_last_is_what_backward_asks(self, toy_table):
        def again(g, x, y):
            return 100 * g * y, 100 * g * x

        again.__name__ = "mul_rule"
        rule(again)
        x = leaf(3.0)
        (x * 5).backward()
        assert x.grad.item() == 500


# ---------------------------------------------------------------- topological_order
def check_order(root):
    """Every node once, after all its inputs; root last; nothing that root does not depend on."""
    order = topological_order(root)
    listed = set()
    for node in order:
        assert node not in listed, f"{node} is listed twice"
        assert listed.issuperset(inputs_of(node)), f"{node} stands before one of its inputs"
        listed.add(node)
    assert order[-1] is root
    return order


@pytest.mark.exercise("autograd.topological_order")
class TestTopologicalOrder:
    def test_the_graph_by_hand(self):
        x = leaf(3.0)
        order = check_order((4 * x * x + 2 * x).made_by)
        assert [getattr(n, "primitive", "leaf") for n in order].count("mul") == 3
        assert len(order) == 5 and order[0] is x

    def test_a_leaf_alone(self):
        x = leaf(3.0)
        assert topological_order(x)[0] is x
        assert len(topological_order(x)) == 1

    def test_a_short_path_does_not_overtake_a_long_one(self):
        x = leaf(3.0)
        m = 2 * x
        for tensor in (m + m * 3 * 5, m * 3 * 5 + m, (m * 3) * m * (m * 3 * 5)):
            check_order(tensor.made_by)

    @settings(max_examples=40)
    @given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=40))
    def test_any_graph(self, pairs):
        nodes = [leaf(1.0), leaf(2.0)]
        for i, j in pairs:
            nodes.append(nodes[i % len(nodes)] + nodes[j % len(nodes)])
        order = check_order(nodes[-1].made_by)
        reached, todo = set(), [nodes[-1].made_by]
        while todo:
            node = todo.pop()
            if node not in reached:
                reached.add(node)
                todo.extend(inputs_of(node))
        assert set(order) == reached

    def test_only_what_wants_a_gradient(self):
        x, constant = leaf([1.0]), Tensor([2.0])
        order = check_order((x * constant + constant).made_by)
        assert not any(node is constant for node in order) and len(order) == 3

    def test_chain_of_20_000_additions(self):
        x = leaf(1.0)
        y = x
        for _ in range(20_000):
            y = y + 1.0
        assert len(topological_order(y.made_by)) == 20_001

    def test_forty_doublings_take_forty_steps(self):
        y = x = leaf(1.0)
        for _ in range(40):
            y = y + y
        start = clock()
        order = check_order(y.made_by)
        assert len(order) == 41 and order[0] is x
        assert clock() - start < 1, "a graph of 41 nodes took a second"

    def test_time_grows_with_the_graph_and_not_with_its_square(self):
        def seconds(length):
            y = leaf(0.0)
            for _ in range(length):
                y = y + y
            start = clock()
            topological_order(y.made_by)
            return clock() - start

        short = long = math.inf
        for _ in range(8):  # what else the machine does makes a run longer, never shorter
            short, long = min(short, seconds(1000)), min(long, seconds(8000))
            if long < 20 * short:
                break
        assert long < 40 * short, f"8 times the nodes took {long / short:.0f} times the time"

    def test_refuses_a_freed_graph(self):
        x = leaf(3.0)
        trunk = x * x
        loss = trunk * 2
        trunk.backward()
        with pytest.raises(RuntimeError, match="freed"):
            topological_order(loss.made_by)


# ---------------------------------------------------------------- backward
@pytest.mark.exercise("autograd.backward")
class TestBackward:
    def test_contributions_add_up(self):
        x = leaf(3.0)
        (4 * x * x + 2 * x).backward()
        assert x.grad.item() == 26

    def test_a_node_waits_for_all_its_parts(self):
        x = leaf(3.0)
        m = 2 * x
        (m + 3 * m).backward()
        assert x.grad.item() == 8

    @settings(max_examples=40)
    @given(
        st.lists(
            st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 2)),
            min_size=1,
            max_size=14,
        )
    )
    def test_any_graph_against_forward_mode(self, steps):
        """Carry (value, slope for x, slope for y) forward, which needs no order and no walk."""
        x, y = leaf(1.5, "float64"), leaf(-0.5, "float64")
        tensors, duals = [x, y], [(1.5, np.array([1.0, 0.0])), (-0.5, np.array([0.0, 1.0]))]
        for i, j, kind in steps:
            i, j = i % len(tensors), j % len(tensors)
            a, b, (u, du), (v, dv) = tensors[i], tensors[j], duals[i], duals[j]
            if kind == 0:
                tensors.append(a + b)
                duals.append((u + v, du + dv))
            elif kind == 1:
                tensors.append(a - b)
                duals.append((u - v, du - dv))
            else:
                tensors.append(a * b * 0.5)
                duals.append((u * v * 0.5, 0.5 * (v * du + u * dv)))
        if max(abs(u) for u, _ in duals) > 1e6:
            return
        tensors[-1].backward()
        for t, expected in zip((x, y), duals[-1][1], strict=True):
            got = 0.0 if t.grad is None else t.grad.item()
            assert math.isclose(got, expected, rel_tol=1e-9, abs_tol=1e-9)

    def test_a_second_backward_adds(self):
        x = leaf(3.0)
        (4 * x * x).backward()
        (2 * x).backward()
        assert x.grad.item() == 26

    def test_starts_from_the_gradient_that_was_passed(self):
        x = leaf([1.0, 2.0])
        (x * 3).backward(np.array([10.0, 100.0]))
        assert x.grad.tolist() == [30, 300]
        x.grad = None
        (x * 3).backward(Tensor([1.0, 0.0]))
        assert x.grad.tolist() == [3, 0]

    def test_a_leaf_is_its_own_graph(self):
        x = leaf(3.0)
        x.backward()
        x.backward(5.0)
        assert x.grad.item() == 6

    def test_leaves_without_requires_grad_get_nothing(self):
        x, c = leaf([1.0]), Tensor([2.0])
        (x * c).backward()
        assert c.grad is None and x.grad.item() == 2

    def test_shape_and_dtype_are_those_of_the_leaf(self):
        x = leaf(np.ones((2, 3)))
        (x * 2.0).backward(np.ones((2, 3)))
        assert x.grad.shape == (2, 3) and x.grad.dtype == np.float32
        assert isinstance(x.grad, Tensor) and x.grad.requires_grad is False

    def test_results_on_the_way_get_no_grad(self):
        x = leaf(3.0)
        y = 2 * x
        (y * y).backward()
        assert y.grad is None

    def test_frees_the_graph(self):
        x = leaf(3.0)
        y = x * x
        y.backward()
        with pytest.raises(RuntimeError, match="retain_graph=True"):
            y.backward()
        assert x.grad.item() == 6

    def test_retain_graph_keeps_it_for_another_walk(self):
        x = leaf(3.0)
        y = x * x
        for times in (1, 2, 3):
            y.backward(retain_graph=True)
            assert x.grad.item() == 6 * times
        y.backward()
        with pytest.raises(RuntimeError, match="freed"):
            y.backward()

    def test_two_losses_on_one_trunk_are_refused_before_anything_changes(self):
        x, w = leaf(3.0), leaf(2.0)
        trunk = x * x
        first, second = trunk * 2, w * trunk
        first.backward()
        with pytest.raises(RuntimeError, match="sum of the losses"):
            second.backward()
        assert x.grad.item() == 12 and w.grad is None
        x.grad = None
        trunk = x * x
        (trunk * 2 + w * trunk).backward()
        assert x.grad.item() == 24 and w.grad.item() == 9

    def test_an_error_in_the_middle_changes_no_leaf(self, toy_table):
        x, w = leaf(3.0), leaf(2.0)
        w.grad = Tensor(1.0)

        def neg_rule(g):
            raise RuntimeError("broken on purpose")

        loss = -x * w + w * 5
        rule(neg_rule)
        with pytest.raises(RuntimeError, match="on purpose"):
            loss.backward()
        assert x.grad is None and w.grad.item() == 1

    @pytest.mark.parametrize("first", [True, False])
    def test_an_error_behind_a_leaf_that_had_its_turn(self, toy_table, first):
        x, w = leaf(3.0), leaf(2.0)

        def exp_rule(g):
            raise RuntimeError("broken on purpose")

        rule(exp_rule)
        loss = w + x.exp() if first else x.exp() + w
        with pytest.raises(RuntimeError, match="on purpose"):
            loss.backward()
        assert w.grad is None and x.grad is None

    def test_chain_of_100_000_additions(self):
        x = leaf(1.0)
        y = x
        for _ in range(100_000):
            y = y + 1.0
        y.backward()
        assert x.grad.item() == 1

    def test_forty_doublings(self):
        y = x = leaf(1.0)
        for _ in range(40):
            y = y + y
        start = clock()
        y.backward()
        assert x.grad.item() == 2**40 and clock() - start < 1

    def test_holds_only_the_gradients_in_use(self):
        x = leaf(np.ones(50_000))
        y = x
        for _ in range(40):
            y = -y
        tracemalloc.start()
        try:
            y.backward(np.ones(50_000, np.float32))
            peak = tracemalloc.get_traced_memory()[1] / 200_000
        finally:
            tracemalloc.stop()
        assert peak < 12, f"{peak:.0f} gradients of a chain of 40 were alive at once"

    def test_lets_saved_arrays_go_while_walking(self, toy_table):
        """What the later half saved must be free when the rule of the first step runs."""
        alive = []

        @primitive
        def probe(x):
            return x.copy()

        @rule
        def probe_rule(g):
            alive.append(sum(ref() is not None for ref in saved))
            return g

        y, saved = probe(leaf(np.ones(8))), []
        for _ in range(10):
            y = y * y
            saved.append(weakref.ref(y.made_by.kept["x"]))
        y.backward(np.ones(8))
        assert alive[0] <= 1, f"{alive[0]} of 10 saved arrays were still alive at the first step"

    def test_tensor_backward_is_this_function(self):
        x = leaf(3.0)
        backward(x * x)
        assert x.grad.item() == 6


# ---------------------------------------------------------------- unbroadcast
def unbroadcast_slowly(g, shape):
    """Add each element of g to the place that was stretched to it."""
    result = np.zeros(shape)
    places = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), g.shape)
    for place in np.ndindex(g.shape):
        result.reshape(-1)[places[place]] += g[place]
    return result


@pytest.mark.exercise("autograd.backward")
class TestSeveralResults:
    """A primitive that gives a list: every result is a Tensor, and the rule sees them all."""

    @pytest.fixture
    def turned(self):
        """x -> (cos x, sin x), whose rule counts its calls."""

        @primitive(several=True)
        def cos_and_sin(x):
            return [np.cos(x), np.sin(x)], x

        @rule
        def cos_and_sin_rule(g, note):
            cos_and_sin_rule.calls += 1
            return g[1] * np.cos(note) - g[0] * np.sin(note)

        cos_and_sin_rule.calls = 0
        yield cos_and_sin
        del PRIMITIVES["cos_and_sin"], RULES["cos_and_sin"]

    def test_the_nudge_agrees_however_they_are_used(self, turned):
        x = random_leaf(3)
        assert gradcheck(lambda x: turned(x)[0] * 2 + turned(x)[1] * turned(x)[1], x)
        assert gradcheck(lambda x: turned(x)[1], x)

        def both_of_one_call(x):
            cos, sin = turned(x)
            return cos * sin + sin * sin + cos

        assert gradcheck(both_of_one_call, x)

    def test_gradients_may_be_added_either_way(self):
        first, second = Parts([np.ones(2), None, None]), Parts([np.ones(2), np.ones(1), None])
        total = first + second
        assert [None if g is None else g.tolist() for g in total] == [[2, 2], [1], None]
        first += second
        assert [None if g is None else g.tolist() for g in first] == [[2, 2], [1], None]
        for total in (0 + second, sum([second]), second + 0):
            assert [None if g is None else g.tolist() for g in total] == [[1, 1], [1], None]

    def test_one_call_is_asked_once(self, turned):
        cos, sin = turned(random_leaf(2))
        (cos * cos + sin * sin * sin).sum().backward()
        assert RULES["cos_and_sin"].calls == 1

    def test_a_walk_frees_it_and_can_be_told_not_to(self, turned):
        x = leaf([0.0])
        cos, sin = turned(x)
        sin.sum().backward(retain_graph=True)
        cos.sum().backward()
        assert x.grad.tolist() == [1.0]
        with pytest.raises(RuntimeError, match="freed"):
            sin.sum().backward()

    def test_a_result_can_keep_its_gradient_and_shares_it_with_nobody(self, turned):
        x = leaf([1.0])
        cos, sin = turned(x)
        sin.retain_grad()
        (3 * sin).sum().backward()
        assert sin.grad.tolist() == [3.0]
        sin.grad.array += 1
        assert x.grad.item() == pytest.approx(3 * math.cos(1), rel=1e-6)

    def test_nothing_is_remembered_under_no_grad(self, turned):
        with no_grad():
            assert not any(part.requires_grad for part in turned(leaf([1.0])))
        assert not any(part.requires_grad for part in turned(Tensor([1.0])))


@pytest.mark.exercise("autograd.unbroadcast")
class TestUnbroadcast:
    @pytest.mark.parametrize(
        ("shape", "want"),
        [
            ((3,), [5, 7, 9]),
            ((1, 3), [[5, 7, 9]]),
            ((2, 1), [[6], [15]]),
            ((1,), [21]),
            ((), 21),
            ((2, 3), [[1, 2, 3], [4, 5, 6]]),
        ],
    )
    def test_by_hand(self, shape, want):
        got = np.asarray(unbroadcast(np.array([[1.0, 2, 3], [4, 5, 6]]), shape))
        assert got.shape == shape and got.tolist() == want

    @settings(max_examples=80)
    @given(hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3))
    def test_every_pattern(self, shapes):
        shape, target = shapes.input_shapes[0], shapes.result_shape
        g = np.random.default_rng(0).standard_normal(target)
        got = np.asarray(unbroadcast(g, shape))
        assert got.shape == shape
        assert np.allclose(got, unbroadcast_slowly(g, shape))

    def test_float32_stays_float32(self):
        for shape in ((3,), (2, 1), (), (2, 3)):
            assert np.asarray(unbroadcast(np.ones((2, 3), np.float32), shape)).dtype == np.float32

    def test_a_size_of_1_that_was_not_stretched(self):
        g = np.array([[1.0, 2.0]])
        assert np.asarray(unbroadcast(g, (1, 2))).tolist() == [[1, 2]]

    def test_leaves_g_alone(self):
        g = np.ones((2, 3))
        unbroadcast(g, (3,))
        assert g.tolist() == np.ones((2, 3)).tolist()

    @pytest.mark.parametrize("operation", ["add", "sub", "mul", "div", "maximum", "pow"])
    @pytest.mark.parametrize(
        "shapes", [((2, 3), (3,)), ((2, 1), (1, 3)), ((), (2, 2)), ((3, 1, 2), (4, 1))]
    )
    def test_the_walk_uses_it(self, operation, shapes):
        rng = np.random.default_rng(0)
        arrays = [rng.random(shape) + 0.5 for shape in shapes]
        check_gradients(PRIMITIVES[operation], arrays)


# ---------------------------------------------------------------- sum_rule
@pytest.mark.exercise("autograd.sum_rule")
class TestSumRule:
    def test_by_hand(self):
        got = sum_rule(np.array([10.0, 20.0]), (2, 3), 1, False)
        assert np.asarray(got).tolist() == [[10] * 3, [20] * 3]

    def test_square_matrices_are_not_laid_along_the_wrong_dimension(self):
        g = np.array([10.0, 20.0])
        assert np.asarray(sum_rule(g, (2, 2), 1, False)).tolist() == [[10, 10], [20, 20]]
        assert np.asarray(sum_rule(g, (2, 2), 0, False)).tolist() == [[10, 20], [10, 20]]

    @pytest.mark.parametrize("keepdim", [False, True])
    @pytest.mark.parametrize("dim", [None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2)])
    def test_every_summand_gets_the_gradient_of_its_sum(self, dim, keepdim):
        x = np.arange(24.0).reshape(2, 3, 4)
        axis = dim if dim is None or isinstance(dim, int) else tuple(dim)
        g = np.random.default_rng(0).standard_normal(x.sum(axis=axis, keepdims=keepdim).shape)
        want = np.empty(x.shape)
        for place in np.ndindex(x.shape):
            one = np.zeros(x.shape)
            one[place] = 1
            want[place] = (one.sum(axis=axis, keepdims=keepdim) * g).sum()
        assert np.allclose(sum_rule(g, x.shape, dim, keepdim), want)

    def test_dims_count_from_the_end_and_come_in_any_order(self):
        want = [[[10] * 2] * 2, [[20] * 2] * 2]
        for dim in ((-2, -1), (-1, -2), (2, 1), (1, -1)):
            got = sum_rule(np.array([10.0, 20.0]), (2, 2, 2), dim, False)
            assert np.asarray(got).tolist() == want
        got = sum_rule(np.array([10.0, 20.0]), (2, 2, 2), (2, 0), False)
        assert np.asarray(got).tolist() == [[[10] * 2, [20] * 2]] * 2

    def test_a_kept_dimension_beside_others_of_size_1(self):
        got = sum_rule(np.array([[10.0]]), (1, 3), 1, True)
        assert np.asarray(got).tolist() == [[10] * 3]
        got = sum_rule(np.array([[10.0], [20.0]]), (2, 1), 1, True)
        assert np.asarray(got).tolist() == [[10], [20]]

    def test_shapes_with_nothing_in_them(self):
        assert np.asarray(sum_rule(np.zeros(3), (0, 3), 0, False)).shape == (0, 3)
        assert np.asarray(sum_rule(np.float64(7), (), None, False)).tolist() == 7

    def test_float32_stays_float32(self):
        assert np.asarray(sum_rule(np.float32(2), (2, 3), None, False)).dtype == np.float32

    def test_through_the_walk(self):
        x = leaf(np.ones((2, 3)))
        (x.sum(dim=1) * Tensor([10.0, 20.0])).sum().backward()
        assert x.grad.tolist() == [[10] * 3, [20] * 3]

    def test_keeps_nothing_of_what_was_summed(self):
        x = leaf(np.ones((2, 3)))
        assert not any(isinstance(kept, np.ndarray) for kept in x.sum().made_by.kept.values())


# ---------------------------------------------------------------- matmul_rule
@pytest.mark.exercise("autograd.matmul_rule")
class TestMatmulRule:
    def test_by_hand(self):
        g_x, g_y = matmul_rule(np.array([[10.0]]), np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
        assert g_x.tolist() == [[30, 40]] and g_y.tolist() == [[10], [20]]

    @pytest.mark.parametrize("batch", [(), (1,), (5,), (2, 3)])
    def test_sums_over_the_products(self, batch):
        rng = np.random.default_rng(0)
        g, x, y = (rng.standard_normal((*batch, *s)) for s in ((2, 4), (2, 3), (3, 4)))
        g_x, g_y = matmul_rule(g, x, y)
        assert np.allclose(g_x, np.einsum("...ij,...lj->...il", g, y))
        assert np.allclose(g_y, np.einsum("...ij,...il->...lj", g, x))

    def test_square_matrices_are_turned_over(self):
        rng = np.random.default_rng(1)
        g, x, y = (rng.standard_normal((2, 2)) for _ in range(3))
        g_x, g_y = matmul_rule(g, x, y)
        assert np.allclose(g_x, g @ y.T) and np.allclose(g_y, x.T @ g)

    def test_float64_keeps_its_digits(self):
        g, x, y = (np.full((2, 2), 1 / k) for k in (3, 7, 11))
        g_x, g_y = matmul_rule(g, x, y)
        assert np.allclose(g_x, 2 / 33, rtol=1e-14, atol=0)
        assert np.allclose(g_y, 2 / 21, rtol=1e-14, atol=0)

    @pytest.mark.parametrize(
        "shapes",
        [
            ((2, 3), (3, 4)),
            ((3,), (3,)),
            ((3,), (3, 4)),
            ((2, 3), (3,)),
            ((5, 2, 3), (3,)),
            ((3,), (5, 3, 4)),
            ((5, 2, 3), (5, 3, 4)),
            ((5, 2, 3), (3, 4)),
            ((2, 3), (5, 3, 4)),
            ((2, 1, 2, 3), (4, 3, 2)),
            ((1, 2, 2, 3), (4, 1, 3, 2)),
            ((0, 3), (3, 2)),
            ((2, 0), (0, 3)),
        ],
    )
    def test_through_the_walk(self, shapes):
        rng = np.random.default_rng(2)
        check_gradients(PRIMITIVES["matmul"], [rng.standard_normal(shape) for shape in shapes])

    def test_views_as_factors(self):
        rng = np.random.default_rng(3)
        check_gradients(
            lambda x, y: x.transpose(0, 2) @ y.T, [rng.random((3, 2, 4)), rng.random((5, 3))]
        )

    def test_float32_stays_float32(self):
        g_x, g_y = matmul_rule(*(np.ones((2, 2), np.float32) for _ in range(3)))
        assert g_x.dtype == g_y.dtype == np.float32


# ---------------------------------------------------------------- getitem_rule
INDICES = {
    "number": 2,
    "negative number": -1,
    "numbers": (1, 0),
    "slice": slice(1, 3),
    "backwards": slice(None, None, -1),
    "every second": (slice(None), slice(None, None, 2)),
    "ellipsis": (..., 0),
    "new dimension": (None, slice(1, 3)),
    "empty": slice(2, 2),
    "list": [0, 2, 2],
    "array": np.array([3, 1, 3, 3, -1]),
    "array of two dimensions": np.array([[0, 0], [1, 0]]),
    "pairs": (np.array([0, 0, 2]), np.array([1, 1, 2])),
    "array and slice": (slice(1, 3), np.array([2, 2])),
    "number and array": (1, np.array([2, 2, 0])),
    "mask": np.array([True, False, True, True]),
    "mask of all": np.arange(12).reshape(4, 3) % 2 == 0,
    "mask and array": (np.array([True, False, True, False]), np.array([1, 1])),
    "nothing": np.zeros(0, int),
    "NumPy number": np.int64(2),
}


@pytest.mark.exercise("autograd.getitem_rule")
class TestGetitemRule:
    def test_repeated_indices_add_up(self):
        got = getitem_rule(np.array([10.0, 20.0, 30.0]), (5,), np.array([0, 2, 2]))
        assert got.tolist() == [10, 0, 50, 0, 0]

    def test_numbers_from_the_end_in_one_dimension(self):
        got = getitem_rule(np.array([10.0, 20.0, 30.0]), (3,), np.array([-1, 0, -1]))
        assert got.tolist() == [20, 0, 40]

    @pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
    def test_each_gradient_goes_back_to_its_place(self, index):
        places = np.arange(12).reshape(4, 3)[index]
        g = np.random.default_rng(0).standard_normal(np.shape(places))
        want = np.zeros(12)
        for place, part in zip(np.ravel(places), np.ravel(g), strict=True):
            want[place] += part
        assert np.allclose(getitem_rule(np.asarray(g), (4, 3), index), want.reshape(4, 3))

    def test_float32_stays_float32(self):
        for index in (slice(0, 2), np.array([0, 0])):
            assert getitem_rule(np.ones(2, np.float32), (3,), index).dtype == np.float32

    def test_an_index_that_repeats_nothing_is_quick(self):
        g, shape = np.ones((2000, 200), np.float32), (4000, 200)

        def seconds(index):
            times = []
            for _ in range(5):
                start = clock()
                getitem_rule(g, shape, index)
                times.append(clock() - start)
            return min(times)

        def seconds_of_add_at():
            times = []
            for _ in range(5):
                start = clock()
                np.add.at(np.zeros(shape, np.float32), slice(0, 2000), g)
                times.append(clock() - start)
            return min(times)

        assert seconds(slice(0, 2000)) < 0.7 * seconds_of_add_at(), (
            "a slice was as slow as np.add.at"
        )

    @pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
    def test_through_the_walk(self, index):
        check_gradients(lambda x: x[index], [np.random.default_rng(1).random((4, 3))])

    def test_indices_in_tensors(self):
        check_gradients(lambda x: x[Tensor([1, 1, 0]), Tensor([2, 2, 2])], [np.ones((2, 3))])

    def test_slices_that_overlap(self):
        check_gradients(lambda x: x[1:3] * x[0:2] + x[::2] * x[1], [np.arange(1.0, 5.0)])


# ---------------------------------------------------------------- cross_entropy_rule
def note_of(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@pytest.mark.exercise("autograd.cross_entropy_rule")
class TestCrossEntropyRule:
    def test_by_hand(self):
        note = np.log(np.array([[1.0, 2, 5], [4, 2, 2]]) / 8)
        got = cross_entropy_rule(1.0, np.array([2, 0]), -100, 0.0, "mean", note)
        assert np.allclose(got, np.array([[1, 2, -3], [-4, 2, 2]]) / 16)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    @pytest.mark.parametrize("shape", [(3,), (2, 3), (), (1,)])
    def test_is_the_slope_of_the_loss(self, shape, reduction, smoothing):
        rng = np.random.default_rng(0)
        targets = rng.integers(0, 4, shape)
        if targets.size > 1:
            targets.reshape(-1)[0] = -1

        def loss(logits):
            return losses.cross_entropy(logits, wrap(np.asarray(targets)), -1, smoothing, reduction)

        check_gradients(loss, [rng.standard_normal((*shape, 4))])

    def test_ignored_targets_get_nothing_and_do_not_count(self):
        note = note_of(np.random.default_rng(0).standard_normal((3, 4)))
        got = cross_entropy_rule(1.0, np.array([1, 9, 2]), 9, 0.0, "mean", note)
        alone = cross_entropy_rule(1.0, np.array([1, 2]), 9, 0.0, "mean", note[[0, 2]])
        assert not got[1].any() and np.allclose(got[[0, 2]], alone)

    def test_nothing_kept_gives_zeros(self):
        got = cross_entropy_rule(1.0, np.array([-100, -100]), -100, 0.0, "mean", np.zeros((2, 3)))
        assert got.shape == (2, 3) and not got.any()

    def test_is_proportional_to_g(self):
        note = note_of(np.ones((2, 3)))
        one, seven = (
            cross_entropy_rule(g, np.array([0, 1]), -100, 0.0, "mean", note) for g in (1.0, 7.0)
        )
        assert np.allclose(7 * one, seven)

    def test_with_no_reduction_each_row_has_its_own_g(self):
        note = note_of(np.ones((2, 3)))
        got = cross_entropy_rule(np.array([1.0, 5.0]), np.array([0, 0]), -100, 0.0, "none", note)
        assert np.allclose(got[1], 5 * got[0])

    def test_leaves_its_arguments_alone(self):
        note, g, targets = note_of(np.ones((2, 3))), np.array([1.0, 5.0]), np.array([0, -100])
        before = note.copy()
        cross_entropy_rule(g, targets, -100, 0.1, "none", note)
        assert g.tolist() == [1, 5] and targets.tolist() == [0, -100]
        assert np.array_equal(note, before)

    def test_a_network_that_is_all_but_sure_still_gets_its_gradient(self):
        note = np.array([[np.log1p(-1e-9), np.log(1e-9)]])
        got = cross_entropy_rule(1.0, np.array([0]), -100, 0.0, "mean", note)
        assert np.allclose(got / 1e-9, [[-1, 1]], rtol=1e-5)

    def test_rows_sum_to_zero(self):
        note = note_of(np.random.default_rng(0).standard_normal((5, 4)))
        got = cross_entropy_rule(1.0, np.arange(5) % 4, -100, 0.2, "mean", note)
        assert np.allclose(got.sum(axis=-1), 0)

    def test_float32_stays_float32(self):
        note = note_of(np.ones((2, 3), np.float32))
        for reduction, g in (("mean", np.float32(1)), ("none", np.ones(2, np.float32))):
            got = cross_entropy_rule(g, np.array([0, 1]), -100, 0.1, reduction, note)
            assert got.dtype == np.float32

    def test_equals_the_gradient_by_hand_of_module_05(self):
        rng = np.random.default_rng(0)
        X, labels = rng.standard_normal((7, 5)), rng.integers(0, 3, 7)
        W = random_leaf(5, 3)
        losses.cross_entropy(Tensor(X, dtype="float64") @ W, Tensor(labels)).backward()
        p = np.exp(note_of(X @ W.detach().numpy()))
        assert np.allclose(W.grad.numpy(), X.T @ (p - np.eye(3)[labels]) / 7, atol=1e-12)


# ---------------------------------------------------------------- every rule of modules 01 to 05
def check_gradients(f, arrays, tolerance=1e-5):
    """Compare the gradient of each array with one nudge for each of its elements, in float64."""
    arrays = [np.asarray(array, dtype=np.float64) for array in arrays]
    leaves = [leaf(array, "float64") for array in arrays]
    result = f(*leaves)
    weights = np.asarray(np.random.default_rng(5).standard_normal(result.shape))
    result.backward(weights)
    for i, t in enumerate(leaves):

        def weighted(array, i=i):
            with no_grad():
                moved = [wrap(np.asarray(array if j == i else a)) for j, a in enumerate(arrays)]
                return float((f(*moved).array * weights).sum())

        want = slope_of_each(weighted, arrays[i])
        got = np.zeros(arrays[i].shape) if t.grad is None else t.grad.array
        assert got.shape == want.shape and got.dtype == np.float64
        scale = max(1.0, np.abs(want).max(initial=0))
        assert np.abs(got - want).max(initial=0) < tolerance * scale, (
            f"input {i}: {got} is not {want}"
        )


NO_SLOPE = {  # results that are no real numbers, or steps: flat, with jumps in between
    *("eq", "ne", "lt", "le", "gt", "ge"),
    *("logical_and", "logical_or", "logical_xor", "logical_not"),
    *("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"),
    *("any", "all", "argmax", "argmin", "floor_divide"),
}
MODULES = ("tensor", "activations", "layers", "losses", "dataloader", "autograd")


def primitives_of_the_first_six_modules():
    return {
        name: function
        for name, function in PRIMITIVES.items()
        if function.on_arrays.__module__ in {f"tinytorch.{module}" for module in MODULES}
    }


@functools.cache
def cases():
    """For every primitive with a slope: functions of arrays, and the arrays' shapes or values."""
    p = dict(PRIMITIVES)
    pairs = [((), ()), ((3,), (3,)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((0, 3), (3,))]
    alone = [((),), ((3,),), ((2, 1, 3),), ((0, 2),)]
    dims = [None, 0, -1, (0, 2)]
    found = {
        name: [(p[name], pair) for pair in pairs] for name in ("add", "sub", "mul", "div", "pow")
    }
    for name in ("maximum", "minimum", "remainder"):
        found[name] = [(p[name], pair) for pair in pairs]
    for name in (
        "neg",
        "exp",
        "log",
        "sqrt",
        "abs",
        "clone",
        "relu",
        "tanh",
        "sigmoid",
        "silu",
        "gelu",
        "gelu_exact",
    ):
        found[name] = [(p[name], shapes) for shapes in alone]
    found["pow"] += [(lambda x, e=e: x**e, ((2, 3),)) for e in (0, 1, 2, 3, 0.5, -1.5)]
    found["pow"] += [(lambda x: 2.0**x, ((2, 3),))]
    found["cast"] = [(lambda x: p["cast"](x, np.dtype("float64")), shapes) for shapes in alone]
    mask = wrap(np.array([[True, False, True], [False, False, True]]))
    found["where"] = [(lambda x, y: p["where"](mask, x, y), pair) for pair in pairs[:4]]
    found["masked_fill"] = [(lambda x: p["masked_fill"](x, mask, 5.0), ((2, 3),))]
    found["masked_fill"] += [(lambda x: p["masked_fill"](x, wrap(mask.array[0]), -1.0), ((2, 3),))]
    for name in ("sum", "mean", "amax"):
        found[name] = [
            (lambda x, name=name, dim=dim, keep=keep: p[name](x, dim, keep), ((2, 3, 4),))
            for dim in dims
            for keep in (False, True)
        ]
    found["sum"] += [(p["sum"], ((0, 2),))]
    found["var"] = [
        (
            lambda x, dim=dim, unbiased=unbiased, keep=keep: p["var"](x, dim, unbiased, keep),
            ((2, 3, 4),),
        )
        for dim in dims
        for unbiased in (True, False)
        for keep in (False, True)
    ]
    shapes = [
        ((3,), (3,)),
        ((2, 3), (3, 4)),
        ((3,), (3, 2)),
        ((4, 2, 3), (3,)),
        ((2, 1, 2, 3), (4, 3, 2)),
    ]
    found["matmul"] = [(p["matmul"], pair) for pair in shapes]
    found["linear"] = [
        (p["linear"], ((*lead, 3), (2, 3), (2,))) for lead in ((), (4,), (2, 4), (0,))
    ]
    found["linear"] += [(p["linear"], ((4, 3), (2, 3)))]
    found["reshape"] = [
        (lambda x, to=to: p["reshape"](x, to), ((2, 3, 4),)) for to in ((24,), (4, -1), (1, 6, 4))
    ]
    found["reshape"] += [(lambda x: x.transpose(0, 2).reshape(6, 4), ((2, 3, 4),))]
    found["transpose"] = [
        (lambda x, a=a, b=b: p["transpose"](x, a, b), ((2, 3, 4),))
        for a, b in ((0, 1), (-1, 0), (1, 1))
    ]
    found["permute"] = [
        (lambda x, dims=dims: p["permute"](x, dims), ((2, 3, 4),))
        for dims in ((1, 2, 0), (2, 0, 1), (0, -1, 1), (-1, -3, -2))
    ]
    found["squeeze"] = [
        (lambda x, dim=dim: p["squeeze"](x, dim), ((2, 1, 3, 1),)) for dim in (None, 1, -1, 0)
    ]
    found["unsqueeze"] = [
        (lambda x, dim=dim: p["unsqueeze"](x, dim), ((2, 3),)) for dim in (0, 1, 2, -1)
    ]
    found["cat"] = [
        (lambda x, y, z, dim=dim: p["cat"]([x, y, z, x], dim), ((2, 3), (2, 3), (2, 3)))
        for dim in (0, 1, -1)
    ]
    found["cat"] += [
        (lambda x, y: p["cat"]([x, wrap(np.ones((2, 2), np.float32)), y], 1), ((2, 1), (2, 3)))
    ]
    found["getitem"] = [(lambda x, index=index: x[index], ((4, 3),)) for index in INDICES.values()]
    for name in ("softmax", "log_softmax"):
        found[name] = [
            (lambda x, name=name, dim=dim: p[name](x, dim), ((2, 3),)) for dim in (0, 1, -1)
        ]
    targets = wrap(np.array([[0, 2], [-100, 1]]))
    found["cross_entropy"] = [
        (lambda x, s=s, how=how: p["cross_entropy"](x, targets, -100, s, how), ((2, 2, 3),))
        for s in (0.0, 0.1)
        for how in ("mean", "sum", "none")
    ]
    bce = "binary_cross_entropy_with_logits"
    found[bce] = [
        (lambda x, y, how=how: p[bce](x, y * 0.5, how), ((2, 3), (2, 3)))
        for how in ("mean", "sum", "none")
    ]
    return found


def arrays_for(shapes, seed=0):
    """Positive numbers away from 0 and 2, and no two equal: no corner, no tie, no pole."""
    rng = np.random.default_rng(seed)
    count = sum(math.prod(shape) for shape in shapes)
    values = rng.permutation(np.linspace(0.3, 1.7, count + 1)[:count] + 0.013)
    arrays, at = [], 0
    for shape in shapes:
        size = math.prod(shape)
        arrays.append(values[at : at + size].reshape(shape))
        at += size
    return arrays


@pytest.mark.exercise("autograd")
class TestEveryRule:
    def test_every_primitive_is_judged_or_has_no_slope(self):
        known = set(cases()) | NO_SLOPE
        unknown = sorted(set(primitives_of_the_first_six_modules()) - known)
        assert not unknown, f"no gradient test for {unknown}: add cases, or say they have no slope"

    def test_every_primitive_with_a_slope_has_a_rule(self):
        without = sorted(set(primitives_of_the_first_six_modules()) - NO_SLOPE - set(RULES))
        assert not without, f"there is no rule for {without}"

    def test_every_rule_belongs_to_a_primitive(self):
        own = {n for n, function in RULES.items() if function.__module__ == "tinytorch.autograd"}
        assert own <= set(PRIMITIVES), f"rules without a primitive: {own - set(PRIMITIVES)}"

    @pytest.mark.parametrize("name", sorted(cases()))
    def test_against_nudging_each_element(self, name):
        for f, shapes in cases()[name]:
            check_gradients(f, arrays_for(shapes))

    @pytest.mark.parametrize("name", sorted(set(cases()) - {"log", "sqrt", "pow"}))
    def test_negative_numbers_too(self, name):
        for f, shapes in cases()[name]:
            if name == "binary_cross_entropy_with_logits":
                f = functools.partial(lambda f, x: f(x, wrap(np.full((2, 3), 1.5))), f)
                shapes = shapes[:1]
            check_gradients(f, [-a for a in arrays_for(shapes, seed=1)])

    @pytest.mark.parametrize("name", sorted(cases()))
    def test_float32_stays_float32_and_memory_is_nobody_elses(self, name):
        for f, shapes in cases()[name]:
            leaves = [leaf(array) for array in arrays_for(shapes)]
            result = f(*leaves)
            if result.dtype == np.float64:
                assert name == "cast"
            seed = np.ones(result.shape, result.dtype)
            result.backward(seed)
            others = [seed, result.array, *(t.array for t in leaves)]
            for i, t in enumerate(leaves):
                array = t.grad.array
                assert isinstance(array, np.ndarray) and array.dtype == np.float32
                assert array.shape == t.shape and array.flags.writeable and array.base is None
                others += [other.grad.array for other in leaves[:i]]
                assert not any(np.shares_memory(array, other) for other in others)

    @pytest.mark.parametrize("name", sorted(cases()))
    def test_each_input_alone(self, name):
        """A gradient does not depend on whether the other inputs want one."""
        for f, shapes in cases()[name]:
            if len(shapes) == 1:
                continue
            arrays = arrays_for(shapes)
            together = [leaf(a, "float64") for a in arrays]
            f(*together).sum().backward()
            for i, t in enumerate(together):
                alone = [Tensor(a, dtype="float64") for a in arrays]
                alone[i].requires_grad_()
                f(*alone).sum().backward()
                assert np.array_equal(alone[i].grad.array, t.grad.array)

    @pytest.mark.parametrize("name", sorted(cases()))
    def test_views_as_inputs(self, name):
        """Turned over, read backwards, and every second element: memory that is not in order."""
        for f, shapes in cases()[name]:
            for disguise in (_turned_over, _backwards, _every_second):
                arrays = arrays_for(shapes)
                check_gradients(lambda *ts, f=f, d=disguise: f(*(d(t) for t in ts)), arrays)


def _turned_over(t):
    """The same numbers in the same shape, with the strides in another order."""
    turned = t.array.T.copy().T if isinstance(t, Tensor) else t
    return _same_gradient(t, turned)


def _backwards(t):
    return _same_gradient(t, t.array[..., ::-1].copy()[..., ::-1] if t.ndim else t.array)


def _every_second(t):
    return _same_gradient(t, np.repeat(t.array, 2, axis=-1)[..., ::2] if t.ndim else t.array)


def _same_gradient(t, array):
    """t with its numbers in another array."""
    assert array.shape == t.shape and np.array_equal(array, t.array)
    view = t * 1.0
    view.array = array
    return view


@pytest.mark.exercise("autograd")
class TestRulesAtCorners:
    def gradient(self, f, *values):
        leaves = [leaf(value) for value in values]
        f(*leaves).backward()
        got = [t.grad.item() for t in leaves]
        return got[0] if len(got) == 1 else got

    def test_relu_and_abs_at_zero_are_flat(self):
        assert self.gradient(PRIMITIVES["relu"], 0.0) == 0
        assert self.gradient(abs, 0.0) == 0

    def test_ties_share(self):
        assert self.gradient(PRIMITIVES["maximum"], 2.0, 2.0) == [0.5, 0.5]
        assert self.gradient(PRIMITIVES["minimum"], 2.0, 2.0) == [0.5, 0.5]
        x = leaf([3.0, 1.0, 3.0])
        x.max().backward()
        assert x.grad.tolist() == [0.5, 0, 0.5]

    def test_max_along_a_dimension_chooses_the_first(self):
        x = leaf([[3.0, 1.0, 3.0]])
        x.max(dim=1).values.sum().backward()
        assert x.grad.tolist() == [[1, 0, 0]]

    def test_clamp_lets_its_bounds_pass(self):
        x = leaf([-1.0, 0.0, 0.5, 1.0, 2.0])
        x.clamp(0, 1).sum().backward()
        assert x.grad.tolist() == [0, 1, 1, 1, 0]

    def test_powers_of_zero(self):
        assert self.gradient(lambda x: x**0, 0.0) == 0
        assert self.gradient(lambda x: x**1, 0.0) == 1
        assert self.gradient(lambda x: x**2, 0.0) == 0
        assert self.gradient(lambda x, e: x**e, 0.0, 2.0) == [0, 0]

    def test_the_exponent_of_a_negative_number_has_no_slope(self):
        base, exponent = leaf(-2.0), leaf(2.0)
        (base**exponent).backward()
        assert base.grad.item() == -4 and math.isnan(exponent.grad.item())

    def test_saturated_functions_are_flat_without_warnings(self):
        for name in ("sigmoid", "tanh", "silu", "gelu"):
            assert self.gradient(PRIMITIVES[name], -200.0) == 0
            assert self.gradient(PRIMITIVES[name], 200.0) in (0, 1)

    def test_softmax_over_a_hidden_score(self):
        x = leaf([[0.0, -np.inf, 1.0]])
        (x.softmax(-1) * Tensor([[1.0, 2.0, 3.0]])).sum().backward()
        assert x.grad.tolist()[0][1] == 0 and np.isfinite(x.grad.array).all()

    def test_nan_counts_as_the_largest(self):
        x = leaf([[1.0, np.nan, 2.0], [3.0, 4.0, 4.0]])
        x.amax(1).sum().backward()
        assert x.grad.tolist() == [[0, 1, 0], [0, 0.5, 0.5]]

    def test_nan_is_passed_on(self):
        x = leaf([1.0, np.nan])
        (x * x).sum().backward()
        assert x.grad.tolist()[0] == 2 and math.isnan(x.grad.tolist()[1])
        x.grad = None
        (x * 2).backward(np.array([np.nan, 1.0]))
        assert math.isnan(x.grad.tolist()[0])

    def test_mixed_dtypes_each_get_their_own(self):
        single, double = leaf([1.0, 2.0]), leaf([3.0, 4.0], "float64")
        product = single * double
        assert product.dtype == np.float64
        product.sum().backward()
        assert single.grad.dtype == np.float32 and double.grad.dtype == np.float64
        assert single.grad.tolist() == [3, 4] and double.grad.tolist() == [1, 2]

    def test_cast_up_and_down(self):
        x = leaf([1.0, 2.0])
        (x.double() * 3).sum().backward()
        assert x.grad.dtype == np.float32 and x.grad.tolist() == [3, 3]

    def test_whole_numbers_beside_real_ones(self):
        x = leaf([1.0, 2.0])
        (x * Tensor([3, 4])).sum().backward()
        assert x.grad.tolist() == [3, 4] and x.grad.dtype == np.float32


# ---------------------------------------------------------------- the walk, given parts
@pytest.mark.exercise("autograd")
class TestRefusals:
    def test_no_graph(self):
        with pytest.raises(RuntimeError, match="nothing requires grad here, or detach"):
            (Tensor(3.0) * 2).backward()
        with pytest.raises(RuntimeError, match="nothing requires grad here"):
            Tensor(3.0).backward()
        with pytest.raises(RuntimeError, match="detach.* has cut the graph"):
            (leaf(3.0) * 2).detach().backward()

    def test_more_than_one_number(self):
        x = leaf([1.0, 2.0])
        with pytest.raises(RuntimeError, match=r"one number, not \(2,\): take .sum"):
            (x * 2).backward()
        assert x.grad is None
        (leaf([[1.0]]) * 2).backward()  # one number in two dimensions is one number

    def test_a_gradient_of_another_shape(self):
        x = leaf([1.0, 2.0])
        for wrong in (1.0, np.ones(3), np.ones((1, 2))):
            with pytest.raises(ValueError, match=r"shape .*, and the tensor \(2,\)"):
                (x * 2).backward(wrong)
        assert x.grad is None

    def test_gradients_of_gradients(self):
        x = leaf(3.0)
        with pytest.raises(NotImplementedError, match="create_graph=True is not supported"):
            (x * x).backward(create_graph=True)
        assert x.grad is None

    def test_a_primitive_without_a_rule(self):
        x = leaf([3.0, 4.0])
        with pytest.raises(NotImplementedError, match="floor_divide has no slope, or nobody"):
            (x // 2.0).sum().backward()
        assert x.grad is None

    def test_what_can_be_walked_after_a_refusal(self):
        x = leaf([3.0, 4.0])
        y = x * x
        with pytest.raises(RuntimeError):
            y.backward()
        y.backward(np.ones(2))
        assert x.grad.tolist() == [6, 8]


@pytest.mark.exercise("autograd")
class TestWritesAreNoticed:
    @pytest.mark.parametrize("write", ["setitem", "data", "copy_", "view", "detached", "optimizer"])
    def test_an_input_that_a_rule_needs(self, write):
        x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        loss = (x * w).sum()
        with no_grad():
            match write:
                case "setitem":
                    w[0] = 5.0
                case "data":
                    w.data[0] = 5.0
                case "copy_":
                    w.copy_(Tensor([5.0, 5.0]))
                case "view":
                    w.reshape(2, 1)[0] = 5.0
                case "detached":
                    w.detach()[0] = 5.0
                case "optimizer":
                    w -= 0.5
        with pytest.raises(RuntimeError, match="mul needs for its gradient was written into"):
            loss.backward()
        assert x.grad is None and w.grad is None

    def test_a_result_that_a_rule_needs(self):
        x = leaf([1.0, 2.0])
        y = x.exp()
        loss = y.sum()
        y.detach()[0] = 0.0
        with pytest.raises(RuntimeError, match="exp needs for its gradient was written into"):
            loss.backward()
        assert x.grad is None

    def test_an_index_that_a_rule_needs(self):
        x, index = leaf([1.0, 2.0, 3.0]), Tensor([0, 2])
        loss = x[index].sum()
        index[0] = 1
        with pytest.raises(RuntimeError, match="getitem needs for its gradient was written into"):
            loss.backward()

    def test_what_no_rule_needs_may_be_written(self):
        x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        loss = (x + w).sum()
        with no_grad():
            w[0] = 5.0
        loss.backward()
        assert w.grad.tolist() == [1, 1]

    def test_a_shape_is_no_saved_number(self):
        w = leaf([[1.0, 2.0]])
        loss = (w.sum() + w.reshape(2)[:1] + w.squeeze().mean()).sum()
        with no_grad():
            w += 1.0
        loss.backward()
        assert w.grad.tolist() == [[2.5, 1.5]]

    def test_written_before_is_no_harm(self):
        w = leaf([3.0, 4.0])
        with no_grad():
            w[0] = 5.0
        (w * w).sum().backward()
        assert w.grad.tolist() == [10, 8]


@pytest.mark.exercise("autograd")
class TestWrongRulesAreRefused:
    """Each wrong rule is refused by its name, and no leaf changes."""

    def refuse(self, wrong, error, match, build=lambda x, y: x * y):
        x, y = leaf(np.ones((2, 3))), leaf(np.ones(3))
        wrong.__name__ = "mul_rule"
        rule(wrong)
        with pytest.raises(error, match=match):
            build(x, y).backward(np.ones((2, 3)))
        assert x.grad is None and y.grad is None

    def test_wrong_shape(self, toy_table):
        def wrong(g, x, y):
            return g[:, :2], g * x

        self.refuse(
            wrong, ValueError, r"^mul_rule gave a gradient of \(2, 2\) for an input of \(2, 3\)"
        )

    def test_shape_that_is_too_small_is_not_stretched(self, toy_table):
        def wrong(g, x, y):
            return g.sum(), g * x

        self.refuse(wrong, ValueError, r"mul_rule gave a gradient of \(\) for an input of \(2, 3\)")

    @pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, bool])
    def test_wrong_dtype(self, toy_table, dtype):
        def wrong(g, x, y):
            return (g * y).astype(dtype), g * x

        self.refuse(wrong, TypeError, f"mul_rule gave {np.dtype(dtype)} for float32")

    def test_whole_numbers_get_none(self):
        x = Tensor([1, 2], dtype=np.int64)
        x.requires_grad = True
        with pytest.raises(TypeError, match="only real numbers have gradients.* int64"):
            (x * 1.5).sum().backward()
        assert x.grad is None

    def test_float64_scalar_inside(self, toy_table):
        def wrong(g, x, y):
            return g * y * np.float64(1), g * x

        self.refuse(wrong, TypeError, "NumPy scalar")

    def test_one_gradient_too_few(self, toy_table):
        def wrong(g, x, y):
            return g * y

        self.refuse(wrong, ValueError, r"mul_rule gave no gradient for an input of shape \(3,\)")

    def test_none_where_one_is_wanted(self, toy_table):
        def wrong(g, x, y):
            return None, g * x

        self.refuse(wrong, ValueError, r"mul_rule gave no gradient for an input of shape \(2, 3\)")

    def test_one_gradient_too_many(self, toy_table):
        def wrong(g, x, y):
            return g * y, g * x, g

        self.refuse(wrong, ValueError, "mul_rule gave 3 gradients")

    def test_a_rule_changed_after_the_result_was_computed(self, toy_table):
        x = leaf(3.0)
        y = x + x

        def add_rule(g, x):
            return g * 0 + x, g

        rule(add_rule)
        with pytest.raises(
            RuntimeError, match="add_rule asks for 'x', not kept: build the result again"
        ):
            y.backward()

    def test_a_wrong_unbroadcast_is_named(self, monkeypatch):
        monkeypatch.setattr(autograd, "unbroadcast", lambda g, shape: g)
        x, y = leaf(np.ones((2, 3))), leaf(np.ones(3))
        with pytest.raises(
            ValueError, match=r"unbroadcast after add_rule gave a gradient of \(2, 3\)"
        ):
            (x + y).backward(np.ones((2, 3)))
        assert x.grad is None and y.grad is None

    def test_asking_for_what_does_not_exist(self, toy_table):
        def mul_rule(g, a, b):
            return g * b, g * a

        with pytest.raises(ValueError, match="mul_rule asks for 'a'.*x, y, out, note"):
            rule(mul_rule)

    def test_a_name_without_rule(self, toy_table):
        def mul(g, x, y):
            return g * y, g * x

        with pytest.raises(ValueError, match="mul_rule, not mul"):
            rule(mul)


@pytest.mark.exercise("autograd")
class TestRuleTable:
    def test_a_new_primitive_and_its_rule(self, toy_table):
        @primitive
        def cube(x):
            return x * x * x

        @rule
        def cube_rule(g, x):
            return 3 * g * x * x

        assert gradcheck(cube, Tensor([1.0, -2.0]))

    def test_what_a_rule_may_ask_for(self, toy_table):
        asked = {}

        @primitive
        def twofold(x, y, factor=2):
            return factor * x, "a note"

        @rule
        def twofold_rule(g, out, note, x_shape, needs, factor):
            asked.update(out=out, note=note, x_shape=x_shape, needs=needs, factor=factor)
            return g * factor, None

        result = twofold(leaf([1.0, 2.0]), Tensor([0.0]))
        result.sum().backward()
        assert asked["out"] is result.array
        assert (asked["note"], asked["x_shape"], asked["factor"]) == ("a note", (2,), 2)
        assert asked["needs"][:2] == (True, False)

    def test_what_no_rule_asks_for_is_not_kept(self):
        x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        assert (x + y).made_by.kept == {}
        assert set(x.exp().made_by.kept) == {"out"}

    def test_a_rule_that_hands_its_saved_array_on(self, toy_table):
        """The gradient may be what was saved: the walk must not write into it."""

        @primitive
        def dot_with_itself(x):
            return (x * x).sum() / 2

        @rule
        def dot_with_itself_rule(g, x):
            return x

        x = leaf([1.0, 2.0])
        (dot_with_itself(x) + x.sum()).backward()
        assert x.grad.tolist() == [2, 3] and x.tolist() == [1, 2]
        assert not np.shares_memory(x.grad.array, x.array)

    @pytest.mark.parametrize(
        ("answer", "slope"),
        [
            (lambda always: always, 3),  # the list itself, from one walk to the next
            (lambda always: tuple(array[:] for array in always), 3),
            (lambda always: [np.broadcast_to(array.sum(), 2) for array in always], 6),
            (lambda always: [always[0][::-1], always[0]], 3),
        ],
    )
    def test_a_rule_that_keeps_what_it_answers(self, toy_table, answer, slope):
        always = [np.full(2, 3.0, np.float32), np.full(2, 3.0, np.float32)]

        @primitive
        def both(x, y):
            return x + y

        @rule
        def both_rule(g):
            return answer(always)

        x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
        z = both(x, y) + both(x, y)  # the second answer is added to the first
        for walk in (1, 2, 3):
            z.backward(np.ones(2), retain_graph=walk < 3)
            assert [array.tolist() for array in always] == [[3, 3], [3, 3]]
            assert x.grad.tolist() == y.grad.tolist() == [walk * 2 * slope] * 2

    @pytest.mark.parametrize(
        "answer",
        [lambda g: g * 2, lambda g: (g * 2).reshape(2), lambda g: g, lambda g: g[::-1]],
    )
    def test_what_nobody_else_holds_is_not_copied(self, toy_table, answer):
        @primitive
        def twice(x):
            return x * 2

        places = []

        @rule
        def twice_rule(g):
            made = answer(g)
            places.append(made.__array_interface__["data"][0])
            return made

        call = twice(leaf([1.0, 2.0])).made_by
        [(_, part)] = local_gradients(call, np.ones(2, np.float32))
        assert [part.__array_interface__["data"][0]] == places

    def test_a_rule_that_hands_one_array_to_two_inputs(self, toy_table):
        @primitive
        def both(x, y):
            return x + y

        @rule
        def both_rule(g):
            double = 2 * g
            return double, double.reshape(1, -1)[0]

        x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        (both(x, y).sum() + x.sum()).backward()
        assert x.grad.tolist() == [3, 3] and y.grad.tolist() == [2, 2]

    @pytest.mark.parametrize("disguise", ["read-only", "one number seen twice"])
    def test_a_rule_that_answers_with_what_cannot_be_added_to(self, toy_table, disguise):
        @primitive
        def same(x):
            return x * 1

        @rule
        def same_rule(g):
            if disguise == "read-only":
                return np.broadcast_to(g * 1, g.shape)
            return np.lib.stride_tricks.as_strided((g * 1)[:1], g.shape, (0,))

        x = leaf([1.0, 2.0, 3.0])
        for result in (same(x) + x * 1 * 1, x * 1 * 1 + same(x)):  # one of them arrives first
            x.grad = None
            result.backward(np.array([1.0, 1.0, 1.0]))
            assert x.grad.tolist() == [2, 2, 2]

    def test_x_shape_where_the_first_argument_wants_no_gradient(self, toy_table):
        @primitive
        def second(x, y):
            return y * 1

        @rule
        def second_rule(g, x_shape):
            assert x_shape is None
            return None, g

        y = leaf(2.0)
        second(Tensor([1.0]), y).backward()
        assert y.grad.item() == 1

    def test_linear_computes_only_what_is_needed(self):
        g, x, weight = np.ones((2, 3)), np.ones((2, 4)), np.ones((3, 4))
        linear_rule = RULES["linear"]
        assert linear_rule(g, x, weight, (False, True, False))[0] is None
        assert linear_rule(g, x, weight, (True, False, True))[1] is None
        assert linear_rule(g, x, weight, (True, True, False))[2] is None


@pytest.mark.exercise("autograd")
class TestWhoOwnsAGradient:
    def test_after_an_addition_nobody_shares(self):
        a, b, seed = leaf([1.0, 2.0]), leaf([3.0, 4.0]), np.array([1.0, 1.0], np.float32)
        (a + b).backward(seed)
        assert a.grad is not b.grad
        for one, other in (
            (a.grad.array, b.grad.array),
            (a.grad.array, seed),
            (b.grad.array, seed),
        ):
            assert not np.shares_memory(one, other)
        a.grad[0] = 100.0
        assert b.grad.tolist() == [1, 1] and seed.tolist() == [1, 1]

    @pytest.mark.parametrize(
        "f",
        [
            lambda a, b: a + b + a,
            lambda a, b: (a - b).reshape(1, 2) + a,
            lambda a, b: (a + b).expand(3, 2),
            lambda a, b: PRIMITIVES["cat"]([a, b, a], 0),
            lambda a, b: (a + b)[::-1],
            lambda a, b: PRIMITIVES["maximum"](a, b).unsqueeze(0).transpose(0, 1),
        ],
    )
    def test_in_larger_graphs(self, f):
        a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
        result = f(a, b)
        seed = np.ones(result.shape, np.float32)
        result.retain_grad()
        result.backward(seed)
        arrays = [
            a.grad.array,
            b.grad.array,
            result.grad.array,
            seed,
            a.array,
            b.array,
            result.array,
        ]
        for i, one in enumerate(arrays):
            assert not any(np.shares_memory(one, other) for other in arrays[:i])

    def test_a_part_of_a_gradient_does_not_keep_all_of_it(self):
        joined = PRIMITIVES["cat"]([leaf(np.ones(2)), leaf(np.ones(3))], 0)
        for _, part in autograd.local_gradients(joined.made_by, np.ones(5, np.float32)):
            assert part.base is None

    def test_a_retained_gradient_is_its_own(self):
        x = leaf([1.0, 2.0])
        y = x + 0.0
        y.retain_grad()
        y.backward(np.ones(2))
        assert not np.shares_memory(x.grad.array, y.grad.array)

    def test_the_gradient_of_a_leaf_alone_is_not_the_callers(self):
        x, seed = leaf([1.0, 2.0]), np.ones(2, np.float32)
        x.backward(seed)
        seed[0] = 7
        assert x.grad.tolist() == [1, 1]

    def test_a_second_walk_adds_in_place_and_leaves_the_first_result_right(self):
        x = leaf([1.0, 2.0])
        (x * 3).sum().backward()
        once = x.grad
        weighted = once * leaf([1.0, 1.0])
        (x * 4).sum().backward()
        assert x.grad.tolist() == [7, 7]
        if x.grad is once:  # then whoever needed the first result must hear of it
            with pytest.raises(RuntimeError, match="written into"):
                weighted.sum().backward()

    def test_two_leaves_that_share_memory(self):
        base = np.array([1.0, 2.0])
        a, b = wrap(base), wrap(base)
        a.requires_grad_(), b.requires_grad_()
        (a * b).sum().backward()
        assert a.grad.tolist() == b.grad.tolist() == [1, 2]

    def test_zero_dimensional_gradients_are_arrays(self):
        x = leaf(3.0)
        (x * x + x).backward()
        assert isinstance(x.grad.array, np.ndarray) and x.grad.shape == ()
        x.grad.zero_()
        assert x.grad.item() == 0


@pytest.mark.exercise("autograd")
class TestMemory:
    def test_a_graph_dies_with_its_result(self):
        gc.disable()
        try:
            x = leaf(np.ones(4))
            loss = ((x * x).exp() + x.reshape(2, 2).sum()).mean()
            calls = [weakref.ref(n) for n in topological_order(loss.made_by) if isinstance(n, Call)]
            assert len(calls) == 6
            del loss
            assert all(call() is None for call in calls), "a cycle keeps the graph alive"
        finally:
            gc.enable()

    def test_the_graph_dies_behind_the_walk_even_if_the_loss_lives(self):
        gc.disable()
        try:
            x = leaf(np.ones(4))
            y = x * x
            first, kept = weakref.ref(y.made_by), weakref.ref(y.array)
            loss = y.exp().sum()
            del y
            loss.backward()
            assert first() is None and kept() is None
        finally:
            gc.enable()

    def test_flat_over_500_steps_without_the_collector(self):
        rng = np.random.default_rng(0)
        model = layers.Sequential(layers.Linear(8, 32), layers.Tanh(), layers.Linear(32, 4))
        x, y = Tensor(rng.standard_normal((64, 8))), Tensor(rng.integers(0, 4, 64))

        parameters = list(model.parameters())

        def step():
            loss = losses.cross_entropy(model(x), y)
            loss.backward()
            with no_grad():
                for p in parameters:
                    p -= 0.1 * p.grad
                    p.grad = None

        gc.collect()
        gc.disable()
        tracemalloc.start()
        try:
            for _ in range(20):
                step()
            before = tracemalloc.get_traced_memory()[0]
            for _ in range(500):
                step()
            grown = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
            gc.enable()
        assert grown < 1_000_000, f"500 steps left {grown} bytes behind"  # 8 kB for each array
        assert gc.collect() < 100, "cycles were left behind"

    def test_a_failed_walk_leaves_nothing_behind(self):
        gc.disable()
        try:
            x = leaf(np.ones(4))
            y = (x * x).exp()
            call = weakref.ref(y.made_by)
            with pytest.raises(RuntimeError):
                y.backward()
            del y
            assert call() is None
        finally:
            gc.enable()

    def test_a_deep_graph_that_nobody_walks_can_be_dropped(self):
        y = leaf(1.0)
        for _ in range(20_000):
            y = y + 1.0
        del y

    def test_a_walk_costs_microseconds_per_node(self):
        def seconds():
            y = leaf(1.0)
            for _ in range(2000):
                y = y + 1.0
            start = clock()
            y.backward()
            return clock() - start

        each = 1e6 * min(seconds() for _ in range(5)) / 2000
        assert each < 60, f"{each:.0f} microseconds for each node of a chain of additions"


@pytest.mark.exercise("autograd")
class TestRetainGrad:
    def test_retain_grad_on_the_way(self):
        x = leaf(3.0)
        y = 2 * x
        y.retain_grad()
        (y * y + y).backward()
        assert y.grad.item() == 13 and x.grad.item() == 26

    def test_retain_grad_at_the_end_and_twice(self):
        x = leaf([1.0, 2.0])
        y = x * 2
        y.retain_grad()
        y.retain_grad()
        y.backward(np.ones(2), retain_graph=True)
        y.backward(np.ones(2))
        assert y.grad.tolist() == [2, 2] and x.grad.tolist() == [4, 4]

    def test_retain_grad_of_a_leaf_changes_nothing(self):
        x = leaf(3.0)
        x.retain_grad()
        (x * x).backward()
        assert x.grad.item() == 6

    def test_retain_grad_where_nothing_arrives(self):
        with pytest.raises(RuntimeError, match="does not require grad"):
            Tensor(3.0).retain_grad()

    def test_retained_tensor_that_died(self):
        x = leaf(3.0)
        y = 2 * x
        y.retain_grad()
        z = y * y
        del y
        z.backward()
        assert x.grad.item() == 24


# ---------------------------------------------------------------- no_grad
@pytest.mark.exercise("autograd")
class TestNoGrad:
    def test_as_a_context(self):
        x = leaf(3.0)
        with no_grad():
            assert not recording() and not (x * x).requires_grad
        assert recording() and (x * x).requires_grad

    @pytest.mark.parametrize("decorate", [no_grad(), no_grad], ids=["with brackets", "without"])
    def test_as_a_decorator(self, decorate):
        @decorate
        def double(x, times=2):
            """Says what it does."""
            assert not recording()
            return x * times

        assert double.__name__ == "double" and double.__doc__ == "Says what it does."
        assert not double(leaf(3.0), times=3).requires_grad
        assert recording()

    def test_nested(self):
        with no_grad():
            with no_grad():
                pass
            assert not recording()
            with enable_grad():
                assert recording()
                with no_grad():
                    assert not recording()
                assert recording()
            assert not recording()
        assert recording()

    def test_one_object_used_inside_itself(self):
        quiet = no_grad()
        with quiet:
            with quiet:
                assert not recording()
            assert not recording()
        assert recording()
        with enable_grad(), quiet:
            assert not recording()
        assert recording()

    def test_an_error_switches_back(self):
        with pytest.raises(KeyError), no_grad():
            raise KeyError
        assert recording()

        @no_grad()
        def fails():
            raise KeyError

        with pytest.raises(KeyError):
            fails()
        assert recording()

    def test_a_function_that_calls_itself(self):
        @no_grad()
        def count(n):
            assert not recording()
            return 0 if n == 0 else 1 + count(n - 1)

        assert count(5) == 5 and recording()

    def test_each_thread_has_its_own(self):
        seen, inside, done = [], threading.Event(), threading.Event()
        shared = no_grad()

        def other():
            inside.wait(5)
            seen.append(recording())
            with shared:
                seen.append(recording())
            seen.append(recording())
            done.set()

        thread = threading.Thread(target=other)
        thread.start()
        with shared:
            inside.set()
            assert done.wait(5)
            assert not recording()
        thread.join()
        assert seen == [True, False, True] and recording()

    def test_generators_switch_at_each_step_only(self):
        @no_grad()
        def three():
            for i in range(3):
                assert not recording()
                yield i
            return "end"

        for _ in three():
            assert recording(), "between the steps the caller's own setting holds"
        steps = three()
        next(steps)
        steps.close()
        assert recording()

    def test_generators_are_told_what_the_caller_tells_them(self):
        ended = []

        @no_grad()
        def added():
            total = 0
            try:
                while True:
                    try:
                        total += yield total
                    except KeyError:
                        total = 100
                    assert not recording()
            finally:
                ended.append(total)

        steps = added()
        told = [next(steps), steps.send(3), steps.throw(KeyError()), steps.send(1)]
        assert told == [0, 3, 100, 101] and recording()
        steps.close()
        assert ended == [101]
        with pytest.raises(ZeroDivisionError):
            next(no_grad()(lambda: (1 / 0 for _ in "a"))())

    def test_walking_is_possible_inside(self):
        x = leaf(3.0)
        y = x * x
        with no_grad():
            y.backward()
        assert x.grad.item() == 6

    def test_notes_are_only_made_while_recording(self):
        x = leaf([0.5, -1.0])
        with no_grad():
            quiet = PRIMITIVES["gelu"](x)
        assert quiet.tolist() == PRIMITIVES["gelu"](x).tolist()


# ---------------------------------------------------------------- gradcheck
@pytest.mark.exercise("autograd")
class TestGradcheck:
    def test_accepts_what_is_right(self):
        assert gradcheck(lambda x: (x * x).sum(), Tensor([1.0, 2.0])) is True
        assert gradcheck(lambda x, y: x @ y, [Tensor(np.ones((2, 3))), Tensor(np.ones((3, 2)))])

    def test_names_the_input_and_shows_both(self, toy_table):
        def mul_rule(g, x, y):
            return g * y, 2 * g * x

        rule(mul_rule)
        with pytest.raises(
            AssertionError, match=r"input 1, \(2,\): backward\(\) says .*nudge says"
        ):
            gradcheck(lambda x, y: x * y, [Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])

    @pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e6])
    @pytest.mark.parametrize("error", [1.001, 0.0, -1.0])
    def test_notices_errors_whatever_the_size(self, toy_table, scale, error):
        @primitive
        def scaled(x):
            return scale * x

        @rule
        def scaled_rule(g):
            return error * scale * g

        with pytest.raises(AssertionError, match="input 0"):
            gradcheck(scaled, Tensor(np.linspace(-1, 1, 5)))

    def test_notices_an_error_in_the_fifth_digit(self, toy_table):
        @primitive
        def thousandfold(x):
            return 1000 * x

        @rule
        def thousandfold_rule(g):
            return 1000.01 * g

        with pytest.raises(AssertionError, match="input 0"):
            gradcheck(thousandfold, Tensor(np.linspace(-1, 1, 5)))

    def test_notices_nan(self, toy_table):
        @primitive
        def same(x):
            return x * 1

        @rule
        def same_rule(g):
            return g * math.nan

        with pytest.raises(AssertionError, match="says nan"):
            gradcheck(same, Tensor([1.0]))

    def test_notices_a_cut_graph(self):
        with pytest.raises(AssertionError, match="input 0"):
            gradcheck(lambda x, y: x.detach() * x + y, [Tensor([1.0]), Tensor([2.0])])

    def test_whole_numbers_are_passed_through(self):
        assert gradcheck(lambda x, i: x[i], [Tensor([1.0, 2.0, 3.0]), Tensor([0, 2, 2])])
        with pytest.raises(TypeError, match="write 3.0, not 3"):
            gradcheck(lambda x: x, Tensor([1, 2]))
        w = random_leaf(3)  # float64 comes out and takes part in a gradient, but nothing is judged
        with pytest.raises(TypeError, match="no input has any"):
            gradcheck(lambda i: w[i], Tensor([0, 2]))

    def test_an_input_that_is_not_used(self):
        assert gradcheck(lambda x, y: x * 2, [Tensor([1.0]), Tensor([2.0])])

    def test_refuses_to_leave_float64(self):
        with pytest.raises(TypeError, match="f returned float32"):
            gradcheck(lambda x: x.float(), Tensor([1.0]))

    def test_leaves_the_inputs_alone(self):
        x = leaf([1.0, 2.0])
        x.grad = Tensor([5.0, 5.0])
        gradcheck(lambda x: x * x, x)
        assert x.grad.tolist() == [5, 5] and x.dtype == np.float32

    def test_directions_come_from_the_generator(self):
        draws = []

        def f(x):
            draws.append(x.array.copy())
            return x * x

        for generator in (Generator(1), Generator(1), Generator(2), None, None):
            gradcheck(f, Tensor([1.0, 2.0]), generator=generator)
        nudged = draws[1::3]
        assert np.array_equal(nudged[0], nudged[1]) and not np.array_equal(nudged[1], nudged[2])
        assert np.array_equal(nudged[3], nudged[4])

    def test_weights_of_a_model_that_f_uses_beside_its_inputs(self):
        model = layers.Linear(3, 2)
        for p in model.parameters():
            p.array = p.array.astype(np.float64)
        assert gradcheck(model, Tensor(np.ones((4, 3))))


# ---------------------------------------------------------------- nothing goes unnoticed
@pytest.mark.exercise("autograd")
def test_local_gradients_asks_the_rule_and_frees():
    x, y = leaf([2.0, 3.0]), leaf([4.0, 5.0])
    call = (x * y).made_by
    pairs = local_gradients(call, np.ones(2, np.float32), retain_graph=True)
    assert pairs[0][0] is x and pairs[1][0] is y
    assert [part.tolist() for _, part in pairs] == [[4, 5], [2, 3]]
    local_gradients(call, np.ones(2, np.float32))
    with pytest.raises(RuntimeError, match="freed"):
        inputs_of(call)


@pytest.mark.exercise("autograd")
@settings(max_examples=30)
@given(small_shapes)
def test_any_shape_through_a_chain(shape):
    x = leaf(np.ones(shape))
    y = ((x * 2 + 1).exp().log() - x).reshape(-1).sum()
    y.backward()
    assert x.grad.shape == shape and x.grad.dtype == np.float32
    assert np.allclose(x.grad.array, 1, atol=1e-5)
