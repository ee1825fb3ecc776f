"""One meter written from the definitions in plain loops over plain numbers: what the engine must agree with.

It looks at one step after the other, and keeps micro-watt-seconds as Python's integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import floor

import numpy as np

from meters.engine import Block, BreakerState, Config, LogName, Summation, Wiring
from meters.engine.quantity import Measurand

START_S = 1_767_225_600
DAY_S = 86_400
CHANNELS = ("a_in", "a_out", "q1", "q2", "q3", "q4", "s_in", "s_out")
A_IN, A_OUT, Q1, Q2, Q3, Q4, S_IN, S_OUT = range(8)
DEMANDS = {
    Measurand.ACTIVE_IMPORT: (A_IN,),
    Measurand.ACTIVE_EXPORT: (A_OUT,),
    Measurand.REACTIVE_IMPORT: (Q1, Q2),
    Measurand.REACTIVE_EXPORT: (Q3, Q4),
    Measurand.APPARENT_IMPORT: (S_IN,),
    Measurand.APPARENT_EXPORT: (S_OUT,),
}
"""Measurands with maxima -> channels that are added."""


def nearest(value: float) -> int:
    """Whole micro-units, halves to even: the one rounding that the engine makes."""
    return round(value * 1e6)


@dataclass
class Table:
    """A source that plays arrays (element, time, meter) from START_S on."""

    active_w: np.ndarray
    reactive_var: np.ndarray
    voltage_v: np.ndarray
    current_a: np.ndarray
    step_s: int = 1
    calls: list = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Table{self.active_w.shape}"

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        assert step_s == self.step_s
        self.calls.append((start_s, stop_s))
        a, b = (start_s - START_S) // step_s, (stop_s - START_S) // step_s
        part = slice(meters.start, meters.stop)
        arrays = (self.active_w, self.reactive_var, self.voltage_v, self.current_a)
        return Block(*(array[:, a:b, part] for array in arrays))

    def steps_of(self, meter: int):
        """(P, Q, U, I) of every step, each a list by element."""
        arrays = (self.active_w, self.reactive_var, self.voltage_v, self.current_a)
        return zip(*(array[:, :, meter].T.tolist() for array in arrays), strict=True)


@dataclass
class Row:
    time_s: int
    energy_uwh: dict
    mean_uw: dict
    mean_uv: list
    mean_ua: list
    after_outage: bool
    over: bool
    under: bool


class ScalarMeter:
    """A meter that looks at one step after the other; `tariff` may be set between two steps."""

    def __init__(self, config: Config) -> None:
        self.config, self.step_s = config, config.step_s
        self.summation, self.phases = config.summation, config.wiring.phases
        self.whole_no_load = config.wiring is Wiring.ARON
        self.period_s = config.logs[LogName.LOAD_PROFILE].every.count
        self.uws = [0] * 8
        self.phase_uws = [[0] * 8 for _ in self.phases]
        self.tariff_uwh = {tariff: [0] * 8 for tariff in range(1, 9)}
        self.counted_uwh = [0] * 8
        self.tariff, self.now_s = config.tariff, START_S
        self.supply = Supply(config)
        self.outage = False
        self.powered_s = 0
        self.instant = ([0] * 8, [0] * len(self.phases), [0] * len(self.phases))
        """Micro-watt-seconds of the last step by channel, voltages and currents."""
        self.rows: list[Row] = []
        self.history = []
        self.maximum = {}
        self.start_period()
        self.sliding = None if config.sliding is None else ScalarSliding(config.sliding, self.maximum_of)
        self.breaker = None if config.control is None else ScalarBreaker(config, self)
        self.pulse_times = {name: [] for name in config.outputs}

    def start_period(self) -> None:
        self.period_uws = [0] * 8
        self.period_uvs = [0] * len(self.phases)
        self.period_uas = [0] * len(self.phases)
        self.period_powered_s = 0
        self.over = self.under = False

    def step(self, active_w, reactive_var, voltage_v, current_a) -> None:
        step_s = self.step_s
        voltage_uv = [nearest(u) for u in voltage_v]
        closed = self.breaker is None or self.breaker.closed
        if not closed:
            active_w = reactive_var = current_a = [0.0] * len(voltage_uv)
        self.supply.step(voltage_uv)
        off = self.supply.off
        self.outage |= off
        self.over |= self.supply.over
        self.under |= self.supply.under
        if not off:
            self.powered_s += step_s
            self.period_powered_s += step_s
        elements, current_ua = self.measure(active_w, reactive_var, voltage_uv, current_a, off)
        for element, (p, q, s) in enumerate(elements):
            split_into(self.phase_uws[element], p, q, s, step_s)
        for element, micro in enumerate(current_ua):
            self.period_uas[element] += micro * step_s
            self.period_uvs[element] += 0 if off else voltage_uv[element] * step_s
        new = self.whole(elements)
        self.instant = (new, [0] * len(voltage_uv) if off else voltage_uv, current_ua)
        self.give_pulses(new)
        for channel, value in enumerate(new):
            if value:
                self.uws[channel] += value
                self.period_uws[channel] += value
        if self.sliding is not None:
            self.sliding.add(new)
        self.now_s += step_s
        moved = self.breaker is not None and self.breaker.step(active_w, voltage_uv, current_a)
        if self.sliding is not None and self.now_s % self.sliding.period_s == 0:
            self.sliding.close(self.now_s, self.tariff, off)
        if self.now_s % self.period_s == 0:
            self.close(off)
        if moved:
            self.breaker.move()

    def measure(self, active_w, reactive_var, voltage_uv, current_a, off):
        """(P, Q, S) of each element in micro-units after no load, and the currents."""
        limits = self.config.no_load
        if off:
            return [(0, 0, 0)] * len(voltage_uv), [0] * len(voltage_uv)
        current_ua = [nearest(i) for i in current_a]
        runs = [i >= limits.current_a * 1e6 for i in current_ua]
        if self.whole_no_load:
            runs = [any(runs)] * len(runs)
        p = [nearest(value) if run else 0 for value, run in zip(active_w, runs, strict=True)]
        q = [nearest(value) if run else 0 for value, run in zip(reactive_var, runs, strict=True)]
        if self.whole_no_load:
            p = p if abs(sum(p)) >= limits.active_w * 1e6 else [0] * len(p)
            q = q if abs(sum(q)) >= limits.active_w * 1e6 else [0] * len(q)
        else:
            p = [value if abs(value) >= limits.active_w * 1e6 else 0 for value in p]
            q = [value if abs(value) >= limits.active_w * 1e6 else 0 for value in q]
        s = [round(u * (i / 1e6)) if run else 0 for u, i, run in zip(voltage_uv, current_ua, runs, strict=True)]
        return list(zip(p, q, s, strict=True)), current_ua

    def whole(self, elements) -> list:
        """Micro-watt-seconds of the whole meter in this step, by channel."""
        out = [0] * 8
        if self.summation is Summation.SUM_VECTOR:
            p, q = sum(e[0] for e in elements), sum(e[1] for e in elements)
            split_into(out, p, q, round(float(np.hypot(float(p), float(q)))), self.step_s)
            return out
        for p, q, s in elements:
            split_into(out, p, q, s, self.step_s)
        if self.summation is Summation.TOTAL_ABS:
            a_in, a_out, q1, q2, q3, q4, s_in, s_out = out
            return [a_in + a_out, 0, q1 + q2, 0, 0, q3 + q4, s_in + s_out, 0]
        return out

    def give_pulses(self, new: list) -> None:
        for name, output in self.config.outputs.items():
            channels = DEMANDS[output.measurand]
            before, grown = (sum(values[channel] for channel in channels) for values in (self.uws, new))
            unit = 3600 * 10**9 * output.divisor // output.per_kwh
            for number in range(before // unit + 1, (before + grown) // unit + 1):
                share = (number * unit - before) / grown
                self.pulse_times[name].append(self.now_s + share * self.step_s)

    def switch_tariff(self, tariff: int) -> None:
        """Close the books of the old one."""
        self.close_tariff()
        self.tariff = tariff

    def close_tariff(self) -> None:
        for channel in range(8):
            whole = self.uws[channel] // 3600
            self.tariff_uwh[self.tariff][channel] += whole - self.counted_uwh[channel]
            self.counted_uwh[channel] = whole

    def maximum_of(self, name, value: int, tariff: int) -> None:
        """The largest mean so far, of all tariffs and of the one that holds."""
        for slot in (0, tariff):
            if value > self.maximum.get((*name, slot), (0, 0))[0]:
                self.maximum[(*name, slot)] = (value, self.now_s)

    def close(self, off: bool) -> None:
        mean_uw = {
            measurand: sum(self.period_uws[channel] for channel in channels) // self.period_s
            for measurand, channels in DEMANDS.items()
        }
        powered_s = max(self.period_powered_s, 1)
        means = [[value // powered_s for value in values] for values in (self.period_uvs, self.period_uas)]
        over, under = self.over, self.under
        self.start_period()
        if off:
            self.over, self.under = over, under
            return
        energy = {name: value // 3600 for name, value in zip(CHANNELS, self.uws, strict=True)}
        self.rows.append(Row(self.now_s, energy, mean_uw, *means, self.outage, over, under))
        self.outage = False
        self.history.append((self.now_s, mean_uw[Measurand.ACTIVE_IMPORT]))
        for name, value in mean_uw.items():
            self.maximum_of((name,), value, self.tariff)

    def billing_stop(self) -> None:
        self.maximum.clear()

    @staticmethod
    def energy_uwh(uws: int) -> int:
        return floor(uws // 3600)


def split_into(out: list, p: int, q: int, s: int, step_s: int) -> None:
    """Add one step's P, Q, S to the channels; zero counts as positive."""
    if p >= 0:
        out[A_IN] += p * step_s
        out[S_IN] += s * step_s
        out[Q1 if q >= 0 else Q4] += abs(q) * step_s
    else:
        out[A_OUT] -= p * step_s
        out[S_OUT] += s * step_s
        out[Q2 if q >= 0 else Q3] += abs(q) * step_s


