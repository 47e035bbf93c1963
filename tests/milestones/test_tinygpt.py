"""TinyGPT, steps 1 to 3: short runs of each, runs that are killed and go on, and bad input.

The long trainings are slow tests. Tiny Shakespeare is not committed: the test that needs it takes
TINYSHAKESPEARE, the path of the file, or what the script has fetched before.
"""

import argparse
import ast
import importlib.util
import json
import math
import os
import random
import re
import shlex
import signal
import string
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_transformer import FOLDER, environment, run, started

import tinytorch
from tinytorch import console, download, runs
from tinytorch.training import save_safetensors
from tinytorch.transformers import GPT, generate_text

STEP1, STEP2, STEP3 = (
    "step1_quick_validation.py",
    "step2_tinycoder.py",
    "step3_shakespeare.py",
)
STEPS = [STEP1, STEP2, STEP3]
BRIEF = Path(__file__).with_name("brief_tinycoder.py")  # step 2, which judges for seconds
QUICK = [STEP1, pytest.param(BRIEF, marks=pytest.mark.slow, id=STEP2), STEP3]
TINY = ["--embed-dim=8", "--num-heads=2", "--num-layers=1", "--context=16", "--batch-size=2"]
SHORT = [*TINY, "--steps=10"]
SONG = "Row, row, row your boat, gently down the stream.\n" * 60


@pytest.fixture
def song(tmp_path):
    """A text of the test's own."""
    path = tmp_path / "song.txt"
    path.write_text(SONG, encoding="utf-8")
    return path


def data(script, path):
    """The flags without which step 3 would want the network."""
    return ["--data", path, "--prompt", "Row"] if script == STEP3 else []


