"""compact-array: the type of the elements once, then their contents without tags (Blue Book 4.1.5; Data tag 19)."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from dlms.axdr import EncodeError, decode_length, encode_length, take
from dlms.errors import DecodeError
from dlms.limits import MAX_DEPTH, MAX_NODES
from dlms.scalars import DECODERS, ENCODERS
from dlms.typed import Typed
from dlms.values import INTEGERS, SCALAR_NAMES, SCALARS

ARRAY, STRUCTURE, COMPACT_ARRAY = 1, 2, 19

_MINIMUM_SIZE = {0: 0, 255: 0, 3: 1, 4: 1, 9: 1, 10: 1, 12: 1, 23: 4, 24: 8, 25: 12, 26: 5, 27: 4}
_MINIMUM_SIZE |= {kind.tag: struct.calcsize(">" + kind.fmt) for kind in INTEGERS}


@dataclass(frozen=True, slots=True)
class ScalarType:
    """An element that is one value: its Data tag."""

    tag: int


@dataclass(frozen=True, slots=True)
class ArrayType:
    """An element that is an array of `count` (16 bits) elements of one type."""

    count: int
    element: Description


@dataclass(frozen=True, slots=True)
class StructureType:
    """An element that is a structure."""

    elements: tuple[Description, ...]


Description = ScalarType | ArrayType | StructureType


@dataclass(frozen=True, slots=True)
class CompactArray(Typed):
    """compact-array: the TypeDescription of the elements and their contents, as sent.

    The decoder makes it with a sound description only: known tags, elements of at least one octet, sizes within the
    limits.  `rows()` decodes the contents.
    """

    description: Description
    contents: bytes
    tag: ClassVar[int] = COMPACT_ARRAY
    type_name: ClassVar[str] = "compact-array"

    @classmethod
    def of(cls, description: Description, rows: Iterable[Any]) -> CompactArray:
        """From elements that are Python values in the shape of `description`.  Raises EncodeError."""
        out = bytearray()
        _checked(description)
        for row in rows:
            _encode_contents(description, row, out)
        return cls(description, bytes(out))

    def rows(self) -> list[Any]:
        """The elements, each a value of the described type.

        Raises DecodeError where the contents end inside an element, and when there are more than `MAX_NODES` values;
        EncodeError for a description of one's own making that the decoder would refuse to read (`measure`).
        """
        pos, contents, rows = 0, self.contents, list[Any]()
        nodes_left = MAX_NODES
        _, weight = measure(self.description)
        while pos < len(contents):
            nodes_left -= weight
            if nodes_left < 0:
                raise DecodeError(f"compact-array of more than {MAX_NODES} values", contents, pos)
            try:
                row, pos = _decode_contents(self.description, contents, pos)
            except (IndexError, struct.error) as fault:
                raise DecodeError(f"element {len(rows)} of the compact-array ends too early", contents, pos) from fault
            rows.append(row)
        return rows


def measure(description: Description, depth: int = MAX_DEPTH) -> tuple[int, int]:
    """(octets that one element takes at least, values in it on all levels).

    Raises EncodeError for a description that has no encoding: nested too deep, an unknown tag, a count above 16 bits.
    """
    if depth == 0:
        raise EncodeError(f"compact-array described more than {MAX_DEPTH} levels deep")
    match description:
        case ScalarType(tag) if tag in _MINIMUM_SIZE:
            return _MINIMUM_SIZE[tag], 1
        case ArrayType(count, element) if 0 <= count <= 0xFFFF:
            octets, values = measure(element, depth - 1)
            return count * octets, 1 + count * values
        case StructureType(elements):
            sizes = [measure(element, depth - 1) for element in elements]
            return sum(octets for octets, _ in sizes), 1 + sum(values for _, values in sizes)
    raise EncodeError(f"{description!r:.80} does not describe the elements of a compact-array")


def _unsound(description: Description) -> str:
    """Why elements of this type cannot be counted or held; empty when they can."""
    octets, values = measure(description)
    if octets == 0:
        return "elements of the compact-array take no octets"
    return f"an element of the compact-array holds more than {MAX_NODES} values" if values > MAX_NODES else ""


def _checked(description: Description) -> Description:
    problem = _unsound(description)
    if problem:
        raise EncodeError(problem)
    return description


def decode_compact_array(buf: bytes, pos: int) -> tuple[CompactArray, int]:
    """The contents of a compact-array at `pos`, behind its tag.  Raises DecodeError."""
    description, end = decode_description(buf, pos)
    problem = _unsound(description)
    if problem:
        raise DecodeError(problem, buf, pos)
    size, start = decode_length(buf, end)
    contents, end = take(buf, start, size)
    return CompactArray(description, contents), end


def encode_compact_array(value: CompactArray, out: bytearray) -> None:
    """Append the contents, without the tag.  Raises EncodeError for a description that the decoder would refuse."""
    _encode_description(_checked(value.description), out)
    out += encode_length(len(value.contents))
    out += value.contents


def decode_description(buf: bytes, pos: int, depth: int = MAX_DEPTH) -> tuple[Description, int]:
    """The TypeDescription at `pos` and the offset behind it.  Raises DecodeError, or IndexError where it ends early."""
    if depth == 0:
        raise DecodeError(f"compact-array described more than {MAX_DEPTH} levels deep", buf, pos)
    tag = buf[pos]
    if tag == ARRAY:
        raw, start = take(buf, pos + 1, 2)
        element, end = decode_description(buf, start, depth - 1)
        return ArrayType(int.from_bytes(raw, "big"), element), end
    if tag == STRUCTURE:
        count, end = decode_length(buf, pos + 1)
        if count > len(buf) - end:
            raise DecodeError(f"{count} element types announced, {len(buf) - end} octets left", buf, pos)
        elements = []
        for _ in range(count):
            element, end = decode_description(buf, end, depth - 1)
            elements.append(element)
        return StructureType(tuple(elements)), end
    if tag not in SCALARS:
        raise DecodeError(f"tag {tag} in the description of a compact-array", buf, pos)
    return ScalarType(tag), pos + 1


def _encode_description(description: Description, out: bytearray) -> None:
    match description:
        case ScalarType(tag):
            out.append(tag)
        case ArrayType(count, element):
            out.append(ARRAY)
            out += count.to_bytes(2, "big")
            _encode_description(element, out)
        case StructureType(elements):
            out.append(STRUCTURE)
            out += encode_length(len(elements))
            for element in elements:
                _encode_description(element, out)


def _decode_contents(description: Description, buf: bytes, pos: int) -> tuple[Any, int]:
    """One element.  The depth is that of the description, which is bounded."""
    match description:
        case ScalarType(tag):
            return DECODERS[tag](buf, pos)
        case ArrayType(count, element):
            values = []
            for _ in range(count):
                value, pos = _decode_contents(element, buf, pos)
                values.append(value)
            return values, pos
        case StructureType(elements):
            fields = []
            for element in elements:
                value, pos = _decode_contents(element, buf, pos)
                fields.append(value)
            return tuple(fields), pos


def _encode_contents(description: Description, value: Any, out: bytearray) -> None:
    match description:
        case ScalarType(tag):
            _encode_scalar(tag, value, out)
        case ArrayType(count, element):
            if not isinstance(value, list) or len(value) != count:
                raise EncodeError(f"{value!r} is not a list of {count}")
            for one in value:
                _encode_contents(element, one, out)
        case StructureType(elements):
            if not isinstance(value, tuple) or len(value) != len(elements):
                raise EncodeError(f"{value!r} is not a tuple of {len(elements)}")
            for element, one in zip(elements, value, strict=True):
                _encode_contents(element, one, out)


def _encode_scalar(tag: int, value: Any, out: bytearray) -> None:
    try:
        ENCODERS[tag](value, out)
    except (struct.error, TypeError, AttributeError) as fault:
        raise EncodeError(f"{value!r} is no {SCALAR_NAMES[tag]}") from fault
