"""PyTorch on the CPU: eager, double precision, groups of (nearly) equal K, giant trials chunk by chunk.

The number of threads is set for a run and put back after it; the global random state is not touched.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bench.peers.problem import LOG_Q0, SCALE, Outcome, draw_terms, similar_terms

CHUNK = 1 << 15  # samples at a time: enough for two threads, and in the caches
SLACK = 0.1


def _log_weights(generator: Any, shape: tuple[int, ...]) -> Any:
    import torch

    z0 = torch.randn(shape, dtype=torch.float64, generator=generator)
    z1 = torch.randn(shape, dtype=torch.float64, generator=generator)
    x, y = SCALE * z0, SCALE * z1
    square = y * y
    near = torch.exp(-0.5 * ((x + 2.0) ** 2 + square))
    wide = torch.exp(-0.125 * ((x - 2.0) ** 2 + square))
    return torch.log(0.5 * near + 0.125 * wide) + (0.5 * (z0 * z0 + z1 * z1) - LOG_Q0)


def _similar(generator: Any, terms: Any, largest: int) -> Any:
    import torch

    log_w = _log_weights(generator, (largest + 1, len(terms)))
    top = log_w.amax(dim=0)
    number = torch.arange(1.0, largest + 2.0, dtype=torch.float64)[:, None]
    path = torch.log(torch.cumsum(torch.exp(log_w - top), dim=0) / number)
    # By parts: K L_{K+1} - (L_2 + ... + L_K); the shift `top` counts once.
    last = path.gather(0, terms[None, :])[0]
    before = path.cumsum(dim=0).gather(0, terms[None, :] - 1)[0] if largest > terms[0] else path[:-1].sum(dim=0)
    return top + path[0] + terms * last - before


def _giant(generator: Any, terms: int) -> float:
    """One trial in chunks, carrying the scaled sum of weights and the sum of the L_k along."""
    import torch

    top, total, first, last, sum_of_path = -math.inf, 0.0, math.nan, math.nan, 0.0
    for start in range(0, terms + 1, CHUNK):
        log_w = _log_weights(generator, (min(CHUNK, terms + 1 - start),))
        new_top = max(top, float(log_w.max()))
        sums = total * math.exp(top - new_top) + torch.cumsum(torch.exp(log_w - new_top), dim=0)
        number = torch.arange(start + 1.0, start + 1.0 + len(log_w), dtype=torch.float64)
        path = torch.log(sums / number) + new_top
        if start == 0:
            first = float(path[0])
        top, total, last = new_top, float(sums[-1]), float(path[-1])
        sum_of_path += float(path.sum())
    return first + (terms + 1) * last - sum_of_path


def unavailable() -> str | None:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        return f"no torch: {error}"
    return None


def warm_up(cap: int | None, threads: int) -> None:
    trials(100, cap, 0, threads)


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    import torch

    generator = torch.Generator().manual_seed(seed)
    terms = draw_terms(1.0 - np.random.default_rng(seed).random(n), cap)
    values = np.empty(n)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for group, largest in similar_terms(terms, CHUNK, SLACK):
                if largest >= CHUNK:
                    values[group] = _giant(generator, largest)
                else:
                    values[group] = _similar(generator, torch.from_numpy(terms[group]), largest).numpy()
    finally:
        torch.set_num_threads(before)
    return Outcome(values, terms, int(terms.sum()) + n)


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    import torch

    generator = torch.Generator().manual_seed(seed)
    rows, values = max(1, CHUNK // k), torch.empty(n, dtype=torch.float64)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            for start in range(0, n, rows):
                log_w = _log_weights(generator, (k, min(rows, n - start)))
                values[start : start + rows] = torch.logsumexp(log_w, dim=0) - math.log(k)
    finally:
        torch.set_num_threads(before)
    return Outcome(values.numpy(), np.full(n, k), n * k)
