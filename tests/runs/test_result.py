"""`Result` as a value: merging that is refused, files that are exact, atomic and checked, dictionaries for JSON.

The numbers in it are tested in `statistics/test_statistics.py`, its merging in `test_simulate.py`, its text in
`report/test_summary.py`.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bits import same_bits
from zoo import LAWS, MODELS, shifted

import fastsumo as fs
from fastsumo.report import result_page
from fastsumo.runs.files import FORMAT
from fastsumo.statistics.statistics import SUMS

SUMO = fs.SUMO(fs.roulette.Harmonic())


@pytest.fixture(scope="module")
def result() -> fs.Result:
    """A run of two seeds, with gaps."""
    a = fs.simulate(MODELS["note"], SUMO, 20_000, seed=1)
    b = fs.simulate(MODELS["note"], SUMO, 5_000, seed=2**64 - 1, first_trial=10**12)
    return a.merge(b).merge(fs.simulate(MODELS["note"], SUMO, 100, seed=1, first_trial=50_000))


def identical(a: fs.Result, b: fs.Result) -> bool:
    fields = ("provenance", "elapsed", "threads", "interrupted")
    return same_bits(a, b) and all(getattr(a, name) == getattr(b, name) for name in fields)


def said(result: fs.Result) -> str:
    return json.dumps(result.to_dict())  # NaN equals NaN as text


# --- merging --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "count"), [(0, 100), (50, 100), (99, 1), (0, 1), (20, 10)])
def test_runs_that_share_trials_are_not_merged(first, count):
    a = fs.simulate(MODELS["note"], SUMO, 100, seed=1)
    b = fs.simulate(MODELS["note"], SUMO, count, seed=1, first_trial=first)
    for mine, other in [(a, b), (b, a)]:
        with pytest.raises(ValueError, match=f"trial {first} of seed 1 is in both runs"):
            mine.merge(other)


def test_neighbouring_runs_are_joined():
    parts = [fs.simulate(MODELS["note"], SUMO, 10, first_trial=first) for first in (10, 30, 0, 20)]
    merged = parts[0].merge(parts[1])
    assert merged.ranges == {0: [(10, 20), (30, 40)]}
    assert merged.merge(parts[2]).merge(parts[3]).ranges == {0: [(0, 40)]}
    assert merged.trials == 20


def table(last: float) -> fs.SUMO:
    return fs.SUMO(fs.roulette.Table([1.0, 0.5, 0.4, 0.3, 0.2, last]))


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ((MODELS["note"], SUMO), (MODELS["note"], fs.SUMO(fs.roulette.Harmonic(cap=9))), "estimator"),
        ((MODELS["note"], SUMO), (MODELS["note"], fs.SUMO(fs.roulette.Harmonic(), 2)), "estimator"),
        ((MODELS["note"], SUMO), (MODELS["note"], fs.ELBO()), "estimator"),
        ((MODELS["note"], table(0.1)), (MODELS["note"], table(0.05)), "(estimator|law)"),
        ((fs.models.lognormal(1.0), SUMO), (fs.models.lognormal(1.0).with_params([2.0]), SUMO), "params"),
        ((MODELS["note"], SUMO), (MODELS["gamma"], SUMO), "model"),
        (
            (fs.Model(lambda z, params: z[0], 1, name="m"), SUMO),
            (fs.Model(lambda z, params: z[0] + 1.0, 1, name="m"), SUMO),
            "source",
        ),
        (
            (fs.Model(shifted.function, 1, [0.0, 1.0], name="m"), SUMO),
            (fs.Model(shifted.function, 1, [0.0, 1.0], "uniform", name="m"), SUMO),
            "source",
        ),
    ],
    ids=["law", "minimum", "kind", "table", "params", "name", "source", "noise"],
)
def test_different_runs_are_not_merged(one, other, what):
    a, b = fs.simulate(*one, 10), fs.simulate(*other, 10, first_trial=10)
    with pytest.raises(ValueError, match=f"different {what}"):
        a.merge(b)


def test_different_proposals_are_not_merged():
    note = MODELS["note"]
    other = note.with_proposal(fs.proposals.Gaussian([0.0, 0.0], 6.0))
    with pytest.raises(ValueError, match="different source"):
        fs.simulate(note, SUMO, 10).merge(fs.simulate(other, SUMO, 10, first_trial=10))


def test_merging_leaves_its_parts_alone():
    a, b = fs.simulate(MODELS["note"], SUMO, 100), fs.simulate(MODELS["note"], SUMO, 100, seed=1)
    before = a.mean, b.mean, a.ranges
    merged = a.merge(b)
    assert (a.mean, b.mean, a.ranges) == before
    assert merged.mean == pytest.approx((a.mean + b.mean) / 2, rel=1e-12)
    assert merged.elapsed == a.elapsed + b.elapsed


# --- files ----------------------------------------------------------------------------------------------------------


def test_a_file_gives_back_the_same_result(result, tmp_path):
    path = tmp_path / "run.npz"
    result.save(path)
    again = fs.load(path)
    assert identical(again, result)
    assert said(again) == said(result)
    assert again.ranges == {1: [(0, 20_000), (50_000, 50_100)], 2**64 - 1: [(10**12, 10**12 + 5000)]}
    assert identical(fs.load(str(path)), result)


@pytest.mark.parametrize("name", ["all zeros", "zeros", "wild", "libm"])
def test_files_of_unusual_runs(name, tmp_path):
    for estimator in (fs.SUMO(LAWS["table"]), fs.IWAE(2)):
        result = fs.simulate(MODELS[name], estimator, 3000)
        result.save(tmp_path / "run.npz")
        assert identical(fs.load(tmp_path / "run.npz"), result)


def test_a_loaded_result_merges_like_the_first_one(tmp_path):
    a = fs.simulate(MODELS["note"], SUMO, 4096)
    b = fs.simulate(MODELS["note"], SUMO, 4096, first_trial=4096)
    a.save(tmp_path / "a.npz")
    b.save(tmp_path / "b.npz")
    merged = fs.load(tmp_path / "a.npz").merge(fs.load(tmp_path / "b.npz"))
    assert identical(merged, a.merge(b))


def test_a_numpy_seed_can_be_saved(tmp_path):
    result = fs.simulate(MODELS["note"], fs.ELBO(), 10, seed=np.uint64(2**64 - 1), threads=np.int32(2))
    result.save(tmp_path / "run.npz")
    assert identical(fs.load(tmp_path / "run.npz"), result)


def test_saving_replaces_the_file_as_a_whole(result, tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    path.write_bytes(b"what was there")

    def fails(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fails)
        with pytest.raises(OSError, match="no space left"):
            result.save(path)
    assert path.read_bytes() == b"what was there"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fails)
        with pytest.raises(OSError, match="no space left"):
            result.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    result.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["run.npz"]
    assert identical(fs.load(path), result)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_has_the_permissions_of_any_new_file(result, tmp_path):
    result.save(tmp_path / "run.npz")
    (tmp_path / "other").touch()
    assert (tmp_path / "run.npz").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_file_is_small(result, tmp_path):
    result.save(tmp_path / "run.npz")
    assert (tmp_path / "run.npz").stat().st_size < 2_000_000


def _saved(result: fs.Result, path: Path) -> bytes:
    result.save(path)
    return path.read_bytes()


@pytest.mark.parametrize("kept", [0, 1, 10, 100, 0.5, 0.9, -1, -30])
def test_truncated_files(result, tmp_path, kept):
    path = tmp_path / "run.npz"
    whole = _saved(result, path)
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ValueError, match=r"run\.npz is not a fastsumo result, or is cut short") as error:
        fs.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([[0, 3000], [2000, 3000]], "trial 2000 was run twice"),
        ([[0, 1000], [2000, 3000]], "its statistics are not those of its trials"),
    ],
)
def test_a_result_of_other_trials_than_it_says_is_not_read(tmp_path: Path, ranges: list[list[int]], said: str) -> None:
    """As some are that first versions wrote, where two threads had the same trials."""
    fs.simulate(MODELS["note"], fs.ELBO(), 3000).save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz") as archive:
        arrays = dict(archive)
    header = json.loads(arrays["header"].tobytes()) | {"ranges": {"0": ranges}}
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(tmp_path / "other.npz", **arrays)
    with pytest.raises(ValueError, match=f"other.npz is a damaged fastsumo result .*{said}"):
        fs.load(tmp_path / "other.npz")


def test_files_with_flipped_bits(result, tmp_path):
    path = tmp_path / "run.npz"
    whole = _saved(result, path)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(whole), 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            again = fs.load(path)
        except ValueError:
            continue
        assert said(again) == said(result)  # a bit that nothing depends on, such as a time in the archive


def _text(path: Path) -> None:
    path.write_text("trial,value\n1,2\n")


def _array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("readme", "hello")


def _pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps({"header": 1}))


def _objects(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.array([{}], dtype=object))


def _not_json(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.frombuffer(b"\xff\xfe{", np.uint8))


def _a_list(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.frombuffer(b"[1, 2]", np.uint8))


def _other_magic(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, header=np.frombuffer(b'{"magic": "another program", "format": 1}', np.uint8))


@pytest.mark.parametrize("write", [_text, _array, _archive, _zip, _pickle, _objects, _not_json, _a_list, _other_magic])
def test_foreign_files(write: Callable[[Path], None], tmp_path):
    path = tmp_path / "foreign"
    write(path)
    with pytest.raises(ValueError, match="foreign is not a fastsumo result") as error:
        fs.load(path)
    assert "\n" not in str(error.value)


def _rewritten(path: Path, change: Callable[[dict], None], drop: str = "") -> None:
    """The file with another header, or without one of its arrays."""
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name != drop}
    header = json.loads(arrays["header"].tobytes())
    change(header)
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def test_files_of_a_newer_format(result, tmp_path):
    path = tmp_path / "run.npz"
    result.save(path)

    def newer(header: dict) -> None:
        header["format"] = FORMAT + 1
        header["provenance"] = {"version": "99.0", "something": "new"}

    _rewritten(path, newer)
    with pytest.raises(ValueError, match=f"format {FORMAT + 1}, .* reads format {FORMAT}.* fastsumo 99") as error:
        fs.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("field", ["format", "provenance", "ranges", "center", "threads"])
def test_files_without_a_field(result, tmp_path, field):
    path = tmp_path / "run.npz"
    result.save(path)
    _rewritten(path, lambda header: header.pop(field))
    with pytest.raises(ValueError, match=r"run\.npz is .*fastsumo result"):
        fs.load(path)


def test_files_without_statistics(result, tmp_path):
    path = tmp_path / "run.npz"
    result.save(path)
    _rewritten(path, lambda header: None, drop="statistics")
    with pytest.raises(ValueError, match="damaged fastsumo result"):
        fs.load(path)


@pytest.mark.parametrize(
    ("estimator", "text"),
    [
        (SUMO, "SUMO(roulette=Harmonic(cap=None), minimum=1, start=1)"),
        (
            fs.SUMO(fs.roulette.HarmonicGeometric(8, 0.3), minimum=3, start=0),
            "SUMO(roulette=HarmonicGeometric(alpha=8, rate=0.3, cap=None), minimum=3, start=0)",
        ),
        (
            fs.SingleTerm(fs.roulette.Table(1.0 / np.arange(1.0, 40.0))),
            "SingleTerm(roulette=Table([1, 0.5, 0.33333333333333331, 0.25, ... 39 values]))",
        ),
        (
            fs.SUMO(fs.roulette.Table([1.0, 0.1 + 0.2])),
            "SUMO(roulette=Table([1, 0.30000000000000004]), minimum=1, start=1)",
        ),
        (fs.JVI(5, order=2), "JVI(k=5, order=2)"),
        (fs.ELBO(), "ELBO()"),
        (fs.MLMC(first=False, kind="sum"), "MLMC(ratio=0.3535533905932738, base=1, first=False, kind='sum')"),
    ],
    ids=repr,
)
def test_files_of_the_first_format_are_read(estimator, text, tmp_path):
    """As fastsumo 0.1 wrote them: the estimator's ``repr``, and an array for each part, sums without empty rows."""
    result, path = fs.simulate(MODELS["note"], estimator, 3000, seed=1), tmp_path / "run.npz"
    result.save(path)
    with np.load(path) as archive:
        provenance = result.provenance.to_dict() | {"estimator": text}
        header = json.loads(archive["header"].tobytes()) | {"format": 1, "provenance": provenance}
    arrays: dict[str, np.ndarray] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    parts = vars(result.statistics) | {"extremes": result.extremes}
    arrays |= {name: np.asarray(parts[name]) for name in parts.keys() - {"kept", "unsorted_around", "sums"}}
    for name in SUMS:
        rows, low, digits = result.statistics.sums_of(name)
        used = digits.any(axis=1)
        arrays[name + "_rows"], arrays[name] = rows[used], np.array([limbs_of(each, low) for each in digits[used]])
    table = estimator.plan().law.table
    if table.size:
        arrays["law_table"] = table
    np.savez_compressed(path, **arrays)
    assert identical(fs.load(path), result)


