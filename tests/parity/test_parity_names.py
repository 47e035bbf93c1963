"""PyTorch's names one by one: values, shapes, dtypes and gradients of both libraries agree.

Each line below is an expression that both evaluate, with `torch` being one or the other, on the
same numbers in float64; the gradients are those of a weighted sum of all real results.
"""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import tinytorch  # noqa: E402
from tinytorch import names  # noqa: E402

EXPRESSIONS = """
# curves
torch.sin(x); torch.cos(x); torch.tan(u); torch.asin(u); torch.acos(u); torch.atan(x); x.arctan()
torch.sinh(x); torch.cosh(x); torch.asinh(x); torch.acosh(p + 1); torch.atanh(u); torch.exp2(x)
torch.expm1(x); torch.log2(p); torch.log10(p); torch.log1p(p); torch.rsqrt(p); torch.reciprocal(p)
torch.arcsin(u); torch.arccos(u); torch.arctan(x); torch.arcsinh(x); torch.arccosh(p + 1)
torch.arctanh(u); torch.deg2rad(x); torch.rad2deg(x); torch.erf(x); torch.erfc(x); torch.square(x)
x.sin(); x.cos(); u.tan(); u.asin(); u.acos(); x.atan(); x.sinh(); x.cosh(); x.asinh(); x.square()
(p + 1).acosh(); u.atanh(); x.exp2(); x.expm1(); p.log2(); p.log10(); p.log1p(); p.rsqrt()
p.reciprocal(); x.deg2rad(); x.rad2deg(); x.erf(); x.erfc(); n.sin()
torch.exp(x); torch.log(p); torch.sqrt(p); torch.abs(x); torch.absolute(x); x.absolute(); x.exp()
torch.neg(x); torch.negative(x); x.negative(); x.neg(); p.log(); p.sqrt(); x.abs(); -x; abs(x)
torch.floor(x * 3); torch.ceil(x * 3); torch.trunc(x * 3); torch.fix(x * 3); torch.frac(x * 3)
torch.round(x * 3); torch.round(x, decimals=1); torch.sign(x); x.floor(); x.ceil(); x.trunc()
x.frac(); x.round(); x.round(decimals=2); x.sign(); n.floor(); n.sign(); n.round()
torch.sigmoid(x); torch.tanh(x); torch.relu(x); x.sigmoid(); x.tanh(); x.relu()
torch.isnan(w); torch.isinf(w); torch.isfinite(w); w.isnan(); w.isinf(); w.isfinite()
torch.nan_to_num(w); torch.nan_to_num(w, 1.0, 2.0, -2.0); w.nan_to_num(); torch.nansum(w[0])
w[0].nansum(); torch.clamp(x, -0.5, 0.5); x.clamp(min=0); torch.clip(x, max=0.1); x.clip(-1, 1)
# two
torch.add(x, y); x.add(y); torch.sub(x, y); torch.subtract(x, y); x.sub(y); x.subtract(v)
torch.mul(x, y); torch.multiply(x, v); x.mul(y); x.multiply(y); torch.div(x, p); x.div(p)
torch.divide(x, p); x.divide(p); torch.true_divide(x, p); x.true_divide(p); n / 2; n // 2
(x // p).detach()
torch.div(x, p, rounding_mode="floor"); torch.div(x, p, rounding_mode="trunc"); n % 2; x % p
torch.div(n, 2, rounding_mode="floor"); torch.div(-n, 2, rounding_mode="trunc"); 2 ** x; x ** 2
torch.floor_divide(n, 2); n.floor_divide(2); torch.remainder(x, p); x.remainder(p); x.fmod(p)
torch.fmod(x, p); torch.fmod(x, 0.3); torch.pow(x, 2); torch.pow(x, 3.0); p.pow(0.5)
torch.pow(2, x)
torch.atan2(x, p); x.atan2(y); torch.arctan2(x, p); torch.logaddexp(x, y); x.logaddexp(y)
torch.maximum(x, y); torch.minimum(x, y); x.maximum(y); x.minimum(y); torch.lerp(x, y, 0.3)
x.lerp(y, p); torch.addcmul(x, y, p, value=0.5); x.addcmul(y, p); torch.addcdiv(x, y, p, value=2)
x.addcdiv(y, p); x + n; n + 1.5; n + k; k + k; x * 2; n * 2.0; 1 - x; 1 / p; x - v
torch.eq(n, 2); torch.ne(n, 2); torch.lt(x, y); torch.le(x, y); torch.gt(x, y); torch.ge(x, y)
torch.less(x, y); torch.less_equal(x, y); torch.greater(x, y); torch.greater_equal(x, y)
torch.not_equal(n, 1); n.eq(2); n.ne(2); x.lt(y); x.le(y); x.gt(y); x.ge(y); x.less(y)
x.less_equal(y); x.greater(y); x.greater_equal(y); n.not_equal(1); k & ~k; k | k; k ^ k
torch.logical_and(k, n); torch.logical_or(k, n); torch.logical_xor(k, n); torch.logical_not(n)
k.logical_and(n); k.logical_or(n); k.logical_xor(n); n.logical_not()
torch.isclose(x, x + 1e-9); x.isclose(y); torch.isin(n, torch.tensor([1, 2]))
[torch.allclose(x, x + 1e-9), torch.allclose(x, y), x.allclose(x), torch.equal(n, n), x.equal(y)]
# reductions
torch.sum(x); x.sum(0); x.sum((0, 1), True); n.sum(); k.sum(1); x.mean(); x.mean(1, keepdim=True)
torch.mean(b, (0, 2)); torch.prod(x); x.prod(1); x.prod(-1, keepdim=True); n.prod(0)
(x * k.double()).prod(1); torch.std(x); x.std(0); x.std(1, False); x.std(1, keepdim=True)
x.std(0, correction=0); torch.var(x); x.var(0); torch.var(x, 1, keepdim=True); x.var(1, False)
torch.var(x, 0, correction=0); torch.var(x, dim=1, unbiased=False); torch.var_mean(x, 1)
torch.std_mean(x, 0); torch.std_mean(x); torch.std(x, False)
torch.norm(x); x.norm(1); x.norm(2, 1); x.norm(p=3, dim=0, keepdim=True); x.norm(float("inf"), 1)
x.norm(-float("inf"), 1); x.norm(0.5); torch.norm(x, dim=1); torch.norm(x, "fro"); x.norm(0)
torch.max(x); torch.max(x, 1); x.max(0, keepdim=True); torch.max(x, y); torch.min(x); x.min(1)
torch.min(x, y); x.max(-1)[0]; x.min(dim=0).indices; torch.amax(x, 1); torch.amin(x, 0); x.amin()
x.amax((0, 1)); x.amin(1, True); torch.aminmax(x); x.aminmax(dim=1); torch.argmax(x); x.argmax(1)
torch.argmin(x, 0); x.argmin(1, keepdim=True); x.argmax(dim=-1); torch.median(x); x.median(1)
torch.median(x, 0, True); torch.kthvalue(x, 2); x.kthvalue(1, 0); torch.quantile(x, 0.3)
x.quantile(0.5, 1); torch.quantile(x, torch.tensor([0.1, 0.9]).double(), 1); torch.logsumexp(x, 1)
x.logsumexp((0, 1)); x.logsumexp(0, True); torch.cumsum(x, 0); x.cumsum(-1); torch.cumprod(x, 1)
x.cumprod(0); (x * k.double()).cumprod(1); torch.count_nonzero(n); n.count_nonzero(dim=1)
torch.any(k); k.any(1); torch.all(k); k.all(0); k.any(dim=1, keepdim=True); torch.softmax(x, 0)
x.softmax(-1); torch.log_softmax(x, 1); x.log_softmax(0); torch.bincount(i)
i.bincount(minlength=9)
torch.bincount(i, q.detach()); torch.histc(x, 4, -1, 1); x.histc(5); torch.trace(s); s.trace()
# joining
torch.cat([torch.tensor([]), n]); torch.cat([n, torch.tensor([]).long()], 1)
torch.cat([x, torch.tensor([]).double(), y], dim=-1)
# orders and places
torch.sort(x); x.sort(0, descending=True); torch.argsort(x, 0); x.argsort(descending=True)
torch.sort(n, stable=True, dim=1); torch.topk(x, 2); x.topk(2, 0, largest=False); torch.unique(n)
torch.unique(n, return_inverse=True, return_counts=True); n.unique(); torch.unique(n, dim=0)
torch.nonzero(n); n.nonzero(); torch.nonzero(n, as_tuple=True); torch.argwhere(n); n.argwhere()
torch.where(k, x, y); torch.where(k, x, 0.0); torch.where(k); x.where(k, y); x.where(k, 0.5)
torch.masked_select(x, k); x.masked_select(k[0]); x[k]; x.masked_fill(k, 2.0)
k.masked_fill(k, 0); torch.masked_fill(k, k, 1); k.clone().masked_fill_(k, 0.0)
n.masked_fill_(k, 0.0); n.masked_fill_(k, torch.tensor(7.0))
k.masked_fill(k, -1); n.masked_fill(k, -1.5); n.int().masked_fill_(k, 2.9)
n.byte().masked_fill(k, -1)
n.masked_fill(k, 0.0); n.masked_fill(k, -3); torch.masked_fill(n, k, torch.tensor(7.0))
torch.masked_fill(x, k, -1.0); torch.index_select(x, 1, i); x.index_select(0, i % 3); x[i % 3]
torch.take(x, i); x.take(n); torch.take_along_dim(x, n[:, :1], 1); x.take_along_dim(n % 3, 0)
torch.gather(x, 1, n); x.gather(0, n[:2] % 3); x[..., None]; x[None, 1:, ::2]; x[:, [-1]]
x[1, -1]
torch.select(x, 1, 0); x.select(0, -1); torch.narrow(x, 1, 1, 2); x.narrow(0, -2, 1)
torch.unbind(x, 1); x.unbind(); torch.diagonal(x); x.diagonal(1); b.diagonal(-1, 1, 2)
torch.diag(v); v.diag(1); torch.diag(x, -1); x.diag(); torch.diag_embed(x); x.diag_embed()
torch.scatter(x, 1, n[:, :1], y[:, :1]); x.scatter(0, n[:1] % 3, 7.0)
x.scatter(1, n[:, :1], value=3.0)
torch.scatter_add(x, 1, n, y); x.scatter_add(0, n % 3, y)
torch.index_add(x, 1, i % 2, torch.cat([y, y[:, :1]], 1)); x.index_add(0, i[:3] % 2, y, alpha=2)
torch.index_copy(x, 0, torch.tensor([2, 0]), y[:2]); x.index_copy(1, torch.tensor([1]), y[:, :1])
torch.index_fill(x, 1, torch.tensor([0, 2]), 5.0); x.index_fill(0, torch.tensor([1]), -1.0)
torch.searchsorted(v.sort().values, x); torch.bucketize(x, v.sort().values)
torch.searchsorted(v.sort().values, x, right=True)
torch.searchsorted(v.sort().values, v, side="right")
# shapes
torch.reshape(x, (2, 6)); x.reshape(-1); x.view(4, 3); torch.flatten(b, 1); b.flatten(); x.ravel()
torch.ravel(x); torch.transpose(x, 0, 1); x.T; b.mT; x.t(); torch.t(v)
torch.permute(b, (2, 0, 1))
b.permute(1, 2, 0); torch.squeeze(x[:1]); x[:1].squeeze(0); torch.unsqueeze(x, 1); x.unsqueeze(-1)
torch.movedim(b, 0, 2); b.movedim((0, 1), (1, 2)); torch.moveaxis(b, 0, -1); b.moveaxis(2, 0)
torch.swapaxes(b, 0, 1); b.swapaxes(1, 2); torch.swapdims(b, 0, 2); b.swapdims(0, 1)
torch.unflatten(x, 1, (2, 2)); x.unflatten(1, (-1, 2)); b.unflatten(-1, (2, 2)); x.unfold(1, 2, 1)
b.unfold(2, 3, 1); x.expand(2, 3, 4); v.expand(3, -1); v.expand_as(x)
torch.broadcast_to(v, (3, 4))
v.broadcast_to((3, 4)); torch.broadcast_tensors(v, x[:, :1]); x.view_as(x.reshape(4, 3))
x.reshape_as(x.T); torch.flip(x, (0,)); x.flip(0, 1); x.flip((1,)); torch.roll(x, 1); x.roll(2, 1)
torch.roll(x, (1, -1), (0, 1)); x.repeat(2, 1); v.repeat(2, 2); torch.tile(x, (2,)); v.tile(3)
torch.repeat_interleave(x, 2, 1); x.repeat_interleave(2); torch.repeat_interleave(x, i[:3], dim=0)
torch.cat([x, y], 1); torch.concat((x, y)); torch.concatenate([x, y], dim=-1)
torch.stack([x, y], 1)
torch.hstack([x, y]); torch.hstack([v, v]); torch.vstack([x, v]); torch.row_stack((x, y))
torch.adjoint(x); b.adjoint(); (s @ s.T).logdet(); s.slogdet()[1]; (s @ s.T).cholesky()
c.pinverse(); s.matrix_power(3); s.matrix_exp(); c.qr()[1].abs(); c.svd()[1]
torch.split(x, 2, 1); x.split([1, 2]); torch.chunk(x, 2, 1); x.chunk(3)
torch.tensor_split(x, 3, 1)
x.tensor_split((1, 2), 1); torch.meshgrid(v, q, indexing="ij")
torch.meshgrid(v, q, indexing="xy")
torch.cartesian_prod(v, q); torch.tril(x); x.tril(-1); torch.triu(x, 1); x.triu(); x.contiguous()
torch.tril_indices(3, 4); torch.triu_indices(3, 4, 1); x.clone(); x.detach()
# products
torch.matmul(x, m); x @ m; x.matmul(v); torch.mm(x, m); x.mm(m); torch.mv(x, v); x.mv(v)
torch.dot(v, v); v.dot(v); torch.outer(v, q); v.outer(q); torch.bmm(b, b.mT); b.bmm(b.mT)
torch.addmm(r, x, m); r.addmm(x, m, beta=0.5, alpha=2); torch.baddbmm(b @ b.mT, b, b.mT, beta=2)
(b @ b.mT).baddbmm(b, b.mT, alpha=0.5); torch.einsum("ij,jk->ik", x, m); torch.einsum("ij->ji", x)
torch.einsum("bij,bkj", b, b); torch.einsum("i,j", v, q); torch.einsum("...ij,jk->...ik", b, m)
torch.einsum("ij->", x); torch.einsum("ij->i", x); torch.einsum("b i d, b j d -> b i j", b, b)
torch.einsum("ij,ij->i", x, y); torch.einsum("...,...->...", x, y); torch.tensordot(x, m, 1)
torch.tensordot(b, x, ([1, 2], [0, 1])); torch.kron(x, m); x.kron(m); torch.cdist(x, y)
torch.kron(v, v); v.kron(x); torch.kron(b, x); torch.kron(v.sum(), x); v.sum().topk(1)
v.sum().topk(1, 0, largest=False)
torch.cosine_similarity(x, y); torch.cosine_similarity(x, y, dim=0); torch.inverse(s); s.inverse()
torch.det(s); s.det(); torch.linalg.solve(s, s @ s); torch.linalg.inv(s)
torch.linalg.norm(x, dim=1)
torch.linalg.vector_norm(x, 1); torch.linalg.matrix_norm(x); torch.linalg.det(s)
torch.linalg.matmul(x, m); torch.linalg.svd(s.detach())[1]
torch.linalg.eigh((s + s.T).detach())[0]
# more
torch.clamp_min(x, 0.1); x.clamp_max(0.1); x.clamp_min(0); torch.clamp_max(x, -0.1); p.hypot(y)
torch.hypot(x, p); torch.inner(x, y); v.inner(v); torch.vdot(v, v); v.vdot(v); torch.xlogy(k, p)
p.xlogy(p); torch.nanmean(w[0]); w[:1, :2].nanmean(1); torch.atleast_1d(x.sum())
torch.atleast_2d(v)
torch.column_stack([v, v]); torch.column_stack([x, x]); torch.dstack([x, y]); torch.dstack([v, v])
torch.diff(x); x.diff(2, 0); torch.fliplr(x); torch.flipud(x); x.fliplr(); x.flipud(); x.msort()
torch.msort(x); torch.unique_consecutive(n, return_counts=True); n.unique_consecutive()
torch.index_put(x, (i % 3, i % 2), q); x.index_put((i[:2] % 3,), v, accumulate=True)
x.index_put((i % 3,), v, accumulate=True); torch.masked_scatter(x, k, y); x.masked_scatter(k, y)
torch.promote_types(torch.int64, torch.float32); torch.result_type(n, 1.0); torch.clone(x)
[torch.can_cast(torch.float32, torch.int64), torch.broadcast_shapes((2, 1), (3,))]
x[1:].storage_offset()
# making
torch.zeros(2, 3); torch.ones((2, 3)); torch.zeros(size=(2,)); torch.full((2, 2), 3); torch.eye(3)
torch.full((2,), 0.5); torch.full((2,), True); torch.eye(2, 3); torch.arange(5)
torch.arange(1, 4)
torch.arange(0, 1, 0.25); torch.arange(3.0); torch.arange(5, 0, -2); torch.linspace(0, 1, 5)
torch.linspace(3, -3, 4); torch.logspace(0, 2, 3); torch.zeros_like(x); torch.ones_like(n)
torch.full_like(x, 2); torch.zeros_like(n, dtype=torch.float32); torch.empty(2, 3).shape
torch.empty_like(x).shape; torch.tensor([1, 2]); torch.tensor([1.5]); torch.tensor(True)
torch.tensor([[1, 2]], dtype=torch.float64); torch.as_tensor([1, 2]); torch.scalar_tensor(2)
torch.asarray([1.0]); x.new_zeros(2, 3); x.new_ones((2,)); x.new_full((2,), 7)
x.new_tensor([1, 2])
x.new_empty(3).shape; torch.FloatTensor([1, 2]); torch.LongTensor([1, 2])
torch.DoubleTensor([1.5])
torch.IntTensor([3]); torch.BoolTensor([True]); torch.ByteTensor([7])
torch.from_numpy(array); torch.as_tensor(array, dtype=torch.float32)
torch.from_dlpack(array); torch.as_tensor(array)
torch.rand(2, 3).shape; torch.randn((2, 3)).shape; torch.randint(3, (4,)).dtype
torch.randperm(4).shape
torch.rand_like(x).dtype; torch.randn_like(x).shape; torch.randint_like(n, 3).dtype
torch.randint(0, 5, (2, 2)).shape; torch.normal(0.0, 1.0, (2, 3)).shape; torch.normal(x, p).shape
torch.bernoulli(torch.ones(3)); torch.bernoulli(torch.zeros(2, 2)); p.new_ones(3).bernoulli()
torch.multinomial(torch.tensor([0.0, 1.0]), 3, True); torch.tensor([0.0, 2.0]).multinomial(1)
# dtypes and facts
x.float(); x.half(); x.double(); n.int(); n.short(); n.char(); n.byte(); x.long(); n.bool()
x.to(torch.float32); x.type(torch.float); x.type(torch.long); x.type(); n.type(); x.type_as(n)
x.to("cpu"); x.to(torch.device("cpu"), torch.float32); x.to(x.float()); x.cpu()
[x.dim(), x.ndimension(), x.numel(), x.nelement(), x.element_size(), x.itemsize, x.nbytes]
[x.is_floating_point(), n.is_floating_point(), torch.is_floating_point(x), torch.is_tensor(x)]
[x.stride(), x.T.stride(), x.stride(0), x.is_contiguous(), x.T.is_contiguous(), torch.numel(x)]
[x.size(0), x.size(-1), x.size(), x.shape, len(x), x.is_cuda, x.get_device(), x.requires_grad]
[torch.is_tensor(3), torch.pi, torch.e, torch.inf, torch.finfo(torch.float32).max, x.is_leaf]
[torch.iinfo(torch.int64).max, str(torch.device("cuda", 1)), torch.device("cpu").type]
[torch.cuda.is_available(), torch.backends.mps.is_available(), x.device.type, str(x.device)]
[torch.cuda.device_count(), torch.distributed.is_initialized(), torch.is_grad_enabled()]
[x.detach().sum().item(), x.tolist(), n.tolist(), torch.get_float32_matmul_precision()]
x.data_ptr() > 0; isinstance(torch.float32, torch.dtype); isinstance(x.shape, tuple)
# in place, under no_grad
c.zero_(); c.fill_(2.0); c.add_(y); c.add_(y, alpha=2); c.sub_(1); c.mul_(y); c.div_(p); c.neg_()
c.clamp_(-0.5, 0.5); c.clip_(0, 1); c.abs_(); c.exp_(); c.sin_(); c.cos_(); c.tanh_()
c.sigmoid_()
c.relu_(); c.square_(); c.round_(); c.floor_(); c.ceil_(); c.trunc_(); c.frac_(); c.sign_()
c.pow_(2); c.sinh_(); c.cosh_(); c.tan_(); c.atan_(); c.exp2_(); c.expm1_(); c.erf_()
c.reciprocal_()
pc.log_(); pc.sqrt_(); pc.rsqrt_(); pc.log2_(); pc.log10_(); pc.log1p_(); uc.asin_(); uc.acos_()
c.addcmul_(y, p); c.addcdiv_(y, p, value=2); c.lerp_(y, 0.5); c.fmod_(p); c.remainder_(p)
c.floor_divide_(p); c.masked_fill_(k, 9.0); c.masked_scatter_(k, y); c.index_fill_(0, i[:1], 1.0)
c.copy_(y); c.copy_(v); c.scatter_(1, n[:, :1], y); c.scatter_add_(1, n, y); c.fill_diagonal_(4.0)
c.index_add_(0, i[:3] % 2, y); c.index_copy_(0, torch.tensor([2, 0]), y[:2]); c.tril_()
c.triu_(1)
c.cumsum_(0); c.clamp_min_(0.0); c.clamp_max_(0.0); c.index_put_((i % 3, i % 2), q)
c.nan_to_num_(); c.detach_(); c.bernoulli_(1.0); c.normal_().shape
c.uniform_().shape
c.random_(1, 2); c.exponential_().shape
# in place and recorded
(x * 1).masked_fill_(k, 2.0); (x @ m).mul_(r); (x / 2).sub_(y, alpha=3); (x * 1).div_(p); c.add_(y)
(x * 1).clamp_(-0.3, 0.3); (x * 1).pow_(2); F.linear(x, m.T).relu_(); (x * 1).masked_scatter_(k, y)
(x * 1).add_(y).mul_(2).exp_(); (x * 1).scatter_(1, n[:, :1], y[:, :1]); (x * 1).cumsum_(0)
(x * 1).index_add_(0, i[:3] % 2, y); (x * 1).lerp_(y, 0.3); c.addcmul_(y, p); (x * 1).sigmoid_()
(x @ m).masked_fill_(r > 0, float("-inf")).softmax(-1); (x * 1).index_put_((i % 3, i % 2), q)
(x * 1)[0].mul_(v); (x * 1).sin_().cos_(); b.transpose(1, 2).matmul(b).tril_(); (x * 1).fmod_(p)
# functional
F.relu(x); F.gelu(x); F.gelu(x, approximate="tanh"); F.silu(x); F.sigmoid(x); F.tanh(x)
F.leaky_relu(x); F.leaky_relu(x, 0.2); F.elu(x); F.elu(x, 0.5); F.selu(x); F.softplus(x * 30)
F.softplus(x, beta=2); F.logsigmoid(x * 20); F.softsign(x); F.mish(x); F.hardtanh(x)
F.relu6(x * 9)
F.hardtanh(x, -0.2, 0.3); F.hardsigmoid(x.float() * 5); F.hardswish(x.float() * 5); F.glu(x)
F.glu(x, 1)
F.softmax(x, dim=0); F.softmax(x, -1, dtype=torch.float32); F.log_softmax(x, dim=-1)
F.normalize(x); F.normalize(x, 1, 0); F.layer_norm(b, (3, 4)); F.layer_norm(x, (4,), v, q[:4])
F.rms_norm(x, (4,), v); F.batch_norm(x, None, None, training=True); F.linear(x, m.T)
F.linear(x, m.T, q)
F.one_hot(n); F.one_hot(i, 7); F.pad(x, (1, 2)); F.pad(x, (1, 0, 0, 2), value=3.0)
F.pad(x, (-1, 1))
F.embedding(n, s4); F.dropout(x, 0.0); F.dropout(x, 0.5, training=False); F.dropout(x, 1.0)
F.cross_entropy(x, n[:, 0]); F.cross_entropy(b, n[:2] % 3)
F.cross_entropy(x, x.softmax(1).detach())
F.cross_entropy(x, n[:, 0], weight=p[0].detach(), label_smoothing=0.1)
F.cross_entropy(x, i[:3], weight=p[0].detach(), ignore_index=3)
F.nll_loss(x, i[:3], weight=p[0].detach(), ignore_index=3)
F.cross_entropy(x, n[:, 0], reduction="none", ignore_index=2); F.cross_entropy(v, n[0, 0])
F.cross_entropy(x, n[:, 0], label_smoothing=0.2, reduction="sum")
F.nll_loss(F.log_softmax(x, 1), n[:, 0])
F.nll_loss(x, n[:, 0], weight=p[0].detach(), reduction="sum")
F.nll_loss(x, n[:, 0], ignore_index=1); F.mse_loss(x, y); F.mse_loss(x, y, reduction="none")
F.mse_loss(x, y, reduction="sum"); F.l1_loss(x, y); F.huber_loss(x, y, delta=0.5)
F.smooth_l1_loss(x, y, beta=0.3); F.smooth_l1_loss(x, y)
F.kl_div(x, y.softmax(1), reduction="sum")
F.kl_div(x, y.softmax(1), reduction="batchmean"); F.kl_div(x, y, reduction="sum", log_target=True)
F.binary_cross_entropy(x.sigmoid(), y.sigmoid()); F.binary_cross_entropy(k.double(), k.double())
F.binary_cross_entropy_with_logits(x, k.double()); F.cosine_similarity(x, y, dim=-1)
F.binary_cross_entropy_with_logits(x, k.double(), weight=p.detach(), pos_weight=p[0].detach())
F.cosine_embedding_loss(x, y, torch.tensor([1, -1, 1]), margin=0.1)
F.scaled_dot_product_attention(b, b, b); F.scaled_dot_product_attention(b, b, b, is_causal=True)
F.scaled_dot_product_attention(b, b, b, attn_mask=s)
F.scaled_dot_product_attention(b, b, b, s > -9)
F.scaled_dot_product_attention(b[None], b[None, :1], b[None, :1], enable_gqa=True)
# modules
nn.ReLU(inplace=True)(x * 1); nn.LeakyReLU(0.2)(x); nn.ELU()(x); nn.SELU()(x); nn.Softplus()(x)
nn.LogSigmoid()(x); nn.Softsign()(x); nn.Mish()(x); nn.Hardtanh(-0.5, 0.5)(x); nn.ReLU6()(x)
nn.Hardsigmoid()(x.float()); nn.Hardswish()(x); nn.GLU()(x); nn.SiLU()(x); nn.GELU()(x)
nn.Tanh()(x)
nn.GELU(approximate="tanh")(x); nn.Sigmoid()(x); nn.Softmax(dim=1)(x); nn.LogSoftmax(dim=0)(x)
nn.Identity(3)(x); nn.Flatten()(b); nn.Unflatten(1, (2, 2))(x); nn.Dropout(0.5).eval()(x)
nn.LayerNorm((3, 4)).double()(b); nn.LayerNorm(4, elementwise_affine=False)(x)
nn.LayerNorm([4]).double()(x)
nn.LayerNorm(4, bias=False).double()(x); nn.RMSNorm(4).double()(x); nn.BatchNorm1d(4).double()(x)
nn.BatchNorm1d(3, affine=False, track_running_stats=False)(b)
nn.BatchNorm1d(4).double().eval()(x)
nn.CrossEntropyLoss()(x, n[:, 0]); nn.CrossEntropyLoss(p[0].detach(), ignore_index=1)(x, n[:, 0])
nn.MSELoss()(x, y); nn.MSELoss(reduction="sum")(x, y); nn.L1Loss()(x, y); nn.NLLLoss()(x, n[:, 0])
nn.BCELoss()(x.sigmoid(), k.double()); nn.BCEWithLogitsLoss()(x, k.double()); nn.HuberLoss()(x, y)
nn.SmoothL1Loss()(x, y); nn.KLDivLoss(reduction="sum")(x, y.softmax(1))
nn.CosineSimilarity()(x, y)
nn.CosineEmbeddingLoss()(x, y, torch.tensor([1, -1, 1]))
nn.Sequential(nn.Tanh(), nn.Flatten(0))(x); nn.ModuleList([nn.Tanh()])[0](x)
nn.ModuleDict({"a": nn.Tanh()})["a"](x); nn.Embedding.from_pretrained(s4)(n)
nn.Linear(4, 5, dtype=torch.float64)(x).shape; nn.Embedding(5, 2)(n).shape
[t.shape for t in nn.ParameterList([nn.Parameter(v), nn.Parameter(x)])]
sorted(nn.ParameterDict({"a": nn.Parameter(v)}).keys()); isinstance(nn.Parameter(v), torch.Tensor)
nn.utils.parameters_to_vector([v, x]); nn.Parameter(x[:2])
# bits and more
torch.bitwise_and(n, i[:4]); torch.bitwise_or(n, i[:4]); torch.bitwise_xor(n, i[:4])
torch.bitwise_not(n); torch.bitwise_left_shift(n, 2); torch.bitwise_right_shift(n, 1)
n.bitwise_and(n); n.bitwise_or(n); n.bitwise_xor(n); n.bitwise_not(); n.__lshift__(2)
n.__rshift__(1)
n << 1; n >> 1; torch.sgn(c); c.sgn(); c.sgn_(); torch.signbit(x); x.signbit(); torch.positive(x)
torch.copysign(n, y.detach()); torch.copysign(n, n - 1); torch.copysign(x.float(), y.detach())
torch.copysign(x.half(), y.detach().float()); torch.copysign(x.half(), n - 1)
k ** 2; k.pow(3); 2 ** k; k ** 0.5; k.square(); torch.square(k); torch.pow(k, torch.tensor(2))
x.positive(); torch.copysign(x, y.detach()); c.copysign(torch.tensor(-1.0)); torch.sinc(x)
x.sinc()
torch.heaviside(c, torch.tensor(0.5, dtype=torch.float64)); torch.float_power(p, 2)
p.float_power(2)
torch.lgamma(p); p.lgamma(); torch.digamma(p); p.digamma(); torch.erfinv(u); u.erfinv()
torch.logit(u.abs() * 0.5 + 0.2); (u.abs() * 0.5 + 0.2).logit(); torch.nextafter(c, c + 1)
torch.cummax(x, 1); torch.cummin(x, 0); x.cummax(0); x.cummin(1); torch.logcumsumexp(x, 1)
x.logcumsumexp(0); torch.mode(n, 1).values; n.mode(1).values; torch.dist(x, y); x.dist(y, 1)
torch.histogram(c, 4, range=(-2.0, 2.0)); torch.trapezoid(x); torch.trapz(x, dx=0.5)
torch.renorm(c, 2, 0, 1.0); c.renorm(2, 1, 0.5); torch.cov(x); x.cov(); torch.corrcoef(x)
torch.cross(s, s.T.contiguous(), 1); s.cross(s4.T.contiguous()[:, :3], 0)
torch.addmv(x[:, 0], x, v); x[:, 0].addmv(x, v); torch.addr(r, x[:, 0], q)
r.addr(x[:, 0], q, alpha=2)
torch.block_diag(x, m, v); torch.combinations(q, 2); torch.hsplit(x, 2); torch.vsplit(x, 3)
torch.rot90(x); torch.rot90(x, 3); x.rot90(2); torch.ger(v, q); v.ger(q)
torch.scatter_reduce(x, 1, n, y, "sum"); c.scatter_reduce(1, n, c * 2, "amax")
c.scatter_reduce(1, n, c, "mean", include_self=False); c.scatter_reduce_(1, n, c * 2, "prod")
torch.linalg.cholesky(s @ s.T); torch.cholesky(s.detach() @ s.detach().T); torch.svd(c)[1]
torch.linalg.svdvals(c); torch.linalg.eigvalsh((s + s.T).detach()); torch.linalg.pinv(c)
torch.pinverse(c)
torch.matrix_power(s, 3); torch.linalg.matrix_power(s, -1); torch.matrix_exp(s * 0.3)
torch.slogdet(s)[1]; torch.logdet(s @ s.T); torch.linalg.multi_dot([x, m, q]); torch.qr(c)[1].abs()
torch.linalg.lstsq(c, c[:, :1] * 1)[0]; torch.linalg.matrix_rank(c)
torch.chain_matmul(x, m)
torch.rsub(x, 2.0); torch.add(x, y, alpha=2); torch.sub(x, y, alpha=0.5); x.add(y, alpha=3)
torch.sum(n, dtype=torch.float64); n.sum(0, dtype=torch.float64); n.mean(dtype=torch.float64)
n.prod(1, dtype=torch.float64); n.cumsum(0, dtype=torch.float64)
torch.softmax(n, 1, dtype=torch.float64); n.log_softmax(0, dtype=torch.float64)
x.var(1, correction=0); x.var(correction=2); x.std(0, correction=0); torch.var(x, 1, correction=0)
x.size().numel(); torch.Size((2, 3)).numel(); c.topk(2, sorted=True); x.flip(dims=(0, 1))
torch.matmul(c, m.detach(), out=torch.zeros(3, 5, dtype=torch.float64))
torch.maximum(c, pc, out=torch.zeros_like(c)); torch.minimum(x, y)
torch.HalfTensor([1.0]); torch.ShortTensor([1]); torch.CharTensor([2])
torch.Tensor([[0, 1], [2, 3]])
torch.Tensor(2, 3).shape; torch.poisson(torch.zeros(3)).shape; [isinstance(c, torch.DoubleTensor)]
c.type(torch.LongTensor); c.new(2, 3).shape; [c.is_sparse, c.is_quantized, c.is_meta]
[torch.preserve_format is not None, torch.contiguous_format is not None]
[torch.channels_last is not None, torch.strided is not None, c.layout is not None]
c.geometric_(0.5).shape; c.log_normal_().shape; c.cauchy_().shape
torch.set_default_tensor_type(torch.FloatTensor); str(torch.get_default_device())
# more of nn
F.celu(x); F.prelu(x, v[:1]); F.softmin(x, 1); F.threshold(x, 0.1, 2.0); F.hardshrink(x)
F.softshrink(x); F.tanhshrink(x); F.relu_(c); F.group_norm(b, 3); F.pairwise_distance(x, y)
F.gumbel_softmax(x.detach()).sum(1); F.hinge_embedding_loss(x, n.clamp(0, 1) * 2 - 1)
F.margin_ranking_loss(x, y, n.clamp(0, 1) * 2 - 1); F.soft_margin_loss(x, n.clamp(0, 1) * 2 - 1)
F.multilabel_soft_margin_loss(x, k.double()); F.multi_margin_loss(x, n[:, 0])
F.triplet_margin_loss(x, y, p, swap=True); F.poisson_nll_loss(x, p.detach(), full=True)
F.gaussian_nll_loss(x, y, p); F.pad(x, (1, 2), value=3)
F.pad(b, (1, 2), mode="reflect"); F.pad(b, (2, 1), "replicate"); F.pad(b, (2, 3), mode="circular")
torch.celu(x); torch.prelu(x, v[:1]); torch.relu_(c); torch.selu(x); torch.threshold(x, 0.1, 2.0)
torch.group_norm(b, 3); torch.rms_norm(x, (4,)); torch.pairwise_distance(x, y)
torch.constant_pad_nd(x, (1, 2), 3.0); [torch.batch_norm is not None]
nn.CELU()(x); nn.PReLU().double()(x); nn.Softmin(1)(x); nn.Softshrink()(x); nn.Hardshrink(0.1)(x)
nn.Tanhshrink()(x); nn.Threshold(0.1, 2.0)(x); nn.Bilinear(4, 4, 2).double()(x, y).shape
nn.GroupNorm(3, 3).double()(b); nn.InstanceNorm1d(3)(b); nn.EmbeddingBag(5, 2)(n).shape
nn.HingeEmbeddingLoss()(x, n.clamp(0, 1) * 2 - 1); nn.SoftMarginLoss()(x, n.clamp(0, 1) * 2 - 1)
nn.MarginRankingLoss(0.1)(x, y, n.clamp(0, 1) * 2 - 1); nn.MultiMarginLoss(2)(x, n[:, 0])
nn.MultiLabelSoftMarginLoss()(x, k.double()); nn.TripletMarginLoss(p=1)(x, y, p)
nn.PoissonNLLLoss()(x, p.detach()); nn.GaussianNLLLoss()(x, y, p); nn.PairwiseDistance()(x, y)
nn.utils.rnn.pad_sequence([v, q], True, -1.0); nn.utils.get_total_norm([c, pc], 1.0)
# graphs
[len(x.sin().grad_fn.next_functions), x.grad_fn]
torch.autograd.functional.jacobian(lambda t: t * t.sum(), c[0])
"""

