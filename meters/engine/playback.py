"""What was measured once is lived through by meters: waveforms, phasors or powers, all of them blocks by now.

power = incoherent(Waveform(voltage_v, current_a, 6400.0))       # samples of one meter
Engine(Config(), Playback(power.block(start_s=start_s), start_s), start_s)
Engine(Config(), Playback(block_of(voltage, current), start_s), start_s)                # phasors
Engine(Config(), Playback(Block.from_power(active_w, reactive_var, voltage_v), start_s), start_s)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from meters.engine.block import FIELDS, Block, Excursions, Source
from meters.engine.errors import EngineError


@dataclass(frozen=True, slots=True)
class Playback:
    """A source that plays a block, whose steps are `step_s` long, from `start_s` (UTC) on, to as many meters as it has.

    Asking for what it does not hold is an EngineError.
    """

    whole: Block
    start_s: int
    step_s: int = 1

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        _, steps, count = self.whole.active_w.shape
        if step_s != self.step_s or (start_s - self.start_s) % step_s:
            raise EngineError(f"steps of {self.step_s} s from {self.start_s} on are no steps of {step_s} s")
        first, last = (start_s - self.start_s) // step_s, (stop_s - self.start_s) // step_s
        if first < 0 or last > steps or meters.start < 0 or meters.stop > count or meters.step != 1:
            end_s = self.start_s + steps * step_s
            raise EngineError(
                f"{count} meters from {self.start_s} to {end_s} are recorded, not {meters} from {start_s} to {stop_s}"
            )
        cut = self.whole.cut(slice(first, last), slice(meters.start, meters.stop))
        if cut.excursions is None:
            return cut
        return replace(cut, excursions=cut.excursions.of(meters, start_s, stop_s))


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A source with a stream of events laid over it, whose meters count within the fleet.

    The powers stay those of the source: what an event takes away is for whoever knows the load to say.
    """

    source: Source
    excursions: Excursions

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """See `engine.Source`."""
        block, own = self.source.block(start_s, stop_s, step_s, meters), self.excursions.of(meters, start_s, stop_s)
        return replace(
            block, excursions=own if block.excursions is None else Excursions.joined((block.excursions, own))
        )


def side_by_side(blocks: Sequence[Block]) -> Block:
    """One block of the meters of all blocks, in order.  EngineError when their elements, steps or fields differ."""
    shapes_of = (tuple(None if (a := getattr(one, n)) is None else a.shape[:-1] for n in FIELDS) for one in blocks)
    if len(set(shapes_of)) != 1:
        raise EngineError("blocks of different elements, steps or fields do not lie side by side")
    fields = {
        name: np.concatenate([getattr(one, name) for one in blocks], axis=-1)
        for name in FIELDS
        if getattr(blocks[0], name) is not None
    }
    shapes = [one.active_w.shape[1:] for one in blocks]
    frequency_hz = [np.broadcast_to(np.asarray(b.frequency_hz), shape) for b, shape in zip(blocks, shapes, strict=True)]
    offsets = np.cumsum([0, *(meters for _, meters in shapes[:-1])])
    moved = [
        replace(one.excursions, meter=one.excursions.meter + offset)
        for one, offset in zip(blocks, offsets.tolist(), strict=True)
        if one.excursions is not None
    ]
    excursions = Excursions.joined(moved) if moved else None
    return Block(**fields, frequency_hz=np.concatenate(frequency_hz, axis=-1), excursions=excursions)
