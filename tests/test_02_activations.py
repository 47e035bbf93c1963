"""Module 02: a bend makes depth worth something."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.activations import (
    gelu,
    gelu_exact,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from tinytorch.curves import erf
from tinytorch.tensor import Tensor, _switch, float32, float64

ELEMENTWISE = (relu, sigmoid, tanh, silu, gelu, gelu_exact)
LN2, LN3, LN5 = math.log(2), math.log(3), math.log(5)

shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
full_shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
seeds = st.integers(0, 1000)


def numbers(shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).normal(scale=3, size=shape).astype(dtype)


def exact_sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x)


def exact_gelu(x):
    return x * (0.5 + 0.5 * math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def element_by_element(function, array):
    return np.array([function(float(x)) for x in array.ravel()]).reshape(array.shape)


def log_softmax_of(row):
    """The definition, in Python's own numbers."""
    largest = max(row)
    total = largest + math.log(math.fsum(math.exp(x - largest) for x in row))
    return [x - total for x in row]


def along(function, array, dim):
    """Apply a function of a row to every row along `dim`."""
    moved = np.moveaxis(array, dim, -1)
    result = np.empty(moved.shape)
    for place in np.ndindex(moved.shape[:-1]):
        result[place] = function([float(x) for x in moved[place]])
    return np.moveaxis(result, -1, dim)


def near(got, want, tol=1e-12):
    """Same shape, and as close as the dtype allows; nothing broadcasts."""
    got, want = getattr(got, "array", got), np.asarray(want)
    assert got.shape == want.shape
    if got.dtype == np.float32:
        tol = max(tol, 2e-6)
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol)


def judge_elementwise(function, exact, shape, seed):
    """Values by the definition; shape and dtype kept; input untouched and not handed back."""
    for dtype in (np.float64, np.float32):
        array = numbers(shape, seed, dtype)
        given_array = array.copy()
        given_array.flags.writeable = False
        x = Tensor(array, dtype=dtype)
        x.array = given_array
        got = function(x)
        assert got.dtype == dtype
        near(got, element_by_element(exact, array))
        assert np.array_equal(given_array, array)
        assert not np.shares_memory(got.array, given_array)


def judge_graph(function, name):
    """A result remembers its call if a gradient may be asked for, and only then."""
    x = Tensor([[-1.0, 2.0]], requires_grad=True)
    y = function(x)
    assert y.requires_grad
    assert y.made_by.primitive == name
    assert y.made_by.inputs[0] is x
    assert function(x.detach()).made_by is None


@pytest.mark.exercise("activations.relu")
class TestRelu:
    def test_by_hand(self):
        assert relu(Tensor([[-2.0, 0.0], [3.0, -0.5]])).tolist() == [[0, 0], [3, 0]]

    @given(shapes, seeds)
    def test_any_shape_element_by_element(self, shape, seed):
        judge_elementwise(relu, lambda x: max(x, 0.0), shape, seed)

    def test_small_positive_numbers_stay(self):
        assert relu(Tensor([1e-30, 0.25, 7.5])).tolist() == [float(np.float32(1e-30)), 0.25, 7.5]

    def test_large_numbers_and_infinity(self):
        got = relu(Tensor([-1e38, 1e38, -math.inf, math.inf]))
        assert got.tolist() == [0, float(np.float32(1e38)), 0, math.inf]

    def test_nan_stays_nan(self):
        """What went wrong before must not be hidden as a 0."""
        assert math.isnan(relu(Tensor([math.nan, -1.0])).tolist()[0])

    def test_whole_numbers_stay_whole(self):
        got = relu(Tensor([-2, 0, 5]))
        assert got.tolist() == [0, 0, 5]
        assert got.dtype.kind == "i"

    def test_a_view_that_is_not_contiguous(self):
        x = Tensor(numbers((3, 4)), dtype=float64)
        near(relu(x.T), np.maximum(x.array, 0).T)

    def test_twice_is_once(self):
        x = Tensor(numbers((5, 5)))
        assert relu(relu(x)).tolist() == relu(x).tolist()

    def test_remembers_its_call(self):
        judge_graph(relu, "relu")


