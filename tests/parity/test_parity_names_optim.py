"""Optimizers, schedules, averages of weights and distributions where a program could go wrong."""

import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402

BOTH = tinytorch, torch


def two(library):
    return [library.from_numpy(np.ones(2) * n).requires_grad_() for n in (1, 2)]


def agree(make):
    ours, theirs = (np.asarray(make(library), float) for library in BOTH)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def refused(make, *match):
    """Both refuse; ours in a sentence with these words."""
    with pytest.raises((ValueError, TypeError, KeyError, RuntimeError, ZeroDivisionError)):
        make(torch)
    with pytest.raises((ValueError, TypeError, KeyError), match="|".join(match)):
        make(tinytorch)


# -- schedules: (text, what else happens to the rates)
CHAINABLE = [
    "S.StepLR(o, 3)", "S.MultiStepLR(o, [0, 3, 3])", "S.ExponentialLR(o, 0.9)", "S.LinearLR(o)",
    "S.ConstantLR(o, 0.5, 4)", "S.PolynomialLR(o, 9, 2.0)", "S.CosineAnnealingLR(o, 7, 0.01)",
    "S.MultiplicativeLR(o, lambda n: 0.9)", "W.SWALR(o, 0.05, 5)", "W.SWALR(o, [0.05, 0.02], 0)",
    "S.LambdaLR(o, lambda n: 0.9**n)", "S.CosineAnnealingWarmRestarts(o, 3, 2)",
    "S.CyclicLR(o, [0.1, 0.2], [0.3, 0.5], 4)", "S.OneCycleLR(o, 0.3, 40, base_momentum=[0.1, 0])",
    "S.ChainedScheduler([S.CosineAnnealingLR(o, 9, 0.01), S.StepLR(o, 3, 0.9)])",
    "S.ChainedScheduler([S.LinearLR(o), S.MultiplicativeLR(o, lambda n: 0.97)])",
    "S.SequentialLR(o, [S.LinearLR(o, 0.1), S.MultiplicativeLR(o, lambda n: 0.9)], [5])",
    "S.SequentialLR(o, [S.LinearLR(o, 0.1), S.OneCycleLR(o, 0.3, 60)], [5])",
]  # fmt: skip


