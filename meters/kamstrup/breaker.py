"""The breaker of the 162M/382M: coupling state, smart disconnect in three steps, prepayment.

55121424_D1: a write of 1 to the coupling state disconnects; 2 releases for reconnection, accepted only when disconnected
by command; 3 reconnects, accepted only when waiting for it.  The times of the three steps are independent (5512-1040).
"""

from __future__ import annotations

import dataclasses
import enum

from dlms.enums import AccessResult
from dlms.errors import AccessError
from meters.engine import (
    BreakerState,
    ControlSettings,
    Event,
    Kind,
    Measurand,
    MoveBreaker,
    Quantity,
    SetControl,
    TopUp,
)
from meters.sources import Meter, Settings
from obis import Obis

RECONNECTION, BASIS = Obis("1.1.128.0.10.255"), Obis("1.1.128.0.11.255")
FACTORS = tuple(Obis(f"1.1.128.0.{e}.255") for e in (2, 3, 4))
TIMES = tuple(Obis(f"1.1.128.0.{e}.255") for e in (5, 6, 7))
CONNECT_WAIT, THRESHOLD_HIGH = Obis("1.1.128.0.8.255"), Obis("1.1.128.0.13.255")
WORKING_DAYS = Obis("1.1.96.52.6.255")
EVERY_DAY = 0b111_1111
PREPAYMENT_UNIT_WH = 10
PRESENT_V = 160
"""Below it a phase counts as failed (5512-1040)."""


class Order(enum.IntEnum):
    """1.1.128.0.0 as it is written."""

    DISCONNECT = 1
    RELEASE = 2
    RECONNECT = 3


class Basis(enum.IntFlag):
    """1.1.128.0.11: what may cut the supply off.  Bit 6, over-voltage, has no settings in the 162M/382M."""

    LOAD = 1 << 0
    PREPAYMENT = 1 << 1
    BY_POWER = 1 << 2
    NEUTRAL_FAULT = 1 << 3
    LOG_ONLY = 1 << 4
    PREPAYMENT_UNRESTRICTED = 1 << 5


ANY_BASIS = range(1 << 6)


class Feedback(enum.IntFlag):
    """1.1.128.0.18: bits 0 to 2 say whether there is voltage at the output of L1 to L3."""

    VALID = 1 << 3
    COMMUNICATION_OK = 1 << 4
    FOLLOWS_HIGH_THRESHOLD = 1 << 5
    TRANSITION_PENDING = 1 << 6
    SWITCH_ERROR = 1 << 7


_WORKS = Feedback.VALID | Feedback.COMMUNICATION_OK | Feedback.FOLLOWS_HIGH_THRESHOLD
_ALL_PHASES = 0b111
_ORDERS: dict[Order, tuple[BreakerState | None, BreakerState]] = {
    Order.DISCONNECT: (None, BreakerState.DISCONNECTED),
    Order.RELEASE: (BreakerState.DISCONNECTED, BreakerState.WAITING),
    Order.RECONNECT: (BreakerState.WAITING, BreakerState.CONNECTED),
}
"""Order -> the state in which it is accepted (None: any), and the one that is asked for."""


def control(settings: Settings) -> ControlSettings:
    """What the breaker does under these settings.  Raises EngineError for a limiter whose steps are not in order; while
    it is off they may be written one by one.

    The high threshold counts amperes or kilowatts.  That prepayment "without restriction" cuts off on every day, and that
    bit 0 of the working days is Monday, is inferred.
    """
    basis = int(settings.setting(BASIS))
    by_power = bool(basis & Basis.BY_POWER)
    without_limiter = ControlSettings(
        log_only=bool(basis & Basis.LOG_ONLY),
        connect_wait_s=int(settings.setting(CONNECT_WAIT)),
        automatic=settings.setting(RECONNECTION) == 1,
        neutral_fault=bool(basis & Basis.NEUTRAL_FAULT),
        prepayment=bool(basis & Basis.PREPAYMENT),
        working_days=EVERY_DAY if basis & Basis.PREPAYMENT_UNRESTRICTED else int(settings.setting(WORKING_DAYS)),
    )
    if not basis & Basis.LOAD:
        return without_limiter
    k1, k2, k3 = (int(settings.setting(obis)) / 10 for obis in FACTORS)
    t1, t2, t3 = (int(settings.setting(obis)) for obis in TIMES)
    return dataclasses.replace(
        without_limiter,
        limit=int(settings.setting(THRESHOLD_HIGH)) * (1000.0 if by_power else 1.0),
        by_power=by_power,
        factors=(k1, k2, k3),
        times_s=(t1, t2, t3),
    )


def apply(meter: Meter) -> None:
    """One of the settings of `control` was written."""
    if meter.engine.config.control is not None:
        meter.engine.command(meter.index, SetControl(control(meter)))


def state(meter: Meter) -> int:
    """The coupling state: its numbers are those of the engine."""
    return int(meter.engine.breaker(meter.index))


def write_state(meter: Meter, value: int) -> None:
    """Carry out an order.  Raises AccessError in a state in which the meter does not accept it."""
    accepted_in, wanted = _ORDERS[Order(value)]
    if accepted_in not in (None, meter.engine.breaker(meter.index)):
        raise AccessError(AccessResult.TEMPORARY_FAILURE)
    meter.engine.command(meter.index, MoveBreaker(wanted))


def threshold(meter: Meter) -> int:
    """The threshold that is active: the high one, as the feedback says."""
    return int(meter.setting(THRESHOLD_HIGH))


def credit(meter: Meter) -> int:
    """1.1.130.0.0: energy that is paid for and not yet used, in 10 Wh; what is owed does not show."""
    return max(meter.engine.credit_wh(meter.index), 0) // PREPAYMENT_UNIT_WH


def write_credit(meter: Meter, value: int) -> None:
    """A write of 1.1.130.0.0 sets the credit, in 10 Wh.  That it cannot be lowered is a limit of the engine."""
    meter.engine.command(meter.index, TopUp(int(value) * PREPAYMENT_UNIT_WH - meter.engine.credit_wh(meter.index)))


def feedback(meter: Meter) -> int:
    """What the breaker reports: voltage at its output, and that it works."""
    value = int(_WORKS)
    if meter.engine.breaker(meter.index) is BreakerState.CONNECTED:
        for phase in meter.engine.config.wiring.phases:
            volts = meter.engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase), meter.index)
            value |= (volts >= PRESENT_V) << (phase - 1)
    return value


def feedback_of_event(event: Event) -> int:
    """The feedback in a row of the cut-off logger; the supply is taken to be there."""
    closed = event.value in (BreakerState.CONNECTED, BreakerState.LOG_ONLY)
    return int(_WORKS) | (_ALL_PHASES if closed else 0)
