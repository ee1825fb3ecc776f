"""Mean power over periods: what the load profile and the analysis log average, and the maxima of those means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meters.engine.quantity import CHANNELS, COMPONENTS, MICRO_EXPONENT, TARIFFS, Ints, Measurand, combine
from meters.engine.ring import Ring

MAXIMA = (
    Measurand.ACTIVE_IMPORT,
    Measurand.ACTIVE_EXPORT,
    Measurand.REACTIVE_IMPORT,
    Measurand.REACTIVE_EXPORT,
    Measurand.APPARENT_IMPORT,
    Measurand.APPARENT_EXPORT,
)
"""Measurands that have maximum registers."""

_PLUS = (
    np.array([COMPONENTS[measurand][0][0] for measurand in MAXIMA]),
    [COMPONENTS[measurand][0][1] for measurand in MAXIMA if len(COMPONENTS[measurand][0]) > 1],
)
_TWO = [row for row, measurand in enumerate(MAXIMA) if len(COMPONENTS[measurand][0]) > 1]
"""The first channel of each of MAXIMA, the second one of those that have two, and which these are."""
DAY_S = 86_400
_MICRO = 10**MICRO_EXPONENT
_HISTORY_DEPTH = 288
"""Period means that fit into 24 hours at the shortest period, 5 min."""


class Interval:
    """Running sums of one period of every meter, and those of the last complete one.

    Axes as in `Energy.total`; voltages and currents (element, meter).
    """

    def __init__(self, elements: int, meters: int) -> None:
        self.meters = meters
        self.running, self.last = _Sums(elements, meters), _Sums(elements, meters)
        self.last_period_s: Ints = np.ones(meters, np.int64)

    def add(self, power_uws: Ints, voltage_uvs: Ints, current_uas: Ints, powered_s: Ints | int, elapsed_s: int) -> None:
        """Count a stretch of time."""
        running = self.running
        running.power_uws += power_uws
        running.voltage_uvs += voltage_uvs
        running.current_uas += current_uas
        running.powered_s += powered_s
        running.elapsed_s += elapsed_s

    def close(self, at: Ints, period_s: Ints) -> None:
        """Complete the period of the meters `at`, which is `period_s` (meter) long by name, and begin a new one."""
        self.last_period_s[at] = period_s[at]
        if at.size == self.meters:
            self.running, self.last = self.last, self.running
            self.running.zero(slice(None))
            return
        for running, last in zip(self.running.arrays, self.last.arrays, strict=True):
            last[..., at] = running[..., at]
        self.running.zero(at)

    def drop(self, at: Ints) -> None:
        """Begin a new period for the meters `at` without having completed one."""
        self.running.zero(at)

    def mean_uw(self, measurand: Measurand, axis: int, at: Ints) -> Ints:
        """Mean power of the last period: block demand.

        It is energy over the nominal period, also when the clock was set and the period was short or long: never
        rescaled.
        """
        index = slice(None) if at.ndim and at.size == self.meters else at
        means: Ints = combine(self.last.power_uws, measurand, axis, index) // self.last_period_s[index]
        return means

    def mean_uv(self, element: int, at: Ints) -> Ints:
        """Mean voltage of the last period over the time with supply."""
        means: Ints = self.last.voltage_uvs[element, at] // np.maximum(self.last.powered_s[at], 1)
        return means

    def mean_ua(self, element: int, at: Ints) -> Ints:
        """Mean current of the last period over the time with supply."""
        means: Ints = self.last.current_uas[element, at] // np.maximum(self.last.powered_s[at], 1)
        return means


class _Sums:
    """What one period gathers."""

    def __init__(self, elements: int, meters: int) -> None:
        self.power_uws: Ints = np.zeros((CHANNELS, 1 + elements, meters), np.int64)
        self.voltage_uvs: Ints = np.zeros((elements, meters), np.int64)
        self.current_uas: Ints = np.zeros((elements, meters), np.int64)
        self.powered_s: Ints = np.zeros(meters, np.int64)
        self.elapsed_s: Ints = np.zeros(meters, np.int64)
        self.arrays = (self.power_uws, self.voltage_uvs, self.current_uas, self.powered_s, self.elapsed_s)

    def zero(self, at: Ints | slice) -> None:
        for array in self.arrays:
            array[..., at] = 0


def measured(channels: Ints) -> Ints:
    """(MAXIMA, ...) out of the channels (channel, ...)."""
    out: Ints = channels[_PLUS[0]]
    out[_TWO] += channels[_PLUS[1]]
    return out


class Maxima:
    """The largest means so far: `maximum_uw` and `time_s` are (MAXIMA, total | tariff 1..8, meter)."""

    def __init__(self, meters: int) -> None:
        self.meters = meters
        shape = (len(MAXIMA), 1 + TARIFFS, meters)
        self.maximum_uw: Ints = np.zeros(shape, np.int64)
        self.time_s: Ints = np.zeros(shape, np.int64)

    def update(self, at: Ints, means: Ints, time_s: Ints, tariff: Ints) -> None:
        """Compare means (MAXIMA, as `at`) of periods that ended at `time_s` and in `tariff` (1..8).

        A later equal mean does not replace the earlier time.
        """
        if not at.size:
            return
        first = int(tariff[0])
        if not np.count_nonzero(tariff != first):
            # the total and the one tariff, slots 0 and `first`
            self._compare(slice(0, first + 1, first), at, means[:, None], time_s)
            return
        self._compare(slice(0, 1), at, means[:, None], time_s)
        for number in np.unique(tariff).tolist():
            these = tariff == number
            self._compare(slice(number, number + 1), at[these], means[:, None, these], time_s[these])

    def _compare(self, slots: slice, at: Ints, means: Ints, time_s: Ints) -> None:
        index = slice(None) if at.size == self.meters else at
        before = self.maximum_uw[:, slots, index]
        larger = means > before
        if np.count_nonzero(larger):
            self.maximum_uw[:, slots, index] = np.where(larger, means, before)
            self.time_s[:, slots, index] = np.where(larger, time_s, self.time_s[:, slots, index])

    def restart(self, at: Ints) -> None:
        """The maxima of the meters `at` begin at zero."""
        self.maximum_uw[..., at] = 0
        self.time_s[..., at] = 0


class Demand(Maxima):
    """Maximum registers of block demand, and what billing stops make of them: `cumulative_uw` as `maximum_uw`."""

    def __init__(self, meters: int) -> None:
        super().__init__(meters)
        self.cumulative_uw: Ints = np.zeros_like(self.maximum_uw)
        self.billing_periods: Ints = np.zeros(meters, np.int64)
        self.threshold_periods: Ints = np.zeros(meters, np.int64)
        self.history = Ring(_HISTORY_DEPTH, meters, (np.int64,))
        """Means of active import of the last 24 hours."""

    def close(self, at: Ints, interval: Interval, time_s: Ints, tariff: Ints, threshold_uw: Ints) -> None:
        """Take the means of a period that ended at `time_s` and in `tariff` (1..8)."""
        index = slice(None) if at.size == self.meters else at
        means = measured(interval.last.power_uws[:, 0, index]) // interval.last_period_s[index]
        self.update(at, means, time_s, tariff)
        self.threshold_periods[at] += means[0] > threshold_uw
        self.history.append(at, time_s, np.zeros(at.size, np.uint32), [means[0]])

    def close_many(self, means: Ints, times_s: Ints, tariff: Ints, threshold_uw: Ints) -> None:
        """Take the means (MAXIMA, period, meter) of periods of all meters that ended at `times_s`, in one tariff for all."""
        first = int(tariff[0])
        largest = means.max(axis=1)
        self._compare(
            slice(0, first + 1, first), np.arange(self.meters), largest[:, None], times_s[means.argmax(axis=1)][:, None]
        )
        self.threshold_periods += (means[0] > threshold_uw).sum(axis=0)
        self.history.extend(times_s, [means[0]])

    def accumulate(self, at: Ints) -> None:
        """Half of a billing stop, before `restart`: add each maximum, in whole watts, to its cumulative register."""
        self.cumulative_uw[..., at] += (self.maximum_uw[..., at] + _MICRO // 2) // _MICRO * _MICRO
        self.billing_periods[at] += 1

    def last_day(self, meter: int, clock_s: int) -> tuple[Ints, Ints]:
        """Means of active import (micro-W) and their times of the last 24 hours before `clock_s`; both may be empty."""
        rows = self.history.rows(meter, 0, self.history.count(meter))
        recent: NDArray[np.bool_] = (rows.time_s > clock_s - DAY_S) & (rows.time_s <= clock_s)
        return rows.columns[0][recent].astype(np.int64), rows.time_s[recent]
