"""Random numbers: Philox4x32-10 against its published answers, uniforms and normals against the twin.

The promise of the counter layout is tested through what the package draws, not through its kernels.
"""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from scipy import stats

import fastsumo as fs
from fastsumo.engine.cpu.kernels.block import log_weights_of
from fastsumo.engine.cpu.kernels.scratch import Scratch
from fastsumo.engine.devices import open_engine

ONES = 0xFFFFFFFF
ANSWERS = [  # counter, key, output: the known-answer vectors of Random123
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@fs.model(dim=1, noise="uniform")
def first_uniform(z, params):  # type: ignore[no-untyped-def]
    return z[0]


@fs.model(dim=5, noise="uniform")
def fifth_uniform(z, params):  # type: ignore[no-untyped-def]
    return z[4]


@fs.model(dim=4)
def fourth_normal(z, params):  # type: ignore[no-untyped-def]
    return z[3]


@fs.model(dim=5)
def fifth_normal(z, params):  # type: ignore[no-untyped-def]
    return z[4]


@fs.model(dim=2, noise="uniform")
def a_pair(z, params):  # type: ignore[no-untyped-def]
    return z[0] + 1024.0 * z[1]


@pytest.mark.parametrize(("counter", "key", "output"), ANSWERS)
def test_twin_gives_the_known_answers(counter, key, output):
    assert [int(word) for word in naive.philox4x32(counter, key)] == output


def test_the_first_uniform_of_trial_0_of_seed_0_is_the_known_answer():
    word = 0xE169C58D << 32 | 0x6627E8D5
    known = ((word >> 12) + 0.5) * 2.0**-52
    assert naive.uniforms(0, 0, 0, 0)[0] == known
    assert fs.roulette.Harmonic().sample(1)[0] == math.floor(1.0 / known)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**64 - 1])
@pytest.mark.parametrize("trial", [0, 2**32 - 1, 2**32, 2**62 + 5])
def test_every_bit_of_seed_and_trial_counts(seed, trial):
    one = fs.replay(first_uniform, fs.IWAE(4), trial=trial, seed=seed)
    np.testing.assert_allclose(one.log_weights, naive.uniforms(seed, trial, np.arange(4), 1)[0], rtol=0, atol=4e-16)


def test_blocks_of_a_sample_are_numbered_from_one():
    one = fs.replay(fifth_uniform, fs.IWAE(10), trial=3, seed=8)
    np.testing.assert_allclose(one.log_weights, naive.uniforms(8, 3, np.arange(10), 3)[0], rtol=0, atol=4e-16)


@pytest.mark.parametrize("first", [0, 2**32 - 2, 2**51 + 3])
@pytest.mark.parametrize(("model", "block"), [(first_uniform, 1), (fifth_uniform, 3)], ids=["block 1", "block 3"])
def test_sample_indices_beyond_32_bits(model, block, first):
    """Their upper bits go above the number of the block. No run gets there, so this asks the kernel."""
    run = open_engine(model, fs.ELBO(), 99, threads=1)
    out, scratch = np.empty(4), Scratch(run.params)
    log_weights_of(run.params, scratch.address, np.uint64(2**40 + 7), first, 4, out.ctypes.data)
    twin = naive.uniforms(99, 2**40 + 7, np.arange(first, first + 4), block)[0]
    np.testing.assert_allclose(out, twin, rtol=0, atol=4e-16)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 15, 16, 17, 255, 256, 257, 512, 1023, 1025])
def test_any_number_of_samples_is_drawn_whole(count):
    """Two counters go side by side, eight or sixteen are one vector, and some are left over.

    Of an odd number of numbers the last go by pieces of 256.
    """

    def drawn(model):
        run = open_engine(model, fs.ELBO(), 4, threads=1)
        out, scratch = np.empty(count), Scratch(run.params)
        log_weights_of(run.params, scratch.address, np.uint64(11), 0, count, out.ctypes.data)
        return out

    first, second = naive.uniforms(4, 11, np.arange(count), 1)
    np.testing.assert_allclose(drawn(a_pair), first + 1024.0 * second, rtol=0, atol=1e-12)
    u1, u2 = naive.uniforms(4, 11, np.arange(count), 3)
    np.testing.assert_allclose(drawn(fifth_uniform), u1, rtol=0, atol=4e-16)
    normal = np.sqrt(-2.0 * np.log(u1)) * np.cos(2.0 * np.pi * u2)
    np.testing.assert_allclose(drawn(fifth_normal), normal, rtol=0, atol=1e-14)


def test_uniforms_are_never_zero_or_one():
    word = np.array([0, 2**64 - 1, 2**63], np.uint64)
    assert naive._unit(word).tolist() == [2.0**-53, 1.0 - 2.0**-53, 0.5 + 2.0**-53]


def test_normals_are_normal():
    values, _ = fs.sample(fourth_normal, fs.ELBO(), 1_000_000, seed=5)
    assert abs(values.mean()) < 4.5 / 1000
    assert abs(values.var() - 1) < 4.5 * math.sqrt(2) / 1000
    assert stats.kstest(values, "norm").pvalue > 1e-3
    tail = np.count_nonzero(np.abs(values) > 4.0)
    expected = 1e6 * 2 * stats.norm.sf(4.0)
    assert abs(tail - expected) < 4.5 * math.sqrt(expected)


def test_neighbouring_trials_samples_and_seeds_are_uncorrelated():
    n = 200_000
    a, _ = fs.sample(fourth_normal, fs.ELBO(), n, seed=1)
    b, _ = fs.sample(fourth_normal, fs.ELBO(), n, seed=2)
    path = fs.replay(fourth_normal, fs.IWAE(n), trial=0, seed=1).log_weights
    for x, y in [(a, b), (a[1:], a[:-1]), (path[1:], path[:-1]), (a, path)]:
        assert abs(np.corrcoef(x, y)[0, 1]) < 4.5 / math.sqrt(n)
