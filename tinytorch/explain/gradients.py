"""Gradients that cannot lie: which parameters got none, or a bad one, and which operation is why.

`explain_grad(step, model)` runs a step once more and watches it (see `tracing`); the model, its
gradients and the random numbers are afterwards as they were.
"""

import copy
import dis
import functools
import math
import random
import sys
import warnings
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from ..tensor import (
    SLOTS,
    Generator,
    Parameter,
    Tensor,
    _switch,
    default_generator,
    later,
    wrap,
)
from .tracing import NOWHERE, Place, Trace, digest_of, is_ours, state_of

VANISHING, EXPLODING, HUGE = 1e-5, 1e4, 1e8  # rms against the median's, and a length by itself
BROKEN = ("nan", "inf")


@dataclass
class Row:
    """What became of the gradient of one parameter.

    Attributes:
        name, shape: of the parameter.
        status: "ok", "none", "zero", "nan", "inf", "exploding", "vanishing", "frozen", or
            "unlisted" for a tensor that is trained and is no parameter of the model.
        norm, rms: length of the gradient, and the root of the mean of its squares.
        why: one sentence; "" if all is well.
        place: the line of the user's code that is the cause, if one is known.
        operation: the operation that is the cause, if one is known.
        alarm: whether this is a mistake, and not only worth a look.
    """

    name: str
    shape: tuple
    status: str
    norm: float = 0.0
    rms: float = 0.0
    why: str = ""
    place: Place | None = None
    operation: str = ""
    alarm: bool = False


@dataclass
class Report:
    """What `explain_grad` found; print it, or read `rows`, `problems` and `notes`.

    Attributes:
        rows: a Row for every parameter.
        problems: sentences about the step as a whole: each is a mistake.
        notes: sentences that are worth a look and need not be mistakes.
        loss: the number that the step came to.
    """

    rows: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    loss: float = math.nan

    @property
    def ok(self):
        """True if nothing is wrong."""
        return not self.problems and not any(row.alarm for row in self.rows)

    def __getitem__(self, name):
        """The row of a parameter."""
        return next(row for row in self.rows if row.name == name)

    def __str__(self):
        bad = sum(row.alarm for row in self.rows)
        good = sum(row.status == "ok" for row in self.rows)
        head = f"loss {self.loss:.6g}; {len(self.rows)} parameters, {good} with a sound gradient"
        lines = [head + (f", {bad} without" if bad else "")]
        lines += [f"  wrong: {text}" for text in self.problems]
        for (status, why, place), rows in grouped(self.rows).items():
            names = ", ".join(map(label, rows[:6]))
            names += f" and {len(rows) - 6} more" if len(rows) > 6 else ""
            lines.append(f"  {status}: {names}")
            lines += [f"    {text}" for text in (why, where(place)) if text]
        lines += [f"  note: {text}" for text in self.notes]
        sound = [row for row in self.rows if row.status == "ok"]
        if sound:
            low, high = (f(sound, key=lambda r: r.rms) for f in (min, max))
            lines.append(
                f"  sizes (rms): from {low.rms:.2g}, {low.name}, to {high.rms:.2g}, {high.name}"
            )
        return "\n".join(lines)

    __repr__ = __str__


def label(row):
    """A parameter and its shape; and how large its gradient is, where that is the question."""
    size = f" rms {row.rms:.2g}" if row.status in ("exploding", "vanishing") else ""
    return f"{row.name} {row.shape}{size}"


def grouped(rows):
    """The rows that are not sound, with the same cause together."""
    groups = defaultdict(list)
    for row in rows:
        if row.status != "ok":
            groups[row.status, row.why, row.place].append(row)
    return groups


def where(place):
    """The line and its text."""
    if place is None or place is NOWHERE:
        return ""
    return f"{place}: {place.source}" if place.source else str(place)


def explain_grad(step, model=None, optimizer=None):
    """Run a step once more and say, for every parameter, what became of its gradient, and why.

    Args:
        step: a function without arguments that returns the loss, a Tensor of one number. It may
            call backward(), zero_grad() and the optimizer's step() as well; with a backward() it
            need not return the loss.
        model: a Module, or a dictionary name -> Tensor; by default what the step itself uses.
        optimizer: the optimizer or a list of them, to see whether they hold the right tensors;
            those whose step() runs are found without it.

    Returns:
        A `Report`. Model, gradients, optimizers and random numbers are as they were before; what
        else the step changes (a list, the position in a file) stays changed.

    Raises:
        TypeError: the step is no function, or there is no loss; model is neither Module nor
            dictionary.
        What the step itself raises.

    >>> from tinytorch.tensor import Tensor
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> report = explain_grad(lambda: (Tensor(w.data * 3) * w.detach()).sum(), {"w": w})
    >>> report["w"].status
    'none'
    """
    if not callable(step):
        raise TypeError(
            f"explain_grad runs the step again, so it takes a function without arguments, and not "
            f"a {type(step).__name__}: write explain_grad(lambda: loss_of(model, batch), model)"
        )
    optimizers = [] if optimizer is None else optimizer
    optimizers = optimizers if isinstance(optimizers, (list, tuple)) else [optimizers]
    return Examination(step, model_of(step) if model is None else model, optimizers).report()


