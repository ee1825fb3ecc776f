"""Logs: end stamps, days with 92 and 100 quarter hours, gaps, clock set, changed periods, billing, ring buffers."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    BillingStop,
    Config,
    CountPulses,
    Engine,
    EngineError,
    EraseLog,
    EventKind,
    Every,
    Flag,
    Kind,
    Logger,
    LogName,
    LogSpec,
    Measurand,
    PowerFail,
    Quantity,
    ResetTrip,
    SetClockOffset,
    SetPeriod,
    SetPowerThreshold,
    SetTariff,
    Unit,
    display_rollover,
)
from meters.engine.ring import Ring
from meters.scenario import Constant, Household
from tests.meters.engine.reference import START_S

IMPORT = Measurand.ACTIVE_IMPORT
WH = Quantity(IMPORT, Kind.ENERGY)
ZONE = ZoneInfo("Europe/Copenhagen")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def profile_of(*columns: Quantity, period_s: int = 900, depth: int = 500) -> dict[LogName, LogSpec]:
    return {LogName.LOAD_PROFILE: LogSpec(columns, Every(period_s), depth)}


def constant_engine(power_w: float = 3600.0, **config) -> Engine:
    """3600 W are a watt-hour a second: register readings are seconds with supply."""
    config.setdefault("logs", profile_of(WH))
    return Engine(Config(**config), Constant([power_w, 0.0, 0.0]), START_S)


@pytest.mark.parametrize(("day", "rows"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)])
def test_rows_of_a_local_day(day, rows):
    start_s = at(f"{day}T00:00+00:00") - 86_400
    engine = Engine(Config(step_s=900, logs=profile_of(WH)), Constant(100.0), start_s)
    engine.advance(start_s + 3 * 86_400)
    times = engine.profile.rows(0, 0, engine.profile.count()).time_s
    days = Counter(datetime.fromtimestamp(t - 1, ZONE).date().isoformat() for t in times.tolist())
    assert days[day] == rows


def test_rows_are_stamped_at_their_end_and_add_up_to_the_register():
    engine = Engine(Config(logs=profile_of(WH)), Household(5), START_S)
    engine.advance(START_S + 6 * 3600)
    rows = engine.profile.rows(0, 0, 24)
    assert rows.time_s.tolist() == [START_S + 900 * (n + 1) for n in range(24)]
    deltas = np.diff(rows.columns[0].astype(np.int64), prepend=0)
    assert deltas.sum() == engine.register(WH)
    assert (deltas >= 0).all()
    assert engine.profile.find(0, START_S + 1000, START_S + 3600).tolist() == [1, 2, 3]


def test_outage_leaves_a_gap_and_marks_the_first_row_after_it():
    engine = constant_engine()
    engine.command(0, PowerFail(True), START_S + 1000)
    engine.command(0, PowerFail(False), START_S + 3000)
    engine.advance(START_S + 2000)
    assert not engine.has_supply()
    assert engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=1)) == 0
    engine.advance(START_S + 4500)
    rows = engine.profile.rows(0, 0, engine.profile.count())
    assert (rows.time_s - START_S).tolist() == [900, 3600, 4500]
    assert rows.columns[0].tolist() == [900, 1600, 2500]
    assert rows.flags.tolist() == [0, Flag.POWER_OUTAGE | Flag.TIME_DISCONTINUITY, 0]
    begin, end = engine.events(Logger.VOLTAGE)
    assert (begin.kind, begin.active, begin.begin_s, begin.time_s) == (
        EventKind.POWER_FAIL,
        True,
        START_S + 1000,
        START_S + 1002,
    )
    assert (end.active, end.begin_s, end.time_s, end.max_v) == (False, START_S + 1000, START_S + 3000, 0.0)
    assert [event.kind for event in engine.events(Logger.STATUS)] == [EventKind.RESET]


def test_outage_rows_on_request():
    engine = constant_engine(rows_in_outage=True)
    engine.command(0, PowerFail(True), START_S + 1000)
    engine.advance(START_S + 3600)
    assert engine.profile.rows(0, 0, 4).columns[0].tolist() == [900, 1000, 1000, 1000]


LEFT = Flag.CLOCK_60_S | Flag.TIME_DISCONTINUITY


@pytest.mark.parametrize(
    ("offset_s", "times", "flags"),
    [
        (5, [900, 1800], [0, Flag.CLOCK_FORWARD]),
        (-8, [900, 1800], [0, Flag.CLOCK_BACKWARD | Flag.CLOCK_7_S]),
        (20, [900, 1800], [0, Flag.CLOCK_FORWARD | Flag.CLOCK_15_S]),
        (59, [900, 1800], [0, Flag.CLOCK_FORWARD | Flag.CLOCK_30_S]),
        (1900, [900, 1800, 3600], [0, Flag.CLOCK_FORWARD | LEFT, Flag.TIME_DISCONTINUITY]),
        (-1000, [900, 1800, 900, 1800], [0, Flag.CLOCK_BACKWARD | LEFT, Flag.TIME_DISCONTINUITY, 0]),
    ],
)
def test_clock_set(offset_s, times, flags):
    """At 1200 s the clock is set; a change that leaves the period closes it early."""
    engine = constant_engine()
    engine.command(0, SetClockOffset(offset_s), START_S + 1200)
    engine.advance(START_S + max(1800, 1800 - offset_s))
    rows = engine.profile.rows(0, 0, engine.profile.count())
    assert (rows.time_s - START_S).tolist() == times
    assert rows.flags.tolist() == flags
    assert rows.columns[0][-1] == times[-1] - offset_s
    (event,) = engine.events(Logger.CLOCK)
    assert (event.time_s, event.value) == (START_S + 1200 + offset_s, START_S + 1200)
    assert engine.clock_s() == engine.now_s + offset_s


def test_clock_of_one_meter_is_its_own():
    engine = Engine(Config(logs=profile_of(WH)), Constant(1000.0), START_S, meters=3)
    engine.advance(START_S + 1000)
    engine.command(1, SetClockOffset(3))
    engine.advance(START_S + 3600)
    times = [engine.profile.rows(meter, 0, 4).time_s for meter in range(3)]
    readings = [engine.profile.rows(meter, 0, 4).columns[0].tolist() for meter in range(3)]
    assert (times[0] == times[1]).all()
    assert readings[0] == readings[2] != readings[1]


def test_changed_period_erases_and_is_logged():
    engine = constant_engine()
    engine.advance(START_S + 2000)
    assert engine.profile.count() == 2
    engine.command(None, SetPeriod(300))
    engine.advance(START_S + 2700)
    rows = engine.profile.rows(0, 0, engine.profile.count())
    assert (rows.time_s - START_S).tolist() == [2100, 2400, 2700]
    assert rows.ids.tolist() == [3, 4, 5]
    assert rows.flags.tolist() == [Flag.INTERVAL_CHANGED, 0, 0]
    assert engine.period_s() == 300
    assert engine.register(Quantity(IMPORT, Kind.MEAN)) == 3600
    assert [(e.kind, e.value) for e in engine.events(Logger.PROFILE)] == [(EventKind.PERIOD_CHANGED, 300)]
    engine.command(0, EraseLog())
    engine.advance(START_S + 2701)
    assert engine.profile.count() == 0


def test_commands_are_checked():
    engine = constant_engine()
    with pytest.raises(EngineError, match="period 60"):
        SetPeriod(60)
    with pytest.raises(EngineError, match="tariff 9"):
        SetTariff(9)
    with pytest.raises(EngineError, match="no analysis log"):
        engine.command(0, SetPeriod(300, LogName.ANALYSIS))
    with pytest.raises(EngineError, match="no period"):
        SetPeriod(300, LogName.BILLING)
    with pytest.raises(EngineError, match="meter 1"):
        engine.command(1, BillingStop())
    with pytest.raises(EngineError, match="go back"):
        engine.advance(START_S - 1)
    with pytest.raises(EngineError, match="rows 0"):
        engine.profile.rows(0, 0, 1)


def test_maxima_start_again_at_the_billing_stop_and_accumulate():
    maximum, time_of = Quantity(IMPORT, Kind.MAX), Quantity(IMPORT, Kind.MAX_TIME)
    cumulative, count = Quantity(IMPORT, Kind.CUMULATIVE_MAX), Quantity(Measurand.BILLING_PERIODS, Kind.COUNT)
    logs = profile_of(WH) | {
        LogName.BILLING: LogSpec((WH, maximum, time_of, cumulative, count), Every(1, Unit.DAYS), 9)
    }
    engine = constant_engine(2000.4, logs=logs, normal_offset_s=0)
    engine.advance(START_S + 2000)
    assert engine.register(maximum) == 2000
    assert engine.register(time_of) == START_S + 900
    assert engine.register(Quantity(IMPORT, Kind.MAX, tariff=1)) == 2000
    assert engine.register(Quantity(IMPORT, Kind.MAX, tariff=2)) == 0
    engine.command(0, BillingStop())
    engine.advance(START_S + 2001)
    assert engine.register(maximum) == 0
    engine.advance(START_S + 86_400)
    billing = engine.log(LogName.BILLING).rows(0, 0, 2)
    assert billing.time_s.tolist() == [START_S + 2000, START_S + 86_400]
    assert [column.tolist() for column in billing.columns[1:]] == [
        [2000, 2000],
        [START_S + 900, START_S + 2700],
        [2000, 4000],
        [1, 2],
    ]


def test_day_extremes_trip_counter_hours_threshold_and_pulses():
    engine = Engine(Config(step_s=60, power_threshold_w=99_000), Household(8), START_S)
    engine.command(0, SetPowerThreshold(500), START_S + 3600)
    engine.command(0, ResetTrip(), START_S + 7200)
    engine.command(0, CountPulses(3), START_S + 10)
    engine.advance(START_S + 7200)
    before = engine.register(WH)
    engine.advance(START_S + 2 * 86_400 + 120)
    analysis = engine.log(LogName.ANALYSIS)
    last_day = analysis.rows(0, analysis.count() - 96, analysis.count())
    means = last_day.columns[0].astype(int)
    for kind, index in ((Kind.MAX_24H, means.argmax()), (Kind.MIN_24H, means.argmin())):
        assert engine.register(Quantity(IMPORT, kind)) == means[index]
        time_kind = Kind.MAX_24H_TIME if kind is Kind.MAX_24H else Kind.MIN_24H_TIME
        assert engine.register(Quantity(IMPORT, time_kind)) in last_day.time_s[means == means[index]]
    all_means = analysis.rows(0, 4, analysis.count()).columns[0]
    assert engine.register(Quantity(Measurand.THRESHOLD_PERIODS, Kind.COUNT)) == (all_means > 500).sum()
    assert abs(engine.register(Quantity(IMPORT, Kind.TRIP)) - (engine.register(WH) - before)) <= 1
    assert engine.register(Quantity(Measurand.HOURS, Kind.COUNT)) == 48
    assert engine.register(Quantity(Measurand.PULSE_INPUT, Kind.COUNT)) == 3


def test_a_billing_row_due_in_an_outage_is_written_after_it():
    logs = profile_of(WH) | {LogName.BILLING_2: LogSpec((WH,), Every(1, Unit.DAYS), 9)}
    engine = constant_engine(logs=logs, step_s=60, normal_offset_s=0)
    engine.command(0, PowerFail(True), START_S + 86_000)
    engine.command(0, PowerFail(False), START_S + 90_000)
    engine.advance(START_S + 3 * 86_400)
    times = engine.log(LogName.BILLING_2).rows(0, 0, 3).time_s - START_S
    assert times.tolist() == [90_900, 2 * 86_400, 3 * 86_400]


def test_registers_roll_over():
    engine = constant_engine()
    engine.advance(START_S + 1234)
    assert engine.register(WH) == 1234
    assert engine.register(Quantity(IMPORT, Kind.ENERGY, rollover=1000)) == 234
    assert engine.register(Quantity(IMPORT, Kind.ENERGY, exponent=1)) == 123
    assert engine.register(Quantity(IMPORT, Kind.ENERGY, exponent=-3)) == 1_234_000


@pytest.mark.parametrize(("display", "rollover_kwh"), [(7, 10**7), (6, 10**6)])
@pytest.mark.parametrize("exponent", [0, 1, 3])
def test_registers_and_rows_begin_again_where_the_display_does(display, rollover_kwh, exponent):
    """Displays 7.0 and 6.1, just before and just after their end."""
    rollover = display_rollover(display, exponent)
    assert rollover == rollover_kwh * 1000 // 10**exponent
    register = Quantity(IMPORT, Kind.ENERGY, exponent=exponent, rollover=rollover)
    logs = {LogName.LOAD_PROFILE: LogSpec((register,), Every(900), 10)}
    engine = Engine(Config(logs=logs), Constant(4000.0), START_S)
    engine.tiles[0].energy.total[0, 0] = (rollover_kwh * 1000 - 3000) * 10**6
    engine.advance(START_S + 1800)
    before, after = engine.profile.rows(0, 0, 2).columns[0].tolist()
    assert (before, after) == (0, 3000 // 10**exponent)
    assert engine.profile.rows(0, 0, 2).columns[0].dtype == np.uint32
    assert engine.register(register) == after


@pytest.mark.parametrize("digits", [0, 10])
def test_displays_that_are_none(digits):
    with pytest.raises(EngineError, match="a display of"):
        display_rollover(digits)


def test_rows_hold_what_registers_without_an_end_show():
    """Five gigawatt-hours in watt-hours need 33 bits: the rows do not wrap, before, at or after the step."""
    logs = {LogName.LOAD_PROFILE: LogSpec((WH, Quantity(IMPORT, Kind.MEAN, exponent=-6)), Every(900), 10)}
    engine = Engine(Config(logs=logs), Constant(4000.0), START_S)
    engine.tiles[0].energy.total[0, 0] = ((1 << 32) - 3000) * 10**6
    engine.advance(START_S + 1800)
    energy, mean = engine.profile.rows(0, 0, 2).columns
    assert energy.tolist() == [1 << 32, (1 << 32) + 3000]
    assert mean.tolist() == [12_000 * 10**6] * 2
    _, rows = engine.profile.table(START_S, START_S + 1800)
    assert rows.columns[0].tolist() == energy.tolist()


@pytest.mark.parametrize(
    "quantity",
    [
        Quantity(IMPORT, Kind.TRIP, phase=1),
        Quantity(Measurand.REACTIVE_IMPORT, Kind.TRIP),
        Quantity(Measurand.VOLTAGE, Kind.ENERGY, phase=1),
        Quantity(Measurand.VOLTAGE, Kind.INSTANT),
        Quantity(Measurand.FREQUENCY, Kind.INSTANT, phase=1),
        Quantity(Measurand.FREQUENCY, Kind.MEAN),
        Quantity(Measurand.ACTIVE_NET, Kind.MAX),
        Quantity(Measurand.ACTIVE_EXPORT, Kind.MAX_24H),
        Quantity(IMPORT, Kind.COUNT),
        Quantity(IMPORT, Kind.ENERGY, phase=1, tariff=1),
    ],
    ids=str,
)
def test_registers_that_no_meter_has(quantity):
    with pytest.raises(EngineError):
        constant_engine().register(quantity)
    with pytest.raises(EngineError):
        constant_engine(logs=profile_of(quantity))


@pytest.mark.parametrize("meters", [1, 3])
@given(data=st.data())
def test_ring_equals_lists(meters, data):
    depth = data.draw(st.sampled_from([1, 5, 32, 40, 100]))
    ring = Ring(depth, meters, (np.uint32, np.int64))
    kept: list[list] = [[] for _ in range(meters)]
    written = [0] * meters
    for n in range(data.draw(st.integers(0, 120))):
        who = sorted(data.draw(st.sets(st.integers(0, meters - 1)))) if n % 7 == 0 else list(range(meters))
        if n % 31 == 30:
            ring.erase(np.array(who, np.int64))
            for meter in who:
                kept[meter].clear()
            continue
        times = np.array([n + (n % 5 == 0) * m for m in who], np.int64)
        # the last one does not fit into the 32 bits that the column begins with
        wide = (n == 119) << 32
        values = [np.array([wide + n * 10 + m for m in who], np.int64), np.array([-n for _ in who], np.int64)]
        ring.append(np.array(who, np.int64), times, np.full(len(who), n, np.uint32), values)
        for meter, time_s in zip(who, times.tolist(), strict=True):
            written[meter] += 1
            kept[meter] = [*kept[meter], (time_s, n, written[meter], wide + n * 10 + meter, -n)][-depth:]
    for meter in range(meters):
        rows = ring.rows(meter, 0, ring.count(meter))
        columns = (rows.time_s, rows.flags, rows.ids, *rows.columns)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == kept[meter]


def test_a_log_may_hold_instantaneous_values():
    columns = (Quantity(Measurand.ACTIVE_IMPORT, Kind.INSTANT), Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=1))
    household = Household(5)
    engine = Engine(Config(logs=profile_of(*columns)), household, START_S)
    engine.advance(START_S + 5000)
    rows = engine.profile.rows(0, 0, 5)
    last_w = household.block(START_S, START_S + 4500, 1, range(1)).active_w[:, 899::900].sum(axis=0)[:, 0]
    assert rows.columns[0].tolist() == [round(float(power_w)) for power_w in last_w]
