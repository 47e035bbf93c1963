"""Errors that teach: what a mistake is answered with, word for word.

`tests/messages/*.txt` hold the cases. A line `=== name` begins one; then come the program, a line
`---`, and what its reader sees: the last lines of the traceback, a warning, or what was printed.
"""

import io
import re
import traceback
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest

import tinytorch
from tinytorch import dataloader, embeddings, messages, nn, optim, parallel, tracebacks
from tinytorch import io as files
from tinytorch.attention import MultiHeadAttention, causal_mask, scaled_dot_product_attention
from tinytorch.kv_caching import CachedGPT, generate_cached
from tinytorch.layers import Linear, Module, ModuleList, ReLU, Sequential
from tinytorch.losses import cross_entropy, mse_loss
from tinytorch.nn import functional as F
from tinytorch.nn.utils import clip_grad_norm_
from tinytorch.tensor import Parameter, Tensor, cat, from_numpy, ones, randn, stack, where, zeros
from tinytorch.tokenization import CharTokenizer
from tinytorch.transformers import GPT, LayerNorm, TransformerBlock

FOLDER = Path(__file__).parent / "messages"
KNOWN = {  # what a program of a case finds without an import
    **{name: getattr(tinytorch, name) for name in ("manual_seed", "no_grad", "softmax", "triu")},
    **{thing.__name__: thing for thing in (Linear, Module, ModuleList, ReLU, Sequential, Tensor)},
    **{thing.__name__: thing for thing in (Parameter, GPT, LayerNorm, TransformerBlock)},
    **{thing.__name__: thing for thing in (MultiHeadAttention, causal_mask, CharTokenizer)},
    **{thing.__name__: thing for thing in (scaled_dot_product_attention, CachedGPT)},
    **{thing.__name__: thing for thing in (cat, from_numpy, ones, randn, stack, where, zeros)},
    **{thing.__name__: thing for thing in (cross_entropy, mse_loss, generate_cached)},
    "clip_grad_norm_": clip_grad_norm_,
    "Embedding": nn.Embedding,
    "Dropout": nn.Dropout,
    "relu": F.relu,
    "tinytorch": tinytorch,
    "dataloader": dataloader,
    "np": np,
    "nn": nn,
    "optim": optim,
    "F": F,
    "files": files,
    "embeddings": embeddings,
}
for _name in ("DataLoader", "TensorDataset", "pad_sequences", "random_split"):
    KNOWN[_name] = getattr(dataloader, _name)


