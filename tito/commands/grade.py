"""tito grade: the points of a folder of submissions, each judged in a fresh workspace.

Of a submission only its notebooks count. What else came with it, a record of what passed, exported
files, tests, is not looked at; so nobody's workspace can vouch for itself.
"""

import argparse
import asyncio
import contextlib
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tinytorch import overlay
from tito import TitoError, course, files, judge, report, runner, workspace
from tito.commands.test import seconds

LARGEST = 64 * 2**20  # bytes of a notebook in a zip: one could hold more than the memory does
TARGET = re.compile(rb"#\| default_exp (\w+)")
ASIDE = {".ipynb_checkpoints", workspace.STATE, "__MACOSX"}  # folders of copies


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
    handed_in = submissions(Path(args.folder))
    grades = dict.fromkeys(path.name for path in handed_in)
    if args.resume:
        grades |= kept(Path(args.csv), asked)
    if args.csv:
        files.write(args.csv, table(grades, asked))  # if that fails, it does before the work
    report.quiet(args.json)
    with runner.ended_in_order():
        asyncio.run(every(found, handed_in, asked, grades, args))
    if args.json:
        report.json(grades)
    return 1 if any(grade["remarks"] for grade in grades.values()) else 0


async def every(found, handed_in, asked, grades, args):
    """Fill in the grades, so many at a time; what is done is told and kept at once."""
    room = asyncio.Semaphore(args.jobs)

    async def one(path):
        async with room:
            grades[path.name] = grade = await graded(found, path, asked, args.limit)
        told = "".join(f"; {remark}" for remark in grade["remarks"])
        report.say(f"{path.name}: {grade['points']} of {grade['of']} points{told}")
        if args.csv:
            files.write(args.csv, table(grades, asked))

    await asyncio.gather(*(one(path) for path in handed_in if grades[path.name] is None))


def submissions(folder):
    """The submissions in a folder, by name.

    Raises:
        TitoError: it is no folder, is itself a workspace, or holds none.
    """
    if not folder.is_dir():
        raise TitoError(f"{folder} is no folder: name the one that holds the submissions")
    if (folder / overlay.MARK).is_file():
        raise TitoError(f"{folder} is one workspace: put it into a folder of submissions")
    held = [p for p in folder.iterdir() if not p.name.startswith(".")]
    found = [p for p in held if p.is_dir() or p.suffix.lower() in (".zip", ".ipynb")]
    if not found:
        raise TitoError(f"{folder} holds no folder, .zip or notebook to grade")
    return sorted(found, key=lambda path: path.name.lower())


async def graded(found, path, asked, limit):
    """{"points", "of", "modules", "remarks", "results"} of one submission."""
    remarks = []
    books = chosen(notebooks(path, remarks), [module.name for module in found.written], remarks)
    worth = {label: found.module(label).words()["exercises"] for label in asked}
    results = await judged(books, asked, limit, remarks)
    modules = {label: _points(results.get(label, ()), worth[label]) for label in asked}
    for label in asked:
        broken = [r["sentence"] for r in results.get(label, ()) if r["check"] == judge.EXPORT]
        remarks += [" ".join(sentence.split()) for sentence in dict.fromkeys(broken)]
    of = sum(entry["points"] for words in worth.values() for entry in words.values())
    told = {"points": sum(modules.values()), "of": of, "modules": modules}
    return told | {"remarks": remarks, "results": results}


def _points(results, worth):
    """The points of a module: of what passed, and of what only fails by another's bug."""
    right = [r for r in results if r["outcome"] == "passed" or (r["finding"] or {}).get("right")]
    names = [result["exercise"].partition(".")[2] for result in right]
    return sum(worth[name]["points"] for name in names if name in worth)


# -- what was handed in
def notebooks(path, remarks):
    """[(name, bytes)] of all notebooks of a submission, those in its zips too."""
    inside = [path]
    if path.is_dir():
        inside = [p for p in sorted(path.rglob("*")) if not ASIDE & {*p.relative_to(path).parts}]
    found = []
    for file in inside:
        try:
            if file.suffix.lower() == ".ipynb" and file.is_file():
                found.append((file.relative_to(path.parent).as_posix(), file.read_bytes()))
            elif file.suffix.lower() == ".zip" and file.is_file():
                found += _zipped(file)
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            remarks.append(f"{file.name} cannot be read: {error}")
    return found


def _zipped(path):
    """[(name, bytes)] of the notebooks in a zip; nothing is unpacked onto the disk."""
    with zipfile.ZipFile(path) as archive:
        wanted = [e for e in archive.infolist() if e.filename.lower().endswith(".ipynb")]
        wanted = [e for e in wanted if not ASIDE & {*PurePosixPath(e.filename).parts}]
        if large := [e.filename for e in wanted if e.file_size > LARGEST]:
            raise zipfile.BadZipFile(f"{large[0]} has more than {LARGEST >> 20} MB")
        return [(entry.filename, archive.read(entry)) for entry in wanted]


def chosen(books, names, remarks):
    """{module: notebook}; what is left out is remarked.

    A notebook says in its first cell which module it is; else its name does. Of several the one
    that is called as in the course counts.
    """
    by_module, found = {}, {}
    for name, content in books:
        told = TARGET.search(content)
        target = told[1].decode() if told else PurePosixPath(name).stem
        if target in names:
            by_module.setdefault(target, []).append((name, content))
        else:
            remarks.append(f"{name} is no notebook of the course")
    for target, several in by_module.items():
        called = [b for b in several if PurePosixPath(b[0]).name == f"{target}.ipynb"] or several
        found[target] = called[0][1]
        if len(called) > 1:
            told = ", ".join(name for name, _ in called)
            remarks.append(f"several notebooks of {target}, the first one counts: {told}")
    if not found:
        remarks.append("no notebook of the course")
    return found


async def judged(books, asked, limit, remarks):
    """What `tito test` says of notebooks in a fresh workspace, {module: results}."""
    if not books:
        return {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        made = workspace.at(Path(scratch).resolve() / "workspace")
        await _tito(made, "init", str(made.root), inside=made.root.parent)
        for name, content in books.items():
            files.write(made.module(name).notebook, content)
        flags = ["--json", "--limit", f"{limit:g}"]
        printed, complaint = await _tito(made, "test", *asked, *flags, inside=made.root)
    if not printed.strip():
        remarks.append(f"nothing could be judged: {complaint.decode(errors='replace').strip()}")
        return {}
    return json.loads(printed)


async def _tito(made, *arguments, inside):
    """What a command of tito prints, in a process of its own that ends when this one must."""
    command = [sys.executable, "-m", "tito", *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    settled = {"cwd": inside, "env": runner.environment(made)}
    process = await asyncio.create_subprocess_exec(*command, **settled, **pipes)
    try:
        return await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.communicate()


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
    """{submission: grade} of a table that is there; none if it is not.

    Raises:
        TitoError: it is no such table, or counts other modules.
    """
    if not path.exists():
        return {}
    try:
        first, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        if first != header(asked):
            raise ValueError
        return {row[0]: _as_grade(row, asked) for row in rows}
    except (ValueError, csv.Error):
        told = f"{path} is no table of {', '.join(asked)} as tito writes it"
        raise TitoError(f"{told}: name the modules as before, or another file") from None


def _as_grade(row, asked):
    _, *points, total, of, remarks = row
    modules = dict(zip(asked, map(int, points), strict=True))
    told = {"points": int(total), "of": int(of), "modules": modules}
    return told | {"remarks": [remarks] if remarks else []}
