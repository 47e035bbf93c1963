"""Module 12: masks, scaled dot-product attention and its rule, heads, multi-head attention."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import attention, blocks
from tinytorch.attention import (
    MultiHeadAttention,
    attention_weights,
    causal_mask,
    combine_masks,
    in_heads,
    merge_heads,
    scaled_dot_product_attention,
    scaled_dot_product_attention_rule,
    softmax_rows,
    split_heads,
)
from tinytorch.autograd import gradcheck, no_grad
from tinytorch.layers import Linear
from tinytorch.tensor import (
    RULES,
    Generator,
    Tensor,
    float32,
    float64,
    from_numpy,
    manual_seed,
)

sizes = st.integers(1, 5)


def arrays(*shapes, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def tensors(*shapes, seed=0, requires_grad=False):
    return [Tensor(a, requires_grad, float64) for a in arrays(*shapes, seed=seed)]


def by_definition(query, key, value, mask=None, dropout=None, scale=None):
    """One query at a time, in plain Python numbers: (mixed, weights) of 2-D arrays."""
    T, S = len(query), len(key)
    scale = 1 / math.sqrt(query.shape[1]) if scale is None else scale
    weights = np.zeros((T, S))
    for t in range(T):
        seen = [s for s in range(S) if mask is None or mask[t, s]]
        scores = [scale * sum(a * b for a, b in zip(query[t], key[s], strict=True)) for s in seen]
        powers = [math.exp(score - max(scores)) for score in scores]
        for s, power in zip(seen, powers, strict=True):
            weights[t, s] = power / sum(powers)
    used = weights if dropout is None else weights * dropout
    mixed = np.zeros((T, value.shape[1]))
    for t in range(T):
        for s in range(S):
            mixed[t] += used[t, s] * value[s]
    return mixed, weights


def near(got, want, tolerance=1e-12):
    got, want = (np.asarray(getattr(a, "array", a)) for a in (got, want))
    assert got.shape == want.shape, f"shape {got.shape}, should be {want.shape}"
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


# -- causal_mask
@pytest.mark.exercise("attention.causal_mask")
class TestCausalMask:
    @given(T=st.integers(1, 6), S=st.integers(0, 6))  # no rows at all: lists would lose S
    @settings(deadline=None, max_examples=42)
    def test_a_query_sees_its_own_key_and_those_before(self, T, S):
        got = causal_mask(T, S).array
        want = [[s <= t + (S - T) for s in range(S)] for t in range(T)]
        assert got.shape == (T, S)
        assert got.tolist() == want

    def test_it_is_a_boolean_tensor(self):
        mask = causal_mask(3)
        assert isinstance(mask, Tensor)
        assert mask.dtype == bool
        assert mask.shape == (3, 3)

    def test_without_a_source_length_it_is_square_and_lower_triangular(self):
        assert np.array_equal(causal_mask(5).array, np.tril(np.ones((5, 5), bool)))

    def test_the_last_query_sees_every_key(self):
        for T, S in ((1, 1), (1, 7), (3, 3), (3, 7), (5, 2)):
            assert causal_mask(T, S).array[-1].all()

    def test_new_queries_are_the_last_rows_of_the_whole_mask(self):
        whole = causal_mask(7).array
        for new in range(1, 8):
            assert np.array_equal(causal_mask(new, 7).array, whole[-new:])

    def test_queries_before_the_first_key_see_nothing(self):
        assert not causal_mask(5, 2).array[:3].any()

    def test_writing_into_a_mask_leaves_the_next_one_alone(self):
        mask = causal_mask(3).array
        if mask.flags.writeable:
            mask[...] = False
        assert np.array_equal(causal_mask(3).array, np.tri(3, dtype=bool))


# -- combine_masks
@pytest.mark.exercise("attention.combine_masks")
class TestCombineMasks:
    @given(B=sizes, T=sizes, S=sizes, seed=st.integers(0, 99))
    @settings(deadline=None, max_examples=30)
    def test_both_masks_must_allow(self, B, T, S, seed):
        rng = np.random.default_rng(seed)
        padding, causal = rng.random((B, S)) < 0.6, rng.random((T, S)) < 0.6
        got = combine_masks(Tensor(padding), Tensor(causal)).array
        assert got.shape == (B, 1, T, S)
        for b, t, s in np.ndindex(B, T, S):
            assert got[b, 0, t, s] == (padding[b, s] and causal[t, s])

    def test_padding_alone_gets_two_dimensions_more(self):
        padding = np.array([[True, False, False], [True, True, False]])
        got = combine_masks(Tensor(padding))
        assert got.shape == (2, 1, 1, 3)
        assert np.array_equal(got.array[:, 0, 0], padding)

    def test_equal_batch_and_length_are_not_confused(self):
        padding = np.array([[True, False, True], [True, True, True], [False, True, True]])
        got = combine_masks(Tensor(padding), causal_mask(3)).array
        for b in range(3):
            assert np.array_equal(got[b, 0], np.tri(3, dtype=bool) & padding[b])

    def test_a_mask_for_every_head_is_kept(self):
        rng = np.random.default_rng(0)
        padding, heads = rng.random((2, 5)) < 0.6, rng.random((2, 4, 3, 5)) < 0.6
        got = combine_masks(Tensor(padding), Tensor(heads)).array
        assert np.array_equal(got, heads & padding.reshape(2, 1, 1, 5))

    def test_the_masks_stay_as_they_were(self):
        padding, causal = Tensor([[True, False]]), causal_mask(2)
        combine_masks(padding, causal)
        assert padding.shape == (1, 2)
        assert padding.tolist() == [[True, False]]
        assert causal.tolist() == [[True, False], [True, True]]


# -- scaled_dot_product_attention
@pytest.mark.exercise("attention.scaled_dot_product_attention")
class TestAttention:
    def test_the_worked_example(self):
        three, four = math.log(3), math.log(4)
        query = Tensor([[three, three, 0, 0], [0, 0, four, four]])
        key = Tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
        value = Tensor([[20.0, 0.0], [0.0, 20.0]])
        near(scaled_dot_product_attention(query, key, value), [[15, 5], [4, 16]], 1e-5)
        near(attention_weights(query, key), [[3 / 4, 1 / 4], [1 / 5, 4 / 5]], 1e-6)

    @given(T=sizes, S=sizes, d=sizes, dv=sizes, batch=st.lists(st.integers(1, 3), max_size=2))
    @settings(deadline=None, max_examples=40)
    def test_it_is_the_definition_for_every_member_of_the_stack(self, T, S, d, dv, batch):
        shapes = [(*batch, T, d), (*batch, S, d), (*batch, S, dv)]
        query, key, value = arrays(*shapes)
        mixed = scaled_dot_product_attention(*map(from_numpy, (query, key, value)))
        assert mixed.shape == (*batch, T, dv)
        for i in np.ndindex(*batch):
            near(mixed.array[i], by_definition(query[i], key[i], value[i])[0])

    @given(T=sizes, S=sizes, seed=st.integers(0, 99))
    @settings(deadline=None, max_examples=40)
    def test_masks_scale_and_dropout_are_the_definition_too(self, T, S, seed):
        rng = np.random.default_rng(seed)
        query, key, value = arrays((T, 4), (S, 4), (S, 3), seed=seed)
        mask, dropout = rng.random((T, S)) < 0.6, rng.integers(0, 2, (T, S)) * 2.0
        got = scaled_dot_product_attention(
            *map(from_numpy, (query, key, value)),
            mask=from_numpy(mask),
            dropout=from_numpy(dropout),
            scale=0.3,
        )
        near(got, by_definition(query, key, value, mask, dropout, 0.3)[0])

    def test_each_row_of_weights_sums_to_one(self):
        query, key = tensors((2, 3, 4, 8), (2, 3, 6, 8))
        weights = attention_weights(query, key).array
        assert (weights > 0).all()
        near(weights.sum(axis=-1), np.ones((2, 3, 4)))

    def test_the_scale_is_one_over_the_root_of_the_keys_width(self):
        query, key, value = tensors((2, 9), (3, 9), (3, 4))
        usual = scaled_dot_product_attention(query, key, value)
        near(usual, scaled_dot_product_attention(query, key, value, scale=1 / 3))
        flat = scaled_dot_product_attention(query, key, value, scale=0.0)
        near(flat, np.broadcast_to(value.array.mean(axis=-2, keepdims=True), flat.shape))
        other = scaled_dot_product_attention(query, key, value, scale=1.0)
        assert np.abs(usual.array - other.array).max() > 0.01
        turned_round = scaled_dot_product_attention(query, -key, value, scale=-1.0)
        near(turned_round, other)

    def test_float32_stays_float32_and_float64_stays_float64(self):
        for dtype in (float32, float64):
            x = Tensor(arrays((3, 4))[0], dtype=dtype)
            mask = causal_mask(3)
            assert scaled_dot_product_attention(x, x, x).dtype == dtype
            assert scaled_dot_product_attention(x, x, x, mask).dtype == dtype

    def test_the_inputs_stay_as_they_were(self):
        given_arrays = [*arrays((3, 4), (3, 4), (3, 4)), np.tri(3, dtype=bool), np.ones((3, 3))]
        before = [a.copy() for a in given_arrays]
        query, key, value, mask, dropout = map(from_numpy, given_arrays)
        scaled_dot_product_attention(query, key, value, mask, False, dropout)
        for array, old in zip(given_arrays, before, strict=True):
            assert np.array_equal(array, old)

    def test_large_scores_do_not_overflow(self):
        x = Tensor([[1000.0, 0.0], [0.0, 1000.0]])
        near(scaled_dot_product_attention(x, x, x), x)

    def test_equal_keys_give_the_mean_of_the_values(self):
        query, value = tensors((2, 4), (5, 3))
        got = scaled_dot_product_attention(query, Tensor(np.ones((5, 4)), dtype=float64), value)
        near(got, np.tile(value.array.mean(axis=0), (2, 1)))

    def test_keys_and_values_may_be_shuffled_together(self):
        query, key, value = tensors((3, 4), (5, 4), (5, 2))
        order = [4, 2, 0, 3, 1]
        near(
            scaled_dot_product_attention(query, key, value),
            scaled_dot_product_attention(query, key[order], value[order]),
        )

    def test_strided_views_give_the_same_as_contiguous_arrays(self):
        views = [a.swapaxes(1, 2) for a in arrays((2, 5, 3, 4), (2, 5, 3, 4), (2, 5, 3, 4))]
        whole = [np.ascontiguousarray(v) for v in views]
        near(
            scaled_dot_product_attention(*map(from_numpy, views)),
            scaled_dot_product_attention(*map(from_numpy, whole)),
        )

    def test_one_set_of_keys_serves_a_whole_batch(self):
        query, key, value = arrays((2, 3, 4, 8), (1, 5, 8), (5, 6))
        got = scaled_dot_product_attention(*map(from_numpy, (query, key, value)))
        assert got.shape == (2, 3, 4, 6)
        near(got.array[1, 2], by_definition(query[1, 2], key[0], value)[0])

    @pytest.mark.parametrize(
        "shape", [(3, 5), (5,), (1, 5), (3, 1), (2, 1, 3, 5), (2, 1, 1, 5), (4, 3, 5)]
    )
    def test_masks_broadcast_to_the_scores(self, shape):
        query, key, value = arrays((2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 2))
        mask = np.random.default_rng(1).random(shape) < 0.6
        got = scaled_dot_product_attention(*map(from_numpy, (query, key, value, mask))).array
        whole = np.broadcast_to(mask, (2, 4, 3, 5))
        for b, h in np.ndindex(2, 4):
            want = by_definition(query[b, h], key[b, h], value[b, h], whole[b, h])[0]
            near(got[b, h], want)

    def test_a_row_without_a_permitted_key_gives_zeros(self):
        query, key, value = tensors((2, 3, 4), (2, 5, 4), (2, 5, 4), requires_grad=True)
        mask = np.ones((2, 3, 5), bool)
        mask[0, 1] = mask[1] = False
        mixed = scaled_dot_product_attention(query, key, value, Tensor(mask))
        assert not mixed.array[0, 1].any()
        assert not mixed.array[1].any()
        assert mixed.array[0, 0].all()
        assert not attention_weights(query, key, Tensor(mask)).array[1].any()

    def test_hidden_keys_get_no_weight_at_all(self):
        query, key = tensors((4, 6, 8), (4, 6, 8))
        weights = attention_weights(query, key, causal_mask(6)).array
        assert not np.triu(weights, 1).any()
        near(weights.sum(axis=-1), np.ones((4, 6)))

    def test_hidden_keys_stay_hidden_behind_very_low_scores(self):
        query, key = Tensor([[1.0, 0.0]]), Tensor([[-30000.0, 0.0], [0.0, 1.0]])  # -21213 and 0
        mask = Tensor([[True, False]])
        assert attention_weights(query, key, mask).tolist() == [[1, 0]]

    def test_hidden_keys_and_values_may_hold_anything(self):
        query, key, value = arrays((2, 3, 4), (2, 5, 4), (2, 5, 4))
        mask = np.array([True, True, False, True, False])
        old = scaled_dot_product_attention(*map(from_numpy, (query, key, value, mask))).array
        key[:, ~mask], value[:, ~mask] = 1e9, -1e9
        new = scaled_dot_product_attention(*map(from_numpy, (query, key, value, mask))).array
        assert np.array_equal(old, new)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_future_does_not_leak_a_single_bit(self, dtype):
        old = arrays((2, 3, 9, 8), seed=1, dtype=dtype)[0]
        first = scaled_dot_product_attention(*[from_numpy(old)] * 3, is_causal=True).array
        for t in range(8):
            new = old.copy()
            new[:, :, t + 1 :] = arrays(new[:, :, t + 1 :].shape, seed=2, dtype=dtype)[0]
            second = scaled_dot_product_attention(*[from_numpy(new)] * 3, is_causal=True).array
            assert np.array_equal(first[:, :, : t + 1], second[:, :, : t + 1])
            assert not np.array_equal(first[:, :, t + 1 :], second[:, :, t + 1 :])

    @pytest.mark.parametrize(("T", "S"), [(4, 4), (2, 5), (1, 5), (5, 2)])
    def test_is_causal_is_the_causal_mask(self, T, S):
        query, key, value = tensors((2, T, 4), (2, S, 4), (2, S, 3))
        near(
            scaled_dot_product_attention(query, key, value, is_causal=True),
            scaled_dot_product_attention(query, key, value, causal_mask(T, S)),
        )

    def test_is_causal_and_a_mask_must_both_allow(self):
        query, key, value = tensors((4, 4), (4, 4), (4, 4))
        mask = Tensor([True, False, True, True])
        near(
            scaled_dot_product_attention(query, key, value, mask, is_causal=True),
            scaled_dot_product_attention(query, key, value, mask & causal_mask(4)),
        )

    def test_the_last_query_alone_gives_the_last_row(self):
        query, key, value = tensors((6, 4), (6, 4), (6, 4))
        whole = scaled_dot_product_attention(query, key, value, is_causal=True)
        last = scaled_dot_product_attention(query[5:], key, value, is_causal=True)
        near(last, whole[5:])

    def test_dropout_acts_on_the_weights_of_the_mix(self):
        query, key, value = tensors((3, 4), (5, 4), (5, 2))
        weights = attention_weights(query, key).array
        dropout = np.random.default_rng(0).integers(0, 2, (3, 5)) * 2.0
        got = scaled_dot_product_attention(query, key, value, dropout=from_numpy(dropout))
        near(got, (weights * dropout) @ value.array)
        nothing = from_numpy(np.zeros((3, 5)))
        assert not scaled_dot_product_attention(query, key, value, dropout=nothing).array.any()

    def test_no_keys_at_all_give_zeros(self):
        query, key, value = tensors((3, 4), (0, 4), (0, 2))
        near(scaled_dot_product_attention(query, key, value), np.zeros((3, 2)))

    def test_the_call_is_remembered_as_one_primitive(self):
        query, key, value = tensors((3, 4), (3, 4), (3, 4), requires_grad=True)
        mixed = scaled_dot_product_attention(query, key, value)
        assert mixed.made_by.primitive == "scaled_dot_product_attention"
        assert len(mixed.made_by.inputs[:3]) == 3
        with no_grad():
            assert scaled_dot_product_attention(query, key, value).made_by is None


# -- what is given around it
@pytest.mark.exercise("attention")
class TestRefusals:
    def refused(self, error, *words, **arguments):
        query, key, value = tensors((2, 4, 3, 8), (2, 4, 5, 8), (2, 4, 5, 6))
        given_arguments = {"query": query, "key": key, "value": value, **arguments}
        with pytest.raises(error) as caught:
            scaled_dot_product_attention(**given_arguments)
        message = str(caught.value)
        assert message.startswith("scaled_dot_product_attention: ")
        assert "\n" not in message
        for word in words:
            assert word in message, message

    def test_widths_that_differ(self):
        self.refused(ValueError, "differ in width: 7 and 8", query=Tensor(np.ones((3, 7))))

    def test_numbers_of_keys_and_values_that_differ(self):
        self.refused(ValueError, "5 keys", "4 values", value=Tensor(np.ones((2, 4, 4, 6))))

    def test_a_single_vector(self):
        self.refused(ValueError, "two dimensions", query=Tensor(np.ones(8)))

    def test_a_mask_of_numbers(self):
        for mask in (np.zeros((3, 5)), np.ones((3, 5), int), np.zeros((3, 5), np.float32)):
            kind = str(Tensor(mask).dtype)
            self.refused(
                TypeError,
                f"mask is {kind}, and should be truth values, True = may attend",
                mask=Tensor(mask),
            )

    def test_a_mask_that_is_a_list(self):
        self.refused(TypeError, "list", "truth values", mask=[[True] * 5] * 3)

    @pytest.mark.parametrize("shape", [(5, 3), (2, 5), (3, 6), (3, 3, 5), (1, 2, 4, 3, 5)])
    def test_a_mask_of_another_shape(self, shape):
        mask = Tensor(np.ones(shape, bool))
        self.refused(ValueError, str(shape), "(2, 4, 3, 5)", "combine_masks", mask=mask)

    def test_a_mask_wider_than_the_scores(self):
        query, key, value = tensors((3, 8), (5, 8), (5, 8))
        mask = Tensor(np.ones((2, 3, 5), bool))
        self.refused(ValueError, "(2, 3, 5)", query=query, key=key, value=value, mask=mask)

    def test_a_scale_that_is_a_tensor(self):
        self.refused(TypeError, "scale", "Python number", scale=Tensor(0.5, requires_grad=True))


@pytest.mark.exercise("attention")
class TestGiven:
    @pytest.mark.parametrize("shift", [0, 59, 61, 500, -45, -60, -500])
    def test_softmax_rows_is_softmax_wherever_the_scores_lie(self, shift):
        scores = arrays((3, 4, 5))[0]
        want = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
        scores[1] += shift
        near(softmax_rows(scores), want)

    def test_softmax_rows_of_minus_infinity_gives_zeros(self):
        for dtype in (np.float32, np.float64):
            scores = np.array([[-np.inf, -np.inf], [-np.inf, 3.0], [1e30, 1e30]], dtype)
            assert softmax_rows(scores).tolist() == [[0, 0], [0, 1], [0.5, 0.5]]
            assert scores.dtype == dtype

    def test_public_names(self):
        names = {"MultiHeadAttention", "causal_mask", "combine_masks", "merge_heads", "split_heads"}
        assert names <= set(attention.__all__)


# -- scaled_dot_product_attention_rule
def composed(query, key, value, mask=None, dropout=None, scale=None):
    """The same out of small operations with rules of their own."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.transpose(-1, -2) * scale
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1)
    return (weights if dropout is None else weights * dropout) @ value


