"""Runs: the same bits for everyone (threads, pieces, order of merging), interruption, the number of threads.

What the statistics say is in `statistics/test_statistics.py`, the file format in `test_result.py`.
"""

from __future__ import annotations

import _thread
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from bits import same_bits
from zoo import LAWS, MODELS, RUNS, slow

import fastsumo as fs
from fastsumo.base.machine import available_threads
from fastsumo.engine import interface
from fastsumo.report.progress import Progress

TILE = 4096


QUICK = ("note, harmonic", "zeros, power 0.7", "leaps, table", "libm, IWAE 10")


@pytest.fixture(params=[(pytest.param if name in QUICK else slow)(each, id=name) for name, each in RUNS.items()])
def run(request):
    return request.param


def is_dear(estimator: Any) -> bool:
    """Whether a trial takes more than a hundred samples."""
    return estimator in (fs.IWAE(150), fs.SUMO(LAWS["power 0.7"]))


def trials_of(estimator: Any) -> int:
    return 18 * TILE if is_dear(estimator) else 40 * TILE


def agree(a: fs.Result, b: fs.Result) -> None:
    """Whole numbers equal, sums to rounding: what is promised of pieces that cut through tiles."""
    one, two = a.statistics, b.statistics
    for name in ("octave_counts", "group_counts", "period_counts", "bins", "bin_counts", "extremes", "period_largest"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    for name in ("smallest", "largest", "zero_weight", "largest_terms", "overflowed"):
        assert getattr(one, name) == getattr(two, name), name
    assert a.ranges == b.ranges
    assert a.finite_mean == pytest.approx(b.finite_mean, rel=1e-12)
    assert a.finite_variance == pytest.approx(b.finite_variance, rel=1e-12)
    np.testing.assert_allclose(a.by_terms["sum_squares"], b.by_terms["sum_squares"], rtol=1e-12)
    np.testing.assert_allclose(one.groups()[1], two.groups()[1], rtol=1e-11, atol=1e-11)


# --- the same for everyone ------------------------------------------------------------------------------------------


def test_any_number_of_threads(run):
    model, estimator = run
    trials = trials_of(estimator) + 1234
    one = fs.simulate(model, estimator, trials, seed=3, threads=1)
    for threads in (2, 8):
        assert same_bits(fs.simulate(model, estimator, trials, seed=3, threads=threads), one)
    values, terms = fs.sample(model, estimator, trials, seed=3, threads=1)
    for threads in (2, 8):
        again = fs.sample(model, estimator, trials, seed=3, threads=threads)
        assert again[0].tobytes() == values.tobytes()
        assert np.array_equal(again[1], terms)


def test_pieces_of_whole_tiles_make_the_whole(run):
    model, estimator = run
    trials = trials_of(estimator)
    whole = fs.simulate(model, estimator, trials, seed=3)
    cuts = [0, TILE, 5 * TILE, 17 * TILE, trials]
    pieces = [fs.simulate(model, estimator, high - low, seed=3, first_trial=low) for low, high in pairwise(cuts)]
    a, b, c, d = pieces
    assert same_bits(a.merge(b).merge(c).merge(d), whole)
    assert same_bits(d.merge(b).merge(c.merge(a)), whole)
    assert same_bits(a.merge(b.merge(c.merge(d))), whole)


def test_merging_is_commutative_and_associative(run):
    model, estimator = run
    a = fs.simulate(model, estimator, 1001, seed=1)
    b = fs.simulate(model, estimator, 2002, seed=2)
    c = fs.simulate(model, estimator, 3003, seed=1, first_trial=5000)
    assert same_bits(a.merge(b), b.merge(a))
    assert same_bits(a.merge(b).merge(c), c.merge(b.merge(a)))
    assert same_bits(a.merge(c).merge(b), a.merge(b).merge(c))


@pytest.mark.parametrize(
    "cuts", [slow([1]), slow([4095]), slow([4097]), [100, 101, 9000], [8191, 8192, 8193, 50_000]], ids=str
)
def test_odd_pieces_agree_with_the_whole(run, cuts):
    model, estimator = run
    trials = 9_001 if is_dear(estimator) else 61_001
    whole = fs.simulate(model, estimator, trials, seed=3)
    cuts = [0, *[cut for cut in cuts if cut < trials], trials]
    merged = None
    for low, high in pairwise(cuts):
        piece = fs.simulate(model, estimator, high - low, seed=3, first_trial=low)
        merged = piece if merged is None else merged.merge(piece)
    agree(merged, whole)


def test_pieces_of_a_sample_are_the_sample(run):
    model, estimator = run
    values, terms = fs.sample(model, estimator, 10_000, seed=5)
    for first, count in [(0, 1), (4095, 2), (9_999, 1), (3_000, 6_000)]:
        part = fs.sample(model, estimator, count, seed=5, first_trial=first)
        assert part[0].tobytes() == values[first : first + count].tobytes()
        assert np.array_equal(part[1], terms[first : first + count])


def test_seeds_and_numbers_of_trials_make_different_trials():
    model, estimator = MODELS["note"], fs.ELBO()
    base, _ = fs.sample(model, estimator, 1000, seed=0)
    for seed, first in [(1, 0), (2**63, 0), (0, 1000), (0, 2**32), (0, 2**40)]:
        other, _ = fs.sample(model, estimator, 1000, seed=seed, first_trial=first)
        assert not np.any(other == base)


def test_same_seed_same_trials_across_estimators():
    """Common random numbers: a trial's log weights do not depend on the estimator."""
    model = MODELS["note"]
    long = fs.replay(model, fs.IWAE(500), 77, seed=4).log_weights
    for estimator in (fs.ELBO(), fs.IWAE(100), fs.SUMO(fs.roulette.Harmonic(), 20)):
        part = fs.replay(model, estimator, 77, seed=4).log_weights
        assert np.array_equal(part, long[: part.size])


@pytest.mark.slow
def test_the_same_in_another_process():
    code = """
        import fastsumo as fs
        values, _ = fs.sample(fs.models.note(), fs.SUMO(fs.roulette.Harmonic()), 5000, seed=9)
        print(values.tobytes().hex())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    values, _ = fs.sample(MODELS["note"], fs.SUMO(fs.roulette.Harmonic()), 5000, seed=9)
    assert done.stdout.strip() == values.tobytes().hex()


def test_trials_may_be_an_integral_float():
    result = fs.simulate(MODELS["note"], fs.ELBO(), 1e4, seed=1.0, first_trial=10.0)
    assert result.ranges == {1: [(10, 10_010)]}
    assert all(type(seed) is int for seed in result.ranges)
    assert same_bits(
        result, fs.simulate(MODELS["note"], fs.ELBO(), np.int64(10_000), seed=np.uint64(1), first_trial=10)
    )


def test_the_last_trials_of_all():
    last = 2**63 - 1
    result = fs.simulate(MODELS["note"], fs.SUMO(LAWS["harmonic, cap 80"]), 100, seed=2**64 - 1, first_trial=last - 100)
    assert result.ranges == {2**64 - 1: [(last - 100, last)]}
    values, _ = fs.sample(
        MODELS["note"], fs.SUMO(LAWS["harmonic, cap 80"]), 100, seed=2**64 - 1, first_trial=last - 100
    )
    assert result.mean == pytest.approx(values.mean(), rel=1e-12)
    assert int(result.extremes["trial"].max()) == last - 1
    assert int(result.extremes["seed"][0]) == 2**64 - 1


def test_concurrent_runs_in_threads_of_the_caller():
    model, estimator = MODELS["note"], fs.SUMO(fs.roulette.Harmonic())
    expected = fs.simulate(model, estimator, 100_000, seed=1)
    results: list[fs.Result] = []
    callers = [
        threading.Thread(target=lambda: results.append(fs.simulate(model, estimator, 100_000, seed=1, threads=2)))
        for _ in range(4)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 4
    assert all(same_bits(result, expected) for result in results)


# --- the run itself -------------------------------------------------------------------------------------------------


def test_threads_default_to_what_the_process_may_use():
    assert fs.simulate(MODELS["note"], fs.ELBO(), 10).threads == available_threads()
    assert fs.simulate(MODELS["note"], fs.ELBO(), 10, threads=3).threads == 3
    if hasattr(os, "sched_setaffinity"):
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(before)})
            assert available_threads() == 1
        finally:
            os.sched_setaffinity(0, before)


@pytest.mark.parametrize("progress", [True, False, None])
def test_a_progress_bar_changes_nothing(progress, capfd):
    result = fs.simulate(MODELS["note"], fs.ELBO(), 100_000, progress=progress)
    assert same_bits(result, fs.simulate(MODELS["note"], fs.ELBO(), 100_000))
    out, err = capfd.readouterr()
    assert out == ""
    assert progress or err == ""


# --- Ctrl-C ---------------------------------------------------------------------------------------------------------


class Pressed(Progress):
    """Ctrl-C, pressed once from outside of the main thread, as soon as something is done; or as soon as it runs.

    What it ends would take days: that it ends at all is what is tested.
    """

    def __init__(self, *, early: bool = False) -> None:
        self._early, self._moment = early, threading.Event()

    def update(self, done: int, look: object) -> None:
        if done or self._early:
            self._moment.set()

    @contextmanager
    def waits(self) -> Iterator[Pressed]:
        def press() -> None:
            self._moment.wait()
            if not self._over:
                _thread.interrupt_main()

        self._over = False
        finger = threading.Thread(target=press)
        finger.start()
        try:
            yield self
        finally:
            self._over = not self._moment.is_set()
            self._moment.set()
            finger.join()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["note, harmonic", "libm, IWAE 10"])
def test_ctrl_c_returns_what_is_done(name, threads):
    model, estimator = RUNS[name]
    with Pressed().waits() as pressed:
        result = fs.simulate(model, estimator, 10**13, seed=6, threads=threads, progress=pressed)
    assert result.interrupted
    assert 0 < result.trials < 10**13
    spans = result.ranges[6]
    assert result.statistics.finite + result.zero_weight_trials == result.trials
    gaps = [(high, low) for (_, high), (low, _) in pairwise(spans)]
    split = {border for gap in gaps if gap[1] - gap[0] == 1 for border in gap}  # one trial, left in the middle
    assert all(border % TILE == 0 or border in split for span in spans for border in span)
    assert all(low < high for low, high in spans)
    assert all(high < low for high, low in gaps)
    end = spans[-1][1] + 3 * TILE
    rest, at = result, 0
    for low, high in [*spans, (end, end)]:
        if at < low:
            rest = rest.merge(fs.simulate(model, estimator, low - at, seed=6, first_trial=at))
        at = high
    assert rest.ranges == {6: [(0, end)]}
    assert rest.interrupted
    assert same_bits(rest, fs.simulate(model, estimator, end, seed=6))


def test_ctrl_c_inside_the_first_trial_leaves_no_result(monkeypatch: pytest.MonkeyPatch):
    model = MODELS["note"]
    with Pressed(early=True).waits() as pressed, pytest.raises(KeyboardInterrupt):
        fs.simulate(model, fs.IWAE(10**13), 1, progress=pressed)
    with Pressed(early=True).waits() as pressed, pytest.raises(KeyboardInterrupt):
        monkeypatch.setattr(interface.Unwatched, "update", pressed.update)
        fs.sample(model, fs.IWAE(10**13), 1)


def test_ctrl_c_in_sample_is_passed_on(monkeypatch: pytest.MonkeyPatch):
    model = MODELS["note"]
    with Pressed().waits() as pressed, pytest.raises(KeyboardInterrupt):
        monkeypatch.setattr(interface.Unwatched, "update", pressed.update)
        fs.sample(model, fs.IWAE(10**6), 10**6)
    assert fs.sample(model, fs.ELBO(), 3)[0].size == 3


@pytest.mark.slow  # the same signal in this process is above, and of a process that runs a study in study/
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_sigint_of_a_process():
    """A script that is sent SIGINT keeps its result."""
    code = """
        import fastsumo as fs
        from fastsumo.report.progress import Progress

        class Tells(Progress):
            told = False

            def update(self, done, look):
                if done and not self.told:
                    self.told = True
                    print("running", flush=True)

        model, estimator = fs.models.note(), fs.SUMO(fs.roulette.Harmonic())
        result = fs.simulate(model, estimator, 10**13, progress=Tells())
        print(result.interrupted, result.trials > 0, len(result.extremes) > 0)
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "running\n"
        child.send_signal(2)
        assert child.communicate(timeout=300)[0] == "True True True\n"
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0
