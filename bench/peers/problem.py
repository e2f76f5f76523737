"""What the Python peers share: the note's problem, the law of K, and the groups that are vectorised together.

No peer lives here, and nothing of fastsumo: a peer must not borrow from what it is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SCALE = math.sqrt(5.0)  # the proposal is N(0, 5 I)
LOG_Q0 = -math.log(2 * math.pi * 5.0)  # its log density at 0
LOG_EVIDENCE = math.log(2 * math.pi)


@dataclass(frozen=True)
class Outcome:
    """Trials of one run: ``values`` and ``terms`` by trial, and the importance samples that they used.

    ``batch`` consecutive trials share one K (the note's script), so that only batches are independent.
    """

    values: NDArray[np.float64]
    terms: NDArray[np.int64]
    samples: int
    batch: int = 1


def draw_terms(uniforms: NDArray[np.float64], cap: int | None) -> NDArray[np.int64]:
    """``min(floor(1/u), cap)``, which has ``P(K >= k) = 1/k`` up to the cap."""
    terms = np.floor(1.0 / uniforms)
    return (terms if cap is None else np.minimum(terms, cap)).astype(np.int64)


PAPER_ALPHA, PAPER_RATE = 80, 0.1  # P(K >= k) = 1/k to 80, then (1/80) 0.9^(k - 80)


def paper_terms(uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
    """`K` under the paper's law, by inversion."""
    tail = PAPER_ALPHA + np.floor(np.log(PAPER_ALPHA * uniforms) / math.log1p(-PAPER_RATE))
    return np.where(uniforms * PAPER_ALPHA > 1.0, np.floor(1.0 / uniforms), tail).astype(np.int64)


def paper_weights(largest: int) -> NDArray[np.float64]:
    """``1 / P(K >= k)`` for ``k = 1 .. largest``."""
    k = np.arange(1.0, largest + 1.0)
    tail = PAPER_ALPHA * (1.0 - PAPER_RATE) ** -np.maximum(k - PAPER_ALPHA, 0.0)
    return np.where(k < PAPER_ALPHA, k, tail)


def similar_terms(
    terms: NDArray[np.int64], samples: int, slack: float = 0.0
) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Trials in groups of (nearly) equal K, with their largest K: ``samples`` samples at most, or one trial.

    ``slack`` is the part of a group's samples that may be wasted on trials with a smaller K than its largest.
    """
    order = np.argsort(terms, kind="stable")
    ordered = terms[order]
    start = 0
    while start < len(ordered):
        smallest = int(ordered[start])
        largest = smallest + int(slack * smallest)
        end = int(np.searchsorted(ordered, largest, side="right"))
        end = min(end, start + max(1, samples // (largest + 1)))
        yield order[start:end], int(ordered[end - 1])
        start = end
