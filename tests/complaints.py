"""Errors as users see them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def fails(act: Callable[[], Any], kind: type[Exception], message: str) -> str:
    """The message of the error, which is one line."""
    with pytest.raises(kind, match=message) as caught:
        act()
    assert caught.type is kind
    text = str(caught.value)
    assert "\n" not in text
    assert text
    return text
