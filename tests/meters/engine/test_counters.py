"""The counters of voltage quality equal loops over intervals, and count nothing before it has happened."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import (
    Block,
    Config,
    Engine,
    EngineError,
    Every,
    Kind,
    LogName,
    LogSpec,
    Measurand,
    Playback,
    Quantity,
    Thresholds,
    Wiring,
    en_50160,
)
from meters.engine.counters import FREQUENCY_SHARES
from meters.engine.flicker import plt, short_flicker
from meters.engine.phasor import TURN, unbalance
from meters.engine.recorder import Recorder
from meters.engine.waveform import Waveform, coherent
from meters.scenario import Constant, Fault, FaultKind, Faults
from tests.meters.engine.reference import START_S

WATCHED = Config(power_quality=Thresholds())


def count(engine: Engine, measurand: Measurand, phase: int = 0, meter: int = 0) -> int:
    return engine.register(Quantity(measurand, Kind.COUNT, phase), meter)


def block(voltage_v: np.ndarray, **fields) -> Block:
    zero = np.zeros(voltage_v.shape)
    return Block(zero, zero, voltage_v, zero, **fields)


@given(
    st.lists(
        st.sampled_from([42.0, 46.9, 48.9, 49.49, 49.5, 50.0, 50.5, 50.6, 51.1, 52.2, 58.0]), min_size=25, max_size=60
    ),
    st.lists(st.integers(1, 17), min_size=1, max_size=5),
    st.integers(0, 9),
)
def test_frequency_counts_means_of_ten_seconds(values, cuts, late):
    start_s, steps = START_S + late, len(values)
    frequency_hz = np.array(values)[:, None]
    source = Playback(block(np.full((3, steps, 1), 230.0), frequency_hz=frequency_hz), start_s)
    engine, turn = Engine(WATCHED, source, start_s), 0
    while engine.now_s < start_s + steps:
        engine.advance(min(start_s + steps, engine.now_s + cuts[turn % len(cuts)]))
        turn += 1
    tens: dict[int, list[float]] = {}
    for step, value in enumerate(values):
        tens.setdefault((start_s + step) // 10, []).append(value)
    tens = {ten: inside for ten, inside in tens.items() if (ten + 1) * 10 <= start_s + steps}
    means = [math.fsum(inside) / len(inside) for inside in tens.values()]
    for measurand, share in FREQUENCY_SHARES.items():
        limit_hz = 50 * (1 + share)
        if not any(math.isclose(mean, limit_hz) for mean in means):
            assert count(engine, measurand) == sum(mean < limit_hz if share < 0 else mean > limit_hz for mean in means)


def test_a_count_shows_from_the_moment_it_is_known():
    """A profile row that is closed before the interval ends does not know of it yet."""
    frequency_hz = np.full((30, 1), 49.0)
    source = Playback(block(np.full((3, 30, 1), 230.0), frequency_hz=frequency_hz), START_S)
    shown = []
    for until_s in (9, 10, 19, 20, 30):
        engine = Engine(WATCHED, source, START_S)
        engine.advance(START_S + 30 if until_s == 30 else START_S + until_s)
        shown.append(count(engine, Measurand.FREQUENCY_BELOW_1))
    assert shown == [0, 1, 1, 2, 3]


def test_interruptions_are_long_or_short_and_under_voltages_begin():
    faults = (
        Fault(FaultKind.POWER_FAIL, START_S + 100, START_S + 280),
        Fault(FaultKind.POWER_FAIL, START_S + 1000, START_S + 1181),
        Fault(FaultKind.SAG, START_S + 2000, START_S + 2700, phase=1, level=0.8),
        Fault(FaultKind.SAG, START_S + 3000, START_S + 3010, phase=2, level=1.2),
    )
    engine = Engine(WATCHED, Faults(Constant(1000.0), faults), START_S)
    engine.advance(START_S + 2601)
    assert count(engine, Measurand.UNDER_VOLTAGES) == 1
    engine.advance(START_S + 3600)
    counted = (Measurand.SHORT_INTERRUPTIONS, Measurand.LONG_INTERRUPTIONS, Measurand.DIPS, Measurand.SWELLS)
    assert [count(engine, one) for one in counted] == [1, 1, 3, 1]
    assert [count(engine, one) for one in (Measurand.UNDER_VOLTAGES, Measurand.OVER_VOLTAGES)] == [1, 0]
    assert count(engine, Measurand.RAPID_CHANGES) == 0


@given(
    st.lists(
        st.lists(st.sampled_from([210.0, 221.6, 230.0, 241.4, 241.6, 252.0]), min_size=3, max_size=3),
        min_size=2,
        max_size=30,
    ),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
)
def test_rapid_changes_are_between_neighbouring_seconds(values, cuts):
    voltage_v = np.array(values).T[:, :, None]
    engine, turn = Engine(WATCHED, Playback(block(voltage_v), START_S), START_S), 0
    while engine.now_s < START_S + len(values):
        engine.advance(min(START_S + len(values), engine.now_s + cuts[turn % len(cuts)]))
        turn += 1
    pairs = itertools.pairwise(values)
    expected = sum(any(round(abs(a - b), 6) >= 11.5 for a, b in zip(*pair, strict=True)) for pair in pairs)
    assert count(engine, Measurand.RAPID_CHANGES) == expected


def test_a_dip_is_no_rapid_change():
    levels = [230.0, 230.0, 190.0, 230.0, 215.0, 215.0]
    voltage_v = np.full((3, 6, 1), 230.0)
    voltage_v[1, :, 0] = levels
    engine = Engine(WATCHED, Playback(block(voltage_v), START_S), START_S)
    engine.advance(START_S + 6)
    assert count(engine, Measurand.RAPID_CHANGES) == 1


def test_ten_minute_means_of_voltage_unbalance_and_distortion():
    """Ninety minutes in steps of a minute: which of the intervals is beyond a limit is told apart by phase."""
    shape = (3, 90, 2)
    voltage_v, thd = np.full(shape, 230.0), np.zeros(shape)
    voltage_v[2, 10:20, 1] = 206.0
    voltage_v[2, 20:30, 1] = np.where(np.arange(10) < 9, 206.0, 230.0)
    thd[1, 30:40, 0], thd[1, 40:50, 0] = 0.079, 0.081
    unbalance_share = np.zeros(shape[1:])
    unbalance_share[50:60, 0] = 0.021
    config = Config(step_s=60, power_quality=Thresholds())
    whole = block(voltage_v, unbalance=unbalance_share, voltage_thd=thd, current_thd=thd[::-1].copy())
    engine = Engine(config, Playback(whole, START_S, 60), START_S, 2)
    engine.advance(START_S + 5400)
    assert [count(engine, Measurand.LOW_VOLTAGES, meter=meter) for meter in (0, 1)] == [0, 1]
    assert [count(engine, Measurand.UNBALANCES, meter=meter) for meter in (0, 1)] == [1, 0]
    assert [count(engine, Measurand.VOLTAGE_DISTORTIONS, phase) for phase in (1, 2, 3)] == [0, 1, 0]
    assert [count(engine, Measurand.CURRENT_DISTORTIONS, phase) for phase in (1, 2, 3)] == [0, 1, 0]
    engine = Engine(config, Playback(block(voltage_v), START_S, 60), START_S, 2)
    engine.advance(START_S + 5400)
    nominal = 230 * np.array([1.0, TURN**2, TURN * 206 / 230])
    assert unbalance(nominal) > 0.02
    assert [count(engine, Measurand.UNBALANCES, meter=meter) for meter in (0, 1)] == [0, 2]


def in_events(voltage_v: np.ndarray) -> np.ndarray:
    """Which steps of (phase, step) lie in a dip or a swell, step by step."""
    marks, dip, swell = [], False, False
    for step in voltage_v.T:
        dip = step.min() < 207.0 or (dip and step.min() < 211.6)
        swell = step.max() > 253.0 or (swell and step.max() > 248.4)
        marks.append(dip or swell)
    return np.array(marks)


MONDAY_S = 1_767_571_200
LOGS = {LogName.LOAD_PROFILE: LogSpec((Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY),), Every(3600), 10)}
WEEK = 1008


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_week_of_a_living_meter_is_judged_as_its_values_are(seed):
    """Ten-minute steps from Sunday on: what `Engine.week` says equals EN 50160 of the arrays of the whole week."""
    rng, early = np.random.default_rng(seed), 144
    steps = early + WEEK + 30
    voltage_v = rng.normal(222, 9, (3, steps, 2))
    voltage_v[0, early + 10, 0], voltage_v[2, early + 11, 1] = 250.0, 260.0
    thd, share = rng.uniform(0, 0.083, voltage_v.shape), rng.uniform(0, 0.021, voltage_v.shape[1:])
    frequency_hz = rng.normal(50, 0.25, share.shape)
    harmonics = rng.uniform(0, 0.05, (5, *voltage_v.shape))
    severity = rng.uniform(0, 1.7, voltage_v.shape)
    whole = block(voltage_v, frequency_hz=frequency_hz, unbalance=share, voltage_thd=thd)
    whole = replace(whole, voltage_harmonics=harmonics, short_flicker=severity)
    start_s = MONDAY_S - early * 600
    config = Config(step_s=600, power_quality=Thresholds(), logs=LOGS)
    engine = Engine(config, Playback(whole, start_s, 600), start_s, 2)
    engine.advance(MONDAY_S + WEEK * 600 - 600)
    with pytest.raises(EngineError, match="no week is over"):
        engine.week()
    engine.advance(MONDAY_S + WEEK * 600 + 18_000)
    for meter in range(2):
        for so_far, part in ((False, slice(early, early + WEEK)), (True, slice(early + WEEK, None))):
            volts = np.rint(voltage_v[:, part, meter] * 1000) / 1000
            flagged = in_events(voltage_v[:, :, meter])[part]
            expected = en_50160(
                volts,
                frequency_hz[part, meter],
                unbalance=share[part, meter],
                thd=thd[:, part, meter],
                flagged=flagged,
                harmonics={order: harmonics[order - 1, :, part, meter] for order in (3, 5)},
                long_flicker=plt(severity[:, part, meter]),
            )
            found = engine.week(meter, so_far=so_far)
            assert [(one.what, one.needed) for one in found] == [(one.what, one.needed) for one in expected]
            assert [one.share for one in found] == pytest.approx([one.share for one in expected], nan_ok=True)
            assert {one.outcome for one in found} == {"passed", "failed", "not measured"}


def outcomes(engine: Engine) -> dict[str, str]:
    return {one.what.split(" ")[0]: one.outcome for one in engine.week(so_far=True) if "harmonic" not in one.what}


def test_what_was_not_measured_has_not_passed():
    """Steps without THD, harmonics, flicker; then two hours that have them, of which the first has no Pst in one step."""
    steps = 36
    plain = block(np.full((3, steps, 1), 230.0))
    config = Config(step_s=600, power_quality=Thresholds(), logs=LOGS)
    engine = Engine(config, Playback(plain, MONDAY_S, 600), MONDAY_S)
    engine.advance(MONDAY_S + steps * 600)
    measured = {"voltage": "passed", "frequency": "passed", "unbalance": "passed"}
    assert outcomes(engine) == measured | {"THD": "not measured", "flicker": "not measured"}
    assert {one.outcome for one in engine.week(so_far=True) if "harmonic" in one.what} == {"not measured"}
    assert not any(one.passed for one in engine.week(so_far=True) if one.outcome == "not measured")
    for known, outcome in ((24, "not measured"), (23, "passed")):
        severity = np.full((3, steps, 1), np.nan)
        severity[:, known:] = 0.5
        severity[1, 24:] = np.nan if outcome == "not measured" else 0.9
        felt = replace(plain, short_flicker=severity, voltage_thd=np.full(severity.shape, 0.01))
        engine = Engine(config, Playback(felt, MONDAY_S, 600), MONDAY_S)
        engine.advance(MONDAY_S + steps * 600)
        assert outcomes(engine) == measured | {"THD": "passed", "flicker": outcome}
    one = Engine(
        replace(config, wiring=Wiring.ONE_PHASE),
        Playback(block(np.full((1, steps, 1), 230.0)), MONDAY_S, 600),
        MONDAY_S,
    )
    one.advance(MONDAY_S + steps * 600)
    assert outcomes(one)["unbalance"] == "not measured"


@dataclass(frozen=True)
class Turns:
    """Two sources of a quarter of an hour each, one after the other."""

    first: Block
    second: Block

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        which = self.first if start_s < MONDAY_S + 900 else self.second
        return Playback(which, start_s - start_s % 900, step_s).block(start_s, stop_s, step_s, meters)


def test_what_a_part_of_an_interval_lacks_was_not_measured():
    """Steps of a minute, of two sources one after the other: the ten minutes in which they meet do not count, or half
    of their THD would have passed."""
    thin = block(np.full((3, 15, 1), 230.0))
    rich = replace(thin, voltage_thd=np.full((3, 15, 1), 0.09), voltage_harmonics=np.full((3, 3, 15, 1), 0.06))
    for first, second, share in ((thin, rich, 0.0), (rich, thin, 0.0), (rich, rich, 0.0), (thin, thin, np.nan)):
        config = Config(step_s=60, power_quality=Thresholds(), logs=LOGS)
        engine = Engine(config, Turns(first, second), MONDAY_S)
        engine.advance(MONDAY_S + 900)
        engine.advance(MONDAY_S + 1800)
        found = {one.what: one.share for one in engine.week(so_far=True)}
        assert found["THD 8 %"] == pytest.approx(share, nan_ok=True)
        assert found["harmonic 3"] == pytest.approx(share, nan_ok=True)
        assert np.isnan(found["harmonic 5"])


def test_waveforms_carry_harmonics_and_flicker():
    """Eleven minutes at 800 samples a second from 23:59 on: 7 % of harmonic 5, and ten whole minutes of Pst."""
    start_s, seconds, rate_hz = MONDAY_S - 60, 660, 800
    angle = 2 * np.pi * 50 * np.arange(seconds * rate_hz) / rate_hz
    voltage_v = np.stack(
        [325 * np.sin(angle - k) + 22.75 * np.sin(5 * (angle - k)) for k in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    )
    wave = Waveform(voltage_v, np.zeros_like(voltage_v), float(rate_hz))
    measured = coherent(wave, 16, harmonics=5).block(start_s=start_s)
    severity = short_flicker(voltage_v, rate_hz, start_s, seconds)
    assert np.isnan(severity[:, :60]).all()
    assert (severity[:, 60:] < 0.1).all()
    whole = replace(measured, short_flicker=severity)
    engine = Engine(Config(power_quality=Thresholds()), Playback(whole, start_s), start_s)
    engine.advance(start_s + seconds)
    found = {one.what: one.outcome for one in engine.week(so_far=True)}
    assert found["harmonic 5"] == "failed"
    assert found["THD 8 %"] == found["harmonic 3"] == "passed"
    assert found["harmonic 7"] == found["flicker Plt 1"] == "not measured", "five orders, and no two hours"
    recorder = Recorder(phases=3, harmonics=1)
    recorder.take(wave, start_s)
    assert np.allclose(recorder.short_flicker[1], severity[:, 60, 0][:, None])


def test_what_is_not_counted_says_so():
    plain = Engine(Config(), Constant(), START_S)
    with pytest.raises(EngineError, match="do not watch the power quality"):
        count(plain, Measurand.DIPS)
    with pytest.raises(EngineError, match="do not watch the power quality"):
        plain.week()
    with pytest.raises(EngineError, match="without a valid value"):
        Engine(WATCHED, Constant(), START_S).week(so_far=True)
    with pytest.raises(EngineError, match="not a counter"):
        count(plain, Measurand.VOLTAGE)
    watched = Engine(
        Config(Wiring.ONE_PHASE, step_s=60, power_quality=Thresholds()), Constant(wiring=Wiring.ONE_PHASE), START_S
    )
    watched.advance(START_S + 600)
    with pytest.raises(EngineError, match="rapid"):
        count(watched, Measurand.RAPID_CHANGES)
    with pytest.raises(EngineError, match="phase 2"):
        count(watched, Measurand.VOLTAGE_DISTORTIONS, 2)
    assert count(watched, Measurand.UNBALANCES) == 0
