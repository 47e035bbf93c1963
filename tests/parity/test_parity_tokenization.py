"""Module 10 against a slow, naive byte-pair encoding that shares no code with it but the words.

And, where they are installed, against Hugging Face's `tokenizers` and `transformers`.
"""

import json
import random
import string
import tempfile
import unicodedata
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinytorch.bytepairs import byte_signs
from tinytorch.course import data_file
from tinytorch.tokenization import BPETokenizer, split_words

pytestmark = pytest.mark.exercise("tokenization")


def naive_train(text, num_merges):
    """Merges: every word of the text is kept, and every pair is counted again in each round."""
    words = [list(word.encode()) for word in split_words(text)]
    merges = []
    for new in range(256, 256 + num_merges):
        counts = {}
        for word in words:
            for i in range(1, len(word)):
                pair = (word[i - 1], word[i])
                counts[pair] = counts.get(pair, 0) + 1
        most = max([1, *counts.values()])
        if most == 1:
            break
        merges.append(sorted(pair for pair in counts if counts[pair] == most)[0])
        words = [naive_merge(word, merges[-1], new) for word in words]
    return merges


def naive_merge(word, pair, new):
    """Push the ids one by one; when the last two are the pair, they become the new id."""
    done = []
    for i in word:
        done.append(i)
        if tuple(done[-2:]) == pair:
            done[-2:] = [new]
    return done


def naive_encode(text, merges):
    """All merges, one after the other, over every word: the definition, and slow."""
    ids = []
    for word in split_words(text):
        parts = list(word.encode())
        for rank, pair in enumerate(merges):
            parts = naive_merge(parts, pair, 256 + rank)
        ids += parts
    return ids


def check(train_text, text, num_merges):
    tokenizer = BPETokenizer()
    tokenizer.train(train_text, num_merges=num_merges)
    assert tokenizer.merges == naive_train(train_text, num_merges)
    assert tokenizer.encode(text) == naive_encode(text, tokenizer.merges)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@settings(max_examples=300)
@given(st.text("ab \n", max_size=60), st.text("abc \n", max_size=30), st.integers(0, 15))
@example("aaabdaaabac", "aaabdaaabac", 3)
@example("aaaa aaaa", "aaaaaaa", 9)
def test_small_alphabets(train_text, text, num_merges):
    check(train_text, text, num_merges)


@settings(max_examples=100)
@given(st.text(max_size=40), st.text(max_size=20), st.integers(1, 6))
def test_any_text(half, text, num_merges):
    check(half + half, text + half, num_merges)


def test_tinytalks():
    text = data_file("tinytalks/tinytalks.txt").read_text(encoding="utf-8")
    check(text[:6000], text[6000:9000], 120)


# -- Hugging Face
NASTY = [
    *("<|endoftext|>", "<|endof", "'s", "'S", "'ll", "don't", " ", "  ", "\n", "\r\n", "\t"),
    *("½", "²", "Ⅷ", "４", "一", "_", "e\u0301", "\x1c", "\x1f", "\x85", "\u2028", "\0", "\ufeff"),
    *("\N{GRINNING FACE}", "\N{MAN}\u200d\N{WOMAN}", "the", " the", "123", "ß", "\U0010ffff"),
]


def nasty_texts(count, seed=0):
    """Texts of signs that tokenizers have stumbled over, and of any that Python's tables know."""
    rng = random.Random(seed)
    signs = [c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cs", "Cn")]
    for _ in range(count):
        size = rng.randrange(25)
        yield "".join(rng.choice(NASTY if rng.random() < 0.6 else signs) for _ in range(size))


@pytest.fixture(scope="module")
def library():
    return pytest.importorskip("tokenizers")


def byte_level(library, texts, merges, special=(), first=True):
    """A byte-level tokenizer of Hugging Face, trained on texts."""
    split = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = split, library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=256 + len(special) * first + merges,
        special_tokens=list(special) if first else [],
        initial_alphabet=split.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    if not first:
        tokenizer.add_special_tokens(list(special))
    return tokenizer


def equal_on(texts, ours, theirs, decoded=True):
    for text in texts:
        ids = theirs.encode(text).ids
        assert ours.encode(text) == ids, text
        if decoded:
            assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("first", [True, False])
def test_ids_equal_hugging_face(library, tmp_path, first):
    """A vocabulary of theirs in GPT-2's two files: the same ids on a nasty corpus."""
    talks = data_file("tinytalks/tinytalks.txt").read_text(encoding="utf-8")
    theirs = byte_level(library, [talks, *nasty_texts(300, 1)], 500, ["<|endoftext|>"], first)
    theirs.model.save(str(tmp_path))
    if not first:
        added = {"<|endoftext|>": theirs.token_to_id("<|endoftext|>")}
        (tmp_path / "added_tokens.json").write_text(json.dumps(added), encoding="utf-8")
    ours = BPETokenizer.from_gpt2(tmp_path)
    assert ours.vocab_size == theirs.get_vocab_size()
    equal_on([talks, *nasty_texts(2000)], ours, theirs)
    theirs.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "vocab.json").unlink()
    equal_on(nasty_texts(200, 2), BPETokenizer.from_gpt2(tmp_path), theirs)


def test_what_we_save_they_read(library, tmp_path):
    talks = data_file("tinytalks/tinytalks.txt").read_text(encoding="utf-8")
    ours = BPETokenizer(pattern="gpt2")
    ours.train(talks + "".join(nasty_texts(300, 1)), num_merges=400)
    ours.save_gpt2(tmp_path)
    files = (str(tmp_path / name) for name in ("vocab.json", "merges.txt"))
    theirs = library.Tokenizer(library.models.BPE.from_file(*files))
    theirs.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = library.decoders.ByteLevel()
    equal_on([talks, *nasty_texts(1000)], ours, theirs)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=9), st.data())
