"""PyTorch's own transformer modules: names, shapes and masks as there, so that weights fit.

Their masks mean the opposite of the course's: True = may NOT attend. For learning, and for new
work, `nn.MultiHeadAttention` and `tinytorch.transformers` are the ones to read.
"""

import copy
import functools
import math

import numpy as np

from ..layers import Module, ModuleList
from ..tensor import float32, where, wrap, zeros
from . import functional as F
from .course import Dropout, LayerNorm, Linear, Parameter, made
from .init import xavier_uniform_


def as_added(mask, dtype):
    """A mask of PyTorch as numbers that are added to the scores: -inf where it is True."""
    if mask is None or mask.dtype.kind == "f":
        return mask
    if mask.dtype.kind != "b":
        raise TypeError(f"a mask is boolean, True = may not attend, or real; not {mask.dtype}")
    return where(mask, wrap(np.array(-np.inf, dtype)), wrap(np.array(0.0, dtype)))


def added_masks(mask, padding, shape, dtype):
    """Both masks as one that is added to scores of `shape`, (B, H, T, S), or None."""
    B, H, T, S = shape
    if mask is not None and mask.shape not in ((T, S), (B * H, T, S)):
        raise ValueError(f"attn_mask {mask.shape} should be {(T, S)} or {(B * H, T, S)}")
    if padding is not None and padding.shape != (B, S):
        raise ValueError(f"key_padding_mask of {padding.shape} should be (B, S) = {(B, S)}")
    mask, padding = as_added(mask, dtype), as_added(padding, dtype)
    if mask is not None and mask.ndim == 3:
        mask = mask.view(shape)
    if padding is None:
        return mask
    padding = padding.reshape(B, 1, 1, S)
    return padding if mask is None else mask + padding


def hinted(is_causal, mask, name):
    """Refuse is_causal without the mask that it speaks of: nothing would be hidden."""
    if is_causal and mask is None:
        raise ValueError(f"is_causal=True is a hint: give {name} as well")


def need_fitting(query, key, value):
    """Refuse batches of different sizes, which would broadcast, and keys without values."""
    if not query.shape[0] == key.shape[0] == value.shape[0] or key.shape[1] != value.shape[1]:
        shapes = " and ".join(str(t.shape) for t in (query, key, value))
        told = "query, key and value need one batch size, and a value for every key"
        raise ValueError(f"{told}, not (B, T, D) = {shapes}")