@pytest.mark.exercise("activations.sigmoid")
class TestSigmoid:
    def test_by_hand(self):
        near(sigmoid(Tensor([0.0, LN3, -LN3], dtype=float64)), [1 / 2, 3 / 4, 1 / 4])

    @given(shapes, seeds)
    def test_any_shape_element_by_element(self, shape, seed):
        judge_elementwise(sigmoid, exact_sigmoid, shape, seed)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_no_overflow_anywhere(self, dtype):
        far = Tensor([-1e30, -1000.0, -90.0, 90.0, 1000.0, 1e30, -math.inf, math.inf], dtype=dtype)
        near(sigmoid(far), [0, 0, 0, 1, 1, 1, 0, 1])

    def test_far_left_keeps_its_digits(self):
        """Small probabilities are exact to the last digits: no 1 - (something near 1)."""
        got = sigmoid(Tensor([-20.0, -50.0, -80.0])).array
        np.testing.assert_allclose(got, np.exp([-20.0, -50.0, -80.0]), rtol=1e-5, atol=0)

    @given(st.floats(-300, 300))
    def test_both_sides_sum_to_one(self, value):
        left, right = sigmoid(Tensor([-value, value], dtype=float64)).tolist()
        assert abs(left + right - 1) < 1e-15

    def test_rises_and_stays_between_0_and_1(self):
        got = sigmoid(Tensor(np.linspace(-30, 30, 201), dtype=float64)).array
        assert (np.diff(got) > 0).all()
        assert got[0] > 0
        assert got[-1] < 1

    def test_a_single_number_and_nan(self):
        assert sigmoid(Tensor(0.0)).shape == ()
        with np.errstate(invalid="ignore"):  # np.logaddexp warns of a nan, and is right
            assert math.isnan(sigmoid(Tensor(math.nan)).item())

    def test_whole_numbers_give_float32(self):
        got = sigmoid(Tensor([0, 1]))
        assert got.dtype == float32
        near(got, [0.5, 0.7310585786])

    def test_remembers_its_call(self):
        judge_graph(sigmoid, "sigmoid")


@pytest.mark.exercise("activations.silu")
class TestSilu:
    def test_golden_numbers(self):
        near(
            silu(Tensor([0.0, 1.0, -1.0], dtype=float64)),
            [0, 0.731058578630, -0.268941421370],
            1e-11,
        )

    def test_by_hand(self):
        near(silu(Tensor([LN3, -LN3], dtype=float64)), [0.75 * LN3, -0.25 * LN3])

    @given(shapes, seeds)
    def test_any_shape_element_by_element(self, shape, seed):
        judge_elementwise(silu, lambda x: x * exact_sigmoid(x), shape, seed)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_far_out_the_door_is_open_or_shut(self, dtype):
        near(silu(Tensor([-1e30, -1000.0, 1000.0], dtype=dtype)), [0, 0, 1000])
        assert silu(Tensor([1e30], dtype=dtype)).item() == pytest.approx(1e30)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_far_left_keeps_its_digits(self, dtype):
        x = np.array([-10.5, -12.5, -20.0, -40.0])
        got = silu(Tensor(x, dtype=dtype)).array
        want = [v * exact_sigmoid(v) for v in x.tolist()]
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=0)

    def test_dips_to_its_lowest_point(self):
        places = np.linspace(-4, 0, 4001)
        got = silu(Tensor(places, dtype=float64)).array
        assert got.min() == pytest.approx(-0.2784645, abs=1e-6)
        assert places[got.argmin()] == pytest.approx(-1.2785, abs=1e-3)

    def test_differs_from_its_mirror_image_by_x(self):
        x = numbers((4, 5))
        both = silu(Tensor(x, dtype=float64)).array - silu(Tensor(-x, dtype=float64)).array
        near(both, x)

    def test_remembers_its_call(self):
        judge_graph(silu, "silu")


