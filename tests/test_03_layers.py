"""Module 03: layers, and the tree of layers that is a model."""

import copy
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import layers
from tinytorch.course import close, data_file
from tinytorch.layers import (
    GELU,
    Dropout,
    IncompatibleKeys,
    Linear,
    Module,
    ModuleList,
    ReLU,
    Sequential,
    Tanh,
    kaiming_uniform,
    linear,
)
from tinytorch.tensor import (
    Generator,
    Parameter,
    Tensor,
    float32,
    float64,
    int64,
    manual_seed,
    ones,
    randn,
)


def numbers(*shape, dtype=np.float32, seed=0):
    """An array of standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def by_loops(x, weight, bias):
    """x @ weight.T + bias for x (N, in), number by number."""
    y = np.zeros((len(x), len(weight)), x.dtype)
    for n in range(len(x)):
        for o in range(len(weight)):
            y[n, o] = sum(x[n, i] * weight[o, i] for i in range(x.shape[1]))
            y[n, o] += 0 if bias is None else bias[o]
    return y


class Same(Module):
    """Hands its input on."""

    def forward(self, x):
        return x


def tree(**attributes):
    """A module with these attributes."""
    module = Module()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def parameter(*values):
    return Parameter([float(value) for value in values])


@pytest.mark.exercise("layers.linear")
class TestLinearFunction:
    def test_the_example_by_hand(self):
        weight = Tensor([[1.0, 0.0], [3.0, -1.0], [0.5, 0.5]])
        got = linear(Tensor([[1.0, 2.0]]), weight, Tensor([0.0, 10.0, 0.0]))
        assert got.tolist() == [[1.0, 11.0, 1.5]]

    def test_a_square_weight_has_a_row_per_output(self):
        got = linear.on_arrays(np.ones((1, 2)), np.array([[1.0, 2.0], [3.0, 4.0]]), None)
        assert got.tolist() == [[3.0, 7.0]]

    @settings(max_examples=60)
    @given(
        st.lists(st.integers(0, 3), max_size=3),
        st.integers(1, 5),
        st.integers(1, 5),
        st.booleans(),
        st.sampled_from([np.float32, np.float64]),
    )
    def test_any_leading_shape_agrees_with_loops(self, leading, inputs, outputs, with_bias, dtype):
        x, weight = numbers(*leading, inputs, dtype=dtype), numbers(outputs, inputs, dtype=dtype)
        bias = numbers(outputs, dtype=dtype, seed=1) if with_bias else None
        kept = [None if a is None else a.copy() for a in (x, weight, bias)]
        got = linear.on_arrays(x, weight, bias)
        assert got.shape == (*leading, outputs)
        assert got.dtype == dtype
        want = by_loops(x.reshape(math.prod(leading), inputs), weight, bias)
        assert close(got.reshape(want.shape), want, tol=1e-5)
        for before, after in zip(kept, (x, weight, bias), strict=True):
            assert before is after is None or np.array_equal(before, after)

    def test_the_bias_is_optional_as_argument_too(self):
        x, weight = numbers(4, 3), numbers(2, 3, seed=1)
        assert close(linear(Tensor(x), Tensor(weight)), by_loops(x, weight, None))

    def test_every_output_gets_its_own_bias(self):
        got = linear.on_arrays(np.zeros((3, 3)), np.zeros((3, 3)), np.array([1.0, 2.0, 3.0]))
        assert got.tolist() == [[1.0, 2.0, 3.0]] * 3

    def test_a_bias_that_sums_to_zero_counts(self):
        got = linear.on_arrays(np.zeros((2, 3)), np.zeros((2, 3)), np.array([1.0, -1.0]))
        assert got.tolist() == [[1.0, -1.0]] * 2

    def test_a_later_call_leaves_an_earlier_result_alone(self):
        x, weight, bias = numbers(4, 3), numbers(2, 3), numbers(2)
        first = linear.on_arrays(x, weight, bias)
        before = first.copy()
        linear.on_arrays(x + 1, weight, bias)
        assert np.array_equal(first, before)

    def test_views_that_are_not_contiguous(self):
        x = numbers(3, 5, 4).transpose(1, 2, 0)  # (5, 4, 3)
        weight, bias = numbers(4, 2).T[:, :3], numbers(2)  # (2, 3)
        got = linear.on_arrays(x, weight, bias)
        assert close(got[2], by_loops(x[2], weight, bias))

    def test_it_is_one_primitive_with_three_inputs(self):
        inputs = [Tensor(numbers(2, 3)), Parameter(numbers(4, 3)), Parameter(numbers(4))]
        made_by = linear(*inputs).made_by
        assert made_by.primitive == "linear"
        assert made_by.inputs == (None, inputs[1], inputs[2])

    def test_another_last_size_is_refused_with_both_sizes(self):
        with pytest.raises(ValueError, match=r"linear: x \(2, 5\) should end in 3 features"):
            linear(Tensor(numbers(2, 5)), Tensor(numbers(4, 3)))

    def test_images_that_were_not_flattened_are_told_how(self):
        with pytest.raises(ValueError, match=r"x\.flatten\(1\) makes it \(7, 64\)"):
            linear(Tensor(numbers(7, 8, 8)), Tensor(numbers(4, 64)))

    def test_a_single_number_is_refused(self):
        with pytest.raises(ValueError, match=r"x \(\) should end in 3 features, and is one number"):
            linear(Tensor(1.0), Tensor(numbers(4, 3)))

    @pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
    def test_whole_numbers_are_refused(self, dtype):
        with pytest.raises(TypeError, match=f"the input is {dtype}: use x.float.*an Embedding"):
            linear(Tensor(np.ones((2, 3), dtype)), Tensor(numbers(4, 3)))


@pytest.mark.exercise("layers.kaiming_uniform")
class TestKaimingUniform:
    def test_the_example_by_hand(self):
        values = kaiming_uniform((300, 100), 24, generator=Generator(0)).array
        assert 0.499 < values.max() <= 0.5
        assert -0.5 <= values.min() < -0.499

    @settings(max_examples=25)
    @given(st.integers(1, 1000), st.floats(0.1, 10))
    def test_bound_and_std_follow_fan_in_and_gain(self, fan_in, gain):
        values = kaiming_uniform((50, 80), fan_in, gain, Generator(fan_in)).array
        bound = gain * math.sqrt(3 / fan_in)
        assert 0.99 * bound < np.abs(values).max() <= bound * (1 + 1e-6)
        assert values.std() == pytest.approx(gain / math.sqrt(fan_in), rel=0.05)
        assert abs(values.mean()) < 0.05 * bound

    def test_it_is_spread_evenly(self):
        values = kaiming_uniform((40_000,), 3, gain=1.0, generator=Generator(0)).array
        counts, _ = np.histogram(values, bins=8, range=(-1, 1))
        assert counts.sum() == 40_000
        assert np.abs(counts / 5000 - 1).max() < 0.06

    def test_the_bound_is_seldom_met(self):
        """A single number lies anywhere; it is not stretched until it fills the range."""
        found = [abs(kaiming_uniform((1,), 3, 1.0, Generator(s)).item()) for s in range(30)]
        assert min(found) < 0.5
        assert max(found) <= 1

    def test_fan_in_is_taken_from_the_argument_and_not_from_the_shape(self):
        values = kaiming_uniform((7,), 1_000_000).array
        assert values.shape == (7,)
        assert np.abs(values).max() < 0.0025

    def test_the_gain_defaults_to_the_root_of_two(self):
        standard = kaiming_uniform((1000,), 6, generator=Generator(0))
        assert close(standard, kaiming_uniform((1000,), 6, math.sqrt(2), Generator(0)))
        assert 0.99 < np.abs(standard.array).max() <= 1

    def test_a_generator_makes_it_repeatable_and_moves_on(self):
        generator = Generator(5)
        first, second = (kaiming_uniform((4, 4), 4, generator=generator) for _ in range(2))
        assert not close(first, second)
        assert np.array_equal(first.array, kaiming_uniform((4, 4), 4, generator=Generator(5)).array)

    def test_without_a_generator_manual_seed_decides(self):
        found = []
        for seed in (1, 1, 2):
            manual_seed(seed)
            found.append(kaiming_uniform((3, 3), 3).array)
        assert np.array_equal(found[0], found[1])
        assert not np.array_equal(found[0], found[2])

    def test_it_is_a_plain_float32_tensor(self):
        got = kaiming_uniform((2, 3), 3)
        assert type(got) is Tensor
        assert got.dtype == float32
        assert not got.requires_grad

    def test_twenty_layers_keep_their_size(self):
        generator = Generator(0)
        x = randn(100, 128, generator=generator)
        for _ in range(20):
            weight = kaiming_uniform((128, 128), 128, generator=generator)
            x = (x @ weight.T).clamp(min=0)
        assert 0.2 < float(x.array.std()) < 5

    @pytest.mark.parametrize("fan_in", [0, -3])
    def test_no_inputs_are_refused(self, fan_in):
        with pytest.raises(ValueError, match=f"fan_in is a count of at least 1, not {fan_in}"):
            kaiming_uniform((3, 3), fan_in)


@pytest.mark.exercise("layers.Module.named_parameters")
class TestNamedParameters:
    def names(self, module, *prefix):
        return [name for name, _ in module.named_parameters(*prefix)]

    def test_a_frozen_parameter_is_named(self):
        net = Module()
        net.weight = Parameter([1.0]).requires_grad_(False)
        assert [name for name, _ in net.named_parameters()] == ["weight"]

    def test_own_parameters_in_the_order_of_setting(self):
        module = tree(b=parameter(1), a=parameter(2), text="no", number=3, plain=ones(2))
        assert module.named_parameters() == [("b", module.b), ("a", module.a)]

    def test_nothing_gives_an_empty_list(self):
        assert Module().named_parameters() == []
        assert tree(part=Module(), f=len).named_parameters() == []

    def test_names_are_the_way_from_the_root(self):
        leaf = tree(weight=parameter(1))
        root = tree(a=tree(b=tree(c=leaf)), weight=parameter(2))
        assert self.names(root) == ["weight", "a.b.c.weight"]
        assert root.named_parameters()[1][1] is leaf.weight

    def test_own_ones_come_before_those_of_the_parts(self):
        root = tree(part=tree(w=parameter(1), v=parameter(2)), own=parameter(3))
        root.last = tree(w=parameter(4))
        assert self.names(root) == ["own", "part.w", "part.v", "last.w"]

    @pytest.mark.parametrize("deep", [1, 5, 40])
    def test_any_depth(self, deep):
        root = tree(w=parameter(0))
        for level in range(deep):
            root = tree(part=root, w=parameter(level))
        names = self.names(root)
        assert len(names) == deep + 1
        assert names[-1] == "part." * deep + "w"

    def test_a_shared_parameter_once_under_its_first_name(self):
        table = parameter(1, 2)
        root = tree(read=tree(table=table), write=tree(table=table, bias=parameter(3)))
        assert self.names(root) == ["read.table", "write.bias"]
        assert root.named_parameters()[0][1] is table

    def test_a_parameter_with_two_names_in_one_module(self):
        module = tree(a=parameter(1))
        module.b = module.a
        assert self.names(module) == ["a"]

    def test_a_shared_module_once(self):
        part = tree(w=parameter(1))
        assert self.names(tree(a=part, b=part, c=tree(d=part))) == ["a.w"]

    def test_a_part_comes_with_all_below_it_before_the_next(self):
        root = tree(a=tree(inner=tree(w=parameter(1))), b=tree(w=parameter(2)), own=parameter(3))
        assert self.names(root) == ["own", "a.inner.w", "b.w"]

    def test_kinds_of_parameters_count_and_other_tensors_do_not(self):
        class Special(Parameter):
            pass

        root = tree(_hidden=parameter(1), special=Special([2.0]), part=tree(_w=parameter(3)))
        root.plain = Tensor([4.0], requires_grad=True)
        assert self.names(root) == ["_hidden", "special", "part._w"]

    def test_equal_numbers_are_not_the_same_parameter(self):
        root = tree(a=parameter(1, 2), part=tree(b=parameter(1, 2)), c=parameter(1, 2))
        assert self.names(root) == ["a", "c", "part.b"]

    def test_the_prefix_stands_before_every_name(self):
        root = tree(w=parameter(1), part=tree(w=parameter(2)))
        assert self.names(root, "net") == ["net.w", "net.part.w"]
        assert [name for name, _ in root.named_parameters(prefix="x.y")] == ["x.y.w", "x.y.part.w"]

    def test_calling_it_changes_nothing(self):
        root = tree(w=parameter(1), part=tree(w=parameter(2)))
        before = dict(vars(root))
        assert self.names(root) == self.names(root)
        assert vars(root) == before

    def test_a_parameter_that_is_replaced_is_found_and_a_removed_one_is_not(self):
        root = tree(w=parameter(1), v=parameter(2))
        root.w = parameter(3)
        del root.v
        assert root.named_parameters() == [("w", root.w)]

    def test_module_lists_in_module_lists(self):
        inner = [tree(w=parameter(i)) for i in range(3)]
        root = tree(blocks=ModuleList([ModuleList(inner[:2]), ModuleList(inner[2:])]))
        assert self.names(root) == ["blocks.0.0.w", "blocks.0.1.w", "blocks.1.0.w"]
        assert list(root.parameters()) == [part.w for part in inner]


def small_model():
    """a.weight (2, 3), a.bias (3,), all zero, and a buffer `seen` of whole numbers."""
    model = tree(a=tree(weight=Parameter(np.zeros((2, 3))), bias=Parameter(np.zeros(3))))
    model.register_buffer("seen", Tensor([0, 0]))
    return model


def small_state(**changes):
    state = {"a.weight": numbers(2, 3), "a.bias": numbers(3, seed=1), "seen": np.array([4, 5])}
    return {**state, **{name.replace("_", "."): value for name, value in changes.items()}}


@pytest.mark.exercise("layers.Module.load_state_dict")
class TestLoadStateDict:
    def untouched(self, model):
        return not any(tensor.array.any() for tensor in model.state_dict().values())

    def test_everything_is_copied_by_name(self):
        model, state = small_model(), small_state()
        result = model.load_state_dict(dict(reversed(state.items())))
        assert result == IncompatibleKeys([], [])
        for name, tensor in model.state_dict().items():
            assert np.array_equal(tensor.array, state[name])

    def test_the_parameters_stay_the_same_objects_and_memory(self):
        model = small_model()
        weight, memory = model.a.weight, model.a.weight.array
        model.load_state_dict(small_state())
        assert model.a.weight is weight
        assert weight.array is memory
        assert type(weight) is Parameter
        assert weight.requires_grad

    def test_nothing_is_shared_with_the_state(self):
        model, state = small_model(), small_state()
        model.load_state_dict(state)
        wanted = state["a.bias"].copy()
        state["a.bias"][:] = 7
        assert np.array_equal(model.a.bias.array, wanted)

    def test_the_state_of_another_model(self):
        one, two = small_model(), small_model()
        one.load_state_dict(small_state())
        two.load_state_dict(one.state_dict())
        assert all(close(t, two.state_dict()[name]) for name, t in one.state_dict().items())
        assert close(two.a.weight, numbers(2, 3))
        one.a.bias.detach().zero_()
        assert two.a.bias.array.any()

    def test_parameters_and_tensors_are_taken_as_well(self):
        model = small_model()
        values = {name: Parameter(value) for name, value in small_state().items() if name != "seen"}
        model.load_state_dict({**values, "seen": Tensor([1, 2])})
        assert close(model.a.weight, numbers(2, 3))
        assert model.seen.tolist() == [1, 2]

    def test_the_dtype_of_the_model_stays(self):
        model = small_model()
        model.load_state_dict({n: v.astype(np.float64) for n, v in small_state().items()})
        assert {t.dtype for t in model.state_dict().values()} == {float32, int64}

    def test_every_number_arrives_as_it_is(self):
        model = tree(w=parameter(0, 0, 0)).double()
        model.load_state_dict({"w": np.array([0.1, np.nan, -np.inf])})
        assert np.array_equal(model.w.array, [0.1, np.nan, -np.inf], equal_nan=True)

    def test_the_state_stays_as_it_was(self):
        state = small_state()
        before = {name: value.copy() for name, value in state.items()}
        small_model().load_state_dict(state)
        assert list(state) == list(before)
        assert all(np.array_equal(state[name], before[name]) for name in before)

    @pytest.mark.parametrize("lost", ["a.weight", "a.bias", "seen"])
    def test_a_missing_name_is_refused_and_nothing_changes(self, lost):
        model, state = small_model(), small_state()
        del state[lost]
        with pytest.raises(ValueError, match=f"does not fit Module: missing: {lost}$"):
            model.load_state_dict(state)
        assert self.untouched(model)

    @pytest.mark.parametrize("last", [True, False])
    def test_an_unexpected_name_is_refused_and_nothing_changes(self, last):
        model, more = small_model(), {"b": np.ones(3)}
        state = {**small_state(), **more} if last else {**more, **small_state()}
        with pytest.raises(ValueError, match="does not fit Module: unexpected: b$"):
            model.load_state_dict(state)
        assert self.untouched(model)

    @pytest.mark.parametrize("name", ["seen", "a.weight", "a.bias"])
    def test_another_shape_is_refused_wherever_it_stands(self, name):
        model, state = small_model(), {**small_state(), name: np.ones(7)}
        with pytest.raises(ValueError, match=f"does not fit Module: wrong shape: {name} is"):
            model.load_state_dict(state)
        assert self.untouched(model)

    @pytest.mark.parametrize("shape", [(1,), (), (2,), (4,), (1, 3), (3, 1)])
    @pytest.mark.parametrize("strict", [True, False])
    def test_another_shape_is_always_refused_and_nothing_changes(self, shape, strict):
        model = small_model()
        with pytest.raises(ValueError, match=r"wrong shape: a.bias is \(.*\) and should be \(3,\)"):
            model.load_state_dict(small_state(a_bias=np.ones(shape)), strict=strict)
        assert self.untouched(model)

    @pytest.mark.parametrize("shape", [(6,), (3, 2), (1, 2, 3), (2, 3, 1)])
    def test_the_right_count_in_another_shape_is_refused(self, shape):
        model = small_model()
        with pytest.raises(ValueError, match="wrong shape: a.weight is"):
            model.load_state_dict(small_state(a_weight=np.ones(shape)))
        assert self.untouched(model)

    def test_the_first_array_is_not_copied_when_the_last_does_not_fit(self):
        model = tree(**{name: Parameter(np.zeros(2)) for name in "abcdef"})
        state = {name: np.ones(2) for name in "abcde"} | {"f": np.ones(3)}
        with pytest.raises(ValueError, match="wrong shape: f"):
            model.load_state_dict(state, strict=False)
        assert self.untouched(model)

    def test_all_problems_are_told_at_once(self):
        state = {"a.weight": np.ones((3, 2)), "seen": np.array([1, 1]), "b.bias": np.ones(3)}
        told = "missing: a.bias; unexpected: b.bias; wrong shape: a.weight is"
        with pytest.raises(ValueError, match=told):
            small_model().load_state_dict(state)

    def test_not_strict_copies_what_fits_and_lists_the_rest(self):
        model, state = small_model(), small_state(b=np.ones(1))
        del state["a.weight"]
        result = model.load_state_dict(state, strict=False)
        assert result.missing_keys == ["a.weight"]
        assert result.unexpected_keys == ["b"]
        assert np.array_equal(model.a.bias.array, state["a.bias"])
        assert not model.a.weight.array.any()

    def test_strict_is_the_default_for_an_empty_state(self):
        with pytest.raises(ValueError, match="missing: seen, a.weight, a.bias"):
            small_model().load_state_dict({})
        assert small_model().load_state_dict({}, strict=False).unexpected_keys == []

    def test_a_shared_parameter_is_loaded_under_both_names(self):
        table = parameter(0, 0)
        model = tree(read=tree(table=table), write=tree(table=table))
        new = np.array([1.0, 2.0])
        model.load_state_dict({"read.table": new, "write.table": new})
        assert table.tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="missing: write.table"):
            model.load_state_dict({"read.table": new})

    def test_a_write_is_counted(self):
        model = small_model()
        before = model.a.weight.version[0]
        model.load_state_dict(small_state())
        assert model.a.weight.version[0] > before


@pytest.mark.exercise("layers.Module.train")
class TestTrain:
    def test_the_whole_tree(self):
        inner = Module()
        root = tree(part=tree(inner=inner), other=Module())
        root.train(False)
        assert [m.training for m in (root, root.part, inner, root.other)] == [False] * 4
        root.train(True)
        assert [m.training for m in (root, root.part, inner, root.other)] == [True] * 4

    @pytest.mark.parametrize("mode", [True, False])
    def test_a_part_in_another_mode_comes_back_with_the_rest(self, mode):
        root = tree(part=tree(inner=tree(w=parameter(1))))
        root.train(mode)
        root.part.inner.train(not mode)
        root.train(mode)
        assert [m.training for m in root.modules()] == [mode] * 3

    def test_true_is_the_default(self):
        root = tree(part=Module())
        root.train(False)
        root.train()
        assert root.training is True
        assert root.part.training is True

    def test_only_what_is_below(self):
        root = tree(part=tree(inner=Module()), other=Module())
        root.part.train(False)
        assert root.training
        assert root.other.training
        assert not root.part.training
        assert not root.part.inner.training

    def test_other_models_are_left_alone(self):
        root, other = Module(), Module()
        root.train(False)
        assert other.training
        assert Module.training is True
        assert Module().training

    def test_it_returns_the_module(self):
        root = Module()
        assert root.train() is root
        assert root.train(False) is root

    def test_parts_of_containers(self):
        model = Sequential(Same(), ModuleList([Same(), Sequential(Same())]))
        model.train(False)
        assert not any(module.training for module in model.modules())

    def test_eval_is_train_false(self):
        root = tree(part=Module())
        assert root.eval() is root
        assert not root.training
        assert not root.part.training

    def test_parameters_and_names_are_untouched(self):
        root = tree(w=parameter(1))
        root.train(False)
        assert list(root.state_dict()) == ["w"]
        assert root.w.requires_grad

    def test_anything_but_true_and_false_is_refused(self):
        with pytest.raises(ValueError, match=r"train\(\) takes True or False, not 'yes'"):
            Module().train("yes")


@pytest.mark.exercise("layers.Linear.__init__")
class TestLinearLayer:
    def test_shapes_and_kinds(self):
        layer = Linear(5, 3)
        assert layer.weight.shape == (3, 5)
        assert layer.bias.shape == (3,)
        assert type(layer.weight) is type(layer.bias) is Parameter
        assert layer.weight.requires_grad
        assert layer.bias.requires_grad
        assert layer.weight.dtype == layer.bias.dtype == float32
        assert (layer.in_features, layer.out_features) == (5, 3)

    def test_the_tree_finds_both(self):
        assert list(Linear(5, 3).state_dict()) == ["weight", "bias"]

    @pytest.mark.parametrize(("inputs", "outputs"), [(4, 3000), (100, 300), (1000, 30), (1, 2000)])
    def test_both_are_uniform_within_one_over_the_root_of_the_inputs(self, inputs, outputs):
        manual_seed(0)
        layer, bound = Linear(inputs, outputs), 1 / math.sqrt(inputs)
        for values in (layer.weight.array, layer.bias.array):
            assert np.abs(values).max() <= bound * (1 + 1e-6)
            assert np.abs(values).max() > 0.8 * bound
            assert values.std() == pytest.approx(bound / math.sqrt(3), rel=0.25)
            assert abs(values.mean()) < 0.3 * bound
            assert len(np.unique(values)) > 0.9 * values.size

    def test_both_are_spread_evenly_and_drawn_apart(self):
        manual_seed(0)
        layer = Linear(4, 3000)
        weight, bias = layer.weight.array, layer.bias.array
        for values in (weight, bias):
            counts, _ = np.histogram(values, bins=8, range=(-0.5, 0.5))
            assert np.abs(counts * 8 / values.size - 1).max() < 0.25
        together = np.corrcoef(np.column_stack([weight, bias]), rowvar=False)
        assert np.abs(together - np.eye(5)).max() < 0.1

    def test_manual_seed_decides(self):
        def drawn(seed):
            manual_seed(seed)
            layer = Linear(4, 3)
            return np.append(layer.weight.array, layer.bias.array)

        assert np.array_equal(drawn(1), drawn(1))
        assert not np.array_equal(drawn(1), drawn(2))

    def test_two_layers_differ(self):
        assert not close(Linear(4, 3).weight, Linear(4, 3).weight)

    def test_without_a_bias(self):
        layer = Linear(5, 3, bias=False)
        assert layer.bias is None
        assert list(layer.state_dict()) == ["weight"]
        assert close(layer(ones(2, 5)), ones(2, 5) @ layer.weight.T)

    def test_it_computes_with_what_it_owns(self):
        layer = Linear(2, 3)
        layer.weight, layer.bias = Parameter([[1, 0], [3, -1], [0.5, 0.5]]), parameter(0, 10, 0)
        assert layer(Tensor([[1.0, 2.0]])).tolist() == [[1.0, 11.0, 1.5]]

    def test_repr(self):
        assert repr(Linear(5, 3)) == "Linear(in_features=5, out_features=3, bias=True)"
        assert repr(Linear(5, 3, False)) == "Linear(in_features=5, out_features=3, bias=False)"

    @pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 3), (2.0, 3), ("3", 3)])
    def test_sizes_that_are_none_are_refused(self, sizes):
        with pytest.raises(ValueError, match="Linear needs two whole sizes of at least 1, not"):
            Linear(*sizes)

    def test_numpy_sizes_are_taken(self):
        assert Linear(np.int64(3), np.int32(2)).weight.shape == (2, 3)


@pytest.mark.exercise("layers.Dropout.forward")
class TestDropout:
    @pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
    def test_share_scale_and_average(self, p):
        got = Dropout(p, Generator(0))(ones(200, 200)).array
        assert (got == 0).mean() == pytest.approx(p, abs=0.02)
        assert close(np.unique(got), [0, 1 / (1 - p)])
        assert got.mean() == pytest.approx(1, abs=0.05)

    def test_what_stays_is_the_input_scaled(self):
        x = numbers(50, 40)
        got = Dropout(0.2, Generator(0))(Tensor(x)).array
        assert close(got, np.where(got == 0, 0, x / 0.8))

    def test_every_place_is_drawn_by_itself(self):
        gone = Dropout(0.5, Generator(0))(ones(30, 30, 30)).array == 0
        for dim in range(3):
            assert not gone.all(axis=dim).any()
            assert gone.any(axis=dim).any()
            assert np.diff(gone, axis=dim).any()

    def test_every_call_draws_anew(self):
        layer = Dropout(0.5, Generator(0))
        first, second = (layer(ones(1000)).array for _ in range(2))
        assert 300 < (first == second).sum() < 700

    def test_the_generator_makes_it_repeatable(self):
        runs = [Dropout(0.5, Generator(s))(ones(1000)).array for s in (1, 1, 2)]
        assert np.array_equal(runs[0], runs[1])
        assert not np.array_equal(runs[0], runs[2])

    def test_without_a_generator_manual_seed_decides(self):
        runs = []
        for seed in (1, 1, 2):
            manual_seed(seed)
            runs.append(Dropout(0.5)(ones(1000)).array)
        assert np.array_equal(runs[0], runs[1])
        assert not np.array_equal(runs[0], runs[2])

    @pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
    def test_evaluation_hands_the_input_on(self, p):
        layer, x = Dropout(p), Tensor(numbers(3, 4))
        layer.training = False
        assert layer(x) is x

    def test_evaluation_draws_nothing(self):
        layer = Dropout(0.5, Generator(0))
        layer.training = False
        layer(ones(3, 4))
        assert layer.generator.numpy.random() == Generator(0).numpy.random()

    def test_a_single_element_is_dropped_as_often_as_any(self):
        layer = Dropout(0.9, Generator(0))
        found = [layer(ones(1)).item() for _ in range(200)]
        assert 160 < found.count(0.0) < 198
        assert close(max(found), 10)

    def test_p_zero_hands_the_input_on_and_draws_nothing(self):
        generator, x = Generator(0), Tensor(numbers(3, 4))
        assert close(Dropout(0.0, generator)(x), x)
        assert generator.numpy.random() == Generator(0).numpy.random()

    def test_p_one_gives_zeros_without_a_warning(self):
        with np.errstate(all="raise"):
            got = Dropout(1.0)(Tensor(numbers(3, 4)))
        assert close(got, np.zeros((3, 4)))

    @pytest.mark.parametrize("dtype", [float32, float64])
    @pytest.mark.parametrize("p", [0.3, 1.0])
    def test_the_dtype_and_the_input_stay(self, p, dtype):
        x = Tensor(numbers(20, 20), dtype=dtype)
        before = x.array.copy()
        got = Dropout(p, Generator(0))(x)
        assert got.dtype == dtype
        assert np.array_equal(x.array, before)

    def test_float64_is_exact(self):
        got = Dropout(0.3, Generator(0))(ones(100, dtype=float64)).array
        assert np.abs(got[got > 0] - 1 / 0.7).max() < 1e-15

    @pytest.mark.parametrize("p", [0.5, 1.0])
    def test_it_is_recorded(self, p):
        x = Tensor(numbers(3, 4), requires_grad=True)
        got = Dropout(p)(x)
        assert got.requires_grad
        sources = [got.made_by]
        while sources and sources[0] is not x:
            sources = [s for s in sources[0].inputs if s is not None]
        assert sources == [x]

    def test_any_shape(self):
        for shape in ((), (0,), (5,), (2, 3, 4, 5)):
            assert Dropout(0.5)(ones(shape)).shape == shape

    @pytest.mark.parametrize("p", [-0.1, 1.1])
    def test_a_probability_is_between_0_and_1(self, p):
        with pytest.raises(ValueError, match=f"probability between 0 and 1, not {p}"):
            Dropout(p)

    def test_repr(self):
        assert repr(Dropout(0.1)) == "Dropout(p=0.1)"


@pytest.mark.exercise("layers")
class TestTree:
    def test_parts_are_found_in_the_order_of_setting(self):
        root = tree(b=Same(), text="no", a=ReLU(), w=parameter(1))
        assert root.named_children() == [("b", root.b), ("a", root.a)]
        assert root.children() == [root.b, root.a]

    def test_all_modules_with_their_names_before_their_parts(self):
        root = tree(a=tree(x=Same(), y=Same()), b=Same())
        assert [name for name, _ in root.named_modules()] == ["", "a", "a.x", "a.y", "b"]
        inside = [name for name, _ in root.named_modules("m")]
        assert inside == ["m", "m.a", "m.a.x", "m.a.y", "m.b"]
        assert root.modules() == [root, root.a, root.a.x, root.a.y, root.b]

    def test_a_shared_module_once_under_its_first_name(self):
        part = tree(inner=Same())
        root = tree(a=part, b=part)
        assert [name for name, _ in root.named_modules()] == ["", "a", "a.inner"]

    def test_a_part_that_knows_its_parent_does_not_go_round_for_ever(self):
        root = tree(part=Module())
        root.part.parent = root
        assert root.modules() == [root, root.part]

    def test_apply_reaches_parts_before_the_whole(self):
        root = tree(a=tree(x=Same()), b=Same())
        order = []
        assert root.apply(order.append) is root
        assert order == [root.a.x, root.a, root.b, root]

    def test_apply_visits_a_part_with_two_names_once(self):
        part, order = Same(), []
        tree(a=part, b=part).apply(order.append)
        assert order.count(part) == 1

    def test_add_module_is_setting_an_attribute(self):
        root = Module()
        root.add_module("part", Same())
        assert root.named_children() == [("part", root.part)]

    @pytest.mark.parametrize("name", ["", "a.b", "train", "forward", "training"])
    def test_add_module_refuses_names_that_break_something(self, name):
        with pytest.raises(ValueError, match=f"a part of Module cannot be called {name!r}"):
            Module().add_module(name, Same())

    def test_repr_shows_the_tree(self):
        root = tree(head=Sequential(Linear(2, 3), ReLU()), drop=Dropout(0.1))
        assert repr(root) == (
            "Module(\n"
            "  (head): Sequential(\n"
            "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
            "    (1): ReLU()\n"
            "  )\n"
            "  (drop): Dropout(p=0.1)\n"
            ")"
        )

    def test_dotted(self):
        assert layers.dotted("", "a") == "a"
        assert layers.dotted("a.b", "c") == "a.b.c"


class Forgetful(Module):
    """Never calls super().__init__()."""

    def __init__(self):
        self.layer = Linear(3, 2)

    def forward(self, x, *, twice=False):
        y = self.layer(x)
        return y + y if twice else y


class Dutiful(Forgetful):
    """Does."""

    def __init__(self):
        super().__init__()
        Module.__init__(self)
        self.scale = parameter(2)


@pytest.mark.exercise("layers")
class TestModule:
    def test_super_init_may_be_called_and_forgotten(self):
        assert list(Forgetful().state_dict()) == ["layer.weight", "layer.bias"]
        assert list(Dutiful().state_dict()) == ["scale", "layer.weight", "layer.bias"]

    def test_a_call_is_forward_with_all_arguments(self):
        model, x = Forgetful(), ones(4, 3)
        assert close(model(x, twice=True), 2 * model(x).array)

    def test_without_forward_it_says_so(self):
        with pytest.raises(NotImplementedError, match=r"Module has no forward\(\)"):
            Module()(ones(1))
        with pytest.raises(NotImplementedError, match="ModuleList only holds modules: call them"):
            ModuleList()(ones(1))

    def test_parameters_are_the_values_of_named_parameters(self):
        model = Dutiful()
        assert list(model.parameters()) == [model.scale, model.layer.weight, model.layer.bias]

    def test_parameters_is_an_iterator(self):
        found = Forgetful().parameters()
        assert next(found).shape == (2, 3)
        assert next(found).shape == (2,)
        assert next(found, "used up") == "used up"

    @pytest.mark.parametrize("kind", [list, tuple, lambda parts: dict(enumerate(parts))])
    def test_modules_in_a_plain_list_are_warned_of(self, kind):
        root = tree(part=tree(blocks=kind([Linear(2, 2), ReLU()])))
        told = "^part.blocks is no part of the model: .* use ModuleList"
        with pytest.warns(UserWarning, match=told) as seen:
            assert list(root.parameters()) == []
        assert seen[0].filename == __file__

    def test_parameters_in_a_plain_list_are_warned_of(self):
        with pytest.warns(UserWarning, match="weights is no part of the model: a plain list hides"):
            tree(weights=[parameter(1)]).parameters()

    def test_a_list_of_parts_that_the_tree_knows_anyway_is_fine(self):
        root = tree(a=Linear(2, 2), sizes=[1, 2], names={"x": "y"}, empty=[])
        root.order = [root.a, root.a.weight]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert list(root.parameters()) == [root.a.weight, root.a.bias]

    def test_gradients(self):
        model = Forgetful()
        for p in model.parameters():
            p.grad = ones(p.shape)
        model.zero_grad()
        assert [p.grad for p in model.parameters()] == [None, None]
        assert model.requires_grad_(False) is model
        assert not any(p.requires_grad for p in model.parameters())
        assert not model(ones(1, 3)).requires_grad
        model.requires_grad_()
        assert all(p.requires_grad for p in model.parameters())

    def test_deepcopy_is_a_model_of_its_own(self):
        part = Linear(2, 2)
        model = Sequential(part, ReLU(), part)
        twin = copy.deepcopy(model)
        assert twin[0] is twin[2]
        assert twin[0] is not part
        twin[0].weight.detach().zero_()
        assert part.weight.array.any()
        assert len(list(twin.parameters())) == 2

    def test_pickle_brings_it_back(self):
        model = Sequential(Linear(3, 2), Dropout(0.5))
        again = pickle.loads(pickle.dumps(model))
        assert close(again.eval()(ones(2, 3)), model.eval()(ones(2, 3)))

    def test_hooks_see_and_replace_the_result(self):
        model, seen = Sequential(Same(), Same()), []

        def look(module, inputs, result):
            seen.append((module, inputs, result))

        handle = model[0].register_forward_hook(look)
        double = model[1].register_forward_hook(lambda module, inputs, result: result * 2)
        x = ones(2)
        assert close(model(x), [2, 2])
        assert seen == [(model[0], (x,), x)]
        handle.remove()
        double.remove()
        assert close(model(x), [1, 1])
        assert len(seen) == 1
        assert Module.forward_hooks == ()


@pytest.mark.exercise("layers")
class TestBuffersAndState:
    def model(self):
        root = tree(part=tree(w=parameter(1)), w=parameter(2))
        root.register_buffer("mean", Tensor([3.0]))
        root.part.register_buffer("scratch", Tensor([4.0]), persistent=False)
        return root

    def test_the_state_has_own_parameters_own_buffers_then_the_parts(self):
        assert list(self.model().state_dict()) == ["w", "mean", "part.w"]
        assert list(self.model().state_dict(prefix="net.")) == ["net.w", "net.mean", "net.part.w"]

    def test_the_state_shares_memory_and_leaves_the_graph(self):
        root = self.model()
        state = root.state_dict()
        assert not any(tensor.requires_grad for tensor in state.values())
        state["part.w"][0] = 9.0
        assert root.part.w.tolist() == [9.0]

    def test_a_shared_parameter_stands_under_both_names(self):
        root = self.model()
        root.other = tree(w=root.w)
        assert list(root.state_dict()) == ["w", "mean", "part.w", "other.w"]

    def test_buffers_are_not_parameters(self):
        root = self.model()
        assert [name for name, _ in root.named_parameters()] == ["w", "part.w"]
        assert root.named_buffers() == [("mean", root.mean), ("part.scratch", root.part.scratch)]
        assert root.buffers() == [root.mean, root.part.scratch]
        assert [name for name, _ in root.named_buffers("net")] == ["net.mean", "net.part.scratch"]

    def test_buffers_belong_to_one_module_only(self):
        self.model()
        assert Module().named_buffers() == []

    def test_a_buffer_may_be_replaced(self):
        root = self.model()
        root.mean = Tensor([5.0])
        assert root.state_dict()["mean"].tolist() == [5.0]

    def test_a_buffer_is_a_tensor(self):
        with pytest.raises(TypeError, match="a buffer is a Tensor, and mean is a list"):
            Module().register_buffer("mean", [1.0])

    def test_a_prefix_left_on_is_recognised(self):
        state = {f"good.{name}": tensor for name, tensor in self.model().state_dict().items()}
        with pytest.raises(ValueError, match=r"do the names need \.removeprefix\('good\.'\)\?"):
            self.model().load_state_dict(state)

    def test_a_long_list_is_cut(self):
        model = Sequential(*(Linear(2, 2) for _ in range(10)))
        with pytest.raises(ValueError, match=r"missing: 0\.weight, .*, 2\.bias and 14 more$"):
            model.load_state_dict({})


@pytest.mark.exercise("layers")
class TestTo:
    def model(self):
        root = Sequential(Linear(3, 2))
        root.register_buffer("mean", Tensor([1.0]))
        root.register_buffer("count", Tensor([1]))
        return root

    def dtypes(self, root):
        return [tensor.dtype for tensor in root.state_dict().values()]

    @pytest.mark.parametrize("how", [float64, np.float64, Tensor([1.0], dtype=float64)])
    def test_real_numbers_are_converted_and_whole_ones_stay(self, how):
        root = self.model()
        weight = root[0].weight
        assert root.to(how) is root
        assert self.dtypes(root) == [float64, int64, float64, float64]
        assert root[0].weight is weight
        assert self.dtypes(root.to(dtype=float32)) == [float32, int64, float32, float32]

    def test_short_names(self):
        root = self.model()
        assert self.dtypes(root.double())[0] == float64
        assert root(ones(1, 3, dtype=float64)).dtype == float64
        assert self.dtypes(root.float().cpu())[0] == float32

    def test_gradients_go_along(self):
        root = self.model()
        root[0].weight.grad = ones(2, 3)
        root.double()
        assert root[0].weight.grad.dtype == float64
        assert root[0].bias.grad is None

    def test_the_cpu_is_the_one_device(self):
        root = self.model()
        assert root.to("cpu") is root
        assert root.to("cpu", float64) is root
        assert self.dtypes(root)[0] == float64
        with pytest.raises(ValueError, match="on the CPU only: device='cuda:0' does not exist"):
            root.to("cuda:0", float32)
        assert self.dtypes(root)[0] == float64

    def test_a_model_without_arrays_is_refused_other_devices_too(self):
        with pytest.raises(ValueError, match="on the CPU only"):
            ReLU().to("cuda")

    def test_whole_numbers_are_refused(self):
        root = self.model()
        with pytest.raises(TypeError, match="a model holds real numbers, not int64"):
            root.to(int64)
        assert self.dtypes(root)[0] == float32


class Deep(Module):
    """blocks.0, .1 and .2, of which the last takes another width."""

    def __init__(self):
        self.blocks = ModuleList(
            Sequential({"attention": tree(query=Linear(n, 4))}) for n in (4, 4, 5)
        )
        for block in self.blocks:
            block.attention.forward = block.attention.query

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


@pytest.mark.exercise("layers")
class TestErrorsSayWhere:
    def test_the_path_is_told_once_however_deep(self):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            Sequential(Deep())(ones(2, 4))
        assert str(caught.value) == (
            "linear: x (2, 4) should end in 5 features, as weight is (out, in) = (4, 5): "
            "Linear(4, 4) would fit, in 0.blocks.2.attention.query (Linear) of Sequential"
        )

    def test_a_module_alone_is_told_by_its_kind(self):
        with pytest.raises(ValueError, match=r"Linear\(4, 2\) would fit, in Linear$"):
            Linear(3, 2)(ones(2, 4))

    def test_an_error_of_the_model_itself(self):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'x', in F"):
            Forgetful()()

    def test_a_part_that_is_not_in_the_tree_is_told_by_its_kind(self):
        class Hidden(Module):
            def forward(self, x):
                return Linear(3, 2)(x)

        with pytest.raises(ValueError, match="in Linear$"):
            Sequential(Hidden())(ones(2, 4))

    @pytest.mark.parametrize("kind", [ValueError, TypeError, IndexError, RuntimeError])
    def test_the_kind_of_error_stays(self, kind):
        class Broken(Module):
            def forward(self, x):
                raise kind("broken")

        with pytest.raises(kind, match=r"^broken, in 1 \(Broken\) of Sequential$"):
            Sequential(Same(), Broken())(ones(1))

    def test_other_errors_pass_as_they_are(self):
        class Broken(Module):
            def forward(self, x):
                raise x

        for error in (KeyError("k"), NotImplementedError("n"), ValueError(), ValueError(1, 2)):
            args = error.args
            with pytest.raises(type(error)) as caught:
                Sequential(Broken())(error)
            assert caught.value is error
            assert error.args == args


@pytest.mark.exercise("layers")
class TestContainers:
    def test_sequential_runs_one_after_the_other(self):
        first, second = Linear(3, 5), Linear(5, 2)
        x = Tensor(numbers(4, 3))
        assert close(Sequential(first, Tanh(), second)(x), second(first(x).tanh()))

    def test_the_empty_sequential_hands_its_input_on(self):
        x = ones(2)
        assert Sequential()(x) is x

    def test_one_part_may_stand_twice(self):
        layer = Linear(3, 3)
        x = Tensor(numbers(2, 3))
        assert close(Sequential(layer, layer)(x), layer(layer(x)))

    def test_sequential_with_names(self):
        model = Sequential({"first": Linear(3, 2), "bend": ReLU()})
        assert list(model.state_dict()) == ["first.weight", "first.bias"]
        assert model[0] is model.first
        assert model(ones(1, 3)).shape == (1, 2)

    @pytest.mark.parametrize(
        ("wrong", "told"),
        [
            (
                abs,
                r"abs is a function: use its module, as ReLU\(\) for relu, or call it in forward",
            ),
            (ReLU, r"ReLU is a class: write ReLU\(...\)"),
            ([], r"this is a list(: write Sequential\(\*layers\) with a star)?"),
            (None, "None is a NoneType"),
        ],
    )
    @pytest.mark.parametrize("kind", [Sequential, lambda *modules: ModuleList(modules)])
    def test_what_is_no_module_is_refused(self, kind, wrong, told):
        with pytest.raises(TypeError, match=rf"^\w+ takes modules, and {told}$"):
            kind(Same(), wrong)

    def test_indices_and_slices(self):
        model = Sequential(Same(), ReLU(), Tanh(), Same())
        assert model[1] is model[-3]
        assert len(model) == 4
        part = model[1:3]
        assert type(part) is Sequential
        assert list(part) == [model[1], model[2]]
        assert [name for name, _ in part.named_children()] == ["0", "1"]
        with pytest.raises(IndexError):
            model[4]

    def test_a_part_is_replaced_in_its_place(self):
        model = Sequential(Same(), ReLU())
        model[-1] = Tanh()
        model[0] = GELU("tanh")
        assert repr(model) == "Sequential(\n  (0): GELU(approximate='tanh')\n  (1): Tanh()\n)"
        with pytest.raises(TypeError, match="^Sequential takes modules, and abs is a function"):
            model[0] = abs

    def test_module_list(self):
        parts = ModuleList(Same() for _ in range(2))
        assert parts.append(ReLU()) is parts
        parts.extend([Tanh(), Tanh()])
        assert len(parts) == 5
        assert [name for name, _ in parts.named_children()] == list("01234")
        assert type(parts[:2]) is ModuleList
        assert [type(part) for part in parts][2:] == [ReLU, Tanh, Tanh]


@pytest.mark.exercise("layers")
class TestActivationModules:
    @pytest.mark.parametrize(
        ("module", "function"),
        [
            (ReLU(), lambda x: np.maximum(x, 0)),
            (Tanh(), np.tanh),
        ],
    )
    def test_the_function_as_a_module(self, module, function):
        x = numbers(4, 5)
        assert close(module(Tensor(x)), function(x))
        assert list(module.parameters()) == []

    def test_both_forms_of_gelu(self):
        x = Tensor([1.0])
        assert GELU()(x).item() == pytest.approx(0.841345, abs=1e-6)
        assert GELU(approximate="tanh")(x).item() == pytest.approx(0.841192, abs=1e-6)
        with pytest.raises(ValueError, match="approximate is 'none' or 'tanh', not 'erf'"):
            GELU("erf")

    def test_repr(self):
        assert repr(GELU("tanh")) == "GELU(approximate='tanh')"
        assert repr(Tanh()) == "Tanh()"


@pytest.mark.exercise("layers")
class TestReadyWeights:
    """The network for the digits that ships with the course."""

    @pytest.mark.parametrize(
        ("name", "right"), [("good", 352), ("middling", 305), ("untrained", 36)]
    )
    def test_the_three_sets_read_as_well_as_their_readme_says(self, name, right):
        digits = np.load(data_file("tinydigits/digits.npz"))
        post = np.load(data_file("tinydigits/mlp.npz"))
        model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
        model.load_state_dict(
            {n.removeprefix(f"{name}."): post[n] for n in post if n.startswith(f"{name}.")}
        )
        scores = model(Tensor(digits["test_images"].reshape(-1, 64) / 16)).array
        assert scores.dtype == np.float32
        assert (scores.argmax(axis=1) == digits["test_labels"]).sum() == right

    def test_its_size(self):
        model = Sequential(Linear(64, 32), ReLU(), Linear(32, 10))
        assert sum(p.numel() for p in model.parameters()) == 2410
