"""Module 10 against a slow, naive byte-pair encoding that shares no code with it but the words."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

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
