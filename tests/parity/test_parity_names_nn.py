"""Layers, losses and modules where PyTorch's answer is easily missed: both libraries agree.

Each line is an expression, or statements with `=> expression`, that both evaluate on the same
float64 numbers; the gradients are those of a weighted sum of all real results.
"""

import copy
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402

SAME = """
# slopes and nan
F.logsigmoid(z); nn.LogSigmoid()(z); F.soft_margin_loss(z, sign); F.threshold(odd, 0.1, 20.0)
F.multilabel_soft_margin_loss(z, yes); F.binary_cross_entropy_with_logits(z, yes, pos_weight=w)
F.hardshrink(odd); F.softshrink(odd, 0.2); F.softmax(x); F.log_softmax(x, 1, dtype=torch.float32)
# in place
y = x * 1; r = F.relu(y, inplace=True) => r is y, y, r * 2
y = x * 1; nn.ReLU(True)(y) => y
y = x * 1; nn.Hardtanh(-0.5, 0.5, True)(y) => y
y = x * 1; nn.Sequential(nn.LeakyReLU(0.2, inplace=True))(y) => y
y = x * 1; F.dropout(y, 1.0, inplace=True) => y
y = x * 1; F.dropout(y, 0.0, inplace=True); nn.Dropout(0.5, True).eval()(y) => y
y = x.detach().clone(); nn.SiLU(inplace=True)(y) => y
# losses
F.nll_loss(x, t, w, False); F.nll_loss(x, t, None, None, 1); F.nll_loss(x, t, size_average=False)
nn.NLLLoss(None, False)(x, t); nn.NLLLoss(w, None, 1)(x, t); F.nll_loss(x, t * 0 - 100)
F.cross_entropy(x, t * 0 - 100); F.cross_entropy(x, t * 0 - 100, w)
F.mse_loss(x, x * 0.5, weight=p); F.mse_loss(x, x * 0.5, reduction="sum", weight=p)
F.kl_div(x, -p); F.kl_div(x, p, reduction="batchmean"); F.hinge_embedding_loss(x, yes)
F.hinge_embedding_loss(x, yes - 1, 0.5, reduction="none"); F.cosine_embedding_loss(x, p, yes[:, 0])
F.cosine_embedding_loss(x, p, sign[:, 0], 0.2, None, None, "sum")
nn.CosineEmbeddingLoss(0.2, False)(x, p, sign[:, 0]); F.gaussian_nll_loss(z, p, x * x, eps=0.5)
F.cross_entropy(x, p, w); F.cross_entropy(x[0], p[0], w); F.cross_entropy(b, b * 0.1, w, reduction="sum")
F.cross_entropy(x, p, w, reduction="none", label_smoothing=0.3)
m = nn.NLLLoss(w); m.reduction = "sum" => m(x, t), m.state_dict()
m = nn.LeakyReLU(0.1); m.negative_slope = 0.5 => m(x)
[nn.CrossEntropyLoss(w).state_dict(), nn.BCEWithLogitsLoss(pos_weight=w).state_dict()]
nn.CrossEntropyLoss(w.float()).double()(x, t)
# norms and tables
m = nn.BatchNorm1d(3, momentum=None).double() => m(x), m(x * 2), m.state_dict(), m.eval()(x)
m = nn.BatchNorm1d(3, track_running_stats=False).double() => m.eval()(x), m.state_dict()
m = nn.BatchNorm1d(3).double(); m(x.detach()); m.reset_parameters() => m.state_dict()
nn.InstanceNorm1d(4)(x.double()); nn.InstanceNorm1d(3, 0.1, 0.1, True).double()(x.T)
m = nn.EmbeddingBag(5, 3, None, 2.0, False, "sum") => m.mode, m(t, t * 0).shape
fill(nn.EmbeddingBag(5, 3, mode="sum").double())(t, t[:1] * 0, w[t])
F.scaled_dot_product_attention(x, x, x, torch.full((4, 4), -float("inf")).double())
F.pad(x, (-1, 1), mode="circular"); F.pad(x, (2, -1), mode="reflect"); F.pad(x, (1, 3), "replicate")
# attention
fill(nn.MultiheadAttention(4, 2).double())(b, b, b, k == 9, False)[0]
fill(nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True).double())(b, None, k.T < 10)
list(nn.Transformer(4, 2, 1, 1, 8, bias=False).state_dict())
# containers and trees
m = nn.Sequential(L(), nn.ReLU(), L()) => list(m[1:].state_dict()), list(m[::2].state_dict()), len(m)
m = nn.ParameterList([v, v, w]) => len(m[1:]), type(m[:2]).__name__
one = L(); m = nn.Sequential(one, nn.ReLU(), one) => len(list(m.children())), len(m), len(m[:2]), m(x), list(m.state_dict())
one = L(); m = nn.ModuleDict({"a": one, "b": one}) => len(list(m.children())), len(m), len(m.values()), list(m.state_dict())
one = L(); m = nn.ModuleList([one, one]) => [n for n, _ in m.named_parameters(remove_duplicate=False)]
m = Net() => [n for n, _ in m.named_modules(remove_duplicate=False)], len(list(m.children()))
m = Net(); m.again = m.own => [n for n, _ in m.named_parameters(recurse=False)]
m = Net(); m.register_buffer("same", m.kept) => [n for n, _ in m.named_buffers()], list(m.state_dict())
m = Net(); m._modules["fc"] = nn.Identity() => list(m.state_dict())
m = Net(); m._parameters["own"] = nn.Parameter(x.detach()) => m.own, list(m._parameters)
m = Net(); m._buffers["kept"] = x.detach(); m._modules.pop("two") => m.kept, list(m.state_dict())
m = Net(); m.register_buffer("later", None); m.later = v.detach() => list(m.state_dict())
m = Net(); m.kept = None => list(m.state_dict()), [n for n, _ in m.named_buffers()]
m = Net(); del m.kept => list(m.state_dict()), m.fc(x)
m = Net(); m(x).sum().backward(); m = copy.deepcopy(m) => [q.grad for q in m.parameters()]
m = Net(); m(x).sum().backward(); m = copy.deepcopy(m) => [q.requires_grad for q in m.parameters()]
# hooks
s = []; m = Net(); m.register_forward_hook(lambda *a: s.append(a[2]), with_kwargs=True); m(x, scale=2) => s
s = []; m = Net(); m.register_forward_pre_hook(lambda *a: s.append(a[2]), with_kwargs=True); m(x, scale=2) => s
m = L(); m.register_forward_pre_hook(lambda q, i: i[0] + 1); m.register_forward_pre_hook(lambda q, i: i[0] * 3) => m(x)
m = L(); h = m.register_forward_pre_hook(lambda q, i: i[0] + 1); m.register_forward_pre_hook(lambda q, i: i[0] * 3); h.remove() => m(x)
m = L(); m.register_forward_pre_hook(lambda q, i: i[0] * 2); c = copy.deepcopy(m); c.bias.data.zero_(); m.weight.data.zero_() => c(x)
# lengths
q = x[:3].detach().clone().requires_grad_(); q.grad = odd.detach(); nn.utils.clip_grad_norm_([q], 1.0) => q.grad
q = x.detach().clone().requires_grad_(); q.grad = p; nn.utils.clip_grads_with_norm_([q], 9.0, torch.tensor(1.0)) => q.grad
q = x.detach().clone().requires_grad_(); q.grad = p; nn.utils.clip_grads_with_norm_([q], 0.5, torch.tensor(1.0)) => q.grad
"""  # noqa: E501

