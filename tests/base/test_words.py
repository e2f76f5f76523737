"""Words that people type: whole numbers."""

from __future__ import annotations

import pytest

from fastsumo.base.words import number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10000000", 10**7),
        ("1e9", 10**9),
        ("10M", 10**7),
        ("2.5k", 2500),
        ("10_000", 10_000),
        ("1,000", 1000),
        ("3G", 3 * 10**9),
    ],
)
def test_numbers(text: str, expected: int) -> None:
    assert number(text) == expected


@pytest.mark.parametrize("text", ["", "k", "1.5", "1e-3", "0x10", "1e400", "ten", "1 2", "inf"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        number(text)
