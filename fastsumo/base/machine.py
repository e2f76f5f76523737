"""What this process may use of the machine it runs on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

_CGROUPS = Path("/sys/fs/cgroup")  # Linux: limits of groups of processes, as containers set them
_OWN_GROUPS = Path("/proc/self/cgroup")  # the groups of this process: "number:controllers:path"
_UNLIMITED = 1 << 20


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
    return max(1, min(cores, _container_cores(_OWN_GROUPS, _CGROUPS)))


@lru_cache(maxsize=8)
def _container_cores(own: Path, folder: Path) -> int:
    """Cores that the least quota of this process's groups amounts to, rounded up; very many where there is none.

    Read once: a dozen small files take as long as a thousand trials.
    """
    return min((_cores(group) for group in _group_folders(own, folder)), default=_UNLIMITED)


def _group_folders(own: Path, folder: Path) -> Iterator[Path]:
    """Where limits may lie: version 2, and version 1 under each name of its controller; the group and those above it.

    Inside a container its own group is the root.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        lines = []
    paths = {
        controllers: path for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2)
    }
    for controllers, path in ({"": "/", "cpu": "/", "cpu,cpuacct": "/"} | paths).items():
        if controllers == "" or "cpu" in controllers.split(","):
            within = PurePosixPath(path.lstrip("/"))
            for group in (within, *within.parents):
                yield folder / controllers / group


def _cores(folder: Path) -> int:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):  # version 2: "quota period" or "max period"
        try:
            quota, period = " ".join((folder / name).read_text() for name in names).split()
            if int(quota) > 0:  # -1 is none
                return math.ceil(int(quota) / int(period))
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return _UNLIMITED
