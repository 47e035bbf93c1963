"""The mutation matrix: run the judge over a module, count, find faults, and write the report."""

import collections
import functools
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import variants
from judge import CONTROL, MARKED, MODULE, QUICK, TIME

HERE = Path(__file__).parent
EQUIVALENT = HERE / "equivalent_mutants.toml"
FEWEST, FROM_THE_TREE = 8, 4  # mutants of an exercise that do not crash; those of them of its tree
KILLED, KILLED_OF_A_KIND, CRASHING = 0.95, 0.80, 0.15  # shares: at least, at least, at most
CONTROLS = {  # what the quick check says of it, and whether the exercise's tests pass
    "reference": ("passed", True),
    "independent": ("passed", True),
    "blank": ("blank", False),
}


@functools.cache
def equivalents():
    """Mutants that do what the reference does: {name: why}."""
    listed = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {f"{e}: {what}": why for e, ideas in listed.items() for what, why in ideas.items()}


def judged(notebook, folder):
    """Every mutant of a module with its verdict, from a process of its own."""
    path = Path(folder, f"{notebook.name}.json")
    done = subprocess.run(
        [sys.executable, HERE / "judge.py", notebook.name, path],
        cwd=variants.ROOT,
        env={**os.environ, "PYTHONPATH": str(variants.ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(path.read_text(encoding="utf-8"))


def counted(results):
    """The mutants without controls and equivalents; one that crashes is of that kind."""
    mutants = [r for r in results if r["kind"] != CONTROL and r["name"] not in equivalents()]
    return [{**r, "kind": "crashes"} if r["crashes"] else r for r in mutants]


def survivors(results):
    """The names of those that nothing killed."""
    return [r["name"] for r in counted(results) if r["killer"] is None]


# ---------------------------------------------------------------- what can be wrong
def faults(results):
    """Everything that should not be so in these results, a sentence each."""
    return [
        *_control_faults(results),
        *_equivalent_faults(results),
        *_number_faults(results),
        *_share_faults(results),
    ]


def _control_faults(results):
    for result in results:
        if result["kind"] == CONTROL:
            said = (result["killer"], result["own tests"])
            if said != CONTROLS[result["name"].rpartition(" ")[2]]:
                yield f"{result['name']}: the quick check says {said[0]}, its tests pass: {said[1]}"


def _equivalent_faults(results):
    killers = {result["name"]: result["killer"] for result in results}
    modules = {name.partition(".")[0] for name in killers}
    for name in equivalents():
        if name.partition(".")[0] in modules and name not in killers:
            yield f"{name}: listed as equivalent, and there is no such mutant"
        elif killers.get(name):
            yield f"{name}: listed as equivalent, and killed by the {killers[name]}"


def _number_faults(results):
    found = [result for result in counted(results) if result["kind"] != "crashes"]
    for exercise in dict.fromkeys(exercise_of(result) for result in results):
        sources = [r["source"] for r in found if exercise_of(r) == exercise]
        if len(sources) < FEWEST or sources.count("tree") < FROM_THE_TREE:
            of_tree = f"{sources.count('tree')} of its tree"
            yield f"{exercise} has {len(sources)} mutants, {of_tree}: wanted {FEWEST} and 4"


def _share_faults(results):
    alive = "; ".join(survivors(results))
    found = counted(results)
    if share(found) < KILLED:
        yield f"{share(found):.1%} of the mutants are killed, wanted {KILLED:.0%}; alive: {alive}"
    for kind, some in by(found, "kind").items():
        if share(some) < KILLED_OF_A_KIND:
            yield f"{share(some):.1%} of the kind {kind} are killed; alive: {alive}"


def exercise_of(result):
    return result["name"].partition(":")[0]


def by(results, key):
    """Results in groups: {value of key: results}."""
    groups = collections.defaultdict(list)
    for result in results:
        groups[result[key]].append(result)
    return groups


def share(results):
    """How much of it is killed."""
    return sum(result["killer"] is not None for result in results) / max(len(results), 1)


def crashing(results):
    """How much of it raises at once on the docstring's example."""
    found = counted(results)
    return sum(result["kind"] == "crashes" for result in found) / max(len(found), 1)


# ---------------------------------------------------------------- the report
def report(modules):
    """A page of Markdown about {module: results}."""
    every = [result for results in modules.values() for result in results]
    found = counted(every)
    lines = [
        "# Mutation matrix",
        "",
        f"{len(found)} mutants, {share(found):.1%} killed, {crashing(every):.1%} crash at once on "
        f"the docstring's example; {len(every) - len(found) - _controls(every)} more are listed as "
        "equivalent.",
        "",
        *_killers_table(found),
        *_kinds_table(found),
        *[line for module, results in modules.items() for line in _module(module, results)],
        "## Alive",
        "",
        *[f"* {name}" for name in survivors(every) or ["none"]],
        "",
        "## Equivalent",
        "",
    ]
    names = {result["name"] for result in every}
    lines += [f"* {name}: {why}" for name, why in equivalents().items() if name in names]
    return "\n".join(lines) + "\n"


def _controls(results):
    return sum(result["kind"] == CONTROL for result in results)


def _killers_table(found):
    killers = by(found, "killer")
    rows = [("alive" if k is None else k, len(killers[k])) for k in (*KILLERS, None)]
    return table(("killed by", "mutants"), rows)


KILLERS = (QUICK, MARKED, MODULE, TIME)


def _kinds_table(found):
    kinds = sorted(by(found, "kind").items())
    return table(
        ("kind", "mutants", "killed", "share"),
        [(k, len(some), _killed(some), f"{share(some):.1%}") for k, some in kinds],
    )


def _killed(results):
    return sum(result["killer"] is not None for result in results)


def _module(module, results):
    found = counted(results)
    rows = []
    for exercise in dict.fromkeys(exercise_of(result) for result in results):
        some = [result for result in found if exercise_of(result) == exercise]
        of_tree = sum(result["source"] == "tree" for result in some)
        killers = [sum(r["killer"] == killer for r in some) for killer in KILLERS]
        crash = sum(result["kind"] == "crashes" for result in some)
        rows.append((exercise, len(some), of_tree, crash, _killed(some), *killers))
    heads = ("exercise", "mutants", "of the tree", "crash", "killed", *KILLERS)
    total = f"{len(found)} mutants, {share(found):.1%} killed."
    return [f"## {module}", "", total, "", *table(heads, rows)]


def table(heads, rows):
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [*["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines], ""]
