"""Pulses of the LED and the S0 output: counted from the registers, so that they agree with them for ever."""

from __future__ import annotations

import numpy as np

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.quantity import Ints

UWH_PER_KWH = 10**9


def pulse_count(energy_uwh: Ints, per_kwh: int) -> Ints:
    """Pulses that a meter has given when its register stands at these micro-Wh: whole pulses, the rest carried.

    The difference of two counts is the number of pulses in between.  Exact for every int64.
    """
    if per_kwh < 1:
        raise EngineError(f"a pulse constant of {per_kwh} per kWh")
    kwh, rest_uwh = np.divmod(energy_uwh, UWH_PER_KWH)
    count: Ints = kwh * per_kwh + rest_uwh * per_kwh // UWH_PER_KWH
    return count


def pulse_times(begin_s: float, end_s: float, before_uwh: int, after_uwh: int, per_kwh: int) -> Doubles:
    """When the pulses between two readings of one meter came, taking the power as constant in between."""
    first, last = pulse_count(np.array([before_uwh, after_uwh], np.int64), per_kwh).tolist()
    at_uwh = np.arange(first + 1, last + 1) * (UWH_PER_KWH / per_kwh)
    share = (at_uwh - before_uwh) / max(after_uwh - before_uwh, 1)
    times: Doubles = begin_s + share * (end_s - begin_s)
    return times


def highest_power_w(per_kwh: int, on_ms: float, off_ms: float, divisor: int = 1) -> float:
    """Power up to which an output can follow, whose pulses are `on_ms` long with at least `off_ms` between them.

    1000 imp/kWh at 30 and 30 ms end at 60 kW: enough for 3 x 85 A, too little for 3 x 105 A without a divisor.
    """
    return 3.6e9 / (on_ms + off_ms) * divisor / per_kwh
