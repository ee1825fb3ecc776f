"""How wrong a meter is: an error model of every meter, the type-test bench, and the limits of the standards.

The clause texts of the limits were not at hand: they are from knowledge of the standards and prove nothing about
conformity.  Errors are in per cent of the true value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from meters.engine.block import Block, Source
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError

REFERENCE_C = 23.0


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
    and whether only one phase is loaded.
    """

    current_share: float
    factor: float = 1.0
    single_phase: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """Allowed error from one current (inclusive) to the next, for one factor."""

    from_share: float
    to_share: float
    factor: float
    percent: float
    single_phase: bool = False


def _active_en(minimum: float, transitional: float, single: float) -> tuple[Limit, ...]:
    """EN 50470-3:2006, intrinsic error; shares of Iref, direct connection: Imin 0.05, Itr 0.1, Imax open."""
    wide = [Limit(0.1, np.inf, factor, transitional) for factor in (1.0, 0.5, -0.8)]
    return (Limit(0.05, 0.1, 1.0, minimum), *wide, Limit(0.1, np.inf, 1.0, single, single_phase=True))


def _active_iec(low: float, full: float, inductive: float, inductive_full: float, single: float) -> tuple[Limit, ...]:
    """IEC 62053-21:2003, direct connection; shares of Ib."""
    return (
        Limit(0.05, 0.1, 1.0, low),
        Limit(0.1, np.inf, 1.0, full),
        Limit(0.1, 0.2, 0.5, inductive),
        Limit(0.2, np.inf, 0.5, inductive_full),
        Limit(0.1, np.inf, 1.0, single, single_phase=True),
        Limit(0.2, np.inf, 0.5, single, single_phase=True),
    )


def _reactive(low: float, full: float, single: float) -> tuple[Limit, ...]:
    """IEC 62053-23:2003, direct connection; shares of Ib, factor is the sine."""
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
"""Current, as a share of the reference, at which a meter must register: 0.05 or 0.04 of Itr = 0.1 Iref for A, B, C."""


def limit_percent(accuracy: AccuracyClass, point: LoadPoint) -> float | None:
    """The error allowed at a point; None where the class sets no limit."""
    for limit in LIMITS[accuracy]:
        fits = limit.factor == point.factor and limit.single_phase is point.single_phase
        if fits and limit.from_share <= point.current_share < limit.to_share:
            return limit.percent
    return None


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
"""MID 2014/32/EU, annex V: class -> (Imin..Itr, Itr..Imax, single-phase load Itr..Imax), each by `Temperature`."""


def mid_percent(accuracy: AccuracyClass, point: LoadPoint, temperature_c: float) -> float | None:
    """Maximum permissible error of the directive under rated conditions; None outside of them."""
    low, balanced, single = MID_PERCENT.get(accuracy, ((), (), ()))
    if point.current_share < 0.05 or (point.single_phase and point.current_share < 0.1):
        return None
    row = single if point.single_phase else (balanced if point.current_share >= 0.1 else low)
    bands = list(Temperature)
    for percent, band in zip(row, bands, strict=False):
        if band.value[0] <= temperature_c <= band.value[1]:
            return percent
    return None


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """What is wrong with each meter; arrays are (meter).

    P' = (1 + g)(P cos d + Q sin d) + P0 and Q' = (1 + g)(Q cos d - P sin d) + Q0; g = gain + per_kelvin (T - 23 C).
    The error is then 100 (g + tan(phi) d + P0 / P) per cent: gain rules at power factor 1, the phase error d at 0.5,
    the offset at low current.
    """

    gain: Doubles
    phase_rad: Doubles
    offset_w: Doubles
    offset_var: Doubles
    voltage_gain: Doubles
    current_gain: Doubles
    per_kelvin: float = 0.0

    @classmethod
    def ideal(cls, meters: int) -> ErrorModel:
        """No error at all."""
        nothing = np.zeros(meters)
        return cls(nothing, nothing, nothing, nothing, nothing, nothing)

    @classmethod
    def draw(
        cls, accuracy: AccuracyClass, meters: int, rng: np.random.Generator, *, reference_va: float, share: float = 0.5
    ) -> ErrorModel:
        """Random meters of a class, each within `share` of every limit; `reference_va` is U times Iref of one phase.

        The three contributions take at most a half, a quarter and a quarter of the tightest limit that concerns them.
        """
        limits = LIMITS[accuracy]
        tightest = share / 100 * min(limit.percent for limit in limits)
        angled = [limit for limit in limits if abs(limit.factor) < 1]
        phase = min(share * lim.percent / 100 / _tangent(lim.factor) for lim in angled)
        lowest = min(lim.percent * lim.from_share * abs(lim.factor) for lim in limits)
        offset = share * lowest / 100 * reference_va / 4
        gain = rng.uniform(-tightest / 2, tightest / 2, meters)
        return cls(
            gain,
            rng.uniform(-phase / 4, phase / 4, meters),
            rng.uniform(-offset, offset, meters),
            rng.uniform(-offset, offset, meters),
            rng.uniform(-tightest / 2, tightest / 2, meters),
            rng.uniform(-tightest / 2, tightest / 2, meters),
        )

    def measured(self, block: Block, meters: slice = slice(None), temperature_c: float = REFERENCE_C) -> Block:
        """What the meters make of the truth in a block (element, time, meter)."""
        drift = self.per_kelvin * (temperature_c - REFERENCE_C)
        gain = 1.0 + self.gain[meters] + drift
        cosine, sine = np.cos(self.phase_rad[meters]), np.sin(self.phase_rad[meters])
        active_w, reactive_var = block.active_w, block.reactive_var
        voltage_gain, excursions = 1.0 + self.voltage_gain[meters], block.excursions
        if excursions is not None:
            excursions = replace(excursions, voltage_v=excursions.voltage_v * voltage_gain[excursions.meter])
        return replace(
            block,
            active_w=gain * (active_w * cosine + reactive_var * sine) + self.offset_w[meters],
            reactive_var=gain * (reactive_var * cosine - active_w * sine) + self.offset_var[meters],
            voltage_v=block.voltage_v * voltage_gain,
            current_a=block.current_a * (1.0 + self.current_gain[meters]),
            excursions=excursions,
        )


