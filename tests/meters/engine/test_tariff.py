"""Tariff plans against a look at every minute, and in the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Config,
    Engine,
    EngineError,
    Kind,
    Measurand,
    Quantity,
    SetClockOffset,
    SetTariff,
    Switch,
    TariffPlan,
)
from meters.engine.tariff import WEEKDAYS, WEEKEND
from meters.scenario import Constant
from tests.meters.engine.reference import START_S

SWITCHES = st.builds(Switch, st.integers(0, 1439), st.integers(1, 8), st.integers(1, 127))
DAY_TARIFF = TariffPlan((Switch(0, 2), Switch(6 * 60, 1, WEEKDAYS), Switch(22 * 60, 2, WEEKDAYS)))


def by_minute(switches: list[Switch], moment: datetime) -> int:
    """Go back minute by minute to the last switch."""
    for _ in range(7 * 1440 + 1):
        here = [s for s in switches if s.minute == moment.hour * 60 + moment.minute and s.days >> moment.weekday() & 1]
        if here:
            return here[-1].tariff
        moment -= timedelta(minutes=1)
    raise AssertionError("a plan repeats every week")


@given(st.lists(SWITCHES, min_size=1, max_size=5), st.integers(1_700_000_000, 1_900_000_000))
def test_plan_equals_a_look_at_every_minute(switches, clock_s):
    plan, clock = TariffPlan(tuple(switches)), np.array([clock_s])
    now = int(plan.tariff(clock, 3600)[0])
    assert now == by_minute(switches, datetime.fromtimestamp(clock_s + 3600, UTC))
    change_s = int(plan.next_change(clock, 3600)[0])
    assert change_s > clock_s
    if change_s < clock_s + 8 * 86_400:
        assert (change_s + 3600) % 60 == 0
        assert int(plan.tariff(np.array([change_s]), 3600)[0]) != now
        between = np.arange(clock_s, change_s, 60)
        assert (plan.tariff(between, 3600) == now).all()
    else:
        assert (plan.tariff(clock_s + 60 * np.arange(7 * 1440), 3600) == now).all()


def test_engine_switches_by_the_meters_clock():
    """A week of 1 kW: 5 days of 16 hours in tariff 1; one meter's clock is an hour late from Monday noon on."""
    engine = Engine(Config(step_s=60, tariff_plan=DAY_TARIFF), Constant([1000.0, 0.0, 0.0]), START_S, 2)
    assert engine.tariff() == 2
    engine.advance(START_S + 7 * 86_400)
    kwh = [engine.register(Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY, tariff=t, exponent=3)) for t in (0, 1, 2)]
    assert kwh == [168, 80, 88]
    engine.command(1, SetClockOffset(-3600))
    engine.advance(engine.now_s + 5 * 3600 + 60)
    assert [engine.tariff(meter) for meter in (0, 1)] == [1, 2]
    engine.command(0, SetTariff(7))
    engine.advance(engine.now_s + 600)
    assert engine.tariff(0) == 7
    engine.advance(engine.now_s + 16 * 3600)
    assert engine.tariff(0) == 2


def test_nonsense_is_refused():
    assert TariffPlan((Switch(5, 3, WEEKEND),)).next_change(np.array([0]), 0)[0] > 1 << 60
    with pytest.raises(EngineError):
        Switch(1440, 1)
    with pytest.raises(EngineError):
        Switch(0, 9)
    with pytest.raises(EngineError):
        TariffPlan(())
