"""Sampled voltages and currents become power, as IEEE 1459-2010 and IEC 61000-4-30 define it.

Two ways: `coherent` when the sampling is locked to the line (whole samples a cycle), `incoherent` for anything else.
Arrays are (phase, sample) in, (phase, window) out; a window is ten cycles unless asked otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.quantity import Ints

Complexes = NDArray[np.complex128]

TEN_CYCLES = 10
"""Window of IEC 61000-4-30 at 50 Hz; twelve at 60 Hz."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Samples of all phases at one rate; arrays are (phase, sample), float32 or float64."""

    voltage_v: NDArray[np.floating]
    current_a: NDArray[np.floating]
    sample_rate_hz: float

    def __post_init__(self) -> None:
        if self.voltage_v.ndim != 2 or self.voltage_v.shape != self.current_a.shape:
            raise EngineError(f"a waveform is (phase, sample): {self.voltage_v.shape}, {self.current_a.shape}")
        if not self.sample_rate_hz > 0:
            raise EngineError(f"a sample rate of {self.sample_rate_hz} Hz")


@dataclass(frozen=True, slots=True)
class PhasePower:
    """Per phase and window (phase, window): RMS values, active power, and the fundamental phasors (RMS, complex).

    The angle of the phasors is that of the common window, so they may be compared between phases.  Everything else is
    derived as IEEE 1459-2010, 3.1.2, names it; `frequency_hz` is (window).
    """

    voltage_v: Doubles
    current_a: Doubles
    active_w: Doubles
    voltage_1: Complexes
    current_1: Complexes
    frequency_hz: Doubles

    @property
    def reactive_var(self) -> Doubles:
        """Q1 = U1 I1 sin(theta1), positive for inductive import: the only one that has a sign."""
        return np.imag(self.voltage_1 * self.current_1.conj())

    @property
    def active_1_w(self) -> Doubles:
        """P1, of the fundamental."""
        return np.real(self.voltage_1 * self.current_1.conj())

    @property
    def active_harmonic_w(self) -> Doubles:
        """PH = P - P1."""
        return self.active_w - self.active_1_w

    @property
    def apparent_va(self) -> Doubles:
        """S = U I."""
        return self.voltage_v * self.current_a

    @property
    def apparent_1_va(self) -> Doubles:
        """S1 = U1 I1."""
        return np.abs(self.voltage_1) * np.abs(self.current_1)

    @property
    def nonactive_var(self) -> Doubles:
        """N = sqrt(S^2 - P^2): without a sign, and not reactive power when there are harmonics."""
        return _root_of_difference(self.apparent_va, self.active_w)

    @property
    def nonfundamental_va(self) -> Doubles:
        """SN = sqrt(S^2 - S1^2)."""
        return _root_of_difference(self.apparent_va, self.apparent_1_va)

    @property
    def harmonic_voltage_v(self) -> Doubles:
        """UH = sqrt(U^2 - U1^2): everything that is not fundamental."""
        return _root_of_difference(self.voltage_v, np.abs(self.voltage_1))

    @property
    def harmonic_current_a(self) -> Doubles:
        """IH = sqrt(I^2 - I1^2)."""
        return _root_of_difference(self.current_a, np.abs(self.current_1))

    @property
    def current_distortion_var(self) -> Doubles:
        """DI = U1 IH."""
        return np.abs(self.voltage_1) * self.harmonic_current_a

    @property
    def voltage_distortion_var(self) -> Doubles:
        """DV = UH I1."""
        return self.harmonic_voltage_v * np.abs(self.current_1)

    @property
    def harmonic_apparent_va(self) -> Doubles:
        """SH = UH IH."""
        return self.harmonic_voltage_v * self.harmonic_current_a

    @property
    def harmonic_distortion_var(self) -> Doubles:
        """DH = sqrt(SH^2 - PH^2)."""
        return _root_of_difference(self.harmonic_apparent_va, self.active_harmonic_w)

    @property
    def power_factor(self) -> Doubles:
        """PF = P / S; 1 without current."""
        return np.divide(self.active_w, self.apparent_va, out=np.ones_like(self.active_w), where=self.apparent_va > 0)

    @property
    def voltage_thd(self) -> Doubles:
        """THDU = UH / U1."""
        return self.harmonic_voltage_v / np.abs(self.voltage_1)

    @property
    def current_thd(self) -> Doubles:
        """THDI = IH / I1."""
        return self.harmonic_current_a / np.abs(self.current_1)

    def block(self, windows_per_step: int = 5) -> Block:
        """Steps for the engine out of so many windows each (five of 200 ms are a second), for one meter.

        Powers are averaged, RMS values as the root of the mean square; windows that fill no step are left out.
        """
        steps = self.active_w.shape[1] // windows_per_step

        def group(array: Doubles) -> Doubles:
            return array[..., : steps * windows_per_step].reshape(*array.shape[:-1], steps, windows_per_step)

        return Block(
            group(self.active_w).mean(axis=-1)[..., None],
            group(self.reactive_var).mean(axis=-1)[..., None],
            aggregate(group(self.voltage_v))[..., None],
            aggregate(group(self.current_a))[..., None],
            group(self.frequency_hz).mean(axis=-1)[..., None],
        )


