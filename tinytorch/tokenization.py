# Written by tito export from modules/10_tokenization/tokenization.ipynb.
# Edit the notebook, not this file.

"""Text to integers and back, losing nothing."""

__all__ = [
    "SPLIT",
    "id_row",
    "CharTokenizer",
    "count_pairs",
    "merge",
    "split_special",
    "split_words",
    "count_words",
    "PairIndex",
    "BPETokenizer",
    "show_tokens",
    "next_token_windows",
]


# %% imports
import math
import re
from collections import Counter
from itertools import chain, pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import bytepairs
from .bytepairs import checked_special, merges_wanted, plain_text, whole_number
from .tensor import int64, wrap


# %% id-row
def id_row(ids, vocab_size=math.inf):
    """A row of token ids as a new int64 array, every id checked.

    Args:
        ids: a list, an array or a Tensor with one dimension.
        vocab_size: ids lie between 0 and vocab_size - 1.

    Raises:
        TypeError: it is not one row of whole numbers.
        ValueError: an id is out of range; names the first one and its place.

    >>> id_row([3, 1, 2])
    array([3, 1, 2])
    """
    ids = bytepairs.one_row(ids)
    for place in np.flatnonzero((ids < 0) | (ids >= vocab_size)):
        raise ValueError(f"id {ids[place]} at place {place} is not between 0 and {vocab_size - 1}")
    return ids.astype(int64)


# %% char-tokenizer
class CharTokenizer:
    """Every different character is one token; the ids follow the sorted characters.

    Args:
        text: its characters become the vocabulary, sorted by code point.
        vocabulary: instead of a text, the characters themselves in the order of their ids.

    Attributes:
        vocab_size: how many ids there are, 0 to vocab_size - 1.
        characters: list, id -> character.
        id_of: dictionary, character -> id.

    Raises:
        ValueError: both or neither are given, or there is no character, or one is there twice, or
            the vocabulary has no order, as a set.

    >>> tokenizer = CharTokenizer("hello")
    >>> tokenizer
    CharTokenizer(4 characters)
    >>> tokenizer.decode(tokenizer.encode("hole"))
    'hole'
    """

    def __init__(self, text=None, vocabulary=None):
        if (text is None) == (vocabulary is None):
            raise ValueError("CharTokenizer needs a text or a vocabulary, one of the two")
        given = sorted(set(plain_text(text))) if vocabulary is None else vocabulary
        self.characters = bytepairs.checked_vocabulary(given)
        self.vocab_size = len(self.characters)
        self.id_of = {character: i for i, character in enumerate(self.characters)}

    def __repr__(self):
        return f"CharTokenizer({self.vocab_size} characters)"

    def unknown(self, character, place):
        """The error for a character that has no id."""
        return ValueError(
            f"{character!r} (U+{ord(character):04X}) at place {place} is not in the vocabulary of "
            f"{self.vocab_size} characters: add it to the text, or use BPETokenizer"
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

    def decode_stream(self, tokens):
        """The text of tokens that come one by one; see `BPETokenizer.decode_stream`.

        >>> list(CharTokenizer("hello").decode_stream([2, 3, 2]))
        ['l', 'o', 'l']
        """
        return bytepairs.text_of_stream(tokens, self.characters, id_row)

    def save(self, path):
        """Write the vocabulary to a JSON file, in one step."""
        bytepairs.save_json(path, {"vocabulary": self.characters})

    @classmethod
    def load(cls, path):
        """The tokenizer that `save` wrote; see `load_tokenizer` for what is refused."""
        return bytepairs.load_tokenizer(path, cls, ["vocabulary"])


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


def split_special(text, special_tokens):
    """Cut a text at its special tokens: plain, special, plain, ..., plain.

    >>> split_special("one<end>two", ["<end>"])
    ['one', '<end>', 'two']
    """
    if not special_tokens:
        return [text]
    longest_first = sorted(special_tokens, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, longest_first))})", text)


