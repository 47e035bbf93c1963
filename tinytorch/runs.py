"""What the scripts that train a GPT share: a run that is kept, its memory, and its judges.

A run may be kept in a folder: the checkpoints and the journal of its Trainer, and beside them
`settings.json`, the flags that it was started with, so that it goes on as it began. The judges at
the end know nothing of the library: a loss in plain Python, and a model that only counts.
"""

import json
import math
import os
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np

from . import console, parallel
from .autograd import no_grad
from .download import digest
from .layers import Dropout
from .tensor import tensor

SETTINGS = "settings.json"
CHECKPOINTS = ("last.safetensors", "best.safetensors")  # the one to go on from comes first
NOT_KEPT = ("preset", "save", "resume")  # flags that say nothing about the run itself


# -- a run in a folder
def settings(folder, script):
    """The flags of the run of a script that is kept in a folder, to go on with.

    Raises:
        console.Refusal: there is no such run.
    """
    kept = _kept(folder)
    if kept.get("script") != script:
        told = f"the run in {folder} is one of {kept.get('script')}, not of {script}"
        raise console.Refusal(f"--resume: {told}")
    if not checkpoint(folder):
        told = f"{folder} holds no checkpoint yet: start again with --save {folder}"
        raise console.Refusal(f"--resume: {told}")
    console.FOLDERS.append(folder)
    return kept["flags"]


