"""Pulses of the LED and the S0 output: counted from the registers, so that they agree with them for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from meters.engine.energy import SECONDS_PER_HOUR, Doubles
from meters.engine.errors import EngineError
from meters.engine.quantity import COMPONENTS, Ints, Measurand

UWH_PER_KWH = 10**9
MOST_PULSES = 1_000_000
"""So many times are kept until somebody takes them."""
_SLACK = 1e-6
"""Seconds by which float times may be nearer to each other than they are."""


def pulse_count(energy_uwh: Ints, per_kwh: int) -> Ints:
    """Pulses that a meter has given when its register stands at these micro-Wh: whole pulses, the rest carried.

    The difference of two counts is the number of pulses in between.  Exact for every int64.
    """
    if per_kwh < 1:
        raise EngineError(f"a pulse constant of {per_kwh} per kWh")
    kwh, rest_uwh = np.divmod(energy_uwh, UWH_PER_KWH)
    count: Ints = kwh * per_kwh + rest_uwh * per_kwh // UWH_PER_KWH
    return count


@dataclass(frozen=True, slots=True)
class PulseOutput:
    """The LED or an S0 output: `per_kwh` pulses a kWh (kvarh, kVAh) of `measurand`, every `divisor`-th of which is given
    as `on_ms` of signal with at least `off_ms` before the next.  EngineError for what no output can do."""

    measurand: Measurand = Measurand.ACTIVE_IMPORT
    per_kwh: int = 1000
    divisor: int = 1
    on_ms: float = 30.0
    off_ms: float = 30.0

    def __post_init__(self) -> None:
        if self.measurand not in COMPONENTS or COMPONENTS[self.measurand][1]:
            raise EngineError(f"{self.measurand.name} is no energy that only grows: it cannot be given as pulses")
        if self.per_kwh < 1 or not 1 <= self.divisor <= 1000 or self.on_ms <= 0 or self.off_ms <= 0:
            raise EngineError(f"no output gives {self.per_kwh}/{self.divisor} pulses of {self.on_ms}/{self.off_ms} ms")

    @property
    def highest_w(self) -> float:
        """Power up to which the output can follow.

        1000 imp/kWh at 30 and 30 ms end at 60 kW: enough for 3 x 85 A, too little for 3 x 105 A without a divisor.
        """
        return 3.6e9 / (self.on_ms + self.off_ms) * self.divisor / self.per_kwh

    def count(self, energy_uwh: Ints) -> Ints:
        """Pulses that have been given when the register stands at these micro-Wh."""
        return pulse_count(energy_uwh, self.per_kwh) // self.divisor

    def times(self, begin_s: int, step_s: int, before_uws: int, power_uw: Ints) -> Doubles:
        """When the pulses of consecutive steps (time) came, seconds: within a step the power is constant.

        `before_uws` is the register at `begin_s` in micro-watt-seconds.
        """
        grown = np.concatenate([[0], np.cumsum(power_uw) * step_s])
        unit = Fraction(UWH_PER_KWH * SECONDS_PER_HOUR * self.divisor, self.per_kwh)
        first, last = before_uws // unit, (before_uws + int(grown[-1])) // unit
        due = float((first + 1) * unit - before_uws) + np.arange(int(last - first)) * float(unit)
        step = np.clip(np.searchsorted(grown, due), 1, max(len(power_uw), 1))
        share = (due - grown[step - 1]) / np.maximum(grown[step] - grown[step - 1], 1) if due.size else due
        times: Doubles = begin_s + (step - 1 + np.minimum(share, 1.0)) * step_s
        return times


@dataclass(slots=True)
class PulseWatch:
    """Somebody who looks at an output of one meter from now on."""

    output: PulseOutput
    parts: list[Doubles] = field(default_factory=list)
    kept: int = 0
    last_s: float = -np.inf

    def see(self, times_s: Doubles) -> None:
        """Pulses were given; more than MOST_PULSES are only counted."""
        if self.kept <= MOST_PULSES and times_s.size:
            self.parts.append(times_s)
        self.kept += times_s.size

    def take(self) -> Doubles:
        """Times of all pulses since the last call.  EngineError when they came too fast for the output, or are too many."""
        kept, self.kept = self.kept, 0
        times_s = np.concatenate([np.empty(0), *self.parts])
        self.parts.clear()
        if kept > MOST_PULSES:
            raise EngineError(f"{kept} pulses since they were last taken: at most {MOST_PULSES} are kept")
        if not kept:
            return times_s
        gaps_s = np.diff(times_s, prepend=self.last_s)
        self.last_s = float(times_s[-1])
        needed_s = (self.output.on_ms + self.output.off_ms) / 1000
        late = np.flatnonzero(gaps_s < needed_s - _SLACK)
        if late.size:
            raise EngineError(
                f"the pulse at {times_s[late[0]]:.3f} s comes {gaps_s[late[0]] * 1000:.1f} ms after the one before: "
                f"the output needs {needed_s * 1000:g} ms"
            )
        return times_s
