"""A tile lives: it advances from cut to cut, closes periods, writes rows, obeys commands."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from meters.engine.block import Source
from meters.engine.commands import (
    BillingStop,
    Command,
    CountPulses,
    EraseLog,
    LogName,
    MoveBreaker,
    PhaseOutage,
    PowerFail,
    ResetTrip,
    SetClockOffset,
    SetControl,
    SetInput,
    SetPeriod,
    SetPowerThreshold,
    SetTariff,
    TopUp,
)
from meters.engine.config import TAMPERING, Config, Feature
from meters.engine.control import BreakerState
from meters.engine.demand import Interval
from meters.engine.errors import EngineError
from meters.engine.events import EventKind, Flag
from meters.engine.log import Log
from meters.engine.notes import write_notes
from meters.engine.pulses import PulseWatch
from meters.engine.quantity import MICRO_EXPONENT, Ints, Kind, Quantity
from meters.engine.reading import read
from meters.engine.regular import live_regularly, may_be_regular, ordinary_ends
from meters.engine.sliding import SlidingDemand
from meters.engine.state import State
from meters.engine.window import Window

WINDOW_CELLS = 32_768
"""Values of one input array that are worked on at once, so that a window stays in the cache."""
CLOCK_FLAGS = ((60, Flag.CLOCK_60_S), (30, Flag.CLOCK_30_S), (15, Flag.CLOCK_15_S), (7, Flag.CLOCK_7_S))
"""By how many seconds the clock was set, largest first."""


class Tile(State):
    """The meters that share their cuts in time.  EngineError when a log has a column that no meter can show.

    Between two cuts (a period end, a command, the end of a window) nothing but sums happens, vectorised over time; what
    depends on order happens at cuts, vectorised over meters.
    """

    def __init__(self, config: Config, source: Source, numbers: range, start_s: int) -> None:
        super().__init__(config, source, numbers, start_s)
        self.queue: list[tuple[int, int, Ints, Command]] = []
        """Heap of (time, order of arrival, meters, command)."""
        self.arrivals = 0
        columns = [(log, quantity) for log in self.logs.values() for quantity in log.spec.columns]
        self.regular = may_be_regular(self)
        """Several periods may be lived through at once, when nothing else happens."""
        self.logs_instants = any(quantity.kind is Kind.INSTANT for _, quantity in columns)
        for log, quantity in columns:
            read(self, quantity, self.all[:0], self._interval(log))

    def advance(self, until_s: int) -> None:
        """Live through all steps that end at or before `until_s`, obeying the commands due until then."""
        step_s = self.config.step_s
        until_s -= (until_s - self.now_s) % step_s
        longest_s = step_s * max(1, WINDOW_CELLS // (self.config.wiring.elements * len(self.numbers)))
        self._obey_due()
        while self.now_s < until_s:
            stop_s = min(until_s, self.now_s + longest_s)
            if self.queue:
                stop_s = min(stop_s, self._aligned(self.queue[0][0]))
            window = Window(self, stop_s)
            self._live(window)
            for meter, state in window.breakers:
                self._move_breaker(meter, state)
            self._obey_due()

    def command(self, at: Ints, command: Command, at_s: int) -> None:
        """Queue a command for the meters `at`; it acts at the first step boundary not before `at_s`."""
        if isinstance(command, PhaseOutage):
            self.config.wiring.element(command.phase)
        if isinstance(command, SetPeriod | EraseLog) and command.log not in self.logs:
            raise EngineError(f"this meter has no {command.log} log")
        if isinstance(command, SetPeriod) and command.period_s % self.config.step_s:
            raise EngineError(f"steps of {self.config.step_s} s do not fill a period of {command.period_s} s")
        if isinstance(command, SetControl | MoveBreaker | TopUp) and self.control is None:
            raise EngineError("this meter has no breaker")
        if isinstance(command, SetControl):
            self.config.check_control(command.settings)
        if isinstance(command, TopUp):
            self.config.need(Feature.PREPAYMENT)
        if isinstance(command, SetInput) and command.input & TAMPERING:
            self.config.need(Feature.TAMPER)
        heapq.heappush(self.queue, (max(at_s, self.now_s), self.arrivals, at, command))
        self.arrivals += 1

    def watch(self, name: str, meter: int) -> PulseWatch:
        """The watch of an output, which sees its pulses from the first call on."""
        return self.watches.setdefault((name, meter), PulseWatch(self.config.output(name)))

    def read(self, quantity: Quantity, at: Ints) -> Ints:
        """What the registers of the meters `at` show."""
        return read(self, quantity, at, self._interval(self.period_log))

    def _aligned(self, moment_s: int) -> int:
        """The first step boundary after now that is not before the moment."""
        step_s = self.config.step_s
        return max(self.now_s + step_s, self.now_s + -((self.now_s - moment_s) // step_s) * step_s)

    def _live(self, window: Window) -> None:
        """Live through a window, cut at every period end inside it."""
        write_notes(window)
        step = 0
        while step < window.steps:
            ends = ordinary_ends(self, window, step) if self.regular else None
            if ends is not None:
                live_regularly(self, window, step, ends)
                step = ends.steps[-1]
                if step == window.steps:
                    window.show(step - 1)
                continue
            due_s = min(int((due_s - self.clock_offset_s).min()) for due_s in self._due())
            cut_s = min(window.stop_s, self._aligned(due_s))
            last = (cut_s - window.start_s) // self.config.step_s
            window.stretch(step, last)
            if self.logs_instants or last == window.steps:
                window.show(last - 1)
            self._close_due()
            if self.config.tariff_plan is not None and (switching := self.tariff_due_s <= self.clock_s).any():
                self.follow_plan(np.flatnonzero(switching))
            step = last

    def _due(self) -> list[Ints]:
        """Moments on the meters' clocks at which time must be cut."""
        sliding = [] if self.sliding is None else [self.sliding.due_s]
        return [self.tariff_due_s, *sliding, *(log.due_s for log in self.logs.values())]

    def _move_breaker(self, meter: int, state: BreakerState) -> None:
        assert self.control is not None, "only a control moves breakers"
        self.control.move(meter, state)
        self._note_breaker(meter, state)

    def _note_breaker(self, meter: int, state: BreakerState) -> None:
        clock_s = int(self.clock_s[meter])
        self.events.add(meter, clock_s, EventKind.BREAKER, value=state)
        if state is BreakerState.NEUTRAL_FAULT:
            self.events.add(meter, clock_s, EventKind.NEUTRAL_FAULT)
            for log in self.logs.values():
                log.flags[meter] |= np.uint32(Flag.NEUTRAL_FAULT)

    def _close_due(self) -> None:
        clock_s = self.clock_s
        if self.sliding is not None and (self.sliding.due_s <= clock_s).any():
            self._close_sliding(self.sliding, np.flatnonzero(self.sliding.due_s <= clock_s))
        for log in self.logs.values():
            due = log.due_s <= clock_s
            many = np.count_nonzero(due)
            if not many:
                continue
            at = self.all if many == due.size else np.flatnonzero(due)
            self._close(log, at, log.due_s[at])
            log.due_s[at] = log.next_due(clock_s[at], at)
            if log.interval is None and np.count_nonzero(self.has_supply[at]) < at.size:
                self._postpone(log, at[~self.has_supply[at]], clock_s)

    def _close_sliding(self, sliding: SlidingDemand, at: Ints) -> None:
        sliding.close(at, sliding.due_s[at], self.tariff[at], self.has_supply[at])
        sliding.due_s[at] = sliding.next_due(self.clock_s[at])

    def _postpone(self, log: Log, asleep: Ints, clock_s: Ints) -> None:
        """A row that follows the calendar and fell into an outage is written at the first period end with supply."""
        log.due_s[asleep] = self.period_log.next_due(clock_s[asleep], asleep)

    def _close(self, log: Log, at: Ints, stamp_s: Ints) -> None:
        """End the running period of the meters `at`; those with supply write a row."""
        awake = self.has_supply[at]
        if np.count_nonzero(awake) < at.size and not (self.config.rows_in_outage and log.interval is not None):
            at, stamp_s, asleep = at[awake], stamp_s[awake], at[~awake]
            if log.interval is not None:
                log.interval.drop(asleep)
        if log.interval is not None:
            log.interval.close(at, log.period_s)
            if log is self.period_log:
                self.demand.close(at, log.interval, stamp_s, self.tariff[at], self.threshold_uw[at])
        if log.name is LogName.BILLING:
            self._billing_stop(at, stamp_s)
        else:
            self._capture(log, at, stamp_s)

    def _capture(self, log: Log, at: Ints, stamp_s: Ints) -> None:
        interval = self._interval(log)
        values = [read(self, quantity, at, interval) for quantity in log.spec.columns]
        log.ring.append(at, stamp_s, log.flags[at], values)
        log.flags[at] = 0

    def _interval(self, log: Log) -> Interval:
        """The period that a log's means belong to; logs that follow the calendar show those of the load profile."""
        interval = log.interval or self.period_log.interval
        assert interval is not None, "Config demands a load profile with a period"
        return interval

    def _billing_stop(self, at: Ints, stamp_s: Ints) -> None:
        self.demand.accumulate(at)
        if LogName.BILLING in self.logs:
            self._capture(self.logs[LogName.BILLING], at, stamp_s)
        self.demand.restart(at)
        if self.sliding is not None:
            self.sliding.maxima.restart(at)

    def _obey_due(self) -> None:
        while self.queue and self.queue[0][0] <= self.now_s:
            _, _, at, command = heapq.heappop(self.queue)
            _OBEY[type(command)](self, at, command)

    def _obey_clock(self, at: Ints, command: SetClockOffset) -> None:
        before_s = self.clock_s[at]
        change_s = self.now_s + command.offset_s - before_s
        flags = np.where(change_s > 0, np.uint32(Flag.CLOCK_FORWARD), np.uint32(Flag.CLOCK_BACKWARD))
        size_s = np.abs(change_s)
        flags |= np.select([size_s >= limit_s for limit_s, _ in CLOCK_FLAGS], [np.uint32(f) for _, f in CLOCK_FLAGS], 0)
        flags[change_s == 0] = 0
        self.clock_offset_s[at] = command.offset_s
        for meter, old_s in zip(at.tolist(), before_s.tolist(), strict=True):
            self.events.add(meter, self.now_s + command.offset_s, EventKind.CLOCK_SET, value=old_s)
        if self.sliding is not None:
            left = at[self.sliding.next_due(self.clock_s[at]) != self.sliding.due_s[at]]
            self._close_sliding(self.sliding, left[self.sliding.elapsed_s[left] > 0])
            self.sliding.due_s[left] = self.sliding.next_due(self.clock_s[left])
        for log in self.logs.values():
            self._follow_clock(log, at, flags)
        self.follow_plan(at)

    def _follow_clock(self, log: Log, at: Ints, flags: Any) -> None:
        """A clock that left its period closes it early, stamped with its regular end; else the period goes on."""
        clock_s = self.clock_s[at]
        due_s = log.next_due(clock_s, at)
        left = due_s != log.due_s[at]
        log.flags[at] |= flags
        log.flags[at[left]] |= np.uint32(Flag.TIME_DISCONTINUITY)
        if log.interval is not None:
            running = left & (log.interval.running.elapsed_s[at] > 0)
            self._close(log, at[running], log.due_s[at[running]])
            log.flags[at[left]] |= np.uint32(Flag.TIME_DISCONTINUITY)
        log.due_s[at] = due_s

    def _obey_tariff(self, at: Ints, command: SetTariff) -> None:
        self.tariff[at] = command.tariff

    def _obey_billing(self, at: Ints, _: BillingStop) -> None:
        self._billing_stop(at, self.clock_s[at])

    def _obey_trip(self, at: Ints, _: ResetTrip) -> None:
        self.trip_base_uwh[:, at] = self.energy.total[:2, 0, at]

    def _obey_period(self, at: Ints, command: SetPeriod) -> None:
        log = self.logs[command.log]
        log.set_period(at, command.period_s, self.clock_s[at])
        log.flags[at] |= np.uint32(Flag.INTERVAL_CHANGED)
        if log is self.period_log:
            for meter in at.tolist():
                self.events.add(meter, int(self.clock_s[meter]), EventKind.PERIOD_CHANGED, value=command.period_s)

    def _obey_erase(self, at: Ints, command: EraseLog) -> None:
        self.logs[command.log].ring.erase(at)
        if command.log is LogName.LOAD_PROFILE:
            for meter in at.tolist():
                self.events.add(meter, int(self.clock_s[meter]), EventKind.PROFILE_ERASED)

    def _obey_input(self, at: Ints, command: SetInput) -> None:
        if command.active:
            self.forced_inputs[at] |= np.uint8(command.input)
        else:
            self.forced_inputs[at] &= ~np.uint8(command.input)

    def _obey_phase(self, at: Ints, command: PhaseOutage) -> None:
        self.connected[self.config.wiring.element(command.phase), at] = not command.active

    def _obey_power(self, at: Ints, command: PowerFail) -> None:
        self.connected[:, at] = not command.active

    def _obey_threshold(self, at: Ints, command: SetPowerThreshold) -> None:
        self.threshold_uw[at] = command.threshold_w * 10**MICRO_EXPONENT

    def _obey_control(self, at: Ints, command: SetControl) -> None:
        assert self.control is not None, "checked when the command was queued"
        for meter in at.tolist():
            self.control.configure(meter, command.settings, int(self.energy.total[0, 0, meter]))

    def _obey_breaker(self, at: Ints, command: MoveBreaker) -> None:
        assert self.control is not None, "checked when the command was queued"
        for meter in at.tolist():
            after = self.control.obey(meter, command.state)
            if after is not None:
                self._note_breaker(meter, after)

    def _obey_top_up(self, at: Ints, command: TopUp) -> None:
        assert self.control is not None, "checked when the command was queued"
        for meter in at.tolist():
            state = self.control.top_up(meter, int(self.energy.total[0, 0, meter]), command.energy_wh)
            if state is not None:
                self._note_breaker(meter, state)

    def _obey_pulses(self, at: Ints, command: CountPulses) -> None:
        self.pulses[at] += command.count


_OBEY: dict[type, Callable[[Tile, Ints, Any], None]] = {
    SetClockOffset: Tile._obey_clock,
    SetTariff: Tile._obey_tariff,
    BillingStop: Tile._obey_billing,
    ResetTrip: Tile._obey_trip,
    SetPeriod: Tile._obey_period,
    EraseLog: Tile._obey_erase,
    SetInput: Tile._obey_input,
    PhaseOutage: Tile._obey_phase,
    PowerFail: Tile._obey_power,
    SetPowerThreshold: Tile._obey_threshold,
    CountPulses: Tile._obey_pulses,
    SetControl: Tile._obey_control,
    MoveBreaker: Tile._obey_breaker,
    TopUp: Tile._obey_top_up,
}
