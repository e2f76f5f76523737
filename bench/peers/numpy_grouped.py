"""A good NumPy: trials in order of K, a block of (nearly) equal K at a time, giant trials chunk by chunk.

Everything that NumPy offers and nothing compiled; one thread.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bench.peers.problem import LOG_Q0, SCALE, Outcome, draw_terms, paper_terms, paper_weights, similar_terms

CHUNK = 1 << 14  # samples at a time: the temporaries of one chunk stay in the second-level cache
SLACK = 0.05


def log_weights(z0: NDArray[np.float64], z1: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y = SCALE * z0, SCALE * z1
    square = y * y
    near = np.exp(-0.5 * ((x + 2.0) ** 2 + square))
    wide = np.exp(-0.125 * ((x - 2.0) ** 2 + square))
    return np.log(0.5 * near + 0.125 * wide) + (0.5 * (z0 * z0 + z1 * z1) - LOG_Q0)


def equal_terms(rng: np.random.Generator, terms: NDArray[np.int64], largest: int) -> NDArray[np.float64]:
    """Values of trials that are all padded to ``largest``; samples run down the rows."""
    count = len(terms)
    noise = rng.standard_normal((2, largest + 1, count))
    log_w = log_weights(noise[0], noise[1])
    top = log_w.max(axis=0)
    path = np.log(np.cumsum(np.exp(log_w - top), axis=0) / np.arange(1.0, largest + 2.0)[:, None])
    # By parts: L_1 + sum k (L_{k+1} - L_k) = L_1 + K L_{K+1} - (L_1 + ... + L_K); the shift counts once.
    if terms[0] == largest:
        return top + path[0] + largest * path[-1] - path[:-1].sum(axis=0)
    sums = np.cumsum(path, axis=0)
    columns = np.arange(count)
    return top + path[0] + terms * path[terms, columns] - sums[terms - 1, columns]


def giant(rng: np.random.Generator, terms: int) -> float:
    """One trial in chunks, carrying the scaled sum of weights and the sum of the L_k along."""
    top, total, first, last, sum_of_path = -math.inf, 0.0, math.nan, math.nan, 0.0
    for start in range(0, terms + 1, CHUNK):
        noise = rng.standard_normal((2, min(CHUNK, terms + 1 - start)))
        log_w = log_weights(noise[0], noise[1])
        new_top = max(top, float(log_w.max()))
        sums = total * math.exp(top - new_top) + np.cumsum(np.exp(log_w - new_top))
        path = np.log(sums / np.arange(start + 1.0, start + 1.0 + len(log_w))) + new_top
        if start == 0:
            first = float(path[0])
        top, total, last = new_top, float(sums[-1]), float(path[-1])
        sum_of_path += float(path.sum())
    return first + (terms + 1) * last - sum_of_path


def unavailable() -> str | None:
    return None


def warm_up(cap: int | None, threads: int) -> None:
    trials(100, cap, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    rng = np.random.default_rng(seed)
    terms = draw_terms(1.0 - rng.random(n), cap)
    values = np.empty(n)
    for group, largest in similar_terms(terms, CHUNK, SLACK):
        if largest >= CHUNK:
            values[group] = giant(rng, largest)
        else:
            values[group] = equal_terms(rng, terms[group], largest)
    return Outcome(values, terms, int(terms.sum()) + n)


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    rng = np.random.default_rng(seed)
    rows, values = max(1, CHUNK // k), np.empty(n)
    for start in range(0, n, rows):
        count = min(rows, n - start)
        noise = rng.standard_normal((2, k, count))
        log_w = log_weights(noise[0], noise[1])
        top = log_w.max(axis=0)
        values[start : start + count] = top + np.log(np.exp(log_w - top).sum(axis=0) / k)
    return Outcome(values, np.full(n, k), n * k)


def paper(n: int, seed: int, threads: int) -> Outcome:
    rng = np.random.default_rng(seed)
    terms = paper_terms(1.0 - rng.random(n))
    values, weights = np.empty(n), paper_weights(int(terms.max()))
    for group, largest in similar_terms(terms, CHUNK, SLACK):
        count = len(group)
        noise = rng.standard_normal((2, largest + 1, count))
        log_w = log_weights(noise[0], noise[1])
        top = log_w.max(axis=0)
        path = np.log(np.cumsum(np.exp(log_w - top), axis=0) / np.arange(1.0, largest + 2.0)[:, None])
        sums = np.cumsum(np.diff(path, axis=0) * weights[:largest, None], axis=0)
        values[group] = top + path[0] + sums[terms[group] - 1, np.arange(count)]
    return Outcome(values, terms, int(terms.sum()) + n)
