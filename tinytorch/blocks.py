"""Attention over a long text, in blocks of queries: what a mask forbids is not computed.

A block of queries needs the keys that some query of it may see, and no others: with a causal mask
a little more than half of all pairs. Module 12 puts `in_blocks` around its function, and
`rule_in_blocks` around the function's rule; for short texts both change nothing. Its checks of
shapes and masks stand here as well.
"""

import functools
import math

import numpy as np

__all__ = ["boolean", "fits", "in_blocks", "rule_in_blocks", "scores_shape"]

BLOCK = 64  # queries
LONG = 2 * BLOCK  # a shorter text is computed in one piece
MANY = 2**18  # scores: with fewer, calling NumPy more often takes longer than it saves


class Blocks(list):
    """(queries, keys, note) of each block: two slices, and what the function left for its rule."""


def in_blocks(attention):
    """Let an attention go through a long text block by block, if there is a mask."""

    @functools.wraps(attention)
    def by_blocks(query, key, value, mask=None, is_causal=False, dropout=None, scale=None):
        if not is_long(query, key, value, mask, is_causal):
            return attention(query, key, value, mask, is_causal, dropout, scale)
        shape, parts, notes = scores_shape(query, key, value), [], Blocks()
        mask = allowed(mask, is_causal, shape)
        for queries, keys in blocks_of(mask, shape):
            sources = query[..., queries, :], key[..., keys, :], value[..., keys, :]
            own_mask, own_dropout = (cut(array, shape, queries, keys) for array in (mask, dropout))
            mixed, note = attention(*sources, own_mask, False, own_dropout, scale)
            parts.append(mixed)
            notes.append((queries, keys, note))
        return np.concatenate(parts, axis=-2), notes

    return by_blocks


def rule_in_blocks(rule_of_attention):
    """The rule of such an attention: each block adds its share to the keys that it has seen."""

    @functools.wraps(rule_of_attention)
    def by_blocks(g, query, key, value, dropout, note):
        if not isinstance(note, Blocks):
            return rule_of_attention(g, query, key, value, dropout, note)
        shape = scores_shape(query, key, value)
        sums = [np.zeros((*shape[:-2], *x.shape[-2:]), g.dtype) for x in (query, key, value)]
        for queries, keys, own in note:
            sources = query[..., queries, :], key[..., keys, :], value[..., keys, :]
            own_dropout = cut(dropout, shape, queries, keys)
            shares = rule_of_attention(g[..., queries, :], *sources, own_dropout, own)
            for total, places, share in zip(sums, (queries, keys, keys), shares, strict=True):
                total[..., places, :] += share
        return tuple(sums)

    return by_blocks


def scores_shape(query, key, value, scale=None):
    """The shape (..., T, S) of the scores; inputs that do not fit together are refused."""
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ValueError("query, key and value have at least two dimensions, (tokens, width)")
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(f"query and key differ in width: {query.shape[-1]} and {key.shape[-1]}")
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(f"every key needs a value: {key.shape[-2]} keys, {value.shape[-2]} values")
    if not (scale is None or isinstance(scale, int | float)):
        raise TypeError(f"scale is a plain Python number, not a {type(scale).__name__}")
    batch, other = query.shape[:-2], key.shape[:-2]
    if batch != other:
        batch = np.broadcast_shapes(batch, other)
    return (*batch, query.shape[-2], key.shape[-2])


def boolean(mask, name="mask"):
    """The mask itself; refused if it does not hold truth values, True = may attend."""
    if getattr(mask, "dtype", None) != np.dtype(bool):
        dtype = getattr(mask, "dtype", type(mask))
        advice = f"True = may attend: write {name} != 0, or ids != pad"
        raise TypeError(f"{name} is {dtype}, and should be truth values, {advice}")
    return mask


def fits(shape, target):
    """True if an array of `shape` broadcasts to exactly the shape `target`.

    >>> fits((3, 1, 5), (2, 3, 4, 5)), fits((2, 5), (2, 3, 4, 5))
    (True, False)
    """
    if shape == target[-len(shape) :]:
        return True
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(size in (1, wanted) for size, wanted in pairs)


def is_long(query, key, value, mask, is_causal):
    """Whether there is much to compute, and a mask that fits; what does not is refused later."""
    if query.ndim < 2 or query.shape[-2] < LONG or (mask is None and not is_causal):
        return False
    try:
        shape = scores_shape(query, key, value)
        return math.prod(shape) >= MANY and (mask is None or fits(boolean(mask).shape, shape))
    except (ValueError, TypeError):
        return False


def allowed(mask, is_causal, shape):
    """One mask from a mask, or None, and the causal one: the last query stands at the last key."""
    if not is_causal:
        return mask
    T, S = shape[-2:]
    causal = np.arange(S) <= np.arange(T)[:, None] + (S - T)
    return causal if mask is None else mask & causal


def blocks_of(mask, shape):
    """Pairs of slices: the queries of a block, and the keys that some of them may see."""
    seen = np.broadcast_to(mask, (*mask.shape[:-2], *shape[-2:])).reshape(-1, *shape[-2:])
    for begin in range(0, shape[-2], BLOCK):
        queries = slice(begin, begin + BLOCK)
        keys = np.flatnonzero(seen[:, queries].any(axis=(0, 1)))
        yield queries, slice(keys[0], keys[-1] + 1) if len(keys) else slice(0, 1)


def cut(array, shape, queries, keys):
    """The part of a mask, or of dropout, that belongs to a block; None stays None."""
    if array is None:
        return None
    return np.broadcast_to(array, (*array.shape[:-2], *shape[-2:]))[..., queries, keys]
