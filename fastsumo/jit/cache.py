"""Compiled code on disk, in the user's cache folder, under a key made of content, never of times or identities.

What goes into a key is not known here: that is in `sources.py` and `fingerprint.py`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import platformdirs
from numba.core import caching

from fastsumo.jit.sources import compiler_settings
from fastsumo.jit.vectors import uses_all

MAX_CACHE_FILES = 400  # a user's edits each leave one entry (an index and an object file); the oldest go first
_UNRESOLVED = ".numba.unresolved$"  # how a function refers to one that is being compiled, as one that calls itself


def cache_folder() -> Path | None:
    """Where compiled code is kept: ``FASTSUMO_CACHE_DIR`` or the user's cache folder; None without a home."""
    chosen = os.environ.get("FASTSUMO_CACHE_DIR")
    if chosen:
        return Path(chosen)
    try:
        folder = Path(platformdirs.user_cache_dir("fastsumo", appauthor=False))
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None


def is_writable() -> bool:
    """Whether compiled code can be kept."""
    folder = cache_folder()
    if folder is None:
        return False
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return os.access(folder, os.W_OK)


@cache
def _say_that_nothing_is_kept(why: str) -> None:
    """Once in a process: made an error, it must not stop a run that can do without."""
    with suppress(UserWarning):
        warnings.warn(
            f"{why}: what is compiled is not kept, and every process compiles anew; set FASTSUMO_CACHE_DIR to a folder "
            "that can be written to",
            UserWarning,
            stacklevel=2,
        )


_waiting: list[Callable[[], object]] = []


@contextmanager
def told_of_compiling(tell: Callable[[], object]) -> Iterator[None]:
    """``tell`` is called, once, when a kernel of the engine was not in the cache and is now compiled."""
    _waiting.append(tell)
    try:
        yield
    finally:
        if tell in _waiting:
            _waiting.remove(tell)


def _compiling() -> None:
    """A kernel is compiled: whoever waits to be told is."""
    while _waiting:
        _waiting.pop()()


class _Locator(caching._CacheLocator):
    """Answers Numba's questions about where a cache entry goes; the digest is both stamp and name."""

    def __init__(self, digest: str) -> None:
        self._digest = digest

    def get_cache_path(self) -> str:
        return str((cache_folder() or Path()) / "compiled")

    def get_source_stamp(self) -> str:
        return self._digest

    def get_disambiguator(self) -> str:
        return self._digest[:20]


class _Impl(caching.CompileResultCacheImpl):
    def __init__(self, function: Callable[..., Any], digest: str) -> None:
        self._locator = _Locator(digest)
        self._lineno = function.__code__.co_firstlineno
        self._filename_base = self.get_filename_base(f"{function.__module__}.{function.__name__}", "")

    def check_cachable(self, data: Any) -> bool:
        names = (variable.name for variable in data.library._final_module.global_variables)
        recursive = any(name.startswith(_UNRESOLVED) for name in names)  # what is read back would end the process
        return not data.library.has_dynamic_globals and not recursive


class ContentCache:
    """Numba's cache protocol over content-keyed entries. A folder that cannot be used means no cache, no error."""

    def __init__(self, function: Callable[..., Any], digest: Callable[[], str], is_kernel: bool = False) -> None:
        self._function, self._digest, self._is_kernel = function, digest, is_kernel

    @lru_cache(maxsize=1)  # noqa: B019 - one per kernel, lives as long as the process
    def _inner(self) -> caching.Cache:
        inner = caching.FunctionCache.__new__(_Keyed)
        inner._impl = _Impl(self._function, self._digest())
        inner._name, inner._py_func = repr(self._function), self._function
        inner._cache_path = inner._impl.locator.get_cache_path()
        inner._cache_file = caching.IndexDataCacheFile(
            inner._cache_path, inner._impl.filename_base, inner._impl.locator.get_source_stamp()
        )
        inner.enable()
        return inner

    def is_kept(self) -> bool:
        """Whether there is an entry, be it for other arguments."""
        return cache_folder() is not None and self._index().exists()

    @property
    def cache_path(self) -> str:
        return str(self._inner()._cache_path)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        found = None
        if cache_folder() is None:
            _say_that_nothing_is_kept("this user has no home folder")
        else:
            try:
                found = self._inner().load_overload(signature, target_context)
            except Exception:  # a damaged or foreign entry: compile again, and replace it
                with suppress(OSError):
                    self._index().unlink()
        if found is not None:
            self._touch()
        elif self._is_kernel:
            _compiling()
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        if cache_folder() is None:
            return
        try:
            folder = self._index().parent
            folder.mkdir(parents=True, exist_ok=True)
            self._inner().save_overload(signature, data)
        except OSError as error:
            _say_that_nothing_is_kept(f"{cache_folder()} cannot be written to ({error.strerror or error})")
        else:
            with suppress(OSError):
                prune(folder)

    def _index(self) -> Path:
        return Path(self._inner()._cache_file._index_path)

    def _touch(self) -> None:
        """Make the entry young again, so that what is used is not pruned."""
        with suppress(OSError):
            for path in self._index().parent.glob(f"{self._index().stem}.*"):
                os.utime(path)

    def enable(self) -> None:
        self._inner().enable()

    def disable(self) -> None:
        self._inner().disable()

    def flush(self) -> None:
        self._inner().flush()


class _Keyed(caching.FunctionCache):
    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return signature, codegen.magic_tuple(), uses_all(codegen), compiler_settings()


def prune(folder: Path) -> None:
    """Drop the oldest entries beyond `MAX_CACHE_FILES`. Another process may be pruning too."""
    aged = []
    for path in folder.iterdir():
        try:
            aged.append((path.stat().st_mtime, path))
        except OSError:
            continue
    for _, path in sorted(aged)[:-MAX_CACHE_FILES]:
        path.unlink(missing_ok=True)
