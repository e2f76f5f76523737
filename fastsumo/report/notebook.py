"""What a notebook shows of something under way: a place below the cell that is written anew, without widgets."""

from __future__ import annotations

from typing import Any

from fastsumo.base.html import escape


class NotebookLive:
    """What `rich.live.Live` is on a terminal: shows what rich can print, then something else, then nothing.

    Parameters
    ----------
    console : rich.console.Console
        That prints it, as plain text.
    """

    def __init__(self, console: Any) -> None:
        self._console, self._place = console, None

    def start(self) -> None:
        """Nothing is shown yet."""

    def stop(self) -> None:
        """Take away what is shown."""
        if self._place is not None:
            self._show("")

    def update(self, shown: Any, refresh: bool = True) -> None:
        """Show this from now on; as with rich, but always at once."""
        with self._console.capture() as captured:
            self._console.print(shown)
        self._show(f"<pre>{escape(captured.get())}</pre>")

    def _show(self, html: str) -> None:
        from IPython.display import HTML, display

        if self._place is None:
            self._place = display(HTML(html), display_id=True)
        else:
            self._place.update(HTML(html))
