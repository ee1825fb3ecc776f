"""Rapid voltage changes: from one steady level to another, neither a dip nor a swell.  IEC 61000-4-30 ed. 3, 5.11."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from meters.engine.energy import Doubles
from meters.engine.phase_power import HalfCycles
from meters.engine.power_quality import Thresholds
from meters.engine.quality import hysteresis, true_runs

STEADY_S = 1.0
"""So long (100 or 120 values) all Urms(1/2) must be close to their mean for a voltage to be steady."""
RETURN = 0.5
"""Share of the threshold within which they must be again for a change to be over."""


@dataclass(frozen=True, slots=True)
class RapidChange:
    """From `begin_s` (since the first sample) on, for `duration_s`: the largest distance from the level before, and
    that of the level after."""

    phase: int
    begin_s: float
    duration_s: float
    largest_v: float
    steady_v: float


def rapid_changes(half_cycles: HalfCycles, phase: int, limits: Thresholds) -> list[RapidChange]:
    """Those of one voltage that have ended.  One in which the voltage passes a threshold of dip or swell is none."""
    rms_v, edges_s = half_cycles.rms_v(), half_cycles.edges_s
    count = round(2 * limits.nominal_hz * STEADY_S)
    if rms_v.size <= count:
        return []
    inside = np.lib.stride_tricks.sliding_window_view(rms_v, count)
    mean_v: Doubles = inside.mean(axis=-1)
    apart_v = np.maximum(inside.max(axis=-1) - mean_v, mean_v - inside.min(axis=-1))
    limit_v = limits.rapid_change * limits.declared_v
    unsteady = hysteresis(-apart_v, -limit_v, -RETURN * limit_v, np.zeros((), np.bool_))
    found = []
    for first, last in zip(
        *(side.tolist() for side in true_runs(unsteady[:, None], np.zeros(1, np.bool_))[1:]), strict=True
    ):
        if first == 0 or last == unsteady.size:
            continue
        # value k of the sliding mean ends with rms value k + count - 1, and that with edge k + count + 1
        begin, end = first + count - 1, last
        before_v, during_v = mean_v[first - 1], rms_v[begin : max(end, begin + 1)]
        low_v, high_v = (share * limits.declared_v for share in (limits.dip, limits.swell))
        if during_v.min() < low_v or during_v.max() > high_v:
            continue
        duration_s = max(float(edges_s[end + 1] - edges_s[begin + 1]), 0.0)
        largest_v, steady_v = np.abs(during_v - before_v).max(), abs(mean_v[last] - before_v)
        found.append(RapidChange(phase, float(edges_s[begin + 1]), duration_s, float(largest_v), float(steady_v)))
    return found
