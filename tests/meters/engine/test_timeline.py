"""Excursions reach logs, flags and counters as a loop over tenths of a second finds them, however time is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Block,
    Config,
    Disturbed,
    Engine,
    EngineError,
    EventKind,
    Excursions,
    Flag,
    Kind,
    Logger,
    Measurand,
    PhaseOutage,
    Playback,
    Quantity,
    Thresholds,
    VoltageLimits,
    Wiring,
)
from meters.engine.power_quality import KINDS
from meters.scenario import Household
from tests.meters.engine.reference import START_S
from tests.meters.engine.test_power_quality import loop as incidents
from tests.meters.engine.test_quality import conditions

TENTHS = 10
LEVELS = [0.0, 8.0, 14.0, 100.0, 180.0, 206.0, 210.0, 230.0, 249.0, 254.0]
SECONDS = 12


def excursions(rows: list[tuple[int, int, float, float, float]]) -> Excursions:
    """Out of (meter, element, begin, end, voltage), seconds after START_S."""
    meter, element, begin_s, end_s, voltage_v = (np.array(column) for column in zip(*rows, strict=True))
    return Excursions(meter, element, START_S + begin_s, START_S + end_s, voltage_v.astype(float))


def steady(steps: int, meters: int = 1, **fields) -> Block:
    """230 V and a kilowatt on each of three phases."""
    shape = (3, steps, meters)
    block = Block.from_power(np.full(shape, 1000.0), np.zeros(shape), np.full(shape, 230.0))
    return Block(block.active_w, block.reactive_var, block.voltage_v, block.current_a, **fields)


@st.composite
def fleets(draw):
    """Step voltages (element, second, meter) and excursions of two meters, the second of which has none."""
    steps = draw(
        st.lists(st.lists(st.sampled_from(LEVELS), min_size=3, max_size=3), min_size=SECONDS, max_size=SECONDS)
    )
    calm = draw(st.sampled_from([230.0, 100.0]))
    voltage_v = np.stack([np.array(steps).T, np.full((3, SECONDS), calm)], axis=-1)
    rows = []
    for element in range(3):
        edges = draw(st.lists(st.integers(-5, SECONDS * TENTHS + 5), unique=True, max_size=8).map(sorted))
        pairs = zip(edges[::2], edges[1::2], strict=False)
        rows += [(0, element, a / TENTHS, b / TENTHS, draw(st.sampled_from(LEVELS))) for a, b in pairs]
    return voltage_v, rows


def ticks(voltage_v: np.ndarray, rows: list, meter: int, shortest: float) -> list[list[float]]:
    """The voltages of each tenth of a second."""
    out = []
    for tick in range(SECONDS * TENTHS):
        now = [float(voltage_v[element, tick // TENTHS, meter]) for element in range(3)]
        for who, element, begin, end, level in rows:
            if (
                who == meter
                and round((end - begin) * TENTHS) >= shortest
                and begin * TENTHS <= tick < end * TENTHS - 0.5
            ):
                now[element] = level
        out.append(now)
    return out


def supervised(samples: list[list[float]]) -> list[tuple]:
    """(kind, phase, active, begin, at) in milliseconds of one meter, tick by tick."""
    runs: dict = {}
    found = []
    for tick, voltages in enumerate([*samples, None]):
        now = tick * 100
        for key, true in (conditions(voltages) if voltages else dict.fromkeys(runs, None)).items():
            begin = runs.get(key)
            hold = 1000 if key[0] in (EventKind.POWER_FAIL, EventKind.MISSING_PHASE) else 2000
            if true and begin is None:
                runs[key] = now
            elif not true and begin is not None:
                if now - begin > hold:
                    found.append((*key, True, begin, min(now, (begin + hold) // 1000 * 1000 + 1000)))
                    if true is not None:
                        found.append((*key, False, begin, now))
                runs[key] = None
    return found


@given(fleets(), st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_logs_of_random_excursions_equal_a_loop(fleet, cuts):
    voltage_v, rows = fleet
    shape = voltage_v.shape
    block = Block.from_power(np.full(shape, 1000.0), np.zeros(shape), voltage_v)
    block = Block(*(getattr(block, n) for n in ("active_w", "reactive_var", "voltage_v", "current_a")))
    given = excursions(rows) if rows else None
    block = Block(block.active_w, block.reactive_var, voltage_v, block.current_a, excursions=given)
    config = Config(power_quality=Thresholds(), voltage=VoltageLimits(level_hold_s=2))
    engine, turn = Engine(config, Playback(block, START_S), START_S, 2), 0
    while engine.now_s < START_S + SECONDS:
        engine.advance(min(engine.now_s + cuts[turn % len(cuts)], START_S + SECONDS))
        turn += 1
    for meter in range(2):
        lines = engine.events(Logger.VOLTAGE, meter)
        times = [1000 * (e.begin_s - START_S) + e.begin_ms for e in lines]
        found = [
            (e.kind, e.phase, e.active, begin, e.time_s - START_S if e.active else begin + e.length_ms)
            for e, begin in zip(lines, times, strict=True)
        ]
        expected = [
            (*one[:4], one[4] // 1000 if one[2] else one[4])
            for one in supervised(ticks(voltage_v, rows, meter, TENTHS))
        ]
        samples = ticks(voltage_v, rows, meter, 1)
        for kind in KINDS:
            expected += [(kind, 0, False, begin * 100, end * 100) for begin, end, _ in incidents(kind, samples)]
        assert sorted(found, key=str) == sorted(expected, key=str)
        worst = [round(e.max_v + e.min_v, 3) for e in lines if e.kind in KINDS and e.kind is EventKind.DIP]
        assert worst == [extreme for _, _, extreme in incidents(EventKind.DIP, samples)]
        for kind, measurand in ((EventKind.DIP, Measurand.DIPS), (EventKind.SWELL, Measurand.SWELLS)):
            assert engine.register(Quantity(measurand, Kind.COUNT), meter) == len(incidents(kind, samples))


def test_phasors_of_a_quarter_hour_show_a_dip_of_100_ms():
    """And a loss of one phase for five seconds is one for the meter's own supervision too."""
    given = excursions([(1, 1, 1000.25, 1000.35, 150.0), (1, 2, 2000.0, 2005.0, 0.0), (0, 0, 4000.0, 4000.5, 260.0)])
    block = steady(8, 2, excursions=given)
    config = Config(step_s=900, power_quality=Thresholds())
    engine = Engine(config, Playback(block, START_S, 900), START_S, 2)
    engine.advance(START_S + 7200)
    assert [
        (e.kind, e.phase, e.active, e.time_s - START_S, e.begin_s - START_S, e.begin_ms, e.length_ms, e.min_v)
        for e in engine.events(Logger.VOLTAGE, 1)
    ] == [
        (EventKind.DIP, 0, False, 1000, 1000, 250, 100, 150.0),
        (EventKind.MISSING_PHASE, 3, True, 2002, 2000, 0, 0, 0.0),
        (EventKind.MISSING_PHASE, 3, False, 2005, 2000, 0, 5000, 0.0),
        (EventKind.DIP, 0, False, 2005, 2000, 0, 5000, 0.0),
    ]
    (swell,) = engine.events(Logger.VOLTAGE, 0)
    assert (swell.kind, swell.length_ms, swell.max_v) == (EventKind.SWELL, 500, 260.0)
    flagged = [engine.profile.rows(meter, 0, 8).flags.tolist() for meter in range(2)]
    assert flagged == [[0, 0, 0, 0, Flag.FLAGGED, 0, 0, 0], [0, Flag.FLAGGED, Flag.FLAGGED, 0, 0, 0, 0, 0]]
    assert engine.tiles[0].energy.total[0, 0].tolist() == [6000 * 10**6] * 2


