"""A model as a key of a cache: two that are made alike are the same."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from fastsumo.jit.fingerprint import fingerprint
from fastsumo.models.proof import Proof

if TYPE_CHECKING:
    from fastsumo.models.model import Model


class ByContent:
    """A model as a key: two that are made alike, such as ``fs.models.note()`` twice, are the same.

    What its function reaches is in the key as it is now; a function that cannot be told by content is like no other.
    """

    def __init__(self, model: Model) -> None:
        proposal = model.proposal
        packed = None if proposal is None else (type(proposal), proposal.packed().tobytes())
        self.model = model
        self._key = (
            model.function if model.vectorized else fingerprint(model.function) or object(),
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


def look_at(model: Model) -> None:
    """The part of a model's proof that compiles nothing (`models/proof.py`); once for each of the last 32."""
    _looked_at(ByContent(model))


@lru_cache(maxsize=32)
def _looked_at(key: ByContent) -> None:
    Proof(key.model).look()
