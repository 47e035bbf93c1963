"""The gradient kit: explain_grad, what gradcheck says, the warning of a row minus a column."""

import cProfile
import functools
import math
import re
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import autograd, course, nn, no_grad, optim
from tinytorch.autograd import explain_grad, gradcheck
from tinytorch.nn import functional as F
from tinytorch.tensor import RULES, SLOTS, Tensor, default_generator, from_numpy, mul, wrap

IMAGES, LABELS = (
    Tensor(np.random.default_rng(0).standard_normal((6, 4))),
    Tensor([0, 1, 2, 0, 1, 2]),
)


SOURCE = Path(__file__).read_text(encoding="utf-8")


class Net(nn.Module):
    """Two layers, and between them whatever a test wants."""

    def __init__(self, between):
        tinytorch.manual_seed(0)
        self.first, self.second = nn.Linear(4, 5), nn.Linear(5, 3)
        self.between = between

    def forward(self, x):
        return self.second(self.between(self.first(x)))


class Owner:
    """Who keeps a model and its step."""

    def __init__(self):
        self.model = Net(lambda h: h)

    def step(self):
        return self.model(IMAGES).mean()


def explained(between, model=None):
    """The report about a network with this between its layers."""
    model = model or Net(between)
    return explain_grad(lambda: F.cross_entropy(model(IMAGES), LABELS), model)


# what stands between the layers -> (operation, words of the sentence)
CUTS = {
    "detach": (lambda h: h.detach(), "detach()", "cuts the graph"),
    "data": (lambda h: Tensor(h.data + 1), ".data", "x + y, not x.data + y.data"),
    "data alone": (lambda h: h.data * 2, ".data", "cuts the graph"),
    "comparison": (lambda h: (h > 0).float(), "gt", "truth values"),
    "argmax": (lambda h: tinytorch.eye(5)[h.argmax(-1)], "argmax", "whole numbers"),
    "integer cast": (lambda h: h.long().float(), "cast", "whole numbers"),
    "numpy": (lambda h: from_numpy(np.tanh(h.detach().numpy())), "numpy()", "come back"),
    "asarray": (lambda h: Tensor(np.asarray(h.detach()) * 2), "np.asarray(t)", "come back"),
    "the same memory": (
        lambda h: from_numpy(h.detach().numpy()),
        "from_numpy",
        "an array remembers",
    ),
    "tolist": (lambda h: Tensor([[2 * v for v in r] for r in h.tolist()]), "tolist()", "numbers"),
    "item": (
        lambda h: IMAGES[:, :1] * (2 * h.sum().item()) + tinytorch.zeros(5),
        "item()",
        "print",
    ),
    "array": (lambda h: wrap(h.array * 2), "NumPy", "a new tensor that remembers nothing"),
    "array in the middle": (
        lambda h: tinytorch.ones(6, 5) * np.cos(h.array),
        "NumPy",
        "NumPy array",
    ),
}


def under_no_grad(h):
    with no_grad():
        return h.tanh()


def written(h):
    out = tinytorch.zeros(6, 5)
    with no_grad():
        out[:, :] = h
    return out


def copied_into_data(h):
    out = tinytorch.zeros(6, 5)
    out.data = h * 2
    return out


CUTS["no_grad"] = under_no_grad, "no_grad", "switched off at test_gradients.py"
CUTS["written into another"] = written, "t[index] = value", "unrecorded"
CUTS["set as data"] = copied_into_data, ".data =", "unrecorded"