def test_a_stream_of_events_lies_over_any_source_however_the_fleet_is_cut():
    """Phase 0 is all phases; meters count within the fleet, here cut into tiles of three and taken from number 4 on."""
    stream = Excursions.of_events(
        [(5, 2, START_S + 30.25, 0.1, 140.0), (8, 0, START_S + 40.0, 0.5, 3.0), (9, 1, START_S + 50, 1.0, 280.0)],
        Wiring.THREE_PHASE,
    )
    source = Disturbed(Disturbed(Household(drops_per_day=0.0), stream), stream.part(stream.meter < 0))
    config = Config(power_quality=Thresholds())
    whole = Engine(config, source, START_S, 10)
    tail = Engine(config, source, START_S, 6, first=4, tile=3)
    for engine in (whole, tail):
        engine.advance(START_S + 60)
    found = {meter: [e.kind for e in whole.events(Logger.VOLTAGE, meter)] for meter in range(10)}
    assert {meter: kinds for meter, kinds in found.items() if kinds} == {
        5: [EventKind.DIP],
        8: [EventKind.DIP, EventKind.INTERRUPTION],
        9: [EventKind.SWELL],
    }
    for meter in range(4, 10):
        assert tail.events(Logger.VOLTAGE, meter - 4) == whole.events(Logger.VOLTAGE, meter)
    with pytest.raises(EngineError, match="no phase 2"):
        Excursions.of_events([(0, 2, 0.0, 1.0, 10.0)], Wiring.ARON)


