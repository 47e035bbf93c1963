"""What the milestone scripts share: memory by formula, judges that know nothing of the library."""

import argparse
import math

import numpy as np
import pytest

import tinytorch
from tinytorch import console, runs, transformers
from tinytorch.layers import Linear
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import SGD
from tinytorch.tensor import Tensor
from tinytorch.tokenization import next_token_windows
from tinytorch.training import Trainer
from tinytorch.transformers import GPT

SHAPES = [  # B T V D H L
    (4, 64, 80, 64, 4, 2),
    (2, 32, 300, 32, 2, 1),
    (8, 16, 10, 48, 8, 3),
    (1, 128, 65, 128, 8, 4),
]


@pytest.mark.parametrize("dropout", [0, 0.2])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_formula_of_the_activations_holds_to_a_tenth(shape, dropout):
    B, T, V, D, H, L = shape
    model = GPT(V, D, H, L, T, dropout)
    ids = Tensor(np.random.default_rng(0).integers(0, V, (B, T)))
    measured = runs.kept_bytes(lambda batch: cross_entropy(model(batch), batch), ids)
    assert measured == pytest.approx(runs.activations(*shape, dropout > 0), rel=0.1)


def test_measuring_leaves_tracemalloc_as_it_was():
    import tracemalloc

    assert not tracemalloc.is_tracing()
    kept = runs.kept_bytes(lambda n: np.zeros(n, np.uint8), 1_000_000)
    assert kept == pytest.approx(1_000_000, rel=0.01)
    assert not tracemalloc.is_tracing()


# -- a loss in plain Python
def test_windows_are_cut_as_the_library_cuts_them():
    ids = list(range(23))
    for context, stride in ((5, None), (5, 1), (22, None), (4, 7)):
        x, y = next_token_windows(ids, context, stride)
        want = [[*row, last[-1]] for row, last in zip(x.tolist(), y.tolist())]
        assert runs.windows(ids, context, stride) == want


def test_the_plain_loss_is_the_mean_over_all_targets():
    tinytorch.manual_seed(0)
    model = GPT(7, 8, 2, 1, 5)
    rows = np.random.default_rng(1).integers(0, 7, (4, 6)).tolist()
    with tinytorch.no_grad():
        loss = cross_entropy(model(Tensor([r[:-1] for r in rows])), Tensor([r[1:] for r in rows]))
        assert runs.plain_loss(model, rows, 3) == pytest.approx(loss.item())


def test_the_plain_loss_does_not_count_what_fills_shorter_rows_up():
    def model(ids):
        return Tensor([[[0.0, 0.0], [0.0, 9.0]]] * ids.shape[0])

    loss = runs.plain_loss(model, [[0, 1], [0, 1, 1]], 2)
    assert loss == pytest.approx((2 * math.log(2) + math.log(1 + math.exp(-9))) / 3)


def test_the_plain_loss_of_large_logits_is_finite():
    def model(ids):
        return Tensor([[[1000.0, -1000.0]]])

    assert runs.plain_loss(model, [[0, 0]], 1) == 0
    assert runs.plain_loss(model, [[0, 1]], 1) == 2000


def test_a_batch_that_comes_back_smaller_is_no_smaller_test():
    with pytest.raises(ValueError, match="shorter"):
        runs.plain_loss(lambda ids: Tensor(np.zeros((1, 3, 2))), [[0, 1, 0, 1]] * 2, 2)


@pytest.mark.parametrize("ahead", [1, 3, 9])
def test_a_model_that_sees_the_future_has_no_loss(ahead, monkeypatch):
    """A mask that lets each place look at the next ones, too."""
    tinytorch.manual_seed(0)
    model = GPT(7, 8, 2, 1, 10)
    for p in model.parameters():
        p.array[:] *= 9  # the numbers are as large as after a training
    rows = np.random.default_rng(1).integers(0, 7, (3, 11)).tolist()
    with tinytorch.no_grad():
        assert runs.plain_loss(model, rows, 2) > 0
        mask = Tensor(np.tril(np.ones((10, 10), bool), ahead))
        monkeypatch.setattr(transformers, "causal_mask", lambda length: mask)
        with pytest.raises(console.Failed, match="it sees the future: tito test 12 13"):
            runs.plain_loss(model, rows, 2)


