"""Progress of a run: a live view where somebody is looking, now and then a plain line elsewhere, or nothing.

What is shown comes from `statistics.snapshot`; a run only calls `stage` and `update`.
"""

from __future__ import annotations

import io
import logging
import math
import os
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from fastsumo.base.logs import LOGGER
from fastsumo.base.text import count, duration, short, with_error
from fastsumo.report.notebook import NotebookLive
from fastsumo.statistics.snapshot import Snapshot

_BESIDE = 66  # columns that a bar takes beside its label
_NOTEBOOK = 120  # columns below a notebook's cell
_NARROW = 70  # columns, below which there is one line only
_SPARKS = "▁▂▃▄▅▆▇█"
_ASCII_SPARKS = "_.:-=+*#"

Look = Callable[[], Snapshot | None]


class Progress:
    """Shows nothing. Subclasses show something; a run calls `stage` and `update`.

    What is done is counted in trials, by `fastsumo.stratify` in importance samples.
    """

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def stage(self, name: str) -> None:
        """A new stage, such as compiling."""

    def update(self, done: int, look: Look) -> None:
        """So much is done; ``look`` looks at the run if there is something to show."""


class _Timed(Progress):
    """How much of a ``total`` is done, and since when: the time of what had to come before anything was is left out."""

    def __init__(self, total: int, label: str, unit: str = "trials") -> None:
        self._total, self._label, self._unit = total, label, unit
        self._done, self._began = 0, time.perf_counter()
        self._said = self._began

    def stage(self, name: str) -> None:
        if not self._done:
            self._began = time.perf_counter()

    def update(self, done: int, look: Look) -> None:
        self._done = max(self._done, done)

    def _line(self, now: float, found: Snapshot | None, width: int = 200) -> str:
        return line(self._done, self._total, now - self._began, found, width, self._unit)


class Lines(_Timed):
    """A plain line on standard error now and then, for logs, pipes and CI; none for a run of less than a minute."""

    _EVERY = 60.0  # seconds

    def update(self, done: int, look: Look) -> None:
        super().update(done, look)
        now = time.perf_counter()
        if now - self._said < self._EVERY or done >= self._total:
            return
        self._said = now
        text = self._line(now, look())
        print(f"{time.strftime('%H:%M:%S')} fastsumo: {self._label}: {text}", file=sys.stderr, flush=True)


class Screen(_Timed):
    """A live view on a terminal (standard error) or in a notebook; one line where the terminal is narrow."""

    _EVERY = 0.25  # seconds

    def __init__(self, total: int, label: str, unit: str = "trials", console: Any = None) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        super().__init__(total, label, unit)
        self._said = 0.0
        self._console = watched_console() if console is None else console
        self._narrow = self._console.width < _NARROW
        self._sparks = _SPARKS if self._console.encoding.startswith("utf") else _ASCII_SPARKS
        columns: list[Any] = [TextColumn("{task.description}"), BarColumn(bar_width=30)]
        columns += [TextColumn("{task.percentage:3.0f}%"), TextColumn("{task.fields[speed]}"), TimeRemainingColumn()]
        self._bar = RichProgress(*columns, console=self._console, auto_refresh=False)
        model = label.split(" · ")[0]
        self._title = next((text for text in (label, model) if len(text) <= self._console.width - _BESIDE), "")
        self._task = self._bar.add_task("", total=total, speed="")
        self._live = live_on(self._console)

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def stage(self, name: str) -> None:
        super().stage(name)
        description = f"{name}: {self._title}" if self._title and name != "running" else (self._title or name)
        self._bar.update(self._task, description=description.replace("[", r"\["))
        self._show([f"{name}: {self._label}"] if self._narrow else [])

    def update(self, done: int, look: Look) -> None:
        super().update(done, look)
        now = time.perf_counter()
        if now - self._said < self._EVERY:
            return
        self._said, found = now, look()
        if self._narrow:
            self._show([self._line(now, found, self._console.width)])
            return
        speed = f"{short(done / max(now - self._began, 1e-9))} {self._unit}/s" if done else ""
        self._bar.update(self._task, completed=done, speed=speed)
        self._show([] if found is None else lines(found, self._sparks))

    def _show(self, below: list[str]) -> None:
        from rich.console import Group
        from rich.text import Text

        texts = [Text(text, no_wrap=True, overflow="ellipsis") for text in below]
        self._live.update(Group(*texts) if self._narrow else Group(self._bar, *texts), refresh=True)


class Logged(_Timed):
    """Another progress, and beside it the logger: stages and the end of a run, and every ten seconds how far it is."""

    _EVERY = 10.0  # seconds

    def __init__(self, shown: Progress, total: int, label: str, unit: str = "trials") -> None:
        super().__init__(total, label, unit)
        self._inner = shown

    def __enter__(self) -> Progress:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)
        took = f"{time.perf_counter() - self._began:.3g} s"
        if error is None:
            done = f"{count(self._done)} of {count(self._total)} {self._unit}"
            LOGGER.info("%s: %s in %s", self._label, done, took)
        else:
            LOGGER.error("%s: %s after %s", self._label, type(error).__name__, took)

    def stage(self, name: str) -> None:
        super().stage(name)
        LOGGER.debug("%s: %s", self._label, name)
        self._inner.stage(name)

    def update(self, done: int, look: Look) -> None:
        super().update(done, look)
        now = time.perf_counter()
        if now - self._said >= self._EVERY and done < self._total:
            self._said = now
            LOGGER.info("%s: %s", self._label, self._line(now, look()))
        self._inner.update(done, look)


