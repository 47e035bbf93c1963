"""PyTorch's further names: files, devices, switches, other libraries, writes, refusals."""

import copy
import inspect
import io
import json
import math
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import names, nn, optim
from tinytorch.names import __main__ as coverage
from tinytorch.names import homes, unknown
from tinytorch.tensor import Tensor, from_numpy
from tinytorch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

ROOT = Path(tinytorch.__file__).parents[1]


def leaf(data):
    return Tensor(data, requires_grad=True)


def raised(kind, function, *args, **kwargs):
    """The message of the error that a call raises: one sentence."""
    with pytest.raises(kind) as caught:
        function(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestCoverage:
    def test_every_name_of_the_tiers_is_here(self, capsys):
        assert coverage.main([]) == 0
        told = capsys.readouterr().out
        assert told.count("100.0%") == 3 and "missing" not in told

    def test_without_numpy_no_name_is_counted(self, tmp_path):
        """A script that cannot start for the same reason says the same sentence."""
        (tmp_path / "script.py").write_text("import tinytorch\nfrom tinytorch import console, nn\n")
        (tmp_path / "numpy.py").write_text("raise ModuleNotFoundError('no', name='numpy')\n")
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
        for words in (["-m", "tinytorch.names"], [tmp_path / "script.py"]):
            done = subprocess.run(
                [sys.executable, *words], env=env, cwd=tmp_path, capture_output=True, text=True
            )
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
            name = "names" if words[0] == "-m" else "script.py"
            assert done.stderr.startswith(f"{name}: NumPy is not installed in this Python, ")
            assert "`python -m tito setup`" in done.stderr

    def test_a_missing_name_is_counted(self, capsys, monkeypatch):
        monkeypatch.setitem(coverage.TIERS, "A (100 files and more)", "Tensor.too zeros nn.Nothing")
        assert coverage.main([]) == 1
        assert "1 of    3" in (told := capsys.readouterr().out)
        assert "missing: Tensor.too, nn.Nothing" in told

    def test_every_entry_of_the_tables_leads_somewhere(self):
        for name in homes(names.PUBLIC):
            getattr(tinytorch, name)
        for name in homes(names.METHODS):
            assert callable(getattr(Tensor([1.0]), name)), name

    def test_matrices_know_their_decompositions(self):
        x = Tensor([[4.0, 0.0], [0.0, 9.0]])
        assert x.cholesky().tolist() == [[2, 0], [0, 3]] and x.matrix_power(2).tolist()[1] == [
            0,
            81,
        ]
        assert abs(x.logdet().item() - x.slogdet()[1].item()) < 1e-6
        assert Tensor([[1.0, 2.0]]).adjoint().shape == (2, 1)
        assert tinytorch.row_stack((x, x)).shape == (4, 2)

    def test_the_class_of_module_01_keeps_what_it_has(self):
        """What the notebook wrote stays, or is called by what knows PyTorch's arguments, too."""
        from tinytorch import functions
        from tinytorch.tensor import PRIMITIVES

        assert Tensor.exp is PRIMITIVES["exp"] and Tensor.topk is functions.topk
        assert "__getattr__" not in vars(Tensor)  # it would make every access slower
        assert Tensor([1]).device == "cpu" and f"{Tensor([1]).device}" == "cpu"

    def test_the_reason_or_the_nearest_name(self):
        assert "write the batch as a dimension" in str(unknown("vmap", "tinytorch", []))
        assert str(unknown("qqq", "tinytorch", ["zeros"])).endswith("has no attribute 'qqq'")
        assert not hasattr(Tensor([1.0]), "qqq") and not hasattr(nn, "qqq")


class TestFiles:
    state = {"weight": Tensor([[1.0, 2.0]]), "ids": Tensor([3]), "on": Tensor([True])}

    def test_a_state_dict_is_a_plain_safetensors_file(self, tmp_path):
        tinytorch.save(self.state, tmp_path / "a.pt")
        loaded = tinytorch.load(tmp_path / "a.pt")
        assert {n: t.tolist() for n, t in loaded.items()} == {
            n: t.tolist() for n, t in self.state.items()
        }
        again = tinytorch.io.load_safetensors(tmp_path / "a.pt")
        assert list(again) == list(self.state) and again["ids"].dtype == np.int64

    def test_a_checkpoint_comes_back_as_it_was(self, tmp_path):
        model = nn.Linear(2, 1)
        optimizer = optim.Adam(model.parameters(), lr=0.5)
        model(Tensor([[1.0, 2.0]])).sum().backward()
        optimizer.step()
        saved = {
            "epoch": 3, "best": math.inf, "tags": ["a", ("b", None)], "n": np.float64(2),
            "model": model.state_dict(), "optimizer": optimizer.state_dict(), 7: Tensor([1]),
        }  # fmt: skip
        path = str(tmp_path / "checkpoint.tar")
        tinytorch.save(saved, path)
        loaded = tinytorch.load(path, map_location=tinytorch.device("cpu"), weights_only=True)
        assert list(loaded) == list(saved)
        assert loaded["epoch"] == 3 and loaded["best"] == math.inf and loaded[7].tolist() == [1]
        assert loaded["tags"] == ["a", ("b", None)] and loaded["n"] == 2
        other = optim.Adam(nn.Linear(2, 1).parameters())
        other.load_state_dict(loaded["optimizer"])
        assert other.param_groups[0]["lr"] == 0.5
        assert list(other.state.values())[0]["step"] == 1

    def test_one_tensor_and_files_in_memory(self, tmp_path):
        buffer = io.BytesIO()
        tinytorch.save(Tensor([1.5]), buffer)
        buffer.seek(0)
        assert tinytorch.load(buffer).tolist() == [1.5]
        tinytorch.save([nn.Parameter([2.0]), Tensor(3)], tmp_path / "list")
        first, second = tinytorch.load(tmp_path / "list")
        assert isinstance(first, nn.Parameter) and second.item() == 3

    def test_two_names_of_one_place_do_not_meet(self, tmp_path):
        tinytorch.save({"a": {"b": Tensor([1])}, "a.b": Tensor([2]), "c": 0}, tmp_path / "f")
        loaded = tinytorch.load(tmp_path / "f")
        assert loaded["a"]["b"].tolist() == [1] and loaded["a.b"].tolist() == [2]

    def test_pickles_are_refused_in_one_sentence(self, tmp_path):
        (tmp_path / "old.pt").write_bytes(pickle.dumps([1], protocol=2))
        (tmp_path / "new.pt").write_bytes(b"PK\x03\x04" + b"0" * 40)
        for name in ("old.pt", "new.pt"):
            told = raised(ValueError, tinytorch.load, tmp_path / name)
            assert (
                told.startswith(f"{name} was written by PyTorch's save") and "safetensors" in told
            )

    @pytest.mark.parametrize("dtype", ["float16", "int16", "int8", "uint16", "uint32"])
    def test_small_dtypes_come_back_as_they_were(self, tmp_path, dtype):
        small, large = np.array([1, 2], dtype), np.array([0.1])
        tensors = {"small": tinytorch.from_numpy(small), "large": tinytorch.from_numpy(large)}
        for thing in (tensors, {"state": tensors}):
            tinytorch.save(thing, tmp_path / "f")
            found = tinytorch.load(tmp_path / "f")
            found = found.get("state", found)
            for name, array in (("small", small), ("large", large)):
                assert found[name].dtype == array.dtype and found[name].tolist() == array.tolist()
        assert tinytorch.io.load_safetensors(tmp_path / "f")["state.small"].tolist() == [1, 2]

    def test_a_model_of_halves_comes_back(self, tmp_path):
        model = nn.Linear(2, 3).half()
        tinytorch.save(model.state_dict(), tmp_path / "f")
        other = nn.Linear(2, 3).half()
        other.load_state_dict(tinytorch.load(tmp_path / "f"))
        assert other.weight.dtype == np.float16
        assert other.weight.tolist() == model.weight.tolist()

    def test_what_cannot_be_saved(self, tmp_path):
        for dtype in ("uint64", "complex64"):
            odd = {"a": np.ones(1, dtype), "b": np.ones(1, np.float16)}
            assert f"a is {dtype}" in raised(TypeError, tinytorch.save, odd, tmp_path / "f")
        told = raised(TypeError, tinytorch.save, nn.ReLU(), tmp_path / "f")
        assert "save model.state_dict()" in told
        assert "no function at a.1" in raised(
            TypeError, tinytorch.save, {"a": [0, raised]}, tmp_path / "f"
        )
        assert not list(tmp_path.iterdir())

    def test_damage_is_told(self, tmp_path):
        path = tmp_path / "f"
        tinytorch.save({"a": [Tensor([1])]}, path)
        path.write_bytes(path.read_bytes().replace(b'\\"a.0\\"}', b'\\"b.0\\"}'))
        assert "is damaged: its outline" in raised(ValueError, tinytorch.load, path)
        path.write_bytes(b"nonsense")
        raised(ValueError, tinytorch.load, path)
        raised(FileNotFoundError, tinytorch.load, tmp_path / "gone")

    def test_nothing_but_json_is_in_the_file(self, tmp_path):
        tinytorch.save({"a": 1}, tmp_path / "f")
        data = (tmp_path / "f").read_bytes()
        assert json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]


