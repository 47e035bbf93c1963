"""Module 10: text to integers and back, losing nothing."""

import copy
import io
import json
import os
import pickle
import random
import re
import sys
import tempfile
import tracemalloc
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tinytorch import bytepairs
from tinytorch.course import data_file
from tinytorch.tensor import Tensor
from tinytorch.tokenization import (
    BPETokenizer,
    CharTokenizer,
    PairIndex,
    count_pairs,
    count_words,
    merge,
    next_token_windows,
    show_tokens,
    split_special,
    split_words,
)

FACE = "\N{GRINNING FACE}"
FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"  # one picture, five code points
RHYME = "the fat cat sat on the mat,\nthe cat that sat on that rat is a fat cat\n"
any_text = st.text(max_size=60)
byte_words = st.dictionaries(
    st.lists(st.integers(0, 4), max_size=9).map(tuple), st.integers(1, 5), max_size=8
)


def trained(text=RHYME, num_merges=30, **more):
    tokenizer = BPETokenizer()
    tokenizer.train(text, num_merges=num_merges, **more)
    return tokenizer


def talks(keys="QA"):
    lines = data_file("tinytalks/tinytalks.txt").read_text(encoding="utf-8").splitlines()
    return "".join(line + "\n" for line in lines if line[:1] in keys and line[1:2] == ":")


@pytest.mark.exercise("tokenization.CharTokenizer.encode")
class TestCharEncode:
    def test_ids_are_places_in_the_sorted_vocabulary(self):
        assert CharTokenizer("hello").encode("hello") == [1, 0, 2, 2, 3]
        assert CharTokenizer("b a\n").encode("a\nb ") == [2, 0, 3, 1]

    def test_a_list_of_python_integers(self):
        ids = CharTokenizer("abc").encode("cab")
        assert type(ids) is list
        assert {type(i) for i in ids} == {int}

    def test_the_empty_text_has_no_ids(self):
        assert CharTokenizer("abc").encode("") == []

    def test_a_given_vocabulary_keeps_its_order(self):
        assert CharTokenizer(vocabulary="zyx").encode("xyz") == [2, 1, 0]

    def test_an_emoji_is_one_id_and_a_joined_one_several(self):
        tokenizer = CharTokenizer(FACE + FAMILY)
        assert len(tokenizer.encode(FACE)) == 1
        assert len(tokenizer.encode(FAMILY)) == 5

    def test_the_first_unknown_character_is_named_with_its_place(self):
        with pytest.raises(ValueError, match="'x' .U.0078. at place 2 is not .* 4 characters.*BPE"):
            CharTokenizer("hello").encode("hex!")
        with pytest.raises(ValueError, match="'x' .* at place 4 is not"):
            CharTokenizer("hello\n").encode("he\nhx")

    def test_each_call_makes_a_list_of_its_own(self):
        tokenizer = CharTokenizer("abc")
        first = tokenizer.encode("ab")
        assert tokenizer.encode("c") == [2] and first == [0, 1]

    @pytest.mark.parametrize("text", ["x", "hellox", "H", "\ud800", FACE])
    def test_no_unknown_character_passes(self, text):
        with pytest.raises(ValueError, match="is not in the vocabulary"):
            CharTokenizer("hello").encode(text)

    @given(st.text(min_size=1, max_size=40))
    def test_the_order_of_the_text_that_makes_the_vocabulary_does_not_matter(self, text):
        order = sorted(set(text))
        assert CharTokenizer(text[::-1]).encode(text) == [order.index(c) for c in text]


@pytest.mark.exercise("tokenization.CharTokenizer.decode")
class TestCharDecode:
    def test_by_hand(self):
        assert CharTokenizer("hello").decode([1, 0, 2, 2, 3]) == "hello"
        assert CharTokenizer(vocabulary="zyx").decode([2, 1, 0]) == "xyz"

    def test_no_ids_give_the_empty_text(self):
        assert CharTokenizer("abc").decode([]) == ""

    @pytest.mark.parametrize("kind", [list, tuple, np.array, Tensor])
    def test_takes_lists_arrays_and_tensors(self, kind):
        ids = kind([2, 1, 3, 0])
        assert CharTokenizer("a b\n").decode(ids) == "a b\n"
        assert [int(i) for i in ids] == [2, 1, 3, 0]

    @given(st.text(min_size=1, max_size=40))
    @example(" \n\t ")
    @example("a\n\nb\r\nc")
    @example(FAMILY)
    def test_round_trip(self, text):
        tokenizer = CharTokenizer(text)
        ids = [tokenizer.id_of[character] for character in text]
        assert tokenizer.decode(ids) == text

    @pytest.mark.parametrize("wrong", [-1, 3, 99])
    def test_an_id_out_of_range_is_named_with_its_place(self, wrong):
        with pytest.raises(ValueError, match=f"id {wrong} at place 1 is not between 0 and 2"):
            CharTokenizer("abc").decode([0, wrong])


