"""Attention proves itself: a transformer learns to write number sequences backwards.

    [3, 1, 4, 1, 5, 9, 2, 6]  ->  [6, 2, 9, 5, 1, 4, 1, 3]

Every output needs one input that stands far away, and which one depends on the position alone. A
network without attention cannot see it; one without positions cannot know where it is. In 2017
Vaswani and others built a translator on attention alone ("Attention Is All You Need"); reversal is
a later teaching task, not one of the paper's.

    python 00_vaswani_attention_proof.py                       a few seconds, 100 % exact
    python 00_vaswani_attention_proof.py --ablate attention    the same without attention: fails
    python 00_vaswani_attention_proof.py --ablate positions    the same without positions: fails
"""

import random
from pathlib import Path

import tinytorch
from tinytorch import console
from tinytorch.dataloader import DataLoader, TensorDataset
from tinytorch.embeddings import Embedding, PositionalEmbedding
from tinytorch.layers import Linear, Module, ModuleList
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import AdamW, clip_grad_norm_, warmup_cosine
from tinytorch.transformers import LayerNorm, TransformerBlock

SYMBOLS = 10
TRAINING, TESTING = 2048, 1000  # sequences
THRESHOLD = 0.95  # share of unseen sequences that must come out without a single error


class Reverser(Module):
    """Embed the numbers and their places, let them look at each other, and name a number each."""

    def __init__(self, length, flags):
        self.tokens = Embedding(SYMBOLS, flags.embed_dim)
        self.places = PositionalEmbedding(length, flags.embed_dim)
        self.blocks = ModuleList(
            TransformerBlock(flags.embed_dim, flags.num_heads, activation="relu")  # as in 2017
            for _ in range(flags.num_layers)
        )
        self.norm = LayerNorm(flags.embed_dim)
        self.head = Linear(flags.embed_dim, SYMBOLS)
        self.ablate = flags.ablate

    def forward(self, ids):
        x = self.tokens(ids)  # (B, T) -> (B, T, C)
        if self.ablate != "positions":
            x = x + self.places(ids.shape[1])  # (T, C) is added to every sequence
        for block in self.blocks:
            x = x + block.mlp(block.norm2(x)) if self.ablate == "attention" else block(x)
        return self.head(self.norm(x))  # (B, T, C) -> (B, T, 10)


def sequences(count, length, source):
    """Random sequences of the numbers 0 to 9."""
    return [[source.randrange(SYMBOLS) for _ in range(length)] for _ in range(count)]


def train(model, loader, flags):
    """Follow the gradient of the loss for the given epochs, or until the time is up."""
    optimizer = AdamW(model.parameters(), lr=flags.lr, weight_decay=0.01)
    steps = flags.epochs * len(loader)
    sample = [[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3][: loader.dataset[0][0].shape[0]]]
    with console.Progress(steps) as progress:
        for epoch in range(flags.epochs):
            for inputs, targets in loader:
                if progress.seconds > flags.max_seconds:
                    return progress.seconds
                lr = warmup_cosine(progress.done + 1, 10, steps, flags.lr)
                optimizer.param_groups[0]["lr"] = lr
                loss = cross_entropy(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                progress.update(targets.numel(), loss=loss.item())
            progress.say(f"epoch {epoch + 1}: {sample[0]} -> {answers(model, sample)[0]}")
    return progress.seconds


def answers(model, batch):
    """The most likely number at each place, found in plain Python."""
    with tinytorch.no_grad():
        logits = model(tinytorch.tensor(batch)).tolist()
    return [[row.index(max(row)) for row in sequence] for sequence in logits]


def show_attention(model, batch, path):
    """Draw who looks at whom in the first block, averaged over heads and sequences."""
    with tinytorch.no_grad():
        x = model.tokens(tinytorch.tensor(batch)) + model.places(len(batch[0]))
        block = model.blocks[0]
        _, weights = block.attention(block.norm1(x), return_weights=True)  # (B, H, T, T)
    title = "who looks at whom (the anti-diagonal is the reversal)"
    console.heatmap(weights.mean(dim=(0, 1)).tolist(), title, path)


def read_flags():
    flags = console.parser(__doc__)
    flags.add_argument(
        "--ablate",
        choices=["none", "attention", "positions"],
        default="none",
        help="leave this out of the network",
    )
    flags.add_argument(
        "--plot",
        type=console.new_file,
        default=Path("attention_proof.png"),  # not checked: the proof goes on without it
        help="where the picture goes: .png, .svg or .pdf",
    )
    console.add_flags(
        flags,
        epochs=5,
        batch_size=64,
        levels=1,
        num_layers=1,
        lr=3e-3,
        levels_help="difficulty 1 to 5: sequences of 8, 10, 12, 14 or 16 numbers",
    )
    return console.checked_flags(flags)


def main():
    flags = read_flags()
    length = 6 + 2 * flags.levels
    tinytorch.manual_seed(flags.seed)
    tinytorch.set_num_threads(1)  # for products as small as these, a second one is a burden
    source = random.Random(flags.seed)
    known = sequences(TRAINING, length, source)
    seen = {tuple(s) for s in known}
    unseen = [s for s in sequences(2 * TESTING, length, source) if tuple(s) not in seen][:TESTING]

    data = TensorDataset(tinytorch.tensor(known), tinytorch.tensor([s[::-1] for s in known]))
    model = Reverser(length, flags)
    print(
        f"data: {len(known):,} random sequences of {length} numbers, {len(unseen):,} others to test"
    )
    print(f"model: {sum(p.numel() for p in model.parameters()):,} parameters; {console.mix()}")
    seconds = train(model, DataLoader(data, flags.batch_size, shuffle=True), flags)

    model.eval()
    share = sum(a == s[::-1] for a, s in zip(answers(model, unseen), unseen)) / len(unseen)
    if flags.ablate == "none":
        show_attention(model, unseen, flags.plot)
    print(f"\ntrained for {seconds:.1f} s")
    code = console.verdict(
        "unseen sequences reversed exactly", share, THRESHOLD, share >= THRESHOLD
    )
    if flags.ablate != "none":
        print(f"Without {flags.ablate} no network of this kind can do it.")
    elif code == 0:
        print("The attention finds what it looks for. Next: tito milestone run generation")
    elif seconds > flags.max_seconds:
        print(console.TIME_WAS_UP)
    else:
        print("Try more --epochs; if that does not help, tito test 11 12 13 names what is wrong.")
    return code


if __name__ == "__main__":
    console.run(main)
