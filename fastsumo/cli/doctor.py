"""What this machine will do with fastsumo, and what to mend: facts, and advice that follows from them.

For ``fastsumo doctor``, and for people who ask for help. Nothing here needs the compiler to work.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from fastsumo._version import __version__
from fastsumo.base.machine import available_threads
from fastsumo.base.text import WIDTH, labelled
from fastsumo.cli.exit_codes import OK
from fastsumo.errors import DeviceError
from fastsumo.jit.cache import cache_folder
from fastsumo.jit.machine import assembly_of, cpu_name, is_tried, vectors_chosen
from fastsumo.jit.numba_internals import TRIED
from fastsumo.models.batch import BATCH, bytes_held
from fastsumo.report.versions import version_of

_LIBRARIES = ("numba", "llvmlite", "numpy", "scipy", "matplotlib", "rich")
_FAST_NUMBA = (0, 67)  # measured: 27 ns a sample with 0.61, 18 with 0.62 to 0.66, 9 with 0.67 and 0.68
_OPTIONAL = {
    "dask": "studies on a Dask cluster",
    "mpi4py": "studies under MPI",
    "loky": "studies on processes that survive a crash",
    "pandas": "to_dataframe",
    "argcomplete": "shell completion",
    "numba-cuda": "trials on an NVIDIA GPU",
    "torch": "vectorised models",
    "jax": "vectorised models",
}
_SETTINGS = (
    "FASTSUMO_CACHE_DIR",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
    "NUMBA_DISABLE_JIT",
    "NUMBA_OPT",
    "NUMBA_DEBUG",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "CI",
    "TERM",
)
_REGISTERS = ((r"\bzmm\d", 512), (r"\bymm\d", 256), (r"\bxmm\d+.*\bxmm|\bv\d+\.2d", 128))


def examine() -> dict[str, Any]:
    """Facts of this machine, this Python and this installation.

    Returns
    -------
    dict
        Ready for JSON: ``fastsumo``, ``python``, ``system``, ``cpu``, ``vector_bits`` (0 where loops are not
        vectorised, None where none could be compiled), ``vectors_chosen`` (by whom), ``threads``, ``cores``,
        ``libraries`` and ``optional`` by name (a version, or None), ``cache`` (folder, files, bytes, writable),
        ``cards`` (NVIDIA GPUs, or why there are none), ``vectorized`` (memory of a vectorised model a thread, in MB),
        ``mpi_launcher``, ``settings`` (environment variables that matter here), ``mend`` (advice).

    Examples
    --------
    >>> found = examine()
    >>> found["threads"] >= 1, found["libraries"]["numba"] is None
    (True, False)
    """
    facts: dict[str, Any] = {
        "fastsumo": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "cpu": cpu_name(),
        "vector_bits": vector_bits(),
        "vectors_chosen": vectors_chosen(),
        "threads": available_threads(),
        "cores": os.cpu_count() or 1,
        "libraries": {name: version_of(name) for name in _LIBRARIES},
        "cache": _cache(),
        "optional": {name: version_of(name) for name in _OPTIONAL},
        "cards": _cards(),
        "vectorized": _vectorized(),
        "mpi_launcher": next((name for name in ("mpiexec", "mpirun", "srun") if shutil.which(name)), None),
        "settings": {name: os.environ[name] for name in _SETTINGS if name in os.environ},
    }
    return facts | {"mend": advice(facts)}


def text(facts: dict[str, Any], width: int = WIDTH) -> str:
    """The facts as a table."""
    return labelled(_rows(facts), width)


def doctor_command(options: argparse.Namespace) -> int:
    facts = examine()
    if options.json:
        print(json.dumps(facts))
    elif not options.quiet:
        print(text(facts, min(WIDTH, shutil.get_terminal_size().columns) if sys.stdout.isatty() else WIDTH))
    return OK


def advice(facts: dict[str, Any]) -> list[str]:
    """What to mend, most harmful first; empty where all is well.

    Examples
    --------
    >>> facts = examine() | {"settings": {"NUMBA_DISABLE_JIT": "1"}}
    >>> advice(facts)[0]
    'NUMBA_DISABLE_JIT is set: nothing is compiled, and nothing will run. Unset it.'
    """
    settings, cache, bits = facts["settings"], facts["cache"], facts["vector_bits"]
    off = settings.get("NUMBA_DISABLE_JIT", "0") not in ("0", "")
    found = ["NUMBA_DISABLE_JIT is set: nothing is compiled, and nothing will run. Unset it."] if off else []
    if not cache["writable"]:
        found.append(
            f"{cache['folder']} cannot be written: every process compiles anew. Set FASTSUMO_CACHE_DIR to a folder "
            "that can."
        )
    if bits is None and not off:
        found.append("A loop of exponentials cannot be compiled, and nothing will run: see what `fastsumo run` says.")
    if bits == 0:
        slow = "Loops are not vectorised: trials run several times slower than this CPU can."
        found.append(f"{slow} Look at the NUMBA_ variables, and at the version of Numba.")
    if not is_tried(facts["libraries"]["numba"]):
        found.append(
            f"Numba {facts['libraries']['numba']} was not tried with this fastsumo, which uses parts of it that change "
            f"between versions: expect errors, and take one of {TRIED[0]} to {TRIED[-1]}."
        )
    if _older(facts["libraries"]["numba"], _FAST_NUMBA):
        found.append(
            f"Numba {facts['libraries']['numba']} makes trials that take two to three times as long as those of "
            f"{'.'.join(map(str, _FAST_NUMBA))} or later."
        )
    for name in ("NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_OPT", "NUMBA_DEBUG"):
        if name in settings:
            found.append(f"{name}={settings[name]} decides what the compiler makes, not this CPU. Unset it if you can.")
    if facts["threads"] < facts["cores"]:
        found.append(
            f"This process may use {facts['threads']} of {facts['cores']} cores: its affinity or its container says so."
        )
    if facts["optional"]["mpi4py"] and not facts["mpi_launcher"]:
        found.append("mpi4py is here, but no mpiexec, mpirun or srun is on the PATH.")
    return found


def vector_bits() -> int | None:
    """Width of the registers that a compiled loop of exponentials really uses; 0 where it is not vectorised.

    None where it cannot be compiled.
    """
    try:
        from numba import types

        exp = importlib.import_module("fastsumo.vmath").exp  # where nothing is compiled it cannot be had

        def loop(x, y):  # type: ignore[no-untyped-def]
            for i in range(x.size):
                y[i] = exp(x[i])
            return x.size

        array = types.float64[::1]
        assembly = assembly_of(loop, types.int64(array, array))
    except Exception:  # such as NUMBA_DISABLE_JIT, of which there is advice
        return None
    packed = [line for line in assembly.splitlines() if re.search(r"\bv?(mul|fmadd\w*)pd|\bfml?a?\b.*\.2d", line)]
    return next((bits for pattern, bits in _REGISTERS if any(re.search(pattern, line) for line in packed)), 0)


def _rows(facts: dict[str, Any]) -> list[tuple[str, str]]:
    bits, cache, optional = facts["vector_bits"], facts["cache"], facts["optional"]
    width = f"{bits} bits, {bits // 64} numbers at a time" if bits else "none: one number at a time"
    seen = "unknown: no loop could be compiled" if bits is None else f"{width} (seen in a loop that was just compiled)"
    writable = "writable" if cache["writable"] else "NOT writable"
    size = f"{cache['files']:,} files, {cache['bytes'] / 1e6:.1f} MB, {writable}"
    here = [f"{name} {version}" for name, version in optional.items() if version]
    absent = [f"{name} ({_OPTIONAL[name]})" for name, version in optional.items() if not version]
    memory = "models in batches of {batch} hold {held:.0f} MB a thread and {number:.2f} MB a number of a sample"
    rows = [
        ("fastsumo", f"{facts['fastsumo']} in Python {facts['python']} ({facts['executable']})"),
        ("system", facts["system"]),
        ("CPU", facts["cpu"]),
        ("vectors", seen),
        ("", facts["vectors_chosen"]),
        ("threads", f"{facts['threads']} of {facts['cores']} cores; fastsumo has threads of its own"),
        ("libraries", ", ".join(f"{name} {version or 'ABSENT'}" for name, version in facts["libraries"].items())),
        ("cache", f"{cache['folder']}"),
        ("", size),
        ("optional", ", ".join(here) or "none"),
        ("vectorised", memory.format(**facts["vectorized"])),
    ]
    if absent:
        rows.append(("not installed", ", ".join(absent)))
    rows += _rows_of_cards(facts["cards"])
    rows.append(("MPI launcher", facts["mpi_launcher"] or "none"))
    if facts["settings"]:
        rows.append(("environment", ", ".join(f"{name}={value}" for name, value in facts["settings"].items())))
    mend = facts["mend"] or ["nothing"]
    return [*rows, ("to mend", mend[0]), *(("", line) for line in mend[1:])]


def _vectorized() -> dict[str, float]:
    """Memory in MB that a vectorised model takes at most."""
    held = bytes_held(BATCH, 0)
    return {"batch": BATCH, "held": held / 1e6, "number": (bytes_held(BATCH, 1) - held) / 1e6}


def _cards() -> Any:
    """The GPUs that can run trials; in words, why there are none."""
    try:
        return importlib.import_module("fastsumo.engine.devices").cards()
    except DeviceError as error:
        return str(error).partition(";")[0]
    except Exception:  # such as NUMBA_DISABLE_JIT, of which there is advice
        return "not looked for: nothing can be compiled"


def _rows_of_cards(found: Any) -> list[tuple[str, str]]:
    if isinstance(found, str):
        return [("GPU", found)]
    will = "{name}, compute capability {capability}, {memory:.0f} GiB: runs trials"
    return [(f"cuda:{i}", will.format(**each | {"memory": each["memory"] / 2**30})) for i, each in enumerate(found)]


def _older(version: str | None, than: tuple[int, ...]) -> bool:
    numbers = re.findall(r"\d+", version or "")
    return bool(numbers) and tuple(map(int, numbers[: len(than)])) < than


def _cache() -> dict[str, Any]:
    folder = cache_folder()
    if folder is None:
        return {"folder": "no folder (this user has no home)", "files": 0, "bytes": 0, "writable": False}
    files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    return {"folder": str(folder), "files": len(files), "bytes": sum(files), "writable": _writable(folder)}


def _writable(folder: Path) -> bool:
    """Whether a file can be made there, or in the nearest folder above it that exists; it is not kept."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    try:
        with tempfile.TemporaryFile(dir=there):
            return True
    except OSError:
        return False
