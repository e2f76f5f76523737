"""``python -m bench.report FILE.json``: the guide's speed table, and a figure, from what pytest-benchmark wrote.

Nothing is measured here. A table is Markdown; ``--page`` puts it between the markers, ``--figure`` draws it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- speed table -->", "<!-- end -->"
CASES = {
    "harmonic-80": "harmonic, K ≤ 80",
    "harmonic-10000": "K ≤ 10 000",
    "harmonic": "no cap",
    "paper": "HarmonicGeometric(80, 0.1)",
    "iwae-1": "IWAE(1)",
    "iwae-10": "IWAE(10)",
    "iwae-1000": "IWAE(1000)",
    "taylor-1": "Taylor, blocks of 1",
    "taylor-20": "of 20",
}
_COLD = {
    "everything": "first result after installation, which compiles all",
    "a user's model": "first result of another model, which compiles that",
}
BUSY = 1.15  # by the clock over on the cores: beyond it, others had the cores
Entry = Mapping[str, Any]


# ---- what is in the file ----


def entries(data: Mapping[str, Any], suite: str, case: str | None = None) -> list[Entry]:
    """The ``extra_info`` of the benchmarks of a suite, each with its best ``seconds``."""
    found = [
        {**each["extra_info"], "seconds": each["stats"]["min"]}
        for each in data["benchmarks"]
        if each.get("extra_info", {}).get("suite") == suite
    ]
    return [each for each in found if case is None or each["case"] == case]


def busy(data: Mapping[str, Any]) -> float:
    """How much longer fastsumo's laps took by the clock than on the cores; 1 on a machine of its own."""
    ratios = [
        each["ns_per_sample"] / each["cpu_ns_per_sample"]
        for each in entries(data, "trials")
        if each["runner"] == "fastsumo"
    ]
    return max(ratios, default=1.0)


def nanoseconds(each: Entry, clock: str) -> float:
    """Per importance sample: by the clock and thread, or on the cores."""
    return float(each["ns_per_sample" if clock == "wall" else "cpu_ns_per_sample"])


def machine(data: Mapping[str, Any]) -> str:
    """CPU, cores and versions in one line."""
    info = data["machine_info"]
    cpu = info.get("cpu", {}).get("brand_raw") or info.get("processor") or "unknown CPU"
    kind = info.get("compiler_cpu")
    cores = info.get("cores", "?")
    versions = ", ".join(f"{name} {number}" for name, number in info.get("versions", {}).items())
    return f"{cpu}{f' ({kind})' if kind else ''}, {cores} cores; {versions}"


def command(data: Mapping[str, Any], clock: str) -> str:
    """What was typed."""
    threads = data["machine_info"].get("bench_threads")
    asked = f" --bench-threads {threads}" if threads else ""
    counted = " --clock cpu" if clock == "cpu" else ""
    return (
        f"python -m pytest bench --benchmark-only --benchmark-json=speed.json{asked}\n"
        f"python -m bench.report speed.json --page fastsumo/guide/speed.md --figure bench/figures/speed.png{counted}"
    )


# ---- tables ----


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown; the first row is the head, the first column holds names."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|" + " --- |" + " ---: |" * (len(rows[0]) - 1))
    return "\n".join(lines)


def trials_table(data: Mapping[str, Any], clock: str) -> str:
    """Nanoseconds per sample of every program on every case, and how many times fastsumo's that is."""
    found = entries(data, "trials")
    if not found:
        return ""
    cases = [case for case in CASES if any(each["case"] == case for each in found)]
    cells = {(each["runner"], each["case"]): each for each in found}
    titles = {each["runner"]: each["title"] for each in found}
    rows = [["ns per sample", *(CASES[case] for case in cases)]]
    for runner, title in sorted(titles.items(), key=lambda item: _order(item[0], cells, cases, clock)):
        row = [f"**{title}**" if runner == "fastsumo" else title]
        for case in cases:
            own, ours = cells.get((runner, case)), cells.get(("fastsumo", case))
            row.append(_cell(own, ours, clock))
        rows.append(row)
    rates = ["*fastsumo, million trials a second*"]
    for case in cases:
        ours = cells.get(("fastsumo", case))
        rates.append("" if ours is None else f"*{_short(_rate(ours, clock) / 1e6)}*")
    return table([*rows, rates])


def threads_table(data: Mapping[str, Any], clock: str) -> str:
    """Nanoseconds per sample and thread, on one thread and on all, and how much faster all are."""
    found = {(each["case"], each["runner"]): each for each in entries(data, "threads")}
    rows = [["threads", "one, ns", "all, ns", "times as fast"]]
    for (case, runner), one in found.items():
        every = found.get((case, runner.replace("-one", "-all")))
        if not runner.endswith("-one") or every is None:
            continue
        gain = every["trials_per_second"] / one["trials_per_second"]
        shown = f"{gain:.2f} on {every['threads']}"
        rows.append(
            [
                f"{one['title']}, {CASES[case]}",
                *(_short(nanoseconds(each, clock)) for each in (one, every)),
                shown,
            ]
        )
    return table(rows) if len(rows) > 1 else ""


