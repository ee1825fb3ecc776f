"""Where the values of a meter come from: what a model's rows refer to, by type.

A `Quantity` of the engine, a `Constant`, an entry of the `Nameplate`, or a function of the `Meter` that asks; in the rows
of a logger also the time, the marks and the events themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container
from typing import Any, Protocol

from dlms.interface import Interface
from dlms.types import DataType
from meters.engine import Engine, Event, Flag, Quantity
from obis import Obis


@dataclasses.dataclass(frozen=True, slots=True)
class Nameplate:
    """What is printed on one meter.  `meter_number` is the serial number unless the owner gave another one."""

    serial_number: int
    meter_number: int
    type_number: str
    software_number: str
    software_revision: str

    def numbered(self, serial_number: int) -> Nameplate:
        """The same meter with another serial and meter number."""
        return dataclasses.replace(self, serial_number=serial_number, meter_number=serial_number)


class Settings(Protocol):
    """The settings of one meter."""

    def setting(self, instance: Obis, index: int = 2) -> Any:
        """The value of a setting: as a client wrote it, else as the model declares it."""


class Meter(Settings, Protocol):
    """One running meter, as the functions of a model see it."""

    engine: Engine
    index: int
    """Its number in the engine."""
    nameplate: Nameplate

    @property
    def now_s(self) -> int:
        """True UTC, to the second; the engine may be up to one step behind."""


# Where values come from.


@dataclasses.dataclass(frozen=True, slots=True)
class Constant:
    """A value that the meter comes with; where the access allows it a client changes it."""

    value: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Plate:
    """A value out of the nameplate."""

    read: Callable[[Nameplate], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Derived:
    """A value that follows from the state of the meter; `initial` marks what a client may replace by a value of its own."""

    read: Callable[[Meter], Any]
    initial: bool = False


Source = Quantity | Constant | Plate | Derived
Obey = Callable[[Meter, Any], None]
"""What a written value does; raises AccessError or EngineError to refuse.  The value has the attribute's type."""
Then = Callable[[Meter], None]
"""What a changed setting does."""


class _Anything:
    def __contains__(self, value: object) -> bool:
        return True


ANYTHING: Container[Any] = _Anything()


@dataclasses.dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of one object: type on the wire, source, and what a client may write.

    `accepts` are the values that are taken; `obey` is called with one.  Without `obey` the value is a setting: it is
    remembered and read back, and `then` is called.
    """

    type: DataType
    source: Source
    accepts: Container[Any] = ANYTHING
    obey: Obey | None = None
    then: Then | None = None

    def scaled(self, scaler: int) -> Attribute:
        """With the scaler and the width of the type written into the quantity: a register wraps where its type ends,
        unless its display begins again before."""
        if not isinstance(self.source, Quantity):
            return self
        rollover = self.source.rollover or getattr(self.type, "high", -1) + 1
        source = dataclasses.replace(self.source, exponent=scaler, rollover=rollover)
        return dataclasses.replace(self, source=source)


# Loggers.


@dataclasses.dataclass(frozen=True, slots=True)
class RowTime:
    """The time of a row."""


@dataclasses.dataclass(frozen=True, slots=True)
class RowFlags:
    """The marks of a row of a data logger, each engine flag as the maker's bit."""

    bits: tuple[tuple[Flag, int], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class EventField:
    """A value out of the line of an event logger."""

    read: Callable[[Event], Any]


@dataclasses.dataclass(frozen=True, slots=True)
class EventTime:
    """A moment out of the line of an event logger, UTC seconds."""

    read: Callable[[Event], int]


ColumnSource = RowTime | RowFlags | Quantity | Constant | EventField | EventTime


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a logger: the attribute captured, its type and where the value comes from.

    Without `obis` it belongs to the logger itself.
    """

    interface: type[Interface]
    obis: str | None
    index: int
    type: DataType
    source: ColumnSource
