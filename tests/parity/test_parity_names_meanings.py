"""What a name means is the same in both libraries: short programs, and what is to be seen of them.

Each program calls `see(...)`; both libraries must show the same. `REFUSED` are programs that
PyTorch carries out and this library refuses, in a sentence, instead of doing something else.
"""

import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402
import tinytorch.nn.functional  # noqa: E402
import tinytorch.utils.data  # noqa: E402
from tinytorch import names  # noqa: E402

AGREE = """
# .data shares memory and dtype
x = torch.tensor([1.0, 2.0]); y = torch.tensor([3.0, 4.0], dtype=torch.float64); x.data = y
see(x); y[0] = 9; see(x)
x = torch.ones(2, requires_grad=True); x.data = torch.zeros(3); see(x)
# operators that write in place
x = torch.tensor([2.0, 3.0]); y = x; x **= 2; see(y); x //= 2; see(y); x %= 3; see(y)
x = torch.tensor([6, 3]); y = x; x <<= 1; x |= 1; x &= 13; x ^= 3; x >>= 1; see(y)
w = torch.tensor([2.0, 3.0], requires_grad=True); y = w * 1; z = y; y **= 2; z.sum().backward()
see(z, w.grad)
x = torch.tensor([1.0, 2.0], requires_grad=True); loss = (x * x).sum(); d = loss.detach(); loss /= 4
loss.backward(); see(loss, d, x.grad)
see(1 << torch.tensor([1, 2]), 8 >> torch.tensor([1, 2]), +torch.tensor([-1.0]))
# gradients at ties and at the origin
x = torch.tensor([1.0, 2, 2, 3, 2], requires_grad=True); x.median().backward(); see(x.grad)
x = torch.tensor([4.0, 1, 3, 2], requires_grad=True); x.median().backward(); see(x.grad)
see(torch.tensor([1.0, float("nan")]).median(), torch.ones(0).median())
x, y = (torch.zeros(1, requires_grad=True) for _ in "xy"); torch.atan2(x, y).backward()
see(x.grad, y.grad.abs())
p = torch.tensor([0.0, 1, 0, 1, 0.5, 1e-13], requires_grad=True)
y = torch.tensor([0.0, 1, 1, 0, 1, 0.3], requires_grad=True)
see(F.binary_cross_entropy(p, y, reduction="none"))
F.binary_cross_entropy(p, y, weight=torch.arange(6.0)).backward(); see(p.grad, y.grad)
# float16
x = torch.full((2, 1000), 100.0, dtype=torch.float16); see(x.mean(), x.mean(1), torch.mean(x, 0))
# modules
d = nn.ParameterDict({"a": nn.Parameter(torch.ones(2))}); d.update({"b": torch.zeros(1)})
see(list(d)); del d["a"]; see(list(d), d.pop("b"), len(d), d.get("x"))
d.setdefault("c", nn.Parameter(torch.ones(1))); see(type(d["c"]).__name__, list(d)); d.clear()
see(len(d), [n for n, _ in d.named_parameters()])
m = nn.Linear(2, 1); see(m.state_dict(keep_vars=True)["weight"] is m.weight); d = {"old": 1}
see(list(m.state_dict(prefix="x.")), list(m.state_dict(destination=d)), list(d))
m = nn.Sequential(Counted(3), nn.Linear(1, 1)); state = m.state_dict(); see(sorted(state))
k = nn.Sequential(Counted(7), nn.Linear(1, 1)); see(k.load_state_dict(state)); see(k[0].count)
c = Counted(3); m = nn.Sequential(c, c); see(m.load_state_dict(m.state_dict()))
class Net(nn.Linear):
    def state_dict(self, *args, **named): return {**super().state_dict(*args, **named), "more": 1}
    def load_state_dict(self, state, strict=True):
        see(state.pop("more")); return super().load_state_dict(state, strict)
see(Net(1, 1).load_state_dict(Net(1, 1).state_dict()))
# optimizers: what is written into a state counts
p, q, o = two(optim.Adam, lr=0.1); go(p, q, o); go(p, q, o); o.state[p]["step"] = zero(o.state[p])
go(p, q, o); go(p, q, o); see(p, q)
p, q, o = two(optim.SGD, lr=0.1, momentum=0.9); s = o.state[p]; go(p, q, o); go(p, q, o); s.clear()
go(p, q, o); see(p, q); o.state.clear(); go(p, q, o); see(p, q)
# autograd
x, y = (torch.tensor([1.0, 2.0], requires_grad=True) for _ in "xy")
torch.autograd.backward([(x * x).sum(), x * 3], [None, torch.ones(2)]); see(x.grad)
(x * y).sum().backward(inputs=[y]); see(x.grad, y.grad); z = x * y
z.backward(torch.ones(2), True, inputs=y); z.backward(gradient=torch.ones(2), inputs=[x, y])
see(x.grad, y.grad)
see(torch.autograd.grad((x * x).sum(), [x, y], materialize_grads=True))
see(torch.autograd.grad([(x * x).sum(), (x * 3).sum()], [x]))
f = lambda x: x * x; x = torch.ones(2, requires_grad=True, dtype=torch.float64)
see(torch.autograd.gradcheck(f, (x,), eps=1e-6, atol=1e-4, rtol=1e-3))
# loaders
l = data.DataLoader([1, 2, 3], 2); see(type(l.sampler).__name__, len(l.batch_sampler), len(l))
l = data.DataLoader([1, 2, 3], 2, shuffle=True); see(type(l.sampler).__name__, len(l.sampler))
see(list(data.DataLoader([1, 2, 3], 2, sampler=[2, 0]).batch_sampler))
# PyTorch's words for arguments
x = torch.arange(6.0).reshape(2, 3)
see(torch.sum(input=x, dim=0), torch.mean(input=x), torch.max(input=x, dim=1).values)
see(torch.max(input=x, other=-x), torch.where(x > 1, input=x, other=0.0), torch.argsort(input=x))
see(torch.add(input=x, other=x, alpha=2), torch.mul(input=x, other=x), torch.rsub(input=x, other=1))
see(torch.matmul(input=x, other=x.T), torch.softmax(input=x, dim=1), torch.flip(x, dims=(0,)))
see(torch.split(tensor=x, split_size_or_sections=1), torch.chunk(input=x, chunks=3, dim=1))
see(torch.eq(input=x, other=1), torch.lt(x, other=2), torch.dot(input=x[0], tensor=x[1]))
see(torch.swapaxes(input=x, axis0=0, axis1=1), torch.tile(input=x, dims=(2,)), torch.norm(input=x))
see(torch.broadcast_to(input=x, size=(2, 2, 3)), torch.diag(input=x))
see(torch.tensordot(a=x, b=x.T, dims=1), torch.var(input=x, dim=1), torch.flatten(input=x))
see(F.relu(input=-x), F.softmax(input=x, dim=1), F.embedding(input=torch.tensor([1]), weight=x))
see(F.layer_norm(input=x, normalized_shape=(3,)), F.gelu(input=x), F.pad(input=x, pad=(1, 0)))
see(torch.searchsorted(torch.tensor([1.0, 3.0]), input=x), x.new_zeros(size=(2,)))
see(torch.linalg.solve(torch.eye(2), B=x), torch.bucketize(input=x, boundaries=x[0]))
see(torch.atan2(input=x, other=x + 1), torch.arctan2(x, other=x + 1))
see(torch.tensor(3.0).index_select(0, torch.tensor([0])))
see(x.flatten(1) is x, nn.Flatten()(x) is x, x.flatten() is x, torch.tensor(1.0).flatten().shape)
# of one number, and of none
x = torch.tensor(3.0, requires_grad=True); see(*x.cummax(0), *x.cummin(-1), x.logcumsumexp(0))
(x.cummax(0).values + x.logcumsumexp(0)).backward(); see(x.grad)
for x in (torch.ones(0), torch.ones(0, 3), torch.ones(2, 0)): see(*x.cummax(0), *x.cummin(-1))
see(*torch.tensor([True, False, True]).cummin(0), *torch.tensor([[2, 1, 3]]).cummax(1))
# bits of a small dtype
x = torch.tensor([250, 2], dtype=torch.uint8)
see(x >> -1, x << 300, torch.bitwise_and(x, -2), torch.bitwise_xor(x, 257), torch.bitwise_or(x, 1))
see(torch.bitwise_and(torch.tensor([True]), 3), torch.bitwise_left_shift(torch.tensor([3]), 2))
# parts picked by a tensor
x = torch.zeros(2, 3, 4); i = torch.tensor(1); x[i].fill_(1); x[:, i].add_(2); x[..., i].add_(4)
x[i, None, 2:].add_(8); x[torch.tensor(-2), i, 0].fill_(9); x[np.array(0)][1:, i] += 1; see(x)
see(x[torch.tensor(True)], x[np.array(False)], x[torch.tensor(1, dtype=torch.uint8)])
see(x[:, [1, 0]].view(-1), x[..., torch.tensor([3, 0])].view(2, -1), x[:, :, x[0, 0] > 1].view(-1))
see(x[0].T[[1, 0]].stride(), x[:, [1, 0]].stride(), x[:, 1:].is_contiguous())
"""

