"""Optimizers against PyTorch: whole trajectories, clipping and schedules."""

import pytest

torch = pytest.importorskip("torch")

import functools  # noqa: E402
import math  # noqa: E402

import numpy as np  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as hnp  # noqa: E402

import tinytorch  # noqa: E402
from tinytorch import nn, optim, optimizers  # noqa: E402
from tinytorch.tensor import Tensor  # noqa: E402

SHAPES = st.lists(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4), min_size=1, max_size=3)
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 10_000)
STEPS = 120


def same(got, want, dtype, tol32=1e-5):
    """Equal to 1e-10 in float64, to 1e-5 in float32, of the largest magnitude."""
    got, want = np.asarray(got.array), want.detach().numpy()
    assert got.shape == want.shape and got.dtype == want.dtype == dtype
    tolerance = 1e-10 if dtype == np.float64 else tol32
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(0.05, np.abs(want).max()))


def pairs(shapes, dtype, seed):
    """The same parameters twice: ours and PyTorch's."""
    rng = np.random.default_rng(seed)
    arrays = [np.array(rng.standard_normal(shape), dtype=dtype) for shape in shapes]
    own = [Tensor(a, requires_grad=True, dtype=dtype) for a in arrays]
    return own, [torch.tensor(a, requires_grad=True) for a in arrays]


def set_gradients(own, other, t, seed, skipped=()):
    """Gradients that pull towards 1 and are noisy; the same for both; None for the skipped."""
    rng = np.random.default_rng((seed, t))
    for i, (mine, reference) in enumerate(zip(own, other, strict=True)):
        noise = np.array(rng.standard_normal(mine.shape), dtype=mine.dtype)
        if i in skipped:
            mine.grad = reference.grad = None
            continue
        g = np.asarray(noise + reference.detach().numpy() - 1, dtype=mine.dtype)
        mine.grad = Tensor(g, dtype=mine.dtype)
        reference.grad = torch.tensor(g)


def race(ours, theirs, own, other, dtype, seed, change=None, tol32=1e-5):
    """Both optimizers over the same gradients; the parameters stay together all the way."""
    for t in range(STEPS):
        set_gradients(own, other, t, seed, skipped={1} if t % 3 == 0 else ())
        if change:
            change(t, ours, theirs)
        ours.step()
        theirs.step()
    for mine, reference in zip(own, other, strict=True):
        same(mine, reference, dtype, tol32)


@settings(max_examples=25)
@given(
    SHAPES,
    DTYPES,
    SEEDS,
    st.floats(1e-4, 0.3),
    st.sampled_from([0.0, 0.5, 0.9]),
    st.sampled_from([0.0, 0.1]),
    st.booleans(),
)
def test_sgd(shapes, dtype, seed, lr, momentum, weight_decay, nesterov):
    nesterov = nesterov and momentum > 0
    own, other = pairs(shapes, dtype, seed)
    arguments = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
    ours, theirs = optimizers.SGD(own, **arguments), torch.optim.SGD(other, **arguments)
    race(ours, theirs, own, other, dtype, seed)


@settings(max_examples=25)
@given(
    SHAPES,
    DTYPES,
    SEEDS,
    st.sampled_from(["Adam", "AdamW"]),
    st.floats(1e-4, 0.1),
    st.tuples(st.sampled_from([0.0, 0.5, 0.9]), st.sampled_from([0.9, 0.98, 0.999])),
    st.sampled_from([1e-8, 1e-4, 0.1]),
    st.sampled_from([0.0, 0.01, 0.5]),
)
def test_adam_and_adamw(shapes, dtype, seed, kind, lr, betas, eps, weight_decay):
    own, other = pairs(shapes, dtype, seed)
    arguments = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
    ours = getattr(optimizers, kind)(own, **arguments)
    theirs = getattr(torch.optim, kind)(other, **arguments)
    race(ours, theirs, own, other, dtype, seed, tol32=5e-5)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_groups_and_a_late_one_and_a_changing_lr(kind, dtype):
    own, other = pairs([(3, 2), (2,), (), (4,)], dtype, 0)
    made = []
    for params, package in ((own, optimizers), (other, torch.optim)):
        groups = [
            {"params": [params[0]], "weight_decay": 0.1},
            {"params": iter(params[1:3]), "lr": 0.003, "weight_decay": 0.0},
        ]
        made.append(getattr(package, kind)(groups, lr=0.01))

    def change(t, ours, theirs):
        if t == 20:
            ours.add_param_group({"params": own[3], "lr": 0.02})
            theirs.add_param_group({"params": other[3], "lr": 0.02})
        for optimizer in (ours, theirs):
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + t)

    race(*made, own, other, dtype, 0, change, tol32=5e-5)


@settings(max_examples=80)
@given(SHAPES, DTYPES, SEEDS, st.floats(0, 10), st.sampled_from([0.0, 1e-6, 1.0, 1e6]))
def test_clip_grad_norm(shapes, dtype, seed, max_norm, size):
    own, other = pairs(shapes, dtype, seed)
    set_gradients(own, other, 0, seed, skipped={2})
    for mine, reference in zip(own, other, strict=True):
        if mine.grad is not None:
            mine.grad.array[...] = mine.grad.array * size
            reference.grad.mul_(size)
    norm = optimizers.clip_grad_norm_((p for p in own), max_norm)
    want = torch.nn.utils.clip_grad_norm_(other, max_norm)
    assert norm.dtype == dtype and norm.shape == want.shape == ()
    np.testing.assert_allclose(
        norm.item(), want.item(), rtol=1e-12 if dtype == np.float64 else 1e-5
    )
    for mine, reference in zip(own, other, strict=True):
        if reference.grad is None:
            assert mine.grad is None
        else:
            scale = float(reference.grad.abs().max()) or 1.0
            tolerance = (1e-10 if dtype == np.float64 else 1e-5) * scale
            np.testing.assert_allclose(
                mine.grad.array, reference.grad.numpy(), rtol=0, atol=tolerance
            )


