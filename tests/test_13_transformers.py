"""Module 13: layer norm and its rule, MLP, block, GPT, filters, picking, generation."""

import copy
import doctest
import itertools
import math
import pickle
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import transformers
from tinytorch.activations import gelu, log_softmax, relu
from tinytorch.attention import causal_mask
from tinytorch.autograd import gradcheck, no_grad
from tinytorch.generation import EndedBeams, Settings
from tinytorch.layers import Dropout, Linear, Module
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import Adam
from tinytorch.tensor import Generator, Tensor, cat, manual_seed, recording, wrap
from tinytorch.transformers import (
    GPT,
    MLP,
    LayerNorm,
    TinyGPT,
    TransformerBlock,
    WholeText,
    beam_search,
    beam_step,
    evaluating,
    for_last_token,
    generate,
    generate_text,
    layer_norm,
    layer_norm_rule,
    pick_next,
    repetition_penalty_filter,
    row_mean,
    stream,
    top_k_filter,
    top_p_filter,
)

sizes, seeds = st.integers(1, 6), st.integers(0, 999)
GONE = -np.inf


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def near(got, want, tolerance=1e-12):
    got, want = (np.asarray(getattr(a, "array", a)) for a in (got, want))
    assert got.shape == want.shape, f"shape {got.shape}, should be {want.shape}"
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


def float64(model):
    """The same model with its parameters in float64."""
    for parameter in model.parameters():
        parameter.array = parameter.array.astype(np.float64)
    return model


def randomised(model, seed=0, std=0.5):
    """The same model with every parameter drawn, biases and norms as well, in float64."""
    rng = np.random.default_rng(seed)
    for parameter in float64(model).parameters():
        parameter.array[...] = std * rng.standard_normal(parameter.shape)
    return model


def tiny(**changes):
    settings_ = {"vocab_size": 11, "embed_dim": 8, "num_heads": 2, "num_layers": 2, "max_length": 9}
    return GPT(**{**settings_, **changes})


def ids(*shape, seed=0, high=11):
    return wrap(np.random.default_rng(seed).integers(0, high, shape))


def norm_by_definition(row, weight, bias, eps):
    """One row, in plain Python numbers."""
    mean = sum(row) / len(row)
    variance = sum((x - mean) ** 2 for x in row) / len(row)
    return [(x - mean) / math.sqrt(variance + eps) * w + b for x, w, b in zip(row, weight, bias)]


# -- row_mean
@pytest.mark.exercise("transformers")
@given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds)
@settings(deadline=None, max_examples=25)
def test_row_mean_is_the_mean_of_the_last_dimension(shape, seed):
    x = normal(*shape, seed=seed)
    near(row_mean(x), x.mean(axis=-1, keepdims=True))
    weight = np.random.default_rng(seed + 1).standard_normal(shape[-1])
    near(row_mean(x, weight), (x * weight).mean(axis=-1, keepdims=True))
    x, weight = x.astype(np.float32), weight.astype(np.float32)
    assert row_mean(x).dtype == row_mean(x, weight).dtype == np.float32


# -- layer_norm
@pytest.mark.exercise("transformers.layer_norm")
class TestLayerNorm:
    @given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds, eps=st.floats(1e-6, 1))
    @settings(deadline=None, max_examples=40)
    def test_every_row_is_normed_by_itself(self, shape, seed, eps):
        x, weight, bias = (normal(*s, seed=seed) for s in (shape, shape[-1:], shape[-1:]))
        got = layer_norm(Tensor(wrap(x)), Tensor(wrap(weight)), Tensor(wrap(bias)), eps)
        rows = x.reshape(-1, shape[-1])
        want = [norm_by_definition(row, weight, bias, eps) for row in rows.tolist()]
        near(got, np.reshape(want, shape))

    def test_by_hand(self):
        got = layer_norm(Tensor([9.0, 1.0, 3.0, 3.0]), Tensor([1.0] * 4), Tensor([0.0] * 4), 0.0)
        near(got, np.array([5, -3, -1, -1]) / 3, 1e-6)

    def test_eps_is_added_to_the_variance(self):
        got = layer_norm(Tensor([9.0, 1.0, 3.0, 3.0]), Tensor([1.0] * 4), Tensor([0.0] * 4), 7.0)
        near(got, np.array([5, -3, -1, -1]) / 4, 1e-6)

    def test_the_default_eps(self):
        x = np.array([[0.002, -0.002]])  # variance 4e-6
        got = layer_norm.on_arrays(x, np.ones(2), np.zeros(2))[0]
        near(got, x / math.sqrt(1.4e-5))

    def test_a_row_of_equal_numbers_gives_the_bias(self):
        got = layer_norm.on_arrays(np.full((2, 3), 7.0), np.ones(3), np.array([1.0, 2.0, 3.0]))[0]
        near(got, [[1, 2, 3]] * 2)

    def test_weight_and_bias_belong_to_places(self):
        x, plain = normal(3, 4), (np.ones(4), np.zeros(4))
        weight, bias = np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])
        base = layer_norm.on_arrays(x, *plain)[0]
        near(layer_norm.on_arrays(x, weight, bias)[0], base * weight + bias)

    def test_the_note_holds_what_the_rule_needs(self):
        x = normal(2, 3, 4)
        _, (got, inverse) = layer_norm.on_arrays(x, 3 * np.ones(4), np.ones(4), 0.5)
        near(inverse, 1 / np.sqrt(x.var(axis=-1, keepdims=True) + 0.5))
        near(got, (x - x.mean(axis=-1, keepdims=True)) * inverse)

    def test_a_token_does_not_depend_on_its_company(self):
        x, plain = normal(4, 5, 6), (np.ones(6), np.zeros(6))
        near(
            layer_norm.on_arrays(x, *plain)[0][2:3, 1:2],
            layer_norm.on_arrays(x[2:3, 1:2], *plain)[0],
        )

    def test_shift_and_scale_are_forgotten(self):
        x, plain = normal(3, 5), (np.ones(5), np.zeros(5), 0.0)
        near(
            layer_norm.on_arrays(100 * x + 7, *plain)[0], layer_norm.on_arrays(x, *plain)[0], 1e-11
        )

    def test_float32_with_a_large_mean_keeps_its_digits(self):
        x = normal(8, 64, dtype=np.float32)
        shifted = x + np.float32(1000)
        exact = shifted.astype(np.float64)
        want = (exact - exact.mean(-1, keepdims=True)) / np.sqrt(
            exact.var(-1, keepdims=True) + 1e-5
        )
        got = layer_norm.on_arrays(shifted, np.ones(64, np.float32), np.zeros(64, np.float32))[0]
        assert got.dtype == np.float32
        near(got, want, 1e-3)

    def test_the_input_is_not_changed(self):
        x = normal(2, 4)
        before = x.copy()
        layer_norm.on_arrays(x, np.ones(4), np.zeros(4))
        assert np.array_equal(x, before)

    @pytest.mark.parametrize("shape", [(2, 1), (2, 3), (3,), ()])
    def test_another_width_is_refused(self, shape):
        with pytest.raises(ValueError, match=r"should end with the weight's size, \(4,\)"):
            layer_norm(wrap(np.ones(shape)), wrap(np.ones(4)), wrap(np.zeros(4)))


@pytest.mark.exercise("transformers.layer_norm_rule")
class TestLayerNormRule:
    NOTE = (np.array([[5.0, -3, -1, -1]]) / 3, np.array([[1 / 3]]))

    def test_by_hand(self):
        got = layer_norm_rule(np.array([[1.0, 0, 0, 0]]), np.ones(4), self.NOTE)[0]
        near(got, np.array([[1, 3, -2, -2]]) / 54)

    @given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds)
    @settings(deadline=None, max_examples=25)
    def test_the_nudge_agrees(self, shape, seed):
        x = normal(*shape, seed=seed)
        weight, bias = normal(shape[-1], seed=seed + 1), normal(shape[-1], seed=seed + 2)
        gradcheck(lambda *t: layer_norm(*t, 0.1), [wrap(x), wrap(weight), wrap(bias)])

    @pytest.mark.parametrize("i", [0, 1, 2])
    def test_one_input_alone(self, i):
        arrays = [normal(3, 4), normal(4, seed=1), normal(4, seed=2)]

        def function(t):
            inputs = [wrap(a) for a in arrays]
            inputs[i] = t
            return layer_norm(*inputs)

        gradcheck(function, [wrap(arrays[i])])

    def test_no_part_along_ones_nor_along_the_norm(self):
        normed, inverse = layer_norm.on_arrays(normal(5, 8), np.ones(8), np.zeros(8), 0.0)[1]
        g = normal(5, 8, seed=1)
        got = layer_norm_rule(g, normal(8, seed=2), (normed, inverse))[0]
        near(got.sum(axis=-1), np.zeros(5))
        near((got * normed).sum(axis=-1), np.zeros(5))

    def test_it_goes_on_through_the_graph(self):
        x = Tensor(wrap(normal(2, 4)), requires_grad=True)
        weight, bias = wrap(normal(4, seed=1)), wrap(normal(4, seed=2))
        gradcheck(lambda t: layer_norm(t * t, weight, bias).exp(), [x])

    def test_what_it_is_given_stays(self):
        g, weight, note = normal(1, 4), normal(4, seed=1), tuple(a.copy() for a in self.NOTE)
        before = [a.copy() for a in (g, weight, *note)]
        layer_norm_rule(g, weight, note)
        assert all(np.array_equal(a, b) for a, b in zip((g, weight, *note), before))

    def test_float32_stays(self):
        leaves = [
            Tensor(a, requires_grad=True) for a in (normal(2, 3, 4), normal(4), normal(4, seed=1))
        ]
        layer_norm(*leaves).sum().backward()
        assert [leaf.grad.dtype for leaf in leaves] == [np.float32] * 3
        assert [leaf.grad.shape for leaf in leaves] == [(2, 3, 4), (4,), (4,)]

    def test_the_input_is_not_kept(self):
        x = Tensor(normal(2, 4), requires_grad=True)
        kept = layer_norm(
            x * 1, wrap(np.ones(4, np.float32)), wrap(np.zeros(4, np.float32))
        ).made_by.kept
        assert set(kept) == {"weight", "note"}