def loaded(script):
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(script.removesuffix(".py"), FOLDER / script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- each of them, in short
@pytest.mark.parametrize("script", [STEP1, pytest.param(BRIEF, id=STEP2), STEP3])
def test_a_short_run_fails_honestly(script, song, tmp_path):
    code, out, err = run(script, *SHORT, *data(script, song), cwd=tmp_path)
    assert (code, err) == (1, ""), out
    assert "parameters; all modules are the course's own" in out
    assert "FAILED: " in out and "threshold" in out
    assert "training 10/10  loss " in out and "tokens per s" in out


@pytest.mark.parametrize("script", QUICK)
def test_memory_is_counted_and_measured(script, song, tmp_path):
    """The formula of the activations holds to a tenth, that of the weights exactly."""
    flags = ["--preset=small", "--steps=1", "--max-seconds=1", *data(script, song)]
    _, out, err = run(script, *flags, cwd=tmp_path)
    rows = [line.split() for line in out.splitlines() if line.startswith("  ")]
    [weights] = [row for row in rows if row[:1] == ["weights"]]
    [active] = [row for row in rows if row[:1] == ["activations"]]
    count = int(out.split("model: ")[1].split(" parameters")[0].replace(",", ""))
    assert weights[-2:] == [f"{4 * count / 1e6:.2f}"] * 2, err
    assert float(active[-1]) == pytest.approx(float(active[-2]), rel=0.1)


def test_the_quick_validation_holds_within_20_seconds(tmp_path):
    code, out, err = run(STEP1, cwd=tmp_path)
    assert code == 0, out + err
    assert float(out.split("PASSED: loss ")[1].split(",")[0]) < 0.1
    written = out.split("the model goes on:\n    ")[1].split("\n")[0]
    assert written == ("hello world " * 9)[: len("hello ") + 100]
    assert "trained for" in out


@pytest.mark.parametrize("prompt", ["world h", "o w", "hello world hello world he"])
def test_the_pattern_goes_on_from_any_place(prompt, tmp_path):
    code, out, err = run(STEP1, "--preset=small", "--prompt", prompt, cwd=tmp_path)
    assert code == 0, out + err


def test_wrong_characters_are_counted_from_the_prompt_on():
    right = loaded(STEP1).right_characters
    assert right("hello world hello", "hello ") == 11
    assert right("hello worxd hello", "hello ") == 3
    assert right("o world", "o ") == 5
    assert right("l wor", "l ") == 0
    assert [right(text, "l") for text in ("lo wor", "ld hel", "llo wx", "lhell")] == [5, 5, 4, 0]


@pytest.mark.parametrize("script", QUICK)
def test_epochs_are_passes_over_the_text(script, song, tmp_path):
    code, out, _ = run(script, *TINY, "--epochs=1", "--max-seconds=0", *data(script, song))
    assert code == 1
    words = out.split("data: ")[1].split(" to learn")[0].replace(",", "").split()
    known = int(
        out.split(" tokens")[0].split()[-1].replace(",", "") if script == BRIEF else words[0]
    )
    assert f"training 1/{round(known / 32)}" in out or "trained for 0" in out


@pytest.mark.parametrize("script", STEPS)
def test_steps_and_epochs_together_are_refused(script, song, tmp_path):
    """Also where --steps only says what it is without it."""
    for steps in ("--steps=2", "--steps=100"):
        code, out, err = run(script, steps, "--epochs", 2, *data(script, song), cwd=tmp_path)
        assert (code, out) == (2, "") and err.count("\n") == 1
        assert "--epochs is instead of --steps: leave one of them out" in err


@pytest.mark.parametrize("script", QUICK)
def test_the_preset_gives_way_to_a_flag(script, song, tmp_path):
    flags = [*data(script, song), "--steps=1"]
    _, small, _ = run(script, "--preset=small", *flags)
    _, wider, _ = run(script, "--preset=small", "--embed-dim=32", *flags)
    sizes = [int(re.search(r"model: ([\d,]+)", o)[1].replace(",", "")) for o in (small, wider)]
    assert 98_000 < sizes[0] < 250_000 and sizes[1] < sizes[0] / 2


# -- TinyCoder's rules
CODER = loaded(STEP2)


def test_what_is_held_out_is_not_in_the_text():
    text, held = CODER.split(CODER.source_files())
    prompts = CODER.prompts_of(held, text)
    assert len(prompts) >= 50
    ast.parse(text.replace("\n\n\nfrom __future__", "\n"))
    bodies = {head: body for (head, body), _ in held}
    names = {name for (head, _), name in held if head in prompts}
    lines = CODER.unindented(text)
    for prompt in prompts:
        assert prompt not in text
        assert CODER.unindented(bodies[prompt]) not in lines
    assert not names & set(re.findall(r"def (\w+)", text))
    assert "forward" in re.findall(r"def (\w+)", text)


def test_whole_files_are_held_out():
    files = CODER.source_files()
    text, _ = CODER.split(files)
    out = [name for name in files if CODER.one_in(5, name)]
    assert 3 <= len(out) <= len(files) / 2
    classes = {
        name: re.findall(r"^class (\w+)", p.read_text("utf-8"), re.M) for name, p in files.items()
    }
    kept = {c for name in classes.keys() - set(out) for c in classes[name]}  # some are in two files
    only = {c for name in out for c in classes[name]} - kept
    assert only and not any(re.search(rf"^class {c}\b", text, re.M) for c in only)


CUTS = {
    "one statement": ("\n    y = x\n    z = 1\n", "\n    y = x"),
    "what an if begins belongs to it": (
        "\n    if x:\n        for y in x:\n            a\n    b\n",
        "\n    if x:\n        for y in x:\n            a",
    ),
    "empty lines are no statement": ("\n\n    y = x\n    z", "\n\n    y = x"),
    "an unfinished line is dropped": ("\n    y = (", ""),
    "an unfinished line under an if is dropped": ("\n    if x:\n        y", "\n    if x:"),
    "a colon goes on, whatever it means": ("\n    y = x[1:\n    z\n", "\n    y = x[1:\n    z"),
    "nothing was written": ("", ""),
}


@pytest.mark.parametrize("case", CUTS)
def test_a_completion_is_cut_by_the_rule(case):
    written, want = CUTS[case]
    assert CODER.cut(written) == want


@pytest.mark.parametrize(
    ("written", "good"),
    {
        "\n    return x": True,
        "\n        return self.layer(x)": True,
        "": False,
        "\n": False,
        "\n    return (x": False,
        "\n    if x:": False,
        "\n    x = 'a": False,
        "\n  a = 1\n   b = 2": False,
        " return x": True,
        "\n    \0": False,
    }.items(),
)
def test_what_parses(written, good):
    assert CODER.parses("def f(x):", written) is good
    assert CODER.parses("    def f(x):", written.replace("\n", "\n    ")) is good


def test_code_alone_has_no_docstrings_and_messages():
    source = '"""Title."""\nimport math\nimport os.path, numpy as np\nfrom pathlib import Path\n'
    source += 'from .tensor import Tensor\nclass A:\n    """Doc."""\n\ndef f(x):\n    """Doc."""\n'
    source += "    raise ValueError(f'no {x} here', 'two words', 'name')\n"
    got = ast.unparse(CODER.CodeAlone().visit(ast.parse(source)))
    assert got == (
        "import numpy as np\nfrom .tensor import Tensor\n\n"
        "class A:\n    pass\n\ndef f(x):\n    raise ValueError('...', '...', 'name')"
    )


def test_brackets_and_quotes_are_tokens_of_their_own():
    tokenizer = CODER.tokenizer_of("def f(x):\n    return g(x)[x['a']]\n" * 9)
    tokens = [word.decode("latin-1") for word in tokenizer.token_bytes]
    assert {token.strip() for token in tokens if set(token) & set("()[]{}'")} == set("()[]{}'")
    assert " return" in tokens and max(len(t) for t in tokens if "(" in t) == 2


def test_a_blank_at_the_end_of_a_prompt_belongs_to_the_next_token():
    class Model:
        """Writes what it is told."""

    def written(model, tokenizer, prompts, **how):
        assert prompts == ["import"] and how["temperature"] == 0
        return [" numpy as np\nimport"]

    CODER.written_by_model, before = written, CODER.written_by_model
    try:
        assert CODER.first_line(Model(), None, "import ") == "import numpy as np"
    finally:
        CODER.written_by_model = before


# a, then b or c: greedily "ab", and what follows is anything; "ac" is rarer, and "d" always follows
FORK = "ab1 ab2 ab3 ab4 ab5 ab6 " + "acd " * 5


@pytest.mark.parametrize(("beams", "begins"), [(1, "b"), (4, "cd")])
def test_both_models_are_searched_with_beams(beams, begins):
    tokenizer = CODER.tokenizer_of("abcd123456 \n")
    ids = tokenizer.encode(FORK)
    counting = runs.NGram(ids, 2, tokenizer.vocab_size)

    class Model(GPT):
        """Knows what the counting model knows."""

        def forward(self, ids):
            logits = CODER.CountingText(counting).logits(ids.array)
            return tinytorch.tensor(logits[:, None].astype("float32"))

    prompts, before, length = ["a"], CODER.BEFORE, CODER.WRITTEN
    CODER.BEFORE, CODER.WRITTEN = " ", 2
    try:
        [counted] = CODER.written_by_counting(
            CODER.CountingText(counting), tokenizer, prompts, beams
        )
        how = {"temperature": 0, "num_beams": beams}
        model = Model(tokenizer.vocab_size, 8, 2, 1, 8)
        CODER.generate_cached, cached = generate_text, CODER.generate_cached
        [written] = CODER.written_by_model(model, tokenizer, prompts, **how)
    finally:
        CODER.BEFORE, CODER.WRITTEN = before, length
        CODER.generate_cached = cached
    assert counted == written and counted.startswith(begins)


# -- Shakespeare's data
def test_a_text_of_ones_own_must_beat_the_counting_model(song, tmp_path):
    flags = ["--preset=small", "--context=32", "--steps=150", "--data", song, "--prompt", "Row"]
    code, out, err = run(STEP3, *flags, cwd=tmp_path)
    assert code == 0, out + err
    counted = float(out.split("three characters: ")[1].split(" ")[0])
    loss, threshold = re.search(r"validation loss ([\d.]+), threshold ([\d.]+)", out).groups()
    assert float(loss) < counted == pytest.approx(float(threshold), abs=1e-3)


def test_the_judge_cuts_its_own_windows(capsys):
    """Targets that are the inputs, or batches that are left out, would make a loss look good."""
    script, flags = loaded(STEP3), argparse.Namespace(context=8, batch_size=2)
    tinytorch.manual_seed(0)
    model, ids, told = GPT(5, 8, 2, 1, 8), [n * n % 5 for n in range(50)], []
    for _ in range(2):
        script.judged(model, ids, 2.0, False, flags)
        told.append(capsys.readouterr().out)
        script.next_token_windows = script.DataLoader = None  # the learner's, whatever they give
    assert "validation loss " in told[0] and told[0] == told[1]


NO_DATA = {
    "no-such-file.txt cannot be read (": b"",
    "is no text in UTF-8: byte 3 fits nowhere": b"abc\xff" * 1000,
    "has 30 characters, and at least": b"abc" * 10,
    "has 0 characters, and at least": b"",
    "holds nothing but 'a', and there is nothing to learn in that": b"a" * 20_000,
}


@pytest.mark.parametrize("sentence", NO_DATA)
def test_data_that_cannot_be_learnt_from(sentence, tmp_path):
    path = tmp_path / ("no-such-file.txt" if "no-such" in sentence else "data.txt")
    if "no-such" not in sentence:
        path.write_bytes(NO_DATA[sentence])
    code, out, err = run(STEP3, "--data", path)
    assert (code, out) == (2, "")
    assert sentence in err and err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_a_device_that_never_ends_is_no_text():
    code, out, err = run(STEP3, "--data", "/dev/zero")
    assert (code, out) == (2, "") and "is a device" in err and err.count("\n") == 1


def test_the_empty_name_is_no_file():
    code, out, err = run(STEP3, "--data", "")
    assert (code, out) == (2, "") and "the name of the FILE is empty" in err


def test_without_network_and_data_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path))
    code, out, err = run(STEP3, "--url", "http://127.0.0.1:9/input.txt")
    assert code == 2 and out.startswith("fetching tinyshakespeare.txt (1.1 MB) from http://127")
    assert "127.0.0.1:9/input.txt cannot be reached" in err and "--data FILE" in err
    assert err.count("\n") == 1


