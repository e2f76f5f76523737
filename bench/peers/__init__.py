"""The peers: other programs that run the same SUMO trials on the note's problem, behind one protocol.

Here is the registry only. A peer is a module with ``unavailable() -> reason or None``,
``warm_up(cap, threads)``, which compiles whatever a run needs, and ``trials(n, cap, seed, threads)``, which
returns an Outcome; ``cap=None`` is the uncapped harmonic law. Where it has ``iwae(n, k, seed, threads)`` or
``paper(n, seed, threads)``, it also runs IWAE(k), or SUMO under the paper's law HarmonicGeometric(80, 0.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from bench.peers.problem import Outcome


@dataclass(frozen=True)
class Peer:
    """A program to compare with. ``largest_cap=None``: any cap, and none. ``threads``: what its run obeys."""

    name: str
    title: str
    module: str
    threads: str  # "one", "asked" or "all"
    largest_cap: int | None = None
    cap_reason: str = ""

    def unavailable(self) -> str | None:
        """Why this peer cannot run here; None where it can."""
        return import_module(self.module).unavailable()

    def unsupported(self, cap: int | None) -> str | None:
        """Why this peer does not run a cap; None where it does."""
        if self.largest_cap is None or (cap is not None and cap <= self.largest_cap):
            return None
        return f"{self.name} runs caps up to {self.largest_cap}: {self.cap_reason}"

    def threads_used(self, asked: int, available: int) -> int:
        """Threads that a run with ``threads=asked`` has where the process may use ``available``."""
        return {"one": 1, "asked": asked, "all": available}[self.threads]

    def warm_up(self, cap: int | None, threads: int) -> None:
        import_module(self.module).warm_up(cap, threads)

    def runs(self, task: str) -> bool:
        """Whether the peer also runs ``"iwae"`` or ``"paper"``."""
        return hasattr(import_module(self.module), task)

    def iwae(self, n: int, k: int, seed: int, threads: int) -> Outcome:
        """At least ``n`` trials of IWAE(k)."""
        return import_module(self.module).iwae(n, k, seed, threads)

    def paper(self, n: int, seed: int, threads: int) -> Outcome:
        """At least ``n`` trials under HarmonicGeometric(80, 0.1)."""
        return import_module(self.module).paper(n, seed, threads)

    def trials(self, n: int, cap: int | None, seed: int, threads: int) -> Outcome:
        """At least ``n`` trials with K capped at ``cap``."""
        reason = self.unsupported(cap)
        if reason is not None:
            raise ValueError(reason)
        return import_module(self.module).trials(n, cap, seed, threads)


_HERE = "bench.peers."
PEERS: tuple[Peer, ...] = (
    Peer(
        *("note_script", "the note's script (NumPy, K shared by ten trials)", _HERE + "note_script", "one"),
        *(100_000, "the memory of a batch grows with K"),
    ),
    Peer("numpy_grouped", "NumPy, trials grouped by K", _HERE + "numpy_grouped", "one"),
    Peer("numba_plain", "plain Numba, prange and scalar math", _HERE + "numba_plain", "asked"),
    Peer(
        *("jax", "JAX, jitted for each padded K, CPU", _HERE + "jax_peer", "all"),
        *(10_000, "each longer shape would be compiled"),
    ),
    Peer("torch", "PyTorch, trials grouped by K, CPU", _HERE + "torch_peer", "asked"),
    Peer("c_log_weight", "C with libmvec, through log weights", _HERE + "c_log_weight", "asked"),
    Peer("c_peer", "C with libmvec", _HERE + "c_peer", "asked"),
    Peer("cuda", "CUDA C++ with cuRAND, on a GPU", _HERE + "cuda_peer", "one", 10**6, "a thread runs a trial alone"),
)


def peer(name: str) -> Peer:
    """The peer of that name. Raises KeyError, which lists the names."""
    named = {each.name: each for each in PEERS}
    if name not in named:
        raise KeyError(f"no peer {name!r}; there are {', '.join(named)}")
    return named[name]
