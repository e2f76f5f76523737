"""What is said where there is no card, no driver, no such device, or no form for a GPU: in a line, first of all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fastsumo as fs
from fastsumo.cli import doctor
from fastsumo.engine import devices
from fastsumo.engine.cuda import card as cards

NOTE = fs.models.note()


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:-1", "cuda:x", "CPU", "cpu:0", "", 0, None])
def test_a_device_that_is_none(device: Any) -> None:
    for call in (fs.simulate, fs.sample):
        with pytest.raises(ValueError, match="device must be 'cpu', 'cuda'"):
            call(NOTE, fs.ELBO(), 10, device=device)
    with pytest.raises(ValueError, match="device must be"):
        fs.compare(NOTE, [fs.ELBO()], device=device)
    with pytest.raises(ValueError, match="device must be"):
        fs.levels(NOTE, 3, 10, device=device)


class FakeDriver:
    """Answers as the driver does; ``broken`` are the calls that fail, with their errors."""

    def __init__(self, cards: int = 1, capability: tuple[int, int] = (9, 0), **broken: int) -> None:
        self.cards, self.capability, self.broken = cards, capability, broken
        self.CUdevice_attribute = SimpleNamespace(
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR="major",
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR="minor",
            CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT="processors",
        )

    def cuDeviceGetAttribute(self, which: str, device: int) -> tuple[int, int]:
        return 0, {"major": self.capability[0], "minor": self.capability[1], "processors": 132}[which]

    def __getattr__(self, name: str) -> Any:
        answers = {
            "cuDeviceGetCount": (self.cards,),
            "cuDeviceGetName": (b"Test card\0\0",),
            "cuMemGetInfo": (2**30, 2**33),
            "cuGetErrorString": (b"it broke",),
            "cuMemAlloc": (4096,),
        }
        if not name.startswith("cu"):
            raise AttributeError(name)
        if name in self.broken:
            return lambda *_: (self.broken[name], None)
        return lambda *_: (0, *answers.get(name, (7,)))


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a `FakeDriver` answer."""
    cards.card.cache_clear()
    monkeypatch.setattr(cards, "_text", lambda error: f"it broke (error {error})")

    def use(*args: Any, **broken: Any) -> None:
        made = FakeDriver(*args, **broken)
        monkeypatch.setattr(cards, "_driver", lambda: made)

    yield use
    cards.card.cache_clear()


def test_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cuda.bindings", None)
    cards._driver.cache_clear()
    cards.card.cache_clear()
    with pytest.raises(fs.DeviceError, match=r"numba-cuda, which is not installed: pip install 'fastsumo\[cuda\]'"):
        fs.simulate(NOTE, fs.ELBO(), 10, device="cuda")
    cards._driver.cache_clear()


def test_no_card(driver: Any) -> None:
    driver(0)
    with pytest.raises(fs.DeviceError, match=r"no device 'cuda:0': there is no NVIDIA GPU; use device='cpu'"):
        fs.simulate(NOTE, fs.ELBO(), 10, device="cuda")


def test_no_such_card(driver: Any) -> None:
    driver(2)
    with pytest.raises(fs.DeviceError, match="no device 'cuda:7': GPUs here are numbered from 0 to 1"):
        fs.sample(NOTE, fs.ELBO(), 10, device="cuda:7")


def test_an_old_card(driver: Any) -> None:
    driver(1, (6, 1))
    with pytest.raises(fs.DeviceError, match="device 'cuda:0', Test card, has compute capability 6.1; 7.0 is needed"):
        devices.require_device("cuda")


def test_no_memory(driver: Any) -> None:
    driver(1, cuMemAlloc=2)
    with pytest.raises(fs.DeviceError, match="device 'cuda:0' has too little free memory for 3 MiB"):
        cards.card(0).room(3 << 20)


def test_what_breaks_is_said_in_a_line(driver: Any) -> None:
    driver(1, cuMemcpyDtoH=719)
    with pytest.raises(fs.DeviceError, match=r"device 'cuda:0' failed: it broke \(error 719\)"):
        cards.card(0).read(4096, np.zeros(3))


def test_doctor_lists_cards(driver: Any) -> None:
    driver(2)
    facts = doctor.examine()
    assert [each["name"] for each in facts["cards"]] == ["Test card", "Test card"]
    assert "cuda:1" in doctor.text(facts)
    driver(0)
    cards.card.cache_clear()
    assert doctor.examine()["cards"] == []


def test_the_second_jackknife_has_no_form_for_a_gpu() -> None:
    with pytest.raises(ValueError, match=r"JVI\(k=6, order=2\) has no form for a GPU"):
        fs.simulate(NOTE, fs.JVI(6, order=2), 10, device="cuda")


def test_devices_of_a_study(tmp_path: Any) -> None:
    study = fs.Study(tmp_path / "s.study")
    study.add(NOTE, fs.ELBO(), trials=1000)
    with pytest.raises(ValueError, match="devices must be a list such as"):
        study.run(devices="cuda", progress=False)
    with pytest.raises(ValueError, match="on an executor or on devices"):
        study.run(lambda: None, devices=["cpu"], progress=False)
    with pytest.raises(ValueError, match="device must be"):
        study.run(devices=["gpu"], progress=False)
    study.run(devices=["cpu", "cpu"], progress=False)
    assert study[0].trials == 1000
