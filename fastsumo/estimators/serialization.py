"""Estimators and laws of `K` as JSON: how files keep them."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np

from fastsumo.estimators.estimators import ESTIMATORS, Estimator, told
from fastsumo.estimators.roulette import LAWS, Roulette

_KINDS: dict[str, type] = {kind.__name__: kind for kind in (*ESTIMATORS, *LAWS)}


def estimator_to_json(estimator: Estimator) -> str:
    """JSON that `estimator_from_json` reads back.

    Raises
    ------
    TypeError
        If the estimator or its law is none of fastsumo's.

    Examples
    --------
    >>> import fastsumo as fs
    >>> estimator_to_json(fs.IWAE(5))
    '{"type": "IWAE", "k": 5}'
    """
    return json.dumps(_as_json(estimator))


def estimator_from_json(text: str) -> Estimator:
    """The estimator that `estimator_to_json` wrote.

    Examples
    --------
    >>> estimator_from_json('{"type": "IWAE", "k": 5}')
    IWAE(k=5)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # said once, when it was made
        made = _from_json(json.loads(text))
    if not isinstance(made, Estimator):
        raise ValueError(f"not an estimator: {text}")
    return made


def _as_json(value: Any) -> Any:
    if isinstance(value, (Estimator, Roulette)):
        kind = type(value)
        if kind not in _KINDS.values():
            raise TypeError(
                f"only fastsumo's own estimators and laws can be stored, got {value!r}; use fs.roulette.Table for a law"
            )
        return {"type": kind.__name__} | {name: _as_json(own) for name, own in told(value)}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = _KINDS.get(value["type"])
    if kind is None:
        raise ValueError(f"this version of fastsumo has no {value['type']!r}")
    return kind(*[_from_json(part) for name, part in value.items() if name != "type"])
