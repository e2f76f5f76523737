"""Estimators as files keep them."""

from __future__ import annotations

import pytest

import fastsumo as fs
from fastsumo.estimators.serialization import estimator_from_json, estimator_to_json


def test_estimators_come_back_from_json() -> None:
    laws = [
        fs.roulette.Harmonic(cap=7),
        fs.roulette.HarmonicGeometric(10, 0.25),
        fs.roulette.PowerLaw(1.1),
        fs.roulette.Geometric(0.3),
        fs.roulette.Table([1, 0.1, 0.1 / 3]),
    ]
    estimators = [fs.ELBO(), fs.IWAE(7), *(fs.SUMO(law, minimum=2) for law in laws)]
    for what in estimators:
        assert estimator_from_json(estimator_to_json(what)) == what


def test_ratios_that_are_warned_of_are_read_without_a_word() -> None:
    with pytest.warns(RuntimeWarning, match="infinite"):
        heavy = fs.MLMC(0.6)
    assert estimator_from_json(estimator_to_json(heavy)) == heavy
