"""Masked arrays and complex numbers are refused wherever arrays are taken: what is hidden would be used in silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from fastsumo import tails, vmath

VECTOR = np.linspace(1.0, 2.0, 64)
TABLE = VECTOR.reshape(16, 4)


def f(z, params):  # type: ignore[no-untyped-def]
    return z[0]


def with_row(z, row, params):  # type: ignore[no-untyped-def]
    return z[0] + row[0]


TAKERS: dict[str, Callable[[Any], Any]] = {
    "params": lambda x: fs.Model(f, 1, x),
    "with_params": lambda x: fs.Model(f, 1, VECTOR).with_params(x),
    "data": lambda x: fs.Model(with_row, 1, data=x.reshape(16, 4)),
    "a list as data": lambda x: fs.Model(with_row, 1, data=[x, x]),
    "a point": lambda x: fs.Model(f, 64)(x),
    "a row": lambda x: fs.Model(with_row, 1, data=TABLE)([0.0], x[:4]),
    "what prepare gives": lambda x: fs.Model(
        with_row, 1, data=TABLE, prepare=lambda rows, params: x.reshape(16, 4)
    ).rows(0, 1),
    "a mean": lambda x: fs.proposals.Gaussian(x, 1.0),
    "a covariance": lambda x: fs.proposals.Gaussian(np.zeros(64), x),
    "new parameters": lambda x: fs.proposals.StudentT(np.zeros(64), 1.0, 5.0).with_parameters(mean=x),
    "weights of a mixture": lambda x: fs.proposals.Mixture([fs.proposals.Gaussian([0.0], 1.0)] * 64, x),
    "a survival function": lambda x: fs.roulette.Table(np.sort(x)[::-1] / 2.0),
    "k of a survival function": lambda x: fs.roulette.Harmonic().survival(x),
    "matrix W": lambda x: fs.models.linear_gaussian(x.reshape(16, 4), np.zeros(16), 1.0, data=np.zeros((2, 16))),
    "a regression's table": lambda x: fs.models.logistic_regression(x.reshape(16, 4), np.ones(16), 1.0),
    "log weights": lambda x: fs.sumo(x.reshape(16, 4), terms=1),
    "rows of log weights": lambda x: fs.sumo([x, x], terms=1),
    "log weights with offsets": lambda x: fs.sumo(x, terms=1, offsets=[0, 32, 64]),
    "coefficients": lambda x: fs.sumo_coefficients(x.reshape(16, 4), terms=1),
    "iwae": lambda x: fs.iwae(x.reshape(16, 4)),
    "tail index": tails.tail_index,
    "interval": tails.mean_interval,
    "a histogram": tails.log_histogram,
    "a trace": tails.trace,
    "a fit": tails.gpd_fit,
    "khat": tails.pareto_khat,
    "diagnosis": tails.diagnose,
    "summary": tails.summarize,
    "vmath": lambda x: vmath.exp(x),
}


@pytest.mark.parametrize("take", TAKERS.values(), ids=TAKERS.keys())
def test_masked_and_complex_numbers_are_refused(take: Callable[[Any], Any]) -> None:
    for wrong in (np.ma.masked_array(VECTOR, VECTOR > 1.5), np.ma.masked_array(VECTOR), VECTOR + 1j):
        with pytest.raises(TypeError, match="masked array|real numbers|float32 or float64"):
            take(wrong)


def test_terms_and_offsets_are_not_masked_either() -> None:
    masked = np.ma.masked_array([1, 2], [False, True])
    with pytest.raises(TypeError, match="terms must not be a masked array"):
        fs.sumo(np.zeros((2, 4)), terms=masked)
    with pytest.raises(TypeError, match="offsets must not be a masked array"):
        fs.sumo(np.zeros(4), terms=1, offsets=masked)
