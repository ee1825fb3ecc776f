"""Electricity, A = 1: the quantities of groups C, their processing in D.  Blue Book Ed. 13, OBIS: electricity."""

from __future__ import annotations

from dataclasses import replace

from obis.rules import RATES_63, Block, Family, FUse, Medium, Processing, Quantity, Variants, named, numbered
from obis.tables.electricity_objects import FAMILIES, KINDS

PHASES = {20: "L1", 40: "L2", 60: "L3"}
"""Added to C of the quantities 1 to 20, whose own C stands for all phases together or for any."""


def _power(kind: str, way: str, symbols: tuple[str, str], quadrants: str = "", rank: int = 0) -> Quantity:
    """Active, reactive or apparent power, whose integral is an energy."""
    unit = {"active": "W", "reactive": "var", "apparent": "VA"}[kind]
    power, energy = f"{kind} power {way}", f"{kind} energy {way}"
    return Quantity(power, symbols[0], unit, "total", energy, symbols[1], unit + "h", quadrants, rank)


SUMS = {
    1: _power("active", "import", ("P+", "A+"), "QI+QIV"),
    2: _power("active", "export", ("P-", "A-"), "QII+QIII"),
    3: _power("reactive", "import", ("Q+", "R+"), "QI+QII"),
    4: _power("reactive", "export", ("Q-", "R-"), "QIII+QIV"),
    5: _power("reactive", "QI", ("Q1", "R1"), rank=2),
    6: _power("reactive", "QII", ("Q2", "R2"), rank=2),
    7: _power("reactive", "QIII", ("Q3", "R3"), rank=2),
    8: _power("reactive", "QIV", ("Q4", "R4"), rank=2),
    9: _power("apparent", "import", ("S+", "E+"), "QI+QIV"),
    10: _power("apparent", "export", ("S-", "E-"), "QII+QIII"),
    11: Quantity("current", "I", "A", "any phase", "current integral", "Ah", "Ah"),
    12: Quantity("voltage", "U", "V", "any phase", "squared voltage integral", "U²h", "V²h"),
    13: Quantity("power factor", "PF", "", "total", rank=2),
    14: Quantity("supply frequency", "f", "Hz"),
    15: _power("active", "absolute sum", ("|P+|+|P-|", "|A+|+|A-|"), "QI+QII+QIII+QIV", 2),
    16: _power("active", "net", ("|P+|-|P-|", "|A+|-|A-|"), "QI+QIV-QII-QIII", 2),
    17: _power("active", "QI", ("P1", "A1"), rank=2),
    18: _power("active", "QII", ("P2", "A2"), rank=2),
    19: _power("active", "QIII", ("P3", "A3"), rank=2),
    20: _power("active", "QIV", ("P4", "A4"), rank=2),
}

PER_PHASE = {
    c + offset: replace(quantity, where=phase) for offset, phase in PHASES.items() for c, quantity in SUMS.items()
}

_INDUCTIVE = _power("reactive", "inductive", ("", ""), "QI+QIII", 3)
_CAPACITIVE = _power("reactive", "capacitive", ("", ""), "QII+QIV", 3)
_PF_EXPORT = Quantity("power factor export", "PF-", rank=3)
WHERE = ("total", "L1", "L2", "L3")

OTHERS = {
    82: Quantity("unitless pulses", rank=3),
    **{84 + n: replace(_PF_EXPORT, where=where) for n, where in enumerate(WHERE)},
    88: Quantity("squared current hours", "A²h", "A²h", "", "squared current hours", "A²h", "A²h"),
    89: Quantity("squared voltage hours", "V²h", "V²h", "", "squared voltage hours", "V²h", "V²h"),
    90: Quantity("current, sum of the magnitudes in all phases", "Σ|I|", "A", "", "current sum integral", "Ah", "Ah"),
    91: Quantity("current", "I", "A", "neutral", "current integral", "Ah", "Ah"),
    92: Quantity("voltage", "U", "V", "neutral", "squared voltage integral", "U²h", "V²h"),
    **{100 + n: replace(_INDUCTIVE, where=where) for n, where in enumerate(WHERE)},
    **{104 + n: replace(_CAPACITIVE, where=where) for n, where in enumerate(WHERE)},
    124: Quantity("line voltage", "U", "V", "L1-L2"),
    125: Quantity("line voltage", "U", "V", "L2-L3"),
    126: Quantity("line voltage", "U", "V", "L3-L1"),
}