# -- runs that are kept
def journal(folder):
    """The losses of a run, by step."""
    rows = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"], row.get("validation_loss")) for row in rows]


def lines(folder):
    """How many whole lines a journal has, that may just be written."""
    return (folder / "journal.jsonl").read_text().count("\n")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 there")
@pytest.mark.parametrize("script", QUICK)
def test_a_killed_run_goes_on_to_the_same_bits(script, song, tmp_path):
    """kill -9 at a random step; threads and parts as in the unbroken run."""
    flags = ["--steps=40", "--save-every=3", "--threads=2", "--preset=small", "--batch-size=8"]
    flags += [*data(script, song)]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    run(script, *flags, "--save", whole)
    words = [sys.executable, "-u", str(FOLDER / script), *map(str, flags), "--save", str(broken)]
    last, step = broken / "last.safetensors", random.randrange(6, 30)
    with subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (last.is_file() and lines(broken) >= step):
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL, "it ended before it was killed"
    died_at = lines(broken)
    code, out, err = run(script, "--resume", broken)
    assert re.search(r"going on after step \d+ of 40", out), out + err
    assert len(journal(whole)) == 40 > died_at
    assert journal(broken) == journal(whole)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A finished run of step 1."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    run(STEP1, *SHORT, "--save", folder)
    return folder