@pytest.mark.exercise("attention.scaled_dot_product_attention_rule")
class TestRule:
    @given(T=sizes, S=sizes, d=sizes, dv=sizes, batch=st.lists(st.integers(1, 2), max_size=2))
    @settings(deadline=None, max_examples=25)
    def test_the_nudge_agrees(self, T, S, d, dv, batch):
        shapes = [(*batch, T, d), (*batch, S, d), (*batch, S, dv)]
        assert gradcheck(scaled_dot_product_attention, tensors(*shapes))

    def test_the_nudge_agrees_with_mask_dropout_and_scale(self):
        inputs = tensors((2, 3, 4, 5), (2, 3, 6, 5), (2, 3, 6, 2))
        rng = np.random.default_rng(0)
        mask = Tensor(rng.random((2, 1, 4, 6)) < 0.6)
        dropout = Tensor(2.0 * rng.integers(0, 2, (2, 3, 4, 6)), dtype=float64)
        for more in (
            {"mask": mask},
            {"is_causal": True},
            {"dropout": dropout},
            {"scale": 2.0},
            {"mask": mask, "is_causal": True, "dropout": dropout, "scale": 0.7},
        ):

            def function(query, key, value, more=more):
                return scaled_dot_product_attention(query, key, value, **more)

            assert gradcheck(function, inputs), more

    def test_it_equals_the_rules_of_the_small_operations(self):
        rng = np.random.default_rng(3)
        mask = Tensor(np.tri(4, 6, 2, dtype=bool))
        dropout = Tensor(2.0 * rng.integers(0, 2, (2, 4, 6)), dtype=float64)
        g = rng.standard_normal((2, 4, 3))
        gradients = []
        for function in (scaled_dot_product_attention, composed):
            leaves = tensors((2, 4, 5), (2, 6, 5), (2, 6, 3), requires_grad=True)
            function(*leaves, mask=mask, dropout=dropout, scale=0.4).backward(g)
            gradients.append([leaf.grad.array for leaf in leaves])
        for ours, theirs in zip(*gradients, strict=True):
            near(ours, theirs)
            assert np.abs(ours).max() > 0.01

    def test_self_attention_adds_up_all_three_gradients(self):
        assert gradcheck(lambda x: scaled_dot_product_attention(x, x, x), tensors((2, 4, 3)))
        inputs = tensors((3, 2), (4, 2))
        assert gradcheck(lambda q, x: scaled_dot_product_attention(q, x, x), inputs)

    def test_broadcast_inputs_get_gradients_of_their_own_shape(self):
        assert gradcheck(scaled_dot_product_attention, tensors((2, 3, 4, 5), (1, 6, 5), (6, 2)))
        assert gradcheck(scaled_dot_product_attention, tensors((4, 5), (3, 6, 5), (2, 1, 6, 2)))

    def test_only_one_input_wants_a_gradient(self):
        for wanted in range(3):
            leaves = tensors((2, 3, 4), (2, 5, 4), (2, 5, 4))
            leaves[wanted].requires_grad_()
            scaled_dot_product_attention(*leaves).sum().backward()
            got = [leaf.grad is not None for leaf in leaves]
            assert got == [i == wanted for i in range(3)]

    def test_the_gradient_of_the_values_is_how_much_each_is_used(self):
        query, key, value = tensors((4, 3), (5, 3), (5, 1), requires_grad=True)
        scaled_dot_product_attention(query, key, value).sum().backward()
        near(value.grad.array[:, 0], attention_weights(query, key).array.sum(axis=0))

    def test_hidden_keys_get_no_gradient(self):
        query, key, value = tensors((4, 3), (5, 3), (5, 2), requires_grad=True)
        mask = np.array([True, False, True, True, False])
        scaled_dot_product_attention(query, key, value, Tensor(mask)).sum().backward()
        for leaf in (key, value):
            assert not leaf.grad.array[~mask].any()
            assert leaf.grad.array[mask].all()

    def test_rows_without_a_permitted_key_leave_gradients_finite(self):
        query, key, value = tensors((3, 4), (5, 4), (5, 2), requires_grad=True)
        mask = np.ones((3, 5), bool)
        mask[1] = False
        mixed = scaled_dot_product_attention(query, key, value, Tensor(mask))
        (mixed * mixed).sum().backward()
        for leaf in (query, key, value):
            assert np.isfinite(leaf.grad.array).all()
        assert not query.grad.array[1].any()
        assert query.grad.array[[0, 2]].all()

    def test_float32_gradients_are_float32(self):
        leaves = [Tensor(a, requires_grad=True) for a in arrays((3, 4), (5, 4), (5, 2))]
        scaled_dot_product_attention(*leaves).sum().backward()
        assert [leaf.grad.dtype for leaf in leaves] == [float32] * 3

    @pytest.mark.parametrize("dropout", [None, np.tri(3, 5, 2) * 2])
    def test_it_writes_into_nothing_that_it_was_given(self, dropout):
        query, key, value, g = arrays((3, 4), (5, 4), (5, 2), (3, 2))
        out, note = scaled_dot_product_attention.on_arrays(query, key, value, None, False, dropout)
        owned = [g, query, key, value, out, note[0], *([] if dropout is None else [dropout])]
        before = [a.copy() for a in owned]
        first = scaled_dot_product_attention_rule(g, query, key, value, dropout, note)
        second = scaled_dot_product_attention_rule(g, query, key, value, dropout, note)
        for array, old in zip(owned, before, strict=True):
            assert np.array_equal(array, old)
        for a, b in zip(first, second, strict=True):
            assert np.array_equal(a, b)

    def test_walking_twice_gives_twice_the_gradient(self):
        leaves = tensors((3, 4), (5, 4), (5, 2), requires_grad=True)
        loss = scaled_dot_product_attention(*leaves).sum()
        loss.backward(retain_graph=True)
        once = [leaf.grad.array.copy() for leaf in leaves]
        loss.backward()
        for leaf, gradient in zip(leaves, once, strict=True):
            near(leaf.grad, 2 * gradient)

    def test_it_stands_in_the_table(self):
        assert RULES["scaled_dot_product_attention"] is scaled_dot_product_attention_rule

    def test_weights_on_request_have_a_gradient(self):
        inputs = tensors((4, 3), (4, 3))
        assert gradcheck(lambda q, k: attention_weights(q, k, causal_mask(4)), inputs)


