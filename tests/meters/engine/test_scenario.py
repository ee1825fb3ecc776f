"""Scenarios: plausible households, faults where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.engine import EngineError, Input, Wiring
from meters.engine.chance import keys, uniform
from meters.scenario import Appliance, Constant, Fault, FaultKind, Faults, Household, smooth
from tests.meters.engine.reference import START_S

DAY_S = 86_400


def daily_kwh(household: Household, meters: int = 40) -> np.ndarray:
    block = household.block(START_S, START_S + 3 * DAY_S, 60, range(meters))
    return block.active_w.sum(axis=(0, 1)) / 60_000 / 3


def test_random_numbers_are_uniform_and_independent_of_their_neighbours():
    values = uniform(keys(1, range(50), 0), np.arange(2000))
    assert abs(values.mean() - 0.5) < 0.005
    assert abs(np.histogram(values, 10, (0, 1))[0] / values.size - 0.1).max() < 0.004
    flat = values - 0.5
    assert abs((flat[1:] * flat[:-1]).mean()) < 0.002
    assert abs((flat[:, 1:] * flat[:, :-1]).mean()) < 0.002
    assert not np.array_equal(values, uniform(keys(2, range(50), 0), np.arange(2000)))


def test_seeds_and_streams_share_nothing():
    drawn = [keys(seed, range(100), stream) for seed in range(20) for stream in range(20)]
    assert np.unique(drawn).size == 20 * 20 * 100
    assert not np.isin(keys(1, range(100), 1009), keys(2, range(100), 0)).any()


def test_smooth_lines_are_means_of_the_line_through_their_knots():
    key = keys(3, range(2), 1)
    knots = uniform(key, np.arange(11))
    exact = np.stack([np.interp(np.arange(1000) + 0.5, np.arange(11) * 100.0, knots[:, n]) for n in range(2)], axis=1)
    for step_s in (1, 4, 20, 100, 125, 500, 1000):
        means = exact.reshape(-1, step_s, 2).mean(axis=1)
        assert np.allclose(smooth(key, 0, 1000, step_s, 100), means, rtol=1e-12), step_s


@given(st.sampled_from([2, 7, 30, 60, 300, 900, 3600]), st.integers(0, 2**32), st.sampled_from([0.0, 5000.0]))
@settings(max_examples=40)
def test_energy_is_the_same_at_any_length_of_steps(step_s, seed, photovoltaics_w):
    """Of each phase, net of what nets in a step; a long step is the mean of its seconds."""
    home = Household(seed, photovoltaics_w=photovoltaics_w, drops_per_day=40)
    start_s = START_S + 170 * DAY_S + 11 * 3600 - (START_S + 170 * DAY_S + 11 * 3600) % (7 * 3600)
    span_s = 7 * 3600
    seconds = home.block(start_s, start_s + span_s, 1, range(3, 6))
    steps = home.block(start_s, start_s + span_s, step_s, range(3, 6))
    for name in ("active_w", "reactive_var"):
        means = getattr(seconds, name).reshape(3, -1, step_s, 3).mean(axis=2)
        assert np.allclose(getattr(steps, name), means, rtol=1e-9, atol=1e-6), name
    squares = (seconds.voltage_v**2).reshape(3, -1, step_s, 3).mean(axis=2)
    assert np.allclose(steps.voltage_v, np.sqrt(squares), atol=0.3)


def test_households_use_a_plausible_amount_and_most_in_the_evening():
    use = daily_kwh(Household(7))
    assert 5 < use.mean() < 40
    assert use.std() > 0.5
    block = Household(7).block(START_S, START_S + 3 * DAY_S, 60, range(40))
    by_hour = block.active_w.sum(axis=(0, 2)).reshape(3, 24, 60).mean(axis=(0, 2))
    assert by_hour[16:21].mean() > 2 * by_hour[0:5].mean()
    assert 200 < np.median(block.voltage_v) < 240


def test_voltage_drops_strike_one_phase_for_five_seconds():
    block = Household(7, drops_per_day=24 * 60).block(START_S, START_S + 3600, 1, range(4))
    low = block.voltage_v < 190
    assert low.any(axis=0).sum(axis=0).tolist() == [5, 5, 5, 5]
    assert low.any(axis=1).sum(axis=0).tolist() == [1, 1, 1, 1]
    assert block.voltage_v.min() > 160


def test_photovoltaics_feed_in_at_noon_only():
    block = Household(7, photovoltaics_w=8000).block(START_S + 180 * DAY_S, START_S + 181 * DAY_S, 60, range(20))
    total_w = block.active_w.sum(axis=0)
    assert np.median(total_w[11 * 60]) < -1000
    assert total_w[:60].min() > 0


def test_faults_hit_their_steps_meters_and_phases():
    source = Faults(
        Constant(1000.0, 100.0),
        (
            Fault(FaultKind.SAG, START_S + 5, START_S + 7, meter=1, phase=2, level=0.6),
            Fault(FaultKind.COVER, START_S + 6, START_S + 9),
            Fault(FaultKind.POWER_FAIL, START_S + 50, START_S + 51),
        ),
    )
    block = source.block(START_S, START_S + 10, 1, range(3))
    hit = np.argwhere(block.voltage_v < 229)
    assert hit.tolist() == [[1, 5, 1], [1, 6, 1]]
    assert block.voltage_v[1, 5, 1] == pytest.approx(138)
    assert block.active_w[1, 5, 1] == pytest.approx(360)
    assert block.inputs is not None
    assert np.argwhere(block.inputs[:, 0] == Input.COVER).ravel().tolist() == [6, 7, 8]
    assert source.block(START_S + 10, START_S + 20, 1, range(3)).inputs is None


@given(st.sampled_from([7, 60, 300, 900]), st.integers(0, 40), st.integers(0, 3))
@settings(max_examples=30)
def test_long_steps_do_not_depend_on_how_time_and_meters_are_cut(step_s, first, meter):
    home, begin_s = Household(5, photovoltaics_w=3000, drops_per_day=40), START_S - START_S % 6300
    whole = home.block(begin_s, begin_s + 63 * 900, step_s, range(5))
    part = home.block(begin_s + first * 6300 // 7 // step_s * step_s, begin_s + 63 * 900, step_s, range(meter, 5))
    skipped = first * 6300 // 7 // step_s
    for name in ("active_w", "reactive_var", "voltage_v", "current_a", "frequency_hz"):
        expected = getattr(whole, name)
        expected = expected[skipped:] if name == "frequency_hz" else expected[:, skipped:, meter:]
        assert np.array_equal(expected, getattr(part, name)), name


def test_a_fault_within_a_step_counts_for_its_part():
    sag = Fault(FaultKind.SAG, START_S + 150, START_S + 500, phase=1, level=0.6)
    source = Faults(Constant(1000.0), (sag, Fault(FaultKind.MAGNET, START_S + 310, START_S + 320)))
    seconds, steps = (source.block(START_S, START_S + 900, step_s, range(2)) for step_s in (1, 300))
    assert np.allclose(steps.active_w, seconds.active_w.reshape(3, 3, 300, 2).mean(axis=2))
    assert np.allclose(steps.voltage_v**2, (seconds.voltage_v**2).reshape(3, 3, 300, 2).mean(axis=2))
    assert steps.inputs is not None
    assert steps.inputs[:, 0].tolist() == [0, Input.MAGNET, 0]


def test_constant_takes_a_value_for_each_element_and_meter():
    block = Constant(np.array([[1.0, 2.0, 3.0]]), wiring=Wiring.ONE_PHASE).block(0, 5, 1, range(1, 3))
    assert block.active_w[0, 4].tolist() == [2.0, 3.0]


def test_nonsense_is_refused():
    with pytest.raises(EngineError, match="never happens"):
        Fault(FaultKind.MAGNET, 5, 5)
    with pytest.raises(EngineError, match="its phase"):
        Fault(FaultKind.PHASE_LOSS, 0, 5)
    with pytest.raises(EngineError, match="hourly"):
        Appliance(1.0, 10, 5, (0.0,) * 24)