BAD = """
x.view(5); x.reshape(5, -1); x.sum(2); x.mean(-3); x @ y; torch.mm(b, b); torch.bmm(x, y)
torch.cat([x, m]); torch.stack([x, m]); torch.cat([]); x.squeeze(5); x.unsqueeze(4)
x.expand(2, 5)
n.masked_fill(k, float("-inf")); n.masked_fill_(k, float("nan")); n.byte().masked_fill(k, 300)
x.gather(1, i); x.topk(9); x.kthvalue(9); torch.einsum("ij,jk->ik", x); x.masked_fill(m > 0, 1.0)
torch.einsum("ijk->i", x); x + m; x.t().view(-1); b.t(); x.narrow(1, 3, 4); v.trace(); x[7]
x.repeat(2); x.scatter(1, n, y[:1]); x.tril().backward(); x.softmax(3); torch.diag(b)
x.norm("nuc2")
torch.div(x, p, rounding_mode="up"); F.cross_entropy(x, n); F.one_hot(-n - 1); F.one_hot(i, 2)
F.binary_cross_entropy(x * 9, k.double()); F.layer_norm(x, (3,)); F.pad(x, (1,)); F.nll_loss(x, n)
F.gelu(x, approximate="fast"); torch.quantile(x, 2.0); torch.multinomial(-p, 1); n.mean(dim=7)
torch.device("toaster"); x.to("toaster"); x.to("cuda")
torch.bincount(-i); torch.inverse(torch.zeros(2, 2)); torch.normal(0.0, 1.0)
nn.LayerNorm(5)(x); nn.BatchNorm1d(7)(x); nn.Linear(3, 2)(x); nn.Dropout(2.0)
nn.Embedding(2, 2)(n)
nn.BatchNorm1d(4)(x[:1]); nn.CrossEntropyLoss(reduction="most")(x, n[:, 0]); x.split([1, 1])
x.chunk(0)
x.add_(1); x.zero_(); x[0] = 1; x.exp_(); x.fill_(2); c.add_(m); n.add_(0.5); x.copy_(y)
c.copy_(m)
torch.nothing_like_this; nn.nothing; F.nothing; x.nothing; torch.full((2, -1), 0)
torch.arange(0, 1, 0)
x.numpy(); torch.from_numpy([1]); x.item(); bool(x); int(x); torch.randint(0, (2,))
x.detach().backward()
"""


