"""How wide vectors are, whose they are, and that compiled code of one width is not taken for that of another."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.registry import cpu_target

import fastsumo as fs
from fastsumo.jit import cache, machine, vectors

AVX512 = "+avx2,+fma,+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"

# Compiles for a CPU by name, runs nothing that it compiled, and prints how many lines use which registers.
ACROSS = f"""
import sys
from numba.core import codegen, config
config.CPU_NAME, codegen.get_host_cpu_features = sys.argv[1], lambda: {AVX512!r}
import numba
import fastsumo as fs
from fastsumo.engine.cpu.kernels import weights
from fastsumo.jit import machine

def users(x, y):
    for i in range(x.size):
        y[i] = 2.0 * x[i] + 1.0

own = numba.njit("void(float64[::1], float64[::1])")(users)
model = weights.compiled(fs.models.note())
codes = [model._log_weights._library.get_asm_str(),
         next(iter(own.inspect_asm().values()))]
print(*("zmm" in code for code in codes), "·", machine.vectors_chosen())
"""


@pytest.mark.parametrize("cpu", ["icelake-server", "sapphirerapids", "emeraldrapids", "graniterapids"])
def test_servers_of_intels_use_all_that_they_have(cpu: str) -> None:
    assert vectors.prefers_all(cpu, AVX512, chosen=False)
    assert not vectors.prefers_all(cpu, AVX512, chosen=True)  # NUMBA_CPU_FEATURES wins
    assert not vectors.prefers_all(cpu, AVX512.replace("+avx512f", "-avx512f"), chosen=False)


@pytest.mark.parametrize("cpu", ["znver4", "znver5", "skylake-avx512", "tigerlake", "haswell", "", "generic"])
def test_others_are_left_to_llvm(cpu: str) -> None:
    assert not vectors.prefers_all(cpu, AVX512, chosen=False)


def test_code_of_another_width_is_other_code(monkeypatch: pytest.MonkeyPatch) -> None:
    codegen = cpu_target.target_context.codegen()
    keys = []
    for wide in (False, True):
        monkeypatch.setattr(vectors, "prefers_all", lambda cpu, features, chosen, wide=wide: wide)
        keys.append(cache._Keyed._index_key(None, (), codegen))
        assert (vectors.made_wide(codegen) is codegen) is not wide
    assert keys[0] != keys[1]


def test_doctor_is_told_who_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.vectors_chosen() == f"LLVM's choice for {machine.cpu_name()}" or vectors.uses_all(
        cpu_target.target_context.codegen()
    )
    monkeypatch.setattr(vectors.config, "CPU_FEATURES", "+avx2")
    assert machine.vectors_chosen() == "NUMBA_CPU_FEATURES says so"


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names of x86-64 CPUs")
@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ("emeraldrapids", "True False · all that emeraldrapids has: measured faster than LLVM's 256 bits"),
        ("skylake-avx512", "False False · LLVM's choice for skylake-avx512"),
    ],
)
def test_models_are_wide_and_what_others_compile_is_not(cpu: str, expected: str, tmp_path: Path) -> None:
    where = {"PYTHONPATH": str(Path(fs.__file__).parents[1]), "FASTSUMO_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", ACROSS, cpu]
    done = subprocess.run(command, env=os.environ | where, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == expected
