"""What stands around the tokenizers of module 10: GPT-2's split and files, and tokens in colour.

Nothing here imports the module: it takes a tokenizer, or gives the arguments of one, so that the
lesson's own class can use it too.
"""

import codecs
import html
import json
import os
import sys
import unicodedata
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

__all__ = ["Known", "TokenView", "arranged", "byte_signs", "checked_merges", "checked_special"]
__all__ += ["load_tokenizer", "merges_wanted", "plain_text", "save_json", "whole_number"]
__all__ += ["cut_as_gpt2", "encode_long", "merge_long", "read_gpt2", "write_file", "write_gpt2"]
__all__ += ["checked_vocabulary", "in_order", "one_row", "remove_files", "text_of_stream"]

END = "<|endoftext|>"  # the special token that GPT-2 has without anybody naming it
ROLES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
LISTS = ("additional_special_tokens", "extra_special_tokens")
FLAGS = ("lstrip", "rstrip", "single_word")  # what a token may ask for, and has not here
CLASSES = ("GPT2Tokenizer", "GPT2TokenizerFast", "CodeGenTokenizer", "CodeGenTokenizerFast")
CLASSES += ("PreTrainedTokenizerFast", "TokenizersBackend")  # of any kind: tokenizer.json says more
FILES = ("vocab.json", "merges.txt", "tokenizer_config.json")  # what write_gpt2 writes
OLDER = ("tokenizer.json", "added_tokens.json", "special_tokens_map.json")  # and what it removes


# -- the split
def cut_as_gpt2(plain_split, text):
    r"""The words of a text as GPT-2 cuts it; joined they are the text.

    GPT-2's pattern is `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`,
    and Python's `re` has no `\p`. The lesson's pattern differs in two points. Its letters are all
    letters and the numbers that are no digits (½, ², Ⅷ), its numbers only the digits. And its white
    space holds the four separators U+001C to U+001F, which Unicode's does not. So these characters
    are replaced first, each by one of the kind that GPT-2 sees, and the text is cut at the places
    where the other one is. A character younger than Python's tables (`unicodedata.unidata_version`)
    is no letter.

    Args:
        plain_split: the lesson's pattern, compiled.
        text: a string.

    Source: Radford et al. 2019, the pattern in GPT-2's published code.

    >>> from tinytorch.tokenization import SPLIT
    >>> cut_as_gpt2(SPLIT, "We've 2½ metres")
    ['We', "'ve", ' 2½', ' metres']
    """
    replaced = text.translate(_stand_ins())
    words = plain_split.findall(replaced)
    if replaced == text:
        return words
    ends = accumulate(map(len, words), initial=0)
    return [text[start:end] for start, end in pairwise(ends)]


@cache
def _stand_ins():
    """For `translate`: 0 for each number that `re` takes for a letter, NUL for four separators."""
    numeric = filter(str.isnumeric, map(chr, range(sys.maxunicode + 1)))
    numbers = (c for c in numeric if unicodedata.category(c) in ("Nl", "No"))
    return dict.fromkeys(map(ord, numbers), "0") | dict.fromkeys(range(0x1C, 0x20), "\0")


# -- what a tokenizer asks of its arguments, and remembers
def plain_text(text):
    """`text` itself, if it is a string.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(text, str):
        raise TypeError(f"a tokenizer reads text, not {type(text).__name__} (bytes: use decode())")
    return text


def whole_number(value, name, least):
    """`value` itself, if it is a whole number and not below `least`.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is a whole number from {least} on, not {value!r}")
    return value


def save_json(path, content):
    """Write `content` to a JSON file in one step: whoever reads finds the old file or the new."""
    write_file(path, json.dumps(content))