@pytest.mark.exercise("tokenization")
class TestCharTokenizerGiven:
    def test_vocabulary_and_repr(self):
        tokenizer = CharTokenizer("hello")
        assert tokenizer.vocab_size == 4
        assert tokenizer.characters == ["e", "h", "l", "o"]
        assert repr(tokenizer) == "CharTokenizer(4 characters)"

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({}, "a text or a vocabulary, one of the two"),
            ({"text": "a", "vocabulary": "a"}, "a text or a vocabulary, one of the two"),
            ({"text": ""}, "one at least"),
            ({"vocabulary": []}, "one at least"),
            ({"vocabulary": "aba"}, "none twice"),
            ({"vocabulary": ["a", "bc"]}, "single characters"),
            ({"vocabulary": [1, 2]}, "single characters"),
            ({"vocabulary": set("ab")}, r"is a set, .* no order .* list, sorted\(vocabulary\)$"),
            ({"vocabulary": {"a": 1, "b": 0}}, r"dictionary, .*sorted\(vocabulary, key=vocabu"),
        ],
    )
    def test_a_senseless_vocabulary_is_refused(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            CharTokenizer(**arguments)

    def test_a_dictionary_with_the_ids_of_its_order(self):
        assert CharTokenizer(vocabulary={"b": 0, "a": 1}).encode("ab") == [1, 0]

    def test_bytes_are_no_text(self):
        with pytest.raises(TypeError, match=r"reads text, not bytes \(bytes: use decode"):
            CharTokenizer(b"abc")
        with pytest.raises(TypeError, match="reads text, not list"):
            CharTokenizer("abc").encode(["a"])

    @pytest.mark.parametrize(
        "ids", [[0.0, 1.0], [[0, 1]], 1, "ab", [True], np.zeros((0, 2)), Tensor([0.0])]
    )
    def test_ids_are_one_row_of_whole_numbers(self, ids):
        with pytest.raises(TypeError, match="token ids are one row of whole numbers"):
            CharTokenizer("abc").decode(ids)

    @pytest.mark.parametrize("read", [CharTokenizer("abc").decode, BPETokenizer().decode])
    def test_rows_of_different_lengths_are_refused(self, read):
        with pytest.raises(TypeError, match="one row of .* rows of different lengths: take one"):
            read([[1, 2], [0]])

    @pytest.mark.parametrize("text", ["hello", " \n\t\0\\\"'", FACE + FAMILY, "\ud83d\ude00\ud800"])
    def test_saved_and_loaded(self, text, tmp_path):
        CharTokenizer(text).save(tmp_path / "chars.json")
        loaded = CharTokenizer.load(tmp_path / "chars.json")
        assert loaded.characters == CharTokenizer(text).characters


@pytest.mark.exercise("tokenization.count_pairs")
class TestCountPairs:
    def test_by_hand(self):
        assert count_pairs({(97, 97, 98): 3, (97, 98): 1}) == {(97, 97): 3, (97, 98): 4}

    def test_the_classic_word(self):
        counts = count_pairs({tuple(b"aaabdaaabac"): 1})
        assert counts == {
            (97, 97): 4,
            (97, 98): 2,
            (98, 100): 1,
            (100, 97): 1,
            (98, 97): 1,
            (97, 99): 1,
        }

    def test_overlapping_pairs_count(self):
        assert count_pairs({(7,) * 5: 2}) == {(7, 7): 8}

    def test_words_without_a_pair(self):
        assert count_pairs({}) == {}
        assert count_pairs({(): 3, (5,): 4}) == {}

    def test_the_order_inside_a_pair_matters(self):
        assert count_pairs({(1, 2): 1, (2, 1): 5}) == {(1, 2): 1, (2, 1): 5}

    def test_the_words_stay_as_they_are(self):
        words = {(1, 2, 3): 2}
        count_pairs(words)
        assert words == {(1, 2, 3): 2}

    @given(byte_words)
    def test_equals_the_count_over_the_words_written_out(self, words):
        written = [word for word, times in words.items() for _ in range(times)]
        assert count_pairs(words) == Counter(pair for word in written for pair in pairwise(word))


@pytest.mark.exercise("tokenization.merge")
class TestMerge:
    @pytest.mark.parametrize(
        ("ids", "pair", "want"),
        [
            ([7, 8, 7, 7, 8], (7, 8), [300, 7, 300]),
            ([7, 7, 7], (7, 7), [300, 7]),
            ([7, 7, 7, 7], (7, 7), [300, 300]),
            ([7] * 5, (7, 7), [300, 300, 7]),
            ([8, 7], (7, 8), [8, 7]),
            ([7, 8], (7, 8), [300]),
            ([7], (7, 7), [7]),
            ([], (7, 8), []),
            ((1, 7, 8), (7, 8), [1, 300]),
        ],
    )
    def test_by_hand(self, ids, pair, want):
        assert merge(ids, pair, 300) == want

    def test_the_input_stays_as_it_is(self):
        ids = [1, 2, 1, 2]
        result = merge(ids, (1, 2), 9)
        assert ids == [1, 2, 1, 2]
        assert result is not ids
        assert merge(ids, (5, 5), 9) is not ids

    def test_the_new_id_is_not_merged_again_in_the_same_pass(self):
        assert merge([1, 1, 1, 1], (1, 1), 1) == [1, 1]

    @given(st.lists(st.integers(0, 2)), st.tuples(st.integers(0, 2), st.integers(0, 2)))
    def test_equals_replace_of_python(self, ids, pair):
        assert bytes(merge(ids, pair, 9)) == bytes(ids).replace(bytes(pair), b"\x09")


@pytest.mark.exercise("tokenization")
class TestPairIndex:
    @given(byte_words, st.integers(0, 1000))
    def test_counts_stay_those_of_a_full_recount(self, words, seed):
        index, rng = PairIndex(words), random.Random(seed)
        for new in range(300, 304):
            recount = Counter()
            for word, times in index.words:
                recount.update({pair: n * times for pair, n in Counter(pairwise(word)).items()})
            assert index.counts == recount
            if not index.counts:
                break
            index.merge(rng.choice(sorted(index.counts)), new)

    def test_a_pair_that_does_not_occur_changes_nothing(self):
        index = PairIndex({(1, 2): 3})
        index.merge((2, 1), 9)
        assert index.counts == {(1, 2): 3}
        assert index.words == [((1, 2), 3)]

    def test_far_fewer_pairs_are_looked_at_than_by_recounting(self):
        words = count_words(talks())
        index = PairIndex(words)
        start, naive = index.pairs_seen, 0
        assert start == sum(len(word) - 1 for word in words)
        for new in range(256, 456):
            naive += sum(len(word) - 1 for word, _ in index.words)
            most = max(index.counts.values())
            index.merge(min(p for p, n in index.counts.items() if n == most), new)
        assert 20 * (index.pairs_seen - start) < naive


@pytest.mark.exercise("tokenization.BPETokenizer.train")
class TestTrain:
    def test_the_classic_word(self):
        assert trained("aaabdaaabac", 3).merges == [(97, 97), (97, 98), (256, 257)]

    def test_it_stops_when_no_pair_occurs_twice(self):
        assert trained("aaabdaaabac", 100).merges == [(97, 97), (97, 98), (256, 257)]
        assert trained("abcab", 9).merges == [(97, 98)]
        assert trained("abcdef", 9).merges == []

    def test_of_equally_frequent_pairs_the_smallest_is_taken(self):
        assert trained("mnazmnaz", 1).merges == [(97, 122)]
        assert trained("zyzyz\nbabab", 1).merges == [(97, 98)]

    def test_a_new_pair_may_be_smaller_than_those_that_wait(self):
        assert trained("dab dab\nef\nef", 3).merges == [(97, 98), (100, 256), (101, 102)]

    def test_the_merges_of_low_lower_newest_widest(self):
        words = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
        tokenizer = trained(" ".join(words * 5), 9)
        assert tokenizer.merges[:4] == [(101, 115), (256, 116), (108, 111), (258, 119)]
        made = tokenizer.token_bytes[256:]
        assert made[:4] == [b"es", b"est", b"lo", b"low"]
        assert {b"ew", b" low", b" newest"} <= set(made)

    @pytest.mark.parametrize("limit", [0, 1, 2, 5])
    def test_no_more_merges_than_asked_for(self, limit):
        assert trained(RHYME, limit).merges == trained(RHYME, 20).merges[:limit]
        assert len(trained(RHYME, limit).merges) == limit

    def test_vocab_size_counts_bytes_merges_and_special_tokens(self):
        tokenizer = BPETokenizer()
        tokenizer.train(RHYME, vocab_size=260, special_tokens=["<a>", "<b>"])
        assert len(tokenizer.merges) == 2
        assert tokenizer.vocab_size == 260
        assert tokenizer.special_ids == {"<a>": 258, "<b>": 259}

    def test_weights_decide(self):
        assert trained("ab\n" * 3 + "xy\n" * 4, 1).merges == [(120, 121)]

    def test_counts_are_made_anew_after_each_merge(self):
        assert trained("abc\n" * 5 + "bcd\n" * 4, 2).merges == [(98, 99), (97, 256)]

    def test_merges_never_cross_words(self):
        made = trained("of the " * 50, 50).token_bytes[256:]
        assert made
        assert all(len(split_words(token.decode())) == 1 for token in made)
        assert not any(b"f t" in token for token in made)

    def test_bytes_of_one_character_merge(self):
        tokenizer = trained(FACE * 4, 3)
        assert FACE.encode() in tokenizer.token_bytes

    def test_special_tokens_in_the_text_are_left_out(self):
        text = "ab<end>" * 9
        assert trained(text, 5, special_tokens=["<end>"]).merges == [(97, 98)]
        assert len(trained(text, 5).merges) == 3  # read as plain text: ab, en, end

    def test_the_order_of_the_words_does_not_matter(self):
        lines = RHYME.split() * 2
        want = trained("\n".join(lines), 20).merges
        for seed in range(5):
            random.Random(seed).shuffle(lines)
            assert trained("\n".join(lines), 20).merges == want

    def test_what_was_learnt_before_is_forgotten(self):
        tokenizer = trained("zyzyzy", 2, special_tokens=["<end>"])
        assert tokenizer.encode("abzy<end>") == [97, 98, 256, 258]
        tokenizer.train("ababab", num_merges=1)
        assert tokenizer.merges == [(97, 98)]
        assert tokenizer.special_tokens == ["<end>"]
        assert tokenizer.encode("abzy<end>") == [256, 122, 121, 257]

    @pytest.mark.parametrize("text", ["", "a", " ", "\n\n"])
    def test_texts_without_a_pair_that_occurs_twice(self, text):
        assert trained(text, 5).merges == []

    def test_each_merge_is_the_best_pair_of_a_full_recount(self):
        merges = trained(talks(), 60).merges
        assert len(merges) == 60
        words = dict(count_words(talks()))
        for new, pair in enumerate(merges, start=256):
            counts = Counter()
            for word, times in words.items():
                for neighbours in pairwise(word):
                    counts[neighbours] += times
            assert pair == min(counts, key=lambda p: (-counts[p], p))
            words = {_replaced(word, pair, new): times for word, times in words.items()}


def _replaced(word, pair, new):
    for i in range(len(word) - 1):
        if word[i : i + 2] == pair:
            return (*word[:i], new, *_replaced(word[i + 2 :], pair, new))
    return word


@pytest.mark.exercise("tokenization.BPETokenizer.encode_word")
class TestEncodeWord:
    MERGES = [(98, 99), (97, 98), (97, 256), (258, 258)]  # bc, ab, abc, abcabc

    @pytest.mark.parametrize(
        ("word", "want"),
        [
            (b"", []),
            (b"a", [97]),
            (b"ab", [257]),
            (b"abc", [258]),
            (b"abcab", [258, 257]),
            (b"abcabc", [259]),
            (b"abcabcabc", [259, 258]),
            (b"aabb", [97, 257, 98]),
            (b"zz", [122, 122]),
            (bytes([0, 255]), [0, 255]),
        ],
    )
    def test_by_hand(self, word, want):
        assert BPETokenizer(merges=self.MERGES).encode_word(word) == want

    def test_lowest_rank_before_longest_token(self):
        assert BPETokenizer(merges=[(98, 99), (97, 98)]).encode_word(b"abc") == [97, 256]
        assert BPETokenizer(merges=[(97, 98), (98, 99)]).encode_word(b"abc") == [256, 99]

    def test_a_token_that_training_would_not_have_reached(self):
        merges = [(98, 99), (97, 98), (257, 99)]  # bc, ab, ab+c: bc is merged before there is ab
        assert BPETokenizer(merges=merges).encode_word(b"abc") == [97, 256]

    def test_each_call_makes_a_list_of_its_own(self):
        tokenizer = BPETokenizer(merges=[(97, 98)])
        tokenizer.encode_word(b"ab").append(0)
        assert tokenizer.encode_word(b"ab") == [256]

    def test_overlaps_merge_from_the_left(self):
        assert BPETokenizer(merges=[(97, 97)]).encode_word(b"aaaaa") == [256, 256, 97]

    def test_the_classic_word(self):
        merges = [(97, 97), (97, 98), (256, 257)]
        got = BPETokenizer(merges=merges).encode_word(b"aaabdaaabac")
        assert got == [258, 100, 258, 97, 99]

    def test_without_merges_a_word_is_its_bytes(self):
        assert BPETokenizer().encode_word(FACE.encode()) == [240, 159, 152, 128]

    @given(st.lists(st.text("abc", min_size=1, max_size=8), min_size=1, max_size=10))
    def test_training_words_come_out_as_training_left_them(self, words):
        tokenizer = trained("\n".join(words), 12)
        index = PairIndex(count_words("\n".join(words)))
        before = [bytes(word) for word, _ in index.words]
        for rank, pair in enumerate(tokenizer.merges):
            index.merge(pair, 256 + rank)
        left = [list(word) for word, _ in index.words]
        assert [tokenizer.encode_word(word) for word in before] == left

    @given(st.binary(max_size=30))
    def test_the_bytes_of_the_ids_are_the_word(self, word):
        tokenizer = BPETokenizer(merges=[(97, 98), (0, 0), (257, 257), (255, 255), (98, 97)])
        ids = tokenizer.encode_word(word)
        assert b"".join(tokenizer.token_bytes[i] for i in ids) == word
        assert not any(pair in tokenizer.ranks for pair in pairwise(ids))


@pytest.mark.exercise("tokenization.BPETokenizer.decode")
class TestBPEDecode:
    def test_a_character_across_tokens_is_whole_again(self):
        assert BPETokenizer().decode([240, 159, 152, 128]) == FACE
        assert BPETokenizer(merges=[(159, 152)]).decode([240, 256, 128, 33]) == FACE + "!"

    def test_merges_and_special_tokens(self):
        tokenizer = BPETokenizer(merges=[(104, 105), (256, 33)], special_tokens=["<end>", "é"])
        assert tokenizer.decode([257, 32, 256, 258, 259]) == "hi! hi<end>é"

    @pytest.mark.parametrize(
        ("ids", "want"),
        [
            ([240, 159], "\ufffd"),
            ([72, 240, 159, 33], "H\ufffd!"),
            ([128], "\ufffd"),
            ([195], "\ufffd"),
            ([255, 65], "\ufffdA"),
            ([239, 187, 191, 72, 105], "\ufeffHi"),
            ([], ""),
            ([0], "\0"),
        ],
    )
    def test_what_is_no_text_becomes_the_replacement_sign(self, ids, want):
        assert BPETokenizer().decode(ids) == want

    @pytest.mark.parametrize("kind", [list, tuple, np.array, Tensor])
    def test_takes_lists_arrays_and_tensors(self, kind):
        assert BPETokenizer().decode(kind([195, 169])) == "é"

    @pytest.mark.parametrize("wrong", [-1, 257, 10**6])
    def test_an_id_out_of_range_is_named_with_its_place(self, wrong):
        with pytest.raises(ValueError, match=f"id {wrong} at place 2 is not between 0 and 256"):
            BPETokenizer(merges=[(97, 97)]).decode([97, 256, wrong])

    @settings(max_examples=200)
    @given(any_text)
    @example("")
    @example("  \n\n \t x\r\n ")
    @example(FACE + FAMILY + "e\u0301\u200b\ufeff\ufffd\0")
    @example("don't stop, it's 3.14_159 ½ ² _x_ 'll")
    @example("<end><en<end>d>")
    @example("\U0010ffff\u1680\u2028\x1c\x85")
    def test_round_trip_of_any_text(self, text):
        tokenizer = BPETokenizer(
            merges=[(32, 116), (104, 101), (256, 257), (240, 159), (32, 32), (10, 10)],
            special_tokens=["<end>", " ", FACE],
        )
        for special in (True, False):
            ids = tokenizer.encode(text, special=special)
            assert all(type(i) is int and 0 <= i < tokenizer.vocab_size for i in ids)
            assert tokenizer.decode(ids) == text

    @given(st.lists(st.integers(0, 255), max_size=20))
    def test_any_ids_a_model_chooses_decode(self, ids):
        assert BPETokenizer().decode(ids) == bytes(ids).decode("utf-8", errors="replace")


@pytest.mark.exercise("tokenization")
class TestSplit:
    def test_by_hand(self):
        text = "Isn't a cow  2 metres\n\n long?\n"
        words = ["Isn", "'t", " a", " cow", " ", " 2", " metres", "\n\n", " long", "?", "\n"]
        assert split_words(text) == words

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", []),
            ("x1y2", ["x", "1", "y", "2"]),
            ("a_b __init__", ["a", "_", "b", " __", "init", "__"]),
            ("we'll they've I'm", ["we", "'ll", " they", "'ve", " I", "'m"]),
            ("f(x)==3", ["f", "(", "x", ")==", "3"]),
            ("    return", ["   ", " return"]),
            ("Größe 北京 привет", ["Größe", " 北京", " привет"]),
            ("end   ", ["end", "   "]),
        ],
    )
    def test_as_gpt2_does(self, text, words):
        assert split_words(text) == words

    @settings(max_examples=200)
    @given(any_text)
    def test_nothing_is_lost(self, text):
        words = split_words(text)
        assert "".join(words) == text
        assert "" not in words

    def test_every_single_character_is_matched(self):
        text = "".join(map(chr, range(0xD800))) + "".join(map(chr, range(0xE000, 0x110000)))
        assert "".join(split_words(text)) == text

    def test_words_are_counted_as_tuples_of_bytes(self):
        counts = count_words("é é\nx<end>x", ["<end>"])
        assert counts == {(195, 169): 1, (32, 195, 169): 1, (10,): 1, (120,): 2}

    def test_special_tokens_cut_and_the_longest_wins(self):
        assert split_special("a<x>b<x>y", ["<x>"]) == ["a", "<x>", "b", "<x>", "y"]
        assert split_special("<x>>", ["<x>", "<x>>"]) == ["", "<x>>", ""]
        assert split_special("a.*b", [".*"]) == ["a", ".*", "b"]
        assert split_special("abc", []) == ["abc"]


