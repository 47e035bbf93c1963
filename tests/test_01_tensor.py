"""Module 01: the Tensor, the lift, dtypes, views and writes, and the eight exercises."""

import copy
import doctest
import gc
import inspect
import math
import pickle
import re
import threading
import tracemalloc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinytorch
from tinytorch import tensor as make_tensor
from tinytorch.tensor import (
    PRIMITIVES,
    RULES,
    Call,
    Generator,
    Parameter,
    Tensor,
    _switch,
    argmax,
    broadcast_shape,
    cat,
    clone,
    common_dtype,
    dims_of,
    elementwise,
    exp,
    flatten,
    from_numpy,
    log,
    manual_seed,
    masked_fill,
    matmul,
    maximum,
    mean,
    mul,
    multinomial,
    numpy_generator,
    one_tuple,
    ones,
    permute,
    primitive,
    rand,
    randn,
    real,
    recording,
    reshape,
    sqrt,
    squeeze,
    stack,
    tensor_sum,
    transpose,
    unsqueeze,
    var,
    where,
    wrap,
    zeros,
)

few = settings(max_examples=40)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
full_shapes = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


@pytest.fixture
def no_recording():
    """Recording off, as inside `no_grad` of module 06."""
    _switch.on = False
    yield
    _switch.on = True


@pytest.fixture
def throwaway():
    """Primitives that a test defines are taken out of the table again."""
    before = dict(PRIMITIVES)
    yield
    PRIMITIVES.clear()
    PRIMITIVES.update(before)


def numbers(shape, seed=0, dtype=np.float32):
    return np.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def leaf(data):
    return Tensor(data, requires_grad=True)


def raised(kind, function, *args, **kwargs):
    """The message of the error that a call raises."""
    with pytest.raises(kind) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def shape_pairs():
    """Shapes of up to four dimensions that broadcast, 1s and 0s included."""
    return hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=3)


# ---------------------------------------------------------------- exercises


@pytest.mark.exercise("tensor.broadcast_shape")
class TestBroadcastShape:
    @few
    @given(shape_pairs())
    def test_is_numpys_rule_both_ways_round(self, pair):
        first, second = pair.input_shapes
        assert broadcast_shape(first, second) == pair.result_shape
        assert broadcast_shape(second, first) == pair.result_shape

    @few
    @given(shapes, shapes)
    def test_refuses_exactly_what_numpy_refuses(self, first, second):
        try:
            want = np.broadcast_shapes(first, second)
        except ValueError:
            with pytest.raises(ValueError, match="do not broadcast"):
                broadcast_shape(first, second)
        else:
            assert broadcast_shape(first, second) == want

    @pytest.mark.parametrize(
        ("first", "second", "want"),
        [
            ((4, 1, 3), (2, 1), (4, 2, 3)),
            ((3,), (3, 1), (3, 3)),
            ((), (), ()),
            ((), (2, 3), (2, 3)),
            ((1,), (0,), (0,)),
            ((0, 1), (1, 5), (0, 5)),
            ((2, 1, 1, 4), (3, 1), (2, 1, 3, 4)),
        ],
    )
    def test_by_hand(self, first, second, want):
        result = broadcast_shape(first, second)
        assert result == want and type(result) is tuple

    def test_the_error_names_both_shapes_and_the_dimension(self):
        message = raised(ValueError, broadcast_shape, (2, 5, 3), (4, 3))
        assert message == (
            "shapes (2, 5, 3) and (4, 3) do not broadcast: dimension -2 is 5 in one and 4 in the "
            "other"
        )

    def test_aligned_at_the_left_would_fit(self):
        assert "dimension -1 is 3" in raised(ValueError, broadcast_shape, (2, 3), (2,))

    @pytest.mark.parametrize("pair", [((4,), (2,)), ((2,), (4,)), ((6, 1), (3, 1))])
    def test_a_multiple_does_not_fit(self, pair):
        assert "do not broadcast" in raised(ValueError, broadcast_shape, *pair)

    def test_an_empty_dimension_fits_only_0_and_1(self):
        assert "dimension -1 is 0" in raised(ValueError, broadcast_shape, (0,), (2,))


@pytest.mark.exercise("tensor.matmul")
class TestMatmul:
    @pytest.mark.parametrize(
        ("left", "right", "want"),
        [
            ((2, 3), (3, 4), (2, 4)),
            ((3,), (3, 4), (4,)),
            ((2, 3), (3,), (2,)),
            ((3,), (3,), ()),
            ((5, 2, 3), (5, 3, 4), (5, 2, 4)),
            ((5, 2, 3), (3, 4), (5, 2, 4)),
            ((2, 3), (5, 3, 4), (5, 2, 4)),
            ((5, 1, 2, 3), (6, 3, 4), (5, 6, 2, 4)),
            ((1, 2, 3), (1, 3, 2), (1, 2, 2)),
            ((2, 1, 2, 3), (1, 3, 3, 4), (2, 3, 2, 4)),
            ((5, 2, 3), (3,), (5, 2)),
            ((3,), (5, 3, 4), (5, 4)),
            ((0, 3), (3, 4), (0, 4)),
            ((2, 0), (0, 4), (2, 4)),
        ],
    )
    def test_shapes_and_values(self, left, right, want):
        x, y = numbers(left, 1), numbers(right, 2)
        result = matmul(Tensor(x), Tensor(y))
        assert result.shape == want and result.dtype == np.float32
        x2, y2 = np.atleast_2d(x), y[:, None] if y.ndim == 1 else y
        terms = x2[..., :, :, None].astype(float) * y2[..., None, :, :]
        np.testing.assert_allclose(result.array, terms.sum(axis=-2).reshape(want), atol=1e-5)

    def test_by_hand(self):
        assert matmul(Tensor([[1, 2], [3, 4]]), Tensor([[5], [6]])).tolist() == [[17], [39]]

    def test_left_and_right_are_not_the_same(self):
        x, y = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([[0.0, 1.0], [1.0, 0.0]])
        assert (x @ y).tolist() == [[2, 1], [4, 3]] and (y @ x).tolist() == [[3, 4], [1, 2]]

    @pytest.mark.parametrize(
        ("left", "right", "sizes"),
        [
            ((2, 3), (4, 3), (3, 4)),
            ((3,), (4,), (3, 4)),
            ((2, 3), (4,), (3, 4)),
            ((5,), (3, 5), (5, 3)),
            ((7, 2, 3), (7, 2, 3), (3, 2)),
            ((3, 2), (3, 4), (2, 3)),
        ],
    )
    def test_inner_sizes_that_differ(self, left, right, sizes):
        """In any words but NumPy's, as long as both sizes are named."""
        own = raised(ValueError, matmul.on_arrays, np.zeros(left), np.zeros(right))
        assert {str(size) for size in sizes} <= set(re.findall(r"\d+", own)) and "gufunc" not in own
        message = raised(ValueError, matmul, zeros(left), zeros(right))
        assert (
            message.startswith(f"matmul: {own}") and f"{left}" in message and f"{right}" in message
        )

    def test_batches_that_do_not_fit_are_named(self):
        """In words that differ with the NumPy function that refuses them."""
        message = raised(ValueError, matmul, zeros(2, 3, 4), zeros(5, 4, 3))
        assert message.startswith("matmul: ") and {"2", "5"} <= set(re.findall(r"\d+", message))
        assert "gufunc" not in message and "remapped" not in message

    def test_a_single_number_is_refused(self):
        assert "for a single number write *" in raised(ValueError, matmul, Tensor(2.0), zeros(2, 2))

    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64])
    def test_the_kind_of_number_stays(self, kind):
        x = np.array([[1, 2], [3, 4]], dtype=kind)
        found = (from_numpy(x) @ from_numpy(x)).dtype
        assert found == kind, f"{kind.__name__} went in and {found} came out of matmul"

    def test_large_whole_numbers_lose_no_digit(self):
        assert (Tensor([[2**53 + 1]]) @ Tensor([[1]])).item() == 2**53 + 1

    def test_views_with_any_strides(self):
        x = numbers((4, 6))
        flipped = wrap(x[::-1, ::2])
        want = x[::-1, ::2].astype(float) @ x[::-1, ::2].T.astype(float)
        np.testing.assert_allclose((flipped @ flipped.T).array, want, rtol=1e-5, atol=1e-6)

    def test_whole_numbers_stay_whole_and_mix_to_float32(self):
        a, x = Tensor([[1, 2], [3, 4]]), Tensor([[0.5], [1.0]])
        assert (a @ a).dtype == np.int64 and (a @ x).dtype == np.float32
        assert (a @ x).tolist() == [[2.5], [5.5]]

    def test_the_right_operand_may_be_a_numpy_array_and_the_left_too(self):
        x = numbers((2, 2))
        for result in (Tensor(x) @ x, x @ Tensor(x)):
            assert type(result) is Tensor
            np.testing.assert_allclose(result.array, x @ x, atol=1e-6)

    def test_a_list_is_no_matrix(self):
        assert "a list is no tensor" in raised(TypeError, lambda: zeros(2, 2) @ [1.0, 2.0])

    def test_fast_enough_to_be_no_loop(self):
        x = rand(200, 200)
        assert _seconds(lambda: x @ x) < 0.05


