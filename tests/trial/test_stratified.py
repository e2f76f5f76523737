"""Stratified uniforms: one trial of a block in each part, in a random order; against a twin in plain Python."""

from __future__ import annotations

import naive
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import fastsumo as fs
from fastsumo.trial.draw import draw_terms
from fastsumo.trial.params import make_params


def drawn(estimator: fs.SUMO | fs.MLMC, first: int, count: int, seed: int = 5) -> NDArray[np.int64]:
    owned, terms = make_params(None, estimator.plan(), seed), np.empty(count, np.int64)
    draw_terms(owned.params, np.uint64(first), terms.ctypes.data, count)
    return terms


def each(size: int) -> fs.SUMO:
    """Whose `K` is where a trial lies among the parts of its block, from 1 for the last part on."""
    return fs.SUMO(fs.roulette.Table(np.arange(size, 0, -1) / size), stratified=size)


def twin(seed: int, trial: int, size: int) -> float:
    """The uniform of one trial."""
    bits, block = size.bit_length() - 1, trial // size
    counter = (block % 2**32, block >> 32, 1, 0)
    place = trial % size
    words = [int(word) for word in naive.philox4x32([np.uint64(c) for c in counter], (seed % 2**32, seed >> 32))]
    for round_, word in enumerate([*words, *words[1:]]):
        low, high = word % 2**16, word >> 16
        place = (place ^ low) * (high | 1) % size if round_ < 4 else (place + high) * (low | 1) % size
        place ^= place >> ((bits + 1) // 2)
    return (place + float(naive.uniforms(seed, trial, 0, 0)[0])) / size


@pytest.mark.parametrize("size", [2, 8, 64, 4096, 65536])
def test_a_block_has_one_trial_in_each_part(size: int) -> None:
    terms = drawn(each(size), 3 * size, 2 * size).reshape(2, size)
    np.testing.assert_array_equal(np.sort(terms, axis=1), np.tile(np.arange(1, size + 1), (2, 1)))
    if size > 8:
        assert np.any(terms[0] != terms[1])


@pytest.mark.parametrize("size", [2, 64, 65536])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_k_is_that_of_the_twin(size: int, seed: int) -> None:
    first = 2**40 + size - 7
    found = drawn(fs.SUMO(stratified=size), first, 40, seed)
    wanted = [int(1.0 / twin(seed, first + t, size)) for t in range(40)]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "estimator",
    [
        fs.SUMO(stratified=64),
        fs.SUMO(fs.roulette.HarmonicGeometric(8, 0.1), stratified=64),
        fs.SUMO(fs.roulette.PowerLaw(1.5, cap=9), stratified=1024),
        fs.MLMC(stratified=16),
        each(256),
    ],
    ids=repr,
)
def test_k_is_a_function_of_the_trial(estimator: fs.SUMO | fs.MLMC) -> None:
    whole = drawn(estimator, 1000, 3000)
    np.testing.assert_array_equal(
        np.concatenate([drawn(estimator, 1000 + s, 7) for s in range(0, 700, 7)]), whole[:700]
    )


def test_k_reaches_as_far_below_the_last_part_as_it_ever_does() -> None:
    """Of the trials in the first part, `K` over the size of a block has the harmonic law."""
    size, blocks = 65536, 200
    largest = drawn(fs.SUMO(stratified=size), 0, size * blocks).reshape(blocks, size).max(axis=1)
    assert largest.min() >= size
    assert stats.kstest(size / (largest + 0.5), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("size", [8, 64])
def test_places_are_uniform_one_by_one_and_in_pairs(size: int) -> None:
    blocks = 65536 // size * 8
    place = drawn(each(size), 0, size * blocks).reshape(blocks, size) - 1
    counts = np.array([np.bincount(place[:, t], minlength=size) for t in range(size)])
    assert stats.chisquare(counts.ravel(), ddof=2 * size - 2).pvalue > 1e-4
    for other in (1, 2, size // 2, size - 1):
        apart = np.bincount((place[:, 0] - place[:, other]) % size, minlength=size)
        assert apart[0] == 0
        expected = blocks / (size - 1.0)
        assert np.abs(apart[1:] / expected - 1.0).max() < 0.3 + 5.0 / np.sqrt(expected)  # mixed, if not shuffled


def test_block_sizes_that_are_none() -> None:
    for wrong in (0, 3, 2**17, -4):
        with pytest.raises(ValueError, match="stratified must be a"):
            fs.SUMO(stratified=wrong)
    for kind in ("4", 2.5, True, None):
        with pytest.raises((TypeError, ValueError), match="stratified must be a whole number"):
            fs.MLMC(stratified=kind)  # type: ignore[arg-type]