def dimensions_table(data: Mapping[str, Any], clock: str) -> str:
    """Nanoseconds per sample, and per dimension."""
    found = entries(data, "dimensions")
    chains = sorted((e for e in found if e["runner"].startswith("chain")), key=lambda e: e["dimension"])
    others = [each for each in found if not each["runner"].startswith("chain")]
    if not found:
        return ""
    shown = [*chains, *others]
    return table(
        [
            ["dimension", *(str(e["dimension"]) + ("" if e in chains else " (logistic)") for e in shown)],
            ["ns per sample", *(_short(nanoseconds(e, clock)) for e in shown)],
            ["ns per dimension", *(_short(nanoseconds(e, clock) / e["dimension"]) for e in shown)],
        ]
    )


def growth_table(data: Mapping[str, Any], clock: str) -> str:
    """Cost and memory as trials grow."""
    found = sorted(entries(data, "growth"), key=lambda each: each["trials"])
    if not found:
        return ""
    return table(
        [
            ["trials, no cap", *(f"{each['trials']:.0e}".replace("e+0", "e") for each in found)],
            ["samples a trial", *(f"{each['cost']:.1f}" for each in found)],
            ["peak memory, MB", *(f"{each['told']['peak_mb']:.0f}" for each in found)],
        ]
    )


def functions_table(data: Mapping[str, Any], clock: str) -> str:
    """Random numbers, elementary functions and log weights, all programs of a case in one row."""
    rows = [["ns each, one thread", "fastsumo", "others"]]
    for suite in ("random numbers", "vmath", "log weights"):
        found = entries(data, suite)
        for case in dict.fromkeys(each["case"] for each in found):
            shown = {e["runner"]: _short(nanoseconds(e, clock)) for e in found if e["case"] == case}
            ours = shown.pop("fastsumo", "")
            rows.append([f"{suite}: {case}", ours, ", ".join(f"{name} {ns}" for name, ns in shown.items())])
    return table(rows) if len(rows) > 1 else ""


def startup_table(data: Mapping[str, Any], clock: str) -> str:
    """Seconds of a whole process."""
    found = [
        (_COLD[each["runner"]] if each["case"] == "cold" else each["runner"], each)
        for each in entries(data, "start-up")
    ]
    if not found:
        return ""
    scale = 1e-9 if clock == "cpu" else None
    rows = [[name, f"{each['cpu_ns_per_sample'] * scale if scale else each['seconds']:.2f}"] for name, each in found]
    return table([["a whole process", "s"], *rows])


def report(data: Mapping[str, Any], clock: str = "wall") -> str:
    """All that goes between the markers."""
    how = (
        "Best of several rounds in which the programs take turns; time by the clock, times threads."
        if clock == "wall"
        else "Best of several rounds in which the programs take turns; time that the cores spent, because the machine "
        "was not idle."
    )
    warning = ""
    if clock == "wall" and busy(data) > BUSY:
        warning = f"\n\nThe machine was busy: laps took up to {busy(data):.1f} times what the cores spent on them."
    head = (
        f"Nanoseconds per importance sample on the note's problem, statistics included; in brackets how many times "
        f"fastsumo's. {how}{warning}\n\n"
        f"Measured on {machine(data)}, with\n\n```text\n{command(data, clock)}\n```"
    )
    parts = [trials_table, threads_table, dimensions_table, growth_table, startup_table, functions_table]
    return "\n\n".join([head, *filter(None, (part(data, clock) for part in parts))])


def with_table(page: str, text: str, markers: tuple[str, str] = (BEGIN, END)) -> str:
    """A page with the text between its markers. Raises ValueError where they are not there."""
    begin, end = markers
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"the page must have the markers {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def publish(text: str, page: Path | None, markers: tuple[str, str] = (BEGIN, END)) -> None:
    """Print the text, or put it between the markers of a page."""
    if page is None:
        print(text)
    else:
        page.write_text(with_table(page.read_text(encoding="utf-8"), text, markers), encoding="utf-8")


def _order(runner: str, cells: Mapping[tuple[str, str], Entry], cases: Iterable[str], clock: str) -> float:
    """fastsumo first, then the fastest."""
    if runner == "fastsumo":
        return -1.0
    own = [nanoseconds(cells[runner, case], clock) for case in cases if (runner, case) in cells]
    return min(own, default=0.0)


