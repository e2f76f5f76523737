"""A user's settings of floating-point errors, and warnings made errors, change nothing of what fastsumo does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo import thinned

import fastsumo as fs
from fastsumo import tails, theory

R, P = fs.roulette, fs.proposals
NOTE = fs.models.note()
LAWS = [R.Harmonic(), R.HarmonicGeometric(), R.PowerLaw(50.0), R.Geometric(1.0), R.Table([1.0, 1e-300])]
ESTIMATORS = [
    *(fs.IWAE(5), fs.IWAE(10**6), fs.JVI(5), *(fs.SUMO(law) for law in LAWS), fs.SUMO(start=0, minimum=3)),
    *(fs.SingleTerm(R.Geometric(0.5)), fs.MLMC()),
]
LARGE = np.random.default_rng(0).standard_cauchy(5000) * 1e100
SMALL = np.random.default_rng(0).normal(size=5000) * 1e-200
ON_ARRAYS = [
    *(tails.diagnose, tails.gpd_fit, tails.log_histogram, tails.max_to_sum, tails.mean_excess, tails.pareto_khat),
    *(tails.summarize, tails.tail_index, tails.trace, tails.variance_growth, tails.hill_path),
    *(tails.mean_interval, tails.choose_k, tails.drop_largest),
]


def density(x, params):  # type: ignore[no-untyped-def]
    return -0.5 * (x[0] * x[0] + x[1] * x[1])


PROPOSALS = [
    P.Gaussian([0.0, 0.0], 0.3),
    P.Gaussian([30.0, 0.0], 1.0),
    P.StudentT([0.0, 0.0], [1.0, 2.0], 0.5),
    P.Mixture([P.Gaussian([0.0, 0.0], 1.0), P.StudentT([3.0, 0.0], 1.0, 4.0)], [0.5, 0.5]),
]


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


@pytest.mark.parametrize("model", [fs.models.gamma(0.5), fs.models.lognormal(3.0)], ids=lambda model: model.name)
def test_theory(model: fs.Model) -> None:
    for estimator in ESTIMATORS:
        assert "mean" in str(theory.predict(model, estimator))


@pytest.mark.parametrize("proposal", PROPOSALS, ids=lambda proposal: type(proposal).__name__)
def test_proposals(proposal: fs.proposals.Proposal) -> None:
    model = fs.importance(density, proposal)
    noise = 30.0 * np.random.default_rng(0).normal(size=(50, model.noise_dim))
    assert model(noise).shape == (50,)
    proposal.log_density(proposal.points(noise))


@pytest.mark.parametrize("proposal", thinned(PROPOSALS, 4), ids=lambda proposal: type(proposal).__name__)
def test_theory_of_proposals(proposal: fs.proposals.Proposal) -> None:
    assert "mean" in str(theory.predict(fs.importance(density, proposal), fs.SUMO()))


def test_laws() -> None:
    for law in LAWS:
        assert law.survival([1.0, 2.0, 1e3, 1e15])[0] == 1.0
        assert law.expected_terms() >= 1.0


@pytest.mark.parametrize("values", [LARGE, SMALL], ids=["large", "small"])
def test_tails(values: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tails.TailWarning)
        for function in ON_ARRAYS:
            function(np.abs(values) if function is tails.gpd_fit else values)


@pytest.mark.slow
def test_runs(tmp_path: Path) -> None:
    law = R.Harmonic(cap=50)
    result = fs.simulate(NOTE, fs.SUMO(law), 20_000)
    did: list[Callable[[], Any]] = [
        lambda: str(result),
        result.plot,
        result.to_dict,
        lambda: result.report(tmp_path / "a.html"),
        lambda: fs.compare(NOTE, [fs.IWAE(5), fs.SUMO(law)], cost=2e4),
        lambda: fs.levels(NOTE, 64, 500),
        lambda: fs.sumo(np.random.default_rng(0).normal(size=(20, 60)) * 1000.0, terms=40),
    ]
    for act in did:
        act()


@pytest.mark.slow
def test_tune() -> None:
    for proposal in PROPOSALS[:3]:
        assert fs.tune(fs.importance(density, proposal)).model.proposal is not None
