"""Registers and profiles of recorded powers at once, for fleets that nobody needs to live: no events, maxima, commands.

What comes out is what `Engine` registers for the same powers with individual summation, to the last digit; only its
no-load limit of the current is not looked at (at 230 V that of the power is the stricter one).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Floats
from meters.engine.config import NoLoad
from meters.engine.energy import SECONDS_PER_HOUR, Doubles, check_exact
from meters.engine.errors import EngineError
from meters.engine.quantity import MICRO_EXPONENT, TARIFFS, Ints

REGISTERS = 6
"""A+, A-, Q1, Q2, Q3, Q4."""
STEPS, WIDTH = 16, 2048
"""Steps and meters that are worked on at once: all intermediate arrays stay in the cache."""
SIGN_SHIFT = 63
"""Shifted so far, a float's bits are all ones when it is negative, else zeros."""
_MICRO = 10**MICRO_EXPONENT
_EXACT = 2.0**52
"""Twice this is the last integer up to which all are exact in float64."""
Counts = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Settlement:
    """Micro-Wh (micro-varh) since the first step: `total_uwh` (register, whole | phase, meter), `tariff_uwh` (register,
    tariff, meter); `profile_wh` (A+ A- R+ R-, period, meter) are the readings in whole Wh at the end of each period."""

    total_uwh: Ints
    tariff_uwh: Ints
    profile_wh: Counts


