"""The contracts of `import-linter` in pyproject.toml: packages import downwards only, and no circle anywhere."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
_RUN = (
    "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, is_debug_mode=False))"
)


def test_imports_keep_the_contracts() -> None:
    done = subprocess.run([sys.executable, "-c", _RUN], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_every_package_has_its_layer() -> None:
    """What is directly under fastsumo/ is a layer or one of the few files, and the README lists them in that order."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [name.strip() for line in settings["contracts"][0]["layers"] for name in line.split("|")]
    packages = {path.name for path in (ROOT / "fastsumo").iterdir() if (path / "__init__.py").exists()}
    assert packages == set(layers) - {"__main__", "errors", "_version"}
    files = {path.name for path in (ROOT / "fastsumo").iterdir() if path.is_file()}
    assert files == {"__init__.py", "__main__.py", "_version.py", "errors.py", "py.typed"}
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("| folder |")[2].partition("\n\n")[0]
    shown = [
        line.split("`")[1].removeprefix("fastsumo/").strip("/") for line in table.splitlines() if "`fastsumo/" in line
    ]
    assert shown == [name for name in layers if name in packages]
