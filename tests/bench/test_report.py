"""The tables and the figure of `bench.report`, on a small dictionary such as pytest-benchmark writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import report


def benchmark(suite: str, case: str, runner: str, ns: float, **extra: Any) -> dict[str, Any]:
    info = {
        "suite": suite,
        "case": case,
        "runner": runner,
        "title": runner.upper(),
        "threads": 2,
        "samples": 6_000_000,
        "trials": 1_000_000,
        "cost": 6.0,
        "ns_per_sample": ns,
        "cpu_ns_per_sample": ns / 2,
        "trials_per_second": 2e9 / (6.0 * ns),
        "load": 1.0,
    }
    return {"name": f"{case}-{runner}", "stats": {"min": ns * 3e-3}, "extra_info": info | extra}


@pytest.fixture
def data() -> dict[str, Any]:
    return {
        "machine_info": {
            "cpu": {"brand_raw": "A CPU"},
            "compiler_cpu": "z9",
            "cores": 2,
            "versions": {"Python": "3.12", "numba": "0.68"},
        },
        "benchmarks": [
            benchmark("trials", "harmonic-80", "numba_plain", 80.0),
            benchmark("trials", "harmonic-80", "fastsumo", 8.0, title="fastsumo"),
            benchmark("trials", "harmonic", "fastsumo", 7.5, title="fastsumo"),
            benchmark("threads", "harmonic-80", "fastsumo-one", 8.0, trials_per_second=1e6),
            benchmark("threads", "harmonic-80", "fastsumo-all", 8.2, trials_per_second=1.9e6),
            benchmark("dimensions", "harmonic-80", "chain-16", 64.0, dimension=16),
            benchmark("dimensions", "harmonic-80", "logistic-30", 900.0, dimension=30),
            benchmark("growth", "10000", "fastsumo", 9.0, trials=10_000, told={"peak_mb": 200.0}),
            benchmark("growth", "1000000", "fastsumo", 9.0, trials=1_000_000, told={"peak_mb": 201.0}),
            benchmark("start-up", "warm", "import numba", 100.0),
            benchmark("vmath", "exp", "fastsumo", 1.0),
            benchmark("vmath", "exp", "numpy", 3.0),
            {"name": "something else", "stats": {"min": 1.0}, "extra_info": {}},
        ],
    }


def test_the_table_of_trials_has_ratios_and_rates(data: dict[str, Any]) -> None:
    lines = report.trials_table(data, "wall").splitlines()
    assert lines[0] == "| ns per sample | harmonic, K ≤ 80 | no cap |"
    assert lines[2] == "| **fastsumo** | **8.0** | **7.5** |"
    assert lines[3] == "| NUMBA_PLAIN | 80.0 (10.0×) | – |"
    assert "41.7" in lines[4]


def test_time_on_the_cores_can_be_asked_for(data: dict[str, Any]) -> None:
    assert "**4.0**" in report.trials_table(data, "cpu")
    assert "The machine was busy" in report.report(data, "wall")
    assert "The machine was busy" not in report.report(data, "cpu")


def test_the_report_names_the_machine_and_has_every_table(data: dict[str, Any]) -> None:
    text = report.report(data)
    assert "A CPU (z9), 2 cores; Python 3.12, numba 0.68" in text
    for part in ("1.90 on 2", "| 4.0 |", "30 (logistic)", "| 200 |", "import numba", "numpy 3.0"):
        assert part in text, part


def test_a_partial_run_makes_a_partial_report(data: dict[str, Any]) -> None:
    data["benchmarks"] = data["benchmarks"][:1]
    text = report.report(data)
    assert "| NUMBA_PLAIN | 80.0 |" in text
    assert "dimension" not in text
    data["benchmarks"] = []
    assert "|" not in report.report(data)


def test_the_page_keeps_the_rest(data: dict[str, Any], tmp_path: Path) -> None:
    page, source, figure = tmp_path / "speed.md", tmp_path / "speed.json", tmp_path / "figures" / "speed.png"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", encoding="utf-8")
    source.write_text(json.dumps(data), encoding="utf-8")
    command = [str(source), "--page", str(page), "--figure", str(figure)]
    assert report.main(command) == report.main(command) == 0
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert text.count("| **fastsumo** |") == 1
    assert 1_000 < figure.stat().st_size < 100_000


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="markers"):
        report.with_table("nothing here", "table")
