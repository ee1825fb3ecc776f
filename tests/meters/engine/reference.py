"""One meter written from the definitions in plain loops, without numpy arithmetic: what the engine must agree with."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

import numpy as np

from meters.engine import Block, Summation, Wiring
from meters.engine.quantity import Measurand

START_S = 1_767_225_600
CHANNELS = ("a_in", "a_out", "q1", "q2", "q3", "q4", "s_in", "s_out")


def nearest(value: float) -> int:
    """Whole micro-units, halves to even: the one rounding that the engine makes."""
    return round(value * 1e6)


@dataclass
class Table:
    """A source that plays arrays (element, time, meter) from START_S on."""

    active_w: np.ndarray
    reactive_var: np.ndarray
    voltage_v: np.ndarray
    current_a: np.ndarray
    step_s: int = 1
    calls: list = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Table{self.active_w.shape}"

    def block(self, start_s: int, stop_s: int, step_s: int, meters: range) -> Block:
        assert step_s == self.step_s
        self.calls.append((start_s, stop_s))
        a, b = (start_s - START_S) // step_s, (stop_s - START_S) // step_s
        part = slice(meters.start, meters.stop)
        arrays = (self.active_w, self.reactive_var, self.voltage_v, self.current_a)
        return Block(*(array[:, a:b, part] for array in arrays))


@dataclass
class Row:
    time_s: int
    energy_uwh: dict
    mean_uw: dict
    after_outage: bool


class ScalarMeter:
    """A meter that looks at one step after the other."""

    def __init__(self, wiring=Wiring.THREE_PHASE, summation=Summation.PER_PHASE, step_s=1, period_s=900) -> None:
        self.wiring, self.summation, self.step_s, self.period_s = wiring, summation, step_s, period_s
        self.uws = dict.fromkeys(CHANNELS, 0)
        self.phase_uws = [dict.fromkeys(CHANNELS, 0) for _ in wiring.phases]
        self.tariff_uws = {tariff: dict.fromkeys(CHANNELS, 0) for tariff in range(1, 9)}
        self.tariff, self.now_s = 1, START_S
        self.period_uws = dict.fromkeys(CHANNELS, 0)
        self.rows: list[Row] = []
        self.below_s = self.powered_s = 0
        self.outage = False
        self.maximum = {}
        self.history = []

    def step(self, active_w, reactive_var, voltage_v, current_a) -> None:
        self.below_s = self.below_s + self.step_s if all(u < 160 for u in voltage_v) else 0
        off = self.below_s > max(1, 0)
        self.outage |= off
        self.powered_s += 0 if off else self.step_s
        elements = [
            self.element(p, q, u, i, off)
            for p, q, u, i in zip(active_w, reactive_var, voltage_v, current_a, strict=True)
        ]
        for sums, element in zip(self.phase_uws, elements, strict=True):
            for channel, value in self.split(*element).items():
                sums[channel] += value * self.step_s
        for channel, value in self.whole(elements).items():
            for sums in (self.uws, self.tariff_uws[self.tariff], self.period_uws):
                sums[channel] += value * self.step_s
        self.now_s += self.step_s
        if self.now_s % self.period_s == 0:
            self.close(off)

    def element(self, p, q, u, i, off) -> tuple[int, int, int]:
        if off or nearest(i) < 10_000:
            return 0, 0, 0
        p, q = nearest(p), nearest(q)
        s = round(nearest(u) * (nearest(i) / 1e6))
        return (p if abs(p) >= 2_300_000 else 0), (q if abs(q) >= 2_300_000 else 0), s

    @staticmethod
    def split(p, q, s) -> dict:
        out = dict.fromkeys(CHANNELS, 0)
        out["a_in" if p >= 0 else "a_out"] = abs(p)
        quadrant = ("q1" if q >= 0 else "q4") if p >= 0 else ("q2" if q >= 0 else "q3")
        out[quadrant] = abs(q)
        out["s_in" if p >= 0 else "s_out"] = s
        return out

    def whole(self, elements) -> dict:
        if self.summation is Summation.SUM_VECTOR:
            p, q = sum(e[0] for e in elements), sum(e[1] for e in elements)
            return self.split(p, q, round(float(np.hypot(float(p), float(q)))))
        parts = [self.split(*element) for element in elements]
        out = {channel: sum(part[channel] for part in parts) for channel in CHANNELS}
        if self.summation is Summation.TOTAL_ABS:
            out = {
                **dict.fromkeys(CHANNELS, 0),
                "a_in": out["a_in"] + out["a_out"],
                "q1": out["q1"] + out["q2"],
                "q4": out["q3"] + out["q4"],
                "s_in": out["s_in"] + out["s_out"],
            }
        return out

    def close(self, off: bool) -> None:
        mean_uw = {measurand: value // self.period_s for measurand, value in demands(self.period_uws).items()}
        self.period_uws = dict.fromkeys(CHANNELS, 0)
        if off:
            return
        energy = {channel: self.energy_uwh(self.uws[channel]) for channel in CHANNELS}
        self.rows.append(Row(self.now_s, energy, mean_uw, self.outage))
        self.outage = False
        self.history.append((self.now_s, mean_uw[Measurand.ACTIVE_IMPORT]))
        for name, value in mean_uw.items():
            for slot in (0, self.tariff):
                if value > self.maximum.get((name, slot), (0, 0))[0]:
                    self.maximum[name, slot] = (value, self.now_s)

    @staticmethod
    def energy_uwh(uws: int) -> int:
        return floor(Fraction(uws, 3600))


def demands(sums: dict) -> dict:
    return {
        Measurand.ACTIVE_IMPORT: sums["a_in"],
        Measurand.ACTIVE_EXPORT: sums["a_out"],
        Measurand.REACTIVE_IMPORT: sums["q1"] + sums["q2"],
        Measurand.REACTIVE_EXPORT: sums["q3"] + sums["q4"],
        Measurand.APPARENT_IMPORT: sums["s_in"],
        Measurand.APPARENT_EXPORT: sums["s_out"],
    }
