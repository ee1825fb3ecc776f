"""Power from samples: definitions against harmonic sums, both ways of sampling, RMS windows, phasors and wiring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import Config, Engine, EngineError, Kind, Measurand, Quantity, Wiring
from meters.engine.phasor import (
    TURN,
    arithmetic_va,
    aron,
    block_of,
    effective_va,
    symmetrical,
    unbalance,
    vector_va,
)
from meters.engine.waveform import Waveform, aggregate, coherent, half_cycle_rms, incoherent
from tests.meters.engine.reference import START_S, Table

SAMPLES = 128


def synthesise(harmonics: dict[int, complex], sample_rate_hz: float, duration_s: float, line_hz: float) -> np.ndarray:
    """The sum of RMS phasors at multiples of the line frequency."""
    time_s = np.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
    waves = [np.sqrt(2) * abs(x) * np.cos(2 * np.pi * h * line_hz * time_s + np.angle(x)) for h, x in harmonics.items()]
    return np.sum(waves, axis=0)


def random_harmonics(rng: np.random.Generator, fundamental: float) -> dict[int, complex]:
    orders = [1, 3, 5, 7, 11]
    shares = [1.0, 0.1, 0.06, 0.05, 0.03]
    return {h: fundamental * k * np.exp(2j * np.pi * rng.random()) for h, k in zip(orders, shares, strict=True)}


@given(st.integers(0, 2**32))
def test_coherent_power_equals_the_sums_over_harmonics(seed):
    rng = np.random.default_rng(seed)
    u, i = random_harmonics(rng, 230.0), random_harmonics(rng, 10.0)
    rate = SAMPLES * 50.0
    wave = Waveform(synthesise(u, rate, 0.6, 50.0)[None], synthesise(i, rate, 0.6, 50.0)[None], rate)
    power = coherent(wave, SAMPLES)
    rms = [np.sqrt(sum(abs(x) ** 2 for x in spectrum.values())) for spectrum in (u, i)]
    complex_1 = u[1] * np.conj(i[1])
    active = sum((u[h] * np.conj(i[h])).real for h in u)
    assert power.active_w.shape == (1, 3)
    assert np.allclose(power.voltage_v, rms[0], rtol=1e-12)
    assert np.allclose(power.active_w, active, rtol=0, atol=1e-9 * rms[0] * rms[1])
    assert np.allclose(power.reactive_var, complex_1.imag, rtol=0, atol=1e-9 * abs(complex_1))
    assert np.allclose(power.active_1_w, complex_1.real, rtol=0, atol=1e-9 * abs(complex_1))
    assert np.allclose(power.apparent_va, rms[0] * rms[1])
    assert np.allclose(power.voltage_thd, np.sqrt(rms[0] ** 2 - abs(u[1]) ** 2) / abs(u[1]))
    assert np.allclose(power.current_thd, np.sqrt(rms[1] ** 2 - abs(i[1]) ** 2) / abs(i[1]))
    assert np.allclose(power.apparent_va**2, power.active_w**2 + power.nonactive_var**2)
    sn = power.current_distortion_var**2 + power.voltage_distortion_var**2 + power.harmonic_apparent_va**2
    assert np.allclose(power.nonfundamental_va**2, sn, rtol=1e-6)
    assert np.allclose(power.harmonic_apparent_va**2, power.active_harmonic_w**2 + power.harmonic_distortion_var**2)
    assert np.allclose(power.power_factor, active / (rms[0] * rms[1]))


@pytest.mark.parametrize("line_hz", [49.5, 50.037, 50.0, 50.9])
def test_incoherent_power_is_near_the_definitions(line_hz):
    """230 V and 10 A at 30 degrees with a tenth of third harmonic in the current: Q1 is not sqrt(S^2 - P^2)."""
    rate = 6400.0
    u, i = {1: 230.0 + 0j}, {1: 10 * np.exp(-1j * np.pi / 6), 3: 1.0 + 0j}
    shift = {h: x * np.exp(-2j * np.pi * h / 3) for h, x in u.items()}
    voltage_v = np.stack([synthesise(u, rate, 2.0, line_hz), synthesise(shift, rate, 2.0, line_hz)])
    wave = Waveform(voltage_v, np.stack([synthesise(i, rate, 2.0, line_hz)] * 2), rate)
    power = incoherent(wave)
    assert power.active_w.shape[1] >= 9
    assert np.allclose(power.frequency_hz, line_hz, rtol=1e-7)
    assert np.allclose(power.voltage_v, 230.0, rtol=1e-4)
    assert np.allclose(power.active_w[0], 2300 * np.cos(np.pi / 6), rtol=1e-4)
    assert np.allclose(power.reactive_var[0], 1150.0, rtol=2e-4)
    assert (power.nonactive_var[0] > 1170).all()
    assert np.allclose(np.angle(power.voltage_1[1] / power.voltage_1[0]), -2 * np.pi / 3, atol=1e-3)


def test_known_values_of_a_distorted_load():
    """230 V with 3 % and 10 A at 30 degrees with 10 % third harmonic: values printed by an independent library."""
    rate = SAMPLES * 50.0
    u, i = {1: 230 + 0j, 3: 6.9j}, {1: 10 * np.exp(-1j * np.pi / 6), 3: 1 + 0j}
    power = coherent(Waveform(*(synthesise(x, rate, 0.2, 50.0)[None] for x in (u, i)), rate), SAMPLES)
    found = (power.voltage_v, power.current_a, power.active_w, power.nonactive_var, power.reactive_var)
    assert [round(float(value[0, 0]), 3) for value in found[:3]] == [230.103, 10.05, 1991.858]
    assert [round(float(value[0, 0]), 1) for value in found[3:]] == [1174.8, 1150.0]


def test_incoherent_needs_a_window_of_crossings_and_survives_noise():
    rate = 6400.0
    rng = np.random.default_rng(1)
    voltage_v = synthesise({1: 230 + 0j, 3: 20j}, rate, 1.0, 50.0) + rng.normal(0, 8.0, 6400)
    wave = Waveform(voltage_v[None], voltage_v[None] / 23, rate)
    assert np.allclose(incoherent(wave).frequency_hz, 50.0, rtol=1e-3)
    short = Waveform(voltage_v[None, :900], voltage_v[None, :900], rate)
    assert incoherent(short).active_w.shape == (1, 0)
    flat = Waveform(np.zeros((1, 9000)), np.zeros((1, 9000)), rate)
    assert incoherent(flat).active_w.shape == (1, 0)


def test_half_cycle_rms_sees_a_dip_of_one_half_cycle():
    wave = synthesise({1: 230 + 0j}, SAMPLES * 50.0, 0.4, 50.0)
    wave[640:704] *= 0.5
    rms = half_cycle_rms(wave[None], SAMPLES)
    assert rms.shape == (1, 39)
    expected = np.full(39, 230.0)
    expected[9:11] = 230 * np.sqrt((1 + 0.25) / 2)
    assert np.allclose(rms[0], expected)
    assert aggregate(np.array([3.0, 4.0])) == pytest.approx(np.sqrt(12.5))


def test_windows_become_steps_of_the_engine():
    rate = SAMPLES * 50.0
    wave = Waveform(*(synthesise({1: x}, rate, 2.5, 50.0)[None] for x in (230 + 0j, 10j)), rate)
    block = coherent(wave, SAMPLES).block()
    assert block.active_w.shape == (1, 2, 1)
    table = Table(block.active_w, block.reactive_var, block.voltage_v, block.current_a)
    engine = Engine(Config(Wiring.ONE_PHASE), table, START_S)
    engine.advance(START_S + 2)
    assert engine.register(Quantity(Measurand.REACTIVE_Q4, Kind.INSTANT)) == 2300
    assert engine.register(Quantity(Measurand.ACTIVE_IMPORT, Kind.INSTANT)) == 0


PHASES = np.array([1.0, TURN**2, TURN])


@given(st.lists(st.complex_numbers(max_magnitude=50), min_size=2, max_size=2), st.floats(150, 250))
def test_aron_equals_three_elements_without_neutral_current(currents, voltage_v):
    current = np.array([*currents, -sum(currents)])[:, None, None]
    voltage = (voltage_v * PHASES * np.array([1.0, 0.93, 1.04]))[:, None, None]
    three, two = block_of(voltage, current), block_of(*aron(voltage, current))
    assert two.active_w.sum() == pytest.approx(three.active_w.sum(), abs=1e-6)
    assert two.reactive_var.sum() == pytest.approx(three.reactive_var.sum(), abs=1e-6)


def test_aron_misses_the_neutral_current_as_blondel_predicts():
    voltage = (230 * PHASES)[:, None, None]
    current = np.array([5.0 + 0j, 5 * TURN**2 + 3.0, 5 * TURN])[:, None, None]
    missing = block_of(voltage, current).active_w.sum() - block_of(*aron(voltage, current)).active_w.sum()
    neutral = current.sum()
    assert missing == pytest.approx((voltage[1, 0, 0] * np.conj(neutral)).real)


def test_element_powers_of_aron_are_not_phase_powers():
    """75 degrees: one element runs backwards; only the sum means anything."""
    voltage = (230 * PHASES)[:, None, None]
    current = 10 * voltage / 230 * np.exp(-1j * np.radians(75))
    powers = block_of(*aron(voltage, current)).active_w.ravel()
    assert (powers < 0).sum() == 1
    assert powers.sum() == pytest.approx(3 * 2300 * np.cos(np.radians(75)))


def test_symmetrical_components_and_unbalance():
    assert np.allclose(symmetrical(230 * PHASES), [0, 230, 0], atol=1e-10)
    assert unbalance(230 * PHASES) == pytest.approx(0, abs=1e-12)
    mixed = 230 * PHASES + 0.02 * 230 * PHASES.conj()
    assert unbalance(mixed) == pytest.approx(0.02)


def test_apparent_powers_agree_when_balanced_and_part_when_not():
    voltage, current = 230 * PHASES, 10 * PHASES * np.exp(-0.5j)
    power = voltage * current.conj()
    sa = arithmetic_va(abs(voltage), abs(current))
    sv = vector_va(power.real, power.imag)
    assert sa == pytest.approx(6900)
    assert sv == pytest.approx(6900)
    assert effective_va(voltage, current) == pytest.approx(6900)
    assert effective_va(voltage, current, np.array(0j)) == pytest.approx(6900)
    single = np.array([10.0, 0, 0], complex)
    power = voltage * single.conj()
    assert vector_va(power.real, power.imag) == pytest.approx(arithmetic_va(abs(voltage), abs(single)))
    assert effective_va(voltage, single, np.array(10 + 0j)) > 1.4 * 2300


def test_nonsense_is_refused():
    with pytest.raises(EngineError, match="phase, sample"):
        Waveform(np.zeros(5), np.zeros(5), 6400.0)
    with pytest.raises(EngineError, match="sample rate"):
        Waveform(np.zeros((1, 5)), np.zeros((1, 5)), 0.0)
    with pytest.raises(EngineError, match="no fundamental"):
        coherent(Waveform(np.zeros((1, 5)), np.zeros((1, 5)), 100.0), 2)
    with pytest.raises(EngineError, match="no middle"):
        half_cycle_rms(np.zeros((1, 5)), 5)
    with pytest.raises(EngineError, match="three phases"):
        symmetrical(np.zeros((2, 1), complex))
