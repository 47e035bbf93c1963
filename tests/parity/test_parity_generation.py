"""Generation against `transformers`: a tiny GPT-2 in float64 and ours with the same weights.

`transformers` turns logits into float32 before it picks; the seeds here meet no tie.
"""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.generation import Settings
from tinytorch.kv_caching import generate_cached
from tinytorch.tensor import Generator, wrap
from tinytorch.transformers import (
    GPT,
    WholeText,
    beam_search,
    repetition_penalty_filter,
    top_k_filter,
    top_p_filter,
)

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
process = pytest.importorskip("transformers.generation.logits_process")

V, D, H, L, T = 17, 12, 3, 2, 24


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads of torch that wait for each other on a busy machine take 20 times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pair(seed=0, std=0.4, V=V):
    """A GPT-2 of `transformers` in float64 with weights drawn, and a GPT with the same."""
    sizes = {"vocab_size": V, "n_positions": T, "n_embd": D, "n_layer": L, "n_head": H}
    config = transformers.GPT2Config(**sizes, bos_token_id=None, eos_token_id=None)
    theirs = transformers.GPT2LMHeadModel(config).double().eval()
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            centre = 1.0 if ".ln_" in name and name.endswith("weight") else 0.0
            parameter.copy_(torch.tensor(centre + std * rng.standard_normal(parameter.shape)))
    theirs.generation_config = transformers.GenerationConfig()
    ours = GPT(V, D, H, L, T)
    state = {name: p.detach().numpy() for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        parameter.array = taken(state, name, parameter.shape).copy()
    return ours, theirs


PARTS = {"norm1": "ln_1", "norm2": "ln_2", "widen": "mlp.c_fc", "narrow": "mlp.c_proj"}


def taken(state, name, shape):
    """The array of GPT-2 that is our parameter `name`; its Conv1D holds weights (in, out)."""
    kind = name.rpartition(".")[2]
    if name.startswith("embed."):
        return state["transformer.wte.weight" if "tokens" in name else "transformer.wpe.weight"]
    if name.startswith("head."):
        return state["transformer.wte.weight"] if kind == "weight" else np.zeros(shape)
    if name.startswith("norm."):
        return state[f"transformer.ln_f.{kind}"]
    _, layer, *_, part, _ = name.split(".")
    block = f"transformer.h.{layer}"
    if part in ("query", "key", "value"):
        third = ("query", "key", "value").index(part)
        return np.split(state[f"{block}.attn.c_attn.{kind}"], 3, axis=-1)[third].T
    place = PARTS.get(part, "attn.c_proj")
    return state[f"{block}.{place}.{kind}"].T


OURS, THEIRS = pair()


def their_text(prompt, model=None, **how):
    """What `transformers` writes; without its warnings about padding."""
    ids = torch.tensor(prompt)
    how = {"attention_mask": torch.ones_like(ids), "do_sample": False, **how}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return (model or THEIRS).generate(ids, **how).numpy()


def prompts(B, N, seed=0):
    return np.random.default_rng(seed).integers(0, V, (B, N))


def check(prompt, ours=None, theirs=None, **how):
    """Full and cached texts are theirs; returns them."""
    want = their_text(prompt, theirs, **how)
    for cached in (False, True):
        got = (ours or OURS).generate(prompt, use_cache=cached, do_sample=False, **how).array
        assert got.tolist() == want.tolist(), f"cached: {cached}"
    return want


def without(pad, prompt):
    """The prompt with another token where it holds the one that pads: that would be refused."""
    return np.where(prompt == pad, 1, prompt)


def test_logits():
    ids = prompts(3, T)
    want = THEIRS(torch.tensor(ids)).logits.detach().numpy()
    np.testing.assert_allclose(OURS(wrap(ids)).array, want, rtol=0, atol=1e-10)


# -- one text per prompt
@pytest.mark.parametrize("penalty", [1.0, 1.2, 2.0, 0.7])
@pytest.mark.parametrize("shape", [(1, 1), (3, 4), (4, 9)])
def test_greedy(shape, penalty):
    for seed in range(4):
        check(prompts(*shape, seed), max_new_tokens=12, repetition_penalty=penalty)


@pytest.mark.parametrize("eos", [3, [3, 11], [11, 3, 5]])
@pytest.mark.parametrize("more", [{}, {"pad_token_id": 0}, {"pad_token_id": 16}], ids=str)
@pytest.mark.parametrize("least", [0, 3, 12])
def test_greedy_with_ends(eos, more, least):
    ended = 0
    for seed in range(5):
        how = {"eos_token_id": eos, "min_new_tokens": least, **more}
        prompt = without(more.get("pad_token_id"), prompts(4, 3, seed))
        text = check(prompt, max_new_tokens=12, **how)
        ended += np.isin(text[:, 3:-1], eos).any(axis=1).sum()
    assert ended > 0 or least == 12  # some rows did end before the others


# -- filters
@given(seed=st.integers(0, 999), B=st.integers(1, 3), k=st.integers(1, 20))
@settings(deadline=None, max_examples=40)
def test_filters(seed, B, k):
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((B, V))
    ids, p, heat = rng.integers(0, V, (B, 5)), rng.random(), 0.1 + 3 * rng.random()
    tensor = torch.tensor(logits)
    for got, want in (
        (logits / heat, process.TemperatureLogitsWarper(float(heat))),
        (top_k_filter(logits, k), process.TopKLogitsWarper(k)),
        (top_p_filter(logits, p), process.TopPLogitsWarper(float(p))),
        (
            repetition_penalty_filter(logits, ids, float(heat)),
            process.RepetitionPenaltyLogitsProcessor(float(heat)),
        ),
    ):
        np.testing.assert_allclose(got, want(torch.tensor(ids), tensor.clone()).numpy(), atol=1e-12)


def test_draws_have_the_probabilities_of_theirs():
    """Of 4,000 draws of one token each, with all settings: as often as it should be."""
    prompt = prompts(1, 6)
    how = {"temperature": 1.4, "top_k": 6, "top_p": 0.9, "repetition_penalty": 1.3}
    text = OURS.generate(prompt, 1, num_return_sequences=4000, seed=0, **how).array
    scores = THEIRS(torch.tensor(prompt)).logits[:, -1].detach()
    for warp in (
        process.RepetitionPenaltyLogitsProcessor(1.3),
        process.TemperatureLogitsWarper(1.4),
        process.TopKLogitsWarper(6),
        process.TopPLogitsWarper(0.9),
    ):
        scores = warp(torch.tensor(prompt), scores)
    want = torch.softmax(scores, -1)[0].numpy()
    got = np.bincount(text[:, -1], minlength=V) / 4000
    assert (got[want == 0] == 0).all()
    assert (want > 0).sum() > 2
    assert (np.abs(got - want) < 4.5 * np.sqrt(want * (1 - want) / 4000) + 1e-12).all()


# -- beams
@pytest.mark.parametrize("beams", [2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (3, 4)])
def test_beams_without_ends(beams, shape):
    for seed in range(6):
        check(prompts(*shape, seed), max_new_tokens=10, num_beams=beams)


@pytest.mark.parametrize("beams", [2, 3, 4])
@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("early", [False, True, "never"])
def test_beams_with_ends(beams, length_penalty, early):
    how = {"num_beams": beams, "length_penalty": length_penalty, "early_stopping": early}
    lengths = set()
    for seed, eos in itertools.product(range(4), (3, [3, 11])):
        text = check(prompts(3, 3, seed), max_new_tokens=12, eos_token_id=eos, **how)
        lengths.add(text.shape[1])
    assert len(lengths) > 1 or length_penalty == 2.0


@pytest.mark.parametrize("early", [False, True, "never"])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_several_texts_of_a_prompt(early, count):
    for seed in range(4):
        how = {"num_beams": 4, "num_return_sequences": count, "early_stopping": early}
        how |= {"eos_token_id": 3, "pad_token_id": 16}
        check(without(16, prompts(2, 3, seed)), max_new_tokens=9, **how)


@pytest.mark.parametrize("least", [2, 9])
@pytest.mark.parametrize("penalty", [1.5, 0.8])
def test_beams_with_penalty_and_a_least_length(penalty, least):
    for seed in range(4):
        how = {"num_beams": 3, "repetition_penalty": penalty, "min_new_tokens": least}
        check(prompts(2, 3, seed), max_new_tokens=9, eos_token_id=[3, 11], **how)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_more_beams_than_tokens(count):
    """V = 3: at the first step there are not enough continuations of the prompt for all."""
    for seed in range(4):
        ours, theirs = pair(seed, V=3)
        prompt = np.random.default_rng(seed).integers(0, 3, (2, 2))
        check(prompt, ours, theirs, max_new_tokens=6, num_beams=count + 3)
        check(prompt, ours, theirs, max_new_tokens=6, num_beams=count + 3, eos_token_id=1)


@pytest.mark.parametrize("early", [False, "never"])
def test_values_are_theirs(early):
    how = {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.6}
    how |= {"eos_token_id": 3, "early_stopping": early, "max_new_tokens": 9}
    for seed in range(4):
        prompt = prompts(2, 3, seed)
        want = THEIRS.generate(
            torch.tensor(prompt),
            attention_mask=torch.ones_like(torch.tensor(prompt)),
            do_sample=False,
            return_dict_in_generate=True,
            output_scores=True,
            **how,
        )
        _, values = beam_search(WholeText(OURS), prompt, Settings(**how))
        got = values.ravel()
        np.testing.assert_allclose(got, want.sequences_scores.numpy(), atol=1e-5)


def test_padding_in_a_prompt_is_refused_and_an_end_token_is_text():
    """`transformers` would look past it, unless it is an end token, too."""
    prompt = np.array([[2, 2, 5, 6]])
    with pytest.raises(ValueError, match="the prompt holds pad_token_id=2"):
        OURS.generate(prompt, 4, pad_token_id=2, eos_token_id=3)
    check(prompt, max_new_tokens=4, pad_token_id=2, eos_token_id=2)


def test_the_one_difference_a_pad_of_0():
    """`transformers` takes a pad_token_id of 0 for none given, with beams; we fill with 0."""
    for seed in range(20):
        how = {"eos_token_id": 3, "max_new_tokens": 8, "num_beams": 2, "pad_token_id": 0}
        prompt = without(0, prompts(4, 3, seed))
        want = their_text(prompt, **how)
        got = OURS.generate(prompt, **how).array
        if (got != want).any():
            assert set(got[got != want]) == {0} and set(want[got != want]) == {3}
            return
    pytest.fail("no row had ended before the others")


def test_full_float32_models_agree_too():
    ours, theirs = pair(5)
    for parameter in ours.parameters():
        parameter.array = parameter.array.astype(np.float32)
    for how in ({}, {"num_beams": 3}, {"num_beams": 3, "eos_token_id": 3}):
        check(prompts(3, 4), ours, theirs.float(), max_new_tokens=10, **how)


def test_cached_draws_are_those_of_the_full_model():
    prompt = prompts(3, 4)
    how = {"temperature": 1.3, "repetition_penalty": 1.2, "eos_token_id": 3, "min_new_tokens": 4}
    full = OURS.generate(prompt, 20, generator=Generator(1), **how)
    cached = generate_cached(OURS, prompt, 20, generator=Generator(1), **how)
    assert cached.tolist() == full.tolist()
