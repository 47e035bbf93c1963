"""tito, the command of TinyTorch: it exports, tests and guides."""


class TitoError(Exception):
    """A user's mistake, said in one sentence: what, where, why, what to try."""

    code = 1


class UsageError(TitoError):
    """The command line itself makes no sense here."""

    code = 2
