"""Functions with a backward of their own, and hooks that watch gradients, as PyTorch has them.

Both are calls of one primitive, "custom", in the graph of module 06: what it keeps says what to do
with the gradient when the walk comes by.
"""

import functools
import weakref

import numpy as np

from .. import autograd
from ..autograd import no_grad, rule
from ..tensor import Call, Tensor, recording, wrap

PUBLIC = ("Function", "Variable", "detect_anomaly", "functional", "grad", "set_detect_anomaly")


class Context:
    """What forward hands to backward: saved tensors, and any attribute that is set on it.

    Attributes:
        saved_tensors: what `save_for_backward` was given.
        needs_input_grad: for each argument whether its gradient is wanted.
    """

    saved_tensors = ()

    def save_for_backward(self, *tensors):
        """Keep tensors; a later write into one of them is noticed in backward."""
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors):
        """These results get no gradient."""
        self.flat = {id(t) for t in tensors}

    def mark_dirty(self, *tensors):
        """Refused: the caller's tensor would not know of the write, and lose its gradient."""
        told = "results are new tensors here: return a new one, and leave mark_dirty out"
        raise NotImplementedError(f"forward wrote into its input: {told}")

    def set_materialize_grads(self, value):
        """Accepted; a gradient that did not arrive is zeros."""


class Function:
    """A step with a derivative of its own: a class with static `forward` and `backward`.

    `forward(ctx, *args)` computes with Tensors, unrecorded, and returns one or a tuple;
    `backward(ctx, *gradients)` takes the gradient of each result and returns one for each
    argument, or None. Call it as `Name.apply(*args)`.

    >>> class Twice(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = Tensor([1.0, 3.0], requires_grad=True)
    >>> Twice.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    setup_context = None

    @staticmethod
    def forward(ctx, *args, **kwargs):
        """What the step computes."""
        raise NotImplementedError("a Function needs a static method forward(ctx, ...)")

    @staticmethod
    def backward(ctx, *gradients):
        """The gradient of every argument."""
        raise NotImplementedError("a Function needs a static method backward(ctx, ...)")

    @classmethod
    def apply(cls, *args, **kwargs):
        """Compute, and remember how to come back."""
        ctx = Context()
        ctx.needs_input_grad = tuple(isinstance(t, Tensor) and t.requires_grad for t in args)
        with no_grad():
            if cls.setup_context is None:
                results = cls.forward(ctx, *args, **kwargs)
            else:
                results = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, results)
        if not (recording() and any(ctx.needs_input_grad)):
            return results
        return linked(cls.__name__, results, args, ctx, cls.backward)


def linked(name, results, args, ctx, backward):
    """The results as Tensors that remember one call of "custom"."""
    many, flat = isinstance(results, (tuple, list)), getattr(ctx, "flat", ())
    made = list(results) if many else [results]
    real = [isinstance(t, Tensor) and t.dtype.kind == "f" and id(t) not in flat for t in made]
    made = [wrap(t.array, t.version) if yes else t for t, yes in zip(made, real)]
    whole = Call()
    whole.primitive, whole.inputs = "custom", tuple(source_of(a) for a in args)
    first = next((t for t, yes in zip(made, real) if yes), None)
    if first is None:
        return results
    saved = [t for t in ctx.saved_tensors if isinstance(t, Tensor)]
    whole.kept = {"step": (name, ctx, backward, many), "forms": forms_of(args)}
    whole.shape, whole.dtype, whole.result = first.shape, first.dtype, None
    whole.versions = tuple((t.version, t.version[0]) for t in saved)
    if not many:
        first.made_by, first.requires_grad = whole, True
        return first
    whole.shape = [getattr(t, "shape", ()) for t in made]
    for number, (tensor, yes) in enumerate(zip(made, real)):
        if yes:
            tensor.made_by, tensor.requires_grad = part_of(whole, number, tensor), True
    return tuple(made)


def part_of(whole, number, tensor):
    """The call that stands for one of several results."""
    part = Call()
    part.primitive, part.inputs, part.kept = "part", (whole,), {"number": number}
    part.shape, part.dtype, part.versions, part.result = tensor.shape, tensor.dtype, (), None
    return part


def source_of(argument):
    """Where the gradient of an argument goes: a Call, a leaf, or None."""
    if isinstance(argument, Tensor) and argument.requires_grad:
        return argument.made_by or argument
    return None


def forms_of(args):
    """Shape and dtype of every argument that is a Tensor."""
    return [(a.shape, a.dtype) if isinstance(a, Tensor) else None for a in args]


@rule
def custom_rule(g, step, forms, needs):
    """What the class's backward says; None counts as zeros."""
    name, ctx, backward, many = step
    gradients = [wrap(part) for part in g] if many else [wrap(np.asarray(g))]
    with no_grad():
        answers = backward(ctx, *gradients)
    answers = list(answers) if isinstance(answers, (tuple, list)) else [answers]
    if any(a is not None for a in answers[len(forms) :]) or len(answers) < len(forms):
        raise RuntimeError(
            f"{name}.backward gave {len(answers)} gradients for {len(forms)} arguments: "
            "one for each, None where there is none"
        )
    found = []
    for answer, form, need in zip(answers, forms, needs):
        if not need:
            found.append(None)
        elif answer is None:
            found.append(np.zeros(*form))
        else:
            found.append(np.asarray(getattr(answer, "array", answer)).astype(form[1], copy=False))
    return found


