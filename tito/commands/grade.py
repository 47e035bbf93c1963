"""tito grade: the points of a folder of submissions, each judged in a fresh workspace.

Of a submission only its notebooks count. What else came with it, a record of what passed, exported
files, tests, is not looked at; so nobody's workspace can vouch for itself.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from concurrent import futures
from pathlib import Path

from tito import TitoError, course, files, judge, report, runner, submissions, workspace
from tito.blame import ENDLESS
from tito.commands.test import seconds

UNJUDGED = "nothing could be judged"  # what a remark says of a row that --resume judges anew
REFUSED = re.compile(r"^\d+ problems?, so nothing was written: ")  # that is for learners
POLL = 0.2  # seconds: on Windows no Ctrl-C comes through while a thread is waited for
ELSEWHERE = (judge.OTHER, judge.NOTEBOOK)  # what a Result names where it names no exercise


def add_arguments(parser):
    parser.epilog = (
        "A submission is a folder, a .zip or a notebook in FOLDER, as a learning platform hands "
        "them out. An exercise earns its points if it passes, or if it only fails because another "
        "one is wrong. Notebooks are programs, and they run with your rights: grade in a "
        "container, or with an account that has nothing to lose."
    )
    parser.add_argument("folder", metavar="FOLDER", help="the folder of submissions")
    chosen = {"nargs": "*", "default": [], "metavar": "NN"}  # a default: else it is "required"
    parser.add_argument("modules", **chosen, help="what counts (default: all)")
    parser.add_argument(
        "--limit",
        type=seconds,
        default=judge.LIMIT,
        metavar="SECONDS",
        help="how long one check may take (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs",
        type=several,
        default=os.cpu_count() or 1,
        metavar="N",
        help="how many are judged at a time (default: as many as there are cores, %(default)s)",
    )
    parser.add_argument("--csv", metavar="FILE", help="write the points there after each one")
    parser.add_argument(
        "--resume", action="store_true", help="leave out whom the FILE of --csv has already"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, each check's words too")


def several(text):
    """How many at a time; one at least.

    Raises:
        ArgumentTypeError: it is no such number.
    """
    with contextlib.suppress(ValueError):
        if (jobs := int(text)) > 0:
            return jobs
    raise argparse.ArgumentTypeError(f"{text!r} is no number of jobs: give a whole one, 1 or more")


def run(args):
    """Grade; give the exit code: 0, or 1 if a submission could not be judged as a whole."""
    if args.resume and (args.json or not args.csv):
        raise TitoError("--resume reads the FILE of --csv: name it, and leave out --json")
    if args.csv and Path(args.csv).exists() and not args.resume:
        raise TitoError(f"{args.csv} is there already: name another file, or add --resume")
    found = course.find()
    modules = [found.module(token) for token in args.modules] or found.written
    asked = list(dict.fromkeys(module.label for module in modules))
    handed_in = submissions.find(Path(args.folder), args.csv and Path(args.csv))
    grades = dict.fromkeys(submissions.name_of(path.name) for path in handed_in)
    if args.resume:
        grades |= kept(Path(args.csv), asked)
    if args.csv:
        files.write(args.csv, table(grades, asked))  # if that fails, it does before the work
    report.quiet(args.json)
    with Judges(args.jobs) as judges:
        every(judges, found, handed_in, asked, grades, args)
    if args.json:
        report.json(grades)
    return 1 if any(grade["remarks"] for grade in grades.values()) else 0


def every(judges, found, handed_in, asked, grades, args):
    """Fill in the grades, so many at a time; what is done is told and kept at once.

    What is in doubt is judged once more at the end, when nothing else runs.
    """
    doubted, names = {}, {path: submissions.name_of(path.name) for path in handed_in}
    left = [path for path, name in names.items() if grades[name] is None]
    busy = args.jobs > 1 and len(left) > 1

    def one(path):
        try:
            return graded(judges, found, path, asked, args.limit, doubted.get(path))
        except Exception as error:  # it must not cost the others their grades
            why = f"{UNJUDGED}: {type(error).__name__}: {error}"
            return summed_up(found, asked, {}, [" ".join(why.split())])

    def keep(name, grade):
        grades[name] = grade
        told = "".join(f"; {remark}" for remark in grade["remarks"])
        report.say(f"{name}: {grade['points']} of {grade['of']} points{told}")
        if args.csv:
            files.write(args.csv, table(grades, asked))

    for path, grade in judges.each(one, left):
        if again := in_doubt(grade["results"], busy):
            doubted[path] = grade | {"again": again}
        else:
            keep(names[path], grade)
    for path in [path for path in left if path in doubted]:  # not in the order of the threads
        for _, grade in judges.each(one, [path]):
            keep(names[path], grade)


class Judges:
    """Threads that have submissions judged by processes of tito, so many at a time.

    Where the `with` is left, by Ctrl-C too, all of these processes end, and no other begins.
    """

    def __init__(self, jobs):
        self.pool = futures.ThreadPoolExecutor(jobs)
        self.lock, self.running, self.ended = threading.Lock(), set(), False

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with self.lock:
            self.ended = True
            for process in self.running:
                process.terminate()
        self.pool.shutdown(cancel_futures=True)

    def each(self, work, items):
        """(item, work(item)) of each item, as they are done."""
        waiting = {self.pool.submit(work, item): item for item in items}
        while waiting:
            done, _ = futures.wait(waiting, POLL, futures.FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()

    def tito(self, made, *arguments, inside):
        """The exit code of a command of tito in a workspace, what it prints and its complaint.

        Ctrl-C in the terminal does not reach its process.
        """
        command = [sys.executable, "-m", "tito", *arguments]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        settled = {"cwd": inside, "env": runner.environment(made), "start_new_session": True}
        if sys.platform == "win32":
            settled["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        with self.lock:
            if self.ended:
                raise TitoError("it was stopped before its turn came")
            process = subprocess.Popen(command, **settled, **pipes)
            self.running.add(process)
        printed, complaint = process.communicate()
        with self.lock:
            self.running.remove(process)
        return process.returncode, printed, complaint


def in_doubt(results, busy):
    """Exercises that lost their points by a verdict that was not clear, or by time.

    Args:
        busy: whether others were judged meanwhile: then what is slow takes too long.
    """
    failed = [r for told in results.values() for r in told if r["outcome"] == "failed"]
    slow = [r for r in failed if busy and ENDLESS.search(r["sentence"]) and not _excused(r)]
    asked = [r for r in failed if _unclear(r) or r in slow]
    return [r["exercise"] for r in asked if r["exercise"] not in ELSEWHERE]


def _unclear(result):
    return bool(result["finding"]) and result["finding"]["right"] is None


def _excused(result):
    return bool(result["finding"]) and bool(result["finding"]["right"])


def graded(judges, found, path, asked, limit, before=None):
    """{"points", "of", "modules", "remarks", "results"} of one submission.

    Of an earlier grade, `before`, only what it lists as "again" is judged again.
    """
    remarks, names = [], [module.name for module in found.written]
    books = submissions.chosen(submissions.notebooks(path, remarks), names, remarks)
    results = judged(judges, books, before["again"] if before else asked, limit, remarks)
    if before:
        fresh = {r["exercise"]: r for told in results.values() for r in told}
        results = before["results"]
        results = {k: [fresh.get(r["exercise"], r) for r in told] for k, told in results.items()}
    return summed_up(found, asked, results, remarks)


def summed_up(found, asked, results, remarks):
    """The grade that the results of a submission make."""
    worth = {label: found.module(label).words()["exercises"] for label in asked}
    modules = {label: _points(results.get(label, ()), worth[label]) for label in asked}
    remarks += dict.fromkeys(remark for label in asked for remark in _remarks(label, results))
    of = sum(entry["points"] for words in worth.values() for entry in words.values())
    told = {"points": sum(modules.values()), "of": of, "modules": modules}
    return told | {"remarks": remarks, "results": results}


def _remarks(label, results):
    """What a teacher should look at, in the results of a module."""
    for result in results.get(label, ()):
        sentence = " ".join(result["sentence"].split())
        if result["check"] == judge.EXPORT:
            yield REFUSED.sub("", sentence)
        elif result["check"] in ("import", "tests"):
            yield f"{label}: {sentence}"
        elif result["outcome"] == "blank" and sentence:
            yield sentence
        if _unclear(result):
            yield f"{result['exercise']} is unclear: {result['finding']['unclear']}: grade it again"


def _points(results, worth):
    """The points of a module: of what passed, and of what only fails by another's bug."""
    right = [r for r in results if r["outcome"] == "passed" or _excused(r)]
    names = [result["exercise"].partition(".")[2] for result in right]
    return sum(worth[name]["points"] for name in names if name in worth)


