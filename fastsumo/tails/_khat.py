"""The Pareto k-hat of PSIS, and what it says of a sample's mean.

The generalised-Pareto fit itself is in ``_gpd.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.shown import Shown

from ._checks import MIN_POINTS, SIDES, Side, warn
from ._gpd import fit_sorted
from ._summary import Summary, as_summary


@dataclass(frozen=True)
class ParetoKhat(Shown):
    """The Pareto k-hat of a sample's tail and what follows from it (Vehtari et al., JMLR 25:72, 2024).

    Attributes
    ----------
    khat : float
        Generalised-Pareto shape of the tail; the tail index is ``1/khat``. The mean of `trials` values can be
        relied upon where it is below `threshold`.
    threshold : float
        ``min(1 - 1/log10(trials), 0.7)``.
    min_sample_size : float
        ``10**(1/(1 - max(0, khat)))``, the size from which the threshold would pass; infinite from a `khat`
        of 1.
    convergence_rate : float
        Rate at which the error falls, relative to ``1/sqrt(n)``: 1 as in the central limit theorem, 0 not at
        all.
    k : int
        Number of tail values fitted (on each side).
    trials : int
    reliable : bool
        Whether ``khat < threshold``.

    Examples
    --------
    >>> import numpy as np
    >>> from fastsumo import tails
    >>> found = tails.pareto_khat(np.random.default_rng(1).standard_t(2, 10_000))
    >>> found.trials, found.reliable, found.khat < found.threshold
    (10000, True, True)
    """

    khat: float
    threshold: float
    min_sample_size: float
    convergence_rate: float
    k: int
    trials: int
    reliable: bool


@own_errstate
def pareto_khat(
    sample: ArrayLike | Summary, *, tail: Side = "both", r_eff: float = 1.0, center: float = 0.0
) -> ParetoKhat:
    """Pareto k-hat of a sample, as PSIS computes it.

    Parameters
    ----------
    sample : array_like of shape (n,), or Summary
    tail : {"both", "right", "left"}
        Both is the larger k-hat of the two; of the one, with a `TailWarning`, where the other has none.
    r_eff : float
        Effective sample size per value: 1 for independent values.
    center : float
        For an array it changes nothing: excesses do not depend on it.

    Returns
    -------
    ParetoKhat
        From the ``3*sqrt(n/r_eff)`` largest values of each tail (a fifth of the sample up to 225), or as many
        as a summary has. NaN, with a `TailWarning`, for fewer than 20 values, and where no side has a k-hat: fewer
        than six values, or values that are all the same.

    Raises
    ------
    TypeError, ValueError
        If the sample is not finite real numbers, or an argument is not allowed.

    Examples
    --------
    >>> import numpy as np
    >>> pareto_khat(np.random.default_rng(1).standard_t(2, 10_000)).reliable
    True
    """
    checks.choice("tail", tail, SIDES)
    checks.real("r_eff", r_eff, 0.0)
    known = as_summary(sample, center)
    sides = ("left", "right") if tail == "both" else (tail,)
    fits = [_khat_of_side(known, side, r_eff, len(sides)) for side in sides]
    khat, k = max(fits, key=lambda fit: -math.inf if math.isnan(fit[0]) else fit[0])
    n = known.trials
    threshold = khat_threshold(n)
    return ParetoKhat(khat, threshold, min_sample_size(khat), convergence_rate(khat, n), k, n, bool(khat < threshold))


@own_errstate
def khat_threshold(trials: int) -> float:
    """Largest k-hat at which the mean of so many trials is reliable: ``min(1 - 1/log10(trials), 0.7)``.

    Vehtari et al. 2024, equation 13.

    Parameters
    ----------
    trials : int

    Returns
    -------
    float

    Examples
    --------
    >>> khat_threshold(100), khat_threshold(10**6)
    (0.5, 0.7)
    """
    return min(1.0 - 1.0 / math.log10(trials), 0.7) if trials > 1 else -math.inf


@own_errstate
def min_sample_size(khat: float) -> float:
    """Sample size from which a mean with this k-hat is reliable: ``10**(1/(1 - max(0, khat)))``.

    Vehtari et al. 2024, section 3.2.4. Infinite from a k-hat of 1, and where the number would overflow.

    Parameters
    ----------
    khat : float

    Returns
    -------
    float

    Examples
    --------
    >>> min_sample_size(0.5)
    100.0
    """
    if math.isnan(khat):
        return math.nan
    room = 1.0 - max(0.0, khat)
    return 10.0 ** (1.0 / room) if room > 1.0 / 300.0 else math.inf


@own_errstate
def convergence_rate(khat: float, trials: int) -> float:
    """Rate at which the error of a mean falls with the sample size, relative to ``1/sqrt(n)``.

    Vehtari et al. 2024, appendix B: with ``s = n**(2*khat)``,
    ``(2*(khat - 1)*n*s + (1 - 2*khat)*s + n**2) / ((n - 1)*(n - s))``, and ``1 - 1/log(n)`` at a half.

    Parameters
    ----------
    khat : float
    trials : int

    Returns
    -------
    float
        NaN below 3 trials.

    Examples
    --------
    >>> convergence_rate(0.0, 1000), convergence_rate(1.5, 1000)
    (1.0, 0.0)
    """
    if math.isnan(khat) or trials < 3:
        return math.nan
    if khat <= 0.0 or khat >= 1.0:
        return 1.0 if khat <= 0.0 else 0.0
    if abs(khat - 0.5) < 1e-7:
        return 1.0 - 1.0 / math.log(trials)
    n, s = float(trials), float(trials) ** (2.0 * khat)
    rate = (2.0 * (khat - 1.0) * n * s + (1.0 - 2.0 * khat) * s + n * n) / ((n - 1.0) * (n - s))
    return min(max(rate, 0.0), 1.0)


@own_errstate
def psis_tail_length(trials: int, r_eff: float = 1.0) -> int:
    """Number of tail values that PSIS fits: ``3*sqrt(n/r_eff)``; a fifth of a sample of at most 225.

    Parameters
    ----------
    trials : int
    r_eff : float
        Effective sample size per value.

    Returns
    -------
    int

    Examples
    --------
    >>> psis_tail_length(10_000), psis_tail_length(100)
    (300, 20)
    """
    if trials * r_eff > 225:
        return int(3.0 * math.sqrt(trials / r_eff))
    return trials // 5


def _khat_of_side(known: Summary, side: str, r_eff: float, sides: int) -> tuple[float, int]:
    ordered = known.deviations(side)
    k = psis_tail_length(known.trials, r_eff)
    if sides == 2:
        k = min(k, known.trials // 2)
    k = min(k, len(ordered) - 1)
    if known.trials < MIN_POINTS or k < 5:
        warn(f"no k-hat: {known.trials} trials, {len(ordered)} known values on the {side}")
        return math.nan, max(k, 0)
    excesses = ordered[:k][::-1] - ordered[k]
    if excesses[-1] == 0.0:
        warn(f"no k-hat on the {side}: the {k + 1} furthest values are all the same")
        return math.nan, k
    return fit_sorted(excesses, "zhang-stephens", 0.95).shape, k