def _cell(own: Entry | None, ours: Entry | None, clock: str) -> str:
    if own is None:
        return "–"
    ns = nanoseconds(own, clock)
    if own["runner"] == "fastsumo":
        return f"**{_short(ns)}**"
    return _short(ns) if ours is None else f"{_short(ns)} ({_short(ns / nanoseconds(ours, clock))}×)"


def _rate(each: Entry, clock: str) -> float:
    """Trials a second, on as many cores as there are threads."""
    if clock == "wall":
        return float(each["trials_per_second"])
    return float(each["threads"] * 1e9 / (each["cpu_ns_per_sample"] * each["cost"]))


def _short(number: float) -> str:
    """Two or three digits."""
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 1 else f"{number:.2f}"


# ---- figure ----


def figure(data: Mapping[str, Any], clock: str = "wall") -> Any:
    """Three panels: nanoseconds per sample, trials a second, and cost as trials grow."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(10.0, 3.6), layout="constrained")
    left, middle, right = drawn.subplots(1, 3, gridspec_kw={"width_ratios": [1.25, 1.0, 0.9]})
    _draw_programs(left, data, clock)
    _draw_rates(middle, data, clock)
    _draw_growth(right, data)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(10)
        axes.tick_params(labelsize=8)
    return drawn


_LINES = {"harmonic-80": ("o", "#1f77b4"), "harmonic-10000": ("s", "#2ca02c"), "harmonic": ("D", "#d62728")}


def _programs(data: Mapping[str, Any], clock: str) -> list[str]:
    """Names from the slowest to the fastest, fastsumo last."""
    found = [each for each in entries(data, "trials") if each["case"] in _LINES]
    best: dict[str, float] = {}
    for each in found:
        best[each["runner"]] = min(best.get(each["runner"], 1e300), nanoseconds(each, clock))
    return sorted(best, key=lambda name: (name == "fastsumo", -best[name]))


def _draw_programs(axes: Any, data: Mapping[str, Any], clock: str) -> None:
    names = _programs(data, clock)
    for case, (marker, colour) in _LINES.items():
        found = [each for each in entries(data, "trials", case) if each["runner"] in names]
        places = [names.index(each["runner"]) for each in found]
        values = [nanoseconds(each, clock) for each in found]
        axes.plot(values, places, marker, color=colour, markersize=5, alpha=0.8, label=CASES[case])
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), [_label(name) for name in names])
    axes.grid(axis="x", which="major", alpha=0.3)
    axes.set_title("ns per importance sample and thread")
    axes.legend(fontsize=7, frameon=False)


def _draw_rates(axes: Any, data: Mapping[str, Any], clock: str) -> None:
    names = _programs(data, clock)
    found = {e["runner"]: _rate(e, clock) for e in entries(data, "trials", "harmonic-80")}
    rates = [found.get(name, 0.0) / 1e6 for name in names]
    bars = axes.barh(range(len(names)), rates, color=["#1f77b4" if n == "fastsumo" else "#b0b7bf" for n in names])
    axes.bar_label(bars, [_short(rate) if rate else "" for rate in rates], fontsize=7, padding=2)
    axes.set_xlim(0, 1.15 * max([*rates, 1e-3]))
    axes.set_yticks(range(len(names)), [""] * len(names))
    axes.set_title("million trials a second, K ≤ 80")


def _draw_growth(axes: Any, data: Mapping[str, Any]) -> None:
    found = sorted(entries(data, "growth"), key=lambda each: each["trials"])
    if found:
        trials = [each["trials"] for each in found]
        axes.plot(trials, [each["cost"] for each in found], "o-", color="#d62728", label="samples a trial")
        memory = [each["told"]["peak_mb"] / 10.0 for each in found]
        axes.plot(trials, memory, "s--", color="#7f7f7f", label="peak memory / 10 MB")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=7, frameon=False)
    axes.set_xlabel("trials", fontsize=8)
    axes.set_title("cost as work grows, no cap")


def _label(name: str) -> str:
    labels = {
        "note_script": "the note's script",
        "numpy_grouped": "NumPy",
        "numba_plain": "plain Numba",
        "jax": "JAX",
        "torch": "PyTorch",
        "c_log_weight": "C, log weights",
        "c_peer": "C with libmvec",
    }
    return labels.get(name, name)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.report", description="Tables from a run of the benchmarks.")
    parser.add_argument("file", type=Path, help="what pytest wrote with --benchmark-json")
    parser.add_argument("--page", type=Path, help="put the tables between the markers of this file")
    parser.add_argument("--figure", type=Path, help="draw them to this file")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: what the cores spent, for a busy machine"
    )
    options = parser.parse_args(arguments)
    data = json.loads(options.file.read_text(encoding="utf-8"))
    publish(report(data, options.clock), options.page)
    if options.figure is not None:
        options.figure.parent.mkdir(parents=True, exist_ok=True)
        figure(data, options.clock).savefig(options.figure, dpi=110)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
