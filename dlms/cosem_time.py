"""COSEM date, time and date-time, kept octet for octet, and what relates them to Python's (Blue Book 4.1.6.1)."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from dlms.errors import DlmsError
from dlms.typed import Typed

ANY_YEAR = 0xFFFF
ANY = 0xFF
DST_BEGIN = 0xFE
DST_END = 0xFD
LAST_DAY = 0xFE
SECOND_LAST_DAY = 0xFD
NO_DEVIATION = -0x8000
DEVIATION_MINUTES = range(-720, 841)
"""What the Blue Book allows; meters that invert the sign stay inside the union with its mirror image."""

STATUS_BITS = {0x01: "invalid", 0x02: "doubtful", 0x04: "different-base", 0x08: "invalid-status", 0x80: "dst"}
"""Bits of the clock status by name; the octet 0xFF says that there is no status."""
DAYLIGHT_SAVING = 0x80
NO_STATUS = 0xFF

_MONTHS = {ANY: "??", DST_BEGIN: "DB", DST_END: "DE"}
_DAYS = {ANY: "??", LAST_DAY: "LD", SECOND_LAST_DAY: "SL"}
_WEEKDAYS = dict(enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), 1))

_DAY_TEXT = r"(?P<year>\d{4}|\?{4})-(?P<month>\d\d|\?\?|DB|DE)-(?P<day>\d\d|\?\?|LD|SL)"
_DATE_TEXT = _DAY_TEXT + r"(?: (?P<weekday>[A-Z][a-z]{2}))?"
_TIME_TEXT = r"(?P<hour>\d\d|\?\?):(?P<minute>\d\d|\?\?)(?::(?P<second>\d\d|\?\?)(?:\.(?P<fraction>\d{1,6}|--))?)?"
_ZONE_TEXT = r"(?: ?(?P<zone>Z|[+-]\d\d:?\d\d))?(?: \[(?P<status>[^\]]*)\])?"


class CosemTimeError(DlmsError, ValueError):
    """A date or time that cannot be converted: a wildcard, a field that no calendar has, or text that is neither."""


@dataclass(frozen=True, slots=True)
class _Octets(Typed):
    """Octets of the wire with named fields; any octets of the right number are held, whatever they say."""

    raw: bytes
    SIZE: ClassVar[int]
    PATTERN: ClassVar[re.Pattern[str]]

    @classmethod
    def from_plain(cls, value: Any) -> Self:
        """From the class of `datetime` that says as much."""
        return cls.of(value)

    @classmethod
    def of(cls, value: Any) -> Self:
        """From the class of `datetime` that says as much."""
        raise TypeError(f"{cls.__name__} declares no conversion")

    def __post_init__(self) -> None:
        if len(self.raw) != self.SIZE:
            raise CosemTimeError(f"{type(self).__name__} of {len(self.raw)} octets, {self.SIZE} wanted")
        if type(self.raw) is not bytes:
            object.__setattr__(self, "raw", bytes(self.raw))

    @classmethod
    def from_bytes(cls, octets: bytes) -> Self:
        """From the octets of the wire, also those of an octet-string.  Raises CosemTimeError for a wrong number."""
        return cls(octets)

    @property
    def problems(self) -> list[str]:
        """What the octets say that no calendar or clock has.  Decoding never refuses them; conversion does."""
        raise TypeError(f"{type(self).__name__} declares no checks")

    def __bytes__(self) -> bytes:
        return self.raw

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self} = {self.raw.hex()})"

    @classmethod
    def _match(cls, text: str) -> re.Match[str]:
        match = cls.PATTERN.fullmatch(text.strip())
        if match is None:
            raise CosemTimeError(f"{text!r} is no {cls.type_name}")
        return match

    def _checked(self) -> Self:
        if self.problems:
            raise CosemTimeError(f"{self}: {', '.join(self.problems)}")
        return self


class _DateFields(_Octets):
    """The first five octets of Date and DateTime."""

    __slots__ = ()

    @property
    def year(self) -> int:
        """1..9999, or ANY_YEAR."""
        return self.raw[0] << 8 | self.raw[1]

    @property
    def month(self) -> int:
        """1..12, ANY, DST_BEGIN or DST_END."""
        return self.raw[2]

    @property
    def day(self) -> int:
        """1..31, ANY, LAST_DAY or SECOND_LAST_DAY."""
        return self.raw[3]

    @property
    def day_of_week(self) -> int:
        """1 Monday .. 7 Sunday, or ANY."""
        return self.raw[4]

    def _calendar_date(self) -> datetime.date | None:
        """The one day that the octets name, or None when there is a wildcard or no such day."""
        try:
            return datetime.date(self.year, self.month, self.day)
        except ValueError:
            return None

    def _date_problems(self) -> list[str]:
        found = []
        if not (1 <= self.year <= 9999 or self.year == ANY_YEAR):
            found.append(f"year {self.year}")
        if not (1 <= self.month <= 12 or self.month in _MONTHS):
            found.append(f"month {self.month}")
        if not (1 <= self.day <= 31 or self.day in _DAYS):
            found.append(f"day {self.day}")
        if not (1 <= self.day_of_week <= 7 or self.day_of_week == ANY):
            found.append(f"day of week {self.day_of_week}")
        definite = self.year != ANY_YEAR and self.month not in _MONTHS and self.day not in _DAYS
        if not found and definite and self._calendar_date() is None:
            found.append(f"no day {self.day} in {self.year}-{self.month:02}")
        return found

    def _date(self) -> datetime.date:
        self._checked()
        date = self._calendar_date()
        if date is None:
            raise CosemTimeError(f"{self} names no single day")
        return date

    def _date_text(self) -> str:
        year = "????" if self.year == ANY_YEAR else f"{self.year:04}"
        text = f"{year}-{_MONTHS.get(self.month) or f'{self.month:02}'}-{_DAYS.get(self.day) or f'{self.day:02}'}"
        date = self._calendar_date()
        if self.day_of_week == ANY or (date is not None and date.isoweekday() == self.day_of_week):
            return text
        return f"{text} {_WEEKDAYS.get(self.day_of_week, f'day-of-week {self.day_of_week}')}"


class _TimeFields(_Octets):
    """The four octets of the time of day, in Time and DateTime."""

    __slots__ = ()
    START: ClassVar[int]

    @property
    def hour(self) -> int:
        """0..23, or ANY."""
        return self.raw[self.START]

    @property
    def minute(self) -> int:
        """0..59, or ANY."""
        return self.raw[self.START + 1]

    @property
    def second(self) -> int:
        """0..59, or ANY."""
        return self.raw[self.START + 2]

    @property
    def hundredths(self) -> int:
        """0..99, or ANY: the clock has no finer resolution than a second."""
        return self.raw[self.START + 3]

    def _time_problems(self) -> list[str]:
        fields = (("hour", self.hour, 23), ("minute", self.minute, 59), ("second", self.second, 59))
        bounds = (*fields, ("hundredths", self.hundredths, 99))
        return [f"{name} {value}" for name, value, high in bounds if value > high and value != ANY]

    def _time(self) -> datetime.time:
        """Hundredths that are not specified count as zero; any other wildcard is refused."""
        self._checked()
        if ANY in (self.hour, self.minute, self.second):
            raise CosemTimeError(f"{self} names no single time of day")
        microsecond = 0 if self.hundredths == ANY else self.hundredths * 10_000
        return datetime.time(self.hour, self.minute, self.second, microsecond)

    def _time_text(self) -> str:
        hms = ":".join("??" if value == ANY else f"{value:02}" for value in (self.hour, self.minute, self.second))
        return f"{hms}.{'--' if self.hundredths == ANY else f'{self.hundredths:02}'}"


class Date(_DateFields):
    """date: five octets, wildcards included.

    As text `2013-10-25`, with `??` for what is not specified, month DB/DE for the begin/end of daylight saving, day
    LD/SL for the last/second last day, and the day of week where it says more than the date: `????-DE-LD Sun`.
    """

    __slots__ = ()
    PLAIN: ClassVar[tuple[type, ...]] = (datetime.date,)
    tag: ClassVar[int] = 26
    type_name: ClassVar[str] = "date"
    SIZE: ClassVar[int] = 5
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(_DATE_TEXT)

    @classmethod
    def of(cls, date: datetime.date) -> Self:
        """From a Python date, day of week included.  Raises CosemTimeError for a datetime, whose time would be lost."""
        if isinstance(date, datetime.datetime):
            raise CosemTimeError(f"{date} is a date and a time")
        return cls(_date_octets(date))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text form.  Raises CosemTimeError for other text and for days that do not exist."""
        return cls(_parsed_date(cls._match(text)))._checked()

    @property
    def problems(self) -> list[str]:
        """What no calendar has: month 13, 30 February, day of week 8."""
        return self._date_problems()

    def to_date(self) -> datetime.date:
        """The one day named.  Raises CosemTimeError for wildcards and impossible fields."""
        return self._date()

    def __str__(self) -> str:
        return self._date_text()


