# Written by tito export from modules/08_training/training.ipynb. Edit the notebook, not this file.

"""The run that can be stopped, watched and trusted."""

__all__ = [
    "CODES",
    "STORED",
    "WIDENED",
    "FORMAT",
    "WORDS",
    "perplexity",
    "array_of",
    "count_targets",
    "zero_without_targets",
    "evaluate",
    "accumulate",
    "decay_groups",
    "linear_warmup",
    "noam",
    "Stepper",
    "layout",
    "cut_arrays",
    "read_header",
    "check_entries",
    "place",
    "is_text_by_name",
    "read_safetensors",
    "widen",
    "write_whole",
    "safetensors_pieces",
    "save_safetensors",
    "load_safetensors",
    "generator_state",
    "set_generator_state",
    "Journal",
    "json_line",
    "draw_curves",
    "text_curve",
    "Resumable",
    "packed",
    "unpacked",
    "Trainer",
]


# %% imports
import importlib.util
import itertools
import json
import math
import os
from pathlib import Path

import numpy as np

from . import messages, parallel
from .autograd import no_grad
from .bookkeeping import need_plain_step
from .generators import generators_in
from .losses import cross_entropy
from .optimizers import clip_grad_norm_, plain
from .tensor import Tensor, default_generator, from_numpy


# %% perplexity
def perplexity(loss):
    """perplexity = e^loss: between how many equally likely choices the model hesitates.

    Args:
        loss: a mean cross-entropy in nats: a number, or a Tensor of one.

    Returns:
        A Python number from 1 on; inf above 709 or so, where e^loss is too large for one.

    Source: Jelinek, Mercer, Bahl & Baker 1977.

    >>> round(perplexity(math.log(56)), 6)
    56.0
    """
    loss = float(loss)
    return math.inf if loss > 709 else math.exp(loss)


# %% count_targets
def array_of(value):
    """The array of a Tensor, or anything else as an array."""
    return value.array if isinstance(value, Tensor) else np.asarray(value)


def count_targets(targets, ignore_index=-100):
    """How many targets count: all that are not `ignore_index`; of real numbers, all.

    Args:
        targets: a Tensor or array, any shape.

    >>> count_targets(Tensor([[3, 1, -100], [2, -100, -100]]))
    3
    """
    targets = array_of(targets)
    return targets.size if targets.dtype.kind == "f" else int((targets != ignore_index).sum())


# %% evaluate
def zero_without_targets(mean_loss, count):
    """The function mean_loss, but 0 for a batch in which no target counts: its mean is 0 / 0."""
    return lambda batch: mean_loss(batch) if count(batch) else Tensor(0.0)


def evaluate(model, batches, mean_loss, count):
    """loss = sum of count * mean loss over the batches / sum of the counts; without dropout.

    Args:
        model: a Module; while it is measured it is in eval mode, then each of its parts is in its
            own mode again.
        batches: anything to loop over; those without a target that counts are left out.
        mean_loss: function, batch -> its mean loss, a Tensor of one number.
        count: function, batch -> over how many targets that mean is taken.

    Returns:
        The mean loss per target, a Python number. No gradient is recorded.

    Raises:
        ValueError: there is not a single target.

    >>> from tinytorch.layers import Module
    >>> evaluate(Module(), [[1.0, 1.0, 1.0], [5.0]], lambda batch: Tensor(batch).mean(), len)
    2.0
    """
    modes, total, seen = [(part, part.training) for part in model.modules()], 0.0, 0
    mean_loss = zero_without_targets(mean_loss, count)
    try:
        model.eval()
        with no_grad():
            for batch in batches:
                total += count(batch) * mean_loss(batch).item()
                seen += count(batch)
    finally:
        for part, mode in modes:
            part.training = mode
    if not seen:
        raise ValueError("nothing to evaluate on: no batch has a target that counts")
    return total / seen


# %% accumulate
def accumulate(batches, mean_loss, count):
    """Add to all .grad the gradient of L = sum of (count / total) * mean loss, batch after batch.

    Args:
        batches: a list of batches, the pieces of a large one; those without a target that counts
            are left out.
        mean_loss: function, batch -> its mean loss, a Tensor of one number.
        count: function, batch -> over how many targets that mean is taken.

    Returns:
        L, the mean loss over all targets, a Python number.

    Raises:
        ValueError: there is not a single target.

    >>> weight = Tensor([1.0], requires_grad=True)
    >>> accumulate([[1.0, 1.0, 1.0], [5.0]], lambda batch: (weight * Tensor(batch)).mean(), len)
    2.0
    >>> weight.grad
    tensor([2.])
    """
    counts = [count(batch) for batch in batches]
    batches = [batch for batch, kept in zip(batches, counts) if kept]  # else 0 * nan
    counts = [kept for kept in counts if kept]
    loss, total = 0.0, sum(counts)
    if not total:
        raise ValueError("nothing to learn from: no batch has a target that counts")
    for batch, kept in zip(batches, counts):
        part = mean_loss(batch) * (kept / total)
        part.backward()
        loss += part.item()
    return loss


