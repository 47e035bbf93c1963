"""The full tests of module 05: dataloader."""

import doctest
import inspect
import itertools
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import dataloader
from tinytorch.dataloader import (
    DataLoader,
    Dataset,
    Subset,
    Talk,
    TensorDataset,
    are_fractions,
    batch_indices,
    collate,
    fetch,
    load_digits,
    load_tinytalks,
    pad_sequences,
    random_split,
)
from tinytorch.tensor import Generator, Tensor, from_numpy, manual_seed

QUICK = settings(max_examples=25)
COUNTS, SIZES = st.integers(0, 60), st.integers(1, 20)


def same(got, want, dtype):
    """A Tensor of exactly these values, this shape and this dtype."""
    assert isinstance(got, Tensor), f"{type(got).__name__} instead of a Tensor"
    want = np.asarray(want, dtype)
    assert got.shape == want.shape, f"shape {got.shape} instead of {want.shape}"
    assert got.dtype == want.dtype, f"dtype {got.dtype} instead of {want.dtype}"
    assert np.array_equal(got.array, want), f"{got.array} instead of {want}"


def lists(batches):
    return [np.asarray(getattr(batch, "array", batch)).tolist() for batch in batches]


def joined(batches):
    return list(itertools.chain.from_iterable(lists(batches)))


def members(dataset):
    return [dataset[i] for i in range(len(dataset))]


class Squares(Dataset):
    """Numbers and their squares, computed when asked for; counts the questions."""

    def __init__(self, count):
        self.count, self.asked = count, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        assert type(index) is int
        self.asked.append(index)
        return index, float(index * index)


class Shifted(TensorDataset):
    """A TensorDataset with a lookup of its own."""

    def __getitem__(self, index):
        assert type(index) is int
        return tuple(member + 100 for member in super().__getitem__(index))


# -- TensorDataset


@pytest.mark.exercise("dataloader.TensorDataset.__getitem__")
class TestTensorDatasetGetitem:
    ROWS, NUMBERS = [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]], [7, 8, 9]

    def pairs(self):
        return TensorDataset(Tensor(self.ROWS), Tensor(self.NUMBERS))

    def test_a_sample_is_a_tuple_with_one_member_of_each(self):
        for i in range(3):
            sample = self.pairs()[i]
            assert type(sample) is tuple and len(sample) == 2
            same(sample[0], self.ROWS[i], np.float32)
            same(sample[1], self.NUMBERS[i], np.int64)

    def test_numbers_from_the_end(self):
        same(self.pairs()[-1][0], self.ROWS[2], np.float32)
        same(self.pairs()[-3][1], 7, np.int64)

    def test_several_at_once_in_the_order_asked_for(self):
        for index in (np.array([2, 0, 2]), Tensor([2, 0, 2])):
            rows, numbers = self.pairs()[index]
            same(rows, [[2.0, 2.5], [0.0, 0.5], [2.0, 2.5]], np.float32)
            same(numbers, [9, 7, 9], np.int64)

    def test_none_at_once_and_a_mask(self):
        rows, numbers = self.pairs()[np.zeros(0, int)]
        same(rows, np.zeros((0, 2)), np.float32)
        same(numbers, [], np.int64)
        same(self.pairs()[np.array([True, False, True])][1], [7, 9], np.int64)

    def test_the_callers_numbers_stay(self):
        index = np.array([2, -3, -1])
        same(self.pairs()[index][1], [9, 7, 9], np.int64)
        assert index.tolist() == [2, -3, -1]

    def test_a_slice(self):
        rows, numbers = self.pairs()[1:]
        same(rows, self.ROWS[1:], np.float32)
        same(numbers, [8, 9], np.int64)

    @pytest.mark.parametrize("count", [1, 2, 3, 5])
    def test_any_number_of_tensors_keeps_its_order(self, count):
        tensors = [Tensor(np.arange(4) + 10 * k) for k in range(count)]
        assert [member.item() for member in TensorDataset(*tensors)[2]] == [
            2 + 10 * k for k in range(count)
        ]

    def test_dtypes_stay(self):
        kinds = (np.float64, np.float32, np.int64, np.uint8, np.bool_)
        dataset = TensorDataset(*(from_numpy(np.zeros((2, 3), kind)) for kind in kinds))
        for index in (1, np.array([1, 0])):
            assert [member.dtype for member in dataset[index]] == [np.dtype(k) for k in kinds]

    def test_samples_of_any_shape(self):
        values = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
        same(TensorDataset(from_numpy(values))[1][0], values[1], values.dtype)

    def test_a_number_that_is_not_there(self):
        for index in (3, -4, np.array([0, 3])):
            with pytest.raises(IndexError):
                self.pairs()[index]

    def test_a_loop_over_the_dataset_ends(self):
        assert [int(number) for _, number in self.pairs()] == self.NUMBERS

    def test_several_at_once_are_a_copy(self):
        pairs = self.pairs()
        pairs[np.array([0, 1])][1][0] = -1
        same(pairs.tensors[1], self.NUMBERS, np.int64)

    def test_what_is_taken_out_remembers_where_it_came_from(self):
        weights = Tensor(self.ROWS, requires_grad=True)
        assert TensorDataset(weights)[np.array([0, 2])][0].requires_grad


# -- batch_indices