def numbers():
    rng = np.random.default_rng(7)

    def real(*shape):
        return rng.standard_normal(shape)

    found = {"x": real(3, 4), "y": real(3, 4), "v": real(4), "q": real(5), "m": real(4, 5)}
    found |= {
        "b": real(2, 3, 4),
        "r": real(3, 5),
        "s": real(3, 3) + 2 * np.eye(3),
        "s4": real(4, 3),
    }
    found |= {"p": rng.random((3, 4)) + 0.5, "u": rng.random((3, 4)) * 1.6 - 0.8}
    return found, rng


def space(library):
    """What the expressions may use: leaves, constants, and copies that may be written."""
    real, rng = numbers()
    made = {name: library.from_numpy(a.copy()).requires_grad_() for name, a in real.items()}
    for copy, name in (("c", "x"), ("pc", "p"), ("uc", "u")):
        made[copy] = library.from_numpy(real[name].copy())
    made["n"] = library.from_numpy(rng.integers(0, 4, (3, 4)))
    made["i"] = library.from_numpy(np.array([0, 3, 1, 1, 2]))
    made["k"] = library.from_numpy(rng.random((3, 4)) > 0.5)
    made["w"] = library.from_numpy(np.array([[1.0, np.nan], [np.inf, -np.inf]]))
    made["array"] = np.arange(3.0)
    nn = library.nn
    return made | {"torch": library, "nn": nn, "F": nn.functional}


