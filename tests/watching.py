"""Who watches a run, and keeps what was seen."""

from __future__ import annotations

from collections.abc import Callable

from fastsumo.report.progress import Progress
from fastsumo.statistics.snapshot import Snapshot


class Watcher(Progress):
    """Looks at the run as often as it can."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.seen: list[Snapshot] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def update(self, done: int, glance: Callable[[], Snapshot | None]) -> None:
        found = glance()
        if found is not None:
            self.seen.append(found)
