"""The breaker and what opens it: limiter in three steps, over-voltage, neutral fault, prepayment, and commands.

Whatever acts only after a time is a run of steps in which its condition holds; the step in which the run reaches its
time is found for all meters at once, and time is cut there, because the load is gone from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from meters.engine.energy import SECONDS_PER_HOUR, Doubles
from meters.engine.errors import EngineError
from meters.engine.quality import Bools, last_false
from meters.engine.quantity import MICRO_EXPONENT, Ints

_MICRO = 10**MICRO_EXPONENT
_FAR_UWH = 1 << 50
"""More than any window could use up, and small enough to be counted in micro-watt-seconds."""
DAY_S = 86_400


class BreakerState(IntEnum):
    """State of the breaker, with the reason when it is open; numbers as Kamstrup's coupling state."""

    DISCONNECTED = 1
    """By command."""
    CONNECTED = 4
    CUT_OFF = 6
    """By the limiter; waiting for the time of reconnection."""
    PREPAYMENT = 7
    WAITING = 8
    """Released: may be reconnected."""
    BUTTON = 11
    NEUTRAL_FAULT = 12
    LOG_ONLY = 13
    """Only in events: the limiter would have opened the breaker, but is told to log only."""
    OVER_VOLTAGE = 14


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """When one meter opens and closes its breaker; zero or False turns a function off.

    Limiter: opens when the largest phase current (`by_power`: the total power) has exceeded `limit` times factor k for
    the time of that step; t1 <= t2 <= t3 and k3 <= k2 <= k1.  The times are independent (162/282/382) or `additive`
    (OMNIPOWER): t1 for k1, t1 + t2 for k2, t1 + t2 + t3 for k3.  Over-voltage: any phase above for `over_voltage_s`;
    closes again when all have been below `reconnect_v` for `reconnect_s`.  Neutral fault: two phases above and one below
    for `neutral_s`.  Prepayment: opens at the end of the step in which total A+ has used the credit up, on one of the
    `working_days`.  EngineError for settings that contradict each other.
    """

    limit: float = 0.0
    by_power: bool = False
    factors: tuple[float, float, float] = (1.0, 1.0, 1.0)
    times_s: tuple[int, int, int] = (30, 30, 30)
    additive: bool = False
    log_only: bool = False
    connect_wait_s: int = 60
    automatic: bool = False
    """Reconnect by itself after a cut-off or a top-up; else wait for `Reconnect`."""
    over_voltage_v: float = 0.0
    over_voltage_s: int = 1
    reconnect_v: float = 265.0
    reconnect_s: int = 60
    neutral_fault: bool = False
    neutral_high_v: float = 253.0
    neutral_low_v: float = 190.0
    neutral_s: int = 60
    prepayment: bool = False
    working_days: int = 0b11_1111
    """Days on which prepayment may disconnect: bit 0 is Monday."""

    def __post_init__(self) -> None:
        if self.limit < 0 or min(self.times_s) < 0 or min(self.factors) < 0:
            raise EngineError("a limiter has no negative limits or times")
        if list(self.times_s) != sorted(self.times_s):
            raise EngineError(f"limiter times {self.times_s} s are not t1 <= t2 <= t3")
        if list(self.factors) != sorted(self.factors, reverse=True):
            raise EngineError(f"limiter factors {self.factors} are not k1 >= k2 >= k3")
        if not 0 <= self.working_days <= 0b111_1111:
            raise EngineError(f"working days {self.working_days:#b} are not a set of seven")
        if self.over_voltage_v and not self.reconnect_v < self.over_voltage_v:
            raise EngineError(f"reconnection at {self.reconnect_v} V is not below {self.over_voltage_v} V")

    def step_times_s(self) -> tuple[int, int, int]:
        """The time that each of the three limiter steps must last."""
        one, two, three = self.times_s
        return (one, one + two, one + two + three) if self.additive else self.times_s


LIMITER = slice(0, 3)
OVER_VOLTAGE, NEUTRAL_FAULT, RECOVERED, WAITED = 3, 4, 5, 6
ROWS = 7
"""Timed conditions: limiter steps 1..3, over-voltage, neutral fault, voltage recovered, cut-off time over."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the timed conditions would do in the steps ahead, (condition, time, meter): whether each holds, for how many
    steps it has held, and whether it has just lasted long enough."""

    condition: Bools
    run: Ints
    reached: Bools

    @property
    def steps(self) -> int:
        """Up to the end of which step nothing opens or closes."""
        when = np.flatnonzero(self.reached.any(axis=(0, 2)))
        return int(when[0]) + 1 if when.size else self.condition.shape[1]


