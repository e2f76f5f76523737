"""What a shell is told when it asks how a word may go on.

argcomplete asks through the ``completer`` of an argument; the answers are in `completers`, imported when one is wanted.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Any


def attach(argument: argparse.Action, completer: str) -> None:
    """Let an argument be completed by that function of `completers`."""

    def complete(prefix: str, **_: Any) -> list[str]:
        found: list[str] = getattr(importlib.import_module("fastsumo.cli.completers"), completer)(prefix)
        return found

    argument.completer = complete  # type: ignore[attr-defined]
