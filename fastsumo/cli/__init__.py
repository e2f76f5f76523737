"""The command ``fastsumo``: `main`, its exit codes, and errors as one line. No option lives here.

`commands` has their table, `arguments` what may be typed, `shared` what several of them need; the commands themselves
are in `trials` (run, tail, show, merge, replay), `estimators` (compare, levels, theory, evaluate, tune), `pages`
(report), `studies` (study), `guide` (guide, examples), `setting_up` (init, bench, completion) and `doctor`, and are
imported when one runs.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from fastsumo.cli.exit_codes import BAD_USAGE, FAILED, INTERRUPTED, OK
from fastsumo.errors import CellsFailedError, DeviceError, StudyStoppedError

__all__ = ["main"]

# Collections of garbage go through all that Numba and Matplotlib are made of: a tenth of the time of a short command.
_SELDOM = 100_000, 10, 10
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # a disk that fails when all is computed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of this process.

    Returns
    -------
    int
        0; 2 for bad usage or a model that cannot be run; 130 after Ctrl-C, SIGTERM or SIGHUP; 1 for a run that failed.

    Examples
    --------
    >>> main(["run", "note", "--trials", "1000", "--threads", "1", "--quiet"])
    0
    """
    own_process = arguments is None
    given = list(sys.argv[1:] if arguments is None else arguments)
    if own_process:
        gc.set_threshold(*_SELDOM)
        _end_as_after_ctrl_c()
    with contextlib.ExitStack() as stack:
        for stream, redirect in ((sys.stdout, contextlib.redirect_stdout), (sys.stderr, contextlib.redirect_stderr)):
            if stream is None:  # closed by who started this program; print would take the other one
                stack.enter_context(redirect(stack.enter_context(open(os.devnull, "w", encoding="utf-8"))))
        code = _run(given, own_process)
    if own_process:
        gc.freeze()  # the process ends, and needs not go through all once more
    return code


def _end_as_after_ctrl_c() -> None:
    """What a cluster sends at the end of a job's time, or a terminal that closes, loses no more than Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):  # the latter is not known to Windows, and ignored under nohup
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _run(given: list[str], own_process: bool) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            commands = importlib.import_module(f"{__name__}.commands")  # here, since Ctrl-C may come while it loads
            return int(commands.run(given, own_process))
    except KeyboardInterrupt:
        return _fail("interrupted before there was a result", INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except MemoryError:
        return _fail("not enough memory", FAILED)
    except (ValueError, TypeError, OSError, ImportError, DeviceError) as error:
        return _fail(_words(error), _code(error))
    except Exception as error:
        if os.environ.get("FASTSUMO_TRACEBACK"):
            raise
        return _fail(f"{type(error).__name__}: {_words(error)} (set FASTSUMO_TRACEBACK=1 to see where)", FAILED)


def _code(error: Exception) -> int:
    """Whether what was asked for was wrong, or went wrong in a trial."""
    in_a_trial = getattr(error, "trial", None) is not None or isinstance(error, (CellsFailedError, StudyStoppedError))
    no_room = getattr(error, "errno", None) in _NO_ROOM
    return FAILED if in_a_trial or no_room else BAD_USAGE


def _words(error: BaseException) -> str:
    """An error in one line."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"fastsumo: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _fail(message: str, code: int) -> int:
    print(f"fastsumo: error: {message}" if code != INTERRUPTED else f"fastsumo: {message}", file=sys.stderr)
    return code
