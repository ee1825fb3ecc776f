"""The JSON form of one Data scalar or compact-array: what stands beside "type", lossless."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from dlms.axdr import EncodeError
from dlms.compact_array import ArrayType, CompactArray, Description, ScalarType, StructureType
from dlms.cosem_time import Date, DateTime, Time
from dlms.limits import MAX_DEPTH
from dlms.values import DONT_CARE, INTEGERS, SCALAR_NAMES, BitString, Float32, Float64, TypedInt, Utf8String

Members = dict[str, Any]

TAG_OF_NAME: dict[str, int] = {name: tag for tag, name in SCALAR_NAMES.items()}
"""Tags of the scalars by the standard's name."""


def _float(value: Float32 | Float64) -> Members:
    """JSON has no NaN and no infinity: their octets stand beside a word."""
    if math.isfinite(value):
        return {"value": float(value)}
    return {"value": str(value), "hex": value.to_octets().hex()}


def _float_from(kind: type[Float32 | Float64]) -> Callable[[Members], Any]:
    def convert(members: Members) -> Any:
        return kind.from_octets(bytes.fromhex(members["hex"])) if "hex" in members else kind(members["value"])

    return convert


def _bit_string(value: BitString) -> Members:
    unused = value.padded[value.length :]
    return {"value": str(value)} | ({"unused": unused} if "1" in unused else {})


def _bit_string_from(members: Members) -> BitString:
    bits = BitString(members["value"])
    if "unused" not in members:
        return bits
    return BitString(BitString(str(bits) + members["unused"]).octets, len(bits))


def _integer_from(kind: type[TypedInt]) -> Callable[[Members], Any]:
    def convert(members: Members) -> Any:
        value = members["value"]
        if type(value) is not int:
            raise EncodeError(f"{value!r} is no {kind.type_name}")
        return kind(value)

    return convert


def _boolean_from(members: Members) -> bool:
    if not isinstance(members["value"], bool):
        raise EncodeError(f"{members['value']!r} is no boolean")
    return members["value"]


def _text_from(kind: type[str]) -> Callable[[Members], str]:
    def convert(members: Members) -> str:
        if not isinstance(members["value"], str):
            raise EncodeError(f"{members['value']!r} is no text")
        return kind(members["value"])

    return convert


def _time_from(kind: type[Date | Time | DateTime]) -> Callable[[Members], Any]:
    def convert(members: Members) -> Any:
        return kind(bytes.fromhex(members["value"]))

    return convert


def description_to_json(description: Description) -> Members:
    """The type of a compact-array's elements."""
    match description:
        case ScalarType(tag):
            return {"type": SCALAR_NAMES[tag]}
        case ArrayType(count, element):
            return {"type": "array", "count": count, "element": description_to_json(element)}
        case StructureType(elements):
            return {"type": "structure", "elements": [description_to_json(element) for element in elements]}


def description_from_json(members: Mapping[str, Any], depth: int = MAX_DEPTH) -> Description:
    """The inverse of `description_to_json`.  Raises EncodeError when nested too deep, KeyError for a missing member."""
    if depth == 0:
        raise EncodeError(f"compact-array described more than {MAX_DEPTH} levels deep")
    if members["type"] == "array":
        return ArrayType(members["count"], description_from_json(members["element"], depth - 1))
    if members["type"] == "structure":
        return StructureType(tuple(description_from_json(element, depth - 1) for element in members["elements"]))
    return ScalarType(TAG_OF_NAME[members["type"]])


def compact_array_to_json(value: CompactArray) -> Members:
    """The description as JSON, the contents as hex."""
    return {"description": description_to_json(value.description), "contents": value.contents.hex()}


def compact_array_from_json(members: Members) -> CompactArray:
    """The inverse of `compact_array_to_json`."""
    return CompactArray(description_from_json(members["description"]), bytes.fromhex(members["contents"]))


TO_JSON: dict[int, Callable[[Any], Members]] = {
    0: lambda value: {},
    3: lambda value: {"value": value},
    4: _bit_string,
    9: lambda value: {"value": bytes(value).hex()},
    10: lambda value: {"value": str(value)},
    12: lambda value: {"value": str(value)},
    19: compact_array_to_json,
    23: _float,
    24: _float,
    25: lambda value: {"value": value.raw.hex()},
    26: lambda value: {"value": value.raw.hex()},
    27: lambda value: {"value": value.raw.hex()},
    255: lambda value: {},
    **{kind.tag: lambda value: {"value": int(value)} for kind in INTEGERS},
}
"""The members beside "type", by tag."""

FROM_JSON: dict[int, Callable[[Members], Any]] = {
    0: lambda members: None,
    3: _boolean_from,
    4: _bit_string_from,
    9: lambda members: bytes.fromhex(members["value"]),
    10: _text_from(str),
    12: _text_from(Utf8String),
    19: compact_array_from_json,
    23: _float_from(Float32),
    24: _float_from(Float64),
    25: _time_from(DateTime),
    26: _time_from(Date),
    27: _time_from(Time),
    255: lambda members: DONT_CARE,
    **{kind.tag: _integer_from(kind) for kind in INTEGERS},
}
"""The value from the members beside "type", by tag."""
