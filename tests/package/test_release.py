"""What is released: the wheel holds the package and no more, and runs alone; the sdist holds what its tests need.

Both are built without the network, by the builder that `pyproject.toml` names.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import fastsumo as fs

pytest.importorskip("hatchling")
ROOT = Path(__file__).parents[2]
NAME = f"fastsumo-{fs.__version__}"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", folder], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def sources(*folders: str) -> set[str]:
    """Python files of the tree."""
    return {path.relative_to(ROOT).as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py")}


def test_the_wheel_is_the_package_and_no_more(built: Path) -> None:
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        points = wheel.read(f"{NAME}.dist-info/entry_points.txt").decode()
    guide = [path for path in (ROOT / "fastsumo/guide").rglob("*.*") if path.suffix in (".md", ".jinja2", ".css")]
    others = {path.relative_to(ROOT).as_posix() for path in guide}
    packed = {name for name in names if name.startswith("fastsumo/")}
    assert packed == sources("fastsumo") | others | {"fastsumo/py.typed"}
    assert all(name.startswith(("fastsumo/", f"{NAME}.dist-info/")) for name in names)
    assert "fastsumo = fastsumo.cli:main" in points


@pytest.mark.slow
def test_the_wheel_runs_alone(built: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        wheel.extractall(tmp_path)
    code = "import fastsumo as fs; print(fs.__file__); print(fs.theory.predict(fs.models.note(), fs.SUMO()).tail_index)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))


def test_the_sdist_has_what_its_tests_read(built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        names = {name.removeprefix(f"{NAME}/") for name in archive.getnames()}
    others = {".ci/run", "README.md", "pyproject.toml", "fastsumo/py.typed", "bench/figures/overview.png"}
    assert sources("fastsumo", "tests", "bench") | others <= names
