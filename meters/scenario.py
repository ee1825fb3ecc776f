"""What happens on the wires: households, constant loads, and faults on a timetable.

Every value is a pure function of (seed, meter, time): random numbers are drawn by position (`engine.chance`), so the same
step has the same values however time is cut and meters are sharded.  A step has the mean over all of it, never a sample:
net energy of each phase is the same at any length of steps.  Import and export within one step net each other, and what
is no sum of powers, apparent energy, is that of the step's means, so both are the smaller the longer steps are.  What the
voltage does within a step goes along as an excursion, so that a short sag is one at any length of steps, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block, Excursions, Floats, Input, Source
from meters.engine.chance import Words, keys, uniform
from meters.engine.errors import EngineError
from meters.engine.quantity import Ints
from meters.engine.wiring import Wiring
from meters.voltage_events import VoltageEvent, under

Doubles = NDArray[np.float64]

HOUR_S, DAY_S = 3600, 86_400


def line_means(values: Callable[[Ints], Doubles], knot_s: int, start_s: int, stop_s: int, step_s: int) -> Doubles:
    """Means over each step of the line through `values` (knot, key) at all multiples of `knot_s`; (time, key).

    Between two knots the mean of a piece is the line in its middle, so steps are cut into pieces that hold no knot.
    """
    piece_s = math.gcd(knot_s, step_s, start_s)
    begin_s = np.arange(start_s, stop_s, piece_s)
    knot = begin_s // knot_s
    first = int(knot[0])
    at = values(np.arange(first, int(knot[-1]) + 2))
    index, weight = knot - first, ((begin_s % knot_s + piece_s / 2) / knot_s)[:, None]
    return _mean_of_pieces(at[index] * (1.0 - weight) + at[index + 1] * weight, step_s // piece_s)


def smooth(key: Words, start_s: int, stop_s: int, step_s: int, knot_s: int) -> Doubles:
    """Means over each step of a random line in [0, 1) through a new value every `knot_s` seconds; (time, key)."""
    return line_means(lambda knot: uniform(key, knot), knot_s, start_s, stop_s, step_s)


def _mean_of_pieces(pieces: Doubles, count: int) -> Doubles:
    """Means of every `count` rows, added one by one: the last digit does not depend on how many rows there are."""
    mean = pieces[0::count]
    for piece in range(1, count):
        mean = mean + pieces[piece::count]
    return mean / count if count > 1 else mean


class Steps(NamedTuple):
    """Steps of equal length, UTC."""

    start_s: int
    stop_s: int
    step_s: int

    @property
    def begin_s(self) -> Ints:
        """When each begins."""
        return np.arange(self.start_s, self.stop_s, self.step_s)

    @property
    def total(self) -> int:
        """How many there are."""
        return (self.stop_s - self.start_s) // self.step_s

    def slots(self, slot_s: int) -> Ints:
        """The numbers of the slots, multiples of `slot_s`, that the steps touch."""
        return np.arange(self.start_s // slot_s, (self.stop_s - 1) // slot_s + 1)

    def share(self, slot_s: int, at_s: Doubles, run_s: float) -> Doubles:
        """How much of each step something runs that begins in each slot at most once; (time, key).

        `at_s` says how long after the begin of each of the `slots` it does, (slot, key); inf for never.
        """
        if not np.isfinite(at_s).any():
            return np.zeros((self.total, at_s.shape[1]))
        piece_s = math.gcd(slot_s, self.step_s, self.start_s)
        piece = np.arange(self.start_s, self.stop_s, piece_s)
        slot = piece // slot_s
        begin_s = at_s[slot - slot[0]] - (piece - slot * slot_s)[:, None]
        overlap_s = np.minimum(begin_s + run_s, piece_s) - np.maximum(begin_s, 0.0)
        overlap_s[~(overlap_s > 0)] = 0.0
        return _mean_of_pieces(overlap_s, self.step_s // piece_s) / piece_s


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


SUN_KNOT_S = 300
"""Between such moments the sun's power is a line."""
DROP_S, DROP_LEVEL = 5.0, 0.75


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
        """See `engine.Source`.

        What depends on powers within a step, the currents and the voltage's sag, follows from their means over it.
        """
        steps = Steps(start_s, stop_s, step_s)
        elements = self.wiring.elements
        active_w = np.zeros((elements, steps.total, len(meters)))
        reactive_var = np.zeros_like(active_w)
        self._base(active_w, reactive_var, steps, meters)
        for number, appliance in enumerate(self.appliances):
            self._run(active_w, reactive_var, appliance, 100 + 2 * number, steps, meters)
        if self.photovoltaics_w:
            active_w -= self._sun(steps, meters) * (self.photovoltaics_w / elements)
        voltage_v, excursions = self._voltage(active_w, steps, meters)
        frequency_hz = 49.97 + 0.06 * smooth(keys(self.seed, range(1), 4), *steps, 300)
        return replace(Block.from_power(active_w, reactive_var, voltage_v, frequency_hz), excursions=excursions)

    def _base(self, active_w: Doubles, reactive_var: Doubles, steps: Steps, meters: range) -> None:
        trait = uniform(keys(self.seed, meters, 0), np.arange(2))
        ripple = 0.9 + 0.2 * smooth(keys(self.seed, meters, 1), *steps, 60)
        active_w += (60.0 + 120.0 * trait[0]) / len(active_w) * ripple
        cycle_s = 2400 + (1200 * trait[1]).astype(np.int64)

        def cooled_s(time_s: Ints) -> Ints:
            """Seconds that the refrigerator has run: a third of each of its cycles."""
            since_s = time_s[:, None] + cycle_s * 7919
            run_s: Ints = since_s // cycle_s * (cycle_s // 3) + np.minimum(since_s % cycle_s, cycle_s // 3)
            return run_s

        cooling = (cooled_s(steps.begin_s + steps.step_s) - cooled_s(steps.begin_s)) / steps.step_s
        active_w[0] += 95.0 * cooling
        reactive_var[0] += 60.0 * cooling

    def _run(
        self, active_w: Doubles, reactive_var: Doubles, what: Appliance, stream: int, steps: Steps, meters: range
    ) -> None:
        slots = steps.slots(what.slot_s)
        hour = (slots * what.slot_s + self.offset_s) // HOUR_S % 24
        runs = uniform(keys(self.seed, meters, stream), slots) < np.array(what.weight)[hour][:, None]
        moment_s = uniform(keys(self.seed, meters, stream + 1), slots) * (what.slot_s - what.run_s)
        power_w = what.power_w * steps.share(what.slot_s, np.where(runs, moment_s, np.inf), what.run_s)
        elements = len(active_w)
        spread = range(elements) if what.phase == 0 else [(what.phase - 1) % elements]
        for element in spread:
            active_w[element] += power_w / len(spread)
            reactive_var[element] += power_w / len(spread) * what.tan_phi

    def _sun(self, steps: Steps, meters: range) -> Doubles:
        """Share of the peak power, (time, meter): a clear sky at 50 degrees north under passing clouds."""
        cloud = keys(self.seed, meters, 2)

        def at(knot: Ints) -> Doubles:
            local_s = knot * SUN_KNOT_S + self.offset_s
            season = np.cos((local_s / DAY_S - 172) / 365.25 * 2 * np.pi)
            declination = np.radians(23.44) * season
            angle = (local_s % DAY_S / DAY_S - 0.5) * 2 * np.pi
            latitude = np.radians(50.0)
            height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
            share: Doubles = np.maximum(height, 0.0)[:, None] * (0.25 + 0.75 * uniform(cloud, knot))
            return share

        return line_means(at, SUN_KNOT_S, *steps)

    def _voltage(self, active_w: Doubles, steps: Steps, meters: range) -> tuple[Doubles, Excursions | None]:
        wander = (smooth(keys(self.seed, meters, 3), *steps, 600) - 0.5) * 6.0
        voltage_v = self.nominal_v + wander - active_w * (self.source_ohm / self.nominal_v)
        if not self.drops_per_day:
            return voltage_v, None

        moment_s, struck = self._drops(steps, len(active_w), meters)
        each = [np.where(struck == element, moment_s, np.inf) for element in range(len(active_w))]
        dropped = [steps.share(HOUR_S, at_s, DROP_S) for at_s in each]
        excursions = None
        if steps.step_s > 1 and any(share.any() for share in dropped):  # drops begin and end with a second
            excursions = under(_drop_events(moment_s, struck, steps), voltage_v, steps.start_s, steps.step_s)
        for line_v, share in zip(voltage_v, dropped, strict=True):
            line_v *= np.sqrt(1.0 - share * (1.0 - DROP_LEVEL**2))
        return voltage_v, excursions

    def _drops(self, steps: Steps, elements: int, meters: range) -> tuple[Doubles, Ints]:
        """For each hour that the steps touch, when in it the voltage drops (inf: never), and of which element."""
        hours = steps.slots(HOUR_S)
        drops = uniform(keys(self.seed, meters, 5), hours) < self.drops_per_day / 24
        struck = (uniform(keys(self.seed, meters, 7), hours) * elements).astype(np.int64)
        moment_s = np.floor(uniform(keys(self.seed, meters, 6), hours) * (HOUR_S - 2 * DROP_S))
        return np.where(drops, moment_s, np.inf), struck


