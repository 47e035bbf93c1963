"""Whose bug is it? One wrong idea in one exercise, a later module's tests, and who is named.

All exercises are solved by the independent solutions; then one gets the body of a usual wrong
idea (`wrong_ideas/`), and `tito test` judges a later module whose tests call it. `pytest -m slow`
plants a few bugs; with TINYTORCH_REPORT=DIR every exercise gets one, and fifty times two get one
each. Rows are kept in DIR as they come, so that a stopped run goes on; the matrix is blame.md.
"""

import ast
import copy
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import variants
import workspaces

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0)]
NAMED, ACCUSED, SECONDS = 0.90, 0.02, 15  # what is promised: at least, less than, median under
START = 0.3  # seconds of one start() on the quiet machine for which SECONDS is promised
LATER = 1  # later modules in which a planted bug must fail, before it is the next one's turn
PAIRS = 50
FEW = {  # where there is no report: exercise -> a later module whose tests notice a bug in it
    "activations.softmax": "attention",
    "losses.cross_entropy": "training",
    "autograd.unbroadcast": "transformers",
    "attention.split_heads": "kv_caching",
    "transformers.beam_step": "kv_caching",
}


def place(exercise):
    return workspaces.names().index(exercise.partition(".")[0])


def bugs():
    """The exercises that get one for the report: all that have later modules."""
    last = len(workspaces.names()) - 1
    return [e for e in workspaces.exercises() if place(e) < last]


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    root = tmp_path_factory.mktemp("blame") / "solved"
    return workspaces.make(root, workspaces.exercises())


@pytest.fixture(scope="module")
def known(solved, tmp_path_factory):
    """The same, after `tito test` found all of it right: what it knows is asked last."""
    root = workspaces.copy(solved, tmp_path_factory.mktemp("known") / "solved")
    code, told, _ = workspaces.judged(root, "--all")
    bad = [r for results in told.values() for r in results if r["outcome"] != "passed"]
    assert (code, bad) == (0, []), "the independent solutions pass"
    return root


@pytest.fixture(scope="module")
def callers(solved, tmp_path_factory):
    """{exercise: the later modules whose checks call it}: elsewhere no bug in it can be seen."""
    folder = tmp_path_factory.mktemp("callers")
    kept = workspaces.Kept("callers")
    if kept.rows:
        return kept.rows[0]
    root, found = workspaces.copy(solved, folder / "traced"), {}
    for exercise in bugs():
        node = variants.independent_solutions(exercise.partition(".")[0])[exercise]
        workspaces.plant(root, exercise, traced(node, folder / exercise))
    for at, name in enumerate(workspaces.names()):
        workspaces.judged(root, name, "--no-blame")
        for exercise in bugs():
            if (folder / exercise).exists():
                (folder / exercise).unlink()
                if place(exercise) < at:
                    found.setdefault(exercise, []).append(name)
    kept.add(found)
    return found


def traced(node, mark):
    """A solution that leaves a mark when it is called."""
    node = copy.deepcopy(node)
    doc, rest = variants.body_and_doc(node)[1], variants.body_and_doc(node)[0]
    node.body = [*doc, *ast.parse(f"__import__('pathlib').Path({str(mark)!r}).touch()").body, *rest]
    return node


def start():
    """Seconds that a fresh Python needs to import what tests need: the measure of this machine."""
    begin = workspaces.used()
    words = [sys.executable, "-c", "import pytest, hypothesis, tinytorch.tensor"]
    subprocess.run(words, cwd=variants.ROOT, check=True)
    return workspaces.used() - begin


def row(planted, module, results, seconds, starts):
    """What one run of `tito test` found: of its failing checks, and of all of them together."""
    failing = [r for r in results if r["outcome"] == "failed" and r["finding"]]
    findings = [(r["exercise"], r["finding"]) for r in failing]
    accused = {name for _, f in findings for name in f["culprits"]}
    accused |= {exercise for exercise, f in findings if f["right"] is False}
    return {
        "planted": planted,
        "module": module,
        "checks": {e: sorted(f["culprits"]) or f["together"] or f["unclear"] for e, f in findings},
        "named": sorted(accused & set(planted)),
        "everywhere": all(set(f["culprits"]) & set(planted) for _, f in findings),
        "together": sorted({n for _, f in findings for n in f["together"]}),
        "wrongly": sorted(accused - set(planted)),
        "seconds": round(seconds, 1),
        "starts": round(starts),
    }


