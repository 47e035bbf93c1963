"""Gradient bugs that really happened, each as a small program of our own, with its source.

An exhibit runs its broken program and returns what the library said about it. The words that must
be in there name the culprit: the rule, the operation, the line or the tensor.
"""

import contextlib
import warnings

import numpy as np

import tinytorch
from tinytorch import autograd, functions, nn, no_grad, optim  # noqa: F401
from tinytorch.autograd import explain_grad, gradcheck
from tinytorch.nn import functional as F
from tinytorch.tensor import PRIMITIVES, RULES, SLOTS, Call, Tensor, primitive, wrap

EXHIBITS = []  # (function, source, words)


def exhibit(source, *words):
    """Put a function into the museum."""

    def enter(function):
        EXHIBITS.append((function, source, words))
        return function

    return enter


@contextlib.contextmanager
def learner(rules=(), backward=None, unbroadcast=None):
    """The library with rules, a walk or an unbroadcast that a learner wrote."""
    tables = [(table, dict(table)) for table in (RULES, SLOTS, PRIMITIVES)]
    right = autograd.unbroadcast
    try:
        for function in rules:
            autograd.rule(function)
        if backward is not None:
            SLOTS["backward"] = backward
        autograd.unbroadcast = unbroadcast or right
        yield
    finally:
        autograd.unbroadcast = right
        for table, before in tables:
            table.clear()
            table.update(before)


def by_gradcheck(f, *inputs, **mine):
    """What gradcheck says about f, with the learner's rules in force."""
    with learner(**mine):
        try:
            gradcheck(f, list(inputs))
        except (AssertionError, ValueError, RuntimeError, NotImplementedError) as error:
            return str(error)
    return "nothing was found"


def by_explaining(step, model, optimizer=None):
    """What explain_grad says; nothing if it gives no alarm."""
    report = explain_grad(step, model, optimizer)
    return "no alarm" if report.ok else str(report)


def by_the_walk(step):
    """What backward() says."""
    try:
        step().backward()
    except (RuntimeError, ValueError, NotImplementedError, TypeError) as error:
        return str(error)
    return "nothing was found"


def numbers(*shape, seed=0):
    return Tensor(np.random.default_rng(seed).standard_normal(shape))


def classifier(*sizes):
    tinytorch.manual_seed(0)
    return nn.ModuleList([nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])])


IMAGES, LABELS = numbers(6, 4), Tensor([0, 1, 2, 0, 1, 2])


# ---------------------------------------------------------------- the walk


def in_steps(loss, seed, arrived):
    """A walk in which `arrived(gradients, source, part)` decides what to do with a part."""
    root = loss.made_by or loss
    gradients = {root: seed}
    for node in reversed(autograd.topological_order(root)):
        if isinstance(node, Call) and node in gradients:
            for source, part in autograd.local_gradients(node, gradients[node]):
                arrived(gradients, source, part)
    return gradients


def seed_of(loss, gradient):
    return np.ones_like(loss.array) if gradient is None else np.array(gradient)


@exhibit("karpathy/micrograd issue 2, 2020", "the fault is in the walk")
def reused_results_send_their_gradient_once_for_each_use():
    def backward(loss, gradient=None, retain_graph=False, into=autograd.hand_over):
        gradients = {}

        def down(node, g):  # from each use at once, before the others have reported
            gradients[node] = gradients.get(node, 0) + g
            if isinstance(node, Call):
                for source, part in autograd.local_gradients(node, gradients[node], True):
                    down(source, part)

        down(loss.made_by or loss, seed_of(loss, gradient))
        into(gradients)

    def f(x):
        m = x * x
        return m * 2 + m * m

    return by_gradcheck(f, numbers(3), backward=backward)


@exhibit("micrograd lecture, = instead of +=: karpathy/nn-zero-to-hero issue 52", "in the walk")
def a_second_use_overwrites_the_first():
    def backward(loss, gradient=None, retain_graph=False, into=autograd.hand_over):
        def arrived(gradients, source, part):
            gradients[source] = part

        into(in_steps(loss, seed_of(loss, gradient), arrived))

    return by_gradcheck(lambda x: (x * 3).exp() + x * 2, numbers(3), backward=backward)


@exhibit("TrenTorch/TrenTorch pull request 182, 2026", "in the walk")
def only_the_first_branch_counts():
    def backward(loss, gradient=None, retain_graph=False, into=autograd.hand_over):
        def arrived(gradients, source, part):
            gradients.setdefault(source, part)

        into(in_steps(loss, seed_of(loss, gradient), arrived))

    def f(x):
        y = x * 3
        return y * 2 + y * 5

    return by_gradcheck(f, numbers(1), backward=backward)


