"""`taylor_law`: law of `K`, block and centre of `fs.Taylor` that have the least variance at an expected cost."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.estimators.estimators import MOST_OF_BLOCK, Taylor
from fastsumo.estimators.roulette import Geometric
from fastsumo.models.model import Model
from fastsumo.theory import best_series, chi_square, evidence_of

Ints = NDArray[np.int64]

_USUAL = 32.0  # times 1 + chi-square: a cost from which more would save some percent
_BLOCKS = 24  # sizes of a block that are tried before the best one is looked for among its neighbours


@own_errstate
def taylor_law(model: Model, cost: float | None = None) -> Taylor:
    """`fs.Taylor` with the geometric law, the block and the centre of least variance at an expected cost of a trial.

    Parameters
    ----------
    model : Model
        Without data.
    cost : float, optional
        Importance samples of a trial, ``block / p``, more than ``1 + chi_square``: below, no block and centre have a
        finite variance. Variance times cost falls to `chi_square`, which is that of `IWAE`, as the cost grows, so none
        is the best; by default ``32 (1 + chi_square)``, about a tenth above.

    Returns
    -------
    Taylor
        `fs.theory.predict` says what its variance is, and, as ``chi_square``, how the chi-square is known that all this
        rests on: declared, integrated, or from a pilot.

    Raises
    ------
    ValueError, TypeError
        If the cost is too small, the chi-square is infinite or not known, or the model is none, or has data.

    Notes
    -----
    For a block ``b`` and a cost ``C``, ``p = b / C``, and the variance is finite where ``E y^2 < 1 - p`` (see
    `fs.Taylor`); its least over the centre is found numerically, for whole ``b``. Laws that are not geometric save some
    percent more, where the cost is near its least also much more (``P(K >= k)`` in proportion to the root of what term
    ``k`` adds to the variance); they would have to end somewhere, and so be biased.

    Examples
    --------
    >>> import fastsumo as fs
    >>> best = taylor_law(fs.models.note(), cost=8)
    >>> best.block, best.roulette, round(fs.theory.predict(fs.models.note(), best).variance_times_cost.value, 3)
    (6, Geometric(p=0.75), 0.957)
    """
    if not isinstance(model, Model):
        raise TypeError(f"model must be a fastsumo Model, got {model!r}")
    if model.data is not None:
        raise ValueError(f"model {model.name!r} has data: every row has weights of its own; take one with at_row")
    known = chi_square(model)
    chi2 = float(known)
    if not math.isfinite(chi2):
        why = f"; {known.why}" if known.why else ""
        mend = "" if math.isinf(chi2) else "; declare it, chi_square=..., where you know it (fs.tune measures it)"
        raise ValueError(f"taylor_law needs a finite chi-square, and that of {model.name!r} is {known!r}{why}{mend}")
    least = 1.0 + chi2
    budget = _USUAL * least if cost is None else checks.real("cost", cost, 1.0)
    if not budget > least:
        raise ValueError(
            f"cost must be above {least:.6g}, which is 1 + chi_square of model {model.name!r}, or no variance is "
            f"finite; got {cost}"
        )
    evidence = evidence_of(model)
    if math.isnan(evidence):
        raise ValueError(f"the weights of a pilot of model {model.name!r} are all zero")
    if chi2 == 0.0:
        return Taylor(Geometric(max(1.0 / budget, 0.5)), 1, evidence)
    most = min(max(math.ceil(budget - chi2) - 1, 1), MOST_OF_BLOCK)

    def best(blocks: Ints) -> tuple[float, float, int]:
        return min((*best_series(chi2 / b, b / budget), b) for b in blocks.tolist())

    grid = np.unique(np.geomspace(1.0, most, _BLOCKS).astype(np.int64))
    at = int(np.searchsorted(grid, best(grid)[2]))
    while True:  # among the neighbours of the best so far, until all of them are whole numbers side by side
        low, high = int(grid[max(at - 1, 0)]), int(grid[min(at + 1, grid.size - 1)])
        grid = np.unique(np.linspace(low, high, 2 * _BLOCKS).astype(np.int64))
        _, distance, block = best(grid)
        if grid.size == high - low + 1:
            return Taylor(Geometric(block / budget), block, evidence + distance)
        at = int(np.searchsorted(grid, block))
