"""What a learner has reached: exercises that passed, hints taken, solutions seen, milestones."""

import contextlib
import json
import time

from tito import TitoError
from tito.files import dumps, write

FILE = "progress.json"
HELD = {"passed": str, "hints": int, "solutions": str, "milestones": dict}


def _holds(entries, kind):
    return isinstance(entries, dict) and all(isinstance(e, kind) for e in entries.values())


class Progress:
    """The file `.tito/progress.json`; every change is written at once."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.path = workspace.state / FILE
        self.data = self._read()

    def _read(self):
        data = {kind: {} for kind in HELD}
        try:
            data = data | json.loads(self.path.read_text(encoding="utf-8"))
            if not all(_holds(data[name], kind) for name, kind in HELD.items()):
                raise TypeError("it is not what tito writes")
            return data
        except FileNotFoundError:
            return data
        except OSError as error:
            told = f"{self.path} cannot be read ({error.strerror}): look at its permissions"
            raise TitoError(told) from None
        except (ValueError, TypeError, RecursionError) as error:
            told = f"{self.path} is damaged ({error}): mend it, or delete it and `tito test --all`"
            raise TitoError(told) from None

    @contextlib.contextmanager
    def _changed(self):
        """The data to change, with what other commands wrote since; then they are written."""
        self.data = self._read()
        yield self.data
        write(self.path, dumps(self.data))

    # -- exercises
    def works_on(self, module):
        """Remember which module is being worked on."""
        with self._changed() as data:
            data["last"] = module.name

    def judged(self, results, pieces):
        """Remember which exercises passed, and with which text; with another they have not.

        Args:
            pieces: {qualname: the digest of what an exercise runs on}, of the export.
        """
        with self._changed() as data:
            for result in results:
                text = pieces[result.exercise.partition(".")[2]]
                if result.outcome == "passed":
                    data["passed"][result.exercise] = text
                elif data["passed"].get(result.exercise) == text:
                    data["passed"][result.exercise] = ""  # it has passed once, with another text

    def passed(self, module):
        """The exercises of a module that passed as they stand in the exported file."""
        entry = self.workspace.manifest.get(module.name, {"yours": [], "pieces": {}})
        ids = [(f"{module.name}.{name}", entry["pieces"][name]) for name in entry["yours"]]
        return [name for name, text in ids if self.data["passed"].get(name) == text]

    def open(self):
        """Own exercises that have not passed as they stand: {module: their ids}."""
        found = {}
        for module in self.workspace.written:
            entry, passed = self.workspace.manifest.get(module.name, {}), self.passed(module)
            names = [f"{module.name}.{name}" for name in entry.get("yours", ())]
            found[module] = [name for name in names if name not in passed]
        return {module: names for module, names in found.items() if names}

    # -- help
    def hints(self, exercise):
        """How many hints were taken."""
        return self.data["hints"].get(exercise, 0)

    def took_hint(self, exercise, level):
        with self._changed() as data:
            data["hints"][exercise] = level

    def saw_solution(self, exercise, how):
        """`how` is "passed" or "gave up"; giving up is never forgotten."""
        with self._changed() as data:
            if data["solutions"].get(exercise) != "gave up":
                data["solutions"][exercise] = how

    def gave_up(self, exercise):
        return self.data["solutions"].get(exercise) == "gave up"

    # -- milestones
    def reached(self, milestone, mix):
        with self._changed() as data:
            before = data["milestones"].get(milestone, {}).get("mix", {})
            if mix["yours"] or not before.get("yours"):  # given code takes nothing away
                told = {"when": time.strftime("%Y-%m-%d %H:%M:%S"), "mix": mix}
                data["milestones"][milestone] = told
