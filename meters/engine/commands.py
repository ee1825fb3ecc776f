"""What can be done to a meter from outside: each command acts at a step boundary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from meters.engine.block import Input
from meters.engine.control import BreakerState, ControlSettings
from meters.engine.errors import EngineError
from meters.engine.quantity import TARIFFS

MAX_TOP_UP_WH = 10**10
"""What a meter with seven digits of kWh counts before it begins again."""
PERIODS_S = (300, 900, 1800, 3600)
"""Periods that the load profile and the analysis logger accept."""


class LogName(StrEnum):
    """The logs of a meter that hold rows of quantities."""

    LOAD_PROFILE = "load-profile"
    ANALYSIS = "analysis"
    BILLING = "billing"
    BILLING_2 = "billing-2"


@dataclass(frozen=True, slots=True)
class SetClockOffset:
    """The meter's clock shall show true UTC plus `offset_s` from now on."""

    offset_s: int


@dataclass(frozen=True, slots=True)
class SetTariff:
    """Energy counts in tariff 1..8 from now on."""

    tariff: int

    def __post_init__(self) -> None:
        if not 1 <= self.tariff <= TARIFFS:
            raise EngineError(f"tariff {self.tariff} is not 1..{TARIFFS}")


@dataclass(frozen=True, slots=True)
class BillingStop:
    """Write a billing row, add the maxima to the cumulative ones, and start them at zero."""


@dataclass(frozen=True, slots=True)
class ResetTrip:
    """Start the trip counters at zero (the push button)."""


@dataclass(frozen=True, slots=True)
class SetPeriod:
    """Change the period of the load profile or the analysis log: its rows are erased, the running period is dropped."""

    period_s: int
    log: LogName = LogName.LOAD_PROFILE

    def __post_init__(self) -> None:
        if self.period_s not in PERIODS_S:
            raise EngineError(f"period {self.period_s} s is not one of {PERIODS_S}")
        if self.log not in (LogName.LOAD_PROFILE, LogName.ANALYSIS):
            raise EngineError(f"the {self.log} log has no period to set")


@dataclass(frozen=True, slots=True)
class EraseLog:
    """Drop all rows of a log."""

    log: LogName = LogName.LOAD_PROFILE


@dataclass(frozen=True, slots=True)
class SetInput:
    """Force a digital input (magnet, cover, alarm) on, or give it back to the source."""

    input: Input
    active: bool


@dataclass(frozen=True, slots=True)
class PhaseOutage:
    """Cut one phase off, or connect it again."""

    phase: int
    active: bool


@dataclass(frozen=True, slots=True)
class PowerFail:
    """Cut all phases off, or connect them again."""

    active: bool


@dataclass(frozen=True, slots=True)
class SetPowerThreshold:
    """Threshold of mean P+ above which a load-profile period is counted."""

    threshold_w: int


@dataclass(frozen=True, slots=True)
class CountPulses:
    """Pulses arrived at the input."""

    count: int


@dataclass(frozen=True, slots=True)
class SetControl:
    """New settings of limiter, over-voltage, neutral-fault and prepayment functions; their times start again."""

    settings: ControlSettings


@dataclass(frozen=True, slots=True)
class MoveBreaker:
    """Ask for a breaker state: DISCONNECTED, WAITING (release), CONNECTED (reconnect) or BUTTON.

    Without effect in a state that does not allow it (see `Control.obey`).
    """

    state: BreakerState


@dataclass(frozen=True, slots=True)
class TopUp:
    """Prepay so much energy (A+)."""

    energy_wh: int

    def __post_init__(self) -> None:
        if not 0 <= self.energy_wh <= MAX_TOP_UP_WH:
            raise EngineError(f"a top-up of {self.energy_wh} Wh is not 0..{MAX_TOP_UP_WH}")


Command = (
    SetClockOffset
    | SetTariff
    | BillingStop
    | ResetTrip
    | SetPeriod
    | EraseLog
    | SetInput
    | PhaseOutage
    | PowerFail
    | SetPowerThreshold
    | CountPulses
    | SetControl
    | MoveBreaker
    | TopUp
)
