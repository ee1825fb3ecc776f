"""Real measurements as a source: CSV always, Parquet when pyarrow is installed.

A file has one row a moment (and meter): `time` (ISO 8601 or UTC seconds) and any of the columns `active_w`,
`reactive_var`, `voltage_v`, `current_a` with `_l1`, `_l2`, `_l3`, `frequency_hz`, and `meter` (a number) when there are
several.  Missing phases and reactive powers are zero, missing voltages nominal, missing currents follow from powers.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.wiring import Wiring

NAMES = ("active_w", "reactive_var", "voltage_v", "current_a")
Table = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Series:
    """Measurements at equal steps, played as a source.

    Arrays are (phase element, time, meter) except `frequency_hz` (time).  Asked for shorter steps it repeats its
    values, for longer ones it averages (RMS values as root of the mean square); one must divide the other.  Before
    `start_s` and after its end it knows nothing, unless `repeat` plays it in a circle.
    """

    start_s: int
    step_s: int
    active_w: Doubles
    reactive_var: Doubles
    voltage_v: Doubles
    current_a: Doubles
    frequency_hz: Doubles
    repeat: bool = False

    @property
    def stop_s(self) -> int:
        """End of the last step."""
        return self.start_s + self.step_s * int(self.active_w.shape[1])

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`.  EngineError outside of the recording, or for steps that do not fit."""
        if not self.repeat and not self.start_s <= start_s <= stop_s <= self.stop_s:
            raise EngineError(f"recorded are {self.start_s}..{self.stop_s}, asked {start_s}..{stop_s}")
        if meters.stop > self.active_w.shape[2]:
            raise EngineError(f"recorded are {self.active_w.shape[2]} meters, asked for number {meters.stop - 1}")
        fine_s = min(step_s, self.step_s)
        if max(step_s, self.step_s) % fine_s or (start_s - self.start_s) % fine_s:
            raise EngineError(f"steps of {step_s} s from {start_s} on do not fit the recorded {self.step_s} s")
        moments = np.arange(start_s, stop_s, fine_s)
        index = (moments - self.start_s) // self.step_s % self.active_w.shape[1]
        per_step = step_s // fine_s
        who = slice(meters.start, meters.stop, meters.step)
        return Block(
            _mean(self.active_w[:, index, who], per_step),
            _mean(self.reactive_var[:, index, who], per_step),
            np.sqrt(_mean(self.voltage_v[:, index, who] ** 2, per_step)),
            np.sqrt(_mean(self.current_a[:, index, who] ** 2, per_step)),
            _mean(self.frequency_hz[None, index, None], per_step)[0],
        )


def _mean(array: Doubles, count: int) -> Doubles:
    """Means of `count` steps each along axis 1."""
    if count == 1:
        return array
    means: Doubles = array.reshape(array.shape[0], -1, count, array.shape[2]).mean(axis=2)
    return means


def series_of(
    table: Table, wiring: Wiring = Wiring.THREE_PHASE, *, stamps: str = "begin", nominal_v: float = 230.0
) -> Series:
    """Columns as described above -> a source.  `stamps` says whether times mark the "begin" or the "end" of their step.

    EngineError for missing or unknown columns, irregular times, and meters that do not all have the same times.
    """
    if "time" not in table:
        raise EngineError(f"no column time, only {', '.join(table)}")
    known = {"time", "meter", "frequency_hz"} | {f"{name}_l{phase}" for name in NAMES for phase in (1, 2, 3)}
    if unknown := [name for name in table if name not in known]:
        raise EngineError(f"unknown column {unknown[0]}; known are {', '.join(sorted(known))}")
    time_s, order, meters = _grid(table)
    step_s = _step(time_s)

    def column(name: str, default: float) -> Doubles:
        values = table.get(name)
        if values is None:
            return np.full((time_s.size, meters), default)
        return np.asarray(values, np.float64)[order].reshape(time_s.size, meters)

    def phases(name: str, default: float) -> Doubles:
        return np.stack([column(f"{name}_l{phase}", default) for phase in wiring.phases])

    active_w, reactive_var, voltage_v = phases("active_w", 0), phases("reactive_var", 0), phases("voltage_v", nominal_v)
    has_current = any(name.startswith("current_a") for name in table)
    current_a = phases("current_a", 0) if has_current else Block.from_power(active_w, reactive_var, voltage_v).current_a
    if stamps not in ("begin", "end"):
        raise EngineError(f"stamps mark begin or end, not {stamps}")
    begin_s = int(time_s[0]) - (step_s if stamps == "end" else 0)
    frequency_hz = column("frequency_hz", 50.0)[:, 0]
    return Series(begin_s, step_s, active_w, reactive_var, voltage_v, np.asarray(current_a, np.float64), frequency_hz)


def _grid(table: Table) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Distinct times, the order that sorts rows by time and meter, and how many meters there are."""
    times = np.asarray(table["time"], np.int64)
    meter = np.asarray(table.get("meter", np.zeros(times.size)), np.int64)
    order = np.lexsort((meter, times))
    time_s, counts = np.unique(times, return_counts=True)
    meters = np.unique(meter).size
    if times.size == 0:
        raise EngineError("a series without rows")
    if (counts != meters).any():
        raise EngineError(f"at {time_s[counts != meters][0]} s there are not {meters} rows, one a meter")
    return time_s, order, meters


def _step(time_s: NDArray[np.int64]) -> int:
    steps = np.diff(time_s)
    if steps.size == 0:
        raise EngineError("one moment has no step: a series needs two")
    if (steps != steps[0]).any():
        bad = int(np.flatnonzero(steps != steps[0])[0])
        raise EngineError(f"steps of {steps[0]} s, but {steps[bad]} s after {time_s[bad]} s")
    return int(steps[0])


def _seconds(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def read_csv(path: str | Path) -> dict[str, NDArray[Any]]:
    """The columns of a CSV file with a header line; times without an offset are UTC.  EngineError names a bad line."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        parsers: list[Callable[[str], float]] = [_seconds if name == "time" else float for name in header]
        parsed = [_parse(row, parsers, f"{path}, line {rows.line_num}") for row in rows if row]
    columns = list(zip(*parsed, strict=True)) or [() for _ in header]
    return {
        name: np.array(column, np.int64 if name in ("time", "meter") else np.float64)
        for name, column in zip(header, columns, strict=True)
    }


def _parse(row: Sequence[str], parsers: Sequence[Callable[[str], float]], where: str) -> list[float]:
    if len(row) != len(parsers):
        raise EngineError(f"{where}: {len(row)} fields, the header has {len(parsers)}")
    try:
        return [parse(field) for parse, field in zip(parsers, row, strict=True)]
    except ValueError as bad:
        raise EngineError(f"{where}: {bad}") from bad


def _arrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as missing:
        raise EngineError("Parquet needs pyarrow: install dlms-meters[arrow]") from missing
    return pyarrow


def read_parquet(path: str | Path) -> dict[str, NDArray[Any]]:
    """The columns of a Parquet file; timestamps become UTC seconds.  EngineError without pyarrow."""
    arrow = _arrow()
    try:
        table = arrow.parquet.read_table(path)
    except arrow.ArrowInvalid as bad:
        raise EngineError(f"{path}: {bad}") from bad
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    return {
        name: values.astype("datetime64[s]").astype(np.int64) if values.dtype.kind == "M" else values
        for name, values in columns.items()
    }
