"""Safetensors files of all kinds: their types, their header, and reading one tensor alone."""

import doctest
import json
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch import io
from tinytorch.io import load_safetensors, open_safetensors, save_safetensors
from tinytorch.tensor import Tensor

TYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "bool"]
TYPES += ["uint8", "uint16", "uint32", "uint64"]


def file_of(folder, header, body=b"", length=None):
    """A file with this header, as JSON or raw, and this body."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "x.safetensors"
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + body)
    return path


def entry(code="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": code, "shape": list(shape), "data_offsets": list(offsets)}


def read(path, name="w"):
    with open_safetensors(path) as file:
        return file.array(name)


def test_doctests():
    assert doctest.testmod(io).failed == 0


class TestTypes:
    @pytest.mark.parametrize("kind", TYPES)
    @pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3)])
    def test_there_and_back(self, tmp_path, kind, shape):
        array = (np.arange(np.prod(shape, dtype=int)) % 2 * 7).astype(kind).reshape(shape)
        save_safetensors({"w": array}, tmp_path / "x")
        got = load_safetensors(tmp_path / "x")["w"]
        assert got.shape == shape
        assert got.tolist() == array.tolist()

    @pytest.mark.parametrize(
        ("code", "data", "want"),
        [
            ("BF16", np.array([0x3F80, 0xC020, 0x7F80], "<u2"), [1.0, -2.5, np.inf]),
            ("F16", np.array([1.0, -0.5, 65504], "<f2"), [1.0, -0.5, 65504]),
            ("F8_E4M3", np.array([56, 0x01, 0xFE], "u1"), [1.0, 2.0**-9, -448.0]),
            ("F8_E5M2", np.array([0x3C, 0xC1, 0x7C], "u1"), [1.0, -2.5, np.inf]),
            ("F8_E8M0", np.array([127, 0, 130], "u1"), [1.0, 2.0**-127, 8.0]),
        ],
    )
    def test_small_real_numbers(self, tmp_path, code, data, want):
        path = file_of(tmp_path, {"w": entry(code, (3,), (0, data.nbytes))}, data.tobytes())
        got = read(path)
        assert got.dtype == np.float32
        assert got.tolist() == want

    def test_nan_in_eight_bits(self, tmp_path):
        for code, byte in (("F8_E4M3", 127), ("F8_E4M3", 255), ("F8_E5M2", 127), ("F8_E8M0", 255)):
            path = file_of(tmp_path, {"w": entry(code, (1,), (0, 1))}, bytes([byte]))
            assert np.isnan(read(path)).all()

    def test_large_whole_numbers(self, tmp_path):
        save_safetensors({"w": np.array([2**63 - 1], np.uint64)}, tmp_path / "x")
        assert read(tmp_path / "x").tolist() == [2**63 - 1]
        save_safetensors({"w": np.array([2**63], np.uint64)}, tmp_path / "x")
        with pytest.raises(ValueError, match="^w in x holds 9223372036854775808: a Tensor's num"):
            read(tmp_path / "x")

    @pytest.mark.parametrize("code", ["C64", "F4", "F6_E2M3", "Q7"])
    def test_what_no_tensor_holds_is_refused_when_it_is_read(self, tmp_path, code):
        header = {"a": entry(), "w": entry(code, (1,), (8, 16))}
        path = file_of(tmp_path, header, np.array([1, 2], "<f4").tobytes() + bytes(8))
        assert read(path, "a").tolist() == [1, 2]
        with pytest.raises(ValueError, match=rf"^w in x\.\w+ is of the type {code}, for which"):
            read(path)

    @pytest.mark.parametrize("kind", [">f4", ">f2", ">i8", ">u2"])
    def test_numbers_with_the_highest_byte_first(self, tmp_path, kind):
        save_safetensors({"w": np.array([1, 2, 300], kind)}, tmp_path / "x")
        assert read(tmp_path / "x").tolist() == [1, 2, 300]

    def test_views_of_all_kinds(self, tmp_path):
        whole = np.arange(24, dtype=np.float16).reshape(4, 6)
        views = {
            "step": whole[::2, ::-1],
            "turned": whole.T,
            "wide": np.broadcast_to(whole[0], (2, 6)),
        }
        save_safetensors(views, tmp_path / "x")
        for name, view in views.items():
            assert read(tmp_path / "x", name).tolist() == view.tolist()

    def test_refused_before_a_file_is_touched(self, tmp_path):
        half = np.zeros(2, np.float16)
        for tensors, metadata, told in [
            ({"a": half, "w": np.zeros(2, complex)}, None, "w is complex128: the file holds"),
            ({"a": half, "w": np.array(["a"])}, None, "w is <U1"),
            ({"__metadata__": half}, None, "a tensor's name is a text"),
            ({3: half}, None, "a tensor's name is a text"),
            ({"a": half}, {"step": 3}, "metadata are texts by name"),
        ]:
            with pytest.raises(TypeError, match=told):
                save_safetensors(tensors, tmp_path / "x", metadata)
        assert not list(tmp_path.iterdir())


class TestLayout:
    @given(st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 5)), max_size=8))
    def test_each_begins_at_a_multiple_of_its_size(self, tmp_path_factory, kinds):
        path = tmp_path_factory.mktemp("x") / "x"
        arrays = {f"t{n}": np.ones(size, kind) for n, (kind, size) in enumerate(kinds)}
        save_safetensors(arrays, path, {"made": "here"})
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        assert length % 8 == 0
        header = json.loads(data[8 : 8 + length])
        assert header.pop("__metadata__") == {"made": "here"}
        for name, array in arrays.items():
            assert header[name]["data_offsets"][0] % array.dtype.itemsize == 0
        assert {n: tuple(e["shape"]) for n, e in header.items()} == {
            n: a.shape for n, a in arrays.items()
        }
        assert {n: a.tolist() for n, a in load_safetensors(path).items()} == {
            n: a.tolist() for n, a in arrays.items()
        }

    def test_models_keep_their_order(self, tmp_path):
        names = ["z", "a", "m"]
        save_safetensors({name: Tensor([1.0]) for name in names}, tmp_path / "x")
        assert list(load_safetensors(tmp_path / "x")) == names

    def test_ten_thousand_tensors(self, tmp_path):
        save_safetensors({f"t.{n}": np.array([n]) for n in range(10_000)}, tmp_path / "x")
        with open_safetensors(tmp_path / "x") as file:
            assert len(file) == 10_000
            assert file["t.9876"].tolist() == [9876]

    @pytest.mark.parametrize("name", ["", "a b", "größe", "x\n\0", '"', "\ud800"])
    def test_any_name(self, tmp_path, name):
        save_safetensors({name: Tensor([1.0])}, tmp_path / "x")
        assert list(load_safetensors(tmp_path / "x")) == [name]


class TestInPart:
    def test_without_reading(self, tmp_path):
        save_safetensors({"w": np.ones((3, 2)), "n": Tensor([1])}, tmp_path / "x", {"a": "b"})
        with open_safetensors(tmp_path / "x") as file:
            assert "w" in file and "v" not in file
            assert (file.shape("w"), len(file), file.metadata) == ((3, 2), 2, {"a": "b"})
            assert repr(file) == "SafetensorsFile('x', 2 tensors)"
            assert set(file.keys()) == {"w", "n"}

    def test_one_tensor_of_a_large_file(self, tmp_path):
        """Its first half is a hole: reading it would take a gigabyte."""
        size, path = 2**30, tmp_path / "x.safetensors"
        header = {"hole": entry("U8", (size,), (0, size)), "w": entry(offsets=(size, size + 8))}
        text = json.dumps(header).encode()
        with open(path, "wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.seek(8 + len(text) + size)
            file.write(np.array([3, 4], "<f4").tobytes())
        if getattr(path.stat(), "st_blocks", size) * 512 > 2**24:
            path.unlink()
            pytest.skip("files have no holes here")
        tracemalloc.start()
        got = read(path)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert got.tolist() == [3, 4]
        assert most < 2**20
        assert load_safetensors(path, prefix="w")[""].tolist() == [3, 4]

    def test_arrays_outlive_the_file_and_may_be_written_into(self, tmp_path):
        save_safetensors({"w": np.ones(3, np.float16), "n": Tensor([1])}, tmp_path / "x")
        file = open_safetensors(tmp_path / "x")
        first, second, n = file.array("w"), file.array("w"), file.array("n")
        file.close()
        (tmp_path / "x").unlink()
        first += 1
        n += 1
        assert (first.tolist(), second.tolist(), n.tolist()) == ([2, 2, 2], [1, 1, 1], [2])

    def test_even_if_the_lesson_gives_views_of_the_file(self, tmp_path, monkeypatch):
        def views(entries, body):
            return {
                n: np.frombuffer(body[: e["data_offsets"][1]], "<f4") for n, e in entries.items()
            }

        save_safetensors({"w": Tensor([1.0, 2.0])}, tmp_path / "x")
        monkeypatch.setattr(io, "cut_arrays", views)
        with open_safetensors(tmp_path / "x") as file:
            array = file.array("w")
        assert file._map.closed
        array += 1
        assert array.tolist() == [2, 3]

    def test_prefix(self, tmp_path):
        save_safetensors({"model.a": Tensor([1.0]), "other": Tensor([2.0])}, tmp_path / "x")
        assert list(load_safetensors(tmp_path / "x", prefix="model.")) == ["a"]
        with pytest.raises(ValueError, match="no tensor of x has a name that begins with 'net.'"):
            load_safetensors(tmp_path / "x", prefix="net.")


class TestDamage:
    def test_cut_anywhere(self, tmp_path):
        path = tmp_path / "x"
        save_safetensors({"w": Tensor([[1.0, 2.0]]), "n": np.ones(1, np.int8)}, path, {"a": "b"})
        data = path.read_bytes()
        for length in range(len(data)):
            path.write_bytes(data[:length])
            with pytest.raises(ValueError, match=r"^x is cut short: .+ \w+$"):
                open_safetensors(path)
        path.write_bytes(data + bytes(3))
        with pytest.raises(ValueError, match="^x is damaged: 3 bytes at its end are nobody's$"):
            open_safetensors(path)

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            (pickle.dumps({"w": [1.0] * 20}), " but a pickle"),
            (b"PK\x03\x04" + bytes(40), " but a zip, as torch.save makes it"),
            (b"version https://git-lfs.github.com/spec/v1\n", " but a pointer of Git LFS .*pull`"),
            (b"GGUF" + bytes(40), " but GGUF, .*"),
            (b"<!DOCTYPE html><html>", " but a web page: .*"),
            (b"a letter to you\n", ""),
        ],
    )
    def test_foreign_files(self, tmp_path, data, told):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(ValueError, match=f"^x is no safetensors file{told}$"):
            open_safetensors(tmp_path / "x")

    def test_a_name_that_stands_there_twice(self, tmp_path):
        one = json.dumps(entry())
        path = file_of(tmp_path, f'{{"w": {one}, "v": {one}, "w": {one}}}'.encode(), bytes(8))
        with pytest.raises(ValueError, match="is damaged: 'w' stands in its header twice$"):
            open_safetensors(path)

    @pytest.mark.parametrize(
        "wrong",
        [
            entry(offsets=(4, 12)),
            entry(offsets=(0, 4)),
            entry(shape=(-2,)),
            entry(shape=(2.0,)),
            entry(shape=(True, 2)),
            entry(offsets=(8, 0)),
            entry(offsets=(0, 4, 8)),
            entry(code=7),
            entry(code=[1]),
            {"dtype": "F32", "shape": [2]},
            [1, 2],
            None,
        ],
        ids=str,
    )
    def test_entries_that_contradict_themselves(self, tmp_path, wrong):
        with pytest.raises(ValueError, match="damaged: the place of tensor 'w' is impossible$"):
            open_safetensors(file_of(tmp_path, {"w": wrong}, bytes(8)))

    def test_overlaps(self, tmp_path):
        path = file_of(tmp_path, {"a": entry(), "b": entry()}, bytes(8))
        with pytest.raises(ValueError, match="the place of tensor '[ab]' is impossible"):
            open_safetensors(path)

    @pytest.mark.parametrize("length", [0, 1, 20, 10_000, 2**63])
    def test_a_wrong_length_of_the_header(self, tmp_path, length):
        path = file_of(tmp_path, {"w": entry()}, bytes(8), length)
        with pytest.raises(ValueError, match=r"^x\.safetensors is (cut short|damaged): its header"):
            open_safetensors(path)

    @pytest.mark.parametrize("metadata", [{"a": 1}, [1], None, []])
    def test_metadata_that_are_no_texts(self, tmp_path, metadata):
        with pytest.raises(ValueError, match="is damaged: its metadata are not texts$"):
            open_safetensors(file_of(tmp_path, {"__metadata__": metadata}))

    def test_no_file_and_a_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            open_safetensors(tmp_path / "nothing")
        with pytest.raises(ValueError, match="is a folder, and not a safetensors file"):
            open_safetensors(tmp_path)

    @given(st.binary(max_size=80))
    def test_random_bytes(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("noise") / "x"
        path.write_bytes(data)
        with pytest.raises(ValueError, match="^x is "):
            open_safetensors(path)
