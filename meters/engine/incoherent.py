"""Power of samples that are not locked to the line: windows between zero crossings, at fractions of a sample.

What is integrated is the polynomial of degree seven through the samples around each end, so that a window that ends
between samples is as exact as one that does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError
from meters.engine.phase_power import Complexes, HalfCycles, PhasePower
from meters.engine.quantity import Ints
from meters.engine.waveform import Waveform, check_harmonics, window_cycles

BEFORE, AFTER = 3, 4
"""Samples before the one at an edge and after it that its polynomial goes through."""
MIN_SAMPLES_PER_CYCLE = 16
ALIVE = 0.03
"""Share of the largest voltage below which one crosses zero by noise only."""
RESYNCHRONISE_S = 600
_OFFSETS = np.arange(-BEFORE, AFTER + 1)
_POLYNOMIAL = np.linalg.inv(np.vander(_OFFSETS.astype(np.float64), increasing=True)).T
"""Samples around an edge @ this = coefficients, lowest power first."""
_EULER_MACLAURIN = {0: 1 / 2, 1: -1 / 12, 3: 6 / 720, 5: -120 / 30_240}
"""Power of the polynomial: what the integral up to a sample has more than the sum of the samples before it."""


def around(samples: NDArray[np.inexact], at: Ints) -> NDArray[np.inexact]:
    """Coefficients (edge, power) of the polynomials through the samples around each place of a row of samples."""
    coefficients: NDArray[np.inexact] = samples[at[:, None] + _OFFSETS] @ _POLYNOMIAL
    return coefficients


def integrals(samples: NDArray[np.inexact], begin: Doubles, end: Doubles) -> NDArray[np.inexact]:
    """Integrals of a row of samples from each begin to its end, in samples; they may overlap.

    All edges lie at least BEFORE samples after the first sample and AFTER before the last.
    """
    if not begin.size:
        return np.zeros(0, samples.dtype)
    places = np.column_stack([begin, end])
    whole: Ints = np.floor(places).astype(np.int64)
    part = places - whole
    sums = np.add.reduceat(samples, whole.ravel())[::2]
    coefficients = around(samples, whole.ravel()).reshape(*whole.shape, _OFFSETS.size)
    powers = np.arange(1, _OFFSETS.size + 1)
    beyond = (coefficients * (part[..., None] ** powers / powers)).sum(axis=-1)
    for power, factor in _EULER_MACLAURIN.items():
        beyond = beyond + factor * coefficients[..., power]
    whole_and_parts: NDArray[np.inexact] = sums + beyond[:, 1] - beyond[:, 0]
    return whole_and_parts


def smoothed(voltage_v: NDArray[np.floating], samples_per_cycle: float) -> tuple[Doubles, float]:
    """A quarter-cycle moving average, so that noise and harmonics make no crossings of their own, and its delay."""
    length = max(1, round(samples_per_cycle / 4))
    total = np.concatenate([[0.0], np.cumsum(voltage_v, dtype=np.float64)])
    return (total[length:] - total[:-length]) / length, (length - 1) / 2


def crossings(smooth: Doubles, floor: float, within: float) -> Doubles:
    """Where a smooth voltage passes zero, up or down, in fractions of a sample.

    It must come from beyond `floor` on one side and get beyond it on the other, in less than `within` samples.
    """
    beyond = np.flatnonzero(np.abs(smooth) > floor)
    turned = np.flatnonzero(np.diff(smooth[beyond] > 0))
    last, first = beyond[turned], beyond[turned + 1]
    kept = (first - last < within) & (last >= BEFORE) & (first + AFTER < smooth.size)
    last, first = last[kept], first[kept]
    changes = np.flatnonzero(np.diff(smooth > 0))
    before = changes[np.searchsorted(changes, first) - 1]
    coefficients = around(smooth, before).real
    part: Doubles = np.clip(smooth[before] / (smooth[before] - smooth[before + 1]), 0.0, 1.0)
    for _ in range(4):
        value, slope = np.zeros_like(part), np.zeros_like(part)
        for power in range(_OFFSETS.size - 1, -1, -1):
            slope = slope * part + value
            value = value * part + coefficients[:, power]
        part = np.clip(part - value / slope, 0.0, 1.0)
    found: Doubles = before + part
    return found


def filled(edges: Doubles, half: float, first: float, last: float) -> Doubles:
    """Half-cycle edges from `first` to `last` with none missing: where a voltage is dead, cycles go on as before.

    `half` is the nominal length of a half cycle, for when there is no edge at all.
    """
    if not edges.size:
        return np.arange(first, last, half)
    lengths = np.diff(edges)
    usual = lengths[np.abs(lengths / half - 1) < 0.5]
    half = float(np.median(usual)) if usual.size else half
    missing = np.rint(lengths / half).astype(np.int64)
    whole = np.concatenate([[0], np.cumsum(np.maximum(missing, 1))])
    inside = np.interp(np.arange(whole[-1] + 1), whole, edges)
    before = np.arange(edges[0] - half, first, -half)[::-1]
    after = np.arange(edges[-1] + half, last, half)
    return np.concatenate([before, inside, after])


def incoherent(
    wave: Waveform,
    nominal_hz: float = 50.0,
    cycles: int | None = None,
    *,
    start_s: float | None = None,
    harmonics: int = 0,
) -> PhasePower:
    """Power of every whole window, whatever the frequency is.

    Windows lie between zero crossings of the voltage that has most of them, so one that is dead disturbs no other;
    half cycles lie between each voltage's own.  With `start_s`, the UTC of the first sample, windows begin anew at the
    first crossing after each tick of ten minutes, and the one across it is completed (IEC 61000-4-30 ed. 3, 4.5.1).
    `harmonics` is the highest order asked for; towards half the sample rate it is exact to 2e-4 of U1 only.  Too few
    samples for a window give arrays with no window; EngineError for fewer than 16 samples a cycle.
    """
    per_cycle = wave.sample_rate_hz / nominal_hz
    if per_cycle < MIN_SAMPLES_PER_CYCLE:
        raise EngineError(f"{per_cycle:.1f} samples a cycle are too few to find its crossings")
    check_harmonics(harmonics, per_cycle)
    cycles = window_cycles(nominal_hz) if cycles is None else cycles
    found = _own_edges(wave.voltage_v, per_cycle)
    reference = max(found, key=lambda one: one[1])[0]
    begin, end = _windows(reference, cycles, wave.sample_rate_hz, start_s)
    turn = np.exp(-1j * np.pi * np.interp(np.arange(wave.voltage_v.shape[1]), *_every_cycle(reference)))
    length = end - begin
    parts = []
    for u, i in zip(wave.voltage_v.astype(np.float64), wave.current_a.astype(np.float64), strict=True):
        products = (u * u, i * i, u * i, u * turn, i * turn)
        parts.append([integrals(product, begin, end) / length for product in products])
    u2, i2, p, u1, i1 = (np.array(part).reshape(len(parts), begin.size) for part in zip(*parts, strict=True))
    root2 = np.sqrt(2.0)
    return PhasePower(
        np.sqrt(np.maximum(u2, 0.0)),
        np.sqrt(np.maximum(i2, 0.0)),
        p,
        root2 * u1.astype(np.complex128),
        root2 * i1.astype(np.complex128),
        cycles * wave.sample_rate_hz / length,
        begin / wave.sample_rate_hz,
        end / wave.sample_rate_hz,
        tuple(
            _half_cycles(*one, wave.sample_rate_hz) for one in zip(wave.voltage_v, (e for e, _ in found), strict=True)
        ),
        _harmonics(wave.voltage_v, turn, begin, end, harmonics) if harmonics else None,
    )


def _harmonics(
    voltage_v: NDArray[np.floating], turn: Complexes, begin: Doubles, end: Doubles, highest: int
) -> Complexes:
    """RMS phasors (phase, window, order - 1)."""
    phasors = np.empty((len(voltage_v), begin.size, highest), np.complex128)
    turns = np.ones_like(turn)
    for order in range(highest):
        turns *= turn
        for phase, u in enumerate(voltage_v):
            phasors[phase, :, order] = np.sqrt(2.0) * integrals(u * turns, begin, end) / (end - begin)
    return phasors


def _own_edges(voltage_v: NDArray[np.floating], per_cycle: float) -> list[tuple[Doubles, int]]:
    """Of each voltage: the edges of its half cycles, and how many of them are crossings that were seen."""
    samples = voltage_v.shape[1]
    if samples < 2 * per_cycle:
        return [(np.zeros(0), 0)] * len(voltage_v)
    smooth = [smoothed(row, per_cycle) for row in voltage_v]
    floor = ALIVE * max(float(np.abs(row).max()) for row, _ in smooth)
    seen = [crossings(row, floor, per_cycle / 4) + delay for row, delay in smooth]
    margin = per_cycle / 4
    return [(filled(edges, per_cycle / 2, margin, samples - 1 - margin), edges.size) for edges in seen]


def _every_cycle(edges: Doubles) -> tuple[Doubles, Doubles]:
    """Places and half cycles so far of every second edge: a cycle has one slope, however unequal its halves are.

    A cycle more at both ends is for the samples beyond the last edge that its polynomial goes through.
    """
    if edges.size < 3:
        return np.zeros(1), np.zeros(1)
    cycle = edges[::2]
    places: Doubles = np.concatenate([[2 * cycle[0] - cycle[1]], cycle, [2 * cycle[-1] - cycle[-2]]])
    halves = np.arange(-2.0, 2 * cycle.size + 1, 2)
    return places, halves


def _windows(edges: Doubles, cycles: int, rate_hz: float, start_s: float | None) -> tuple[Doubles, Doubles]:
    """Begin and end of each window, in samples."""
    halves, first = 2 * cycles, np.zeros(1, np.int64)
    if start_s is not None and edges.size:
        moments_s = start_s + edges / rate_hz
        ticks_s = np.arange(moments_s[0] // RESYNCHRONISE_S + 1, moments_s[-1] // RESYNCHRONISE_S + 1) * RESYNCHRONISE_S
        first = np.append(first, np.searchsorted(moments_s, ticks_s))
    until = np.append(first[1:], edges.size)
    begin = np.concatenate([np.arange(a, b, halves) for a, b in zip(first, until, strict=True)])
    begin = begin[begin + halves < edges.size]
    return edges[begin], edges[begin + halves]


def _half_cycles(voltage_v: NDArray[np.floating], edges: Doubles, rate_hz: float) -> HalfCycles:
    square = np.square(voltage_v, dtype=np.float64)
    means = integrals(square, edges[:-1], edges[1:]) / np.diff(edges)
    return HalfCycles(edges / rate_hz, np.maximum(means.real, 0.0))
