"""Increments of IWAE and its dyadic antithetic differences along one long sequence of log weights a trial.

For `runs/levels.py` and `runs/optimal.py`, which take their moments; no estimator is run. A running maximum keeps any
weights in range.
"""

import numpy as np

from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import device, kernel
from fastsumo.vmath import exp, log, log1p


def width_of(marks, n):
    """Numbers of a line for so many marks and the first ``n`` weights."""
    return marks + 1 + 3 * (n.bit_length() - 1)


@kernel
def fill_line(log_weights_at, n, marks_at, marks, line_at, width):
    """One line of numbers from the first ``n`` log weights of a trial; whether one is NaN or +inf.

    A line is ``L_{k+1} - L_k`` at the ``marks`` values of ``k``, ascending and below ``n``; ``L_1``; then
    for each level ``l >= 1`` with ``2^l <= n`` the antithetic difference ``D_l``, ``L`` of all ``2^l`` and
    half the difference of its halves; NaN for what is not finite.
    """
    return line_of(floats(log_weights_at, n), ints(marks_at, marks), floats(line_at, width))


@device
def line_of(log_weights, marks, line):
    """`fill_line` of arrays."""
    top = -np.inf
    before, half = 0.0, 0.0  # sums up to the last power of two and since, over exp(top)
    mark, level, power = 0, 0, 1
    for i in range(log_weights.size):
        x = log_weights[i]
        if not x < np.inf:
            return True
        k = i + 1.0
        if x > top:
            scale = exp(top - x)
            before, half, top = before * scale, half * scale, x
        weight = exp(x - top) if x > -np.inf else 0.0
        total = before + half
        if mark < marks.size and marks[mark] == i:
            line[mark] = log1p((weight * i - total) / (k * total)) if total > 0.0 else np.nan
            mark += 1
        half += weight
        if i + 1 == power:
            place = marks.size + 1 + 3 * (level - 1)
            if level == 0:
                line[marks.size] = top if half > 0.0 else np.nan
            else:
                _fill_level(line[place : place + 3], before, half, 0.5 * power, top)
            before, half, level, power = before + half, 0.0, level + 1, 2 * power
    return False


@device
def _fill_level(place, left, right, n, top):
    """``D = log((A + B) / 2) - (log A + log B) / 2 = -log(1 - r^2) / 2`` with ``r = (B - A) / (A + B)``."""
    place[:] = np.nan
    if left > 0.0 and right > 0.0:
        r = (right - left) / (right + left)
        place[0] = -0.5 * log1p(-r * r)
        place[1] = log((left + right) / (2.0 * n)) + top
        place[2] = 0.5 * (log(left) - log(right))
