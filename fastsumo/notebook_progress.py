"""Progress in a notebook: a place below the cell that is written anew, without widgets."""

from __future__ import annotations

import io
import time
from types import TracebackType
from typing import Any

from fastsumo._html import escape
from fastsumo.progress import Look, Progress, line


class Place:
    """Some HTML in a notebook that can be changed, and taken away."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, html: str) -> None:
        from IPython.display import HTML, display

        if self._handle is None:
            self._handle = display(HTML(html), display_id=True)
        else:
            self._handle.update(HTML(html))

    def clear(self) -> None:
        if self._handle is not None:
            self.show("")


class NotebookBar(Progress):
    """A bar in a notebook."""

    _EVERY = 0.25  # seconds

    def __init__(self, total: int, label: str) -> None:
        self._total, self._label = total, label
        self._place, self._stage, self._shown, self._began = Place(), "", 0.0, time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.clear()

    def stage(self, name: str) -> None:
        self._stage, self._began = name, time.perf_counter()
        self._place.show(self._html(0, ""))

    def update(self, done: int, glance: Look) -> None:
        now = time.perf_counter()
        if now - self._shown < self._EVERY:
            return
        self._shown = now
        self._place.show(self._html(done, line(done, self._total, now - self._began, glance())))

    def _html(self, done: int, words: str) -> str:
        bar = f'<progress value="{done}" max="{self._total}" style="width: 16em"></progress>'
        stage = "" if self._stage == "running" else f"{self._stage} "
        return f"{bar} {escape(stage)}{escape(self._label)} &nbsp; {escape(words)}"


class NotebookTable:
    """What `rich.live.Live` is on a terminal: shows something that rich can print, in a notebook."""

    def __init__(self) -> None:
        self._place = Place()

    def start(self) -> None:
        """Nothing is shown yet."""

    def stop(self) -> None:
        self._place.clear()

    def update(self, shown: Any, refresh: bool = True) -> None:
        from rich.console import Console

        console = Console(file=io.StringIO(), record=True, width=120, force_jupyter=False)
        console.print(shown)
        self._place.show(f"<pre>{escape(console.export_text())}</pre>")
