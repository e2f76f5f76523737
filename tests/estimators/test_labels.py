"""Estimators as people read them: one spelling, which is read back."""

from __future__ import annotations

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.estimators.labels import label
from fastsumo.estimators.parsing import parse_estimator, parse_roulette

R = fs.roulette
LONG = R.Table(1.0 / np.arange(1.0, 81.0))


@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        (fs.SUMO(), "SUMO(Harmonic())"),
        (fs.SUMO(R.PowerLaw(0.5, cap=9), minimum=3, start=0), "SUMO(PowerLaw(s=0.5, cap=9), minimum=3, start=0)"),
        (fs.SingleTerm(R.HarmonicGeometric()), "SingleTerm(HarmonicGeometric())"),
        (fs.SUMO(R.Table([1.0, 0.1 + 0.2])), "SUMO(Table([1.0, 0.30000000000000004]))"),
        (fs.MLMC(), "MLMC()"),
        (fs.MLMC(1 / 3), "MLMC(ratio=0.3333333333333333)"),
        (fs.JVI(4, order=2), "JVI(k=4, order=2)"),
        (fs.ELBO(), "ELBO()"),
        (fs.Stratum(fs.SUMO(R.Harmonic(cap=80)), 4, 7), "Stratum(SUMO(Harmonic(cap=80)), low=4, high=7)"),
    ],
    ids=repr,
)
def test_labels(estimator: fs.SUMO, said: str) -> None:
    assert label(estimator) == label(estimator, "exact") == repr(estimator) == said
    assert parse_estimator(said) == estimator


def test_a_long_table_is_a_number_of_values_but_where_it_is_read_back() -> None:
    assert label(fs.SUMO(LONG)) == repr(fs.SUMO(LONG)) == "SUMO(Table(80 values))"
    assert parse_estimator(label(fs.SUMO(LONG), "exact")) == fs.SUMO(LONG)
    assert parse_roulette(label(LONG, "exact")) == LONG
