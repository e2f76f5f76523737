"""A model as a key of a cache: two that are made alike are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastsumo.models.model import Model


class ByContent:
    """A model as a key: two that are made alike, such as ``fs.models.note()`` twice, are the same."""

    def __init__(self, model: Model) -> None:
        proposal = model.proposal
        packed = None if proposal is None else (type(proposal), proposal.packed().tobytes())
        self.model = model
        self._key = (
            model.function,
            model.noise,
            model.dim,
            model.params.tobytes(),
            None if model.row is None else model.row.tobytes(),
            None if model.data is None else id(model.data),
            packed,
            model.log_evidence,
        )

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByContent) and self._key == other._key
