"""What happens on the wires: households, constant loads, and faults on a timetable.

Every value is a pure function of (seed, meter, time): random numbers are drawn by position (a SplitMix64 hash of key
and counter), so the same step has the same values however time is cut and meters are sharded.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block, Floats, Input, Source
from meters.engine.chance import Words, keys, uniform
from meters.engine.errors import EngineError
from meters.engine.quantity import Ints
from meters.engine.wiring import Wiring

Doubles = NDArray[np.float64]

DAY_S = 86_400


def smooth(key: Words, time_s: Ints, knot_s: int) -> Doubles:
    """A random line in [0, 1) through a new value every `knot_s` seconds; shape (time, key)."""
    knot = time_s // knot_s
    first = int(knot[0])
    values = uniform(key, np.arange(first, int(knot[-1]) + 2))
    index = knot - first
    weight = ((time_s - knot * knot_s) / knot_s)[:, None]
    line: Doubles = values[index] * (1.0 - weight) + values[index + 1] * weight
    return line


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for ever.  Values are one number, one a phase element, or (element, meter)."""

    active_w: float | Floats = 0.0
    reactive_var: float | Floats = 0.0
    voltage_v: float | Floats = 230.0
    frequency_hz: float = 50.0
    wiring: Wiring = Wiring.THREE_PHASE

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        shape = (self.wiring.elements, (stop_s - start_s) // step_s, len(meters))
        active_w, reactive_var = (
            self._spread(self.active_w, shape, meters),
            self._spread(self.reactive_var, shape, meters),
        )
        return Block.from_power(active_w, reactive_var, self._spread(self.voltage_v, shape, meters), self.frequency_hz)

    @staticmethod
    def _spread(value: float | Floats, shape: tuple[int, int, int], meters: range) -> Doubles:
        array = np.asarray(value, np.float64)
        if array.ndim == 2:
            array = array[:, meters.start : meters.stop : meters.step]
        while array.ndim < 2:
            array = array[..., None]
        return np.broadcast_to(array[:, None, :], shape)


@dataclass(frozen=True, slots=True)
class Appliance:
    """A load that runs now and then: in each slot of `slot_s` at most once, for `run_s`, at a random moment.

    `weight` gives the chance of a run in a slot that begins in each hour of the day (UTC plus the household's offset).
    `phase` 1..3, or 0 for a load on all three phases, each of which carries a third.
    """

    power_w: float
    run_s: int
    slot_s: int
    weight: tuple[float, ...]
    phase: int = 1
    tan_phi: float = 0.0

    def __post_init__(self) -> None:
        if len(self.weight) != 24 or not 0 < self.run_s <= self.slot_s:
            raise EngineError("an appliance needs 24 hourly chances and a run that fits into its slot")


def _hours(night: float, morning: float, day: float, evening: float) -> tuple[float, ...]:
    return (night,) * 6 + (morning,) * 3 + (day,) * 8 + (evening,) * 5 + (night,) * 2


APPLIANCES = (
    Appliance(2000.0, 180, 3600, _hours(0.02, 0.7, 0.2, 0.4), phase=1),
    Appliance(6000.0, 2400, 7200, _hours(0.0, 0.1, 0.15, 0.6), phase=0),
    Appliance(2200.0, 1500, 10_800, _hours(0.0, 0.05, 0.25, 0.3), phase=2, tan_phi=0.3),
    Appliance(150.0, 7200, 14_400, _hours(0.0, 0.0, 0.2, 0.9), phase=3, tan_phi=-0.35),
    Appliance(400.0, 3600, 3600, _hours(0.05, 0.4, 0.2, 0.8), phase=3),
    Appliance(9000.0, 900, 10_800, _hours(0.0, 0.6, 0.1, 0.3), phase=0),
)
"""Kettle, cooker, washing, screens, light, water heater."""


@dataclass(frozen=True, slots=True)
class Household:
    """Homes: base load, refrigerator, appliances with an evening peak, perhaps photovoltaics, and a living voltage.

    `photovoltaics_w` is the peak power, fed in evenly on all phases; `source_ohm` the supply's resistance per phase,
    which makes the voltage sag under load; `drops_per_day` drops of one phase to 75 %, 5 s long: too short and
    shallow to count as a failed phase.
    """

    seed: int = 1
    wiring: Wiring = Wiring.THREE_PHASE
    photovoltaics_w: float = 0.0
    appliances: tuple[Appliance, ...] = APPLIANCES
    nominal_v: float = 230.0
    source_ohm: float = 0.25
    drops_per_day: float = 0.2
    offset_s: int = 3600

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`.  With steps longer than a second a step has the values of its first second."""
        time_s = np.arange(start_s, stop_s, step_s)
        elements = self.wiring.elements
        active_w = np.zeros((elements, time_s.size, len(meters)))
        reactive_var = np.zeros_like(active_w)
        self._base(active_w, reactive_var, time_s, meters)
        for number, appliance in enumerate(self.appliances):
            self._run(active_w, reactive_var, appliance, 100 + number, time_s, meters)
        if self.photovoltaics_w:
            active_w -= self._sun(time_s, meters) * (self.photovoltaics_w / elements)
        voltage_v = self._voltage(active_w, time_s, meters)
        frequency_hz = 49.97 + 0.06 * smooth(keys(self.seed, range(1), 4), time_s, 300)
        return Block.from_power(active_w, reactive_var, voltage_v, frequency_hz)

    def _base(self, active_w: Doubles, reactive_var: Doubles, time_s: Ints, meters: range) -> None:
        trait = uniform(keys(self.seed, meters, 0), np.arange(2))
        ripple = 0.9 + 0.2 * smooth(keys(self.seed, meters, 1), time_s, 20)
        active_w += (60.0 + 120.0 * trait[0]) / len(active_w) * ripple
        cycle_s = 2400 + (1200 * trait[1]).astype(np.int64)
        cooling = (time_s[:, None] + (cycle_s * 7919)[None, :]) % cycle_s[None, :] < cycle_s[None, :] // 3
        active_w[0] += 95.0 * cooling
        reactive_var[0] += 60.0 * cooling

    def _run(
        self, active_w: Doubles, reactive_var: Doubles, what: Appliance, stream: int, time_s: Ints, meters: range
    ) -> None:
        slot = time_s // what.slot_s
        first = int(slot[0])
        slots = np.arange(first, int(slot[-1]) + 1)
        hour = (slots * what.slot_s + self.offset_s) // 3600 % 24
        runs = uniform(keys(self.seed, meters, stream), slots) < np.array(what.weight)[hour][:, None]
        if not runs.any():
            return
        begin_s = uniform(keys(self.seed, meters, stream + 1000), slots) * (what.slot_s - what.run_s)
        begin_s = np.where(runs, begin_s, np.inf)[slot - first]
        since_s = (time_s - slot * what.slot_s)[:, None] - begin_s
        power_w = np.where((since_s >= 0) & (since_s < what.run_s), what.power_w, 0.0)
        elements = len(active_w)
        spread = range(elements) if what.phase == 0 else [(what.phase - 1) % elements]
        for element in spread:
            active_w[element] += power_w / len(spread)
            reactive_var[element] += power_w / len(spread) * what.tan_phi

    def _sun(self, time_s: Ints, meters: range) -> Doubles:
        """Share of the peak power, (time, meter): a clear sky at 50 degrees north under passing clouds."""
        local_s = time_s + self.offset_s
        season = np.cos((local_s / DAY_S - 172) / 365.25 * 2 * np.pi)
        declination = np.radians(23.44) * season
        angle = (local_s % DAY_S / DAY_S - 0.5) * 2 * np.pi
        latitude = np.radians(50.0)
        height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
        clouds = 0.25 + 0.75 * smooth(keys(self.seed, meters, 2), time_s, 900)
        share: Doubles = np.maximum(height, 0.0)[:, None] * clouds
        return share

    def _voltage(self, active_w: Doubles, time_s: Ints, meters: range) -> Doubles:
        wander = (smooth(keys(self.seed, meters, 3), time_s, 600) - 0.5) * 6.0
        voltage_v = self.nominal_v + wander - active_w * (self.source_ohm / self.nominal_v)
        if self.drops_per_day:
            hour = time_s // 3600
            first = int(hour[0])
            hours = np.arange(first, int(hour[-1]) + 1)
            drops = uniform(keys(self.seed, meters, 5), hours) < self.drops_per_day / 24
            moment_s = uniform(keys(self.seed, meters, 6), hours) * 3590
            since_s = (time_s % 3600)[:, None] - np.where(drops, moment_s, np.inf)[hour - first]
            struck = (uniform(keys(self.seed, meters, 7), hours) * len(active_w)).astype(np.int64)[hour - first]
            deep = np.where((since_s >= 0) & (since_s < 5), 0.75, 1.0)
            for element, line_v in enumerate(voltage_v):
                line_v *= np.where(struck == element, deep, 1.0)
        return voltage_v


class FaultKind(Enum):
    """What goes wrong."""

    PHASE_LOSS = "phase loss"
    SAG = "sag"
    """`level` is the remaining share of the voltage; above 1 it is a swell."""
    POWER_FAIL = "power fail"
    MAGNET = "magnet"
    COVER = "cover"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault from `begin_s` to `end_s` (UTC), at one meter or at all (None), on one phase or on all (0)."""

    kind: FaultKind
    begin_s: int
    end_s: int
    meter: int | None = None
    phase: int = 0
    level: float = 0.5

    def __post_init__(self) -> None:
        if self.end_s <= self.begin_s:
            raise EngineError(f"a fault from {self.begin_s} to {self.end_s} never happens")
        if self.kind is FaultKind.PHASE_LOSS and not self.phase:
            raise EngineError("a phase loss needs its phase; losing all is a power failure")


@dataclass(frozen=True, slots=True)
class Faults:
    """A source with faults on a timetable laid over it.  A step is hit when it begins within a fault."""

    source: Source
    timetable: tuple[Fault, ...]
    wiring: Wiring = Wiring.THREE_PHASE
    _inputs: dict[FaultKind, Input] = field(
        default_factory=lambda: {FaultKind.MAGNET: Input.MAGNET, FaultKind.COVER: Input.COVER}, init=False, repr=False
    )

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        block = self.source.block(start_s, stop_s, step_s, meters)
        hits = [fault for fault in self.timetable if fault.begin_s < stop_s and fault.end_s > start_s]
        hits = [fault for fault in hits if fault.meter is None or fault.meter in meters]
        if not hits:
            return block
        share = np.ones(block.active_w.shape)
        inputs = np.zeros(share.shape[1:], np.uint8) if block.inputs is None else block.inputs.copy()
        for fault in hits:
            self._lay(fault, share, inputs, start_s, step_s, meters)
        voltage_v = block.voltage_v * share
        powers = (block.active_w * share**2, block.reactive_var * share**2)
        faulty = Block.from_power(*powers, voltage_v, block.frequency_hz)
        now = {name: getattr(faulty, name) for name in ("active_w", "reactive_var", "voltage_v", "current_a")}
        return replace(block, **now, inputs=inputs)

    def _lay(
        self, fault: Fault, share: Doubles, inputs: NDArray[np.uint8], start_s: int, step_s: int, meters: range
    ) -> None:
        first = max(0, -((start_s - fault.begin_s) // step_s))
        last = max(0, -((start_s - fault.end_s) // step_s))
        who = slice(None) if fault.meter is None else slice(meters.index(fault.meter), meters.index(fault.meter) + 1)
        if fault.kind in self._inputs:
            inputs[first:last, who] |= np.uint8(self._inputs[fault.kind])
            return
        level = fault.level if fault.kind is FaultKind.SAG else 0.0
        element = self.wiring.element(fault.phase) if fault.phase else slice(None)
        share[element, first:last, who] *= level
