"""Whether two results are the same to the last bit, in everything that is a function of the trials."""

from __future__ import annotations

import numpy as np

import fastsumo as fs


def same_bits(a: fs.Result, b: fs.Result) -> bool:
    one, other = (vars(each.statistics) | {"kept": each.extremes, "unsorted_around": None} for each in (a, b))
    equal = all(np.asarray(one[name]).tobytes() == np.asarray(other[name]).tobytes() for name in one)
    return equal and (a.ranges, a.center) == (b.ranges, b.center)