# -- split_heads and merge_heads
stacks = st.tuples(sizes, sizes, sizes, sizes)  # B, H, T, width


@pytest.mark.exercise("attention")
class TestInBlocks:
    """A long text, block by block, is the same attention."""

    def both(self, monkeypatch, shapes, mask, **how):
        """Result and gradients, in blocks of 3 and in one piece."""
        found = []
        monkeypatch.setattr(blocks, "BLOCK", 3)
        monkeypatch.setattr(blocks, "MANY", 1)
        for long in (4, 10**9):
            monkeypatch.setattr(blocks, "LONG", long)
            inputs = tensors(*shapes, requires_grad=True)
            mixed = scaled_dot_product_attention(*inputs, mask, **how)
            assert isinstance(mixed.made_by.kept["note"], blocks.Blocks) == (long == 4)
            mixed.backward(arrays(mixed.shape, seed=5)[0])
            found.append([mixed.array, *(x.grad.array for x in inputs)])
        for mine, other in zip(*found):
            np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)

    @pytest.mark.parametrize("T, S", [(8, 8), (7, 9), (9, 4)])
    @pytest.mark.parametrize("batch", [(), (2, 3)])
    def test_the_causal_mask(self, monkeypatch, T, S, batch):
        shapes = [(*batch, T, 5), (*batch, S, 5), (*batch, S, 2)]
        self.both(monkeypatch, shapes, None, is_causal=True)
        self.both(monkeypatch, shapes, causal_mask(T, S), scale=0.3)

    @pytest.mark.parametrize("shape", [(8, 8), (1, 8), (8, 1), (8,), (2, 1, 8, 8), (2, 1, 1, 8)])
    def test_masks_of_every_shape_with_dropout(self, monkeypatch, shape):
        rng = np.random.default_rng(sum(shape))
        mask = from_numpy(rng.random(shape) < 0.6)
        dropout = from_numpy(rng.integers(0, 2, (2, 3, 8, 8)) * 2.0)
        shapes = [(2, 3, 8, 4)] * 3
        self.both(monkeypatch, shapes, mask, dropout=dropout)
        self.both(monkeypatch, shapes, mask, dropout=from_numpy(dropout.array[0, 0]))
        self.both(monkeypatch, shapes, mask, is_causal=True)

    def test_queries_that_may_see_nothing(self, monkeypatch):
        mask = np.zeros((8, 8), bool)
        mask[4] = True
        self.both(monkeypatch, [(8, 4)] * 3, from_numpy(mask))

    def test_keys_that_are_shared_by_a_batch(self, monkeypatch):
        self.both(monkeypatch, [(2, 8, 4), (8, 4), (8, 4)], None, is_causal=True)

    def test_a_walk_counts_writes_into_what_it_needs(self, monkeypatch):
        monkeypatch.setattr(blocks, "BLOCK", 3)
        monkeypatch.setattr(blocks, "LONG", 4)
        monkeypatch.setattr(blocks, "MANY", 1)
        query, key, value = tensors((8, 4), (8, 4), (8, 4), requires_grad=True)
        key = key * 1
        mixed = scaled_dot_product_attention(query, key, value, None, True).sum()
        with no_grad():
            key.fill_(0)
        with pytest.raises(RuntimeError, match="written into"):
            mixed.backward()

    def test_a_forbidden_part_is_not_computed(self):
        calls = []

        @blocks.in_blocks
        def told(query, key, value, mask, is_causal, dropout, scale):
            calls.append((query.shape, key.shape, np.shape(mask)))
            return query, None

        x = np.zeros((512, 4))
        told(x, x, x, None, True)
        assert calls[0] == ((64, 4), (64, 4), (64, 64))
        assert calls[-1] == ((64, 4), (512, 4), (64, 512)) and len(calls) == 8
        calls.clear()
        near = np.abs(np.subtract.outer(np.arange(512), np.arange(512))) < 10  # a band
        told(x, x, x, near)
        assert calls[4] == ((64, 4), (82, 4), (64, 82))
        calls.clear()
        told(x[:256], x[:256], x[:256], None, True)  # too few scores to be worth it
        assert len(calls) == 1


