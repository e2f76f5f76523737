"""What a person sees of a run under way: a live view, one line where it is narrow, lines elsewhere, or nothing."""

from __future__ import annotations

import io
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from watching import Watcher

import fastsumo as fs
from fastsumo.report import progress
from fastsumo.report.progress import Lines, Progress, Screen, line, lines, make_progress
from fastsumo.statistics.snapshot import Snapshot
from fastsumo.study.progress import Meter, make_meter

NOTE = fs.models.note()
FOUND = Snapshot(1000, 1.84, 0.012, -40.5, 0.05, 2.02, 0.1, 0, (400, 120, 33, 9, 2, 1))


def drawn(width: int, encoding: str = "utf-8") -> str:
    """All that a run's live view writes on a terminal."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    console = Console(file=out, force_terminal=True, width=width, height=24, legacy_windows=False, color_system=None)
    screen = Screen(1000, "note · SUMO(roulette=Harmonic())", console=console)
    screen._EVERY = 0.0  # type: ignore[misc]
    with screen:
        screen.stage("compiling")
        screen.stage("running")
        screen.update(0, lambda: None)
        screen.update(250, lambda: FOUND)
    out.flush()
    return out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_the_live_view() -> None:
    shown = drawn(120)
    assert "compiling: note · SUMO(roulette=Harmonic())" in shown
    assert "25%" in shown
    assert "trials/s" in shown
    for text in lines(FOUND):
        assert text in shown
    assert "▇▆▅▃▁▁" in shown


def test_who_asks_for_a_log_gets_one(caplog: pytest.LogCaptureFixture) -> None:
    """Under the name of the package, whatever is shown; without asking nothing is logged or printed."""
    assert type(make_progress(False, 1000, "note")) is Progress
    with caplog.at_level("DEBUG", logger="fastsumo"):
        bar = make_progress(False, 1000, "note · SUMO()")
        bar._EVERY = 0.0  # type: ignore[attr-defined]
        with bar:
            bar.stage("running")
            bar.update(250, lambda: FOUND)
            bar.update(1000, lambda: FOUND)
        with pytest.raises(KeyError), make_progress(False, 10, "other"):
            raise KeyError("x")
    said = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    assert said[0] == ("fastsumo", "DEBUG", "note · SUMO(): running")
    assert said[1][2].startswith("note · SUMO(): 25 % · 1.840 ± 0.012")
    assert said[2][2].startswith("note · SUMO(): 1,000 of 1,000 trials in ")
    assert said[3][1] == "ERROR"
    assert said[3][2].startswith("other: KeyError after ")


def test_without_a_standard_error_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under ``pythonw``, or after ``2>&-``: a line would go to standard output."""
    monkeypatch.setattr(sys, "stderr", None)
    assert type(make_progress(None, 1000, "note")) is Progress
    assert type(make_meter(None, 2)) is Meter


def test_a_narrow_terminal_has_one_line() -> None:
    shown = drawn(60)
    assert "compiling: note" in shown
    assert "25 % · 1.840 ± 0.012" in shown
    assert "largest trial" not in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert max(map(len, re.split(r"[\r\n]", plain))) <= 60


def test_a_terminal_without_the_characters() -> None:
    shown = drawn(120, encoding="ascii")
    assert "trials beyond 1 *+=:__ 40.5" in shown


def test_a_line_is_cut_at_a_part() -> None:
    whole = line(250, 1000, 2.0, FOUND)
    assert whole == "25 % · 1.840 ± 0.012 · 125 trials/s · 6 s left · largest -40.5 · Hill index 2.0 ± 0.1"
    assert line(250, 1000, 2.0, FOUND, 60) == "25 % · 1.840 ± 0.012 · 125 trials/s · 6 s left"
    assert line(0, 1000, 0.0, None) == "0 %"


def test_lines_for_a_log(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    log = Lines(1000, "note · ELBO()")
    log.stage("compiling")
    log.stage("running")
    for now[0] in (1.0, 59.0, 61.0, 100.0, 130.0):
        log.update(int(now[0]), lambda: FOUND)
    log.update(1000, lambda: FOUND)
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d fastsumo: note · ELBO\(\): 6 % · 1\.840 ± 0\.012 · 1 trials/s · .*", first)
    assert ": 13 % ·" in second


def test_a_stage_in_the_middle_does_not_start_the_clock_anew(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    log = Lines(1000, "note", "samples")
    now[0] = 5.0
    log.stage("running")
    now[0] = 35.0
    log.update(100, lambda: None)
    log.stage("compiling")
    log.stage("running")
    now[0] = 65.0
    log.update(200, lambda: None)
    assert "note: 20 % · 3.33 samples/s · 4 min left" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal", "settings", "kind"),
    [
        (True, {}, Screen),
        (True, {"CI": "true"}, Lines),
        (True, {"CI": "false"}, Screen),
        (True, {"TERM": "dumb"}, Lines),
        (False, {}, Lines),
    ],
)
@pytest.mark.parametrize("wanted", [None, True])
def test_what_is_shown_where(
    terminal: bool, settings: dict[str, str], kind: type, wanted: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    assert type(make_progress(wanted, 10, "note")) is kind
    assert type(make_progress(False, 10, "note")) is Progress
    mine = Watcher()
    assert make_progress(mine, 10, "note") is mine


def test_a_screen_is_drawn_four_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [100.0], []
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with Screen(1000, "note", console=console) as screen:
        screen.stage("running")
        for step in range(200):  # two seconds, as often as a run calls
            now[0] = 100.0 + step / 100.0
            screen.update(step, lambda: looks.append(now[0]))  # type: ignore[func-returns-value, arg-type, return-value]
    assert 7 <= len(looks) <= 9


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a terminal of POSIX")
def test_a_real_terminal_is_left_clean(tmp_path: Path) -> None:
    """The live view is gone when the result is printed, and the cursor is back."""
    import pty

    terminal, far_end = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(Path(fs.__file__).parents[1]), "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("CI", None)
    command = [sys.executable, "-m", "fastsumo", "run", "--trials", "2M", "--no-plot"]
    process = subprocess.Popen(command, stdin=far_end, stdout=far_end, stderr=far_end, env=environment, cwd=tmp_path)
    os.close(far_end)
    seen = b""
    while select.select([terminal], [], [], 300.0)[0]:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    os.close(terminal)
    assert process.wait(timeout=300) == 0
    text = seen.decode()
    assert "compiling" in text
    after = text[text.rindex("\x1b[?25h") :]
    assert "model           note" in after
    assert "largest trial  " in after
    assert "compiling" not in after
