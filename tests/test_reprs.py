"""What the things of the library look like when they are printed."""

import numpy as np
import pytest

from tinytorch import nn
from tinytorch.dataloader import DataLoader, Dataset, Subset, TensorDataset
from tinytorch.kv_caching import KVCache
from tinytorch.layers import Linear, Module, ModuleList, ReLU, Sequential
from tinytorch.optimizers import SGD, Adam, AdamW
from tinytorch.tensor import Parameter, Tensor, ones, zeros
from tinytorch.tokenization import BPETokenizer, CharTokenizer
from tinytorch.training import Trainer
from tinytorch.transformers import GPT

GPT_TREE = """\
GPT(
  (embed): TokenAndPosition(
    (tokens): Embedding(num_embeddings=10, embedding_dim=8)
    (positions): PositionalEmbedding(max_length=4, embed_dim=8)
    (dropout): Dropout(p=0)
  )
  (blocks): ModuleList(
    (0-2): 3 x TransformerBlock(
      (norm1): LayerNorm(8, eps=1e-05)
      (attention): MultiHeadAttention(
        (query): Linear(in_features=8, out_features=8, bias=True)
        (key): Linear(in_features=8, out_features=8, bias=True)
        (value): Linear(in_features=8, out_features=8, bias=True)
        (output): Linear(in_features=8, out_features=8, bias=True)
        (dropout): Dropout(p=0)
      )
      (norm2): LayerNorm(8, eps=1e-05)
      (mlp): MLP(
        (widen): Linear(in_features=8, out_features=32, bias=True)
        (narrow): Linear(in_features=32, out_features=8, bias=True)
      )
      (dropout): Dropout(p=0)
    )
  )
  (norm): LayerNorm(8, eps=1e-05)
  (head): Linear(in_features=8, out_features=10, bias=True)
)"""


class TestModules:
    def test_a_gpt(self):
        assert repr(GPT(10, 8, 2, 3, max_length=4)) == GPT_TREE

    def test_equal_neighbours_of_a_list_stand_once(self):
        told = repr(ModuleList([ReLU(), ReLU(), Linear(2, 1), ReLU()])).splitlines()
        assert told[1:-1] == [
            "  (0-1): 2 x ReLU()",
            "  (2): Linear(in_features=2, out_features=1, bias=True)",
            "  (3): ReLU()",
        ]
        assert "2 x" not in repr(Sequential(ReLU(), ReLU())), "as PyTorch: lists only"

    def test_named_parts_and_a_module_with_nothing_inside(self):
        heads = nn.ModuleDict({"a": ReLU(), "b": Sequential(ReLU())})
        assert repr(heads) == (
            "ModuleDict(\n  (a): ReLU()\n  (b): Sequential(\n    (0): ReLU()\n  )\n)"
        )
        assert repr(Module()) == "Module()" and repr(ModuleList()) == "ModuleList()"

    def test_the_same_words_as_pytorch(self):
        torch = pytest.importorskip("torch")
        theirs = torch.nn.Sequential(
            torch.nn.Linear(4, 8),
            torch.nn.ReLU(),
            torch.nn.ModuleList([torch.nn.Linear(8, 8) for _ in range(3)]),
        )
        ours = Sequential(Linear(4, 8), ReLU(), ModuleList([Linear(8, 8) for _ in range(3)]))
        assert repr(ours) == repr(theirs)


class TestTensors:
    @pytest.mark.parametrize(
        ("tensor", "told"),
        [
            (Tensor(3.0), "tensor(3.)"),
            (Tensor([[1, 2], [3, 4]]), "tensor([[1, 2],\n        [3, 4]])"),
            (Tensor([True]), "tensor([ True])"),
            (zeros(0), "tensor([])"),
            (zeros(0, 3), "tensor([], shape=(0, 3))"),
            (Parameter([1.0]), "tensor([1.], requires_grad=True)"),
            (Parameter([1.0]) * 2, "tensor([2.], made_by=mul)"),
            (ones(2).double(), "tensor([1., 1.], dtype=float64)"),
        ],
    )
    def test_small(self, tensor, told):
        assert repr(tensor) == told

    def test_large_ones_are_cut_and_say_their_shape(self):
        told = repr(zeros(200, 300))
        assert told.endswith("..., 0., 0., 0.]], shape=(200, 300))")
        assert len(told.splitlines()) == 7 and max(map(len, told.splitlines())) < 80
        assert "shape" not in repr(zeros(10, 100))
        assert repr(zeros(5000)) == "tensor([0., 0., 0., ..., 0., 0., 0.])"


class Broken(Dataset):
    def __len__(self):
        return self.count


class TestTheRest:
    WEIGHT, BIAS = Parameter(ones(2, 3)), Parameter(ones(2))

    @pytest.mark.parametrize(
        ("make", "told"),
        [
            (
                lambda w, b: Adam([w, b], lr=0.01),
                "Adam(8 numbers in 2 tensors, lr=0.01, betas=(0.9, 0.999), eps=1e-08, "
                "weight_decay=0.0)",
            ),
            (
                lambda w, b: SGD([{"params": [w], "lr": 0.1}, {"params": [b]}], lr=0.2),
                "SGD(\n  6 numbers in 1 tensor, lr=0.1, momentum=0.0, weight_decay=0.0, "
                "nesterov=False\n  2 numbers in 1 tensor, lr=0.2, momentum=0.0, "
                "weight_decay=0.0, nesterov=False\n)",
            ),
        ],
    )
    def test_optimizers(self, make, told):
        assert repr(make(self.WEIGHT, self.BIAS)) == told

    def test_data(self):
        data = TensorDataset(zeros(1437, 8, 8), zeros(1437))
        assert repr(data) == "TensorDataset(1,437 samples of (8, 8), ())"
        assert repr(Subset(data, np.arange(7))) == "Subset(7 samples of 1,437)"
        assert repr(DataLoader(data, 32, shuffle=True)) == (
            "DataLoader(1,437 samples in 45 batches of 32, shuffle=True)"
        )
        assert repr(DataLoader([1, 2, 3], 2, drop_last=True)) == (
            "DataLoader(3 samples in 1 batch of 2, drop_last=True)"
        )
        assert repr(Broken()) == "Broken()"

    def test_caches_trainers_and_tokenizers(self):
        cache = KVCache(num_layers=3, batch=1, num_heads=4, max_length=512, head_width=16)
        cache.length = 7
        assert repr(cache) == (
            "KVCache(7 of 512 places; 3 layers, 1 text, 4 heads of 16; 786,432 bytes)"
        )
        model = Linear(2, 3)
        optimizer = AdamW(model.parameters(), lr=0.1)
        trainer = Trainer(model, optimizer, [(ones(1, 2), Tensor([2]))])
        trainer.fit(2)
        assert repr(trainer) == "Trainer(Linear of 9 numbers, AdamW, step 2)"
        assert repr(CharTokenizer("hello")) == "CharTokenizer(4 characters)"
        assert repr(BPETokenizer()) == ("BPETokenizer(256 tokens: 256 bytes, 0 merges, 0 special)")