class TestExplainGrad:
    @pytest.mark.parametrize("name", CUTS)
    def test_names_what_cuts_the_graph(self, name):
        between, operation, words = CUTS[name]
        report = explained(between)
        for parameter in ("first.weight", "first.bias"):
            row = report[parameter]
            assert row.status == "none" and row.alarm and row.operation == operation, str(report)
            assert words in row.why, row.why
            assert row.place.file == __file__ and row.place.source in SOURCE
        assert report["second.weight"].status == "ok" and not report.ok

    def test_names_the_module_and_the_line(self):
        class Outer(nn.Module):
            def __init__(self):
                self.inner = Net(lambda h: h.detach())

            def forward(self, x):
                return self.inner(x)

        text = str(explained(None, Outer()))
        assert "(module inner)" in text and '"detach": ' not in text and "h.detach()" in text
        assert "test_gradients.py, line" in text

    def test_nothing_to_say_of_a_sound_network(self):
        report = explained(lambda h: h.tanh())
        assert report.ok and not report.notes and not report.problems
        assert [row.status for row in report.rows] == ["ok"] * 4
        assert all(
            row.norm > 0 and np.isclose(row.rms, row.norm / np.prod(row.shape) ** 0.5)
            for row in report.rows
        )

    def test_the_norms_are_those_of_backward(self):
        model = Net(lambda h: h.tanh())
        report = explained(None, model)
        F.cross_entropy(model(IMAGES), LABELS).backward()
        for name, p in model.named_parameters():
            assert np.isclose(report[name].norm, np.linalg.norm(p.grad.array))

    @pytest.mark.parametrize("how", ["part", "add_", "masked_fill_", "+="])
    def test_a_step_that_writes_in_place(self, how):
        def between(h):
            h = h * 2
            if how == "part":
                h[0] += 1
                h[:, 1] *= 3
            elif how == "add_":
                h.add_(1)
            elif how == "masked_fill_":
                h.masked_fill_(IMAGES[:, :1] > 0, 0.0)
            else:
                h += 1
            return h

        model = Net(between)
        report = explained(None, model)
        assert report.ok
        F.cross_entropy(model(IMAGES), LABELS).backward()
        for name, p in model.named_parameters():
            assert np.isclose(report[name].norm, np.linalg.norm(p.grad.array))

    def test_an_unused_parameter(self):
        model = Net(lambda h: h)
        model.extra = nn.Linear(2, 2)
        report = explained(None, model)
        assert "no operation of this step uses it" in report["extra.weight"].why

    def test_a_result_that_goes_nowhere(self):
        model = Net(lambda h: h)

        def step():
            model.first(IMAGES).tanh()
            return F.cross_entropy(model.second(tinytorch.ones(6, 5)), LABELS)

        row = explain_grad(step, model)["first.weight"]
        assert "does not depend on it" in row.why and row.operation == "tanh"

    def test_a_layer_made_in_forward(self):
        report = explained(lambda h: nn.Linear(5, 5)(h))
        assert len(report.problems) == 2 and "made anew in every step" in report.problems[0]
        assert "nn.Linear(5, 5)(h)" in report.problems[0]

    def test_a_frozen_parameter_is_no_mistake(self):
        model = Net(lambda h: h)
        model.first.requires_grad_(False)
        report = explained(None, model)
        assert report["first.weight"].status == "frozen" and report.ok

    def test_a_note_where_another_path_remains(self):
        report = explained(lambda h: h + h.tanh().detach())
        assert report.ok and "detach() cuts a path to the loss" in report.notes[0]

    def test_vanishing(self):
        tiny = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 5), nn.Linear(5, 3))
        a, b, c = tiny

        def step():
            return F.cross_entropy(c(b(a(IMAGES) * 1e-9 + IMAGES.sum())), LABELS)

        report = explain_grad(step, tiny)
        assert report["0.weight"].status == "vanishing" and report["0.weight"].alarm
        assert "far below the median" in report["0.weight"].why

    def test_exploding_by_itself(self):
        w = Tensor(np.full((2, 2), 3.0), requires_grad=True)

        def step():
            x = tinytorch.ones(1, 2)
            for _ in range(12):
                x = x @ w
            return x.sum()

        assert explain_grad(step, {"w": w})["w"].status == "exploding"

    def test_an_empty_graph(self):
        model = Net(lambda h: h)

        @no_grad()
        def step():
            return F.cross_entropy(model(IMAGES), LABELS)

        report = explain_grad(step, model)
        assert "the loss has no graph" in report.problems[0]
        assert report["second.weight"].operation == "no_grad"

    def test_several_numbers_as_loss(self):
        model = Net(lambda h: h)
        report = explain_grad(lambda: model(IMAGES), model)
        assert "backward() stops: backward() needs one number" in report.problems[0]

    def test_a_rule_that_answers_with_a_wrong_shape(self):
        right = RULES["tanh"]
        try:
            autograd.rule(wrong_tanh())
            report = explained(lambda h: h.tanh())
        finally:
            RULES["tanh"] = right
        assert "tanh_rule gave a gradient of (5,)" in str(report) and "h.tanh()" in str(report)

    def test_a_step_that_is_not_the_same_twice(self):
        model, source = Net(None), np.random.default_rng()
        model.between = lambda h: Tensor(np.tanh(h.detach().numpy()) + source.random())
        row = explained(None, model)["first.weight"]
        assert row.operation == "numpy()" and "leave the graph" in row.why

    @pytest.mark.parametrize("wrong", [3.0, None, [Tensor(1.0)]])
    def test_refuses_what_is_no_loss(self, wrong):
        with pytest.raises(TypeError, match="shall return the loss, a Tensor"):
            explain_grad(lambda: wrong, Net(None))

    def test_refuses_what_is_no_model(self):
        with pytest.raises(TypeError, match="a Module or a dictionary"):
            explain_grad(lambda: Tensor(1.0), [1, 2])

    def test_what_the_step_raises_comes_through(self):
        model = Net(lambda h: h)
        weight = model.first.weight.array.copy()

        def step():
            model.first.weight.data.fill_(0.0)
            raise KeyError("mine")

        with pytest.raises(KeyError, match="mine"):
            explain_grad(step, model)
        assert np.array_equal(model.first.weight.array, weight)

    def test_prints_long_lists_short(self):
        model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(20)])
        text = str(explain_grad(lambda: Tensor(1.0), model))
        assert "and 34 more" in text and len(text.splitlines()) < 8


