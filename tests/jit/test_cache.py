"""Start-up: what is compiled in a new process (compilations are counted, not seconds), and what an edited model gives.

Child processes have a copy of a filled cache folder; the folder itself is tested too: damage, size, no permission.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import naive
import numpy as np
import pytest
from numba.core import caching

import fastsumo as fs
from fastsumo.engine.cpu import weights
from fastsumo.jit import compiler
from fastsumo.jit.fingerprint import fingerprint, source_fingerprint

PRELUDE = """
import json, sys
from numba.core import event
class Compilations(event.Listener):
    passes = 0
    def on_start(self, event): self.passes += 1
    def on_end(self, event): pass
compilations = Compilations()
event.register("numba:run_pass", compilations)
import fastsumo as fs
SUMO = fs.SUMO(fs.roulette.Harmonic(cap=300))
def tell(**what): print(json.dumps({"passes": compilations.passes} | what))
"""


class Child:
    """Runs code in new processes with a cache folder of its own."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache

    def run(self, code: str, *, as_file: str = "") -> dict[str, Any]:
        """What the code told; as a script of that name, or from the command line."""
        code = PRELUDE + textwrap.dedent(code)
        path = os.pathsep.join([str(self.folder), str(Path(fs.__file__).parents[1])])
        environment = os.environ | {"FASTSUMO_CACHE_DIR": str(self.cache), "PYTHONPATH": path}
        if as_file:
            (self.folder / as_file).write_text(code)
        what = [str(self.folder / as_file)] if as_file else ["-c", code]
        done = subprocess.run(
            [sys.executable, "-W", "error", *what], capture_output=True, text=True, env=environment, cwd=self.folder
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def child(tmp_path: Path, engine_cache: Path) -> Child:
    shutil.copytree(engine_cache, tmp_path / "cache")
    (tmp_path / "work").mkdir()
    return Child(tmp_path / "work", tmp_path / "cache")


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder for models compiled in this process."""
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path / "cache"))
    weights._compile.cache_clear()
    return tmp_path / "cache" / "compiled"


# --- new processes --------------------------------------------------------------------------------------------------


def test_built_in_models_start_without_compilation(child):
    told = child.run("""
        model = fs.models.note()
        result = fs.simulate(model, SUMO, 1000)
        fs.sample(model, SUMO, 100)
        fs.replay(model, SUMO, 3)
        fs.roulette.PowerLaw(1.5).sample(100)
        fs.simulate(fs.models.gamma(0.5), fs.IWAE(200), 100)
        tell(mean=result.mean, elapsed=result.elapsed)
    """)
    assert told["passes"] == 0
    assert told["mean"] == fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=300)), 1000).mean
    assert told["elapsed"] < 0.5  # seconds of running, not of loading


def test_import_loads_nothing_heavy():
    code = "import sys, fastsumo; print([m for m in ('scipy', 'matplotlib', 'rich', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MODELS = """
import numpy as np
import helpers

TABLE = np.array([1.0, 2.0, 3.0])

def uses_array(z, params): return TABLE[0] * z[0] + TABLE[2]
def uses_module(z, params): return helpers.shift(z[0]) + helpers.OFFSET
def closed_over(slope):
    def model(z, params): return slope * z[0]
    return model
closure = closed_over(0.25)
"""

HELPERS = """
import numba
OFFSET = 10.0
@numba.njit
def shift(x): return x + inner(x)
@numba.njit
def inner(x): return 0.125 * x
"""

RUN_ALL = """
import models
values = {}
for f in (models.uses_array, models.uses_module, models.closure):
    model = fs.Model(f, 1, log_evidence=0.0)
    values[f.__name__] = fs.replay(model, fs.IWAE(3), 5).log_weights.tolist()
    fs.simulate(model, SUMO, 10)
tell(values=values)
"""


def test_a_users_models_compile_once_and_edits_are_seen(child):
    """Functions of every kind of dependence: nothing is compiled the second time, everything that changed the third."""
    z = naive.noise(0, 5, np.arange(3), 1)[:, 0]
    (child.folder / "models.py").write_text(MODELS)
    (child.folder / "helpers.py").write_text(HELPERS)
    first = child.run(RUN_ALL)
    assert first["passes"] > 0
    before = {
        "uses_array": z + 3.0,
        "uses_module": 1.125 * z + 10.0,
        "model": 0.25 * z,
    }
    for name, values in before.items():
        np.testing.assert_allclose(first["values"][name], values, rtol=0, atol=1e-14, err_msg=name)

    (child.folder / "models.py").write_text("# a comment moves every line\n\n" + MODELS)
    second = child.run(RUN_ALL)
    assert second["passes"] == 0
    assert second["values"] == first["values"]

    edited = MODELS.replace("3.0])", "5.0])").replace("(0.25)", "(0.5)")
    (child.folder / "models.py").write_text(edited)
    (child.folder / "helpers.py").write_text(HELPERS.replace("10.0", "20.0").replace("0.125", "0.25"))
    third = child.run(RUN_ALL)
    after = {
        "uses_array": z + 5.0,
        "uses_module": 1.25 * z + 20.0,
        "model": 0.5 * z,
    }
    assert third["passes"] > 0
    for name, values in after.items():
        np.testing.assert_allclose(third["values"][name], values, rtol=0, atol=1e-14, err_msg=name)


SCRIPT = """
import math
shape = 3.0
@fs.model(dim=1, params=[2.0], log_evidence=0.0)
def mine(z, params):
    return params[0] * z[0] - shape
result = fs.simulate(mine, SUMO, 100)
again = fs.simulate(mine.with_params([5.0]), SUMO, 100)
tell(mean=result.mean, again=again.mean)
"""

NOTEBOOK = '''
source = """
slope = 3.0
def mine(z, params):
    return slope * z[0]
"""
cell = {"__name__": "__main__"}
exec(compile(source, "<ipython-input-1>", "exec"), cell)
model = fs.Model(cell["mine"], 1, log_evidence=0.0)
first = fs.simulate(model, SUMO, 100).mean
cell["slope"] = 0.0
tell(mean=first, again=fs.simulate(model, SUMO, 100).mean)
'''


@pytest.mark.parametrize(("code", "as_file"), [(SCRIPT, "script.py"), (NOTEBOOK, "")], ids=["script", "notebook"])
def test_models_that_have_no_module(child, code, as_file):
    first = child.run(code, as_file=as_file)
    second = child.run(code, as_file=as_file)
    assert first["passes"] > 0
    assert second["passes"] == 0
    assert (second["mean"], second["again"]) == (first["mean"], first["again"])
    if code == NOTEBOOK:
        assert first["again"] == pytest.approx(0.0, abs=1e-12)
    assert first["mean"] != first["again"]


# --- content hashes -------------------------------------------------------------------------------------------------

SOURCE = """
import math, operator
import numba
import numpy as np
from fastsumo import vmath
from fastsumo.vmath import exp, log

A, B, T = 2.0, 3, (1.0, (2, 3))
X = np.arange(4.0)

@numba.njit
def deep(x):
    return x * 0.5

@numba.njit(fastmath=False)
def helper(x):
    return deep(x) + A

def f(z, params, scale=1.0):
    total = helper(z[0]) + B * scale + T[1][0] + X[2]
    for i in range(z.size):
        total += math.sin(z[i]) + vmath.exp(z[i]) + log(2.0) + np.abs(z[i])
    return total
"""

EDITS = {
    "a number in the function": ("log(2.0)", "log(3.0)"),
    "an operator": ("+ B * scale", "- B * scale"),
    "a function of a module": ("math.sin", "math.cos"),
    "a function of vmath": ("vmath.exp", "vmath.expm1"),
    "what a name stands for": ("import exp, log", "import exp, log1p as log"),
    "a global number": ("A, B, T = 2.0, 3", "A, B, T = 2.0, 4"),
    "the type of a number": ("A, B, T = 2.0, 3", "A, B, T = 2.0, 3.0"),
    "a nested tuple": ("(2, 3))", "(4, 3))"),
    "an array": ("np.arange(4.0)", "np.arange(4.0) + 1"),
    "the type of an array": ("np.arange(4.0)", "np.arange(4)"),
    "a default": ("scale=1.0", "scale=2.0"),
    "a helper": ("deep(x) + A", "deep(x) - A"),
    "a helper's global": ("A, B, T = 2.0", "A, B, T = 2.5"),
    "a helper's helper": ("x * 0.5", "x * 0.25"),
    "a helper's options": ("fastmath=False", "fastmath=True"),
}


def built(source: str) -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": "edited"}
    exec(compile(source, "edited.py", "exec"), scope)
    return scope


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_every_edit_changes_the_hash(edit):
    assert edit[0] in SOURCE
    before, after = built(SOURCE)["f"], built(SOURCE.replace(*edit))["f"]
    assert fingerprint(before) is not None
    assert fingerprint(after) is not None
    assert fingerprint(before) != fingerprint(after)
    assert source_fingerprint(before) != source_fingerprint(after)


def test_what_does_not_matter_does_not_change_the_hash():
    before = built(SOURCE)["f"]
    for edit in [
        ("total = ", "# why\n    total  =  "),
        ("X = ", "unused = 5\nX = "),
        ("import math, ", "\n\nimport math, "),
    ]:
        assert fingerprint(built(SOURCE.replace(*edit))["f"]) == fingerprint(before)
    assert fingerprint(before) == fingerprint(built(SOURCE)["f"])
    assert fingerprint(before, "context") != fingerprint(before)


def test_the_hash_is_that_of_the_present_values():
    scope = built(SOURCE)
    before = fingerprint(scope["f"])
    scope["X"][2] = 17.0
    changed = fingerprint(scope["f"])
    assert changed != before
    scope["X"][2] = 2.0
    assert fingerprint(scope["f"]) == before


def test_what_cannot_be_hashed_has_no_hash():
    class Thing:
        value = 1.0

    thing = Thing()
    assert fingerprint(lambda z, params: thing.value) is None
    assert fingerprint(math.sin) is None
    assert len(source_fingerprint(lambda z, params: thing.value)) == 64


def test_functions_with_one_code_and_different_cells_differ():
    def closed_over(slope: float) -> Callable[..., float]:
        return lambda z, params: slope * z[0]

    assert fingerprint(closed_over(1.0)) != fingerprint(closed_over(2.0))
    assert fingerprint(closed_over(1.0)) == fingerprint(closed_over(1.0))
    assert fingerprint(closed_over(1.0)) != fingerprint(closed_over(1))


def test_recursive_helpers_have_a_hash():
    scope = built("""
import numba
@numba.njit
def a(x):
    return x if x < 1.0 else b(x - 1.0)
@numba.njit
def b(x):
    return x if x < 1.0 else a(x - 1.0)
def f(z, params):
    return a(z[0])
""")
    assert fingerprint(scope["f"]) is not None


# --- in this process ------------------------------------------------------------------------------------------------


def test_a_changed_global_is_seen_by_the_next_run():
    table = np.array([1.0, 2.0])

    def model(z, params):  # type: ignore[no-untyped-def]
        return table[0] + 0.0 * z[0]

    mine = fs.Model(model, 1)
    assert fs.replay(mine, fs.ELBO(), 0).log_weights[0] == pytest.approx(1.0)
    table[0] = 5.0
    assert fs.replay(mine, fs.ELBO(), 0).log_weights[0] == pytest.approx(5.0)


def test_what_cannot_be_hashed_still_runs():
    import enum

    class Kind(enum.Enum):
        SMALL = 1
        LARGE = 2

    chosen = Kind.LARGE

    def model(z, params):  # type: ignore[no-untyped-def]
        return 3.0 + 0.0 * z[0] if chosen == Kind.LARGE else 0.0

    assert fingerprint(model) is None
    assert fs.replay(fs.Model(model, 1), fs.ELBO(), 0).log_weights[0] == pytest.approx(3.0)


def slope_model(slope: float) -> fs.Model:
    return fs.Model(lambda z, params: slope * z[0], 1, log_evidence=0.0)


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert fs.simulate(slope_model(0.111), fs.ELBO(), 10).trials == 10


def test_a_folder_that_cannot_be_written_to(empty_cache, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", refuse)
    assert fs.simulate(slope_model(0.113), fs.ELBO(), 10).trials == 10
    assert not empty_cache.exists() or not list(empty_cache.iterdir())


@pytest.mark.parametrize("damage", [b"not a cache entry", None], ids=["foreign", "cut short"])
def test_damaged_entries_are_compiled_again(empty_cache, compilations, damage):
    value = fs.replay(slope_model(0.114), fs.ELBO(), 0).value
    entries = list(empty_cache.iterdir())
    assert entries
    for entry in entries:
        entry.write_bytes(entry.read_bytes()[:-100] if damage is None else damage)
    weights._compile.cache_clear()
    before = compilations.passes
    assert fs.replay(slope_model(0.114), fs.ELBO(), 0).value == value
    assert compilations.passes > before
    weights._compile.cache_clear()
    again = compilations.passes
    assert fs.replay(slope_model(0.114), fs.ELBO(), 0).value == value
    assert compilations.passes == again


def test_the_folder_does_not_grow_without_bound(empty_cache, monkeypatch):
    monkeypatch.setattr(compiler, "MAX_CACHE_FILES", 4)
    sizes = []
    for slope in (0.21, 0.22, 0.23):
        fs.simulate(slope_model(slope), fs.ELBO(), 1)
        sizes.append(len(list(empty_cache.iterdir())))
    assert max(sizes) <= 4
    assert sizes[1] > sizes[0]


def test_pruning_keeps_the_youngest(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "MAX_CACHE_FILES", 10)
    for age in range(25):
        (tmp_path / f"{age}").touch()
        os.utime(tmp_path / f"{age}", (1e9 - age, 1e9 - age))
    compiler._prune(tmp_path)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(10))


def test_entries_that_are_used_stay_young(empty_cache):
    """The engine is older than any edit of a model: it must not be the first to go."""
    fs.simulate(slope_model(0.31), fs.ELBO(), 1)
    for entry in empty_cache.iterdir():
        os.utime(entry, (1e9, 1e9))
    weights._compile.cache_clear()
    fs.simulate(slope_model(0.31), fs.ELBO(), 1)
    assert all(entry.stat().st_mtime > 1e9 + 1 for entry in empty_cache.iterdir())


def test_the_folder_is_the_users_or_the_chosen_one(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path))
    assert compiler.cache_folder() == tmp_path
    monkeypatch.delenv("FASTSUMO_CACHE_DIR")
    assert compiler.cache_folder().name == "fastsumo"
    assert Path(fs.__file__).parent not in compiler.cache_folder().parents


def test_the_engines_hash_covers_all_that_its_kernels_freeze():
    """Constants that kernels import from outside `kernels/` are part of the compiled code."""
    package = Path(fs.__file__).parent
    digest = compiler.engine_digest()
    imported = set()
    for path in (package / "kernels").glob("*.py"):
        for line in path.read_text().splitlines():
            if line.startswith("from fastsumo.") and "fastsumo.kernels" not in line and "vmath" not in line:
                imported.add(line.split()[1].removeprefix("fastsumo.") + ".py")
    assert "estimators.py" in imported
    for name in sorted(imported & {"estimators.py", "roulette.py"}):
        source = (package / name).read_bytes()
        assert digest != _digest_without(package, name, source), name


def _digest_without(package: Path, name: str, source: bytes) -> str:
    """The hash if one file read otherwise."""
    real = Path.read_bytes

    def changed(path: Path) -> bytes:
        return source + b"# changed" if path == package / name else real(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", changed)
        return compiler.engine_digest.__wrapped__()


def test_numba_options_live_in_one_place():
    """No `njit` with options outside `_jit.py`, but for the peer that is no part of the engine."""
    package = Path(fs.__file__).parent
    named = [path.name for path in package.rglob("*.py") if re.search(r"\bn?jit\(|cfunc\(", path.read_text())]
    assert sorted(named) == ["_jit.py", "_plain_numba.py"]