@pytest.mark.exercise("activations.gelu")
class TestGelu:
    def test_golden_numbers(self):
        got = gelu(Tensor([-1.0, 0.0, 1.0, 3.0], dtype=float64))
        near(got, [-0.15880800939, 0, 0.84119199060, 2.99636260792], 1e-10)

    @given(shapes, seeds)
    def test_any_shape_element_by_element(self, shape, seed):
        judge_elementwise(gelu, exact_gelu, shape, seed)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_far_out(self, dtype):
        near(gelu(Tensor([-1e6, -1000.0, 1000.0, 1e6], dtype=dtype)), [0, 0, 1000, 1e6])

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_the_range_that_is_promised(self, dtype):
        """Up to 10^12 nothing overflows, in the slope neither (a warning would be an error)."""
        x = Tensor([-1e12, 1e12], requires_grad=True, dtype=dtype)
        y = gelu(x)
        np.testing.assert_allclose(y.array, [0, 1e12], rtol=1e-6)
        assert y.made_by.kept["note"].tolist() == [0, 1]

    def test_close_to_the_exact_form(self):
        x = Tensor(np.linspace(-8, 8, 1601), dtype=float64)
        gap = np.abs(gelu(x).array - gelu_exact(x).array)
        assert 1e-5 < gap.max() < 5e-4

    def test_differs_from_its_mirror_image_by_x(self):
        x = numbers((4, 5))
        both = gelu(Tensor(x, dtype=float64)).array - gelu(Tensor(-x, dtype=float64)).array
        near(both, x)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_the_note_is_the_slope(self, dtype):
        """Module 06 uses the note; a nudge measures what it should be."""
        x = Tensor(np.linspace(-5, 5, 41), requires_grad=True, dtype=dtype)
        note = gelu(x).made_by.kept["note"]
        assert note.dtype == dtype
        step, places = 1e-6, x.array.astype(np.float64)
        nudged = [(exact_gelu(p + step) - exact_gelu(p - step)) / (2 * step) for p in places]
        near(note, nudged, 1e-8)

    def test_the_same_with_recording_off(self):
        x = Tensor(numbers((3, 4)), requires_grad=True)
        recorded = gelu(x)
        _switch.on = False
        try:
            plain = gelu(x)
        finally:
            _switch.on = True
        assert np.array_equal(plain.array, recorded.array)
        assert plain.made_by is None

    def test_remembers_its_call(self):
        judge_graph(gelu, "gelu")


@pytest.mark.exercise("activations.softmax")
class TestSoftmax:
    def test_by_hand(self):
        x = Tensor([[0.0, LN2, LN5], [LN5, LN5, math.log(10)]], dtype=float64)
        near(softmax(x), [[1 / 8, 2 / 8, 5 / 8], [1 / 4, 1 / 4, 2 / 4]])

    def test_the_other_dimension_by_hand(self):
        x = Tensor([[0.0, LN2], [LN3, LN2]], dtype=float64)
        near(softmax(x, dim=0), [[1 / 4, 1 / 2], [3 / 4, 1 / 2]])

    @given(full_shapes, seeds, st.data())
    def test_any_shape_along_any_dim(self, shape, seed, data):
        dim = data.draw(st.integers(-len(shape), len(shape) - 1))
        for dtype in (np.float64, np.float32):
            array = numbers(shape, seed, dtype)
            before = array.copy()
            got = softmax.on_arrays(array, dim)
            assert got.dtype == dtype
            near(got, along(lambda row: [math.exp(x) for x in log_softmax_of(row)], array, dim))
            near(got.sum(axis=dim), np.ones(before.sum(axis=dim).shape))
            assert np.array_equal(array, before)

    def test_the_last_dimension_is_the_default(self):
        x = Tensor(numbers((3, 3, 3)))
        assert np.array_equal(softmax(x).array, softmax(x, 2).array)
        assert np.array_equal(softmax(x, axis=1).array, softmax(x, dim=1).array)
        assert not np.allclose(softmax(x).array, softmax(x, 1).array)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_no_overflow(self, dtype):
        x = Tensor([[1000.0, 1000.0, -1000.0], [-1e4, -1e4, -1e30]], dtype=dtype)
        near(softmax(x), [[0.5, 0.5, 0], [0.5, 0.5, 0]])

    def test_each_row_is_shifted_by_its_own_maximum(self):
        """One shift for all rows would leave nothing of the second one."""
        near(softmax(Tensor([[1000.0, 1000.0], [0.0, 0.0]])), [[0.5, 0.5], [0.5, 0.5]])

    def test_a_common_shift_changes_nothing(self):
        x = numbers((4, 6))
        moved = x + numbers((4, 1), seed=1)
        near(softmax(Tensor(moved, dtype=float64)), softmax.on_arrays(x, -1))

    def test_equal_scores_share_equally(self):
        near(softmax(Tensor([[7.0] * 5])), [[0.2] * 5])
        near(softmax(Tensor([[3.0], [-4.0]])), [[1.0], [1.0]])

    def test_a_score_of_minus_infinity_gets_nothing(self):
        assert softmax(Tensor([[-math.inf, 0.0, 0.0]])).tolist() == [[0, 0.5, 0.5]]

    def test_what_went_wrong_before_is_not_hidden(self):
        """Scores that are all -inf have no shares, and a nan spoils its own row only."""
        with np.errstate(invalid="ignore"):
            got = softmax(Tensor([[-math.inf] * 2, [math.nan, 0.0], [0.0, 0.0]])).array
        assert np.isnan(got[:2]).all()
        assert got[2].tolist() == [0.5, 0.5]

    def test_no_rows(self):
        assert softmax(Tensor(np.zeros((0, 3)))).shape == (0, 3)

    def test_a_dimension_that_is_not_there_is_named(self):
        with pytest.raises(IndexError, match="softmax: dim 2 is out of range for 2 dimensions"):
            softmax(Tensor([[1.0, 2.0]]), 2)

    def test_remembers_its_call(self):
        judge_graph(softmax, "softmax")
        assert softmax(Tensor([[1.0]], requires_grad=True), 0).made_by.kept["dim"] == 0