def limbs_of(digits, low):
    """A sum as fastsumo 0.1 kept it: 68 limbs of 32 bits, the last with the sign."""
    total = sum(int(digit) << 32 * (low + i) for i, digit in enumerate(digits))
    return [total >> 32 * i & 0xFFFFFFFF for i in range(67)] + [total >> 32 * 67]


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no such result file: .*nowhere\.npz"):
        fs.load(tmp_path / "nowhere.npz")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        fs.load(tmp_path)


def test_no_folder_to_save_in(result, tmp_path):
    with pytest.raises(FileNotFoundError):
        result.save(tmp_path / "nowhere" / "run.npz")


# --- dictionaries ---------------------------------------------------------------------------------------------------


def test_to_dict_goes_through_json(result):
    summary = result.to_dict()
    assert json.dumps(json.loads(json.dumps(summary))) == json.dumps(summary)
    for name in ("trials", "cost", "mean", "std_error", "variance", "skewness", "kurtosis", "min", "max", "center"):
        assert summary[name] == getattr(result, name)
    assert summary["ranges"] == {"1": [[0, 20_000], [50_000, 50_100]], str(2**64 - 1): [[10**12, 10**12 + 5000]]}
    assert summary["provenance"]["model"] == "note"
    assert summary["provenance"]["version"] == fs.__version__
    assert sum(row["trials"] for row in summary["by_terms"]) == result.trials
    assert summary["trace"][-1]["trials"] == result.trials
    assert summary["extremes"][0]["value"] == result.extremes["value"][0]


