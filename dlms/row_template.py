"""Where everything is in rows of one shape: a single `struct` for all of them, learnt from a row or made from types."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dlms.axdr import EncodeError, decode_length, encode_length
from dlms.compact_array import STRUCTURE
from dlms.cosem_time import Date, DateTime, Time
from dlms.errors import DecodeError
from dlms.limits import MAX_DEPTH
from dlms.types import Boolean, DataType, NullData, OctetString, OctetStringType, VisibleString, VisibleStringType
from dlms.values import DONT_CARE, INTEGERS, BitString, DontCare, Float32, Float64, Utf8String

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of a row: its tag and length octets, and the `struct` format of its contents.

    `plain` and `wire` convert from and to the field of the struct; None where the field is the plain value.  Without a
    format (null-data, dont-care) the cell is the `constant`.
    """

    type: DataType
    prefix: bytes
    fmt: str
    plain: Convert | None = None
    wire: Convert | None = None
    constant: Any = None

    @property
    def size(self) -> int:
        """Octets of the contents."""
        return struct.calcsize(">" + self.fmt)


Shape = tuple["Cell | Shape", ...]
"""The cells of a row; a nested structure is a shape of its own."""

Header = tuple[Any, ...]
"""The DataType of each column; that of a nested structure is a header of its own."""


