"""The Trainer against PyTorch, and files against the official safetensors."""

import pytest

torch = pytest.importorskip("torch")

import functools  # noqa: E402
import json  # noqa: E402
import math  # noqa: E402

import numpy as np  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as hnp  # noqa: E402

from tinytorch import from_numpy, nn, optim  # noqa: E402
from tinytorch.optimizers import AdamW, warmup_cosine  # noqa: E402
from tinytorch.tensor import manual_seed  # noqa: E402
from tinytorch.training import (  # noqa: E402
    CODES,
    Trainer,
    accumulate,
    count_targets,
    decay_groups,
    evaluate,
    layout,
    load_safetensors,
    noam,
    perplexity,
    save_safetensors,
)

STEPS = 200
ARRAYS = st.dictionaries(
    st.text("abw.01é ", min_size=1, max_size=6),
    st.sampled_from(sorted(CODES)).flatmap(
        lambda dtype: hnp.arrays(
            dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
        )
    ),
    max_size=5,
)


@pytest.fixture(autouse=True)
def one_thread():
    """Threads cost more than they give on arrays as small as these."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def two_networks(double):
    """The same small network twice: ours and PyTorch's."""
    manual_seed(0)
    ours = nn.Sequential(nn.Linear(6, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 5))
    theirs = torch.nn.Sequential(
        torch.nn.Linear(6, 16), torch.nn.LayerNorm(16), torch.nn.GELU(), torch.nn.Linear(16, 5)
    )
    weights = {name: torch.tensor(t.numpy()) for name, t in ours.state_dict().items()}
    theirs.load_state_dict(weights)
    return (ours.double(), theirs.double()) if double else (ours, theirs)


def micro_batches(dtype, count, seed=0):
    """Batches of unequal size with left-out targets: as arrays."""
    source = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        size = int(source.integers(3, 9))
        targets = source.integers(0, 5, size)
        targets[source.random(size) < 0.3] = -100
        targets[0] = 2
        found.append((source.standard_normal((size, 6)).astype(dtype), targets))
    return found


def torch_groups(model, weight_decay):
    """What everybody writes: matrices decay."""
    params = list(model.parameters())
    return [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]


def torch_loop(model, batches, pieces, lr, max_norm):
    """The loop of PyTorch on concatenated batches: the whole, not its pieces."""
    optimizer = torch.optim.AdamW(torch_groups(model, 0.1), lr=1.0, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: lr(n + 1))
    figures = []
    for first in range(0, len(batches), pieces):
        whole = zip(*batches[first : first + pieces])
        x, y = (torch.tensor(np.concatenate(arrays)) for arrays in whole)
        loss = torch.nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
        rate = optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step()
        figures.append((loss.item(), norm.item(), rate))
    return np.array(figures)


def own_loop(model, batches, pieces, lr, max_norm):
    """The Trainer on the pieces."""
    optimizer = AdamW(decay_groups(model, 0.1), lr=1.0, betas=(0.9, 0.95))
    loader = [(from_numpy(x), from_numpy(y)) for x, y in batches]
    trainer = Trainer(model, optimizer, loader, schedule=lr, max_norm=max_norm, pieces=pieces)
    trainer.fit(len(batches) // pieces)
    return np.array([[row[n] for n in ("loss", "norm", "lr")] for row in trainer.journal.rows])


@pytest.mark.parametrize("pieces", [1, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-5)])
def test_200_steps_follow_pytorch(dtype, tolerance, pieces):
    """AdamW in two groups, warm-up, cosine, clipping, pieces of unequal size."""
    lr = functools.partial(warmup_cosine, warmup_steps=20, total_steps=STEPS, lr=3e-3)
    batches = micro_batches(dtype, STEPS * pieces)
    ours, theirs = two_networks(dtype == np.float64)
    want = torch_loop(theirs, batches, pieces, lr, max_norm=0.5)
    got = own_loop(ours, batches, pieces, lr, max_norm=0.5)
    assert got.shape == want.shape == (STEPS, 3)
    assert (want[:, 1] > 0.5).any()  # clipping did something
    np.testing.assert_allclose(got[:, 2], want[:, 2], rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(got[:, :2], want[:, :2], rtol=tolerance)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        b = b.detach().numpy()
        limit = tolerance * max(0.05, np.abs(b).max())
        np.testing.assert_allclose(a.array, b, 0, limit)


def test_the_golden_schedule_is_pytorchs():
    golden = [0, 0.25, 0.5, 0.75, 1, 0.9619, 0.8536, 0.6913, 0.5, 0.3087, 0.1464, 0.0381, 0]
    lr = functools.partial(warmup_cosine, warmup_steps=4, total_steps=12)
    p = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([p], lr=1.0)
    rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1e-12, 1.0, total_iters=4)
    fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)
    both = torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, fall], milestones=[4])
    for step, want in enumerate(golden):
        assert math.isclose(lr(step), want, abs_tol=5e-5)
        assert math.isclose(optimizer.param_groups[0]["lr"], lr(step), abs_tol=1e-9)
        optimizer.step()
        both.step()