@pytest.mark.exercise("attention.split_heads")
class TestSplitHeads:
    @given(stacks)
    @settings(deadline=None, max_examples=30)
    def test_every_head_gets_its_slice_of_every_token(self, stack):
        B, H, T, width = stack
        x = np.arange(B * T * H * width, dtype=float).reshape(B, T, H * width)
        got = split_heads(Tensor(x), H).array
        assert got.shape == (B, H, T, width)
        for b, h, t in np.ndindex(B, H, T):
            assert np.array_equal(got[b, h, t], x[b, t, h * width : (h + 1) * width])

    def test_one_head_takes_all(self):
        x = tensors((2, 3, 4))[0]
        near(split_heads(x, 1), x.array[:, None])

    def test_as_many_heads_as_numbers(self):
        x = tensors((2, 3, 4))[0]
        near(split_heads(x, 4), x.array.swapaxes(1, 2)[..., None])

    def test_no_number_moves(self):
        x = tensors((2, 3, 4))[0]
        assert np.shares_memory(split_heads(x, 2).array, x.array)

    def test_the_gradient_comes_back(self):
        assert gradcheck(lambda x: split_heads(x, 2), tensors((2, 3, 4)))

    def test_a_width_that_does_not_divide_is_refused(self):
        with pytest.raises(ValueError, match=r"embed_dim=10 .* num_heads=4") as caught:
            split_heads(Tensor(np.ones((2, 3, 10))), 4)
        assert "\n" not in str(caught.value)
        with pytest.raises(ValueError, match="num_heads=0"):
            split_heads(Tensor(np.ones((2, 3, 10))), 0)

    def test_other_dimensions_are_refused(self):
        with pytest.raises(ValueError, match=r"\(B, T, D\).*\(3, 4\)"):
            split_heads(Tensor(np.ones((3, 4))), 2)


