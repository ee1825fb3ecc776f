"""Fleets: shards and executors do not matter, and a simulation is taken up where it stopped."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

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
)
from meters.scenario import Household
from meters.series import CheckpointFiles, RowFiles, column_name, read_csv, read_parquet
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


def test_a_simulation_is_taken_up_again(tmp_path):
    fleet, checkpoints = fleet_of(4), CheckpointFiles(tmp_path)
    list(fleet.simulate(START_S + 10_000, checkpoints=checkpoints))
    stopped = CheckpointFiles(tmp_path)
    results = list(fleet.simulate(START_S + DAY_S, checkpoints=stopped))
    assert totals(results) == totals(fleet.simulate(START_S + DAY_S))
    assert all(result.now_s == START_S + DAY_S for result in results)
    with pytest.raises(EngineError, match="shard 0"):
        list(fleet_of(3).simulate(START_S + DAY_S, checkpoints=checkpoints))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_rows_go_to_files_a_day_and_a_shard(tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    sink = RowFiles(tmp_path, suffix)
    list(fleet_of(4).simulate(START_S + 2 * DAY_S, sink=sink))
    list(fleet_of(4).simulate(START_S + 2 * DAY_S, sink=sink))
    files = sorted(tmp_path.glob(f"day=2026-01-0*/*.{suffix}"))
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


def test_an_engine_survives_being_pickled():
    engines = [Engine(Config(), Household(5, drops_per_day=30), START_S, 2) for _ in range(2)]
    for engine in engines:
        engine.command(0, SetClockOffset(77), START_S + 4000)
        engine.advance(START_S + 3210)
    engines[1] = pickle.loads(pickle.dumps(engines[1]))
    for engine in engines:
        engine.advance(START_S + 7200)
    rows = [engine.profile.rows(0, 0, engine.profile.count()) for engine in engines]
    assert rows[0].time_s.tolist() == rows[1].time_s.tolist()
    assert (engines[0].registers(WH) == engines[1].registers(WH)).all()


def test_names_and_nonsense(tmp_path):
    assert column_name(Quantity(Measurand.VOLTAGE, Kind.MEAN, phase=2, exponent=-1)) == "voltage_mean_l2_e-1"
    assert column_name(Quantity(Measurand.ACTIVE_IMPORT, Kind.MAX, tariff=1)) == "active_import_max_t1"
    with pytest.raises(EngineError):
        Fleet(CONFIG, Household(), START_S, 0)
    with pytest.raises(EngineError):
        fleet_of(1).simulate(START_S, piece_s=0)
    with pytest.raises(EngineError):
        RowFiles(tmp_path, "xlsx")
    with pytest.raises(EngineError, match="forgets rows"):
        list(fleet_of(7).simulate(START_S + 2 * DAY_S, piece_s=2 * DAY_S, sink=RowFiles(tmp_path)))
