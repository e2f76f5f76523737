"""Estimators and laws of `K` as people read them."""

from __future__ import annotations

import numpy as np

import fastsumo as fs
from fastsumo.estimators.labels import label

R = fs.roulette


def test_short_names():
    assert label(fs.SUMO(), "brief") == "SUMO(Harmonic())"
    assert label(fs.SUMO(R.PowerLaw(0.5, cap=9), minimum=3, start=0), "brief") == (
        "SUMO(PowerLaw(s=0.5, cap=9), minimum=3, start=0)"
    )
    assert label(fs.MLMC(), "brief") == "MLMC()"
    assert label(fs.JVI(4, order=2), "brief") == "JVI(k=4, order=2)"
    assert label(fs.ELBO(), "brief") == "ELBO()"
    assert label(fs.SUMO(R.Table(1.0 / np.arange(1.0, 81.0))), "brief") == "SUMO(Table(80 values))"
