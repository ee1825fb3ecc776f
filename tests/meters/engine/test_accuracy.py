"""Errors: the model against its formula, drawn meters inside their limits, the limits as listed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import Config, Engine, EngineError, Kind, Measurand, Quantity
from meters.engine.accuracy import (
    LIMITS,
    STARTING_SHARE,
    AccuracyClass,
    ErrorModel,
    Imperfect,
    LoadPoint,
    bench_errors,
    limit_percent,
    load_points,
    mid_percent,
    no_load_minutes,
    no_load_minutes_en,
)
from meters.scenario import Constant
from tests.meters.engine.reference import START_S


def one(**errors: float) -> ErrorModel:
    names = ("gain", "phase_rad", "offset_w", "offset_var", "voltage_gain", "current_gain")
    return ErrorModel(*(np.array([errors.get(name, 0.0)]) for name in names), per_kelvin=errors.get("per_kelvin", 0.0))


@pytest.mark.parametrize("factor", [1.0, 0.5, -0.8])
@given(gain=st.floats(-0.01, 0.01), phase_rad=st.floats(-0.01, 0.01), offset_w=st.floats(-1, 1))
def test_error_is_the_sum_of_gain_phase_and_offset(factor, gain, phase_rad, offset_w):
    point = LoadPoint(1.0, factor)
    errors = one(gain=gain, phase_rad=phase_rad, offset_w=offset_w)
    tangent = np.sign(factor) * np.sqrt(1 - factor**2) / abs(factor)
    expected = 100 * (gain + tangent * phase_rad + offset_w / (1150 * abs(factor)))
    assert bench_errors(errors, AccuracyClass.B, point)[0] == pytest.approx(expected, abs=0.03)


def test_a_tenth_of_a_degree_is_three_tenths_of_a_per_cent_at_half_power_factor():
    errors = one(phase_rad=np.radians(0.1))
    assert bench_errors(errors, AccuracyClass.B, LoadPoint(1.0, 0.5))[0] == pytest.approx(0.302, abs=0.001)
    assert bench_errors(errors, AccuracyClass.B, LoadPoint(1.0, 1.0))[0] == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("accuracy", AccuracyClass)
def test_drawn_meters_are_inside_their_limits_everywhere(accuracy):
    errors = ErrorModel.draw(accuracy, 3000, np.random.default_rng(4), reference_va=1150.0)
    worst = 0.0
    for point in load_points(accuracy, 17.0):
        limit = limit_percent(accuracy, point)
        assert limit is not None, point
        largest = np.abs(bench_errors(errors, accuracy, point)).max()
        assert largest <= 0.5 * limit * 1.02, point
        worst = max(worst, largest / limit)
    assert worst > 0.2


def test_ideal_meters_have_no_error_and_imperfect_ones_register_it():
    assert bench_errors(ErrorModel.ideal(2), AccuracyClass.C, LoadPoint(0.1)).tolist() == [0, 0]
    errors = ErrorModel(*(np.array([0.0, value]) for value in (0.01, 0, 0, 0, 0.02, 0)))
    engine = Engine(Config(), Imperfect(Constant(1000.0), errors), START_S, 2)
    engine.advance(START_S + 3600)
    energy = engine.registers(Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY))
    assert energy.tolist() == [3000, 3030]
    assert engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=1, exponent=-1), 1) == 2346
    with pytest.raises(EngineError, match="number 2"):
        Imperfect(Constant(), errors).block(0, 1, 1, range(3))


def test_temperature_drift():
    errors = one(per_kelvin=0.0005)
    assert bench_errors(errors, AccuracyClass.B, LoadPoint(1.0), temperature_c=33.0)[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("accuracy", "point", "percent"),
    [
        (AccuracyClass.A, LoadPoint(0.05), 2.5),
        (AccuracyClass.B, LoadPoint(0.0999), 1.5),
        (AccuracyClass.B, LoadPoint(0.1), 1.0),
        (AccuracyClass.C, LoadPoint(10, -0.8), 0.5),
        (AccuracyClass.B, LoadPoint(1, 1.0, single_phase=True), 2.0),
        (AccuracyClass.B, LoadPoint(0.04), None),
        (AccuracyClass.ACTIVE_1, LoadPoint(0.15, 0.5), 1.5),
        (AccuracyClass.ACTIVE_2, LoadPoint(0.15, -0.8), None),
        (AccuracyClass.REACTIVE_2, LoadPoint(0.3, 0.25), 2.5),
        (AccuracyClass.REACTIVE_3, LoadPoint(0.3, 0.5, single_phase=True), 4.0),
    ],
)
def test_limits(accuracy, point, percent):
    assert limit_percent(accuracy, point) == percent


@pytest.mark.parametrize(
    ("accuracy", "point", "temperature_c", "percent"),
    [
        (AccuracyClass.B, LoadPoint(0.05), 23, 2.0),
        (AccuracyClass.C, LoadPoint(1), 23, 0.7),
        (AccuracyClass.A, LoadPoint(1), -8, 4.5),
        (AccuracyClass.A, LoadPoint(1, single_phase=True), 60, 9.0),
        (AccuracyClass.B, LoadPoint(1), 80, None),
        (AccuracyClass.B, LoadPoint(0.01), 23, None),
        (AccuracyClass.ACTIVE_1, LoadPoint(1), 23, None),
    ],
)
def test_permissible_errors_of_the_directive(accuracy, point, temperature_c, percent):
    assert mid_percent(accuracy, point, temperature_c) == percent


def test_no_load_times_and_starting_currents():
    assert no_load_minutes(AccuracyClass.ACTIVE_1, 1000, 3, 230, 85) == pytest.approx(10.23, abs=0.01)
    assert no_load_minutes_en(1000, 3, 230 * 1.15, 0.02) == pytest.approx(15.12, abs=0.01)
    with pytest.raises(EngineError):
        no_load_minutes(AccuracyClass.A, 1000, 3, 230, 85)
    assert set(STARTING_SHARE) == set(LIMITS) == set(AccuracyClass)
    assert STARTING_SHARE[AccuracyClass.B] * 5 >= 0.01
