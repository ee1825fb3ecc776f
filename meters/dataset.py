"""The files of a simulated fleet: where they lie, how they are written so that a kill leaves nothing half done.

    DIR/manifest.json                               the parameters, the columns, the programs that wrote
    DIR/load_profile/day=2026-01-01/part-00000.parquet   the rows of one day (UTC) and one shard of meters
    DIR/registers/part-00000.parquet                the registers of a shard at the end
    DIR/_checkpoints/                               states of unfinished shards; gone when all is done

Values are the integers that the meters show, `<name>_scaler` beside them their decimal exponents; times are UTC seconds.
A file appears under its name only when it is complete and on the disk.  The manifest is `meters.simulate`'s.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import datetime
import importlib.util
import io
import itertools
import json
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from meters.engine import Config, Engine, Quantity

DAY_S = 86_400
FORMATS = ("parquet", "csv")
ROWS_PER_GROUP = 1_000_000
NEW = ".new"
"""End of the names of files that are being written; readers of datasets pass over names that begin with a dot."""


class DatasetError(ValueError):
    """A dataset cannot be made like that, or was begun with other parameters."""


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnInfo:
    """What a column holds: a quantity's OBIS code ("" for none), decimal exponent and unit symbol ("" for none)."""

    name: str
    obis: str
    scaler: int
    unit: str


@dataclasses.dataclass(frozen=True, slots=True)
class QuantityColumn:
    """A column and the quantity of the engine that fills it."""

    info: ColumnInfo
    quantity: Quantity


Column = Any
"""An integer array, a range, or one integer for all rows."""
Table = Mapping[str, Column]