REFUSED = {
    "w = torch.ones(4, requires_grad=True); h = w * 1; nn.ReLU(inplace=True)(h[:2])": "inplace",
    "w = torch.ones(4, requires_grad=True); h = w * 1; v = h[:2]; F.relu(h, inplace=True)": "looks",
    "nn.Linear(1, 1).load_state_dict({}, assign=True, strict=False)": "assign=True",
    "class Net(nn.Linear):\n"
    "    def _save_to_state_dict(self, *args): super()._save_to_state_dict(*args)\n"
    "Net(1, 1).state_dict()": "write get_extra_state",
    "torch.einsum(torch.ones(2), [0], torch.ones(2), [0])": "letters come first",
}
BOTH_REFUSE = {  # program -> what this library says
    "nn.MultiheadAttention(8, 2)(*(torch.zeros(4, n, 8) for n in (3, 1, 1)))": "one batch size",
    "nn.MultiheadAttention(8, 2)(*(torch.zeros(n, 3, 8) for n in (4, 5, 6)))": "for every key",
    "x = torch.ones(1, requires_grad=True); x.data = torch.tensor([1])": "value is int64",
    "w = torch.ones(1, requires_grad=True); w **= 2": "not recorded",
    "del nn.ParameterDict()['x']": "'x'",
    "nn.ParameterDict()['x']": "'x'",
    "torch.autograd.backward([torch.ones(2, requires_grad=True) * 2])": "shape",
    "torch.argsort(inputs=torch.ones(1))": "inputs",
    "F.cross_entropy(torch.zeros(3, 4), torch.ones(3))": "use target.long",
    "F.one_hot(torch.tensor([-1, 2]))": "here is -1",
    "torch.ones(3).scatter(0, torch.tensor([5]), 1.0)": "^scatter: there is no 5",
    "torch.ones(3).scatter_add(0, torch.tensor([5]), torch.ones(1))": "^scatter_add: there is no 5",
    "torch.ones(3).index_put((torch.tensor([5]),), torch.tensor(1.0))": "^index_put: there is no 5",
    "x = torch.ones(3, requires_grad=True) * 1; x[5] = 1": r"^t\[index\] = value: there is no 5",
    "torch.einsum('ij,jk->ik', torch.ones(2, 3), torch.ones(2, 3))": "^einsum: a letter",
    "torch.einsum('ij->iz', torch.ones(2, 3))": "^einsum: 'z' of the result",
    "torch.linalg.solve(torch.zeros(2, 2), torch.ones(2))": "^solve: no single solution",
    "torch.linalg.cholesky(-torch.eye(2))": "^cholesky: the matrix is not positive",
    "torch.linalg.cholesky(torch.ones(2, 3))": "^cholesky: only a square matrix",
    "torch.ones(2, 0).median(1)": "^median: there is no element",
    "torch.quantile(torch.ones(0), 0.5)": "^quantile: there is no element",
    "torch.ones(0, 3).max()": r"^amax: no element is there .* \(x \(0, 3\)\)$",
    "torch.ones(3, 0).min(1)": "no element is there to be the smallest",
    "torch.ones(0).argmin()": "no element is there to be the smallest",
    "torch.ones(0).aminmax()": "no element is there to be the largest or smallest",
    "~torch.ones(1)": "work on booleans and whole numbers: write x > 0, or x.long",
    "torch.ones(1) & 1": "work on booleans and whole numbers",
    "torch.tensor([1]) | torch.ones(1)": "work on booleans and whole numbers",
    "torch.ones(2, 3).inverse()": "^inverse: this takes square matrices",
    "torch.linalg.slogdet(torch.ones(2, 3))": "this takes square matrices",
    "torch.linalg.eigh(torch.ones(2, 3))": "^eigh: this takes square matrices",
    "torch.linalg.svd(torch.ones(3))": "^svd: this takes matrices, two dimensions",
    "torch.linalg.solve(torch.ones(2, 3), torch.ones(2))": "^solve: this takes square matrices",
    "k = nn.Sequential(Counted(7)); k.load_state_dict({})": "lacks 0._extra_state",
}


