"""GPT-2 folders: what is read, what is written, and a sentence for whatever does not fit."""

import copy
import doctest
import json
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from tinytorch import nn, pretrained
from tinytorch.activations import gelu, gelu_exact, relu, silu
from tinytorch.embeddings import SinusoidalEmbedding
from tinytorch.io import load_safetensors, open_safetensors, save_safetensors
from tinytorch.layers import Linear, ReLU, Sequential
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import AdamW
from tinytorch.pretrained import Sizes, misfit, tie_head
from tinytorch.tensor import Parameter, manual_seed, randn, wrap
from tinytorch.tokenization import BPETokenizer, CharTokenizer
from tinytorch.transformers import GPT, TinyGPT

V, D, H, L, T = 19, 12, 3, 2, 10
IDS = np.random.default_rng(0).integers(0, V, (2, T))


def made(tied=True, V=V, **how):
    """A GPT with every parameter drawn, and no bias in its head."""
    model, rng = GPT(V, D, H, L, T, **how), np.random.default_rng(1)
    model.head.bias = None
    if tied:
        tie_head(model)
    for parameter in model.parameters():
        parameter.array = rng.normal(0, 0.4, parameter.shape).astype(np.float32)
    return model.eval()


def tokenizer():
    """A small tokenizer of GPT-2's kind: 256 bytes, 3 merges and the end of a text."""
    words = BPETokenizer(pattern="gpt2", special_tokens=["<|endoftext|>"])
    words.train("low low lower lowest slow", num_merges=3)
    return words


@pytest.fixture
def folder(tmp_path):
    """A folder as `save_pretrained` writes it."""
    made().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def weights_of(folder):
    return {name: tensor.array for name, tensor in load_safetensors(folder / WEIGHTS).items()}


WEIGHTS = "model.safetensors"


def rewritten(folder, change, name=WEIGHTS):
    """The folder after `change` was called on its weights, a dictionary of arrays."""
    arrays = weights_of(folder)
    change(arrays)
    save_safetensors(arrays, folder / name, {"format": "pt"})
    return folder


def configured(folder, **settings):
    """The folder with other settings in its config.json; ... takes one out."""
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | settings
    config = {name: value for name, value in config.items() if value is not ...}
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


def refused(folder, told, kind=ValueError, **how):
    """Reading the folder is refused in one sentence that matches."""
    with pytest.raises(kind, match=told) as caught:
        GPT.from_pretrained(folder, **how)
    assert "\n" not in str(caught.value)


def logits(model):
    return model(wrap(IDS)).array


def same(got, want):
    np.testing.assert_allclose(logits(got), logits(want), rtol=0, atol=1e-5)


def test_doctests():
    assert doctest.testmod(pretrained).failed == 0


