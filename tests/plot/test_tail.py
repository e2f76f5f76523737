"""Figures draw what they say, on the axes that they are given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest

from fastsumo import plot, tails


@pytest.fixture(autouse=True)
def agg() -> Iterator[None]:
    import matplotlib.pyplot as plt

    with mpl.rc_context():
        plt.switch_backend("agg")
        yield


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).standard_t(2, 3000)


def test_importing_tails_imports_neither_matplotlib_nor_scipy() -> None:
    code = "import sys, fastsumo.tails; print([m for m in ('matplotlib', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["tail", "hill", "mean_excess", "max_sum", "running_variance"])
def test_figures_use_the_axes_they_are_given_and_can_be_drawn(name: str, values: np.ndarray) -> None:
    import matplotlib.pyplot as plt

    draw = getattr(plot, name)
    figure, ax = plt.subplots()
    assert draw(values, ax=ax) is ax
    assert len(ax.lines) >= 1
    figure.canvas.draw()
    fresh = draw(tails.summarize(values))
    assert fresh is not ax
    fresh.figure.canvas.draw()
    assert fresh.get_xlabel()
    assert fresh.get_ylabel()


def test_tail_shows_the_survival_and_the_predicted_line(values: np.ndarray) -> None:
    ax = plot.tail(values, index=2.0, constant=1.0)
    both, law = ax.lines[0], ax.lines[-1]
    x, y = both.get_data()
    for one in (0, 50, -1):
        assert y[one] == pytest.approx(np.mean(np.abs(values) >= x[one]))
    x, y = law.get_data()
    assert y == pytest.approx(x**-2.0)


def test_tail_of_a_run_continues_into_its_histogram(values: np.ndarray) -> None:
    import dataclasses

    whole = tails.summarize(values, 0.0)
    run = dataclasses.replace(whole, extremes=values[np.argsort(-np.abs(values))[:100]])
    x, y = plot.tail(run).lines[0].get_data()
    assert y[0] > 0.9
    inner = int(np.searchsorted(x, 0.5))
    assert y[inner] == pytest.approx(np.mean(np.abs(values) >= x[inner]), abs=0.001)
    assert (np.diff(y) <= 1e-12).all()


def test_hill_marks_the_choice(values: np.ndarray) -> None:
    ax = plot.hill(values, index=2.0)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any(str(tails.hill_path(values).chosen) in label for label in labels)


def test_octaves_draw_a_bar_each_and_check_their_input() -> None:
    ax = plot.octaves([1, 2, 4, 8], [0.1, 0.2, 0.3, 0.4], trials=[8, 4, 2, 1])
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([10, 20, 30, 40])
    ax.figure.canvas.draw()
    with pytest.raises(ValueError, match="octaves"):
        plot.octaves([1, 2], [0.5])
    with pytest.raises(ValueError, match="trials"):
        plot.octaves([1, 2], [0.5, 0.5], trials=[1])


def test_a_summary_without_a_trace_has_no_running_variance(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="trace"):
        plot.running_variance(tails.Summary(trials=10**6, extremes=values))


def test_constant_data_give_empty_axes_and_a_warning() -> None:
    for draw in (plot.tail, plot.hill, plot.mean_excess, plot.max_sum):
        with pytest.warns(tails.TailWarning):
            draw(np.zeros(50)).figure.canvas.draw()
