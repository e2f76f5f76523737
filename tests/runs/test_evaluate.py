"""`fs.evaluate`: rows of data, against `fs.sample` of one row at a time, and what may not change a row's bits.

The built-in models of data are in `models/test_data.py`.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import nullcontext
from pathlib import Path

import naive
import numpy as np
import pytest
from complaints import fails
from zoo import slow, thinned

import fastsumo as fs
from fastsumo.models.model import ROW_TRIALS
from fastsumo.report.progress import Progress
from fastsumo.vmath import exp, log, logaddexp

RANDOM = np.random.default_rng(0)
ESTIMATORS = [
    fs.SUMO(fs.roulette.Harmonic()),
    fs.SUMO(fs.roulette.PowerLaw(1.2, cap=300), minimum=3),
    fs.ELBO(),
    fs.IWAE(200),
    fs.JVI(5),
    fs.MLMC(),
    fs.SingleTerm(fs.roulette.PowerLaw(1.5, cap=50)),
]


def shifted(z, row, params):  # type: ignore[no-untyped-def]
    s = params[0] * row[0]
    return logaddexp(row[1] + s * z[0] - 0.5 * s * s, row[1] - s * z[1] - 0.5 * s * s) - params[1]


def evidence(rows, params):  # type: ignore[no-untyped-def]
    return rows[:, 1] + math.log(2.0) - params[1]


def table(rows: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.column_stack([random.uniform(0.1, 1.0, rows), np.linspace(-1e4, 1e4, rows)])


def model(data: np.ndarray | None = None) -> fs.Model:
    return fs.Model(shifted, 2, [0.8, 0.0], data=table() if data is None else data, log_evidence=evidence)


@pytest.mark.parametrize("estimator", thinned(ESTIMATORS, 9), ids=lambda e: repr(e)[:20])
def test_every_row_is_what_its_trials_say(estimator):
    made, trials = model(), 5000  # more than a tile
    found = fs.evaluate(made, estimator, trials, seed=5)
    for i in (0, 7, 11):
        values, terms = fs.sample(made.at_row(i), estimator, trials, 5, first_trial=i * ROW_TRIALS)
        assert found.mean[i] == pytest.approx(values.mean(), rel=1e-13)
        assert found.variance[i] == pytest.approx(values.var(ddof=1), rel=1e-7)
        assert found.cost[i] == sum(estimator.plan().samples(k) for k in terms.tolist())
        deviations = np.sort(np.abs(values - found.center[i]))[::-1]
        k = math.isqrt(trials)
        assert found.tail_index[i] == pytest.approx(k / np.sum(np.log(deviations[:k] / deviations[k])), rel=1e-9)
        assert found.largest_share[i] == pytest.approx(deviations[0] ** 2 / np.sum(deviations**2), rel=1e-9)
    assert np.all(found.trials == trials)


def test_errors_of_stratified_trials_are_those_of_a_rows_own_blocks():
    made, estimator = model(), fs.SUMO(fs.roulette.Harmonic(cap=80), stratified=64)
    for trials in (64 * 300 + 5, 65):
        found = fs.evaluate(made, estimator, trials, seed=2)
        counts = np.bincount(np.arange(trials) // 64 % 256)
        for i in (0, 7, 11):
            values, _ = fs.sample(made.at_row(i), estimator, trials, 2, first_trial=i * ROW_TRIALS)
            off = np.bincount(np.arange(trials) // 64 % 256, values - values.mean())
            wanted = math.sqrt(np.sum(off**2) / (1.0 - np.sum((counts / trials) ** 2))) / trials
            assert found.std_error[i] == pytest.approx(wanted, rel=1e-7)
            assert found.variance[i] == pytest.approx(values.var(ddof=1), rel=1e-7)
        assert found.total_error == pytest.approx(np.sqrt(np.sum(found.std_error**2)))
    one = fs.evaluate(made, estimator, 64, seed=2)  # block
    assert np.isnan(one.std_error).all()
    assert math.isnan(one.total_error)
    assert "blocks of 64 trials" in str(one)
    assert "an unknown number of standard errors away" in " ".join(str(one).split())


def test_log_weights_of_a_row_are_those_of_the_python_function():
    made = model()
    trial = fs.replay(made, fs.IWAE(300), 4, seed=2, row=9)
    noise = naive.noise(2, 9 * ROW_TRIALS + 4, np.arange(300), 2)
    np.testing.assert_allclose(trial.log_weights, made(noise, made.data[9]), rtol=1e-13)


@pytest.mark.slow
def test_the_truth_is_found():
    found = fs.evaluate(model(), fs.MLMC(), 50_000, seed=1)
    assert np.all(np.abs(found.mean - found.log_evidence) < 5.0 * found.std_error)
    assert abs(found.total - found.log_evidence.sum()) < 4.0 * found.total_error
    assert found.total == found.mean.sum()


def test_rows_depend_on_nothing_but_themselves():
    """Not on the other rows, the number of threads, the layout or the number of rows; a longer run begins alike."""
    made, estimator = model(), fs.SUMO(fs.roulette.Harmonic())
    one = fs.evaluate(made, estimator, 700, seed=9, threads=1).sums
    data = np.full((600, 2), 0.3)
    data[5] = made.data[5]
    for threads in (2, 5):
        assert np.array_equal(fs.evaluate(made, estimator, 700, seed=9, threads=threads).sums, one)
    for other in (data, np.asfortranarray(data), np.repeat(data, 2, axis=0)[::2], np.hstack([data, data])[:, 2:]):
        assert np.array_equal(fs.evaluate(model(other), estimator, 700, seed=9).sums[5], one[5])
    assert not np.array_equal(fs.evaluate(made, estimator, 700, seed=10).sums, one)


def test_prepared_rows_depend_on_nothing_but_themselves():
    """A product of matrices may round differently for other shapes; whole blocks are always of one shape."""
    random = np.random.default_rng(2)
    encoder = random.normal(size=(50, 3)) / 7.0

    def prepare(rows, params):  # type: ignore[no-untyped-def]
        return np.tanh(rows @ encoder)

    data = random.normal(size=(100, 50))
    made = fs.Model(lambda z, row, params: row[0] * z[0] + row[1], 1, data=data, prepare=prepare)
    whole = made.rows(0, 100)
    assert whole.shape == (100, 3)
    for first, stop in [(0, 1), (37, 38), (15, 17), (96, 100)]:
        assert np.array_equal(made.rows(first, stop), whole[first:stop])
    other = random.normal(size=(64, 50))
    other[37] = data[37]
    cut = fs.Model(made.function, 1, data=other, prepare=prepare)
    one, two = (fs.evaluate(m, fs.ELBO(), 50).sums for m in (made, cut))
    assert one[37].tobytes() == two[37].tobytes()
    assert float(made([0.5], data[37])) == pytest.approx(0.5 * whole[37, 0] + whole[37, 1], rel=1e-14)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (
            lambda rows, params: rows - rows.mean(axis=0),
            r"-0\.375 in column 0 for a row among others but 0\.0 for it alone",
        ),
        (lambda rows, params: np.hstack([rows, rows[::-1]]), r"in column 1 for a row among others"),
        (lambda rows, params: np.hstack([1e3 + rows, 1e-3 * np.cumsum(rows, axis=0)]), r"in column 1 for a row"),
        (lambda rows, params: rows + RANDOM.normal(size=rows.shape), "called again"),
        (
            lambda rows, params: 1 / 0,
            "given 16 rows, raised ZeroDivisionError: division",
        ),
    ],
)
def test_prepare_that_mixes_rows_is_told(prepare, words):
    """Before anything is compiled, whether all rows are asked for or one."""
    made = fs.Model(lambda z, row, params: row[0], 1, data=np.arange(4.0)[:, None], prepare=prepare)
    for act in (lambda: fs.evaluate(made, fs.ELBO(), 3), lambda: made.at_row(2)):
        fails(act, fs.ModelError, words)


def test_prepare_may_round_with_the_place_and_write_into_what_it_is_given():
    def prepare(rows, params):  # type: ignore[no-untyped-def]
        rows += 1e-7 * np.arange(16)[:, None] * rows
        params[:] = 0.0
        return np.hstack([rows, 1e-17 * np.arange(16)[:, None]])

    made = fs.Model(lambda z, row, params: row[0], 1, [2.0], data=np.arange(4.0)[:, None], prepare=prepare)
    np.testing.assert_allclose(made.at_row(3).row, [3.0, 0.0], atol=1e-6)
    assert made.params[0] == 2.0
    assert made.data[3, 0] == 3.0


@pytest.mark.slow
def test_parameters_reach_prepare_and_rows():
    made = fs.Model(
        lambda z, row, params: row[0], 1, [2.0], data=[[1.0], [3.0]], prepare=lambda rows, params: rows * params[0]
    )
    assert fs.evaluate(made, fs.ELBO(), 3).mean.tolist() == [2.0, 6.0]
    assert fs.evaluate(made.with_params([5.0]), fs.ELBO(), 3).mean.tolist() == [5.0, 15.0]
    assert fs.simulate(made.at_row(1).with_params([5.0]), fs.ELBO(), 3).mean == 15.0


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint8, bool, np.float64])
def test_numbers_of_every_kind(dtype):
    data = (np.arange(24).reshape(12, 2) % 5).astype(dtype)
    found = fs.evaluate(model(data), fs.IWAE(3), 100)
    assert found.sums.tobytes() == fs.evaluate(model(data.astype(np.float64)), fs.IWAE(3), 100).sums.tobytes()


def test_a_memory_map_is_read_row_by_row(tmp_path: Path):
    data = table(3000).astype(np.float32)
    path = tmp_path / "rows.f32"
    data.tofile(path)
    mapped = np.memmap(path, np.float32, "r", shape=data.shape)
    made = fs.Model(shifted, 2, [0.8, 0.0], data=mapped)
    assert isinstance(made.data, np.memmap)
    estimator = fs.SUMO(fs.roulette.Harmonic(cap=20))
    one, two = (fs.evaluate(each, estimator, 20).sums for each in (made, model(data)))
    assert one.tobytes() == two.tobytes()


@pytest.mark.slow
def test_a_million_rows_take_little_more_than_their_trials():
    data = np.random.default_rng(0).uniform(0.1, 1.0, (1_000_000, 2)).astype(np.float32)
    estimator, alone = fs.IWAE(129), model(data).at_row(0)  # as many samples as a row takes: one, and the pilot's 128
    fs.evaluate(model(data[:10]), fs.ELBO(), 1)
    fs.simulate(alone, estimator, 10)
    began = time.process_time()
    fs.evaluate(model(data), fs.ELBO(), 1, threads=1)
    rows = time.process_time() - began
    began = time.process_time()
    fs.simulate(alone, estimator, 1_000_000, threads=1)
    assert rows < 5.0 * (time.process_time() - began)


@pytest.mark.slow
def test_trials_without_weight_are_counted():
    def indicator(z, row, params):  # type: ignore[no-untyped-def]
        return 0.5 if z[0] > row[0] else -math.inf

    made = fs.Model(indicator, 1, data=[[-10.0], [0.0], [9.0]])
    found = fs.evaluate(made, fs.ELBO(), 1000)
    assert found.zero_weight_trials[0] == 0
    assert 400 < found.zero_weight_trials[1] < 600
    assert found.zero_weight_trials[2] == 1000
    assert found.mean[0] == pytest.approx(0.5, rel=1e-13)
    assert found.mean[1:].tolist() == [-math.inf, -math.inf]
    assert found.finite_mean[1] == pytest.approx(0.5, rel=1e-13)
    assert math.isnan(found.finite_mean[2])
    assert np.isnan(found.variance[1:]).all()
    assert found.worst(2)["row"].tolist() == [2, 1]
    assert "2 rows with trials without any weight" in str(found)


@pytest.mark.slow
def test_a_row_far_from_its_pilot_is_exact():
    """No pilot sample has any weight, and the values are far from 0."""
    made = fs.Model(lambda z, row, params: row[0] if z[0] > 3.0 else -math.inf, 1, data=[[1e5]])
    found = fs.evaluate(made, fs.ELBO(), 20_000)
    assert found.finite_mean[0] == pytest.approx(1e5, rel=1e-14)


@pytest.mark.parametrize(("bad", "word"), [(math.nan, "NaN or"), slow(math.inf, "NaN or")])
def test_a_bad_log_weight_names_row_and_trial(bad, word):
    def sometimes(z, row, params):  # type: ignore[no-untyped-def]
        return params[0] if z[0] > row[0] else 0.0

    made = fs.Model(sometimes, 1, [bad if math.isfinite(bad) else 0.0], data=[[50.0], [50.0], [2.5]])
    made = fs.Model(lambda z, row, params: bad if z[0] > row[0] else 0.0, 1, data=made.data)
    with pytest.raises(fs.ModelError, match=rf"{word}.*trial (\d+) of row 2, seed 3; .*row=2\) shows it") as caught:
        fs.evaluate(made, fs.ELBO(), 5000, seed=3)
    trial = int(str(caught.value).split("in trial ")[1].split(" ")[0])
    again = fs.replay(made, fs.ELBO(), trial, seed=3, row=2)
    assert not again.log_weights[0] < math.inf
    assert again.trial == trial


@pytest.mark.slow
def test_a_model_that_raises_names_the_row():
    def raises(z, row, params):  # type: ignore[no-untyped-def]
        if z[0] > row[0]:
            raise ValueError("too far")
        return 0.0

    made = fs.Model(raises, 1, data=[[50.0], [1.0]])
    with pytest.raises(fs.ModelError, match=r"raised ValueError: too far in trial \d+ of row 1"):
        fs.evaluate(made, fs.ELBO(), 5000)


def test_replay_gives_the_same_value():
    made, estimator = model(), fs.SUMO(fs.roulette.Harmonic(cap=500))
    values, terms = fs.sample(made.at_row(3), estimator, 50, 1, first_trial=3 * ROW_TRIALS)
    for t in (0, 49):
        trial = fs.replay(made, estimator, t, 1, row=3)
        assert (trial.value, trial.terms, trial.trial) == (values[t], terms[t], t)


def test_ctrl_c_keeps_the_rows_done():
    class Impatient(Progress):
        asked = False

        def update(self, done, glance):  # type: ignore[no-untyped-def]
            if done and not self.asked:
                self.asked = True
                raise KeyboardInterrupt

    data = table(400)
    made, estimator = model(data), fs.IWAE(100)
    found = fs.evaluate(made, estimator, 20_000, progress=Impatient())
    done = found.trials > 0
    assert found.interrupted
    assert 0 < done.sum() < 400
    assert np.isnan(found.mean[~done]).all()
    whole = fs.evaluate(model(data[: np.flatnonzero(done)[0] + 1]), estimator, 20_000)
    assert np.array_equal(found.sums[np.flatnonzero(done)[0]], whole.sums[-1])
    assert "interrupted" in str(found)


def test_what_is_printed_and_stored():
    found = fs.evaluate(model(), fs.SUMO(fs.roulette.Harmonic()), 1000)
    text = str(found)
    assert "12 rows of 1,000 trials" in text
    assert "worst rows" in text
    assert max(map(len, text.splitlines())) <= 100
    stored = json.loads(json.dumps(found.to_dict()))
    assert stored["total"] == found.total
    assert stored["rows"]["mean"] == found.mean.tolist()
    errors = found.worst(5)["std_error"]
    assert np.all(np.diff(errors) <= 0)
    assert errors[0] == found.std_error.max()
    assert np.isnan(fs.evaluate(model(), fs.ELBO(), 100).tail_index).all()


@pytest.mark.slow
def test_lists_and_helpers_work():
    made = fs.model(1, data=[[1, 2], [3, 4]])(lambda z, row, params: log(exp(row[0] + 0.0 * z[0])) + row[1])
    np.testing.assert_allclose(fs.evaluate(made, fs.ELBO(), 2).mean, [3.0, 7.0])
    density = fs.importance(
        lambda x, row, params: -0.5 * (x[0] - row[0]) ** 2, fs.proposals.Gaussian([0.0], 2.0), data=[[0.0], [0.5]]
    )
    found = fs.evaluate(density, fs.MLMC(), 50_000)
    assert np.all(np.abs(found.mean - 0.5 * math.log(2 * math.pi)) < 5.0 * found.std_error)


BAD = [
    (lambda: fs.evaluate(model(), fs.ELBO(), 0), ValueError, "trials must be"),
    (lambda: fs.evaluate(model(), fs.ELBO(), 2**32), ValueError, "trials must be"),
    (lambda: fs.evaluate(model(), fs.ELBO(), 10, seed=-1), ValueError, "seed must be"),
    (lambda: fs.evaluate(model(), fs.ELBO(), 10, threads=0), ValueError, "threads must be"),
    (lambda: fs.evaluate(model(), fs.ELBO, 10), TypeError, "did you mean ELBO"),
    (lambda: fs.evaluate(shifted, fs.ELBO(), 10), TypeError, "model must be a fastsumo Model"),
    (lambda: fs.evaluate(fs.models.note(), fs.ELBO(), 10), ValueError, "has no data: use fs.simulate"),
    (lambda: fs.simulate(model(), fs.ELBO(), 10), ValueError, "has data: use fs.evaluate"),
    (lambda: fs.replay(model(), fs.ELBO(), 0), ValueError, "has data: use fs.evaluate"),
    (lambda: fs.replay(model(), fs.ELBO(), 0, row=12), ValueError, "row must be a whole number from 0 to 11"),
    (lambda: fs.replay(model(), fs.ELBO(), 2**32, row=1), ValueError, "trial must be"),
    (lambda: fs.replay(fs.models.note(), fs.ELBO(), 0, row=0), ValueError, "has no data"),
    (lambda: model(np.zeros((0, 2))), ValueError, "data is empty"),
    (lambda: model(np.zeros(5)), ValueError, "data must be a table"),
    (lambda: model(np.zeros((5, 0))), ValueError, "data must be a table"),
    (lambda: model(np.zeros((5, 2), np.float16)), TypeError, "float16"),
    (lambda: model(np.zeros((5, 2), complex)), TypeError, "complex"),
    (lambda: model(np.array([["a", "b"]])), TypeError, "data must be real numbers"),
    (lambda: fs.Model(shifted, 2, data=table(), log_evidence=1.0), ValueError, "one number a row"),
    (lambda: fs.Model(shifted, 2, data=table(), prepare=3), TypeError, "prepare must be a function"),
    (lambda: fs.Model(lambda z, params: 0.0, 2, data=table()), TypeError, r"3 arguments \(z, row, params\)"),
    (
        lambda: fs.evaluate(fs.Model(shifted, 2, [1, 0], data=table(), prepare=lambda r, p: r[:3]), fs.ELBO(), 1),
        ValueError,
        "one row for each of the 16",
    ),
]


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (lambda rows, params: 3.0, r"one number for each of 5 rows, got shape \(\)"),
        (lambda rows, params: rows[:, :1], r"got shape \(5, 1\)"),
        (lambda rows, params: np.zeros(3), r"got shape \(3,\)"),
        (lambda rows, params: np.where(rows[:, 0] > rows[3, 0], 0.0, math.nan), "gives nan for row"),
    ],
)
def test_log_evidence_that_is_not_one_number_a_row(gives, words, compilations):
    made = fs.Model(shifted, 2, [1.0, 0.0], data=table(5), log_evidence=gives)
    with pytest.raises(ValueError, match=words):
        fs.evaluate(made, fs.ELBO(), 1)
    assert compilations.passes == 0


def test_a_row_without_weight_has_no_centre_for_taylor():
    """A number of the pilot's and no weight's would be a value."""
    rows = [[-9.0], [0.0], [9.0]]
    made = fs.Model(lambda z, row, params: 0.0 if z[0] > row[0] else -math.inf, 1, data=rows, name="above")
    with pytest.raises(ValueError, match="pilot of row 2 of model 'above' are all zero"):
        fs.evaluate(made, fs.Taylor(block=4), 100)
    assert np.isfinite(fs.evaluate(fs.Model(made.function, 1, data=rows[:2]), fs.Taylor(block=4), 100).mean).all()


def raises_below(z, row, params):
    if z[0] < row[0]:
        raise ValueError("too far out")
    return 0.0


def no_number_below(z, row, params):
    return math.nan if z[0] < row[0] else 0.0


@pytest.mark.parametrize(
    ("breaks", "words"),
    [(raises_below, "raised ValueError: too far out"), (no_number_below, r"returned NaN or \+inf as a log weight")],
)
def test_a_model_that_breaks_in_a_pilot_for_taylor(breaks, words):
    """Other estimators leave it out, as no trial of theirs has its samples."""
    made = fs.Model(breaks, 1, data=[[-9.0], [-1.5]])
    message = rf"{words} in the pilot of row 1, which finds a centre for Taylor \(trial 4294967295, seed 0\)"
    with pytest.raises(fs.ModelError, match=message) as caught:
        fs.evaluate(made, fs.Taylor(block=4), 1, seed=4)
    assert caught.value.trial == 2**32 - 1
    assert "fs.replay(model, IWAE(k=128), trial=4294967295, seed=0, row=1)" in str(caught.value)
    with pytest.raises(fs.ModelError, match="too far out") if breaks is raises_below else nullcontext():
        assert np.isnan(fs.replay(made, fs.IWAE(128), 2**32 - 1, seed=0, row=1).log_weights).any()
    assert fs.evaluate(made, fs.ELBO(), 1, seed=4).mean.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("gives", [lambda params: math.nan, lambda params: np.zeros(2)])
def test_log_evidence_of_params_that_is_no_number(gives):
    with pytest.raises(ValueError, match="log_evidence of model 'half' must give a finite number"):
        fs.theory.predict(fs.Model(lambda z, params: z[0], 1, [1.0], log_evidence=gives, name="half"), fs.ELBO())


@pytest.mark.parametrize(("act", "kind", "message"), BAD)
def test_bad_input(act, kind, message, compilations):
    with pytest.raises(kind, match=message):
        act()
    assert compilations.passes == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_row_that_is_not_finite_is_named(bad, compilations):
    data = table(9000)
    data[8500, 1] = bad
    with pytest.raises(ValueError, match=f"row 8500 of the data of model 'shifted' has {bad} in column 1"):
        fs.evaluate(model(data), fs.ELBO(), 1)
    assert compilations.passes == 0
