"""The file of a study: what survives in it, and what is said where it is not what it should be."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from bits import same_bits

import fastsumo as fs
from fastsumo.errors import StudyError
from fastsumo.models.serialization import recipe
from fastsumo.report.result_page import write_page
from fastsumo.study import store
from fastsumo.study.records import Cell, StoredModel
from fastsumo.study.store import FORMAT, Store
from fastsumo.study.study import Study

NOTE = fs.models.note()
CAPPED = fs.SUMO(fs.roulette.Harmonic(cap=80))


def parts(count: int, size: int = 8192) -> list[fs.Result]:
    return [fs.simulate(NOTE, CAPPED, size, threads=1, first_trial=size * i) for i in range(count)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    study = Study(tmp_path_factory.mktemp("finished") / "a.study")
    study.add(NOTE, CAPPED, 10_000)
    study.run(threads=1, progress=False)
    return study.path


@pytest.fixture
def path(finished: Path, tmp_path: Path) -> Path:
    """A study with one finished cell."""
    return Path(shutil.copy(finished, tmp_path / "a.study"))


def test_a_cell_and_a_model_come_back(tmp_path: Path) -> None:
    cell = Cell(3, 1, (1.5, -2.0), '{"type": "IWAE", "k": 5}', 2**64 - 1, 2**62, done=[(0, 64)], piece=64, center=0.1)
    model = StoredModel(-1, recipe(fs.models.gamma(1.5))._replace(params=()), None, None, "text")
    with Store(tmp_path / "a.study", write=True, create=True) as store:
        with store.transaction():
            model.id = store.put_model(model)
            store.add_cell(cell)
        assert store.cells() == {3: cell}
        assert store.models() == {model.id: model}
    with Store(tmp_path / "a.study") as store:
        assert store.cells() == {3: cell}


def test_a_file_that_another_process_holds_is_said_to_be_held(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "BUSY", 0.05)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StudyError, match=r"cannot write .*a.study: another process has held it for 60 seconds"):
            Study(path).extend(20_000)
    finally:
        holder.rollback()
        holder.close()
    Study(path).extend(20_000)


def test_where_sqlite_does_not_wait_for_who_opens_or_closes_the_file_we_do(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says at once that it is busy where two begin to log in the same moment: seen with three that only do that."""
    busy = sqlite3.OperationalError("database is locked")
    busy.sqlite_errorname = "SQLITE_BUSY"
    answers = [busy, busy, None, busy]
    waits: list[float] = []
    with Store(path, write=True) as opened:
        monkeypatch.setattr(store.time, "sleep", waits.append)
        kept, opened._connection = opened._connection, Mock(execute=Mock(side_effect=answers))
        opened._begin_log()
        assert len(waits) == 2
        monkeypatch.setattr(store, "BUSY", -1.0)
        with pytest.raises(sqlite3.OperationalError):
            opened._begin_log()
        opened._connection = kept


def test_a_transaction_is_written_as_a_whole_or_not_at_all(path: Path) -> None:
    with Store(path, write=True) as store:
        cell = store.cells()[0]
        with pytest.raises(ZeroDivisionError), store.transaction():
            cell.trials = 5
            store.update_cell(cell)
            _ = 1 / 0
        assert store.cells()[0].trials == 10_000