def wrong_tanh():
    def tanh_rule(g, out):
        return (g * out).sum(axis=0)

    return tanh_rule


class TestLooksFurther:
    """What a sceptical reader broke, and explain_grad did not say at first."""

    def test_the_first_of_several_cuts(self):
        row = explained(lambda h: Tensor(h.detach().tanh().tolist()))["first.weight"]
        assert row.operation == "detach()"

    def test_numbers_that_come_back_beside_another_path(self):
        report = explained(lambda h: h * (1 + float(h.sum())))
        assert report.ok and "leave the graph by item()" in report.notes[0]
        assert "come back as a Python number" in report.notes[0]

    def test_numbers_for_the_log_are_no_note(self):
        def between(h):
            with no_grad():
                h.tanh().mean().item()
            return h * 2.0

        report = explained(between)
        assert report.ok and not report.notes

    def test_a_staircase(self):
        row = explained(lambda h: h.round())["first.weight"]
        assert row.status == "zero" and "round() is a staircase" in row.why

    def test_a_plain_tensor_where_a_parameter_was_meant(self):
        model = Net(lambda h: h * model.gain)
        model.gain, model.fixed = tinytorch.ones(5), tinytorch.ones(5)
        notes = explained(None, model).notes
        assert len(notes) == 1 and "Net.gain (5,) is a plain tensor" in notes[0]
        model.register_buffer("gain", model.__dict__.pop("gain"))
        assert not explained(None, model).notes

    def test_a_parameter_made_once_and_late(self):
        model = Net(None)

        def between(h):
            if not hasattr(model, "gain"):
                model.gain = nn.Parameter(tinytorch.ones(5))
            return h * model.gain

        model.between = between
        report = explained(None, model)
        assert report.ok and "is made in the first step" in report.notes[0]

    @pytest.mark.parametrize("order", ["backward, zero_grad, step", "zero_grad, step, backward"])
    def test_a_step_without_gradients(self, order):
        model = Net(lambda h: h)
        rule = optim.SGD(model.parameters(), lr=0.1)

        def step():
            loss = F.cross_entropy(model(IMAGES), LABELS)
            calls = {"backward": loss.backward, "zero_grad": rule.zero_grad, "step": rule.step}
            for name in order.split(", "):
                calls[name]()
            return loss

        (problem,) = explain_grad(step, model).problems
        assert problem.startswith("step() comes after zero_grad() with no backward()")

    def test_the_other_optimizer_may_be_cleared_in_between(self):
        model = Net(lambda h: h)
        rules = [optim.SGD(part.parameters(), lr=0.1) for part in (model.first, model.second)]

        def step():
            loss = F.cross_entropy(model(IMAGES), LABELS)
            loss.backward()
            for rule in rules:
                rule.step()
                rule.zero_grad()
            return loss

        assert explain_grad(step, model).ok

    def test_a_step_with_a_closure(self):
        model = Net(lambda h: h)
        rule = optim.SGD(model.parameters(), lr=0.1)

        def closure():
            loss = F.cross_entropy(model(IMAGES), LABELS)
            loss.backward()
            return loss

        def step():
            rule.zero_grad()
            return rule.step(closure)

        assert explain_grad(step, model).ok

    def test_a_step_that_keeps_its_loss_to_itself(self):
        model = Net(lambda h: h)

        def step():
            F.cross_entropy(model(IMAGES), LABELS).backward()

        report = explain_grad(step, model)
        assert report.ok and report.loss > 0 and report["first.weight"].norm > 0

    def test_finds_the_model_by_itself(self):
        model, other = Net(lambda h: h), Net(lambda h: h)
        report = explain_grad(lambda: F.cross_entropy(model(IMAGES), LABELS))
        assert [row.name for row in report.rows] == [n for n, _ in model.named_parameters()]
        report = explain_grad(lambda: (model(IMAGES) - other(IMAGES) + 1).mean())
        assert report.ok and len(report.rows) == 8 and report["other.first.weight"].norm > 0

    def test_finds_the_model_behind_a_method_and_a_function(self, monkeypatch):
        owner, others = Owner(), Net(lambda h: h)
        monkeypatch.setitem(globals(), "model", others)  # of the same name as the attribute
        names = [name for name, _ in others.named_parameters()]
        assert [row.name for row in explain_grad(owner.step).rows] == names
        assert explain_grad(owner.step).ok
        assert explain_grad(functools.partial(lambda net: net(IMAGES).mean(), others)).ok
        with pytest.raises(TypeError, match="finds no parameters in the step"):
            explain_grad(lambda: IMAGES.mean())

    def test_a_nan_in_the_data(self):
        row = explain_grad(lambda: (others(IMAGES) * math.nan).mean(), others := Net(lambda h: h))
        assert "comes in here as data" in row["first.weight"].why

    def test_a_batch_of_nothing(self):
        model = Net(lambda h: h)
        (problem,) = explain_grad(lambda: model(IMAGES[:0]).mean(), model).problems
        assert problem.startswith("the loss is nan: mean") and "there is nothing in" in problem

    def test_why_the_first_nan(self):
        with np.errstate(all="ignore"):
            row = explained(lambda h: (h * 0).log())["first.weight"]
        assert "its input is 0 or negative" in row.why

    def test_rows_times_columns(self):
        model, targets = nn.Linear(4, 1), Tensor([1.0, 0, 1, 0, 1, 0])

        def step():
            return -(targets * F.sigmoid(model(IMAGES)).log()).mean()

        (note,) = explain_grad(step, model).notes
        assert note.startswith("(6,) * (6, 1) gives (6, 6)")

    def test_large_gradients_have_one_cause(self):
        model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(6)])
        for parameter in model.parameters():
            parameter.array *= 1e4
        text = str(explain_grad(lambda: model(IMAGES).sum(), model))
        assert text.count("longer than 1e+08") == 1 and "above the median" not in text

    def test_an_optimizer_of_another_model(self):
        model, other = Net(lambda h: h), Net(lambda h: h)
        rule = optim.SGD(other.parameters(), lr=0.1)
        report = explain_grad(lambda: model(IMAGES).mean(), model, rule)
        assert "made for another model" in report.problems[0]

    def test_recording_was_switched_off_long_before(self):
        model = Net(lambda h: h)
        with tinytorch.set_grad_enabled(False):
            report = explain_grad(lambda: model(IMAGES).mean(), model)
        assert "set_grad_enabled(False) was called" in report["first.weight"].why

    @pytest.mark.parametrize("wrong", [Tensor(1.0), None])
    def test_refuses_what_is_no_function(self, wrong):
        with pytest.raises(TypeError, match="takes a function without arguments"):
            explain_grad(wrong, Net(None))


