"""Reading with a cache against a plain full forward in PyTorch with the same weights."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.kv_caching import CachedGPT, attend_last, generate_cached
from tinytorch.transformers import GPT

torch = pytest.importorskip("torch")
bias = pytest.importorskip("torch.nn.attention.bias")
F = torch.nn.functional

V, D, H, L, T = 13, 12, 3, 2, 10
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
KINDS = pytest.mark.parametrize(
    "kind",
    [{}, {"norm_first": False}, {"activation": "relu"}, {"norm_first": False, "hidden_dim": 5}],
    ids=str,
)


def drawn(kind, dtype, seed=0, std=0.3):
    """A GPT with every parameter drawn, and its parameters as tensors of torch, by name."""
    model, rng = GPT(V, D, H, L, T, **kind), np.random.default_rng(seed)
    for parameter in model.parameters():
        parameter.array = (std * rng.standard_normal(parameter.shape)).astype(dtype)
    return model, {name: torch.tensor(p.array) for name, p in model.named_parameters()}


def full_forward(p, ids, norm_first=True, activation="gelu", **_):
    """Logits (B, T, V) of all places at once, from named weights."""

    def linear(x, name):
        return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, (D,), p[f"{name}.weight"], p[f"{name}.bias"])

    def attention(x, name):
        parts = (linear(x, f"{name}.{part}") for part in ("query", "key", "value"))
        heads = (part.unflatten(2, (H, D // H)).transpose(1, 2) for part in parts)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True)
        return linear(mixed.transpose(1, 2).flatten(2), f"{name}.output")

    def mlp(x, name):
        wide = linear(x, f"{name}.widen")
        bent = F.relu(wide) if activation == "relu" else F.gelu(wide, approximate="tanh")
        return linear(bent, f"{name}.narrow")

    x = p["embed.tokens.weight"][ids] + p["embed.positions.weight"][: ids.shape[1]]
    for name in (f"blocks.{layer}" for layer in range(L)):
        if norm_first:
            x = x + attention(norm(x, f"{name}.norm1"), f"{name}.attention")
            x = x + mlp(norm(x, f"{name}.norm2"), f"{name}.mlp")
        else:
            x = norm(x + attention(x, f"{name}.attention"), f"{name}.norm1")
            x = norm(x + mlp(x, f"{name}.mlp"), f"{name}.norm2")
    return linear(norm(x, "norm"), "head")


def agree(got, want):
    """Within 1e-10 in float64, within 1e-5 of the largest magnitude in float32."""
    want = want.detach().numpy()
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    tolerance = 1e-10 if got.dtype == np.float64 else 1e-5 * max(1.0, float(np.abs(want).max()))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


@DTYPES
@given(
    shape=st.tuples(*[st.integers(1, 5)] * 5),
    seed=st.integers(0, 999),
)
@settings(deadline=None, max_examples=30)
def test_attend_last(dtype, shape, seed):
    B, heads, new, old, d = shape
    rng = np.random.default_rng(seed)
    arrays = [
        rng.standard_normal((B, heads, n, d)).astype(dtype) for n in (new, old + new, old + new)
    ]
    mask = bias.causal_lower_right(new, old + new)
    want = F.scaled_dot_product_attention(*map(torch.tensor, arrays), attn_mask=mask)
    agree(attend_last(*arrays), want)


@DTYPES
@KINDS
@pytest.mark.parametrize("prefill", [1, 2, T - 1, T])
@pytest.mark.parametrize("at_a_time", [1, 3])
def test_logits_at_every_place(dtype, kind, prefill, at_a_time):
    model, weights = drawn(kind, dtype)
    ids = np.random.default_rng(1).integers(0, V, (3, T))
    want = full_forward(weights, torch.tensor(ids), **kind)
    reader = CachedGPT(model)
    cache = reader.new_cache(3)
    edges = [0, *range(prefill, T, at_a_time), T]
    for start, end in zip(edges, edges[1:], strict=False):
        agree(reader.read(ids[:, start:end], cache, all_positions=True), want[:, start:end])
    cache.clear()
    agree(reader.read(ids[:, :prefill], cache), want[:, prefill - 1])


@KINDS
@pytest.mark.parametrize("length", [1, 2, T - 1, T, T + 4])
def test_greedy_text(kind, length):
    """Full forwards on what a cache that starts anew with half of the context would hold."""
    model, weights = drawn(kind, np.float64, seed=2)
    prompt = np.random.default_rng(3).integers(0, V, (3, length))
    text, seen = torch.tensor(prompt), min(length, T)
    for _ in range(25):
        best = full_forward(weights, text[:, -seen:], **kind)[:, -1].argmax(-1, keepdim=True)
        text = torch.cat([text, best], dim=1)
        seen = T // 2 if seen == T else seen + 1
    got = generate_cached(model, prompt, 25, temperature=0)
    assert np.array_equal(got.array, text.numpy())


def test_first_loss_by_the_cache_is_ln_v():
    """Of a fresh model the logits are nearly equal, as torch sees them too."""
    model = GPT(V, D, H, L, T)
    reader = CachedGPT(model)
    ids = np.random.default_rng(0).integers(0, V, (2, T))
    logits = torch.tensor(reader.read(ids, reader.new_cache(2), all_positions=True))
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), torch.tensor(ids[:, 1:]))
    assert abs(loss.item() - math.log(V)) < 0.05
