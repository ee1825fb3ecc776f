"""What a register shows: every quantity out of the state of a tile, for one meter or many, without any search."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from meters.engine.counters import COUNTED
from meters.engine.demand import MAXIMA, Interval
from meters.engine.errors import EngineError
from meters.engine.quantity import MICRO_EXPONENT, Index, Ints, Kind, Measurand, Quantity, combine, shown
from meters.engine.state import State

_MICRO = 10**MICRO_EXPONENT
_TRIPS = (Measurand.ACTIVE_IMPORT, Measurand.ACTIVE_EXPORT)


def read(state: State, quantity: Quantity, at: Ints, interval: Interval) -> Ints:
    """The integers that the meters `at` show; MEAN is that of `interval`.  EngineError for what no meter has."""
    return shown(_READERS[quantity.kind](state, quantity, at, interval), quantity)


def _axis(state: State, quantity: Quantity) -> int:
    """Index on the axis "whole meter, then elements"."""
    return 1 + state.config.wiring.element(quantity.phase) if quantity.phase else 0


def _total(quantity: Quantity) -> None:
    if quantity.phase:
        raise EngineError(f"{quantity.kind.name} of {quantity.measurand.name} is kept for the whole meter only")


def _energy(state: State, quantity: Quantity, at: Ints, _: Interval) -> Ints:
    index: Index = slice(None) if at.size == state.all.size and at.ndim else at
    if quantity.tariff:
        _total(quantity)
        return combine(state.energy.tariff, quantity.measurand, quantity.tariff - 1, index)
    return combine(state.energy.total, quantity.measurand, _axis(state, quantity), index)


def _trip(state: State, quantity: Quantity, at: Ints, _: Interval) -> Ints:
    _total(quantity)
    if quantity.measurand not in _TRIPS:
        raise EngineError(f"{quantity.measurand.name} has no trip counter")
    index = _TRIPS.index(quantity.measurand)
    value: Ints = state.energy.total[index, 0, at] - state.trip_base_uwh[index, at]
    return value


def _instant(state: State, quantity: Quantity, at: Ints, _: Interval) -> Ints:
    if quantity.measurand is Measurand.FREQUENCY:
        _total(quantity)
        return state.instant_uhz[at]
    if quantity.measurand in (Measurand.VOLTAGE, Measurand.CURRENT):
        values = state.instant_uv if quantity.measurand is Measurand.VOLTAGE else state.instant_ua
        value: Ints = values[state.config.wiring.element(quantity.phase), at]
        return value
    axis = _axis(state, quantity)
    return _power(lambda measurand: combine(state.instant_uw, measurand, axis, at), quantity)


def _mean(state: State, quantity: Quantity, at: Ints, interval: Interval) -> Ints:
    if quantity.measurand is Measurand.VOLTAGE:
        return interval.mean_uv(state.config.wiring.element(quantity.phase), at)
    if quantity.measurand is Measurand.CURRENT:
        return interval.mean_ua(state.config.wiring.element(quantity.phase), at)
    axis = _axis(state, quantity)
    return _power(lambda measurand: interval.mean_uw(measurand, axis, at), quantity)


def _power(power_of: Callable[[Measurand], Ints], quantity: Quantity) -> Ints:
    """Power, or the power factor out of two powers."""
    if quantity.measurand is not Measurand.POWER_FACTOR:
        return power_of(quantity.measurand)
    active, apparent = abs(power_of(Measurand.ACTIVE_NET)), power_of(Measurand.APPARENT)
    ratio = np.divide(active, apparent, out=np.ones(np.shape(active)), where=apparent > 0)
    factor: Ints = np.rint(np.minimum(ratio, 1.0) * _MICRO).astype(np.int64)
    return factor


def _maximum(state: State, quantity: Quantity, at: Ints, _: Interval) -> Ints:
    _total(quantity)
    demand = state.demand
    if quantity.measurand not in MAXIMA:
        raise EngineError(f"{quantity.measurand.name} has no maximum register")
    array = {Kind.MAX: demand.maximum_uw, Kind.MAX_TIME: demand.time_s, Kind.CUMULATIVE_MAX: demand.cumulative_uw}
    value: Ints = array[quantity.kind][MAXIMA.index(quantity.measurand), quantity.tariff, at]
    return value


def _sliding(state: State, quantity: Quantity, at: Ints, _: Interval) -> Ints:
    _total(quantity)
    sliding = state.sliding
    if sliding is None:
        raise EngineError("this meter keeps no sliding demand")
    if quantity.measurand not in MAXIMA:
        raise EngineError(f"{quantity.measurand.name} has no sliding demand")
    row = MAXIMA.index(quantity.measurand)
    if quantity.kind in (Kind.SLIDING_MAX, Kind.SLIDING_MAX_TIME):
        maxima = sliding.maxima
        array = maxima.maximum_uw if quantity.kind is Kind.SLIDING_MAX else maxima.time_s
        value: Ints = array[row, quantity.tariff, at]
        return value
    if quantity.tariff:
        raise EngineError("averages are kept for the sum of all tariffs only, their maxima for each")
    return sliding.last_uw[row, at] if quantity.kind is Kind.SLIDING else sliding.current_uw(row, at)


def _last_day(state: State, quantity: Quantity, at: Ints, _: Interval) -> Ints:
    _total(quantity)
    if quantity.measurand is not Measurand.ACTIVE_IMPORT:
        raise EngineError(f"the 24-hour extremes of {quantity.measurand.name} are not kept")
    clock_s = state.clock_s
    values = [_extreme(state, quantity.kind, meter, int(clock_s[meter])) for meter in np.atleast_1d(at).tolist()]
    return np.array(values, np.int64).reshape(np.shape(at))


def _extreme(state: State, kind: Kind, meter: int, clock_s: int) -> int:
    means_uw, times_s = state.demand.last_day(meter, clock_s)
    if means_uw.size == 0:
        return 0
    largest = kind in (Kind.MAX_24H, Kind.MAX_24H_TIME)
    index = int(means_uw.argmax() if largest else means_uw.argmin())
    return int((means_uw if kind in (Kind.MAX_24H, Kind.MIN_24H) else times_s)[index])


def _count(state: State, quantity: Quantity, at: Ints, _: Interval) -> Ints:
    match quantity.measurand:
        case Measurand.HOURS:
            return state.powered_s[at] // 3600
        case Measurand.BILLING_PERIODS:
            return state.demand.billing_periods[at]
        case Measurand.THRESHOLD_PERIODS:
            return state.demand.threshold_periods[at]
        case Measurand.PULSE_INPUT:
            return state.pulses[at]
    if quantity.measurand not in COUNTED:
        raise EngineError(f"{quantity.measurand.name} is not a counter")
    if state.counters is None:
        raise EngineError(f"no {quantity.measurand.name}: these meters do not watch the power quality")
    return state.counters.read(quantity.measurand, quantity.phase, at)


_READERS: dict[Kind, Callable[[State, Quantity, Ints, Interval], Ints]] = {
    Kind.ENERGY: _energy,
    Kind.TRIP: _trip,
    Kind.INSTANT: _instant,
    Kind.MEAN: _mean,
    Kind.MAX: _maximum,
    Kind.MAX_TIME: _maximum,
    Kind.CUMULATIVE_MAX: _maximum,
    Kind.SLIDING: _sliding,
    Kind.SLIDING_CURRENT: _sliding,
    Kind.SLIDING_MAX: _sliding,
    Kind.SLIDING_MAX_TIME: _sliding,
    Kind.MAX_24H: _last_day,
    Kind.MAX_24H_TIME: _last_day,
    Kind.MIN_24H: _last_day,
    Kind.MIN_24H_TIME: _last_day,
    Kind.COUNT: _count,
}
