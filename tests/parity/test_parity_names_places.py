"""What programs read and write by place, draw by chance and load in batches is as in PyTorch.

EQUAL: both answer the same, gradients included. REFUSED: PyTorch refuses the mistake, and so do
we. The functions at the end are small programs, of which both must say the same.
"""

import copy
import gc
import io
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.utils.checkpoint  # noqa: E402, F811
import torch.utils.data  # noqa: E402

import tinytorch  # noqa: E402

EQUAL = """
torch.diag_embed(far); torch.diag_embed(x, 1); torch.diag_embed(v, -2); torch.diag(v, -1)
torch.diag(x); x.diagonal(1); b.diagonal(-1, 1, 2); far.sort().indices; n[0, 0].argsort()
odd.unique(); odd.unique(return_counts=True); odd.cummax(0); odd.cummin(0); odd.cummax(0).indices
torch.logcumsumexp(torch.tensor([-200.0, 0.0, 3.0, float("-inf")]), 0); x.logcumsumexp(1)
(50 * x).logcumsumexp(0); torch.digamma(torch.tensor([-10.3, -20.7, 0.3, -4.0, -0.01]))
x.digamma(); (x - 9.5).digamma(); torch.lgamma(torch.tensor([-1.0, 0.0, 0.5, -2.5]))
torch.erfinv(torch.tensor([1.0, -1.0, 0.99999, 2.0])); torch.erfinv(torch.zeros(0))
b[0, :, [1, 2]]; b[:, 0, [1, 2]]; b[0, None, [1, 0]]; b[0, ..., [1, 0]]; b[-1, :, torch.arange(2)]
b[torch.tensor(1), :, [0, 1]]; b[[torch.tensor([0, 1]), torch.tensor([1, 0])]]; b[[[0, 1], [1, 0]]]
b[[0, torch.tensor(1)]]; b[torch.tensor([1, 0], dtype=torch.uint8)]; b[None, 0, [1, 2]]
b[0, :, torch.arange(b.shape[2]) > 0]; b[1, [0, 1], :][..., 1]; b[[slice(0, 1), 0]]
b[torch.tensor(1, dtype=torch.uint8)]; b[torch.tensor([1, 0], dtype=torch.uint8)[0], 0]
b[0, ..., 1, [0, 1]]; b[None, b[:, :, 0] > 0, 1]; b[True, 0, [1, 0]]; b[0, True, [1, 0]]
b[torch.ones(1, dtype=torch.uint8).numpy()[0]]
(lambda t: [t.__setitem__((0, slice(None), [1, 0]), b[0, :, :2]), t][1])(b * 0)
(lambda t: [t.__setitem__((0, slice(None), [1, 0]), b[0, :, :2] * 2), t][1])(b * 3)
(lambda t: [t.__setitem__((1, 2), v[:1]), t][1])(torch.zeros(3, 4))
torch.lgamma(torch.tensor([float("inf"), float("-inf")])); torch.corrcoef(v.detach())
torch.mode(torch.tensor(3.0)); torch.repeat_interleave(i); torch.histogram(v.detach()).hist
n.byte().logit(); torch.cartesian_prod(v); torch.rot90(x, 5); torch.rot90(x, -1, (1, 0))
torch.sinc(x * k); torch.cov(x.detach()[:, :2], correction=0); torch.cov(v.detach())
(lambda t: [t.__iadd__(x), t][1])(torch.zeros(3, 4)); (lambda t: [t.__itruediv__(y), t][1])(x * 2)
(lambda t: [t.__isub__(v), t][1])(x * 2); (lambda t: [t.__imul__(v), t][1])(x.exp() + y)
(lambda t: [t.__iadd__(v).__imul__(2), t][1])(torch.zeros(3, 4)); x.sum([]); x.mean(dim=[])
close(x, x.T.contiguous().T); jacobian(lambda v: v[:2] * x[0, :2], v)
torch.trapezoid(x[:, :2], x=torch.tensor([0.0, 1.0, 3.0]), dim=0); torch.trapezoid(x, x)
torch.heaviside(odd, torch.tensor(0.5)); n.copysign(-1.0); torch.cov(x.detach(), correction=9)
torch.bincount(i, i); torch.histc(v.detach(), 4, 1, 1); k.diff(); n.byte().diff()
n.scatter_reduce(1, n % 3, n, "mean"); n.scatter_reduce(1, n % 3, n, "amax", include_self=False)
torch.zeros(3, 3, 3).fill_diagonal_(2.0); torch.zeros(2, 3).fill_diagonal_(1, wrap=False)
n.index_fill(0, torch.tensor([-1]), torch.tensor(7)); x.index_add(0, i[:3] % 2, y, alpha=0.5)
v.broadcast_to(2, -1); v.unfold(0, 2, 2)
b.movedim((0, -1), (1, 0)); x.roll((1, 2), (0, 1)); x.unflatten(1, (-1, 2)); x.unfold(1, 3, 1)
torch.linspace(-1.5, 3, 5, dtype=torch.int64); torch.scalar_tensor(2**60 + 1, dtype=torch.int64)
torch.can_cast(torch.int16, torch.uint8); torch.can_cast(torch.bool, torch.uint8)
torch.can_cast(torch.float64, torch.float16); torch.can_cast(torch.uint8, torch.bool)
torch.LongTensor(np.int64(3)).shape; torch.FloatTensor(torch.Size((2, 3))).shape
torch.zeros_like(x, pin_memory=False); torch.full((2,), 3, layout=torch.strided)
torch.logspace(0, 2, 3, device="cpu"); torch.poisson(torch.tensor(0.0))
torch.Generator().initial_seed()
v.gather(0, torch.tensor(2)); torch.zeros(5).scatter_(0, torch.tensor(3), value=1)
v.scatter(0, torch.tensor(2), v[0]); v.scatter_add(0, torch.tensor([2]), v[0])
v.scatter(-1, torch.tensor(2), v.detach()[1:]); v[0].scatter(0, torch.tensor(0), v[1])
v[0].gather(0, i % 1); v.detach().scatter_reduce(0, torch.tensor(1), v.detach()[0], "amax")
x.repeat(1, 1); x.tile((2, 1)); torch.rot90(x, 4); torch.diff(x, n=0); torch.randperm(0)
"""

