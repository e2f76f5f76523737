"""Figures: every panel draws on the axes it is given, shows the run, and needs no window and no pyplot.

What they look like is for eyes; see those of the guide.
"""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from zoo import constant as same
from zoo import empty, slow, thinned

import fastsumo as fs
from fastsumo import plot, tails
from fastsumo.plot import _target, _values

NOTE = fs.models.note()
constant = fs.Model(same.function, 1, same.params, name="a_name with $signs$ & {braces}")
PANELS = {
    "histogram": plot.histogram,
    "tail": plot.tail,
    "hill": plot.hill,
    "mean_excess": plot.mean_excess,
    "max_sum": plot.max_sum,
    "running_mean": plot.running_mean,
    "running_variance": plot.running_variance,
    "octaves": plot.octaves,
}


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
    assert "SUMO(Harmonic()) · 100,000 trials" in figure.get_suptitle()


def test_overview_draws_on_part_of_a_figure(result: fs.Result) -> None:
    left, right = Figure(figsize=(16, 6)).subfigures(1, 2)
    assert plot.overview(result, left) is left
    assert len(left.axes) == 5
    assert right.axes == []


@pytest.mark.parametrize(
    "run",
    [
        pytest.param((NOTE, fs.SUMO(), 1)),
        slow((NOTE, fs.SUMO(), 2)),
        slow((NOTE, fs.SUMO(), 30)),
        slow((NOTE, fs.ELBO(), 5_000)),
        slow((NOTE, fs.SUMO(fs.roulette.HarmonicGeometric()), 20_000)),
        pytest.param((constant, fs.SUMO(), 200)),
        slow((constant, fs.IWAE(2), 200)),
        pytest.param((empty, fs.SUMO(fs.roulette.Harmonic(cap=5)), 100)),
        slow((fs.models.lognormal(3.0), fs.SUMO(), 5_000)),
    ],
)
def test_every_run_can_be_drawn(run: tuple[fs.Model, fs.SUMO, int], tmp_path: Path) -> None:
    fs.simulate(*run).plot().savefig(tmp_path / "figure.png", dpi=50)
    assert (tmp_path / "figure.png").stat().st_size > 2_000


def test_interruption_shows(result: fs.Result) -> None:
    assert "interrupted" in replace(result, interrupted=True).plot().get_suptitle()
    assert "interrupted" not in result.plot().get_suptitle()


@pytest.mark.slow
@pytest.mark.parametrize("estimator", [fs.SUMO(), fs.ELBO()])
def test_density_is_that_of_the_values(estimator: fs.SUMO) -> None:
    found = fs.simulate(NOTE, estimator, 100_000, seed=1)
    values, _ = fs.sample(NOTE, estimator, 100_000, seed=1)
    edges, heights, _, _ = _values._density(found)
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1.0, rel=1e-9)
    counted, _ = np.histogram(values - found.center, edges)
    shares = heights * np.diff(edges)
    assert np.abs(shares - counted / values.size).max() < 2e-3
    assert counted[1:-1].min() > 0


