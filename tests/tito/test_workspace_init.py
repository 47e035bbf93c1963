"""tito init: a folder to learn in, whole or not at all, and without a single answer in it."""

import ast
import json
import os
import re

import pytest
from conftest import ROOT, Desk, one_sentence

from tito import cli, course, export
from tito.commands import init
from tito.notebook import Refused

REAL = [module.label for module in course.find().written]


@pytest.fixture
def fresh(built_toy, tmp_path, monkeypatch):
    """The toy course, a working directory outside of it, and no workspace yet."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.delenv("TINYTORCH_WORKSPACE", raising=False)
    return built_toy


def test_what_is_in_a_workspace(fresh, tmp_path):
    code, out, err = fresh.tito("init", "work")
    assert (code, err) == (0, "")
    root = tmp_path / "here" / "work"
    made = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
    visible = {name for name in made if not name.startswith(".tito/")}
    assert visible == {
        "tito.toml",
        "README.md",
        "AGENTS.md",
        ".gitignore",
        "modules/01_tensor/tensor.ipynb",
        "modules/02_activations/activations.ipynb",
        "milestones/05_2017_toy/00_toy_proof.py",
        "milestones/05_2017_toy/01_toy_answers.py",
    }
    assert "tito start 01" in out and str(root) in out
    assert (root / "tito.toml").read_text(encoding="utf-8").endswith('course = "0.1.0"\n')


def test_every_blank_stands_and_no_solution(fresh, tmp_path):
    fresh.tito("init", "work")
    cells = Desk(fresh, tmp_path / "here" / "work").cells()
    assert cells["double"] == (
        '#| export\ndef double(x):\n    """Twice x."""\n    # Your code here.\n'
        '    raise Blank("tensor.double")\n\n\nLIMIT = 3'
    )
    assert sum(text.count("raise Blank(") for text in cells.values()) == 4
    assert "SOLUTION" not in "".join(cells.values())


def test_an_empty_folder_and_this_folder_will_do(fresh, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    (empty / ".git").mkdir(parents=True)
    monkeypatch.chdir(empty)
    assert fresh.tito("init", ".")[0] == 0
    assert fresh.tito("status")[0] == 0
    assert fresh.tito("init", tmp_path / "a" / "b" / "c")[0] == 0


def test_what_was_hidden_in_the_folder_stays(fresh, tmp_path):
    kept = tmp_path / "mine"
    kept.mkdir()
    (kept / ".gitignore").write_text("my own\n", encoding="utf-8")
    assert fresh.tito("init", kept)[0] == 0
    assert (kept / ".gitignore").read_text(encoding="utf-8") == "my own\n"


REFUSED = {
    "a folder with a file": ("full", "is not empty (thesis.txt): nothing was touched"),
    "a file": ("full/thesis.txt", "is a file: choose another name"),
    "below a file": ("full/thesis.txt/work", "could not be written"),
    "a workspace": ("work", "no workspace inside a workspace: it is one already"),
    "inside a workspace": ("work/inner", "no workspace inside a workspace"),
    "inside a workspace's modules": ("work/modules/new", "no workspace inside a workspace"),
    "the course": ("../a toy cöurse", "lies in the course's own checkout"),
    "inside the course": ("../a toy cöurse/deep/er", "lies in the course's own checkout"),
}


@pytest.mark.parametrize(("where", "words"), REFUSED.values(), ids=REFUSED)
def test_where_no_workspace_is_made(fresh, tmp_path, where, words):
    assert fresh.tito("init", "work")[0] == 0
    (tmp_path / "here" / "full").mkdir()
    (tmp_path / "here" / "full" / "thesis.txt").write_text("ten years", encoding="utf-8")
    everything = sorted(tmp_path.rglob("*"))
    code, out, err = fresh.tito("init", where)
    assert (code, out) == (1, ""), out
    assert words in err and one_sentence(err)
    assert sorted(tmp_path.rglob("*")) == everything
    thesis = tmp_path / "here" / "full" / "thesis.txt"
    assert thesis.read_text(encoding="utf-8") == "ten years"


def test_a_link_into_the_course_is_seen_through(fresh, tmp_path):
    try:
        os.symlink(fresh.root, tmp_path / "link", target_is_directory=True)
    except OSError:
        pytest.skip("no symbolic links here")
    code, _, err = fresh.tito("init", tmp_path / "link" / "work")
    assert code == 1 and "lies in the course's own checkout" in err


def test_no_argument_is_a_usage_error(fresh):
    assert fresh.tito("init")[0] == 2


def test_a_course_that_cannot_be_blanked_leaves_nothing(fresh, tmp_path, monkeypatch):
    def broken(made):
        raise Refused(["no"])

    with monkeypatch.context() as patched:
        patched.setattr(init, "contents", broken)
        assert fresh.tito("init", "work")[0] == 1
    assert fresh.tito("init", "work")[0] == 0


@pytest.mark.parametrize("steps", range(9))
def test_killed_half_way_it_goes_on(fresh, monkeypatch, tmp_path, steps):
    """Stopped after any number of files, the next init makes the same workspace."""
    root, count, write = tmp_path / "work", 0, init.write

    def killed(path, content):
        nonlocal count
        count += 1
        if count > steps:
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(init, "write", killed)
    assert fresh.tito("init", root)[0] == 130
    monkeypatch.setattr(init, "write", write)
    assert fresh.tito("init", root)[0] == 0
    assert fresh.tito("init", tmp_path / "other")[0] == 0
    assert Desk(fresh, root).files() == Desk(fresh, tmp_path / "other").files()


# -- the real course
@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A workspace of the real course."""
    root = tmp_path_factory.mktemp("real") / "my work"
    assert cli.main(["init", str(root)]) == 0
    return root


