"""Files that are replaced whole, in one step: a kill in between leaves the old one as it was."""

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
from pathlib import Path

from tito import TitoError


def write(path, content):
    """Replace a file, or make it, with its folders.

    A link stays one: what it leads to is replaced. A file keeps its permissions.

    Raises:
        TitoError: it could not be written; the old file is as it was.
    """
    content = content.encode() if isinstance(content, str) else content
    refuse_read_only(path)
    path = Path(os.path.realpath(path))
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            shutil.copymode(path, fresh)
        os.replace(fresh, path)
    except OSError as error:
        reason = error.strerror or error
        raise TitoError(f"{path} could not be written ({reason}); it is as it was") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    if path.suffix == ".py":
        _forget_bytecode(path)


def refuse_read_only(path):
    """Say that a file must not be changed; the folder alone would allow to replace it.

    Raises:
        TitoError: nobody may write it.
    """
    if os.path.exists(path) and not os.stat(path).st_mode & 0o222:
        raise TitoError(f"{path} is read-only: make it writable first")


def _forget_bytecode(path):
    """Python tells sources apart by size and whole seconds: after two quick writes it errs."""
    cached = Path(importlib.util.cache_from_source(str(path)))
    for stale in cached.parent.glob(f"{path.stem}.*.pyc"):
        stale.unlink(missing_ok=True)


def digest(content):
    """The SHA-256 of bytes or text, in hexadecimal digits."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def dumps(data):
    """JSON for a file: readable, with the line end that Jupyter writes too."""
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError:  # half of an emoji, which some editors save
        text = json.dumps(data, indent=1) + "\n"
    return text
