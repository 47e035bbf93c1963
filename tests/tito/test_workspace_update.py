"""tito update: a newer course comes, and what the learner wrote stays, byte for byte."""

import json

import pytest
from conftest import ACTIVATIONS, TENSOR, one_sentence
from hypothesis import given, settings
from hypothesis import strategies as st

from tito.assembly import Source
from tito.update import body, merge, source

NEW_TOTAL = TENSOR["total"].replace("The sum of the values.", "The sum, from left to right.")


@pytest.fixture
def newer(desk):
    """Change the toy course after the workspace was made."""

    def change(**cells):
        merged = {**TENSOR, **{name.replace("_", "-"): text for name, text in cells.items()}}
        desk.course.write_notebook("01_tensor", merged)

    return change


def test_nothing_new(desk):
    before = desk.files()
    code, out, _ = desk.tito("update")
    assert (code, out) == (0, "nothing to bring: this is the course 0.1.0 already\n")
    assert desk.files() == before


def test_changed_text_comes_and_solutions_stay(desk, newer):
    desk.solve()
    newer(total=NEW_TOTAL, extra="# a new cell")
    code, out, err = desk.tito("update")
    assert (code, err) == (0, "")
    assert "modules/01_tensor/tensor.ipynb: merged with what you wrote" in out
    assert "tito undo" in out
    cells = desk.cells()
    assert "from left to right." in cells["total"] and "result += value" in cells["total"]
    assert cells["extra"] == "# a new cell"
    assert list(cells)[-1] == "extra"
    assert desk.tito("test", "01")[0] == 0


def test_an_untouched_notebook_is_replaced(desk, newer):
    newer(total=NEW_TOTAL)
    assert "modules/01_tensor/tensor.ipynb: updated" in desk.tito("update")[1]
    assert "from left to right." in desk.cells()["total"]
    assert desk.tito("export", "01")[1].endswith("0 of 4 exercises yours, 4 given\n")


def test_a_dry_run_changes_nothing(desk, newer):
    desk.solve()
    newer(total=NEW_TOTAL)
    before = desk.files()
    assert "merged" in desk.tito("update", "--dry-run")[1]
    assert desk.files() == before


def test_a_conflict_is_shown_and_kept(desk, newer):
    desk.solve()
    mine = desk.cells()["double"]
    newer(
        double=TENSOR["double"].replace('    """Twice x."""\n', '    """x, twice."""\n    y = x\n')
    )
    out = desk.tito("update")[1]
    assert "both changed double: yours stays" in out
    cells = desk.cells()
    assert cells["double"] == mine
    assert "y = x" in cells["double-new"] and "The course changed this cell" in cells["double-new"]
    assert "SOLUTION" not in cells["double-new"] and "return x + x" not in cells["double-new"]
    again = desk.files()
    assert desk.tito("update")[1].startswith("nothing to bring")
    assert desk.files() == again
    assert desk.tito("test", "01")[0] == 0


def test_a_second_conflict_shows_the_newest(desk, newer):
    desk.solve()
    for number in (1, 2):
        new = f'    """x, twice."""\n    y = {number}\n'
        newer(double=TENSOR["double"].replace('    """Twice x."""\n', new))
        assert "both changed double" in desk.tito("update")[1]
        cells = desk.cells()
        assert f"y = {number}" in cells["double-new"]
        assert f"y = {3 - number}" not in cells["double-new"]
        assert sum(name.startswith("double-new") for name in cells) == 1


def test_own_cells_stay_where_they_are(desk, newer):
    data = desk.data()
    own = {"cell_type": "code", "id": "my-own", "metadata": {}, "outputs": [], "source": "42"}
    data["cells"].insert(4, own | {"execution_count": None})
    data["cells"][0]["source"] = "# Mine"
    desk.save(data)
    newer(total=NEW_TOTAL)
    desk.tito("update")
    assert list(desk.cells())[4] == "my-own"
    assert desk.cells()["title"] == "# Mine"


def test_deleted_cells_stay_away_and_dropped_ones_go(desk):
    data = desk.data()
    data["cells"] = [cell for cell in data["cells"] if cell["id"] != "check-double"]
    desk.save(data)
    desk.edit("check-total", "1 + 2", "1 plus 2")
    cells = {k: v for k, v in TENSOR.items() if k not in ("helpers", "check-total")}
    cells["check-double"] += "\n# more"
    desk.course.write_notebook("01_tensor", cells | {"extra": "1"})
    desk.tito("update")
    got = desk.cells()
    assert "check-double" not in got and "helpers" not in got
    assert "1 plus 2" in got["check-total"], "dropped by the course, but the learner changed it"
    assert list(got)[-1] == "extra"