@pytest.mark.parametrize("name", ["all zeros", "zeros"])
def test_to_dict_of_runs_with_zero_weights(name):
    summary = fs.simulate(MODELS[name], fs.IWAE(2), 1000).to_dict()
    assert json.loads(json.dumps(summary))["mean"] == -math.inf


def test_repr_is_one_line(result):
    assert "note" in repr(result)
    assert "trials=25100" in repr(result)
    assert "\n" not in repr(result)


# --- what the tail says ---------------------------------------------------------------------------------------------


def test_diagnose_knows_what_theory_predicts():
    run = fs.simulate(MODELS["note"], SUMO, 50_000, seed=1)
    found = run.diagnose(wanted_error=1e-3)
    assert (found.index, found.index_source, found.regime) == (2.0, "predicted", "index 2")
    assert found.constant.constant == pytest.approx(0.732943706)
    assert found.cap == pytest.approx(2 * 0.732943706 / 1e-3)
    assert run.diagnose(index=1.5).index == 1.5
    assert run.diagnose(index=1.5).constant is None


@pytest.mark.parametrize(
    ("model", "index"), [(shifted, 2.0), (fs.models.gaussian_scale(0.6), 1.5625)], ids=["no chi-square", "no variance"]
)
def test_diagnose_knows_the_tails_of_the_weights(model, index):
    found = fs.simulate(model, SUMO, 50_000, seed=1).diagnose()
    assert (found.index_source, found.index) == ("predicted", pytest.approx(index))
    assert found.constant is None


