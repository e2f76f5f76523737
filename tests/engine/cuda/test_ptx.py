"""Every kernel compiles to PTX, without a driver; nothing is fused, and what is compiled once comes from the cache."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

import fastsumo as fs
from fastsumo.engine.cuda import programs
from fastsumo.engine.cuda.kernels.record import Kind
from fastsumo.jit import ptx
from fastsumo.trial.params import make_params

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: pip install 'fastsumo[cuda]'")
HARMONIC = fs.roulette.Harmonic
NOTE = fs.models.note()


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
    monkeypatch.setattr(ptx, "_compile", None)
    assert ptx.ptx_of(*arguments) == text


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