def test_a_lost_supply_is_one_when_all_steps_are_dark():
    """Excursions do not stop the registers: the powers of the steps do.  A whole dark step is without supply."""
    given = excursions([(0, element, 2.5, 5.5, 0.0) for element in range(3)])
    engine = Engine(Config(), Playback(steady(10, excursions=given), START_S), START_S)
    engine.advance(START_S + 5)
    assert engine.is_active(EventKind.POWER_FAIL)
    assert not engine.has_supply()
    engine.advance(START_S + 10)
    kinds = [(e.kind, e.active, e.time_s - START_S) for e in engine.events(Logger.VOLTAGE)]
    assert kinds == [(EventKind.POWER_FAIL, True, 4), (EventKind.POWER_FAIL, False, 5)]
    assert engine.tiles[0].energy.total[0, 0, 0] == 3000 * (10 - 2) * 10**6 // 3600
    assert [e.kind for e in engine.events(Logger.STATUS)] == [EventKind.RESET]


def test_a_phase_that_is_cut_off_has_no_excursions():
    given = excursions([(0, 1, 4.0, 4.5, 280.0)])
    engine = Engine(Config(power_quality=Thresholds()), Playback(steady(8, excursions=given), START_S), START_S)
    engine.command(0, PhaseOutage(2, True), START_S + 2)
    engine.advance(START_S + 8)
    assert EventKind.SWELL not in [e.kind for e in engine.events(Logger.VOLTAGE)]


def test_an_incident_that_goes_on_is_active():
    given = excursions([(0, 1, 4.0, 9.0, 120.0)])
    engine = Engine(Config(power_quality=Thresholds()), Playback(steady(8, excursions=given), START_S), START_S)
    engine.advance(START_S + 7)
    assert engine.is_active(EventKind.DIP)
    assert not engine.is_active(EventKind.SWELL)
    assert engine.profile.count() == 0


def test_nonsense_is_refused():
    with pytest.raises(EngineError, match="one length"):
        Excursions(np.zeros(2, int), np.zeros(1, int), np.zeros(1), np.zeros(1), np.zeros(1))
    with pytest.raises(EngineError, match="before it begins"):
        excursions([(0, 0, 2.0, 1.0, 100.0)])
    with pytest.raises(EngineError, match="no voltage"):
        excursions([(0, 0, 1.0, 2.0, np.nan)])
    for rows, words in (
        ([(0, 0, 1.0, 3.0, 100.0), (0, 0, 2.0, 4.0, 100.0)], "overlap"),
        ([(0, 3, 1.0, 3.0, 100.0)], "element 3"),
    ):
        engine = Engine(Config(), Playback(steady(8, excursions=excursions(rows)), START_S), START_S)
        with pytest.raises(EngineError, match=words):
            engine.advance(START_S + 8)