def test_a_new_cell_behind_a_deleted_one_comes_behind_the_one_before(desk):
    data = desk.data()
    data["cells"] = [cell for cell in data["cells"] if cell["id"] != "total"]
    desk.save(data)
    order = {}
    for name, text in TENSOR.items():
        order[name] = text
        if name == "total":
            order["extra"] = "# here"
    desk.course.write_notebook("01_tensor", order)
    desk.tito("update")
    names = list(desk.cells())
    assert names[names.index("extra") - 1] == "check-double"


def without_ids(data):
    return data | {
        "nbformat_minor": 4,
        "cells": [{k: v for k, v in cell.items() if k != "id"} for cell in data["cells"]],
    }


def with_double_ids(data):
    copies = [cell | {"source": "# my note"} for cell in data["cells"]]
    return data | {"cells": [*data["cells"], *copies]}


@pytest.mark.parametrize("rewrite", [without_ids, with_double_ids])
def test_ids_that_an_editor_lost_or_doubled(desk, newer, rewrite):
    desk.solve()
    data = rewrite(desk.data())
    desk.save(data)
    newer(total=NEW_TOTAL, extra="# a new cell")
    assert desk.tito("update")[0] == 0
    texts = ["".join(cell["source"]) for cell in desk.data()["cells"]]
    assert any("from left to right." in text and "result += value" in text for text in texts)
    assert texts.count("# a new cell") == 1
    assert texts.count("# my note") == sum(c["source"] == "# my note" for c in data["cells"])
    assert sum("return 2 * x" in text for text in texts) == 1


def test_a_cell_that_has_another_id_in_the_new_course_is_the_same_cell(desk):
    desk.solve()
    order = list(desk.cells())
    renamed = {"total-2" if name == "total" else name: text for name, text in TENSOR.items()}
    for words in ("from left to right.", "from the first on."):
        renamed["total-2"] = TENSOR["total"].replace("of the values.", words)
        desk.course.write_notebook("01_tensor", renamed)
        assert desk.tito("update")[0] == 0
        cells = desk.cells()
        assert list(cells) == ["total-2" if name == "total" else name for name in order]
        assert words in cells["total-2"] and "result += value" in cells["total-2"]
    assert desk.tito("test", "01")[0] == 0


def test_line_ends_of_windows_are_no_change(desk, newer):
    for path in desk.root.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert desk.tito("update")[1].startswith("nothing to bring")
    newer(total=NEW_TOTAL)
    desk.course.write("milestones/05_2017_toy/00_toy_proof.py", '"""Another."""\n')
    out = desk.tito("update")[1]
    assert "modules/01_tensor/tensor.ipynb: updated" in out
    assert "00_toy_proof.py: updated" in out
    assert not list(desk.root.rglob("*.new"))


def test_a_changed_script_is_kept_and_the_new_one_laid_beside(desk):
    script = desk.root / "milestones/05_2017_toy/00_toy_proof.py"
    script.write_text("# mine\n", encoding="utf-8")
    desk.course.write("milestones/05_2017_toy/00_toy_proof.py", '"""Another."""\n')
    assert "you changed 00_toy_proof.py: kept" in desk.tito("update")[1]
    assert script.read_text(encoding="utf-8") == "# mine\n"
    beside = script.with_name("00_toy_proof.py.new")
    assert beside.read_text(encoding="utf-8") == '"""Another."""\n'


def test_a_deleted_notebook_stays_away(desk, newer):
    desk.notebook().unlink()
    newer(total=NEW_TOTAL)
    assert "you deleted it: it stays away" in desk.tito("update")[1]
    assert not desk.notebook().exists()
    assert desk.tito("start", "01", "--no-open")[0] == 0
    assert "from left to right." in desk.cells()["total"]


def test_a_broken_notebook_stops_the_update_before_it_begins(desk, newer):
    desk.notebook().write_bytes(b"{")
    newer(total=NEW_TOTAL)
    desk.course.write_notebook("02_activations", ACTIVATIONS | {"extra": "1"})
    before = desk.files()
    code, _, err = desk.tito("update")
    assert code == 1 and one_sentence(err) and "modules/01_tensor/tensor.ipynb" in err
    assert desk.files() == before


def test_undo_takes_an_update_back(desk, newer):
    desk.solve()
    before = desk.files()
    newer(total=NEW_TOTAL)
    desk.course.write_notebook("02_activations", ACTIVATIONS | {"extra": "1"})
    desk.tito("update")
    assert desk.files() != before
    assert desk.tito("undo")[0] == 0
    after = desk.files()
    assert {n: b for n, b in after.items() if "snapshots" not in n} == before
    assert desk.tito("update")[0] == 0, "and it can be brought again"
    assert "from left to right." in desk.cells()["total"]