@pytest.mark.exercise("tensor.mean")
class TestMean:
    @pytest.mark.parametrize("keepdim", [False, True])
    @pytest.mark.parametrize("dim", [None, 0, 1, -1, 2, (0, 1), (0, -1), (-3, -1), (0, 1, 2), ()])
    def test_over_any_dims(self, dim, keepdim):
        x = numbers((2, 3, 4), dtype=np.float64)
        axis = None if dim == () else dim
        want = np.asarray(np.mean(x, axis=axis, keepdims=keepdim))
        result = mean(from_numpy(x), dim, keepdim)
        assert result.shape == want.shape and result.dtype == np.float64
        np.testing.assert_allclose(result.array, want)

    def test_by_hand(self):
        x = Tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        assert x.mean(1).tolist() == [2, 5] and x.mean(0).tolist() == [2.5, 3.5, 4.5]
        assert x.mean().item() == 3.5 and x.mean(1, keepdim=True).shape == (2, 1)

    def test_of_whole_numbers_and_booleans_is_float32(self):
        assert Tensor([1, 2]).mean().item() == 1.5 and Tensor([1, 2]).mean().dtype == np.float32
        assert Tensor([True, False]).mean().item() == 0.5
        pixels = from_numpy(np.full(1000, 200, np.uint8))
        assert pixels.mean().item() == 200 and pixels.mean().dtype == np.float32

    def test_float32_stays_and_the_input_too(self):
        x = numbers((3, 4))
        before = x.copy()
        assert mean(from_numpy(x), 0).dtype == np.float32
        np.testing.assert_array_equal(x, before)

    def test_numpys_words_are_understood(self):
        x = Tensor(numbers((2, 3)))
        np.testing.assert_array_equal(
            x.mean(axis=1, keepdims=True).array, x.mean(dim=1, keepdim=True).array
        )

    @pytest.mark.parametrize(("shape", "want"), [((1, 3), (1,)), ((2, 3, 1), (2, 1))])
    def test_other_dims_of_one_stay(self, shape, want):
        assert mean(Tensor(numbers(shape)), 1).shape == want

    def test_a_nan_is_not_hidden(self):
        found = Tensor([[1.0, math.nan], [1.0, 3.0]]).mean(1).tolist()
        assert math.isnan(found[0]) and found[1] == 2

    @pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
    def test_of_no_numbers_is_nan_without_a_warning(self, shape):
        assert math.isnan(zeros(shape).mean().item()) and zeros(shape).mean().dtype == np.float32
        assert np.isnan(zeros(0, 3).mean(0).array).all() and zeros(0, 3).mean(1).shape == (0,)

    def test_of_a_single_number(self):
        assert Tensor(3.0).mean().item() == 3 and Tensor(3.0).mean(-1).item() == 3

    @pytest.mark.parametrize("dim", [2, -3, (0, 2)])
    def test_a_dim_that_is_not_there(self, dim):
        bad = dim if isinstance(dim, int) else 2
        message = raised(IndexError, Tensor(numbers((2, 3))).mean, dim)
        assert message == f"mean: dim {bad} is out of range for 2 dimensions (x (2, 3))"


@pytest.mark.exercise("tensor.var")
class TestVar:
    @pytest.mark.parametrize("unbiased", [True, False])
    @pytest.mark.parametrize("keepdim", [False, True])
    @pytest.mark.parametrize("dim", [None, 0, -1, (0, 2), (1, -1), ()])
    def test_over_any_dims(self, dim, keepdim, unbiased):
        x = numbers((3, 4, 5), dtype=np.float64)
        axis = None if dim == () else dim
        want = np.asarray(np.var(x, axis=axis, ddof=int(unbiased), keepdims=keepdim))
        result = var(from_numpy(x), dim, unbiased, keepdim)
        assert result.shape == want.shape and result.dtype == np.float64
        np.testing.assert_allclose(result.array, want)

    def test_by_hand(self):
        x = Tensor([1.0, 2.0, 3.0, 6.0])
        assert x.var().item() == pytest.approx(14 / 3)
        assert x.var(unbiased=False).item() == 3.5 and x.var(dim=0, unbiased=False).item() == 3.5

    @pytest.mark.parametrize("offset", [0.0, 1e4, -1e4, 1e6])
    def test_two_passes_keep_the_digits_in_float32(self, offset):
        x = Tensor([offset, offset + 1, offset + 2])
        assert x.var().item() == pytest.approx(1.0, abs=1e-6) and x.var().dtype == np.float32

    def test_every_row_is_measured_from_its_own_mean(self):
        x = Tensor([[0.0, 0.0, 0.0], [10000.0, 10001.0, 10002.0]])
        np.testing.assert_allclose(x.var(1).array, [0, 1], atol=1e-6)

    def test_two_passes_keep_the_digits_in_float64(self):
        x = Tensor([1e9, 1e9 + 1, 1e9 + 2], dtype=np.float64)
        assert x.var().item() == pytest.approx(1.0, abs=1e-6)

    @pytest.mark.parametrize(("shape", "want"), [((1, 3), (1,)), ((2, 3, 1), (2, 1))])
    def test_other_dims_of_one_stay(self, shape, want):
        assert var(Tensor(numbers(shape)), 1).shape == want

    def test_a_nan_is_not_hidden(self):
        found = Tensor([[1.0, math.nan, 2.0], [1.0, 2.0, 3.0]]).var(1).tolist()
        assert math.isnan(found[0]) and found[1] == 1

    def test_never_negative(self):
        x = numbers((50, 7)) * 1e-3 + 3000
        assert (var(Tensor(x), 1).array >= 0).all()

    def test_of_one_number(self):
        assert Tensor([5.0]).var(unbiased=False).item() == 0
        alone = Tensor([5.0]).var().item()  # and no warning, which would be an error
        assert math.isnan(alone), f"of one number n - 1 is 0, and 0 / 0 is nan, not {alone}"
        assert np.isnan(var(Tensor(numbers((3, 1))), 1).array).all()

    def test_of_whole_numbers_is_float32(self):
        assert Tensor([1, 2, 3]).var().item() == 1 and Tensor([1, 2, 3]).var().dtype == np.float32

    def test_the_input_is_not_changed(self):
        x = numbers((3, 4))
        before = x.copy()
        var(from_numpy(x), 0)
        np.testing.assert_array_equal(x, before)


@pytest.mark.exercise("tensor.reshape")
class TestReshape:
    @few
    @given(full_shapes, st.data())
    def test_keeps_the_order_and_finds_the_missing_size(self, shape, data):
        x = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
        wanted = list(data.draw(st.permutations(shape)))
        target = list(wanted)
        if data.draw(st.booleans()):
            target[data.draw(st.integers(0, len(target) - 1))] = -1
        result = reshape(from_numpy(x), tuple(target))
        assert result.shape == tuple(wanted)
        assert result.array.ravel().tolist() == list(range(x.size))
        assert np.shares_memory(result.array, x)

    @pytest.mark.parametrize(
        ("shape", "want"),
        [
            ((6,), (6,)),
            (6, (6,)),
            ((-1,), (6,)),
            ((2, -1), (2, 3)),
            ((1, 6, 1), (1, 6, 1)),
            ([3, 2], (3, 2)),
        ],
    )
    def test_spellings(self, shape, want):
        assert reshape(Tensor(numbers((2, 3))), shape).shape == want

    def test_method_takes_sizes_or_a_tuple(self):
        x = Tensor(numbers((2, 3)))
        assert (
            x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.reshape([3, -1]).shape == (3, 2)
        )

    def test_reshape_is_no_transpose(self):
        assert Tensor([[1, 2, 3], [4, 5, 6]]).reshape(3, 2).tolist() == [[1, 2], [3, 4], [5, 6]]

    def test_a_view_sees_later_writes_and_shares_the_counter(self):
        x = Tensor([1.0, 2.0, 3.0, 4.0])
        y = x.reshape(2, 2)
        x[3] = 9.0
        assert y.tolist() == [[1, 2], [3, 9]] and y.version is x.version == [1]

    def test_copies_only_where_it_must(self):
        x = Tensor(numbers((2, 3)))
        y = x.T.reshape(6)
        assert not np.shares_memory(y.array, x.array) and y.version is not x.version
        np.testing.assert_array_equal(y.array, x.array.T.ravel())

    @pytest.mark.parametrize(
        "shape", [(5, 5), (4,), (2, 4), (5, -1), (), (0, 3), (-2, -3), (-2, 3)]
    )
    def test_a_count_that_does_not_fit(self, shape):
        message = raised(ValueError, reshape, Tensor(numbers((2, 3))), shape)
        assert message.startswith("reshape: ") and "(2, 3)" in message

    def test_the_message_says_how_many(self):
        own = raised(ValueError, reshape.on_arrays, numbers((2, 3)), (4, -1))
        assert "6" in re.findall(r"\d+", own) and "cannot reshape" not in own
        message = raised(ValueError, Tensor(numbers((2, 3))).reshape, 4, -1)
        assert message.startswith(f"reshape: {own.removeprefix('reshape: ')}")
        assert message.count("(2, 3)") == 1

    @pytest.mark.parametrize("shape", [(-1, -1), (0, -1), (-1, 0)])
    def test_a_size_nobody_can_tell(self, shape):
        assert "-1 has no meaning in" in raised(ValueError, reshape, zeros(0, 3), shape)

    def test_without_elements(self):
        assert zeros(0, 3).reshape(-1, 3).shape == (0, 3) and zeros(0, 3).reshape(5, 0).shape == (
            5,
            0,
        )

    def test_a_size_must_be_whole(self):
        message = raised(TypeError, Tensor(numbers((2, 3))).reshape, 2.0, 3)
        assert message == "sizes are whole numbers, not (2.0, 3): divide with //"

    def test_the_input_keeps_its_shape(self):
        x = Tensor(numbers((2, 3)))
        x.reshape(6)
        assert x.shape == (2, 3)


