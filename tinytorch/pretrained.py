"""A GPT-2 in the files of Hugging Face's `transformers`, read into the GPT of module 13 and back.

A folder holds config.json (the sizes), model.safetensors (the numbers; large ones are cut into
several files, with a list in model.safetensors.index.json), and vocab.json with merges.txt (the
tokenizer). The model is the same as ours, under other names; three things differ. Its layers keep
their weights as (in, out), where a `Linear` has (out, in). Query, key and value are one layer,
`c_attn`, side by side. And its head is the table of the tokens once more, without a bias.

Nothing here imports module 13, and nothing is fetched from a network.
"""

import contextlib
import dataclasses
import difflib
import inspect
import json
import re
from pathlib import Path

import numpy as np

from .activations import gelu, gelu_exact, relu
from .bytepairs import FILES, OLDER, remove_files
from .generation import computes_as
from .io import open_safetensors, save_safetensors
from .tensor import numpy_generator
from .training import write_whole

__all__ = ["Sizes", "load_gpt2", "save_gpt2", "tie_head"]

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
GENERATION, VOCABULARY = "generation_config.json", ("vocab.json", "merges.txt", "tokenizer.json")
BENDS = {  # name in config.json -> the function; of those with one function the first is written
    "gelu_new": gelu,
    "gelu_pytorch_tanh": gelu,
    "gelu_fast": gelu,
    "relu": relu,
    "gelu": gelu_exact,
}
ALIASES = {  # GPT-2's name of a size -> the one that other models have for it
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_layer": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
}
ONLY = {  # settings that change what is computed -> the value that our GPT computes with
    "model_type": "gpt2",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "quantization_config": None,
}
BLOCK = {  # name of a layer inside a block -> ours
    "ln_1": ("norm1",),
    "attn.c_attn": ("attention.query", "attention.key", "attention.value"),
    "attn.c_proj": ("attention.output",),
    "ln_2": ("norm2",),
    "mlp.c_fc": ("mlp.widen",),
    "mlp.c_proj": ("mlp.narrow",),
}
KINDS = {  # a part of our GPT -> the class of the course that computes it
    "embed": "TokenAndPosition",
    "tokens": "Embedding",
    "positions": "PositionalEmbedding",
    "dropout": "Dropout",
    "attention": "MultiHeadAttention",
    "mlp": "MLP",
    **dict.fromkeys(("norm", "norm1", "norm2"), "LayerNorm"),
    **dict.fromkeys(("query", "key", "value", "output", "widen", "narrow", "head"), "Linear"),
}
KNOWN = re.compile(r"(wte|wpe|ln_f|lm_head|h\.(\d{1,9}))\.")  # how a name of GPT-2 begins
BUFFERS = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")  # masks, which are no weights
PREFIX = "transformer."
WRAPPED = {  # what PyTorch's wrappers write before each name -> where the names are without it
    "_orig_mod.": "the model that torch.compile was given",
    "module.": "model.module, inside of DataParallel",
}


# -- the sizes
@dataclasses.dataclass(frozen=True)
class Sizes:
    """What config.json says of a GPT-2; the names and defaults are those of the file.

    Source: Radford et al. 2019; `GPT2Config` of `transformers`.
    """

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None  # the width inside the MLP; None: 4 n_embd
    activation_function: str = "gelu_new"
    embd_pdrop: float = 0.1
    attn_pdrop: float = 0.1
    resid_pdrop: float = 0.1
    layer_norm_epsilon: float = 1e-5
    tie_word_embeddings: bool = True

    @property
    def hidden(self):
        """The width inside the MLP."""
        return self.n_inner or 4 * self.n_embd

    def shapes(self):
        """GPT-2's name of every weight -> its shape, without the prefix."""
        D, wide = self.n_embd, self.hidden
        shapes = {"wte.weight": (self.vocab_size, D), "wpe.weight": (self.n_positions, D)}
        matrices = {"attn.c_attn": (D, 3 * D), "attn.c_proj": (D, D)}
        matrices |= {"mlp.c_fc": (D, wide), "mlp.c_proj": (wide, D)}
        for layer in range(self.n_layer):
            for part in BLOCK:
                shape = matrices.get(part, (D,))  # a norm has a number for each place of a token
                shapes[f"h.{layer}.{part}.weight"] = shape
                shapes[f"h.{layer}.{part}.bias"] = shape[-1:]
        shapes |= {"ln_f.weight": (D,), "ln_f.bias": (D,)}
        if not self.tie_word_embeddings:
            shapes["lm_head.weight"] = (self.vocab_size, D)
        return shapes


