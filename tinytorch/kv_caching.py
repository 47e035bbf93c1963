# Written by tito export from modules/14_kv_caching/kv_caching.ipynb.
# Edit the notebook, not this file.

"""What was read once need not be read again."""

__all__ = [
    "cache_bytes",
    "KVCache",
    "attend_last",
    "known",
    "known_function",
    "without_mean",
    "PlainLinear",
    "PlainNorm",
    "rows_to_heads",
    "last_rows",
    "heads_to_rows",
    "CachedBlock",
    "embed_at",
    "CachedGPT",
    "unread",
    "CachedText",
    "cached_tokens",
    "stream_cached",
    "generate_cached",
]


# %% imports
import functools
import math

import numpy as np

from . import messages
from .activations import softmax
from .attention import (
    MultiHeadAttention,
    causal_mask,  # noqa: F401 - for an attend_last by hand
    scaled_dot_product_attention,
)
from .autograd import no_grad
from .embeddings import (
    Embedding,
    PositionalEmbedding,
    TokenAndPosition,
    at_least,
    check_lookup,
)
from .generation import computes_as, settings_for, written_by
from .layers import Dropout, Linear
from .tensor import float32, wrap
from .transformers import (
    GPT,
    MLP,
    LayerNorm,
    TransformerBlock,
    adjusted,
    beam_search,
    pick_next,
    prompt_array,
)


# %% cache_bytes
def cache_bytes(num_layers, num_heads, head_width, length, batch=1, itemsize=4):
    """2 * num_layers * num_heads * head_width * length * batch * itemsize: what a cache weighs.

    Args:
        num_layers: L, the blocks of the model.
        num_heads: heads that have keys and values of their own.
        head_width: numbers in a key, embed_dim / num_heads in the models of this course.
        length: places that are kept for each text.
        batch: texts at a time.
        itemsize: bytes of a number: 4 in float32, 2 in float16.

    Returns:
        Bytes, a whole number.

    Source: Pope et al. 2022; Kwon et al. 2023 count the same for OPT-13B, 800 KB per token.

    >>> cache_bytes(num_layers=12, num_heads=12, head_width=64, length=1)  # GPT-2, one token
    73728
    """
    return 2 * num_layers * num_heads * head_width * length * batch * itemsize


# %% cache
class KVCache:
    """Keys and values of all places read so far, for every layer, in arrays that are made once.

    Args:
        num_layers, batch, num_heads: L, B, H.
        max_length: how many places there is room for.
        head_width: numbers in a key or a value, d.
        dtype: of keys and values.

    Attributes:
        keys, values: arrays (L, B, H, max_length, d); what is beyond `length` means nothing.
        length: how many places all layers have filled.
        batch, max_length: as given.

    Raises:
        ValueError: a size is not a whole number of at least 1.

    >>> cache = KVCache(num_layers=3, batch=1, num_heads=4, max_length=512, head_width=16)
    >>> cache.length, cache.bytes
    (0, 786432)
    """

    def __init__(self, num_layers, batch, num_heads, max_length, head_width, dtype=float32):
        at_least(1, num_layers=num_layers, batch=batch, num_heads=num_heads)
        at_least(1, max_length=max_length, head_width=head_width)
        shape = (num_layers, batch, num_heads, max_length, head_width)
        self.keys, self.values = np.zeros(shape, dtype), np.zeros(shape, dtype)
        self.batch, self.max_length, self.length = batch, max_length, 0

    @property
    def bytes(self):
        """The size of both arrays, filled or not."""
        return self.keys.nbytes + self.values.nbytes

    __repr__ = messages.cache

    def clear(self):
        """Forget all places; the arrays stay and are written over."""
        self.length = 0

    def select(self, rows):
        """From now on text i continues what was text rows[i]: what beams need (see the end).

        Args:
            rows: array (N,) of numbers of texts; N may differ from the batch so far.

        >>> cache = KVCache(num_layers=1, batch=2, num_heads=1, max_length=4, head_width=2)
        >>> cache.select(np.array([1, 1, 0]))
        >>> cache.batch, cache.keys.shape
        (3, (1, 3, 1, 4, 2))
        """
        if np.array_equal(rows, np.arange(self.batch)):
            return
        for name in ("keys", "values"):
            old = getattr(self, name)
            filled = old[:, rows, :, : self.length]  # a copy
            if len(rows) != self.batch:
                old = np.zeros((old.shape[0], len(rows), *old.shape[2:]), old.dtype)
                setattr(self, name, old)
            old[:, :, :, : self.length] = filled
        self.batch = len(rows)

    def end_after(self, count):
        """The length with `count` more places.

        Raises:
            ValueError: there is no room for them; names the numbers.
        """
        end = self.length + count
        if end > self.max_length:
            told = f"{count} new places behind {self.length} exceed max_length={self.max_length}"
            raise ValueError(f"{told}: clear the cache and read the end of the text again")
        return end

    def append(self, layer, key, value):
        """Write new keys and values behind the filled places of one layer; `length` stays.

        Args:
            layer: which layer, from 0.
            key, value: arrays (B, H, T, d), of T new places.

        Returns:
            keys, values: the filled places and the new ones, views (B, H, length + T, d).

        Raises:
            ValueError: there is no room for T more places.

        >>> cache = KVCache(num_layers=1, batch=1, num_heads=1, max_length=4, head_width=2)
        >>> keys, values = cache.append(0, np.ones((1, 1, 3, 2)), np.ones((1, 1, 3, 2)))
        >>> keys.shape, cache.length
        ((1, 1, 3, 2), 0)
        """
        end = self.end_after(key.shape[2])
        self.keys[layer, :, :, self.length : end] = key
        self.values[layer, :, :, self.length : end] = value
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]