def _drop_events(moment_s: Doubles, struck: Ints, steps: Steps) -> Iterator[VoltageEvent]:
    """The drops that overlap the steps, out of what `Household._drops` gives."""
    hours = steps.slots(HOUR_S)
    for hour, meter in np.argwhere(np.isfinite(moment_s)).tolist():
        begin_s = float(hours[hour] * HOUR_S + moment_s[hour, meter])
        if begin_s < steps.stop_s and begin_s + DROP_S > steps.start_s:
            yield VoltageEvent(begin_s, begin_s + DROP_S, DROP_LEVEL, meter, int(struck[hour, meter]))


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
    begin_s: float
    end_s: float
    meter: int | None = None
    phase: int = 0
    level: float = 0.5

    def __post_init__(self) -> None:
        if self.end_s <= self.begin_s:
            raise EngineError(f"a fault from {self.begin_s} to {self.end_s} never happens")
        if self.kind is FaultKind.PHASE_LOSS and not self.phase:
            raise EngineError("a phase loss needs its phase; losing all is a power failure")

    @property
    def remains(self) -> float:
        """The share of the voltage that remains."""
        return self.level if self.kind is FaultKind.SAG else 0.0


_INPUTS = {FaultKind.MAGNET: Input.MAGNET, FaultKind.COVER: Input.COVER}


