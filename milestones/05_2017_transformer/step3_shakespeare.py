"""A GPT reads Shakespeare, one character after the other, and writes on in his manner.

The text is Tiny Shakespeare, 1.1 million characters of his plays. It does not ship: the first run
fetches it from its public address (in a terminal after a question), checks its SHA-256 sum, and
keeps it in your cache folder. With --data FILE any other text is read instead.

The first 90 % are learnt, the last 10 % are never shown. On them the model is measured, beside a
model that only counts which character came after the last two: it has 2.05 nats per character.
The threshold is 2.0; what is below it was learnt from further back than two characters.

    python step3_shakespeare.py                        1 to 2 minutes, validation loss below 2.0
    python step3_shakespeare.py --preset small         a quarter of that, close to 2.0
    python step3_shakespeare.py --preset nanogpt       sizes and settings of nanoGPT for a laptop
    python step3_shakespeare.py --data my_novel.txt    your own text; must beat counting models
    python step3_shakespeare.py --save run             and, after Ctrl-C: --resume run
"""

import argparse
import functools
import math
import time
from pathlib import Path

import tinytorch
from tinytorch import console, download, runs
from tinytorch.dataloader import DataLoader, TensorDataset
from tinytorch.kv_caching import generate_cached
from tinytorch.optimizers import AdamW, warmup_cosine
from tinytorch.tokenization import CharTokenizer, next_token_windows
from tinytorch.training import Trainer, decay_groups
from tinytorch.transformers import GPT

NAME = "step3_shakespeare"
HELD_OUT = 0.1  # the last share of the text, which is only measured
PROMPT = "To be or not to be,"
THRESHOLD = 2.0  # nats per character of Tiny Shakespeare's held-out part
GLANCE = 20_000  # held-out characters measured while training; at the end it is all of them
PRESETS = console.PRESETS | {
    "nanogpt": {
        "embed_dim": 128,
        "num_heads": 4,
        "num_layers": 4,
        "context": 64,
        "steps": 2000,
        "batch_size": 12,
        "lr": 1e-3,
        "bias": False,
    }
}


