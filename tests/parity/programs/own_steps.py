"""Steps of one's own: a Function, hooks, an optimizer, a schedule, writes into recorded tensors."""

import torch
from torch import nn
from torch.distributions import Categorical, Normal, kl_divergence
from torch.nn import functional as F
from torch.optim.lr_scheduler import _LRScheduler

losses = []


class Clipped(torch.autograd.Function):
    """The identity, whose gradient is cut to -1 ... 1 and scaled."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient.clamp(-1, 1) * ctx.scale * (x.abs() < 5), None


class SumAndProduct(torch.autograd.Function):
    """Two results at once."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a + b, a * b

    @staticmethod
    def backward(ctx, of_sum, of_product):
        a, b = ctx.saved_tensors
        return of_sum + of_product * b, of_sum + of_product * a


class Signs(torch.optim.Optimizer):
    """Moves by the sign of an average of gradients."""

    def __init__(self, params, lr=1e-2, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["average"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                state["average"].mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                p.add_(state["average"].sign(), alpha=-group["lr"] * group.get("share", 1.0))


class Warm(_LRScheduler):
    """lr rises for some steps, then shrinks."""

    def __init__(self, optimizer, steps, last_epoch=-1):
        self.steps = steps
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        if self.last_epoch < self.steps:
            return [base * (self.last_epoch + 1) / self.steps for base in self.base_lrs]
        return [group["lr"] * 0.9 for group in self.optimizer.param_groups]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.PReLU(), nn.Linear(8, 8))
        self.norm, self.head = nn.GroupNorm(2, 8), nn.Linear(8, 3)
        self.register_buffer("seen", None)

    def forward(self, x):
        h = self.norm(Clipped.apply(self.body(x), 0.5))
        total, product = SumAndProduct.apply(h[:, :4], h[:, 4:])
        y = torch.zeros(len(x), 8)
        y[:, :4], y[:, 4:] = total, product * 0.1
        y[:, 0] *= 2
        return self.head(y)


torch.manual_seed(0)
model = Net()
same_weights(model)  # noqa: F821
heights, lengths = [], []
model.body.register_full_backward_hook(
    lambda m, of_in, of_out: heights.append(of_out[0].abs().sum())
)
model.head.weight.register_hook(lambda g: g * 0.5)
names = [name for name, _ in model.named_parameters(recurse=False)]
assert names == [] and next(model.children()) is model.body
groups = [{"params": [p for p in model.parameters() if p.ndim > 1], "share": 0.5}]
groups += [{"params": [p for p in model.parameters() if p.ndim < 2]}]
optimizer = Signs(groups, lr=0.02)
schedule = Warm(optimizer, 4)
inputs, targets = torch.randn(32, 6), torch.randint(0, 3, (32,))
for _ in range(12):
    logits = model(inputs)
    logits.register_hook(lambda g: lengths.append(g.norm()))
    loss = F.cross_entropy(logits, targets)
    optimizer.zero_grad(set_to_none=False)
    loss.backward()
    lengths.append(nn.utils.clip_grad_norm_(model.parameters(), 0.5, norm_type=1))
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
losses += [float(number) for number in heights + lengths] + schedule.get_last_lr()

policy = nn.Linear(6, 3)
same_weights(policy)  # noqa: F821
optimizer = torch.optim.RMSprop(policy.parameters(), lr=0.01, centered=True)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=8, cycle_momentum=False)
for _ in range(8):
    chosen = Categorical(logits=policy(inputs))
    reward = (targets == 1).float() - 0.3
    loss = -(chosen.log_prob(targets) * reward).mean() - 0.01 * chosen.entropy().mean()
    latent = Normal(policy.weight.mean(0), policy.weight.std(0, correction=0) + 1)
    loss = loss + 0.1 * kl_divergence(latent, Normal(torch.zeros(6), torch.ones(6))).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
