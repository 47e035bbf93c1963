# Written by tito export from modules/13_transformers/transformers.ipynb.
# Edit the notebook, not this file.

"""The same block, again and again."""

__all__ = [
    "ACTIVATIONS",
    "row_mean",
    "averaging",
    "over_tokens",
    "layer_norm",
    "layer_norm_rule",
    "LayerNorm",
    "MLP",
    "TransformerBlock",
    "check_readable",
    "GPT",
    "TinyGPT",
    "top_k_filter",
    "top_p_filter",
    "pick_next",
    "LastToken",
    "Looking",
    "ForLastToken",
    "for_last_token",
    "evaluating",
    "prompt_array",
    "stop_array",
    "generate",
    "stream",
]


# %% imports
import contextlib
import functools
import math

import numpy as np

from .activations import gelu, relu, softmax
from .attention import MultiHeadAttention, causal_mask
from .autograd import no_grad, rule, sum_rows
from .embeddings import TokenAndPosition, at_least
from .layers import Dropout, Linear, Module, ModuleList
from .tensor import Parameter, Tensor, multinomial, ones, primitive, wrap, zeros


# %% row_mean
def row_mean(x):
    """mean[...] = sum_i x[..., i] / D over the last dimension, which stays as size 1.

    The same as `x.mean(axis=-1, keepdims=True)`, and faster: the sum is a product with ones.

    Args:
        x: array (..., D) of real numbers.

    Returns:
        Array (..., 1) of the same dtype.

    >>> row_mean(np.array([[9.0, 1.0, 3.0, 3.0], [0.0, 0.0, 0.0, 4.0]]))
    array([[4.],
           [1.]])
    """
    width = x.shape[-1]
    mean = x.reshape(-1, width) @ averaging(width, x.dtype)  # (N, D) @ (D,) -> (N,)
    return mean.reshape(*x.shape[:-1], 1)


@functools.cache  # made once for every width
def averaging(width, dtype):
    """An array (width,) of 1 / width."""
    return np.full(width, 1 / width, dtype)


def over_tokens(x):
    """The sum of all tokens, (..., D) -> (D,): a product with ones again."""
    return sum_rows(x.reshape(-1, x.shape[-1]))