@pytest.mark.exercise("tensor.transpose")
class TestTranspose:
    @pytest.mark.parametrize("dims", [(0, 1), (1, 0), (0, 2), (1, 2), (-1, -2), (0, -1), (1, 1)])
    def test_swaps_two_and_only_two(self, dims):
        x = numbers((2, 3, 4))
        result = transpose(Tensor(x), *dims)
        np.testing.assert_array_equal(result.array, np.moveaxis(x, range(3), _swapped(*dims)))
        assert np.shares_memory(x, transpose(from_numpy(x), *dims).array)

    @pytest.mark.parametrize("dims", [(1, 2), (0, -2), (-1, 1)])
    def test_of_four_dimensions(self, dims):
        x, order = numbers((2, 3, 4, 5)), list(range(4))
        order[dims[0]], order[dims[1]] = order[dims[1]], order[dims[0]]
        np.testing.assert_array_equal(transpose(Tensor(x), *dims).array, x.transpose(order))

    def test_by_hand(self):
        assert transpose(Tensor([[1, 2, 3], [4, 5, 6]]), 0, 1).tolist() == [[1, 4], [2, 5], [3, 6]]

    def test_is_a_view_with_swapped_strides(self):
        x = Tensor(numbers((2, 3)))
        y = x.transpose(0, 1)
        assert x.array.strides == (12, 4) and y.array.strides == (4, 12)
        assert np.shares_memory(x.array, y.array) and y.version is x.version
        y[2, 0] = 7.0
        assert x.tolist()[0][2] == 7

    def test_twice_is_nothing(self):
        x = numbers((2, 3, 4))
        np.testing.assert_array_equal(Tensor(x).transpose(0, 2).transpose(0, 2).array, x)

    def test_a_dim_that_is_not_there(self):
        message = raised((IndexError, ValueError), Tensor(numbers((2, 3))).transpose, 0, 2)
        assert message.startswith("transpose: ") and message.endswith(" (x (2, 3))")

    def test_T_and_mT(self):
        x = Tensor(numbers((2, 3, 4)))
        assert x.T.shape == (4, 3, 2) and x.mT.shape == (2, 4, 3)
        assert Tensor([1.0, 2.0]).T.shape == (2,) and Tensor(1.0).T.shape == ()


@pytest.mark.exercise("tensor.cat")
class TestCat:
    @few
    @given(full_shapes, st.data())
    def test_cutting_undoes_it(self, shape, data):
        dim = data.draw(st.integers(-len(shape), len(shape) - 1))
        sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
        parts = []
        for i, size in enumerate(sizes):
            part = list(shape)
            part[dim] = size
            parts.append(numbers(part, i))
        joined = cat([Tensor(p) for p in parts], dim)
        assert joined.shape[dim] == sum(sizes)
        for got, want in zip(np.split(joined.array, np.cumsum(sizes)[:-1], dim), parts):
            np.testing.assert_array_equal(got, want)

    def test_by_hand(self):
        a, b = Tensor([[1, 2]]), Tensor([[3, 4], [5, 6]])
        assert cat([a, b]).tolist() == [[1, 2], [3, 4], [5, 6]]
        assert cat((a, a), dim=1).tolist() == cat([a, a], axis=-1).tolist() == [[1, 2, 1, 2]]

    def test_never_a_view(self):
        a = Tensor([1.0, 2.0])
        joined = cat([a])
        assert not np.shares_memory(joined.array, a.array) and joined.version is not a.version

    def test_sizes_that_differ(self):
        own = raised(ValueError, cat.on_arrays, [np.zeros((2, 2)), np.zeros((1, 2))], 1)
        assert "(2, 2)" in own and "(1, 2)" in own
        message = raised(ValueError, cat, [zeros(2, 2), zeros(1, 2)], 1)
        assert message == f"cat: {own}"  # the shapes are said already, and only once

    @pytest.mark.parametrize("others", [(2, 2, 1), (2,), (2, 3)])
    def test_every_other_size_counts(self, others):
        arrays = [np.zeros((2, 2)), np.zeros((5, 2)), np.zeros(others)]
        own = raised(ValueError, cat.on_arrays, arrays, 0)
        assert "(2, 2)" in own and "(5, 2)" in own and f"{others}" in own

    def test_a_table_without_rows_must_fit_too(self):
        own = raised(ValueError, cat.on_arrays, [np.zeros((0, 5)), np.zeros((2, 2))], 0)
        assert "(0, 5)" in own and "(2, 2)" in own

    def test_nothing_to_join(self):
        assert "the list is empty" in raised(ValueError, cat, [])

    def test_a_dim_that_is_not_there(self):
        message = raised(IndexError, cat, [zeros(2, 2), zeros(1, 2)], 2)
        shapes = "(tensors[0] (2, 2), tensors[1] (1, 2))"
        assert message == f"cat: dim 2 is out of range for 2 dimensions {shapes}"

    def test_dtypes_are_matched(self):
        assert cat([Tensor([1, 2]), Tensor([0.5])]).dtype == np.float32
        assert cat([Tensor([True]), Tensor([2])]).dtype == np.int64
        assert cat([Tensor([0.5]), Tensor([1.0], dtype=np.float64)]).dtype == np.float64
        assert cat([np.array([0.5, 1.5]), Tensor([1.0])]).dtype == np.float32

    def test_keeps_the_gradient_of_each(self):
        x, c = leaf([1.0]), Tensor([2.0])
        assert cat([c, x]).made_by.inputs == (None, x)
        assert cat([np.ones(2), x]).made_by.inputs == (None, x)

    def test_lists_are_no_tensors(self):
        assert "list" in raised((TypeError, AttributeError), cat, [[1, 2], [3, 4]])


@pytest.mark.exercise("tensor.masked_fill")
class TestMaskedFill:
    def test_by_hand(self):
        mask = Tensor([False, True, False])
        assert masked_fill(Tensor([1.0, 2.0, 3.0]), mask, 0.0).tolist() == [1, 0, 3]
        assert masked_fill(Tensor([1, 2, 3]), mask, 7).tolist() == [1, 7, 3]

    @few
    @given(shape_pairs())
    def test_the_mask_broadcasts(self, pair):
        x = numbers(pair.input_shapes[0])
        mask = np.random.default_rng(1).random(pair.input_shapes[1]) < 0.5
        result = masked_fill(Tensor(x), Tensor(mask), -2.0)
        full_x, full_mask = (np.broadcast_to(a, pair.result_shape) for a in (x, mask))
        want = [-2.0 if m else v for v, m in zip(full_x.ravel().tolist(), full_mask.ravel())]
        assert result.shape == pair.result_shape and result.dtype == np.float32
        assert result.array.ravel().tolist() == want

    def test_never_writes_into_the_input(self):
        x = Tensor([1.0, 2.0, 3.0])
        result = x.masked_fill(Tensor([True, True, True]), 0.0)
        assert x.tolist() == [1, 2, 3] and x.version == [0] and result.version is not x.version
        assert not np.shares_memory(x.masked_fill(Tensor([False] * 3), 0.0).array, x.array)

    @pytest.mark.parametrize("value", [-math.inf, math.inf, 0, 2.5, np.float64(3.0), Tensor(4.0)])
    def test_any_value_and_float32_stays(self, value):
        result = masked_fill(Tensor([1.0, 2.0]), Tensor([False, True]), value)
        assert result.dtype == np.float32 and result.tolist() == [1.0, float(value)]

    def test_float64_stays_with_all_its_digits(self):
        x = Tensor([0.1, 0.2], dtype=np.float64)
        result = masked_fill(x, Tensor([True, False]), 0.1)
        assert result.dtype == np.float64 and result.tolist() == [0.1, 0.2]

    def test_a_float_into_whole_numbers_gives_float32(self):
        result = masked_fill(Tensor([1, 2]), Tensor([False, True]), 0.5)
        assert result.dtype == np.float32 and result.tolist() == [1, 0.5]

    def test_a_mask_is_boolean(self):
        message = raised(TypeError, masked_fill, Tensor([1.0]), Tensor([1]), 0.0)
        assert message == (
            "masked_fill: a mask holds True and False: compare first, for example x < 0 "
            "(x (1,), mask (1,))"
        )

    def test_a_numpy_mask(self):
        assert masked_fill(Tensor([1.0, 2.0]), np.array([True, False]), 9).tolist() == [9, 2]

    def test_a_mask_that_does_not_fit(self):
        message = raised(ValueError, masked_fill, zeros(2, 3), Tensor([True, False]), 0.0)
        assert message.startswith("masked_fill: ") and "(2, 3)" in message and "(2,)" in message


# ---------------------------------------------------------------- given code


