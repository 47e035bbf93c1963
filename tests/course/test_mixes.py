"""Any mix of own and given exercises works: alone, all but one module, and at random.

"Own" are the independent solutions, written into the notebooks of workspaces made from the real
course. Long: `pytest -m slow` takes a few mixes, TINYTORCH_REPORT=DIR all of them.
"""

import random

import pytest
import workspaces

pytestmark = pytest.mark.slow

SHORT = ("--embed-dim=8", "--num-heads=2", "--num-layers=1", "--levels=1", "--max-seconds=2")
RANDOM = range(50)  # seeds


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    return workspaces.make(tmp_path_factory.mktemp("mixes") / "blank")


def of(name):
    """The exercises of a module."""
    return [e for e in workspaces.exercises() if e.partition(".")[0] == name]


def phrase(own):
    """What a milestone says of a mix."""
    told = []
    for name in workspaces.names():
        mine, total = len(set(of(name)) & set(own)), len(of(name))
        told += [f"{name} ({mine} of {total} exercises)"] if mine else []
    return f"yours: {', '.join(told)}; the rest is given"


def outcomes(results):
    return {result["exercise"]: result["outcome"] for result in results}


@pytest.mark.parametrize("name", workspaces.cut(workspaces.names(), 4))
def test_a_module_solved_alone(name, blank, tmp_path):
    """Its tests pass, the proof passes, and the other milestones run, on given code elsewhere."""
    root = workspaces.copy(blank, tmp_path / "workspace")
    workspaces.solve(root, of(name))
    code, told, _ = workspaces.judged(root, name)
    assert (code, outcomes(told[name])) == (0, dict.fromkeys(of(name), "passed")), told[name]
    mix = phrase(of(name))

    proof = workspaces.tito(root, "milestone", "run", workspaces.PROOF)
    assert proof.code == 0, proof.out + proof.err
    assert f"parameters; {mix}\n" in proof.out and "\nPASSED: " in proof.out
    for script in ("01_vaswani_generation", "02_vaswani_dialogue"):
        said = workspaces.tito(root, "milestone", "run", script, *SHORT)
        assert (said.code, said.err) == (1, ""), said.err
        assert f"parameters; {mix}\n" in said.out
        assert "FAILED: loss " in said.out, "two seconds of training are too few to pass"


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", workspaces.cut(workspaces.names(), 2))
def test_all_modules_solved_but_one(name, blank, tmp_path):
    """Exactly its exercises are reported blank, and every other module's tests pass."""
    own = [e for e in workspaces.exercises() if e not in of(name)]
    root = workspaces.copy(blank, tmp_path / "workspace")
    workspaces.solve(root, own)
    code, told, _ = workspaces.judged(root, "--all", "--no-blame")
    assert list(told) == workspaces.names()
    found = {e: outcome for results in told.values() for e, outcome in outcomes(results).items()}
    wanted = dict.fromkeys(own, "passed") | dict.fromkeys(of(name), "blank")
    assert {e: o for e, o in found.items() if wanted.get(e) != o} == {}, "not as expected"
    assert (code, set(found)) == (3, set(wanted))


@pytest.mark.parametrize("seed", workspaces.cut(RANDOM, 5))
def test_the_proof_holds_on_a_random_mix(seed, blank, tmp_path):
    """Every exercise is the learner's or given, by the toss of a coin."""
    coin = random.Random(seed)
    own = [e for e in workspaces.exercises() if coin.random() < 0.5]
    root = workspaces.copy(blank, tmp_path / "workspace")
    workspaces.solve(root, own)
    proof = workspaces.tito(root, "milestone", "run", workspaces.PROOF)
    assert proof.code == 0, proof.out + proof.err
    assert f"parameters; {phrase(own)}\n" in proof.out
    assert "\nPASSED: unseen sequences reversed exactly" in proof.out
