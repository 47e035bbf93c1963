"""Programs that are right, among them every milestone: the kit has nothing to say about them.

Each returns (step, model, optimizer or None), as explain_grad takes them.
"""

import importlib.util
import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import tinytorch
from tinytorch import nn, no_grad, optim
from tinytorch.dataloader import DataLoader, TensorDataset, load_tinytalks
from tinytorch.losses import accuracy
from tinytorch.nn import functional as F
from tinytorch.nn.utils import clip_grad_norm_
from tinytorch.tensor import Tensor
from tinytorch.tokenization import BPETokenizer, CharTokenizer, next_token_windows
from tinytorch.training import decay_groups
from tinytorch.transformers import GPT

PROGRAMS = []
ROOT = Path(__file__).resolve().parents[2]


def program(function):
    PROGRAMS.append(function)
    return function


def numbers(*shape, seed=0):
    return Tensor(np.random.default_rng(seed).standard_normal(shape))


def whole(high, *shape, seed=0):
    return Tensor(np.random.default_rng(seed).integers(0, high, shape))


def layers(*parts):
    tinytorch.manual_seed(0)
    return nn.Sequential(*[part() for part in parts])


def trained(model, loss_of):
    """A whole training step, as the milestones write it."""
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)

    def step():
        loss = loss_of()
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step, model, optimizer


# ---------------------------------------------------------------- the milestones


def script(name):
    """A milestone as a module; what its `main` does stands below again, in small."""
    homes = [p / "05_2017_transformer" for p in (ROOT / "milestones", ROOT.parent / "milestones")]
    file = next(home for home in homes if home.is_dir()) / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"milestone_{name[:2]}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@program
def milestone_attention_proof():
    proof = script("00_vaswani_attention_proof")
    tinytorch.manual_seed(0)
    flags = SimpleNamespace(embed_dim=16, num_heads=2, num_layers=1, ablate=None)
    model = proof.Reverser(8, flags)
    rows = proof.sequences(16, 8, random.Random(0))
    inputs, targets = Tensor(rows), Tensor([row[::-1] for row in rows])
    return trained(model, lambda: F.cross_entropy(model(inputs), targets))


@program
def milestone_generation():
    generation = script("01_vaswani_generation")
    texts = [generation.pair_text(talk) for talk in load_tinytalks("train")[:12]]
    tokenizer = CharTokenizer("".join(texts))
    tinytorch.manual_seed(0)
    model = GPT(tokenizer.vocab_size, 16, 2, 2, generation.CONTEXT)
    inputs, targets = generation.padded([generation.sample(text, tokenizer) for text in texts])
    ignored = generation.IGNORE
    return trained(model, lambda: F.cross_entropy(model(inputs), targets, ignore_index=ignored))


@program
def milestone_dialogue():
    dialogue = script("02_vaswani_dialogue")
    topics = dialogue.by_topic(load_tinytalks("train"))[:3]
    texts = dialogue.told(topics, random.Random(0))[:6]
    tokenizer = CharTokenizer("".join(texts))
    tinytorch.manual_seed(0)
    model = GPT(tokenizer.vocab_size, 16, 2, 2, dialogue.CONTEXT)
    inputs, targets = dialogue.padded([dialogue.sample(text, tokenizer) for text in texts])
    ignored = dialogue.IGNORE
    return trained(model, lambda: F.cross_entropy(model(inputs), targets, ignore_index=ignored))


def with_decay_groups(model, loader):
    """The step of the Trainer's milestones: norms and biases do not decay, the norm is limited."""
    optimizer = optim.AdamW(decay_groups(model, 0.1), lr=1e-3, betas=(0.9, 0.99))
    inputs, targets = next(iter(loader))

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step, model, optimizer


FLAGS = SimpleNamespace(context=16, batch_size=4)


@program
def milestone_quick_validation():
    quick = script("step1_quick_validation")
    text = quick.PATTERN * 20
    tokenizer = CharTokenizer(text)
    windows = next_token_windows(tokenizer.encode(text), FLAGS.context, stride=1)
    tinytorch.manual_seed(0)
    model = GPT(tokenizer.vocab_size, 16, 2, 2, FLAGS.context)
    return with_decay_groups(model, DataLoader(TensorDataset(*windows), 4, shuffle=True))


