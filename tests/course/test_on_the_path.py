"""YOUR is true: a bug in an exercise changes what the milestone scripts print (`pytest -m slow`).

Each exercise of modules 02 to 08 and 10 to 14 is spoilt in a copy of the package by one of its
usual wrong ideas; then a quick validation stops after a step, is kept, and goes on, and if that
prints what it always prints, a short proof runs, and at last short Q&A.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile

import pytest
import variants

FOLDER = variants.ROOT / "milestones" / "05_2017_transformer"
STEP1 = ["step1_quick_validation.py", "--preset=small", "--context=16", "--steps=30"]
RUNS = [  # commands, one after the other in a folder of their own
    [[*STEP1, "--save=run", "--max-seconds=0"], [STEP1[0], "--resume=run", "--max-seconds=60"]],
    [["00_vaswani_attention_proof.py", "--epochs=1", "--plot=proof.png"]],
    [["01_vaswani_generation.py", "--epochs=1", "--levels=1", "--num-layers=1"]],
]
ASIDE = ("tensor",)
MODULES = [n for n in variants.course_notebooks() if n.name not in ASIDE]
OTHER_KIND = "the models of the scripts use another function of the same kind"
BPE = "the scripts read characters, not byte pairs"
OFF_PATH = {
    "activations.sigmoid": OTHER_KIND,
    "activations.silu": OTHER_KIND,
    "layers.Module.train": "the two models have no dropout to switch off",
    "losses.mse_loss": OTHER_KIND,
    "losses.binary_cross_entropy_with_logits": OTHER_KIND,
    "losses.accuracy": "the verdict is computed outside the library",
    "dataloader.collate": "TensorDataset answers a whole batch at once, and Q&A pads its own",
    "dataloader.random_split": "TinyTalks comes split, and the proof draws new sequences",
    "autograd.directional_derivative": "it judges rules, and no training needs it",
    "autograd.mul_rule": "inside a transformer of fused primitives nothing is only multiplied",
    "autograd.sum_rule": "nor summed: cross-entropy averages by itself",
    "autograd.matmul_rule": "linear and attention have rules of their own",
    "optimizers.sgd_update": OTHER_KIND,
    "optimizers.momentum_update": OTHER_KIND,
    "tokenization.count_pairs": BPE,
    "tokenization.merge": BPE,
    "tokenization.BPETokenizer.train": BPE,
    "tokenization.BPETokenizer.encode_word": BPE,
    "tokenization.BPETokenizer.decode": BPE,
    "embeddings.sinusoidal_positions": OTHER_KIND,
    "attention.combine_masks": "the padding stands at the end, where the causal mask hides it",
    "training.perplexity": "the scripts print the loss",
    "training.evaluate": "and their verdicts are computed outside the library",
    "kv_caching.cache_bytes": "it says how large a cache is, and no text needs that",
    "transformers.top_k_filter": "answers are greedy, or sampled from all characters",
    "transformers.top_p_filter": "answers are greedy, or sampled from all characters",
    "transformers.repetition_penalty_filter": "answers are written without a penalty",
    "transformers.beam_step": "answers are written without beams",
}


def printed(package, run, folder):
    """What each command of a run prints with a package, without what depends on the machine."""
    with tempfile.TemporaryDirectory(dir=folder) as here:
        for script, *flags in run:
            done = subprocess.run(
                [sys.executable, FOLDER / script, *flags],
                cwd=here,
                env={**os.environ, "PYTHONPATH": str(package), "OPENBLAS_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                timeout=120,
            )
            told = done.stdout + done.stderr
            yield re.sub(r"tokens per s \S+|trained for \S+ s|activations .*", "", told)


def tree_of(module):
    """A module of the package, to be changed."""
    return ast.parse((variants.ROOT / "tinytorch" / f"{module}.py").read_text(encoding="utf-8"))


def write(package, module, tree):
    """Write a module into a copy of the package."""
    (package / "tinytorch" / f"{module}.py").write_text(ast.unparse(tree), encoding="utf-8")


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """What the scripts print with the package as it is."""
    folder = tmp_path_factory.mktemp("usual")
    return [list(printed(variants.ROOT, run, folder)) for run in RUNS]


def copy_to(folder):
    """Put a copy of the package, and of what it reads, into a folder."""
    for part in ("tinytorch", "datasets"):
        shutil.copytree(variants.ROOT / part, folder / part)


def changed(package, usual):
    """True if a command prints something else than usual with this package."""
    return any(
        told != was
        for run, before in zip(RUNS, usual)
        for told, was in zip(printed(package, run, package), before)
    )


def shows(exercise, usual, folder):
    """True if one of the exercise's wrong ideas shows in what a script prints."""
    copy_to(folder)
    module = exercise.id.partition(".")[0]
    for owner, _, idea in variants.wrong_ideas(module):
        if owner == exercise.id:
            write(folder, module, variants.wrong(idea)(tree_of(module), exercise))
            if changed(folder, usual):
                return True
    return False


@pytest.mark.slow
def test_a_copy_without_a_bug_changes_nothing(usual, tmp_path):
    """Though all of its modules are written anew, as those are that get a bug."""
    copy_to(tmp_path)
    for notebook in MODULES:
        write(tmp_path, notebook.name, tree_of(notebook.name))
    assert not changed(tmp_path, usual)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("notebook", MODULES, ids=lambda n: n.name)
def test_a_bug_changes_the_result(notebook, usual, tmp_path):
    """In every exercise but those that are listed with the reason."""
    on_path = [exercise for exercise in notebook.exercises if exercise.id not in OFF_PATH]
    assert not [e.id for e in on_path if not shows(e, usual, tmp_path / e.id)]


@pytest.mark.parametrize("notebook", MODULES, ids=lambda n: n.name)
def test_most_exercises_are_on_the_path(notebook):
    """At least half of a module, byte pairs aside."""
    ids = [e.id for e in notebook.exercises if OFF_PATH.get(e.id) != BPE]
    assert sum(name in OFF_PATH for name in ids) <= len(ids) / 2


def test_the_list_names_exercises():
    assert set(OFF_PATH) <= {e.id for notebook in MODULES for e in notebook.exercises}
