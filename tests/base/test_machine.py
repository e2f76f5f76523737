"""Cores that a process may use: limits of containers, of both versions, wherever they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastsumo.base import machine

FILES = {
    "version 2": ({"cpu.max": "150000 100000\n"}, "0::/\n", 2),
    "version 2, none": ({"cpu.max": "max 100000\n"}, "0::/\n", 1 << 20),
    "version 2, of a group above": ({"a/cpu.max": "100000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 1),
    "version 1": (
        {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        "4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n",
        1,
    ),
    "version 1, none": ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "", 1 << 20),
    "version 1, of a service": (
        {"cpu,cpuacct/s/cpu.cfs_quota_us": "250000", "cpu,cpuacct/s/cpu.cfs_period_us": "100000"},
        "3:cpu,cpuacct:/s\n",
        3,
    ),
    "broken": ({"cpu.max": "much", "cpu/cpu.cfs_quota_us": "5", "cpu/cpu.cfs_period_us": "0"}, "nonsense\n", 1 << 20),
    "nothing": ({}, None, 1 << 20),
}


@pytest.mark.parametrize(("files", "groups", "cores"), FILES.values(), ids=FILES.keys())
def test_quotas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], groups: str | None, cores: int
) -> None:
    for name, text in files.items():
        (tmp_path / "limits" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "limits" / name).write_text(text)
    if groups is not None:
        (tmp_path / "groups").write_text(groups)
    monkeypatch.setattr(machine, "_CGROUPS", tmp_path / "limits")
    monkeypatch.setattr(machine, "_OWN_GROUPS", tmp_path / "groups")
    assert machine._container_cores(tmp_path / "groups", tmp_path / "limits") == cores
    assert 1 <= machine.available_threads() <= cores