class TestThereAndBack:
    @pytest.mark.parametrize("tied", [True, False])
    @pytest.mark.parametrize(
        "how", [{}, {"hidden_dim": 7}, {"activation": "relu"}, {"hidden_dim": 48}], ids=str
    )
    def test_the_same_model(self, tmp_path, tied, how):
        model = made(tied, **how)
        model.save_pretrained(tmp_path)
        got = GPT.from_pretrained(tmp_path)
        assert np.array_equal(logits(got), logits(model))
        assert (got.head.weight is got.embed.tokens.weight) == tied
        assert repr(got) == repr(model)
        state = model.state_dict()
        assert {n: t.shape for n, t in got.state_dict().items()} == {
            n: t.shape for n, t in state.items()
        }

    def test_settings_travel(self, tmp_path):
        model = made(dropout=0.25)
        model.embed.dropout.p, model.blocks[0].attention.dropout.p = 0.5, 0.125
        model.blocks[1].attention.dropout.p = 0.125
        for block in model.blocks:
            block.norm1.eps = block.norm2.eps = 1e-3
            block.mlp.activation = gelu_exact
        model.norm.eps = 1e-3
        model.save_pretrained(tmp_path)
        got = GPT.from_pretrained(tmp_path)
        assert repr(got) == repr(model)
        assert got.blocks[1].mlp.activation is gelu_exact
        assert np.array_equal(logits(got), logits(model))

    def test_it_is_in_eval_mode_and_can_be_trained(self, folder):
        model = GPT.from_pretrained(folder)
        assert not any(module.training for module in model.modules())
        model.train()
        optimizer, losses = AdamW(model.parameters(), lr=1e-2), []
        for _ in range(20):
            loss = cross_entropy(model(wrap(IDS[:, :-1])), wrap(IDS[:, 1:]))
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert losses[-1] < losses[0] - 1
        assert model.head.weight is model.embed.tokens.weight  # moved as one
        model.save_pretrained(folder)
        assert np.array_equal(logits(GPT.from_pretrained(folder)), logits(model.eval()))

    def test_both_uses_of_the_table_train_it(self):
        model = made()
        cross_entropy(model(wrap(IDS)), wrap(IDS)).backward()
        both, table = model.embed.tokens.weight.grad.array, model.embed.tokens.weight
        model.head.weight = Parameter(table.array.copy())
        table.grad = None
        cross_entropy(model(wrap(IDS)), wrap(IDS)).backward()
        parts = table.grad.array, model.head.weight.grad.array
        assert all(np.abs(part).max() > 1e-3 for part in parts)
        np.testing.assert_allclose(both, sum(parts), atol=1e-6)

    def test_generate_with_and_without_a_cache(self, folder):
        model = GPT.from_pretrained(folder)
        want = made().generate(IDS[:, :3], 7, temperature=0).tolist()
        assert model.generate(IDS[:, :3], 7, temperature=0).tolist() == want
        assert model.generate(IDS[:, :3], 7, temperature=0, use_cache=True).tolist() == want

    def test_the_random_numbers_that_follow_are_as_before(self, folder):
        manual_seed(3)
        want = randn(4).tolist()
        manual_seed(3)
        GPT.from_pretrained(folder)
        assert randn(4).tolist() == want

    def test_copies_and_pickles(self, tmp_path):
        made(V=260).save_pretrained(tmp_path, tokenizer())
        model = GPT.from_pretrained(tmp_path)
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert other.head.weight is other.embed.tokens.weight
            assert np.array_equal(logits(other), logits(model))
            assert other.tokenizer.encode("slow low") == tokenizer().encode("slow low")

    def test_a_state_dict_there_and_back(self, folder, tmp_path):
        """The table stands there under both of its names, and they stay one."""
        model, other = GPT.from_pretrained(folder), GPT.from_pretrained(folder)
        for parameter in other.parameters():
            parameter.detach().fill_(0)
        save_safetensors(model.state_dict(), tmp_path / "x")
        other.load_state_dict(load_safetensors(tmp_path / "x"))
        assert other.head.weight is other.embed.tokens.weight
        assert np.array_equal(logits(other), logits(model))

    def test_a_child_of_gpt(self, folder):
        model = TinyGPT.from_pretrained(folder)
        assert type(model) is TinyGPT
        same(model, made())
        model.save_pretrained(folder)

    def test_a_child_with_other_arguments(self, folder):
        class Configured(GPT):
            def __init__(self, config):
                super().__init__(**config)

        with pytest.raises(TypeError, match="makes a Configured with vocab_size, .*'config'.*GPT$"):
            Configured.from_pretrained(folder)

    def test_in_float64(self, tmp_path):
        model = made().double()
        model.save_pretrained(tmp_path)
        got = GPT.from_pretrained(tmp_path)
        assert {p.dtype for p in got.parameters()} == {np.dtype("float64")}
        assert np.array_equal(logits(got), logits(model))

    @pytest.mark.parametrize("bits", ["float16", "bfloat16"])
    def test_numbers_of_16_bits(self, folder, bits):
        """bfloat16 is what is left of a float32 when its lower half is cut off."""
        arrays, path = weights_of(folder), folder / WEIGHTS
        if bits == "float16":
            save_safetensors({n: a.astype(np.float16) for n, a in arrays.items()}, path)
            arrays = {n: a.astype(np.float16).astype(np.float32) for n, a in arrays.items()}
        else:
            upper = {n: (a.view(np.uint32) >> 16).astype(np.uint16) for n, a in arrays.items()}
            save_safetensors(upper, path)
            data, size = path.read_bytes(), int.from_bytes(path.read_bytes()[:8], "little")
            header = data[8 : 8 + size].replace(b'"U16"', b'"BF16"')
            path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
            arrays = {
                n: (a.view(np.uint32) >> 16 << 16).view(np.float32) for n, a in arrays.items()
            }
        got = GPT.from_pretrained(folder)
        assert {p.dtype for p in got.parameters()} == {np.dtype("float32")}
        assert np.array_equal(got.embed.tokens.weight.array, arrays["transformer.wte.weight"])
        key = np.split(arrays["transformer.h.1.attn.c_attn.weight"], 3, axis=1)[1].T
        assert np.array_equal(got.blocks[1].attention.key.weight.array, key)