def test_tails_count_the_values(result: fs.Result, values: np.ndarray) -> None:
    away = values - result.center
    for line, distance in zip(plot.tail(result).lines, (np.abs(away), away, -away), strict=False):
        off = 2e-3 if line.get_label() == "both sides" else 1e-12  # bins of the two sides do not end at the same places
        x, share = line.get_data()
        for place in (len(x) // 3, len(x) // 2, len(x) - 1):
            assert share[place] == pytest.approx(np.mean(distance >= x[place] * (1 - 1e-12)), abs=off)


def test_the_predicted_law_is_that_of_both_sides(result: fs.Result) -> None:
    axes = plot.tail(result)
    x, share = axes.lines[-1].get_data()
    np.testing.assert_allclose(share, 0.732943706 / x**2, rtol=1e-8)
    assert texts(axes)[:3] == ["both sides", "above", "below"]
    assert texts(axes)[3].startswith("theory: ")


def test_measurement_and_theory_are_told_apart() -> None:
    """Where no law is known, Hill's line says that it is a fit."""
    found = fs.simulate(fs.models.gaussian_scale(0.5), fs.IWAE(2), 2_000)
    words = texts(plot.tail(found))
    assert not any("theory" in word for word in words)
    assert words[-1].startswith("Hill's fit")
    assert not any("theory" in word for word in texts(plot.hill(found)))


def test_one_figure_for_runs_and_for_arrays(values: np.ndarray) -> None:
    assert not any(name.startswith("plot") for name in tails.__all__)
    drawn = plot.running_mean(values[:500]).lines[0].get_ydata()
    assert drawn[-1] == pytest.approx(values[:500].mean(), rel=1e-12)


def test_running_panels_end_at_the_result(result: fs.Result) -> None:
    mean = plot.running_mean(result)
    x, y = mean.lines[0].get_data()
    assert (x[-1], y[-1]) == (result.trials, pytest.approx(result.mean, rel=1e-12))
    assert mean.lines[1].get_ydata()[0] == result.log_evidence
    low, high = mean.get_ylim()
    assert low < result.mean < high
    x, y = plot.running_variance(result).lines[0].get_data()
    assert (x[-1], y[-1]) == (result.trials, pytest.approx(result.variance, rel=1e-12))


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_numbers_of_a_running_mean_differ(values: np.ndarray, scale: float) -> None:
    """Whatever their size; and the power of ten that they share does not lie on the legend."""
    for draw in (plot.running_mean, plot.running_variance):
        axes = draw(scale * np.clip(values, -3.0, 3.0))
        axes.figure.draw_without_rendering()
        numbers = [text.get_text() for text in axes.get_yticklabels()]
        assert len(set(numbers)) == len(numbers)
        power = axes.yaxis.get_offset_text()
        assert power.get_text()
        legend = axes.get_legend()
        assert legend is None or not legend.get_window_extent().overlaps(power.get_window_extent())


def test_a_theory_that_trials_are_far_from_draws_no_growth() -> None:
    """Its line through the middle of the variances would begin below 0."""
    run = fs.simulate(fs.models.lognormal(4.0), fs.SUMO(), 10_000, seed=1)
    assert [line.get_label() for line in plot.running_variance(run).lines] == ["of the first $n$"]


def test_where_all_values_are_the_same_octaves_share_nothing() -> None:
    run = fs.simulate(same, fs.SUMO(), 1000)
    assert list(plot.octaves(run).patches) == []


def test_octaves_show_shares(result: fs.Result) -> None:
    axes = plot.octaves(result)
    heights = [bar.get_height() for bar in axes.patches]
    np.testing.assert_allclose(heights, 100.0 * result.by_terms["share"])
    assert sum(heights) == pytest.approx(100.0)
    assert sum(axes.lines[0].get_ydata()) == pytest.approx(100.0)


def test_lines_differ_in_more_than_colour(result: fs.Result) -> None:
    styles = {line.get_linestyle() for line in plot.tail(result).lines}
    assert len(styles) == 4


@pytest.mark.parametrize("name", thinned(PANELS, 6))
def test_panels_of_their_own_have_the_width_of_a_column(result: fs.Result, name: str) -> None:
    axes = PANELS[name](result)
    assert axes.figure.get_size_inches()[0] == pytest.approx(3.3)
    axes.figure.savefig(io.BytesIO())
    inside = axes.figure.bbox
    legend = axes.get_legend()
    for part in [axes.xaxis.label, axes.yaxis.label] + ([] if legend is None else [legend]):
        box = part.get_window_extent()
        assert box.x0 >= inside.x0 - 1
        assert box.x1 <= inside.x1 + 1


# --- what a notebook and a journal want -----------------------------------------------------------------------------


def test_figures_and_panels_of_their_own_show_themselves(result: fs.Result) -> None:
    panel = plot.octaves(result)
    assert panel._repr_png_().startswith(b"\x89PNG")
    assert panel.figure._repr_png_() == panel._repr_png_()
    assert callable(result.plot()._repr_png_)
    given = Figure()
    assert not hasattr(plot.octaves(result, ax=given.add_subplot()), "_repr_png_")
    assert plot.overview(result, Figure()).savefig.__func__ is Figure.savefig


def test_a_figure_goes_to_another_process(result: fs.Result) -> None:
    figure = plot.octaves(result).figure
    again = pickle.loads(pickle.dumps(figure))
    assert b"/Type3" not in pdf_of(again)
    assert again.axes[0]._repr_png_().startswith(b"\x89PNG")


def pdf_of(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="pdf")
    return file.getvalue()


def test_fonts_are_truetype_and_settings_as_they_were(result: fs.Result) -> None:
    before = dict(mpl.rcParams)
    written = pdf_of(plot.octaves(result).figure)
    assert b"/Type3" not in written
    assert b"/CIDFontType2" in written
    assert dict(mpl.rcParams) == before


def test_a_paper_has_the_width_of_its_column(result: fs.Result) -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(RuntimeError, match="inside"), plot.paper(3.35):
        panel, narrow = plot.tail(result), result.plot()
        assert mpl.rcParams["pdf.fonttype"] == 42
        with plot.paper(7.0):
            wide = result.plot()
        assert plot.tail(result).figure.get_figwidth() == 3.35
        raise RuntimeError("inside")
    assert dict(mpl.rcParams) == before
    assert plot.tail(result).figure.get_figwidth() == pytest.approx(3.3)
    assert [each.get_figwidth() for each in (panel.figure, narrow, wide)] == [3.35, 3.35, 7.0]
    assert columns_of(narrow) == 1
    assert columns_of(wide) == 2
    with pytest.raises(ValueError, match="width"), plot.paper(0.0):
        pass


def columns_of(figure: Figure) -> int:
    """How many columns the panels stand in."""
    return len({axes.get_subplotspec().colspan.start for axes in figure.axes})


def test_panels_are_aligned_and_have_letters(result: fs.Result) -> None:
    figure = result.plot()
    figure.draw_without_rendering()
    assert columns_of(figure) == len({round(axes.get_position().x0, 6) for axes in figure.axes}) == 2
    left, right = figure.axes[0], figure.axes[1]
    assert left.get_position().y1 == pytest.approx(right.get_position().y1)
    assert figure.axes[2].get_position().y1 == pytest.approx(figure.axes[4].get_position().y1)
    assert [axes.texts[-1].get_text() for axes in figure.axes] == list("abcde")


@pytest.mark.parametrize("name", thinned(PANELS, 6))
def test_a_legend_lies_on_no_data(result: fs.Result, name: str) -> None:
    axes = PANELS[name](result)
    axes.figure.draw_without_rendering()
    legend = axes.get_legend()
    if legend is not None:
        assert legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1


def test_several_panels_need_a_figure(result: fs.Result) -> None:
    with pytest.raises(
        TypeError, match=r"several panels.* figure=, or draw one panel, such as fs.plot.tail\(r, ax=ax\)"
    ):
        result.plot(ax=Figure().add_subplot())
    with pytest.raises(
        TypeError, match=r"must be a matplotlib Figure or SubFigure, got <Axes.*fs.plot.tail\(r, ax=ax\)"
    ):
        result.plot(Figure().add_subplot())
    with pytest.raises(TypeError, match="ax must be a matplotlib Axes, such as .* got <Figure"):
        plot.tail(result, ax=Figure())  # type: ignore[arg-type]


def test_the_tail_of_mlmc_has_its_known_index(result: fs.Result) -> None:
    """Its law and no fit; the values are another estimator's, which matters to no line of theory."""
    run = replace(result, provenance=replace(result.provenance, estimator=fs.MLMC()), _model=None)
    axes = plot.tail(run)
    x, share = axes.lines[-1].get_data()
    assert "theory" in texts(axes)[3]
    assert np.diff(np.log(share)) / np.diff(np.log(x)) == pytest.approx(-3.0)
    assert "theory: 3" in texts(plot.hill(run))


def test_where_trials_are_alike_there_are_no_octaves(result: fs.Result) -> None:
    run = replace(result, provenance=replace(result.provenance, estimator=fs.IWAE(5)), _model=None)
    assert list(plot.octaves(run).patches) == []
    assert [line.get_label() for line in run.plot().axes[4].lines] == ["$p=1$", "$p=2$", "$p=3$", "$p=4$"]


def test_max_to_sum_of_a_run_has_a_path_for_each_power(result: fs.Result, values: np.ndarray) -> None:
    away = np.abs(values - result.center)
    for p, line in enumerate(plot.max_sum(result).lines, 1):
        n, y = line.get_data()
        assert y.size >= 10
        whole = np.maximum.accumulate(away**p) / np.cumsum(away**p)
        np.testing.assert_allclose(y, whole[n - 1], atol=0.03)
        assert y[-1] == pytest.approx(whole[-1], rel=0.01)


def interval(low: float, high: float, level: float = 0.8, method: str = "normal") -> tails.Interval:
    center = 0.5 * (low + high) if np.isfinite(high) else 0.0
    return tails.Interval(low, high, level, method, center, 100, "")


def test_a_zip_plot_counts_and_orders() -> None:
    rows = [
        interval(-1.0, 1.0),
        interval(0.5, 1.5),
        interval(-3.0, 2.9),
        interval(-0.1, 4.1),
        interval(-np.inf, np.inf),
    ]
    axes = plot.zip(rows, truth=0.0)
    held, missed = axes.collections[:2]
    assert [segment[0, 0] for segment in held.get_segments()] == [-1.0, axes.get_xlim()[0], -3.0, -0.1]
    assert [segment[0, 0] for segment in missed.get_segments()] == [0.5]
    assert texts(axes)[0] == "hold it: 80 ± 18 %"


def test_a_zip_plot_of_results_knows_the_truth(result: fs.Result) -> None:
    axes = plot.zip([result, result])
    assert axes.get_xlabel() == "median-of-means interval (nats)"
    assert result.log_evidence in [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata())]


