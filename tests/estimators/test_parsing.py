"""Estimators and laws of `K` are read from words, and from what `repr` and `label` say of them."""

from __future__ import annotations

import pytest

import fastsumo as fs
from fastsumo.estimators.estimators import Estimator
from fastsumo.estimators.labels import label
from fastsumo.estimators.parsing import ESTIMATOR_WORDS, parse_estimator, parse_roulette

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
    assert parse_estimator(repr(estimator)) == estimator
    assert parse_estimator(label(estimator, "plain")) == estimator


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
    assert parse_estimator(f"sumo:minimum=2,roulette={label(law, 'plain')}") == fs.SUMO(law, minimum=2)


def test_every_estimator_has_a_name() -> None:
    public = [getattr(fs, name) for name in fs.__all__ if isinstance(getattr(fs, name), type)]
    assert {kind for kind in public if issubclass(kind, Estimator)} <= set(ESTIMATOR_WORDS.values())
