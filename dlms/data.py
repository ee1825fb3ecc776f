"""The COSEM Data choice: bytes to Python values that remember their type, and back.  Hot path."""

from __future__ import annotations

import reprlib
import struct
from collections.abc import Callable, Iterator
from typing import Any

from dlms.axdr import EncodeError, decode_length, encode_length
from dlms.compact_array import ARRAY, COMPACT_ARRAY, STRUCTURE, CompactArray, decode_compact_array, encode_compact_array
from dlms.cosem_time import Date, DateTime, Time
from dlms.data_json import FROM_JSON, TO_JSON
from dlms.errors import DecodeError
from dlms.limits import MAX_DEPTH, MAX_NODES
from dlms.scalars import DECODERS, ENCODERS, Decoder, Encoder
from dlms.values import (
    DONT_CARE,
    SCALAR_NAMES,
    SCALARS,
    Bcd,
    BitString,
    DeltaDoubleLong,
    DeltaDoubleLongUnsigned,
    DeltaInteger,
    DeltaLong,
    DeltaLongUnsigned,
    DeltaUnsigned,
    DontCare,
    DoubleLong,
    DoubleLongUnsigned,
    Enum,
    Float32,
    Float64,
    Integer,
    Long,
    Long64,
    Long64Unsigned,
    LongUnsigned,
    TypedInt,
    Unsigned,
    Utf8String,
)

__all__ = [
    "DONT_CARE",
    "TAGS",
    "TYPE_NAMES",
    "Bcd",
    "BitString",
    "CompactArray",
    "Date",
    "DateTime",
    "DeltaDoubleLong",
    "DeltaDoubleLongUnsigned",
    "DeltaInteger",
    "DeltaLong",
    "DeltaLongUnsigned",
    "DeltaUnsigned",
    "DontCare",
    "DoubleLong",
    "DoubleLongUnsigned",
    "EncodeError",
    "Enum",
    "Float32",
    "Float64",
    "Integer",
    "Long",
    "Long64",
    "Long64Unsigned",
    "LongUnsigned",
    "Time",
    "TypedInt",
    "Unsigned",
    "Utf8String",
    "decode",
    "decode_from",
    "encode",
    "encode_to",
    "from_json",
    "tag_of",
    "to_json",
    "type_name",
]

TAGS: dict[int, type] = {ARRAY: list, STRUCTURE: tuple, COMPACT_ARRAY: CompactArray, **SCALARS}
"""The Python type of every Data tag; 7, 8, 11, 14 and what is not here are refused."""

TYPE_NAMES: dict[int, str] = {ARRAY: "array", STRUCTURE: "structure", COMPACT_ARRAY: "compact-array", **SCALAR_NAMES}
"""The standard's name of every Data tag."""


def _unassigned(buf: bytes, pos: int) -> tuple[Any, int]:
    raise DecodeError(f"Data tag {buf[pos - 1]} is not assigned", buf, pos - 1)


_DECODERS: list[Decoder | None] = [_unassigned] * 256
for _tag, _decoder in {**DECODERS, COMPACT_ARRAY: decode_compact_array}.items():
    _DECODERS[_tag] = _decoder
_DECODERS[ARRAY] = _DECODERS[STRUCTURE] = None  # the loop of decode_from opens them


def decode(data: bytes) -> Any:
    """The one value that `data` holds.  Raises DecodeError with the offset, also for octets left over."""
    data = data if type(data) is bytes else bytes(data)
    value, end = decode_from(data, 0)
    if end != len(data):
        raise DecodeError(f"{len(data) - end} octets left over behind the value", data, end)
    return value


def decode_from(buf: bytes, pos: int) -> tuple[Any, int]:
    """The value whose tag is at `pos`, and the offset behind it.

    Iterative; nesting is bounded by `MAX_DEPTH`, elements by `MAX_NODES` and by the octets that are there, whatever a
    count claims.  Raises DecodeError.
    """
    try:
        decoder = _DECODERS[buf[pos]]
        return decoder(buf, pos + 1) if decoder is not None else _decode_nested(buf, pos)
    except (IndexError, struct.error) as fault:
        raise DecodeError("the value ends too early", buf, pos) from fault


def _decode_nested(buf: bytes, pos: int) -> tuple[Any, int]:
    """The array or structure at `pos`: one loop over all levels, the unfinished ones on a stack."""
    table, octets, left = _DECODERS, len(buf), MAX_NODES
    stack: list[tuple[int, list[Any], Callable[[Any], None], int]] = []
    items: list[Any] = []
    append, more, tag = items.append, 1, 0
    try:
        while True:
            while more:
                more -= 1
                decoder = table[buf[pos]]
                if decoder is not None:
                    value, pos = decoder(buf, pos + 1)
                    append(value)
                    continue
                count, start = buf[pos + 1], pos + 2
                if count >= 0x80:
                    count, start = decode_length(buf, pos + 1)
                left -= count
                # every element takes an octet, so a count that lies is seen here
                if count > octets - start or left < 0 or len(stack) >= MAX_DEPTH:
                    raise _refused(buf, pos, count, octets - start, len(stack))
                stack.append((more, items, append, tag))
                more, items, tag, pos = count, [], buf[pos], start
                append = items.append
            if not stack:
                return items[0], pos
            done = tuple(items) if tag == STRUCTURE else items
            more, items, append, tag = stack.pop()
            append(done)
    except (IndexError, struct.error) as fault:
        raise DecodeError("the value ends too early", buf, pos) from fault


