"""What a simulated fleet of a model writes down, and the engine that is enough for it."""

from __future__ import annotations

import dataclasses

from meters.dataset import ColumnInfo, QuantityColumn
from meters.emulator import engine_config
from meters.engine import Config, Kind, LogName, Quantity
from meters.engine.tolerance import errors_of
from meters.model import MeterModel
from meters.objects import DataLog, ModelError, Row
from obis import Obis

DAY_S = 86_400
TIME = 5
"""Attribute of an extended register that holds the time of its value."""
SNAPSHOTS = frozenset(
    {Kind.INSTANT, Kind.MEAN, Kind.MAX_24H, Kind.MIN_24H, Kind.MAX_24H_TIME, Kind.MIN_24H_TIME},
)
"""Kinds that say nothing about the time that was simulated, only about its end."""


def profile_columns(model: MeterModel) -> list[QuantityColumn]:
    """The registers that the load profile captures, in its order.  Raises ModelError when a model has no profile."""
    found = []
    for column in model.columns(_load_profile(model)):
        row = None if column.obis is None else model.by_obis.get(Obis(column.obis))
        if isinstance(column.source, Quantity) and isinstance(row, Row):
            found.append(_column(row, column.source))
    return found


def register_columns(model: MeterModel) -> list[QuantityColumn]:
    """Every register of the model that counts, adds up or keeps a maximum."""
    rows = [row for row in model.objects if isinstance(row, Row)]
    sources = ((row, index, attribute.source) for row in rows for index, attribute in row.attributes.items())
    return [
        _column(row, source, index == TIME)
        for row, index, source in sources
        if isinstance(source, Quantity) and source.kind not in SNAPSHOTS
    ]


def _column(row: Row, quantity: Quantity, is_time: bool = False) -> QuantityColumn:
    """Named as users type the object; the time of a maximum (UTC seconds) as its object with `_time`."""
    name = row.key.replace(".", "_")
    if is_time:
        return QuantityColumn(ColumnInfo(f"{name}_time", row.obis, 0, ""), quantity)
    return QuantityColumn(ColumnInfo(name, row.obis, row.scaler, "" if row.unit is None else row.unit.symbol), quantity)


def _load_profile(model: MeterModel) -> DataLog:
    for log in model.logs_of_data():
        if log.log is LogName.LOAD_PROFILE:
            return log
    raise ModelError(f"{model.name} has no load profile")


def fleet_config(model: MeterModel, step_s: int, accuracy: str = "ideal", seed: int = 1) -> Config:
    """The model's engine with a load profile of one day, and of its other logs only the billing stops.

    Raises EngineError for an unknown accuracy.
    """
    config = engine_config(model, step_s)
    profile = config.logs[LogName.LOAD_PROFILE]
    logs = {LogName.LOAD_PROFILE: dataclasses.replace(profile, depth=DAY_S // profile.every.count + 1)}
    if LogName.BILLING in config.logs:
        logs[LogName.BILLING] = dataclasses.replace(config.logs[LogName.BILLING], columns=(), depth=1)
    return dataclasses.replace(config, logs=logs, errors=errors_of(accuracy, seed))