def copied(kept, tmp_path):
    tmp_path.mkdir(exist_ok=True)
    for path in kept.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_run_that_is_done_goes_on_to_its_verdict(kept, tmp_path):
    code, out, err = run(STEP1, "--resume", copied(kept, tmp_path))
    assert (code, err) == (1, "") and "going on after step 10 of 10" in out


def test_a_run_goes_on_with_the_flags_that_it_began_with(kept, tmp_path):
    """What is given beside a preset counts, not what the preset says."""
    code, out, err = run(STEP1, "--preset=small", *SHORT, "--resume", copied(kept, tmp_path))
    assert (code, err) == (1, "") and "going on after step 10 of 10" in out


def test_a_torn_checkpoint_is_refused(kept, tmp_path):
    path = copied(kept, tmp_path) / "last.safetensors"
    for size in (0, 4, 100, path.stat().st_size - 1):
        path.write_bytes(path.read_bytes()[:size])
        code, out, err = run(STEP1, "--resume", tmp_path)
        assert code == 2 and "Traceback" not in err and err.count("\n") == 1, err
        assert "--resume: last.safetensors is cut short" in err
        copied(kept, tmp_path)


def test_a_foreign_checkpoint_is_refused(kept, tmp_path):
    path = copied(kept, tmp_path) / "last.safetensors"
    save_safetensors(GPT(8, 8, 2, 1, 16).state_dict(), path)
    code, _, err = run(STEP1, "--resume", tmp_path)
    assert code == 2 and "holds tensors, but is no checkpoint of a Trainer" in err
    assert err.count("\n") == 1
    path.write_bytes(b"PK" + b"\0" * 100)
    code, _, err = run(STEP1, "--resume", tmp_path)
    assert code == 2 and "is no safetensors file but a zip, as of torch.save" in err