@pytest.mark.exercise("tokenization")
class TestBPEGiven:
    def test_ids_of_merges_words_and_special_tokens(self):
        tokenizer = BPETokenizer(merges=[(108, 111), (256, 119)], special_tokens=["<|eos|>"])
        assert tokenizer.encode("low lower<|eos|>") == [257, 32, 257, 101, 114, 258]
        assert tokenizer.vocab_size == 259
        assert repr(tokenizer) == "BPETokenizer(259 tokens: 256 bytes, 2 merges, 1 special)"

    def test_special_tokens_can_be_read_as_plain_text(self):
        tokenizer = BPETokenizer(special_tokens=["<end>"])
        assert tokenizer.encode("<end>") == [256]
        assert tokenizer.encode("<end>", special=False) == list(b"<end>")

    def test_untrained_it_is_the_bytes(self):
        assert BPETokenizer().encode("é!") == [195, 169, 33]
        assert BPETokenizer().vocab_size == 256

    @pytest.mark.parametrize("text", ["\ud800", "ab\udfff", "<end>\ud83d"])
    def test_half_a_surrogate_pair_is_refused_with_its_place(self, text):
        tokenizer = BPETokenizer(special_tokens=["<end>"])
        place = len(text) - 1
        with pytest.raises(
            ValueError, match=f"encode character .* in position {place}: surrogates"
        ):
            tokenizer.encode(text)
        with pytest.raises(
            ValueError, match=f"encode character .* in position {place}: surrogates"
        ):
            tokenizer.train(text, num_merges=3)

    @pytest.mark.parametrize("wrong", [b"abc", None, 5, ["a"]])
    def test_what_is_no_text_is_refused(self, wrong):
        with pytest.raises(TypeError, match="a tokenizer reads text, not"):
            BPETokenizer().encode(wrong)
        with pytest.raises(TypeError, match="a tokenizer reads text, not"):
            BPETokenizer().train(wrong, num_merges=3)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({}, "vocab_size or num_merges, one of the two"),
            ({"vocab_size": 300, "num_merges": 5}, "vocab_size or num_merges, one of the two"),
            ({"vocab_size": 256}, "vocab_size, bytes and special tokens .* from 257 on, not 256"),
            ({"vocab_size": 255, "special_tokens": []}, "vocab_size, .* from 256 on, not 255"),
            ({"num_merges": -1}, "num_merges is a whole number from 0 on, not -1"),
            ({"num_merges": 1, "special_tokens": "<a>"}, "a list of different strings, not '<a>'"),
            ({"num_merges": 1, "special_tokens": [""]}, "a list of different strings"),
            ({"num_merges": 1, "special_tokens": ["x", "x"]}, "a list of different strings"),
            ({"num_merges": 1, "special_tokens": [1]}, "a list of different strings"),
            ({"num_merges": 1, "special_tokens": {"<a>"}}, r"list, sorted\(special_tokens\)$"),
            ({"num_merges": 1, "special_tokens": {"<a>": 7}}, "is a dictionary, and its numbers"),
        ],
    )
    def test_senseless_training_is_refused_and_changes_nothing(self, arguments, words):
        tokenizer = BPETokenizer(merges=[(1, 2)], special_tokens=["<old>"])
        with pytest.raises(ValueError, match=words):
            tokenizer.train("abab", **arguments)
        assert tokenizer.merges == [(1, 2)]
        assert tokenizer.special_tokens == ["<old>"]

    @pytest.mark.parametrize("arguments", [{"vocab_size": 300.5}, {"num_merges": "9"}])
    def test_numbers_of_merges_are_whole(self, arguments):
        with pytest.raises(ValueError, match="is a whole number from .* on, not"):
            BPETokenizer().train("abab", **arguments)

    @pytest.mark.parametrize(
        "merges",
        [
            *([(0, 256)], [(-1, 0)], [(1, 2, 3)], [(1.0, 2)], [(1, 2), (1, 2)], ["ab"]),
            *([(True, 2)], {(1, 2)}, {(1, 2): 257, (3, 4): 256}),
        ],
    )
    def test_merges_that_no_training_makes_are_refused(self, merges):
        with pytest.raises(ValueError, match="merge"):
            BPETokenizer(merges=merges)

    @pytest.mark.parametrize(
        "merges", [np.array([[97, 98]]), {(97, 98): 256}, {(97, 98): 0}, [b"ab"]]
    )
    def test_merges_of_other_kinds(self, merges, tmp_path):
        tokenizer = BPETokenizer(merges)
        assert tokenizer.merges == [(97, 98)]
        tokenizer.save(tmp_path / "ab.json")
        assert BPETokenizer.load(tmp_path / "ab.json").encode("ab") == [256]

    def test_each_different_word_is_encoded_once(self, monkeypatch):
        tokenizer, asked = BPETokenizer(), []
        monkeypatch.setattr(
            BPETokenizer, "encode_word", lambda self, word: asked.append(word) or list(word)
        )
        ids = tokenizer.encode("a b a b")
        ids.append(99)
        assert tokenizer.encode("a b a b") == list(b"a b a b")
        assert asked == [b"a", b" b", b" a"]

    def test_tinytalks_gets_shorter_and_comes_back(self):
        tokenizer = trained(talks(), 300, special_tokens=["<end>"])
        ids = tokenizer.encode(talks())
        assert len(ids) == 5942
        assert tokenizer.decode(ids) == talks()
        assert tokenizer.decode(tokenizer.encode(talks("VT"))) == talks("VT")