def split_words(text, special_tokens=(), pattern="plain"):
    r"""Cut a text into words, each with its leading space; joined again they are the text.

    Args:
        text: a string.
        special_tokens: strings that are words of their own.
        pattern: "plain" is GPT-2's pattern written for Python's own `re`, which counts signs such
            as ½ among the letters; "gpt2" cuts exactly as GPT-2 does (`bytepairs.cut_as_gpt2`).

    Source: Radford et al. 2019.

    Raises:
        ValueError: the text holds half of a surrogate pair, which has no bytes; names its place.

    >>> split_words("Isn't a cow  2 metres long?\n")
    ['Isn', "'t", ' a', ' cow', ' ', ' 2', ' metres', ' long', '?', '\n']
    """
    plain_text(text).encode("utf-8")  # raises where a word would have no bytes
    words, cut = [], bytepairs.cut_as_gpt2 if pattern == "gpt2" else re.Pattern.findall
    for place, part in enumerate(split_special(text, special_tokens)):
        words += [part] if place % 2 else cut(SPLIT, part)  # every second part is special
    return words


def count_words(text, special_tokens=(), pattern="plain"):
    """How often each word occurs: a dictionary from its bytes, a tuple of ids, to the count.

    >>> count_words("hi hi hi")
    {(104, 105): 1, (32, 104, 105): 2}
    """
    times = Counter(split_words(text, special_tokens, pattern))
    return {tuple(w.encode("utf-8")): n for w, n in times.items() if w not in special_tokens}