class TestLeavesEverythingAsItWas:
    def test_a_layer_that_the_step_replaces(self):
        model = Net(lambda h: h)
        before = dict(vars(model))

        def step():
            model.second, model.seen = nn.Linear(5, 3), True
            return model(IMAGES).mean()

        explain_grad(step, model)
        assert vars(model) == before and model.second is before["second"]

    def test_recording(self):
        def step():
            tinytorch.set_grad_enabled(False)
            return IMAGES.mean()

        explain_grad(step, Net(None))
        assert tinytorch.is_grad_enabled()

    def test_numbers_gradients_modes_and_random_numbers(self):
        model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 3))
        own = tinytorch.Generator(5)
        model[1].generator = own
        optimizer = optim.Adam(model.parameters())
        F.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        model.eval()
        grad = model[0].weight.grad
        kept = [p.array.copy() for p in model.parameters()], grad.array.copy()
        states = [g.numpy.bit_generator.state for g in (own, default_generator)]
        memory = optimizer.state_dict()["state"][0]["m"].copy()

        def step():
            model.train()
            loss = F.cross_entropy(model(IMAGES), LABELS) * tinytorch.rand(1).item()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        report = explain_grad(step, model)
        assert report.ok, str(report)
        assert all(np.array_equal(p.array, a) for p, a in zip(model.parameters(), kept[0]))
        assert model[0].weight.grad is grad and np.array_equal(grad.array, kept[1])
        assert [g.numpy.bit_generator.state for g in (own, default_generator)] == states
        assert not model.training and not model[1].training
        assert np.array_equal(optimizer.state_dict()["state"][0]["m"], memory)

    def test_a_parameter_that_forward_replaces(self):
        class Shrinking(nn.Module):
            def __init__(self):
                self.scale = nn.Parameter(tinytorch.ones(3))

            def forward(self, x):
                self.scale = nn.Parameter(self.scale.detach() * 0.9)
                return x * self.scale

        model = Shrinking()
        scale = model.scale
        report = explain_grad(lambda: model(tinytorch.ones(3)).sum(), model)
        assert report["scale"].operation == "detach()" and "made anew" in report.problems[0]
        assert model.scale is scale and scale.tolist() == [1, 1, 1]

    def test_the_optimizer_goes_on_as_if_nothing_had_been(self):
        def run(explain):
            tinytorch.manual_seed(3)
            model = Net(lambda h: h.tanh())
            optimizer = optim.AdamW(model.parameters(), lr=0.1)

            def step():
                loss = F.cross_entropy(model(IMAGES), LABELS)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                return loss

            for _ in range(3):
                step()
                if explain:
                    explain_grad(step, model)
            return [p.array.copy() for p in model.parameters()]

        assert all(np.array_equal(a, b) for a, b in zip(run(False), run(True)))

    def test_the_library_watches_no_more(self):
        before, walk = sys.getprofile(), SLOTS.get("backward")
        explained(lambda h: h.detach())
        assert sys.getprofile() is before and SLOTS.get("backward") is walk

    def test_under_a_profiler(self):
        with cProfile.Profile():
            assert explained(lambda h: h.detach())["first.weight"].operation == "detach()"

    def test_in_another_thread(self):
        found = []
        thread = threading.Thread(target=lambda: found.append(explained(lambda h: h.detach())))
        thread.start()
        thread.join()
        assert found[0]["first.weight"].operation == "detach()"