class TestFiles:
    @pytest.mark.parametrize("more", [{}, {"head": True}, {"buffers": True}])
    def test_with_and_without_the_prefix(self, folder, more):
        def change(arrays):
            for name in list(arrays):
                arrays[name.removeprefix("transformer.")] = arrays.pop(name)
            for layer in range(L if "buffers" in more else 0):
                arrays[f"h.{layer}.attn.bias"] = np.tri(T, dtype=np.float32)[None, None]
                arrays[f"h.{layer}.attn.masked_bias"] = np.array(-1e4, np.float32)
            if "head" in more:
                arrays["lm_head.weight"] = arrays["wte.weight"].copy()

        same(GPT.from_pretrained(rewritten(folder, change)), made())

    def test_both_with_and_without_the_prefix(self, folder):
        rewritten(folder, lambda arrays: arrays.update({"wte.weight": np.zeros((V, D))}))
        refused(folder, r"holds wte.weight twice, with and without transformer\.")

    def test_in_several_files(self, folder):
        arrays, places = weights_of(folder), {}
        (folder / WEIGHTS).unlink()
        for n in range(3):
            part = f"model-0000{n + 1}-of-00003.safetensors"
            names = list(arrays)[n::3]
            save_safetensors({name: arrays[name] for name in names}, folder / part)
            places |= dict.fromkeys(names, part)
        index = folder / "model.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8")
        same(GPT.from_pretrained(folder), made())
        lost = {**places, "transformer.wte.weight": places["transformer.wpe.weight"]}
        index.write_text(json.dumps({"weight_map": lost}), encoding="utf-8")
        refused(folder, "says that transformer.wte.weight is in model-.*, and it is not there")
        index.write_text(json.dumps({"weight_map": {"a": "../x"}}), encoding="utf-8")
        refused(folder, r"names the file '\.\./x', which is not in its own folder")
        for text in ("{}", '{"weight_map": []}', '{"weight_map": {}}'):
            index.write_text(text, encoding="utf-8")
            refused(folder, "has no weight_map")
        index.write_text(json.dumps({"weight_map": places}), encoding="utf-8")
        (folder / part).unlink()
        refused(folder, f"names {part}, which is not there: fetch it", FileNotFoundError)

    def test_no_folder(self, tmp_path):
        refused("gpt2", "no folder 'gpt2', and nothing is fetched from the net", FileNotFoundError)
        refused(tmp_path, "has no config.json, which says", FileNotFoundError)
        (tmp_path / "config.json").write_text("{}", encoding="utf-8")
        refused(tmp_path / "config.json", "is a file: name the folder that holds it")
        refused(tmp_path, "has no model.safetensors: fetch it from where", FileNotFoundError)

    def test_a_pickle_is_not_opened(self, folder):
        (folder / WEIGHTS).rename(folder / "pytorch_model.bin")
        refused(folder, "only pytorch_model.bin, a pickle, .*: convert it once", FileNotFoundError)

    def test_another_name(self, folder):
        (folder / WEIGHTS).rename(folder / "gpt2.safetensors")
        refused(folder, "only gpt2.safetensors: rename it", FileNotFoundError)

    def test_torn_and_foreign_files(self, folder):
        data = (folder / WEIGHTS).read_bytes()
        for cut, told in [
            (0, "cut short"),
            (100, "cut short"),
            (len(data) - 1, "cut short: 1 byt"),
        ]:
            (folder / WEIGHTS).write_bytes(data[:cut])
            refused(folder, told)
        (folder / WEIGHTS).write_bytes(pickle.dumps([1.0] * 99))
        refused(folder, "is no safetensors file but a pickle")

    def test_a_torn_config(self, folder):
        path = folder / "config.json"
        for text, told in [('{"n_embd"', "is cut short, or no JSON"), ("[]", "holds a list")]:
            path.write_text(text, encoding="utf-8")
            refused(folder, told)
        path.write_bytes(b"\xff\xfe")
        refused(folder, "is cut short, or no JSON")

    def test_a_config_that_an_editor_of_windows_has_saved(self, folder):
        path = folder / "config.json"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
        assert GPT.from_pretrained(folder).num_parameters() > 0

    def test_no_path(self):
        refused(None, "takes the path of a folder, not None", TypeError)

    def test_a_folder_of_the_name_of_the_weights(self, folder):
        (folder / WEIGHTS).unlink()
        (folder / WEIGHTS).mkdir()
        refused(folder, "has no model.safetensors: fetch it", FileNotFoundError)


