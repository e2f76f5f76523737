"""The functions of `vmath` for one number, by libm and NumPy: other code, to hold what is compiled against.

Nothing is compiled for them, so that a model can be called in plain Python before anything is.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

_ULP = 2.0**-52


def _sigmoid(x: float) -> float:
    small = np.exp(-abs(x))
    return 1.0 / (1.0 + small) if x >= 0.0 else small / (1.0 + small)


REFERENCES: dict[str, Callable[..., float]] = {
    **{name: getattr(np, name) for name in ("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp")},
    **{name: getattr(np, name) for name in ("sin", "cos", "tan", "tanh", "sqrt", "fabs", "minimum", "maximum")},
    "erf": math.erf,
    "erfc": math.erfc,
    "lgamma": lambda x: math.inf if x <= 0.0 and x == math.floor(x) else math.lgamma(x),
    "log_sigmoid": lambda x: -np.logaddexp(0.0, -x),
    "normal_cdf": lambda x: 0.5 * math.erfc(-x * math.sqrt(0.5)),
    "normal_log_pdf": lambda x: -0.5 * x * x - 0.5 * math.log(2.0 * math.pi),
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(0.0, x),
}
_EXACT = ("fabs", "maximum", "minimum", "sqrt")

_generator: ContextVar[random.Random | bool] = ContextVar("_generator", default=False)


@contextmanager
def by_references(noisy: random.Random | None = None) -> Iterator[None]:
    """Calls of `vmath` with numbers are calls of libm and NumPy here, with an error of some ulp if ``noisy``."""
    token = _generator.set(noisy or True)
    try:
        yield
    finally:
        _generator.reset(token)


def reference(name: str, *numbers: float) -> float | None:
    """What a function of `vmath` is by reference; None if it is not asked for, or there is none."""
    generator = _generator.get()
    if generator is False or name not in REFERENCES:
        return None
    with np.errstate(all="ignore"):
        value = float(REFERENCES[name](*numbers))
    if isinstance(generator, random.Random) and name not in _EXACT:
        value *= 1.0 + generator.uniform(-4.0, 4.0) * _ULP
    return value
