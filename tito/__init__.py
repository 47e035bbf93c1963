"""tito, the command of TinyTorch: it exports, tests and guides."""


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


class UsageError(TitoError):
    """The command line itself makes no sense here."""

    code = 2