# %% attend_last
def attend_last(query, keys, values):
    """softmax(query @ keys^T / sqrt(d)) @ values, where the T queries stand at the last T places.

    New query t may see the keys 0 to S - T + t; a single query sees all, and needs no mask.

    Args:
        query: array (B, H, T, d).
        keys, values: arrays (B, H, S, d), S >= T, the places of the queries last.

    Returns:
        Array (B, H, T, d), the dtype of the query.

    Source: Vaswani et al. 2017.

    >>> query, keys = np.zeros((1, 1, 2, 1)), np.zeros((1, 1, 3, 1))
    >>> attend_last(query, keys, np.array([[[[10.0], [20.0], [60.0]]]]))[0, 0]
    array([[15.],
           [30.]])
    """
    T, d = query.shape[2:]
    if T > 1:
        mixed, _ = scaled_dot_product_attention.on_arrays(query, keys, values, None, True)
        return mixed
    scores = (query * (1 / math.sqrt(d))) @ keys.swapaxes(-1, -2)  # (B, H, 1, S)
    return softmax.on_arrays(scores, -1) @ values  # (B, H, 1, S) @ (B, H, S, d)


# %% plain
def known(module, kind):
    """The module itself, if it computes what a `kind` does; anything else is refused.

    Raises:
        TypeError: it has another `forward`, or a hook.
    """
    if not computes_as(module, kind):
        told = f"a cache reads the weights of the course's own GPT: {type(module).__name__} stands"
        raise TypeError(f"{told} where {kind.__name__} was expected; use transformers.generate")
    return module


def known_function(function):
    """An activation as a function on arrays; one that is no primitive is refused."""
    if not hasattr(function, "on_arrays"):
        told = f"a cache takes activations like gelu and relu, not {function!r:.40}"
        raise TypeError(f"{told}; use transformers.generate")
    return function.on_arrays


def without_mean(rows):
    """Every row (..., D) minus its mean: what a norm does first, done to a table or to weights.

    >>> without_mean(np.array([[9.0, 1.0, 3.0, 3.0]]))
    array([[ 5., -3., -1., -1.]])
    """
    return rows - rows.mean(axis=-1, keepdims=True)


