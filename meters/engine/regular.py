"""Ordinary periods, several at once: what a tile does when nothing but periods ends for a while.

Then all meters of the tile end their periods together, nothing depends on the order, and the rows of all these periods
are made by the same code as one row, with periods times meters in the place of meters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meters.engine.demand import Interval, measured
from meters.engine.energy import SECONDS_PER_HOUR, Energy
from meters.engine.log import Log
from meters.engine.quantity import Ints, Kind
from meters.engine.reading import read
from meters.engine.state import State
from meters.engine.window import Window

FEW_METERS = 64
"""Of more meters at once the arrays are long enough that single periods cost little."""
_KINDS = frozenset({Kind.ENERGY, Kind.MEAN})
"""What columns may show: all else looks at more than the energies and the periods."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Ordinary period ends in a window: the steps before which they lie, and their stamps."""

    steps: list[int]
    stamps_s: Ints


def may_be_regular(state: State) -> bool:
    """Whether several periods at once are worth while, and the tile's logs and functions allow them at all."""
    if len(state.numbers) > FEW_METERS:
        return False
    logs = _periodic(state)
    columns = (quantity for log in logs for quantity in log.spec.columns)
    return state.sliding is None and state.counters is None and all(quantity.kind in _KINDS for quantity in columns)


def ordinary_ends(state: State, window: Window, step: int) -> Ends | None:
    """The period ends from `step` on before anything else happens; None when there are not at least two of them."""
    logs, step_s = _periodic(state), state.config.step_s
    if window.supply is not None or window.flags is not None or state.watches or not _alike(state.clock_offset_s):
        return None
    due_s, period_s = int(logs[0].due_s[0]), int(logs[0].period_s[0])
    if not _alike(state.tariff) or period_s % step_s or np.count_nonzero(state.has_supply) < state.has_supply.size:
        return None
    for log in logs:
        ordinary = _alike(log.due_s, due_s) and _alike(log.period_s, period_s) and log.ring.even
        if not ordinary or np.count_nonzero(log.flags):
            return None
    others = [state.tariff_due_s, *(log.due_s for log in state.logs.values() if log.interval is None)]
    offset_s = int(state.clock_offset_s[0])
    end_s = min(window.stop_s + offset_s, *(int(other.min()) - 1 for other in others))
    first = due_s - offset_s - window.start_s
    stamps_s: Ints = np.arange(due_s, end_s + 1, period_s)
    if first % step_s or stamps_s.size < 2:
        return None
    begin = first // step_s
    return Ends([begin + number * (period_s // step_s) for number in range(stamps_s.size)], stamps_s)


def _periodic(state: State) -> list[Log]:
    return [log for log in state.logs.values() if log.interval is not None]


def _alike(values: Ints, value: int | None = None) -> bool:
    return not np.count_nonzero(values != (values[0] if value is None else value))


def live_regularly(state: State, window: Window, step: int, ends: Ends) -> None:
    """Live through the periods that end there, from `step` on."""
    step_s, count, meters = state.config.step_s, len(ends.steps), len(state.numbers)
    cuts = [step, *ends.steps]
    power_uws, levels_us = (sums * step_s for sums in window.sums_between(cuts))
    elapsed_s = np.diff(cuts) * step_s
    energy = _energies(state, power_uws)
    for log in _periodic(state):
        interval = log.interval
        assert interval is not None, "only such logs are chosen"
        periods = Interval(state.config.wiring.elements, count * meters)
        gathered = (power_uws, *levels_us, elapsed_s[:, None], elapsed_s[:, None])
        for own, running, new in zip(periods.last.arrays, interval.running.arrays, gathered, strict=True):
            own.reshape(*own.shape[:-1], count, meters)[...] = new
            own.reshape(*own.shape[:-1], count, meters)[..., 0, :] += running
        periods.last_period_s[:] = log.period_s[0]
        _close(state, log, interval, periods, energy, ends)
    state.powered_s += elapsed_s.sum()
    state.now_s = window.start_s + cuts[-1] * step_s


def _energies(state: State, power_uws: Ints) -> Energy:
    """Count all periods (channel, whole | element, period, meter); the registers at the end of each."""
    energy, count = state.energy, power_uws.shape[2]
    all_uws = np.cumsum(power_uws, axis=2) + energy.rest_uws[:, :, None]
    whole_uwh = all_uws // SECONDS_PER_HOUR
    at_ends = Energy(state.config.wiring.elements, count * len(state.numbers))
    at_ends.total = (energy.total[:, :, None] + whole_uwh).reshape(*energy.total.shape[:2], -1)
    tariffs = np.repeat(energy.tariff[:, :, None], count, axis=2)
    tariffs[:, state.tariff[0] - 1] += whole_uwh[:, 0]
    at_ends.tariff = tariffs.reshape(*energy.tariff.shape[:2], -1)
    energy.rest_uws = all_uws[:, :, -1] - whole_uwh[:, :, -1] * SECONDS_PER_HOUR
    energy.total = energy.total + whole_uwh[:, :, -1]
    energy.tariff[:, state.tariff[0] - 1] += whole_uwh[:, 0, -1]
    return at_ends


def _close(state: State, log: Log, interval: Interval, periods: Interval, energy: Energy, ends: Ends) -> None:
    """Write the rows of the periods, compare the maxima; the last period becomes that of the interval."""
    count, meters = len(ends.steps), len(state.numbers)
    shown = _Shown(state, energy, count)
    rows = [read(shown, quantity, shown.all, periods).reshape(count, meters) for quantity in log.spec.columns]
    log.ring.extend(ends.stamps_s, rows)
    if log is state.period_log:
        means = measured(periods.last.power_uws[:, 0]) // int(log.period_s[0])
        state.demand.close_many(means.reshape(-1, count, meters), ends.stamps_s, state.tariff, state.threshold_uw)
    for last, own in zip(interval.last.arrays, periods.last.arrays, strict=True):
        last[...] = own.reshape(*own.shape[:-1], count, meters)[..., -1, :]
    interval.last_period_s[:] = log.period_s
    interval.running.zero(slice(None))
    log.due_s += count * log.period_s


class _Shown(State):
    """The registers at several period ends as those of that many times more meters: all that `read` looks at."""

    def __init__(self, state: State, energy: Energy, count: int) -> None:
        # nothing of a living tile is made
        self.config, self.energy = state.config, energy
        self.all = np.arange(count * len(state.numbers))
