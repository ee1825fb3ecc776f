"""The objects of class 1, 3 and 4 of the Kamstrup 162M/382M, one row each.

Codes, types and access are those of the DLMS protocol description 55121424_D1; scalers those of the HAN-NVE interface
description 3.1 (energies in 10 units, powers in 1, currents in 1/100), which it does not contradict.
"""

from __future__ import annotations

from collections.abc import Container

from dlms.ic import Data, ExtendedRegister, Register
from dlms.types import DoubleLongUnsigned, LongUnsigned, OctetString, Unsigned, VisibleString
from dlms.units import Unit
from dlms.values import TypedInt
from meters.engine import Feature, Kind, Measurand, Quantity
from meters.engine.kamstrup import TEN_WH_ROLLOVER, VERIFICATION_ROLLOVER
from meters.kamstrup import breaker, commands, events
from meters.objects import Row
from meters.sources import ANYTHING, Constant, Derived, Nameplate, Plate

U8, U16, U32 = Unsigned, LongUnsigned, DoubleLongUnsigned
A_PLUS, A_MINUS = Measurand.ACTIVE_IMPORT, Measurand.ACTIVE_EXPORT
R_PLUS, R_MINUS = Measurand.REACTIVE_IMPORT, Measurand.REACTIVE_EXPORT
W, VAR, WH, VARH, VOLT, AMPERE = Unit.WATT, Unit.VAR, Unit.WATT_HOUR, Unit.VAR_HOUR, Unit.VOLT, Unit.AMPERE
PHASES = (1, 2, 3)
TARIFFS = range(1, 9)
ON_OFF = range(2)
TENTHS = range(100)
"""Factors 0..9.9 in steps of 0.1."""
UP_TO_80 = range(81)
"""Amperes or kilowatts."""
QUADRANTS = (
    (1, A_PLUS, "active_import", W, WH),
    (2, A_MINUS, "active_export", W, WH),
    (3, R_PLUS, "reactive_import", VAR, VARH),
    (4, R_MINUS, "reactive_export", VAR, VARH),
)
"""OBIS group C, measurand, name, units of power and energy: A14, A23, R12, R34."""


def low_number(plate: Nameplate) -> bytes:
    """The low meter number: the documented examples have five digits; that they are the last ones is inferred."""
    return str(plate.meter_number)[-5:].encode("ascii")


def _breaker_setting(
    code: str, of: type[TypedInt], key: str, value: int, accepts: Container[int] = ANYTHING, access: str = "RW"
) -> Row:
    """A setting of the breaker: what is written holds at once."""
    source = Constant(value)
    return Row(
        code,
        Data,
        of,
        access,
        f"breaker.{key}",
        source,
        accepts=accepts,
        then=breaker.apply,
        needs=Feature.BREAKER,
    )


def _energy(measurand: Measurand, kind: Kind = Kind.ENERGY, tariff: int = 0) -> Quantity:
    """A register in 10 Wh, which begins again when the display "7.0" does."""
    return Quantity(measurand, kind, tariff=tariff, rollover=TEN_WH_ROLLOVER)


def _verification(measurand: Measurand) -> Quantity:
    return Quantity(measurand, Kind.ENERGY, rollover=VERIFICATION_ROLLOVER)