@pytest.mark.exercise("dataloader.batch_indices")
class TestBatchIndices:
    def test_by_hand(self):
        assert lists(batch_indices(7, 3)) == [[0, 1, 2], [3, 4, 5], [6]]
        assert lists(batch_indices(7, 3, drop_last=True)) == [[0, 1, 2], [3, 4, 5]]
        assert lists(batch_indices(6, 3)) == [[0, 1, 2], [3, 4, 5]]
        assert lists(batch_indices(6, 3, drop_last=True)) == [[0, 1, 2], [3, 4, 5]]
        assert lists(batch_indices(2, 3)) == [[0, 1]]
        assert lists(batch_indices(2, 3, drop_last=True)) == []
        assert lists(batch_indices(3, 1)) == [[0], [1], [2]]

    def test_a_list_of_arrays_of_whole_numbers(self):
        for shuffle in (False, True):
            batches = batch_indices(5, 2, shuffle)
            assert isinstance(batches, list)
            assert all(isinstance(b, np.ndarray) and b.dtype.kind == "i" for b in batches)

    @QUICK
    @given(COUNTS, SIZES, st.booleans(), st.integers(0, 100))
    def test_every_sample_in_exactly_one_batch(self, count, size, shuffle, seed):
        batches = batch_indices(count, size, shuffle, generator=Generator(seed))
        assert sorted(joined(batches)) == list(range(count))
        lengths = [len(batch) for batch in batches]
        assert lengths == [size] * (count // size) + [count % size] * (count % size > 0)

    @QUICK
    @given(COUNTS, SIZES, st.booleans(), st.integers(0, 100))
    def test_drop_last_leaves_out_what_fills_no_batch(self, count, size, shuffle, seed):
        batches = batch_indices(count, size, shuffle, True, Generator(seed))
        assert [len(batch) for batch in batches] == [size] * (count // size)
        assert len(set(joined(batches))) == count - count % size
        assert set(joined(batches)) <= set(range(count))

    def test_drop_last_leaves_out_others_in_each_epoch(self):
        generator, came = Generator(0), set()
        for _ in range(20):
            came.update(joined(batch_indices(1437, 64, True, True, generator)))
        assert len(came) == 1437

    def test_no_samples_no_batches(self):
        for shuffle, drop_last in itertools.product((False, True), repeat=2):
            assert batch_indices(0, 4, shuffle, drop_last) == []

    def test_shuffling_mixes_across_batches(self):
        batches = batch_indices(1000, 50, shuffle=True, generator=Generator(3))
        for batch in batches:
            assert np.ptp(batch) > 500 and np.abs(np.diff(batch)).mean() > 100

    def test_every_place_is_equally_likely(self):
        generator, firsts = Generator(0), []
        for _ in range(3000):
            firsts.append(batch_indices(3, 1, shuffle=True, generator=generator)[0].item())
        assert np.bincount(firsts, minlength=3) == pytest.approx([1000] * 3, abs=120)

    def test_a_fresh_order_each_time(self):
        generator = Generator(0)
        orders = [tuple(joined(batch_indices(50, 8, True, generator=generator))) for _ in range(9)]
        assert len(set(orders)) == 9

    def test_the_same_seed_gives_the_same_series(self):
        def series(seed):
            generator = Generator(seed)
            return [joined(batch_indices(50, 8, True, generator=generator)) for _ in range(3)]

        assert series(5) == series(5)
        assert series(5) != series(6)

    def test_the_default_generator(self):
        manual_seed(4)
        first, second = (joined(batch_indices(50, 8, shuffle=True)) for _ in range(2))
        manual_seed(4)
        again = joined(batch_indices(50, 8, shuffle=True))
        assert first == again and first != second

    def test_the_batch_size_does_not_change_the_order(self):
        one, two = (batch_indices(50, size, True, generator=Generator(1)) for size in (3, 50))
        assert joined(one) == joined(two)

    def test_without_shuffling_nothing_is_drawn(self):
        generator = Generator(0)
        batch_indices(50, 8, generator=generator)
        fresh = batch_indices(50, 8, True, generator=Generator(0))
        assert joined(batch_indices(50, 8, True, generator=generator)) == joined(fresh)

    @pytest.mark.parametrize("size", [0, -1, 2.0, 2.5, "2", None, True])
    def test_batch_sizes_that_are_none_are_refused(self, size):
        with pytest.raises(
            ValueError, match=f"batch_size is a whole number, .*, and not {size!r}$"
        ):
            batch_indices(5, size)

    def test_a_batch_size_from_numpy(self):
        assert lists(batch_indices(3, np.int64(2))) == [[0, 1], [2]]


# -- collate


@pytest.mark.exercise("dataloader.collate")
class TestCollate:
    def test_pairs_of_a_tensor_and_a_number(self):
        got = collate([(Tensor([1.0, 2.0]), 7), (Tensor([3.0, 4.0]), 8), (Tensor([5.0, 6.0]), 9)])
        assert type(got) is tuple and len(got) == 2
        same(got[0], [[1, 2], [3, 4], [5, 6]], np.float32)
        same(got[1], [7, 8, 9], np.int64)

    @QUICK
    @given(st.lists(st.integers(0, 4), max_size=4).map(tuple), st.integers(1, 5))
    def test_tensors_of_any_shape_get_a_new_first_dimension(self, shape, count):
        values = np.random.default_rng(0).standard_normal((count, *shape)).astype(np.float32)
        same(collate([Tensor(value) for value in values]), values, np.float32)

    @pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.int32, np.uint8, bool])
    def test_tensors_keep_their_dtype(self, kind):
        values = np.arange(6).reshape(2, 3).astype(kind)
        same(collate([from_numpy(value) for value in values]), values, kind)

    def test_numbers(self):
        same(collate([1, 2, 3]), [1, 2, 3], np.int64)
        same(collate([1.5, 2.5]), [1.5, 2.5], np.float32)
        same(collate([1, 2.5]), [1, 2.5], np.float32)
        same(collate([True, False]), [True, False], bool)
        same(collate([np.float64(1.5), np.float64(2.5)]), [1.5, 2.5], np.float32)

    def test_arrays(self):
        same(collate([np.ones(2), np.zeros(2)]), [[1, 1], [0, 0]], np.float32)
        same(collate([np.ones((2, 1), int)] * 3), np.ones((3, 2, 1)), np.int64)
        same(collate(list(np.eye(3, dtype=np.float32))), np.eye(3), np.float32)

    def test_one_sample_is_a_batch_of_one(self):
        same(collate([Tensor([1.0, 2.0])]), [[1, 2]], np.float32)
        same(collate([(5,)])[0], [5], np.int64)

    def test_dicts_keep_their_keys(self):
        got = collate([{"b": 1, "a": Tensor([0.5])}, {"a": Tensor([1.5]), "b": 2}])
        assert type(got) is dict and set(got) == {"a", "b"}
        same(got["b"], [1, 2], np.int64)
        same(got["a"], [[0.5], [1.5]], np.float32)

    def test_nested_as_you_like(self):
        samples = [
            ((Tensor([k]), (k, {"deep": [k, float(k)]})), {"x": (Tensor(float(k)),)})
            for k in range(3)
        ]
        (first, (second, third)), fourth = collate(samples)
        same(first, [[0], [1], [2]], np.int64)
        same(second, [0, 1, 2], np.int64)
        assert type(third["deep"]) is tuple
        same(third["deep"][0], [0, 1, 2], np.int64)
        same(third["deep"][1], [0, 1, 2], np.float32)
        assert type(fourth["x"]) is tuple
        same(fourth["x"][0], [0, 1, 2], np.float32)

    def test_lists_are_samples_with_members(self):
        got = collate([[1, 2], [3, 4], [5, 6]])
        assert type(got) is tuple and len(got) == 2
        same(got[0], [1, 3, 5], np.int64)
        same(got[1], [2, 4, 6], np.int64)

    def test_text_stays_a_list_and_named_tuples_keep_their_names(self):
        assert collate(["ab", "c"]) == ["ab", "c"]
        got = collate([Talk(1, "a", "it", "q", "r"), Talk(2, "b", "she", "s", "t")])
        assert type(got) is Talk and got.question == ["q", "s"]
        same(got.level, [1, 2], np.int64)

    def test_it_remembers_where_the_tensors_came_from(self):
        weights = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        assert collate([(weights[0], 1), (weights[1], 2)])[0].requires_grad
        assert not collate([Tensor([1.0]), Tensor([2.0])]).requires_grad

    def test_the_batch_is_a_copy_and_the_samples_stay(self):
        samples = [Tensor([1.0, 2.0]), Tensor([3.0, 4.0])]
        for count in (1, 2):
            collate(samples[:count])[0] = 0.0
            assert lists(samples) == [[1, 2], [3, 4]]

    def test_unequal_shapes_are_refused_and_padding_is_named(self):
        with pytest.raises(
            ValueError,
            match=r"not Tensor of shape \(1,\) and Tensor of shape \(2,\): rows of unequal",
        ):
            collate([Tensor([1, 2]), Tensor([3, 4]), Tensor([5])])
        for samples in (
            [Tensor([1, 2]), Tensor([3])],
            [(Tensor([1, 2]), 0), (Tensor([3]), 0)],
            [np.zeros(2), np.zeros(3)],
            [[1, 2], [3]],
            [np.zeros((1, 2)), np.zeros(2)],
        ):
            with pytest.raises(ValueError, match="pad_sequences"):
                collate(samples)

    @pytest.mark.parametrize(
        ("samples", "words"),
        [
            ([1, "a"], "one form make a batch, not number and str: "),
            ([(1, 2), (1, 2, 3)], "not tuple of length 2 and tuple of length 3: "),
            ([(1, 2), [1, 2]], "not list of length 2 and tuple of length 2: "),
            ([{"a": 1}, {"b": 1}], r"keys \['a'\] and dict with the keys \['b'\]: "),
            ([{"a": 1}, {"a": 1, "b": 1}], r"keys \['a', 'b'\] and dict with the keys \['a'\]: "),
            ([Tensor([1.0]), np.ones(1)], "not Tensor of shape .1,. and ndarray of shape .1,.: "),
            ([], "samples of one form make a batch, not none: "),
        ],
    )
    def test_other_samples_that_do_not_go_together(self, samples, words):
        with pytest.raises(ValueError, match=words):
            collate(samples)

    @pytest.mark.parametrize("sample", [None, b"bytes", {1, 2}, object(), 1j])
    def test_things_that_make_no_batch(self, sample):
        with pytest.raises(TypeError, match="a tensor holds numbers, and this is"):
            collate([(1, sample), (2, sample)])