@pytest.mark.exercise("attention.merge_heads")
class TestMergeHeads:
    @given(stacks)
    @settings(deadline=None, max_examples=30)
    def test_the_slices_stand_side_by_side(self, stack):
        B, H, T, width = stack
        x = np.arange(B * T * H * width, dtype=float).reshape(B, H, T, width)
        got = merge_heads(Tensor(x)).array
        assert got.shape == (B, T, H * width)
        for b, h, t in np.ndindex(B, H, T):
            assert np.array_equal(got[b, t, h * width : (h + 1) * width], x[b, h, t])

    def test_it_undoes_the_split(self):
        x = tensors((2, 5, 12))[0]
        for num_heads in (1, 2, 3, 4, 6, 12):
            near(merge_heads(split_heads(x, num_heads)), x, 0)

    def test_the_gradient_comes_back(self):
        assert gradcheck(merge_heads, tensors((2, 3, 4, 2)))

    def test_the_input_stays_as_it_was(self):
        x = tensors((2, 3, 4, 5))[0]
        before = x.array.copy()
        merge_heads(x)
        assert np.array_equal(x.array, before)
        assert x.shape == (2, 3, 4, 5)

    def test_other_dimensions_are_refused(self):
        with pytest.raises(ValueError, match=r"\(B, H, T, D/H\).*\(2, 3, 4\)"):
            merge_heads(Tensor(np.ones((2, 3, 4))))


