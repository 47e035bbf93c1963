"""Layer norm, block and GPT against PyTorch: values, gradients, training, greedy text."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.attention import causal_mask
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import AdamW
from tinytorch.tensor import manual_seed, wrap
from tinytorch.transformers import GPT, MLP, LayerNorm, TransformerBlock, layer_norm

torch = pytest.importorskip("torch")
F, nn = torch.nn.functional, torch.nn

sizes, seeds = st.integers(1, 6), st.integers(0, 999)
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def agree(got, want, name="", terms=0.05):
    """Within 1e-10 in float64, within 1e-5 of the largest magnitude in float32.

    Args:
        terms: the size of the numbers whose difference the result may be: their last places, and
            not those of a difference that is nearly 0, are what float32 can get right.
    """
    got, want = got.array, want.detach().numpy()
    assert got.shape == want.shape, name
    assert got.dtype == want.dtype, name
    tolerance = 1e-10 if got.dtype == np.float64 else 1e-5 * max(terms, float(np.abs(want).max()))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance, err_msg=name)


def drawn(model, rng, dtype, std=0.3):
    """The model with every parameter drawn anew, in this dtype."""
    for parameter in model.parameters():
        numbers = std * rng.standard_normal(parameter.shape)
        parameter.array = numbers.astype(dtype)
    return model


def load(theirs, ours):
    """Copy parameters by name from a Module of ours."""
    state = {name: torch.tensor(p.array) for name, p in ours.named_parameters()}
    theirs.to(next(iter(state.values())).dtype).load_state_dict(state)
    return theirs


def backward_from_one(got, want, rng):
    """Send the same random gradient back through both."""
    g = rng.standard_normal(got.shape).astype(got.dtype)
    got.backward(g)
    want.backward(torch.tensor(g))


@DTYPES
@given(shape=st.lists(sizes, min_size=1, max_size=4), seed=seeds, eps=st.floats(1e-2, 1))
@settings(deadline=None, max_examples=30)
def test_layer_norm(dtype, shape, seed, eps):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s).astype(dtype) for s in (shape, shape[-1:], shape[-1:])]
    ours = [wrap(a.copy()).requires_grad_() for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    got, want = layer_norm(*ours, eps), F.layer_norm(theirs[0], shape[-1:], *theirs[1:], eps)
    agree(got, want)
    backward_from_one(got, want, rng)
    steep = 1 / np.sqrt(arrays[0].var(axis=-1) + eps).min()  # what the difference to the mean
    terms = 0.05 * max(1.0, float(steep * max(1, np.abs(arrays[1]).max())))  # is multiplied by
    for name, mine, other in zip(("x", "weight", "bias"), ours, theirs, strict=True):
        agree(mine.grad, other.grad, name, terms)


def test_layer_norm_layer():
    ours, theirs = LayerNorm(7), nn.LayerNorm(7)
    assert ours.eps == theirs.eps
    assert [(n, p.shape) for n, p in ours.named_parameters()] == [
        (n, tuple(p.shape)) for n, p in theirs.named_parameters()
    ]
    x = np.random.default_rng(0).standard_normal((3, 7), dtype=np.float32)
    agree(ours(wrap(x)), theirs(torch.tensor(x)))


def gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


BENDS = {"gelu": gelu_tanh, "relu": F.relu}


@DTYPES
@pytest.mark.parametrize("activation", BENDS)
@given(shape=st.lists(sizes, min_size=1, max_size=3), seed=seeds)
@settings(deadline=None, max_examples=15)
def test_mlp(dtype, activation, shape, seed):
    rng = np.random.default_rng(seed)
    ours = drawn(MLP(shape[-1], activation=activation), rng, dtype)
    w1, b1, w2, b2 = (torch.tensor(p.array, requires_grad=True) for p in ours.parameters())
    x = rng.standard_normal(shape).astype(dtype)
    mine, other = wrap(x.copy()).requires_grad_(), torch.tensor(x, requires_grad=True)
    got = ours(mine)
    want = F.linear(BENDS[activation](F.linear(other, w1, b1)), w2, b2)
    agree(got, want)
    backward_from_one(got, want, rng)
    agree(mine.grad, other.grad)
    for parameter, tensor in zip(ours.parameters(), (w1, b1, w2, b2), strict=True):
        agree(parameter.grad, tensor.grad)


RENAMED = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attention.output": "self_attn.out_proj",
    "mlp.widen": "linear1",
    "mlp.narrow": "linear2",
}


def encoder_layer(block, width, heads, activation):
    """PyTorch's layer with the weights of a block; query, key and value are packed in one."""
    dtype = getattr(torch, str(block.norm1.weight.dtype))
    layer = nn.TransformerEncoderLayer(
        width,
        heads,
        4 * width,
        dropout=0.0,
        activation=BENDS[activation],
        batch_first=True,
        norm_first=block.norm_first,
        dtype=dtype,
    )
    with torch.no_grad():
        for kind in ("weight", "bias"):
            packed = [getattr(getattr(block.attention, n), kind) for n in ("query", "key", "value")]
            packed = torch.tensor(np.concatenate([p.array for p in packed]))
            getattr(layer.self_attn, f"in_proj_{kind}").copy_(packed)
            for mine, other in RENAMED.items():
                target = layer.get_submodule(other)
                source = block
                for part in mine.split("."):
                    source = getattr(source, part)
                getattr(target, kind).copy_(torch.tensor(getattr(source, kind).array))
    return layer


