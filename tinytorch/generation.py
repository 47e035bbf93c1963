"""How a text shall be written: the settings of `generate`, checked before any work starts.

The names are those of `generate` in the `transformers` library. Also here is the book-keeping
around a text: what ends, what is filled, what need not be computed. How tokens and beams are
chosen is written in the notebook of the transformers, which hands its functions in.
"""

import contextlib
import copy
import dataclasses
import difflib
import functools
import math
import numbers

import numpy as np

from .autograd import no_grad
from .layers import Module
from .tensor import Generator, wrap

__all__ = [
    "NEVER",
    "Adjusted",
    "EndedBeams",
    "Settings",
    "check_beam_logits",
    "computes_as",
    "evaluating",
    "for_last_token",
    "id_array",
    "rows_of",
    "settings_for",
    "written_by",
]

COMPUTING = ("__call__", "forward", "heads")  # the methods in which modules compute
NEVER = -1e9  # the score of a beam that is none: below all others, as in `transformers`


def id_array(ids, name):
    """None, a token id or several as an array (n,) of ids.

    Raises:
        TypeError: they are no whole numbers; `name` says what they were given for.
        ValueError: they are in several rows.

    >>> id_array({7}, "stop")
    array([7])
    """
    plain = list(ids) if isinstance(ids, set | frozenset) else getattr(ids, "array", ids)
    array = np.atleast_1d([] if plain is None else plain)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name} is a token id or several of them, not {ids!r}: encode it first")
    if array.ndim > 1:
        raise ValueError(f"{name} is {ids!r:.40}: each id ends a row alone, a sequence cannot")
    return array.astype(np.int64)


