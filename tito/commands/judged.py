"""tito test in a workspace: what passed, what failed and whose bug it is, what is still blank."""

import contextlib
import re
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tito import TitoError, judge, learner, report, runner, unforeseen, workspace
from tito.blame import ENDLESS, Blame
from tito.commands import export, status
from tito.notebook import Refused
from tito.progress import Progress

BLANK, FAILED = 3, 1  # exit codes; 0 means that everything asked for passed
# What learner.state says of another module's notebook that is exported anew before the tests.
BEHIND = ("stale", "changed by hand", "not exported")
# The sentences of what gave no answer on any input: it is not run once more for the smallest one.
NO_ANSWER = re.compile(f"{ENDLESS.pattern}|raise Blank|tinytorch.give")


def run(found, args):
    """Export and judge; give the exit code: 0 passed, 1 failed, 3 nothing failed, some blank."""
    report.quiet(args.json)
    limit = args.limit or judge.LIMIT
    asked, told, outcomes = found.asked(args.modules, args.all), {}, set()
    report.say(f"workspace {found.root}")
    Progress(found)  # a damaged file is said before anything is judged
    runner.refuse_a_full_disk()
    bring_up_to_date(found, asked)
    for module, wanted in asked.items():
        try:
            with unforeseen(module):
                results = test(found, module, wanted, limit, not args.no_blame, args.verbose)
        except TitoError as error:  # the other modules are judged all the same
            report.complain(error)
            names = wanted or found.exercises(module)
            results = [judge.Result(name, "failed", str(error), judge.EXPORT) for name in names]
        told[module.label] = [vars(result) for result in results]
        outcomes |= {result.outcome for result in results}
    if args.json:
        report.json(told)
    return FAILED if "failed" in outcomes else BLANK if "blank" in outcomes else 0


def bring_up_to_date(found, asked):
    """Export what was saved since in the other notebooks: the tests run on them as well."""
    for module in found.written:
        if module not in asked and learner.state(module) in BEHIND:
            try:
                with unforeseen(module):
                    exported = learner.run(module)
                    if exported.changed:
                        export.say(module, exported)
            except TitoError as error:
                report.say(f"{module.label} stays as it was exported last: {error}", style="yellow")


def test(found, module, wanted=None, limit=judge.LIMIT, blame=True, verbose=False):
    """Judge a module, or some of its exercises, and say it; give the Results.

    If `verbose`, with all that was printed meanwhile.
    """
    report.say(f"\n{module.label}", style="bold")
    exported, refused = _export(module)
    yours = {f"{module.name}.{name}" for name in exported.entry["yours"]}
    asked = wanted or found.exercises(module)
    own = [name for name in asked if name in yours]
    edited, logs = exported.entry["edited"] and not wanted, [] if verbose else None
    with workspace.frozen(found, module.name, exported.entry, exported.text) as still:
        module = still.module(module.name)
        judged = {}
        if own or edited:
            judged = judge.judge(module, own, limit, given=bool(edited), logs=logs)
        results = [judged.get(name) or _not_judged(name, exported) for name in asked]
        results += [judged[judge.OTHER]] if judge.OTHER in judged else []
        if refused and not set(asked) & set(exported.broken):
            results.append(judge.Result(judge.NOTEBOOK, "failed", refused, judge.EXPORT))
        progress = Progress(found)
        progress.works_on(module)
        remember = partial(progress.judged, pieces=exported.entry["pieces"])
        remember([r for r in results if r.exercise in yours and r.outcome == "passed"])
        for log in logs or ():
            report.say(log.replace(str(module.course.root), str(found.root)))
        report.table([_row(result) for result in results])
        if ran := dict.fromkeys(file for result in results for file in result.files):
            report.say(f"checked on {', '.join(ran)}; what is not there is given")
        failed = [r for r in results if r.outcome == "failed" and r.check != judge.EXPORT]
        for result in failed:
            result.sentence += _advice(result.sentence, exported.entry["missing"])
        _explain_all(module, failed, limit, blame)
        remember([r for r in failed if r.exercise in yours and not _excused(r, limit)])
        for result in failed:
            result.place = result.place and _in_workspace(found, module, *result.place)
    _sum_up(found, results)
    return results


def _export(module):
    """The Export of a module, and why its notebook was refused: "" if it was not.

    Where cells are no Python, given code stands in for them, and nothing is written.

    Raises:
        TitoError: nothing of the notebook can be judged.
    """
    try:
        exported = learner.run(module)
        export.say(module, exported)
        return exported, ""
    except Refused as refused:
        exported = learner.in_parts(module)
        report.complain(refused)
        report.say("the other cells are judged, with given code in place of what is no Python")
        return exported, str(refused)


def _not_judged(name, exported):
    """The Result of an exercise that stands in a cell that is no Python, or counts as blank."""
    if name in exported.broken:
        return judge.Result(name, "failed", exported.broken[name], judge.EXPORT)
    notes = (note for note in exported.entry["notes"] if re.match(f"{re.escape(name)}[: ]", note))
    return judge.Result(name, "blank", next(notes, ""))


def _advice(sentence, missing):
    """What to do about a name that Python does not find, if it is known where it is."""
    name = re.search(r"name '(\w+)' is not defined", sentence)
    return f" ({missing[name[1]]})" if name and name[1] in missing else ""