@pytest.mark.exercise("tokenization")
class TestFiles:
    def test_saved_and_loaded(self, tmp_path):
        tokenizer = BPETokenizer(merges=[(97, 98), (256, 256)], special_tokens=["<é>", FACE])
        tokenizer.save(tmp_path / "bpe.json")
        loaded = BPETokenizer.load(str(tmp_path / "bpe.json"))
        assert loaded.merges == tokenizer.merges
        assert loaded.special_ids == tokenizer.special_ids
        assert loaded.encode("abab<é>") == tokenizer.encode("abab<é>") == [257, 258]
        assert os.listdir(tmp_path) == ["bpe.json"]

    def test_a_file_cut_anywhere_is_refused(self, tmp_path):
        path = tmp_path / "bpe.json"
        BPETokenizer(merges=[(97, 98)], special_tokens=["<a>"]).save(path)
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            with pytest.raises(
                ValueError, match="bpe.json is cut short, or holds no BPETok.*JSONDec"
            ):
                BPETokenizer.load(path)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"\xff\xfe\0", "UnicodeDecodeError"),
            (b"[" * 100_000, "RecursionError"),
            (b"[1, 2]", "TypeError"),
            (b"{}", "KeyError..merges"),
            (b'{"vocabulary": ["a"]}', "KeyError..merges"),
            (b'{"merges": []}', "KeyError..special_tokens"),
            (b'{"merges": 3, "special_tokens": []}', "TypeError.*not iterable"),
            (b'{"merges": [[1]], "special_tokens": []}', "merge 0 is .* joins two ids"),
            (b'{"merges": [], "special_tokens": [1]}', "different strings, not .1."),
        ],
    )
    def test_a_foreign_or_damaged_file_is_refused(self, content, words, tmp_path):
        path = tmp_path / "some.json"
        path.write_bytes(content)
        with pytest.raises(
            ValueError, match=f"some.json is cut short, or holds no BPETokenizer: .*{words}"
        ):
            BPETokenizer.load(path)

    def test_the_characters_of_a_damaged_file_are_checked(self, tmp_path):
        path = tmp_path / "some.json"
        path.write_text('{"vocabulary": ["a", "a"]}', encoding="utf-8")
        with pytest.raises(ValueError, match="holds no CharTokenizer: .* none twice"):
            CharTokenizer.load(path)
        path.write_text('{"vocabulary": null}', encoding="utf-8")
        with pytest.raises(ValueError, match="holds no CharTokenizer"):
            CharTokenizer.load(path)

    def test_a_missing_file_is_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            CharTokenizer.load(tmp_path / "none.json")

    @pytest.mark.parametrize("broken", ["write_text", "replace"])
    def test_a_save_that_fails_leaves_the_old_file(self, broken, tmp_path, monkeypatch):
        path = tmp_path / "chars.json"
        CharTokenizer("old").save(path)

        def fail(self, *arguments, **more):
            self.write_bytes(b'{"vocab')
            raise OSError("disk full")

        monkeypatch.setattr(Path, broken, fail)
        with pytest.raises(OSError, match="disk full"):
            CharTokenizer("new").save(path)
        monkeypatch.undo()
        assert CharTokenizer.load(path).characters == ["d", "l", "o"]
        assert os.listdir(tmp_path) == ["chars.json"]

    def test_a_folder_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="nowhere"):
            BPETokenizer().save(tmp_path / "nowhere" / "bpe.json")


def classes_by_category():
    """GPT-2's pattern with its three classes written out as ranges, from `unicodedata` alone."""
    kinds, last = {"L": "", "N": "", "S": ""}, None
    for number in [*range(0xD800), *range(0xE000, 0x110000)]:
        character = chr(number)
        kind = unicodedata.category(character)[0]
        if character in "\t\n\v\f\r \x85" or kind == "Z":
            kind = "S"
        elif kind not in "LN":
            kind = None
        if kind and kind == last:
            kinds[kind] = kinds[kind][:-1] + character
        elif kind:
            kinds[kind] += f"{character}-{character}"
        last = kind
    letter, number, space = kinds["L"], kinds["N"], kinds["S"]
    return re.compile(
        rf"'s|'t|'re|'ve|'m|'ll|'d| ?[{letter}]+| ?[{number}]+| ?[^{space}{letter}{number}]+"
        rf"|[{space}]+(?![^{space}])|[{space}]+"
    )


@pytest.fixture(scope="module")
def oracle():
    return classes_by_category()


@pytest.mark.exercise("tokenization")
class TestGPT2Split:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("Isn't a cow  2 metres?\n", ["Isn", "'t", " a", " cow", " ", " 2", " metres", "?\n"]),
            ("2½ cups, x²", ["2½", " cups", ",", " x", "²"]),
            ("Ⅷ４5", ["Ⅷ４5"]),
            ("a\x1cb \x1f", ["a", "\x1c", "b", " \x1f"]),
            ("a\x85\x85b", ["a", "\x85", "\x85", "b"]),
            ("e\u0301te", ["e", "\u0301", "te"]),
            ("一二", ["一二"]),
            ("_a_", ["_", "a", "_"]),
            ("", []),
        ],
    )
    def test_by_hand(self, text, words, oracle):
        words = [w for word in words for w in ([word] if word != "?\n" else ["?", "\n"])]
        assert split_words(text, pattern="gpt2") == words == oracle.findall(text)

    @settings(max_examples=400)
    @given(st.text(st.one_of(st.sampled_from(" \n\t'sdltve1½²Ⅷ_.\x1c\x85é"), st.characters())))
    def test_equals_the_classes_by_category(self, oracle, text):
        assume(not any("\ud800" <= c <= "\udfff" for c in text))
        assert split_words(text, pattern="gpt2") == oracle.findall(text)

    def test_every_single_character_is_of_the_right_kind(self, oracle):
        rare = range(0x1FC00, 0x110000, 97)  # no numbers that are no digits there
        signs = map(chr, [*range(0xD800), *range(0xE000, 0x1FC00), *rare])
        text = "".join(f"a{sign}1" for sign in signs)
        assert split_words(text, pattern="gpt2") == oracle.findall(text)

    def test_the_plain_pattern_stays_what_it_was(self):
        assert split_words("2½ \x1c") == ["2", "½", " \x1c"]
        assert split_words("2½ \x1c", pattern="gpt2") == ["2½", " \x1c"]
        assert BPETokenizer().pattern == "plain"

    def test_special_tokens_are_words_of_their_own(self):
        assert split_words("½<x>½½", ["<x>"], "gpt2") == ["½", "<x>", "½½"]

    def test_training_and_encoding_use_the_pattern(self):
        text = "2½ 2½ 2½ "
        plain, gpt2 = BPETokenizer(), BPETokenizer(pattern="gpt2")
        plain.train(text, num_merges=20)
        gpt2.train(text, num_merges=20)
        assert " 2½".encode() in gpt2.token_bytes
        assert "2½".encode() not in plain.token_bytes
        assert gpt2.pattern == "gpt2"
        assert repr(gpt2).endswith("0 special; pattern gpt2)")

    @pytest.mark.parametrize("wrong", ["GPT2", "", None, ["gpt2"], 2])
    def test_another_pattern_is_refused(self, wrong):
        with pytest.raises(ValueError, match="pattern is 'plain' or 'gpt2', not"):
            BPETokenizer(pattern=wrong)