def read_sizes(folder):
    """The Sizes in a folder's config.json.

    Raises:
        ValueError: it is damaged, or says something that our GPT cannot do; names the setting.
    """
    path = folder / CONFIG
    config = _json(path)
    for name, only in ONLY.items():
        if config.get(name) not in (None, only):
            told = f"{name} = {config[name]!r}, and a GPT here can only do {only!r}"
            raise ValueError(f"{path} says {told}")
    given = {}
    for field in dataclasses.fields(Sizes):
        found = config.get(field.name, config.get(ALIASES.get(field.name)))
        given[field.name] = field.default if found is None else found
        if found is not None and not _sensible(field.name, found):
            raise ValueError(f"{path} says {field.name} = {found!r}, which makes no sense")
    sizes = Sizes(**given)
    if sizes.n_embd % sizes.n_head:
        told = f"n_embd = {sizes.n_embd} and n_head = {sizes.n_head}, which does not divide it"
        raise ValueError(f"{path} says {told}")
    if sizes.activation_function not in BENDS:
        told = f"activation_function = {sizes.activation_function!r}, and here are"
        raise ValueError(f"{path} says {told} {', '.join(BENDS)}")
    return sizes


def read_ends(folder, vocab_size):
    """The token ids that end a text: None, one, or a list, as `generate` takes eos_token_id.

    They stand in generation_config.json, and where there is none in config.json, where a missing
    one means GPT-2's own.

    Raises:
        ValueError: the file is damaged, or these are no ids.
    """
    path = folder / GENERATION
    missing = None
    if not path.exists():
        path, missing = folder / CONFIG, 50256
    said = _json(path).get("eos_token_id", missing)
    ends = said if isinstance(said, list) else [said]
    if not all(end is None or type(end) is int for end in ends):
        raise ValueError(f"{path} says eos_token_id = {said!r}, which is no token id")
    ends = [end for end in ends if end is not None and 0 <= end < vocab_size]
    return ends if len(ends) > 1 else ends[0] if ends else None


def _sensible(name, value):
    """Whether a setting can have a value: sizes from 1 on, shares from 0 to 1, true or false."""
    if name.startswith("n_") or name == "vocab_size":
        return type(value) is int and value >= 1
    if name.endswith(("_pdrop", "_epsilon")):
        return type(value) in (int, float) and 0 <= value <= 1
    return isinstance(value, bool if name.startswith("tie_") else str)