def rows_of(ids):
    """Token ids as a new array; rows of several lengths are refused.

    >>> rows_of([[1, 2], [3, 4]]).shape
    (2, 2)
    """
    try:
        return np.array(ids)
    except ValueError:
        lengths = [len(row) for row in ids if hasattr(row, "__len__")]
        told = f"prompts of one call have one length, and these have {lengths}"
        raise ValueError(f"{told}: write on from each alone") from None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What `generate` of the `transformers` library takes, under the same names.

    One rule where this library's names meet theirs: `temperature=0` and `do_sample=False` both
    mean the best token, greedily; with `num_beams` the best texts; else tokens are drawn. (In
    `transformers` nothing is drawn without `do_sample=True`.)

    And one for rows that have ended: they are filled with `pad_token_id`; unless that is given,
    with the first `eos_token_id`; and with `stop`, with the stop on which they ended.

    Args:
        max_new_tokens: how many tokens to write at most.
        do_sample: True draws, False does not; None draws unless the temperature is 0 or there
            are beams.
        temperature, top_k, top_p: see `pick_next`; for draws alone.
        repetition_penalty: above 1 what stands in the text becomes less likely; see
            `repetition_penalty_filter`.
        num_beams: K, how many texts are followed at a time; see `beam_search`.
        length_penalty: an ended text of n new tokens is worth its score / n ** length_penalty.
        early_stopping: when a prompt's beams are done, once K texts have ended. True: at once.
            False: when the best running beam, were it to end now, would not beat the worst of
            the K. "never": when it could not, with the length that suits it best.
        num_return_sequences: texts for every prompt: that many draws, or the best beams.
        eos_token_id: a token id, or several, that end a row; those in the prompt end nothing.
        stop: another name for eos_token_id.
        pad_token_id: fills the rows that have ended.
        min_new_tokens: how many tokens a row has at least before it may end.
        seed: a whole number; the same seed, the same draws.
        generator: a Generator instead; neither means the one that `manual_seed` sets.

    Raises:
        ValueError, TypeError: a setting, or two together, make no sense.

    >>> Settings(max_new_tokens=5, temperature=0, eos_token_id=[7, 4]).fill
    7
    """

    max_new_tokens: int
    do_sample: bool | None = None
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | str = False
    num_return_sequences: int = 1
    eos_token_id: object = None
    stop: object = None
    pad_token_id: int | None = None
    min_new_tokens: int = 0
    seed: int | None = None
    generator: Generator | None = None

    def __post_init__(self):
        for check in (check_numbers, check_names, check_draws, check_beams):
            check(self)
        if self.seed is not None:
            object.__setattr__(self, "generator", Generator(self.seed))

    @property
    def samples(self):
        """Whether tokens are drawn."""
        if self.do_sample is None:
            return self.temperature > 0 and self.num_beams == 1
        return bool(self.do_sample)

    @property
    def picks(self):
        """What `pick_next` wants to know."""
        how = {"top_k": self.top_k, "top_p": self.top_p, "generator": self.generator}
        return {"temperature": self.temperature if self.samples else 0, **how}

    @property
    def rows(self):
        """How often each prompt is written on from: once, or for every draw."""
        return 1 if self.searches else self.num_return_sequences

    @property
    def searches(self):
        """Whether beams are to find the text."""
        return self.num_beams > 1 and self.max_new_tokens > 0

    @functools.cached_property
    def stops(self):
        """The ids that end a row, (n,)."""
        return id_array(self.stop, "stop") if self.stop is not None else self.ends

    @functools.cached_property
    def ends(self):
        """The ids given as eos_token_id, (n,)."""
        return id_array(self.eos_token_id, "eos_token_id")

    @property
    def fill(self):
        """What fills rows that have ended; None repeats the stop they ended on."""
        if self.pad_token_id is not None:
            return self.pad_token_id
        return int(self.ends[0]) if len(self.ends) else None

    @property
    def adjusts(self):
        """Whether scores are changed before a token is picked."""
        return self.repetition_penalty != 1 or self.min_new_tokens > 0

    def without_ends(self, scores):
        """Scores (B, V) with -inf for whatever ends a row; the input is not changed.

        Raises:
            ValueError: every token does.
        """
        ends = self.stops[(self.stops >= 0) & (self.stops < scores.shape[-1])]
        if len(np.unique(ends)) == scores.shape[-1]:
            told = f"min_new_tokens={self.min_new_tokens} lets no row end, but every token ends one"
            raise ValueError(f"{told}: name fewer in stop or eos_token_id")
        scores = scores.copy()
        scores[:, ends] = -np.inf
        return scores

    def refuse_padding(self, ids):
        """Refuse prompts (B, T) that hold pad_token_id: nothing here looks past it.

        An end token that also pads is text where it stands in a prompt, as in `transformers`.
        """
        pad = self.pad_token_id
        if pad is not None and pad not in self.stops and (ids == pad).any():
            told = f"the prompt holds pad_token_id={pad}, and it would be read as text"
            raise ValueError(f"{told}: give prompts of one length, without padding")

    def padded(self, new):
        """New tokens (B, n) with everything behind the first stop of a row filled."""
        if self.fill is None or not len(self.stops):
            return new
        hits = np.isin(new, self.stops)
        return np.where(hits.cumsum(axis=1) - hits > 0, self.fill, new)


def settings_for(model, ids, max_new_tokens, how, streamed=False):
    """Settings from a dictionary of names; an unknown name is refused, and the nearest told.

    Args:
        model: its `eos_token_id`, if it has one from its folder, counts unless `how` names ends.
        ids: array (B, T), the prompts.
        max_new_tokens, how: see Settings.
        streamed: True refuses beams.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
    for name in how:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f": did you mean {near[0]}?" if near else f"; there are {', '.join(names)}"
            raise TypeError(f"generate has no setting {name!r}{hint}")
    if "stop" not in how:
        how = {"eos_token_id": getattr(model, "eos_token_id", None), **how}
    settings = Settings(max_new_tokens=max_new_tokens, **how)
    settings.refuse_padding(ids)
    if streamed and settings.num_beams > 1:
        raise ValueError("beams cannot stream: which is best is known at the end, so use generate")
    return settings