# -- pad_sequences


@pytest.mark.exercise("dataloader.pad_sequences")
class TestPadSequences:
    def test_by_hand(self):
        ids, mask = pad_sequences([[5, 0, 7], [8]])
        same(ids, [[5, 0, 7], [8, 0, 0]], np.int64)
        same(mask, [[True, True, True], [True, False, False]], bool)

    @QUICK
    @given(
        st.lists(st.lists(st.integers(-5, 5), max_size=6), max_size=6),
        st.integers(-5, 5),
        st.one_of(st.none(), st.integers(0, 3)),
    )
    def test_rows_come_back_whole_and_all_else_is_filling(self, rows, value, more):
        longest = max(map(len, rows), default=0)
        length = None if more is None else longest + more
        ids, mask = pad_sequences(rows, value, length)
        shape = (len(rows), longest + (more or 0))
        assert ids.shape == mask.shape == shape
        assert ids.dtype == np.int64 and mask.dtype == bool
        for row, got, real in zip(rows, ids.array, mask.array):
            assert got.tolist() == row + [value] * (shape[1] - len(row))
            assert real.tolist() == [True] * len(row) + [False] * (shape[1] - len(row))

    def test_ids_equal_to_the_filling_are_real(self):
        assert pad_sequences([[9, 9], [9]], value=9)[1].tolist() == [[True, True], [True, False]]

    def test_lists_arrays_and_tensors(self):
        rows = [[1, 2], np.array([3], np.uint8), Tensor([4, 5, 6]), (7,), range(2)]
        want = [[1, 2, 0], [3, 0, 0], [4, 5, 6], [7, 0, 0], [0, 1, 0]]
        same(pad_sequences(rows)[0], want, np.int64)

    def test_large_ids_and_negative_ones_fit(self):
        same(pad_sequences([[2**40, -3], [1]], -100)[0], [[2**40, -3], [1, -100]], np.int64)

    @pytest.mark.parametrize("large", [300, 2**24 + 1, 2**53 + 1, 2**63 - 1])
    def test_large_ids_keep_every_digit(self, large):
        rows = [np.array([1, 2], np.uint8), [large], [-large, large, 0]]
        same(pad_sequences(rows)[0], [[1, 2, 0], [large, 0, 0], [-large, large, 0]], np.int64)

    def test_empty_rows_are_all_padding(self):
        ids, mask = pad_sequences([[], [1]])
        same(ids, [[0], [1]], np.int64)
        same(mask, [[False], [True]], bool)
        assert pad_sequences([[], []])[0].shape == (2, 0)
        assert pad_sequences([])[1].shape == (0, 0)

    def test_a_length_of_ones_own(self):
        ids, mask = pad_sequences([[1, 2], [3]], length=4)
        same(ids, [[1, 2, 0, 0], [3, 0, 0, 0]], np.int64)
        assert mask.array.sum() == 3
        assert pad_sequences([[1, 2], [3]], length=2)[0].shape == (2, 2)

    def test_rows_longer_than_the_length_are_refused_not_cut(self):
        with pytest.raises(ValueError, match="row 1 has 3 ids, more than length=2: cut it"):
            pad_sequences([[1], [2, 3, 4]], length=2)
        with pytest.raises(ValueError, match="more than length=0"):
            pad_sequences([[1]], length=0)

    def test_the_rows_stay(self):
        for rows in ([np.array([1, 2]), np.array([3])], [np.array([1, 2])]):
            before = lists(rows)
            ids, _ = pad_sequences(rows)
            ids[0, 0] = 50
            assert lists(rows) == before

    @pytest.mark.parametrize("row", [[0.5], ["a"], Tensor([1.0]), [True], "text", 5, [[1]]])
    def test_rows_that_are_no_rows_of_ids(self, row):
        shape = re.escape(str(np.shape(row)))
        with pytest.raises(TypeError, match=f"row 1 is not one row of whole .* {shape}$"):
            pad_sequences([[1], row])

    def test_a_filling_that_is_no_id(self):
        for value in (0.5, "0", None, np.uint8(0)):
            with pytest.raises(TypeError, match="the value that fills up is .* and not "):
                pad_sequences([[1]], value=value)


