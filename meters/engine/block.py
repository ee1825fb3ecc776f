"""What happens on the wires: blocks of measured steps, and the port of whoever supplies them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meters.engine.errors import EngineError
from meters.engine.wiring import Wiring

Floats = NDArray[np.floating]

REFERENCE_C = 23.0
"""Temperature at which a meter's intrinsic errors are stated."""
MAX_VOLTAGE_V = 1e6
ELEMENT_FIELDS = ("active_w", "reactive_var", "voltage_v", "current_a", "voltage_thd", "current_thd", "short_flicker")
"""The arrays of a block that are (phase element, time, meter)."""
STEP_FIELDS = ("inputs", "unbalance")
"""Those that are (time, meter)."""
FIELDS = (*ELEMENT_FIELDS, *STEP_FIELDS, "voltage_harmonics")
"""All arrays whose last axes are time and meter."""


class Input(IntFlag):
    """Digital inputs of a meter during a step."""

    MAGNET = 1
    COVER = 2
    ALARM = 4


@dataclass(frozen=True, slots=True)
class Excursions:
    """Voltages that steps are too long to show: from `begin_s` to `end_s` (UTC) a phase's RMS is `voltage_v` instead.

    One an index, in any order; `meter` and `element` count within the block.  Two of one phase do not overlap.  They
    are what is seen, whether or not it is a dip or a swell: that is for the meter to say.  EngineError when the arrays
    differ in length, or for one that ends before it begins, or for a voltage that none is.
    """

    meter: NDArray[np.int64]
    element: NDArray[np.int64]
    begin_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    voltage_v: NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {getattr(self, name).shape for name in self.__slots__}
        if len(shapes) != 1 or len(shapes.pop()) != 1:
            raise EngineError("excursions are arrays of one length")
        if not ((self.end_s >= self.begin_s) & (self.voltage_v >= 0) & (self.voltage_v < MAX_VOLTAGE_V)).all():
            raise EngineError("an excursion ends before it begins, or has no voltage")

    @classmethod
    def of_events(cls, events: Iterable[tuple[int, int, float, float, float]], wiring: Wiring) -> Excursions:
        """Out of (meter, phase 1..3, UTC of the begin, duration in s, RMS in V); phase 0 is all of the wiring's.

        EngineError for a phase that the wiring does not have.
        """
        rows = [
            (meter, element, begin_s, begin_s + duration_s, voltage_v)
            for meter, phase, begin_s, duration_s, voltage_v in events
            for element in ((wiring.element(phase),) if phase else range(wiring.elements))
        ]
        meter, element = (np.array([row[k] for row in rows], np.int64) for k in range(2))
        return cls(meter, element, *(np.array([row[k] for row in rows], np.float64) for k in range(2, 5)))

    @classmethod
    def joined(cls, parts: Iterable[Excursions]) -> Excursions:
        """All of several."""
        arrays = [[getattr(part, name) for name in cls.__slots__] for part in parts]
        return cls(*(np.concatenate(column) for column in zip(*arrays, strict=True)))

    def part(self, chosen: NDArray[np.bool_]) -> Excursions:
        """Those that are chosen."""
        return Excursions(*(getattr(self, name)[chosen] for name in self.__slots__))

    def of(self, meters: range, start_s: float, stop_s: float) -> Excursions:
        """Those of the meters in the range, counted from its first, that overlap the time from `start_s` to `stop_s`."""
        inside = (self.meter >= meters.start) & (self.meter < meters.stop)
        chosen = self.part(inside & (self.begin_s < stop_s) & (self.end_s > start_s))
        return replace(chosen, meter=chosen.meter - meters.start)


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive steps of some meters; every array is (phase element, time, meter).

    A step's values hold for the whole step: power as its mean, voltage and current as its RMS.  `frequency_hz` and
    `temperature_c`, of the meter, are (time, meter) or anything that broadcasts to it; `inputs` holds `Input` bits as
    (time, meter), None means all zero.  `excursions` are all that overlap the block's time.  For the counters of
    voltage quality: `unbalance` (u2, time, meter; None: that of the RMS values at the nominal angles), `voltage_thd` and
    `current_thd` (None: sinusoidal), as shares.  For the verdict on a week also `voltage_harmonics`, (order - 1, element,
    time, meter) as shares of the fundamental, and `short_flicker`, the Pst of the ten minutes that a step lies in (NaN:
    unknown); what is None was not measured.  EngineError when the shapes differ.  float32 is welcome: everything is
    integrated in float64 and int64.
    """

    active_w: Floats
    reactive_var: Floats
    voltage_v: Floats
    current_a: Floats
    frequency_hz: Floats | float = 50.0
    inputs: NDArray[np.uint8] | None = None
    excursions: Excursions | None = None
    unbalance: Floats | None = None
    voltage_thd: Floats | None = None
    current_thd: Floats | None = None
    temperature_c: Floats | float = REFERENCE_C
    voltage_harmonics: Floats | None = None
    short_flicker: Floats | None = None

    def __post_init__(self) -> None:
        shape = self.active_w.shape
        if len(shape) != 3:
            raise EngineError(f"a block is (phase, time, meter), not {shape}")
        for name in ELEMENT_FIELDS:
            if (given := getattr(self, name)) is not None and given.shape != shape:
                raise EngineError(f"{name} is {given.shape}, active_w {shape}")
        for name in STEP_FIELDS:
            if (given := getattr(self, name)) is not None and given.shape != shape[1:]:
                raise EngineError(f"{name} is {given.shape}, not {shape[1:]}")
        if (given := self.voltage_harmonics) is not None and (given.ndim != 4 or given.shape[1:] != shape):
            raise EngineError(f"voltage_harmonics is {given.shape}, not (order - 1, *{shape})")

    def cut(self, steps: slice, meters: slice = slice(None)) -> Block:
        """The part of some steps and meters; the excursions stay, for they have times of their own."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in FIELDS}
        cut = {name: value[..., steps, meters] for name, value in fields.items() if value is not None}
        shape = self.active_w.shape[1:]
        spread = (np.broadcast_to(np.asarray(values), shape) for values in (self.frequency_hz, self.temperature_c))
        frequency_hz, temperature_c = (values[steps, meters] for values in spread)
        return replace(self, **cut, frequency_hz=frequency_hz, temperature_c=temperature_c)

    @classmethod
    def from_power(
        cls, active_w: Floats, reactive_var: Floats, voltage_v: Floats, frequency_hz: Floats | float = 50.0
    ) -> Block:
        """Sinusoidal currents that carry the powers at the voltages: I = |P + jQ| / U, nothing at zero voltage."""
        apparent_va = np.hypot(active_w, reactive_var)
        current_a = np.divide(apparent_va, voltage_v, out=np.zeros_like(apparent_va), where=voltage_v > 0)
        return cls(active_w, reactive_var, voltage_v, current_a, frequency_hz)


class Source(Protocol):
    """Where blocks come from: a pure function, so the same step has the same values however time is cut."""

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """The steps [start_s, stop_s), each `step_s` long, of the meters with these numbers in the fleet."""
        ...
