"""Sampled voltages and currents become power when the sampling is locked to the line: whole samples a cycle.

For any other sampling see `meters.engine.incoherent`.  Arrays are (phase, sample) in, (phase, window) out; a window is
the 10 cycles at 50 Hz or 12 at 60 Hz of IEC 61000-4-30 unless asked otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.phase_power import HalfCycles, PhasePower

TEN_CYCLES, TWELVE_CYCLES = 10, 12
_BETWEEN_HZ = 55.0
_CHUNK = 64
"""Windows of one phase that are worked on at once: their samples are read from the cache but for the first time."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Samples of all phases at one rate; arrays are (phase, sample), float32 or float64."""

    voltage_v: NDArray[np.floating]
    current_a: NDArray[np.floating]
    sample_rate_hz: float

    def __post_init__(self) -> None:
        if self.voltage_v.ndim != 2 or self.voltage_v.shape != self.current_a.shape or not len(self.voltage_v):
            raise EngineError(f"a waveform is (phase, sample): {self.voltage_v.shape}, {self.current_a.shape}")
        if not self.sample_rate_hz > 0:
            raise EngineError(f"a sample rate of {self.sample_rate_hz} Hz")

    def aron(self) -> Waveform:
        """What the two elements of a three-wire meter see: U12 with I1, and U32 with I3.  EngineError unless there are
        three phases."""
        if len(self.voltage_v) != 3:
            raise EngineError(f"the Aron circuit needs three phases, not {len(self.voltage_v)}")
        u, i = self.voltage_v, self.current_a
        return Waveform(np.stack([u[0] - u[1], u[2] - u[1]]), np.stack([i[0], i[2]]), self.sample_rate_hz)


def window_cycles(line_hz: float) -> int:
    """Cycles of the basic window: ten at 50 Hz, twelve at 60 Hz.  IEC 61000-4-30 ed. 3, 4.4."""
    return TEN_CYCLES if line_hz < _BETWEEN_HZ else TWELVE_CYCLES


def coherent(wave: Waveform, samples_per_cycle: int, cycles: int | None = None, *, harmonics: int = 0) -> PhasePower:
    """Power of every whole window when a cycle is exactly `samples_per_cycle` samples; a last partial one is left out.

    The cycles of a window are folded into one before its phasors are taken out with a small matrix product: exact for
    everything periodic in the cycle, and close to the speed of reading the samples.  With an odd number of samples
    a cycle has no middle: `half_cycles` is then empty.  `harmonics` is the highest order asked for.
    """
    line_hz = wave.sample_rate_hz / max(samples_per_cycle, 1)
    cycles = window_cycles(line_hz) if cycles is None else cycles
    if samples_per_cycle < 3 or cycles < 1:
        raise EngineError(f"{cycles} cycles of {samples_per_cycle} samples have no fundamental")
    check_harmonics(harmonics, samples_per_cycle)
    length = samples_per_cycle * cycles
    phases, windows = len(wave.voltage_v), wave.voltage_v.shape[1] // length
    sums = _Sums(wave, windows, samples_per_cycle, cycles, max(harmonics, 1))
    for phase in range(phases):
        for first in range(0, windows, _CHUNK):
            sums.take(phase, first, min(first + _CHUNK, windows))
    edges_s = np.arange(windows + 1) * length / wave.sample_rate_hz
    return PhasePower(
        np.sqrt(sums.voltage_square.reshape(phases, windows, -1).sum(axis=-1) / length),
        np.sqrt(sums.current_square / length),
        sums.power / length,
        sums.voltage_h[..., 0],
        sums.current_1[..., 0],
        np.full(windows, line_hz),
        edges_s[:-1],
        edges_s[1:],
        sums.half_cycles(wave.sample_rate_hz),
        sums.voltage_h if harmonics else None,
    )


def check_harmonics(harmonics: int, samples_per_cycle: float) -> None:
    """EngineError for orders that the samples do not show."""
    if not 0 <= harmonics < samples_per_cycle / 2:
        raise EngineError(f"{samples_per_cycle:g} samples a cycle do not show harmonic {harmonics}")


