"""Sliding demand and pulses in the engine: worked examples, limits, what is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    BillingStop,
    Block,
    Config,
    Engine,
    EngineError,
    Every,
    Kind,
    LogName,
    LogSpec,
    Measurand,
    PulseOutput,
    Quantity,
    SetClockOffset,
    SetTariff,
    Sliding,
    Wiring,
    pulses,
)
from meters.engine.kamstrup import K162, K282, K382
from meters.engine.pulses import pulse_count
from tests.meters.engine.reference import START_S

LOGS = {LogName.LOAD_PROFILE: LogSpec((), Every(900), 50)}
IMPORT = Measurand.ACTIVE_IMPORT


@dataclass(frozen=True)
class Stairs:
    """One phase whose power is another one in every five minutes."""

    powers_w: tuple[float, ...]

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        index = (np.arange(start_s, stop_s, step_s) - START_S) // 300
        power = np.broadcast_to(np.array(self.powers_w)[index][None, :, None], (1, index.size, len(meters)))
        return Block.from_power(power, np.zeros_like(power), np.full(power.shape, 230.0))


def sliding(engine: Engine, kind: Kind, **which: int) -> int:
    return engine.register(Quantity(IMPORT, kind, **which))


def test_sliding_demand_finds_what_block_demand_misses():
    """A quarter hour of 3 kW that lies across two blocks; the second tariff begins in its middle."""
    config = Config(Wiring.ONE_PHASE, logs=LOGS, sliding=Sliding(3, 300))
    engine = Engine(config, Stairs((0.0, 3000.0, 3000.0, 3000.0, 0.0, 0.0)), START_S)
    engine.command(0, SetTariff(2), START_S + 1000)
    engine.advance(START_S + 450)
    assert sliding(engine, Kind.SLIDING) == 0
    assert sliding(engine, Kind.SLIDING_CURRENT) == 500
    engine.advance(START_S + 1800)
    assert sliding(engine, Kind.MAX) == 2000
    assert (sliding(engine, Kind.SLIDING_MAX), sliding(engine, Kind.SLIDING_MAX_TIME)) == (3000, START_S + 1200)
    assert (sliding(engine, Kind.SLIDING_MAX, tariff=1), sliding(engine, Kind.SLIDING_MAX, tariff=2)) == (2000, 3000)
    assert sliding(engine, Kind.SLIDING) == 1000
    engine.command(0, BillingStop())
    engine.advance(START_S + 1800)
    assert (sliding(engine, Kind.SLIDING_MAX), sliding(engine, Kind.SLIDING_MAX_TIME)) == (0, 0)
    assert sliding(engine, Kind.SLIDING) == 1000


def test_sliding_demand_in_a_log():
    columns = tuple(Quantity(IMPORT, kind) for kind in (Kind.SLIDING, Kind.SLIDING_MAX, Kind.SLIDING_MAX_TIME))
    logs = {LogName.LOAD_PROFILE: LogSpec(columns, Every(300), 50)}
    engine = Engine(Config(Wiring.ONE_PHASE, logs=logs, sliding=Sliding(2, 300)), Stairs((600.0, 0.0, 1200.0)), START_S)
    engine.advance(START_S + 900)
    last, highest, when = (column.tolist() for column in engine.profile.rows(0, 0, 3).columns)
    assert (last, highest, when) == ([300, 300, 600], [300, 300, 600], [START_S + s for s in (300, 300, 900)])


def test_a_set_clock_closes_the_running_period_early():
    config = Config(Wiring.ONE_PHASE, logs=LOGS, sliding=Sliding(1, 300))
    engine = Engine(config, Stairs((3000.0,) * 4), START_S)
    engine.command(0, SetClockOffset(60), START_S + 100)
    engine.command(0, SetClockOffset(600), START_S + 130)
    engine.advance(START_S + 130)
    assert (sliding(engine, Kind.SLIDING_MAX), sliding(engine, Kind.SLIDING_MAX_TIME)) == (1300, START_S + 300)
    engine.advance(START_S + 300)
    # ten minutes ahead: 170 s of the period are left
    assert sliding(engine, Kind.SLIDING) == 1700


@pytest.mark.parametrize(
    ("quantity", "said"),
    [
        (Quantity(Measurand.ACTIVE_NET, Kind.SLIDING), "no sliding demand"),
        (Quantity(IMPORT, Kind.SLIDING, tariff=1), "sum of all tariffs"),
        (Quantity(IMPORT, Kind.SLIDING_MAX, phase=1), "whole meter only"),
    ],
)
def test_what_sliding_demand_is_not_kept(quantity, said):
    engine = Engine(Config(Wiring.ONE_PHASE, logs=LOGS, sliding=Sliding(2, 900)), Stairs((0.0,)), START_S)
    with pytest.raises(EngineError, match=said):
        engine.register(quantity)
    with pytest.raises(EngineError, match="keeps no sliding demand"):
        Engine(Config(Wiring.ONE_PHASE, logs=LOGS), Stairs((0.0,)), START_S).register(Quantity(IMPORT, Kind.SLIDING))


@pytest.mark.parametrize(("periods", "period_s"), [(0, 900), (1, 0), (1, 7), (2, 7200)])
def test_periods_that_do_not_fill_hours(periods, period_s):
    with pytest.raises(EngineError, match="do not fill hours"):
        Sliding(periods, period_s)


def test_steps_must_fill_the_demand_periods():
    with pytest.raises(EngineError, match="does not divide a demand period"):
        Config(step_s=900, sliding=Sliding(3, 300))


@given(st.integers(0, 2**62), st.integers(1, 100_000))
def test_pulses_are_exact(energy_uwh, per_kwh):
    if energy_uwh // 10**9 * per_kwh < 2**63:
        assert pulse_count(np.array([energy_uwh]), per_kwh)[0] == floor(Fraction(energy_uwh * per_kwh, 10**9))


@given(st.lists(st.integers(0, 10**10), max_size=20))
def test_pulses_of_pieces_add_up(pieces):
    totals = np.cumsum([0, *pieces])
    counts = pulse_count(totals, 1000)
    assert np.diff(counts).sum() == totals[-1] // 10**6


def test_pulses_come_when_the_register_passes_them():
    """1.5 Wh are there; in ten seconds 3 Wh more come evenly."""
    before_uws = 1_500_000 * 3600
    times_s = PulseOutput().times(100, 10, before_uws, np.array([1_080_000_000]))
    assert times_s.tolist() == pytest.approx([100 + 10 / 6, 105, 110 - 10 / 6])
    assert PulseOutput().times(0, 1, 5, np.array([0, 0])).size == 0
    assert PulseOutput().times(0, 1, 5, np.array([], np.int64)).size == 0
    halved = PulseOutput(divisor=2).times(100, 10, before_uws, np.array([1_080_000_000]))
    assert halved.tolist() == pytest.approx([100 + 10 / 6, 110 - 10 / 6])


def test_outputs_of_an_engine():
    config = Config(Wiring.ONE_PHASE, logs=LOGS, outputs={"led": PulseOutput(), "s0": PulseOutput(divisor=10)})
    engine = Engine(config, Stairs((3600.0, 0.0, 7200.0, 0.0)), START_S)
    assert engine.pulse_times("led").size == 0
    engine.advance(START_S + 310)
    times_s = engine.pulse_times("led")
    assert times_s.tolist() == pytest.approx([START_S + second for second in range(1, 301)])
    assert (engine.pulses("led"), engine.pulses("s0")) == (300, 30)
    engine.advance(START_S + 900)
    assert np.diff(engine.pulse_times("led")).tolist() == pytest.approx([0.5] * 599)
    assert engine.pulse_times("led").size == 0
    with pytest.raises(EngineError, match="no output 'x'"):
        engine.pulses("x")
    with pytest.raises(EngineError, match="no output 'x'"):
        engine.pulse_times("x")


def test_pulses_that_come_too_fast_are_refused():
    """60 kW are 16.7 pulses a second: what 30 ms and 30 ms allow.  The gap between two readings counts too."""
    config = Config(Wiring.ONE_PHASE, logs=LOGS, outputs={"led": PulseOutput()})
    for power_w, bad in ((59_900.0, False), (61_000.0, True)):
        engine = Engine(config, Stairs((power_w,)), START_S)
        engine.pulse_times("led")
        engine.advance(START_S + 10)
        if bad:
            with pytest.raises(EngineError, match=r"59\.0 ms after the one before: the output needs 60 ms"):
                engine.pulse_times("led")
        else:
            assert engine.pulse_times("led").size == 166


def test_pulses_that_nobody_takes_are_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(pulses, "MOST_PULSES", 100)
    config = Config(Wiring.ONE_PHASE, logs=LOGS, outputs={"led": PulseOutput()})
    engine = Engine(config, Stairs((3600.0,)), START_S)
    engine.pulse_times("led")
    for second in range(10, 300, 10):
        engine.advance(START_S + second)
    assert sum(part.size for part in engine.tiles[0].watches["led", 0].parts) <= 110
    with pytest.raises(EngineError, match="at most 100 are kept"):
        engine.pulse_times("led")
    engine.advance(START_S + 300)
    assert engine.pulse_times("led").size == 10


def test_outputs_must_follow_the_largest_load():
    assert PulseOutput().highest_w == pytest.approx(60_000)
    assert PulseOutput(on_ms=80, off_ms=80).highest_w == pytest.approx(22_500)
    assert K382.highest_w == pytest.approx(58_650)
    assert K282.highest_w == pytest.approx(33_861.6, abs=0.1)
    large = {"control": None, "features": frozenset(), "max_current_a": 105.0}
    with pytest.raises(EngineError, match="output led can follow up to 60000 W, the meter measures 72450 W"):
        replace(K382, **large)
    assert replace(K382, **large, outputs={"s0": PulseOutput(divisor=2)}).highest_w == pytest.approx(72_450)
    with pytest.raises(EngineError, match="22500 W"):
        replace(K382, outputs={"module": PulseOutput(on_ms=80, off_ms=80)})
    assert replace(K162, outputs={"module": PulseOutput(on_ms=80, off_ms=80)}).highest_w < 22_500


@pytest.mark.parametrize(
    "wrong",
    [
        {"measurand": Measurand.ACTIVE_NET},
        {"measurand": Measurand.VOLTAGE},
        {"per_kwh": 0},
        {"divisor": 0},
        {"divisor": 1001},
        {"on_ms": 0},
    ],
)
def test_what_no_output_gives(wrong):
    with pytest.raises(EngineError):
        PulseOutput(**wrong)
    with pytest.raises(EngineError):
        pulse_count(np.array([1]), 0)
