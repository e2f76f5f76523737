"""The published results of `bench.published`: the formulas behind them, and a short run of each."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, optimize, stats

import fastsumo as fs
from bench import published


def test_chi_square_at_the_optimum_and_off_it() -> None:
    assert published.chi_square(np.zeros(20))[0] == pytest.approx(0.9067214, abs=5e-8)

    def one(off: float) -> float:
        target, proposal = stats.norm(0.0, math.sqrt(0.5)), stats.norm(off, math.sqrt(2.0 / 3.0))
        return float(integrate.quad(lambda z: target.pdf(z) ** 2 / proposal.pdf(z), -9.0, 9.0)[0])

    row = np.array([0.3, -0.2] + [0.0] * 18)
    assert published.chi_square(row)[0] == pytest.approx(one(0.3) * one(-0.2) * one(0.0) ** 18 - 1.0, rel=1e-9)


def test_log_weights_are_target_over_proposal() -> None:
    model = published.linear_gaussian(2, 3)
    z, row = np.random.default_rng(0).standard_normal((2, 20))
    at = row + math.sqrt(2.0 / 3.0) * z
    wanted = stats.norm(0.0, math.sqrt(0.5)).logpdf(at).sum() - stats.norm(row, math.sqrt(2.0 / 3.0)).logpdf(at).sum()
    assert published._log_weight(z, row, model.params) == pytest.approx(wanted, rel=1e-12)
    assert model.data is not None
    assert model.data.shape == (6, 20)


@pytest.mark.parametrize("cost", published.COSTS)
def test_estimators_cost_what_they_shall(cost: int) -> None:
    costs = {name: each.expected_cost() for name, each in published.estimators_at(cost).items()}
    assert costs.pop("ML-SS") == pytest.approx(7.0 / 6.0 * cost)
    assert list(costs.values()) == pytest.approx([cost] * 3, abs=0.5)


def test_variance_of_sums_of_one_law() -> None:
    d, above = np.array([0.3, 0.1, 0.05]), np.array([1.0, 0.4, 0.16])
    sums, masses = np.cumsum(d / above), -np.diff([*above, 0.0])
    assert published._of_sums(d, above) == pytest.approx(masses @ sums**2 - (masses @ sums) ** 2)


def test_multilevel_at_their_shares() -> None:
    shares = published.allocation(12)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[3] / shares[2] == pytest.approx(2.0**-1.5)
    one = np.array([0.1, 0.3])
    np.testing.assert_allclose(published.multilevel([one]), one)
    w = 1.0 - 2.0**-1.5
    two = published.multilevel([one, np.array([0.1, 0.0])])
    np.testing.assert_allclose(two, np.array([0.1 / w + 0.1 / (1.0 - w), 0.3 / w]) * (w + 2.0 * (1.0 - w)))
    counts = 4000 * published.whole_allocation(12, 4000)
    assert counts.sum() == 4000
    assert counts[-3:].tolist() == [1, 1, 1]


def test_ratios_of_means_over_the_same_individuals() -> None:
    below = np.random.default_rng(1).gamma(2.0, size=1000)
    assert published.ratio_of(3.0 * below, below) == pytest.approx((3.0, 0.0), abs=1e-12)
    found = published.ratio_of(below + 1.0, below)
    split = [published.ratio_of(part + 1.0, part).value for part in np.split(below, 50)]
    assert found.error == pytest.approx(np.std(split) / math.sqrt(50.0), rel=0.4)


def test_gradients_are_those_of_log_averages() -> None:
    """By differences of ``L``, whose scores they are, with the same samples; the model in plain formulas."""
    whole, difference = published.scores(3, 4, np.random.default_rng(7))
    random = np.random.default_rng(7)
    x, uniform = random.standard_normal((3, 2, 3)), random.random((3, 2))
    effect, noise = random.standard_normal((3, 1)), random.standard_normal((3, 4))
    true = np.array([1.0, 0.0, *published.SLOPES])
    y = uniform < 1.0 / (1.0 + np.exp(-(x @ true[2:] + _spread(1.0) * effect)))
    for i in range(3):
        wanted = _gradients(x[i], y[i], noise[i], true)
        np.testing.assert_allclose(whole[i], wanted[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(difference[i], wanted[0] - 0.5 * (wanted[1] + wanted[2]), rtol=1e-4, atol=1e-5)


def _spread(alpha: float) -> float:
    return math.sqrt(math.log1p(math.exp(alpha)))


def _gradients(x: np.ndarray, y: np.ndarray, noise: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Of the log averages of all weights of an individual, of the first two, and of the last two."""

    def log_joint(z: np.ndarray, at: np.ndarray) -> np.ndarray:
        logit = z[..., None] + at[1] + x @ at[2:]
        of_data = np.sum(np.where(y, logit, 0.0) - np.logaddexp(0.0, logit), axis=-1)
        return np.asarray(stats.norm(0.0, _spread(at[0])).logpdf(z) + of_data)

    mode = float(optimize.minimize_scalar(lambda z: -log_joint(np.array(z), true)).x)
    before, middle, after = log_joint(mode + np.array([-1e-3, 0.0, 1e-3]), true)
    proposal = stats.norm(mode, published.WIDER / math.sqrt((2.0 * middle - before - after) / 1e-6))
    z = mode + proposal.std() * noise

    def averages(at: np.ndarray) -> np.ndarray:
        w = np.exp(log_joint(z, at) - proposal.logpdf(z))
        return np.log([w.mean(), w[:2].mean(), w[2:].mean()])

    steps = 1e-5 * np.eye(true.size)
    return np.array([(averages(true + step) - averages(true - step)) / 2e-5 for step in steps]).T


