"""A window: what the source says about a stretch of time, made ready to be summed exactly over any part of it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block
from meters.engine.control import BreakerState, Control
from meters.engine.counters import Counts
from meters.engine.energy import (
    SECONDS_PER_HOUR,
    Doubles,
    Powers,
    check_exact,
    import_powers,
    sums_between,
    total_channels,
    vector_powers,
)
from meters.engine.errors import EngineError
from meters.engine.pulses import PulseOutput
from meters.engine.quality import Change
from meters.engine.quantity import MICRO_EXPONENT, Ints, combine
from meters.engine.state import State
from meters.engine.timeline import RMS_MS, Timeline, row_flags, supervise, timelines
from meters.engine.wiring import Summation, Wiring

_MICRO = 10.0**MICRO_EXPONENT
_MAX_HZ = 1e6
_ORDINARY_VA = 1e5
"""Per element: so little is exact in every window, and needs no closer look."""


def check_block(block: Block) -> None:
    """Refuse, before anything has changed, values that no meter could measure."""
    steps = block.active_w.shape[1]
    names = ("active_w", "reactive_var", "voltage_v", "current_a")
    *_, largest_v, largest_a = (check_exact(getattr(block, name), steps, name) for name in names)
    if largest_v * largest_a > _ORDINARY_VA:
        check_exact(block.voltage_v * block.current_a, steps, "apparent power")
    frequency_hz = np.asarray(block.frequency_hz)
    if not 0 <= frequency_hz.min() <= frequency_hz.max() < _MAX_HZ:
        raise EngineError(f"frequencies of {frequency_hz.min()}..{frequency_hz.max()} Hz")


def _without_open_loads(block: Block, control: Control) -> Block:
    """The block without the loads behind open breakers."""
    if control.closed.all():
        return block
    off = np.where(control.closed, 1.0, 0.0)
    powers = (block.active_w * off, block.reactive_var * off)
    return replace(block, active_w=powers[0], reactive_var=powers[1], current_a=block.current_a * off)


class Window:
    """The inputs of a tile from now to `stop_s`, or to where a breaker moves: checked, gated and rounded to whole
    micro-units."""

    def __init__(self, state: State, stop_s: int) -> None:
        self.state, self.start_s = state, state.now_s
        block = state.source.block(state.now_s, stop_s, state.config.step_s, state.numbers)
        steps = (stop_s - state.now_s) // state.config.step_s
        expected = (state.config.wiring.elements, steps, len(state.numbers))
        if block.active_w.shape != expected:
            raise EngineError(f"the source gave {block.active_w.shape} from {state.now_s} on, expected {expected}")
        check_block(block)
        if state.errors is not None:
            block = state.errors.measured(block)
            check_block(block)
        self.breakers: list[tuple[int, BreakerState]] = []
        """What the breakers of the meters do at the end of the window."""
        if state.control is None:
            self._measure(block, steps)
        else:
            self._measure_controlled(_without_open_loads(block, state.control), state.control)

    def _measure_controlled(self, block: Block, control: Control) -> None:
        """Measure up to the step in which a breaker moves, or in which a credit is used up."""
        steps, outlook = block.active_w.shape[1], None
        if not control.idle:
            arrays = (np.multiply(a, _MICRO, dtype=np.float64) for a in (block.current_a, block.active_w))
            outlook = control.look_ahead(self._voltage(block), *arrays)
            steps = outlook.steps
        poor: list[int] = []
        if not control.prepaid or not control.use_up(self._most_imported(block, steps), *self._counted())[1]:
            self._measure(block, steps)
        else:
            steps, poor = self._measure_to_the_end_of_credit(block, steps, control)
        moved = {} if outlook is None else control.live(outlook, steps)
        stays = {meter for meter in poor if moved.get(meter, BreakerState.LOG_ONLY) is BreakerState.LOG_ONLY}
        self.breakers = [*moved.items(), *((meter, BreakerState.PREPAYMENT) for meter in sorted(stays))]

    def _measure_to_the_end_of_credit(self, block: Block, steps: int, control: Control) -> tuple[int, list[int]]:
        """Up to which step was measured, and whose credit is used up then: supply decides what was imported."""
        state = self.state
        machines = deepcopy((state.supervision, state.quality, state.counters))
        self._measure(block, steps)
        imported = import_powers(self.phases, state.config.summation or Summation.PER_PHASE)
        last, poor = control.use_up(imported, *self._counted())
        if last < steps:
            # what was seen behind the cut has not happened yet
            state.supervision, state.quality, state.counters = machines
            self._measure(block, last)
        return last, poor

    def _most_imported(self, block: Block, steps: int) -> Doubles:
        """No less than the power of A+ in each step (time, meter), micro-W: whatever supply and limits will leave of it."""
        active_uw = np.rint(np.multiply(block.active_w[:, :steps], _MICRO, dtype=np.float64))
        absolute = self.state.config.summation is Summation.TOTAL_ABS
        most: Doubles = (np.abs(active_uw) if absolute else np.maximum(active_uw, 0.0)).sum(axis=0)
        return most

    def _counted(self) -> tuple[tuple[Ints, Ints], Ints]:
        """The register of A+ with its remainder, and normal time by each meter's clock."""
        state = self.state
        counted = state.energy.total[0, 0], state.energy.rest_uws[0, 0]
        return counted, state.clock_s + state.config.normal_offset_s

    def _measure(self, block: Block, steps: int) -> None:
        """Take the first so many steps of the block."""
        state = self.state
        if steps < block.active_w.shape[1]:
            block = block.cut(slice(steps))
        self.steps = steps
        self.stop_s = state.now_s + steps * state.config.step_s
        self.inputs = block.inputs
        self.frequency_hz = np.broadcast_to(np.asarray(block.frequency_hz, np.float64), block.active_w.shape[1:])
        self.voltage_uv = self._voltage(block)
        self._supervise(state, block)
        self.current_ua = np.rint(np.multiply(block.current_a, _MICRO, dtype=np.float64))
        self.phases = self._powers(block)
        vector = state.config.summation is Summation.SUM_VECTOR
        self.vector = vector_powers(self.phases) if vector else None

    def _supervise(self, state: State, block: Block) -> None:
        """Which steps have supply as (time, meter), their flags likewise (None: all, none), and what changed."""
        seen = supervise(state.supervision, self.voltage_uv, self._fine(block, RMS_MS), state.config.step_s)
        self.supply = None if seen.whole is None else ~seen.whole[-1]
        self.flags, self.changes = row_flags(state.supervision, seen), seen.changes
        self.incidents: list[Change] = []
        self.counts: Counts | None = None
        """What the counters of power quality will have counted by when."""
        if state.quality is None or state.counters is None:
            return
        seen = supervise(state.quality, self.voltage_uv, self._fine(block, 0), state.config.step_s)
        self.incidents, marked = seen.changes, row_flags(state.quality, seen)
        if marked is not None:
            self.flags = marked if self.flags is None else self.flags | marked
        state.counters.look(block, self.voltage_uv, self.supply, marked, self.start_s)
        self.counts = state.counters.counts(self.changes + self.incidents)

    def _fine(self, block: Block, shortest_ms: int) -> list[Timeline]:
        """The meters with excursions of at least so long, but for phases that are cut off."""
        excursions, connected = block.excursions, self.state.connected
        if excursions is None:
            return []
        if not connected.all():
            excursions = excursions.part(connected[excursions.element, excursions.meter])
        return list(timelines(excursions, self.voltage_uv, self.start_s, self.state.config.step_s, shortest_ms))

    def _voltage(self, block: Block) -> Doubles:
        voltage_uv = np.rint(np.multiply(block.voltage_v, _MICRO, dtype=np.float64))
        connected = self.state.connected
        return voltage_uv if connected.all() else voltage_uv * connected[:, None, :]

    def _powers(self, block: Block) -> Powers:
        """P, Q, S in whole micro-units: nothing on a cut-off phase, without supply, or below the no-load limits.

        The limits are those of each phase; but the elements of an Aron meter have no phase powers, so there the sum
        decides about both.
        """
        limits, whole = self.state.config.no_load, self.state.config.wiring is Wiring.ARON
        dead = self._dead()
        if dead is not None:
            self.current_ua = np.where(dead, 0.0, self.current_ua)
        least_uw = limits.active_w * _MICRO
        idle = self.current_ua < limits.current_a * _MICRO
        if whole:
            idle = np.broadcast_to(idle.all(axis=0), idle.shape)
        if dead is not None:
            idle = idle | dead
        stack, spare = self.state.scratch.array(2, 4, *self.voltage_uv.shape)
        for micro, power in zip(stack, (block.active_w, block.reactive_var), strict=False):
            np.multiply(power, _MICRO, out=micro, dtype=np.float64)
            np.rint(micro, out=micro)
            if np.count_nonzero(idle):
                np.copyto(micro, 0.0, where=idle)
            small = np.abs(micro.sum(axis=0) if whole else micro) < least_uw
            if np.count_nonzero(small):
                np.copyto(micro, 0.0, where=small)
        np.divide(self.current_ua, _MICRO, out=stack[3])
        stack[3] *= self.voltage_uv
        np.rint(stack[3], out=stack[3])
        if np.count_nonzero(idle):
            np.copyto(stack[3], 0.0, where=idle)
        return Powers(stack, spare)

    def _dead(self) -> NDArray[np.bool_] | None:
        """(element, time, meter): where nothing can be measured; None for nowhere."""
        connected = self.state.connected
        cut = None if connected.all() else np.broadcast_to(~connected[:, None, :], self.voltage_uv.shape)
        if self.supply is None:
            return cut
        off = np.broadcast_to(~self.supply, self.voltage_uv.shape)
        self.voltage_uv = np.where(off, 0.0, self.voltage_uv)
        return off if cut is None else off | cut

    def sums(self, first: int, last: int) -> Ints:
        """(channel, whole | element, meter) over steps [first, last), in micro-units times steps."""
        phases = self.phases.channels(first, last)
        out = np.empty((phases.shape[0], 1 + phases.shape[1], phases.shape[2]), np.int64)
        out[:, 1:] = phases
        if self.vector is not None:
            out[:, 0] = self.vector.channels(first, last)[:, 0]
        else:
            out[:, 0] = total_channels(phases, self.state.config.summation or Summation.PER_PHASE)
        return out

    def sums_between(self, cuts: list[int]) -> tuple[Ints, Ints]:
        """The same of all stretches between two cuts, (channel, whole | element, stretch, meter), and the sums of voltages
        and currents (U | I, element, stretch, meter)."""
        phases = self.phases.channels_between(cuts)
        out = np.empty((phases.shape[0], 1 + phases.shape[1], *phases.shape[2:]), np.int64)
        out[:, 1:] = phases
        if self.vector is not None:
            out[:, 0] = self.vector.channels_between(cuts)[:, 0]
        else:
            out[:, 0] = total_channels(phases, self.state.config.summation or Summation.PER_PHASE)
        levels = np.stack([sums_between(levels, cuts, 1) for levels in (self.voltage_uv, self.current_ua)])
        return out, levels

    def stretch(self, first: int, last: int) -> None:
        """Let the meters live through steps [first, last), between two cuts."""
        state, step_s = self.state, self.state.config.step_s
        power_uws = self.sums(first, last) * step_s
        for (name, meter), watch in state.watches.items():
            watch.see(self._pulses(state.config.outputs[name], meter, first, last))
        state.energy.add(power_uws, state.tariff)
        elapsed_s = (last - first) * step_s
        if state.sliding is not None:
            state.sliding.add(power_uws, elapsed_s)
        powered_s: Ints | int = elapsed_s
        if self.supply is not None:
            powered_s = self.supply[first:last].sum(axis=0) * step_s
        state.powered_s += powered_s
        if self.counts is not None and state.counters is not None:
            state.counters.add(self.counts, self.start_s, first * step_s * 1000, last * step_s * 1000)
        voltage_uvs = self.voltage_uv[:, first:last].sum(axis=1).astype(np.int64) * step_s
        current_uas = self.current_ua[:, first:last].sum(axis=1).astype(np.int64) * step_s
        for log in state.logs.values():
            if log.interval is not None:
                log.interval.add(power_uws, voltage_uvs, current_uas, powered_s, elapsed_s)
            if self.flags is not None:
                log.raise_flags(np.bitwise_or.reduce(self.flags[first:last], axis=0))
        if self.supply is not None:
            state.has_supply = self.supply[last - 1].copy()
        state.now_s = self.start_s + last * step_s

    def _pulses(self, output: PulseOutput, meter: int, first: int, last: int) -> Doubles:
        """When an output gives its pulses in steps [first, last), true UTC."""
        state, step_s = self.state, self.state.config.step_s
        total, rest = (
            combine(array[:, 0], output.measurand, meter) for array in (state.energy.total, state.energy.rest_uws)
        )
        power_uw = combine(self._series(meter, first, last), output.measurand)
        before_uws = int(total) * SECONDS_PER_HOUR + int(rest)
        return output.times(self.start_s + first * step_s, step_s, before_uws, power_uw)

    def _series(self, meter: int, first: int, last: int) -> Ints:
        """(channel, time): the whole meter's power in each of the steps [first, last), micro-units."""
        if self.vector is not None:
            return self.vector.series(meter, first, last)[:, 0]
        phases = self.phases.series(meter, first, last)
        return total_channels(phases, self.state.config.summation or Summation.PER_PHASE)

    def show(self, step: int) -> None:
        """Make a step's values the instantaneous ones."""
        state = self.state
        state.instant_uw = self.sums(step, step + 1)
        state.instant_uv = self.voltage_uv[:, step].astype(np.int64)
        state.instant_ua = self.current_ua[:, step].astype(np.int64)
        frequency = np.rint(self.frequency_hz[step] * _MICRO).astype(np.int64)
        state.instant_uhz = frequency if self.supply is None else np.where(self.supply[step], frequency, 0)
