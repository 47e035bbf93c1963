# Written by tito export from modules/10_tokenization/tokenization.ipynb.
# Edit the notebook, not this file.

"""Text to integers and back, losing nothing."""

__all__ = [
    "SPLIT",
    "CACHE_SIZE",
    "plain_text",
    "id_row",
    "whole_number",
    "save_json",
    "load_tokenizer",
    "CharTokenizer",
    "count_pairs",
    "merge",
    "split_words",
    "to_bytes",
    "split_special",
    "count_words",
    "PairIndex",
    "BPETokenizer",
    "check_merges",
    "checked_special",
    "merges_wanted",
    "next_token_windows",
]


# %% imports
import json
import math
import operator
import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np

from .tensor import int64, wrap


# %% helpers
def plain_text(text):
    """`text` itself, if it is a string.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(text, str):
        hint = ": decode it first, data.decode('utf-8')" if isinstance(text, bytes) else ""
        raise TypeError(f"a tokenizer reads a string, and this is {type(text).__name__}{hint}")
    return text


def id_row(ids, vocab_size=math.inf):
    """A row of token ids as an int64 array, every id checked.

    Args:
        ids: a list, an array or a Tensor with one dimension.
        vocab_size: ids lie between 0 and vocab_size - 1.

    Raises:
        TypeError: it is not one row of whole numbers.
        ValueError: an id is out of range; names it and its place.

    >>> id_row([3, 1, 2])
    array([3, 1, 2])
    """
    array = np.asarray(getattr(ids, "array", ids))
    if array.shape == (0,):
        array = array.astype(int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(
            f"token ids are one row of whole numbers, and these are {array.dtype} of shape "
            f"{array.shape}"
        )
    outside = (array < 0) | (array >= vocab_size)
    if outside.any():
        place = int(outside.argmax())
        raise ValueError(
            f"id {array[place]} at place {place} is not between 0 and {vocab_size - 1}: was it "
            "made by another tokenizer?"
        )
    return array.astype(int64, copy=False)


def whole_number(value, name):
    """`value` as a Python integer.

    Raises:
        TypeError: it is not a whole number.
    """
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is a whole number, not {value!r}") from None


def save_json(path, content):
    """Write `content` to a JSON file in one step: whoever reads finds the old file or the new."""
    path = Path(path)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def load_tokenizer(path, kind, fields):
    """A tokenizer from a file that its `save` wrote.

    Args:
        path: the file.
        kind: the tokenizer's class.
        fields: the names of what `save` stores, which are arguments of the class.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is cut short, damaged, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError(
            f"{path} is not a whole JSON file: it was cut short, or something else wrote it; save "
            "the tokenizer again"
        ) from None
    if not isinstance(content, dict) or content.pop("kind", None) != kind.__name__:
        raise ValueError(f"{path} holds no {kind.__name__}: is it another file you mean?")
    try:
        return kind(**{name: content[name] for name in fields})
    except KeyError as missing:
        raise ValueError(f"{path} holds a damaged {kind.__name__}: no {missing}") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds a damaged {kind.__name__}: {error}") from None