IDENTITY = (
    Row("1.1.0.0.0.255", Data, OctetString, "RW", "identity.meter_number_low", Plate(low_number)),
    Row("1.1.0.0.1.255", Data, U32, "RW", "identity.meter_number", Plate(lambda plate: plate.meter_number)),
    Row("1.1.0.0.2.255", Data, U32, "RW", "identity.meter_number_2", Constant(0)),
    Row("1.1.0.0.3.255", Data, U32, "RW", "identity.meter_number_3", Constant(0)),
    Row("1.1.96.1.0.255", Data, U32, "R", "identity.serial_number", Plate(lambda plate: plate.serial_number)),
    Row("1.1.96.1.1.255", Data, VisibleString, "R", "identity.type_number", Plate(lambda plate: plate.type_number)),
    Row("1.1.96.1.2.255", Data, OctetString, "RW", "identity.module_id", Constant(b"0")),
    Row(
        "1.1.0.2.0.255",
        Data,
        VisibleString,
        "R",
        "identity.software",
        Plate(lambda plate: f"{plate.software_number}-{plate.software_revision}"),
    ),
    Row("1.1.0.2.1.128", Data, U32, "R", "identity.software_variant", Constant(75000801)),
    Row("1.1.0.2.2.128", Data, VisibleString, "R", "identity.revision", Plate(lambda plate: plate.software_revision)),
    Row("1.1.0.129.1.255", Data, U32, "R", "identity.configuration_1", Constant(11000162)),
    Row("1.1.0.129.2.255", Data, U32, "R", "identity.configuration_2", Constant(42301011)),
    Row("1.1.0.129.3.255", Data, U32, "R", "identity.configuration_3", Constant(1100)),
    Row("1.1.0.129.4.255", Data, U32, "R", "identity.configuration_4", Constant(10000101)),
    Row("1.1.0.129.5.255", Data, U32, "R", "identity.configuration_5", Constant(34906011)),
    Row("1.1.0.130.1.255", Data, U32, "RW", "identity.special_data", Constant(0)),
    Row("1.1.0.130.2.255", Data, U32, "RW", "identity.special_data_2", Constant(0)),
    Row("1.1.96.54.1.255", Data, U32, "R", "identity.rom_checksum", Constant(1918003608)),
)

STATUS = (
    Row("1.1.97.97.0.255", Data, U8, "R", "status.meter", Derived(events.meter_status)),
    Row("0.1.96.10.1.255", Data, U32, "R", "status.events_a", Derived(events.event_status_a)),
    # writable in the table without a word on what a write does; nothing here is latched, so 0 is all that can be written
    Row(
        "0.1.96.10.2.255",
        Data,
        U32,
        "RW",
        "status.events_b",
        Derived(events.event_status_b),
        accepts=range(1),
        obey=commands.acknowledge,
    ),
    Row("1.1.96.5.1.255", Data, U8, "RW", "status.operation", Constant(1), accepts=range(1, 6)),
    Row("0.1.96.3.1.255", Data, U8, "RW", "module_port.function", Constant(events.ModulePort.NONE.value)),
    Row("1.1.96.53.1.255", Data, U8, "R", "module_port.pulse_level", Constant(0)),
    Row(
        "1.1.0.128.1.255",
        Data,
        U32,
        "RW",
        "module_port.pulses",
        Quantity(Measurand.PULSE_INPUT, Kind.COUNT),
        obey=commands.set_pulses,
    ),
    Row("0.1.96.8.0.255", Register, U32, "R", "status.hours", Quantity(Measurand.HOURS, Kind.COUNT), 0, Unit.HOUR),
    # energy exponent of the other protocol, KMP; the load profile carries its own, see loggers
    Row("1.1.134.0.1.255", Data, U8, "R", "status.kmp_energy_format", Constant(5)),
)

BILLING = (
    Row("1.1.0.1.0.255", Data, U8, "R", "billing.periods", Quantity(Measurand.BILLING_PERIODS, Kind.COUNT)),
    Row(
        "1.1.0.1.5.128",
        Data,
        U8,
        "W",
        "billing.stop",
        Constant(0),
        accepts=range(1, 2),
        obey=commands.write_billing_stop,
    ),
    # 0 daily, 1 on Mondays, 2 on the first of the month; the emulator's second billing logger is daily and stays so
    Row("1.1.0.1.6.128", Data, U8, "RW", "billing.interval_2", Constant(0), accepts=range(1)),
)

