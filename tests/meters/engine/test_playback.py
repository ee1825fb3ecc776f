"""Waveforms, phasors and ready powers of the same physics give the same registers; dips in samples reach the log."""

from __future__ import annotations

import numpy as np
import pytest

from meters.engine import (
    CLASS_A,
    CLASS_S,
    Block,
    Config,
    Engine,
    EngineError,
    EventKind,
    Kind,
    Logger,
    Measurand,
    Playback,
    Quantity,
    Refresh,
    Waveform,
    Wiring,
    block_of,
    coherent,
    incoherent,
    side_by_side,
)
from meters.engine.phasor import TURN
from tests.meters.engine.reference import START_S
from tests.meters.engine.test_reference import ENERGY_CHANNELS

RATE_HZ = 6400.0
VOLTAGE = np.array([231.0, 228.0 * TURN**2, 233.0 * TURN])
CURRENT = np.array([10.0 * np.exp(-0.5j), 4.0 * TURN**2 * np.exp(2.6j), 7.0 * TURN * np.exp(0.4j)])
STEPS = 20


def sampled(voltage: np.ndarray, current: np.ndarray, line_hz: float, duration_s: float) -> Waveform:
    """Sinusoids of RMS phasors (phase)."""
    turn = 2 * np.pi * line_hz * np.arange(round(duration_s * RATE_HZ)) / RATE_HZ

    def waves(phasors: np.ndarray) -> np.ndarray:
        return np.sqrt(2) * np.abs(phasors)[:, None] * np.cos(turn + np.angle(phasors)[:, None])

    return Waveform(waves(voltage), waves(current), RATE_HZ)


def registers(block: Block, config: Config) -> dict[tuple[Measurand, int], int]:
    """All energies in millionths after STEPS seconds, of the whole meter and of each phase."""
    engine = Engine(config, Playback(block, START_S), START_S)
    engine.advance(START_S + STEPS)
    phases = (0, *config.wiring.phases)
    return {(m, p): engine.register(Quantity(m, Kind.ENERGY, p, exponent=-6)) for m in ENERGY_CHANNELS for p in phases}


def held(phasors: np.ndarray) -> np.ndarray:
    return np.repeat(phasors[:, None, None], STEPS, axis=1)


@pytest.mark.parametrize("line_hz", [50.0, 50.3])
def test_three_inputs_give_equal_registers(line_hz):
    """L2 feeds in, so that both directions and three quadrants count."""
    wave = sampled(VOLTAGE, CURRENT, line_hz, STEPS)
    power = coherent(wave, 128) if line_hz == 50.0 else incoherent(wave)
    phasors = block_of(held(VOLTAGE), held(CURRENT), line_hz)
    complex_va = held(VOLTAGE * CURRENT.conj())
    ready = Block.from_power(complex_va.real, complex_va.imag, np.abs(held(VOLTAGE)), line_hz)
    found = [registers(block, Config()) for block in (power.block(), phasors, ready)]
    assert found[0][Measurand.ACTIVE_EXPORT, 0] > 0 < found[0][Measurand.REACTIVE_Q4, 0]
    for key, exact in found[1].items():
        assert abs(found[2][key] - exact) <= 1
        assert found[0][key] == pytest.approx(exact, rel=1e-9, abs=2), key


