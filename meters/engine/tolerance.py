"""How wrong each meter is: gain, phase error, offset and temperature, given or drawn inside the limits of its classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Protocol

import numpy as np

from meters.engine.accuracy import (
    LIMITS,
    MID_PERCENT,
    REACTIVE_CLASSES,
    TEMPERATURE_PERCENT_PER_K,
    AccuracyClass,
    LoadPoint,
    Temperature,
    limit_percent,
    load_points,
    mid_percent,
)
from meters.engine.block import REFERENCE_C, Block
from meters.engine.chance import keys, uniform
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.wiring import Wiring

COMMON = 0.75
"""Of an error that is common to the elements of a meter: they share the reference and the converter."""
MAXIMUM_USE = 0.95
"""Of a limit: what is left is for products of errors, which the draw does not look at."""


@dataclass(frozen=True, slots=True)
class Ratings:
    """What is printed on a direct-connected meter: `nominal_v` of an element, Iref (Ib) and Imax.  Default 5(85) A."""

    nominal_v: float = 230.0
    reference_a: float = 5.0
    maximum_a: float = 85.0

    def __post_init__(self) -> None:
        if not (self.nominal_v > 0 and 0 < self.reference_a < self.maximum_a):
            raise EngineError(f"{self.nominal_v} V, {self.reference_a}({self.maximum_a}) A are no ratings of a meter")

    @property
    def maximum_share(self) -> float:
        """Imax as a share of the reference current."""
        return self.maximum_a / self.reference_a


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """What is wrong with each meter: arrays (element, meter), `per_kelvin` (meter).

    With g = (1 + gu)(1 + gi + per_kelvin (T - 23 C)) an element measures P' = g (P cos d + Q sin d) + P0 and
    Q' = g (Q cos d - P sin d) + Q0, and shows U and I with their own gains.  The error is then about
    100 (gu + gi + tan(phi) d + P0 / P) per cent: gain rules at power factor 1, phase error at 0.5, offset at low current.
    """

    voltage_gain: Doubles
    current_gain: Doubles
    phase_rad: Doubles
    offset_w: Doubles
    offset_var: Doubles
    per_kelvin: Doubles

    def __post_init__(self) -> None:
        shapes = {getattr(self, field.name).shape for field in fields(self)[:-1]}
        if len(shapes) > 1 or any(len(shape) != 2 or shape[1:] != self.per_kelvin.shape for shape in shapes):
            raise EngineError(f"errors are (element, meter), not {shapes} and {self.per_kelvin.shape}")

    @classmethod
    def none(cls, elements: int, meters: int) -> ErrorModel:
        """Meters without any error, to be given some by `dataclasses.replace`."""
        nothing = np.zeros((elements, meters))
        return cls(nothing, nothing, nothing, nothing, nothing, nothing[0])

    def of(self, wiring: Wiring, numbers: range) -> ErrorModel:
        """See `Errors`.  EngineError when there are not so many meters or elements."""
        elements, meters = self.phase_rad.shape
        if elements != wiring.elements or numbers.stop > meters:
            raise EngineError(f"errors of {meters} meters of {elements} elements, asked for number {numbers.stop - 1}")
        who = slice(numbers.start, numbers.stop, numbers.step)
        return replace(self, **{field.name: getattr(self, field.name)[..., who] for field in fields(self)})

    def measured(self, block: Block) -> Block:
        """What the meters make of the truth in a block (element, time, meter)."""
        drift = self.per_kelvin * (np.asarray(block.temperature_c, np.float64) - REFERENCE_C)
        voltage_gain, current_gain = 1.0 + self.voltage_gain[:, None], 1.0 + self.current_gain[:, None] + drift
        gain = voltage_gain * current_gain
        cosine, sine = gain * np.cos(self.phase_rad)[:, None], gain * np.sin(self.phase_rad)[:, None]
        active_w, reactive_var, excursions = block.active_w, block.reactive_var, block.excursions
        if excursions is not None:
            seen_v = excursions.voltage_v * (1.0 + self.voltage_gain[excursions.element, excursions.meter])
            excursions = replace(excursions, voltage_v=seen_v)
        return replace(
            block,
            active_w=active_w * cosine + reactive_var * sine + self.offset_w[:, None],
            reactive_var=reactive_var * cosine - active_w * sine + self.offset_var[:, None],
            voltage_v=block.voltage_v * voltage_gain,
            current_a=block.current_a * current_gain,
            excursions=excursions,
        )


class Errors(Protocol):
    """Where the errors of a fleet come from."""

    def of(self, wiring: Wiring, numbers: range) -> ErrorModel:
        """The errors of the meters with these numbers; a meter's depend on its number alone."""
        ...


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Meters drawn at random inside their classes: each within `use` of every limit, alone by `seed` and number.

    Half of that is for the gain, a quarter for the phase error and a quarter for the offset.  `reactive` is None for
    meters whose reactive energy nobody tests.  EngineError for a class of the wrong kind and for `use` beyond 0.95.
    """

    active: AccuracyClass = AccuracyClass.B
    reactive: AccuracyClass | None = AccuracyClass.REACTIVE_2
    seed: int = 1
    use: float = 0.5
    ratings: Ratings = Ratings()

    def __post_init__(self) -> None:
        if self.active in REACTIVE_CLASSES or (self.reactive is not None and self.reactive not in REACTIVE_CLASSES):
            raise EngineError(f"{self.active} and {self.reactive} are not an active and a reactive class")
        if not 0 < self.use <= MAXIMUM_USE:
            raise EngineError(f"{self.use} of a limit is not 0..{MAXIMUM_USE}")

    @property
    def classes(self) -> tuple[AccuracyClass, ...]:
        """The classes that every meter keeps."""
        return (self.active,) if self.reactive is None else (self.active, self.reactive)

    def of(self, wiring: Wiring, numbers: range) -> ErrorModel:
        """See `Errors`."""
        gain, phase_rad, share = (min(values) for values in zip(*self._largest(wiring), strict=True))
        offset = share * self.ratings.nominal_v * self.ratings.reference_a
        per_kelvin = min(_drift(accuracy, self.use) for accuracy in self.classes)

        def draw(stream: int, largest: float) -> Doubles:
            common, *own = 2.0 * uniform(keys(self.seed, numbers, stream), np.arange(1 + wiring.elements)) - 1.0
            mixed: Doubles = (COMMON * common + (1.0 - COMMON) * np.array(own)) * largest
            return mixed

        return ErrorModel(
            draw(1, gain / 2),
            draw(2, gain / 2),
            draw(3, phase_rad),
            draw(4, offset),
            draw(5, offset),
            (2.0 * uniform(keys(self.seed, numbers, 6), np.arange(1))[0] - 1.0) * per_kelvin,
        )

    def _largest(self, wiring: Wiring) -> Iterator[tuple[float, float, float]]:
        """For each load point the largest gain error, phase error (rad), and offset as a share of nominal U times Iref."""
        for accuracy in self.classes:
            reactive = accuracy in REACTIVE_CLASSES
            for point in load_points(accuracy, self.ratings.maximum_share, wiring):
                percent = limit_percent(accuracy, point)
                assert percent is not None, "the points are those of the limits"
                main, other = point.powers(wiring, reactive=reactive)[:: -1 if reactive else 1]
                total, allowed = abs(main.sum()), self.use * percent / 100
                of_phase, loaded = np.abs(other).sum() / total, np.hypot(main, other).sum()
                yield (
                    allowed / 2 * total / np.abs(main).sum(),
                    allowed / 4 / max(of_phase, 1e-9),
                    allowed / 4 * point.current_share * total / loaded,
                )


def _drift(accuracy: AccuracyClass, use: float) -> float:
    """The largest relative error per kelvin: inside the coefficient of the class, and with it inside the directive."""
    largest = [use * TEMPERATURE_PERCENT_PER_K[accuracy]]
    if accuracy in MID_PERCENT:
        rows = [LoadPoint(limit.from_share, 1.0, int(limit.single_phase)) for limit in LIMITS[accuracy]]
        for point, limit in zip(rows, LIMITS[accuracy], strict=True):
            for band in Temperature:
                away_k = max(abs(edge - REFERENCE_C) for edge in band.value)
                permitted = mid_percent(accuracy, point, band.value[0])
                assert permitted is not None, "limits lie inside the rated conditions"
                largest.append((MAXIMUM_USE * permitted - use * limit.percent) / away_k)
    return max(0.0, min(largest)) / 100


ACCURACIES = {
    "ideal": None,
    "A": (AccuracyClass.A, AccuracyClass.REACTIVE_3),
    "B": (AccuracyClass.B, AccuracyClass.REACTIVE_2),
    "C": (AccuracyClass.C, AccuracyClass.REACTIVE_2),
    "1": (AccuracyClass.ACTIVE_1, AccuracyClass.REACTIVE_2),
    "2": (AccuracyClass.ACTIVE_2, AccuracyClass.REACTIVE_3),
}
"""Name -> class of active and of reactive energy, as they are sold together."""


def errors_of(name: str, seed: int = 1) -> Tolerance | None:
    """Errors by the name of an accuracy; None for "ideal".  EngineError for an unknown name."""
    if name not in ACCURACIES:
        raise EngineError(f"no accuracy {name!r}; there are: {', '.join(ACCURACIES)}")
    classes = ACCURACIES[name]
    return None if classes is None else Tolerance(*classes, seed)