class RowTemplate:
    """Rows that are structures of scalars and of strings of fixed size, possibly nested."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.header = _header(shape)
        self.cells: list[Cell] = []
        """All cells, also those of nested structures, in wire order."""
        self.offsets: list[int] = []
        """Where the contents of each cell start in a row."""
        self.marks: list[tuple[int, int]] = []
        """(offset, octet) of all tags, counts and lengths in a row."""
        self.width, fmt = 0, ">"
        """Octets of one row."""
        for prefix, cell in _layout(shape):
            self.marks += enumerate(prefix, self.width)
            self.width += len(prefix)
            fmt += f"{len(prefix)}x"
            if cell is not None:
                self.cells.append(cell)
                self.offsets.append(self.width)
                self.width += cell.size
                fmt += cell.fmt
        self._struct = struct.Struct(fmt)
        self._as_is = all(isinstance(part, Cell) and part.fmt and part.plain is None for part in shape)

    @classmethod
    def learn(cls, buf: bytes, pos: int) -> RowTemplate | None:
        """The template of the row at `pos`; None when it is no structure, holds an array, or is damaged."""
        try:
            shape, _ = _learn_structure(buf, pos, MAX_DEPTH)
        except (DecodeError, IndexError):
            return None  # whoever decodes the row reports what is wrong with it
        return None if shape is None else cls(shape)

    @classmethod
    def of_types(cls, types: Sequence[Any]) -> RowTemplate:
        """The template of rows with these types, such as `(OctetString(12), DoubleLongUnsigned)`.

        A tuple among them is a nested structure.  Raises EncodeError for a type without a fixed size.
        """
        return cls(_shape_of(types))

    def fits(self, buf: bytes, pos: int) -> bool:
        """Whether the row at `pos` is there in full and has this shape."""
        return len(buf) - pos >= self.width and all(buf[pos + offset] == octet for offset, octet in self.marks)

    def matching(self, buf: bytes, pos: int, count: int) -> int:
        """How many of the next `count` rows, from the first on, have this shape.  Time grows with the answer."""
        count = min(count, (len(buf) - pos) // self.width)
        span = min(count, 64)
        while (run := self._run(buf, pos, span)) == span < count:
            span = min(count, 16 * span)
        return run

    def _run(self, buf: bytes, pos: int, count: int) -> int:
        for offset, octet in self.marks:
            column = buf[pos + offset : pos + count * self.width : self.width]
            if column.count(octet) != count:
                count -= len(column.lstrip(bytes((octet,))))
        return count

    def decode(self, buf: bytes, pos: int, count: int) -> list[tuple[Any, ...]]:
        """The `count` rows at `pos` as plain values.  Raises DecodeError when they do not all fit (`matching`)."""
        if self.matching(buf, pos, count) != count:
            raise DecodeError(f"the next {count} rows do not all fit the template", buf, pos)
        return self.decode_matching(buf, pos, count)

    def decode_matching(self, buf: bytes, pos: int, count: int) -> list[tuple[Any, ...]]:
        """The same for rows of which `matching` has said that they fit."""
        rows = list(self._struct.iter_unpack(memoryview(buf)[pos : pos + count * self.width]))
        return rows if self._as_is else list(_assembled(self.shape, zip(*rows, strict=True), count))

    def encode(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """The rows one behind the other, without the head of the array.  Raises EncodeError for what does not fit."""
        rows = list(rows)
        try:
            columns = list(_flat(self.shape, rows))
            contents = zip(*columns, strict=True) if columns else itertools.repeat((), len(rows))
            out = bytearray().join(itertools.starmap(self._struct.pack, contents))
        except (struct.error, ValueError, TypeError, AttributeError, OverflowError) as fault:
            raise EncodeError(f"rows do not fit the template: {fault}") from fault
        self.mark(out)
        return bytes(out)

    def mark(self, rows: bytearray) -> None:
        """Write the tags, counts and lengths into `rows`, whole rows of contents."""
        for offset, octet in self.marks:
            rows[offset :: self.width] = bytes((octet,)) * (len(rows) // self.width)


def _layout(shape: Shape) -> Iterator[tuple[bytes, Cell | None]]:
    """(tag and length octets, the cell behind them or None behind the head of a structure) in wire order."""
    yield bytes((STRUCTURE,)) + encode_length(len(shape)), None
    for part in shape:
        if isinstance(part, Cell):
            yield part.prefix, part
        else:
            yield from _layout(part)


def _header(shape: Shape) -> Header:
    return tuple(part.type if isinstance(part, Cell) else _header(part) for part in shape)


def _assembled(shape: Shape, columns: Iterator[tuple[Any, ...]], count: int) -> Iterator[tuple[Any, ...]]:
    """Rows from the columns of the struct: converted, constants put in, structures nested."""
    parts: list[Iterable[Any]] = []
    for part in shape:
        if not isinstance(part, Cell):
            parts.append(_assembled(part, columns, count))
        elif not part.fmt:
            parts.append(itertools.repeat(part.constant, count))
        else:
            column = next(columns)
            parts.append(map(part.plain, column) if part.plain else column)
    return zip(*parts, strict=True)


def _flat(shape: Shape, rows: Sequence[Sequence[Any]]) -> Iterator[Iterable[Any]]:
    """The columns of the struct from rows: the inverse of `_assembled`."""
    if not rows:
        return
    for part, column in zip(shape, zip(*rows, strict=True), strict=True):
        if not isinstance(part, Cell):
            yield from _flat(part, column)
        elif part.fmt:
            yield map(part.wire, column) if part.wire else column
        elif any(value is not part.constant for value in column):
            raise EncodeError(f"{part.type.describe()} wanted in all rows")


def _learn_structure(buf: bytes, pos: int, depth: int) -> tuple[Shape | None, int]:
    """The shape of the structure at `pos` and the offset behind it; None when a part has no fixed size."""
    count = buf[pos + 1]
    if depth == 0 or buf[pos] != STRUCTURE or not 0 < count < 0x80:
        return None, pos
    parts: list[Cell | Shape] = []
    end = pos + 2
    for _ in range(count):
        nested = buf[end] == STRUCTURE
        part, end = _learn_structure(buf, end, depth - 1) if nested else _learn_cell(buf, end)
        if part is None:
            return None, pos
        parts.append(part)
    return tuple(parts), end


def _learn_cell(buf: bytes, pos: int) -> tuple[Cell | Shape | None, int]:
    tag, start, size = buf[pos], pos + 1, 0
    if tag in _SIZED_CELLS:
        size, start = decode_length(buf, start)
        cell = _SIZED_CELLS[tag](buf[pos:start], size)
    elif tag in _FIXED_CELLS:
        cell = _FIXED_CELLS[tag]
    else:
        return None, pos
    end = start + cell.size
    return (cell, end) if end <= len(buf) else (None, pos)


def _shape_of(types: Sequence[Any]) -> Shape:
    if not 0 < len(types) < 0x80:
        raise EncodeError(f"a row of {len(types)} columns, 1..127 are possible")
    return tuple(_shape_of(of) if isinstance(of, tuple) else _cell_of(of) for of in types)


def _cell_of(of: DataType) -> Cell:
    if isinstance(of, OctetStringType | VisibleStringType) and of.size is not None:
        tag = 9 if isinstance(of, OctetStringType) else 10
        return _SIZED_CELLS[tag](bytes((tag,)) + encode_length(of.size), of.size)
    for cell in _FIXED_CELLS.values():
        if cell.type is of:
            return cell
    raise EncodeError(f"{of.describe()} has no fixed size: a row template needs one")


def _octets(prefix: bytes, size: int) -> Cell:
    return Cell(OctetString(size), prefix, f"{size}s", None, _exactly(size))


def _text(prefix: bytes, size: int) -> Cell:
    check = _exactly(size)

    def plain(raw: bytes) -> str:
        return raw.decode("latin-1")

    return Cell(VisibleString(size), prefix, f"{size}s", plain, lambda text: check(text.encode("latin-1")))


def _utf8(prefix: bytes, size: int) -> Cell:
    check = _exactly(size)
    return Cell(Utf8String, prefix, f"{size}s", Utf8String.from_octets, lambda text: check(text.to_octets()))


def _bits(prefix: bytes, length: int) -> Cell:
    size = (length + 7) // 8

    def wire(bits: BitString) -> bytes:
        if bits.length != length:
            raise EncodeError(f"bit-string({length}) wanted, not {bits!r}")
        return bits.octets

    return Cell(BitString, prefix, f"{size}s", lambda raw: BitString(raw, length), wire)


def _time(kind: type[Date | Time | DateTime]) -> Cell:
    check = _exactly(kind.SIZE)
    return Cell(kind, bytes((kind.tag,)), f"{kind.SIZE}s", kind, lambda time: check(time.raw))


def _exactly(size: int) -> Convert:
    """A struct would cut or fill octets silently."""

    def check(octets: Any) -> Any:
        if not isinstance(octets, bytes) or len(octets) != size:
            raise EncodeError(f"octet-string({size}) wanted, not {octets!r:.80}")
        return octets

    return check


_SIZED_CELLS: dict[int, Callable[[bytes, int], Cell]] = {4: _bits, 9: _octets, 10: _text, 12: _utf8}
"""Cells with a length on the wire: from their tag and length octets, and the length."""

_FIXED_CELLS: dict[int, Cell] = {
    0: Cell(NullData, b"\x00", ""),
    3: Cell(Boolean, b"\x03", "B", bool, lambda value: 0xFF if value else 0),
    **{kind.tag: Cell(kind, bytes((kind.tag,)), kind.fmt) for kind in INTEGERS},
    23: Cell(Float32, b"\x17", "f"),
    24: Cell(Float64, b"\x18", "d"),
    **{kind.tag: _time(kind) for kind in (DateTime, Date, Time)},
    255: Cell(DontCare, b"\xff", "", constant=DONT_CARE),
}
