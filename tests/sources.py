"""Models in files of users, which they edit."""

from __future__ import annotations

import textwrap
from pathlib import Path


def source(tmp_path: Path, text: str) -> str:
    file = tmp_path / "mine.py"
    file.write_text("import math\nimport fastsumo as fs\nfrom numba import njit\n" + textwrap.dedent(text))
    return f"{file}:posterior"


SHIFTED = """
    SCALE = {scale}

    @njit
    def helper(x):
        return SCALE * x

    @fs.model(dim=2, params=[1.0])
    def posterior(z, params):
        return -params[0] * z[0] * z[0] + helper(z[1])
"""
