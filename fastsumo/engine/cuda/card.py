"""One NVIDIA card, through the driver: memory, kernels, and what goes wrong, a line each.

The driver is reached by ``cuda.bindings``, which numba-cuda brings along; it is imported when a card is asked for.
"""

from __future__ import annotations

import ctypes
import re
import threading
from functools import cache
from typing import Any

import numpy as np

from fastsumo.errors import DeviceError
from fastsumo.jit.ptx import Capability, entry_of, versions

_TYPES = {int: ctypes.c_int64, float: ctypes.c_double, np.uint64: ctypes.c_uint64}
_PTX_OF_OLD_DRIVERS = "7.8"  # knows all that the kernels are made of
_OLDEST = 7, 0  # threads of a warp that wait for one another, and atomic additions of 64 bits
_UNSUPPORTED_PTX, _NO_MEMORY, _NO_DEVICE = 222, 2, 100


class Card:
    """A card, its primary context, and the kernels that are loaded."""

    def __init__(self, number: int) -> None:
        self.number = number
        driver = _driver()
        count = self._try(driver.cuDeviceGetCount())
        if number >= count:
            which = "there is no NVIDIA GPU" if count == 0 else f"GPUs here are numbered from 0 to {count - 1}"
            raise DeviceError(f"no device 'cuda:{number}': {which}; use device='cpu'")
        device = self._try(driver.cuDeviceGet(number))
        self.name = self._try(driver.cuDeviceGetName(100, device)).split(b"\0")[0].decode()
        of = driver.CUdevice_attribute
        major = self._try(driver.cuDeviceGetAttribute(of.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device))
        minor = self._try(driver.cuDeviceGetAttribute(of.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device))
        self.capability: Capability = (major, minor)
        if self.capability < _OLDEST:
            raise DeviceError(
                f"device 'cuda:{number}', {self.name}, has compute capability {major}.{minor}; 7.0 is needed"
            )
        self.processors: int = self._try(
            driver.cuDeviceGetAttribute(of.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device)
        )
        self._context = self._try(driver.cuDevicePrimaryCtxRetain(device))
        self._kernels: dict[str, Any] = {}
        self._lock = threading.Lock()

    def use(self) -> None:
        """Let this thread call the card."""
        self._try(_driver().cuCtxSetCurrent(self._context))

    def free_memory(self) -> int:
        """Bytes that can be allocated."""
        return int(self._try(_driver().cuMemGetInfo())[0])

    def total_memory(self) -> int:
        """Bytes that the card has."""
        return int(self._try(_driver().cuMemGetInfo())[1])

    def room(self, size: int) -> Room:
        """So many bytes of memory."""
        return Room(self, int(self._try(_driver().cuMemAlloc(max(size, 8)), f"{size / 2**20:.0f} MiB")), size)

    def put(self, array: np.ndarray) -> Room:
        """Memory that holds an array."""
        room = self.room(array.nbytes)
        self.write(room.address, array)
        return room

    def write(self, address: int, array: np.ndarray) -> None:
        """Copy an array to the card."""
        array = np.ascontiguousarray(array)
        self._try(_driver().cuMemcpyHtoD(address, array.ctypes.data, array.nbytes))

    def read(self, address: int, array: np.ndarray) -> np.ndarray:
        """Fill an array from the card, when all kernels before have ended."""
        self._try(_driver().cuMemcpyDtoH(array.ctypes.data, address, array.nbytes))
        return array

    def fill(self, address: int, size: int, octet: int = 0) -> None:
        """Set every byte of a stretch of memory."""
        if size:
            self._try(_driver().cuMemsetD8(address, octet, size))

    def load(self, ptx: str) -> Any:
        """The kernel of a PTX text."""
        with self._lock:
            if ptx not in self._kernels:
                self._kernels[ptx] = self._load(ptx)
        return self._kernels[ptx][1]

    def _load(self, ptx: str) -> tuple[Any, Any]:
        driver = _driver()
        error, module = driver.cuModuleLoadData(ptx.encode("ascii") + b"\0")
        if int(error) == _UNSUPPORTED_PTX:
            older = re.sub(r"^\.version .*$", f".version {_PTX_OF_OLD_DRIVERS}", ptx, count=1, flags=re.MULTILINE)
            error, module = driver.cuModuleLoadData(older.encode("ascii") + b"\0")
        module = self._try((error, module))
        kernel = self._try(driver.cuModuleGetFunction(module, entry_of(ptx).encode()))
        if hasattr(driver, "cuFuncLoad"):  # now, not at the first launch
            self._try(driver.cuFuncLoad(kernel))
        return module, kernel

    def launch(self, kernel: Any, blocks: int, threads: int, *arguments: Any) -> None:
        """Run a kernel, which need not have ended afterwards."""
        kinds = tuple(_TYPES[type(value)] for value in arguments)
        values = tuple(int(value) if isinstance(value, np.uint64) else value for value in arguments)
        shape = blocks, 1, 1, threads, 1, 1
        self._try(_driver().cuLaunchKernel(kernel, *shape, 0, 0, (values, kinds), 0))

    def wait(self) -> None:
        """Wait until all kernels have ended."""
        self._try(_driver().cuCtxSynchronize())

    def _try(self, answer: Any, wanted: str = "") -> Any:
        """What a call of the driver gave; `DeviceError` if it failed."""
        error, *rest = answer
        if int(error) == 0:
            return rest[0] if len(rest) == 1 else tuple(rest)
        name = f"device 'cuda:{self.number}'"
        if int(error) == _NO_MEMORY:
            raise DeviceError(f"{name} has too little free memory{f' for {wanted}' if wanted else ''}")
        raise DeviceError(f"{name} failed: {_text(error)}")


class Room:
    """Memory of a card; freed when nothing refers to it."""

    def __init__(self, card: Card, address: int, size: int) -> None:
        self.card, self.address, self.size = card, address, size

    def __del__(self) -> None:
        try:
            self.card.use()
            _driver().cuMemFree(self.address)
        except Exception:  # a card that was lost has no memory to free
            return


@cache
def card(number: int) -> Card:
    """The card of a number, opened once in a process.

    Raises
    ------
    fastsumo.DeviceError
        If there is no driver, or no such card.
    """
    return Card(number)


def count() -> int:
    """How many cards there are; `DeviceError` where no driver says so."""
    error, found = _driver().cuDeviceGetCount()
    if int(error):
        raise DeviceError(f"the NVIDIA driver cannot be used: {_text(error)}")
    return int(found)


def describe(one: Card) -> dict[str, Any]:
    """What is told of a card."""
    one.use()
    capability = ".".join(map(str, one.capability))
    return {"name": one.name, "capability": capability, "memory": one.total_memory(), "processors": one.processors}


@cache
def _driver() -> Any:
    try:
        versions()
        from cuda.bindings import driver
    except ImportError:
        raise DeviceError(
            "a GPU needs numba-cuda, which is not installed: pip install 'fastsumo[cuda]'; or use device='cpu'"
        ) from None
    try:
        (error,) = driver.cuInit(0)
    except Exception:  # no library to call
        raise DeviceError("there is no NVIDIA driver on this machine; use device='cpu'") from None
    if int(error) == _NO_DEVICE:
        raise DeviceError("there is no NVIDIA GPU on this machine; use device='cpu'")
    if int(error):
        raise DeviceError(f"the NVIDIA driver cannot be used: {_text(error)}")
    return driver


def _text(error: Any) -> str:
    from cuda.bindings import driver

    _, text = driver.cuGetErrorString(error)
    return f"{(text or b'unknown').decode()} (error {int(error)})"
