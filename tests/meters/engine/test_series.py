"""Recorded measurements: what files say, what they are known to have wrong, and an engine that plays them."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from meters.engine import Config, Engine, EngineError, Kind, Measurand, Quantity, Wiring
from meters.series import read_csv, read_parquet, read_series, series_of
from tests.meters.engine.reference import START_S

IMPORT = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY)
NOON_S = 1_774_695_600
"""2026-03-28 11:00 UTC, noon in Berlin."""


def table(meters: int = 2, steps: int = 8, step_s: int = 900) -> dict:
    time_s = np.repeat(START_S + step_s * np.arange(steps), meters)
    meter = np.tile(np.arange(meters), steps)
    power_w = 1000.0 * (meter + 1) + 100.0 * ((time_s - START_S) // step_s)
    return {"time": time_s, "meter": meter, "active_w_l1": power_w, "voltage_v_l1": np.full(time_s.size, 231.5)}


def csv_of(tmp_path, text: str, **options) -> dict:
    path = tmp_path / "a.csv"
    path.write_text(text)
    return read_csv(path, **options)


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
    circle = replace(source, repeat=True)
    block = circle.block(source.stop_s, source.stop_s + 1800, 900, range(1))
    assert block.active_w[0, :, 0].tolist() == [1000, 1100]
    with pytest.raises(EngineError, match="begin or end"):
        series_of(table(1), stamps="middle")


def test_rows_may_come_in_any_order_and_meters_have_any_numbers():
    straight, shuffled = table(3), table(3)
    order = np.random.default_rng(1).permutation(24)
    shuffled = {name: column[order] for name, column in shuffled.items()}
    shuffled["meter"] = shuffled["meter"] * 7 + 1000
    one, two = (series_of(found, Wiring.ONE_PHASE) for found in (straight, shuffled))
    assert np.array_equal(one.active_w, two.active_w)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"active_w_l2": 900.0}, [0, 900, 0]),
        ({"active_kw_l2": 0.9}, [0, 900, 0]),
        ({"active_wh_l2": 225.0}, [0, 900, 0]),
        ({"active_kwh_l1": 0.225, "active_w_l3": 5.0}, [900, 0, 5]),
        ({"active_kwh": 0.675}, [900, 900, 900]),
        ({"active_w": 900.0}, [300, 300, 300]),
    ],
)
def test_units_and_phases(columns, expected):
    found = {"time": START_S + 900 * np.arange(2)} | {name: np.full(2, value) for name, value in columns.items()}
    assert series_of(found).active_w[:, 0, 0] == pytest.approx(expected)


def test_what_a_column_without_a_phase_means():
    found = {"time": np.array([0, 900]), "reactive_kvarh": np.full(2, 0.3), "voltage_v": np.full(2, 240.0)}
    source = series_of(found)
    assert source.reactive_var[:, 0, 0] == pytest.approx([400] * 3)
    assert source.voltage_v[:, 0, 0] == pytest.approx([240] * 3)
    assert source.current_a[:, 0, 0] == pytest.approx([400 / 240] * 3)
    one = series_of(found | {"current_a": np.full(2, 5.0), "frequency_hz": np.full(2, 49.9)}, Wiring.ONE_PHASE)
    assert one.current_a[0, 0, 0] == 5
    assert one.frequency_hz.tolist() == [49.9, 49.9]


def test_a_phase_without_a_measured_current_has_that_of_its_power():
    found = {"time": np.array([0, 900]), "active_w": np.full(2, 690.0), "current_a_l1": np.full(2, 1.5)}
    assert series_of(found).current_a[:, 0, 0] == pytest.approx([1.5, 1, 1])


def test_times_with_and_without_offsets(tmp_path):
    text = "time,active_w_l1\n2026-01-01T01:00:00+01:00,5\n2026-01-01 00:15,6\n2026-01-01T00:30Z,7\n1767228300,8\n"
    assert csv_of(tmp_path, text)["time"].tolist() == [START_S + 900 * n for n in range(4)]
    text = "time,active_w_l1\n2026-03-28 12:00,5\n2026-03-28T11:15Z,6\n"
    assert csv_of(tmp_path, text, zone="Europe/Berlin")["time"].tolist() == [NOON_S, NOON_S + 900]


@pytest.mark.parametrize("meters", [1, 2])
def test_local_days_have_their_hours(tmp_path, meters):
    """Spring leaves an hour out, autumn has one twice; whole local days are whole in UTC."""
    for day, hours in (("2026-03-29", [0, 1, *range(3, 24)]), ("2026-10-25", [0, 1, 2, 2, *range(3, 24)])):
        rows = [f"{day} {hour:02}:00,{meter},{hour}" for hour in hours for meter in range(meters)]
        found = csv_of(tmp_path, "\n".join(["time,meter,active_w_l1", *rows]), zone="Europe/Berlin")
        source = series_of(found)
        assert (source.step_s, source.active_w.shape[1:]) == (3600, (len(hours), meters))
        assert source.active_w[0, :, 0].tolist() == hours


def test_gaps_are_refused_held_or_outages(tmp_path):
    text = "time,active_w_l1,voltage_v_l1\n0,100,231\n900,200,232\n2700,,234\n3600,500,235\n4500,600,236\n"
    found = csv_of(tmp_path, text)
    with pytest.raises(EngineError, match="nothing is known of meter 0 at 1970-01-01T00:30:00"):
        series_of(found)
    held = series_of(found, gaps="hold")
    assert held.active_w[0, :, 0].tolist() == [100, 200, 200, 200, 500, 600]
    assert held.voltage_v[0, :, 0].tolist() == [231, 232, 232, 232, 235, 236]
    out = series_of(found, gaps="outage")
    assert out.active_w[0, :, 0].tolist() == [100, 200, 0, 0, 500, 600]
    assert out.voltage_v[:, 2:4].max() == 0
    assert out.voltage_v[1:, [0, 1, 4, 5]].min() == 230
    assert out.current_a[:, 2:4].max() == 0
    with pytest.raises(EngineError, match="gaps are"):
        series_of(found, gaps="guess")
    with pytest.raises(EngineError, match="nothing is known of meter 0 at 1970-01-01T00:00:00"):
        series_of(csv_of(tmp_path, "time,active_w\n0,\n900,1\n"), gaps="hold")


def test_an_outage_of_the_recording_is_one_of_the_meter(tmp_path):
    source = series_of(csv_of(tmp_path, "time,active_w\n0,900\n900,900\n2700,900\n3600,900\n"), gaps="outage")
    engine = Engine(Config(step_s=60), source, 0)
    engine.advance(2000)
    assert not engine.has_supply()
    engine.advance(4500)
    assert engine.has_supply()
    assert engine.register(IMPORT) == 900


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,active_w_l1\n0,5\n900\n", "line 3: 1 fields"),
        ("time,active_w_l1\n0,five\n", "line 2"),
        ("time,active_w_l1\n0,1,5\n900,1,5\n", "line 2: 3 fields"),
        ("time,active_w_l1\nnoon,5\n", "line 2"),
        ("time,active_w_l1\n2026-01-01T00:00:00.5,5\n", "line 2: .*whole second"),
        ("time;active_w_l1\n0;5\n", "separated by commas"),
        ("time,active_w,active_w\n0,5,5\n", "two columns of one name"),
        ("time,power\n0,5\n900,5\n", "unknown column power; known are time.*active_kwh"),
        ("time,active_mw_l1\n0,5\n900,5\n", "unknown column active_mw_l1"),
        ("time,active_w_l4\n0,5\n900,5\n", "unknown column active_w_l4"),
        ("time,active_w,active_kwh_l2\n0,5,5\n900,5,5\n", "there already"),
        ("time,current_a\n0,5\n900,5\n", "no common current"),
        ("active_w_l1\n5\n", "no column time"),
        ("time,active_w_l1\n", "without rows"),
        ("time,active_w_l1\n0,5\n", "needs two"),
        ("time,active_w_l1\n0,5\n900,5\n1800,5\n2000,5\n", "steps of 900 s, but 200 s after 1970-01-01T00:30:00"),
        ("time,active_w_l1\n0,5\n900,5\n2700,5\n", "nothing is known of meter 0 at 1970-01-01T00:30:00"),
        ("time,meter,active_w_l1\n0,0,5\n0,1,5\n900,0,5\n", "nothing is known of meter 1 at 1970-01-01T00:15:00"),
        ("time,active_w_l1\n0,5\n900,5\n900,5\n1800,5\n", "two rows of meter 0 at 1970-01-01T00:15:00"),
        ("time,meter,active_w_l1\n0,0.5,5\n900,0.5,5\n", "whole numbers"),
        ("time,active_w_l1\n1767225600000,5\n1767226500000,5\n", "milliseconds"),
        ("time,active_w_l1\n0,5\n1,5\n2,6\n100000,5\n", "no series"),
        ("time,active_w_l1\n0,inf\n900,5\n", "not finite"),
        ("time,active_w_l1,voltage_v_l1\n0,5,0.231\n900,5,0.230\n", "voltages about 0.2305 V at a nominal 230 V"),
        ("time,frequency_hz\n0,50000\n900,50000\n", "frequencies of 50000"),
        ("time,active_w_l1,current_a_l1\n0,5000,0.02\n900,5000,0.02\n", "powers of .* times U I"),
        ("time,active_w_l1,current_a_l1\n0,1.1,5\n900,1.1,5\n", "powers of .* times U I"),
        ("", "no column time"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    with pytest.raises(EngineError, match=message):
        series_of(csv_of(tmp_path, text))


@pytest.mark.parametrize("content", [b"\xff\xfet\x00i\x00", b"time,active_w\n0,\xe9\n", b'time,active_w\n0,"5\n'])
def test_what_is_no_text_is_refused(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(EngineError):
        series_of(read_csv(path))


def test_a_phase_that_the_meter_does_not_have(tmp_path):
    with pytest.raises(EngineError, match="no phase 2"):
        series_of(csv_of(tmp_path, "time,active_w_l2\n0,5\n900,5\n"), Wiring.ONE_PHASE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time,active_w\n2026-03-29 02:30,5\n", "line 2: .*does not exist in Europe/Berlin"),
        ("time,active_w\n" + "2026-10-25 02:00,5\n" * 3, "two rows of meter 0 at 2026-10-25T01:00:00"),
    ],
)
def test_local_times_that_are_none_or_too_many(tmp_path, text, message):
    with pytest.raises(EngineError, match=message):
        series_of(csv_of(tmp_path, text, zone="Europe/Berlin"))
    with pytest.raises(EngineError, match="no time zone"):
        csv_of(tmp_path, text, zone="Europe/Entenhausen")


def test_parquet_says_what_csv_says(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.parquet

    text = "time,meter,active_w_l1\n2026-03-28 12:00,7,5\n2026-03-28 12:15,7,\n2026-03-28 12:30,7,6\n"
    expected = csv_of(tmp_path, text, zone="Europe/Berlin")
    path = tmp_path / "a.parquet"
    naive = pyarrow.csv.read_csv(tmp_path / "a.csv")
    moments = naive["time"].cast(arrow.timestamp("ms"))
    seconds = arrow.chunked_array([arrow.array(expected["time"])])
    zoned = arrow.compute.assume_timezone(moments, "Europe/Berlin")
    for times in (naive["time"], moments, zoned, moments.cast(arrow.string()), seconds):
        pyarrow.parquet.write_table(naive.set_column(0, "time", times), path)
        found = read_series(path, zone="Europe/Berlin")
        assert list(found) == list(expected)
        assert all(np.array_equal(found[name], expected[name], equal_nan=name != "time") for name in expected)
    source = series_of(found, gaps="hold")
    assert source.active_w[0, :, 0].tolist() == [5, 5, 6]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": [0, 900], "active_w": ["5", "6"]}, "column active_w holds string"),
        ({"time": [0, None], "active_w": [5.0, 6.0]}, "None is no time"),
        ({"time": [0.5, 1.5], "active_w": [5.0, 6.0]}, "0.5 is no time"),
        ({"time": ["noon", "midnight"], "active_w": [5.0, 6.0]}, "noon"),
    ],
)
def test_bad_parquet_is_named(tmp_path, columns, message):
    arrow = pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    import pyarrow.parquet

    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(arrow.table(columns), path)
    with pytest.raises(EngineError, match=message):
        read_parquet(path)
    path.write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(EngineError, match=r"a\.parquet"):
        read_parquet(path)


def test_parquet_without_pyarrow_is_one_clear_error(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EngineError, match=r"dlms-meters\[arrow\]"):
        read_parquet(tmp_path / "a.parquet")
