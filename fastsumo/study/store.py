"""The file of a study: SQLite tables, and what is written in one piece.

Knows records and bytes; what they mean, and who runs what, is in `study.py` and `coordinator.py`.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from fastsumo._version import __version__
from fastsumo.errors import StudyError, StudyStoppedError
from fastsumo.models.serialization import Recipe
from fastsumo.study.records import CELL_FIELDS, Cell, Run, StoredModel, cell_of_row, claims_of_text, row_of_cell
from fastsumo.study.store_faults import BUSY, check_whole, damaged, explained, has_log, logs_of, warn_of_lost_log

FORMAT = 2  # 1 had no checksums, and is read and written as it is
_APPLICATION = 0x66734D4F  # SQLite's own place for saying whose file it is

_TABLES = """
CREATE TABLE study (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE models (
    id INTEGER PRIMARY KEY, name TEXT, source TEXT, log_evidence REAL, spec TEXT, capsule BLOB, python TEXT,
    origin TEXT, description TEXT, checksum INTEGER);
CREATE TABLE cells (
    id INTEGER PRIMARY KEY, model INTEGER REFERENCES models, params TEXT, estimator TEXT, seed TEXT, trials INTEGER,
    state TEXT, message TEXT, piece INTEGER, chunk INTEGER, center REAL, pilot_trials INTEGER, pilot_seconds REAL,
    provenance TEXT, makers TEXT, done TEXT, tail TEXT, elapsed REAL, checksum INTEGER);
CREATE TABLE statistics (cell INTEGER PRIMARY KEY REFERENCES cells, body BLOB, tail BLOB);
CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT, pid INTEGER, beat INTEGER, claims TEXT, checksum INTEGER);
"""
_COLUMNS = {
    "models": ("id", "name", "source", "log_evidence", "spec", "capsule", "python", "origin", "description"),
    "cells": tuple(CELL_FIELDS),
    "runs": ("id", "machine", "pid", "beat", "claims"),
}


class Store:
    """An open study file; use it as a context manager, in one thread.

    Parameters
    ----------
    path : path-like
    write : bool
        Whether it may be changed.
    create : bool
        Whether a file that does not exist is made.

    Raises
    ------
    StudyError
        If it is no study, is damaged, is of a newer format, or cannot be opened so.
    """

    def __init__(self, path: str | os.PathLike[str], write: bool = False, create: bool = False) -> None:
        self.path = Path(os.path.realpath(path))  # where SQLite keeps its log, too
        logs = logs_of(self.path)  # looked for first: who makes the file now has none before
        new = not self.path.exists()
        if new and not create:
            raise StudyError(f"no such study: {self.path}")
        if new and logs:
            raise StudyError(
                f"cannot make {self.path}: {logs[0].name} lies there, with the last trials of a study that is gone; "
                "put that study back, or delete this file too"
            )
        if new and not self.path.parent.is_dir():
            raise StudyError(f"cannot make {self.path}: there is no folder {self.path.parent}")
        self.write = write
        with self._explained():
            if new:
                self._make()
            check_whole(self.path)
            warn_of_lost_log(self.path)
            self._connection = self._open()
            self._place = self._now_at_path()
            try:
                self._check_kind()
                if write:
                    self._begin_log()
                    self._connection.execute("PRAGMA synchronous = NORMAL")
            except BaseException:
                self._connection.close()
                raise
        self._seen: int | None = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; as one file again where nobody else has it open."""
        try:
            if self.write and self._now_at_path() == self._place:  # else the log there may be another's
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error:
            pass  # others are at it, or the disk is full: the log stays beside the file until the next one closes it
        finally:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is written as a whole or not at all; nobody else writes meanwhile.

        Raises
        ------
        StudyStoppedError
            If the file is not where it was: SQLite would go on writing to what nobody finds any more.
        """
        if self._now_at_path() != self._place:
            raise StudyStoppedError(
                f"{self.path} was moved, deleted or replaced while it was in use: nothing more can be stored; where it "
                "was moved, move it back and run again"
            )
        with self._explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside is of one moment, whatever others write meanwhile."""
        with self._explained():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def changed(self) -> bool:
        """Whether another process has written since the last call; true the first time."""
        with self._explained():
            seen = self._connection.execute("PRAGMA data_version").fetchone()[0]
        self._seen, before = seen, self._seen
        return bool(seen != before)

    def cells(self) -> dict[int, Cell]:
        """All cells by number."""
        return {row[0]: cell_of_row(row) for row in self._rows("cells")}

    def cell(self, number: int) -> Cell | None:
        """One of them; None where there is none of that number."""
        return next((cell_of_row(row) for row in self._rows("cells", number)), None)

    def add_cell(self, cell: Cell) -> int:
        """A new row; its number."""
        return self._put_row("cells", row_of_cell(cell) | {"id": None if cell.id < 0 else cell.id})

    def update_cell(self, cell: Cell) -> None:
        """Write a cell's row again."""
        self._put_row("cells", row_of_cell(cell))

    def drop_cell(self, cell: int) -> None:
        with self._explained():
            self._connection.execute("DELETE FROM statistics WHERE cell = ?", [cell])
            self._connection.execute("DELETE FROM cells WHERE id = ?", [cell])

    def models(self) -> dict[int, StoredModel]:
        """All models by number."""
        return {
            number: StoredModel(number, Recipe(name, (), source, spec, capsule, python), evidence, origin, description)
            for number, name, source, evidence, spec, capsule, python, origin, description in self._rows("models")
        }

    def put_model(self, model: StoredModel) -> int:
        """A new row, or a row again; its number."""
        row = vars(model) | model.recipe._asdict() | {"id": None if model.id < 0 else model.id}
        return self._put_row("models", {name: row[name] for name in _COLUMNS["models"]})

    def statistics(self, cell: int) -> tuple[bytes | None, bytes | None]:
        """Packed statistics of a cell's body and tail."""
        with self._explained():
            row = self._connection.execute("SELECT body, tail FROM statistics WHERE cell = ?", [cell]).fetchone()
        return (None, None) if row is None else row

    def put_body(self, cell: int, packed: bytes) -> None:
        self._put("body", cell, packed)

    def put_tail(self, cell: int, packed: bytes | None) -> None:
        self._put("tail", cell, packed)

    def _put(self, column: str, cell: int, packed: bytes | None) -> None:
        with self._explained():
            self._connection.execute(
                f"INSERT INTO statistics (cell, {column}) VALUES (?, ?) "
                f"ON CONFLICT (cell) DO UPDATE SET {column} = excluded.{column}",
                [cell, packed],
            )

    def runs(self) -> list[Run]:
        """Processes at work, or dead without a word."""
        rows = self._rows("runs")
        return [Run(number, machine, pid, beat, claims_of_text(claims)) for number, machine, pid, beat, claims in rows]

    def add_run(self, machine: str, pid: int) -> Run:
        row = {"id": None, "machine": machine, "pid": pid, "beat": 0, "claims": "{}"}
        return Run(self._put_row("runs", row), machine, pid, 0, {})

    def update_run(self, run: Run) -> None:
        """Write a run's row again, also if somebody thought it dead and took it away."""
        self._put_row("runs", vars(run) | {"claims": json.dumps(run.claims)})

    def drop_run(self, run: int) -> None:
        with self._explained():
            self._connection.execute("DELETE FROM runs WHERE id = ?", [run])

    def _put_row(self, table: str, row: dict[str, Any]) -> int:
        """Write a row, in the place of the one of its number, with a checksum of what is stored; its number."""
        names = ", ".join(row)
        with self._explained():
            places = ", ".join("?" * len(row))
            cursor = self._connection.execute(
                f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({places})", list(row.values())
            )
            if self._sealed:
                sealed = f"UPDATE {table} SET checksum = seal({', '.join(_COLUMNS[table])}) WHERE id = ?"
                self._connection.execute(sealed, [cursor.lastrowid])
        return int(cursor.lastrowid or 0)

    def _rows(self, table: str, number: int | None = None) -> list[tuple[Any, ...]]:
        """All rows by number, or that of one number, each of them what was written."""
        names = [*_COLUMNS[table], *(["checksum"] if self._sealed else [])]
        with self._explained():
            which, given = ("", []) if number is None else (" WHERE id = ?", [number])
            query = f"SELECT {', '.join(names)} FROM {table}{which} ORDER BY id"
            rows = self._connection.execute(query, given).fetchall()
        if not self._sealed:
            return rows
        for row in rows:
            if _seal(*row[:-1]) != row[-1]:
                one = table.removesuffix("s")
                raise StudyError(damaged(self.path, f"{one} {row[0]} is not as its checksum has it"))
        return [row[:-1] for row in rows]

    def _begin_log(self) -> None:
        """Write-ahead logging; SQLite does not wait by itself where others open or close the file just now."""
        end = time.monotonic() + BUSY
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def _now_at_path(self) -> tuple[int, int] | None:
        """Which file lies there; None for none."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _make(self) -> None:
        """A new study, made beside its place and moved there when it is whole."""
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        connection = sqlite3.connect(beside, isolation_level=None)
        try:
            connection.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {FORMAT};"
            )
            connection.execute("INSERT INTO study VALUES ('version', ?)", [__version__])
            connection.execute("COMMIT")
            connection.close()
            try:
                os.link(beside, self.path)
            except FileExistsError:
                pass  # another process was faster
            except OSError:  # no hard links here
                os.replace(beside, self.path)
        finally:
            connection.close()
            beside.unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        name = self.path.resolve().as_uri()
        try:
            return _connected(f"{name}?mode={'rw' if self.write else 'ro'}")
        except sqlite3.OperationalError as error:
            fault = getattr(error, "sqlite_errorname", "")
            if self.write:
                raise
            # Whoever wrote was killed at it. The next to open the file mends it, which one that only reads cannot.
            if fault in ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY"):
                _connected(f"{name}?mode=rw").close()
                return _connected(f"{name}?mode=ro")
            # Without write access to its folder SQLite cannot share a file in WAL mode: read it as one that stays as
            # it is.
            if fault == "SQLITE_CANTOPEN" and not has_log(self.path):
                return _connected(f"{name}?immutable=1")
            raise

    def _check_kind(self) -> None:
        application, version = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        if application != _APPLICATION:
            raise StudyError(f"{self.path} is not a fastsumo study, but another SQLite file")
        if version > FORMAT:
            writer = self._connection.execute("SELECT value FROM study WHERE name = 'version'").fetchone()
            raise StudyError(
                f"{self.path} has study format {version}, this version of fastsumo ({__version__}) reads formats up to "
                f"{FORMAT}; it was made by fastsumo {writer[0] if writer else '?'}"
            )
        self._sealed = version > 1
        for table in _COLUMNS:  # a row may have gone with its checksum
            found = self._connection.execute(f"PRAGMA quick_check({table})").fetchone()[0]
            if found != "ok":
                raise StudyError(damaged(self.path, found.splitlines()[-1]))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors as a line that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise explained(self.path, error) from error
        except UnicodeDecodeError as error:  # in what SQLite itself says
            raise StudyError(damaged(self.path, "its tables are not text")) from error
        except UnicodeEncodeError as error:  # a file's name of bytes that are no text
            raise StudyError(f"cannot write {error.object!r} to {self.path}: it is not text; rename the file") from None
        except OSError as error:
            raise StudyError(f"cannot use {self.path}: {error.strerror or error}") from error


def _connected(uri: str) -> sqlite3.Connection:
    """A connection that has read the file once: what is wrong with it is known."""
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
    connection.text_factory = lambda text: text.decode(errors="replace")  # what is damaged has another checksum
    connection.create_function("seal", -1, _seal, deterministic=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _seal(*values: Any) -> int:
    """A checksum of a row as SQLite gives it."""
    return zlib.crc32(repr(values).encode())