@pytest.mark.exercise("activations.log_softmax")
class TestLogSoftmax:
    def test_by_hand(self):
        x = Tensor([[0.0, LN2, LN5], [LN5, LN5, math.log(10)]], dtype=float64)
        near(log_softmax(x), np.log([[1 / 8, 2 / 8, 5 / 8], [1 / 4, 1 / 4, 2 / 4]]))

    @given(full_shapes, seeds, st.data())
    def test_any_shape_along_any_dim(self, shape, seed, data):
        dim = data.draw(st.integers(-len(shape), len(shape) - 1))
        for dtype in (np.float64, np.float32):
            array = numbers(shape, seed, dtype)
            before = array.copy()
            got = log_softmax.on_arrays(array, dim)
            assert got.dtype == dtype
            near(got, along(log_softmax_of, array, dim))
            assert np.array_equal(array, before)

    def test_the_last_dimension_is_the_default(self):
        x = Tensor(numbers((3, 3, 3)))
        assert np.array_equal(log_softmax(x).array, log_softmax(x, 2).array)
        assert not np.allclose(log_softmax(x).array, log_softmax(x, 1).array)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_finite_where_the_probability_is_too_small_to_write_down(self, dtype):
        x = Tensor([[0.0, 200.0], [0.0, 5000.0], [-1e30, 1e30]], dtype=dtype)
        near(log_softmax(x), [[-200, 0], [-5000, 0], [-2e30, 0]])

    @pytest.mark.parametrize("score", [1000.0, -1000.0, 1e30])
    def test_equal_scores_of_any_size(self, score):
        near(log_softmax(Tensor([[score, score]])), [[-LN2, -LN2]])

    def test_each_row_is_shifted_by_its_own_maximum(self):
        near(log_softmax(Tensor([[1000.0, 1000.0], [0.0, 0.0]])), [[-LN2, -LN2]] * 2)

    def test_a_common_shift_changes_nothing(self):
        x = numbers((4, 6))
        moved = x + numbers((4, 1), seed=1)
        near(log_softmax(Tensor(moved, dtype=float64)), log_softmax.on_arrays(x, -1))

    def test_is_the_logarithm_of_softmax_where_that_can_be_taken(self):
        x = numbers((3, 4, 2))
        for dim in (0, 1, 2, -1):
            near(log_softmax.on_arrays(x, dim), np.log(softmax.on_arrays(x, dim)))

    def test_never_above_zero(self):
        got = log_softmax(Tensor(numbers((50, 3)) * 20))
        assert (got.array <= 0).all()

    def test_a_score_of_minus_infinity_stays_one(self):
        got = log_softmax(Tensor([[-math.inf, 0.0, 0.0]])).tolist()[0]
        assert got[0] == -math.inf
        near(np.array(got[1:]), [-LN2, -LN2], 1e-6)

    def test_a_nan_is_not_hidden(self):
        with np.errstate(invalid="ignore"):
            got = log_softmax(Tensor([[math.nan, 0.0], [0.0, 0.0]])).array
        assert np.isnan(got[0]).all()
        near(got[1], np.array([-LN2, -LN2]))

    def test_a_dimension_that_is_not_there_is_named(self):
        with pytest.raises(IndexError, match="log_softmax: dim -3 is out of range"):
            log_softmax(Tensor([[1.0, 2.0]]), -3)

    def test_remembers_its_call(self):
        judge_graph(log_softmax, "log_softmax")
        assert log_softmax(Tensor([[1.0]], requires_grad=True), 0).made_by.kept["dim"] == 0


