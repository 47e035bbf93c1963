"""What tito prints: coloured in a terminal, plain text everywhere else."""

import os
import re
import sys
from functools import cache

WORD = re.compile(r"^\s*\S+|\S+")  # the first of a cell with what it is indented by
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


def table(rows, header=(), spare=None):
    """Print rows of words in columns; a word that has a style gets it.

    Args:
        spare: the place of a column that a narrow window does without.
    """
    if _muted:
        return
    lines = [row for row in (header, *rows) if row]
    if console := _console():
        widths = _narrowed(lines, console.width)
        if widths is None and spare is not None:
            rows, header = [_without(row, spare) for row in rows], _without(header, spare)
            widths = _narrowed([_without(line, spare) for line in lines], console.width)
        console.print(_rich_table(rows, header, widths), soft_wrap=False)
        return
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip(), flush=True)


def _without(row, place):
    """A row less one of its cells."""
    return (*row[:place], *row[place + 1 :])


def _narrowed(lines, room):
    """Widths of columns that break no word, the widest gives way first; None if none do."""
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [[word for cell in column for word in WORD.findall(cell)] for column in columns]
    least = [max(map(len, found), default=0) for found in words]
    room -= 2 * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widths[max((w, n) for n, w in enumerate(widths) if w > least[n])[1]] -= 1
    return widths


def _rich_table(rows, header, widths):
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, show_header=bool(header), padding=(0, 2, 0, 0))
    names = header or rows[0]
    for name, width in zip(names, widths or [None] * len(names), strict=True):
        style = {"header_style": "bold", "overflow": "fold"}  # nothing is cut off
        grid.add_column(name, width=width, **style)
    for row in rows:
        grid.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    return grid
