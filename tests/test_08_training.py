"""Module 08: evaluation, accumulation, safetensors, the Trainer, and exact resume."""

import errno
import functools
import inspect
import json
import math
import os
import pickle
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinytorch import training
from tinytorch.autograd import no_grad
from tinytorch.course import close
from tinytorch.dataloader import DataLoader, Subset, TensorDataset
from tinytorch.layers import Dropout, Linear, Module, Sequential, Tanh
from tinytorch.losses import cross_entropy, mse_loss
from tinytorch.optimizers import SGD, Adam, AdamW, clip_grad_norm_, warmup_cosine
from tinytorch.tensor import Generator, Parameter, Tensor, manual_seed, rand, stack
from tinytorch.training import (
    CODES,
    Journal,
    Trainer,
    accumulate,
    count_targets,
    cut_arrays,
    decay_groups,
    draw_curves,
    evaluate,
    generator_state,
    layout,
    linear_warmup,
    load_safetensors,
    noam,
    packed,
    perplexity,
    read_safetensors,
    save_safetensors,
    set_generator_state,
    text_curve,
    write_whole,
)

ARRAYS = st.dictionaries(
    st.text("abw.01é ", min_size=1, max_size=6),
    st.sampled_from(sorted(CODES)).flatmap(
        lambda dtype: hnp.arrays(
            dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
        )
    ),
    max_size=5,
)


class Scale(Module):
    """One weight w; the loss of a batch is w * mean(batch). It notes how it was asked."""

    def __init__(self, value=1.0):
        self.weight, self.asked = Parameter([value]), []

    def mean_loss(self, batch):
        loss = (self.weight * Tensor(batch)).mean()
        self.asked.append((self.training, loss.requires_grad, self.weight.grad is not None))
        return loss


def mean_or_nan(batch):
    """The mean, as PyTorch's losses have it: nan if there is nothing."""
    return Tensor(sum(batch) / len(batch) if batch else math.nan, requires_grad=True)


