"""Kamstrup's enumerations and bit maps, and what the engine's state looks like in them.

Kamstrup DLMS protocol description 55121424_D1; what is inferred says so.
"""

from __future__ import annotations

import enum

from meters.engine import Event, EventKind, Flag, Input, Kind, Logger, LogName, Measurand, Quantity
from meters.sources import Meter


class MeterStatus(enum.IntFlag):
    """1.1.97.97.0: eight bits, shown as eight binary digits from right to left."""

    RESET = 1 << 0
    EEPROM_ERROR = 1 << 1
    MAGNETIC_FIELD = 1 << 2
    RAM_ERROR = 1 << 3
    ROM_CHECKSUM_ERROR = 1 << 4
    EXTERNAL_ALARM = 1 << 5
    COVER_OPENED = 1 << 6
    APS = 1 << 7


class EventStatusA(enum.IntFlag):
    """0.1.96.10.1, and the mask 1.1.134.0.6 of OMNIPOWER."""

    METER_RESET = 1 << 0
    EEPROM_RESTORE_FAILED = 1 << 1
    MAGNETIC_FIELD = 1 << 2
    RAM_TEST_FAILED = 1 << 3
    ROM_TEST_FAILED = 1 << 4
    ALARM_ACTIVE = 1 << 5
    TAMPER = 1 << 6
    APS_DETECTED = 1 << 7
    RF_DATA_READY = 1 << 8
    CALL_FORCED_BY_USER = 1 << 9
    CLOCK_ADJUSTED = 1 << 10
    STATUS_B_CHANGED = 1 << 11
    DISCONNECT = 1 << 12
    FLASH_ERROR = 1 << 13
    BILLING_LOG_READY = 1 << 16
    CLOCK_LOG_READY = 1 << 17
    STATUS_LOG_READY = 1 << 18
    SUPPLY_QUALITY_LOG_READY = 1 << 19
    CUT_OFF_LOG_READY = 1 << 20
    LOAD_PROFILE_READY = 1 << 21
    BILLING_LOG_2_READY = 1 << 22
    TRANSFORMER_RATIO_LOG_READY = 1 << 23
    P0_SIGN_ON = 1 << 24
    UPLOAD_AUDIT_SUCCESS = 1 << 27
    UPLOAD_AUDIT_FAILURE = 1 << 28
    NEUTRAL_FAULT_LOG = 1 << 29
    ANALYSIS_LOG = 1 << 30
    LOAD_PROFILE_EVENT_LOG = 1 << 31


class EventStatusB(enum.IntFlag):
    """0.1.96.10.2, and the masks 1.1.134.0.7 and 1.1.134.0.8 of OMNIPOWER for rising and falling edges."""

    AUDIT_SUCCESS = 1 << 0
    AUDIT_FAILURE = 1 << 1
    NEUTRAL_FAULT = 1 << 3
    ROM_CHECKSUM_FAILURE = 1 << 4
    POWER_FAILURE = 1 << 5
    MISSING_PHASE_L1 = 1 << 6
    MISSING_PHASE_L2 = 1 << 7
    MISSING_PHASE_L3 = 1 << 8
    OVER_VOLTAGE_L1 = 1 << 9
    UNDER_VOLTAGE_L1 = 1 << 10
    OVER_VOLTAGE_L2 = 1 << 11
    UNDER_VOLTAGE_L2 = 1 << 12
    OVER_VOLTAGE_L3 = 1 << 13
    UNDER_VOLTAGE_L3 = 1 << 14
    ALARM_INPUT = 1 << 15
    NO_CURRENT_L1 = 1 << 16
    NO_CURRENT_L2 = 1 << 17
    NO_CURRENT_L3 = 1 << 18
    PHASE_SEQUENCE = 1 << 19
    EARTH_FAULT = 1 << 20
    MAGNETIC_FIELD = 1 << 21
    COVER_OPEN = 1 << 22
    APS = 1 << 23
    REVERSE_CURRENT_L1 = 1 << 24
    REVERSE_CURRENT_L2 = 1 << 25
    REVERSE_CURRENT_L3 = 1 << 26
    VOLTAGE_ASYMMETRY = 1 << 27
    PREPAYMENT_ALARM = 1 << 28
    BREAKER_OPENED_MANUALLY = 1 << 29
    BREAKER_OPENED_AUTOMATICALLY = 1 << 30
    BREAKER_OPENED_REMOTELY = 1 << 31


class LoggerStatus(enum.IntFlag):
    """What is said of a data logger's row, the logger's own attribute 255 (IEC 1107: 96.56.2)."""

    CRC_INVALID = 1 << 3
    TIME_DISCONTINUITY = 1 << 6
    RECONFIGURED = 1 << 7
    INTERVAL_CHANGED = 1 << 8
    LOG_ID_OVERFLOW = 1 << 9