# ---------------------------------------------------------------- hooks


class Handle:
    """A hook that was put somewhere, to be taken away with `remove()`."""

    def __init__(self, hooks, hook, prepend=False):
        self.hooks, self.hook = hooks, hook
        hooks.insert(0 if prepend else len(hooks), self)

    def remove(self):
        """Take the hook away."""
        self.hooks[:] = [h for h in self.hooks if h is not self]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.remove()


def hooked(g, hooks):
    """A gradient after all hooks."""
    for handle in list(hooks):
        with no_grad():
            changed = handle.hook(g)
        if changed is not None and changed.shape != g.shape:
            raise RuntimeError(f"a hook made {changed.shape} of a gradient of shape {g.shape}")
        g = g if changed is None else changed
    return g


LEAVES = {}  # id of a leaf -> (a weak reference to it, its hooks)


class Hooked(Call):
    """A call that only watches: `retain_grad()` behind it keeps what the hooks have made."""

    __slots__ = ()

    @property
    def result(self):
        """None: the call that was moved behind this one knows."""

    @result.setter
    def result(self, reference):
        if self.inputs:
            self.inputs[0].result = reference


def register_hook(x, hook):
    """Call hook(gradient) whenever backward() has the gradient of x; what it returns replaces it.

    Returns:
        A handle whose `remove()` takes the hook away.

    Raises:
        RuntimeError: x takes no part in a gradient.

    >>> x = Tensor(3.0, requires_grad=True)
    >>> handle = register_hook(x, lambda g: g * 10)
    >>> (x * x).backward()
    >>> x.grad
    tensor(60.)
    """
    if not x.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if x.made_by is None:
        return leaf_hook(x, hook)
    call = x.made_by
    if call.primitive == "custom" and call.kept.get("step", "?")[0] == "hook":
        return Handle(call.kept["step"][1].hooks, hook)
    inner = Call()  # the call moves behind a new one, so that all who know it meet the hook
    for slot in ("primitive", "inputs", "kept", "shape", "dtype", "versions", "result"):
        setattr(inner, slot, getattr(call, slot))
    ctx = Context()
    ctx.hooks = []
    call.primitive, call.inputs, call.versions = "custom", (inner,), ()
    call.kept = {"step": ("hook", ctx, run_hooks, False), "forms": [(x.shape, x.dtype)]}
    call.shape, call.dtype, call.result, call.__class__ = x.shape, x.dtype, None, Hooked
    return Handle(ctx.hooks, hook)


def run_hooks(ctx, g):
    """The backward of a call that only watches."""
    return hooked(g, ctx.hooks)


def leaf_hook(x, hook):
    """A hook on a leaf: backward() looks for it when it hands the gradients over."""
    from ..tensor import SLOTS

    usual = SLOTS["backward"]
    if not hasattr(usual, "run_leaf_hooks"):

        def backward(
            loss,
            gradient=None,
            retain_graph=False,
            create_graph=False,
            into=autograd.hand_over,
        ):
            def through_hooks(gradients):
                run_leaf_hooks(gradients)
                into(gradients)

            return usual(loss, gradient, retain_graph, create_graph, into=through_hooks)

        backward.run_leaf_hooks, backward.__doc__ = run_leaf_hooks, usual.__doc__
        SLOTS["backward"] = backward
    key = id(x)
    if key not in LEAVES:
        LEAVES[key] = weakref.ref(x, lambda _: LEAVES.pop(key, None)), []
    return Handle(LEAVES[key][1], hook)


