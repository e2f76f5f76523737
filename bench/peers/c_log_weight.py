"""The C peer built for weights that are known by their logarithm only, as those of a fastsumo model are.

All its code is in ``c_peer.c`` and ``c_peer.py``; it tells how much of a ratio is due to that contract.
"""

from __future__ import annotations

from bench.peers import c_peer
from bench.peers.problem import Outcome


def unavailable() -> str | None:
    return c_peer.unavailable()


def warm_up(cap: int | None, threads: int) -> None:
    trials(100, cap, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    return c_peer.run(c_peer.library(log_weight=True), n, cap, seed, threads)


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    return c_peer.run_iwae(c_peer.library(log_weight=True), n, k, seed, threads)
