"""When the next row of a log is due: every so many seconds, days, weeks or months on a meter's clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from meters.engine.errors import EngineError
from meters.engine.quantity import Ints

DAY_S = 86_400
NEVER_S = 1 << 62
MONDAY_S = 4 * DAY_S
"""The epoch was a Thursday; the first Monday came four days later."""


class Unit(Enum):
    """What a schedule counts."""

    SECONDS = "s"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Every:
    """A recurring moment on the clock: `Every(900)`, `Every(1, Unit.DAYS)`, `Every(3, Unit.MONTHS, day=15)`.

    Seconds are aligned to UTC; days, weeks (Mondays) and months (on `day` 1..28) begin at midnight of normal time.
    """

    count: int = 1
    unit: Unit = Unit.SECONDS
    day: int = 1

    def __post_init__(self) -> None:
        if self.count < 1 or not 1 <= self.day <= 28:
            raise EngineError(f"nothing recurs every {self.count} {self.unit.value} on day {self.day}")

    def after(self, clock_s: Ints, offset_s: int = 0) -> Ints:
        """The first such moment after each clock reading (UTC seconds); `offset_s` is normal time minus UTC."""
        match self.unit:
            case Unit.SECONDS:
                return (clock_s // self.count + 1) * self.count
            case Unit.DAYS:
                return self._aligned(clock_s + offset_s, self.count * DAY_S, 0) - offset_s
            case Unit.WEEKS:
                return self._aligned(clock_s + offset_s, self.count * 7 * DAY_S, MONDAY_S) - offset_s
            case Unit.MONTHS:
                return self._month(clock_s + offset_s) - offset_s
            case Unit.NEVER:
                return np.full_like(clock_s, NEVER_S)

    @staticmethod
    def _aligned(local_s: Ints, length_s: int, origin_s: int) -> Ints:
        return ((local_s - origin_s) // length_s + 1) * length_s + origin_s

    def _month(self, local_s: Ints) -> Ints:
        shifted_s = local_s - (self.day - 1) * DAY_S
        month = shifted_s.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        first = (month // self.count + 1) * self.count
        begin_s: Ints = first.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
        return begin_s + (self.day - 1) * DAY_S


NEVER = Every(1, Unit.NEVER)