def settle(
    active_w: Floats,
    reactive_var: Floats,
    step_s: int,
    tariff: NDArray[np.integer[Any]] | int = 1,
    *,
    period_s: int = 0,
    no_load_w: float = NoLoad().active_w,
) -> Settlement:
    """Settle powers (phase, time, meter) of equal steps; `tariff` 1..8 of each step, or one for all.

    A profile row ends every `period_s` (0: every step).  Working memory does not grow with the input.
    EngineError for shapes, tariffs and periods that do not fit, and for powers that no meter could measure.
    """
    if active_w.ndim != 3 or active_w.shape != reactive_var.shape or not active_w.size:
        raise EngineError(f"powers are (phase, time, meter) alike, not {active_w.shape} and {reactive_var.shape}")
    phases, steps, meters = active_w.shape
    tariffs = np.broadcast_to(np.asarray(tariff), (steps,))
    if tariffs.min() < 1 or tariffs.max() > TARIFFS:
        raise EngineError(f"tariffs {tariffs.min()}..{tariffs.max()} are not 1..{TARIFFS}")
    every, left = divmod(period_s or step_s, max(step_s, 1))
    if not 1 <= step_s <= SECONDS_PER_HOUR or left or every < 1 or steps % every:
        raise EngineError(f"{steps} steps of {step_s} s do not fill periods of {period_s} s")
    out = Settlement(
        np.zeros((REGISTERS, 1 + phases, meters), np.int64),
        np.zeros((REGISTERS, TARIFFS, meters), np.int64),
        np.zeros((4, steps // every, meters), np.uint32),
    )
    runs = _runs(tariffs)
    for first in range(0, meters, WIDTH):
        who = slice(first, min(first + WIDTH, meters))
        work = _Work(phases, who.stop - first, step_s, no_load_w * _MICRO)
        for begin, end, number in runs:
            work.take(active_w[:, begin:end, who], reactive_var[:, begin:end, who])
            row = begin // every
            work.write_rows(every - 1 - begin % every, every, out.profile_wh[:, row:, who])
            out.tariff_uwh[:, number - 1, who] += work.new_uwh()
        out.total_uwh[:, 0, who], out.total_uwh[:, 1:, who] = work.total_uwh, work.phases_uwh()
    return out


def _runs(tariffs: NDArray[np.integer[Any]]) -> list[tuple[int, int, int]]:
    """(first step, step after the last, tariff) of stretches of one tariff, none longer than STEPS."""
    edges = [0, *(np.flatnonzero(np.diff(tariffs)) + 1).tolist(), len(tariffs)]
    return [
        (begin, min(begin + STEPS, last), int(tariffs[begin]))
        for first, last in pairwise(edges)
        for begin in range(first, last, STEPS)
    ]


class _Work:
    """Some meters, stretch by stretch.  First axis of two: P and Q.  Sums are micro-watts times steps."""

    def __init__(self, phases: int, meters: int, step_s: int, limit_uw: float) -> None:
        shape = (2, STEPS, meters)
        self.power, self.size, self.signed, self.sizes = (np.empty(shape) for _ in range(4))
        self.small, self.sign = np.empty(shape, np.bool_), np.empty(shape[1:], np.int64)
        self.backward: Ints = np.empty(shape, np.int64)
        self.twice = np.empty((4, STEPS, meters))
        """Positive P, negative P, positive Q, negative Q of the whole meter, summed up over the stretch; doubled."""
        self.limit_uw = max(limit_uw, 0.5)
        self.phases, self.steps = phases, 0
        self.sums: Ints = np.zeros((3, 2, phases, meters), np.int64)
        """(as it is | without its sign | the same of Q while P < 0 as (Q, |Q|), P | Q, phase, meter)."""
        self.before: Ints = np.zeros((4, 1, meters), np.int64)
        self.total_uwh: Ints = np.zeros((REGISTERS, meters), np.int64)
        common = math.gcd(step_s, SECONDS_PER_HOUR)
        self.times, self.divisor = step_s // common, SECONDS_PER_HOUR // common

    def take(self, active_w: Floats, reactive_var: Floats) -> None:
        """Sum a stretch up."""
        steps = self.steps = active_w.shape[1]
        signed, sizes = self.signed[:, :steps], self.sizes[:, :steps]
        for phase in range(self.phases):
            power, size = (self.power[:, :steps], self.size[:, :steps]) if phase else (signed, sizes)
            self._phase(active_w[phase], reactive_var[phase], power, size)
            sign = np.right_shift(power[0].view(np.int64), SIGN_SHIFT, out=self.sign[:steps])
            backward = self.backward[:, :steps]
            np.bitwise_and(power[1].view(np.int64), sign, out=backward[0])
            np.bitwise_and(size[1].view(np.int64), sign, out=backward[1])
            for sums, array in zip(self.sums, (power, size, backward.view(np.float64)), strict=True):
                sums[:, phase] += array.sum(axis=1).astype(np.int64)
            if phase:
                signed += power
                sizes += size
        twice = self.twice[:, :steps]
        np.add(sizes, signed, out=twice[0::2])
        np.subtract(sizes, signed, out=twice[1::2])
        for step in range(1, steps):
            twice[:, step] += twice[:, step - 1]

    def _phase(self, active_w: Floats, reactive_var: Floats, power: Doubles, size: Doubles) -> None:
        """Fill in P and Q of a phase in whole micro-units without what is below the limit, and their sizes."""
        np.multiply(active_w, _MICRO, out=power[0], dtype=np.float64)
        np.multiply(reactive_var, _MICRO, out=power[1], dtype=np.float64)
        np.rint(power, out=power)
        np.abs(power, out=size)
        if not size.max() * (self.phases * STEPS) < _EXACT:
            for array, name in ((active_w, "active_w"), (reactive_var, "reactive_var")):
                check_exact(array[None], 2 * self.phases * STEPS, name)
        small = np.less(size, self.limit_uw, out=self.small[:, : self.steps])
        np.copyto(power, 0.0, where=small)
        np.copyto(size, 0.0, where=small)

    def write_rows(self, first: int, every: int, out: Counts) -> None:
        """Readings after step `first` of the stretch and every so many further ones, into rows (register, row, meter)."""
        ends = self.twice[:, first : self.steps : every].astype(np.int64)
        ends += self.before
        if self.times > 1:
            ends *= self.times
        ends //= 2 * _MICRO * self.divisor
        out[:, : ends.shape[1]] = ends
        self.before += self.twice[:, self.steps - 1 : self.steps].astype(np.int64)

    def new_uwh(self) -> Ints:
        """What the whole meter's registers have gained by the last stretch."""
        total: Ints = self._registers(self.sums.sum(axis=2))
        gained = total - self.total_uwh
        self.total_uwh = total
        return gained

    def phases_uwh(self) -> Ints:
        """The registers of each phase, (register, phase, meter)."""
        return self._registers(self.sums)

    def _registers(self, sums: Ints) -> Ints:
        """Sums as in `sums` -> A+, A-, Q1..Q4."""
        (p, q), (p_size, q_size), (q_back, size_back) = sums
        q_forward, size_forward = q - q_back, q_size - size_back
        twice = (
            p_size + p,
            p_size - p,
            size_forward + q_forward,
            size_back + q_back,
            size_back - q_back,
            size_forward - q_forward,
        )
        registers: Ints = np.stack(twice) * self.times // (2 * self.divisor)
        return registers
