"""The buffer of a profile, or a part of it: selected by the meter where it can, else read whole and cut out here.

Blue Book, class 7, selective access.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

from dlms import data as cosem_data
from dlms.apdu.attribute import SelectiveAccess
from dlms.compact_array import CompactArray
from dlms.cosem_time import CosemTimeError, DateTime
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.ic import ProfileGeneric
from dlms.operations import Operation
from dlms.operations.profiles import Column, Entries, Moment, bounds, by_entry, by_range, clock_column, wall_clock
from dlms.operations.referencing import Referencing
from dlms.rows import array_head


@dataclasses.dataclass(frozen=True, slots=True)
class Selection:
    """What of a buffer is wanted: rows between two times (both included) or by number, and columns by their place.

    None is no bound, and for `places` all columns.
    """

    start: Moment | None = None
    end: Moment | None = None
    entries: Entries | None = None
    places: tuple[int, ...] | None = None

    @property
    def timed(self) -> bool:
        """Whether rows are selected by time."""
        return self.start is not None or self.end is not None


def buffer(
    profile: ProfileGeneric,
    columns: Sequence[Column],
    wanted: Selection,
    names: Referencing,
    *,
    selects: bool,
    from_newest: bool = False,
) -> Operation[bytes]:
    """The encoded rows that are wanted.  `selects` says whether the meter has agreed to select.

    Where rows are numbered here they are from 1 on, the oldest first; with `from_newest` from 0 on, the newest first.
    Raises LocalProtocolError where a time is to be selected by and none is captured.
    """
    if wanted.timed and wanted.entries is not None:
        raise LocalProtocolError("a profile is read by time or by entries, not both")
    clock = clock_column(list(columns), profile) if wanted.timed else None
    asked = _asked(columns, wanted, clock) if selects else None
    if asked is not None:
        payload = yield from names.get_encoded(profile.buffer, asked)
        return _narrowed(payload, wanted.places, len(columns))
    payload = yield from names.get_encoded(profile.buffer)
    if wanted == Selection():
        return payload
    rows = _rows(payload, len(columns))
    at = next((place for place, column in enumerate(columns) if column.is_clock), None)
    if at is not None and any(row[at] is None for row in rows):
        rows = _with_times(rows, at, (yield from names.get(profile.capture_period)))
    if wanted.timed and at is not None:
        first, last = map(wall_clock, bounds(wanted.start, wanted.end))
        rows = [row for row in rows if isinstance(row[at], bytes) and first <= wall_clock(row[at]) <= last]
    if wanted.entries is not None:
        rows = _numbered(rows, wanted.entries, from_newest)
    return cosem_data.encode(_picked(rows, wanted.places))


def _asked(columns: Sequence[Column], wanted: Selection, clock: Column | None) -> SelectiveAccess | None:
    """What the meter is asked for; None where its ways to select do not fit what is wanted."""
    places, entries = wanted.places, wanted.entries
    if entries is not None:
        if places is None:
            return by_entry(Entries(entries.first, entries.last))
        return by_entry(Entries(entries.first, entries.last, min(places) + 1, max(places) + 1))
    clock = clock or next((column for column in columns if column.is_clock), None)
    if clock is None or (places is None and not wanted.timed):
        return None
    return by_range(clock, *bounds(wanted.start, wanted.end), [columns[place] for place in places or ()])


def _narrowed(payload: bytes, places: Sequence[int] | None, width: int) -> bytes:
    """The selected columns: those between the first and the last are asked for by entry, and a meter may give all."""
    if places is None:
        return payload
    if payload[:1] == b"\x01":
        count, pos = array_head(payload)
        if count == 0 or payload[pos : pos + 2] == bytes((2, len(places))):
            return payload
    rows = _rows(payload, len(places))
    given = min((len(row) for row in rows), default=len(places))
    if given == width:
        return cosem_data.encode(_picked(rows, places))
    if given != places[-1] - places[0] + 1:
        raise RemoteProtocolError(f"rows of {given} columns, {len(places)} of {width} were asked for")
    return cosem_data.encode(_picked(rows, [place - places[0] for place in places]))


def _rows(payload: bytes, width: int) -> list[tuple[Any, ...]]:
    """The rows of a buffer, each of at least `width` columns.  Raises RemoteProtocolError where they are none."""
    held = cosem_data.decode(payload)
    rows = held.rows() if isinstance(held, CompactArray) else held
    if not isinstance(rows, list) or not all(isinstance(row, tuple) and len(row) >= width for row in rows):
        raise RemoteProtocolError(f"a buffer with rows of {width} columns was due, not {rows!r:.80}")
    return rows


def _picked(rows: list[tuple[Any, ...]], places: Sequence[int] | None) -> list[tuple[Any, ...]]:
    return rows if places is None else [tuple(row[place] for place in places) for row in rows]


def _numbered(rows: list[tuple[Any, ...]], entries: Entries, from_newest: bool) -> list[tuple[Any, ...]]:
    first, last = entries.first, entries.last
    if not from_newest:
        return rows[max(first, 1) - 1 : last or None]
    by_age = rows[::-1]
    return by_age[first : last + 1] if first <= last else by_age[last : first + 1][::-1]


def _with_times(rows: list[tuple[Any, ...]], at: int, period_s: Any) -> list[tuple[Any, ...]]:
    """Null-data in the place of a time is the time before and the capture period: written out, a row can stand alone."""
    found: list[tuple[Any, ...]] = []
    time: Any = None
    for row in rows:
        time = _next_time(time, period_s) if row[at] is None else row[at]
        found.append((*row[:at], time, *row[at + 1 :]))
    return found


def _next_time(before: Any, period_s: Any) -> bytes | None:
    """A time one period later, with the weekday where there was one, and the same deviation and status."""
    if not isinstance(before, bytes) or not isinstance(period_s, int):
        return None
    try:
        later = DateTime.of(DateTime(before).naive() + datetime.timedelta(seconds=period_s)).raw
    except (CosemTimeError, OverflowError):
        return None
    weekday = later[4:5] if before[4] != 0xFF else b"\xff"
    return later[:4] + weekday + later[5:8] + before[8:]
