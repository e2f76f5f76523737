"""Files that are written whole: through links, and only where a regular file is or can be."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fastsumo.base.files import is_database, readable, writable, written_whole

posix = pytest.mark.skipif(os.name != "posix", reason="files of POSIX")


def write(target: Path, text: str) -> None:
    with written_whole(target) as file:
        file.write_text(text)


@posix
def test_links_are_written_through(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    (tmp_path / "second").symlink_to("link")
    for text in ("first", "again"):
        write(tmp_path / "second", text)
        assert (tmp_path / "there" / "file").read_text() == text
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "second").is_symlink()
    assert [file.name for file in (tmp_path / "there").iterdir()] == ["file"]


@posix
def test_what_is_no_regular_file_is_refused_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # for a socket's name must be short
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    Path("folder").mkdir()
    Path("round").symlink_to("round")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    says = {"pipe": "a named pipe", "link": "a named pipe", "folder": "a folder", "socket": "a socket", "round": "link"}
    for name, why in says.items():
        before = os.lstat(name)
        for act in (writable, readable, lambda file: write(file, "lost")):
            with pytest.raises(OSError, match=f"{name}: .*{why}"):
                act(Path(name))
        assert os.lstat(name) == before
    with pytest.raises(OSError, match="cannot write /dev/null: it is a device, not a regular file"):
        writable("/dev/null")
    listener.close()


def test_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere$"):
        writable(tmp_path / "nowhere" / "file")
    with pytest.raises(FileNotFoundError, match=r"no such file: .*absent"):
        readable(tmp_path / "absent")
    if os.name == "posix":
        (tmp_path / "link").symlink_to("gone/file")
        with pytest.raises(FileNotFoundError, match=r"link: there is no folder .*gone$"):
            writable(tmp_path / "link")


@posix
def test_what_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests: root may write everywhere, and is asked as others are."""
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "kept").chmod(0o444)
    tmp_path.chmod(0o555)
    monkeypatch.setattr(os, "access", lambda path, mode: bool(Path(path).stat().st_mode & 0o200))
    with pytest.raises(PermissionError, match="kept: it is read-only"):
        writable(tmp_path / "kept")
    with pytest.raises(PermissionError, match=r"new: nothing can be written to the folder"):
        writable(tmp_path / "new")
    tmp_path.chmod(0o755)


@posix
def test_permissions_of_what_was_there_stay(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("mine")
    file.chmod(0o600)
    write(file, "still mine")
    assert file.stat().st_mode & 0o777 == 0o600


def test_names_as_long_as_there_are(tmp_path: Path) -> None:
    write(tmp_path / ("n" * 255), "all of it")
    assert (tmp_path / ("n" * 255)).read_text() == "all of it"


def test_a_database_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"SQLite format 3\0 and more")
    (tmp_path / "b").write_bytes(b"")
    assert is_database(tmp_path / "a")
    assert not is_database(tmp_path / "b")
