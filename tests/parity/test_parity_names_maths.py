"""What differential fuzzing found: values, shapes, dtypes, gradients and mistakes, as in PyTorch.

Each line is an expression that both libraries evaluate on the same numbers; those of REFUSED are
mistakes that both refuse. The names: `x` (3, 4) and `s` (3, 3) ask for gradients, `n` are nan and
numbers, `i` whole numbers, `z` a 0-d tensor that asks for its gradient.
"""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402

SAME = """
# norms of matrices
torch.linalg.norm(m, 2); torch.linalg.norm(x, 1); torch.linalg.norm(x, float("inf"), dim=(1, 0))
torch.linalg.norm(x, -1, keepdim=True); torch.linalg.norm(b, -float("inf"), (0, 2), True)
torch.linalg.matrix_norm(m, "nuc"); torch.linalg.matrix_norm(b.detach(), -2, keepdim=True)
torch.linalg.norm(x, "fro"); torch.linalg.norm(x); torch.linalg.norm(v, 1); torch.linalg.norm(b)
torch.norm(x.detach() * 100); torch.linalg.norm(x, 3, dim=1)
# determinants and solutions
torch.slogdet(s * 1e-3)[0].detach(); torch.logdet(big); torch.slogdet(-big)[1]
torch.logdet(torch.diag(-v[1:])); torch.logdet(torch.zeros(2, 2))
torch.linalg.solve(s, v[:3]); torch.linalg.solve(s3, s); torch.linalg.solve(s3, s3)
torch.linalg.solve(s, s); torch.linalg.solve(s3, s3[:, :, :1]); torch.det(torch.diag(v))
torch.det(s - s); torch.det(torch.stack([s, s - s])); torch.linalg.pinv(m, 0.5)
torch.linalg.pinv(thin.float()); torch.linalg.matrix_rank(m, tol=1.0)
torch.linalg.lstsq(m, m[:, :2])[2]; torch.linalg.lstsq(m, m[:, :2])[0]
torch.linalg.qr(m, "complete")[1].abs(); torch.trace(torch.diag(v[1:]) + hole)
# reductions
torch.std_mean(x, False); torch.var_mean(x, True); torch.std_mean(x, 1, False, True)
torch.std(m[:, :0]); torch.var(m, 0, correction=4); torch.var(m, 0, correction=5)
m.std(dim=[]); torch.var(x, [0, 1], keepdim=True); torch.sum(i, dtype=torch.int32)
i.prod(dtype=torch.int32); torch.sum(i, 0, dtype=torch.bool); torch.sum(x, 0, dtype=torch.float32)
torch.nansum(far); torch.nansum(i.byte()); i.nan_to_num(); i.byte().nan_to_num(1.0)
i.logsumexp(0); m[:, :0].logsumexp(1); torch.logsumexp(i.byte(), 1); i.amin(()); x.amin(dim=())
n.median(); n.median(1); n.median(0, True); n.quantile(0.5); n.quantile(0.3, 1)
n.quantile(0.5, 0, True); x.quantile(0.4, keepdim=True); x.quantile(0.4, 1, keepdim=True)
x.quantile(torch.tensor([0.1, 0.8]).double(), keepdim=True); n.topk(2); n.topk(2, 0)
n.topk(3, largest=False); x.median(0); x.kthvalue(2, 0, True)
z.cumsum(0); z.cumprod(-1); z.cumsum(0, dtype=torch.float32); z.max(0); z.gather(0, i[0, 0] * 0)
# products
torch.baddbmm(far[0, 2], x[None], s4[None], beta=0); torch.addmm(hole * 1, s, s, beta=0)
torch.addmm(v[:3], s, s, beta=2, alpha=0.5); torch.tensordot(b, b, ([0, 2], [0, 2]))
torch.tensordot(b, x, ([-1], [1])); torch.tensordot(b, v, 1); torch.tensordot(v, v, 0)
torch.inner(x[:1, :0], x[:, :0]); torch.inner(x[0, :0], x[:, :0])
torch.cosine_similarity(x, v[:1, None], 1); torch.cosine_similarity(x, x[:, :1], 1)
torch.cosine_similarity(x, v, 0); torch.cdist(x, x[:2], 1.0)
# two numbers in, one out
torch.hypot(x * 1e200, x * 1e200); torch.hypot(x, v); torch.hypot(x.float() * 1e30, x.float())
torch.xlogy(z * 0, -0.5); torch.xlogy(x, 2.0); torch.xlogy(2, v)
torch.xlogy(x.float(), z); torch.xlogy(x, v.float()); torch.xlogy(i, 2)
torch.xlogy(x * 0, n); torch.logaddexp(x, v)
n.sign(); torch.tensor([-0.0, 2.0]).sign(); torch.tensor([True, False]).sign(); i.sign()
torch.div(huge, 3, rounding_mode="trunc"); torch.div(-huge, 3, rounding_mode="trunc")
x.div(v, rounding_mode="floor"); i.div(2, rounding_mode="trunc"); i.divide(2); i.div(2)
torch.fmod(i, 2); torch.fmod(x, 0.3); torch.fmod(m, 0.0)
# shapes
x[:, :0].split(3, 1); x[:0].chunk(3); x[:0].split(2); x.expand(2, -1, -1); z.expand(2)
"""

