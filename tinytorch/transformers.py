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
    "for_last_token",
    "prompt_array",
    "stop_array",
    "generate",
    "adjusted",
    "adjusting",
    "generate_text",
    "stream",
    "repetition_penalty_filter",
    "beam_step",
    "WholeText",
    "beam_search",
]


# %% imports
import functools
import math

import numpy as np

from . import generation
from .activations import gelu, log_softmax, relu, softmax
from .attention import MultiHeadAttention, causal_mask
from .autograd import no_grad, rule, sum_rows
from .embeddings import TokenAndPosition, at_least
from .generation import evaluating, id_array
from .layers import Dropout, Linear, Module, ModuleList
from .tensor import Parameter, Tensor, multinomial, ones, primitive, wrap, zeros


# %% row_mean
def row_mean(x, weight=None):
    """mean[...] = sum_i x[..., i] * weight[i] / D over the last dimension, which stays as size 1.

    The same as `(x * weight).mean(axis=-1, keepdims=True)`, and faster: a sum is a product.

    Args:
        x: array (..., D) of real numbers.
        weight: array (D,); ones if None.

    Returns:
        Array (..., 1) of the same dtype.

    >>> row_mean(np.array([[9.0, 1.0, 3.0, 3.0], [0.0, 0.0, 0.0, 4.0]]))
    array([[4.],
           [1.]])
    """
    width = x.shape[-1]
    shares = averaging(width, x.dtype) if weight is None else weight[:, None] / width  # (D, 1)
    return x.reshape(-1, width).dot(shares).reshape(*x.shape[:-1], 1)  # (N, D) . (D, 1)


