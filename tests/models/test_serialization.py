"""Models and estimators as they are stored, and made again."""

from __future__ import annotations

import pytest

import fastsumo as fs
from fastsumo.models.serialization import difference, estimator_from_json, estimator_to_json, made, recipe


@fs.model(dim=1, params=[4.5])
def local(z, params):  # type: ignore[no-untyped-def]
    """A model that only this file has."""
    return z[0] if z[0] < params[0] else params[0]


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


def test_recipes_are_compared_with_what_they_make() -> None:
    kept = recipe(local)
    assert kept.capsule is not None
    with pytest.raises(fs.ModelError, match="not the same here"):
        made(kept._replace(source="other"))
    with pytest.raises(fs.ModelError, match="cannot be made here"):
        made(kept._replace(capsule=b"nothing"))
    assert recipe(fs.models.gamma(2.5)).spec == "gamma(2.5)"
    assert recipe(fs.models.lognormal(0.1234567891)).spec is not None
    assert made(recipe(fs.models.lognormal(0.1234567891))).params == [0.1234567891]
    assert difference("a", "a\nb") == "`b` is new"
    assert difference("a\nb", "a") == "`b` is gone"
