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
from meters.engine.energy import SECONDS_PER_HOUR, SIGN_SHIFT, Doubles, check_exact
from meters.engine.errors import EngineError
from meters.engine.quantity import MICRO_EXPONENT, TARIFFS, Ints

REGISTERS = 6
"""A+, A-, Q1, Q2, Q3, Q4."""
STEPS, WIDTH = 16, 1024
"""Steps and meters that are worked on at once: all intermediate arrays stay in the cache."""
_MICRO = 10**MICRO_EXPONENT
_EXACT = 2.0**52
"""Twice this is the last integer up to which all are exact in float64."""
_IN_PROFILE = (0, 2, 1, 3)
"""Rows of the profile, A+ A- R+ R-, in the order A+ R+ A- R-."""
_WORDS = 14
"""Of memory for each step and meter that is worked on at once."""
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
    EngineError for shapes, tariffs and periods that do not fit, for powers that no meter could measure, and for rows that
    would not fit into 32 bits.
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
    memory = np.empty(_WORDS * STEPS * min(WIDTH, meters))
    for first in range(0, meters, WIDTH):
        who = slice(first, min(first + WIDTH, meters))
        work = _Work(phases, who.stop - first, step_s, no_load_w * _MICRO, memory)
        for begin, end, number in runs:
            work.take(active_w[:, begin:end, who], reactive_var[:, begin:end, who])
            row = begin // every
            work.write_rows(every - 1 - begin % every, every, out.profile_wh[:, row:, who])
            out.tariff_uwh[:, number - 1, who] += work.new_uwh()
        out.total_uwh[:, 0, who], out.total_uwh[:, 1:, who] = work.total_uwh, work.phases_uwh()
        a_in, a_out, q1, q2, q3, q4 = work.total_uwh
        if max(one.max() for one in (a_in, a_out, q1 + q2, q3 + q4)) >= _MICRO << 32:
            raise EngineError(
                f"registers of meters {who.start}..{who.stop - 1} grew beyond 2**32 Wh, which rows cannot hold"
            )
    return out


def _runs(tariffs: NDArray[np.integer[Any]]) -> list[tuple[int, int, int]]:
    """(first step, step after the last, tariff) of stretches of one tariff, none longer than STEPS."""
    edges = [0, *(np.flatnonzero(np.diff(tariffs)) + 1).tolist(), len(tariffs)]
    return [
        (begin, min(begin + STEPS, last), int(tariffs[begin]))
        for first, last in pairwise(edges)
        for begin in range(first, last, STEPS)
    ]


class _Stretch:
    """Arrays of work for so many steps, mostly (P | Q, step, meter): small enough to stay in the cache next to the core,
    so what is not needed at the same time shares memory."""

    def __init__(self, memory: Doubles, steps: int, meters: int) -> None:
        length = 2 * steps * meters
        self.steps = steps
        self.one, self.whole = (memory[k * length :][: 2 * length].reshape(2, 2, steps, meters) for k in (0, 2))
        """(as it is | without its sign, P | Q, step, meter) of one phase, and of all together."""
        self.twice = memory[4 * length :][: 2 * length].reshape(steps, 4, meters)
        """(step, positive P, positive Q, negative P, negative Q of the whole meter, meter), summed up over the stretch and
        doubled."""
        self.positive, self.negative = (self.twice[:, k : k + 2].transpose(1, 0, 2) for k in (0, 2))
        self.backward = memory[4 * length :][:length].reshape(2, steps, meters)
        self.ends = memory[: 2 * length].view(np.int64).reshape(self.twice.shape)
        rest = memory[6 * length :][:length].view(np.uint8)
        self.small = rest[:length].view(np.bool_)
        self.sign = rest[length : 5 * length].view(np.int64).reshape(steps, meters)