def test_any_merges_even_such_as_make_the_same_bytes(library, merges, data):
    """Random merges, no training: the second way to the same bytes gives the id of the first."""
    names, lines = list("abc"), []
    for left, right in merges:
        pair = names[left % len(names)], names[right % len(names)]
        if pair not in lines and len("".join(pair)) < 9:
            lines.append(pair)
            names.append("".join(pair))
    signs = library.pre_tokenizers.ByteLevel.alphabet()
    vocab = {name: i for i, name in enumerate(dict.fromkeys([*sorted(signs), *names]))}
    theirs = library.Tokenizer(library.models.BPE(vocab, lines))
    theirs.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = library.decoders.ByteLevel()
    with tempfile.TemporaryDirectory() as folder:
        theirs.model.save(folder)
        ours = BPETokenizer.from_gpt2(folder)
    equal_on([data.draw(st.text("abc", max_size=25)) for _ in range(5)], ours, theirs)


def test_merges_equal_hugging_face_where_no_counts_are_equal(library):
    """ab, abc, abcd, ... of many alphabets, each so often: the same merges in the same order."""
    rng, signs = random.Random(3), iter(string.ascii_letters)
    chains = ["".join(letters) for letters in zip(*[signs] * 4, strict=True)]
    words = [chain[:size] for chain in chains for size in range(2, 5)]
    text = "\n".join(word for word in words for _ in range(rng.randrange(20, 20_000)))
    ours = BPETokenizer(pattern="gpt2")
    ours.train(text, num_merges=39)
    assert len(ours.merges) == first_tie(text, ours.merges) == 39
    theirs = json.loads(byte_level(library, [text], 39).to_str())["model"]["merges"]
    ids = {sign: byte for byte, sign in enumerate(byte_signs())}
    for rank, (left, right) in enumerate(theirs):
        assert ours.merges[rank] == (ids[left], ids[right])
        ids[left + right] = 256 + rank
    assert len(theirs) == 39


def first_tie(text, merges):
    """The number of the first merge that another pair was as frequent as, counted naively."""
    words = Counter(split_words(text, pattern="gpt2"))
    words = [(list(word.encode()), times) for word, times in words.items()]
    for rank, pair in enumerate(merges):
        counts = Counter()
        for word, times in words:
            for i in range(1, len(word)):
                counts[word[i - 1], word[i]] += times
        if sum(count == counts[pair] for count in counts.values()) > 1:
            return rank
        words = [(naive_merge(word, pair, 256 + rank), times) for word, times in words]
    return len(merges)


def test_a_folder_of_transformers(library, tmp_path):
    """GPT2Tokenizer opens what we save, and we open what it saves."""
    transformers = pytest.importorskip("transformers")
    talks = data_file("tinytalks/tinytalks.txt").read_text(encoding="utf-8")
    ours = BPETokenizer(pattern="gpt2", special_tokens=["<|endoftext|>", "<a b>"])
    ours.train(talks, num_merges=300)
    ours.save_gpt2(tmp_path / "ours")
    theirs = transformers.GPT2Tokenizer.from_pretrained(tmp_path / "ours")
    assert len(theirs) == ours.vocab_size
    assert theirs.eos_token == "<|endoftext|>"
    theirs.save_pretrained(tmp_path / "theirs")
    back = BPETokenizer.from_gpt2(tmp_path / "theirs")
    for text in ["x<a b><|endoftext|> y", talks, *nasty_texts(200, 4)]:
        assert ours.encode(text) == theirs.encode(text) == back.encode(text)


@pytest.mark.parametrize(
    ("kind", "how", "told"),
    [
        ("GPT2Tokenizer", {"add_bos_token": False, "mask_token": "<mask>"}, None),
        ("CodeGenTokenizer", {}, None),
        ("GPT2Tokenizer", {"add_bos_token": True}, "post_processor = TemplateProcessing"),
        ("GPT2Tokenizer", {"add_eos_token": True}, "post_processor = TemplateProcessing"),
        ("GPT2Tokenizer", {"add_prefix_space": True}, "puts a space before each text"),
        ("Qwen2Tokenizer", {}, "tokenizer_class = 'Qwen2Tokenizer'"),
        ("RobertaTokenizer", {}, "tokenizer_class = 'RobertaTokenizer'"),
        ("WhisperTokenizer", {}, "tokenizer_class = 'WhisperTokenizer'"),
    ],
)
@pytest.mark.parametrize("beside", [True, False])
def test_another_tokenizer_is_equal_or_refused(library, tmp_path, kind, how, told, beside):
    """Their tokenizer.json with and without GPT-2's two files: never other ids than theirs."""
    transformers = pytest.importorskip("transformers")
    ours = BPETokenizer(pattern="gpt2", special_tokens=["<|endoftext|>"])
    ours.train("the cat sat on 12 mats, 12 times " * 3, num_merges=30)
    ours.save_gpt2(tmp_path / "ours")
    theirs = getattr(transformers, kind).from_pretrained(tmp_path / "ours", **how)
    theirs.save_pretrained(tmp_path)
    for name in ("vocab.json", "merges.txt") if beside else ():
        (tmp_path / "ours" / name).rename(tmp_path / name)
    if told:
        with pytest.raises(ValueError, match=told):
            BPETokenizer.from_gpt2(tmp_path)
        return
    back = BPETokenizer.from_gpt2(tmp_path)
    for text in ["the cat<mask> <|endoftext|> 12 mats", *nasty_texts(100, 6)]:
        assert back.encode(text) == theirs.encode(text)