# %% layer_norm
@primitive
def layer_norm(x, weight, bias, eps=1e-5):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, over the last dimension.

    The variance is the mean of the squared distances from the mean (divided by D, not D - 1).

    Args:
        x: (..., D); every row of D numbers is a token of its own.
        weight, bias: (D,).
        eps: keeps the root away from 0.

    Returns:
        (..., D), the dtype of x; the inputs are not changed.

    Raises:
        ValueError: x has another last size than the weight.

    Source: Ba, Kiros & Hinton 2016.

    >>> from tinytorch.tensor import Tensor
    >>> layer_norm(Tensor([[9.0, 1.0, 3.0, 3.0]]), ones(4), zeros(4))
    tensor([[ 1.6667, -1.    , -0.3333, -0.3333]])
    """
    if x.shape[-1:] != weight.shape:
        raise ValueError(f"x of shape {x.shape} should end with the weight's size, {weight.shape}")
    centered = x - row_mean(x)
    variance = row_mean(centered * centered)
    inverse = 1 / np.sqrt(variance + eps)
    normal = centered * inverse
    y = normal * weight
    y += bias
    return y, (normal, inverse)


# %% layer_norm_rule
@rule
def layer_norm_rule(g, weight, note):
    """g_x = s * (h - mean(h) - n * mean(h * n)) with h = g * weight.

    The weight's is g * n and the bias's is g, both summed over all tokens.

    Args:
        g: (..., D), the gradient of the result.
        weight: (D,).
        note: n (..., D), the tokens before weight and bias, and s (..., 1), one over the root.

    Returns:
        The gradients of x (..., D), weight and bias, (D,) each; or these two not summed yet.

    Source: by hand from Ba, Kiros & Hinton 2016.

    >>> from tinytorch.tensor import Tensor
    >>> x = Tensor([[9.0, 1.0, 3.0, 3.0]], requires_grad=True)
    >>> layer_norm(x, ones(4), zeros(4), 0.0)[0, 0].backward()
    >>> x.grad * 54
    tensor([[ 1.,  3., -2., -2.]])
    """
    normal, inverse = note
    h = g * weight
    g_x = h - row_mean(h)
    g_x -= normal * row_mean(h * normal)
    g_x *= inverse
    return g_x, over_tokens(g * normal), over_tokens(g)


# %% layer_norm_class
class LayerNorm(Module):
    """y = (x - mean) / sqrt(variance + eps) * weight + bias, for every token on its own.

    Args:
        dim: D, the width of a token.
        eps: keeps the root away from 0.

    Attributes:
        weight, bias: (D,), ones and zeros at the start.

    Source: Ba, Kiros & Hinton 2016.

    >>> LayerNorm(4)
    LayerNorm(4, eps=1e-05)
    """

    def __init__(self, dim, eps=1e-5):
        self.eps = eps
        self.weight, self.bias = Parameter(ones(dim)), Parameter(zeros(dim))

    def forward(self, x):
        """(..., D) -> (..., D)."""
        return layer_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return f"{self.weight.shape[0]}, eps={self.eps}"


# %% mlp
ACTIVATIONS = {"gelu": gelu, "relu": relu}


class MLP(Module):
    """MLP(x) = narrow(activation(widen(x))), at every place on its own.

    Args:
        embed_dim: D, the width of a token.
        hidden_dim: the width in the middle; 4 D unless given.
        activation: the bend, "gelu" or "relu".

    Attributes:
        widen, narrow: Linear layers D -> hidden_dim and back.
        activation: the function that bends.

    Raises:
        ValueError: there is no such activation.

    Source: Vaswani et al. 2017 (with relu); Radford et al. 2018 (with gelu).

    >>> sum(parameter.numel() for parameter in MLP(64).parameters())
    33088
    """

    def __init__(self, embed_dim, hidden_dim=None, activation="gelu"):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is 'gelu' or 'relu', not {activation!r}")
        hidden_dim = 4 * embed_dim if hidden_dim is None else hidden_dim
        self.activation = ACTIVATIONS[activation]
        self.widen = Linear(embed_dim, hidden_dim)
        self.narrow = Linear(hidden_dim, embed_dim)

    def forward(self, x):
        """Widen, bend, narrow.

        Args:
            x: Tensor (..., D).

        Returns:
            Tensor (..., D).

        >>> MLP(8)(ones(2, 5, 8)).shape
        (2, 5, 8)
        """
        return self.narrow(self.activation(self.widen(x)))


# %% transformer_block
class TransformerBlock(Module):
    """One round of looking around and of thinking, each added to the stream.

    pre-norm:  x = x + attention(norm1(x));  x = x + mlp(norm2(x))
    post-norm: x = norm1(x + attention(x));  x = norm2(x + mlp(x))

    Args:
        embed_dim: D, the width of the tokens.
        num_heads: H, which divides D.
        dropout: the share of attention weights, and of what is added, dropped while training.
        norm_first: True for pre-norm, False for post-norm.
        hidden_dim: the width inside the MLP; 4 D unless given.
        activation: the bend of the MLP, "gelu" or "relu".

    Source: Vaswani et al. 2017 (post-norm); Radford et al. 2019, Xiong et al. 2020 (pre-norm).
    """

    def __init__(
        self, embed_dim, num_heads, dropout=0.0, norm_first=True, hidden_dim=None, activation="gelu"
    ):
        self.norm_first = norm_first
        self.norm1 = LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout)
        self.norm2 = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, hidden_dim, activation)
        self.dropout = Dropout(dropout)

    def forward(self, x, mask=None):
        """Attention, then the MLP, each with its norm and its shortcut.

        Args:
            x: Tensor (B, T, D).
            mask: boolean, True = may attend, as MultiHeadAttention takes it; None = all may.

        Returns:
            Tensor (B, T, D).

        >>> TransformerBlock(8, 2)(ones(1, 3, 8)).shape
        (1, 3, 8)
        """
        if self.norm_first:
            x = x + self.dropout(self.attention(self.norm1(x), mask=mask))
            return x + self.dropout(self.mlp(self.norm2(x)))
        x = self.norm1(x + self.dropout(self.attention(x, mask=mask)))
        return self.norm2(x + self.dropout(self.mlp(x)))


# %% gpt
def check_readable(ids, max_length=math.inf):
    """Refuse ids that are no batch of texts, or too long, in one sentence."""
    if ids.ndim != 2:
        raise ValueError(f"ids {ids.shape} are not (B, T): a single text is a batch of one, [ids]")
    if ids.shape[1] == 0:
        raise ValueError("the text is empty: give at least one token to continue from")
    if ids.shape[1] > max_length:
        raise ValueError(f"{ids.shape[1]} tokens exceed max_length={max_length}: cut the text")


class GPT(Module):
    """Token ids to scores for the next token, at every place: embed, L blocks, norm, head.

    Args:
        vocab_size: V, how many tokens there are.
        embed_dim: D, the width of the stream.
        num_heads: attention heads in a block; divides D.
        num_layers: L, how many blocks.
        max_length: the longest text it can read at once.
        dropout: the share dropped while training, in the embedding and in every block.
        more: further settings of every block, such as norm_first=False or activation="relu".

    Raises:
        ValueError: a size is below 1, or embed_dim is not a multiple of num_heads.

    Source: Radford et al. 2018 (post-norm), 2019 (pre-norm, and this start).

    >>> GPT(vocab_size=68).num_parameters()
    167044
    """

    def __init__(
        self, vocab_size, embed_dim=64, num_heads=4, num_layers=3, max_length=128, dropout=0, **more
    ):
        at_least(1, vocab_size=vocab_size, embed_dim=embed_dim)
        at_least(1, num_layers=num_layers, max_length=max_length)
        self.max_length = max_length
        self.embed = TokenAndPosition(vocab_size, embed_dim, max_length, dropout)
        self.blocks = ModuleList(
            TransformerBlock(embed_dim, num_heads, dropout, **more) for _ in range(num_layers)
        )
        self.norm = LayerNorm(embed_dim)
        self.head = Linear(embed_dim, vocab_size)
        self.initialise()

    def initialise(self, std=0.02):
        """Draw all weights anew: normal matrices of deviation std, biases 0, plain norms.

        The layers that write into the stream get std / sqrt(2 L).
        """
        writers = ("attention.output.weight", "mlp.narrow.weight")
        with no_grad():
            for name, parameter in self.named_parameters():
                if parameter.ndim == 2:
                    share = 1 / math.sqrt(2 * len(self.blocks)) if name.endswith(writers) else 1
                    parameter.normal_(0, std * share)
                else:
                    parameter.fill_(0 if name.endswith("bias") else 1)
        return self

    def forward(self, ids):
        """Scores for the next token at every place; place t sees the tokens 0 to t.

        Args:
            ids: Tensor (B, T) of token ids, 1 <= T <= max_length.

        Returns:
            logits, Tensor (B, T, V).

        Raises:
            ValueError: the text is empty or too long, or ids has not two dimensions.

        >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=6)
        >>> model(Tensor([[1, 2, 3], [4, 5, 6]])).shape
        (2, 3, 10)
        """
        check_readable(ids, self.max_length)
        mask = causal_mask(ids.shape[1])  # (T, T)
        x = self.embed(ids)  # (B, T) -> (B, T, D)
        for block in self.blocks:
            x = block(x, mask)  # (B, T, D), as before
        return self.head(self.norm(x))  # (B, T, D) -> (B, T, V)

    def num_parameters(self):
        """How many numbers are trained."""
        return sum(parameter.numel() for parameter in self.parameters())

    def generate(self, ids, max_new_tokens, **how):
        """The ids with what the model writes after them; see `generate` for the settings."""
        return generate(self, ids, max_new_tokens, **how)

    def stream(self, ids, max_new_tokens, **how):
        """The same token by token, each as soon as it is there; see `stream`."""
        return stream(self, ids, max_new_tokens, **how)


class TinyGPT(GPT):
    """A GPT with the sizes of the course's milestone scripts, about 800,000 parameters.

    Args:
        vocab_size, embed_dim, num_heads, num_layers, max_length: as for GPT.

    >>> TinyGPT(vocab_size=65).num_parameters()
    826433
    """

    def __init__(self, vocab_size, embed_dim=128, num_heads=8, num_layers=4, max_length=128):
        super().__init__(vocab_size, embed_dim, num_heads, num_layers, max_length)


# %% top_k_filter
def top_k_filter(logits, k):
    """The k highest of each row stay, the others become -inf.

    Equal scores share one fate: whatever equals the k-th highest stays, so ties may leave more
    than k.

    Args:
        logits: array (..., V); it is not changed.
        k: how many to keep, at least 1; with k >= V all stay.

    Returns:
        Array (..., V) of the same dtype.

    Raises:
        ValueError: k is below 1.

    Source: Fan, Lewis & Dauphin 2018.

    >>> top_k_filter(np.array([1.0, 3.0, 2.0, 0.0]), 2)
    array([-inf,   3.,   2., -inf])
    """
    at_least(1, top_k=k)
    k = min(k, logits.shape[-1])
    kth = np.sort(logits, axis=-1)[..., -k, None]  # (..., V) -> (..., 1)
    return np.where(logits < kth, -np.inf, logits)


# %% top_p_filter
def top_p_filter(logits, p):
    """The smallest set of the likeliest tokens that reaches the share p stays; the rest is -inf.

    The token that crosses p stays, and the likeliest always does. Equal scores share one fate:
    whatever equals the lowest score that stays, stays too.

    Args:
        logits: array (..., V); it is not changed.
        p: the share of probability, from 0 to 1.

    Returns:
        Array (..., V) of the same dtype.

    Raises:
        ValueError: p is not between 0 and 1.

    Source: Holtzman et al. 2019 (nucleus sampling).

    >>> top_p_filter(np.log(np.array([0.1, 0.5, 0.15, 0.25])), 0.7).round(2)
    array([ -inf, -0.69,  -inf, -1.39])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"top_p is a share of probability, from 0 to 1, not {p}")
    ordered = np.sort(logits, axis=-1)  # the least likely first
    sums = softmax.on_arrays(ordered, -1).cumsum(axis=-1)  # of each one and all below it
    keep = sums > 1 - p
    keep[..., -1] = True
    lowest = np.where(keep, ordered, np.inf).min(axis=-1, keepdims=True)  # (..., V) -> (..., 1)
    return np.where(logits < lowest, -np.inf, logits)


