"""`tinytorch.nn.functional`: PyTorch's names and arguments over the functions of the course."""

import doctest
import math

import numpy as np
import pytest

from tinytorch import activations, attention, embeddings, transformers
from tinytorch.autograd import gradcheck
from tinytorch.nn import functional as F
from tinytorch.tensor import Tensor, float64, manual_seed


def numbers(*shape, seed=0):
    return Tensor(np.random.default_rng(seed).standard_normal(shape), dtype=float64)


def near(got, want, tolerance=1e-12):
    got, want = (np.asarray(getattr(a, "array", a)) for a in (got, want))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


def test_every_public_name_is_there():
    assert sorted(F.__all__) == F.__all__
    for name in F.__all__:
        assert callable(getattr(F, name))


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(F)
    assert result.attempted >= 8 and result.failed == 0


# -- gelu
def test_gelu_is_the_exact_form_unless_asked_otherwise():
    x = numbers(5, 7)
    exact = [[v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in row] for row in x.tolist()]
    near(F.gelu(x), exact)
    near(F.gelu(x, approximate="none"), exact)
    assert np.abs(F.gelu(x, approximate="tanh").array - exact).max() > 1e-6
    near(F.gelu(x, "tanh"), activations.gelu(x), 0)


def test_gelu_knows_two_forms():
    with pytest.raises(ValueError, match="approximate is 'none' or 'tanh', not 'sigmoid'"):
        F.gelu(numbers(2), approximate="sigmoid")


# -- dropout
def test_dropout_keeps_the_share_and_the_mean():
    manual_seed(0)
    got = F.dropout(Tensor(np.ones(10_000)), 0.25).array
    assert set(np.unique(got.round(4)).tolist()) == {0.0, np.float32(1.3333)}
    assert abs((got == 0).mean() - 0.25) < 0.02
    assert F.dropout(Tensor(np.ones(10_000))).array.max() == 2.0  # p = 0.5 unless given


def test_dropout_outside_training_gives_the_input_itself():
    x = numbers(3)
    assert F.dropout(x, 0.9, training=False) is x
    assert F.dropout(x, 0.9, False) is x
    with pytest.raises(ValueError, match="between 0 and 1, not 1.5"):
        F.dropout(x, 1.5)


def test_dropout_follows_the_seed_and_passes_gradients_where_it_passed_numbers():
    x = Tensor(np.ones(50), requires_grad=True)
    manual_seed(3)
    first = F.dropout(x, 0.5)
    manual_seed(3)
    assert np.array_equal(F.dropout(x, 0.5).array, first.array)
    first.sum().backward()
    assert np.array_equal(x.grad.array, first.array)


# -- embedding
def test_embedding_takes_the_ids_first():
    weight, ids = numbers(5, 3), Tensor([[4, 0], [0, 1]])
    near(F.embedding(ids, weight), weight.array[ids.array], 0)
    near(F.embedding(ids, weight), embeddings.embedding(weight, ids), 0)


@pytest.mark.parametrize(("padding_idx", "row"), [(None, None), (0, 0), (-1, 4)])
def test_the_padding_row_gets_no_gradient(padding_idx, row):
    weight = Tensor(np.ones((5, 3)), requires_grad=True)
    F.embedding(Tensor([4, 0, 0, 2]), weight, padding_idx).sum().backward()
    want = [2.0, 0.0, 1.0, 0.0, 1.0]
    if row is not None:
        want[row] = 0.0
    assert weight.grad.array[:, 0].tolist() == want


def test_the_other_order_is_refused():
    with pytest.raises(TypeError, match="ids are whole numbers, not float64"):
        F.embedding(numbers(5, 3), Tensor([1, 2]))


# -- layer_norm
def normed(x, axes, eps=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps)


def test_layer_norm_over_the_last_size():
    x, weight, bias = numbers(2, 3, 4), numbers(4, seed=1), numbers(4, seed=2)
    for shape in (4, (4,), [4]):
        near(F.layer_norm(x, shape), normed(x.array, -1))
    want = normed(x.array, -1, 0.1) * weight.array + bias.array
    near(F.layer_norm(x, (4,), weight, bias, 0.1), want)
    near(transformers.layer_norm(x, weight, bias, 0.1), want)
    near(F.layer_norm(x, (4,), bias=bias), normed(x.array, -1) + bias.array)