def load_tokenizer(path, kind, fields, more=()):
    """A tokenizer from a file that its `save` wrote.

    Args:
        path: the file.
        kind: the tokenizer's class.
        fields: the names of what `save` stores, which are arguments of the class.
        more: dictionary, further names with what counts where a file lacks them.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is cut short, damaged, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        given = {field: content[field] for field in fields}
        return kind(**given | {name: content.get(name, more[name]) for name in more})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is cut short, or holds no {kind.__name__}: {error!r}") from None


def merges_wanted(vocab_size, num_merges, num_special):
    """How many merges at most, from the one of the two numbers that was given."""
    if (vocab_size is None) == (num_merges is None):
        raise ValueError("train needs vocab_size or num_merges, one of the two")
    if vocab_size is None:
        return whole_number(num_merges, "num_merges", 0)
    taken = 256 + num_special
    return whole_number(vocab_size, "vocab_size, bytes and special tokens included,", taken) - taken


def in_order(values, name, starts=()):
    """The values as a list, whose order their ids follow.

    Args:
        values: a list or the like, or a dictionary with the very ids that its order gives.
        name: what the argument is called in the errors.
        starts: the ids with which the order of a dictionary may begin.

    Raises:
        ValueError: it is a set, or a dictionary with other ids.

    >>> in_order({"b": 0, "a": 1}, "vocabulary", starts=[0])
    ['b', 'a']
    """
    if isinstance(values, set | frozenset):
        advice = f", sorted({name})" if all(isinstance(v, str) for v in values) else ""
        raise ValueError(f"{name} is a set, and a set has no order for ids: pass a list{advice}")
    if isinstance(values, dict):
        ids = list(values.values())
        if not any(ids == list(range(start, start + len(ids))) for start in starts):
            advice = f"pass a list, sorted({name}, key={name}.get)"
            raise ValueError(f"{name} is a dictionary, and its numbers become no ids: {advice}")
    return list(values)


def one_row(ids):
    """Token ids, a list, array or Tensor, as an array with one dimension.

    Raises:
        TypeError: they are not one row of whole numbers.

    >>> one_row((3, 1))
    array([3, 1])
    """
    try:
        ids = np.asarray(getattr(ids, "array", ids))
    except ValueError:  # NumPy makes no array of rows that differ in length
        told = "these are rows of different lengths: take one at a time"
        raise TypeError(f"token ids are one row of whole numbers, and {told}") from None
    if ids.ndim != 1 or (ids.size and ids.dtype.kind not in "iu"):
        raise TypeError(f"token ids are one row of whole numbers, not {ids.dtype} {ids.shape}")
    return ids


def checked_vocabulary(vocabulary):
    """The vocabulary as a list of different characters, at least one.

    Raises:
        ValueError: it is something else, or has no order.
    """
    characters = in_order(vocabulary, "vocabulary", starts=[0])
    single = all(isinstance(c, str) and len(c) == 1 for c in characters)
    if not single or not characters or len(set(characters)) < len(characters):
        raise ValueError("a vocabulary holds single characters: one at least, and none twice")
    return characters


def checked_merges(merges):
    """The merges as a list of pairs, each of two earlier ids, and none there twice.

    Raises:
        ValueError: a merge is something else; names the first one.

    >>> checked_merges([[97, 98], [256, 99]])
    [(97, 98), (256, 99)]
    """
    merges = [tuple(pair) for pair in in_order(merges, "merges", starts=[0, 256])]
    for rank, pair in enumerate(merges):
        whole = all(type(i) is int or isinstance(i, np.integer) for i in pair)
        if len(pair) != 2 or not whole or not all(0 <= i < 256 + rank for i in pair):
            raise ValueError(f"merge {rank} is {pair}: it joins two ids from 0 to {255 + rank}")
        merges[rank] = int(pair[0]), int(pair[1])
    if len(set(merges)) < len(merges):
        raise ValueError("a pair is merged twice: after the first time it is in no word any more")
    return merges


def checked_special(special_tokens):
    """The special tokens as a list of different strings that are not empty."""
    tokens = in_order(special_tokens, "special_tokens")
    strings = all(isinstance(token, str) and token for token in tokens)
    if isinstance(special_tokens, str) or not strings or len(set(tokens)) < len(tokens):
        raise ValueError(f"special_tokens is a list of different strings, not {special_tokens!r}")
    return tokens


class Known(dict):
    """A dictionary word -> ids that asks for the ids of a word when it meets it first.

    Args:
        encode: function from a word to a tuple of ids.
        special_ids: dictionary, special token -> id; these are known from the start.

    >>> known = Known(lambda word: (len(word),), {"<end>": 9})
    >>> known["cow"], known["<end>"], len(known)
    ((3,), (9,), 2)
    """

    MOST = 2**16  # words: what they take is less than 30 MB

    def __init__(self, encode, special_ids):
        super().__init__()
        self.encode, self.special_ids = encode, special_ids
        self.make_room(most=-1)

    def __missing__(self, word):
        self[word] = ids = self.encode(word)
        return ids

    def make_room(self, most=MOST):
        """Forget the words if there are more than `most`."""
        if len(self) > most:
            self.clear()
            self.update((token, (i,)) for token, i in self.special_ids.items())


# -- a text that is shown while it is written
def text_of_stream(tokens, table, id_row):
    """The text of tokens that come one by one, in pieces; see `BPETokenizer.decode_stream`.

    Args:
        tokens: an iterable of ids, or of arrays and Tensors that hold one id.
        table: list, id -> bytes, or a string.
        id_row: the lesson's function, which checks ids.

    >>> from tinytorch.tokenization import id_row
    >>> list(text_of_stream([0, 1], [b"\\xc3", b"\\xa9!"], id_row))
    ['é!']
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for token in tokens:
        ids = np.atleast_1d(getattr(token, "array", token))
        if ids.size != 1:
            advice = f"of {ids.size} rows stream one, (new[:1] for new in stream)"
            raise ValueError(f"a stream is one text, one id at a time, not {ids.size}: {advice}")
        piece = table[id_row(ids, len(table))[0]]
        if text := piece if isinstance(piece, str) else decoder.decode(piece):
            yield text
    if rest := decoder.decode(b"", final=True):
        yield rest