@pytest.mark.exercise("tensor")
class TestCreation:
    @pytest.mark.parametrize(
        ("data", "dtype"),
        [
            (1, "int64"),
            (1.0, "float32"),
            (True, "bool"),
            ([1, 2], "int64"),
            ([1, 2.0], "float32"),
            ([[True], [False]], "bool"),
            ([], "float32"),
            (np.float64(1), "float32"),
            (np.ones(2), "float32"),
            (np.ones(2, np.float16), "float32"),
            (np.ones(2, np.int32), "int32"),
            (np.ones(2, np.uint8), "uint8"),
            (range(3), "int64"),
            ([np.uint8(1)], "int64"),
            ([2**63], "uint64"),
            ([np.ones(2), np.zeros(2)], "float32"),
        ],
    )
    def test_dtype_of_data(self, data, dtype):
        assert Tensor(data).dtype == np.dtype(dtype)
        assert Tensor(data, dtype=np.float64).dtype == np.float64

    def test_a_whole_number_is_never_another_one(self):
        for number in (2**63 - 1, 2**63, 2**64 - 1, -(2**63)):
            assert Tensor(number).item() == number
        assert "a tensor holds numbers" in raised(TypeError, Tensor, 2**64)

    def test_a_tensor_keeps_its_dtype(self):
        assert Tensor(Tensor([1.0], dtype=np.float64)).dtype == np.float64
        assert Tensor([Tensor(1.0), Tensor(2.0)]).tolist() == [1, 2]

    def test_data_is_copied(self):
        a = np.ones(2, np.float32)
        t, shared = Tensor(a), from_numpy(a)
        a[0] = 5
        assert t.tolist() == [1, 1] and shared.tolist() == [5, 1]

    def test_what_is_no_tensor(self):
        assert raised(ValueError, Tensor, [[1, 2], [3]]).startswith(
            "the lists are not all of the same"
        )
        assert "a tensor holds numbers" in raised(TypeError, Tensor, ["a", "b"])
        assert "a tensor holds numbers" in raised(TypeError, Tensor, None)
        assert "a tensor holds numbers" in raised(TypeError, Tensor, {"a": 1})
        assert "write 3.0, not 3" in raised(TypeError, Tensor, 3, requires_grad=True)
        assert "from_numpy takes an array" in raised(TypeError, from_numpy, [1.0])

    def test_a_copy_would_cut_the_graph(self, no_recording):
        x = leaf([1.0])
        assert Tensor(x).tolist() == [1]  # nothing is recorded here
        _switch.on = True
        for data in (x, [x, x], x * 2):
            assert "use clone(), stack() or detach()" in raised(RuntimeError, Tensor, data)
        assert Tensor(x.detach()).tolist() == [1]

    def test_functions(self):
        assert zeros(2, 3).tolist() == [[0] * 3] * 2 and ones((2,)).tolist() == [1, 1]
        assert zeros().shape == () and zeros([2]).shape == (2,)

    @pytest.mark.parametrize("make", [zeros, ones, rand, randn])
    def test_dtype_none_is_float32(self, make):
        assert make(2).dtype == make(2, dtype=None).dtype == np.float32
        assert make(2, dtype=np.float64).dtype == np.float64
        assert make(2, requires_grad=True).requires_grad and not make(2).requires_grad

    def test_devices(self):
        assert (
            zeros(1, device="cpu").device == "cpu"
            and make_tensor([1], device="cpu").device == "cpu"
        )
        message = raised(ValueError, zeros, 1, device="cuda:1")
        assert message == "TinyTorch computes on the CPU only: device='cuda:1' does not exist"

    def test_tensor_is_a_function_and_a_module(self):
        assert tinytorch.tensor([1.0]).tolist() == [1] and callable(tinytorch.Tensor)

    def test_every_name_of_the_package_is_there(self):
        for name in ("std", "abs", "all", "any", "max", "min", "sum"):
            assert callable(getattr(tinytorch, name))


@pytest.mark.exercise("tensor")
class TestTheLift:
    def test_remembers_how_it_was_made(self):
        x, c = leaf([3.0, 4.0]), Tensor([10.0, 20.0])
        z = x * c + x
        call = z.made_by
        assert (call.primitive, call.shape, call.dtype) == ("add", (2,), np.float32)
        inner, source = call.inputs
        assert source is x and inner.primitive == "mul" and inner.inputs == (x, None)
        assert repr(call) == "add(mul (2,), leaf (2,)) -> (2,)"
        assert repr(inner) == "mul(leaf (2,), constant) -> (2,)"
        assert z.requires_grad and not z.is_leaf and x.is_leaf and call.result is None

    def test_nothing_to_remember(self):
        c = Tensor([1.0])
        assert (c * c).made_by is None and not (c * c).requires_grad
        assert (leaf([1.0]) > 0).made_by is None and leaf([1.0]).argmax().made_by is None

    def test_recording_off(self, no_recording):
        assert not recording()
        assert (leaf([1.0]) * 2).made_by is None

    def test_recording_is_per_thread(self):
        seen = {}

        def elsewhere():
            _switch.on = False
            seen["there"] = recording()

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert seen == {"there": False} and recording()

    def test_keeps_what_its_rule_asks_for_and_no_more(self, throwaway, monkeypatch):
        @primitive
        def shifted(x, by, times=1):
            return x + by * times, "a note"

        def call(**asked):
            if asked:
                monkeypatch.setitem(RULES, "shifted", type("Rule", (), asked)())
            return shifted(leaf([1.0]), 2.0).made_by

        kept = call().kept  # no rule yet: everything
        assert set(kept) == {"x", "by", "times", "out", "note"}
        assert kept["by"] == 2.0 and kept["times"] == 1 and kept["note"] == "a note"
        assert kept["out"].tolist() == [3]
        assert set(call(asks=("times", "note", "needs")).kept) == {"times", "note"}
        assert call(asks=()).kept == {} and call(asks=()).versions == ()

    def test_a_rule_can_ask_for_the_shapes_alone(self, monkeypatch):
        x, c = leaf(numbers((2, 3))), np.ones((4, 3))
        monkeypatch.setitem(RULES, "cat", type("Rule", (), {"asks": ("shapes", "dim")})())
        call = cat([x, c]).made_by
        assert call.kept == {"shapes": [(2, 3), (4, 3)], "dim": 0} and call.versions == ()
        monkeypatch.setitem(RULES, "mul", type("Rule", (), {"asks": ("shapes",)})())
        assert (x * 2).made_by.kept == {"shapes": [(2, 3), ()]}

    def test_a_cell_run_again_replaces_its_entry(self, throwaway):
        for factor in (2, 3):

            @primitive
            def scaled(x, factor=factor):
                return x * factor

        assert PRIMITIVES["scaled"](Tensor([1.0])).tolist() == [3]

    def test_methods_and_operators_take_the_function_that_was_defined_last(self, monkeypatch):
        x, own = Tensor([1.0, 2.0]), lambda *arguments: arguments
        names = ("exp", "tensor_sum", "add", "logical_not", "eq", "getitem", "sub")
        for name in names:
            monkeypatch.setitem(matmul.on_arrays.__globals__, name, own)
        assert x.exp() == (x,) and x.sum(0) == (x, 0) and ~x == (x,) and x[3] == (x, 3)
        assert x + 1 == (x, 1) and 1 - x == (1, x) and x.add(2) == (x, 2) and (x == 5) == (x, 5)

    def test_a_method_shows_the_function_s_own_help(self):
        x = Tensor([1.0])
        assert x.exp.__doc__ == exp.__doc__ and Tensor.exp is exp
        assert str(inspect.signature(x.argmax)) == "(dim=None, keepdim=False)"

    def test_the_function_on_arrays_is_within_reach(self):
        assert mean.on_arrays(np.array([1.0, 3.0])) == 2 and mean.name == "mean"
        assert tensor_sum.name == "sum" and mean.parameters == ("x", "dim", "keepdim")
        assert mean.__doc__.startswith("mean(x) =") and mean.__name__ == "mean"

    def test_arguments_by_position_by_name_and_in_numpys_words(self):
        x = Tensor(numbers((2, 3)))
        want = mean(x, 1, True).array
        for result in (
            mean(x, dim=1, keepdim=True),
            mean(x=x, keepdim=True, dim=1),
            mean(x, 1, keepdims=True),
        ):
            np.testing.assert_array_equal(result.array, want)

    @pytest.mark.parametrize(
        "call",
        [
            lambda x: mul(x),
            lambda x: mul(x, x, x),
            lambda x: mul(x, z=x),
            lambda x: mul(x, x, x=x),
            lambda x: mean(x, 0, axis=1),
            lambda x: mean(x, 0, dim=1),
            lambda x: x.mean(0, axis=1),
            lambda x: x.sum(0, kind=np.float64),
            lambda x: mean(dim=0),
        ],
    )
    def test_wrong_arguments(self, call):
        message = raised(TypeError, call, Tensor(numbers((2, 3))))
        assert message.startswith(("mul(x, y) ", "mean(x, dim, keepdim) ", "sum(x, dim, keepdim) "))

    def test_a_forgotten_return(self, throwaway):
        @primitive
        def forgetful(x):
            x + 1

        message = raised(TypeError, forgetful, Tensor([1.0]))
        assert (
            message
            == "forgetful returned None, which is no array of numbers: is a `return`, `raise` or "
            "`.on_arrays` missing?"
        )

    def test_what_no_primitive_returns(self, throwaway):
        @primitive
        def lifted_inside(x):
            return mean(x)

        @primitive
        def returned(x):
            return ValueError("too small")

        message = raised(TypeError, lifted_inside, Tensor([1.0]))
        assert message.startswith("lifted_inside returned tensor(1.)") and ".on_arrays" in message
        message = raised(TypeError, returned, Tensor([1.0]))
        assert message.startswith("returned returned ValueError(") and "`raise`" in message

    def test_errors_keep_the_line_where_they_happened(self, throwaway):
        @primitive
        def broken(x):
            raise ValueError("my own words")

        with pytest.raises(ValueError, match=r"^broken: my own words \(x \(2,\)\)$") as caught:
            broken(Tensor([1.0, 2.0]))
        assert caught.traceback[-1].name == "broken"

    def test_an_error_says_the_shapes_once(self):
        message = raised(ValueError, lambda: zeros(2, 3) + zeros(4))
        assert message == (
            "add: shapes (2, 3) and (4,) do not broadcast: dimension -1 is 3 in one and 4 in the "
            "other. Sizes are compared from the right; unsqueeze(dim) inserts a 1"
        )

    def test_three_shapes_that_do_not_fit(self):
        message = raised(ValueError, where, zeros(2, 1) > 0, zeros(3), zeros(4))
        assert message.startswith("where: shapes (2, 3) and (4,) do not broadcast")
        assert message.endswith("(condition (2, 1), x (3,), y (4,))")

    def test_while_broadcast_shape_is_blank_numpy_speaks(self, monkeypatch):
        def blank(first, second):
            raise NotImplementedError("still blank")

        monkeypatch.setitem(matmul.on_arrays.__globals__, "broadcast_shape", blank)
        assert "add: operands could not be broadcast" in raised(
            ValueError, lambda: zeros(3) + zeros(4)
        )
        monkeypatch.setitem(matmul.on_arrays.__globals__, "broadcast_shape", lambda a, b: a)
        assert "add: operands could not be broadcast" in raised(
            ValueError, lambda: zeros(3) + zeros(4)
        )

    def test_other_errors_have_the_name_too(self):
        x = Tensor([1.0, 2.0])
        assert raised(TypeError, lambda: x + "a").startswith("add: ")
        assert raised(TypeError, lambda: x + None).startswith("add: ")
        assert raised(OverflowError, lambda: from_numpy(np.ones(2, np.uint8)) + 300).startswith(
            "add: "
        )
        assert raised(ValueError, lambda: Tensor([2]) ** -1).startswith("pow: ")

    def test_a_later_module_is_named(self, monkeypatch):
        later = Tensor.numpy.__globals__["later"]
        monkeypatch.setitem(later.__globals__, "__name__", "__main__")
        message = raised(NotImplementedError, later, "activations", "soft")
        assert "soft belongs to 'activations', which comes later" in message
        assert later("activations", "mul") is PRIMITIVES["mul"]

    def test_speed(self):
        """A call on small tensors costs few microseconds more than NumPy's."""
        x, y = Tensor(numbers((3, 4))), Tensor(numbers((3, 4)))
        bare = _seconds(lambda: [x.array + y.array for _ in range(500)], 20)
        lifted = _seconds(lambda: [x + y for _ in range(500)], 20)
        assert lifted / bare < 20  # about 7 on a quiet machine

    def test_no_reference_cycles(self):
        gc.collect()
        gc.disable()
        try:
            x = leaf(np.ones(10))
            h = x.exp()
            y = (h * 2 + x).reshape(2, 5)[0].sum()
            alive = [weakref.ref(y), weakref.ref(h), weakref.ref(h.array)]
            del y, h
            assert [ref() for ref in alive] == [None, None, None]
        finally:
            gc.enable()

    def test_an_unused_graph_gives_its_memory_back(self):
        gc.collect()
        tracemalloc.start()
        try:
            x = leaf(np.ones(100_000))
            for _ in range(20):
                (x * x + x).exp()
            assert tracemalloc.get_traced_memory()[1] < 8 * x.array.nbytes
        finally:
            tracemalloc.stop()

    def test_a_very_long_chain_can_be_dropped(self):
        x = leaf(1.0)
        y = x
        for _ in range(40_000):
            y = y + x
        del y

    def test_elementwise_is_a_primitive_that_matches_dtypes(self, throwaway):
        @elementwise(name="plus_one")
        def plus(x, y):
            return x + y + 1

        assert plus(Tensor([1]), Tensor([0.5])).dtype == np.float32 and plus.name == "plus_one"


