"""Folders and files exchanged with `transformers` and the official safetensors library."""

import random
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.course import data_file
from tinytorch.io import load_safetensors, open_safetensors, save_safetensors
from tinytorch.kv_caching import generate_cached
from tinytorch.pretrained import tie_head
from tinytorch.tensor import wrap
from tinytorch.tokenization import BPETokenizer
from tinytorch.transformers import GPT

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
official = pytest.importorskip("safetensors")
official_torch = pytest.importorskip("safetensors.torch")
official_numpy = pytest.importorskip("safetensors.numpy")

V, T = 67, 32
KINDS = [
    {},
    {"tie_word_embeddings": False},
    {"n_inner": 50, "activation_function": "relu", "layer_norm_epsilon": 1e-3},
    {"activation_function": "gelu"},
    {"activation_function": "gelu_pytorch_tanh", "n_head": 1, "n_layer": 1},
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of torch that wait for each other on a busy machine take 20 times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def drawn(kind=None, seed=0, std=0.3, V=V):
    """A GPT2LMHeadModel with every parameter drawn."""
    sizes = {"vocab_size": V, "n_positions": T, "n_embd": 32, "n_layer": 3, "n_head": 4}
    config = transformers.GPT2Config(
        **sizes | (kind or {}), bos_token_id=None, eos_token_id=None, pad_token_id=0
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, std, generator=generator)
    return model


def their_logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor(ids)).logits.float().numpy()


def their_text(model, ids, count):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = torch.tensor(ids)
        how = {"attention_mask": torch.ones_like(ids), "do_sample": False}
        return model.generate(ids, max_new_tokens=count, **how).numpy()


def opened(folder):
    """What `transformers` makes of a folder, if it lacks nothing and leaves nothing over."""
    read = transformers.GPT2LMHeadModel.from_pretrained
    model, told = read(folder, output_loading_info=True)
    assert not any(told.values()), told
    return model.eval()


def agree(ours, theirs, seed=0, tolerance=1e-4):
    """Logits within the tolerance, and 20 greedy tokens, with a cache and without."""
    ids = np.random.default_rng(seed).integers(0, V, (3, T))
    want = their_logits(theirs, ids)
    assert np.abs(want).max() > 1  # else anything would be near
    np.testing.assert_allclose(ours(wrap(ids)).array, want, rtol=0, atol=tolerance)
    text = their_text(theirs, ids[:, :6], 20).tolist()
    assert ours.generate(ids[:, :6], 20, do_sample=False).tolist() == text
    assert generate_cached(ours, ids[:, :6], 20, do_sample=False).tolist() == text


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_there_and_back(tmp_path, kind, seed):
    theirs = drawn(kind, seed)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = GPT.from_pretrained(tmp_path / "theirs")
    agree(ours, theirs, seed)
    assert ours.num_parameters() == theirs.num_parameters()
    ours.save_pretrained(tmp_path / "ours")
    back = opened(tmp_path / "ours")
    for (name, got), (_, want) in zip(back.named_parameters(), theirs.named_parameters()):
        assert torch.equal(got, want), name
    ids = np.random.default_rng(seed).integers(0, V, (2, T))
    got, want = their_logits(back, ids), their_logits(theirs, ids)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)  # gelu_new is another way to write it
    agree(ours, back, seed)


@pytest.mark.parametrize("place", ["config", "generation_config"])
@pytest.mark.parametrize("several", [False, True])
def test_a_text_ends_where_the_folder_says(tmp_path, place, several):
    theirs, ended = drawn(), 0
    prompt = np.random.default_rng(0).integers(0, V, (1, 4))
    text = their_text(theirs, prompt, 12).tolist()[0]
    for end in dict.fromkeys(text[4:]):
        ends = [end, V - 1] if several else end
        theirs.config.eos_token_id = ends if place == "config" else V - 2
        theirs.generation_config = transformers.GenerationConfig.from_model_config(theirs.config)
        theirs.generation_config.eos_token_id = ends
        theirs.save_pretrained(tmp_path)
        if place == "config":
            (tmp_path / "generation_config.json").unlink()
        ours, theirs_again = GPT.from_pretrained(tmp_path), opened(tmp_path)
        want = their_text(theirs_again, prompt, 12).tolist()
        for cached in (False, True):
            got = ours.generate(prompt, 12, do_sample=False, use_cache=cached)
            assert got.tolist() == want
        ended += len(want[0]) < 16
        ours.save_pretrained(tmp_path / "again")
        assert GPT.from_pretrained(tmp_path / "again").eos_token_id == ours.eos_token_id == ends
    assert ended


def test_a_model_that_was_trained_here(tmp_path):
    ours = tie_head(GPT(V, 32, 4, 2, T, dropout=0.1)).initialise(0.3).eval()
    ours.save_pretrained(tmp_path)
    theirs = opened(tmp_path)
    agree(ours, theirs)
    assert theirs.config.resid_pdrop == 0.1
    untied = GPT(V, 32, 4, 2, T).initialise(0.3).eval()
    untied.save_pretrained(tmp_path)
    agree(untied, opened(tmp_path))


