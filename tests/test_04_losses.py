"""The full tests of module 04: losses."""

import doctest
import inspect
import math
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import losses
from tinytorch.layers import Module
from tinytorch.losses import (
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    L1Loss,
    MSELoss,
    accuracy,
    average_over_kept,
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_of_targets,
)
from tinytorch.tensor import Tensor, float64

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
QUICK = settings(max_examples=25)


def numbers(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def surprises(logits, targets):
    """-log softmax(logits)[target], position after position in Python's numbers, in one row."""
    rows = logits.reshape(-1, logits.shape[-1]).astype(np.float64)
    found = []
    for row, target in zip(rows, targets.ravel(), strict=True):
        largest = max(row)
        total = math.fsum(math.exp(score - largest) for score in row)
        found.append(math.log(total) + largest - row[target])
    return np.array(found)


def near(got, want, tol=1e-5):
    """Same shape and values; nothing broadcasts."""
    got, want = np.asarray(getattr(got, "array", got)), np.asarray(want)
    assert got.shape == want.shape, f"shape {got.shape} instead of {want.shape}"
    assert got == pytest.approx(want, rel=tol, abs=tol), f"{got} instead of {want}"


# -- mse_loss


@pytest.mark.exercise("losses.mse_loss")
class TestMseLoss:
    PREDICTION, TARGET = [2.0, 0.0, -1.0], [1.0, 0.0, 1.0]

    def test_the_example_by_hand(self):
        near(mse_loss(Tensor(self.PREDICTION), Tensor(self.TARGET)), 5 / 3)

    def test_the_three_reductions(self):
        prediction, target = Tensor(self.PREDICTION), Tensor(self.TARGET)
        near(mse_loss(prediction, target, "mean"), 5 / 3)
        near(mse_loss(prediction, target, reduction="sum"), 5.0)
        near(mse_loss(prediction, target, reduction="none"), [1.0, 0.0, 4.0])

    @QUICK
    @given(SHAPES)
    def test_any_shape_is_averaged_over_all_elements(self, shape):
        p, t = numbers(shape, 1), numbers(shape, 2)
        want = sum((float(a) - float(b)) ** 2 for a, b in zip(p.flat, t.flat, strict=True))
        near(mse_loss(Tensor(p), Tensor(t)), want / p.size)
        near(mse_loss(Tensor(p), Tensor(t), "none"), (p - t) ** 2)

    def test_a_perfect_prediction_costs_nothing_and_both_signs_the_same(self):
        p, t = Tensor(numbers(5, 1)), Tensor(numbers(5, 2))
        near(mse_loss(p, p), 0.0)
        near(mse_loss(p, t), mse_loss(t, p).array)

    def test_shapes_that_would_broadcast_are_refused(self):
        with pytest.raises(ValueError):
            mse_loss(Tensor([1.0, 2.0, 3.0]), Tensor([[1.0], [2.0], [3.0]]))
        with pytest.raises(ValueError):
            mse_loss(Tensor(numbers((2, 3))), Tensor(numbers(3)))
        with pytest.raises(ValueError):
            mse_loss(Tensor(numbers((1, 3))), Tensor(numbers((3, 1))))
        with pytest.raises(ValueError):
            mse_loss(Tensor(numbers(3)), Tensor(1.0))

    def test_far_from_zero_the_difference_keeps_its_digits(self):
        assert mse_loss(Tensor([10001.0]), Tensor([10000.0])).item() == 1

    def test_an_unknown_reduction_is_refused(self):
        with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not 'average'"):
            mse_loss(Tensor([1.0]), Tensor([1.0]), "average")

    def test_dtype_and_inputs_stay(self):
        for dtype in (np.float32, np.float64):
            p, t = (Tensor(numbers((2, 3), s, dtype), dtype=dtype) for s in (1, 2))
            before = p.array.copy(), t.array.copy()
            assert mse_loss(p, t).dtype == dtype
            assert np.array_equal(p.array, before[0]) and np.array_equal(t.array, before[1])

    def test_it_remembers_how_it_was_made_through_both_arguments(self):
        for grads in ((True, False), (False, True)):
            p, t = (Tensor([1.0, 2.0], requires_grad=g) for g in grads)
            for reduction in ("mean", "sum", "none"):
                assert mse_loss(p, t, reduction).requires_grad
        assert not mse_loss(Tensor([1.0]), Tensor([2.0])).requires_grad


# -- nll_of_targets


@pytest.mark.exercise("losses.nll_of_targets")
class TestNllOfTargets:
    def test_the_example_by_hand(self):
        log_probs = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
        near(nll_of_targets(log_probs, np.array([1, 2])), [-math.log(0.2), -math.log(0.8)])

    @QUICK
    @given(SHAPES)
    def test_any_leading_shape(self, shape):
        log_probs = numbers(shape)
        targets = np.random.default_rng(1).integers(0, shape[-1], shape[:-1])
        got = nll_of_targets(log_probs, targets)
        assert np.shape(got) == shape[:-1]
        for place in np.ndindex(shape[:-1]):
            assert got[place] == -log_probs[(*place, targets[place])]

    def test_first_and_last_class(self):
        log_probs = np.array([[-1.0, -2.0, -3.0]] * 2)
        near(nll_of_targets(log_probs, np.array([0, 2])), [1.0, 3.0])

    def test_it_picks_and_does_nothing_else(self):
        near(nll_of_targets(np.array([[5.0, -7.0]]), np.array([1])), [7.0])
        near(nll_of_targets(np.array([[5.0, -7.0]]), np.array([0])), [-5.0])

    def test_a_class_that_cannot_be_spoils_no_other(self):
        log_probs = np.array([[0.0, -np.inf], [-np.inf, 0.0], [-np.inf, 0.0]])
        assert nll_of_targets(log_probs, np.array([0, 1, 0])).tolist() == [0, 0, np.inf]

    def test_square_inputs_are_not_mixed_up(self):
        log_probs = np.arange(9.0).reshape(3, 3)
        near(nll_of_targets(log_probs, np.array([2, 0, 1])), [-2.0, -3.0, -7.0])

    def test_other_integer_types_dtype_and_inputs(self):
        log_probs = numbers((4, 3))
        before = log_probs.copy()
        for kind in (np.uint8, np.int32, np.int64):
            got = nll_of_targets(log_probs, np.array([2, 0, 1, 1], dtype=kind))
            assert got.dtype == np.float32
        assert np.array_equal(log_probs, before)
        assert nll_of_targets(numbers((4, 3), dtype=np.float64), np.zeros(4, int)).dtype == float64

    def test_no_rows_give_no_values(self):
        assert nll_of_targets(np.zeros((0, 3)), np.zeros(0, int)).shape == (0,)


# -- average_over_kept


@pytest.mark.exercise("losses.average_over_kept")
class TestAverageOverKept:
    def test_the_example_by_hand(self):
        values = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
        kept = np.array([[True, True, True], [True, False, False]])
        near(average_over_kept(values, kept), 2.5)

    @QUICK
    @given(SHAPES, st.integers(0, 1000))
    def test_any_shape_and_mask(self, shape, seed):
        values = numbers(shape, seed)
        kept = np.random.default_rng(seed + 1).random(shape) < 0.5
        chosen = [float(v) for v, k in zip(values.flat, kept.flat, strict=True) if k]
        want = math.fsum(chosen) / len(chosen) if chosen else 0.0
        near(average_over_kept(values, kept), want)

    def test_more_padding_changes_nothing(self):
        for width in (3, 10, 1000):
            values, kept = np.zeros((2, width)), np.zeros((2, width), bool)
            values[0, :3], kept[0, :3] = [1, 2, 3], True
            near(average_over_kept(values, kept), 2.0)

    def test_kept_zeros_count(self):
        near(average_over_kept(np.array([0.0, 0.0, 3.0]), np.array([True, True, True])), 1.0)

    def test_nothing_kept_gives_zero_without_a_warning(self):
        for values in (numbers((2, 3)), np.full((2, 3), np.nan), np.zeros((0, 3))):
            near(average_over_kept(values, np.zeros(values.shape, bool)), 0.0)

    @pytest.mark.parametrize("junk", [np.nan, np.inf, -np.inf, 1e30])
    def test_what_is_not_kept_does_not_matter(self, junk):
        near(average_over_kept(np.array([1.0, junk, 3.0]), np.array([True, False, True])), 2.0)

    def test_a_nan_that_is_kept_is_not_hidden(self):
        assert np.isnan(average_over_kept(np.array([1.0, np.nan]), np.array([True, True])))

    def test_booleans_have_an_average(self):
        near(average_over_kept(np.array([True, False, True]), np.array([True, True, False])), 0.5)

    def test_dtype_and_inputs_stay(self):
        values, kept = numbers(4), np.array([True, False, True, True])
        before = values.copy()
        assert average_over_kept(values, kept).dtype == np.float32
        assert average_over_kept(values, kept & False).dtype == np.float32
        assert average_over_kept(values.astype(np.float64), kept).dtype == np.float64
        assert np.array_equal(values, before) and kept.tolist() == [True, False, True, True]


# -- cross_entropy


@pytest.mark.exercise("losses.cross_entropy")
class TestCrossEntropy:
    @pytest.mark.parametrize("classes", [2, 3, 10, 65, 1000])
    def test_equal_scores_cost_the_logarithm_of_the_number_of_classes(self, classes):
        for score in (0.0, -3.0, 7.0):
            logits = Tensor(np.full((4, classes), score))
            targets = Tensor([0, 1, classes - 2, classes - 1])
            near(cross_entropy(logits, targets), math.log(classes))

    def test_golden_values(self):
        near(cross_entropy(Tensor([[0.0] * 10]), Tensor([7])), 2.302585, 1e-6)
        logits = Tensor([[2.0, 1.0, 0.1]])
        near(cross_entropy(logits, Tensor([0]), label_smoothing=0.1), 0.513697, 1e-6)

    @QUICK
    @given(SHAPES, st.integers(0, 1000))
    def test_any_leading_shape_against_plain_python(self, shape, seed):
        logits = numbers(shape, seed) * 5
        targets = np.random.default_rng(seed).integers(0, shape[-1], shape[:-1])
        each = surprises(logits, targets)
        x, y = Tensor(logits), Tensor(targets)
        near(cross_entropy(x, y), each.mean())
        near(cross_entropy(x, y, reduction="sum"), each.sum())
        near(cross_entropy(x, y, reduction="none"), each.reshape(shape[:-1]))

    def test_the_softmax_runs_over_the_classes_also_where_both_sizes_agree(self):
        logits, targets = numbers((3, 3)), np.array([2, 0, 1])
        near(cross_entropy(Tensor(logits), Tensor(targets)), surprises(logits, targets).mean())
        cube, targets = numbers((2, 3, 3)), np.array([[2, 0, 1], [1, 1, 0]])
        near(cross_entropy(Tensor(cube), Tensor(targets)), surprises(cube, targets).mean())

    @pytest.mark.parametrize("score", [1e3, 1e4, 1e30])
    def test_large_scores_do_not_overflow(self, score):
        logits = Tensor([[0.0, score], [0.0, -score]])
        got = cross_entropy(logits, Tensor([0, 0]), reduction="none")
        near(got, np.array([score, 0.0]))

    def test_large_scores_do_not_overflow_with_smoothing(self):
        logits = Tensor([[0.0, 1e4, 0.0, 0.0]])
        near(cross_entropy(logits, Tensor([1]), label_smoothing=0.2), 0.2 * 0.75e4)

    def test_adding_a_number_to_all_scores_of_a_position_changes_nothing(self):
        logits, targets = numbers((4, 5)), Tensor([0, 1, 2, 3])
        shifted = logits + np.array([[10.0], [-20.0], [0.0], [50.0]], np.float32)
        near(cross_entropy(Tensor(shifted), targets), cross_entropy(Tensor(logits), targets).array)

    def test_ignored_positions_do_not_count(self):
        logits = numbers((2, 3, 4))
        targets = np.array([[1, -100, 2], [-100, -100, 3]])
        kept = targets != -100
        each = np.where(kept, surprises(logits, np.where(kept, targets, 0)).reshape(2, 3), 0)
        x, y = Tensor(logits), Tensor(targets)
        near(cross_entropy(x, y), each.sum() / 3)
        near(cross_entropy(x, y, reduction="sum"), each.sum())
        near(cross_entropy(x, y, reduction="none"), each)

    def test_one_class_and_an_ignored_position(self):
        near(cross_entropy(Tensor([[3.0], [5.0]]), Tensor([0, -100])), 0.0)

    @pytest.mark.parametrize("ignore_index", [0, 2, -1, 255, -100])
    def test_any_number_can_be_the_ignored_one(self, ignore_index):
        logits = numbers((4, 3))
        targets = np.array([1, ignore_index, 1, ignore_index])
        want = surprises(logits[::2], np.array([1, 1])).mean()
        near(cross_entropy(Tensor(logits), Tensor(targets), ignore_index=ignore_index), want)
        near(cross_entropy(Tensor(logits), Tensor(targets), ignore_index), want)

    def test_the_ignored_number_is_no_index_even_with_many_classes(self):
        logits = np.zeros((2, 200), np.float32)
        logits[1, 100] = np.nan  # what -100 would pick, counted from the end
        near(cross_entropy(Tensor(logits), Tensor([5, -100])), math.log(200))

    def test_what_stands_at_ignored_positions_does_not_matter(self):
        logits = np.array([[1.0, 2.0], [np.nan, 5.0]])
        want = surprises(logits[:1], np.array([0]))[0]
        for smoothing in (0.0, 0.1):
            x, y = Tensor(logits), Tensor([0, -100])
            got = [
                cross_entropy(x, y, label_smoothing=smoothing, reduction=reduction).array
                for reduction in ("mean", "sum", "none")
            ]
            assert np.isfinite(np.hstack(got)).all()
        near(cross_entropy(Tensor(logits), Tensor([0, -100])), want)

    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    def test_nothing_kept_gives_zero(self, smoothing):
        x, y = Tensor(numbers((2, 3, 4))), Tensor(np.full((2, 3), -100))
        near(cross_entropy(x, y, label_smoothing=smoothing), 0.0)
        near(cross_entropy(x, y, label_smoothing=smoothing, reduction="sum"), 0.0)
        near(cross_entropy(x, y, label_smoothing=smoothing, reduction="none"), np.zeros((2, 3)))
        near(cross_entropy(Tensor(np.zeros((0, 4))), Tensor(np.zeros(0, np.int64))), 0.0)

    @pytest.mark.parametrize("smoothing", [0.1, 0.5, 1.0])
    def test_smoothing_gives_a_share_to_all_classes(self, smoothing):
        logits, targets = numbers((3, 4)), np.array([3, 0, -100])
        each = [
            (1 - smoothing) * surprises(row, np.array(target))[0]
            + smoothing * np.mean([surprises(row, np.array(c))[0] for c in range(4)])
            for row, target in zip(logits[:2], targets[:2], strict=True)
        ]
        x, y = Tensor(logits), Tensor(targets)
        near(cross_entropy(x, y, label_smoothing=smoothing), np.mean(each))
        got = cross_entropy(x, y, label_smoothing=smoothing, reduction="none")
        near(got, [*each, 0.0])

    @pytest.mark.parametrize("share", [-0.1, 1.1, 10])
    def test_a_share_outside_0_to_1_is_refused(self, share):
        with pytest.raises(ValueError, match=f"label_smoothing is a share .*, not {share}"):
            cross_entropy(Tensor([[0.0, 1.0]]), Tensor([0]), label_smoothing=share)

    def test_a_single_position_without_a_batch(self):
        got = cross_entropy(Tensor([2.0, 1.0, 0.1]), Tensor(0))
        near(got, surprises(np.array([2.0, 1.0, 0.1]), np.array(0))[0])

    def test_dtype_and_inputs_stay(self):
        for dtype in (np.float32, np.float64):
            x, y = Tensor(numbers((4, 3), 0, dtype), dtype=dtype), Tensor([2, -100, 0, 1])
            before = x.array.copy(), y.array.copy()
            for smoothing in (0.0, 0.1):
                for reduction in ("mean", "sum", "none"):
                    got = cross_entropy(x, y, label_smoothing=smoothing, reduction=reduction)
                    assert got.dtype == dtype
            assert np.array_equal(x.array, before[0]) and np.array_equal(y.array, before[1])

    @pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
    def test_targets_of_any_integer_type(self, kind):
        logits, targets = numbers((4, 3)), np.array([2, 0, 1, 1], dtype=kind)
        near(cross_entropy(Tensor(logits), Tensor(targets)), surprises(logits, targets).mean())

    def test_the_note_to_module_06_holds_the_log_probabilities(self):
        logits, targets = numbers((2, 3, 4)), np.array([[0, -100, 1], [3, 2, 2]])
        _, note = cross_entropy.on_arrays(logits, targets)
        exact = np.exp(logits - logits.max(axis=-1, keepdims=True)).astype(np.float64)
        near(np.exp(note), exact / exact.sum(axis=-1, keepdims=True))
        assert note.dtype == np.float32

    def test_it_remembers_how_it_was_made(self):
        x, y = Tensor(numbers((2, 3)), requires_grad=True), Tensor([0, 2])
        loss = cross_entropy(x, y)
        assert loss.requires_grad and loss.made_by.primitive == "cross_entropy"
        assert loss.made_by.inputs[0] is x
        assert not cross_entropy(x.detach(), y).requires_grad


@pytest.mark.exercise("losses.cross_entropy")
class TestCrossEntropyRefuses:
    X = np.zeros((2, 3), np.float32)

    @pytest.mark.parametrize("wrong", [3, 10, -1])
    def test_a_class_that_does_not_exist(self, wrong):
        message = rf"cross_entropy: target {wrong} is not a class, 0 to 2"
        with pytest.raises(ValueError, match=message) as caught:
            cross_entropy(Tensor(self.X), Tensor([0, wrong]))
        advice = f"ignore_index={wrong} skips it" if wrong < 0 else "too few outputs"
        assert advice in str(caught.value)

    @pytest.mark.parametrize(
        ("targets", "kind"), [([0.0, 1.0], "float32"), ([True, False], "bool")]
    )
    def test_targets_that_are_not_whole_numbers(self, targets, kind):
        with pytest.raises(TypeError, match=rf"integers, not {kind}: targets.long\(\)"):
            cross_entropy(Tensor(self.X), Tensor(targets))
        cross_entropy(Tensor(self.X), Tensor(targets).long())  # the advice works

    def test_targets_that_are_no_tensor(self):
        with pytest.raises(TypeError, match=r"class numbers, Tensor\(\[\.\.\.\]\), not a list"):
            cross_entropy(Tensor(self.X), [0, 1])

    @pytest.mark.parametrize(
        ("logits", "targets", "advice"),
        [
            ((2, 3), (2, 1), "targets.reshape((2,)) would fit"),
            ((2, 3), (2, 3), "if these are one-hot rows, write targets.argmax(-1)"),
            ((2, 5, 3), (10,), "targets.reshape((2, 5)) would fit"),
            ((2, 7, 5), (2, 5), "PyTorch has the classes second; move them with"),
            ((2, 3), (3,), "not (3,)"),
            ((3,), (3,), "if these are one-hot rows"),
        ],
    )
    def test_shapes_that_do_not_fit(self, logits, targets, advice):
        with pytest.raises(ValueError, match="the classes are the last dimension") as caught:
            cross_entropy(Tensor(np.zeros(logits)), Tensor(np.zeros(targets, np.int64)))
        said = str(caught.value)
        assert advice in said and f"need targets {logits[:-1]}, not {targets}" in said

    @pytest.mark.parametrize("shape", [(2, 7, 5), (2, 7, 5, 4), (1, 2, 3, 4, 5)])
    def test_the_advice_for_the_layout_of_pytorch_works(self, shape):
        logits, kept = numbers(shape), (shape[0], *shape[2:])
        targets = Tensor(np.random.default_rng(0).integers(0, shape[1], kept))
        with pytest.raises(ValueError, match=r"move them with logits\.permute") as caught:
            cross_entropy(Tensor(logits), targets)
        dims = str(caught.value).split("permute(")[1].split(")")[0]
        moved = Tensor(logits).permute(*map(int, dims.split(", ")))
        want = surprises(np.moveaxis(logits, 1, -1), targets.array).mean()
        near(cross_entropy(moved, targets), want)

    def test_where_two_layouts_fit_the_last_dimension_holds_the_classes(self):
        logits, targets = numbers((2, 3, 3)), np.array([[0, 1, 2], [2, 2, 0]])
        near(cross_entropy(Tensor(logits), Tensor(targets)), surprises(logits, targets).mean())

    def test_an_unknown_reduction(self):
        with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not 'avg'"):
            cross_entropy(Tensor(self.X), Tensor([0, 1]), reduction="avg")


# -- binary_cross_entropy_with_logits


@pytest.mark.exercise("losses.binary_cross_entropy_with_logits")
class TestBinaryCrossEntropy:
    def test_the_example_by_hand(self):
        got = binary_cross_entropy_with_logits(
            Tensor([0.0, 0.0, 2.0, 2.0]), Tensor([1.0, 0.0, 1.0, 0.0]), reduction="none"
        )
        near(got, [math.log(2), math.log(2), 0.126928, 2.126928])

    @QUICK
    @given(SHAPES, st.integers(0, 1000))
    def test_against_the_formula_of_the_book(self, shape, seed):
        x = numbers(shape, seed) * 3
        y = np.random.default_rng(seed).random(shape).astype(np.float32)
        p = [1 / (1 + math.exp(-float(v))) for v in x.flat]
        want = [
            -(t * math.log(q) + (1 - t) * math.log(1 - q))
            for q, t in zip(p, map(float, y.flat), strict=True)
        ]
        x, y = Tensor(x), Tensor(y)
        near(binary_cross_entropy_with_logits(x, y), np.mean(want))
        near(binary_cross_entropy_with_logits(x, y, "sum"), np.sum(want))
        got = binary_cross_entropy_with_logits(x, y, reduction="none")
        near(got, np.reshape(want, shape))

    @pytest.mark.parametrize("far", [100.0, 1e4, 1e30])
    def test_far_scores_neither_overflow_nor_warn(self, far):
        x, y = Tensor([far, -far, far, -far]), Tensor([0.0, 0.0, 1.0, 1.0])
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            got = binary_cross_entropy_with_logits(x, y, reduction="none")
        near(got, np.array([far, 0.0, 0.0, far]))

    def test_tiny_losses_are_not_rounded_to_zero(self):
        got = binary_cross_entropy_with_logits(Tensor([20.0, -20.0]), Tensor([1.0, 0.0]), "none")
        assert got.array == pytest.approx([2.0611537e-09] * 2, rel=1e-5, abs=0)

    def test_it_is_cross_entropy_over_the_scores_0_and_x(self):
        x, y = numbers(20) * 5, np.random.default_rng(1).integers(0, 2, 20)
        pairs = Tensor(np.stack([np.zeros_like(x), x], axis=-1))
        want = cross_entropy(pairs, Tensor(y), reduction="none")
        got = binary_cross_entropy_with_logits(Tensor(x), Tensor(y), reduction="none")
        near(got, want.array)

    def test_yes_and_no_mirror_each_other(self):
        x = numbers(6) * 4
        yes = binary_cross_entropy_with_logits(Tensor(x), Tensor(np.ones(6)))
        no = binary_cross_entropy_with_logits(Tensor(-x), Tensor(np.zeros(6)))
        near(yes, no.array)

    def test_a_target_between_is_cheapest_at_its_own_probability(self):
        scores = np.linspace(-3, 3, 601, dtype=np.float32)
        targets = Tensor(np.full(601, 0.7))
        losses_ = binary_cross_entropy_with_logits(Tensor(scores), targets, reduction="none")
        best = scores[losses_.array.argmin()]
        assert best == pytest.approx(math.log(0.7 / 0.3), abs=0.011)

    @pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float32])
    def test_labels_of_any_number_type(self, kind):
        x, y = numbers(4), np.array([1, 0, 0, 1], dtype=kind)
        got = binary_cross_entropy_with_logits(Tensor(x), Tensor(y))
        want = binary_cross_entropy_with_logits(Tensor(x), Tensor(y.astype(np.float32)))
        assert got.dtype == np.float32
        near(got, want.array)

    def test_dtype_and_inputs_stay(self):
        for dtype in (np.float32, np.float64):
            x, y = Tensor(numbers(4, 0, dtype), dtype=dtype), Tensor(np.ones(4), dtype=dtype)
            before = x.array.copy()
            for reduction in ("mean", "sum", "none"):
                assert binary_cross_entropy_with_logits(x, y, reduction).dtype == dtype
            assert np.array_equal(x.array, before) and (y.array == 1).all()

    def test_shapes_that_would_broadcast_are_refused(self):
        with pytest.raises(ValueError, match=r"^binary.*\(3,\) and \(3, 1\) differ.*reshape"):
            binary_cross_entropy_with_logits(Tensor(numbers(3)), Tensor(np.ones((3, 1))))

    @pytest.mark.parametrize("wrong", [-1.0, 2.0, 1.5])
    def test_targets_that_are_no_probability_are_refused(self, wrong):
        with pytest.raises(ValueError, match=f"0 for no, 1 for yes, or between: not {wrong}"):
            binary_cross_entropy_with_logits(Tensor([0.0, 1.0]), Tensor([1.0, wrong]))

    def test_an_unknown_reduction_is_refused(self):
        with pytest.raises(ValueError, match="'mean', 'sum' or 'none', not None"):
            binary_cross_entropy_with_logits(Tensor([0.0]), Tensor([1.0]), reduction=None)

    def test_it_is_one_primitive_and_remembers_how_it_was_made(self):
        x, y = Tensor([1.0, -2.0], requires_grad=True), Tensor([1.0, 0.0])
        loss = binary_cross_entropy_with_logits(x, y)
        assert loss.requires_grad
        assert loss.made_by.primitive == "binary_cross_entropy_with_logits"
        assert loss.made_by.inputs[0] is x


