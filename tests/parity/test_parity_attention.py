"""Attention against PyTorch: values, weights and gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.attention import (
    MultiHeadAttention,
    causal_mask,
    combine_masks,
    scaled_dot_product_attention,
)
from tinytorch.nn import functional
from tinytorch.tensor import Tensor, from_numpy, wrap

torch = pytest.importorskip("torch")
causal_lower_right = pytest.importorskip("torch.nn.attention.bias").causal_lower_right
attend = torch.nn.functional.scaled_dot_product_attention

sizes, seeds = st.integers(1, 6), st.integers(0, 999)
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def agree(got, want):
    """Within 1e-10 in float64; in float32 within 1e-5 of the largest magnitude, or of 0.05."""
    got, want = got.array, want.detach().numpy()
    assert got.shape == want.shape
    assert got.dtype == want.dtype
    tolerance = 1e-10
    if got.dtype == np.float32:
        tolerance = 1e-5 * max(0.05, float(np.abs(want).max(initial=0)))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


def pairs(arrays):
    """The same numbers as leaves of both libraries."""
    ours = [wrap(a.copy()).requires_grad_() for a in arrays]
    return ours, [torch.tensor(a, requires_grad=True) for a in arrays]


def compare(function, oracle, arrays, rng):
    """Values of both, and the gradients of all inputs from one random gradient of the result."""
    ours, theirs = pairs(arrays)
    got, want = function(*ours), oracle(*theirs)
    agree(got, want)
    g = rng.standard_normal(got.shape).astype(got.dtype)
    got.backward(g)
    want.backward(torch.tensor(g))
    for mine, other in zip(ours, theirs, strict=True):
        agree(mine.grad, other.grad)


def inputs(rng, dtype, batch, T, S, d, dv):
    shapes = ((*batch, T, d), (*batch, S, d), (*batch, S, dv))
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def random_mask(rng, *shape):
    """Some allowed and some not, at least one key in every row."""
    mask = rng.random(shape) < 0.6
    mask[..., rng.integers(shape[-1])] = True
    return mask


@DTYPES
@given(
    seed=seeds, T=sizes, S=sizes, d=sizes, dv=sizes, batch=st.lists(st.integers(1, 3), max_size=2)
)
@settings(deadline=None, max_examples=25)
def test_self_and_cross_attention(dtype, seed, T, S, d, dv, batch):
    rng = np.random.default_rng(seed)
    arrays = inputs(rng, dtype, batch, T, S, d, dv)
    compare(scaled_dot_product_attention, attend, arrays, rng)


@DTYPES
@pytest.mark.parametrize("shape", ["T S", "B 1 T S", "B 1 1 S", "B H T S", "1 H T S"])
@given(seed=seeds, T=sizes, S=sizes)
@settings(deadline=None, max_examples=12)
def test_masks_and_scale(dtype, shape, seed, T, S):
    rng = np.random.default_rng(seed)
    arrays = inputs(rng, dtype, (2, 3), T, S, 4, 5)
    size = {"B": 2, "H": 3, "T": T, "S": S, "1": 1}
    mask = random_mask(rng, *(size[letter] for letter in shape.split()))
    compare(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, from_numpy(mask), scale=0.7),
        lambda q, k, v: attend(q, k, v, torch.tensor(mask), scale=0.7),
        arrays,
        rng,
    )


@DTYPES
@given(seed=seeds, T=sizes, more=st.integers(0, 4))
@settings(deadline=None, max_examples=12)
def test_causal_is_pytorchs_lower_right(dtype, seed, T, more):
    rng = np.random.default_rng(seed)
    S = T + more
    arrays = inputs(rng, dtype, (2, 3), T, S, 4, 4)
    mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    compare(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: attend(q, k, v, mask),
        arrays,
        rng,
    )
    biased = attend(*(torch.tensor(a) for a in arrays), causal_lower_right(T, S))
    agree(scaled_dot_product_attention(*map(from_numpy, arrays), is_causal=True), biased)


@given(seed=seeds, T=sizes, S=sizes)
@settings(deadline=None, max_examples=12)
def test_functional_is_pytorchs_function_name_for_name(seed, T, S):
    rng = np.random.default_rng(seed)
    arrays = inputs(rng, np.float64, (2, 3), T, S, 4, 4)
    for settings_ in ({"is_causal": True}, {"is_causal": True, "scale": 0.3}, {"dropout_p": 0.0}):
        compare(
            lambda q, k, v, s=settings_: functional.scaled_dot_product_attention(q, k, v, **s),
            lambda q, k, v, s=settings_: attend(q, k, v, **s),
            arrays,
            rng,
        )
    mask = random_mask(rng, T, S)
    ours = functional.scaled_dot_product_attention
    got = ours(*map(from_numpy, arrays), attn_mask=from_numpy(mask))
    agree(got, attend(*map(torch.tensor, arrays), attn_mask=torch.tensor(mask)))


def test_a_row_without_a_permitted_key():
    rng = np.random.default_rng(0)
    mask = random_mask(rng, 4, 5)
    mask[1] = False
    compare(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, from_numpy(mask)),
        lambda q, k, v: attend(q, k, v, torch.tensor(mask)),
        inputs(rng, np.float64, (2, 3), 4, 5, 4, 4),
        rng,
    )


@pytest.mark.parametrize(("T", "S"), [(256, 256), (100, 300)])
def test_long_sequences_in_float32(T, S):
    rng = np.random.default_rng(0)
    compare(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: attend(q, k, v, torch.ones(T, S, dtype=torch.bool).tril(S - T)),
        inputs(rng, np.float32, (1, 2), T, S, 32, 32),
        rng,
    )


def twins(embed_dim, num_heads, dtype, rng, bias=True):
    """Our layer and PyTorch's, with the same random weights, of the size that layers begin with."""
    ours = MultiHeadAttention(embed_dim, num_heads, bias=bias).to(dtype=np.dtype(dtype))
    theirs = torch.nn.MultiheadAttention(embed_dim, num_heads, batch_first=True, bias=bias)
    theirs = theirs.to(torch.tensor(np.zeros(0, dtype)).dtype)
    state = {
        name: (rng.standard_normal(p.shape) / embed_dim**0.5).astype(dtype)
        for name, p in ours.named_parameters()
    }
    ours.load_state_dict(state)
    packed = {
        f"in_proj_{kind}": np.concatenate([state[f"{n}.{kind}"] for n in ("query", "key", "value")])
        for kind in ("weight", "bias")[: 1 + bias]
    }
    last = {f"out_proj.{kind}": state[f"output.{kind}"] for kind in ("weight", "bias")[: 1 + bias]}
    theirs.load_state_dict({n: torch.tensor(a) for n, a in {**packed, **last}.items()})
    return ours, theirs


