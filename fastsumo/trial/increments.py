"""Increments of IWAE and its dyadic antithetic differences along one long sequence of log weights a trial.

For `runs/levels.py` and `runs/optimal.py`, which take their moments; no estimator is run. The largest log weights
stand beside the sums, so that weights of any spread are in range.
"""

import numpy as np

from fastsumo.jit.memory import floats, ints
from fastsumo.jit.options import device, kernel
from fastsumo.vmath import exp, log, log1p

_FAR = 600.0  # from one log weight to another, so that the smaller adds nothing
_LOG_2 = 0.6931471805599453


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
    top, half_top = -np.inf, -np.inf  # largest log weights up to the last power of two and since
    before, half = 0.0, 0.0  # sums likewise, each over exp of its largest
    mark, level, power = 0, 0, 1
    for i in range(log_weights.size):
        x = log_weights[i]
        if not x < np.inf:
            return True
        if mark < marks.size and marks[mark] == i:
            line[mark] = _increment(x, top, before, half_top, half, float(i))
            mark += 1
        if x > half_top:
            half, half_top = half * exp(half_top - x) + 1.0, x
        elif x > -np.inf:
            half += exp(x - half_top)
        if i + 1 == power:
            place = marks.size + 1 + 3 * (level - 1)
            if level == 0:
                line[marks.size] = half_top if half > 0.0 else np.nan
            else:
                _fill_level(line[place : place + 3], top, before, half_top, half, 0.5 * power)
            if half_top > top:
                before, top = before * exp(top - half_top) + half, half_top
            elif half > 0.0:
                before += half * exp(half_top - top)
            half, half_top, level, power = 0.0, -np.inf, level + 1, 2 * power
    return False


@device
def _increment(x, top, before, half_top, half, k):
    """``L_{k+1} - L_k``, where a weight as large as ``exp(x)`` follows ``k`` that add up to two sums."""
    most = max(top, half_top)
    if most == -np.inf:
        return np.nan
    total = _over(before, top, most) + _over(half, half_top, most)
    if x - most > _FAR:
        return (x - most) - log(total) + log1p(-1.0 / (k + 1.0))
    weight = exp(x - most) if x > -np.inf else 0.0
    return log1p((weight * k - total) / ((k + 1.0) * total))


@device
def _over(total, top, most):
    """A sum over ``exp(top)`` as one over ``exp(most)``."""
    if top == most or total == 0.0:
        return total
    return total * exp(top - most)


@device
def _fill_level(place, left_top, left, right_top, right, n):
    """``D = log((A + B) / 2) - (log A + log B) / 2``, the log of the hyperbolic cosine of half of ``log(B / A)``."""
    place[:] = np.nan
    if left > 0.0 and right > 0.0:
        top = max(left_top, right_top)
        a, b = _over(left, left_top, top), _over(right, right_top, top)
        gap = (left_top - right_top) + (log(left) - log(right))
        r = (b - a) / (b + a)
        far = 0.5 * abs(gap) + log1p(exp(-abs(gap))) - _LOG_2
        place[0] = -0.5 * log1p(-r * r) if abs(gap) < 2.0 else far
        place[1] = log((a + b) / (2.0 * n)) + top
        place[2] = 0.5 * gap