def gpt2_folder(folder, merges=("l o", "lo w", "Ġ low"), special=("<|endoftext|>",), **files):
    """A folder as GPT-2's: the printable bytes first, then the others, the merges, the special."""
    signs = bytepairs.byte_signs()
    names = [*sorted(signs), *(merge.replace(" ", "") for merge in merges), *special]
    ids = {name: i for i, name in enumerate(dict.fromkeys(names))}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    lines = "\n".join(["#version: 0.2", *merges]) + "\n"
    (folder / "merges.txt").write_text(lines, encoding="utf-8")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
}


@pytest.mark.exercise("tokenization")
class TestGPT2Files:
    def test_the_signs_of_the_bytes(self):
        signs = bytepairs.byte_signs()
        assert len(set(signs)) == 256
        assert "".join(signs[b] for b in b"a cow\n\t\0!~") == "aĠcowĊĉĀ!~"
        assert [ord(signs[b]) for b in (127, 160, 161, 172, 173, 174, 255)] == [
            *(289, 322, 161, 172, 323, 174, 255),
        ]
        assert all(c.isprintable() and not c.isspace() for c in signs)

    def test_ids_are_those_of_the_file(self, tmp_path):
        tokenizer = BPETokenizer.from_gpt2(gpt2_folder(tmp_path))
        assert repr(tokenizer) == (
            "BPETokenizer(260 tokens: 256 bytes, 3 merges, 1 special; pattern gpt2)"
        )
        assert tokenizer.encode("!low low<|endoftext|>") == [0, 257, 258, 259]
        assert tokenizer.encode("<|endoftext|>", special=False) != [259]
        assert tokenizer.decode([0, 257, 258, 259]) == "!low low<|endoftext|>"
        assert tokenizer.merges == [(108, 111), (256, 119), (32, 257)]

    @given(st.text())
    def test_round_trip_of_any_text(self, text):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = BPETokenizer.from_gpt2(gpt2_folder(Path(folder)))
        assert tokenizer.decode(tokenizer.encode(text)) == text

    def test_two_paths_instead_of_a_folder(self, tmp_path):
        gpt2_folder(tmp_path)
        two = BPETokenizer.from_gpt2(tmp_path / "vocab.json", str(tmp_path / "merges.txt"))
        assert two.encode(" low<|endoftext|>") == [258, 259]
        with pytest.raises(ValueError, match="is no folder: give the path of merges.txt as well"):
            BPETokenizer.from_gpt2(tmp_path / "vocab.json")
        with pytest.raises(FileNotFoundError, match="there is no .*nowhere: give a folder"):
            BPETokenizer.from_gpt2(tmp_path / "nowhere")

    def test_lines_may_end_as_on_windows(self, tmp_path):
        path = gpt2_folder(tmp_path) / "merges.txt"
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert BPETokenizer.from_gpt2(tmp_path).encode(" low") == [258]

    def test_a_sharp_may_begin_a_merge(self, tmp_path):
        tokenizer = BPETokenizer.from_gpt2(gpt2_folder(tmp_path, ["# #", "## #"]))
        assert tokenizer.encode("###") == [257]

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("special_tokens_map", {"additional_special_tokens": ["<a>"]}),
            ("special_tokens_map", {"pad_token": {"content": "<a>"}}),
            ("special_tokens_map", {"mask_token": "<a>"}),
            ("tokenizer_config", {"extra_special_tokens": ["<a>"], "pad_token": None}),
            ("tokenizer_config", {"added_tokens_decoder": {"259": {"content": "<a>"}}}),
            ("added_tokens", {"<a>": 259}),
        ],
    )
    def test_special_tokens_that_the_folder_declares(self, name, content, tmp_path):
        special = [] if name == "added_tokens" or "added" in str(content) else ["<a>"]
        gpt2_folder(tmp_path, special=special, **{name: content})
        tokenizer = BPETokenizer.from_gpt2(tmp_path)
        assert tokenizer.special_ids == {"<a>": 259}
        assert tokenizer.encode("<a>") == [259]

    def test_a_token_that_nothing_makes_has_its_bytes(self, tmp_path):
        gpt2_folder(tmp_path, special=["<pad>", "Ġx", "née", "é ö"])
        tokenizer = BPETokenizer.from_gpt2(tmp_path)
        assert tokenizer.special_tokens == []
        assert tokenizer.decode([259, 260]) == "<pad> x"
        assert tokenizer.token_bytes[262] == "é ö".encode()
        assert 259 not in tokenizer.encode("<pad>")
        named = BPETokenizer.from_gpt2(tmp_path, special_tokens=["<pad>", "née"])
        assert named.encode("née<pad>") == [261, 259]
        assert named.decode([261]) == "née"

    def test_ids_that_no_token_has_say_nothing(self, tmp_path):
        gpt2_folder(tmp_path, special=[], added_tokens={"<far>": 300})
        tokenizer = BPETokenizer.from_gpt2(tmp_path)
        assert tokenizer.vocab_size == 301
        assert tokenizer.decode([280, 300]) == "<far>"
        tokenizer.save_gpt2(tmp_path / "again")
        again = BPETokenizer.from_gpt2(tmp_path / "again")
        assert again.token_bytes == tokenizer.token_bytes
        assert again.encode("low<far>") == tokenizer.encode("low<far>") == [257, 300]

    def test_two_merges_may_make_the_same_bytes(self, tmp_path):
        """The second way to `low` gives the id of the first, and what follows it merges as well."""
        gpt2_folder(tmp_path, ["l o", "lo w", "o w", "l ow", "low s"])
        tokenizer = BPETokenizer.from_gpt2(tmp_path)
        assert tokenizer.vocab_size == 256 + 4 + 1
        assert tokenizer.encode("lows") == [259]
        gpt2_folder(tmp_path, ["a a", "a aa", "aa a", "aaa b"])  # here the second way is taken
        assert BPETokenizer.from_gpt2(tmp_path).encode("aaab") == [258]
        path = tmp_path / "copy.json"
        tokenizer.save(path)
        assert BPETokenizer.load(path).twins == tokenizer.twins == {259: 257}

    def test_saved_and_read_again(self, tmp_path):
        tokenizer = BPETokenizer(pattern="gpt2")
        special = ["<|endoftext|>", "<ä b>"]
        tokenizer.train(talks() + FACE * 9, num_merges=300, special_tokens=special)
        tokenizer.save_gpt2(tmp_path / "new" / "folder")
        again = BPETokenizer.from_gpt2(tmp_path / "new" / "folder")
        assert again.merges == tokenizer.merges
        assert again.token_bytes == tokenizer.token_bytes
        assert again.special_ids == tokenizer.special_ids
        text = talks("VT") + FACE + "<ä b>½<|endoftext|>"
        assert again.encode(text) == tokenizer.encode(text)
        lines = (tmp_path / "new/folder/merges.txt").read_bytes().decode().split("\n")
        assert lines[:2] == ["#version: 0.2", "Ġ a"]
        assert sorted(os.listdir(tmp_path / "new" / "folder")) == [
            *("merges.txt", "tokenizer_config.json", "vocab.json"),
        ]

    def test_the_order_of_ids_survives_both_kinds_of_file(self, tmp_path):
        tokenizer = BPETokenizer.from_gpt2(gpt2_folder(tmp_path))
        tokenizer.save(tmp_path / "own.json")
        tokenizer.save_gpt2(tmp_path / "again")
        own, again = (
            BPETokenizer.load(tmp_path / "own.json"),
            BPETokenizer.from_gpt2(tmp_path / "again"),
        )
        assert tokenizer.token_bytes == own.token_bytes == again.token_bytes
        assert own.encode("!low<|endoftext|>") == again.encode("!low<|endoftext|>") == [0, 257, 259]
        assert own.pattern == "gpt2"
        before, after = (
            json.loads((f / "vocab.json").read_text("utf-8"))
            for f in (tmp_path, tmp_path / "again")
        )
        assert before == after

    def test_training_begins_anew_with_ids_of_its_own(self, tmp_path):
        tokenizer = BPETokenizer.from_gpt2(gpt2_folder(tmp_path))
        tokenizer.train("abab", num_merges=1)
        assert tokenizer.encode("ab<|endoftext|>") == [256, 257]
        assert tokenizer.ids == range(258)

    def test_what_the_files_cannot_say_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="mean GPT-2's split, .* train a BPETokenizer.pattern"):
            BPETokenizer().save_gpt2(tmp_path)
        twice = BPETokenizer([(97, 98), (98, 99), (256, 99), (97, 257)], pattern="gpt2")
        with pytest.raises(ValueError, match="the ids 258 and 259 are both 'abc'.* fewer merges"):
            twice.save_gpt2(tmp_path)
        special = BPETokenizer([(97, 98)], ["ab"], pattern="gpt2")
        with pytest.raises(ValueError, match="256 and 257 are both 'ab'.* call the special token"):
            special.save_gpt2(tmp_path)
        assert not os.listdir(tmp_path)

    @pytest.mark.parametrize(
        ("name", "change", "words"),
        [
            ("vocab.json", b"[1]", r"vocab.json holds a list"),
            ("vocab.json", b'{"a": ', r"vocab.json is cut short, or no JSON"),
            ("vocab.json", b"\xff", r"vocab.json is cut short, or no JSON"),
            ("vocab.json", b'{"a": "b"}', r"each token an id of its own"),
            ("vocab.json", b'{"a": 1, "b": 1}', r"each token an id of its own"),
            ("vocab.json", b'{"a": -1}', r"each token an id of its own"),
            ("vocab.json", b'{"a": 99999999999}', r"each token an id of its own"),
            ("vocab.json", b'{"a": 1}', r"lacks the byte 0 .Ā. .*trained with all 256 bytes"),
            ("merges.txt", b"l o w\n", r"merges.txt: merge 0 is 'l o w', and joins no two"),
            ("merges.txt", b"l o\nlow s\n", r"merge 1 is 'low s', and joins no two tokens"),
            ("merges.txt", b"x y\n", r"merge 0 makes 'xy', which has no id"),
            ("merges.txt", b"l o\nl o\n", r"a pair is merged twice"),
            ("merges.txt", b"\xff\n", r"is no text in UTF-8"),
            ("tokenizer_config.json", b'{"add_prefix_space": true}', r"a space before each text"),
            (
                "tokenizer_config.json",
                b'{"pad_token": "<p>"}',
                r"'<p>' has no id .*special_tokens=",
            ),
            ("added_tokens.json", b'{"<p>": 5}', r"added_tokens.json: .* an id of its own"),
            ("tokenizer_config.json", b'{"add_bos_token": true}', r"json says add_bos_token = tru"),
            ("tokenizer_config.json", b'{"add_eos_token": true}', r"json says add_eos_token = tru"),
            (
                "tokenizer_config.json",
                b'{"tokenizer_class": "Qwen2Tokenizer"}',
                r"says tokenizer_class = 'Qwen2Tokenizer', whose ids may be others",
            ),
            (
                "tokenizer_config.json",
                b'{"added_tokens_decoder": {"259": {"content": "<a>", "rstrip": true}}}',
                r"tokenizer_config.json says rstrip = true for '<a>': here a token is found by its",
            ),
            (
                "special_tokens_map.json",
                b'{"mask_token": {"content": "<m>", "lstrip": true}}',
                r"special_tokens_map.json says lstrip = true for '<m>'",
            ),
            (
                "tokenizer.json",
                b'{"pre_tokenizer": {"type": "Split"}}',
                r"of GPT-2's kind: its spl",
            ),
        ],
    )
    def test_damaged_and_foreign_files_are_refused(self, name, change, words, tmp_path):
        (gpt2_folder(tmp_path) / name).write_bytes(change)
        with pytest.raises(ValueError, match=words):
            BPETokenizer.from_gpt2(tmp_path)

    def test_missing_files_are_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"vocab\.json"):
            BPETokenizer.from_gpt2(tmp_path)
        (gpt2_folder(tmp_path) / "merges.txt").unlink()
        with pytest.raises(FileNotFoundError, match=r"merges\.txt"):
            BPETokenizer.from_gpt2(tmp_path)

    def whole(self, folder, **changes):
        """One file, tokenizer.json, instead of the two."""
        vocab = json.loads((gpt2_folder(folder) / "vocab.json").read_text("utf-8"))
        del vocab["<|endoftext|>"]
        content = {
            "added_tokens": [{"id": 259, "content": "<|endoftext|>"}],
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False},
            "model": {"type": "BPE", "vocab": vocab, "merges": ["l o", ["lo", "w"], "Ġ low"]},
        }
        for key, value in changes.items():
            part, _, name = key.partition("__")
            content[part] = {**content[part], name: value} if name else value
        for name in ("vocab.json", "merges.txt"):
            (folder / name).unlink()
        (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
        return folder

    def test_the_one_file_of_newer_libraries(self, tmp_path):
        tokenizer = BPETokenizer.from_gpt2(self.whole(tmp_path))
        assert tokenizer.encode("!low low<|endoftext|>") == [0, 257, 258, 259]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"model__dropout": 0.1}, r"tokenizer.json says dropout = 0.1"),
            ({"added_tokens": [{"content": "<a>", "single_word": True}]}, "single_word = true for"),
            ({"post_processor": {"type": "RobertaProcessing"}}, "= RobertaProcessing: it adds"),
            ({"post_processor": TEMPLATE}, "post_processor = TemplateProcessing: it adds tokens"),
            (
                {"post_processor": {"type": "Sequence", "processors": [TEMPLATE]}},
                "post_processor = Sequence: it adds tokens to each text",
            ),
        ],
    )
    @pytest.mark.parametrize("beside", [True, False])
    def test_one_file_that_asks_for_more_is_refused(self, change, words, beside, tmp_path):
        self.whole(tmp_path, **change)
        if beside:
            gpt2_folder(tmp_path)
        with pytest.raises(ValueError, match=words):
            BPETokenizer.from_gpt2(tmp_path)

    def test_one_file_that_asks_for_nothing(self, tmp_path):
        """As GPT-2's own, of both kinds, and with settings beside it."""
        settings = {"tokenizer_class": "GPT2TokenizerFast", "add_bos_token": False}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
        none = {**TEMPLATE, "single": [{"Sequence": {"id": "A", "type_id": 0}}]}
        level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False}
        for step in (level, none, {"type": "Sequence", "processors": [level, none]}):
            folder = self.whole(tmp_path, post_processor=step, model__dropout=None)
            assert BPETokenizer.from_gpt2(folder).encode("!low low") == [0, 257, 258]
        (folder / "tokenizer_config.json").write_text('{"add_eos_token": true}', encoding="utf-8")
        with pytest.raises(ValueError, match="says add_eos_token = true"):
            BPETokenizer.from_gpt2(folder)

    @pytest.mark.parametrize(
        "change",
        [
            {"pre_tokenizer": {"type": "Sequence"}},
            {"pre_tokenizer": None},
            {"pre_tokenizer__use_regex": False},
            {"pre_tokenizer__add_prefix_space": True},
            {"normalizer": {"type": "NFC"}},
            {"model__type": "WordPiece"},
            {"model__ignore_merges": True},
            {"model__byte_fallback": True},
        ],
    )
    def test_one_file_of_another_kind_is_refused(self, change, tmp_path):
        with pytest.raises(ValueError, match="is no tokenizer of GPT-2's kind"):
            BPETokenizer.from_gpt2(self.whole(tmp_path, **change))

    @pytest.mark.parametrize("folder", [True, False])
    def test_a_file_of_pairs_is_no_file_of_characters(self, folder, tmp_path):
        tokenizer = BPETokenizer()
        if folder:
            tokenizer = BPETokenizer.from_gpt2(gpt2_folder(tmp_path, [], []))
        tokenizer.save(tmp_path / "bpe.json")
        with pytest.raises(ValueError, match="holds no CharTokenizer: KeyError"):
            CharTokenizer.load(tmp_path / "bpe.json")

    def test_a_file_without_pattern_and_order_is_of_before(self, tmp_path):
        path = tmp_path / "old.json"
        path.write_text('{"merges": [[97, 98]], "special_tokens": ["<e>"]}', encoding="utf-8")
        tokenizer = BPETokenizer.load(path)
        assert tokenizer.pattern == "plain"
        assert tokenizer.encode("ab<e>") == [256, 257]

    @pytest.mark.parametrize(
        ("vocabulary", "words"),
        [
            ([b"a", b"a"], "the ids 0 and 1 are both b'a'"),
            ([b"a"], "has no id in the vocabulary"),
            (["\u0100"], "latin-1"),
            ({b"a", b"b"}, "token_bytes is a set, and a set has no order"),
            ([1], "memoryview|bytes-like"),
        ],
    )
    def test_a_senseless_order_of_ids_is_refused(self, vocabulary, words):
        with pytest.raises((ValueError, TypeError), match=words):
            BPETokenizer(token_bytes=vocabulary)