def test_a_checkpoint_of_another_model_is_refused(kept, tmp_path):
    folder, other = copied(kept, tmp_path / "a"), tmp_path / "b"
    run(STEP1, *SHORT, "--num-layers=2", "--save", other)
    (folder / "last.safetensors").write_bytes((other / "last.safetensors").read_bytes())
    code, _, err = run(STEP1, "--resume", folder)
    assert code == 2 and err.startswith("step1_quick_validation.py: --resume: ")
    assert err.count("\n") == 1


REFUSED = {
    "nowhere holds no run: start one with --save nowhere": ["--resume", "nowhere"],
    "has --lr 0.003, and goes on like that": ["--resume", "RUN", "--lr", "0.01"],
    "has --steps 10, and goes on like that": ["--resume", "RUN", "--steps=20"],
    "has --embed-dim 8, and goes on like that": ["--resume", "RUN", "--preset=small"],
    "has no --epochs, and goes on like that": ["--resume", "RUN", "--epochs=2"],
    "holds a run: go on with --resume": ["--save", "RUN"],
    "not allowed with argument": ["--save", "RUN", "--resume", "RUN"],
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_a_kept_run_refuses(sentence, kept, tmp_path):
    flags = [str(kept) if flag == "RUN" else flag for flag in REFUSED[sentence]]
    code, out, err = run(STEP1, *flags, cwd=tmp_path)
    assert (code, out) == (2, "") and sentence in err and err.count("\n") == 1


def test_a_run_of_another_script_or_text_is_refused(kept, song, tmp_path):
    code, out, err = run(STEP3, "--resume", kept, "--url=http://127.0.0.1:9/x")
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert "is one of step1_quick_validation, not of step3_shakespeare" in err
    folder = tmp_path / "run"
    run(STEP3, *SHORT, *data(STEP3, song), "--save", folder)
    song.write_text(SONG + "Life is but a dream.", encoding="utf-8")
    code, _, err = run(STEP3, "--resume", folder)
    assert code == 2 and "learnt from another text than this" in err and err.count("\n") == 1


def test_a_damaged_settings_file_is_refused(kept, tmp_path):
    whole = (kept / "settings.json").read_text()
    contents = ["", "{", "[]", '{"flags": 3}', whole.replace('"steps"', '"nonsense"')]
    contents += [whole.replace('"steps": 10', f'"steps": {v}') for v in ("null", '"10"', "0", "[]")]
    for content in contents:
        (copied(kept, tmp_path) / "settings.json").write_text(content)
        code, _, err = run(STEP1, "--resume", tmp_path)
        assert code == 2 and "Traceback" not in err and err.count("\n") == 1, (content, err)


@pytest.mark.parametrize("script", QUICK)
def test_what_to_try_when_the_time_was_up(script, song, tmp_path):
    code, out, err = run(script, *TINY, "--max-seconds=0", *data(script, song), cwd=tmp_path)
    assert (code, err) == (1, "")
    assert out.endswith("The time was up before the last step: try a larger --max-seconds.\n")


@pytest.mark.parametrize(
    ("flag", "every", "file"),
    [("--save", 10**6, "settings.json"), ("--resume", 1, "last.safetensors")],
)
def test_two_runs_cannot_share_a_folder(flag, every, file, tmp_path):
    """A second one before the first checkpoint, or beside a run that goes on."""
    words = [FOLDER / STEP1, *TINY, "--steps=1000000", f"--save-every={every}", "--save=run"]
    more = {"cwd": tmp_path, "env": environment(), "stdout": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, *map(str, words)], **more) as process:
        while process.poll() is None and not (tmp_path / "run" / file).is_file():
            time.sleep(0.01)
        code, out, err = run(STEP1, flag, "run", "--max-seconds=0", cwd=tmp_path)
        process.kill()
    assert (code, out) == (2, "") and "a run in run is going on: wait for its end" in err
    code, _, err = run(STEP1, flag, "run", *TINY, "--max-seconds=0", cwd=tmp_path)
    assert (code, err) == (1, "")


