"""Names of estimators and laws as people read them."""

from __future__ import annotations

from dataclasses import MISSING, fields

from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.roulette import Roulette, Table


def short_name(estimator: Estimator | Roulette) -> str:
    """``repr`` without what is left at its default; of a table of survival only its length."""
    if isinstance(estimator, Table):
        return f"Table({estimator.survival_table.size} values)"
    parts = []
    for field in fields(estimator):
        value = getattr(estimator, field.name)
        if not field.repr or (field.default is not MISSING and value == field.default):
            continue
        law = hasattr(value, "law") and value.__dataclass_params__.repr
        text = short_name(value) if law else f"{value:.4g}" if isinstance(value, float) else repr(value)
        parts.append(text if law else f"{field.name}={text}")
    return f"{type(estimator).__name__}({', '.join(parts)})"