def _json(path):
    """The dictionary in a JSON file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows' editors write a BOM
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is cut short, or no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, and not names with values")
    return content


# -- the files
class Weights:
    """The tensors of a folder under GPT-2's names without the prefix; each is read when asked for.

    Args:
        folder: with model.safetensors, or the list of several files.
        stack: an ExitStack that closes the files.

    Attributes:
        label: what the file or the list is called in the errors.
        shapes: dictionary, name -> shape.
    """

    def __init__(self, folder, stack):
        places = {}
        if (folder / WEIGHTS).is_file():
            self.label, file = WEIGHTS, stack.enter_context(open_safetensors(folder / WEIGHTS))
            places = dict.fromkeys(file, file)
        else:
            self.label, files = INDEX, {}
            for name, where in _listed(folder).items():
                if where not in files:
                    files[where] = stack.enter_context(open_safetensors(folder / where))
                if name not in files[where]:
                    raise ValueError(f"{INDEX} says that {name} is in {where}, and it is not there")
                places[name] = files[where]
        self.places = {}  # name without the prefix -> (file, its name there)
        for name, file in places.items():
            short = name.removeprefix(PREFIX)
            if short in self.places:
                raise ValueError(f"{self.label} holds {short} twice, with and without {PREFIX}")
            if not BUFFERS.fullmatch(short):
                self.places[short] = file, name
        self.shapes = {short: file.shape(name) for short, (file, name) in self.places.items()}

    def array(self, name):
        """The numbers, float64 or float32.

        Raises:
            ValueError: they are no real numbers.
        """
        file, full = self.places[name]
        array = file.array(full)
        if array.dtype.kind != "f":
            raise ValueError(f"{name} in {file.name} holds {array.dtype}: weights are real numbers")
        return array


def _listed(folder):
    """Name of a tensor -> name of its file, from the list of a model in several files."""
    path = folder / INDEX
    if not path.is_file():
        raise FileNotFoundError(_no_weights(folder))
    places = _json(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{path} has no weight_map: it should say which tensor is in which file")
    for where in sorted({str(where) for where in places.values()}):
        if Path(where).name != where:
            raise ValueError(f"{path} names the file {where!r}, which is not in its own folder")
        if not (folder / where).is_file():
            raise FileNotFoundError(f"{path} names {where}, which is not there: fetch it as well")
    return places


def _no_weights(folder):
    """The sentence for a folder without safetensors files of the usual names."""
    names = sorted(path.name for path in folder.iterdir())
    pickles = [name for name in names if name.endswith((".bin", ".pt", ".pth", ".ckpt"))]
    told = f"{folder} has no {WEIGHTS}"
    if pickles:
        return (
            f"{told}, only {pickles[0]}, a pickle, which can run any code and is not opened here: "
            f"convert it once, where torch is, with `from transformers import GPT2LMHeadModel as G;"
            f" G.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})`"
        )
    if others := [n for n in names if n.endswith(".safetensors") and n != WEIGHTS]:
        return f"{told} and no {INDEX}, only {', '.join(others[:4])}: rename it if it is the model"
    return f"{told}: fetch it from where {CONFIG} came from"


def _checked_folder(folder):
    """The folder as a Path, if there is one with a config.json."""
    try:
        folder = Path(folder).expanduser()
    except TypeError:
        raise TypeError(f"from_pretrained takes the path of a folder, not {folder!r:.40}") from None
    if folder.is_file():
        raise ValueError(f"{folder} is a file: name the folder that holds it, with {CONFIG}")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(folder)!r}, and nothing is fetched from the network: get "
            f"{CONFIG}, {WEIGHTS}, vocab.json and merges.txt of the model, into one folder"
        )
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(
            f"{folder} has no {CONFIG}, which says how large the model is: is it the right folder?"
        )
    return folder


# -- does it fit?
def misfit(found, sizes, label):
    """One sentence that says why weights do not fit what config.json says; None if they do.

    Args:
        found: dictionary, name without prefix -> shape.
        sizes: Sizes.
        label: the name of the weights' file.

    >>> sizes = Sizes(vocab_size=7, n_positions=5, n_embd=4, n_layer=1, n_head=2)
    >>> misfit(sizes.shapes(), sizes, "w")
    >>> misfit(sizes.shapes() | {"wte.weight": (7, 8)}, sizes, "w")
    'w has vectors of 8 numbers (wte.weight), and config.json says n_embd = 4'
    """
    if not any(KNOWN.match(name) for name in found):
        names = ", ".join(list(found)[:3]) or "none"
        strange = next((w for w in WRAPPED if any(name.startswith(w) for name in found)), None)
        advice = f": save the state of {WRAPPED[strange]} instead" if strange else ""
        return f"{label} holds no weights of a GPT-2: its first names are {names}{advice}"
    layers = {int(match[2]) for match in map(KNOWN.match, found) if match and match[2]}
    count = 1 + max(layers, default=-1)
    if count != sizes.n_layer:
        told = f"{count} layer{'s' * (count != 1)}"
        return f"{label} has {told}, and config.json says n_layer = {sizes.n_layer}"
    wanted = sizes.shapes()
    wrong = [name for name in wanted if name in found and found[name] != wanted[name]]
    if wrong:
        return _misshaped(found, wanted, wrong, label)
    missing = [name for name in wanted if name not in found]
    left = [name for name in found if name not in wanted]
    if "lm_head.weight" in left and found["lm_head.weight"] == wanted["wte.weight"]:
        left.remove("lm_head.weight")  # the table once more
    if not missing and not left:
        return None
    parts = [f"lacks {_some(missing)}"] if missing else []
    parts += [f"holds {_some(left)}, for which a GPT has no place"] if left else []
    near = difflib.get_close_matches(missing[0], left, 1) if missing and left else ()
    advice = f" (is {near[0]} meant to be {missing[0]}?)" if near else ""
    return f"{label} {' and '.join(parts)}{advice}"


def _misshaped(found, wanted, wrong, label):
    """The sentence for weights of other shapes than wanted."""
    first = wrong[0]
    is_table = first in ("wte.weight", "wpe.weight", "lm_head.weight") and len(found[first]) == 2
    if is_table and found[first] != wanted[first][::-1]:
        (rows, width), (want_rows, want_width) = found[first], wanted[first]
        setting = "n_positions" if first == "wpe.weight" else "vocab_size"
        has, says = f"{rows:,} rows in {first}", f"{setting} = {want_rows}"
        if width != want_width:
            has, says = f"vectors of {width:,} numbers ({first})", f"n_embd = {want_width}"
        return f"{label} has {has}, and config.json says {says}"
    turned = [n for n in wrong if len(wanted[n]) == 2 and found[n] == wanted[n][::-1]]
    if turned:
        n = turned[0]
        more = f", and so do {len(turned) - 1} more" if len(turned) > 1 else ""
        return (
            f"{label}: {n} looks transposed: {found[n]} and should be {wanted[n]}{more}; GPT-2 "
            "keeps (in, out) where an nn.Linear has (out, in)"
        )
    told = [f"{n} is {found[n]} and should be {wanted[n]}" for n in wrong]
    hint = ": is n_inner in config.json right?" if "mlp." in first else ""
    return f"{label}: {_some(told, most=3)}{hint}"


def _some(names, most=4):
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


# -- one model, two sets of names
def paired(model):
    """GPT-2's name of each weight, with ours.

    Returns:
        A list of (name, owners, kind, turned): the modules whose `kind`, "weight" or "bias", stand
        there side by side, and whether each is (out, in) here and (in, out) there.
    """
    embed = model.embed
    rows = [("wte.weight", [embed.tokens], "weight", False)]
    rows += [("wpe.weight", [embed.positions], "weight", False)]
    for layer, block in enumerate(model.blocks):
        parts = dict(block.named_modules())
        for part, paths in BLOCK.items():
            if lost := [path for path in paths if path not in parts]:
                raise ValueError(f"block {layer} has no {lost[0]}: it is not the block of a GPT")
            owners = [parts[path] for path in paths]
            turned = not part.startswith("ln_")
            rows += [(f"h.{layer}.{part}.weight", owners, "weight", turned)]
            rows += [(f"h.{layer}.{part}.bias", owners, "bias", False)]
    rows += [(f"ln_f.{kind}", [model.norm], kind, False) for kind in ("weight", "bias")]
    if model.head.weight is not embed.tokens.weight:
        rows += [("lm_head.weight", [model.head], "weight", False)]
    return rows


def tie_head(model):
    """Let the head of a GPT read its scores off the table of the tokens, as in GPT-2.

    logits = x @ tokens.weight.T: one array in two places, trained from both, and no bias. Call it
    before the optimizer is made.

    Args:
        model: a GPT; its head's weight and bias are forgotten.

    Returns:
        The model.

    Source: Press & Wolf 2016; Radford et al. 2018.

    >>> from tinytorch.transformers import GPT
    >>> tie_head(GPT(vocab_size=68)).num_parameters()  # without the head's 68 * 64 + 68
    162624
    """
    model.head.weight, model.head.bias = model.embed.tokens.weight, None
    return model


# -- reading
def load_gpt2(kind, folder, tokenizer=True):
    """A GPT with the weights of a folder, in eval mode; see `GPT.from_pretrained`.

    The weights are read one after the other, so that little more memory is used than they take.

    Args:
        kind: the class, GPT.
        folder: with config.json and model.safetensors.
        tokenizer: whether to read the tokenizer too, if its files are there.
    """
    folder = _checked_folder(folder)
    sizes = read_sizes(folder)
    with contextlib.ExitStack() as stack:
        weights = Weights(folder, stack)
        if why := misfit(weights.shapes, sizes, weights.label):
            raise ValueError(f"{folder}: {why}")
        ends = read_ends(folder, sizes.vocab_size)
        words = _read_tokenizer(folder, sizes) if tokenizer else None
        model = _small_model(kind, sizes)
        for name, owners, what, turned in paired(model):
            parts = np.split(weights.array(name), len(owners), axis=-1)
            for owner, part in zip(owners, parts):
                getattr(owner, what).array = np.ascontiguousarray(part.T if turned else part)
        _check_tie(weights, model)
    model.tokenizer, model.eos_token_id = words, ends
    return _grown(model, sizes).eval()


def _small_model(kind, sizes):
    """A GPT with the right parts and no numbers in them yet: its widths are as small as can be.

    A model in full size would first draw millions of numbers, only to forget them.
    """
    names = {"vocab_size": 1, "embed_dim": sizes.n_head, "num_heads": sizes.n_head}
    names |= {"num_layers": sizes.n_layer, "max_length": 1}
    try:
        inspect.signature(kind).bind(**names)
    except TypeError as error:
        raise TypeError(
            f"{kind.__name__}.from_pretrained makes a {kind.__name__} with {', '.join(names)}, and "
            f"its __init__ does not take them ({error}): give it GPT's arguments, or read a GPT"
        ) from None
    state = numpy_generator().bit_generator.state
    model = kind(**names)
    numpy_generator().bit_generator.state = state  # as if nothing had been drawn
    if sizes.tie_word_embeddings:
        return tie_head(model)
    model.head.bias = None
    return model


def _grown(model, sizes):
    """The same model after its arrays were put in: what its parts say of their sizes, made true."""
    wide, embed = sizes.n_embd, model.embed
    model.max_length = embed.positions.max_length = sizes.n_positions
    embed.embed_dim = embed.positions.embed_dim = embed.tokens.embedding_dim = wide
    embed.tokens.num_embeddings, embed.dropout.p = sizes.vocab_size, sizes.embd_pdrop
    linear = [model.head]
    for block in model.blocks:
        attention, mlp = block.attention, block.mlp
        attention.embed_dim, attention.dropout.p = wide, sizes.attn_pdrop
        block.dropout.p, mlp.activation = sizes.resid_pdrop, BENDS[sizes.activation_function]
        block.norm1.eps = block.norm2.eps = sizes.layer_norm_epsilon
        linear += [attention.query, attention.key, attention.value, attention.output]
        linear += [mlp.widen, mlp.narrow]
    for layer in linear:
        layer.out_features, layer.in_features = layer.weight.shape
    model.norm.eps = sizes.layer_norm_epsilon
    for parameter in model.parameters():  # all of one type: that of the table
        parameter.array = parameter.array.astype(embed.tokens.weight.dtype, copy=False)
    return model


def _check_tie(weights, model):
    """Refuse a head that is written down apart from the table it should be, and differs from it."""
    if "lm_head.weight" not in weights.shapes or model.head.weight is not model.embed.tokens.weight:
        return
    if not np.array_equal(weights.array("lm_head.weight"), model.head.weight.array):
        raise ValueError(
            f"{weights.label}: lm_head.weight differs from wte.weight, and config.json ties them: "
            "write tie_word_embeddings = false there if they shall be two"
        )


def _read_tokenizer(folder, sizes):
    """The folder's BPETokenizer; None if there are no files of one."""
    from .tokenization import BPETokenizer

    if not any((folder / name).exists() for name in VOCABULARY):
        return None
    try:
        words = BPETokenizer.from_gpt2(folder)
    except (ValueError, FileNotFoundError) as error:
        told = f"{error} (tokenizer=False reads the weights alone)"
        raise type(error)(told) from None
    _check_ids(words, sizes.vocab_size)
    return words