@pytest.mark.exercise("transformers")
def test_layer_norm_layer():
    layer = LayerNorm(6, eps=0.25)
    assert repr(layer) == "LayerNorm(6, eps=0.25)"
    assert {name: p.shape for name, p in layer.named_parameters()} == {"weight": (6,), "bias": (6,)}
    x = normal(2, 3, 6, dtype=np.float32)
    near(
        layer(wrap(x)),
        (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.25),
        1e-6,
    )
    with pytest.raises(ValueError, match=r"x of shape \(2, 5\) .*LayerNorm"):
        layer(wrap(np.ones((2, 5), np.float32)))


# -- MLP
def gelu_by_definition(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def mlp_by_definition(mlp, x, bend=gelu_by_definition):
    inside = bend(x @ mlp.widen.weight.array.T + mlp.widen.bias.array)
    return inside @ mlp.narrow.weight.array.T + mlp.narrow.bias.array


@pytest.mark.exercise("transformers.MLP.forward")
class TestMLP:
    @given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds)
    @settings(deadline=None, max_examples=20)
    def test_widen_bend_narrow(self, shape, seed):
        mlp, x = randomised(MLP(shape[-1]), seed), normal(*shape, seed=seed + 1)
        near(mlp(wrap(x)), mlp_by_definition(mlp, x), 1e-10)

    def test_sizes(self):
        mlp = MLP(6)
        assert (mlp.widen.weight.shape, mlp.narrow.weight.shape) == ((24, 6), (6, 24))
        assert MLP(6, 10).widen.weight.shape == (10, 6)
        assert MLP(6, 10)(wrap(np.ones((2, 6), np.float32))).shape == (2, 6)

    @given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds)
    @settings(deadline=None, max_examples=20)
    def test_the_bend_of_2017(self, shape, seed):
        mlp = randomised(MLP(shape[-1], activation="relu"), seed)
        x = normal(*shape, seed=seed + 1)
        want = mlp_by_definition(mlp, x, lambda inside: np.maximum(inside, 0))
        near(mlp(wrap(x)), want, 1e-10)

    def test_every_token_by_itself(self):
        mlp, x = randomised(MLP(4)), normal(2, 5, 4)
        changed = x.copy()
        changed[1, 3] += 1
        same = (mlp(wrap(x)).array == mlp(wrap(changed)).array).all(axis=-1)
        assert same.sum() == 9 and not same[1, 3]

    def test_without_biases_it_is_as_with_biases_of_zero(self):
        plain, twin = randomised(MLP(3, bias=False)), randomised(MLP(3))
        weights = {name: tensor.array for name, tensor in plain.state_dict().items()}
        for name, parameter in twin.named_parameters():
            parameter.array[...] = weights.get(name, 0)
        x = wrap(normal(2, 3))
        near(plain(x), twin(x))

    def test_gradients_reach_all_parameters(self):
        mlp = randomised(MLP(3))
        mlp(wrap(normal(2, 3))).sum().backward()
        assert all(np.abs(p.grad.array).sum() > 0 for p in mlp.parameters())


@pytest.mark.exercise("transformers")
class TestActivation:
    def test_gelu_unless_asked_otherwise(self):
        assert MLP(4).activation is gelu
        assert TransformerBlock(4, 2).mlp.activation is gelu
        assert all(block.mlp.activation is gelu for block in tiny().blocks)

    def test_the_block_and_the_gpt_hand_it_on(self):
        assert TransformerBlock(4, 2, activation="relu").mlp.activation is relu
        assert all(block.mlp.activation is relu for block in tiny(activation="relu").blocks)

    def test_it_is_no_part_of_the_state(self):
        one, other = TransformerBlock(4, 2, activation="relu"), TransformerBlock(4, 2)
        assert list(one.state_dict()) == list(other.state_dict())

    @pytest.mark.parametrize("activation", ["gelu", "relu"])
    def test_a_copy_computes_the_same(self, activation):
        model = tiny(activation=activation)
        for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert np.array_equal(copied(ids(2, 3)).array, model(ids(2, 3)).array)

    @pytest.mark.parametrize("make", [MLP, lambda d, **how: TransformerBlock(d, 2, **how)])
    def test_another_name_is_refused(self, make):
        with pytest.raises(ValueError, match="activation is 'gelu' or 'relu', not 'tanh'"):
            make(4, activation="tanh")

    def test_an_unknown_setting_of_the_blocks_is_refused(self):
        with pytest.raises(TypeError, match="norm_fist"):
            tiny(norm_fist=False)


# -- block
def block_by_definition(block, x, mask):
    """With the block's own attention, and norm and MLP in NumPy."""

    def norm(layer, x):
        return (
            layer.weight.array
            * (x - x.mean(-1, keepdims=True))
            / np.sqrt(x.var(-1, keepdims=True) + layer.eps)
            + layer.bias.array
        )

    def attend(x):
        return block.attention(wrap(x), mask=mask).array

    if block.norm_first:
        x = x + attend(norm(block.norm1, x))
        return x + mlp_by_definition(block.mlp, norm(block.norm2, x))
    x = norm(block.norm1, x + attend(x))
    return norm(block.norm2, x + mlp_by_definition(block.mlp, x))


@pytest.mark.exercise("transformers.TransformerBlock.forward")
class TestBlock:
    @pytest.mark.parametrize("norm_first", [True, False])
    @pytest.mark.parametrize("masked", [True, False])
    @given(B=sizes, T=sizes, heads=st.integers(1, 3), seed=seeds)
    @settings(deadline=None, max_examples=12)
    def test_pre_and_post(self, norm_first, masked, B, T, heads, seed):
        block = randomised(TransformerBlock(2 * heads, heads, norm_first=norm_first), seed)
        x, mask = normal(B, T, 2 * heads, seed=seed), causal_mask(T) if masked else None
        near(block(wrap(x), mask), block_by_definition(block, x, mask), 1e-9)
        near(block(wrap(x), mask=mask), block_by_definition(block, x, mask), 1e-9)

    def test_pre_norm_is_the_default(self):
        assert TransformerBlock(4, 2).norm_first is True

    def test_a_silent_block_changes_nothing(self):
        block = randomised(TransformerBlock(4, 2))
        for layer in (block.attention.output, block.mlp.narrow):
            layer.weight.array[...] = layer.bias.array[...] = 0
        x = normal(1, 3, 4)
        assert np.array_equal(block(wrap(x)).array, x)

    @pytest.mark.parametrize("norm_first", [True, False])
    def test_dropout_thins_what_is_added(self, norm_first):
        block = randomised(TransformerBlock(4, 2, dropout=1.0, norm_first=norm_first))
        x = normal(1, 3, 4)
        want = wrap(x) if norm_first else block.norm2(block.norm1(wrap(x)))
        near(block(wrap(x)), want)
        with pytest.raises(AssertionError):
            near(block.eval()(wrap(x)), want)

    @pytest.mark.parametrize("part", ["attention", "mlp"])
    def test_both_additions_are_thinned(self, part):
        block = randomised(TransformerBlock(64, 2))
        other = block.mlp.narrow if part == "attention" else block.attention.output
        other.weight.array[...] = other.bias.array[...] = 0
        block.dropout.p = 0.5
        x = normal(1, 4, 64)
        untouched = (block(wrap(x)).array == x).mean()
        assert 0.35 < untouched < 0.65

    def test_each_addition_is_thinned_by_a_draw_of_its_own(self):
        block = TransformerBlock(64, 2)
        for layer in (block.attention.output, block.mlp.narrow):  # each adds 1 everywhere
            layer.weight.array[...], layer.bias.array[...] = 0, 1
        block.dropout.p = 0.5
        added = block(Tensor(np.zeros((1, 16, 64)))).array.round(3)  # 0, 2 or 4
        assert 0.4 < (added == 2).mean() < 0.6

    @pytest.mark.parametrize("norm_first", [True, False])
    def test_gradients(self, norm_first):
        block = randomised(TransformerBlock(4, 2, norm_first=norm_first))
        gradcheck(lambda x: block(x, causal_mask(3)), [wrap(normal(2, 3, 4))])
        block(wrap(normal(2, 3, 4))).exp().sum().backward()
        # the key's bias moves all scores of a query alike, so it has no gradient
        assert all(p.grad is not None for p in block.parameters())

    def test_names_and_sizes(self):
        block = TransformerBlock(8, 2, hidden_dim=10)
        names = [name for name, _ in block.named_children()]
        assert names == ["norm1", "attention", "norm2", "mlp", "dropout"]
        assert block.mlp.widen.weight.shape == (10, 8)
        with pytest.raises(ValueError, match="embed_dim=8 .* num_heads=3"):
            TransformerBlock(8, 3)


