"""The files of a simulated fleet: where they lie, how they are written so that a kill leaves nothing half done.

    DIR/manifest.json                               the parameters, the columns, the programs that wrote
    DIR/load_profile/day=2026-01-01/part-00000.parquet   the rows of one day (UTC) and one block of meters
    DIR/registers/part-00000.parquet                the registers of a block at the end
    DIR/_checkpoints/                               states of unfinished blocks; gone when all is done

Values are the integers that the meters show, `<name>_scaler` beside them their decimal exponents; times are UTC seconds.
A file appears under its name only when it is complete and on the disk.
"""

from __future__ import annotations

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
from typing import Any

FORMATS = ("parquet", "csv")
ROWS_PER_GROUP = 1_000_000
NEW = ".new"
"""End of the names of files that are being written; readers of datasets pass over names that begin with a dot."""


class DatasetError(ValueError):
    """A dataset cannot be made like that, or was begun with other parameters."""


@dataclasses.dataclass(frozen=True, slots=True)
class ColumnInfo:
    """What a column holds: a quantity's OBIS code, decimal exponent and unit symbol ("" for none)."""

    name: str
    obis: str
    scaler: int
    unit: str


Column = Any
"""An integer array, a range, or one integer for all rows."""
Table = Mapping[str, Column]


def has_arrow() -> bool:
    """Whether Parquet can be written."""
    return importlib.util.find_spec("pyarrow") is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """The files of `days` days and `blocks` blocks of meters below a folder."""

    folder: Path
    format: str
    start: datetime.date
    days: int
    blocks: int

    def profile_path(self, day: int, block: int) -> Path:
        """The rows of one day, counted from the first, and one block."""
        name = (self.start + datetime.timedelta(days=day)).isoformat()
        return self.folder / "load_profile" / f"day={name}" / f"part-{block:05}.{self.format}"

    def registers_path(self, block: int) -> Path:
        """The registers of one block."""
        return self.folder / "registers" / f"part-{block:05}.{self.format}"

    def is_finished(self, block: int) -> bool:
        """Whether every file of the block is there."""
        return self.registers_path(block).exists() and self._has_days(block, self.days)

    def checkpoint(self, block: int) -> tuple[int, bytes | None]:
        """Days that a block has finished, and the state to go on from; (0, None) to begin anew.

        A checkpoint whose earlier files are no longer all there does not count.  States are pickles: continue in no
        folder that somebody else may write to.
        """
        days, path = max(((day, path) for number, day, path in self._states() if number == block), default=(0, None))
        if path is None or not self._has_days(block, days):
            return 0, None
        return days, path.read_bytes()

    def save_checkpoint(self, block: int, days: int, state: bytes) -> None:
        """Keep the state after so many days instead of that before."""
        old = [path for number, day, path in self._states() if number == block and day != days]
        write_whole(self._checkpoints / f"block-{block:05}-{days:05}.state", state)
        for path in old:
            path.unlink(missing_ok=True)

    def drop_checkpoints(self, block: int | None = None) -> None:
        """Delete the states of a finished block, or of all (None) with their folder."""
        for number, _, path in list(self._states()):
            if block in (None, number):
                path.unlink(missing_ok=True)
        if block is None and self._checkpoints.is_dir():
            self._checkpoints.rmdir()

    def finished_days(self) -> int:
        """Days times blocks that are done, by a look at the names of two folders."""
        finished = {int(path.stem.partition("-")[2]) for path in self.folder.glob(f"registers/part-*.{self.format}")}
        days: dict[int, int] = dict.fromkeys(finished, self.days)
        for block, day, _ in self._states():
            days[block] = max(day, days.get(block, 0))
        return sum(days.values())

    def remove_unfinished(self) -> None:
        """Delete what a killed run left under temporary names."""
        for path in itertools.chain(self.folder.glob(f".*{NEW}"), self.folder.glob(f"*/**/.*{NEW}")):
            path.unlink(missing_ok=True)

    def write(self, path: Path, table: Table, columns: Iterable[ColumnInfo]) -> None:
        """Write a table in the format of the dataset."""
        write_whole(path, _parquet(table, columns) if self.format == "parquet" else _csv(table))

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "_checkpoints"

    def _states(self) -> Iterator[tuple[int, int, Path]]:
        for path in self._checkpoints.glob("block-*.state"):
            _, block, days = path.stem.split("-")
            yield int(block), int(days), path

    def _has_days(self, block: int, days: int) -> bool:
        return all(self.profile_path(day, block).exists() for day in range(days))


def write_whole(path: Path, content: bytes) -> None:
    """Make a file appear complete or not at all, whenever the process dies.  Its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}{NEW}")
    with open(new, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


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