@DTYPES
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize(
    ("causal", "activation"), [(True, "gelu"), (False, "gelu"), (False, "relu")]
)
@given(B=st.integers(1, 3), T=sizes, heads=st.integers(1, 3), seed=seeds)
@settings(deadline=None, max_examples=8)
def test_block_is_an_encoder_layer(dtype, norm_first, causal, activation, B, T, heads, seed):
    rng, width = np.random.default_rng(seed), 4 * heads
    how = {"norm_first": norm_first, "activation": activation}
    block = drawn(TransformerBlock(width, heads, **how), rng, dtype)
    layer = encoder_layer(block, width, heads, activation)
    x = rng.standard_normal((B, T, width)).astype(dtype)
    mine, other = wrap(x.copy()).requires_grad_(), torch.tensor(x, requires_grad=True)
    hidden = torch.tensor(~causal_mask(T).array) if causal else None  # there, True = hidden
    got, want = block(mine, causal_mask(T) if causal else None), layer(other, src_mask=hidden)
    agree(got, want)
    backward_from_one(got, want, rng)
    agree(mine.grad, other.grad)
    for name, renamed in RENAMED.items():
        source = block
        for part in name.split("."):
            source = getattr(source, part)
        for kind in ("weight", "bias"):
            agree(
                getattr(source, kind).grad, getattr(layer.get_submodule(renamed), kind).grad, name
            )
    for kind in ("weight", "bias"):
        rows = [
            getattr(getattr(block.attention, n), kind).grad.array for n in ("query", "key", "value")
        ]
        agree(wrap(np.concatenate(rows)), getattr(layer.self_attn, f"in_proj_{kind}").grad, kind)


class TwinAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        B, T, D = x.shape
        q, k, v = (
            layer(x).view(B, T, self.heads, D // self.heads).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.output(mixed.transpose(1, 2).reshape(B, T, D))


class TwinMLP(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.narrow(gelu_tanh(self.widen(x)))


class TwinBlock(nn.Module):
    def __init__(self, width, heads, norm_first):
        super().__init__()
        self.norm_first = norm_first
        self.norm1, self.attention = nn.LayerNorm(width), TwinAttention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width), TwinMLP(width)

    def forward(self, x):
        if self.norm_first:
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.mlp(x))


class TwinEmbed(nn.Module):
    def __init__(self, vocab, width, length):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab, width), nn.Embedding(length, width)

    def forward(self, ids):
        return self.tokens(ids) + self.positions.weight[: ids.shape[1]]