class DataQuality(enum.IntFlag):
    """How good the values of a data logger's row are, the logger's own attribute 254 (IEC 1107: 96.56.3)."""

    CLOCK_SET_7_S = 1 << 0
    CLOCK_SET_15_S = 1 << 1
    CLOCK_SET_30_S = 1 << 2
    CLOCK_SET_60_S = 1 << 3
    CLOCK_FORWARD = 1 << 4
    CLOCK_BACKWARD = 1 << 5
    LEGAL_PARAMETER_ERROR = 1 << 6
    OVER_VOLTAGE = 1 << 7
    UNDER_VOLTAGE = 1 << 8
    NEUTRAL_ERROR = 1 << 9
    POWER_OUTAGE = 1 << 10


class ProfileEvent(enum.IntEnum):
    """1.1.96.5.3, the column of the load-profile event logger; 0, 1 and 3 are reserved."""

    DELETED_BY_RECONFIGURATION = 2
    DELETED_MANUALLY = 4
    INTERVAL_CHANGED = 5
    DISABLED = 6
    ENABLED = 7


class VoltageEvent(enum.IntEnum):
    """1.1.132.0.2, the event of a voltage-quality row."""

    UNDER_VOLTAGE_MEAN = 0
    OVER_VOLTAGE_MEAN = 1
    MINIMUM_PEAK = 2
    MAXIMUM_PEAK = 3
    OUTAGE = 4
    POWER_BACK = 5
    MINIMUM_START = 6
    MINIMUM_STOP = 7
    MAXIMUM_START = 8
    MAXIMUM_STOP = 9


class ModulePort(enum.IntEnum):
    """0.1.96.3.1: what the module port's two lines do."""

    NONE = 0
    FOUR_TARIFF_INPUT = 1
    TWO_TARIFF_ALARM_INPUT = 2
    TWO_TARIFF_IN_ACTIVE_IMPORT_OUT = 3
    PULSE_IN_TWO_TARIFF_IN = 4
    PULSE_IN_ALARM_IN = 5
    PULSE_IN_ACTIVE_IMPORT_OUT = 6
    REACTIVE_IMPORT_ACTIVE_IMPORT_OUT = 7
    ACTIVE_EXPORT_ACTIVE_IMPORT_OUT = 8
    DEBITING_PULSE_ACTIVE_IMPORT_OUT = 9
    LOAD_CONTROL_STATUS = 10
    ALARM_IN_ACTIVE_IMPORT_OUT = 11
    PULSE_IN_LOAD_TARIFF_SYNC = 12
    FOUR_TARIFF_SYNC_LOAD_CONTROL = 13
    LOAD_CONTROL_1_2 = 16
    PULSE_IN_LOAD_CONTROL = 17
    PULSE_IN_TOGGLE_LOAD_CONTROL = 18


STATUS_BITS: tuple[tuple[Flag, int], ...] = (
    (Flag.TIME_DISCONTINUITY, LoggerStatus.TIME_DISCONTINUITY),
    (Flag.INTERVAL_CHANGED, LoggerStatus.INTERVAL_CHANGED),
)
QUALITY_BITS: tuple[tuple[Flag, int], ...] = (
    (Flag.CLOCK_7_S, DataQuality.CLOCK_SET_7_S),
    (Flag.CLOCK_15_S, DataQuality.CLOCK_SET_15_S),
    (Flag.CLOCK_30_S, DataQuality.CLOCK_SET_30_S),
    (Flag.CLOCK_60_S, DataQuality.CLOCK_SET_60_S),
    (Flag.CLOCK_FORWARD, DataQuality.CLOCK_FORWARD),
    (Flag.CLOCK_BACKWARD, DataQuality.CLOCK_BACKWARD),
    (Flag.OVER_VOLTAGE, DataQuality.OVER_VOLTAGE),
    (Flag.UNDER_VOLTAGE, DataQuality.UNDER_VOLTAGE),
    (Flag.NEUTRAL_FAULT, DataQuality.NEUTRAL_ERROR),
    (Flag.POWER_OUTAGE, DataQuality.POWER_OUTAGE),
)