def chapters():
    """The programs of AGREE, which begin after each line of comment."""
    for chapter in AGREE.split("\n# ")[1:]:
        title, _, program = chapter.partition("\n")
        yield pytest.param(program, id=title)


def run(library, program):
    """What a program shows of a library."""
    seen, nn = [], library.nn

    class Counted(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.count = count

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    def two(kind, **settings):
        """Two parameters and their optimizer."""
        p, q = nn.Parameter(library.ones(3)), nn.Parameter(library.ones(2))
        return p, q, kind([p, q], **settings)

    def go(p, q, optimizer):
        """One step."""
        optimizer.zero_grad()
        ((p**2).sum() + (q**2).sum()).backward()
        optimizer.step()

    space = {
        "torch": library, "np": np, "nn": nn, "F": nn.functional, "optim": library.optim,
        "data": library.utils.data, "Counted": Counted, "two": two, "go": go,
        "zero": lambda state: state["step"] * 0, "see": lambda *things: seen.extend(things),
    }  # fmt: skip
    exec(program, space)
    return seen


def same(first, second):
    """Whether both libraries show the same: equal things, or tensors of one dtype and shape."""
    if isinstance(first, (tuple, list)):
        pairs = zip(first, second, strict=True)
        return len(first) == len(second) and all(same(a, b) for a, b in pairs)
    if not isinstance(first, torch.Tensor):
        return first == second
    a, b = first.detach().numpy(), second.detach().numpy()
    return a.dtype == b.dtype and a.shape == b.shape and np.allclose(a, b, 1e-5, 1e-6, True)


@pytest.mark.parametrize("program", list(chapters()))
def test_both_show_the_same(program):
    theirs, ours = run(torch, program), run(tinytorch, program)
    assert len(theirs) == len(ours) > 0
    for a, b in zip(theirs, ours):
        assert same(a, b), f"PyTorch shows {a}, and here is {b}"


@pytest.mark.parametrize("program", REFUSED)
def test_what_is_refused_here_alone_says_so(program):
    run(torch, program)
    with pytest.raises((RuntimeError, ValueError, TypeError), match=REFUSED[program]):
        run(tinytorch, program)


@pytest.mark.parametrize("program", BOTH_REFUSE)
def test_both_refuse(program):
    with pytest.raises(Exception):  # noqa: B017 - whatever PyTorch calls it
        run(torch, program)
    kinds = RuntimeError, ValueError, TypeError, IndexError, KeyError
    with pytest.raises(kinds, match=BOTH_REFUSE[program]):
        run(tinytorch, program)


@pytest.mark.filterwarnings("ignore")  # PyTorch says that it looks, and NumPy what it found
def test_an_anomaly_is_named_where_pytorch_names_it():
    program = "x = torch.tensor([-1.0], requires_grad=True); torch.sqrt(x).sum().backward()"
    for library in (torch, tinytorch):
        with pytest.raises(RuntimeError, match="nan"), library.autograd.detect_anomaly():
            run(library, program)
        run(library, program)  # afterwards, nobody looks
        with library.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="nan"):
            run(library, program)
        with library.autograd.detect_anomaly(check_nan=False):
            run(library, program)
    assert not hasattr(tinytorch.autograd.answers_of, "unchecked")