def test_undo_of_an_update_leaves_what_was_written_since(desk, newer):
    desk.answer("tensor.double")
    mine = desk.cells()
    newer(total=NEW_TOTAL, extra="# a new cell")
    desk.tito("update")
    desk.answer("tensor.Box.peek", "return vars(self)['value']  # two hours")
    assert "what you wrote there since stays" in desk.tito("undo")[1]
    cells = desk.cells()
    assert "two hours" in cells["box"] and "extra" not in cells
    assert {**cells, "box": ""} == {**mine, "box": ""}


def test_undo_of_an_update_removes_no_notebook_that_was_written_in(desk):
    desk.course.write_notebook("03_layers", {"target": "#| default_exp layers"})
    desk.course.write_words("03_layers")
    assert "03_layers/layers.ipynb: new in the course" in desk.tito("update")[1]
    data = desk.data("03_layers")
    data["cells"][0]["source"] = "two hours"
    desk.save(data, "03_layers")
    code, _, err = desk.tito("undo")
    assert code == 1 and one_sentence(err) and "03_layers/layers.ipynb since `tito update`" in err
    assert desk.cells("03_layers")["title"] == "two hours"


# -- any edits of both sides
LINES = ["    y = 1", "    z = x", "# a note", "", '    """Text."""', "value = 3", "    return 7"]
CELL = '''#| export
def double(x):
    """Twice x.

    More words.
    """
    # Your code here.
    raise Blank("tensor.double")


def helper(x):
    """Given."""
    first = x
    second = first
    return second


LIMIT = 3'''.splitlines()


@st.composite
def edited(draw, lines=CELL):
    """A text after up to three edits of single lines."""
    result = list(lines)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(result) - 1))
        kind = draw(st.sampled_from(["insert", "replace", "delete"]))
        new = [draw(st.sampled_from(LINES))] if kind != "delete" else []
        result[at : at + (kind != "insert")] = new
    return "\n".join(result)


def notebook(*sources):
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": text.splitlines(True)}
        for i, text in enumerate(sources)
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def texts(merged):
    return {cell["id"]: source(cell) for cell in json.loads(merged)["cells"]}


def bodies(text):
    """{function: its lines below the docstring}; None if it is not Python."""
    try:
        parsed = Source(text)
    except SyntaxError:
        return None
    return {key: body(parsed, key) for key in parsed.pieces}


@settings(max_examples=400)
@given(mine=edited(), new=edited())
def test_any_two_edits_keep_what_the_learner_wrote(mine, new):
    base = "\n".join(CELL)
    done = merge(notebook(base), notebook(mine), notebook(new))
    got = texts(done.text)
    if done.conflicts:
        assert got["c0"] == mine, "in a conflict the learner's cell stays as it is"
        assert new in got["c0-new"], "and the course's is shown"
    elif mine == base:
        assert got["c0"] == new
    elif new == base:
        assert got["c0"] == mine
    own, before, after = bodies(mine), bodies(base), bodies(got["c0"])
    for key in own or {}:
        if own[key] != before.get(key):
            assert after[key] == own[key], f"the body of {key} was changed"
    if mine != base:
        added = [line for line in mine.split("\n") if line not in CELL]
        assert all(line in got["c0"].split("\n") for line in added), "a line was lost"


@settings(max_examples=200)
@given(mine=edited(), new=edited())
def test_an_update_that_was_cut_off_may_run_again(mine, new):
    """The notebook was written, its base was not: nothing of the learner's changes any more."""
    base = notebook("\n".join(CELL))
    once = merge(base, notebook(mine), notebook(new))
    again = merge(base, once.text, notebook(new))
    assert texts(again.text)["c0"] == texts(once.text)["c0"]
    later = merge(notebook(new), once.text, notebook(new))
    assert texts(later.text) == texts(once.text), "with the new base nothing more happens"


@settings(max_examples=200)
@given(
    mine=st.lists(st.sampled_from("abcdefg"), unique=True),
    new=st.lists(st.sampled_from("abcdxyz"), unique=True),
)
def test_any_cells_that_were_added_moved_or_deleted(mine, new):
    """What is the learner's own stays, in its order; new cells come once."""

    def cells(names, text):
        found = [{"cell_type": "code", "id": n, "metadata": {}, "source": text(n)} for n in names]
        return json.dumps({"cells": found})

    def changed(name):
        return f"# {name}, mine" if name in "abefg" else f"# {name}"

    old = cells("abcd", lambda n: f"# {n}")
    done = merge(old, cells(mine, changed), cells(new, lambda n: f"# {n}"))
    got = [(cell["id"], cell["source"]) for cell in json.loads(done.text)["cells"]]
    kept = [n for n in mine if n in "abefg" or n in new]
    assert [n for n, _ in got if n in mine] == kept
    assert all(text == changed(n) for n, text in got if n in mine)
    assert sorted(n for n, _ in got if n not in mine) == sorted(set(new) & set("xyz"))
