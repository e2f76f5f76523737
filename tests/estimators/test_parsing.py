"""Words for estimators and laws of `K`."""

from __future__ import annotations

import pytest

import fastsumo as fs
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.labels import label
from fastsumo.estimators.parsing import ESTIMATOR_WORDS, LAW_WORDS, parse_estimator, parse_roulette
from fastsumo.estimators.roulette import Roulette

ESTIMATORS = [
    fs.ELBO(),
    fs.IWAE(7),
    fs.SUMO(),
    fs.SUMO(fs.roulette.Harmonic(cap=80), minimum=3),
    fs.SUMO(fs.roulette.HarmonicGeometric(alpha=5, rate=0.25), start=0),
    fs.SUMO(fs.roulette.PowerLaw(1.5)),
    fs.SUMO(fs.roulette.Geometric(0.1, cap=9)),
    fs.SUMO(fs.roulette.Table([1.0, 0.3, 0.1])),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_estimators_are_read_from_their_repr(estimator: fs.SUMO) -> None:
    for text in (repr(estimator), label(estimator)):
        assert parse_estimator(text) == estimator


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("harmonic", fs.roulette.Harmonic()),
        ("Harmonic(cap=10k)", fs.roulette.Harmonic(cap=10_000)),
        ("harmonic_geometric:80,0.1", fs.roulette.HarmonicGeometric(80, 0.1)),
        ("harmonic-geometric:alpha=80,rate=0.1", fs.roulette.HarmonicGeometric(80, 0.1)),
        ("power-law:s=1.5", fs.roulette.PowerLaw(1.5)),
        ("geometric:p=0.1", fs.roulette.Geometric(0.1)),
        ("table:1,0.5,0.25", fs.roulette.Table([1, 0.5, 0.25])),
    ],
)
def test_laws_are_read(text: str, law: fs.roulette.Roulette) -> None:
    assert parse_roulette(text) == law
    assert parse_estimator(f"sumo:minimum=2,roulette={label(law)}") == fs.SUMO(law, minimum=2)


def test_every_estimator_has_a_name() -> None:
    public = [getattr(fs, name) for name in fs.__all__ if isinstance(getattr(fs, name), type)]
    assert {kind for kind in public if issubclass(kind, Estimator)} == set(ESTIMATOR_WORDS.values())


def test_every_law_has_a_name() -> None:
    public = [value for value in vars(fs.roulette).values() if isinstance(value, type)]
    assert {kind for kind in public if issubclass(kind, Roulette)} - {Roulette} == set(LAW_WORDS.values())