@dataclass(frozen=True, slots=True)
class Faults:
    """A source with faults on a timetable laid over it.

    Loads are taken as resistances.  A step of which a fault hits a part has the RMS voltage and the powers that a load
    as steady as the step's would have: energy does not depend on where the fault lies in the step; what the voltage was
    before, in and after the fault goes along as excursions.  Magnet and cover are seen in every step that they touch.
    """

    source: Source
    timetable: tuple[Fault, ...]
    wiring: Wiring = Wiring.THREE_PHASE

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        block = self.source.block(start_s, stop_s, step_s, meters)
        hits = [fault for fault in self.timetable if fault.begin_s < stop_s and fault.end_s > start_s]
        hits = [fault for fault in hits if fault.meter is None or fault.meter in meters]
        if not hits:
            return block
        square = np.ones(block.active_w.shape)
        inputs = np.zeros(square.shape[1:], np.uint8) if block.inputs is None else block.inputs.copy()
        for fault in hits:
            self._lay(fault, square, inputs, Steps(start_s, stop_s, step_s), meters)
        voltage_v = block.voltage_v * np.sqrt(square)
        powers = (block.active_w * square, block.reactive_var * square)
        faulty = Block.from_power(*powers, voltage_v, block.frequency_hz)
        now = {name: getattr(faulty, name) for name in ("active_w", "reactive_var", "voltage_v", "current_a")}
        excursions = under(self._events(hits, meters), block.voltage_v, start_s, step_s, block.excursions)
        return replace(block, **now, inputs=inputs, excursions=excursions)

    def _events(self, faults: list[Fault], meters: range) -> Iterator[VoltageEvent]:
        """What the faults do to voltages."""
        for fault in faults:
            if fault.kind not in _INPUTS:
                meter = None if fault.meter is None else meters.index(fault.meter)
                element = self.wiring.element(fault.phase) if fault.phase else None
                yield VoltageEvent(fault.begin_s, fault.end_s, fault.remains, meter, element)

    def _lay(self, fault: Fault, square: Doubles, inputs: NDArray[np.uint8], steps: Steps, meters: range) -> None:
        """Lay one fault over the mean squares of the voltages, as shares (element, time, meter), or over the inputs."""
        begin_s = steps.begin_s
        overlap_s = np.minimum(begin_s + steps.step_s, fault.end_s) - np.maximum(begin_s, fault.begin_s)
        hit = np.maximum(overlap_s, 0) / steps.step_s
        who = slice(None) if fault.meter is None else slice(meters.index(fault.meter), meters.index(fault.meter) + 1)
        if fault.kind in _INPUTS:
            inputs[hit > 0, who] |= np.uint8(_INPUTS[fault.kind])
            return
        element = self.wiring.element(fault.phase) if fault.phase else slice(None)
        square[element, :, who] *= (1.0 - hit * (1.0 - fault.remains**2))[:, None]
