"""A card that is none: its memory is the machine's, and every thread of a block is a thread of Python.

The kernels themselves run, line by line, with stand-ins for `numba.cuda`; what they call that knows nothing of a card,
the arithmetic of trials above all, is compiled for the CPU. It is slow, and shows what a card would do.
"""

from __future__ import annotations

import ctypes
import threading
import types
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.core.dispatcher import Dispatcher
from numba.core.extending import _Intrinsic
from numba.extending import overload

from fastsumo.jit import memory
from fastsumo.jit.reached import nested

CARD_NAMES = {
    *("atomic", "shared", "threadIdx", "blockIdx", "blockDim", "gridDim", "popc"),
    *("syncthreads", "syncwarp", "shfl_sync", "shfl_xor_sync", "ballot_sync", "match_any_sync"),
}
_here = threading.local()


def numbers(dtype: Any) -> Callable[[int, int], np.ndarray]:
    """`floats` and its like, from Python."""
    size = np.dtype(dtype).itemsize

    def array_at(address: int, n: int) -> np.ndarray:
        memory = (ctypes.c_char * (size * int(n))).from_address(int(address))
        return np.frombuffer(memory, dtype)

    return array_at


ARRAYS = {
    memory.floats: numbers(np.float64),
    memory.ints: numbers(np.int64),
    memory.words: numbers(np.uint64),
    memory.halves: numbers(np.int32),
    memory.quarters: numbers(np.uint16),
    memory.octets: numbers(np.uint8),
}


def local_array(shape: Any, dtype: Any) -> np.ndarray:
    return np.zeros(shape, str(dtype))


@overload(local_array, inline="always")
def _local_array(shape, dtype):  # type: ignore[no-untyped-def]
    return lambda shape, dtype: np.empty(shape, np.float64)