class _Sums:
    """What one pass over the samples leaves: squares and products, and the phasors of a window's cycles added up."""

    def __init__(self, wave: Waveform, windows: int, samples_per_cycle: int, cycles: int, orders: int) -> None:
        phases, length = len(wave.voltage_v), samples_per_cycle * cycles
        self.pieces = 2 * cycles if samples_per_cycle % 2 == 0 else 1
        self.piece = length // self.pieces
        u, i = (samples[:, : windows * length] for samples in (wave.voltage_v, wave.current_a))
        self.halves = u.reshape(phases, -1, self.piece)
        self.u, self.i = u.reshape(phases, windows, length), i.reshape(phases, windows, length)
        self.u_cycles, self.i_cycles = (samples.reshape(phases, windows, cycles, -1) for samples in (u, i))
        self.voltage_square: Doubles = np.empty((phases, windows * self.pieces))
        """Of half cycles, where there are such."""
        self.current_square, self.power = np.empty((phases, windows)), np.empty((phases, windows))
        self.voltage_h = np.empty((phases, windows, orders), np.complex128)
        self.current_1 = np.empty((phases, windows, 1), np.complex128)
        self.ones = np.ones((1, cycles), u.dtype)
        turn = 2 * np.pi * np.outer(np.arange(samples_per_cycle), np.arange(1, orders + 1)) / samples_per_cycle
        parts = np.stack([np.cos(turn), -np.sin(turn)], axis=-1) * (np.sqrt(2.0) / length)
        self.basis: Doubles = parts.reshape(samples_per_cycle, 2 * orders)
        """Real and imaginary part of each order in turn."""

    def take(self, phase: int, first: int, last: int) -> None:
        """Add the windows of a phase up."""
        windows, pieces = slice(first, last), slice(first * self.pieces, last * self.pieces)
        halves, u, i = self.halves[phase, pieces], self.u[phase, windows], self.i[phase, windows]
        self.voltage_square[phase, pieces] = _products(halves, halves)
        self.current_square[phase, windows] = _products(i, i)
        self.power[phase, windows] = _products(u, i)
        folded = np.matmul(self.ones, self.u_cycles[phase, windows])[:, 0]
        np.matmul(folded, self.basis, out=self.voltage_h[phase, windows].view(np.float64))
        folded = np.matmul(self.ones, self.i_cycles[phase, windows])[:, 0]
        np.matmul(folded, self.basis[:, :2], out=self.current_1[phase, windows].view(np.float64))

    def half_cycles(self, sample_rate_hz: float) -> tuple[HalfCycles, ...]:
        """Of each phase; none when a cycle has no middle."""
        if self.pieces == 1:
            return ()
        edges_s = np.arange(self.voltage_square.shape[1] + 1) * self.piece / sample_rate_hz
        means: Doubles = self.voltage_square / self.piece
        return tuple(HalfCycles(edges_s, mean) for mean in means)


def _products(one: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.floating]:
    """Scalar products over the last axis.  As products of a row and a column BLAS computes them, faster than einsum."""
    products: NDArray[np.floating] = np.matmul(one[..., None, :], other[..., :, None])[..., 0, 0]
    return products


def half_cycle_rms(samples: NDArray[np.floating], samples_per_cycle: int) -> Doubles:
    """Urms(1/2) of coherent samples (phase, sample) alone, as (phase, half cycle - 1); EngineError for an odd cycle."""
    if samples_per_cycle % 2:
        raise EngineError(f"{samples_per_cycle} samples a cycle have no middle")
    half = samples_per_cycle // 2
    count = samples.shape[1] // half
    halves = samples[:, : count * half].reshape(-1, count, half)
    squares = _products(halves, halves).astype(np.float64) / half
    rms: Doubles = np.sqrt((squares[:, 1:] + squares[:, :-1]) / 2)
    return rms
