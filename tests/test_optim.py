"""tinytorch.optim: the schedules of the learning rate."""

import functools
import math

import numpy as np
import pytest

from tinytorch import optim
from tinytorch.course import close
from tinytorch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, StepLR
from tinytorch.optimizers import SGD, AdamW, warmup_cosine
from tinytorch.tensor import Tensor


def leaf():
    """A parameter."""
    return Tensor([1.0], requires_grad=True)


def rates(schedule, count):
    """The learning rates of the first group over some steps."""
    found = []
    for _ in range(count):
        found += schedule.get_last_lr()[:1]
        schedule.step()
    return found


def test_every_name_is_there():
    assert all(hasattr(optim, name) for name in optim.__all__)
    assert all(hasattr(optim.lr_scheduler, name) for name in optim.lr_scheduler.__all__)


class TestLambdaLR:
    def halved(self, n):
        return 0.5**n

    def test_sets_at_once_and_after_each_step(self):
        optimizer = SGD([leaf()], lr=0.8)
        schedule, seen = LambdaLR(optimizer, lambda n: 1 / (n + 2)), []
        for _ in range(3):
            seen.append(optimizer.param_groups[0]["lr"])
            schedule.step()
        assert close(seen, [0.4, 0.8 / 3, 0.2]) and schedule.last_epoch == 3

    def test_each_group_from_its_own_lr(self):
        groups = [{"params": [leaf()]}, {"params": [leaf()], "lr": 4.0}]
        schedule = LambdaLR(SGD(groups, lr=1.0), self.halved)
        schedule.step()
        assert schedule.get_last_lr() == [0.5, 2.0] and schedule.base_lrs == [1.0, 4.0]

    def test_a_function_for_each_group(self):
        groups = [{"params": [leaf()]}, {"params": [leaf()]}]
        schedule = LambdaLR(SGD(groups, lr=1.0), [self.halved, lambda n: 1.0])
        schedule.step()
        assert schedule.get_last_lr() == [0.5, 1.0]
        with pytest.raises(ValueError, match="1 functions for 2 groups: one for each"):
            LambdaLR(SGD(groups[:1] + [{"params": [leaf()]}]), [self.halved])

    def test_with_warmup_cosine(self):
        optimizer = AdamW([leaf()], lr=0.2)
        schedule = LambdaLR(
            optimizer, functools.partial(warmup_cosine, warmup_steps=2, total_steps=4)
        )
        seen = []
        for _ in range(6):
            seen += schedule.get_last_lr()
            schedule.step()
        assert close(seen, [0, 0.1, 0.2, 0.1, 0, 0])

    def test_numpy_factors_become_python_numbers(self):
        schedule = LambdaLR(SGD([leaf()], lr=1.0), lambda n: np.float64(0.5))
        assert [type(lr) for lr in schedule.get_last_lr()] == [float]

    def test_go_on_after_a_stop(self):
        optimizer = SGD([leaf()], lr=1.0)
        schedule = LambdaLR(optimizer, self.halved)
        for _ in range(3):
            schedule.step()
        saved = (optimizer.state_dict(), schedule.state_dict())
        schedule.step()

        again = SGD([leaf()], lr=7.0)
        again.load_state_dict(saved[0])
        resumed = LambdaLR(again, self.halved)
        resumed.load_state_dict(saved[1])
        assert resumed.get_last_lr() == [0.125]
        resumed.step()
        assert resumed.get_last_lr() == schedule.get_last_lr() == [0.0625]

    def test_the_state_of_a_callable_object_is_a_copy(self):
        class Seen:
            def __init__(self):
                self.calls = []

            def __call__(self, n):
                self.calls.append(n)
                return 1.0

        schedule = LambdaLR(SGD([leaf()]), Seen())
        saved = schedule.state_dict()
        schedule.step()
        assert saved["lr_lambdas"] == [{"calls": [0]}]
        again = LambdaLR(SGD([leaf()]), [own := Seen()])
        again.load_state_dict(saved)
        again.step()
        assert own.calls == [0, 1] and saved["lr_lambdas"] == [{"calls": [0]}]
        groups = [{"params": [leaf()]}, {"params": [leaf()]}]
        two = LambdaLR(SGD(groups), [lambda n: 0.5, Seen()]).state_dict()["lr_lambdas"]
        assert two == [None, {"calls": [0]}]
        with pytest.raises(ValueError, match="1 functions saved, and here 0"):
            StepLR(SGD([leaf()]), 3).load_state_dict(saved)

    def test_a_second_schedule_starts_from_the_first_lr(self):
        optimizer = SGD([leaf()], lr=1.0)
        for _ in range(2):
            schedule = LambdaLR(optimizer, self.halved)
            schedule.step()
        assert schedule.get_last_lr() == [0.5]

    def test_a_group_that_came_later_is_refused(self):
        optimizer = SGD([leaf()])
        schedule = LambdaLR(optimizer, self.halved)
        optimizer.add_param_group({"params": leaf()})
        with pytest.raises(ValueError, match="got a group after this schedule was made"):
            schedule.step()

    def test_a_state_of_other_groups_is_refused(self):
        schedule = LambdaLR(SGD([leaf()]), self.halved)
        with pytest.raises(ValueError, match="2 groups saved, and here 1"):
            schedule.load_state_dict({"last_epoch": 3, "base_lrs": [1.0, 2.0]})
        assert schedule.last_epoch == 0

    @pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
    def test_a_rate_just_below_0_comes_back(self, kind):
        first, second = kind([leaf()], lr=0.5), kind([leaf()], lr=0.5)
        LambdaLR(first, lambda step: -2e-17)
        second.load_state_dict(first.state_dict())
        assert second.param_groups[0]["lr"] == -1e-17
        with pytest.raises(ValueError, match="lr is a number and at least 0"):
            kind([leaf()], lr=-1e-17)
        first.param_groups[0]["lr"] = -math.inf
        with pytest.raises(ValueError, match="lr is a number and at least 0"):
            second.load_state_dict(first.state_dict())