class Block:
    """What the threads of a block share."""

    def __init__(self, threads: int) -> None:
        self.barrier, self.lock, self.shared = threading.Barrier(threads), threading.Lock(), []
        self.warps = [Warp() for _ in range(threads // 32)]


class Warp:
    def __init__(self) -> None:
        self.barrier, self.values = threading.Barrier(32), [None] * 32

    def exchange(self, lane: int, value: Any) -> list[Any]:
        self.values[lane] = value
        self.barrier.wait()
        values = list(self.values)
        self.barrier.wait()
        return values


class Place:
    """``threadIdx`` and its like: whatever this thread was told."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def x(self) -> int:
        return int(getattr(_here, self._name))


class Atomic:
    def _change(self, array: np.ndarray, at: int, change: Callable[[Any], Any]) -> Any:
        with _here.block.lock:
            before = array[at].item()
            array[at] = change(before)
        return before

    def add(self, array: np.ndarray, at: int, value: Any) -> Any:
        return self._change(array, at, lambda before: before + type(before)(value))

    def max(self, array: np.ndarray, at: int, value: Any) -> Any:
        return self._change(array, at, lambda before: max(before, value))

    def min(self, array: np.ndarray, at: int, value: Any) -> Any:
        return self._change(array, at, lambda before: min(before, value))


def _exchange(value: Any) -> list[Any]:
    lane = _here.thread & 31
    return _here.block.warps[_here.thread >> 5].exchange(lane, value)


def _shared_array(shape: int, dtype: Any) -> np.ndarray:
    at, block = _here.shared, _here.block
    _here.shared += 1
    with block.lock:
        if at == len(block.shared):
            block.shared.append(np.zeros(shape, str(dtype)))
        return block.shared[at]


def _mask(flags: list[Any]) -> int:
    return sum(1 << lane for lane, flag in enumerate(flags) if flag)


def _match(mask: int, value: Any) -> int:
    return _mask([other == value for other in _exchange(value)])


def make_cuda() -> types.ModuleType:
    """The stand-in for `numba.cuda`."""
    cuda, cuda_local, shared = (types.ModuleType(name) for name in ("cuda", "local", "shared"))
    cuda_local.array, shared.array = local_array, _shared_array  # type: ignore[attr-defined]
    members = {
        "local": cuda_local,
        "shared": shared,
        "atomic": Atomic(),
        "threadIdx": Place("thread"),
        "blockIdx": Place("number"),
        "blockDim": Place("threads"),
        "gridDim": Place("blocks"),
        "syncthreads": lambda: _here.block.barrier.wait(),
        "syncwarp": lambda: _exchange(None),
        "shfl_sync": lambda mask, value, lane: _exchange(value)[int(lane)],
        "shfl_xor_sync": lambda mask, value, other: _exchange(value)[(_here.thread & 31) ^ int(other)],
        "ballot_sync": lambda mask, flag: _mask(_exchange(bool(flag))),
        "match_any_sync": _match,
        "popc": lambda bits: int(bits).bit_count(),
    }
    for name, member in members.items():
        setattr(cuda, name, member)
    return cuda


def in_python(value: Any, known: dict[int, Any]) -> Any:
    """A kernel, or what it calls, so that Python can run it: what knows of a card line by line, the rest compiled."""
    if value in ARRAYS if isinstance(value, types.FunctionType | object) and _hashable(value) else False:
        return ARRAYS[value]
    if isinstance(value, _Intrinsic):
        names = ", ".join(value._defn.__code__.co_varnames[1 : value._defn.__code__.co_argcount])
        return njit(eval(f"lambda {names}: instruction({names})", {"instruction": value}))
    function = value.py_func if isinstance(value, Dispatcher) else value
    if not isinstance(function, types.FunctionType) or not function.__module__.startswith("fastsumo."):
        return value
    if id(function) not in known:
        known.setdefault(0, []).append(function)  # kept, so that no other gets its id
        if isinstance(value, Dispatcher) and not knows_card(function):
            known[id(function)] = njit(error_model="numpy")(function)
        else:
            copy = types.FunctionType(
                function.__code__,
                dict(function.__globals__),
                function.__name__,
                function.__defaults__,
                tuple(types.CellType() for _ in function.__closure__ or ()),
            )
            known[id(function)] = copy
            for name in {name for code in nested(function.__code__) for name in code.co_names}:
                if name in copy.__globals__:
                    copy.__globals__[name] = in_python(copy.__globals__[name], known)
            for cell, kept in zip(copy.__closure__ or (), function.__closure__ or (), strict=True):
                cell.cell_contents = in_python(kept.cell_contents, known)
    return known[id(function)]


def _hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None and not isinstance(value, tuple)


def knows_card(function: Any, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a function, or one that it calls, uses what only a card has."""
    function = getattr(function, "py_func", function)
    if not isinstance(function, types.FunctionType) or id(function) in seen:
        return False
    names = {name for code in nested(function.__code__) for name in code.co_names}
    if names & CARD_NAMES or function.__name__ == "read":
        return True
    inside = seen | {id(function)}
    reached = [cell.cell_contents for cell in function.__closure__ or ()]
    reached += [function.__globals__[name] for name in names if name in function.__globals__]
    return any(knows_card(each, inside) for each in reached)


class Room:
    def __init__(self, size: int) -> None:
        self.array, self.size = np.zeros(max(size, 8) // 8 + 1), size
        self.address = self.array.ctypes.data


class SimulatedCard:
    """What `card.Card` is to the engine. Its kernels are functions of Python, made with `make_cuda`."""

    number, name, capability, processors = 0, "simulated", (9, 0), 1
    memory = 1 << 30

    def __init__(self) -> None:
        self._known: dict[int, Any] = {}

    def use(self) -> None: ...

    def wait(self) -> None: ...

    def free_memory(self) -> int:
        return self.memory

    def room(self, size: int) -> Room:
        return Room(size)

    def put(self, array: np.ndarray) -> Room:
        room = Room(array.nbytes)
        self.write(room.address, array)
        return room

    def write(self, address: int, array: np.ndarray) -> None:
        ctypes.memmove(int(address), np.ascontiguousarray(array).ctypes.data, array.nbytes)

    def read(self, address: int, array: np.ndarray) -> np.ndarray:
        ctypes.memmove(array.ctypes.data, int(address), array.nbytes)
        return array

    def fill(self, address: int, size: int, octet: int = 0) -> None:
        ctypes.memset(int(address), octet, size)

    def load(self, kernel: Any) -> Any:
        return in_python(kernel, self._known)

    def launch(self, kernel: Any, blocks: int, threads: int, *arguments: Any) -> None:
        failed: list[BaseException] = []

        def run(block: Block, number: int, thread: int) -> None:
            _here.block, _here.number, _here.thread, _here.threads, _here.blocks = (
                block,
                number,
                thread,
                threads,
                blocks,
            )
            _here.shared = 0
            try:
                with np.errstate(all="ignore"):
                    kernel(*arguments)
            except BaseException as error:
                failed.append(error)
                block.barrier.abort()
                for warp in block.warps:
                    warp.barrier.abort()

        for number in range(blocks):
            block = Block(threads)
            workers = [threading.Thread(target=run, args=(block, number, thread)) for thread in range(threads)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            if failed:
                raise next((e for e in failed if not isinstance(e, threading.BrokenBarrierError)), failed[0])
