"""No bit of a trial comes from libm or from NumPy's loops, which differ from one machine to another.

A program prints what kernels are told of estimators, proposals and models, and then trials themselves: here as it is,
and in another process where the elementary functions of `math`, NumPy and SciPy, and LAPACK's factors, are an ulp off.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import fastsumo as fs

AN_ULP_OFF = """
import functools, math, sys
import numba, numpy as np, scipy.special  # these may have what they like
numba.njit(lambda x: x)(1.0)

def off(function):
    @functools.wraps(function)
    def other(*given, **more):
        found = function(*given, **more)
        return np.nextafter(found, np.inf) if isinstance(found, np.ndarray) else math.nextafter(float(found), math.inf)
    return other

for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "pow", "lgamma", "gamma", "erf", "erfc", "tanh",
             "sinh", "cosh", "sin", "cos", "tan", "atan", "atan2", "logaddexp", "cbrt", "float_power"):
    for module in (math, np):
        if getattr(getattr(module, name, None), "__name__", None) == name:  # not under another's name
            setattr(module, name, off(getattr(module, name)))
for module, name in ((np.linalg, "cholesky"), (scipy.special, "ndtri"), (scipy.special, "gammaln")):
    setattr(module, name, off(getattr(module, name)))
assert math.log(2.0) != 0.6931471805599453 and np.exp(np.zeros(1))[0] != 1.0
"""

PROGRAM = """
import hashlib
import numpy as np
import fastsumo as fs
from fastsumo.trial.params import make_params

FULL = np.array([[2.0, 0.5, 0.1], [0.5, 1.5, 0.3], [0.1, 0.3, 0.7]])
GAUSSIAN, STUDENT = fs.proposals.Gaussian, fs.proposals.StudentT
laws = [fs.roulette.Harmonic(), fs.roulette.HarmonicGeometric(), fs.roulette.HarmonicGeometric(6, 1.0),
        fs.roulette.PowerLaw(1.2), fs.roulette.PowerLaw(0.7, cap=9), fs.roulette.Geometric(0.05),
        fs.roulette.Geometric(1.0), fs.roulette.Table(1.0 / np.arange(1.0, 60.0))]
estimators = [*map(fs.SUMO, laws), fs.IWAE(7), fs.JVI(5), fs.JVI(6, order=2)]
estimators += [fs.MLMC(), fs.MLMC(first=False, kind="sum")]
for estimator in estimators:
    owned = make_params(None, estimator.plan(), 7)
    told = {name: value for name, value in owned.params._asdict().items() if not name.endswith("_at")}
    arrays = [part.tobytes() for part in owned.owned if isinstance(part, np.ndarray)]
    print(estimator, told, hashlib.sha256(b"".join(arrays)).hexdigest())
for proposal in [GAUSSIAN([0.1, 0.2], 5.0), GAUSSIAN([1.0, 2.0, 3.0], FULL), STUDENT([0.5, 0.1, 0.2], FULL, 4.5),
                 STUDENT([0.0], 2.0, 1.0), STUDENT([0.0, 1.0], 2.0, 1e9),
                 fs.proposals.Mixture([GAUSSIAN([0.0], 1.5), STUDENT([3.0], 1.0, 5.0), GAUSSIAN([1.0], 0.1)], [3, 4, 1])
                 ]:
    print(proposal, proposal.packed().tobytes().hex())
for model in [fs.models.note(), fs.models.gamma(1.5), fs.models.funnel(3), fs.models.funnel(3, "student")]:
    print(model, model.packed().tobytes().hex(), model.log_evidence)
for estimator in estimators:
    values, terms = fs.sample(fs.models.note(), estimator, 300, seed=3)
    print(estimator, hashlib.sha256(values.tobytes() + terms.tobytes()).hexdigest())
unknown = fs.Model(fs.models.lognormal(1.0).function, 1, [1.0])
print(fs.simulate(unknown, fs.ELBO(), 300).center)
"""


def test_nothing_asks_for_libm_or_numpy() -> None:
    with redirect_stdout(StringIO()) as usual:
        exec(PROGRAM, {})  # first, for it compiles what is not compiled yet
    environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1])}
    command = [sys.executable, "-c", AN_ULP_OFF + PROGRAM]
    other = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert other == usual.getvalue()
    assert other.count("\n") > 40