def test_a_run_with_a_text_of_ones_own_goes_on_from_anywhere(song, tmp_path):
    run(STEP3, *SHORT, "--data=song.txt", "--prompt=Row", "--save=run", cwd=tmp_path)
    code, out, err = run(STEP3, "--resume", tmp_path / "run")
    assert (code, err) == (1, "") and "going on after step 10 of 10" in out
    moved = song.rename(tmp_path / "moved.txt")
    code, out, err = run(STEP3, "--resume", tmp_path / "run", "--data", moved)
    assert (code, err) == (1, "") and "going on after step 10 of 10" in out


# -- flags
BAD = {
    "30 cannot be divided among --num-heads 8": ("--embed-dim", 30),
    "'0' is not a whole number of at least 1": ("--context", 0),
    "'nan' is not a number of at least 0": ("--temperature", "nan"),
    "invalid choice: 'large'": ("--preset", "large"),
    "unrecognized arguments: --levels": ("--levels", 3),
    "at least one character is needed": ("--prompt", ""),
    "is no text in UTF-8": ("--prompt", "\udcff"),
    "'inf' is not a number of at most 1e+38": ("--temperature", "inf"),
    "1e-60 is too small to divide by": ("--temperature", "1e-60"),
    "GB of memory would be needed": ("--context", 10**9),
    "the name of the FOLDER is empty": ("--save", ""),
}


@pytest.mark.parametrize("sentence", BAD)
@pytest.mark.parametrize("script", STEPS)
def test_bad_flags_get_one_sentence(script, sentence, song):
    code, out, err = run(script, *data(script, song), *BAD[sentence])
    assert (code, out) == (2, "")
    assert sentence in err and err.count("\n") == 1


def test_noise_is_not_learnt(tmp_path):
    """A model that counts three characters does worse on it than one that guesses."""
    dice = random.Random(0)
    text = "".join(dice.choices(string.ascii_letters, k=6000))
    (tmp_path / "noise.txt").write_text(text, encoding="utf-8")
    code, out, err = run(STEP3, *SHORT, "--data", tmp_path / "noise.txt", "--steps=1")
    assert (code, err) == (1, "") and "FAILED: validation loss" in out
    assert f"a model that guesses: {math.log(52):.3f} nats" in out


def test_a_text_of_other_letters_begins_with_its_own(tmp_path):
    (tmp_path / "text.txt").write_text("sein, ja das ist die frage. " * 40, encoding="utf-8")
    code, out, err = run(STEP3, *SHORT, "--data", tmp_path / "text.txt")
    assert (code, err) == (1, "") and "\n\nsein, ja das ist die" in out


def test_the_context_may_be_longer_than_the_glance():
    script, flags = loaded(STEP3), argparse.Namespace(embed_dim=2, context=16, batch_size=2)
    flags.steps, flags.lr, script.GLANCE = 1, 1e-3, 10
    trainer = script.new_trainer(GPT(5, 2, 1, 1, 16), list(range(5)) * 9, [1] * 30, flags, None)
    assert len(trainer.validation) == 1


def test_a_prompt_that_cannot_be_gone_on_from_is_refused(song):
    code, out, err = run(STEP1, "--prompt", "hallo ")
    assert (code, out) == (2, "") and "'hallo ' is no part of" in err and err.count("\n") == 1
    code, out, err = run(STEP3, "--data", song, "--prompt", "Row é")
    assert (code, out) == (2, "") and "--prompt: 'é' (U+00E9) at place 4" in err


@pytest.mark.parametrize("script", STEPS)
def test_help_shows_what_and_the_defaults(script):
    code, out, _ = run(script, "--help")
    assert code == 0 and f"python {script}" in out
    for flag in ("steps", "epochs", "preset", "prompt", "temperature", "save", "resume", "lr"):
        assert f"--{flag} " in out
    assert "default: 128/8/4/128; small: 64/4/2/64" in " ".join(out.split())


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (("--steps=50", "--lr=1e30"), "the loss is no number any more after"),
        (("--steps=5", "--lr=1e38"), "the logits are no numbers any more after 1 steps"),
    ],
)
@pytest.mark.parametrize("script", STEPS)
def test_a_diverging_training_is_called_failed(script, flags, what, song, tmp_path):
    code, out, err = run(script, *TINY, *flags, *data(script, song))
    assert code == 1 and "Traceback" not in err
    assert f"FAILED: {what}" in err


