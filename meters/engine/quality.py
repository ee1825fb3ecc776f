"""Voltage supervision: conditions with hysteresis that must last, for all phases, times and meters at once.

One machine for the meter's own supervision (`VoltageLimits`, profile "kamstrup-m") and for the events of IEC 61000-4-30
(`power_quality.Thresholds`): both are sets of rules.  Time is in pieces of any length, in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import EventKind
from meters.engine.quantity import MICRO_EXPONENT, Ints

Bools = NDArray[np.bool_]
Measured = tuple[float, float, float]
MICRO = 10**MICRO_EXPONENT
NOTICE_MS = 1000
"""A meter looks once a second whether a condition has lasted long enough."""


class Watch(Enum):
    """Which of a meter's voltages a rule looks at."""

    OWN = auto()
    """That of its phase."""
    LOWEST = auto()
    HIGHEST = auto()


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition: it begins when the voltage is below `begin_v` and ends when it has reached `end_v` again.

    With `above` it begins above `begin_v` and ends at or below `end_v`.  It is declared once it has lasted for longer
    than `hold_ms`.  It is no condition while its voltage is below `from_v` or the highest below `alive_v`: another rule
    speaks then.
    """

    kind: EventKind
    phase: int
    watch: Watch
    begin_v: float
    end_v: float
    above: bool = False
    hold_ms: int = 0
    from_v: float = 0.0
    alive_v: float = 0.0


@dataclass(frozen=True, slots=True)
class VoltageLimits:
    """Profile "kamstrup-m": what counts as a failed phase, as too low and as too high, and for how long it must last.

    It looks at RMS values of a second or more: shorter excursions are none for it.  A condition is declared when it has
    held for longer than its time, at the next full second; it ends with the first good value.  No hysteresis.
    """

    failed_v: float = 160.0
    failed_hold_s: int = 1
    low_v: float = 207.0
    high_v: float = 253.0
    level_hold_s: int = 600

    def __post_init__(self) -> None:
        if not 0 < self.failed_v <= self.low_v < self.high_v:
            raise EngineError(f"voltage limits {self.failed_v}, {self.low_v}, {self.high_v} V are not in order")

    def rules(self, phases: tuple[int, ...]) -> tuple[Rule, ...]:
        """Missing phase, under-voltage, over-voltage of each phase, then power failure."""
        failed, low, high = self.failed_v, self.low_v, self.high_v
        failed_ms, level_ms = 1000 * self.failed_hold_s, 1000 * self.level_hold_s
        missing = [
            Rule(EventKind.MISSING_PHASE, phase, Watch.OWN, failed, failed, hold_ms=failed_ms, alive_v=failed)
            for phase in phases
        ]
        under = [
            Rule(EventKind.UNDER_VOLTAGE, phase, Watch.OWN, low, low, hold_ms=level_ms, from_v=failed)
            for phase in phases
        ]
        over = [
            Rule(EventKind.OVER_VOLTAGE, phase, Watch.OWN, high, high, above=True, hold_ms=level_ms) for phase in phases
        ]
        return (
            *missing,
            *under,
            *over,
            Rule(EventKind.POWER_FAIL, 0, Watch.HIGHEST, failed, failed, hold_ms=failed_ms),
        )


def last_false(condition: Bools) -> Ints:
    """For each step (axis 1) the number, from 1, of the latest step so far where the condition was false; 0 if none."""
    steps = np.arange(1, condition.shape[1] + 1)[None, :, None]
    return np.maximum.accumulate(np.where(condition, 0, steps), axis=1)


def hysteresis(values: Doubles, low: Doubles | float, high: Doubles | float, before: Bools) -> Bools:
    """Comparator with memory along axis 0: true from below `low` until `high` is reached; `before` is the state."""
    decided = np.concatenate([np.where(before, 1, 2)[None], np.where(values < low, 1, np.where(values >= high, 2, 0))])
    steps = np.arange(len(decided)).reshape(-1, *[1] * (decided.ndim - 1))
    latest = np.maximum.accumulate(np.where(decided > 0, steps, 0), axis=0)
    state: Bools = np.take_along_axis(decided, latest, axis=0)[1:] == 1
    return state


@dataclass(frozen=True, slots=True)
class Change:
    """A condition was declared or ended for one meter; times in milliseconds since the begin of the window."""

    at_ms: int
    meter: int
    kind: EventKind
    phase: int
    active: bool
    begin_ms: int
    """Begin of the condition; negative when it lies before this window."""
    voltages_v: Measured = (0.0, 0.0, 0.0)
    """Mean, largest, smallest while it lasted; only at the end."""

    @property
    def noticed_ms(self) -> int:
        """What it sorts by: a beginning is noticed just before what begins at that moment."""
        return self.at_ms - self.active


@dataclass(frozen=True, slots=True)
class _Runs:
    """Stretches in which a condition is true, as arrays: pieces [first, last) and milliseconds of each column."""

    column: Ints
    first: Ints
    last: Ints
    begin_ms: Ints
    end_ms: Ints
    sum_uvms: Ints
    largest_uv: Doubles
    smallest_uv: Doubles


class Supervision:
    """The conditions of some meters, carried from window to window; arrays are (rule, meter).

    `run_ms` is for how long each condition has been true, `active` whether it is declared.
    """

    def __init__(self, rules: tuple[Rule, ...], meters: int) -> None:
        self.rules = rules
        self.keys = {(rule.kind, rule.phase): row for row, rule in enumerate(rules)}
        phases = sorted({rule.phase for rule in rules if rule.watch is Watch.OWN})
        self.elements = [phases.index(rule.phase) if rule.watch is Watch.OWN else rule.watch for rule in rules]
        self.sign = np.array([-1.0 if rule.above else 1.0 for rule in rules])[:, None]
        self.begin_uv = self.sign[:, 0] * [rule.begin_v * MICRO for rule in rules]
        self.end_uv = self.sign[:, 0] * [rule.end_v * MICRO for rule in rules]
        self.hold_ms: Ints = np.array([rule.hold_ms for rule in rules], np.int64)
        self.from_uv = np.array([rule.from_v * MICRO for rule in rules])[:, None]
        self.alive_uv = np.array([rule.alive_v * MICRO for rule in rules])[:, None]
        self.quiet_uv = (
            max((rule.begin_v for rule in rules if not rule.above), default=0.0) * MICRO,
            min((rule.begin_v for rule in rules if rule.above), default=np.inf) * MICRO,
        )
        shape = (len(rules), meters)
        self.run_ms: Ints = np.zeros(shape, np.int64)
        self.state: Bools = np.zeros(shape, np.bool_)
        """Of the comparators."""
        self.active: Bools = np.zeros(shape, np.bool_)
        self.sum_uvms: Ints = np.zeros(shape, np.int64)
        self.max_uv: Doubles = np.full(shape, -np.inf)
        self.min_uv: Doubles = np.full(shape, np.inf)
        self.quiet = True
        """No comparator is on: the next window may take the fast path."""

    def is_active(self, kind: EventKind, phase: int, meter: int) -> bool:
        """Whether the condition is declared now; False for kinds that are not supervised here."""
        return (kind, phase) in self.keys and bool(self.active[self.keys[kind, phase], meter])

    def window(self, voltage_uv: Doubles, ends_ms: Ints, at: Ints | None = None) -> tuple[Bools | None, list[Change]]:
        """Live through pieces of time that end at `ends_ms`, with voltages (element, piece, meter) in whole micro-volts.

        `at` are the meters concerned (None: all).  Returns where which condition is declared, as (rule, piece, meter),
        None for nowhere, and the changes.  Only meters with a voltage beyond a limit, now or before, cost anything.
        """
        low_uv, high_uv = self.quiet_uv
        if self.quiet and voltage_uv.min() >= low_uv and voltage_uv.max() <= high_uv:
            return None, []
        at = np.arange(self.state.shape[1]) if at is None else at
        beyond = ((voltage_uv < low_uv) | (voltage_uv > high_uv)).any(axis=(0, 1))
        busy = np.flatnonzero(beyond | self.state[:, at].any(axis=0))
        if not busy.size:
            return None, []
        found, changes = self._live(voltage_uv[:, :, busy], ends_ms, at[busy])
        active = np.zeros((len(self.rules), ends_ms.size, at.size), np.bool_)
        active[:, :, busy] = found
        return active, changes

    def _live(self, voltage_uv: Doubles, ends_ms: Ints, at: Ints) -> tuple[Bools, list[Change]]:
        watched = self._watched(voltage_uv)
        condition = self._conditions(watched, voltage_uv, at)
        runs = self._runs(condition, watched, ends_ms, at)
        row = runs.column // voltage_uv.shape[2]
        declared = runs.end_ms - runs.begin_ms > self.hold_ms[row]
        known = (runs.first == 0) & self.active[:, at].ravel()[runs.column]
        due_ms = runs.begin_ms + self.hold_ms[row]
        since = np.where(known, 0, np.searchsorted(ends_ms, due_ms, side="right"))
        open_ = runs.last == ends_ms.size
        changes = self._changes(runs, declared & ~known, declared & ~open_, at)
        active = self._active(condition.shape, runs, since, declared)
        self._carry(runs, open_, declared, voltage_uv.shape[2], at)
        return active, changes

    def _watched(self, voltage_uv: Doubles) -> Doubles:
        """(piece, rule, meter): the voltage that each rule looks at."""
        extremes = {Watch.LOWEST: voltage_uv.min(axis=0), Watch.HIGHEST: voltage_uv.max(axis=0)}
        rows = [extremes[one] if isinstance(one, Watch) else voltage_uv[one] for one in self.elements]
        return np.stack(rows, axis=1)

    def _conditions(self, watched: Doubles, voltage_uv: Doubles, at: Ints) -> Bools:
        """(rule, piece, meter): where a rule's condition is true; remembers the comparators."""
        signed = self.sign * watched
        begin, end = self.begin_uv[:, None], self.end_uv[:, None]
        plain = bool((begin == end).all())
        state: Bools = signed < begin if plain else hysteresis(signed, begin, end, self.state[:, at])
        self.state[:, at] = state[-1]
        self.quiet = not self.state.any()
        state = state & (watched >= self.from_uv) & (voltage_uv.max(axis=0)[:, None] >= self.alive_uv)
        condition: Bools = state.transpose(1, 0, 2)
        return condition

    def _runs(self, condition: Bools, watched: Doubles, ends_ms: Ints, at: Ints) -> _Runs:
        """Stretches of true, those from before the window included, even when they end with it."""
        rows, pieces, meters = condition.shape
        before = self.run_ms[:, at].ravel()
        column, first, last = true_runs(condition.transpose(1, 0, 2).reshape(pieces, -1), before > 0)
        edges_ms = np.concatenate([[0], ends_ms])
        goes_on = (first == 0) & (before[column] > 0)
        begin_ms = edges_ms[first] - np.where(goes_on, before[column], 0)
        values = watched.reshape(pieces, rows * meters)
        whole = (
            (values * np.diff(edges_ms)[:, None]).astype(np.int64) if column.size else np.zeros((pieces, 0), np.int64)
        )
        inside = over_runs(np.add, whole, column, first, last, 0)
        largest = over_runs(np.maximum, values, column, first, last, -np.inf)
        smallest = over_runs(np.minimum, values, column, first, last, np.inf)
        carried = np.where(goes_on, self.sum_uvms[:, at].ravel()[column], 0)
        top, bottom = self.max_uv[:, at].ravel()[column], self.min_uv[:, at].ravel()[column]
        return _Runs(
            column,
            first,
            last,
            begin_ms,
            edges_ms[last],
            inside + carried,
            np.where(goes_on, np.maximum(largest, top), largest),
            np.where(goes_on, np.minimum(smallest, bottom), smallest),
        )

    def _changes(self, runs: _Runs, begins: Bools, ends: Bools, at: Ints) -> list[Change]:
        changes = []
        for number in np.flatnonzero(begins | ends).tolist():
            row, meter = divmod(int(runs.column[number]), at.size)
            rule, begin_ms, end_ms = self.rules[row], int(runs.begin_ms[number]), int(runs.end_ms[number])
            place = (int(at[meter]), rule.kind, rule.phase)
            if begins[number]:
                second = (begin_ms + rule.hold_ms) // NOTICE_MS * NOTICE_MS + NOTICE_MS if rule.hold_ms else begin_ms
                changes.append(Change(min(end_ms, second), *place, True, begin_ms))
            if ends[number]:
                mean_uv = int(runs.sum_uvms[number]) / (end_ms - begin_ms)
                extremes_uv = float(runs.largest_uv[number]), float(runs.smallest_uv[number])
                measured = (mean_uv / MICRO, extremes_uv[0] / MICRO, extremes_uv[1] / MICRO)
                changes.append(Change(end_ms, *place, False, begin_ms, measured))
        return changes

    def _active(self, shape: tuple[int, ...], runs: _Runs, since: Ints, declared: Bools) -> Bools:
        rows, pieces, meters = shape
        steps = np.zeros((pieces + 1, rows * meters), np.int8)
        np.add.at(steps, (since[declared], runs.column[declared]), 1)
        np.add.at(steps, (runs.last[declared], runs.column[declared]), -1)
        active: Bools = np.cumsum(steps[:-1], axis=0, dtype=np.int8) > 0
        per_rule: Bools = active.reshape(pieces, rows, meters).transpose(1, 0, 2)
        return per_rule

    def _carry(self, runs: _Runs, open_: Bools, declared: Bools, meters: int, at: Ints) -> None:
        """Remember the conditions that are still true at the end of the window."""
        row, meter = np.divmod(runs.column[open_], meters)
        place = (row, at[meter])
        carried: tuple[tuple[NDArray[Any], NDArray[Any], float], ...] = (
            (self.run_ms, runs.end_ms - runs.begin_ms, 0),
            (self.active, declared, False),
            (self.sum_uvms, runs.sum_uvms, 0),
            (self.max_uv, runs.largest_uv, -np.inf),
            (self.min_uv, runs.smallest_uv, np.inf),
        )
        for kept, values, nothing in carried:
            kept[:, at] = nothing
            kept[place] = values[open_]


def true_runs(condition: Bools, before: Bools) -> tuple[Ints, Ints, Ints]:
    """Runs of true along axis 0 as (column, first, last + 1), by column; one from before begins at 0, perhaps empty."""
    wall = np.zeros((1, condition.shape[1]), np.bool_)
    framed = np.concatenate([wall, before[None], condition, wall]).T
    rising, falling = ~framed[:, :-1] & framed[:, 1:], framed[:, :-1] & ~framed[:, 1:]
    column, first = np.nonzero(rising)
    _, last = np.nonzero(falling)
    return column, np.maximum(first - 1, 0), last - 1


def over_runs(
    ufunc: np.ufunc, values: NDArray[Any], column: Ints, first: Ints, last: Ints, empty: float
) -> NDArray[Any]:
    """The ufunc's reduction of the values (piece, column) over each run; `empty` for an empty one."""
    if not column.size:
        return np.zeros(0, values.dtype)
    count = len(values)
    flat = np.append(values.T.ravel(), values.dtype.type(0))
    places = np.stack([column * count + first, column * count + last], axis=1).ravel()
    reduced: NDArray[Any] = ufunc.reduceat(flat, places)[::2]
    return np.where(first == last, values.dtype.type(empty), reduced)