def _check_ids(words, rows):
    """Refuse a tokenizer that has ids without a row in the table."""
    if words.vocab_size > rows:
        told = (
            f"the tokenizer has the ids 0 to {words.vocab_size - 1:,} and the model {rows:,} rows"
        )
        raise ValueError(f"{told}: do they belong together? (tokenizer=False goes without it)")


# -- writing
def save_gpt2(model, folder, tokenizer=None):
    """Write a GPT as a folder that `transformers` opens; see `GPT.save_pretrained`.

    What would contradict it is removed from the folder: with a tokenizer, the files of another
    one (`bytepairs.OLDER`); with tokenizer=False, all files of a tokenizer; and a
    generation_config.json with other ends of a text. No other file is touched.

    Args:
        model: a GPT.
        folder: where to; it is made if it is not there.
        tokenizer: a BPETokenizer; None is the model's own, if it has one; False is none.

    Raises:
        ValueError, TypeError: the format cannot hold the model or the tokenizer; or the folder
            holds a tokenizer, and nobody said whether it is that of the model. Nothing is changed.
    """
    folder, words = Path(folder).expanduser(), tokenizer
    if words is None:
        words = getattr(model, "tokenizer", None)
    _check_place(folder, words)
    sizes = _sizes_of(model)
    config = _config_of(sizes, words or None, str(model.norm.weight.dtype))
    if (ends := getattr(model, "eos_token_id", None)) is not None:
        config["eos_token_id"] = ends
    arrays = {}
    for name, owners, what, turned in paired(model):
        parts = [_numbers(owner, what) for owner in owners]
        parts = [part.T if turned else part for part in parts]
        full = name if name.startswith("lm_head") else PREFIX + name
        arrays[full] = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
    folder.mkdir(parents=True, exist_ok=True)
    if words:
        words.save_gpt2(folder)
    elif words is False:
        remove_files(folder, FILES + OLDER)
    if _ends_otherwise(folder / GENERATION, config):
        remove_files(folder, [GENERATION])
    save_safetensors(arrays, folder / WEIGHTS, {"format": "pt"})
    write_whole(folder / CONFIG, [json.dumps(config, indent=2).encode("utf-8") + b"\n"])