class Supply:
    """Failure, under- and over-voltage: declared when they have lasted longer than their time."""

    def __init__(self, config: Config) -> None:
        limits, self.step_s = config.voltage, config.step_s
        self.failed_uv, self.low_uv, self.high_uv = (v * 1e6 for v in (limits.failed_v, limits.low_v, limits.high_v))
        # a duration is longer than the hold time when more than this many whole steps fit into the time
        self.failed_steps, self.level_steps = (s // self.step_s for s in (limits.failed_hold_s, limits.level_hold_s))
        self.dead_steps = 0
        elements = config.wiring.elements
        self.low_steps, self.high_steps = [0] * elements, [0] * elements
        self.off = self.over = self.under = False

    def step(self, voltage_uv) -> None:
        self.dead_steps = self.dead_steps + 1 if max(voltage_uv) < self.failed_uv else 0
        self.off = self.dead_steps > self.failed_steps
        self.over = self.under = False
        for element, u in enumerate(voltage_uv):
            self.low_steps[element] = self.low_steps[element] + 1 if self.failed_uv <= u < self.low_uv else 0
            self.high_steps[element] = self.high_steps[element] + 1 if u > self.high_uv else 0
            self.under |= self.low_steps[element] > self.level_steps
            self.over |= self.high_steps[element] > self.level_steps


class ScalarSliding:
    """The mean over the last periods."""

    def __init__(self, sliding, maximum_of) -> None:
        self.periods, self.period_s, self.maximum_of = sliding.periods, sliding.period_s, maximum_of
        self.ended = []
        self.running = [0] * 8
        self.last = dict.fromkeys(DEMANDS, 0)

    def add(self, new: list) -> None:
        for channel, value in enumerate(new):
            self.running[channel] += value

    def mean(self, measurand, ended) -> int:
        energy = sum(period[channel] for period in [*ended, self.running] for channel in DEMANDS[measurand])
        return energy // (self.periods * self.period_s)

    def current(self, measurand) -> int:
        return self.mean(measurand, self.ended[-(self.periods - 1) :] if self.periods > 1 else [])

    def close(self, now_s: int, tariff: int, off: bool) -> None:
        self.last = {measurand: self.current(measurand) for measurand in DEMANDS}
        if not off:
            for measurand, value in self.last.items():
                self.maximum_of(("sliding", measurand), value, tariff)
        self.ended = [*self.ended, self.running][-self.periods :]
        self.running = [0] * 8


class ScalarBreaker:
    """The breaker and what moves it, one step after the other.  `found` are (time, state) in order."""

    def __init__(self, config: Config, meter: ScalarMeter) -> None:
        self.settings, self.meter, self.step_s = config.control, meter, config.step_s
        self.offset_s = config.normal_offset_s
        self.state = BreakerState.CONNECTED
        self.paid_uwh = 0
        self.found = []
        self.next = []
        self.start()

    def start(self) -> None:
        self.limiter_s, self.high_s, self.neutral_s, self.good_s, self.wait_s = [0, 0, 0], 0, 0, 0, 0

    @property
    def closed(self) -> bool:
        return self.state is BreakerState.CONNECTED

    def step(self, active_w, voltage_uv, current_a) -> bool:
        """Whether the breaker moves at the end of this step (or would, were it not told to log only)."""
        s = self.settings
        self.next = []
        if self.closed:
            self.next = [state for state in (self.graver(active_w, voltage_uv, current_a), self.poor()) if state]
            if self.next and self.next[0] not in (BreakerState.LOG_ONLY, BreakerState.PREPAYMENT):
                self.next = self.next[:1]
        elif self.state is BreakerState.OVER_VOLTAGE:
            good = max(voltage_uv) < s.reconnect_v * 1e6
            self.good_s = self.good_s + self.step_s if good else 0
            if self.lasted(self.good_s, s.reconnect_s):
                self.next = [BreakerState.CONNECTED]
        elif self.state is BreakerState.CUT_OFF:
            self.wait_s += self.step_s
            if self.lasted(self.wait_s, s.connect_wait_s):
                self.next = [BreakerState.CONNECTED if s.automatic else BreakerState.WAITING]
        return bool(self.next)

    def lasted(self, run_s: int, time_s: int) -> bool:
        """Whether a run has reached its time in this step, which it may overshoot by less than a step."""
        return run_s > 0 and run_s >= time_s and run_s - self.step_s < max(time_s, 1)

    def graver(self, active_w, voltage_uv, current_a) -> BreakerState | None:
        s = self.settings
        if s.limit:
            load = sum(active_w) if s.by_power else max(current_a)
            for index, factor in enumerate(s.factors):
                self.limiter_s[index] = (
                    self.limiter_s[index] + self.step_s if load * 1e6 > s.limit * 1e6 * factor else 0
                )
        if s.over_voltage_v:
            self.high_s = self.high_s + self.step_s if max(voltage_uv) > s.over_voltage_v * 1e6 else 0
        if s.neutral_fault:
            high = sum(u > s.neutral_high_v * 1e6 for u in voltage_uv)
            fault = high >= 2 and min(voltage_uv) < s.neutral_low_v * 1e6
            self.neutral_s = self.neutral_s + self.step_s if fault else 0
        if s.neutral_fault and self.lasted(self.neutral_s, s.neutral_s):
            return BreakerState.NEUTRAL_FAULT
        if s.over_voltage_v and self.lasted(self.high_s, s.over_voltage_s):
            return BreakerState.OVER_VOLTAGE
        t1, t2, t3 = s.times_s
        times_s = (t1, t1 + t2, t1 + t2 + t3) if s.additive else (t1, t2, t3)
        if s.limit and any(self.lasted(run, t) for run, t in zip(self.limiter_s, times_s, strict=True)):
            return BreakerState.LOG_ONLY if s.log_only else BreakerState.CUT_OFF
        return None

    def poor(self) -> BreakerState | None:
        weekday = ((self.meter.now_s + self.offset_s) // DAY_S + 3) % 7
        used_up = self.settings.prepayment and self.meter.uws[A_IN] // 3600 >= self.paid_uwh
        return BreakerState.PREPAYMENT if used_up and self.settings.working_days >> weekday & 1 else None

    def move(self) -> None:
        for state in self.next:
            self.put(state)

    def put(self, state: BreakerState) -> None:
        self.found.append((self.meter.now_s, state))
        if state is not BreakerState.LOG_ONLY:
            self.state = state
            self.start()

    def top_up(self, energy_wh: int) -> None:
        self.paid_uwh += energy_wh * 10**6
        if self.state is BreakerState.PREPAYMENT and self.paid_uwh > self.meter.uws[A_IN] // 3600:
            self.put(BreakerState.CONNECTED if self.settings.automatic else BreakerState.WAITING)
