"""Whose bug is it? A failing check is run again on mixes of own and given code until it is clear.

First with everything given but the exercise under test: if it fails then, that exercise is wrong.
If not, the learner's pieces are halved to a smallest set that makes the check fail. A piece is
accused only if its own checks fail too while everything else is given.
"""

import contextlib
import tempfile
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tinytorch import overlay
from tito import assembly, files, judge, learner, runner
from tito.workspace import at

MOST = 3  # culprits that one failing check is searched for


@dataclass(frozen=True)
class Finding:
    """Why a check fails: `culprits` one by one, or pieces that fail only `together`."""

    right: bool  # True if the exercise under test is not to blame
    culprits: dict  # {"activations.softmax": what is wrong with it}
    together: tuple = ()

    def words(self, exercise):
        """The finding in one sentence."""
        if not self.right:
            return "everything else was given, and it still fails: the mistake is here"
        said = [f"your {name} is wrong: {why}" for name, why in self.culprits.items()]
        if self.together:
            names = " and ".join(self.together)
            said.append(f"together: {names}; each of them passes its own checks, so look at both")
        if not said:
            return "it fails on the course's own code too: `tito doctor` looks for the reason"
        return f"{exercise} is right; {'; '.join(said)}"


class Blame:
    """The search in one workspace; what it found once it does not search for again."""

    def __init__(self, workspace, limit=judge.LIMIT):
        self.workspace, self.limit = workspace, limit
        self.own = [
            f"{name}.{key}"
            for name in overlay.NAMES
            for key in _own(workspace.manifest.get(name, {}))
        ]
        self.known = {}  # culprit -> what is wrong with it
        self.text = cache(self._text)
        self.verdict = cache(self._verdict)

    def explain(self, module, result):
        """Find out why a result failed.

        Args:
            module: the module under test.
            result: a failed Result of `judge.judge`.
        """
        check = (module.name, result.exercise, result.check)
        alone = (result.exercise,) if result.exercise in self.own else ()
        if alone and self.fails(check, alone):
            return Finding(False, {})
        if self.fails(check, ()):
            return Finding(True, {})
        culprits, left = self._known_culprits(check)
        while len(culprits) < MOST and self.fails(check, left):
            found = self.smallest(check, left)
            why = self.verdict(found[0]) if len(found) == 1 else None
            if why is None:
                return Finding(
                    True, culprits, () if culprits else (*found, *set(alone) - set(found))
                )
            self.known[found[0]] = culprits[found[0]] = why
            left = tuple(piece for piece in left if piece not in culprits)
        return Finding(True, culprits)

    def _known_culprits(self, check):
        """The culprits of an earlier search that explain this check too, and the other pieces."""
        left = tuple(piece for piece in self.own if piece not in self.known)
        if not self.known:
            return {}, left
        if len(self.known) == 1 and not self.fails(check, left):
            return dict(self.known), left
        mine = {n: why for n, why in self.known.items() if self.fails(check, (n,))}
        return mine, tuple(piece for piece in self.own if piece not in mine)

    def smallest(self, check, pieces):
        """A smallest set of pieces that makes the check fail; all of `pieces` together does."""
        found = ()
        while not found or not self.fails(check, found):
            low, high = 0, len(pieces)
            while high - low > 1:
                middle = (low + high) // 2
                if self.fails(check, (*found, *pieces[:middle])):
                    high = middle
                else:
                    low = middle
            found, pieces = (*found, pieces[high - 1]), pieces[: high - 1]
            if not pieces:
                break
        return found

    def fails(self, check, pieces):
        """True if a check fails where only these pieces are the learner's own."""
        name, exercise, test = check
        with self.variant(frozenset(pieces)) as workspace:
            module = workspace.module(name)
            if test in ("quick check", "import"):
                asked = exercise if exercise != judge.OTHER else ""
                run = runner.checks(module, self.limit, [asked])
                bad = [event for event in run.all("check") if event["outcome"] != "passed"]
                return bool(bad or run.ending or run.all("error"))
            only = {"only": None, "skip": [], "without": [], "tests": [test]}
            run = runner.selected_tests(module, self.limit, only)
            bad = [event for event in run.all("test") if event["outcome"] == "failed"]
            return bool(bad or run.ending or run.all("error"))

    def _verdict(self, piece):
        """What is wrong with a piece by its own checks, all else given; None if they pass."""
        name, _, key = piece.partition(".")
        with self.variant(frozenset([piece])) as workspace:
            module = workspace.module(name)
            exercises = [f"{name}.{n}" for n in module.words()["exercises"]]
            asked = [piece] if piece in exercises else exercises
            results = judge.judge(module, asked, self.limit)
        failed = [r for r in results.values() if r.outcome == "failed" and r.exercise in asked]
        failed += [r for r in results.values() if r.outcome == "failed" and piece not in exercises]
        return failed[0].sentence if failed else None

    @contextlib.contextmanager
    def variant(self, pieces):
        """A scratch workspace in which only these pieces are the learner's own."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            root, manifest = Path(scratch).resolve(), {}
            for name, entry in self.workspace.manifest.items():
                kept = frozenset(key for key in _own(entry) if f"{name}.{key}" in pieces)
                if kept:
                    files.write(root / overlay.FILES / f"{name}.py", self.text(name, kept))
                    manifest[name] = entry
            (root / overlay.MARK).touch()
            files.write(root / overlay.MANIFEST, files.dumps(manifest))
            yield replace(at(root), reference=self.workspace.reference)

    def _text(self, name, kept):
        """The learner's file of a module with all but the kept pieces given."""
        module = self.workspace.module(name)
        away = [key for key in _own(self.workspace.manifest[name]) if key not in kept]
        text = module.exported.read_text(encoding="utf-8")
        return assembly.give(text, learner.reference_text(module), away)


def _own(entry):
    """What a manifest entry says is the learner's: exercises, and given code that was changed."""
    return [*entry.get("yours", ()), *entry.get("edited", ())]