def digits_like(count=21, seed=0):
    """Random points in 4 classes, some targets left out."""
    source = np.random.default_rng(seed)
    points, classes = source.standard_normal((count, 3)), source.integers(0, 4, count)
    classes[:: count // 3] = -100
    return TensorDataset(Tensor(points.astype(np.float32)), Tensor(classes))


def make_trainer(folder=None, seed=0, kind=AdamW, batch_size=4, **settings):
    """A small network with dropout, a shuffled loader with dice of its own, two pieces a step."""
    manual_seed(seed)
    model = Sequential(Linear(3, 8), Tanh(), Dropout(0.3), Linear(8, 4))
    return Trainer(
        model,
        kind(decay_groups(model, 0.1) if kind is AdamW else model.parameters(), lr=0.02),
        DataLoader(digits_like(), batch_size, shuffle=True, generator=Generator(seed)),
        **{"max_norm": 1.0, "pieces": 2, "folder": folder} | settings,
    )


def losses(trainer):
    """All rows of the journal: equal to the bit or not at all."""
    return trainer.journal.rows


def same_weights(first, second):
    pairs = zip(first.model.parameters(), second.model.parameters(), strict=True)
    return all(np.array_equal(a.array, b.array) for a, b in pairs)


# ---------------------------------------------------------------- perplexity, evaluation
@pytest.mark.exercise("training.perplexity")
class TestPerplexity:
    @pytest.mark.parametrize("choices", [1, 2, 10, 56, 50_257])
    def test_equal_choices(self, choices):
        assert math.isclose(perplexity(math.log(choices)), choices, rel_tol=1e-12)

    def test_of_a_tensor(self):
        got = perplexity(Tensor(math.log(7.0)))
        assert isinstance(got, float) and close(got, 7, 1e-5)

    def test_of_numpy(self):
        assert math.isclose(perplexity(np.float64(2.0)), math.exp(2.0), rel_tol=1e-12)

    @pytest.mark.parametrize("loss", [710.0, 1e4, math.inf])
    def test_too_large_is_inf(self, loss):
        with np.errstate(over="ignore"):  # NumPy's exp gives inf by itself
            assert perplexity(loss) == math.inf

    def test_what_fits_is_not_inf(self):
        assert math.isclose(perplexity(709.0), math.exp(709.0), rel_tol=1e-12)

    def test_leaves_the_loss_alone(self):
        loss = Tensor([2.0])
        perplexity(loss)
        assert loss.item() == 2.0

    def test_grows_with_the_loss(self):
        values = [perplexity(loss) for loss in (0, 0.5, 1, 5, 50, 500)]
        assert values == sorted(values) and values[0] == 1


@pytest.mark.exercise("training")
class TestCountTargets:
    def test_leaves_out_the_ignored(self):
        assert count_targets(Tensor([[3, -100], [-100, 0]])) == 2
        assert count_targets(np.array([1, 0, 0]), ignore_index=0) == 1
        assert count_targets(Tensor([[0.5, 2.0, 1.0]])) == 3

    def test_a_measured_value_is_no_mark(self):
        assert count_targets(Tensor([[-100.0], [3.0]])) == 2
        assert count_targets(np.array([-100.0, 3.0], np.float64)) == 2


@pytest.mark.exercise("training.evaluate")
class TestEvaluate:
    @given(st.lists(st.lists(st.floats(-3, 3), min_size=1, max_size=5), min_size=1, max_size=6))
    @settings(max_examples=30)
    def test_is_the_mean_over_all_targets(self, batches):
        everything = [x for batch in batches for x in batch]
        model = Scale()
        got = evaluate(model, batches, model.mean_loss, len)
        assert isinstance(got, float)
        assert math.isclose(got, sum(everything) / len(everything), abs_tol=1e-5)

    def test_does_not_depend_on_the_batches(self):
        data, model = digits_like(), make_trainer().model
        loss = functools.partial(lambda batch: cross_entropy(model(batch[0]), batch[1]))
        got = [
            evaluate(model, DataLoader(data, size), loss, lambda b: count_targets(b[1]))
            for size in (1, 4, 20, 21)
        ]
        assert np.ptp(got) < 1e-6

    def test_nothing_is_recorded_and_nothing_dropped(self):
        model = Scale()
        evaluate(model, [[1.0], [2.0]], model.mean_loss, len)
        assert model.asked == [(False, False, False)] * 2

    @pytest.mark.parametrize("mode", [True, False])
    def test_the_mode_comes_back(self, mode):
        model = Scale().train(mode)
        evaluate(model, [[1.0]], model.mean_loss, len)
        assert model.training is mode

    def test_the_mode_comes_back_after_an_error(self):
        model = Scale()
        with pytest.raises(ZeroDivisionError):
            evaluate(model, [[1.0]], lambda batch: 1 / 0, len)
        assert model.training

    def test_every_part_is_in_its_own_mode_again(self):
        model = Sequential(Linear(1, 1), Dropout(0.5), Dropout(0.5))
        for mode in (True, False):
            model.train(mode)[1].train(not mode)
            evaluate(model, [[1.0]], lambda batch: model(Tensor([batch])).mean(), len)
            modes = [module.training for module in model]
            assert modes == [mode, not mode, mode]

    def test_a_batch_without_targets_is_left_out(self):
        got = evaluate(Scale(), [[1.0], [], [4.0, 4.0]], mean_or_nan, len)
        assert got == 3.0

    def test_a_generator_of_batches(self):
        model = Scale()
        assert evaluate(model, ([float(n)] * n for n in (1, 3)), model.mean_loss, len) == 2.5

    def test_many_small_batches_behind_a_large_one(self):
        counts, model = [2**24] + [1] * 1000, Scale()
        batches = [(count, 1.0) for count in counts]
        got = evaluate(model, batches, lambda b: model.mean_loss(b[1:]), lambda b: b[0])
        assert math.isclose(got, 1.0, rel_tol=1e-9)  # float32 cannot count above 2**24

    def test_gradients_that_wait_stay(self):
        model = Scale()
        model.weight.grad = Tensor([10.0])
        evaluate(model, [[1.0], [2.0]], model.mean_loss, len)
        assert model.weight.grad.tolist() == [10.0]

    def test_nothing_to_measure(self):
        model = Scale()
        with pytest.raises(ValueError, match="^nothing to evaluate on: no batch has a target"):
            evaluate(model, [], model.mean_loss, len)
        with pytest.raises(ValueError, match="nothing to evaluate on"):
            evaluate(model, [[1.0]], model.mean_loss, lambda batch: 0)


# ---------------------------------------------------------------- gradients in pieces
@pytest.mark.exercise("training.accumulate")
class TestAccumulate:
    def test_by_hand(self):
        model = Scale()
        assert accumulate([[1.0, 1.0, 1.0], [5.0]], model.mean_loss, len) == 2.0
        assert model.weight.grad.tolist() == [2.0]

    @given(st.lists(st.lists(st.floats(-3, 3), min_size=1, max_size=5), min_size=1, max_size=6))
    @settings(max_examples=30)
    def test_pieces_equal_the_whole(self, batches):
        whole, pieces = Scale(2.0), Scale(2.0)
        want = accumulate([[x for batch in batches for x in batch]], whole.mean_loss, len)
        got = accumulate(batches, pieces.mean_loss, len)
        assert math.isclose(got, want, abs_tol=1e-5)
        assert close(pieces.weight.grad, whole.weight.grad, 1e-5)

    def test_a_network_in_pieces(self):
        gradients = []
        for size in (21, 8, 5, 1):
            trainer = make_trainer()
            trainer.model.eval()
            batches = list(DataLoader(digits_like(), size))
            batches = [b for b in batches if trainer.count(b)]
            accumulate(batches, trainer.mean_loss, trainer.count)
            gradients.append(
                np.concatenate([p.grad.array.ravel() for p in trainer.model.parameters()])
            )
        assert all(close(g, gradients[0], 1e-6) for g in gradients)

    def test_walks_back_after_each_piece(self):
        model = Scale()
        accumulate([[1.0], [1.0], [1.0]], model.mean_loss, len)
        assert [had for _, _, had in model.asked] == [False, True, True]

    def test_adds_to_what_is_there(self):
        model = Scale()
        model.weight.grad = Tensor([10.0])
        accumulate([[3.0]], model.mean_loss, len)
        assert model.weight.grad.tolist() == [13.0]

    def test_a_piece_without_targets(self):
        model, counts = Scale(), iter([0, 2])
        got = accumulate([[7.0], [3.0, 5.0]], model.mean_loss, lambda batch: next(counts))
        assert got == 4.0 and model.weight.grad.tolist() == [4.0]

    def test_a_piece_without_targets_is_left_out(self):
        assert accumulate([[], [3.0, 5.0], []], mean_or_nan, len) == 4.0

    def test_keeps_the_type(self):
        weight = Parameter(Tensor([1.0], dtype=np.float64))
        loss = accumulate([[1.0], [2.0, 3.0]], lambda b: (weight * Tensor(b)).mean(), len)
        assert weight.grad.dtype == np.float64 and isinstance(loss, float)

    def test_no_targets_at_all(self):
        model = Scale()
        with pytest.raises(ValueError, match="^nothing to learn from: no batch has a target"):
            accumulate([[1.0]], model.mean_loss, lambda batch: 0)
        with pytest.raises(ValueError, match="nothing to learn from"):
            accumulate([], model.mean_loss, len)


# ---------------------------------------------------------------- groups and schedules
class Norm(Module):
    def __init__(self):
        self.weight, self.bias = Parameter([1.0]), Parameter([0.0])


class Model(Module):
    def __init__(self):
        self.tokens = Parameter([[1.0, 2.0]])
        self.norm, self.head, self.scale = Norm(), Linear(2, 3), Parameter(1.0)
        self.kernel, self.tied = Parameter([[[1.0]]]), self.head


@pytest.mark.exercise("training.decay_groups")
class TestDecayGroups:
    def names(self, *args, **kwargs):
        model = Model()
        names = {p: name for name, p in model.named_parameters()}
        groups = decay_groups(model, *args, **kwargs)
        return [[names[p] for p in group["params"]] for group in groups]

    def test_by_dimensions(self):
        decayed, spared = self.names()
        assert decayed == ["tokens", "kernel", "head.weight"]
        assert spared == ["scale", "norm.weight", "norm.bias", "head.bias"]

    def test_by_name_as_well(self):
        words = ["tok", "head"]
        decayed, spared = self.names(0.1, words)
        assert words == ["tok", "head"]
        assert decayed == ["kernel"]
        order = [name for name, _ in Model().named_parameters()]
        assert spared == [name for name in order if name != "kernel"]

    def test_a_single_word(self):
        assert "tokens" in self.names(spare="tokens")[1]

    def test_a_word_is_no_pattern(self):
        model = Model()
        model.head_weight = Parameter([[1.0]])
        decayed, spared = (group["params"] for group in decay_groups(model, spare="head.weight"))
        assert any(p is model.head_weight for p in decayed)
        assert any(p is model.head.weight for p in spared)

    def test_every_parameter_once(self):
        assert sorted(sum(self.names(), [])) == sorted(n for n, _ in Model().named_parameters())

    def test_a_frozen_parameter_too(self):
        model = Linear(2, 3)
        for p in model.parameters():
            p.requires_grad = False
        assert [len(group["params"]) for group in decay_groups(model)] == [1, 1]

    def test_settings(self):
        assert [g["weight_decay"] for g in decay_groups(Model())] == [0.01, 0.0]
        assert [g["weight_decay"] for g in decay_groups(Model(), 0.3)] == [0.3, 0.0]

    def test_an_optimizer_takes_them(self):
        model = Model()
        optimizer = AdamW(decay_groups(model, 0.5), lr=0.1)
        for p in model.parameters():
            p.grad = p * 0
        optimizer.step()
        assert close(model.tokens, [[0.95, 1.9]]) and close(model.norm.weight, [1.0])

    def test_a_word_that_is_nowhere(self):
        with pytest.raises(ValueError, match="^no parameter has 'embeding' in its name: there are"):
            decay_groups(Model(), spare=["tokens", "embeding"])


@pytest.mark.exercise("training")
class TestSchedules:
    def test_noam_golden(self):
        for step, want in ((1, 1.747e-7), (4000, 6.988e-4), (100_000, 1.3975e-4)):
            assert math.isclose(noam(step, 4000, 512), want, rel_tol=1e-4)

    def test_noam_rises_and_falls(self):
        values = [noam(step, 50, 64, factor=2.0) for step in range(400)]
        assert values[0] == 0 and np.argmax(values) == 50
        assert math.isclose(values[50], 2 * (64 * 50) ** -0.5)
        assert math.isclose(values[200], values[50] / 2)

    def test_linear_warmup_is_exact(self):
        assert [linear_warmup(k, 8, 0.5) for k in range(9)] == [0.5 * k / 8 for k in range(9)]
        assert linear_warmup(900, 8, 0.5) == 0.5 and linear_warmup(0, 0, 0.5) == 0.5

    def test_nonsense_is_refused(self):
        with pytest.raises(ValueError, match="steps are not negative: step=-1"):
            linear_warmup(-1, 4)
        with pytest.raises(ValueError, match="noam needs step >= 0 and warmup_steps >= 1: step=1"):
            noam(1, 0, 512)


# ---------------------------------------------------------------- safetensors
@pytest.mark.exercise("training.layout")
class TestLayout:
    def test_by_hand(self):
        got = layout({"w": np.zeros((2, 3), np.float32), "b": np.zeros(3, np.float32)})
        assert got == {
            "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
            "b": {"dtype": "F32", "shape": [3], "data_offsets": [24, 36]},
        }

    def test_every_type(self):
        got = layout({name: np.zeros(2, name) for name in CODES})
        assert {name: entry["dtype"] for name, entry in got.items()} == CODES
        assert [e["data_offsets"][1] - e["data_offsets"][0] for e in got.values()] == [
            2 * np.dtype(name).itemsize for name in CODES
        ]

    @given(ARRAYS)
    @settings(max_examples=30)
    def test_no_gap_and_no_overlap(self, arrays):
        ends = [0]
        for entry, array in zip(layout(arrays).values(), arrays.values(), strict=True):
            begin, end = entry["data_offsets"]
            assert begin == ends[-1] and end - begin == array.nbytes
            assert entry["shape"] == list(array.shape)
            ends.append(end)

    def test_a_view_counts_its_own_numbers(self):
        view = np.zeros((4, 6), np.float64)[::2, 1:3]
        assert layout({"v": view})["v"]["data_offsets"] == [0, 32]

    def test_nothing(self):
        assert layout({}) == {}


@pytest.mark.exercise("training.cut_arrays")
class TestCutArrays:
    @given(ARRAYS)
    @settings(max_examples=30)
    def test_undoes_the_layout(self, arrays):
        body = b"".join(array.tobytes() for array in arrays.values())
        entries, same = layout(arrays), layout(arrays)
        got = cut_arrays(entries, body)
        assert set(got) == set(arrays) and entries == same
        for name, array in arrays.items():
            assert got[name].dtype == array.dtype and got[name].shape == array.shape
            assert got[name].tobytes() == array.tobytes()

    def test_entries_in_any_order(self):
        entries = {
            "b": {"dtype": "U8", "shape": [2], "data_offsets": [2, 4]},
            "a": {"dtype": "U8", "shape": [1, 2], "data_offsets": [0, 2]},
        }
        got = cut_arrays(entries, bytes([1, 2, 3, 4]))
        assert got["b"].tolist() == [3, 4] and got["a"].tolist() == [[1, 2]]

    def test_may_be_written_into(self):
        body = np.ones(2, np.float32).tobytes()
        got = cut_arrays({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, body)
        got["a"] += 1
        assert got["a"].tolist() == [2, 2] and body == np.ones(2, np.float32).tobytes()

    def test_one_that_is_kept_does_not_keep_the_whole_file(self):
        entries = {"a": entry(shape=(1,), offsets=(0, 4)), "b": entry(shape=(1,), offsets=(4, 8))}
        owner = cut_arrays(entries, bytes(8))["b"]
        while getattr(owner, "base", None) is not None:
            owner = owner.base
        assert memoryview(owner.obj if isinstance(owner, memoryview) else owner).nbytes == 4

    def test_of_a_memoryview(self):
        entries = {"a": {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}}
        assert cut_arrays(entries, memoryview((7).to_bytes(8, "little")))["a"] == 7


def file_of(folder, header, body=b"", length=None):
    """A file with this header, as JSON or raw, and this body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "x.safetensors"
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + body)
    return path


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.exercise("training")
class TestFiles:
    @given(ARRAYS, st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3))
    @settings(max_examples=40)
    def test_round_trip(self, tmp_path_factory, arrays, metadata):
        path = tmp_path_factory.mktemp("round") / "x.safetensors"
        save_safetensors(arrays, path, metadata)
        got, words = read_safetensors(path)
        assert words == metadata and set(got) == set(arrays)
        for name, array in arrays.items():
            assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
            assert got[name].tobytes() == array.tobytes()  # nan and -0.0 too

    def test_bytes_by_hand(self, tmp_path):
        path = tmp_path / "x.safetensors"
        save_safetensors({"b": Tensor([1.0, 2.0])}, path)
        text = '{"b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}'
        data, size = path.read_bytes(), len(text) + -len(text) % 8
        assert data[:8] == size.to_bytes(8, "little")
        assert json.loads(data[8 : 8 + size]) == json.loads(text)  # its keys in any order
        assert data[8 : 8 + size].rstrip(b" ") == data[8 : 8 + len(text)]
        assert data[8 + size :] == b"\x00\x00\x80?\x00\x00\x00@"

    def test_a_model(self, tmp_path):
        model, other = Model(), Model()
        save_safetensors(model.state_dict(), tmp_path / "m.safetensors")
        other.load_state_dict(load_safetensors(tmp_path / "m.safetensors"))
        for a, b in zip(model.parameters(), other.parameters(), strict=True):
            assert np.array_equal(a.array, b.array)

    def test_views_and_big_endian_numbers(self, tmp_path):
        arrays = {"t": np.arange(6.0).reshape(2, 3).T, "big": np.array([1, 2], ">i4")}
        save_safetensors(arrays, tmp_path / "v.safetensors")
        got = load_safetensors(tmp_path / "v.safetensors")
        assert got["t"].tolist() == [[0, 3], [1, 4], [2, 5]] and got["big"].tolist() == [1, 2]

    @pytest.mark.parametrize(
        ("code", "raw", "want", "dtype"),
        [
            ("F16", np.array([1.5, -2.0], "<f2"), [1.5, -2.0], "float32"),
            ("BF16", np.array([0x3FC0, 0xC000], "<u2"), [1.5, -2.0], "float32"),
            ("I8", np.array([-1, 2], "i1"), [-1, 2], "int32"),
            ("U32", np.array([1, 2**32 - 1], "<u4"), [1, 2**32 - 1], "int64"),
        ],
    )
    def test_other_types_are_read(self, tmp_path, code, raw, want, dtype):
        body = raw.tobytes()
        path = file_of(tmp_path, {"a": entry(code, (2,), (0, len(body)))}, body)
        got = load_safetensors(path)["a"]
        assert got.tolist() == want and got.dtype == dtype

    def test_a_prefix(self, tmp_path):
        path = tmp_path / "x.safetensors"
        save_safetensors({"model.a": Tensor([1.0]), "other": Tensor([2.0])}, path)
        assert list(load_safetensors(path, prefix="model.")) == ["a"]
        with pytest.raises(ValueError, match="no tensor of x.safetensors .* begins with 'net.'"):
            load_safetensors(path, prefix="net.")

    def test_what_it_cannot_hold_is_refused_before_a_file_is_touched(self, tmp_path):
        path = tmp_path / "x.safetensors"
        with pytest.raises(TypeError, match="w is complex128: the file holds float64, float32"):
            save_safetensors({"w": np.zeros(2, complex)}, path)
        with pytest.raises(TypeError, match="a tensor's name is a text, not '__metadata__'"):
            save_safetensors({"__metadata__": np.zeros(2)}, path)
        with pytest.raises(TypeError, match="metadata are texts by name: json.dumps makes"):
            save_safetensors({"w": np.zeros(2)}, path, {"step": 3})
        assert not list(tmp_path.iterdir())


@pytest.mark.exercise("training")
class TestTornAndForeign:
    """Every file that is not whole is refused in one sentence, and nothing else is raised."""

    def test_cut_anywhere(self, tmp_path):
        path = tmp_path / "x.safetensors"
        save_safetensors({"w": Tensor([[1.0, 2.0]]), "n": Tensor([3])}, path, {"a": "b"})
        data = path.read_bytes()
        for length in range(len(data)):
            path.write_bytes(data[:length])
            with pytest.raises(ValueError, match=r"^x\.safetensors is cut short: .+ \w+$"):
                load_safetensors(path)

    def test_the_body_is_too_long(self, tmp_path):
        path = file_of(tmp_path, {"w": entry()}, bytes(11))
        with pytest.raises(ValueError, match="is damaged: 3 bytes at its end are nobody's"):
            load_safetensors(path)

    @pytest.mark.parametrize("length", [0, 1, 20, 10_000, 2**63])
    def test_a_wrong_length_of_the_header(self, tmp_path, length):
        path = file_of(tmp_path, {"w": entry()}, bytes(8), length)
        with pytest.raises(ValueError, match=r"^x\.safetensors is (cut short|damaged): its header"):
            load_safetensors(path)

    @pytest.mark.parametrize("text", [b"{not json}", b"{\xff\xfe: 1}", b'{"w": }', b"{" * 5000])
    def test_a_header_that_is_not_json(self, tmp_path, text):
        with pytest.raises(ValueError, match="is damaged: its header is not JSON$"):
            load_safetensors(file_of(tmp_path, text))

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            (pickle.dumps({"w": [1.0] * 20}), " but a pickle"),
            (b"PK\x03\x04" + bytes(40), " but a zip, as of torch.save"),
            (b"hello, this is only a letter to you\n", ""),
            (bytes(64), ""),
        ],
    )
    def test_foreign_files(self, tmp_path, data, told):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(ValueError, match=f"^x is no safetensors file{told}$"):
            load_safetensors(tmp_path / "x")

    @pytest.mark.parametrize(
        "wrong",
        [
            entry(offsets=(4, 12)),  # a gap
            entry(offsets=(0, 4)),  # too few bytes for its shape
            entry(shape=(-2,)),
            entry(shape=("2",)),
            entry(shape=(2.0,)),
            entry(offsets=(8, 0)),
            entry(offsets=(0, 4, 8)),
            {"dtype": "F32", "shape": [2]},
            {"dtype": "F32", "data_offsets": [0, 8]},
            [1, 2],
            7,
            None,
        ],
    )
    def test_entries_that_contradict_themselves(self, tmp_path, wrong):
        path = file_of(tmp_path, {"w": wrong}, bytes(8))
        with pytest.raises(ValueError, match=r"is damaged: the place of tensor 'w' is impossible$"):
            load_safetensors(path)

    def test_two_tensors_in_one_place(self, tmp_path):
        path = file_of(tmp_path, {"a": entry(), "b": entry()}, bytes(8))
        with pytest.raises(ValueError, match="the place of tensor '[ab]' is impossible"):
            load_safetensors(path)

    def test_an_unknown_type(self, tmp_path):
        path = file_of(tmp_path, {"w": entry("F8_E4M3")}, bytes(8))
        with pytest.raises(ValueError, match="tensor 'w' is of type 'F8_E4M3', unknown here$"):
            load_safetensors(path)

    def test_metadata_that_are_no_texts(self, tmp_path):
        for metadata in ({"a": 1}, [1], None):
            with pytest.raises(ValueError, match="is damaged: its metadata are not texts$"):
                load_safetensors(file_of(tmp_path, {"__metadata__": metadata}))

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            load_safetensors(tmp_path / "nothing")

    @given(st.binary(max_size=80))
    @settings(max_examples=200)
    def test_random_bytes(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("noise") / "x"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="^x is "):
            load_safetensors(path)


@pytest.mark.exercise("training")
class TestWriteWhole:
    def test_replaces(self, tmp_path):
        for text in (b"one", b"two"):
            write_whole(tmp_path / "f", [text, b"!"])
            assert (tmp_path / "f").read_bytes() == text + b"!"
        assert os.listdir(tmp_path) == ["f"]

    def test_an_error_leaves_the_old_file_and_no_other(self, tmp_path):
        def pieces():
            yield b"half"
            raise KeyboardInterrupt

        write_whole(tmp_path / "f", [b"old"])
        with pytest.raises(KeyboardInterrupt):
            write_whole(tmp_path / "f", pieces())
        assert (tmp_path / "f").read_bytes() == b"old" and os.listdir(tmp_path) == ["f"]


# ---------------------------------------------------------------- dice and journal
@pytest.mark.exercise("training")
class TestGenerators:
    def test_goes_on_with_the_same_numbers(self):
        dice, other = Generator(3), Generator(99)
        rand(5, generator=dice)  # float32: half of a 64-bit draw is kept inside
        state = json.loads(json.dumps(generator_state(dice)))
        set_generator_state(other, state)
        for _ in range(3):
            assert rand(7, generator=dice).tolist() == rand(7, generator=other).tolist()
        assert dice.numpy.permutation(20).tolist() == other.numpy.permutation(20).tolist()

    def test_children_too(self):
        dice, other = Generator(3), Generator()
        dice.spawn(2)
        set_generator_state(other, json.loads(json.dumps(generator_state(dice))))
        for mine, yours in zip(dice.spawn(2), other.spawn(2), strict=True):
            assert rand(3, generator=mine).tolist() == rand(3, generator=yours).tolist()

    def test_other_machines_are_refused(self):
        dice = Generator(0)
        dice.numpy = np.random.Generator(np.random.MT19937(0))
        with pytest.raises(TypeError, match="only the state of PCG64 can be kept, not .* MT19937"):
            generator_state(dice)


@pytest.mark.exercise("training")
class TestJournal:
    def test_a_line_per_row(self, tmp_path):
        journal = Journal(tmp_path / "j.jsonl")
        journal.log(1, loss=Tensor(0.5), lr=np.float32(0.25), note="first")
        journal.log(2, loss=math.nan, right=3)
        lines = (tmp_path / "j.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == [
            {"step": 1, "loss": 0.5, "lr": 0.25, "note": "first"},
            {"step": 2, "loss": None, "right": 3},
        ]
        assert journal.column("loss")[0] == [1, 2] and journal.column("lr") == ([1], [0.25])

    def test_a_new_run_begins_anew(self, tmp_path):
        path = tmp_path / "j.jsonl"
        for _ in range(2):
            Journal(path).log(1, loss=1.0)
        assert len(path.read_text(encoding="utf-8").splitlines()) == 1

    def test_goes_back(self, tmp_path):
        journal = Journal(tmp_path / "j.jsonl")
        for step in range(5):
            journal.log(step, loss=float(step))
        with open(journal.path, "a", encoding="utf-8") as file:
            file.write('{"step": 5, "lo')  # the process died here
        journal.load(journal.rows[:3])
        journal.log(3, loss=7.0)
        lines = journal.path.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["loss"] for line in lines] == [0, 1, 2, 7]

    def test_a_figure_is_one_number(self):
        with pytest.raises(TypeError, match="a figure is one number or a text, and loss is"):
            Journal().log(1, loss=Tensor([1.0, 2.0]))
        assert Journal().rows == []

    def test_text_curve(self):
        text = text_curve("loss", list(range(100)), [4.0] * 50 + [math.nan] * 49 + [1.0])
        assert (
            text.startswith("loss\n     0    4.0000 " + "#" * 40) and 12 <= text.count("\n") <= 14
        )

    def test_draws_text_without_matplotlib(self, monkeypatch, capsys):
        monkeypatch.setattr(training.importlib.util, "find_spec", lambda name: None)
        journal = Journal()
        journal.log(1, loss=2.0)
        journal.draw()
        assert capsys.readouterr().out == "loss\n     1    2.0000 " + "#" * 40 + "\n"

    def test_nothing_to_draw(self, capsys):
        Journal().draw()
        assert capsys.readouterr().out == "there are no figures to draw yet\n"

    def test_draws_a_picture(self, tmp_path):
        pytest.importorskip("matplotlib")
        draw_curves({"loss": ([1, 2], [2.0, 1.0])}, tmp_path / "curve.png")
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------- the Trainer
@pytest.mark.exercise("training.Stepper.train_step")
class TestTrainStep:
    def test_one_batch_is_the_loop_of_module_07(self):
        """To the bit: the same floating-point operations in the same order."""
        batches = list(DataLoader(digits_like(), 5))
        trainer = make_trainer(schedule=lambda n: 0.01 * n, max_norm=0.5)
        model = make_trainer().model
        optimizer = AdamW(decay_groups(model, 0.1), lr=0.02)
        manual_seed(5)
        figures = [trainer.train_step([batch]) for batch in batches]
        manual_seed(5)
        for n, (x, y) in enumerate(batches, start=1):
            loss = cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            norm = clip_grad_norm_(model.parameters(), 0.5)
            for group in optimizer.param_groups:
                group["lr"] = 0.01 * n
            optimizer.step()
            assert figures[n - 1] == {
                "loss": loss.item(),
                "norm": norm.item(),
                "lr": 0.01 * n,
                "targets": count_targets(y),
            }
        for a, b in zip(model.parameters(), trainer.model.parameters(), strict=True):
            assert np.array_equal(a.array, b.array)

    def test_pieces_equal_the_large_batch(self):
        batch = next(iter(DataLoader(digits_like(), 21)))
        results = []
        for cuts in ([0, 21], [0, 3, 9, 21], list(range(0, 22, 3))):
            trainer = make_trainer(kind=SGD)
            trainer.model[2].p = 0.0
            spans = zip(cuts, cuts[1:])
            figures = trainer.train_step([tuple(t[a:b] for t in batch) for a, b in spans])
            weights = np.concatenate([p.array.ravel() for p in trainer.model.parameters()])
            results.append((figures, weights))
        for figures, weights in results[1:]:
            assert close(weights, results[0][1], 1e-6)
            assert close(list(figures.values()), list(results[0][0].values()), 1e-6)

    def test_the_gradient_is_limited_and_its_length_told(self):
        model = Scale()
        trainer = Trainer(model, SGD(model.parameters(), lr=1.0), [], max_norm=0.5)
        trainer.mean_loss, trainer.count = model.mean_loss, len
        assert trainer.train_step([[3.0]])["norm"] == 3.0
        assert close(model.weight, [0.5], 1e-5)

    def test_old_gradients_do_not_count(self):
        model = Scale()
        model.weight.grad = Tensor([100.0])
        trainer = Trainer(model, SGD(model.parameters(), lr=1.0), [])
        trainer.mean_loss, trainer.count = model.mean_loss, len
        trainer.train_step([[2.0]])
        trainer.train_step([[2.0]])
        assert model.weight.tolist() == [-3.0] and trainer.step == 2

    def test_the_parameters_are_the_optimizers(self):
        """Here none of the model's is trained, but one that stands beside it."""
        model, beside = Scale(3.0), Parameter([2.0])
        trainer = Trainer(model, SGD([beside], lr=0.5), [])
        trainer.mean_loss, trainer.count = lambda batch: beside * model.mean_loss(batch), len
        assert trainer.train_step([[1.0]])["norm"] == 3.0 and beside.tolist() == [0.5]
        assert trainer.train_step([[1.0]])["norm"] == 3.0 and beside.tolist() == [-1.0]

    def test_trains_in_training_mode(self):
        model = Scale().eval()
        trainer = Trainer(model, SGD(model.parameters(), lr=1.0), [])
        trainer.mean_loss, trainer.count = model.mean_loss, len
        trainer.train_step([[2.0]])
        assert model.asked[0][0] is True

    def test_figures_are_plain_numbers(self):
        figures = make_trainer().train_step(list(DataLoader(digits_like(), 7)))
        types = {name: type(value) for name, value in figures.items()}
        assert types == {"loss": float, "norm": float, "lr": float, "targets": int}
        assert figures["targets"] == count_targets(digits_like().tensors[1])

    def test_the_first_step_is_number_one(self):
        numbers = []
        trainer = make_trainer(schedule=lambda n: numbers.append(n) or 0.1)
        trainer.fit(3)
        assert sorted(set(numbers)) == [1, 2, 3]
        assert [group["lr"] for group in trainer.optimizer.param_groups] == [0.1, 0.1]


@pytest.mark.exercise("training.Resumable.state_dict")
class TestStateDict:
    def test_its_parts(self):
        trainer = make_trainer()
        trainer.fit(3)
        state = trainer.state_dict()
        parts = ("model", "optimizer", "generators", "progress", "journal", "schedule")
        assert sorted(state) == sorted(parts)
        assert set(state["model"]) == set(trainer.model.state_dict())
        assert state["progress"]["step"] == 3 and len(state["journal"]) == 3
        assert set(state["generators"]) == {"default", "loader.generator"}
        assert sorted(state["optimizer"]["state"]) == [0, 1, 2, 3]

    def test_is_a_copy(self):
        trainer = make_trainer()
        trainer.fit(3)
        state = trainer.state_dict()
        arrays, words = packed(state)
        before = {name: array.copy() for name, array in arrays.items()}
        trainer.fit(9)
        trainer.state_dict()
        arrays, after = packed(state)
        assert after == words and all(np.array_equal(arrays[n], before[n]) for n in before)

    def test_keeps_every_type(self):
        trainer = make_trainer()
        trainer.model.fine = Parameter(Tensor([0.1], dtype=np.float64))
        trainer.model.register_buffer("count", Tensor([2**24 + 1]))
        trainer.model.register_buffer("seen", Tensor([True, False]))
        got = trainer.state_dict()["model"]
        for name, tensor in trainer.model.state_dict().items():
            assert got[name].dtype == tensor.dtype and np.array_equal(got[name], tensor.array)

    def test_keeps_every_row(self):
        trainer = make_trainer()
        for step in range(1, 1002):
            trainer.journal.log(step, loss=1.0)
        assert trainer.state_dict()["journal"] == trainer.journal.rows

    def test_leaves_the_run_as_it_is(self):
        trainer = make_trainer()
        for p in trainer.model.parameters():
            p.grad = p * 0
        trainer.state_dict()
        assert all(module.training for _, module in trainer.model.named_modules())
        assert all(p.grad is not None for p in trainer.model.parameters())

    @pytest.mark.parametrize("kind", [SGD, functools.partial(SGD, momentum=0.9), Adam, AdamW])
    @pytest.mark.parametrize("stop", [1, 3, 4, 7])
    def test_goes_on_to_the_bit(self, kind, stop):
        """Through JSON and back, in the middle of an epoch (3 steps long) and at its end."""
        unbroken = make_trainer(kind=kind)
        unbroken.fit(10)
        broken = make_trainer(kind=kind)
        broken.fit(stop)
        state = broken.state_dict()
        resumed = make_trainer(kind=kind, seed=1)
        resumed.load_state_dict(state)
        resumed.fit(10)
        assert losses(resumed) == losses(unbroken) and same_weights(resumed, unbroken)

    @pytest.mark.parametrize("part", ["model", "optimizer", "generators", "progress"])
    def test_every_part_counts(self, part):
        """Left as it was in the new run, any of them makes another run of it."""
        schedule = functools.partial(warmup_cosine, warmup_steps=2, total_steps=10, lr=0.05)
        unbroken = make_trainer(schedule=schedule)
        unbroken.fit(4)
        state = unbroken.state_dict()
        unbroken.fit(10)
        resumed = make_trainer(seed=1, schedule=schedule)
        resumed.load_state_dict({**state, part: resumed.state_dict()[part]})
        resumed.fit(10)
        assert losses(resumed)[4:] != losses(unbroken)[4:]

    def test_one_generator_for_everything(self):
        """Order and dropout from the default generator, and dice inside the model."""

        def trainer(seed):
            manual_seed(seed)
            model = Sequential(
                Linear(3, 6), Dropout(0.5), Dropout(0.5, Generator(seed)), Linear(6, 4)
            )
            loader = DataLoader(digits_like(), 4, shuffle=True)
            return Trainer(model, SGD(model.parameters(), lr=0.1), loader)

        unbroken = trainer(0)
        unbroken.fit(20)
        broken = trainer(0)
        broken.fit(8)
        state = broken.state_dict()
        assert set(state["generators"]) == {"default", "model.2.generator"}
        resumed = trainer(1)
        resumed.load_state_dict(state)
        resumed.fit(20)
        assert losses(resumed) == losses(unbroken) and same_weights(resumed, unbroken)


class Noisy:
    """A data set, a sampler or a collate_fn: it draws from a generator that it holds somewhere."""

    def __init__(self, held, dice):
        self.held, self.dice, self.data = held, dice, digits_like()

    def noise(self, *size):
        return Tensor(self.dice.numpy.standard_normal(size).astype(np.float32))

    def __len__(self):
        return len(self.data)

    def __getitem__(self, i):
        return self.data[i][0] + self.noise(3), self.data[i][1]

    def collate(self, samples):
        inputs, targets = zip(*samples)
        return stack(inputs) + self.noise(len(inputs), 3), stack(targets)


class Drawn:
    """A loader whose order another object draws: a sampler, three levels down."""

    def __init__(self, dice):
        self.own_order = {"sampler": (Noisy(None, dice),)}

    def __len__(self):
        return 6

    def __iter__(self):
        (sampler,) = self.own_order["sampler"]
        for n in range(6):
            picked = sampler.dice.numpy.permutation(21)[: 4 - n % 2]
            yield sampler.data[picked]


def partial_loader(dice):
    collate_fn = functools.partial(Noisy.collate, Noisy(None, dice))
    return DataLoader(digits_like(), 4, collate_fn=collate_fn)


HOLDERS = {
    "a sampler": Drawn,
    "a data set": lambda dice: DataLoader(Noisy(None, dice), 4),
    "a subset": lambda dice: DataLoader(Subset(Subset(Noisy(None, dice), range(9)), range(7)), 4),
    "a method": lambda dice: DataLoader(digits_like(), 4, collate_fn=Noisy(0, dice).collate),
    "a partial": partial_loader,
}


@pytest.mark.exercise("training")
class TestEveryGenerator:
    """Wherever a run draws from, two fits and a resume give what one fit gives, to the bit."""

    def trainer(self, holder, seed=0):
        manual_seed(0)
        model = Sequential(Linear(3, 4), Tanh(), Linear(4, 4))
        loader = HOLDERS[holder](Generator(seed))
        return Trainer(model, SGD(model.parameters(), lr=0.1), loader)

    @pytest.mark.parametrize("stop", [2, 6, 7])
    @pytest.mark.parametrize("holder", HOLDERS)
    def test_one_fit_two_fits_and_a_resume(self, holder, stop):
        one, two = self.trainer(holder), self.trainer(holder)
        one.fit(9)
        two.fit(stop)
        assert len(two.generators()) == 2
        resumed = self.trainer(holder, seed=1)
        resumed.load_state_dict(two.state_dict())
        for trainer in (two, resumed):
            trainer.fit(9)
            assert losses(trainer) == losses(one) and same_weights(trainer, one)

    def test_in_a_list_of_the_model(self):
        trainer = make_trainer()
        trainer.model.dice = [Generator(1), {"noise": (Generator(2),)}]
        names = {"model..dice.0", "model..dice.1.noise.0", "default", "loader.generator"}
        assert set(trainer.generators()) == names

    def test_a_circle_ends_and_the_shortest_name_counts(self):
        data = Noisy(None, Generator(0))
        data.held = [data, {"again": data}]
        trainer = make_trainer()
        trainer.loader = trainer.validation = DataLoader(data, 4)
        trainer.loader.first = Subset(data, [0])
        names = {"default", "loader.dataset.dice", "validation.dataset.dice"}
        assert set(trainer.generators()) == names

    def test_a_checkpoint_that_knows_fewer_is_refused(self):
        trainer = self.trainer("a sampler")
        state = trainer.state_dict()
        del state["generators"]["loader.own_order.sampler.0.dice"]
        with pytest.raises(ValueError, match="run with the generators default, and here .*own_"):
            trainer.load_state_dict(state)


@pytest.mark.exercise("training")
class TestTrainer:
    def test_learns(self):
        trainer = make_trainer(kind=functools.partial(SGD, momentum=0.9), validation=[])
        trainer.validation = list(DataLoader(digits_like(), 7))
        first = trainer.evaluate()["validation_loss"]
        trainer.fit(200, evaluate_every=50)
        assert trainer.journal.column("validation_loss")[0] == [50, 100, 150, 200]
        last = losses(trainer)[-1]
        assert last["validation_loss"] < first - 0.2
        assert last["validation_perplexity"] == perplexity(last["validation_loss"])

    def test_in_two_fits_as_in_one(self):
        one, two = make_trainer(), make_trainer()
        manual_seed(3)
        one.fit(10)
        manual_seed(3)
        for steps in (1, 2, 2, 5, 10):
            two.fit(steps)
        assert losses(one) == losses(two) and same_weights(one, two)

    def test_an_epoch_is_every_sample_once(self):
        seen = []

        class Spy(Trainer):
            def train_step(self, batches):
                for inputs, _ in batches:
                    seen.extend(inputs.array[:, 0].tolist())
                return super().train_step(batches)

        trainer = make_trainer()
        spy = Spy(trainer.model, trainer.optimizer, trainer.loader, pieces=4)
        assert spy.steps_per_epoch == 2  # 6 batches in steps of 4 and 2
        spy.fit(2)
        assert sorted(seen) == sorted(digits_like().tensors[0].array[:, 0].tolist())
        spy.fit(4)
        assert spy.progress["epoch"] == 1 and len(seen) == 2 * 21

    def test_other_losses(self):
        x = Tensor([[1.0], [2.0], [3.0]])
        model = Linear(1, 1)
        trainer = Trainer(model, SGD(model.parameters(), lr=0.1), [(x, 2 * x + 1)], mse_loss)
        trainer.fit(500)
        assert close(model.weight, [[2]], 1e-2) and close(model.bias, [1], 1e-2)

    def test_a_measured_value_of_minus_100(self):
        x, y = Tensor([[1.0], [2.0]]), Tensor([[-100.0], [2.0]])
        model = Linear(1, 1)
        trainer = Trainer(model, SGD(model.parameters(), lr=0.0), [(x, y)], mse_loss)
        whole = trainer.train_step([(x, y)])
        pieces = trainer.train_step([(x[:1], y[:1]), (x[1:], y[1:])])
        assert close(pieces["loss"], whole["loss"], 1e-2) and pieces["targets"] == 2

    def test_another_ignored_target(self):
        trainer = make_trainer(
            loss=functools.partial(cross_entropy, ignore_index=0), ignore_index=0
        )
        assert trainer.count((None, Tensor([0, 1, 0, 2]))) == 2

    def test_a_step_that_wants_to_be_told_something(self):
        class Asking(SGD):
            """As optim.LBFGS."""

            def step(self, closure):
                """Asks for the loss again."""

        class Watching:
            """As ReduceLROnPlateau."""

            def step(self, metrics, epoch=None):
                """Looks at a figure."""

            def state_dict(self):
                """Nothing."""

        model = Linear(1, 1)
        with pytest.raises(TypeError, match="^Asking.step asks for something, and .*Adam"):
            Trainer(model, Asking(model.parameters()), [])
        with pytest.raises(TypeError, match="^Watching.step asks for something, .*report="):
            make_trainer(schedule=Watching())

    def test_schedule_objects(self):
        class Halving:
            """As in optim.lr_scheduler: `step()` after the optimizer's."""

            def __init__(self, optimizer):
                self.optimizer, self.count = optimizer, 0

            def step(self):
                self.count += 1
                for group in self.optimizer.param_groups:
                    group["lr"] /= 2

            def state_dict(self):
                return {"count": self.count}

            def load_state_dict(self, saved):
                self.count = saved["count"]

        trainer = make_trainer()
        trainer.schedule = Halving(trainer.optimizer)
        trainer.fit(3)
        assert trainer.journal.column("lr")[1] == [0.02, 0.01, 0.005]
        state, other = trainer.state_dict(), make_trainer(seed=1)
        other.schedule = Halving(other.optimizer)
        other.load_state_dict(state)
        other.fit(5)
        trainer.fit(5)
        assert other.schedule.count == 5 and losses(other)[-1]["lr"] == losses(trainer)[-1]["lr"]

    def test_patience(self):
        trainer = make_trainer(validation=[])
        values = iter([3.0, 2.0, 2.5, 2.0, 1.0])
        trainer.evaluate = lambda: {"validation_loss": next(values)}
        trainer.fit(100, evaluate_every=2, patience=2)
        assert trainer.step == 8 and trainer.progress["best"] == 2.0

    def test_a_loss_that_is_no_number_is_never_the_best(self):
        trainer = make_trainer(validation=[])
        values = iter([math.nan, 2.0, math.nan, 1.0, math.inf])
        trainer.evaluate = lambda: {"validation_loss": next(values)}
        trainer.fit(5, evaluate_every=1, patience=3)
        assert trainer.progress["best"] == 1.0 and trainer.progress["waited"] == 1
        trainer.progress["best"], values = math.nan, iter([3.0])  # from an old checkpoint
        trainer.fit(6, evaluate_every=1)
        assert trainer.progress["best"] == 3.0

    def test_patience_is_remembered(self):
        """Stopped early, saved and started again, it does not go on."""
        trainer = make_trainer(validation=[])
        trainer.evaluate = lambda: {"validation_loss": 1.0}
        trainer.fit(100, evaluate_every=2, patience=3)
        again = make_trainer(validation=[], seed=1)
        again.load_state_dict(trainer.state_dict())
        again.fit(100, evaluate_every=2, patience=3)
        assert trainer.step == again.step == 8

    def test_an_interrupted_step_is_taken_again(self):
        """Ctrl-C inside a step, in a notebook, and then the cell is run once more."""
        seen = []

        class Interrupted(Trainer):
            def train_step(self, batches):
                seen.append(batches[0][0].tolist())
                if len(seen) == 3:
                    raise KeyboardInterrupt
                return super().train_step(batches)

        model = make_trainer().model
        loader = DataLoader(digits_like(), 4, shuffle=True)
        trainer = Interrupted(model, SGD(model.parameters(), lr=0.1), loader)
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(6)
        trainer.fit(6)
        assert trainer.step == 6 and seen[2] == seen[3] and len(seen) == 7
        assert len({str(x) for x in seen}) == 6  # every batch of the epoch

    def test_report_stops(self):
        trainer = make_trainer()
        trainer.fit(100, report=lambda step, figures: figures["loss"] < 0 or step == 6)
        assert trainer.step == 6

    def test_log_of_ones_own(self):
        trainer = make_trainer()
        trainer.fit(2)
        trainer.log(answered=0.5)
        assert losses(trainer)[-1] == {"step": 2, "answered": 0.5}

    def test_divergence_stops_the_run_and_spares_the_checkpoint(self, tmp_path):
        trainer = make_trainer(tmp_path, validation=[next(iter(DataLoader(digits_like(), 21)))])
        trainer.fit(4, evaluate_every=2)
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        trainer.schedule = lambda number: 1e38
        told = (
            "step [0-9]+ has a (loss|norm) of (nan|inf): try a smaller .*; kept: .*last.safetensors"
        )
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=told):
            trainer.fit(50, save_every=100)
        checkpoints = [name for name in before if name.endswith("safetensors")]
        assert len(checkpoints) == 2
        assert all((tmp_path / name).read_bytes() == before[name] for name in checkpoints)

    def test_bad_settings(self, tmp_path):
        with pytest.raises(ValueError, match="pieces counts the batches of a step.*, not 0"):
            make_trainer(pieces=0)
        with pytest.raises(TypeError, match="a schedule is a function, step -> lr, not a 0.1"):
            make_trainer(schedule=0.1)
        for weighing in ({"weight": Tensor([1.0, 2.0])}, {"reduction": "sum"}):
            with pytest.raises(ValueError, match="pieces=2 takes means over the targets, and"):
                make_trainer(loss=functools.partial(cross_entropy, **weighing))
        trainer = make_trainer()
        with pytest.raises(ValueError, match="evaluate_every needs batches to evaluate on"):
            trainer.fit(3, evaluate_every=1)
        with pytest.raises(ValueError, match="save_every needs a place for the checkpoint"):
            trainer.fit(3, save_every=1)
        with pytest.raises(ValueError, match="patience counts evaluations"):
            trainer.fit(3, patience=1)
        with pytest.raises(ValueError, match="nothing to evaluate on: pass batches"):
            trainer.evaluate()
        with pytest.raises(ValueError, match="save\\(\\) needs a path"):
            trainer.save()
        trainer.loader = []
        with pytest.raises(ValueError, match="the loader gave no batch at all"):
            trainer.fit(3)


def no_room(path, pieces):
    """As `write_whole` on a full disk, which has room for an empty file only."""
    if any(pieces):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    path.write_bytes(b"")


@pytest.mark.exercise("training")
class TestCheckpoints:
    def trained(self, folder, steps=4, **settings):
        trainer = make_trainer(folder, **settings)
        trainer.fit(steps, save_every=2)
        return trainer

    def test_the_file(self, tmp_path):
        trainer = self.trained(tmp_path)
        arrays, words = read_safetensors(tmp_path / "last.safetensors")
        assert {name.partition(".")[0] for name in arrays} == {"model", "optimizer"}
        assert arrays["optimizer.0.step"] == 4 and arrays["optimizer.3.m"].shape == (4,)
        assert json.loads(words["progress"])["step"] == 4
        assert json.loads(words["journal"]) == losses(trainer)
        lines = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == losses(trainer)

    def test_resume(self, tmp_path):
        unbroken = make_trainer(tmp_path / "a")
        unbroken.fit(11, save_every=2)
        self.trained(tmp_path / "b", steps=5)
        resumed = make_trainer(tmp_path / "b", seed=1)
        assert resumed.resume() is True and resumed.step == 5
        resumed.fit(11, save_every=2)
        for name in ("last.safetensors", "journal.jsonl"):
            assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()

    def test_best_and_last(self, tmp_path):
        trainer = make_trainer(tmp_path, validation=[])
        values = iter([3.0, 1.0, 2.0, 1.5])
        trainer.evaluate = lambda: {"validation_loss": next(values)}
        trainer.fit(8, evaluate_every=2)
        steps = {}
        for name in ("best", "last"):
            other = make_trainer(seed=1)
            other.resume(tmp_path / f"{name}.safetensors")
            steps[name] = other.step
        assert steps == {"best": 4, "last": 8} and trainer.progress["best"] == 1.0

    def test_weights_alone(self, tmp_path):
        trainer, other = self.trained(tmp_path), make_trainer(seed=1)
        weights = load_safetensors(tmp_path / "last.safetensors", prefix="model.")
        other.model.load_state_dict(weights)
        assert same_weights(trainer, other)

    def test_nothing_to_resume(self, tmp_path):
        assert make_trainer(tmp_path).resume() is False
        assert make_trainer().resume() is False
        with pytest.raises(FileNotFoundError):
            make_trainer().resume(tmp_path / "no.safetensors")

    def test_another_run_is_not_overwritten(self, tmp_path):
        self.trained(tmp_path)
        rows = (tmp_path / "journal.jsonl").read_bytes()
        for act in (lambda t: t.fit(2), lambda t: t.log(note="hello")):
            with pytest.raises(FileExistsError, match="holds the checkpoint of a run: call resum"):
                act(make_trainer(tmp_path))
            assert (tmp_path / "journal.jsonl").read_bytes() == rows

    def test_a_word_before_the_first_step(self, tmp_path):
        trainer = make_trainer(tmp_path / "new" / "run")
        trainer.log(note="hello")
        trainer.fit(2)
        assert [row.get("note") for row in losses(trainer)] == ["hello", None, None]
        assert (tmp_path / "new" / "run" / "journal.jsonl").read_bytes().count(b"\n") == 3

    def test_from_elsewhere_into_a_new_folder(self, tmp_path):
        self.trained(tmp_path / "a")
        trainer = make_trainer(tmp_path / "b", seed=1)
        trainer.resume(tmp_path / "a" / "last.safetensors")
        rows = [(tmp_path / name / "journal.jsonl").read_bytes() for name in "ab"]
        assert trainer.step == 4 and rows[0] == rows[1]

    @pytest.mark.parametrize("fault", ["another model", "a full disk"])
    def test_a_refused_resume_leaves_the_journal(self, tmp_path, monkeypatch, fault):
        self.trained(tmp_path)
        rows, trainer = (tmp_path / "journal.jsonl").read_bytes(), make_trainer(tmp_path, seed=1)
        if fault == "another model":
            setattr(trainer.model, "0", Linear(3, 9))
        else:
            monkeypatch.setattr(training, "write_whole", no_room)
        before = packed(trainer.state_dict())[1]
        with pytest.raises((ValueError, OSError)):
            trainer.resume()
        assert (tmp_path / "journal.jsonl").read_bytes() == rows
        assert packed(trainer.state_dict())[1] == before

    def test_ctrl_c_keeps_what_is_written(self, tmp_path, capsys):
        def stop(step, figures):
            if step == 5:
                raise KeyboardInterrupt

        trainer = make_trainer(tmp_path)
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(10, save_every=2, report=stop)
        said = capsys.readouterr().out
        assert said == f"stopped after step 5; kept: {tmp_path / 'last.safetensors'}\n"
        other = make_trainer(tmp_path)
        assert other.resume() and other.step == 4
        with pytest.raises(KeyboardInterrupt):
            make_trainer().fit(10, report=stop)
        assert capsys.readouterr().out == "stopped after step 5; nothing was saved\n"

    def unchanged(self, trainer, path, told):
        """Refused in one sentence, and everything is as it was."""
        before = packed(trainer.state_dict())
        with pytest.raises(ValueError, match=told):
            trainer.resume(path)
        after = packed(trainer.state_dict())
        assert before[1] == after[1]
        assert all(np.array_equal(before[0][n], after[0][n]) for n in before[0])

    def test_torn(self, tmp_path):
        self.trained(tmp_path)
        data, trainer = (tmp_path / "last.safetensors").read_bytes(), make_trainer(seed=1)
        for length in (0, 5, 8, 9, 200, len(data) // 2, len(data) - 1):
            (tmp_path / "torn").write_bytes(data[:length])
            self.unchanged(trainer, tmp_path / "torn", "^torn is cut short: ")

    def test_foreign(self, tmp_path):
        trainer, path = make_trainer(seed=1), tmp_path / "w.safetensors"
        path.write_bytes(pickle.dumps(trainer.model.state_dict()["0.weight"].tolist()))
        self.unchanged(trainer, path, "^w.safetensors is no safetensors file but a pickle$")
        save_safetensors(trainer.model.state_dict(), path)
        self.unchanged(trainer, path, "^w.safetensors holds tensors, but is no checkpoint of a")

    def test_a_part_is_missing(self, tmp_path):
        trainer, path = self.trained(tmp_path), tmp_path / "last.safetensors"
        arrays, words = read_safetensors(path)
        for name in ("groups", "generators", "progress", "journal", "schedule"):
            save_safetensors(arrays, path, {n: w for n, w in words.items() if n != name})
            self.unchanged(trainer, path, "is damaged: a part of the checkpoint is missing$")

    def test_a_byte_that_has_changed(self, tmp_path):
        """It is refused as a whole, or it was a number that may as well be another one."""
        self.trained(tmp_path)
        data, path = (tmp_path / "last.safetensors").read_bytes(), tmp_path / "flipped"
        trainer, source, refused = make_trainer(seed=1), random.Random(0), 0
        for _ in range(300):
            place, bit = source.randrange(len(data)), 1 << source.randrange(8)
            path.write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
            before = packed(trainer.state_dict())
            try:
                trainer.resume(path)
            except ValueError:
                refused += 1
                after = packed(trainer.state_dict())
                assert before[1] == after[1]
                assert all(np.array_equal(before[0][n], after[0][n]) for n in before[0])
        assert refused > 50

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("progress", "3"),
            ("progress", '{"step": 3}'),
            ("generators", "[]"),
            ("generators", '{"default": {}, "loader.generator": {}}'),
            ("journal", '[{"loss": 3}, 4]'),
            ("groups", "[{}]"),
            ("groups", "null"),
        ],
    )
    def test_a_part_is_another_thing(self, tmp_path, name, text):
        trainer, path = self.trained(tmp_path), tmp_path / "last.safetensors"
        arrays, words = read_safetensors(path)
        save_safetensors(arrays, path, {**words, name: text})
        told = "is damaged: a part of the checkpoint is not what it should be$|is of a run with the"
        self.unchanged(trainer, path, told)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (lambda t: setattr(t.model, "4", Linear(4, 4)), "this state does not fit Sequential"),
            (lambda t: setattr(t, "optimizer", SGD(t.model.parameters())), "groups of"),
            (lambda t: setattr(t.loader, "generator", None), "with the generators default, loader"),
        ],
    )
    def test_of_another_model_optimizer_or_loader(self, tmp_path, change, told):
        self.trained(tmp_path)
        trainer = make_trainer(seed=1)
        change(trainer)
        self.unchanged(trainer, tmp_path / "last.safetensors", told)

    def test_what_the_optimizer_remembers_is_of_another_kind(self, tmp_path):
        self.trained(tmp_path, kind=functools.partial(SGD, momentum=0.9))
        trainer = make_trainer(seed=1, kind=Adam)
        self.unchanged(trainer, tmp_path / "last.safetensors", "no setting|state of a parameter")