# -- Ctrl-C
@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("script", STEPS)
def test_ctrl_c_ends_cleanly(script, saved, song, tmp_path):
    flags = ["--preset=small", "--steps=100000", "--save-every=2", *data(script, song)]
    flags += ["--save", tmp_path / "run"] * saved
    process = started(script, flags, tmp_path)
    for line in process.stdout:
        if line.startswith("memory"):
            break
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    told = f"stopped: no verdict; go on with --resume {tmp_path / 'run'}"
    assert err.strip() == (told if saved else "stopped: nothing is saved, and there is no verdict")


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
def test_a_run_goes_on_from_its_best_checkpoint_where_there_is_no_last_one(song, tmp_path):
    """Ctrl-C between the first evaluation and the first --save-every."""
    words = [*TINY, "--steps=2000", "--save-every=2000", "--save=run", *data(STEP3, song)]
    with started(STEP3, words, tmp_path) as process:
        next(line for line in process.stdout if line.startswith("step 400: validation loss"))
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "\nstopped: no verdict; go on with --resume run\n"
    code, _, err = run(STEP3, *words, cwd=tmp_path)
    assert code == 2 and "run holds a run: go on with --resume run" in err
    code, out, err = run(STEP3, "--resume=run", "--max-seconds=0", cwd=tmp_path)
    assert (code, err) == (1, "") and "going on after step 400 of 2,000" in out


def test_what_is_left_after_ctrl_c_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(console, "FOLDERS", [])
    monkeypatch.setattr(console, "VERDICTS", [])
    assert console.stopped() == "stopped: nothing is saved, and there is no verdict"
    console.FOLDERS.append(tmp_path)
    assert console.stopped() == "stopped: nothing is saved, and there is no verdict"
    (tmp_path / "best.safetensors").touch()
    assert console.stopped() == f"stopped: no verdict; go on with --resume {tmp_path}"
    console.VERDICTS.append(1)
    assert console.stopped() == "stopped after the verdict"


def test_ctrl_c_before_the_script_has_begun(tmp_path):
    """The interrupt arrives while the modules are read; other errors look as ever."""
    path = tmp_path / "script.py"
    for error, code in (("KeyboardInterrupt", 130), ("ValueError('x')", 1)):
        path.write_text(f"from tinytorch import console\nraise {error}\n")
        done = subprocess.run(
            [sys.executable, path], env=environment(), capture_output=True, text=True
        )
        assert done.returncode == code
        assert ("Traceback" in done.stderr) == (code == 1)


# -- the long trainings: `pytest -m slow`
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_tinycoder_writes_what_parses():
    """With all of its steps."""
    code, out, err = run(STEP2)
    assert code == 0, out + err
    assert float(out.split("completions that parse ")[1].split("%")[0]) >= 60
    assert "PASSED: 'import ' goes on as 'import numpy as np'" in out


def shakespeare():
    """The file, if there is one on this machine."""
    found = Path(os.environ.get("TINYSHAKESPEARE", download.cache_folder() / "tinyshakespeare.txt"))
    return found if found.is_file() else pytest.skip("Tiny Shakespeare is not here")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("preset", "most"), [("default", 2.0), ("nanogpt", 1.92)])
def test_shakespeare_is_learnt(preset, most):
    code, out, err = run(STEP3, "--data", shakespeare(), "--preset", preset)
    assert code == 0, out + err
    assert float(out.split("validation loss ")[-1].split(",")[0]) <= most


# -- in a terminal, and out of a workspace
def in_terminal(words, cwd, answer=b""):
    """(exit code, what the screen got) of a command that runs in a terminal."""
    import pty

    leader, follower = pty.openpty()
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), follower)
    with subprocess.Popen(words, cwd=cwd, env=environment(), **pipes) as process:
        os.close(follower)
        os.write(leader, answer)
        screen = b""
        while True:
            try:
                screen += os.read(leader, 4096)
            except OSError:  # the other side is closed
                break
    os.close(leader)
    return process.returncode, screen.decode("utf-8", "replace")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal there")