# -- a model that counts
TEXT = "abracadabra alakazam abracadabra"
IDS = ["abcdklmrz ".index(c) for c in TEXT]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one_and_agree_with_the_loss(order):
    model = runs.NGram(IDS, order, 10)
    total = 0.0
    for end in range(len(IDS)):
        p = model.probabilities(IDS[max(0, end - order + 1) : end])
        assert sum(p) == pytest.approx(1) and min(p) > 0
        total -= math.log(p[IDS[end]])
    assert model.loss(IDS) == pytest.approx(total / len(IDS))


def test_more_context_knows_its_own_text_better():
    losses = [runs.NGram(IDS, order, 10).loss(IDS) for order in (1, 2, 3, 4)]
    assert losses == sorted(losses, reverse=True)
    assert runs.NGram([], 3, 10).loss([1, 2, 3]) == pytest.approx(math.log(10))


def test_witten_and_bells_numbers_by_hand():
    """After a: b twice, of 1 kind; below: a 3, b 2, of 5; below that all alike."""
    model = runs.NGram([0, 1, 0, 1, 0], 2, 3)
    ground = [(3 + 2 / 3) / 7, (2 + 2 / 3) / 7, (2 / 3) / 7]
    assert model.probabilities([0]) == pytest.approx(
        [ground[0] / 3, (2 + ground[1]) / 3, ground[2] / 3]
    )
    assert model.probabilities([2]) == pytest.approx(ground)  # never seen: one step down


# -- runs
def toy(steps_per_epoch=3, lr=0.1, folder=None):
    model = Linear(2, 2)
    batches = [
        (Tensor([[1.0, n]] * (n + 1)), Tensor([0] * (n + 1))) for n in range(steps_per_epoch)
    ]
    return Trainer(model, SGD(model.parameters(), lr=lr), batches, folder=folder)


def test_epochs_are_told_when_they_are_over(capsys):
    trainer, told = toy(), []

    def say(epoch):
        told.append((epoch, trainer.step))
        return [f"epoch {epoch} is over"]

    runs.fit_epochs(trainer, 6, 100, say)
    assert told == [(1, 3), (2, 6)]
    assert "epoch 2 is over" in capsys.readouterr().out


def test_the_time_is_up_after_the_first_step(capsys):
    trainer = toy()
    runs.fit_epochs(trainer, 6, 0, lambda epoch: [])
    assert trainer.step == 1


def test_the_loss_of_an_epoch_is_weighted_by_targets():
    trainer = toy()
    runs.fit_epochs(trainer, 5, 100, lambda epoch: [])
    rows = trainer.journal.rows[3:]
    assert [row["targets"] for row in rows] == [1, 2]
    assert runs.epoch_loss(trainer) == pytest.approx((rows[0]["loss"] + 2 * rows[1]["loss"]) / 3)


def test_a_loss_that_is_no_number_is_said_in_the_words_of_a_script():
    trainer = toy()
    trainer.loss = lambda logits, targets: (logits * math.nan).sum()
    with pytest.raises(console.Diverged, match="the loss is no number any more after 1 steps"):
        runs.fit_epochs(trainer, 50, 100, lambda epoch: [])


@pytest.mark.parametrize(("folder", "number"), [(None, 28), ("run", 32)])
def test_an_error_of_what_is_printed_is_none_of_the_checkpoint(folder, number, tmp_path):
    """No space left where nothing is kept; and nobody who reads on."""
    trainer = toy(folder=folder and tmp_path / folder)

    def say(epoch):
        raise OSError(number, "told")

    with pytest.raises(OSError, match="told"):
        runs.fit_epochs(trainer, 6, 100, say)


def test_a_run_that_cannot_be_written_is_not_gone_on_with(tmp_path):
    trainer, flags = toy(folder=tmp_path), argparse.Namespace(steps=6, resume=str(tmp_path))

    def resume(path):
        raise OSError(30, "Read-only file system")

    trainer.resume = resume
    with pytest.raises(console.Refusal, match="cannot be read and written .Read-only file system"):
        runs.fit(trainer, flags, list)


def test_steps_from_epochs():
    flags = argparse.Namespace(steps=7, epochs=None, batch_size=4, context=16)
    assert runs.steps(flags, 6400) == 7
    flags.epochs = 3
    assert runs.steps(flags, 6400) == 300
    assert runs.steps(flags, 10) == 1
