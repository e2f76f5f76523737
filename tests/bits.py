"""Whether two results are the same to the last bit, in everything that is a function of the trials."""

from __future__ import annotations

from typing import Any

import numpy as np

import fastsumo as fs


def same_bits(a: fs.Result, b: fs.Result) -> bool:
    one, other = (vars(each.statistics) | {"kept": each.extremes, "unsorted_around": None} for each in (a, b))
    return _raw([*one.values()]) == _raw([other[name] for name in one]) and (a.ranges, a.center) == (b.ranges, b.center)


def _raw(value: Any) -> Any:
    return [_raw(each) for each in value] if isinstance(value, (list, tuple)) else np.asarray(value).tobytes()
