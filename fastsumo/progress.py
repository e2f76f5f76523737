"""Progress of a run: a bar where somebody is looking, and a twin with the same methods that does nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

_BESIDE = 66  # columns that a bar takes beside its label


class Progress:
    """Shows nothing. Subclasses show something; a run calls `stage` and `update`."""

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def stage(self, name: str) -> None:
        """A new stage, such as compiling."""

    def update(self, done: int, glance: Callable[[], dict[str, float]]) -> None:
        """``done`` trials are done; ``glance`` looks at the run if there is something to show."""


class Bar(Progress):
    """A rich progress bar on a terminal (standard error) or in a notebook."""

    _EVERY = 0.1  # seconds

    def __init__(self, total: int, label: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._total, self._shown, self._began = total, 0.0, 0.0
        console = Console() if _in_notebook() else Console(stderr=True)
        narrow = console.width < 70
        columns: list[Any] = [TextColumn("{task.description}"), BarColumn(bar_width=10 if narrow else 30)]
        columns += [TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.fields[speed]}")]
        if not narrow:
            columns.append(TimeRemainingColumn())
        self._bar = RichProgress(*columns, console=console, transient=True, auto_refresh=False)
        model = label.split(" · ")[0]
        self._label = next((text for text in (label, model) if len(text) <= console.width - _BESIDE), "")
        self._task = self._bar.add_task("", total=total, speed="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def stage(self, name: str) -> None:
        self._began = time.perf_counter()
        description = f"{name}: {self._label}" if self._label and name != "running" else (self._label or name)
        self._bar.update(self._task, description=description.replace("[", r"\["), refresh=True)

    def update(self, done: int, glance: Callable[[], dict[str, float]]) -> None:
        now = time.perf_counter()
        if now - self._shown < self._EVERY and done < self._total:
            return
        self._shown = now
        speed = f"{done / max(now - self._began, 1e-9) / 1e6:.1f} M trials/s" if done else ""
        self._bar.update(self._task, completed=done, speed=speed, refresh=True)


def make_progress(wanted: bool | Progress | None, total: int, label: str) -> Progress:
    """The progress that ``simulate(progress=...)`` asks for; by default a bar where somebody is looking."""
    if isinstance(wanted, Progress):
        return wanted
    if wanted is None:
        wanted = _in_notebook() or sys.stderr.isatty()
    return Bar(total, label) if wanted else Progress()


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    instance = shell.get_ipython()
    return instance is not None and type(instance).__name__ == "ZMQInteractiveShell"