@functools.cache  # made once for every width
def averaging(width, dtype):
    """A column (width, 1) of 1 / width."""
    return np.full((width, 1), 1 / width, dtype)


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
    normal = x - row_mean(x)
    variance = row_mean(normal * normal)
    inverse = 1 / np.sqrt(variance + eps)
    normal *= inverse
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
    product = g * normal
    g_x = g * weight
    g_x -= row_mean(g, weight)
    g_x -= normal * row_mean(product, weight)
    g_x *= inverse
    return g_x, over_tokens(product), over_tokens(g)


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
        at_least(1, dim=dim)
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
        bias: whether the two layers have a bias.

    Attributes:
        widen, narrow: Linear layers D -> hidden_dim and back.
        activation: the function that bends.

    Raises:
        ValueError: there is no such activation.

    Source: Vaswani et al. 2017 (with relu); Radford et al. 2018 (with gelu).

    >>> sum(parameter.numel() for parameter in MLP(64).parameters())
    33088
    """

    def __init__(self, embed_dim, hidden_dim=None, activation="gelu", bias=True):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is 'gelu' or 'relu', not {activation!r}")
        hidden_dim = 4 * embed_dim if hidden_dim is None else hidden_dim
        self.activation = ACTIVATIONS[activation]
        self.widen = Linear(embed_dim, hidden_dim, bias)
        self.narrow = Linear(hidden_dim, embed_dim, bias)

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
        bias: whether the Linear layers have a bias.
        mlp: hidden_dim and activation of the MLP.

    Source: Vaswani et al. 2017 (post-norm); Radford et al. 2019, Xiong et al. 2020 (pre-norm).
    """

    def __init__(self, embed_dim, num_heads, dropout=0.0, norm_first=True, bias=True, **mlp):
        self.norm_first = norm_first
        self.norm1 = LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(embed_dim, num_heads, dropout, bias)
        self.norm2 = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, bias=bias, **mlp)
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
        more: further settings of every block, such as activation="relu", norm_first=False, or
            bias=False, which takes the biases from all Linear layers, the head among them.

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
        self.head = Linear(embed_dim, vocab_size, more.get("bias", True))
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
        """The ids with what the model writes after them; see `generate_text` for the settings."""
        return generate_text(self, ids, max_new_tokens, **how)

    def stream(self, ids, max_new_tokens, **how):
        """The same token by token, each as soon as it is there; see `stream`."""
        return stream(self, ids, max_new_tokens, **how)

    @classmethod
    def from_pretrained(cls, folder, tokenizer=True):
        """A GPT-2 from a folder in the format of `transformers`, in eval mode.

        Nothing is fetched from a network. Numbers of 16 bits become float32. The model's
        `eos_token_id` is that of the folder, and ends what it writes unless a setting says else.

        Args:
            folder: with config.json and model.safetensors (or its parts and their index).
            tokenizer: whether `model.tokenizer` is the BPETokenizer of vocab.json and merges.txt,
                if they are there; else it is None.

        Raises:
            FileNotFoundError: the folder or a file is not there.
            ValueError: a file is damaged, or weights, sizes and tokenizer do not fit together, or
                the folder asks for something that a GPT cannot do; one sentence says what.

        Source: Radford et al. 2019, the model.
        """
        from tinytorch.pretrained import load_gpt2

        return load_gpt2(cls, folder, tokenizer)

    def save_pretrained(self, folder, tokenizer=None):
        """Write a folder that `GPT2LMHeadModel.from_pretrained` of `transformers` opens.

        Files of another tokenizer or of other ends of a text, which would contradict it, are
        removed from the folder.

        Args:
            folder: where to; it is made if it is not there.
            tokenizer: a BPETokenizer with pattern="gpt2"; None is `model.tokenizer` if there is
                one; False is none.

        Raises:
            ValueError, TypeError: the format cannot hold the model (post-norm, a bias of the head)
                or the tokenizer; nothing is written.

        >>> import tempfile
        >>> model, folder = GPT(vocab_size=10, embed_dim=8, num_heads=2), tempfile.mkdtemp()
        >>> model.save_pretrained(folder)
        >>> GPT.from_pretrained(folder).head
        Linear(in_features=8, out_features=10, bias=False)
        """
        from tinytorch.pretrained import save_gpt2

        save_gpt2(self, folder, tokenizer)


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
def for_last_token(model):
    """The model, made to compute no more than its last guess needs, if it is a GPT as above."""
    if not hasattr(model, "max_length"):
        raise TypeError(f"a {type(model).__name__} has no max_length: a GPT writes, or its like")
    by_token = LayerNorm, MLP, Linear, Dropout  # these treat every token by itself
    return generation.for_last_token(model, GPT, TransformerBlock, MultiHeadAttention, by_token)


# %% generating
def prompt_array(ids):
    """Token ids (B, T) as a new array; what is no prompt is refused in one sentence."""
    if isinstance(ids, str):
        raise TypeError("a prompt is token ids, and this is text: pass [tokenizer.encode(text)]")
    array = generation.rows_of(ids.array if isinstance(ids, Tensor) else ids)
    check_readable(array)
    if array.dtype.kind not in "iu":
        raise TypeError(f"a prompt holds token ids, whole numbers, and these are {array.dtype}")
    return array.astype(np.int64)


def stop_array(stop):
    """None, a token id or several as an array of ids."""
    return id_array(stop, "stop")


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
def adjusted(scores, text, written, how):
    """The scores of the next token after the penalty, and with no early end.

    Args:
        scores: array (B, V), logits or log-probabilities; it is not changed.
        text: array (B, T), all that was read or written so far.
        written: how many tokens of it are new.
        how: Settings; repetition_penalty and min_new_tokens count here.
    """
    if how.repetition_penalty != 1:
        scores = repetition_penalty_filter(scores, text, how.repetition_penalty)
    return how.without_ends(scores) if written < how.min_new_tokens else scores


def adjusting(model, text, how, written=0):
    """The model itself, or one whose scores go through `adjusted`, if the settings ask for it."""
    if not how.adjusts:
        return model
    return generation.Adjusted(for_last_token(model), text, how, adjusted, written)


