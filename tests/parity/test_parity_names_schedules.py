"""Schedules of the learning rate and further optimizers, step by step against PyTorch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402

SCHEDULES = [
    "S.MultiStepLR(o, milestones=[2, 5], gamma=0.3)",
    "S.MultiStepLR(o, [2, 2, 4])",
    "S.ExponentialLR(o, gamma=0.9)",
    "S.LinearLR(o, start_factor=0.5, total_iters=4)",
    "S.LinearLR(o)",
    "S.ConstantLR(o, factor=0.5, total_iters=3)",
    "S.PolynomialLR(o, total_iters=6, power=2.0)",
    "S.CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2, eta_min=0.01)",
    "S.CosineAnnealingLR(o, T_max=6, eta_min=0.02)",
    "S.StepLR(o, step_size=3)",
    "S.LambdaLR(o, lr_lambda=lambda n: 0.9**n)",
    "S.OneCycleLR(o, max_lr=0.7, total_steps=20, cycle_momentum=False)",
    "S.OneCycleLR(o, 0.7, epochs=5, steps_per_epoch=4, pct_start=0.4, cycle_momentum=False)",
    "S.OneCycleLR(o, 0.7, 12, div_factor=10.0, final_div_factor=50.0)",
    "S.OneCycleLR(o, [0.7, 0.9], 12, three_phase=True, base_momentum=0.8, max_momentum=0.9)",
    "S.OneCycleLR(o, 0.7, 13, 0, 0, 0.5, 'linear', three_phase=True)",
    "S.CyclicLR(o, 0.1, 0.6, step_size_up=3)",
    "S.CyclicLR(o, 0.1, [0.6, 0.8], 2, 4, 'triangular2', base_momentum=0.7)",
    "S.CyclicLR(o, 0.1, 0.6, 2, 3, 'exp_range', 0.9, cycle_momentum=False)",
    "S.CyclicLR(o, 0.1, 0.6, 2, None, scale_fn=lambda n: 0.5 ** n)",
    "S.CyclicLR(o, 0.1, 0.6, 3, scale_fn=lambda n: 0.9 ** n, scale_mode='iterations')",
    "S.MultiplicativeLR(o, lambda n: 0.9 + 0.01 * n)",
    "S.ChainedScheduler([S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9)])",
    "S.LinearLR(o, 0.2, 0.8, 5)",
    "S.CosineAnnealingLR(o, 4)",
    "S.LambdaLR(o, [lambda n: 0.9**n, lambda n: 1 / (n + 1)])",
    "S.SequentialLR(o, [S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9)], milestones=[3])",
]
OPTIMIZERS = [
    "optim.SGD(p, 0.1, 0.9, 0, 0.01, True)",
    "optim.SGD(p, lr=0.1, maximize=True)",
    "optim.Adam(p, lr=0.1, weight_decay=0.1)",
    "optim.AdamW(p, lr=0.1, maximize=True)",
    "optim.AdamW(p)",
    "optim.RMSprop(p, lr=0.05, alpha=0.9, momentum=0.5, weight_decay=0.1)",
    "optim.RMSprop(p)",
    "optim.Adagrad(p, lr=0.5, weight_decay=0.1)",
    "optim.Adagrad(p, 0.5, 0.1, 0.0, 0.3, 1e-6)",
    "optim.RMSprop(p, 0.05, 0.9, 1e-6, 0.0, 0.5, True)",
    "optim.Adadelta(p)",
    "optim.Adadelta(p, 0.7, 0.8, 1e-5, 0.1, maximize=True)",
    "optim.Adamax(p, 0.1, (0.8, 0.9), 1e-6, 0.1)",
    "optim.NAdam(p, 0.1, (0.8, 0.9), 1e-6, 0.1, 0.01)",
    "optim.NAdam(p, 0.1, weight_decay=0.1, decoupled_weight_decay=True)",
    "optim.RAdam(p, 0.1, (0.8, 0.9), 1e-6, 0.1)",
    "optim.RAdam(p, 0.1, (0.8, 0.9), weight_decay=0.1, decoupled_weight_decay=True)",
    "optim.Adam(p, 0.1, (0.8, 0.9), 1e-6, 0.1, True)",
    "optim.AdamW(p, 0.1, (0.8, 0.9), 1e-6, 0.1, True)",
    "optim.SGD(p, 0.1, 0.9, 0.5)",
]


def leaves(library):
    arrays = [np.linspace(-1, 1, 6).reshape(2, 3), np.array([0.5, -2.0])]
    return [library.from_numpy(a).requires_grad_() for a in arrays]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("text", SCHEDULES)
def test_rates(text):
    found = []
    for library in (tinytorch, torch):
        o = library.optim.SGD([{"params": [p]} for p in leaves(library)], lr=0.5, momentum=0.5)
        o.param_groups[1]["lr"] = 0.25
        schedule = eval(text, {"S": library.optim.lr_scheduler, "o": o})
        rates = [[g["lr"] for g in o.param_groups] * 2]
        for _ in range(12):
            o.step()
            schedule.step()
            rates.append([*schedule.get_last_lr(), *[g["momentum"] for g in o.param_groups]])
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 1}, {"patience": 0, "cooldown": 2, "factor": 0.5}, {"mode": "max"},
        {"patience": 0, "threshold": 0.5, "threshold_mode": "abs"}, {"patience": 0, "min_lr": 0.2},
        {"patience": 0, "threshold": 0.0, "factor": 0.9},
    ],
)  # fmt: skip
def test_plateau(settings):
    figures = [3.0, 2.0, 2.0, 2.1, 2.0, 1.9, 2.5, 2.5, 2.5, 2.5, 1.0, 1.2, 1.3, 1.4, 1.5, 0.5, 0.6]
    found = []
    for library in (tinytorch, torch):
        o = library.optim.SGD(leaves(library), lr=0.5)
        schedule = library.optim.lr_scheduler.ReduceLROnPlateau(o, **settings)
        rates = []
        for figure in figures:
            schedule.step(library.tensor(figure) if figure == 2.0 else figure)
            rates.append(o.param_groups[0]["lr"])
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-9)


@pytest.mark.parametrize("text", OPTIMIZERS)
def test_steps(text):
    found = []
    for library in (tinytorch, torch):
        p = leaves(library)
        optimizer = eval(text, {"optim": library.optim, "p": p})
        for n in range(6):
            optimizer.zero_grad()
            ((p[0] ** 3).sum() * (n + 1) + (p[1] * p[0][:, 1]).sum()).backward()
            optimizer.step()
        found.append(np.concatenate([t.detach().numpy().ravel() for t in p]))
    rounded = 1e-7 if "NAdam" in text else 1e-9  # PyTorch keeps a product of NAdam in float32
    np.testing.assert_allclose(*found, rtol=rounded)


class Counting:
    """A function of the step that counts its calls."""

    calls = 0

    def __call__(self, n):
        self.calls += 1
        return 1 / (1 + self.calls)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "text",
    [
        "S.LambdaLR(o, f())",
        "S.MultiplicativeLR(o, f())",
        "S.CyclicLR(o, 0.1, 0.6, 2, scale_fn=f(), cycle_momentum=False)",
        "S.ChainedScheduler([S.LambdaLR(o, f()), S.StepLR(o, 2)])",
        "S.SequentialLR(o, [S.LambdaLR(o, f()), S.LambdaLR(o, f())], [2])",
    ],
)
def test_a_callable_object_goes_on_where_it_was(text):
    """Its attributes are in the state: the rates are those of a run that was not stopped."""
    found = []
    for library in (tinytorch, torch):
        runs = []
        for _ in range(2):
            o = library.optim.SGD(leaves(library), lr=0.5)
            schedule = eval(text, {"S": library.optim.lr_scheduler, "o": o, "f": Counting})
            runs.append((o, schedule))
        for n in range(7):
            if n == 4:
                for part, again in zip(*runs):
                    again.load_state_dict(part.state_dict())
            for o, schedule in runs if n >= 4 else runs[:1]:
                o.step()
                schedule.step()
        rates = [schedule.get_last_lr() for _, schedule in runs]
        found += [rates[1], rates[0]] if library is tinytorch else [rates[0]]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)
    np.testing.assert_allclose(found[0], found[2], rtol=1e-9)


def test_bad_settings():
    S, o = tinytorch.optim.lr_scheduler, tinytorch.optim.SGD(leaves(tinytorch), lr=0.1)
    for make in (
        lambda: S.OneCycleLR(o, 0.1),
        lambda: S.OneCycleLR(o, 0.1, 5, anneal_strategy="up"),
        lambda: S.LinearLR(o, 0.0),
        lambda: S.ReduceLROnPlateau(o, "low"),
        lambda: S.SequentialLR(o, [S.ConstantLR(o)], [1]),
        lambda: S.CosineAnnealingWarmRestarts(o, 0),
    ):
        with pytest.raises(ValueError, match="OneCycleLR|anneal|factor|mode|milestones|T_0"):
            make()
