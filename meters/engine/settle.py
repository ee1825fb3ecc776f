"""Registers and profiles of recorded powers at once, for fleets that nobody needs to live: no events, maxima, commands.

What comes out is what `Engine` registers for the same powers, to the last digit; only its no-load limit of the current
is not looked at (at 230 V that of the power is the stricter one, but for the elements of an Aron meter).
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Floats
from meters.engine.config import NoLoad
from meters.engine.energy import SECONDS_PER_HOUR, Doubles
from meters.engine.errors import EngineError
from meters.engine.quantity import TARIFFS, Ints
from meters.engine.stretch import MICRO, REGISTERS, WORDS, Counts, Rules, Work
from meters.engine.wiring import Summation, Wiring, checked_summation

WIDTH, CELLS = 8192, 49_152
"""Meters, and steps times meters, that are worked on at once.  Rows so long are read fast, and numpy uses no buffers."""
_WIRINGS = {wiring.elements: wiring for wiring in Wiring}


@dataclass(frozen=True, slots=True)
class Settlement:
    """Micro-Wh (micro-varh) since the first step: `total_uwh` (register, whole | phase, meter), `tariff_uwh` (register,
    tariff, meter); `profile_wh` (A+ A- R+ R-, period, meter) are the readings in whole Wh at the end of each period."""

    total_uwh: Ints
    tariff_uwh: Ints
    profile_wh: Counts

    @classmethod
    def blank(cls, phases: int, periods: int, meters: int) -> Settlement:
        """To be filled in."""
        return cls(
            np.empty((REGISTERS, 1 + phases, meters), np.int64),
            np.zeros((REGISTERS, TARIFFS, meters), np.int64),
            np.empty((4, periods, meters), np.uint32),
        )

    def part(self, meters: slice) -> Settlement:
        """Views of some meters."""
        return Settlement(self.total_uwh[..., meters], self.tariff_uwh[..., meters], self.profile_wh[..., meters])


def settle(
    active_w: Floats,
    reactive_var: Floats,
    step_s: int,
    tariff: NDArray[np.integer[Any]] | int = 1,
    *,
    period_s: int = 0,
    no_load_w: float = NoLoad().active_w,
    summation: Summation | None = None,
    executor: Executor | None = None,
) -> Settlement:
    """Settle powers (phase, time, meter) of equal steps; `tariff` 1..8 of each step, or one for all.

    One phase is a `Wiring.ONE_PHASE`, three a THREE_PHASE, summed individually unless `summation` says otherwise; two are
    the elements of an ARON, whose sum decides.  A profile row ends every `period_s` (0: every step).  Working memory does
    not grow with the input.  An executor gets tasks of WIDTH meters each; what they come to is copied.
    EngineError for shapes, tariffs and periods that do not fit, for powers that no meter could measure, and for rows that
    would not fit into 32 bits.
    """
    if active_w.ndim != 3 or active_w.shape != reactive_var.shape or not active_w.size:
        raise EngineError(f"powers are (phase, time, meter) alike, not {active_w.shape} and {reactive_var.shape}")
    phases, steps, meters = active_w.shape
    if phases not in _WIRINGS:
        raise EngineError(f"powers are (phase, time, meter) of one to three phases, not of {phases}")
    tariffs = np.broadcast_to(np.asarray(tariff), (steps,))
    if tariffs.min() < 1 or tariffs.max() > TARIFFS:
        raise EngineError(f"tariffs {tariffs.min()}..{tariffs.max()} are not 1..{TARIFFS}")
    every, left = divmod(period_s or step_s, max(step_s, 1))
    if not 1 <= step_s <= SECONDS_PER_HOUR or left or every < 1 or steps % every:
        raise EngineError(f"{steps} steps of {step_s} s do not fill periods of {period_s} s")
    summation = checked_summation(_WIRINGS[phases], summation)
    rules = Rules(summation, step_s, _runs(tariffs), every, max(no_load_w * MICRO, 0.5))
    out = Settlement.blank(phases, steps // every, meters)
    blocks = [slice(first, min(first + WIDTH, meters)) for first in range(0, meters, WIDTH)]
    parts = ((active_w[..., who], reactive_var[..., who], rules, who.start) for who in blocks)
    if executor is None:
        memory = np.empty(WORDS * max(CELLS, min(WIDTH, meters)))
        for who, part in zip(blocks, parts, strict=True):
            _settle(*part, out.part(who), memory)
        return out
    for who, settled in zip(blocks, executor.map(_settled, *zip(*parts, strict=True)), strict=True):
        mine = out.part(who)
        for name in Settlement.__slots__:
            getattr(mine, name)[...] = getattr(settled, name)
    return out


def _runs(tariffs: NDArray[np.integer[Any]]) -> tuple[tuple[int, int, int], ...]:
    edges = [0, *(np.flatnonzero(np.diff(tariffs)) + 1).tolist(), len(tariffs)]
    return tuple((first, last, int(tariffs[first])) for first, last in pairwise(edges))


def _settled(active_w: Floats, reactive_var: Floats, rules: Rules, number: int) -> Settlement:
    """What an executor is asked for: a few meters, the first of which has this number."""
    phases, steps, meters = active_w.shape
    out = Settlement.blank(phases, steps // rules.every, meters)
    _settle(active_w, reactive_var, rules, number, out, np.empty(WORDS * max(CELLS, meters)))
    return out


def _settle(
    active_w: Floats, reactive_var: Floats, rules: Rules, number: int, out: Settlement, memory: Doubles
) -> None:
    longest = max(1, CELLS // active_w.shape[2])
    # what overflows is refused, with its place
    with np.errstate(all="ignore"):
        while not _settle_by(longest, active_w, reactive_var, rules, number, out, memory):
            longest = max(1, longest // 8)


def _settle_by(
    longest: int, active_w: Floats, reactive_var: Floats, rules: Rules, number: int, out: Settlement, memory: Doubles
) -> bool:
    """Settle in stretches of at most so many steps, unless sums of one would not be exact."""
    phases, _, meters = active_w.shape
    work = Work(phases, meters, rules, memory)
    for first, last, tariff in rules.runs:
        for begin in range(first, last, longest):
            powers = (array[:, begin : min(begin + longest, last)] for array in (active_w, reactive_var))
            if not work.take(*powers):
                return False
            row = begin // rules.every
            if not work.write_rows(rules.every - 1 - begin % rules.every, out.profile_wh[:, row:]):
                numbers = f"{number}..{number + meters - 1}"
                raise EngineError(f"registers of meters {numbers} grew beyond 2**32 Wh, which rows cannot hold")
        work.read_tariff(tariff, out.tariff_uwh[:, tariff - 1])
    work.read_total(out.total_uwh)
    return True