# -- random_split


@pytest.mark.exercise("dataloader.random_split")
class TestRandomSplit:
    @QUICK
    @given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(0, 100))
    def test_sizes_disjoint_and_complete(self, sizes, seed):
        dataset = list(range(100, 100 + sum(sizes)))
        parts = random_split(dataset, sizes, Generator(seed))
        assert [len(part) for part in parts] == sizes
        assert all(isinstance(part, Subset) and part.dataset is dataset for part in parts)
        assert sorted(sum((members(part) for part in parts), [])) == dataset

    @QUICK
    @given(
        st.lists(st.integers(1, 9), min_size=1, max_size=6),
        st.integers(0, 200),
        st.integers(0, 100),
    )
    def test_fractions_lose_nobody_and_are_off_by_one_at_most(self, shares, count, seed):
        fractions = [share / sum(shares) for share in shares]
        parts = random_split(range(count), fractions, Generator(seed))
        assert sorted(sum((members(part) for part in parts), [])) == list(range(count))
        for part, fraction in zip(parts, fractions):
            assert abs(len(part) - fraction * count) <= 1

    def test_thirds_and_tenths(self):
        sizes = [len(part) for part in random_split(range(10), [1 / 3, 1 / 3, 1 / 3])]
        assert sizes == [3, 4, 3]
        tenths = [len(part) for part in random_split(range(14), [0.1] * 10)]
        assert tenths == [1, 2, 1, 2, 1, 1, 2, 1, 2, 1]
        assert [len(part) for part in random_split(range(1437), [0.8, 0.2])] == [1150, 287]
        assert [len(part) for part in random_split(range(30), [0.1] * 10)] == [3] * 10

    @pytest.mark.parametrize("sizes", [[0, 70, 30], [0, 700, 300]])
    def test_a_first_part_that_is_empty(self, sizes):
        parts = random_split(range(sum(sizes)), sizes, Generator(0))
        assert [len(part) for part in parts] == sizes
        assert set(members(parts[1])) != set(range(sizes[1]))

    def test_it_is_shuffled(self):
        first, _ = random_split(range(1000), [500, 500], Generator(0))
        assert 180 < sum(i < 500 for i in members(first)) < 320

    def test_the_same_seed_gives_the_same_split(self):
        def split(seed):
            return [members(p) for p in random_split(range(50), [0.5, 0.5], Generator(seed))]

        assert split(3) == split(3)
        assert split(3) != split(4)

    def test_the_default_generator(self):
        splits = []
        for _ in range(2):
            manual_seed(9)
            splits.append([members(random_split(range(50), [25, 25])[0]) for _ in range(2)])
        assert splits[0] == splits[1] and splits[0][0] != splits[0][1]

    def test_pairs_stay_together(self):
        numbers = np.arange(40)
        dataset = TensorDataset(Tensor(numbers), Tensor(numbers * 10))
        for part in random_split(dataset, [0.75, 0.25], Generator(0)):
            assert all(y.item() == 10 * x.item() for x, y in members(part))

    @pytest.mark.parametrize(
        ("sizes", "words"),
        [
            ([6, 3], r"^the sizes \[6, 3\] should add up to the 10 samples, or as fractions to 1"),
            ([6, 5], r"\[6, 5\] should add up to the 10"),
            ([11, -1], "none is negative"),
            ([0.5, 0.4], r"\[0.5, 0.4\] .*fractions to 1"),
            ([0.7, 0.7], "fractions to 1"),
            ([1.5, -0.5], "none is negative"),
            ([8.0, 2.0], "fractions to 1"),
            ([], r"\[\] should add up to the 10"),
        ],
    )
    def test_sizes_that_do_not_add_up_are_refused(self, sizes, words):
        with pytest.raises(ValueError, match=words):
            random_split(range(10), sizes)

    def test_an_empty_part_and_an_empty_dataset(self):
        assert [len(part) for part in random_split(range(5), [5, 0])] == [5, 0]
        assert [len(part) for part in random_split([], [0.5, 0.5])] == [0, 0]
        assert [len(part) for part in random_split([], [0])] == [0]


