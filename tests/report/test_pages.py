"""Reports as pages: well formed, whole, without anything from elsewhere; and as a browser sees them, where one is."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from zoo import constant, half_empty, shifted, slow

import fastsumo as fs
from fastsumo import cli, plot
from fastsumo.report import svg
from fastsumo.report.result_page import FIGURES, diagnosis, result_page
from fastsumo.runs import rerun
from fastsumo.runs.pages import replays
from fastsumo.study.study import Study

NOTE = fs.models.note()
SECTIONS = ("estimate", "verdict", "again", "figures", "octaves", "extremes", "run", "cost", "versions")


def test_constant_weights_have_a_page(tmp_path: Path) -> None:
    model = fs.Model(shifted.function, 1, [1.5, 0.0], name="constant")
    for estimator in (fs.ELBO(), fs.SUMO(fs.roulette.Harmonic(cap=20))):
        result = fs.simulate(model, estimator, 2000)
        result.report(tmp_path / "page.html")
        assert "1.5" in (tmp_path / "page.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What is in a page, read strictly: every element closed in order, every name given once."""

    VOID = ("br", "meta", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, attrs)

    def _look(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "defs"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def result() -> fs.Result:
    return fs.simulate(NOTE, fs.SUMO(), 100_000, seed=1)


def page_of(result: fs.Result, model: fs.Model | None = None) -> str:
    """What `Result.report` writes."""
    return result_page(result, rerun.commands(result), replays(result, model))


@pytest.fixture(scope="module")
def page(result: fs.Result) -> str:
    return page_of(result)


def check(text: str) -> Page:
    """A page that stands alone: names that are links lead somewhere, nothing is fetched or run."""
    found = Page(text)
    assert len(set(found.ids)) == len(found.ids)
    for link in found.links:
        assert link.startswith(("#", "data:"))
        assert link == "data:," or link[1:] in found.ids
    for used in re.findall(r"url\(#([^)]+)\)", text):
        assert used in found.ids
    assert not re.search(r"https?://|@import|<script|<img|<iframe", text)
    return found


def test_a_page_has_every_section(page: str, result: fs.Result) -> None:
    found = check(page)
    assert [name for name in found.ids if name in SECTIONS] == list(SECTIONS)
    for name, (title, _) in FIGURES.items():
        assert f"f-{name}" in found.ids
        assert title in found.text
    assert found.tags.count("svg") == len(FIGURES) + 10
    assert "fastsumo run note --estimator 'SUMO(Harmonic())' --trials 100000 --seed 1" in found.text
    assert f"{result.extremes['trial'][9]}" in found.text
    assert result.provenance.numba in found.text
    assert result.provenance.cpu in found.text


def test_the_estimate_is_that_of_the_verdict(page: str, result: fs.Result) -> None:
    verdict = diagnosis(result)
    assert verdict is not None
    assert verdict.regime == "index 2"
    assert verdict.index_source == "predicted"
    low, high = (float(x) for x in re.findall(r"95 % interval ([-\d.]+) to ([-\d.]+) \(median-of-means\)", page)[0])
    assert low == pytest.approx(verdict.interval.low, abs=0.06 * verdict.error)
    assert high == pytest.approx(verdict.interval.high, abs=0.06 * verdict.error)
    assert verdict.advice in Page(page).text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "estimator", "trials", "says"),
    [
        (NOTE, fs.SUMO(fs.roulette.HarmonicGeometric()), 20_000, "no mean"),
        slow(NOTE, fs.IWAE(5), 20_000, "a lower bound in expectation"),
        slow(NOTE, fs.SUMO(), 1, "too few finite trials"),
        (NOTE, fs.SUMO(), 3, "These trials give no interval"),
        slow(NOTE, fs.MLMC(), 5_000, "largest level"),
        slow(NOTE, fs.SUMO(fs.roulette.Harmonic(cap=9)), 5_000, r"With its cap the estimate is of E\[L_10\]"),
        (half_empty, fs.SUMO(fs.roulette.Harmonic(cap=9)), 5_000, "and so has the mean"),
        (constant, fs.SUMO(fs.roulette.Harmonic(cap=9)), 5_000, "no tail to speak of"),
        slow(fs.models.lognormal(3.0), fs.SUMO(), 5_000, "Known log Z"),
        slow(fs.models.gaussian_scale(0.5), fs.SUMO(), 5_000, "Hill path"),
    ],
)
def test_every_run_has_a_page(model: fs.Model, estimator: fs.SUMO, trials: int, says: str) -> None:
    found = check(page_of(fs.simulate(model, estimator, trials)))
    assert re.search(says, found.text)
    assert "<b>" not in found.tags


@pytest.mark.slow
def test_interruption_and_seeds_are_said(result: fs.Result) -> None:
    both = replace(result.merge(fs.simulate(NOTE, fs.SUMO(), 100, seed=7)), interrupted=True)
    found = check(page_of(both))
    assert "interrupted" in found.text
    assert "--seed 7" in found.text


@pytest.mark.slow
def test_without_the_model_there_are_no_paths_but_a_page(tmp_path: Path) -> None:
    mine = fs.Model(lambda z, params: 0.5 * z[0], 1, name="mine")
    found = fs.simulate(mine, fs.SUMO(), 2_000)
    with_paths = check(page_of(found))
    found.save(tmp_path / "r.npz")
    found = fs.load(tmp_path / "r.npz")
    without = check(page_of(found))
    assert "'mine' is not built in" in without.text
    assert with_paths.tags.count("svg") == without.tags.count("svg") + 10
    given = check(page_of(found, mine))
    assert given.tags.count("svg") == with_paths.tags.count("svg")
    wrong = check(page_of(found, NOTE))
    assert "is not the one that was run" in wrong.text