class TestGradcheck:
    def test_names_input_and_element(self, wrong_mul):
        x, y = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([[1.0, 1.0], [1.0, 5.0]])
        with pytest.raises(AssertionError) as error:
            gradcheck(lambda x, y: (x * y).sum(), [x, y])
        text = str(error.value)
        assert text.startswith("input 1, (2, 2): backward() says")
        assert "at element [1, 1], 5: received 0, expected 4." in text
        assert "mul_rule is wrong by itself (test_gradients.py, line" in text

    @pytest.mark.parametrize("file", ["/tmp/ipykernel_1/2.py", "<given autograd.gradcheck>"])
    def test_names_the_users_line_where_the_notebook_defines_gradcheck(self, wrong_mul, file):
        source = course.function_source(Path(autograd.__file__), "gradcheck")
        kernel = vars(autograd) | {"__name__": "__main__"}
        exec(compile(source, file, "exec"), kernel)
        with pytest.raises(AssertionError) as error:
            kernel["gradcheck"](mul, [Tensor([1.0, 2.0]), Tensor([3.0, 4.0])])  # the user's line
        told = r"mul_rule is wrong by itself \(test_gradients\.py, line .*# the user's line\)"
        assert re.search(told, str(error.value))

    def test_a_function_that_was_given_is_not_the_users_code(self):
        kernel = {"__name__": "__main__"}
        exec(compile("def cut(h): return h.detach()", "<given demo.cut>", "exec"), kernel)
        place = explained(lambda h: kernel["cut"](h))["first.weight"].place
        assert place.file == __file__ and 'kernel["cut"](h)' in place.source

    def test_finds_one_element_of_a_hundred_thousand(self, toy):
        def spoilt_rule(g):
            g = np.array(g)
            g.reshape(-1)[77_777] *= 2
            return g

        toy("spoilt", lambda x: x.copy(), spoilt_rule)
        f = tinytorch.tensor_spoilt
        with pytest.raises(AssertionError, match=r"at element \[777, 77\]"):
            gradcheck(f, Tensor(np.ones((1000, 100))))

    def test_several_results_of_several_kinds(self):
        def f(x, n):
            return x * 2, [1, 2][0], x.sum(), x > 0, x.detach() * 0

        assert gradcheck(lambda x, n: f(x, n), [Tensor([1.0, 2.0]), 3])
        with pytest.raises(AssertionError, match="detach"):
            gradcheck(lambda x: (x * 2, x.detach()), Tensor([1.0, 2.0]))

    def test_control_flow(self):
        def f(x, times):
            for _ in range(times):
                x = x * x if x.sum() > 0 else x.exp()
            return x

        assert gradcheck(f, [Tensor([0.3, 0.4]), 3]) and gradcheck(f, [Tensor([-0.3, 0.4]), 3])

    def test_says_that_there_is_a_corner(self):
        with pytest.raises(AssertionError, match=r"element \[1\], 0: .*a corner there: .*left"):
            gradcheck(lambda x: x.relu().sum(), Tensor([-1.0, 0.0, 2.0]))

    def test_says_that_there_is_a_jump(self):
        with pytest.raises(AssertionError, match="a jump there"):
            gradcheck(lambda x: ((x > 0).double() * 3 + x).sum(), Tensor([0.0, 2.0]))

    def test_says_that_f_has_no_value_there(self):
        with np.errstate(invalid="ignore"), pytest.raises(AssertionError, match="f itself is nan"):
            gradcheck(lambda x: x.log(), Tensor([-1.0], True, np.float64))

    def test_says_that_f_is_not_the_same_twice(self):
        dropout = nn.Dropout(0.5)
        with pytest.raises(AssertionError, match="another result for the same input"):
            gradcheck(dropout, Tensor(np.ones(20)))

    def test_says_that_all_rules_are_right_and_the_walk_is_not(self):
        right = autograd.unbroadcast
        try:
            autograd.unbroadcast = lambda g, shape: right(g, shape) * 2
            with pytest.raises(AssertionError, match="_rule is wrong by itself|in the walk"):
                gradcheck(lambda x, y: x + y, [Tensor([[1.0], [2.0]]), Tensor([1.0, 3.0])])
        finally:
            autograd.unbroadcast = right

    def test_an_element_of_a_single_number(self, wrong_mul):
        with pytest.raises(AssertionError, match="at the number, 3: received"):
            gradcheck(lambda x: x * x, Tensor(3.0))


