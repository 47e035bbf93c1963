"""Whose bug is it? A failing check is run again on mixes of own and given code until it is clear.

First with everything given but the exercise under test: if it fails then, that exercise is wrong.
If not, the learner's pieces are halved to a smallest set that makes the check fail. A piece is
accused only if its own checks fail too while everything else is given, and the exercise under test
is called right only if its own checks pass so. Lines that the learner added outside of exercises
stay with them, unless the check fails with those lines and given exercises: then they are accused.
"""

import contextlib
import re
import time
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

from tinytorch import overlay
from tito import assembly, judge, learner, runner, workspace
from tito.progress import Progress

MOST = 3  # culprits that one failing check is searched for, and pieces that fail together
QUICK = ("quick check", "import")  # what a Result calls the checks that are no tests
ENDLESS = re.compile("stopped after|not done after")  # in a sentence: it never came back
SHOWN = 160  # characters of a culprit's smallest input
GIVEN = "it fails on the course's own code too, so it is not your mistake: test once more"
UNSTEADY = "it passed when it was run once more: does it depend on chance, time or memory?"
MANY = "no few of your exercises explain it: make the others pass first, then test again"


@dataclass(frozen=True)
class Finding:
    """Why a check fails: `culprits` one by one, or pieces that fail only `together`."""

    right: bool | None  # whether the exercise under test is right; None if that is not clear
    culprits: dict = field(default_factory=dict)  # {"activations.softmax": what is wrong with it}
    together: tuple = ()
    unclear: str = ""  # why nothing was found

    def words(self, exercise, known=()):
        """The finding in one sentence; of `known` culprits the reader knows already why."""
        if self.right is False and not self.culprits:
            return "everything else was given, and it still fails: the mistake is here"
        said = [
            f"your {name} is wrong{', as said above' if name in known else f': {why}'}"
            for name, why in self.culprits.items()
        ]
        if len(self.together) == 1:
            (name,) = self.together
            said.append(f"it fails with your {name}, which passes its own checks: look there")
        elif self.together:
            names = " and ".join(self.together)
            said.append(f"together: {names}; each of them passes its own checks, so look at all")
        said += [self.unclear] if self.unclear else []
        right = self.right and not (self.together and exercise in self.together)
        return "; ".join([f"{exercise} is right", *said] if right else said)