def is_number(value):
    """Whether it is a finite real number, and no True or False."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)
    return real and math.isfinite(value)


def check_numbers(how):
    """Every number in its range."""
    counts = {"max_new_tokens": 0, "min_new_tokens": 0, "num_beams": 1, "num_return_sequences": 1}
    counts |= {"top_k": 1} if how.top_k is not None else {}
    for name, least in counts.items():
        value = getattr(how, name)
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < least:
            raise ValueError(f"{name} is a whole number of at least {least}, not {value!r}")
    if not is_number(how.temperature) or how.temperature < 0:
        raise ValueError(f"the temperature is at least 0 (the best token), not {how.temperature!r}")
    if how.top_p is not None and not (is_number(how.top_p) and 0 <= how.top_p <= 1):
        raise ValueError(f"top_p is a share of probability, from 0 to 1, not {how.top_p!r}")
    if not is_number(how.repetition_penalty) or how.repetition_penalty <= 0:
        told = "repetition_penalty is a number above 0 (1 changes nothing)"
        raise ValueError(f"{told}, not {how.repetition_penalty!r}")
    if not is_number(how.length_penalty) or abs(how.length_penalty) > 100:
        told = "length_penalty is a number from -100 to 100 (0 leaves lengths out)"
        raise ValueError(f"{told}, not {how.length_penalty!r}")
    if not (isinstance(how.early_stopping, bool) or how.early_stopping == "never"):
        raise ValueError(f"early_stopping is False, True or 'never', not {how.early_stopping!r}")
    for name in ("temperature", "repetition_penalty"):
        if 0 < getattr(how, name) < 1e-30:
            raise ValueError(f"{name}={getattr(how, name)!r} is too small to divide by")


def check_names(how):
    """No thing under two names, and ids that are ids."""
    if how.stop is not None and how.eos_token_id is not None:
        raise ValueError("stop is another name for eos_token_id: give one of them")
    if how.seed is not None and how.generator is not None:
        raise ValueError("seed and generator both say where draws come from: give one of them")
    if how.seed is not None and (
        not isinstance(how.seed, int | np.integer) or isinstance(how.seed, bool) or how.seed < 0
    ):
        raise ValueError(f"seed is a whole number of at least 0, not {how.seed!r}")
    if how.generator is not None and not isinstance(how.generator, Generator):
        told = "generator is a tinytorch.Generator"
        raise TypeError(f"{told}, not {type(how.generator).__name__}: for a number use seed")
    id_array(how.stop, "stop"), id_array(how.eos_token_id, "eos_token_id")  # refuse early
    pad = how.pad_token_id
    if pad is not None and (not isinstance(pad, int | np.integer) or isinstance(pad, bool)):
        raise TypeError(f"pad_token_id is one token id, not {pad!r}")
    if how.min_new_tokens > 0 and not len(how.stops):
        raise ValueError("min_new_tokens says when a row may end: give eos_token_id too")
    if how.min_new_tokens > how.max_new_tokens:
        told = f"min_new_tokens={how.min_new_tokens} exceeds max_new_tokens={how.max_new_tokens}"
        raise ValueError(f"{told}: no text could satisfy both")


def check_draws(how):
    """Temperature, top-k and top-p where there are draws."""
    if how.do_sample and how.temperature == 0:
        raise ValueError("temperature=0 takes the best token and do_sample=True draws: choose one")
    beams = how.num_beams > 1
    if beams and how.do_sample:
        raise ValueError("beams follow the best texts and draw none: drop do_sample or num_beams")
    given = {"top_k": how.top_k is not None, "top_p": how.top_p is not None}
    given |= {"temperature": how.temperature not in (0, 1)}
    names = [name for name, is_given in given.items() if is_given]
    if names and (beams or how.do_sample is False):
        why = "beams draw nothing" if beams else "do_sample=False draws nothing"
        raise ValueError(f"{why}, so {' and '.join(names)} would change nothing: leave it out")
    if not beams and not how.samples and how.num_return_sequences > 1:
        told = "greedily every prompt has one text"
        raise ValueError(f"{told}: for {how.num_return_sequences} of them draw, or use num_beams")


def check_beams(how):
    """What is for beams, with beams."""
    if how.num_beams > 1:
        if how.num_return_sequences > how.num_beams:
            told = f"num_return_sequences={how.num_return_sequences} exceeds num_beams="
            raise ValueError(f"{told}{how.num_beams}: there are no more texts than beams")
        return
    if how.length_penalty != 1:
        raise ValueError("length_penalty compares the texts of beams: give num_beams above 1 too")
    if how.early_stopping is not False:
        raise ValueError("early_stopping says when beams are done: give num_beams above 1 too")


class EndedBeams:
    """The K best ended texts of each of B prompts, as its beams end one by one.

    Args:
        count: B.
        how: Settings; num_beams, length_penalty, early_stopping and max_new_tokens count here.

    Attributes:
        texts: for every prompt a list of (value, text), the best first, at most K.
        closed: (B,), True where nothing can be improved any more.

    >>> ended = EndedBeams(1, Settings(max_new_tokens=4, num_beams=2, length_penalty=2.0))
    >>> ended.add(0, -8.0, np.array([3, 1, 9]), written=2)
    >>> ended.texts[0][0][0]
    -2.0
    """

    def __init__(self, count, how):
        self.how, self.texts = how, [[] for _ in range(count)]
        self.closed = np.zeros(count, dtype=bool)

    def add(self, row, score, text, written):
        """An ended text of prompt `row`: its sum of log-probabilities, its ids, its new tokens."""
        value = float(score) / float(written) ** self.how.length_penalty
        texts = [*self.texts[row], (value, text)]
        texts.sort(key=first_of_two, reverse=True)  # stable: of equals the earlier stays in front
        self.texts[row] = texts[: self.how.num_beams]

    def close(self, best, written):
        """Close the prompts that are done, given the score of each one's best running beam.

        Args:
            best: (B,), sums of log-probabilities.
            written: how many new tokens the running beams have.
        """
        how = self.how
        longest = how.early_stopping == "never" and how.length_penalty > 0
        length = how.max_new_tokens if longest else written
        possible = best / float(length) ** how.length_penalty  # (B,)
        for row, texts in enumerate(self.texts):
            if len(texts) == how.num_beams:
                hopeless = possible[row] <= texts[-1][0]
                self.closed[row] |= how.early_stopping is True or hopeless

    def best(self):
        """The num_return_sequences best texts of every prompt, and what they are worth.

        Returns:
            ids (B * num_return_sequences, N), padded to one length, and values (B, that many).
        """
        count, pad = self.how.num_return_sequences, self.how.fill
        chosen = [entry for texts in self.texts for entry in texts[:count]]
        longest = max(len(text) for _, text in chosen)
        ids = np.empty((len(chosen), longest), dtype=np.int64)
        for row, (_, text) in zip(ids, chosen, strict=True):
            row[: len(text)] = text
            row[len(text) :] = text[-1] if pad is None else pad
        values = np.array([value for value, _ in chosen])
        return ids, values.reshape(len(self.texts), -1)


def check_beam_logits(logits, how):
    """The logits (B, V) themselves; refused if no beam search could use them."""
    if np.isnan(logits).any():
        raise ValueError("the logits hold nan: did training blow up? Try a lower learning rate")
    if logits.shape[-1] < max(2, 1 + len(how.stops)):
        told = f"{logits.shape[-1]} tokens, {len(how.stops)} of them ends"
        raise ValueError(f"{told}, are too few for beams: there must be one to go on with")
    return logits


def first_of_two(pair):
    """What texts are ordered by."""
    return pair[0]


def written_by(next_token, ids, how):
    """New tokens (B,) ids, one by one, until all rows have ended or max_new_tokens are there.

    Args:
        next_token: a function of the text so far (B, N) and of how many of its tokens are new,
            which gives the next ones, (B,).
        ids: array (B, T), the prompts; each is written on from how.rows times.
        how: Settings.

    >>> def counting(text, written):
    ...     return text[:, -1] + 1
    >>> how = Settings(max_new_tokens=4, stop=3, pad_token_id=0)
    >>> [new.tolist() for new in written_by(counting, np.array([[1], [0]]), how)]
    [[2, 1], [3, 2], [0, 3]]
    """
    text, stops, fill = ids.repeat(how.rows, axis=0), how.stops, how.fill
    ended = np.zeros(len(text), dtype=bool)
    for written in range(how.max_new_tokens):
        new = shown = next_token(text, written)  # (B,)
        if len(stops):
            new = np.where(ended, text[:, -1], new)  # an ended row goes on with its stop
            shown = new if fill is None else np.where(ended, fill, new)
            ended = np.isin(new, stops)
        text = np.concatenate([text, new[:, None]], axis=1)
        yield shown
        if len(stops) and ended.all():
            return


class Adjusted(Module):
    """A model whose scores for the next token are changed before the pick: logits (B, 1, V).

    It keeps the whole text, since what it is given is only a window; each call continues it.

    Args:
        model: ids (B, T) to logits (B, T or 1, V), with `max_length`.
        text: array (B, N), all of the text before the first call.
        how: Settings.
        adjust: a function of scores (B, V), the text, how many of its tokens are new, and how.
        written: how many tokens of the text are new.
    """

    def __init__(self, model, text, how, adjust, written=0):
        self.model, self.max_length = model, model.max_length
        self.text, self.start = text[:, :-1], text.shape[1] - written  # the last comes with a call
        self.how, self.adjust = how, adjust

    def forward(self, ids):
        self.text = np.concatenate([self.text, ids.array[:, -1:]], axis=1)
        logits = self.model(ids).array[:, -1]  # (B, T, V) -> (B, V)
        written = self.text.shape[1] - self.start
        return wrap(self.adjust(logits, self.text, written, self.how)[:, None])


def computes_as(module, kind):
    """Whether a module computes what a `kind` does: no class, hook or patch has changed it.

    A subclass that only builds itself otherwise, or can do more, computes the same. What is not
    asked: the parts of the module; each of them is a question of its own.

    >>> from tinytorch.layers import Linear
    >>> layer = Linear(2, 2)
    >>> computes_as(layer, Linear)
    True
    >>> layer.forward = lambda x: -x
    >>> computes_as(layer, Linear)
    False
    """
    same = (getattr(type(module), name, None) is getattr(kind, name, None) for name in COMPUTING)
    patched = any(name in vars(module) for name in COMPUTING)
    return all(same) and not patched and not module.forward_hooks


@contextlib.contextmanager
def evaluating(model):
    """Inside the block the model is in eval mode and nothing is recorded.

    Afterwards, also after an error, every part of the model is in the mode it was found in.

    >>> from tinytorch.layers import Dropout
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