def flat(result, library):
    """All tensors and plain values of a result, in order."""
    if isinstance(result, library.Tensor):
        return [result]
    if isinstance(result, (list, tuple)):
        return [part for value in result for part in flat(value, library)]
    return [str(result).rpartition(".")[2] if "dtype" in type(result).__name__.lower() else result]


def evaluated(expression, library):
    """The results of an expression: arrays with their dtypes, plain values, and gradients."""
    made = space(library)
    with library.set_grad_enabled(expression not in WRITES):
        results = flat(eval(expression, made), library)
    weights = np.random.default_rng(1)
    total, told = None, []
    for part in results:
        if not isinstance(part, library.Tensor):
            told.append(part)
            continue
        told.append((str(part.dtype).removeprefix("torch."), part.detach().numpy().copy()))
        if part.requires_grad:
            weight = np.asarray(weights.standard_normal(tuple(part.shape)))
            weight = library.from_numpy(weight.astype(part.detach().numpy().dtype))
            total = (part * weight).sum() + (0 if total is None else total)
    if total is not None:
        total.backward()
    leaves = {n: made[n].grad for n in numbers()[0]}
    return told, {n: None if g is None else g.numpy() for n, g in leaves.items()}


def listed(text):
    lines = [line for line in text.strip().splitlines() if not line.startswith("#")]
    return [part.strip() for line in lines for part in line.split(";")]