_INPUT_STATUS = (
    (Input.MAGNET, MeterStatus.MAGNETIC_FIELD, EventStatusA.MAGNETIC_FIELD, EventStatusB.MAGNETIC_FIELD),
    (Input.COVER, MeterStatus.COVER_OPENED, EventStatusA.TAMPER, EventStatusB.COVER_OPEN),
    (Input.ALARM, MeterStatus.EXTERNAL_ALARM, EventStatusA.ALARM_ACTIVE, EventStatusB.ALARM_INPUT),
)
_STATUS_OF_EVENT = {
    EventKind.RESET: MeterStatus.RESET,
    EventKind.MAGNET: MeterStatus.MAGNETIC_FIELD,
    EventKind.COVER: MeterStatus.COVER_OPENED,
    EventKind.ALARM: MeterStatus.EXTERNAL_ALARM,
}
_DATA_LOGS = (
    (LogName.BILLING, EventStatusA.BILLING_LOG_READY),
    (LogName.BILLING_2, EventStatusA.BILLING_LOG_2_READY),
    (LogName.LOAD_PROFILE, EventStatusA.LOAD_PROFILE_READY),
    (LogName.ANALYSIS, EventStatusA.ANALYSIS_LOG),
)
_EVENT_LOGS = (
    (Logger.CLOCK, EventStatusA.CLOCK_LOG_READY | EventStatusA.CLOCK_ADJUSTED),
    (Logger.STATUS, EventStatusA.STATUS_LOG_READY),
    (Logger.VOLTAGE, EventStatusA.SUPPLY_QUALITY_LOG_READY),
    (Logger.CUT_OFF, EventStatusA.CUT_OFF_LOG_READY),
    (Logger.NEUTRAL, EventStatusA.NEUTRAL_FAULT_LOG),
    (Logger.PROFILE, EventStatusA.LOAD_PROFILE_EVENT_LOG),
)
_PHASE_BITS = (
    (EventKind.MISSING_PHASE, (6, 7, 8)),
    (EventKind.OVER_VOLTAGE, (9, 11, 13)),
    (EventKind.UNDER_VOLTAGE, (10, 12, 14)),
)
_NO_CURRENT_BIT = 16
_VOLTAGE_EVENTS = {
    EventKind.POWER_FAIL: (VoltageEvent.OUTAGE, VoltageEvent.POWER_BACK),
    EventKind.MISSING_PHASE: (VoltageEvent.OUTAGE, VoltageEvent.POWER_BACK),
    EventKind.INTERRUPTION: (VoltageEvent.OUTAGE, VoltageEvent.POWER_BACK),
    EventKind.UNDER_VOLTAGE: (VoltageEvent.MINIMUM_START, VoltageEvent.MINIMUM_STOP),
    EventKind.DIP: (VoltageEvent.MINIMUM_PEAK, VoltageEvent.MINIMUM_PEAK),
    EventKind.OVER_VOLTAGE: (VoltageEvent.MAXIMUM_START, VoltageEvent.MAXIMUM_STOP),
    EventKind.SWELL: (VoltageEvent.MAXIMUM_PEAK, VoltageEvent.MAXIMUM_PEAK),
}
_PROFILE_EVENTS = {
    EventKind.PERIOD_CHANGED: ProfileEvent.INTERVAL_CHANGED,
    EventKind.PROFILE_ERASED: ProfileEvent.DELETED_MANUALLY,
}


def meter_status(meter: Meter) -> int:
    """1.1.97.97.0 now: the inputs that are active, and the reset since the power last came back.

    That the reset bit stays until the next change of the status is inferred.
    """
    inputs = meter.engine.inputs(meter.index)
    status = sum(bit for given, bit, _, _ in _INPUT_STATUS if inputs & given)
    lines = meter.engine.events(Logger.STATUS, meter.index)
    reset = bool(lines) and lines[-1].kind is EventKind.RESET
    return status | (MeterStatus.RESET if reset else 0)


def event_status_a(meter: Meter) -> int:
    """0.1.96.10.1 now: active inputs, and the loggers that hold something."""
    engine, index = meter.engine, meter.index
    inputs = engine.inputs(index)
    status = sum(int(bit) for given, _, bit, _ in _INPUT_STATUS if inputs & given)
    for name, ready in _DATA_LOGS:
        status |= ready if engine.log(name).count(index) else 0
    for logger, ready in _EVENT_LOGS:
        status |= ready if engine.events(logger, index) else 0
    return status


def event_status_b(meter: Meter) -> int:
    """0.1.96.10.2 now: the conditions of supply, currents and inputs that hold."""
    engine, index = meter.engine, meter.index
    inputs = engine.inputs(index)
    status = sum(int(bit) for given, _, _, bit in _INPUT_STATUS if inputs & given)
    if engine.is_active(EventKind.POWER_FAIL, index):
        status |= EventStatusB.POWER_FAILURE
    for phase in engine.config.wiring.phases:
        for kind, bits in _PHASE_BITS:
            status |= engine.is_active(kind, index, phase) << bits[phase - 1]
        without = engine.register(Quantity(Measurand.CURRENT, Kind.INSTANT, phase, exponent=-2), index) == 0
        status |= without << (_NO_CURRENT_BIT + phase - 1)
    return status


def status_of_event(event: Event) -> int:
    """MeterStatus as a row of the status logger shows it: the bit that came or went."""
    return int(_STATUS_OF_EVENT[event.kind]) if event.active else 0


def voltage_event(event: Event) -> int:
    """VoltageEvent of a line."""
    begin, end = _VOLTAGE_EVENTS[event.kind]
    return int(begin if event.active else end)


def profile_event(event: Event) -> int:
    """ProfileEvent of a line."""
    return int(_PROFILE_EVENTS[event.kind])