class Time(_TimeFields):
    """time: four octets, wildcards included.  As text `07:30:00.00`, `??` and `.--` for what is not specified."""

    __slots__ = ()
    PLAIN: ClassVar[tuple[type, ...]] = (datetime.time,)
    tag: ClassVar[int] = 27
    type_name: ClassVar[str] = "time"
    SIZE: ClassVar[int] = 4
    START: ClassVar[int] = 0
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(_TIME_TEXT)

    @classmethod
    def of(cls, time: datetime.time) -> Self:
        """From a Python time of day; what is finer than a hundredth is cut off."""
        return cls(_time_octets(time))

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text form; seconds and hundredths that are left out are zero.  Raises CosemTimeError."""
        return cls(_parsed_time(cls._match(text)))._checked()

    @property
    def problems(self) -> list[str]:
        """What no clock has: hour 25, minute 60."""
        return self._time_problems()

    def to_time(self) -> datetime.time:
        """The one time of day named; unspecified hundredths are zero.  Raises CosemTimeError for wildcards."""
        return self._time()

    def __str__(self) -> str:
        return self._time_text()


class DateTime(_DateFields, _TimeFields):
    """date-time: twelve octets, wildcards included.

    As text the forms of Date and Time, then the offset from UTC where the deviation is given (Blue Book sign) and the
    status where a bit is set: `2013-10-25 07:30:00.00 +02:00 [dst]`.
    """

    __slots__ = ()
    PLAIN: ClassVar[tuple[type, ...]] = (datetime.datetime,)
    tag: ClassVar[int] = 25
    type_name: ClassVar[str] = "date-time"
    SIZE: ClassVar[int] = 12
    START: ClassVar[int] = 5
    PATTERN: ClassVar[re.Pattern[str]] = re.compile(f"{_DATE_TEXT}(?:[T ]{_TIME_TEXT})?{_ZONE_TEXT}")

    @classmethod
    def of(cls, moment: datetime.datetime, *, status: int | None = None, inverted: bool = False) -> Self:
        """From a Python datetime; what is finer than a hundredth is cut off.

        Aware: the deviation is UTC minus local in minutes (with `inverted` local minus UTC) and the status, unless
        given, says whether daylight saving is active.  Naive: neither is specified.  Raises CosemTimeError for an
        offset that is not whole minutes.
        """
        offset = moment.utcoffset()
        if offset is None:
            deviation, default = NO_DEVIATION, NO_STATUS
        else:
            deviation, default = _deviation(offset, inverted), DAYLIGHT_SAVING if moment.dst() else 0
        tail = deviation.to_bytes(2, "big", signed=True) + bytes((default if status is None else status,))
        return cls(_date_octets(moment) + _time_octets(moment.timetz()) + tail)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the text form or from ISO 8601; a time of day that is left out is midnight.

        Without an offset neither deviation nor status is specified.  Raises CosemTimeError for other text and for
        fields that no calendar or clock has.
        """
        match = cls._match(text)
        zone, status = match["zone"], match["status"]
        time = _parsed_time(match) if match["hour"] else bytes(4)
        deviation = NO_DEVIATION if zone is None else _deviation(_parsed_offset(zone), False)
        flags = _parsed_status(status) if status is not None else NO_STATUS if zone is None else 0
        made = cls(_parsed_date(match) + time + deviation.to_bytes(2, "big", signed=True) + bytes((flags,)))
        return made._checked()

    @property
    def deviation(self) -> int:
        """Minutes, UTC minus local by the Blue Book (positive in the west), or NO_DEVIATION."""
        return int.from_bytes(self.raw[9:11], "big", signed=True)

    @property
    def status(self) -> int:
        """The clock status octet (`STATUS_BITS`), or NO_STATUS."""
        return self.raw[11]

    @property
    def status_names(self) -> list[str]:
        """The status bits that are set, by name; reserved ones as hex.  Empty when there is no status."""
        if self.status == NO_STATUS:
            return []
        bits = [1 << place for place in range(8) if self.status >> place & 1]
        return [STATUS_BITS.get(bit, f"{bit:#04x}") for bit in bits]

    @property
    def date(self) -> Date:
        """The date part."""
        return Date(self.raw[:5])

    @property
    def time(self) -> Time:
        """The time of day."""
        return Time(self.raw[5:9])

    @property
    def problems(self) -> list[str]:
        """What no calendar or clock has; also a deviation that is no offset of any place, with either sign."""
        wrong = self.deviation != NO_DEVIATION and not {self.deviation, -self.deviation} & set(DEVIATION_MINUTES)
        return self._date_problems() + self._time_problems() + ([f"deviation {self.deviation}"] if wrong else [])

    def to_datetime(self, policy: LocalTime | None = None) -> datetime.datetime:
        """The moment named: aware where the deviation or the policy's zone gives the offset, else naive.

        Unspecified hundredths are zero.  Raises CosemTimeError for any other wildcard, for impossible fields and for
        local times that the policy's zone does not tell apart.
        """
        return (policy or LocalTime()).to_datetime(self)

    def naive(self) -> datetime.datetime:
        """The clock's face without deviation.  Raises CosemTimeError as `to_datetime` does."""
        return datetime.datetime.combine(self._date(), self._time())

    def __str__(self) -> str:
        parts = [self._date_text(), self._time_text()]
        if self.deviation != NO_DEVIATION:
            sign, minutes = "-" if self.deviation > 0 else "+", abs(self.deviation)
            parts.append(f"{sign}{minutes // 60:02}:{minutes % 60:02}")
        if self.status_names:
            parts.append(f"[{','.join(self.status_names)}]")
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class LocalTime:
    """How the clock of one meter relates to UTC: what the octets leave open is said here and never guessed."""

    zone: datetime.tzinfo | None = None
    """Where the meter stands: used for clocks without deviation, and to make naive datetimes aware."""
    inverted: bool = False
    """The meter sends local minus UTC as deviation, against the Blue Book."""
    ignore_deviation: bool = False
    """The meter's deviation is wrong: only the clock's face counts."""
    fold: int | None = None
    """Which of two equal local times is meant (PEP 495) when there is no status to tell; None refuses them."""

    def to_datetime(self, value: DateTime) -> datetime.datetime:
        """The moment named by `value`.  Raises CosemTimeError; see `DateTime.to_datetime`."""
        moment = value.naive()
        if value.deviation != NO_DEVIATION and not self.ignore_deviation:
            offset = datetime.timedelta(minutes=value.deviation if self.inverted else -value.deviation)
            return moment.replace(tzinfo=datetime.timezone(offset))
        return moment if self.zone is None else self._placed(moment.replace(tzinfo=self.zone), value)

    def to_cosem(self, moment: datetime.datetime) -> DateTime:
        """The date-time that the meter expects; a moment with an offset is first shown in the zone, if there is one."""
        local = moment
        if self.zone is not None:
            local = moment.replace(tzinfo=self.zone) if moment.tzinfo is None else moment.astimezone(self.zone)
        if local.tzinfo is None or not self.ignore_deviation:
            return DateTime.of(local, inverted=self.inverted)
        return DateTime.of(local.replace(tzinfo=None), status=DAYLIGHT_SAVING if local.dst() else 0)

    def _placed(self, moment: datetime.datetime, value: DateTime) -> datetime.datetime:
        """The fold of a local time that the zone has twice; one that it skips is refused."""
        first, second = (_offset(moment.replace(fold=fold)) for fold in (0, 1))
        if first == second:
            return moment
        if first < second:
            raise CosemTimeError(f"{value}: {self.zone} skips this local time")
        fold = self.fold
        if value.status != NO_STATUS:
            fold = 0 if value.status & DAYLIGHT_SAVING else 1
        if fold is None:
            raise CosemTimeError(f"{value}: {self.zone} has this local time twice and the status does not say which")
        return moment.replace(fold=fold)


