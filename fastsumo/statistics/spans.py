"""Spans of trial numbers, (first, last + 1): put together, and one trial taken out."""

from __future__ import annotations

Spans = list[tuple[int, int]]


def joined(spans: Spans) -> Spans:
    """Disjoint spans (first, last + 1), sorted, neighbours made one; that two have a trial in common is an error."""
    out: Spans = []
    for low, high in sorted(spans):
        if out and out[-1][1] > low:
            raise AssertionError(f"trial {low} was run twice")
        if out and out[-1][1] == low:
            out[-1] = (out[-1][0], high)
        else:
            out.append((low, high))
    return out


def without(spans: Spans, trial: int) -> Spans:
    """The spans with one trial taken out."""
    cut = [part for low, high in spans for part in ((low, min(high, trial)), (max(low, trial + 1), high))]
    return joined([span for span in cut if span[0] < span[1]])