def test_a_path_ends_where_the_trial_does() -> None:
    trial = fs.replay(NOTE, fs.SUMO(), 7)
    drawn = svg.path(trial, 1.8)
    points = re.findall(r'points="([^"]+)"', drawn)[0].split()
    assert len(points) == trial.iwae.size
    heights = [float(point.split(",")[1]) for point in points]
    assert np.argmin(heights) == np.argmax(trial.iwae)
    empty = int(np.flatnonzero(np.isinf(fs.sample(half_empty, fs.ELBO(), 200)[0]))[0])
    assert svg.path(fs.replay(half_empty, fs.ELBO(), empty), 0.0) == "no finite path"


def test_figures_stand_on_white_whatever_the_page_does(page: str) -> None:
    drawing = svg.figure("x", "words & more", lambda ax: plot.octaves([1, 2], [0.5, 0.5], ax=ax))
    assert {"#0072b2", "#ffffff", "#000000"} <= set(re.findall(r"#[0-9a-f]{6}\b", drawing))
    assert "var(--" not in drawing
    assert 'aria-label="words &amp; more"' in drawing
    assert not re.search(r"xmlns|<metadata|<!DOCTYPE", drawing)
    names = check(drawing).ids
    assert names
    assert all(name.startswith("x-") for name in names)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


# --- studies and the command ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    made = Study(tmp_path_factory.mktemp("study") / "a & b.study")
    made.add([NOTE, fs.models.lognormal(0.5)], [fs.SUMO(), fs.IWAE(5)], trials=3_000)
    made.run(threads=1, progress=False)
    made.add(NOTE, fs.ELBO(), trials=10)
    return made


@pytest.mark.slow
def test_a_study_has_a_section_for_each_cell(study: Study, tmp_path: Path) -> None:
    study.report(tmp_path / "r.html")
    found = check((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert [name for name in found.ids if re.fullmatch(r"cell-\d+", name)] == [f"cell-{i}" for i in range(5)]
    assert {"again", "comparison", "cost", "cells"} <= set(found.ids)
    assert found.tags.count("svg") == 1 + 4 * 3
    assert "fastsumo study run" in found.text
    assert "0 of 10 trials" in found.text


@pytest.mark.slow
def test_the_command_writes_pages(
    study: Study, result: fs.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result.save("r.npz")
    assert cli.main(["report", "r.npz"]) == 0
    assert "report written to report.html" in capsys.readouterr().err
    check(Path("report.html").read_text(encoding="utf-8"))
    assert cli.main(["report", str(study.path), "-o", "s.html", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    check(Path("s.html").read_text(encoding="utf-8"))
    Path("text.npz").write_text("no result")
    for line, says in (
        (["none.npz"], "no such file"),
        (["r.npz", "-o", "nowhere/r.html"], "no folder"),
        (["text.npz"], "is not a fastsumo result"),
        ([str(study.path), "--model", "note"], "--model is for results"),
    ):
        assert cli.main(["report", *line]) == 2
        assert says in capsys.readouterr().err


def test_variance_against_cost(study: Study) -> None:
    runs = [study[i] for i in range(4)]
    axes = plot.cost(runs)
    marks = [line for line in axes.lines if line.get_marker() not in ("None", "")]
    drawn = [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in marks]
    assert sorted(drawn) == sorted((run.cost / run.trials, run.variance) for run in runs)
    hollow = {line.get_label() for line in marks if line.get_markerfacecolor() == "none"}
    assert {"note, SUMO(Harmonic())", "lognormal(0.5), SUMO(Harmonic())"} <= hollow
    assert "note, IWAE(k=5)" not in hollow
    with pytest.raises(ValueError, match="labels must be as many"):
        plot.cost(runs, labels=["one"])
    many = plot.cost(runs * 3, labels=[f"{i}" for i in range(12)])
    assert many.get_legend() is None
    assert [text.get_text() for text in many.texts][:2] == ["0", "1"]


# --- a browser ------------------------------------------------------------------------------------------------------

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


needs_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")


def load(file: Path, width: int) -> tuple[str, str]:
    """The page as headless Chromium has it when it is loaded, and what it logged."""
    assert BROWSER is not None
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    options += [f"--user-data-dir={file.parent / 'profile'}", f"--window-size={width},900"]
    done = subprocess.run([BROWSER, *options, file.as_uri()], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    return done.stdout, done.stderr


@needs_browser
@pytest.mark.parametrize("width", [500, slow(900), slow(1600)])
def test_a_browser_has_no_complaint(page: str, tmp_path: Path, width: int) -> None:
    """It logs nothing, and the page is not wider than the window (which is never narrower than 500)."""
    said = "<script>document.title = 'width ' + document.documentElement.scrollWidth;</script></body>"
    (tmp_path / "page.html").write_text(page.replace("</body>", said), encoding="utf-8")
    shown, logged = load(tmp_path / "page.html", width)
    assert "CONSOLE" not in logged
    assert int(re.findall(r"<title>width (\d+)</title>", shown)[0]) <= width


@pytest.mark.slow
@needs_browser
def test_nor_has_it_of_a_study(study: Study, tmp_path: Path) -> None:
    study.report(tmp_path / "page.html")
    shown, logged = load(tmp_path / "page.html", 900)
    assert "CONSOLE" not in logged
    assert 'id="cell-4"' in shown


@needs_browser
def test_a_complaint_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<script>nothing.at.all()</script>", encoding="utf-8")
    assert "CONSOLE" in load(tmp_path / "page.html", 900)[1]