REFUSED = """
jacobian(lambda v: y[0, :1] * 2, v, strict=True)
close(x, x.T.contiguous().T, check_stride=True)
n // 0; n % (n * 0); 7 // (n * 0)
x.masked_select(n); x.masked_scatter(k, y[0, :1]); x.masked_scatter(n, y)
x.index_select(0, k[:, 0])
x.index_select(0, n); x.index_select(0, torch.tensor([-1])); x.index_select(0, torch.tensor([5]))
x.index_add(0, torch.tensor([-1]), y[:1]); x.index_add(0, torch.tensor([0, 1]), y[:1])
x.index_copy(0, torch.tensor([-1]), y[:1]); n.index_copy(0, torch.tensor([0]), y[:1].float())
x.index_fill(0, torch.tensor([0]), v); x.scatter(1, n); x.scatter(1, n - 9, y); n.scatter(1, n, y)
x.scatter(1, n, y, value=1.0); n.scatter_add(0, n % 3, y); n.index_add(0, torch.tensor([0]), x[:1])
x.index_put(torch.tensor([0]), y[0, 0]); n.index_put((torch.tensor([0]),), y[0])
x.scatter_reduce(1, n, y, "most"); x.detach().scatter_reduce(1, n, y[:, :1].detach(), "amax")
x.scatter(0, torch.tensor([0]), 1.0); c.scatter_(0, torch.tensor([0]), c[0, :1]); x.gather(0, i[0])
x.scatter_add(0, torch.tensor(0), y[0, 0]); v.scatter(0, torch.tensor(9), 1.0)
c.scatter_reduce(0, torch.tensor([0]), c[0, :1], "amax"); v.scatter(1, torch.tensor(0), 1.0)
x.unfold(0, 9, 1); x.unfold(0, 1, 0); x.unfold(0, -1, 1); v.unflatten(0, (-1, -1))
x[:0].unflatten(0, (5, 5)); torch.meshgrid(x, v); x.roll(7, (0, 1)); x.roll((1, 2)); x.movedim(2, 0)
x.movedim((0, 0), (0, 1)); x.movedim((0, 1), (0,)); x.repeat(1, -1); x.repeat_interleave(1.5)
torch.cross(x, x, dim=1); torch.addmv(v, x, x); torch.addr(x, v, x); torch.combinations(x)
torch.hsplit(x, 3); torch.vsplit(x, 2); torch.searchsorted(v, v, right=True, side="left")
b.detach().fill_diagonal_(1.0); v.detach().fill_diagonal_(1.0)
torch.arange(5, 0); torch.arange(0, 5, -1); torch.randint(2, 5); torch.randperm(-1)
torch.randint(0, 300, (2,), dtype=torch.uint8); n.byte().random_(0, 300); torch.normal(x, -1.0)
torch.normal(0.0, -1.0, (2,)); torch.bernoulli(x - 9); c.bernoulli_(2.0); c.bernoulli(p=-1.0)
c.exponential_(0.0); n.exponential_(); n.log_normal_(); n.cauchy_(); c.cauchy_(0.0, -1.0)
torch.tensor([1.0, 1.0]).multinomial(-1); torch.tensor([1.0, 1.0]).multinomial(0)
torch.FloatTensor(2.5); torch.LongTensor(x.detach()); torch.FloatTensor([1.0], foo=1)
torch.empty(2, dtpye=torch.int64); torch.random.fork_rng(enabeld=False); torch.save({}, f, pickel=1)
torch.load(f, wieghts_only=True); torch.compile(len, moed="fast"); c.unsqueeze_(dim=9)
torch.amp.GradScaler("cpu", enabled=False, init_sclae=2)
checkpoint.checkpoint_sequential([], 1, c, use_reentrant=False, foo=1)
data.DataLoader(Rows(), 4, batch_sampler=[[0]]); data.DataLoader(Rows(), None, drop_last=True)
data.DataLoader(Rows(), batch_sampler=[[0]], drop_last=True)
data.DataLoader(Stream(), 2, shuffle=True)
data.DataLoader(Stream(), 2, sampler=[0]); list(data.BatchSampler(range(5), 0, True))
data.WeightedRandomSampler([1.0, 1.0], 0); list(data.RandomSampler([], num_samples=3))
close(torch.tensor([2**60]), torch.tensor([2**60 + 1])); close([[c]], [[c + 1]])
close([{"a": c}], [{"a": c + 1}]); close(c, c.T.contiguous().T, check_stride=True)
jacobian(lambda t: t[:1], (c[0], c[1]), strict=True)
"""


