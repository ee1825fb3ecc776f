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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of a week: what EN 50160 demands, the share of values within it, whether that is enough."""

    what: str
    share: float
    needed: float

    @property
    def passed(self) -> bool:
        """Whether enough of the values lie within the limits."""
        return self.share >= self.needed


HARMONIC_LIMITS = {3: 0.05, 5: 0.06, 7: 0.05, 9: 0.015, 11: 0.035, 13: 0.03, 15: 0.005, 17: 0.02} | dict.fromkeys(
    (19, 21, 23, 25), 0.015
)
"""EN 50160:2010, table 1 (low voltage), from memory: largest 10-minute mean of a harmonic, as a share of U1."""


def en_50160(
    voltage_v: Doubles,
    frequency_hz: Doubles,
    *,
    declared_v: float = 230.0,
    nominal_hz: float = 50.0,
    unbalance: Doubles | None = None,
    thd: Doubles | None = None,
    harmonics: dict[int, Doubles] | None = None,
    flagged: Bools | None = None,
    long_flicker: Doubles | None = None,
) -> list[Verdict]:
    """The verdicts of one meter's week after EN 50160:2010, low voltage.

    `voltage_v` and `thd` are (phase, 10 min), `frequency_hz` (10 s), `unbalance` (10 min), `harmonics` order -> (phase,
    10 min); shares, not per cent; `long_flicker` are Plt (phase, 2 h).  What is not given is not judged.  Flagged
    intervals (10 min) are left out; EngineError when none remains.  The frequency's 99.5 % are meant of a year.
    """
    kept = np.ones(voltage_v.shape[-1], np.bool_) if flagged is None else ~flagged
    if not kept.any() or not frequency_hz.size:
        raise EngineError("a week without a valid value has no verdict")
    voltage = voltage_v[..., kept] / declared_v
    frequency = frequency_hz / nominal_hz
    verdicts = [
        Verdict("voltage +-10 %", _within(voltage, 0.9, 1.1), 0.95),
        Verdict("voltage +10/-15 %", _within(voltage, 0.85, 1.1), 1.0),
        Verdict("frequency +-1 %", _within(frequency, 0.99, 1.01), 0.995),
        Verdict("frequency +4/-6 %", _within(frequency, 0.94, 1.04), 1.0),
    ]
    if unbalance is not None:
        verdicts.append(Verdict("unbalance 2 %", _within(unbalance[..., kept], 0.0, 0.02), 0.95))
    if thd is not None:
        verdicts.append(Verdict("THD 8 %", _within(thd[..., kept], 0.0, 0.08), 0.95))
    if long_flicker is not None:
        verdicts.append(Verdict("flicker Plt 1", _within(long_flicker, 0.0, 1.0), 0.95))
    for order, values in sorted((harmonics or {}).items()):
        if order in HARMONIC_LIMITS:
            limit = HARMONIC_LIMITS[order]
            verdicts.append(Verdict(f"harmonic {order}", _within(values[..., kept], 0.0, limit), 0.95))
    return verdicts


def _within(values: Doubles, low: float, high: float) -> float:
    """Share of the values inside the limits; of several phases the worst one counts."""
    inside = (values >= low) & (values <= high)
    return float(inside.mean(axis=-1).min())
