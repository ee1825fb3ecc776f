"""What the meters of one engine have in common: wiring, limits, logs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from meters.engine.block import Input
from meters.engine.commands import PERIODS_S, LogName
from meters.engine.control import ControlSettings
from meters.engine.errors import EngineError
from meters.engine.events import Logger
from meters.engine.power_quality import Thresholds
from meters.engine.pulses import PulseOutput
from meters.engine.quality import VoltageLimits
from meters.engine.quantity import Kind, Measurand, Quantity, display_rollover
from meters.engine.schedule import NEVER, Every, Unit
from meters.engine.sliding import Sliding
from meters.engine.tariff import TariffPlan
from meters.engine.tolerance import Errors
from meters.engine.wiring import Summation, Wiring, checked_summation

_ENERGIES = (
    Measurand.ACTIVE_IMPORT,
    Measurand.ACTIVE_EXPORT,
    Measurand.REACTIVE_IMPORT,
    Measurand.REACTIVE_EXPORT,
)


class Feature(Enum):
    """What not every meter of a family has."""

    BREAKER = "breaker"
    TAMPER = "tamper"
    PREPAYMENT = "prepayment"


TAMPERING = Input.MAGNET | Input.COVER
"""The inputs that only meters with tamper detection have."""


@dataclass(frozen=True, slots=True)
class NoLoad:
    """Below either limit a phase registers nothing; of an Aron meter, whose elements have no phase powers, the sum.

    Kamstrup 162M/382M: about 10 mA, 2.3 W.
    """

    active_w: float = 2.3
    current_a: float = 0.01


@dataclass(frozen=True, slots=True)
class LogSpec:
    """One log: its columns, when a row is due, how many rows it keeps."""

    columns: tuple[Quantity, ...]
    every: Every
    depth: int

    def __post_init__(self) -> None:
        if self.depth < 1:
            raise EngineError(f"a log of {self.depth} rows keeps nothing")


def default_logs() -> dict[LogName, LogSpec]:
    """A 382M: profile of A+ A- R+ R- in 10 Wh for 130 days, analysis of means, two billing logs.

    The registers begin again where a display of seven digits of kWh does.
    """
    rollover = display_rollover(7, 1)
    energies = tuple(Quantity(m, Kind.ENERGY, exponent=1, rollover=rollover) for m in _ENERGIES)
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
    when days begin.  `rows_in_outage` writes rows also at period ends without supply (default: a gap).  `nominal_v` is
    between phase and neutral, in an Aron meter between phases.  EngineError for what contradicts itself.
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
    features: frozenset[Feature] = frozenset(Feature)
    """What the meters are capable of; without TAMPER they do not notice magnet and cover."""
    nominal_v: float = 230.0
    max_current_a: float = 85.0
    sliding: Sliding | None = None
    """Sliding demand beside that of the load profile's period."""
    outputs: Mapping[str, PulseOutput] = field(default_factory=dict)
    """LED and S0 outputs by name; each must be able to follow the largest load."""
    errors: Errors | None = None
    """How wrong the meters are; None: ideal."""

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
        if self.sliding is not None and self.sliding.period_s % self.step_s:
            raise EngineError(f"a step of {self.step_s} s does not divide a demand period of {self.sliding.period_s} s")
        for name, output in self.outputs.items():
            if output.highest_w < self.highest_w:
                raise EngineError(
                    f"output {name} can follow up to {output.highest_w:.0f} W, the meter measures {self.highest_w:.0f} W: "
                    "it needs a larger divisor or shorter pulses"
                )
        if self.control is not None:
            self.need(Feature.BREAKER)
            self.check_control(self.control)

    @property
    def highest_w(self) -> float:
        """Power of the largest current in all phases at the nominal voltage."""
        factor = math.sqrt(3) if self.wiring is Wiring.ARON else self.wiring.elements
        return factor * self.nominal_v * self.max_current_a

    def need(self, feature: Feature) -> None:
        """EngineError for a meter without the feature."""
        if feature not in self.features:
            raise EngineError(f"this meter has no {feature.value}")

    def check_control(self, settings: ControlSettings) -> None:
        """EngineError for settings that the meter has no use for."""
        if settings.prepayment:
            self.need(Feature.PREPAYMENT)

    def output(self, name: str) -> PulseOutput:
        """The pulse output of that name.  EngineError if there is none."""
        try:
            return self.outputs[name]
        except KeyError:
            raise EngineError(f"this meter has no output {name!r}, only {sorted(self.outputs)}") from None
