"""How a meter model is declared: objects, loggers and associations as rows of data, checked when the model is built.

The rows are those of `meters.objects`.  Everything else (object lists, rights, dispatch, engine configuration) is derived
from them.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Callable, Mapping

from dlms.enums import Conformance, Mechanism
from dlms.ic import Clock
from dlms.interface import Interface
from dlms.limits import INACTIVITY_TIMEOUT_S
from dlms.quirks import Quirk
from meters.access import Mode, parse_access
from meters.engine import Config, ControlSettings, Feature, Quantity, Wiring
from meters.model_checks import check
from meters.objects import DataLog, EventLog, Log, ModelError, Object, Row, interface_of
from meters.sources import Column, Nameplate, Settings
from obis import Obis

FIRST_RESERVED, RESERVED = 0x7E, 2
"""Lower HDLC addresses "calling" and "all stations" of the two-octet form."""


class Writes(enum.Enum):
    """How far the write access of the table goes in an association."""

    NOTHING = frozenset[Mode]()
    PLAIN = frozenset({Mode.READ_WRITE, Mode.WRITE})
    ALL = frozenset({Mode.READ_WRITE, Mode.WRITE, Mode.READ_PRIMARY_WRITE})
    """Also what is written through the primary module port only, `R(W)`."""


@dataclasses.dataclass(frozen=True, slots=True)
class AssociationModel:
    """One association that the meters grant.  Without `sees` it sees every object; with a `secret` it is LLS."""

    name: str
    client_sap: int
    server_sap: int
    conformance: Conformance
    writes: Writes
    secret: bytes = dataclasses.field(default=b"", repr=False)
    sees: frozenset[Obis] | None = None

    @property
    def mechanism(self) -> Mechanism:
        """How a client proves who it is."""
        return Mechanism.LLS if self.secret else Mechanism.NONE


@dataclasses.dataclass(frozen=True, slots=True)
class LinkParameters:
    """The HDLC side: sizes in octets, times in seconds, and the physical address of the first meter on a line."""

    max_info_transmit: int = 128
    max_info_receive: int = 128
    window_transmit: int = 1
    window_receive: int = 1
    inactivity_timeout_s: float = INACTIVITY_TIMEOUT_S
    physical: int = 17
    always_two_octets: bool = False

    def physical_address(self, meter: int) -> int:
        """The address of the meter with that number on a shared line: counted up, without the reserved 126 and 127."""
        address = self.physical + meter
        return address if address < FIRST_RESERVED else address + RESERVED


@dataclasses.dataclass(frozen=True, eq=False)
class MeterModel:
    """A meter model.  Raises ModelError when its rows contradict each other.

    `metrology` is what its engine has of its own: wiring, limits, features, outputs; steps and logs come from the rows.
    `logger_only` are the columns that loggers have although no object holds them.  `ldn` makes the logical device name,
    `saps` are the logical devices.  `max_receive` is the largest APDU that the meter takes, in octets;
    `normal_offset_s` its normal time minus UTC.  `control` says what the breaker does under the settings of a meter.
    `commands` are what a client orders by writing a value to an object, (key, value) by name.
    """

    name: str
    maker: str
    title: str
    metrology: Config
    objects: tuple[Object, ...]
    logs: tuple[Log, ...]
    logger_only: frozenset[Obis]
    associations: tuple[AssociationModel, ...]
    nameplate: Nameplate
    ldn: Callable[[Nameplate], bytes]
    saps: tuple[int, ...]
    link: LinkParameters
    quirks: frozenset[Quirk] = frozenset()
    max_receive: int = 0xFFFF
    normal_offset_s: int = 3600
    control: Callable[[Settings], ControlSettings] | None = None
    commands: Mapping[str, tuple[str, int]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self)

    @property
    def wiring(self) -> Wiring:
        """How its elements are connected."""
        return self.metrology.wiring

    @property
    def features(self) -> frozenset[Feature]:
        """What it has that not every meter of its family has."""
        return self.metrology.features

    @functools.cached_property
    def by_key(self) -> dict[str, Object | Log]:
        """Every object by the name that users type."""
        return {row.key: row for row in (*self.objects, *self.logs)}

    @functools.cached_property
    def by_obis(self) -> dict[Obis, Object | Log]:
        """Every object by its code: in a model no code is used twice."""
        return {Obis(row.obis): row for row in (*self.objects, *self.logs)}

    def __getitem__(self, key: str) -> Interface:
        """The object of that name.  Raises LookupError."""
        if key not in self.by_key:
            raise LookupError(f"{self.name} has no object {key!r}")
        row = self.by_key[key]
        return interface_of(row)(row.obis)

    @functools.cached_property
    def clock(self) -> Obis:
        """The clock object.  Raises ModelError when there is none."""
        for row in self.objects:
            if row.interface is Clock:
                return Obis(row.obis)
        raise ModelError(f"{self.name} has no clock")

    def logs_of_data(self) -> list[DataLog]:
        """The loggers of register values."""
        return [log for log in self.logs if isinstance(log, DataLog)]

    def columns(self, log: Log) -> tuple[Column, ...]:
        """All columns of a logger, the captured attributes looked up."""
        if isinstance(log, EventLog):
            return log.columns
        return *log.header, *(self._captured(*one) for one in log.captured)

    def access(self, row: Object | Log) -> dict[int, Mode]:
        """Access of each attribute by index, as the table says it; the logical name is always readable."""
        return {1: Mode.READ} | parse_access(row.access, interface_of(row))

    def _captured(self, obis: str, index: int) -> Column:
        row = self.by_obis.get(Obis(obis))
        if not isinstance(row, Row) or index not in row.attributes:
            raise ModelError(f"{self.name}: {obis} attribute {index} is captured, but no object has it")
        attribute = row.attributes[index]
        if not isinstance(attribute.source, Quantity):
            raise ModelError(f"{self.name}: {obis} attribute {index} is captured, but is no quantity of the engine")
        return Column(row.interface, obis, index, attribute.type, attribute.source)
