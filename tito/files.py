"""Files that are replaced whole, in one step: a kill in between leaves the old one as it was."""

import contextlib
import hashlib
import importlib.util
import json
import os
from pathlib import Path

from tito import TitoError


def write(path, content):
    """Replace a file, or make it, with its folders.

    Raises:
        TitoError: it could not be written; the old file is as it was.
    """
    path, content = Path(path), content.encode() if isinstance(content, str) else content
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        reason = error.strerror or error
        raise TitoError(f"{path} could not be written ({reason}); it is as it was") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
    if path.suffix == ".py":
        _forget_bytecode(path)


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