class TestSettings:
    @pytest.mark.parametrize(
        ("setting", "value"),
        [
            ("model_type", "gpt_neo"),
            ("scale_attn_by_inverse_layer_idx", True),
            ("scale_attn_weights", False),
            ("add_cross_attention", True),
            ("quantization_config", {"bits": 4}),
            ("activation_function", "swish"),
            ("n_head", 5),
            ("n_head", 0),
            ("n_embd", "768"),
            ("n_layer", 2.0),
            ("n_positions", -1),
            ("vocab_size", True),
            ("resid_pdrop", 1.5),
            ("layer_norm_epsilon", "1e-5"),
            ("tie_word_embeddings", "yes"),
            ("activation_function", 3),
        ],
    )
    def test_what_we_have_not_is_named(self, folder, setting, value):
        refused(configured(folder, **{setting: value}), rf"config\.json says .*{setting} = ")

    def test_the_defaults_are_gpt2(self, folder):
        names = ["activation_function", "layer_norm_epsilon", "tie_word_embeddings", "n_inner"]
        same(GPT.from_pretrained(configured(folder, **dict.fromkeys(names, ...))), made())
        sizes = Sizes()
        assert sum(np.prod(shape) for shape in sizes.shapes().values()) == 124_439_808

    def test_other_names_of_the_sizes(self, folder):
        names = {"n_embd": ..., "n_head": ..., "n_layer": ..., "n_positions": ...}
        names |= {"hidden_size": D, "num_attention_heads": H, "num_hidden_layers": L}
        same(GPT.from_pretrained(configured(folder, **names, max_position_embeddings=T)), made())

    def test_names_of_the_same_function(self, folder):
        for name in ("gelu_pytorch_tanh", "gelu_fast", "gelu_new"):
            model = GPT.from_pretrained(configured(folder, activation_function=name))
            assert model.blocks[0].mlp.activation is gelu
        model = GPT.from_pretrained(configured(folder, activation_function="relu"))
        assert model.blocks[0].mlp.activation is relu

    def test_settings_that_change_nothing(self, folder):
        same(GPT.from_pretrained(configured(folder, quantization_config=None)), made())
        more = {"use_cache": True, "summary_type": "cls_index", "task_specific_params": {"x": 1}}
        same(GPT.from_pretrained(configured(folder, **more)), made())


def transposed(name):
    def change(arrays):
        for one in [n for n in arrays if n.endswith(name)]:
            arrays[one] = arrays[one].T.copy()

    return change


def without(*names):
    return lambda arrays: [arrays.pop(f"transformer.{name}") for name in names]


def renamed(name, other):
    return lambda arrays: arrays.update({other: arrays.pop(f"transformer.{name}")})


def prefixed(prefix):
    return lambda arrays: [arrays.update({prefix + n: arrays.pop(n)}) for n in list(arrays)]


