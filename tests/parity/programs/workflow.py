# ruff: noqa: B007, F821
"""Straight lines and circles: the workflow of a book-length beginners' course, size= and all."""

import math
import tempfile
from pathlib import Path

import torch
from torch import nn

device = "cuda" if torch.cuda.is_available() else "cpu"
losses = []
scalar = torch.tensor(7)
assert scalar.ndim == 0 and scalar.item() == 7
assert torch.rand(size=(3, 4)).shape == (3, 4) and torch.zeros(size=(2, 2)).dtype == torch.float32
zero_to_ten = torch.arange(start=0, end=10, step=1)
assert torch.equal(torch.zeros_like(input=zero_to_ten), torch.zeros(10, dtype=torch.int64))
half = torch.tensor([3.0, 6.0, 9.0], dtype=torch.float16)
assert half.type(torch.float32).dtype == torch.float32 and half.device.type == "cpu"
tensor = torch.arange(10, 100, 10)
assert tensor.argmax().item() == 8 and tensor.argmin() == 0
assert torch.mean(tensor.type(torch.float32)).item() == tensor.type(torch.float32).mean().item()
x = torch.arange(1.0, 8.0)
z = x.view(1, 7)
z[:, 0] = 5
assert x[0] == 5
stacked = torch.stack([x, x, x, x], dim=0)
assert stacked.shape == (4, 7)
image = torch.rand(size=(8, 6, 3))
assert image.permute(2, 0, 1).shape == (3, 8, 6) and torch.permute(image, (2, 0, 1)).size(0) == 3
assert x.reshape(1, 7).squeeze().unsqueeze(dim=0).shape == (1, 7)
random_a, random_b = torch.rand(3, 4), torch.rand(3, 4)
assert (random_a == random_a).all() and random_a.shape == random_b.shape
assert torch.matmul(torch.rand(2, 3), torch.rand(2, 3).T).shape == (2, 2)
assert torch.mm(torch.ones(2, 3), torch.ones(3, 2)).sum() == 12

# a line
X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
y = 0.7 * X + 0.3
split = int(0.8 * len(X))
X_train, y_train, X_test, y_test = X[:split], y[:split], X[split:], y[split:]


class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights * x + self.bias


model_0 = LinearRegressionModel()
same_weights(model_0)
assert len(list(model_0.parameters())) == 2 and "weights" in model_0.state_dict()
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
for epoch in range(20):
    model_0.train()
    y_pred = model_0(X_train)
    loss = loss_fn(y_pred, y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    model_0.eval()
    with torch.inference_mode():
        test_pred = model_0(X_test)
        test_loss = loss_fn(test_pred, y_test.type(torch.float))
    if epoch % 10 == 0:
        losses += [loss.detach().numpy().item(), float(test_loss)]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "01_model.pth"
    torch.save(obj=model_0.state_dict(), f=path)
    loaded = LinearRegressionModel()
    loaded.load_state_dict(torch.load(f=path))
loaded.to(device)
assert next(loaded.parameters()).device.type == device
with torch.inference_mode():
    assert (loaded(X_test) == model_0(X_test)).all()

# circles
angle = torch.arange(40) * (2 * math.pi / 20)
radius = torch.where(torch.arange(40) < 20, 1.0, 0.5)
X = torch.stack([radius * torch.cos(angle), radius * torch.sin(angle)], dim=1)
y = (torch.arange(40) >= 20).type(torch.float)


def accuracy_fn(y_true, y_pred):
    correct = torch.eq(y_true, y_pred).sum().item()
    return (correct / len(y_pred)) * 100


class Circles(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer_1 = nn.Linear(in_features=2, out_features=10)
        self.layer_2 = nn.Linear(in_features=10, out_features=10)
        self.layer_3 = nn.Linear(in_features=10, out_features=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.layer_3(self.relu(self.layer_2(self.relu(self.layer_1(x)))))


model = Circles().to(device)
same_weights(model)
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
for _ in range(25):
    model.train()
    y_logits = model(X).squeeze()
    y_pred = torch.round(torch.sigmoid(y_logits))
    loss = loss_fn(y_logits, y)
    acc = accuracy_fn(y_true=y, y_pred=y_pred)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses += [loss.item(), acc]

# blobs
y = torch.arange(40) % 4
X = torch.stack([torch.sin(y * 1.5), torch.cos(y * 1.5)], dim=1) + 0.1 * X
model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 4))
same_weights(model)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(10):
    y_logits = model(X)
    y_pred = torch.softmax(y_logits, dim=1).argmax(dim=1)
    loss = loss_fn(y_logits, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
