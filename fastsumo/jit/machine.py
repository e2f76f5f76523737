"""What the compiler knows of this machine and makes for it, for people who look at it; no kernel needs it."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from numba.core.registry import cpu_target

from fastsumo.jit import options
from fastsumo.jit.numba_internals import TRIED
from fastsumo.jit.vectors import why


@cache
def cpu_name() -> str:
    """The CPU as the compiler knows it, such as ``znver4``."""
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


def assembly_of(function: Callable[..., Any], signature: Any) -> str:
    """What a function of a signature of types, which returns a number, becomes on this machine."""
    return str(options.callback(function, signature, None)._library.get_asm_str())


def vectors_chosen() -> str:
    """Who chose the width of vectors on this machine, in words."""
    return why(cpu_target.target_context.codegen())


def is_tried(version: str | None) -> bool:
    """Whether a version of Numba is among those that its private parts were tried with.

    Examples
    --------
    >>> is_tried("0.68.1"), is_tried("0.61.0rc1"), is_tried("0.6.1"), is_tried("1.0"), is_tried(None)
    (True, True, False, False, False)
    """
    return ".".join(re.findall(r"\d+", version or "")[:2]) in TRIED
