"""What is checked when a meter model is built: a table that contradicts itself never gets as far as a client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dlms.errors import LocalProtocolError
from dlms.ic import AssociationLn, SapAssignment
from meters.access import Mode
from meters.engine.commands import PERIODS_S
from meters.objects import Complex, DataLog, EventLog, Log, ModelError, Row, interface_of
from meters.sources import Attribute, Column, Constant, Derived, Plate
from obis import Obis

if TYPE_CHECKING:
    from meters.model import MeterModel

ANSWERED_BY_SERVER = (AssociationLn, SapAssignment)
"""Classes whose attributes follow from the association and the device, not from the model."""
OWN_VALUES = range(-128, 0)
"""Attribute indices with which a logger captures values of its own."""


def check(model: MeterModel) -> None:
    """Raises ModelError for the first contradiction."""
    for fault in _faults(model):
        raise ModelError(f"{model.name}: {fault}")


def _faults(model: MeterModel) -> Iterator[str]:
    yield from (f"the object {obis} is there twice" for obis in _repeated(Obis(row.obis) for row in _rows(model)))
    yield from (f"the name {key!r} is there twice" for key in _repeated(row.key for row in _rows(model)))
    for row in _rows(model):
        yield from _access_faults(model, row)
    for row in model.objects:
        yield from _attribute_faults(row)
        if row.needs is not None and row.needs not in model.features:
            yield f"{row.obis} needs the feature {row.needs.value}"
    for log in model.logs:
        yield from _log_faults(model, log)
    yield from (f"{obis} is an object and logger_only" for obis in model.logger_only & model.by_obis.keys())
    yield from _association_faults(model)
    for name, (key, _) in model.commands.items():
        if key not in model.by_key or model.access(model.by_key[key]).get(2, Mode.READ) is Mode.READ:
            yield f"the command {name} writes {key}, which cannot be written"


def _rows(model: MeterModel) -> tuple[Row | Complex | Log, ...]:
    return *model.objects, *model.logs


def _repeated(values: Iterable[object]) -> list[object]:
    return [value for value, times in Counter(values).items() if times > 1]


def _access_faults(model: MeterModel, row: Row | Complex | Log) -> Iterator[str]:
    try:
        access = model.access(row)
    except ValueError as fault:
        yield f"{row.obis}: {fault}"
        return
    if isinstance(row, DataLog | EventLog) or row.interface in ANSWERED_BY_SERVER:
        return
    for index, mode in access.items():
        attribute = row.attributes.get(index)
        if index == 1:
            continue
        if attribute is None:
            yield f"{row.obis}: nothing feeds attribute {index}"
        elif mode is not Mode.READ and attribute.obey is None and not _is_setting(attribute):
            yield f"{row.obis}: attribute {index} is written, but is neither a setting nor obeyed"


def _is_setting(attribute: Attribute) -> bool:
    source = attribute.source
    return isinstance(source, Constant | Plate) or (isinstance(source, Derived) and source.initial)


def _attribute_faults(row: Row | Complex) -> Iterator[str]:
    for index, attribute in row.attributes.items():
        if isinstance(attribute.source, Constant):
            try:
                attribute.type.coerce(attribute.source.value)
            except LocalProtocolError as fault:
                yield f"{row.obis} attribute {index}: {fault}"
            except AttributeError:
                yield f"{row.obis} attribute {index}: {attribute.type!r} is no type"


def _log_faults(model: MeterModel, log: Log) -> Iterator[str]:
    if log.depth < 1:
        yield f"{log.obis} keeps nothing"
    if isinstance(log, DataLog) and not log.periods <= frozenset(PERIODS_S):
        yield f"{log.obis} cannot have the periods {sorted(log.periods)}"
    try:
        columns = model.columns(log)
    except ModelError as fault:
        yield str(fault)
        return
    for column in columns:
        if not _exists(model, log, column):
            yield f"{log.obis} captures {column.obis or 'itself'} attribute {column.index}, which does not exist"


def _exists(model: MeterModel, log: Log, column: Column) -> bool:
    if column.obis is None:
        return column.index in OWN_VALUES
    obis = Obis(column.obis)
    if obis in model.logger_only:
        return column.index in column.interface.attributes
    row = model.by_obis.get(obis)
    return row is not None and interface_of(row) is column.interface and column.index in model.access(row)


def _association_faults(model: MeterModel) -> Iterator[str]:
    pairs = ((granted.client_sap, granted.server_sap) for granted in model.associations)
    yield from (f"two associations for {pair}" for pair in _repeated(pairs))
    for granted in model.associations:
        if granted.server_sap not in model.saps:
            yield f"the association {granted.name} is with {granted.server_sap}, which is no logical device"
        unknown = (granted.sees or frozenset()) - model.by_obis.keys()
        yield from (f"the association {granted.name} sees {obis}, which does not exist" for obis in sorted(unknown))
