"""Which tariff counts when: a weekly plan of switches on a meter's clock."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from meters.engine.errors import EngineError
from meters.engine.quantity import TARIFFS, Ints
from meters.engine.schedule import DAY_S, MONDAY_S, NEVER_S

MINUTES = 7 * 24 * 60
WEEKDAYS, WEEKEND, EVERY_DAY = 0b001_1111, 0b110_0000, 0b111_1111
"""Sets of days: bit 0 is Monday."""


@dataclass(frozen=True, slots=True)
class Switch:
    """From `minute` (0..1439) of each of the `days` on, `tariff` counts, until the next switch of the plan."""

    minute: int
    tariff: int
    days: int = EVERY_DAY

    def __post_init__(self) -> None:
        if not 0 <= self.minute < 24 * 60 or not 1 <= self.tariff <= TARIFFS or not 0 < self.days <= EVERY_DAY:
            raise EngineError(f"no switch to tariff {self.tariff} at minute {self.minute} of days {self.days:#09b}")


@dataclass(frozen=True, slots=True)
class TariffPlan:
    """A week of switches in normal time.  Of two at the same minute the later one in the plan holds."""

    switches: tuple[Switch, ...]
    _tariff: Ints = field(init=False, repr=False, compare=False)
    """Tariff in each minute of the week."""
    _left: Ints = field(init=False, repr=False, compare=False)
    """Minutes from the begin of each minute to the next change of tariff; 0 if there never is one."""

    def __post_init__(self) -> None:
        if not self.switches:
            raise EngineError("a plan without switches knows no tariff")
        switched = np.zeros(MINUTES, np.int64)
        for switch in self.switches:
            for day in range(7):
                if switch.days >> day & 1:
                    switched[day * 24 * 60 + switch.minute] = switch.tariff
        latest = np.maximum.accumulate(np.where(switched > 0, np.arange(MINUTES), -1))
        tariff = switched[np.where(latest < 0, latest[-1], latest)]
        changes = np.flatnonzero(tariff != np.roll(tariff, 1))
        left = np.zeros(MINUTES, np.int64)
        if changes.size:
            following = np.append(changes, changes[0] + MINUTES)
            left = following[np.searchsorted(changes, np.arange(MINUTES), side="right")] - np.arange(MINUTES)
        object.__setattr__(self, "_tariff", tariff)
        object.__setattr__(self, "_left", left)

    def tariff(self, clock_s: Ints, offset_s: int) -> Ints:
        """The tariff at each clock reading (UTC seconds); `offset_s` is normal time minus UTC."""
        minute, _ = self._minute(clock_s, offset_s)
        return self._tariff[minute]

    def next_change(self, clock_s: Ints, offset_s: int) -> Ints:
        """The first moment after each clock reading at which the plan changes the tariff."""
        minute, begin_s = self._minute(clock_s, offset_s)
        left = self._left[minute]
        return np.where(left > 0, begin_s + 60 * left, NEVER_S)

    @staticmethod
    def _minute(clock_s: Ints, offset_s: int) -> tuple[Ints, Ints]:
        """Minute of the week, and when that minute began (UTC)."""
        since_monday_s = (clock_s + offset_s - MONDAY_S) % (7 * DAY_S)
        return since_monday_s // 60, clock_s - since_monday_s % 60
