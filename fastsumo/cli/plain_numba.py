"""The plain peer: SUMO trials of the mixture problem of `fs.models.note`, as one first writes them with Numba.

``prange`` over trials, scalar ``math`` functions, ``np.random``. No SIMD on purpose, no code of fastsumo and none of
its compiler options. Blocks of trials are seeded one by one, so a run can be repeated.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEED_BLOCK = 1024  # trials for each seeding of the thread's Mersenne twister
SCALE = math.sqrt(5.0)  # the proposal is N(0, 5 I)
LOG_Q0 = -math.log(2 * math.pi * 5.0)  # its log density at 0
ALPHA, RATE = 80, 0.1  # the paper's law: P(K >= k) = 1/k to ALPHA, then a factor 1 - RATE each

Trials = tuple[NDArray[np.float64], NDArray[np.int64]]


def trials(n: int, cap: int | None, seed: int, threads: int) -> Trials:
    """Values and `K` of trials under the harmonic law, capped or not."""
    values, terms = np.empty(n), np.empty(n, np.int64)
    with _threads(threads):
        _kernels()[0](n, math.inf if cap is None else float(cap), seed, values, terms)
    return values, terms


def paper(n: int, seed: int, threads: int) -> Trials:
    """Values and `K` of trials under HarmonicGeometric(80, 0.1)."""
    values, terms = np.empty(n), np.empty(n, np.int64)
    with _threads(threads):
        _kernels()[1](n, seed, values, terms)
    return values, terms


def iwae(n: int, k: int, seed: int, threads: int) -> Trials:
    """Values of trials of IWAE(k), and ``k`` of each."""
    values = np.empty(n)
    with _threads(threads):
        _kernels()[2](n, k, seed, values)
    return values, np.full(n, k)


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        yield
    finally:
        numba.set_num_threads(before)


@cache
def _kernels() -> tuple[Any, Any, Any]:
    """Compiled loops over trials: harmonic law, the paper's law, IWAE."""
    import numba

    @numba.njit
    def log_weight() -> float:
        # Box-Muller by hand: a sixth faster here than two calls of np.random.normal.
        radius = math.sqrt(-2.0 * math.log(1.0 - np.random.random()))  # noqa: NPY002
        angle = 2.0 * math.pi * np.random.random()  # noqa: NPY002
        z0, z1 = radius * math.cos(angle), radius * math.sin(angle)
        x, y = SCALE * z0, SCALE * z1
        near = 0.5 * math.exp(-0.5 * ((x + 2.0) ** 2 + y * y))
        wide = 0.125 * math.exp(-0.125 * ((x - 2.0) ** 2 + y * y))
        return math.log(near + wide) + 0.5 * (z0 * z0 + z1 * z1) - LOG_Q0

    @numba.njit
    def logaddexp(a: float, b: float) -> float:
        return max(a, b) + math.log1p(math.exp(-abs(a - b)))

    alpha, decay = float(ALPHA), 1.0 - RATE
    log_decay = math.log(decay)

    @numba.njit(parallel=True)
    def run(n, cap, seed, values, terms):  # type: ignore[no-untyped-def]
        for block in numba.prange((n + SEED_BLOCK - 1) // SEED_BLOCK):
            np.random.seed((seed * 1_000_003 + block) % 2**32)  # noqa: NPY002
            for trial in range(block * SEED_BLOCK, min(n, (block + 1) * SEED_BLOCK)):
                k = int(min(1.0 / (1.0 - np.random.random()), cap))  # noqa: NPY002
                log_sum = log_weight()
                before = value = log_sum
                for j in range(1, k + 1):
                    log_sum = logaddexp(log_sum, log_weight())
                    after = log_sum - math.log(j + 1.0)
                    value += j * (after - before)
                    before = after
                values[trial] = value
                terms[trial] = k

    @numba.njit(parallel=True)
    def paper(n, seed, values, terms):  # type: ignore[no-untyped-def]
        for block in numba.prange((n + SEED_BLOCK - 1) // SEED_BLOCK):
            np.random.seed((seed * 1_000_003 + block) % 2**32)  # noqa: NPY002
            for trial in range(block * SEED_BLOCK, min(n, (block + 1) * SEED_BLOCK)):
                u = 1.0 - np.random.random()  # noqa: NPY002
                k = int(1.0 / u if alpha * u > 1.0 else alpha + math.log(alpha * u) / log_decay)
                weight = 1.0
                log_sum = log_weight()
                before = value = log_sum
                for j in range(1, k + 1):
                    log_sum = logaddexp(log_sum, log_weight())
                    after = log_sum - math.log(j + 1.0)
                    value += weight * (after - before)
                    weight = weight + 1.0 if j < alpha else weight / decay
                    before = after
                values[trial] = value
                terms[trial] = k

    @numba.njit(parallel=True)
    def iwae(n, k, seed, values):  # type: ignore[no-untyped-def]
        for block in numba.prange((n + SEED_BLOCK - 1) // SEED_BLOCK):
            np.random.seed((seed * 1_000_003 + block) % 2**32)  # noqa: NPY002
            for trial in range(block * SEED_BLOCK, min(n, (block + 1) * SEED_BLOCK)):
                log_sum = log_weight()
                for _ in range(1, k):
                    log_sum = logaddexp(log_sum, log_weight())
                values[trial] = log_sum - math.log(k)

    return run, paper, iwae