# -- GPT
def gpt_by_definition(model, row):
    """The logits of one text, (T, V)."""
    x = (model.embed.tokens.weight.array[row] + model.embed.positions.weight.array[: len(row)])[
        None
    ]
    for block in model.blocks:
        x = block_by_definition(block, x, causal_mask(len(row)))
    x = model.norm(wrap(x)).array
    return (x @ model.head.weight.array.T + model.head.bias.array)[0]


@pytest.mark.exercise("transformers.GPT.forward")
class TestGPT:
    @given(B=sizes, T=sizes, layers=st.integers(1, 3), norm_first=st.booleans(), seed=seeds)
    @settings(deadline=None, max_examples=25)
    def test_logits(self, B, T, layers, norm_first, seed):
        model = randomised(tiny(num_layers=layers, norm_first=norm_first), seed)
        text = ids(B, T, seed=seed)
        got = model(text)
        assert got.shape == (B, T, 11)
        near(got, np.stack([gpt_by_definition(model, row) for row in text.array]), 1e-9)

    @given(
        B=st.integers(1, 3),
        T=st.integers(2, 9),
        seed=seeds,
        heads=st.sampled_from([1, 2, 4]),
        layers=st.integers(1, 3),
        norm_first=st.booleans(),
        data=st.data(),
    )
    @settings(deadline=None, max_examples=40)
    def test_the_future_does_not_leak(self, B, T, seed, heads, layers, norm_first, data):
        manual_seed(seed)
        model = tiny(num_heads=heads, num_layers=layers, norm_first=norm_first).initialise(0.5)
        t = data.draw(st.integers(1, T - 1))
        text, changed = ids(B, T, seed=seed).array, ids(B, T, seed=seed).array
        changed[:, t] = (changed[:, t] + 1) % 11
        before, after = model(wrap(text)).array, model(wrap(changed)).array
        assert np.array_equal(before[:, :t], after[:, :t])
        assert not np.array_equal(before[:, t:], after[:, t:])

    @pytest.mark.parametrize(
        ("B", "T", "D", "H"), [(4, 128, 64, 4), (2, 65, 48, 4), (1, 31, 32, 8)]
    )
    def test_the_future_does_not_leak_at_working_sizes(self, B, T, D, H):
        manual_seed(0)
        model = GPT(68, D, H, 2, T).initialise(0.2)
        text = ids(B, T, high=68).array
        changed = text.copy()
        changed[:, T // 2 :] = (changed[:, T // 2 :] + 1) % 68
        before, after = model(wrap(text)).array, model(wrap(changed)).array
        assert np.array_equal(before[:, : T // 2], after[:, : T // 2])

    def test_the_first_token_is_seen_by_the_last_place(self):
        model = randomised(tiny())
        text, changed = ids(1, 9).array, ids(1, 9).array
        changed[0, 0] += 1
        assert (
            np.abs(model(wrap(text)).array[0, -1] - model(wrap(changed)).array[0, -1]).max() > 1e-6
        )

    def test_order_matters(self):
        model = randomised(tiny())
        there, back = model(Tensor([[1, 2, 3]])).array, model(Tensor([[2, 1, 3]])).array
        assert np.abs(there[0, -1] - back[0, -1]).max() > 1e-6

    def test_every_parameter_gets_a_gradient(self):
        model, text = randomised(tiny()), ids(2, 9)
        cross_entropy(model(text), ids(2, 9, seed=1)).backward()
        silent = {name for name, p in model.named_parameters() if p.grad is None}
        assert not silent
        weak = {n for n, p in model.named_parameters() if np.abs(p.grad.array).max() < 1e-9}
        assert weak <= {
            f"blocks.{i}.attention.key.bias" for i in range(2)
        }  # moves all scores alike

    def test_a_batch_is_learnt_by_heart(self):
        manual_seed(0)
        model, x, y = tiny(), ids(3, 9), ids(3, 9, seed=1)
        optimizer = Adam(model.parameters(), lr=1e-2)
        for _ in range(100):
            loss = cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.05

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((2, 10), "10 tokens exceed max_length=9: cut the text, in GPT"),
            ((2, 0), "the text is empty: give at least one token"),
            ((4,), r"ids \(4,\) are not \(B, T\): a single text is a batch of one"),
            ((1, 2, 3), r"ids \(1, 2, 3\) are not \(B, T\)"),
        ],
    )
    def test_what_cannot_be_read_is_refused(self, shape, message):
        with pytest.raises(ValueError, match=message) as caught:
            tiny()(ids(*shape))
        assert "\n" not in str(caught.value)

    def test_an_unknown_token_is_refused(self):
        with pytest.raises(IndexError):
            tiny()(Tensor([[11]]))

    def test_float32_throughout(self):
        assert tiny()(ids(1, 3)).dtype == np.float32


@pytest.mark.exercise("transformers")
class TestStart:
    def test_the_default_model_has_167_044_parameters(self):
        assert GPT(vocab_size=68).num_parameters() == 167_044

    @pytest.mark.parametrize(
        ("V", "D", "L", "T"), [(5, 8, 1, 4), (65, 32, 2, 16), (68, 64, 3, 128)]
    )
    def test_the_formula_counts(self, V, D, L, T):
        want = L * (12 * D * D + 13 * D) + (V + T) * D + 2 * D + D * V + V
        assert GPT(V, D, 4, L, T).num_parameters() == want

    def test_names(self):
        block = [
            "norm1.weight",
            "norm1.bias",
            *(
                f"attention.{n}.{p}"
                for n in ("query", "key", "value", "output")
                for p in ("weight", "bias")
            ),
            "norm2.weight",
            "norm2.bias",
            *(f"mlp.{n}.{p}" for n in ("widen", "narrow") for p in ("weight", "bias")),
        ]
        assert [name for name, _ in tiny().named_parameters()] == [
            "embed.tokens.weight",
            "embed.positions.weight",
            *(f"blocks.{i}.{name}" for i in range(2) for name in block),
            "norm.weight",
            "norm.bias",
            "head.weight",
            "head.bias",
        ]

    def test_weights_are_small_and_writers_smaller(self):
        manual_seed(0)
        model = GPT(vocab_size=80, embed_dim=64, num_heads=4, num_layers=8, max_length=64)
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                assert (parameter.array == (0 if name.endswith("bias") else 1)).all(), name
                continue
            writer = name.endswith(("attention.output.weight", "mlp.narrow.weight"))
            want = 0.02 / math.sqrt(16) if writer else 0.02
            assert abs(parameter.array.std() / want - 1) < 0.05, name
            assert abs(parameter.array.mean()) < want / 10, name

    @pytest.mark.parametrize("V", [10, 68, 300])
    @pytest.mark.parametrize("layers", [1, 6])
    @pytest.mark.parametrize("norm_first", [True, False])
    def test_the_first_loss_is_ln_V(self, V, layers, norm_first):
        manual_seed(1)
        model = GPT(V, 64, 4, layers, 32, norm_first=norm_first)
        loss = cross_entropy(model(ids(8, 32, high=V)), ids(8, 32, seed=1, high=V)).item()
        assert abs(loss - math.log(V)) < 0.1

    def test_one_seed_one_model(self):
        def numbers(seed):
            manual_seed(seed)
            return np.concatenate([p.array.ravel() for p in tiny().parameters()])

        assert np.array_equal(numbers(3), numbers(3))
        assert not np.array_equal(numbers(3), numbers(4))

    def test_initialise_starts_anew_with_another_size(self):
        model = randomised(tiny(embed_dim=64)).initialise(std=0.3)
        assert abs(model.head.weight.array.std() - 0.3) < 0.03
        assert (model.norm.weight.array == 1).all() and (model.norm.bias.array == 0).all()

    def test_it_survives_a_round_trip_through_its_state(self):
        manual_seed(0)
        one, other = tiny(), tiny()
        other.load_state_dict(one.state_dict())
        near(other(ids(2, 5)), one(ids(2, 5)), 0)

    @pytest.mark.parametrize(
        "wrong", [{"vocab_size": 0}, {"num_layers": 0}, {"max_length": 0}, {"embed_dim": 0}]
    )
    def test_a_size_below_1_is_refused(self, wrong):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .* at least 1, not 0"):
            tiny(**wrong)

    def test_dropout_reaches_every_place_and_only_in_training(self):
        model = tiny(dropout=0.5)
        drops = [module.p for module in model.modules() if isinstance(module, Dropout)]
        assert len(drops) == 5 and set(drops) == {0.5}  # the embedding; attention and block, twice
        text = ids(1, 9)
        assert not np.array_equal(model(text).array, model(text).array)
        model.eval()
        assert np.array_equal(model(text).array, model(text).array)

    def test_tiny_gpt(self):
        model = TinyGPT(vocab_size=65)
        assert isinstance(model, GPT) and model.num_parameters() == 826_433
        assert (len(model.blocks), model.blocks[0].attention.num_heads, model.max_length) == (
            4,
            8,
            128,
        )
        small = TinyGPT(vocab_size=20, embed_dim=16, num_heads=2, num_layers=2, max_length=12)
        assert small(ids(2, 12)).shape == (2, 12, 20)
        with pytest.raises(TypeError):
            TinyGPT(vocab_size=20, dropout=0.1)


# -- filters
@pytest.mark.exercise("transformers.top_k_filter")
class TestTopK:
    LOGITS = np.array([0.3, -1.2, 2.1, 0.7, -0.4, 1.9, -2.5, 0.0])

    def test_golden(self):
        """What the TopKLogitsWarper of transformers 5.23 gives."""
        near(top_k_filter(self.LOGITS, 3), [GONE, GONE, 2.1, 0.7, GONE, 1.9, GONE, GONE])

    @given(shape=st.lists(sizes, min_size=1, max_size=3), k=st.integers(1, 8), seed=seeds)
    @settings(deadline=None, max_examples=40)
    def test_the_k_best_of_every_row_stay(self, shape, k, seed):
        logits = normal(*shape, seed=seed)
        got = top_k_filter(logits, k)
        for row, old in zip(got.reshape(-1, shape[-1]), logits.reshape(-1, shape[-1])):
            best = sorted(range(len(old)), key=lambda i: -old[i])[:k]
            near(row, [old[i] if i in best else GONE for i in range(len(old))], 0)

    def test_equals_share_one_fate(self):
        near(top_k_filter(np.array([[1.0, 2, 2, 2, 0]]), 2), [[GONE, 2, 2, 2, GONE]])
        near(top_k_filter(np.array([[1.0, 2, 2, 2, 0]]), 1), [[GONE, 2, 2, 2, GONE]])

    def test_more_than_there_are(self):
        near(top_k_filter(self.LOGITS, 100), self.LOGITS)

    def test_what_was_gone_stays_gone(self):
        near(top_k_filter(np.array([GONE, 1.0, GONE, 2.0]), 3), [GONE, 1.0, GONE, 2.0])

    def test_dtype_and_input(self):
        logits = self.LOGITS.astype(np.float32)
        before = logits.copy()
        assert top_k_filter(logits, 2).dtype == np.float32
        assert np.array_equal(logits, before)

    @pytest.mark.parametrize("k", [0, -1])
    def test_k_below_1_is_refused(self, k):
        with pytest.raises(ValueError, match=f"top_k is a whole number of at least 1, not {k}"):
            top_k_filter(self.LOGITS, k)


@pytest.mark.exercise("transformers.top_p_filter")
class TestTopP:
    LOGITS = TestTopK.LOGITS / 1.5

    @pytest.mark.parametrize(
        ("p", "kept"), [(0.0, [2]), (0.5, [2, 5]), (0.8, [0, 2, 3, 5]), (0.95, [0, 2, 3, 4, 5, 7])]
    )
    def test_golden(self, p, kept):
        """What the TopPLogitsWarper of transformers 5.23 gives."""
        want = [x if i in kept else GONE for i, x in enumerate(self.LOGITS)]
        near(top_p_filter(self.LOGITS, p), want, 0)

    @given(shape=st.lists(sizes, min_size=1, max_size=3), p=st.floats(0.01, 0.99), seed=seeds)
    @settings(deadline=None, max_examples=60)
    def test_the_smallest_set_that_reaches_p(self, shape, p, seed):
        logits = 3 * normal(*shape, seed=seed)
        got = top_p_filter(logits, p)
        for row, old in zip(got.reshape(-1, shape[-1]), logits.reshape(-1, shape[-1])):
            shares = np.exp(old - old.max()) / np.exp(old - old.max()).sum()
            stays = np.isfinite(row)
            assert np.array_equal(row[stays], old[stays])
            assert shares[stays].sum() > p - 1e-9
            assert shares[stays].sum() - shares[stays].min() < p + 1e-9  # without the crossing one
            if not stays.all():
                assert shares[~stays].max() <= shares[stays].min()

    def test_at_least_one_stays(self):
        near(top_p_filter(np.array([[0.0, 1.0], [5.0, 1.0]]), 0.0), [[GONE, 1], [5, GONE]])

    def test_1_keeps_all_even_the_tiny(self):
        logits = np.array([0.0, -20, -30, -40], dtype=np.float32)
        near(top_p_filter(logits, 1.0)[:2], logits[:2])
        near(top_p_filter(np.zeros((2, 5)), 1), np.zeros((2, 5)))

    def test_equals_share_one_fate(self):
        near(top_p_filter(np.array([0.0, 0.0, 0.0, -9.0]), 0.4), [0, 0, 0, GONE])
        near(top_p_filter(np.array([[1.0, 1.0, 0.0]]), 0.0), [[1, 1, GONE]])

    def test_a_constant_added_to_the_scores_changes_nothing(self):
        kept = np.isfinite(top_p_filter(self.LOGITS, 0.8))
        for constant in (500, 1000, -1000):
            assert np.array_equal(np.isfinite(top_p_filter(self.LOGITS + constant, 0.8)), kept)

    def test_after_another_filter(self):
        logits = top_k_filter(np.log(np.array([0.4, 0.3, 0.2, 0.1])), 2)
        assert np.isfinite(top_p_filter(logits, 0.5)).tolist() == [True, False, False, False]
        assert np.isfinite(top_p_filter(logits, 1.0)).tolist() == [True, True, False, False]

    def test_dtype_and_input(self):
        logits = self.LOGITS.astype(np.float32)
        before = logits.copy()
        assert top_p_filter(logits, 0.5).dtype == np.float32
        assert np.array_equal(logits, before)

    @pytest.mark.parametrize("p", [-0.1, 1.1, math.nan])
    def test_no_share_is_refused(self, p):
        with pytest.raises(ValueError, match="a share of probability, from 0 to 1"):
            top_p_filter(self.LOGITS, p)


# -- pick_next
@pytest.mark.exercise("transformers.pick_next")
class TestPickNext:
    SHARES = np.array([0.05, 0.5, 0.15, 0.3])

    def draws(self, count=20_000, seed=0, **how):
        logits = np.broadcast_to(np.log(self.SHARES), (count, 4))
        picked = pick_next(logits, generator=Generator(seed), **how)
        assert picked.shape == (count,)
        return np.bincount(picked, minlength=4) / count

    @pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0, 1.7])
    def test_the_shares_of_a_temperature(self, temperature):
        want = self.SHARES ** (1 / temperature)
        near(self.draws(temperature=temperature), want / want.sum(), 0.015)

    def test_100_000_draws_are_as_probable_as_they_should(self):
        got, want = self.draws(100_000) * 100_000, self.SHARES * 100_000
        chi_squared = ((got - want) ** 2 / want).sum()
        assert chi_squared < 16.27  # 3 degrees of freedom, p = 0.001

    def test_filters(self):
        near(self.draws(top_k=2), [0, 0.625, 0, 0.375], 0.015)
        near(self.draws(top_p=0.85), np.array([0, 0.5, 0.15, 0.3]) / 0.95, 0.015)
        near(self.draws(top_k=3, top_p=0.5), np.array([0, 1, 0, 0]), 0)
        near(self.draws(top_k=1, temperature=5.0), np.array([0, 1, 0, 0]), 0)

    def test_top_k_comes_before_top_p(self):
        # of the two best, shares 0.625 and 0.375, p = 0.6 keeps one; of all four it would keep two
        near(self.draws(top_k=2, top_p=0.6), np.array([0, 1, 0, 0]), 0)

    def test_the_temperature_comes_before_top_p(self):
        assert self.draws(temperature=3.0, top_p=0.5)[3] > 0.2

    @given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds)
    @settings(deadline=None, max_examples=25)
    def test_temperature_0_is_the_argmax(self, shape, seed):
        logits = normal(*shape, seed=seed)
        got = pick_next(logits, 0, top_k=1, top_p=0.3)
        assert np.shape(got) == tuple(shape[:-1])
        assert np.array_equal(got, logits.argmax(axis=-1))
        assert np.array_equal(got, pick_next(logits, 1e-4, generator=Generator(0)))

    def test_one_seed_one_draw(self):
        logits = normal(50, 9)
        one, same, other = (pick_next(logits, generator=Generator(s)) for s in (1, 1, 2))
        assert np.array_equal(one, same) and not np.array_equal(one, other)

    def test_without_a_generator_manual_seed_rules(self):
        logits = normal(50, 9)
        manual_seed(5)
        one, next_ = pick_next(logits), pick_next(logits)
        manual_seed(5)
        assert np.array_equal(pick_next(logits), one) and not np.array_equal(one, next_)

    def test_a_given_generator_leaves_the_other_alone(self):
        manual_seed(5)
        want = pick_next(normal(50, 9))
        manual_seed(5)
        pick_next(normal(50, 9), generator=Generator(1))
        assert np.array_equal(pick_next(normal(50, 9)), want)

    def test_impossible_tokens_are_never_picked(self):
        logits = np.broadcast_to([0.0, GONE, 0.0, GONE], (2000, 4))
        assert set(pick_next(logits, generator=Generator(0)).tolist()) == {0, 2}

    def test_ids_are_whole_numbers_and_the_input_stays(self):
        logits = normal(3, 4, dtype=np.float32)
        before = logits.copy()
        assert pick_next(logits, 0.7, 2, 0.9).dtype == np.int64
        assert np.array_equal(logits, before)

    @pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf])
    def test_a_bad_temperature_is_refused(self, temperature):
        with pytest.raises(ValueError, match="temperature is at least 0"):
            pick_next(normal(4), temperature)

    @pytest.mark.parametrize("temperature", [0, 1.0])
    def test_nan_is_refused(self, temperature):
        with pytest.raises(ValueError, match="the logits hold nan"):
            pick_next(np.array([0.0, np.nan]), temperature)

    def test_the_filters_refuse(self):
        with pytest.raises(ValueError, match="top_k"):
            pick_next(normal(4), top_k=0)
        with pytest.raises(ValueError, match="top_p"):
            pick_next(normal(4), top_p=2)


