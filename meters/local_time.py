"""A meter's clock face: local time with European daylight saving, as the twelve octets of a COSEM date-time.

Times are UTC seconds; a face is what the clock shows.  Nothing here knows what time it is.
"""

from __future__ import annotations

import datetime

from dlms.cosem_time import ANY, ANY_YEAR, DAYLIGHT_SAVING, NO_DEVIATION, CosemTimeError, DateTime

EPOCH = datetime.datetime(1970, 1, 1)
DAYLIGHT_S = 3600
"""How far the clock is put forward in summer."""
NEVER = bytes.fromhex("ffffffffffffffffff8000ff")
"""A date-time of which nothing is specified: what was never captured."""
_TAIL = bytes((ANY,)) + (NO_DEVIATION & 0xFFFF).to_bytes(2, "big")


def switches(year: int) -> tuple[int, int]:
    """When daylight saving begins and ends in a year: 01:00 UTC on the last Sundays of March and October.

    The whole union switches at this moment, whatever the normal time (directive 2000/84/EC).
    """
    return _last_sunday(year, 3), _last_sunday(year, 10)


def year_of(moment_s: int) -> int:
    """The year of a moment or of a face."""
    return (EPOCH + datetime.timedelta(seconds=moment_s)).year


def in_daylight_time(utc_s: int) -> bool:
    """Whether clocks are put forward at that moment."""
    begin_s, end_s = switches(year_of(utc_s))
    return begin_s <= utc_s < end_s


def octets(face_s: int, status: int) -> bytes:
    """Face (seconds since 1970 as the clock shows them) and status as a date-time.

    Hundredths and deviation are not specified, as Kamstrup's meters send it (DLMS protocol description 55121424).
    """
    face = EPOCH + datetime.timedelta(seconds=face_s)
    head = (face.month, face.day, face.isoweekday(), face.hour, face.minute, face.second)
    return face.year.to_bytes(2, "big") + bytes(head) + _TAIL + bytes((status,))


def local_octets(utc_s: int, normal_offset_s: int, daylight_saving: bool) -> bytes:
    """What the clock shows at a moment, daylight saving and its status bit included."""
    summer = daylight_saving and in_daylight_time(utc_s)
    return octets(utc_s + normal_offset_s + DAYLIGHT_S * summer, DAYLIGHT_SAVING if summer else 0)


def stamp(utc_s: int, normal_offset_s: int, daylight_saving: bool) -> bytes:
    """Normal time with the status of the clock: how loggers stamp their rows and maxima their times.

    Kamstrup documents that loggers keep normal time (55121235), while rows that it published carry the daylight-saving
    bit in summer (55121424): both are kept.
    """
    summer = daylight_saving and in_daylight_time(utc_s)
    return octets(utc_s + normal_offset_s, DAYLIGHT_SAVING if summer else 0)


def utc_of(value: bytes, normal_offset_s: int, daylight_saving: bool) -> int:
    """The moment that a client means when it sets the clock.  Raises CosemTimeError for wildcards and impossible dates.

    A deviation is obeyed.  Without one the time is local, and in the hour that comes twice the status bit decides.
    """
    given = DateTime(value)
    face_s = int((given.naive() - EPOCH).total_seconds())
    if given.deviation != NO_DEVIATION:
        return face_s + 60 * given.deviation
    normal_s, summer_s = face_s - normal_offset_s, face_s - normal_offset_s - DAYLIGHT_S
    if not daylight_saving or not in_daylight_time(summer_s):
        return normal_s
    twice = not in_daylight_time(normal_s)
    return normal_s if twice and not given.status & DAYLIGHT_SAVING else summer_s


def bound_s(value: bytes, *, upper: bool) -> int:
    """Face seconds of one end of a selection by range.  What is not specified reaches as far as it can.

    Deviation and status do not take part: rows are compared by the faces that they carry.  Raises CosemTimeError for
    a date that does not exist and ValueError for anything that is no date-time.
    """
    if len(value) != 12:
        raise CosemTimeError(f"a date-time has 12 octets, not {len(value)}")
    year, month, day = int.from_bytes(value[:2], "big"), value[2], value[3]
    if year == ANY_YEAR or ANY in (month, day):
        if (year, month, day) == (ANY_YEAR, ANY, ANY):
            return (1 << 40) if upper else 0
        raise CosemTimeError("a range ends on a day, not on a pattern of days")
    highest = (23, 59, 59) if upper else (0, 0, 0)
    hour, minute, second = (most if given == ANY else given for given, most in zip(value[5:8], highest, strict=True))
    face = datetime.datetime(year, month, day, hour, minute, second)
    return int((face - EPOCH).total_seconds())


def _last_sunday(year: int, month: int) -> int:
    """01:00 UTC on the last Sunday of a month of 31 days."""
    last = datetime.datetime(year, month, 31, 1)
    return int((last - datetime.timedelta(days=last.isoweekday() % 7) - EPOCH).total_seconds())