# -- MultiHeadAttention
def layer(embed_dim=6, num_heads=3, seed=0, **settings):
    manual_seed(seed)
    return MultiHeadAttention(embed_dim, num_heads, **settings).to(dtype=float64)


def heads_by_definition(module, x, source, mask=None):
    """(output, weights): a sentence and a head at a time. The mask is (B, H, T, S)."""
    project = {
        name: tokens @ getattr(module, name).weight.array.T + getattr(module, name).bias.array
        for name, tokens in (("query", x), ("key", source), ("value", source))
    }
    H = module.num_heads
    width = x.shape[2] // H
    mixed = np.zeros(x.shape)
    weights = np.zeros((len(x), H, x.shape[1], source.shape[1]))
    for b, h in np.ndindex(len(x), H):
        columns = slice(h * width, (h + 1) * width)
        query, key, value = (project[n][b][:, columns] for n in ("query", "key", "value"))
        allowed = None if mask is None else mask[b, h]
        mixed[b][:, columns], weights[b, h] = by_definition(query, key, value, allowed)
    return mixed @ module.output.weight.array.T + module.output.bias.array, weights


def draws(*shape):
    return arrays(shape, seed=sum(shape))[0]


@pytest.mark.exercise("attention")
class TestInHeads:
    """One product for several layers equals the layers one by one."""

    @pytest.mark.parametrize("count", [1, 2, 3])
    @pytest.mark.parametrize("bias", [True, False])
    def test_it_equals_the_layers_one_by_one(self, count, bias):
        x = Tensor(draws(2, 5, 6), requires_grad=True, dtype=float64)
        layers = [Linear(6, 6, bias).double() for _ in range(count)]
        weights = [layer.weight for layer in layers]
        biases = [layer.bias for layer in layers if bias]
        factors = [draws(2, 3, 5, 2) for _ in layers]
        found = []
        for together in (True, False):
            heads = (
                in_heads((x, *weights, *biases), 3)
                if together
                else [split_heads(layer(x), 3) for layer in layers]
            )
            sum((part * factor).sum() for part, factor in zip(heads, factors)).backward()
            leaves = (x, *weights, *biases)
            found.append([part.array for part in heads] + [leaf.grad.array for leaf in leaves])
            for leaf in leaves:
                leaf.grad = None
        for mine, other in zip(*found):
            np.testing.assert_allclose(mine, other, rtol=0, atol=1e-13)

    def test_a_result_that_nobody_uses_has_the_gradient_zero(self):
        layers = [Linear(4, 4, bias=False) for _ in range(3)]
        parts = in_heads((Tensor(draws(1, 2, 4)), *[layer.weight for layer in layers]), 2)
        (parts[1] * parts[1]).sum().backward()
        assert [bool(layer.weight.grad.any()) for layer in layers] == [False, True, False]

    def test_a_frozen_layer_gets_no_gradient_and_the_others_do(self):
        layers = [Linear(4, 4) for _ in range(3)]
        layers[0].requires_grad_(False)
        weights, biases = zip(*[(layer.weight, layer.bias) for layer in layers])
        heads = in_heads((Tensor(draws(1, 2, 4)), *weights, *biases), 2)
        sum(part.sum() for part in heads).backward()
        assert [layer.weight.grad is None for layer in layers] == [True, False, False]
        assert [layer.bias.grad is None for layer in layers] == [True, False, False]

    def test_one_source_is_one_product_and_what_is_special_is_left_alone(self, monkeypatch):
        calls = []
        usual = in_heads.on_arrays
        monkeypatch.setattr(in_heads, "on_arrays", lambda *a: calls.append(1) or usual(*a))
        attention = MultiHeadAttention(8, 2)
        x, other = (Tensor(draws(2, 3, 8), dtype=float32) for _ in range(2))

        def heads(*tokens):
            layers = (attention.query, attention.key, attention.value)
            return [part.array for part in attention.heads(*zip(layers, tokens))]

        expected = heads(x, x, x)
        assert len(calls) == 1
        mixed, answering = heads(x, other, other), heads(other, other, other)
        for part, was in zip(mixed, [expected[0], *answering[1:]], strict=True):
            np.testing.assert_allclose(part, was, atol=1e-6)
        assert len(calls) == 4  # one for the query, one for key and value together

        class Loud(Linear):
            def forward(self, x):
                return super().forward(x) * 2

        seen = []
        hook = attention.key.register_forward_hook(lambda *event: seen.append(1))
        for part, was in zip(heads(x, x, x), expected, strict=True):
            np.testing.assert_allclose(part, was, atol=1e-6)
        assert seen == [1] and len(calls) == 4
        hook.remove()
        before = attention.key.register_forward_pre_hook(lambda module, given: (given[0] * -3,))
        assert abs(heads(x, x, x)[1] - expected[1]).max() > 0.1 and len(calls) == 4
        before.remove()
        np.testing.assert_allclose(heads(x, x, x)[1], expected[1], atol=1e-6)
        assert len(calls) == 5
        attention.key.forward = lambda x, usual=attention.key.forward: usual(x) * 2
        np.testing.assert_allclose(heads(x, x, x)[1], 2 * expected[1], atol=1e-5)
        del attention.key.forward
        attention.value, plain = Loud(8, 8), attention.value
        attention.value.load_state_dict(plain.state_dict())
        np.testing.assert_allclose(heads(x, x, x)[2], 2 * expected[2], atol=1e-5)
        attention.value, attention.key.bias = plain, None
        heads(x, x, x)
        assert len(calls) == 5


