"""The models of a study: what is stored of each, and whether a model is still the one that was stored."""

from __future__ import annotations

from pathlib import Path

from fastsumo.errors import StudyError
from fastsumo.models.model import Model
from fastsumo.models.parsing import lasting, parse_model
from fastsumo.models.serialization import PYTHON, description, difference, recipe
from fastsumo.study.records import StoredModel


def stored(model: Model, origin: str | None, name: str | None = None) -> StoredModel:
    """What a study keeps of a model, but for its parameters: those are the cells'.

    Parameters
    ----------
    model : Model
    origin : str or None
        The word for it, ``file.py:name`` or ``module:name``, to look again later.
    name : str, optional
        By default the model's own.
    """
    kept = recipe(model)._replace(name=name or model.name, params=())
    return StoredModel(-1, kept, model.log_evidence, None if origin is None else lasting(origin), description(model))


def same(kept: StoredModel, now: StoredModel) -> bool:
    """Whether trials of both can be put together. Under another Python the code's text decides, as its hash differs."""
    if kept.log_evidence != now.log_evidence:
        return False
    if kept.recipe.source == now.recipe.source:
        return True
    return kept.recipe.python != now.recipe.python and kept.description == now.description


def changed(kept: StoredModel, now: StoredModel, cell: int) -> StudyError:
    """The error of a model that is not the one of a cell, with what differs and how to go on."""
    what = difference(kept.description, now.description)
    return StudyError(
        f"model {kept.recipe.name!r} is not the one that cell {cell} was run with: {what}; to start it anew, anew=True "
        "in study.add or study.run (--anew on the command line) drops the old trials; study.add(..., name=...) keeps "
        "both"
    )


def as_it_is_now(kept: StoredModel) -> StoredModel:
    """The model of the file or module that it came from, or as it is stored where that is not there any more.

    Raises
    ------
    StudyError
        If it is only stored, by another version of Python.
    """
    if kept.origin is not None:
        file, _, _ = kept.origin.rpartition(":")
        try:
            return stored(parse_model(kept.origin), kept.origin, kept.recipe.name)
        except ValueError:
            if file.endswith(".py") and Path(file).is_file():  # it is there, and wrong
                raise
    if kept.recipe.spec is None and kept.recipe.python != PYTHON:
        raise StudyError(
            f"model {kept.recipe.name!r} was stored by Python {kept.recipe.python} and cannot be run by {PYTHON}: "
            "add the same model again with study.add"
        )
    return kept
