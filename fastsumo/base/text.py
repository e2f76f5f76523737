"""Plain text for a terminal: rows with a label, tables that fit a width, numbers as people read them.

Nothing here knows what a result is.
"""

from __future__ import annotations

import math
import textwrap
from functools import partial
from itertools import zip_longest
from typing import NamedTuple

WIDTH = 80
NARROWEST = 40
_GAP = "  "


class Column(NamedTuple):
    """A column of a table; columns of the highest ``rank`` are left out first where there is no room."""

    head: str
    cells: list[str]
    rank: int = 0
    left: bool = False


class Rows(list[tuple[str, str]]):
    """Labels and texts, as `labelled` shows them; an empty label goes on with the one before."""


def labelled(rows: list[tuple[str, str]], width: int = WIDTH) -> str:
    """Label and text in rows, the text wrapped beside its label.

    Examples
    --------
    >>> print(labelled([("trials", "1,000"), ("", "and no more")]))
    trials          1,000
                    and no more
    """
    indent = 16 if width >= WIDTH else 14
    out: list[str] = []
    for label, text in rows:
        wrapped = textwrap.wrap(text, width - indent, break_on_hyphens=False) or [""]
        out.append(f"{label:<{indent}}{wrapped[0]}".rstrip())
        out += [" " * indent + line for line in wrapped[1:]]
    return "\n".join(out)


def table(columns: list[Column], width: int = WIDTH) -> str:
    """Aligned columns, numbers to the right; the least important are left out until the rest fits.

    Before that, words that take more than half of the width go on in lines of their own.

    Examples
    --------
    >>> print(table([Column("K", ["1", "2 to 3"], left=True), Column("trials", ["50", "7"])]))
    K       trials
    1           50
    2 to 3       7
    """
    kept, half = list(columns), width // 2
    while len(kept) > 1 and _total([_wrapped(column, half) for column in kept]) > width:
        kept.remove(max(reversed(kept), key=lambda column: column.rank))
    shown = [_wrapped(column, half) for column in kept]
    for i, column in enumerate(kept):
        shown[i] = _wrapped(column, max(half, _width(shown[i]) + width - _total(shown)))
    lines = []
    for row in range(-1, len(kept[0].cells)):
        cells = [(column.head if row < 0 else column.cells[row]).split("\n") for column in shown]
        for parts in zip_longest(*cells, fillvalue=""):
            padded = [
                f"{part:<{_width(column)}}" if column.left else f"{part:>{_width(column)}}"
                for part, column in zip(parts, shown, strict=True)
            ]
            lines.append(_GAP.join(padded).rstrip()[:width])
    return "\n".join(lines)


def count(number: int) -> str:
    """A whole number with thousands set apart.

    Examples
    --------
    >>> count(10_000_000)
    '10,000,000'
    """
    return f"{number:,}"


def counted(number: int, one: str) -> str:
    """So many of what is called ``one``.

    Examples
    --------
    >>> counted(1, "trial"), counted(2000, "trial")
    ('1 trial', '2,000 trials')
    """
    return f"{count(number)} {one}{'s' if number != 1 else ''}"


def have_no_value(trials: int) -> str:
    """That so many trials have the value ``-inf``.

    Examples
    --------
    >>> have_no_value(1), have_no_value(2000)
    ('1 trial has the value -inf', '2,000 trials have the value -inf')
    """
    return f"{counted(trials, 'trial')} {'has' if trials == 1 else 'have'} the value -inf"


def with_error(value: float, error: float) -> str:
    """``value ± error``, the error to two digits and the value to as many decimals.

    Examples
    --------
    >>> with_error(1.837908848, 0.0009975)
    '1.83791 ± 0.00100'
    >>> with_error(142.438031, 174.9), with_error(3.2e12, 1.25e10)
    ('140 ± 170', '3.200e+12 ± 1.2e+10')
    """
    if math.isnan(error) or not math.isfinite(value):
        return f"{value:.10g}"
    if error == 0.0:
        return f"{value:.15g} ± 0"
    if math.isinf(error):
        return f"{value:.4g} ± inf"
    decimals = 1 - math.floor(math.log10(error))
    if decimals > 12:
        return f"{value:.12g} ± {error:.2g}"
    if decimals >= 0:
        return f"{value:.{decimals}f} ± {error:.{decimals}f}"
    largest = max(abs(value), error)
    if largest < 1e6:
        return f"{round(value, decimals) + 0.0:.0f} ± {round(error, decimals):.0f}"
    return f"{value:.{decimals + math.floor(math.log10(largest))}e} ± {error:.1e}"


def short(number: float) -> str:
    """A number to three digits with k, M, G or T.

    Examples
    --------
    >>> short(12_345_678)
    '12.3 M'
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:  # which is shown as 1
            return f"{number / size:.3g} {unit}"
    return f"{number:.3g}"


def percent(share: float) -> str:
    """A share in percent, to two digits.

    Examples
    --------
    >>> percent(0.01234), percent(0.5), percent(0.998), percent(math.nan)
    ('1.2 %', '50 %', '100 %', 'nan %')
    """
    return f"{100.0 * share:.0f} %" if share > 0.095 else f"{100.0 * share:.2g} %"


def duration(seconds: float) -> str:
    """A time as a person says it.

    Examples
    --------
    >>> duration(42), duration(3700), duration(400_000), duration(math.nan)
    ('42 s', '1 h 02 min', '4 d 15 h', '?')
    """
    if math.isnan(seconds):
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _total(columns: list[Column]) -> int:
    """The width of columns side by side."""
    return sum(map(_width, columns)) + len(_GAP) * (len(columns) - 1)


def _wrapped(column: Column, width: int) -> Column:
    """A column with words that are too long in several lines; numbers stay as they are."""
    if not column.left:
        return column
    fill = partial(textwrap.fill, width=width, subsequent_indent="  ", break_on_hyphens=False)
    return column._replace(cells=[cell if len(cell) <= width else fill(cell) for cell in column.cells])


def _width(column: Column) -> int:
    """Of the widest line in a column."""
    return max(len(line) for cell in (column.head, *column.cells) for line in cell.split("\n"))