@pytest.fixture
def toy():
    """Enter a primitive with its rule for one test; it is reached as tinytorch.tensor_NAME."""
    from tinytorch.tensor import PRIMITIVES, primitive

    tables, names = [(t, dict(t)) for t in (PRIMITIVES, RULES)], []

    def enter(name, function, rule):
        function.__name__, rule.__name__ = name, f"{name}_rule"
        setattr(tinytorch, f"tensor_{name}", primitive(function))
        autograd.rule(rule)
        names.append(f"tensor_{name}")

    yield enter
    for name in names:
        delattr(tinytorch, name)
    for table, before in tables:
        table.clear()
        table.update(before)


@pytest.fixture
def wrong_mul():
    """A rule of mul that forgets the last element of the second factor's gradient."""
    right = RULES["mul"]

    def mul_rule(g, x, y):
        second = np.array(g * x)
        second[(-1,) * second.ndim] = 0
        return g * y, second

    autograd.rule(mul_rule)
    yield
    RULES["mul"] = right


class TestRowAgainstColumn:
    def test_warns_at_the_users_line_with_the_way_out(self):
        prediction, target = Tensor([[1.0], [2.0]]), Tensor([1.0, 2.0])
        with pytest.warns(
            UserWarning, match=r"\(2, 1\) - \(2,\) gives \(2, 2\).*reshape"
        ) as caught:
            prediction - target
        assert caught[0].filename == __file__

    def test_once_for_each_line(self):
        a, b = Tensor([[1.0], [2.0]]), Tensor([1.0, 2.0])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            for _ in range(3):
                a - b
            b - a
        assert len(caught) == 2

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ((2, 1), (1, 2)),
            ((2, 2), (2,)),
            ((2, 2), (2, 1)),
            ((3, 1), (2,)),
            ((1, 1), (1,)),
            ((2, 2), ()),
            ((2, 2, 1), (2,)),
        ],
    )
    def test_says_nothing_of_other_shapes(self, first, second):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Tensor(np.ones(first)) - Tensor(np.zeros(second))
            Tensor(np.ones(second)) - Tensor(np.zeros(first))

    def test_says_nothing_of_all_pairs_of_the_same_numbers(self):
        x = Tensor([1.0, 2.0, 4.0])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert (x.unsqueeze(1) - x).shape == (3, 3)
            x - 1.0, 1.0 - x, np.ones(3) - x


