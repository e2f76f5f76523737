"""The tail of a trial's value to first order: the sum over `K`, its power law, and runs that follow it."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastsumo as fs
from fastsumo import theory

NOTE, GAMMA = fs.models.note(), fs.models.gamma(1.5)
HARMONIC, CAPPED = fs.SUMO(), fs.SUMO(fs.roulette.Harmonic(cap=80))
PAPER = fs.SUMO(fs.roulette.HarmonicGeometric())


def naive_survival(law: fs.roulette.Roulette, chi_square: float, x: float, largest: int) -> float:
    """Sum over every `K` of its probability and of a normal tail."""
    total, variance = 0.0, 0.0
    survival = law.survival(np.arange(1, largest + 2)).tolist()
    for k in range(1, largest + 1):
        here, after = survival[k - 1], survival[k] if k < largest else 0.0
        variance += chi_square / (k * (k + 1) * here**2)
        total += (here - after) * math.erfc(x / math.sqrt(2 * variance))
    return total


@pytest.mark.parametrize(
    ("law", "largest", "tolerance"),
    [
        (fs.roulette.Harmonic(cap=50), 50, 1e-12),
        (fs.roulette.Harmonic(cap=20_000), 20_000, 1e-3),
        (fs.roulette.HarmonicGeometric(alpha=80, rate=0.1), 400, 1e-9),
        (fs.roulette.PowerLaw(1.2, cap=300), 300, 1e-12),
        (fs.roulette.Geometric(0.4), 80, 1e-9),
        (fs.roulette.HarmonicGeometric(alpha=5000, rate=0.5), 5050, 1e-3),
        (fs.roulette.Geometric(0.001), 30_000, 0.02),
    ],
)
def test_first_order_tail_is_the_sum_over_terms(law: fs.roulette.Roulette, largest: int, tolerance: float) -> None:
    run = fs.simulate(NOTE, fs.SUMO(law), 1).provenance
    for x in (5.0, 15.0):
        found = theory.tail_survival(run, x)
        assert found == pytest.approx(naive_survival(law, run.chi_square or 0.0, x, largest), rel=tolerance)


@pytest.mark.parametrize("s", [1.0, 1.5, 0.8])
def test_tail_constant_is_where_the_first_order_tail_ends(s: float) -> None:
    run = fs.simulate(NOTE, fs.SUMO(fs.roulette.PowerLaw(s)), 1).provenance
    law = theory.tail_law(run)
    assert law is not None
    assert law.index == pytest.approx(2 * s / (2 * s - 1))
    x = 300.0 if s >= 1.0 else 30.0
    assert theory.tail_survival(run, x) == pytest.approx(law.constant * x**-law.index, rel=0.03)


@pytest.mark.parametrize(
    ("model", "estimator"),
    [
        (NOTE, fs.IWAE(5)),
        (NOTE, CAPPED),
        (NOTE, fs.SUMO(fs.roulette.Table([1.0, 0.5]))),
        (NOTE, fs.SUMO(fs.roulette.PowerLaw(0.5))),
        (fs.importance(NOTE.function, NOTE.proposal, chi_square=math.inf), HARMONIC),
    ],
)
def test_no_power_law_where_there_is_none(model: fs.Model, estimator: fs.SUMO) -> None:
    assert theory.tail_law(fs.simulate(model, estimator, 1).provenance) is None


def test_heavy_weights_set_the_power_law() -> None:
    law = theory.tail_law(fs.simulate(fs.models.gaussian_scale(0.5), HARMONIC, 1).provenance)
    assert law is not None
    assert law.index == pytest.approx(4 / 3)
    assert "weights" in law.note


def test_the_tail_follows_first_order_theory() -> None:
    r = fs.simulate(NOTE, PAPER, 1_000_000)
    bins = r.histogram
    for x in (20.0, 50.0):
        beyond = bins.counts[(bins.low >= x) | (bins.high <= -x)].sum()
        expected = float(theory.tail_survival(r.provenance, x)) * r.trials  # type: ignore[arg-type]
        assert abs(beyond - expected) < 0.1 * expected + 4.0 * math.sqrt(expected)
