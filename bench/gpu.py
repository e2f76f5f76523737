"""``python -m bench.gpu``: trials on a GPU in one table, beside the CPU, JAX, PyTorch and CUDA C++ on the same machine.

``bits`` says whether a smaller run has the statistics of the CPU to the last bit. A peer that cannot run here says why.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fastsumo as fs
from bench.peers import cuda_peer
from bench.peers.problem import LOG_Q0, SCALE
from fastsumo.base.machine import available_threads
from fastsumo.engine.devices import cards

HARMONIC = fs.roulette.Harmonic
CASES: tuple[tuple[str, fs.Estimator, int], ...] = (  # estimator, trials
    ("harmonic-80", fs.SUMO(HARMONIC(cap=80)), 1 << 33),
    ("harmonic-10000", fs.SUMO(HARMONIC(cap=10_000)), 1 << 31),
    ("harmonic", fs.SUMO(HARMONIC()), 1 << 30),
    ("iwae-10", fs.IWAE(10), 1 << 31),
    ("iwae-100", fs.IWAE(100), 1 << 29),
)
DIM = 16
_CPU = 1 << 23  # trials of the CPU, and of the comparison of bits; fewer of the dear ones
_PEER_TRIALS = 1 << 22


def gaussian(x, params):  # type: ignore[no-untyped-def]
    """A normal target in 16 dimensions."""
    total = 0.0
    for j in range(x.size):
        total -= 0.45 * x[j] * x[j]
    return total


def linear_gaussian() -> fs.Model:
    """It, under a proposal that is a little too wide."""
    evidence = 0.5 * DIM * math.log(2.0 * math.pi / 0.9)
    return fs.importance(gaussian, fs.proposals.Gaussian(np.zeros(DIM), 1.2), log_evidence=evidence, name="gaussian-16")


def same_bits(one: fs.Result, other: fs.Result) -> bool:
    a, b = (vars(each.statistics) | {"kept": each.extremes, "unsorted_around": None} for each in (one, other))
    return all(np.asarray(a[name]).tobytes() == np.asarray(b[name]).tobytes() for name in a)


def row(name: str, model: fs.Model, estimator: fs.Estimator, trials: int, device: str) -> list[str]:
    """One case: rates on the card, times as fast as the CPU, and the bits."""
    few = min(_CPU, max(1 << 12, int((1 << 28) / min(estimator.expected_cost(), 100.0) / model.dim)))
    cpu = fs.simulate(model, estimator, few, progress=False)
    began = time.perf_counter()
    small = fs.simulate(model, estimator, few, progress=False, device=device)
    opened = time.perf_counter() - began
    large = fs.simulate(model, estimator, trials, progress=False, device=device)
    rate, slow = large.cost / large.elapsed, cpu.cost / cpu.elapsed
    peer = _peer(estimator) if model.name == "note" else None
    against = "-" if peer is None else f"{large.trials / large.elapsed / peer:.1f}"
    return [
        *(name, f"{large.trials / large.elapsed:.3g}", f"{rate:.3g}", f"{rate * model.dim:.3g}", f"{rate / slow:.0f}"),
        *(against, "same" if same_bits(cpu, small) else "DIFFERENT", f"{opened:.1f}"),
    ]


def _peer(estimator: fs.Estimator) -> float | None:
    """Trials a second of CUDA C++."""
    if cuda_peer.unavailable():
        return None
    is_iwae = isinstance(estimator, fs.IWAE)
    size = estimator.k if isinstance(estimator, fs.IWAE) else getattr(estimator, "roulette", HARMONIC()).law().cap
    if size > 10**6:
        return None
    n = _PEER_TRIALS
    cuda_peer.timed(is_iwae, n, size, 1)
    return n / cuda_peer.timed(is_iwae, n, size, 2)[1]


def jax_rate(k: int = 100, trials: int = 1 << 18) -> float:
    """Samples a second of IWAE in JAX, float64, one jitted function."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):

        @jax.jit
        def run(key: Any) -> Any:
            z0, z1 = jax.random.normal(key, (2, k, trials))
            x, y = SCALE * z0, SCALE * z1
            near = jnp.exp(-0.5 * ((x + 2.0) ** 2 + y * y))
            wide = jnp.exp(-0.125 * ((x - 2.0) ** 2 + y * y))
            weight = jnp.log(0.5 * near + 0.125 * wide) + 0.5 * (z0 * z0 + z1 * z1) - LOG_Q0
            return jax.nn.logsumexp(weight, axis=0).mean()

        if jax.devices()[0].platform != "gpu":
            raise RuntimeError("JAX sees no GPU")
        keys = jax.random.split(jax.random.key(0), 6)
        return _rate(lambda i: run(keys[i]).block_until_ready(), k * trials)


def torch_rate(k: int = 100, trials: int = 1 << 18) -> float:
    """Samples a second of IWAE in PyTorch, float64."""
    import torch

    if not torch.cuda.is_available():
        raise RuntimeError("PyTorch sees no GPU")

    def run(_: int) -> None:
        z0, z1 = torch.randn((2, k, trials), dtype=torch.float64, device="cuda")
        x, y = SCALE * z0, SCALE * z1
        near = torch.exp(-0.5 * ((x + 2.0) ** 2 + y * y))
        wide = torch.exp(-0.125 * ((x - 2.0) ** 2 + y * y))
        weight = torch.log(0.5 * near + 0.125 * wide) + 0.5 * (z0 * z0 + z1 * z1) - LOG_Q0
        torch.logsumexp(weight, dim=0).mean().item()

    return _rate(run, k * trials)


def _rate(run: Callable[[int], Any], samples: int) -> float:
    """Samples a second, the best of five after a first."""
    run(0)
    best = math.inf
    for i in range(1, 6):
        began = time.perf_counter()
        run(i)
        best = min(best, time.perf_counter() - began)
    return samples / best


def main() -> int:
    try:
        card = cards()[0]
    except fs.DeviceError as error:
        print(f"bench.gpu: {error}", file=sys.stderr)
        return 1
    print(f"{card['name']}, {card['memory'] / 2**30:.0f} GiB; the CPU has {available_threads()} threads")
    head = ["case", "trials/s", "samples/s", "normals/s", "x CPU", "x CUDA C++", "bits", "first run, s"]
    rows = [row(name, fs.models.note(), estimator, trials, "cuda") for name, estimator, trials in CASES]
    rows.append(row("gaussian-16, iwae-100", linear_gaussian(), fs.IWAE(100), 1 << 25, "cuda"))
    lines, widths = [head, *rows], [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for name, *cells in lines:
        print("  ".join([name.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]))
    print(f"CUDA C++: {cuda_peer.unavailable() or 'cuRAND, its kernels alone'}")
    for name, rate in (("JAX", jax_rate), ("PyTorch", torch_rate)):
        try:
            print(f"{name} on the card, iwae-100, float64: {rate():.3g} samples/s")
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}".splitlines()[0])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