def _root_of_difference(larger: Doubles, smaller: Doubles) -> Doubles:
    """sqrt(a^2 - b^2), written so that equal arguments give little more than nothing; rounding never makes it NaN."""
    return np.sqrt(np.maximum((larger - smaller) * (larger + smaller), 0.0))


def aggregate(rms: Doubles) -> Doubles:
    """Root of the mean of squares over the last axis.  IEC 61000-4-30 ed. 3, 4.5."""
    root: Doubles = np.sqrt(np.mean(np.square(rms), axis=-1))
    return root


def coherent(wave: Waveform, samples_per_cycle: int, cycles: int = TEN_CYCLES) -> PhasePower:
    """Power of every whole window when a cycle is exactly `samples_per_cycle` samples; a last partial one is left out.

    The cycles of a window are folded into one before the fundamental is taken out with a small matrix product: exact
    for everything periodic in the cycle, and close to the speed of reading the samples.
    """
    if samples_per_cycle < 3 or cycles < 1:
        raise EngineError(f"{cycles} cycles of {samples_per_cycle} samples have no fundamental")
    length = samples_per_cycle * cycles
    windows = wave.voltage_v.shape[1] // length
    u = wave.voltage_v[:, : windows * length].reshape(-1, windows, length)
    i = wave.current_a[:, : windows * length].reshape(-1, windows, length)
    turn = 2 * np.pi * np.arange(samples_per_cycle) / samples_per_cycle
    basis = np.stack([np.cos(turn), -np.sin(turn)], axis=1) * (np.sqrt(2.0) / samples_per_cycle)
    return PhasePower(
        np.sqrt(_mean_product(u, u)),
        np.sqrt(_mean_product(i, i)),
        _mean_product(u, i),
        _fundamental(u, cycles, basis),
        _fundamental(i, cycles, basis),
        np.full(windows, wave.sample_rate_hz / samples_per_cycle),
    )


def _mean_product(one: NDArray[np.floating], other: NDArray[np.floating]) -> Doubles:
    """Over the last axis.  As a product of a row and a column it is a dot product of BLAS, faster than einsum."""
    product: Doubles = np.matmul(one[..., None, :], other[..., :, None])[..., 0, 0].astype(np.float64)
    mean: Doubles = product / one.shape[-1]
    return mean


def _fundamental(samples: NDArray[np.floating], cycles: int, basis: Doubles) -> Complexes:
    ones = np.full((1, cycles), 1 / cycles, samples.dtype)
    folded = np.matmul(ones, samples.reshape(*samples.shape[:-1], cycles, -1))[..., 0, :]
    parts = folded @ basis
    phasor: Complexes = parts[..., 0] + 1j * parts[..., 1]
    return phasor


