"""Drawing `K`: the largest k with ``u <= P(K >= k)``, from the roulette uniform of each trial."""

import numpy as np
from numba import int64, uint64

from fastsumo.kernels._jit import device, kernel
from fastsumo.kernels.philox import roulette_uniform
from fastsumo.vmath import exp, log


@device
def draw(law, key, first, terms):
    """`K` of the trials from number ``first`` on, into ``terms``."""
    if law.table.size:
        _draw_table(law.table, key, first, terms)
    elif law.power == 1.0 and law.head > 1e300:
        _draw_harmonic(law.cap, key, first, terms)
    else:
        _draw_formula(law, key, first, terms)


@device
def _draw_harmonic(cap, key, first, terms):
    """``P(K >= k) = 1 / k`` means ``K = floor(1 / u)``."""
    highest = float(cap)
    for t in range(terms.size):
        u = roulette_uniform(first + uint64(t), key)
        terms[t] = int64(min(1.0 / u, highest))


@device
def _draw_formula(law, key, first, terms):
    """The power head where ``u`` is above ``P(K >= head)``, else the geometric tail."""
    highest = float(law.cap)
    log_head = law.power * np.log(law.head) if law.head < 1e300 else 0.0
    for t in range(terms.size):
        log_u = log(roulette_uniform(first + uint64(t), key))
        k = 1.0
        if law.power > 0.0:
            k = exp(min(-log_u / law.power, 700.0))
            if law.power == 1.0:
                k = 1.0 / roulette_uniform(first + uint64(t), key)
        if law.head < 1e300 and log_u + log_head <= 0.0:
            k = law.head + np.floor((log_u + log_head) / law.log_decay)
        terms[t] = int64(max(min(k, highest), 1.0))


@device
def _draw_table(table, key, first, terms):
    """Bisection in a non-increasing table."""
    for t in range(terms.size):
        u = roulette_uniform(first + uint64(t), key)
        low, high = 0, table.size - 1
        while low < high:
            middle = (low + high + 1) // 2
            if u <= table[middle]:
                low = middle
            else:
                high = middle - 1
        terms[t] = low + 1


@kernel
def draw_terms(law, key, first, terms):
    """Entry point of `Roulette.sample`."""
    draw(law, key, first, terms)
