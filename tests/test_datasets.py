"""The shipped data are what their READMEs say, number by number."""

import re
from pathlib import Path

import numpy as np
import pytest

DATASETS = Path(__file__).parents[1] / "datasets"
TALKS = DATASETS / "tinytalks" / "tinytalks.txt"
KINDS = {"Q:": "pairs", "A:": "answers", "V:": "validation", "T:": "test"}


def groups():
    """The groups of TinyTalks: (level, topic, pronoun, lines as (kind, text))."""
    for block in TALKS.read_text(encoding="ascii").strip().split("\n\n"):
        head, *lines = block.split("\n")
        level, topic, pronoun = re.fullmatch(r"## ([1-5]) (.+) = (it|they|he|she)", head).groups()
        yield int(level), topic, pronoun, [tuple(line.split(" ", 1)) for line in lines]


def plain(question):
    return re.sub(r"[^a-z0-9 ]", "", question.lower())


def table_row(name, chosen):
    """A row of the README's table, computed from the file."""
    lines = [line for *_, lines in chosen for line in lines]
    count = {kind: sum(k == kind for k, _ in lines) for kind in KINDS}
    mean = {kind: np.mean([len(text) for k, text in lines if k == kind]) for kind in ("Q:", "A:")}
    cells = [name, len(chosen), count["Q:"], count["V:"], count["T:"]]
    return "| " + " | ".join(map(str, [*cells, f"{mean['Q:']:.1f}", f"{mean['A:']:.1f}"])) + " |"


def test_tinytalks_readme_numbers():
    readme = (DATASETS / "tinytalks" / "README.md").read_text(encoding="utf-8")
    found = list(groups())
    rows = [table_row(level, [g for g in found if g[0] == level]) for level in range(1, 6)]
    for row in [*rows, table_row("total", found)]:
        assert row in readme
    characters = {c for *_, lines in found for _, text in lines for c in text}
    size = TALKS.stat().st_size
    assert f"{size} bytes, {len(characters)} distinct characters" in readme
    assert 17_000 <= size <= 18_000


def test_tinytalks_is_well_formed():
    for _, topic, _, lines in groups():
        kinds = "".join(kind[0] for kind, _ in lines)
        assert re.fullmatch(r"(QA[VT]{0,2}){3,5}", kinds), topic
        head = topic.split()[-1].lower()
        for kind, text in lines:
            if kind == "A:":
                assert head in text.lower() or head.rstrip("s") in text.lower(), text
            else:
                assert len(re.findall(rf"\b{re.escape(topic)}\b", text)) == 1, text


def test_tinytalks_topics_and_questions_are_unique():
    topics = [topic for _, topic, _, _ in groups()]
    questions = [plain(text) for *_, lines in groups() for kind, text in lines if kind != "A:"]
    assert len(set(topics)) == len(topics)
    assert len(set(questions)) == len(questions)


def test_tinytalks_has_no_unseen_character_outside_training():
    trained = {c for *_, ls in groups() for kind, t in ls if kind in ("Q:", "A:") for c in t}
    held_out = {c for *_, ls in groups() for kind, t in ls if kind in ("V:", "T:") for c in t}
    assert held_out <= trained


def test_tinydigits_readme_numbers():
    readme = (DATASETS / "tinydigits" / "README.md").read_text(encoding="utf-8")
    with np.load(DATASETS / "tinydigits" / "digits.npz", allow_pickle=False) as digits:
        assert sorted(digits) == ["test_images", "test_labels", "train_images", "train_labels"]
        for name, array in digits.items():
            shape = f"({', '.join(map(str, array.shape))}{',' * (array.ndim == 1)})"
            assert f"| `{name}` | {shape} | {array.dtype} |" in readme
        assert max(digits[f"{part}_images"].max() for part in ("train", "test")) == 16


@pytest.mark.parametrize("name", ["tinydigits/digits.npz", "tinydigits/mlp.npz"])
def test_small_and_without_pickle(name):
    path = DATASETS / name
    assert path.stat().st_size < 60_000
    with np.load(path, allow_pickle=False) as arrays:
        assert all(array.dtype.kind in "uf" for array in arrays.values())
