"""What tito prints: coloured in a terminal, plain text everywhere else."""

import os
import sys
from functools import cache

STYLES = {
    "passed": "green",
    "in step": "green",
    "failed": "bold red",
    "refused": "bold red",
    "blank": "yellow",
    "differs": "yellow",
    "not exported": "yellow",
    "not built yet": "dim",
}


@cache
def _console():
    """rich's console; None if colours are not wanted, not shown or not installed."""
    if os.environ.get("NO_COLOR") or not sys.stdout.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(highlight=False, markup=False, soft_wrap=True)


_muted = []


def quiet(wanted=True):
    """Print nothing but JSON and complaints from now on."""
    _muted[:] = [True] if wanted else []


def say(text="", style=None):
    """Print one line, or several, as they are."""
    if _muted:
        return
    if console := _console():
        console.print(text, style=style)
    else:
        print(text, flush=True)


def json(data):
    """Print data for an editor."""
    import json

    print(json.dumps(data, indent=1), flush=True)


def complain(text):
    """Say a mistake on stderr."""
    print(f"tito: {text}", file=sys.stderr, flush=True)


def table(rows, header=()):
    """Print rows of words in columns; a word that has a style gets it."""
    if _muted:
        return
    if console := _console():
        console.print(_rich_table(rows, header), soft_wrap=False)
        return
    lines = [row for row in (header, *rows) if row]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip(), flush=True)


def _rich_table(rows, header):
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_header=bool(header), padding=(0, 2, 0, 0))
    for name in header or rows[0]:
        grid.add_column(name, header_style="bold", overflow="fold")  # nothing is cut off
    for row in rows:
        grid.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    return grid
