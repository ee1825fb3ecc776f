"""Profile generic: the buffer of a profile, whole, by range or by entry, with its columns.  Blue Book, class 7."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Any

from dlms.apdu.attribute import SelectiveAccess
from dlms.association import Negotiated
from dlms.cosem_time import DateTime
from dlms.enums import Conformance
from dlms.errors import LocalProtocolError, RemoteProtocolError
from dlms.ic import Clock, ProfileGeneric
from dlms.ic.measurement import BY_ENTRY, BY_RANGE, CAPTURE_OBJECT
from dlms.interface import AttributeRef
from dlms.operations import Operation
from dlms.operations.read import get
from dlms.values import DoubleLongUnsigned, LongUnsigned
from obis import Obis

Moment = datetime.datetime | DateTime | bytes


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One capture object: which attribute (and which element of it, 0 for all) a column holds."""

    class_id: int
    instance: Obis
    attribute_index: int
    data_index: int

    @property
    def is_clock(self) -> bool:
        """Whether this is the time of a clock."""
        return self.class_id == Clock.class_id and self.attribute_index == Clock.time.index

    def __str__(self) -> str:
        element = f".{self.data_index}" if self.data_index else ""
        return f"{self.instance}:{self.attribute_index}{element}"


Wanted = Column | AttributeRef[Any] | Obis | str
"""How a column is named: as the profile tells it, by its attribute, or by the code of its object (all columns of it)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entries:
    """Rows by number, both ends included; what number 1 is, and whether there is a 0, is the meter's matter."""

    first: int
    last: int = 0
    first_column: int = 1
    last_column: int = 0


def columns(
    profile: ProfileGeneric, get: Callable[[AttributeRef[Any]], Operation[Any]] = get
) -> Operation[list[Column]]:
    """The capture objects of a profile; `get` reads one attribute of the meter."""
    listed = yield from get(profile.capture_objects)
    if not isinstance(listed, list):
        raise RemoteProtocolError(f"{profile.capture_objects}: a list of capture objects was due")
    return [_column(one, profile) for one in listed]


def _column(definition: Any, profile: ProfileGeneric) -> Column:
    try:
        class_id, instance, attribute, element = definition
        return Column(int(class_id), Obis(instance), int(attribute), int(element))
    except (TypeError, ValueError, OverflowError) as fault:
        raise RemoteProtocolError(f"{profile.capture_objects}: {definition!r} is no capture object") from fault


def by_range(clock: Column, start: Moment, end: Moment, selected: Sequence[Column] = ()) -> SelectiveAccess:
    """Rows between two times of the clock column, both included; all columns unless some are selected."""
    values = [_definition(column) for column in selected]
    return SelectiveAccess(BY_RANGE, (_definition(clock), octets(start), octets(end), values))


def _definition(column: Column) -> Any:
    return CAPTURE_OBJECT.coerce((column.class_id, bytes(column.instance), column.attribute_index, column.data_index))


def by_entry(entries: Entries) -> SelectiveAccess:
    """Rows by number."""
    rows = DoubleLongUnsigned(entries.first), DoubleLongUnsigned(entries.last)
    return SelectiveAccess(BY_ENTRY, (*rows, LongUnsigned(entries.first_column), LongUnsigned(entries.last_column)))


def octets(moment: Moment) -> bytes:
    """A time as the 12 octets of a COSEM date-time; octets and DateTimes are taken as they are."""
    if isinstance(moment, datetime.datetime):
        return DateTime.of(moment).raw
    raw = moment.raw if isinstance(moment, DateTime) else bytes(moment)
    if len(raw) != 12:
        raise LocalProtocolError(f"a date-time of {len(raw)} octets, 12 wanted")
    return raw


def clock_column(found: list[Column], profile: ProfileGeneric) -> Column:
    """The column that holds the time.  Raises LocalProtocolError when there is none to select by."""
    for column in found:
        if column.is_clock:
            return column
    raise LocalProtocolError(f"{profile.instance} captures no clock: its rows cannot be selected by time")


def selects(negotiated: Negotiated) -> bool:
    """Whether the meter was asked for, and granted, selective access: with short names it is a parameterized access."""
    short_names = negotiated.context.short_names
    wanted = Conformance.PARAMETERIZED_ACCESS if short_names else Conformance.SELECTIVE_ACCESS
    return wanted in negotiated.conformance


def places(
    found: Sequence[Column], wanted: Sequence[Wanted] | None, entries: Entries | None, profile: ProfileGeneric
) -> tuple[int, ...] | None:
    """The places of the columns that are wanted, in the order of the buffer; None for all.

    Raises LocalProtocolError for one that is not captured, for none at all, and when `entries` name columns too.
    """
    if entries is not None and (entries.first_column > 1 or entries.last_column):
        if wanted is not None:
            raise LocalProtocolError("columns are named by number or by name, not both")
        picked = list(range(len(found)))[max(entries.first_column, 1) - 1 : entries.last_column or None]
    elif wanted is None:
        return None
    else:
        picked = sorted({place for one in wanted for place in _matching(found, one, profile)})
    if not picked:
        raise LocalProtocolError(f"no columns of {profile.instance} are asked for")
    return tuple(picked)


def _matching(found: Sequence[Column], wanted: Wanted, profile: ProfileGeneric) -> list[int]:
    matching = [place for place, column in enumerate(found) if _is(column, wanted)]
    if not matching:
        raise LocalProtocolError(f"{profile.instance} captures no {wanted}")
    return matching


def _is(column: Column, wanted: Wanted) -> bool:
    if isinstance(wanted, Column):
        return column == wanted
    if isinstance(wanted, AttributeRef):
        held = column.class_id, column.instance, column.attribute_index
        return held == (wanted.class_id, wanted.instance, wanted.index)
    return column.instance == Obis(wanted)


_EARLIEST = bytes.fromhex("0001 01 01 ff 00 00 00 00 8000 ff")
_LATEST = bytes.fromhex("270f 0c 1f ff 17 3b 3b 63 8000 ff")


def bounds(start: Moment | None, end: Moment | None) -> tuple[bytes, bytes]:
    """Both ends of a range as octets; an open end reaches as far as a date-time can."""
    return (_EARLIEST if start is None else octets(start), _LATEST if end is None else octets(end))


def wall_clock(time: bytes) -> bytes:
    """Year, month, day, hour, minute, second, hundredths of a date-time: octets that compare.  Unspecified is zero."""
    return time[:4] + bytes(0 if octet == 0xFF else octet for octet in time[5:9])