# -- a word that is a book
LONG = 256  # ids: longer words are spared the lesson's loops, whose time grows with the square


def merge_long(ids, pair, new):
    """Merge a pair in a long word, and say what that does to the counts of pairs.

    Args:
        ids: a tuple or an array of ids.
        pair: (left, right).
        new: the id that takes the pair's place.

    Returns:
        (ids, changes): the new ids, an array while they are more than LONG and then a tuple; and a
        dictionary, pair -> how many more of it there are now.

    >>> merge_long((7, 7, 7, 8), (7, 7), 300)
    ((300, 7, 8), {(7, 7): -2, (300, 7): 1})
    """
    ids = np.asarray(ids, dtype=np.int64)
    places = np.flatnonzero((ids[:-1] == pair[0]) & (ids[1:] == pair[1]))
    if pair[0] == pair[1] and len(places):  # of a run of them every second one, from its start
        starts = np.r_[True, np.diff(places) > 1]
        places = places[(places - places[starts][np.cumsum(starts) - 1]) % 2 == 0]
    merged = ids.copy()
    merged[places] = new
    merged = np.delete(merged, places + 1)
    now = places - np.arange(len(places))
    changes = _pairs_at(merged, (now - 1, now))
    for old, count in _pairs_at(ids, (places - 1, places, places + 1)).items():
        changes[old] = changes.get(old, 0) - count
    changes = {key: change for key, change in sorted(changes.items()) if change}
    return merged if len(merged) > LONG else tuple(merged.tolist()), changes