# %% pair-index
class PairIndex:
    """The pair counts of weighted words, kept up to date while pairs are merged.

    Args:
        words: dictionary from a word, a tuple of ids, to how many times it occurs.

    Attributes:
        counts: dictionary, pair -> count, only pairs that occur.
        words: list of (word, times) as they stand now; a word of hundreds of ids as an array.
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
            if len(word) > bytepairs.LONG:  # a book without spaces: not all of it anew each time
                word, changes = bytepairs.merge_long(word, pair, new)
                self.words[number] = (word, times)
                self._change(number, changes, times)
                continue
            self._add(number, -1)
            self.words[number] = (tuple(merge(word, pair, new)), times)
            self._add(number, 1)

    def _add(self, number, sign):
        """Add the pairs of one word to the counts (sign 1), or take them away (sign -1)."""
        word, times = self.words[number]
        self.pairs_seen += max(len(word) - 1, 0)
        self._change(number, count_pairs({word: times}), sign)

    def _change(self, number, counts, sign):
        """Add `sign` times some counts, and note that the pairs stand in the word."""
        for pair, count in counts.items():
            self.counts[pair] = self.counts.get(pair, 0) + sign * count
            if self.counts[pair] == 0:
                del self.counts[pair]
            self.places.setdefault(pair, set()).add(number)


# %% bpe-tokenizer
class BPETokenizer:
    """Byte-level byte-pair encoding: every text is known, and frequent pieces are one token.

    The ids: 0 to 255 are the bytes, then come the merges in the order they were learnt, then the
    special tokens.

    Args:
        merges: pairs of ids, in order; the pair at place r makes the id 256 + r.
        special_tokens: strings in order that get an id each and are never cut or merged.
        pattern: how text is cut into words, "plain" or "gpt2"; see `split_words`.
        token_bytes: another order of the ids, that of a file: a list, id -> bytes.

    Attributes:
        vocab_size: how many ids there are, 0 to vocab_size - 1.
        merges: list of pairs.
        ranks: dictionary, pair -> its place in `merges`.
        token_bytes: list, id -> bytes.
        special_tokens: list of strings.
        special_ids: dictionary, special token -> id.
        ids: the ids in the order above; other numbers only if token_bytes are given.

    Raises:
        ValueError: a merge or a special token makes no sense, or they have no order, as in a set.

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

    def __init__(self, merges=(), special_tokens=(), pattern="plain", token_bytes=None):
        self.merges = bytepairs.checked_merges(merges)
        self.special_tokens = checked_special(special_tokens)
        if pattern not in ("plain", "gpt2"):
            raise ValueError(f"pattern is 'plain' or 'gpt2', not {pattern!r}")
        self.pattern = pattern
        self.ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        tokens = [bytes([i]) for i in range(256)]
        for left, right in self.merges:
            tokens.append(tokens[left] + tokens[right])
        tokens += [token.encode("utf-8") for token in self.special_tokens]
        self.token_bytes, self.ids, self.twins = tokens, range(len(tokens)), {}
        if token_bytes is not None:
            self.token_bytes, self.ids, self.twins = bytepairs.arranged(tokens, token_bytes)
        self.vocab_size = len(self.token_bytes)
        special_ids = self.ids[len(tokens) - len(self.special_tokens) :]
        self.special_ids = dict(zip(self.special_tokens, special_ids, strict=True))
        special = {}, self.special_ids
        self.known = [bytepairs.Known(self._ids_of, ids) for ids in special]  # without, and with

    def __repr__(self):
        kinds = f"256 bytes, {len(self.merges)} merges, {len(self.special_tokens)} special"
        kinds += f"; pattern {self.pattern}" if self.pattern != "plain" else ""
        return f"BPETokenizer({self.vocab_size} tokens: {kinds})"

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
        special = checked_special(self.special_tokens if special_tokens is None else special_tokens)
        limit = merges_wanted(vocab_size, num_merges, len(special))
        index = PairIndex(count_words(text, special, self.pattern))
        merges = []
        # Idea 1: the most frequent pair, of equal ones the smallest; merge it, note it, repeat
        while len(merges) < limit:
            most = max(index.counts.values(), default=0)
            if most < 2:
                break
            pair = min(pair for pair, count in index.counts.items() if count == most)
            index.merge(pair, 256 + len(merges))
            merges.append(pair)
        self.__init__(merges, special, self.pattern)  # begin anew, with what was learnt

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
        special_ids, known = self.special_ids if special else {}, self.known[bool(special)]
        known.make_room()  # most words come again, and `known` remembers their ids
        words = split_words(text, special_ids, self.pattern)
        return list(chain.from_iterable(map(known.__getitem__, words)))

    def _ids_of(self, word):
        """The ids of one word, from encode_word; a word that is a book takes a faster way."""
        word = word.encode("utf-8")
        if len(word) > bytepairs.LONG or self.twins:
            made = bytepairs.encode_long(word, self.ranks, self.twins)
        else:
            made = self.encode_word(word)
        return tuple(self.ids[i] for i in made)

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
        # Idea 2: of all pairs of neighbours the lowest rank first, until none has a rank
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
        # Idea 3: all bytes first, then the text
        data = b"".join(self.token_bytes[i] for i in ids)
        return data.decode("utf-8", errors="replace")

    def decode_stream(self, tokens):
        """The text of tokens that come one by one, each character as soon as its bytes are there.

        Args:
            tokens: an iterable of ids, or of arrays or Tensors that hold one id, such as
                `model.stream([ids], 50)`.

        Returns:
            A generator of strings that are not empty; joined they are what `decode` gives.

        Raises:
            ValueError: an id is out of range, or there are several rows at a time.

        >>> list(BPETokenizer().decode_stream("é!".encode()))
        ['é', '!']
        """
        return bytepairs.text_of_stream(tokens, self.token_bytes, id_row)

    def save(self, path):
        """Write merges, special tokens, pattern and order of ids to a JSON file, in one step."""
        names = [token.decode("latin-1") for token in self.token_bytes]
        names = None if isinstance(self.ids, range) else names  # the usual order says itself
        content = {"merges": self.merges, "special_tokens": self.special_tokens}
        bytepairs.save_json(path, content | {"pattern": self.pattern, "token_bytes": names})

    @classmethod
    def load(cls, path):
        """The tokenizer that `save` wrote; see `load_tokenizer` for what is refused."""
        more = {"pattern": "plain", "token_bytes": None}  # older files lack them
        return bytepairs.load_tokenizer(path, cls, ["merges", "special_tokens"], more)

    @classmethod
    def from_gpt2(cls, source, merges_file=None, special_tokens=None):
        """The tokenizer in GPT-2's files, with their ids; `pattern` is "gpt2".

        Args:
            source: a folder with tokenizer.json, which counts before others as in `transformers`,
                or with vocab.json and merges.txt; or the path of a vocab.json, and then
                merges_file is the path of the merges.txt.
            merges_file: see above.
            special_tokens: a list of strings; None takes those that the folder declares, and
                <|endoftext|> if it has an id.

        Returns:
            A BPETokenizer whose ids are those of GPT-2's own tokenizer.

        Raises:
            FileNotFoundError: a file is not there.
            ValueError: a file is damaged, or describes a tokenizer that gives other ids; says how.

        Source: Radford et al. 2019, the files published with GPT-2.
        """
        return cls(**bytepairs.read_gpt2(source, merges_file, special_tokens))

    def save_gpt2(self, folder):
        """Write the tokenizer as GPT-2's files: vocab.json, merges.txt, tokenizer_config.json.

        What else such a folder may say of a tokenizer (tokenizer.json, added_tokens.json,
        special_tokens_map.json) is removed from it, since other libraries would read that as well.

        Args:
            folder: where to; it is made if it is not there.

        Raises:
            ValueError: `pattern` is not "gpt2", or two ids have the same bytes: the files could
                not say so, and another library would give other ids.
        """
        bytepairs.write_gpt2(self, folder)