@pytest.mark.exercise("tokenization")
class TestEncodeLong:
    """The twin for words that are books: the same ids as the learner's encode_word."""

    MERGES = [(97, 97), (97, 98), (256, 257), (256, 256), (98, 97), (260, 98)]

    @settings(max_examples=300)
    @given(st.text("ab", max_size=60), st.permutations(range(5)))
    @example("a" * 60, range(5))
    def test_equals_encode_word(self, word, order):
        merges = [*([(97, 97), (97, 98), (98, 97), (98, 98), (97, 99)][i] for i in order)]
        tokenizer = BPETokenizer([*merges, (256, 256), (256, 257), (257, 256), (261, 97)])
        ids = bytepairs.encode_long(word.encode(), tokenizer.ranks, {})
        assert ids == tokenizer.encode_word(word.encode())

    def test_a_trained_tokenizer(self):
        tokenizer = trained(talks(), 300)
        for text in (talks("V"), "".join(talks().split())[:3000]):
            word = text.encode()
            ids = bytepairs.encode_long(word, tokenizer.ranks, {})
            assert ids == tokenizer.encode_word(word)

    @pytest.mark.parametrize("word", [b"", b"a", b"ab", bytes(range(256))])
    def test_short_words(self, word):
        assert bytepairs.encode_long(word, {(97, 98): 0}, {}) == (
            BPETokenizer([(97, 98)]).encode_word(word)
        )

    def test_a_book_without_a_space(self, monkeypatch):
        tokenizer = trained(talks(), 300)
        monkeypatch.setattr(BPETokenizer, "encode_word", None)  # it would take minutes
        text = "".join(c for c in talks() if c.isalpha()) * 21
        ids = tokenizer.encode(text)
        assert len(text) > 200_000
        assert len(ids) < 0.7 * len(text)
        assert tokenizer.decode(ids) == text

    def test_ordinary_words_are_the_learners(self, monkeypatch):
        asked = []
        monkeypatch.setattr(
            BPETokenizer, "encode_word", lambda self, word: asked.append(len(word)) or list(word)
        )
        BPETokenizer().encode("a" * 256 + " " + "b" * 257)
        assert asked == [256]