def line(done: int, total: int, elapsed: float, found: Snapshot | None, width: int = 200, unit: str = "trials") -> str:
    """All that matters in one line, or as much of it as fits.

    Examples
    --------
    >>> line(250, 1000, 2.0, None)
    '25 % · 125 trials/s · 6 s left'
    """
    parts = [f"{100.0 * done / total:.0f} %"]
    if found is not None:
        parts.append(with_error(found.mean, found.std_error))
    if done:
        parts += [f"{short(done / max(elapsed, 1e-9))} {unit}/s", f"{duration(elapsed * (total - done) / done)} left"]
    if found is not None:
        parts += [f"largest {found.largest:.6g}", f"Hill index {_index(found)}"]
    while len(parts) > 1 and len(" · ".join(parts)) > width:
        parts.pop()
    return " · ".join(parts)


def lines(found: Snapshot, sparks: str = _SPARKS) -> list[str]:
    """The run so far, in two lines; the tail is drawn with ``sparks``, characters from low to high.

    Examples
    --------
    >>> from fastsumo.statistics.snapshot import Snapshot
    >>> found = Snapshot(1000, 1.84, 0.012, -40.5, 0.05, 2.02, 0.1, 0, (400, 120, 33, 9, 2, 1))
    >>> print("\\n".join(lines(found)))
    estimate  1.840 ± 0.012     largest trial  -40.5 (5 % of all squares)
    tail      Hill index 2.0 ± 0.1     trials beyond 1 ▇▆▅▃▁▁ 40.5
    """
    estimate = f"estimate  {with_error(found.mean, found.std_error)}     largest trial  {found.largest:.6g}"
    if not math.isnan(found.share):
        estimate += f" ({100.0 * found.share:.3g} % of all squares)"
    return [estimate, f"tail      Hill index {_index(found)}{_sketch(found, sparks)}"]


def _index(found: Snapshot) -> str:
    if math.isnan(found.hill):
        return "?"
    return f"{found.hill:.{1 if found.hill_error > 0.05 else 2}f} ± {found.hill_error:.1g}"


def _sketch(found: Snapshot, sparks: str) -> str:
    """The log of how many trials are further than 1, 2, 4, ... from the centre: of a power law a straight line."""
    kept = [(j, count) for j, count in enumerate(found.beyond) if 0 < count < 0.75 * found.trials]
    if len(kept) < 2:
        return ""
    whole = math.log(found.trials)
    bars = "".join(sparks[min(int(len(sparks) * math.log(count) / whole), len(sparks) - 1)] for _, count in kept)
    near = 2.0 ** (found.first_octave + kept[0][0])
    return f"     trials beyond {near:.3g} {bars} {abs(found.largest):.3g}"


def make_progress(wanted: bool | Progress | None, total: int, label: str, unit: str = "trials") -> Progress:
    """The progress that ``simulate(progress=...)`` asks for: a live view where somebody is looking, else lines."""
    if isinstance(wanted, Progress):
        return wanted
    shown = _shown(wanted, total, label, unit)
    return Logged(shown, total, label, unit) if LOGGER.isEnabledFor(logging.INFO) else shown


def _shown(wanted: bool | None, *told: Any) -> Progress:
    """What a person sees."""
    if wanted is False:
        return Progress()
    if wanted not in (None, True):
        raise TypeError(f"progress must be True, False, None or a Progress, got {wanted!r}")
    if in_notebook() or on_terminal():
        return Screen(*told)
    return Lines(*told) if is_open(sys.stderr) else Progress()


def on_terminal() -> bool:
    """Whether standard error is a terminal that a person watches and that can move its cursor."""
    ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    return is_open(sys.stderr) and sys.stderr.isatty() and not ci and os.environ.get("TERM") != "dumb"


def is_open(stream: Any) -> bool:
    """Whether there is a standard error: under ``pythonw``, or after ``2>&-``, it is None."""
    return stream is not None and not getattr(stream, "closed", False)


def watched_console() -> Any:
    """Where a person looks: standard error; in a notebook text that `live_on` shows."""
    from rich.console import Console

    if not in_notebook():
        return Console(stderr=True)
    plain: dict[str, Any] = {"color_system": None, "force_terminal": False, "legacy_windows": False}
    return Console(file=io.StringIO(), width=_NOTEBOOK, force_jupyter=False, **plain)


def live_on(console: Any) -> Any:
    """What shows something anew and anew, and takes it away at the end; rich's own needs widgets in a notebook."""
    if in_notebook():
        return NotebookLive(console)
    from rich.live import Live

    return Live(console=console, auto_refresh=False, transient=True)


def in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    instance = shell.get_ipython()
    return instance is not None and type(instance).__name__ == "ZMQInteractiveShell"
