"""The programs of the races, ready to run: fastsumo through its public interface, and the peers.

Sizes are set here: a lap is long enough to be timed and short enough to take turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import fastsumo as fs
from bench.peers import PEERS, Peer, peer
from bench.peers.problem import Outcome
from fastsumo.base.machine import available_threads
from fastsumo.cli.race import Runner, Work

SEED = 7
PROGRAMS = ("fastsumo", *(each.name for each in PEERS))
FAST = ("fastsumo", "c_peer", "c_log_weight", "numba_plain")
LAP_SAMPLES = {"fastsumo": 2**27, "c_peer": 2**27, "c_log_weight": 2**27, "note_script": 2**18}
OTHER_SAMPLES = 2**22
QUICK_TRIALS = 100
QUICK_JAX_TRIALS = 3  # each K is a shape to compile


@dataclass(frozen=True)
class Case:
    """What a trial is: ``estimator`` for fastsumo, and the same for a peer."""

    name: str
    estimator: fs.SUMO | fs.IWAE | fs.Taylor
    samples: float  # of one trial, roughly

    @property
    def cap(self) -> int | None:
        """Of the harmonic law."""
        return getattr(self.estimator.roulette, "cap", None) if isinstance(self.estimator, fs.SUMO) else None

    @property
    def task(self) -> str:
        """What it is called among the peers."""
        if isinstance(self.estimator, fs.IWAE):
            return "iwae"
        if isinstance(self.estimator, fs.Taylor):
            return "taylor"
        return "paper" if isinstance(self.estimator.roulette, fs.roulette.HarmonicGeometric) else "trials"


def case(name: str, estimator: fs.SUMO | fs.IWAE | fs.Taylor) -> Case:
    cost = estimator.expected_cost()
    return Case(name, estimator, cost if math.isfinite(cost) else 16.0)


CASES = {
    each.name: each
    for each in (
        case("harmonic-80", fs.SUMO(fs.roulette.Harmonic(cap=80))),
        case("harmonic-10000", fs.SUMO(fs.roulette.Harmonic(cap=10_000))),
        case("harmonic", fs.SUMO(fs.roulette.Harmonic())),
        case("paper", fs.SUMO(fs.roulette.HarmonicGeometric(80, 0.1))),
        case("iwae-1", fs.IWAE(1)),
        case("iwae-10", fs.IWAE(10)),
        case("iwae-1000", fs.IWAE(1000)),
        case("taylor-1", fs.Taylor()),
        case("taylor-20", fs.Taylor(fs.roulette.Geometric(0.9), 20)),
    )
}


def title(name: str) -> str:
    """How the report calls a program."""
    return "fastsumo" if name == "fastsumo" else peer(name).title


def program(name: str, what: Case, threads: int, quick: bool) -> Runner | str:
    """The program of that name on a case, or why there is none."""
    trials = LAP_SAMPLES.get(name, OTHER_SAMPLES) / what.samples
    few = QUICK_JAX_TRIALS if name == "jax" else QUICK_TRIALS
    size = few if quick else 2 ** max(4, round(math.log2(trials)))
    if name == "fastsumo":
        return simulation(fs.models.note(), what.estimator, size, threads)
    each = peer(name)
    reason = each.unavailable()
    if reason is None and what.task == "trials":
        reason = each.unsupported(what.cap)
    if reason is None and what.task != "trials" and not each.runs(what.task):
        reason = f"{name} runs the harmonic law and IWAE"
    if reason is not None:
        return reason
    return _peer_runner(each, what, size, threads)


def simulation(
    model: fs.Model, estimator: fs.SUMO | fs.IWAE | fs.Taylor, size: int, threads: int, fixed: bool = False
) -> Runner:
    """`simulate` with all that it does: compiled or read from the cache before, statistics included."""

    def run(n: int) -> Work:
        result = fs.simulate(model, estimator, trials=n, seed=SEED, threads=threads, progress=False)
        return Work(result.cost, result.trials)

    return Runner(run, size, lambda: run(QUICK_TRIALS), threads, fixed)


def _peer_runner(each: Peer, what: Case, size: int, threads: int) -> Runner:
    outcomes: dict[str, Callable[[int], Outcome]] = {
        "trials": lambda n: each.trials(n, what.cap, SEED, threads),
        "paper": lambda n: each.paper(n, SEED, threads),
        "iwae": lambda n: each.iwae(n, int(what.samples), SEED, threads),
    }

    def run(n: int) -> Work:
        outcome = outcomes[what.task](n)
        return Work(outcome.samples, len(outcome.values))

    def warm_up() -> None:
        if what.task == "trials":
            each.warm_up(what.cap, threads)
        else:
            run(QUICK_TRIALS)

    return Runner(run, size, warm_up, each.threads_used(threads, available_threads()))