def _pairs_at(ids, places):
    """The pairs that begin at some places of a row of ids, each place once, with their counts."""
    places = np.unique(np.concatenate(places))
    places = places[(places >= 0) & (places < len(ids) - 1)]
    numbers, counts = np.unique((ids[places] << 32) | ids[places + 1], return_counts=True)
    pairs = zip((numbers >> 32).tolist(), (numbers & 0xFFFFFFFF).tolist(), strict=True)
    return dict(zip(pairs, counts.tolist(), strict=True))


def encode_long(word, ranks, twins):
    """The ids of a word of any length: what `encode_word` gives, in time n log n.

    A heap holds the pairs that have a rank, each with its place; the lowest rank comes out first,
    of equal ones the leftmost. What the row of ids looks like now stands in three lists.

    Args:
        word: bytes.
        ranks: dictionary, pair -> rank.
        twins: dictionary, id -> the smaller id that has the same bytes; mostly empty.

    Returns:
        A list of ids; their bytes, joined, are the word.

    >>> encode_long(b"abcab", {(98, 99): 0, (97, 98): 1}, {})
    [97, 256, 257]
    """
    ids, end = list(word), len(word)
    before, after = list(range(-1, end - 1)), list(range(1, end + 1))
    queue = [(ranks[pair], place) for place, pair in enumerate(pairwise(ids)) if pair in ranks]
    heapify(queue)
    while queue:
        rank, place = heappop(queue)
        right = after[place]
        if right == end or ranks.get((ids[place], ids[right])) != rank:
            continue  # one of the two was merged with another since
        ids[place], ids[right] = twins.get(256 + rank, 256 + rank), -1
        after[place] = after[right]
        if after[place] < end:
            before[after[place]] = place
        for left in (before[place], place):
            if left >= 0 and after[left] < end:
                pair = ids[left], ids[after[left]]
                if pair in ranks:
                    heappush(queue, (ranks[pair], left))
    return [i for i in ids if i >= 0]


# -- GPT-2's files
@cache
def byte_signs():
    """A printable character for each byte, as GPT-2's files write them: 32, the space, is Ġ.

    The bytes 33 to 126, 161 to 172 and 174 to 255 are the characters of the same number; the
    others, in order, are U+0100, U+0101, ...

    Returns:
        A string of 256 different characters.

    Source: Radford et al. 2019, `bytes_to_unicode` in GPT-2's published code.

    >>> "".join(byte_signs()[byte] for byte in b"a cow\\n")
    'aĠcowĊ'
    """
    printed = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = (chr(256 + n) for n in range(256))
    return "".join(chr(byte) if byte in printed else next(hidden) for byte in range(256))


def signs_of(token):
    """The bytes of a token as GPT-2's files write them."""
    return token.decode("latin-1").translate(byte_signs())


def bytes_of(name):
    """The bytes of a token from its name in GPT-2's files; a name with other signs is plain text.

    >>> bytes_of("Ġcow")
    b' cow'
    """
    byte = {sign: number for number, sign in enumerate(byte_signs())}
    if byte.keys() >= set(name):
        return bytes(byte[sign] for sign in name)
    return name.encode("utf-8")


def arranged(tokens, vocabulary):
    """Where a vocabulary has the tokens that a tokenizer makes.

    Args:
        tokens: list of bytes: the 256 bytes, the merges, the special tokens.
        vocabulary: list, id -> bytes; b"" where no token has the id. From a file that `save` wrote
            also strings, with a character from U+0000 to U+00FF for each byte.

    Returns:
        (token_bytes, ids, twins): the vocabulary as bytes; for each token its id; and for each
        place in `tokens` whose bytes came before, the first place that has them.

    Raises:
        ValueError: two ids have the same bytes, or a token has no id.

    >>> arranged([b"a", b"b", b"ab"], [b"ab", b"a", b"b"])
    ([b'ab', b'a', b'b'], [1, 2, 0], {})
    """
    names = in_order(vocabulary, "token_bytes", starts=[0])
    names = (name.encode("latin-1") if isinstance(name, str) else name for name in names)
    token_bytes = [memoryview(name).tobytes() for name in names]  # a number is refused
    id_of = {}
    for i, token in enumerate(token_bytes):
        if token and token in id_of:
            raise ValueError(f"the ids {id_of[token]} and {i} are both {token}: a text has one row")
        id_of[token] = i
    first, twins = {}, {}
    for place, token in enumerate(tokens):
        if token not in id_of:
            raise ValueError(f"{token} has no id in the vocabulary: every byte and merge needs one")
        if first.setdefault(token, place) != place:
            twins[place] = first[token]
    return token_bytes, [id_of[token] for token in tokens], twins


