"""A study's run that can be met at a known place, here or in a child: when a chunk is stored, of how many trials."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fastsumo as fs
from fastsumo.study.coordinator import Coordinator

PLACE = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [Path(fs.__file__).parents[1], Path(__file__).parent]))}


def after_each_store(act: Callable[[int], object], patch: pytest.MonkeyPatch | None = None) -> None:
    """Have ``act(n)`` called when trials of this process were written to the file for the n-th time."""
    transact, stored = Coordinator._transact, 0

    def watched(self: Coordinator, wanted: int) -> Any:
        nonlocal stored
        chunks = any(outcome.packed for outcome in self._finished)
        new = transact(self, wanted)
        if chunks:
            stored += 1
            act(stored)
        return new

    (patch.setattr if patch else setattr)(Coordinator, "_transact", watched)


def chunks_of(trials: int, patch: pytest.MonkeyPatch | None = None) -> None:
    """Have chunks of so many trials in this process, with ``chunk_seconds`` that are not reached."""
    (patch.setattr if patch else setattr)(Coordinator, "_fitting", lambda *_, **__: trials)
