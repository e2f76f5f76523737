"""The example scripts: each says what it is, and runs as it comes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastsumo as fs
from fastsumo.guide import scripts


@pytest.mark.parametrize("name", scripts.names())
def test_a_script_says_what_it_is(name: str) -> None:
    text = scripts.read(name)
    compile(text, name, "exec")
    assert len(scripts.summary(name)) <= 80
    assert scripts.summary(name).endswith(".")
    assert f"    python {name}.py\n" in text
    assert '\nif __name__ == "__main__":\n' in text


@pytest.mark.slow
@pytest.mark.parametrize("name", scripts.names())
def test_a_script_runs(name: str, tmp_path: Path) -> None:
    script = tmp_path / f"{name}.py"
    script.write_text(scripts.read(name), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1]), "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "±" in done.stdout