class Blame:
    """The search in one workspace, for the failed Results of one module.

    What many checks need to know is asked for all of them in one process.
    """

    def __init__(self, module, results, limit=judge.LIMIT):
        self.module, self.workspace, self.limit = module, module.course, limit
        self.checks = [(result.exercise, result.check) for result in results]
        passed = Progress(self.workspace).passed
        done = {name for m in self.workspace.written for name in passed(m)}
        own = [
            f"{name}.{key}"
            for name in overlay.NAMES
            for key in _own(self.workspace.manifest.get(name, {}))
        ]
        self.own = sorted(own, key=done.__contains__)  # what never passed comes first
        self.open = len(set(own) - done)
        self.known = {}  # culprit -> what is wrong with it
        self.stray = {}  # (module, line) of the learner's that makes checks fail -> how
        self.endless = [(r.exercise, r.check) for r in results if ENDLESS.search(r.sentence)]
        self.patience = limit
        self.text = cache(self._text)
        self.verdict = cache(self._verdict)
        self.failing = cache(self._failing)
        self.passing = cache(self._passing)

    def explain(self, result):
        """The Finding for one of the failed Results."""
        check = (result.exercise, result.check)
        if self._explained(check):
            return self._honest(result.exercise, Finding(True, dict(self.known)))
        if self.fails(check, ()):
            return Finding(None, unclear=GIVEN)
        self._find_stray(check, result.sentence)
        here = tuple(exercise for exercise, _ in self.checks if exercise in self.own)
        alone = (result.exercise,) if result.exercise in self.own else ()
        if alone and self.fails(check, here) and self.fails(check, alone):
            return Finding(False)
        if self.fails(check, self.own):
            return self._honest(result.exercise, self._search(check, alone))
        if self.stray:
            lines = {_shown(*line): why for line, why in self.stray.items()}
            return self._honest(result.exercise, Finding(True, lines))
        return Finding(None, unclear=UNSTEADY)

    def same(self, result, first, finding):
        """The Finding for a Result that has the cause of another one: what keeps all from running.

        Args:
            first: that other Result.
            finding: what `explain` said of it.
        """
        if finding.right is None:
            return finding
        culprits = finding.culprits
        if finding.right is False:
            others = {name: why for name, why in culprits.items() if name != first.exercise}
            culprits = others or {first.exercise: first.sentence}
        return self._honest(result.exercise, replace(finding, right=True, culprits=culprits))

    def _honest(self, exercise, finding):
        """The finding; but no exercise is called right that is a culprit or fails by itself."""
        culprits = finding.culprits
        if exercise in culprits:
            return replace(finding, right=False)
        passing = self.passing(frozenset(culprits)) if culprits else ()
        if exercise not in self.own or exercise in passing:
            return finding
        why = self.verdict(exercise)
        return Finding(False, culprits | {exercise: why}) if why else finding

    def _passing(self, culprits):
        """Which exercises under test pass all of their checks where the culprits are given."""
        asked = [check for check in self.checks if check not in self.endless]
        asked = [name for name, _ in asked if name in self.own and name not in culprits]
        with self.variant(frozenset(self.own) - culprits) as mix:
            module = mix.module(self.module.name)
            results = judge.judge(module, list(dict.fromkeys(asked)), self.limit)
        return {name for name, result in results.items() if result.outcome == "passed"}

    # -- which pieces
    def _search(self, check, alone):
        """The Finding for a check that fails with all of the learner's pieces together."""
        culprits, left = self._known_culprits(check)
        while len(culprits) < MOST and self._fails_without(check, culprits, left):
            found = self.smallest(check, left)
            why = self.verdict(found[0]) if len(found) == 1 else None
            if why is None:
                return self._together(culprits, found, alone)
            self.known[found[0]] = culprits[found[0]] = why
            left = self._without(culprits)
        return Finding(True, culprits)

    def _together(self, culprits, found, alone):
        if culprits:
            return Finding(True, culprits)
        if len(found) > MOST:
            return Finding(True, unclear=MANY)
        if len(found) == 1:  # where the exercise under test is given, it fails as well
            return Finding(True, together=found)
        return Finding(True, together=tuple(dict.fromkeys([*found, *alone])))

    def _explained(self, check):
        """True if the one culprit of the searches before is why this check fails, too."""
        if len(self.known) != 1 or not self.fails(check, self.own):
            return False
        return not self._fails_without(check, self.known, self._without(self.known))

    def _known_culprits(self, check):
        """The culprits of an earlier search that explain this check too, and the other pieces."""
        mine = {n: why for n, why in self.known.items() if self.fails(check, (n,))}
        return mine, self._without(mine)

    def _without(self, culprits):
        return tuple(piece for piece in self.own if piece not in culprits)

    def _fails_without(self, check, culprits, left):
        """True if a check fails where the culprits are given; whether all checks pass is known."""
        if culprits and check[0] in self.passing(frozenset(culprits)):
            return False
        return self.fails(check, left)

    @cached_property
    def lines(self):
        """(module, text) of what a learner added outside of exercises and given code, in order."""
        found = []
        for name in (name for name in overlay.NAMES if name in self.workspace.manifest):
            with contextlib.suppress(OSError, SyntaxError):  # its file is gone, or was spoilt
                found += [(name, text) for text in assembly.additions(*self._texts(name))]
        return found

    def _find_stray(self, check, sentence):
        """Put those lines aside with which a check fails where all exercises are given."""
        while len(self.stray) < MOST:
            left = [line for line in self.lines if line not in self.stray]
            if not left or not self.fails(check, left):
                break
            low, high = 0, len(left)
            while high - low > 1:
                middle = (low + high) // 2
                fails = self.fails_alone(check, left[:middle])
                low, high = (low, middle) if fails else (middle, high)
            self.stray[left[high - 1]] = sentence
            for known in (self.failing, self.passing, self.verdict, self.text):
                known.cache_clear()  # it was asked with that line in it

    def smallest(self, check, pieces):
        """A smallest set of pieces that makes the check fail; all of `pieces` together does.

        More than MOST are not searched for: then the set found is no smallest one.
        """
        found, middle = (), sum(piece in self.own[: self.open] for piece in pieces)
        while len(found) <= MOST and (not found or not self.fails_alone(check, found)):
            low, high = 0, len(pieces)
            while high - low > 1:
                middle = middle if low < middle < high else (low + high) // 2
                if self.fails_alone(check, (*found, *pieces[:middle])):
                    high = middle
                else:
                    low = middle
            found, pieces = (*found, pieces[high - 1]), pieces[: high - 1]
            if not pieces:
                break
        return found

    # -- runs
    def fails(self, check, pieces):
        """True if a check fails where only these pieces are the learner's own.

        All checks of its kind are tried on the way, as they are asked the same sooner or later.
        """
        kind = [other for other in self.checks if (other[1] in QUICK) == (check[1] in QUICK)]
        return check in self.failing(tuple(kind), frozenset(pieces), self.limit)

    def fails_alone(self, check, pieces):
        """The same without the other checks, for the steps of one check's own search.

        What never comes back is not waited for so long: no step by itself accuses anybody.
        """
        limit = self.patience if check in self.endless else self.limit
        return check in self.failing((check,), frozenset(pieces), limit)

    def _failing(self, checks, pieces, limit):
        """Which of these checks fail where only these pieces are the learner's own."""
        failing, waiting, begin = set(), list(checks), time.monotonic()
        with self.variant(pieces) as mix:
            while waiting:
                failed, waiting = self._run(mix.module(self.module.name), waiting, limit)
                failing |= failed
        if not pieces:  # where all is given nothing is endless
            self.patience = min(limit, 3 + 3 * (time.monotonic() - begin))
        return frozenset(failing)

    def _run(self, module, checks, limit):
        """Run checks of one kind once: those that failed, and those that it did not come to."""
        if checks[0][1] in QUICK:
            names = {check: check[0] for check in checks}
            run = runner.checks(module, limit, list(names.values()))
            told, begun = _outcomes(run, "check"), [e["exercises"][0] for e in run.all("start")]
        else:
            names = {check: check[1] for check in checks}
            selection = {"tests": list(names.values())}
            run = runner.selected_tests(module, limit, selection, sentences=False)
            told, begun = _outcomes(run, "test"), [e["start"] for e in run.all("start")]
        if run.all("error") or (run.ending and not begun):
            return set(checks), []
        lost = [name for name in begun if name not in told]
        wrong = {check for check, name in names.items() if told.get(name) or name in lost}
        failed = {check for check in wrong if check[1] != "import"}  # that one went well
        missed = [c for c, name in names.items() if name not in told and name not in lost]
        return failed, missed if run.ending and (told or lost) else []

    def _verdict(self, piece):
        """What is wrong with a piece by its own checks, all else given; None if they pass."""
        name, _, key = piece.partition(".")
        with self.variant(frozenset([piece])) as mix:
            module = mix.module(name)
            exercises = mix.exercises(module)
            own = piece in exercises
            asked = [piece] if own else exercises
            results = judge.judge(module, asked, self.limit, given=not own)
            failed = [r for r in results.values() if r.outcome == "failed"]
            failed = [r for r in failed if r.exercise == piece or not own]
            answers = failed and own and not ENDLESS.search(failed[0].sentence)
            witness = runner.witness(module, self.limit, failed[0]) if answers else None
        if not failed:
            return None
        call = witness["call"] if witness else ""
        return failed[0].sentence + f" (smallest input {call})" * (0 < len(call) < SHOWN)

    def variant(self, pieces):
        """A scratch workspace in which only these pieces are the learner's own.

        With a piece of a module come the lines that were added there, but those put aside.
        """
        manifest, texts = {}, {}
        for name, entry in self.workspace.manifest.items():
            kept = frozenset(key for key in _own(entry) if f"{name}.{key}" in pieces)
            lines = [x for x in self.lines if x[0] == name and (kept or x in pieces)]
            lines = frozenset(line for line in lines if line not in self.stray)
            if kept or lines:
                manifest[name], texts[name] = entry, self.text(name, kept, lines)
        return workspace.scratch(self.workspace, manifest, texts)

    def _text(self, name, kept, lines):
        """The learner's file of a module with all but the kept pieces given, and these lines."""
        away = [key for key in _own(self.workspace.manifest[name]) if key not in kept]
        gone = {text for where, text in self.lines if where == name and (where, text) not in lines}
        return assembly.without(assembly.give(*self._texts(name), away), gone)

    def _texts(self, name):
        """The learner's file of a module, and the course's."""
        module = self.workspace.module(name)
        return module.exported.read_text(encoding="utf-8"), learner.reference_text(module)


def _own(entry):
    """What a manifest entry says is the learner's: exercises, and given code that was changed."""
    return [*entry.get("yours", ()), *entry.get("edited", ())]


def _shown(name, text):
    """A line that was added, as a reader finds it."""
    line = text.partition("\n")[0]
    return f"line `{line if len(line) < 60 else line[:57] + '...'}` of {name}"


def _outcomes(run, kind):
    """{check or test: True if it failed}, of what came to its end."""
    failed = {}
    for event in run.all(kind):
        failed[event[kind]] = failed.get(event[kind]) or event["outcome"] in ("failed", "blank")
    return failed
