"""Layers beside PyTorch: values, gradients, names and starts."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import tinytorch.nn as ours  # noqa: E402
from tinytorch.layers import linear  # noqa: E402
from tinytorch.tensor import Parameter, Tensor, manual_seed, wrap  # noqa: E402

LEADING = st.lists(st.integers(1, 4), max_size=3)
SIZE = st.integers(1, 6)
DTYPE = st.sampled_from(["float64", "float32"])


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)
    torch.manual_seed(0)


def numbers(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def same(got, want, dtype="float64"):
    """Both have one shape, and differ by less than the dtype allows, of the largest magnitude."""
    got, want = np.asarray(getattr(got, "array", got)), want.detach().numpy()
    assert got.shape == want.shape
    assert str(got.dtype) == str(want.dtype) == dtype
    tolerance = {"float64": 1e-10, "float32": 1e-5}[dtype] * max(0.05, np.abs(want).max(initial=0))
    assert np.abs(got - want).max(initial=0) <= tolerance


def both(array):
    """A leaf of ours and one of theirs."""
    mine = wrap(array.copy()).requires_grad_()
    return mine, torch.tensor(array, requires_grad=True)


def twin(mine, theirs):
    """Load their weights into mine, in their dtype."""
    mine.to(dtype=next(iter(theirs.parameters())).detach().numpy().dtype)
    mine.load_state_dict({name: t.detach().numpy() for name, t in theirs.state_dict().items()})
    return mine


@settings(max_examples=60)
@given(LEADING, SIZE, SIZE, st.booleans(), DTYPE)
def test_linear(leading, inputs, outputs, with_bias, dtype):
    arrays = [numbers(*leading, inputs, dtype=dtype), numbers(outputs, inputs, dtype=dtype)]
    arrays += [numbers(outputs, dtype=dtype, seed=1)] if with_bias else []
    mine, theirs = zip(*map(both, arrays), strict=True)
    got, want = linear(*mine), torch.nn.functional.linear(*theirs)
    same(got, want, dtype)
    g = numbers(*want.shape, dtype=dtype, seed=2)
    got.backward(g)
    want.backward(torch.tensor(g))
    for ours_, theirs_ in zip(mine, theirs, strict=True):
        same(ours_.grad, theirs_.grad, dtype)


@settings(max_examples=30)
@given(st.integers(1, 5), SIZE, st.lists(SIZE, min_size=1, max_size=3), DTYPE)
def test_a_network_with_loaded_weights(samples, inputs, widths, dtype):
    sizes = [inputs, *widths]
    mine, theirs = [], []
    for before, after in zip(sizes, sizes[1:], strict=False):
        mine += [ours.Linear(before, after), ours.Tanh()]
        theirs += [torch.nn.Linear(before, after), torch.nn.Tanh()]
    model = torch.nn.Sequential(*theirs).to(getattr(torch, dtype))
    net = twin(ours.Sequential(*mine), model)
    x, x_torch = both(numbers(samples, inputs, dtype=dtype))
    got, want = net(x), model(x_torch)
    same(got, want, dtype)
    (got * got).sum().backward()
    (want * want).sum().backward()
    same(x.grad, x_torch.grad, dtype)
    for mine_, theirs_ in zip(net.parameters(), model.parameters(), strict=True):
        same(mine_.grad, theirs_.grad, dtype)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (ours.ReLU(), torch.nn.ReLU()),
        (ours.Sigmoid(), torch.nn.Sigmoid()),
        (ours.Tanh(), torch.nn.Tanh()),
        (ours.SiLU(), torch.nn.SiLU()),
        (ours.GELU(), torch.nn.GELU()),
        (ours.GELU("tanh"), torch.nn.GELU("tanh")),
        (ours.Softmax(1), torch.nn.Softmax(1)),
        (ours.LogSoftmax(-1), torch.nn.LogSoftmax(-1)),
        (ours.Flatten(), torch.nn.Flatten()),
        (ours.Flatten(0, 1), torch.nn.Flatten(0, 1)),
        (ours.Identity(), torch.nn.Identity()),
        (ours.Dropout(0.5).eval(), torch.nn.Dropout(0.5).eval()),
        (ours.Dropout(0.0), torch.nn.Dropout(0.0)),
        (ours.Dropout(1.0), torch.nn.Dropout(1.0)),
    ],
    ids=lambda module: repr(module),
)
def test_modules_without_parameters(mine, theirs):
    x, x_torch = both(numbers(3, 4, 5))
    got, want = mine(x), theirs(x_torch)
    same(got, want)
    g = numbers(*want.shape, seed=1)
    got.backward(g)
    want.backward(torch.tensor(g))
    same(x.grad, x_torch.grad)
    assert repr(mine) == repr(theirs).replace(", inplace=False", "")


def test_dropout_hands_the_gradient_to_what_stays():
    x = wrap(numbers(20, 30)).requires_grad_()
    y = ours.Dropout(0.25)(x)
    y.sum().backward()
    same(x.grad, torch.tensor(np.where(y.array == 0, 0, 1 / 0.75)))


class Net:
    """One model for both libraries: `of(kit, kind)` builds it from the names of one of them."""

    @staticmethod
    def of(kit, kind):
        class Part(kit.Module):
            def __init__(self):
                super().__init__()
                self.layer = kit.Linear(3, 3)
                self.scale = kind()
                self.register_buffer("mean", kind().detach())
                self.norm = self.layer

        class Whole(kit.Module):
            def __init__(self):
                super().__init__()
                self.blocks = kit.ModuleList([Part(), kit.ModuleList([Part()])])
                self.names = kit.ModuleDict({"a": kit.Linear(2, 2, bias=False), "b": kit.ReLU()})
                self.tied = self.blocks[0].scale
                self.last = kit.Sequential(kit.Dropout(0.1), Part())
                self.register_buffer("scratch", kind().detach(), persistent=False)
                self.token = kind()

        return Whole()


def both_nets():
    return (
        Net.of(ours, lambda: Parameter([1.0])),
        Net.of(torch.nn, lambda: torch.nn.Parameter(torch.ones(1))),
    )


def test_names_and_their_order():
    mine, theirs = both_nets()
    assert list(mine.state_dict()) == list(theirs.state_dict())
    for what in ("named_parameters", "named_modules", "named_buffers"):
        for prefix in ("", "net"):
            names = [name for name, _ in getattr(mine, what)(prefix=prefix)]
            assert names == [name for name, _ in getattr(theirs, what)(prefix=prefix)]
    assert repr(mine) == repr(theirs).replace(", inplace=False", "")


def test_modes_and_apply():
    mine, theirs = both_nets()
    for net in (mine, theirs):
        net.eval()
        net.blocks[1].train()
    flags = [[m.training for m in net.modules()] for net in (mine, theirs)]
    assert flags[0] == flags[1]
    seen = [[], []]
    for net, kinds in zip((mine, theirs), seen, strict=True):
        net.apply(lambda module, kinds=kinds: kinds.append(type(module).__name__))
    assert seen[0] == seen[1]


def test_a_state_goes_there_and_back():
    mine, theirs = both_nets()
    state = {name: torch.tensor(t.numpy() + 1) for name, t in mine.state_dict().items()}
    theirs.load_state_dict(state)
    assert mine.load_state_dict(theirs.state_dict()) == ([], [])
    for name, tensor in theirs.state_dict().items():
        same(mine.state_dict()[name], tensor, "float32")
    assert tuple(mine.load_state_dict({}, strict=False)) == tuple(
        theirs.load_state_dict({}, strict=False)
    )


@pytest.mark.parametrize("shape", [(200, 50), (40, 20, 3, 3)])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("normal_", {"mean": 1.0, "std": 0.2}),
        ("uniform_", {"a": -1.0, "b": 3.0}),
        ("zeros_", {}),
        ("ones_", {}),
        ("constant_", {"val": 0.3}),
        ("xavier_uniform_", {"gain": 2.0}),
        ("xavier_normal_", {"gain": 2.0}),
        ("kaiming_normal_", {"mode": "fan_out"}),
        ("kaiming_uniform_", {}),
        ("kaiming_uniform_", {"a": math.sqrt(5)}),
        ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}),
        ("kaiming_uniform_", {"nonlinearity": "tanh"}),
    ],
)
def test_init_has_the_spread_of_pytorch(name, arguments, shape):
    mine = getattr(ours.init, name)(Parameter(np.zeros(shape)), **arguments).detach().numpy()
    theirs = getattr(torch.nn.init, name)(torch.zeros(shape), **arguments).numpy()
    spread = theirs.max() - theirs.min()
    slack = (1.0 if "normal_" in name else 0.02) * spread + 1e-6
    assert abs(mine.min() - theirs.min()) <= slack
    assert abs(mine.max() - theirs.max()) <= slack
    assert abs(mine.mean() - theirs.mean()) <= 0.02 * spread + 1e-6
    assert mine.std() == pytest.approx(theirs.std(), rel=0.03, abs=1e-6)


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu"])
@pytest.mark.parametrize("param", [None, 0.0, 0.2])
def test_gains(nonlinearity, param):
    want = torch.nn.init.calculate_gain(nonlinearity, param)
    assert ours.init.calculate_gain(nonlinearity, param) == pytest.approx(want, abs=1e-12)


@pytest.mark.parametrize("inputs", [3, 100, 784])
def test_a_linear_layer_starts_as_in_pytorch(inputs):
    mine, theirs = ours.Linear(inputs, 2000), torch.nn.Linear(inputs, 2000)
    for name in ("weight", "bias"):
        got = getattr(mine, name).detach().numpy()
        want = getattr(theirs, name).detach().numpy()
        assert np.abs(got).max() == pytest.approx(np.abs(want).max(), rel=0.02)
        assert got.std() == pytest.approx(want.std(), rel=0.05)


def test_a_hook_sees_the_same():
    seen = []
    for kit, kind in ((ours, Tensor), (torch.nn, torch.tensor)):
        net = kit.Sequential(kit.ReLU())
        net[0].register_forward_hook(lambda module, inputs, result: result + inputs[0])
        seen.append(net(kind([-1.0, 2.0])).tolist())
    assert seen == [[-1.0, 4.0]] * 2