def generate_text(model, ids, max_new_tokens, use_cache=False, **how):
    """`generate` with all settings, named as in `transformers`: `model.generate` calls this.

    Args:
        model, ids, max_new_tokens: see `generate`.
        use_cache: True reads each token once (module 14), the same text as long as it fits the
            context of the model; for a GPT alone.
        how: see `generation.Settings`: do_sample, temperature, top_k, top_p, repetition_penalty,
            num_beams, length_penalty, early_stopping, num_return_sequences, eos_token_id or
            stop, pad_token_id, min_new_tokens, seed or generator.

    Returns:
        Tensor (B * num_return_sequences, T + n) of ids: the whole prompt, and n <=
        max_new_tokens new tokens; the texts of a prompt follow one another.

    Raises:
        ValueError, TypeError: the prompt is none, or a setting, or two together, make no sense.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=4)
    >>> model.generate([[1, 2, 3]], 5, num_beams=3, num_return_sequences=2).shape
    (2, 8)
    """
    if use_cache:
        from tinytorch.kv_caching import generate_cached

        return generate_cached(model, ids, max_new_tokens, **how)
    ids = prompt_array(ids)
    how = generation.settings_for(model, ids, max_new_tokens, how)
    if how.searches:
        with evaluating(model):
            return wrap(beam_search(WholeText(model), ids, how)[0])
    text = ids.repeat(how.rows, axis=0)
    reader = adjusting(model, text, how)
    written = generate(reader, text, max_new_tokens, stop=how.stops, **how.picks).array
    new = how.padded(written[:, ids.shape[1] :])
    return wrap(np.concatenate([text, new], axis=1))


def stream(model, ids, max_new_tokens, temperature=1.0, use_cache=False, **how):
    """Like `generate_text`, but yields the new tokens one by one, (B,) ids each, as they come.

    The same seed, the same text. Between two tokens the model is in its own mode and recording
    is as it was. Beams cannot stream: which text is the best is known at the end.

    Args:
        model, ids, max_new_tokens, temperature, use_cache, how: see `generate_text`.

    >>> model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=1, max_length=4)
    >>> len(list(stream(model, [[1, 2, 3]], max_new_tokens=5)))
    5
    """
    if use_cache:
        from tinytorch.kv_caching import stream_cached

        return stream_cached(model, ids, max_new_tokens, temperature, **how)
    ids, how = prompt_array(ids), {"temperature": temperature, **how}
    how = generation.settings_for(model, ids, max_new_tokens, how, streamed=True)

    def next_token(text, written):
        longer = generate(adjusting(model, text, how, written), text, 1, **how.picks)  # (B, T + 1)
        return longer.array[:, -1]

    return generation.written_by(next_token, ids, how)


# %% repetition_penalty_filter
def repetition_penalty_filter(logits, ids, penalty):
    """Scores of tokens that stand in the text: z / penalty, or z * penalty if z is below 0.

    Each is penalised once, however often it stands there; all others stay.

    Args:
        logits: array (B, V), or log-probabilities; it is not changed.
        ids: array (B, T), for each row the text so far.
        penalty: above 1 what was said becomes less likely, below 1 more; 1 changes nothing.

    Returns:
        Array (B, V) of the same dtype.

    Source: Keskar et al. 2019, who divide only; the rule for the sign came with its use.

    >>> repetition_penalty_filter(np.array([[2.0, -1.0, 0.5, -3.0]]), np.array([[1, 0, 1]]), 2.0)
    array([[ 1. , -2. ,  0.5, -3. ]])
    """
    said = np.take_along_axis(logits, ids, axis=-1)  # (B, V) at (B, T) -> (B, T)
    lower = np.where(said < 0, said * penalty, said / penalty)
    logits = logits.copy()
    np.put_along_axis(logits, ids, lower, axis=-1)
    return logits