class Control:
    """Breakers of a tile.  `breaker` is `BreakerState` (meter); `run_steps` (condition, meter) how long each holds."""

    def __init__(self, settings: ControlSettings, meters: int, step_s: int) -> None:
        self.step_s = step_s
        self.settings = [settings] * meters
        self.breaker: Ints = np.full(meters, BreakerState.CONNECTED, np.int64)
        self.run_steps: Ints = np.zeros((ROWS, meters), np.int64)
        self.paid_uwh: Ints = np.zeros(meters, np.int64)
        self.since_uwh: Ints = np.zeros(meters, np.int64)
        """Credit, and the reading of A+ from which on it is counted down while prepayment is on."""
        self.limits: Doubles = np.zeros((ROWS, meters))
        self.low_uv: Doubles = np.zeros(meters)
        self.hold_steps: Ints = np.ones((ROWS, meters), np.int64)
        self.by_power: Bools = np.zeros(meters, np.bool_)
        self.counting: Bools = np.zeros(meters, np.bool_)
        """Whose credit is counted down."""
        self.working_days: Ints = np.zeros(meters, np.int64)
        for meter in range(meters):
            self.configure(meter, settings, 0)

    def configure(self, meter: int, settings: ControlSettings, import_uwh: int) -> None:
        """Give one meter new settings, with its A+ register at `import_uwh`; all its times start again."""
        if self.counting[meter]:
            self.paid_uwh[meter] -= import_uwh - self.since_uwh[meter]
        self.since_uwh[meter] = import_uwh
        self.settings[meter] = settings
        limit_u = settings.limit * _MICRO if settings.limit else np.inf
        high_uv = settings.over_voltage_v * _MICRO if settings.over_voltage_v else np.inf
        neutral_uv = settings.neutral_high_v * _MICRO if settings.neutral_fault else np.inf
        limits = [limit_u * k if settings.limit else np.inf for k in settings.factors]
        self.limits[:, meter] = [*limits, high_uv, neutral_uv, settings.reconnect_v * _MICRO, 0.0]
        self.low_uv[meter] = settings.neutral_low_v * _MICRO
        times_s = [*settings.step_times_s(), settings.over_voltage_s, settings.neutral_s]
        times_s += [settings.reconnect_s, settings.connect_wait_s]
        self.hold_steps[:, meter] = [max(1, -(-time_s // self.step_s)) for time_s in times_s]
        self.by_power[meter] = settings.by_power
        self.counting[meter], self.working_days[meter] = settings.prepayment, settings.working_days
        self.run_steps[:, meter] = 0

    @property
    def closed(self) -> Bools:
        """Whose breaker lets current through."""
        closed: Bools = self.breaker == BreakerState.CONNECTED
        return closed

    @property
    def prepaid(self) -> bool:
        """Whether any meter counts a credit down."""
        return bool(self.counting.any())

    @property
    def idle(self) -> bool:
        """Whether nothing can move a breaker but commands and credit."""
        timed = (self.breaker == BreakerState.OVER_VOLTAGE) | (self.breaker == BreakerState.CUT_OFF)
        return bool(np.isinf(self.limits[:RECOVERED]).all() and not timed.any())

    def look_ahead(self, voltage_uv: Doubles, current_ua: Doubles, active_uw: Doubles) -> Outlook:
        """What (element, time, meter) do to the timed conditions, with the breakers as they are now."""
        condition = self._conditions(voltage_uv, current_ua, active_uw)
        steps = np.arange(1, condition.shape[1] + 1)[None, :, None]
        last = last_false(condition)
        run = np.where(last == 0, steps + self.run_steps[:, None, :], steps - last)
        return Outlook(condition, run, condition & (run == self.hold_steps[:, None, :]))

    def live(self, outlook: Outlook, steps: int) -> dict[int, BreakerState]:
        """Live through so many steps of an outlook: the runs are carried, the new states (or LOG_ONLY) returned."""
        self.run_steps = np.where(outlook.condition[:, steps - 1], outlook.run[:, steps - 1], 0)
        return self._decide(outlook.reached[:, steps - 1])

    def _conditions(self, voltage_uv: Doubles, current_ua: Doubles, active_uw: Doubles) -> Bools:
        """(condition, time, meter): what holds in each step, with the breakers as they are now."""
        closed = self.closed
        high_uv, low_uv = voltage_uv.max(axis=0), voltage_uv.min(axis=0)
        load = np.where(self.by_power, active_uw.sum(axis=0), current_ua.max(axis=0))
        condition = np.zeros((ROWS, *load.shape), np.bool_)
        condition[LIMITER] = (load > self.limits[LIMITER, None]) & closed
        condition[OVER_VOLTAGE] = (high_uv > self.limits[OVER_VOLTAGE]) & closed
        two_high = (voltage_uv > self.limits[NEUTRAL_FAULT]).sum(axis=0) >= 2
        condition[NEUTRAL_FAULT] = two_high & (low_uv < self.low_uv) & closed
        condition[RECOVERED] = (high_uv < self.limits[RECOVERED]) & (self.breaker == BreakerState.OVER_VOLTAGE)
        condition[WAITED] = self.breaker == BreakerState.CUT_OFF
        return condition

    def _decide(self, reached: Bools) -> dict[int, BreakerState]:
        """New state of each meter for which a condition has lasted; the graver one wins."""
        news = {}
        for meter in np.flatnonzero(reached.any(axis=0)).tolist():
            settings = self.settings[meter]
            if reached[NEUTRAL_FAULT, meter]:
                news[meter] = BreakerState.NEUTRAL_FAULT
            elif reached[OVER_VOLTAGE, meter]:
                news[meter] = BreakerState.OVER_VOLTAGE
            elif reached[LIMITER, meter].any():
                news[meter] = BreakerState.LOG_ONLY if settings.log_only else BreakerState.CUT_OFF
            elif reached[RECOVERED, meter]:
                news[meter] = BreakerState.CONNECTED
            else:
                news[meter] = BreakerState.CONNECTED if settings.automatic else BreakerState.WAITING
        return news

    def use_up(self, import_uw: Doubles, counted: tuple[Ints, Ints], local_s: Ints) -> tuple[int, list[int]]:
        """Up to the end of which step no credit disconnects, and whose credit does then.

        `import_uw` is the power of A+ in the steps ahead (time, meter), `counted` its register in micro-Wh and the
        remainder in micro-Ws, `local_s` normal time by each meter's clock, which says whether the day is a working day.
        """
        steps = len(import_uw)
        watched = np.flatnonzero(self.closed & self.counting)
        left_uwh = np.clip(self.remaining_uwh(counted[0])[watched], -_FAR_UWH, _FAR_UWH)
        left_uws = left_uwh * SECONDS_PER_HOUR - counted[1][watched]
        used_uws = np.cumsum(import_uw[:, watched], axis=0) * self.step_s
        used_up = used_uws >= left_uws
        if not used_up[-1:].any():
            return steps, []
        end_s = local_s[watched] + self.step_s * np.arange(1, steps + 1)[:, None]
        weekday = (end_s // DAY_S + 3) % 7
        opens = used_up & ((self.working_days[watched] >> weekday & 1) == 1)
        when = np.flatnonzero(opens.any(axis=1))
        if not when.size:
            return steps, []
        return int(when[0]) + 1, watched[opens[when[0]]].tolist()

    def move(self, meter: int, state: BreakerState) -> None:
        """Put a breaker into a state; LOG_ONLY moves nothing.  The times start again."""
        if state is not BreakerState.LOG_ONLY:
            self.breaker[meter] = state
            self.run_steps[:, meter] = 0

    def obey(self, meter: int, wanted: BreakerState) -> BreakerState | None:
        """A command: disconnect in any state, release (WAITING) what was disconnected, reconnect what was released.

        Returns the new state, or None when the old one does not allow it.  A release reconnects at once when
        reconnection is automatic.
        """
        state = BreakerState(int(self.breaker[meter]))
        allowed = {
            BreakerState.WAITING: state in (BreakerState.DISCONNECTED, BreakerState.BUTTON, BreakerState.NEUTRAL_FAULT),
            BreakerState.CONNECTED: state is BreakerState.WAITING,
            BreakerState.DISCONNECTED: state is not BreakerState.DISCONNECTED,
            BreakerState.BUTTON: state is BreakerState.CONNECTED,
        }
        if not allowed.get(wanted, False):
            return None
        automatic = wanted is BreakerState.WAITING and self.settings[meter].automatic
        after = BreakerState.CONNECTED if automatic else wanted
        self.move(meter, after)
        return after

    def top_up(self, meter: int, import_uwh: int, energy_wh: int) -> BreakerState | None:
        """Add credit; what was used beyond the old one is owed.  Returns the new state when that ends a disconnection."""
        self.paid_uwh[meter] += energy_wh * _MICRO
        left_uwh = self.paid_uwh[meter] - (import_uwh - self.since_uwh[meter])
        if self.breaker[meter] != BreakerState.PREPAYMENT or left_uwh <= 0:
            return None
        state = BreakerState.CONNECTED if self.settings[meter].automatic else BreakerState.WAITING
        self.move(meter, state)
        return state

    def remaining_uwh(self, import_uwh: Ints) -> Ints:
        """Credit left; negative where energy was used beyond it, on days on which nobody is disconnected."""
        left: Ints = self.paid_uwh - np.where(self.counting, import_uwh - self.since_uwh, 0)
        return left