# ---------------------------------------------------------------- leaving everything as it was


class Kept:
    """The state of a model, of generators and optimizers, to be put back."""

    def __init__(self, tensors, modules, optimizers, step):
        self.tensors = [(t, t.array, t.array.copy(), t.grad, t.version[0]) for t in tensors]
        self.gradients = [(t.grad, t.grad.array.copy()) for t in tensors if t.grad is not None]
        self.wanted = [(t, t.requires_grad) for t in tensors]
        self.parts = [(m, dict(vars(m))) for m in modules]
        self.recording = _switch.on
        found = [v for _, own in self.parts for v in own.values()] + [*seen_by(step).values()]
        generators = {default_generator, *(g for g in found if isinstance(g, Generator))}
        self.random = [(g, copy.deepcopy(g.numpy.bit_generator.state)) for g in generators]
        self.others = random.getstate(), np.random.get_state()  # noqa: NPY002
        self.optimizers = {id(o): (o, state_of(o)) for o in optimizers}

    def rewind(self):
        """The random numbers from the beginning again."""
        for generator, state in self.random:
            generator.numpy.bit_generator.state = copy.deepcopy(state)
        random.setstate(self.others[0])
        np.random.set_state(self.others[1])  # noqa: NPY002

    def put_back(self, optimizers=()):
        """Everything."""
        self.rewind()
        for tensor, array, numbers, grad, version in self.tensors:
            if digest_of(array) != digest_of(numbers):
                array[...] = numbers
            tensor.array, tensor.grad, tensor.version[0] = array, grad, version
        for grad, numbers in self.gradients:
            grad.array = numbers
        for tensor, wanted in self.wanted:
            tensor.requires_grad = wanted
        for module, own in self.parts:
            vars(module).clear()
            vars(module).update(own)
        _switch.on = self.recording
        for known, (state, groups) in [*self.optimizers.values(), *optimizers]:
            known.state, known.packs = copy_of(state), {}
            for group, before in zip(known.param_groups, groups):
                group.clear()
                group.update(before)


def copy_of(state):
    return {p: copy.deepcopy(own) for p, own in state.items()}


def seen_by(function, depth=3):
    """What a function sees from outside of itself: name -> value, of its closure and of globals.

    Also what it was bound to, and what the functions see that it sees.
    """
    if isinstance(function, functools.partial):
        given = {f"argument {n}": value for n, value in enumerate(function.args, 1)}
        return seen_by(function.func, depth) | given | function.keywords
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    cells = zip(getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or ())
    used = {i.argval for i in dis.get_instructions(code) if "GLOBAL" in i.opname} if code else ()
    seen = {name: known[name] for name in sorted(used) if name in known}
    seen |= {name: cell.cell_contents for name, cell in cells if filled(cell)}
    owner = getattr(function, "__self__", None)
    seen |= {f"self.{name}": value for name, value in getattr(owner, "__dict__", {}).items()}
    for value in list(seen.values()):
        theirs = getattr(value, "__module__", None) or "tinytorch"
        if depth and hasattr(value, "__code__") and theirs.partition(".")[0] != "tinytorch":
            seen = seen_by(value, depth - 1) | seen
    return seen


def model_of(step):
    """The module that a step uses; of several the parameters, and those of no module."""
    seen = seen_by(step)
    trees = {n: m for n, m in seen.items() if hasattr(m, "named_parameters")}
    models = {n: m for n, m in trees.items() if not isinstance(m, type) and [*m.parameters()]}
    if len({id(m) for m in models.values()}) == 1:
        return next(iter(models.values()))
    pairs = [(f"{n}.{path}", p) for n, m in models.items() for path, p in m.named_parameters()]
    pairs += [(n, t) for n, t in seen.items() if isinstance(t, Tensor) and t.requires_grad]
    if not pairs:
        raise TypeError("explain_grad finds no parameters in the step: explain_grad(step, model)")
    first = {id(tensor): name for name, tensor in reversed(pairs)}
    return {name: tensor for name, tensor in pairs if first[id(tensor)] == name}