def test_zip_plots_that_cannot_be_drawn() -> None:
    with pytest.raises(TypeError, match="Intervals or Results, got 3"):
        plot.zip([3], truth=0.0)  # type: ignore[list-item]
    with pytest.raises(TypeError, match="give a list"):
        plot.zip(interval(0.0, 1.0), truth=0.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the truth is not known"):
        plot.zip([interval(0.0, 1.0)])
    with pytest.raises(ValueError, match="one level and one method, got normal at 0.8, normal at 0.9"):
        plot.zip([interval(0.0, 1.0), interval(0.0, 1.0, 0.9)], truth=0.0)
    with pytest.raises(ValueError, match="got none"):
        plot.zip([], truth=0.0)


# --- targets --------------------------------------------------------------------------------------------------------


@fs.model(dim=2, noise="uniform")
def square(z, params):  # type: ignore[no-untyped-def]
    """A target on the unit square."""
    return -8.0 * (z[0] - 0.5) ** 2


@fs.model(dim=2)
def shifted(z, params):  # type: ignore[no-untyped-def]
    """A normal target about (1, 0), its proposal standard normal."""
    return z[0] - 0.5


def test_regions_hold_their_share_of_a_normal_target() -> None:
    (x, y), log_target, log_proposal = _target._on_grid(shifted)
    heights = _target._levels(log_target)
    radius = np.sqrt(-2.0 * (np.array(heights) - log_target.max()))
    np.testing.assert_allclose(radius, np.sqrt(-2.0 * np.log1p(-np.array([0.99, 0.9, 0.5]))), rtol=0.02)
    top = np.unravel_index(np.argmax(log_target), log_target.shape)
    assert (x[top[1]], y[top[0]]) == (pytest.approx(1.0, abs=0.05), pytest.approx(0.0, abs=0.05))
    assert np.argmax(log_proposal) != np.argmax(log_target)


@pytest.mark.parametrize("model", [slow(NOTE), shifted, slow(square), fs.models.funnel(2, "student")])
def test_a_target_of_two_dimensions_is_drawn(model: fs.Model) -> None:
    axes = plot.density(model)
    axes.figure.draw_without_rendering()
    expected = 2 if model is square else 3  # a uniform proposal has no contours
    assert len(axes.collections) == expected
    assert model.name.split("(")[0] in texts(axes)[0]


def test_other_targets_are_refused(result: fs.Result) -> None:
    with pytest.raises(ValueError, match="has dimension 5"):
        plot.density(fs.models.gamma(2.5))
    with pytest.raises(TypeError, match="Model or Result"):
        plot.density(3)


def test_density_and_histogram_of_a_run_are_two_views(result: fs.Result) -> None:
    middle, whole = plot.density(result), plot.histogram(result)
    assert (middle.get_yscale(), whole.get_yscale()) == ("linear", "log")
    np.testing.assert_allclose(middle.get_xlim(), result.quantile([0.005, 0.995]), rtol=0.02)
    steps = middle.patches[0].get_data()
    assert np.sum(steps.values * np.diff(steps.edges)) == pytest.approx(0.99, abs=0.002)
    assert whole.get_xlim()[1] == pytest.approx(result.max - result.center)


# --- why a variance is what it is -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "estimator",
    [
        fs.SUMO(fs.roulette.Harmonic(cap=300)),
        fs.SUMO(fs.roulette.Harmonic(cap=300), minimum=3),
        fs.SUMO(fs.roulette.Harmonic(cap=300), start=0),
        fs.SUMO(fs.roulette.Harmonic(cap=300), minimum=3, start=0),
        fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.25, 0.25, 0.2])),
        fs.MLMC(),
    ],
)
def test_parts_of_the_variance_add_up_to_it(estimator: fs.SUMO) -> None:
    """For gamma weights both are exact; the second moment is about log Z, the variance about the mean."""
    model = fs.models.gamma(1.5)
    found, whole = fs.theory.parts(model, estimator), fs.theory.predict(model, estimator)
    bias = whole.mean.value - 0.0
    assert found.share.sum() == pytest.approx(1.0, abs=1e-8)
    rest = 5e-3 if isinstance(estimator, fs.MLMC) else 1e-9
    assert np.sum(found.square * found.width) == pytest.approx(whole.variance.value + bias**2, rel=rest)