REFUSED = """
x.gather(1, torch.tensor([[-1]])); torch.gather(x, 1, torch.tensor([[0], [-100]]))
torch.tensordot(b, torch.ones(4, 3, 2).double(), 2); torch.tensordot(x, x, ([0], [1]))
torch.tensordot(x, x, -1); torch.tensordot(x, x, 3); torch.cdist(x, x[:, :1])
torch.addmm(torch.ones(2, 3, 3), s, s); torch.addmm(torch.ones(2, 3, 1), s, s[:, :1])
torch.baddbmm(b[:, None], s3, s3); torch.fmod(i, 0); torch.fmod(i, i * 0)
torch.div(i, 0, rounding_mode="floor"); i.div(i * 0, rounding_mode="trunc"); torch.clamp(x)
x.clamp(None, None); x.expand(-1, 3, 4); x.split([-1, 4]); torch.linalg.norm(b, 2)
torch.linalg.norm(b, "fro"); torch.linalg.matrix_norm(x, dim=0); torch.linalg.matrix_norm(v)
torch.linalg.matrix_norm(x, 3); torch.linalg.vector_norm(x, "fro"); torch.linalg.matrix_rank(v)
torch.linalg.matrix_norm(b, dim=(1, 1)); torch.linalg.solve(s - s, s)
torch.matrix_power(x, 1); torch.matrix_power(v, 1)
torch.mean(i, dtype=torch.int64); x.sum(dtype=torch.int64); x.prod(dtype=torch.int32)
torch.linalg.lstsq(s3.detach(), m); torch.add(v, v, out=torch.zeros(4).long())
torch.zeros(3).normal_(0, -1); torch.zeros(3).uniform_(3, 1)
"""


def lines_of(text):
    rows = [line for line in text.splitlines() if line and line[0] != "#"]
    return [part.strip() for part in re.split(r";|\n", "\n".join(rows)) if part.strip()]


def names_in(library):
    """The same numbers for both libraries."""
    rng = np.random.default_rng(11)
    hole = np.zeros((3, 3))
    hole[0, 2] = np.inf
    broken = rng.normal(size=(3, 4))
    broken[1, 2] = np.nan
    thin = rng.normal(size=(4, 2)) @ rng.normal(size=(2, 3))
    arrays = {"m": rng.normal(size=(4, 3)), "hole": hole, "n": broken, "thin": thin}
    arrays |= {"i": rng.integers(-3, 4, (2, 3)), "huge": np.array([2**60 + 1, 2**61 + 5])}
    found = {name: library.from_numpy(array.copy()) for name, array in arrays.items()}
    leaves = {"x": rng.normal(size=(3, 4)), "s": rng.normal(size=(3, 3)) + 2 * np.eye(3)}
    leaves |= {"b": rng.normal(size=(2, 3, 4)), "v": np.arange(4.0), "z": np.array(1.5)}
    leaves |= {"s3": rng.normal(size=(3, 3, 3)), "s4": rng.normal(size=(4, 4))}
    leaves |= {"big": np.eye(400) * 0.01, "far": np.array([[1.0, np.inf, np.nan]])}
    found |= {k: library.from_numpy(a.copy()).requires_grad_() for k, a in leaves.items()}
    return found | {"torch": library}, {name: found[name] for name in leaves}


def flat(result):
    if isinstance(result, (list, tuple)):
        return [part for piece in result for part in flat(piece)]
    return [result]