# %% beam_step
def beam_step(scores, log_probabilities, width):
    """The best of all continuations of all beams: total[k, v] = score[k] + log p(v | beam k).

    Args:
        scores: array (B, K), the sums of log-probabilities of K beams for each of B prompts.
        log_probabilities: array (B, K, V), of the token that comes next.
        width: how many continuations to give for each prompt, at most K * V.

    Returns:
        totals, parents, tokens: arrays (B, width), the best first; parents are places 0 to K - 1
        of the beams that are continued. Of equals, those of the earlier beam, then of the lower
        token, come first.

    Source: Lowerre 1976.

    >>> scores, after = np.log([[0.5, 0.4]]), np.log([[[0.4, 0.3, 0.3], [0.05, 0.05, 0.9]]])
    >>> totals, parents, tokens = beam_step(scores, after, 2)
    >>> np.exp(totals).round(2), parents, tokens
    (array([[0.36, 0.2 ]]), array([[1, 0]]), array([[2, 0]]))
    """
    V = log_probabilities.shape[-1]
    totals = scores[..., None] + log_probabilities  # (B, K, 1) + (B, K, V)
    totals = totals.reshape(len(totals), -1)  # (B, K * V)
    best = np.argsort(-totals, axis=-1, kind="stable")[:, :width]  # (B, width)
    return np.take_along_axis(totals, best, axis=-1), best // V, best % V


# %% beam_search
class WholeText:
    """What a beam search asks for: the scores behind each text, read from its beginning."""

    def __init__(self, model):
        self.model = for_last_token(model)

    def logits(self, ids):
        """Texts (B, N) -> scores of their next token, (B, V)."""
        window = ids[:, -self.model.max_length :]
        return self.model(wrap(window)).array[:, -1]

    def select(self, rows):
        """From now on row i continues what was row rows[i]; nothing is kept here, so nothing."""


def beam_search(reader, ids, how):
    """The best texts that K beams find: at each step the K best of all K * V continuations.

    Args:
        reader: a WholeText, or whatever has its two methods.
        ids: array (B, T), the prompts.
        how: Settings, with num_beams = K and max_new_tokens at least 1.

    Returns:
        ids (B * num_return_sequences, N), the best first, padded behind their ends, and their
        values (B, num_return_sequences): sums of log-probabilities / n ** length_penalty.

    Raises:
        ValueError: the logits hold nan, or there are too few tokens that do not end a text.

    Source: Lowerre 1976; the order of all steps is that of `transformers`.
    """
    B, K, last = len(ids), how.num_beams, how.max_new_tokens
    rows = np.arange(B).repeat(K)  # the prompts are read once, then each becomes K beams
    logits = generation.check_beam_logits(reader.logits(ids), how)[rows]  # (B, V) -> (B * K, V)
    texts = ids[rows]  # (B, T) -> (B * K, T)
    reader.select(rows)
    ended, scores = generation.EndedBeams(B, how), np.full((B, K), generation.NEVER)
    scores[:, 0] = 0  # at first there is one beam, the prompt, and K - 1 that cannot win
    for written in range(1, last + 1):
        likely = adjusted(log_softmax.on_arrays(logits, -1), texts, written - 1, how)
        spare = K * max(2, 1 + len(how.stops))  # enough for K to go on
        scores, parents, tokens = beam_step(scores, likely.reshape(B, K, -1), spare)
        rows = parents + K * np.arange(B)[:, None]  # (B, spare), rows of texts
        longer = np.concatenate([texts[rows], tokens[..., None]], axis=-1)  # (B, spare, N)
        over = np.isin(tokens, how.stops) | (written == last)
        for b, k in np.argwhere(over[:, :K] & ~ended.closed[:, None]):
            ended.add(b, scores[b, k], longer[b, k], written)
        going = np.argsort(over, axis=1, kind="stable")[:, :K]  # the best K that have not ended
        scores, rows = (np.take_along_axis(part, going, axis=1) for part in (scores, rows))
        texts = np.take_along_axis(longer, going[..., None], axis=1).reshape(B * K, -1)
        ended.close(scores[:, 0], written)
        if written == last or ended.closed.all():
            break
        reader.select(rows.ravel())
        logits = generation.check_beam_logits(reader.logits(texts), how)
    return ended.best()
