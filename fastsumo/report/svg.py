"""Pictures inside a page: Matplotlib's axes as SVG that takes its colours from the page, and paths of one trial."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import numpy as np

from fastsumo.plot import _style
from fastsumo.plot.protocols import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes


SIZE = (3.9, 2.9)  # inches
_POINTS = 90  # of a small picture
_WIDE, _HIGH, _EDGE = 176.0, 38.0, 3.0  # of it, in pixels


def figure(name: str, words: str, draw: Callable[..., Axes], size: tuple[float, float] = SIZE) -> str:
    """What ``draw(ax=axes)`` draws, as SVG for inside a page.

    Parameters
    ----------
    name : str
        Unique in the page.
    words : str
        What it shows, for who cannot see it.
    draw : callable
    size : (float, float)
        In inches, which says how large its letters are.

    Returns
    -------
    str
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        drawn = Figure(figsize=size, layout="constrained")
        axes = drawn.add_subplot()
        axes.tick_params(labelsize=8)
        draw(ax=axes)
        buffer = io.StringIO()
        drawn.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inside(buffer.getvalue(), name, words)


def _inside(svg: str, name: str, words: str) -> str:
    """SVG of a file as an element of a page: names of its own, colours of the page, no more digits than show."""
    from html import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", svg[: svg.index(">")]) + svg[svg.index(">") :]
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(?:xlink:)?href="#([^"]+)"', rf'href="#{name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r'\b(d|points|x|y)="([^"]*)"', lambda found: f'{found[1]}="{_rounded(found[2])}"', svg)
    colours = {each: f"var(--{each.lower()})" for each in ("BLUE", "ORANGE", "GREEN", "PURPLE", "GREY")}
    for each, variable in colours.items():
        svg = re.sub(getattr(_style, each), variable, svg, flags=re.IGNORECASE)
    svg = svg.replace("#000000", "currentColor").replace("#ffffff", "var(--card)")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(words)}" fill="currentColor"', 1).strip()


def _rounded(numbers: str) -> str:
    return re.sub(r"(\.\d\d)\d+", r"\1", " ".join(numbers.split()))


def path(trial: Trial, level: float) -> str:
    """A trial's path of IWAE against the logarithm of the samples, and ``level``, as a small picture.

    Examples
    --------
    >>> import fastsumo as fs
    >>> path(fs.replay(fs.models.note(), fs.SUMO(), 7), 1.8).startswith('<svg class="spark"')
    True
    """
    found = trial.iwae
    rows = np.unique(np.geomspace(1, max(found.size, 1), _POINTS).astype(int)) - 1
    rows = rows[np.isfinite(found[rows])] if found.size else rows[:0]
    if rows.size == 0:
        return "no finite path"
    values = found[rows]
    low, high = min(float(values.min()), level), max(float(values.max()), level)
    reach = max(high - low, 1e-9)
    x = _EDGE + (_WIDE - 2 * _EDGE) * np.log1p(rows) / max(np.log1p(rows[-1]), 1e-9)
    y = _EDGE + (_HIGH - 2 * _EDGE) * (high - values) / reach
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    across = _EDGE + (_HIGH - 2 * _EDGE) * (high - level) / reach
    words = f"IWAE of 1 to {found.size:,} samples, from {found[rows[0]]:.4g} to {values[-1]:.4g}, about {level:.4g}"
    return (
        f'<svg class="spark" viewBox="0 0 {_WIDE:g} {_HIGH:g}" role="img" aria-label="{words}"><title>{words}</title>'
        f'<path d="M0 {across:.1f}H{_WIDE:g}" stroke="var(--orange)" stroke-dasharray="4 3" fill="none"/>'
        f'<polyline points="{points}" stroke="var(--blue)" stroke-width="1.5" fill="none"/>'
        f'<circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" r="2.2" fill="var(--blue)"/></svg>'
    )
