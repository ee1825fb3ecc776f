"""A short event of the voltage is the same one at any length of steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.engine import Config, Engine, Excursions, Logger, Wiring
from meters.engine.playback import Disturbed
from meters.engine.power_quality import KINDS, Thresholds
from meters.scenario import Constant, Fault, FaultKind, Faults, Household
from tests.meters.engine.reference import START_S

HOUR_S = 3600
WATCHING = Thresholds()
KIND_OF_FAULT = st.sampled_from([FaultKind.SAG, FaultKind.PHASE_LOSS, FaultKind.POWER_FAIL])


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    kind, begin_s = draw(KIND_OF_FAULT), draw(st.integers(0, HOUR_S - 400))
    end_s = begin_s + draw(st.one_of(st.integers(1, 20), st.integers(1, 350)))
    phase = {FaultKind.PHASE_LOSS: st.integers(1, 3), FaultKind.SAG: st.integers(0, 3)}.get(kind, st.just(0))
    meter, level = draw(st.sampled_from([None, 0, 1])), draw(st.sampled_from([0.02, 0.5, 0.85, 0.93, 1.15]))
    return Fault(kind, START_S + begin_s, START_S + end_s, meter, draw(phase), level)


def incidents(source, step_s: int, meters: int = 2, hours: int = 1) -> list[list[tuple]]:
    engine = Engine(Config(power_quality=WATCHING, step_s=step_s), source, START_S, meters)
    engine.advance(START_S + hours * HOUR_S)
    found = [[event for event in engine.events(Logger.VOLTAGE, one) if event.kind in KINDS] for one in range(meters)]
    return [
        [(e.kind, e.begin_s, e.time_s, e.length_ms, round(e.min_v, 3), round(e.max_v, 3)) for e in one] for one in found
    ]


@given(st.lists(faults(), max_size=4), st.sampled_from([10, 60, 900]))
@settings(max_examples=60, deadline=None)
def test_faults_make_the_same_dips_at_any_step(timetable, step_s):
    source = Faults(Constant(1000.0), tuple(timetable))
    assert incidents(source, step_s) == incidents(source, 1)


@pytest.mark.parametrize("step_s", [20, 300, 900])
def test_a_household_drops_alike_at_any_step(step_s):
    home = Household(3, drops_per_day=40, source_ohm=0.0)
    fine, coarse = (incidents(home, length_s, 4, 6) for length_s in (1, step_s))
    assert sum(map(len, fine)) > 10
    assert [[event[:4] for event in one] for one in coarse] == [[event[:4] for event in one] for one in fine]
    assert np.allclose([e[4] for one in coarse for e in one], [e[4] for one in fine for e in one], atol=2.0)


def test_a_dip_of_a_tenth_of_a_second_reaches_the_log_of_quarter_hours():
    source = Faults(Constant(1000.0), (Fault(FaultKind.SAG, START_S + 100.25, START_S + 100.35, 1, 2, 0.4),))
    nobody, ((_, begin_s, _, length_ms, lowest_v, _),) = incidents(source, 900)
    assert nobody == []
    assert (begin_s - START_S, length_ms, lowest_v) == (100, 100, 92.0)


def test_what_the_source_has_of_its_own_is_seen_through_the_fault():
    """An excursion in a step that is hit as a whole, one across the edge of a fault, one elsewhere and one of a meter
    without faults."""
    own = Excursions.of_events(
        [
            (0, 1, START_S + 910.0, 1.0, 200.0),
            (0, 1, START_S + 1999.0, 2.0, 100.0),
            (0, 1, START_S + 3000.0, 1.0, 90.0),
            (1, 3, START_S + 950.0, 1.0, 80.0),
        ],
        Wiring.THREE_PHASE,
    )
    sag = Fault(FaultKind.SAG, START_S + 400, START_S + 2000, 0, 0, 0.5)
    source = Faults(Disturbed(Constant(1000.0), own), (sag,))
    found = {}
    for step_s in (1, 900):
        block = source.block(START_S, START_S + HOUR_S, step_s, range(2))
        assert block.excursions is not None
        found[step_s] = [voltage_at(block, step_s, *where) for where in ((0, 910), (0, 1999), (0, 2000), (0, 3000))]
        assert voltage_at(block, step_s, 1, 950, 2) == 80.0
        assert voltage_at(block, step_s, 0, 399) == 230.0
    assert found[900] == found[1] == [100.0, 50.0, 100.0, 90.0]


def voltage_at(block, step_s: int, meter: int, moment_s: int, element: int = 0) -> float:
    """What a block says of one second, excursions first."""
    them, at_s = block.excursions, START_S + moment_s + 0.5
    here = (them.meter == meter) & (them.element == element) & (them.begin_s <= at_s) & (at_s < them.end_s)
    assert here.sum() <= 1
    return float(them.voltage_v[here][0]) if here.any() else float(block.voltage_v[element, moment_s // step_s, meter])


@given(st.lists(faults(), min_size=1, max_size=3), st.integers(1, 59), st.integers(0, 1))
@settings(max_examples=30)
def test_excursions_do_not_depend_on_how_time_and_meters_are_cut(timetable, cut, first):
    source = Faults(Household(5, drops_per_day=40), tuple(timetable))
    whole = source.block(START_S, START_S + HOUR_S, 60, range(2))
    parts = [
        source.block(START_S + begin_s, START_S + end_s, 60, range(first, 2)).excursions
        for begin_s, end_s in ((0, cut * 60), (cut * 60, HOUR_S))
    ]
    joined = Excursions.joined([part for part in parts if part is not None] or [EMPTY])
    expected = EMPTY if whole.excursions is None else whole.excursions.of(range(first, 2), START_S, START_S + HOUR_S)
    assert rows_of(joined) == rows_of(expected)


EMPTY = Excursions.of_events([], Wiring.THREE_PHASE)


def rows_of(them: Excursions) -> list[tuple]:
    columns = (them.meter, them.element, them.begin_s, them.end_s, them.voltage_v)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))