class Rows:
    def __len__(self):
        return 5

    def __getitem__(self, index):
        return np.full(2, index, np.float32), index


def expressions(text):
    return [e.strip() for line in text.strip().splitlines() for e in line.split("; ")]


def space(library):
    """The same tensors for both; x, y, v and b ask for gradients."""
    rng = np.random.default_rng(7)
    shapes = {"x": (3, 4), "y": (3, 4), "v": (4,), "b": (2, 3, 4)}
    made = {
        k: library.from_numpy(rng.standard_normal(s)).requires_grad_() for k, s in shapes.items()
    }
    made["c"] = library.from_numpy(rng.standard_normal((3, 4)))
    made["n"] = library.from_numpy(rng.integers(0, 4, (3, 4)))
    made["k"] = library.from_numpy(rng.random((3, 4)) > 0.5)
    made["i"] = library.from_numpy(np.array([0, 3, 1, 1, 2]))
    made["odd"] = library.from_numpy(np.array([2, np.nan, 0, np.nan, 5], np.float32))
    made["far"] = library.from_numpy(np.array([np.inf, 1, -np.inf], np.float32))

    class Stream(library.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(5))

    made |= {"np": np, "torch": library, "Rows": Rows, "Stream": Stream, "f": io.BytesIO()}
    made |= {"data": library.utils.data, "checkpoint": library.utils.checkpoint}
    made |= {
        "close": library.testing.assert_close,
        "jacobian": library.autograd.functional.jacobian,
    }
    return made


def plain(value):
    """Numbers, shapes and dtypes, for both libraries."""
    if isinstance(value, (torch.Tensor, tinytorch.Tensor)):
        return str(value.dtype).removeprefix("torch."), value.detach().numpy()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(part) for part in value]
    return value