# %% char-tokenizer
class CharTokenizer:
    """Every different character is one token; the ids follow the sorted characters.

    Args:
        text: its characters become the vocabulary, sorted by code point.
        vocabulary: instead of a text, the characters themselves in the order of their ids.

    Attributes:
        characters: list, id -> character.
        id_of: dictionary, character -> id.

    Raises:
        ValueError: both or neither are given, or there is no character, or one is there twice.

    >>> tokenizer = CharTokenizer("hello")
    >>> tokenizer
    CharTokenizer(4 characters)
    >>> tokenizer.decode(tokenizer.encode("hole"))
    'hole'
    """

    def __init__(self, text=None, vocabulary=None):
        if (text is None) == (vocabulary is None):
            raise ValueError("CharTokenizer needs a text or a vocabulary, one of the two")
        listed = vocabulary is not None
        self.characters = list(vocabulary) if listed else sorted(set(plain_text(text)))
        self.id_of = {character: i for i, character in enumerate(self.characters)}
        if not self.characters:
            raise ValueError("a vocabulary needs a character, and the text is empty")
        if len(self.id_of) < len(self.characters):
            raise ValueError("a character stands in the vocabulary twice: it would have two ids")
        if not all(isinstance(c, str) and len(c) == 1 for c in self.characters):
            raise ValueError("a vocabulary holds single characters, each a string of length 1")

    def __repr__(self):
        return f"CharTokenizer({self.vocab_size} characters)"

    @property
    def vocab_size(self):
        """How many ids there are: 0 to vocab_size - 1."""
        return len(self.characters)

    def unknown(self, character, place):
        """The error for a character that has no id."""
        return ValueError(
            f"character {character!r} (U+{ord(character):04X}) at place {place} is not in the "
            f"vocabulary of {self.vocab_size} characters: build the tokenizer from a text that "
            "has it, take it out, or use BPETokenizer, which knows every character"
        )

    def encode(self, text):
        """The id of every character, in order.

        Args:
            text: a string of known characters.

        Returns:
            A list of as many integers as the text has characters.

        Raises:
            ValueError: a character is unknown; names the first one and its place.

        >>> CharTokenizer("hello").encode("hello")
        [1, 0, 2, 2, 3]
        """
        text = plain_text(text)
        ids = []
        for place, character in enumerate(text):
            if character not in self.id_of:
                raise self.unknown(character, place)
            ids.append(self.id_of[character])
        return ids

    def decode(self, ids):
        """The text whose characters have these ids: `decode(encode(text)) == text`.

        Args:
            ids: a list, array or Tensor of integers from 0 to vocab_size - 1.

        Returns:
            A string of as many characters.

        Raises:
            ValueError: an id is out of range.

        >>> CharTokenizer("hello").decode([2, 3, 2])
        'lol'
        """
        ids = id_row(ids, self.vocab_size).tolist()
        return "".join(self.characters[i] for i in ids)

    def save(self, path):
        """Write the vocabulary to a JSON file, in one step."""
        save_json(path, {"kind": "CharTokenizer", "vocabulary": self.characters})

    @classmethod
    def load(cls, path):
        """The tokenizer that `save` wrote; see `load_tokenizer` for what is refused."""
        return load_tokenizer(path, cls, ["vocabulary"])


# %% count-pairs
def count_pairs(words):
    """count(p) = sum over words of times(word) * (how often p stands in the word).

    Args:
        words: dictionary from a word, a tuple of ids, to how many times it occurs.

    Returns:
        A dictionary from a pair of neighbouring ids, (left, right), to its count.

    >>> count_pairs({(97, 97, 98): 3, (97, 98): 1})
    {(97, 97): 3, (97, 98): 4}
    """
    counts = {}
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] = counts.get(pair, 0) + times
    return counts


# %% merge
def merge(ids, pair, new):
    """Replace every occurrence of a pair by one new id, from left to right.

    Args:
        ids: a list or tuple of ids; it is not changed.
        pair: a tuple (left, right).
        new: the id that takes the pair's place.

    Returns:
        A new list; shorter by one for each replacement.

    Source: Gage 1994.

    >>> merge([7, 8, 7, 7, 8], (7, 8), 300)
    [300, 7, 300]
    """
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new)
            i = i + 2
        else:
            merged.append(ids[i])
            i = i + 1
    return merged