class PlainLinear:
    """x @ weight + bias on arrays; several Linear layers that read the same x become one.

    Args:
        layers: Linear layers with as many inputs each.
        after: a LayerNorm in front of them: its last step, `n * weight + bias`, is taken over.
        centered: whether to take the mean out of every result, for the norm that follows.

    Attributes:
        weight: (in, out), all outputs side by side; a copy. bias: (1, out).

    >>> both = PlainLinear(Linear(4, 3), Linear(4, 5))
    >>> both(np.ones((2, 4), dtype=np.float32)).shape
    (2, 8)
    """

    def __init__(self, *layers, after=None, centered=False):
        weights = [known(layer, Linear).weight.array for layer in layers]  # (out, in) each
        biases = [0 if layer.bias is None else layer.bias.array for layer in layers]
        biases = [bias + np.zeros_like(weight[:, 0]) for bias, weight in zip(biases, weights)]
        self.weight = np.ascontiguousarray(np.concatenate(weights).T)
        self.bias = np.concatenate(biases)[None]  # a row, of the shape of one result
        if after is not None:  # (n * w + b) @ W + c = n @ (w * W) + (b @ W + c)
            self.bias += after.bias.array @ self.weight
            self.weight *= after.weight.array[:, None]
        if centered:
            self.weight, self.bias = without_mean(self.weight), without_mean(self.bias)

    def __call__(self, x):
        """(N, in) -> (N, out)."""
        y = x.dot(self.weight)
        y += self.bias
        return y


class PlainNorm:
    """(x - mean) / sqrt(variance + eps) * weight + bias on arrays, for every row.

    Args:
        norm: a LayerNorm.
        folded: True leaves only x / sqrt(mean of x^2 + eps): the mean was taken out by those who
            wrote x (`centered`), and weight and bias are with those who read it (`after`).

    >>> PlainNorm(LayerNorm(4))(np.array([[9.0, 1.0, 3.0, 3.0]])).round(4)
    array([[ 1.6667, -1.    , -0.3333, -0.3333]])
    """

    def __init__(self, norm, folded=False):
        weight, bias = known(norm, LayerNorm).weight.array, norm.bias.array
        self.weight, self.bias = weight[None].copy(), bias[None].copy()  # rows (1, D)
        self.averages = np.full((len(weight), 1), 1 / len(weight), weight.dtype)
        self.eps, self.folded = norm.eps, folded

    def __call__(self, x):
        """(N, D) -> (N, D)."""
        if not self.folded:
            x = x - x.dot(self.averages)  # (N, D) - (N, 1)
        normal = x / self.deviation(x)
        return normal if self.folded else normal * self.weight + self.bias

    def deviation(self, x):
        """sqrt(mean of x^2 + eps) of every row, (N, 1); for a single row one Python number."""
        if len(x) == 1:
            return math.sqrt(np.vdot(x, x) / x.size + self.eps)
        return np.sqrt((x * x).dot(self.averages) + self.eps)


