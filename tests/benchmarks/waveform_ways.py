"""A minute of three phases of voltage and current: the same values by this library and by pqopen-lib."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from meters.engine.incoherent import incoherent
from meters.engine.phase_power import PhasePower
from meters.engine.waveform import Waveform, coherent

RATE_HZ, SECONDS, CYCLE = 6400, 60, 128
CHUNK = RATE_HZ
"""Samples that pqopen-lib is given at a time: a second, as from an acquisition."""


def made_wave(seconds: int = SECONDS) -> Waveform:
    """230 V with a third harmonic, 10 A that lag by half a radian."""
    turn = 2 * np.pi * 50 * np.arange(RATE_HZ * seconds) / RATE_HZ
    shift = -2 * np.pi / 3 * np.arange(3)[:, None]
    voltage_v = 325.27 * np.sin(turn + shift) + 16.0 * np.sin(3 * turn)
    return Waveform(voltage_v, 14.2 * np.sin(turn + shift - 0.5), RATE_HZ)


def ours(wave: Waveform) -> tuple[PhasePower, NDArray[np.float64]]:
    """Ten-cycle U, I, P and fundamentals (so Q1) of each phase, and Urms(1/2)."""
    power = coherent(wave, CYCLE)
    return power, np.stack([half_cycles.rms_v() for half_cycles in power.half_cycles])


def ours_incoherent(wave: Waveform) -> tuple[PhasePower, list[NDArray[np.float64]]]:
    """The same by way of zero crossings, as if nothing were known of the sampling."""
    power = incoherent(wave)
    return power, [half_cycles.rms_v() for half_cycles in power.half_cycles]


def in_single_precision(wave: Waveform) -> Waveform:
    """The same in float32, which is what pqopen-lib's buffers hold."""
    return Waveform(wave.voltage_v.astype(np.float32), wave.current_a.astype(np.float32), wave.sample_rate_hz)


def read(wave: Waveform) -> float:
    """Look at every sample once."""
    return float(wave.voltage_v.sum() + wave.current_a.sum())


def with_pqopen(wave: Waveform) -> dict[str, Any]:
    """In its lightest mode: ten-cycle, one-cycle and half-cycle values, no fundamentals."""
    from daqopen.channelbuffer import AcqBuffer
    from pqopen.powersystem import PowerSystem

    samples = wave.voltage_v.shape[1]
    buffers = [[AcqBuffer(size=4 * CHUNK) for _ in range(3)] for _ in range(2)]
    system = PowerSystem(zcd_channel=buffers[0][0], input_samplerate=float(RATE_HZ))
    for u, i in zip(*buffers, strict=True):
        system.add_phase(u, i)
    for at in range(0, samples, CHUNK):
        for many, arrays in zip(buffers, (wave.voltage_v, wave.current_a), strict=True):
            for buffer, array in zip(many, arrays, strict=True):
                buffer.put_data(array[at : at + CHUNK])
        system.process()
    return dict(system.output_channels)