def judged(judges, books, asked, limit, remarks):
    """What `tito test` says of notebooks in a fresh workspace, {module: results}."""
    if not books:
        return {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        made = workspace.at(Path(scratch).resolve() / "workspace")
        judges.tito(made, "init", str(made.root), inside=made.root.parent)
        for name, content in books.items():
            files.write(made.module(name).notebook, content)
        flags = ["--json", "--limit", f"{limit:g}"]
        code, printed, said = judges.tito(made, "test", *asked, *flags, inside=made.root)
    if not printed.strip():
        said = " ".join(said.decode(errors="replace").split())
        said = said or "it ended without a word, does the machine lack memory?"
        remarks.append(f"{UNJUDGED}: {said} (exit code {code})")
        return {}
    return json.loads(printed)


# -- the table
def header(asked):
    return ["submission", *asked, "points", "of", "remarks"]


def table(grades, asked):
    """All grades as CSV; the mark at its beginning tells Excel that it is UTF-8."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(header(asked))
    for name, grade in grades.items():
        if grade is None:  # its turn has not come
            continue
        points = [grade["modules"][label] for label in asked]
        rows.writerow([name, *points, grade["points"], grade["of"], "; ".join(grade["remarks"])])
    return text.getvalue().encode("utf-8-sig")


def kept(path, asked):
    """{submission: grade} of a table that is there, of those that were judged.

    Raises:
        TitoError: it is no such table, or counts other modules.
    """
    if not path.exists():
        return {}
    try:
        first, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        if first != header(asked):
            raise ValueError
        rows = [row for row in rows if row and UNJUDGED not in row[-1]]
        return {row[0]: _as_grade(row, asked) for row in rows}
    except (ValueError, csv.Error):
        told = f"{path} is no table of {', '.join(asked)} as tito writes it"
        raise TitoError(f"{told}: name the modules as before, or another file") from None


def _as_grade(row, asked):
    _, *points, total, of, remarks = row
    modules = dict(zip(asked, map(int, points), strict=True))
    told = {"points": int(total), "of": int(of), "modules": modules}
    return told | {"remarks": [remarks] if remarks else []}
