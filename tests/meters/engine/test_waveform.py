"""Power from samples: definitions against harmonic sums, both ways of sampling, RMS windows, phasors and wiring."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.engine import Config, Engine, EngineError, Kind, Measurand, Quantity, Wiring
from meters.engine.incoherent import filled, incoherent, integrals
from meters.engine.phase_power import HalfCycles, root_mean_square
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
from meters.engine.waveform import Waveform, coherent, half_cycle_rms, window_cycles
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


RATE_HZ = 6400.0
DISTORTED_V = {1: 230 + 0j, 2: 3.0 + 0j, 3: 6.9j, 5: 5.0 + 0j, 7: 8.0 + 0j, 11: 4.0 + 0j}
DISTORTED_A = {1: 10 * np.exp(-1j * np.pi / 6), 3: 3 + 0j, 5: 2j, 11: 1 + 0j}


def three_phases(u: dict[int, complex], i: dict[int, complex], line_hz: float, duration_s: float) -> Waveform:
    """Each phase a third of a turn behind the one before it."""
    rows = []
    for spectrum in (u, i):
        turned = [{h: x * np.exp(-2j * np.pi * h * k / 3) for h, x in spectrum.items()} for k in range(3)]
        rows.append(np.stack([synthesise(one, RATE_HZ, duration_s, line_hz) for one in turned]))
    return Waveform(rows[0], rows[1], RATE_HZ)


def rms_of(spectrum: dict[int, complex]) -> float:
    return float(np.sqrt(sum(abs(x) ** 2 for x in spectrum.values())))


@pytest.mark.parametrize("line_hz", [42.6, 49.5, 50.037, 50.0, 50.9, 57.4])
def test_incoherent_windows_are_each_exact(line_hz):
    """Every window alone, though no cycle is whole samples long: P, Q1 and f within 1e-8, far inside 5 and 50 ppm."""
    power = incoherent(three_phases(DISTORTED_V, DISTORTED_A, line_hz, 2.0))
    active_w = sum((DISTORTED_V[h] * np.conj(i)).real for h, i in DISTORTED_A.items())
    reactive_var = (DISTORTED_V[1] * np.conj(DISTORTED_A[1])).imag
    assert power.active_w.shape == (3, int(2.0 * line_hz / 10 - 0.05))
    assert np.allclose(power.active_w, active_w, rtol=1e-8, atol=0)
    assert np.allclose(power.reactive_var, reactive_var, rtol=1e-8, atol=0)
    assert np.allclose(power.frequency_hz, line_hz, rtol=1e-9, atol=0)
    assert np.allclose(power.voltage_v, rms_of(DISTORTED_V), rtol=1e-9, atol=0)
    assert np.allclose(power.current_a, rms_of(DISTORTED_A), rtol=1e-8, atol=0)
    assert np.allclose(np.angle(power.voltage_1[1] / power.voltage_1[0]), -2 * np.pi / 3, atol=1e-7)
    assert (power.nonactive_var > power.reactive_var * 1.02).all()
    for half_cycles in power.half_cycles:
        assert np.allclose(half_cycles.rms_v(), rms_of(DISTORTED_V), rtol=1e-7, atol=0)
        assert np.array_equal(half_cycles.one_cycle_rms_v(), half_cycles.rms_v()[::2])


@pytest.mark.parametrize("power", range(8))
def test_integrals_between_samples_are_exact_for_polynomials(power):
    places, begin, end = np.arange(-20, 21) / 10, np.array([3.0, 3.25, 10.9]), np.array([30.5, 36.0, 11.1])
    exact = [
        np.diff(((np.array(edge) - 20) / 10) ** (power + 1))[0] / (power + 1) * 10
        for edge in zip(begin, end, strict=True)
    ]
    assert np.allclose(integrals(places**power, begin, end), exact, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("line_hz", [50.0, 50.037, 49.2])
def test_harmonics_are_told_apart(line_hz):
    wave = three_phases(DISTORTED_V | {25: 3j, 40: 1 + 0j}, DISTORTED_A, line_hz, 1.0)
    power = incoherent(wave, harmonics=50)
    assert np.allclose(power.voltage_h[..., 0], power.voltage_1)
    sizes = np.zeros(50)
    for order, phasor in (DISTORTED_V | {25: 3j, 40: 1 + 0j}).items():
        sizes[order - 1] = abs(phasor)
    assert np.allclose(np.abs(power.voltage_h[..., :40]), sizes[:40], rtol=0, atol=230e-4)
    assert np.allclose(np.abs(power.voltage_h[..., :25]), sizes[:25], rtol=0, atol=1e-3)
    if line_hz == 50.0:
        exact = coherent(wave, SAMPLES, harmonics=50)
        assert np.allclose(np.abs(exact.voltage_h), sizes, atol=1e-9)
        assert np.allclose(exact.current_1, coherent(wave, SAMPLES).current_1)
        assert np.array_equal(exact.reference.edges_s, exact.half_cycles[0].edges_s)
    assert np.isin(power.begin_s, power.reference.edges_s).all()
    with pytest.raises(EngineError, match="harmonic 64"):
        incoherent(wave, harmonics=64)


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_a_dead_phase_disturbs_no_other(dead):
    wave = three_phases(DISTORTED_V, DISTORTED_A, 50.037, 2.0)
    wave.voltage_v[dead, 4000:] = 0.02 * np.random.default_rng(3).normal(size=wave.voltage_v.shape[1] - 4000)
    power, alive = incoherent(wave), [phase for phase in range(3) if phase != dead]
    active_w = sum((DISTORTED_V[h] * np.conj(i)).real for h, i in DISTORTED_A.items())
    assert np.allclose(power.active_w[alive], active_w, rtol=5e-6, atol=0)
    assert np.allclose(power.frequency_hz, 50.037, rtol=1e-8, atol=0)
    lost = power.half_cycles[dead]
    assert (lost.rms_v()[lost.edges_s[:-2] > 4001 / RATE_HZ] < 0.1).all()
    assert np.allclose(np.diff(lost.edges_s), 0.5 / 50.037, rtol=0.05)
    for phase in alive:
        assert np.allclose(power.half_cycles[phase].rms_v(), rms_of(DISTORTED_V), rtol=1e-7)


def test_half_cycles_go_on_where_there_are_no_crossings():
    assert np.allclose(filled(np.array([10.0, 20.0, 50.0]), 9.0, 2.0, 78.0), [10, 20, 30, 40, 50, 60, 70])
    assert np.allclose(filled(np.array([32.0, 42.0]), 9.0, 2.0, 43.0), [12, 22, 32, 42])
    assert np.allclose(filled(np.zeros(0), 10.0, 5.0, 36.0), [5, 15, 25, 35])
    halves = HalfCycles(np.array([0.0, 1.0, 3.0]), np.array([4.0, 1.0]))
    assert halves.rms_v() == pytest.approx(np.sqrt(2.0))


def test_windows_begin_anew_at_ticks_of_ten_minutes():
    """The tick comes 0.45 s after the first sample: the third window is completed across it, the fourth overlaps."""
    wave = three_phases({1: 230 + 0j}, {1: 5 + 0j}, 50.0, 1.2)
    power = incoherent(wave, start_s=599.55)
    free = incoherent(wave)
    assert np.array_equal(power.begin_s[:3], free.begin_s[:3])
    assert 0.45 <= power.begin_s[3] < 0.46 < power.end_s[2]
    assert np.allclose(np.diff(power.begin_s[3:]), 0.2)
    numbers = np.arange(power.begin_s.size)
    numbered = dataclasses.replace(power, active_w=np.tile(numbers.astype(float), (3, 1)))
    lengths_s = np.minimum(power.end_s, np.append(power.begin_s[1:], np.inf)) - power.begin_s
    mean_w = numbered.block(1.2).active_w[0, 0, 0]
    assert mean_w == pytest.approx((numbers * lengths_s).sum() / lengths_s.sum(), rel=1e-12)


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
    flat = incoherent(Waveform(np.zeros((1, 9000)), np.zeros((1, 9000)), rate))
    assert np.allclose(flat.frequency_hz, 50.0)
    assert not flat.active_w.any()


def test_half_cycle_rms_sees_a_dip_of_one_half_cycle():
    wave = synthesise({1: 230 + 0j}, SAMPLES * 50.0, 0.4, 50.0)
    wave[640:704] *= 0.5
    rms = half_cycle_rms(wave[None], SAMPLES)
    assert rms.shape == (1, 39)
    expected = np.full(39, 230.0)
    expected[9:11] = 230 * np.sqrt((1 + 0.25) / 2)
    assert np.allclose(rms[0], expected)
    assert root_mean_square(np.array([3.0, 4.0])) == pytest.approx(np.sqrt(12.5))


@pytest.mark.parametrize("line_hz", [50.0, 50.3, 47.1, 60.0, 59.3])
def test_steps_last_a_second_at_any_frequency(line_hz):
    """Windows of ten or twelve cycles do not fit seconds: a step takes the parts of the windows within it."""
    grown = 1 + np.arange(round(5 * RATE_HZ)) / RATE_HZ
    steady = three_phases({1: 230 + 0j}, {1: 10 * np.exp(-0.5j)}, line_hz, 5.0)
    power = incoherent(Waveform(steady.voltage_v, steady.current_a * grown, RATE_HZ), round(line_hz, -1))
    assert np.allclose(power.end_s - power.begin_s, (10 if line_hz < 55 else 12) / line_hz)
    block = power.block()
    assert block.active_w.shape == (3, 5, 1)
    expected = 2300 * np.cos(0.5) * (1.5 + np.arange(5))
    assert np.allclose(block.active_w[:, 1:4, 0], expected[1:4], rtol=2e-3)
    assert np.allclose(block.voltage_v, 230.0, rtol=1e-8)
    assert np.allclose(block.frequency_hz, line_hz, rtol=1e-8)


def test_energy_of_windows_is_that_of_the_steps():
    power = incoherent(three_phases(DISTORTED_V, DISTORTED_A, 50.3, 4.0))
    active_w = np.random.default_rng(5).normal(1000, 300, power.active_w.shape)
    power = dataclasses.replace(power, active_w=active_w)
    block = power.block(0.25)
    edges_s = np.append(power.begin_s, power.end_s[-1])
    covered_s = np.diff(np.clip(np.arange(block.active_w.shape[1] + 1) * 0.25, edges_s[0], edges_s[-1]))
    inside = (block.active_w[..., 0] * covered_s).sum(axis=-1)
    lengths_s = np.diff(np.minimum(edges_s, block.active_w.shape[1] * 0.25))
    assert np.allclose(inside, (active_w * lengths_s).sum(axis=-1))


def test_windows_become_steps_of_the_engine():
    rate = SAMPLES * 50.0
    wave = Waveform(*(synthesise({1: x}, rate, 2.4, 50.0)[None] for x in (230 + 0j, 10j)), rate)
    block = coherent(wave, SAMPLES).block()
    assert block.active_w.shape == (1, 2, 1)
    table = Table(block.active_w, block.reactive_var, block.voltage_v, block.current_a)
    engine = Engine(Config(Wiring.ONE_PHASE), table, START_S)
    engine.advance(START_S + 2)
    assert engine.register(Quantity(Measurand.REACTIVE_Q4, Kind.INSTANT)) == 2300
    assert engine.register(Quantity(Measurand.ACTIVE_IMPORT, Kind.INSTANT)) == 0
    assert window_cycles(50.3) == 10
    assert coherent(wave, SAMPLES // 2).begin_s[1] == pytest.approx(0.12)


def test_too_little_fills_no_step():
    wave = three_phases({1: 230 + 0j}, {1: 5 + 0j}, 50.0, 0.5)
    with pytest.raises(EngineError, match="first step"):
        incoherent(wave).block()
    with pytest.raises(EngineError, match="whole window"):
        incoherent(Waveform(wave.voltage_v[:, :900], wave.current_a[:, :900], RATE_HZ)).block()
    with pytest.raises(EngineError, match="no progress"):
        incoherent(wave).block(0.0)
    with pytest.raises(EngineError, match="samples a cycle"):
        incoherent(Waveform(wave.voltage_v, wave.current_a, 700.0))


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