TARIFF_AND_LOAD = (
    Row(
        "1.1.129.0.0.255",
        Data,
        U8,
        "RW",
        "tariff.active",
        Derived(commands.active_tariff),
        accepts=TARIFFS,
        obey=commands.set_tariff,
    ),
    Row("1.1.96.52.1.255", Data, U8, "RW", "load_control.load_1_active", Constant(0), accepts=ON_OFF),
    Row("1.1.96.52.2.255", Data, U8, "RW", "load_control.load_1_tariff_position", Constant(0)),
    Row("1.1.96.52.3.255", Data, U8, "RW", "load_control.load_2_active", Constant(0), accepts=ON_OFF),
    Row("1.1.96.52.4.255", Data, U8, "RW", "load_control.load_2_tariff_position", Constant(0)),
    Row("1.1.96.52.5.255", Data, U16, "RW", "load_control.delay", Constant(3600)),
    Row(
        "1.1.96.52.6.255",
        Data,
        U8,
        "RW",
        "load_control.working_days",
        Constant(63),
        accepts=range(128),
        then=breaker.apply,
    ),
    Row("1.1.96.52.7.255", Data, U16, "R", "load_control.load_1_delay_left", Constant(0)),
    Row("1.1.96.52.8.255", Data, U16, "R", "load_control.load_2_delay_left", Constant(0)),
    Row("1.1.96.52.9.255", Data, U8, "R", "load_control.load_1_mode", Constant(0)),
    Row("1.1.96.52.10.255", Data, U8, "R", "load_control.load_2_mode", Constant(0)),
    Row("1.1.96.52.11.255", Data, U8, "RW", "clock.daylight_saving_configuration", Constant(1)),
    Row(
        "1.1.96.51.1.255",
        Register,
        U32,
        "RW",
        "threshold.power",
        Constant(99_000),
        0,
        W,
        then=commands.apply_power_threshold,
    ),
    Row("1.1.96.51.2.255", Data, U8, "R", "threshold.power_count", Quantity(Measurand.THRESHOLD_PERIODS, Kind.COUNT)),
)

BREAKER = (
    Row(
        "1.1.128.0.0.255",
        Data,
        U8,
        "RW",
        "breaker.state",
        Derived(breaker.state),
        accepts=range(1, 4),
        obey=breaker.write_state,
        needs=Feature.BREAKER,
    ),
    _breaker_setting("1.1.128.0.1.255", U8, "short_circuit_current", 100),
    _breaker_setting("1.1.128.0.2.255", U8, "k1", 10, TENTHS),
    _breaker_setting("1.1.128.0.3.255", U8, "k2", 10, TENTHS),
    _breaker_setting("1.1.128.0.4.255", U8, "k3", 10, TENTHS),
    _breaker_setting("1.1.128.0.5.255", U16, "t1", 30),
    _breaker_setting("1.1.128.0.6.255", U16, "t2", 30),
    _breaker_setting("1.1.128.0.7.255", U16, "t3", 30),
    _breaker_setting("1.1.128.0.8.255", U16, "connect_wait", 60),
    _breaker_setting("1.1.128.0.9.255", U8, "prepayment_low_max", 255),
    _breaker_setting("1.1.128.0.10.255", U8, "reconnection", 0, ON_OFF),
    _breaker_setting("1.1.128.0.11.255", U8, "basis", 0, breaker.ANY_BASIS, "R(W)"),
    _breaker_setting("1.1.128.0.12.255", U8, "threshold_low", 0, UP_TO_80),
    _breaker_setting("1.1.128.0.13.255", U8, "threshold_high", 0, UP_TO_80),
    Row("1.1.128.0.14.255", Data, U8, "R", "breaker.threshold", Derived(breaker.threshold), needs=Feature.BREAKER),
    Row("1.1.128.0.18.255", Data, U8, "R", "breaker.feedback", Derived(breaker.feedback), needs=Feature.BREAKER),
    Row(
        "1.1.130.0.0.255",
        Register,
        U32,
        "R(W)",
        "prepayment.left",
        Derived(breaker.credit),
        1,
        WH,
        obey=breaker.write_credit,
        needs=Feature.PREPAYMENT,
    ),
)

ENERGY = (
    *(
        Row(
            f"1.1.{c}.8.{tariff}.255",
            Register,
            U32,
            "R",
            f"energy.{name}.t{tariff}" if tariff else f"energy.{name}",
            _energy(measurand, tariff=tariff),
            1,
            unit,
        )
        for c, measurand, name, _, unit in QUADRANTS
        for tariff in (0, *TARIFFS)
    ),
    # Verification registers resolve more: their display 3.4 shows up to 999.9999 kWh and begins again.  The scaler is not
    # documented: 0 is chosen, whole Wh; that the register begins again with its display is inferred.
    *(
        Row(f"1.1.{c}.8.0.128", Register, U32, "R", f"verification.{name}", _verification(measurand), 0, unit)
        for c, measurand, name, _, unit in QUADRANTS
    ),
    Row("1.1.1.128.0.255", Register, U32, "R", "trip.active_import", _energy(A_PLUS, Kind.TRIP), 1, WH),
    Row("1.1.2.128.0.255", Register, U32, "R", "trip.active_export", _energy(A_MINUS, Kind.TRIP), 1, WH),
    Row("1.1.5.8.0.255", Register, U32, "R", "energy.reactive_q1", _energy(Measurand.REACTIVE_Q1), 1, VARH),
    Row("1.1.8.8.0.255", Register, U32, "R", "energy.reactive_q4", _energy(Measurand.REACTIVE_Q4), 1, VARH),
    Row(
        "1.1.15.8.0.255",
        Register,
        U32,
        "R",
        "energy.active_absolute",
        _energy(Measurand.ACTIVE_ABSOLUTE),
        1,
        WH,
    ),
)

