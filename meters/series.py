"""Real measurements as a source, out of CSV or, when pyarrow is installed, Parquet files.

A file has one row a moment (and meter).  Its columns are `time`, `meter` (a number; left out for one meter) and any of

    active_w  reactive_var  voltage_v  current_a   with _l1, _l2, _l3 for one phase
    frequency_hz

Powers may also be in kW, kvar and, as the energy of each step, in Wh, kWh, varh, kvarh: `active_kwh_l1`.  A power without
a phase is the whole meter's and shared evenly, such a voltage that of every phase.  Missing phases and reactive powers are
zero, missing voltages nominal, missing currents follow from powers.

What files are known to have wrong, each with its rule:

- Times: ISO 8601, UTC seconds, or timestamps of Parquet.  One with an offset is taken at its word; one without is UTC, or
  the local time of a `zone`, whose repeated hour in autumn is told apart by the order of rows.
- Gaps, also empty fields and NaN: refused, or by `gaps` held (the values of the last row go on) or an outage (no voltage).
- Two rows of a meter with the same time: refused, also when they are equal.
- Values in another unit than their column says: refused when they cannot be (see `check_units`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block
from meters.engine.energy import SECONDS_PER_HOUR, Doubles
from meters.engine.errors import EngineError
from meters.engine.quantity import Ints
from meters.engine.wiring import Wiring

Table = Mapping[str, NDArray[Any]]

COLUMNS = {
    "active_w": ("active_w", 1.0, False),
    "active_kw": ("active_w", 1e3, False),
    "active_wh": ("active_w", 1.0, True),
    "active_kwh": ("active_w", 1e3, True),
    "reactive_var": ("reactive_var", 1.0, False),
    "reactive_kvar": ("reactive_var", 1e3, False),
    "reactive_varh": ("reactive_var", 1.0, True),
    "reactive_kvarh": ("reactive_var", 1e3, True),
    "voltage_v": ("voltage_v", 1.0, False),
    "current_a": ("current_a", 1.0, False),
}
"""Name of a column without its phase -> what it measures, in what multiple, and whether it is energy."""
PHASES = (1, 2, 3)
KEYS = ("time", "meter", "frequency_hz")
GAPS = ("refuse", "hold", "outage")
LATEST_S = 7_258_118_400
"""Midnight of 2200-01-01: later times are milliseconds or worse."""
FREQUENCIES_HZ = (40.0, 70.0)
MAX_GROWTH = 100
"""So many times the rows of a file may the steps between its first and last be."""


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
    table: Table,
    wiring: Wiring = Wiring.THREE_PHASE,
    *,
    stamps: str = "begin",
    nominal_v: float = 230.0,
    gaps: str = "refuse",
) -> Series:
    """Columns as described above -> a source.

    `stamps` says whether times mark the "begin" or the "end" of their step, `gaps` what becomes of missing rows: "refuse",
    "hold" or "outage".  EngineError for missing or unknown columns, irregular or repeated times, and units that cannot be.
    """
    if stamps not in ("begin", "end"):
        raise EngineError(f"stamps mark begin or end, not {stamps}")
    if gaps not in GAPS:
        raise EngineError(f"gaps are {', '.join(GAPS)}, not {gaps}")
    grid = _grid(table)
    given = _given(table, grid, wiring)
    unknown = np.isnan(np.stack(list(given.values()))).any(axis=0) if given else np.zeros(grid.shape, np.bool_)
    missing = unknown | (grid.row < 0)
    if missing.any():
        step, meter = np.argwhere(missing)[0]
        if gaps == "refuse" or (gaps == "hold" and missing[0].any()):
            raise EngineError(f"nothing is known of meter {grid.meters[meter]} at {_iso(grid.time_s[step])}")
        given = {key: _held(values, missing) for key, values in given.items()}
    frequency_hz = given.pop(("frequency_hz", 0), np.full(grid.shape, 50.0))[:, 0]

    def elements(name: str, default: float) -> Doubles:
        each = np.stack([given.get((name, phase), np.full(grid.shape, default)) for phase in wiring.phases])
        return np.where(missing, 0.0, each) if gaps == "outage" else each

    active_w, reactive_var, voltage_v = (
        elements("active_w", 0),
        elements("reactive_var", 0),
        elements("voltage_v", nominal_v),
    )
    carried_a = np.asarray(Block.from_power(active_w, reactive_var, voltage_v).current_a, np.float64)
    current_a = elements("current_a", np.nan)
    check_units(active_w, reactive_var, voltage_v, current_a, frequency_hz, nominal_v)
    current_a = np.where(np.isnan(current_a), carried_a, current_a)
    begin_s = int(grid.time_s[0]) - (grid.step_s if stamps == "end" else 0)
    return Series(begin_s, grid.step_s, active_w, reactive_var, voltage_v, current_a, frequency_hz)


def check_units(
    active_w: Doubles,
    reactive_var: Doubles,
    voltage_v: Doubles,
    current_a: Doubles,
    frequency_hz: Doubles,
    nominal_v: float,
) -> None:
    """Refuse values that must have another unit: EngineError.

    Voltages of a phase whose median is not within a third and three times the nominal, frequencies beyond 40..70 Hz, and powers
    that are more than three times, or less than a three-hundredth, of voltage times current (NaN: not measured).
    """
    for line_v in voltage_v:
        live_v = line_v[line_v != 0]
        if live_v.size and not nominal_v / 3 <= (median := float(np.median(live_v))) <= nominal_v * 3:
            raise EngineError(f"voltages about {median:g} V at a nominal {nominal_v:g} V: is their unit another?")
    low, high = FREQUENCIES_HZ
    if not low <= frequency_hz.min() <= frequency_hz.max() <= high:
        raise EngineError(f"frequencies of {frequency_hz.min():g}..{frequency_hz.max():g} Hz: is their unit another?")
    measured = ~np.isnan(current_a)
    carried = float((voltage_v * np.where(measured, current_a, 0.0)).sum())
    apparent = float(np.where(measured, np.hypot(active_w, reactive_var), 0.0).sum())
    if apparent and (apparent > 3 * carried or carried > 300 * apparent):
        raise EngineError(f"powers of {apparent / carried if carried else np.inf:g} times U I: is their unit another?")


@dataclass(frozen=True, slots=True)
class _Grid:
    """All moments from the first to the last; `row` (time, meter) is the table's row of each cell, -1 for none."""

    time_s: Ints
    step_s: int
    meters: Ints
    row: Ints

    @property
    def shape(self) -> tuple[int, int]:
        return self.time_s.size, self.meters.size