def filled(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:  # not yet
        return False


# ---------------------------------------------------------------- the examination


def named(model):
    """name -> Tensor of what shall be trained; and the same for what plain lists hide."""
    if isinstance(model, dict):
        return dict(model), {}
    if not hasattr(model, "named_parameters"):
        raise TypeError(
            f"explain_grad: model is a Module or a dictionary name -> Tensor, not {model!r:.40}"
        )
    return dict(model.named_parameters()), hidden_in(model)


def hidden_in(model):
    """Tensors that want a gradient in plain lists, dictionaries and attributes of a model."""
    listed, hidden = {id(p) for _, p in model.named_parameters()}, {}

    def look(path, value, depth):
        if isinstance(value, Tensor):
            if value.requires_grad and value.is_leaf and id(value) not in listed:
                hidden.setdefault(path, value)
        elif isinstance(value, (list, tuple)) and depth < 4:
            for i, part in enumerate(value):
                look(f"{path}[{i}]", part, depth + 1)
        elif isinstance(value, dict) and depth < 4:
            for key, part in value.items():
                look(f"{path}[{key!r}]", part, depth + 1)
        elif hasattr(value, "named_parameters"):
            for name, p in value.named_parameters():
                look(f"{path}.{name}", p, depth + 1)

    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if not hasattr(value, "named_parameters"):
                look(f"{path}.{name}" if path else name, value, 0)
    return hidden


class Examination:
    """One use of explain_grad: the runs, and what they say."""

    def __init__(self, step, model, optimizers):
        self.step, self.model, self.optimizers = step, model, list(optimizers)
        self.parameters, self.hidden = named(model)
        self.gradients, self.failure, self.written = {}, None, []
        self.cleared, self.walks, self.quiet, self.budget = False, 0, False, 8
        self.walked = None  # the loss of the last backward()
        modules = model.modules() if hasattr(model, "modules") else []
        buffers = model.buffers() if hasattr(model, "buffers") else []
        tensors = {id(t): t for t in [*self.parameters.values(), *self.hidden.values(), *buffers]}
        held = [p for o in self.optimizers for p in o.in_order()]
        tensors |= {id(t): t for t in [*held, *leaves_among(seen_by(step).values())]}
        self.kept = Kept(tensors.values(), modules, self.optimizers, step)

    def report(self):
        """Run, look, put everything back."""
        try:
            self.trace, loss = self.run(walk=True)
            self.loss, self.late = self.trace.node_of(loss), self.lasting()
            self.reach = Reach(self.trace, self.loss)
            report = Report(loss=float(loss.array.reshape(-1)[0]) if loss.array.size else math.nan)
            self.judge(report)
        finally:
            self.kept.put_back(self.trace.optimizers.values() if hasattr(self, "trace") else ())
        return report

    def run(self, walk):
        """The step under a Trace: (trace, loss)."""
        trace = Trace(self.model)
        before, self.trace = SLOTS.get("backward"), trace
        real = later("autograd", "backward")
        self.marks = {id(t): wrap(np.zeros_like(t.array)) for t in self.parameters.values()}
        for t in [*self.parameters.values(), *self.hidden.values()]:
            t.grad = self.marks.get(id(t))

        def watched(loss, gradient=None, retain_graph=False, create_graph=False, into=None):
            self.walk(real, loss, gradient, (retain_graph, create_graph), into)

        SLOTS["backward"] = watched
        try:
            loss = trace.run(self.step)
            loss = self.loss_from(loss)
            if walk and not self.walks and trace.handed:  # by functions.grad, or other threads
                self.walks, self.gradients = 1, trace.handed
            if walk and not self.walks and loss.requires_grad:
                trace.run(lambda: self.walk(real, loss, None, (False, False), dict))
        finally:
            SLOTS["backward"] = before
            if before is None:
                del SLOTS["backward"]
        return trace, loss

    def loss_from(self, answer):
        """What the step returned; if that is no Tensor, what its own backward() began with."""
        if isinstance(answer, Tensor):
            return answer
        if self.walked is not None:
            return self.walked
        advice = "is a `return loss` missing, or an .item() too many?"
        if isinstance(answer, (tuple, list, dict)):
            advice = "return the loss alone"
        raise TypeError(
            f"explain_grad: the step shall return the loss, a Tensor, not {answer!r:.40}: {advice}"
        )

    def lasting(self):
        """The parameters that the step made and that another step keeps: made late, for once."""
        if isinstance(self.model, dict):
            return set()
        late = {n: p for n, p in self.model.named_parameters() if n not in self.parameters}
        trace, self.quiet = self.trace, True
        try:
            if late:
                self.run(walk=False)
        except Exception:  # a step that runs only once
            return set()
        finally:
            self.trace = trace
        return {id(p) for n, p in self.model.named_parameters() if late.get(n) is p}

    def walk(self, real, loss, gradient, settings, into):
        """The learner's own backward(), and a copy of what it found."""
        self.walked = loss
        if self.quiet:
            real(loss, gradient, *settings, into=into or real.__defaults__[-1])
            return
        self.walks += 1
        self.trace.events.append(("backward", loss, NOWHERE))
        tensors = self.parameters.values()
        self.cleared |= all(t.grad is not self.marks.get(id(t)) for t in tensors)
        self.written += written_since(self.trace)
        found = {}
        try:
            real(loss, gradient, *settings, into=found.update)
        except (RuntimeError, ValueError, TypeError, NotImplementedError, IndexError) as error:
            self.failure = error
            return
        for leaf, g in found.items():
            g = np.array(g)
            known = self.gradients.get(leaf)
            self.gradients[leaf] = g if known is None else known + g
        (into or real.__defaults__[-1])(found)

    def nudged(self, tensor):
        """Change a tensor, run again: (the nodes that changed, whether the loss did), or None."""
        if self.budget <= 0:
            return None
        self.budget -= 1
        self.quiet = True
        first = self.rerun(None)
        if first is None or not same(self.trace, first):
            return None
        other = self.rerun(tensor)
        if other is None:
            return None
        nodes, again = self.trace.nodes, other.nodes
        changed = [a for a, b in zip(nodes, again) if a.digest != b.digest and a.name == b.name]
        return changed, self.loss in changed or len(nodes) != len(again)

    def rerun(self, tensor):
        """The step once more, with the tensor changed if there is one: its trace."""
        trace = self.trace
        self.kept.put_back(trace.optimizers.values())
        if tensor is not None:
            signs = np.random.default_rng(0).choice([-1.0, 1.0], tensor.shape)
            moved = tensor.array + signs * 0.01 * (1 + np.abs(tensor.array))
            tensor.array[...] = moved
        try:
            return self.run(walk=False)[0]
        except Exception:  # a step that bears no other numbers
            return None
        finally:
            self.trace = trace

    # -- what it says
    def judge(self, report):
        """Fill the report."""
        if self.failure is not None:
            report.problems.append(self.failed())
        for node, _ in self.written:
            report.problems.append(
                f"NumPy wrote into numbers that {node.name} keeps for its gradient "
                f"({where(node.place)}): the gradient would belong to other numbers. Write into "
                "a copy"
            )
        for name, tensor in self.parameters.items():
            report.rows.append(self.row(name, tensor))
        for name, tensor in self.hidden.items():
            if tensor in self.gradients:
                report.rows.append(self.unlisted(name, tensor))
        compare(report.rows)
        self.ask_optimizers(report)
        self.look_around(report)

    def failed(self):
        """The walk itself raised: what, and at which operation."""
        step = next((w for w in reversed(self.trace.walked) if w.answers is None), None)
        at = f" (the {step.node.name} of {where(step.node.place)})" if step and step.node else ""
        if not at:
            at = self.named_in_failure()
        return f"backward() stops: {self.failure}{at}"

    def named_in_failure(self):
        """For a write that the order of the walk noticed: the operation that kept the numbers."""
        for call, node in self.trace.calls.items():
            versions = call.versions if isinstance(call.versions, tuple) else ()
            if any(counter[0] != value for counter, value in versions):
                writes = [
                    w for w in self.trace.nodes if w.kind == "write" and w.number > node.number
                ]
                steps = [at for what, _, at in self.trace.events if what == "step"]
                by = f"; written by step() at {where(steps[-1])}" if steps else ""
                by = f"; written by {writes[0].name} at {where(writes[0].place)}" if writes else by
                return f" (kept by the {node.name} of {where(node.place)}{by})"
        return ""

    def row(self, name, tensor):
        """The row of one parameter."""
        row = Row(name, tensor.shape, "ok")
        g = self.gradients.get(tensor)
        if not tensor.requires_grad:
            row.status, row.why = "frozen", "requires_grad is False: it is not trained"
            if g is None:
                return row
        if g is None:
            row.status = "none"
            row.alarm = self.failure is None
            if row.alarm:
                cause = Cause(self, tensor)
                row.why, row.place, row.operation = cause.found()
                row.alarm = cause.alarm
            else:
                row.why = "the walk did not end"
            return row
        row.norm = float(np.sqrt((g.astype(np.float64) ** 2).sum()))
        row.rms = row.norm / math.sqrt(max(g.size, 1))
        if not np.isfinite(g).all():
            row.status, row.alarm = "nan" if np.isnan(g).any() else "inf", True
            row.why, row.place, row.operation = born(self.trace, self.loss)
        elif g.size and not g.any():
            row.status = "zero"
            row.why, row.place, row.operation, row.alarm = vanished(self, tensor)
        return row

    def unlisted(self, name, tensor):
        row = Row(name, tensor.shape, "unlisted", alarm=True)
        row.norm = float(np.sqrt((self.gradients[tensor] ** 2).sum()))
        row.why = (
            "it gets a gradient and is not in model.parameters(), so no optimizer moves it: use "
            "nn.Parameter for a tensor, ModuleList or ModuleDict instead of a plain list"
        )
        return row

    def ask_optimizers(self, report):
        """Do the optimizers hold the tensors that are trained?"""
        seen = [o for o, _ in self.trace.optimizers.values()]
        known = list({id(o): o for o in [*self.optimizers, *seen]}.values())
        listed = {id(t) for t in self.parameters.values()}
        used = {id(t) for t in self.gradients}
        held = {id(p) for o in known for p in o.in_order()}
        for optimizer in known:
            strange = [p for p in optimizer.in_order() if id(p) not in listed | used]
            if strange:
                none = len(strange) == len(optimizer.in_order())
                before = "for another model" * none or "before a part was replaced"
                report.problems.append(
                    f"{type(optimizer).__name__} holds {len(strange)} tensors, the first of shape "
                    f"{strange[0].shape}, that are neither in the model nor used by the loss: it "
                    f"was made {before}; make it from this model, when it is complete"
                )
        if known:
            free = [n for n, t in self.parameters.items() if id(t) not in held and t.requires_grad]
            if free:
                some = ", ".join(free[:4]) + (", ..." if len(free) > 4 else "")
                report.notes.append(f"no optimizer holds {some}: nothing moves it")
            self.ask_order(report)

    def ask_order(self, report):
        """Are gradients cleared, and are they there when step() wants them?"""
        events = self.trace.events
        for number, (what, optimizer, place) in enumerate(events):
            before = [w for w, o, _ in events[:number] if w == "backward" or o is optimizer]
            if what == "step" and self.walked is not None and before[-1:] == ["zero_grad"]:
                report.problems.append(
                    "step() comes after zero_grad() with no backward() between them, and finds no "
                    f"gradient: the order is zero_grad, backward, step. {where(place)}"
                )
        if self.walks and any(what == "step" for what, *_ in events):
            fresh = all(t.grad is None for t in self.parameters.values())
            if not (self.cleared or fresh or any(what == "zero_grad" for what, *_ in events)):
                report.problems.append(
                    "gradients are never cleared: each backward() adds to those of all steps "
                    "before. Call optimizer.zero_grad() before backward()"
                )

    def look_around(self, report):
        """What is not the fault of one parameter."""
        if self.failure is None and not self.gradients and not self.loss.recorded:
            report.problems.append("the loss has no graph: no parameter can learn from it")
        if not math.isfinite(report.loss) and not any(r.status in BROKEN for r in report.rows):
            why, place, _ = born(self.trace, self.loss)
            report.problems.append(f"the loss is {report.loss}: {why}. {where(place)}")
        self.look_at_nodes(report)
        self.look_at_attributes(report)
        cuts = self.reach.all_cuts()
        blamed = {row.place for row in report.rows}
        for node in cuts:
            if node.place not in blamed and node.kind == "out":
                blamed.add(node.place)
                report.notes.append(
                    f"{node.name} cuts a path to the loss, and others remain: {where(node.place)}"
                )
        self.look_for_returns(report, blamed)
        report.notes[:] = dict.fromkeys(report.notes)

    def look_at_nodes(self, report):
        """Parameters made anew, and rows that meet columns."""
        for node in self.trace.nodes:
            used = node in self.reach.to_loss
            fresh = isinstance(node.value, Parameter) and node.name == "Tensor(...)"
            if fresh and id(node.value) in self.late:
                report.notes.append(
                    f"a parameter {node.shape} is made in the first step: run one before the "
                    f"optimizer is made. {where(node.place)}"
                )
            elif fresh and used and node.value in self.gradients:
                report.problems.append(
                    f"a parameter {node.shape} is made anew in every step, and what it learns is "
                    f"lost: make it once, in __init__. {where(node.place)}"
                )
            if node.name in ("sub", "mul") and used and suspicious(node):
                first, second = (n.shape for n in node.inputs)
                if node.name == "sub":
                    told = f"{first} - {second} gives {node.shape}: every row against every other"
                    report.problems.append(f"{told}. {where(node.place)}")
                else:
                    told = f"{first} * {second} gives {node.shape}: are all pairs meant?"
                    report.notes.append(f"{told} {where(node.place)}")

    def look_at_attributes(self, report):
        """Plain tensors in the user's own modules, where a Parameter may have been meant."""
        used = {id(node.value) for node in self.reach.to_loss}
        for module, own in self.kept.parts:
            if type(module).__module__.startswith("tinytorch."):
                continue
            for name, value in own.items():
                if id(value) not in used or type(value) is not Tensor or value.requires_grad:
                    continue
                if value.is_leaf and value.dtype.kind == "f" and name not in module.buffer_names:
                    report.notes.append(
                        f"{type(module).__name__}.{name} {value.shape} is a plain tensor, and "
                        "nothing trains it: nn.Parameter(...) if it shall learn, "
                        "register_buffer(name, ...) if not"
                    )

    def look_for_returns(self, report, blamed):
        """Numbers that leave the graph and come back, while another path to the loss remains."""
        fresh = [n.number for n in self.reach.to_loss if n.kind == "entry" and not n.inputs]
        for node, way, place in self.trace.left:
            meant = node.off is not None or node.number > max(fresh, default=0)
            if place in blamed or meant or self.failure is not None or self.walks > 1:
                continue
            blamed.add(place)
            behind = [t for t in self.gradients for n in self.reach.behind([node]) if n.value is t]
            nudged = self.nudged(behind[0]) if behind else None
            back = [n for n in nudged[0] if n.number in fresh] if nudged else []
            back = [n for n in back if n.value is not behind[0]]
            if back:
                report.notes.append(
                    f"numbers leave the graph by {way} ({where(place)}) and come back as "
                    f"{new(back[0])} at {where(back[0].place)}: no gradient takes this path"
                )


def same(first, second):
    """True if two runs did the same with the same numbers."""
    pairs = zip(first.nodes, second.nodes)
    alike = all((a.name, a.digest) == (b.name, b.digest) for a, b in pairs)
    return alike and len(first.nodes) == len(second.nodes)


def leaves_among(values):
    """The leaf tensors among some values."""
    return [v for v in values if isinstance(v, Tensor) and v.is_leaf]


def suspicious(node):
    """A difference (N,) - (N, 1) or the other way round, of different numbers."""
    shapes = sorted((n.shape for n in node.inputs), key=len)
    if len(shapes) != 2 or len(shapes[0]) != 1 or len(shapes[1]) != 2:
        return False
    first, second = map(array_of, node.inputs)
    return shapes[1] == (shapes[0][0], 1) != (1, 1) and not np.may_share_memory(first, second)


def compare(rows):
    """Exploding and vanishing gradients, against the median of all."""
    sound = [row for row in rows if row.status == "ok"]
    sizes = [row.rms for row in sound if len(row.shape) > 1]
    middle = float(np.median(sizes)) if sizes else 0.0
    for row in sound:
        far = middle and row.rms > EXPLODING * middle
        if far or row.norm > HUGE:
            row.status, row.alarm = "exploding", True
            row.why = f"far above the median, {middle:.2g}" if far else f"longer than {HUGE:.0e}"
            row.why += ": scale the layers' beginnings, normalise, or clip_grad_norm_"
        elif len(row.shape) > 1 and row.rms < VANISHING * middle:
            row.status, row.alarm = "vanishing", True
            row.why = f"far below the median, {middle:.2g}: "
            row.why += "residual connections, another nonlinearity, or better beginnings help"


def written_since(trace):
    """The nodes whose kept arrays NumPy has changed since: nobody can count such writes."""
    found = []
    for node in trace.nodes:
        for array, digest in node.saved.values():
            if digest_of(array) != digest:
                found.append((node, array))
                break
    counted = [v for call in trace.calls for v in call.versions]
    return [] if any(counter[0] != value for counter, value in counted) else found[:3]


# ---------------------------------------------------------------- why a gradient is missing

ADVICE = {
    "detach()": "leave it away, or compute on with the tensor itself",
    ".data": "compute with the tensors themselves: x + y, not x.data + y.data",
    "item()": "a Python number remembers nothing: keep the tensor, and call item() to print only",
    "tolist()": "Python numbers remember nothing: keep the tensor",
    "numpy()": "NumPy remembers nothing: use the operation of the same name on the tensor",
    "np.asarray(t)": "NumPy remembers nothing: use the operation of the same name on the tensor",
    "Tensor(...)": "it copies numbers and remembers nothing: use the tensor, stack() or cat()",
    "": "an array remembers nothing: compute with tensors all the way",
}


class Reach:
    """Who reaches whom in a trace.

    Attributes:
        to_loss: all nodes that the loss is computed from, recorded or not.
    """

    def __init__(self, trace, loss):
        self.trace, self.children = trace, defaultdict(list)
        for node in trace.nodes:
            for source in node.inputs:
                self.children[source].append(node)
        self.to_loss = self.behind([loss])

    def behind(self, ends):
        """The nodes that some nodes are computed from, and these themselves."""
        found, todo = set(ends), list(ends)
        while todo:
            for source in todo.pop().inputs:
                if source not in found:
                    found.add(source)
                    todo.append(source)
        return found

    def flow(self, starts, everything=False):
        """The nodes from which a gradient would come back to `starts`, and these themselves."""
        found, todo = set(starts), list(starts)
        while todo:
            node = todo.pop()
            for child in self.children[node]:
                if child not in found and (everything or node in child.carries()):
                    found.add(child)
                    todo.append(child)
        return found

    def cuts(self, flow, to=None):
        """Where the numbers of `flow` go on to the loss and no gradient comes back."""
        found = {c for node in flow for c in self.children[node] if node not in c.carries()}
        return sorted((found - flow) & (self.to_loss if to is None else to), key=order)

    def all_cuts(self):
        """Every such place of the trace."""
        return self.cuts({n for n in self.trace.nodes if n.recorded})


def order(node):
    """Nodes in the order of time."""
    return node.number


class Cause:
    """Why no gradient arrives at a tensor.

    Attributes:
        alarm: whether it is a mistake.
    """

    def __init__(self, examination, tensor):
        self.examination, self.tensor, self.alarm = examination, tensor, True
        self.reach, self.trace = examination.reach, examination.trace

    def found(self):
        """(sentence, place, operation)."""
        starts = [node for node in self.trace.nodes if node.value is self.tensor]
        used = [child for node in starts for child in self.reach.children[node]]
        if not used:
            return "no operation of this step uses it", None, ""
        flow = self.reach.flow(starts)
        cuts = self.reach.cuts(flow)
        if cuts:
            return described(cuts[0])
        return self.by_nudging(starts, flow)

    def by_nudging(self, starts, flow):
        """No path is known: change the numbers and see whether and where the step changes."""
        last = max(flow, key=order)
        numbers = self.reach.flow(starts, everything=True)
        left = [each for each in self.trace.left if each[0] in numbers]
        nudged = self.examination.nudged(self.tensor)
        if nudged is None:  # the step is not the same twice, or too many to try
            if left:
                _, way, place = left[0]
                return f"its numbers leave the graph by {way}: {ADVICE[way]}", place, way
            return "no path to the loss is known", last.place, last.name
        changed, loss_changed = nudged
        if not loss_changed:
            why = "the loss does not depend on it: what is computed from it here is not used"
            return why, last.place, last.name
        back = [n for n in changed if n.kind == "entry" and not n.inputs and n not in starts]
        back = [n for n in back if n in self.reach.to_loss]
        if not back:
            return "the loss depends on it, by no operation of the library", last.place, last.name
        if left:
            node, way, place = left[0]
            earlier = self.reach.cuts(flow, self.reach.behind([node]) - {node})
            if earlier:  # and its numbers leave the graph later on
                return described(earlier[0])
            come = f"and come back as {new(back[0])} at {where(back[0].place)}"
            return f"its numbers leave the graph by {way} {come}: {ADVICE[way]}", place, way
        why = f"numbers computed from it come back as {new(back[0])}: {ADVICE[back[0].name]}"
        return why, back[0].place, back[0].name or "NumPy"


def new(node):
    """What an entry is, in words."""
    if isinstance(node.value, Tensor):
        return "a new tensor that remembers nothing"
    return "a NumPy array" if isinstance(node.value, np.ndarray) else "a Python number"


def described(node):
    """Why a gradient cannot pass an operation: (sentence, place, operation)."""
    if node.off is not None and node.kind == "op":
        switched = f" (switched off at {node.off})"
        if node.off is NOWHERE:
            switched = " (set_grad_enabled(False) was called, in the step or long before)"
        why = f"{node.name} runs under no_grad{switched}, and is not recorded"
        return why, node.place, "no_grad"
    if node.kind == "op" and node.dtype.kind != "f":
        kind = "truth values" if node.dtype.kind == "b" else "whole numbers"
        why = f"{node.name} gives {kind}, which have no slope: the path ends here"
        return why, node.place, node.name
    if node.kind == "write":
        why = f"{node.name} only writes numbers, unrecorded: make a new tensor instead"
        return why, node.place, node.name
    name = node.name or "from_numpy"
    if node.kind == "op":
        return f"{name} does not pass a gradient on to this input", node.place, name
    cuts = f"{name} cuts the graph"
    if node.off is not None and node.off is not NOWHERE:
        cuts += f" (and recording is off since {node.off})"
    return f"{cuts}: {ADVICE[node.name]}", node.place, name


# ---------------------------------------------------------------- why a gradient is bad


def array_of(node):
    """The numbers of a node."""
    return node.value.array if isinstance(node.value, Tensor) else np.asarray(node.value)


def born(trace, loss):
    """Where the first number that is not finite comes from: (sentence, place, operation)."""
    if not np.isfinite(array_of(loss)).all():
        for node in trace.nodes:
            fresh = all(not strange(n) for n in node.inputs)
            if node.kind in ("op", "entry") and strange(node) and fresh:
                if not node.name:
                    why = f"a nan or inf, of shape {node.shape}, comes in here as data"
                    return why, node.place, node.name
                what = f"{node.name} makes the first nan or inf"
                why = FIRST.get(node.name, "")
                if any(n.value is not None and 0 in n.shape for n in node.inputs):
                    why = ": there is nothing in its input, of shape " + str(node.inputs[0].shape)
                return f"{what}, on the way to the loss{why}", node.place, node.name
    for step in trace.walked:
        if step.arrived[1] and step.answers and not all(ok for *_, ok in step.answers):
            name = step.call.primitive
            why = (
                f"the rule of {name} makes the first nan or inf on the way back{NAN.get(name, '')}"
            )
            return why, step.node.place if step.node else None, name
    return "", None, ""


FIRST = {  # operation -> why it makes a nan or inf of sound numbers
    "log": ": its input is 0 or negative somewhere; add a small number, or use log_softmax",
    "div": ": it divides by 0; add a small number to the divisor",
    "sqrt": ": its input is negative somewhere",
    "exp": ": its input is too large; subtract the largest first, or use softmax",
    "pow": ": too large, a negative number to a broken power, or 0 to a negative one",
    "softmax": ": a row is -inf all over, so that nothing is left to choose from",
    "log_softmax": ": a row is -inf all over, so that nothing is left to choose from",
    "scaled_dot_product_attention": ": does the mask hide everything from a token?",
}
NAN = {
    "sqrt": ": its slope at 0 is infinite; add a small number inside the root",
    "log": ": its slope at 0 is infinite; keep its input away from 0, or use log_softmax",
    "div": ": it divides by 0, or by nearly 0",
    "pow": ": a root at 0 has an infinite slope, and a negative number no real one",
}


def strange(node):
    """nan, or +inf; -inf is how a mask says never."""
    array = array_of(node)
    if array.dtype.kind != "f":
        return False
    return bool(
        np.isnan(array).any()
        or (array == np.inf).any()
        or node.name == "log"
        and np.isinf(array).any()
    )


def vanished(examination, tensor):
    """Where a gradient of nothing but 0 became so: (sentence, place, operation, alarm)."""
    flow = examination.reach.flow([n for n in examination.trace.nodes if n.value is tensor])
    for step in examination.trace.walked:
        if step.node in flow and step.arrived[0] and step.answers is not None:
            zero = [source for source, some, _ in step.answers if not some]
            reached = {tensor} | set(examination.trace.calls)
            if any(source in reached for source in zero):
                why, alarm = zero_because(step.node)
                return f"every number is 0: {why}", step.node.place, step.node.name, alarm
    return "every number is 0", None, "", True


FLAT = {"rounded": "round()"} | {n: f"{n}()" for n in ("floor", "ceil", "trunc", "sign")}


def zero_because(node):
    """Why the rule of an operation answered with 0: (words, whether that is a mistake)."""
    arrays = [array_of(n) for n in node.inputs]
    name, out = node.name, array_of(node)
    if name in FLAT:
        return f"{FLAT[name]} is a staircase, its slope is 0 wherever it has one", True
    if name == "relu" and (out == 0).all():
        return "all inputs of this relu are negative: it is dead; smaller steps, or gelu", True
    if name in ("sigmoid", "tanh"):
        return f"this {name} is saturated, its slope is 0 everywhere: make its input smaller", True
    if name in ("softmax", "log_softmax") and 1 in out.shape:
        return f"{name} over one element is always the same", True
    if name in ("linear", "matmul", "mul", "div", "embedding") and any(
        a.size and not a.any() for a in arrays
    ):
        return f"the other factor of this {name} is 0 (as it is where one begins with zeros)", False
    if name == "root":
        return "the norm of 0 points nowhere: its slope there is taken to be 0", False
    if name == "cross_entropy":
        return "no target counts: all are ignored", True
    if name in ("masked_fill", "where"):
        return f"{name} replaces every number of it", True
    if name in ("linear", "add", "sub", "sum", "mean", "expand"):
        return f"the parts that arrive by {name} cancel: the loss does not depend on it", False
    return f"{name} passes nothing on", True


# ---------------------------------------------------------------- rows against columns


def pairs_everything(function):
    """Warn, once for each line, when a difference pairs every number with every other.

    (N,) - (N, 1) is (N, N): with a prediction and a target it is a mistake that no shape betrays
    once the mean is taken. `function` is the work of `sub` on arrays; it stays as fast as it was.
    """

    def sub(x, y):
        z = function(x, y)
        if z.ndim == 2 and z.shape[0] == z.shape[1] > 1:
            warn_of_pairs(x, y, z)
        return z

    return getattr(function, "watched", None) or _keeping(sub, function)


def _keeping(sub, function):
    sub.__doc__, sub.__module__, sub.__wrapped__ = function.__doc__, function.__module__, function
    sub.watched = sub
    return sub


def warn_of_pairs(x, y, z):
    """The warning, if x and y are a row and a column of different numbers."""
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
        return
    short, column = (x, y) if x.ndim < y.ndim else (y, x)
    if short.shape != z.shape[:1] or column.shape != (len(z), 1) or np.may_share_memory(x, y):
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and is_ours(frame):
        frame, level = frame.f_back, level + 1
    first, second, n = x.shape, y.shape, len(z)
    warnings.warn(
        f"sub: {first} - {second} gives {z.shape}, every number against every other: for a "
        f"prediction and a target write .reshape({n}) or .reshape({n}, 1) on one of them, so that "
        f"both have one shape; if all pairs are meant, make the row (1, {n})",
        stacklevel=level,
    )
