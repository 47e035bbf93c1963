# ruff: noqa: B007, F821
"""Images in, classes out: the loop that nearly every first tutorial has."""

import os
import tempfile

import numpy as np
import torch
from torch import nn, optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split

device = (
    torch.accelerator.current_accelerator().type
    if torch.accelerator.is_available()
    else "cuda"
    if torch.cuda.is_available()
    else "mps"
    if torch.backends.mps.is_available()
    else "cpu"
)
device = torch.device(device)
rng = np.random.default_rng(0)
images = torch.from_numpy(rng.random((96, 1, 6, 6), dtype=np.float32))
labels = torch.from_numpy(rng.integers(0, 4, 96))
training_data = TensorDataset(images[:80], labels[:80])
test_data = TensorDataset(images[80:], labels[80:])
part, rest = random_split(training_data, [60, 20], generator=torch.Generator().manual_seed(42))
assert len(part) == 60 and len(rest) == 20
train_dataloader = DataLoader(training_data, batch_size=16)
test_dataloader = DataLoader(test_data, batch_size=16)


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(6 * 6, 16), nn.ReLU(inplace=True), nn.Dropout(0.0), nn.Linear(16, 4)
        )

    def forward(self, x):
        x = self.flatten(x)
        return self.linear_relu_stack(x)


model = NeuralNetwork().to(device)
same_weights(model)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-1, momentum=0.9, weight_decay=1e-4)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
losses = []


def train(dataloader, model, loss_fn, optimizer):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        X, y = X.to(device), y.to(device)
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss, current = loss.item(), (batch + 1) * len(X)
        losses.append(loss)
        assert f"loss: {loss:>7f}  [{current:>5d}/{size:>5d}]"


def test(dataloader, model, loss_fn):
    size, num_batches = len(dataloader.dataset), len(dataloader)
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for X, y in dataloader:
            X, y = X.to(device), y.to(device)
            pred = model(X)
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    losses.extend([test_loss / num_batches, correct / size])


for _ in range(3):
    train(train_dataloader, model, loss_fn, optimizer)
    test(test_dataloader, model, loss_fn)
    scheduler.step()
    losses.append(scheduler.get_last_lr()[0])

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.pth")
    torch.save(model.state_dict(), path)
    model = NeuralNetwork().to(device)
    model.load_state_dict(torch.load(path, weights_only=True))
    checkpoint = os.path.join(folder, "checkpoint.tar")
    state = {"epoch": 3, "model": model.state_dict(), "optim": optimizer.state_dict(), "l": losses}
    torch.save(state, checkpoint)
    again = torch.load(checkpoint, map_location="cpu")
    assert again["epoch"] == 3 and again["l"] == losses
    optimizer = optim.SGD(model.parameters(), lr=1e-1, momentum=0.9, weight_decay=1e-4)
    optimizer.load_state_dict(again["optim"])
model.eval()
x, y = test_data[0][0], test_data[0][1]
with torch.no_grad():
    pred = model(x.to(device))
    losses.append(pred[0].argmax(0).item())
train(train_dataloader, model, loss_fn, optimizer)
