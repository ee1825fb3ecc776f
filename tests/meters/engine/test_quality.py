"""Voltage supervision equals a loop over samples, however the samples are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Config,
    Engine,
    EngineError,
    EventKind,
    Flag,
    Input,
    Logger,
    PhaseOutage,
    SetInput,
    VoltageLimits,
)
from meters.engine.quality import Supervision
from meters.scenario import Constant, Fault, FaultKind, Faults
from tests.meters.engine.reference import START_S

LIMITS = VoltageLimits(failed_hold_s=1, level_hold_s=3)


def conditions(voltages: list[float]) -> dict:
    """Which conditions one sample of three phases fulfils."""
    dead = all(u < 160 for u in voltages)
    out = {(EventKind.POWER_FAIL, 0): dead}
    for phase, u in enumerate(voltages, 1):
        out[EventKind.MISSING_PHASE, phase] = u < 160 and not dead
        out[EventKind.UNDER_VOLTAGE, phase] = 160 <= u < 207
        out[EventKind.OVER_VOLTAGE, phase] = u > 253
    return out


def loop(samples: list[list[float]]) -> list[tuple]:
    """(step, kind, phase, active, begin, mean, max, min) of one meter, sample by sample."""
    runs: dict = {}
    changes = []
    for step, voltages in enumerate(samples):
        for key, true in conditions(voltages).items():
            watched = voltages[key[1] - 1] if key[1] else max(voltages)
            run = runs.setdefault(key, [])
            hold = 1 if key[0] in (EventKind.POWER_FAIL, EventKind.MISSING_PHASE) else 3
            if true:
                run.append(watched)
                if len(run) == hold + 1:
                    changes.append((step, *key, True, step - hold, 0.0, 0.0, 0.0))
            else:
                if len(run) > hold:
                    mean = sum(run) / len(run)
                    changes.append((step, *key, False, step - len(run), mean, max(run), min(run)))
                run.clear()
    return sorted(changes, key=lambda change: (change[0], change[1].name, change[2]))


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 100.0, 159.0, 160.0, 206.0, 230.0, 254.0]), min_size=3, max_size=3), max_size=60
    ),
    st.lists(st.integers(1, 20), min_size=1, max_size=8),
)
def test_supervision_equals_a_loop(samples, cuts):
    voltage_v = np.array(samples, float).reshape(-1, 3).T[:, :, None]
    supervision, found, at, turn = Supervision(LIMITS.rules((1, 2, 3)), 1), [], 0, 0
    while at < len(samples):
        length = cuts[turn % len(cuts)]
        part = voltage_v[:, at : at + length] * 1e6
        _, changes = supervision.window(part, np.arange(1, part.shape[1] + 1) * 1000)
        for c in changes:
            assert c.at_ms % 1000 == c.begin_ms % 1000 == 0
            step = c.at_ms // 1000 - c.active
            found.append((at + step, c.kind, c.phase, c.active, at + c.begin_ms // 1000, *c.voltages_v))
        at, turn = at + length, turn + 1
    found.sort(key=lambda change: (change[0], change[1].name, change[2]))
    expected = loop(samples)
    assert [change[:5] for change in found] == [change[:5] for change in expected]
    for one, other in zip(found, expected, strict=True):
        assert one[5:] == pytest.approx(other[5:])
    standing = {key for key, step in last_changes(expected).items() if step}
    active = {(k, p) for k, p in supervision.keys if supervision.is_active(k, p, 0)}
    assert active == standing


def last_changes(changes: list[tuple]) -> dict:
    return {(kind, phase): active for _, kind, phase, active, *_ in changes}


def test_missing_phase_and_levels_in_the_engine():
    faults = (
        Fault(FaultKind.PHASE_LOSS, START_S + 10, START_S + 20, phase=2),
        Fault(FaultKind.PHASE_LOSS, START_S + 30, START_S + 31, phase=3),
        Fault(FaultKind.SAG, START_S + 900, START_S + 1700, phase=1, level=0.88),
        Fault(FaultKind.SAG, START_S + 1800, START_S + 2500, phase=3, level=1.12),
    )
    engine = Engine(Config(), Faults(Constant(1000.0), faults), START_S)
    engine.advance(START_S + 1600)
    assert engine.is_active(EventKind.UNDER_VOLTAGE, phase=1)
    assert not engine.is_active(EventKind.UNDER_VOLTAGE, phase=2)
    engine.advance(START_S + 3600)
    lines = [
        (e.kind, e.phase, e.active, e.begin_s - START_S, e.time_s - START_S) for e in engine.events(Logger.VOLTAGE)
    ]
    assert lines == [
        (EventKind.MISSING_PHASE, 2, True, 10, 12),
        (EventKind.MISSING_PHASE, 2, False, 10, 20),
        (EventKind.UNDER_VOLTAGE, 1, True, 900, 1501),
        (EventKind.UNDER_VOLTAGE, 1, False, 900, 1700),
        (EventKind.OVER_VOLTAGE, 3, True, 1800, 2401),
        (EventKind.OVER_VOLTAGE, 3, False, 1800, 2500),
    ]
    assert engine.events(Logger.VOLTAGE)[-1].mean_v == pytest.approx(257.6)
    assert engine.profile.rows(0, 0, 4).flags.tolist() == [0, Flag.UNDER_VOLTAGE, Flag.OVER_VOLTAGE, 0]


def test_phase_outage_takes_its_load_away():
    engine = Engine(Config(), Constant([1000.0, 2000.0, 4000.0]), START_S)
    engine.command(0, PhaseOutage(2, True), START_S + 100)
    engine.command(0, PhaseOutage(2, False), START_S + 200)
    engine.advance(START_S + 300)
    assert engine.tiles[0].energy.total[0, 0, 0] == (7000 * 300 - 2000 * 100) * 10**6 // 3600
    assert [e.time_s - START_S for e in engine.events(Logger.VOLTAGE)] == [102, 200]


def test_inputs_are_edges_in_the_status_log():
    fault = Fault(FaultKind.MAGNET, START_S + 5, START_S + 8)
    engine = Engine(Config(), Faults(Constant(1000.0), (fault,)), START_S, meters=2)
    engine.command(1, SetInput(Input.COVER, True), START_S + 6)
    engine.advance(START_S + 20)
    assert [(e.kind, e.active, e.time_s - START_S) for e in engine.events(Logger.STATUS, 0)] == [
        (EventKind.MAGNET, True, 5),
        (EventKind.MAGNET, False, 8),
    ]
    assert [e.kind for e in engine.events(Logger.STATUS, 1)] == [EventKind.MAGNET, EventKind.COVER, EventKind.MAGNET]
    assert engine.inputs(1) == Input.COVER
    engine.command(1, SetInput(Input.COVER, False))
    engine.advance(START_S + 30)
    assert engine.inputs(1) == 0


def test_limits_are_in_order():
    with pytest.raises(EngineError, match="in order"):
        VoltageLimits(low_v=260.0)
