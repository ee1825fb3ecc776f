"""Rows that declare the objects of a meter: registers, other objects, loggers of values and of events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Container, Mapping
from typing import Any

from dlms.ic import Data, ProfileGeneric
from dlms.interface import AttributeRef, Interface
from dlms.types import DataType, OctetString
from dlms.units import Unit
from meters.engine import Every, Feature, Logger, LogName, Quantity
from meters.sources import ANYTHING, Attribute, Column, Constant, Meter, Obey, Source, Then


class ModelError(ValueError):
    """A meter model contradicts itself; the message names the row."""


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One object of class 1, 3 or 4.

    `type`, `source`, `accepts`, `obey` and `then` are those of its value; `time` feeds the capture time of class 4.
    `access` is written as in the manufacturer's table, see `meters.access`.  `needs` names the feature without which a
    meter does not have the object.
    """

    obis: str
    interface: type[Interface]
    type: DataType
    access: str
    key: str
    source: Source
    scaler: int = 0
    unit: Unit | None = None
    time: Quantity | None = None
    accepts: Container[Any] = ANYTHING
    obey: Obey | None = None
    then: Then | None = None
    needs: Feature | None = None

    @property
    def attributes(self) -> dict[int, Attribute]:
        """All attributes that the object has, by index, without the logical name."""
        value = Attribute(self.type, self.source, self.accepts, self.obey, self.then).scaled(self.scaler)
        found = {2: value}
        if self.interface is not Data:
            scaler_unit = (self.scaler, int(Unit.UNITLESS if self.unit is None else self.unit))
            found[3] = Attribute(self.interface.attributes[3].type, Constant(scaler_unit))
        if self.time is not None:
            found[5] = Attribute(OctetString(12), self.time)
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Complex:
    """One object of any other class: its attributes by index.  What the server's behaviour answers is not listed."""

    obis: str
    interface: type[Interface]
    access: str
    key: str
    attributes: Mapping[int, Attribute]
    needs: Feature | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class DataLog:
    """A logger of register values: `header` columns, then the attributes (code, index) of objects of the model.

    `periods` are the capture periods in seconds that a client may set, empty for none.
    """

    obis: str
    access: str
    key: str
    log: LogName
    every: Every
    depth: int
    header: tuple[Column, ...]
    captured: tuple[tuple[str, int], ...]
    periods: frozenset[int] = frozenset()
    capture: Callable[[Meter], None] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class EventLog:
    """A logger of events; without `logger` nothing is ever written into it."""

    obis: str
    access: str
    key: str
    logger: Logger | None
    depth: int
    columns: tuple[Column, ...]
    needs: Feature | None = None


Object = Row | Complex
Log = DataLog | EventLog


def interface_of(row: Object | Log) -> type[Interface]:
    """The interface class of a row."""
    return ProfileGeneric if isinstance(row, DataLog | EventLog) else row.interface


def column_ref(log: Log, column: Column) -> AttributeRef[Any]:
    """What a column captures; the logger's own values have indices below zero, as signed octets."""
    return column.interface(column.obis or log.obis).attribute_ref(column.index)