class TestMisfits:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (
                transposed("c_fc.weight"),
                r"h\.0\.mlp\.c_fc\.weight looks transposed: \(48, 12\) and should be \(12, 48\), "
                r"and so do 1 more; GPT-2 keeps \(in, out\)",
            ),
            (
                transposed("c_attn.weight"),
                r"h\.0\.attn\.c_attn\.weight looks transposed: \(36, 12\)",
            ),
            (
                transposed("wte.weight"),
                r"wte\.weight looks transposed: \(12, 19\) and .* \(19, 12\)",
            ),
            (without("wte.weight"), r"lacks wte\.weight$"),
            (renamed("wte.weight", "lm_head.weight"), r"lacks wte\.weight$"),
            (without("ln_f.bias"), r"lacks ln_f\.bias$"),
            (
                without("h.1.mlp.c_fc.bias", "wpe.weight"),
                r"lacks wpe\.weight, h\.1\.mlp\.c_fc\.bias$",
            ),
            (
                renamed("ln_f.bias", "ln_f.biass"),
                r"lacks ln_f\.bias and holds ln_f\.biass, for which a GPT has no place "
                r"\(is ln_f\.biass meant to be ln_f\.bias\?\)",
            ),
            (lambda a: a.update(extra=np.zeros(3)), r"holds extra, for which a GPT has no place$"),
            (
                lambda a: [a.pop(n) for n in list(a) if ".h.1." in n],
                r"has 1 layer, and config\.json says n_layer = 2",
            ),
            (lambda a: a.clear() or a.update(w=np.zeros(2)), r"no weights of a GPT-2: .* are w$"),
            (lambda a: a.clear(), r"no weights of a GPT-2: its first names are none$"),
            (prefixed("_orig_mod."), "save the state of the model that torch.compile was given"),
            (prefixed("module."), "save the state of model.module, inside of DataParallel"),
            (
                lambda a: a.update({"transformer.ln_f.bias": np.zeros(D, int)}),
                r"ln_f\.bias in model.safetensors holds int64: weights are real numbers",
            ),
            (
                lambda a: a.update({"transformer.ln_f.bias": np.zeros((D, 1))}),
                r"ln_f\.bias is \(12, 1\) and should be \(12,\)",
            ),
            (
                lambda a: a.update({"lm_head.weight": np.ones((V, D))}),
                "lm_head.weight differs from wte.weight, and config.json ties them",
            ),
        ],
    )
    def test_weights(self, folder, change, told):
        refused(rewritten(folder, change), told)

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({"n_embd": 24}, r"has vectors of 12 numbers \(wte\.weight\), .* says n_embd = 24"),
            ({"vocab_size": 50_257}, r"has 19 rows in wte\.weight, .* says vocab_size = 50257"),
            ({"n_positions": 1024}, r"has 10 rows in wpe\.weight, .* says n_positions = 1024"),
            ({"n_layer": 12}, "has 2 layers, and config.json says n_layer = 12"),
            ({"n_layer": 10**12}, "has 2 layers, and config.json says n_layer = 10000"),
            (
                {"n_inner": 50},
                r"mlp\.c_fc\.weight is \(12, 48\) and .*n_inner in config.json right",
            ),
            ({"tie_word_embeddings": False}, r"lacks lm_head\.weight$"),
        ],
    )
    def test_sizes(self, folder, settings, told):
        refused(configured(folder, **settings), told)

    def test_the_sentence_alone(self):
        sizes = Sizes()
        shapes = sizes.shapes() | {"h.3.mlp.c_fc.weight": (3072, 768)}
        told = misfit(shapes, sizes, "w")
        assert told.startswith(
            "w: h.3.mlp.c_fc.weight looks transposed: (3072, 768) and should be (768, 3072);"
        )


