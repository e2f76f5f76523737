"""What all figures share: colours, axes of column width, and what is said where there is nothing to draw."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours: distinct with every common colour vision, and of different lightness in grey.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
# What is measured is coloured, solid or dotted with marks; theory is black, dash and dot.
STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "D"), (PURPLE, ":", "^"))  # of things side by side
SMALL = 7.5  # points, of legends and ticks
COLUMN = (3.3, 2.6)  # inches


def new_axes(ax: Axes | None) -> Axes:
    """``ax``, or new axes: pyplot's in a session that uses pyplot, else those of a figure no window owns."""
    if ax is not None:
        return ax
    axes: Axes = new_figure(COLUMN).add_subplot()
    axes.tick_params(labelsize=SMALL)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(SMALL + 1)
        axis.offsetText.set_fontsize(SMALL)
    return axes


def new_figure(size: tuple[float, float]) -> Figure:
    """A figure that lays itself out, of pyplot where that is in use."""
    options: dict[str, Any] = {"figsize": size, "layout": "constrained"}
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        return pyplot.figure(**options)  # type: ignore[no-any-return]
    from matplotlib.figure import Figure

    return Figure(**options, dpi=150)


def legend(axes: Axes, **options: Any) -> None:
    """A small legend; by default without a frame."""
    axes.legend(**({"frameon": False, "fontsize": SMALL, "borderaxespad": 0.4, "handlelength": 1.8} | options))


def nothing(axes: Axes) -> Axes:
    """Say so where there is nothing to draw."""
    axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set(xticks=[], yticks=[])
    return axes


def plain(text: str) -> str:
    """Text in which dollars are dollars."""
    return text.replace("$", r"\$")


def label_few_decades(axes: Axes) -> None:
    """Label 1, 2 and 5 of each decade, or whole decades where there are more than two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100.0 else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