@pytest.mark.exercise("activations")
class TestGiven:
    @given(shapes, seeds)
    def test_tanh(self, shape, seed):
        judge_elementwise(tanh, math.tanh, shape, seed)

    def test_tanh_is_a_stretched_sigmoid(self):
        x = Tensor(numbers((4, 5)), dtype=float64)
        near(tanh(x), [[2 * exact_sigmoid(2 * v) - 1 for v in row] for row in x.tolist()])

    @given(shapes, seeds)
    def test_gelu_exact(self, shape, seed):
        def exact(x):
            return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))

        judge_elementwise(gelu_exact, exact, shape, seed)

    def test_gelu_exact_golden(self):
        assert gelu_exact(Tensor(1.0, dtype=float64)).item() == pytest.approx(
            0.8413447461, abs=1e-10
        )

    @pytest.mark.parametrize("dtype", [np.uint8, np.bool_, np.int64], ids=lambda d: d.__name__)
    @pytest.mark.parametrize("function", [*ELEMENTWISE[1:], softmax, log_softmax])
    def test_whole_numbers_count_as_float32(self, function, dtype):
        x = np.array([0, 1, 1], dtype)
        result, want = function(Tensor(x)), function(Tensor(x.astype(np.float32)))
        assert result.dtype == float32 and result.tolist() == want.tolist()

    def test_the_polynomial_of_erf_is_right_to_seven_digits(self):
        x = np.linspace(-6, 6, 30_001, dtype=np.float32)
        assert np.abs(erf(x) - [math.erf(v) for v in x.tolist()]).max() < 1.2e-7

    def test_erf_far_out_at_zero_and_of_nothing(self):
        x = np.array([np.inf, -np.inf, 4.5, 0, 1e-30, np.nan], np.float32)
        np.testing.assert_allclose(erf(x), [1, -1, 1, 0, 1.1283792e-30, np.nan], rtol=1e-6)
        assert erf(x).dtype == np.float32 and erf(x[:0]).shape == (0,)
        assert gelu_exact(Tensor([20.0, -20.0])).tolist() == [20.0, 0.0]

    @pytest.mark.parametrize("function", [relu, sigmoid, tanh, softmax, log_softmax])
    def test_tensors_have_them_as_methods(self, function):
        x = Tensor(numbers((2, 3)))
        assert getattr(x, function.name)().tolist() == function(x).tolist()

    @pytest.mark.parametrize("function", ELEMENTWISE, ids=lambda f: f.name)
    def test_a_single_number_keeps_its_shape(self, function):
        assert function(Tensor(-0.5)).shape == ()

    def test_xor_with_two_bends(self):
        """relu(a + b) - 2 relu(a + b - 1): what no stack of matrices can do."""
        corners = Tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        total = corners.sum(dim=1)
        assert (relu(total) - 2 * relu(total - 1)).tolist() == [0, 1, 1, 0]