def run_leaf_hooks(gradients):
    """Put what the hooks make of it in the place of each leaf's gradient."""
    for leaf in list(gradients):
        found = LEAVES.get(id(leaf))
        if found is not None and found[1]:
            changed = hooked(wrap(gradients[leaf]), found[1])
            gradients[leaf] = np.array(changed.array, leaf.dtype)  # a copy


def register_full_backward_hook(module, hook, prepend=False):
    """Call hook(module, gradients of the inputs, gradients of the results) in backward().

    What the hook returns replaces the gradients of the inputs, unless it is None.

    Returns:
        A handle whose `remove()` takes the hook away.
    """
    hooks = vars(module).setdefault("backward_hooks", [])
    if not isinstance(vars(module).get("forward"), Watching):
        module.forward = Watching(module, hooks)
    return WatchHandle(module, hooks, hook, prepend)


class WatchHandle(Handle):
    """A hook of a module, to be taken away with `remove()`; the last one gives forward back."""

    def __init__(self, module, *rest):
        self.module = module
        super().__init__(*rest)

    def remove(self):
        """Take the hook away."""
        super().remove()
        watching = vars(self.module).get("forward")
        if not self.hooks and isinstance(watching, Watching):
            del self.module.forward
            if watching.own is not None:  # it had been changed before
                self.module.forward = watching.own


class Watching:
    """The forward of a module with such hooks; that of a deep copy belongs to the copy."""

    def __init__(self, module, hooks):
        self.module, self.hooks, self.own = module, hooks, vars(module).get("forward")

    def usual(self, *args, **kwargs):
        """What the module computes."""
        if self.own is not None:
            return self.own(*args, **kwargs)
        return type(self.module).forward(self.module, *args, **kwargs)

    def __call__(self, *args, **kwargs):
        if not self.hooks:
            return self.usual(*args, **kwargs)
        return watched(self.module, self.usual, self.hooks, args, kwargs)


def watched(module, forward, hooks, args, kwargs):
    """One call of a module between two steps that watch the gradients."""
    ctx, places = Context(), [i for i, a in enumerate(args) if source_of(a) is not None]
    ctx.arrived = None

    def leave(own, *gradients):
        ctx.arrived = gradients
        return gradients if places else told((None,) * len(args)) and gradients

    def told(inputs):
        for handle in list(hooks):
            changed = handle.hook(module, tuple(inputs), ctx.arrived)
            inputs = inputs if changed is None else changed
        return inputs if isinstance(inputs, (tuple, list)) else (inputs,)

    def enter(own, *gradients):
        full = [None] * len(args)
        for place, g in zip(places, gradients):
            full[place] = g
        full = told(full)
        return tuple(full[place] for place in places)

    args = list(args)
    if places and recording():
        inner = linked("hook of a module", [args[i] for i in places], [args[i] for i in places],
                       Context(), enter)  # fmt: skip
        for place, tensor in zip(places, inner):
            args[place] = tensor
    result = forward(*args, **kwargs)
    many = isinstance(result, tuple)
    results = list(result) if many else [result]
    if not recording() or all(source_of(r) is None for r in results):
        return result
    results = linked("hook of a module", results, results, Context(), leave)
    return results if many else results[0]


# ---------------------------------------------------------------- what else stands in autograd


def Variable(data, requires_grad=False, volatile=False):
    """The tensor itself: since 2018 a Tensor is all that there is -> a Tensor."""
    return data.requires_grad_(requires_grad) if requires_grad else data


class detect_anomaly:
    """`with detect_anomaly():` a gradient that is nan raises RuntimeError in backward().

    Args:
        check_nan: False looks for nothing.
    """

    def __init__(self, check_nan=True):
        self.check_nan = check_nan

    def __enter__(self):
        self.before = autograd.answers_of
        usual = getattr(self.before, "unchecked", self.before)
        autograd.answers_of = without_nan(usual) if self.check_nan else usual
        return self

    def __exit__(self, *exception):
        autograd.answers_of = self.before


class set_detect_anomaly(detect_anomaly):
    """`set_detect_anomaly(True)` at once; `with set_detect_anomaly(True):` until its end.

    Args:
        mode: whether to look for nan. check_nan: False looks for nothing.
    """

    def __init__(self, mode, check_nan=True):
        super().__init__(mode and check_nan)
        super().__enter__()

    def __enter__(self):
        return self


