"""Typed references to what a meter can show: which physical quantity, in which form, of which phase and tariff.

Internally every value is an int64 in millionths of its unit (micro-Wh, micro-W, micro-V, micro-A, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

from meters.engine.errors import EngineError

Ints = NDArray[np.int64]
Index = int | slice | Ints

TARIFFS = 8
MICRO_EXPONENT = 6
"""Decimal digits between a unit and the engine's internal integers."""


class Measurand(Enum):
    """What is measured, with the names of OBIS value group C in the margin."""

    __hash__ = object.__hash__
    """Members are singletons, and looked up at every period's end: the hash of a name takes longer."""

    ACTIVE_IMPORT = auto()
    """1 A+, P+"""
    ACTIVE_EXPORT = auto()
    """2 A-, P-"""
    REACTIVE_IMPORT = auto()
    """3 R+, Q+ = Q1 + Q2"""
    REACTIVE_EXPORT = auto()
    """4 R-, Q- = Q3 + Q4"""
    REACTIVE_Q1 = auto()
    """5"""
    REACTIVE_Q2 = auto()
    """6"""
    REACTIVE_Q3 = auto()
    """7"""
    REACTIVE_Q4 = auto()
    """8"""
    APPARENT_IMPORT = auto()
    """9 S while P >= 0"""
    APPARENT_EXPORT = auto()
    """10 S while P < 0"""
    APPARENT = auto()
    """S in either direction"""
    ACTIVE_ABSOLUTE = auto()
    """15 |A+| + |A-|"""
    ACTIVE_NET = auto()
    """16 |A+| - |A-|, the only signed one"""
    CURRENT = auto()
    """11, 31, 51, 71"""
    VOLTAGE = auto()
    """12, 32, 52, 72"""
    POWER_FACTOR = auto()
    """13, 33, 53, 73: |P| / S, 1 without current"""
    FREQUENCY = auto()
    """14"""
    HOURS = auto()
    """Hours with supply voltage"""
    BILLING_PERIODS = auto()
    """Billing stops made"""
    THRESHOLD_PERIODS = auto()
    """Integration periods whose mean P+ exceeded the power threshold"""
    PULSE_INPUT = auto()
    """Pulses counted at the input"""
    FREQUENCY_BELOW_1 = auto()
    """Means of the frequency over ten seconds that were more than one per cent too low; the next ones likewise"""
    FREQUENCY_ABOVE_1 = auto()
    FREQUENCY_BELOW_6 = auto()
    FREQUENCY_ABOVE_4 = auto()
    FREQUENCY_BELOW_2 = auto()
    FREQUENCY_ABOVE_2 = auto()
    FREQUENCY_BELOW_15 = auto()
    FREQUENCY_ABOVE_15 = auto()
    LOW_VOLTAGES = auto()
    """Ten-minute means of the voltage of any phase more than ten per cent below the declared one"""
    UNDER_VOLTAGES = auto()
    """Under-voltages, as the limits of the meter declare them"""
    OVER_VOLTAGES = auto()
    RAPID_CHANGES = auto()
    """Changes of the voltage from one second to the next, apart from dips and swells"""
    UNBALANCES = auto()
    """Ten-minute means of the unbalance above its limit"""
    LONG_INTERRUPTIONS = auto()
    SHORT_INTERRUPTIONS = auto()
    DIPS = auto()
    SWELLS = auto()
    VOLTAGE_DISTORTIONS = auto()
    """Ten-minute means of the THD of one phase's voltage above its limit"""
    CURRENT_DISTORTIONS = auto()


class Kind(Enum):
    """In which form a measurand is shown."""

    __hash__ = object.__hash__

    ENERGY = auto()
    """Cumulative register (Wh, varh, VAh), truncated."""
    TRIP = auto()
    """Energy since the trip counter was reset: active import and export only."""
    INSTANT = auto()
    """Value of the last step, rounded."""
    MEAN = auto()
    """Mean over the last completed period of the log that asks; a register shows that of the load profile. Rounded."""
    MAX = auto()
    """Largest mean of a load-profile period since the billing stop; tariff 0 is over all tariffs."""
    MAX_TIME = auto()
    """End of the period of MAX, UTC seconds on the meter's clock; 0 while there is none."""
    CUMULATIVE_MAX = auto()
    """Sum of the maxima at all billing stops."""
    MAX_24H = auto()
    """Largest period mean of active import of the last 24 hours; MIN_24H the smallest."""
    MAX_24H_TIME = auto()
    MIN_24H = auto()
    MIN_24H_TIME = auto()
    SLIDING = auto()
    """Mean power over the last periods of the sliding demand, renewed at the end of each."""
    SLIDING_CURRENT = auto()
    """Energy of the running period and those before it, over the length of all: rises within a period."""
    SLIDING_MAX = auto()
    """Largest SLIDING since the last billing stop, SLIDING_MAX_TIME when its last period ended."""
    SLIDING_MAX_TIME = auto()
    COUNT = auto()
    """A plain counter: HOURS, BILLING_PERIODS, THRESHOLD_PERIODS, PULSE_INPUT, and those of `engine.counters`."""


