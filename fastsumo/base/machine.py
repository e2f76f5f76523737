"""What this process may use of the machine it runs on."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # Linux, version 2: "quota period", or "max period"


def available_threads() -> int:
    """Cores that this process may use: affinity and container limits taken into account.

    Examples
    --------
    >>> available_threads() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, _container_cores()))


def _container_cores() -> int:
    """Cores that the container's quota amounts to, rounded up; very many where there is no quota."""
    try:
        quota, period = _CGROUP_LIMIT.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        return 1 << 20
