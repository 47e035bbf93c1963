"""Module 14: the cache, attention behind it, reading new tokens, and writing with it."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.attention import (
    MultiHeadAttention,
    merge_heads,
    scaled_dot_product_attention,
    split_heads,
)
from tinytorch.autograd import no_grad
from tinytorch.embeddings import Embedding
from tinytorch.kv_caching import (
    CachedBlock,
    CachedGPT,
    KVCache,
    PlainLinear,
    PlainNorm,
    attend_last,
    cache_bytes,
    embed_at,
    generate_cached,
    heads_to_rows,
    rows_to_heads,
    stream_cached,
    unread,
    without_mean,
)
from tinytorch.layers import Linear, Module
from tinytorch.tensor import Generator, Tensor, manual_seed, recording, wrap
from tinytorch.transformers import GPT, LayerNorm, TransformerBlock, generate, stream

sizes, seeds = st.integers(1, 5), st.integers(0, 999)
KINDS = [
    {},
    {"norm_first": False},
    {"activation": "relu"},
    {"norm_first": False, "activation": "relu", "hidden_dim": 7},
]
V, T = 11, 9


def normal(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def near(got, want, tolerance=1e-10):
    got, want = (np.asarray(getattr(a, "array", a)) for a in (got, want))
    assert got.shape == want.shape, f"shape {got.shape}, should be {want.shape}"
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance)


def drawn(model, seed=0, std=0.4, dtype=np.float64):
    """The model with every parameter drawn, biases and norms as well."""
    rng = np.random.default_rng(seed)
    for parameter in model.parameters():
        parameter.array = (std * rng.standard_normal(parameter.shape)).astype(dtype)
    return model


def tiny(seed=0, dtype=np.float64, std=0.4, **changes):
    sizes_ = {"vocab_size": V, "embed_dim": 8, "num_heads": 2, "num_layers": 3, "max_length": T}
    return drawn(GPT(**{**sizes_, **changes}), seed, std, dtype)


def ids(*shape, seed=0, high=V):
    return np.random.default_rng(seed).integers(0, high, shape)


def full_logits(model, text):
    with no_grad():
        return model(wrap(text)).array


def read_in_parts(model, text, cuts):
    """Logits at all places of a text that is read part by part, cut before these places."""
    reader = CachedGPT(model)
    cache, edges = reader.new_cache(len(text)), [0, *cuts, text.shape[1]]
    parts = [
        reader.read(text[:, a:b], cache, all_positions=True)
        for a, b in zip(edges, edges[1:], strict=False)
    ]
    return np.concatenate(parts, axis=1)


# -- cache_bytes
@pytest.mark.exercise("kv_caching.cache_bytes")
class TestCacheBytes:
    @given(numbers=st.lists(st.integers(1, 50), min_size=6, max_size=6))
    @settings(max_examples=25)
    def test_a_key_and_a_value_everywhere(self, numbers):
        layers, heads, width, length, batch, itemsize = numbers
        count = 0
        for _ in range(layers):
            for _ in ("key", "value"):
                count += heads * width * length * batch
        assert cache_bytes(layers, heads, width, length, batch, itemsize) == count * itemsize

    @pytest.mark.parametrize(
        ("layers", "heads", "width", "itemsize", "one_token"),
        [
            (12, 12, 64, 4, 73_728),  # GPT-2 in float32
            (40, 40, 128, 2, 819_200),  # OPT-13B: the 800 KB of Kwon et al. 2023
            (32, 32, 128, 2, 2**19),  # Llama 2 7B
            (32, 8, 128, 2, 2**17),  # Llama 3 8B
        ],
    )
    def test_real_models(self, layers, heads, width, itemsize, one_token):
        got = cache_bytes(layers, heads, width, length=1, itemsize=itemsize)
        assert isinstance(got, int | np.integer)
        assert got == one_token

    def test_no_byte_is_lost_in_a_float(self):
        assert cache_bytes(1, 1, 1, 2**53 + 1, itemsize=1) == 2**54 + 2

    def test_one_text_and_float32_unless_told(self):
        assert cache_bytes(1, 1, 1, 1) == 8

    def test_it_is_what_the_cache_weighs(self):
        cache = KVCache(2, 3, 4, 5, 6, np.float64)
        assert cache.bytes == cache_bytes(2, 4, 6, 5, batch=3, itemsize=8)


# -- KVCache
@pytest.mark.exercise("kv_caching")
class TestCache:
    def test_a_fresh_cache_is_empty_and_has_its_full_size(self):
        cache = KVCache(num_layers=2, batch=3, num_heads=4, max_length=5, head_width=6)
        assert cache.keys.shape == cache.values.shape == (2, 3, 4, 5, 6)
        assert cache.keys.dtype == cache.values.dtype == np.float32
        assert not np.shares_memory(cache.keys, cache.values)
        assert (cache.length, cache.batch, cache.max_length) == (0, 3, 5)

    @pytest.mark.parametrize("place", range(5))
    @pytest.mark.parametrize("size", [0, -1, 1.5])
    def test_sizes_that_make_no_sense_are_refused(self, place, size):
        numbers = [1] * 5
        numbers[place] = size
        with pytest.raises(ValueError, match=r"is a whole number of at least 1, not"):
            KVCache(*numbers)

    def test_clear_forgets(self):
        cache = KVCache(1, 1, 1, 3, 1)
        cache.length = 3
        cache.clear()
        assert cache.length == 0
        assert cache.end_after(3) == 3


@pytest.mark.exercise("kv_caching.KVCache.append")
class TestAppend:
    @given(parts=st.lists(st.integers(1, 4), min_size=1, max_size=4), layer=st.integers(0, 2))
    @settings(max_examples=30)
    def test_what_comes_back_is_everything_so_far(self, parts, layer):
        cache, room = KVCache(3, 2, 3, sum(parts) + 2, 4, np.float64), sum(parts)
        key, value = normal(2, 3, room, 4), normal(2, 3, room, 4, seed=1)
        for count in parts:
            start, end = cache.length, cache.length + count
            keys, values = cache.append(layer, key[:, :, start:end], value[:, :, start:end])
            assert np.array_equal(keys, key[:, :, :end])
            assert np.array_equal(values, value[:, :, :end])
            cache.length = end
        for other in {0, 1, 2} - {layer}:
            assert not cache.keys[other].any()
            assert not cache.values[other].any()
        assert not cache.keys[layer, :, :, room:].any()

    def test_length_stays_for_the_other_layers(self):
        cache = KVCache(2, 1, 1, 4, 1)
        cache.length = 1
        for layer in (0, 1):
            keys, _ = cache.append(layer, np.full((1, 1, 2, 1), 7.0), np.zeros((1, 1, 2, 1)))
            assert keys.ravel().tolist() == [0, 7, 7]
            assert cache.length == 1

    def test_views_are_handed_out_and_nothing_is_allocated_anew(self):
        cache = KVCache(2, 1, 1, 4, 1)
        arrays = cache.keys, cache.values
        keys, values = cache.append(1, np.ones((1, 1, 2, 1)), np.ones((1, 1, 2, 1)))
        assert np.shares_memory(keys, cache.keys)
        assert np.shares_memory(values, cache.values)
        assert cache.keys is arrays[0]
        assert cache.values is arrays[1]

    def test_the_inputs_are_copied_and_left_alone(self):
        cache, key, value = KVCache(1, 1, 1, 4, 1), np.ones((1, 1, 1, 1)), np.ones((1, 1, 1, 1))
        keys, _ = cache.append(0, key, value)
        key[...] = 5
        assert keys.ravel().tolist() == [1]

    def test_a_rewound_cache_is_written_over(self):
        cache = KVCache(1, 1, 1, 3, 1)
        cache.append(0, np.ones((1, 1, 3, 1)), np.ones((1, 1, 3, 1)))
        cache.length = 1
        keys, _ = cache.append(0, np.full((1, 1, 1, 1), 9.0), np.ones((1, 1, 1, 1)))
        assert keys.ravel().tolist() == [1, 9]

    def test_what_has_no_room_is_refused_and_changes_nothing(self):
        cache = KVCache(1, 1, 1, 3, 1)
        cache.length = 2
        told = r"2 new places behind 2 exceed max_length=3: clear the cache and read"
        with pytest.raises(ValueError, match=told):
            cache.append(0, np.ones((1, 1, 2, 1)), np.ones((1, 1, 2, 1)))
        assert not cache.keys.any()
        assert not cache.values.any()


# -- attend_last
@pytest.mark.exercise("kv_caching.attend_last")
class TestAttendLast:
    @given(B=sizes, H=sizes, new=sizes, old=st.integers(0, 4), d=sizes, seed=seeds)
    @settings(max_examples=40)
    def test_it_is_the_attention_of_module_12_at_the_end(self, B, H, new, old, d, seed):
        query = normal(B, H, new, d, seed=seed)
        keys, values = (normal(B, H, old + new, d, seed=seed + i) for i in (1, 2))
        want = scaled_dot_product_attention(wrap(query), wrap(keys), wrap(values), is_causal=True)
        near(attend_last(query, keys, values), want)

    @given(old=st.integers(0, 4), new=sizes, seed=seeds)
    @settings(max_examples=25)
    def test_the_last_rows_of_full_attention(self, old, new, seed):
        query, keys, values = (normal(2, 2, old + new, 3, seed=seed + i) for i in range(3))
        whole = attend_last(query, keys, values)
        near(attend_last(query[:, :, old:], keys, values), whole[:, :, old:])

    def test_by_hand(self):
        values = np.array([10.0, 20.0, 60.0]).reshape(1, 1, 3, 1)
        nothing = np.zeros((1, 1, 3, 1))
        for new, want in ((1, [30]), (2, [15, 30]), (3, [10, 15, 30])):
            near(attend_last(nothing[:, :, :new], nothing, values).ravel(), want)

    def test_no_query_sees_a_later_key(self):
        query, keys, values = (normal(1, 1, n, 4, seed=n) for n in (3, 5, 5))
        before = attend_last(query, keys, values)
        for place in (4, 3):
            keys[:, :, place:], values[:, :, place:] = 9, 99
            got = attend_last(query, keys, values)
            seen = place - 2  # queries 0 to seen - 1 stand before that place
            assert np.array_equal(got[:, :, :seen], before[:, :, :seen])
            assert not np.allclose(got[:, :, seen:], before[:, :, seen:])

    @pytest.mark.parametrize("new", [1, 2])
    def test_large_scores_do_not_overflow(self, new):
        query = keys = np.full((1, 1, 2, 4), 1e3, dtype=np.float32)
        got = attend_last(query[:, :, :new], keys, np.ones((1, 1, 2, 4), np.float32))
        near(got, np.ones((1, 1, new, 4)), 1e-6)

    def test_hidden_keys_stay_hidden_behind_very_low_scores(self):
        query, keys = np.ones((1, 1, 2, 2)), np.array([[[[-15000.0, -15000.0], [0.0, 0.0]]]])
        got = attend_last(query, keys, np.array([[[[1.0], [2.0]]]]))  # scores -21213 and 0
        assert got[0, 0].tolist() == [[1], [2]]

    @pytest.mark.parametrize("new", [1, 3])
    def test_dtype_and_inputs(self, new):
        query, keys, values = (normal(1, 2, n, 4, dtype=np.float32) for n in (new, 5, 5))
        before = [a.copy() for a in (query, keys, values)]
        assert attend_last(query, keys, values).dtype == np.float32
        assert all(np.array_equal(a, b) for a, b in zip(before, (query, keys, values)))


# -- plain parts
@pytest.mark.exercise("kv_caching")
class TestPlainParts:
    @given(rows=sizes, width=sizes, outs=st.lists(sizes, min_size=1, max_size=3), seed=seeds)
    @settings(max_examples=25)
    def test_side_by_side(self, rows, width, outs, seed):
        layers = [drawn(Linear(width, out, bias=out != 2), seed) for out in outs]
        x = normal(rows, width, seed=seed)
        near(PlainLinear(*layers)(x), np.concatenate([f(wrap(x)).array for f in layers], axis=1))

    def test_a_norm_in_front_is_taken_over(self):
        norm, layer, x = drawn(LayerNorm(6)), drawn(Linear(6, 4), 1), normal(3, 6)
        near(PlainLinear(layer, after=norm)(plain_normal(x)), layer(norm(wrap(x))))

    def test_centered_results_have_mean_0_and_nothing_else_changes(self):
        layer, x = drawn(Linear(6, 4), 1), normal(3, 6)
        got = PlainLinear(layer, centered=True)(x)
        near(got.mean(axis=1), np.zeros(3))
        near(got, without_mean(layer(wrap(x)).array))

    @given(rows=sizes, width=st.integers(2, 9), seed=seeds)
    @settings(max_examples=25)
    def test_norm(self, rows, width, seed):
        norm, x = drawn(LayerNorm(width), seed), normal(rows, width, seed=seed)
        near(PlainNorm(norm)(x), norm(wrap(x)))
        near(PlainNorm(norm, folded=True)(without_mean(x)), plain_normal(x))

    def test_parts_are_copies(self):
        linear, norm, x = drawn(Linear(3, 3)), drawn(LayerNorm(3)), normal(2, 3)
        plain = PlainLinear(linear), PlainNorm(norm)
        before = [part(x) for part in plain]
        for parameter in (*linear.parameters(), *norm.parameters()):
            parameter.array[...] = 7
        assert all(np.array_equal(part(x), was) for part, was in zip(plain, before))

    @given(B=sizes, H=sizes, new=sizes, d=sizes)
    @settings(max_examples=25)
    def test_rows_to_heads_and_back(self, B, H, new, d):
        parts = [normal(B, new, H * d, seed=i) for i in range(3)]
        rows = np.concatenate(parts, axis=2).reshape(B * new, 3 * H * d)
        for got, part in zip(rows_to_heads(rows, B, H), parts, strict=True):
            near(got, split_heads(wrap(part), H))
            near(heads_to_rows(got), merge_heads(wrap(got)).array.reshape(B * new, H * d))


def plain_normal(x):
    """Rows with mean 0 and length sqrt(D), as a norm has them before weight and bias."""
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


# -- the block
@pytest.mark.exercise("kv_caching.CachedBlock.attend")
class TestAttend:
    @given(B=sizes, parts=st.lists(st.integers(1, 3), min_size=1, max_size=4), seed=seeds)
    @settings(max_examples=30)
    def test_part_by_part_it_is_the_whole(self, B, parts, seed):
        length, block = sum(parts), drawn(TransformerBlock(6, 3), seed)
        x, cache = normal(B, length, 6, seed=seed), KVCache(2, B, 3, length, 2, np.float64)
        want, cached = block.attention(wrap(x), is_causal=True).array, CachedBlock(block)
        for count in parts:
            new = slice(cache.length, cache.length + count)
            got = cached.attend(x[:, new].reshape(-1, 6), 1, cache)
            near(got, want[:, new].reshape(-1, 6))
            cache.length += count

    def test_keys_and_values_are_kept_and_the_queries_are_not(self):
        block, x = drawn(TransformerBlock(4, 2)), normal(3, 4)
        cache = KVCache(2, 1, 2, 5, 2, np.float64)
        CachedBlock(block).attend(x, 1, cache)
        for kept, layer in ((cache.keys, "key"), (cache.values, "value")):
            want = split_heads(getattr(block.attention, layer)(wrap(x[None])), 2)
            near(kept[1, :, :, :3], want)
            assert not kept[0].any()
            assert not kept[1, :, :, 3:].any()

    def test_length_is_left_to_the_reader(self):
        cache = KVCache(1, 1, 2, 5, 2)
        CachedBlock(TransformerBlock(4, 2)).attend(np.ones((3, 4), np.float32), 0, cache)
        assert cache.length == 0

    def test_texts_of_a_batch_do_not_see_each_other(self):
        block = CachedBlock(drawn(TransformerBlock(4, 2)))
        x, other = normal(2, 3, 4), normal(3, 4, seed=5)
        results = []
        for second in (x[1], other):
            cache = KVCache(1, 2, 2, 3, 2, np.float64)
            results.append(block.attend(np.concatenate([x[0], second]), 0, cache))
        assert np.array_equal(results[0][:3], results[1][:3])


@pytest.mark.exercise("kv_caching")
@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_block_of_rows_is_the_block(norm_first, activation):
    block = drawn(TransformerBlock(6, 2, norm_first=norm_first, activation=activation))
    x, cache = normal(2, 4, 6), KVCache(1, 2, 2, 4, 3, np.float64)
    mask = wrap(np.tri(4, dtype=bool))
    with no_grad():
        cached, want = CachedBlock(block), block(wrap(x), mask).array
        near(cached(x.reshape(8, 6), 0, cache), want.reshape(8, 6))
        keys = cache.keys.copy()
        cache.keys[...] = 0
        near(cached(x.reshape(8, 6), 0, cache, last=True), want[:, -1])
        assert np.array_equal(cache.keys, keys)


@pytest.mark.exercise("kv_caching")
def test_for_the_last_logits_the_last_block_thinks_about_the_last_tokens_alone():
    reader = CachedGPT(tiny(num_layers=2))
    cache, x = reader.new_cache(batch=3), normal(12, reader.tokens.shape[1])
    with no_grad():
        shapes = [b(x, n, cache).shape[0] for n, b in enumerate(reader.blocks_for_last)]
    assert shapes == [12, 3]


# -- embed_at
@pytest.mark.exercise("kv_caching.embed_at")
class TestEmbedAt:
    @given(B=sizes, new=sizes, D=sizes, start=st.integers(0, 5), seed=seeds)
    @settings(max_examples=30)
    def test_it_is_the_entrance_with_an_offset(self, B, new, D, start, seed):
        model = GPT(V, D, 1, 1, max_length=10)
        text, tables = ids(B, new, seed=seed), (model.embed.tokens, model.embed.positions)
        got = embed_at(*(table.weight.array for table in tables), text, start)
        assert np.array_equal(got, model.embed(wrap(text), offset=start).array)

    def test_by_hand(self):
        tokens, positions = np.array([[1.0], [2.0], [3.0]]), np.arange(5.0)[:, None] * 100
        for text, start, want in (([[2, 0, 0]], 1, [103, 201, 301]), ([[1], [0]], 4, [402, 401])):
            got = embed_at(tokens, positions, np.array(text), start)
            assert got.ravel().tolist() == want

    def test_tables_stay_as_they_are(self):
        tokens, positions = (normal(4, 2, dtype=np.float32) for _ in range(2))
        before = tokens.copy(), positions.copy()
        got = embed_at(tokens, positions, np.array([[0, 1]]), 2)
        got += 1
        assert got.dtype == np.float32
        assert np.array_equal(tokens, before[0])
        assert np.array_equal(positions, before[1])


# -- read
@pytest.mark.exercise("kv_caching.CachedGPT.read")
class TestRead:
    @pytest.mark.parametrize("kind", KINDS, ids=str)
    @given(cuts=st.sets(st.integers(1, T - 1)), B=sizes, seed=seeds)
    @settings(max_examples=15)
    def test_all_logits_however_the_text_is_cut(self, kind, cuts, B, seed):
        model, text = tiny(seed, **kind), ids(B, T, seed=seed)
        near(read_in_parts(model, text, sorted(cuts)), full_logits(model, text), 1e-9)

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    @pytest.mark.parametrize("prefill", [1, 2, 127, 128])
    def test_float32_to_the_fifth_digit(self, kind, prefill):
        manual_seed(0)
        model = GPT(68, max_length=128, **kind).initialise(0.08)
        text = ids(2, 128, high=68)
        got = read_in_parts(model, text, range(prefill, 128))
        assert got.dtype == np.float32
        near(got, full_logits(model, text), 1e-5)

    @pytest.mark.parametrize("norm_first", [True, False])
    def test_the_last_position_alone(self, norm_first):
        model, text = tiny(norm_first=norm_first), ids(3, 6)
        reader, want = CachedGPT(model), full_logits(model, text)
        cache = reader.new_cache(3)
        for start, end in ((0, 4), (4, 5), (5, 6)):
            near(reader.read(text[:, start:end], cache), want[:, end - 1])
            assert cache.length == end

    def test_keys_of_every_layer_stand_where_they_belong(self):
        model, text = tiny(norm_first=False), ids(1, 5)
        reader = CachedGPT(model)
        cache = reader.new_cache()
        reader.read(text[:, :3], cache)
        reader.read(text[:, 3:], cache)
        x = model.embed(wrap(text))
        for layer, block in enumerate(model.blocks):
            want = split_heads(block.attention.key(x), 2).array
            near(cache.keys[layer, :, :, :5], want)
            assert not cache.keys[layer, :, :, 5:].any()
            x = block(x, wrap(np.tri(5, dtype=bool)))

    def test_rewound_it_reads_on_from_there(self):
        model, text, other = tiny(), ids(1, 8), ids(1, 5, seed=4)
        reader = CachedGPT(model)
        cache = reader.new_cache()
        reader.read(text, cache)
        cache.length = 3
        got = reader.read(other, cache)
        near(got, full_logits(model, np.concatenate([text[:, :3], other], axis=1))[:, -1])

    def test_cleared_it_forgets(self):
        model, text = tiny(), ids(1, 4)
        reader = CachedGPT(model)
        cache = reader.new_cache()
        reader.read(ids(1, 9, seed=2), cache)
        cache.clear()
        near(reader.read(text, cache), full_logits(model, text)[:, -1])

    @pytest.mark.parametrize("give", [np.asarray, wrap, np.ndarray.tolist])
    def test_ids_of_any_kind(self, give):
        model, text = tiny(), ids(2, 4)
        reader = CachedGPT(model)
        got = reader.read(give(text), reader.new_cache(2))
        near(got, full_logits(model, text)[:, -1])

    @pytest.mark.parametrize(
        ("text", "kind", "told"),
        [
            ([1, 2], ValueError, r"ids \(2,\) are not \(B, T\)"),
            ([[]], ValueError, "the text is empty"),
            ([[1], [2]], ValueError, "2 texts for a cache of 1: they must agree"),
            ([[1] * 7], ValueError, "7 new places behind 3 exceed max_length=9"),
            ([[1.5]], TypeError, "whole numbers"),
            ([[V]], IndexError, f"id {V} at .* is no row of a table of {V} rows"),
            ([[-1]], IndexError, "id -1 at"),
            ([[1, -1]], IndexError, "id -1 at"),
        ],
    )
    def test_bad_ids_are_refused_and_change_nothing(self, text, kind, told):
        reader = CachedGPT(tiny())
        cache = reader.new_cache()
        reader.read([[1, 2, 3]], cache)
        before = cache.keys.copy()
        with pytest.raises(kind, match=told):
            reader.read(text, cache)
        assert cache.length == 3
        assert np.array_equal(cache.keys, before)


class Twice(Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class OtherEmbedding(Embedding):
    def forward(self, ids):
        return super().forward(ids) * -4.0


class OtherHeads(MultiHeadAttention):
    def heads(self, *layers):
        return [part * -5.0 for part in super().heads(*layers)]


@pytest.mark.exercise("kv_caching")
class TestSnapshot:
    def test_the_cache_fits_the_model(self):
        cache = CachedGPT(tiny()).new_cache(4)
        assert cache.keys.shape == (3, 4, 2, T, 4)
        assert cache.keys.dtype == np.float64
        assert CachedGPT(GPT(V, 8, 2, 1, T)).new_cache().keys.dtype == np.float32

    def test_it_does_not_follow_the_model(self):
        model, text = tiny(), ids(1, 5)
        before, reader = full_logits(model, text)[:, -1], CachedGPT(model)
        for parameter in model.parameters():
            parameter.array *= 2
        near(reader.read(text, reader.new_cache()), before)

    def test_the_model_is_not_changed(self):
        model = tiny()
        before = copy.deepcopy([p.array for p in model.parameters()])
        generate_cached(model, ids(2, 4), 12)
        assert all(np.array_equal(p.array, b) for p, b in zip(model.parameters(), before))

    def test_dropout_is_off_and_the_mode_stays(self):
        model, text = tiny(dropout=0.5), ids(2, 5)
        reader = CachedGPT(model)
        got = reader.read(text, reader.new_cache(2))
        assert model.training
        near(got, full_logits(model.eval(), text)[:, -1])

    def test_nothing_is_recorded_and_recording_goes_on(self):
        model = tiny()
        steps = stream_cached(model, [[1]], 3)
        next(steps)
        assert recording()
        assert all(p.grad is None for p in model.parameters())

    def test_blocks_of_both_kinds_in_one_model(self):
        model, text = tiny(), ids(2, 7)
        model.blocks[1].norm_first = False
        near(read_in_parts(model, text, (3, 4)), full_logits(model, text), 1e-9)

    def test_scaled_tokens_and_layers_without_bias(self):
        model, text = tiny(), ids(1, 6)
        model.embed.scale = True
        model.blocks[0].attention.key = drawn(Linear(8, 8, bias=False))
        model.head = drawn(Linear(8, V, bias=False))
        near(read_in_parts(model, text, (2,)), full_logits(model, text), 1e-9)

    def test_other_models_are_refused(self):
        class Other(Module):
            def forward(self, x):
                return x

        class MyGPT(GPT):
            def forward(self, ids):
                return -super().forward(ids)

        for model in (Other(), MyGPT(V, 8, 2, 1, T)):
            told = f"{type(model).__name__} stands where GPT was expected; use transformers.gen"
            with pytest.raises(TypeError, match=told):
                CachedGPT(model)

    @pytest.mark.parametrize("place", ["mlp.widen", "attention.value", "attention.output"])
    def test_changed_layers_are_refused(self, place):
        model = tiny()
        part, name = place.split(".")
        setattr(getattr(model.blocks[1], part), name, Twice(8, 8))
        with pytest.raises(TypeError, match="Twice stands where Linear was expected"):
            CachedGPT(model)

    def test_hooks_are_refused(self):
        model = tiny()
        handle = model.blocks[0].mlp.register_forward_hook(lambda *_: None)
        with pytest.raises(ValueError, match="hooks would not be called here: remove them"):
            CachedGPT(model)
        handle.remove()
        CachedGPT(model)

    @pytest.mark.parametrize("change", ["hook before", "patched part", "patched model"])
    def test_hooks_and_patches_of_other_kinds_are_refused(self, change):
        model = tiny()
        part = model if change == "patched model" else model.blocks[0].attention
        if change == "hook before":
            handle = part.register_forward_pre_hook(lambda module, given: given)
        else:
            part.forward = lambda *given, usual=part.forward, **more: usual(*given, **more)
        with pytest.raises(ValueError, match="hooks would not be called here: remove them"):
            CachedGPT(model)
        if change == "hook before":
            handle.remove()
            CachedGPT(model)

    @pytest.mark.parametrize(
        ("place", "part", "told"),
        [
            ("embed.tokens", OtherEmbedding(V, 8), "OtherEmbedding stands where Embedding was"),
            ("embed.dropout", LayerNorm(8), "LayerNorm stands where Dropout was expected"),
            ("blocks.0.dropout", LayerNorm(8), "LayerNorm stands where Dropout was expected"),
            ("blocks.0.attention", OtherHeads(8, 2), "OtherHeads stands where MultiHeadAtt"),
            ("blocks.0.mlp.activation", np.tanh, "takes activations like gelu and relu, not"),
        ],
    )
    def test_parts_of_ones_own_are_refused(self, place, part, told):
        model = tiny()
        path, _, name = place.rpartition(".")
        setattr(dict(model.named_modules())[path], name, part)
        with pytest.raises(TypeError, match=told):
            generate_cached(model, [[1, 2]], 2)

    def test_blocks_of_several_shapes_are_refused(self):
        model = tiny()
        model.blocks[0] = TransformerBlock(8, 4)
        with pytest.raises(ValueError, match="a cache has one shape: blocks with several num_he"):
            CachedGPT(model)


# -- unread
@pytest.mark.exercise("kv_caching.unread")
class TestUnread:
    TEXT = np.arange(24).reshape(2, 12)

    def now(self, max_length, length, written):
        cache = KVCache(1, 2, 1, max_length, 1)
        cache.length = length
        return unread(self.TEXT[:, :written], cache), cache

    @pytest.mark.parametrize("written", [1, 2, 5, 6])
    def test_at_first_the_whole_prompt(self, written):
        got, cache = self.now(6, 0, written)
        assert np.array_equal(got, self.TEXT[:, :written])
        assert cache.length == 0

    @pytest.mark.parametrize("written", [7, 12])
    def test_of_a_long_prompt_the_end(self, written):
        got, _ = self.now(6, 0, written)
        assert np.array_equal(got, self.TEXT[:, written - 6 : written])

    @pytest.mark.parametrize("length", [1, 3, 5])
    @pytest.mark.parametrize("more", [1, 4])
    def test_then_the_newest_alone(self, length, more):
        got, cache = self.now(6, length, length + more)
        assert isinstance(got, np.ndarray)
        assert np.array_equal(got, self.TEXT[:, length + more - 1 : length + more])
        assert cache.length == length

    @pytest.mark.parametrize("max_length", [1, 2, 3, 6, 7])
    def test_of_a_full_cache_the_last_half(self, max_length):
        got, cache = self.now(max_length, max_length, 12)
        assert np.array_equal(got, self.TEXT[:, 12 - max(1, max_length // 2) :])
        assert cache.length == 0


# -- writing
@pytest.mark.exercise("kv_caching")
class TestGenerate:
    HOW = [
        {"temperature": 0},
        {},
        {"temperature": 0.7, "top_k": 4},
        {"temperature": 1.5, "top_p": 0.8},
        {"top_k": 5, "top_p": 0.9, "stop": [3, 4]},
        {"temperature": 0, "stop": 2},
    ]

    @pytest.mark.parametrize("how", HOW, ids=str)
    @pytest.mark.parametrize("length", [1, 2, 7])
    def test_the_same_text_within_the_context(self, how, length):
        for seed in range(4):
            model, prompt = tiny(seed, max_length=20), ids(3, length, seed=seed)
            first, second = (
                write(model, prompt, 21 - length, generator=Generator(seed), **how)
                for write in (generate, generate_cached)
            )
            assert isinstance(second, Tensor)
            assert second.dtype == np.int64
            assert np.array_equal(first.array, second.array)

    def test_128_greedy_tokens_of_the_default_model(self):
        manual_seed(1)
        model = GPT(68).initialise(0.1)
        first, second = (
            write(model, [[1, 2], [3, 4]], 127, temperature=0)
            for write in (generate, generate_cached)
        )
        assert np.array_equal(first.array, second.array)

    @pytest.mark.parametrize("context", [1, 2, 5, 8])
    @pytest.mark.parametrize("length", [1, 5, 12])
    def test_beyond_the_context_it_reads_the_last_half_again(self, context, length):
        model, prompt = tiny(max_length=context), ids(2, length)
        text, seen = prompt, min(length, context)
        for _ in range(20):
            text = np.c_[text, full_logits(model, text[:, -seen:])[:, -1].argmax(axis=-1)]
            seen = max(1, context // 2) if seen == context else seen + 1
        got = generate_cached(model, prompt, 20, temperature=0)
        assert np.array_equal(got.array, text)

    def test_the_first_token_after_a_long_prompt_is_that_of_generate(self):
        model, prompt = tiny(), ids(2, 30)
        for write in (generate, generate_cached):
            got = write(model, prompt, 1, temperature=0).array
            want = full_logits(model, prompt[:, -T:])[:, -1].argmax(axis=-1)
            assert np.array_equal(got[:, -1], want)

    def test_stream_is_generate_token_by_token(self):
        model, prompt = tiny(max_length=20), ids(3, 4)
        how = {"stop": [1, 2], "temperature": 1.3}
        got = list(stream_cached(model, prompt, 12, generator=Generator(5), **how))
        want = list(stream(model, prompt, 12, generator=Generator(5), **how))
        assert np.array_equal(got, want)
        whole = generate_cached(model, prompt, 12, generator=Generator(5), **how)
        assert np.array_equal(np.stack(got, axis=1), whole.array[:, 4:])

    def test_rows_end_by_themselves(self):
        model, prompt = tiny(3, max_length=30), ids(4, 2)
        plain = generate_cached(model, prompt, 25, temperature=0).array[:, 2:]
        stop = int(plain[0, 3])
        got = generate_cached(model, prompt, 25, temperature=0, stop=stop).array[:, 2:]
        for row, free in zip(got, plain):
            end = free.tolist().index(stop) + 1 if stop in free else len(free)
            assert np.array_equal(row[:end], free[: min(end, len(row))])
            assert (row[end:] == stop).all()

    def test_a_stop_that_never_comes_needs_no_room(self):
        model = tiny()
        steps = stream_cached(model, [[1]], 10**12, stop=V + 1)
        assert len([next(steps) for _ in range(3)]) == 3

    def test_nothing_wanted_nothing_written(self):
        prompt = ids(2, 4)
        got = generate_cached(tiny(), prompt, 0)
        assert np.array_equal(got.array, prompt)
        got.array[...] = 0
        assert prompt.any()

    @pytest.mark.parametrize(
        ("changes", "kind", "told"),
        [
            ({"ids": [[]]}, ValueError, "the text is empty"),
            ({"ids": [1, 2]}, ValueError, "are not"),
            ({"ids": [[0.5]]}, TypeError, "whole numbers"),
            ({"ids": [[V]]}, IndexError, f"id {V}"),
            ({"max_new_tokens": -1}, ValueError, "max_new_tokens is a whole number of at least 0"),
            ({"temperature": -1}, ValueError, "temperature is at least 0"),
            ({"top_k": 0}, ValueError, "top_k"),
            ({"top_p": 2}, ValueError, "top_p"),
            ({"stop": "x"}, TypeError, "stop is a token id"),
        ],
    )
    def test_bad_settings_are_refused_as_by_generate(self, changes, kind, told):
        for write in (generate, generate_cached):
            with pytest.raises(kind, match=told):
                write(tiny(), **{"ids": [[1]], "max_new_tokens": 2, **changes})

    def test_nan_is_said(self):
        model = tiny()
        model.head.bias.array[0] = np.nan
        with pytest.raises(ValueError, match="the logits hold nan"):
            generate_cached(model, [[1]], 2)


@pytest.mark.exercise("kv_caching")
class TestAllSettings:
    """Whatever `model.generate` takes: with a cache the same text, token by token."""

    HOW = [
        {"do_sample": False},
        {"seed": 3},
        {"seed": 3, "repetition_penalty": 1.3, "eos_token_id": [3, 4], "min_new_tokens": 5},
        {"seed": 3, "num_return_sequences": 3, "top_k": 4, "stop": 2, "pad_token_id": -1},
        {"temperature": 0, "repetition_penalty": 2.0, "eos_token_id": [3, 4]},
        {"temperature": 0, "eos_token_id": [3, 4], "pad_token_id": -100},
    ]
    BEAMS = [
        {"num_beams": 2},
        {"num_beams": 4, "eos_token_id": [3, 4], "num_return_sequences": 4},
        {"num_beams": 3, "stop": 3, "length_penalty": -1.0, "early_stopping": True},
        {"num_beams": 3, "eos_token_id": 3, "early_stopping": "never", "length_penalty": 2.0},
        {"num_beams": 3, "repetition_penalty": 1.5, "stop": 3, "min_new_tokens": 4},
        {"num_beams": 15},  # more than there are tokens
    ]

    @pytest.mark.parametrize("how", HOW + BEAMS, ids=str)
    @pytest.mark.parametrize("shape", [(1, 1), (3, 4)])
    def test_the_same_text(self, how, shape):
        for seed in range(4):
            model, prompt = tiny(seed, max_length=20), ids(*shape, seed=seed)
            first, second = (
                model.generate(prompt, 14, use_cache=cached, **how) for cached in (False, True)
            )
            assert second.dtype == np.int64
            assert first.tolist() == second.tolist()

    @pytest.mark.parametrize("how", HOW, ids=str)
    def test_streamed(self, how):
        model, prompt = tiny(max_length=20), ids(3, 4)
        whole = generate_cached(model, prompt, 14, **how).array[:, 4:]
        for cached in (False, True):
            parts = list(model.stream(prompt, 14, use_cache=cached, **how))
            assert np.array_equal(np.stack(parts, axis=1), whole)

    def test_beams_cannot_stream(self):
        with pytest.raises(ValueError, match="beams cannot stream"):
            stream_cached(tiny(), [[1]], 3, num_beams=2)
        with pytest.raises(ValueError, match="beams cannot stream"):
            tiny().stream([[1]], 3, num_beams=2, use_cache=True)

    def test_a_wrong_name_is_refused(self):
        with pytest.raises(TypeError, match="no setting 'beams': did you mean num_beams"):
            generate_cached(tiny(), [[1]], 3, beams=2)

    @pytest.mark.parametrize("context", [4, 7])
    def test_beams_go_on_beyond_the_context(self, context):
        """There the cached beams see between half of the context and all of it."""
        model, prompt = tiny(max_length=context), ids(2, 3)
        for K in (2, 3):
            got = generate_cached(model, prompt, 20, num_beams=K)
            assert got.shape == (2, 23)
            assert np.array_equal(got.array[:, :3], prompt)

    def test_beams_read_each_token_once(self, monkeypatch):
        rows, wide = [], CachedBlock.__call__

        def counted(self, x, layer, cache, **how):
            rows.append(len(x))
            return wide(self, x, layer, cache, **how)

        monkeypatch.setattr(CachedBlock, "__call__", counted)
        generate_cached(tiny(num_layers=1, max_length=40), ids(2, 10), 6, num_beams=3)
        assert rows == [20, *[6] * 5]  # the prompts once, and not once for every beam


@pytest.mark.exercise("kv_caching")
class TestSelect:
    def filled(self):
        cache = KVCache(2, 3, 2, 6, 4)
        cache.keys[...], cache.values[...] = normal(*cache.keys.shape), normal(*cache.keys.shape)
        cache.length = 4
        return cache, cache.keys.copy(), cache.values.copy()

    @pytest.mark.parametrize("rows", [[0, 1, 2], [2, 0, 1], [1, 1, 1], [0, 0, 1, 1, 2, 2], [2]])
    def test_each_row_continues_its_parent(self, rows):
        cache, keys, values = self.filled()
        cache.select(np.array(rows))
        assert (cache.batch, cache.length, cache.max_length) == (len(rows), 4, 6)
        assert cache.keys.shape == cache.values.shape == (2, len(rows), 2, 6, 4)
        near(cache.keys[:, :, :, :4], keys[:, rows, :, :4], 0)
        near(cache.values[:, :, :, :4], values[:, rows, :, :4], 0)

    def test_rows_read_on_as_if_they_had_been_there(self):
        model, text = tiny(), ids(3, 6)
        reader, rows = CachedGPT(model), np.array([2, 0, 0, 1])
        cache = reader.new_cache(3)
        reader.read(text[:, :5], cache)
        cache.select(rows)
        longer = np.c_[text[rows, :5], ids(4, 1, seed=8)]
        near(reader.read(longer[:, 5:], cache), full_logits(model, longer)[:, -1])


@pytest.mark.exercise("kv_caching")
def test_each_token_is_read_once(monkeypatch):
    """The work grows with the text and not with its square."""
    read = []
    wide = CachedBlock.__call__

    def counted(self, x, layer, cache, **how):
        read.append(len(x))
        return wide(self, x, layer, cache, **how)

    monkeypatch.setattr(CachedBlock, "__call__", counted)
    generate_cached(tiny(num_layers=1, max_length=40), ids(1, 10), 30)
    assert read == [10, *[1] * 29]
    read.clear()
    generate_cached(tiny(num_layers=1, max_length=8), ids(1, 3), 12)
    assert read == [3, 1, 1, 1, 1, 1, 4, 1, 1, 1, 1, 4]
