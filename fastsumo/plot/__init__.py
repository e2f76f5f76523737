"""Figures: of runs, of their tails, of targets and of the reasons for a variance.

Functions that draw one panel take ``ax=None`` and return the Axes, on new ones of the width of a column where none are
given; `overview`, `comparison` and `levels` draw several panels and return the figure. What a panel is drawn from may
be a `Result`, a `fastsumo.tails.Summary` or an array of values. Inside `paper` figures have the width and the letters
that a journal wants.

A notebook shows what is returned, Axes and figures, as the value of a cell. Figures belong to no window: save them with
``savefig``, or draw on axes and figures of pyplot and show these. Matplotlib is imported when the first is drawn.
"""

from ._comparison import comparison
from ._cost import cost
from ._levels import levels
from ._octaves import octaves
from ._overview import overview
from ._running import running_mean, running_variance
from ._strata import strata
from ._style import paper
from ._tail import hill, max_sum, mean_excess, tail
from ._target import density
from ._values import histogram
from ._variance import variance
from ._zip import zip

__all__ = [
    "comparison",
    "cost",
    "density",
    "hill",
    "histogram",
    "levels",
    "max_sum",
    "mean_excess",
    "octaves",
    "overview",
    "paper",
    "running_mean",
    "running_variance",
    "strata",
    "tail",
    "variance",
    "zip",
]
