"""Estimators and laws of `K` as people read them, and as `parsing` reads them back."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Literal

from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.roulette import Roulette, Table

Style = Literal["brief", "exact"]
_FEW = 8  # values of a table that are all shown


def label(value: Estimator | Roulette, style: Style = "brief") -> str:
    """The name of an estimator or law as one would type it, without what is left at its default.

    The one spelling in texts, tables, figures and files of tables. `parsing.parse_estimator` reads it back, but for a
    table of more than 8 values in "brief".

    Parameters
    ----------
    value : Estimator or Roulette
    style : {"brief", "exact"}
        "brief" gives of a long table only its length.

    Returns
    -------
    str

    Examples
    --------
    >>> import fastsumo as fs
    >>> label(fs.SUMO(fs.roulette.HarmonicGeometric(cap=9), minimum=2)), label(fs.SUMO()), label(fs.ELBO())
    ('SUMO(HarmonicGeometric(cap=9), minimum=2)', 'SUMO(Harmonic())', 'ELBO()')
    """
    if isinstance(value, Table):
        long = style == "brief" and value.survival_table.size > _FEW
        return f"Table({value.survival_table.size} values)" if long else f"Table({value.survival_table.tolist()})"
    parts = []
    for field in fields(value):
        own = getattr(value, field.name)
        if isinstance(own, (Estimator, Roulette)):
            parts.append(label(own, style))
        elif field.repr and (field.default is MISSING or own != field.default):
            parts.append(f"{field.name}={own!r}")
    return f"{type(value).__name__}({', '.join(parts)})"
