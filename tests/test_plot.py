"""Figures: every panel draws on the axes it is given, shows the run, and needs no window and no pyplot.

What they look like is for eyes; see the figure of the README.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fastsumo as fs
from fastsumo import plot

NOTE = fs.models.note()
PANELS = {
    "density": plot.density,
    "tail": plot.tail,
    "running_mean": plot.running_mean,
    "running_variance": plot.running_variance,
    "octaves": plot.octaves,
}


@fs.model(dim=1)
def empty(z, params):  # type: ignore[no-untyped-def]
    """No weight at all."""
    return -np.inf


@fs.model(dim=1, name="a_name with $signs$ & {braces}")
def constant(z, params):  # type: ignore[no-untyped-def]
    """Every weight the same."""
    return 2.0 + 0.0 * z[0]


@pytest.fixture(scope="module")
def result() -> fs.Result:
    return fs.simulate(NOTE, fs.SUMO(), 100_000, seed=1)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return fs.sample(NOTE, fs.SUMO(), 100_000, seed=1)[0]


def texts(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_draws_where_it_is_told(result: fs.Result, name: str) -> None:
    axes = Figure().add_subplot()
    assert PANELS[name](result, ax=axes) is axes
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert axes.has_data()


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_makes_axes_of_its_own(result: fs.Result, name: str) -> None:
    assert PANELS[name](result).figure.axes


def test_overview_has_its_panels(result: fs.Result, tmp_path: Path) -> None:
    figure = result.plot()
    assert len(figure.axes) == 5
    figure.savefig(tmp_path / "overview.png")
    assert (tmp_path / "overview.png").stat().st_size > 20_000
    assert "SUMO(roulette=Harmonic()) · 100,000 trials" in figure.get_suptitle()


def test_overview_draws_on_part_of_a_figure(result: fs.Result) -> None:
    left, right = Figure(figsize=(16, 6)).subfigures(1, 2)
    assert plot.overview(result, left) is left
    assert len(left.axes) == 5
    assert right.axes == []


@pytest.mark.parametrize(
    "run",
    [
        (NOTE, fs.SUMO(), 1),
        (NOTE, fs.SUMO(), 2),
        (NOTE, fs.SUMO(), 30),
        (NOTE, fs.ELBO(), 5_000),
        (NOTE, fs.SUMO(fs.roulette.HarmonicGeometric()), 20_000),
        (constant, fs.SUMO(), 200),
        (constant, fs.IWAE(2), 200),
        (empty, fs.SUMO(fs.roulette.Harmonic(cap=5)), 100),
        (fs.models.lognormal(3.0), fs.SUMO(), 5_000),
    ],
)
def test_every_run_can_be_drawn(run: tuple[fs.Model, fs.SUMO, int], tmp_path: Path) -> None:
    fs.simulate(*run).plot().savefig(tmp_path / "figure.png", dpi=50)
    assert (tmp_path / "figure.png").stat().st_size > 2_000


def test_interruption_shows(result: fs.Result) -> None:
    assert "interrupted" in replace(result, interrupted=True).plot().get_suptitle()
    assert "interrupted" not in result.plot().get_suptitle()


@pytest.mark.parametrize("estimator", [fs.SUMO(), fs.ELBO()])
def test_density_is_that_of_the_values(estimator: fs.SUMO) -> None:
    found = fs.simulate(NOTE, estimator, 100_000, seed=1)
    values, _ = fs.sample(NOTE, estimator, 100_000, seed=1)
    edges, heights, _, _ = plot._density(found)
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1.0, rel=1e-9)
    counted, _ = np.histogram(values - found.center, edges)
    shares = heights * np.diff(edges)
    assert np.abs(shares - counted / values.size).max() < 2e-3
    assert counted[1:-1].min() > 0


def test_tails_count_the_values(result: fs.Result, values: np.ndarray) -> None:
    above, below = plot.tail(result).lines[:2]
    for line, distance in ((above, values - result.center), (below, result.center - values)):
        x, share = line.get_data()
        for place in (len(x) // 3, len(x) // 2, len(x) - 1):
            assert share[place] == pytest.approx(np.mean(distance >= x[place] * (1 - 1e-12)), abs=1e-12)


def test_half_of_the_predicted_law_is_on_each_side(result: fs.Result) -> None:
    axes = plot.tail(result)
    x, share = axes.lines[2].get_data()
    np.testing.assert_allclose(share, 0.5 * 0.732943706 / x**2, rtol=1e-8)
    assert "half on each side" in texts(axes)[2]


def test_no_law_where_none_is_known() -> None:
    found = fs.simulate(fs.models.gaussian_scale(0.5), fs.SUMO(), 2_000)
    assert len(plot.tail(found).lines) == 2


def test_running_panels_end_at_the_result(result: fs.Result) -> None:
    mean = plot.running_mean(result)
    x, y = mean.lines[0].get_data()
    assert (x[-1], y[-1]) == (result.trials, pytest.approx(result.mean, rel=1e-12))
    assert mean.lines[1].get_ydata()[0] == result.log_evidence
    low, high = mean.get_ylim()
    assert low < result.mean < high
    x, y = plot.running_variance(result).lines[0].get_data()
    assert (x[-1], y[-1]) == (result.trials, pytest.approx(result.variance, rel=1e-12))


def test_octaves_show_shares(result: fs.Result) -> None:
    axes = plot.octaves(result)
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, 100.0 * result.by_terms["share"])
    assert sum(heights) == pytest.approx(100.0)
    assert sum(axes.lines[0].get_ydata()) == pytest.approx(100.0)


def test_sides_differ_in_more_than_colour(result: fs.Result) -> None:
    styles = {line.get_linestyle() for line in plot.tail(result).lines}
    assert len(styles) == 3


def test_nothing_is_imported_or_shown_before_it_is_needed() -> None:
    code = """
import sys, fastsumo as fs
r = fs.simulate(fs.models.note(), fs.SUMO(), 100)
assert not any(name.startswith("matplotlib") for name in sys.modules), "at import"
figure = r.plot()
assert "matplotlib.pyplot" not in sys.modules, "pyplot"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