def read_gpt2(source, merges_file=None, special_tokens=None):
    """The arguments of a `BPETokenizer` from GPT-2's files; see `BPETokenizer.from_gpt2`.

    Args:
        source: a folder with tokenizer.json, which counts before others as in `transformers`, or
            with vocab.json and merges.txt; or the path of a vocab.json, with merges_file.
        merges_file: the path of the merges.txt, if source is no folder.
        special_tokens: a list of strings; None takes those that the folder declares.

    Returns:
        A dictionary with merges, special_tokens, pattern and token_bytes.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file is damaged, or describes another kind of tokenizer.
    """
    id_of, lines, declared, where = _read_files(Path(source), merges_file)
    if special_tokens is None:
        special_tokens = sorted(declared, key=lambda name: id_of.get(name, -1))
    special = checked_special(special_tokens)
    if missing := [token for token in special if token not in id_of]:
        raise ValueError(
            f"the special token {missing[0]!r} has no id in {source}: name those that have one "
            "with special_tokens=[...]"
        )
    merges = _pairs(lines, id_of, where)
    vocabulary = [b""] * (max(id_of.values()) + 1)
    for name, i in id_of.items():
        vocabulary[i] = bytes_of(name)
    for name in special:
        vocabulary[id_of[name]] = name.encode("utf-8")
    found = {"merges": merges, "special_tokens": special}
    return found | {"pattern": "gpt2", "token_bytes": vocabulary}


def _read_files(source, merges_file):
    """(vocabulary, merges, special tokens, path of the merges) from a folder or from two files."""
    if not source.is_dir():
        if merges_file is None:
            if not source.exists():
                raise FileNotFoundError(f"there is no {source}: give a folder with GPT-2's files")
            raise ValueError(f"{source} is no folder: give the path of merges.txt as well")
        id_of = _read_vocab(source)
        return id_of, _read_lines(merges_file), {END} & id_of.keys(), merges_file
    settings, whole = _read_settings(source), source / "tokenizer.json"
    if whole.exists():
        return _read_whole(whole)
    where = Path(merges_file or source / "merges.txt")
    id_of, lines = _read_vocab(source / "vocab.json"), _read_lines(where)
    return id_of, lines, _declared(source, settings, id_of), where


