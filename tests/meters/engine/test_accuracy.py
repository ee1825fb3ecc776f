"""Errors: the model against its formula, drawn meters inside their limits on the bench, the limits as listed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meters.engine import Config, Engine, EngineError, ErrorModel, Kind, Measurand, NoLoad, Quantity, Tolerance, Wiring
from meters.engine.accuracy import (
    LIMITS,
    REACTIVE_CLASSES,
    STARTING_SHARE,
    AccuracyClass,
    LoadPoint,
    Temperature,
    limit_percent,
    load_points,
    mid_percent,
    no_load_minutes,
    no_load_minutes_en,
)
from meters.engine.tolerance import ACCURACIES, MAXIMUM_USE, Ratings, errors_of
from meters.engine.type_test import errors_at, type_test
from meters.scenario import Constant
from tests.meters.engine.reference import START_S

ENERGY = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY)


def one(wiring: Wiring = Wiring.THREE_PHASE, **errors: float) -> Config:
    """Meters with the same given errors on every element."""
    model = ErrorModel.none(wiring.elements, 1)
    return Config(wiring, errors=replace(model, **{k: np.full_like(getattr(model, k), v) for k, v in errors.items()}))


@pytest.mark.parametrize("factor", [1.0, 0.5, -0.8])
@given(gain=st.floats(-0.01, 0.01), phase_rad=st.floats(-0.01, 0.01), offset_w=st.floats(-1, 1))
@settings(max_examples=30)
def test_error_is_the_sum_of_gain_phase_and_offset(factor, gain, phase_rad, offset_w):
    tangent = np.sign(factor) * np.sqrt(1 - factor**2) / abs(factor)
    expected = 100 * (gain + tangent * phase_rad + offset_w / (1150 * abs(factor)))
    config = one(current_gain=gain, phase_rad=phase_rad, offset_w=offset_w)
    assert errors_at(config, 1, [LoadPoint(1.0, factor)])[0, 0] == pytest.approx(expected, abs=0.03)


def test_the_bench_agrees_with_the_formula_to_a_millionth():
    errors = {"voltage_gain": 0.002, "current_gain": -0.003, "phase_rad": 0.001, "offset_w": 0.3, "offset_var": -0.2}
    gain, angle, apparent_va = 1.002 * 0.997, np.arccos(0.5), 115.0
    active = gain * (apparent_va * np.cos(angle - 0.001)) + 0.3
    (percent,) = errors_at(one(**errors), 1, [LoadPoint(0.1, 0.5)])[0]
    assert percent == pytest.approx(100 * (active / (apparent_va * 0.5) - 1), abs=1e-4)
    reactive = gain * (apparent_va * np.sin(np.arcsin(0.25) - 0.001)) - 0.2
    (percent,) = errors_at(one(**errors), 1, [LoadPoint(0.1, 0.25)], reactive=True)[0]
    assert percent == pytest.approx(100 * (reactive / (apparent_va * 0.25) - 1), abs=1e-4)


def test_a_tenth_of_a_degree_is_three_tenths_of_a_per_cent_at_half_power_factor():
    half, full = errors_at(one(phase_rad=np.radians(0.1)), 1, [LoadPoint(1.0, 0.5), LoadPoint(1.0)])
    assert half[0] == pytest.approx(0.302, abs=0.001)
    assert full[0] == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("wiring", Wiring)
@pytest.mark.parametrize("name", [name for name in ACCURACIES if name != "ideal"])
@given(seed=st.integers(0, 2**64), use=st.floats(0.05, MAXIMUM_USE))
@settings(max_examples=8)
def test_drawn_meters_pass_every_load_point(wiring, name, seed, use):
    drawn = errors_of(name)
    config = Config(wiring, errors=replace(drawn, seed=seed, use=use))
    for accuracy in drawn.classes:
        found = type_test(config, accuracy, 200)
        assert found.passed.all()
        assert (np.abs(found.percent) <= 1.002 * use * found.limits[:, None] + 1e-4).all()


@pytest.mark.parametrize("name", [name for name in ACCURACIES if name != "ideal"])
def test_draws_use_their_limits(name):
    drawn = replace(errors_of(name), use=MAXIMUM_USE)
    worst = [
        np.abs(found.percent / found.limits[:, None]).max()
        for found in (type_test(Config(Wiring.ONE_PHASE, errors=drawn), one, 300) for one in drawn.classes)
    ]
    assert max(worst) > 0.6


@pytest.mark.parametrize("accuracy", [AccuracyClass.A, AccuracyClass.B, AccuracyClass.C])
@given(seed=st.integers(0, 2**32), band=st.sampled_from(Temperature), warm=st.booleans())
@settings(max_examples=10)
def test_drawn_meters_are_inside_the_directive_at_every_temperature(accuracy, seed, band, warm):
    config, temperature_c = Config(errors=Tolerance(accuracy, seed=seed)), band.value[warm]
    found = type_test(config, accuracy, 100, temperature_c=temperature_c)
    for point, percent in zip(found.points, found.percent, strict=True):
        assert np.abs(percent).max() <= mid_percent(accuracy, point, temperature_c), point


def test_a_meter_that_is_wrong_fails():
    assert not type_test(one(current_gain=0.011), AccuracyClass.B).passed.any()
    assert type_test(one(current_gain=0.011), AccuracyClass.A).passed.all()
    deaf = Config(no_load=NoLoad(active_w=5.0))
    assert not type_test(deaf, AccuracyClass.B).starts.any()
    assert not type_test(deaf, AccuracyClass.B).passed.any()
    restless = replace(one(offset_w=3.0), no_load=NoLoad(0.0, 0.0))
    found = type_test(restless, AccuracyClass.ACTIVE_1)
    assert found.no_load_pulses.tolist() == [int(9.0 * np.ceil(found.no_load_minutes) / 60)]
    assert not found.passed.any()


def test_a_meter_keeps_its_errors_however_the_fleet_is_cut():
    tolerance = Tolerance(seed=5)
    whole = tolerance.of(Wiring.THREE_PHASE, range(100))
    part = tolerance.of(Wiring.THREE_PHASE, range(40, 60))
    assert np.array_equal(whole.phase_rad[:, 40:60], part.phase_rad)
    assert np.array_equal(whole.of(Wiring.THREE_PHASE, range(40, 60)).per_kelvin, part.per_kelvin)
    assert not np.array_equal(whole.phase_rad, Tolerance(seed=6).of(Wiring.THREE_PHASE, range(100)).phase_rad)
    assert len(np.unique(whole.offset_w)) == 300


def test_ideal_meters_have_no_error_and_wrong_ones_register_it():
    assert np.abs(errors_at(Config(), 2, [LoadPoint(0.1), LoadPoint(17, -0.8)])).max() < 1e-5
    wrong = replace(ErrorModel.none(3, 2), voltage_gain=np.array([[0.0, 0.02]] * 3))
    engine = Engine(Config(errors=wrong), Constant(1000.0), START_S, 2)
    engine.advance(START_S + 3600)
    assert engine.registers(ENERGY).tolist() == [3000, 3060]
    assert engine.register(Quantity(Measurand.VOLTAGE, Kind.INSTANT, phase=1, exponent=-1), 1) == 2346
    with pytest.raises(EngineError, match="number 2"):
        Engine(Config(errors=wrong), Constant(1000.0), START_S, 3)
    with pytest.raises(EngineError, match=r"\(element, meter\)"):
        replace(wrong, per_kelvin=np.zeros(3))


def test_temperature_drift():
    config = one(per_kelvin=0.0005)
    assert errors_at(config, 1, [LoadPoint(1.0)], temperature_c=33.0)[0, 0] == pytest.approx(0.5, abs=1e-5)


def test_the_elements_of_an_aron_circuit_see_their_line_voltages():
    active, reactive = LoadPoint(1.0, 0.5).powers(Wiring.ARON, reactive=False)
    assert active == pytest.approx([0.0, np.cos(np.radians(30))])
    assert np.hypot(active.sum(), reactive.sum()) == pytest.approx(np.sqrt(3))
    assert LoadPoint(1.0, 1.0, 3).powers(Wiring.ARON, reactive=False)[0].tolist() == [0, 1]
    with pytest.raises(EngineError, match="no phase 2"):
        LoadPoint(1.0, 1.0, 2).powers(Wiring.ARON, reactive=False)


def test_load_points_are_both_ends_of_every_range_on_every_phase():
    points = load_points(AccuracyClass.B, 17.0)
    assert {point.current_share for point in points if point.phase == 0 and point.factor == 1.0} == {
        0.05, 0.1 * 0.999, 0.1, 17.0,
    }  # fmt: skip
    assert {point.phase for point in points} == {0, 1, 2, 3}
    assert {point.phase for point in load_points(AccuracyClass.B, 17.0, Wiring.ONE_PHASE)} == {0}
    for accuracy in AccuracyClass:
        assert all(limit_percent(accuracy, point) is not None for point in load_points(accuracy, 17.0))


def test_nonsense_is_refused():
    with pytest.raises(EngineError, match="active and a reactive"):
        Tolerance(AccuracyClass.REACTIVE_2)
    with pytest.raises(EngineError, match="of a limit"):
        Tolerance(use=1.0)
    with pytest.raises(EngineError, match="no accuracy 'D'"):
        errors_of("D")
    with pytest.raises(EngineError, match="ratings"):
        Ratings(maximum_a=1.0)
    assert errors_of("ideal") is None
    assert all(classes is None or classes[1] in REACTIVE_CLASSES for classes in ACCURACIES.values())


@pytest.mark.parametrize(
    ("accuracy", "point", "percent"),
    [
        (AccuracyClass.A, LoadPoint(0.05), 2.5),
        (AccuracyClass.B, LoadPoint(0.0999), 1.5),
        (AccuracyClass.B, LoadPoint(0.1), 1.0),
        (AccuracyClass.C, LoadPoint(10, -0.8), 0.5),
        (AccuracyClass.B, LoadPoint(1, 1.0, phase=1), 2.0),
        (AccuracyClass.B, LoadPoint(0.04), None),
        (AccuracyClass.ACTIVE_1, LoadPoint(0.15, 0.5), 1.5),
        (AccuracyClass.ACTIVE_2, LoadPoint(0.15, -0.8), None),
        (AccuracyClass.REACTIVE_2, LoadPoint(0.3, 0.25), 2.5),
        (AccuracyClass.REACTIVE_3, LoadPoint(0.3, 0.5, phase=1), 4.0),
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
        (AccuracyClass.A, LoadPoint(1, phase=1), 60, 9.0),
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