def _refused(buf: bytes, pos: int, count: int, octets_left: int, depth: int) -> DecodeError:
    """Why the array or structure at `pos` is not opened."""
    if depth >= MAX_DEPTH:
        return DecodeError(f"nested more than {MAX_DEPTH} deep", buf, pos)
    if count > octets_left:
        return DecodeError(f"{count} elements announced, {octets_left} octets left", buf, pos)
    return DecodeError(f"more than {MAX_NODES} elements", buf, pos)


def encode(value: Any) -> bytes:
    """The encoding of `value`: `encode(decode(b)) == b` for every canonical b (shortest lengths, true as FF).

    Raises EncodeError for a plain int or float, which has no DLMS type, for other types that have none, and for values
    nested more than `MAX_DEPTH` deep.
    """
    out = bytearray()
    encode_to(value, out)
    return bytes(out)


def encode_to(value: Any, out: bytearray) -> None:
    """Append the encoding of `value`.  Raises EncodeError as `encode` does; `out` may then hold a part of it."""
    stack: list[Iterator[Any]] = [iter((value,))]
    left = MAX_NODES
    while stack:
        for item in stack[-1]:
            tag, encoder = _ENCODERS.get(type(item)) or _encoder_of(type(item), item)
            out.append(tag)
            if encoder is not None:
                encoder(item, out)
                continue
            left -= len(item)
            if len(stack) > MAX_DEPTH or left < 0:
                raise EncodeError(f"nested more than {MAX_DEPTH} deep or more than {MAX_NODES} elements")
            out += encode_length(len(item))
            stack.append(iter(item))
            break
        else:
            stack.pop()


_ENCODERS: dict[type, tuple[int, Encoder | None]] = {SCALARS[tag]: (tag, encoder) for tag, encoder in ENCODERS.items()}
_ENCODERS |= {list: (ARRAY, None), tuple: (STRUCTURE, None), CompactArray: (COMPACT_ARRAY, encode_compact_array)}
_ENCODERS |= {bytearray: _ENCODERS[bytes], memoryview: _ENCODERS[bytes]}


def _encoder_of(kind: type, value: object) -> tuple[int, Encoder | None]:
    """The entry of the nearest base class: an Obis is bytes, a named tuple a tuple."""
    for base in kind.__mro__:
        if base in _ENCODERS:
            return _ENCODERS[base]
    hint = "; give it one, such as Unsigned(1) or Float32(1.0)" if isinstance(value, int | float) else ""
    raise EncodeError(f"{kind.__name__} {reprlib.repr(value)} has no DLMS type{hint}")


def tag_of(value: object) -> int:
    """The Data tag that `value` is encoded with.  Raises EncodeError when it has no DLMS type."""
    return (_ENCODERS.get(type(value)) or _encoder_of(type(value), value))[0]


def type_name(value: object) -> str:
    """The standard's name of the value's type, such as "double-long-unsigned".  Raises EncodeError when it has none."""
    return TYPE_NAMES[tag_of(value)]


def to_json(value: Any) -> dict[str, Any]:
    """The value as JSON types, lossless: `{"type": "double-long-unsigned", "value": 280}`.

    Octets are lower-case hex, bit-strings text of 0 and 1, date-times the hex of their octets, arrays and structures
    lists; null-data and dont-care have no "value", a compact-array has "description" and "contents".  Raises
    EncodeError for a value without a DLMS type and for one nested more than `MAX_DEPTH` deep.
    """
    return _to_json(value, 0)


def _to_json(value: Any, depth: int) -> dict[str, Any]:
    tag = tag_of(value)
    if tag not in (ARRAY, STRUCTURE):
        return {"type": TYPE_NAMES[tag]} | TO_JSON[tag](value)
    if depth >= MAX_DEPTH:
        raise EncodeError(f"nested more than {MAX_DEPTH} deep")
    return {"type": TYPE_NAMES[tag], "value": [_to_json(item, depth + 1) for item in value]}


def from_json(obj: Any) -> Any:
    """The inverse of `to_json`.  Raises EncodeError, naming the member, for anything else."""
    return _from_json(obj, 0)


def _from_json(obj: Any, depth: int) -> Any:
    name = obj.get("type") if isinstance(obj, dict) else None
    tag = _TAG_OF_NAME.get(name) if isinstance(name, str) else None
    if tag is None:
        raise EncodeError(f"{reprlib.repr(obj)} names no Data type")
    try:
        if tag not in (ARRAY, STRUCTURE):
            return FROM_JSON[tag](obj)
        items = obj["value"]
    except EncodeError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as fault:
        raise EncodeError(f"{reprlib.repr(obj)} is no {name}: {fault}") from fault
    if depth >= MAX_DEPTH or not isinstance(items, list):
        raise EncodeError(f"{name} at depth {depth}: a list nested at most {MAX_DEPTH} deep is wanted")
    values = [_from_json(item, depth + 1) for item in items]
    return tuple(values) if tag == STRUCTURE else values


_TAG_OF_NAME = {name: tag for tag, name in TYPE_NAMES.items()}
