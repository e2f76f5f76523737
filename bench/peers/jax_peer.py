"""JAX on the CPU: one jitted function for each padded K, because compiled shapes are fixed.

Trials are grouped by K on the host, as a user of JAX does. Nothing is configured outside a run: 64-bit floats
are on inside it only. XLA sizes its thread pool once for the process: the number of threads cannot be chosen.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import Any

import numpy as np

from bench.peers.problem import LOG_Q0, SCALE, Outcome, draw_terms

CHUNK = 1 << 17  # samples for each call
# The K that are compiled; a third of the samples are wasted at most. Larger ones would need longer shapes.
WIDTHS: tuple[int, ...] = (
    *(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768),
    *(1024, 1536, 2048, 3072, 4096, 6144, 8192, 10_000),
)


def rows_of(width: int) -> int:
    return max(1, CHUNK // (width + 1))


def _log_weights(key: Any, shape: tuple[int, int]) -> Any:
    import jax
    import jax.numpy as jnp

    z0, z1 = jax.random.normal(key, (2, *shape))
    x, y = SCALE * z0, SCALE * z1
    near = jnp.exp(-0.5 * ((x + 2.0) ** 2 + y * y))
    wide = jnp.exp(-0.125 * ((x - 2.0) ** 2 + y * y))
    return jnp.log(0.5 * near + 0.125 * wide) + 0.5 * (z0 * z0 + z1 * z1) - LOG_Q0


@cache
def _kernel(width: int) -> Any:
    """Compiled function of (seed, call number, terms); ``rows_of(width)`` trials, K up to ``width``."""
    import jax
    import jax.numpy as jnp

    def run(seed: Any, call: Any, terms: Any) -> Any:
        key = jax.random.fold_in(jax.random.key(seed), call)
        log_w = _log_weights(key, (width + 1, rows_of(width)))
        top = log_w.max(axis=0)
        number = jnp.arange(1.0, width + 2.0)[:, None]
        # A scan: jnp.cumsum becomes a window sum on the CPU, 80 times slower for short columns.
        start = jnp.zeros(rows_of(width))
        _, sums = jax.lax.scan(lambda total, w: (total + w,) * 2, start, jnp.exp(log_w - top))
        path = jnp.log(sums / number)
        # By parts: K L_{K+1} - (L_2 + ... + L_K); the shift `top` counts once.
        factor = jnp.where(number == terms + 1, terms, -1.0) * ((number > 1) & (number <= terms + 1))
        return top + (factor * path).sum(axis=0)

    return jax.jit(run)


def unavailable() -> str | None:
    try:
        import jax  # noqa: F401
    except ImportError as error:
        return f"no jax: {error}"
    return None


def warm_up(cap: int | None, threads: int) -> None:
    """Compile every shape that the cap allows."""
    import jax

    assert cap is not None
    with jax.enable_x64(True):
        for width in WIDTHS[: bisect_left(WIDTHS, cap) + 1]:
            _kernel(width)(0, 0, np.ones(rows_of(width))).block_until_ready()


def trials(n: int, cap: int | None, seed: int, threads: int) -> Outcome:
    import jax

    terms = draw_terms(1.0 - np.random.default_rng(seed).random(n), cap)
    widths = np.array(WIDTHS)[np.searchsorted(WIDTHS, terms)]
    order = np.argsort(widths, kind="stable")
    ordered = widths[order]
    values = np.empty(n)
    pending: list[tuple[Any, Any]] = []
    with jax.enable_x64(True):
        start = 0
        while start < n:
            width = int(ordered[start])
            end = min(int(np.searchsorted(ordered, width, side="right")), start + rows_of(width))
            group = order[start:end]
            filled = np.ones(rows_of(width))
            filled[: len(group)] = terms[group]
            pending.append((group, _kernel(width)(seed, len(pending), filled)))
            start = end
        for group, result in pending:
            values[group] = np.asarray(result)[: len(group)]
    return Outcome(values, terms, int(terms.sum()) + n)


@cache
def _iwae_kernel(k: int) -> Any:
    """Compiled function of (seed, call number): a chunk of values of IWAE(k)."""
    import jax
    import jax.numpy as jnp

    def run(seed: Any, call: Any) -> Any:
        key = jax.random.fold_in(jax.random.key(seed), call)
        return jax.nn.logsumexp(_log_weights(key, (k, max(1, CHUNK // k))), axis=0) - jnp.log(k)

    return jax.jit(run)


def iwae(n: int, k: int, seed: int, threads: int) -> Outcome:
    import jax

    with jax.enable_x64(True):
        calls = -(-n // max(1, CHUNK // k))
        values = np.concatenate([np.asarray(part) for part in [_iwae_kernel(k)(seed, i) for i in range(calls)]])
    return Outcome(values, np.full(len(values), k), len(values) * k)
