"""Power per phase and window as IEEE 1459-2010 names it, and how windows become the engine's steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block, Excursions
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.phasor import share, unbalance
from meters.engine.power_quality import Refresh

Complexes = NDArray[np.complex128]

LARGEST_THD = 1000.0
"""So much a distortion without a fundamental counts, instead of infinity."""


def root_mean_square(values: Doubles) -> Doubles:
    """Root of the mean of squares over the last axis.  IEC 61000-4-30 ed. 3, 4.5."""
    root: Doubles = np.sqrt(np.mean(np.square(values), axis=-1))
    return root


@dataclass(frozen=True, slots=True)
class HalfCycles:
    """Half cycles of one voltage: `edges_s` (n + 1) since the first sample, `mean_square` (n) of the samples between."""

    edges_s: Doubles
    mean_square: Doubles

    def rms_v(self) -> Doubles:
        """Urms(1/2): RMS of a cycle, refreshed every half cycle; value j is complete at edge j + 2.

        IEC 61000-4-30 ed. 3, 3.28.
        """
        length_s = np.diff(self.edges_s)
        energy = self.mean_square * length_s
        rms: Doubles = np.sqrt((energy[1:] + energy[:-1]) / (length_s[1:] + length_s[:-1]))
        return rms

    def one_cycle_rms_v(self) -> Doubles:
        """Urms(1): the same refreshed every cycle, which class S may use; value j is complete at edge 2 j + 2."""
        return self.rms_v()[::2]


@dataclass(frozen=True, slots=True)
class PhasePower:
    """Per phase and window (phase, window): RMS values, active power, and the fundamental phasors (RMS, complex).

    The angle of the phasors is that of the common window, so they may be compared between phases.  Everything else is
    derived as IEEE 1459-2010, 3.1.2, names it.  `frequency_hz`, and `begin_s` and `end_s` since the first sample, are
    (window); `half_cycles` are of each phase's voltage.  `voltage_h` are the phasors of its harmonics 1, 2, ... as
    (phase, window, order - 1), None when they were not asked for.
    """

    voltage_v: Doubles
    current_a: Doubles
    active_w: Doubles
    voltage_1: Complexes
    current_1: Complexes
    frequency_hz: Doubles
    begin_s: Doubles
    end_s: Doubles
    half_cycles: tuple[HalfCycles, ...]
    voltage_h: Complexes | None = None

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
        """THDU = UH / U1; 0 without voltage."""
        return share(self.harmonic_voltage_v, np.abs(self.voltage_1))

    @property
    def current_thd(self) -> Doubles:
        """THDI = IH / I1; 0 without current."""
        return share(self.harmonic_current_a, np.abs(self.current_1))

    @property
    def reference(self) -> HalfCycles:
        """The half cycles between whose edges the windows lie.  EngineError when there are none."""
        for one in self.half_cycles:
            if self.begin_s.size and np.isin(self.begin_s, one.edges_s).all():
                return one
        raise EngineError("there are no half cycles: an odd number of samples a cycle, or no window")

    @property
    def unbalance(self) -> Doubles:
        """u2 of each window, (window).  EngineError for other than three phases."""
        return unbalance(self.voltage_1)

    def block(self, step_s: float = 1, *, start_s: float = 0.0, refresh: Refresh = Refresh.HALF_CYCLE) -> Block:
        """The engine's steps, for one meter: step k is the time k to k + 1 times `step_s` after the first sample.

        A step takes of each window the part that lies within it: powers as means, RMS values as roots of mean squares,
        so no energy is lost or made wherever windows end.  A step that is covered by less than its half is left out
        at the end; EngineError when the first one is.  The RMS values of cycles become excursions, with `start_s`, the
        UTC of the first sample.
        """
        steps = _Steps(self.begin_s, self.end_s, step_s)
        thd = (np.minimum(thd, LARGEST_THD) for thd in (self.voltage_thd, self.current_thd))
        voltage_thd, current_thd = (steps.mean(shares)[..., None] for shares in thd)
        three = len(self.active_w) == 3
        harmonics = None
        if self.voltage_h is not None:
            sizes = np.moveaxis(np.abs(self.voltage_h), -1, 0)
            harmonics = np.sqrt(steps.mean(np.square(np.minimum(share(sizes, sizes[:1]), LARGEST_THD))))[..., None]
        return Block(
            steps.mean(self.active_w)[..., None],
            steps.mean(self.reactive_var)[..., None],
            np.sqrt(steps.mean(np.square(self.voltage_v)))[..., None],
            np.sqrt(steps.mean(np.square(self.current_a)))[..., None],
            steps.mean(self.frequency_hz)[..., None],
            excursions=self._excursions(start_s, start_s + steps.count * step_s, refresh),
            unbalance=steps.mean(np.minimum(self.unbalance, LARGEST_THD))[..., None] if three else None,
            voltage_thd=voltage_thd,
            current_thd=current_thd,
            voltage_harmonics=harmonics,
        )

    def _excursions(self, start_s: float, stop_s: float, refresh: Refresh) -> Excursions | None:
        """An RMS value of a cycle is that of the half cycle, or cycle, that completes it; the ends take the nearest."""
        rows = []
        for element, halves in enumerate(self.half_cycles):
            values_v = halves.rms_v() if refresh is Refresh.HALF_CYCLE else halves.one_cycle_rms_v()
            if not values_v.size:
                continue
            edges_s = start_s + (halves.edges_s[1:] if refresh is Refresh.HALF_CYCLE else halves.edges_s[::2])
            begin_s, end_s = edges_s[: values_v.size].copy(), edges_s[1 : values_v.size + 1].copy()
            begin_s[0], end_s[-1] = start_s, max(stop_s, end_s[-1])
            which = np.full(values_v.size, element)
            rows.append((np.zeros_like(which), which, begin_s, end_s, values_v))
        return Excursions(*(np.concatenate(column) for column in zip(*rows, strict=True))) if rows else None


class _Steps:
    """Means over steps of what is known over windows, as much of each as lies within the step."""

    def __init__(self, begin_s: Doubles, end_s: Doubles, step_s: float) -> None:
        if not step_s > 0:
            raise EngineError(f"steps of {step_s} s make no progress")
        if not begin_s.size:
            raise EngineError("a waveform without a whole window fills no step")
        end_s = np.minimum(end_s, np.append(begin_s[1:], np.inf))
        self.knots_s, self.length_s = np.column_stack([begin_s, end_s]).ravel(), end_s - begin_s
        self.edges_s = np.arange(int(self.knots_s[-1] // step_s) + 2) * step_s
        covered_s = self._sums(np.ones(end_s.size))
        enough = covered_s >= step_s / 2
        if not enough[0]:
            raise EngineError(f"the first step of {step_s} s is measured for {covered_s[0]:.3f} s only")
        self.count = enough.size if enough.all() else int(enough.argmin())
        self.covered_s = covered_s[: self.count]

    def _sums(self, values: Doubles) -> Doubles:
        """(..., window) -> (..., step) integrals."""
        grown = np.cumsum(values * self.length_s, axis=-1)
        lines = np.repeat(np.insert(grown, 0, 0.0, axis=-1), 2, axis=-1)[..., 1:-1].reshape(-1, self.knots_s.size)
        sums = np.array([np.interp(self.edges_s, self.knots_s, line) for line in lines])
        return np.diff(sums).reshape(*values.shape[:-1], -1)

    def mean(self, values: Doubles) -> Doubles:
        """(..., window) -> (..., step)."""
        means: Doubles = self._sums(values)[..., : self.count] / self.covered_s
        return means


def _root_of_difference(larger: Doubles, smaller: Doubles) -> Doubles:
    """sqrt(a^2 - b^2), written so that equal arguments give little more than nothing; rounding never makes it NaN."""
    return np.sqrt(np.maximum((larger - smaller) * (larger + smaller), 0.0))
