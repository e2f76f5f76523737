"""``python -m bench.peers [name ...]``: nanoseconds per importance sample and thread, best of a few runs.

A look at the peers alone; the suites that set them beside fastsumo are elsewhere in ``bench``.
"""

from __future__ import annotations

import argparse
import os
import time

from bench.peers import PEERS, Peer, peer

CAPS: tuple[int | None, ...] = (80, 10_000, None)


def available_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def nanoseconds(each: Peer, cap: int | None, n: int, threads: int, repeats: int) -> float:
    """Best time of a run per importance sample and thread."""
    each.warm_up(cap, threads)
    used, best = each.threads_used(threads, available_threads()), float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        outcome = each.trials(n, cap, 7, threads)
        best = min(best, (time.perf_counter() - start) * used * 1e9 / outcome.samples)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("names", nargs="*", help="peers (default: all)")
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"{'peer':14} {'cap':>9} {'threads':>7} {'ns/sample/thread':>17}")
    for each in [peer(name) for name in options.names] or PEERS:
        for cap in CAPS:
            reason = each.unavailable() or each.unsupported(cap)
            shown = "none" if cap is None else str(cap)
            if reason is not None:
                print(f"{each.name:14} {shown:>9} {reason}")
                continue
            best = nanoseconds(each, cap, options.trials, options.threads, options.repeats)
            used = each.threads_used(options.threads, available_threads())
            print(f"{each.name:14} {shown:>9} {used:>7} {best:>17.2f}", flush=True)


if __name__ == "__main__":
    main()
