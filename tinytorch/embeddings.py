# Written by tito export from modules/11_embeddings/embeddings.ipynb.
# Edit the notebook, not this file.

"""Rows of a table, and where they stand."""

__all__ = [
    "check_lookup",
    "embedding",
    "embedding_rule",
    "at_least",
    "Embedding",
    "PositionalEmbedding",
    "sinusoidal_positions",
    "SinusoidalEmbedding",
    "TokenAndPosition",
]


# %% imports
import math

import numpy as np

from . import messages
from .autograd import rule
from .layers import Dropout, Module
from .tensor import Parameter, float32, primitive, randn, wrap


# %% lookup-given
def check_lookup(weight, ids):
    """Refuse ids that name no row of the table.

    Args:
        weight: array (V, D). ids: should be an array of whole numbers from 0 to V - 1.

    Raises:
        TypeError: the ids are not an array, or no whole numbers.
        ValueError: the table has not two dimensions.
        IndexError: an id is out of range; names it, its place, and the size of the table.
    """
    if not isinstance(ids, np.ndarray) or ids.dtype.kind not in "iu":
        raise TypeError(messages.no_ids(ids))
    if weight.ndim != 2:
        raise ValueError(f"a table has the shape (rows, width), and this one is {weight.shape}")
    outside = (ids < 0) | (ids >= len(weight))
    if outside.any():
        place, rows = tuple(np.argwhere(outside)[0].tolist()), len(weight)
        cause = "is the vocabulary of the tokenizer larger than the table?"
        cause = "give padding a row: see padding_idx" if ids[place] < 0 else cause
        told = f"id {ids[place]} at {list(place)} is no row of a table of {rows} rows"
        raise IndexError(f"{told}, 0 to {rows - 1}: {cause}")


# %% embedding
@primitive
def embedding(weight, ids, padding_idx=None):
    """embedding[..., :] = weight[ids[...], :]: for every id its row of the table.

    The same as one_hot(ids) @ weight.

    Args:
        weight: (V, D), a row for every id.
        ids: any shape, whole numbers from 0 to V - 1.
        padding_idx: the row that gets no gradient, or None; the lookup does not care.

    Returns:
        ids.shape + (D,), with the dtype of the table.

    Raises:
        IndexError: an id is out of range.
        TypeError: the ids are not whole numbers.

    Source: Bengio et al. 2003.

    >>> from tinytorch.tensor import Tensor
    >>> embedding(Tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), Tensor([2, 0]))
    tensor([[5., 6.],
            [1., 2.]])
    """
    check_lookup(weight, ids)
    return weight[ids]


# %% embedding_rule
@rule
def embedding_rule(g, x_shape, ids, padding_idx):
    """back[r] = sum of g[n] over all n with ids[n] = r: every use of a row adds to its gradient.

    Args:
        g: ids.shape + (D,), the gradient of the rows that were looked up.
        x_shape: (V, D), the shape of the table.
        ids: any shape, whole numbers from 0 to V - 1.
        padding_idx: the row that gets no gradient, or None.

    Returns:
        An array (V, D) with the dtype of g; 0 in rows that were not used.

    >>> g = np.array([[1.0, 0.0], [5.0, 5.0], [0.0, 3.0]])
    >>> embedding_rule(g, (3, 2), np.array([2, 0, 2]), None)
    array([[5., 5.],
           [0., 0.],
           [1., 3.]])
    """
    ids, g = ids.reshape(-1), g.reshape(-1, x_shape[1])  # (...) -> (N,), (..., D) -> (N, D)
    order = ids.argsort(kind="stable")
    used, starts = np.unique(ids[order], return_index=True)
    back = np.zeros(x_shape, dtype=g.dtype)
    back[used] = np.add.reduceat(g.take(order, axis=0), starts)
    if padding_idx is not None:
        back[padding_idx] = 0
    return back


# %% embedding-module
def at_least(least, **sizes):
    """Refuse sizes that are not whole numbers of at least `least`.

    Raises:
        ValueError: names the size and its value.
    """
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < least:
            raise ValueError(f"{name} is a whole number of at least {least}, not {size!r}")