REFUSED = """
F.softshrink(x, -1.0); F.hardtanh(x, 2.0, -2.0); F.glu(x, 1); F.glu(x[:3], 0); nn.ReLU(True)(x)
F.cross_entropy(x, p, ignore_index=0); F.cross_entropy(x, t, p[:, 0]); F.nll_loss(x, t, p[:, 0])
F.huber_loss(x, z, delta=0.0); F.smooth_l1_loss(x, z, beta=-1.0); F.multi_margin_loss(x, t, 3)
F.binary_cross_entropy(p, x * 9); F.mse_loss(x, z, weight=w); F.gaussian_nll_loss(x, z, -p)
F.batch_norm(x, None, None); F.batch_norm(x[:1], None, None, training=True)
F.group_norm(x, 2); nn.GroupNorm(1, 4).double()(x[:, :1])
F.batch_norm(x[:, :1], v.detach(), w); F.rms_norm(x, (3,), w[:1])
nn.InstanceNorm1d(3)(x[:3, :1]); F.embedding(t, x, 7); F.pad(x, (3, 0), mode="reflect")
F.pad(x, (4, 0), mode="circular"); F.pad(x, (1, 0), "reflect", 2.0)
nn.EmbeddingBag(5, 3)(t); nn.EmbeddingBag(5, 3)(t, t[:1] * 0 + 1)
nn.EmbeddingBag(5, 3).double()(t, t[:1] * 0, w[t])
F.scaled_dot_product_attention(b, b[:3], b[:3], enable_gqa=True)
nn.MultiheadAttention(4, 2).double()(b, b, b, k.T > 9); nn.utils.get_total_norm([odd], 2.0, True)
nn.MultiheadAttention(4, 2).double()(b, b, b, attn_mask=k[:1, :1])
nn.utils.rnn.pad_sequence([v, w], padding_side="up"); nn.init.orthogonal_(v)
setattr(L(), "weight", x); setattr(Net(), "kept", 3); setattr(Net(), "fc", "relu")
Net().register_buffer("own", x); Net().register_parameter("fc", None)
Net().register_buffer("a.b", x); Net().register_buffer("forward", x)
"""


