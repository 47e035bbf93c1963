"""The verdict on a learner's exercises: quick checks first, then the full tests, nothing assumed.

An exercise passed only if a quick check of it and a test of it ran, and none failed. A check that
never comes back, or that takes Python down with it, costs its own exercise and no other.
"""

from dataclasses import dataclass

from tito import runner

LIMIT = 20  # seconds that one check may take
OTHER = "given code"  # the tests that belong to no exercise


@dataclass
class Result:
    """The outcome of one exercise: "passed", "failed" or "blank"; if it failed, how."""

    exercise: str
    outcome: str
    sentence: str = ""
    check: str = ""  # "quick check", or the test that failed
    place: list | None = None  # [file, line]
    checks: int = 0  # how many checks ran
    blame: str = ""  # whose bug it is
    witness: dict | None = None  # the smallest failing input, what was expected, what came


def judge(module, exercises, limit=LIMIT, quick=True):
    """Judge exercises of a module on what is exported, in fresh processes.

    Args:
        module: the module, in a workspace.
        exercises: their ids, such as "tensor.matmul".
        quick: False to go straight to the tests.

    Returns:
        {exercise id: Result}, and under OTHER the given code if a test of it failed.
    """
    results = _quick_checks(module, exercises, limit) if quick else {}
    asked = [name for name in exercises if name not in results or results[name].outcome == "passed"]
    if any(result.check == "import" for result in results.values()):
        return results
    for name, result in _tests(module, asked, limit).items():
        passed = results.get(name)
        result.checks += passed.checks if passed else 0
        if quick and name != OTHER and passed is None and result.outcome == "passed":
            result = Result(name, "failed", "no quick check of it ran: reinstall the course")
        results[name] = result
    return {name: results[name] for name in [*exercises, OTHER] if name in results}


# -- quick checks
def _quick_checks(module, exercises, limit):
    """{exercise: Result} of the quick checks; a process that dies is started again after it."""
    results, waiting = {}, list(exercises)
    while waiting:
        run = runner.checks(module, limit, waiting)
        if broken := run.all("error"):
            place = broken[0].get("place")
            return {n: Result(n, "failed", broken[0]["error"], "import", place) for n in exercises}
        told = {event["check"]: event for event in run.all("check")}
        for name, event in told.items():
            outcome = "failed" if event["outcome"] == "blank" else event["outcome"]
            sentence = event.get("sentence") or ("still blank" if outcome == "failed" else "")
            place = event.get("place")
            results[name] = Result(name, outcome, sentence, "quick check", place, 1)
        if run.ending:
            begun = [e["exercises"][0] for e in run.all("start") if e["exercises"][0] not in told]
            for name in begun or waiting:
                results[name] = Result(name, "failed", run.ending, "quick check", None, 1)
        waiting = [n for n in waiting if n not in results] if run.ending else []
    return results


# -- tests
def _tests(module, exercises, limit):
    """{exercise: Result} of the full tests of some exercises, and of given code if it failed."""
    selection = {"only": None, "skip": [], "without": [], "tests": None}
    if set(exercises) != _all(module):
        selection["only"] = exercises
    events = []
    while True:
        run = runner.selected_tests(module, limit, selection)
        fresh, lost = _told(run)
        events += fresh
        if not run.ending or not (fresh or lost):
            break
        selection["skip"] = [event["test"] for event in events]
        selection["without"] += [name for event in lost for name in event["exercises"]]
    results = {name: _of(name, events) for name in exercises}
    if run.ending and not (fresh or lost) or run.all("error"):
        why = run.ending or f"its tests could not run: {run.all('error')[0]['error']}"
        results = {name: Result(name, "failed", why, "tests") for name in exercises}
    known = _all(module)
    others = [e for e in events if not set(e["exercises"]) & known and e["outcome"] == "failed"]
    if others:
        results[OTHER] = _failed(OTHER, others)
    return results


def _all(module):
    return {f"{module.name}.{name}" for name in module.words()["exercises"]}


def _told(run):
    """The outcomes of the tests of a run, and those among them that never came to an end."""
    worst, badness = {}, ("passed", "skipped", "failed").index
    for event in run.all("test"):
        before = worst.get(event["test"], event)
        worst[event["test"]] = max(before, event, key=lambda e: badness(e["outcome"]))
    begun = {event["start"]: event for event in run.all("start")}
    ending = {"outcome": "failed", "sentence": run.ending or "it never came to an end"}
    lost = [{"test": t, **e, **ending} for t, e in begun.items() if t not in worst]
    return [*worst.values(), *lost], lost


def _of(name, events):
    """The Result of one exercise from the tests that name it."""
    mine = [event for event in events if name in event["exercises"]]
    if any(event["outcome"] == "failed" for event in mine):
        return _failed(name, [event for event in mine if event["outcome"] == "failed"], len(mine))
    if any(event["outcome"] == "passed" for event in mine):
        return Result(name, "passed", checks=len(mine))
    return Result(name, "failed", "no test of it ran: reinstall the course", "tests")


def _failed(name, events, count=0):
    first = events[0]
    return Result(name, "failed", first["sentence"], first["test"], first.get("place"), count)