def zone(name: str) -> datetime.tzinfo:
    """The IANA time zone of that name, for `LocalTime`.  Raises CosemTimeError when the system does not know it."""
    import zoneinfo  # only those who name a zone pay for the database

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as fault:
        raise CosemTimeError(f"no time zone {name!r} on this system") from fault


def _offset(moment: datetime.datetime) -> datetime.timedelta:
    return moment.utcoffset() or datetime.timedelta()


def _deviation(offset: datetime.timedelta, inverted: bool) -> int:
    minutes, rest = divmod(offset, datetime.timedelta(minutes=1))
    if rest:
        raise CosemTimeError(f"UTC offset {offset} is not whole minutes")
    return minutes if inverted else -minutes


def _date_octets(date: datetime.date) -> bytes:
    return date.year.to_bytes(2, "big") + bytes((date.month, date.day, date.isoweekday()))


def _time_octets(time: datetime.time) -> bytes:
    return bytes((time.hour, time.minute, time.second, time.microsecond // 10_000))


def _number(text: str, names: dict[int, str], any_value: int = ANY) -> int:
    if text.startswith("?"):
        return any_value
    return next((value for value, name in names.items() if name == text), None) or int(text)


def _parsed_date(match: re.Match[str]) -> bytes:
    """Five octets; a day of week that is left out follows from a definite date and is unspecified otherwise."""
    year = _number(match["year"], {}, ANY_YEAR)
    head = year.to_bytes(2, "big") + bytes((_number(match["month"], _MONTHS), _number(match["day"], _DAYS)))
    if match["weekday"] is not None and match["weekday"] not in _WEEKDAYS.values():
        raise CosemTimeError(f"{match['weekday']!r} is none of {', '.join(_WEEKDAYS.values())}")
    if match["weekday"]:
        return head + bytes((_number(match["weekday"], _WEEKDAYS),))
    date = Date(head + bytes((ANY,)))._calendar_date()
    return head + bytes((ANY if date is None else date.isoweekday(),))


def _parsed_time(match: re.Match[str]) -> bytes:
    fraction = match["fraction"] or "00"
    hundredths = ANY if fraction == "--" else int(fraction.ljust(2, "0")[:2])
    return bytes((*(_number(match[name] or "00", {}) for name in ("hour", "minute", "second")), hundredths))


def _parsed_offset(text: str) -> datetime.timedelta:
    if text == "Z":
        return datetime.timedelta()
    size = datetime.timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -size if text[0] == "-" else size


def _parsed_status(text: str) -> int:
    flags = 0
    for name in filter(None, text.split(",")):
        flags |= _status_bit(name)
    return flags


def _status_bit(name: str) -> int:
    for bit, known in STATUS_BITS.items():
        if known == name:
            return bit
    if re.fullmatch(r"0x[0-9a-f]{2}", name):
        return int(name, 16)
    raise CosemTimeError(f"{name!r} is no clock status: {', '.join(STATUS_BITS.values())}")
