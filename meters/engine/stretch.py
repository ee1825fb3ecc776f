"""Stretches of steps of some meters summed up exactly in float64: what `settle` settles with.

Powers are rounded to whole micro-units, and integers are exact in float64: sums are checked to stay below what is.  Arrays
are contiguous along the meters and used again at once; a pass over one is what costs, so there are as few as possible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Floats
from meters.engine.energy import SECONDS_PER_HOUR, SIGN_SHIFT, Doubles, check_exact
from meters.engine.errors import EngineError
from meters.engine.quantity import MICRO_EXPONENT, Ints
from meters.engine.wiring import Summation, Wiring

REGISTERS = 6
"""A+, A-, Q1, Q2, Q3, Q4."""
WORDS = 10
"""Of memory for each step and meter that is worked on at once."""
MICRO = 10**MICRO_EXPONENT
_EXACT = 2.0**52
"""Integers are exact in float64 up to twice of this, and so are floors of their quotients up to this."""
_IN_PROFILE = (0, 2, 1, 3)
"""Where A+ A- R+ R- are among A+ R+ A- R-, the order of the work."""
_FEW = 32
"""For so few meters a running sum is faster in one go than step by step."""
Counts = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Rules:
    """What all meters have in common.  `runs` are (first step, step after the last, tariff)."""

    summation: Summation
    step_s: int
    runs: tuple[tuple[int, int, int], ...]
    every: int
    limit_uw: float


class _Powers:
    """One phase, or all together, during a stretch of steps, in whole micro-units: (P, Q, |P|, |Q|; step, meter).

    `flat` is the same in one piece, `signed` its first half and `size` its second; `bits` are those of each of the four.
    """

    def __init__(self, memory: Doubles, steps: int, meters: int) -> None:
        self.flat = memory
        self.all = memory.reshape(4, steps, meters)
        self.signed, self.size = memory.reshape(2, -1)
        self.bits = memory.view(np.int64).reshape(4, -1)


class _Stretch:
    """Arrays of work for so many steps.  What is not needed at the same time shares memory: nearly all stays in the
    caches."""

    def __init__(self, memory: Doubles, steps: int, meters: int) -> None:
        cells = steps * meters
        self.whole, self.one = (_Powers(memory[k * cells :][: 4 * cells], steps, meters) for k in (0, 4))
        rest = memory[8 * cells :][: 2 * cells]
        self.backward = rest.reshape(2, steps, meters)
        """(Q, |Q|; step, meter) while P < 0."""
        self.sum = rest
        self.bits = rest.view(np.int64).reshape(2, cells)
        self.small = np.empty(2 * cells, np.bool_)
        self.rows = self.one.all
        """Twice (A+, R+, A-, R-; step, meter) of the whole meter, summed up."""
        self.positive, self.negative = self.one.flat.reshape(2, -1)
        self.first, self.last = self.rows[:, 0], self.rows[:, -1]
        self.pairs = [(self.rows[:, step - 1], self.rows[:, step]) for step in range(1, steps)]


class _Registers:
    """Registers (register, meter) as what was taken out of their sums to keep them exact, and what is left of that.

    Sums are micro-watts times steps.
    """

    def __init__(self, times: int, divisor: int) -> None:
        self.times, self.unit = times, 2.0 * divisor
        self.base_uwh: Ints | None = None
        self.left: Doubles | None = None

    def read_uwh(self, twice: Doubles, out: Ints) -> None:
        """What they show after twice the sums, which are used up."""
        if self.left is not None:
            twice += self.left
        if self.times > 1:
            twice *= self.times
        twice /= self.unit
        np.copyto(out, twice, casting="unsafe")
        if self.base_uwh is not None:
            out += self.base_uwh

    def relieve(self, twice: Doubles) -> None:
        """Take over twice the sums, which begin anew."""
        if self.left is not None:
            twice = twice + self.left
        whole = np.floor(twice / self.unit)
        self.left = twice - whole * self.unit
        uwh = whole.astype(np.int64) * self.times
        self.base_uwh = uwh if self.base_uwh is None else self.base_uwh + uwh


def _double(sums: Doubles, twice: Doubles) -> Doubles:
    """Twice the registers' sums out of those of P, Q, |P|, |Q| and of Q, |Q| while P < 0."""
    p, q, p_size, q_size, q_back, back_size = sums
    np.add(p_size, p, out=twice[0])
    np.subtract(p_size, p, out=twice[1])
    np.add(back_size, q_back, out=twice[3])
    np.subtract(back_size, q_back, out=twice[4])
    np.add(q_size, q, out=twice[2])
    np.subtract(q_size, q, out=twice[5])
    twice[2] -= twice[3]
    twice[5] -= twice[4]
    return twice


