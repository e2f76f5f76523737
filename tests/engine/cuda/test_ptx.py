"""Every kernel compiles to PTX, without a driver; nothing is fused, and what is compiled once comes from the cache."""

from __future__ import annotations

import re
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import fastsumo as fs
from fastsumo.engine.cuda import programs
from fastsumo.engine.cuda.kernels import weight
from fastsumo.engine.cuda.kernels.record import Kind
from fastsumo.jit import options, ptx
from fastsumo.trial.params import make_params

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install 'fastsumo[cuda]'")
HARMONIC = fs.roulette.Harmonic
NOTE = fs.models.note()
NAN = "0d7FF8000000000000"


def kind_of(estimator: fs.Estimator) -> Kind:
    return Kind.of(make_params(None, estimator.plan(), 0).params)


def check(text: str, capability: tuple[int, int]) -> None:
    assert f".target sm_{capability[0]}{capability[1]}" in text
    assert ptx.entry_of(text)
    loose = re.findall(r"\b(?:add|sub|mul)\.f64", text)  # without .rn, the assembler may fuse them
    assert not loose


def test_a_kernel_with_a_model_and_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path))
    source = programs.sources(NOTE, kind_of(fs.SUMO(HARMONIC())), True)[programs.WEIGH][0]
    arguments = source.make, source.signature, (9, 0), source.digest, source.bounds
    text = ptx.ptx_of(*arguments)
    check(text, (9, 0))
    assert "mul.wide.u32" in text
    assert "__nv_" not in text  # no function of NVIDIA's library, whose bits are its own
    assert NAN not in text  # nothing in the model can raise
    monkeypatch.setattr(ptx, "_compile", None)
    assert ptx.ptx_of(*arguments) == text


@numba.njit
def picked(table, i):  # type: ignore[no-untyped-def]
    return table[i]


def indexed(z, params):  # type: ignore[no-untyped-def]
    return params[int(z[0])]


def indexed_by_a_helper(z, params):  # type: ignore[no-untyped-def]
    return picked(params, 3 if z[0] > 3.5 else 1)


def divided(z, params):  # type: ignore[no-untyped-def]
    return 7.0 - 7 // int(z[0])


def multiplied(z, params):  # type: ignore[no-untyped-def]
    return 2.0**-60 * (int(z[0]) * 2**60)


def raising(z, params):  # type: ignore[no-untyped-def]
    if z[0] > 3.5:
        raise ValueError("too far")
    return z[0]


def unassigned(z, params):  # type: ignore[no-untyped-def]
    if params[0] > 0.0:
        found = z[0]
    return found


@pytest.mark.parametrize(
    "function",
    [
        indexed_by_a_helper,
        *(pytest.param(f, marks=pytest.mark.slow) for f in (indexed, divided, multiplied, raising, unassigned)),
    ],
)
def test_what_raises_is_no_weight(function: Any) -> None:
    model = fs.Model(function, 1, [1.0, 2.0, 3.0], log_evidence=0.0)
    assert NAN in programs.compile_log_weights(model, kind_of(fs.ELBO()), (9, 0))


def instructions(text: str) -> Counter[str]:
    return Counter(re.findall(r"^[ \t]+(?:@!?%\w+[ \t]+)?([a-z][\w.]*)[^;\n]*;", text, re.MULTILINE))


def sixteen(x, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(16):
        total += (x[j] - params[j]) ** 2
    return -0.5 * total


def by_size(z, row, params):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(z.size):
        total += row[0] * z[j] + row[-1]
    return total - params[-1]


@pytest.mark.slow
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)], ids=str)
@pytest.mark.parametrize(
    "model",
    [
        NOTE,
        fs.importance(sixteen, fs.proposals.Gaussian(np.zeros(16), 1.2), np.arange(16.0)),
        fs.Model(by_size, 9, [1.0, 2.0], data=np.ones((2, 3))),
    ],
    ids=["note", "sixteen", "by size"],
)
def test_checks_that_nothing_can_fail_cost_nothing(model: fs.Model, capability: Any, monkeypatch: Any) -> None:
    found = []
    for compiled in (weight.checked, lambda function, *sizes: options.inlined(function)):
        monkeypatch.setattr(weight, "checked", compiled)
        kernels = programs.sources(model, kind_of(fs.SUMO(HARMONIC())), True)
        for name in (programs.TILES, programs.WEIGH):
            source = kernels[name][0]
            found.append(instructions(ptx.ptx_of(source.make, source.signature, capability, None, source.bounds)))
    assert found[:2] == found[2:]
    assert min(sum(each.values()) for each in found) > 400


SHIFT = 1.375


@numba.njit
def shifted(x):  # type: ignore[no-untyped-def]
    return x + SHIFT


@numba.njit
def twice_shifted(x):  # type: ignore[no-untyped-def]
    return shifted(shifted(x))


@pytest.mark.slow
def test_helpers_are_what_they_say_now(monkeypatch: pytest.MonkeyPatch) -> None:
    model, found = fs.Model(lambda z, params: twice_shifted(z[0]), 1), []
    for shift in (1.375, 25.625):
        monkeypatch.setitem(globals(), "SHIFT", shift)
        text = programs.compile_log_weights(model, kind_of(fs.ELBO()), (9, 0))
        found.append([f"0d{struct.pack('>d', each).hex().upper()}" in text for each in (1.375, 25.625)])
    assert found == [[True, False], [False, True]]


def test_a_model_that_has_no_form_for_a_gpu() -> None:
    def strange(z, params):  # type: ignore[no-untyped-def]
        return -np.linalg.norm(z)

    model = fs.Model(strange, 1, log_evidence=0.0, name="strange")
    with pytest.raises(fs.ModelError, match="model 'strange' cannot be compiled for a GPU"):
        programs.compile_log_weights(model, kind_of(fs.ELBO()), (9, 0))


@pytest.mark.slow
@pytest.mark.parametrize("capability", [(8, 0), (9, 0)], ids=str)
@pytest.mark.parametrize(
    "estimator",
    [
        fs.IWAE(300),
        fs.SUMO(HARMONIC()),
        fs.SUMO(HARMONIC(), stratified=64),
        fs.SUMO(fs.roulette.HarmonicGeometric()),
        fs.SUMO(fs.roulette.PowerLaw(1.2)),
        fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.2])),
        fs.SingleTerm(HARMONIC()),
        fs.MLMC(),
        fs.JVI(300),
        fs.Taylor(fs.roulette.Geometric(0.1), block=2),
    ],
    ids=repr,
)
def test_every_kernel(estimator: fs.Estimator, capability: tuple[int, int], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path))
    for text in programs.compile_all(NOTE, kind_of(estimator), True, capability).values():
        check(text, capability)
    check(programs.compile_log_weights(NOTE, kind_of(estimator), capability), capability)