LISTED = listed(EXPRESSIONS)
WRITES = listed(EXPRESSIONS.partition("# in place")[2].partition("# functional")[0])


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("expression", LISTED)
def test_both_agree(expression):
    ours, our_gradients = evaluated(expression, tinytorch)
    theirs, their_gradients = evaluated(expression, torch)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        if not isinstance(other, tuple) or not isinstance(other[0], str):
            assert mine == other or mine == pytest.approx(other)
            continue
        assert mine[0] == other[0], "dtype"
        assert mine[1].shape == other[1].shape
        single = other[0] in ("float32", "float16")
        close = {"rtol": 1e-5, "atol": 1e-5} if single else {"rtol": 1e-9, "atol": 1e-9}
        np.testing.assert_allclose(mine[1], other[1], **close)
    single = any(isinstance(t, tuple) and t[0] in ("float32", "float16") for t in theirs)
    for name, grad in their_gradients.items():
        mine = our_gradients[name]
        assert (mine is None) == (grad is None), name
        if grad is not None:
            tolerance = 1e-3 if single else 1e-9
            np.testing.assert_allclose(mine, grad, rtol=tolerance, atol=tolerance, err_msg=name)


def refused(statement, library):
    made = space(library)
    try:
        exec(statement, made)
    except Exception as error:
        return error
    return None


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("statement", listed(BAD))
def test_what_pytorch_refuses_is_refused_in_one_sentence(statement):
    if statement not in ("x.to('cuda')", 'x.to("cuda")'):
        assert refused(statement, torch) is not None, "PyTorch takes this"
    error = refused(statement, tinytorch)
    assert error is not None, "taken in silence"
    text = str(error)
    assert "\n" not in text and 10 < len(text) < 300, text
    assert not isinstance(error, (NameError, AssertionError, ZeroDivisionError, KeyError)), repr(
        error
    )


