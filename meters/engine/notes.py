"""What a window makes a meter write into its event loggers, in the order in which the meter noticed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from meters.engine.config import TAMPERING, Feature
from meters.engine.events import EventKind
from meters.engine.quality import Measured
from meters.engine.window import Window

INPUT_KINDS = (EventKind.MAGNET, EventKind.COVER, EventKind.ALARM)
"""Events of the `Input` bits, lowest first."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line to be written; times are milliseconds since the begin of the window."""

    noticed_ms: int
    """Lines are written in this order, however time is cut into windows."""
    meter: int
    kind: EventKind
    active: bool
    at_ms: int
    """When the event is stamped."""
    begin_ms: int
    phase: int = 0
    voltages_v: Measured = (0.0, 0.0, 0.0)


def write_notes(window: Window) -> None:
    """Write everything that happens to voltages and inputs during the window."""
    notes = [*_voltage_notes(window), *_incident_notes(window), *_input_notes(window)]
    state = window.state
    for note in sorted(notes, key=lambda note: (note.noticed_ms, note.meter, note.kind.value, note.phase)):
        zero_s = window.start_s + int(state.clock_offset_s[note.meter])
        begin_s, begin_ms = divmod(note.begin_ms, 1000)
        state.events.add(
            note.meter,
            zero_s + note.at_ms // 1000,
            note.kind,
            active=note.active,
            phase=note.phase,
            begin_s=zero_s + begin_s,
            voltages_v=note.voltages_v,
            begin_ms=begin_ms,
            length_ms=0 if note.active else note.at_ms - note.begin_ms,
        )


def _voltage_notes(window: Window) -> Iterator[Note]:
    """A beginning and an end are stamped when they are noticed."""
    for one in window.changes:
        place = (one.meter, one.kind, one.active, one.at_ms, one.begin_ms, one.phase)
        yield Note(one.noticed_ms, *place, one.voltages_v)
        if one.kind is EventKind.POWER_FAIL and not one.active:
            yield Note(one.noticed_ms, one.meter, EventKind.RESET, True, one.at_ms, one.at_ms)


def _incident_notes(window: Window) -> Iterator[Note]:
    """Dips, swells and interruptions are written when they have ended, with their extreme."""
    for one in window.incidents:
        if not one.active:
            _, largest_v, smallest_v = one.voltages_v
            voltages_v = (0.0, largest_v, 0.0) if one.kind is EventKind.SWELL else (0.0, 0.0, smallest_v)
            yield Note(one.noticed_ms, one.meter, one.kind, False, one.at_ms, one.begin_ms, one.phase, voltages_v)


def _input_notes(window: Window) -> Iterator[Note]:
    """Both edges of every digital input; remembers the levels for the next window."""
    state = window.state
    if window.inputs is None and not (state.forced_inputs | state.inputs).any():
        return
    raw = np.zeros((window.steps, len(state.numbers)), np.uint8) if window.inputs is None else window.inputs
    if Feature.TAMPER not in state.config.features:
        raw = raw & ~np.uint8(TAMPERING)
    levels = raw | state.forced_inputs
    before = np.concatenate([state.inputs[None], levels[:-1]])
    state.inputs, step_ms = levels[-1].copy(), state.config.step_s * 1000
    for step, meter in np.argwhere(levels != before).tolist():
        for bit, kind in enumerate(INPUT_KINDS):
            if (levels[step, meter] ^ before[step, meter]) >> bit & 1:
                at_ms = step * step_ms
                yield Note(at_ms, meter, kind, bool(levels[step, meter] >> bit & 1), at_ms, at_ms)