class Embedding(Module):
    """A table with a row of numbers for every id.

    Args:
        num_embeddings: V, how many rows; for tokens, tokenizer.vocab_size.
        embedding_dim: D, how many numbers in a row.
        padding_idx: the id of padding, whose row starts at zero and stays there; -1 means the
            last row (as an id, -1 is refused).

    Attributes:
        weight: Parameter (V, D), drawn from N(0, 1).

    Raises:
        ValueError: a size is not a whole number of at least 1, or there is no row padding_idx.

    Source: Bengio et al. 2003.

    >>> from tinytorch.tensor import Tensor
    >>> table = Embedding(5, 3, padding_idx=0)
    >>> table
    Embedding(num_embeddings=5, embedding_dim=3, padding_idx=0)
    >>> table(Tensor([[4, 1, 0, 0]])).shape
    (1, 4, 3)
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None):
        at_least(1, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        weight = randn(num_embeddings, embedding_dim)
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"padding_idx={padding_idx} is none of the {num_embeddings} rows")
            padding_idx = int(padding_idx) % num_embeddings
            weight[padding_idx] = 0
        self.padding_idx, self.weight = padding_idx, Parameter(weight)

    def forward(self, ids):
        """(...) whole numbers -> (..., D)."""
        return embedding(self.weight, ids, self.padding_idx)

    def extra_repr(self):
        sizes = f"num_embeddings={self.num_embeddings}, embedding_dim={self.embedding_dim}"
        return sizes if self.padding_idx is None else f"{sizes}, padding_idx={self.padding_idx}"


# %% positional-embedding
class PositionalEmbedding(Module):
    """A table with a row of numbers for every place in a text, learned like the tokens' rows.

    Args:
        max_length: how many places there are.
        embed_dim: D, how many numbers in a row.

    Attributes:
        weight: Parameter (max_length, D), drawn from N(0, 1).

    Raises:
        ValueError: a size is not a whole number of at least 1.
    """

    def __init__(self, max_length, embed_dim):
        at_least(1, max_length=max_length, embed_dim=embed_dim)
        self.max_length, self.embed_dim = max_length, embed_dim
        self.weight = Parameter(randn(max_length, embed_dim))

    def too_long(self, length, offset):
        """The error for places that the table does not have."""
        places = f"places {offset} to {offset + length - 1}"
        advice = "cut the text, or make the model with a larger max_length"
        return ValueError(f"{places} do not fit into max_length={self.max_length}: {advice}")

    def forward(self, length, offset=0):
        """The rows of `length` places in a row, the first one at place `offset`.

        Args:
            length, offset: whole numbers of at least 0.

        Returns:
            (length, D), the rows offset to offset + length - 1.

        Raises:
            ValueError: the table ends before the last place; names the numbers.

        >>> PositionalEmbedding(max_length=5, embed_dim=3)(2, offset=3).shape
        (2, 3)
        """
        at_least(0, length=length, offset=offset)
        if offset + length > self.max_length:
            raise self.too_long(length, offset)
        return self.weight[offset : offset + length]

    def extra_repr(self):
        return f"max_length={self.max_length}, embed_dim={self.embed_dim}"


# %% sinusoidal_positions
def sinusoidal_positions(length, dim, dtype=float32):
    """PE(p, 2i) = sin(p / 10000**(2i / dim)), PE(p, 2i + 1) = cos(p / 10000**(2i / dim)).

    Args:
        length: how many places, from 0 on.
        dim: the width, any whole number; an odd one ends with a sine.
        dtype: of the result; the calculation is in float64.

    Returns:
        A Tensor (length, dim), all numbers between -1 and 1.

    Raises:
        ValueError: length or dim is not a whole number of at least 1.

    Source: Vaswani et al. 2017.

    >>> sinusoidal_positions(3, 3)
    tensor([[ 0.    ,  1.    ,  0.    ],
            [ 0.8415,  0.5403,  0.0022],
            [ 0.9093, -0.4161,  0.0043]])
    """
    at_least(1, length=length, dim=dim)
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)  # (length, hands)
    table = np.zeros((length, dim))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : dim // 2])
    return wrap(table.astype(dtype))


# %% token-and-position
class SinusoidalEmbedding(PositionalEmbedding):
    """A `PositionalEmbedding` whose rows are `sinusoidal_positions` and are not trained.

    Args:
        max_length, embed_dim: as there.

    Attributes:
        weight: Tensor (max_length, D), a buffer that is not saved.

    Source: Vaswani et al. 2017.
    """

    def __init__(self, max_length, embed_dim):
        self.max_length, self.embed_dim = max_length, embed_dim
        table = sinusoidal_positions(max_length, embed_dim)
        self.register_buffer("weight", table, persistent=False)


class TokenAndPosition(Module):
    """x = dropout(tokens[ids] + positions): the entrance of a transformer.

    Args:
        vocab_size: V, how many tokens there are.
        embed_dim: D, the width.
        max_length: how many places.
        dropout: the share of numbers that are dropped while training.
        positions: "learned" or "sinusoidal".
        scale: True or False: whether the tokens are first multiplied by sqrt(D), as in the paper.
        padding_idx: the id of padding, see `Embedding`.

    Attributes:
        tokens: Embedding. positions: PositionalEmbedding, or SinusoidalEmbedding.

    Raises:
        ValueError: a size makes no sense, or there is no such kind of positions.

    Source: Vaswani et al. 2017.
    """

    def __init__(
        self,
        vocab_size,
        embed_dim,
        max_length,
        dropout=0.0,
        positions="learned",
        scale=False,
        padding_idx=None,
    ):
        kinds = {"learned": PositionalEmbedding, "sinusoidal": SinusoidalEmbedding}
        if positions not in kinds:
            raise ValueError(f"positions are 'learned' or 'sinusoidal', not {positions!r}")
        self.embed_dim, self.scale = embed_dim, scale
        self.tokens = Embedding(vocab_size, embed_dim, padding_idx)
        self.positions = kinds[positions](max_length, embed_dim)
        self.dropout = Dropout(dropout)

    def forward(self, ids, offset=0):
        """Vectors that say which token stands where.

        Args:
            ids: (..., T), whole numbers from 0 to V - 1.
            offset: the place of the first token.

        Returns:
            (..., T, D).

        Raises:
            IndexError: an id is out of range.
            ValueError: the last place is beyond max_length, or ids is a single number.

        >>> from tinytorch.tensor import Tensor
        >>> layer = TokenAndPosition(vocab_size=10, embed_dim=4, max_length=8)
        >>> layer(Tensor([[3, 1, 2], [0, 0, 9]])).shape
        (2, 3, 4)
        """
        if np.ndim(ids) == 0:
            raise ValueError("ids come in rows, (..., T): write Tensor([3]) for a single one")
        x = self.tokens(ids)  # (..., T) -> (..., T, D)
        if self.scale:
            x = x * math.sqrt(self.embed_dim)
        x = x + self.positions(ids.shape[-1], offset)  # (T, D) is added to every sentence
        return self.dropout(x)
