"""Values that a person reads in a notebook and on a line: a table of their fields, and a short `repr`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from fastsumo.base import html
from fastsumo.base.text import Column, Rows, count

_FEW = 6  # numbers of an array that are shown in full
_LONG = 88  # characters


class Shown:
    """A dataclass that a notebook shows as a table, by default with one row for each field.

    With ``repr=False`` in its decorator its `repr` is that of a dataclass with the arrays in it told by their sizes.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def _blocks(self) -> list[Rows | list[Column]]:
        """What is shown, one block below the other: labelled rows and tables."""
        return [Rows((name.replace("_", " "), brief(value)) for name, value in _fields(self))]

    def _repr_html_(self) -> str:
        return html.blocks(self._blocks())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={_short(value)}' for name, value in _fields(self))})"


def brief(value: Any) -> str:
    """A value for a person: numbers to six digits, arrays by their size, no more than a line of anything.

    Examples
    --------
    >>> brief(0.123456789), brief(12345), brief(np.zeros((3, 4))), brief({1: "exists"}), brief(None)
    ('0.123457', '12,345', '3 x 4 numbers', '1: exists', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return count(int(value))
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.size <= _FEW and value.dtype.names is None:
            return ", ".join(map(brief, value))
        what = "numbers" if value.dtype.names is None else f"rows of {', '.join(value.dtype.names)}"
        return f"{' x '.join(map(count, value.shape))} {what}"
    if isinstance(value, Mapping):
        return _cut(", ".join(f"{key}: {brief(each)}" for key, each in value.items()))
    if isinstance(value, (tuple, list)):
        return _cut(", ".join(map(brief, value))) if value else "none"
    return _cut(" ".join(str(value).split()))


def _short(value: Any) -> str:
    """As `repr`, but of arrays their sizes, and no more than a line of anything."""
    if isinstance(value, np.ndarray):
        return f"<{brief(value)}>" if value.size > _FEW or value.dtype.names else repr(value.tolist())
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return _cut(repr(value))


def _fields(value: Any) -> list[tuple[str, Any]]:
    return [(each.name, getattr(value, each.name)) for each in dataclasses.fields(value) if each.name[0] != "_"]


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[: _LONG - 4]} ..."
