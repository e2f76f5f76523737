"""The bits of 53 pairs of model and estimator, as they were: values, terms and all that is kept of the trials.

A change here is a change of what seeds give, which a version must not bring by accident. `digests.json` has the hashes;
where one is meant to change, ``python tests/engine/test_digests.py --write`` writes it anew; without ``--write`` that
program says which differ on a machine, such as one with a CPU of another kind, or one that is emulated (half
an hour in Bochs 3, whose ``sapphire_rapids`` has AVX-512). All models are written with `vmath`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from zoo import slow

import fastsumo as fs
from fastsumo.vmath import erfc, exp, log, log1p, logaddexp, normal_cdf, sin, tanh

FILE = Path(__file__).with_name("digests.json")


def quartic(x, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(x.size):
        total -= x[j] * x[j] * x[j] * x[j] / params[0] + 0.5 * (x[j] - tanh(x[j])) ** 2
    return total


def uniform(z, params):  # type: ignore[no-untyped-def]
    return log(params[0] * exp(params[1] * z[0]) + z[1] * z[1])


def pair(x, params):  # type: ignore[no-untyped-def]
    return logaddexp(-0.5 * (x[0] * x[0] + x[1] * x[1]), -2.0 - 0.5 * (x[0] - 3.0) ** 2 - 2.0 * x[1] * x[1])


def steep(z, params):  # type: ignore[no-untyped-def]
    return 400.0 * z[0]


def some(z, params):  # type: ignore[no-untyped-def]
    return z[0] if z[0] > -0.7 else -math.inf


def with_row(z, row, params):  # type: ignore[no-untyped-def]
    return row[0] * z[0] - 0.5 * row[1] * z[1] * z[1] + row[2]


def choices(z, params):  # type: ignore[no-untyped-def]
    a = log1p(exp(params[0])) if params[0] > params[1] else tanh(params[0])
    return a * sin(z[0]) - normal_cdf(z[1]) ** 3 if z[0] > a - 1.0 else exp(log(a) * params[1]) + erfc(z[1])


GAUSSIAN, STUDENT = fs.proposals.Gaussian, fs.proposals.StudentT
FULL = np.array([[2.0, 0.5], [0.5, 1.5]])
ROWS = np.linspace(-1.5, 2.0, 24).reshape(8, 3)
MODELS = {
    "note": fs.models.note(),
    "gamma": fs.models.gamma(1.5),
    "lognormal": fs.models.lognormal(1.0),
    "scale": fs.models.gaussian_scale(0.5),
    "funnel": fs.models.funnel(3, "student"),
    "quartic by lanes": fs.importance(quartic, GAUSSIAN(np.zeros(5), 0.8 * np.eye(5)), params=[3.0]),
    "uniform": fs.Model(uniform, 2, [1.5, 0.7], "uniform"),
    "full Gaussian": fs.importance(pair, GAUSSIAN([0.5, 0.0], FULL)),
    "full t": fs.importance(pair, STUDENT([0.5, 0.0], FULL, 4.0)),
    "mixture": fs.importance(
        pair, fs.proposals.Mixture([GAUSSIAN([0.0, 0.0], 1.5), STUDENT([3.0, 0.0], [1.0, 0.5], 5.0)], [0.6, 0.4])
    ),
    "steep": fs.Model(steep, 1),
    "zero weights": fs.Model(some, 1),
    "choices": fs.Model(choices, 2, [0.7, -0.2]),
    "one row": fs.Model(with_row, 2, data=ROWS).at_row(3),
}

HARMONIC, PAPER = fs.roulette.Harmonic, fs.roulette.HarmonicGeometric
PAIRS: list[tuple[str, Any, int]] = [
    ("note", fs.ELBO(), 20_000),
    ("note", fs.IWAE(5), 20_000),
    ("note", fs.IWAE(300), 2_000),
    ("note", fs.JVI(5), 10_000),
    ("note", fs.JVI(200), 1_000),
    ("note", fs.JVI(6, order=2), 5_000),
    ("note", fs.SUMO(HARMONIC(cap=80)), 100_000),
    ("note", fs.SUMO(HARMONIC()), 100_000),
    ("note", fs.SUMO(PAPER()), 50_000),
    ("note", fs.SUMO(fs.roulette.PowerLaw(1.2, cap=1000)), 20_000),
    ("note", fs.SUMO(fs.roulette.Geometric(0.1)), 20_000),
    ("note", fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.5, 0.2, 0.1])), 20_000),
    ("note", fs.SUMO(HARMONIC(cap=500), minimum=5), 20_000),
    ("note", fs.SUMO(HARMONIC(cap=500), start=0), 20_000),
    ("note", fs.SingleTerm(HARMONIC(cap=200)), 10_000),
    ("note", fs.MLMC(), 20_000),
    ("note", fs.MLMC(first=False), 20_000),
    ("note", fs.MLMC(kind="sum", base=2), 20_000),
    ("note", fs.MLMC(first=False, kind="sum"), 20_000),
    ("gamma", fs.SUMO(HARMONIC(cap=80)), 20_000),
    ("lognormal", fs.SUMO(HARMONIC()), 20_000),
    ("scale", fs.SUMO(HARMONIC(cap=1000)), 20_000),
    ("funnel", fs.SUMO(HARMONIC(cap=80)), 10_000),
    ("quartic by lanes", fs.SUMO(HARMONIC(cap=80)), 10_000),
    ("uniform", fs.SUMO(PAPER(8, 0.2)), 20_000),
    ("full Gaussian", fs.IWAE(7), 10_000),
    ("full t", fs.SUMO(HARMONIC(cap=80)), 10_000),
    ("mixture", fs.SUMO(HARMONIC(cap=80)), 10_000),
    ("steep", fs.SUMO(HARMONIC(cap=300)), 5_000),
    ("steep", fs.SUMO(PAPER(8, 0.1)), 5_000),
    ("steep", fs.SingleTerm(HARMONIC(cap=40)), 5_000),
    ("steep", fs.JVI(5), 5_000),
    ("steep", fs.MLMC(), 5_000),
    ("zero weights", fs.SUMO(HARMONIC(cap=300)), 10_000),
    ("zero weights", fs.MLMC(), 10_000),
    ("one row", fs.SUMO(HARMONIC(cap=80), minimum=3), 10_000),
    ("note", fs.SUMO(fs.roulette.PowerLaw(0.7, cap=5000)), 10_000),
    ("note", fs.SUMO(fs.roulette.PowerLaw(2.5)), 20_000),
    ("note", fs.SUMO(PAPER(6, 1.0)), 20_000),
    ("note", fs.SUMO(fs.roulette.Geometric(0.6, cap=30)), 20_000),
    ("note", fs.SingleTerm(PAPER(20, 0.3)), 10_000),
    ("note", fs.IWAE(2), 50_000),
    ("note", fs.MLMC(0.3, base=4), 10_000),
    ("gamma", fs.JVI(7), 10_000),
    ("lognormal", fs.IWAE(1500), 200),
    ("lognormal", fs.SingleTerm(HARMONIC(cap=300)), 10_000),
    ("quartic by lanes", fs.IWAE(20), 5_000),
    ("choices", fs.SUMO(HARMONIC(cap=80)), 20_000),
    ("note", fs.Taylor(), 50_000),
    ("note", fs.Taylor(fs.roulette.Geometric(0.2), block=5, log_center=2.0), 20_000),
    ("note", fs.Taylor(block=150), 2_000),
    ("gamma", fs.Taylor(HARMONIC(), block=3), 10_000),
    ("zero weights", fs.Taylor(PAPER(8, 0.1)), 10_000),
]
KEYS = [f"{model} · {estimator!r}" for model, estimator, _ in PAIRS]
COMPILED_HERE_ALONE = {
    "scale",
    "funnel",
    "uniform",
    "full Gaussian",
    "full t",
    "mixture",
    "choices",
    "one row",
}  # for the slow tests


def digest_of(model: fs.Model, estimator: Any, trials: int, device: str = "cpu") -> str:
    """A hash over values, terms and statistics of trials."""
    what: dict[str, Any] = {"seed": 1, "threads": 2, "first_trial": 1000, "device": device}
    values, terms = fs.sample(model, estimator, trials, **what)
    r = fs.simulate(model, estimator, trials, progress=False, **what)
    found = hashlib.sha256(values.tobytes() + terms.tobytes())
    for table in (r.extremes, r.by_terms, r.trace):
        for name in table.dtype.names:
            found.update(np.ascontiguousarray(table[name]).tobytes())
    for part in (r.histogram.low, r.histogram.high, r.histogram.counts):
        found.update(part.tobytes())
    numbers = [r.center, r.finite_mean, r.finite_variance, r.min, r.max, r.trials, r.cost, r.zero_weight_trials]
    found.update(np.array([*numbers, r.largest_terms], float).tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize(
    ("pair", "key"),
    [
        (slow if pair[0] in COMPILED_HERE_ALONE else pytest.param)(pair, key, id=key)
        for pair, key in zip(PAIRS, KEYS, strict=True)
    ],
)
def test_the_bits_are_what_they_were(pair: tuple[str, Any, int], key: str) -> None:
    name, estimator, trials = pair
    known = json.loads(FILE.read_text(encoding="utf-8"))
    assert list(known) == KEYS
    assert digest_of(MODELS[name], estimator, trials) == known[key]


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("pair", "key"),
    [
        pytest.param(pair, key, id=key)
        for pair, key in zip(PAIRS, KEYS, strict=True)
        if getattr(pair[1], "order", 1) == 1
    ],
)
def test_a_gpu_has_them_too(pair: tuple[str, Any, int], key: str, gpu: str) -> None:
    name, estimator, trials = pair
    known = json.loads(FILE.read_text(encoding="utf-8"))
    assert digest_of(MODELS[name], estimator, trials, gpu) == known[key]


# What a CPU must have to run code that is compiled for others, by the names that LLVM has for both.
_AVX2 = {"avx2", "bmi", "bmi2", "fma", "f16c", "lzcnt", "movbe", "popcnt"}
_AVX512 = _AVX2 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
_NEWEST = _AVX512 | {"avx512bf16", "avx512bitalg", "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni", "gfni"}
CPUS = {
    "haswell": _AVX2,
    "znver3": _AVX2 | {"adx", "clzero", "sse4a", "vaes", "vpclmulqdq"},
    "skylake-avx512": _AVX512 | {"adx", "clflushopt"},
    "znver4": _NEWEST | {"adx", "clzero", "sse4a", "vaes"},
    "sapphirerapids": _NEWEST | {"adx", "avx512fp16", "avxvnni", "vaes"},
}


@pytest.mark.slow
@pytest.mark.parametrize("cpu", CPUS)
def test_the_bits_are_the_same_on_other_cpus(cpu: str, tmp_path: Path) -> None:
    if platform.machine().lower() not in ("x86_64", "amd64"):
        pytest.skip("names of x86-64 CPUs")
    lacking = sorted(name for name in CPUS[cpu] if not llvm.get_host_cpu_features().get(name))
    if lacking:
        pytest.skip(f"this CPU cannot run what is compiled for {cpu}: it lacks {', '.join(lacking)}")
    compiler = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": "", "FASTSUMO_CACHE_DIR": str(tmp_path)}
    where = {"PYTHONPATH": os.pathsep.join([str(Path(fs.__file__).parents[1]), str(FILE.parents[1])])}
    done = subprocess.run([sys.executable, __file__], env=os.environ | compiler | where, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "all 53 as they were\n"), done.stdout + done.stderr


def main() -> int:
    """Compare all digests, or write them anew."""
    found = {key: digest_of(MODELS[name], *what) for (name, *what), key in zip(PAIRS, KEYS, strict=True)}
    if "--write" in sys.argv:
        FILE.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return 0
    known = json.loads(FILE.read_text(encoding="utf-8"))
    others = [key for key in found if found[key] != known.get(key)]
    print("\n".join(others) or f"all {len(found)} as they were")
    return len(others)


if __name__ == "__main__":
    sys.exit(main())