class TestStepLR:
    def test_it_falls_after_each_round(self):
        schedule = StepLR(SGD([leaf()], lr=0.8), step_size=3, gamma=0.5)
        assert close(rates(schedule, 8), [0.8] * 3 + [0.4] * 3 + [0.2] * 2)

    def test_a_tenth_unless_asked_otherwise(self):
        assert close(rates(StepLR(SGD([leaf()], lr=1.0), 1), 3), [1, 0.1, 0.01])

    @pytest.mark.parametrize("size", [0, -1, 1.5])
    def test_a_round_has_steps(self, size):
        with pytest.raises(ValueError, match=f"step_size is a count of at least 1, not {size}"):
            StepLR(SGD([leaf()]), size)


class TestCosineAnnealingLR:
    def test_down_and_up_again(self):
        schedule = CosineAnnealingLR(SGD([leaf()], lr=3.0), T_max=4, eta_min=1.0)
        assert close(rates(schedule, 9), [3, 2.707107, 2, 1.292893, 1, 1.292893, 2, 2.707107, 3])

    def test_each_group_from_its_own_lr(self):
        groups = [{"params": [leaf()]}, {"params": [leaf()], "lr": 4.0}]
        schedule = CosineAnnealingLR(SGD(groups, lr=1.0), 2)
        schedule.step()
        assert close(schedule.get_last_lr(), [0.5, 2.0])

    def test_no_steps_are_refused(self):
        with pytest.raises(ValueError, match="T_max is a number of steps above 0, not 0"):
            CosineAnnealingLR(SGD([leaf()]), 0)


def test_a_kind_that_does_not_say_how():
    with pytest.raises(NotImplementedError, match=r"LRScheduler has no get_lr\(\)"):
        LRScheduler(SGD([leaf()]))
