"""Gas, A = 7: volumes, flow, measuring conditions, gas analysis.  Blue Book Ed. 13, OBIS: gas."""

from __future__ import annotations

from obis.rules import (
    INSTANCES,
    RATES_63,
    Block,
    Family,
    FUse,
    Medium,
    Processing,
    Quantity,
    Series,
    Variants,
    named,
    numbered,
)
from obis.tables.readings import KINDS, TIME_FAMILIES

STATES = ("at metering conditions", "corrected", "at base conditions")
"""The three states of a volume; D counts them in this order."""
FLOW_STATES = (*STATES, "at standard conditions")
CONDITION_STATES = ("at metering conditions", "at base conditions", "at standard conditions")

COUNTED = {
    1: "forward undisturbed volume",
    2: "forward disturbed volume",
    3: "forward absolute volume",
    4: "reverse undisturbed volume",
    5: "reverse disturbed volume",
    6: "reverse absolute volume",
}
ENCODED = {7: "forward absolute volume of the encoder", 8: "reverse absolute volume of the encoder"}
DEVICES = {0: "meter", 10: "converter", 20: "logger"}
"""Added to C of the counted volumes: the device that counts."""

_VOLUMES = {c + offset: (name, device) for offset, device in DEVICES.items() for c, name in COUNTED.items()}
INDEXES = (
    {c: Quantity(name, "", "m³", device) for c, (name, device) in _VOLUMES.items()}
    | {c: Quantity(name, "", "m³", "meter") for c, name in ENCODED.items()}
    | {30 + c: Quantity(name.replace("volume", "energy")) for c, name in COUNTED.items()}
    | {60 + c: Quantity(name.replace("volume", "mass"), "", "kg") for c, name in COUNTED.items()}
)

MEASUREMENT_PERIODS = {1: "measurement period 1 (15 min)", 2: "measurement period 2 (1 h)", 3: "measurement period 3"}
BILLING_PERIODS = {
    1: "billing period 1 (1 day)",
    2: "billing period 2 (1 month)",
    3: "billing period 3 (1 year)",
    4: "billing period 4",
}


def _each(first: int, states: tuple[str, ...], name: str, rank: int = 4) -> dict[int, Processing]:
    """Neighbouring values of D: one value, in each of some states."""
    return {first + n: Processing(f"{name}, {state}", f_use=FUse.BILLING, rank=rank) for n, state in enumerate(states)}


def _index_processing() -> dict[int, Processing]:
    """Group D of the indexes: the index itself, differences over periods, and maxima of these."""
    found = _each(0, STATES, "current index", rank=0) | {3: Processing("redundant index", f_use=FUse.BILLING)}
    for number, period in MEASUREMENT_PERIODS.items():
        first = 6 * number
        found |= _each(first, STATES, f"current index difference over {period}")
        found |= _each(first + 3, STATES, f"last index difference over {period}")
    for first, (number, period) in zip((24, 42, 63, 81), BILLING_PERIODS.items(), strict=True):
        found |= _each(first, STATES, f"historical index of {period}", rank=3)
        found |= _each(first + 3, STATES, f"current index difference over {period}", rank=3)
        found |= _each(first + 6, STATES, f"last index difference over {period}", rank=3)
        for shorter, what in MEASUREMENT_PERIODS.items():
            found |= _each(first + 6 + 3 * shorter, STATES, f"maximum difference over {what} in {period}")
        if number == 2:
            found |= _each(60, STATES, f"maximum difference over {BILLING_PERIODS[1]} in {period}")
    return found


AVERAGING = {1: "averaging period 1 (5 min)", 2: "averaging period 2 (15 min)", 3: "averaging period 3 (1 h)"}
PROCESS_INTERVALS = {1: "15 min", 2: "1 hour", 3: "1 day", 4: "1 month"}


def _flow_processing() -> dict[int, Processing]:
    """Group D of the flow rate: instantaneous, averages, and maxima of the averages."""
    found = _each(0, FLOW_STATES[:3], "instantaneous", rank=0) | _each(13, FLOW_STATES[3:], "instantaneous", rank=0)
    for first, period in zip((15, 35, 55, 63), (*AVERAGING.values(), "averaging period 4"), strict=True):
        found |= _each(first, FLOW_STATES, f"current average over {period}", rank=2)
        found |= _each(first + 4, FLOW_STATES, f"last average over {period}", rank=2)
    longer = (MEASUREMENT_PERIODS[2], MEASUREMENT_PERIODS[3], BILLING_PERIODS[1])
    for first, period in ((23, AVERAGING[1]), (43, AVERAGING[2])):
        for n, within in enumerate(longer):
            found |= _each(first + 4 * n, FLOW_STATES, f"maximum average over {period} in {within}")
    return found


def _condition_processing() -> dict[int, Processing]:
    """Group D of temperature, pressure and the like."""
    found = _each(0, CONDITION_STATES[:1], "instantaneous", rank=0)
    found |= _each(2, CONDITION_STATES[1:2], "instantaneous", rank=0)
    found |= _each(13, CONDITION_STATES[2:], "instantaneous", rank=0)
    found |= {3: Processing("backup value"), 10: Processing("actual value", rank=1), 11: Processing("preset value")}
    for n, interval in PROCESS_INTERVALS.items():
        first = 15 + 18 * (n - 1)
        for side, which in ((0, "current"), (9, "last")):
            for step, what in ((0, "average"), (3, "minimum"), (6, "maximum")):
                found |= _each(first + side + step, CONDITION_STATES, f"{what} of the {which} interval of {interval}")
    found |= _each(87, CONDITION_STATES, "average since last event")
    return found | _each(90, CONDITION_STATES, "average between last two events")