@exhibit("sebgao/cTensor issue 5, 2021", "in the walk")
def a_result_on_two_paths_is_walked_twice():
    def backward(loss, gradient=None, retain_graph=False, into=autograd.hand_over):
        gradients, todo = {}, [(loss.made_by or loss, seed_of(loss, gradient))]
        while todo:  # in the order of discovery, not of the graph
            node, g = todo.pop(0)
            gradients[node] = gradients.get(node, 0) + g
            if isinstance(node, Call):
                todo += autograd.local_gradients(node, gradients[node], True)
        into(gradients)

    def f(x):
        xa = x * 1.0
        return x * xa + x * x + x * xa * xa

    return by_gradcheck(f, numbers(2), backward=backward)


@exhibit("sony/nnabla pull request 532, 2019", "in the walk")
def the_same_tensor_twice_in_one_call_counts_once():
    def backward(loss, gradient=None, retain_graph=False, into=autograd.hand_over):
        root = loss.made_by or loss
        gradients = {root: seed_of(loss, gradient)}
        for node in reversed(autograd.topological_order(root)):
            if isinstance(node, Call):
                for source, part in dict(autograd.local_gradients(node, gradients[node])).items():
                    gradients[source] = gradients.get(source, 0) + part
        into(gradients)

    return by_gradcheck(lambda x: x * x * x, numbers(2, 3), backward=backward)


@exhibit("huggingface/candle pull request 3507, 2026", "in the walk")
def one_kind_of_operation_overwrites_what_others_added():
    def backward(loss, gradient=None, retain_graph=False, into=autograd.hand_over):
        root = loss.made_by or loss
        gradients = {root: seed_of(loss, gradient)}
        for node in reversed(autograd.topological_order(root)):
            if isinstance(node, Call):
                for source, part in autograd.local_gradients(node, gradients[node]):
                    old = 0 if node.primitive == "expand" else gradients.get(source, 0)
                    gradients[source] = old + part
        into(gradients)

    def f(x):
        small = x.exp()
        return small.expand(3, 2) * small

    return by_gradcheck(f, numbers(1, 2), backward=backward)


@exhibit("tracel-ai/burn issue 181, 2023", "add_rule", "(1, 3)")
def a_broadcast_bias_gets_a_gradient_of_the_wrong_shape():
    def unbroadcast(g, shape):
        return g

    with learner(unbroadcast=unbroadcast):
        x, bias = numbers(2, 3), Tensor(np.ones((1, 3)), requires_grad=True)
        return by_the_walk(lambda: (x + bias).sum())


@exhibit("pytorch/pytorch issue 1787, 2017", "mul_rule", "(5, 1)")
def a_gradient_with_the_shape_of_the_other_factor():
    def mul_rule(g, x, y):
        return (g * y).sum(axis=0), (g * x).sum(axis=0)

    with learner([mul_rule]):
        column = Tensor(np.ones((5, 1)), requires_grad=True)
        return by_the_walk(lambda: (column * numbers(1, 4)).sum())


# ---------------------------------------------------------------- rules


@exhibit("pytorch/pytorch issue 1631, 2017", "gather_rule is wrong", "input 0", "element [0]")
def gather_forgets_repeated_indices():
    def gather_rule(g, x_shape, dim, index):
        back = np.zeros(x_shape, g.dtype)
        np.put_along_axis(back, index, g, dim)
        return back

    return by_gradcheck(lambda x: x.gather(0, Tensor([0, 0])), Tensor([0.1]), rules=[gather_rule])


@exhibit("pytorch/pytorch issue 1528, 2017", "getitem_rule is wrong", "expected")
def indexing_keeps_the_last_copy_only():
    def getitem_rule(g, x_shape, index):
        back = np.zeros(x_shape, dtype=g.dtype)
        back[index] = g
        return back

    return by_gradcheck(lambda x: x[[0, 0, 2]], numbers(4), rules=[getitem_rule])


@exhibit(
    "apache/mxnet issue 18563, 2020; HIPS/autograd pull request 141, 2016", "amax_rule is wrong"
)
def every_one_of_equal_maxima_gets_all():
    def amax_rule(g, x, dim, keepdim, out):
        g = autograd.sum_rule(g, x.shape, dim, keepdim)
        return g * (x == autograd.sum_rule(out, x.shape, dim, keepdim))

    return by_gradcheck(lambda x: tinytorch.stack([x, x]).amax(), Tensor(0.5), rules=[amax_rule])