def test_exact_moments_of_the_linear_gaussian_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One log weight is a constant less a sixth of a noncentral chi-square, whose moments are known."""
    monkeypatch.setattr(published, "_NODES", 3)  # for the sake of time; the moments are linear
    rows = np.random.default_rng(2).normal(0.0, 0.1, (7, 20))
    squares = np.sum(rows**2, axis=1)
    exact = published.Exact(rows)
    one = exact.variance(fs.IWAE(1))
    assert one.value == pytest.approx(np.mean(2.0 * (20.0 + 48.0 * squares) / 36.0), rel=1e-6)
    bias = 10.0 * math.log(4.0 / 3.0) + 3.0 * squares - (20.0 + 24.0 * squares) / 6.0
    assert exact.bias(1) == pytest.approx(bias.mean(), rel=1e-9)
    assert math.isinf(exact.variance(fs.SUMO(published.PAPER)).value)
    model = published.with_transform(0.09)
    z, row = np.random.default_rng(0).standard_normal(20), np.array([0.3] + [0.0] * 19)
    assert published._log_weight_along(z, model.params) == pytest.approx(published._log_weight(z, row, model.params))


@pytest.mark.parametrize(("k", "order"), [(4, 0), (5, 1), (16, 1), (9, 2)])
def test_bias_of_jackknives_is_that_of_theory(k: int, order: int) -> None:
    estimator = fs.JVI(k, order) if order else fs.IWAE(k)
    found = fs.theory.predict(fs.models.gamma(1.0), estimator).mean
    assert published.jackknife_bias(k, order) == pytest.approx(found.value, rel=1e-8)


def test_the_best_mlmc_of_gamma_weights() -> None:
    found = fs.theory.predict(fs.models.gamma(1.0), fs.MLMC(first=False, stratified=65536)).variance_times_cost
    assert published.proper() < found.value < 1.1 * published.proper()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ((0.21, 0.003), "0.2100 ± 0.0030"),
        ((2.74e-7, 5e-9), "2.74e-07 ± 5e-09"),
        ((-1e-3, 5e-3), "-1e-03 ± 5e-03"),
        ((842.0, 31.0), "842 ± 31"),
        ((0.125, 0.0), "0.125"),
        ((math.inf, 0.0), "inf"),
    ],
)
def test_numbers_are_told_with_their_errors(number: tuple[float, float], text: str) -> None:
    assert str(published.Number(*number)) == text


def test_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setitem(published.PARTS, "luo", lambda effort: f"at effort {effort:g}")
    assert published.main(["--part", "luo", "--effort", "0.5", "--page"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(published.MARKERS[0])
    assert "at effort 0.5" in printed
    file = tmp_path / "page.md"
    file.write_text("\n".join(["before", *published.MARKERS, "after"]), encoding="utf-8")
    published.main(["--part", "luo", "--page", str(file)])
    page = file.read_text(encoding="utf-8")
    assert page.splitlines()[0] == "before"
    assert page.splitlines()[-1] == "after"
    assert "at effort 1" in page


@pytest.mark.slow
def test_second_moments_of_levels_are_those_of_draws() -> None:
    model = published.linear_gaussian(1, 2)
    levels = published.level_moments(model, 3, 20_000)
    antithetic, plain = published.squares(levels)
    weights = np.stack([np.exp(fs.sample(model.at_row(i), fs.ELBO(), 160_000, seed=5)[0]) for i in range(2)])
    groups = weights.reshape(2, 20_000, 8)

    def log_mean(first: int, last: int) -> np.ndarray:
        return np.log(groups[:, :, first:last].mean(axis=2))

    for k in range(3):
        n = 2**k
        step = log_mean(0, 2 * n) - log_mean(0, n)
        level = log_mean(0, 2 * n) - 0.5 * (log_mean(0, n) + log_mean(n, 2 * n))
        for found, each in ((plain[k], step), (antithetic[k], level)):
            error = math.hypot(found.error, float((each**2).std()) / math.sqrt(each.size))
            assert abs(found.value - (each**2).mean()) < 4.5 * error


@pytest.mark.slow
def test_all_parts_run() -> None:
    text = published.report(0.01)
    for words in ("figure 1", "figure 2", "Ishikawa & Goda", "Luo et al.", "Nowozin", "0.9067214", "5.0780", "K^-3."):
        assert words in text
    assert "| `MLMC(first=False)` |" in text
    assert "nan" not in text
