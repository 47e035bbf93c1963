"""Data that does not ship: fetched once from its public address, checked, and kept.

What is kept lies in the cache folder of the user, and is checked again each time it is used. The
check is a SHA-256 sum that stands in the program, so it does not matter whom the network asked.
"""

import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections import namedtuple
from pathlib import Path

SECONDS = 20  # how long a server may keep silent

Source = namedtuple("Source", "name url bytes sha256")
Source.__doc__ = "A file that can be fetched: its name here, its address, its size and SHA-256 sum."

SHAKESPEARE = Source(
    "tinyshakespeare.txt",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
    1_115_394,
    "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
)


class Unavailable(Exception):
    """The data are not here and cannot be fetched: one sentence that says why."""


def cache_folder():
    """Where fetched files are kept: the user's cache folder, or TINYTORCH_CACHE if that is set."""
    if named := os.environ.get("TINYTORCH_CACHE"):
        return Path(named)
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "tinytorch"
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tinytorch"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "tinytorch"


def fetched(source, url=None, ask=None, say=print):
    """The path of a file that is in the cache, or is fetched into it now.

    Args:
        source: a `Source`.
        url: another address of the same file, such as a mirror.
        ask: function, question -> True or False, called before anything is fetched; None fetches.
        say: function that takes a line on what is going on.

    Raises:
        Unavailable: it was not wanted, there is no network, or what came is something else.
    """
    path, url = cache_folder() / source.name, url or source.url
    if path.is_file():
        if digest(path.read_bytes()) == source.sha256:
            return path
        say(f"{path} is damaged, and is fetched again")
    size = f"{source.bytes / 1e6:.1f} MB"
    if ask and not ask(f"{source.name} ({size}) is not here yet. Fetch it from {url}?"):
        raise Unavailable(f"{source.name} is not here, and was not to be fetched")
    say(f"fetching {source.name} ({size}) from {url}")
    data = _received(source, url)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, data)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written ({error.strerror})") from None
    say(f"kept as {path}")
    return path


def digest(data):
    """The SHA-256 sum of some bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _received(source, url):
    """The bytes behind an address, if they are those of the source."""
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:
            data = answer.read(source.bytes + 1)
    except urllib.error.HTTPError as error:
        raise Unavailable(f"{url} answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise Unavailable(f"{url} cannot be reached ({error.reason})") from None
    except (OSError, ValueError, http.client.HTTPException) as error:  # silence; no address
        raise Unavailable(f"{url} cannot be read ({error})") from None
    if len(data) < source.bytes:
        raise Unavailable(f"{url} gave {len(data):,} of {source.bytes:,} bytes")
    if digest(data) != source.sha256:
        raise Unavailable(f"{url} gave another file than {source.name}: its SHA-256 sum differs")
    return data


def _write_whole(path, data):
    """Write a file so that nobody ever finds half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