def outcome(library, expression):
    """Values, dtypes and shapes of the results, and the gradients of a weighted sum of them."""
    names, leaves = names_in(library)
    results = flat(eval(expression, names))
    real = [r for r in results if r.requires_grad]
    for number, result in enumerate(real):
        weights = np.random.default_rng(number).normal(size=tuple(result.shape))
        weights = library.from_numpy(np.asarray(weights, str(result.dtype).split(".")[-1]))
        (result * weights).sum().backward(retain_graph=True)
    grads = {name: t.grad for name, t in leaves.items() if t.grad is not None}
    kinds = [(str(r.dtype).split(".")[-1], tuple(r.shape)) for r in results]
    return kinds, [r.detach().numpy() for r in results], grads


@pytest.mark.filterwarnings("ignore:(std|var).*degrees of freedom:UserWarning")  # PyTorch's
@pytest.mark.parametrize("expression", lines_of(SAME))
def test_same_as_torch(expression):
    kinds, values, grads = outcome(tinytorch, expression)
    wanted_kinds, wanted_values, wanted_grads = outcome(torch, expression)
    assert kinds == wanted_kinds
    for value, wanted in zip(values, wanted_values):
        loose = 1e-4 if value.dtype == np.float32 else 1e-9
        np.testing.assert_allclose(value, wanted, rtol=loose, atol=loose)
    for name in {*grads, *wanted_grads} - ({"s", "v"} if "det" in expression else set()):
        ours, theirs = (g[name].numpy() if name in g else 0.0 for g in (grads, wanted_grads))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("expression", lines_of(REFUSED))
def test_refused_by_both(expression):
    kinds = (ValueError, TypeError, IndexError, RuntimeError, ZeroDivisionError)
    for library in (torch, tinytorch):
        with pytest.raises(kinds) as refused:
            eval(expression, names_in(library)[0])
    assert re.search(r"[a-z]+ [a-z]+", str(refused.value)), "a sentence says why"


def test_the_gradient_of_a_determinant_that_is_0_is_its_cofactors():
    s = tinytorch.tensor([[0.0, 0.0], [0.0, 1.0]], requires_grad=True)
    tinytorch.det(s).backward()  # det = s00 * s11 - s01 * s10
    assert s.grad.tolist() == [[1, 0], [0, 0]]
    s = tinytorch.tensor([[2.0, 1.0], [0.0, 4.0]], requires_grad=True)
    (tinytorch.logdet(s) + tinytorch.slogdet(s)[1]).backward()
    np.testing.assert_allclose(s.grad.numpy(), [[1.0, 0.0], [-0.25, 0.5]], atol=1e-6)


def test_what_pytorch_has_and_this_library_refuses():
    """Where the argument cannot be honoured, one sentence, not another answer."""
    one, whole = tinytorch.ones(2, 2), tinytorch.tensor([[1, 2], [3, 4]])
    assert tinytorch.einsum("ij,jk->ik", whole, one).dtype == tinytorch.float32
    assert tinytorch.chain_matmul(whole).tolist() == [[1, 2], [3, 4]]
    x = tinytorch.ones(2, 2, requires_grad=True)
    for call in (
        lambda: tinytorch.svd(tinytorch.ones(2, 2), compute_uv=False),
        lambda: tinytorch.qr(tinytorch.ones(2, 2), "r"),
        lambda: tinytorch.linalg.lstsq(x, x),
        lambda: tinytorch.linalg.matrix_norm(x, 2),
        lambda: tinytorch.add(x[0].detach(), 1, out=tinytorch.zeros(3, 2)),
        lambda: tinytorch.ones(2).view(tinytorch.uint8),
    ):
        with pytest.raises((ValueError, TypeError, RuntimeError), match="[a-z]+ [a-z]+"):
            call()


@pytest.mark.parametrize("library", [torch, tinytorch], ids=["torch", "tinytorch"])
def test_state(library):
    x = library.ones(2, requires_grad=True)
    (got,) = library.autograd.grad([(x * x).sum()], [x], [library.tensor(3.0)])
    assert got.tolist() == [6, 6]
    for block, wants in ((library.inference_mode(False), True), (library.inference_mode(), False)):
        with block:
            assert (x * 2).requires_grad is wants
    assert not library.inference_mode(lambda: x * 2)().requires_grad
    a = library.eye(2)
    library.matrix_power(a, 1)[0] = 9
    assert a.tolist() == [[1, 0], [0, 1]]
    h = x * 1
    h += library.ones(2, dtype=library.float64)
    assert h.dtype == library.float32
    with pytest.raises((ValueError, RuntimeError)):
        h += library.ones(3, 2)