def _excused(result, limit):
    """True if a failure says nothing of the exercise: it keeps the credit that it had."""
    unclear = result.finding and result.finding["right"] is None
    return bool(unclear) or (limit < judge.LIMIT and bool(ENDLESS.search(result.sentence)))


def _explain_all(module, failed, limit, blame):
    """Say why exercises fail; what breaks the whole module is explained once."""
    finder = Blame(module, failed, limit) if blame and failed else None
    known, broken = set(), {}  # culprits that were explained; what keeps all from running
    for result in failed:
        cause = (result.check, result.sentence)
        if cause in broken:
            _explain_again(result, *broken[cause], finder, known)
        else:
            finding = _explain(module, result, finder, limit, known)
            if result.check in ("import", "tests"):
                broken[cause] = (result, finding)
        known |= set(result.finding["culprits"] if result.finding else ())


def _row(result):
    words = {"passed": f"{result.checks} checks", "blank": "given", "failed": ""}
    return ("  " + result.exercise, result.outcome, words[result.outcome])


def _explain(module, result, finder, limit, known):
    """Say how an exercise fails, where, on which input, and whose bug it is; give the Finding."""
    where = "" if result.check in ("quick check", "import", "tests") else result.check
    report.say(f"\n{result.exercise}: {result.sentence}", style="red")
    if place := result.place and _place(module, result.place):
        report.say(f"  at {place}")
    if where:
        report.say(f"  in the test {_test_name(where)}")
    finding = finder.explain(result) if finder and result.check else None
    wrong = finding is None or not (finding.right or finding.culprits)
    checked = result.exercise != judge.OTHER and result.check not in ("import", "tests", "")
    if wrong and checked and not NO_ANSWER.search(result.sentence):
        alone = (
            finder.variant(frozenset([result.exercise]))
            if finder
            else contextlib.nullcontext(module.course)
        )
        with alone as mix:  # the course's own function must not run on the learner's others
            result.witness = runner.witness(mix.module(module.name), limit, result)
    if result.witness:
        report.say(f"  smallest input: {_short(result.witness['call'])}")
        report.say(f"  expected {_short(result.witness['expected'])}")
        report.say(f"  received {_short(result.witness['received'])}")
    if finding:
        result.finding, result.blame = asdict(finding), finding.words(result.exercise)
        report.say(f"  {finding.words(result.exercise, known)}")
    return finding


def _explain_again(result, first, found, finder, known):
    """Say that an exercise fails as `first` does, and whether it is wrong as well."""
    result.blame = f"the same as {first.exercise}"
    finding = finder.same(result, first, found) if finder else None
    if finding:
        result.finding = asdict(finding)
        if finding.right is False:
            result.blame += f"; {finding.words(result.exercise, known)}"
    report.say(f"\n{result.exercise}: {result.blame}", style="red")


def _short(text):
    """Without its middle, if it is long: the last arguments of a call stand at its end."""
    return text if len(text) < 240 else f"{text[:156]} ... {text[-79:]}"


def _test_name(node):
    """A test as words: "over any dims, None-False"."""
    name, _, case = node.rpartition("::")[2].partition("[")
    words = name.removeprefix("test_").replace("_", " ")
    return f"`{words}`" + (f", {case.rstrip(']')}" if case else "")


def _place(module, place):
    """A line of the exported file as the cell it came from; "" for a line of the course's."""
    path, line = place
    if path != str(module.exported):
        inside = Path(path).is_relative_to(module.course.root)
        return f"{module.course.relative(path)}, line {line}" if inside else ""
    lines = module.exported.read_text(encoding="utf-8").split("\n")[:line]
    cells = [at for at, text in enumerate(lines) if text.startswith("# %% ")]
    if not cells:
        return f"{module.course.relative(path)}, line {line}"
    return f"cell {lines[cells[-1]][5:]}, `{lines[-1].strip()}`"


def _in_workspace(found, module, file, line):
    """A place in the copy that was judged as one in the workspace; None if it is not there."""
    if not Path(file).is_relative_to(module.course.root):
        return [file, line]
    here = found.root / Path(file).relative_to(module.course.root)
    same = here.is_file() and here.read_bytes() == Path(file).read_bytes()
    return [str(here), line] if same else None


def _sum_up(found, results):
    """One line: how many passed, failed, are blank, and what to do next."""
    counts = dict.fromkeys(("passed", "failed", "held up", "blank"), 0)
    for result in results:
        held = result.finding and result.finding["right"] and result.finding["culprits"]
        counts["held up" if held else result.outcome] += 1
    report.say("\n" + ", ".join(f"{n} {kind}" for kind, n in counts.items() if n))
    stuck = next((r for r in results if r.outcome == "failed"), None)
    stuck = stuck or next((r for r in results if r.outcome == "blank"), None)
    if not stuck:
        report.say(f"next: {status.advice(found, status.summary(found))}")
        return
    blamed = stuck.finding and [*stuck.finding["culprits"], *stuck.finding["together"]]
    name = (blamed or [stuck.exercise])[0].partition("#")[0]
    if blamed and name.startswith("line "):
        report.say(f"next: take the {name} out, or mend it")
    elif name in (judge.OTHER, judge.NOTEBOOK):
        return
    elif name in found.exercises(found.module(name.partition(".")[0])):
        report.say(f"next: {name}      (help: tito hint {name})")
    else:
        report.say(f"next: {name}      (the course's own: tito reset {name})")