def _check_place(folder, words):
    """Refuse a file, and a folder with a tokenizer of which nobody said whose it is."""
    if folder.is_file():
        raise ValueError(f"{folder} is a file: name a folder")
    if words is None and any((folder / name).exists() for name in VOCABULARY):
        raise ValueError(
            f"{folder} holds a tokenizer, and this model has none: if it is the model's, pass "
            f"tokenizer=BPETokenizer.from_gpt2({str(folder)!r}), else tokenizer=False, which "
            "removes it"
        )


def _ends_otherwise(path, config):
    """Whether there is a generation_config.json with other ends of a text than a config's."""
    try:
        found = _json(path) if path.is_file() else config
    except ValueError:
        return True
    return any(found.get(name) != config[name] for name in ("bos_token_id", "eos_token_id"))


def _numbers(layer, kind):
    """The weight or bias of a layer as an array; zeros for a bias that it has not."""
    if kind == "bias" and layer.bias is None:
        return np.zeros(layer.weight.shape[0], layer.weight.dtype)
    return getattr(layer, kind).array


def _config_of(sizes, words, dtype):
    """What config.json says; refuses a tokenizer that its files cannot hold."""
    end = None
    if words is not None:
        if getattr(words, "pattern", None) != "gpt2":
            raise ValueError(
                f"{words!r} does not fit into GPT-2's files, which hold a "
                "BPETokenizer(pattern='gpt2'): tokenizer=False saves the weights alone"
            )
        _check_ids(words, sizes.vocab_size)
        end = words.special_ids.get("<|endoftext|>")
    config = {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "dtype": dtype}
    config |= dataclasses.asdict(sizes) | {"bos_token_id": end, "eos_token_id": end}
    return config