# %% decay_groups
def decay_groups(model, weight_decay=0.01, spare=()):
    """Two groups for an optimizer: parameters that decay, and those that are spared.

    Spared are parameters with fewer than two dimensions (biases, gains of norms, single numbers),
    and those whose name contains one of the words in `spare`.

    Args:
        model: a Module.
        weight_decay: of the first group; the second has 0.
        spare: parts of names, such as ("table", "embedding").

    Returns:
        [{"params": [...], "weight_decay": weight_decay}, {"params": [...], "weight_decay": 0.0}],
        each parameter in one of the lists, in the order of the model.

    Raises:
        ValueError: a word of `spare` is in no name.

    >>> from tinytorch.layers import Linear
    >>> [[p.shape for p in group["params"]] for group in decay_groups(Linear(3, 2))]
    [[(2, 3)], [(2,)]]
    """
    spare = (spare,) if isinstance(spare, str) else tuple(spare)
    names = [name for name, _ in model.named_parameters()]
    if idle := [word for word in spare if not any(word in name for name in names)]:
        raise ValueError(f"no parameter has {idle[0]!r} in its name: there are {', '.join(names)}")
    decayed, spared = [], []
    for name, p in model.named_parameters():
        if p.ndim < 2 or any(word in name for word in spare):
            spared.append(p)
        else:
            decayed.append(p)
    groups = [(decayed, weight_decay), (spared, 0.0)]
    return [{"params": params, "weight_decay": decay} for params, decay in groups]


