"""Sliding demand against its definition; pulses against the register."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import EngineError
from meters.engine.pulses import highest_power_w, pulse_count, pulse_times
from meters.engine.sliding import SlidingDemand, sliding_means


@given(st.integers(1, 5), st.lists(st.lists(st.integers(0, 10**12), min_size=1, max_size=3), max_size=15))
def test_sliding_demand_is_the_energy_of_the_last_periods_over_their_length(periods, energies):
    demand = SlidingDemand(periods, 900, 1)
    sums, best, when = [], 0, 0
    for number, parts in enumerate(energies, 1):
        for part in parts:
            demand.add(np.array([part]))
        sums.append(sum(parts))
        expected = sum(sums[-periods:]) // (periods * 900)
        assert demand.current_uw[0] == expected
        demand.close(number * 900)
        assert demand.last_uw[0] == expected
        if expected > best:
            best, when = expected, number * 900
        assert (demand.maximum_uw[0], demand.maximum_s[0]) == (best, when)
        assert demand.current_uw[0] == (sum(sums[-periods + 1 :]) if periods > 1 else 0) // (periods * 900)
    demand.reset()
    assert demand.maximum_uw[0] == 0


def test_sliding_means_of_a_series_and_block_demand():
    energy_uwh = np.array([[100], [200], [400], [0]], np.int64) * 10**6
    assert sliding_means(energy_uwh, 2, 900)[:, 0].tolist() == [600 * 10**6, 1200 * 10**6, 800 * 10**6]
    assert sliding_means(energy_uwh, 1, 900)[:, 0].tolist() == (energy_uwh[:, 0] * 4).tolist()
    assert sliding_means(energy_uwh, 5, 900).shape == (0, 1)
    with pytest.raises(EngineError):
        SlidingDemand(0, 900, 1)


@given(st.integers(0, 2**62), st.integers(1, 100_000))
def test_pulses_are_exact(energy_uwh, per_kwh):
    if energy_uwh // 10**9 * per_kwh < 2**63:
        assert pulse_count(np.array([energy_uwh]), per_kwh)[0] == floor(Fraction(energy_uwh * per_kwh, 10**9))


@given(st.lists(st.integers(0, 10**10), max_size=20))
def test_pulses_of_pieces_add_up(pieces):
    totals = np.cumsum([0, *pieces])
    counts = pulse_count(totals, 1000)
    assert np.diff(counts).sum() == totals[-1] // 10**6


def test_pulse_times_lie_in_their_interval():
    times_s = pulse_times(100.0, 110.0, 1_500_000, 4_500_000, 1000)
    assert times_s.tolist() == pytest.approx([100 + 10 / 6, 105, 110 - 10 / 6])
    assert pulse_times(0.0, 1.0, 5, 5, 1000).size == 0


def test_outputs_have_a_highest_power():
    assert highest_power_w(1000, 30, 30) == pytest.approx(60_000)
    assert highest_power_w(1000, 80, 80) == pytest.approx(22_500)
    assert highest_power_w(1000, 30, 30, divisor=2) > 3 * 105 * 230 > highest_power_w(1000, 30, 30)
    with pytest.raises(EngineError):
        pulse_count(np.array([1]), 0)