def has_arrow() -> bool:
    """Whether Parquet can be written."""
    return importlib.util.find_spec("pyarrow") is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """The files of a fleet below a folder: its `engine.Sink` and its `engine.Checkpoints`.

    Pieces of time are days of UTC.  `profile` are the columns of the load profile, `registers` those that are written
    when a shard is finished; meter number 0 is `first_meter` there.
    """

    folder: Path
    format: str
    start: datetime.date
    shard: int
    profile: tuple[QuantityColumn, ...]
    registers: tuple[QuantityColumn, ...] = ()
    first_meter: int = 0

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise DatasetError(f"no format {self.format!r}; there are: {', '.join(sorted(FORMATS))}")

    @classmethod
    def of(cls, config: Config, folder: Path, format: str, start: datetime.date, shard: int) -> Dataset:
        """For a fleet that is no model's: columns are named after the quantities of its load profile."""
        from meters.engine import LogName

        quantities = config.logs[LogName.LOAD_PROFILE].columns
        columns = (QuantityColumn(ColumnInfo(column_name(one), "", one.exponent, ""), one) for one in quantities)
        return cls(folder, format, start, shard, tuple(columns))

    def profile_path(self, day: int, number: int) -> Path:
        """The rows of one day, counted from the first, and one shard."""
        name = (self.start + datetime.timedelta(days=day)).isoformat()
        return self.folder / "load_profile" / f"day={name}" / f"part-{number:05}.{self.format}"

    def registers_path(self, number: int) -> Path:
        """The registers of one shard."""
        return self.folder / "registers" / f"part-{number:05}.{self.format}"

    def write(self, engine: Engine, from_s: int, to_s: int) -> None:
        """See `engine.Sink`: the rows of a day, sorted by meter and time; a row at midnight belongs to the day that ends.

        Raises DatasetError for a piece that does not begin a day or reaches beyond it, and when the log has forgotten
        some of its rows.
        """
        import numpy as np

        from meters.engine import LogName

        day = self._day(from_s)
        if day is None or to_s - from_s > DAY_S:
            raise DatasetError(f"a dataset takes days of UTC from {self.start} on, not {from_s}..{to_s} s")
        meter, rows = engine.profile.table(from_s + 1, to_s)
        if np.bincount(meter).max(initial=0) >= engine.config.logs[LogName.LOAD_PROFILE].depth:
            raise DatasetError("the load profile is too short for a day, and has forgotten rows")
        table: dict[str, Any] = {
            "meter": meter + (self.first_meter + engine.first),
            "time": rows.time_s,
            "flags": rows.flags,
        }
        for column, values in zip(self.profile, rows.columns, strict=True):
            table |= _value_and_scaler(column.info, values)
        self._write(self.profile_path(day, engine.first // self.shard), table, self.profile)

    def finish(self, engine: Engine) -> None:
        """See `engine.Sink`: the registers at the end; the shard's checkpoints have served their purpose."""
        number, first = engine.first // self.shard, self.first_meter + engine.first
        table: dict[str, Any] = {"meter": range(first, first + engine.meters), "time": engine.now_s}
        for column in self.registers:
            table |= _value_and_scaler(column.info, engine.registers(column.quantity))
        self._write(self.registers_path(number), table, self.registers)
        self.drop_checkpoints(number)

    def load(self, first: int) -> bytes | None:
        """See `engine.Checkpoints`.  A checkpoint whose earlier files are no longer all there does not count."""
        number = first // self.shard
        days, path = max(((day, path) for shard, day, path in self._states() if shard == number), default=(0, None))
        return path.read_bytes() if path is not None and self._has_days(number, days) else None

    def save(self, first: int, now_s: int, state: bytes) -> None:
        """See `engine.Checkpoints`.  Only whole days are kept."""
        number, days = first // self.shard, self._day(now_s)
        if days is None:
            return
        old = [path for shard, day, path in self._states() if shard == number and day != days]
        write_whole(self._checkpoints / f"shard-{number:05}-{days:05}.state", state)
        for path in old:
            path.unlink(missing_ok=True)

    def is_finished(self, number: int, days: int) -> bool:
        """Whether every file of a shard that lives so many days is there."""
        return self.registers_path(number).exists() and self._has_days(number, days)

    def finished_days(self, days: int) -> int:
        """Days times shards that are done, by a look at the names of two folders."""
        finished = {int(path.stem.partition("-")[2]) for path in self.folder.glob(f"registers/part-*.{self.format}")}
        done: dict[int, int] = dict.fromkeys(finished, days)
        for number, day, _ in self._states():
            done[number] = max(day, done.get(number, 0))
        return sum(done.values())

    def drop_checkpoints(self, number: int | None = None) -> None:
        """Delete the states of a finished shard, or of all (None) with their folder."""
        for shard, _, path in list(self._states()):
            if number in (None, shard):
                path.unlink(missing_ok=True)
        if number is None:
            with contextlib.suppress(OSError):
                self._checkpoints.rmdir()

    def remove_unfinished(self) -> None:
        """Delete what a killed run left under temporary names."""
        for path in itertools.chain(self.folder.glob(f".*{NEW}"), self.folder.glob(f"*/**/.*{NEW}")):
            path.unlink(missing_ok=True)

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "_checkpoints"

    def _day(self, moment_s: int) -> int | None:
        """The number of the day that begins at a moment; None when none of the dataset's does."""
        midnight = datetime.datetime.combine(self.start, datetime.time(), datetime.UTC)
        day, left_s = divmod(moment_s - int(midnight.timestamp()), DAY_S)
        return None if left_s or day < 0 else day

    def _states(self) -> Iterator[tuple[int, int, Path]]:
        for path in self._checkpoints.glob("shard-*.state"):
            _, number, days = path.stem.split("-")
            yield int(number), int(days), path

    def _has_days(self, number: int, days: int) -> bool:
        return all(self.profile_path(day, number).exists() for day in range(days))

    def _write(self, path: Path, table: Table, columns: Iterable[QuantityColumn]) -> None:
        about = [column.info for column in columns]
        write_whole(path, _parquet(table, about) if self.format == "parquet" else _csv(table))


def column_name(quantity: Quantity) -> str:
    """`active_import_energy_e1`: measurand, kind, phase, tariff, and the power of ten of the unit, when not trivial."""
    parts = [quantity.measurand.name, quantity.kind.name]
    parts += [f"l{quantity.phase}"] if quantity.phase else []
    parts += [f"t{quantity.tariff}"] if quantity.tariff else []
    parts += [f"e{quantity.exponent}"] if quantity.exponent else []
    return "_".join(parts).lower()


def _value_and_scaler(info: ColumnInfo, values: Any) -> Table:
    """What has a unit has its decimal exponent beside it."""
    return {info.name: values, f"{info.name}_scaler": info.scaler} if info.unit else {info.name: values}


def write_whole(path: Path, content: bytes) -> None:
    """Make a file appear complete or not at all, whenever the process dies.  Its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}{NEW}")
    try:
        with open(new, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def check_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a new dataset, or compare it with that of the one that is there.

    Raises DatasetError when they differ, when the manifest there is none, or when a folder without one is not empty.
    """
    path = folder / "manifest.json"
    if not path.exists():
        if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            raise DatasetError(f"{folder} holds other files and no manifest.json: simulate into a folder of its own")
        write_whole(path, json.dumps(manifest, indent=2).encode() + b"\n")
        return
    try:
        there = json.loads(path.read_bytes())
    except ValueError as fault:
        raise DatasetError(f"{path} is no manifest: {fault}") from fault
    wanted = json.loads(json.dumps(manifest))
    if not isinstance(there, dict):
        raise DatasetError(f"{path} is no manifest")
    for key in (*wanted, *there):
        if there.get(key) != wanted.get(key):
            raise DatasetError(
                f"{folder} was begun with {key} {json.dumps(there.get(key))}, not {json.dumps(wanted.get(key))}"
            )


def _csv(table: Table) -> bytes:
    rows = zip(*(_values(column) for column in table.values()), strict=False)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(rows)
    return text.getvalue().encode()


def _values(column: Column) -> Iterable[int]:
    if isinstance(column, int):
        return itertools.repeat(column)
    return column if isinstance(column, range) else column.tolist()


def _parquet(table: Table, columns: Iterable[ColumnInfo]) -> bytes:
    """Values as differences, which sorted times and growing registers are made for; code and unit beside the names."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    about = {column.name: {"obis": column.obis, "unit": column.unit} for column in columns}
    length = max(len(column) for column in table.values() if not isinstance(column, int))
    arrays = {
        name: arrow.repeat(arrow.scalar(column, arrow.int8() if name.endswith("_scaler") else arrow.int64()), length)
        if isinstance(column, int)
        else arrow.array(column)
        for name, column in table.items()
    }
    fields = [arrow.field(name, array.type, False, about.get(name)) for name, array in arrays.items()]
    constant = [name for name, column in table.items() if isinstance(column, int)]
    out = arrow.BufferOutputStream()
    parquet.write_table(
        arrow.table(list(arrays.values()), schema=arrow.schema(fields)),
        out,
        row_group_size=ROWS_PER_GROUP,
        compression="zstd",
        use_dictionary=constant,
        column_encoding={name: "DELTA_BINARY_PACKED" for name in arrays if name not in constant},
    )
    content: bytes = out.getvalue().to_pybytes()
    return content