# %% schedules
def linear_warmup(step, warmup_steps, lr=1.0):
    """lr * min(1, step / warmup_steps): rise in a straight line, then stay.

    Args:
        step: the number of the step; the first is 1.
        warmup_steps: how many steps the rise takes; 0 for none.
        lr: the top.

    Raises:
        ValueError: a negative number of steps.

    Source: Goyal et al. 2017.

    >>> [linear_warmup(step, 4) for step in range(7)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    if min(step, warmup_steps) < 0:
        raise ValueError(f"steps are not negative: {step=}, {warmup_steps=}")
    return lr * min(1.0, step / warmup_steps) if warmup_steps else lr


def noam(step, warmup_steps, embed_dim, factor=1.0):
    """factor * embed_dim^-0.5 * min(step^-0.5, step * warmup_steps^-1.5).

    Args:
        step: the number of the step; the first is 1, and 0 gives 0.
        warmup_steps: how many steps the rise takes, at least 1.
        embed_dim: the width of the model; wider ones take shorter steps.
        factor: multiplies all of it.

    Raises:
        ValueError: a negative step, or no warm-up, without which there is no top.

    Source: Vaswani et al. 2017.

    >>> [f"{noam(step, 4000, 512):.4g}" for step in (1, 4000, 100_000)]
    ['1.747e-07', '0.0006988', '0.0001398']
    """
    if step < 0 or warmup_steps < 1:
        raise ValueError(f"noam needs step >= 0 and warmup_steps >= 1: {step=}, {warmup_steps=}")
    rising = step * warmup_steps**-1.5
    return factor * embed_dim**-0.5 * (min(step**-0.5, rising) if step else 0.0)


# %% stepper
class Stepper:
    """Takes single steps of training, and measures; `Trainer` adds the rest.

    Args:
        model: a Module.
        optimizer: over its parameters; see `decay_groups`.
        loss: function (model(inputs), targets) -> the mean loss over the targets that count.
        validation: batches to evaluate on, or None.
        schedule: function, number of the step from 1 on -> learning rate of all groups; or a
            schedule of `optim.lr_scheduler`, where they differ; or None.
        max_norm: the gradient's length is limited to this.
        ignore_index: the target that does not count.
        width: how many numbers a layer has for each token. With it, batches large enough are cut
            into as many parts as `set_num_threads` said, computed side by side, where that gives
            the same loss; see `parallel.can_be_cut`. 0 for never.

    Attributes:
        progress: dictionary; "step" is how many steps are done.

    Raises:
        TypeError: `schedule` is none; or it, or the optimizer, wants to be told something for each
            step, as ReduceLROnPlateau and LBFGS do.
    """

    def __init__(
        self,
        model,
        optimizer,
        loss=cross_entropy,
        *,
        validation=None,
        schedule=None,
        max_norm=math.inf,
        ignore_index=-100,
        width=0,
    ):
        if not (schedule is None or callable(schedule) or hasattr(schedule, "state_dict")):
            raise TypeError(f"a schedule is a function, step -> lr, not a {schedule!r:.40}")
        need_plain_step(optimizer, "take one such as AdamW")
        need_plain_step(schedule, "call it yourself, in fit(report=...)")
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.validation, self.schedule = validation, schedule
        self.max_norm, self.ignore_index, self.width = max_norm, ignore_index, width
        self.progress = {"step": 0}

    @property
    def step(self):
        """How many steps are done."""
        return self.progress["step"]

    # -- what a batch is; a subclass may say otherwise
    def mean_loss(self, batch):
        """The mean loss of a batch, a Tensor."""
        inputs, targets = batch
        parts = parallel.parts_for(inputs.numel() * self.width) if self.width else 1
        if parts == 1 or not parallel.can_be_cut(self.model, self.loss):
            return self.part_loss(inputs, targets)
        return parallel.side_by_side(self.part_loss, *batch, parts=parts, count=self.part_count)

    def part_loss(self, inputs, targets):
        """The mean loss of a batch, or of a part of one."""
        return self.loss(self.model(inputs), targets)

    def part_count(self, *part):
        """Over how many targets that mean is taken."""
        return self.count(part)

    def count(self, batch):
        """Over how many targets that mean is taken."""
        return count_targets(batch[1], self.ignore_index)

    # -- the exercise
    def train_step(self, batches):
        """One step of the optimizer on the gradient of several batches.

        Args:
            batches: a list of batches.

        Returns:
            Dictionary of plain numbers: "loss", the mean over all targets before the step; "norm",
            the length of the gradient before it was limited; "lr"; "targets", how many counted.

        >>> from tinytorch.layers import Linear
        >>> from tinytorch.losses import mse_loss
        >>> from tinytorch.optimizers import SGD
        >>> model = Linear(1, 1, bias=False)
        >>> model.weight.array[...] = 1.0
        >>> stepper = Stepper(model, SGD(model.parameters(), lr=0.25), mse_loss)
        >>> stepper.train_step([(Tensor([[1.0]]), Tensor([[3.0]]))])
        {'loss': 4.0, 'norm': 4.0, 'lr': 0.25, 'targets': 1}
        >>> model.weight
        tensor([[2.]], requires_grad=True)
        """
        self.model.train()
        parameters, number = self.optimizer.in_order(), self.step + 1
        self.optimizer.zero_grad()
        loss = accumulate(batches, self.mean_loss, self.count)
        norm = clip_grad_norm_(parameters, self.max_norm)
        self.set_lr(number)
        self.optimizer.step()
        self.progress["step"] = number
        lr, targets = self.optimizer.param_groups[0]["lr"], sum(map(self.count, batches))
        if hasattr(self.schedule, "state_dict"):
            self.schedule.step()
        return {"loss": loss, "norm": float(norm), "lr": plain(lr), "targets": targets}

    def set_lr(self, number):
        """Set the learning rate of step `number` in all groups, if the schedule is a function."""
        if callable(self.schedule):
            for group in self.optimizer.param_groups:
                group["lr"] = self.schedule(number)

    def evaluate(self, batches=None):
        """Loss and perplexity per target on some batches; on `validation` if none are given.

        Raises:
            ValueError: there are neither.
        """
        batches = self.validation if batches is None else batches
        if batches is None:
            raise ValueError("nothing to evaluate on: pass batches, or give validation=... before")
        loss = evaluate(self.model, batches, self.mean_loss, self.count)
        return {"validation_loss": loss, "validation_perplexity": perplexity(loss)}


# %% dtypes
CODES = {  # what a tensor may hold -> its code in the file
    "float64": "F64",
    "float32": "F32",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}
STORED = {  # the code -> how the numbers stand in the file, lowest byte first
    "F64": "<f8",
    "F32": "<f4",
    "I64": "<i8",
    "I32": "<i4",
    "U8": "|u1",
    "BOOL": "|b1",
    "F16": "<f2",  # from here on only read
    "BF16": "<u2",
    "I16": "<i2",
    "I8": "|i1",
    "U16": "<u2",
    "U32": "<u4",
}
WIDENED = {"F16": "float32", "I16": "int32", "I8": "int32", "U16": "int32", "U32": "int64"}


# %% layout
def layout(arrays):
    """What the header of a safetensors file says of its arrays: where each lies in the body.

    Args:
        arrays: dictionary, name -> array of a dtype in CODES.

    Returns:
        Dictionary, name -> {"dtype": code, "shape": list, "data_offsets": [begin, end]}, in the
        same order; the first begins at byte 0, each other where the one before ended.

    Source: safetensors, Hugging Face 2022.

    >>> layout({"b": np.zeros(3, np.float32)})
    {'b': {'dtype': 'F32', 'shape': [3], 'data_offsets': [0, 12]}}
    """
    entries, end = {}, 0
    for name, array in arrays.items():
        begin, end = end, end + array.nbytes
        code = CODES[array.dtype.name]
        entries[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [begin, end]}
    return entries


# %% cut_arrays
def cut_arrays(entries, body):
    """The arrays of a safetensors file: each a copy of its bytes, as numbers, in its shape.

    Args:
        entries: dictionary, name -> {"dtype", "shape", "data_offsets"}, as `layout` makes it.
        body: the bytes behind the header.

    Returns:
        Dictionary, name -> array that may be written into.

    >>> entries = layout({"b": np.array([1.0, 2.0], np.float32)})
    >>> cut_arrays(entries, np.array([1.0, 2.0], np.float32).tobytes())
    {'b': array([1., 2.], dtype=float32)}
    """
    arrays = {}
    for name, entry in entries.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(body[begin:end], STORED[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"]).copy()
    return arrays


# %% reading
def read_header(data, name):
    """The header of a safetensors file and the body behind it, checked before anything is used.

    Args:
        data: all bytes of the file.
        name: what the file is called in the errors.

    Returns:
        Three: dictionary of the entries, dictionary of the metadata, and the body.

    Raises:
        ValueError: the file is cut short, or no safetensors file.
    """
    size = int.from_bytes(data[:8], "little")
    if data[8:9] != b"{" and len(data) > 8:
        kind = {b"PK": "a zip, as of torch.save", b"\x80": "a pickle"}
        told = [what for sign, what in kind.items() if bytes(data[:2]).startswith(sign)]
        raise ValueError(f"{name} is no safetensors file{' but ' + told[0] if told else ''}")
    if 8 + size > len(data) or len(data) < 10:
        raise ValueError(f"{name} is cut short: its header does not fit into {len(data)} bytes")
    try:
        header = json.loads(bytes(data[8 : 8 + size]).decode("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(f"{name} is damaged: its header is not JSON") from None
    metadata = header.pop("__metadata__", {})
    body = data[8 + size :]
    check_entries(header, len(body), name)
    if not is_text_by_name(metadata):
        raise ValueError(f"{name} is damaged: its metadata are not texts")
    return header, metadata, body


def check_entries(entries, body_size, name):
    """Refuse entries that do not fill the body exactly, without gaps and overlaps.

    Raises:
        ValueError: says which tensor, or how many bytes are missing.
    """
    end = 0
    for tensor, entry in sorted(entries.items(), key=lambda item: place(item[1]) or (-1, -1)):
        if isinstance(entry, dict) and entry.get("dtype") not in STORED:
            told = f"tensor {tensor!r} is of type {entry.get('dtype')!r}, unknown here"
            raise ValueError(f"{name}: {told}")
        if place(entry) is None or place(entry)[0] != end:
            raise ValueError(f"{name} is damaged: the place of tensor {tensor!r} is impossible")
        end = place(entry)[1]
    if end > body_size:
        raise ValueError(f"{name} is cut short: {end - body_size:,} bytes of numbers are missing")
    if end < body_size:
        raise ValueError(f"{name} is damaged: {body_size - end:,} bytes at its end are nobody's")


def place(entry):
    """Where a tensor begins and ends in the body; None if its entry contradicts itself."""
    try:
        (begin, end), shape = entry["data_offsets"], entry["shape"]
        size = math.prod(shape, start=np.dtype(STORED[entry["dtype"]]).itemsize)
        whole = all(type(n) is int and n >= 0 for n in (begin, end, *shape))
        return (begin, end) if whole and end - begin == size else None
    except (KeyError, TypeError, ValueError):
        return None


def is_text_by_name(metadata):
    """True for a dictionary that maps texts to texts."""
    return isinstance(metadata, dict) and all(
        isinstance(word, str) for pair in metadata.items() for word in pair
    )


def read_safetensors(path):
    """The arrays and the metadata of a safetensors file.

    Half-precision numbers (F16, BF16) come as float32, and small whole numbers as larger ones.

    Args:
        path: of the file.

    Returns:
        Two dictionaries: name -> array, and the metadata, text -> text.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, or no safetensors file; one sentence says which.
    """
    data = memoryview(Path(path).read_bytes())
    entries, metadata, body = read_header(data, Path(path).name)
    arrays = cut_arrays(entries, body)
    widen(arrays, entries)
    return arrays, metadata


def widen(arrays, entries):
    """Put arrays of types that a model's Tensors have in the place of those of other types."""
    for name, entry in entries.items():
        if entry["dtype"] == "BF16":  # the upper half of a float32
            arrays[name] = (arrays[name].astype("uint32") << 16).view("float32")
        elif entry["dtype"] in WIDENED:
            arrays[name] = arrays[name].astype(WIDENED[entry["dtype"]])