class TestOtherLibraries:
    def test_numpy_shares_memory(self):
        array = np.zeros(3)
        t = tinytorch.from_numpy(array)
        array[0] = 5
        t[1] = 6
        assert t.tolist() == [5, 6, 0] == array.tolist()
        assert np.asarray(t) is array or np.shares_memory(np.asarray(t), array)

    def test_dlpack_shares_memory(self):
        t = Tensor([1.0, 2.0])
        array = np.from_dlpack(t)
        t[0] = 9
        assert array.tolist() == [9, 2] and t.__dlpack_device__() == (1, 0)
        back = tinytorch.from_dlpack(t)
        assert np.shares_memory(back.array, t.array)
        assert "knows DLPack, not list" in raised(TypeError, tinytorch.from_dlpack, [1])
        assert "detach()" in raised(RuntimeError, leaf([1.0]).__dlpack__)

    def test_pytorch_and_back(self):
        torch = pytest.importorskip("torch")
        t = leaf([[1.0, 2.0]])
        there = tinytorch.to_torch(t)
        assert there.requires_grad and there.tolist() == [[1, 2]]
        with torch.no_grad():
            there[0, 0] = 7
        assert t.tolist() == [[7, 2]]
        back = tinytorch.from_torch(there)
        assert back.requires_grad and back.tolist() == [[7, 2]]
        assert tinytorch.from_torch(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32
        assert torch.from_dlpack(Tensor([3])).tolist() == [3]
        assert tinytorch.to_torch(from_numpy(np.arange(3.0)[::-1])).tolist() == [2, 1, 0]
        assert tinytorch.to_torch(Tensor([1]).expand(2)).tolist() == [1, 1]
        told = raised(TypeError, tinytorch.from_torch, np.ones(2))
        assert told == "from_torch takes a tensor of PyTorch, not ndarray"

    def test_torch_is_imported_only_when_called(self):
        code = "import sys, tinytorch; tinytorch.to_torch; tinytorch.from_torch; "
        code += "print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == "False\n", done.stderr


class TestDevicesAndSwitches:
    def test_there_is_the_cpu_alone(self):
        device = tinytorch.device("cuda" if tinytorch.cuda.is_available() else "cpu")
        model = nn.Linear(2, 2).to(device)
        x = tinytorch.zeros(1, 2, device=device)
        assert model(x.to(device)).device.type == "cpu" and device == "cpu"
        assert isinstance(device, tinytorch.device) and repr(device) == "device(type='cpu')"
        assert tinytorch.device("cuda:1").index == 1
        with tinytorch.device("cpu"):
            tinytorch.set_default_device("cpu")
        for refused in (
            lambda: x.to("cuda"), lambda: x.cuda(), lambda: model.cuda(), lambda: model.to("mps"),
            lambda: tinytorch.zeros(2, device="cuda:0"), lambda: tinytorch.device("mars"),
            lambda: tinytorch.set_default_device("cuda"), lambda: x.xpu(),
            tinytorch.device("cuda").__enter__,
        ):  # fmt: skip
            raised(ValueError, refused)
        assert not (tinytorch.backends.mps.is_available() or tinytorch.xpu.is_available())
        assert tinytorch.version.cuda is None and tinytorch.accelerator.device_count() == 0
        tinytorch.backends.cuda.matmul.allow_tf32 = True
        tinytorch.backends.cudnn.benchmark = True
        tinytorch.cuda.manual_seed_all(3)
        assert "has no 'matmull' here" in raised(
            AttributeError, getattr, tinytorch.backends.cuda, "matmull"
        )
        raised(RuntimeError, tinytorch.distributed.init_process_group, backend="nccl")
        raised(RuntimeError, tinytorch.cuda.get_device_name)

    def test_switches_that_change_nothing(self):
        model = nn.Linear(2, 2)
        assert tinytorch.compile(model) is model and model.compile() is None

        @tinytorch.compile(mode="max-autotune")
        def double(x):
            return 2 * x

        @tinytorch.jit.script
        def triple(x):
            return 3 * x

        assert double(2) == 4 and triple(2) == 6
        tinytorch.set_float32_matmul_precision("high")
        raised(ValueError, tinytorch.set_float32_matmul_precision, "low")
        tinytorch.use_deterministic_algorithms(True)
        with tinytorch.autocast(device_type="cpu", dtype=tinytorch.bfloat16):
            assert (Tensor([1.0]) * 2).dtype == np.float32
        with pytest.warns(UserWarning, match="there is no cuda device"):
            tinytorch.amp.autocast("cuda")
        scaler = tinytorch.cuda.amp.GradScaler(enabled=False)
        assert scaler.scale(3) == 3 and not scaler.is_enabled()
        with pytest.warns(UserWarning, match="nothing is scaled"):
            tinytorch.amp.GradScaler()

    def test_kinds_of_number(self):
        kinds = {"float32": tinytorch.float32, "bfloat16": tinytorch.bfloat16}
        kinds["float16"] = tinytorch.float16
        assert repr(kinds["bfloat16"]) == "tinytorch.bfloat16"
        for use in (
            lambda: tinytorch.zeros(2, dtype=tinytorch.bfloat16),
            lambda: Tensor([1.0]).to(tinytorch.bfloat16),
            lambda: Tensor([1.0]).bfloat16(),
            lambda: nn.Linear(1, 1).bfloat16(),
        ):
            assert "bfloat16: " in raised(TypeError, use)
        assert tinytorch.int8 == np.int8 and tinytorch.int16 == np.int16
        assert math.isnan(tinytorch.nan) and tinytorch.Size([1, 2]) == (1, 2)
        assert tinytorch.get_default_dtype() == np.float32
        tinytorch.set_default_dtype(tinytorch.float32)
        raised(ValueError, tinytorch.set_default_dtype, tinytorch.float64)
        with np.printoptions():
            tinytorch.set_printoptions(sci_mode=False, precision=2, linewidth=120)
            assert np.get_printoptions()["suppress"] and np.get_printoptions()["linewidth"] == 120

    def test_generators(self):
        state = tinytorch.get_rng_state()
        first = tinytorch.rand(3).tolist()
        tinytorch.set_rng_state(state)
        assert tinytorch.rand(3).tolist() == first
        tinytorch.manual_seed(tinytorch.seed())
        assert isinstance(tinytorch.initial_seed(), int)
        g = tinytorch.Generator(device="cpu").manual_seed(4)
        state = g.get_state()
        draw = tinytorch.randn((2, 2), generator=g).tolist()
        assert tinytorch.randn((2, 2), generator=g.set_state(state)).tolist() == draw
        assert g.initial_seed() == 4 and isinstance(g.seed(), int)
        raised(ValueError, tinytorch.Generator, device="cuda")
        told = raised(TypeError, tinytorch.multinomial, tinytorch.ones(2), 1, g)
        assert "generator=" in told

    def test_what_a_tensor_does_not_do(self):
        x = Tensor([[1.0]])
        raised(RuntimeError, x.register_hook, print)
        for name in ("squeeze_", "unsqueeze_", "t_", "transpose_"):
            assert "without the _" in raised(NotImplementedError, getattr(x, name), 0)
        assert "x.unfold" in raised(NotImplementedError, x.as_strided, (2,), (1,))
        assert x.share_memory_() is x and x.pin_memory() is x
        from tinytorch.nn.parallel import DistributedDataParallel

        raised(RuntimeError, DistributedDataParallel, nn.ReLU())


class TestWrites:
    """A write is recorded nowhere: right without a gradient, refused where one would be lost."""

    WRITES = (
        lambda t: t.add_(1.0), lambda t: t.mul_(2.0), lambda t: t.masked_fill_(t > 0, 0.0),
        lambda t: t.zero_(), lambda t: t.copy_(Tensor([5.0, 6.0])), lambda t: t.fill_(3.0),
        lambda t: t.uniform_(), lambda t: t.normal_(), lambda t: t.__setitem__(0, 1.0),
        lambda t: t.exp_(), lambda t: t.clamp_(0, 1), lambda t: t.index_fill_(0, Tensor([0]), 2.0),
        lambda t: t.scatter_(0, Tensor([0]), 9.0), lambda t: t.bernoulli_(0.5), lambda t: t.relu_(),
        lambda t: t.index_put_((Tensor([0]),), Tensor([1.0])), lambda t: t.pow_(2),
    )  # fmt: skip

    @pytest.mark.parametrize("write", WRITES)
    def test_refused_for_leaves_and_through_views(self, write):
        t = leaf([1.5, 2.0])
        told = raised(RuntimeError, write, t)
        assert "is not recorded" in told and t.tolist() == [1.5, 2.0]
        result = t * 1.0
        for hidden in (result, view := result.view(2)):
            told = raised(RuntimeError, write, hidden)
            assert "is not recorded" in told and "use " in told
            assert result.tolist() == view.tolist() == [1.5, 2.0]

    def test_a_result_becomes_the_result_of_one_more_step(self):
        x = leaf([1.0, -2.0, 3.0])
        y = x * 2
        y.retain_grad()
        assert y.masked_fill_(y < 0, 0.0) is y and y.tolist() == [2, 0, 6]
        y.add_(1).mul_(Tensor([1.0, 2.0, 3.0]))
        y.sum().backward()
        assert x.grad.tolist() == [2, 0, 6] and y.grad.tolist() == [1, 1, 1]

    def test_what_was_saved_before_stays_right(self):
        x = leaf([0.5, 1.0])
        y = x.tanh()  # its slope needs its result
        y.add_(1.0)
        y.sum().backward()
        np.testing.assert_allclose(x.grad.array, 1 - np.tanh([0.5, 1.0]) ** 2, rtol=1e-6)
        x, saved = leaf([0.5, 1.0]), []
        y = x * 1
        saved.append(y * y)  # this one holds the numbers of y
        assert "a saved gradient looks" in raised(RuntimeError, y.add_, 1.0)

    def test_shapes_and_kinds_stay(self):
        y = leaf([1.0, 2.0]) * 1
        raised(ValueError, y.add_, tinytorch.ones(2, 2))
        assert y.add_(Tensor([1], dtype=np.float64)).dtype == np.float32
        ids = Tensor([1, 2])
        raised(TypeError, ids.mul_, leaf([0.5, 0.5]))

    @pytest.mark.parametrize("write", WRITES)
    def test_allowed_under_no_grad_and_noticed_by_the_walk(self, write):
        t = leaf([1.5, 2.0])
        loss = (t * t).sum()
        with tinytorch.no_grad():
            write(t)
        assert "was written into after it was used" in raised(RuntimeError, loss.backward)
        assert t.is_leaf and t.requires_grad

    def test_a_value_that_wants_a_gradient_is_refused_too(self):
        for write in (
            lambda t, w: t.copy_(w),
            lambda t, w: t[:1].add_(w[:1]), lambda t, w: t.view(2).mul_(w),
        ):  # fmt: skip
            raised(RuntimeError, write, Tensor([1.0, 2.0]), leaf([3.0, 4.0]))

    def test_the_recorded_form_of_an_assignment(self):
        w = leaf([3.0, 4.0])
        t = Tensor([1.0, 1.0, 1.0]).index_put((Tensor([0, 2]),), w)
        (t * Tensor([1.0, 10.0, 100.0])).sum().backward()
        assert w.grad.tolist() == [1, 100] and t.tolist() == [3, 1, 4]

    def test_setting_requires_grad_and_data(self):
        p = Tensor([1.0, 2.0])
        p.requires_grad = True
        (p * 3).sum().backward()
        p.data += -0.5 * p.grad
        assert p.tolist() == [-0.5, 0.5] and p.is_leaf and p.requires_grad
        p.grad = None
        (p * 3).sum().backward()
        assert p.grad.tolist() == [3, 3]

    def test_detach_in_place(self):
        x = leaf([1.0])
        y = (x * 2).detach_()
        assert not y.requires_grad and y.is_leaf


class TestModules:
    def test_the_course_s_layers_are_instances_too(self):
        from tinytorch import layers, optimizers, transformers

        assert isinstance(layers.Dropout(0.1), nn.Dropout)
        assert isinstance(transformers.LayerNorm(3), nn.LayerNorm)
        assert isinstance(layers.Linear(1, 1).weight, nn.Parameter)
        assert isinstance(nn.LayerNorm(3), transformers.LayerNorm)
        assert not isinstance(layers.ReLU(), nn.Dropout) and issubclass(layers.Linear, nn.Linear)
        assert isinstance(optimizers.AdamW([leaf([1.0])]), optim.Adam)

        class Mine(nn.LayerNorm):
            pass

        assert isinstance(Mine(3), nn.LayerNorm) and not isinstance(nn.LayerNorm(3), Mine)

    def test_parameters_are_made_of_anything(self):
        w = leaf([[1.0, 2.0], [3.0, 4.0]])
        cut = nn.Parameter(w[:1])
        assert cut.is_leaf and cut.requires_grad and cut.shape == (1, 2)
        assert not nn.Parameter(np.ones(2), requires_grad=False).requires_grad

    def test_a_tree_is_asked_by_name(self):
        model = nn.Sequential(nn.Linear(2, 3), nn.ModuleDict({"norm": nn.BatchNorm1d(3)}))
        assert model.get_submodule("1.norm") is model[1]["norm"]
        assert model.get_parameter("0.weight") is model[0].weight
        assert model.get_buffer("1.norm.running_mean").tolist() == [0, 0, 0]
        for get, name in (("submodule", "2"), ("parameter", "0.w"), ("buffer", "0.weight")):
            assert "has no" in raised(AttributeError, getattr(model, f"get_{get}"), name)
        model.register_parameter("scale", nn.Parameter([1.0]))
        model.register_parameter("none", None)
        model.register_module("last", nn.ReLU())
        assert "scale" in dict(model.named_parameters()) and model.none is None
        raised(TypeError, model.register_parameter, "x", Tensor([1.0]))
        assert model.type(np.float64).get_parameter("scale").dtype == np.float64
        assert model.half().scale.dtype == np.float16 and model.share_memory() is model

    def test_lists_change(self):
        parts = nn.ModuleList([nn.ReLU(), nn.Tanh()])
        parts.insert(1, nn.Sigmoid())
        assert [type(m).__name__ for m in parts] == ["ReLU", "Sigmoid", "Tanh"]
        assert isinstance(parts.pop(0), nn.ReLU) and len(parts) == 2

    @pytest.mark.parametrize("kind", [nn.Sequential, lambda *parts: nn.ModuleList(parts)])
    def test_a_shared_layer_is_one_child_and_has_several_places(self, kind):
        a, b = nn.Linear(1, 1, bias=False), nn.ReLU()
        model = kind(a, b, a)
        assert [*model.children()] == [a, b]
        assert [*model] == [a, b, a] and len(model) == 3 and model[-1] is a
        assert [*model[1:]] == [b, a] and len(model.state_dict()) == 2
        model.insert(1, a)
        assert [*model] == [a, a, b, a] and model.pop() is a
        del model[0]
        model.append(b)
        assert [*model] == [a, b, b]
        calls = []
        b.register_forward_hook(lambda *_: calls.append(1))
        nn.Sequential(*model)(tinytorch.ones(1, 1))
        assert len(calls) == 2

    def test_a_dictionary_of_modules_counts_names(self):
        a = nn.ReLU()
        named = nn.ModuleDict({"x": a, "y": a})
        assert len(named) == 2 and [*named.values()] == [a, a] and [*named.children()] == [a]

    def test_a_hook_before_forward(self):
        layer, seen = nn.Identity(), []
        first = layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].item()))
        second = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
        assert layer(Tensor([3.0])).tolist() == [6] and seen == [3]
        first.remove()
        assert layer(Tensor([3.0])).tolist() == [6] and seen == [3]
        second.remove()
        second.remove()
        assert layer(Tensor([3.0])).tolist() == [3] and seen == [3]
        assert "forward" not in vars(layer)

    def test_a_hook_may_take_itself_away(self):
        layer, seen = nn.Identity(), []
        handle = layer.register_forward_pre_hook(lambda *told: seen.append(1) or handle.remove())
        assert [layer(Tensor([3.0])).item() for _ in range(2)] == [3, 3] and seen == [1]

    def test_the_last_hook_gives_back_the_forward_that_was_there(self):
        layer = nn.Identity()
        layer.forward = doubled = lambda x: 2 * x
        for register in (layer.register_forward_pre_hook, layer.register_full_backward_hook):
            handle = register(lambda *told: None)
            assert layer(Tensor([3.0])).tolist() == [6]
            handle.remove()
            assert layer.forward is doubled

    def test_a_hook_that_wants_the_named_inputs_leaves_nothing_behind(self):
        class Shifted(nn.Module):
            def forward(self, x, by=0.0):
                return x + by

        layer, seen = Shifted(), []
        told = lambda module, args, kwargs, result: seen.append(kwargs)  # noqa: E731
        handle = layer.register_forward_hook(told, with_kwargs=True)
        layer(Tensor([3.0]), by=2.0)
        handle.remove()
        layer(Tensor([3.0]), by=4.0)
        assert seen == [{"by": 2.0}] and "forward" not in vars(layer)

    def test_cross_entropy_where_the_classes_could_be_anywhere(self):
        from tinytorch.nn import functional as F

        told = raised(ValueError, F.cross_entropy, tinytorch.ones(2, 3, 3), Tensor([[0] * 3] * 2))
        assert "may be dimension 1 or the last one" in told
        last, ids = tinytorch.randn(2, 5, 3), Tensor([[0, 1, 2, 0, 1]] * 2)
        second = F.cross_entropy(last.permute(0, 2, 1), ids)
        assert F.cross_entropy(last, ids).item() == pytest.approx(second.item())

    def test_deep_copies_are_independent(self):
        model = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        twin = copy.deepcopy(model)
        with tinytorch.no_grad():
            twin[0].weight.add_(1.0)
        assert not tinytorch.equal(model[0].weight, twin[0].weight)

    def test_rows_written_one_by_one_cost_a_row_each_in_backward(self):
        w, h = tinytorch.randn(16, 16).requires_grad_(), tinytorch.ones(16, 16)
        out = tinytorch.zeros(300, 16, 16)
        for t in range(300):
            h = (h @ w).tanh()
            out[t] = h
        tracemalloc.start()
        out.sum().backward()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 20 * out.array.nbytes, f"{most} bytes for {out.array.nbytes}"

    def test_vectors_of_parameters(self):
        model = nn.Linear(2, 1)
        flat = nn.utils.parameters_to_vector(model.parameters())
        nn.utils.vector_to_parameters(flat * 0 + 2, model.parameters())
        assert model.weight.tolist() == [[2, 2]] and model.bias.tolist() == [2]
        raised(ValueError, nn.utils.vector_to_parameters, flat[:1], model.parameters())
        model(Tensor([[5.0, -5.0]])).sum().backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        assert model.weight.grad.tolist() == [[0.5, -0.5]]


