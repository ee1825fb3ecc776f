"""A vectorised measurement engine: from what happens on the wires to what revenue meters show, one or a million.

It knows no protocol.  Start with `Engine`; `Config` says what kind of meters they are, a `Source` (see
`meters.scenario`) what they measure, `Quantity` names what to read.
"""

from __future__ import annotations

from meters.engine.block import Block, Excursions, Input, Source
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
from meters.engine.config import Config, Feature, LogSpec, NoLoad, default_logs
from meters.engine.control import BreakerState, ControlSettings
from meters.engine.engine import Engine, LogView
from meters.engine.errors import EngineError
from meters.engine.events import Event, EventKind, Flag, Logger
from meters.engine.fleet import Checkpoints, Fleet, ShardResult, Sink
from meters.engine.incoherent import incoherent
from meters.engine.phase_power import HalfCycles, PhasePower
from meters.engine.phasor import aron, block_of, effective_va, symmetrical, unbalance
from meters.engine.playback import Disturbed, Playback, side_by_side
from meters.engine.power_quality import CLASS_A, CLASS_S, Refresh, Thresholds
from meters.engine.pulses import PulseOutput
from meters.engine.quality import VoltageLimits
from meters.engine.quantity import Kind, Measurand, Quantity, display_rollover
from meters.engine.recorder import Recorder
from meters.engine.ring import Rows
from meters.engine.schedule import NEVER, Every, Unit
from meters.engine.sliding import Sliding
from meters.engine.tariff import Switch, TariffPlan
from meters.engine.tolerance import ErrorModel, Errors, Ratings, Tolerance
from meters.engine.verdict import Verdict, en_50160
from meters.engine.waveform import Waveform, coherent
from meters.engine.wiring import Summation, Wiring

__all__ = [
    "Block",
    "BillingStop",
    "BreakerState",
    "CLASS_A",
    "CLASS_S",
    "Checkpoints",
    "Command",
    "Config",
    "ControlSettings",
    "CountPulses",
    "Disturbed",
    "Engine",
    "EngineError",
    "EraseLog",
    "ErrorModel",
    "Errors",
    "Event",
    "EventKind",
    "Every",
    "Excursions",
    "Flag",
    "Feature",
    "Fleet",
    "HalfCycles",
    "Input",
    "Kind",
    "LogName",
    "LogSpec",
    "LogView",
    "Logger",
    "Measurand",
    "MoveBreaker",
    "NEVER",
    "NoLoad",
    "PhasePower",
    "PhaseOutage",
    "Playback",
    "PowerFail",
    "PulseOutput",
    "Quantity",
    "Ratings",
    "Recorder",
    "Refresh",
    "ResetTrip",
    "Rows",
    "SetClockOffset",
    "SetControl",
    "SetInput",
    "SetPeriod",
    "SetPowerThreshold",
    "SetTariff",
    "ShardResult",
    "Sink",
    "Sliding",
    "Source",
    "Summation",
    "Switch",
    "TariffPlan",
    "Tolerance",
    "Thresholds",
    "TopUp",
    "Unit",
    "Verdict",
    "VoltageLimits",
    "Waveform",
    "Wiring",
    "aron",
    "block_of",
    "coherent",
    "default_logs",
    "effective_va",
    "en_50160",
    "incoherent",
    "side_by_side",
    "symmetrical",
    "unbalance",
    "display_rollover",
]
