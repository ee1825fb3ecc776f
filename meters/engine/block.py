"""What happens on the wires: blocks of measured steps, and the port of whoever supplies them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from meters.engine.errors import EngineError

Floats = NDArray[np.floating]


class Input(IntFlag):
    """Digital inputs of a meter during a step."""

    MAGNET = 1
    COVER = 2
    ALARM = 4


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive steps of some meters; every array is (phase element, time, meter).

    A step's values hold for the whole step: power as its mean, voltage and current as its RMS.  `frequency_hz` is
    (time, meter) or anything that broadcasts to it; `inputs` holds `Input` bits as (time, meter), None means all zero.
    EngineError when the shapes differ.  float32 is welcome: everything is integrated in float64 and int64.
    """

    active_w: Floats
    reactive_var: Floats
    voltage_v: Floats
    current_a: Floats
    frequency_hz: Floats | float = 50.0
    inputs: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        shape = self.active_w.shape
        if len(shape) != 3:
            raise EngineError(f"a block is (phase, time, meter), not {shape}")
        for name in ("reactive_var", "voltage_v", "current_a"):
            if (other := getattr(self, name).shape) != shape:
                raise EngineError(f"{name} is {other}, active_w {shape}")
        if self.inputs is not None and self.inputs.shape != shape[1:]:
            raise EngineError(f"inputs are {self.inputs.shape}, not {shape[1:]}")

    @classmethod
    def from_power(
        cls, active_w: Floats, reactive_var: Floats, voltage_v: Floats, frequency_hz: Floats | float = 50.0
    ) -> Block:
        """Sinusoidal currents that carry the powers at the voltages: I = |P + jQ| / U, nothing at zero voltage."""
        apparent_va = np.hypot(active_w, reactive_var)
        current_a = np.divide(apparent_va, voltage_v, out=np.zeros_like(apparent_va), where=voltage_v > 0)
        return cls(active_w, reactive_var, voltage_v, current_a, frequency_hz)


def first_steps(block: Block, count: int) -> Block:
    """The first so many steps of a block."""
    frequency = block.frequency_hz
    if isinstance(frequency, np.ndarray) and frequency.ndim == 2 and len(frequency) > 1:
        frequency = frequency[:count]
    return Block(
        block.active_w[:, :count],
        block.reactive_var[:, :count],
        block.voltage_v[:, :count],
        block.current_a[:, :count],
        frequency,
        None if block.inputs is None else block.inputs[:count],
    )


class Source(Protocol):
    """Where blocks come from: a pure function, so the same step has the same values however time is cut."""

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        """The steps [start_s, stop_s), each `step_s` long, of the meters with these numbers in the fleet."""
        ...