class Work:
    """Some meters, stretch by stretch."""

    def __init__(self, phases: int, meters: int, rules: Rules, memory: Doubles) -> None:
        self.memory, self.rules = memory, rules
        self.phases, self.meters = phases, meters
        self.stretches: dict[int, _Stretch] = {}
        common = math.gcd(rules.step_s, SECONDS_PER_HOUR)
        self.times, self.divisor = rules.step_s // common, SECONDS_PER_HOUR // common
        self.unit = 2.0 * MICRO * self.divisor
        """Of doubled sums in a Wh."""
        vector = rules.summation is Summation.SUM_VECTOR
        self.sums: Doubles = np.zeros((phases + vector, REGISTERS, meters))
        """(phase, and whole if its powers are summed up themselves; P, Q, |P|, |Q|, Q and |Q| while P < 0; meter): exact
        integers."""
        self.new: Doubles = np.empty((REGISTERS, meters))
        self.now_uwh: Ints = np.empty((REGISTERS, meters), np.int64)
        self.before_uwh: Ints = np.zeros((REGISTERS, meters), np.int64)
        """What the whole meter's registers showed when a tariff was read last."""
        self.tariffs: set[int] = set()
        """Those that were read."""
        self.twice: Doubles = np.empty((REGISTERS, meters))
        self.registers = [_Registers(self.times, self.divisor) for _ in range(1 + phases)]
        """Of the whole meter, and of the phases."""
        self.largest = 0.0
        """The largest sum of the running stretch's sizes in one phase; NaN when that is no number."""
        self.most = 0.0
        """No register's doubled sum is larger, whoever's."""
        self.before: Doubles = np.zeros((4, meters))
        self.before_wh: Doubles | None = None
        """What the next rows begin with, and what was taken out of it to keep it exact."""

    def take(self, active_w: Floats, reactive_var: Floats) -> bool:
        """Sum a stretch up.  False when the sums might not be exact, so that all is to be done anew, in shorter stretches;
        EngineError when it has one step only."""
        steps = active_w.shape[1]
        if steps not in self.stretches:
            self.stretches[steps] = _Stretch(self.memory, steps, self.meters)
        work = self.now = self.stretches[steps]
        if self.most >= _EXACT / 2:
            self._relieve()
        self.largest = 0.0
        self._measure(work, active_w, reactive_var)
        if not self.largest * self.phases * self.times < _EXACT / 4:
            if steps == 1:
                self._refuse(active_w, reactive_var)
            return False
        self.most += 2.0 * self.phases * self.times * self.largest
        return True

    def _refuse(self, active_w: Floats, reactive_var: Floats) -> None:
        """EngineError for powers that cannot be taken."""
        for array, name in ((active_w, "active_w"), (reactive_var, "reactive_var")):
            check_exact(array, 8 * self.times, name)
        raise EngineError("powers are too large: no meter could measure them")

    def _measure(self, work: _Stretch, active_w: Floats, reactive_var: Floats) -> None:
        """Fill in the powers of the whole meter, and add up the sums of all."""
        joint = self.phases == Wiring.ARON.elements
        for phase in range(self.phases):
            one = work.one if phase else work.whole
            np.multiply(active_w[phase], MICRO, out=one.all[0], dtype=np.float64)
            np.multiply(reactive_var[phase], MICRO, out=one.all[1], dtype=np.float64)
            np.rint(one.signed, out=one.signed)
            if not joint:
                self._gate(work, one)
                self._sum_up(work, one, phase)
                if phase:
                    work.whole.flat += one.flat
        if joint:
            self._gate(work, work.whole, work.one)
            self._sum_up(work, work.whole, 0)
            self._sum_up(work, work.one, 1)
            work.whole.signed += work.one.signed
        if self.rules.summation is Summation.SUM_VECTOR:
            np.abs(work.whole.signed, out=work.whole.size)
            self._sum_up(work, work.whole, self.phases)
        elif self.rules.summation is Summation.TOTAL_ABS:
            work.whole.all[0] = work.whole.all[2]

    def _gate(self, work: _Stretch, *elements: _Powers) -> None:
        """Nothing is measured where less than the limit flows, in all elements together; fill in the sizes."""
        tested, first = elements[0].size, elements[0]
        if len(elements) > 1:
            tested = np.add(first.signed, elements[1].signed, out=work.sum)
            np.abs(tested, out=tested)
        else:
            np.abs(first.signed, out=tested)
        small = np.less(tested, self.rules.limit_uw, out=work.small).nonzero()[0]
        for one in elements:
            one.signed[small] = 0.0
            if one.size is tested:
                tested[small] = 0.0
            else:
                np.abs(one.signed, out=one.size)

    def _sum_up(self, work: _Stretch, one: _Powers, index: int) -> None:
        """Add P, Q, |P|, |Q|, and Q, |Q| while P < 0."""
        new = self.new
        np.add.reduce(one.all, axis=1, out=new[:4])
        if index < self.phases:
            self.largest = float(np.maximum(self.largest, new[2:4].max()))
        # all bits where P < 0, else none
        sign = np.right_shift(one.bits[0], SIGN_SHIFT, out=work.bits[1])
        np.bitwise_and(one.bits[1], sign, out=work.bits[0])
        np.bitwise_and(one.bits[3], sign, out=work.bits[1])
        np.add.reduce(work.backward, axis=1, out=new[4:])
        self.sums[index] += new

    def write_rows(self, first: int, out: Counts) -> bool:
        """Readings after step `first` of the stretch and every so many further ones, into rows (register, row, meter).

        False when they grew too large.
        """
        work = self.now
        np.add(work.whole.size, work.whole.signed, out=work.positive)
        np.subtract(work.whole.size, work.whole.signed, out=work.negative)
        work.first += self.before
        if self.meters > _FEW:
            for earlier, later in work.pairs:
                later += earlier
        else:
            np.add.accumulate(work.rows, axis=1, out=work.rows)
        self.before[...] = work.last
        rows = work.rows[:, first :: self.rules.every]
        if self.times > 1:
            rows *= self.times
        rows /= self.unit
        if self.before_wh is not None:
            rows += self.before_wh[:, None]
        if self.before_wh is not None or self.most >= self.unit * 2.0**32:
            largest = float(rows.max(initial=0.0))
            if largest >= 2.0**32:
                return False
        # processors have an instruction for signed ones
        counts: NDArray[Any] = out.view(np.int32) if self.most < self.unit * 2.0**31 else out
        for register, row in enumerate(_IN_PROFILE):
            np.copyto(counts[register, : rows.shape[1]], rows[row], casting="unsafe")
        return True

    def _relieve(self) -> None:
        """Make room: the sums begin anew."""
        self.registers[0].relieve(self._double_whole())
        for registers, sums in zip(self.registers[1:], self.sums, strict=False):
            registers.relieve(_double(sums, self.twice))
        self.sums[...] = 0.0
        whole = np.floor(self.before / self.unit)
        self.before -= whole * self.unit
        self.before_wh = whole * self.times + (0.0 if self.before_wh is None else self.before_wh)
        self.most = self.unit * self.times

    def _double_whole(self) -> Doubles:
        """Twice the sums of the whole meter's registers."""
        summation = self.rules.summation
        if summation is Summation.SUM_VECTOR:
            return _double(self.sums[-1], self.twice)
        if self.registers[0].left is not None:
            whole = np.add.reduce(self.sums, axis=0)
            if summation is Summation.TOTAL_ABS:
                whole[0] = whole[2]
                whole[4:] = 0.0
            return _double(whole, self.twice)
        # nobody has taken anything out of the rows' sums yet
        a_in, q1, q2, q3 = self.twice[0], self.twice[2], self.twice[3], self.twice[4]
        if summation is Summation.TOTAL_ABS:
            self.twice[3:5] = 0.0
        else:
            q_back, back_size = np.add.reduce(self.sums[:, 4:], axis=0)
            np.add(back_size, q_back, out=q2)
            np.subtract(back_size, q_back, out=q3)
        a_in[...], self.twice[1] = self.before[0], self.before[2]
        np.subtract(self.before[1], q2, out=q1)
        np.subtract(self.before[3], q3, out=self.twice[5])
        return self.twice

    def read_tariff(self, tariff: int, out: Ints) -> None:
        """Add what the whole meter's registers have gained since this was called last to those of the tariff."""
        self.registers[0].read_uwh(self._double_whole(), self.now_uwh)
        gained_uwh = np.subtract(self.now_uwh, self.before_uwh, out=self.before_uwh)
        if tariff in self.tariffs:
            out += gained_uwh
        else:
            out[...] = gained_uwh
        self.tariffs.add(tariff)
        self.before_uwh, self.now_uwh = self.now_uwh, self.before_uwh

    def read_total(self, out: Ints) -> None:
        """The registers (register, whole | phase, meter) as they are."""
        out[:, 0] = self.before_uwh
        for phase in range(self.phases):
            self.registers[1 + phase].read_uwh(_double(self.sums[phase], self.twice), out[:, 1 + phase])