@pytest.mark.exercise("tensor")
class TestDtypes:
    """float64 comes out only if a float64 Tensor went in; int64 with float32 gives float32."""

    kinds = {
        "bool": Tensor([True, False]),
        "uint8": from_numpy(np.array([1, 2], np.uint8)),
        "int32": from_numpy(np.array([1, 2], np.int32)),
        "int64": Tensor([1, 2]),
        "float32": Tensor([1.0, 2.0]),
        "float64": Tensor([1.0, 2.0], dtype=np.float64),
        "one int64": Tensor(1),
        "one float32": Tensor(1.0),
        "one float64": Tensor(1.0, dtype=np.float64),
        "number int": 2,
        "number float": 2.0,
        "scalar float64": np.float64(2),
        "scalar float32": np.float32(2),
        "scalar int64": np.int64(2),
        "array float64": np.array([1.0, 2.0]),
        "array float32": np.array([1.0, 2.0], np.float32),
        "array int64": np.array([1, 2]),
        "array 0-d": np.array(2.0),
    }
    table = [
        ("bool", "int64", "int64"),
        ("bool", "float32", "float32"),
        ("bool", "number int", "int64"),
        ("bool", "number float", "float32"),
        ("uint8", "int64", "int64"),
        ("uint8", "int32", "int32"),
        ("uint8", "one int64", "uint8"),
        ("uint8", "number int", "uint8"),
        ("uint8", "float32", "float32"),
        ("uint8", "number float", "float32"),
        ("int32", "int64", "int64"),
        ("int64", "float32", "float32"),
        ("int64", "float64", "float64"),
        ("int64", "number float", "float32"),
        ("int64", "scalar float64", "float32"),
        ("int64", "array float64", "float32"),
        ("int64", "one float32", "float32"),
        ("int64", "one float64", "float64"),
        ("float32", "float64", "float64"),
        ("float32", "one float64", "float32"),
        ("float32", "one int64", "float32"),
        ("float32", "number float", "float32"),
        ("float32", "scalar float64", "float32"),
        ("float32", "scalar int64", "float32"),
        ("float32", "array float64", "float32"),
        ("float32", "array int64", "float32"),
        ("float32", "array 0-d", "float32"),
        ("float64", "one float32", "float64"),
        ("float64", "array float64", "float64"),
        ("float64", "array float32", "float64"),
        ("float64", "scalar float32", "float64"),
        ("float64", "number float", "float64"),
        ("one float32", "array float64", "float32"),
        ("one float32", "one float64", "float64"),
        ("one int64", "number float", "float32"),
    ]

    @pytest.mark.parametrize(("left", "right", "want"), table)
    def test_promotion_both_ways_round(self, left, right, want):
        x, y = self.kinds[left], self.kinds[right]
        for result in (
            x + y,
            y + x,
            x * y,
            y * x,
            maximum(x, y),
            where(Tensor([True, False]), x, y),
        ):
            assert type(result) is Tensor and result.dtype == np.dtype(want)
        np.testing.assert_allclose((x + y).array, np.asarray(_plain(x) + _plain(y)), rtol=1e-6)
        assert (x > y).dtype == bool and (y == x).dtype == bool

    @pytest.mark.parametrize("kind", ["bool", "uint8", "int32", "int64", "float32", "float64"])
    def test_division_and_roots_give_floats(self, kind):
        x, want = self.kinds[kind], "float64" if kind == "float64" else "float32"
        for result in (
            x / 2,
            x / x if kind != "bool" else x / 1,
            1 / (x + 1),
            exp(x),
            sqrt(x),
            x.mean(),
        ):
            assert result.dtype == np.dtype(want)
        np.testing.assert_allclose(exp(x).array, np.exp(x.array.astype(float)), rtol=1e-6)

    @pytest.mark.parametrize("kind", ["bool", "uint8", "int32", "int64"])
    def test_sums_of_whole_numbers_are_int64(self, kind):
        x = self.kinds[kind]
        assert x.sum().dtype == x.sum(0).dtype == np.int64
        assert from_numpy(np.full(1000, 255, np.uint8)).sum().item() == 255_000

    def test_powers(self):
        x, ids = Tensor([1.0, 4.0]), Tensor([1, 4])
        assert (ids**2).tolist() == [1, 16] and (ids**2).dtype == np.int64
        assert (x**0.5).tolist() == [1, 2] and (ids**0.5).dtype == np.float32
        assert (2**ids).tolist() == [2, 16] and (2.0**ids).dtype == np.float32
        assert (np.float64(2) ** x).dtype == np.float32 and (x**ids).tolist() == [1, 256]

    def test_powers_of_booleans_are_whole_numbers(self):
        mask = Tensor([True, False])
        for result in (mask**2, mask.pow(2), mask.square()):
            assert result.tolist() == [1, 0] and result.dtype == np.int64
        assert (mask**0.5).dtype == np.float32 and (2**mask).tolist() == [2, 1]

    def test_whole_division_and_remainder(self):
        x = Tensor([-7, 7])
        assert (x // 2).tolist() == [-4, 3] and (x % 3).tolist() == [2, 1]
        assert (7 // Tensor([2, -2])).tolist() == [3, -4] and (7 % Tensor([4, -4])).tolist() == [
            3,
            -1,
        ]

    def test_a_primitive_that_widens_is_refused(self, throwaway):
        @primitive
        def careless(x):
            return x * np.float64(2)

        message = raised(TypeError, careless, Tensor([1.0]))
        assert message.startswith("careless made float64 of float32: use Python numbers")
        assert careless(Tensor([1.0], dtype=np.float64)).dtype == np.float64

    def test_arrays_given_to_any_primitive_are_no_reason_for_float64(self):
        assert exp(np.ones(2)).dtype == np.float32 and tensor_sum(np.ones(2)).dtype == np.float32
        assert exp(1.0).dtype == np.float32

    def test_float(self):
        x = Tensor([1.5, -2.5])
        assert x.float() is x and Tensor([1]).float().dtype == np.float32
        assert Tensor([1.5], dtype=np.float64).float().dtype == np.float32
        y = Tensor([1.5], dtype=np.float64, requires_grad=True).float()
        assert y.made_by.primitive == "cast" and y.requires_grad

    def test_common_dtype_is_the_rule(self):
        x, one = Tensor([1.0]), Tensor(1.0, dtype=np.float64)
        assert common_dtype((x, one), [x.array, one.array]) == np.float32
        assert common_dtype((2, np.ones(1)), [2, np.ones(1)]) == np.float32
        assert real(np.ones(2, np.uint8)).dtype == np.float32

    @pytest.mark.parametrize("left", [True, False])
    def test_a_list_is_no_tensor(self, left):
        x = leaf([1.0, 2.0])
        message = raised(TypeError, lambda: [1.0, 2.0] + x if left else x + [1.0, 2.0])
        assert message == "add: a list is no tensor: write tensor(...) around it"


@pytest.mark.exercise("tensor")
class TestBesideNumPy:
    @pytest.mark.parametrize(
        "left", [np.float64(2), np.float32(2), np.array([2.0, 3.0]), np.array(2), 2, 2.0]
    )
    def test_numpy_on_the_left_does_not_cut_the_graph(self, left):
        x = leaf([4.0, 8.0])
        for result in (left + x, left - x, left * x, left / x, left**x, left // x, left % x):
            assert type(result) is Tensor and result.dtype == np.float32 and result.requires_grad
        np.testing.assert_allclose((left - x).array, np.asarray(left) - x.array)
        np.testing.assert_allclose((left**x).array, np.asarray(left) ** x.array, rtol=1e-6)
        assert type(left < x) is Tensor and type(left == x) is Tensor

    def test_maximum_and_logic(self):
        x = leaf([1.0, -1.0])
        assert np.maximum(np.zeros(2), x).requires_grad
        assert (np.array([True, False]) & Tensor([True, True])).tolist() == [True, False]
        assert (True | Tensor([False])).tolist() == [True] and (~Tensor([True])).tolist() == [False]
        assert (Tensor([True]) ^ True).tolist() == [False]

    @pytest.mark.parametrize("x", [leaf([1.0]), Tensor([1.0])])
    def test_other_functions_say_what_to_use(self, x):
        assert raised(TypeError, np.exp, x) == (
            "np.exp does not know tensors: use t.exp() or t.detach().numpy()"
        )
        assert "use t.abs()" in raised(TypeError, np.abs, x)
        assert "use t.neg()" in raised(TypeError, np.negative, x)
        assert raised(TypeError, np.arcsinh, x) == (
            "np.arcsinh does not know tensors: use t.detach().numpy()"
        )
        assert "np.add does not know tensors" in raised(TypeError, np.add.reduce, x)

    def test_an_array_cannot_take_in_a_tensor(self):
        a = np.ones(1)

        def in_place():
            nonlocal a
            a += Tensor([1.0])

        assert "write `a = a + t`" in raised(TypeError, in_place)

    def test_to_numpy(self):
        t = Tensor([1.0, 2.0])
        assert t.numpy() is t.array and np.asarray(t) is t.array
        assert "use t.detach().numpy()" in raised(RuntimeError, leaf([1.0]).numpy)
        assert "use t.detach().numpy()" in raised(RuntimeError, np.asarray, leaf([1.0]))
        assert not np.shares_memory(np.array(t), t.array)
        assert np.asarray(t, dtype=np.float64).dtype == np.float64
        with pytest.raises(ValueError, match="copy"):
            np.asarray(t, dtype=np.float64, copy=False)
        np.testing.assert_allclose(t, [1, 2])

    def test_to_python(self):
        assert Tensor([[3.5]]).item() == 3.5 and float(Tensor(2)) == 2.0 and int(Tensor([2.9])) == 2
        assert type(Tensor(1).item()) is int and type(Tensor(True).item()) is bool
        assert [10, 20, 30][Tensor(1)] == 20 and Tensor([[1, 2]]).tolist() == [[1, 2]]
        assert bool(Tensor([0.0])) is False and Tensor([1.0, 2.0]).tolist() == [1, 2]
        assert f"{Tensor(0.12345):.2f} {Tensor([1.0])}" == "0.12 tensor([1.])"
        assert "item() needs one number" in raised(ValueError, Tensor([1, 2]).item)
        assert "use .any() or .all()" in raised(ValueError, bool, Tensor([1, 2]))
        assert "only one whole number" in raised(TypeError, lambda: [1, 2][Tensor(1.0)])
        assert "only one whole number" in raised(TypeError, lambda: [1, 2][Tensor([0, 1])])

    def test_length_and_iteration(self):
        t = Tensor([[1, 2], [3, 4]])
        assert len(t) == 2 and [row.tolist() for row in t] == [[1, 2], [3, 4]]
        assert sum(Tensor([1.0, 2.0])).item() == 3
        assert "no length" in raised(TypeError, len, Tensor(1.0))
        assert "no length" in raised(TypeError, list, Tensor(1.0))

    def test_size_and_friends(self):
        t = zeros(2, 3)
        assert t.shape == (2, 3) and t.ndim == 2
        assert t.numel() == 6 and t.device == "cpu" and t.is_leaf

    def test_comparisons_give_tensors_and_tensors_can_be_keys(self):
        t = Tensor([1.0, 2.0])
        assert (t == t).tolist() == [True, True] and (t != 1).tolist() == [False, True]
        assert (t == None) is False and (t != None) is True  # noqa: E711, as in PyTorch
        two = Tensor([2.0, 2.0])
        assert (t >= two).tolist() == [False, True] and (t > 1).tolist() == [False, True]
        assert (t <= 1).tolist() == (t < two).tolist() == [True, False]
        assert t in {t} and t not in {Tensor([1.0, 2.0])}

    def test_copies_of_leaves(self):
        w = Parameter([1.0, 2.0])
        for twin in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
            assert type(twin) is Parameter and twin.requires_grad and twin.tolist() == [1, 2]
            assert not np.shares_memory(twin.array, w.array) and twin.version is not w.version

    def test_a_misspelt_attribute_is_refused(self):
        with pytest.raises(AttributeError):
            Tensor([1.0]).requires_gard = True


@pytest.mark.exercise("tensor")
class TestRepr:
    @pytest.mark.parametrize(
        ("t", "text"),
        [
            (Tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
            (Tensor([[1], [2]]), "tensor([[1],\n        [2]])"),
            (Tensor(3.0), "tensor(3.)"),
            (Tensor([True]), "tensor([ True])"),
            (Tensor([1.0], dtype=np.float64), "tensor([1.], dtype=float64)"),
            (from_numpy(np.array([1], np.uint8)), "tensor([1], dtype=uint8)"),
            (Tensor([]), "tensor([])"),
            (zeros(0, 3), "tensor([], shape=(0, 3))"),
            (leaf([1.0]), "tensor([1.], requires_grad=True)"),
            (leaf([1.0]) * 2, "tensor([2.], made_by=mul)"),
            (Tensor([1 / 3]), "tensor([0.3333])"),
            (Parameter([1.0]), "tensor([1.], requires_grad=True)"),
        ],
    )
    def test_text(self, t, text):
        assert repr(t) == text

    def test_many_numbers_are_cut_short(self):
        assert len(repr(zeros(100, 100))) < 1000


@pytest.mark.exercise("tensor")
class TestViewsAndWrites:
    @pytest.mark.parametrize(
        "see",
        [
            lambda x: x.reshape(2, 1, 3),
            lambda x: x.flatten(1),
            lambda x: x.transpose(0, 1),
            lambda x: x.permute(1, 0),
            lambda x: x.T,
            lambda x: x.squeeze(),
            lambda x: x.unsqueeze(0),
            lambda x: x[0],
            lambda x: x[0, 1],
            lambda x: x[:, ::2],
            lambda x: x[..., None],
            lambda x: x[1:][0],
            lambda x: x.detach(),
            lambda x: x.data,
        ],
    )
    def test_a_view_shares_memory_and_counter(self, see):
        for x in (
            Tensor(numbers((2, 3))),
            wrap(numbers((4, 6))[::-2, ::2]),
            from_numpy(numbers((2, 3))),
        ):
            y = see(x)
            assert np.shares_memory(y.array, x.array) and y.version is x.version

    @pytest.mark.parametrize(
        "copied",
        [
            lambda x: x + 0,
            lambda x: x.clone(),
            lambda x: x[[0, 1]],
            lambda x: x[x > -100],
            lambda x: x.masked_fill(x > 100, 0.0),
            lambda x: Tensor(x),
            lambda x: cat([x]),
        ],
    )
    def test_a_copy_has_its_own(self, copied):
        x = Tensor(numbers((2, 3)))
        y = copied(x)
        assert not np.shares_memory(y.array, x.array) and y.version is not x.version

    def test_memory_that_numpy_does_not_own(self):
        x = from_numpy(np.frombuffer(bytearray(24), dtype=np.float32))
        y = x.reshape(2, 3)[0]
        assert y.version is x.version
        y.fill_(3)
        assert x.version == [1] and x.tolist() == [3, 3, 3, 0, 0, 0]

    def test_a_primitive_that_returns_its_input(self, throwaway):
        @primitive
        def same(x):
            return x

        x = Tensor([1.0])
        assert same(x).version is x.version and same(same(x)).version is x.version

    def test_every_write_counts(self):
        x = Tensor([1.0, 2.0, 3.0])
        writes = [
            lambda: x.__setitem__(0, 5.0),
            lambda: x.__setitem__(Tensor([True, False, False]), 2),
            lambda: x.__setitem__(Tensor([0, 2]), Tensor([7.0, 8.0])),
            lambda: x.copy_([1.0, 2.0, 3.0]),
            lambda: x.copy_(Tensor(4.0)),
            lambda: x.fill_(1.0),
            lambda: x.__iadd__(1),
        ]
        array = x.array
        for count, write in enumerate(writes, start=1):
            write()
            assert x.version == [count]
        assert x.array is array and x.dtype == np.float32

    def test_values_of_writes(self):
        x = zeros(2, 3)
        x[0] = Tensor([1.0, 2.0, 3.0])
        x[1, Tensor([0, 2])] = 9
        assert x.tolist() == [[1, 2, 3], [9, 0, 9]]
        x.T[0] = 4.0
        assert x[:, 0].tolist() == [4, 4] and x.fill_(0).tolist() == [[0] * 3] * 2
        ids = Tensor([1, 2])
        ids[0] = 7.0
        assert ids.tolist() == [7, 2]

    refused = [
        ("t[index] = value", lambda w: w.__setitem__(0, 1.0)),
        ("copy_", lambda w: w.copy_([1.0, 1.0])),
        ("fill_", lambda w: w.fill_(1.0)),
    ]

    @pytest.mark.parametrize(("what", "write"), refused)
    def test_refused_where_a_gradient_would_be_lost(self, what, write):
        results = [] if "index" in what else [leaf([1.0, 2.0]) * 2]  # those record an assignment
        for w in (leaf([1.0, 2.0]), *results, Parameter([1.0, 2.0])):
            before = w.tolist()
            message = raised(RuntimeError, write, w)
            assert (
                message.startswith(f"{what} is not recorded") and "tinytorch.no_grad()" in message
            )
            assert w.tolist() == before and w.version == [0]

    @pytest.mark.parametrize(("what", "write"), refused)
    def test_allowed_without_recording(self, what, write, no_recording):
        w = leaf([5.0, 6.0])
        write(w)
        assert w.version == [1] and w.tolist() != [5, 6] and w.requires_grad and w.is_leaf

    def test_a_value_with_a_gradient_is_refused_too(self):
        assert "is not recorded" in raised(RuntimeError, zeros(2).copy_, leaf([1.0, 1.0]))

    def test_through_data_on_purpose(self):
        w = leaf([1.0, 2.0])
        w.data[0] = 5.0
        w.data.fill_(4.0)
        w.data[0] = 10.0
        assert w.tolist() == [10, 4] and w.version == [3]
        w.data = np.array([1.0, 2.0, 3.0])
        assert w.tolist() == [1, 2, 3] and w.dtype == np.float32 and w.requires_grad
        w.data = w.data * 2
        assert w.tolist() == [2, 4, 6]

    def test_augmented_assignment_without_a_gradient_is_in_place(self):
        x = Tensor([1.0, 2.0])
        same, y = x, x.reshape(2, 1)
        x += 1
        x *= Tensor([2.0, 3.0])
        x -= 1
        x /= 2
        assert (
            x is same and x.tolist() == [1.5, 4] and y.version == [4] and y.tolist() == [[1.5], [4]]
        )

    def test_augmented_assignment_is_recorded(self):
        w = leaf([1.0, 2.0])
        h = w * 2
        h += w
        assert h.tolist() == [3, 6] and h.made_by.primitive == "add"
        total = Tensor(0.0)
        total += h.sum()
        assert total.requires_grad and total.item() == 9

    def test_augmented_assignment_to_a_leaf(self, no_recording):
        w = leaf([1.0, 2.0])
        w -= 0.5
        assert w.tolist() == [0.5, 1.5] and w.requires_grad and w.is_leaf
        _switch.on = True

        def step():
            nonlocal w
            w -= 0.5

        assert raised(RuntimeError, step).startswith("-= is not recorded")
        assert w.tolist() == [0.5, 1.5]

    def test_what_does_not_fit_is_not_squeezed_in(self):
        ids = Tensor([1, 2])

        def add_half():
            nonlocal ids
            ids += 0.5

        told = "the result is float32 and does not fit int64: use a new name for the result"
        assert raised(TypeError, add_half) == f"+=: {told}"
        assert ids.tolist() == [1, 2] and ids.version == [0]
        x = zeros(3)
        assert raised(ValueError, x.copy_, zeros(2, 3)).startswith("copy_: ")
        assert raised(ValueError, x.__setitem__, slice(0, 2), zeros(3)).startswith(
            "t[index] = value: "
        )
        assert raised(IndexError, x.__setitem__, 5, 1.0).startswith("t[index] = value: ")
        assert x.version == [0]

    def test_versions_of_what_was_kept(self):
        x, c = leaf([1.0, 2.0]), Tensor([3.0, 4.0])
        call = (x * c).made_by
        counters = [counter for counter, _ in call.versions]
        assert any(counter is c.version for counter in counters)
        assert all(counter[0] == value for counter, value in call.versions)
        c[0] = 9.0
        assert not all(counter[0] == value for counter, value in call.versions)

    def test_the_result_is_watched_if_it_was_kept(self, no_recording):
        _switch.on = True
        y = leaf([1.0]).exp()
        assert any(counter is y.version for counter, _ in y.made_by.versions)
        _switch.on = False
        y.fill_(0)
        _switch.on = True
        assert any(counter[0] != value for counter, value in y.made_by.versions)

    @pytest.mark.parametrize("shape_of_index", ["tensor", "tuple"])
    def test_an_index_is_watched(self, shape_of_index):
        x, index = leaf([[1.0, 2.0], [3.0, 4.0]]), Tensor([0, 1])
        y = x[index] if shape_of_index == "tensor" else x[index, index]
        assert any(counter is index.version for counter, _ in y.made_by.versions)

    def test_leaves_and_gradients(self):
        x = Tensor([1.0]).requires_grad_()
        assert x.requires_grad and not x.requires_grad_(False).requires_grad
        assert "write 3.0, not 3" in raised(TypeError, Tensor([1]).requires_grad_)
        assert "use detach()" in raised(RuntimeError, (leaf([1.0]) * 2).requires_grad_, False)
        y = (leaf([1.0]) * 2).detach()
        assert y.is_leaf and not y.requires_grad

    def test_clone_stays_in_the_graph(self):
        x = leaf([1.0])
        assert clone(x).made_by.primitive == "clone" and x.clone().tolist() == [1]


@pytest.mark.exercise("tensor")
class TestIndexing:
    x = numbers((4, 5, 3))

    @pytest.mark.parametrize(
        "index",
        [
            0,
            -1,
            (1, 2),
            (1, 2, 0),
            slice(1, 3),
            (slice(None), 0),
            (slice(None, None, -1), slice(None, None, 2)),
            (..., 1),
            (None, 2),
            [0, 2, 2],
            ([0, 1], [4, 4]),
            np.array([3, 1]),
            np.array([True, False, True, True]),
            (slice(None), [0, 1, 4], 2),
            np.int64(2),
            (),
            ...,
        ],
    )
    def test_as_numpy(self, index):
        result, want = Tensor(self.x)[index], self.x[index]
        assert result.shape == np.shape(want) and result.dtype == np.float32
        np.testing.assert_array_equal(result.array, want)

    def test_by_tensors(self):
        t = Tensor(self.x)
        np.testing.assert_array_equal(t[Tensor([0, 2])].array, self.x[[0, 2]])
        np.testing.assert_array_equal(t[:, Tensor([1, 1])].array, self.x[:, [1, 1]])
        np.testing.assert_array_equal(t[t > 0].array, self.x[self.x > 0])
        np.testing.assert_array_equal(t[Tensor(1)].array, self.x[1])
        np.testing.assert_array_equal(t[[Tensor(1), Tensor(2)]].array, self.x[1, 2])  # a tuple

    def test_one_number_is_still_a_view(self):
        x = Tensor([1.0, 2.0])
        one = x[1]
        one.fill_(7.0)
        assert x.tolist() == [1, 7] and one.shape == ()
        zero = Tensor(1.0)
        assert zero[()].version is zero.version

    @pytest.mark.parametrize("index", [4, (0, 0, 0, 0), "a", 1.5, [9]])
    def test_a_bad_index_is_an_index_error(self, index):
        message = raised(IndexError, Tensor(self.x).__getitem__, index)
        assert message.startswith("getitem: ") and "(x (4, 5, 3))" in message

    def test_float_tensors_are_no_index(self):
        assert raised(IndexError, Tensor(self.x).__getitem__, Tensor([0.0])).startswith("getitem: ")

    def test_where(self):
        x = leaf([1.0, -2.0])
        result = where(x > 0, x, 0.0)
        assert result.tolist() == [1, 0] and result.made_by.inputs == (None, x, None)
        assert where(Tensor([True]), Tensor([1]), Tensor([0.5])).dtype == np.float32
        assert where(Tensor([[True], [False]]), Tensor([1, 2]), 0).tolist() == [[1, 2], [0, 0]]
        assert "compare first" in raised(TypeError, where, Tensor([1]), 1.0, 0.0)


@pytest.mark.exercise("tensor")
class TestShapes:
    def test_flatten(self):
        x = zeros(2, 3, 4)
        assert x.flatten().shape == (24,) and x.flatten(1).shape == (2, 12)
        assert flatten(x, 0, 1).shape == x.flatten(0, -2).shape == (6, 4) and x.flatten(
            1, 1
        ).shape == (2, 3, 4)
        assert Tensor(1.0).flatten().shape == (1,) and zeros(0, 3, 4).flatten(1).shape == (0, 12)
        assert "comes after" in raised(ValueError, x.flatten, 2, 1)
        assert "out of range" in raised(IndexError, x.flatten, 5)

    def test_permute(self):
        x = numbers((2, 3, 4))
        for dims in ((2, 0, 1), (-1, 0, 1), [1, 0, 2]):
            np.testing.assert_array_equal(Tensor(x).permute(dims).array, x.transpose(dims))
        assert Tensor(x).permute(2, 0, 1).shape == permute(Tensor(x), (2, 0, 1)).shape == (4, 2, 3)
        assert raised(ValueError, Tensor(x).permute, 0, 1).startswith("permute: ")

    def test_squeeze_and_unsqueeze(self):
        x = zeros(1, 3, 1)
        assert (
            x.squeeze().shape == (3,)
            and x.squeeze(0).shape == (3, 1)
            and x.squeeze(1).shape == (1, 3, 1)
        )
        assert squeeze(x, -1).shape == (1, 3) and x.squeeze((0, 2)).shape == (3,)
        assert x.unsqueeze(-1).shape == (1, 3, 1, 1) and unsqueeze(x, 1).shape == (1, 1, 3, 1)
        assert "out of range" in raised(IndexError, x.squeeze, 3)
        assert raised(IndexError, x.unsqueeze, 5).startswith("unsqueeze: ")

    def test_stack(self):
        a, b = Tensor([1, 2]), Tensor([3, 4])
        assert stack([a, b]).tolist() == [[1, 2], [3, 4]] and stack((a, b), 1).tolist() == [
            [1, 3],
            [2, 4],
        ]
        assert stack([a, b], axis=-1).tolist() == [[1, 3], [2, 4]]
        message = raised(ValueError, stack, [zeros(2), zeros(3)])
        assert message == "stack: all shapes must be the same, and they are [(2,), (3,)]"
        assert stack([leaf(1.0), Tensor(2.0)]).requires_grad

    def test_helpers(self):
        assert dims_of(-1, 3) == (2,) and dims_of((0, -1), 3) == (0, 2) and dims_of([1], 2) == (1,)
        assert dims_of(None, 2) == dims_of((), 2) == (0, 1)
        assert dims_of(0, 0) == dims_of(-1, 0) == ()
        for dim in (1, -2):
            assert "out of range for 0 dimensions" in raised(IndexError, dims_of, dim, 0)
        assert one_tuple((2, 3)) == one_tuple(((2, 3),)) == one_tuple(([2, 3],)) == (2, 3)
        assert one_tuple(()) == () and one_tuple((np.int64(2), Tensor(3))) == (2, 3)


@pytest.mark.exercise("tensor")
class TestReductions:
    x = numbers((3, 4))

    def test_sum(self):
        t = Tensor(self.x)
        np.testing.assert_allclose(t.sum().item(), self.x.sum(), rtol=1e-5)
        np.testing.assert_allclose(t.sum((0, 1)).item(), self.x.sum(), rtol=1e-5)
        np.testing.assert_allclose(
            t.sum(-1, keepdim=True).array, self.x.sum(-1, keepdims=True), rtol=1e-5
        )

    def test_argmax_takes_the_first(self):
        t = Tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 0.0]])
        assert t.argmax(1).tolist() == [1, 0] and t.argmax(axis=0).tolist() == [1, 0, 0]
        assert t.argmax().item() == 1 and t.argmax(0, keepdim=True).shape == (1, 3)
        assert argmax(t, axis=1, keepdims=True).shape == (2, 1)
        assert t.argmax().dtype == np.int64

    def test_any_and_all(self):
        t = Tensor([[True, False], [True, True]])
        assert t.any().item() and not t.all().item() and t.all(1).tolist() == [False, True]
        assert t.any(0, keepdim=True).shape == (1, 2) and t.all(axis=0).tolist() == [True, False]

    def test_amax(self):
        t = Tensor(self.x)
        assert t.amax().item() == self.x.max() and t.amax((0, 1), keepdim=True).shape == (1, 1)
        np.testing.assert_array_equal(t.amax(-1).array, self.x.max(-1))

    def test_elementwise_functions(self):
        t = Tensor([1.0, 4.0])
        np.testing.assert_allclose(t.exp().array, np.exp(t.array))
        np.testing.assert_allclose(log(t).array, np.log(t.array))
        assert t.sqrt().tolist() == [1, 2] and (-t).tolist() == t.neg().tolist() == [-1, -4]
        assert abs(-t).tolist() == (-t).abs().tolist() == [1, 4] and t.pow(2).tolist() == [1, 16]
        assert t.add(1).tolist() == [2, 5] and t.sub(1).div(2).mul(4).tolist() == [0, 6]
        assert t.maximum(2).tolist() == [2, 4] and t.minimum(Tensor([2.0])).tolist() == [1, 2]
        assert t.matmul(t).item() == 17