QUANTITIES = SUMS | PER_PHASE | OTHERS

HARMONIC_QUANTITIES = (11, 12, 15, 31, 32, 35, 51, 52, 55, 71, 72, 75, 90, 91, 92)
HARMONICS = Variants(
    zero="total",
    named={124: "total harmonic distortion (THD)", 125: "total demand distortion (TDD)"}
    | {126: "all harmonics", 127: "all harmonics relative to the nominal value"},
    series=numbered("harmonic", range(1, 121)).series,
    units=dict.fromkeys((124, 125, 127), "%"),
)

DIP_QUANTITIES = (12, 32, 52, 72)
DIP_DEPTHS = ("10-15 %", "15-30 %", "30-60 %", "60-90 %", "90-100 %")
DIP_DURATIONS = ("10-100 ms", "0.1-0.5 s", "0.5-1 s", "1-3 s", "3-20 s", "20-60 s")
DIPS = {
    10 * row + column: f"dips of {depth} for {duration}"
    for row, depth in enumerate(DIP_DEPTHS)
    for column, duration in enumerate(DIP_DURATIONS)
}
"""The UNIPEDE classes of voltage dips: depth by the tens of E, duration by its units."""

VECTORS = {0: "U(L1)", 1: "U(L2)", 2: "U(L3)", 4: "I(L1)", 5: "I(L2)", 6: "I(L3)", 7: "I(neutral)"}
ANGLES = {10 * row + column: f"{start} to {end}" for row, end in VECTORS.items() for column, start in VECTORS.items()}
"""E of an angle: its units tell the vector where it starts, its tens the one that it is measured to."""

LOSSES = {
    1: "active line loss +",
    2: "active line loss -",
    3: "active line loss",
    4: "active transformer loss +",
    5: "active transformer loss -",
    6: "active transformer loss",
    7: "active loss +",
    8: "active loss -",
    9: "active loss",
    10: "reactive line loss +",
    11: "reactive line loss -",
    12: "reactive line loss",
    13: "reactive transformer loss +",
    14: "reactive transformer loss -",
    15: "reactive transformer loss",
    16: "reactive loss +",
    17: "reactive loss -",
    18: "reactive loss",
}
OF_THE_SUM = {
    19: "normalised transformer loss (U²h)",
    20: "normalised line loss (I²h)",
    21: "compensated active energy import, gross",
    22: "compensated active energy import, net",
    23: "compensated active energy export, gross",
    24: "compensated active energy export, net",
    25: "compensated reactive energy import, gross",
    26: "compensated reactive energy import, net",
    27: "compensated reactive energy export, gross",
    28: "compensated reactive energy export, net",
}
OF_A_PHASE = LOSSES | {19: "squared current hours (A²h)", 20: "squared voltage hours (V²h)"}
ALL_LOSSES = (LOSSES | OF_THE_SUM) | {
    first + e: f"{loss}, {phase}"
    for first, phase in {30: "L1", 50: "L2", 70: "L3"}.items()
    for e, loss in OF_A_PHASE.items()
}

_VALUE = (3, 4)
_EXTREME = (3, 4, 7)
_COUNT = (1, 3)


def _scheme(n: int, first: int) -> dict[int, Processing]:
    """The six values of a measurement scheme: D = 1 to 6, 11 to 16, 21 to 26."""
    billing, rank = FUse.BILLING, 2 + n
    return {
        first: Processing(f"cumulative minimum {n}", class_ids=_VALUE, f_use=billing, rank=rank + 1),
        first + 1: Processing(f"cumulative maximum {n}", class_ids=_VALUE, f_use=billing, rank=rank + 1),
        first + 2: Processing(f"minimum {n}", class_ids=_EXTREME, f_use=billing, rank=rank),
        first + 3: Processing(f"current average {n}", class_ids=(5,), rank=rank),
        first + 4: Processing(f"last average {n}", rank=rank),
        first + 5: Processing(f"maximum {n}", class_ids=_EXTREME, f_use=billing, rank=rank - 1),
    }


