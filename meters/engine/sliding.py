"""Sliding demand: the mean power over the last periods, renewed at the end of each, as in COSEM's demand register."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.demand import MAXIMA, Maxima, measured
from meters.engine.energy import SECONDS_PER_HOUR
from meters.engine.errors import EngineError
from meters.engine.quantity import Ints


@dataclass(frozen=True, slots=True)
class Sliding:
    """Demand over the last `periods` periods of `period_s` each; periods begin at multiples of their length (UTC)."""

    periods: int
    period_s: int

    def __post_init__(self) -> None:
        if self.periods < 1 or not 1 <= self.period_s <= SECONDS_PER_HOUR or SECONDS_PER_HOUR % self.period_s:
            raise EngineError(f"demand over {self.periods} periods of {self.period_s} s, which do not fill hours")

    @property
    def span_s(self) -> int:
        """The time over which is averaged."""
        return self.periods * self.period_s


class SlidingDemand:
    """Sliding demand of the meters of a tile.  Arrays are (MAXIMA, meter), means in micro-W.

    `last_uw` is the average at the end of the last period; `maxima` its largest values with the end of the period in
    which they came.  Without supply time goes on and energy does not: such periods count as zero, and give no maximum.
    """

    def __init__(self, sliding: Sliding, clock_s: Ints) -> None:
        self.sliding, meters = sliding, clock_s.size
        self.running_uws: Ints = np.zeros((len(MAXIMA), meters), np.int64)
        self.before_uws: Ints = np.zeros_like(self.running_uws)
        """Sum of `history_uws`."""
        self.history_uws: Ints = np.zeros((sliding.periods - 1, len(MAXIMA), meters), np.int64)
        """The periods before the running one, a ring: each meter's oldest is at its `turn`."""
        self.turn: Ints = np.zeros(meters, np.int64)
        self.elapsed_s: Ints = np.zeros(meters, np.int64)
        """How long the running period has lasted."""
        self.last_uw: Ints = np.zeros_like(self.running_uws)
        self.maxima = Maxima(meters)
        self.due_s: Ints = self.next_due(clock_s)

    def next_due(self, clock_s: Ints) -> Ints:
        """When the periods end in which the clocks are."""
        return (clock_s // self.sliding.period_s + 1) * self.sliding.period_s

    def add(self, power_uws: Ints, elapsed_s: int) -> None:
        """Count a stretch of time; `power_uws` as `Energy.total`."""
        self.running_uws += measured(power_uws[:, 0])
        self.elapsed_s += elapsed_s

    def current_uw(self, row: int, at: Ints) -> Ints:
        """Energy since the oldest of the periods began, over the length of all of them: rises within a period."""
        current: Ints = (self.before_uws[row, at] + self.running_uws[row, at]) // self.sliding.span_s
        return current

    def close(self, at: Ints, stamp_s: Ints, tariff: Ints, awake: NDArray[np.bool_]) -> None:
        """End the running period of the meters `at`, stamped `stamp_s`, in their `tariff` 1..8; arrays are as `at`.

        The mean is energy over the nominal length, also of a period that a set clock made short or long.
        """
        ended_uws = self.running_uws[:, at]
        means = self.last_uw[:, at] = (self.before_uws[:, at] + ended_uws) // self.sliding.span_s
        if len(self.history_uws):
            turn = self.turn[at]
            oldest = self.history_uws[turn, :, at].T
            self.before_uws[:, at] += ended_uws - oldest
            self.history_uws[turn, :, at] = ended_uws.T
            self.turn[at] = (turn + 1) % len(self.history_uws)
        self.running_uws[:, at] = 0
        self.elapsed_s[at] = 0
        if awake.all():
            self.maxima.update(at, means, stamp_s, tariff)
        elif awake.any():
            self.maxima.update(at[awake], means[:, awake], stamp_s[awake], tariff[awake])
