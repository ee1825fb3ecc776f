"""What all meters of one model share: every attribute by reference, and what each association sees of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from dlms.ic import ProfileGeneric
from dlms.interface import AttributeRef, Interface, MethodRef
from dlms.server import Access, LogicalDevice, Rights, Served, ServerAssociation
from dlms.server.device import Objects
from meters.access import Mode
from meters.engine import SetPeriod
from meters.model import AssociationModel, MeterModel, Writes
from meters.objects import DataLog, Log, Object, column_ref, interface_of
from meters.sources import Attribute, Column, Constant, Derived, Meter, Nameplate, Source
from obis import Obis

BUFFER, CAPTURE_OBJECTS, CAPTURE_PERIOD, SORT_METHOD, SORT_OBJECT, ENTRIES_IN_USE, PROFILE_ENTRIES = range(2, 9)
CAPTURE = 2
FIFO = 1
NO_OBJECT = (0, bytes(6), 0, 0)
"""The sort object of a logger that is not sorted by one."""

Methods = dict[MethodRef[Any], Callable[[Meter], None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """The object table of a model.  `logs` are the loggers by the reference of their buffer."""

    attributes: dict[AttributeRef[Any], Attribute]
    methods: Methods
    logs: dict[AttributeRef[Any], Log]
    associations: tuple[ServerAssociation, ...]

    def logical_devices(self, model: MeterModel, plate: Nameplate) -> tuple[LogicalDevice, ...]:
        """The logical devices of one meter; that all of them have one name is inferred from the documented list."""
        return tuple(LogicalDevice(sap, model.ldn(plate)) for sap in model.saps)


@functools.lru_cache(maxsize=32)
def table(model: MeterModel) -> Table:
    """The table of a model, made once."""
    attributes: dict[AttributeRef[Any], Attribute] = {}
    for row in model.objects:
        attributes |= {row.interface(row.obis).attribute_ref(index): found for index, found in row.attributes.items()}
    methods: Methods = {}
    logs: dict[AttributeRef[Any], Log] = {}
    for log in model.logs:
        of = ProfileGeneric(log.obis)
        logs[of.attribute_ref(BUFFER)] = log
        attributes |= {of.attribute_ref(index): found for index, found in _log_attributes(model, log).items()}
        if isinstance(log, DataLog) and log.capture is not None:
            methods[of.method_ref(CAPTURE)] = log.capture
    associations = tuple(_granted(model, association, methods) for association in model.associations)
    return Table(attributes, methods, logs, associations)


def _log_attributes(model: MeterModel, log: Log) -> dict[int, Attribute]:
    types = {index: attribute.type for index, attribute in ProfileGeneric.attributes.items()}
    sources: dict[int, Source] = {
        CAPTURE_OBJECTS: Constant([_captured(log, column) for column in model.columns(log)]),
        CAPTURE_PERIOD: Derived(functools.partial(_period_s, log)),
        SORT_METHOD: Constant(FIFO),
        SORT_OBJECT: Constant(NO_OBJECT),
        ENTRIES_IN_USE: Derived(functools.partial(_entries, log)),
        PROFILE_ENTRIES: Constant(log.depth),
    }
    found = {index: Attribute(types[index], source) for index, source in sources.items()}
    if isinstance(log, DataLog) and log.periods:
        period = found[CAPTURE_PERIOD]
        obey = functools.partial(_set_period, log)
        found[CAPTURE_PERIOD] = dataclasses.replace(period, accepts=log.periods, obey=obey)
    return found


def _captured(log: Log, column: Column) -> tuple[int, bytes, int, int]:
    ref = column_ref(log, column)
    return ref.class_id, bytes(ref.instance), ref.index, 0


def _period_s(log: Log, meter: Meter) -> int:
    """Zero for loggers that follow the calendar or wait for events."""
    return meter.engine.period_s(meter.index, log.log) if isinstance(log, DataLog) else 0


def _set_period(log: DataLog, meter: Meter, period_s: int) -> None:
    meter.engine.command(meter.index, SetPeriod(int(period_s), log.log))


def _entries(log: Log, meter: Meter) -> int:
    if isinstance(log, DataLog):
        return meter.engine.log(log.log).count(meter.index)
    return len(meter.engine.events(log.logger, meter.index)) if log.logger is not None else 0


def _granted(model: MeterModel, association: AssociationModel, methods: Methods) -> ServerAssociation:
    return ServerAssociation(
        association.client_sap,
        association.server_sap,
        _objects(model, association, methods),
        association.conformance,
        association.mechanism,
        association.secret,
        model.max_receive,
    )


def _objects(model: MeterModel, association: AssociationModel, methods: Methods) -> Objects:
    served: dict[tuple[int, Obis], Served] = {}
    for row in (*model.objects, *model.logs):
        if association.sees is None or Obis(row.obis) in association.sees:
            of = interface_of(row)(row.obis)
            served[of.class_id, of.instance] = Served(of, _rights(model, row, of, association.writes, methods))
    return served


def _rights(model: MeterModel, row: Object | Log, of: Interface, writes: Writes, methods: Methods) -> Rights:
    access = {index: _allowed(mode, writes) for index, mode in model.access(row).items()}
    callable_ = frozenset(index for index in of.methods if of.method_ref(index) in methods)
    return Rights(access, callable_ if writes is not Writes.NOTHING else frozenset())


def _allowed(mode: Mode, writes: Writes) -> Access:
    read = Access.READ if mode.readable else Access.NONE
    return Access(read | (Access.WRITE if mode in writes.value else Access.NONE))
