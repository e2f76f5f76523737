"""What tests of the command line share: what a command prints, what it complains of, and a Ctrl-C."""

from __future__ import annotations

import signal

import pytest

from fastsumo import cli
from fastsumo.report.progress import Progress


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that succeeds prints."""
    assert cli.main(arguments) == 0
    return capsys.readouterr().out


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command that fails prints."""
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("fastsumo: error: ")
    assert printed.err.count("\n") == 1
    return printed.err


class Stopper(Progress):
    """Presses Ctrl-C, once, as soon as some trials are done."""

    pressed = False

    def update(self, done: int, glance: object) -> None:
        if done and not self.pressed:
            self.pressed = True
            signal.raise_signal(signal.SIGINT)
