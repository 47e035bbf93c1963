# ruff: noqa: B007, F821
"""Polynomials, classifiers and vision transformers: autograd without, then with its helpers."""

import math

import torch
from torch import einsum, nn
from torch.nn import functional as F

losses = []
dtype = torch.float
device = torch.device("cpu")
x = torch.linspace(-math.pi, math.pi, 200, device=device, dtype=dtype)
y = torch.sin(x)

# no autograd at all
a, b, c, d = (torch.randn((), device=device, dtype=dtype) for _ in range(4))
for _ in range(5):
    y_pred = a + b * x + c * x**2 + d * x**3
    loss = (y_pred - y).pow(2).sum().item()
    grad_y_pred = 2.0 * (y_pred - y)
    a -= 1e-6 * grad_y_pred.sum()
    b -= 1e-6 * (grad_y_pred * x).sum()
    c -= 1e-6 * (grad_y_pred * x**2).sum()
    d -= 1e-6 * (grad_y_pred * x**3).sum()
    losses.append(loss)

# autograd, by hand
a, b, c, d = (torch.full((), v, dtype=dtype, requires_grad=True) for v in (0.1, 0.5, -0.2, 0.3))
for _ in range(5):
    y_pred = a + b * x + c * x**2 + d * x**3
    loss = (y_pred - y).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        a -= 1e-6 * a.grad
        b -= 1e-6 * b.grad
        c -= 1e-6 * c.grad
        d -= 1e-6 * d.grad
        a.grad = None
        b.grad = None
        c.grad.zero_()
        d.grad.zero_()
    losses.append(loss.item())

# nn and optim
p = torch.tensor([1, 2, 3])
xx = x.unsqueeze(-1).pow(p)
model = torch.nn.Sequential(torch.nn.Linear(3, 1), torch.nn.Flatten(0, 1))
same_weights(model)
loss_fn = torch.nn.MSELoss(reduction="sum")
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for _ in range(5):
    loss = loss_fn(model(xx), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
linear_layer = model[0]
assert linear_layer.bias.item() == linear_layer.bias.tolist()[0]
model.zero_grad()
loss_fn(model(xx), y).backward()
with torch.no_grad():
    for param in model.parameters():
        param -= 1e-6 * param.grad
losses.append(loss_fn(model(xx), y).item())

# softmax regression from nothing
xb = torch.sin(torch.arange(120.0)).view(12, 10)
yb = torch.arange(12) % 3
weights = torch.ones(10, 3) / math.sqrt(10)
weights = weights * torch.arange(30.0).view(10, 3).cos()
weights.requires_grad_()
bias = torch.zeros(3, requires_grad=True)


def log_soft(x):
    return x - x.exp().sum(-1).log().unsqueeze(-1)


def nll(input, target):
    return -input[range(target.shape[0]), target].mean()


def accuracy(out, yb):
    preds = torch.argmax(out, dim=1)
    return (preds == yb).float().mean()


for _ in range(5):
    out = log_soft(xb @ weights + bias)
    loss = nll(out, yb)
    loss.backward()
    with torch.no_grad():
        weights -= weights.grad * 0.5
        bias -= bias.grad * 0.5
        weights.grad.zero_()
        bias.grad.zero_()
    losses += [loss.item(), accuracy(out, yb).item()]


# what autograd shows
a = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.tensor([6.0, 4.0], requires_grad=True)
Q = 3 * a**3 - b**2
external_grad = torch.tensor([1.0, 1.0])
Q.backward(gradient=external_grad)
assert torch.all(9 * a**2 == a.grad) and torch.all(-2 * b == b.grad)
(ga,) = torch.autograd.grad((a * a).sum(), a)
losses += ga.tolist()
z = torch.matmul(torch.ones(5), torch.ones(5, 3, requires_grad=True)) + torch.ones(3)
assert z.requires_grad and z.grad_fn is not None and not z.detach().requires_grad
losses.append(F.binary_cross_entropy_with_logits(z, torch.zeros(3)).item())


# a vision transformer
class PreNorm(nn.Module):
    def __init__(self, dim, fn):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(dim), fn

    def forward(self, x, **kwargs):
        return self.fn(self.norm(x), **kwargs)


class Attention(nn.Module):
    def __init__(self, dim, heads=2, dim_head=4, dropout=0.0):
        super().__init__()
        inner = dim_head * heads
        self.heads, self.scale = heads, dim_head**-0.5
        self.attend = nn.Softmax(dim=-1)
        self.to_qkv = nn.Linear(dim, inner * 3, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, dim), nn.Dropout(dropout))

    def forward(self, x):
        b, n, _, h = *x.shape, self.heads
        qkv = self.to_qkv(x).chunk(3, dim=-1)
        q, k, v = (t.reshape(b, n, h, -1).permute(0, 2, 1, 3) for t in qkv)
        dots = einsum("b h i d, b h j d -> b h i j", q, k) * self.scale
        out = einsum("b h i j, b h j d -> b h i d", self.attend(dots), v)
        return self.to_out(out.transpose(1, 2).reshape(b, n, -1))


class ViT(nn.Module):
    def __init__(self, patch=2, dim=8, classes=3):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(patch * patch, dim)
        self.pos_embedding = nn.Parameter(torch.randn(1, 10, dim))
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim))
        self.layers = nn.ModuleList([])
        for _ in range(2):
            mlp = nn.Sequential(nn.Linear(dim, 16), nn.GELU(), nn.Linear(16, dim))
            self.layers.append(nn.ModuleList([PreNorm(dim, Attention(dim)), PreNorm(dim, mlp)]))
        self.mlp_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, img):
        p = self.patch
        patches = img.unfold(2, p, p).unfold(3, p, p).flatten(2, 3).squeeze(1).flatten(2)
        x = self.embed(patches)
        cls_tokens = self.cls_token.expand(img.shape[0], -1, -1)
        x = torch.cat((cls_tokens, x), dim=1)
        x += self.pos_embedding[:, : x.shape[1]]
        for attn, ff in self.layers:
            x = attn(x) + x
            x = ff(x) + x
        return self.mlp_head(x.mean(dim=1) + x[:, 0])


vit = ViT()
same_weights(vit)
images = torch.cos(torch.arange(4 * 36.0)).view(4, 1, 6, 6)
optimizer = torch.optim.SGD(vit.parameters(), lr=0.05, momentum=0.9, nesterov=True)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1, weight=torch.tensor([1.0, 2.0, 0.5]))
for _ in range(5):
    optimizer.zero_grad()
    loss = criterion(vit(images), torch.tensor([0, 1, 2, 1]))
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
state = {k: v.clone() for k, v in vit.state_dict().items()}
print(vit)
seen = []
hook = vit.mlp_head.register_forward_hook(lambda module, args, out: seen.append(out.shape))
vit(images)
hook.remove()
vit(images)
assert seen == [(4, 3)] or [tuple(s) for s in seen] == [(4, 3)]
vit.load_state_dict(state)
for name, param in vit.named_parameters():
    if "mlp_head" not in name:
        param.requires_grad = False
trainable = sum(p.numel() for p in vit.parameters() if p.requires_grad)
losses.append(trainable)