@exhibit("mni-ml/framework pull request 22, 2026", "amax_rule is wrong", "element [1]")
def what_is_nearly_the_maximum_gets_its_gradient_too():
    def amax_rule(g, x, dim, keepdim, out):
        largest = autograd.sum_rule(out, x.shape, dim, keepdim)
        return autograd.sum_rule(g, x.shape, dim, keepdim) * np.isclose(x, largest, atol=0.01)

    return by_gradcheck(lambda x: x.amax(), Tensor([1.0, 0.995, 0.2]), rules=[amax_rule])


@exhibit("FluxML/NNlib.jl issue 205, 2020", "window_max_rule is wrong")
def overlapping_windows_overwrite_each_other():
    with learner():

        @primitive
        def window_max(x):
            return np.maximum(x[1:], x[:-1])

        def window_max_rule(g, x):
            back = np.zeros_like(x)
            winner = np.where(x[1:] > x[:-1], np.arange(1, len(x)), np.arange(len(x) - 1))
            back[winner] = g  # the maximum of two windows should get both
            return back

        autograd.rule(window_max_rule)
        return by_gradcheck(window_max, Tensor([1.0, 5.0, 2.0, 3.0]), rules=[])


@exhibit("riccardoandreoni0/CNN-from-scratch issue 1, 2023", "cat_rule is wrong", "input 1")
def a_loop_returns_after_its_first_round():
    def cat_rule(g, shapes, dim):
        parts = [np.zeros(shape, g.dtype) for shape in shapes]
        start = 0
        for part, shape in zip(parts, shapes):
            part[...] = g.take(range(start, start + shape[dim]), axis=dim)
            start += shape[dim]
            return parts  # one tab too far
        return parts

    return by_gradcheck(
        lambda x, y: tinytorch.cat([x, y], 0), numbers(2, 3), numbers(1, 3), rules=[cat_rule]
    )


@exhibit("pytorch/pytorch issue 3303, 2017", "matmul_rule is wrong", "received 0")
def a_matrix_times_a_vector_teaches_the_matrix_nothing():
    right = RULES["matmul"]

    def matmul_rule(g, x, y):
        g_x, g_y = right(g, x, y)
        return (g_x * 0 if y.ndim == 1 else g_x), g_y

    return by_gradcheck(lambda a, x: a @ x, numbers(3, 2), numbers(2), rules=[matmul_rule])


@exhibit("harvard-edge/cs249r_book pull request 1781, 2026", "matmul")
def transposing_a_vector_does_nothing():
    def matmul_rule(g, x, y):
        return g @ y.T, x.T @ g

    return by_gradcheck(lambda a, x: a @ x, numbers(3, 3), numbers(3), rules=[matmul_rule])


@exhibit("harvard-edge/cs249r_book pull request 2053, 2026", "softmax_rule is wrong")
def a_wrong_sign_in_softmax_that_no_sum_shows():
    def softmax_rule(g, out, dim):
        return out * (g + (g * out).sum(axis=dim, keepdims=True))

    return by_gradcheck(lambda x: x.softmax(-1), numbers(2, 3), rules=[softmax_rule])


@exhibit("pocketpy/cTensor pull request 31, 2025", "softmax_rule is wrong", "element [")
def softmax_without_its_mixed_slopes():
    def softmax_rule(g, out, dim):
        return g * out * (1 - out)

    return by_gradcheck(lambda x: x.softmax(-1), numbers(3), rules=[softmax_rule])


@exhibit("pocketpy/cTensor pull request 24, 2025", "mean_rule is wrong")
def a_mean_divided_by_the_size_of_its_result():
    def mean_rule(g, x_shape, dim, keepdim):
        return autograd.sum_rule(g / g.size, x_shape, dim, keepdim)

    return by_gradcheck(lambda x: x.mean(dim=1), numbers(2, 5), rules=[mean_rule])


@exhibit("arthurdouillard/deepcourse pull request 9, 2021", "tanh_rule is wrong")
def the_slope_of_tanh_is_left_out():
    def tanh_rule(g, out):
        return g

    w = numbers(4, 4, seed=1).double()
    return by_gradcheck(lambda x: (x @ w).tanh() @ w, numbers(2, 4), rules=[tanh_rule])


