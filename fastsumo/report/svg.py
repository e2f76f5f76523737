"""Pictures inside a page: Matplotlib's axes as SVG, and paths of one trial.

Figures have their own colours on white paper, whatever the colours of the page; a path takes those of the page.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

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
        drawn.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _inside(buffer.getvalue(), name, words)


def _inside(svg: str, name: str, words: str) -> str:
    """SVG of a file as an element of a page: every name begins with ``name``, and HTML knows the namespaces."""
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.tag = _bare(element.tag)
        element.attrib = {_bare(key): _renamed(_bare(key), value, name) for key, value in element.attrib.items()}
    root.attrib |= {"role": "img", "aria-label": words}
    return ElementTree.tostring(root, encoding="unicode")


def _bare(qualified: str) -> str:
    """A tag or attribute without its namespace."""
    return qualified.rpartition("}")[2]


def _renamed(key: str, value: str, name: str) -> str:
    """An attribute's value with ``name`` before the names that it gives or refers to."""
    if key == "id":
        return f"{name}-{value}"
    if key == "href":
        return f"#{name}-{value.removeprefix('#')}"
    return value.replace("url(#", f"url(#{name}-")


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
