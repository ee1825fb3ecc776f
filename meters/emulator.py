"""Virtual meters: a model and the measurement engine behind the two ports of the DLMS server.

The object table is one per model.  A meter is its number in the engine, its nameplate and a sparse overlay of what a
client wrote.  Time comes in as the `now` of the server's session and is turned into simulated UTC here.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from dlms.enums import AccessResult
from dlms.errors import AccessError, LocalProtocolError
from dlms.framing.hdlc import DEFAULT_PARAMETERS, HdlcServer
from dlms.interface import AttributeRef, MethodRef
from dlms.server import Device
from meters.buffers import DataRows, EventRows, Stamping
from meters.clock import ENABLED
from meters.engine import Config, Engine, LogSpec, Quantity, Source
from meters.engine.quantity import TIME_KINDS
from meters.engine.tolerance import Errors
from meters.model import MeterModel
from meters.objects import Complex, DataLog, EventLog, Log, Row, interface_of
from meters.sources import Attribute, Constant, Nameplate, Plate, Then
from meters.table import table
from obis import Obis


def engine_config(model: MeterModel, step_s: int = 1) -> Config:
    """The engine's view of a model."""
    logs = {log.log: LogSpec(_quantities(model, log), log.every, log.depth) for log in model.logs_of_data()}
    depths = {log.logger: log.depth for log in model.logs if isinstance(log, EventLog) and log.logger is not None}
    return dataclasses.replace(
        model.metrology,
        step_s=step_s,
        logs=logs,
        event_depth=depths,
        normal_offset_s=model.normal_offset_s,
        control=None if model.control is None else model.control(Declared(model)),
    )


def _quantities(model: MeterModel, log: DataLog) -> tuple[Quantity, ...]:
    sources = (column.source for column in model.columns(log))
    return tuple(source for source in sources if isinstance(source, Quantity))


class Declared:
    """The settings that the meters of a model come with, `sources.Settings`."""

    def __init__(self, model: MeterModel) -> None:
        self.model = model

    def setting(self, instance: Obis, index: int = 2) -> Any:
        """See `Settings`.  Raises TypeError for what is no setting."""
        row = self.model.by_obis[instance]
        source = row.attributes[index].source if isinstance(row, Row | Complex) else None
        if not isinstance(source, Constant):
            raise TypeError(f"{instance} attribute {index} of {self.model.name} is no setting")
        return source.value


class Emulator:
    """`count` meters of one model that live from `start_s` (UTC seconds) on.

    Serial numbers count up from that of the nameplate.  Simulated time runs `speed` times as fast as the `now` of the
    server, from the first one on; with 0 it stands still until `advance_to`.  `errors` are how wrong the meters are.
    """

    def __init__(
        self,
        model: MeterModel,
        source: Source,
        start_s: int,
        count: int = 1,
        *,
        nameplate: Nameplate | None = None,
        speed: float = 1.0,
        step_s: int = 1,
        errors: Errors | None = None,
    ) -> None:
        self.model, self.table = model, table(model)
        config = dataclasses.replace(engine_config(model, step_s), errors=errors)
        self.engine = Engine(config, source, start_s - start_s % step_s, count)
        self.now_s = self.start_s = self.engine.now_s
        """True UTC: as far as somebody let time pass."""
        self.speed = speed
        self.began: float | None = None
        self.origin_s = self.now_s
        """Simulated moment and server clock from which time is counted."""
        self.first = nameplate or model.nameplate
        self.overlay: dict[int, dict[AttributeRef[Any], Any]] = {}
        """Meter -> what clients wrote."""

    def meter(self, index: int) -> RunningMeter:
        """One of the meters.  Raises IndexError when there is none of that number."""
        if not 0 <= index < self.engine.meters:
            raise IndexError(f"meter {index} of {self.engine.meters}")
        return RunningMeter(self, index)

    def device(self, index: int) -> Device:
        """What a session serves for one meter."""
        meter = self.meter(index)
        return Device(
            meter,
            self.table.logical_devices(self.model, meter.nameplate),
            self.table.associations,
            quirks=self.model.quirks,
            inactivity_timeout_s=self.model.link.inactivity_timeout_s,
        )

    def devices(self) -> dict[int | None, Device]:
        """Devices by physical address, counted up from that of the model; a single meter answers without one, too."""
        found: dict[int | None, Device] = {
            self.model.link.physical_address(index): self.device(index) for index in range(self.engine.meters)
        }
        if len(found) == 1:
            found[None] = next(iter(found.values()))
        return found

    def begin(self, utc_s: int) -> None:
        """Let the meters live up to `utc_s`; from there time follows the clock of the server."""
        self.advance_to(utc_s)
        self.origin_s, self.began = self.now_s, None

    def advance(self, now: float) -> None:
        """Let simulated time follow the clock of the server."""
        if self.began is None:
            self.began = now
        self.advance_to(int(self.origin_s + (now - self.began) * self.speed))

    def advance_to(self, utc_s: int) -> None:
        """Let simulated time reach `utc_s`; meters are brought there when somebody looks.  It never goes back.

        The engine stays on a step boundary, so that what a client orders acts before its next request.
        """
        if utc_s > self.now_s:
            self.now_s = utc_s
            self.engine.advance(utc_s - (utc_s - self.start_s) % self.engine.config.step_s, lazily=True)

    def catch_up(self) -> None:
        """Bring every meter there now, so that the first client need not wait for the past of its meter."""
        self.engine.advance(self.engine.now_s)