def judged(root, planted, module):
    """The row of a later module's test run; None if it passes."""
    before, begin = start(), workspaces.used()
    code, told, seconds = workspaces.judged(root, module)
    results, asked, after = told[module], workspaces.used() - begin, start()
    if code == 0:
        return None
    assert any(r["outcome"] == "failed" for r in results), results
    return row(planted, module, results, seconds, asked / (before + after) * 2)


def search(solved, folder, exercise, modules, most):
    """Plant the first wrong idea that later modules notice: (rows, ideas tried, noticed or not)."""
    modules, tried = list(modules), 0
    random.Random(exercise).shuffle(modules)
    for owner, idea, node in variants.wrong_ideas(exercise.partition(".")[0]):
        if owner != exercise or not modules:
            continue
        tried += 1
        root = workspaces.copy(solved, folder / "planted")
        workspaces.plant(root, exercise, node)
        rows = []
        for module in modules:
            if len(rows) < most and (found := judged(root, [exercise], module)):
                rows.append(found | {"idea": idea})
        if rows:
            return rows, tried
    return [], tried


def assert_kept(rows):
    """The promises of DESIGN hold over rows."""
    lost = [r for r in rows if r["named"] != r["planted"]]
    wrong = [r for r in rows if r["wrongly"]]
    assert len(lost) <= (1 - NAMED) * len(rows), lost
    assert len(wrong) < ACCUSED * len(rows), wrong
    assert statistics.median(r["starts"] for r in rows) < SECONDS / START


def test_a_few_planted_bugs_are_named(solved, tmp_path):
    rows = [r for e, module in FEW.items() for r in search(solved, tmp_path, e, [module], 1)[0]]
    assert len(rows) == len(FEW), "each of them makes a later test fail"
    assert_kept(rows)


def test_nothing_fails_where_nothing_is_planted(solved):
    last = workspaces.names()[-1]
    code, told, _ = workspaces.judged(solved, last)
    assert (code, {r["outcome"] for r in told[last]}) == (0, {"passed"})


# -- the whole matrix
@pytest.mark.skipif(not workspaces.REPORT, reason="long: set TINYTORCH_REPORT to a folder")
def test_every_planted_bug_is_named(solved, known, callers, tmp_path):
    """In every fifth case nothing was judged before: then the search has nothing to go by."""
    kept, order = workspaces.Kept("blame"), bugs()
    random.Random(0).shuffle(order)  # a stopped run has seen a bit of every module
    for at, exercise in enumerate(order[len(kept.rows) :], len(kept.rows)):
        root, modules = known if at % 5 else solved, callers.get(exercise, [])
        rows, tried = search(root, tmp_path, exercise, modules, LATER)
        told = {"exercise": exercise, "rows": rows, "tried": tried, "fresh": root == solved}
        kept.add(told)
    report()
    assert_kept([found for told in kept.rows for found in told["rows"]])


@pytest.mark.skipif(not workspaces.REPORT, reason="long: set TINYTORCH_REPORT to a folder")
def test_two_bugs_at_once(solved, callers, tmp_path):
    """How often both are named is reported, not promised; but nobody else is accused."""
    pairs, kept = some_pairs(), workspaces.Kept("pairs")
    for first, second, module, ideas in pairs[len(kept.rows) :]:
        root = workspaces.copy(solved, tmp_path / "planted")
        for exercise, idea in zip((first, second), ideas):
            told = variants.wrong_ideas(exercise.partition(".")[0])
            node = next(n for e, i, n in told if (e, i) == (exercise, idea))
            workspaces.plant(root, exercise, node)
        kept.add(judged(root, [first, second], module))
    report()
    found = [told for told in kept.rows if told]
    assert sum(bool(r["wrongly"]) for r in found) < max(1, ACCUSED * len(found))


@pytest.mark.skipif(not workspaces.REPORT, reason="long: set TINYTORCH_REPORT to a folder")
def test_how_many_wrong_ideas_later_tests_notice(solved, callers, tmp_path):
    """It is reported, and at least every second one: a module's own checks notice them all."""
    kept = workspaces.Kept("noticed")
    ideas = [i for name in workspaces.names() for i in variants.wrong_ideas(name)]
    for exercise, idea, node in [i for i in ideas if i[0] in callers][len(kept.rows) :]:
        root = workspaces.copy(solved, tmp_path / "planted")
        workspaces.plant(root, exercise, node)
        runs = ((m, workspaces.judged(root, m, "--no-blame")[0]) for m in callers[exercise])
        kept.add([exercise, idea, next((module for module, code in runs if code), None)])
    report()
    assert sum(bool(row[2]) for row in kept.rows) >= len(kept.rows) / 2


