"""``python -m bench.peers [name ...]``: nanoseconds per importance sample and thread of each peer, best of a few runs.

A look at the peers alone; the suites that set them beside fastsumo are elsewhere in ``bench``.
"""

from __future__ import annotations

import argparse
import os
import time

from bench.peers import PEERS, Peer, peer

CAPS: tuple[int | None, ...] = (80, 10_000, None)
PROBE = 2_000  # trials of the run that says how many trials fill the time asked for


def available_threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def nanoseconds(each: Peer, cap: int | None, threads: int, seconds: float, repeats: int) -> tuple[float, int]:
    """Best time per importance sample and thread, and the trials of one run."""
    each.warm_up(cap, threads)
    n, best = PROBE, float("inf")
    used = each.threads_used(threads, available_threads())
    for repeat in range(repeats + 2):
        start = time.perf_counter()
        outcome = each.trials(n, cap, 7, threads)
        elapsed = time.perf_counter() - start
        if repeat < 2:  # grow to the length of a run in two steps: overheads make the first guess poor
            n = max(PROBE, min(10_000_000, int(n * seconds / elapsed)))
        else:
            best = min(best, elapsed * used * 1e9 / outcome.samples)
    return best, n


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("names", nargs="*", help="peers (default: all)")
    parser.add_argument("--threads", type=int, default=available_threads())
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one run")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{'peer':14} {'cap':>9} {'threads':>7} {'trials':>10} {'ns/sample/thread':>17}")
    for each in [peer(name) for name in options.names] or PEERS:
        for cap in CAPS:
            reason = each.unavailable() or each.unsupported(cap)
            shown = "none" if cap is None else str(cap)
            if reason is not None:
                print(f"{each.name:14} {shown:>9} {reason}")
                continue
            best, n = nanoseconds(each, cap, options.threads, options.seconds, options.repeats)
            used = each.threads_used(options.threads, available_threads())
            print(f"{each.name:14} {shown:>9} {used:>7} {n:>10} {best:>17.2f}", flush=True)


if __name__ == "__main__":
    main()