class TestOptimizers:
    @pytest.mark.parametrize(
        "kind",
        ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam"],
    )
    def test_maximize_walks_uphill_and_a_misspelt_setting_is_refused(self, kind):
        p = leaf([1.0, 2.0])
        optimizer = getattr(optim, kind)([p], lr=0.1, maximize=True)
        (p * p).sum().backward()
        optimizer.step()
        assert (p.detach().array > [1, 2]).all()
        with pytest.raises(TypeError, match="maximise"):
            getattr(optim, kind)([p], lr=0.1, maximise=True)

    @pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW])
    def test_further_arguments(self, kind):
        w = leaf([1.0])
        optimizer = kind([w], lr=0.1, maximize=True, foreach=False, fused=None)
        (w * 2).sum().backward()
        optimizer.step()
        assert w.item() > 1 - 1e-2 and w.item() != 1
        assert "is not supported" in raised(ValueError, kind, [w], differentiable=True)

    def test_a_closure(self):
        w = leaf([1.0])
        optimizer = optim.SGD([w], lr=0.1)

        def closure():
            optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == 1 and w.item() == pytest.approx(0.8)
        assert optimizer.step() is None


class TestLoaders:
    data = TensorDataset(Tensor([[0], [1], [2], [3], [4]]))

    def drawn(self, **settings):
        return [batch[0].reshape(-1).tolist() for batch in DataLoader(self.data, **settings)]

    def test_plain(self):
        assert self.drawn(batch_size=2) == [[0, 1], [2, 3], [4]]
        assert self.drawn(batch_size=2, drop_last=True, num_workers=2, pin_memory=True)[-1] == [
            2,
            3,
        ]
        assert sorted(sum(self.drawn(batch_size=2, shuffle=True), [])) == [0, 1, 2, 3, 4]
        assert (
            len(DataLoader(self.data, 2)) == 3 and len(DataLoader(self.data, batch_size=None)) == 5
        )
        assert self.drawn(batch_size=None) == [[0], [1], [2], [3], [4]]

    def test_samplers(self):
        g = tinytorch.Generator().manual_seed(0)
        assert self.drawn(sampler=[4, 2], batch_size=2) == [[4, 2]]
        assert self.drawn(batch_sampler=[[1], [2, 0]]) == [[1], [2, 0]]
        assert sorted(SubsetRandomSampler([3, 1], g)) == [1, 3]
        assert set(WeightedRandomSampler([0, 1, 0], 9, generator=g)) == {1}
        assert list(BatchSampler(range(5), 2, False)) == [[0, 1], [2, 3], [4]]
        assert list(BatchSampler(range(5), 2, True)) == [[0, 1], [2, 3]]
        endless = RandomSampler(self.data, replacement=True, num_samples=int(1e10))
        loader = iter(DataLoader(self.data, sampler=endless, batch_size=3))
        assert len(endless) == 10**10 and next(loader)[0].shape == (3, 1)
        assert sorted(RandomSampler(self.data, generator=g)) == [0, 1, 2, 3, 4]
        assert len(list(RandomSampler(self.data, num_samples=3))) == 3
        told = raised(ValueError, DataLoader, self.data, shuffle=True, sampler=[1])
        assert "leave shuffle out" in told

    def test_streams_and_chains(self):
        class Count(IterableDataset):
            def __iter__(self):
                return iter(range(5))

        assert [b.tolist() for b in DataLoader(Count(), batch_size=2)] == [[0, 1], [2, 3], [4]]
        both = ConcatDataset(["ab", "c"])
        assert [both[i] for i in range(3)] == ["a", "b", "c"] and both[-1] == "c"
        raised(IndexError, both.__getitem__, 3)