@pytest.mark.exercise("attention.MultiHeadAttention.forward")
class TestMultiHeadAttention:
    @given(stacks)
    @settings(deadline=None, max_examples=20)
    def test_self_attention_is_the_definition(self, stack):
        B, H, T, width = stack
        module = layer(H * width, H)
        x = arrays((B, T, H * width))[0]
        near(module(from_numpy(x)), heads_by_definition(module, x, x)[0])

    @given(stacks, sizes)
    @settings(deadline=None, max_examples=20)
    def test_cross_attention_is_the_definition(self, stack, S):
        B, H, T, width = stack
        module = layer(H * width, H)
        x, source = arrays((B, T, H * width), (B, S, H * width))
        output, weights = module(from_numpy(x), from_numpy(source), return_weights=True)
        want = heads_by_definition(module, x, source)
        assert output.shape == (B, T, H * width)
        assert weights.shape == (B, H, T, S)
        near(output, want[0])
        near(weights, want[1])

    @pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5), (2, 3, 4, 5), (2, 1, 4, 5), (1, 3, 4, 5)])
    @pytest.mark.parametrize("padded", [False, True])
    @pytest.mark.parametrize("is_causal", [False, True])
    def test_masks_of_every_shape(self, shape, padded, is_causal):
        module = layer()
        x, source = arrays((2, 4, 6), (2, 5, 6))
        mask = np.random.default_rng(1).random(shape) < 0.7
        whole = np.broadcast_to(mask[:, None] if mask.ndim == 3 else mask, (2, 3, 4, 5)).copy()
        padding = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=bool)
        if padded:
            whole &= padding[:, None, None, :]
        if is_causal:
            whole &= np.tri(4, 5, 1, dtype=bool)
        output, weights = module(
            from_numpy(x),
            from_numpy(source),
            mask=from_numpy(mask),
            padding=from_numpy(padding) if padded else None,
            is_causal=is_causal,
            return_weights=True,
        )
        want = heads_by_definition(module, x, source, whole)
        near(output, want[0])
        near(weights, want[1])
        assert not weights.array[~whole].any()

    def test_padding_alone(self):
        module = layer()
        x = arrays((2, 5, 6))[0]
        padding = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=bool)
        whole = np.broadcast_to(padding[:, None, None, :], (2, 3, 5, 5))
        output = module(from_numpy(x), padding=from_numpy(padding))
        near(output, heads_by_definition(module, x, x, whole)[0])

    def test_more_padding_changes_nothing_for_the_real_tokens(self):
        module = layer()
        short, rubbish = arrays((2, 4, 6), (2, 3, 6))
        long = np.concatenate([short, 100 * rubbish], axis=1)
        padding = Tensor([[True] * 4 + [False] * 3] * 2)
        near(module(from_numpy(long), padding=padding)[:, :4], module(from_numpy(short)))

    def test_a_sentence_of_padding_only_gives_the_last_bias(self):
        module = layer()
        x = Tensor(arrays((2, 3, 6))[0], requires_grad=True, dtype=float64)
        padding = Tensor([[True, True, True], [False, False, False]])
        output = module(x, padding=padding)
        near(output.array[1], np.tile(module.output.bias.array, (3, 1)))
        output.sum().backward()
        assert np.isfinite(x.grad.array).all()
        assert not x.grad.array[1].any()

    def test_the_future_does_not_leak_a_single_bit(self):
        manual_seed(0)
        module = MultiHeadAttention(8, 2)
        old = arrays((2, 7, 8), dtype=np.float32)[0]
        for more in ({"is_causal": True}, {"mask": causal_mask(7)}):
            first = module(from_numpy(old), **more).array
            for t in range(6):
                new = old.copy()
                new[:, t + 1 :] += 1
                second = module(from_numpy(new), **more).array
                assert np.array_equal(first[:, : t + 1], second[:, : t + 1])
                assert not np.array_equal(first[:, t + 1 :], second[:, t + 1 :])

    def test_shuffled_tokens_give_shuffled_outputs(self):
        module = layer()
        x = tensors((2, 5, 6))[0]
        order = [3, 0, 4, 1, 2]
        near(module(x[:, order]), module(x)[:, order])

    def test_each_sentence_looks_at_its_own_tokens_only(self):
        module = layer()
        x = arrays((3, 4, 6))[0]
        alone = [module(from_numpy(x[b : b + 1])).array[0] for b in range(3)]
        near(module(from_numpy(x)), np.stack(alone))

    def test_every_parameter_and_both_inputs_get_a_gradient(self):
        module = layer()
        x, source = tensors((2, 3, 6), (2, 4, 6), requires_grad=True)
        (module(x, source) ** 2).sum().backward()
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name
            bound = 1e-12 if name == "key.bias" else 0  # it raises all scores of a row alike
            assert (np.abs(parameter.grad.array).max() > bound) == (name != "key.bias"), name
        assert x.grad.array.all()
        assert source.grad.array.all()

    def test_the_nudge_agrees(self):
        module = layer()
        mask = Tensor(np.random.default_rng(0).random((3, 4)) < 0.7)
        assert gradcheck(lambda x, source: module(x, source, mask), tensors((2, 3, 6), (2, 4, 6)))

    def test_dropout_only_while_training_and_only_on_weights(self):
        module, twin = layer(dropout=0.5), layer()
        x = tensors((2, 5, 6))[0]
        first, second = module(x), module(x)
        assert not np.array_equal(first.array, second.array)
        module.eval()
        near(module(x), twin(x), 0)
        near(module(x), module(x), 0)

    def test_dropping_every_weight_leaves_the_last_bias(self):
        module = layer(dropout=1.0)
        x = tensors((1, 2, 6))[0]
        near(module(x), np.tile(module.output.bias.array, (1, 2, 1)))

    def test_dropout_keeps_the_mean(self):
        module, twin = layer(dropout=0.3), layer()
        module.dropout.generator = Generator(5)
        x = tensors((1, 3, 6))[0]
        many = x.expand(4000, 3, 6)
        near(module(many).array.mean(axis=0), twin(x).array[0], 0.03)

    def test_the_same_seed_drops_the_same_weights(self):
        module, x = layer(dropout=0.5), tensors((2, 5, 6))[0]
        outputs = []
        for _ in range(2):
            manual_seed(7)
            outputs.append(module(x).array)
        assert np.array_equal(*outputs)

    def test_the_weights_are_those_before_dropout(self):
        module, x = layer(dropout=0.5), tensors((2, 5, 6))[0]
        weights = module(x, return_weights=True)[1].array
        near(weights.sum(axis=-1), np.ones((2, 3, 5)))

    def test_dropout_takes_a_weight_and_so_a_whole_value(self):
        module = layer(num_heads=1, dropout=0.5)
        module.output.weight.array[...], module.output.bias.array[...] = np.eye(6), 0
        dropped = module(tensors((400, 1, 6))[0]).array == 0  # one key: its weight stays or goes
        assert np.array_equal(dropped.all(axis=-1), dropped.any(axis=-1))
        assert 0.35 < dropped.mean() < 0.65

    def test_without_biases_it_is_as_with_biases_of_zero(self):
        module, twin = layer(bias=False), layer()
        weights = {name: tensor.array for name, tensor in module.state_dict().items()}
        for name, parameter in twin.named_parameters():
            parameter.array[...] = weights.get(name, 0)
        x, source = tensors((2, 3, 6), (2, 4, 6))
        near(module(x, source), twin(x, source))

    def test_new_weights_count_at_once(self):
        module, (x, source) = layer(), tensors((2, 3, 6), (2, 4, 6))
        module(x, source)
        for part in (module.query, module.key, module.value):
            part.weight.array[...] *= 2
        near(module(x, source), heads_by_definition(module, x.array, source.array)[0])

    def test_float32_stays_float32(self):
        module = MultiHeadAttention(8, 2, dropout=0.5)
        output, weights = module(Tensor(np.ones((1, 3, 8))), is_causal=True, return_weights=True)
        assert output.dtype == weights.dtype == float32