def _tangent(factor: float) -> float:
    return float(np.sqrt(1 - factor**2) / abs(factor))


@dataclass(frozen=True, slots=True)
class Imperfect:
    """A source seen through imperfect meters; meter n of the fleet has the errors number n of the model."""

    source: Source
    errors: ErrorModel
    temperature_c: float = REFERENCE_C

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        if meters.stop > self.errors.gain.size:
            raise EngineError(f"errors of {self.errors.gain.size} meters, asked for number {meters.stop - 1}")
        block = self.source.block(start_s, stop_s, step_s, meters)
        return self.errors.measured(block, slice(meters.start, meters.stop, meters.step), self.temperature_c)


def load_points(accuracy: AccuracyClass, maximum_share: float) -> list[LoadPoint]:
    """A type-test bench's points for a class: both ends of every range of currents, up to Imax."""
    points = set()
    for limit in LIMITS[accuracy]:
        last = min(limit.to_share * 0.999, maximum_share)
        points |= {LoadPoint(s, limit.factor, limit.single_phase) for s in (limit.from_share, last)}
    return sorted(points, key=lambda point: (point.single_phase, -point.factor, point.current_share))


def bench_errors(
    errors: ErrorModel,
    accuracy: AccuracyClass,
    point: LoadPoint,
    *,
    voltage_v: float = 230.0,
    reference_a: float = 5.0,
    elements: int = 3,
    temperature_c: float = REFERENCE_C,
) -> Doubles:
    """Error of every meter at a load point in per cent of the true value, active or reactive as the class demands."""
    apparent_va = voltage_v * reference_a * point.current_share
    other = np.sqrt(1 - point.factor**2)
    main, cross = apparent_va * abs(point.factor), apparent_va * other * np.sign(point.factor)
    reactive = accuracy in REACTIVE_CLASSES
    active_w, reactive_var = (cross, main) if reactive else (main, cross)
    shape = (elements, 1, errors.gain.size)
    loaded = np.zeros((elements, 1, 1))
    loaded[: 1 if point.single_phase else elements] = 1.0
    true = Block.from_power(
        np.broadcast_to(active_w * loaded, shape),
        np.broadcast_to(reactive_var * loaded, shape),
        np.full(shape, voltage_v),
    )
    seen = errors.measured(true, temperature_c=temperature_c)
    before, after = (true.reactive_var, seen.reactive_var) if reactive else (true.active_w, seen.active_w)
    on = loaded[:, 0, 0] > 0
    total: Doubles = before[on].sum(axis=(0, 1))
    percent: Doubles = 100 * (after[on].sum(axis=(0, 1)) - total) / total
    return percent


def no_load_minutes(
    accuracy: AccuracyClass, pulses_per_kwh: int, elements: int, voltage_v: float, maximum_a: float
) -> float:
    """Shortest no-load test: at most one pulse may come in this time.  IEC 62053-21/-23:2003 (changed in 2020)."""
    factor = {AccuracyClass.ACTIVE_1: 600e6, AccuracyClass.ACTIVE_2: 480e6, AccuracyClass.REACTIVE_2: 480e6}
    factor |= {AccuracyClass.REACTIVE_3: 300e6}
    if accuracy not in factor:
        raise EngineError(f"{accuracy.value} sets its no-load test otherwise")
    return factor[accuracy] / (pulses_per_kwh * elements * voltage_v * maximum_a)


def no_load_minutes_en(pulses_per_kwh: int, elements: int, voltage_v: float, starting_a: float) -> float:
    """Shortest no-load test of EN 50470-3:2006 at the test voltage."""
    return 240e3 / (pulses_per_kwh * elements * voltage_v * starting_a)
