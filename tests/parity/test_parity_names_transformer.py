"""PyTorch's transformer modules with PyTorch's weights: results, weights and gradients agree."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402

D, H, B, T = 8, 2, 3, 4


def pair(make):
    """The same module in both libraries, in float64, with the same weights."""
    theirs = make(torch.nn).double()
    ours = make(tinytorch.nn).double()
    state = {n: t.detach().numpy() for n, t in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    return ours, theirs


def inputs(*shape):
    array = np.random.default_rng(0).standard_normal(shape)
    return tinytorch.from_numpy(array).requires_grad_(), torch.from_numpy(array).requires_grad_()


def same(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=0, atol=1e-10)


PADDING = np.array([[False] * 3 + [True]] * B)
MASKS = {
    "none": {},
    "causal": {"attn_mask": np.triu(np.ones((T, T), bool), 1)},
    "added": {"attn_mask": np.linspace(-1, 1, T * T).reshape(T, T)},
    "per head": {"attn_mask": np.linspace(-1, 1, B * H * T * T).reshape(B * H, T, T)},
    "padding": {"key_padding_mask": PADDING},
    "apart": {"average_attn_weights": False},
}


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("masks", MASKS.values(), ids=MASKS)
def test_attention(masks, bias, batch_first):
    ours, theirs = pair(lambda nn: nn.MultiheadAttention(D, H, bias=bias, batch_first=batch_first))
    x, x_torch = inputs(*((B, T, D) if batch_first else (T, B, D)))
    found = []
    for library, module, t in ((tinytorch, ours, x), (torch, theirs, x_torch)):
        named = {
            n: library.from_numpy(m) if isinstance(m, np.ndarray) else m for n, m in masks.items()
        }
        y, weights = module(t, t * 0.5, t, **named)
        (y * y).sum().backward()
        found.append((y, weights, t.grad, module.in_proj_weight.grad))
    for mine, other in zip(*found):
        same(mine, other)


def test_attention_without_a_batch_and_without_weights():
    ours, theirs = pair(lambda nn: nn.MultiheadAttention(D, H))
    x, x_torch = inputs(T, D)
    same(ours(x, x, x)[0], theirs(x_torch, x_torch, x_torch)[0])
    same(ours(x, x, x)[1], theirs(x_torch, x_torch, x_torch)[1])
    assert ours(x, x, x, need_weights=False)[1] is None


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder(norm_first, activation):
    def make(nn):
        settings = {"activation": activation, "norm_first": norm_first, "batch_first": True}
        layer = nn.TransformerEncoderLayer(D, H, 16, 0.0, **settings)
        return nn.TransformerEncoder(layer, 2, nn.LayerNorm(D), enable_nested_tensor=False)

    ours, theirs = pair(make)
    x, x_torch = inputs(B, T, D)
    found = []
    for library, module, t in ((tinytorch, ours, x), (torch, theirs, x_torch)):
        mask = library.nn.Transformer.generate_square_subsequent_mask(T, dtype=library.float64)
        padding = library.from_numpy(np.where(PADDING, -np.inf, 0.0))
        y = module(t, mask=mask, src_key_padding_mask=padding, is_causal=True)
        (y * y * y).sum().backward()
        found.append((y, t.grad, *(p.grad for p in module.parameters())))
    for mine, other in zip(*found):
        same(mine, other)


def test_refusals():
    nn = tinytorch.nn
    x = tinytorch.zeros(1, T, D)
    attention = nn.MultiheadAttention(D, H, batch_first=True)
    for kind, call, told in (
        (ValueError, lambda: nn.MultiheadAttention(D, 3), "multiple of"),
        (ValueError, lambda: attention(x, x, x, is_causal=True), "give attn_mask"),
        (TypeError, lambda: attention(x, x, x, attn_mask=x[0, :, :T].long()), "True = may not"),
        (ValueError, lambda: nn.TransformerEncoderLayer(D, H, activation="bend"), "'gelu'"),
        (ValueError, lambda: nn.MultiheadAttention(D, H, add_bias_kv=True), "leave them out"),
    ):
        with pytest.raises(kind, match=told):
            call()


def test_starts():
    init, g = tinytorch.nn.init, tinytorch.Generator(0)
    w = init.trunc_normal_(tinytorch.zeros(50, 40), std=2.0, a=-1, b=1, generator=g)
    assert w.abs().max().item() <= 1 and w.std().item() > 0.4
    for shape in ((3, 5), (5, 3), (3, 2, 2)):
        q = init.orthogonal_(tinytorch.zeros(shape), 2.0, g).flatten(1).numpy()
        small = q @ q.T if len(q) <= q.shape[1] else q.T @ q
        np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-5)
    assert init.eye_(tinytorch.zeros(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
