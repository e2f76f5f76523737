"""The file of a study: SQLite tables, and what is written in one piece.

Knows records and bytes; what they mean, and who runs what, is in `study.py` and `coordinator.py`.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from fastsumo._version import __version__
from fastsumo.errors import StudyError
from fastsumo.models.serialization import Recipe
from fastsumo.study.records import CELL_FIELDS, Cell, Run, StoredModel, cell_of_row, claims_of_text, row_of_cell
from fastsumo.study.store_faults import BUSY, check_whole, explanation, has_log

FORMAT = 1
_APPLICATION = 0x66734D4F  # SQLite's own place for saying whose file it is

_TABLES = """
CREATE TABLE study (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE models (
    id INTEGER PRIMARY KEY, name TEXT, source TEXT, log_evidence REAL, spec TEXT, capsule BLOB, python TEXT,
    origin TEXT, description TEXT);
CREATE TABLE cells (
    id INTEGER PRIMARY KEY, model INTEGER REFERENCES models, params TEXT, estimator TEXT, seed TEXT, trials INTEGER,
    state TEXT, message TEXT, piece INTEGER, chunk INTEGER, center REAL, pilot_trials INTEGER, pilot_seconds REAL,
    provenance TEXT, makers TEXT, done TEXT, tail TEXT, elapsed REAL);
CREATE TABLE statistics (cell INTEGER PRIMARY KEY REFERENCES cells, body BLOB, tail BLOB);
CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, machine TEXT, pid INTEGER, beat INTEGER, claims TEXT);
"""


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
        new = not self.path.exists()
        if new and not create:
            raise StudyError(f"no such study: {self.path}")
        if new and not self.path.parent.is_dir():
            raise StudyError(f"cannot make {self.path}: there is no folder {self.path.parent}")
        self.write = write
        with self._explained():
            if new:
                self._make()
            check_whole(self.path)
            self._connection = self._open()
            try:
                self._check_kind()
                if write:
                    self._connection.execute("PRAGMA journal_mode = WAL")
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
            if self.write:
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.Error:
            pass  # others are at it, or the disk is full: the log stays beside the file until the next one closes it
        finally:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is written as a whole or not at all; nobody else writes meanwhile."""
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
        with self._explained():
            rows = self._connection.execute(f"SELECT {', '.join(CELL_FIELDS)} FROM cells ORDER BY id").fetchall()
        return {row[0]: cell_of_row(row) for row in rows}

    def add_cell(self, cell: Cell) -> int:
        """A new row; its number."""
        row = row_of_cell(cell) | {"id": None if cell.id < 0 else cell.id}
        with self._explained():
            self._connection.execute(
                f"INSERT INTO cells ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values())
            )
        return cell.id

    def update_cell(self, cell: Cell) -> None:
        """Write a cell's row again."""
        row = row_of_cell(cell)
        with self._explained():
            self._connection.execute(
                f"UPDATE cells SET {', '.join(f'{name} = ?' for name in row)} WHERE id = ?", [*row.values(), cell.id]
            )

    def drop_cell(self, cell: int) -> None:
        with self._explained():
            self._connection.execute("DELETE FROM statistics WHERE cell = ?", [cell])
            self._connection.execute("DELETE FROM cells WHERE id = ?", [cell])

    def models(self) -> dict[int, StoredModel]:
        """All models by number."""
        columns = "id, name, source, spec, capsule, python, log_evidence, origin, description"
        with self._explained():
            rows = self._connection.execute(f"SELECT {columns} FROM models").fetchall()
        return {
            row[0]: StoredModel(row[0], Recipe(row[1], (), row[2], row[3], row[4], row[5]), row[6], row[7], row[8])
            for row in rows
        }

    def put_model(self, model: StoredModel) -> int:
        """A new row, or a row again; its number."""
        with self._explained():
            cursor = self._connection.execute(
                "INSERT OR REPLACE INTO models "
                "(id, name, source, log_evidence, spec, capsule, python, origin, description) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    None if model.id < 0 else model.id,
                    model.recipe.name,
                    model.recipe.source,
                    model.log_evidence,
                    model.recipe.spec,
                    model.recipe.capsule,
                    model.recipe.python,
                    model.origin,
                    model.description,
                ],
            )
        return int(cursor.lastrowid or 0)

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
        with self._explained():
            rows = self._connection.execute("SELECT id, machine, pid, beat, claims FROM runs").fetchall()
        return [Run(row[0], row[1], row[2], row[3], claims_of_text(row[4])) for row in rows]

    def add_run(self, machine: str, pid: int) -> Run:
        with self._explained():
            cursor = self._connection.execute(
                "INSERT INTO runs (machine, pid, beat, claims) VALUES (?, ?, 0, '{}')", [machine, pid]
            )
        return Run(int(cursor.lastrowid or 0), machine, pid, 0, {})

    def update_run(self, run: Run) -> None:
        """Write a run's row again, also if somebody thought it dead and took it away."""
        with self._explained():
            self._connection.execute(
                "INSERT OR REPLACE INTO runs (id, machine, pid, beat, claims) VALUES (?, ?, ?, ?, ?)",
                [run.id, run.machine, run.pid, run.beat, json.dumps(run.claims)],
            )

    def drop_run(self, run: int) -> None:
        with self._explained():
            self._connection.execute("DELETE FROM runs WHERE id = ?", [run])

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
                return sqlite3.connect(f"{name}?immutable=1", uri=True, isolation_level=None)
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

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """SQLite's errors as a line that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            raise StudyError(explanation(self.path, error)) from error
        except OSError as error:
            raise StudyError(f"cannot use {self.path}: {error.strerror or error}") from error


def _connected(uri: str) -> sqlite3.Connection:
    """A connection that has read the file once: what is wrong with it is known."""
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY, isolation_level=None)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
