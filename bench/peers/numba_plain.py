"""Plain Numba, as one writes it first. The program is `fastsumo._plain_numba`, which ``fastsumo bench`` runs too."""

from __future__ import annotations

from bench.peers.problem import Outcome
from fastsumo.cli import plain_numba


def unavailable() -> str | None:
    return None


def warm_up(cap: int | None, threads: int) -> None:
    trials(10, 10, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    values, terms = plain_numba.trials(n, cap, seed, threads)
    return Outcome(values, terms, int(terms.sum()) + n)


def paper(n: int, seed: int, threads: int) -> Outcome:
    values, terms = plain_numba.paper(n, seed, threads)
    return Outcome(values, terms, int(terms.sum()) + n)


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    values, terms = plain_numba.iwae(n, k, seed, threads)
    return Outcome(values, terms, int(terms.sum()))