def half_cycle_rms(samples: NDArray[np.floating], samples_per_cycle: int) -> Doubles:
    """Urms(1/2): RMS of a cycle, refreshed every half cycle; (phase, half cycle - 1).  IEC 61000-4-30 ed. 3, 5.4.1."""
    if samples_per_cycle % 2:
        raise EngineError(f"{samples_per_cycle} samples a cycle have no middle")
    half = samples_per_cycle // 2
    count = samples.shape[1] // half
    halves = samples[:, : count * half].reshape(-1, count, half)
    squares = _mean_product(halves, halves)
    rms: Doubles = np.sqrt((squares[:, 1:] + squares[:, :-1]) / 2)
    return rms


def rising_crossings(voltage_v: NDArray[np.floating], samples_per_cycle: float) -> Doubles:
    """Where a voltage passes zero upwards, in fractions of a sample.

    A quarter-cycle moving average goes before, so that noise and harmonics make no crossings of their own; it delays
    all crossings alike.
    """
    length = max(1, round(samples_per_cycle / 4))
    total = np.concatenate([[0.0], np.cumsum(voltage_v, dtype=np.float64)])
    smooth = total[length:] - total[:-length]
    before = np.flatnonzero((smooth[:-1] < 0) & (smooth[1:] >= 0))
    crossings: Doubles = before + smooth[before] / (smooth[before] - smooth[before + 1]) + (length - 1) / 2
    return crossings


def incoherent(wave: Waveform, nominal_hz: float = 50.0, cycles: int = TEN_CYCLES) -> PhasePower:
    """Power of every window between zero crossings of the first phase's voltage, whatever the frequency is.

    Integrals run over the line through the samples from one fractional crossing to the next.  Fewer than one window
    of crossings gives arrays with no window.
    """
    edges = rising_crossings(wave.voltage_v[0], wave.sample_rate_hz / nominal_hz)[::cycles]
    edges = edges[edges < wave.voltage_v.shape[1] - 2]
    if edges.size < 2:
        edges = edges[:0]
    length = np.diff(edges)
    u, i = wave.voltage_v.astype(np.float64), wave.current_a.astype(np.float64)
    turn = _turns(edges, cycles, u.shape[1])

    def mean(product: NDArray[np.inexact]) -> NDArray[np.inexact]:
        means: NDArray[np.inexact] = integrals(product, edges) / length
        return means

    root2 = np.sqrt(2.0)
    return PhasePower(
        np.sqrt(mean(u * u).real),
        np.sqrt(mean(i * i).real),
        mean(u * i).real,
        root2 * mean(u * turn).astype(np.complex128),
        root2 * mean(i * turn).astype(np.complex128),
        cycles * wave.sample_rate_hz / length,
    )


def _turns(edges: Doubles, cycles: int, samples: int) -> Complexes:
    """e^(-j theta) of every sample, theta turning `cycles` times between two edges."""
    theta = np.interp(np.arange(samples), edges, np.arange(edges.size)) if edges.size else np.zeros(samples)
    turn: Complexes = np.exp(-2j * np.pi * cycles * theta)
    return turn


def integrals(samples: NDArray[np.inexact], edges: Doubles) -> NDArray[np.inexact]:
    """Integrals of the line through the samples (phase, sample) between consecutive fractional edges, in samples."""
    if edges.size < 2:
        return np.zeros((samples.shape[0], 0), samples.dtype)
    whole: Ints = np.floor(edges).astype(np.int64)
    part = edges - whole
    sums = np.add.reduceat(samples[:, : whole[-1]], whole[:-1], axis=1)
    at, following = samples[:, whole], samples[:, whole + 1]
    up_to = part * at + part**2 / 2 * (following - at) - at / 2
    whole_and_parts: NDArray[np.inexact] = sums + up_to[:, 1:] - up_to[:, :-1]
    return whole_and_parts