def _limit(kind: str, first: int) -> dict[int, Processing]:
    """Threshold, count, duration and magnitude of one kind of limit."""
    return {
        first: Processing(f"threshold for {kind}", class_ids=_VALUE, f_use=FUse.THRESHOLD),
        first + 1: Processing(f"number of occurrences of {kind}", class_ids=_COUNT, unit="", f_use=FUse.THRESHOLD),
        first + 2: Processing(f"duration of {kind}", class_ids=_VALUE, unit="s", f_use=FUse.THRESHOLD),
        first + 3: Processing(f"magnitude of {kind}", class_ids=_VALUE, f_use=FUse.THRESHOLD),
    }


def _integral(name: str, text: str | None = None, billing: bool = False, rank: int = 3) -> Processing:
    f_use = FUse.BILLING if billing else FUse.NONE
    return Processing(name, text, _VALUE, integral=True, f_use=f_use, rank=rank)


PROCESSING = {
    0: Processing("billing average since last reset", f_use=FUse.BILLING),
    **_scheme(1, 1),
    7: Processing("instantaneous value", "instantaneous", _VALUE, rank=0),
    8: _integral("time integral 1, since start of measurement", "", True, rank=0),
    9: _integral("time integral 2, since start of billing period", "since start of billing period", True, rank=3),
    10: _integral("time integral 3, excess over a threshold", "excess over threshold", True),
    **_scheme(2, 11),
    17: _integral(
        "time integral 7, since start, to end of last recording period 1", "to end of last recording period 1"
    ),
    18: _integral(
        "time integral 8, since start, to end of last recording period 2", "to end of last recording period 2"
    ),
    19: _integral("time integral 9, since start of billing period, to end of last recording period 1"),
    20: _integral("time integral 10, since start of billing period, to end of last recording period 2"),
    **_scheme(3, 21),
    27: Processing("current average 5, recording interval 1"),
    28: Processing("current average 6, recording interval 2"),
    29: _integral("time integral 5, current recording interval 1", "current recording interval 1"),
    30: _integral("time integral 6, current recording interval 2", "current recording interval 2"),
    **_limit("under-limit", 31),
    **_limit("over-limit", 35),
    **_limit("missing", 39),
    43: Processing("time threshold for under-limit", class_ids=_VALUE, unit="s"),
    44: Processing("time threshold for over-limit", class_ids=_VALUE, unit="s"),
    45: Processing("time threshold for missing", class_ids=_VALUE, unit="s"),
    46: Processing("contracted value"),
    49: Processing("average in recording interval 1"),
    50: Processing("average in recording interval 2"),
    51: Processing("minimum in recording interval 1", class_ids=_EXTREME),
    52: Processing("minimum in recording interval 2", class_ids=_EXTREME),
    53: Processing("maximum in recording interval 1", class_ids=_EXTREME),
    54: Processing("maximum in recording interval 2", class_ids=_EXTREME),
    55: Processing("test average"),
    56: Processing("current average 4, harmonics"),
    58: _integral("time integral 4, test", "test integral"),
}

BLOCKS = (
    Block(
        {c: QUANTITIES[c] for c in HARMONIC_QUANTITIES},
        {d: PROCESSING[d] for d in (7, 24, 56)},
        HARMONICS,
    ),
    Block({c: QUANTITIES[c] for c in DIP_QUANTITIES}, {32: PROCESSING[32]}, Variants("all", DIPS)),
    Block({81: Quantity("phase angle", "φ", "°")}, {7: PROCESSING[7]}, named(ANGLES)),
    Block(
        {83: Quantity("transformer and line losses", "", "", "", "transformer and line losses")},
        PROCESSING,
        named(ALL_LOSSES),
    ),
    Block(QUANTITIES, PROCESSING, RATES_63),
)

TABLES = (
    *(Family(f"{c}.32", f"voltage dips table, {QUANTITIES[c].where}", named({255: ""}), (61,)) for c in DIP_QUANTITIES),
    Family("81.7", "phase angles table", named({255: ""}), (61,)),
)

MEDIUM = Medium(KINDS, FAMILIES + TABLES, BLOCKS)