# -- generate
class Counting(Module):
    """Its best guess is the number after the last one; it notes how it was called."""

    max_length = 4

    def __init__(self, fail_at=None):
        self.inside, self.frozen = Dropout(0.5), Linear(2, 2).eval()
        self.seen, self.fail_at = [], fail_at

    def forward(self, ids):
        self.seen.append((ids.array.copy(), self.inside.training, recording()))
        if len(self.seen) == self.fail_at:
            raise RuntimeError("on purpose")
        logits = np.zeros((*ids.shape, 10), dtype=np.float32)
        np.put_along_axis(logits, (ids.array[..., None] + 1) % 10, 5.0, axis=-1)
        return wrap(logits)


class Shifted(MLP):
    """It looks at the token before, as RWKV does."""

    def forward(self, x):
        return super().forward(x + cat([x[:, :1] * 0, x[:, :-1]], 1))


class Plain(Module):
    """An attention that knows no source."""

    def forward(self, x, mask=None):
        return x + x.mean(1, keepdim=True)


CHANGES = {
    "hook": lambda model, block: block.mlp.register_forward_hook(lambda *told: None),
    "hook before": lambda model, block: block.attention.register_forward_pre_hook(
        lambda module, given: None
    ),
    "patched": lambda model, block: vars(model).update(
        forward=lambda ids, usual=model.forward: usual(ids) * -1
    ),
    "mlp": lambda model, block: vars(block).update(mlp=Shifted(8).double()),
    "attention": lambda model, block: vars(block).update(attention=Plain()),
    "head": lambda model, block: vars(model.head).update(forward=lambda x: x - x.mean(1, True)),
}


