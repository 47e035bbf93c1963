"""tito test: export, then judge every exercise in fresh processes."""

import argparse
import contextlib
import importlib.util
from collections import Counter

from tito import TitoError, course, export, report, runner, verdict, workspace
from tito.commands.export import add_modules, build, chosen


def add_arguments(parser):
    add_modules(parser, "; in a workspace also an exercise: softmax or activations.softmax")
    parser.add_argument(
        "--limit",
        type=seconds,
        metavar="SECONDS",
        help="how long one check may take (default: 20, in a checkout 60)",
    )
    parser.add_argument("--json", action="store_true", help="in a workspace: print JSON")
    parser.add_argument(
        "--no-blame", action="store_true", help="in a workspace: do not search for whose bug it is"
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show what pytest printed; in a workspace what your code printed, too",
    )


def seconds(text):
    """A time limit; it is more than nothing.

    Raises:
        ArgumentTypeError: it is not.
    """
    with contextlib.suppress(ValueError):
        if (limit := float(text)) > 0:
            return limit
    raise argparse.ArgumentTypeError(f"{text!r} is no time: give seconds, more than 0")


def run(args):
    for program in ("pytest", "hypothesis"):
        if importlib.util.find_spec(program) is None:
            raise TitoError(f"{program} is not installed: pip install pytest hypothesis")
    if found := workspace.find():
        from tito.commands import judged

        return judged.run(found, args)
    found = course.authors()
    modules = chosen(found, args.modules, args.all)
    build(found, modules, args.all)
    counts = Counter()
    for module in modules:
        counts += _test(module, args)
    report.say()
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    report.say(f"{counts['passed']} passed, {counts['failed']} failed{skipped}")
    return 1 if counts["failed"] or not counts["passed"] else 0


def _test(module, args):
    """Judge one module and print its lines; give the counts."""
    exercises = export.read(module).exercises
    tests = runner.tests(module, args.limit or 60) if module.tests.is_file() else None
    result = verdict.judge(module, exercises, tests, runner.cells(module, args.limit or 60))
    for reason in _words_faults(module, exercises):
        result.fail(reason)
    report.say(f"\n{module.label}")
    report.table(result.rows)
    for reason in result.reasons:
        report.say(f"  {reason}", style="red")
    if args.verbose and tests:
        report.say(f"\n{tests.log.strip()}")
    return result.counts


def _words_faults(module, exercises):
    """How module.toml and the notebook disagree."""
    try:
        told = set(module.words()["exercises"])
    except TitoError as error:
        return [str(error)]
    where = module.course.relative(module.folder / "module.toml")
    held = {exercise.qualname for exercise in exercises}
    return [
        *(f'{where} has no [exercises."{name}"]' for name in sorted(held - told)),
        *(f"{where}: the notebook has no exercise {name!r}" for name in sorted(told - held)),
    ]
