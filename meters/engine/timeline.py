"""The voltage of a meter at its own pace: steps, and the excursions within them that steps do not show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Excursions
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.events import EventKind, Flag
from meters.engine.quality import MICRO, Bools, Change, Supervision
from meters.engine.quantity import Ints

RMS_MS = 1000
"""Length of the RMS values that the meter's own supervision looks at."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One meter's voltages (element, piece), in whole micro-volts, of pieces that end at `ends_ms`."""

    meter: int
    ends_ms: Ints
    voltage_uv: Doubles


def timelines(
    excursions: Excursions | None, voltage_uv: Doubles, start_s: int, step_s: int, shortest_ms: int
) -> Iterator[Timeline]:
    """Of each meter that has an excursion of at least `shortest_ms` in the window of these voltages
    (element, step, meter), which begins at `start_s`.  EngineError when two of one phase overlap."""
    if excursions is None or not excursions.meter.size:
        return
    if excursions.element.min() < 0 or excursions.element.max() >= len(voltage_uv):
        raise EngineError(f"an excursion of element {excursions.element.max()}, of {len(voltage_uv)}")
    begin_ms, end_ms = (np.rint((s - start_s) * 1000).astype(np.int64) for s in (excursions.begin_s, excursions.end_s))
    long = (end_ms - begin_ms >= max(shortest_ms, 1)) & (begin_ms < voltage_uv.shape[1] * step_s * 1000) & (end_ms > 0)
    grid_ms = np.arange(voltage_uv.shape[1] + 1) * (step_s * 1000)
    for meter in np.unique(excursions.meter[long]).tolist():
        own = long & (excursions.meter == meter)
        edges_ms = np.unique(np.concatenate([grid_ms, begin_ms[own], end_ms[own]]))
        edges_ms = edges_ms[(edges_ms >= 0) & (edges_ms <= grid_ms[-1])]
        line_uv = voltage_uv[:, edges_ms[:-1] // (step_s * 1000), meter]
        for element in np.unique(excursions.element[own]).tolist():
            chosen = np.flatnonzero(own & (excursions.element == element))
            chosen = chosen[np.argsort(begin_ms[chosen], kind="stable")]
            if (begin_ms[chosen[1:]] < end_ms[chosen[:-1]]).any():
                raise EngineError(f"two excursions of meter {meter}, element {element} overlap")
            latest = np.searchsorted(begin_ms[chosen], edges_ms[:-1], side="right") - 1
            within = (latest >= 0) & (edges_ms[:-1] < end_ms[chosen][latest])
            laid_uv = np.rint(excursions.voltage_v[chosen] * MICRO)[latest]
            line_uv[element] = np.where(within, laid_uv, line_uv[element])
        yield Timeline(meter, edges_ms[1:], line_uv)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a machine saw in a window: where a condition is declared for the whole of a step and where for a part of it,
    as (rule, step, meter), None for nowhere; and the changes."""

    whole: Bools | None
    partly: Bools | None
    changes: list[Change]


def supervise(machine: Supervision, voltage_uv: Doubles, fine: list[Timeline], step_s: int) -> Seen:
    """Let the machine see a window: (element, step, meter), but the timelines of the meters that have one."""
    steps, meters = voltage_uv.shape[1:]
    ends_ms: Ints = np.arange(1, steps + 1) * (step_s * 1000)
    if not fine:
        active, changes = machine.window(voltage_uv, ends_ms)
        return Seen(active, active, changes)
    whole = np.zeros((len(machine.rules), steps, meters), np.bool_)
    plain = np.setdiff1d(np.arange(meters), [line.meter for line in fine])
    changes = []
    if plain.size:
        active, changes = machine.window(voltage_uv[:, :, plain], ends_ms, plain)
        whole[:, :, plain] = False if active is None else active
    partly = whole.copy()
    for line in fine:
        active, more = machine.window(line.voltage_uv[:, :, None], line.ends_ms, np.array([line.meter]))
        changes += more
        if active is not None:
            first = np.searchsorted(line.ends_ms, ends_ms - step_s * 1000, side="right")
            whole[:, :, line.meter] = np.logical_and.reduceat(active[:, :, 0], first, axis=1)
            partly[:, :, line.meter] = np.logical_or.reduceat(active[:, :, 0], first, axis=1)
    return Seen(whole, partly, changes)


FLAGS = {
    EventKind.UNDER_VOLTAGE: Flag.UNDER_VOLTAGE,
    EventKind.OVER_VOLTAGE: Flag.OVER_VOLTAGE,
    EventKind.POWER_FAIL: Flag.POWER_OUTAGE | Flag.TIME_DISCONTINUITY,
    EventKind.DIP: Flag.FLAGGED,
    EventKind.SWELL: Flag.FLAGGED,
    EventKind.INTERRUPTION: Flag.FLAGGED,
}
"""How a condition marks the rows of the logs whose periods it touches."""


def row_flags(machine: Supervision, seen: Seen) -> NDArray[np.uint32] | None:
    """The flags of each step, (step, meter); None for none."""
    if seen.partly is None:
        return None
    flags = np.zeros(seen.partly.shape[1:], np.uint32)
    for rule, active in zip(machine.rules, seen.partly, strict=True):
        if rule.kind in FLAGS:
            flags |= np.where(active, np.uint32(FLAGS[rule.kind]), np.uint32(0))
    return flags
