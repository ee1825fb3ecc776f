"""A fleet lives through days, and its load profiles and registers go to a dataset: Parquet, or CSV without pyarrow.

    simulate("kamstrup-382", meters=1000, days=7, folder="out")

The bytes that are written depend on the parameters in the manifest and on nothing else: not on how many processes work,
how many meters a task has, or how often the run was killed and started again.  Therefore files are cut by blocks of a
fixed number of meters, the shards of `engine.Fleet`.  Memory is that of one block a process.  See `meters.dataset` for
the files.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meters.dataset import FORMATS, Dataset, DatasetError, check_manifest, has_arrow
from meters.fleet_models import FLEETS, load_fleet
from meters.lock import hold
from meters.run import DAY_S, MAX_SERIAL, SCENARIOS, SERIES, make_source

if TYPE_CHECKING:
    from meters.engine import Fleet

BLOCK = 2048
"""Meters of a file: 200 000 rows a day, and no more memory than the engine's largest tile needs."""
START = datetime.date(2026, 1, 1)
STEP_S = 60
LAYOUT = 2
"""Version of the layout, for the manifest."""
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
    accuracy: str = "ideal"
    zone: str = ""

    def __post_init__(self) -> None:
        for name, one, known in (
            ("model", self.model, FLEETS),
            ("scenario", self.scenario, SCENARIOS),
            ("format", self.format, FORMATS),
        ):
            if one not in known and not (name == "scenario" and one.endswith(SERIES)):
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
        if self.zone and not self.scenario.endswith(SERIES):
            raise DatasetError(f"a time zone is that of a file of measurements, which {self.scenario!r} is not")
        if self.format == "parquet" and not has_arrow():
            raise DatasetError("Parquet needs pyarrow: install dlms-meters[arrow], or choose csv")

    @property
    def first_serial(self) -> int:
        """Serial number of the first meter; they count up."""
        return load_fleet(self.model).nameplate.serial_number

    @property
    def start_s(self) -> int:
        """Midnight UTC that begins the first day."""
        return int(datetime.datetime.combine(self.start, datetime.time(), datetime.UTC).timestamp())

    @property
    def blocks(self) -> int:
        """Blocks of meters, the last perhaps smaller."""
        return -(-self.meters // self.block)

    def fleet(self) -> Fleet:
        """Who lives.  Raises EngineError for an unknown accuracy and a file of no measurements, OSError for no file."""
        from meters.engine import Fleet
        from meters.simulate_columns import fleet_config

        model = load_fleet(self.model)
        config = fleet_config(model, self.step_s, self.accuracy, self.seed)
        source = make_source(self.scenario, model, self.seed, self.zone or None)
        if self.scenario.endswith(SERIES):
            last = range(self.meters - 1, self.meters)
            source.block(self.start_s, self.start_s + self.step_s, self.step_s, last)
        return Fleet(config, source, self.start_s, self.meters, self.block)

    def dataset(self, folder: Path) -> Dataset:
        """Where it goes."""
        from meters.simulate_columns import profile_columns, register_columns

        model = load_fleet(self.model)
        columns = (tuple(profile_columns(model)), tuple(register_columns(model)))
        return Dataset(folder, self.format, self.start, self.block, *columns, self.first_serial)

    def manifest(self, fleet: Fleet, dataset: Dataset) -> dict[str, Any]:
        """The parameters, the columns and the programs that make the bytes, as JSON values."""
        from meters.engine import Flag, snapshot

        programs = ["dlms-meters", "numpy", *(["pyarrow"] if self.format == "parquet" else [])]
        measured = {"measurements": snapshot.digest(fleet.source)} if self.scenario.endswith(SERIES) else {}
        return {
            "layout": LAYOUT,
            **(dataclasses.asdict(self) | {"start": self.start.isoformat()}),
            **measured,
            "programs": {name: _version(name) for name in programs},
            "load_profile": [dataclasses.asdict(column.info) for column in dataset.profile],
            "registers": [dataclasses.asdict(column.info) for column in dataset.registers],
            "flag_bits": {flag.name or "": int(flag) for flag in Flag},
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
    accuracy: str = "ideal",
    zone: str = "",
    format: str | None = None,
    shard: int = 0,
    block: int = BLOCK,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Simulate `meters` meters from midnight UTC of `start` on, or go on where an earlier call was killed.

    `model` is one of `fleet_models.FLEETS`; `scenario` a name or a file of measurements, in which times without an offset
    are those of `zone` (IANA; none: UTC); `accuracy` a name of `engine.tolerance`.  `format` is "parquet" or "csv" (None:
    Parquet when pyarrow is installed).  With an `executor` tasks of `shard` meters, rounded up to whole blocks, go there;
    it must see the same folder.  `progress` is told the block-days that are done and how many there are.  Raises
    DatasetError for parameters that make no sense or differ from those in the folder, EngineError for a file that holds
    no measurements for all, LockedError while another call works in the folder, OSError when files cannot be written.
    """
    chosen = format or ("parquet" if has_arrow() else "csv")
    parameters = Parameters(model, meters, days, scenario, seed, start, step_s, block, chosen, accuracy, zone)
    folder = Path(folder)
    fleet, dataset = parameters.fleet(), parameters.dataset(folder)
    with hold(folder):
        _simulate(parameters, fleet, dataset, max(1, -(-shard // block)), executor, progress)
    return Simulated(parameters, folder)


def _simulate(
    parameters: Parameters,
    fleet: Fleet,
    dataset: Dataset,
    per_task: int,
    executor: Executor | None,
    progress: Progress | None,
) -> None:
    check_manifest(dataset.folder, parameters.manifest(fleet, dataset))
    dataset.remove_unfinished()

    def tell() -> None:
        if progress is not None:
            progress(dataset.finished_days(parameters.days), parameters.days * parameters.blocks)

    tell()
    lives = fleet.simulate(
        parameters.start_s + parameters.days * DAY_S,
        sink=dataset,
        checkpoints=dataset,
        executor=executor,
        shards=[number for number in range(fleet.shards) if not dataset.is_finished(number, parameters.days)],
        per_task=per_task,
        look=tell,
    )
    for _ in lives:
        tell()
    dataset.drop_checkpoints()
    tell()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