# -- given: datasets


@pytest.mark.exercise("dataloader")
class TestDatasets:
    def test_tensors_of_different_lengths_are_refused(self):
        with pytest.raises(ValueError, match=r"tensors of one length, and not of \[3, 2\]"):
            TensorDataset(Tensor([1, 2, 3]), Tensor([1, 2]))
        with pytest.raises(ValueError, match=r"and not of \[\]"):
            TensorDataset()

    @pytest.mark.parametrize("wrong", [[1, 2], np.arange(2), "ab"])
    def test_other_things_than_tensors_are_refused(self, wrong):
        with pytest.raises(TypeError, match="holds Tensors: wrap lists and arrays with tensor"):
            TensorDataset(Tensor([1, 2]), wrong)

    def test_length(self):
        assert len(TensorDataset(Tensor(np.zeros((4, 2))))) == 4
        assert len(TensorDataset(Tensor(np.zeros((0, 2))))) == 0

    def test_a_dataset_without_its_methods_says_which_is_missing(self):
        class Half(Dataset):
            pass

        with pytest.raises(TypeError, match="Half lacks __len__ or __getitem__: try list"):
            DataLoader(Half())
        with pytest.raises(TypeError, match="Half.* has no len"):
            len(Half())
        with pytest.raises(TypeError, match="Half.* is not subscriptable"):
            Half()[0]

    def test_a_loop_over_a_dataset_ends_with_its_last_sample(self):
        assert list(Squares(3)) == [(0, 0.0), (1, 1.0), (2, 4.0)]

    def test_subset(self):
        letters = Subset("abcdef", [4, 0, 4])
        assert len(letters) == 3 and members(letters) == ["e", "a", "e"] and letters[-1] == "e"
        assert list(letters) == ["e", "a", "e"]
        with pytest.raises(IndexError):
            letters[3]
        assert members(Subset(letters, np.array([1, 2]))) == ["a", "e"]
        assert len(Subset("abc", [])) == 0
        assert members(Subset("abc", Tensor([2, 1]))) == ["c", "b"]

    def test_a_subset_hands_plain_numbers_to_its_dataset(self):
        assert members(Subset(Squares(5), [3, 1])) == [(3, 9.0), (1, 1.0)]

    def test_a_subset_of_tensors_takes_several_at_once(self):
        part = Subset(TensorDataset(Tensor([5, 6, 7, 8])), [3, 1, 0])
        same(part[np.array([0, 2])][0], [8, 5], np.int64)
        same(part[:2][0], [8, 6], np.int64)
        same(part[1][0], 6, np.int64)

    def test_a_subset_refuses_a_mask(self):
        with pytest.raises(TypeError, match=r"not bool: try np.flatnonzero\(mask\)"):
            Subset("abc", np.array([True, False, True]))
        with pytest.raises(TypeError, match="indices are integers, not float64"):
            Subset("abc", [0.0, 1.0])

    def test_fractions_or_sizes(self):
        assert are_fractions([1.0], 5) and not are_fractions([1], 1)
        assert not are_fractions([np.int64(2), 3], 5) and are_fractions([np.float32(0.5), 0.5], 9)