def test_aron_equals_three_elements_on_samples():
    """Unbalanced, with harmonics, currents that add up to zero; the meter's A+ is that of its two elements together."""
    wave = sampled(VOLTAGE, CURRENT, 50.0, STEPS)
    third = np.sqrt(2) * 20 * np.cos(3 * 2 * np.pi * 50 * np.arange(wave.voltage_v.shape[1]) / RATE_HZ)
    voltage_v, current_a = wave.voltage_v + third, wave.current_a.copy()
    fifth = np.cos(5 * 2 * np.pi * 50 * np.arange(wave.voltage_v.shape[1]) / RATE_HZ)
    voltage_v[0] += 8 * fifth
    current_a[0] += 2 * fifth
    current_a[1] = -current_a[0] - current_a[2]
    wave = Waveform(voltage_v, current_a, RATE_HZ)
    three, two = coherent(wave, 128), coherent(wave.aron(), 128)
    assert np.allclose(two.active_w.sum(axis=0), three.active_w.sum(axis=0), rtol=1e-12)
    assert np.allclose(two.reactive_var.sum(axis=0), three.reactive_var.sum(axis=0), rtol=1e-12)
    meter = registers(two.block(), Config(Wiring.ARON))
    expected_uwh = three.active_w.sum(axis=0).mean() * STEPS / 3600 * 1e6
    assert meter[Measurand.ACTIVE_IMPORT, 0] == pytest.approx(expected_uwh, rel=1e-9, abs=1)
    assert meter[Measurand.ACTIVE_EXPORT, 0] == 0
    with pytest.raises(EngineError, match="three phases"):
        wave.aron().aron()


def test_a_balanced_load_at_a_power_factor_of_a_quarter_exports_nothing_through_aron():
    voltage = 230 * np.array([1.0, TURN**2, TURN])
    wave = sampled(voltage, voltage / 23 * np.exp(-1j * np.radians(75)), 50.0, STEPS)
    elements = coherent(wave.aron(), 128)
    assert elements.active_w[:, 0].min() == pytest.approx(-1031, abs=0.5)
    assert elements.active_w[:, 0].max() == pytest.approx(2817, abs=0.5)
    meter = registers(elements.block(), Config(Wiring.ARON))
    assert meter[Measurand.ACTIVE_EXPORT, 0] == 0 < meter[Measurand.ACTIVE_IMPORT, 0]


@pytest.mark.parametrize("profile", [CLASS_A, CLASS_S])
def test_dips_in_samples_reach_the_log_of_the_living_meter(profile):
    """L1 to 60 % for five cycles, then all phases dead for a second."""
    wave = sampled(230 * np.array([1.0, TURN**2, TURN]), CURRENT, 50.0, 8.0)
    wave.voltage_v[0, 2 * 6400 : 2 * 6400 + 640] *= 0.6
    wave.voltage_v[:, 5 * 6400 : 6 * 6400] = 0.0
    block = incoherent(wave).block(start_s=START_S, refresh=profile.refresh)
    engine = Engine(Config(power_quality=profile), Playback(block, START_S), START_S)
    engine.advance(START_S + 8)
    lines = {e.kind: e for e in engine.events(Logger.VOLTAGE) if e.begin_s - START_S in (2, 5)}
    by_time = [e for e in engine.events(Logger.VOLTAGE) if e.kind is EventKind.DIP]
    coarse_ms = 31 if profile.refresh is Refresh.HALF_CYCLE else 51
    dip, darkness, interruption = *by_time, lines[EventKind.INTERRUPTION]
    assert dip.min_v == pytest.approx(138.0, rel=1e-6)
    assert dip.length_ms == pytest.approx(100, abs=coarse_ms)
    assert 1000 * (dip.begin_s - START_S) + dip.begin_ms == pytest.approx(2000, abs=coarse_ms)
    assert darkness.min_v == pytest.approx(0.0, abs=1e-6)
    assert interruption.length_ms == pytest.approx(1000, abs=coarse_ms)
    assert engine.register(Quantity(Measurand.SHORT_INTERRUPTIONS, Kind.COUNT)) == 1
    assert engine.register(Quantity(Measurand.DIPS, Kind.COUNT)) == 2


