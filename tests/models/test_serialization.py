"""Models as they are stored, and made again."""

from __future__ import annotations

import copy
import ctypes

import numba
import pytest
from complaints import fails

import fastsumo as fs
from fastsumo.jit.pickling import dumps_by_value
from fastsumo.models.model import source_hash
from fastsumo.models.parsing import built_in, parse_model
from fastsumo.models.serialization import difference, made, origin_of, recipe


@fs.model(dim=1, params=[4.5])
def local(z, params):  # type: ignore[no-untyped-def]
    """A model that only this file has."""
    return z[0] if z[0] < params[0] else params[0]


mine = fs.importance(lambda x, params: -x[0] * x[0], fs.proposals.Gaussian([0.0, 0.0], 5.0))
table = fs.Model(lambda z, row, params: z[0] - row[0], 1, data=[[0.0], [1.0]])


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


GIVEN = {"note": [()], "gamma": [(0.5,), (1234.5,), (4095,)], "funnel": [(2,), (4095,), (3, "student")]}
SIGMAS = [(0.1234567891,), (1e-100,), (1e100,)]


def test_what_is_built_in_is_made_by_its_word() -> None:
    for name, maker in built_in().items():
        for given in GIVEN.get(name, SIGMAS):
            model = maker(*given)
            if "student" in given:
                assert origin_of(model) is None
                continue
            again = parse_model(origin_of(model) or "")
            assert (source_hash(again), again.params.size) == (source_hash(model), model.params.size)
            assert origin_of(model.with_params(model.params * 0.9)) == origin_of(model)


def test_what_was_made_of_a_known_model_is_not_taken_for_it() -> None:
    """A word, of a file or a built-in model, is of one proposal; with another the model is sent by value."""
    wide = fs.proposals.Gaussian([0.0, 0.0], 6.0)
    other = fs.models.note().with_proposal(wide)
    assert origin_of(other) is None
    assert recipe(other).spec is None
    assert made(recipe(other)).proposal.parameters["covariance"] == 6.0
    assert str(origin_of(mine)).endswith("test_serialization.py:mine")
    assert origin_of(mine.with_proposal(wide)) is None
    assert str(origin_of(table)).endswith("test_serialization.py:table")
    assert origin_of(table.at_row(1)) is None


def test_a_model_that_an_older_version_wrote_down_is_made() -> None:
    older = copy.copy(local)
    del older.built_in
    again = made(recipe(local)._replace(capsule=dumps_by_value(older, [])))
    assert recipe(again).spec is None


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
