"""Events that hit the voltage within a step: what steps are too long to show becomes the excursions of their block."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from meters.engine.block import Excursions, Floats
from meters.engine.quantity import Ints


class VoltageEvent(NamedTuple):
    """From `begin_s` to `end_s` (UTC) a voltage is `level` of what it would be; `meter` counts within the block.

    None stands for all meters, or for all elements.
    """

    begin_s: float
    end_s: float
    level: float
    meter: int | None = None
    element: int | None = None


class _Piece(NamedTuple):
    """A part of a step with one voltage: `level` of the step's, or of `own_v` where the source has an excursion there."""

    step: int
    begin_s: float
    end_s: float
    level: float
    own_v: float | None


def under(
    events: Iterable[VoltageEvent], voltage_v: Floats, start_s: int, step_s: int, own: Excursions | None = None
) -> Excursions | None:
    """The excursions of a block (element, time, meter) under the events; None for none.

    `voltage_v` and `own` are what the source has without them.  A step that an event hits in part is cut into pieces of one
    voltage each, undisturbed ones too: its own value is a mean over them.  Steps that are hit as a whole show it themselves.
    """
    by_meter, everywhere = defaultdict[int, list[VoltageEvent]](list), list[VoltageEvent]()
    for event in events:
        (everywhere if event.meter is None else by_meter[event.meter]).append(event)
    with_own = set() if own is None or not everywhere else set(own.meter.tolist())
    alone = sorted(with_own | set(by_meter))
    groups = [(np.array([meter]), [*everywhere, *by_meter[meter]]) for meter in alone]
    if everywhere:
        groups.append((np.setdiff1d(np.arange(voltage_v.shape[-1]), alone), everywhere))
    parts = [] if own is None else [own.part(~np.isin(own.meter, alone))]
    for who, hits in groups:
        for element, line_v in enumerate(voltage_v):
            here = [event for event in hits if event.element in (None, element)]
            kept = None if own is None else own.part(np.isin(own.meter, who) & (own.element == element))
            pieces = list(_pieces(here, kept, len(line_v), start_s, step_s))
            if pieces and who.size:
                parts.append(_excursions(pieces, line_v, who, element))
    return Excursions.joined(parts) if any(part.meter.size for part in parts) else None


def _pieces(
    events: list[VoltageEvent], own: Excursions | None, steps: int, start_s: int, step_s: int
) -> Iterator[_Piece]:
    """The pieces of all steps in which an event begins or ends, or in which the source has excursions of its own."""
    columns = () if own is None else (own.begin_s.tolist(), own.end_s.tolist(), own.voltage_v.tolist())
    owned = list(zip(*columns, strict=True))
    edges_s = {edge_s for event in events for edge_s in event[:2]} | {edge_s for one in owned for edge_s in one[:2]}
    cut = {math.floor((edge_s - start_s) / step_s) for edge_s in edges_s if (edge_s - start_s) % step_s}
    for begin_s, end_s, _ in owned:
        first, last = math.floor((begin_s - start_s) / step_s), math.ceil((end_s - start_s) / step_s)
        cut.update(range(max(first, 0), min(last, steps)))
    for step in sorted(cut & set(range(steps))):
        first_s, last_s = start_s + step * step_s, start_s + (step + 1) * step_s
        inside_s = {edge_s for edge_s in edges_s if first_s < edge_s < last_s}
        for begin_s, end_s in pairwise(sorted({first_s, last_s, *inside_s})):
            level = math.prod(event.level for event in events if event.begin_s <= begin_s < event.end_s)
            own_v = next((volt for first_own_s, end_own_s, volt in owned if first_own_s <= begin_s < end_own_s), None)
            yield _Piece(step, begin_s, end_s, level, own_v)


def _excursions(pieces: list[_Piece], voltage_v: Floats, who: Ints, element: int) -> Excursions:
    """The pieces at each of the meters, whose steps have the voltages (time, meter)."""
    laid_v = [
        (voltage_v[piece.step, who] if piece.own_v is None else np.full(who.size, piece.own_v)) * piece.level
        for piece in pieces
    ]
    begin_s, end_s = (np.repeat(np.array([piece[k] for piece in pieces], np.float64), who.size) for k in (1, 2))
    meter = np.tile(who.astype(np.int64), len(pieces))
    return Excursions(meter, np.full(meter.size, element, np.int64), begin_s, end_s, np.concatenate(laid_v))
