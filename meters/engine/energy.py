"""Power becomes energy without loss: integer micro-watt-seconds summed, micro-watt-hours kept, the rest carried.

Powers are rounded once, to whole micro-watts.  From there on everything is exact integer arithmetic: registers do
not depend on how time was cut into blocks, and never drift.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from meters.engine.errors import EngineError
from meters.engine.quantity import CHANNELS, MICRO_EXPONENT, TARIFFS, Ints
from meters.engine.wiring import Summation

Doubles = NDArray[np.float64]

SECONDS_PER_HOUR = 3600
SIGN_SHIFT = 63
"""Shifted so far, a float's bits are all ones when it is negative, else zeros."""
_EXACT = 2.0**53
"""Integers up to here are exact in float64, so sums below it are, in any order."""


def check_exact(values: NDArray[np.floating], steps: int, what: str) -> float:
    """Make sure that sums of a window's values (element, time, meter), as micro-units, are exact integers.

    Returns the largest of them.

    EngineError for NaN, infinities, and values so large that `steps` of them on all elements might not be.
    """
    limit = _EXACT / 10**MICRO_EXPONENT / (steps * len(values))
    largest = float(values.max())
    if -limit < values.min() and largest < limit:
        return largest
    element, step, meter = np.argwhere(~(np.abs(values) < limit))[0]
    value = values[element, step, meter]
    raise EngineError(f"{what} of element {element}, step {step}, meter {meter} is {value}: no meter could measure it")


def sums_between(values: Doubles, cuts: list[int], axis: int) -> Ints:
    """Sums of the stretches between two cuts of the time, which is the last but one axis, `axis`."""
    out = np.empty((*values.shape[:axis], len(cuts) - 1, values.shape[-1]))
    for stretch, (first, last) in enumerate(pairwise(cuts)):
        np.add.reduce(values[..., first:last, :], axis=axis, out=out[..., stretch, :])
    return out.astype(np.int64)


class Powers:
    """Powers of consecutive steps as whole micro-units in float64, ready to be summed over any stretch of time.

    `stack` is (P | Q | positive part of Q | S, element, time, meter).  Reactive power carries its sign (Q1 of IEEE
    1459, positive when inductive import); the quadrant follows from the signs of P and Q, zero counting as positive.
    """

    def __init__(self, stack: Doubles, spare: Doubles | None = None) -> None:
        """Takes over `stack`, in which only P, Q and S are filled in yet, and `spare` memory of the same shape."""
        np.maximum(stack[1], 0.0, out=stack[2])
        self.stack = self.forward = stack
        if stack[0].min(initial=0.0) < 0.0:
            # all bits where P >= 0, else none; adding zero turns -0.0 into 0.0
            mask = ~np.right_shift((stack[0] + 0.0).view(np.int64), SIGN_SHIFT)
            self.forward = np.empty_like(stack) if spare is None else spare
            np.bitwise_and(stack.view(np.int64), mask, out=self.forward.view(np.int64))

    def channels(self, first: int, last: int) -> Ints:
        """(channel, element, meter): sums over steps [first, last) of A+, A-, Q1..Q4, S+, S- in micro-units."""
        every = self.stack[:, :, first:last].sum(axis=2).astype(np.int64)
        if self.forward is self.stack:
            return _split(every, every)
        return _split(every, self.forward[:, :, first:last].sum(axis=2).astype(np.int64))

    def channels_between(self, cuts: list[int]) -> Ints:
        """(channel, element, stretch, meter): the same of all stretches between two cuts."""
        every = sums_between(self.stack, cuts, 2)
        return _split(every, every if self.forward is self.stack else sums_between(self.forward, cuts, 2))

    def series(self, meter: int, first: int, last: int) -> Ints:
        """(channel, element, time): the same of each of the steps [first, last) of one meter."""
        every = self.stack[:, :, first:last, meter].astype(np.int64)
        return _split(every, self.forward[:, :, first:last, meter].astype(np.int64))


def _split(every: Ints, forward: Ints) -> Ints:
    """Sums over all steps and over those with P >= 0 -> the eight channels."""
    out = np.empty((CHANNELS, *every.shape[1:]), np.int64)
    out[0] = forward[0]
    out[1] = forward[0] - every[0]
    out[2] = forward[2]
    out[3] = every[2] - forward[2]
    out[5] = forward[2] - forward[1]
    out[4] = every[2] - every[1] - out[5]
    out[6] = forward[3]
    out[7] = every[3] - forward[3]
    return out


def vector_powers(phases: Powers) -> Powers:
    """The powers of the sum of all elements; S = |P + jQ|."""
    stack = phases.stack.sum(axis=1, keepdims=True)
    stack[3] = np.rint(np.hypot(stack[0], stack[1]))
    return Powers(stack)


def import_powers(phases: Powers, summation: Summation) -> Doubles:
    """A+ of the whole meter in each step, (time, meter)."""
    active = phases.stack[0]
    if summation is Summation.SUM_VECTOR:
        net: Doubles = np.maximum(active.sum(axis=0), 0.0)
        return net
    one: Doubles = (np.maximum(active, 0.0) if summation is Summation.PER_PHASE else np.abs(active)).sum(axis=0)
    return one


def total_channels(phases: Ints, summation: Summation) -> Ints:
    """(channel, meter) of the whole meter out of (channel, element, meter), for the summations that look at phases."""
    total: Ints = phases.sum(axis=1)
    if summation is Summation.TOTAL_ABS:
        folded = np.zeros_like(total)
        for into, a, b in ((0, 0, 1), (2, 2, 3), (5, 4, 5), (6, 6, 7)):
            folded[into] = total[a] + total[b]
        return folded
    return total


class Scratch:
    """Memory that windows use one after the other: fresh pages for each would cost more than what is done in them."""

    def __init__(self) -> None:
        self.memory = np.empty(0)

    def array(self, *shape: int) -> Doubles:
        """An array that nobody has filled, and that is valid up to the next one."""
        size = math.prod(shape)
        if self.memory.size < size:
            self.memory = np.empty(size)
        return self.memory[:size].reshape(shape)

    def __reduce__(self) -> tuple[type[Scratch], tuple[()]]:
        return Scratch, ()


class Energy:
    """Energy registers in micro-Wh: `total` (channel, whole meter | element, meter), `tariff` (channel, tariff, meter).

    Tariffs share the carried remainder with the total, so their sum is the total to the last digit.
    """

    def __init__(self, elements: int, meters: int) -> None:
        self.total: Ints = np.zeros((CHANNELS, 1 + elements, meters), np.int64)
        self.rest_uws: Ints = np.zeros_like(self.total)
        self.tariff: Ints = np.zeros((CHANNELS, TARIFFS, meters), np.int64)
        self._meters = np.arange(meters)

    def add(self, sums_uws: Ints, tariff: Ints) -> None:
        """Add micro-watt-seconds shaped as `total`, in each meter's tariff 1..8."""
        self.rest_uws += sums_uws
        whole = self.rest_uws // SECONDS_PER_HOUR
        self.rest_uws -= whole * SECONDS_PER_HOUR
        self.total += whole
        if not np.count_nonzero(tariff != tariff[0]):
            self.tariff[:, tariff[0] - 1] += whole[:, 0]
        else:
            self.tariff[:, tariff - 1, self._meters] += whole[:, 0]