@exhibit("tinygrad/tinygrad pull request 4904, 2024", "detach() cuts the graph", "x.mean(")
def a_norm_with_its_mean_detached():
    def norm(x):
        centred = x - x.mean(dim=-1, keepdim=True).detach()
        return centred / ((centred * centred).mean(dim=-1, keepdim=True) + 1e-5).sqrt()

    return by_gradcheck(norm, numbers(2, 4))


@exhibit("harvard-edge/cs249r_book issue 1341, 2026", "none", "np.tanh(")
def an_activation_that_was_never_wired_in():
    first, second = model = classifier(4, 5, 3)

    def step():
        hidden = wrap(np.tanh(first(IMAGES).detach().numpy()))
        return F.cross_entropy(second(hidden), LABELS)

    return by_explaining(step, model)


@exhibit(
    "huggingface/candle issue 1227, 2023: BackwardNotSupported", "flat", "no slope", "flat(first("
)
def a_primitive_without_a_rule():
    first, second = model = classifier(4, 5, 3)
    with learner():

        @primitive
        def flat(x):
            return np.round(x, 1)

        return by_explaining(lambda: F.cross_entropy(second(flat(first(IMAGES))), LABELS), model)


# ---------------------------------------------------------------- nan


@exhibit("pytorch/pytorch issue 2421, 2017", "nan", "sqrt", ".sum().sqrt()")
def the_norm_of_zero():
    x = Tensor(np.zeros(3), requires_grad=True)
    with np.errstate(all="ignore"):
        return by_explaining(lambda: (x * x).sum().sqrt(), {"x": x})


@exhibit("HIPS/autograd issue 586, 2022", "nan", "sqrt", "** 2")
def the_square_of_the_norm_of_zero():
    x = Tensor(np.zeros(3), requires_grad=True)
    with np.errstate(all="ignore"):
        return by_explaining(lambda: (x * x).sum().sqrt() ** 2, {"x": x})


@exhibit("pytorch/pytorch issue 68425, 2021", "nan", "exp")
def where_and_an_exp_that_overflows_in_the_other_branch():
    a = Tensor(100.0, requires_grad=True)
    with np.errstate(over="ignore", invalid="ignore"):
        return by_explaining(lambda: tinytorch.where(a <= 0, a.exp(), 1 + a), {"a": a})


@exhibit("pytorch/pytorch issue 16317, 2019", "nan", "div")
def where_after_a_division_by_zero():
    x, n = Tensor([0.0, 1.0], requires_grad=True), Tensor([0.0, 2.0])

    def step():
        y = x / n
        return tinytorch.where(n == 0, tinytorch.zeros_like(y), y).sum()

    with np.errstate(all="ignore"):
        return by_explaining(step, {"x": x})


@exhibit("pytorch/pytorch issue 187297, 2026", "nan", "sqrt")
def where_and_a_root_of_what_is_negative():
    x = Tensor([-1.0, -4.0], requires_grad=True)
    with np.errstate(all="ignore"):
        return by_explaining(lambda: tinytorch.where(x > 0, x.sqrt(), x).sum(), {"x": x})


# ---------------------------------------------------------------- programs of users


@exhibit("pytorch/pytorch issues 16045 and 16413, 2019", "(6, 1) - (6,)", "(6, 6)", ".reshape(6)")
def a_column_of_predictions_against_a_row_of_targets():
    model, target = classifier(4, 1), numbers(6)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ((model[0](IMAGES) - target) ** 2).mean()
    return " ".join(str(w.message) for w in caught)


@exhibit("pytorch/pytorch issue 16045, 2019", "(6, 1)", "(6,)", "reshape")
def the_same_with_the_loss_of_the_library():
    model, target = classifier(4, 1), numbers(6)
    return refused(lambda: F.mse_loss(model[0](IMAGES), target))


def refused(function):
    try:
        function()
    except ValueError as error:
        return str(error)
    return "nothing was found"


@exhibit("pytorch/pytorch issues 666 and 715, 2017", "unlisted", "hidden[1].weight", "ModuleList")
def layers_in_a_plain_list():
    class Net(nn.Module):
        def __init__(self):
            self.hidden = [nn.Linear(4, 4), nn.Linear(4, 4)]
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            for layer in self.hidden:
                x = layer(x).tanh()
            return self.head(x)

    net = Net()
    return by_explaining(lambda: F.cross_entropy(net(IMAGES), LABELS), net)


@exhibit("huggingface/candle issue 1227, 2023: a vector and back", "tolist()", "h.tolist()", "none")
def converted_to_a_list_and_back():
    first, second = model = classifier(4, 5, 3)

    def step():
        h = first(IMAGES).tanh()
        rows = [row[:] for row in h.tolist()]
        return F.cross_entropy(second(Tensor(rows)), LABELS)

    return by_explaining(step, model)


