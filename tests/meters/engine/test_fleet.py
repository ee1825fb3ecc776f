"""Fleets: shards and executors do not matter, and a simulation is taken up where it stopped."""

from __future__ import annotations

import datetime
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

from meters.dataset import Dataset, DatasetError, column_name
from meters.engine import (
    Config,
    Engine,
    EngineError,
    Every,
    Fleet,
    Kind,
    LogName,
    LogSpec,
    Measurand,
    PowerFail,
    Quantity,
    SetClockOffset,
    Tolerance,
)
from meters.scenario import Constant, Household
from meters.series import read_csv, read_parquet
from tests.meters.engine.reference import START_S

WH = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY)
CONFIG = Config(step_s=300, logs={LogName.LOAD_PROFILE: LogSpec((WH,), Every(900), 150)})
DAY_S = 86_400


def fleet_of(shard: int) -> Fleet:
    return Fleet(CONFIG, Household(3, photovoltaics_w=2000), START_S, 7, shard)


def totals(results) -> tuple[int, ...]:
    return tuple(int(total) for total in np.sum([result.energy_uwh for result in results], axis=0))


def test_shards_and_executors_do_not_matter():
    expected = totals(fleet_of(7).simulate(START_S + DAY_S))
    assert expected[0] > 7 * 10**9
    assert totals(fleet_of(3).simulate(START_S + DAY_S, piece_s=7000)) == expected
    with ThreadPoolExecutor(2) as threads:
        results = list(fleet_of(2).simulate(START_S + DAY_S, executor=threads))
    assert totals(results) == expected
    assert [(result.first, result.meters) for result in results] == [(0, 2), (2, 2), (4, 2), (6, 1)]


def test_processes_work_too():
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as processes:
        there = totals(fleet_of(4).simulate(START_S + 3600, executor=processes))
    assert there == totals(fleet_of(7).simulate(START_S + 3600))


class Memory(dict):
    """Checkpoints by the number of the first meter."""

    def load(self, first: int) -> bytes | None:
        return self.get(first)

    def save(self, first: int, now_s: int, state: bytes) -> None:
        self[first] = state


def test_a_simulation_is_taken_up_again():
    fleet, checkpoints = fleet_of(4), Memory()
    list(fleet.simulate(START_S + 10_000, checkpoints=checkpoints))
    results = list(fleet.simulate(START_S + DAY_S, checkpoints=checkpoints))
    assert totals(results) == totals(fleet.simulate(START_S + DAY_S))
    assert all(result.now_s == START_S + DAY_S for result in results)


OTHERS = {
    "source": {"source": Household(4, photovoltaics_w=2000)},
    "peak of the source": {"source": Household(3, photovoltaics_w=2001)},
    "kind of source": {"source": Constant(1000.0)},
    "configuration": {"config": replace(CONFIG, tariff=2)},
    "errors": {"config": replace(CONFIG, errors=Tolerance())},
    "beginning": {"start_s": START_S + 300},
    "number of meters": {"meters": 6, "shard": 6},
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_the_checkpoint_of_another_fleet_is_refused(other):
    checkpoints, fleet = Memory(), fleet_of(7)
    list(fleet.simulate(START_S + 3600, checkpoints=checkpoints))
    kept = dict(checkpoints)
    with pytest.raises(EngineError, match="from number 0 on: this is the state of other meters"):
        list(replace(fleet, **other).simulate(START_S + 7200, checkpoints=checkpoints))
    assert checkpoints == kept
    list(fleet.simulate(START_S + 7200, checkpoints=checkpoints))


def test_the_first_failure_ends_the_work():
    class Full:
        def write(self, engine: Engine, from_s: int, to_s: int) -> None:
            raise OSError("disk full")

        def finish(self, engine: Engine) -> None: ...

    with ThreadPoolExecutor(1) as threads, pytest.raises(OSError, match="disk full"):
        list(fleet_of(1).simulate(START_S + DAY_S, sink=Full(), executor=threads))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_go_to_files_a_day_and_a_shard(tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    sink = Dataset.of(CONFIG, tmp_path, suffix, datetime.date(2026, 1, 1), 4)
    list(fleet_of(4).simulate(START_S + 2 * DAY_S, sink=sink))
    list(fleet_of(4).simulate(START_S + 2 * DAY_S, sink=sink, checkpoints=sink))
    files = sorted(tmp_path.glob(f"load_profile/day=2026-01-0*/*.{suffix}"))
    assert len(files) == 4
    read = read_csv if suffix == "csv" else read_parquet
    tables = [read(file) for file in files]
    assert sum(table["time"].size for table in tables) == 7 * 192
    last = dict.fromkeys(range(7), 0)
    for table in tables:
        for meter, value in zip(table["meter"].tolist(), table["active_import_energy"].tolist(), strict=True):
            last[meter] = int(value)
    engine = Engine(CONFIG, Household(3, photovoltaics_w=2000), START_S, 7)
    engine.advance(START_S + 2 * DAY_S)
    assert list(last.values()) == engine.registers(WH).tolist()


def test_a_table_holds_the_rows_of_every_meter_in_order():
    engine = Engine(CONFIG, Household(3), START_S, 5, tile=2)
    engine.command(1, PowerFail(True), START_S + 5000)
    engine.command(1, PowerFail(False), START_S + 9000)
    engine.command(4, SetClockOffset(-4000), START_S + 50_000)
    engine.advance(START_S + DAY_S)
    meter, rows = engine.profile.table(START_S + 3000, START_S + 80_000)
    for number in range(5):
        found = engine.profile.find(number, START_S + 3000, START_S + 80_000)
        expected = engine.profile.rows(number, 0, engine.profile.count(number))
        these = meter == number
        assert rows.ids[these].tolist() == expected.ids[found].tolist()
        assert rows.time_s[these].tolist() == expected.time_s[found].tolist()
        assert rows.columns[0][these].tolist() == expected.columns[0][found].tolist()
    assert (np.diff(meter) >= 0).all()


def test_names_and_nonsense(tmp_path):
    assert column_name(Quantity(Measurand.VOLTAGE, Kind.MEAN, phase=2, exponent=-1)) == "voltage_mean_l2_e-1"
    assert column_name(Quantity(Measurand.ACTIVE_IMPORT, Kind.MAX, tariff=1)) == "active_import_max_t1"
    with pytest.raises(EngineError):
        Fleet(CONFIG, Household(), START_S, 0)
    with pytest.raises(EngineError):
        fleet_of(1).simulate(START_S, piece_s=0)
    with pytest.raises(EngineError, match="no shard 7"):
        fleet_of(1).engine(7)
    dataset = Dataset.of(CONFIG, tmp_path, "csv", datetime.date(2026, 1, 1), 7)
    with pytest.raises(DatasetError, match="no format"):
        replace(dataset, format="xlsx")
    with pytest.raises(DatasetError, match="days of UTC"):
        list(fleet_of(7).simulate(START_S + 2 * DAY_S, piece_s=2 * DAY_S, sink=dataset))
    with pytest.raises(DatasetError, match="days of UTC"):
        list(replace(fleet_of(7), start_s=START_S + 3600).simulate(START_S + DAY_S, sink=dataset))
    short = replace(CONFIG, logs={LogName.LOAD_PROFILE: LogSpec((WH,), Every(900), 90)})
    with pytest.raises(DatasetError, match="forgotten rows"):
        list(Fleet(short, Household(3), START_S, 7, 7).simulate(START_S + DAY_S, sink=dataset))
