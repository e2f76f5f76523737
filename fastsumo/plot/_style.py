"""What all figures share: colours, sizes, figures that show themselves, legends that lie on no data, letters."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from fastsumo.base import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure

# Okabe and Ito's colours: distinct with every common colour vision, and of different lightness in grey.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
# What is measured is coloured, solid or dotted with marks; theory is black, dash and dot.
STYLES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "D"), (PURPLE, ":", "^"))  # of things side by side
SMALL = 7.5  # points, of legends and ticks
COLUMN = (3.3, 2.6)  # inches
NARROW = 5.0  # inches, below which panels stand one below the other

# Journals refuse Type 3 fonts, which are Matplotlib's default.
_TRUETYPE: dict[Any, Any] = {"pdf.fonttype": 42, "ps.fonttype": 42}
_PAPER_WIDTH: ContextVar[float | None] = ContextVar("width of the figures of a paper", default=None)


@contextmanager
def paper(width: float = 3.35, *, font_size: float = 8.0) -> Iterator[None]:
    """Figures as wide as the column of a journal, with letters and lines of the sizes that print needs.

    Inside the context every figure of `fastsumo` that is not given axes or a figure has this width; where that is less
    than 5 inches, panels stand one below the other. Matplotlib's own settings hold for everything drawn inside, and are
    as they were afterwards. Fonts are embedded as TrueType, in PDF and PostScript; figures that `fastsumo` makes do so
    outside the context too.

    Parameters
    ----------
    width : float
        In inches: 3.35 for one of two columns, about 7 for both.
    font_size : float
        Of labels, in points; ticks and legends are a point smaller.

    Returns
    -------
    context manager

    Raises
    ------
    TypeError, ValueError
        If a number is not positive.

    Examples
    --------
    >>> import fastsumo as fs
    >>> with paper(3.35):
    ...     figure = fs.plot.hill([1.0 / i for i in range(1, 100)]).figure
    >>> float(figure.get_figwidth())
    3.35
    """
    import matplotlib as mpl

    inches, points = checks.real("width", width, 0.0), checks.real("font_size", font_size, 0.0)
    settings: dict[Any, Any] = {"axes.linewidth": 0.6, "lines.linewidth": 1.2, "savefig.dpi": 300.0}
    settings |= {f"{axis}tick.{kind}.width": 0.5 for axis in "xy" for kind in ("major", "minor")}
    settings |= dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "figure.titlesize"), points)
    settings |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), points - 1.0)
    token = _PAPER_WIDTH.set(inches)
    try:
        with mpl.rc_context(settings | _TRUETYPE):
            yield
    finally:
        _PAPER_WIDTH.reset(token)


def new_axes(ax: Axes | None) -> Axes:
    """``ax``, or the axes of a new figure of column width, which show that figure as a notebook's value.

    Raises
    ------
    TypeError
        If ``ax`` is given and is no Axes.
    """
    if ax is not None:
        from matplotlib.axes import Axes

        if not isinstance(ax, Axes):
            raise TypeError(f"ax must be a matplotlib Axes, such as figure.add_subplot(), got {ax!r}")
        return ax
    figure = new_figure(COLUMN)
    axes: Axes = figure.add_subplot()
    vars(axes)["_repr_png_"] = partial(_png, figure)
    if _PAPER_WIDTH.get() is None:
        axes.tick_params(labelsize=SMALL)
        for axis in (axes.xaxis, axes.yaxis):
            axis.label.set_fontsize(SMALL + 1)
            axis.offsetText.set_fontsize(SMALL)
    return axes


def new_figure(size: tuple[float, float], stacked: float | None = None) -> Figure:
    """A figure that lays itself out, that no window owns, and that a notebook shows as a cell's value.

    It shows itself by its own canvas, so that neither pyplot nor ``%matplotlib inline`` is needed; where the latter is
    in force it has a word of its own for figures, and the picture is still shown once.

    Parameters
    ----------
    size : (float, float)
        Inches; in `paper` scaled to its width.
    stacked : float, optional
        Height over width where panels stand one below the other.
    """
    from matplotlib.figure import Figure

    width = _PAPER_WIDTH.get()
    if width is not None:
        narrow = stacked is not None and width < NARROW
        size = (width, width * (stacked if narrow and stacked else size[1] / size[0]))
    figure = Figure(figsize=size, layout="constrained", dpi=150)
    vars(figure).update(savefig=partial(_save, figure), _repr_png_=partial(_png, figure))
    return figure


def figure_or_new(figure: Figure | SubFigure | None, size: tuple[float, float], stacked: float) -> Figure | SubFigure:
    """``figure``, or a new one as of `new_figure`.

    Raises
    ------
    TypeError
        If ``figure`` is given and is neither Figure nor SubFigure.
    """
    if figure is None:
        return new_figure(size, stacked)
    from matplotlib.figure import FigureBase

    if not isinstance(figure, FigureBase):
        raise TypeError(
            f"figure must be a matplotlib Figure or SubFigure, got {figure!r}; several panels do not go on one Axes: "
            "fastsumo.plot draws one of a result there, such as fs.plot.tail(r, ax=ax)"
        )
    return figure


def _save(figure: Figure, file: Any, **options: Any) -> None:
    """``Figure.savefig``, with fonts that journals take."""
    import matplotlib as mpl

    with mpl.rc_context(_TRUETYPE):
        type(figure).savefig(figure, file, **options)


def _png(figure: Figure) -> bytes:
    """The figure as a notebook shows it."""
    buffer = io.BytesIO()
    _save(figure, buffer, format="png", dpi=figure.dpi)
    return buffer.getvalue()


def without_axes(ax: object, instead: str) -> None:
    """A figure of several panels cannot be drawn on axes: say what can be.

    Raises
    ------
    TypeError
        If ``ax`` is not None.
    """
    if ax is not None:
        raise TypeError(f"plot draws several panels, which one Axes cannot hold: give figure=, or {instead}")


def is_narrow(figure: Figure | SubFigure) -> bool:
    """Whether two panels side by side would be too small to read."""
    return bool(figure.bbox.width / figure.dpi < NARROW)


def legend(axes: Axes, ncols: int = 2, **options: Any) -> None:
    """A small legend without a frame, above the axes: there it lies on no data, whatever the data."""
    place = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.1, "ncols": ncols}
    look = {"frameon": False, "fontsize": SMALL, "handlelength": 1.6, "columnspacing": 1.0, "labelspacing": 0.25}
    axes.legend(**(place | look | options))  # type: ignore[arg-type]


def power_at_the_right(axes: Axes) -> None:
    """Put the power of ten of the numbers of the y axis where no legend lies."""
    axes.yaxis.get_offset_text().set(x=1.0, horizontalalignment="right")


def letters(panels: Sequence[Axes]) -> None:
    """The letter of each panel, left of its upper corner, where no legend is."""
    for axes, letter in zip(panels, "abcdefgh", strict=False):
        axes.annotate(
            letter,
            (0.0, 1.0),
            (-30.0, 3.0),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va="bottom",
            weight="bold",
        )


def nothing(axes: Axes, why: str = "nothing to draw") -> Axes:
    """Say so where there is nothing to draw."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY)
    axes.set(xticks=[], yticks=[])
    return axes


def plain(text: str) -> str:
    """Text in which dollars are dollars."""
    return text.replace("$", r"\$")


def label_few_decades(*logarithmic: Axis) -> None:
    """Label 1, 2 and 5 of each decade, or whole decades where there are more than two."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    for axis in logarithmic:
        low, high = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100.0 else (1.0,)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