def test_every_octave_of_the_harmonic_law_adds_chi_square() -> None:
    found = fs.theory.parts(NOTE, fs.SUMO())
    np.testing.assert_allclose(found.square[-10:], 0.732943706 * np.log(2.0), rtol=1e-3)
    levels = fs.theory.parts(NOTE, fs.MLMC()).square[8:]
    np.testing.assert_allclose(levels[1:] / levels[:-1], 2.0**-0.5, rtol=0.05)


@pytest.mark.slow
def test_measured_parts_follow_the_theory() -> None:
    model, trials = fs.models.gamma(1.0), 200_000
    axes = plot.variance(model, [fs.SUMO(), fs.MLMC()])
    assert [word.split(":")[0] for word in texts(axes)[:2]] == ["SUMO, $P(K\\geq k)=1/k$", "MLMC"]
    for estimator, line in zip((fs.SUMO(), fs.MLMC()), axes.lines[:2], strict=True):
        part = fs.theory.parts(model, estimator)
        values, terms = fs.sample(model, estimator, trials, seed=3)
        samples = 1.0 + (2.0**terms if isinstance(estimator, fs.MLMC) else terms)
        place = np.searchsorted(part.low, samples, side="right") - 1
        measured = np.bincount(place, values**2, part.low.size) / trials / part.width
        seen = np.flatnonzero(np.bincount(place, minlength=part.low.size) >= 10)[:6]
        assert seen.size == 6
        expected = np.interp(part.middle[seen], *line.get_data())
        np.testing.assert_allclose(measured[seen], expected, rtol=0.2)


def test_variances_that_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="chi-square"):
        plot.variance(fs.models.gaussian_scale(0.5))
    with pytest.raises(TypeError, match="known for SUMO"):
        plot.variance(NOTE, [fs.IWAE(5)])
    with pytest.raises(ValueError, match="1 to 4 estimators"):
        plot.variance(NOTE, [])


def test_nothing_is_imported_or_shown_before_it_is_needed() -> None:
    code = """
import sys, fastsumo as fs
r = fs.simulate(fs.models.note(), fs.SUMO(), 100)
heavy = ("matplotlib", "scipy.stats", "scipy.signal", "scipy.integrate", "scipy.optimize")
assert not any(name.startswith(heavy) for name in sys.modules), "at import"
figure = r.plot()
assert "matplotlib.pyplot" not in sys.modules, "pyplot"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_a_center_below_0_is_added() -> None:
    low = fs.Model(lambda z, params: z[0] - 3.0, 1, name="low")
    label = plot.histogram(fs.simulate(low, fs.ELBO(), 1000)).get_xlabel()
    assert label.startswith("value + 2.")
    assert plot.histogram(fs.simulate(NOTE, fs.ELBO(), 1000)).get_xlabel() == r"value − $\log Z$ (nats)"