def test_gradients_through_a_tied_head(tmp_path):
    theirs = drawn()
    theirs.save_pretrained(tmp_path)
    ours = GPT.from_pretrained(tmp_path)
    ids = np.random.default_rng(0).integers(0, V, (2, 9))
    g = np.random.default_rng(1).standard_normal((2, 9, V)).astype(np.float32)
    ours(wrap(ids)).backward(wrap(g))
    theirs(torch.tensor(ids)).logits.backward(torch.tensor(g))
    want = theirs.transformer.wte.weight.grad.numpy()
    got = ours.embed.tokens.weight.grad.array
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())
    want = theirs.transformer.h[1].attn.c_attn.weight.grad.numpy()
    layers = [getattr(ours.blocks[1].attention, name) for name in ("query", "key", "value")]
    got = np.hstack([layer.weight.grad.array.T for layer in layers])
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_in_several_files(tmp_path):
    theirs = drawn()
    theirs.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    agree(GPT.from_pretrained(tmp_path), theirs)


def test_without_the_prefix_and_with_masks(tmp_path):
    """As the first GPT-2 on the hub was written: a GPT2Model, with its masks beside the weights."""
    theirs = drawn()
    theirs.transformer.save_pretrained(tmp_path)
    agree(GPT.from_pretrained(tmp_path), theirs)
    state = official_torch.load_file(tmp_path / "model.safetensors")
    assert not any(name.startswith("transformer.") for name in state)
    for layer in range(3):
        state[f"h.{layer}.attn.bias"] = torch.ones(1, 1, T, T).tril()
        state[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    official_torch.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    agree(GPT.from_pretrained(tmp_path), theirs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types(tmp_path, dtype):
    theirs = drawn().to(dtype)
    theirs.save_pretrained(tmp_path)
    ours = GPT.from_pretrained(tmp_path)
    wanted = np.float64 if dtype == torch.float64 else np.float32
    assert {p.dtype for p in ours.parameters()} == {np.dtype(wanted)}
    agree(ours, theirs if dtype == torch.float64 else theirs.float())


def test_weights_of_another_wiring_are_explained(tmp_path):
    theirs = drawn()
    theirs.save_pretrained(tmp_path)
    state = official_torch.load_file(tmp_path / "model.safetensors")
    for name in [n for n in state if "c_" in n and n.endswith("weight")]:
        state[name] = state[name].T.contiguous()
    official_torch.save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"c_attn\.weight looks transposed: \(96, 32\) and should"):
        GPT.from_pretrained(tmp_path)
    torch.save(theirs.state_dict(), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="only pytorch_model.bin, a pickle"):
        GPT.from_pretrained(tmp_path)


def test_other_models_are_named(tmp_path):
    config = transformers.GPTNeoConfig(
        hidden_size=8, num_layers=1, num_heads=2, vocab_size=9, attention_types=[[["global"], 1]]
    )
    transformers.GPTNeoForCausalLM(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="says model_type = 'gpt_neo', and a GPT here"):
        GPT.from_pretrained(tmp_path)


def nasty_texts(count):
    rng = random.Random(5)
    pieces = [
        *"aZ09 \n\t\r\v\f!'\"_-.,<|>é½²Ⅷ中\u00a0\u3000\u200d\u0301🙂👩‍👩‍👧ا\x1c\x1f\x00\u2028"
    ]
    pieces += ["'ll", "'S", "  ", "hello", "<|endoftext|>", "<|endoftext", "ﬁ", "Straße", "100"]
    return ["".join(rng.choices(pieces, k=rng.randrange(30))) for _ in range(count)]


def test_the_whole_folder(tmp_path):
    """Weights and tokenizer together, there and back, and a text that both continue alike."""
    talks = data_file("tinytalks/tinytalks.txt").read_text(encoding="utf-8")
    words = BPETokenizer(pattern="gpt2", special_tokens=["<|endoftext|>"])
    words.train(talks, num_merges=300)
    theirs = drawn(V=words.vocab_size)
    theirs.save_pretrained(tmp_path / "a")
    words.save_gpt2(tmp_path / "a")
    ours = GPT.from_pretrained(tmp_path / "a")
    ours.save_pretrained(tmp_path / "b")
    model = opened(tmp_path / "b")
    reader = transformers.GPT2Tokenizer.from_pretrained(tmp_path / "b")
    assert model.config.eos_token_id == reader.eos_token_id == words.special_ids["<|endoftext|>"]
    for text in [talks, *nasty_texts(2000)]:
        assert ours.tokenizer.encode(text) == reader.encode(text)
    ids = [ours.tokenizer.encode("Hello, how are you")]
    want = their_text(model, ids, 20)[0]
    got = ours.generate(ids, 20, do_sample=False, stop=model.config.eos_token_id).tolist()[0]
    assert ours.tokenizer.decode(got) == reader.decode(want)


def test_over_a_folder_of_theirs(tmp_path):
    """Parts of a model, its tokenizer.json and its ends of a text: none of them counts any more."""
    old = BPETokenizer(pattern="gpt2", special_tokens=["<x>", "<|endoftext|>"])
    old.train("the cat sat on the mat, the cat that sat", num_merges=9)
    old.save_gpt2(tmp_path / "old")
    theirs = drawn(V=old.vocab_size)
    theirs.generation_config.eos_token_id = 3
    theirs.save_pretrained(tmp_path, max_shard_size="30KB")
    transformers.GPT2Tokenizer.from_pretrained(tmp_path / "old").save_pretrained(tmp_path)
    assert GPT.from_pretrained(tmp_path).tokenizer.encode("<x> cat") == old.encode("<x> cat")
    words = BPETokenizer(pattern="gpt2", special_tokens=["<|endoftext|>"])
    words.train("a cow and a cow and a calf", num_merges=5)
    ours = tie_head(GPT(words.vocab_size, 32, 4, 2, T)).initialise(0.3).eval()
    ours.save_pretrained(tmp_path, words)
    model = opened(tmp_path)
    agree(GPT.from_pretrained(tmp_path), model)
    assert model.generation_config.eos_token_id == words.special_ids["<|endoftext|>"]
    reader = transformers.GPT2Tokenizer.from_pretrained(tmp_path)
    text = "<x> a cow and the cat<|endoftext|>"
    assert reader.encode(text) == words.encode(text)


# ---------------------------------------------------------------- safetensors
TORCH_TYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 uint16 uint32 uint64 "
TORCH_TYPES += "bool float8_e4m3fn float8_e5m2 float8_e8m0fnu"


@pytest.mark.parametrize("name", TORCH_TYPES.split())
def test_their_files_of_every_type(tmp_path, name):
    dtype = getattr(torch, name)
    if dtype.is_floating_point and dtype.itemsize < 2:
        full = torch.arange(256).to(torch.uint8).view(dtype)
    elif dtype.is_floating_point:
        full = torch.randn(3, 5, dtype=torch.float64).to(dtype)
    else:
        full = torch.arange(15).reshape(3, 5).to(dtype)
    tensors = {"full": full, "one": full.reshape(-1)[7].clone(), "odd": torch.ones(3).bool()}
    tensors["none"] = torch.zeros(0, 4, dtype=torch.float32).to(dtype)
    official_torch.save_file(tensors, tmp_path / "x", {"by": "them"})
    with open_safetensors(tmp_path / "x") as file:
        assert file.metadata == {"by": "them"}
        for part, tensor in tensors.items():
            want = tensor.double() if dtype.is_floating_point else tensor.long()
            got = file.array(part)
            assert got.shape == tuple(want.shape)
            with np.errstate(invalid="ignore"):  # there are nan of the kind that signals
                np.testing.assert_array_equal(got.astype(np.float64), want.double().numpy())


KINDS_OF_NUMPY = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "u2", "u4", "u8", "?"]


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=9).filter(lambda n: n != "__metadata__"),
        st.tuples(
            st.sampled_from(KINDS_OF_NUMPY), st.lists(st.integers(0, 3), max_size=3), st.booleans()
        ),
        max_size=6,
    )
)
@settings(max_examples=60)
def test_interchange(tmp_path_factory, kinds):
    """They read what we write, type by type, and we what they write."""
    folder, rng = tmp_path_factory.mktemp("x"), np.random.default_rng(0)
    arrays = {}
    for name, (kind, shape, turned) in kinds.items():
        array = rng.integers(0, 2, shape[::-1] if turned else shape).astype(kind)
        arrays[name] = array.T if turned else array
    save_safetensors(arrays, folder / "ours", {"a": "ü"})
    got = official_numpy.load_file(folder / "ours")
    assert {n: a.dtype for n, a in got.items()} == {n: a.dtype for n, a in arrays.items()}
    official_numpy.save_file({n: np.array(a, order="C") for n, a in arrays.items()}, folder / "t")
    for read in (got, load_safetensors(folder / "t"), load_safetensors(folder / "ours")):
        assert {n: (a.shape, a.tolist()) for n, a in read.items()} == {
            n: (a.shape, a.tolist()) for n, a in arrays.items()
        }
    with official.safe_open(folder / "ours", "np") as file:
        assert file.metadata() == {"a": "ü"}


def test_a_big_header(tmp_path):
    arrays = {f"layer.{n}.weight": np.array([n, -n], np.float32) for n in range(20_000)}
    save_safetensors(arrays, tmp_path / "ours")
    got = official_numpy.load_file(tmp_path / "ours")
    assert {n: a.tolist() for n, a in got.items()} == {n: a.tolist() for n, a in arrays.items()}
    official_numpy.save_file(arrays, tmp_path / "theirs")
    with open_safetensors(tmp_path / "theirs") as file:
        assert len(file) == 20_000
        assert file["layer.19999.weight"].tolist() == [19999, -19999]