def _sizes_of(model):
    """The Sizes of a GPT.

    Raises:
        ValueError, TypeError: GPT-2's format cannot hold it; says what is in the way.
    """
    if name := _computing_otherwise(model):
        raise TypeError(
            f"{name} has a forward of its own, or a hook, and GPT-2's format holds numbers for "
            "GPT's alone: use tinytorch.io.save_safetensors(model.state_dict(), path)"
        )
    try:
        if why := _in_the_way(model):
            raise ValueError(f"GPT-2's format cannot hold this model: {why}")
        sizes = _measured(model)
        if why := _odd_blocks(model, sizes):
            raise ValueError(f"GPT-2's format cannot hold this model: {why}")
    except AttributeError as error:
        told = f"a part of it is none of a GPT's ({error})"
        raise ValueError(f"GPT-2's format cannot hold this model: {told}") from None
    return sizes


def _computing_otherwise(model):
    """The name of the first part that computes otherwise than a GPT's; None if none does."""
    homes = [kind for kind in type(model).__mro__ if "save_pretrained" in vars(kind)]
    if not homes or not computes_as(model, homes[-1]):
        return type(model).__name__
    for path, part in model.named_modules():
        *above, name = path.split(".")
        name = "TransformerBlock" if above == ["blocks"] else KINDS.get(name)
        places = "tinytorch.", homes[-1].__module__  # in a notebook they stand beside its GPT
        kinds = (kind for kind in type(part).__mro__ if kind.__module__.startswith(places))
        same = (kind.__name__ == name and computes_as(part, kind) for kind in kinds)
        if name and not any(same):
            return f"{path} ({type(part).__name__})"
    return None


