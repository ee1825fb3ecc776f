"""Voltage supervision: conditions that must last, evaluated for all phases, steps and meters at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import EventKind, Flag
from meters.engine.quantity import MICRO_EXPONENT, Ints

Bools = NDArray[np.bool_]
Measured = tuple[float, float, float]
_MICRO = 10**MICRO_EXPONENT


@dataclass(frozen=True, slots=True)
class VoltageLimits:
    """Profile "kamstrup-m": what counts as a failed phase, as too low and as too high, and for how long it must last.

    A condition is declared in the step in which it has held for longer than its time; it ends with the first good step.
    """

    failed_v: float = 160.0
    failed_hold_s: int = 1
    low_v: float = 207.0
    high_v: float = 253.0
    level_hold_s: int = 600

    def __post_init__(self) -> None:
        if not 0 < self.failed_v <= self.low_v < self.high_v:
            raise EngineError(f"voltage limits {self.failed_v}, {self.low_v}, {self.high_v} V are not in order")


def last_false(condition: Bools) -> Ints:
    """For each step (axis 1) the number, from 1, of the latest step so far where the condition was false; 0 if none."""
    steps = np.arange(1, condition.shape[1] + 1)[None, :, None]
    return np.maximum.accumulate(np.where(condition, 0, steps), axis=1)


@dataclass(frozen=True, slots=True)
class Change:
    """A supervised condition began or ended for one meter of the tile, in the step with this index."""

    step: int
    meter: int
    kind: EventKind
    phase: int
    active: bool
    begin_step: int
    """First step of the condition; negative when it lies before this window."""
    voltages_v: Measured = (0.0, 0.0, 0.0)
    """Mean, largest, smallest while it lasted; only at the end."""


class Supervision:
    """The voltage conditions of every meter of a tile, carried from window to window.

    Rows: missing phase, under-voltage, over-voltage for each element, then power failure.  `active` and `run_steps` are
    (row, meter); a condition is active while it has been true for longer than its hold time.
    """

    def __init__(self, limits: VoltageLimits, phases: tuple[int, ...], meters: int, step_s: int) -> None:
        self.limits, self.step_s = limits, step_s
        kinds = (EventKind.MISSING_PHASE, EventKind.UNDER_VOLTAGE, EventKind.OVER_VOLTAGE)
        self.rows = [(kind, phase) for kind in kinds for phase in phases] + [(EventKind.POWER_FAIL, 0)]
        failed_s, level_s = limits.failed_hold_s, limits.level_hold_s
        hold_s = [failed_s] * len(phases) + [level_s] * (2 * len(phases)) + [failed_s]
        self.hold_steps: Ints = np.array([s // step_s for s in hold_s])[:, None, None]
        shape = (len(self.rows), meters)
        self.run_steps: Ints = np.zeros(shape, np.int64)
        self.active: Bools = np.zeros(shape, np.bool_)
        self.quiet = True
        """No condition is true now: the next window may take the fast path."""
        self.sum_uv: Doubles = np.zeros(shape)
        self.max_uv: Doubles = np.full(shape, -np.inf)
        self.min_uv: Doubles = np.full(shape, np.inf)

    def is_active(self, kind: EventKind, phase: int, meter: int) -> bool:
        """Whether the condition is declared now; False for kinds that are not supervised here."""
        return (kind, phase) in self.rows and bool(self.active[self.rows.index((kind, phase)), meter])

    def window(self, voltage_uv: Doubles) -> tuple[Bools | None, NDArray[np.uint32] | None, list[Change]]:
        """Evaluate voltages (element, time, meter) in whole micro-volts, whose sums are exact.

        Returns which steps have supply as (time, meter), the profile flags of every step likewise (None for "all" and
        "none"), and the changes in order of time.
        """
        low_uv, high_uv = self.limits.low_v * _MICRO, self.limits.high_v * _MICRO
        if self.quiet and voltage_uv.min() >= low_uv and voltage_uv.max() <= high_uv:
            return None, None, []
        condition, watched_uv = self._conditions(voltage_uv)
        last = last_false(condition)
        steps = np.arange(1, condition.shape[1] + 1)[None, :, None]
        run = np.where(last == 0, steps + self.run_steps[:, None, :], steps - last)
        active = condition & (run > self.hold_steps)
        changes = self._changes(active, run, watched_uv)
        self._carry(condition[:, -1], last[:, -1], run[:, -1], watched_uv)
        self.active = active[:, -1].copy()
        elements = voltage_uv.shape[0]
        flags = np.zeros(active.shape[1:], np.uint32)
        flags |= np.where(active[elements : 2 * elements].any(axis=0), np.uint32(Flag.UNDER_VOLTAGE), np.uint32(0))
        flags |= np.where(active[2 * elements : 3 * elements].any(axis=0), np.uint32(Flag.OVER_VOLTAGE), np.uint32(0))
        flags |= np.where(active[-1], np.uint32(Flag.POWER_OUTAGE | Flag.TIME_DISCONTINUITY), np.uint32(0))
        return ~active[-1], flags, changes

    def _conditions(self, voltage_uv: Doubles) -> tuple[Bools, Doubles]:
        """(row, time, meter): which condition is true, and the voltage that it watches."""
        failed = voltage_uv < self.limits.failed_v * _MICRO
        dead = failed.all(axis=0, keepdims=True)
        low = (voltage_uv < self.limits.low_v * _MICRO) & ~failed
        condition = np.concatenate([failed & ~dead, low, voltage_uv > self.limits.high_v * _MICRO, dead])
        watched_uv = np.concatenate([voltage_uv] * 3 + [voltage_uv.max(axis=0, keepdims=True)])
        return condition, watched_uv

    def _changes(self, active: Bools, run: Ints, watched_uv: Doubles) -> list[Change]:
        before = np.concatenate([self.active[:, None, :], active[:, :-1]], axis=1)
        changes = []
        for step, row, meter in np.argwhere((active != before).transpose(1, 0, 2)).tolist():
            kind, phase = self.rows[row]
            if active[row, step, meter]:
                changes.append(Change(step, meter, kind, phase, True, step + 1 - int(run[row, step, meter])))
            else:
                length = int(run[row, step - 1, meter]) if step else int(self.run_steps[row, meter])
                measured = self._measured(row, step, meter, length, watched_uv)
                changes.append(Change(step, meter, kind, phase, False, step - length, measured))
        return changes

    def _measured(self, row: int, step: int, meter: int, length: int, watched_uv: Doubles) -> Measured:
        """Mean, maximum and minimum of the condition that ended before `step` after `length` steps."""
        inside = watched_uv[row, max(0, step - length) : step, meter]
        total, top, bottom = float(inside.sum()), inside.max(initial=-np.inf), inside.min(initial=np.inf)
        if length > step:
            total += self.sum_uv[row, meter]
            top, bottom = max(top, self.max_uv[row, meter]), min(bottom, self.min_uv[row, meter])
        return total / length / _MICRO, float(top) / _MICRO, float(bottom) / _MICRO

    def _carry(self, condition: Bools, last: Ints, run: Ints, watched_uv: Doubles) -> None:
        """Remember the conditions that are still true at the end of the window."""
        steps = np.arange(1, watched_uv.shape[1] + 1)[None, :, None]
        inside = condition[:, None, :] & (steps > last[:, None, :])
        kept = condition & (last == 0)
        self.sum_uv = np.where(kept, self.sum_uv, 0.0) + np.where(inside, watched_uv, 0.0).sum(axis=1)
        largest = np.where(inside, watched_uv, -np.inf).max(axis=1)
        smallest = np.where(inside, watched_uv, np.inf).min(axis=1)
        self.max_uv = np.maximum(np.where(kept, self.max_uv, -np.inf), largest)
        self.min_uv = np.minimum(np.where(kept, self.min_uv, np.inf), smallest)
        self.run_steps = np.where(condition, run, 0)
        self.quiet = not condition.any()