class LastToken(Module):
    """A block in a place where only the last token of its result is read: (B, 1, D).

    The block's own forward runs, on the last token alone; its attention looks at all of them. It
    runs in a copy that shares all numbers, so that others may use the block at the same time.
    """

    def __init__(self, block):
        self.block = block

    def forward(self, x, mask=None):
        block = copy.copy(self.block)
        block.attention = Looking(block.attention, block.norm1(x) if block.norm_first else x)
        return block(x[:, -1:], None if mask is None else mask[..., -1:, :])


class Looking(Module):
    """An attention whose queries look at a given text, and not at themselves."""

    def __init__(self, attention, source):
        self.attention, self.source = attention, source

    def forward(self, x, source=None, *others, **named):
        return self.attention(x, self.source, *others, **named)


def for_last_token(model, gpt, block, attention, by_token):
    """A copy of a GPT that shares its numbers and computes the last guess alone: (B, 1, V).

    The model itself comes back if it looks from token to token, behind its last block, in another
    way than by that block's attention: a part that was changed may do anything with the text.

    Args:
        model: any Module.
        gpt, block, attention: the kinds of module that it, its last block, and the attention of
            that are, if nothing was changed.
        by_token: a tuple of kinds that treat every token by itself.
    """
    if not computes_as(model, gpt) or not computes_as(model.blocks[-1], block):
        return model
    last = model.blocks[-1]
    others = {*last.modules(), model.norm, model.head} - {last, last.attention}
    usual = [any(computes_as(part, kind) for kind in by_token) for part in others]
    if not computes_as(last.attention, attention) or not all(usual):
        return model
    fewer = copy.copy(model)
    fewer.blocks = type(model.blocks)([*model.blocks[:-1], LastToken(last)])
    return fewer
