"""Voltage dips, swells, interruptions and time aggregation as IEC 61000-4-30 ed. 3 defines them, without a loop.

Voltages are (phase, time, meter), one value a half cycle (Urms(1/2)) or whatever the source refreshes.  Thresholds are
the user's: the defaults are those commonly used with EN 50160.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import EventKind
from meters.engine.quantity import Ints

Bools = NDArray[np.bool_]
KINDS = (EventKind.DIP, EventKind.SWELL, EventKind.INTERRUPTION)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Event thresholds as shares of the declared voltage; `hysteresis` lies between begin and end of an event."""

    declared_v: float = 230.0
    dip: float = 0.90
    swell: float = 1.10
    interruption: float = 0.05
    hysteresis: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.interruption < self.dip < self.swell or self.hysteresis < 0 or not self.declared_v > 0:
            raise EngineError(f"thresholds {self.interruption}, {self.dip}, {self.swell} are not in order")


@dataclass(frozen=True, slots=True)
class Incidents:
    """Events, one an index, ordered by meter and time: first step, step after the last, most extreme voltage.

    Steps count from the first one that the detector ever saw.
    """

    meter: Ints
    begin: Ints
    end: Ints
    extreme_v: Doubles


def hysteresis(values: Doubles, low: float, high: float, before: Bools) -> Bools:
    """Comparator with memory along axis 0: true from below `low` until `high` is reached; `before` is the state."""
    decided = np.concatenate([np.where(before, 1, 2)[None], np.where(values < low, 1, np.where(values >= high, 2, 0))])
    steps = np.arange(len(decided)).reshape(-1, *[1] * (decided.ndim - 1))
    latest = np.maximum.accumulate(np.where(decided > 0, steps, 0), axis=0)
    state: Bools = np.take_along_axis(decided, latest, axis=0)[1:] == 1
    return state


class Detector:
    """Finds one kind of event of many meters, carried from window to window.

    DIP begins when any phase is below the threshold and ends when all have recovered; SWELL mirrors it; INTERRUPTION
    begins when all phases are below and ends when any has recovered (5.4.2, 5.5).
    """

    def __init__(self, kind: EventKind, thresholds: Thresholds, meters: int) -> None:
        declared_v = thresholds.declared_v
        shares = {
            EventKind.DIP: (thresholds.dip, 1),
            EventKind.SWELL: (thresholds.swell, -1),
            EventKind.INTERRUPTION: (thresholds.interruption, 1),
        }
        if kind not in shares:
            raise EngineError(f"{kind.name} is not a voltage event of IEC 61000-4-30")
        share, self.sign = shares[kind]
        self.kind, self.steps = kind, 0
        self.low_v = self.sign * share * declared_v
        self.high_v = self.low_v + thresholds.hysteresis * declared_v
        self.active: Bools = np.zeros(meters, np.bool_)
        self.begin: Ints = np.zeros(meters, np.int64)
        self.extreme_v: Doubles = np.full(meters, np.inf)

    def window(self, voltage_v: Doubles) -> tuple[Bools, Incidents]:
        """Look at (phase, time, meter): where an event is going on, as (time, meter), and the events that ended."""
        watched = voltage_v.max(axis=0) if self.kind is EventKind.INTERRUPTION else (self.sign * voltage_v).min(axis=0)
        active = hysteresis(watched, self.low_v, self.high_v, self.active)
        count = len(watched)
        meter, begin, end = _runs(active, self.active)
        extreme = _minima(watched, meter, begin, end)
        goes_on = (begin == 0) & self.active[meter]
        first = np.where(goes_on, self.begin[meter], begin + self.steps)
        extreme = np.where(goes_on, np.minimum(extreme, self.extreme_v[meter]), extreme)
        open_ = active[-1][meter] & (end == count)
        self.begin[meter[open_]], self.extreme_v[meter[open_]] = first[open_], extreme[open_]
        self.active = active[-1]
        done = ~open_
        ended = Incidents(meter[done], first[done], end[done] + self.steps, self.sign * extreme[done])
        self.steps += count
        return active, ended


def _runs(active: Bools, before: Bools) -> tuple[Ints, Ints, Ints]:
    """Runs of true along axis 0 as (meter, begin, end), by meter; one from before begins at 0, perhaps empty."""
    wall = np.zeros((1, active.shape[1]), np.bool_)
    framed = np.concatenate([wall, before[None], active, wall]).T
    rising, falling = ~framed[:, :-1] & framed[:, 1:], framed[:, :-1] & ~framed[:, 1:]
    meter, begin = np.nonzero(rising)
    _, end = np.nonzero(falling)
    return meter, np.maximum(begin - 1, 0), end - 1


def _minima(values: Doubles, meter: Ints, begin: Ints, end: Ints) -> Doubles:
    """Smallest value of each run; infinity for an empty one."""
    if meter.size == 0:
        return np.zeros(0)
    count = len(values)
    flat = np.append(values.T.ravel(), np.inf)
    places = np.stack([meter * count + begin, meter * count + end], axis=1).ravel()
    minima: Doubles = np.minimum.reduceat(flat, places)[::2]
    return np.where(begin == end, np.inf, minima)


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
) -> list[Verdict]:
    """The verdicts of one meter's week after EN 50160:2010, low voltage.

    `voltage_v` and `thd` are (phase, 10 min), `frequency_hz` (10 s), `unbalance` (10 min), `harmonics` order -> (phase,
    10 min); shares, not per cent.  Flagged intervals (10 min) are left out; EngineError when none remains.
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
    for order, values in sorted((harmonics or {}).items()):
        if order in HARMONIC_LIMITS:
            limit = HARMONIC_LIMITS[order]
            verdicts.append(Verdict(f"harmonic {order}", _within(values[..., kept], 0.0, limit), 0.95))
    return verdicts


def _within(values: Doubles, low: float, high: float) -> float:
    """Share of the values inside the limits; of several phases the worst one counts."""
    inside = (values >= low) & (values <= high)
    return float(inside.mean(axis=-1).min())