def alike(ours, theirs):
    if isinstance(ours, np.ndarray):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    elif isinstance(ours, (list, tuple, dict)):
        assert len(ours) == len(theirs)
        for part in ours if isinstance(ours, dict) else range(len(ours)):
            alike(ours[part], theirs[part])
    else:
        assert ours == theirs


def answer(library, expression):
    """The value of an expression, and the gradients of its weighted sum."""
    names = space(library)
    value = eval(expression, names)
    found = [plain(value)]
    parts = value if isinstance(value, (tuple, list)) else [value]
    parts = [p for p in parts if getattr(p, "requires_grad", False)]
    for part in parts:
        weights = np.cos(np.arange(part.numel())).reshape(tuple(part.shape))
        (part * library.from_numpy(weights)).sum().backward()
    if parts:
        found += [None if names[k].grad is None else plain(names[k].grad) for k in "xyvb"]
    return found


def refused(step, *args):
    try:
        step(*args)
    except Exception:
        return "refused"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("expression", expressions(EQUAL))
def test_equal(expression):
    alike(answer(tinytorch, expression), answer(torch, expression))


@pytest.mark.parametrize("expression", expressions(REFUSED))
def test_refused(expression):
    for library in (tinytorch, torch):
        assert refused(eval, expression, space(library)) == "refused"


# ---------------------------------------------------------------- small programs


def diagonal_is_a_view(lib):
    x, y = lib.zeros(3, 3), lib.zeros(2, 3, 3)
    x.diagonal().fill_(1.0)
    y.diagonal(dim1=-2, dim2=-1).add_(0.5)
    z = lib.diag(x)
    x.add_(1)
    return x, y, z


def diagonal_counts_writes(lib):
    x = lib.ones(3, 3, requires_grad=True)
    y = x * x
    z = y * y
    with lib.no_grad():
        y.diagonal().zero_()
    return refused(z.sum().backward)


def copies_are_copies(lib):
    x = lib.zeros(2, 3)
    made = [x.repeat(1, 1), x.tile((1,)), lib.rot90(x, 4), lib.diff(x, n=0), x[0, 0].sort().values]
    x.add_(1)
    made[0][0] = 7
    return made


def windows_are_not_written(lib):
    x = lib.zeros(4)
    try:
        x.unfold(0, 2, 2)[0, 0] = 1.0
    except ValueError:
        x[0] = 1.0  # refused here, written through in PyTorch: never lost
    return x


def windows_see_what_is_written(lib):
    x = lib.zeros(3, 4)
    windows = x.T.unfold(0, 2, 2)
    x[1].fill_(7.0)
    return windows, windows.unfold(1, 2, 1)


def normal_has_no_gradient(lib):
    mean = lib.zeros(3, requires_grad=True)
    draw = lib.normal(mean, 1.0)
    ((draw - mean) * lib.tensor([1.0, 2.0, 3.0])).sum().backward()
    return mean.grad


def unseeded_generators_agree(lib):
    g = lib.Generator()
    first = lib.rand(3, generator=g)
    g = lib.Generator()
    g.initial_seed()
    return bool((first == lib.rand(3, generator=g)).all())


def whole_range(lib):
    draws = lib.zeros(64, dtype=lib.int64).random_(), lib.zeros(64, dtype=lib.uint8).random_()
    return bool((draws[0] > 2**40).any()), bool((draws[1] > 99).any())


def files_of_any_header_length(lib):
    found = []
    for size in range(1, 40):
        f, names = io.BytesIO(), [f"{'a' * size}{n}" for n in range(1 + size % 12)]
        lib.save({name: lib.zeros(2) for name in names}, f)
        f.seek(0)
        found.append(sorted(lib.load(f)))
    return found


def leaves_come_back_as_leaves(lib):
    f = io.BytesIO()
    kept = {
        "a": lib.ones(2, requires_grad=True),
        "b": lib.zeros(1),
        "c": lib.nn.Parameter(lib.ones(1)),
    }
    lib.save(kept, f)
    f.seek(0)
    found = lib.load(f, weights_only=False, mmap=None)
    return {n: t.requires_grad for n, t in found.items()}, isinstance(found["c"], lib.nn.Parameter)