def _grid(table: Table) -> _Grid:
    if "time" not in table:
        raise EngineError(f"no column time, only {', '.join(table)}")
    times = np.asarray(table["time"], np.int64)
    if times.size == 0:
        raise EngineError("a series without rows")
    if times.max() > LATEST_S:
        raise EngineError(f"times up to {times.max()} s are beyond the year 2200: milliseconds?")
    number = np.asarray(table.get("meter", np.zeros(times.size)))
    if not np.equal(number, np.rint(number)).all():
        raise EngineError("meters are whole numbers")
    meters, column = np.unique(number.astype(np.int64), return_inverse=True)
    step_s = _step(np.unique(times))
    place = (times - times.min()) // step_s
    steps = int(place.max()) + 1
    if steps > MAX_GROWTH * times.size:
        raise EngineError(f"{times.size} rows of {step_s} s, spread over {steps} steps, are no series")
    row = np.full((steps, meters.size), -1, np.int64)
    row[place, column] = np.arange(times.size)
    if (row >= 0).sum() < times.size:
        again = int(np.flatnonzero(row[place, column] != np.arange(times.size))[0])
        raise EngineError(f"two rows of meter {meters[column[again]]} at {_iso(times[again])}")
    return _Grid(times.min() + step_s * np.arange(steps), step_s, meters, row)


def _step(time_s: Ints) -> int:
    """The most frequent distance of neighbours, of which all others must be multiples."""
    distances = np.diff(time_s)
    if distances.size == 0:
        raise EngineError("one moment has no step: a series needs two")
    kinds, counts = np.unique(distances, return_counts=True)
    step_s = int(kinds[counts.argmax()])
    if (odd := np.flatnonzero(distances % step_s)).size:
        at = int(odd[0])
        raise EngineError(f"steps of {step_s} s, but {distances[at]} s after {_iso(time_s[at])}")
    return step_s


def _given(table: Table, grid: _Grid, wiring: Wiring) -> dict[tuple[str, int], Doubles]:
    """Measurand and phase (0: frequency) -> (time, meter), NaN where nothing is known."""
    found: dict[tuple[str, int], Doubles] = {}
    for column, raw in table.items():
        if column in ("time", "meter"):
            continue
        values = np.where(grid.row >= 0, np.asarray(raw, np.float64)[grid.row], np.nan)
        if np.isinf(values).any():
            raise EngineError(f"column {column} is not finite")
        for key, part in _meaning(column, grid.step_s, wiring):
            if key in found:
                raise EngineError(f"column {column}: {key[0]} of that phase is there already")
            found[key] = values * part
    return found


def _meaning(column: str, step_s: int, wiring: Wiring) -> Iterator[tuple[tuple[str, int], float]]:
    """What a column holds: measurand and phase, and what its values are multiplied by."""
    if column == "frequency_hz":
        yield ("frequency_hz", 0), 1.0
        return
    name, _, phase = column.rpartition("_l")
    if not phase.isdecimal() or int(phase) not in PHASES:
        name, phase = column, ""
    if name not in COLUMNS:
        known = ", ".join((*KEYS, *COLUMNS))
        raise EngineError(
            f"unknown column {column}; known are {known}, all but the first three also with _l1, _l2, _l3"
        )
    measurand, factor, is_energy = COLUMNS[name]
    factor *= SECONDS_PER_HOUR / step_s if is_energy else 1.0
    if phase:
        wiring.element(int(phase))
        yield (measurand, int(phase)), factor
        return
    if measurand == "current_a" and wiring.elements > 1:
        raise EngineError("column current_a: several phases have no common current")
    share = wiring.elements if measurand in ("active_w", "reactive_var") else 1
    for one in wiring.phases:
        yield (measurand, one), factor / share