def rows_to_heads(rows, batch, num_heads):
    """Query, key and value side by side in rows (B * T, 3 D) -> an array (3, B, H, T, D / H)."""
    count, width = rows.shape
    split = rows.reshape(batch, count // batch, 3, num_heads, width // (3 * num_heads))
    return split.transpose(2, 0, 3, 1, 4)  # (B, T, 3, H, d) -> (3, B, H, T, d), a view


def last_rows(rows, batch):
    """Of rows (B * T, D) the last one of each of B texts: (B, D)."""
    return rows.reshape(batch, -1, rows.shape[1])[:, -1]


def heads_to_rows(heads):
    """(B, H, T, d) -> rows (B * T, H d), the heads of a token side by side."""
    B, H, T, d = heads.shape
    return heads.swapaxes(1, 2).reshape(B * T, H * d)


# %% block
class CachedBlock:
    """A TransformerBlock on arrays, for new tokens only; keys and values go through a cache.

    Call it under `no_grad`, as `CachedGPT.read` does: gelu would make notes otherwise.

    Args:
        block: a TransformerBlock; its weights are copied.
        folded: whether the linear steps of its norms move into the layers before and after; for
            a model with pre-norm alone.

    Raises:
        TypeError: a part of it is not the course's own.
    """

    def __init__(self, block, folded=False):
        attention = known(known(block, TransformerBlock).attention, MultiHeadAttention)
        mlp, parts = known(block.mlp, MLP), (attention.query, attention.key, attention.value)
        known(attention.dropout, Dropout), known(block.dropout, Dropout)
        norm1, norm2 = (block.norm1, block.norm2) if folded else (None, None)
        self.norm_first, self.num_heads = block.norm_first, attention.num_heads
        self.norm1, self.norm2 = PlainNorm(block.norm1, folded), PlainNorm(block.norm2, folded)
        self.query_key_value = PlainLinear(*parts, after=norm1)
        self.output = PlainLinear(attention.output, centered=folded)
        self.widen = PlainLinear(mlp.widen, after=norm2)
        self.narrow = PlainLinear(mlp.narrow, centered=folded)
        self.activation = known_function(mlp.activation)

    def attend(self, x, layer, cache, last=False):
        """Attention of the new tokens to all tokens so far, themselves included.

        Args:
            x: rows (B * T, D), the new tokens; T rows of a text follow one another.
            layer: the number of this block, from 0.
            cache: KVCache for B texts; this layer's part of it gets the new keys and values.
            last: whether only the last token of each text asks.

        Returns:
            Rows (B * T, D); with `last` (B, D).

        >>> block = CachedBlock(TransformerBlock(8, 2))
        >>> cache = KVCache(num_layers=1, batch=1, num_heads=2, max_length=5, head_width=4)
        >>> block.attend(np.ones((3, 8), dtype=np.float32), 0, cache).shape
        (3, 8)
        """
        query, key, value = rows_to_heads(self.query_key_value(x), cache.batch, self.num_heads)
        if last:
            query = query[:, :, -1:]
        keys, values = cache.append(layer, key, value)  # (B, H, T, d) -> (B, H, S, d)
        mixed = attend_last(query, keys, values)  # (B, H, T, d)
        return self.output(heads_to_rows(mixed))

    def think(self, x):
        """The MLP: rows (N, D) -> rows (N, D)."""
        wide = self.widen(x)  # (N, 4 D)
        return self.narrow(self.activation(wide))

    def __call__(self, x, layer, cache, last=False):
        """Rows (B * T, D) -> rows (B * T, D), or with `last` (B, D); see `attend`."""
        rows = last_rows(x, cache.batch) if last else x  # those that go on
        if self.norm_first:
            x = rows + self.attend(self.norm1(x), layer, cache, last)
            return x + self.think(self.norm2(x))
        x = self.norm1(rows + self.attend(x, layer, cache, last))
        return self.norm2(x + self.think(x))


# %% embed_at
def embed_at(tokens, positions, ids, start):
    """x[b, t] = tokens[ids[b, t]] + positions[start + t]: new token t stands at place start + t.

    Args:
        tokens: array (V, D), a row for every id.
        positions: array (max_length, D), a row for every place.
        ids: array (B, T) of whole numbers from 0 to V - 1.
        start: how many tokens stand before the first of them; start + T <= max_length.

    Returns:
        Array (B, T, D).

    >>> tokens, positions = np.array([[1.0], [2.0], [3.0]]), np.arange(0.0, 500.0, 100.0)[:, None]
    >>> embed_at(tokens, positions, np.array([[2, 0, 0]]), start=1)[0, :, 0]
    array([103., 201., 301.])
    """
    T = ids.shape[1]
    return tokens.take(ids, axis=0) + positions[start : start + T]  # (B, T, D) + (T, D)


# %% gpt
class CachedGPT:
    """A snapshot of a GPT that reads new tokens only: what was read before stands in a cache.

    Dropout is off, whatever mode the model is in, and nothing is recorded. Weights are copied:
    after more training, make a new one.

    Args:
        model: a GPT of `transformers`, pre-norm or post-norm.

    Attributes:
        max_length: the context of the model.

    Raises:
        TypeError: the model, or a part of it, computes something else than a GPT does.
        ValueError: a part of the model has a forward hook, which would not be called.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=6)
    >>> reader = CachedGPT(model)
    >>> cache = reader.new_cache()
    >>> reader.read([[1, 2, 3]], cache).shape, reader.read([[4]], cache).shape, cache.length
    ((1, 10), (1, 10), 4)
    """

    def __init__(self, model):
        if any(module.forward_hooks or "forward" in vars(module) for module in model.modules()):
            raise ValueError("hooks would not be called here: remove them, or use generate")
        embed = known(known(model, GPT).embed, TokenAndPosition)
        parts = (embed.tokens, Embedding), (embed.positions, PositionalEmbedding)
        for part, kind in (*parts, (embed.dropout, Dropout)):
            known(part, kind)
        scale = math.sqrt(embed.embed_dim) if embed.scale else 1
        folded = all(block.norm_first for block in model.blocks)
        tables = embed.tokens.weight.array * scale, embed.positions.weight.array.copy()
        self.tokens, self.positions = map(without_mean, tables) if folded else tables
        self.blocks = [CachedBlock(block, folded) for block in model.blocks]
        if len({block.num_heads for block in self.blocks}) > 1:
            raise ValueError("a cache has one shape: blocks with several num_heads, use generate")
        self.blocks_for_last = [*self.blocks[:-1], functools.partial(self.blocks[-1], last=True)]
        self.norm = PlainNorm(model.norm, folded)
        self.head = PlainLinear(model.head, after=model.norm if folded else None)
        self.max_length = model.max_length

    def new_cache(self, batch=1):
        """An empty KVCache for as many texts, as long as the context."""
        heads, width = self.blocks[0].num_heads, self.tokens.shape[1]
        sizes = (len(self.blocks), batch, heads, self.max_length, width // heads)
        return KVCache(*sizes, dtype=self.tokens.dtype)

    def checked(self, ids, cache):
        """New ids as an array (B, T) that fits behind what the cache holds; else refused."""
        ids = prompt_array(ids)
        if len(ids) != cache.batch:
            raise ValueError(f"{len(ids)} texts for a cache of {cache.batch}: they must agree")
        cache.end_after(ids.shape[1])  # refuses what has no room
        if ids.size > 1 or not 0 <= ids.item() < len(self.tokens):
            check_lookup(self.tokens, ids)  # slow beside a single token, so not called for it
        return ids

    @no_grad()
    def read(self, ids, cache, all_positions=False):
        """Read new tokens behind what the cache holds, and keep their keys and values in it.

        Args:
            ids: (B, T) whole numbers, only the new tokens: array, Tensor or nested lists.
            cache: a KVCache from `new_cache(B)`; it grows by T places.
            all_positions: whether to give the logits of all new places.

        Returns:
            Logits, an array (B, V) of the last place; with all_positions (B, T, V).

        Raises:
            ValueError: the ids are no batch of texts, as many as the cache's, or have no room.
            TypeError, IndexError: the ids are no whole numbers, or name no token.
        """
        ids = self.checked(ids, cache)
        B, T = ids.shape
        blocks = self.blocks if all_positions or T == 1 else self.blocks_for_last
        x = embed_at(self.tokens, self.positions, ids, cache.length)  # (B, T, D)
        x = x.reshape(B * T, -1)  # a row for every new token
        for layer, block in enumerate(blocks):
            x = block(x, layer, cache)
        cache.length += T
        if all_positions:
            return self.head(self.norm(x)).reshape(B, T, -1)
        return self.head(self.norm(last_rows(x, B)))  # (B, D) -> (B, V)


# %% unread
def unread(ids, cache):
    """The part of the text that has to be read now; a full cache is cleared on the way.

    Nothing read yet: the last max_length tokens. Cache full: clear it, and the last
    max_length // 2 tokens, at least one. Else the newest token alone.

    Args:
        ids: array (B, N), the whole text so far; all but its newest token was read before, if
            anything was.
        cache: a KVCache.

    Returns:
        Array (B, T), the last T columns of ids.

    >>> cache = KVCache(num_layers=1, batch=1, num_heads=1, max_length=4, head_width=1)
    >>> unread(np.array([[7, 8, 9]]), cache)
    array([[7, 8, 9]])
    >>> cache.length = 3
    >>> unread(np.array([[7, 8, 9, 5]]), cache)
    array([[5]])
    """
    if cache.length == 0:
        return ids[:, -cache.max_length :]
    if cache.length < cache.max_length:
        return ids[:, -1:]
    cache.clear()
    return ids[:, -max(1, cache.max_length // 2) :]


# %% generate
class CachedText:
    """What `WholeText` of module 13 does, each token read once: scores behind each text.

    Args:
        model: a GPT.
        batch: how many texts there are at first.
    """

    def __init__(self, model, batch):
        self.gpt = CachedGPT(model)
        self.cache = self.gpt.new_cache(batch)

    def logits(self, ids):
        """Texts (B, N), grown by one token since the last call -> scores of the next, (B, V)."""
        return self.gpt.read(unread(ids, self.cache), self.cache)

    def select(self, rows):
        """From now on row i continues what was row rows[i]."""
        self.cache.select(rows)


def cached_tokens(model, ids, how):
    """The generator behind both functions below: new tokens (B,), one by one."""
    reader = CachedText(model, len(ids) * how.rows)
    picks = how.picks

    def next_token(text, written):
        logits = reader.logits(text)  # (B, V)
        if how.adjusts:
            logits = adjusted(logits, text, written, how)
        return pick_next(logits, **picks)

    return written_by(next_token, ids, how)


def stream_cached(model, ids, max_new_tokens, temperature=1.0, **how):
    """Like `generate_cached`, but yields the new tokens one by one, (B,) ids each, as they come.

    Args:
        model, ids, max_new_tokens, temperature, how: see there; beams cannot stream.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=4)
    >>> len(list(stream_cached(model, [[1, 2, 3]], max_new_tokens=5)))
    5
    """
    ids, how = prompt_array(ids), {"temperature": temperature, **how}
    return cached_tokens(model, ids, settings_for(model, ids, max_new_tokens, how, streamed=True))


def generate_cached(model, ids, max_new_tokens, temperature=1.0, **how):
    """What `model.generate` writes, faster: each token is read once, and its keys kept.

    The same text and the same draws as long as the text fits the context. Beyond it the texts
    may part: `generate` slides its window by one token at a time, which moves every position and
    so changes every key; here a full cache is rebuilt from the last max_length // 2 tokens, so
    the model sees between half of its context and all of it.

    Args:
        model: a GPT. It is not changed, and writes without dropout, whatever its mode.
        ids: the prompt, (B, T): Tensor, array or nested lists. Of one that exceeds the context,
            the last max_length tokens are read.
        max_new_tokens: how many tokens to write at most.
        temperature: 0 takes the best token, others draw; see `pick_next`.
        how: top_k, top_p, stop, generator, repetition_penalty, num_beams and the rest, see
            `generation.Settings`.

    Returns:
        Tensor (B * num_return_sequences, T + n) of ids: the whole prompt, and n <=
        max_new_tokens new tokens.

    Raises:
        ValueError: the prompt is empty or has not two dimensions, or a setting makes no sense.
        TypeError: ids or stop are not whole numbers, or the model is no GPT of the course.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=9)
    >>> generate_cached(model, [[1, 2, 3]], max_new_tokens=5).shape
    (1, 8)
    """
    ids, how = prompt_array(ids), {"temperature": temperature, **how}
    how = settings_for(model, ids, max_new_tokens, how)
    if how.searches:
        return wrap(beam_search(CachedText(model, len(ids)), ids, how)[0])
    columns = [token[:, None] for token in cached_tokens(model, ids, how)]  # (B, 1) each
    return wrap(np.concatenate([ids.repeat(how.rows, axis=0), *columns], axis=1))