def batches(lib):
    d = lib.utils.data

    class Counted(d.IterableDataset):
        def __iter__(self):
            return iter(np.arange(3.0))

    loaders = [
        d.DataLoader(Rows(), None), d.DataLoader(Rows(), None, collate_fn=lambda s: s[1]),
        d.DataLoader(Rows(), None, sampler=[2, 1]), d.DataLoader(Counted(), None),
        d.DataLoader(Rows(), batch_sampler=[[3, 1], [0]]),
        d.DataLoader(Counted(), 2, collate_fn=sum),
    ]  # fmt: skip
    return [list(loader) for loader in loaders]


def hook_then_retain(lib):
    x = lib.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.sum().backward()
    return x.grad, y.grad


def hooks_keep_what_they_saw(lib):
    x, seen = lib.ones(2, requires_grad=True), []
    x.register_hook(seen.append)
    for factor in (2, 3):
        (x * factor).sum().backward()
    return seen, x.grad


def hooks_end_with_their_leaf(lib):
    x = lib.ones(2, requires_grad=True)
    handle, dead = x.register_hook(lambda g: g * 0), weakref.ref(x)
    del x
    gc.collect()
    handle.remove()
    return dead() is None


def hooks_of_asked_leaves(lib):
    x, y, seen = lib.ones(2, requires_grad=True), lib.ones(2, requires_grad=True), []
    x.register_hook(lambda g: g * 10)
    y.register_hook(seen.append)
    found = lib.autograd.grad((x * x * y).sum(), x)
    (x * x * y).sum().backward(inputs=[x])
    return found, x.grad, y.grad, len(seen)


def copied_results(lib):
    x = lib.ones(2, requires_grad=True)
    tried = [x * 2, lib.nn.ParameterList([x])[0], (x * 2).detach()]
    return [refused(copy.deepcopy, t) for t in tried]


def hook_of_another_shape(lib):
    x = lib.ones(3, requires_grad=True)
    x.register_hook(lambda g: g[:1])
    return refused((x * 2).sum().backward), x.grad


def hooked_modules(lib):
    net, seen = lib.nn.Linear(2, 2), []
    lib.nn.init.ones_(net.weight)
    lib.nn.init.zeros_(net.bias)
    net.register_full_backward_hook(lambda m, gi, go: seen.append("second"))
    net.register_full_backward_hook(lambda m, gi, go: seen.append("first"), prepend=True)
    twin, x = copy.deepcopy(net), lib.ones(1, 2, requires_grad=True)
    with lib.no_grad():
        twin.weight.zero_()
    result = twin(x), net(x)
    net(x).sum().backward()
    return result, seen


def close_enough(lib):
    close, one = lib.testing.assert_close, lib.ones(1)
    close([[one], [lib.ones(2)]], [[one], [lib.ones(2)]])
    close(None, None)
    try:
        close(one, one + 1, msg=lambda told: "mine")
    except AssertionError as error:
        return str(error)


def old_autocast(lib):
    with lib.cuda.amp.autocast(False):
        return lib.ones(2) @ lib.ones(2)


PROGRAMS = [
    diagonal_is_a_view, diagonal_counts_writes, copies_are_copies, windows_are_not_written,
    windows_see_what_is_written,
    normal_has_no_gradient, unseeded_generators_agree, whole_range, files_of_any_header_length,
    leaves_come_back_as_leaves, batches, hook_then_retain, hooks_keep_what_they_saw,
    hooks_end_with_their_leaf, hook_of_another_shape, hooked_modules, close_enough, old_autocast,
    hooks_of_asked_leaves, copied_results,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_program(program):
    alike(plain(program(tinytorch)), plain(program(torch)))


OURS = """
torch.FloatTensor((2, 3)); torch.Tensor(x.detach().array.shape); x.scatter_reduce(1, n, y, "amax")
c.scatter_reduce_(1, n, y, "prod"); jacobian(lambda t: t * t, c[0], create_graph=True)
InPlace.apply(x * 1); torch.zeros(3, 2).fill_diagonal_(1.0, wrap=True)
"""


@pytest.mark.parametrize("expression", expressions(OURS))
def test_refused_here(expression):
    """What PyTorch can and we cannot is said, and not answered with something else."""

    class InPlace(tinytorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

    with pytest.raises((TypeError, NotImplementedError), match="[a-z]{4}"):
        eval(expression, space(tinytorch) | {"InPlace": InPlace})
