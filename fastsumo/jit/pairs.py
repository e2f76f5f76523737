"""Two numbers as one value that nothing can be done with but to make it and to take it apart.

For a log of a sum of exponentials that is not evaluated (`trial/lazy_sums.py`). A tuple would let itself be compared,
counted and unpacked where the number that it stands for is meant; what this type cannot do is an error of typing.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, make_attribute_wrapper, models, register_model

from fastsumo.jit.lanes import LANES


class Pair(types.Type):
    """``a`` and ``b``, two float64 numbers or two vectors of lanes."""

    mutable = True  # so that `is` has no answer either

    def __init__(self, number: Any) -> None:
        super().__init__(f"Pair({number})")
        self.number = number

    def unify(self, typingctx: Any, other: Any) -> Any:
        """A pair of lanes may have been taken for one of numbers at first."""
        return self if self is LANE_PAIR and other is PAIR else None


PAIR, LANE_PAIR = Pair(types.float64), Pair(LANES)


@register_model(Pair)
class _PairModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm: Any, kind: Any) -> None:
        super().__init__(dmm, kind, [("a", kind.number), ("b", kind.number)])


make_attribute_wrapper(Pair, "a", "a")
make_attribute_wrapper(Pair, "b", "b")


@intrinsic
def pair(typingctx, a, b):  # type: ignore[no-untyped-def]
    """Two float64 numbers, or two values of which one at least is of lanes, as a pair."""
    kind = LANE_PAIR if LANES in (a, b) else PAIR

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        both = cgutils.create_struct_proxy(kind)(context, builder)
        both.a, both.b = args
        return both._getvalue()

    return kind(kind.number, kind.number), codegen