def test_a_study_at_rest_is_one_file(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["a.study"]
    assert Study(path).status().complete
    assert [file.name for file in path.parent.iterdir()] == ["a.study"]


def test_a_file_whose_writer_was_killed_is_mended_by_who_reads_it(path: Path, tmp_path: Path) -> None:
    """A copy of the file and its journal from the middle of a transaction: what a kill leaves."""
    left, journal = tmp_path / "left.study", tmp_path / "left.study-journal"
    with Store(path) as store:
        cells = store.cells()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")  # changes reach the file before their transaction is over
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE cells SET trials = trials + 1")
        writer.executemany("INSERT INTO study VALUES (?, ?)", [(str(i), "x" * 1000) for i in range(1000)])
        shutil.copy(path, left)
        shutil.copy(f"{path}-journal", journal)
        writer.execute("ROLLBACK")
    assert left.read_bytes() != path.read_bytes()
    with Store(left) as store:
        assert store.cells() == cells
    assert not journal.exists()
    assert [cell.state for cell in Study(left).status().cells] == ["done"]


def test_a_copy_without_the_log_of_a_process_that_was_killed_says_what_it_lacks(path: Path, tmp_path: Path) -> None:
    left = tmp_path / "left.study"
    with Store(path, write=True) as store:
        with store.transaction():
            cell = store.cells()[0]
            cell.trials = 20_000
            store.update_cell(cell)
        shutil.copy(path, left)
    with pytest.warns(UserWarning, match=r"left\.study was not closed, and no left\.study-wal lies beside it"):
        Study(left)
    assert (Study(left).status().cells[0].target, Study(path).status().cells[0].target) == (10_000, 20_000)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"x" * 5000, b"SQLite format 3\0" + b"\0" * 200],
    ids=["empty", "short", "text", "header"],
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.study"
    file.write_bytes(content)
    with pytest.raises(StudyError, match="a.study"):
        Study(file)
    with pytest.raises(StudyError, match="a.study"):
        Store(file, write=True)
    assert file.read_bytes() == content


def test_another_sqlite_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE cells (id)")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StudyError, match="not a fastsumo study"):
        Study(file)
    with pytest.raises(StudyError, match="not a fastsumo study"):
        Store(file, write=True)
    assert file.read_bytes() == before


@pytest.mark.parametrize("kept", [0.3, 0.7, 0.999])
def test_a_truncated_file_is_noticed(path: Path, kept: float) -> None:
    with open(path, "r+b") as file:
        file.truncate(int(path.stat().st_size * kept))
    with pytest.raises(StudyError, match="cut short"):
        Study(path)


def test_statistics_with_a_flipped_bit_are_noticed(path: Path) -> None:
    with Store(path, write=True) as store:
        body, _ = store.statistics(0)
        assert body is not None
        store.put_body(0, body[:500] + bytes([body[500] ^ 1]) + body[501:])
    with pytest.raises(StudyError, match="checksum"):
        Study(path)[0]


