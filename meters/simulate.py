"""A fleet lives through days, and its load profiles and registers go to a dataset: Parquet, or CSV without pyarrow.

    simulate("kamstrup-382", meters=1000, days=7, folder="out")

The bytes that are written depend on the parameters in the manifest and on nothing else: not on how many processes work,
how many meters a task has, or how often the run was killed and started again.  Therefore files are cut by blocks of a
fixed number of meters.  Memory is that of one block a process.  See `meters.dataset` for the files.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from pathlib import Path
from typing import Any

from meters.dataset import FORMATS, ColumnInfo, Dataset, DatasetError, check_manifest, has_arrow
from meters.models import MODELS, load
from meters.run import MAX_SERIAL, SCENARIOS

BLOCK = 2048
"""Meters of a file: 200 000 rows a day, and no more memory than the engine's largest tile needs."""
START = datetime.date(2026, 1, 1)
STEP_S = 60
LAYOUT = 1
"""Version of the layout, for the manifest."""
LOOK_S = 0.5
"""How often the work of an executor is looked at."""
Progress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Parameters:
    """Everything that the content of a dataset follows from.  Raises DatasetError for what cannot be simulated."""

    model: str
    meters: int
    days: int
    scenario: str
    seed: int
    start: datetime.date
    step_s: int
    block: int
    format: str

    def __post_init__(self) -> None:
        for name, one, known in (
            ("model", self.model, MODELS),
            ("scenario", self.scenario, SCENARIOS),
            ("format", self.format, FORMATS),
        ):
            if one not in known:
                raise DatasetError(f"no {name} {one!r}; there are: {', '.join(sorted(known))}")
        if self.meters < 1 or self.days < 1 or self.block < 1:
            raise DatasetError(f"{self.meters} meters, {self.days} days, blocks of {self.block}: nothing to simulate")
        if not 1 <= self.step_s <= 900 or 900 % self.step_s:
            raise DatasetError(f"steps of {self.step_s} s do not fill quarter hours")
        if self.first_serial + self.meters - 1 > MAX_SERIAL:
            raise DatasetError(f"{self.meters} serial numbers from {self.first_serial} on exceed {MAX_SERIAL}")
        try:
            self.start + datetime.timedelta(days=self.days)
        except OverflowError as fault:
            raise DatasetError(f"{self.days} days from {self.start} on leave the calendar") from fault
        if self.format == "parquet" and not has_arrow():
            raise DatasetError("Parquet needs pyarrow: install dlms-meters[arrow], or choose csv")

    @property
    def first_serial(self) -> int:
        """Serial number of the first meter; they count up."""
        return load(self.model).nameplate.serial_number

    @property
    def start_s(self) -> int:
        """Midnight UTC that begins the first day."""
        return int(datetime.datetime.combine(self.start, datetime.time(), datetime.UTC).timestamp())

    @property
    def blocks(self) -> int:
        """Blocks of meters, the last perhaps smaller."""
        return -(-self.meters // self.block)

    def dataset(self, folder: Path) -> Dataset:
        """Where it goes."""
        return Dataset(folder, self.format, self.start, self.days, self.blocks)

    def manifest(
        self, profile: list[ColumnInfo], registers: list[ColumnInfo], flag_bits: dict[str, int]
    ) -> dict[str, Any]:
        """The parameters, the columns and the programs that make the bytes, as JSON values."""
        programs = ["dlms-meters", "numpy", *(["pyarrow"] if self.format == "parquet" else [])]
        return {
            "layout": LAYOUT,
            **(dataclasses.asdict(self) | {"start": self.start.isoformat()}),
            "programs": {name: _version(name) for name in programs},
            "load_profile": [dataclasses.asdict(column) for column in profile],
            "registers": [dataclasses.asdict(column) for column in registers],
            "flag_bits": flag_bits,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Simulated:
    """What was written, and where."""

    parameters: Parameters
    folder: Path

    @property
    def files(self) -> int:
        """Files of the dataset without the manifest: one a day and block, and the registers of each block."""
        return self.parameters.blocks * (self.parameters.days + 1)


def simulate(
    model: str = "kamstrup-382",
    *,
    meters: int,
    days: int,
    folder: str | Path,
    scenario: str = "household",
    seed: int = 1,
    start: datetime.date = START,
    step_s: int = STEP_S,
    format: str | None = None,
    shard: int = 0,
    block: int = BLOCK,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Simulate `meters` meters from midnight UTC of `start` on, or go on where an earlier call was killed.

    `format` is "parquet" or "csv" (None: Parquet when pyarrow is installed).  With an `executor` tasks of `shard` meters,
    rounded up to whole blocks, go there; it must see the same folder.  `progress` is told the block-days that are done
    and how many there are.  One call at a time may work in a folder.  Raises DatasetError for parameters that make no
    sense or differ from those in the folder, OSError when files cannot be written.
    """
    chosen = format or ("parquet" if has_arrow() else "csv")
    parameters = Parameters(model, meters, days, scenario, seed, start, step_s, block, chosen)
    folder = Path(folder)
    dataset = parameters.dataset(folder)
    _begin(parameters, dataset)
    tell = _teller(dataset, progress)
    tell()
    left = [number for number in range(parameters.blocks) if not dataset.is_finished(number)]
    size = max(1, -(-shard // block))
    tasks = [left[at : at + size] for at in range(0, len(left), size)]
    if executor is None:
        for task in tasks:
            for _ in _live(parameters, folder, task):
                tell()
    else:
        _await([executor.submit(_live_through, parameters, folder, task) for task in tasks], tell)
    dataset.drop_checkpoints()
    tell()
    return Simulated(parameters, folder)


def _begin(parameters: Parameters, dataset: Dataset) -> None:
    from meters.engine import Flag
    from meters.simulate_block import profile_columns, register_columns

    model = load(parameters.model)
    profile = [column.info for column in profile_columns(model)]
    registers = [column.info for column in register_columns(model)]
    flag_bits = {flag.name or "": int(flag) for flag in Flag}
    check_manifest(dataset.folder, parameters.manifest(profile, registers, flag_bits))
    dataset.remove_unfinished()


def _teller(dataset: Dataset, progress: Progress | None) -> Callable[[], None]:
    if progress is None:
        return lambda: None
    return lambda: progress(dataset.finished_days(), dataset.days * dataset.blocks)


def _live(parameters: Parameters, folder: Path, blocks: list[int]) -> Iterator[int]:
    from meters.simulate_block import live_block

    for block in blocks:
        yield from live_block(parameters, parameters.dataset(folder), block)


def _live_through(parameters: Parameters, folder: Path, blocks: list[int]) -> None:
    """A task for a worker.  At the top of the module, so that it can be sent there."""
    for _ in _live(parameters, folder, blocks):
        pass


def _await(futures: list[Future[None]], tell: Callable[[], None]) -> None:
    """Wait for all; the first failure cancels what has not begun."""
    pending = set(futures)
    try:
        while pending:
            done, pending = wait(pending, LOOK_S)
            for future in done:
                future.result()
            tell()
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