def _json(path):
    """The dictionary in a JSON file."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is cut short, or no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, and not names with values")
    return content


def _read_vocab(path):
    """{token's name: id} from a vocab.json, every byte among them."""
    return _checked_vocab(_json(path), path)


def _checked_vocab(id_of, path):
    """The vocabulary itself, if each token has an id of its own and every byte has one."""
    ids = list(id_of.values()) if isinstance(id_of, dict) else [None]
    if not all(type(i) is int and 0 <= i < 2**24 for i in ids) or len(set(ids)) < len(ids):
        raise ValueError(f"{path}: a vocabulary gives each token an id of its own, from 0 on")
    if lacking := [byte for byte in range(256) if byte_signs()[byte] not in id_of]:
        raise ValueError(
            f"{path} lacks the byte {lacking[0]} ({byte_signs()[lacking[0]]}) and so cannot spell "
            f"every text: was it trained with all 256 bytes as its first alphabet?"
        )
    return id_of


def _read_lines(path):
    """The pairs of names in a merges.txt, in order."""
    try:
        lines = Path(path).read_bytes().decode("utf-8").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8, so no merges.txt") from None
    return [line.split(" ") for line in lines if line and not line.startswith("#version")]


def _read_whole(path):
    """(vocabulary, merges, special tokens, path) from the one file that newer libraries write."""
    content = _json(path)
    _check_whole(content, path)
    model = content.get("model") or {}
    id_of = dict(_checked_vocab(model.get("vocab"), path))
    added = {token["content"]: token["id"] for token in content.get("added_tokens") or ()}
    id_of = _checked_vocab(id_of | added, path)
    merges = model.get("merges") or ()
    return id_of, [m.split(" ") if isinstance(m, str) else m for m in merges], set(added), path


def _check_whole(content, path):
    """Refuse a tokenizer.json that gives other ids than GPT-2's tokenizer would."""
    model, split = content.get("model") or {}, content.get("pre_tokenizer") or {}
    wanted = split.get("type") == "ByteLevel" and split.get("use_regex", True)
    plain = not split.get("add_prefix_space") and not content.get("normalizer")
    odd = ("continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges")
    if model.get("type", "BPE") != "BPE" or not wanted or not plain or any(map(model.get, odd)):
        raise ValueError(f"{path} is no tokenizer of GPT-2's kind: its split or its model differs")
    if model.get("dropout"):
        told = f"dropout = {model['dropout']}: it draws which merges count, and all count here"
        raise ValueError(f"{path} says {told}")
    if _adds_tokens(content.get("post_processor") or {}):
        told = f"post_processor = {content['post_processor']['type']}"
        raise ValueError(f"{path} says {told}: it adds tokens to each text, and none is added here")
    for token in content.get("added_tokens") or ():
        _check_token(token, path)


def _adds_tokens(step):
    """Whether the post_processor of a tokenizer.json adds tokens to a text."""
    if step.get("type") == "Sequence":
        return any(map(_adds_tokens, step.get("processors") or ()))
    if step.get("type") == "TemplateProcessing":
        return any("SpecialToken" in piece for piece in step.get("single") or ())
    return step.get("type") not in (None, "ByteLevel")


def _check_token(token, path):
    """Refuse a special token that is not found just where it stands."""
    for flag in FLAGS if isinstance(token, dict) else ():
        if token.get(flag):
            told = f"{flag} = true for {token.get('content')!r}"
            raise ValueError(f"{path} says {told}: here a token is found by its own signs alone")


def _read_settings(folder):
    """What special_tokens_map.json and tokenizer_config.json say, if they ask for nothing more."""
    paths = (folder / "special_tokens_map.json", folder / "tokenizer_config.json")
    settings = {path: _json(path) for path in paths if path.exists()}
    for path, content in settings.items():
        if content.get("add_prefix_space"):
            raise ValueError(f"{path} puts a space before each text, and that is not done here")
        for name in ("add_bos_token", "add_eos_token"):
            if content.get(name):
                raise ValueError(f"{path} says {name} = true, and here no token is added to a text")
        kind = content.get("tokenizer_class") or CLASSES[0]
        if kind not in CLASSES:
            told = "whose ids may be others than GPT-2's: only its kind is read"
            raise ValueError(f"{path} says tokenizer_class = {kind!r}, {told}")
        for token in (*_named(content), *(content.get("added_tokens_decoder") or {}).values()):
            _check_token(token, path)
    return list(settings.values())


def _named(content):
    """The special tokens that a file of settings names, each a string or a dictionary, or None."""
    named = [content.get(role) for role in ROLES]
    return named + [token for kind in LISTS for token in content.get(kind) or ()]


def _declared(folder, settings, id_of):
    """The special tokens of a folder; `id_of` gets those of added_tokens.json."""
    found, path = {END} & id_of.keys(), folder / "added_tokens.json"
    if path.exists():
        added = _json(path)
        id_of.update(added)
        _checked_vocab(id_of, path)
        found |= set(added)
    for content in settings:
        for i, token in (content.get("added_tokens_decoder") or {}).items():
            id_of.setdefault(token["content"], int(i))
            found.add(token["content"])
        named = _named(content)
        texts = (token["content"] if isinstance(token, dict) else token for token in named)
        found |= {text for text in texts if text}
    return found


def _pairs(lines, id_of, where):
    """The merges as pairs of our ids: 0 to 255 are the bytes, 256 + r is what line r makes."""
    place = {sign: byte for byte, sign in enumerate(byte_signs())}
    merges = []
    for number, names in enumerate(lines):
        if len(names) != 2 or any(name not in place for name in names):
            raise ValueError(
                f"{where}: merge {number} is {' '.join(map(str, names))!r}, and joins no two "
                "tokens that stand before it"
            )
        made = "".join(names)
        if made not in id_of:
            raise ValueError(f"{where}: merge {number} makes {made!r}, which has no id")
        merges.append((place[names[0]], place[names[1]]))
        place.setdefault(made, 256 + number)
    return merges


def write_gpt2(tokenizer, folder):
    """Write vocab.json, merges.txt and tokenizer_config.json; see `BPETokenizer.save_gpt2`.

    Files of another tokenizer in the folder, OLDER, are removed: they would count as well.

    Raises:
        ValueError: the files cannot say what this tokenizer does.
    """
    if tokenizer.pattern != "gpt2":
        raise ValueError(
            f"GPT-2's files mean GPT-2's split, and this tokenizer has pattern="
            f"{tokenizer.pattern!r}: train a BPETokenizer(pattern='gpt2')"
        )
    special = {i: token for token, i in tokenizer.special_ids.items()}
    id_of = {}
    for i, token in enumerate(tokenizer.token_bytes):
        name = special[i] if i in special else signs_of(token)
        if name in id_of:
            what = "call the special token otherwise" if i in special else "train fewer merges"
            raise ValueError(
                f"the ids {id_of[name]} and {i} are both {name!r}, and vocab.json holds a name "
                f"once: {what}"
            )
        if token:
            id_of[name] = i
    names = [signs_of(token) for token in (tokenizer.token_bytes[i] for i in tokenizer.ids)]
    lines = ["#version: 0.2", *(f"{names[a]} {names[b]}" for a, b in tokenizer.merges)]
    end = END if END in tokenizer.special_ids else None
    config = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False}
    config |= dict.fromkeys(("bos_token", "eos_token", "unk_token"), end)
    config["extra_special_tokens"] = [t for t in tokenizer.special_tokens if t != END]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_files(folder, OLDER)
    contents = json.dumps(id_of, ensure_ascii=False), "\n".join(lines) + "\n"
    for name, content in zip(FILES, (*contents, json.dumps(config, indent=1)), strict=True):
        write_file(folder / name, content)


