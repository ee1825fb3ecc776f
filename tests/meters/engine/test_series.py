"""Recorded measurements: files there and back, steps, gaps, and an engine that plays them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from meters import series
from meters.engine import Config, Engine, EngineError, Kind, Measurand, Quantity, Wiring
from meters.series import read_csv, read_parquet, series_of, write_csv, write_parquet
from tests.meters.engine.reference import START_S

IMPORT = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY)


def table(meters: int = 2, steps: int = 8, step_s: int = 900) -> dict:
    time_s = np.repeat(START_S + step_s * np.arange(steps), meters)
    meter = np.tile(np.arange(meters), steps)
    power_w = 1000.0 * (meter + 1) + 100.0 * ((time_s - START_S) // step_s)
    return {"time": time_s, "meter": meter, "active_w_l1": power_w, "voltage_v_l1": np.full(time_s.size, 231.5)}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_there_and_back(tmp_path, suffix):
    read, write = (read_csv, write_csv) if suffix == "csv" else (read_parquet, write_parquet)
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    path, original = tmp_path / f"series.{suffix}", table()
    write(path, original)
    back = read(path)
    assert list(back) == list(original)
    assert all(np.array_equal(back[name], original[name]) for name in original)


def test_an_engine_plays_a_recording():
    source = series_of(table(), Wiring.ONE_PHASE)
    assert (source.start_s, source.stop_s) == (START_S, START_S + 7200)
    engine = Engine(Config(Wiring.ONE_PHASE, step_s=60), source, START_S, 2)
    engine.advance(START_S + 7200)
    assert engine.registers(IMPORT).tolist() == [2 * 1000 + 700, 2 * 2000 + 700]
    assert engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=1, exponent=-1)) == 2315
    with pytest.raises(EngineError, match="recorded are"):
        engine.advance(START_S + 7300)


def test_steps_are_repeated_or_averaged():
    source = series_of(table(1), Wiring.ONE_PHASE)
    fine = source.block(START_S + 300, START_S + 1500, 300, range(1))
    assert fine.active_w[0, :, 0].tolist() == [1000, 1000, 1100, 1100]
    coarse = source.block(START_S, START_S + 7200, 3600, range(1))
    assert coarse.active_w[0, :, 0].tolist() == [1150, 1550]
    assert np.allclose(coarse.voltage_v, 231.5)
    with pytest.raises(EngineError, match="do not fit"):
        source.block(START_S, START_S + 1400, 700, range(1))
    with pytest.raises(EngineError, match="meters"):
        source.block(START_S, START_S + 900, 900, range(2))


def test_stamps_at_the_end_and_repetition():
    source = series_of(table(1), Wiring.ONE_PHASE, stamps="end")
    assert source.start_s == START_S - 900
    circle = series.Series(*(getattr(source, name) for name in source.__slots__[:-1]), repeat=True)
    block = circle.block(source.stop_s, source.stop_s + 1800, 900, range(1))
    assert block.active_w[0, :, 0].tolist() == [1000, 1100]
    with pytest.raises(EngineError, match="begin or end"):
        series_of(table(1), stamps="middle")


def test_csv_times_may_be_iso(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("time,active_w_l1\n2026-01-01T01:00:00+01:00,5\n2026-01-01 00:15,6\n")
    assert read_csv(path)["time"].tolist() == [START_S, START_S + 900]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,active_w_l1\n0,5\n900\n", "line 3: 1 fields"),
        ("time,active_w_l1\n0,five\n", "line 2"),
        ("time,active_w_l1\nnoon,5\n", "line 2"),
        ("time,power\n0,5\n900,5\n", "unknown column power"),
        ("active_w_l1\n5\n", "no column time"),
        ("time,active_w_l1\n", "without rows"),
        ("time,active_w_l1\n0,5\n", "needs two"),
        ("time,active_w_l1\n0,5\n900,5\n2700,5\n", "1800 s after 900"),
        ("time,meter,active_w_l1\n0,0,5\n0,1,5\n900,0,5\n", "at 900 s"),
        ("", "no column time"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(EngineError, match=message):
        series_of(read_csv(path))


def test_parquet_without_pyarrow_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EngineError, match=r"dlms-meters\[arrow\]"):
        read_parquet(tmp_path / "a.parquet")
