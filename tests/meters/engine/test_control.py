"""Breaker, limiter, over-voltage, neutral fault, prepayment: in the engine, and the limiter against a loop."""

from __future__ import annotations

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
    Kind,
    Logger,
    LogName,
    LogSpec,
    Measurand,
    MoveBreaker,
    Quantity,
    SetControl,
    TopUp,
    tile,
)
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
    engine.advance(START_S + 1310)
    assert engine.breaker() is BreakerState.CONNECTED
    assert engine.credit_wh() in (1991, 1992)
    weekend = engine_of(Constant(1000.0), ControlSettings(prepayment=True, working_days=0b111_0111))
    weekend.advance(START_S + 20 * 3600)
    assert weekend.breaker() is BreakerState.CONNECTED
    assert weekend.credit_wh() == 0
    weekend.advance(START_S + 24 * 3600)
    assert breaker_events(weekend) == [(23 * 3600, BreakerState.PREPAYMENT)]


def test_meters_without_a_breaker_say_so():
    engine = Engine(Config(), Constant(), START_S)
    with pytest.raises(EngineError, match="no breaker"):
        engine.command(0, MoveBreaker(BreakerState.DISCONNECTED))
    with pytest.raises(EngineError, match="no breaker"):
        engine.breaker()
    with pytest.raises(EngineError, match="not below"):
        ControlSettings(over_voltage_v=260.0)
    with pytest.raises(EngineError, match="takes away"):
        TopUp(-1)
    with pytest.raises(EngineError, match="negative"):
        ControlSettings(limit=-1.0)