def test_assert_close():
    close = tinytorch.testing.assert_close
    close(Tensor([1.0]), Tensor([1.0 + 1e-6]))
    close([1, {"a": 2}["a"]], [1, 2])
    close({"a": Tensor([1])}, {"a": Tensor([1])})
    close(Tensor([math.nan]), Tensor([math.nan]), equal_nan=True)
    for a, b, told in (
        (Tensor([1.0, 2.0]), Tensor([1.0, 2.1]), "1 of 2 numbers differ, most at [1]"),
        (Tensor([1.0]), Tensor([1]), "the dtypes differ"),
        (Tensor([1.0]), Tensor([[1.0]]), "the shapes differ"),
        ([1], [1, 2], "the lengths differ"),
        ({"a": 1}, {"b": 1}, "the keys differ"),
        (Tensor([math.nan]), Tensor([math.nan]), "1 of 1"),
    ):
        assert told in raised(AssertionError, close, a, b)
    raised(ValueError, close, 1, 1, rtol=1.0)


def test_the_import_lines_of_a_program():
    code = """
import tinytorch as torch
import tinytorch.nn as nn
import tinytorch.nn.functional as F
import tinytorch.optim as optim
from tinytorch import Tensor, nn, optim, tensor
from tinytorch.amp import GradScaler, autocast
from tinytorch.cuda.amp import autocast
import tinytorch.backends.cudnn as cudnn
from tinytorch.distributions.normal import Normal
from tinytorch.nn import functional as F, Parameter, init
from tinytorch.nn.parallel import DistributedDataParallel as DDP
from tinytorch.nn.utils import clip_grad_norm_
from tinytorch.optim import AdamW, lr_scheduler
from tinytorch.optim.lr_scheduler import LambdaLR, StepLR
from tinytorch.utils.data import DataLoader, Dataset, TensorDataset, random_split
from tinytorch.utils.data.dataloader import DataLoader
print(torch.nn is nn, torch.utils.data.Dataset is Dataset, torch.autograd.grad is torch.grad)
print(cudnn is torch.backends.cudnn, Normal is torch.distributions.Normal)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "True True True\nTrue True\n", done.stderr


class TestStepsOfOnesOwn:
    def test_a_function_with_too_few_gradients(self):
        class Half(tinytorch.autograd.Function):
            @staticmethod
            def forward(ctx, x, y):
                return x * y

            @staticmethod
            def backward(ctx, g):
                return g

        result = Half.apply(leaf([1.0]), leaf([2.0]))
        told = raised(RuntimeError, result.sum().backward)
        assert "Half.backward gave 1 gradients for 2 arguments" in told

    def test_what_a_function_saved_is_watched(self):
        class Squared(tinytorch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                return 2 * ctx.saved_tensors[0] * g

        x = leaf([1.0, 2.0])
        result = Squared.apply(x)
        with tinytorch.no_grad():
            x.add_(1)
        assert "was written into" in raised(RuntimeError, result.sum().backward)
        assert not Squared.apply(Tensor([3.0])).requires_grad
        with tinytorch.no_grad():
            assert not Squared.apply(x).requires_grad

    def test_a_hook_on_a_result_sees_all_of_its_gradient(self):
        x, seen = leaf([1.0, 2.0]), []
        y = x * 3
        early = (y * y).sum()
        handle = y.register_hook(lambda g: seen.append(g.tolist()))
        y.register_hook(lambda g: g * 10)
        (early + y.sum()).backward(retain_graph=True)
        assert seen == [[7.0, 13.0]] and x.grad.tolist() == [210.0, 390.0]
        handle.remove()
        (early + y.sum()).backward()
        assert len(seen) == 1

    def test_a_write_into_a_part_is_recorded_but_not_under_a_view(self):
        x = leaf([1.0, 2.0, 3.0])
        y = x * 2
        y[1] = x[0] * 5
        y[2] *= 3
        y.sum().backward()
        assert y.tolist() == [2.0, 5.0, 18.0] and x.grad.tolist() == [7.0, 0.0, 6.0]
        z = x * 2
        view = z[:2]
        assert "is not recorded" in raised(RuntimeError, z.__setitem__, 0, 1.0)
        assert view.tolist() == [2.0, 4.0]
        assert "is not recorded" in raised(RuntimeError, x.__setitem__, 0, 1.0)

    @pytest.mark.parametrize("kind", [tinytorch.tensor, np.array, np.int64])
    def test_a_number_without_dimensions_picks_a_view(self, kind):
        x, i = tinytorch.zeros(2, 3), kind(1)
        x[i].fill_(1)
        x[:, i].fill_(2)
        x[i, 2:].fill_(3)
        x[..., i, None].add_(2)
        assert x.tolist() == [[0, 4, 0], [1, 4, 3]]
        w = leaf([[1.0, 2.0], [3.0, 4.0]])
        w.sum().backward()
        w.grad[i].zero_()
        assert w.grad.tolist() == [[1, 1], [0, 0]]

    def test_counting_pairs_of_ids(self):
        ids, counts = tinytorch.tensor([0, 1, 1, 0]), tinytorch.zeros(2, 2)
        for a, b in zip(ids, ids[1:]):
            counts[a][b] += 1
        assert counts.tolist() == [[0, 1], [1, 1]]
        masks = tinytorch.tensor(True), tinytorch.tensor(0, dtype=tinytorch.uint8)
        assert [counts[m].shape for m in masks] == [(1, 2, 2), (0, 2, 2)]

    @pytest.mark.parametrize("pick", [[1, 0], tinytorch.tensor([1, 0])])
    def test_what_a_list_picks_lies_in_reading_order(self, pick):
        x = tinytorch.arange(6.0).reshape(2, 3).requires_grad_()
        y = x[:, pick].view(-1)
        y.backward(tinytorch.tensor([1.0, 2.0, 3.0, 4.0]))
        assert y.tolist() == [1, 0, 4, 3] and x.grad.tolist() == [[2, 1, 0], [4, 3, 0]]
        assert x.T[pick].is_contiguous() and not x.T[1:].is_contiguous()

    def test_windows_are_a_view_that_is_not_written(self):
        x = tinytorch.arange(12.0).reshape(3, 4)
        windows = x.T.unfold(0, 3, 1)  # (2, 3, 3)
        assert windows[1].tolist() == [[1, 2, 3], [5, 6, 7], [9, 10, 11]]
        deeper = windows.unfold(1, 2, 1)
        x.fill_(9)
        assert (windows == 9).all() and (deeper == 9).all()
        for t in (windows, windows[0], deeper):
            assert "read-only view" in raised(ValueError, t.fill_, 1.0)
        y = leaf([1.0, 2.0, 3.0]) * 1
        windows = y.unfold(0, 2, 1)
        squares = (windows * windows).sum()
        assert "looks into these numbers" in raised(RuntimeError, y.__iadd__, 1.0)
        with tinytorch.no_grad():
            y.add_(1.0)
        assert windows.tolist() == [[2, 3], [3, 4]]
        assert "was written into" in raised(RuntimeError, squares.backward)

    @pytest.mark.parametrize(("size", "step"), [(1, 1), (3, 1), (2, 3), (3, 2), (7, 1), (0, 1)])
    def test_the_gradient_of_windows(self, size, step):
        x = tinytorch.randn(2, 7, 3, dtype=tinytorch.float64)
        assert tinytorch.autograd.gradcheck(lambda x: x.unfold(1, size, step).exp(), x)

    def test_where_nothing_is_joined_flatten_gives_the_tensor_itself(self):
        rows = tinytorch.ones(2, 3)
        assert rows.flatten(1) is rows and nn.Flatten()(rows) is rows
        assert [t.shape for t in (rows.flatten(), rows[0, 0].flatten())] == [(6,), (1,)]
        w = leaf([1.0, 2.0]).flatten()
        w.sum().backward()
        assert w.grad.tolist() == [1, 1]

    def test_broadcast_to_takes_the_sizes_one_by_one_too(self):
        x = tinytorch.tensor([1, 2])
        for y in (x.broadcast_to(2, 2), x.broadcast_to((2, -1)), x.broadcast_to(size=(2, 2))):
            assert y.tolist() == [[1, 2], [1, 2]]

    @pytest.mark.parametrize("sign", ["+=", "-=", "*=", "/="])
    def test_an_augmented_assignment_changes_the_tensor_itself(self, sign):
        x = leaf([1.0, 2.0])
        names = {"y": x * 2, "x": x}
        square = names["y"] * names["y"]  # what it was before stays in the graph
        names["b"] = names["y"]
        exec(f"y {sign} x", {}, names)
        assert names["b"] is names["y"] and square.tolist() == [4, 16]
        expected = {"+=": [3, 6], "-=": [1, 2], "*=": [2, 8], "/=": [2, 2]}[sign]
        assert names["b"].tolist() == expected
        (names["b"].sum() + square.sum()).backward()
        slope = {"+=": [3, 3], "-=": [1, 1], "*=": [4, 8], "/=": [0, 0]}[sign]
        assert x.grad.tolist() == [8 + slope[0], 16 + slope[1]]

    def test_an_augmented_assignment_under_a_view(self):
        x = leaf([1.0, 2.0])
        z = x * 2
        view = z[:1]
        told = raised(RuntimeError, z.__iadd__, x)
        assert told.startswith("+=: another tensor looks into these numbers")
        assert view.tolist() == [2.0] and z.tolist() == [2.0, 4.0]
        total = tinytorch.zeros(2)
        rows = total[:1]
        assert "another tensor" in raised(RuntimeError, total.__iadd__, x * 2)
        assert rows.tolist() == [0.0] and not total.requires_grad
        ids = tinytorch.tensor([1, 2])
        assert raised(TypeError, ids.__imul__, x) == (
            "*=: the result is float32 and does not fit int64: use a new name for the result"
        )
        assert raised(TypeError, ids.sqrt_).endswith("does not fit int64: use t.sqrt(...)")
        h = nn.Linear(2, 2)(tinytorch.ones(3, 2))  # itself a view, of its own making
        first = h[0]
        assert "another tensor" in raised(RuntimeError, h.__iadd__, 1.0) and first.requires_grad
        layer = nn.Linear(2, 2)
        h = layer(tinytorch.ones(3, 2))
        h[1] += 1.0
        h[...] += 1.0
        h.sum().backward()
        moved = h.detach() - layer(tinytorch.ones(3, 2)).detach()
        assert tinytorch.allclose(moved, tinytorch.tensor([[1.0], [2.0], [1.0]]))

    @pytest.mark.parametrize("sign", ["+=", "-=", "*=", "/="])
    def test_an_augmented_assignment_of_a_view_with_a_name(self, sign):
        """PyTorch would change the whole tensor, too; what it holds must not stay behind unsaid."""
        names = {"y": leaf([1.0, 2.0]) * 2}
        names |= {"view": names["y"].view(2), "rows": [names["y"][:1]]}
        for target in ("view", "rows[0]"):
            with pytest.raises(RuntimeError, match="another tensor looks into these numbers"):
                exec(f"{target} {sign} 3", {}, names)
        names["y"] = names["y"].view(1, 2)  # the view has taken the name
        del names["view"], names["rows"]
        exec(f"y {sign} 3", {}, names)
        expected = {"+=": [5, 7], "-=": [-1, 1], "*=": [6, 12], "/=": [2 / 3, 4 / 3]}[sign]
        assert names["y"].tolist() == [pytest.approx(expected)]

    def test_whole_numbers_divided_by_zero(self):
        for step in ("__floordiv__", "__mod__"):
            told = raised(ZeroDivisionError, getattr(tinytorch.tensor([1, 2]), step), 0)
            assert "whole numbers divided by 0" in told
        assert (tinytorch.tensor([5, -5]) // 2).tolist() == [2, -3]

    def test_a_parameter_shares_its_numbers(self):
        numbers = tinytorch.ones(2)
        p = nn.Parameter(numbers)
        numbers[0] = 5
        assert p.tolist() == [5.0, 1.0] and p.is_leaf and nn.Parameter(leaf([1.0]) * 2).is_leaf

    def test_modules_as_lists_and_iterators(self):
        model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        parts = model.children()
        assert next(parts) is model[0] and next(parts) is model[1]
        assert [len(model.children()), next(model.named_modules())[0]] == [2, ""]
        assert model.named_parameters(recurse=False) == []
        assert [n for n, _ in model[0].named_parameters("a", recurse=False)] == [
            "a.weight",
            "a.bias",
        ]
        del model[0]
        model += [nn.Tanh()]
        assert len(model) == 2 and isinstance(model[1], nn.Tanh)
        chosen = nn.ModuleDict({"a": nn.ReLU()})
        chosen.update({"b": nn.Tanh(), "a": nn.Tanh()})
        assert isinstance(chosen.pop("a"), nn.Tanh) and list(chosen) == ["b"]
        with pytest.raises(KeyError):
            chosen["a"]

    def test_a_layer_of_nothing(self):
        assert nn.Linear(0, 3)(tinytorch.zeros(2, 0)).tolist() == [[0.0] * 3] * 2
        assert nn.Linear(3, 2)(tinytorch.zeros(0, 3)).shape == (0, 2)

    def test_gradients_to_zeros(self):
        w = leaf([1.0])
        optimizer = optim.SGD([w], lr=0.1)
        (w * 2).sum().backward()
        optimizer.zero_grad(set_to_none=False)
        assert w.grad.tolist() == [0.0]

    def test_draws_repeat_with_the_seed(self):
        from tinytorch import distributions as d

        kinds = [d.Normal(0.0, 1.0), d.Categorical(tinytorch.ones(3)), d.Uniform(0.0, 2.0)]
        kinds += [d.Bernoulli(0.5), d.Exponential(2.0)]
        for kind in kinds:
            tinytorch.manual_seed(3)
            first = kind.sample((50,))
            tinytorch.manual_seed(3)
            assert first.shape == (50,) and first.tolist() == kind.sample((50,)).tolist()
            assert len(set(first.tolist())) > 1


class TestCausalHints:
    """A hint without the mask that it speaks of would let the model look ahead."""

    def test_refused_without_a_mask(self):
        x = tinytorch.zeros(3, 1, 8)
        layer, decoder = nn.TransformerEncoderLayer(8, 2, 16), nn.TransformerDecoderLayer(8, 2, 16)
        whole = nn.Transformer(8, 2, 1, 1, 16)
        for call in (
            lambda: layer(x, is_causal=True),
            lambda: nn.TransformerEncoder(layer, 1)(x, is_causal=True),
            lambda: decoder(x, x, tgt_is_causal=True),
            lambda: nn.TransformerDecoder(decoder, 1)(x, x, tgt_is_causal=True),
            lambda: decoder(x, x, memory_is_causal=True),
            lambda: whole(x, x, tgt_is_causal=True),
            lambda: whole(x, x, src_is_causal=True),
        ):
            with pytest.raises(ValueError, match="is a hint: give .*mask as well"):
                call()

    def test_beside_its_mask_it_changes_nothing(self):
        x, layer = tinytorch.rand(3, 1, 8), nn.TransformerEncoderLayer(8, 2, 16).eval()
        mask = nn.Transformer.generate_square_subsequent_mask(3)
        assert (layer(x, mask).array == layer(x, mask, is_causal=True).array).all()


def test_a_misspelt_setting_is_not_passed_over():
    """Of a loader it would change the batches, and of a comparison what passes."""
    with pytest.raises(TypeError, match="bacth_size"):
        tinytorch.utils.data.DataLoader([1, 2], bacth_size=2)
    with pytest.raises(TypeError, match="rtoll"):
        tinytorch.testing.assert_close(tinytorch.ones(1), tinytorch.zeros(1), rtoll=9)


def test_what_is_no_dtype_and_no_tensor():
    x = tinytorch.ones(2)
    for want in ("gpu", 5):
        told = raised(TypeError, x.to, want)
        assert told == (
            f"to: {want!r} is no dtype, such as tinytorch.float32, "
            "and no device: there is only 'cpu'"
        )
    assert raised(TypeError, tinytorch.equal, x, 1).endswith("not one with 1: use ==")


X = tinytorch.arange(6).float().reshape(2, 3)
PLACES = tinytorch.zeros(2, 3).long()
BESIDE = {  # what else these want
    "cat": {"tensors": [X, X]},
    "chunk": {"chunks": 2},
    "concat": {"tensors": [X, X]},
    "concatenate": {"tensors": [X, X]},
    "cosine_similarity": {"x2": X},
    "cross": {"other": X},
    "gather": {"index": PLACES},
    "index_add": {"index": PLACES[0], "source": X},
    "index_copy": {"index": PLACES[0], "source": X},
    "index_fill": {"index": PLACES[0], "value": 1.0},
    "index_select": {"index": PLACES[0]},
    "kthvalue": {"k": 1},
    "narrow": {"start": 0, "length": 1},
    "quantile": {"q": 0.5},
    "renorm": {"p": 2, "maxnorm": 1.0},
    "repeat_interleave": {"repeats": 2},
    "scatter": {"index": PLACES, "value": 1.0},
    "scatter_add": {"index": PLACES, "src": X},
    "scatter_reduce": {"index": PLACES, "src": X, "reduce": "sum"},
    "select": {"index": 0},
    "split": {"split_size": 1},
    "stack": {"tensors": [X, X]},
    "take_along_dim": {"indices": PLACES},
    "tensor_split": {"indices_or_sections": 2},
    "topk": {"k": 1},
    "unflatten": {"sizes": (2, 3)},
}


def along_a_dim():
    """The names of all functions with a `dim`: of tinytorch, then of tinytorch.nn.functional."""
    for home in (tinytorch, nn.functional):
        for name in home.__all__ if hasattr(home, "__all__") else dir(home):
            function = getattr(home, name)
            if inspect.isfunction(function) and "dim" in inspect.signature(function).parameters:
                yield pytest.param(function, id=f"{home.__name__}.{name}")


@pytest.mark.parametrize("function", [*along_a_dim()])
def test_a_dimension_that_is_not_there(function, request):
    name = request.node.callspec.id.rsplit(".", 1)[1]
    arguments = {"dim": 5, **BESIDE.get(name, {})}
    first = [] if "tensors" in arguments else [X]
    with pytest.raises(IndexError, match="dim 5 is out of range for"):
        function(*first, **arguments)


def test_what_holds_no_numbers_is_never_equal():
    x = tinytorch.ones(2)
    for other in (None, "a", [1, 1], (1, 1), {}):
        assert (x == other) is False and (x != other) is True and (other == x) is False
    assert (x == 1).tolist() == [True, True] and (x != x).tolist() == [False, False]


def test_datasets_in_annotations():
    from tinytorch.utils import data

    class Numbers(data.Dataset[int]):
        def __len__(self):
            return 2

        def __getitem__(self, n):
            return n

    assert isinstance(Numbers(), data.Dataset) and list(Numbers()) == [0, 1]
    assert all(kind[int] for kind in (data.IterableDataset, data.Sampler, data.DataLoader))


def test_a_step_size_may_be_a_whole_float():
    schedule = optim.lr_scheduler.StepLR(optim.SGD([leaf([1.0])], lr=1.0), 2.0, gamma=0.5)
    rates = []
    for _ in range(4):
        schedule.optimizer.step()
        schedule.step()
        rates += schedule.get_last_lr()
    assert rates == [1.0, 0.5, 0.5, 0.25]
    assert "not 1.5" in raised(ValueError, optim.lr_scheduler.StepLR, schedule.optimizer, 1.5)
