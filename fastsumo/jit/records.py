"""Named tuples of numbers in compiled code as one value: words of 8 bytes, read from memory once.

Numba would take every field out of the Python object at each call from Python, and hand each on by itself to every
function: with some dozen fields that is most of the code of small functions. No tuple of the package is known here.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, get_type_hints

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import NativeValue, intrinsic, lower_getattr_generic, models, register_model, typeof_impl, unbox

_WORD = ir.IntType(64)
_KINDS = {
    bool: (types.boolean, "?7x"),
    int: (types.int64, "q"),
    float: (types.float64, "d"),
    np.uint64: (types.uint64, "Q"),
}


class Record(types.Type):
    """Named numbers, as they lie side by side at the ``address`` of a Python object."""

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        super().__init__(f"Record({name})")
        self.fields, self.places = fields, {field: place for place, field in enumerate(fields)}


@cache
def _fields(named_tuple: Any) -> dict[str, tuple[Any, str]]:
    """Of a named tuple, by name: Numba's type and the letter of `struct`."""
    hints = get_type_hints(named_tuple)
    return {name: _KINDS[hints[name]] for name in named_tuple._fields}


def packed(values: Any) -> np.ndarray:
    """The fields of a named tuple as numbers of 8 bytes, in order."""
    named_tuple: Any = type(values)
    letters = "".join(letter for _, letter in _fields(named_tuple).values())
    return np.frombuffer(struct.pack("=" + letters, *values), np.int64)


@cache
def record_of(named_tuple: Any) -> Record:
    """The type that named tuples of a type have in kernels."""
    return Record(named_tuple.__name__, {name: kind for name, (kind, _) in _fields(named_tuple).items()})


def register(named_tuple: Any) -> None:
    """Let kernels take named tuples of a type; they are `packed` at their attribute ``address``."""
    record = record_of(named_tuple)
    typeof_impl.register(named_tuple)(lambda value, context: record)


@register_model(Record)
class _RecordModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.ArrayType(_WORD, len(kind.fields)))


@unbox(Record)
def _read(kind: Any, value: Any, context: Any) -> Any:
    api, builder = context.pyapi, context.builder
    number = api.object_getattr_string(value, "address")
    address = api.to_native_value(types.intp, number)
    api.decref(number)
    model = context.context.data_model_manager[kind]
    place = builder.inttoptr(address.value, model.get_value_type().as_pointer())
    return NativeValue(builder.load(place), is_error=address.is_error)


@infer_getattr
class _Fields(AttributeTemplate):  # type: ignore[misc]
    key = Record

    def generic_resolve(self, kind: Any, name: str) -> Any:
        return kind.fields.get(name)


@lower_getattr_generic(Record)
def _field(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    word, field = builder.extract_value(value, kind.places[name]), kind.fields[name]
    if field == types.float64:
        return builder.bitcast(word, ir.DoubleType())
    return builder.trunc(word, ir.IntType(1)) if field == types.boolean else word


@intrinsic(prefer_literal=True)
def with_field(typingctx, record, name, value):  # type: ignore[no-untyped-def]
    """A record with another value in the field of a constant name."""
    if not isinstance(record, Record) or not isinstance(name, types.StringLiteral):
        return None
    field = name.literal_value

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        kept, _, new = args
        word = context.cast(builder, new, signature.args[2], record.fields[field])
        word = builder.zext(word, _WORD) if record.fields[field] == types.boolean else builder.bitcast(word, _WORD)
        return builder.insert_value(kept, word, record.places[field])

    return record(record, name, value), codegen
