"""What can be wrong with the file of a study, and what is said then."""

from __future__ import annotations

import sqlite3
import time
import warnings
from pathlib import Path

from fastsumo.base.files import readable
from fastsumo.errors import StudyError, StudyStoppedError

BUSY = 60.0  # seconds to wait while another process writes


def explained(path: Path, error: sqlite3.Error) -> StudyError:
    """SQLite's error as one whose line says what to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    kind = StudyStoppedError if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY")) else StudyError
    return kind(_explanation(path, error, name))


def _explanation(path: Path, error: sqlite3.Error, name: str) -> str:
    kept = "all that was stored before is intact"
    if name == "SQLITE_FULL":
        return f"cannot write {path}: the disk is full; {kept}: make room and run again"
    if name.startswith("SQLITE_READONLY"):
        return f"cannot write {path}: it is read-only"
    if name == "SQLITE_NOTADB":
        return f"{path} is not a fastsumo study"
    if name.startswith("SQLITE_CORRUPT") or name == "SQLITE_ERROR":  # all that is asked of a whole file is answered
        return damaged(path, str(error))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"cannot write {path}: another process has held it for {BUSY:.0f} seconds"
    if name.startswith("SQLITE_CANTOPEN"):
        return f"cannot open {path}: no permission, or not a file"
    if name.startswith("SQLITE_IOERR"):
        return f"cannot read or write {path}: {error}, as from a full or failing disk; {kept}"
    return f"{path}: {error}"


def damaged(path: Path, why: str) -> str:
    return f"{path} is damaged or cut short ({why}); restore a copy"


def check_whole(path: Path) -> None:
    """Whether the file is as long as its header says; SQLite itself would notice much later."""
    try:
        readable(path)
    except OSError as error:  # such as a pipe, at which reading would wait
        raise StudyError(f"{path} is not a fastsumo study: {error}") from None
    had_log = has_log(path)
    with open(path, "rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        why = "is empty: it" if not header else ""
        raise StudyError(f"{path} {why} is not a fastsumo study".replace("  ", " "))
    if had_log and header[18:20] == b"\1\1" and has_log(path):  # it was closed, and then has none
        raise StudyError(
            f"{_log(path)} is not of {path.name}, but the log of another study that was there: move one of them away"
        )
    page = int.from_bytes(header[16:18], "big")
    size = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    counted = header[24:28] == header[92:96]  # whether the header's number of pages counts
    if counted and path.stat().st_size < size and not has_log(path):
        raise StudyError(f"{path} is cut short: {path.stat().st_size:,} of {size:,} bytes; restore a copy")


def warn_of_lost_log(path: Path) -> None:
    """Warn where nobody has closed the file, and its log has gone: a copy of it alone lacks what was stored last."""
    changed = path.stat().st_mtime_ns
    for wait in (0.0, 0.2):  # who opens or closes it is in that state for a moment
        time.sleep(wait)
        with open(path, "rb") as file:
            left = file.read(20)[18:] == b"\2\2" and not _log(path).exists()
        if not left or path.stat().st_mtime_ns != changed:
            return
    warnings.warn(
        f"{path} was not closed, and no {_log(path).name} lies beside it: if it was copied or moved without, the "
        "trials stored last are not in it, and will be run again",
        stacklevel=4,
    )


def has_log(path: Path) -> bool:
    """Whether SQLite's write-ahead log lies beside the file."""
    return _log(path) in logs_of(path)


def logs_of(path: Path) -> list[Path]:
    """What lies beside the file that SQLite would take for a part of it."""
    logs = [_log(path), path.with_name(path.name + "-journal")]
    return [log for log in logs if _size(log) > 0]


def _size(path: Path) -> int:
    """Bytes of a file, 0 for none: it may go at any moment."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