def hdlc_framing(model: MeterModel, physical: frozenset[int | None]) -> HdlcServer:
    """The framing of one line with meters of a model at these physical addresses."""
    link = model.link
    parameters = dataclasses.replace(
        DEFAULT_PARAMETERS,
        max_info_transmit=link.max_info_transmit,
        max_info_receive=link.max_info_receive,
        window_transmit=link.window_transmit,
        window_receive=link.window_receive,
    )
    return HdlcServer(
        server_saps=frozenset(model.saps),
        physical=physical,
        parameters=parameters,
        inactivity_timeout_s=link.inactivity_timeout_s,
        always_two_octets=link.always_two_octets,
    )


class RunningMeter:
    """One meter: `dlms.server.Store` for the server, `sources.Meter` for the functions of its model."""

    def __init__(self, emulator: Emulator, index: int) -> None:
        self.emulator, self.engine, self.index = emulator, emulator.engine, index
        self.model, self.table = emulator.model, emulator.table
        self.nameplate = emulator.first.numbered(emulator.first.serial_number + index) if index else emulator.first

    # what the server asks

    def advance(self, now: float) -> None:
        """See `Store`."""
        self.emulator.advance(now)

    def next_timeout(self) -> float | None:
        """Nothing here has to be done in time: whoever looks brings the meter up to date."""
        return None

    def get(self, ref: AttributeRef[Any]) -> Any:
        """See `Store`."""
        log = self.table.logs.get(ref)
        if log is not None:
            return self._buffer(log)
        kept = self.emulator.overlay.get(self.index, {})
        if ref in kept:
            return kept[ref]
        attribute = self.table.attributes.get(ref)
        if attribute is None:
            raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
        return self._value(attribute)

    def set(self, ref: AttributeRef[Any], value: Any) -> None:
        """See `Store`: type-unmatched for another type, other-reason for a value that is not accepted."""
        attribute = self.table.attributes.get(ref)
        if attribute is None:
            raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
        try:
            typed = attribute.type.coerce(value)
        except LocalProtocolError as fault:
            raise AccessError(AccessResult.TYPE_UNMATCHED, ref) from fault
        if typed not in attribute.accepts:
            raise AccessError(AccessResult.OTHER_REASON, ref)
        try:
            if attribute.obey is not None:
                attribute.obey(self, typed)
            else:
                self._change(ref, typed, attribute.then)
        except ValueError as fault:
            raise AccessError(AccessResult.OTHER_REASON, ref) from fault

    def _change(self, ref: AttributeRef[Any], value: Any, then: Then | None) -> None:
        """Remember a setting and let it take effect; where it cannot, it stays as it was."""
        own = self.emulator.overlay.setdefault(self.index, {})
        before = own.copy()
        own[ref] = value
        if then is None:
            return
        try:
            then(self)
        except ValueError:
            self.emulator.overlay[self.index] = before
            raise

    def call(self, ref: MethodRef[Any], parameter: Any) -> Any:
        """See `Store`."""
        method = self.table.methods.get(ref)
        if method is None:
            raise AccessError(AccessResult.OBJECT_UNAVAILABLE, ref)
        method(self)
        return None

    # what the model asks

    @property
    def now_s(self) -> int:
        """See `Meter`."""
        return self.emulator.now_s

    def setting(self, instance: Obis, index: int = 2) -> Any:
        """See `Settings`."""
        row = self.model.by_obis[instance]
        return self.get(AttributeRef(interface_of(row).class_id, instance, index))

    def _value(self, attribute: Attribute) -> Any:
        source = attribute.source
        match source:
            case Quantity():
                number = self.engine.register(source, self.index)
                return self._stamping().stamp(number) if source.kind in TIME_KINDS else attribute.type.coerce(number)
            case Constant(value):
                return attribute.type.coerce(value)
            case Plate(read):
                return attribute.type.coerce(read(self.nameplate))
        return attribute.type.coerce(source.read(self))

    def _buffer(self, log: Log) -> DataRows | EventRows:
        columns, stamping = self.model.columns(log), self._stamping()
        if isinstance(log, DataLog):
            return DataRows(self.engine.log(log.log), self.index, columns, stamping)
        lines = [] if log.logger is None else self.engine.events(log.logger, self.index)
        return EventRows(lines, columns, stamping)

    def _stamping(self) -> Stamping:
        return Stamping(self.model.normal_offset_s, bool(self.setting(self.model.clock, ENABLED)))