# %% writing
def write_whole(path, pieces):
    """Write a file so that under its name there is always one whole file: the old or the new.

    Args:
        path: of the file; its folder must be there.
        pieces: bytes, one piece after the other.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def safetensors_pieces(arrays, metadata=None):
    """The bytes of a safetensors file, piece by piece: the header, then array after array.

    Args:
        arrays: dictionary, name -> array of a dtype in CODES.
        metadata: dictionary, text -> text.

    Raises:
        TypeError: a dtype that has no code, a name that is no text, or other metadata.
    """
    for name, array in arrays.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise TypeError(f"a tensor's name is a text, not '__metadata__', and here is {name!r}")
        if array.dtype.name not in CODES:
            raise TypeError(f"{name} is {array.dtype}: the file holds {', '.join(CODES)}")
    if not is_text_by_name(metadata or {}):
        raise TypeError("metadata are texts by name: json.dumps makes a text of other things")
    header = {"__metadata__": metadata} if metadata else {}
    text = json.dumps(header | layout(arrays)).encode("utf-8")
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for array in arrays.values():
        yield array.astype(STORED[CODES[array.dtype.name]], copy=False).tobytes()


def save_safetensors(tensors, path, metadata=None):
    """Write tensors into one file that every tool for safetensors can read; whole or not at all.

    Args:
        tensors: dictionary, name -> Tensor or array, such as `model.state_dict()`.
        path: of the file; one that is there is replaced.
        metadata: dictionary, text -> text.

    Raises:
        TypeError: a tensor that the format has no code for, or metadata that are no texts.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "small.safetensors"
    >>> save_safetensors({"bias": Tensor([1.0, 2.0])}, path)
    >>> load_safetensors(path)
    {'bias': tensor([1., 2.])}
    """
    arrays = {name: array_of(value) for name, value in messages.named(tensors)}
    pieces = safetensors_pieces(arrays, metadata)
    first = next(pieces)  # refuses before a file is touched
    write_whole(path, itertools.chain([first], pieces))


def load_safetensors(path, prefix=""):
    """Read a safetensors file, for `model.load_state_dict(load_safetensors(path))`.

    Args:
        path: of the file.
        prefix: take only the tensors whose names begin so, and call them without it; "model."
            takes the weights out of a checkpoint of `Trainer`.

    Returns:
        Dictionary, name -> Tensor. Half-precision numbers come as float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, or no safetensors file, or has no such names.
    """
    arrays, _ = read_safetensors(path)
    found = {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
    if arrays and not found:
        raise ValueError(f"no tensor of {Path(path).name} has a name that begins with {prefix!r}")
    return {name: from_numpy(array) for name, array in found.items()}


# %% generators
def generator_state(generator):
    """All that the next random numbers depend on, as plain Python: ready for JSON.

    Args:
        generator: a Generator.

    Raises:
        TypeError: it draws from something else than NumPy's PCG64.

    >>> from tinytorch.tensor import Generator
    >>> dice = Generator(7)
    >>> state = generator_state(dice)
    >>> first = dice.numpy.random()
    >>> set_generator_state(dice, state)
    >>> dice.numpy.random() == first
    True
    """
    bits = generator.numpy.bit_generator
    if not isinstance(bits, np.random.PCG64):
        raise TypeError(f"only the state of PCG64 can be kept, not that of {type(bits).__name__}")
    seed = bits.seed_seq.state  # from here `spawn` makes its children
    return {"now": bits.state, "seed": {**seed, "spawn_key": list(seed["spawn_key"])}}


def set_generator_state(generator, state):
    """Let a generator go on where `generator_state` was taken."""
    bits = np.random.PCG64(np.random.SeedSequence(**state["seed"]))
    bits.state = state["now"]
    generator.numpy = np.random.Generator(bits)


# %% journal
class Journal:
    """The figures of a run: in `rows`, and in a file of one JSON object per line.

    Args:
        path: of the file; None for no file. It begins anew with the first row.

    Attributes:
        rows: list of dictionaries {"step": 1, "loss": 4.1, ...}.

    >>> journal = Journal()
    >>> journal.log(1, loss=4.0)
    >>> journal.log(2, loss=3.5, lr=0.01)
    >>> journal.column("loss")
    ([1, 2], [4.0, 3.5])
    """

    def __init__(self, path=None):
        self.path, self.rows = path and Path(path), []

    def log(self, step, **figures):
        """Write down some figures of a step.

        Args:
            step: its number.
            figures: numbers (Tensors of one number, too) or texts, by name.

        Raises:
            TypeError: a figure is neither.
        """
        row = {"step": int(step)}
        for name, value in figures.items():
            row[name] = plain(array_of(value))
            if not isinstance(row[name], (int, float, str)):
                raise TypeError(f"a figure is one number or a text, and {name} is {value!r:.60}")
        self.rows.append(row)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a" if len(self.rows) > 1 else "w", encoding="utf-8") as file:
                file.write(json_line(row))

    def load(self, rows):
        """Go on from these rows; the file holds them and no others then."""
        rows = [dict(row) for row in rows]
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, [json_line(row).encode("utf-8") for row in rows])
        self.rows = rows

    def column(self, name):
        """Two lists: the steps that have a figure of this name, and the figures."""
        found = [(row["step"], row[name]) for row in self.rows if name in row]
        return [step for step, _ in found], [value for _, value in found]

    def draw(self, *names, path=None):
        """Draw curves over the steps: with matplotlib if it is there, else as text.

        Args:
            names: the figures to draw; the losses if none is named.
            path: where the picture, a PNG, goes; None shows it.
        """
        curves = {name: self.column(name) for name in names or ("loss", "validation_loss")}
        draw_curves({name: curve for name, curve in curves.items() if curve[0]}, path)


def json_line(row):
    """A row as one line of JSON, which knows no inf and nan: they become null."""
    kept = {n: v if isinstance(v, str) or math.isfinite(v) else None for n, v in row.items()}
    return json.dumps(kept) + "\n"


def draw_curves(curves, path=None):
    """Draw curves {name: (steps, values)}: as a picture, or as text where matplotlib is missing.

    Args:
        curves: dictionary, name -> two lists.
        path: where the PNG goes; None shows the picture.
    """
    if not curves:
        print("there are no figures to draw yet")
        return
    if not importlib.util.find_spec("matplotlib"):
        for name, (steps, values) in curves.items():
            print(text_curve(name, steps, values))
        return
    from matplotlib.figure import Figure

    if path is None:
        from matplotlib import pyplot

        figure = pyplot.figure(figsize=(7, 3.5))
    else:
        figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, (steps, values) in curves.items():
        axes.plot(steps, values, "o-" if len(steps) < 30 else "-", label=name, markersize=3)
    axes.set(xlabel="step")
    axes.legend()
    if path is None:
        pyplot.show()
    else:
        figure.savefig(path, dpi=120)


def text_curve(name, steps, values, width=40, lines=12):
    """A curve as lines of text, about `lines` of its points, each with a bar.

    >>> print(text_curve("loss", [1, 2, 3], [4.0, 2.0, 1.0], width=8))
    loss
         1    4.0000 ########
         2    2.0000 ####
         3    1.0000 ##
    """
    shown = range(0, len(steps), max(1, math.ceil(len(steps) / lines)))
    finite = [abs(v) for v in values if math.isfinite(v)]
    top = max(finite, default=0) or 1.0
    bars = [round(width * abs(v) / top) if math.isfinite(v) else 0 for v in values]
    rows = [f"{steps[n]:6d} {values[n]:9.4f} {'#' * bars[n]}" for n in shown]
    return "\n".join([name, *rows])


# %% resumable
FORMAT = "tinytorch trainer 1"
WORDS = ("groups", "generators", "progress", "journal", "schedule")  # texts of a checkpoint


class Resumable(Stepper):
    """A Stepper that can be written to a file and go on from it; `Trainer` adds the loop.

    Args:
        model, optimizer, loss: as in `Stepper`.
        loader: gives batches (inputs, targets) each time it is looped over: an epoch.
        folder: where checkpoints and the journal go; None keeps nothing.
        settings: further ones of `Stepper`.

    Attributes:
        progress: dictionary: step, epoch, batch (how many of the epoch are used up), best (loss),
            waited (how many evaluations ago that was), epoch_began (the generators' states then).
        journal: the `Journal` of the run.
    """

    def __init__(self, model, optimizer, loader, loss=cross_entropy, *, folder=None, **settings):
        super().__init__(model, optimizer, loss, **settings)
        self.loader, self.folder = loader, folder and Path(folder)
        self.progress |= {"epoch": 0, "batch": 0, "best": None, "waited": 0, "epoch_began": None}
        self.journal = Journal(self.folder and self.folder / "journal.jsonl")

    # -- the exercise: everything that the next step depends on
    def state_dict(self):
        """All that is needed to go on later as if nothing had been: a copy, nothing is shared.

        Returns:
            Dictionary: "model", name -> array; "optimizer", what its `state_dict()` gives;
            "generators", what `generator_states()` gives; "progress", the dictionary; "journal",
            its rows; "schedule", the state of a schedule that has one, or None.
        """
        schedule = self.schedule.state_dict() if hasattr(self.schedule, "state_dict") else None
        arrays = {name: tensor.array.copy() for name, tensor in self.model.state_dict().items()}
        state = {"model": arrays, "optimizer": self.optimizer.state_dict()}
        state["generators"] = self.generator_states()
        state["progress"], state["journal"] = dict(self.progress), list(self.journal.rows)
        return {**state, "schedule": schedule}

    def load_state_dict(self, state):
        """Go on where `state_dict()` was taken; all of it, or nothing.

        Raises:
            ValueError: it is of another model, optimizer or set of generators; nothing changed.
        """
        before = self.state_dict()
        try:
            self._load(state)
            self.journal.load(state["journal"])  # a file, so it comes last
        except Exception:
            self._load(before)
            raise

    def _load(self, state):
        self._set_generators(state["generators"])  # refuses first
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if hasattr(self.schedule, "state_dict"):
            self.schedule.load_state_dict(state["schedule"])
        self.progress = {name: state["progress"][name] for name in self.progress}

    # -- dice
    def generators(self):
        """Every generator that a step may draw from: name -> Generator."""
        found, modules = {"default": default_generator}, dict(self.model.named_modules())
        for name in ("loader", "validation"):
            found |= generators_in(getattr(self, name), name)
        for path, module in modules.items():
            found |= generators_in(module, f"model.{path}", others=modules.values())
        return found

    def generator_states(self):
        """The states of all of them: name -> plain Python."""
        return {name: generator_state(source) for name, source in self.generators().items()}

    def _set_generators(self, states):
        own = self.generators()
        if set(own) != set(states):
            told = f"{', '.join(sorted(states))}, and here are {', '.join(sorted(own))}"
            advice = "build loader and model as they were, or load the weights alone"
            raise ValueError(f"the state is of a run with the generators {told}: {advice}")
        for name, state in states.items():
            set_generator_state(own[name], state)

    # -- files
    def save(self, path=None):
        """Write a checkpoint, whole or not at all; "last.safetensors" in the folder for None.

        Raises:
            ValueError: there is neither a path nor a folder.
        """
        if path is None and self.folder is None:
            raise ValueError("save() needs a path, since this run has no folder")
        path = Path(path or self.folder / "last.safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays, words = packed(self.state_dict())
        save_safetensors(arrays, path, words)

    def resume(self, path=None):
        """Go on from a checkpoint, bit for bit; from the last one in the folder for None.

        Returns:
            True; or False if no path is given and there is no such file yet.

        Raises:
            FileNotFoundError: there is no file at the path that is given.
            ValueError: the file is cut short, foreign, or of another model; nothing changed.
        """
        if path is None:
            path = self.folder and self.folder / "last.safetensors"
            if path is None or not path.is_file():
                return False
        state = unpacked(*read_safetensors(path), Path(path).name)
        try:
            self.load_state_dict(state)
        except (TypeError, LookupError, AttributeError, ArithmeticError):
            told = "a part of the checkpoint is not what it should be"
            raise ValueError(f"{Path(path).name} is damaged: {told}") from None
        return True


def packed(state):
    """The state of a Trainer as a checkpoint: arrays by name, and texts in JSON by name."""
    arrays = {f"model.{name}": array for name, array in state["model"].items()}
    for n, entries in state["optimizer"]["state"].items():
        arrays |= {f"optimizer.{n}.{name}": np.asarray(value) for name, value in entries.items()}
    words = {"groups": state["optimizer"]["param_groups"], **state}
    return arrays, {"format": FORMAT} | {name: json.dumps(words[name]) for name in WORDS}


def unpacked(arrays, metadata, name):
    """The state of a Trainer from a checkpoint.

    Raises:
        ValueError: it is a safetensors file, but not the checkpoint of a Trainer.
    """
    if metadata.get("format") != FORMAT:
        advice = "model.load_state_dict(load_safetensors(path)) takes weights alone"
        raise ValueError(f"{name} holds tensors, but is no checkpoint of a Trainer: {advice}")
    try:
        words = {name: json.loads(metadata[name]) for name in WORDS}
        optimizer = {"state": {}, "param_groups": words.pop("groups")}
        state = {"model": {}, "optimizer": optimizer, **words}
        for path, array in arrays.items():
            part, _, rest = path.partition(".")
            if part == "model":
                state["model"][rest] = array
            else:
                n, _, entry = rest.partition(".")
                optimizer["state"].setdefault(int(n), {})[entry] = array
        return state
    except (KeyError, ValueError):
        raise ValueError(f"{name} is damaged: a part of the checkpoint is missing") from None


# %% trainer
class Trainer(Resumable):
    """The training loop: steps of several batches, evaluation, journal, checkpoints.

    Args:
        model: a Module.
        optimizer: over its parameters; see `decay_groups`.
        loader: gives batches (inputs, targets) each time it is looped over: an epoch.
        loss: function (model(inputs), targets) -> the mean loss over the targets that count.
        pieces: how many batches make one step.
        validation: batches to evaluate on, or None.
        schedule: function, number of the step from 1 on -> learning rate of all groups; or a
            schedule of `optim.lr_scheduler`, where they differ; or None.
        max_norm: the gradient's length is limited to this.
        folder: where checkpoints and the journal go; None keeps nothing.
        ignore_index: the target that does not count.
        width: how many numbers a layer has for each token, so that large batches are computed in
            parts side by side; see `Stepper`.

    Raises:
        ValueError, TypeError: `pieces` is no count, or more than one for a loss that is no plain
            mean; or an optimizer or a schedule that `Stepper` refuses.

    >>> from tinytorch.layers import Linear
    >>> from tinytorch.optimizers import SGD
    >>> model, batch = Linear(2, 3), (Tensor([[1.0, 2.0]]), Tensor([2]))
    >>> trainer = Trainer(model, SGD(model.parameters(), lr=0.1), [batch])
    >>> trainer.fit(5)
    >>> trainer.step, len(trainer.journal.rows)
    (5, 5)
    """

    def __init__(self, model, optimizer, loader, loss=cross_entropy, *, pieces=1, **settings):
        if not (isinstance(pieces, int) and pieces > 0):
            raise ValueError(f"pieces counts the batches of a step, at least 1, not {pieces!r}")
        if pieces > 1 and not parallel.is_plain_mean(loss):
            told = f"{pieces=} takes means over the targets, and this loss weighs or adds them"
            raise ValueError(f"{told}: take one larger batch for each step")
        super().__init__(model, optimizer, loader, loss, **settings)
        self.pieces = pieces

    __repr__ = messages.trainer

    @property
    def steps_per_epoch(self):
        """How many steps an epoch takes."""
        return math.ceil(len(self.loader) / self.pieces)

    def fit(self, steps, *, evaluate_every=None, save_every=None, patience=None, report=None):
        """Train until `steps` steps are done, counted from the very first of the run.

        Args:
            steps: how many; `3 * trainer.steps_per_epoch` is three epochs.
            evaluate_every: after how many steps `validation` is measured; when the loss is lower
                than ever, the checkpoint "best.safetensors" is written.
            save_every: after how many steps the checkpoint "last.safetensors" is written; also at
                the end.
            patience: stop when so many evaluations in a row were no better than the best.
            report: function (step, figures), called after each step; True as result stops.

        Raises:
            ValueError: it shall evaluate without validation batches, or save without a folder.
            FileExistsError: the folder holds another run.
            FloatingPointError: a loss or a gradient is inf or nan; nothing is written.
            KeyboardInterrupt: passed on, after a word on where to go on.
        """
        self._refuse(evaluate_every, save_every, patience)
        if patience and self.progress["waited"] >= patience:
            steps = self.step  # it has stopped already, before a resume
        try:
            for batches in self.feed(steps):
                figures = self.train_step(batches)
                self.progress["batch"] += len(batches)
                self._need_finite(figures)
                if evaluate_every and self.step % evaluate_every == 0:
                    figures |= self._compare()
                self.journal.log(self.step, **figures)
                if self.folder and "validation_loss" in figures and not self.progress["waited"]:
                    self.save(self.folder / "best.safetensors")
                if self.folder and save_every and self.step % save_every == 0:
                    self.save()
                if report and report(self.step, figures):
                    break
                if patience and self.progress["waited"] >= patience:
                    break
        except KeyboardInterrupt:
            print(f"stopped after step {self.step}; {self._kept()}")
            raise
        if self.folder:
            self.save()

    def feed(self, steps):
        """Lists of batches for one step each, epoch after epoch, until `steps` steps are done."""
        while self.step < steps:
            batches, first = self._epoch(), self.progress["batch"]
            while self.step < steps and (step := list(itertools.islice(batches, self.pieces))):
                yield step
            if self.step < steps:  # the epoch is used up
                if self.progress["batch"] == first == 0:
                    raise ValueError("the loader gave no batch at all")
                self.progress |= {"epoch": self.progress["epoch"] + 1, "batch": 0}

    def _epoch(self):
        """What is left of the epoch; its order is drawn as it was when it began."""
        now, used = self.generator_states(), self.progress["batch"]
        if not used:
            self.progress["epoch_began"] = now
        self._set_generators(self.progress["epoch_began"])
        batches = iter(self.loader)
        for _ in range(used):
            next(batches, None)
        if used:
            self._set_generators(now)
        return batches

    def _compare(self):
        """Evaluate, and note whether it is the best so far."""
        figures, best = self.evaluate(), self.progress["best"]
        loss = figures["validation_loss"]
        first = best is None or not math.isfinite(best)
        better = math.isfinite(loss) and (first or loss < best)
        if better:
            self.progress["best"] = loss
        self.progress["waited"] = 0 if better else self.progress["waited"] + 1
        return figures

    def log(self, **figures):
        """Write figures of your own into the journal, beside the step that was just done.

        Raises:
            FileExistsError: the folder holds another run.
        """
        self._refuse_foreign_folder()
        self.journal.log(self.step, **figures)

    def _refuse(self, evaluate_every, save_every, patience):
        if evaluate_every and self.validation is None:
            raise ValueError("evaluate_every needs batches to evaluate on: Trainer(validation=...)")
        if save_every and not self.folder:
            raise ValueError("save_every needs a place for the checkpoint: Trainer(folder=...)")
        if patience and not evaluate_every:
            raise ValueError("patience counts evaluations: give evaluate_every, too")
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
        self._refuse_foreign_folder()

    def _refuse_foreign_folder(self):
        if self.folder and self.step == 0 and (self.folder / "last.safetensors").exists():
            advice = "call resume() first, or take another folder"
            raise FileExistsError(f"{self.folder} holds the checkpoint of a run: {advice}")

    def _need_finite(self, figures):
        for name in ("loss", "norm"):
            if not math.isfinite(figures[name]):
                advice = "try a smaller learning rate, a warm-up or max_norm"
                told = f"step {self.step} has a {name} of {figures[name]}: {advice}"
                raise FloatingPointError(f"{told}; {self._kept()}")

    def _kept(self):
        names = ["last.safetensors", "best.safetensors"] if self.folder else []
        kept = [str(self.folder / name) for name in names if (self.folder / name).is_file()]
        return f"kept: {', '.join(kept)}" if kept else "nothing was saved"