TIME_KINDS = frozenset({Kind.MAX_TIME, Kind.MAX_24H_TIME, Kind.MIN_24H_TIME, Kind.SLIDING_MAX_TIME})
TRUNCATED_KINDS = frozenset({Kind.ENERGY, Kind.TRIP})


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing that a register or a log column shows.

    `phase` 0 is the whole meter, 1..3 one phase; `tariff` 0 is the total, 1..8 one tariff (ENERGY and maxima);
    the shown integer counts units of ten to the `exponent` (1: ten Wh; -2: hundredths of an ampere) and starts
    again at zero after `rollover` of them (0: never).  Times and counters ignore the exponent.
    """

    measurand: Measurand
    kind: Kind
    phase: int = 0
    tariff: int = 0
    exponent: int = 0
    rollover: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.phase <= 3:
            raise EngineError(f"phase {self.phase} is not 0..3")
        if not 0 <= self.tariff <= TARIFFS:
            raise EngineError(f"tariff {self.tariff} is not 0..{TARIFFS}")
        if not -MICRO_EXPONENT <= self.exponent <= 9:
            raise EngineError(f"exponent {self.exponent} is not -{MICRO_EXPONENT}..9")
        if self.rollover < 0:
            raise EngineError(f"rollover {self.rollover} is negative")


CHANNELS = 8
"""Integrated channels: A+, A-, Q1..Q4, S of import, S of export. Everything else is added up from these, exactly."""

COMPONENTS: dict[Measurand, tuple[tuple[int, ...], tuple[int, ...]]] = {
    Measurand.ACTIVE_IMPORT: ((0,), ()),
    Measurand.ACTIVE_EXPORT: ((1,), ()),
    Measurand.REACTIVE_Q1: ((2,), ()),
    Measurand.REACTIVE_Q2: ((3,), ()),
    Measurand.REACTIVE_Q3: ((4,), ()),
    Measurand.REACTIVE_Q4: ((5,), ()),
    Measurand.REACTIVE_IMPORT: ((2, 3), ()),
    Measurand.REACTIVE_EXPORT: ((4, 5), ()),
    Measurand.APPARENT_IMPORT: ((6,), ()),
    Measurand.APPARENT_EXPORT: ((7,), ()),
    Measurand.APPARENT: ((6, 7), ()),
    Measurand.ACTIVE_ABSOLUTE: ((0, 1), ()),
    Measurand.ACTIVE_NET: ((0,), (1,)),
}
"""Measurand -> channels that are added, channels that are subtracted."""


def combine(channels: Ints, measurand: Measurand, *index: Index) -> Ints:
    """The measurand out of an array whose first axis is the channel, at the given places of its other axes."""
    try:
        plus, minus = COMPONENTS[measurand]
    except KeyError:
        raise EngineError(f"{measurand.name} is neither energy nor power") from None
    value: Ints = channels[(plus[0], *index)]
    for channel in plus[1:]:
        value = value + channels[(channel, *index)]
    for channel in minus:
        value = value - channels[(channel, *index)]
    return value


def display_rollover(whole_digits: int, exponent: int = 0) -> int:
    """`Quantity.rollover` of a register whose display has so many digits of whole kWh: 7 for "7.0", 6 for "6.1".

    The register begins again when the display does, whatever decimals it shows.
    """
    if not 1 <= whole_digits <= 9 or whole_digits + 3 - exponent < 0:
        raise EngineError(f"a display of {whole_digits} digits of kWh shows no units of ten to the {exponent}")
    return int(10 ** (whole_digits + 3 - exponent))


def shown(micro: Ints, quantity: Quantity) -> Ints:
    """Internal millionths -> the integer that the register shows; truncated when cumulative, else rounded half up."""
    if quantity.kind is Kind.COUNT or quantity.kind in TIME_KINDS:
        unit, half = 1, 0
    else:
        unit = int(10 ** (MICRO_EXPONENT + quantity.exponent))
        half = 0 if quantity.kind in TRUNCATED_KINDS else unit // 2
    value: Ints = (micro + half if half else micro) // unit
    return value % quantity.rollover if quantity.rollover else value