def cases():
    """(name, program, what is told) of every case of the files."""
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for block in re.split(r"^=== ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            head, told = block.split("\n---\n")
            name, program = head.split("\n", 1)
            found.append((f"{path.stem}: {name}", program, told.strip()))
    return found


def told_by(program, shown=traceback.format_exception_only):
    """What somebody who runs the program reads: print, then a warning or the error."""
    printed, error = io.StringIO(), ""
    tinytorch.manual_seed(0)
    with redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            exec(compile(program, "program.py", "exec"), dict(KNOWN))
        except Exception as caught:
            error = "".join(shown(caught))
    return (printed.getvalue() + error).strip()


@pytest.mark.parametrize(("program", "told"), [pytest.param(p, t, id=n) for n, p, t in cases()])
def test_a_mistake_is_answered_in_these_words(program, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told_by(program) == told


@pytest.mark.parametrize("program", [pytest.param(p, id=n) for n, p, _ in cases()])
def test_no_line_of_the_library_is_shown(program, tmp_path, monkeypatch):
    """Cut, as tito, the milestones and the notebooks print it, the program's line is the last."""
    monkeypatch.chdir(tmp_path)
    kept = []

    def lines(error):
        cut = tracebacks.cut(error.__traceback__)
        kept.extend(frame.filename for frame in traceback.extract_tb(cut))
        return []

    told_by(program, lines)
    assert kept[-1] == "program.py" and not any(map(tracebacks.is_ours, kept))


def test_there_are_enough_cases_and_each_once():
    names, programs, told = zip(*cases())
    assert len(names) >= 60
    assert len(set(names)) == len(set(programs)) == len(names)
    assert max(len(program.splitlines()) for program in programs) <= 10
    assert all(told), "every case says something"


def test_every_message_is_one_sentence_that_names_something_to_do_or_to_see():
    """No line of a message is longer than what a reader takes in, and none is NumPy's."""
    numpy_says = ("ufunc", "out of bounds", "could not be broadcast", "truth value of an array")
    for name, _, told in cases():
        assert len(told) < 400, name
        assert not any(words in told for words in numpy_says), name


class TestWhere:
    """The path of the part that failed, from the outermost module that was called."""

    BAD = Linear(5, 4)

    def path(self, model, call=None):
        with pytest.raises(ValueError) as caught:  # noqa: PT011
            (call or model)(ones(2, 4))
        return str(caught.value).rpartition(", in ")[2]

    def test_containers(self):
        assert self.path(Sequential(ReLU(), self.BAD)) == "1 (Linear) of Sequential"
        assert self.path(Sequential({"out": self.BAD})) == "out (Linear) of Sequential"
        assert self.path(Sequential(Sequential(self.BAD))) == "0.0 (Linear) of Sequential"
        assert self.path(self.BAD) == "Linear"

    @pytest.mark.parametrize("holder", ["list", "dict"])
    def test_lists_and_dictionaries(self, holder):
        bad = self.BAD

        class Net(Module):
            def __init__(self):
                self.list = ModuleList([ReLU(), bad])
                self.dict = nn.ModuleDict({"a": ReLU(), "b": bad})

            def forward(self, x):
                return self.list[1](x) if holder == "list" else self.dict["b"](x)

        model = Net()
        if holder == "dict":
            model.list = ModuleList()
        want = "list.1 (Linear) of Net" if holder == "list" else "dict.b (Linear) of Net"
        assert self.path(model) == want

    def gpt(self, layer=1):
        model = GPT(vocab_size=10, embed_dim=8, num_heads=2, num_layers=3, max_length=8)
        model.blocks[layer].mlp.narrow = Linear(30, 8)
        return model

    def of(self, call):
        with pytest.raises((ValueError, TypeError)) as caught:
            call()
        return str(caught.value).rpartition(", in ")[2]

    @pytest.mark.parametrize("layer", [0, 1, 2])
    def test_while_a_model_writes(self, layer):
        """The last block is replaced by a stand-in then, which no path shows."""
        want = f"blocks.{layer}.mlp.narrow (Linear) of GPT"
        assert self.of(lambda: self.gpt(layer).generate([[1, 2]], 3)) == want
        assert self.of(lambda: list(self.gpt(layer).stream([[1, 2]], 3))) == want
        model = self.gpt(layer)
        model.blocks[layer].attention.output = Linear(6, 8)
        want = f"blocks.{layer}.attention.output (Linear) of GPT"
        assert self.of(lambda: model.generate([[1, 2]], 3)) == want
        assert self.of(lambda: model(Tensor([[1, 2]]))) == want

    @pytest.mark.parametrize("parts", [1, 2])
    def test_in_threads(self, parts):
        model, ids = self.gpt(), Tensor(np.ones((4, 5), int))

        def mean_loss(x, y):
            return cross_entropy(model(x), y)

        told = self.of(lambda: parallel.backward(mean_loss, ids, ids, parts=parts))
        assert told == "blocks.1.mlp.narrow (Linear) of GPT"

    def test_query_key_and_value_in_one_product(self):
        """They are computed by the attention itself, and that is the part that is named."""
        attention, x = MultiHeadAttention(8, 2), ones(1, 3, 8)
        told = self.of(lambda: Sequential(attention)(Tensor(x.array.astype(int))))
        assert told == "0 (MultiHeadAttention) of Sequential"
        attention.key = Linear(8, 8, bias=False)  # now each by itself
        told = self.of(lambda: Sequential(attention)(Tensor(x.array.astype(int))))
        assert told == "0.query (Linear) of Sequential"

    def test_a_learners_class_of_the_same_name_is_no_stand_in(self):
        bad = self.BAD

        class Looking(Module):
            def __init__(self):
                self.attention = bad

            def forward(self, x):
                return self.attention(x)

        assert self.path(Sequential(Looking())) == "0.attention (Linear) of Sequential"


class TestWhatIsNoTensor:
    @pytest.mark.parametrize(
        ("value", "told"),
        [
            ((1, 2), "a tuple: write tensor(...) around it"),
            ("hello", "the text 'hello', no tensor: encode it first"),
            (Linear, "Linear itself, not its result: call it, Linear(...)"),
            (
                Linear(2, 1),
                "a module, Linear: call it, as in layer(x), and pass on what it returns",
            ),
            (len, "len itself, not its result: call it, len(...)"),
            ({"a": 1}, "no tensor but dict {'a': 1}"),
        ],
    )
    def test_it_is_said_in_words(self, value, told):
        assert messages.what_it_is(value) == told

    def test_an_attribute_error_of_a_learners_own_passes_as_it_is(self):
        class Net(Module):
            def forward(self, x):
                return x.shape.first

        with pytest.raises(AttributeError, match="'tuple' object has no attribute 'first', in Net"):
            Net()(ones(2))

    def test_nor_is_a_list_of_arrays_blamed_for_it(self):
        """A learner's slip inside an operation on several tensors, as `in_heads` is one."""
        error = AttributeError("'numpy.ndarray' object has no attribute 'softmax'")
        arrays = (np.zeros((2, 3)), np.zeros((3, 3)), None)
        assert messages.explained(error, "in_heads", ("tensors", "num_heads"), (arrays, 1)) is error
        told = messages.explained(error, "cat", ("tensors", "dim"), ([np.zeros(2), "a"], 0))
        assert "tensors[1] is the text 'a'" in str(told)

    def test_shapes_that_clash_inside_of_an_operation_are_no_arguments_fault(self):
        def layer(x, y):
            return np.zeros(3) + np.zeros(4)

        with pytest.raises(ValueError) as info:
            layer(0, 0)
        arrays = np.zeros((2, 3)), np.zeros(5)
        told = str(messages.explained(info.value, "layer", ("x", "y"), arrays, lambda *_: "blamed"))
        assert told == (
            "layer: inside of it, shapes (3,) and (4,) do not broadcast (x (2, 3), y (5,))"
        )

    def test_whole_shapes_are_no_batches(self):
        """Arguments that a learner's function broadcasts with NumPy itself."""
        x, mask = np.zeros((2, 3)), np.zeros(2, dtype=bool)
        with pytest.raises(ValueError) as info:
            np.broadcast_shapes(x.shape, mask.shape)
        told = messages.explained(info.value, "masked_fill", ("x", "mask"), (x, mask))
        assert str(told) == "masked_fill: shapes (2, 3) and (2,) do not broadcast"
