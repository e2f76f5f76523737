"""How code is put together from its parts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import llvmlite.binding as llvm
import pytest

from fastsumo.jit.pipeline import _link

CALLS = {
    "first": ("second", "third"),
    "second": (),
    "fourth": ("fifth",),
    "third": ("fourth",),
    "fifth": (),
    "idle": (),
}


def part(name: str, linkage: str = "linkonce_odr ") -> Any:
    """A function that calls others."""
    declared = "".join(f"declare void @{each}()\n" for each in CALLS[name])
    calls = "".join(f"  call void @{each}()\n" for each in CALLS[name])
    text = f"{declared}define {linkage}void @{name}() {{\n{calls}  ret void\n}}"
    return SimpleNamespace(module=llvm.parse_assembly(text), functions=[name])


@pytest.mark.parametrize("order", [list(CALLS), list(reversed(CALLS))])
def test_what_is_called_is_there_in_whatever_order_it_became_known(order: list[str]) -> None:
    """A function may be known before those that call it, as one that calls it no longer was known before."""
    module = part("first", "").module
    _link(module, [part(name) for name in order])
    found = {function.name: function.is_declaration for function in module.functions}
    assert found == dict.fromkeys(set(CALLS) - {"idle"}, False)