def entries(text):
    """The expressions: one a line where it has `=>`, else those between semicolons."""
    for line in text.splitlines():
        if not line.startswith("#"):
            yield from (
                [line] if "=>" in line else filter(None, (e.strip() for e in line.split(";")))
            )


def values(found):
    """All that stands in nested lists, tuples and dictionaries."""
    if isinstance(found, dict):
        found = list(found.items())
    if isinstance(found, (list, tuple)):
        return [value for part in found for value in values(part)]
    return [found]


def inputs(library):
    """The tensors of all expressions, those that get a gradient, and what expressions may call."""
    rng = np.random.default_rng(3)
    arrays = {"x": rng.standard_normal((4, 3)), "v": rng.standard_normal(3), "z": np.zeros((4, 3))}
    arrays["odd"] = np.array([[np.nan, 2.0, -0.3], [1.0, -2.0, 0.2], [0.4, 3.0, -1.0]])
    arrays["b"] = rng.standard_normal((4, 3, 4))
    named = {name: library.from_numpy(a).requires_grad_() for name, a in arrays.items()}
    fixed = {"p": rng.random((4, 3)), "w": rng.random(3), "t": np.array([0, 2, 1, 1])}
    fixed["yes"] = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])
    fixed["k"] = np.array([[0, 0, 0, 1], [9, 9, 9, 9], [0, 0, 9, 9]])
    fixed["sign"] = fixed["yes"] * 2 - 1

    def fill(module):
        rng = np.random.default_rng(5)
        for parameter in module.parameters():
            parameter.data.copy_(library.from_numpy(rng.standard_normal(tuple(parameter.shape))))
        return module

    class Net(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = self.two = fill(library.nn.Linear(3, 3).double())
            self.own = library.nn.Parameter(library.ones(2))
            self.register_buffer("kept", library.zeros(2))

        def forward(self, x, scale=1):
            return self.fc(x * scale)

    known = {"torch": library, "nn": library.nn, "F": library.nn.functional, "copy": copy}
    known |= {"L": lambda: Net().fc, "Net": Net, "fill": fill}
    known |= {name: library.from_numpy(a) for name, a in fixed.items()}
    return {**known, **named}, named


def evaluated(library, entry):
    """What an expression gives, all real results weighed, and the gradients of their sum."""
    known, named = inputs(library)
    before, _, expression = entry.rpartition("=>")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(before.strip(), known)
        found = values(eval(expression.strip(), known))
    real = [r for r in found if getattr(r, "requires_grad", False)]
    rng, total = np.random.default_rng(7), 0
    for result in real:
        total = total + (result * library.from_numpy(rng.standard_normal(result.shape))).sum()
    if real:
        total.backward()
    found += [named[name].grad for name in named if name != "odd"]
    return [np.array(f.detach().numpy()) if hasattr(f, "detach") else f for f in found]


@pytest.mark.parametrize("entry", list(entries(SAME)))
def test_both_libraries_agree(entry):
    ours, theirs = evaluated(tinytorch, entry), evaluated(torch, entry)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        assert type(mine) is type(other)
        if isinstance(mine, np.ndarray):
            assert mine.dtype == other.dtype
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-7)
        else:
            assert mine == other


