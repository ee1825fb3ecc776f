"""The state of a tile: some meters of a fleet that are stepped together, as arrays whose last axis is the meter."""

from __future__ import annotations

import numpy as np

from meters.engine.block import Source
from meters.engine.commands import LogName
from meters.engine.config import Config
from meters.engine.control import Control
from meters.engine.counters import Counters
from meters.engine.demand import Demand
from meters.engine.energy import Energy, Scratch
from meters.engine.events import EventLog
from meters.engine.log import Log
from meters.engine.pulses import PulseWatch
from meters.engine.quality import Supervision
from meters.engine.quantity import MICRO_EXPONENT, Ints
from meters.engine.schedule import NEVER_S
from meters.engine.sliding import SlidingDemand


class State:
    """Meters `numbers` of a fleet from `start_s` on.  Every array's last axis is the meter.

    `now_s` is true UTC; a meter's own clock is `now_s + clock_offset_s`.
    """

    def __init__(self, config: Config, source: Source, numbers: range, start_s: int) -> None:
        self.config, self.source, self.numbers, self.now_s = config, source, numbers, start_s
        meters, elements = len(numbers), config.wiring.elements
        self.all = np.arange(meters)
        self.errors = None if config.errors is None else config.errors.of(config.wiring, numbers)
        self.clock_offset_s: Ints = np.zeros(meters, np.int64)
        self.tariff: Ints = np.full(meters, config.tariff, np.int64)
        self.tariff_due_s: Ints = np.full(meters, NEVER_S, np.int64)
        """When the tariff plan switches next, on each meter's clock."""
        self.energy, self.demand = Energy(elements, meters), Demand(meters)
        self.sliding = None if config.sliding is None else SlidingDemand(config.sliding, self.clock_s)
        self.watches: dict[tuple[str, int], PulseWatch] = {}
        """Outputs that somebody looks at, by name and meter."""
        self.scratch = Scratch()
        self.trip_base_uwh: Ints = np.zeros((2, meters), np.int64)
        self.threshold_uw: Ints = np.full(meters, config.power_threshold_w * 10**MICRO_EXPONENT, np.int64)
        self.pulses: Ints = np.zeros(meters, np.int64)
        self.powered_s: Ints = np.zeros(meters, np.int64)
        self.connected = np.ones((elements, meters), np.bool_)
        self.forced_inputs = np.zeros(meters, np.uint8)
        self.inputs = np.zeros(meters, np.uint8)
        self.has_supply = np.ones(meters, np.bool_)
        self.instant_uw: Ints = np.zeros_like(self.energy.total)
        self.instant_uv: Ints = np.zeros((elements, meters), np.int64)
        self.instant_ua: Ints = np.zeros((elements, meters), np.int64)
        self.instant_uhz: Ints = np.zeros(meters, np.int64)
        self.supervision = Supervision(config.voltage.rules(config.wiring.phases), meters)
        self.control = None if config.control is None else Control(config.control, meters, config.step_s)
        thresholds = config.power_quality
        self.quality = None if thresholds is None else Supervision(thresholds.rules(), meters)
        """Dips, swells and interruptions."""
        self.counters = None if thresholds is None else Counters(thresholds, config.wiring, meters, config.step_s)
        self.events = EventLog(config.event_depth)
        self.logs = {
            name: Log(name, config.logs[name], elements, self.clock_s, config.normal_offset_s)
            for name in LogName
            if name in config.logs
        }
        self.follow_plan(self.all)

    def follow_plan(self, at: Ints) -> None:
        """Let the tariff plan decide for the meters `at`."""
        plan, offset_s = self.config.tariff_plan, self.config.normal_offset_s
        if plan is not None:
            clock_s = self.clock_s[at]
            self.tariff[at] = plan.tariff(clock_s, offset_s)
            self.tariff_due_s[at] = plan.next_change(clock_s, offset_s)

    @property
    def clock_s(self) -> Ints:
        """What every meter's clock shows."""
        return self.now_s + self.clock_offset_s

    @property
    def period_log(self) -> Log:
        """The load profile: its period is also the integration period of the maxima."""
        return self.logs[LogName.LOAD_PROFILE]
