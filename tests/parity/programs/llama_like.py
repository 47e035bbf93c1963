# ruff: noqa: B007, F821
"""A decoder with rotary positions, RMS norms, grouped heads, a cache, and nucleus sampling."""

import math

import torch
import torch.nn.functional as F
from torch import nn


class RMSNorm(torch.nn.Module):
    def __init__(self, dim: int, eps: float = 1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def _norm(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)

    def forward(self, x):
        return self._norm(x.float()).type_as(x) * self.weight


def frequencies(dim, end, theta=10000.0):
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
    t = torch.arange(end, device=freqs.device)
    freqs = torch.outer(t, freqs).float()
    return torch.cos(freqs), torch.sin(freqs)


def rotate(x, cos, sin):
    x_r, x_i = x.float().reshape(x.shape[:-1] + (-1, 2)).unbind(-1)
    cos, sin = cos.view(1, cos.shape[0], 1, -1), sin.view(1, sin.shape[0], 1, -1)
    out_r = x_r * cos - x_i * sin
    out_i = x_r * sin + x_i * cos
    return torch.stack([out_r, out_i], dim=-1).flatten(3).type_as(x)


def rotate_half(x):
    x1, x2 = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
    return torch.cat((-x2, x1), dim=-1)


def repeat_kv(x: torch.Tensor, n_rep: int) -> torch.Tensor:
    bs, slen, heads, width = x.shape
    return (
        x[:, :, :, None, :]
        .expand(bs, slen, heads, n_rep, width)
        .reshape(bs, slen, heads * n_rep, width)
    )


class Attention(nn.Module):
    def __init__(self, dim, heads, kv_heads, max_len):
        super().__init__()
        self.heads, self.kv, self.width = heads, kv_heads, dim // heads
        self.wq = nn.Linear(dim, heads * self.width, bias=False)
        self.wk = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wv = nn.Linear(dim, kv_heads * self.width, bias=False)
        self.wo = nn.Linear(heads * self.width, dim, bias=False)
        self.register_buffer("cache_k", torch.zeros(2, max_len, kv_heads, self.width), False)
        self.register_buffer("cache_v", torch.zeros(2, max_len, kv_heads, self.width), False)

    def forward(self, x, start, cos, sin, mask: torch.Tensor | None, cached=False):
        B, T, _ = x.shape
        q, k, v = self.wq(x), self.wk(x), self.wv(x)
        q = rotate(q.view(B, T, self.heads, self.width), cos, sin)
        k = rotate(k.view(B, T, self.kv, self.width), cos, sin)
        v = v.view(B, T, self.kv, self.width)
        if cached:
            self.cache_k[:B, start : start + T] = k
            self.cache_v[:B, start : start + T] = v
            k, v = self.cache_k[:B, : start + T], self.cache_v[:B, : start + T]
        rep = self.heads // self.kv
        k, v = repeat_kv(k, rep), torch.repeat_interleave(v, rep, dim=2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        scores = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(self.width)
        if mask is not None:
            scores = scores + mask
        scores = F.softmax(scores.float(), dim=-1).type_as(q)
        out = torch.matmul(scores, v).transpose(1, 2).contiguous().view(B, T, -1)
        return self.wo(out)


class Block(nn.Module):
    def __init__(self, dim, heads, kv_heads, hidden, max_len):
        super().__init__()
        self.attention = Attention(dim, heads, kv_heads, max_len)
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)
        self.attention_norm, self.ffn_norm = RMSNorm(dim), nn.RMSNorm(dim, eps=1e-6)

    def forward(self, x, *args):
        h = x + self.attention(self.attention_norm(x), *args)
        n = self.ffn_norm(h)
        return h + self.w2(F.silu(self.w1(n)) * self.w3(n))


class Transformer(nn.Module):
    def __init__(self, vocab=11, dim=16, layers=2, heads=4, kv_heads=2, max_len=12):
        super().__init__()
        self.tok_embeddings = nn.Embedding(vocab, dim)
        self.layers = torch.nn.ModuleList()
        for _ in range(layers):
            self.layers.append(Block(dim, heads, kv_heads, 24, max_len))
        self.norm, self.output = RMSNorm(dim), nn.Linear(dim, vocab, bias=False)
        self.cos, self.sin = frequencies(dim // heads, max_len * 2)

    def forward(self, tokens, start=0, cached=False):
        _, T = tokens.shape
        h = self.tok_embeddings(tokens)
        cos, sin = self.cos[start : start + T], self.sin[start : start + T]
        mask = None
        if T > 1:
            mask = torch.full((T, T), float("-inf"), device=tokens.device)
            mask = torch.triu(mask, diagonal=1)
            mask = torch.hstack([torch.zeros((T, start)), mask]).type_as(h)
        for layer in self.layers:
            h = layer(h, start, cos, sin, mask, cached)
        return self.output(self.norm(h)).float()


def sample_top_p(probs, p):
    probs_sort, probs_idx = torch.sort(probs, dim=-1, descending=True)
    probs_sum = torch.cumsum(probs_sort, dim=-1)
    mask = probs_sum - probs_sort > p
    probs_sort[mask] = 0.0
    probs_sort.div_(probs_sort.sum(dim=-1, keepdim=True))
    next_token = torch.multinomial(probs_sort, num_samples=1)
    return torch.gather(probs_idx, -1, next_token)


losses = []
model = Transformer()
same_weights(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.1, eps=1e-8)
data = torch.arange(60) ** 2 % 11
for _step in range(6):
    x = torch.stack([data[i * 5 : i * 5 + 8] for i in range(2)])
    y = torch.stack([data[i * 5 + 1 : i * 5 + 9] for i in range(2)])
    logits = model(x)
    loss = F.cross_entropy(logits.transpose(1, 2), y)
    optimizer.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    optimizer.step()
    losses += [loss.item(), norm.item()]
with torch.inference_mode():
    full = model(x)
    pieces = torch.cat([model(x[:, :5], 0, True), model(x[:, 5:6], 5, True)], dim=1)
    assert torch.allclose(full[:, :6], pieces, atol=1e-5)
    probs = torch.softmax(full[:, -1] / 0.6, dim=-1)
    assert sample_top_p(probs, 0.9).shape == (2, 1)
    eos = torch.tensor([False, False])
    eos |= (~torch.tensor([True, False])) & (sample_top_p(probs, 1e-9).reshape(-1) >= 0)
    losses += [float(v) for v in eos] + sample_top_p(probs, 1e-9).flatten().tolist()
losses += rotate_half(torch.arange(8.0).view(2, 4)).flatten().tolist()
torch.testing.assert_close(full, full.clone())
