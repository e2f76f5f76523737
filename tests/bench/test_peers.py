"""The benchmark peers do the job that they are timed on: right means, and for the C peer the bits of a twin.

The naive twin here is NumPy that a reader believes at sight; fastsumo itself is not imported.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from zoo import thinned

from bench.peers import PEERS, Peer, c_log_weight, c_peer, peer
from bench.peers.problem import Outcome, similar_terms

CAP = 80


# ---- exact expectation of L_k on the note's problem ----


@cache
def expected_iwae(k: int) -> float:
    """E[L_k] by Frullani's integral, E log(w_1 + ... + w_k) = int (e^-t - phi(t)^k) dt/t, with t = e^s."""
    z = np.linspace(-9.0, 9.0, 121)
    x, y = np.meshgrid(math.sqrt(5) * z, math.sqrt(5) * z[60:], indexing="ij")
    mixture = np.exp(-((x + 2) ** 2 + y**2) / 2) / 2 + np.exp(-((x - 2) ** 2 + y**2) / 8) / 8
    proposal = np.exp(-(x**2 + y**2) / 10) / (10 * math.pi)
    mass = proposal * np.where(y > 0, 2.0, 1.0)  # y and -y weigh alike
    mass /= mass.sum()
    weights = (mixture / proposal).ravel()
    s = np.arange(-30.0, 40.0, 0.2)
    phi = np.array([np.dot(mass.ravel(), np.exp(-t * weights)) for t in np.exp(s)])
    return float(np.sum(np.exp(-np.exp(s)) - phi**k) * 0.2) - math.log(k)


def test_the_quadrature_gives_the_known_values() -> None:
    assert expected_iwae(1) == pytest.approx(1.459658034, abs=2e-9)
    assert expected_iwae(5) == pytest.approx(1.763776963, abs=2e-9)


# ---- every peer ----


def available(each: Peer, monkeypatch: pytest.MonkeyPatch) -> Peer:
    reason = each.unavailable()
    if reason is not None:
        pytest.skip(reason)
    if each.name == "jax":
        from bench.peers import jax_peer

        monkeypatch.setattr(jax_peer, "WIDTHS", (8, CAP))  # two shapes to compile, not twenty
        monkeypatch.setattr(jax_peer, "CHUNK", 1 << 16)
    return each


def mean_and_error(outcome: Outcome) -> tuple[float, float]:
    means = outcome.values.reshape(-1, outcome.batch).mean(axis=1)
    return float(means.mean()), float(means.std() / math.sqrt(len(means)))


