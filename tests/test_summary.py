"""The table of a model's parts: shapes, parameters, FLOPs and bytes, and where a model fails."""

import numpy as np
import pytest

import tinytorch
from tinytorch import nn
from tinytorch.attention import MultiHeadAttention, in_heads
from tinytorch.explain.summary import FLOPS, summary
from tinytorch.layers import Dropout, Linear, Module, ReLU, Sequential
from tinytorch.tensor import PRIMITIVES, Parameter, Tensor, default_generator, ones, rand
from tinytorch.transformers import GPT


def by_path(told):
    return {row.path: row for row in told.rows}


def ids(batch, length):
    return Tensor(np.ones((batch, length), int))


class TestFlops:
    def test_one_layer_by_hand(self):
        """Two for every weight and sample: 2 * 8 * 64 * 128; the bias is not counted."""
        assert summary(Linear(64, 128), ones(8, 64)).flops == 131_072
        assert summary(Linear(64, 128, bias=False), ones(2, 4, 64)).flops == 131_072

    @pytest.mark.parametrize(("batch", "length"), [(1, 1), (2, 16), (3, 300)])
    @pytest.mark.parametrize("layers", [1, 3])
    def test_a_gpt_equals_the_closed_form(self, batch, length, layers):
        V, D, H = 50, 32, 4
        model = GPT(V, D, H, layers, max_length=300)
        B, T = batch, length
        linears = 4 * 2 * B * T * D * D + 2 * 2 * B * T * D * 4 * D
        attention = 2 * 2 * B * T * T * D
        want = layers * (linears + attention) + 2 * B * T * D * V
        told = summary(model, ids(B, T))
        assert told.flops == want
        rows = by_path(told)
        assert rows["blocks.0.attention"].flops == 4 * 2 * B * T * D * D + attention
        assert rows["blocks.0.mlp.widen"].flops == 2 * B * T * D * 4 * D
        assert rows["blocks"].flops == want - rows["head"].flops
        assert rows["norm"].flops == 0
        assert rows["blocks.0.attention.query"].output == (B, T, D), "told apart, though fused"
        assert rows["blocks.0.attention.query"].flops == 2 * B * T * D * D

    def test_cross_attention(self):
        class Cross(Module):
            def __init__(self):
                self.attention = MultiHeadAttention(8, 2)

            def forward(self, x, source):
                return self.attention(x, source=source)

        told = summary(Cross(), ones(2, 3, 8), ones(2, 5, 8))
        linears = 2 * 2 * 8 * 8 * (3 + 5 + 5 + 3)
        assert told.flops == linears + 2 * 2 * 2 * 3 * 5 * 8

    def test_matrix_products_of_a_forward(self):
        class Product(Module):
            def forward(self, x):
                return x @ x.transpose(-1, -2)

        assert summary(Product(), ones(3, 4, 5)).flops == 2 * 3 * 4 * 4 * 5

    @pytest.mark.parametrize(
        ("letters", "flops"), [("btd,bsd->bts", 2 * 3 * 4 * 4 * 5), ("btd,btd->btd", 0)]
    )
    def test_an_einsum_counts_as_what_it_is(self, letters, flops):
        class Product(Module):
            def forward(self, x):
                return tinytorch.einsum(letters, x, x)

        assert summary(Product(), ones(3, 4, 5)).flops == flops

    def test_a_primitive_inside_another_is_counted_once(self):
        class Heads(Module):
            def __init__(self):
                self.weights = [ones(8, 8) for _ in range(3)]

            def forward(self, x):
                return in_heads((x, *self.weights), 2)

        told = summary(Heads(), ones(2, 5, 8))
        assert told.flops == 3 * 2 * 2 * 5 * 8 * 8
        assert told.rows[0].output == [(2, 2, 5, 4)] * 3

    def test_every_entry_is_a_primitive_or_one_to_come(self):
        assert set(FLOPS) - {"conv1d", "conv2d"} <= set(PRIMITIVES)

    def test_a_layer_that_is_used_twice_works_twice(self):
        layer = Linear(8, 8)
        told = summary(Sequential(layer, ReLU(), layer), ones(2, 8))
        assert told.flops == 2 * 2 * 2 * 8 * 8
        assert told.parameters == 72
        assert [row.path for row in told.rows] == ["", "0", "1"]