class TestWritesAreNoticed:
    """Between forward and backward: which writes the walk itself notices."""

    @pytest.mark.parametrize(
        "write",
        [
            lambda w: w.data.fill_(1.0),
            lambda w: w.data.__setitem__(0, 1.0),
            lambda w: w.detach()[0:1].fill_(1.0),
            lambda w: w.data.reshape(3, 1).zero_(),
            lambda w: w.detach().copy_(np.ones(3)),
            lambda w: optim_step(w),
            lambda w: nn.init.ones_(w),
        ],
    )
    def test_by_the_library(self, write):
        w = Tensor([1.0, 2.0, 3.0], requires_grad=True)
        loss = (w * w).sum()
        write(w)
        with pytest.raises(RuntimeError, match="written into after it was used"):
            loss.backward()
        assert w.grad is None or not (w.grad.array == 2).all()

    @pytest.mark.parametrize(
        "write",
        [
            lambda w: w.array.fill(7),
            lambda w: w.detach().numpy().fill(7),
            lambda w: w.data.array.__setitem__(0, 7.0),
        ],
    )
    def test_by_numpy_which_explain_grad_sees(self, write):
        w = Tensor([1.0, 2.0, 3.0], requires_grad=True)

        def step():
            loss = (w * w).sum()
            write(w)
            return loss

        report = explain_grad(step, {"w": w})
        assert "NumPy wrote into numbers that mul keeps" in report.problems[0]
        assert "(w * w).sum()" in report.problems[0] and w.tolist() == [1, 2, 3]


def optim_step(w):
    w.grad = tinytorch.ones(3)
    optim.SGD([w], lr=0.1).step()