def _measured(model):
    """The Sizes of a GPT, from its parts; the first block speaks for all."""
    bends = {bend: name for name, bend in reversed(BENDS.items())}
    block, (rows, width) = model.blocks[0], model.embed.tokens.weight.shape
    hidden = block.mlp.widen.weight.shape[0]
    return Sizes(
        vocab_size=rows,
        n_positions=model.max_length,
        n_embd=width,
        n_layer=len(model.blocks),
        n_head=block.attention.num_heads,
        n_inner=None if hidden == 4 * width else hidden,
        activation_function=bends[block.mlp.activation],
        embd_pdrop=model.embed.dropout.p,
        attn_pdrop=block.attention.dropout.p,
        resid_pdrop=block.dropout.p,
        layer_norm_epsilon=model.norm.eps,
        tie_word_embeddings=model.head.weight is model.embed.tokens.weight,
    )


def _in_the_way(model):
    """What GPT-2's format cannot say of a model; None if nothing."""
    head, embed = model.head, model.embed
    if not all(block.norm_first for block in model.blocks):
        return "it is post-norm, and GPT-2 is pre-norm: make it with norm_first=True"
    bends = [block.mlp.activation for block in model.blocks]
    if strange := [bend for bend in bends if bend not in BENDS.values()]:
        name = getattr(strange[0], "__name__", strange[0])
        return f"its activation is {name}, and the format knows gelu, gelu_exact and relu"
    if not any(own is embed.positions.weight for own in model.parameters()):
        return "its positions are sinusoidal, and GPT-2 learns a table: positions='learned'"
    if embed.scale:
        return "it multiplies the tokens by sqrt(embed_dim), and GPT-2 does not: scale=False"
    if head.bias is not None and head.bias.array.any():
        return (
            "its head has a bias, and GPT-2's has none: call tinytorch.pretrained.tie_head(model) "
            "before training, or set model.head.bias = None and train on"
        )
    rows = paired(model)
    held = {id(getattr(owner, kind)) for _, owners, kind, _ in rows for owner in owners}
    more = [n for n, p in model.named_parameters() if id(p) not in held and p is not head.bias]
    return f"it has {_some(more)}, and GPT-2 has not" if more else None


def _odd_blocks(model, sizes):
    """What differs from block to block, and the format says once; None if nothing."""
    for layer, block in enumerate(model.blocks):
        norms = {block.norm1.eps, block.norm2.eps}
        facts = {
            "num_heads": (block.attention.num_heads, sizes.n_head),
            "activation": (BENDS[sizes.activation_function], block.mlp.activation),
            "attention.dropout": (block.attention.dropout.p, sizes.attn_pdrop),
            "dropout": (block.dropout.p, sizes.resid_pdrop),
            "eps": (norms, {sizes.layer_norm_epsilon}),
        }
        if odd := [name for name, (one, other) in facts.items() if one != other]:
            return f"{odd[0]} of block {layer} differs from the others', and GPT-2 has one for all"
    shapes = sizes.shapes()
    for name, owners, kind, turned in paired(model):
        array = _numbers(owners[0], kind)
        *rest, last = array.T.shape if turned else array.shape
        if (*rest, last * len(owners)) != shapes[name]:
            return f"{name} is {(*rest, last * len(owners))}, and the others want {shapes[name]}"
    return None
