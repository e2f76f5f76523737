"""Named tuples in compiled code: one field exchanged, where Numba knows no ``_replace``.

No tuple of the package is known here.
"""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic


@intrinsic(prefer_literal=True)
def with_field(typingctx, record, name, value):  # type: ignore[no-untyped-def]
    """A named tuple with another value, of the same type, in the field of a constant name."""
    if not isinstance(record, types.BaseNamedTuple) or not isinstance(name, types.StringLiteral):
        return None
    place = record.fields.index(name.literal_value)

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kept, _, new = args
        kind = record.types[place]
        return builder.insert_value(kept, context.cast(builder, new, signature.args[2], kind), place)

    return record(record, name, value), codegen