def read_text(flags):
    """The text to learn from, and whether it is Tiny Shakespeare."""
    try:
        path = Path(
            flags.data or download.fetched(download.SHAKESPEARE, flags.url, console.confirm)
        )
        if path.is_char_device():  # such as /dev/zero, which never ends
            raise console.Refusal(f"--data: {path} is a device: name a file with a text")
        data = path.read_bytes()
        text = data.decode("utf-8").replace("\r\n", "\n").removeprefix("\ufeff")
    except download.Unavailable as error:
        raise console.Refusal(f"{error}: give the text with --data FILE") from None
    except OSError as error:
        raise console.Refusal(f"--data: {flags.data} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        told = f"{path} is no text in UTF-8: byte {error.start} fits nowhere"
        raise console.Refusal(f"--data: {told}: save it as UTF-8") from None
    if len(set(text)) == 1:
        told = f"{path} holds nothing but {text[0]!r}, and there is nothing to learn in that"
        raise console.Refusal(f"--data: {told}: take another text")
    least = round((flags.context + 1) / HELD_OUT) + 10
    if len(text) < least:
        told = f"{path} has {len(text):,} characters, and at least {least:,} are needed"
        raise console.Refusal(f"--data: {told}: take a longer text, or a smaller --context")
    return text, download.digest(text.encode("utf-8")) == download.SHAKESPEARE.sha256


def continued(model, tokenizer, prompt, count, temperature, seed):
    """The prompt and what the model writes after it."""
    dice = tinytorch.Generator(seed)  # its own, so that a sample does not change the training
    ids = [tokenizer.encode(prompt)]
    new = generate_cached(model, ids, count, temperature=temperature, generator=dice)
    return tokenizer.decode(new[0])


def batches(ids, flags, stride=None, shuffle=False):
    """Windows of the text and what comes next in each."""
    inputs, targets = next_token_windows(ids, flags.context, stride)
    return DataLoader(TensorDataset(inputs, targets), flags.batch_size, shuffle=shuffle)


def new_trainer(model, known, unknown, flags, folder):
    """Random windows of the known text; AdamW whose norms and biases do not decay; a cosine."""
    return Trainer(
        model,
        AdamW(decay_groups(model, 0.1), lr=flags.lr, betas=(0.9, 0.99)),
        batches(known, flags, stride=1, shuffle=True),
        validation=batches(unknown[: max(GLANCE, flags.context + 1)], flags),
        schedule=functools.partial(
            warmup_cosine,
            warmup_steps=min(100, flags.steps // 10),
            total_steps=flags.steps,
            lr=flags.lr,
            min_lr=flags.lr / 10,
        ),
        max_norm=1.0,
        width=flags.embed_dim,
        folder=folder,
    )


def named_file(name):
    """The name of a file, which is not empty."""
    if not name:
        raise argparse.ArgumentTypeError("the name of the FILE is empty")
    return name


def read_flags():
    flags = console.parser(__doc__)
    words = "a text in UTF-8 to learn from instead"
    flags.add_argument("--data", metavar="FILE", type=named_file, help=words)
    words = "numbers that the Linear layers add"
    flags.add_argument("--bias", action=argparse.BooleanOptionalAction, default=True, help=words)
    flags.add_argument("--url", help="another address of the same file, such as a mirror")
    console.add_text_flags(
        flags,
        PRESETS,
        steps=2000,
        batch_size=8,
        lr=3e-3,
        prompt=PROMPT,
        temperature=0.8,
    )
    kept = functools.partial(runs.settings, script=NAME)
    values = console.text_flags(flags, PRESETS, kept)
    values.data = values.data and str(Path(values.data).absolute())  # found from anywhere later
    return values


def checked_prompt(prompt, text):
    """A prompt of the text's own characters: that of Shakespeare gives way to the text's start."""
    known = set(text)
    place = next((i for i, character in enumerate(prompt) if character not in known), None)
    if place is None:
        return prompt
    if prompt == PROMPT:
        return text[:20]
    told = f"{prompt[place]!r} (U+{ord(prompt[place]):04X}) at place {place} is not in the text"
    raise console.Refusal(f"--prompt: {told}: begin with characters that are")


def counting(known, unknown, vocab_size, is_shakespeare):
    """The best of the models that only count, on the held-out text: (what it does, its loss).

    In a text of few or random characters that is not the one that looks back furthest.
    """
    words = {3: "counts three characters"}
    if not is_shakespeare:
        words |= {2: "counts two characters", 1: "counts single characters"}
    losses = {told: runs.NGram(known, n, vocab_size).loss(unknown) for n, told in words.items()}
    losses["guesses"] = math.log(vocab_size)
    return min(losses.items(), key=lambda item: item[1])


def judged(model, unknown, counted, is_shakespeare, flags):
    """The verdict: the loss on all held-out windows, computed in plain Python."""
    with tinytorch.no_grad():
        loss = runs.plain_loss(model, runs.windows(unknown, flags.context), flags.batch_size)
    threshold = THRESHOLD if is_shakespeare else counted
    passed = loss <= THRESHOLD if is_shakespeare else loss < counted
    return console.verdict("validation loss", loss, threshold, passed, unit="")


def main():
    flags = read_flags()
    tinytorch.manual_seed(flags.seed)
    tinytorch.set_num_threads(flags.threads)
    text, is_shakespeare = read_text(flags)
    tokenizer = CharTokenizer(text)
    console.lossless(tokenizer, [text])
    flags.prompt = checked_prompt(flags.prompt, text)
    folder = runs.folder_of(flags, NAME, text)
    ids = tokenizer.encode(text)
    cut = int(len(ids) * (1 - HELD_OUT))
    known, unknown = ids[:cut], ids[cut:]
    flags.steps = runs.steps(flags, len(known))

    sizes = (flags.embed_dim, flags.num_heads, flags.num_layers, flags.context)
    model = GPT(tokenizer.vocab_size, *sizes, bias=flags.bias)
    trainer = new_trainer(model, known, unknown, flags, folder)
    print(
        f"data: {len(known):,} characters to learn, {len(unknown):,} held out, "
        f"{tokenizer.vocab_size} different ones"
    )
    print(f"model: {model.num_parameters():,} parameters; {console.mix()}")
    runs.show_memory(trainer, tokenizer.vocab_size, flags)

    def sample():
        text = continued(model, tokenizer, flags.prompt, 120, flags.temperature, flags.seed)
        return text.splitlines()

    seconds = runs.fit(trainer, flags, sample)
    model.eval()
    began = time.monotonic()
    written = continued(model, tokenizer, flags.prompt, 400, flags.temperature, flags.seed)
    speed = 400 / (time.monotonic() - began)
    print(f"\ntrained for {seconds:.0f} s; {speed:,.0f} characters a second:\n\n{written}\n")
    what, counted = counting(known, unknown, tokenizer.vocab_size, is_shakespeare)
    print(f"a model that {what}: {counted:.3f} nats per character")
    code = judged(model, unknown, counted, is_shakespeare, flags)
    advice = "Try more --steps, a larger --embed-dim, or a longer text."
    if seconds > flags.max_seconds:
        advice = console.TIME_WAS_UP
    print(advice if code else "Next: README.md, what you understand now")
    return code


if __name__ == "__main__":
    console.run(main)
