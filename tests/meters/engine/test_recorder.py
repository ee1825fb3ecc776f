"""The recorder against the definitions: aggregates, flags that go upward, rapid changes, the verdict of a week."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from meters.engine import CLASS_A, CLASS_S, EngineError, EventKind, Waveform
from meters.engine.phase_power import HalfCycles
from meters.engine.rapid import rapid_changes
from meters.engine.recorder import Recorder
from tests.meters.engine.reference import START_S

RATE_HZ = 1600.0
SHIFT = -2 * np.pi / 3 * np.arange(3)[:, None]


def piece(duration_s: float, level=1.0, line_hz: float = 50.02, rate_hz: float = RATE_HZ, phases: int = 3) -> Waveform:
    """230 V times a level (number, or function of time), 4 % of third and 2 % of fifth harmonic in all phases."""
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    turn = 2 * np.pi * line_hz * time_s + SHIFT[:phases]
    peak_v = 230 * np.sqrt(2) * (level(time_s) if callable(level) else level)
    voltage_v = peak_v * (np.cos(turn) + 0.04 * np.cos(3 * turn) + 0.02 * np.cos(5 * turn))
    return Waveform(voltage_v, voltage_v / 23, rate_hz)


def step(time_s: np.ndarray) -> np.ndarray:
    """A percent more in the second of the ten minutes, and a dip of 0.3 s at 703 s."""
    return np.where(time_s < 900, 1.0, 1.01) * np.where((time_s >= 703) & (time_s < 703.3), 0.7, 1.0)


RMS_V = 230 * np.sqrt(1 + 0.04**2 + 0.02**2)


def test_aggregates_flags_and_frequency_of_twenty_five_minutes():
    """It begins 300 s before a tick: the ten minutes before it are not whole, and after it neither."""
    recorder = Recorder(CLASS_A, harmonics=7, lamp=None)
    recorder.take(piece(1650.0, step, rate_hz=1000.0), START_S + 300)
    tens = recorder.ten_minutes
    assert tens.end_s.tolist() == [START_S + 1200, START_S + 1800]
    dipped = np.sqrt((599.7 + 0.3 * 0.49) / 600)
    assert np.allclose(tens.voltage_v[:, 0], RMS_V * dipped, rtol=2e-5)
    assert np.allclose(tens.voltage_v[:, 1], RMS_V * 1.01, rtol=1e-6)
    assert tens.flagged.tolist() == [True, False]
    assert np.allclose(tens.harmonics[:, 1, 2], 0.04, rtol=1e-5)
    assert np.allclose(tens.harmonics[:, 1, 4], 0.02, rtol=1e-4)
    assert np.allclose(tens.harmonics[:, 1, 5], 0.0, atol=2e-4)
    assert np.allclose(tens.voltage_thd[:, 1], np.hypot(0.04, 0.02), rtol=1e-5)
    assert np.allclose(tens.unbalance, 0.0, atol=2e-4)
    threes = recorder.three_seconds
    inside = (threes.end_s > START_S + 600 + 1) & (threes.end_s <= START_S + 1200 + 1)
    assert inside.sum() == 200
    assert threes.flagged.sum() == 1
    assert 0 <= float(threes.end_s[threes.flagged][0]) - (START_S + 1003.3) < 3.1
    assert np.allclose(np.diff(threes.end_s[:50]), 150 / 50.02, atol=1e-6)
    frequency = recorder.frequency
    assert frequency.end_s.tolist() == [START_S + 310.0 + 10 * k for k in range(165)]
    assert np.allclose(frequency.hertz, 50.02, rtol=1e-7)
    assert frequency.end_s[frequency.flagged].tolist() == [START_S + 1010.0]
    (dip,) = recorder.incidents
    assert dip.kind is EventKind.DIP
    assert dip.extreme_v == pytest.approx(0.7 * RMS_V, abs=0.001 * 230)
    assert dip.begin_s == pytest.approx(START_S + 1003.0, abs=0.031)
    assert dip.duration_s == pytest.approx(0.3, abs=0.031)
    assert not recorder.rapid_changes


@pytest.mark.parametrize("profile", [CLASS_A, CLASS_S])
def test_an_event_across_two_pieces_is_one(profile):
    def late(time_s: np.ndarray) -> np.ndarray:
        return np.where(time_s < 8, 1.0, 0.6)

    def early(time_s: np.ndarray) -> np.ndarray:
        return np.where(time_s < 3, 0.6, 1.0)

    recorder = Recorder(profile, harmonics=1, lamp=None)
    recorder.take(piece(10.0, late, 50.0), START_S)
    assert not recorder.incidents
    recorder.take(piece(10.0, early, 50.0), START_S + 10)
    (dip,) = recorder.incidents
    assert dip.duration_s == pytest.approx(5.0, abs=0.05)
    with pytest.raises(EngineError, match="was to begin after"):
        recorder.take(piece(10.0), START_S + 15)
    with pytest.raises(EngineError, match="phases"):
        recorder.take(piece(10.0, phases=1), START_S + 20)


def test_an_event_that_goes_on_when_a_gap_begins_is_not_known_of():
    recorder = Recorder(CLASS_A, phases=1, harmonics=1, lamp=None)
    recorder.take(piece(10.0, lambda t: np.where(t < 8, 1.0, 0.6), 50.0, phases=1), START_S)
    recorder.take(piece(10.0, lambda t: np.where((t > 4) & (t < 5), 0.6, 1.0), 50.0, phases=1), START_S + 100)
    (dip,) = recorder.incidents
    assert dip.duration_s == pytest.approx(1.0, abs=0.05)


def test_two_hours_and_the_verdict_of_what_was_recorded():
    """One phase, thirteen times ten minutes: one of them 12 % low, one flagged by an interruption."""
    recorder = Recorder(CLASS_A, phases=1, harmonics=5, lamp=None)
    levels = [1.0] * 10 + [0.98, lambda t: np.where((t > 100) & (t < 101), 0.0, 0.8), 1.0]
    recorder.take(piece(600.0, 0.88, 50.0, 800.0, 1), START_S)
    for number, level in enumerate(levels[1:], 1):
        recorder.take(piece(600.0, level, 50.0, 800.0, 1), START_S + 600 * number)
    tens, twos = recorder.ten_minutes, recorder.two_hours
    assert tens.end_s.size == 13
    assert twos.end_s.tolist() == [START_S + 7200]
    assert np.allclose(twos.voltage_v[0], np.sqrt(np.mean(tens.voltage_v[0, :12] ** 2)))
    assert tens.flagged.tolist() == [True, *[False] * 10, True, False]
    assert twos.flagged.tolist() == [True]
    verdicts = {verdict.what: verdict for verdict in recorder.week()}
    assert verdicts["voltage +-10 %"].share == 1.0
    assert verdicts["harmonic 3"].passed
    assert verdicts["unbalance 2 %"].outcome == verdicts["flicker Plt 1"].outcome == "not measured"
    kinds = [incident.kind for incident in recorder.incidents]
    assert EventKind.INTERRUPTION in kinds


def test_flicker_of_whole_ten_minutes():
    """39 changes a minute of 0.894 %: Pst is 1."""
    recorder = Recorder(dataclasses.replace(CLASS_A), phases=1, harmonics=1)

    def changing(time_s: np.ndarray) -> np.ndarray:
        return 1 + 0.00447 * np.where(39 / 120 * time_s % 1 < 0.5, 1.0, -1.0)

    recorder.take(piece(650.0, changing, 50.0, 1600.0, 1), START_S - 50)
    assert recorder.short_flicker[0].tolist() == [START_S + 600]
    recorder.take(piece(600.0, changing, 50.0, 1600.0, 1), START_S + 600)
    recorder.take(piece(610.0, changing, 50.0, 1600.0, 1), START_S + 1201)
    end_s, values = recorder.short_flicker
    assert end_s.tolist() == [START_S + 600, START_S + 1200]
    assert np.allclose(values, 1.0, atol=0.05)
    assert recorder.long_flicker.shape == (1, 0)


def half_cycles(levels: list[tuple[float, float]]) -> HalfCycles:
    """So many seconds of each voltage, at 50 Hz."""
    values_v = np.concatenate([np.full(round(seconds * 100), voltage_v) for seconds, voltage_v in levels])
    return HalfCycles(np.arange(values_v.size + 1) / 100, values_v**2)


def test_rapid_changes_lead_from_one_steady_level_to_another():
    swinging = [(0.1, 212.0 if k % 2 else 226.0) for k in range(20)]
    (change,) = rapid_changes(half_cycles([(5, 230.0), *swinging, (5, 215.0)]), 2, CLASS_A)
    assert change.phase == 2
    assert change.begin_s == pytest.approx(5.1, abs=0.02)
    assert change.duration_s == pytest.approx(1.8, abs=0.02)
    assert change.largest_v == pytest.approx(18.0, abs=0.5)
    assert change.steady_v == pytest.approx(15.0, abs=0.5)
    (step_change,) = rapid_changes(half_cycles([(5, 230.0), (5, 214.0)]), 1, CLASS_A)
    assert step_change.duration_s < 0.03
    assert step_change.steady_v == pytest.approx(16.0, abs=0.2)
    assert not rapid_changes(half_cycles([(5, 230.0), (5, 220.0)]), 1, CLASS_A)
    assert not rapid_changes(half_cycles([(5, 230.0), (0.2, 190.0), (5, 215.0)]), 1, CLASS_A)
    assert not rapid_changes(half_cycles([(0.5, 230.0)]), 1, CLASS_A)
    (back,) = rapid_changes(half_cycles([(5, 230.0), (0.3, 247.0), (5, 231.0)]), 1, CLASS_A)
    assert back.largest_v == pytest.approx(17.0, abs=0.1)
    assert back.steady_v == pytest.approx(1.0, abs=0.6)


def test_sixty_hertz_has_windows_of_twelve_cycles():
    limits = dataclasses.replace(CLASS_A, declared_v=230.0, nominal_hz=60.0)
    recorder = Recorder(limits, phases=1, harmonics=3, lamp=None)
    recorder.take(piece(605.0, 1.0, 59.97, 1200.0, 1), START_S - 2)
    assert np.allclose(np.diff(recorder.three_seconds.end_s[:199]), 180 / 59.97, atol=1e-6)
    assert np.allclose(recorder.frequency.hertz, 59.97, rtol=1e-7)
    assert recorder.ten_minutes.end_s.tolist() == [START_S + 600]
    assert np.allclose(recorder.ten_minutes.voltage_v, RMS_V, rtol=1e-6)