def _held(values: Doubles, missing: NDArray[np.bool_]) -> Doubles:
    """With the last known values of each meter where something is missing; zero before the first."""
    last = np.maximum.accumulate(np.where(missing, -1, np.arange(len(values))[:, None]), axis=0)
    held = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.where(last < 0, 0.0, held)


def _iso(time_s: int | np.integer[Any]) -> str:
    return datetime.fromtimestamp(int(time_s), UTC).isoformat()


class _Clock:
    """Reads the times of a file, in the order of its rows."""

    def __init__(self, zone: str | None) -> None:
        try:
            self.zone: tzinfo = UTC if zone is None else ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
            raise EngineError(f"no time zone {zone!r}") from fault
        self.last_s: dict[float, int] = {}
        """The last moment of each meter."""

    def seconds(self, value: object, meter: float) -> int:
        """UTC seconds of one time.  ValueError for one that is none."""
        if isinstance(value, str):
            value = int(value) if value.strip().lstrip("-").isdecimal() else datetime.fromisoformat(value.strip())
        found_s = self._of(value, meter) if isinstance(value, datetime) else value
        if not isinstance(found_s, int):
            raise ValueError(f"{value} is no time")
        self.last_s[meter] = found_s
        return found_s

    def _of(self, moment: datetime, meter: float) -> int:
        if moment.microsecond:
            raise ValueError(f"{moment} is not a whole second")
        if moment.tzinfo is not None:
            return int(moment.timestamp())
        folds = [moment.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1)]
        found = sorted({int(one.timestamp()) for one in folds})
        if datetime.fromtimestamp(found[0], self.zone).replace(tzinfo=None) != moment:
            raise ValueError(f"{moment} does not exist in {self.zone}")
        before_s = self.last_s.get(meter)
        return next((one for one in found if before_s is None or one > before_s), found[-1])


def read_series(path: str | Path, zone: str | None = None) -> dict[str, NDArray[Any]]:
    """The columns of a CSV or Parquet file, by its suffix; `zone` (IANA) is that of times without an offset (None: UTC).

    EngineError names a bad line or column; OSError when there is no file.
    """
    return read_parquet(path, zone) if str(path).endswith(".parquet") else read_csv(path, zone)


def read_csv(path: str | Path, zone: str | None = None) -> dict[str, NDArray[Any]]:
    """The columns of a CSV file with a header line, UTF-8, commas and decimal points.  An empty field is NaN."""
    clock = _Clock(zone)
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            if any(";" in name or "\t" in name for name in header):
                raise EngineError(f"{path}: fields are separated by commas, not by semicolons or tabulators")
            if len(set(header)) < len(header):
                raise EngineError(f"{path}: two columns of one name")
            parsed = [_parse(row, header, clock, f"{path}, line {rows.line_num}") for row in rows if row]
        except (UnicodeDecodeError, csv.Error) as bad:
            raise EngineError(f"{path}, after line {rows.line_num}: {bad}") from bad
    columns = list(zip(*parsed, strict=True)) or [() for _ in header]
    return {
        name: np.array(column, np.int64 if name == "time" else np.float64)
        for name, column in zip(header, columns, strict=True)
    }


def _parse(row: Sequence[str], header: Sequence[str], clock: _Clock, where: str) -> list[float]:
    if len(row) != len(header):
        raise EngineError(f"{where}: {len(row)} fields, the header has {len(header)}")
    fields = dict(zip(header, row, strict=True))
    try:
        meter = float(fields.get("meter", 0))
        return [
            clock.seconds(field, meter) if name == "time" else float(field) if field.strip() else np.nan
            for name, field in fields.items()
        ]
    except (ValueError, OverflowError) as bad:
        raise EngineError(f"{where}: {bad}") from bad


def read_parquet(path: str | Path, zone: str | None = None) -> dict[str, NDArray[Any]]:
    """The columns of a Parquet file; a null is NaN.  EngineError without pyarrow."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as missing:
        raise EngineError("Parquet needs pyarrow: install dlms-meters[arrow]") from missing
    try:
        table = parquet.ParquetFile(path).read()
    except arrow.ArrowInvalid as bad:
        raise EngineError(f"{path}: {bad}") from bad
    found: dict[str, NDArray[Any]] = {}
    for name in table.column_names:
        values = table.column(name)
        if name != "time":
            found[name] = values.to_numpy()
            if found[name].dtype.kind not in "iuf":
                raise EngineError(f"{path}: column {name} holds {values.type}, not numbers")
    if "time" in table.column_names:
        clock, meter = _Clock(zone), found.get("meter", np.zeros(table.num_rows)).tolist()
        try:
            moments = table.column("time").to_pylist()
            times = [clock.seconds(value, one) for value, one in zip(moments, meter, strict=True)]
        except (ValueError, OverflowError) as bad:
            raise EngineError(f"{path}: {bad}") from bad
        found["time"] = np.array(times, np.int64)
    return {name: found[name] for name in table.column_names}
