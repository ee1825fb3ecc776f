"""Voltage events against a loop over half cycles, aggregation and the weekly verdict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import Config, Engine, EngineError, EventKind, Logger
from meters.engine.power_quality import (
    KINDS,
    Detector,
    Thresholds,
    aggregate_over,
    flagged_over,
    frequency_10_s,
)
from meters.engine.verdict import en_50160
from meters.scenario import Constant, Fault, FaultKind, Faults
from tests.meters.engine.reference import START_S

LEVELS = [0.0, 11.0, 14.0, 17.0, 206.0, 207.0, 211.0, 212.0, 230.0, 248.0, 249.0, 253.0, 254.0]


def loop(kind: EventKind, samples: list[list[float]]) -> list[tuple]:
    """(begin, end, extreme) of one meter, sample by sample, ended events only."""
    found, begin, extreme = [], None, 0.0
    for step, voltages in enumerate(samples):
        low, high = min(voltages), max(voltages)
        starts, ends, worst = {
            EventKind.DIP: (low < 0.9 * 230, low >= 0.9 * 230 + 0.02 * 230, low),
            EventKind.SWELL: (high > 1.1 * 230, high <= 1.1 * 230 - 0.02 * 230, high),
            EventKind.INTERRUPTION: (high < 0.05 * 230, high >= 0.05 * 230 + 0.02 * 230, high),
        }[kind]
        if begin is None:
            if starts:
                begin, extreme = step, worst
        elif ends:
            found.append((begin, step, extreme))
            begin = None
        else:
            extreme = max(extreme, worst) if kind is EventKind.SWELL else min(extreme, worst)
    return found


@pytest.mark.parametrize("kind", [EventKind.DIP, EventKind.SWELL, EventKind.INTERRUPTION])
@given(
    st.integers(1, 3).flatmap(
        lambda meters: st.lists(
            st.lists(st.lists(st.sampled_from(LEVELS), min_size=3, max_size=3), min_size=meters, max_size=meters),
            min_size=1,
            max_size=40,
        )
    ),
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
)
def test_detector_equals_a_loop_however_it_is_cut(kind, samples, cuts):
    voltage_v = np.array(samples).transpose(2, 0, 1)
    meters = voltage_v.shape[2]
    detector, found, at, turn = Detector(kind, Thresholds(), meters), [], 0, 0
    while at < len(samples):
        length = cuts[turn % len(cuts)]
        active, ended = detector.window(voltage_v[:, at : at + length])
        assert (active[-1] == detector.active).all()
        columns = (ended.meter, ended.begin, ended.end, ended.extreme_v)
        found += list(zip(*(column.tolist() for column in columns), strict=True))
        at, turn = at + length, turn + 1
    for meter in range(meters):
        expected = loop(kind, [step[meter] for step in samples])
        assert sorted(event[1:] for event in found if event[0] == meter) == expected


def test_aggregation_is_the_root_of_the_mean_of_squares_of_each_interval():
    time_s = np.arange(0, 1500, 0.2) + 1000.0
    values = np.random.default_rng(2).normal(230, 5, (time_s.size, 3))
    ends, aggregates = aggregate_over(values, time_s, 600)
    assert ends.tolist() == [1200, 1800, 2400, 3000]
    for end, aggregate in zip(ends, aggregates, strict=True):
        inside = values[(time_s >= end - 600) & (time_s < end)]
        assert np.allclose(aggregate, np.sqrt((inside**2).mean(axis=0)))
    flags = time_s == time_s[1234]
    assert flagged_over(flags, time_s, 600).tolist() == [e - 600 <= time_s[1234] < e for e in ends]
    assert aggregate_over(np.zeros((0, 3)), np.zeros(0), 600)[1].shape == (0, 3)
    assert flagged_over(np.zeros(0, bool), np.zeros(0), 600).size == 0


def test_frequency_counts_whole_cycles_in_ten_seconds():
    ends, hertz = frequency_10_s(np.arange(0.013, 25, 1 / 50.02))
    assert ends.tolist() == [10, 20, 30]
    assert np.allclose(hertz, 50.02)
    assert frequency_10_s(np.zeros(0))[1].size == 0


WEEK = 1008


def week(**changes) -> dict:
    values = {"voltage_v": np.full((3, WEEK), 230.0), "frequency_hz": np.full(60_480, 50.0)}
    return values | changes


def failures(**values) -> list[str]:
    return [verdict.what for verdict in en_50160(**values) if verdict.outcome == "failed"]


def test_verdict_of_a_week():
    assert {verdict.outcome for verdict in en_50160(**week())} == {"passed", "not measured"}
    judged = [verdict.what for verdict in en_50160(**week()) if verdict.passed]
    assert judged == ["voltage +-10 %", "voltage +10/-15 %", "frequency +-1 %", "frequency +4/-6 %"]
    low = np.full((3, WEEK), 230.0)
    low[1, :60] = 200.0
    assert failures(**week(voltage_v=low)) == ["voltage +-10 %"]
    low[1, 0] = 190.0
    assert failures(**week(voltage_v=low)) == ["voltage +-10 %", "voltage +10/-15 %"]
    flagged = np.zeros(WEEK, bool)
    flagged[:60] = True
    assert failures(**week(voltage_v=low), flagged=flagged) == []


def test_verdict_on_unbalance_distortion_and_harmonics():
    more = {
        "unbalance": np.full(WEEK, 0.03),
        "thd": np.full((3, WEEK), 0.07),
        "harmonics": {3: np.full((3, WEEK), 0.051), 5: np.full((3, WEEK), 0.051), 40: np.full((3, WEEK), 1.0)},
    }
    flicker = np.full((3, 84), 0.9)
    flicker[2, :5] = 1.1
    assert failures(**week(), **more, long_flicker=flicker) == ["unbalance 2 %", "flicker Plt 1", "harmonic 3"]
    flicker[2, 4] = 1.0
    assert "flicker Plt 1" in [one.what for one in en_50160(**week(), long_flicker=flicker) if one.passed]


def test_nonsense_is_refused():
    with pytest.raises(EngineError, match="no verdict"):
        en_50160(**week(), flagged=np.ones(WEEK, bool))
    with pytest.raises(EngineError, match="in order"):
        Thresholds(dip=1.2)
    with pytest.raises(EngineError, match="not a voltage event"):
        Detector(EventKind.MAGNET, Thresholds(), 1)


def test_the_engine_logs_dips_and_swells_when_asked():
    faults = (
        Fault(FaultKind.SAG, START_S + 10, START_S + 13, phase=2, level=0.7),
        Fault(FaultKind.SAG, START_S + 20, START_S + 22, level=1.2),
        Fault(FaultKind.POWER_FAIL, START_S + 30, START_S + 31),
    )
    engine = Engine(Config(power_quality=Thresholds()), Faults(Constant(1000.0), faults), START_S)
    engine.advance(START_S + 12)
    engine.advance(START_S + 60)
    events = [event for event in engine.events(Logger.VOLTAGE) if event.kind in KINDS]
    assert [(e.kind, e.begin_s - START_S, e.time_s - START_S, round(e.max_v + e.min_v)) for e in events] == [
        (EventKind.DIP, 10, 13, 161),
        (EventKind.SWELL, 20, 22, 276),
        (EventKind.DIP, 30, 31, 0),
        (EventKind.INTERRUPTION, 30, 31, 0),
    ]
