"""Breaker, limiter, over-voltage, neutral fault, prepayment: in the engine, and the limiter against a loop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    BreakerState,
    Config,
    ControlSettings,
    Engine,
    EngineError,
    EventKind,
    Every,
    Feature,
    Input,
    Kind,
    Logger,
    LogName,
    LogSpec,
    Measurand,
    MoveBreaker,
    Quantity,
    SetControl,
    SetInput,
    SetTariff,
    TopUp,
    VoltageLimits,
    tile,
)
from meters.engine.kamstrup import K382, K382_DIN
from meters.scenario import Constant, Fault, FaultKind, Faults
from tests.meters.engine.reference import START_S, Table

MICRO_IMPORT = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY, exponent=-6)
LOGS = {LogName.LOAD_PROFILE: LogSpec((MICRO_IMPORT,), Every(900), 50)}


def engine_of(source, settings: ControlSettings, meters: int = 1, **more) -> Engine:
    return Engine(Config(control=settings, logs=LOGS, **more), source, START_S, meters)


def breaker_events(engine: Engine, meter: int = 0) -> list[tuple[int, int]]:
    lines = engine.events(Logger.CUT_OFF, meter)
    return [(event.time_s - START_S, event.value) for event in lines if event.kind is EventKind.BREAKER]


def loop(currents: list[float], settings: ControlSettings) -> list[tuple[int, int]]:
    """The limiter of one meter, second by second: (time, new state)."""
    state, runs, wait, found = BreakerState.CONNECTED, [0, 0, 0], 0, []
    for second, current in enumerate(currents, 1):
        if state is BreakerState.CONNECTED:
            for step, factor in enumerate(settings.factors):
                runs[step] = runs[step] + 1 if current > settings.limit * factor else 0
            if any(run == max(1, t) for run, t in zip(runs, settings.step_times_s(), strict=True)):
                if settings.log_only:
                    found.append((second, BreakerState.LOG_ONLY))
                else:
                    state, wait = BreakerState.CUT_OFF, 0
                    found.append((second, state))
        elif state is BreakerState.CUT_OFF:
            wait += 1
            if wait == settings.connect_wait_s:
                state = BreakerState.CONNECTED if settings.automatic else BreakerState.WAITING
                runs = [0, 0, 0]
                found.append((second, state))
    return found


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 15)), min_size=1, max_size=20),
    st.tuples(st.integers(0, 4), st.integers(4, 8), st.integers(8, 20)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.integers(1, 4000),
)
def test_limiter_equals_a_loop(runs, times_s, additive, automatic, log_only, cells):
    settings = ControlSettings(
        limit=5.0,
        factors=(2.0, 1.5, 1.0),
        times_s=times_s,
        additive=additive,
        automatic=automatic,
        log_only=log_only,
        connect_wait_s=7,
    )
    currents = np.array([float(level) for level, length in runs for _ in range(length)])
    current_a = np.zeros((3, currents.size, 2))
    current_a[1, :, 0] = currents
    table = Table(current_a * 230.0, np.zeros_like(current_a), np.full_like(current_a, 230.0), current_a)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tile, "WINDOW_CELLS", cells)
        engine = engine_of(table, settings, meters=2)
        engine.advance(START_S + currents.size)
        expected = loop(currents.tolist(), settings)
        assert breaker_events(engine) == expected
        assert breaker_events(engine, 1) == []
        closed, energy_ws = True, 0.0
        moves = {second: state for second, state in expected if state is not BreakerState.LOG_ONLY}
        for second, current in enumerate(currents.tolist(), 1):
            energy_ws += 230.0 * current * closed
            closed = moves.get(second, BreakerState.CONNECTED if closed else None) is BreakerState.CONNECTED
        assert engine.register(MICRO_IMPORT) == round(energy_ws * 1e6) // 3600


def test_limiter_on_power_and_new_settings():
    engine = engine_of(Constant(2000.0), ControlSettings())
    engine.advance(START_S + 100)
    engine.command(0, SetControl(ControlSettings(limit=5900.0, by_power=True, times_s=(5, 10, 20))))
    engine.advance(START_S + 104)
    assert engine.breaker() is BreakerState.CONNECTED
    engine.advance(START_S + 106)
    assert engine.breaker() is BreakerState.CUT_OFF
    assert engine.control_settings().by_power
    assert engine.register(Quantity(Measurand.CURRENT, Kind.INSTANT, phase=1)) == 0
    assert engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=1)) == 230


def test_breaker_obeys_only_in_the_right_order():
    engine = engine_of(Constant(1000.0), ControlSettings())
    for state, expected in [
        (BreakerState.CONNECTED, BreakerState.CONNECTED),
        (BreakerState.WAITING, BreakerState.CONNECTED),
        (BreakerState.DISCONNECTED, BreakerState.DISCONNECTED),
        (BreakerState.CONNECTED, BreakerState.DISCONNECTED),
        (BreakerState.WAITING, BreakerState.WAITING),
        (BreakerState.CONNECTED, BreakerState.CONNECTED),
        (BreakerState.BUTTON, BreakerState.BUTTON),
        (BreakerState.WAITING, BreakerState.WAITING),
    ]:
        engine.command(0, MoveBreaker(state))
        engine.advance(engine.now_s + 10)
        assert engine.breaker() is expected
    assert [value for _, value in breaker_events(engine)] == [1, 8, 4, 11, 8]
    assert engine.register(MICRO_IMPORT) == 3 * 10**9 * 30 // 3600


def test_over_voltage_opens_and_closes_by_itself():
    faults = (Fault(FaultKind.SAG, START_S + 100, START_S + 200, phase=2, level=1.25),)
    source = Faults(Constant(1000.0), faults)
    engine = engine_of(source, ControlSettings(over_voltage_v=285.0, over_voltage_s=2))
    engine.advance(START_S + 600)
    assert breaker_events(engine) == [(102, BreakerState.OVER_VOLTAGE), (260, BreakerState.CONNECTED)]


def test_neutral_fault_opens_for_good():
    faults = (
        Fault(FaultKind.SAG, START_S + 10, START_S + 400, phase=1, level=0.8),
        Fault(FaultKind.SAG, START_S + 10, START_S + 400, phase=2, level=1.15),
        Fault(FaultKind.SAG, START_S + 10, START_S + 400, phase=3, level=1.15),
    )
    engine = engine_of(Faults(Constant(1000.0), faults), ControlSettings(neutral_fault=True))
    engine.advance(START_S + 900)
    assert breaker_events(engine) == [(70, BreakerState.NEUTRAL_FAULT)]
    assert [event.kind for event in engine.events(Logger.NEUTRAL)] == [EventKind.NEUTRAL_FAULT]


def test_prepayment_counts_down_and_waits_for_a_working_day():
    """START_S is a Thursday, which ends at 23:00 UTC; a kilowatt-hour lasts a third of an hour."""
    engine = engine_of(Constant(1000.0), ControlSettings(prepayment=True, automatic=True))
    engine.command(0, TopUp(1000))
    engine.advance(START_S + 600)
    assert engine.credit_wh() == 500
    engine.advance(START_S + 1300)
    assert engine.breaker() is BreakerState.PREPAYMENT
    assert breaker_events(engine) == [(1200, BreakerState.PREPAYMENT)]
    engine.command(0, TopUp(2000))
    engine.advance(START_S + 1312)
    assert engine.breaker() is BreakerState.CONNECTED
    assert engine.credit_wh() == 1990
    weekend = engine_of(Constant(1000.0), ControlSettings(prepayment=True, working_days=0b111_0111))
    weekend.advance(START_S + 20 * 3600)
    assert weekend.breaker() is BreakerState.CONNECTED
    assert weekend.credit_wh() == -60_000
    weekend.advance(START_S + 24 * 3600)
    assert breaker_events(weekend) == [(23 * 3600, BreakerState.PREPAYMENT)]


def test_what_was_used_beyond_the_credit_is_owed():
    engine = engine_of(Constant(1000.0), ControlSettings(prepayment=True, working_days=0b111_0111, automatic=True))
    engine.advance(START_S + 3600)
    assert engine.credit_wh() == -3000
    engine.command(0, TopUp(2000))
    assert engine.advance(START_S + 7200) is None
    assert engine.credit_wh() == -4000
    engine.advance(START_S + 24 * 3600)
    owed_wh = -engine.credit_wh()
    assert owed_wh == 23 * 3000 - 2000
    engine.command(0, TopUp(owed_wh))
    engine.advance(START_S + 24 * 3600 + 10)
    assert engine.breaker() is BreakerState.PREPAYMENT
    engine.command(0, TopUp(1))
    engine.advance(START_S + 24 * 3600 + 20)
    assert (24 * 3600 + 10, BreakerState.CONNECTED) in breaker_events(engine)


def test_credit_is_cut_in_the_very_step_in_which_it_is_used_up():
    """Seven steps are 5 micro-watt-seconds more than the watt-hour; the remainder of the register counts."""
    for cuts in ((3, 10), (10,), range(1, 11)):
        engine = engine_of(Constant([514.285715, 0.0, 0.0]), ControlSettings(prepayment=True))
        engine.command(0, TopUp(1))
        for cut in cuts:
            engine.advance(START_S + cut)
        assert breaker_events(engine) == [(7, BreakerState.PREPAYMENT)]
        assert engine.register(MICRO_IMPORT) == 1_000_000


def test_credit_counts_all_tariffs_and_only_while_prepayment_is_on():
    engine = engine_of(Constant(1000.0), ControlSettings())
    engine.command(0, TopUp(500))
    engine.command(0, SetTariff(3), START_S + 3700)
    engine.advance(START_S + 3600)
    assert engine.credit_wh() == 500
    engine.command(0, SetControl(ControlSettings(prepayment=True)))
    engine.advance(START_S + 3840)
    assert engine.credit_wh() == 300
    engine.command(0, SetControl(ControlSettings()))
    engine.advance(START_S + 7200)
    assert engine.credit_wh() == 300
    engine.command(0, SetControl(ControlSettings(prepayment=True)))
    engine.advance(START_S + 9000)
    assert breaker_events(engine) == [(7560, BreakerState.PREPAYMENT)]


def test_what_comes_after_the_credit_is_seen_once():
    """A sag behind the step in which a window is cut, that lasts beyond the window, must not be seen before its time."""
    source = Faults(Constant(1000.0), (Fault(FaultKind.SAG, START_S + 150, START_S + 2000, level=0.85),))
    lines = []
    for settings in (ControlSettings(prepayment=True), ControlSettings()):
        engine = engine_of(source, settings, voltage=VoltageLimits(level_hold_s=60))
        engine.command(0, TopUp(100))
        engine.advance(START_S + 900)
        lines.append(engine.events(Logger.VOLTAGE))
        assert breaker_events(engine) == ([(120, BreakerState.PREPAYMENT)] if settings.prepayment else [])
    assert lines[0] == lines[1] != []


def test_meters_without_a_breaker_say_so():
    engine = Engine(Config(), Constant(), START_S)
    with pytest.raises(EngineError, match="no breaker"):
        engine.command(0, MoveBreaker(BreakerState.DISCONNECTED))
    with pytest.raises(EngineError, match="no breaker"):
        engine.breaker()
    with pytest.raises(EngineError, match="not below"):
        ControlSettings(over_voltage_v=260.0)
    for energy_wh in (-1, 10**11):
        with pytest.raises(EngineError, match="a top-up of"):
            TopUp(energy_wh)
    with pytest.raises(EngineError, match="negative"):
        ControlSettings(limit=-1.0)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"times_s": (31, 30, 30)}, "t1 <= t2 <= t3"),
        ({"times_s": (1, 30, 29)}, "t1 <= t2 <= t3"),
        ({"factors": (1.0, 1.1, 1.0)}, "k1 >= k2 >= k3"),
        ({"factors": (2.0, 1.0, 1.5)}, "k1 >= k2 >= k3"),
        ({"working_days": 128}, "a set of seven"),
    ],
)
def test_steps_of_the_limiter_are_in_order(settings, said):
    with pytest.raises(EngineError, match=said):
        ControlSettings(**settings)


def test_meters_without_a_feature_refuse_what_needs_it():
    with pytest.raises(EngineError, match="no breaker"):
        Config(control=ControlSettings(), features=frozenset({Feature.PREPAYMENT}))
    plain = Config(control=ControlSettings(), logs=LOGS, features=frozenset({Feature.BREAKER}))
    with pytest.raises(EngineError, match="no prepayment"):
        replace(plain, control=ControlSettings(prepayment=True))
    engine = Engine(plain, Constant(), START_S)
    for command, said in (
        (SetControl(ControlSettings(prepayment=True)), "no prepayment"),
        (TopUp(1), "no prepayment"),
        (SetInput(Input.COVER, True), "no tamper"),
    ):
        with pytest.raises(EngineError, match=said):
            engine.command(0, command)
    engine.command(0, SetInput(Input.ALARM, True))


def test_a_382_din_notices_no_magnet():
    faults = (
        Fault(FaultKind.MAGNET, START_S + 50, START_S + 60),
        Fault(FaultKind.SAG, START_S + 10, START_S + 400, phase=2, level=1.25),
    )
    for config, expected in ((K382, [EventKind.MAGNET]), (K382_DIN, [])):
        engine = Engine(config, Faults(Constant(1000.0), faults), START_S)
        engine.advance(START_S + 900)
        assert [event.kind for event in engine.events(Logger.STATUS) if event.active] == expected
    with pytest.raises(EngineError, match="no breaker"):
        engine.command(0, MoveBreaker(BreakerState.DISCONNECTED))
