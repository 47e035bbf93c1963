"""A GPT learns to answer questions, one character after the other.

The data is TinyTalks, 230 question-answer pairs in five levels that ship with TinyTorch:

    Q: What does a cow eat?
    A: A cow eats grass.

The model reads a text from left to right and guesses the next character. That is the decoder half
of the 2017 transformer, the half that GPT took over in 2018. A model of this size on so little text
learns the pairs by heart; how well it answers the same questions in other words is printed beside.

    python 01_vaswani_generation.py                              under a minute, learns all pairs
    python 01_vaswani_generation.py --epochs 5 --batch-size 4    under a minute, loss below 1.5
    python 01_vaswani_generation.py --ask "What does a cow eat?"
"""

import functools

import tinytorch
from tinytorch import console, runs
from tinytorch.dataloader import DataLoader, load_tinytalks, pad_sequences
from tinytorch.kv_caching import generate_cached
from tinytorch.optimizers import AdamW, warmup_cosine
from tinytorch.tokenization import CharTokenizer, next_token_windows
from tinytorch.training import Trainer
from tinytorch.transformers import GPT, generate

CONTEXT = 128  # characters the model can look back on
REPEATS = 10  # an epoch shows every pair ten times, in ten shuffles
THRESHOLD = 1.5  # nats per character
IGNORE = -100  # targets that are only padding
SAMPLES = ("What does a cow eat?", "What is the opposite of hot?", "Why is the sky blue?")


def question_text(question):
    """What the model is given; it goes on with the answer."""
    return f"Q: {question}\nA:"


def pair_text(talk):
    """What the model learns to write; the line end after the answer says that it is done."""
    return f"{question_text(talk.question)} {talk.answer}\n"


def every_talk():
    """All of TinyTalks but the test: whatever the levels, the characters are known."""
    return load_tinytalks("train") + load_tinytalks("validation")


def sample(text, tokenizer):
    """A text's inputs and targets: at each place the target is the character that comes next."""
    ids = tokenizer.encode(text)
    inputs, targets = next_token_windows(ids, len(ids) - 1)  # one window, (1, T)
    return inputs[0], targets[0]


def padded(samples):
    """Samples of several lengths -> inputs (B, T) and targets (B, T)."""
    inputs, targets = zip(*samples)
    return pad_sequences(inputs)[0], pad_sequences(targets, value=IGNORE)[0]


def train(model, samples, tokenizer, flags):
    """Train for the given epochs; returns the mean loss of the last one and the seconds used."""
    loader = DataLoader(samples * REPEATS, flags.batch_size, True, collate_fn=padded)
    steps = flags.epochs * len(loader)
    targets_each = REPEATS * sum(len(targets) for _, targets in samples)
    print(
        f"an epoch: {len(samples)} pairs {REPEATS} times = {len(loader):,} steps, "
        f"{targets_each:,} characters to guess"
    )
    rate = functools.partial(warmup_cosine, warmup_steps=100, total_steps=steps, lr=flags.lr)
    trainer = Trainer(
        model,
        AdamW(model.parameters(), lr=flags.lr, weight_decay=0.01),
        loader,
        schedule=functools.partial(rate, min_lr=flags.lr / 10),
        max_norm=1.0,
        ignore_index=IGNORE,
        width=flags.embed_dim,
    )

    def say(epoch):
        yield f"epoch {epoch}: mean loss {runs.epoch_loss(trainer):.3f}"
        for question, reply in zip(SAMPLES, answers(model, tokenizer, SAMPLES)):
            yield f"    {question} {reply}"

    seconds = runs.fit_epochs(trainer, steps, flags.max_seconds, say)
    return runs.epoch_loss(trainer), seconds


def answers(model, tokenizer, questions, temperature=0.0):
    """What the model answers, the likeliest character each time unless a temperature is given."""
    prompts = [tokenizer.encode(question_text(question)) for question in questions]
    replies, stop = [""] * len(prompts), tokenizer.encode("\n")
    for length in sorted({len(prompt) for prompt in prompts}):  # equally long ones in one batch
        rows = [row for row, prompt in enumerate(prompts) if len(prompt) == length]
        batch, room = [prompts[row] for row in rows], CONTEXT - length
        write = generate if temperature else generate_cached  # the loop of 13, or the cache of 14
        texts = write(model, batch, room, temperature=temperature, stop=stop)
        for row, ids in zip(rows, texts.tolist()):
            replies[row] = tokenizer.decode(ids[length:]).split("\n")[0].strip()
    return replies