@pytest.mark.exercise("transformers")
class TestForLastToken:
    """Given: a model that computes what its last guess needs, and that a learner need not use."""

    @pytest.mark.parametrize("norm_first", [True, False])
    def test_the_last_guess_is_the_same_and_only_its_token_is_computed(
        self, norm_first, monkeypatch
    ):
        model, text, seen = tiny(norm_first=norm_first).initialise(0.5).double(), ids(2, 5), []
        want, usual = model(text).array[:, -1:], MLP.forward
        counted = lambda mlp, x: seen.append(x.shape[1]) or usual(mlp, x)  # noqa: E731
        monkeypatch.setattr(MLP, "forward", counted)
        near(for_last_token(model)(text), want)
        assert seen == [5] * (len(model.blocks) - 1) + [1]
        assert model(text).shape[1] == 5, "the model was left changed"

    @pytest.mark.parametrize("spelling", ["named", "by place"])
    def test_a_learner_may_spell_it_otherwise(self, spelling, monkeypatch):
        """The source named, or its place left empty; a mask for all texts and heads at once."""
        model, text = tiny().initialise(0.5).double(), ids(2, 5)
        want = model(text).array[:, -1:]

        def whole(model, ids):
            x, mask = model.embed(ids), causal_mask(ids.shape[1])[None, None]
            for one in model.blocks:
                x = one(x, mask)
            return model.head(model.norm(x))

        def forward(block, x, mask):
            heard = block.norm1(x)
            named = {"source": heard, "mask": mask, "is_causal": False}
            given = (None, mask, None, False) if spelling == "by place" else ()
            x = x + block.attention(heard, *given, **({} if given else named))
            return x + block.mlp(block.norm2(x))

        monkeypatch.setattr(TransformerBlock, "forward", forward)
        monkeypatch.setattr(GPT, "forward", whole)
        near(for_last_token(model)(text), want)

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_changed_part_sees_the_whole_text(self, change):
        """It may mix the tokens, or know its place: then no token can be left out."""
        model, text = tiny().initialise(0.5).double(), ids(2, 5)
        CHANGES[change](model, model.blocks[-1])
        assert for_last_token(model) is model
        near(generate(model, text, 1, 0).array[:, -1], model(text).array[:, -1].argmax(axis=-1))

    def test_several_threads_write_with_one_model(self):
        model = tiny().initialise(0.5).eval()
        prompts = [[[n, n + 1]] for n in range(8)]
        want = [generate(model, prompt, 20, 0).tolist() for prompt in prompts]
        with ThreadPoolExecutor(4) as pool:
            got = pool.map(lambda prompt: generate(model, prompt, 20, 0).tolist(), prompts)
            shapes = {model(wrap(np.array([[1, 2, 3]]))).shape for _ in range(50)}
            assert (list(got), shapes) == (want, {(1, 3, model.head.weight.shape[0])})


@pytest.mark.exercise("transformers.generate")
class TestGenerate:
    @given(B=sizes, T=st.integers(1, 12), n=st.integers(0, 12), seed=seeds)
    @settings(deadline=None, max_examples=25)
    def test_greedy_is_the_loop_by_hand(self, B, T, n, seed):
        manual_seed(seed)
        model = tiny().initialise(0.5)
        prompt = ids(B, T, seed=seed)
        want = prompt.array
        for _ in range(n):
            new = model(wrap(want[:, -9:])).array[:, -1].argmax(axis=-1)
            want = np.concatenate([want, new[:, None]], axis=1)
        got = generate(model, prompt, n, temperature=0)
        assert np.array_equal(got.array, want)

    @pytest.mark.parametrize("form", [list, np.array, Tensor])
    def test_prompts_come_as_lists_arrays_and_tensors(self, form):
        got = generate(Counting(), form([[2, 5], [7, 0]]), 3, temperature=0)
        assert isinstance(got, Tensor) and got.dtype == np.int64
        assert got.tolist() == [[2, 5, 6, 7, 8], [7, 0, 1, 2, 3]]

    def test_the_last_place_counts(self):
        assert generate(Counting(), [[2, 5]], 1, temperature=0).tolist() == [[2, 5, 6]]

    def test_the_window_is_the_context(self):
        model = Counting()
        got = generate(model, [[9, 8, 7, 3, 4, 5]], 2, temperature=0)
        assert [window.tolist() for window, *_ in model.seen] == [[[7, 3, 4, 5]], [[3, 4, 5, 6]]]
        assert got.tolist() == [[9, 8, 7, 3, 4, 5, 6, 7]]

    def test_a_short_text_is_read_whole(self):
        model = Counting()
        generate(model, [[1]], 5, temperature=0)
        assert [window.shape[1] for window, *_ in model.seen] == [1, 2, 3, 4, 4]

    def test_eval_mode_and_unrecorded(self):
        model = Counting()
        generate(model, [[1]], 3)
        assert all(not training and not recorded for _, training, recorded in model.seen)

    @pytest.mark.parametrize("training", [True, False])
    @pytest.mark.parametrize("fail_at", [None, 2])
    def test_the_mode_comes_back(self, training, fail_at):
        model = Counting(fail_at)
        model.inside.train(training)
        if fail_at:
            with pytest.raises(RuntimeError, match="on purpose"):
                generate(model, [[1]], 3)
        else:
            generate(model, [[1]], 3)
        modes = (model.training, model.inside.training, model.frozen.training, recording())
        assert modes == (True, training, False, True)

    def test_dropout_plays_no_part(self):
        manual_seed(0)
        model = tiny(dropout=0.5).initialise(0.5)
        one, other = (generate(model, [[1, 2, 3]], 10, temperature=0).tolist() for _ in range(2))
        assert one == other and model.training

    @pytest.mark.parametrize("stop", [7, [7], (7,), {7}, np.array([7]), Tensor([7]), np.int64(7)])
    def test_stop(self, stop):
        assert generate(Counting(), [[5]], 9, 0, stop=stop).tolist() == [[5, 6, 7]]

    def test_each_row_ends_by_itself(self):
        model = Counting()
        got = generate(model, [[5], [1], [6]], 9, 0, stop=[7, 4])
        assert got.tolist() == [[5, 6, 7, 7], [1, 2, 3, 4], [6, 7, 7, 7]]
        assert len(model.seen) == 3

    def test_a_row_without_stop_goes_to_the_limit(self):
        assert generate(Counting(), [[5], [8]], 4, 0, stop=7).tolist() == [
            [5, 6, 7, 7, 7],
            [8, 9, 0, 1, 2],
        ]

    def test_a_stop_in_the_prompt_ends_nothing(self):
        assert generate(Counting(), [[7, 1, 7]], 2, 0, stop=7).tolist() == [[7, 1, 7, 8, 9]]

    def test_no_new_tokens(self):
        model = Counting()
        prompt = Tensor([[1, 2]])
        got = generate(model, prompt, 0)
        assert got.tolist() == [[1, 2]] and not model.seen
        assert not np.may_share_memory(got.array, prompt.array)

    def test_the_prompt_is_not_changed(self):
        prompt = np.array([[1, 2]])
        generate(Counting(), prompt, 3, stop=3)
        assert prompt.tolist() == [[1, 2]]

    def test_the_settings_arrive(self):
        def text(**how):
            return generate(Counting(), [[1]], 30, generator=Generator(0), **how).array[0, 1:]

        counted = np.arange(2, 32) % 10
        assert not np.array_equal(text(temperature=3.0), counted)
        assert np.array_equal(text(temperature=3.0, top_k=1), counted)
        assert np.array_equal(text(temperature=3.0, top_p=0.05), counted)
        assert np.array_equal(text(temperature=3.0, top_k=5, top_p=0.05), counted)
        assert np.array_equal(text(temperature=3.0), text(temperature=3.0))

    def test_colder_is_less_varied(self):
        def entropy(temperature):
            manual_seed(0)
            model = tiny().initialise(0.5)
            text = generate(model, [[1]] * 20, 20, temperature, generator=Generator(0)).array[:, 1:]
            shares = np.array(list(Counter(text.ravel().tolist()).values())) / text.size
            return -(shares * np.log(shares)).sum()

        values = [entropy(t) for t in (0, 0.5, 1.0, 5.0)]
        assert all(a < b for a, b in itertools.pairwise(values)), values

    @pytest.mark.parametrize(
        ("prompt", "how", "error", "message"),
        [
            ([[]], {}, ValueError, "the text is empty: give at least one token"),
            ([], {}, ValueError, r"ids \(0,\) are not \(B, T\)"),
            ([1, 2], {}, ValueError, r"ids \(2,\) .*: a single text is a batch of one"),
            ([[1.5]], {}, TypeError, "whole numbers, and these are float64"),
            ([[1]], {"max_new_tokens": -1}, ValueError, "at least 0, not -1"),
            ([[1]], {"temperature": -1}, ValueError, "temperature is at least 0"),
            ([[1]], {"top_k": 0}, ValueError, "top_k is a whole number of at least 1, not 0"),
            ([[1]], {"top_p": 1.5}, ValueError, "from 0 to 1, not 1.5"),
            ([[1]], {"stop": "\n"}, TypeError, "stop is a token id or several"),
        ],
    )
    def test_bad_input_is_refused(self, prompt, how, error, message):
        model = Counting()
        with pytest.raises(error, match=message) as caught:
            generate(model, prompt, **{"max_new_tokens": 2, **how})
        assert "\n" not in str(caught.value)
        assert model.training and model.inside.training and recording()


