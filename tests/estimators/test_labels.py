"""Estimators as people read them."""

from __future__ import annotations

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.estimators.labels import label

R = fs.roulette
TABLE = R.Table(1.0 / np.arange(1.0, 81.0))


@pytest.mark.parametrize(
    ("estimator", "full", "plain", "brief"),
    [
        (fs.SUMO(), "SUMO(roulette=Harmonic())", "SUMO(Harmonic())", "SUMO(Harmonic())"),
        (
            fs.SUMO(R.PowerLaw(0.5, cap=9), minimum=3, start=0),
            "SUMO(roulette=PowerLaw(s=0.5, cap=9), minimum=3, start=0)",
            "SUMO(PowerLaw(s=0.5, cap=9), minimum=3, start=0)",
            "SUMO(PowerLaw(s=0.5, cap=9), minimum=3, start=0)",
        ),
        (
            fs.SingleTerm(R.HarmonicGeometric()),
            "SingleTerm(roulette=HarmonicGeometric(alpha=80, rate=0.1))",
            "SingleTerm(HarmonicGeometric(alpha=80, rate=0.1))",
            "SingleTerm(HarmonicGeometric())",
        ),
        (
            fs.SUMO(TABLE),
            f"SUMO(roulette={TABLE!r})",
            f"SUMO({TABLE!r})",
            "SUMO(Table(80 values))",
        ),
        (fs.MLMC(), "MLMC()", "MLMC()", "MLMC()"),
        (fs.MLMC(1 / 3), "MLMC(ratio=0.3333333333333333)", "MLMC(ratio=0.3333333333333333)", "MLMC(ratio=0.3333)"),
        (fs.JVI(4, order=2), "JVI(k=4, order=2)", "JVI(k=4, order=2)", "JVI(k=4, order=2)"),
        (fs.ELBO(), "ELBO()", "ELBO()", "ELBO()"),
    ],
    ids=repr,
)
def test_labels(estimator: fs.SUMO, full: str, plain: str, brief: str) -> None:
    assert (label(estimator), label(estimator, "plain"), label(estimator, "brief")) == (full, plain, brief)
    assert label(fs.SUMO(R.Table([1.0, 0.1 + 0.2])), "exact") == "SUMO(roulette=Table([1.0, 0.30000000000000004]))"
