"""Electricity objects that are named as such: identifiers, constants, logs.  Blue Book Ed. 13, OBIS: electricity."""

from __future__ import annotations

from obis.rules import INSTANCES, ONE, Family, FUse, named, numbered

KINDS = {
    0: "general purpose objects",
    96: "service entries",
    97: "error registers",
    98: "lists",
    99: "profiles",
}

PROGRAM = {
    0: "active firmware identifier",
    1: "parameter record number",
    2: "time switch program number",
    3: "ripple control receiver program number",
    4: "meter connection diagram ID",
    7: "name of the passive calendar",
    8: "active firmware signature",
}

PULSE_CONSTANTS = {
    0: "LED, active energy",
    1: "LED, reactive energy",
    2: "LED, apparent energy",
    3: "output pulse, active energy",
    4: "output pulse, reactive energy",
    5: "output pulse, apparent energy",
    6: "LED, squared voltage hours",
    7: "LED, squared current hours",
    8: "output pulse, squared voltage hours",
    9: "output pulse, squared current hours",
}

RATIOS = {
    0: "reading factor for power",
    1: "reading factor for energy",
    2: "transformer ratio, current, numerator",
    3: "transformer ratio, voltage, numerator",
    4: "overall transformer ratio, numerator",
    5: "transformer ratio, current, denominator",
    6: "transformer ratio, voltage, denominator",
    7: "overall transformer ratio, denominator",
}

NOMINAL = {
    0: "voltage",
    1: "basic or nominal current",
    2: "frequency",
    3: "maximum current",
    4: "reference voltage for power quality measurement",
    5: "reference voltage for the auxiliary power supply",
}

INPUT_PULSES = {
    0: "active energy",
    1: "reactive energy",
    2: "apparent energy",
    3: "squared voltage hours",
    4: "squared current hours",
    5: "unitless quantities",
    10: "active energy export",
    11: "reactive energy export",
    12: "apparent energy export",
}

PERIODS = {
    0: "measurement period 1",
    1: "measurement period 2",
    2: "measurement period 3",
    3: "measurement period 4",
    4: "recording interval 1",
    5: "recording interval 2",
    6: "billing period 1",
    7: "billing period 2",
    8: "measurement period 4, harmonics",
}

TIME_ENTRIES = {
    0: "time since end of last billing period",
    1: "local time",
    2: "local date",
    5: "day of the week",
    6: "time of last reset",
    7: "date of last reset",
    8: "output pulse duration",
    9: "clock synchronization window",
    10: "clock synchronization method",
    11: "clock time shift limit",
    12: "billing period reset lockout time",
    13: "time since end of last billing period, scheme 2",
    14: "time of last reset, scheme 2",
    15: "date of last reset, scheme 2",
    16: "billing period reset lockout time, scheme 2",
}

COEFFICIENTS = {
    0: "transformer magnetic losses Xm",
    1: "transformer iron losses RFe",
    2: "line resistance losses RCu",
    3: "line reactance losses Xs",
}

ALGORITHMS = {
    1: "active power",
    2: "active energy",
    3: "reactive power",
    4: "reactive energy",
    5: "apparent power",
    6: "apparent energy",
    7: "power factor",
}

STATUS = {
    0: "status information missing voltage",
    1: "status information missing current",
    2: "status information current without voltage",
    3: "status information auxiliary power supply",
}

GENERAL = (
    Family("0.0", "electricity ID", numbered("number", range(10), 1, e255="all combined"), (1,)),
    Family("0.1", "billing period counter, scheme 1", ONE, (1,), FUse.BILLING),
    Family("0.1", "billing periods", named({1: "number available, scheme 1", 4: "number available, scheme 2"}), (1,)),
    Family("0.1", "billing period", named({2: "time stamp, scheme 1", 5: "time stamp, scheme 2"}), (1,), FUse.BILLING),
    Family("0.1", "billing period counter, scheme 2", named({3: ""}), (1,), FUse.BILLING),
    Family("0.2", "program entries", named(PROGRAM), (1,), heading=True),
    Family("0.3", "pulse constant", named(PULSE_CONSTANTS), (1, 3)),
    Family("0.4", "ratios", named(RATIOS), (1, 3), FUse.BILLING, heading=True),
    Family("0.6", "nominal values", named(NOMINAL), (1, 3)),
    Family("0.7", "input pulse constant", named(INPUT_PULSES), (1, 3)),
    Family("0.8", "period", named(PERIODS), (1, 3), heading=True),
    Family("0.9", "time entries", named(TIME_ENTRIES), (1, 3), heading=True),
    Family("0.10", "loss coefficients", named(COEFFICIENTS), (1, 3)),
    Family("0.11", "measuring algorithm", named(ALGORITHMS), (1,)),
)

SERVICE = (
    Family("96.1", "metering point ID", numbered("number", range(10), 1, e255="all combined"), (1,)),
    Family(
        "96.5",
        "internal operating status",
        numbered("group", range(1, 5), e0="all of them", e5="meter started flag"),
        (1, 63),
    ),
    Family("96.10", "status of the supply", named(STATUS), (1,)),
    Family("97.97", "error register", numbered("number", range(128), 1, e255="profile or table"), (1, 3)),
)

LOGS = (
    Family("98.1", "billing data, scheme 1", INSTANCES, (7,), FUse.PROFILE),
    Family("98.2", "billing data, scheme 2", INSTANCES, (7,), FUse.PROFILE),
    Family("98.10", "register table", INSTANCES, (61,)),
    Family("99.1", "load profile 1", INSTANCES, (7,)),
    Family("99.2", "load profile 2", INSTANCES, (7,)),
    Family("99.3", "load profile during test", ONE, (7,)),
    Family("99.10", "power quality profile", named({1: "voltage dips", 2: "voltage swells", 3: "voltage cuts"}), (7,)),
    Family("99.11", "voltage harmonics profile", numbered("harmonic", range(1, 128)), (7,)),
    Family("99.12", "current harmonics profile", numbered("harmonic", range(1, 128)), (7,)),
    Family("99.13", "voltage unbalance profile", ONE, (7,)),
    Family("99.14", "power quality profile of all values", ONE, (7,)),
    Family("99.97", "power failure event log", INSTANCES, (7,)),
    Family("99.98", "event log", INSTANCES, (7,)),
    Family("99.99", "certification data log", INSTANCES, (7,)),
)

FAMILIES = GENERAL + SERVICE + LOGS