def test_every_name_has_its_line():
    """No name is offered that no expression tries."""
    text = EXPRESSIONS + BAD
    programs = "".join(p.read_text(encoding="utf-8") for p in coverage_programs())
    lost = []
    for name in {**names.homes(names.PUBLIC), **names.homes(names.METHODS)}:
        if not re.search(rf"[. ]{re.escape(name)}\b", text + programs):
            lost.append(name)
    for name in [*tinytorch.nn.__all__, *tinytorch.nn.functional.__all__]:
        if not re.search(rf"(nn|F)\.{name}\b", text + programs):
            lost.append(name)
    assert set(lost) <= set(ELSEWHERE.split())


def coverage_programs():
    from pathlib import Path

    return sorted(Path(__file__).with_name("programs").glob("*.py"))


ELSEWHERE = """
    MultiheadAttention Transformer TransformerEncoder TransformerEncoderLayer
    MultiHeadAttention get_rng_state initial_seed seed set_rng_state Size bfloat16
    from_torch get_default_dtype int16 int8 nan set_default_dtype set_printoptions
    to_torch autocast set_default_device compile jit set_float32_matmul_precision
    use_deterministic_algorithms version xpu __dlpack__ __dlpack_device__ share_memory_
    register_hook TransformerDecoder TransformerDecoderLayer constant_pad_nd
    as_strided squeeze_ t_ transpose_ unsqueeze_ pin_memory __pos__ __rlshift__
    __rrshift__
"""
