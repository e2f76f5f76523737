"""What a notebook shows: HTML of results, tables of other packages, progress without widgets."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import fastsumo as fs
from fastsumo.study.study import Study
from fastsumo.study.table import Status

NOTE = fs.models.note()
TABLE = fs.Model(lambda z, row, params: row[0] * z[0] - 0.5 * row[0] ** 2, 1, data=[[0.0], [0.5], [1.0]], name="<rows>")


class Reader(HTMLParser):
    """Reads HTML strictly: every element that is opened is closed, in order."""

    VOID = ("br", "meta", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(html: str) -> str:
    """The text of HTML that is well formed."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return " ".join(" ".join(reader.texts).split())


@pytest.fixture(scope="module")
def result() -> fs.Result:
    return fs.simulate(NOTE, fs.SUMO(), 20_000, seed=1)


def test_a_result_shows_what_print_shows(result: fs.Result) -> None:
    shown = read(result._repr_html_())
    for word in ("model note", "tail index", "Hill", "furthest trials", "terms K", "trials/s"):
        assert word in shown
    assert f"{result.extremes['value'][0]:.10g}" in shown


def test_what_is_found_of_a_result_is_shown_as_tables(result: fs.Result) -> None:
    """And on a line of its own no more than a line can hold."""
    index = result.tail_index()
    shown = {
        result.diagnose(): "verdict index 2; predicted index 2",
        result.interval(): "95 % interval",
        index: f"estimate {index.estimate:.6g}",
        result.summary(): "trials 20,000",
        result.histogram: "counts",
        result.provenance: "model note",
        fs.theory.predict(NOTE, fs.MLMC()): "tail index 3 (first-order)",
        fs.tails.hill_path(result.summary()): "chosen",
        fs.replay(NOTE, fs.SUMO(), 7): "log weights",
        Status((), ()): "no cells yet",
        fs.Audit(False, ("it divides",), ("64 rows",)): "finding it divides",
    }
    for value, words in shown.items():
        assert words in read(value._repr_html_())
        assert len(repr(value)) < 600
    assert str(result.interval()).endswith("(95 %, median-of-means)")


@pytest.mark.parametrize("trials", [1, 3, 50])
def test_few_trials_are_shown_too(trials: int) -> None:
    assert f"{trials} (0" in read(fs.simulate(NOTE, fs.ELBO(), trials)._repr_html_()) or trials == 1


def test_a_comparison_is_shown() -> None:
    found = fs.compare(NOTE, [fs.IWAE(5), fs.SUMO()], cost=2e4)
    shown = read(found._repr_html_())
    assert "IWAE(k=5)" in shown
    assert "the variance is infinite" in shown
    assert f"{found[0].bias:+.2e}" in shown
    assert f"{found[0].bias:+.2e}" in str(found)


def test_levels_and_their_frames() -> None:
    pytest.importorskip("pandas")
    found = fs.levels(NOTE, 63, 500)
    shown = read(found._repr_html_())
    assert "dyadic levels of note" in shown
    assert f"{found.dyadic['mean'][3]:.5g}" in shown
    assert found.to_dataframe()["level"].tolist() == list(range(7))
    assert found.to_dataframe("increments")["k"].tolist() == list(range(1, 64))
    with pytest.raises(ValueError, match="table"):
        found.to_dataframe("all")


@pytest.mark.slow
def test_an_evaluation_and_its_frame() -> None:
    pytest.importorskip("pandas")
    found = fs.evaluate(TABLE, fs.IWAE(4), trials=500)
    shown = read(found._repr_html_())
    assert "<rows>" in shown
    assert "worst" not in shown
    frame = found.to_dataframe()
    assert frame["mean"].tolist() == found.mean.tolist()
    assert frame["trials"].tolist() == [500, 500, 500]


def test_a_study_is_shown(tmp_path: Path) -> None:
    study = Study(tmp_path / "s.study")
    assert "no cells" in read(study._repr_html_())
    study.add(NOTE, [fs.IWAE(5), fs.SUMO()], trials=2_000)
    assert "–" in read(study._repr_html_())
    study.run(threads=1, progress=False)
    assert f"{study[0].mean:.4f}" in read(study._repr_html_())


# --- progress -------------------------------------------------------------------------------------------------------

CELLS = [
    "import warnings; warnings.simplefilter('error')",
    "import fastsumo as fs\nr = fs.simulate(fs.models.note(), fs.SUMO(), 2_000_000, seed=1, threads=1)\nr",
    "from fastsumo import Study\nimport tempfile, pathlib\n"
    "s = Study(pathlib.Path(tempfile.mkdtemp()) / 'n.study')\n"
    "s.add(fs.models.note(), [fs.SUMO(), fs.IWAE(5)], trials=300_000)\ns.run(threads=1)\ns",
    "r.plot()",
    "%matplotlib inline\nr.plot()",
    "fs.plot.hill(r)",
]


@pytest.mark.slow
def test_progress_and_results_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of its own runs the cells; the live view is drawn and taken away again, and nothing warns."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient runs the notebook")
    pytest.importorskip("ipykernel", reason="ipykernel runs the notebook")
    import nbformat

    monkeypatch.setenv("PYTHONPATH", str(Path(fs.__file__).parent.parent))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    client = nbclient.NotebookClient(book, timeout=600, kernel_name="python3")
    seen: list[str] = []
    original = client.process_message

    def process(msg, cell, index):  # type: ignore[no-untyped-def]
        if "data" in msg["content"]:
            seen.append(msg["content"]["data"].get("text/html", ""))
        return original(msg, cell, index)

    monkeypatch.setattr(client, "process_message", process)
    client.execute()
    assert any("compiling: note" in html for html in seen)
    assert any("Hill index" in html and "trials/s" in html for html in seen)
    assert any("cells done" in html for html in seen)
    outputs = [output for cell in book.cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type in ("stream", "error")]
    last = [output.data.get("text/html", "") for output in outputs if output.output_type == "execute_result"]
    assert "furthest trials" in last[0]
    assert "IWAE(k=5)" in last[1]
    for cell in book.cells[-3:]:  # each picture once, with and without a backend for it
        assert ["image/png" in output.data for output in cell.outputs] == [True]
