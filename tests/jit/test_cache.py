"""Start-up: what is compiled in a new process (compilations are counted, not seconds), and what an edited model gives.

Child processes have a copy of a filled cache folder; the folder itself is tested too: damage, size, no permission.
Under which key compiled code is kept is in `test_fingerprint.py` for models and in `test_sources.py` for the package.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import naive
import numba
import numpy as np
import pytest
from numba.core import caching
from zoo import slow

import fastsumo as fs
from fastsumo.cli import doctor
from fastsumo.engine.cpu.kernels import weights
from fastsumo.jit import cache, options
from fastsumo.jit.fingerprint import fingerprint
from fastsumo.jit.sources import compiler_settings

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
        from types import SimpleNamespace
        from fastsumo.engine import crew
        from fastsumo.jit.cache import ContentCache

        loads, load = 0, ContentCache.load_overload

        def counted(*what):
            global loads
            loads += 1
            return load(*what)

        ContentCache.load_overload = counted
        crew.time = SimpleNamespace(perf_counter=lambda: 1e6 * loads)
        model = fs.models.note()
        result = fs.simulate(model, SUMO, 1000)
        fs.sample(model, SUMO, 100)
        fs.replay(model, SUMO, 3)
        fs.roulette.PowerLaw(1.5).sample(100)
        fs.simulate(fs.models.gamma(0.5), fs.IWAE(200), 100)
        tell(mean=result.mean, elapsed=result.elapsed, loads=loads)
    """)
    assert told["passes"] == 0
    assert told["mean"] == fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=300)), 1000).mean
    assert told["loads"] > 0
    assert told["elapsed"] == 0.0  # by a clock that only loading moves


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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "as_file"), [slow(SCRIPT, "script.py", id="script"), pytest.param(NOTEBOOK, "", id="notebook")]
)
def test_models_that_have_no_module(child, code, as_file):
    first = child.run(code, as_file=as_file)
    second = child.run(code, as_file=as_file)
    assert first["passes"] > 0
    assert second["passes"] == 0
    assert (second["mean"], second["again"]) == (first["mean"], first["again"])
    if code == NOTEBOOK:
        assert first["again"] == pytest.approx(0.0, abs=1e-12)
    assert first["mean"] != first["again"]


# --- in this process ------------------------------------------------------------------------------------------------


def test_a_changed_global_is_seen_by_the_next_run():
    table = np.array([1.0, 2.0])

    def model(z, params):  # type: ignore[no-untyped-def]
        return table[0] + 0.0 * z[0]

    mine = fs.Model(model, 1)
    assert fs.replay(mine, fs.ELBO(), 0).log_weights[0] == pytest.approx(1.0)
    table[0] = 5.0
    assert fs.replay(mine, fs.ELBO(), 0).log_weights[0] == pytest.approx(5.0)


def test_what_cannot_be_hashed_runs_and_is_never_used_again(compilations):
    library = ctypes.CDLL(None)
    library.labs.restype, library.labs.argtypes = ctypes.c_long, (ctypes.c_long,)
    labs = library.labs

    def model(z, params):  # type: ignore[no-untyped-def]
        return labs(-3) + 0.0 * z[0]

    assert fingerprint(model) is None
    passes = []
    for _ in range(2):
        before = compilations.passes
        assert fs.replay(fs.Model(model, 1), fs.ELBO(), 0).log_weights[0] == pytest.approx(3.0)
        passes.append(compilations.passes - before)
    assert min(passes) > 0


def test_a_helper_is_what_it_says_now_and_so_are_results():
    """Helpers that were compiled before, two deep; the same model, in quadrature and in a run."""
    offset = 1.0

    @numba.njit
    def deep(x):  # type: ignore[no-untyped-def]
        return 3.0 * x + offset

    @numba.njit
    def helper(x):  # type: ignore[no-untyped-def]
        return deep(x)

    model = fs.Model(lambda z, params: helper(z[0]), 1)
    assert helper(0.0) == 1.0
    before = fs.replay(model, fs.ELBO(), 0).value
    offset = 25.0
    assert fs.replay(model, fs.ELBO(), 0).value == pytest.approx(before + 24.0)
    assert model([0.0]) == 25.0


def slope_model(slope: float) -> fs.Model:
    return fs.Model(lambda z, params: slope * z[0], 1, log_evidence=0.0)


