"""What a meter notices and writes down: events with a begin and an end, and the flags that mark a profile row."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntFlag, auto


class Flag(IntFlag):
    """Why a log row is not an ordinary one; a meter model maps these to its own status and quality bits."""

    CLOCK_7_S = auto()
    """The clock was set by 7 to 15 s while the row's period ran."""
    CLOCK_15_S = auto()
    """By 15 to 30 s."""
    CLOCK_30_S = auto()
    """By 30 to 60 s."""
    CLOCK_60_S = auto()
    """By more than 60 s."""
    CLOCK_FORWARD = auto()
    CLOCK_BACKWARD = auto()
    TIME_DISCONTINUITY = auto()
    """The row does not follow its predecessor by one period: clock set, or power failure."""
    INTERVAL_CHANGED = auto()
    """First row after the period was changed."""
    OVER_VOLTAGE = auto()
    UNDER_VOLTAGE = auto()
    NEUTRAL_FAULT = auto()
    POWER_OUTAGE = auto()
    """The supply failed during the row's period, or the row is the first since."""
    FLAGGED = auto()
    """A dip, swell or interruption fell into the row's period: IEC 61000-4-30, 4.7, marks every aggregate so."""


class Logger(Enum):
    """The event loggers, as the meter keeps them apart."""

    STATUS = auto()
    CLOCK = auto()
    VOLTAGE = auto()
    CUT_OFF = auto()
    PROFILE = auto()
    NEUTRAL = auto()


class EventKind(Enum):
    """What happened."""

    POWER_FAIL = auto()
    """All phases below the failure voltage for longer than the hold time: the meter is off."""
    MISSING_PHASE = auto()
    """One phase below the failure voltage, another one not."""
    OVER_VOLTAGE = auto()
    UNDER_VOLTAGE = auto()
    DIP = auto()
    """IEC 61000-4-30 voltage dip, `min_v` is the residual voltage."""
    SWELL = auto()
    INTERRUPTION = auto()
    RESET = auto()
    """The meter started again after a power failure."""
    MAGNET = auto()
    COVER = auto()
    ALARM = auto()
    CLOCK_SET = auto()
    """`value` is the clock before the change, UTC seconds."""
    PERIOD_CHANGED = auto()
    """The load-profile period was changed and the log erased; `value` is the new period in seconds."""
    PROFILE_ERASED = auto()
    BREAKER = auto()
    """`value` is the new breaker state."""
    NEUTRAL_FAULT = auto()


LOGGER_OF: Mapping[EventKind, Logger] = {
    EventKind.POWER_FAIL: Logger.VOLTAGE,
    EventKind.MISSING_PHASE: Logger.VOLTAGE,
    EventKind.OVER_VOLTAGE: Logger.VOLTAGE,
    EventKind.UNDER_VOLTAGE: Logger.VOLTAGE,
    EventKind.DIP: Logger.VOLTAGE,
    EventKind.SWELL: Logger.VOLTAGE,
    EventKind.INTERRUPTION: Logger.VOLTAGE,
    EventKind.RESET: Logger.STATUS,
    EventKind.MAGNET: Logger.STATUS,
    EventKind.COVER: Logger.STATUS,
    EventKind.ALARM: Logger.STATUS,
    EventKind.CLOCK_SET: Logger.CLOCK,
    EventKind.PERIOD_CHANGED: Logger.PROFILE,
    EventKind.PROFILE_ERASED: Logger.PROFILE,
    EventKind.BREAKER: Logger.CUT_OFF,
    EventKind.NEUTRAL_FAULT: Logger.NEUTRAL,
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of an event logger.

    `time_s` (meter clock, UTC seconds) is when the meter knew; `begin_s` when the condition began; `active` tells the
    begin from the end.  An end carries mean, largest and smallest voltage of the time in between, and how long that
    was in `length_ms`; `begin_ms` are the milliseconds (0..999) of the begin after `begin_s`.  `id` counts per meter
    and logger, from 1, and survives that old lines fall out.
    """

    id: int
    time_s: int
    kind: EventKind
    active: bool = True
    phase: int = 0
    begin_s: int = 0
    value: int = 0
    mean_v: float = 0.0
    max_v: float = 0.0
    min_v: float = 0.0
    begin_ms: int = 0
    length_ms: int = 0


class EventLog:
    """Bounded event loggers of all meters of a tile; only meters to which something happened take room."""

    def __init__(self, depth: Mapping[Logger, int]) -> None:
        self.depth = depth
        self.lines: dict[tuple[int, Logger], deque[Event]] = {}

    def add(
        self,
        meter: int,
        time_s: int,
        kind: EventKind,
        *,
        active: bool = True,
        phase: int = 0,
        begin_s: int | None = None,
        value: int = 0,
        voltages_v: tuple[float, float, float] = (0.0, 0.0, 0.0),
        begin_ms: int = 0,
        length_ms: int = 0,
    ) -> None:
        """Write one line; the oldest line goes when the logger is full."""
        logger = LOGGER_OF[kind]
        lines = self.lines.setdefault((meter, logger), deque(maxlen=self.depth.get(logger, 200)))
        number = lines[-1].id + 1 if lines else 1
        begin_s = time_s if begin_s is None else begin_s
        lines.append(Event(number, time_s, kind, active, phase, begin_s, value, *voltages_v, begin_ms, length_ms))

    def of(self, meter: int, logger: Logger) -> list[Event]:
        """The lines of one logger, oldest first."""
        return list(self.lines.get((meter, logger), ()))
