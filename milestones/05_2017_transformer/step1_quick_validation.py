"""A quick validation: a GPT learns one sentence, and then writes it for ever.

    hello world hello world hello world ...

Nothing is easier, and that is the use of it: whatever is broken between the text and the last
gradient shows here within seconds, before an hour is spent on a larger text. Two things must
hold. The loss falls to nearly nothing, and the model, asked to go on greedily, writes the pattern
without a single wrong character.

    python step1_quick_validation.py                     under 20 seconds
    python step1_quick_validation.py --preset small      a few seconds
    python step1_quick_validation.py --prompt "world h"  go on from elsewhere
"""

import functools
from os.path import commonprefix

import tinytorch
from tinytorch import console, runs
from tinytorch.dataloader import DataLoader, TensorDataset
from tinytorch.kv_caching import generate_cached
from tinytorch.optimizers import AdamW, warmup_cosine
from tinytorch.tokenization import CharTokenizer, next_token_windows
from tinytorch.training import Trainer, decay_groups
from tinytorch.transformers import GPT

NAME = "step1_quick_validation"
PATTERN = "hello world "
WRITTEN = 100  # characters that must follow the pattern
THRESHOLD = 0.1  # nats per character


def continued(model, tokenizer, prompt, count, temperature=0.0, seed=0):
    """The prompt and `count` characters that the model writes after it."""
    dice = tinytorch.Generator(seed)  # its own, so that a sample does not change the training
    ids = [tokenizer.encode(prompt)]
    return tokenizer.decode(
        generate_cached(model, ids, count, temperature=temperature, generator=dice)[0]
    )


def right_characters(text, prompt):
    """How many characters after the prompt follow the pattern, up to the first wrong one.

    Where the pattern holds the prompt at several places, it may go on from any of them.
    """
    pattern = PATTERN * (len(text) // len(PATTERN) + 2)
    alike = [len(commonprefix([text, pattern[n:]])) for n in range(len(PATTERN))]
    return max(0, max(alike) - len(prompt))


def read_flags():
    flags = console.parser(__doc__)
    console.add_text_flags(
        flags,
        console.PRESETS,
        steps=100,
        batch_size=8,
        lr=3e-3,
        prompt="hello ",
        temperature=0.0,
    )
    kept = functools.partial(runs.settings, script=NAME)
    return console.text_flags(flags, console.PRESETS, kept)


def checked_prompt(prompt):
    """Refuse, before any training, a prompt that the pattern does not go on from."""
    if prompt not in PATTERN * (len(prompt) // len(PATTERN) + 2):
        told = f"{prompt!r} is no part of {PATTERN * 2!r}..."
        raise console.Refusal(f'--prompt: {told}: try "hello " or "world h"')


def main():
    flags = read_flags()
    checked_prompt(flags.prompt)
    tinytorch.manual_seed(flags.seed)
    tinytorch.set_num_threads(flags.threads)
    text = PATTERN * max(100, 2 * flags.context * flags.batch_size // len(PATTERN))
    tokenizer = CharTokenizer(text)
    console.lossless(tokenizer, [text])
    folder = runs.folder_of(flags, NAME, text)
    ids = tokenizer.encode(text)
    inputs, targets = next_token_windows(ids, flags.context, stride=1)
    loader = DataLoader(TensorDataset(inputs, targets), flags.batch_size, shuffle=True)
    flags.steps = runs.steps(flags, len(text))

    sizes = (flags.embed_dim, flags.num_heads, flags.num_layers, flags.context)
    model = GPT(tokenizer.vocab_size, *sizes)
    trainer = Trainer(
        model,
        AdamW(decay_groups(model, 0.01), lr=flags.lr),
        loader,
        schedule=functools.partial(
            warmup_cosine, warmup_steps=20, total_steps=flags.steps, lr=flags.lr
        ),
        max_norm=1.0,
        width=flags.embed_dim,
        folder=folder,
    )
    print(f"data: {len(text):,} characters, {tokenizer.vocab_size} different ones: {PATTERN!r}")
    print(f"model: {model.num_parameters():,} parameters; {console.mix()}")
    runs.show_memory(trainer, tokenizer.vocab_size, flags)

    def sample():
        return [continued(model, tokenizer, flags.prompt, 40, flags.temperature, flags.seed)]

    seconds = runs.fit(trainer, flags, sample)
    model.eval()
    written = continued(model, tokenizer, flags.prompt, WRITTEN)
    print(f"\ntrained for {seconds:.1f} s; the model goes on:\n    {written}")
    right = right_characters(written, flags.prompt)
    judged = runs.windows(ids[: flags.context + flags.batch_size], flags.context, stride=1)
    with tinytorch.no_grad():
        loss = runs.plain_loss(model, judged, flags.batch_size)
    code = console.verdict("loss", loss, THRESHOLD, loss < THRESHOLD, unit="")
    code |= console.verdict(
        f"of {WRITTEN} characters the pattern's own", right / WRITTEN, 1, right == WRITTEN
    )
    advice = "Try more --steps; if that does not help, tito test 10 11 12 13 names what is wrong."
    if seconds > flags.max_seconds:
        advice = console.TIME_WAS_UP
    print(advice if code else "The parts fit together. Next: tito milestone run tinycoder")
    return code


if __name__ == "__main__":
    console.run(main)