@pytest.mark.parametrize("setting", ["BOUNDSCHECK", "LOOP_VECTORIZE"])
def test_settings_of_the_compiler_are_in_the_key(setting, monkeypatch, empty_cache, compilations):
    """Nothing is read from disk that was compiled under another setting, and nothing is compiled twice under one."""
    kernel = options.kernel(_increment)
    kernel(1)
    seen = []
    for value in (1 - int(getattr(numba.config, setting) or 0), None):
        if value is not None:
            monkeypatch.setattr(numba.config, setting, value)
        else:
            monkeypatch.undo()
            monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(empty_cache.parent))
        before = compilations.passes
        options.kernel(_increment)(1)
        seen.append(compilations.passes > before)
    assert seen == [True, False]


def test_settings_that_do_not_matter_are_not_in_the_key(monkeypatch):
    before = compiler_settings()
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/tmp")
    monkeypatch.setenv("NUMBA_COLOR_SCHEME", "dark_bg")
    assert compiler_settings() == before
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert compiler_settings() != before
    monkeypatch.undo()
    assert compiler_settings() == before


def test_settings_that_others_had_numba_read_are_seen(monkeypatch, tmp_path):
    """Between two runs the environment was changed and changed back, or a file of settings came and went."""
    before = compiler_settings()
    monkeypatch.setenv("NUMBA_OPT", "1")
    numba.core.config.reload_config()
    monkeypatch.undo()
    assert compiler_settings() == before
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".numba_config.yaml"
    pytest.importorskip("yaml")
    file.write_text("opt: '1'", encoding="utf-8")
    assert compiler_settings() != before
    file.write_text("opt: '2'", encoding="utf-8")
    assert len({before, compiler_settings()}) == 2
    file.unlink()
    assert compiler_settings() == before


def _increment(x: int) -> int:
    return x + 1


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FASTSUMO_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert fs.simulate(slope_model(0.111), fs.ELBO(), 10).trials == 10


def test_a_user_without_a_home_runs_without_a_cache(monkeypatch):
    def homeless(*_: object, **__: object) -> str:
        raise RuntimeError("could not determine the home directory for '~/.cache'")

    monkeypatch.delenv("FASTSUMO_CACHE_DIR", raising=False)
    monkeypatch.setattr(cache.platformdirs, "user_cache_dir", homeless)
    cache._say_that_nothing_is_kept.cache_clear()
    with pytest.warns(UserWarning, match="no home folder.*FASTSUMO_CACHE_DIR") as said:
        assert [options.kernel(_increment)(k) for k in range(3)] == [1, 2, 3]
    assert len(said) == 1
    assert doctor.examine()["cache"]["writable"] is False
    monkeypatch.setattr(cache.platformdirs, "user_cache_dir", lambda *_, **__: "~/.cache/fastsumo")
    assert cache.cache_folder() is None


def test_a_folder_that_cannot_be_written_to(empty_cache, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", refuse)
    assert fs.simulate(slope_model(0.113), fs.ELBO(), 10).trials == 10
    assert not empty_cache.exists() or not list(empty_cache.iterdir())


@pytest.mark.parametrize("damage", [slow(b"not a cache entry", id="foreign"), pytest.param(None, id="cut short")])
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


@pytest.mark.slow
def test_the_folder_does_not_grow_without_bound(empty_cache, monkeypatch):
    monkeypatch.setattr(cache, "MAX_CACHE_FILES", 4)
    sizes = []
    for slope in (0.21, 0.22, 0.23):
        fs.simulate(slope_model(slope), fs.ELBO(), 1)
        sizes.append(len(list(empty_cache.iterdir())))
    assert max(sizes) <= 4
    assert sizes[1] > sizes[0]


def test_pruning_keeps_the_youngest(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MAX_CACHE_FILES", 10)
    for age in range(25):
        (tmp_path / f"{age}").touch()
        os.utime(tmp_path / f"{age}", (1e9 - age, 1e9 - age))
    cache.prune(tmp_path)
    assert sorted(int(path.name) for path in tmp_path.iterdir()) == list(range(10))


@pytest.mark.slow
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
    assert cache.cache_folder() == tmp_path
    monkeypatch.delenv("FASTSUMO_CACHE_DIR")
    assert str(cache.cache_folder()).endswith("fastsumo")
    folder = cache.cache_folder()
    assert folder is not None
    assert Path(fs.__file__).parent not in folder.parents
