"""Statistics as bytes: packed and merged they have the bits of one run, and damage is noticed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bits import same_bits

import fastsumo as fs
from fastsumo.errors import DamagedError
from fastsumo.statistics.merger import StatisticsMerger
from fastsumo.statistics.packed import pack

NOTE = fs.models.note()


CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))


def parts(count: int, size: int = 8192) -> list[fs.Result]:
    return [fs.simulate(NOTE, CAPPED, size, threads=1, first_trial=size * i) for i in range(count)]


def merger_of(center: float, *packed: bytes) -> StatisticsMerger:
    merger = StatisticsMerger(center)
    for each in packed:
        merger.add_packed(each)
    return merger


def test_packed_statistics_come_back_with_the_same_bits() -> None:
    result = fs.simulate(NOTE, CAPPED, 30_000, threads=1)
    packed = pack(result.statistics, result.center)
    assert len(packed) < 1_000_000
    back = dataclasses.replace(result, statistics=merger_of(result.center, packed).statistics())
    assert same_bits(result, back)


def test_merged_in_any_order_and_grouping_have_the_bits_of_one_run() -> None:
    results = parts(6)
    whole = fs.simulate(NOTE, CAPPED, 6 * 8192, threads=2)
    packed = [pack(result.statistics, result.center) for result in results]
    one = merger_of(whole.center)
    for i in (4, 0, 5, 2, 1, 3):
        one.add_packed(packed[i])
    two = merger_of(whole.center, packed[3])
    two.add_packed(packed[1])
    two = merger_of(whole.center, two.packed())
    for i in (5, 0, 4, 2):
        two.add_packed(packed[i])
        two.threshold()
    for merger in (one, two):
        assert same_bits(whole, dataclasses.replace(whole, statistics=merger.statistics()))
    assert one.estimate() == pytest.approx((whole.mean, whole.std_error), rel=1e-12)


def test_a_threshold_drops_only_what_cannot_be_among_the_extremes() -> None:
    results = parts(4)
    whole = fs.simulate(NOTE, CAPPED, 4 * 8192, threads=1)
    merger = merger_of(whole.center)
    sizes = []
    for result in results:
        sizes.append(len(packed := pack(result.statistics, result.center, merger.threshold())))
        merger.add_packed(packed)
    assert same_bits(whole, dataclasses.replace(whole, statistics=merger.statistics()))
    assert sizes[3] < sizes[0]


@pytest.mark.slow
def test_trials_of_zero_weight_and_an_empty_body_can_be_packed() -> None:
    @fs.model(dim=1)
    def half(z, params):  # type: ignore[no-untyped-def]
        return 0.0 if z[0] > 0 else -np.inf

    result = fs.simulate(half, fs.ELBO(), 5000, threads=1)
    back = merger_of(result.center, pack(result.statistics, result.center)).statistics()
    assert back.zero_weight == result.zero_weight_trials > 2000
    empty = merger_of(0.0)
    assert merger_of(0.0, empty.packed()).statistics().finite == 0
    assert np.isnan(empty.estimate()[0])


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:100] + b"x" + b[101:], lambda b: b"", lambda b: b"FSS9" + b[4:]]
)
def test_damaged_bytes_are_noticed(damage) -> None:  # type: ignore[no-untyped-def]
    packed = pack(fs.simulate(NOTE, CAPPED, 100, threads=1).statistics, 0.0)
    with pytest.raises(DamagedError):
        merger_of(0.0, damage(packed))