def test_clip_with_an_infinite_gradient():
    own, other = pairs([(2,), (3,)], np.float32, 0)
    set_gradients(own, other, 0, 0)
    own[1].grad.array[1] = np.inf
    other[1].grad[1] = math.inf
    with np.errstate(invalid="ignore"):
        norm = optimizers.clip_grad_norm_(own, 1.0)
    assert norm.item() == torch.nn.utils.clip_grad_norm_(other, 1.0).item() == math.inf
    for mine, reference in zip(own, other, strict=True):
        np.testing.assert_array_equal(mine.grad.array, reference.grad.numpy())


@settings(max_examples=30)
@given(st.integers(1, 60), st.floats(1e-4, 1), st.floats(0, 1))
def test_the_cosine_is_pytorchs(total, lr, share):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, eta_min=share * lr)
    for step in range(total + 1):
        got = optimizers.warmup_cosine(step, 0, total, lr, share * lr)
        assert math.isclose(got, schedule.get_last_lr()[0], rel_tol=1e-9, abs_tol=1e-12 * lr)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_lambda_lr_and_clipping_over_a_whole_run(kind):
    own, other = pairs([(3, 2), (2,)], np.float64, 1)
    factor = functools.partial(optimizers.warmup_cosine, warmup_steps=10, total_steps=STEPS)
    groups = [[{"params": [p[0]]}, {"params": [p[1]], "lr": 0.05}] for p in (own, other)]
    ours = getattr(optimizers, kind)(groups[0], lr=0.01)
    theirs = getattr(torch.optim, kind)(groups[1], lr=0.01)
    schedule = optim.lr_scheduler.LambdaLR(ours, factor)
    reference = torch.optim.lr_scheduler.LambdaLR(theirs, factor)
    for t in range(STEPS + 20):
        assert schedule.get_last_lr() == reference.get_last_lr()
        set_gradients(own, other, t, 1)
        nn.utils.clip_grad_norm_(own, 0.5)
        torch.nn.utils.clip_grad_norm_(other, 0.5)
        for each in (ours, theirs, schedule, reference):
            each.step()
    assert schedule.last_epoch == reference.last_epoch
    for mine, want in zip(own, other, strict=True):
        same(mine, want, np.float64)


def test_a_lambda_lr_made_twice_starts_from_the_first_lr():
    rates = []
    for package in (optim, torch.optim):
        make = Tensor if package is optim else torch.tensor
        optimizer = package.SGD([make([1.0], requires_grad=True)], lr=1.0)
        for _ in range(2):
            schedule = package.lr_scheduler.LambdaLR(optimizer, lambda n: 0.5**n)
            optimizer.step()
            schedule.step()
        rates.append(schedule.get_last_lr())
    assert rates[0] == rates[1]


@settings(max_examples=30)
@given(st.sampled_from(["StepLR", "CosineAnnealingLR"]), st.integers(1, 12), st.floats(0.01, 1))
def test_other_schedules(kind, size, share):
    """Both groups over two and a half rounds."""
    made = []
    for package, make in ((optim, Tensor), (torch.optim, torch.tensor)):
        groups = [{"params": [make([1.0], requires_grad=True)], "lr": lr} for lr in (0.5, 2.0)]
        optimizer = package.SGD(groups, lr=0.1)
        made.append((optimizer, getattr(package.lr_scheduler, kind)(optimizer, size, share / 2)))
    for _ in range(5 * size // 2):
        np.testing.assert_allclose(*(s.get_last_lr() for _, s in made), rtol=1e-9, atol=1e-12)
        for optimizer, schedule in made:
            optimizer.step()
            schedule.step()


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_a_parameter_frozen_half_way_stays_there(kind):
    own, other = pairs([(3,), (2,)], np.float64, 0)
    how = {"lr": 0.1, "weight_decay": 0.1}
    ours, theirs = getattr(optim, kind)(own, **how), getattr(torch.optim, kind)(other, **how)

    def change(t, ours, theirs):
        if t >= 10:
            for frozen in (own[1], other[1]):
                frozen.requires_grad_(False)
                frozen.grad = None

    race(ours, theirs, own, other, np.float64, 0, change)
    assert ours.state_dict()["param_groups"][0]["params"] == [0, 1]


SKIPPED = [
    ("Adam", {}),
    ("Adam", {"amsgrad": True}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("RAdam", {}),
    ("NAdam", {}),
    ("Adadelta", {}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("RMSprop", {"momentum": 0.5}),
    ("SGD", {"momentum": 0.9}),
]


@pytest.mark.parametrize(("kind", "settings"), SKIPPED)
def test_parameters_without_a_gradient_in_some_steps(kind, settings):
    """Each counts its own steps, whoever else moves: small parameters move together, see Pack."""
    draws = np.random.default_rng(0)
    for count in (2, 3, 4):
        moving = [np.flatnonzero(draws.random(count) < 0.6) for _ in range(8)]
        ends = []
        for library in (torch, tinytorch):
            params = [library.nn.Parameter(library.ones(2, 2) * n) for n in range(count)]
            optimizer = getattr(library.optim, kind)(params, lr=0.1, **settings)
            for step, numbers in enumerate(moving):
                optimizer.zero_grad()
                for n in numbers:
                    ((params[n] * (step + n)).sum() + (params[n] * params[n]).sum()).backward()
                optimizer.step()
            ends.append([p.detach().numpy() for p in params])
        np.testing.assert_allclose(*ends, rtol=1e-4, atol=1e-5, err_msg=f"{count} {moving}")