@pytest.mark.exercise("transformers")
class TestStream:
    @pytest.mark.parametrize("stop", [None, [7, 4]])
    def test_the_same_tokens_as_generate(self, stop):
        how = {"temperature": 2.0, "stop": stop}
        prompt = [[5, 7], [1, 4]]
        whole = generate(Counting(), prompt, 9, generator=Generator(0), **how).array
        parts = list(stream(Counting(), prompt, 9, generator=Generator(0), **how))
        assert np.array_equal(np.stack(parts, axis=1), whole[:, 2:])

    def test_it_ends_when_all_rows_have(self):
        assert [t.tolist() for t in stream(Counting(), [[5], [6]], 9, 0, stop=7)] == [
            [6, 7],
            [7, 7],
        ]

    def test_between_two_tokens_the_model_is_itself(self):
        model = Counting()
        for _ in stream(model, [[5]], 3):
            assert model.inside.training and not model.frozen.training and recording()

    def test_methods(self):
        manual_seed(0)
        model = tiny().initialise(0.5)
        how = {"temperature": 0.8, "top_k": 5, "top_p": 0.9, "stop": 3}
        one = model.generate([[1, 2]], 12, generator=Generator(1), **how).array
        other = generate(model, [[1, 2]], 12, generator=Generator(1), **how).array
        parts = list(model.stream([[1, 2]], 12, generator=Generator(1), **how))
        assert np.array_equal(one, other) and np.array_equal(np.stack(parts, axis=1), one[:, 2:])

    def test_a_bad_prompt_is_refused(self):
        with pytest.raises(ValueError, match="the text is empty"):
            next(stream(Counting(), [[]], 3))


@pytest.mark.exercise("transformers.repetition_penalty_filter")
class TestRepetitionPenalty:
    LOGITS = np.array([[2.0, -1.0, 0.5, -3.0, 0.0], [4.0, -2.0, 1.0, 0.0, -0.5]])

    def test_by_hand(self):
        got = repetition_penalty_filter(self.LOGITS, np.array([[1, 0, 1], [4, 3, 2]]), 2.0)
        near(got, [[1, -2, 0.5, -3, 0], [4, -2, 0.5, 0, -1]])

    @given(B=sizes, V=sizes, T=sizes, penalty=st.floats(0.2, 5), seed=seeds)
    @settings(deadline=None, max_examples=40)
    def test_each_said_token_once(self, B, V, T, penalty, seed):
        logits, text = normal(B, V, seed=seed), ids(B, T, seed=seed, high=V).array
        want = [
            [
                z if v not in row else z * penalty if z < 0 else z / penalty
                for v, z in enumerate(scores)
            ]
            for scores, row in zip(logits.tolist(), text.tolist())
        ]
        near(repetition_penalty_filter(logits, text, penalty), want)

    def test_the_beginning_of_a_long_text_counts(self):
        got = repetition_penalty_filter(np.ones((1, 3)), np.array([[0] + [1] * 500]), 2.0)
        near(got, [[0.5, 0.5, 1]])

    def test_what_was_said_becomes_less_likely(self):
        logits, text = normal(3, 6), ids(3, 2, high=6).array
        got = repetition_penalty_filter(logits, text, 1.2)
        said = np.take_along_axis(got - logits, text, axis=1)
        assert (said < 0).all() and (got <= logits).all()

    def test_what_was_gone_stays_gone(self):
        got = repetition_penalty_filter(np.array([[GONE, 1.0]]), np.array([[0, 1]]), 2.0)
        near(got, [[GONE, 0.5]])

    def test_dtype_and_input(self):
        logits = self.LOGITS.astype(np.float32)
        before, text = logits.copy(), np.array([[0], [1]])
        got = repetition_penalty_filter(logits, text, 1.5)
        assert got.dtype == np.float32 and np.array_equal(logits, before)
        assert text.tolist() == [[0], [1]] and not np.may_share_memory(got, logits)


# ---------------------------------------------------------------- beams
@pytest.mark.exercise("transformers.beam_step")
class TestBeamStep:
    TABLE = np.array([[0.4, 0.3, 0.3], [0.05, 0.05, 0.9]])

    def test_by_hand(self):
        got = beam_step(np.log([[0.5, 0.4]]), np.log([self.TABLE]), 4)
        near(np.exp(got[0]), [[0.36, 0.2, 0.15, 0.15]])
        assert [part.tolist() for part in got[1:]] == [[[1, 0, 0, 0]], [[2, 0, 1, 2]]]

    @given(B=sizes, K=sizes, V=sizes, width=st.integers(1, 36), seed=seeds)
    @settings(deadline=None, max_examples=60)
    def test_the_best_of_all(self, B, K, V, width, seed):
        rng, width = np.random.default_rng(seed), min(width, K * V)
        scores = rng.integers(-3, 1, (B, K)).astype(float)  # many equals
        after = rng.integers(-3, 1, (B, K, V)).astype(float)
        totals, parents, tokens = beam_step(scores, after, width)
        for b in range(B):
            pairs = itertools.product(range(K), range(V))
            best = sorted((-(scores[b, k] + after[b, k, v]), k, v) for k, v in pairs)[:width]
            got = zip((-totals[b]).tolist(), parents[b].tolist(), tokens[b].tolist(), strict=True)
            assert list(got) == best

    def test_nearly_equal_is_not_equal(self):
        got = beam_step(np.zeros((1, 1)), np.array([[[-1 - 1e-9, -1.0, -2.0]]]), 2)
        assert got[2].tolist() == [[1, 0]]

    def test_impossible_ones_come_last(self):
        after = np.array([[[GONE, -1.0], [-2.0, GONE]]])
        totals, parents, tokens = beam_step(np.zeros((1, 2)), after, 4)
        near(totals, [[-1, -2, GONE, GONE]])
        assert parents.tolist() == [[0, 1, 0, 1]] and tokens.tolist() == [[1, 0, 0, 1]]

    def test_the_inputs_stay(self):
        scores, after = normal(2, 3), normal(2, 3, 4)
        copies = scores.copy(), after.copy()
        beam_step(scores, after, 2)
        assert np.array_equal(scores, copies[0]) and np.array_equal(after, copies[1])


class Told(Module):
    """A model that reads the probabilities of what follows a text from a table."""

    max_length = 50

    def __init__(self, table, V=3):
        self.table, self.V = table, V

    def forward(self, ids):
        even = (1 / self.V,) * self.V
        rows = [self.table.get("".join(map(str, row[1:])), even) for row in ids.array]
        with np.errstate(divide="ignore"):
            return wrap(np.log(rows)[:, None])  # (B, 1, V)


def told(table, n, K, **how):
    """The new tokens of all texts that beams find behind a prompt, and their values."""
    how = Settings(max_new_tokens=n, num_beams=K, **{"length_penalty": 0.0, **how})
    text, values = beam_search(WholeText(Told(table)), np.array([[0]]), how)
    return ["".join(map(str, row[1:])) for row in text], values[0].tolist()


def sum_of_logs(model, text, start):
    """The sum of the log-probabilities of text (N,) from place `start` on."""
    with no_grad():
        likely = log_softmax.on_arrays(model(wrap(text[None, :-1])).array[0], -1)
    return sum(likely[t - 1, text[t]] for t in range(start, len(text)))


