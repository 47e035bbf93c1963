"""From what the fresh processes told to a verdict: one line per exercise, and no false green.

What did not run is a failure: an exercise without a test or without a quick check, a test file
that is missing, a notebook that stopped half-way.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

OTHER = "other tests"


@dataclass
class Verdict:
    """The line of every exercise, the sentences that explain the failures, and the counts."""

    rows: list[tuple] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)  # of "passed", "failed", "skipped"

    def fail(self, reason):
        """A failure that no test and no quick check stands for."""
        self.counts["failed"] += 1
        self.reasons.append(reason)


def judge(module, exercises, tests, cells):
    """The verdict on a module, from the runs of its tests and of its notebook's cells.

    `tests` is None if the module has no test file.
    """
    verdict = Verdict()
    results, checks = _results(tests) if tests else [], cells.all("check")
    verdict.counts.update(result["outcome"] for result in results)
    verdict.counts.update(_strict(check["outcome"]) for check in checks)
    names = [exercise.id for exercise in exercises]
    for name in names:
        mine = [result for result in results if name in result["exercises"]]
        _exercise(verdict, module, name, mine, [c for c in checks if c["check"] == name], cells)
    _others(verdict, module, [r for r in results if not set(r["exercises"]) & set(names)])
    for reason in _unknown(module, names, results, checks):
        verdict.fail(reason)
    for reason in [*_broken_tests(module, tests, results), *_broken_cells(module, cells)]:
        verdict.fail(reason)
    if not verdict.counts:
        verdict.fail(f"nothing ran: {module.label} has no exercise and no test")
    return verdict


def _strict(outcome):
    """A blank may go on in a notebook; in a count it is not passed."""
    return "failed" if outcome == "blank" else outcome


def _results(tests):
    """One result per test, its worst; a test that began and never ended has failed."""
    worst, badness = {}, ("passed", "skipped", "failed").index
    for event in tests.all("test"):
        name, before = event["test"], worst.get(event["test"], event)
        worst[name] = max(before, event, key=lambda e: badness(e["outcome"]))
    for event in tests.all("start"):
        if event["start"] not in worst:
            lost = {"outcome": "failed", "sentence": tests.ending or "it never came to an end"}
            worst[event["start"]] = {"test": event["start"], **event, **lost}
    return list(worst.values())


def _exercise(verdict, module, name, results, checks, cells):
    """Judge one exercise: its row, and the first reason if it did not pass."""
    tests = Counter(result["outcome"] for result in results)
    quick = Counter(check["outcome"] for check in checks)
    whole = tests["passed"] and not tests["failed"] and set(quick) == {"passed"}
    met = {result["blank"] for result in results if result.get("blank")}
    blank = name in met or (quick["blank"] and not met)
    outcome = "passed" if whole else "blank" if blank else "failed"
    verdict.rows.append((name, outcome, _in_words(tests), _quick_word(quick, blank, cells)))
    bad = [r for r in (*checks, *results) if r["outcome"] == "failed"]
    verdict.reasons += [_reason(module, bad[0])] if bad else []
    if not results and module.tests.is_file():
        verdict.fail(f'{name} has no test: mark one with @pytest.mark.exercise("{name}")')
    elif results and not tests["passed"] + tests["failed"]:
        verdict.fail(f"{name}: every test of it was skipped")
    if not checks and _complete(cells):
        verdict.fail(f'no quick check of {name} ran: write `with check("{name}"):` in a later cell')


def _complete(cells):
    return not cells.ending and not cells.all("error")


def _others(verdict, module, results):
    """The tests that belong to no exercise share one row."""
    if results:
        tests = Counter(result["outcome"] for result in results)
        outcome = "failed" if tests["failed"] else "passed"
        verdict.rows.append((OTHER, outcome, _in_words(tests), ""))
        verdict.reasons += [_reason(module, r) for r in results if r["outcome"] == "failed"][:1]


def _in_words(tests):
    total = tests["passed"] + tests["failed"]
    if not total:
        return "no test ran"
    words = f"{total} test{'s' * (total > 1)}"
    return f"{tests['failed']} of {words} failed" if tests["failed"] else f"{words} passed"


def _quick_word(quick, blank, cells):
    if not quick:
        return "no quick check" if _complete(cells) else "quick check not reached"
    if quick["blank"] and not quick["failed"]:
        return "still blank" if blank else "quick check met a blank"
    return "quick check failed" if quick["failed"] else "quick check passed"


def _reason(module, result):
    """Why a test or a quick check failed, and where."""
    place = result.get("place")
    if isinstance(place, list):
        place = f"{module.course.relative(place[0])}, line {place[1]}"
    name = result.get("test", "").rpartition("::")[2]
    sentence = result.get("sentence", "its quick check failed, and its cell hid it")
    words = f"{name}: {sentence}" if name else sentence
    return f"{words} ({place})" if place else words


def _unknown(module, names, results, checks):
    """Markers and quick checks that name no exercise: what they judge is not counted anywhere.

    A test of given code is marked with the module's bare name.
    """
    known = {*names, module.name}
    marked = dict.fromkeys(n for r in results for n in r["exercises"] if n not in known)
    checked = dict.fromkeys(c["check"] for c in checks if c["check"] not in names)
    for file, unknown in ((module.tests, marked), (module.notebook, checked)):
        for name in unknown:
            yield f"{module.course.relative(file)}: {name!r} is no exercise of {module.label}"


def _broken_tests(module, tests, results):
    """Why the tests did not run, or not to their end."""
    file = module.course.relative(module.tests)
    if tests is None:
        return [f"{file} is missing: without it nothing judges {module.label}"]
    if tests.ending:
        told = any(result.get("sentence") == tests.ending for result in results)
        return [] if told else [f"{file}: {tests.ending}"]
    if errors := [f"{file}: {event['error']}" for event in tests.all("error")]:
        return errors
    end = tests.all("finished")[-1]
    expected = {1} if any(result["outcome"] == "failed" for result in results) else {0, 5}
    if end["finished"] not in expected:
        return [f"{file}: pytest ended with exit code {end['finished']}"]
    if results and module.exported.resolve() not in {
        Path(name).resolve() for name in end["loaded"].values()
    }:
        return [f"{file}: it never imported {module.course.relative(module.exported)}"]
    return []


def _broken_cells(module, cells):
    """Why the notebook did not run to its end."""
    label = module.course.relative(module.notebook)
    ending = [f"{label}: {cells.ending}"] if cells.ending else []
    return [f"{label}, {event['place']}: {event['error']}" for event in cells.all("error")] + ending
