"""The verdict on a learner's exercises: quick checks first, then the full tests, nothing assumed.

An exercise passed only if a quick check of it and a test of it ran, and none failed. A check that
never comes back, or that takes Python down with it, costs its own exercise and no other. Checks of
any other file than the workspace's export are no verdict, and are refused.
"""

from dataclasses import dataclass, field
from pathlib import Path

from tito import TitoError, runner
from tito.assembly import Source
from tito.inside import UNMARKED

LIMIT = 20  # seconds that one check may take
OTHER = "given code"  # the tests that belong to no exercise
NOTEBOOK = "notebook"  # what cannot be exported, where that is no exercise that was asked for
EXPORT = "export"  # what a Result calls the check that a notebook is one, and its cells Python
HALF = "still blank: delete `raise Blank(...)` when the lines that you wrote in it are done"
CALLS = "it calls an exercise of yours in which `raise Blank(...)` still stands"


@dataclass
class Result:
    """The outcome of one exercise: "passed", "failed" or "blank"; if it failed, how."""

    exercise: str
    outcome: str
    sentence: str = ""
    check: str = ""  # "quick check", or the test that failed
    place: list | None = None  # [file, line]
    checks: int = 0  # how many checks ran
    files: list = field(default_factory=list)  # the learner's files that the checks ran on
    blame: str = ""  # whose bug it is
    finding: dict | None = None  # the same as data: right, culprits, together
    witness: dict | None = None  # the smallest failing input, what was expected, what came


def judge(module, exercises, limit=LIMIT, quick=True, given=False, logs=None):
    """Judge exercises of a module on what is exported, in fresh processes.

    Args:
        module: the module, in a workspace.
        exercises: their ids, such as "tensor.matmul".
        quick: False to go straight to the tests.
        given: True to run the tests of given code too; they run anyway if all exercises are asked.
        logs: a list that gets what each run printed.

    Returns:
        {exercise id: Result}, and under OTHER the given code if a test of it failed.

    Raises:
        TitoError: the checks ran on another file than the one that was exported.
    """
    results = _quick_checks(module, exercises, limit, logs) if quick else {}
    asked = [name for name in exercises if name not in results or results[name].outcome == "passed"]
    if any(result.check == "import" for result in results.values()):
        return results
    given = given or set(exercises) == _all(module)
    known = set(exercises) - set(asked)  # they failed their quick checks
    for name, result in _tests(module, asked, limit, known if given else None, logs).items():
        passed = results.get(name)
        result.checks += passed.checks if passed else 0
        if quick and name != OTHER and passed is None and result.outcome == "passed":
            result = Result(name, "failed", "no quick check of it ran: reinstall the course")
        results[name] = result
    return {name: results[name] for name in [*exercises, OTHER] if name in results}


def files_of(module, run):
    """The learner's files that a run loaded, as they are shown.

    Raises:
        TitoError: the module itself was loaded from another file, or not at all.
    """
    loaded = run.loaded
    mine = [path for path in loaded.values() if Path(path).is_relative_to(module.course.package)]
    file = loaded.get(f"tinytorch.{module.name}")
    broken = run.ending or run.all("error")  # then it may not have come to the import
    if file != str(module.exported) and (file or not broken):
        raise TitoError(
            f"nothing is judged: the checks ran on {file or 'no file'} and not on your "
            f"{module.exported}: does your code change sys.path, sys.modules or __file__?"
        )
    return [module.course.relative(path) for path in mine]


# -- quick checks
def _quick_checks(module, exercises, limit, logs):
    """{exercise: Result} of the quick checks; a process that dies is started again after it."""
    results, waiting = {}, list(exercises)
    while waiting:
        run = runner.checks(module, limit, waiting)
        _keep(run, logs)
        if broken := run.all("error"):
            place = broken[0].get("place")
            return {n: Result(n, "failed", broken[0]["error"], "import", place) for n in exercises}
        files = files_of(module, run)
        told = {event["check"]: event for event in run.all("check")}
        for name, event in told.items():
            blank = event["outcome"] == "blank"
            outcome = "failed" if blank else event["outcome"]
            sentence = _blank(module, name) if blank else event.get("sentence") or ""
            place = event.get("place")
            results[name] = Result(name, outcome, sentence, "quick check", place, 1, files)
        if run.ending:
            begun = [e["exercises"][0] for e in run.all("start")]
            lost = [n for n in begun if n not in told] or [n for n in waiting if n not in told]
            for name in lost:
                results[name] = Result(name, "failed", run.ending, "quick check", None, 1, files)
        waiting = [n for n in waiting if n not in results] if run.ending else []
    return results


def _blank(module, name):
    """What to say of an exercise whose quick check met a blank, in code that is the learner's."""
    code = Source(module.exported.read_text(encoding="utf-8")).code(name.partition(".")[2])
    return HALF if "raise Blank" in code else CALLS


# -- tests
def _tests(module, exercises, limit, known, logs):
    """{exercise: Result} of the full tests of some exercises.

    With `known`, exercises that have failed before, also of given code if a test of it fails:
    one that is about none of the learner's exercises.
    """
    if known is None and not exercises:
        return {}
    selection = {"only": exercises if known is None else None, "without": sorted(known or ())}
    events, files = [], {}
    while True:
        run = runner.selected_tests(module, limit, selection, prints=logs is not None)
        _keep(run, logs)
        files |= dict.fromkeys(files_of(module, run))
        fresh, lost = _told(run)
        events += fresh
        if not run.ending or not (fresh or lost):
            break
        selection["skip"] = [event["test"] for event in events]
        selection["without"] += [n for event in lost for n in event["exercises"] or [UNMARKED]]
    results = {name: _of(name, events) for name in exercises}
    if run.ending and not (fresh or lost) or run.all("error"):
        why = run.ending or f"its tests could not run: {run.all('error')[0]['error']}"
        results = {name: Result(name, "failed", why, "tests") for name in exercises}
    own = {*exercises, *(known or ())}
    others = [e for e in events if not set(e["exercises"]) & own and e["outcome"] == "failed"]
    if others:
        results[OTHER] = _failed(OTHER, others)
    for result in results.values():
        result.files = list(files)
    return results


def _keep(run, logs):
    if logs is not None and run.log.strip():
        logs.append(run.log.strip())


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