@pytest.mark.exercise("tensor")
class TestBroadcasting:
    """Every pattern of 1s in up to four dimensions, single numbers, and dimensions of size 0."""

    @settings(max_examples=120)
    @given(shape_pairs(), st.sampled_from(["add", "sub", "mul", "div", "maximum", "lt", "eq"]))
    def test_as_numpy(self, pair, name):
        x, y = (np.asarray(numbers(shape, i) + 2) for i, shape in enumerate(pair.input_shapes))
        result = PRIMITIVES[name](wrap(x), wrap(y))
        assert result.shape == pair.result_shape
        np.testing.assert_array_equal(result.array, PRIMITIVES[name].on_arrays(x, y))

    @settings(max_examples=60)
    @given(shapes, shapes)
    def test_what_does_not_fit_is_explained_once(self, first, second):
        try:
            np.broadcast_shapes(first, second)
        except ValueError:
            message = raised(ValueError, mul, zeros(first), zeros(second))
            assert message.startswith(
                f"mul: shapes {first} and {second} do not broadcast: dimension -"
            )
            assert message.count("do not broadcast") == 1 and "operands" not in message

    def test_negative_strides_and_holes(self):
        x = numbers((4, 6))
        for view in (x[::-1], x[:, ::-2], x.T, x[1::2, 2]):
            np.testing.assert_array_equal((wrap(view) * 2 + 1).array, view * 2 + 1)


