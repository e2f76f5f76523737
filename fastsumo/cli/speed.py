"""This machine's speed: fastsumo against plain Numba on the same trials, in under a minute. For ``fastsumo bench``.

The suites that measure everything, against every peer, are in the repository's ``bench`` folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from fastsumo.base import checks
from fastsumo.base.machine import available_threads
from fastsumo.base.text import NARROWEST, WIDTH, Column, counted, labelled, short, table
from fastsumo.cli import plain_numba
from fastsumo.cli.race import Record, Runner, Work, race
from fastsumo.estimators.estimators import IWAE, SUMO, Estimator
from fastsumo.estimators.roulette import Harmonic
from fastsumo.jit.machine import cpu_name
from fastsumo.models.builtin import note
from fastsumo.runs.simulate import simulate

CASES: dict[str, tuple[Estimator, int]] = {
    "harmonic law, K <= 80": (SUMO(Harmonic(cap=80)), 2**21),
    "harmonic law, no cap": (SUMO(Harmonic()), 2**20),
    "IWAE(100)": (IWAE(100), 2**17),
}  # and trials of a lap
_PLAIN_PART = 8  # plain Numba runs so much less in a lap
_SEED = 7


@dataclass(frozen=True)
class Case:
    """One kind of trial: nanoseconds per importance sample and thread, and trials per second on all threads.

    Attributes
    ----------
    name : str
    fastsumo_ns, one_thread_ns, plain_ns : float
        Of fastsumo on all threads, of fastsumo on one, of plain Numba on all.
    fastsumo_trials, plain_trials : float
        Trials per second.
    """

    name: str
    fastsumo_ns: float
    one_thread_ns: float
    plain_ns: float
    fastsumo_trials: float
    plain_trials: float

    @property
    def times_as_fast(self) -> float:
        """fastsumo against plain Numba, both on all threads."""
        return self.plain_ns / self.fastsumo_ns


@dataclass(frozen=True)
class Speed:
    """What `measure` found.

    Attributes
    ----------
    cpu : str
        As the compiler knows it.
    threads : int
    load : float
        Processes that wanted a core over the last minute, ours included.
    cases : tuple of Case
    """

    cpu: str
    threads: int
    load: float
    cases: tuple[Case, ...]

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        cases = [asdict(case) | {"times_as_fast": case.times_as_fast} for case in self.cases]
        return asdict(self) | {"cases": cases}

    def text(self, width: int = WIDTH) -> str:
        """The table that ``print`` shows, in at most ``width`` columns."""
        width, cases = max(width, NARROWEST), self.cases
        columns = [
            Column("", [case.name for case in cases], left=True),
            Column("trials/s", [short(case.fastsumo_trials) for case in cases], rank=1),
            Column("fastsumo", [f"{case.fastsumo_ns:.1f}" for case in cases]),
            Column("one thread", [f"{case.one_thread_ns:.1f}" for case in cases], rank=2),
            Column("plain Numba", [f"{case.plain_ns:.1f}" for case in cases]),
            Column("times as fast", [f"{case.times_as_fast:.1f}" for case in cases]),
        ]
        what = "the problem of fs.models.note(); nanoseconds per importance sample and thread, best of several laps"
        machine = f"{self.cpu}, {counted(self.threads, 'thread')}"
        rows = [("machine", machine), ("measured", what)]
        if self.load > self.threads + 0.5:
            rows.append(("note", f"others use this machine too (load {self.load:.1f}): it can do better"))
        return f"{labelled(rows, width)}\n\n{table(columns, width)}"

    def __str__(self) -> str:
        return self.text()


def measure(threads: int | None = None, rounds: int = 3, said: Callable[[str], object] = lambda _: None) -> Speed:
    """Race fastsumo against plain Numba.

    Parameters
    ----------
    threads : int, optional
        By default the cores that this process may use.
    rounds : int
        Laps of each program, forwards and backwards in turn; the best one counts.
    said : callable
        Is told what is going on.

    Returns
    -------
    Speed
    """
    used = available_threads() if threads is None else checks.whole("threads", threads, 1, 4096)
    laps = checks.whole("rounds", rounds, 1, 100)
    said("compiling plain Numba, which keeps nothing of it")
    cases, load = [], 0.0
    for name, (estimator, trials) in CASES.items():
        runners = {
            "all": _fastsumo(estimator, trials, used),
            "plain": _plain(estimator, max(64, trials // _PLAIN_PART), used),
        }
        if used > 1:
            runners["one"] = _fastsumo(estimator, trials, 1)
        found = race(runners, laps)
        cases.append(_case(name, found))
        load = max(load, *(record.load for record in found.values()))
        said(f"{name}: {cases[-1].fastsumo_ns:.1f} ns per importance sample and thread")
    return Speed(cpu_name(), used, load, tuple(cases))


def _case(name: str, found: dict[str, Record]) -> Case:
    ours, plain = found["all"], found["plain"]
    one = found.get("one", ours).ns_per_sample()
    trials = ours.trials_per_second(), plain.trials_per_second()
    return Case(name, ours.ns_per_sample(), one, plain.ns_per_sample(), *trials)


def _fastsumo(estimator: Estimator, trials: int, threads: int) -> Runner:
    def run(size: int) -> Work:
        result = simulate(note(), estimator, size, _SEED, threads, progress=False)
        return Work(result.cost, size)

    return Runner(run, trials, lambda: run(1000), threads)


def _plain(estimator: Estimator, trials: int, threads: int) -> Runner:
    def run(size: int) -> Work:
        if isinstance(estimator, IWAE):
            return Work(size * estimator.k, plain_numba.iwae(size, estimator.k, _SEED, threads)[0].size)
        assert isinstance(estimator, SUMO)
        cap = getattr(estimator.roulette, "cap", None)
        terms = plain_numba.trials(size, cap, _SEED, threads)[1]
        return Work(int(terms.sum()) + size, size)

    return Runner(run, trials, lambda: run(1000), threads)