# -- accuracy


@pytest.mark.exercise("losses.accuracy")
class TestAccuracy:
    SCORES = [[1.0, 5.0], [3.0, 2.0], [0.0, 4.0]]

    def test_the_example_by_hand(self):
        assert accuracy(Tensor(self.SCORES), Tensor([1, 1, -100])) == 0.5

    def test_it_is_a_python_number(self):
        assert type(accuracy(Tensor(self.SCORES), Tensor([1, 0, 1]))) is float

    @QUICK
    @given(SHAPES.filter(lambda s: len(s) > 1), st.integers(0, 1000))
    def test_any_leading_shape(self, shape, seed):
        logits, rng = numbers(shape, seed), np.random.default_rng(seed + 1)
        targets = rng.integers(0, shape[-1], shape[:-1])
        targets[rng.random(targets.shape) < 0.3] = -100
        right = [
            logits[place].tolist().index(max(logits[place])) == target
            for place, target in np.ndenumerate(targets)
            if target != -100
        ]
        want = sum(right) / len(right) if right else 0.0
        assert accuracy(Tensor(logits), Tensor(targets)) == pytest.approx(want)

    def test_square_inputs_are_not_mixed_up(self):
        table = Tensor([[0.0, 6.0, 1.0], [0.0, 9.0, 1.0], [5.0, 8.0, 7.0]])
        assert accuracy(table, Tensor([1, 1, 1])) == 1.0

    def test_leaves_its_arguments_alone(self):
        logits, targets = Tensor(self.SCORES), Tensor([1, 1, -100])
        accuracy(logits, targets)
        assert logits.tolist() == self.SCORES and targets.tolist() == [1, 1, -100]

    def test_all_and_none_right(self):
        table = Tensor(np.eye(4))
        assert accuracy(table, Tensor([0, 1, 2, 3])) == 1.0
        assert accuracy(table, Tensor([1, 2, 3, 0])) == 0.0

    def test_negative_scores(self):
        assert accuracy(Tensor([[-5.0, -1.0], [-1.0, -5.0]]), Tensor([1, 0])) == 1.0

    def test_of_equal_scores_the_first_counts(self):
        table = Tensor([[2.0, 2.0, 2.0], [1.0, 3.0, 3.0]])
        assert accuracy(table, Tensor([0, 1])) == 1.0
        assert accuracy(table, Tensor([1, 2])) == 0.0
        assert accuracy(table, Tensor([2, 0])) == 0.0

    def test_another_ignored_number(self):
        targets = Tensor([1, 0, 0])
        assert accuracy(Tensor(self.SCORES), targets, ignore_index=1) == 0.5
        assert accuracy(Tensor(self.SCORES), targets, 0) == 1.0

    def test_nothing_kept_gives_zero(self):
        assert accuracy(Tensor(self.SCORES), Tensor([-100] * 3)) == 0.0

    def test_multiplying_the_scores_changes_nothing(self):
        logits, targets = numbers((50, 5)), Tensor(np.arange(50) % 5)
        assert accuracy(Tensor(logits), targets) == accuracy(Tensor(logits * 10), targets)

    def test_scores_that_take_part_in_a_gradient_and_plain_arrays(self):
        x, y = Tensor(self.SCORES, requires_grad=True), Tensor([1, 0, 1])
        assert accuracy(x, y) == accuracy(x.array, y.array) == 1.0

    def test_targets_that_do_not_fit_are_refused(self):
        x = Tensor(self.SCORES)
        with pytest.raises(ValueError, match=r"\(3, 2\) need targets \(3,\), not \(3, 1\)"):
            accuracy(x, Tensor([[1], [1], [0]]))
        with pytest.raises(ValueError, match="target 2 is not a class"):
            accuracy(x, Tensor([1, 2, 0]))
        with pytest.raises(TypeError, match="not float32"):
            accuracy(x, Tensor([1.0, 1.0, 0.0]))


