"""Estimators and laws of `K` as people read them, and as `parsing` reads them back: one spelling, their `repr` too."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, ClassVar, Literal

Style = Literal["brief", "exact"]


class Labelled:
    """Base of dataclasses that are written as one would type them: without what is left at its default."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def _label(self, style: Style) -> str:
        parts = []
        for field in fields(self):
            own = getattr(self, field.name)
            if isinstance(own, Labelled):
                parts.append(label(own, style))
            elif field.repr and (field.default is MISSING or own != field.default):
                parts.append(f"{field.name}={own!r}")
        return f"{type(self).__name__}({', '.join(parts)})"

    def __repr__(self) -> str:
        return self._label("brief")


def label(value: Labelled, style: Style = "brief") -> str:
    """The name of an estimator or law as one would type it, without what is left at its default.

    The one spelling in texts, tables, figures and files. `parsing.parse_estimator` reads it back, but for a table of
    more than 8 values in "brief".

    Parameters
    ----------
    value : Estimator or Roulette
    style : {"brief", "exact"}
        "brief" gives of a long table only its length; it is also the ``repr``.

    Returns
    -------
    str

    Examples
    --------
    >>> import fastsumo as fs
    >>> label(fs.SUMO(fs.roulette.HarmonicGeometric(cap=9), minimum=2)), fs.SUMO(), fs.ELBO()
    ('SUMO(HarmonicGeometric(cap=9), minimum=2)', SUMO(Harmonic()), ELBO())
    """
    return value._label(style)
