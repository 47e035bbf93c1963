"""Module 11: rows of a table, and where they stand."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tinytorch.autograd import gradcheck, no_grad
from tinytorch.embeddings import (
    Embedding,
    PositionalEmbedding,
    SinusoidalEmbedding,
    TokenAndPosition,
    embedding,
    embedding_rule,
    sinusoidal_positions,
)
from tinytorch.layers import Module
from tinytorch.tensor import Tensor, float32, float64, manual_seed

TABLE = np.array([[1, 0, 2], [0, 3, 1], [5, 5, 0], [2, 1, 7]], dtype=np.float32)  # (4, 3)
shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
sizes = st.integers(1, 6)


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)


def numbers(*shape, seed=0, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def random_ids(shape, rows, seed=0):
    return np.random.default_rng(seed).integers(0, rows, shape)


def one_hot(ids, rows):
    return (np.asarray(ids)[..., None] == np.arange(rows)).astype(np.float64)


def added_up(g, rows, ids, padding_idx=None):
    """The gradient of a table, one use after the other."""
    back = np.zeros((rows, g.shape[-1]))
    for place in np.ndindex(ids.shape):
        if ids[place] != padding_idx:
            back[ids[place]] += g[place]
    return back


def layer_with(tokens, positions, **settings):
    """A TokenAndPosition that holds these two tables, in float64."""
    layer = TokenAndPosition(len(tokens), tokens.shape[1], len(positions), **settings)
    layer.to(dtype=float64)
    layer.load_state_dict({"tokens.weight": tokens, "positions.weight": positions})
    return layer


@pytest.mark.exercise("embeddings.embedding")
class TestEmbedding:
    def test_by_hand(self):
        got = embedding(Tensor(TABLE), Tensor([2, 0, 2]))
        assert got.tolist() == [[5, 5, 0], [1, 0, 2], [5, 5, 0]]

    def test_a_batch_keeps_its_shape(self):
        got = embedding(Tensor(TABLE), Tensor([[3, 0, 1], [1, 1, 2]]))
        assert got.shape == (2, 3, 3)
        assert got[1].tolist() == [[0, 3, 1], [0, 3, 1], [5, 5, 0]]

    def test_a_single_id(self):
        assert embedding(Tensor(TABLE), Tensor(3)).tolist() == [2, 1, 7]

    def test_no_ids_give_no_rows(self):
        got = embedding(Tensor(TABLE), Tensor(np.zeros((2, 0), dtype=int)))
        assert got.shape == (2, 0, 3)

    @given(shapes, sizes, sizes)
    def test_equals_the_product_with_one_hot_rows(self, shape, rows, width):
        table, ids = numbers(rows, width), random_ids(shape, rows)
        got = embedding.on_arrays(table, ids)
        assert got.shape == (*shape, width)
        np.testing.assert_allclose(got, one_hot(ids, rows) @ table, rtol=0, atol=1e-15)

    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_the_dtype_is_that_of_the_table(self, dtype):
        assert embedding(Tensor(TABLE, dtype=dtype), Tensor([1])).dtype == dtype

    @pytest.mark.parametrize("kind", ["int64", "int32", "uint8"])
    def test_every_kind_of_whole_number_is_an_id(self, kind):
        assert embedding(Tensor(TABLE), np.array([3], dtype=kind)).tolist() == [[2, 1, 7]]

    def test_ids_beyond_the_small_kinds_of_numbers(self):
        table = np.arange(70_000.0)[:, None]
        ids = [1, 127, 128, 255, 256, 300, 32_768, 65_535, 65_536, 69_999]
        assert embedding(Tensor(table), Tensor(ids)).array[:, 0].tolist() == ids

    @pytest.mark.parametrize("ids", [[2, 0], [2], 2])
    def test_the_rows_are_copies(self, ids):
        table = Tensor(TABLE)
        rows = embedding(table, Tensor(ids))
        rows += 100
        assert table.tolist() == TABLE.tolist()
        before = rows.tolist()
        embedding(table, Tensor(np.zeros_like(ids)))
        assert rows.tolist() == before

    def test_padding_changes_nothing_in_the_lookup(self):
        assert embedding(Tensor(TABLE), Tensor([2, 0]), 2).tolist() == TABLE[[2, 0]].tolist()

    def test_the_table_is_the_one_input_of_the_graph(self):
        table = Tensor(TABLE, requires_grad=True)
        call = embedding(table, Tensor([2, 0])).made_by
        assert call.primitive == "embedding"
        assert call.inputs[0] is table
        assert not any(call.inputs[1:])


@pytest.mark.exercise("embeddings")
class TestRefusals:
    @pytest.mark.parametrize("wrong", [4, 99])
    def test_too_large_an_id_is_named_with_place_size_and_cause(self, wrong):
        words = f"id {wrong} at .1, 0. is no row of a table of 4 rows, 0 to 3: is the vocabulary"
        with pytest.raises(IndexError, match=words):
            embedding(Tensor(TABLE), Tensor([[0, 3], [wrong, 77]]))

    @pytest.mark.parametrize("wrong", [-1, -100])
    def test_a_negative_id_is_no_row_from_the_end(self, wrong):
        with pytest.raises(IndexError, match=f"id {wrong} at .2. is no row of .* padding_idx"):
            embedding(Tensor(TABLE), Tensor([0, 3, wrong]))

    @pytest.mark.parametrize("ids", [Tensor([1.0]), Tensor([True]), np.array([0.5])])
    def test_ids_are_whole_numbers(self, ids):
        with pytest.raises(TypeError, match=r"ids are whole numbers, not .*: ids\.long\(\)"):
            embedding(Tensor(TABLE), ids)

    def test_table_and_ids_the_other_way_round(self):
        with pytest.raises(TypeError, match="not float32: .* are weight and ids swapped"):
            embedding(Tensor([[1, 2]]), Tensor(TABLE))

    @pytest.mark.parametrize("ids, what", [([1, 2], "list"), (3, "number")])
    def test_ids_are_a_tensor(self, ids, what):
        with pytest.raises(TypeError, match=f"ids are .*{what}"):
            embedding(Tensor(TABLE), ids)

    def test_a_table_has_two_dimensions(self):
        with pytest.raises(ValueError, match=r"the shape \(rows, width\), and this one is \(4,\)"):
            embedding(Tensor(TABLE[:, 0]), Tensor([1]))

    def test_the_module_says_where_it_stands(self):
        class Model(Module):
            def __init__(self):
                self.tokens = Embedding(5, 2)

            def forward(self, ids):
                return self.tokens(ids)

        with pytest.raises(IndexError, match="id 5 .* 5 rows.* in tokens .*Model"):
            Model()(Tensor([[1, 5]]))
        with pytest.raises(IndexError, match="id 5 .* 5 rows.* TokenAndPosition"):
            TokenAndPosition(5, 2, 8)(Tensor([[1, 5]]))


@pytest.mark.exercise("embeddings.embedding_rule")
class TestEmbeddingRule:
    def test_by_hand(self):
        g = np.array([[1.0, 0, 2], [4, 4, 4], [0, 3, 1]])
        got = embedding_rule(g, (4, 3), np.array([2, 0, 2]), None)
        assert got.tolist() == [[4, 4, 4], [0, 0, 0], [1, 3, 3], [0, 0, 0]]

    def test_one_id_used_a_hundred_times(self):
        g = numbers(100, 2)
        got = embedding_rule(g, (3, 2), np.full(100, 1), None)
        np.testing.assert_allclose(got, [[0, 0], g.sum(axis=0), [0, 0]], atol=1e-12)

    def test_every_id_used_once_in_any_order(self):
        g = numbers(4, 3)
        got = embedding_rule(g, (4, 3), np.array([2, 0, 3, 1]), None)
        assert got.tolist() == g[[1, 3, 0, 2]].tolist()

    @settings(max_examples=60)
    @given(shapes, sizes, sizes, st.integers(0, 9), st.booleans())
    def test_any_shape_adds_up_use_by_use(self, shape, rows, width, seed, padded):
        ids, g = random_ids(shape, rows, seed), numbers(*shape, width)
        padding_idx = seed % rows if padded else None
        got = embedding_rule(g, (rows, width), ids, padding_idx)
        assert got.shape == (rows, width)
        np.testing.assert_allclose(got, added_up(g, rows, ids, padding_idx), rtol=0, atol=1e-12)

    def test_no_ids_give_zeros(self):
        got = embedding_rule(np.zeros((0, 3)), (4, 3), np.zeros(0, dtype=int), None)
        assert got.tolist() == np.zeros((4, 3)).tolist()

    @pytest.mark.parametrize("padding_idx", [0, 2, 3])
    def test_only_the_padding_row_becomes_zero(self, padding_idx):
        ids, g = np.array([[0, 2, 0], [3, 2, 1]]), 1 + numbers(2, 3, 2) ** 2
        got = embedding_rule(g, (4, 2), ids, padding_idx)
        assert not got[padding_idx].any()
        assert all(got[row].all() for row in range(4) if row != padding_idx)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_the_dtype_is_that_of_g(self, dtype):
        got = embedding_rule(np.ones((2, 3), dtype), (4, 3), np.array([1, 1]), None)
        assert got.dtype == dtype

    def test_g_and_ids_stay_as_they_are(self):
        g, ids = numbers(6, 2), np.array([3, 1, 3, 0, 0, 2])
        g_before, ids_before = g.copy(), ids.copy()
        g.flags.writeable = ids.flags.writeable = False
        embedding_rule(g, (4, 2), ids, 0)
        assert np.array_equal(g, g_before)
        assert np.array_equal(ids, ids_before)

    def test_each_call_makes_an_array_of_its_own(self):
        first = embedding_rule(np.ones((1, 2)), (3, 2), np.array([0]), None)
        embedding_rule(np.ones((1, 2)), (3, 2), np.array([1]), None)
        assert first.tolist() == [[1, 1], [0, 0], [0, 0]]

    def test_a_gradient_that_is_a_view_or_stretched(self):
        ids = np.array([[1, 0, 1], [2, 1, 2]])
        g = numbers(3, 2, 4).transpose(1, 0, 2)  # (2, 3, 4), not contiguous
        np.testing.assert_allclose(embedding_rule(g, (3, 4), ids, None), added_up(g, 3, ids))
        g = np.broadcast_to(1.0, (2, 3, 4))
        assert embedding_rule(g, (3, 4), ids, None)[:, 0].tolist() == [1, 3, 2]

    @pytest.mark.parametrize("rows", [4, 400])
    def test_nan_of_one_token_stays_in_its_row(self, rows):
        g, ids = np.ones((3, 2), np.float32), np.array([1, 0, 1])
        g[1] = np.nan, np.inf
        back = embedding_rule(g, (rows, 2), ids, None)
        assert np.isnan(back[0, 0]) and np.isinf(back[0, 1])
        assert back[1].tolist() == [2, 2] and not back[2:].any()
        assert np.isfinite(embedding_rule(g, (rows, 2), ids, 0)).all()

    @pytest.mark.parametrize("padding_idx", [None, 1])
    def test_backward_through_the_lookup(self, padding_idx):
        table = Tensor(TABLE, requires_grad=True)
        g = numbers(2, 3, 3, dtype=np.float32)
        ids = np.array([[3, 1, 3], [3, 0, 1]])
        embedding(table, Tensor(ids), padding_idx).backward(g)
        want = added_up(g.astype(np.float64), 4, ids, padding_idx)
        np.testing.assert_allclose(table.grad.array, want, atol=1e-6)
        assert table.grad.dtype == float32

    def test_the_nudge_agrees(self):
        ids = Tensor([[3, 1, 3], [3, 0, 1]])
        assert gradcheck(lambda table: embedding(table, ids).exp(), Tensor(numbers(5, 3)))

    def test_two_lookups_in_one_table_add_up(self):
        table = Tensor(TABLE, requires_grad=True)
        (embedding(table, Tensor([1, 2])).sum() + embedding(table, Tensor([2, 2])).sum()).backward()
        assert table.grad.array[:, 0].tolist() == [0, 1, 3, 0]


@pytest.mark.exercise("embeddings")
class TestEmbeddingModule:
    def test_starts_as_standard_normal_numbers(self):
        weight = Embedding(400, 50).weight.array
        assert weight.shape == (400, 50)
        assert weight.dtype == np.float32
        assert abs(weight.mean()) < 0.03
        assert abs(weight.std() - 1) < 0.03
        assert abs(weight.std(axis=0).mean() - 1) < 0.03

    def test_the_same_seed_gives_the_same_table(self):
        tables = []
        for seed in (3, 3, 4):
            manual_seed(seed)
            tables.append(Embedding(5, 2).weight.tolist())
        assert tables[0] == tables[1] != tables[2]

    @pytest.mark.parametrize(("padding_idx", "row"), [(0, 0), (2, 2), (-1, 4)])
    def test_the_padding_row_starts_at_zero_and_gets_no_gradient(self, padding_idx, row):
        table = Embedding(5, 3, padding_idx)
        assert table.padding_idx == row
        assert not table.weight.array[row].any()
        assert table.weight.array[[r for r in range(5) if r != row]].all()
        table(Tensor([0, 1, 2, 3, 4])).sum().backward()
        assert table.weight.grad.array[:, 0].tolist() == [float(r != row) for r in range(5)]

    @pytest.mark.parametrize("padding_idx", [5, -6])
    def test_a_padding_row_that_is_not_there_is_refused(self, padding_idx):
        with pytest.raises(ValueError, match=f"padding_idx={padding_idx} is none of the 5 rows"):
            Embedding(5, 3, padding_idx)

    @pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (-1, 3), (3, 2.0), ("3", 2)])
    def test_senseless_sizes_are_refused(self, sizes):
        with pytest.raises(ValueError, match="num_embeddings|embedding_dim"):
            Embedding(*sizes)

    def test_names_and_repr(self):
        assert list(Embedding(5, 3).state_dict()) == ["weight"]
        assert repr(Embedding(5, 3)) == "Embedding(num_embeddings=5, embedding_dim=3)"
        assert repr(Embedding(5, 3, -1)).endswith("padding_idx=4)")

    def test_a_write_into_the_table_after_the_lookup_spoils_nothing(self):
        """The rule needs the shape of the table and not its numbers, as in PyTorch."""
        table = Embedding(4, 2)
        rows = table(Tensor([1, 1]))
        with no_grad():
            table.weight.mul_(2)
        rows.sum().backward()
        assert table.weight.grad.array[:, 0].tolist() == [0, 2, 0, 0]


@pytest.mark.exercise("embeddings.PositionalEmbedding.forward")
class TestPositionalEmbedding:
    def table(self):
        table = PositionalEmbedding(5, 2)
        table.load_state_dict({"weight": np.arange(10.0).reshape(5, 2)})
        return table

    @settings(max_examples=40)
    @given(st.integers(0, 5), st.integers(0, 5))
    def test_every_part_of_the_table(self, length, offset):
        table = self.table()
        rows = [[2.0 * p, 2.0 * p + 1] for p in range(offset, offset + length)]
        if offset + length <= 5:
            got = table(length, offset)
            assert got.shape == (length, 2)
            assert got.tolist() == rows
        else:
            with pytest.raises(ValueError, match="do not fit"):
                table(length, offset)

    def test_the_offset_is_0_unless_given_and_can_be_named(self):
        table = self.table()
        assert table(2).tolist() == [[0, 1], [2, 3]]
        assert table(1, offset=4).tolist() == [[8, 9]]

    def test_too_long_is_refused_with_the_numbers(self):
        with pytest.raises(
            ValueError,
            match="places 3 to 6 do not fit into max_length=5: cut the text, .*larger max_length",
        ):
            self.table()(4, 3)

    def test_numpy_sizes_are_sizes(self):
        assert self.table()(np.int64(2), np.int64(1)).tolist() == [[2, 3], [4, 5]]

    def test_the_gradient_reaches_the_rows_that_were_used(self):
        table = self.table()
        (table(3, 1) * Tensor([[1.0], [2.0], [3.0]])).sum().backward()
        assert table.weight.grad.tolist() == [[0, 0], [1, 1], [2, 2], [3, 3], [0, 0]]
        table(1).sum().backward()
        assert table.weight.grad.tolist() == [[1, 1], [1, 1], [2, 2], [3, 3], [0, 0]]

    def test_the_nudge_agrees(self):
        def f(weight):
            table = PositionalEmbedding(5, 2)
            table.weight = weight
            return table(2, 2).exp()

        assert gradcheck(f, Tensor(numbers(5, 2)))


@pytest.mark.exercise("embeddings")
class TestPositionalEmbeddingGiven:
    def test_starts_as_standard_normal_numbers(self):
        weight = PositionalEmbedding(400, 50).weight
        assert weight.requires_grad
        assert weight.dtype == float32
        assert abs(weight.array.std() - 1) < 0.03

    @pytest.mark.parametrize("places", [(-1, 0), (2, -1), (1.5, 0), (2, 0.0)])
    def test_senseless_places_are_refused(self, places):
        with pytest.raises(ValueError, match="(length|offset) is a whole number of at least 0"):
            PositionalEmbedding(5, 2)(*places)

    @pytest.mark.parametrize("sizes", [(0, 2), (5, 0), (5.0, 2)])
    def test_senseless_sizes_are_refused(self, sizes):
        with pytest.raises(
            ValueError, match="(max_length|embed_dim) is a whole number of at least 1"
        ):
            PositionalEmbedding(*sizes)

    def test_repr(self):
        assert repr(PositionalEmbedding(5, 2)) == "PositionalEmbedding(max_length=5, embed_dim=2)"


def rotation(k, dim):
    """R with PE(p + k) = R PE(p): a 2 x 2 turn for every hand."""
    R = np.zeros((dim, dim))
    for i in range(0, dim, 2):
        angle = k / 10000 ** (i / dim)
        sine, cosine = math.sin(angle), math.cos(angle)
        R[i : i + 2, i : i + 2] = [[cosine, sine], [-sine, cosine]]
    return R


@pytest.mark.exercise("embeddings.sinusoidal_positions")
class TestSinusoidalPositions:
    def test_golden_numbers(self):
        table = sinusoidal_positions(2, 128).array
        want = [0.8415, 0.5403, 0.7617, 0.6479, 0.6816, 0.7318, 0.6047, 0.7965, 0.5332, 0.8460]
        np.testing.assert_allclose(table[1, :10], want, atol=5e-5)
        assert table[0].tolist() == [0, 1] * 64

    def test_by_hand(self):
        want = [
            [0, 1, 0, 1],
            [math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)],
            [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)],
        ]
        got = sinusoidal_positions(3, 4, dtype=float64).array
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-15)

    @settings(max_examples=60)
    @given(st.integers(1, 12), st.integers(1, 11))
    def test_the_formula_number_by_number(self, length, dim):
        got = sinusoidal_positions(length, dim, dtype=float64).array
        assert got.shape == (length, dim)
        for p in range(length):
            for column in range(dim):
                angle = p / 10000 ** (2 * (column // 2) / dim)
                want = math.cos(angle) if column % 2 else math.sin(angle)
                assert abs(got[p, column] - want) < 1e-12

    @pytest.mark.parametrize("dim", [1, 3, 127])
    def test_an_odd_width_ends_with_a_sine(self, dim):
        table = sinusoidal_positions(9, dim, dtype=float64).array
        slowest = np.arange(9) / 10000 ** ((dim - 1) / dim)
        np.testing.assert_allclose(table[:, -1], np.sin(slowest), rtol=0, atol=1e-12)

    def test_all_rows_differ_up_to_5000(self):
        table = sinusoidal_positions(5000, 128).array
        assert len(np.unique(table, axis=0)) == 5000

    def test_neighbours_are_as_similar_everywhere(self):
        table = sinusoidal_positions(4013, 128, dtype=float64).array
        for p in (10, 4010):
            lengths = np.linalg.norm(table[p - 2 : p + 3], axis=1)
            cosines = table[p - 2 : p + 3] @ table[p] / lengths / np.linalg.norm(table[p])
            np.testing.assert_allclose(cosines, [0.8966, 0.9702, 1, 0.9702, 0.8966], atol=5e-5)

    @pytest.mark.parametrize("k", [1, 3, 50, 4000])
    def test_a_rotation_carries_every_place_k_further(self, k):
        table = sinusoidal_positions(5000, 128, dtype=float64).array
        assert np.abs(table[:-k] @ rotation(k, 128).T - table[k:]).max() <= 1e-9

    def test_float32_unless_asked_and_rounded_once(self):
        table = sinusoidal_positions(70000, 6)
        assert isinstance(table, Tensor)
        assert table.dtype == float32
        exact = sinusoidal_positions(70000, 6, dtype=float64)
        assert exact.dtype == float64
        assert np.array_equal(table.array, exact.array.astype(np.float32))
        assert abs(exact.array[69999, 0] - math.sin(69999)) < 1e-9

    def test_a_longer_table_begins_with_the_shorter_one(self):
        short, long = sinusoidal_positions(4, 7).array, sinusoidal_positions(9, 7).array
        assert np.array_equal(long[:4], short)

    def test_each_call_makes_a_table_of_its_own(self):
        for dtype in (float32, float64):
            sinusoidal_positions(3, 4, dtype).array[...] = 7
            assert sinusoidal_positions(3, 4, dtype)[0].tolist() == [0, 1, 0, 1]

    @pytest.mark.parametrize("sizes", [(0, 4), (4, 0), (-3, 4), (4, 2.0)])
    def test_senseless_sizes_are_refused(self, sizes):
        with pytest.raises(ValueError, match="(length|dim) is a whole number of at least 1"):
            sinusoidal_positions(*sizes)


@pytest.mark.exercise("embeddings")
class TestSinusoidalEmbedding:
    def test_its_rows_are_the_formula_and_not_trained(self):
        table = SinusoidalEmbedding(7, 5)
        assert np.array_equal(table(3, 2).array, sinusoidal_positions(7, 5).array[2:5])
        assert list(table.parameters()) == []
        assert table.state_dict() == {}
        assert not table(3).requires_grad

    def test_follows_the_model_into_float64(self):
        table = SinusoidalEmbedding(7, 4).to(dtype=float64)
        assert table(2).dtype == float64

    def test_too_long_is_refused(self):
        with pytest.raises(ValueError, match="places 0 to 7 do not fit into max_length=7"):
            SinusoidalEmbedding(7, 4)(8)


@pytest.mark.exercise("embeddings.TokenAndPosition.forward")
class TestTokenAndPosition:
    tokens, positions = numbers(5, 4), 10 + numbers(9, 4, seed=1)

    @settings(max_examples=40)
    @given(st.sampled_from([(3,), (2, 3), (3, 2), (2, 2, 5), (1, 0)]), st.integers(0, 4))
    @example((3, 3), 1)
    def test_token_plus_place(self, shape, offset):
        ids = random_ids(shape, 5)
        got = layer_with(self.tokens, self.positions)(Tensor(ids), offset).array
        assert got.shape == (*shape, 4)
        for place in np.ndindex(shape):
            want = self.tokens[ids[place]] + self.positions[offset + place[-1]]
            np.testing.assert_allclose(got[place], want, rtol=0, atol=1e-12)

    def test_the_offset_can_be_named_and_is_0(self):
        layer, ids = layer_with(self.tokens, self.positions), Tensor([[1, 2]])
        assert np.array_equal(layer(ids).array, layer(ids, offset=0).array)
        assert not np.array_equal(layer(ids).array, layer(ids, offset=1).array)

    def test_only_tokens_are_scaled_by_the_root_of_the_width(self):
        layer = layer_with(self.tokens, self.positions, scale=True)
        want = 2 * self.tokens[[1, 2]] + self.positions[:2]
        np.testing.assert_allclose(layer(Tensor([[1, 2]])).array, want[None], rtol=1e-12)
        wide, places = numbers(5, 9), numbers(3, 9, seed=1)
        got = layer_with(wide, places, scale=True)(Tensor([1, 2]))
        np.testing.assert_allclose(got.array, 3 * wide[[1, 2]] + places[:2], rtol=1e-12)

    def test_padding_stands_at_a_place_as_well(self):
        layer = layer_with(self.tokens, self.positions, padding_idx=0)
        want = self.tokens[[1, 0]] + self.positions[:2]
        np.testing.assert_allclose(layer(Tensor([1, 0])).array, want, rtol=1e-12)

    def test_the_order_of_the_tokens_matters(self):
        layer = TokenAndPosition(3, 8, 4)
        one, other = layer(Tensor([[1, 0, 2]])), layer(Tensor([[2, 0, 1]]))
        assert not np.allclose(np.sort(one.array, axis=1), np.sort(other.array, axis=1))

    @pytest.mark.parametrize("scale", [False, True])
    def test_dropout_drops_token_and_place_together(self, scale):
        layer = layer_with(self.tokens, self.positions, scale=scale, dropout=0.25)
        ids = Tensor(random_ids((40, 9), 5))
        got, whole = layer(ids).array, layer.eval()(ids).array
        kept = got != 0
        assert 0.2 < 1 - kept.mean() < 0.3
        np.testing.assert_allclose(got[kept], whole[kept] / 0.75, rtol=1e-12)

    def test_evaluation_drops_nothing(self):
        layer = layer_with(self.tokens, self.positions, dropout=0.9).eval()
        want = self.tokens[[1, 2]] + self.positions[:2]
        np.testing.assert_allclose(layer(Tensor([1, 2])).array, want, rtol=1e-12)

    def test_the_gradient_reaches_both_tables(self):
        layer = layer_with(self.tokens, self.positions, scale=True)
        layer(Tensor([[1, 1], [0, 1], [2, 1]]), offset=1).sum().backward()
        assert layer.tokens.weight.grad.array[:, 0].tolist() == [2, 8, 2, 0, 0]
        assert layer.positions.weight.grad.array[:, 0].tolist() == [0, 3, 3, 0, 0, 0, 0, 0, 0]

    @pytest.mark.parametrize("scale", [False, True])
    def test_the_nudge_agrees(self, scale):
        def f(tokens, positions):
            layer = TokenAndPosition(5, 4, 9, scale=scale)
            layer.tokens.weight, layer.positions.weight = tokens, positions
            return layer(Tensor([[1, 4, 1], [0, 1, 2]]), 2).exp()

        assert gradcheck(f, [Tensor(self.tokens), Tensor(self.positions)])

    def test_float32_stays_float32(self):
        assert TokenAndPosition(5, 4, 9, scale=True)(Tensor([[1, 4]])).dtype == float32

    @pytest.mark.parametrize("scale", [False, True])
    def test_sinusoids_instead_of_learned_places(self, scale):
        layer = TokenAndPosition(5, 4, 9, positions="sinusoidal", scale=scale)
        tokens = layer.tokens.weight.array[[3, 0]] * (2 if scale else 1)
        want = tokens + sinusoidal_positions(9, 4).array[5:7]
        np.testing.assert_allclose(layer(Tensor([3, 0]), 5).array, want, rtol=0, atol=1e-6)

    def test_too_long_a_text_is_refused(self):
        layer = layer_with(self.tokens, self.positions)
        with pytest.raises(ValueError, match="places 7 to 9 do not fit into max_length=9"):
            layer(Tensor([[1, 2, 3]]), 7)
        with pytest.raises(ValueError, match="places 0 to 9 do not fit into max_length=9"):
            layer(Tensor([[1] * 10]))


@pytest.mark.exercise("embeddings")
class TestTokenAndPositionGiven:
    def test_names_of_its_parameters(self):
        layer = TokenAndPosition(5, 4, 9)
        shapes = {name: p.shape for name, p in layer.named_parameters()}
        assert shapes == {"tokens.weight": (5, 4), "positions.weight": (9, 4)}

    def test_sinusoids_are_no_parameters(self):
        layer = TokenAndPosition(5, 4, 9, positions="sinusoidal")
        assert [name for name, _ in layer.named_parameters()] == ["tokens.weight"]
        assert list(layer.state_dict()) == ["tokens.weight"]

    def test_padding_is_handed_on(self):
        layer = TokenAndPosition(5, 4, 9, padding_idx=0)
        assert not layer.tokens.weight.array[0].any()

    def test_an_unknown_kind_of_positions_is_refused(self):
        with pytest.raises(ValueError, match="'learned' or 'sinusoidal', not 'rotary'"):
            TokenAndPosition(5, 4, 9, positions="rotary")

    def test_a_single_number_is_no_row_of_ids(self):
        with pytest.raises(ValueError, match=r"ids come in rows, .* Tensor\(\[3\]\)"):
            TokenAndPosition(5, 4, 9)(Tensor(3))

    def test_a_step_of_training_moves_only_the_rows_that_were_used(self):
        layer = TokenAndPosition(5, 4, 9)
        before = layer.tokens.weight.array.copy()
        layer(Tensor([[1, 1, 3]])).sum().backward()
        layer.tokens.weight.array -= 0.1 * layer.tokens.weight.grad.array
        moved = (layer.tokens.weight.array != before).any(axis=1)
        assert moved.tolist() == [False, True, False, True, False]