def remove_files(folder, names):
    """Remove those files of a folder that are there."""
    for name in names:
        (Path(folder) / name).unlink(missing_ok=True)


def write_file(path, text):
    """Write a file in one step, as UTF-8: whoever reads finds the old file or the new."""
    path = Path(path)
    fresh = path.with_name(f".{path.name}.tmp")
    try:
        fresh.write_text(text, encoding="utf-8", newline="\n")
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


# -- tokens to look at
COLOURS = ((194, "#d7ffd7"), (223, "#ffd7af"), (189, "#d7d7ff"), (225, "#ffd7ff"), (159, "#afffff"))


class TokenView:
    """A text cut into its tokens, to look at: coloured in a terminal and in a notebook.

    Args:
        pieces: list of bytes or strings, one for each token.
        ids: list of integers, one for each token.
        with_ids: whether the ids are shown too.
        limit: how many tokens are shown at most.
    """

    def __init__(self, pieces, ids, with_ids=False, limit=2000):
        self.pieces, self.ids, self.with_ids, self.limit = pieces, ids, with_ids, limit

    def __str__(self):
        """In colour if standard output is a terminal that wants it; else with a | between."""
        return self.text(_coloured(), getattr(sys.stdout, "encoding", None) or "ascii")

    __repr__ = __str__

    def text(self, coloured, encoding="utf-8"):
        """The tokens as text, in signs that `encoding` has.

        Args:
            coloured: whether with ANSI colours, or with | between the tokens.
            encoding: characters that it lacks are written as \\u....
        """
        space = "\N{MIDDLE DOT}" if _has(encoding, "\N{MIDDLE DOT}") else "_"
        shown, gap = [], ""
        for place, (piece, i) in enumerate(self.shown()):
            sign = _visible(piece, space, r"\n", escape="" if coloured else "|\\")
            sign = sign.encode(encoding, errors="backslashreplace").decode(encoding)
            sign += f"[{i}]" if self.with_ids else ""
            if coloured:
                sign = f"\x1b[30;48;5;{COLOURS[place % len(COLOURS)][0]}m{sign}\x1b[0m"
            shown.append(gap + sign)
            gap = "\n" if _ends_line(piece) else "" if coloured else "|"
        return "".join(shown) + "\n" * bool(shown) + self.summary()

    def _repr_html_(self):
        """The tokens as HTML, each in its colour, with its id when the mouse rests on it."""
        shown = []
        for place, (piece, i) in enumerate(self.shown()):
            sign = html.escape(_visible(piece, "\N{MIDDLE DOT}", "\N{RETURN SYMBOL}"))
            label = f"<sub>{i}</sub>" if self.with_ids else ""
            style = f"background:{COLOURS[place % len(COLOURS)][1]};color:#000"
            line_end = "<br>" if _ends_line(piece) else ""
            shown.append(f'<span style="{style}" title="id {i}">{sign}{label}</span>{line_end}')
        box = "font-family:monospace;white-space:pre-wrap;overflow-wrap:anywhere"
        return f'<div style="{box}">{"".join(shown)}</div><div>{self.summary()}</div>'

    def shown(self):
        """The (piece, id) of the tokens that are shown, at most `limit`."""
        return list(zip(self.pieces, self.ids, strict=True))[: self.limit]

    def summary(self):
        """How many tokens there are, and how many of them are not shown."""
        count, rest = len(self.ids), max(len(self.ids) - self.limit, 0)
        return f"{count} token{'s' * (count != 1)}" + (f", {rest} not shown" if rest else "")


def _visible(piece, space, line_end, escape=""):
    """A token as signs that can be seen, and that no terminal takes for an order."""
    if isinstance(piece, bytes):
        piece = piece.decode("utf-8", errors="surrogateescape")
    signs = {" ": space, "\n": line_end, "\t": r"\t", "\r": r"\r"} | {c: "\\" + c for c in escape}
    return "".join(signs.get(c) or (c if c.isprintable() else _escaped(c)) for c in piece)


def _escaped(character):
    """The number of a character in Python's notation; of a byte without a character, the byte."""
    byte = ord(character) - 0xDC00  # what errors="surrogateescape" makes of it
    return rf"\x{byte:02x}" if 128 <= byte < 256 else ascii(character)[1:-1]


def _coloured():
    """Whether standard output is a terminal that shows colours, and nobody said no."""
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return False
    if os.name == "nt":  # an old console prints the codes
        return any(map(os.environ.get, ("WT_SESSION", "ANSICON", "TERM")))
    return os.environ.get("TERM") != "dumb"


def _ends_line(piece):
    return piece.endswith(b"\n" if isinstance(piece, bytes) else "\n")


def _has(encoding, sign):
    try:
        return bool(sign.encode(encoding))
    except UnicodeEncodeError:
        return False
