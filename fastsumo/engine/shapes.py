"""What engines compile into a model's weights, beside its function: all of a model but its numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastsumo.models.model import Model


class Shape(NamedTuple):
    """Sizes and choices that are constants in compiled weights."""

    noise: str
    transform: str
    dim: int
    noise_dim: int
    params: int
    numbers: int
    columns: int


def shape_of(model: Model) -> Shape:
    """The shape of a model."""
    return Shape(
        model.noise,
        "" if model.proposal is None else model.proposal.transform,
        model.dim,
        model.noise_dim,
        model.params.size,
        model.packed().size,
        model.columns,
    )


def numbers_of(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """The numbers that compiled weights read, and the row of data of a model made by `Model.at_row`; never empty."""
    numbers = np.ascontiguousarray(model.packed(), dtype=np.float64)
    row = np.zeros(1) if model.row is None else np.ascontiguousarray(model.row)
    return (numbers if numbers.size else np.zeros(1)), row