class TestTokenizer:
    def test_it_comes_along(self, tmp_path):
        words, model = tokenizer(), made(V=260)
        model.save_pretrained(tmp_path, words)
        got = GPT.from_pretrained(tmp_path)
        assert got.tokenizer.encode("slow lower<|endoftext|>") == words.encode(
            "slow lower<|endoftext|>"
        )
        config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
        assert config["eos_token_id"] == config["bos_token_id"] == 259
        got.save_pretrained(tmp_path / "again")
        assert GPT.from_pretrained(tmp_path / "again").tokenizer.encode("lowest") == words.encode(
            "lowest"
        )
        got.save_pretrained(tmp_path / "bare", tokenizer=False)
        assert GPT.from_pretrained(tmp_path / "bare").tokenizer is None

    @pytest.mark.parametrize("said", ['"2"', "[1, 2.0]", "true"])
    def test_an_end_that_is_no_id(self, folder, said):
        (folder / "generation_config.json").write_text(f'{{"eos_token_id": {said}}}')
        with pytest.raises(ValueError, match="generation_config.json says eos_token_id = .* no to"):
            GPT.from_pretrained(folder)

    def test_without_one(self, folder):
        assert GPT.from_pretrained(folder).tokenizer is None
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        assert config["eos_token_id"] is None

    def test_it_belongs_to_another_model(self, folder, tmp_path):
        tokenizer().save_gpt2(folder)
        refused(folder, r"the tokenizer has the ids 0 to 259 and the model 19 rows: do they belong")
        same(GPT.from_pretrained(folder, tokenizer=False), made())
        with pytest.raises(ValueError, match="the tokenizer has the ids 0 to 259 and the model 19"):
            made().save_pretrained(tmp_path / "new", tokenizer())
        assert not (tmp_path / "new").exists()

    def test_damaged(self, tmp_path):
        made(V=260).save_pretrained(tmp_path, tokenizer())
        (tmp_path / "merges.txt").unlink()
        refused(tmp_path, r"merges.txt.*\(tokenizer=False reads the weights al", FileNotFoundError)
        (tmp_path / "merges.txt").write_text("q x\n", encoding="utf-8")
        refused(tmp_path, r"merge 0 .*\(tokenizer=False reads the weights alone\)$")

    @pytest.mark.parametrize("words", [CharTokenizer("abc"), BPETokenizer(), "gpt2"], ids=repr)
    def test_of_another_kind(self, tmp_path, words):
        with pytest.raises(ValueError, match="does not fit into GPT-2's files.*tokenizer=False"):
            made(V=260).save_pretrained(tmp_path / "new", words)
        assert not (tmp_path / "new").exists()


def with_positions(model):
    model.embed.positions = SinusoidalEmbedding(T, D)


def with_scale(model):
    model.embed.scale = True


def with_bias(model):
    model.head.bias = Parameter(np.ones(V, np.float32))


def with_more(model):
    model.blocks[0].mlp.gate = Parameter(np.ones(3, np.float32))


def with_another_bend(model):
    model.blocks[1].mlp.activation = relu


def with_silu(model):
    model.blocks[1].mlp.activation = silu


def with_another_eps(model):
    model.blocks[1].norm2.eps = 1e-3


def with_another_dropout(model):
    model.blocks[1].dropout.p = 0.5


def with_another_width(model):
    model.blocks[1].mlp = GPT(V, D, H, 1, T, hidden_dim=5).blocks[0].mlp


def with_other_heads(model):
    model.blocks[1].attention.num_heads = 2


def without_a_part(model):
    del model.blocks[0].attention.key


def with_another_block(model):
    model.blocks[1] = model.norm


def with_another_mlp(model):
    model.blocks[1].mlp = Sequential(Linear(D, D), ReLU())


def without_an_activation(model):
    del model.blocks[1].mlp.activation


def without_a_place(model):
    model.max_length = T - 1


def with_patched_head(model):
    model.head.forward = lambda x: x


PARTS = ["embed", "embed.tokens", "embed.positions", "embed.dropout", "norm", "head", "blocks.1"]
PARTS += ["blocks.0.norm1", "blocks.0.attention", "blocks.1.attention.value", "blocks.1.mlp"]
PARTS += ["blocks.1.attention.dropout", "blocks.1.dropout", "blocks.1.mlp.widen"]


