"""`python -m tito` is `tito`: Ctrl-C while Python still reads its files is no traceback either."""

import sys


def main():
    """Run tito and give its exit code."""
    try:
        from tito import cli

        return cli.main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
