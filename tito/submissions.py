"""What was handed in: the submissions of a folder, and the notebooks in each of them.

Nothing is unpacked onto the disk, and copies that nobody wrote in are put aside: what Jupyter and
tito keep for themselves, and the courses that are installed in an environment.
"""

import json
import os
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tinytorch import overlay
from tito import TitoError, notebook

LARGEST = 64 * 2**20  # bytes of all notebooks in a zip: a small one could hold more than memory
TARGET = re.compile(r"^\s*#\|\s*default_exp\s+(\w+)", re.MULTILINE)
ASIDE = {"_course", "site-packages", "__MACOSX"}  # folders of copies, as all that begin with "."
SOLUTION = notebook.BEGIN.encode()  # in the course's own notebooks, and in no learner's
UNOPENED = re.compile(r"\.(7z|rar|tar|tgz|tar\.\w+)$|\.ipynb\.", re.IGNORECASE)


def find(folder, table=None):
    """The submissions in a folder, by name; whatever is not hidden is one, but for the table.

    Raises:
        TitoError: it is no folder, is itself a workspace, or holds none.
    """
    if not folder.is_dir():
        raise TitoError(f"{folder} is no folder: name the one that holds the submissions")
    if (folder / overlay.MARK).is_file():
        raise TitoError(f"{folder} is one workspace: put it into a folder of submissions")
    table = table and os.path.realpath(table)  # unlike resolve() it does not mind a loop of links
    found = [p for p in folder.iterdir() if not _aside(p.name) and os.path.realpath(p) != table]
    if not found:
        raise TitoError(f"{folder} holds no folder, .zip or notebook to grade")
    return sorted(found, key=lambda path: path.name.lower())


def name_of(path):
    """A path's name as text that can be printed: names on a disk need not be UTF-8."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _aside(name):
    return name in ASIDE or (name.startswith(".") and name != "..")


@dataclass(frozen=True)
class Book:
    """A notebook that was handed in; its name begins with the submission's."""

    name: str
    content: bytes
    away: bool  # it lies in no workspace: beside one there may be a copy of the course

    def rank(self, module):
        """Of several notebooks of a module the one with the least counts."""
        other_name = PurePosixPath(self.name).name.lower() != f"{module}.ipynb"
        return self.away, SOLUTION in self.content, other_name


def notebooks(path, remarks):
    """The Books of a submission, those in its zips too; what cannot be read is remarked."""
    books, homes = {}, set()
    for file in _inside(path):
        label = name_of(file.relative_to(path.parent).as_posix())
        try:
            for name, content in _opened(file, label, remarks):
                if PurePosixPath(name).name == overlay.MARK:
                    homes.add(PurePosixPath(name).parent)
                else:
                    books[name] = content
        except Exception as error:  # of a damaged zip zlib, lzma, struct and codecs raise theirs
            remarks.append(f"{label} cannot be read: {error or type(error).__name__}")
    return [
        Book(name, content, homes.isdisjoint(PurePosixPath(name).parents))
        for name, content in books.items()
    ]


def _inside(path):
    """The files of a submission."""
    if not path.is_dir():
        yield path
    for place, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not _aside(name))
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _opened(file, label, remarks):
    """(name, bytes) of what counts in a file: a notebook, those in a zip, a workspace's mark."""
    kind = file.suffix.lower()
    is_book = kind == ".ipynb" or file.name == overlay.MARK
    if (is_book or kind == ".zip") and not file.is_file():  # of a pipe one would read for ever
        raise OSError("it is no file, or a link to none")
    if is_book:
        yield label, file.read_bytes()
    elif kind == ".zip":
        yield from _zipped(file, label, remarks)
    elif label == name_of(file.name):
        remarks.append(f"{label} is neither folder, .zip nor notebook")
    elif UNOPENED.search(file.name):
        remarks.append(f"{label} is not looked into: it is neither folder, .zip nor notebook")


def _zipped(path, label, remarks):
    with zipfile.ZipFile(path) as archive:
        entries, several = {}, {}
        for entry in archive.infolist():
            name = PurePosixPath(entry.filename.replace("\\", "/"))
            if not any(map(_aside, name.parts)):
                entries[name] = entry  # the last one, as where a zip is unpacked
                several.setdefault(name, set()).add(entry.CRC)
        for name in entries:
            if name.suffix.lower() == ".zip" or UNOPENED.search(name.name):
                remarks.append(f"{label}/{name} is not looked into: hand it in by itself")
        wanted = {n: e for n, e in entries.items() if n.suffix.lower() == ".ipynb"}
        for name in (name for name in wanted if len(several[name]) > 1):
            remarks.append(f"{label}/{name} is in the zip more than once: the last one counts")
        if sum(entry.file_size for entry in wanted.values()) > LARGEST:
            raise zipfile.BadZipFile(f"its notebooks have more than {LARGEST >> 20} MB")
        for name, entry in entries.items():
            if name in wanted or name.name == overlay.MARK:
                yield f"{label}/{name}", archive.read(entry) if name in wanted else b""


def chosen(books, modules, remarks):
    """{module: bytes} of Books; what is left out is remarked.

    A notebook says in its first cell which module it is; else its name does. Of several one in a
    workspace counts first, then one that is not the course's own, then the one with its name.
    """
    found = {}
    for book in books:
        target = _target(book)
        if target in modules:
            found.setdefault(target, []).append(book)
        else:
            remarks.append(f"{book.name} is no notebook of the course")
    for target, several in found.items():
        best = found[target] = min(several, key=lambda book: book.rank(target))
        if len({book.content for book in several}) > 1:
            told = ", ".join(book.name for book in several)
            remarks.append(f"several notebooks of {target}, {best.name} counts: {told}")
        if SOLUTION in best.content:
            told = f"{best.name} has lines `{notebook.BEGIN}`"
            remarks.append(f"{told}: it is the course's own, or copied")
    if not found:
        remarks.append("no notebook of the course")
    return {target: book.content for target, book in found.items()}


def _target(book):
    """The module that a notebook is of."""
    try:
        cells = json.loads(book.content)["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        told = TARGET.search("\n".join(code))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        told = None  # it is no notebook; whoever judges it says so
    return told[1] if told else PurePosixPath(book.name).stem.lower()
