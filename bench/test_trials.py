"""Whole trials of the note's problem by law, cap and estimator: fastsumo and every peer in one race.

`test_threads` repeats some of them on one thread and on all.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.runners import CASES, FAST, PROGRAMS, program, title
from fastsumo.base.machine import available_threads


@pytest.mark.parametrize("runner", PROGRAMS)
@pytest.mark.parametrize("case", CASES)
def test_trials(race_of: Any, case: str, runner: str, threads: int, quick: bool) -> None:
    work = race_of("trials", case, lambda name: program(name, CASES[case], threads, quick), title=title(runner))
    assert work.samples >= work.trials > 0


@pytest.mark.parametrize("runner", [f"{name}-{n}" for name in FAST for n in ("one", "all")])
@pytest.mark.parametrize("case", ["harmonic-80", "harmonic"])
def test_threads(race_of: Any, case: str, runner: str, quick: bool) -> None:
    def make(name: str) -> Any:
        base, number = name.rsplit("-", 1)
        return program(base, CASES[case], 1 if number == "one" else available_threads(), quick)

    work = race_of("threads", case, make, title=title(runner.rsplit("-", 1)[0]))
    assert work.samples >= work.trials > 0