def test_layer_norm_over_several_sizes():
    x, weight, bias = numbers(2, 3, 4), numbers(3, 4, seed=1), numbers(3, 4, seed=2)
    want = normed(x.array, (1, 2)) * weight.array + bias.array
    near(F.layer_norm(x, (3, 4), weight, bias), want)
    near(F.layer_norm(x, x.shape), normed(x.array, (0, 1, 2)))
    assert gradcheck(lambda *t: F.layer_norm(t[0], (3, 4), *t[1:], eps=0.1), [x, weight, bias])


def test_layer_norm_keeps_float32():
    assert F.layer_norm(Tensor(np.ones((2, 4))), 4).dtype == np.float32


@pytest.mark.parametrize(
    ("shape", "weight"), [(3, None), ((2, 4), None), ((3, 3, 4, 4), None), (4, 3), ((), None)]
)
def test_layer_norm_names_the_sizes_that_do_not_fit(shape, weight):
    weight = None if weight is None else numbers(weight)
    with pytest.raises(ValueError, match=r"layer_norm over the last sizes|normalized_shape needs"):
        F.layer_norm(numbers(2, 3, 4), shape, weight)


# -- linear
def test_linear_is_x_times_the_weight_transposed():
    x, weight, bias = numbers(2, 3), numbers(4, 3, seed=1), numbers(4, seed=2)
    near(F.linear(x, weight), x.array @ weight.array.T)
    near(F.linear(x, weight, bias), x.array @ weight.array.T + bias.array)


# -- scaled_dot_product_attention
attend = F.scaled_dot_product_attention


def test_attention_has_the_names_and_the_alignment_of_pytorch():
    query, key, value = numbers(2, 4), numbers(5, 4, seed=1), numbers(5, 3, seed=2)
    first_keys = Tensor(np.tri(2, 5, dtype=bool))
    near(
        attend(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=True, scale=0.5),
        attention.scaled_dot_product_attention(query, key, value, first_keys, scale=0.5),
    )
    allowed = Tensor(np.array([True, False, True, True, False]))
    near(
        attend(query, key, value, allowed, is_causal=True),
        attention.scaled_dot_product_attention(query, key, value, first_keys & allowed),
    )
    near(
        attend(query, key, value, allowed),
        attention.scaled_dot_product_attention(query, key, value, allowed),
    )


def test_attention_drops_weights_and_keeps_the_mean():
    manual_seed(0)
    query, key = numbers(200, 4), numbers(50, 4, seed=1)
    ones = Tensor(np.ones((50, 1)), dtype=float64)
    dropped = attend(query, key, ones, dropout_p=0.25).array
    assert dropped.std() > 0.01
    assert abs(dropped.mean() - 1) < 0.02
    near(attend(query, key, ones), np.ones((200, 1)))
    with pytest.raises(ValueError, match="between 0 and 1"):
        attend(query, key, ones, dropout_p=1.5)


def test_attention_adds_a_mask_of_numbers():
    x, added = numbers(3, 4), np.where(np.tri(3) > 0, 0.0, -np.inf)
    near(attend(x, x, x, Tensor(added, dtype=float64)), attend(x, x, x, is_causal=True))
    with pytest.raises(ValueError, match="a mask or is_causal=True, not both"):
        attend(x, x, x, Tensor(added, dtype=float64), is_causal=True)


def test_binary_cross_entropy_of_a_sure_and_right_answer_has_no_slope():
    p = Tensor([0.0, 1.0, 0.0, 0.5], requires_grad=True)
    y = Tensor([0.0, 1.0, 1.0, 1.0])
    values = F.binary_cross_entropy(p, y, reduction="none")
    near(values, [0, 0, 100, math.log(2)], 1e-6)
    F.binary_cross_entropy(p, y, weight=Tensor([1.0, 2.0, 3.0, 4.0]), reduction="sum").backward()
    near(p.grad / Tensor([1.0, 1.0, 3e12, 1.0]), [0, 0, -1, -8], 1e-6)
    p, y = numbers(4).sigmoid(), numbers(4, seed=1).sigmoid()
    assert gradcheck(F.binary_cross_entropy, (p, y))


def test_gumbel_softmax_comes_near_a_draw_as_tau_falls():
    manual_seed(0)
    logits = Tensor(np.log(np.tile([0.2, 0.8], (4000, 1))), dtype=float64)
    sharp, soft = F.gumbel_softmax(logits, tau=1e-3).array, F.gumbel_softmax(logits, tau=1e3).array
    assert sharp.max(1).mean() > 0.99 and np.abs(soft - 0.5).max() < 0.01
    assert abs(sharp.mean(0)[1] - 0.8) < 0.03  # drawn as often as the probabilities say
