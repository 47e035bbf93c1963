"""Milestone 05: the proof proves, its ablations fail, and bad input gets one sentence."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tinytorch import console
from tinytorch.tokenization import CharTokenizer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = (
    next(
        path
        for path in (ROOT / "milestones", ROOT.parent / "milestones")
        if (path / "05_2017_transformer").is_dir()
    )
    / "05_2017_transformer"
)
PROOF, GENERATION, DIALOGUE = (
    "00_vaswani_attention_proof.py",
    "01_vaswani_generation.py",
    "02_vaswani_dialogue.py",
)
SCRIPTS = [PROOF, GENERATION, DIALOGUE]
SMALL = ["--embed-dim=8", "--num-heads=2", "--num-layers=1", "--levels=1", "--max-seconds=2"]
FLAGS = ["epochs", "batch-size", "levels", "embed-dim", "num-layers", "num-heads", "seed", "lr"]


def environment():
    """The course's own package, one BLAS thread, and output as a file or a pipe gets it."""
    given = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONIOENCODING": "cp1252"}
    return {**os.environ, **given}


def run(script, *flags, cwd=FOLDER, **more):
    """(exit code, stdout, stderr) of a script that runs as a user runs it, from a folder."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *map(str, flags)],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="cp1252",
        timeout=900,
        **more,
    )
    return done.returncode, done.stdout, done.stderr


def exact(stdout):
    """The share in the proof's verdict."""
    [line] = [x for x in stdout.splitlines() if "unseen sequences reversed exactly" in x]
    return float(line.split("exactly ")[1].split("%")[0])


# -- the proof
@pytest.mark.parametrize("seed", range(5))
def test_the_proof_holds_for_every_seed(seed, tmp_path):
    code, out, err = run(PROOF, "--seed", seed, cwd=tmp_path)
    assert code == 0, out + err
    assert exact(out) >= 95
    assert "1,000 others to test" in out
    assert float(out.split("trained for ")[1].split(" s")[0]) <= 10


@pytest.mark.parametrize("part", ["attention", "positions"])
def test_without_attention_or_positions_it_fails(part, tmp_path):
    code, out, _ = run(PROOF, "--ablate", part, cwd=tmp_path)
    assert code == 1
    assert exact(out) < 5
    assert "FAILED" in out


def test_the_heatmap_shows_the_anti_diagonal(tmp_path):
    """Position 0 looks at position 7, and so on: the darkest place of each row of the picture."""
    _, out, _ = run(PROOF, cwd=tmp_path)
    picture = out.split("anti-diagonal is the reversal)\n")[1].splitlines()[:8]
    shades = [[" .:-=+*#%@".index(c) for c in row[2:].ljust(16)[::2]] for row in picture]
    found = sum(row[7 - i] == max(row) for i, row in enumerate(shades))
    assert found >= 6, out


def test_the_same_seed_gives_the_same_output(tmp_path):
    def told(text):
        return [x for x in text.splitlines() if not x.startswith(("training ", "trained "))]

    first, second = (run(PROOF, "--epochs", 1, "--seed", 3, cwd=tmp_path)[1] for _ in range(2))
    assert told(first) == told(second)


# -- questions and dialogue: what they print; their results are measured with the slow tests
@pytest.mark.parametrize("script", [GENERATION, DIALOGUE])
def test_a_short_run_fails_honestly(script):
    code, out, err = run(script, *SMALL)
    assert (code, err) == (1, "")
    assert "parameters; all modules are the course's own" in out
    assert "an epoch: " in out and " characters to guess" in out
    assert "FAILED: loss " in out and "threshold 1.5" in out


def test_learning_by_heart_and_other_words_stand_side_by_side():
    _, out, _ = run(GENERATION, *SMALL)
    assert "trained questions" in out and "the same in other words" in out


def test_a_question_is_answered():
    _, out, _ = run(GENERATION, *SMALL, "--ask", "What is a cow?")
    assert any(line.startswith("What is a cow? ") for line in out.splitlines())


def test_the_topic_measure_is_printed():
    _, out, _ = run(DIALOGUE, *SMALL)
    share, count = out.split("topic kept: ")[1].split(" follow-ups")[0].split(" (of ")
    assert 0 <= float(share) <= 1 and int(count) > 10