def _kept(folder):
    """What `settings.json` says: script, text and flags."""
    path = Path(folder) / SETTINGS
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return {**kept, "flags": dict(kept["flags"])}
    except FileNotFoundError:
        told = f"{folder} holds no run: start one with --save {folder}"
        raise console.Refusal(f"--resume: {told}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise console.Refusal(f"--resume: {path} cannot be read: {error}") from None


def checkpoint(folder):
    """The checkpoint of a run to go on from; None if it has none yet."""
    paths = [Path(folder, name) for name in CHECKPOINTS]
    return next((path for path in paths if path.is_file()), None)


def folder_of(flags, script, text):
    """The folder of a run, ready to be written into; None if it is not kept.

    Args:
        flags: as `console.text_flags` gives them.
        script: the name of the script.
        text: all that the run learns from; it must be the same when it goes on.

    Raises:
        console.Refusal: there is another run already, or the run learnt from another text.
    """
    name, flag = flags.save or flags.resume, "--save" if flags.save else "--resume"
    if not name:
        return None
    folder, text = Path(name), digest(text.encode("utf-8"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not _taken(folder):
            told = f"a run in {name} is going on: wait for its end, or take another folder"
            raise console.Refusal(f"{flag}: {told}")
        if flags.save:
            _begin(folder, script, text, flags)
    except OSError as error:
        told = f"nothing can be written in {name} ({error.strerror})"
        raise console.Refusal(f"{flag}: {told}") from None
    if _kept(name).get("text") != text:
        raise console.Refusal(f"--resume: the run in {name} learnt from another text than this")
    console.FOLDERS.append(name)
    return folder


def _begin(folder, script, text, flags):
    """Write the settings of a new run."""
    if checkpoint(folder):
        told = f"{folder} holds a run: go on with --resume {folder}, or take another folder"
        raise console.Refusal(f"--save: {told}")
    own = {name: value for name, value in vars(flags).items() if name not in NOT_KEPT}
    kept = json.dumps({"script": script, "text": text, "flags": own}, indent=1)
    (folder / SETTINGS).write_text(kept, encoding="utf-8")


def _taken(folder):
    """Lock a folder until this process ends, however it ends; False if another one has it."""
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)  # never closed by hand
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        pass
    return True


def steps(flags, tokens):
    """How many steps: --steps, or as many as --epochs passes over so many tokens take."""
    if not flags.epochs:
        return flags.steps
    return max(1, round(flags.epochs * tokens / (flags.batch_size * flags.context)))


def fit(trainer, flags, sample):
    """Train until `flags.steps`, from the last checkpoint on if the run goes on; live.

    Args:
        trainer: a `training.Trainer`; with `flags.resume` it goes on from its folder. Validation
            batches, if it has any, are measured whenever a sample is shown.
        flags: steps, max_seconds, resume, save_every.
        sample: function -> lines to show while it learns, five times in all.

    Returns:
        The seconds this took.

    Raises:
        console.Refusal: the checkpoint is torn or foreign.
        console.Diverged: the loss or a logit is no number any more.
    """
    every = math.ceil(flags.steps / 5)
    if flags.resume:
        _go_on(trainer, flags)
    with console.Progress(flags.steps, done=trainer.step) as progress:

        def report(step, figures):
            progress.update(figures["targets"], loss=figures["loss"])
            if "validation_loss" in figures:
                progress.say(f"step {step:,}: validation loss {figures['validation_loss']:.3f}")
            if step % every == 0:
                need_numbers(trainer)
                for line in sample():
                    progress.say(f"    {line}")
            return progress.seconds > flags.max_seconds

        measured = {"evaluate_every": every} if trainer.validation else {}
        kept = {"save_every": flags.save_every} if trainer.folder else {}
        _fitted(trainer, flags.steps, report, **measured, **kept)
    need_numbers(trainer)
    return progress.seconds


def _go_on(trainer, flags):
    """Take up the last checkpoint of the run in `flags.resume`."""
    try:
        trainer.resume(checkpoint(flags.resume))
    except ValueError as error:
        raise console.Refusal(f"--resume: {error}") from None
    except OSError as error:  # the journal is written anew
        told = f"the run in {flags.resume} cannot be read and written ({error.strerror})"
        raise console.Refusal(f"--resume: {told}") from None
    print(f"going on after step {trainer.step:,} of {flags.steps:,}")


def need_numbers(trainer):
    """Make sure that the model still computes numbers: its last step may have broken it.

    Raises:
        console.Diverged: it does not.
    """
    mode = trainer.model.training
    trainer.model.eval()
    with no_grad(), np.errstate(all="ignore"):
        logits = trainer.model(tensor([[0]]))
    trainer.model.train(mode)
    if not np.isfinite(logits.array).all():
        raise console.Diverged(f"the logits are no numbers any more after {trainer.step} steps")


def fit_epochs(trainer, steps, max_seconds, say):
    """Train a run that is not kept, and show some lines after every epoch; live.

    Args:
        trainer: a `training.Trainer` without a folder.
        say: function, number of the epoch from 1 on -> lines.

    Returns:
        The seconds this took.
    """
    with console.Progress(steps) as progress:

        def report(step, figures):
            epoch, used = divmod(step - 1, trainer.steps_per_epoch)
            progress.update(figures["targets"], loss=figures["loss"], epoch=epoch + 1)
            if progress.seconds > max_seconds:
                return True
            for line in say(epoch + 1) if used + 1 == trainer.steps_per_epoch else ():
                progress.say(line)
            return False

        _fitted(trainer, steps, report)
    return progress.seconds


def epoch_loss(trainer):
    """The mean loss per target over the steps of the last epoch, while it was being learnt."""
    length = trainer.steps_per_epoch
    rows = trainer.journal.rows[(trainer.step - 1) // length * length :]
    return sum(r["targets"] * r["loss"] for r in rows) / sum(r["targets"] for r in rows)


def _fitted(trainer, steps, report, **more):
    """`trainer.fit`, its errors said in the words of a script."""
    try:
        with parallel.processes(trainer.model, trainer.part_loss):
            trainer.fit(steps, report=report, **more)
    except FloatingPointError:
        told = f"the loss is no number any more after {trainer.step} steps"
        raise console.Diverged(told) from None
    except OSError as error:
        if not trainer.folder or isinstance(error, BrokenPipeError):
            raise  # it is about what is printed
        told = f"the checkpoint cannot be written: {error.strerror or error}"
        raise console.Failed(told) from None


# -- memory
KEPT = {  # with dropout or without -> the formula
    False: "4 B T (L (16 D + H T) + 2 D + V)",
    True: "B T (L (82 D + 8 H T) + 17 D + 4 V)",
}


def activations(batch, tokens, vocab_size, embed_dim, num_heads, num_layers, dropout=False):
    """Bytes kept between forward and backward: 4 B T (L (16 D + H T) + 2 D + V).

    A block keeps 16 D numbers a token: the inputs of its linear layers (D for query, key and
    value, D for the output, D and 4 D in the MLP), both normalised streams, query, key and value,
    and the slope of GELU (4 D); and the weights of the attention, T for each head. Then comes the
    last norm, 2 D, and the probabilities, V.

    Dropout makes it B T (L (82 D + 8 H T) + 17 D + 4 V): 9 bytes more for each number of the stream
    that it may drop, D at the entrance and 2 D in a block (what came in, what went out, and a mask
    of one byte), and 4 for the factor of each attention weight.

    >>> activations(1, 1, vocab_size=1, embed_dim=1, num_heads=1, num_layers=1)
    80
    >>> activations(1, 1, vocab_size=1, embed_dim=1, num_heads=1, num_layers=1, dropout=True)
    111
    """
    weights = num_heads * tokens
    count = 4 * (num_layers * (16 * embed_dim + weights) + 2 * embed_dim + vocab_size)
    if dropout:
        count += num_layers * (18 * embed_dim + 4 * weights) + 9 * embed_dim
    return batch * tokens * count


def kept_bytes(mean_loss, batch):
    """Bytes that are really kept between forward and backward, as `tracemalloc` counts them.

    Args:
        mean_loss: function of a batch -> its loss; it is called twice.
    """
    mean_loss(batch)  # what is made once and for all, such as masks, is made now
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    loss = mean_loss(batch)
    after, _ = tracemalloc.get_traced_memory()
    if not running:
        tracemalloc.stop()
    del loss
    return after - before


def show_memory(trainer, vocab_size, flags):
    """Print what the numbers of a run take: counted by formula, and measured."""
    inputs, _ = batch = next(iter(trainer.loader))
    weights = sum(p.array.nbytes for p in trainer.model.parameters())
    entries = trainer.optimizer.state_dict()["state"].values()
    moments = sum(v.nbytes for e in entries for v in e.values() if getattr(v, "ndim", 0))
    sizes = (flags.embed_dim, flags.num_heads, flags.num_layers)
    dropout = any(isinstance(m, Dropout) and m.p for m in trainer.model.modules())
    counted = activations(*inputs.shape, vocab_size, *sizes, dropout)
    measured = kept_bytes(lambda batch: trainer.part_loss(*batch), batch)
    count = sum(p.numel() for p in trainer.model.parameters())
    rows = [
        ["weights", "4 P", _mb(4 * count), _mb(weights)],
        ["gradients", "4 P", _mb(4 * count), ""],
        ["AdamW, two averages", "8 P", _mb(8 * count), _mb(moments) if moments else ""],
        ["activations", KEPT[dropout], _mb(counted), _mb(measured)],
    ]
    print("memory for the numbers alone, in MB:")
    console.table(["", "formula", "counted", "measured"], rows)


def _mb(count):
    return f"{count / 1e6:.2f}"


# -- judges
def windows(ids, context, stride=None):
    """Rows of context + 1 ids, for `plain_loss`: at each place, what comes next is the target.

    Args:
        ids: a list.
        stride: from one window's start to the next; None means context, side by side.

    >>> windows([5, 3, 8, 1, 9, 2, 7], context=3)
    [[5, 3, 8, 1], [1, 9, 2, 7]]
    """
    starts = range(0, len(ids) - context, stride or context)
    return [ids[start : start + context + 1] for start in starts]


def plain_loss(model, rows, batch_size):
    """The mean loss over all ids but the first of each row, from the logits in plain Python.

    Args:
        model: ids (B, T) -> logits (B, T, V).
        rows: lists of ids, of any lengths.
        batch_size: how many of them the model reads at a time.

    Raises:
        console.Failed: the model sees the future.
    """
    need_causal(model, [row[:-1] for row in rows[:batch_size]])
    total = count = 0
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        for row, scores in zip(batch, _logits(model, [row[:-1] for row in batch]), strict=True):
            for place, target in enumerate(row[1:]):
                logits = scores[place]
                top = max(logits)
                total += top + math.log(sum([math.exp(x - top) for x in logits])) - logits[target]
                count += 1
    return total / count


def need_causal(model, rows):
    """Make sure that no logits change when the text after their place changes.

    The rows are changed from different places on: the n-th of N from n / (N + 1) of its length.

    Raises:
        console.Failed: some do.
    """
    cuts = [max(1, n * len(row) // (len(rows) + 1)) for n, row in enumerate(rows, start=1)]
    changed = [row[:cut] + [int(not i) for i in row[cut:]] for row, cut in zip(rows, cuts)]
    for before, after, cut in zip(_logits(model, rows), _logits(model, changed), cuts):
        for place in range(cut):
            size = max(1, *map(abs, before[place]))
            if any(abs(x - y) > 1e-3 * size for x, y in zip(before[place], after[place])):
                told = "the model's answer at a place changes when the text after it changes"
                raise console.Failed(f"{told}, so it sees the future: tito test 12 13")


def _logits(model, rows):
    """The logits (B, T, V) as lists; shorter rows are filled up with the token 0."""
    longest = max(map(len, rows))
    return model(tensor([row + [0] * (longest - len(row)) for row in rows])).tolist()


class NGram:
    """A language model that only counts: which token came after the last few, how often.

    P(w | h) = (count(h w) + kinds(h) P(w | shorter h)) / (count(h) + kinds(h)), with kinds(h) how
    many different tokens came after h; at the bottom all tokens are equally likely.

    Args:
        ids: the tokens to count, a list.
        order: n; the last n - 1 tokens are looked at.
        vocab_size: how many tokens there are.

    Source: Witten & Bell 1991.

    >>> model = NGram([0, 1, 0, 1, 0], order=2, vocab_size=2)
    >>> [round(p, 3) for p in model.probabilities([1])]
    [0.857, 0.143]
    """

    def __init__(self, ids, order, vocab_size):
        self.order, self.vocab_size = order, vocab_size
        self.after = [{} for _ in range(order)]  # by length: history -> what came after it
        for length, table in enumerate(self.after):
            for end in range(length, len(ids)):
                table.setdefault(tuple(ids[end - length : end]), Counter())[ids[end]] += 1
        self.totals = [{h: sum(c.values()) for h, c in table.items()} for table in self.after]

    def _known(self, ids):
        """What came after the end of `ids`, the shortest history first: (counts, total)."""
        for length, table in enumerate(self.after):
            history = tuple(ids[len(ids) - length :])
            if length > len(ids) or history not in table:
                return
            yield table[history], self.totals[length][history]

    def probabilities(self, ids):
        """The probability of each token after these."""
        p = np.full(self.vocab_size, 1 / self.vocab_size)
        for counts, total in self._known(ids):
            kinds = len(counts)
            p *= kinds / (total + kinds)
            p[list(counts)] += np.array(list(counts.values())) / (total + kinds)
        return p.tolist()

    def loss(self, ids):
        """The mean loss in nats over a text."""
        total = 0.0
        for end, token in enumerate(ids):
            p = 1 / self.vocab_size
            for counts, count in self._known(ids[max(0, end - self.order + 1) : end]):
                p = (counts[token] + len(counts) * p) / (count + len(counts))
            total -= math.log(p)
        return total / len(ids)
