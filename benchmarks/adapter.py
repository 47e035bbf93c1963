"""TinyTorch as an outside judge drives it: `make(cfg, params, threads)`.

The judge brings sizes and weights, (in, out) as it has them, and asks for steps of training and for
text; its workloads and rules are its own. `benchmarks/gpt.py` needs nothing of this.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from gpt import TinyTorch

from tinytorch.kv_caching import CachedGPT, generate_cached
from tinytorch.transformers import pick_next

PARTS = {  # our name of a layer in a block -> the judge's
    "attention.output": "proj",
    "mlp.widen": "fc1",
    "mlp.narrow": "fc2",
}


def weights(cfg, params):
    """The judge's weights under the names that the GPT of module 13 has."""
    width = cfg["D"]
    found = {
        "embed.tokens.weight": params["wte"],
        "embed.positions.weight": params["wpe"],
        "norm.weight": params["lnf_g"],
        "norm.bias": params["lnf_b"],
        "head.weight": params["head_w"].T,
        "head.bias": params["head_b"],
    }
    for n in range(cfg["L"]):
        block = f"blocks.{n}."
        for k, name in enumerate(("query", "key", "value")):
            columns = slice(k * width, (k + 1) * width)
            found[f"{block}attention.{name}.weight"] = params[f"{n}.qkv_w"][:, columns].T
            found[f"{block}attention.{name}.bias"] = params[f"{n}.qkv_b"][columns]
        for ours, theirs in PARTS.items():
            found[f"{block}{ours}.weight"] = params[f"{n}.{theirs}_w"].T
            found[f"{block}{ours}.bias"] = params[f"{n}.{theirs}_b"]
        for norm in ("1", "2"):
            found[f"{block}norm{norm}.weight"] = params[f"{n}.ln{norm}_g"]
            found[f"{block}norm{norm}.bias"] = params[f"{n}.ln{norm}_b"]
    return found


class Program(TinyTorch):
    """The step of `gpt.py`, from given weights; and writing."""

    def __init__(self, cfg, params, threads):
        super().__init__(cfg, threads, cfg["lr"])
        self.model.load_state_dict(weights(cfg, params))

    def generate(self, prompt, n, cache, greedy):
        """The prompt and n more ids; without a cache the whole window is read for each of them."""
        temperature = 0 if greedy else 1
        if cache:
            return generate_cached(self.model, [list(prompt)], n, temperature).array[0].tolist()
        reader, text = CachedGPT(self.model), np.array([prompt])
        keys = reader.new_cache()
        for _ in range(n):
            keys.clear()  # nothing is remembered
            logits = reader.read(text[:, -reader.max_length :], keys)
            text = np.concatenate([text, pick_next(logits, temperature)[:, None]], axis=1)
        return text[0].tolist()


def make(cfg, params, threads):
    """What the judge calls."""
    return Program(cfg, params, threads)
