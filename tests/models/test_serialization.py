"""Models as they are stored, and made again."""

from __future__ import annotations

import ctypes

import numba
import pytest
from complaints import fails

import fastsumo as fs
from fastsumo.models.serialization import difference, made, recipe


@fs.model(dim=1, params=[4.5])
def local(z, params):  # type: ignore[no-untyped-def]
    """A model that only this file has."""
    return z[0] if z[0] < params[0] else params[0]


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


def test_a_model_that_changed_after_it_was_made_is_not_the_same() -> None:
    """A helper is made again as the very object that it was, where that is still there."""
    offset = 1.0

    @numba.njit
    def helper(x):  # type: ignore[no-untyped-def]
        return x + offset

    kept = recipe(fs.Model(lambda z, params: helper(z[0]), 1))
    assert made(kept)([0.0]) == 1.0
    offset = 25.0
    with pytest.raises(fs.ModelError, match="not the same here"):
        made(kept)


def test_what_cannot_be_told_from_another_is_not_written_down() -> None:
    labs = ctypes.CDLL(None).labs
    fails(
        lambda: recipe(fs.Model(lambda z, params: float(labs(3)), 1)), TypeError, r"whether 'labs' \(_FuncPtr\) is the"
    )