@pytest.mark.exercise("tensor")
class TestRandom:
    def test_the_same_seed_gives_the_same_bits(self):
        def draws():
            manual_seed(5)
            found = [rand(3), randn(2, 2)]
            found.append(multinomial(Tensor([0.2, 0.8]), 9, replacement=True))
            return [t.tolist() for t in found]

        first = draws()
        assert draws() == first
        manual_seed(6)
        assert rand(3).tolist() != first[0]

    def test_one_generator_passed_in_leaves_the_other_alone(self):
        manual_seed(5)
        first = rand(3).tolist()
        manual_seed(5)
        rand(3, generator=Generator(1))
        randn(3, generator=Generator(1))
        assert rand(3).tolist() == first

    def test_distributions(self):
        u, n = rand(10_000, generator=Generator(0)), randn(10_000, generator=Generator(0))
        assert (u >= 0).all() and (u < 1).all() and abs(u.mean().item() - 0.5) < 0.02
        assert abs(n.mean().item()) < 0.05 and abs(n.var().item() - 1) < 0.1

    def test_spawned_generators_differ_and_repeat(self):
        def draws():
            return [rand(3, generator=g).tolist() for g in Generator(3).spawn(3)]

        assert draws() == draws() and len({tuple(d) for d in draws()}) == 3

    def test_numpy_generator(self):
        g = Generator(1)
        assert numpy_generator(g) is g.numpy and numpy_generator() is numpy_generator(None)

    def test_multinomial_follows_the_weights(self):
        p = Tensor([[1.0, 0.0, 3.0], [0.0, 5.0, 0.0]])
        drawn = multinomial(p, 4000, Generator(0), replacement=True)
        assert drawn.shape == (2, 4000) and drawn.dtype == np.int64
        shares = np.bincount(drawn.array[0], minlength=3) / 4000
        assert shares[1] == 0 and abs(shares[2] - 0.75) < 0.03 and set(drawn.array[1]) == {1}
        assert multinomial(Tensor([0.0, 1.0, 0.0])).tolist() == [1]

    def test_multinomial_without_replacement(self):
        p = np.tile([0.1, 0.6, 0.3, 0.0], (2000, 1))
        drawn = multinomial(Tensor(p), 2, Generator(0)).array
        assert (drawn[:, 0] != drawn[:, 1]).all() and (drawn != 3).all()
        assert abs((drawn[:, 0] == 1).mean() - 0.6) < 0.04
        second = (drawn[:, 1][drawn[:, 0] == 1] == 2).mean()  # 0.3 of the 0.4 that are left
        assert abs(second - 0.75) < 0.05

    def test_multinomial_refuses_what_has_no_meaning(self):
        for weights in ([0.0, 0.0], [-1.0, 2.0], [math.nan, 1.0], [math.inf, 1.0], []):
            assert "multinomial: weights must be" in raised(
                ValueError, multinomial, Tensor(weights)
            )
        assert "2 draws need as many" in raised(ValueError, multinomial, Tensor([1.0, 0.0]), 2)
        assert sorted(multinomial(Tensor([1.0, 0.0, 1.0]), 2).tolist()) == [0, 2]


@pytest.mark.exercise("tensor")
class TestParameter:
    def test_is_a_tensor_that_asks_for_a_gradient(self):
        p = Parameter(zeros(2))
        assert isinstance(p, Tensor) and p.requires_grad and p.is_leaf
        assert type(p * 2) is Tensor and type(p.detach()) is Tensor and not p.detach().requires_grad
        assert not Parameter([1.0], requires_grad=False).requires_grad

    def test_call_is_public(self):
        assert isinstance((Parameter([1.0]) + 1).made_by, Call)


@pytest.mark.exercise("tensor")
def test_doctests():
    module = __import__("sys").modules["tinytorch.tensor"]
    failed, tried = doctest.testmod(module)
    assert not failed and tried >= 12


def _swapped(i, j):
    order = [0, 1, 2]
    order[i], order[j] = order[j], order[i]
    return order


def _plain(x):
    return x.array.astype(float) if isinstance(x, Tensor) else np.asarray(x, float)


def _seconds(function, rounds=5):
    import sys
    import time

    clock = time.perf_counter if sys.platform == "win32" else time.thread_time  # not of others
    best = math.inf
    for _ in range(rounds):
        start = clock()
        function()
        best = min(best, clock() - start)
    return best