@pytest.mark.exercise("tokenization")
class TestTrainLong:
    """The twin of merging and counting for words that are books."""

    @given(st.lists(st.integers(0, 2), max_size=30), st.integers(0, 2), st.integers(0, 2))
    def test_equals_merge_and_a_full_recount(self, word, left, right):
        ids, changes = bytepairs.merge_long(tuple(word), (left, right), 300)
        assert list(ids) == merge(word, (left, right), 300)
        want = Counter(pairwise(merge(word, (left, right), 300)))
        want.subtract(Counter(pairwise(word)))
        assert changes == {pair: change for pair, change in want.items() if change}

    @given(st.text("ab \n", max_size=80), st.integers(0, 12), st.sampled_from([0, 1, 3, 6]))
    def test_training_is_the_same_whichever_way_words_go(self, text, most, long):
        want, before = trained(text, most).merges, bytepairs.LONG
        try:
            bytepairs.LONG = long
            assert trained(text, most).merges == want
        finally:
            bytepairs.LONG = before

    def test_an_array_becomes_a_tuple_when_it_is_short(self):
        ids, _ = bytepairs.merge_long((1, 2) * 200, (1, 2), 300)
        assert ids == (300,) * 200
        ids, _ = bytepairs.merge_long((1, 2) * 300, (1, 2), 300)
        assert ids.tolist() == [300] * 300

    def test_a_book_without_a_space(self, monkeypatch):
        monkeypatch.setattr("tinytorch.tokenization.merge", None)  # it would take minutes
        text = "".join(c for c in talks() if c.isalpha()) * 11
        assert len(text) > 100_000
        merges = trained(text, 50).merges
        assert len(merges) == 50
        ids = np.frombuffer(text.encode(), dtype=np.uint8).astype(np.int64)
        for new, pair in enumerate(merges[:5], start=256):
            counts = Counter(pairwise(ids.tolist()))
            assert pair == min(counts, key=lambda p, counts=counts: (-counts[p], p))
            ids = np.asarray(bytepairs.merge_long(ids, pair, new)[0])


@pytest.mark.exercise("tokenization")
class TestMemory:
    def test_words_are_remembered_between_calls_and_forgotten_by_training(self):
        tokenizer = trained("abab", 1)
        assert tokenizer.encode("ab") == [256]
        assert tokenizer.known[True]["ab"] == (256,)
        tokenizer.train("cdcd", num_merges=1)
        assert tokenizer.encode("abcd") == [97, 98, 256]

    def test_special_tokens_and_plain_words_do_not_mix(self):
        tokenizer = BPETokenizer(special_tokens=["end", " "])
        for _ in range(2):
            assert tokenizer.encode("end ") == [256, 257]
            assert tokenizer.encode("end ", special=False) == list(b"end ")

    def test_the_memory_does_not_grow_without_end(self, monkeypatch):
        monkeypatch.setattr(bytepairs.Known.make_room, "__defaults__", (50,))
        tokenizer = BPETokenizer(special_tokens=["<end>"])
        for i in range(30):
            text = " ".join(f"w{chr(97 + n % 26)}{i}x{n}" for n in range(10)) + "<end>"
            assert tokenizer.decode(tokenizer.encode(text)) == text
        assert len(tokenizer.known[True]) < 120
        assert tokenizer.encode("<end>") == [256]

    def test_copies_and_pickles_work(self):
        tokenizer = trained(RHYME, 20, special_tokens=["<end>"])
        tokenizer.encode(RHYME)
        for other in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
            other.train("zyzy", num_merges=1)
            assert other.encode("zyzy the<end>")[:2] == [256, 256]
        assert tokenizer.encode(RHYME) == trained(RHYME, 20).encode(RHYME)


