"""Estimators and laws of `K` as people read them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Literal

from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.roulette import Roulette, Table

Style = Literal["full", "plain", "brief", "exact"]


def label(value: Estimator | Roulette, style: Style = "full") -> str:
    """The name of an estimator or law with its values, but for those left at their default.

    Parameters
    ----------
    value : Estimator or Roulette
    style : {"full", "plain", "brief", "exact"}
        "full" names the law's parameter, and gives all values of the law but None; "plain" does not name it; "brief"
        leaves out the law's defaults too, and gives four digits, of a table only its length; "exact" is "full" with a
        whole table, which `estimators.parsing` reads back.

    Returns
    -------
    str

    Examples
    --------
    >>> import fastsumo as fs
    >>> estimator = fs.SUMO(fs.roulette.HarmonicGeometric(cap=9))
    >>> label(estimator)
    'SUMO(roulette=HarmonicGeometric(alpha=80, rate=0.1, cap=9))'
    >>> label(estimator, "brief")
    'SUMO(HarmonicGeometric(cap=9))'
    """
    brief = style == "brief"
    if isinstance(value, Table):
        if style == "exact":
            return f"Table({value.survival_table.tolist()})"
        return f"Table({value.survival_table.size} values)" if brief else repr(value)
    parts = []
    for field in fields(value):
        own = getattr(value, field.name)
        if isinstance(own, (Estimator, Roulette)):
            parts.append(("" if brief or style == "plain" else f"{field.name}=") + label(own, style))
        elif field.repr and not _goes_without_saying(value, own, field.default, brief):
            parts.append(f"{field.name}={f'{own:.4g}' if brief and isinstance(own, float) else repr(own)}")
    return f"{type(value).__name__}({', '.join(parts)})"


def _goes_without_saying(value: Estimator | Roulette, own: object, default: object, brief: bool) -> bool:
    if default is MISSING or own != default:
        return False
    return brief or own is None or isinstance(value, Estimator)
