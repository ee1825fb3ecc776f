"""A meter by the names of its model, over a real socket."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

import meters
from dlms.errors import AccessError, LocalProtocolError
from dlms.operations.profiles import Entries
from dlms.reading import Reading
from dlms.units import Unit
from meters.kamstrup.breaker import BreakerState
from meters.scenario import Constant

START = datetime.datetime(2026, 1, 14, 23, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def running() -> Iterator[meters.Running]:
    with meters.run(scenario=Constant(active_w=1000.0), start=START, history_days=0.5, speed=0) as found:
        yield found


@pytest.fixture
def meter(running: meters.Running) -> Iterator[meters.MeterView]:
    with meters.connect("kamstrup-382", running.url) as found:
        yield found


def test_registers(meter: meters.MeterView) -> None:
    assert meter.energy.active_import == Reading(3600, 1, Unit.WATT_HOUR)
    assert meter["energy.active_import.t1"] == meter.energy.active_import
    assert meter.voltage.l2 == Reading(230, 0, Unit.VOLT)
    assert meter.maximum.active_import == Reading(3000, 0, Unit.WATT)
    assert meter.identity.serial_number == 12345678
    assert meter.clock.naive() == datetime.datetime(2026, 1, 15)


def test_loggers(meter: meters.MeterView) -> None:
    hour = meter.load_profile(datetime.datetime(2026, 1, 14, 22), datetime.datetime(2026, 1, 14, 23))
    assert [row[4] for row in hour.rows()] == [3000, 3075, 3150, 3225, 3300]
    assert len(meter.profile("load_profile", entries=Entries(0, 9))) == 10
    assert len(meter.events("voltage-quality")) == 0
    assert len(meter["billing_2"]) == 1


def test_commands_and_writes(meter: meters.MeterView) -> None:
    meter.disconnect()
    assert meter.breaker.state == BreakerState.DISCONNECTED
    with pytest.raises(AccessError):
        meter.reconnect()
    meter.command("release")
    meter.reconnect()
    assert meter.breaker.state == BreakerState.CONNECTED
    assert [row[1] for row in meter.events("cut-off").rows()] == [1, 8, 4]
    meter.write("tariff.active", 2)
    assert meter.tariff.active == 2
    with pytest.raises(LocalProtocolError):
        meter.write("tariff.active", 256)


def test_names_that_are_none(meter: meters.MeterView) -> None:
    with pytest.raises(LookupError):
        meter["energy.active"]
    with pytest.raises(AttributeError, match=r"energy\.active'"):
        _ = meter.energy.active
    with pytest.raises(AttributeError):
        _ = meter.colour
    with pytest.raises(LookupError, match="no logger"):
        meter.profile("clock")
    with pytest.raises(LookupError, match="disconnect"):
        meter.command("dance")


def test_names_are_listed(meter: meters.MeterView) -> None:
    assert {"energy", "clock", "disconnect", "load_profile"} <= set(dir(meter))
    assert {"l1", "l2", "l3"} == set(dir(meter.voltage))