@pytest.mark.exercise("transformers")
class TestBeamSearch:
    def test_what_greedy_misses(self):
        table = {"": (0.5, 0.4, 0.1), "0": (0.4, 0.3, 0.3), "1": (0.05, 0.05, 0.9)}
        text, values = told(table, 2, 2, num_return_sequences=2)
        assert text == ["12", "00"]
        near(np.exp(values), [0.36, 0.2])

    def test_beams_may_lose_to_greedy(self):
        """So a score at least that of the greedy text is no property of beams."""
        table = {"": (0.4, 0.35, 0.25), "0": (0.34, 0.33, 0.33), "1": (0.45, 0.45, 0.1)}
        table["00"] = (1, 0, 0)
        greedy = generate(Told(table), [[0]], 3, temperature=0).tolist()[0][1:]
        assert greedy == [0, 0, 0]
        (found,), (value,) = told(table, 3, 2)
        assert found == "100" and math.exp(value) < 0.06 < 0.4 * 0.34
        assert told(table, 3, 9)[0] == ["000"]

    @pytest.mark.parametrize("n", [1, 2, 3])
    @pytest.mark.parametrize("stop", [None, 2])
    @pytest.mark.parametrize("length_penalty", [0.0, 1.0])
    def test_as_wide_as_all_texts_it_is_exact(self, n, stop, length_penalty):
        V = 3
        for seed in range(6):
            manual_seed(seed)
            model = float64(GPT(V, 8, 2, 1, 9).initialise(0.8))
            prompt = ids(1, 2, seed=seed, high=V).array
            values = {}
            for tail in itertools.product(range(V), repeat=n):
                text = tail[: tail.index(stop) + 1] if stop in tail else tail
                value = sum_of_logs(model, np.array([*prompt[0], *text]), 2)
                values[text] = value / len(text) ** length_penalty
            how = {"num_beams": V**n, "stop": stop, "length_penalty": length_penalty}
            got = model.generate(prompt, n, early_stopping="never", **how).tolist()[0][2:]
            assert tuple(got) == max(values, key=values.get), values

    def test_no_two_beams_are_the_same_text(self):
        for seed in range(5):
            manual_seed(seed)
            model = tiny().initialise(0.5)
            how = {"num_beams": 4, "num_return_sequences": 4}
            text = model.generate(ids(2, 3, seed=seed), 6, stop=[1, 2], **how).tolist()
            for rows in (text[:4], text[4:]):
                assert len({tuple(row) for row in rows}) == 4

    def test_values_are_sums_of_log_probabilities(self):
        manual_seed(3)
        model = float64(tiny().initialise(0.5))
        prompt = ids(2, 3).array
        how = Settings(max_new_tokens=5, num_beams=3, length_penalty=2.0, num_return_sequences=3)
        with no_grad():
            text, values = beam_search(WholeText(model), prompt, how)
        want = [sum_of_logs(model, row, 3) / 25 for row in text]
        near(values.ravel(), want, 1e-10)
        assert (np.diff(values, axis=1) <= 0).all()

    def test_a_text_that_ends_waits_for_better_ones(self):
        table = {"": (0.3, 0.3, 0.4), "0": (0.0, 0.0, 1.0), "1": (1.0, 0.0, 0.0)}
        found = {
            penalty: told(table, 4, 2, stop=2, length_penalty=penalty, pad_token_id=9)[0]
            for penalty in (0.0, 5.0)
        }
        assert found == {0.0: ["2"], 5.0: ["1000"]} or found[0.0] == ["2"]
        assert len(found[5.0][0]) > 1

    def test_early_stopping(self):
        how = {"num_beams": 2, "max_new_tokens": 9, "length_penalty": 2.0}
        for early, closes in ((True, True), (False, False), ("never", False)):
            ended = EndedBeams(1, Settings(early_stopping=early, **how))
            ended.add(0, -1.0, np.array([0, 2]), 1)
            ended.close(np.array([-0.1]), 1)
            assert not ended.closed[0]  # one text is not two
            ended.add(0, -3.0, np.array([1, 2]), 1)
            ended.close(np.array([-0.9]), 1)
            assert ended.closed[0] == closes
            ended.close(np.array([-40.0]), 3)
            assert ended.closed[0] == (early != "never")  # -40 / 9 is worse, -40 / 81 might be not

    @pytest.mark.parametrize("early", [False, "never"])
    @pytest.mark.parametrize("length_penalty", [-1.0, 0.0])
    def test_without_reward_for_length_the_best_end_is_now(self, early, length_penalty):
        how = {"num_beams": 2, "max_new_tokens": 9, "length_penalty": length_penalty}
        ended = EndedBeams(1, Settings(early_stopping=early, **how))
        for score in (-1.0, -3.0):
            ended.add(0, score, np.array([0, 2]), 1)
        ended.close(np.array([-2.0]), 1)
        assert not ended.closed[0]  # better than the worst of the two
        ended.close(np.array([-3.5]), 1)
        assert ended.closed[0]

    def test_what_ends_behind_the_k_best_is_dropped(self):
        table = {"": (0.5, 0.3, 0.2), "0": (0.4, 0.4, 0.2), "1": (0.5, 0.5, 0.0)}
        found = told(table, 2, 2, stop=2, length_penalty=-50.0, num_return_sequences=2)[0]
        assert not any(text.startswith("2") for text in found), found

    def test_eval_mode_unrecorded_and_given_back(self):
        model = Counting()
        model.inside.train(True)
        model.generate = None
        text = generate_text(model, [[1]], 3, num_beams=2).tolist()
        assert text == [[1, 2, 3, 4]]
        assert all(not training and not recorded for _, training, recorded in model.seen)
        assert model.training and model.inside.training and recording()

    def test_the_window_is_the_context(self):
        model = Counting()
        got = generate_text(model, [[9, 8, 7, 3, 4, 5]], 2, num_beams=2)
        assert {window.shape[1] for window, *_ in model.seen} == {4}
        assert got.tolist() == [[9, 8, 7, 3, 4, 5, 6, 7]]

    def test_nan_and_too_few_tokens(self):
        with pytest.raises(ValueError, match="the logits hold nan"):
            told({"": (np.nan, 0.5, 0.5)}, 2, 2)
        with pytest.raises(ValueError, match="3 tokens, 3 of them ends, are too few for beams"):
            told({}, 2, 2, stop=[0, 1, 2])


