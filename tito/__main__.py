"""`python -m tito` is `tito`: Ctrl-C while Python still reads its files is no traceback either.

Python 3.7 can read this file and `tito/__init__.py`, so that an old Python is told what it is.
"""

import sys

NEEDED = (3, 11)  # as pyproject.toml says


def main():
    """Run tito and give its exit code."""
    if sys.version_info < NEEDED:
        return _too_old()
    try:
        from tito import cli

        return cli.main()
    except KeyboardInterrupt:
        return 130


def _too_old():
    needed, here = (".".join(map(str, version)) for version in (NEEDED, sys.version_info[:3]))
    newer = "py -3.12" if sys.platform == "win32" else "python3.12"
    print(
        f"tito: the course needs Python {needed} or newer, and this is {here} ({sys.executable}): "
        f"install a newer one from https://www.python.org/downloads/, and begin with its name: "
        f"`{' '.join([newer, '-m', 'tito', *sys.argv[1:]])}`",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
