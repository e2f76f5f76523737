"""`optimal`: the law of `K` that trades variance against cost best, from measured or known increments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.estimators.roulette import Table
from fastsumo.models.model import Model
from fastsumo.runs.levels import Levels, levels
from fastsumo.theory import gamma_moments

_LARGEST_TABLE = 10_000_000
_PILOT_TERMS, _PILOT_SEQUENCES = 128, 20_000


@own_errstate
def optimal(source: Model | Levels, cap: int) -> Table:
    """The law that trades variance against cost best, among the laws of ``K <= cap``.

    ``P(K >= k)`` proportional to ``sqrt(E Delta_k^2 / cost)``, with the cost of one sample for each further
    term; where that would increase, neighbours share the mean of their squares: the slopes of the least
    concave majorant.

    Parameters
    ----------
    source : Model or Levels
        What `fs.levels` measured; or a model, whose increments are known for gamma weights and else
        measured on 20 000 sequences of up to 129 weights.
    cap : int
        Length of the table.

    Returns
    -------
    Table

    Notes
    -----
    Minimises ``(sum E Delta_k^2 / P_k) (sum P_k)`` up to a factor, which ``P(K >= 1) = 1`` settles: Rhee &
    Glynn (Operations Research, 2015), section 3; Beatson & Adams (ICML 2019) for training. For large ``k`` it
    is ``1 / k`` times a constant, whatever the model.

    Examples
    --------
    >>> import fastsumo as fs
    >>> law = optimal(fs.models.gamma(1.0), cap=1000)
    >>> law.survival([1, 2, 4, 1000]).round(4)
    array([1.    , 0.4865, 0.2404, 0.001 ])
    """
    last = checks.whole("cap", cap, 1, _LARGEST_TABLE)
    k = np.arange(1.0, last + 1.0)
    if isinstance(source, Levels):
        second = source.second_moment(k)
    elif isinstance(source, Model):
        moments = gamma_moments(source)
        if moments is not None:
            second = moments.var_increment(k) + moments.mean_increment(k) ** 2
        else:
            second = levels(source, min(last, _PILOT_TERMS), _PILOT_SEQUENCES).second_moment(k)
    else:
        raise TypeError(f"optimal needs a fastsumo Model or what fs.levels returned, got {source!r}")
    if not np.all(np.isfinite(second)) or np.any(second <= 0.0):
        raise ValueError("the second moments of the increments must be positive and finite")
    survival = np.sqrt(_falling(second))
    return Table(survival / survival[0])


def _falling(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest non-increasing sequence: what rises is replaced by its mean (pool adjacent violators)."""
    if np.all(values[1:] <= values[:-1]):
        return values
    means: list[float] = []
    counts: list[int] = []
    for value in values.tolist():
        mean, count = value, 1
        while means and means[-1] < mean:
            mean = (means[-1] * counts[-1] + mean * count) / (counts[-1] + count)
            count += counts[-1]
            means.pop()
            counts.pop()
        means.append(mean)
        counts.append(count)
    return np.repeat(means, counts)
