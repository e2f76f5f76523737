"""How wide the vectors of this package's code are: as LLVM chooses, or, on some CPUs, all that there is.

LLVM prefers 256 of 512 bits on Intel's CPUs, since the first that had 512 slowed down for them. Its preference is for
code that mixes little vector arithmetic with much else. Models and kernels are nothing but vector arithmetic: on an
Emerald Rapids 512 bits made trials 1.2 to 1.4 times as fast.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from numba.core import config

# Servers of Intel's that work on 512 bits at two ports and keep their clock, as LLVM names them. Not here: those before
# Ice Lake, which slow down, and those for desks, whose one port for 512 bits does no more than their two for 256.
_KEEP_THEIR_CLOCK = ("icelake-server", "sapphirerapids", "emeraldrapids", "graniterapids", "graniterapids-d")


def prefers_all(cpu: str, features: str, chosen: bool) -> bool:
    """Whether code should use 512 bits where LLVM would take 256.

    Parameters
    ----------
    cpu, features : str
        As LLVM names them: such as ``emeraldrapids`` and ``+avx2,+avx512f``.
    chosen : bool
        Whether the features are the user's choice, which is kept.

    Examples
    --------
    >>> prefers_all("emeraldrapids", "+avx2,+avx512f", False), prefers_all("emeraldrapids", "+avx2,+avx512f", True)
    (True, False)
    >>> prefers_all("sapphirerapids", "+avx2,-avx512f", False), prefers_all("znver4", "+avx2,+avx512f", False)
    (False, False)
    """
    return not chosen and cpu in _KEEP_THEIR_CLOCK and "+avx512f" in features.split(",")


def uses_all(codegen: Any) -> bool:
    """Whether code for this process's target is `made_wide`."""
    _, cpu, features = codegen.magic_tuple()
    return prefers_all(cpu, features, chosen=config.CPU_FEATURES is not None)


def made_wide(codegen: Any) -> Any:
    """What makes code for this package: Numba's own, but that it may think of wider vectors.

    Only the passes that choose vectors are told; what Numba compiles for others is not touched.
    """
    return _wide(codegen) if uses_all(codegen) else codegen


@cache
def _wide(codegen: Any) -> Any:
    triple, cpu, features = codegen.magic_tuple()
    other = copy.copy(codegen)
    target = llvm.Target.from_triple(triple)
    other._tm = target.create_target_machine(cpu=cpu, features=f"{features},-prefer-256-bit", opt=3, jit=True)
    return other


def why(codegen: Any) -> str:
    """Who chose the width of vectors, in words."""
    _, cpu, _ = codegen.magic_tuple()
    if config.CPU_FEATURES is not None:
        return "NUMBA_CPU_FEATURES says so"
    if uses_all(codegen):
        return f"all that {cpu} has: measured faster than LLVM's 256 bits"
    return f"LLVM's choice for {cpu}"
