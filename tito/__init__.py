"""tito, the command of TinyTorch: it exports, tests and guides."""

import contextlib


class TitoError(Exception):
    """A user's mistake, said in one sentence: what, where, why, what to try."""

    code = 1


def guess(word, known):
    """The known word that looks most like this one, as " (did you mean ...?)"; "" if none does.

    Args:
        known: words, or a dictionary of words and what they stand for.
    """
    import difflib

    close = difflib.get_close_matches(word, known, n=1)
    meant = known[close[0]] if close and isinstance(known, dict) else (close or [""])[0]
    return f" (did you mean {meant}?)" if close else ""


@contextlib.contextmanager
def unforeseen(module):
    """Tell an error that nobody thought of as a TitoError: it costs its own module alone.

    What the operating system refuses is none: it would refuse the other modules as well.
    """
    import traceback
    from pathlib import Path

    try:
        yield
    except (TitoError, OSError):
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(at.filename).name}, line {at.lineno}"
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise TitoError(
            f"{module.label}: tito itself fails here, which is the course's own fault, not yours: "
            f"please report `{told}`, at {place}"
        ) from error


class UsageError(TitoError):
    """The command line itself makes no sense here."""

    code = 2