@pytest.mark.parametrize(
    "change",
    [
        "cells SET center = center + 1e-9",
        "cells SET estimator = replace(estimator, '80', '81')",
        "cells SET seed = '1'",
        "cells SET done = '[[0, '",
        "models SET log_evidence = 1.5",
        "models SET name = CAST(x'6eef' AS TEXT)",
    ],
)
def test_no_number_of_a_row_changes_unnoticed(path: Path, change: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE {change}")
    for look in (Study(path).status, Study(path).rows, Study(path).run):
        with pytest.raises(StudyError, match=r"a\.study is damaged .*(cell 0|model 1) is not as its checksum"):
            look()


@pytest.mark.parametrize("table", ["cells", "models"])
def test_a_row_that_is_gone_is_missed(path: Path, table: str) -> None:
    """One less, says the head of the page that holds them, and SQLite believes it."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [table]).fetchone()[0]
    with open(path, "r+b") as file:
        file.seek((root - 1) * size)
        assert file.read(5) == b"\x0d\0\0\0\x01"
        file.seek((root - 1) * size + 4)
        file.write(b"\0")
    with pytest.raises(StudyError, match=r"a\.study is damaged"):
        Study(path)


def test_tables_whose_text_is_damaged_are_a_line(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE cells", b"CREATE TABL\xc5 cells"))
    with pytest.raises(StudyError, match=r"a\.study is damaged"):
        Study(path)


def test_a_study_of_format_1_is_read_and_goes_on(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in ("models", "cells", "runs"):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN checksum")
        connection.execute("PRAGMA user_version = 1")
    study = Study(path)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 10_000))
    study.extend(20_000)
    study.add(NOTE, CAPPED, 10_000, seeds=[1])
    study.run(threads=1, progress=False)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 20_000))
    assert same_bits(study[1], fs.simulate(NOTE, CAPPED, 10_000, 1))


def test_a_newer_format_is_refused_with_its_writer(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.execute("UPDATE study SET value = '99.1' WHERE name = 'version'")
    connection.commit()
    connection.close()
    with pytest.raises(StudyError, match=f"format {FORMAT + 1}.*made by fastsumo 99.1"):
        Study(path)


def test_no_study_no_folder_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such study"):
        Study(tmp_path / "none.study").status()
    with pytest.raises(StudyError, match="no folder"):
        Study(tmp_path / "none" / "a.study").add(NOTE, CAPPED, 100)
    with pytest.raises(StudyError, match="folder"):
        Study(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_path_with_spaces_and_letters_beyond_ascii(tmp_path: Path) -> None:
    folder = tmp_path / "größe & co #1 %20?"
    folder.mkdir()
    study = Study(folder / "é ∑.study")
    study.add(NOTE, fs.ELBO(), 1000)
    study.run(threads=1, progress=False)
    assert study[0].trials == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_a_model_whose_file_has_a_name_that_is_no_text(tmp_path: Path) -> None:
    """As files of old disks have; a study keeps text only, and a page of a result shows what it can."""
    file = os.fsdecode(os.fsencode(tmp_path) + b"/r\xe4.py")
    Path(file).write_text("import fastsumo as fs\n\nmine = fs.models.note()\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"r\\udce4\.py:mine' to .*a\.study: it is not text; rename the file"):
        Study(tmp_path / "a.study").add(f"{file}:mine", fs.ELBO(), 10)
    write_page(tmp_path / "a.html", f"made from {file}")
    assert (tmp_path / "a.html").read_text(encoding="utf-8").endswith("/r?.py")


@pytest.fixture
def readable(path: Path) -> Iterator[Path]:
    """A study that anybody can read, in a folder that only its owner can write."""
    folder = Path(tempfile.mkdtemp())
    shutil.copy(path, folder / "a.study")
    (folder / "a.study").chmod(0o444)
    folder.chmod(0o555)
    yield folder / "a.study"
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_read_only_study_can_be_read_and_says_that_it_cannot_be_written(readable: Path) -> None:
    study, user = Study(readable), os.geteuid()
    study.rows()  # all is imported before the rights of root go
    if user == 0:
        os.seteuid(65534)
    try:
        assert study.status().complete
        assert study.rows()[0]["trials"] == 10_000
        for change in (lambda: study.extend(20_000), lambda: study.add(NOTE, fs.ELBO(), 5)):
            with pytest.raises(StudyError, match=r"cannot.*a\.study"):
                change()
    finally:
        os.seteuid(user)


@pytest.mark.skipif(sys.platform != "linux", reason="file size limits as Linux has them")
def test_a_disk_without_room_is_a_line_and_what_was_stored_stays(path: Path) -> None:
    import resource

    study, limits = Study(path), resource.getrlimit(resource.RLIMIT_FSIZE)
    study.extend(3_000_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20_000, limits[1]))
    try:
        with pytest.raises(StudyError, match="intact") as caught:
            study.run(threads=1, progress=False, chunk_seconds=0.1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    study = Study(path)
    assert study[0].trials >= 10_000 // 4096 * 4096
    study.run(threads=2, progress=False)
    assert same_bits(study[0], fs.simulate(NOTE, CAPPED, 3_000_000))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    study = Study(small_disk / "a.study")
    study.add(NOTE, CAPPED, 5_000_000, seeds=range(8))
    with pytest.raises(StudyError, match=r"full.*intact"):
        study.run(threads=2, progress=False, chunk_seconds=0.2)
    done = study.status()
    assert 0 < sum(cell.trials for cell in done.cells) < 40_000_000
    first = next(cell for cell in done.cells if cell.trials)
    assert study[first.cell].trials == first.trials