def without_nan(usual):
    """The function of module 06 that asks the rules, which refuses nan."""

    def answers_of(call, g):
        answers = usual(call, g)
        if any(a is not None and np.isnan(a).any() for a in answers):
            told = "explain_grad(loss) says where it comes from"
            raise RuntimeError(f"the gradient of {call.primitive} is nan: {told}")
        return answers

    answers_of.unchecked = usual
    return answers_of


def of_several(usual):
    """`autograd.backward`, which takes a list of tensors as well, and inputs=."""

    @functools.wraps(usual)
    def backward(tensors, grad_tensors=None, *args, inputs=None, **named):
        if isinstance(tensors, (list, tuple)):
            tensors, grad_tensors = together(tensors, grad_tensors), None
        if inputs is None:
            return usual(tensors, grad_tensors, *args, **named)
        return tensors.backward(grad_tensors, *args, inputs=inputs, **named)

    return backward


def together(tensors, gradients):
    """One number whose gradients are those of all tensors, added up."""
    gradients = [None] * len(tensors) if gradients is None else gradients
    for t, g in zip(tensors, gradients, strict=True):
        if g is None and t.numel() != 1:
            raise RuntimeError(f"a gradient is needed to begin at a tensor of shape {t.shape}")
    return sum((t if g is None else t * g).sum() for t, g in zip(tensors, gradients))


def with_words(usual):
    """`gradcheck` with PyTorch's words. It compares in float64, more strictly than PyTorch."""

    @functools.wraps(usual)
    def gradcheck(func, inputs, *args, eps=None, atol=None, rtol=None, raise_exception=True,
                  nondet_tol=0.0, fast_mode=False, **named):  # fmt: skip
        if rtol is not None:
            named["tolerance"] = rtol
        try:
            return usual(func, inputs, *args, **named)
        except AssertionError:
            if raise_exception:
                raise
            return False

    return gradcheck


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """`functions.grad` with PyTorch's further arguments, and of several outputs -> a tuple.

    Args:
        materialize_grads: zeros instead of None for an input that was not used.
        only_inputs, is_grads_batched: True and False.
    """
    from ..functions import grad as usual

    if is_grads_batched or not only_inputs:
        raise ValueError("grad knows no is_grads_batched=True and no only_inputs=False")
    if isinstance(outputs, (list, tuple)) and len(outputs) > 1:
        outputs, grad_outputs = together(outputs, grad_outputs), None
    unused = materialize_grads if allow_unused is None else allow_unused
    found = usual(outputs, inputs, grad_outputs, bool(retain_graph), create_graph, unused)
    if not materialize_grads:
        return found
    inputs = [inputs] if isinstance(inputs, Tensor) else inputs
    return tuple(wrap(np.zeros_like(t.array)) if g is None else g for g, t in zip(found, inputs))


class functional:
    """Whole derivatives of functions: `autograd.functional.jacobian(f, x)`."""

    @staticmethod
    def hessian(func, inputs, **named):
        """Refused. Raises: NotImplementedError, always."""
        raise NotImplementedError("hessian: gradients of gradients are not supported")

    @staticmethod
    def jacobian(func, inputs, create_graph=False, strict=False):
        """d func(inputs)[i] / d inputs[j]: the shape of the result, then that of the input.

        Args:
            func: takes and returns a Tensor, or takes several.
            inputs: a Tensor, or a tuple of them, for which a tuple comes back.
            strict: refuse an input on which the result does not depend.
        """
        if create_graph:
            raise NotImplementedError("jacobian: create_graph=True is not supported")
        single = isinstance(inputs, Tensor)
        leaves = [t.detach().clone().requires_grad_() for t in ([inputs] if single else inputs)]
        result = func(*leaves)
        rows = [np.zeros((result.numel(), *t.shape), t.dtype) for t in leaves]
        for place in range(result.numel()):
            seed = np.zeros(result.numel(), result.dtype)
            seed[place] = 1
            from ..functions import grad

            seed = seed.reshape(result.shape)
            found = grad(result, leaves, seed, retain_graph=True, allow_unused=not strict)
            for row, g in zip(rows, found):
                row[place] = 0 if g is None else g.array
        made = [wrap(r.reshape(*result.shape, *t.shape)) for r, t in zip(rows, leaves)]
        return made[0] if single else tuple(made)


autograd.backward = of_several(autograd.backward)
autograd.gradcheck = with_words(autograd.gradcheck)