class TestCounts:
    def test_rows_are_the_tree(self):
        model = Sequential(Linear(4, 3), Sequential(ReLU(), Linear(3, 2)))
        told = by_path(summary(model, ones(5, 4)))
        assert list(told) == ["", "0", "1", "1.0", "1.1"]
        assert [row.output for row in told.values()] == [(5, 2), (5, 3), (5, 2), (5, 3), (5, 2)]
        assert [row.parameters for row in told.values()] == [23, 15, 8, 0, 8]
        assert told["1.1"].weights == 8 * 4
        assert told["1"].kind == "Sequential" and told["1"].home == "03 layers"

    def test_frozen_parameters_are_counted_apart(self):
        model = Sequential(Linear(4, 3), Linear(3, 2))
        model[0].requires_grad_(False)
        told = summary(model, ones(5, 4))
        assert (told.parameters, told.frozen) == (23, 15)
        assert by_path(told)["1"].frozen == 0
        assert "parameters: 23 (8 trained, 15 frozen (*))" in repr(told)

    def test_tied_weights_are_counted_once(self):
        model = GPT(50, 16, 2, 1, max_length=8)
        free = summary(model, ids(1, 4))
        model.head.weight = model.embed.tokens.weight
        told = summary(model, ids(1, 4))
        assert told.parameters == free.parameters - 50 * 16 == model.num_parameters()
        assert told.weights == free.weights - 50 * 16 * 4
        assert told.tied == [("head.weight", "embed.tokens.weight")]
        assert "tied: head.weight is embed.tokens.weight, counted once" in repr(told)
        assert told.flops == free.flops

    def test_buffers_weigh_and_are_no_parameters(self):
        model = Module()
        model.weight = Parameter([1.0, 2.0])
        model.register_buffer("mask", ones(5))
        model.scratch = ones(100)
        told = summary(model)
        assert (told.parameters, told.weights) == (2, 4 * 7)

    def test_activations_are_what_a_forward_pass_makes(self):
        """float32: a linear layer 5 * 3, a relu 5 * 3; a view costs nothing."""
        assert summary(Sequential(Linear(4, 3), ReLU()), ones(5, 4)).activations == 2 * 5 * 3 * 4
        assert summary(nn.Flatten(), ones(5, 4, 4)).activations == 0
        assert summary(Linear(4, 3).double(), ones(5, 4).double()).activations == 5 * 3 * 8

    def test_a_part_that_did_not_run_has_no_output(self):
        model = Sequential(Linear(4, 3))
        model.spare = Linear(7, 7)
        model.forward = model[0]
        told = by_path(summary(model, ones(5, 4)))
        assert told["spare"].output is None and told["spare"].parameters == 56


class Sum(Module):
    def forward(self, first, second, scale=1.0):
        return {"sum": (first + second) * scale, "first": first}


class TestInputs:
    @pytest.mark.parametrize(
        ("inputs", "named"),
        [
            ((ones(2, 3), ones(2, 3)), {}),
            (((ones(2, 3), ones(2, 3)),), {}),
            (([ones(2, 3), ones(2, 3)],), {}),
            (({"first": ones(2, 3), "second": ones(2, 3)},), {}),
            ((ones(2, 3),), {"second": ones(2, 3)}),
        ],
    )
    def test_tensors_tuples_and_dictionaries(self, inputs, named):
        told = summary(Sum(), *inputs, **named)
        assert told.error is None
        assert told.rows[0].output == [(2, 3), (2, 3)]

    def test_without_an_input_only_what_is_known(self):
        told = summary(Linear(4, 3))
        assert told.parameters == 15 and told.rows[0].output is None
        assert "FLOPs of" not in repr(told)
        assert repr(told).splitlines()[2].split() == [
            "Linear",
            "Linear",
            "03",
            *["-", "15", "-", "60", "B", "-"],
        ]

    @pytest.mark.parametrize("wrong", [Linear, ones(2), None, "model"])
    def test_what_is_no_model_is_refused(self, wrong):
        with pytest.raises(TypeError, match="summary takes a module first, and then its input"):
            summary(wrong, ones(2))

    def test_the_same_as_a_method_and_in_the_package(self):
        model = Linear(4, 3)
        assert repr(model.summary(ones(5, 4))) == repr(tinytorch.summary(model, ones(5, 4)))


class TestFailures:
    def model(self):
        return Sequential(Linear(4, 8), Sequential(ReLU(), Linear(9, 2)), Linear(2, 2))

    def test_the_table_ends_at_the_part_that_failed(self):
        told = summary(self.model(), ones(5, 4))
        assert isinstance(told.error, ValueError) and told.failed == "1.1"
        assert list(by_path(told)) == ["", "0", "1", "1.0", "1.1"]
        assert by_path(told)["1.0"].output == (5, 8) and by_path(told)["1.1"].output is None
        lines = repr(told).splitlines()
        assert lines[-3].startswith("---") and "FAILED" in lines[-4]
        assert lines[-2] == (
            "FAILED in 1.1, which got (5, 8): ValueError: linear: x (5, 8) should end in 9 "
            "features, as weight is (out, in) = (2, 9): Linear(8, 2) would fit"
        )
        assert lines[-1] == "1 further parts did not run"

    def test_the_model_itself_fails(self):
        told = summary(GPT(10), Tensor([1, 2]))
        assert told.failed == "" and len(told.rows) == 1
        assert "FAILED in GPT, which got (2,): ValueError: ids (2,) are not (B, T)" in repr(told)

    def test_a_call_that_does_not_fit(self):
        told = summary(Sum(), ones(2))
        assert "FAILED in Sum, which got (2,): TypeError: Sum.forward() missing" in repr(told)

    def test_an_interruption_passes(self):
        class Stopped(Module):
            def forward(self, x):
                raise KeyboardInterrupt

        model = Stopped()
        with pytest.raises(KeyboardInterrupt):
            summary(model, ones(2))
        assert "forward" not in vars(model) and not model.forward_hooks