POWER = (
    *(
        Row(f"1.1.{c}.7.0.255", Register, U32, "R", f"power.{name}", Quantity(measurand, Kind.INSTANT), 0, unit)
        for c, measurand, name, unit, _ in QUADRANTS
    ),
    *(
        Row(
            f"1.1.{20 * phase + c}.7.0.255",
            Register,
            U32,
            "R",
            f"power.{name}.l{phase}",
            Quantity(measurand, Kind.INSTANT, phase),
            0,
            unit,
        )
        for phase in PHASES
        for c, measurand, name, unit, _ in QUADRANTS
    ),
    *(
        Row(f"1.1.{c}.25.0.255", Register, U32, "R", f"power.{name}.mean", Quantity(measurand, Kind.MEAN), 0, unit)
        for c, measurand, name, unit, _ in QUADRANTS
    ),
    *(
        Row(
            f"1.1.{c}.2.0.255",
            Register,
            U32,
            "R",
            f"maximum.{name}.cumulative",
            Quantity(measurand, Kind.CUMULATIVE_MAX),
            0,
            unit,
        )
        for c, measurand, name, unit, _ in QUADRANTS
    ),
)

SUPPLY = tuple(
    row
    for phase in PHASES
    for row in (
        Row(
            f"1.1.{20 * phase + 11}.7.0.255",
            Register,
            U32,
            "R",
            f"current.l{phase}",
            Quantity(Measurand.CURRENT, Kind.INSTANT, phase),
            -2,
            AMPERE,
        ),
        Row(
            f"1.1.{20 * phase + 11}.25.0.255",
            Register,
            U32,
            "R",
            f"current.l{phase}.mean",
            Quantity(Measurand.CURRENT, Kind.MEAN, phase),
            -2,
            AMPERE,
        ),
        Row(
            f"1.1.{20 * phase + 12}.7.0.255",
            Register,
            U16,
            "R",
            f"voltage.l{phase}",
            Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase),
            0,
            VOLT,
        ),
        Row(
            f"1.1.{20 * phase + 12}.25.0.255",
            Register,
            U16,
            "R",
            f"voltage.l{phase}.mean",
            Quantity(Measurand.VOLTAGE, Kind.MEAN, phase),
            0,
            VOLT,
        ),
    )
)


def _maximum(code: str, key: str, measurand: Measurand, unit: Unit, kinds: tuple[Kind, Kind], tariff: int = 0) -> Row:
    """An extended register: the value and the time of its capture."""
    value, time = (Quantity(measurand, kind, tariff=tariff) for kind in kinds)
    return Row(code, ExtendedRegister, U32, "R", f"maximum.{key}", value, 0, unit, time)


_SINCE_STOP = (Kind.MAX, Kind.MAX_TIME)
MAXIMUM = (
    *(_maximum(f"1.1.{c}.6.0.255", name, measurand, unit, _SINCE_STOP) for c, measurand, name, unit, _ in QUADRANTS),
    _maximum("1.1.1.6.1.255", "active_import.t1", A_PLUS, W, _SINCE_STOP, tariff=1),
    _maximum("1.1.1.6.2.255", "active_import.t2", A_PLUS, W, _SINCE_STOP, tariff=2),
    _maximum("1.1.1.16.0.255", "active_import.day", A_PLUS, W, (Kind.MAX_24H, Kind.MAX_24H_TIME)),
    _maximum("1.1.1.13.0.255", "active_import.day_minimum", A_PLUS, W, (Kind.MIN_24H, Kind.MIN_24H_TIME)),
)

REGISTERS = (
    *IDENTITY,
    *STATUS,
    *BILLING,
    *TARIFF_AND_LOAD,
    *BREAKER,
    *ENERGY,
    *POWER,
    *SUPPLY,
    *MAXIMUM,
)
"""All of them."""
