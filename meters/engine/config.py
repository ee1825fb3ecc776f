"""What the meters of one engine have in common: wiring, limits, logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meters.engine.commands import PERIODS_S, LogName
from meters.engine.control import ControlSettings
from meters.engine.errors import EngineError
from meters.engine.events import Logger
from meters.engine.power_quality import Thresholds
from meters.engine.quality import VoltageLimits
from meters.engine.quantity import Kind, Measurand, Quantity
from meters.engine.schedule import NEVER, Every, Unit
from meters.engine.tariff import TariffPlan
from meters.engine.wiring import Summation, Wiring, checked_summation

_ENERGIES = (
    Measurand.ACTIVE_IMPORT,
    Measurand.ACTIVE_EXPORT,
    Measurand.REACTIVE_IMPORT,
    Measurand.REACTIVE_EXPORT,
)


@dataclass(frozen=True, slots=True)
class NoLoad:
    """Below either limit a phase registers nothing.  Kamstrup 162M/382M: about 10 mA, 2.3 W."""

    active_w: float = 2.3
    current_a: float = 0.01


@dataclass(frozen=True, slots=True)
class LogSpec:
    """One log: its columns, when a row is due, how many rows it keeps.

    Columns are stored as uint32, times and signed values as int64.
    """

    columns: tuple[Quantity, ...]
    every: Every
    depth: int

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise EngineError(f"a log of {self.depth} rows keeps nothing")


def default_logs() -> dict[LogName, LogSpec]:
    """A 382M: profile of A+ A- R+ R- in 10 Wh for 130 days, analysis of means, two billing logs."""
    energies = tuple(Quantity(m, Kind.ENERGY, exponent=1) for m in _ENERGIES)
    means = tuple(Quantity(m, Kind.MEAN) for m in _ENERGIES)
    return {
        LogName.LOAD_PROFILE: LogSpec(energies, Every(900), 130 * 96),
        LogName.ANALYSIS: LogSpec(means, Every(900), 35 * 96),
        LogName.BILLING: LogSpec(energies, Every(1, Unit.MONTHS), 36),
        LogName.BILLING_2: LogSpec(energies, Every(1, Unit.DAYS), 45),
    }


@dataclass(frozen=True, slots=True)
class Config:
    """One meter model as the engine sees it.

    `step_s` is the length of a source step, `normal_offset_s` the meter's normal (winter) time minus UTC, which decides
    when days begin.  `rows_in_outage` writes rows also at period ends without supply (default: a gap).
    """

    wiring: Wiring = Wiring.THREE_PHASE
    summation: Summation | None = None
    step_s: int = 1
    no_load: NoLoad = field(default_factory=NoLoad)
    voltage: VoltageLimits = field(default_factory=VoltageLimits)
    logs: Mapping[LogName, LogSpec] = field(default_factory=default_logs)
    event_depth: Mapping[Logger, int] = field(default_factory=dict)
    normal_offset_s: int = 3600
    tariff: int = 1
    tariff_plan: TariffPlan | None = None
    """Switches tariffs by the meter's clock; a commanded tariff holds until the plan's next switch."""
    power_threshold_w: int = 99_000
    rows_in_outage: bool = False
    control: ControlSettings | None = None
    """What the breakers do at first; None: meters without a breaker, as the 382 DIN."""
    power_quality: Thresholds | None = None
    """Log dips, swells and interruptions of the steps' voltages too; as exact as the step is short."""

    def __post_init__(self) -> None:
        if not 1 <= self.step_s <= 3600:
            raise EngineError(f"a step of {self.step_s} s is not 1..3600 s")
        object.__setattr__(self, "summation", checked_summation(self.wiring, self.summation))
        profile = self.logs.get(LogName.LOAD_PROFILE)
        if profile is None or profile.every.unit is not Unit.SECONDS or profile.every.count not in PERIODS_S:
            raise EngineError(f"the load profile needs a period of {PERIODS_S} s")
        if any(s.every.unit is Unit.SECONDS and s.every.count % self.step_s for s in self.logs.values()):
            raise EngineError(f"a step of {self.step_s} s does not divide the logs' periods")
        analysis = self.logs.get(LogName.ANALYSIS)
        if analysis is not None and analysis.every.unit is not Unit.SECONDS and analysis.every is not NEVER:
            raise EngineError("the analysis log needs a period in seconds")
