# Written by tito export from modules/12_attention/attention.ipynb.
# Edit the notebook, not this file.

"""A soft dictionary: every token asks, and gets a mix of the answers by how well they fit."""

__all__ = [
    "causal_mask",
    "combine_masks",
    "softmax_rows",
    "exponentials",
    "thinned",
    "turned",
    "permitted",
    "scaled_dot_product_attention",
    "attention_weights",
    "scaled_dot_product_attention_rule",
    "head_width",
    "split_heads",
    "split_heads_rule",
    "merge_heads",
    "merge_heads_rule",
    "layers_in",
    "in_heads",
    "in_heads_rule",
    "mask_for_heads",
    "MultiHeadAttention",
]


# %% imports
import math

import numpy as np

from . import messages
from .autograd import rule, some_ones
from .blocks import boolean, fits, in_blocks, rule_in_blocks, scores_shape
from .layers import Dropout, Linear, Module, linear
from .tensor import RULES, ones, primitive, wrap


# %% causal_mask
def causal_mask(length, source_length=None):
    """mask[t, s] = s <= t + (S - T): a position may look at itself and at what came before.

    The last query stands at the last key; PyTorch calls this alignment `causal_lower_right`.

    Args:
        length: T, how many queries.
        source_length: S, how many keys; as many as queries unless given.

    Returns:
        A boolean Tensor (T, S), True = may attend. If T > S, the first T - S rows are all False.

    >>> causal_mask(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    source_length = length if source_length is None else source_length
    position = np.arange(length)[:, None] + (source_length - length)  # (T, 1): where a query stands
    return wrap(np.arange(source_length) <= position)


# %% combine_masks
def combine_masks(padding, causal=None):
    """mask[b, 0, t, s] = padding[b, s] and causal[t, s].

    Args:
        padding: boolean Tensor (B, S), True = key s of sentence b is a real token.
        causal: boolean Tensor (T, S), or anything that broadcasts to (B, H, T, S); None = all True.

    Returns:
        A boolean Tensor (B, 1, T, S), or (B, 1, 1, S) if there is no causal mask.

    >>> from tinytorch.tensor import Tensor
    >>> combine_masks(Tensor([[True, True, False]]), causal_mask(2, 3)).shape
    (1, 1, 2, 3)
    """
    padding = padding[:, None, None, :]  # (B, S) -> (B, 1, 1, S)
    return padding if causal is None else padding & causal


# %% attention-given
def softmax_rows(scores):
    """softmax along the last dimension; a row of -inf gives zeros. It may write into `scores`.

    The largest of a row is taken off only where scores are too large, or too small, for exp.

    >>> softmax_rows(np.array([[0.0, 0.0], [-np.inf, 0.0], [-np.inf, -np.inf]]))
    array([[0.5, 0.5],
           [0. , 1. ],
           [0. , 0. ]])
    """
    small = scores.max(initial=0) < 60  # exp(60) is 1e26, and a float32 goes up to 3e38
    weights, sums = exponentials(scores) if small else (None, np.zeros(1))
    if sums.min(initial=1) < 1e-20:  # a row with all scores below -46, or an empty one
        lowest = float(np.finfo(scores.dtype).min)  # finite: -inf minus it is -inf, not nan
        scores -= scores.max(axis=-1, keepdims=True, initial=lowest)
        weights, sums = exponentials(scores)
        sums[sums == 0] = 1
    weights *= 1 / sums
    return weights


def exponentials(scores):
    """exp(scores), and their sum in every row (..., 1): a product with ones is a sum."""
    weights = np.exp(scores)
    return weights, (weights @ some_ones(scores.shape[-1], scores.dtype))[..., None]


def thinned(weights, dropout):
    """weights * dropout, or the weights as they are if nothing is dropped (None)."""
    return weights if dropout is None else weights * dropout


def turned(x, rows):
    """x with its last two dimensions swapped; a copy if many rows are multiplied with it.

    `@` takes a copy, laid out anew, faster than a view; for few rows copying would take longer.
    """
    view = x.swapaxes(-1, -2)
    return view.copy() if rows >= 64 else view


def permitted(shape, mask=None, is_causal=False):
    """The mask for scores of `shape` (..., T, S) as one boolean array; None if all is allowed."""
    if mask is not None and not fits(boolean(mask).shape, shape):
        told = f"mask {mask.shape} does not fit the scores, (..., T, S) = {shape}"
        raise ValueError(f"{told}: if it is padding, use padding= or combine_masks")
    if not is_causal:
        return mask
    causal = causal_mask(*shape[-2:]).array
    return causal if mask is None else mask & causal


# %% scaled_dot_product_attention
@primitive
@in_blocks
def scaled_dot_product_attention(
    query, key, value, mask=None, is_causal=False, dropout=None, scale=None
):
    """softmax(query @ key^T * scale) @ value, where the mask allows; scale = 1 / sqrt(d).

    Args:
        query: (..., T, d), what is looked for.
        key: (..., S, d), by what it can be found.
        value: (..., S, dv), what is handed over.
        mask: boolean, broadcasts to (..., T, S), True = may attend; None = all may.
        is_causal: no query looks ahead, see `causal_mask`; a mask may be given as well.
        dropout: factors for the weights, 0 or 1 / (1 - p), broadcasts to (..., T, S); or None.
        scale: a Python number instead of 1 / sqrt(d).

    Returns:
        (..., T, dv): a mix of the values for every query; zeros for one that may attend to nothing.

    Raises:
        ValueError: the shapes do not fit together, or the mask does not fit the scores.
        TypeError: the mask is not boolean.

    Source: Vaswani et al. 2017, "Attention Is All You Need"; attention: Bahdanau et al. 2014.

    >>> from tinytorch.tensor import Tensor
    >>> query, key = Tensor([[0.0, 0.0]]), Tensor([[3.0, 1.0], [5.0, 2.0]])
    >>> scaled_dot_product_attention(query, key, Tensor([[10.0], [20.0]]))
    tensor([[15.]])
    """
    mask = permitted(scores_shape(query, key, value, scale), mask, is_causal)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    scores = (query * scale) @ turned(key, query.shape[-2])  # (..., T, d) @ (..., d, S)
    if mask is not None:
        scores += np.where(mask, 0, -np.inf).astype(scores.dtype)
    weights = softmax_rows(scores)
    mixed = thinned(weights, dropout) @ value  # (..., T, S) @ (..., S, dv) -> (..., T, dv)
    return mixed, (weights, scale)


# %% attention_weights
def attention_weights(query, key, mask=None, is_causal=False, scale=None):
    """The weights (..., T, S) with which `scaled_dot_product_attention` mixes, before dropout.

    Args:
        query, key, mask, is_causal, scale: as there.

    >>> from tinytorch.tensor import Tensor
    >>> attention_weights(Tensor([[0.0], [0.0]]), Tensor([[1.0], [2.0]]), is_causal=True)
    tensor([[1. , 0. ],
            [0.5, 0.5]])
    """
    identity = wrap(np.eye(key.shape[-2], dtype=key.dtype))  # value j: 1 at place j, else 0
    return scaled_dot_product_attention(query, key, identity, mask, is_causal, None, scale)


# %% scaled_dot_product_attention_rule
@rule
@rule_in_blocks
def scaled_dot_product_attention_rule(g, query, key, value, dropout, note):
    """The gradients of query, key and value, from g, the gradient of the mix.

    g_scores = W * (g_W - sum(g_W * W)), and from there as for two matrix products.

    Args:
        g: (..., T, dv).
        query, key, value, dropout: what the primitive got, arrays or (dropout) None.
        note: what it left: the weights (..., T, S) before dropout, and the scale.

    Returns:
        Three arrays, of the shapes of query, key and value (before broadcasting is undone).

    Source: by hand, from the formulas of Vaswani et al. 2017.

    >>> from tinytorch.tensor import Tensor
    >>> value = Tensor([[10.0], [20.0]], requires_grad=True)
    >>> scaled_dot_product_attention(Tensor([[0.0]]), Tensor([[3.0], [5.0]]), value).backward()
    >>> value.grad
    tensor([[0.5],
            [0.5]])
    """
    weights, scale = note
    g_value = thinned(weights, dropout).swapaxes(-1, -2) @ g  # (..., S, T) @ (..., T, dv)
    g_weights = g @ turned(value, g.shape[-2])  # (..., T, dv) @ (..., dv, S) -> (..., T, S)
    g_scores = thinned(g_weights, dropout)  # in place from here on
    g_scores -= np.vecdot(g_scores, weights)[..., None]
    g_scores *= weights
    return scale * (g_scores @ key), g_scores.swapaxes(-1, -2) @ (scale * query), g_value


# %% split_heads
def head_width(embed_dim, num_heads):
    """embed_dim / num_heads, refused if it is not a whole number."""
    if num_heads < 1 or embed_dim % num_heads:
        raise ValueError(f"embed_dim={embed_dim} should be a multiple of num_heads={num_heads}")
    return embed_dim // num_heads


@primitive
def split_heads(x, num_heads):
    """heads[b, h, t] = x[b, t, h * D/H : (h + 1) * D/H]: every head gets a slice of every token.

    Args:
        x: (B, T, D).
        num_heads: H, which divides D.

    Returns:
        (B, H, T, D/H), a view.

    Raises:
        ValueError: x has not three dimensions, or H does not divide D.

    Source: Vaswani et al. 2017.

    >>> from tinytorch.tensor import Tensor
    >>> split_heads(Tensor([[[1.0, 2.0, 3.0, 4.0]]]), 2)
    tensor([[[[1., 2.]],
    <BLANKLINE>
             [[3., 4.]]]])
    """
    if x.ndim != 3:
        raise ValueError(f"takes (B, T, D), and the shape is {x.shape}")
    B, T, D = x.shape
    width = head_width(D, num_heads)
    return x.reshape(B, T, num_heads, width).swapaxes(1, 2)  # (B, T, H, D/H) -> (B, H, T, D/H)


@rule
def split_heads_rule(g, x_shape):
    """The slices of each token side by side again."""
    return g.swapaxes(1, 2).reshape(x_shape)  # (B, H, T, D/H) -> (B, T, H, D/H) -> (B, T, D)


# %% merge_heads
@primitive
def merge_heads(x):
    """The inverse of `split_heads`: the slices of each token side by side again.

    Args:
        x: (B, H, T, D/H).

    Returns:
        (B, T, D).

    Raises:
        ValueError: x has not four dimensions.

    >>> from tinytorch.tensor import Tensor
    >>> merge_heads(Tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]]))
    tensor([[[1., 2., 3., 4.]]])
    """
    if x.ndim != 4:
        raise ValueError(f"takes (B, H, T, D/H), and the shape is {x.shape}")
    B, H, T, width = x.shape
    return x.swapaxes(1, 2).reshape(B, T, H * width)  # (B, T, H, D/H) -> (B, T, D)


@rule
def merge_heads_rule(g, x_shape):
    """Every head gets its slice of every token."""
    B, H, T, width = x_shape
    return g.reshape(B, T, H, width).swapaxes(1, 2)


# %% in-heads
def layers_in(tensors):
    """(x, K weights, and K biases or none) as x, the weights in one array, and the biases in one.

    The weights are the matrices among them, and K is how many there are.
    """
    x, *others = tensors
    weights = [array for array in others if array.ndim == 2]
    biases = others[len(weights) :]
    return x, np.concatenate(weights), np.concatenate(biases) if biases else None


@primitive(several=True)
def in_heads(tensors, num_heads):
    """heads[k] = split_heads(linear(x, weights[k], biases[k]), num_heads), in one product.

    Args:
        tensors: x (B, T, D), then K weights (D, D), and K biases (D,) unless there are none.
        num_heads: H, which divides D.

    Returns:
        K Tensors (B, H, T, D/H).

    Raises:
        ValueError, TypeError: as `linear` and `split_heads`.
    """
    x, weights, biases = layers_in(tensors)
    rows, width = linear.on_arrays(x, weights, biases), x.shape[-1]  # (B, T, D) -> (B, T, K * D)
    starts = range(0, rows.shape[-1], width)
    return [split_heads.on_arrays(rows[..., at : at + width], num_heads) for at in starts]


@rule
def in_heads_rule(g, tensors, needs):
    """As for one large linear layer; then each layer gets its share."""
    x, weights, biases = layers_in(tensors)
    B, H, T, width = g[0].shape
    rows = np.empty((B, T, len(g), H, width), g[0].dtype)
    for k, part in enumerate(g):  # np.stack does the same, in twice the time
        rows[:, :, k] = part.swapaxes(1, 2)  # (B, H, T, D/H) -> (B, T, H, D/H)
    rows, needs = rows.reshape(B, T, -1), (needs[0], True, True)  # (B, T, K * D)
    g_x, g_weights, g_biases = RULES["linear"](rows, x, weights, needs)
    shares = g_weights.reshape(len(g), -1, x.shape[-1])  # (K * D, D) -> (K, D, D)
    return (g_x, *shares, *(() if biases is None else g_biases.reshape(len(g), -1)))


# %% multi_head_attention
def mask_for_heads(mask, padding, shape):
    """A mask and a padding mask as one that broadcasts to `shape`, (B, H, T, S); None if all may.

    Args:
        mask: None, or boolean (T, S), (B, T, S) or (B, H, T, S).
        padding: None, or boolean (B, S).
    """
    B, H, T, S = shape
    if mask is not None:
        messages.doubt(boolean(mask))
    if mask is not None and mask.ndim == 3:
        mask = mask[:, None]  # (B, T, S) -> (B, 1, T, S)
    mask = permitted(shape, mask)
    if padding is None:
        return mask
    if boolean(padding, "padding").shape != (B, S):
        raise ValueError(f"padding of shape {padding.shape} should be (B, S) = {(B, S)}")
    return combine_masks(padding, mask)


class MultiHeadAttention(Module):
    """Several attentions side by side, each on its slice of the width.

    output = merge(attention(split(x Wq), split(source Wk), split(source Wv))) Wo

    Args:
        embed_dim: D, the width of the tokens.
        num_heads: H, which divides D.
        dropout: the share of weights that are dropped while training.
        bias: whether the four layers have a bias.

    Raises:
        ValueError: embed_dim is not a multiple of num_heads; names both.

    Source: Vaswani et al. 2017.

    >>> from tinytorch.tensor import ones
    >>> attention = MultiHeadAttention(embed_dim=8, num_heads=2)
    >>> output, weights = attention(ones(1, 3, 8), source=ones(1, 5, 8), return_weights=True)
    >>> output.shape, weights.shape
    ((1, 3, 8), (1, 2, 3, 5))
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, bias=True):
        head_width(embed_dim, num_heads)  # refuses what cannot be split
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.query = Linear(embed_dim, embed_dim, bias)
        self.key = Linear(embed_dim, embed_dim, bias)
        self.value = Linear(embed_dim, embed_dim, bias)
        self.output = Linear(embed_dim, embed_dim, bias)
        self.dropout = Dropout(dropout)

    def forward(
        self, x, source=None, mask=None, padding=None, is_causal=False, return_weights=False
    ):
        """Let every token of x attend to the tokens of the source.

        Args:
            x: (B, T, D), the tokens that ask.
            source: (B, S, D), the tokens that answer; x itself unless given.
            mask: boolean (T, S), (B, T, S) or (B, H, T, S), True = may attend.
            padding: boolean (B, S), True = a real token of the source.
            is_causal: no token looks ahead, see `causal_mask`.
            return_weights: give the weights as well.

        Returns:
            (B, T, D); with return_weights a pair, that and the weights (B, H, T, S) before dropout.

        Raises:
            ValueError, TypeError: an input does not fit; the message says which, and how.
        """
        source = x if source is None else source
        shape = self._scores_shape(x, source)
        mask = mask_for_heads(mask, padding, shape)
        dropping = self.dropout.training and self.dropout.p
        dropout = self.dropout(ones(shape, dtype=x.dtype)) if dropping else None
        layers = (self.query, x), (self.key, source), (self.value, source)
        query, key, value = self.heads(*layers)  # (B, T, D) -> (B, H, T, D/H)
        mixed = scaled_dot_product_attention(query, key, value, mask, is_causal, dropout)
        output = self.output(merge_heads(mixed))  # (B, H, T, D/H) -> (B, T, D)
        if return_weights:
            return output, attention_weights(query, key, mask, is_causal)
        return output

    def heads(self, *layers):
        """For each pair (layer, tokens) the layer's result, split into heads: (B, H, T, D/H).

        Linear layers that read the same tokens are computed in one product, see `in_heads`.
        """
        modules, (first, *others) = zip(*layers)
        if any(other is not first for other in others):
            return [*self.heads(layers[0]), *self.heads(*layers[1:])]
        biases = [layer.bias for layer in modules if getattr(layer, "bias", None) is not None]
        changed = [layer for layer in modules if layer.forward_hooks or "forward" in vars(layer)]
        plain = not changed and all(type(layer) is Linear for layer in modules)
        if plain and len(biases) in (0, len(layers)):
            return in_heads((first, *[layer.weight for layer in modules], *biases), self.num_heads)
        return [split_heads(layer(tokens), self.num_heads) for layer, tokens in layers]

    def _scores_shape(self, x, source):
        """(B, H, T, S), after a look at the inputs."""
        for name, tensor in (("x", x), ("source", source)):
            if tensor.ndim != 3 or tensor.shape[2] != self.embed_dim:
                raise ValueError(messages.tokens(name, tensor.shape, self.embed_dim))
        if len(x) != len(source):
            raise ValueError(f"x is a batch of {len(x)}, source of {len(source)}: they must agree")
        return (x.shape[0], self.num_heads, x.shape[1], source.shape[1])
