"""Sliding demand: the mean power over the last periods, renewed at the end of each, as in COSEM's demand register."""

from __future__ import annotations

import numpy as np

from meters.engine.errors import EngineError
from meters.engine.quantity import Ints

SECONDS_PER_HOUR = 3600


class SlidingDemand:
    """Demand of many meters over `periods` periods of `period_s` (1: block demand); arrays are (meter), micro-W.

    `last_uw` is the average at the end of the last period, `maximum_uw` its largest value with `maximum_s`, the end of
    the period in which it came.
    """

    def __init__(self, periods: int, period_s: int, meters: int) -> None:
        if periods < 1 or period_s < 1:
            raise EngineError(f"demand over {periods} periods of {period_s} s")
        self.periods, self.period_s = periods, period_s
        self.history: Ints = np.zeros((periods, meters), np.int64)
        """Micro-watt-seconds of the last periods, a ring: the running period is at `turn`."""
        self.turn = 0
        self.last_uw: Ints = np.zeros(meters, np.int64)
        self.maximum_uw: Ints = np.zeros(meters, np.int64)
        self.maximum_s: Ints = np.zeros(meters, np.int64)

    def add(self, energy_uws: Ints) -> None:
        """Count energy in the running period."""
        self.history[self.turn] += energy_uws

    @property
    def current_uw(self) -> Ints:
        """Energy since the oldest of the periods began, over the length of all of them: rises within a period."""
        current: Ints = self.history.sum(axis=0) // (self.periods * self.period_s)
        return current

    def close(self, time_s: int) -> None:
        """End the running period at `time_s`."""
        self.last_uw = self.current_uw
        larger = self.last_uw > self.maximum_uw
        self.maximum_uw = np.where(larger, self.last_uw, self.maximum_uw)
        self.maximum_s = np.where(larger, time_s, self.maximum_s)
        self.turn = (self.turn + 1) % self.periods
        self.history[self.turn] = 0

    def reset(self) -> None:
        """Billing: the maximum starts again at zero; the running periods go on."""
        self.maximum_uw[:], self.maximum_s[:] = 0, 0


def sliding_means(energy_uwh: Ints, periods: int, period_s: int) -> Ints:
    """Demand (micro-W) at the end of every period from the `periods`-th on, out of the energy of each (time, ...)."""
    if len(energy_uwh) < periods:
        return energy_uwh[:0]
    total = np.cumsum(np.concatenate([np.zeros_like(energy_uwh[:1]), energy_uwh]), axis=0)
    means: Ints = (total[periods:] - total[:-periods]) * SECONDS_PER_HOUR // (periods * period_s)
    return means