def packed_gradients(module, kind):
    """Our gradients laid out as PyTorch's in_proj and out_proj."""
    three = [getattr(module, n) for n in ("query", "key", "value")]
    return (
        wrap(np.concatenate([getattr(part, kind).grad.array for part in three])),
        getattr(module.output, kind).grad,
    )


def compare_layers(rng, dtype, x, source, allowed=None, padding=None, bias=True, **ours_settings):
    """Outputs, weights and all gradients; `allowed` is (T, S) or (B, H, T, S)."""
    num_heads = 3
    ours, theirs = twins(x.shape[2], num_heads, dtype, rng, bias)
    (x1, s1), (x2, s2) = pairs([x, source])
    got, weights = ours(
        x1,
        s1,
        mask=None if allowed is None else from_numpy(allowed),
        padding=None if padding is None else from_numpy(padding),
        return_weights=True,
        **ours_settings,
    )
    hidden = None if allowed is None else torch.tensor(~allowed)
    if hidden is not None and hidden.ndim == 4:
        hidden = hidden.flatten(0, 1)  # PyTorch takes (B * H, T, S)
    want, their_weights = theirs(
        x2,
        s2,
        s2,
        attn_mask=hidden,
        key_padding_mask=None if padding is None else torch.tensor(~padding),
        average_attn_weights=False,
    )
    agree(got, want)
    agree(weights, their_weights)
    g, h = (rng.standard_normal(t.shape).astype(dtype) for t in (got, weights))
    ((got * from_numpy(g)).sum() + (weights * from_numpy(h)).sum()).backward()
    ((want * torch.tensor(g)).sum() + (their_weights * torch.tensor(h)).sum()).backward()
    agree(x1.grad, x2.grad)
    agree(s1.grad, s2.grad)
    for kind in ("weight", "bias")[: 1 + bias]:
        mine = packed_gradients(ours, kind)
        agree(mine[0], getattr(theirs, f"in_proj_{kind}").grad)
        agree(mine[1], getattr(theirs.out_proj, kind).grad)


@DTYPES
@given(seed=seeds, B=st.integers(1, 3), T=sizes, S=sizes, width=st.integers(1, 4))
@settings(deadline=None, max_examples=25)
def test_multi_head_attention(dtype, seed, B, T, S, width):
    rng = np.random.default_rng(seed)
    x, source = (rng.standard_normal((B, n, 3 * width)).astype(dtype) for n in (T, S))
    compare_layers(rng, dtype, x, source, bias=bool(seed % 2))


@pytest.mark.parametrize("with_padding", [False, True])
@pytest.mark.parametrize("shape", ["none", "T S", "B H T S"])
@given(seed=seeds, T=sizes, S=sizes)
@settings(deadline=None, max_examples=10)
def test_multi_head_attention_with_masks(with_padding, shape, seed, T, S):
    rng = np.random.default_rng(seed)
    x, source = (rng.standard_normal((2, n, 6)) for n in (T, S))
    size = {"B": 2, "H": 3, "T": T, "S": S}
    padding = np.arange(S) < rng.integers(1, S + 1, (2, 1)) if with_padding else None
    allowed = None
    if shape != "none":
        allowed = random_mask(rng, *(size[letter] for letter in shape.split()))
        allowed[..., 0] = True  # never only padding
    compare_layers(rng, np.float64, x, source, allowed, padding)


def test_causal_with_padding():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 5, 6))
    padding = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=bool)
    ours, theirs = twins(6, 3, np.float64, rng)
    got = ours(from_numpy(x), padding=from_numpy(padding), is_causal=True)
    same = ours(from_numpy(x), mask=combine_masks(Tensor(padding), causal_mask(5)))
    y = torch.tensor(x)
    hidden = torch.ones(5, 5, dtype=torch.bool).triu(1)
    want = theirs(y, y, y, key_padding_mask=torch.tensor(~padding), attn_mask=hidden)[0]
    agree(got, want)
    agree(same, want)


def test_self_attention_in_which_one_tensor_is_all_three():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 5, 6))
    ours, theirs = twins(6, 2, np.float64, rng)
    (mine,), (other,) = pairs([x])
    got, want = ours(mine), theirs(other, other, other)[0]
    agree(got, want)
    got.sum().backward()
    want.sum().backward()
    agree(mine.grad, other.grad)