# %% split
SPLIT = re.compile(r"'(?:[sdmt]|ll|ve|re)| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def split_words(text):
    r"""Cut a text into words, each with its leading space; joined again they are the text.

    Source: the pattern of GPT-2 (Radford et al. 2019), written for Python's own `re`, which counts
    signs such as ½ among the letters.

    >>> split_words("Isn't a cow  2 metres long?\n")
    ['Isn', "'t", ' a', ' cow', ' ', ' 2', ' metres', ' long', '?', '\n']
    """
    return SPLIT.findall(text)


def to_bytes(text):
    """The UTF-8 bytes of a text.

    Raises:
        ValueError: it holds half of a surrogate pair, which is no character.
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{text[error.start]!r} at place {error.start} is half of a surrogate pair, not a "
            "character, and has no bytes: the text was read in a wrong encoding; read it as "
            "UTF-8, or drop such halves with text.encode('utf-8', 'ignore').decode()"
        ) from None


def split_special(text, special_tokens):
    """Cut a text at its special tokens: plain, special, plain, ..., plain.

    >>> split_special("one<end>two", ["<end>"])
    ['one', '<end>', 'two']
    """
    if not special_tokens:
        return [text]
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)


def count_words(text, special_tokens=()):
    """How often each word occurs: a dictionary from its bytes, a tuple of ids, to the count.

    >>> count_words("hi hi hi")
    {(104, 105): 1, (32, 104, 105): 2}
    """
    plain = split_special(text, special_tokens)[::2]
    words = Counter(word for part in plain for word in split_words(part))
    return {tuple(to_bytes(word)): times for word, times in words.items()}


# %% pair-index
class PairIndex:
    """The pair counts of weighted words, kept up to date while pairs are merged.

    Args:
        words: dictionary from a word, a tuple of ids, to how many times it occurs.

    Attributes:
        counts: dictionary, pair -> count, only pairs that occur.
        words: list of (word, times) as they stand now.
        pairs_seen: how many pairs were looked at so far, the work done.

    >>> index = PairIndex({(97, 97, 98): 3, (97, 98): 1})
    >>> index.merge((97, 98), 256)
    >>> index.counts
    {(97, 256): 3}
    """

    def __init__(self, words):
        self.words = list(words.items())
        self.counts = {}
        self.places = {}  # pair -> the numbers of the words that hold it, or held it once
        self.pairs_seen = 0
        for number in range(len(self.words)):
            self._add(number, 1)

    def merge(self, pair, new):
        """Replace `pair` by the id `new` in every word, and put the counts right."""
        for number in self.places.pop(pair, ()):
            word, times = self.words[number]
            self._add(number, -1)
            self.words[number] = (tuple(merge(word, pair, new)), times)
            self._add(number, 1)

    def _add(self, number, sign):
        """Add the pairs of one word to the counts (sign 1), or take them away (sign -1)."""
        word, times = self.words[number]
        self.pairs_seen += max(len(word) - 1, 0)
        for pair, count in count_pairs({word: times}).items():
            self.counts[pair] = self.counts.get(pair, 0) + sign * count
            if self.counts[pair] == 0:
                del self.counts[pair]
            if sign > 0:
                self.places.setdefault(pair, set()).add(number)


# %% bpe-tokenizer
CACHE_SIZE = 100_000  # words that a tokenizer remembers


class BPETokenizer:
    """Byte-level byte-pair encoding: every text is known, and frequent pieces are one token.

    The ids: 0 to 255 are the bytes, then come the merges in the order they were learnt, then the
    special tokens.

    Args:
        merges: pairs of ids, in order; the pair at place r makes the id 256 + r.
        special_tokens: strings that get an id each and are never cut or merged.

    Attributes:
        merges: list of pairs.
        ranks: dictionary, pair -> its place in `merges`.
        token_bytes: list, id -> bytes.
        special_tokens: list of strings.
        special_ids: dictionary, special token -> id.

    Raises:
        ValueError: a merge or a special token makes no sense.

    Source: Gage 1994; Sennrich et al. 2015; on bytes, Radford et al. 2019 (GPT-2).

    >>> tokenizer = BPETokenizer()
    >>> tokenizer.train("low low lower lowest", num_merges=3)
    >>> tokenizer
    BPETokenizer(259 tokens: 256 bytes, 3 merges, 0 special)
    >>> tokenizer.encode("slow lower")
    [115, 257, 258, 101, 114]
    >>> tokenizer.decode([115, 257, 258, 101, 114])
    'slow lower'
    """

    def __init__(self, merges=(), special_tokens=()):
        self._take(merges, special_tokens)

    def _take(self, merges, special_tokens):
        """Check merges and special tokens, and make every table from them."""
        merges = [tuple(pair) for pair in merges]
        special_tokens = checked_special(special_tokens)
        check_merges(merges)
        self.merges, self.special_tokens = merges, special_tokens
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.token_bytes = [bytes([i]) for i in range(256)]
        for left, right in merges:
            self.token_bytes.append(self.token_bytes[left] + self.token_bytes[right])
        start = len(self.token_bytes)
        self.special_ids = {token: start + i for i, token in enumerate(special_tokens)}
        self.token_bytes += [to_bytes(token) for token in special_tokens]
        self._cache = {}  # word -> its ids

    def __repr__(self):
        return (
            f"BPETokenizer({self.vocab_size} tokens: 256 bytes, {len(self.merges)} merges, "
            f"{len(self.special_tokens)} special)"
        )

    @property
    def vocab_size(self):
        """How many ids there are: 0 to vocab_size - 1."""
        return len(self.token_bytes)

    def rank(self, pair):
        """The place of a pair in `merges`; infinity if it was never merged."""
        return self.ranks.get(pair, math.inf)

    def train(self, text, vocab_size=None, num_merges=None, special_tokens=None):
        """Learn merges from a text: the most frequent pair first; ties: the smallest pair of ids.

        Ends early when no pair occurs twice. What was learnt before is forgotten.

        Args:
            text: what to learn from; special tokens in it are left out.
            vocab_size: how many ids there shall be at most, bytes and special tokens included.
            num_merges: instead of vocab_size, how many merges at most.
            special_tokens: strings; None keeps those that the tokenizer has.

        Raises:
            ValueError: not exactly one of vocab_size and num_merges is given, or it is too small.

        Source: Gage 1994; Sennrich et al. 2015.

        >>> tokenizer = BPETokenizer()
        >>> tokenizer.train("aaabdaaabac", num_merges=3)
        >>> tokenizer.merges
        [(97, 97), (97, 98), (256, 257)]
        """
        special_tokens = checked_special(
            self.special_tokens if special_tokens is None else special_tokens
        )
        limit = merges_wanted(vocab_size, num_merges, len(special_tokens))
        to_bytes(plain_text(text))  # refuses what is no text, with its place
        index = PairIndex(count_words(text, special_tokens))
        merges = []
        while len(merges) < limit:
            most = max(index.counts.values(), default=0)
            if most < 2:
                break
            pair = min(pair for pair, count in index.counts.items() if count == most)
            index.merge(pair, 256 + len(merges))
            merges.append(pair)
        self._take(merges, special_tokens)

    def encode(self, text, special=True):
        """The ids of a text; `decode` gives the same text back, whatever it is.

        Args:
            text: any string, the empty one too.
            special: whether special tokens in the text become their ids; with False they are
                read as plain text. Use False for text that strangers wrote.

        Returns:
            A list of integers.

        Raises:
            ValueError: the text holds half of a surrogate pair.
        """
        to_bytes(plain_text(text))
        ids = []
        parts = split_special(text, self.special_tokens if special else ())
        for place, part in enumerate(parts):
            if place % 2:
                ids.append(self.special_ids[part])
            else:
                for word in split_words(part):
                    ids.extend(self._ids_of(word))
        return ids

    def _ids_of(self, word):
        """`encode_word` with a memory, since most words come again."""
        ids = self._cache.get(word)
        if ids is None:
            ids = self.encode_word(to_bytes(word))
            if len(self._cache) >= CACHE_SIZE:
                self._cache.clear()
            self._cache[word] = ids
        return ids

    def encode_word(self, word):
        """The ids of one word, as training would have left it.

        Args:
            word: bytes.

        Returns:
            A list of ids; their bytes, joined, are the word.

        Source: Sennrich et al. 2015.

        >>> BPETokenizer(merges=[(98, 99), (97, 98)]).encode_word(b"abcab")
        [97, 256, 257]
        """
        ids = list(word)
        while len(ids) > 1:
            pair = min(pairwise(ids), key=self.rank)
            if pair not in self.ranks:
                break
            ids = merge(ids, pair, 256 + self.ranks[pair])
        return ids

    def decode(self, ids):
        """The text behind a row of ids; bytes that are no text become U+FFFD.

        Args:
            ids: a list, array or Tensor of integers from 0 to vocab_size - 1.

        Returns:
            A string.

        Raises:
            ValueError: an id is out of range.

        >>> BPETokenizer(merges=[(104, 105)]).decode([256, 33])
        'hi!'
        """
        ids = id_row(ids, self.vocab_size).tolist()
        data = b"".join(self.token_bytes[i] for i in ids)
        return data.decode("utf-8", errors="replace")

    def save(self, path):
        """Write merges and special tokens to a JSON file, in one step."""
        content = {"merges": self.merges, "special_tokens": self.special_tokens}
        save_json(path, {"kind": "BPETokenizer", **content})

    @classmethod
    def load(cls, path):
        """The tokenizer that `save` wrote; see `load_tokenizer` for what is refused."""
        return load_tokenizer(path, cls, ["merges", "special_tokens"])


def check_merges(merges):
    """Refuse merges that no training makes: each joins two earlier ids, and none comes twice."""
    for rank, pair in enumerate(merges):
        if len(pair) != 2 or not all(type(i) is int and 0 <= i < 256 + rank for i in pair):
            raise ValueError(
                f"merge number {rank} is {pair}: it must be a pair of ids below {256 + rank}, "
                "which is the id that it makes"
            )
    if len(set(merges)) < len(merges):
        raise ValueError("a pair is merged twice: after the first time it is in no word any more")


def checked_special(special_tokens):
    """The special tokens as a list of different strings that are not empty."""
    if isinstance(special_tokens, str):
        raise ValueError(f"special_tokens is a list of strings: write [{special_tokens!r}]")
    special_tokens = list(special_tokens)
    if not all(isinstance(token, str) and token for token in special_tokens):
        raise ValueError(f"a special token is a string that is not empty, unlike {special_tokens}")
    if len(set(special_tokens)) < len(special_tokens):
        raise ValueError(f"a special token comes twice in {special_tokens}")
    return special_tokens


def merges_wanted(vocab_size, num_merges, num_special):
    """How many merges at most, from the one of the two numbers that was given."""
    if (vocab_size is None) == (num_merges is None):
        raise ValueError("train needs vocab_size or num_merges, one of the two")
    if vocab_size is None:
        num_merges = whole_number(num_merges, "num_merges")
        if num_merges < 0:
            raise ValueError(f"num_merges is at least 0, not {num_merges}")
        return num_merges
    least = 256 + num_special
    if whole_number(vocab_size, "vocab_size") < least:
        raise ValueError(
            f"vocab_size={vocab_size} is too small: bytes and special tokens alone make {least}"
        )
    return operator.index(vocab_size) - least


# %% next-token-windows
def next_token_windows(ids, length, stride=None):
    """x[n, t] = ids[n*stride + t] and y[n, t] = ids[n*stride + t + 1]: y is one step ahead.

    Every window that fits is there; ids left over at the end are not used.

    Args:
        ids: a list, array or Tensor of token ids, one dimension.
        length: ids per window, at least 1.
        stride: from one window's start to the next; None means length, side by side.

    Returns:
        (x, y), int64 Tensors of shape (N, length).

    Raises:
        ValueError: length or stride is below 1, or there are fewer than length + 1 ids.

    >>> x, y = next_token_windows([5, 3, 8, 1, 9, 2, 7], length=3)
    >>> x
    tensor([[5, 3, 8],
            [1, 9, 2]])
    >>> y
    tensor([[3, 8, 1],
            [9, 2, 7]])
    """
    ids = id_row(ids)
    length = whole_number(length, "length")
    stride = length if stride is None else whole_number(stride, "stride")
    if length < 1 or stride < 1:
        raise ValueError(f"length and stride are at least 1, not {length} and {stride}")
    if len(ids) < length + 1:
        raise ValueError(
            f"a window of {length} and the target after it need {length + 1} ids, and there are "
            f"{len(ids)}: take a longer text or a shorter window"
        )
    starts = np.arange(0, len(ids) - length, stride)
    places = starts[:, None] + np.arange(length)  # (N, 1) + (length,) -> (N, length)
    x, y = ids[places], ids[places + 1]
    return wrap(x), wrap(y)