class TestLeftAsItWas:
    @pytest.mark.parametrize("fails", [False, True])
    def test_the_model_is_as_before(self, fails):
        model = Sequential(Linear(4, 3), Dropout(0.5), Linear(5 if fails else 3, 2))
        model[1].eval()
        model.append(Dropout(0.5))
        model[0].weight.grad = ones(3, 4)
        handle = model[0].register_forward_hook(lambda module, inputs, result: result)
        before = [{**vars(module)} for module in model.modules()]
        functions = {name: lifted.on_arrays for name, lifted in PRIMITIVES.items()}
        state = default_generator.numpy.bit_generator.state
        assert bool(summary(model, ones(5, 4)).error) is fails
        after = [vars(module) for module in model.modules()]
        for old, new in zip(before, after):
            assert {**old, "training": None} == {**new, "training": None}
        assert [module.training for module in model.modules()] == [True, True, False, True, True]
        assert model[0].forward_hooks == (handle,)
        assert {name: lifted.on_arrays for name, lifted in PRIMITIVES.items()} == functions
        assert default_generator.numpy.bit_generator.state == state
        assert model[0].weight.grad is not None
        assert tinytorch.is_grad_enabled()

    def test_nothing_is_recorded(self):
        kept = []

        class Keep(Module):
            def forward(self, x):
                kept.append(x * Parameter([2.0]))
                return kept[-1]

        summary(Keep(), ones(3))
        assert not kept[0].requires_grad

    def test_the_result_of_the_model_stays(self):
        model, x = GPT(10, 8, 2, 1, max_length=4).eval(), ids(1, 4)
        before = model(x)
        summary(model, x)
        assert np.array_equal(model(x).array, before.array)


def test_the_table_word_for_word():
    model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
    assert repr(summary(model, rand(8, 64))) == (
        "part        kind        from  output   parameters   FLOPs  weights  activations\n"
        "-------------------------------------------------------------------------------\n"
        "Sequential  Sequential  03    (8, 10)       2,410  37.9 k  9.64 kB      2.37 kB\n"
        "  0         Linear      03    (8, 32)       2,080  32.8 k  8.32 kB      1.02 kB\n"
        "  1         ReLU        03    (8, 32)           0      0       0 B      1.02 kB\n"
        "  2         Linear      03    (8, 10)         330  5.12 k  1.32 kB        320 B\n"
        "-------------------------------------------------------------------------------\n"
        "parameters: 2,410 (2,410 trained)\n"
        "weights: 9.64 kB\n"
        "activations of a forward pass: 2.37 kB\n"
        "FLOPs of a forward pass: 37.9 k (a multiply-add is 2)"
    )


def test_a_table_of_a_gpt_names_its_stages_with_their_modules():
    """Tokens, embedding, positions, blocks of attention and MLP with norms, projection."""
    told = summary(GPT(10, 8, 2, 2, max_length=4), ids(1, 4))
    stages = [(row.path, row.home[:2]) for row in told.rows if row.path.count(".") < 2]
    assert stages == [
        ("", "13"),
        *[("embed", "11"), ("embed.tokens", "11"), ("embed.positions", "11")],
        *[("embed.dropout", "03"), ("blocks", "03"), ("blocks.0", "13"), ("blocks.1", "13")],
        *[("norm", "13"), ("head", "03")],
    ]


@pytest.mark.parametrize("sizes", [{"input_size": (5, 4)}, None])
def test_a_shape_is_no_input(sizes):
    with pytest.raises(TypeError, match=r"not its shape: summary\(model, randn\(5, 4\)\)"):
        summary(Linear(4, 2), **sizes) if sizes else summary(Linear(4, 2), (5, 4))


def test_a_part_in_two_places_is_told():
    layer = Linear(4, 4)
    told = summary(Sequential(layer, Sequential(layer, ReLU())), ones(2, 4))
    assert told.shared == [("1.0", "0")] and told.parameters == 20
    assert "shared: 1.0 is 0, one row for both" in str(told)


def test_layers_of_nn_have_the_home_of_their_lesson():
    assert summary(nn.Linear(4, 4)).rows[0].home == "03 layers"
    assert summary(nn.BatchNorm1d(4)).rows[0].home == ""
