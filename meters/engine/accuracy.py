"""How wrong a meter may be: classes, their limits, and the load points at which a type test looks.

The clause texts of the limits were not at hand: they are from knowledge of the standards and prove nothing about
conformity.  The influence of voltage and frequency has limits as well, which are neither drawn nor tested.  Errors are in
per cent of the true value, currents in shares of the reference (Iref, Ib).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.wiring import Wiring


class AccuracyClass(Enum):
    """Accuracy classes with the clause that sets their limits."""

    A = "EN 50470-3 A"
    B = "EN 50470-3 B"
    C = "EN 50470-3 C"
    ACTIVE_1 = "IEC 62053-21 1"
    ACTIVE_2 = "IEC 62053-21 2"
    REACTIVE_2 = "IEC 62053-23 2"
    REACTIVE_3 = "IEC 62053-23 3"


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """One point of a type test.

    Current as a share of the reference, cosine (active) or sine (reactive) of the load angle (negative: capacitive),
    and the phase that alone is loaded; 0 for a balanced load.
    """

    current_share: float
    factor: float = 1.0
    phase: int = 0

    def powers(self, wiring: Wiring, *, reactive: bool) -> tuple[Doubles, Doubles]:
        """P and Q of each element when all voltages and the loaded currents are 1; zero where no current flows.

        The elements of a balanced Aron circuit see their line voltages 30 degrees before and after the phase voltages.
        EngineError for a phase that is not there.
        """
        lag = np.arcsin(self.factor) if reactive else np.copysign(np.arccos(abs(self.factor)), self.factor)
        turn = np.radians([30.0, -30.0]) if wiring is Wiring.ARON and not self.phase else np.zeros(wiring.elements)
        loaded = np.ones(wiring.elements)
        if self.phase:
            loaded[:] = 0.0
            loaded[wiring.element(self.phase)] = 1.0
        return loaded * np.cos(lag + turn), loaded * np.sin(lag + turn)


@dataclass(frozen=True, slots=True)
class Limit:
    """Allowed error from one current (inclusive) to the next, for one factor."""

    from_share: float
    to_share: float
    factor: float
    percent: float
    single_phase: bool = False


def _active_en(minimum: float, transitional: float, single: float) -> tuple[Limit, ...]:
    """EN 50470-3:2006, intrinsic error; shares of Iref, direct connection: Imin 0.05, Itr 0.1, Imax open.  From
    knowledge."""
    wide = [Limit(0.1, np.inf, factor, transitional) for factor in (1.0, 0.5, -0.8)]
    return (Limit(0.05, 0.1, 1.0, minimum), *wide, Limit(0.1, np.inf, 1.0, single, single_phase=True))


def _active_iec(low: float, full: float, inductive: float, inductive_full: float, single: float) -> tuple[Limit, ...]:
    """IEC 62053-21:2003, direct connection; shares of Ib.  From knowledge."""
    return (
        Limit(0.05, 0.1, 1.0, low),
        Limit(0.1, np.inf, 1.0, full),
        Limit(0.1, 0.2, 0.5, inductive),
        Limit(0.2, np.inf, 0.5, inductive_full),
        Limit(0.1, np.inf, 1.0, single, single_phase=True),
        Limit(0.2, np.inf, 0.5, single, single_phase=True),
    )


def _reactive(low: float, full: float, single: float) -> tuple[Limit, ...]:
    """IEC 62053-23:2003, direct connection; shares of Ib, factor is the sine.  From knowledge; that 0.25 begins at 0.2 Ib is
    assumed."""
    return (
        Limit(0.05, 0.1, 1.0, low),
        Limit(0.1, np.inf, 1.0, full),
        Limit(0.1, 0.2, 0.5, low),
        Limit(0.2, np.inf, 0.5, full),
        Limit(0.2, np.inf, 0.25, low),
        Limit(0.1, np.inf, 1.0, single, single_phase=True),
        Limit(0.2, np.inf, 0.5, single, single_phase=True),
    )


LIMITS: Mapping[AccuracyClass, tuple[Limit, ...]] = {
    AccuracyClass.A: _active_en(2.5, 2.0, 3.0),
    AccuracyClass.B: _active_en(1.5, 1.0, 2.0),
    AccuracyClass.C: _active_en(1.0, 0.5, 1.0),
    AccuracyClass.ACTIVE_1: (
        *_active_iec(1.5, 1.0, 1.5, 1.0, 2.0),
        Limit(0.1, 0.2, -0.8, 1.5),
        Limit(0.2, np.inf, -0.8, 1.0),
    ),
    AccuracyClass.ACTIVE_2: _active_iec(2.5, 2.0, 2.5, 2.0, 3.0),
    AccuracyClass.REACTIVE_2: _reactive(2.5, 2.0, 3.0),
    AccuracyClass.REACTIVE_3: _reactive(4.0, 3.0, 4.0),
}

REACTIVE_CLASSES = frozenset({AccuracyClass.REACTIVE_2, AccuracyClass.REACTIVE_3})

STARTING_SHARE: Mapping[AccuracyClass, float] = {
    AccuracyClass.A: 0.005,
    AccuracyClass.B: 0.004,
    AccuracyClass.C: 0.004,
    AccuracyClass.ACTIVE_1: 0.004,
    AccuracyClass.ACTIVE_2: 0.005,
    AccuracyClass.REACTIVE_2: 0.005,
    AccuracyClass.REACTIVE_3: 0.01,
}
"""Current, as a share of the reference, at which a meter must register: 0.05 or 0.04 of Itr = 0.1 Iref for A, B, C.