# -- given: the loader


@pytest.mark.exercise("dataloader")
class TestDataLoader:
    def pairs(self, count=10):
        numbers = np.arange(count)
        return TensorDataset(Tensor(numbers / 2), Tensor(numbers))

    @QUICK
    @given(COUNTS, SIZES, st.booleans(), st.booleans(), st.integers(0, 100))
    def test_length_and_batches(self, count, size, shuffle, drop_last, seed):
        loader = DataLoader(list(range(count)), size, shuffle, drop_last, generator=Generator(seed))
        batches = lists(loader)
        assert len(batches) == len(loader) == (count // size if drop_last else -(-count // size))
        assert all(len(batch) == size for batch in batches[:-1])
        seen = joined(loader)
        assert len(seen) == len(set(seen)) == (count - count % size if drop_last else count)

    @QUICK
    @given(st.integers(0, 30), SIZES, st.booleans(), st.booleans())
    def test_one_indexing_gives_the_same_as_sample_by_sample(self, count, size, shuffle, drop):
        numbers = np.random.default_rng(0).random((count, 3))
        tensors = [from_numpy(numbers), Tensor(np.arange(count))]
        quick, slow = (
            list(DataLoader(data, size, shuffle, drop, generator=Generator(2)))
            for data in (TensorDataset(*tensors), list(TensorDataset(*tensors)))
        )
        assert len(quick) == len(slow)
        for ours, theirs in zip(quick, slow):
            assert type(ours) is type(theirs) is tuple
            for one, other in zip(ours, theirs):
                same(one, other.array, other.dtype)

    def test_pairs_stay_together(self):
        for x, y in DataLoader(self.pairs(), 3, shuffle=True, generator=Generator(0)):
            assert np.array_equal(2 * x.array, y.array)

    def test_any_object_with_two_methods(self):
        class Bare:
            def __len__(self):
                return 3

            def __getitem__(self, index):
                return index * 10

        assert lists(DataLoader(Bare(), 2)) == [[0, 10], [20]]
        assert lists(DataLoader(range(3), 2)) == [[0, 1], [2]]
        assert lists(DataLoader(np.eye(2), 2)) == [[[1, 0], [0, 1]]]
        assert lists(DataLoader(Tensor([5, 6, 7]), 2)) == [[5, 6], [7]]
        assert list(DataLoader("abc", 2)) == [["a", "b"], ["c"]]

    def test_objects_without_them_are_refused(self):
        with pytest.raises(TypeError, match="generator lacks __len__ or __getitem__: try list"):
            DataLoader(i for i in range(3))
        with pytest.raises(TypeError, match="set lacks __len__ or __getitem__"):
            DataLoader({1, 2})

    @pytest.mark.parametrize("size", [0, -3, 1.5, None])
    def test_the_batch_size_is_refused_before_the_first_epoch(self, size):
        with pytest.raises(ValueError, match="batch_size is a whole number"):
            DataLoader([1, 2], size)

    def test_usual_settings(self):
        assert lists(DataLoader([3, 1, 2])) == [[3], [1], [2]]

    def test_an_empty_dataset(self):
        for dataset in ([], self.pairs(0), Subset([1], [])):
            for shuffle in (False, True):
                loader = DataLoader(dataset, 4, shuffle)
                assert len(loader) == 0 and list(loader) == []

    def test_a_fresh_order_each_epoch_and_the_same_seed_the_same_epochs(self):
        def epochs(seed):
            loader = DataLoader(list(range(50)), 8, shuffle=True, generator=Generator(seed))
            return [tuple(joined(loader)) for _ in range(4)]

        assert epochs(1) == epochs(1)
        assert epochs(1) != epochs(2)
        assert len(set(epochs(1))) == 4

    def test_the_default_generator(self):
        loader = DataLoader(list(range(50)), 8, shuffle=True)
        manual_seed(3)
        first = joined(loader)
        manual_seed(3)
        assert joined(loader) == first

    def test_two_epochs_at_once_do_not_disturb_each_other(self):
        loader = DataLoader(self.pairs(20), 4, shuffle=True, generator=Generator(0))
        pairs = list(zip(loader, loader))
        orders = [joined(pair[k][1] for pair in pairs) for k in range(2)]
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(20))
        assert orders[0] != orders[1]
        again = DataLoader(self.pairs(20), 4, shuffle=True, generator=Generator(0))
        assert [joined(y for _, y in again) for _ in range(2)] == orders

    def test_an_epoch_that_is_left_half_way_changes_nothing_but_its_turn(self):
        def second_epoch(batches_of_the_first):
            loader = DataLoader(list(range(20)), 4, shuffle=True, generator=Generator(0))
            first = iter(loader)
            for _ in range(batches_of_the_first):
                next(first)
            return joined(loader)

        assert second_epoch(0) == second_epoch(1) == second_epoch(5)

    def test_an_iterator_ends_and_stays_ended(self):
        epoch = iter(DataLoader([1, 2], 2))
        next(epoch)
        assert next(epoch, None) is None and next(epoch, None) is None

    def test_samples_are_asked_for_when_their_batch_is(self):
        data = Squares(6)
        epoch = iter(DataLoader(data, 2))
        assert data.asked == []
        next(epoch)
        assert data.asked == [0, 1]

    def test_a_dataset_that_grows_is_seen_from_the_next_epoch_on(self):
        data = [1, 2]
        loader = DataLoader(data, 2)
        data.append(3)
        assert len(loader) == 2 and lists(loader) == [[1, 2], [3]]

    def test_a_collate_fn_of_ones_own_gets_a_list_of_samples(self):
        got = []
        for dataset in ([(1, "a"), (2, "b"), (3, "c")], self.pairs(3), Subset(self.pairs(3), [2])):
            for batch in DataLoader(dataset, 2, collate_fn=lambda samples: samples):
                assert type(batch) is list and all(type(sample) is tuple for sample in batch)
                got.append(len(batch))
        assert got == [2, 1, 2, 1, 1]

    def test_padding_in_the_loader(self):
        loader = DataLoader([[1, 2, 3], [4], [5, 6]], 2, collate_fn=pad_sequences)
        (ids, mask), (last, _) = loader
        same(ids, [[1, 2, 3], [4, 0, 0]], np.int64)
        same(mask, [[True, True, True], [True, False, False]], bool)
        same(last, [[5, 6]], np.int64)

    def test_rows_of_unequal_length_without_padding_are_refused(self):
        with pytest.raises(ValueError, match="pad_sequences"):
            list(DataLoader([Tensor([1, 2]), Tensor([3])], 2))

    def test_loaders_of_tensors_can_be_pickled(self):
        loader = pickle.loads(pickle.dumps(DataLoader(list(range(4)), 2)))
        assert lists(loader) == [[0, 1], [2, 3]]