def test_what_is_known_of_the_weights_is_kept_in_the_file(tmp_path):
    heavy = fs.simulate(fs.models.gaussian_scale(0.6), SUMO, 2_000)
    heavy.save(tmp_path / "run.npz")
    assert "The weights themselves have no variance" in " ".join(str(heavy).split())
    assert "First-order theory" not in str(heavy)
    assert "no law of K mends that" in heavy.diagnose().advice
    assert "no law of K mends that" in result_page.verdict(heavy)
    assert str(fs.load(tmp_path / "run.npz")) == str(heavy)


def test_diagnose_advises_another_law_only_where_there_is_one():
    heavy = fs.models.gaussian_scale(0.6)
    assert "fs.MLMC" in fs.simulate(fs.models.note(), SUMO, 50_000).diagnose().text
    assert "fs.MLMC" not in fs.simulate(heavy, SUMO, 50_000).diagnose().text
    power_tail = fs.Model(lambda z, params: z[0] ** -0.8, 1, noise="uniform")
    assert "fs.MLMC" not in fs.simulate(power_tail, fs.ELBO(), 50_000).diagnose().text


def test_values_too_large_for_sums_have_no_interval_and_say_why():
    run = fs.simulate(MODELS["high"].with_params([0.0, 1e80]), fs.SUMO(fs.roulette.Harmonic(cap=50)), 3000)
    assert run.statistics.overflowed
    with pytest.warns(fs.tails.TailWarning, match="have no sums of powers"):
        assert math.isnan(run.interval().low)
    with pytest.raises(ValueError, match=r"values as far from 3.3\d*e\+80 as 5.\d*e\+81 have no sums of powers"):
        run.diagnose()