def test_noam_through_lambda_lr():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda n: 512**-0.5 * min((n + 1) ** -0.5, (n + 1) * 40**-1.5)
    )
    for step in range(1, 200):
        assert math.isclose(noam(step, 40, 512), optimizer.param_groups[0]["lr"], rel_tol=1e-12)
        optimizer.step()
        schedule.step()


def test_a_schedule_object_of_optim():
    """A Trainer with optim.lr_scheduler, against the same of PyTorch, through a resume."""
    batches = micro_batches(np.float64, 20)
    ours, theirs = two_networks(double=True)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.01)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
    for x, y in batches:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(y)).backward()
        optimizer.step()
        schedule.step()

    def trainer(model):
        optimizer = AdamW(model.parameters(), lr=0.01)
        loader = [(from_numpy(x), from_numpy(y)) for x, y in batches]
        steps = optim.lr_scheduler.StepLR(optimizer, 3, 0.5)
        return Trainer(model, optimizer, loader, schedule=steps)

    first, second = trainer(ours), trainer(two_networks(double=True)[0])
    first.fit(7)
    second.load_state_dict(first.state_dict())
    second.fit(20)
    for a, b in zip(second.model.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.array, b.detach().numpy(), rtol=0, atol=1e-10)


@given(st.integers(0, 1000), st.integers(1, 5), st.sampled_from([np.float32, np.float64]))
@settings(max_examples=20)
def test_pieces_and_evaluation_are_the_whole_of_pytorch(seed, count, dtype):
    batches = micro_batches(dtype, count, seed)
    ours, theirs = two_networks(dtype == np.float64)
    x, y = (torch.tensor(np.concatenate(arrays)) for arrays in zip(*batches))
    want = torch.nn.functional.cross_entropy(theirs(x), y)
    want.backward()
    pieces = [(from_numpy(x), from_numpy(y)) for x, y in batches]

    def loss(batch):
        return nn.functional.cross_entropy(ours(batch[0]), batch[1])

    def kept(batch):
        return count_targets(batch[1])

    tolerance = 1e-10 if dtype == np.float64 else 1e-5
    measured = evaluate(ours, pieces, loss, kept)
    assert math.isclose(accumulate(pieces, loss, kept), want.item(), rel_tol=tolerance)
    assert math.isclose(measured, want.item(), rel_tol=tolerance)
    assert math.isclose(perplexity(measured), want.exp().item(), rel_tol=10 * tolerance)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        g = b.grad.numpy()
        np.testing.assert_allclose(a.grad.array, g, 0, tolerance * max(0.05, np.abs(g).max()))


class TestOfficialSafetensors:
    """What we write they read, and what they write we read."""

    @given(ARRAYS)
    @settings(max_examples=30)
    def test_they_read_ours(self, tmp_path_factory, arrays):
        official = pytest.importorskip("safetensors.numpy")
        path = tmp_path_factory.mktemp("ours") / "x.safetensors"
        save_safetensors(arrays, path, {"made by": "us"})
        got = official.load_file(path)
        assert set(got) == set(arrays)
        for name, array in arrays.items():
            assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
            assert got[name].tobytes() == array.tobytes()

    @given(ARRAYS)
    @settings(max_examples=30)
    def test_we_read_theirs(self, tmp_path_factory, arrays):
        official = pytest.importorskip("safetensors.numpy")
        path = tmp_path_factory.mktemp("theirs") / "x.safetensors"
        official.save_file(arrays, path, {"made by": "them"})
        got = load_safetensors(path)
        assert set(got) == set(arrays)
        for name, array in arrays.items():
            assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
            assert got[name].array.tobytes() == array.tobytes()

    def test_half_precision_of_torch(self, tmp_path):
        official = pytest.importorskip("safetensors.torch")
        values = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
        halves = {
            "f16": values.half(),
            "bf16": values.bfloat16(),
            "i8": (10 * values).to(torch.int8),
        }
        official.save_file(halves, tmp_path / "h.safetensors")
        got = load_safetensors(tmp_path / "h.safetensors")
        for name, want in halves.items():
            assert got[name].tolist() == want.float().tolist()

    def test_a_checkpoint_opens_there(self, tmp_path):
        safetensors = pytest.importorskip("safetensors")
        ours, theirs = two_networks(double=False)
        trainer = Trainer(
            ours,
            AdamW(ours.parameters()),
            [(from_numpy(np.ones((2, 6), "f4")), from_numpy(np.array([0, 1])))],
        )
        trainer.fit(3)
        trainer.save(tmp_path / "c.safetensors")
        with safetensors.safe_open(tmp_path / "c.safetensors", "pt") as file:
            assert file.metadata()["format"] == "tinytorch trainer 1"
            names = [name for name in file.keys() if name.startswith("model.")]  # noqa: SIM118
            weights = {n.removeprefix("model."): file.get_tensor(n) for n in names}
            assert file.get_tensor("optimizer.0.step").item() == 3
        theirs.load_state_dict(weights)
        x = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
        got, want = ours(from_numpy(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)

    def test_the_header_says_the_same(self, tmp_path):
        official = pytest.importorskip("safetensors.numpy")
        arrays = {"a": np.zeros((2, 3), np.float64), "b": np.zeros(3, np.float64)}
        data = official.save(arrays)
        size = int.from_bytes(data[:8], "little")
        assert json.loads(data[8 : 8 + size]) == layout(arrays)