@program
def milestone_tinycoder():
    coder = script("step2_tinycoder")
    text = Path(__file__).read_text(encoding="utf-8")[:3000]
    tokenizer = BPETokenizer()
    tokenizer.train(text, num_merges=50)
    tinytorch.manual_seed(0)
    model = GPT(tokenizer.vocab_size, 16, 2, 2, FLAGS.context)
    return with_decay_groups(model, coder.batches(tokenizer.encode(text), tokenizer, FLAGS))


@program
def milestone_shakespeare():
    shakespeare = script("step3_shakespeare")
    text = "To be, or not to be, that is the question:\n" * 8
    tokenizer = CharTokenizer(text)
    tinytorch.manual_seed(0)
    model = GPT(tokenizer.vocab_size, 16, 2, 2, FLAGS.context)
    loader = shakespeare.batches(tokenizer.encode(text), FLAGS, stride=1, shuffle=True)
    return with_decay_groups(model, loader)


# ---------------------------------------------------------------- small networks


@program
def a_line_through_points():
    model, x, y = layers(lambda: nn.Linear(3, 1)), numbers(10, 3), numbers(10, 1, seed=1)
    return trained(model, lambda: F.mse_loss(model(x), y))


@program
def yes_or_no():
    model, x = layers(lambda: nn.Linear(3, 1)), numbers(10, 3)
    y = Tensor(np.arange(10) % 2 == 0).float().reshape(10, 1)
    return (lambda: F.binary_cross_entropy_with_logits(model(x), y)), model, None


@program
def digits_with_dropout():
    model = layers(lambda: nn.Linear(8, 16), nn.ReLU, nn.Dropout, lambda: nn.Linear(16, 4))
    x, y = numbers(32, 8), whole(4, 32)
    return trained(model, lambda: F.cross_entropy(model(x), y))


@program
def xor():
    model = layers(lambda: nn.Linear(2, 4), nn.Tanh, lambda: nn.Linear(4, 1))
    x, y = Tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]), Tensor([[0.0], [1], [1], [0]])
    return trained(model, lambda: F.binary_cross_entropy_with_logits(model(x), y))


@program
def steps_by_hand_under_no_grad():
    model, x, y = layers(lambda: nn.Linear(3, 1)), numbers(10, 3), numbers(10, 1, seed=1)

    def step():
        loss = F.mse_loss(model(x), y)
        loss.backward()
        with no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
                p.grad = None
        return loss

    return step, model, None


@program
def a_log_beside_the_training():
    model, x, y = layers(lambda: nn.Linear(4, 3)), numbers(9, 4), whole(3, 9)
    log = []

    def step():
        logits = model(x)
        loss = F.cross_entropy(logits, y)
        log.append((loss.item(), accuracy(logits, y), logits.detach().numpy().mean()))
        with no_grad():
            log.append((model(x).argmax(-1) == y).float().mean().item())
        return loss

    return step, model, None


@program
def gradients_of_several_batches_added():
    model, x, y = layers(lambda: nn.Linear(4, 3)), numbers(8, 4), whole(3, 8)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step():
        optimizer.zero_grad()
        for part in (slice(0, 4), slice(4, 8)):
            loss = F.cross_entropy(model(x[part]), y[part]) / 2
            loss.backward()
        optimizer.step()
        return loss

    return step, model, optimizer


# ---------------------------------------------------------------- cuts that are meant


@program
def a_frozen_body():
    body, head = nn.Linear(4, 8), nn.Linear(8, 3)
    model = nn.ModuleList([body, head])
    body.requires_grad_(False)
    optimizer = optim.Adam(head.parameters())
    x, y = numbers(9, 4), whole(3, 9)
    return (lambda: F.cross_entropy(head(body(x).tanh()), y)), model, optimizer


@program
def rounding_with_the_slope_of_one():
    model, x, y = layers(lambda: nn.Linear(4, 3)), numbers(9, 4), numbers(9, 3, seed=1)

    def step():
        z = model(x)
        sharp = (z > 0).float()
        return F.mse_loss(z + (sharp - z).detach(), y)

    return step, model, None


@program
def a_teacher_that_does_not_learn():
    student, teacher = layers(lambda: nn.Linear(4, 3)), nn.Linear(4, 3)
    x = numbers(9, 4)

    def step():
        with no_grad():
            wanted = teacher(x).softmax(-1)
        return -(wanted * student(x).log_softmax(-1)).sum(-1).mean()

    return step, student, None