@exhibit("meta-pytorch/torchrec pull request 2836, 2025", "written into after it was used", "exp")
def data_is_overwritten_between_forward_and_backward():
    x = numbers(3).requires_grad_()

    def step():
        y = x.exp()
        loss = (y * y).sum()
        y.data[0] = 0.0
        return loss

    return by_explaining(step, {"x": x})


@exhibit("knazeri/edge-informed-sisr issue 12, 2022", "written into after it was used", ".step()")
def the_optimizer_steps_before_the_second_loss_is_walked():
    first, second = model = classifier(4, 4, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step():
        hidden = first(IMAGES)
        one, two = second(hidden).sum(), (second(hidden) * hidden[:, :3]).mean()
        one.backward(retain_graph=True)
        optimizer.step()
        two.backward()
        return two

    return by_explaining(step, model, optimizer)


@exhibit("common; documented under numpy() and from_numpy in PyTorch's manual", "NumPy wrote into")
def numpy_writes_into_shared_memory():
    x = numbers(3).requires_grad_()
    buffer = np.ones(3, np.float32)

    def step():
        loss = (x * tinytorch.from_numpy(buffer)).sum()
        buffer[...] = 7  # the next batch is read into the same memory
        return loss

    return by_explaining(step, {"x": x})


@exhibit(
    "facebookresearch/mmf issue 104, 2019; zjunlp/HVPNeT issue 5, 2022", "1.weight", "optimizer"
)
def the_new_layer_is_in_no_optimizer():
    first, second = model = classifier(4, 5, 3)
    optimizer = optim.SGD(first.parameters(), lr=0.1)

    def step():
        return F.cross_entropy(second(first(IMAGES)), LABELS)

    return str(explain_grad(step, model, optimizer))


@exhibit("common; PyTorch's manual of torch.optim says to build the model first", "holds 2 tensors")
def the_optimizer_holds_the_old_head():
    model = classifier(4, 5, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    model[1] = nn.Linear(5, 3)

    def step():
        return F.cross_entropy(model[1](model[0](IMAGES)), LABELS)

    return by_explaining(step, model, optimizer)


@exhibit("common; Karpathy's list of most common neural net mistakes, 2018", "never cleared")
def zero_grad_is_forgotten():
    model = classifier(4, 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def step():
        loss = F.cross_entropy(model[0](IMAGES), LABELS)
        loss.backward()
        optimizer.step()
        return loss

    return by_explaining(step, model)


@exhibit("common; the evaluation loop of every tutorial, copied", "no_grad", "no graph", "line")
def trained_under_no_grad():
    model = classifier(4, 3)

    def step():
        with no_grad():
            return F.cross_entropy(model[0](IMAGES), LABELS)

    return by_explaining(step, model)


@exhibit("common; PyTorch marks argmax as not differentiable", "argmax", "whole numbers", "none")
def a_hard_choice_inside_the_network():
    first, second = model = classifier(4, 5, 3)

    def step():
        choice = first(IMAGES).argmax(dim=-1)
        return F.cross_entropy(second(tinytorch.eye(5)[choice]), LABELS)

    return by_explaining(step, model)


@exhibit("common; requires_grad is lost where a tensor is made anew", ".data", "x.data + y.data")
def a_residual_written_with_data():
    class Block(nn.Module):
        def __init__(self):
            self.inner, self.head = nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            y = self.inner(x)
            x = Tensor(x.data + y.data)
            return self.head(x)

    net = Block()
    return by_explaining(lambda: F.cross_entropy(net(IMAGES), LABELS), net)


@exhibit("common; a number for the log, used in the loss", "item()", "weight of the loss")
def a_loss_scaled_by_a_python_number():
    model, scale = classifier(4, 3), Tensor(0.5, requires_grad=True)

    def step():
        factor = float(scale.exp().item()) + 0.0  # weight of the loss
        return F.cross_entropy(model[0](IMAGES), LABELS) * factor

    return by_explaining(step, {"scale": scale, **dict(model.named_parameters())})


@exhibit("Lu et al. 2019, Dying ReLU and Initialization", "zero", "dead", "relu")
def a_dead_relu():
    first, second = model = classifier(4, 5, 3)
    first.bias.data.fill_(-100.0)
    return by_explaining(lambda: F.cross_entropy(second(first(IMAGES).relu()), LABELS), model)