def rates(library, text, how):
    def fresh():
        a, b = two(library)
        o = library.optim.SGD([{"params": [a]}, {"params": [b], "lr": 0.25}], 0.5, 0.9)
        for group in o.param_groups * (how == "resumed"):
            group["initial_lr"] = 0.8
        room = {"S": library.optim.lr_scheduler, "W": library.optim.swa_utils, "o": o}
        line = text[:-1] + ", last_epoch=4)" if how == "resumed" else text
        return o, eval(line, room)

    o, schedule = fresh()
    second = library.optim.lr_scheduler.StepLR(o, 4, 0.7) if how == "two at once" else None
    found = []
    for n in range(24):
        o.step()
        if how == "by hand" and n == 6:
            for group in o.param_groups:
                group["lr"] = 0.123
        schedule.step(*([n // 2] if how == "named steps" else []))
        if second:
            second.step()
        if how == "saved":
            states = o.state_dict(), schedule.state_dict()
            o, schedule = fresh()
            o.load_state_dict(states[0])
            schedule.load_state_dict(states[1])
        found += [[g["lr"], g["momentum"]] for g in o.param_groups]
        found.append(schedule.get_last_lr())
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["by hand", "two at once", "saved", "resumed", "named steps"])
@pytest.mark.parametrize("text", CHAINABLE)
def test_rates_multiply(text, how):
    lists = "Chained" in text or "Sequential" in text
    if how in ("resumed", "named steps") and (lists or "OneCycle" in text):
        pytest.skip("PyTorch refuses it")
    agree(lambda library: rates(library, text, how))


@pytest.mark.parametrize(
    "text, word",
    [
        ("S.CyclicLR(o, 0.1, 0.2, mode='other')", "triangular2"),
        ("S.OneCycleLR(o, 0.3, 205.0)", "number of steps"),
        ("S.OneCycleLR(o, 0.3, 205, pct_start=1.5)", "pct_start"),
        ("S.ConstantLR(o, 1.5)", "factor"),
        ("S.CosineAnnealingWarmRestarts(o, 5, 1.5)", "T_mult"),
        ("S.ReduceLROnPlateau(o, threshold_mode='x')", "threshold_mode"),
        ("S.ReduceLROnPlateau(o, min_lr=[0.1, 0.1])", "2 min_lr for 1 groups"),
        ("S.StepLR(o, 3, last_epoch=7)", "initial_lr"),
        ("S.ChainedScheduler([S.ReduceLROnPlateau(o)])", "by itself"),
        ("S.ChainedScheduler([])", "at least one"),
        ("S.MultiplicativeLR(o, 0.95)", "function"),
        ("S.SequentialLR(o, [S.StepLR(o, 3)], []).step(4)", "positional"),
        ("W.SWALR(o, 0.05, 5, 'foo')", "anneal_strategy"),
        ("W.SWALR(o, 0.05, -3)", "anneal_epochs"),
        ("W.get_ema_avg_fn(1.5)", "decay"),
    ],
)
def test_refused_schedules(text, word):
    def make(library):
        o = library.optim.SGD(two(library), 0.1, 0.9)
        eval(text, {"S": library.optim.lr_scheduler, "W": library.optim.swa_utils, "o": o})

    refused(make, word)


def test_a_schedule_that_comes_too_early_warns():
    for library in BOTH:
        o = library.optim.Adam(two(library))
        schedule = library.optim.lr_scheduler.StepLR(o, 3)
        with pytest.warns(UserWarning, match="before"):
            schedule.step()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            schedule.step()


# -- optimizers
NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam"]


def walk(library, name, how, **settings):
    p = two(library)
    kind = getattr(library.optim, name)
    if how == "group":
        o = kind([{"params": p[:1], **settings}, {"params": p[1:]}], lr=0.01)
    else:
        o = kind(p, lr=0.01, **({} if how == "by hand" else settings))
    for n in range(8):
        if how == "by hand" and n == 3:
            o.param_groups[0].update(settings)
        if how == "saved" and n == 4:
            state, o = o.state_dict(), kind(p)
            o.load_state_dict(state)
        o.zero_grad()
        ((p[0] ** 3).sum() * (n + 1) + (p[1] * p[0]).sum()).backward()
        o.step()
    return np.concatenate([t.detach().numpy() for t in p])


@pytest.mark.parametrize("how", ["group", "by hand", "saved"])
@pytest.mark.parametrize("name", NAMES)
def test_settings_of_a_group(name, how):
    agree(lambda library: walk(library, name, how, maximize=True, weight_decay=0.1))
    if name in ("Adam", "NAdam", "RAdam"):
        more = {"decoupled_weight_decay": True, "weight_decay": 0.1}
        agree(lambda library: walk(library, name, how, **more))
    if name == "SGD":
        agree(lambda library: walk(library, name, how, momentum=0.9, dampening=0.3))


@pytest.mark.parametrize("name, setting", [("Adam", "amsgrad"), ("RMSprop", "centered")])
def test_what_is_remembered_is_one_for_all(name, setting):
    with pytest.raises(ValueError, match=f"{setting} is False in this optimizer"):
        walk(tinytorch, name, "group", **{setting: True})
    with pytest.raises(ValueError, match=f"{setting} is False in this optimizer"):
        walk(tinytorch, name, "saved", **{setting: True})


@pytest.mark.parametrize(
    "text, word",
    [
        ("optim.SGD(p, 0.1, 0.9, 0.1, nesterov=True)", "dampening=0"),
        ("optim.RMSprop(p, alpha=-1)", "alpha"),
        ("optim.Adagrad(p, lr_decay=-1)", "lr_decay"),
        ("optim.Adadelta(p, rho=1.5)", "rho"),
        ("optim.NAdam(p, momentum_decay=-1)", "momentum_decay"),
        ("optim.LBFGS([{'params': p[:1]}, {'params': p[1:]}])", "one group"),
    ],
)
def test_refused_optimizers(text, word):
    refused(lambda library: eval(text, {"optim": library.optim, "p": two(library)}), word)


@pytest.mark.parametrize(
    "settings", [{}, {"max_iter": 3}, {"max_eval": 2}, {"max_iter": 4, "history_size": 2}]
)
def test_lbfgs_goes_on(settings):
    def make(library):
        p = two(library)[0]
        o = library.optim.LBFGS([p], 0.5, **settings)
        calls, losses = [], []

        def closure():
            o.zero_grad()
            loss = (1 - p[0]) ** 2 + 5 * (p[1] - p[0] ** 2 + 1) ** 2
            loss.backward()
            calls.append(1)
            return loss

        for _ in range(5):
            losses.append(float(o.step(closure).detach()))
            state, o = o.state_dict(), library.optim.LBFGS([p], 0.5, **settings)
            o.load_state_dict(state)
        return [*losses, len(calls), *p.tolist()]

    agree(make)


def test_entries_that_are_no_settings_are_saved():
    o = tinytorch.optim.Adam([{"params": two(tinytorch), "tag": 7}])
    again = tinytorch.optim.Adam(two(tinytorch))
    again.load_state_dict(o.state_dict())
    assert again.param_groups[0]["tag"] == 7


# -- averages of weights
@pytest.mark.parametrize("rule", ["", "avg_fn=W.get_ema_avg_fn(0.9)", "avg_fn=W.get_swa_avg_fn()",
                                  "multi_avg_fn=W.get_ema_multi_avg_fn(0.9)"])  # fmt: skip
def test_averages(rule):
    def make(library):
        W, nn = library.optim.swa_utils, library.nn
        model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).double()
        batch = library.from_numpy(np.arange(8.0).reshape(4, 2))
        with library.no_grad():
            for p in model.parameters():
                p.fill_(0.3)
        averaged = eval(f"W.AveragedModel(model, {rule})", {"W": W, "model": model})
        for n in range(3):
            with library.no_grad():
                for p in model.parameters():
                    p.add_(n + 1.0)
            averaged.update_parameters(model)
        W.update_bn([batch, batch * 2, batch * 5], averaged)
        parts = [*averaged.parameters(), *averaged.buffers()]
        return np.concatenate([t.detach().numpy().ravel() for t in parts])

    agree(make)


# -- distributions
ROOM = """
P = T([[2.0, 0.5], [0.5, 1.0]])
N = lambda: D.Independent(D.Normal(T([[0.1, 0.2]] * 3), 1.0), 1)
"""


def answer(library, text):
    room = {"D": library.distributions, "T": library.tensor, "inf": float("inf")}
    exec(ROOM, room)
    found = eval(text, room)
    return found.detach().numpy() if hasattr(found, "detach") else np.asarray(found)


@pytest.mark.parametrize("text", [
    "N().batch_shape", "N().event_shape", "N().mean", "N().entropy()", "N().has_rsample",
    "D.Independent(D.Normal(T([0.1, 0.2]), 1.0), 0).log_prob(T([0.5, 0.6]))",
    "D.MultivariateNormal(T([0.0, 1.0]), None, P).covariance_matrix",
    "D.MultivariateNormal(T([[0.0, 1.0]] * 3), P).entropy()",
    "D.MultivariateNormal(T([0.0, 1.0]), P.expand(4, 2, 2)).batch_shape",
    "D.MultivariateNormal(T([0.0, 1.0]), P).stddev",
    "D.Categorical(logits=T([0.0, -inf, 0.0])).entropy()",
    "D.kl_divergence(D.Categorical(T([0.5, 0.5, 0])), D.Categorical(T([0.5, 0.0, 0.5])))",
    "D.kl_divergence(D.Categorical(T([0.0, 1.0])), D.Categorical(T([0.5, 0.5])))",
    "D.kl_divergence(D.Bernoulli(T([0.0, 1, 0.5])), D.Bernoulli(T([0.5, 0.5, 0.0])))",
    "D.kl_divergence(N(), N())", "D.Uniform(T([0.0]), 1.0).log_prob(T([[0.5], [1.0], [0.0]]))",
    "D.Categorical(T([[0.5, 1.5], [3.0, 1.0]])).probs", "D.Uniform(2.0, T([5.0])).log_prob(T(3.0))",
    "D.Categorical(T([0.5, 1.5])).log_prob(T([0, 1]))", "D.Uniform(2.0, 5.0).entropy()",
    "D.Normal(T([0.5]).double(), 2.0).entropy()", "D.Normal(0.0, -1.0, validate_args=False).mean",
])  # fmt: skip
def test_distributions(text):
    ours, theirs = (answer(library, text) for library in BOTH)
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("text, word", [
    ("D.Uniform(1.0, 0.0)", "below"), ("D.Exponential(-1.0)", "above 0"),
    ("D.Bernoulli(1.5)", "from 0 to 1"), ("D.Categorical(T([-0.1, 1.1]))", "not all 0"),
    ("D.Categorical(T([0.0, 0.0]))", "not all 0"), ("D.Normal(float('nan'), 1.0)", "nan"),
    ("D.Categorical(logits=T([0.0, float('nan')]))", "nan"), ("D.Categorical(T(0.5))", "dimension"),
    ("D.Exponential(1.0).log_prob(T(-1.0))", "below 0"),
    ("D.Uniform(0.0, 1.0).log_prob(T(2.0))", "within"),
    ("D.Bernoulli(0.3).log_prob(T(0.5))", "neither"),
    ("D.Categorical(T([0.5, 0.5])).log_prob(T(-1))", "no class"),
    ("D.Categorical(T([0.5, 0.5])).log_prob(T(0.5))", "no class"),
    ("D.MultivariateNormal(T([0.0, 0.0]))", "one of"),
    ("D.MultivariateNormal(T([0.0, 0.0]), T([[1.0, 0.2], [0.5, 1.0]]))", "symmetric"),
    ("D.MultivariateNormal(T([0.0, 0.0]), scale_tril=P)", "above its diagonal"),
    ("D.MultivariateNormal(T([0.0, 0.0]), P).log_prob(T([[0.0]]))", "should be"),
    ("D.Independent(D.Normal(0.0, 1.0), 1)", "1 dimensions"),
])  # fmt: skip
def test_refused_distributions(text, word):
    refused(lambda library: answer(library, text), word)


def test_draws_of_whole_parameters_differ():
    normal = tinytorch.distributions.Normal(tinytorch.tensor([0] * 9), tinytorch.ones(9))
    assert normal.sample().array.any()


@pytest.mark.parametrize("text", [
    "D.Uniform(T([2.0]), 5.0)", "D.Normal(T([2.0]), 0.5)", "D.Exponential(T([4.0]))",
    "D.Bernoulli(T([0.3]))", "D.Independent(D.Normal(T([1.0]), 3.0), 1)",
    "D.MultivariateNormal(T([0.0, 1.0]), P)",
])  # fmt: skip
def test_draws_are_spread_as_they_say(text):
    """Mean and variance of 20,000 draws are those that PyTorch's distribution names."""
    tinytorch.manual_seed(0)
    room = {"D": tinytorch.distributions, "T": tinytorch.tensor}
    exec(ROOM, room)
    drawn = eval(text, room).sample((20_000,)).numpy()
    for told in ("mean", "variance"):
        want = answer(torch, f"{text}.{told}")
        found = drawn.mean(0) if told == "mean" else drawn.var(0)
        np.testing.assert_allclose(found, want, rtol=0.04, atol=0.02)