class MultiheadAttention(Module):
    """Several attentions side by side, with PyTorch's weights: query, key and value in one matrix.

    Args:
        embed_dim: D. num_heads: H, which divides D.
        dropout: the share of weights that are dropped while training.
        bias: whether the projections have one.
        add_bias_kv, add_zero_attn: False.
        kdim, vdim: the widths of keys and values, D unless given.
        batch_first: whether inputs are (B, T, D), else (T, B, D).

    Attributes:
        in_proj_weight: (3 D, D). in_proj_bias: (3 D,), or None. out_proj: a Linear.

    Raises:
        ValueError: embed_dim is not a multiple of num_heads.

    Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        embed_dim,
        num_heads,
        dropout=0.0,
        bias=True,
        add_bias_kv=False,
        add_zero_attn=False,
        kdim=None,
        vdim=None,
        batch_first=False,
        device=None,
        dtype=None,
    ):
        if add_bias_kv or add_zero_attn:
            raise ValueError("add_bias_kv and add_zero_attn are not supported: leave them out")
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim={embed_dim} should be a multiple of {num_heads=}")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.batch_first, self.head_dim = batch_first, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        if self.kdim == self.vdim == embed_dim:
            self.in_proj_weight = Parameter(xavier_uniform_(zeros(3 * embed_dim, embed_dim)))
        else:
            self.in_proj_weight = None
            self.q_proj_weight = Parameter(xavier_uniform_(zeros(embed_dim, embed_dim)))
            self.k_proj_weight = Parameter(xavier_uniform_(zeros(embed_dim, self.kdim)))
            self.v_proj_weight = Parameter(xavier_uniform_(zeros(embed_dim, self.vdim)))
        self.in_proj_bias = Parameter(zeros(3 * embed_dim)) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias)
        if bias:
            self.out_proj.bias.data.zero_()
        made(self, device, dtype)

    def forward(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights=True,
        attn_mask=None,
        average_attn_weights=True,
        is_causal=False,
    ):
        """Let the queries attend.

        Args:
            query, key, value: (T, B, D), (S, B, D), (S, B, D); B first with batch_first; or without
                a batch.
            key_padding_mask: (B, S), True = a key to leave out.
            attn_mask: (T, S) or (B * H, T, S), True = may not attend; or numbers to add.
            need_weights: give the weights as well, averaged over the heads unless told otherwise.
            is_causal: a hint beside attn_mask, which must be given.

        Returns:
            The result, of the shape of the query, and the weights (B, T, S), or None.
        """
        hinted(is_causal, attn_mask, "attn_mask")
        single = query.ndim == 2
        if single:
            query, key, value = (t.unsqueeze(0) for t in (query, key, value))
        elif not self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        need_fitting(query, key, value)
        q, k, v = self.projected(query, key, value)  # (B, H, T, d)
        shape = (*q.shape[:3], k.shape[2])  # of the scores: (B, H, T, S)
        if single and key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
        added, dropped = added_masks(attn_mask, key_padding_mask, shape, q.dtype), self.dropout
        if need_weights:
            scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]))
            weights = F.softmax(scores if added is None else scores + added, -1)
            weights = F.dropout(weights, dropped, self.training)
            mixed, weights = weights @ v, weights.mean(1) if average_attn_weights else weights
        else:
            share, weights = dropped if self.training else 0.0, None
            mixed = F.scaled_dot_product_attention(q, k, v, added, share)
        y = mixed.transpose(1, 2).reshape(query.shape)  # (B, H, T, d) -> (B, T, D)
        y = self.out_proj(y)
        if single:
            return y[0], weights if weights is None else weights[0]
        return (y if self.batch_first else y.transpose(0, 1)), weights

    def projected(self, *inputs):
        """Query, key and value by the three parts of the matrix, cut into heads: (B, H, T, d)."""
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        if self.in_proj_weight is None:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        else:
            weights = self.in_proj_weight.chunk(3)
        parts = zip(inputs, weights, biases)
        heads = (F.linear(x, weight, bias) for x, weight, bias in parts)
        return [h.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for h in heads]


def activation_of(activation):
    """The function that an activation names; ValueError for another name."""
    known = {"relu": F.relu, "gelu": F.gelu}
    if callable(activation):
        return activation
    if activation not in known:
        raise ValueError(f"activation is 'relu', 'gelu' or a function, not {activation!r}")
    return known[activation]


class TransformerEncoderLayer(Module):
    """Attention and a two-layer network, each with a residual path and a norm.

    Args:
        d_model, nhead: the width and the number of heads.
        dim_feedforward: the width in the middle.
        dropout: the share of numbers dropped while training.
        activation: "relu", "gelu", or a function.
        norm_first: norms before (as in GPT-2) instead of after (as in 2017).
        layer_norm_eps, batch_first, bias: as in the parts.

    Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        self.activation = activation_of(activation)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        made(self, device, dtype)

    def forward(self, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
        hinted(is_causal, src_mask, "src_mask")
        masks = src_mask, src_key_padding_mask
        if self.norm_first:
            src = src + self.attend(self.norm1(src), *masks)
            return src + self.feed(self.norm2(src))
        src = self.norm1(src + self.attend(src, *masks))
        return self.norm2(src + self.feed(src))

    def attend(self, x, mask, padding):
        """Attention of x to itself, and dropout."""
        return self.dropout1(self.self_attn(x, x, x, padding, False, mask)[0])

    def feed(self, x):
        """The two layers, and dropout."""
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Copies of a layer, one after the other.

    Args:
        encoder_layer: a `TransformerEncoderLayer`, which is copied.
        num_layers: how many copies. norm: a module for the result, or None.
    """

    def __init__(
        self, encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True
    ):
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(self, src, mask=None, src_key_padding_mask=None, is_causal=None):
        hinted(is_causal, mask, "mask")
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


class TransformerDecoderLayer(Module):
    """Attention to itself, attention to what an encoder made, and a two-layer network.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
        norm_first, bias: as for `TransformerEncoderLayer`.

    Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        d_model,
        nhead,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        self.activation, first = activation_of(activation), {"batch_first": batch_first}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, **first)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, bias, **first)
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1, self.norm2, self.norm3 = (
            LayerNorm(d_model, layer_norm_eps, bias=bias) for _ in range(3)
        )
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))
        made(self, device, dtype)

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=False,
        memory_is_causal=False,
    ):
        hinted(tgt_is_causal, tgt_mask, "tgt_mask")
        hinted(memory_is_causal, memory_mask, "memory_mask")
        own, other = (tgt_mask, tgt_key_padding_mask), (memory_mask, memory_key_padding_mask)
        if self.norm_first:
            tgt = tgt + self.attend(self.norm1(tgt), *own)
            tgt = tgt + self.look(self.norm2(tgt), memory, *other)
            return tgt + self.feed(self.norm3(tgt))
        tgt = self.norm1(tgt + self.attend(tgt, *own))
        tgt = self.norm2(tgt + self.look(tgt, memory, *other))
        return self.norm3(tgt + self.feed(tgt))

    def attend(self, x, mask, padding):
        """Attention of x to itself, and dropout."""
        return self.dropout1(self.self_attn(x, x, x, padding, False, mask)[0])

    def look(self, x, memory, mask, padding):
        """Attention of x to what the encoder made, and dropout."""
        return self.dropout2(self.multihead_attn(x, memory, memory, padding, False, mask)[0])

    def feed(self, x):
        """The two layers, and dropout."""
        return self.dropout3(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after the other.

    Args:
        decoder_layer: a `TransformerDecoderLayer`, which is copied.
        num_layers: how many copies. norm: a module for the result, or None.
    """

    def __init__(self, decoder_layer, num_layers, norm=None):
        self.layers = ModuleList([copy.deepcopy(decoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt,
        memory,
        tgt_mask=None,
        memory_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        tgt_is_causal=None,
        memory_is_causal=False,
    ):
        hinted(tgt_is_causal, tgt_mask, "tgt_mask")
        hinted(memory_is_causal, memory_mask, "memory_mask")
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        for layer in self.layers:
            tgt = layer(tgt, memory, *masks)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """Encoder and decoder, as PyTorch has them: (T, B, D) and (S, B, D) -> (S, B, D).

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
        norm_first, bias: as for the layers.
        num_encoder_layers, num_decoder_layers: how many of them.
        custom_encoder, custom_decoder: modules to take instead.

    Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        d_model=512,
        nhead=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        dim_feedforward=2048,
        dropout=0.1,
        activation="relu",
        custom_encoder=None,
        custom_decoder=None,
        layer_norm_eps=1e-5,
        batch_first=False,
        norm_first=False,
        bias=True,
        device=None,
        dtype=None,
    ):
        form = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first
        form, self.d_model, self.nhead = (*form, norm_first, bias), d_model, nhead
        self.batch_first = batch_first
        norm = functools.partial(LayerNorm, d_model, layer_norm_eps, bias=bias)
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*form), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*form), num_decoder_layers, norm()
        )
        for p in self.parameters():
            if p.ndim > 1:
                xavier_uniform_(p)
        made(self, device, dtype)

    def forward(
        self,
        src,
        tgt,
        src_mask=None,
        tgt_mask=None,
        memory_mask=None,
        src_key_padding_mask=None,
        tgt_key_padding_mask=None,
        memory_key_padding_mask=None,
        src_is_causal=None,
        tgt_is_causal=None,
        memory_is_causal=False,
    ):
        hinted(src_is_causal, src_mask, "src_mask")
        hinted(tgt_is_causal, tgt_mask, "tgt_mask")
        hinted(memory_is_causal, memory_mask, "memory_mask")
        memory = self.encoder(src, src_mask, src_key_padding_mask)
        masks = tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask
        return self.decoder(tgt, memory, *masks)

    @staticmethod
    def generate_square_subsequent_mask(sz, device=None, dtype=float32):
        """(sz, sz): -inf where a token would look ahead, else 0; to be added to scores."""
        return wrap(np.triu(np.full((sz, sz), -np.inf), 1).astype(dtype or float32))
