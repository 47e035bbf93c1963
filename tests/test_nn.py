"""tinytorch.nn: what PyTorch users expect there beyond the lessons."""

import math

import numpy as np
import pytest

from tinytorch import nn
from tinytorch.course import close
from tinytorch.nn import (
    Flatten,
    Identity,
    LogSoftmax,
    ModuleDict,
    Sigmoid,
    SiLU,
    Softmax,
    init,
)
from tinytorch.tensor import Generator, Parameter, Tensor, float32, float64, ones


def numbers(*shape):
    """An array of standard normal numbers."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def test_every_name_is_there():
    assert all(hasattr(nn, name) for name in nn.__all__)


class TestClipGradNorm:
    def leaf(self, *gradient):
        tensor = Tensor([0.0] * len(gradient), requires_grad=True)
        tensor.grad = Tensor(list(gradient))
        return tensor

    def test_it_is_the_one_of_the_course(self):
        a, b = self.leaf(3.0), self.leaf(4.0, 0.0)
        assert close(nn.utils.clip_grad_norm_((p for p in (a, b)), 1.0), 5)
        assert close(a.grad, [0.6], 1e-5)
        assert close(b.grad, [0.8, 0], 1e-5)

    @pytest.mark.parametrize("bad", [math.nan, math.inf])
    def test_error_if_nonfinite_changes_nothing(self, bad):
        x, y = self.leaf(5.0), self.leaf(bad)
        with pytest.raises(RuntimeError, match="holds inf or nan, .*: nothing was clipped"):
            nn.utils.clip_grad_norm_([x, y], 1.0, error_if_nonfinite=True)
        assert x.grad.tolist() == [5.0]

    def test_error_if_nonfinite_lets_good_ones_pass(self):
        x = self.leaf(5.0)
        assert close(nn.utils.clip_grad_norm_([x], 1.0, error_if_nonfinite=True), 5)


class TestModuleDict:
    def test_module_dict(self):
        parts = ModuleDict({"read": nn.Linear(2, 2), "bend": nn.ReLU()})
        parts["write"] = nn.Linear(2, 1)
        assert list(parts) == parts.keys() == ["read", "bend", "write"]
        assert parts.values() == [parts["read"], parts["bend"], parts["write"]]
        assert parts.items()[1] == ("bend", parts["bend"])
        assert len(parts) == 3
        assert "bend" in parts
        assert "other" not in parts
        assert list(parts.state_dict())[-1] == "write.bias"
        with pytest.raises(KeyError):
            parts["other"]

    @pytest.mark.parametrize("name", ["keys", "a.b", ""])
    def test_module_dict_refuses_names_that_break_it(self, name):
        with pytest.raises(ValueError, match=f"a part of ModuleDict cannot be called {name!r}"):
            ModuleDict({name: nn.ReLU()})


class TestActivationModules:
    @pytest.mark.parametrize(
        ("module", "function"),
        [
            (Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
            (SiLU(), lambda x: x / (1 + np.exp(-x))),
            (Softmax(), lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)),
            (Softmax(dim=0), lambda x: np.exp(x) / np.exp(x).sum(axis=0, keepdims=True)),
            (LogSoftmax(), lambda x: x - np.log(np.exp(x).sum(axis=-1, keepdims=True))),
            (LogSoftmax(dim=0), lambda x: x - np.log(np.exp(x).sum(axis=0, keepdims=True))),
            (Identity(3, name="any"), lambda x: x),
        ],
    )
    def test_the_function_as_a_module(self, module, function):
        x = numbers(4, 5)
        assert close(module(Tensor(x)), function(x))
        assert list(module.parameters()) == []

    def test_flatten(self):
        x = ones(2, 3, 4, 5)
        assert Flatten()(x).shape == (2, 60)
        assert Flatten(0)(x).shape == (120,)
        assert Flatten(1, 2)(x).shape == (2, 12, 5)

    def test_reprs(self):
        found = [repr(module) for module in (Softmax(1), LogSoftmax(), Flatten())]
        assert found == [
            "Softmax(dim=1)",
            "LogSoftmax(dim=None)",
            "Flatten(start_dim=1, end_dim=-1)",
        ]


class TestInit:
    @pytest.mark.parametrize(
        ("fill", "want"),
        [
            (init.zeros_, 0),
            (init.ones_, 1),
            (lambda t: init.constant_(t, -2.5), -2.5),
        ],
    )
    @pytest.mark.parametrize("dtype", [float32, float64])
    def test_constants_are_written_in_place(self, fill, want, dtype):
        weight = Parameter(Tensor(numbers(3, 2), dtype=dtype))
        memory = weight.array
        assert fill(weight) is weight
        assert weight.array is memory
        assert (memory == want).all()
        assert weight.requires_grad
        assert weight.is_leaf
        assert weight.version[0] > 0

    def test_normal_and_uniform(self):
        t = Parameter(np.zeros((100, 100)))
        init.normal_(t, 2.0, 0.5, Generator(0))
        assert t.array.mean() == pytest.approx(2, abs=0.02)
        assert t.array.std() == pytest.approx(0.5, abs=0.02)
        init.uniform_(t, 3.0, 5.0, Generator(0))
        assert 3 <= t.array.min() < 3.01
        assert 4.99 < t.array.max() <= 5

    @pytest.mark.parametrize(
        ("fill", "bound"),
        [
            (init.xavier_uniform_, math.sqrt(6 / 40)),
            (lambda t, **k: init.xavier_uniform_(t, 2.0, **k), 2 * math.sqrt(6 / 40)),
            (init.kaiming_uniform_, math.sqrt(6 / 10)),
            (lambda t, **k: init.kaiming_uniform_(t, math.sqrt(5), **k), math.sqrt(1 / 10)),
            (lambda t, **k: init.kaiming_uniform_(t, mode="fan_out", **k), math.sqrt(6 / 30)),
            (
                lambda t, **k: init.kaiming_uniform_(t, nonlinearity="linear", **k),
                math.sqrt(3 / 10),
            ),
            (
                lambda t, **k: init.kaiming_uniform_(t, nonlinearity="relu", **k),
                math.sqrt(6 / 10),
            ),
        ],
    )
    def test_bounds(self, fill, bound):
        t = Parameter(np.zeros((30, 10)))
        assert fill(t, generator=Generator(0)) is t
        assert 0.97 * bound < np.abs(t.array).max() <= bound * (1 + 1e-6)
        assert t.array.min() < 0 < t.array.max()

    @pytest.mark.parametrize(
        ("fill", "std"),
        [
            (init.xavier_normal_, math.sqrt(2 / 40)),
            (lambda t, **k: init.xavier_normal_(t, 2.0, **k), 2 * math.sqrt(2 / 40)),
            (init.kaiming_normal_, math.sqrt(2 / 10)),
            (lambda t, **k: init.kaiming_normal_(t, mode="fan_out", **k), math.sqrt(2 / 30)),
        ],
    )
    def test_spreads(self, fill, std):
        t = Parameter(np.zeros((30, 10)))
        assert fill(t, generator=Generator(0)) is t
        assert t.array.std() == pytest.approx(std, rel=0.1)
        assert abs(t.array.mean()) < 0.2 * std

    def test_kernels_count(self):
        assert init.fans(ones(6, 4, 3, 3)) == (36, 54)

    def test_what_has_no_fans_is_refused(self):
        with pytest.raises(ValueError, match=r"need a weight \(out, in, ...\), not \(3,\)"):
            init.xavier_uniform_(ones(3))

    def test_unknown_words_are_refused(self):
        with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out', not 'both'"):
            init.kaiming_uniform_(ones(3, 3), mode="both")
        with pytest.raises(ValueError, match="mode is 'fan_in' or 'fan_out', not 'both'"):
            init.kaiming_normal_(ones(3, 3), mode="both")
        with pytest.raises(ValueError, match="no gain is known for 'swish': choose from linear"):
            init.calculate_gain("swish")
