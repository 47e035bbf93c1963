"""Whose bug is it? A failing check is run again on mixes of own and given code until it is clear.

First with everything given but the exercise under test: if it fails then, that exercise is wrong.
If not, the learner's pieces are halved to a smallest set that makes the check fail. A piece is
accused only if its own checks fail too while everything else is given.
"""

import re
import time
from dataclasses import dataclass, field
from functools import cache

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
        if self.right is False:
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
        self.endless = [(r.exercise, r.check) for r in results if ENDLESS.search(r.sentence)]
        self.patience = limit
        self.text = cache(self._text)
        self.verdict = cache(self._verdict)
        self.failing = cache(self._failing)

    def explain(self, result):
        """The Finding for one of the failed Results."""
        check = (result.exercise, result.check)
        if self.fails(check, ()):
            return Finding(None, unclear=GIVEN)
        here = tuple(exercise for exercise, _ in self.checks if exercise in self.own)
        alone = (result.exercise,) if result.exercise in self.own else ()
        if alone and self.fails(check, here) and self.fails(check, alone):
            return Finding(False)
        if not self.fails(check, self.own):
            return Finding(None, unclear=UNSTEADY)
        culprits, left = self._known_culprits(check)
        while len(culprits) < MOST and self.fails(check, left):
            found = self.smallest(check, left)
            why = self.verdict(found[0]) if len(found) == 1 else None
            if why is None:
                return self._together(culprits, found, alone)
            self.known[found[0]] = culprits[found[0]] = why
            left = tuple(piece for piece in left if piece not in culprits)
        return Finding(True, culprits)

    def _together(self, culprits, found, alone):
        if culprits:
            return Finding(True, culprits)
        if len(found) > MOST:
            return Finding(True, unclear=MANY)
        if len(found) == 1:  # where the exercise under test is given, it fails as well
            return Finding(True, together=found)
        return Finding(True, together=tuple(dict.fromkeys([*found, *alone])))

    def _known_culprits(self, check):
        """The culprits of an earlier search that explain this check too, and the other pieces."""
        left = tuple(piece for piece in self.own if piece not in self.known)
        if len(self.known) == 1 and not self.fails(check, left):
            return dict(self.known), left
        mine = {n: why for n, why in self.known.items() if self.fails(check, (n,))}
        return mine, tuple(piece for piece in self.own if piece not in mine)

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
            run = runner.selected_tests(module, limit, {"tests": list(names.values())})
            told, begun = _outcomes(run, "test"), [e["start"] for e in run.all("start")]
        if run.all("error") or (run.ending and not begun):
            return set(checks), []
        lost = [name for name in begun if name not in told]
        failed = {check for check, name in names.items() if told.get(name) or name in lost}
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
        """A scratch workspace in which only these pieces are the learner's own."""
        manifest, texts = {}, {}
        for name, entry in self.workspace.manifest.items():
            kept = frozenset(key for key in _own(entry) if f"{name}.{key}" in pieces)
            if kept:
                manifest[name], texts[name] = entry, self.text(name, kept)
        return workspace.scratch(self.workspace, manifest, texts)

    def _text(self, name, kept):
        """The learner's file of a module with all but the kept pieces given."""
        module = self.workspace.module(name)
        away = [key for key in _own(self.workspace.manifest[name]) if key not in kept]
        text = module.exported.read_text(encoding="utf-8")
        return assembly.give(text, learner.reference_text(module), away)


def _own(entry):
    """What a manifest entry says is the learner's: exercises, and given code that was changed."""
    return [*entry.get("yours", ()), *entry.get("edited", ())]


def _outcomes(run, kind):
    """{check or test: True if it failed}, of what came to its end."""
    failed = {}
    for event in run.all(kind):
        failed[event[kind]] = failed.get(event[kind]) or event["outcome"] in ("failed", "blank")
    return failed