def test_a_chat_ends_with_an_empty_line_and_survives_unknown_characters():
    done = subprocess.run(
        [sys.executable, DIALOGUE, *SMALL, "--chat"],
        cwd=FOLDER,
        env=environment(),
        input="What is a cow?\nÿ?\n\n",
        capture_output=True,
        encoding="cp1252",
        timeout=120,
    )
    assert done.returncode == 1 and done.stderr == ""
    assert "not in the vocabulary" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
def test_ctrl_c_ends_a_chat_and_leaves_the_verdict():
    with subprocess.Popen(
        [sys.executable, "-u", FOLDER / DIALOGUE, *SMALL, "--chat"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=listen_to_ctrl_c,
    ) as process:
        next(line for line in process.stdout if b"ends the chat" in line)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        assert (process.wait(60), process.stderr.read()) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no sh there")
@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(streams):
    words = [sys.executable, str(FOLDER / DIALOGUE), *SMALL, "--max-seconds=0", "--chat"]
    command = f"{shlex.join(words)} {streams}"
    pipes = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    done = subprocess.run(["sh", "-c", command], env=environment(), **pipes)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_chat_survives_bytes_that_are_no_text():
    words = [sys.executable, FOLDER / DIALOGUE, *SMALL, "--max-seconds=0", "--chat"]
    env = environment() | {"PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(words, env=env, input=b"What\xff?\n\n", capture_output=True)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"is not in the vocabulary" in done.stdout


# -- bad input
BAD = {
    "30 cannot be divided among --num-heads 4": ("--embed-dim", 30),
    "'0' is not a whole number from 1 to 5": ("--levels", 0),
    "'6' is not a whole number from 1 to 5": ("--levels", 6),
    "'0' is not a whole number of at least 1": ("--epochs", 0),
    "'four' is not a whole number of at least 1": ("--batch-size", "four"),
    "'nan' is not a number of at least 0": ("--lr", "nan"),
    "'inf' is not a number of at most 1e+38": ("--lr", "inf"),
    f"{'9' * 400!r} is not a whole number of at most 1e+38": ("--epochs", "9" * 400),
    "e+09 GB of memory would be needed": ("--embed-dim", 10**8),
    "GB of memory would be needed: choose a smaller": ("--num-layers", 10**12),
    "--batch-size, or --context where it is a flag": ("--batch-size", 10**9),
    "'-1' is not a whole number of at least 0": ("--seed", -1),
    "unrecognized arguments: --epoch-count": ("--epoch-count", 3),
    "unrecognized arguments: --hel": ("--hel",),
}


@pytest.mark.parametrize("sentence", BAD)
@pytest.mark.parametrize("script", SCRIPTS)
def test_bad_flags_get_one_sentence(script, sentence):
    code, out, err = run(script, *BAD[sentence])
    assert (code, out) == (2, "")
    assert sentence in err and err.count("\n") == 1


BAD_QUESTIONS = {
    "'ÿ' at place 8 of the question stands nowhere in TinyTalks": "What is ÿ?",
    "'K' at place 7 of the question stands nowhere in TinyTalks": "Why is K?",
    "the question is empty": "",
    "the question is empty: try --ask 'What does a cow eat?'": " ",
    "takes 170 of 128 characters and leaves no room": "a" * 164,
}


@pytest.mark.parametrize("sentence", BAD_QUESTIONS)
def test_a_question_that_cannot_be_read_is_refused_before_training(sentence):
    code, out, err = run(GENERATION, "--ask", BAD_QUESTIONS[sentence])
    assert (code, out) == (2, "")
    assert sentence in err and err.count("\n") == 1


@pytest.mark.parametrize("name", ["x.xyz", "x", "", ".", "a folder.png"])
def test_a_picture_of_no_known_kind_is_refused_before_training(name, tmp_path):
    (tmp_path / "a folder.png").mkdir()
    code, out, err = run(PROOF, "--plot", name, cwd=tmp_path)
    assert (code, out) == (2, "")
    assert "is no name for a picture: it must end in .png or" in err and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a folder.png"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_to_try_when_the_time_was_up(script, tmp_path):
    small = [flag for flag in SMALL if "seconds" not in flag]
    code, out, err = run(script, *small, "--max-seconds=0", cwd=tmp_path)
    assert (code, err) == (1, "")
    assert out.endswith("The time was up before the last step: try a larger --max-seconds.\n")
    code, out, err = run(PROOF, *small, "--epochs=1", cwd=tmp_path)
    assert code == 1 and "Try more --epochs" in out and "time was up" not in out


@pytest.mark.skipif(sys.platform == "win32", reason="memory cannot be limited so there")
def test_a_memory_that_does_not_suffice_is_said(tmp_path):
    code = (
        "import resource, runpy, sys, numpy; "
        "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); "
        "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    )
    command = [sys.executable, "-c", code, str(FOLDER / PROOF), "--embed-dim=4096"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "the memory does not suffice: try a smaller --embed-dim" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [[FOLDER / PROOF, *SMALL], ["-m", "tinytorch.names"]])
def test_output_that_cannot_be_written_or_is_not_read(words, tmp_path):
    command, env = [sys.executable, *map(str, words)], environment() | {"PYTHONUNBUFFERED": ""}
    settings = {"env": env, "stderr": subprocess.PIPE, "text": True, "cwd": tmp_path}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, **settings)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "what it prints cannot be written (No space left on device)" in done.stderr
    with subprocess.Popen(command, stdout=subprocess.PIPE, **settings) as process:
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (1, "")


@pytest.mark.parametrize("place", ["no such folder", "a file"])
def test_a_picture_that_cannot_be_written_is_refused_before_training(place, tmp_path):
    (tmp_path / "a file").write_text("")
    code, out, err = run(PROOF, "--plot", tmp_path / place / "picture.png")
    assert (code, out) == (2, "")
    assert "no file can be written in the folder" in err and err.count("\n") == 1


def test_a_diverging_training_is_called_failed(tmp_path):
    code, out, err = run(PROOF, "--lr", "1e30", cwd=tmp_path)
    assert code == 1
    assert "FAILED: the loss is no number any more after" in err and "Traceback" not in err


def test_a_missing_data_file_is_named(tmp_path):
    """A package without its data, as after a broken installation."""
    code = "import shutil, sys; shutil.copytree(sys.argv[1], sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, ROOT / "tinytorch", tmp_path / "tinytorch"])
    bare = {**environment(), "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, FOLDER / GENERATION],
        env=bare,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "tinytalks.txt" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_shows_what_and_the_defaults(script):
    code, out, _ = run(script, "--help")
    assert code == 0
    assert f"python {script}" in out
    for flag in [*FLAGS, "max-seconds"]:
        assert f"--{flag} " in out
    assert out.count("(default: ") >= 9


def listen_to_ctrl_c():
    """A process in the background of a shell inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def started(script, flags, cwd):
    """A script that runs, and hears Ctrl-C."""
    return subprocess.Popen(
        [sys.executable, "-u", str(FOLDER / script), *map(str, flags)],
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_ctrl_c,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a signal cannot be sent to one process there")
@pytest.mark.parametrize("script", SCRIPTS)
def test_ctrl_c_ends_cleanly(script, tmp_path):
    process = started(script, ["--epochs", "1000"], tmp_path)
    for line in process.stdout:
        if line.startswith(("an epoch", "model")):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "stopped: nothing is saved, and there is no verdict"


# -- the long trainings: `pytest -m slow`
@pytest.mark.slow
@pytest.mark.parametrize("script", [GENERATION, DIALOGUE])
def test_the_loss_falls_below_the_threshold_within_a_minute(script):
    code, out, err = run(script, "--epochs", 5, "--batch-size", 4, "--max-seconds", 60)
    assert code == 0, out + err
    assert float(out.split("mean loss of the last epoch ")[1].split()[0]) < 1.5


@pytest.mark.slow
@pytest.mark.timeout(1000)
def test_all_trained_questions_are_answered():
    _, out, _ = run(GENERATION)
    [line] = [x for x in out.splitlines() if x.split()[:1] == ["all"]]
    right, total = (int(word) for word in line.split()[1:4:2])
    assert total == 230
    assert right / total >= 0.95, out


def test_a_tokenizer_that_loses_letters_is_not_judged_by_its_loss():
    class AlwaysZero(CharTokenizer):
        def encode(self, text):
            return [0] * len(text)

    console.lossless(CharTokenizer("abc"), ["abc", "cab"])
    with pytest.raises(console.Failed, match="the tokenizer makes 'aaa' of 'abc'"):
        console.lossless(AlwaysZero("abc"), ["abc"])
