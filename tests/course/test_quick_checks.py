"""Every quick check passes on the solution, and fails on blank, on zeros and on each wrong idea."""

import ast
from dataclasses import replace

import pytest
import variants

CASES = [
    pytest.param(notebook, exercise, id=exercise.id)
    for notebook in variants.course_notebooks()
    for exercise in notebook.exercises
]


@pytest.mark.parametrize(("notebook", "exercise"), CASES)
def test_solution_passes(notebook, exercise):
    assert variants.outcome(notebook, exercise) == ("passed", f"passed: {exercise.id}\n")


@pytest.mark.parametrize(("notebook", "exercise"), [c for c in CASES if c.id[:8] == "layers.M"])
def test_a_given_cell_that_ran_again_accuses_nobody(notebook, exercise):
    cells = list(notebook.cells)
    again = next(cell for cell in cells if cell.id == "tree")
    cells.insert(cells.index(exercise.cell) + 1, again)
    assert variants.outcome(replace(notebook, cells=tuple(cells)), exercise)[0] == "passed"


@pytest.mark.parametrize(("notebook", "exercise"), CASES)
def test_blank_is_said(notebook, exercise):
    said = variants.outcome(notebook, exercise, variants.blank)
    assert said == ("blank", f"still blank: {exercise.id}\n")


@pytest.mark.parametrize(("notebook", "exercise"), CASES)
def test_zeros_fail(notebook, exercise):
    assert variants.outcome(notebook, exercise, variants.zeros)[0] == "failed"


@pytest.mark.parametrize(("notebook", "exercise"), CASES)
def test_wrong_ideas_fail_each_with_its_own_sentence(notebook, exercise):
    ideas = [i for i in variants.wrong_ideas(notebook.name) if i[0] == exercise.id]
    assert len(ideas) >= 2, f"{exercise.id} declares {len(ideas)} wrong ideas, and needs two"
    said = {what: variants.outcome(notebook, exercise, variants.wrong(n)) for _, what, n in ideas}
    assert {kind for kind, _ in said.values()} == {"failed"}, said
    sentences = [text for _, text in said.values()]
    assert len(set(sentences)) == len(sentences), f"two wrong ideas get one sentence: {said}"
    assert all(" " in text.strip() and len(text) < 400 for text in sentences), said


@pytest.mark.parametrize("notebook", variants.course_notebooks(), ids=lambda n: n.name)
def test_wrong_ideas_belong_to_exercises(notebook):
    known = {exercise.id for exercise in notebook.exercises}
    assert {idea[0] for idea in variants.wrong_ideas(notebook.name)} <= known


def test_a_squeezed_result_is_told_its_shape():
    (case,) = [case for case in CASES if case.id == "layers.linear"]

    def squeezed(tree, exercise):
        result = variants.find(tree, exercise.qualname).body[-1]
        result.value = ast.parse(f"np.squeeze({ast.unparse(result.value)})").body[0].value
        return tree

    said = variants.outcome(*case.values, squeezed)[1]
    assert said.endswith("gives [[3, 7]], shape (1, 2), and yours gave [3.0, 7.0], shape (2,)")