@pytest.mark.exercise("dataloader")
class TestWhoDoesTheWork:
    """The three rows of the notebook's table: whose functions run."""

    @pytest.fixture
    def calls(self, monkeypatch):
        calls = []
        plain_lookup, plain_collate = TensorDataset.__getitem__, collate

        def lookup(self, index):
            calls.append(("lookup", np.ndim(index)))
            return plain_lookup(self, index)

        def collating(samples):
            calls.append(("collate", len(samples)))
            return plain_collate(samples)

        monkeypatch.setattr(TensorDataset, "__getitem__", lookup)
        monkeypatch.setattr(dataloader, "collate", collating)
        return calls

    def test_tensors_by_one_indexing_a_batch(self, calls):
        data = TensorDataset(Tensor([1, 2, 3]))
        assert [lists(batch) for batch in DataLoader(data, 2)] == [[[1, 2]], [[3]]]
        assert calls == [("lookup", 1)] * 2

    def test_parts_of_tensors_too_and_parts_of_parts(self, calls):
        part = Subset(Subset(TensorDataset(Tensor([10, 11, 12, 13])), [3, 2, 0]), [2, 0])
        assert [lists(batch) for batch in DataLoader(part, 2)] == [[[10, 13]]]
        assert calls == [("lookup", 1)]

    def test_lists_by_collate(self, calls):
        list(DataLoader([1, 2, 3], 2))
        assert calls == [("collate", 2), ("collate", 1)]
        list(DataLoader(Subset([1, 2, 3], [0]), 2))
        assert calls[2:] == [("collate", 1)]

    def test_the_collate_that_stands_there_now_is_used(self, calls, monkeypatch):
        loader = DataLoader([1, 2], 2)
        monkeypatch.setattr(dataloader, "collate", len)
        assert list(loader) == [2]

    def test_naming_collate_is_the_same_as_not_naming_it(self, calls):
        list(DataLoader(TensorDataset(Tensor([1, 2, 3])), 2, collate_fn=dataloader.collate))
        assert calls == [("lookup", 1)] * 2

    def test_a_lookup_of_ones_own_is_asked_sample_by_sample(self):
        loader = DataLoader(Shifted(Tensor([1, 2, 3])), 2)
        assert [lists(batch) for batch in loader] == [[[101, 102]], [[103]]]

    def test_the_order_comes_from_batch_indices(self, monkeypatch):
        asked = []

        def backwards(*arguments):
            asked.append(arguments)
            return [np.array([2, 1]), np.array([0])]

        monkeypatch.setattr(dataloader, "batch_indices", backwards)
        generator = Generator(0)
        assert lists(DataLoader([5, 6, 7], 2, True, generator=generator)) == [[7, 6], [5]]
        assert asked == [(3, 2, True, False, generator)]

    def test_fetch(self):
        same(fetch([5, 6, 7], np.array([2, 0])), [7, 5], np.int64)
        assert fetch([5, 6, 7], np.array([2, 0]), sum) == 12