def test_diagnose_advises_no_cap_where_there_is_one():
    found = fs.simulate(fs.models.note(), fs.SUMO(fs.roulette.Harmonic(cap=800)), 10_000).diagnose()
    assert found.regime == "index 2"
    assert "Or a lower cap" in found.advice


def test_diagnose_says_that_it_leaves_trials_out():
    run = fs.simulate(MODELS["zeros"], SUMO, 20_000)
    with pytest.warns(fs.tails.TailWarning, match=f"{run.zero_weight_trials:,} trials have the value -inf"):
        assert run.diagnose().trials == run.trials - run.zero_weight_trials


def test_quantiles_of_the_histogram_are_within_one_percent():
    run = fs.simulate(MODELS["note"], SUMO, 50_000, seed=3)
    values, _ = fs.sample(MODELS["note"], SUMO, 50_000, seed=3)
    q = np.linspace(0.0, 1.0, 401)
    found = fs.tails.histogram_quantile(run.summary().histogram, q)
    expected = np.quantile(values, q, method="lower")
    assert np.all(np.abs(found - expected) <= 0.01 * np.abs(expected - run.center))


def test_one_run_has_one_mean():
    """In print, in the verdict, on the page and as an attribute; a median of means is another number."""
    result = fs.simulate(fs.models.note(), SUMO, 50_000, seed=3)
    verdict = result.diagnose()
    assert verdict.mean == result.mean != verdict.interval.center
    told = float(re.search(r"The mean is ([\d.]+)", verdict.text).group(1))
    printed = float(re.search(r"estimate +([\d.]+)", str(result)).group(1))
    page = float(re.search(r'class="big">([\d.]+)', result_page.estimate(result)).group(1))
    for number in (told, printed, page):
        assert number == pytest.approx(result.mean, abs=0.1 * verdict.error)


def test_quantiles_are_those_of_the_values():
    run = fs.simulate(MODELS["note"], SUMO, 20_000, seed=1)
    values, _ = fs.sample(MODELS["note"], SUMO, 20_000, seed=1)
    q = [0.001, 0.2, 0.5, 0.999]
    away = np.abs(run.quantile(q) - np.quantile(values, q))
    assert np.all(away <= 0.016 * np.abs(np.quantile(values, q) - run.center) + 1e-3)
    assert away[0] < 1e-12 > away[3]
    assert run.median == run.quantile(0.5)
    assert (run.quantile(0.0), run.quantile(1.0)) == (run.min, run.max)
    table = run.quantile_interval(q)
    assert np.all((table["low"] < table["value"]) & (table["value"] < table["high"]))


def test_quantiles_where_trials_have_no_weight():
    run = fs.simulate(MODELS["zeros"], fs.IWAE(2), 1000)
    assert 0 < run.zero_weight_trials < run.trials
    share = run.zero_weight_trials / run.trials
    assert run.quantile([0.0, 0.9 * share]).tolist() == [-math.inf, -math.inf]
    assert math.isfinite(run.quantile(1.1 * share))
    assert math.isnan(run.variance_error)


def test_the_error_of_the_variance_is_unknown_where_the_fourth_moment_may_not_exist():
    run = fs.simulate(MODELS["note"], SUMO, 20_000, seed=1)
    assert math.isnan(run.variance_error)
    bounded = replace(run, provenance=replace(run.provenance, estimator=fs.IWAE(5)), _model=None)
    values, _ = fs.sample(MODELS["note"], SUMO, 20_000, seed=1)
    n, m4 = values.size, np.mean((values - values.mean()) ** 4)
    expected = math.sqrt((m4 - (n - 3) / (n - 1) * np.var(values) ** 2) / n)
    assert bounded.variance_error == pytest.approx(expected, rel=1e-3)


def test_the_summary_is_a_row_of_a_table():
    pytest.importorskip("pandas")
    run = fs.simulate(MODELS["note"], SUMO, 20_000, seed=1)
    row = run.to_dataframe("summary").iloc[0]
    assert (row["model"], row["trials"], row["mean"], row["mcse_mean"]) == ("note", 20_000, run.mean, run.std_error)
    assert (row["50%"], row["sd"]) == (run.median, math.sqrt(run.variance))
    assert math.isnan(row["mcse_sd"])
    assert "trials          20,000" in str(run.summary())
