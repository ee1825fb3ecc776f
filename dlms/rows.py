"""The rows of an array of structures, such as a profile's buffer, decoded many at once.  Hot path, no numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dlms.axdr import decode_length
from dlms.compact_array import ARRAY, COMPACT_ARRAY
from dlms.data import decode, decode_from
from dlms.errors import DecodeError
from dlms.limits import MAX_NODES
from dlms.row_template import Header, RowTemplate
from dlms.typed import DataType, Typed
from dlms.types import CHOICE, Boolean, NullData, OctetString, OctetStringType, VisibleString, VisibleStringType

__all__ = ["Header", "RowTemplate", "Rows", "array_head", "decode_rows"]

MAX_TEMPLATES = 4
"""Shapes of rows that are learnt from one array; rows of further shapes are decoded one by one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of plain values, in the types that the header names.

    Where a column's type differs from row to row the header says CHOICE, or a string type without a size; null-data
    does not count as a difference.  Rows that fit no template keep their typed values, equal to the plain ones.
    """

    header: Header
    rows: list[tuple[Any, ...]]


def decode_rows(payload: bytes) -> Rows:
    """The rows of an encoded array of structures, or of a compact-array of structures.

    Runs of equal rows are decoded at once, others one by one with equal results.  `limits.MAX_NODES` bounds the
    elements of each row and the number of runs, not the number of rows: a long profile is fine.  Raises DecodeError.
    """
    payload = payload if type(payload) is bytes else bytes(payload)
    if payload[:1] == bytes((COMPACT_ARRAY,)):
        return _compact_rows(payload)
    count, pos = array_head(payload)
    rows: list[tuple[Any, ...]] = []
    header: list[Any] = []
    reader = _Reader(payload)
    runs_left = MAX_NODES
    while len(rows) < count:
        runs_left -= 1
        if runs_left < 0:
            raise DecodeError(f"more than {MAX_NODES} runs of equal rows", payload, pos)
        run, columns, pos = reader.read(pos, count - len(rows))
        rows += run
        _merge(header, columns)
    if pos != len(payload):
        raise DecodeError(f"{len(payload) - pos} octets left over behind the rows", payload, pos)
    return Rows(tuple(header), rows)


def array_head(payload: bytes) -> tuple[int, int]:
    """The count of an encoded array and the offset of its first element.  Raises DecodeError."""
    if payload[:1] != bytes((ARRAY,)):
        raise DecodeError("an array of rows wanted", payload, 0)
    count, pos = decode_length(payload, 1)
    if count > len(payload) - pos:
        raise DecodeError(f"{count} rows announced, {len(payload) - pos} octets left", payload, 0)
    return count, pos


class _Reader:
    """Reads runs of rows with the templates met so far."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.templates: list[RowTemplate] = []
        self.tries_left = MAX_TEMPLATES

    def read(self, pos: int, count: int) -> tuple[list[tuple[Any, ...]], Header, int]:
        """At least one and at most `count` rows, their header, and the offset behind them."""
        template = self._template(pos)
        if template is None:
            row, end = decode_from(self.payload, pos)
            if not isinstance(row, tuple):
                raise DecodeError("a row that is no structure", self.payload, pos)
            return [row], _types_of(row), end
        run = template.matching(self.payload, pos, count)
        return template.decode_matching(self.payload, pos, run), template.header, pos + run * template.width

    def _template(self, pos: int) -> RowTemplate | None:
        for template in self.templates:
            if template.fits(self.payload, pos):
                return template
        if self.tries_left == 0:
            return None
        self.tries_left -= 1
        learnt = RowTemplate.learn(self.payload, pos)
        if learnt is not None:
            self.templates.append(learnt)
        return learnt


def _compact_rows(payload: bytes) -> Rows:
    rows = decode(payload).rows()
    header: list[Any] = []
    for row in rows:
        if not isinstance(row, tuple):
            raise DecodeError("a compact-array whose elements are no structures", payload, 1)
        _merge(header, _types_of(row))
    return Rows(tuple(header), rows)


def _types_of(row: tuple[Any, ...]) -> Header:
    return tuple(_types_of(value) if isinstance(value, tuple) else _type_of(value) for value in row)


def _type_of(value: Any) -> DataType:
    if isinstance(value, Typed):
        return type(value)
    make: Callable[[Any], DataType] = _BUILTIN_TYPES.get(type(value), lambda _: CHOICE)
    return make(value)


_BUILTIN_TYPES: dict[type, Callable[[Any], DataType]] = {
    type(None): lambda value: NullData,
    bool: lambda value: Boolean,
    bytes: lambda value: OctetString(len(value)),
    str: lambda value: VisibleString(len(value)),
}


def _merge(header: list[Any], columns: Header) -> None:
    """Make `header` that of further rows too, in time that depends on those rows alone."""
    for at, (one, other) in enumerate(zip(header, columns, strict=False)):
        if one is not other:
            header[at] = _common(one, other)
    header += columns[len(header) :]


def _common(one: Any, other: Any) -> Any:
    if one == other or other is NullData:
        return one
    if one is NullData:
        return other
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        merged = list(one)
        _merge(merged, other)
        return tuple(merged)
    for text in (OctetStringType, VisibleStringType):
        if isinstance(one, text) and isinstance(other, text):
            return text()
    return CHOICE
