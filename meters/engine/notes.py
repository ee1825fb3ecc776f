"""What a window makes a meter write into its event loggers, in the order in which the meter noticed it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from meters.engine.events import EventKind
from meters.engine.quality import Measured
from meters.engine.window import Window

INPUT_KINDS = (EventKind.MAGNET, EventKind.COVER, EventKind.ALARM)
"""Events of the `Input` bits, lowest first."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line to be written; steps count from the begin of the window."""

    noticed: int
    """The step in which it was noticed: lines are written in this order, however time is cut into windows."""
    meter: int
    kind: EventKind
    active: bool
    step: int
    """The step at whose begin the event is stamped."""
    begin: int
    phase: int = 0
    voltages_v: Measured = (0.0, 0.0, 0.0)


def write_notes(window: Window) -> None:
    """Write everything that happens to voltages and inputs during the window."""
    notes = [*_voltage_notes(window), *_incident_notes(window), *_input_notes(window)]
    state, step_s = window.state, window.state.config.step_s
    for note in sorted(notes, key=lambda note: (note.noticed, note.meter, note.kind.value, note.phase)):
        zero_s = window.start_s + int(state.clock_offset_s[note.meter])
        state.events.add(
            note.meter,
            zero_s + note.step * step_s,
            note.kind,
            active=note.active,
            phase=note.phase,
            begin_s=zero_s + note.begin * step_s,
            voltages_v=note.voltages_v,
        )


def _voltage_notes(window: Window) -> Iterator[Note]:
    """A beginning is known at the end of its step, an end at the beginning of the first good step."""
    for change in window.changes:
        step = change.step + change.active
        yield Note(
            change.step,
            change.meter,
            change.kind,
            change.active,
            step,
            change.begin_step,
            change.phase,
            change.voltages_v,
        )
        if change.kind is EventKind.POWER_FAIL and not change.active:
            yield Note(change.step, change.meter, EventKind.RESET, True, step, step)


def _incident_notes(window: Window) -> Iterator[Note]:
    """Dips, swells and interruptions are written when they have ended."""
    for detector in window.state.detectors:
        before = detector.steps
        _, ended = detector.window(window.measured_v)
        swell = detector.kind is EventKind.SWELL
        columns = (ended.meter, ended.begin - before, ended.end - before, ended.extreme_v)
        for meter, begin, end, extreme_v in zip(*(column.tolist() for column in columns), strict=True):
            voltages_v = (0.0, extreme_v, 0.0) if swell else (0.0, 0.0, extreme_v)
            yield Note(end, meter, detector.kind, False, end, begin, voltages_v=voltages_v)


def _input_notes(window: Window) -> Iterator[Note]:
    """Both edges of every digital input; remembers the levels for the next window."""
    state = window.state
    if window.inputs is None and not (state.forced_inputs | state.inputs).any():
        return
    raw = np.zeros((window.steps, len(state.numbers)), np.uint8) if window.inputs is None else window.inputs
    levels = raw | state.forced_inputs
    before = np.concatenate([state.inputs[None], levels[:-1]])
    state.inputs = levels[-1].copy()
    for step, meter in np.argwhere(levels != before).tolist():
        for bit, kind in enumerate(INPUT_KINDS):
            if (levels[step, meter] ^ before[step, meter]) >> bit & 1:
                yield Note(step, meter, kind, bool(levels[step, meter] >> bit & 1), step, step)