@pytest.mark.parametrize("entry", list(entries(REFUSED)))
def test_both_libraries_refuse(entry):
    refusals = ValueError, RuntimeError, TypeError, KeyError
    with pytest.raises(refusals, match=r"\w+ \w+"):
        evaluated(tinytorch, entry)
    with pytest.raises((*refusals, AssertionError, NotImplementedError)):
        evaluated(torch, entry)


def bare(library, name):
    """What the module of that name makes of its input, with no settings at all."""
    known, _ = inputs(library)
    kind = getattr(library.nn, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind().double().eval()(known["b"]).detach().numpy()


def without_settings():
    """The names of modules that PyTorch makes, and calls with one tensor, without a setting."""
    asked = {"Softmax", "LogSoftmax", "Softmin"}  # for `dim`, which PyTorch guesses
    for name, kind in vars(torch.nn).items():
        module = isinstance(kind, type) and issubclass(kind, torch.nn.Module)
        if module and name not in asked:
            try:
                bare(torch, name)
            except Exception:  # it asks for settings, or for another input
                continue
            if hasattr(tinytorch.nn, name):
                yield name


@pytest.mark.parametrize("name", list(without_settings()))
def test_modules_without_settings(name):
    np.testing.assert_allclose(bare(tinytorch, name), bare(torch, name), rtol=1e-6, atol=1e-7)


BEGINNINGS = """
Linear(24,25) Linear(24,25,bias=False) Bilinear(24,25,26) Bilinear(24,25,26,bias=False)
Embedding(24,25) Embedding(24,25,3) EmbeddingBag(24,25) PReLU(24) RMSNorm(24) GroupNorm(4,24)
LayerNorm(24) LayerNorm(24,bias=False) BatchNorm1d(24) BatchNorm1d(24,affine=False)
InstanceNorm1d(24,affine=True) MultiheadAttention(24,4) MultiheadAttention(24,4,kdim=8,vdim=9)
TransformerEncoderLayer(24,4,40) TransformerDecoderLayer(24,4,40) Transformer(24,4,1,1,40)
"""


def beginnings(library, entry):
    """name -> what it is at the start, 12 times."""
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = [eval(f"nn.{entry}", {"nn": library.nn}).state_dict() for _ in range(12)]
    return {name: np.stack([one[name].numpy() for one in made]) for name in made[0]}


@pytest.mark.parametrize("entry", BEGINNINGS.split())
def test_modules_begin_alike(entry):
    """The same names and shapes; the same constants, or numbers spread alike."""
    ours, theirs = beginnings(tinytorch, entry), beginnings(torch, entry)
    assert list(ours) == list(theirs)
    for name, other in theirs.items():
        mine = ours[name]
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
        if other.std() == 0:
            assert (mine == other.flat[0]).all()
        else:
            share = 0.25 if mine.size < 1000 else 0.05
            assert abs(mine.mean()) < 4 * other.std() / np.sqrt(mine.size)
            assert mine.std() == pytest.approx(other.std(), rel=share)
            assert np.abs(mine).max() == pytest.approx(np.abs(other).max(), rel=max(share, 0.15))