# ---------------------------------------------------------------- pull the plug
SCRIPT = """
import os, sys, time
from functools import partial
from pathlib import Path
import numpy as np
from tinytorch.dataloader import DataLoader, TensorDataset
from tinytorch.layers import Dropout, Linear, Sequential, Tanh
from tinytorch.optimizers import AdamW, warmup_cosine
from tinytorch.tensor import Generator, Tensor, manual_seed
from tinytorch.training import Trainer, decay_groups

{functions}

folder, pause, last_write = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
trainer = make_trainer(
    folder,
    seed=7 if (folder / "last.safetensors").exists() else 0,  # to go on, other dice will do
    schedule=partial(warmup_cosine, warmup_steps=5, total_steps=60, lr=0.05),
    validation=DataLoader(digits_like(seed=1), 5),
)
trainer.resume()
fsync, writes = os.fsync, []

def dying(handle):
    writes.append(handle)
    if len(writes) == last_write:
        os.ftruncate(handle, 100)
        os._exit(9)
    fsync(handle)

def wait(step, figures):
    time.sleep(pause if step < 59 else 5000 * pause)  # with a pause it never ends by itself

os.fsync = dying
trainer.fit(60, evaluate_every=9, save_every=4, report=wait)
"""


def start(folder, pause=0.0, last_write=0):
    """Train 60 steps in a process of its own, which may die in the middle of a write."""
    functions = inspect.getsource(digits_like) + "\n\n" + inspect.getsource(make_trainer)
    code = SCRIPT.format(functions=functions)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, str(folder), str(pause), str(last_write)]
    return subprocess.Popen(command, env=env | {"OPENBLAS_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    assert start(folder).wait() == 0
    return folder


@pytest.mark.exercise("training")
class TestPullThePlug:
    """A process that dies, at any moment, leaves no trace in what comes out at the end."""

    def same(self, folder, unbroken):
        for name in ("journal.jsonl", "last.safetensors", "best.safetensors"):
            assert (folder / name).read_bytes() == (unbroken / name).read_bytes(), name

    def test_kill_9_at_a_random_step(self, unbroken, tmp_path):
        folder, journal = tmp_path / "run", tmp_path / "run" / "journal.jsonl"
        for low, high in ((1, 25), (26, 50)):
            process, wanted = start(folder, pause=0.01), random.randint(low, high)
            while not journal.exists() or journal.read_bytes().count(b"\n") < wanted:
                assert process.poll() is None
                time.sleep(0.001)
            process.kill()  # as kill -9: nothing is said, nothing cleaned up
            assert process.wait() != 0
        assert journal.read_bytes().count(b"\n") < 60
        assert start(folder).wait() == 0
        self.same(folder, unbroken)

    def test_death_in_the_middle_of_writing(self, unbroken, tmp_path):
        folder = tmp_path / "run"
        assert start(folder, last_write=6).wait() == 9
        assert any(path.suffix == ".part" for path in folder.iterdir())
        read_safetensors(folder / "last.safetensors")  # whole
        assert start(folder).wait() == 0
        self.same(folder, unbroken)


def test_no_grad_is_left_as_it_was():
    model = Scale()
    with no_grad():
        evaluate(model, [[1.0]], model.mean_loss, len)
        assert not (model.weight * 1).requires_grad
    assert (model.weight * 1).requires_grad


class TestSideBySide:
    """`width`: large batches are cut into parts, and nothing but the rounding changes."""

    def trained(self, width, threads=2, seen=None):
        from tinytorch import machine, set_num_threads

        class Spy(Trainer):
            def part_loss(self, inputs, targets):
                sizes.append(len(targets))
                return super().part_loss(inputs, targets)

        manual_seed(0)
        rng, sizes, before = np.random.default_rng(0), [], machine.get_num_threads()
        x = Tensor(rng.standard_normal((20, 6)).astype(np.float32))
        targets = rng.integers(0, 3, 20)
        targets[::3] = -100
        model = Linear(6, 3)
        set_num_threads(threads)
        try:
            loader = [(x, Tensor(targets)), (x[:4], Tensor(targets[:4]))]
            trainer = Spy(model, SGD(model.parameters(), lr=0.5), loader, pieces=2, width=width)
            trainer.fit(5)
            measured = trainer.evaluate(loader)["validation_loss"]
        finally:
            set_num_threads(before)
        return [row["loss"] for row in trainer.journal.rows], measured, sizes

    def test_parts_change_nothing_but_the_rounding(self):
        whole, all_whole, sizes = self.trained(0)
        assert sizes[:2] == [20, 4]
        parts, all_parts, sizes = self.trained(1000)  # 20 * 6 * 1000 numbers are worth two parts
        assert sorted(sizes[:3]) == [4, 10, 10]  # the small batch is not cut
        np.testing.assert_allclose(parts, whole, rtol=1e-5)
        assert close(all_parts, all_whole, 1e-5)

    def test_one_thread_cuts_nothing(self):
        assert self.trained(1000, threads=1)[0] == self.trained(0)[0]

    def test_the_same_twice(self):
        assert self.trained(1000)[0] == self.trained(1000)[0]