def plain(text):
    """Without layout: words one blank apart."""
    return " ".join(text.split())


def everything_in(root):
    """{name: its text} of a workspace; of notebooks also the text of their cells."""
    files = [path for path in root.rglob("*") if path.is_file()]
    texts = {path.relative_to(root).as_posix(): path.read_text("utf-8") for path in files}
    for name, text in list(texts.items()):
        if name.endswith(".ipynb"):
            cells = json.loads(text)["cells"]
            texts[name] = "\n".join("".join(cell["source"]) for cell in cells)
    return texts


def written_by_hand(region):
    """The lines of a solution that say something: no brackets, no `return x`, no comment."""
    return [line for line in map(plain, region) if len(line) > 24 and not line.startswith("#")]


@pytest.mark.parametrize("label", REAL)
def test_no_solution_of_the_real_course_is_in_a_workspace(real, label):
    """The whole text of every region; and a line of one only where the lesson itself shows it."""
    module = course.find().module(label)
    book, texts = export.read(module), everything_in(real)
    assert book.exercises
    shown = plain("\n".join(cell.source for cell in book.cells if not cell.regions))
    given = plain("\n".join(cell.blanked(book_of(book, cell)) for cell in book.exported))
    for exercise in book.exercises:
        lines = exercise.cell.lines[exercise.region.first : exercise.region.last - 1]
        solution = plain("\n".join(lines))
        for name, text in texts.items():
            everything = plain(text)
            if len(solution) > 24 and solution not in shown:
                assert solution not in everything, f"{exercise.id} is solved in {name}"
            for line in written_by_hand(lines):
                if name.endswith(f"{module.name}.ipynb") and line not in shown + given:
                    assert line not in everything, f"{name} tells {line!r} of {exercise.id}"


def book_of(book, cell):
    return [exercise for exercise in book.exercises if exercise.cell is cell]


@pytest.mark.parametrize("label", REAL)
def test_no_hint_of_the_real_course_is_in_a_workspace(real, label):
    words = course.find().module(label).words()["exercises"]
    texts = [plain(text) for text in everything_in(real).values()]
    sentences = [
        sentence
        for told in words.values()
        for hint in told["hints"]
        for sentence in re.split(r"(?<=[.?!:]) +", plain(hint))
        if len(sentence) > 24
    ]
    assert len(sentences) >= len(words)
    for sentence in sentences:
        assert not any(sentence in text for text in texts), sentence


@pytest.mark.parametrize("label", REAL)
def test_every_blank_of_the_real_course_stands(real, label):
    """The body that is left raises the blank of that very exercise."""
    module = course.find().module(label)
    text = everything_in(real)[f"modules/{label}/{module.name}.ipynb"]
    for name in module.words()["exercises"]:
        assert text.count(f'raise Blank("{module.name}.{name}")') == 1, name
    assert "SOLUTION" not in text
    data = json.loads((real / "modules" / label / f"{module.name}.ipynb").read_text("utf-8"))
    for cell in data["cells"]:
        if cell["cell_type"] == "code":
            ast.parse("".join(cell["source"]))


def test_the_real_course_is_not_touched():
    assert not (ROOT / "tito.toml").exists() and not (ROOT / ".tito").exists()


def test_killed_before_the_first_file_it_begins_anew(fresh, tmp_path):
    """What a kill leaves of the very first write, which marks the folder as unfinished."""
    root = tmp_path / "work"
    (root / ".tito").mkdir(parents=True)
    (root / ".tito" / ".unfinished.4711.tmp").write_bytes(b"")
    assert fresh.tito("init", root)[0] == 0


def test_an_installed_course_is_not_written_to(fresh, tmp_path, monkeypatch):
    """An installed course is never a workspace, wherever its folder stands."""
    found = course.find()
    installed = course.Course(found.root, found.package, writable=False)
    monkeypatch.setattr(course, "find", lambda: installed)
    for folder in (found.root, found.package / "new", course.HOME / "new"):
        code, _, err = fresh.tito("init", folder)
        assert code == 1 and "lies in the installed course" in err
        assert not (folder / "tito.toml").exists()
