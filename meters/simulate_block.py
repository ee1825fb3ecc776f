"""One block of a simulated fleet: it lives day by day, and each day's rows are written before the next begins."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator
from typing import Any

from meters.dataset import ColumnInfo, Dataset, DatasetError, Table
from meters.emulator import engine_config
from meters.engine import Config, Engine, Kind, LogName, Quantity
from meters.model import MeterModel
from meters.models import load
from meters.objects import DataLog, ModelError, Row
from meters.run import make_source
from meters.simulate import Parameters
from obis import Obis

DAY_S = 86_400
TIME = 5
"""Attribute of an extended register that holds the time of its value."""
SNAPSHOTS = frozenset(
    {Kind.INSTANT, Kind.MEAN, Kind.MAX_24H, Kind.MIN_24H, Kind.MAX_24H_TIME, Kind.MIN_24H_TIME},
)
"""Kinds that say nothing about the time that was simulated, only about its end."""


@dataclasses.dataclass(frozen=True, slots=True)
class QuantityColumn:
    """A column and the quantity of the engine that fills it."""

    info: ColumnInfo
    quantity: Quantity


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


def block_config(model: MeterModel, step_s: int) -> Config:
    """The model's engine with a load profile of one day, and of its other logs only the billing stops."""
    config = engine_config(model, step_s)
    profile = config.logs[LogName.LOAD_PROFILE]
    logs = {LogName.LOAD_PROFILE: dataclasses.replace(profile, depth=DAY_S // profile.every.count + 1)}
    if LogName.BILLING in config.logs:
        logs[LogName.BILLING] = dataclasses.replace(config.logs[LogName.BILLING], columns=(), depth=1)
    return dataclasses.replace(config, logs=logs)


def live_block(parameters: Parameters, dataset: Dataset, block: int) -> Iterator[int]:
    """Let the meters of a block live from the last checkpoint to the end; gives the days done after each."""
    model = load(parameters.model)
    first = block * parameters.block
    done, state = dataset.checkpoint(block)
    engine = _new(parameters, model, first) if state is None else pickle.loads(state)
    if not isinstance(engine, Engine) or engine.now_s != parameters.start_s + done * DAY_S:
        raise DatasetError(f"the checkpoint of block {block} after {done} days is none")
    serial = parameters.first_serial + first
    for day in range(done, parameters.days):
        from_s = engine.now_s
        engine.advance(from_s + DAY_S)
        columns = profile_columns(model)
        table = _profile_table(engine, columns, serial, from_s)
        dataset.write(dataset.profile_path(day, block), table, [column.info for column in columns])
        if day + 1 < parameters.days:
            dataset.save_checkpoint(block, day + 1, pickle.dumps(engine, pickle.HIGHEST_PROTOCOL))
            yield day + 1
    columns = register_columns(model)
    table = _register_table(engine, columns, serial)
    dataset.write(dataset.registers_path(block), table, [column.info for column in columns])
    dataset.drop_checkpoints(block)
    yield parameters.days


def _new(parameters: Parameters, model: MeterModel, first: int) -> Engine:
    source = make_source(parameters.scenario, model, parameters.seed)
    count = min(parameters.block, parameters.meters - first)
    return Engine(block_config(model, parameters.step_s), source, parameters.start_s, count, first=first)


def _profile_table(engine: Engine, columns: list[QuantityColumn], serial: int, from_s: int) -> Table:
    """The rows of (from_s, now], sorted by meter and time: a row at midnight belongs to the day that ends."""
    view = engine.profile
    meter, rows = view.table(from_s + 1, engine.now_s)
    table: dict[str, Any] = {"meter": meter + serial, "time": rows.time_s, "flags": rows.flags}
    for column, values in zip(columns, rows.columns, strict=True):
        table |= _value_and_scaler(column.info, values)
    return table


def _value_and_scaler(info: ColumnInfo, values: Any) -> Table:
    """What has a unit has its decimal exponent beside it."""
    return {info.name: values, f"{info.name}_scaler": info.scaler} if info.unit else {info.name: values}


def _register_table(engine: Engine, columns: list[QuantityColumn], serial: int) -> Table:
    table: dict[str, Any] = {"meter": range(serial, serial + engine.meters), "time": engine.now_s}
    for column in columns:
        table |= _value_and_scaler(column.info, engine.registers(column.quantity))
    return table