# -- given code


@pytest.mark.exercise("losses")
class TestGiven:
    def test_l1_loss(self):
        p, t = Tensor([2.0, 0.0, -1.0]), Tensor([1.0, 0.0, 1.0])
        near(l1_loss(p, t), 1.0)
        near(l1_loss(p, t, "sum"), 3.0)
        near(l1_loss(p, t, "none"), [1.0, 0.0, 2.0])
        with pytest.raises(ValueError, match=r"^l1_loss: .*\(3,\) and \(3, 1\) differ"):
            l1_loss(p, t.reshape(3, 1))

    def test_the_advice_for_two_shapes_works(self):
        p, t = Tensor(numbers((3,))), Tensor(numbers((3, 1)))
        with pytest.raises(ValueError, match=r"target\.reshape\(\(3,\)\) would fit"):
            losses.need_same_shape("loss", p, t)
        losses.need_same_shape("loss", p, t.reshape((3,)))
        with pytest.raises(ValueError, match=r"^loss: .* differ, and none is broadcast$"):
            losses.need_same_shape("loss", p, Tensor(numbers(4)))

    @pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
    def test_modules_do_what_the_functions_do(self, reduction):
        x, y = Tensor(numbers((4, 3))), Tensor([2, 0, 1, 0])
        p, t = Tensor(numbers(5, 1)), Tensor(numbers(5, 2))
        yes = Tensor([1.0, 0.0, 0.0, 1.0, 1.0])
        pairs = [
            (MSELoss(reduction), mse_loss, p, t),
            (L1Loss(reduction=reduction), l1_loss, p, t),
            (CrossEntropyLoss(reduction=reduction), cross_entropy, x, y),
            (BCEWithLogitsLoss(reduction), binary_cross_entropy_with_logits, p, yes),
        ]
        for module, function, first, second in pairs:
            assert list(isinstance(module, Module) and module.parameters()) == []
            near(module(first, second), function(first, second, reduction=reduction).array)

    def test_the_settings_of_the_cross_entropy_module(self):
        x, y = Tensor(numbers((4, 3))), Tensor([2, 0, 1, 0])
        module = CrossEntropyLoss(ignore_index=0, label_smoothing=0.1)
        near(module(x, y), cross_entropy(x, y, ignore_index=0, label_smoothing=0.1).array)
        usual = CrossEntropyLoss()
        near(usual(x, y), cross_entropy(x, y).array)
        near(pickle.loads(pickle.dumps(module))(x, y), module(x, y).array)

    def test_no_use_of_a_loss_warns(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cross_entropy(Tensor([[0.0, 1e4]]), Tensor([-100]))
            accuracy(Tensor([[0.0, 1.0]]), Tensor([-100]))

    def test_examples_in_the_docstrings_run(self):
        failed, tried = doctest.testmod(losses)
        assert failed == 0 and tried >= 8

    def test_public_names_are_explained(self):
        for name in losses.__all__:
            assert inspect.getdoc(getattr(losses, name)), name
