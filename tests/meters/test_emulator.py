"""What a write does to a virtual meter, and what only it sees of it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from dlms.cosem_time import DateTime
from dlms.enums import AccessResult
from dlms.errors import AccessError, AssociationRefused
from dlms.ic import AssociationLn, Clock, ExtendedRegister, IecHdlcSetup, ProfileGeneric, Register
from dlms.interface import AttributeRef
from dlms.types import DoubleLongUnsigned, LongUnsigned, Unsigned
from meters.emulator import Emulator
from meters.engine import BillingStop, BreakerState, Input, PhaseOutage, SetInput
from meters.kamstrup.events import EventStatusA, EventStatusB, MeterStatus
from meters.kamstrup.k382 import MODEL
from meters.scenario import Constant as Load
from meters.scenario import Fault, FaultKind, Faults
from tests.meters.wired import WINTER, Line, emulator

CLOCK = Clock("0.1.1.0.0.255")
ENERGY = Register("1.1.1.8.0.255").value


def value(key: str) -> AttributeRef[Any]:
    """The value of the object of that name."""
    return MODEL[key].attribute_ref(2)


def refused(line: Line, ref: AttributeRef[Any], written: Any) -> int:
    """The result with which a write is refused."""
    with pytest.raises(AccessError) as refusal:
        line.set(ref, written)
    return refusal.value.result


def test_energy_is_counted_in_ten_watt_hours() -> None:
    assert Line(emulator(days=1)).get(ENERGY) == 3 * 24 * 100


def test_a_setting_is_read_back_and_belongs_to_one_meter() -> None:
    meters = emulator(count=2)
    one, other = Line(meters, physical=32), Line(meters, physical=33)
    one.set(value("identity.special_data"), DoubleLongUnsigned(77))
    assert (one.get(value("identity.special_data")), other.get(value("identity.special_data"))) == (77, 0)
    assert list(meters.overlay) == [0]
    assert other.get(value("identity.serial_number")) == one.get(value("identity.serial_number")) + 1


def test_many_meters_share_one_table() -> None:
    meters = emulator(count=300, days=0)
    devices = meters.devices()
    assert len({id(device.associations[19, 16].objects) for device in devices.values()}) == 1
    assert not meters.overlay


def test_types_and_ranges_are_checked() -> None:
    line = Line(emulator(days=0))
    assert refused(line, value("identity.special_data"), LongUnsigned(1)) == AccessResult.TYPE_UNMATCHED
    assert refused(line, value("identity.meter_number_low"), "text") == AccessResult.TYPE_UNMATCHED
    assert refused(line, value("status.operation"), Unsigned(6)) == AccessResult.OTHER_REASON
    assert refused(line, value("billing.interval_2"), Unsigned(1)) == AccessResult.OTHER_REASON
    assert refused(line, IecHdlcSetup("0.0.22.0.0.255").window_size_transmit, 9) == AccessResult.OTHER_REASON
    assert refused(line, ENERGY, DoubleLongUnsigned(0)) == AccessResult.READ_WRITE_DENIED


def test_the_clock_is_set() -> None:
    meters = emulator()
    line = Line(meters)
    line.set(CLOCK.time, datetime.datetime(2026, 1, 15, 12, 30))
    assert DateTime(line.get(CLOCK.time)).naive() == datetime.datetime(2026, 1, 15, 12, 30)
    assert meters.engine.clock_s(0) - WINTER == 12 * 3600 + 1800
    assert line.get(ProfileGeneric("1.1.99.98.3.255").entries_in_use) == 1
    ((time, before, state),) = line.get(ProfileGeneric("1.1.99.98.3.255").buffer)
    assert (time[5:7].hex(), before[5:7].hex(), state) == ("0c1e", "0000", 1)
    assert line.get(value("status.events_a")) & EventStatusA.CLOCK_ADJUSTED


def test_the_documented_clock() -> None:
    """All attributes as the protocol description prints them for one moment of 2013."""
    moment = int(datetime.datetime(2013, 10, 9, 19, 19, 46, tzinfo=datetime.UTC).timestamp())
    line = Line(emulator(end_s=moment, days=0))
    assert line.get(CLOCK.time).hex() == "07dd0a090315132eff800080"
    assert (line.get(CLOCK.status), line.get(CLOCK.daylight_savings_deviation), line.get(CLOCK.clock_base)) == (
        128,
        60,
        1,
    )
    assert line.get(CLOCK.daylight_savings_begin).hex() == "07dd031f07020000ff800000"
    assert line.get(CLOCK.daylight_savings_end).hex() == "07dd0a1b07030000ff800080"


def test_the_hdlc_setup_tells_each_meter_its_address() -> None:
    meters, setup = emulator(days=0, count=2), IecHdlcSetup("0.0.22.0.0.255")
    found = [Line(meters, physical=32 + index).get(setup.device_address) for index in range(2)]
    assert found == [32, 33]
    line = Line(meters, physical=32)
    assert [line.get(setup.attribute_ref(index)) for index in range(2, 9)] == [5, 1, 1, 512, 128, 500, 20]


def test_a_clock_without_daylight_saving() -> None:
    summer = int(datetime.datetime(2026, 7, 1, 10, tzinfo=datetime.UTC).timestamp())
    line = Line(emulator(end_s=summer, days=0.25))
    assert (DateTime(line.get(CLOCK.time)).hour, line.get(CLOCK.status)) == (12, 0x80)
    line.set(CLOCK.daylight_savings_enabled, False)
    assert (DateTime(line.get(CLOCK.time)).hour, line.get(CLOCK.status)) == (11, 0)


@pytest.mark.parametrize("wrong", ["07eaffffff0c0000ff800000", "07ea020301200000ff800000", "07000101ff000000ff800000"])
def test_a_clock_cannot_be_set_to_nonsense(wrong: str) -> None:
    line = Line(emulator(days=0))
    assert refused(line, CLOCK.time, bytes.fromhex(wrong)) == AccessResult.OTHER_REASON
    assert DateTime(line.get(CLOCK.time)).naive() == datetime.datetime(2026, 1, 15)


def test_the_tariff_is_forced() -> None:
    meters = emulator(days=0)
    line = Line(meters)
    line.set(value("tariff.active"), Unsigned(3))
    meters.advance_to(WINTER + 3600)
    assert line.get(value("tariff.active")) == 3
    assert line.get(value("energy.active_import.t3")) == line.get(value("energy.active_import")) == 300
    assert line.get(value("energy.active_import.t1")) == 0
    assert refused(line, value("tariff.active"), Unsigned(9)) == AccessResult.OTHER_REASON


def test_a_billing_stop() -> None:
    line = Line(emulator(days=0.5))
    before = line.get(value("maximum.active_import"))
    line.set(value("billing.stop"), Unsigned(1))
    assert line.get(value("billing.periods")) == 1
    assert (before, line.get(value("maximum.active_import"))) == (3000, 0)
    assert line.get(value("maximum.active_import.cumulative")) == 3000
    (row,) = line.get(ProfileGeneric("1.1.98.1.0.255").buffer)
    columns = [str(column.obis) for column in MODEL.columns(MODEL.by_key["billing"])]  # type: ignore[arg-type]
    assert row[columns.index("1.1.1.6.0.255")] == 3000
    assert line.get(ExtendedRegister("1.1.1.6.0.255").capture_time) == bytes.fromhex("ffffffffffffffffff8000ff")


def test_the_capture_method_is_a_billing_stop_where_action_is_granted() -> None:
    """The published exchanges grant no ACTION, so it is called as the server would."""
    meters = emulator(days=0)
    method = ProfileGeneric("1.1.98.1.0.255").method_ref(2)
    device = meters.device(0)
    assert device.associations[18, 16].objects[7, method.instance].rights.methods == {2}
    assert not device.associations[16, 1].objects.get((7, method.instance))
    meters.meter(0).call(method, None)
    assert Line(meters).get(value("billing.periods")) == 1
    with pytest.raises(AccessError):
        meters.meter(0).call(ProfileGeneric("1.1.99.1.0.255").method_ref(2), None)


def test_the_capture_period_erases_the_load_profile() -> None:
    meters = emulator()
    line, profile = Line(meters), ProfileGeneric("1.1.99.1.0.255")
    assert (line.get(profile.capture_period), line.get(profile.entries_in_use)) == (900, 96)
    assert refused(line, profile.capture_period, 60) == AccessResult.OTHER_REASON
    line.set(profile.capture_period, 3600)
    assert (line.get(profile.capture_period), line.get(profile.entries_in_use)) == (3600, 0)
    assert [row[1] for row in line.get(ProfileGeneric("1.1.99.98.10.255").buffer)] == [5]
    meters.advance_to(WINTER + 7200)
    first, second = line.get(profile.buffer)
    assert (first[1], second[1]) == (1 << 8, 0)


def test_the_threshold_counts_periods() -> None:
    meters = emulator(days=0)
    line = Line(meters)
    line.set(Register("1.1.96.51.1.255").value, DoubleLongUnsigned(2000))
    meters.advance_to(WINTER + 1800)
    assert line.get(value("threshold.power_count")) == 2
    assert line.get(Register("1.1.96.51.1.255").value) == 2000


def test_pulses_are_set() -> None:
    line = Line(emulator(days=0))
    for count in (1000, 10):
        line.set(value("module_port.pulses"), DoubleLongUnsigned(count))
        assert line.get(value("module_port.pulses")) == count


def test_the_breaker_opens_and_closes() -> None:
    meters = emulator(days=0)
    line, state = Line(meters), value("breaker.state")
    assert refused(line, state, Unsigned(3)) == AccessResult.TEMPORARY_FAILURE
    line.set(state, Unsigned(1))
    meters.advance_to(WINTER + 3600)
    assert (line.get(state), line.get(value("breaker.feedback"))) == (BreakerState.DISCONNECTED, 0b111000)
    assert (line.get(ENERGY), line.get(value("voltage.l1"))) == (0, 230)
    line.set(state, Unsigned(2))
    assert line.get(state) == BreakerState.WAITING
    line.set(state, Unsigned(3))
    meters.advance_to(WINTER + 7200)
    assert (line.get(state), line.get(value("breaker.feedback"))) == (BreakerState.CONNECTED, 0b111111)
    assert line.get(ENERGY) == 300
    rows = line.get(ProfileGeneric("1.1.99.98.5.255").buffer)
    assert [row[1] for row in rows] == [1, 8, 4]
    assert refused(line, state, Unsigned(2)) == AccessResult.TEMPORARY_FAILURE


def test_automatic_reconnection() -> None:
    line = Line(emulator(days=0))
    line.set(value("breaker.reconnection"), Unsigned(1))
    line.set(value("breaker.state"), Unsigned(1))
    line.set(value("breaker.state"), Unsigned(2))
    assert line.get(value("breaker.state")) == BreakerState.CONNECTED


def test_one_breaker_leaves_the_other_meters_alone() -> None:
    meters = emulator(days=0, count=3)
    lines = [Line(meters, physical=32 + index) for index in range(3)]
    lines[1].set(value("breaker.state"), Unsigned(1))
    meters.advance_to(WINTER + 3600)
    assert [line.get(ENERGY) for line in lines] == [300, 0, 300]


def test_a_changed_password_holds_for_the_device() -> None:
    meters = emulator(days=0)
    devices = meters.devices()
    Line(meters, devices=devices).set(AssociationLn("0.0.40.0.0.255").secret, b"abcde")
    with pytest.raises(AssociationRefused):
        Line(meters, devices=devices)
    assert Line(meters, devices=devices, password=b"abcde").get(value("tariff.active")) == 1
    assert Line(meters, "CCC", devices=devices).get(value("tariff.active")) == 1


def test_status_and_events_follow_the_engine() -> None:
    source = Faults(Load(active_w=500.0), (Fault(FaultKind.PHASE_LOSS, WINTER - 7200, WINTER - 3600, phase=2),))
    meters = emulator(source=source)
    line = Line(meters)
    rows = line.get(ProfileGeneric("1.1.99.98.4.255").buffer)
    assert [tuple(map(int, row[1:3])) for row in rows] == [(2, 4), (2, 5)]
    assert line.get(value("status.events_b")) == 0
    meters.engine.command(0, PhaseOutage(3, True))
    meters.engine.command(0, SetInput(Input.MAGNET, True))
    meters.advance_to(WINTER + 60)
    wanted = EventStatusB.MISSING_PHASE_L3 | EventStatusB.NO_CURRENT_L3 | EventStatusB.MAGNETIC_FIELD
    assert line.get(value("status.events_b")) == wanted
    assert line.get(value("status.meter")) == MeterStatus.MAGNETIC_FIELD
    assert line.get(value("status.events_a")) & EventStatusA.SUPPLY_QUALITY_LOG_READY
    assert [row[1] for row in line.get(ProfileGeneric("1.1.99.98.2.255").buffer)] == [MeterStatus.MAGNETIC_FIELD]


def test_time_follows_the_server_at_its_speed() -> None:
    meters = Emulator(MODEL, Load(active_w=1000.0), WINTER, speed=3600.0)
    store = meters.meter(0)
    for now, hours in ((100.0, 0), (101.0, 1), (100.5, 1), (103.0, 3)):
        store.advance(now)
        assert meters.engine.now_s - WINTER == hours * 3600
    assert store.get(ENERGY) == 900


def test_orders_act_at_once_and_the_clock_is_fine_also_in_coarse_steps() -> None:
    meters = emulator(days=0, step_s=60)
    meters.advance_to(WINTER + 90)
    line = Line(meters)
    assert DateTime(line.get(CLOCK.time)).naive() == datetime.datetime(2026, 1, 15, 0, 1, 30)
    line.set(value("tariff.active"), Unsigned(2))
    line.set(value("breaker.state"), Unsigned(1))
    assert (line.get(value("tariff.active")), line.get(value("breaker.state"))) == (2, BreakerState.DISCONNECTED)
    line.set(CLOCK.time, datetime.datetime(2026, 1, 15, 12, 0, 7))
    assert DateTime(line.get(CLOCK.time)).naive() == datetime.datetime(2026, 1, 15, 12, 0, 7)
    meters.advance_to(WINTER + 95)
    assert DateTime(line.get(CLOCK.time)).second == 12


def test_numbers_without_a_meter() -> None:
    with pytest.raises(IndexError):
        emulator(days=0).meter(1)


def test_a_billing_stop_by_the_engine_shows_in_the_loggers() -> None:
    meters = emulator(days=0)
    meters.engine.command(0, BillingStop())
    assert len(Line(meters).get(ProfileGeneric("1.1.98.1.0.255").buffer)) == 1


def test_smart_disconnect_on_power() -> None:
    """Load-controlled cut-off above 2 kW times 0.8 for 30 s; the load is 3 kW."""
    meters = emulator(days=0)
    line = Line(meters, "primary module port")
    line.set(value("breaker.threshold_high"), Unsigned(2))
    for step in ("k1", "k2", "k3"):
        line.set(value(f"breaker.{step}"), Unsigned(8))
    line.set(value("breaker.basis"), Unsigned(0b101))
    meters.advance_to(WINTER + 29)
    assert line.get(value("breaker.state")) == BreakerState.CONNECTED
    meters.advance_to(WINTER + 40)
    assert line.get(value("breaker.state")) == BreakerState.CUT_OFF
    assert line.get(value("power.active_import")) == 0
    meters.advance_to(WINTER + 100)
    assert line.get(value("breaker.state")) == BreakerState.WAITING
    assert line.get(value("status.events_a")) & EventStatusA.CUT_OFF_LOG_READY
    line.set(value("breaker.state"), Unsigned(3))
    assert line.get(value("breaker.state")) == BreakerState.CONNECTED


def test_a_limiter_whose_steps_are_not_in_order_is_refused() -> None:
    """Switched off, its settings may be written one by one; switched on they must fit, or stay as they were."""
    meters = emulator(days=0)
    line = Line(meters, "primary module port")
    line.set(value("breaker.k1"), Unsigned(8))
    assert refused(line, value("breaker.basis"), Unsigned(0b001)) == AccessResult.OTHER_REASON
    assert line.get(value("breaker.basis")) == 0
    line.set(value("breaker.k1"), Unsigned(20))
    line.set(value("breaker.basis"), Unsigned(0b001))
    assert refused(line, value("breaker.t1"), LongUnsigned(31)) == AccessResult.OTHER_REASON
    assert line.get(value("breaker.t1")) == 30


def test_a_cut_off_that_is_only_logged() -> None:
    meters = emulator(days=0)
    line = Line(meters, "primary module port")
    line.set(value("breaker.threshold_high"), Unsigned(1))
    line.set(value("breaker.basis"), Unsigned(0b1_0101))
    meters.advance_to(WINTER + 60)
    assert line.get(value("breaker.state")) == BreakerState.CONNECTED
    (row,) = line.get(ProfileGeneric("1.1.99.98.5.255").buffer)
    assert (row[1], row[2]) == (BreakerState.LOG_ONLY, 63)


def test_prepayment_counts_down_and_cuts_off() -> None:
    meters = emulator(days=0)
    line = Line(meters, "primary module port")
    line.set(value("breaker.basis"), Unsigned(0b10_0010))
    line.set(value("prepayment.left"), DoubleLongUnsigned(150))
    assert line.get(value("prepayment.left")) == 150
    assert refused(line, value("prepayment.left"), DoubleLongUnsigned(149)) == AccessResult.OTHER_REASON
    meters.advance_to(WINTER + 900)
    assert line.get(value("prepayment.left")) == 75
    meters.advance_to(WINTER + 7200)
    assert line.get(value("breaker.state")) == BreakerState.PREPAYMENT
    assert line.get(value("prepayment.left")) == 0
    assert 150 <= line.get(ENERGY) <= 156


def test_settings_of_a_breaker_are_those_of_one_meter() -> None:
    meters = emulator(days=0, count=2)
    line = Line(meters, "primary module port", physical=33)
    line.set(value("breaker.threshold_high"), Unsigned(1))
    line.set(value("breaker.basis"), Unsigned(0b101))
    meters.advance_to(WINTER + 120)
    states = [Line(meters, physical=physical).get(value("breaker.state")) for physical in (32, 33)]
    assert states == [BreakerState.CONNECTED, BreakerState.WAITING]
