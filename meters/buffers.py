"""The buffers of loggers as `dlms.server.Rows`: the engine's rows and events become encoded structures.

Rows of a data logger are encoded by columns: a row of the load profile costs about two microseconds.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlms import data as cosem_data
from dlms.columns import encode_columns
from dlms.cosem_time import DAYLIGHT_SAVING
from dlms.enums import AccessResult
from dlms.errors import AccessError
from dlms.row_template import RowTemplate
from meters import local_time
from meters.engine import Event, LogView, Quantity
from meters.engine.quantity import TIME_KINDS
from meters.sources import Column, Constant, EventField, EventTime, RowFlags, RowTime

Octets = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, slots=True)
class Stamping:
    """How one meter writes moments down: in its normal time, with the status of its clock (see `local_time.stamp`)."""

    normal_offset_s: int
    daylight_saving: bool

    def bounds(self, start: bytes, end: bytes) -> tuple[int, int]:
        """UTC seconds of both ends of a selection by range.  Raises ValueError for what is no time."""
        low_s, high_s = local_time.bound_s(start, upper=False), local_time.bound_s(end, upper=True)
        return low_s - self.normal_offset_s, high_s - self.normal_offset_s

    def stamp(self, utc_s: int) -> bytes:
        """A moment as a date-time; zero is never."""
        return local_time.stamp(utc_s, self.normal_offset_s, self.daylight_saving) if utc_s else local_time.NEVER

    def stamps(self, time_s: NDArray[np.int64]) -> Octets:
        """The same of many moments at once, (rows, 12)."""
        face = (time_s + self.normal_offset_s).astype("datetime64[s]")
        day, month = face.astype("datetime64[D]"), face.astype("datetime64[M]")
        year = month.astype("datetime64[Y]")
        second = (time_s + self.normal_offset_s) % 86_400
        found = np.empty((time_s.size, 12), np.uint8)
        years = year.astype(np.int64) + 1970
        found[:, 0], found[:, 1] = years >> 8, years & 0xFF
        found[:, 2] = (month - year).astype(np.int64) + 1
        found[:, 3] = (day - month.astype("datetime64[D]")).astype(np.int64) + 1
        found[:, 4] = (day.astype(np.int64) + 3) % 7 + 1
        found[:, 5], found[:, 6], found[:, 7] = second // 3600, second // 60 % 60, second % 60
        found[:, 8:12] = np.frombuffer(local_time.octets(0, 0), np.uint8)[8:]
        if self.daylight_saving:
            for one in np.unique(years).tolist():
                begin_s, end_s = local_time.switches(one)
                found[(time_s >= begin_s) & (time_s < end_s), 11] = DAYLIGHT_SAVING
        found[time_s == 0] = np.frombuffer(local_time.NEVER, np.uint8)
        return found


@functools.lru_cache(maxsize=256)
def _template(types: tuple[Any, ...]) -> RowTemplate:
    return RowTemplate.of_types(types)


def _picked(columns: tuple[Column, ...], wanted: Sequence[int] | None) -> tuple[Column, ...]:
    """The columns asked for, of those that there are.  Raises AccessError when there is none of them."""
    if wanted is None:
        return columns
    picked = tuple(columns[place] for place in wanted if place < len(columns))
    if not picked:
        raise AccessError(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
    return picked


def _check_there(indices: Sequence[int], span: range) -> None:
    """Raises AccessError when one of the rows has gone while a client was reading."""
    if indices and (min(indices) < span.start or max(indices) >= span.stop):
        raise AccessError(AccessResult.LONG_GET_ABORTED)


class DataRows:
    """The buffer of a data logger, `dlms.server.Rows`.  Rows are numbered by their log id, which survives erasing."""

    def __init__(self, view: LogView, meter: int, columns: tuple[Column, ...], stamping: Stamping) -> None:
        self.view, self.meter, self.columns, self.stamping = view, meter, columns, stamping

    def span(self) -> range:
        """See `Rows`."""
        count = self.view.count(self.meter)
        if not count:
            return range(0)
        first = int(self.view.rows(self.meter, 0, 1).ids[0])
        return range(first, first + count)

    def find(self, start: bytes, end: bytes) -> Sequence[int]:
        """See `Rows`.  Not contiguous when the clock was set back in between."""
        places = self.view.find(self.meter, *self.stamping.bounds(start, end))
        span = self.span()
        if places.size and places[-1] - places[0] + 1 != places.size:
            return [span[place] for place in places.tolist()]
        return span[places[0] : places[-1] + 1] if places.size else range(0)

    def encode(self, indices: Sequence[int], columns: Sequence[int] | None) -> list[bytes]:
        """See `Rows`."""
        picked = _picked(self.columns, columns)
        span = self.span()
        _check_there(indices, span)
        if not indices:
            return []
        low = min(indices)
        rows = self.view.rows(self.meter, low - span.start, max(indices) - span.start + 1)
        at = np.asarray(indices) - low
        template = _template(tuple(column.type for column in picked))
        values = iter(rows.columns)
        stored = {id(column): next(values) for column in self.columns if isinstance(column.source, Quantity)}
        arrays = [self._array(column, rows.time_s[at], rows.flags[at], stored, at) for column in picked]
        encoded = encode_columns(template, arrays)
        return [encoded[start : start + template.width] for start in range(0, len(encoded), template.width)]

    def _array(
        self, column: Column, time_s: NDArray[np.int64], flags: NDArray[np.uint32], stored: dict[int, Any], at: Any
    ) -> NDArray[Any]:
        match column.source:
            case RowTime():
                return self.stamping.stamps(time_s)
            case RowFlags(bits):
                return mapped_flags(flags, bits)
            case Quantity(kind=kind):
                values: NDArray[Any] = stored[id(column)][at]
                return self.stamping.stamps(values) if kind in TIME_KINDS else values
            case Constant(value):
                return np.full(at.shape, value)
        raise TypeError(f"{column.source!r} is nothing that a data logger stores")


class EventRows:
    """The buffer of an event logger, `dlms.server.Rows`.  Rows are numbered by the events' own numbers."""

    def __init__(self, lines: list[Event], columns: tuple[Column, ...], stamping: Stamping) -> None:
        self.lines, self.columns, self.stamping = lines, columns, stamping

    def span(self) -> range:
        """See `Rows`."""
        return range(self.lines[0].id, self.lines[-1].id + 1) if self.lines else range(0)

    def find(self, start: bytes, end: bytes) -> Sequence[int]:
        """See `Rows`."""
        low_s, high_s = self.stamping.bounds(start, end)
        return [line.id for line in self.lines if low_s <= line.time_s <= high_s]

    def encode(self, indices: Sequence[int], columns: Sequence[int] | None) -> list[bytes]:
        """See `Rows`."""
        picked = _picked(self.columns, columns)
        span = self.span()
        _check_there(indices, span)
        lines = (self.lines[index - span.start] for index in indices)
        return [cosem_data.encode(tuple(self._value(column, line) for column in picked)) for line in lines]

    def _value(self, column: Column, line: Event) -> Any:
        match column.source:
            case RowTime():
                return self.stamping.stamp(line.time_s)
            case EventTime(read):
                return self.stamping.stamp(read(line))
            case EventField(read):
                return column.type.coerce(read(line))
            case Constant(value):
                return column.type.coerce(value)
        raise TypeError(f"{column.source!r} is nothing that an event logger stores")


def mapped_flags(flags: NDArray[np.uint32], bits: tuple[tuple[int, int], ...]) -> NDArray[np.int64]:
    """Engine flags as the maker's bits."""
    found = np.zeros(flags.shape, np.int64)
    if flags.any():
        for flag, bit in bits:
            found |= np.where(flags & np.uint32(flag), int(bit), 0)
    return found
