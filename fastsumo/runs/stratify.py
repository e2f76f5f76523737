"""`stratify`: trials by strata of `K`, so that every decade of the tail costs about the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastsumo.base import checks
from fastsumo.base.floats import own_errstate
from fastsumo.base.words import spelled
from fastsumo.engine.devices import check_device, open_engine
from fastsumo.engine.interface import Look
from fastsumo.estimators.estimators import Estimator, Stratum
from fastsumo.estimators.labels import label
from fastsumo.models.model import Model
from fastsumo.report.progress import Progress, make_progress
from fastsumo.runs.arguments import check_run, settled, thread_count, what_to_run
from fastsumo.runs.provenance import Provenance
from fastsumo.runs.result import Result
from fastsumo.runs.strata import FEWEST, allocated, parted, pilot_trials
from fastsumo.runs.stratified import Stratified, trimmed
from fastsumo.statistics.exact import to_float

ALLOCATIONS = ("tail", "mean", "variance")
_TRIALS = 2**48  # numbers of trials that a stratum has to itself: the upper half is the pilot's
_PILOT = _TRIALS // 2


@own_errstate
@spelled
def stratify(
    model: Model | str,
    estimator: Estimator | str,
    cost: float = 1e9,
    *,
    seed: int = 0,
    strata: Iterable[int] | None = None,
    largest_terms: int | None = None,
    allocation: str | ArrayLike = "tail",
    threads: int | None = None,
    device: str | None = None,
    progress: bool | Progress | None = None,
) -> Stratified:
    """Run an estimator by strata of `K`: tails far beyond what as many plain trials could show.

    In each stratum `K` is drawn from its law given the stratum, and increments are weighted as always; any mean over
    trials is the mean over strata, each times its probability, which is known.

    Parameters
    ----------
    model : Model
    estimator : SUMO, SingleTerm, MLMC or Taylor
    cost : float
        Importance samples to use, those of a pilot among them. Each stratum has 16 trials at least, so that large ones
        may cost more.
    seed : int
    strata : sequence of int, optional
        The smallest `K` of each stratum, ascending from 1. By default each `K` up to 16 is one, and then a quarter of
        an octave, or less where the survival function falls to its half before; each level of `MLMC`.
    largest_terms : int, optional
        The largest `K` of all strata. By default the cap of the law, where the cost allows it, or as far as each
        stratum can have some 200 trials. What lies beyond is ``missing``, and known to be.
    allocation : {"tail", "mean", "variance"} or sequence of int
        "tail" gives strata equal numbers of trials, as far as the mean does not become worse than that of plain trials
        at the same cost; "mean" and "variance" have the least error of these at the given cost (Neyman's allocation,
        from a pilot of separate trials). Or the number of trials of each stratum.
    threads, device
        As in `simulate`.
    progress : bool or Progress, optional
        As in `simulate`; what is done is counted in importance samples.

    Returns
    -------
    Stratified
        After Ctrl-C, the strata done so far, marked ``interrupted``.

    Raises
    ------
    fastsumo.ModelError
        As in `simulate`.
    ValueError, TypeError
        If an argument is not as above.

    Notes
    -----
    Stratified sampling of the number of terms: Vihola, Operations Research (2018).

    Examples
    --------
    >>> import fastsumo as fs
    >>> s = fs.stratify(fs.models.note(), fs.SUMO(), cost=1e6, seed=1)
    >>> s.strata["low"][:3], bool(s.missing < 1e-2)
    (array([1, 2, 3]), True)
    """
    model, estimator = what_to_run(model, estimator)
    check_run(1, seed)
    check_device("cpu" if device is None else device)
    estimator = settled(model, estimator)
    budget = checks.real("cost", cost, 1.0, closed="low")
    parts = parted(estimator, budget, strata, largest_terms)
    p = np.array([part.probability for part in parts])
    costs = np.array([part.expected_cost() for part in parts])
    given = _given(allocation, len(parts))
    if given is None and 2 * FEWEST * costs.sum() > budget:
        raise ValueError(
            f"strata up to K = {parts[-1].high} with {2 * FEWEST} trials each cost "
            f"{2 * FEWEST * costs.sum():.3g} samples, more than cost={budget:g}; raise it, or lower largest_terms"
        )
    run = _Run(model, estimator, int(seed), thread_count(threads, model), device)
    title = f"{model.name} · strata of {label(estimator)}"
    if given is None:
        pilot = pilot_trials(costs, budget)
        with make_progress(progress, round(pilot * costs.sum()), f"{title}, pilot", "samples") as bar:
            first = [run(part, pilot, j * _TRIALS + _PILOT, bar) for j, part in enumerate(parts)]
        if run.interrupted:
            raise KeyboardInterrupt
        seen = np.array([_moments(result) for result in first])
        given = allocated(str(allocation), budget, run.cost, p, costs, seen)
    spent, run.expected, done = run.cost, 0.0, list[Result]()
    with make_progress(progress, round(given @ costs), title, "samples") as bar:
        for j, (part, count) in enumerate(zip(parts, given.tolist(), strict=True)):
            try:
                if count and not run.interrupted:
                    done.append(run(part, count, j * _TRIALS, bar))
            except KeyboardInterrupt:
                run.interrupted = True
    if not done:
        raise KeyboardInterrupt
    return Stratified(estimator, tuple(trimmed(result) for result in done), done[0].center, spent, run.interrupted)


class _Run:
    """Runs strata one after the other, around one centre."""

    def __init__(self, model: Model, estimator: Estimator, seed: int, threads: int, device: str | None) -> None:
        self.model, self.seed, self.threads = model, seed, threads
        self.made = Provenance.of(model, estimator)
        self.device = "cpu" if device is None else device
        self.center: float | None = None
        self.interrupted = False
        self.cost, self.expected = 0, 0.0  # samples; what strata should take by now

    def __call__(self, stratum: Stratum, trials: int, first: int, bar: Progress) -> Result:
        engine = open_engine(
            self.model, stratum, self.seed, threads=self.threads, center=self.center, device=self.device
        )
        self.center = engine.center
        watcher = _Samples(bar, stratum.expected_cost(), self.expected)
        statistics, spans, interrupted = engine.tally(first, trials, watcher)
        made = replace(self.made, estimator=stratum), statistics, {self.seed: spans}, engine.center
        result = Result(*made, engine.elapsed, self.threads, interrupted, self.model)
        self.interrupted |= interrupted
        self.cost, self.expected = self.cost + result.cost, self.expected + trials * stratum.expected_cost()
        return result


class _Samples:
    """Tells a bar of samples how many a stratum has taken, at so many a trial, after those before it.

    Numbers of one stratum say nothing of the whole, so there is nothing to look at.
    """

    def __init__(self, bar: Progress, of_trial: float, before: float) -> None:
        self._bar, self._of_trial, self._before = bar, of_trial, before

    def stage(self, name: str) -> None:
        self._bar.stage(name)

    def update(self, done: int, look: Look) -> None:
        self._bar.update(round(self._before + done * self._of_trial), lambda: None)


def _given(allocation: object, n: int) -> NDArray[np.int64] | None:
    """Numbers of trials that a caller gave, or None."""
    if isinstance(allocation, str):
        checks.choice("allocation", allocation, ALLOCATIONS)
        return None
    listed = checks.array("allocation", allocation).reshape(-1).tolist()
    numbers = np.array([checks.whole("allocation", each, 0, _PILOT) for each in listed])
    if numbers.size != n or not numbers.any():
        raise ValueError(f"allocation has {numbers.size} numbers of trials for {n} strata, of which one must have some")
    return numbers.astype(np.int64)


def _moments(result: Result) -> tuple[float, float, float]:
    """Mean, spread, and spread of the squared deviation from the mean, of a pilot; zero where there is none."""
    if result.statistics.finite < 2 or result.statistics.overflowed:
        return result.center, 0.0, 0.0
    offset, m2, _, m4 = (to_float(moment) for moment in result.statistics.central_moments())
    return result.center + offset, max(m2, 0.0) ** 0.5, max(m4 - m2**2, 0.0) ** 0.5
