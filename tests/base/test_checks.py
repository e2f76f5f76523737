"""The checks of numbers that every public function shares."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastsumo as fs
from fastsumo import tails
from fastsumo.base import checks


@pytest.mark.parametrize("value", [10**7, 1e7, np.float64(1e7), np.float32(1e7), np.int32(10**7), np.array(1e7)])
def test_whole_numbers_of_any_kind(value: object) -> None:
    found = checks.whole("n", value, 1)
    assert (found, type(found)) == (10**7, int)


@pytest.mark.parametrize("value", [1.5, 0, -3, 11, float("nan"), float("inf"), np.float64(2.5), 10**400])
def test_numbers_that_are_not_whole_or_out_of_range(value: object) -> None:
    with pytest.raises(ValueError, match="n must be a whole number from 1 to 10, got "):
        checks.whole("n", value, 1, 10)


@pytest.mark.parametrize("value", [True, np.True_, "7", None, [7], np.array([7]), 1j])
def test_things_that_are_no_number(value: object) -> None:
    with pytest.raises(TypeError, match="n must be a whole number"):
        checks.whole("n", value, 1)
    with pytest.raises(TypeError, match="n must be a finite number"):
        checks.real("n", value)


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), Fraction(1, 2), np.array(0.5)])
def test_real_numbers_of_any_kind(value: object) -> None:
    found = checks.real("x", value, 0.0, 1.0)
    assert (found, type(found)) == (0.5, float)


MASKED = np.ma.masked_array([1.0, 2.0, 3.0], [False, True, False])


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (MASKED, TypeError, "x must not be a masked array.*compressed"),
        ([[1.0], MASKED], TypeError, "x must not be a masked array"),
        ([1.0, np.ma.masked], TypeError, "x must not be a masked array"),
        (np.array([1.0 + 2.0j]), TypeError, r"x must be real numbers, got array\(\[1.\+2.j\]\) \(complex128\)"),
        ([1.0, 2.0j], TypeError, "x must be real numbers"),
        ([Fraction(1, 2), 2.0j], TypeError, "x must be real numbers, got 2j"),
        ([1.0, None], TypeError, "x must be real numbers, got None"),
        (["1.0"], TypeError, "x must be real numbers"),
        (np.array(["2020"], "M8[D]"), TypeError, "x must be real numbers"),
        ([[1.0], [2.0, 3.0]], TypeError, "x must be a sequence of numbers"),
        ([10**400], ValueError, "x must be numbers that float64 can hold"),
    ],
    ids=repr,
)
def test_arrays_that_are_no_real_numbers(value: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        checks.floats("x", value)
    with pytest.raises(kind, match=message):
        checks.vector("x", value)


def test_arrays_of_any_kind() -> None:
    for value in ([1, 2], (True, 2.0), np.float32([1, 2]), [Fraction(1), 2], np.arange(1, 3), range(1, 3)):
        found = checks.floats("x", value)
        assert (found.dtype, found.tolist()) == (np.float64, [1.0, 2.0])
    assert checks.real("x", np.array(2.0)) == 2.0
    with pytest.raises(ValueError, match="x must be a finite number, got an int of 16610 bits"):
        checks.real("x", 10**5000)


def test_tails_take_the_same_whole_numbers() -> None:
    sample = np.random.default_rng(0).standard_t(3, 1000)
    assert tails.tail_index(sample, k=100.0) == tails.tail_index(sample, k=100)
    assert tails.drop_largest(sample, 3.0).variance_without == tails.drop_largest(sample, 3).variance_without
    with pytest.raises(ValueError, match="k must be a whole number of at least 2, got 2.5"):
        tails.tail_index(sample, k=2.5)
    with pytest.raises(ValueError, match=r"level must be a number in \(0, 1\), got 1.0"):
        tails.tail_index(sample, level=1.0)
    with pytest.raises(ValueError, match="unknown side 'rihgt'; did you mean 'right'"):
        tails.tail_index(sample, side="rihgt")


@pytest.mark.parametrize("name", ["", " ", "two\nlines", "\x1b[31mred", "\x00"])
def test_a_name_is_shown_in_a_line(name: str) -> None:
    assert checks.line("name", "é😀, <b>") == "é😀, <b>"
    with pytest.raises(ValueError, match="name must be a word or words that can be printed in a line"):
        checks.line("name", name)
    with pytest.raises(ValueError, match="in a line"):
        fs.Model(lambda z: z[0], 1, name=name)
    with pytest.raises(ValueError, match="in a line"):
        fs.Study("never_made.study").add("note", fs.ELBO(), 10, name=name)