def takes_input(name):
    """Whether a function of this library takes `input=` for what stands first."""
    function = getattr(tinytorch, name)
    if name in names.homes({"": names.PUBLIC["names.words"]}):
        return True
    if hasattr(function, "parameters"):  # a primitive, whose `x` goes by that word as well
        return function.parameters[0] in ("x", "input")
    return "input" in inspect.signature(function).parameters


def test_what_pytorch_calls_input_is_called_so_here():
    theirs = torch.overrides.get_testing_overrides()
    common = [n for n in dir(tinytorch) if getattr(torch, n, None) in theirs]
    first = {n: next(iter(inspect.signature(theirs[getattr(torch, n)]).parameters)) for n in common}
    wanted = [n for n, word in first.items() if word == "input"]
    assert len(wanted) > 150
    assert not [n for n in wanted if not takes_input(n)]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("nn.Conv1d", "module 09"),
        ("nn.AdaptiveAvgPool2d", "module 09"),
        ("nn.GRUCell", "no lesson has recurrent layers"),
        ("optim.ASGD", "inherit from optim.Optimizer"),
        ("autograd.functional.hessian", "gradients of gradients"),
    ],
)
def test_what_is_not_here_says_why(path, told):
    with pytest.raises((AttributeError, NotImplementedError), match=told):
        eval(f"library.{path}", {"library": tinytorch})(lambda x: x, None)