class TestSaving:
    def test_a_bias_that_is_not_there_is_saved_as_zeros(self, tmp_path):
        model = tie_head(GPT(V, D, H, L, T, bias=False))
        model.save_pretrained(tmp_path)
        again, ids = GPT.from_pretrained(tmp_path), wrap(IDS)
        assert not again.blocks[0].attention.query.bias.array.any()
        np.testing.assert_allclose(again(ids).array, model(ids).array, atol=1e-6)

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (with_positions, "its positions are sinusoidal"),
            (with_scale, r"multiplies the tokens by sqrt\(embed_dim\)"),
            (with_bias, r"its head has a bias, .*: call tinytorch.pretrained.tie_head\(model\)"),
            (with_more, r"it has blocks\.0\.mlp\.gate, and GPT-2 has not"),
            (with_another_bend, "activation of block 1 differs"),
            (with_silu, "its activation is silu, and the format knows gelu"),
            (with_another_eps, "eps of block 1 differs"),
            (with_another_dropout, "dropout of block 1 differs"),
            (with_another_width, r"h\.1\.mlp\.c_fc\.weight is \(12, 5\), and .* want \(12, 48\)"),
            (with_other_heads, "num_heads of block 1 differs"),
            (without_a_part, "block 0 has no attention.key"),
            (without_an_activation, "a part of it is none of a GPT's .*activation"),
            (without_a_place, r"wpe\.weight is \(10, 12\), and the others want \(9, 12\)"),
        ],
    )
    def test_what_the_format_cannot_hold(self, tmp_path, change, told):
        model = made()
        change(model)
        with pytest.raises(ValueError, match=told) as caught:
            model.save_pretrained(tmp_path / "new")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "new").exists()

    def test_post_norm(self, tmp_path):
        with pytest.raises(ValueError, match="cannot hold this model: it is post-norm"):
            made(norm_first=False).save_pretrained(tmp_path)

    def test_a_forward_of_its_own(self, tmp_path):
        class Other(GPT):
            def forward(self, ids):
                return 2 * super().forward(ids)

        with pytest.raises(TypeError, match=r"Other has a forward of its own.*save_safetensors\("):
            Other(V, D, H, L, T).save_pretrained(tmp_path)

    @pytest.mark.parametrize("path", PARTS)
    def test_a_part_with_a_forward_of_its_own(self, tmp_path, path):
        model = made()
        part = dict(model.named_modules())[path]
        usual = type(part)
        part.__class__ = type("Own", (usual,), {"forward": lambda self, *x, **how: x[0]})
        told = rf"^{re.escape(path)} \({{}}\) has a forward of its own, or a hook, and GPT-2's"
        self.cannot_be_saved(model, tmp_path / "new", told.format("Own"))
        part.__class__ = type("Own", (usual,), {"__init__": print})
        model.save_pretrained(tmp_path)
        for change in (part.register_forward_hook, part.register_forward_pre_hook):
            handle = change(lambda *seen: None)
            self.cannot_be_saved(model, tmp_path / "new", told.format("Own"))
            handle.remove()

    def cannot_be_saved(self, model, folder, told):
        with pytest.raises(TypeError, match=told) as caught:
            model.save_pretrained(folder)
        assert "\n" not in str(caught.value) and not folder.exists()

    @pytest.mark.parametrize("change", [with_another_block, with_another_mlp, with_patched_head])
    def test_another_part(self, tmp_path, change):
        model = made()
        change(model)
        self.cannot_be_saved(model, tmp_path / "new", "has a forward of its own, or a hook, and")

    def test_layers_with_arguments_of_pytorch(self, tmp_path):
        model = made(tied=False)
        model.norm, model.head = nn.LayerNorm(D), nn.Linear(D, V, bias=False)
        model.embed.tokens, model.embed.dropout = nn.Embedding(V, D), nn.Dropout(0.0)
        model.save_pretrained(tmp_path)
        same(GPT.from_pretrained(tmp_path), model)

    def test_a_bias_of_zeros_is_none(self, tmp_path):
        """A fresh GPT: its head is not tied, and its bias is still 0."""
        model = GPT(V, D, H, L, T)
        model.save_pretrained(tmp_path)
        got = GPT.from_pretrained(tmp_path)
        assert got.head.bias is None
        same(got, model)

    def test_over_a_file(self, folder):
        with pytest.raises(ValueError, match="config.json is a file: name a folder"):
            made().save_pretrained(folder / "config.json")

    def test_over_an_older_model(self, folder):
        other = GPT(V, D, H, 1, T)
        other.save_pretrained(folder)
        same(GPT.from_pretrained(folder), other)

    def test_a_tokenizer_over_another_one(self, tmp_path):
        """What the files of the old one say does not count, and what is no such file stays."""
        for name in ("tokenizer.json", "added_tokens.json", "special_tokens_map.json"):
            (tmp_path / name).write_text('{"pad_token": "<pad>"}', encoding="utf-8")
        (tmp_path / "README.md").write_text("mine", encoding="utf-8")
        made(V=260).save_pretrained(tmp_path, tokenizer())
        names = ["README.md", "config.json", "merges.txt", WEIGHTS]
        names += ["tokenizer_config.json", "vocab.json"]
        assert sorted(path.name for path in tmp_path.iterdir()) == names
        assert GPT.from_pretrained(tmp_path).tokenizer.merges == tokenizer().merges

    def test_a_model_without_a_tokenizer_over_one_that_has_one(self, tmp_path):
        made(V=260).save_pretrained(tmp_path, tokenizer())
        files = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(ValueError, match="holds a tokenizer, and this .*from_gpt2.*False, whi"):
            made().save_pretrained(tmp_path)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
        made().save_pretrained(tmp_path, tokenizer=False)
        assert GPT.from_pretrained(tmp_path).tokenizer is None
        assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", WEIGHTS]

    @pytest.mark.parametrize(
        ("text", "stays"),
        [
            ('{"bos_token_id": null, "eos_token_id": null, "top_k": 5}', True),
            ('{"bos_token_id": null, "eos_token_id": 7}', False),
            ('{"eos_token_id"', False),
        ],
    )
    def test_other_ends_of_a_text(self, folder, text, stays):
        path = folder / "generation_config.json"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="cannot hold this model"):
            made(norm_first=False).save_pretrained(folder)
        assert path.read_text(encoding="utf-8") == text
        made().save_pretrained(folder)
        assert path.exists() == stays

    def test_the_layout(self, folder):
        """The names, the order (in, out), and query, key and value side by side."""
        model = made()
        with open_safetensors(folder / WEIGHTS) as file:
            assert file.metadata == {"format": "pt"}
            assert {n.removeprefix("transformer."): file.shape(n) for n in file} == Sizes(
                V, T, D, L, H
            ).shapes()
            packed = file.array("transformer.h.1.attn.c_attn.weight")
            wide = file.array("transformer.h.0.mlp.c_fc.weight")
        attention = model.blocks[1].attention
        parts = [part.weight.array.T for part in (attention.query, attention.key, attention.value)]
        assert np.array_equal(packed, np.hstack(parts))
        assert np.array_equal(wide, model.blocks[0].mlp.widen.weight.array.T)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        wanted = {"model_type": "gpt2", "n_embd": D, "n_inner": None, "dtype": "float32"}
        assert config.items() >= wanted.items()