def some_pairs():
    """Pairs of bugs of which each alone makes the same later module fail."""
    seen = {}
    for told in sorted(workspaces.Kept("blame").rows, key=lambda told: told["exercise"]):
        for found in told["rows"]:
            seen.setdefault(found["module"], []).append((told["exercise"], found["idea"]))
    every = [
        (a[0], b[0], module, (a[1], b[1]))
        for module, all_ in seen.items()
        for i, a in enumerate(all_)
        for b in all_[i + 1 :]
    ]
    return random.Random(1).sample(every, min(PAIRS, len(every)))


def report():
    """Write blame.md."""
    told = sorted(workspaces.Kept("blame").rows, key=lambda t: bugs().index(t["exercise"]))
    rows = [found for t in told for found in t["rows"]]
    pairs = [found for found in workspaces.Kept("pairs").rows if found]
    lines = ["# Whose bug is it?", "", *summary(told, rows), *pairs_summary(pairs)]
    lines += [*ideas_summary(workspaces.Kept("noticed").rows), ""]
    lines += ["## Every planted bug", "", "| exercise | wrong idea | module judged | named |"]
    lines += ["| --- | --- | --- | --- |"]
    for t in told:
        if not t["rows"]:
            words = f"{t['tried']} tried, none noticed" if t["tried"] else "no later test calls it"
            lines.append(f"| {t['exercise']} | {words} | | |")
        lines += [
            f"| {t['exercise']} | {r['idea']} | {r['module']} | {verdict(r)} |" for r in t["rows"]
        ]
    lines += ["", "## Every pair", "", "| bugs | module judged | named |", "| --- | --- | --- |"]
    lines += [f"| {' and '.join(r['planted'])} | {r['module']} | {verdict(r)} |" for r in pairs]
    Path(workspaces.REPORT, "blame.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def verdict(found):
    """A row's last column."""
    words = [", ".join(found["named"]) or "nobody"]
    words += [f"together: {', '.join(found['together'])}"] if found["together"] else []
    words += [f"WRONGLY {', '.join(found['wrongly'])}"] if found["wrongly"] else []
    if found["named"] != sorted(found["planted"]):
        words.append(json.dumps(found["checks"]))
    return "; ".join(words)


def summary(told, rows):
    """The figures that are promised."""
    count = max(1, len(rows))
    named = sum(r["named"] == r["planted"] for r in rows)
    everywhere = sum(r["everywhere"] for r in rows)
    wrongly = sum(bool(r["wrongly"]) for r in rows)
    noticed = sum(bool(t["rows"]) for t in told)
    ideas = sum(t["tried"] for t in told)
    fresh = [r for t in told if t["fresh"] for r in t["rows"]]
    judged_before = [r for t in told if not t["fresh"] for r in t["rows"]]
    return [
        f"- planted: a bug in each of {len(told)} exercises, of {len(bugs())} with later modules; "
        f"{noticed} noticed by a later module's tests ({ideas} wrong ideas tried)",
        f"- later test runs that failed: {len(rows)}; the right exercise named in {named} "
        f"({named / count:.1%}), by every failing check in {everywhere} ({everywhere / count:.1%})",
        f"- runs in which a right exercise was accused: {wrongly} ({wrongly / count:.1%})",
        f"- seconds of `tito test` with its search, {times(judged_before)}; "
        f"where nothing was judged before, {times(fresh)}",
    ]


def ideas_summary(rows):
    seen, places = sum(bool(row[2]) for row in rows), len({row[0] for row in rows})
    return [
        f"- wrong ideas that a later module's tests notice: {seen} of {len(rows)} "
        f"in the {places} exercises that such tests call"
    ]


def times(rows):
    wall, starts = ([r[key] for r in rows] or [0] for key in ("seconds", "starts"))
    return (
        f"median {statistics.median(wall):.1f} (most {max(wall):.1f}), in starts of Python with "
        f"pytest {statistics.median(starts):.0f} (most {max(starts)})"
    )


def pairs_summary(pairs):
    both = sum(r["named"] == sorted(r["planted"]) for r in pairs)
    one = sum(len(r["named"]) == 1 for r in pairs)
    wrongly = sum(bool(r["wrongly"]) for r in pairs)
    return [
        f"- pairs of bugs at once: {len(pairs)}; both named in {both}, one in {one}, none in "
        f"{len(pairs) - both - one}; a right exercise accused in {wrongly}"
    ]