class _Work:
    """Some meters, stretch by stretch.  Sums are micro-watts times steps."""

    def __init__(self, phases: int, meters: int, step_s: int, limit_uw: float, memory: Doubles) -> None:
        self.memory = memory
        self.stretches: dict[int, _Stretch] = {}
        self.limit_uw = max(limit_uw, 0.5)
        self.phases, self.meters = phases, meters
        self.new: Doubles = np.zeros((phases, 3, 2, meters))
        """(phase, as it is | without its sign | the same of Q while P < 0 as (Q, |Q|), P | Q, meter) of a stretch."""
        self.sums: Ints = np.zeros(self.new.shape, np.int64)
        self.before: Doubles = np.zeros((4, meters))
        self.before_wh: Ints = np.zeros((4, meters), np.int64)
        """What `twice` begins with, and what was taken out of it to keep it exact."""
        self.total_uwh: Ints = np.zeros((REGISTERS, meters), np.int64)
        common = math.gcd(step_s, SECONDS_PER_HOUR)
        self.times, self.divisor = step_s // common, SECONDS_PER_HOUR // common

    def take(self, active_w: Floats, reactive_var: Floats) -> None:
        """Sum a stretch up."""
        steps = active_w.shape[1]
        if steps not in self.stretches:
            self.stretches[steps] = _Stretch(self.memory, steps, self.meters)
        work = self.now = self.stretches[steps]
        for phase in range(self.phases):
            both = work.one if phase else work.whole
            self._phase(active_w[phase], reactive_var[phase], *both)
            self._sum_up(self.new[phase], *both)
            if phase:
                work.whole += both
        self._check(active_w, reactive_var)
        self.sums += self.new.astype(np.int64)
        signed, sizes = work.whole
        np.add(sizes, signed, out=work.positive)
        np.subtract(sizes, signed, out=work.negative)
        work.twice[0] += self.before
        for step in range(1, steps):
            work.twice[step] += work.twice[step - 1]

    def _phase(self, active_w: Floats, reactive_var: Floats, power: Doubles, size: Doubles) -> None:
        """Fill in P and Q of a phase in whole micro-units without what is below the limit, and their sizes."""
        np.multiply(active_w, _MICRO, out=power[0], dtype=np.float64)
        np.multiply(reactive_var, _MICRO, out=power[1], dtype=np.float64)
        np.rint(power, out=power)
        np.abs(power, out=size)
        flat = size.reshape(-1)
        small = np.less(flat, self.limit_uw, out=self.now.small).nonzero()[0]
        flat[small] = 0.0
        power.reshape(-1)[small] = 0.0

    def _sum_up(self, new: Doubles, power: Doubles, size: Doubles) -> None:
        """Sum the stretch of one phase up."""
        work = self.now
        np.add.reduce(power, axis=1, out=new[0])
        np.add.reduce(size, axis=1, out=new[1])
        sign = np.right_shift(power[0].view(np.int64), SIGN_SHIFT, out=work.sign)
        backward = work.backward.view(np.int64)
        np.bitwise_and(power[1].view(np.int64), sign, out=backward[0])
        np.abs(work.backward[0], out=work.backward[1])
        np.add.reduce(work.backward, axis=1, out=new[2])

    def _check(self, active_w: Floats, reactive_var: Floats) -> None:
        """Sums of sizes that are small enough mean that all of them, and what is made of them, are exact.

        EngineError for what is not.
        """
        if not self.new[:, 1].max() * self.phases < _EXACT:
            for array, name in ((active_w, "active_w"), (reactive_var, "reactive_var")):
                check_exact(array, 2 * STEPS, name)

    def write_rows(self, first: int, every: int, out: Counts) -> None:
        """Readings after step `first` of the stretch and every so many further ones, into rows (register, row, meter)."""
        twice, unit = self.now.twice[first::every], 2 * _MICRO * self.divisor
        ends = self.now.ends[: len(twice)]
        np.copyto(ends, twice, casting="unsafe")
        if self.times > 1:
            ends *= self.times
        ends //= unit
        if self.before_wh.any():
            ends += self.before_wh
        for register, row in enumerate(_IN_PROFILE):
            out[row, : len(ends)] = ends[:, register]
        self.before[...] = self.now.twice[-1]
        if self.before.max() > _EXACT / 2:
            whole = self.before // unit
            self.before -= whole * unit
            self.before_wh += whole.astype(np.int64) * self.times

    def new_uwh(self) -> Ints:
        """What the whole meter's registers have gained by the last stretch."""
        total: Ints = self._registers(self.sums.sum(axis=0))
        gained = total - self.total_uwh
        self.total_uwh = total
        return gained

    def phases_uwh(self) -> Ints:
        """The registers of each phase, (register, phase, meter)."""
        return self._registers(np.moveaxis(self.sums, 0, 2))

    def _registers(self, sums: Ints) -> Ints:
        """Sums as those of a phase -> A+, A-, Q1..Q4."""
        (p, q), (p_size, q_size), (q_back, size_back) = sums
        q_forward, size_forward = q - q_back, q_size - size_back
        registers: Ints = np.empty((REGISTERS, *p.shape), np.int64)
        np.add(p_size, p, out=registers[0])
        np.subtract(p_size, p, out=registers[1])
        np.add(size_forward, q_forward, out=registers[2])
        np.add(size_back, q_back, out=registers[3])
        np.subtract(size_back, q_back, out=registers[4])
        np.subtract(size_forward, q_forward, out=registers[5])
        if self.times > 1:
            registers *= self.times
        registers //= 2 * self.divisor
        return registers