@program
def a_value_that_follows_its_own_target():
    model, now, then = layers(lambda: nn.Linear(4, 1)), numbers(6, 4), numbers(6, 4, seed=1)
    reward = numbers(6, 1, seed=2)
    return (lambda: F.mse_loss(model(now), reward + 0.9 * model(then).detach())), model, None


@program
def one_of_two_players():
    maker, judge = layers(lambda: nn.Linear(2, 4)), nn.Linear(4, 1)
    noise = numbers(8, 2)
    mine, other = optim.Adam(maker.parameters()), optim.Adam(judge.parameters())

    def step():
        yes = tinytorch.ones(8, 1)
        return F.binary_cross_entropy_with_logits(judge(maker(noise)), yes)

    return step, maker, [mine, other]


@program
def low_rank_beside_a_frozen_weight():
    class LowRank(nn.Module):
        def __init__(self):
            self.base = nn.Linear(6, 6)
            self.base.requires_grad_(False)
            self.down = nn.Parameter(numbers(2, 6) * 0.1)
            self.up = nn.Parameter(tinytorch.zeros(6, 2))  # so that nothing changes at first

        def forward(self, x):
            return self.base(x) + x @ self.down.T @ self.up.T

    model, x, y = LowRank(), numbers(8, 6), numbers(8, 6, seed=1)
    return (lambda: F.mse_loss(model(x), y)), model, None


# ---------------------------------------------------------------- deep, shared, long


@program
def twelve_blocks():
    tinytorch.manual_seed(0)
    model, ids = GPT(20, 16, 2, 12, 16), whole(20, 2, 16)
    return (lambda: F.cross_entropy(model(ids), ids)), model, None


@program
def a_table_that_is_also_the_head():
    tinytorch.manual_seed(0)
    model, ids = GPT(20, 16, 2, 1, 16), whole(20, 2, 16)
    model.head.weight = model.embed.tokens.weight
    return trained(model, lambda: F.cross_entropy(model(ids), ids))


@program
def attention_with_padding():
    class Reader(nn.Module):
        def __init__(self):
            tinytorch.manual_seed(0)
            self.embed = nn.Embedding(12, 8, padding_idx=0)
            self.attention = nn.MultiHeadAttention(8, 2)
            self.head = nn.Linear(8, 3)

        def forward(self, ids):
            x = self.embed(ids)
            mask = (ids != 0).reshape(len(ids), 1, 1, -1)
            return self.head(self.attention(x, mask=mask).mean(1))

    ids = Tensor([[1, 4, 7, 0], [3, 5, 0, 0], [2, 6, 8, 9]])
    model, y = Reader(), Tensor([0, 1, 2])
    return (lambda: F.cross_entropy(model(ids), y)), model, None


@program
def a_recurrent_network():
    class Recurrent(nn.Module):
        def __init__(self):
            tinytorch.manual_seed(0)
            self.inward, self.on = nn.Linear(3, 8), nn.Linear(8, 8)
            self.out = nn.Linear(8, 1)

        def forward(self, x):
            h = tinytorch.zeros(len(x), 8)
            for t in range(x.shape[1]):
                h = (self.inward(x[:, t]) + self.on(h)).tanh()
            return self.out(h)

    model, x, y = Recurrent(), numbers(5, 20, 3), numbers(5, 1, seed=1)
    return (lambda: F.mse_loss(model(x), y)), model, None


@program
def all_pairs_on_purpose():
    model, x = layers(lambda: nn.Linear(4, 1)), numbers(6, 4)

    def step():
        place = model(x).squeeze(1)
        apart = (place.unsqueeze(1) - place).abs()  # (6, 6)
        return (1 - apart).relu().mean()

    return step, model, None


@program
def images_through_norms():
    class Norms(nn.Module):
        def __init__(self):
            tinytorch.manual_seed(0)
            self.first, self.norm = nn.Linear(6, 8), nn.LayerNorm(8)
            self.last = nn.Linear(8, 2)

        def forward(self, x):
            return self.last(F.gelu(self.norm(self.first(x))))

    model, x, y = Norms(), numbers(7, 6), whole(2, 7)
    return trained(model, lambda: F.cross_entropy(model(x), y))
