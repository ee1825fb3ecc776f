"""Phasors: complex RMS voltages and currents, their powers, the Aron circuit, unbalance, three-phase apparent power."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from meters.engine.block import Block, Floats
from meters.engine.energy import Doubles
from meters.engine.errors import EngineError

Complexes = NDArray[np.complexfloating]

TURN = np.exp(2j * np.pi / 3)
"""A third of a turn: the operator a of symmetrical components."""


def block_of(voltage: Complexes, current: Complexes, frequency_hz: Floats | float = 50.0) -> Block:
    """Steps out of phasors (element, time, meter): P + jQ = U I*.  A step cannot tell what nets inside it."""
    power = voltage * np.conj(current)
    return Block(power.real, power.imag, np.abs(voltage), np.abs(current), frequency_hz)


def aron(voltage: Complexes, current: Complexes) -> tuple[Complexes, Complexes]:
    """What the two elements of a three-wire meter see of three phases (axis 0): (U12, U32) and (I1, I3).

    Their power is that of the three phases as long as the currents add up to zero, unbalance and harmonics allowed;
    with a neutral current it is wrong by what Blondel predicts.
    """
    _three(voltage)
    return np.stack([voltage[0] - voltage[1], voltage[2] - voltage[1]]), np.stack([current[0], current[2]])


def symmetrical(phasors: Complexes) -> Complexes:
    """Zero, positive and negative sequence (axis 0) of three phases (axis 0).  Fortescue."""
    _three(phasors)
    one, two, three = phasors
    sequences: Complexes = np.stack(
        [one + two + three, one + TURN * two + TURN**2 * three, one + TURN**2 * two + TURN * three]
    )
    return sequences / 3


def unbalance(phasors: Complexes) -> Doubles:
    """u2 = negative / positive sequence; 0 without any voltage.  IEC 61000-4-30 ed. 3, 5.7."""
    _, positive, negative = symmetrical(phasors)
    return share(np.abs(negative), np.abs(positive))


def share(part: Doubles, whole: Doubles) -> Doubles:
    """part / whole, neither negative: of nothing it is 0 for nothing, else infinite."""
    ratio: Doubles = np.divide(part, whole, out=np.where(part > 0, np.inf, 0.0), where=whole > 0)
    return ratio


def arithmetic_va(voltage_v: Floats, current_a: Floats) -> Doubles:
    """SA = sum of U I over the phases (axis 0)."""
    total: Doubles = (voltage_v * current_a).sum(axis=0, dtype=np.float64)
    return total


def vector_va(active_w: Floats, reactive_var: Floats) -> Doubles:
    """SV = sqrt(P^2 + Q^2) of the sums over the phases (axis 0)."""
    magnitude: Doubles = np.hypot(active_w.sum(axis=0, dtype=np.float64), reactive_var.sum(axis=0, dtype=np.float64))
    return magnitude


def effective_va(voltage: Complexes, current: Complexes, neutral_current: Complexes | None = None) -> Doubles:
    """Se = 3 Ue Ie of three phases (axis 0).  IEEE 1459-2010, 3.2.2.8; without a neutral current: three wires."""
    _three(voltage)
    line = np.stack([voltage[0] - voltage[1], voltage[1] - voltage[2], voltage[2] - voltage[0]])
    lines, currents = _square_sum(line), _square_sum(current)
    if neutral_current is None:
        ue, ie = np.sqrt(lines / 9), np.sqrt(currents / 3)
    else:
        ue = np.sqrt((3 * _square_sum(voltage) + lines) / 18)
        ie = np.sqrt((currents + np.abs(neutral_current) ** 2) / 3)
    effective: Doubles = 3 * ue * ie
    return effective


def _square_sum(phasors: Complexes) -> Doubles:
    total: Doubles = np.square(np.abs(phasors)).sum(axis=0, dtype=np.float64)
    return total


def _three(phasors: Complexes) -> None:
    if phasors.shape[0] != 3:
        raise EngineError(f"three phases are needed, not {phasors.shape[0]}")