@pytest.mark.exercise("attention")
class TestMultiHeadAttentionGiven:
    def test_the_number_of_parameters(self):
        for bias, count in ((True, 1_050_624), (False, 4 * 512**2)):
            module = MultiHeadAttention(512, 8, bias=bias)
            assert sum(p.numel() for p in module.parameters()) == count

    def test_the_names_in_its_state(self):
        parts = ("query", "key", "value", "output")
        names = [f"{part}.{kind}" for part in parts for kind in ("weight", "bias")]
        assert list(MultiHeadAttention(4, 2).state_dict()) == names

    @pytest.mark.parametrize(("embed_dim", "num_heads"), [(10, 4), (6, 0), (4, 8)])
    def test_a_width_that_does_not_divide_names_both(self, embed_dim, num_heads):
        with pytest.raises(ValueError, match=f"embed_dim={embed_dim} .*num_heads={num_heads}"):
            MultiHeadAttention(embed_dim, num_heads)

    def refused(self, error, *words, x=(2, 4, 6), source=None, **arguments):
        source = None if source is None else Tensor(np.ones(source))
        with pytest.raises(error) as caught:
            MultiHeadAttention(6, 3)(Tensor(np.ones(x)), source, **arguments)
        message = str(caught.value)
        assert "\n" not in message
        for word in (*words, "in MultiHeadAttention"):
            assert word in message, message

    def test_a_padding_mask_in_the_place_of_a_mask(self):
        mask = Tensor(np.ones((2, 4), bool))
        self.refused(ValueError, "(2, 4)", "(..., T, S) = (2, 3, 4, 4)", "padding=", mask=mask)

    @pytest.mark.parametrize("shape", [(4, 5), (3, 4, 4), (2, 2, 4, 4), (1, 2, 3, 4, 4)])
    @pytest.mark.parametrize("padded", [False, True])
    def test_a_mask_of_another_shape(self, shape, padded):
        seen = str((3, 1, 4, 4) if len(shape) == 3 else shape)  # (B, T, S) serves all heads
        padding = Tensor(np.ones((2, 4), bool)) if padded else None
        mask = Tensor(np.ones(shape, bool))
        self.refused(ValueError, seen, "(2, 3, 4, 4)", mask=mask, padding=padding)

    def test_a_mask_of_numbers(self):
        self.refused(TypeError, "mask", "float32", "truth values", mask=Tensor(np.zeros((4, 4))))
        self.refused(TypeError, "padding", "int64", "truth values", padding=Tensor([[1] * 4] * 2))

    def test_padding_of_another_shape(self):
        padding = Tensor(np.ones((2, 5), bool))
        self.refused(ValueError, "padding", "(2, 5)", "(B, S) = (2, 4)", padding=padding)
        self.refused(ValueError, "(B, S) = (2, 5)", source=(2, 5, 6), padding=padding[:, :4])

    def test_inputs_that_are_no_batch_of_tokens(self):
        self.refused(ValueError, "x (4, 6) is not (batch, tokens, 6)", x=(4, 6))
        self.refused(ValueError, "x (2, 4, 5) is not (batch, tokens, 6)", x=(2, 4, 5))
        self.refused(ValueError, "source (2, 4, 7) is not (batch, tokens, 6)", source=(2, 4, 7))

    def test_a_source_for_another_number_of_sentences(self):
        self.refused(ValueError, "batch of 2", "source of 3", source=(3, 4, 6))
