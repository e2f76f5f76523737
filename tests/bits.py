"""Whether two results are the same to the last bit, in everything that is a function of the trials."""

from __future__ import annotations

import fastsumo as fs


def same_bits(a: fs.Result, b: fs.Result) -> bool:
    one, other = a.statistics.arrays(), b.statistics.arrays()
    equal = all(one[name].dtype == other[name].dtype and one[name].tobytes() == other[name].tobytes() for name in one)
    return equal and one.keys() == other.keys() and (a.ranges, a.center) == (b.ranges, b.center)