From knowledge of the directive and of IEC 62053-21 and -23, not read in them.
"""


def limit_percent(accuracy: AccuracyClass, point: LoadPoint) -> float | None:
    """The error allowed at a point; None where the class sets no limit."""
    for limit in LIMITS[accuracy]:
        fits = limit.factor == point.factor and limit.single_phase is (point.phase > 0)
        if fits and limit.from_share <= point.current_share < limit.to_share:
            return limit.percent
    return None


TEMPERATURE_PERCENT_PER_K: Mapping[AccuracyClass, float] = {
    AccuracyClass.A: 0.10,
    AccuracyClass.B: 0.05,
    AccuracyClass.C: 0.03,
    AccuracyClass.ACTIVE_1: 0.05,
    AccuracyClass.ACTIVE_2: 0.10,
    AccuracyClass.REACTIVE_2: 0.10,
    AccuracyClass.REACTIVE_3: 0.15,
}
"""Mean temperature coefficient allowed at factor 1 (at 0.5 more is): a drift of the gain is the same at both.

From knowledge: of IEC 62053-21 the classes 1 and 2.  A, B, C and the reactive classes are assumed alike (C: tighter),
without a source.
"""


class Temperature(Enum):
    """Temperature ranges of the measuring instruments directive, as bands outside of +5..+30 C."""

    MODERATE = (5.0, 30.0)
    COOL = (-10.0, 40.0)
    COLD = (-25.0, 55.0)
    EXTREME = (-40.0, 70.0)


MID_PERCENT: Mapping[AccuracyClass, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    AccuracyClass.A: ((3.5, 5.0, 7.0, 9.0), (3.5, 4.5, 7.0, 9.0), (4.0, 5.0, 7.0, 9.0)),
    AccuracyClass.B: ((2.0, 2.5, 3.5, 4.0), (2.0, 2.5, 3.5, 4.0), (2.5, 3.0, 4.0, 4.5)),
    AccuracyClass.C: ((1.0, 1.3, 1.7, 2.0), (0.7, 1.0, 1.3, 1.5), (1.0, 1.3, 1.7, 2.0)),
}
"""MID 2014/32/EU, annex V: class -> (Imin..Itr, Itr..Imax, single-phase load Itr..Imax), each by `Temperature`.

The numbers were seen in a public source, which row is whose is from knowledge.
"""


def mid_percent(accuracy: AccuracyClass, point: LoadPoint, temperature_c: float) -> float | None:
    """Maximum permissible error of the directive under rated conditions; None outside of them."""
    low, balanced, single = MID_PERCENT.get(accuracy, ((), (), ()))
    if point.current_share < 0.05 or (point.phase and point.current_share < 0.1):
        return None
    row = single if point.phase else (balanced if point.current_share >= 0.1 else low)
    bands = list(Temperature)
    for percent, band in zip(row, bands, strict=False):
        if band.value[0] <= temperature_c <= band.value[1]:
            return percent
    return None


def load_points(accuracy: AccuracyClass, maximum_share: float, wiring: Wiring = Wiring.THREE_PHASE) -> list[LoadPoint]:
    """The points of a type test for a class: both ends of every range of currents, up to Imax.

    Single-phase loads of a polyphase meter are put on each of its elements in turn.
    """
    points = set()
    for limit in LIMITS[accuracy]:
        last = min(limit.to_share * 0.999, maximum_share)
        phases = (0,) if not limit.single_phase else wiring.phases if wiring.elements > 1 else ()
        points |= {LoadPoint(s, limit.factor, phase) for s in (limit.from_share, last) for phase in phases}
    return sorted(points, key=lambda point: (point.phase, -point.factor, point.current_share))


def no_load_minutes(
    accuracy: AccuracyClass, pulses_per_kwh: int, elements: int, voltage_v: float, maximum_a: float
) -> float:
    """Shortest no-load test: at most one pulse may come in this time.  IEC 62053-21/-23:2003 (changed in 2020), from
    knowledge."""
    factor = {AccuracyClass.ACTIVE_1: 600e6, AccuracyClass.ACTIVE_2: 480e6, AccuracyClass.REACTIVE_2: 480e6}
    factor |= {AccuracyClass.REACTIVE_3: 300e6}
    if accuracy not in factor:
        raise EngineError(f"{accuracy.value} sets its no-load test otherwise")
    return factor[accuracy] / (pulses_per_kwh * elements * voltage_v * maximum_a)


def no_load_minutes_en(pulses_per_kwh: int, elements: int, voltage_v: float, starting_a: float) -> float:
    """Shortest no-load test of EN 50470-3:2006 at the test voltage.  From knowledge."""
    return 240e3 / (pulses_per_kwh * elements * voltage_v * starting_a)