# %% pick_next
def pick_next(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    """Pick one token per row: softmax(logits / temperature), filtered, then a draw.

    Args:
        logits: array (..., V).
        temperature: 0 takes the highest score; below 1 is surer, above 1 bolder (more even).
        top_k: keep the k best before the draw; None keeps all.
        top_p: then keep the likeliest that together reach p; None keeps all.
        generator: where the randomness comes from; None is the one that `manual_seed` sets.

    Returns:
        Array (...) of token ids, int64.

    Raises:
        ValueError: the temperature is negative, the logits hold nan, or a filter refuses.

    >>> pick_next(np.array([[1.0, 3.0, 2.0], [5.0, 0.0, 0.0]]), temperature=0)
    array([1, 0])
    """
    if not 0 <= temperature < math.inf:
        raise ValueError(f"the temperature is at least 0 (the best token), not {temperature}")
    if np.isnan(logits).any():
        raise ValueError("the logits hold nan: did training blow up? Try a lower learning rate")
    if temperature == 0:
        return logits.argmax(axis=-1)
    logits = logits / temperature
    if top_k is not None:
        logits = top_k_filter(logits, top_k)
    if top_p is not None:
        logits = top_p_filter(logits, top_p)
    probabilities = softmax.on_arrays(logits, -1)
    return multinomial(wrap(probabilities), 1, generator).array[..., 0]  # (..., 1) -> (...)


# %% last-token
class LastToken(Module):
    """A block in a place where only the last token of its result is read: (B, 1, D).

    The block's own forward runs, on the last token alone; its attention looks at all of them.
    """

    def __init__(self, block):
        self.block = block

    def forward(self, x, mask=None):
        block, attention = self.block, self.block.attention
        source = block.norm1(x) if block.norm_first else x
        try:
            block.attention = Looking(attention, source)
            return block(x[:, -1:], None if mask is None else mask[-1:])
        finally:
            block.attention = attention


class Looking(Module):
    """An attention whose queries look at a given text, and not at themselves."""

    def __init__(self, attention, source):
        self.attention, self.source = attention, source

    def forward(self, x, mask=None):
        return self.attention(x, source=self.source, mask=mask)


class ForLastToken(Module):
    """A GPT of which only the guess behind the last token is wanted: logits (B, 1, V)."""

    def __init__(self, model):
        self.model, self.max_length = model, model.max_length

    def forward(self, ids):
        blocks, last = self.model.blocks, self.model.blocks[-1]
        try:
            blocks[-1] = LastToken(last)
            return self.model(ids)
        finally:
            blocks[-1] = last


def for_last_token(model):
    """The model, made to compute no more than its last guess needs, if it is a GPT as above."""
    usual = isinstance(model, GPT) and type(model).forward is GPT.forward
    usual = usual and type(model.blocks[-1]) is TransformerBlock
    if not usual or any(module.forward_hooks for module in model.modules()):
        return model
    return ForLastToken(model)


# %% generating
@contextlib.contextmanager
def evaluating(model):
    """Inside the block the model is in eval mode and nothing is recorded.

    Afterwards, also after an error, every part of the model is in the mode it was found in.

    >>> model = Dropout(0.5)
    >>> with evaluating(model):
    ...     model.training
    False
    >>> model.training
    True
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def prompt_array(ids):
    """Token ids (B, T) as a new array; what is no prompt is refused in one sentence."""
    array = np.array(ids.array if isinstance(ids, Tensor) else ids)
    check_readable(array)
    if array.dtype.kind not in "iu":
        raise TypeError(f"a prompt holds token ids, whole numbers, and these are {array.dtype}")
    return array


def stop_array(stop):
    """None, a token id or several as an array of ids."""
    stop = list(stop) if isinstance(stop, set | frozenset) else getattr(stop, "array", stop)
    array = np.atleast_1d([] if stop is None else stop)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"stop is a token id or several of them, not {stop!r}: encode it first")
    return array.astype(np.int64)


# %% generate
def generate(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    """Let the model write: crop to its context, take the last position, pick, append, repeat.

    Runs in eval mode and unrecorded, and leaves the model in the mode it found. A row that has
    written a stop token repeats it until all rows have ended.

    Args:
        model: a Module from ids (B, T) to logits (B, T, V), with `max_length`, its context.
        ids: the prompt, (B, T): Tensor, array or nested lists. It may exceed the context.
        max_new_tokens: how many tokens to write at most.
        temperature, top_k, top_p, generator: see `pick_next`.
        stop: a token id, or several, that end a row; those in the prompt end nothing.

    Returns:
        Tensor (B, T + n) of ids: the whole prompt, and n <= max_new_tokens new tokens.

    Raises:
        ValueError: the prompt is empty or has not two dimensions, or a setting makes no sense.
        TypeError: ids or stop are not whole numbers.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=4)
    >>> generate(model, [[1, 2, 3]], max_new_tokens=5).shape
    (1, 8)
    """
    at_least(0, max_new_tokens=max_new_tokens)
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)  # (B,)
    model = for_last_token(model)  # its logits may be those of the last token alone, (B, 1, V)
    with evaluating(model):
        for _ in range(max_new_tokens):
            if ended.all():
                break
            window = ids[:, -model.max_length :]  # (B, T), T <= max_length
            logits = model(wrap(window)).array[:, -1]  # (B, T, V) -> (B, V)
            new = pick_next(logits, temperature, top_k, top_p, generator)  # (B,)
            new = np.where(ended, ids[:, -1], new)
            ids = np.concatenate([ids, new[:, None]], axis=1)
            ended = np.isin(new, stops)  # an ended row repeats its stop
    return wrap(ids)


# %% stream
def stream(
    model, ids, max_new_tokens, temperature=1.0, top_k=None, top_p=None, stop=None, generator=None
):
    """Like `generate`, but yields the new tokens one by one, (B,) ids each, as they come.

    Between two tokens the model is in its own mode and recording is as it was.

    Args:
        model, ids, max_new_tokens, temperature, top_k, top_p, stop, generator: see `generate`.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=4)
    >>> len(list(stream(model, [[1, 2, 3]], max_new_tokens=5)))
    5
    """
    ids, stops = prompt_array(ids), stop_array(stop)
    ended = np.zeros(len(ids), dtype=bool)  # (B,)
    for _ in range(max_new_tokens):
        if ended.all():
            break
        longer = generate(model, ids, 1, temperature, top_k, top_p, None, generator)  # (B, T + 1)
        new = np.where(ended, ids[:, -1], longer.array[:, -1])  # (B,)
        ids = np.concatenate([ids, new[:, None]], axis=1)
        ended = np.isin(new, stops)
        yield new