CONDITIONS = {
    41: Quantity("absolute temperature", "T", "K"),
    42: Quantity("absolute pressure", "p"),
    44: Quantity("velocity of sound", "", "m/s"),
    45: Quantity("density"),
    46: Quantity("relative density"),
    47: Quantity("gauge pressure"),
    48: Quantity("differential pressure"),
    49: Quantity("density of air"),
}

FACTORS = {
    51: Quantity("correction factor"),
    52: Quantity("conversion factor"),
    53: Quantity("compressibility"),
    54: Quantity("superior calorific value"),
    55: Quantity("gas law deviation coefficient"),
}
FACTOR_PROCESSING = {
    0: Processing("at metering conditions", rank=0),
    2: Processing("at base conditions", rank=0),
    3: Processing("backup value"),
    10: Processing("actual value", rank=1),
    11: Processing("preset value"),
}
METHODS = Variants("method in use", series=(Series("supported method", range(1, 21)),))

ANALYSIS = {
    8: "reference pressure",
    9: "reference temperature",
    10: "superior Wobbe number",
    11: "inferior Wobbe number",
    12: "methane number",
    13: "total sulphur",
    14: "hydrogen sulphide H2S",
    15: "mercaptans",
    16: "water dew point",
    17: "water dew point, normalised",
    18: "hydrocarbon dew point",
    19: "inferior calorific value",
    20: "water H2O",
    60: "nitrogen N2",
    61: "hydrogen H2",
    62: "oxygen O2",
    63: "helium He",
    64: "argon Ar",
    65: "carbon monoxide CO",
    66: "carbon dioxide CO2",
    67: "methane CH4",
    68: "ethene C2H4",
    69: "ethane C2H6",
    70: "propene C3H6",
    71: "propane C3H8",
    72: "i-butane",
    73: "n-butane",
    74: "neo-pentane",
    75: "i-pentane",
    76: "n-pentane",
    77: "hexane C6",
    78: "hexane share of higher hydrocarbons",
    79: "hexane and higher hydrocarbons C6+",
    80: "heptane C7",
    81: "octane C8",
    82: "nonane C9",
    83: "decane C10",
    84: "tetrahydrothiophene THT",
}
ANALYSIS_PARAMETERS = {e: f"parameter {e}" for e in (45, 46, 54)}

AVERAGES = Variants(
    "current value",
    {1: "weighted value", 27: "average since last event", 28: "average between last two events"}
    | {11 + 2 * n: f"current average over averaging period {n + 1}" for n in range(8)}
    | {12 + 2 * n: f"last average over averaging period {n + 1}" for n in range(8)},
)

BLOCKS = (
    Block(INDEXES, _index_processing(), RATES_63),
    Block({43: Quantity("flow rate")}, _flow_processing()),
    Block(CONDITIONS, _condition_processing()),
    Block(FACTORS, {12: Processing("calculation method")}, METHODS),
    Block(FACTORS, FACTOR_PROCESSING, AVERAGES),
    Block({70: Quantity("gas analysis")}, {d: Processing(name) for d, name in ANALYSIS.items()}, AVERAGES),
)

SCHEME_ENTRIES = {
    3 * scheme + n: f"{what}, scheme {scheme + 1}"
    for scheme in range(4)
    for n, what in enumerate(("counter", "number available", "time stamp"))
}

FAMILIES = (
    Family("0.0", "gas ID", numbered("number", range(10), 1, e255="all combined"), (1,)),
    Family("0.1", "billing periods", named(SCHEME_ENTRIES), (1,), FUse.BILLING),
    Family("0.2", "program and device entries", numbered("number", range(4)), (1,)),
    Family("0.2", "program and device entries", numbered("number", range(8, 9)), (1,)),
    Family("0.2", "program and device entries", numbered("number", range(10, 19)), (1,)),
    Family("0.3", "output pulse constant", numbered("number", range(6)), (1, 3)),
    Family("0.5", "threshold", numbered("number", range(1, 5)), (1, 3)),
    Family("0.5", "threshold", numbered("number", range(11, 15)), (1, 3)),
    Family("0.6", "nominal value of the volume sensor", numbered("number", range(1, 5)), (1, 3)),
    Family("0.7", "input pulse constant", numbered("number", range(6)), (1, 3)),
    Family("0.8", "period", numbered("number", range(1, 7)), (1, 3)),
    Family("0.8", "period", numbered("number", range(10, 36)), (1, 3)),
    *TIME_FAMILIES,
    Family("0.9", "time entries", numbered("number", range(25)), (1, 3)),
    Family("0.10-11", "temperatures, set {n}", numbered("number", range(128)), (1, 3)),
    Family("0.12", "parameter of the gas analysis", named(ANALYSIS | ANALYSIS_PARAMETERS), (1, 3)),
    Family("0.13", "Venturi measurement", numbered("number", range(1, 11)), (1, 3)),
    Family("0.14", "densimeter", numbered("number", range(128)), (1, 3)),
    Family("0.15", "sensor manager", INSTANCES, (67,)),
    Family("99.97", "power failure event log", INSTANCES, (7,)),
    Family("99.98", "event log", INSTANCES, (7,)),
    Family(
        "99.99",
        "certification data log",
        named({0: "all", 1: "15 minutes", 2: "60 minutes", 3: "day", 4: "month"}),
        (7,),
    ),
    Family("99.1-96", "profile of the quantity C={d}", numbered("processing D =", range(128)), (7,)),
)

MEDIUM = Medium(KINDS, FAMILIES, BLOCKS, rank=4)
