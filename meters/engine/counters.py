"""Counters of voltage quality: how often frequency, voltage, unbalance and distortion left their limits.

The bounds are those of the counters of a Kamstrup OMNIPOWER; means over longer times are of whole intervals of UTC.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import EventKind
from meters.engine.phasor import TURN, unbalance
from meters.engine.power_quality import Thresholds
from meters.engine.quality import MICRO, Bools, Change
from meters.engine.quantity import Index, Ints, Measurand
from meters.engine.verdict import LIMITS, Limit, Of, Verdict
from meters.engine.wiring import Wiring

FREQUENCY_SHARES = {
    Measurand.FREQUENCY_BELOW_1: -0.01,
    Measurand.FREQUENCY_ABOVE_1: 0.01,
    Measurand.FREQUENCY_BELOW_6: -0.06,
    Measurand.FREQUENCY_ABOVE_4: 0.04,
    Measurand.FREQUENCY_BELOW_2: -0.02,
    Measurand.FREQUENCY_ABOVE_2: 0.02,
    Measurand.FREQUENCY_BELOW_15: -0.15,
    Measurand.FREQUENCY_ABOVE_15: 0.15,
}
"""How far the mean of ten seconds may be from the nominal frequency."""
OF_EVENT = {
    EventKind.UNDER_VOLTAGE: (Measurand.UNDER_VOLTAGES, True),
    EventKind.OVER_VOLTAGE: (Measurand.OVER_VOLTAGES, True),
    EventKind.DIP: (Measurand.DIPS, False),
    EventKind.SWELL: (Measurand.SWELLS, False),
}
"""Event -> its counter, and whether the begin counts rather than the end."""
PER_PHASE = (Measurand.VOLTAGE_DISTORTIONS, Measurand.CURRENT_DISTORTIONS)
_WHOLE = (
    *FREQUENCY_SHARES,
    Measurand.LOW_VOLTAGES,
    Measurand.UNDER_VOLTAGES,
    Measurand.OVER_VOLTAGES,
    Measurand.RAPID_CHANGES,
    Measurand.UNBALANCES,
    Measurand.LONG_INTERRUPTIONS,
    Measurand.SHORT_INTERRUPTIONS,
    Measurand.DIPS,
    Measurand.SWELLS,
)
_PHASED = (Of.VOLTAGE, Of.THD, Of.FLICKER, Of.HARMONIC)
_VALID = -1
"""Instead of a phase: how many intervals of a week are valid for a limit."""
_ORDERS = tuple(limit.order for limit in LIMITS if limit.of is Of.HARMONIC)
_ASKED: tuple[Of | int, ...] = (Of.UNBALANCE, Of.THD, *_ORDERS)
"""What not every step shows, of the means of ten minutes."""
COUNTED = frozenset((*_WHOLE, *PER_PHASE))
FREQUENCY_S, MEAN_S, RAPID_S = 10, 600, 1
PLT_S, LARGEST_PST = 7200, 100.0
WEEK_S, MONDAY_S = 604_800, 345_600
"""Weeks begin on Monday, 0:00 UTC."""
_MILLI_PER_MICRO = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """What is to be counted, one an index: when it is noticed (ms since the begin of the window), row and meter."""

    noticed_ms: Ints
    row: Ints
    meter: Ints


class IntervalMeans:
    """Means of values (row, meter) over intervals of UTC of at least `length_s`, as many whole steps as that takes."""

    def __init__(self, length_s: int, rows: int, meters: int, step_s: int) -> None:
        self.step_s, self.length_s = step_s, -(-length_s // step_s) * step_s
        self.sums: Ints = np.zeros((rows, meters), np.int64)
        self.steps: Ints = np.zeros(meters, np.int64)

    def window(self, values: Ints, powered: Bools | None, start_s: int) -> tuple[Ints, Doubles]:
        """Take whole values (row, step, meter), those without power not; the ends (ms since `start_s`) and means
        (row, interval, meter) of the intervals that are over, NaN where nothing was powered."""
        count = values.shape[1]
        interval = (start_s + np.arange(count) * self.step_s) // self.length_s
        first = np.flatnonzero(np.diff(interval, prepend=interval[0] - 1))
        weights = np.ones(values.shape[1:], np.int64) if powered is None else powered.astype(np.int64)
        sums = np.add.reduceat(values if powered is None else values * weights, first, axis=1)
        steps = np.add.reduceat(weights, first, axis=0)
        sums[:, 0] += self.sums
        steps[0] += self.steps
        stop_s = start_s + count * self.step_s
        over = len(first) if stop_s % self.length_s == 0 else len(first) - 1
        self.sums, self.steps = (np.zeros_like(self.sums), np.zeros_like(self.steps))
        if over < len(first):
            self.sums, self.steps = sums[:, -1].copy(), steps[-1].copy()
        means = np.full(sums[:, :over].shape, np.nan)
        np.divide(sums[:, :over], steps[:over], out=means, where=steps[:over] > 0)
        return ((interval[first[:over]] + 1) * self.length_s - start_s) * 1000, means


class Counters:
    """The counters of some meters, (row, meter), and what they need to remember between windows."""

    def __init__(self, limits: Thresholds, wiring: Wiring, meters: int, step_s: int) -> None:
        self.limits, self.wiring, self.step_s = limits, wiring, step_s
        phased = [(one, phase) for one in PER_PHASE for phase in wiring.phases]
        weekly = [(limit, phase) for limit in LIMITS for phase in (_VALID, *self._phases(limit.of))]
        keys: list[tuple[Measurand | Limit, int]] = [*((one, 0) for one in _WHOLE), *phased]
        self.weekly = len(keys)
        """First row of what is counted anew each week: valid intervals, and those beyond a limit of EN 50160."""
        keys += weekly
        self.rows = {key: row for row, key in enumerate(keys)}
        self._distortions = phased
        self.week: int | None = None
        self.whole_from = 0
        """The first week that is lived through from its begin."""
        self.last_week: Ints | None = None
        self.values: Ints = np.zeros((len(self.rows), meters), np.int64)
        elements = wiring.elements
        self.frequency = IntervalMeans(FREQUENCY_S, 1, meters, step_s)
        self.squares = IntervalMeans(MEAN_S, elements, meters, step_s)
        self.shares = IntervalMeans(MEAN_S, 1 + 2 * elements, meters, step_s)
        """Unbalance, THD of the voltages, of the currents."""
        self.marks = IntervalMeans(MEAN_S, 1, meters, step_s)
        self.missing, self.unfelt = IntervalMeans(MEAN_S, len(_ASKED), 1, step_s), IntervalMeans(PLT_S, 1, 1, step_s)
        """Which steps show nothing of what is asked, and no flicker; the same for all meters."""
        self.harmonics: IntervalMeans | None = None
        """Squares of the harmonics that EN 50160 limits, by order and element."""
        self.flicker: IntervalMeans | None = None
        """Cubes of Pst, and where they are unknown, by element.  Both from the first block on that has any."""
        self.last_uv: Doubles = np.full((elements, meters), np.nan)
        self.last_marked: Bools = np.zeros(meters, np.bool_)
        self.waiting: list[Counts] = []

    def read(self, measurand: Measurand, phase: int, at: Index) -> Ints:
        """What a counter shows.  EngineError for a phase that it does not tell apart, and for rapid changes when steps
        are longer than the second in which a change is rapid."""
        if measurand is Measurand.RAPID_CHANGES and self.step_s > RAPID_S:
            raise EngineError(f"steps of {self.step_s} s show no rapid changes")
        if (measurand, phase) not in self.rows:
            raise EngineError(f"{measurand.name} of phase {phase} is not counted")
        value: Ints = self.values[self.rows[measurand, phase], at]
        return value

    def add(self, counts: Counts, start_s: int, from_ms: int, to_ms: int) -> None:
        """Count what is noticed in [from_ms, to_ms) after `start_s`; a week that ends is put by."""
        due = (counts.noticed_ms >= from_ms) & (counts.noticed_ms < to_ms)
        week = (start_s + counts.noticed_ms // 1000 - MONDAY_S) // WEEK_S
        now = (start_s + (to_ms - 1) // 1000 - MONDAY_S) // WEEK_S
        begun, into_s = divmod(start_s + from_ms // 1000 - MONDAY_S, WEEK_S)
        if self.week is None:
            self.whole_from = begun + (into_s > 0)
        else:
            begun = self.week
        for number in range(begun, now + 1):
            if number > begun:
                self.last_week = self.values[self.weekly :].copy() if number > self.whole_from else None
                self.values[self.weekly :] = 0
            own = due & (week == number)
            np.add.at(self.values, (counts.row[own], counts.meter[own]), 1)
        self.week = now

    def verdicts(self, meter: int, *, so_far: bool = False) -> list[Verdict]:
        """What EN 50160 says of the last whole week, or of this one so far.  EngineError when there is nothing yet."""
        counted = self.values[self.weekly :] if so_far else self.last_week
        if counted is None:
            raise EngineError("no week is over yet")
        verdicts = []
        for limit in LIMITS:
            total, *outside = (
                int(counted[self.rows[limit, phase] - self.weekly, meter])
                for phase in (_VALID, *self._phases(limit.of))
            )
            if not total and limit.of in (Of.VOLTAGE, Of.FREQUENCY):
                raise EngineError("a week without a valid value has no verdict" if so_far else "no week is over yet")
            verdicts.append(Verdict(limit.what, 1 - max(outside) / total if total else math.nan, limit.needed))
        return verdicts

    def _phases(self, of: Of) -> tuple[int, ...]:
        """Of which a limit is judged."""
        return self.wiring.phases if of in _PHASED else (0,)

    def look(
        self, block: Block, voltage_uv: Doubles, powered: Bools | None, marked: NDArray[np.uint32] | None, start_s: int
    ) -> None:
        """Take the window's values: voltages (element, step, meter), where there is power and where an event, both
        (step, meter)."""
        shape = voltage_uv.shape[1:]
        frequency_uhz = np.rint(np.broadcast_to(np.asarray(block.frequency_hz, np.float64), shape) * MICRO)
        ends_ms, (means,) = self.frequency.window(frequency_uhz.astype(np.int64)[None], powered, start_s)
        nominal_uhz = self.limits.nominal_hz * MICRO
        for measurand, share in FREQUENCY_SHARES.items():
            limit_uhz = nominal_uhz * (1 + share)
            self._wait(measurand, 0, ends_ms, means < limit_uhz if share < 0 else means > limit_uhz)
        self._judge(Of.FREQUENCY, ends_ms, means[None] / nominal_uhz)
        self._look_at_means(block, voltage_uv, powered, marked, start_s)
        if self.step_s <= RAPID_S:
            self._rapid(voltage_uv, powered, None if marked is None else marked != 0)

    def _look_at_means(
        self, block: Block, voltage_uv: Doubles, powered: Bools | None, marked: NDArray[np.uint32] | None, start_s: int
    ) -> None:
        """Those of ten minutes: the counters take all, the verdict those that are not flagged."""
        marks = (
            np.zeros((1, *voltage_uv.shape[1:]), np.int64) if marked is None else (marked != 0).astype(np.int64)[None]
        )
        _, (flagged,) = self.marks.window(marks, None, start_s)
        squares = np.square(np.rint(voltage_uv / _MILLI_PER_MICRO)).astype(np.int64)
        ends_ms, means = self.squares.window(squares, powered, start_s)
        voltage = np.sqrt(means) * _MILLI_PER_MICRO / (self.limits.declared_v * MICRO)
        _, shares = self.shares.window(self._shares(block, voltage_uv), powered, start_s)
        elements = self.wiring.elements
        low_mv = self.limits.dip * self.limits.declared_v * MICRO / _MILLI_PER_MICRO
        self._wait(Measurand.LOW_VOLTAGES, 0, ends_ms, (means < low_mv**2).any(axis=0))
        self._wait(Measurand.UNBALANCES, 0, ends_ms, shares[0] > self.limits.unbalance * MICRO)
        for row, (measurand, phase) in enumerate(self._distortions, 1):
            self._wait(measurand, phase, ends_ms, shares[row] > self.limits.thd * MICRO)
        valid = (flagged == 0) & ~np.isnan(voltage[0])
        self._judge(Of.VOLTAGE, ends_ms, np.where(valid, voltage, np.nan))
        shown = self._shown(block, voltage_uv.shape[1], start_s)
        for of, values in ((Of.UNBALANCE, shares[:1] / MICRO), (Of.THD, shares[1 : 1 + elements] / MICRO)):
            self._judge(of, ends_ms, np.where(valid & shown[of], values, np.nan))
        if block.voltage_harmonics is not None or self.harmonics is not None:
            harmonics = self._harmonics(block, voltage_uv, powered, start_s)
            for order, values in zip(_ORDERS, harmonics, strict=True):
                self._judge(Of.HARMONIC, ends_ms, np.where(valid & shown[order], values, np.nan), order)
        self._look_at_flicker(block, voltage_uv, start_s)

    def _shown(self, block: Block, steps: int, start_s: int) -> dict[Of | int, Bools]:
        """Of what is asked, in which ten minutes every step shows it, (interval, 1)."""
        orders = 0 if block.voltage_harmonics is None else len(block.voltage_harmonics)
        unbalanced = block.unbalance is None and self.wiring is not Wiring.THREE_PHASE
        missing = [unbalanced, block.voltage_thd is None, *(order > orders for order in _ORDERS)]
        given = np.broadcast_to(np.array(missing, np.int64)[:, None, None], (len(missing), steps, 1))
        _, means = self.missing.window(given, None, start_s)
        return dict(zip(_ASKED, means == 0, strict=True))

    def _harmonics(self, block: Block, voltage_uv: Doubles, powered: Bools | None, start_s: int) -> Doubles:
        """Roots of the means of the squares of the harmonics of _ORDERS, (order, element, interval, meter)."""
        elements, steps, meters = voltage_uv.shape
        if self.harmonics is None:
            self.harmonics = IntervalMeans(MEAN_S, len(_ORDERS) * elements, meters, self.step_s)
        squares = np.zeros((len(_ORDERS), elements, steps, meters), np.int64)
        for row, order in zip(squares, _ORDERS, strict=True):
            if block.voltage_harmonics is not None and order <= len(block.voltage_harmonics):
                share = np.minimum(np.nan_to_num(block.voltage_harmonics[order - 1], nan=1.0), 1.0)
                row[...] = np.rint(np.square(share * MICRO))
        _, means = self.harmonics.window(squares.reshape(-1, steps, meters), powered, start_s)
        roots: Doubles = np.sqrt(means).reshape(len(_ORDERS), elements, -1, meters) / MICRO
        return roots

    def _look_at_flicker(self, block: Block, voltage_uv: Doubles, start_s: int) -> None:
        """Plt of two hours: the cubic mean of Pst, if all of them are known."""
        elements, steps, meters = voltage_uv.shape
        severity = block.short_flicker
        unfelt = np.full((1, steps, 1), severity is None, np.int64)
        ends_ms, (missing,) = self.unfelt.window(unfelt, None, start_s)
        if severity is None and self.flicker is None:
            return
        if self.flicker is None:
            self.flicker = IntervalMeans(PLT_S, 2 * elements, meters, self.step_s)
        values = np.zeros((2, elements, steps, meters), np.int64)
        if severity is not None:
            values[0] = np.rint(np.minimum(np.nan_to_num(severity), LARGEST_PST) ** 3 * MICRO)
            values[1] = np.isnan(severity)
        _, means = self.flicker.window(values.reshape(-1, steps, meters), None, start_s)
        known = (missing == 0) & (means[elements:] == 0).all(axis=0)
        self._judge(Of.FLICKER, ends_ms, np.where(known, np.cbrt(means[:elements] / MICRO), np.nan))

    def _judge(self, of: Of, ends_ms: Ints, values: Doubles, order: int = 0) -> None:
        """Count where values (phase, interval, meter) are valid, and where beyond the limits of EN 50160."""
        valid: Bools = ~np.asarray(np.isnan(values).any(axis=0))
        for limit in LIMITS:
            if limit.of is of and limit.order == order:
                self._wait(limit, _VALID, ends_ms, valid)
                for phase, line in zip(self._phases(of), values, strict=True):
                    self._wait(limit, phase, ends_ms, limit.outside(line) & valid)

    def counts(self, changes: Iterable[Change]) -> Counts:
        """Everything that the window brings, the events too."""
        events = [self._of_change(change) for change in changes]
        known = [(*place, row) for row, *place in events if row is not None]
        places = np.array(known, np.int64).reshape(-1, 3)
        everything = [*self.waiting, Counts(places[:, 0], places[:, 2], places[:, 1])]
        self.waiting = []
        arrays = ([getattr(one, name) for one in everything] for name in ("noticed_ms", "row", "meter"))
        return Counts(*(np.concatenate(array) for array in arrays))

    def _of_change(self, change: Change) -> tuple[int | None, int, int]:
        place = (change.noticed_ms, change.meter)
        if change.kind is EventKind.INTERRUPTION:
            long = change.at_ms - change.begin_ms > 1000 * self.limits.long_interruption_s
            measurand = Measurand.LONG_INTERRUPTIONS if long else Measurand.SHORT_INTERRUPTIONS
            return (None if change.active else self.rows[measurand, 0]), *place
        if change.kind not in OF_EVENT or OF_EVENT[change.kind][1] is not change.active:
            return None, *place
        return self.rows[OF_EVENT[change.kind][0], 0], *place

    def _wait(self, measurand: Measurand | Limit, phase: int, ends_ms: Ints, outside: Bools) -> None:
        """Count where (interval, meter) is true, at the end of the interval."""
        if outside.any():
            number, meter = np.nonzero(outside)
            row = np.full(number.size, self.rows[measurand, phase])
            self.waiting.append(Counts(ends_ms[number] - 1, row, meter))

    def _shares(self, block: Block, voltage_uv: Doubles) -> Ints:
        """Unbalance and distortions in millionths, (row, step, meter)."""
        elements, shares = self.wiring.elements, np.zeros((1 + 2 * self.wiring.elements, *voltage_uv.shape[1:]))
        if block.unbalance is not None:
            shares[0] = block.unbalance
        elif self.wiring is Wiring.THREE_PHASE:
            shares[0] = unbalance(voltage_uv * np.array([1.0, TURN**2, TURN])[:, None, None])
        if block.voltage_thd is not None:
            shares[1 : 1 + elements] = block.voltage_thd
        if block.current_thd is not None:
            shares[1 + elements :] = block.current_thd
        millionths: Ints = np.rint(np.minimum(np.nan_to_num(shares), MICRO) * MICRO).astype(np.int64)
        return millionths

    def _rapid(self, voltage_uv: Doubles, powered: Bools | None, marked: Bools | None) -> None:
        """A change of any phase by the limit or more, unless it is that of a dip, swell, interruption or outage."""
        shape = voltage_uv.shape[1:]
        none = np.zeros(shape, np.bool_)
        out = (none if marked is None else marked) | (none if powered is None else ~powered)
        before_uv = np.concatenate([self.last_uv[:, None], voltage_uv[:, :-1]], axis=1)
        before = np.concatenate([self.last_marked[None], out[:-1]])
        limit_uv = self.limits.rapid_change * self.limits.declared_v * MICRO
        rapid = (np.abs(voltage_uv - before_uv) >= limit_uv).any(axis=0) & ~out & ~before
        self.last_uv, self.last_marked = voltage_uv[:, -1].copy(), out[-1].copy()
        ends_ms: Ints = np.arange(1, shape[0] + 1) * (self.step_s * 1000)
        self._wait(Measurand.RAPID_CHANGES, 0, ends_ms, rapid)