# ---------------------------------------------------------------- all settings
@pytest.mark.exercise("transformers")
class TestSettings:
    def model(self):
        manual_seed(0)
        return float64(tiny().initialise(0.6))

    def test_greedy_has_two_names(self):
        model = self.model()
        want = generate(model, [[1, 2]], 6, temperature=0).tolist()
        for how in ({"temperature": 0}, {"do_sample": False}, {"temperature": 0, "top_k": 3}):
            assert model.generate([[1, 2]], 6, **how).tolist() == want

    def test_draws_unless_told_otherwise(self):
        model = self.model()
        want = generate(model, [[1, 2]], 12, generator=Generator(4)).tolist()
        for how in ({}, {"do_sample": True}, {"temperature": 1.0}):
            assert model.generate([[1, 2]], 12, seed=4, **how).tolist() == want
        assert model.generate([[1, 2]], 12, seed=5).tolist() != want

    def test_one_seed_one_text_whole_streamed_and_in_a_batch(self):
        model = self.model()
        for how in ({}, {"repetition_penalty": 1.4, "stop": [3, 4], "min_new_tokens": 5}):
            for prompt in ([[1, 2]], [[1, 2], [1, 2], [5, 5]]):
                whole = [model.generate(prompt, 20, seed=7, **how).array for _ in range(2)]
                assert np.array_equal(*whole)
                parts = list(model.stream(prompt, 20, seed=7, **how))
                assert np.array_equal(np.stack(parts, axis=1), whole[0][:, 2:])
        assert whole[0][0].tolist() != whole[0][1].tolist()  # rows draw for themselves

    def test_several_draws_of_each_prompt(self):
        model = self.model()
        got = model.generate([[1, 2], [3, 4]], 5, num_return_sequences=3, seed=0).array
        want = model.generate(np.repeat([[1, 2], [3, 4]], 3, axis=0), 5, seed=0).array
        assert got.shape == (6, 7) and np.array_equal(got, want)
        parts = list(model.stream([[1, 2], [3, 4]], 5, num_return_sequences=3, seed=0))
        assert np.array_equal(np.stack(parts, axis=1), got[:, 2:])

    @pytest.mark.parametrize(
        ("how", "rows"),
        [
            ({"stop": [7, 4]}, [[5, 6, 7, 7], [1, 2, 3, 4], [6, 7, 7, 7], [3, 4, 4, 4]]),
            ({"eos_token_id": [7, 4]}, [[5, 6, 7, 7], [1, 2, 3, 4], [6, 7, 7, 7], [3, 4, 7, 7]]),
            (
                {"stop": [7, 4], "pad_token_id": 0},
                [[5, 6, 7, 0], [1, 2, 3, 4], [6, 7, 0, 0], [3, 4, 0, 0]],
            ),
            (
                {"eos_token_id": {7, 4}, "pad_token_id": -100},
                [[5, 6, 7, -100], [1, 2, 3, 4], [6, 7, -100, -100], [3, 4, -100, -100]],
            ),
        ],
        ids=str,
    )
    def test_rows_that_have_ended_are_filled(self, how, rows):
        prompt = [[5], [1], [6], [3]]
        got = generate_text(Counting(), prompt, 9, temperature=0, **how)
        assert got.tolist() == rows
        parts = list(stream(Counting(), prompt, 9, 0, **how))
        assert np.stack(parts, axis=1).tolist() == [row[1:] for row in rows]

    def test_no_end_before_the_least_length(self):
        model = Counting()
        got = generate_text(model, [[5], [6]], 9, temperature=0, stop=7, min_new_tokens=1).array
        assert got[0].tolist() == [5, 6, *[7] * (got.shape[1] - 2)]  # 7 was its second token
        assert got[1, 1] != 7
        far = generate_text(Counting(), [[5]], 4, temperature=0, stop=77, min_new_tokens=2)
        assert far.tolist() == [[5, 6, 7, 8, 9]]  # an end that is no token rules out nothing

    def test_the_penalty_is_for_the_whole_text(self):
        """Also for what has left the window of 4; and the prompt counts."""
        got = generate_text(Counting(), [[8]], 9, temperature=0, repetition_penalty=1e9).tolist()
        assert sorted(got[0]) == list(range(10))
        parts = stream(Counting(), [[8]], 9, 0, repetition_penalty=1e9)
        assert [8, *(int(token[0]) for token in parts)] == got[0]

    def test_no_new_tokens(self):
        for how in ({}, {"num_beams": 2}, {"repetition_penalty": 2.0}):
            assert generate_text(Counting(), [[1, 2]], 0, **how).tolist() == [[1, 2]]
        how = {"num_beams": 3, "num_return_sequences": 2}
        assert generate_text(Counting(), [[1, 2]], 0, **how).tolist() == [[1, 2]] * 2

    @pytest.mark.parametrize(
        ("how", "error", "message"),
        [
            ({"do_sample": True, "temperature": 0}, ValueError, "temperature=0 takes the best"),
            ({"do_sample": True, "num_beams": 2}, ValueError, "beams follow the best texts"),
            ({"do_sample": False, "temperature": 0.7}, ValueError, "so temperature would change n"),
            ({"do_sample": False, "top_k": 5, "top_p": 0.5}, ValueError, "top_k and top_p would"),
            ({"num_beams": 2, "top_k": 5}, ValueError, "beams draw nothing, so top_k would"),
            ({"num_beams": 2, "temperature": 0.5}, ValueError, "so temperature would change"),
            ({"num_beams": 0}, ValueError, "num_beams is a whole number of at least 1, not 0"),
            ({"num_beams": 2.0}, ValueError, "num_beams is a whole number"),
            ({"num_beams": True}, ValueError, "num_beams is a whole number"),
            ({"num_beams": 2, "num_return_sequences": 3}, ValueError, "exceeds num_beams=2"),
            ({"temperature": 0, "num_return_sequences": 2}, ValueError, "one text: for 2 of them"),
            ({"num_return_sequences": 0}, ValueError, "num_return_sequences is a whole number"),
            ({"length_penalty": 2.0}, ValueError, "length_penalty compares .* give num_beams"),
            ({"num_beams": 2, "length_penalty": math.inf}, ValueError, "from -100 to 100"),
            ({"num_beams": 2, "length_penalty": 101}, ValueError, "from -100 to 100"),
            ({"early_stopping": True}, ValueError, "early_stopping says when beams are done"),
            ({"num_beams": 2, "early_stopping": "ever"}, ValueError, "False, True or 'never'"),
            ({"num_beams": 2, "early_stopping": None}, ValueError, "False, True or 'never'"),
            ({"repetition_penalty": 0}, ValueError, "repetition_penalty is a number above 0"),
            ({"repetition_penalty": -1.2}, ValueError, "repetition_penalty is a number above 0"),
            ({"repetition_penalty": math.nan}, ValueError, "a number above 0"),
            ({"temperature": math.nan}, ValueError, "temperature is at least 0"),
            ({"temperature": "hot"}, ValueError, "temperature is at least 0"),
            ({"top_k": 0}, ValueError, "top_k is a whole number of at least 1, not 0"),
            ({"top_p": -0.1}, ValueError, "from 0 to 1, not -0.1"),
            ({"min_new_tokens": 1}, ValueError, "min_new_tokens .* give eos_token_id too"),
            ({"min_new_tokens": 3, "stop": 1}, ValueError, "exceeds max_new_tokens=2"),
            ({"min_new_tokens": -1}, ValueError, "min_new_tokens is a whole number of at least 0"),
            ({"stop": 1, "eos_token_id": 2}, ValueError, "stop is another name for eos_token_id"),
            ({"eos_token_id": "\n"}, TypeError, "eos_token_id is a token id or several"),
            ({"pad_token_id": 1.5}, TypeError, "pad_token_id is one token id, not 1.5"),
            ({"pad_token_id": 1}, ValueError, "the prompt holds pad_token_id=1, and it would be"),
            ({"stop": [[2, 9]]}, ValueError, "each id ends a row alone, a sequence cannot"),
            ({"temperature": 1e-45}, ValueError, "temperature=1e-45 is too small to divide by"),
            ({"repetition_penalty": 1e-300}, ValueError, "1e-300 is too small to divide by"),
            ({"seed": 1, "generator": Generator(1)}, ValueError, "seed and generator both say"),
            ({"seed": -1}, ValueError, "seed is a whole number of at least 0, not -1"),
            ({"seed": 1.5}, ValueError, "seed is a whole number"),
            ({"generator": 3}, TypeError, "generator is a tinytorch.Generator, not int: .* seed"),
            ({"beam_size": 3}, TypeError, "generate has no setting 'beam_size'"),
            ({"repetition_penality": 2}, TypeError, "did you mean repetition_penalty?"),
            ({"max_new_tokens": 1.5}, ValueError, "max_new_tokens is a whole number"),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    def test_what_makes_no_sense_is_refused(self, how, error, message):
        model = Counting()
        for write in (generate_text, stream):
            with pytest.raises(error, match=message) as caught:
                write(model, [[1]], **{"max_new_tokens": 2, **how})
            assert "\n" not in str(caught.value)
        assert not model.seen

    def test_prompts_of_several_lengths_are_refused(self):
        for write in (generate_text, stream):
            told = r"one length, and these have \[2, 1\]: write on from each alone"
            with pytest.raises(ValueError, match=told):
                write(Counting(), [[1, 2], [3]], 3)

    def test_an_end_token_also_pads(self):
        how = {"temperature": 0, "stop": 7, "pad_token_id": 7}
        assert generate_text(Counting(), [[7, 5]], 4, **how).tolist() == [[7, 5, 6, 7]]

    @pytest.mark.parametrize("cached", [False, True])
    def test_the_models_own_end_token_is_the_default(self, cached):
        manual_seed(0)
        model, how = tiny().initialise(0.5), {"temperature": 0, "use_cache": cached}
        text = model.generate([[1, 2]], 6, **how).tolist()[0]
        model.eos_token_id = text[3]
        end = text[2:].index(text[3])
        assert model.generate([[1, 2]], 6, **how).tolist() == [text[: 3 + end]]
        assert [int(token[0]) for token in model.stream([[1, 2]], 6, **how)] == text[2 : 3 + end]
        assert model.generate([[1, 2]], 6, eos_token_id=None, **how).tolist() == [text]
        assert model.generate([[1, 2]], 6, stop=99, **how).tolist() == [text]

    def test_beams_cannot_stream(self):
        with pytest.raises(ValueError, match="beams cannot stream: .* use generate"):
            stream(Counting(), [[1]], 3, num_beams=2)

    def test_numbers_of_numpy_are_numbers(self):
        how = {"temperature": np.float32(0.5), "top_k": np.int64(3), "seed": np.int64(2)}
        how |= {"repetition_penalty": np.float32(1.1)}
        assert generate_text(Counting(), [[1]], np.int64(3), **how).shape == (1, 4)

    def test_float32_stays_through_the_penalty(self):
        logits = np.ones((1, 3), np.float32)
        how = Settings(max_new_tokens=3, repetition_penalty=1.5, stop=1, min_new_tokens=2)
        got = transformers.adjusted(logits, np.array([[0, 0]]), 1, how)
        assert got.dtype == np.float32 and (logits == 1).all()
        near(got, np.array([[2 / 3, GONE, 1]]), 1e-6)

    def test_hotter_is_more_varied(self):
        """Low, middle and high temperature: distinct pairs and entropy of what was drawn."""
        model, pairs, entropies = self.model(), [], []
        for temperature in (0.1, 0.7, 2.0):
            text = model.generate([[1, 2]] * 20, 20, temperature=temperature, seed=0).array[:, 2:]
            pairs.append(len({(row[i], row[i + 1]) for row in text.tolist() for i in range(19)}))
            shares = np.bincount(text.ravel()) / text.size
            entropies.append(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
        assert pairs == sorted(set(pairs)) and entropies == sorted(set(entropies))


@pytest.mark.exercise("transformers")
def test_evaluating_nests_and_keeps_no_grad():
    model = Counting()
    with no_grad():
        with evaluating(model), evaluating(model):
            assert not model.inside.training and not recording()
        assert model.inside.training and not recording()
    assert recording()


@pytest.mark.exercise("transformers")
def test_the_examples_in_the_docstrings():
    result = doctest.testmod(transformers)
    assert result.attempted > 12 and result.failed == 0