class TwinGPT(nn.Module):
    """A GPT of PyTorch's parts under our names."""

    def __init__(self, vocab, width, heads, layers, length, norm_first=True):
        super().__init__()
        self.embed = TwinEmbed(vocab, width, length)
        self.blocks = nn.ModuleList(TwinBlock(width, heads, norm_first) for _ in range(layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocab)

    def forward(self, ids):
        x = self.embed(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


@DTYPES
@given(
    B=st.integers(1, 3),
    T=st.integers(1, 7),
    V=st.integers(2, 12),
    heads=st.integers(1, 3),
    layers=st.integers(1, 3),
    norm_first=st.booleans(),
    seed=seeds,
)
@settings(deadline=None, max_examples=15)
def test_gpt(dtype, B, T, V, heads, layers, norm_first, seed):
    rng = np.random.default_rng(seed)
    shape = (V, 4 * heads, heads, layers, 7)
    ours = drawn(GPT(*shape, norm_first=norm_first), rng, dtype)
    theirs = load(TwinGPT(*shape, norm_first=norm_first), ours)
    ids, targets = rng.integers(0, V, (2, B, T))
    got, want = ours(wrap(ids)), theirs(torch.tensor(ids))
    agree(got, want)
    cross_entropy(got, wrap(targets)).backward()
    F.cross_entropy(want.reshape(-1, V), torch.tensor(targets).reshape(-1)).backward()
    gradients = {name: p.grad for name, p in theirs.named_parameters()}
    terms = max(0.05, 0.2 * max(float(g.abs().max()) for g in gradients.values()))
    for name, parameter in ours.named_parameters():  # that of the keys' bias is only rounding
        agree(parameter.grad, gradients[name], name, terms)


@pytest.mark.parametrize(
    ("dtype", "norm_first", "tolerance"),
    [(np.float64, True, 1e-8), (np.float64, False, 1e-8), (np.float32, True, 1e-5)],
)
def test_the_twin_trains_along_for_50_steps(dtype, norm_first, tolerance):
    """The same start and the same batches: each loss agrees, relative to its size."""
    manual_seed(0)
    V, B, T = 20, 4, 12
    shape = (V, 24, 4, 2, T)
    ours = GPT(*shape, norm_first=norm_first)
    for parameter in ours.parameters():
        parameter.array = parameter.array.astype(dtype)
    theirs = load(TwinGPT(*shape, norm_first=norm_first), ours)
    how = {"lr": 1e-3, "betas": (0.9, 0.95), "weight_decay": 0.1, "eps": 1e-8}
    mine, other = AdamW(ours.parameters(), **how), torch.optim.AdamW(theirs.parameters(), **how)
    rng, first = np.random.default_rng(0), None
    for step in range(50):
        text = np.cumsum(rng.integers(0, 3, (B, T + 1)), axis=1) % V  # something to learn
        loss = cross_entropy(ours(wrap(text[:, :-1])), wrap(text[:, 1:]))
        mine.zero_grad()
        loss.backward()
        mine.step()
        want = F.cross_entropy(
            theirs(torch.tensor(text[:, :-1])).transpose(1, 2), torch.tensor(text[:, 1:])
        )
        other.zero_grad()
        want.backward()
        other.step()
        first = first or loss.item()
        assert abs(loss.item() - want.item()) <= tolerance * want.item(), f"step {step}"
    assert loss.item() < first - 0.5  # it did learn


@pytest.mark.parametrize("T", [3, 12])
def test_greedy_text_is_the_twins(T):
    rng = np.random.default_rng(1)
    shape = (15, 16, 4, 2, 9)
    ours = drawn(GPT(*shape), rng, np.float64)
    theirs, ids = load(TwinGPT(*shape), ours), rng.integers(0, 15, (3, T))
    want = torch.tensor(ids)
    with torch.no_grad():
        for _ in range(20):
            want = torch.cat([want, theirs(want[:, -9:])[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert np.array_equal(ours.generate(ids, 20, temperature=0).array, want.numpy())
