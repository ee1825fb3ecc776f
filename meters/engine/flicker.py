"""Flicker: how much a lamp at the voltage annoys an observer, as the flickermeter of IEC 61000-4-15 ed. 2 says.

sensation = instantaneous(voltage_v, 6400.0)        # Pinst of one phase
[pst(one) for one in ten_minutes(sensation)]        # and plt() of twelve of these is Plt
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from meters.engine.energy import Doubles
from meters.engine.errors import EngineError

RATE_HZ = 400.0
"""Of the instantaneous sensation: more than twice what passes the filters."""
MIN_SAMPLE_RATE_HZ = 800.0
SETTLE_S = 30.0
"""So long the filters settle at the begin of a record."""
ADAPTATION_S, MEMORY_S = 27.3, 0.3
"""Time constants of the input's adaptation (10 % to 90 % in a minute) and of the observer's memory."""
PST_S, PLT_COUNT = 600, 12
_HIGH_PASS_HZ, _LOW_PASS_SHARE, _ORDER = 0.05, 0.7, 6
_CALIBRATION_HZ = 8.8
_SLACK_S = 1e-6
_Response = Callable[[Doubles], NDArray[np.complex128]]


@dataclass(frozen=True, slots=True)
class Lamp:
    """A filament lamp with the eye that looks at it: the weighting filter, frequencies in Hz, and the change of voltage
    at 8.8 Hz (share) that is just perceptible: there Pinst reaches 1."""

    gain: float
    damping_hz: float
    centre_hz: float
    zero_hz: float
    first_pole_hz: float
    second_pole_hz: float
    perceptible: float

    def response(self, hertz: Doubles) -> NDArray[np.complex128]:
        """Of the weighting filter, at frequencies in Hz.  IEC 61000-4-15 ed. 2, 5.6."""
        s = 2j * np.pi * hertz
        centre = 2 * np.pi * self.centre_hz
        band = self.gain * centre * s / (s**2 + 4 * np.pi * self.damping_hz * s + centre**2)
        shelf = (1 + 1j * hertz / self.zero_hz) / (
            (1 + 1j * hertz / self.first_pole_hz) * (1 + 1j * hertz / self.second_pole_hz)
        )
        weighted: NDArray[np.complex128] = band * shelf
        return weighted


LAMP_230_V = Lamp(1.74802, 4.05981, 9.15494, 2.27979, 1.22535, 21.9, 0.00250)
LAMP_120_V = Lamp(1.6357, 4.167375, 9.077169, 2.939902, 1.394468, 17.31512, 0.00321)


def instantaneous(
    voltage_v: NDArray[np.floating], sample_rate_hz: float, nominal_hz: float = 50.0, lamp: Lamp = LAMP_230_V
) -> Doubles:
    """Pinst of one phase's samples, at RATE_HZ from SETTLE_S after the first one on; 1 is what half of all people just
    perceive.

    The filters are applied to the whole record at once.  EngineError for fewer than 800 samples a second, or a record
    that is not longer than the filters need to settle or has no voltage.
    """
    if sample_rate_hz < MIN_SAMPLE_RATE_HZ:
        raise EngineError(f"flicker needs {MIN_SAMPLE_RATE_HZ:g} samples a second, not {sample_rate_hz:g}")
    if voltage_v.ndim != 1 or voltage_v.size <= SETTLE_S * sample_rate_hz or not voltage_v.any():
        raise EngineError(f"flicker needs more than {SETTLE_S:g} s of the voltage of one phase, not {voltage_v.shape}")
    square = np.square(voltage_v, dtype=np.float64)
    level = _filtered(square, sample_rate_hz, lambda hertz: _low_pass(hertz, ADAPTATION_S))
    demodulated = square / np.maximum(level, level.max() * 1e-6)
    count = int(square.size / sample_rate_hz * RATE_HZ)
    seen = _filtered(demodulated, sample_rate_hz, lambda hertz: _eye(hertz, nominal_hz, lamp), count)
    felt = _filtered(np.square(seen), RATE_HZ, lambda hertz: _low_pass(hertz, MEMORY_S))
    at_limit = lamp.perceptible * np.abs(_eye(np.array([_CALIBRATION_HZ]), nominal_hz, lamp)[0])
    ripple = np.abs(_low_pass(np.array([2 * _CALIBRATION_HZ]), MEMORY_S)[0])
    sensation: Doubles = felt[round(SETTLE_S * RATE_HZ) :] / (at_limit**2 / 2 * (1 + ripple))
    return np.maximum(sensation, 0.0)


def _eye(hertz: Doubles, nominal_hz: float, lamp: Lamp) -> NDArray[np.complex128]:
    """Demodulation filters (0.05 Hz, and 35 Hz at 50 Hz or 42 Hz at 60 Hz) and the weighting filter."""
    high = 1j * hertz / _HIGH_PASS_HZ / (1 + 1j * hertz / _HIGH_PASS_HZ)
    s = 1j * hertz / (_LOW_PASS_SHARE * nominal_hz)
    poles = np.exp(1j * np.pi * (2 * np.arange(_ORDER) + _ORDER + 1) / (2 * _ORDER))
    seen = high * np.prod(-poles / (s[:, None] - poles), axis=1) * lamp.response(hertz)
    return np.asarray(seen, np.complex128)


def _low_pass(hertz: Doubles, time_s: float) -> NDArray[np.complex128]:
    passed = 1 / (1 + 2j * np.pi * hertz * time_s)
    return np.asarray(passed, np.complex128)


def _filtered(values: Doubles, rate_hz: float, response: _Response, count: int | None = None) -> Doubles:
    """The values through a filter, at `count` even places instead of as many as there are."""
    count = values.size if count is None else count
    spectrum = np.fft.rfft(values)[: count // 2 + 1]
    hertz: Doubles = np.arange(float(spectrum.size)) * (rate_hz / values.size)
    filtered: Doubles = np.fft.irfft(spectrum * response(hertz), count) * (count / values.size)
    return filtered


def ten_minutes(sensation: Doubles) -> list[Doubles]:
    """The whole ten minutes of Pinst, from its begin on."""
    length = round(PST_S * RATE_HZ)
    return [sensation[first : first + length] for first in range(0, sensation.size - length + 1, length)]


def pst_of_ten_minutes(
    voltage_v: NDArray[np.floating],
    sample_rate_hz: float,
    start_s: float,
    nominal_hz: float = 50.0,
    lamp: Lamp = LAMP_230_V,
) -> tuple[int, Doubles]:
    """Pst (phase, interval) of whole ten minutes of UTC, and the number of the first since 1970; none when samples
    (phase, time) from `start_s` on hold none after the filters have settled.  EngineError as `instantaneous`."""
    begin_s, stop_s = start_s + SETTLE_S, start_s + voltage_v.shape[1] / sample_rate_hz
    first, last = -int(-(begin_s - _SLACK_S) // PST_S), int((stop_s + _SLACK_S) // PST_S)
    severities = np.empty((len(voltage_v), max(last - first, 0)))
    if severities.size:
        for row, row_v in zip(severities, voltage_v, strict=True):
            felt = instantaneous(row_v, sample_rate_hz, nominal_hz, lamp)
            for index in range(last - first):
                begin = round(((first + index) * PST_S - begin_s) * RATE_HZ)
                row[index] = pst(felt[begin : begin + round(PST_S * RATE_HZ)])
    return first, severities


def short_flicker(
    voltage_v: NDArray[np.floating],
    sample_rate_hz: float,
    start_s: float,
    steps: int,
    step_s: int = 1,
    nominal_hz: float = 50.0,
    lamp: Lamp = LAMP_230_V,
) -> Doubles:
    """`Block.short_flicker` of one meter, (phase, step, 1), of the steps from `start_s` on; NaN where nothing is known.

    A step that lies in two intervals has that of its begin.  EngineError as `instantaneous`.
    """
    first, severities = pst_of_ten_minutes(voltage_v, sample_rate_hz, start_s, nominal_hz, lamp)
    index = ((start_s + np.arange(steps) * step_s + _SLACK_S) // PST_S).astype(np.int64) - first
    known = (index >= 0) & (index < severities.shape[1])
    found = np.full((len(voltage_v), steps), np.nan)
    found[:, known] = severities[:, index[known]]
    return found[..., None]


_PST = (
    (0.0314, (0.1,)),
    (0.0525, (0.7, 1.0, 1.5)),
    (0.0657, (2.2, 3.0, 4.0)),
    (0.28, (6.0, 8.0, 10.0, 13.0, 17.0)),
    (0.08, (30.0, 50.0, 80.0)),
)
"""Weight, and the shares of time (per cent) whose exceeded levels are averaged.  IEC 61000-4-15 ed. 2, 5.8.2."""


def pst(sensation: Doubles) -> float:
    """Short-term flicker severity of ten minutes (or what is given) of Pinst."""
    if not sensation.size:
        raise EngineError("no Pinst has no flicker severity")
    levels = [weight * np.quantile(sensation, 1 - np.array(shares) / 100).mean() for weight, shares in _PST]
    return float(np.sqrt(sum(levels)))


def plt(severities: NDArray[np.floating]) -> Doubles:
    """Plt of each twelve consecutive Pst (last axis), in two hours: the cubic mean.  The rest is left out."""
    values = np.asarray(severities, np.float64)
    twos = values.shape[-1] // PLT_COUNT
    cubes = values[..., : twos * PLT_COUNT].reshape(*values.shape[:-1], twos, PLT_COUNT) ** 3
    means: Doubles = np.cbrt(cubes.mean(axis=-1))
    return means