def right(model, tokenizer, talks):
    """For each talk whether its question is answered to the letter."""
    replies = answers(model, tokenizer, [talk.question for talk in talks])
    return [reply == talk.answer for reply, talk in zip(replies, talks)]


def show_scores(model, tokenizer, levels):
    """Print how many questions are answered exactly, as trained and in other words."""
    parts = {part: load_tinytalks(part, levels) for part in ("train", "validation")}
    correct = {part: right(model, tokenizer, talks) for part, talks in parts.items()}
    rows = []
    for level in [*range(1, levels + 1), "all"]:
        row = [level]
        for part, talks in parts.items():
            hits = [ok for ok, t in zip(correct[part], talks) if level in ("all", t.level)]
            row.append(f"{sum(hits)} of {len(hits)} = {sum(hits) / len(hits):.0%}")
        rows.append(row)
    print("\nanswered exactly (the first column is learning by heart, the second understanding):")
    console.table(["level", "trained questions", "the same in other words"], rows)


def read_flags():
    flags = console.parser(__doc__)
    flags.add_argument("--ask", metavar="QUESTION", help="a question to answer after training")
    console.add_flags(
        flags,
        epochs=10,
        batch_size=16,
        levels=5,
        num_layers=3,
        lr=3e-3,
        levels_help="use the first levels of TinyTalks, 1 to 5",
        threads=True,
    )
    return console.checked_flags(flags)


def checked_question(question, tokenizer):
    """Refuse, before any training, a question that the model could not read."""
    if not question.strip():
        raise console.Refusal(f"--ask: the question is empty: try --ask {SAMPLES[0]!r}")
    known = set("".join(map(pair_text, every_talk())))
    for place, character in enumerate(question):
        if character not in known:
            raise console.Refusal(
                f"--ask: {character!r} at place {place} of the question stands nowhere in "
                "TinyTalks, and cannot be read: ask without it"
            )
    length = len(tokenizer.encode(question_text(question)))
    if length >= CONTEXT:
        raise console.Refusal(
            f"--ask: the question takes {length} of {CONTEXT} characters and leaves no room for an "
            "answer: ask a shorter one"
        )


def main():
    flags = read_flags()
    tinytorch.manual_seed(flags.seed)
    tinytorch.set_num_threads(flags.threads)
    talks = load_tinytalks("train", flags.levels)
    texts = [pair_text(talk) for talk in talks]
    tokenizer = CharTokenizer("".join(map(pair_text, every_talk())))
    console.lossless(tokenizer, texts)
    if flags.ask is not None:
        checked_question(flags.ask, tokenizer)
    samples = [sample(text, tokenizer) for text in texts]
    model = GPT(tokenizer.vocab_size, flags.embed_dim, flags.num_heads, flags.num_layers, CONTEXT)
    print(
        f"data: {len(talks)} pairs of levels 1 to {flags.levels}, "
        f"{sum(map(len, texts)):,} characters, {tokenizer.vocab_size} different ones known"
    )
    print(f"model: {sum(p.numel() for p in model.parameters()):,} parameters; {console.mix()}")

    mean, seconds = train(model, samples, tokenizer, flags)
    model.eval()
    show_scores(model, tokenizer, flags.levels)
    [warm] = answers(model, tokenizer, SAMPLES[:1], temperature=0.8)
    print(f"\nwith temperature 0.8: {SAMPLES[0]} {warm}")
    if flags.ask is not None:
        print(f"{flags.ask} {answers(model, tokenizer, [flags.ask])[0]}")
    print(
        f"\ntrained for {seconds:.0f} s; mean loss of the last epoch {mean:.3f} per character, "
        "while it was learning them"
    )
    with tinytorch.no_grad():
        final = runs.plain_loss(model, [tokenizer.encode(text) for text in texts], 32)
    worse = max(final, mean)  # the first measured in plain Python, the other while learning
    passed = worse < THRESHOLD
    what = "loss (the worse of the last epoch's and that of all pairs)"
    code = console.verdict(what, worse, THRESHOLD, passed, unit="")
    advice = "Try more --epochs, or look at the samples."
    if seconds > flags.max_seconds:
        advice = console.TIME_WAS_UP
    print("Next: tito milestone run dialogue" if passed else advice)
    return code


if __name__ == "__main__":
    console.run(main)
