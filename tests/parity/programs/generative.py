# ruff: noqa: B007, F821
"""A VAE, a GAN and a diffusion model on small vectors, as tutorials write them."""

import copy

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset

losses = []


class Waves(Dataset):
    def __init__(self, count=32, transform=None):
        grid = np.arange(count)[:, None] * 0.37 + np.linspace(0, 3, 8)
        self.data = (np.sin(grid) * 0.5 + 0.5).astype("float32")
        self.transform = transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, idx):
        if torch.is_tensor(idx):
            idx = idx.tolist()
        sample = {"x": torch.from_numpy(self.data[idx]), "label": idx % 3}
        return self.transform(sample) if self.transform else sample


loader = DataLoader(Waves(), batch_size=8, shuffle=False, num_workers=0, drop_last=True)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc21, self.fc22 = nn.Linear(8, 12), nn.Linear(12, 2), nn.Linear(12, 2)
        self.fc3, self.fc4 = nn.Linear(2, 12), nn.Linear(12, 8)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 8))
        z = self.reparameterize(mu, logvar)
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z)))), mu, logvar


model = VAE()
same_weights(model)
optimizer = optim.Adam(model.parameters(), lr=1e-2)
for _ in range(2):
    train_loss = 0
    for _batch_idx, sample in enumerate(loader):
        data = sample["x"]
        assert sample["label"].dtype == torch.int64
        optimizer.zero_grad()
        recon, mu, logvar = model(data)
        BCE = F.binary_cross_entropy(recon, data.view(-1, 8), reduction="sum")
        KLD = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = BCE + KLD
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
    losses.append(train_loss / len(loader.dataset))

# two players


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Linear") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


netG = nn.Sequential(
    nn.Linear(3, 8, bias=False),  # a bias before a norm has the gradient 0, up to rounding
    nn.BatchNorm1d(8),
    nn.ReLU(True),
    nn.Linear(8, 8),
    nn.Tanh(),
)
netD = nn.Sequential(
    nn.Linear(8, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 1), nn.Sigmoid()
)
netG.apply(weights_init)
same_weights(netG)
same_weights(netD)
criterion = nn.BCELoss()
optimizerD = optim.Adam(netD.parameters(), lr=2e-2, betas=(0.5, 0.999))
optimizerG = optim.Adam(netG.parameters(), lr=2e-2, betas=(0.5, 0.999))
for sample in loader:
    netD.zero_grad()
    real = sample["x"]
    label = torch.full((real.size(0),), 1.0, dtype=torch.float)
    output = netD(real).view(-1)
    errD_real = criterion(output, label)
    errD_real.backward()
    noise = torch.randn(real.size(0), 3)
    fake = netG(noise)
    label.fill_(0.0)
    output = netD(fake.detach()).view(-1)
    errD_fake = criterion(output, label)
    errD_fake.backward()
    optimizerD.step()
    netG.zero_grad()
    label.fill_(1.0)
    errG = criterion(netD(fake).view(-1), label)
    errG.backward()
    optimizerG.step()
    losses += [(errD_real + errD_fake).item(), errG.item()]
netG.eval()
losses += netG(noise)[0].tolist() + netG[1].running_var.tolist()
losses.append(netG[1].num_features)

# noise and back
T = 20
betas = torch.linspace(1e-4, 0.02, T)
alphas = 1.0 - betas
alphas_cumprod = torch.cumprod(alphas, axis=0)
alphas_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
sqrt_ac, sqrt_om = torch.sqrt(alphas_cumprod), torch.sqrt(1.0 - alphas_cumprod)
posterior_variance = betas * (1.0 - alphas_prev) / (1.0 - alphas_cumprod)
losses += posterior_variance.tolist()


def extract(a, t, x_shape):
    out = a.gather(-1, t.cpu())
    return out.reshape(t.shape[0], *((1,) * (len(x_shape) - 1))).to(t.device)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Embedding(T, 8)
        self.net = nn.Sequential(nn.Linear(8, 16), nn.SiLU(), nn.LayerNorm([16]), nn.Linear(16, 8))

    def forward(self, x, t):
        return self.net(x + self.time(t))


denoiser = Denoiser()
same_weights(denoiser)
ema = copy.deepcopy(denoiser).eval().requires_grad_(False)
optimizer = optim.AdamW(denoiser.parameters(), lr=1e-2)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)
for _ in range(2):
    for sample in loader:
        x0 = sample["x"]
        t = torch.randint(0, T, (x0.shape[0],)).long()
        noise = torch.randn_like(x0)
        xt = extract(sqrt_ac, t, x0.shape) * x0 + extract(sqrt_om, t, x0.shape) * noise
        loss = F.smooth_l1_loss(noise, denoiser(xt, t))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            for p, q in zip(ema.parameters(), denoiser.parameters()):
                p.mul_(0.9).add_(q.data, alpha=0.1)
        losses += [loss.item(), scheduler.get_last_lr()[0]]


@torch.no_grad()
def p_sample(model, x, t_index):
    t = torch.full((x.shape[0],), t_index, dtype=torch.long)
    mean = extract(torch.rsqrt(alphas), t, x.shape) * (
        x - extract(betas, t, x.shape) * model(x, t) / extract(sqrt_om, t, x.shape)
    )
    return mean if t_index == 0 else mean + torch.sqrt(extract(posterior_variance, t, x.shape))


img = torch.ones((2, 8))
for i in reversed(range(T)):
    img = p_sample(ema, img, i)
losses += img.clamp(-1, 1).flatten().tolist()