# %% show-tokens
def show_tokens(text, tokenizer, ids=False, limit=2000):
    """A text cut into its tokens, to look at; spaces and line ends are visible.

    In a notebook let it be a cell's last line; in a script print it. In a terminal each token has
    a colour (not if the environment variable NO_COLOR is set), elsewhere a | stands between tokens.

    Args:
        text: a string.
        tokenizer: a BPETokenizer, a CharTokenizer, or whatever has `encode` and `decode`.
        ids: whether the ids are shown too.
        limit: how many tokens are shown at most.

    Returns:
        A `bytepairs.TokenView`, which shows itself.

    Raises:
        TypeError: `text` is no string, or `tokenizer` is no tokenizer.

    >>> print(show_tokens("a cow", CharTokenizer("a cow"), ids=True).text(coloured=False))
    a[1]|·[0]|c[2]|o[3]|w[4]
    5 tokens
    """
    if not hasattr(tokenizer, "decode"):
        raise TypeError(f"show_tokens(text, tokenizer): {tokenizer!r} is no tokenizer")
    row = [int(i) for i in tokenizer.encode(plain_text(text))]
    table = getattr(tokenizer, "token_bytes", None)
    pieces = [table[i] if table else tokenizer.decode([i]) for i in row]
    return bytepairs.TokenView(pieces, row, ids, limit)


# %% next-token-windows
def next_token_windows(ids, length, stride=None):
    """x[n, t] = ids[n*stride + t] and y[n, t] = ids[n*stride + t + 1]: y is one step ahead.

    Every window that fits is there; ids left over at the end are not used.

    Args:
        ids: a list, array or Tensor of token ids, one dimension.
        length: ids per window, at least 1.
        stride: from one window's start to the next; None means length, side by side.

    Returns:
        (x, y), int64 Tensors of shape (N, length): read-only views of one copy of the ids, so that
        overlapping windows take no memory of their own. clone() makes numbers that you can change.

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
    length = whole_number(length, "length", 1)
    stride = length if stride is None else whole_number(stride, "stride", 1)
    if len(ids) <= length:
        raise ValueError(f"windows of {length} need {length + 1} ids, and there are {len(ids)}")
    windows = sliding_window_view(ids, length + 1)[::stride]  # (N, length + 1)
    x, y = windows[:, :-1], windows[:, 1:]  # (N, length) each
    return wrap(x), wrap(y)
