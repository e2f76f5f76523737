"""Drawing `K`: the largest k with ``u <= P(K >= k)``, from the roulette uniform of each trial; and what it costs."""

import math

import numpy as np
from numba import int64, uint64

from fastsumo.estimators import JACKKNIFE, LAST, LEVELS
from fastsumo.kernels._jit import device, inlined, kernel
from fastsumo.kernels.memory import floats, ints
from fastsumo.kernels.philox import roulette_uniform
from fastsumo.vmath import exp, log

_FINITE = 1e300


@device
def draw(job, first, terms_at, n):
    """`K` of the ``n`` trials from number ``first`` on, to ``terms_at``."""
    terms, highest = ints(terms_at, n), float(job.cap)
    log_head = job.power * math.log(job.head) if job.head < _FINITE else np.inf
    if job.kind == LAST or job.kind == JACKKNIFE:
        for t in range(n):
            terms[t] = job.cap
    elif job.table_size:
        table = floats(job.table_at, job.table_size)
        for t in range(n):
            terms[t] = _from_table(table, roulette_uniform(first + uint64(t), job.key))
    elif job.power == 1.0:  # P(K >= k) = 1 / k means K = floor(1 / u); beyond the head, logs for the few
        for t in range(n):
            terms[t] = int64(min(1.0 / roulette_uniform(first + uint64(t), job.key), highest))
        head = int64(min(job.head, highest))
        for t in range(n if job.head < _FINITE else 0):
            if terms[t] >= head:
                terms[t] = _from_formula(job, log_head, roulette_uniform(first + uint64(t), job.key))
    else:
        for t in range(n):
            terms[t] = _from_formula(job, log_head, roulette_uniform(first + uint64(t), job.key))


@inlined
def _from_formula(job, log_head, u):
    """The power head where ``u`` is above ``P(K >= head)``, else the geometric tail."""
    log_u = log(u)
    head = 1.0 / u if job.power == 1.0 else exp(min(-log_u / max(job.power, 1e-300), 700.0))
    tail = job.head + np.floor((log_u + log_head) / job.log_decay)
    k = tail if log_u + log_head <= 0.0 else head
    return int64(max(min(k, float(job.cap)), 1.0))


@device
def _from_table(table, u):
    """Bisection in a non-increasing table."""
    low, high = 0, table.size - 1
    while low < high:
        middle = (low + high + 1) // 2
        if u <= table[middle]:
            low = middle
        else:
            high = middle - 1
    return low + 1


@inlined
def samples_of(job, terms):
    """Importance samples of a trial of `K` terms."""
    if job.kind == LEVELS:
        return job.base + (job.base << terms) if job.first else job.base << (terms - 1)
    return job.minimum + terms


@kernel
def draw_terms(job, first, terms_at, n):
    """Entry point of `Roulette.sample`."""
    draw(job, first, terms_at, n)