@pytest.mark.parametrize("each", thinned(PEERS, 4), ids=lambda each: each.name)
def test_the_mean_of_a_capped_run_is_known(each: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = 1 if each.name == "torch" else 2  # its many small parallel loops crawl where the cores are shared
    outcome = available(each, monkeypatch).trials(30_000, CAP, 11, threads)
    mean, error = mean_and_error(outcome)
    assert abs(mean - expected_iwae(CAP + 1)) < 4.5 * error
    assert len(outcome.values) == len(outcome.terms) == 30_000
    assert outcome.samples == outcome.terms.sum() + 30_000
    assert outcome.terms.min() == 1
    assert outcome.terms.max() == CAP
    for k in (2, 3, 10, CAP):
        share = (outcome.terms[:: outcome.batch] >= k).mean()
        assert share == pytest.approx(1 / k, abs=4.5 * math.sqrt(outcome.batch / k / 30_000))


@pytest.mark.parametrize("name", ["note_script", "numpy_grouped", "torch", "numba_plain", "c_peer"])
def test_a_run_can_be_repeated(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    each = available(peer(name), monkeypatch)
    first, second, other = (each.trials(3_000, 1_000, seed, 1) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.terms, second.terms)
    assert not np.array_equal(first.terms, other.terms)


@pytest.mark.parametrize("name", ["numpy_grouped", "torch"])
def test_giant_trials_agree_with_ordinary_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.peers import numpy_grouped, torch_peer

    each = available(peer(name), monkeypatch)
    for module in (numpy_grouped, torch_peer):
        monkeypatch.setattr(module, "CHUNK", 16)  # now most samples belong to "giant" trials
    mean, error = mean_and_error(each.trials(6_000, CAP, 3, 1))
    assert abs(mean - expected_iwae(CAP + 1)) < 4.5 * error


def test_threads_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    before = numba.get_num_threads()
    available(peer("numba_plain"), monkeypatch).trials(100, CAP, 0, 1)
    assert numba.get_num_threads() == before


def test_registry_says_what_a_peer_cannot_do() -> None:
    assert peer("c_peer").unsupported(None) is None
    assert "caps up to 10000" in str(peer("jax").unsupported(None))
    with pytest.raises(ValueError, match="caps up to 100000"):
        peer("note_script").trials(10, None, 0, 1)
    with pytest.raises(KeyError, match="c_log_weight"):
        peer("fortran")


def test_groups_are_a_partition_within_their_bounds() -> None:
    terms = np.random.default_rng(1).integers(1, 50, 1_000)
    seen = []
    for group, largest in similar_terms(terms, 200, 0.1):
        assert terms[group].max() == largest
        assert largest <= 1.1 * terms[group].min()
        assert len(group) == 1 or len(group) * (largest + 1) <= 200
        seen.extend(group)
    assert sorted(seen) == list(range(1_000))


# ---- the C peer against a naive twin on the same bits ----

Words = NDArray[np.uint64]
LOW = np.uint64(0xFFFFFFFF)


def philox(counter: list[Words], key: tuple[int, int]) -> list[Words]:
    """Philox4x32-10 of Salmon et al. (2011); 32-bit words in 64-bit integers."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (
            (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            p1 & LOW,
            (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            p0 & LOW,
        )
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [c0, c1, c2, c3]


def uniforms(seed: int, trial: Words, sample: Words, block: int) -> tuple[NDArray[np.float64], ...]:
    trial, sample = np.broadcast_arrays(np.asarray(trial, np.uint64), np.asarray(sample, np.uint64))
    high = np.uint64(32)
    counter = [
        trial & LOW,
        trial >> high,
        sample & LOW,
        np.uint64(block) + np.uint64(4096) * (sample >> high),
    ]
    w = philox(counter, (seed % 2**32, seed >> 32))
    words = w[0] | w[1] << high, w[2] | w[3] << high
    return tuple(((word >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52 for word in words)


def twin_value(seed: int, trial: int, terms: int) -> float:
    """One trial as its definition reads: L_1 + sum of k (L_{k+1} - L_k)."""
    u1, u2 = uniforms(seed, np.uint64(trial), np.arange(terms + 1, dtype=np.uint64), 1)
    radius, angle = np.sqrt(-2 * np.log(u1)), 2 * np.pi * u2
    z0, z1 = radius * np.cos(angle), radius * np.sin(angle)
    x, y = math.sqrt(5) * z0, math.sqrt(5) * z1
    energy = -np.logaddexp(math.log(1 / 2) - ((x + 2) ** 2 + y**2) / 2, math.log(1 / 8) - ((x - 2) ** 2 + y**2) / 8)
    log_weights = -energy + math.log(10 * math.pi) + (z0**2 + z1**2) / 2
    path = np.logaddexp.accumulate(log_weights) - np.log(np.arange(1, terms + 2))
    return math.fsum([path[0], *(np.arange(1, terms + 1) * np.diff(path))])


SEED = 0x0123456789ABCDEF


@pytest.fixture(scope="module")
def c_outcome() -> Outcome:
    reason = c_peer.unavailable()
    if reason is not None:
        pytest.skip(reason)
    return c_peer.trials(400_000, None, SEED, 2)


def test_the_twin_knows_the_answers_of_philox() -> None:
    for word, key, expected in (
        (0, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        (0xFFFFFFFF, 0xFFFFFFFF, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ):
        assert [int(c) for c in philox([np.uint64(word)] * 4, (key, key))] == expected


def test_terms_of_the_c_peer_are_those_of_the_twin(c_outcome: Outcome) -> None:
    u = uniforms(SEED, np.arange(400_000, dtype=np.uint64), np.uint64(0), 0)[0]
    expected = np.floor(1.0 / u).astype(np.int64)
    np.testing.assert_array_equal(c_outcome.terms, expected)
    np.testing.assert_array_equal(c_peer.trials(50_001, CAP, SEED, 2).terms, np.minimum(expected[:50_001], CAP))


def test_values_of_the_c_peer_are_those_of_the_twin(c_outcome: Outcome) -> None:
    terms = c_outcome.terms
    largest = np.argsort(terms)[-4:]
    assert terms[largest[-1]] >= 1 << 17, "the seed must reach the trials that all threads share"
    edges = [np.flatnonzero(terms == k)[0] for k in (1, 2, 15, 16, 17, 31, 32, 33)]
    around = [np.flatnonzero(terms >= k)[0] for k in (500, 1_000, 1_023, 2_000, 10_000)]
    for trial in (*range(300), *range(399_900, 400_000), *edges, *around, *largest):
        expected = twin_value(SEED, int(trial), int(terms[trial]))
        assert c_outcome.values[trial] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_c_peer_is_the_same_on_any_number_of_threads(c_outcome: Outcome) -> None:
    alone = c_peer.trials(400_000, None, SEED, 1)
    np.testing.assert_array_equal(alone.values, c_outcome.values)
    assert alone.samples == c_outcome.samples


@pytest.mark.slow
def test_the_two_c_peers_agree(c_outcome: Outcome) -> None:
    other = c_log_weight.trials(50_000, None, SEED, 2)
    np.testing.assert_allclose(other.values, c_outcome.values[:50_000], rtol=1e-9, atol=1e-9)


def test_building_without_a_compiler_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c_peer.shutil, "which", lambda name: None)
    c_peer.library.cache_clear()
    try:
        assert c_peer.unavailable() == "no gcc on the path"
    finally:
        c_peer.library.cache_clear()