# -- given: the data


@pytest.mark.exercise("dataloader")
class TestData:
    @pytest.mark.parametrize(("part", "count"), [("train", 1437), ("test", 360)])
    def test_digits(self, part, count):
        images, labels = load_digits(part)
        assert images.shape == (count, 64) and images.dtype == np.float32
        assert labels.shape == (count,) and labels.dtype == np.int64
        assert images.array.min() == 0 and images.array.max() == 1
        assert np.bincount(labels.array).min() > 25 and set(labels.tolist()) == set(range(10))
        with np.load(dataloader.data_file("tinydigits/digits.npz")) as raw:
            assert np.array_equal(images.array * 16, raw[f"{part}_images"].reshape(-1, 64))
            assert np.array_equal(labels.array, raw[f"{part}_labels"])

    def test_digits_come_anew_each_time(self):
        load_digits()[0][0] = 5.0
        assert load_digits()[0].array.max() == 1
        assert len(load_digits()[1]) == 1437

    @pytest.mark.parametrize("part", ["validation", "Train", None])
    def test_other_parts_of_the_digits(self, part):
        with pytest.raises(ValueError, match=f"'train' and 'test', and no {part!r}$"):
            load_digits(part)

    def test_tinytalks_counts_of_its_readme(self):
        table = {  # level -> pairs, validation, test
            1: (65, 11, 11),
            2: (49, 8, 9),
            3: (43, 10, 9),
            4: (37, 9, 9),
            5: (36, 7, 7),
        }
        for place, part in enumerate(("train", "validation", "test")):
            talks = load_tinytalks(part)
            levels = [talk.level for talk in talks]
            assert [levels.count(k) for k in table] == [row[place] for row in table.values()]
            for upto in table:
                assert load_tinytalks(part, upto) == [t for t in talks if t.level <= upto]

    def test_tinytalks_first_records(self):
        cow = Talk(1, "a cow", "it", "What is a cow?", "A cow is a farm animal.")
        assert load_tinytalks()[0] == load_tinytalks("train", levels=1)[0] == cow
        other = load_tinytalks("validation")[0]
        assert other == cow._replace(
            question="What food does a cow like?", answer="A cow eats grass."
        )
        assert load_tinytalks("test")[0].question == "What sound does a cow make?"
        assert load_tinytalks("test")[0].answer == "A cow says moo."

    def test_tinytalks_other_words_have_an_answer_of_their_topic(self):
        known = {(talk.topic, talk.answer) for talk in load_tinytalks()}
        questions = {talk.question for talk in load_tinytalks()}
        for part in ("validation", "test"):
            for talk in load_tinytalks(part):
                assert (talk.topic, talk.answer) in known and talk.question not in questions
                assert talk.topic in talk.question and talk.pronoun in ("it", "he", "she", "they")

    @pytest.mark.parametrize("part", ["valid", "", None])
    def test_other_parts_of_tinytalks(self, part):
        with pytest.raises(
            ValueError, match=f"parts: train, validation, test; .* but part={part!r}"
        ):
            load_tinytalks(part)

    @pytest.mark.parametrize("levels", [0, 6, -1, 2.5, "3", None])
    def test_other_levels(self, levels):
        with pytest.raises(ValueError, match=f"levels: 1 to 5; but .* levels={levels!r}$"):
            load_tinytalks(levels=levels)


@pytest.mark.exercise("dataloader")
class TestTheThread:
    """A classifier from the loader and one gradient on paper, in plain NumPy."""

    def train(self, loader, epochs):
        W = np.zeros((64, 10), np.float32)
        for _ in range(epochs):
            for x, y in loader:
                scores = x.array @ W
                p = np.exp(scores - scores.max(axis=1, keepdims=True))
                p /= p.sum(axis=1, keepdims=True)
                p[np.arange(len(p)), y.array] -= 1
                W -= 0.5 * (x.array.T @ p) / len(p)
        return W

    def test_it_learns_to_read(self):
        images, labels = load_digits("test")
        data = TensorDataset(*load_digits("train"))
        W = self.train(DataLoader(data, 32, shuffle=True, generator=Generator(0)), 20)
        assert ((images.array @ W).argmax(axis=1) == labels.array).mean() > 0.95

    def test_torn_pairs_teach_nothing(self):
        images, labels = load_digits("test")
        x, y = load_digits("train")
        rights = []
        for seed in range(4):
            data = TensorDataset(x, y[np.random.default_rng(seed).permutation(len(y))])
            W = self.train(DataLoader(data, 32), 3)
            rights.append(((images.array @ W).argmax(axis=1) == labels.array).mean())
        assert np.mean(rights) < 0.2


@pytest.mark.exercise("dataloader")
def test_examples_in_the_docstrings_run():
    failed, tried = doctest.testmod(dataloader)
    assert failed == 0 and tried >= 12


@pytest.mark.exercise("dataloader")
def test_public_names_are_explained():
    for name in dataloader.__all__:
        assert inspect.getdoc(getattr(dataloader, name)), name
