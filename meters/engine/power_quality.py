"""Voltage dips, swells, interruptions and time aggregation as IEC 61000-4-30 ed. 3 defines them, without a loop.

Voltages are (phase, time, meter), one value a half cycle (Urms(1/2)) or whatever the source refreshes.  Thresholds are
the user's: the defaults are those commonly used with EN 50160.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import EventKind
from meters.engine.quality import MICRO, Bools, Rule, Supervision, Watch
from meters.engine.quantity import Ints

KINDS = (EventKind.DIP, EventKind.SWELL, EventKind.INTERRUPTION)


class Refresh(Enum):
    """How often the RMS value of a cycle, in which events are sought, is taken anew."""

    HALF_CYCLE = auto()
    """Urms(1/2): class A."""
    CYCLE = auto()
    """Urms(1): class S may."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A profile of voltage quality: thresholds as shares of the declared voltage, and what the counters allow.

    `hysteresis` lies between begin and end of an event.  `unbalance` and `thd` are limits of ten-minute means, and
    `rapid_change` of the voltage from one second to the next; interruptions longer than `long_interruption_s` are long.
    """

    declared_v: float = 230.0
    dip: float = 0.90
    swell: float = 1.10
    interruption: float = 0.05
    hysteresis: float = 0.02
    refresh: Refresh = Refresh.HALF_CYCLE
    nominal_hz: float = 50.0
    rapid_change: float = 0.05
    unbalance: float = 0.02
    thd: float = 0.08
    long_interruption_s: float = 180.0

    def __post_init__(self) -> None:
        if not 0 < self.interruption < self.dip < self.swell or self.hysteresis < 0 or not self.declared_v > 0:
            raise EngineError(f"thresholds {self.interruption}, {self.dip}, {self.swell} are not in order")
        if not self.nominal_hz > 0:
            raise EngineError(f"a nominal frequency of {self.nominal_hz} Hz")

    def rules(self) -> tuple[Rule, ...]:
        """DIP begins when any phase is below the threshold and ends when all have recovered; SWELL mirrors it;
        INTERRUPTION begins when all phases are below and ends when any has recovered.  IEC 61000-4-30, 5.4.2, 5.5."""
        return tuple(self.rule(kind) for kind in KINDS)

    def rule(self, kind: EventKind) -> Rule:
        """That of one kind.  EngineError for one that IEC 61000-4-30 does not know."""
        shares = {
            EventKind.DIP: (self.dip, Watch.LOWEST),
            EventKind.SWELL: (self.swell, Watch.HIGHEST),
            EventKind.INTERRUPTION: (self.interruption, Watch.HIGHEST),
        }
        if kind not in shares:
            raise EngineError(f"{kind.name} is not a voltage event of IEC 61000-4-30")
        share, watch = shares[kind]
        above = kind is EventKind.SWELL
        begin_v, apart_v = share * self.declared_v, self.hysteresis * self.declared_v
        return Rule(kind, 0, watch, begin_v, begin_v - apart_v if above else begin_v + apart_v, above)


CLASS_A = Thresholds()
"""IEC 61000-4-30 class A: Urms(1/2)."""
CLASS_S = Thresholds(refresh=Refresh.CYCLE)
"""Class S, which may look once a cycle; the thresholds are the user's in both."""


@dataclass(frozen=True, slots=True)
class Incidents:
    """Events, one an index, ordered by meter and time: first step, step after the last, most extreme voltage.

    Steps count from the first one that the detector ever saw.
    """

    meter: Ints
    begin: Ints
    end: Ints
    extreme_v: Doubles


class Detector:
    """Finds one kind of event of many meters in voltages at even steps, carried from window to window."""

    def __init__(self, kind: EventKind, thresholds: Thresholds, meters: int) -> None:
        self.kind, self.steps = kind, 0
        self.machine = Supervision((thresholds.rule(kind),), meters)

    @property
    def active(self) -> Bools:
        """Where an event is going on now, (meter)."""
        active: Bools = self.machine.active[0]
        return active

    def window(self, voltage_v: Doubles) -> tuple[Bools, Incidents]:
        """Look at (phase, time, meter): where an event is going on, as (time, meter), and the events that ended."""
        steps = voltage_v.shape[1]
        active, changes = self.machine.window(voltage_v * MICRO, np.arange(1, steps + 1))
        ended = sorted((one.meter, one.begin_ms, one.at_ms, one.voltages_v) for one in changes if not one.active)
        extreme = 1 if self.kind is EventKind.SWELL else 2
        meter, begin, end = (np.array([one[k] for one in ended], np.int64) for k in range(3))
        incidents = Incidents(meter, begin + self.steps, end + self.steps, np.array([one[3][extreme] for one in ended]))
        self.steps += steps
        return np.zeros((steps, voltage_v.shape[2]), np.bool_) if active is None else active[0], incidents


def aggregate_over(values: Doubles, time_s: Doubles, length_s: int) -> tuple[Ints, Doubles]:
    """Root of the mean of squares of the values (time, ...) over intervals of the clock: (end of interval, values).

    Each value belongs to the interval in which it began, so that the block across a tick completes the old interval
    (4.5.1); the new one starts at the tick when the source re-synchronises.  Intervals without values are left out.
    """
    if not len(values):
        return np.zeros(0, np.int64), np.zeros((0, *values.shape[1:]))
    interval = (time_s // length_s).astype(np.int64)
    starts = np.flatnonzero(np.diff(interval, prepend=interval[0] - 1))
    squares = np.add.reduceat(np.square(values), starts, axis=0)
    counts = np.diff(starts, append=len(values)).reshape(-1, *[1] * (values.ndim - 1))
    return (interval[starts] + 1) * length_s, np.sqrt(squares / counts)


def flagged_over(flags: Bools, time_s: Doubles, length_s: int) -> Bools:
    """Flags of the aggregates: an interval is flagged when any of its values is (4.7)."""
    if not len(flags):
        return flags
    interval = (time_s // length_s).astype(np.int64)
    starts = np.flatnonzero(np.diff(interval, prepend=interval[0] - 1))
    return np.logical_or.reduceat(flags, starts, axis=0)


def frequency_10_s(crossings_s: Doubles) -> tuple[Ints, Doubles]:
    """Whole cycles within each 10 s interval of the clock over their duration (5.1): (end of interval, Hz)."""
    interval = (crossings_s // 10).astype(np.int64)
    starts = np.flatnonzero(np.diff(interval, prepend=interval[0] - 1)) if len(interval) else np.zeros(0, np.int64)
    last = np.append(starts[1:], len(crossings_s)) - 1
    enough = last > starts
    starts, last = starts[enough], last[enough]
    hertz: Doubles = (last - starts) / (crossings_s[last] - crossings_s[starts])
    return (interval[starts] + 1) * 10, hertz