@pytest.mark.parametrize("script", QUICK)
def test_in_a_terminal_the_progress_is_live(script, song, tmp_path):
    words = [sys.executable, str(FOLDER / script), *SHORT, *map(str, data(script, song))]
    code, screen = in_terminal(words, tmp_path)
    assert code == 1 and "FAILED" in screen and "Traceback" not in screen
    assert "training 10/10" not in screen  # a bar, not lines


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal there")
@pytest.mark.parametrize(
    ("answer", "sentence"), [(b"n\n", "was not to be fetched"), (b"\n", "cannot be reached")]
)
def test_in_a_terminal_it_asks_before_it_fetches(answer, sentence, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path))
    words = [sys.executable, str(FOLDER / STEP3), "--url", "http://127.0.0.1:9/x"]
    code, screen = in_terminal(words, tmp_path, answer)
    assert code == 2 and "Fetch it from http://127.0.0.1:9/x? [Y/n]" in screen
    assert sentence in screen and "Traceback" not in screen


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A learner's folder, nothing written in it yet."""
    folder = tmp_path_factory.mktemp("learner") / "mine"
    words = [sys.executable, "-m", "tito", "init", str(folder)]
    subprocess.run(words, cwd=folder.parent, env=environment(), check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("script", STEPS)
def test_in_a_workspace(script, song, workspace):
    flags = [*SHORT, *map(str, data(script, song))]
    name = script.partition("_")[0]
    words = [sys.executable, "-m", "tito", "milestone", "run", name, *flags]
    done = subprocess.run(words, cwd=workspace, env=environment(), capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED: " in done.stdout and "Traceback" not in done.stderr


def test_a_verdict_is_recorded_in_a_workspace(workspace):
    """Of the real script, which tells tito that it came to its verdict."""
    words = [sys.executable, "-m", "tito", "milestone", "run", "proof"]
    done = subprocess.run(words, cwd=workspace, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("recorded: 00_vaswani_attention_proof\n")


# -- all six in one table
def table(*flags):
    """(exit code, stdout, stderr) of the command that runs the scripts and makes a table."""
    words = [sys.executable, FOLDER.parents[1] / "benchmarks" / "milestones.py", *flags]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_a_row_of_the_table_holds_what_the_script_printed():
    code, out, err = table("--only", "proof")
    assert code == 0, out + err
    names, _, row = ([c.strip() for c in line.split("|")[1:-1]] for line in out.splitlines()[:3])
    cells = dict(zip(names, row, strict=True))
    assert cells["script"] == "`00_vaswani_attention_proof.py`"
    assert cells["parameters"] == "51,914" and cells["time"] == "1.0"
    assert cells["result"].startswith("PASSED: unseen sequences reversed exactly 100.0%")


def test_a_script_that_cannot_run_has_no_row(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    code, out, err = table("--only", "step3")
    assert code == 1 and out.count("\n") == 2 and "Traceback" not in err
    assert "no row for step3_shakespeare.py, which ended with exit code 2" in err


# -- what the README says
README = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_command_of_the_troubleshooting_works(song, tmp_path):
    """Each as it stands there, but for fewer steps and a text of the test's own."""
    section = README.split("## If something goes wrong")[1].split("\n## ")[0]
    commands = [
        line for block in re.findall(r"```\n(.*?)```", section, re.S) for line in block.splitlines()
    ]
    assert len(commands) >= 10
    for command in commands:
        program, script, *flags = shlex.split(command)
        if program == "tito":
            words = [sys.executable, "-m", "tito", script, *flags, "--help"]
            done = subprocess.run(words, env=environment(), cwd=tmp_path, capture_output=True)
            assert done.returncode == 0, command
            continue
        prompt = ["--prompt", "Row"] if script == STEP3 else []
        more = ["--data", song, *prompt] if script == STEP3 else []
        more += ["--max-seconds=0"] + ["--steps=2"] * ("--resume" not in flags)
        code, out, err = run(script, *flags, *more, cwd=tmp_path)
        assert (code, err) in ((0, ""), (1, "")), f"{command}: {err}"
        assert "threshold" in out


def test_all_scripts_are_in_the_readme():
    scripts = sorted(path.name for path in FOLDER.glob("*.py"))
    assert len(scripts) == 6
    table = README.split("## The scripts")[1].split("\n## ")[0]
    assert re.findall(r"^\| `python (\w+\.py)", table, re.M) == scripts
