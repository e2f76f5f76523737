"""Files that are written whole or not at all: through links, and never in the place of what is no regular file."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def writable(target: str | os.PathLike[str]) -> Path:
    """The regular file that a name stands for, at the end of its links, if it can be written or made.

    Raises
    ------
    OSError
        If it is a folder, pipe, device or socket, may not be written, or there is no folder for it.

    Examples
    --------
    >>> writable("/nowhere/a.npz")
    Traceback (most recent call last):
    FileNotFoundError: cannot write /nowhere/a.npz: there is no folder /nowhere
    """
    file = Path(os.path.realpath(target))
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        mode = 0
    except OSError as error:  # such as links in a circle, or a name that is too long
        raise type(error)(f"cannot write {target}: {_reason(error)}") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"cannot write {target}: it is a folder")
    if mode and not stat.S_ISREG(mode):
        raise OSError(f"cannot write {target}: it is {_KINDS.get(stat.S_IFMT(mode), 'special')}, not a regular file")
    if not file.parent.is_dir():
        named = Path(target).parent
        folder = file.parent if named.is_dir() else named
        raise FileNotFoundError(f"cannot write {target}: there is no folder {folder}")
    if mode and not os.access(file, os.W_OK):
        raise PermissionError(f"cannot write {target}: it is read-only")
    if not os.access(file.parent, os.W_OK | os.X_OK):
        raise PermissionError(f"cannot write {target}: nothing can be written to the folder {file.parent}")
    return file


def readable(source: str | os.PathLike[str]) -> Path:
    """A regular file to read from, at any time and anywhere in it; not one that only can be waited for.

    Raises
    ------
    OSError
        If there is none, or it is a folder, pipe, device or socket.

    Examples
    --------
    >>> readable("/nowhere/a.npz")
    Traceback (most recent call last):
    FileNotFoundError: no such file: /nowhere/a.npz
    """
    file = Path(source)
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"no such file: {file}") from None
    except OSError as error:
        raise type(error)(f"cannot read {file}: {_reason(error)}") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"cannot read {file}: it is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(f"cannot read {file}: it is {_KINDS.get(stat.S_IFMT(mode), 'special')}, not a regular file")
    return file


def is_database(file: Path) -> bool:
    """Whether a regular file is one of SQLite's, as studies are."""
    with file.open("rb") as stream:
        return stream.read(15) == b"SQLite format 3"


@contextmanager
def written_whole(target: str | os.PathLike[str]) -> Iterator[Path]:
    """A file to write to, beside the one of that name; it takes its place when all is written, and goes otherwise.

    Links are followed, and what was there keeps its permissions.

    Raises
    ------
    OSError
        If `writable` does.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with written_whole(folder / "a.txt") as file:
    ...     _ = file.write_text("all of it")
    >>> [file.name for file in folder.iterdir()]
    ['a.txt']
    """
    file = writable(target)
    mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else 0o666 & ~_umask()
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name[:40]}.")
    except OSError as error:
        raise type(error)(f"cannot write {target}: {_reason(error)}") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(file)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename in (None, name):
            error.filename = os.fspath(target)  # such as a disk without room, which knows no name
        raise


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _umask() -> int:
    """The process's file mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
