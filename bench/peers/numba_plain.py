"""Plain Numba, as one writes it first: ``prange`` over trials, scalar ``math`` functions, ``np.random``.

No SIMD on purpose, and no code of fastsumo. Blocks of trials are seeded one by one, so a run can be repeated.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from bench.peers.problem import LOG_Q0, SCALE, Outcome

SEED_BLOCK = 1024  # trials for each seeding of the thread's Mersenne twister


@cache
def _kernel() -> Any:
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

    return run


def unavailable() -> str | None:
    try:
        import numba  # noqa: F401
    except ImportError as error:
        return f"no numba: {error}"
    return None


def warm_up(cap: int | None, threads: int) -> None:
    trials(10, 10, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    import numba

    values, terms = np.empty(n), np.empty(n, np.int64)
    before = numba.get_num_threads()
    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
    try:
        _kernel()(n, math.inf if cap is None else float(cap), seed, values, terms)
    finally:
        numba.set_num_threads(before)
    return Outcome(values, terms, int(terms.sum()) + n)
