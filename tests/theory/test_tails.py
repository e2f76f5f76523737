"""The tail of a trial's value to first order: the sum over `K`, its power law, and runs that follow it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from fastsumo import theory
from fastsumo.estimators.labels import label
from fastsumo.runs.provenance import Provenance

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


WIDE = fs.importance(lambda x, _: -0.5 * x[0] * x[0], fs.proposals.StudentT([0.0], [[1.0]], 1.0), name="wide")
SCALE = fs.models.gaussian_scale(0.5)  # weights of index 4/3
MANY = 2**52


@pytest.mark.parametrize(
    ("model", "estimator", "moments"),
    [
        (GAMMA, fs.Stratum(HARMONIC, 3, 90), (True, True, True, True)),
        (GAMMA, fs.Stratum(HARMONIC, 3, MANY), (True, False, False, False)),
        (SCALE, fs.Stratum(HARMONIC, 1, 1000), (True, True, True, True)),  # logs of weights have all moments
        (SCALE, fs.Stratum(HARMONIC, 1000, MANY), (True, False, False, False)),
        (GAMMA, fs.Stratum(fs.SingleTerm(), 9, 9), (True, True, True, True)),
        (GAMMA, fs.Stratum(fs.SingleTerm(), 9, MANY), (False, False, False, False)),
        (GAMMA, fs.Stratum(fs.MLMC(), 3, 40), (True, True, True, True)),
        (GAMMA, fs.Stratum(fs.MLMC(), 3, MANY), (True, True, False, False)),
        (WIDE, fs.Stratum(HARMONIC, 1, 9), (False, False, False, False)),  # two weights near zero: index 2 / 2
        (WIDE, fs.Stratum(fs.MLMC(first=False), 4, 5), (True, False, False, False)),  # halves of four: index 4 / 2
        (WIDE, fs.Stratum(fs.MLMC(first=False, kind="sum"), 4, 5), (False, False, False, False)),
        (fs.models.gamma(1.0), fs.Taylor(fs.roulette.Geometric(0.4)), (True, True, False, False)),
        (fs.models.gamma(1.0), fs.Taylor(), (True, False, False, False)),  # chi-square 1: just too large
        (fs.models.gamma(1.0), fs.Taylor(fs.roulette.Geometric(0.1), 10), (True, True, True, True)),
        (fs.models.gamma(1.0), fs.Taylor(log_center=-1.0), (False, False, False, False)),
        (fs.models.gamma(1.0), fs.Taylor(fs.roulette.Geometric(0.5, cap=9)), (True, True, True, True)),
        (SCALE, fs.Taylor(fs.roulette.Geometric(0.5, cap=9)), (True, False, False, False)),
        (SCALE, fs.Stratum(fs.Taylor(), 2, 9), (True, False, False, False)),
        (fs.models.gamma(1.0), fs.Stratum(fs.Taylor(), 2, 9), (True, True, True, True)),
        (fs.models.gamma(1.0), fs.Stratum(fs.Taylor(), 2, MANY), (True, False, False, False)),
    ],
    ids=lambda value: value.name if isinstance(value, fs.Model) else label(value) if hasattr(value, "plan") else "",
)
def test_which_moments_exist(model: fs.Model, estimator: Any, moments: tuple[bool, ...]) -> None:
    run = Provenance.of(model, theory.centered(model, estimator)).with_tails_of(model)
    assert tuple(theory.has_moment(run, float(p)) for p in (1, 2, 3, 4)) == moments
    tail = theory.tail(model, estimator)
    assert tuple(tail.exists(p) for p in (1, 2, 3, 4)) == moments
    assert Provenance.of_stored(json.loads(json.dumps(run.stored()))) == run


def test_weights_near_zero_do_taylor_no_harm() -> None:
    run = Provenance.of(WIDE, theory.centered(WIDE, fs.Taylor())).with_tails_of(WIDE)
    assert theory.tail_law(run) is None
    assert theory.has_moment(run, 2.0) is True
    unknown = replace(run, series_index=None)
    assert theory.has_moment(unknown, 1.0) is None
