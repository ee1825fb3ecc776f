"""A type-test bench: meters of a configuration are put on load points, and their registers say how wrong they are.

The engine itself measures, with its no-load limits and summation: an error is what energy registers have gained beyond
the true energy, in per cent.  See `engine.accuracy` for what is known of the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from meters.engine.accuracy import (
    REACTIVE_CLASSES,
    STARTING_SHARE,
    AccuracyClass,
    LoadPoint,
    limit_percent,
    load_points,
    no_load_minutes,
    no_load_minutes_en,
)
from meters.engine.block import REFERENCE_C, Block
from meters.engine.commands import LogName
from meters.engine.config import Config, LogSpec
from meters.engine.energy import SECONDS_PER_HOUR, Doubles
from meters.engine.engine import Engine
from meters.engine.quantity import MICRO_EXPONENT, Ints, Kind, Measurand, Quantity
from meters.engine.schedule import Every
from meters.engine.tolerance import Ratings, Tolerance
from meters.engine.wiring import Wiring

STEP_S = 60
"""Seconds on a load point: registers count micro-Wh, so that is a millionth of the energy at the lowest current."""
NO_LOAD_VOLTAGE = 1.15
_IMPORT = {False: Measurand.ACTIVE_IMPORT, True: Measurand.REACTIVE_IMPORT}
_EN_CLASSES = frozenset({AccuracyClass.A, AccuracyClass.B, AccuracyClass.C})


@dataclass(frozen=True, slots=True)
class Bench:
    """A source whose every step is a load point: the same at all meters, at nominal voltage and frequency."""

    points: Sequence[LoadPoint]
    wiring: Wiring
    ratings: Ratings
    reactive: bool = False
    temperature_c: float = REFERENCE_C

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`; it begins at 0 s."""
        points = self.points[start_s // step_s : stop_s // step_s]
        share = np.array([point.current_share for point in points])
        unit = np.array([point.powers(self.wiring, reactive=self.reactive) for point in points]).transpose(1, 2, 0)
        apparent_va = self.ratings.nominal_v * self.ratings.reference_a * share
        current_a = np.hypot(*unit) * (self.ratings.reference_a * share)
        shape = (self.wiring.elements, len(points), len(meters))
        arrays = (*(unit * apparent_va), np.full_like(current_a, self.ratings.nominal_v), current_a)
        power_w, power_var, voltage_v, current_a = (np.broadcast_to(array[..., None], shape) for array in arrays)
        return Block(power_w, power_var, voltage_v, current_a, temperature_c=self.temperature_c)


def ratings_of(config: Config) -> Ratings:
    """The ratings for which the errors of a configuration were drawn, else its own at a reference of 5 A."""
    if isinstance(config.errors, Tolerance):
        return config.errors.ratings
    return Ratings(config.nominal_v, maximum_a=config.max_current_a)


def errors_at(
    config: Config,
    meters: int,
    points: Sequence[LoadPoint],
    *,
    reactive: bool = False,
    ratings: Ratings | None = None,
    temperature_c: float = REFERENCE_C,
    first: int = 0,
) -> Doubles:
    """Errors of the meters `first` on at every point, (point, meter) in per cent; -100 where nothing is registered."""
    ratings = ratings or ratings_of(config)
    bench = Bench(points, config.wiring, ratings, reactive, temperature_c)
    engine = Engine(_on_the_bench(config), bench, 0, meters, first=first)
    readings = [_reading(engine, reactive)]
    for number in range(len(points)):
        engine.advance((number + 1) * STEP_S)
        readings.append(_reading(engine, reactive))
    true = bench.block(0, len(points) * STEP_S, STEP_S, range(1))
    power = (true.reactive_var if reactive else true.active_w).sum(axis=0)
    gained: Doubles = np.diff(np.array(readings), axis=0) * (SECONDS_PER_HOUR / STEP_S / 10**MICRO_EXPONENT)
    percent: Doubles = 100 * (gained / power - 1)
    return percent


def no_load_pulses(config: Config, meters: int, minutes: float, pulses_per_kwh: int, ratings: Ratings) -> Ints:
    """Pulses (meter) at 1.15 times the nominal voltage without any current, on A+, A-, R+ and R- together."""
    off = replace(ratings, nominal_v=NO_LOAD_VOLTAGE * ratings.nominal_v)
    steps = int(np.ceil(minutes * 60 / STEP_S))
    engine = Engine(_on_the_bench(config), Bench([LoadPoint(0.0)] * steps, config.wiring, off), 0, meters)
    engine.advance(steps * STEP_S)
    counted = list(Measurand)[:4]
    gained = sum(engine.registers(Quantity(one, Kind.ENERGY, exponent=-MICRO_EXPONENT)) for one in counted)
    pulses: Ints = np.asarray(gained, np.int64) * pulses_per_kwh // 10 ** (MICRO_EXPONENT + 3)
    return pulses


@dataclass(frozen=True, slots=True)
class TypeTest:
    """What the bench found: `percent` is (point, meter), `limits` (point); `starts` and `no_load_pulses` are (meter)."""

    accuracy: AccuracyClass
    points: tuple[LoadPoint, ...]
    limits: Doubles
    percent: Doubles
    starts: NDArray[np.bool_]
    no_load_minutes: float
    no_load_pulses: Ints

    @property
    def passed(self) -> NDArray[np.bool_]:
        """(meter): inside every limit, registers at the starting current, at most one pulse without load."""
        inside = np.all(np.abs(self.percent) <= self.limits[:, None], axis=0)
        verdict: NDArray[np.bool_] = inside & self.starts & (self.no_load_pulses <= 1)
        return verdict


def type_test(
    config: Config,
    accuracy: AccuracyClass,
    meters: int = 1,
    *,
    ratings: Ratings | None = None,
    pulses_per_kwh: int = 1000,
    temperature_c: float = REFERENCE_C,
) -> TypeTest:
    """Put meters of a configuration through every load point of a class, the starting current and the no-load test.

    Limits are those of the reference conditions, also at another temperature.
    """
    ratings = ratings or ratings_of(config)
    reactive = accuracy in REACTIVE_CLASSES
    points = load_points(accuracy, ratings.maximum_share, config.wiring)
    starting = LoadPoint(STARTING_SHARE[accuracy])

    def found(at: Sequence[LoadPoint]) -> Doubles:
        return errors_at(config, meters, at, reactive=reactive, ratings=ratings, temperature_c=temperature_c)

    elements, test_v = config.wiring.elements, NO_LOAD_VOLTAGE * ratings.nominal_v
    if accuracy in _EN_CLASSES:
        starting_a = starting.current_share * ratings.reference_a
        minutes = no_load_minutes_en(pulses_per_kwh, elements, test_v, starting_a)
    else:
        minutes = no_load_minutes(accuracy, pulses_per_kwh, elements, ratings.nominal_v, ratings.maximum_a)
    limits = np.array([limit_percent(accuracy, point) for point in points], np.float64)
    starts = found([starting])[0] > -100
    pulses = no_load_pulses(config, meters, minutes, pulses_per_kwh, ratings)
    return TypeTest(accuracy, tuple(points), limits, found(points), starts, minutes, pulses)


def _on_the_bench(config: Config) -> Config:
    """Meters that log nothing, whatever the configuration logs, and let current flow."""
    logs = {LogName.LOAD_PROFILE: LogSpec((), Every(900), 1)}
    return replace(config, step_s=STEP_S, logs=logs, control=None, tariff_plan=None)


def _reading(engine: Engine, reactive: bool) -> Ints:
    return engine.registers(Quantity(_IMPORT[reactive], Kind.ENERGY, exponent=-MICRO_EXPONENT))