MEASURE = """
import tracemalloc, sys
from pathlib import Path
from tinytorch.transformers import GPT
import tinytorch.pretrained
tracemalloc.start()
GPT.from_pretrained(sys.argv[1])
most = tracemalloc.get_traced_memory()[1]
print(most / (Path(sys.argv[1]) / "model.safetensors").stat().st_size)
"""


def test_memory(tmp_path):
    """Reading takes the model and one tensor: 16 layers of 200,000 numbers, one after the other."""
    tie_head(GPT(50, 128, 2, 16, 16)).save_pretrained(tmp_path)
    run = [sys.executable, "-c", MEASURE, str(tmp_path)]
    said = subprocess.run(run, capture_output=True, text=True, check=True)
    assert 1 < float(said.stdout) < 1.3


BUILD = """
import sys
import numpy as np
from pathlib import Path
from tinytorch.io import save_safetensors
from tinytorch.pretrained import Sizes
folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
shapes = Sizes().shapes()
arrays = {n: 0.02 * rng.standard_normal(s, dtype=np.float32) for n, s in shapes.items()}
save_safetensors(arrays, folder / "model.safetensors")
(folder / "config.json").write_text('{"model_type": "gpt2"}')
"""
READ = """
import resource, sys, time
from pathlib import Path
from tinytorch.transformers import GPT
def peak():
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    told = Path("/proc/self/status").read_text()  # ru_maxrss begins with the parent's there
    return int(told.split("VmHWM:")[1].split()[0]) * 1024
start = time.process_time()
model = GPT.from_pretrained(sys.argv[1])
seconds = time.process_time() - start
size = (Path(sys.argv[1]) / "model.safetensors").stat().st_size
print(model.num_parameters(), seconds, peak() / size)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="resource is there on POSIX alone")
def test_gpt2_in_full_size(tmp_path):
    """124 million numbers, 475 MiB: seconds of a processor, and all memory of the process."""
    for program in (BUILD, READ):
        run = [sys.executable, "-c", program, str(tmp_path)]
        said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    (tmp_path / "model.safetensors").unlink()
    count, seconds, share = map(float, said.split())
    print(f"{seconds:.2f} s of a processor, {share:.2f} times the file")
    assert count == 124_439_808
    assert seconds < 15
    assert 1 < share < 2