@pytest.mark.exercise("tokenization")
class TestDecodeStream:
    def test_a_character_is_shown_when_it_is_whole(self):
        stream = BPETokenizer().decode_stream(iter([72, 240, 159, 152, 128, 33, 195]))
        assert list(stream) == ["H", FACE, "!", "\ufffd"]

    @pytest.mark.parametrize("kind", [int, np.int64, np.array, Tensor, lambda i: Tensor([i])])
    def test_whatever_holds_one_id(self, kind):
        for tokenizer in (BPETokenizer([(97, 98)]), CharTokenizer("abc")):
            ids = tokenizer.encode("abcab")
            assert "".join(tokenizer.decode_stream(map(kind, ids))) == "abcab"

    @given(st.lists(st.integers(0, 258)))
    def test_any_ids_give_what_decode_gives(self, ids):
        tokenizer = BPETokenizer([(159, 152), (256, 128)], ["é"])
        pieces = list(tokenizer.decode_stream(ids))
        assert "".join(pieces) == tokenizer.decode(ids) and all(pieces)

    @given(any_text)
    def test_characters(self, text):
        tokenizer = CharTokenizer(text + "a")
        assert list(tokenizer.decode_stream(tokenizer.encode(text))) == list(text)

    @pytest.mark.parametrize("tokenizer", [BPETokenizer(), CharTokenizer("abc")])
    def test_several_rows_and_foreign_ids_are_refused(self, tokenizer):
        with pytest.raises(ValueError, match=r"one id at a time, not 2: of 2 rows stream one, \(n"):
            list(tokenizer.decode_stream([np.array([1, 2])]))
        with pytest.raises(ValueError, match="id 256 at place 0 is not between 0 and"):
            list(tokenizer.decode_stream([256]))
        with pytest.raises(TypeError, match="whole numbers"):
            list(tokenizer.decode_stream("ab"))


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.exercise("tokenization")
class TestShowTokens:
    TOKENIZER = BPETokenizer(merges=[(32, 116), (256, 104), (257, 101)])

    def shown(self, text, **more):
        return show_tokens(text, self.TOKENIZER).text(coloured=False, **more)

    def test_bars_dots_and_line_ends(self):
        assert self.shown("a the\nb") == "a|·the|\\n\nb\n4 tokens"
        assert self.shown("a\n\nb\n") == "a|\\n\n\\n\nb|\\n\n5 tokens"
        assert self.shown("") == "0 tokens"
        assert self.shown(" the") == "·the\n1 token"

    def test_what_cannot_be_printed_is_written(self):
        assert self.shown("é\t\r\0") == "\\xc3|\\xa9|\\t|\\r|\\x00\n5 tokens"
        assert self.shown("\x1b[31m").startswith("\\x1b|[|3|1|m")
        assert self.shown("a|b\\n") == "a|\\||b|\\\\|n\n5 tokens"
        letters = CharTokenizer("\u202e\u200bé")
        assert show_tokens("\u202e\u200b", letters).text(False) == "\\u202e|\\u200b\n2 tokens"

    def test_ids_and_limit(self):
        assert show_tokens("a the", self.TOKENIZER, ids=True).text(False) == (
            "a[97]|·the[258]\n2 tokens"
        )
        assert show_tokens("abc", self.TOKENIZER, limit=2).text(False) == (
            "a|b\n3 tokens, 1 not shown"
        )

    @pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "utf-8"])
    def test_every_console_can_print_it(self, encoding):
        text = show_tokens("né \u4e2d" + FACE, CharTokenizer("né \u4e2d" + FACE))
        line = text.text(coloured=False, encoding=encoding)
        line.encode(encoding)
        assert ("|_|" in line) == (encoding == "ascii")

    def test_colours_in_a_terminal_only(self, monkeypatch):
        for name in ("NO_COLOR", "TERM", "WT_SESSION", "ANSICON"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("WT_SESSION", "1")
        view = show_tokens("ab\n", self.TOKENIZER)
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        assert str(view) == "a|b|\\n\n3 tokens"
        monkeypatch.setattr(sys, "stdout", Terminal())
        coloured = str(view)
        assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == "ab\\n\n3 tokens"
        assert len(set(re.findall(r"48;5;(\d+)m", coloured))) == 3
        assert coloured.count("\x1b[0m") == 3
        for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
            monkeypatch.setenv(name, value)
            if name == "NO_COLOR" or os.name != "nt":
                assert "\x1b" not in str(view)
            monkeypatch.delenv(name)
        monkeypatch.setattr(sys, "stdout", None)
        assert "\x1b" not in str(view)

    def test_neighbours_differ_in_colour(self):
        colours = re.findall(r"48;5;(\d+)m", show_tokens("a" * 12, self.TOKENIZER).text(True))
        assert len(colours) == 12
        assert all(a != b for a, b in pairwise(colours))

    def test_html_is_escaped_and_has_the_ids(self):
        page = show_tokens("<b>&\n", self.TOKENIZER)._repr_html_()
        assert page.count("<span") == 5
        assert "&lt;" in page
        assert "&amp;" in page
        assert "<b>" not in page
        assert 'title="id 60"' in page
        assert "<sub>" not in page
        assert "<sub>60</sub>" in show_tokens("<", self.TOKENIZER, ids=True)._repr_html_()
        assert page.endswith("<div>5 tokens</div>")

    def test_any_tokenizer_with_encode_and_decode(self):
        class Halves:
            def encode(self, text):
                return np.arange(len(text) // 2)

            def decode(self, ids):
                return "xy"

        assert show_tokens("abcd", Halves()).text(False) == "xy|xy\n2 tokens"

    def test_wrong_arguments_are_refused(self):
        with pytest.raises(TypeError, match=r"show_tokens.text, tokenizer.: 'a' is no tokenizer"):
            show_tokens(self.TOKENIZER, "a")
        with pytest.raises(TypeError, match="reads text, not int"):
            show_tokens(5, self.TOKENIZER)

    @given(st.text(), st.booleans())
    def test_any_text_can_be_shown(self, text, coloured):
        shown = show_tokens(text, self.TOKENIZER).text(coloured, "cp1252")
        assert shown.encode("cp1252")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert all(c.isprintable() or c == "\n" for c in plain)


KINDS = {
    "plain": {"special_tokens": ["<end>", "<end>>", "self", ".*", "\n"]},
    "gpt2": {"special_tokens": ["<|endoftext|>"], "pattern": "gpt2"},
}


@pytest.fixture(scope="module", params=KINDS)
def tokenizer(request):
    tokenizer = BPETokenizer(**KINDS[request.param])
    tokenizer.train(talks() + Path(__file__).read_text("utf-8")[:40_000], num_merges=100)
    return tokenizer


@pytest.mark.exercise("tokenization")
class TestRoundTrips:
    """Bar: 1,000 random texts and every source file come back as they went in."""

    def test_a_thousand_random_texts(self, tokenizer):
        rng = random.Random(7)
        signs = [chr(i) for i in range(0x110000) if not 0xD800 <= i < 0xE000]
        usual = [*"aeiou \n\t'\"<>0123._", "<end>", "the", " the", FACE, FAMILY, "\r\n", "e\u0301"]
        for _ in range(1000):
            mixed = (usual, signs, signs[:0x500])
            text = "".join(rng.choice(rng.choice(mixed)) for _ in range(rng.randrange(80)))
            for special in (True, False):
                assert tokenizer.decode(tokenizer.encode(text, special)) == text

    def test_all_source_files(self, tokenizer):
        root = Path(bytepairs.__file__).parents[1]  # of the checkout, or where it was installed
        folders = [root / name for name in ("tinytorch", "tito", "tests", "modules")]
        kinds = (".py", ".ipynb", ".toml", ".md")
        files = [f for d in folders for f in d.rglob("*") if f.suffix in kinds and f.is_file()]
        assert len(files) > 60
        for file in files:
            text = file.read_bytes().decode("utf-8")
            assert tokenizer.decode(tokenizer.encode(text)) == text, file

    def test_all_bytes(self, tokenizer):
        for byte in range(256):
            got = tokenizer.decode([tokenizer.ids[byte]])
            assert got == bytes([byte]).decode("utf-8", errors="replace")


@pytest.mark.exercise("tokenization.next_token_windows")
class TestNextTokenWindows:
    IDS = [5, 3, 8, 1, 9, 2, 7]

    @pytest.mark.parametrize(
        ("length", "stride", "x", "y"),
        [
            (3, None, [[5, 3, 8], [1, 9, 2]], [[3, 8, 1], [9, 2, 7]]),
            (3, 2, [[5, 3, 8], [8, 1, 9]], [[3, 8, 1], [1, 9, 2]]),
            (4, None, [[5, 3, 8, 1]], [[3, 8, 1, 9]]),
            (6, 1, [[5, 3, 8, 1, 9, 2]], [[3, 8, 1, 9, 2, 7]]),
            (1, None, [[5], [3], [8], [1], [9], [2]], [[3], [8], [1], [9], [2], [7]]),
            (2, 4, [[5, 3], [9, 2]], [[3, 8], [2, 7]]),
            (2, 100, [[5, 3]], [[3, 8]]),
        ],
    )
    def test_by_hand(self, length, stride, x, y):
        got_x, got_y = next_token_windows(self.IDS, length, stride)
        assert got_x.tolist() == x
        assert got_y.tolist() == y

    def test_stride_is_the_length_unless_given(self):
        default, same = next_token_windows(self.IDS, 2), next_token_windows(self.IDS, 2, stride=2)
        assert [t.tolist() for t in default] == [t.tolist() for t in same]

    @pytest.mark.parametrize("kind", [list, tuple, np.array, Tensor])
    def test_int64_tensors_from_any_row_of_ids(self, kind):
        for t in next_token_windows(kind(self.IDS), 3):
            assert isinstance(t, Tensor)
            assert t.dtype == np.int64
            assert t.shape == (2, 3)

    def test_int32_becomes_int64(self):
        x, _ = next_token_windows(np.array(self.IDS, dtype=np.int32), 3)
        assert x.dtype == np.int64

    def test_the_ids_that_were_given_are_not_shared(self):
        ids = np.array(self.IDS)
        x, y = next_token_windows(ids, 3, 1)
        ids[:] = 0
        assert x.tolist()[0] == [5, 3, 8]
        assert y.tolist()[0] == [3, 8, 1]

    def test_windows_that_overlap_cannot_be_written_by_accident(self):
        x, _ = next_token_windows(self.IDS, 3, 1)
        with pytest.raises(ValueError, match="read-only"):
            x.array[0, 1] = 0
        own = x.clone()
        own[0, 1] = 0
        assert own.tolist()[:2] == [[5, 0, 8], [3, 8, 1]]

    @pytest.mark.parametrize("kind", [np.array, Tensor])
    def test_a_long_text_at_stride_1_takes_little_memory(self, kind):
        ids = kind(np.arange(200_000) % 256)
        tracemalloc.start()
        try:
            x, y = next_token_windows(ids, 128, stride=1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert x.shape == y.shape == (199_872, 128)
        assert y.array[-1, -1] == 199_999 % 256
        assert peak < 10 * 8 * 200_000, "windows are views: copies would take 128 times the memory"

    @given(
        st.lists(st.integers(0, 300), min_size=2, max_size=40),
        st.integers(1, 10),
        st.integers(1, 12),
    )
    def test_equals_the_slow_loop(self, ids, length, stride):
        length = min(length, len(ids) - 1)
        want, start = [], 0
        while start + length + 1 <= len(ids):
            want.append((ids[start : start + length], ids[start + 1 : start + length + 1]))
            start += stride
        x, y = next_token_windows(ids, length, stride)
        assert list(zip(x.tolist(), y.tolist(), strict=True)) == want

    @pytest.mark.parametrize("ids", [[], [1], [1, 2, 3]])
    def test_too_short_a_text_is_refused(self, ids):
        with pytest.raises(ValueError, match=f"windows of 3 need 4 ids, and there are {len(ids)}$"):
            next_token_windows(ids, 3)

    @pytest.mark.parametrize(("length", "stride"), [(0, None), (-2, None), (2, 0), (2, -1)])
    def test_length_and_stride_are_at_least_one(self, length, stride):
        with pytest.raises(ValueError, match="(length|stride) is a whole number from 1 on, not"):
            next_token_windows(self.IDS, length, stride)

    def test_senseless_arguments_are_refused(self):
        with pytest.raises(ValueError, match="length is a whole number from 1 on, not 2.5"):
            next_token_windows(self.IDS, 2.5)
        with pytest.raises(ValueError, match="stride is a whole number from 1 on, not 'a'"):
            next_token_windows(self.IDS, 2, "a")
        with pytest.raises(ValueError, match="length is a whole number from 1 on, not True"):
            next_token_windows(self.IDS, True)
        with pytest.raises(TypeError, match="one row of whole numbers, not int64 .2, 2."):
            next_token_windows([[1, 2], [3, 4]], 1)
        with pytest.raises(ValueError, match="id -3 at place 1 is not between"):
            next_token_windows([1, -3, 2], 1)