def test_an_rms_value_is_that_of_the_half_cycle_that_completes_it():
    """Of the second half cycle at 50 Hz on, 10 ms each; in class S of its cycle.  The ends take the nearest value."""
    wave = sampled(np.array([230.0]), np.array([10.0]), 50.0, 1.0)
    wave.voltage_v[0, 640:704] *= 0.5
    power = coherent(wave, 128)
    for refresh, hit_s in ((Refresh.HALF_CYCLE, (0.10, 0.11)), (Refresh.CYCLE, (0.10,))):
        given = power.block(start_s=1000.0, refresh=refresh).excursions
        low = given.voltage_v < 220
        assert np.allclose(given.begin_s[low] - 1000, hit_s, atol=1e-9)
        assert np.allclose(given.end_s[low] - given.begin_s[low], 0.01 if refresh is Refresh.HALF_CYCLE else 0.02)
        assert (given.begin_s[0], given.end_s[-1]) == (1000.0, 1001.0)
        assert np.array_equal(given.begin_s[1:], given.end_s[:-1])
        assert np.allclose(given.voltage_v[low], 230 * np.sqrt(1.25 / 2))


def test_distortion_and_unbalance_of_samples_reach_the_counters():
    """Eleven minutes at a low rate: 10 % of fifth harmonic in L2, 30 % in the current of L3, and 3 % of unbalance."""
    rate_hz, turn = 1600.0, 2 * np.pi * 50 * np.arange(1600 * 660) / 1600
    shift = -2 * np.pi / 3 * np.arange(3)[:, None]
    voltage_v = 325 * np.cos(turn + shift) + 0.03 * 325 * np.cos(turn - shift)
    current_a = 10 * np.cos(turn + shift)
    voltage_v[1] += 32.5 * np.cos(5 * turn)
    current_a[2] += 3 * np.cos(5 * turn)
    power = coherent(Waveform(voltage_v, current_a, rate_hz), 32)
    assert np.allclose(power.unbalance, 0.03)
    assert np.allclose(power.current_thd[2], 0.3)
    engine = Engine(Config(power_quality=CLASS_A), Playback(power.block(), START_S), START_S)
    engine.advance(START_S + 660)
    counted = {
        m: [engine.register(Quantity(m, Kind.COUNT, p)) for p in (1, 2, 3)]
        for m in (Measurand.VOLTAGE_DISTORTIONS, Measurand.CURRENT_DISTORTIONS)
    }
    assert list(counted.values()) == [[0, 1, 0], [0, 0, 1]]
    assert engine.register(Quantity(Measurand.UNBALANCES, Kind.COUNT)) == 1


def test_meters_lie_side_by_side():
    waves = [sampled(VOLTAGE * scale, CURRENT, 50.0, 3.0) for scale in (1.0, 0.8)]
    blocks = [coherent(wave, 128).block(start_s=START_S) for wave in waves]
    both = side_by_side(blocks)
    engine = Engine(Config(power_quality=CLASS_A), Playback(both, START_S), START_S, 2)
    engine.advance(START_S + 3)
    for meter, block in enumerate(blocks):
        alone = Engine(Config(power_quality=CLASS_A), Playback(block, START_S), START_S)
        alone.advance(START_S + 3)
        micro = Quantity(Measurand.ACTIVE_IMPORT, Kind.ENERGY, exponent=-6)
        assert engine.register(micro, meter) == alone.register(micro)
        assert engine.is_active(EventKind.DIP, meter) == alone.is_active(EventKind.DIP) == bool(meter)
    with pytest.raises(EngineError, match="side by side"):
        side_by_side([blocks[0], block_of(held(VOLTAGE), held(CURRENT))])


def test_what_is_not_recorded_is_refused():
    source = Playback(block_of(held(VOLTAGE), held(CURRENT)), START_S)
    for engine in (Engine(Config(), source, START_S, 2), Engine(Config(), source, START_S - 1)):
        with pytest.raises(EngineError, match="are recorded"):
            engine.advance(engine.now_s + 1)
    late = Engine(Config(), source, START_S)
    with pytest.raises(EngineError, match="are recorded"):
        late.advance(START_S + STEPS + 1)
    with pytest.raises(EngineError, match="no steps of 60 s"):
        Engine(Config(step_s=60), source, START_S).advance(START_S + 60)
